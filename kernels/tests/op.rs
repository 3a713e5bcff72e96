//! The op library (`cuda/op/*.cuh`) against alloy's and revm's implementations.
//!
//! Every test runs both builds of the library: 64-bit limbs (the CPU's) and 32-bit limbs (the
//! device's). Inputs are random and edge values from a fixed seed, which a failure prints along
//! with the operands.

#![allow(missing_docs, reason = "a test crate has no readers of its documentation")]

mod common;

use std::{hint::black_box, time::Instant};

use alloy_primitives::U256;
use revm::precompile;
use warpevm_kernels as _;

use common::precompiles::*;
use common::*;

/// Cases per op and limb size.
const CASES: usize = 100_000;

type WordsFn =
    unsafe extern "C" fn(u32, u32, *const Word, *const Word, *const Word, *mut Word) -> bool;
type HashFn = unsafe extern "C" fn(u32, *const u8, u32, *mut Word) -> bool;
type Blake2fFn = unsafe extern "C" fn(*const u8, *mut Word) -> bool;

type CurveFn = unsafe extern "C" fn(u32, *const Word, *mut Word) -> bool;
type ModexpFn = unsafe extern "C" fn(*const u8, u32, u32, u32, u32, *mut u8) -> bool;
type ModexpGasFn = unsafe extern "C" fn(*const u32, u64, u64, u64, *const Word) -> u64;

macro_rules! entry_points {
    ($($limbs64:ident $limbs32:ident: fn($($arg:ty),*) -> $out:ty;)*) => {
        unsafe extern "C" {
            $(fn $limbs64($(_: $arg),*) -> $out; fn $limbs32($(_: $arg),*) -> $out;)*
        }
    };
}

entry_points! {
    op_test_words_limbs64 op_test_words_limbs32:
        fn(u32, u32, *const Word, *const Word, *const Word, *mut Word) -> bool;
    op_test_hash_limbs64 op_test_hash_limbs32: fn(u32, *const u8, u32, *mut Word) -> bool;
    op_test_blake2f_limbs64 op_test_blake2f_limbs32: fn(*const u8, *mut Word) -> bool;
    op_test_curve_limbs64 op_test_curve_limbs32: fn(u32, *const Word, *mut Word) -> bool;
    op_test_secp256k1_field_limbs64 op_test_secp256k1_field_limbs32:
        fn(u32, *const Word, *mut Word) -> bool;
    op_test_modexp_limbs64 op_test_modexp_limbs32:
        fn(*const u8, u32, u32, u32, u32, *mut u8) -> bool;
    op_test_modexp_gas_limbs64 op_test_modexp_gas_limbs32:
        fn(*const u32, u64, u64, u64, *const Word) -> u64;
}

/// One build of the op library.
struct Library {
    name: &'static str,
    words: WordsFn,
    hash: HashFn,
    blake2f: Blake2fFn,
    curve: CurveFn,
    secp256k1_field: CurveFn,
    modexp: ModexpFn,
    modexp_gas: ModexpGasFn,
}

const LIBRARIES: [Library; 2] = [
    Library {
        name: "64-bit limbs",
        words: op_test_words_limbs64,
        hash: op_test_hash_limbs64,
        blake2f: op_test_blake2f_limbs64,
        curve: op_test_curve_limbs64,
        secp256k1_field: op_test_secp256k1_field_limbs64,
        modexp: op_test_modexp_limbs64,
        modexp_gas: op_test_modexp_gas_limbs64,
    },
    Library {
        name: "32-bit limbs",
        words: op_test_words_limbs32,
        hash: op_test_hash_limbs32,
        blake2f: op_test_blake2f_limbs32,
        curve: op_test_curve_limbs32,
        secp256k1_field: op_test_secp256k1_field_limbs32,
        modexp: op_test_modexp_limbs32,
        modexp_gas: op_test_modexp_gas_limbs32,
    },
];

