//! The op library (`cuda/op/*.cuh`) against alloy's and revm's implementations.
//!
//! Every test runs both builds of the library: 64-bit limbs (the CPU's) and 32-bit limbs (the
//! device's). Inputs are random and edge values from a fixed seed, which a failure prints along
//! with the operands.

#![allow(missing_docs, reason = "a test crate has no readers of its documentation")]

use alloy_primitives::{I256, U256, U512, keccak256};
use revm::precompile;
use warpevm_kernels as _;

/// Cases per op and limb size.
const CASES: usize = 100_000;
const SEED: u64 = 0x5eed_0001;

/// A 256-bit word as the device lays it out.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
struct Word([u64; 4]);

impl From<U256> for Word {
    fn from(x: U256) -> Self {
        Self(x.into_limbs())
    }
}

impl Word {
    fn value(self) -> U256 {
        U256::from_limbs(self.0)
    }
}

const ZERO: Word = Word([0; 4]);

type WordsFn =
    unsafe extern "C" fn(u32, u32, *const Word, *const Word, *const Word, *mut Word) -> bool;
type HashFn = unsafe extern "C" fn(u32, *const u8, u32, *mut Word) -> bool;
type Blake2fFn = unsafe extern "C" fn(*const u8, *mut Word) -> bool;

macro_rules! entry_points {
    ($($limbs64:ident $limbs32:ident: fn($($arg:ty),*);)*) => {
        unsafe extern "C" {
            $(fn $limbs64($(_: $arg),*) -> bool; fn $limbs32($(_: $arg),*) -> bool;)*
        }
    };
}

entry_points! {
    op_test_words_limbs64 op_test_words_limbs32:
        fn(u32, u32, *const Word, *const Word, *const Word, *mut Word);
    op_test_hash_limbs64 op_test_hash_limbs32: fn(u32, *const u8, u32, *mut Word);
    op_test_blake2f_limbs64 op_test_blake2f_limbs32: fn(*const u8, *mut Word);
}

/// One build of the op library.
struct Library {
    name: &'static str,
    words: WordsFn,
    hash: HashFn,
    blake2f: Blake2fFn,
}

const LIBRARIES: [Library; 2] = [
    Library {
        name: "64-bit limbs",
        words: op_test_words_limbs64,
        hash: op_test_hash_limbs64,
        blake2f: op_test_blake2f_limbs64,
    },
    Library {
        name: "32-bit limbs",
        words: op_test_words_limbs32,
        hash: op_test_hash_limbs32,
        blake2f: op_test_blake2f_limbs32,
    },
];

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.u64() % n
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.u64() as u8).collect()
    }

    fn uniform(&mut self) -> U256 {
        U256::from_limbs([self.u64(), self.u64(), self.u64(), self.u64()])
    }

    /// A word that is likely to reach a corner: powers of two and their neighbours, sparse and
    /// all-ones limbs of either size, short words, small numbers, or uniform.
    fn word(&mut self) -> U256 {
        match self.below(12) {
            0 => U256::from(self.below(4)),
            1 => U256::ZERO.wrapping_sub(U256::from(self.below(4))),
            2 => (U256::from(1) << self.below(256)).wrapping_sub(U256::from(self.below(3))),
            3 => U256::ZERO.wrapping_sub(U256::from(1) << self.below(256)),
            4 => U256::from(self.below(300)),
            5 => U256::from(self.u64()),
            6 => {
                // Limbs of 32 bits that are 0, all ones, a high bit, or random.
                let mut limbs = [0u64; 4];
                for limb in &mut limbs {
                    *limb = self.edge_u32() | (self.edge_u32() << 32);
                }
                U256::from_limbs(limbs)
            }
            7 => {
                (U256::from(1) << 255usize).wrapping_sub(U256::from(self.below(3))) + U256::from(1)
            }
            8 => {
                U256::from(32 * self.below(9)).wrapping_sub(U256::from(1))
                    + U256::from(self.below(3))
            }
            9 | 10 => self.uniform() >> self.below(256),
            _ => self.uniform(),
        }
    }

    fn edge_u32(&mut self) -> u64 {
        match self.below(4) {
            0 => 0,
            1 => 0xffff_ffff,
            2 => 0x8000_0000,
            _ => self.u64() & 0xffff_ffff,
        }
    }

    /// Three operands, often related: equal, neighbours, or a multiple.
    fn operands(&mut self) -> [U256; 3] {
        let a = self.word();
        let b = match self.below(8) {
            0 => a,
            1 => a.wrapping_add(U256::from(1)),
            2 => a.wrapping_sub(U256::from(1)),
            3 => a.wrapping_mul(U256::from(self.below(1 << 32))),
            _ => self.word(),
        };
        let c = match self.below(8) {
            0 => a,
            1 => b.wrapping_add(U256::from(1)),
            2 => a.wrapping_add(b),
            _ => self.word(),
        };
        [a, b, c]
    }
}

fn flag(b: bool) -> U256 {
    U256::from(b)
}

fn signed(a: U256) -> I256 {
    I256::from_raw(a)
}

fn sdiv(a: U256, b: U256) -> U256 {
    if b.is_zero() { b } else { signed(a).wrapping_div(signed(b)).into_raw() }
}

fn smod(a: U256, b: U256) -> U256 {
    if b.is_zero() { b } else { signed(a).wrapping_rem(signed(b)).into_raw() }
}

fn signextend(k: U256, x: U256) -> U256 {
    if k >= U256::from(31) {
        return x;
    }
    let bit = 8 * k.to::<usize>() + 7;
    let mask = (U256::from(1) << bit).wrapping_sub(U256::from(1));
    if x.bit(bit) { x | !mask } else { x & mask }
}

