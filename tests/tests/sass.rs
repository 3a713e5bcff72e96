//! The op library's machine code for sm_90, run on the CPU (`tests/sass`): what the GPU will
//! execute, PTX carry chains included, against alloy, revm and the CPU's build.
//!
//! `cargo xtask test` compiles it; by hand, `cargo xtask cuda` says where it is.

#![allow(missing_docs, reason = "a test crate has no readers of its documentation")]

#[path = "../../kernels/tests/common/mod.rs"]
mod common;

use std::path::PathBuf;

use alloy_primitives::{U256, keccak256};
use common::*;
use revm::precompile::hash::{ripemd160_run, sha256_run};
use warpevm_kernels as _;
use warpevm_sass::{Kernel, Launch, Memory};
use warpevm_tests::fixtures::{Skip, skip};

/// Names the folder of cubins and what the disassembler prints of them.
const CUBINS_VAR: &str = "WARPEVM_CUBINS";
/// Random cases for each op, after the corners.
const CASES: usize = 2_000;
/// More than any op executes.
const INSTRUCTIONS_MAX: u64 = 4_000_000_000;

unsafe extern "C" {
    fn op_test_blake2f_limbs64(_: *const u8, _: *mut Word) -> bool;
    fn op_test_curve_limbs64(_: u32, _: *const Word, _: *mut Word) -> bool;
    fn op_test_modexp_limbs64(_: *const u8, _: u32, _: u32, _: u32, _: u32, _: *mut u8) -> bool;
    fn op_test_field_limbs64(_: u32, _: u32, _: *const u8, _: *const u8, _: *mut u8) -> bool;
    fn op_test_pairing_curve_limbs64(_: u32, _: *const u8, _: u32, _: *mut u8) -> bool;
}

/// A kernel's machine code, or a visible skip.
fn kernel(test: &str, name: &str) -> Option<Kernel> {
    let Some(folder) = std::env::var_os(CUBINS_VAR).map(PathBuf::from) else {
        let how = "there is no machine code to run; `cargo xtask test` compiles it";
        skip(test, &Skip(how.to_owned()));
        return None;
    };
    let read = |file: &str| std::fs::read(folder.join(file)).expect("the folder is whole");
    let text = String::from_utf8(read("op_test.sass")).expect("text");
    Some(Kernel::new(name, &read("op_test.cubin"), &text).expect("the code is understood"))
}

/// Arguments of a kernel, each at a multiple of its size.
#[derive(Default)]
struct Arguments {
    bytes: Vec<u8>,
    memory: Memory,
}

impl Arguments {
    fn number(mut self, value: u32) -> Arguments {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    fn slice<T>(mut self, slice: &mut [T]) -> Arguments {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        self.bytes.extend((slice.as_mut_ptr() as u64).to_le_bytes());
        // SAFETY: every caller keeps the slice until after the call.
        unsafe { self.memory.add(slice) };
        self
    }
}

/// A kernel with what one thread of it returns.
struct Call<'k> {
    launch: Launch<'k>,
    result: Box<[u64; 1]>,
}