fn check_word_op(library: &Library, op: usize) {
    let (name, reference) = WORD_OPS[op];
    let cases = word_cases(op, CASES);
    let columns: Vec<Vec<Word>> =
        (0..3).map(|i| cases.iter().map(|case| case[i].into()).collect()).collect();
    let mut out = vec![ZERO; cases.len()];
    // SAFETY: the three inputs and the output hold `cases.len()` words each.
    let known = unsafe {
        (library.words)(
            op as u32,
            cases.len() as u32,
            columns[0].as_ptr(),
            columns[1].as_ptr(),
            columns[2].as_ptr(),
            out.as_mut_ptr(),
        )
    };
    assert!(known, "{name} is unknown to op_test.cpp");
    for (&[a, b, c], &got) in cases.iter().zip(&out) {
        let expected = reference(a, b, c);
        assert!(
            got.value() == expected,
            "{name} ({}, seed {SEED:#x} + {op})\n a = {a:#x}\n b = {b:#x}\n c = {c:#x}\n \
             got {:#x}\n expected {expected:#x}",
            library.name,
            got.value(),
        );
    }
}

macro_rules! word_op_tests {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            let name = stringify!($name).trim_start_matches("op_");
            let op = WORD_OPS.iter().position(|op| op.0 == name).expect("a row of WORD_OPS");
            for library in &LIBRARIES {
                check_word_op(library, op);
            }
        }
    )*

    /// No row of the table is without its test.
    #[test]
    fn every_word_op_has_a_test() {
        let tested = [$(stringify!($name).trim_start_matches("op_")),*];
        let rows: Vec<_> = WORD_OPS.iter().map(|op| op.0).collect();
        assert_eq!(tested.as_slice(), rows.as_slice());
    }};
}

word_op_tests! {
    op_add op_sub op_mul op_div op_sdiv op_mod op_smod op_addmod op_mulmod op_exp op_signextend
    op_lt op_gt op_slt op_sgt op_eq op_is_zero op_bit_and op_bit_or op_bit_xor op_bit_not
    op_byte_at op_shl op_shr op_sar op_clz op_shl_k op_shr_k op_sar_k op_low_u64 op_fits_u64
    op_fits_u32 op_bswap op_be_bytes op_to_be_bytes op_mul_full_high op_mul_full_low op_u64_at
    op_neg op_bit_length op_is_negative op_keccak256_1 op_keccak256_2 op_copy
}

/// Every length from 0 to 300 at every alignment class, and some long ones.
fn check_hash(hash: u32, reference: fn(&[u8]) -> U256) {
    let mut rng = Rng(SEED + 1000 + u64::from(hash));
    let data = rng.bytes(70_000);
    let lengths = (0..=300).chain([1000, 1087, 1088, 1089, 4095, 4096, 10_000, 65_535, 65_536]);
    for len in lengths {
        for start in 0..8 {
            let input = &data[start..start + len];
            for library in &LIBRARIES {
                let mut out = ZERO;
                // SAFETY: `input` is readable for its length and `out` is one word.
                let known =
                    unsafe { (library.hash)(hash, input.as_ptr(), len as u32, &raw mut out) };
                assert!(known);
                assert_eq!(
                    out.value(),
                    reference(input),
                    "hash {hash}, {}, length {len}, start {start}, seed {SEED:#x}",
                    library.name
                );
            }
        }
    }
}

#[test]
fn hash_keccak256() {
    check_hash(0, hash_word);
}

#[test]
fn hash_sha256() {
    check_hash(1, |input| {
        let output = precompile::hash::sha256_run(input, u64::MAX).expect("enough gas");
        U256::from_be_slice(&output.bytes)
    });
}

#[test]
fn hash_ripemd160() {
    check_hash(2, |input| {
        let output = precompile::hash::ripemd160_run(input, u64::MAX).expect("enough gas");
        U256::from_be_slice(&output.bytes)
    });
}