fn byte(i: U256, x: U256) -> U256 {
    if i >= U256::from(32) { U256::ZERO } else { U256::from(x.byte(31 - i.to::<usize>())) }
}

fn amount(k: U256) -> usize {
    k.saturating_to::<usize>().min(256)
}

fn sar(k: usize, x: U256) -> U256 {
    x.arithmetic_shr(k)
}

fn hash_word(bytes: &[u8]) -> U256 {
    keccak256(bytes).into()
}

type Reference = fn(U256, U256, U256) -> U256;

/// Index = op number in `cuda/op_test.cpp`.
const WORD_OPS: &[(&str, Reference)] = &[
    ("add", |a, b, _| a.wrapping_add(b)),
    ("sub", |a, b, _| a.wrapping_sub(b)),
    ("mul", |a, b, _| a.wrapping_mul(b)),
    ("div", |a, b, _| a.checked_div(b).unwrap_or_default()),
    ("sdiv", |a, b, _| sdiv(a, b)),
    ("mod", |a, b, _| a.checked_rem(b).unwrap_or_default()),
    ("smod", |a, b, _| smod(a, b)),
    ("addmod", |a, b, m| a.add_mod(b, m)),
    ("mulmod", |a, b, m| a.mul_mod(b, m)),
    ("exp", |a, b, _| a.wrapping_pow(b)),
    ("signextend", |a, b, _| signextend(a, b)),
    ("lt", |a, b, _| flag(a < b)),
    ("gt", |a, b, _| flag(a > b)),
    ("slt", |a, b, _| flag(signed(a) < signed(b))),
    ("sgt", |a, b, _| flag(signed(a) > signed(b))),
    ("eq", |a, b, _| flag(a == b)),
    ("is_zero", |a, _, _| flag(a.is_zero())),
    ("bit_and", |a, b, _| a & b),
    ("bit_or", |a, b, _| a | b),
    ("bit_xor", |a, b, _| a ^ b),
    ("bit_not", |a, _, _| !a),
    ("byte_at", |a, b, _| byte(a, b)),
    ("shl", |a, b, _| b.wrapping_shl(amount(a))),
    ("shr", |a, b, _| b.wrapping_shr(amount(a))),
    ("sar", |a, b, _| sar(amount(a), b)),
    ("clz", |a, _, _| U256::from(a.leading_zeros())),
    ("shl_k", |a, b, _| b.wrapping_shl(a.byte(0) as usize)),
    ("shr_k", |a, b, _| b.wrapping_shr(a.byte(0) as usize)),
    ("sar_k", |a, b, _| sar(a.byte(0) as usize, b)),
    ("low_u64", |a, _, _| U256::from(a.as_limbs()[0])),
    ("fits_u64", |a, _, _| flag(a <= U256::from(u64::MAX))),
    ("fits_u32", |a, _, _| flag(a <= U256::from(u32::MAX))),
    ("bswap", |a, _, _| U256::from_le_bytes(a.to_be_bytes::<32>())),
    ("be_bytes", |a, _, _| a),
    ("to_be_bytes", |a, _, _| a >> 192usize),
    ("mul_full_high", |a, b, _| wide_product(a, b).1),
    ("mul_full_low", |a, b, _| wide_product(a, b).0),
    ("u64_at", |a, b, c| {
        let (a, b, c) = (a.as_limbs(), b.as_limbs(), c.as_limbs());
        U256::from_limbs([a[3], b[2], c[1], a[0]])
    }),
    ("neg", |a, _, _| a.wrapping_neg()),
    ("bit_length", |a, _, _| U256::from(a.bit_len())),
    ("is_negative", |a, _, _| flag(a.bit(255))),
    ("keccak256_1", |a, _, _| hash_word(&a.to_be_bytes::<32>())),
    ("keccak256_2", |a, b, _| hash_word(&[a.to_be_bytes::<32>(), b.to_be_bytes::<32>()].concat())),
];

fn wide_product(a: U256, b: U256) -> (U256, U256) {
    let product: U512 = a.widening_mul(b);
    let l = product.as_limbs();
    (U256::from_limbs([l[0], l[1], l[2], l[3]]), U256::from_limbs([l[4], l[5], l[6], l[7]]))
}

/// All pairs of a few values that are corners for nearly every op, before the random ones.
fn corner_operands() -> Vec<[U256; 3]> {
    let one = U256::from(1);
    let corners = [
        U256::ZERO,
        one,
        U256::from(2),
        U256::from(31),
        U256::from(32),
        U256::from(255),
        U256::from(256),
        U256::from(u32::MAX),
        U256::from(u64::MAX),
        U256::from(u128::MAX),
        one << 32usize,
        one << 64usize,
        one << 128usize,
        one << 192usize,
        one << 255usize,
        (one << 255usize) - one,
        U256::MAX,
        U256::MAX - one,
    ];
    let mut out = Vec::new();
    for a in corners {
        for b in corners {
            out.extend(corners.map(|c| [a, b, c]));
        }
    }
    out
}

fn check_word_op(library: &Library, op: usize) {
    let (name, reference) = WORD_OPS[op];
    let mut rng = Rng(SEED + op as u64);
    let mut cases = corner_operands();
    while cases.len() < CASES {
        cases.push(rng.operands());
    }
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
            "{name} ({}, seed {SEED:#x} + {op})\n a = {a:#x}\n b = {b:#x}\n c = {c:#x}\n got {:#x}\n \
             expected {expected:#x}",
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
    op_neg op_bit_length op_is_negative op_keccak256_1 op_keccak256_2
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
        let rounds = if case % 100 == 0 { 1000 + case } else { case % 31 };
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