impl<'k> Call<'k> {
    fn new(kernel: &'k Kernel) -> Call<'k> {
        let mut launch = Launch::new(kernel);
        launch.limit = INSTRUCTIONS_MAX;
        Call { launch, result: Box::new([0]) }
    }

    fn arguments(&mut self) -> Arguments {
        self.result[0] = u64::MAX;
        Arguments::default().slice(&mut self.result[..])
    }

    fn run(&mut self, arguments: &Arguments) -> u64 {
        let ran = self.launch.run(&arguments.bytes, 1, 1, &arguments.memory);
        ran.expect("the kernel runs");
        self.result[0]
    }
}

#[test]
fn words() {
    let Some(kernel) = kernel("sass::words", "op_test_words") else { return };
    let mut call = Call::new(&kernel);
    for (op, (name, reference)) in WORD_OPS.iter().enumerate() {
        let mut rng = Rng(SEED + op as u64);
        let mut cases = corner_operands();
        cases.extend((0..CASES).map(|_| rng.operands()));
        let mut columns =
            [0, 1, 2].map(|i| cases.iter().map(|case| case[i].into()).collect::<Vec<Word>>());
        let mut out = vec![ZERO; cases.len()];
        let mut arguments = call.arguments().number(op as u32).number(cases.len() as u32);
        for column in &mut columns {
            arguments = arguments.slice(column);
        }
        assert_eq!(call.run(&arguments.slice(&mut out)), 1, "{name}");
        for (&[a, b, c], &got) in cases.iter().zip(&out) {
            let expected = reference(a, b, c);
            let got = got.value();
            assert_eq!(got, expected, "{name}\n a = {a:#x}\n b = {b:#x}\n c = {c:#x}");
        }
    }
}

#[test]
fn hashes() {
    let Some(kernel) = kernel("sass::hashes", "op_test_hash") else { return };
    let mut call = Call::new(&kernel);
    let mut data = Rng(SEED).bytes(5_000);
    type Hash = fn(&[u8]) -> U256;
    let hashes: [Hash; 3] = [
        |data| keccak256(data).into(),
        |data| U256::from_be_slice(&sha256_run(data, u64::MAX).expect("enough gas").bytes),
        |data| U256::from_be_slice(&ripemd160_run(data, u64::MAX).expect("enough gas").bytes),
    ];
    for (hash, reference) in hashes.iter().enumerate() {
        for len in (0..=280).chain([1087, 1088, 1089, 4096]) {
            let start = len % 8;
            let mut out = [ZERO];
            let arguments = call.arguments().number(hash as u32).number(len as u32);
            let input = &mut data[start..start + len];
            let arguments = arguments.slice(input).slice(&mut out);
            assert_eq!(call.run(&arguments), 1);
            assert_eq!(out[0].value(), reference(&data[start..start + len]), "{hash}, {len}");
        }
    }
}

#[test]
fn blake2f() {
    let Some(kernel) = kernel("sass::blake2f", "op_test_blake2f") else { return };
    let mut call = Call::new(&kernel);
    let mut rng = Rng(SEED);
    for case in 0..200 {
        let mut input = rng.bytes(213);
        input[..4].copy_from_slice(&(case % 30u32).to_be_bytes());
        input[212] = (case % 3) as u8;
        let (mut out, mut expected) = ([ZERO; 2], [ZERO; 2]);
        // SAFETY: 213 bytes of input, two words of output.
        let valid = unsafe { op_test_blake2f_limbs64(input.as_ptr(), expected.as_mut_ptr()) };
        let arguments = call.arguments().slice(&mut input).slice(&mut out);
        assert_eq!(call.run(&arguments), u64::from(valid));
        assert_eq!(out.map(Word::value), expected.map(Word::value), "case {case}");
    }
}

/// Coordinates of alt_bn128's generator and of its double.
fn bn254_points() -> [[U256; 2]; 2] {
    let word = |hex: &str| U256::from_str_radix(hex, 16).expect("hex");
    let double = [
        word("030644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd3"),
        word("15ed738c0e0a7c92e7845f96b2ae9c0a68a6a449e3538fc7ff3ebf7a5a18a2c4"),
    ];
    [[U256::from(1), U256::from(2)], double]
}

#[test]
fn curves() {
    let Some(kernel) = kernel("sass::curves", "op_test_curve") else { return };
    let mut call = Call::new(&kernel);
    let mut rng = Rng(SEED);
    let [g, h] = bn254_points();
    let mut cases: Vec<(u32, Vec<U256>)> = vec![
        (2, vec![g[0], g[1], h[0], h[1]]),
        (2, vec![g[0], g[1], g[0], g[1]]),
        (2, vec![g[0], g[1], U256::ZERO, U256::ZERO]),
    ];
    for case in 0..6 {
        // Half of all numbers are a coordinate of a point: some signatures are of someone.
        let v = U256::from(27 + case % 2);
        cases.push((0, vec![rng.uniform(), v, rng.uniform() >> 1usize, rng.uniform() >> 1usize]));
        cases.push((1, (0..5).map(|_| rng.uniform()).collect()));
        cases.push((3, vec![g[0], g[1], rng.word()]));
    }
    let mut valid_cases = 0;
    for (op, input) in cases {
        let mut words = [ZERO; 8];
        for (word, value) in words.iter_mut().zip(input) {
            *word = value.into();
        }
        let (mut out, mut expected) = ([ZERO; 2], [ZERO; 2]);
        // SAFETY: as many words as an op takes, two words of output.
        let valid = unsafe { op_test_curve_limbs64(op, words.as_ptr(), expected.as_mut_ptr()) };
        let arguments = call.arguments().number(op).slice(&mut words).slice(&mut out);
        assert_eq!(call.run(&arguments), u64::from(valid), "{op} {words:?}");
        if valid {
            assert_eq!(out.map(Word::value), expected.map(Word::value), "{op} {words:?}");
            valid_cases += 1;
        }
    }
    assert!(valid_cases >= 9, "{valid_cases}");
}

#[test]
fn modexp() {
    let Some(kernel) = kernel("sass::modexp", "op_test_modexp") else { return };
    let mut call = Call::new(&kernel);
    let mut rng = Rng(SEED);
    for case in 0..60 {
        let lens = [case % 70, rng.below(40) as usize, (case * 7) % 90];
        let mut input: Vec<u8> = Vec::new();
        for len in lens {
            input.extend(U256::from(len).to_be_bytes::<32>());
        }
        input.extend(rng.bytes(lens.iter().sum()));
        let len = lens.map(|len| len as u32);
        let (mut out, mut expected) = (vec![0u8; 128], vec![0u8; 128]);
        let size = input.len() as u32;
        // SAFETY: the output is at least as long as the modulus.
        let valid = unsafe {
            let out = expected.as_mut_ptr();
            op_test_modexp_limbs64(input.as_ptr(), size, len[0], len[1], len[2], out)
        };
        let arguments = call.arguments().number(size).number(len[0]).number(len[1]);
        let arguments = arguments.number(len[2]).slice(&mut input).slice(&mut out);
        assert_eq!(call.run(&arguments), u64::from(valid));
        assert_eq!(out, expected, "case {case}, lengths {lens:?}");
    }
}

/// Arithmetic of the pairing curves' fields, on any elements.
#[test]
fn fields() {
    let Some(kernel) = kernel("sass::fields", "op_test_field") else { return };
    let mut call = Call::new(&kernel);
    let mut rng = Rng(SEED);
    // Below both primes.
    let mut element = |field: u32| -> Vec<u8> {
        let mut bytes = match rng.below(3) {
            0 => rng.word().to_le_bytes::<32>().to_vec(),
            _ => rng.bytes(32),
        };
        bytes[31] &= 0x1f;
        if field == 1 {
            bytes.extend(rng.bytes(16));
            bytes[47] &= 0x0f;
        }
        bytes
    };
    for case in 0..300 {
        for field in 0..2 {
            let (mut a, mut b) = (element(field), element(field));
            for op in 0..10 {
                let (mut out, mut expected) = (vec![0u8; 48], vec![0u8; 48]);
                // SAFETY: elements of the field.
                let known = unsafe {
                    let out = expected.as_mut_ptr();
                    op_test_field_limbs64(field, op, a.as_ptr(), b.as_ptr(), out)
                };
                let arguments = call.arguments().number(field).number(op);
                let arguments = arguments.slice(&mut a).slice(&mut b).slice(&mut out);
                assert_eq!(call.run(&arguments), u64::from(known), "field {field}, op {op}");
                assert_eq!(out, expected, "field {field}, op {op}, case {case}: {a:x?} {b:x?}");
            }
        }
    }
}

/// The precompile of an address in the CPU's build.
fn cpu_pairing_curve(address: u32, input: &[u8]) -> (bool, Vec<u8>) {
    let mut out = vec![0u8; 256];
    let len = input.len() as u32;
    // SAFETY: the longest output is 256 bytes.
    let valid =
        unsafe { op_test_pairing_curve_limbs64(address, input.as_ptr(), len, out.as_mut_ptr()) };
    (valid, out)
}

/// Points by mapping numbers to them, then sums, multiples, and pairings that are one and are not.
fn pairing_inputs() -> Vec<(u32, Vec<u8>)> {
    let mut inputs: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut point = |address: u32, numbers: &[u8]| -> Vec<u8> {
        let mut input = Vec::new();
        for number in numbers {
            input.extend([0; 63]);
            input.push(*number);
        }
        let (valid, out) = cpu_pairing_curve(address, &input);
        assert!(valid);
        inputs.push((address, input));
        out[..128 * numbers.len()].to_vec()
    };
    let (p1, p2) = (point(0x10, &[3]), point(0x10, &[200]));
    let (q1, q2) = (point(0x11, &[3, 5]), point(0x11, &[200, 1]));
    let order = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
    let order = U256::from_str_radix(order, 16).expect("hex");
    let scalar = |value: U256| value.to_be_bytes::<32>().to_vec();
    let minus = [&p1[..], &scalar(order - U256::from(1))].concat();
    let minus_p1 = cpu_pairing_curve(0x0c, &minus).1[..128].to_vec();
    let big = U256::MAX / U256::from(3);
    inputs.push((0x0b, [&p1[..], &p2].concat()));
    inputs.push((0x0b, [&p1[..], &minus_p1].concat()));
    inputs.push((0x0d, [&q1[..], &q2].concat()));
    inputs.push((0x0c, minus));
    inputs.push((0x0c, [&p1[..], &scalar(big), &p2, &scalar(U256::from(7))].concat()));
    inputs.push((0x0e, [&q1[..], &scalar(big), &q2, &scalar(U256::from(7))].concat()));
    inputs.push((0x0f, [&p1[..], &q1, &minus_p1, &q1].concat()));
    inputs.push((0x0f, [&p1[..], &q1, &p2, &q2].concat()));
    // alt_bn128: generators, and e(G, H) e(-G, H).
    let words = |texts: &[&str]| -> Vec<u8> {
        let word = |text: &&str| scalar(U256::from_str_radix(text, 16).expect("hex"));
        texts.iter().flat_map(word).collect()
    };
    let g2 = words(&[
        "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2",
        "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed",
        "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b",
        "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa",
    ]);
    let minus_y = "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd45";
    let (plus, minus) = (words(&["1", "2"]), words(&["1", minus_y]));
    inputs.push((0x08, [&plus[..], &g2, &minus, &g2].concat()));
    inputs.push((0x08, [&plus[..], &g2].concat()));
    // The polynomial 0 is 0 at 5: commitment and proof are infinity.
    let infinity = [&[0xc0u8][..], &[0; 47]].concat();
    let mut hash = sha256_run(&infinity, u64::MAX).expect("enough gas").bytes.to_vec();
    hash[0] = 1;
    let (five, zero) = (scalar(U256::from(5)), scalar(U256::ZERO));
    inputs.push((0x0a, [&hash[..], &five, &zero, &infinity, &infinity].concat()));
    inputs
}

#[test]
fn pairing_curves() {
    let Some(kernel) = kernel("sass::pairing_curves", "op_test_pairing_curve") else { return };
    let mut call = Call::new(&kernel);
    for (address, mut input) in pairing_inputs() {
        let (valid, expected) = cpu_pairing_curve(address, &input);
        assert!(valid, "{address:#x}");
        let mut out = vec![0u8; 256];
        let arguments = call.arguments().number(address).number(input.len() as u32);
        let arguments = arguments.slice(&mut input).slice(&mut out);
        assert_eq!(call.run(&arguments), 1, "{address:#x}");
        assert_eq!(out, expected, "{address:#x}");
    }
}