#[test]
fn blake2f() {
    let mut rng = Rng(SEED + 2000);
    for case in 0..20_000u32 {
        let mut input = rng.bytes(213);
        // Few rounds mostly; every count up to 30 appears, so every row of the schedule does.
        let rounds = match case % 2000 {
            0 => 1 << 16,
            special if special % 100 == 0 => 1000 + case,
            _ => case % 31,
        };
        input[..4].copy_from_slice(&rounds.to_be_bytes());
        input[212] = if rng.below(10) == 0 { rng.u64() as u8 } else { (case & 1) as u8 };
        let expected = precompile::blake2::run(&input, u64::MAX).ok().map(|out| out.bytes.to_vec());
        for library in &LIBRARIES {
            let mut out = [ZERO; 2];
            // SAFETY: the input has 213 bytes and `out` two words.
            let valid = unsafe { (library.blake2f)(input.as_ptr(), out.as_mut_ptr()) };
            let got = valid.then(|| out.map(|w| w.value().to_be_bytes::<32>()).concat());
            assert_eq!(
                got.as_deref(),
                expected.as_deref(),
                "{}, case {case}, seed {SEED:#x} + 2000, input {input:02x?}",
                library.name
            );
        }
    }
}

// ---- curves ----

/// The numbers of ecrecover in `op_test.cpp`: as this processor runs it, and as any does.
const ECRECOVER: [u32; 2] = [0, 4];

/// Runs curve operation `op` on `input` in both builds and compares with `expected`: `None` for an
/// invalid input, else the output words.
fn check_curve(op: u32, input: &[U256], expected: Option<Vec<U256>>, case: usize) {
    let words: Vec<Word> = input.iter().map(|&w| w.into()).collect();
    for library in &LIBRARIES {
        let mut out = [ZERO; 2];
        // SAFETY: `words` holds the operation's inputs, and no operation writes over two words.
        let valid = unsafe { (library.curve)(op, words.as_ptr(), out.as_mut_ptr()) };
        let got = valid.then(|| {
            let len = expected.as_ref().map_or(0, Vec::len);
            out[..len].iter().map(|w| w.value()).collect::<Vec<_>>()
        });
        assert!(
            got == expected,
            "curve operation {op}, {}, case {case}, seed {SEED:#x}\n input {input:#x?}\n got \
             {got:#x?}\n expected {expected:#x?}",
            library.name
        );
    }
}

#[test]
fn curve_ecrecover() {
    let curve = secp256k1();
    let mut rng = Rng(SEED + 3000);
    let (mut valid, mut invalid) = (0, 0);
    for case in 0..4000 {
        let [hash, v, r, s] = ecrecover_words(&curve, &mut rng);
        let input = be_bytes(&[hash, v, r, s]);
        let output = precompile::secp256k1::ec_recover_run(&input, u64::MAX).expect("enough gas");
        let expected = (!output.bytes.is_empty()).then(|| vec![U256::from_be_slice(&output.bytes)]);
        if expected.is_some() {
            valid += 1
        } else {
            invalid += 1
        }
        for op in ECRECOVER {
            check_curve(op, &[hash, v, r, s], expected.clone(), case);
        }
    }
    assert!(valid > 1000 && invalid > 1000, "{valid} valid and {invalid} invalid inputs");
    // The point at infinity, by name: R = G and s = hash.
    let hash = U256::from(12345);
    for op in ECRECOVER {
        check_curve(op, &[hash, U256::from(27), curve.generator.0, hash], None, 0);
    }
}

/// The base field of secp256k1 on numbers that carry out of 256 bits once, twice or not at all.
#[test]
fn secp256k1_field() {
    let p = secp256k1().p;
    let c = U256::ZERO.wrapping_sub(p);
    let mut rng = Rng(SEED + 3500);
    let element = |rng: &mut Rng| match rng.below(8) {
        0 => U256::MAX - U256::from(rng.below(4)),
        1 => U256::MAX - U256::from(rng.below(1 << 34)),
        2 => U256::from(rng.below(1 << 34)),
        3 => p.wrapping_add(U256::from(rng.below(5))).wrapping_sub(U256::from(2)),
        4 => c.wrapping_add(U256::from(rng.below(5))).wrapping_sub(U256::from(2)),
        5 => rng.word(),
        _ => rng.uniform(),
    };
    let mut cases: Vec<_> = (0..CASES).map(|_| (element(&mut rng), element(&mut rng))).collect();
    // For (2^256 - 1) (2^256 - x) the last c is added to c^2 - 2c - x (c - 1), whose lowest limb it
    // has to overflow: x is the least that takes this below 2^64.
    let above = c * (c - U256::from(2)) - (U256::from(1) << 64);
    let x = above / (c - U256::from(1)) + U256::from(1);
    cases.extend([(U256::MAX, U256::ZERO - x), (U256::ZERO - x, U256::MAX)]);
    let half = (p + U256::from(1)) >> 1usize;
    for (case, (a, b)) in cases.into_iter().enumerate() {
        let (x, y) = (a % p, b % p);
        let expected = [
            x.mul_mod(y, p),
            x.mul_mod(x, p),
            x.add_mod(y, p),
            x.add_mod(p - y, p),
            x.mul_mod(half, p),
            if case % 50 == 0 { x.inv_mod(p).unwrap_or_default() } else { U256::ZERO },
            U256::from(u64::from(x.is_zero())),
        ];
        let words = [a.into(), b.into()];
        for library in &LIBRARIES {
            for (op, &expected) in expected.iter().enumerate() {
                if op == 5 && case % 50 != 0 {
                    continue;
                }
                let mut out = ZERO;
                // SAFETY: the operands are two words, the result is one.
                let known =
                    unsafe { (library.secp256k1_field)(op as u32, words.as_ptr(), &raw mut out) };
                assert!(
                    known && out.value() == expected,
                    "operation {op}, {}, case {case}, seed {SEED:#x} + 3500\n a = {a:#x}\n \
                     b = {b:#x}\n got {:#x}\n expected {expected:#x}",
                    library.name,
                    out.value()
                );
            }
        }
    }
}

#[test]
fn curve_p256_verify() {
    let curve = p256();
    let mut rng = Rng(SEED + 4000);
    let (mut valid, mut invalid) = (0, 0);
    for case in 0..1200 {
        let Some(words) = p256_words(&curve, &mut rng) else { continue };
        let output =
            precompile::secp256r1::p256_verify(&be_bytes(&words), u64::MAX).expect("enough gas");
        let expected = (!output.bytes.is_empty()).then(Vec::new);
        if expected.is_some() {
            valid += 1
        } else {
            invalid += 1
        }
        check_curve(1, &words, expected, case);
    }
    assert!(valid > 300 && invalid > 300, "{valid} valid and {invalid} invalid inputs");
}

fn point_words(bytes: &[u8]) -> Vec<U256> {
    bytes.chunks(32).map(U256::from_be_slice).collect()
}

#[test]
fn curve_bn254_add() {
    let curve = bn254();
    let mut rng = Rng(SEED + 5000);
    let (mut valid, mut invalid) = (0, 0);
    for case in 0..6000 {
        let p = bn254_operand(&curve, &mut rng, curve.generator);
        let q = bn254_operand(&curve, &mut rng, p);
        let words = [p.0, p.1, q.0, q.1];
        let expected = precompile::bn254::run_add(&be_bytes(&words), 0, u64::MAX)
            .ok()
            .map(|output| point_words(&output.bytes));
        if expected.is_some() {
            valid += 1
        } else {
            invalid += 1
        }
        check_curve(2, &words, expected, case);
    }
    assert!(valid > 1000 && invalid > 1000, "{valid} valid and {invalid} invalid inputs");
}

#[test]
fn curve_bn254_mul() {
    let curve = bn254();
    let mut rng = Rng(SEED + 6000);
    let (mut valid, mut invalid) = (0, 0);
    for case in 0..2000 {
        let p = bn254_operand(&curve, &mut rng, curve.generator);
        let words = [p.0, p.1, curve.scalar(&mut rng)];
        let expected = precompile::bn254::run_mul(&be_bytes(&words), 0, u64::MAX)
            .ok()
            .map(|output| point_words(&output.bytes));
        if expected.is_some() {
            valid += 1
        } else {
            invalid += 1
        }
        check_curve(3, &words, expected, case);
    }
    assert!(valid > 500 && invalid > 300, "{valid} valid and {invalid} invalid inputs");
}

// ---- modexp ----

fn check_modexp(rng: &mut Rng, lens: [usize; 3], case: usize) {
    let input = modexp_input(rng, lens);
    let expected = precompile::modexp::byzantium_run(&input, u64::MAX).expect("enough gas").bytes;
    for library in &LIBRARIES {
        let mut out = vec![0xa5; lens[2]];
        // SAFETY: the input is readable for its length, and `out` has the modulus's length.
        let intact = unsafe {
            (library.modexp)(
                input.as_ptr(),
                input.len() as u32,
                lens[0] as u32,
                lens[1] as u32,
                lens[2] as u32,
                out.as_mut_ptr(),
            )
        };
        let name = library.name;
        assert!(intact, "{name}, case {case}, {lens:?}: wrote behind its workspace");
        assert!(
            out == expected[..],
            "{name}, case {case}, lengths {lens:?}, seed {SEED:#x} + 7000\n input {input:02x?}\n \
             got {out:02x?}\n expected {expected:02x?}"
        );
    }
}

#[test]
fn modexp_short() {
    let mut rng = Rng(SEED + 7000);
    for case in 0..20_000 {
        let lens = [rng.below(41), rng.below(10), rng.below(41)].map(|len| len as usize);
        check_modexp(&mut rng, lens, case);
    }
}

#[test]
fn modexp_long() {
    let mut rng = Rng(SEED + 7001);
    for case in 0..300 {
        let lens = [rng.below(300), rng.below(40), rng.below(300)].map(|len| len as usize);
        check_modexp(&mut rng, lens, case);
    }
    for (case, lens) in
        [[512, 3, 512], [1024, 3, 1024], [1024, 32, 1], [1, 3, 1024], [256, 256, 256], [0, 0, 64]]
            .into_iter()
            .enumerate()
    {
        for _ in 0..8 {
            check_modexp(&mut rng, lens, case);
        }
    }
}

#[test]
fn modexp_gas() {
    use precompile::modexp::{berlin_gas_calc, byzantium_gas_calc, osaka_gas_calc};
    /// EIP-198, EIP-2565, EIP-7883: rule, divisor, least price, iterations for a byte.
    const PRICES: [[u32; 4]; 3] = [[0, 20, 0, 8], [1, 3, 200, 8], [2, 1, 500, 16]];
    let mut rng = Rng(SEED + 8000);
    let length = |rng: &mut Rng| match rng.below(5) {
        0 => rng.below(40),
        1 => [31, 32, 33, 63, 64, 65, 1023, 1024, 1025][rng.below(9) as usize],
        2 => rng.below(2000),
        3 => u64::MAX - rng.below(3),
        _ => rng.u64() >> rng.below(64),
    };
    for case in 0..CASES {
        let [base_len, exp_len, mod_len] = [(); 3].map(|()| length(&mut rng));
        let head = rng.word();
        let expected = [byzantium_gas_calc, berlin_gas_calc, osaka_gas_calc]
            .map(|gas| gas(base_len, exp_len, mod_len, &head));
        for library in &LIBRARIES {
            let got = PRICES.map(|price| {
                let (head, price) = (head.into(), price.as_ptr());
                // SAFETY: the arguments point to a price and a word.
                unsafe { (library.modexp_gas)(price, base_len, exp_len, mod_len, &head) }
            });
            assert_eq!(
                got, expected,
                "{}, case {case}: base {base_len}, exponent {exp_len}, modulus {mod_len}, head \
                 {head:#x}",
                library.name
            );
        }
    }
}

// ---- timings ----

/// The least nanoseconds per call over some repetitions of `count` calls.
fn least_ns(count: usize, mut calls: impl FnMut()) -> f64 {
    (0..30)
        .map(|_| {
            let start = Instant::now();
            calls();
            start.elapsed().as_nanos() as f64 / count as f64
        })
        .fold(f64::INFINITY, f64::min)
}

fn print_row(name: &str, ours: [f64; 2], reference: f64) {
    println!("{name:<28} {:>10.1} {:>10.1} {reference:>10.1}", ours[0], ours[1]);
}

/// Nanoseconds per op of both builds and of the reference: run with
/// `cargo test --release -p warpevm-kernels --test op -- --ignored --nocapture timings`.
#[test]
#[ignore = "prints timings, checks nothing"]
fn timings() {
    let mut rng = Rng(SEED);
    println!("{:<28} {:>10} {:>10} {:>10}  ns", "op", "64-bit", "32-bit", "reference");
    let count = 2000;
    let masks = [("256/256", 0, 3), ("256/192", 0, 70), ("256/128", 0, 130), ("256/64", 0, 200)];
    for (op, (name, reference)) in WORD_OPS.iter().enumerate() {
        let shapes = if ["div", "mod", "sdiv"].contains(name) { &masks[..] } else { &masks[..1] };
        for (shape, shift_a, shift_b) in shapes {
            let shift = |x: U256, k: usize| x >> k;
            let a: Vec<U256> = (0..count).map(|_| shift(rng.uniform(), *shift_a)).collect();
            let b: Vec<U256> = (0..count).map(|_| shift(rng.uniform(), *shift_b)).collect();
            let c: Vec<U256> = (0..count).map(|_| rng.uniform()).collect();
            let words = [&a, &b, &c].map(|x| x.iter().map(|&x| x.into()).collect::<Vec<Word>>());
            let mut out = vec![ZERO; count];
            let ours = [0, 1].map(|i| {
                least_ns(count, || {
                    // SAFETY: every array holds `count` words.
                    unsafe {
                        (LIBRARIES[i].words)(
                            op as u32,
                            count as u32,
                            words[0].as_ptr(),
                            words[1].as_ptr(),
                            words[2].as_ptr(),
                            out.as_mut_ptr(),
                        );
                    }
                })
            });
            let mut expected = vec![U256::ZERO; count];
            let theirs = least_ns(count, || {
                for i in 0..count {
                    expected[i] = reference(a[i], b[i], c[i]);
                }
                black_box(&expected);
            });
            let label = if shapes.len() > 1 { format!("{name} {shape}") } else { (*name).into() };
            print_row(&label, ours, theirs);
        }
    }
    let data = rng.bytes(4096);
    for (hash, name, reference) in [
        (0, "keccak256", hash_word as fn(&[u8]) -> U256),
        (1, "sha256", |x| {
            U256::from_be_slice(&precompile::hash::sha256_run(x, u64::MAX).unwrap().bytes)
        }),
        (2, "ripemd160", |x| {
            U256::from_be_slice(&precompile::hash::ripemd160_run(x, u64::MAX).unwrap().bytes)
        }),
    ] {
        for len in [32, 136, 4096] {
            let mut out = ZERO;
            let ours = LIBRARIES.each_ref().map(|library| {
                least_ns(100, || {
                    for _ in 0..100 {
                        // SAFETY: `data` has at least `len` bytes, and `out` is one word.
                        unsafe { (library.hash)(hash, data.as_ptr(), len as u32, &raw mut out) };
                    }
                })
            });
            let theirs = least_ns(100, || {
                for _ in 0..100 {
                    black_box(reference(black_box(&data[..len])));
                }
            });
            print_row(&format!("{name} {len} bytes"), ours, theirs);
        }
    }
    time_precompiles(&mut rng);
}

fn time_precompiles(rng: &mut Rng) {
    let (secp, r1) = (secp256k1(), p256());
    let hash = rng.uniform();
    let r = secp.generator.0;
    let key = r1.mul(U256::from(7), Some(r1.generator)).expect("below the order");
    // A signature with key 7 and nonce 1: s = hash + 7 r.
    let s = (hash % r1.order).add_mod(r1.generator.0.mul_mod(U256::from(7), r1.order), r1.order);
    let point = bn254().random_point(rng);
    let scalar = rng.uniform();
    type Run = fn(&[u8]);
    let rows: [(&str, u32, Vec<U256>, Run); 4] = [
        ("ecrecover", 0, vec![hash, U256::from(27), r, rng.uniform() >> 1usize], |x| {
            black_box(precompile::secp256k1::ec_recover_run(x, u64::MAX)).ok();
        }),
        ("p256_verify", 1, vec![hash, r1.generator.0, s, key.0, key.1], |x| {
            black_box(precompile::secp256r1::p256_verify(x, u64::MAX)).ok();
        }),
        ("bn254_add", 2, vec![point.0, point.1, U256::from(1), U256::from(2)], |x| {
            black_box(precompile::bn254::run_add(x, 0, u64::MAX)).ok();
        }),
        ("bn254_mul", 3, vec![point.0, point.1, scalar], |x| {
            black_box(precompile::bn254::run_mul(x, 0, u64::MAX)).ok();
        }),
    ];
    for (name, op, input, run) in rows {
        let words: Vec<Word> = input.iter().map(|&w| w.into()).collect();
        let bytes = be_bytes(&input);
        let mut out = [ZERO; 2];
        let ours = LIBRARIES.each_ref().map(|library| {
            least_ns(10, || {
                for _ in 0..10 {
                    // SAFETY: `words` holds the operation's inputs, `out` its results.
                    unsafe { (library.curve)(op, words.as_ptr(), out.as_mut_ptr()) };
                }
            })
        });
        print_row(name, ours, least_ns(10, || (0..10).for_each(|_| run(&bytes))));
    }
    for (name, lens) in
        [("modexp 32^32 mod 32", [32, 32, 32]), ("modexp 256^3 mod 256", [256, 3, 256])]
    {
        let mut input = be_bytes(&lens.map(U256::from));
        input.extend(rng.bytes(lens.iter().sum()));
        if let Some(last) = input.last_mut() {
            *last |= 1;
        }
        let mut out = vec![0; lens[2]];
        let [b, e, m] = lens.map(|len| len as u32);
        let ours = LIBRARIES.each_ref().map(|library| {
            least_ns(1, || {
                // SAFETY: the input is readable for its length, `out` has the modulus's length.
                unsafe {
                    (library.modexp)(input.as_ptr(), input.len() as u32, b, e, m, out.as_mut_ptr());
                }
            })
        });
        let theirs = least_ns(1, || {
            black_box(precompile::modexp::berlin_run(&input, u64::MAX)).ok();
        });
        print_row(name, ours, theirs);
    }
}

#[test]
fn curve_p256_bounds() {
    let curve = p256();
    let mut rng = Rng(SEED + 4500);
    for _ in 0..20 {
        for (words, valid) in p256_bounds(&curve, &mut rng) {
            let output = precompile::secp256r1::p256_verify(&be_bytes(&words), u64::MAX);
            assert_eq!(output.expect("enough gas").bytes.is_empty(), !valid, "{words:#x?}");
            check_curve(1, &words, valid.then(Vec::new), 0);
        }
    }
}
