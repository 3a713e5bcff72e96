//! The op library (`wgsl/op/`) against the CPU's kernels, alloy and plain Rust, on a device.
//!
//! The inputs are those of the kernels' own tests: random and edge values from a fixed seed, which
//! a failure prints along with the operands.

#![allow(missing_docs, reason = "a test crate has no readers of its documentation")]

mod common;
#[path = "../../kernels/tests/common/mod.rs"]
mod inputs;

use std::time::Instant;

use alloy_primitives::U256;
use warpevm_kernels as _;
use warpevm_shaders::gpu::Gpu;
use warpevm_shaders::{File, KECCAK, Module, NUM64, NUMBERS, WORD};
use wgpu::ComputePipeline;

use common::{must, on_device, run};
use inputs::{Reference, Rng, SEED, WORD_OPS, Word, ZERO, flag, hash_word, word_cases};

/// Cases per op.
const CASES: usize = 100_000;

const WORDS: Module<'static> = Module {
    name: "the test of words",
    files: &[
        NUMBERS,
        NUM64,
        WORD,
        File { name: "tests/words", text: include_str!("wgsl/words.wgsl") },
    ],
};

const HASHES: Module<'static> = Module {
    name: "the test of hashes",
    files: &[
        NUMBERS,
        NUM64,
        WORD,
        KECCAK,
        File { name: "tests/hashes", text: include_str!("wgsl/hashes.wgsl") },
    ],
};

unsafe extern "C" {
    fn op_test_words_limbs64(
        op: u32,
        count: u32,
        a: *const Word,
        b: *const Word,
        c: *const Word,
        out: *mut Word,
    ) -> bool;
}

/// Rows of `WORD_OPS` that are nothing in WGSL: conversions from and to bytes, and what hashes.
const NOT_IN_WGSL: [&str; 5] = ["be_bytes", "to_be_bytes", "u64_at", "keccak256_1", "keccak256_2"];

/// Rows that `w_arith` computes, with its numbers for them.
fn arith_op(name: &str) -> Option<u32> {
    let constant = match name {
        "mul" => "OP_MUL",
        "div" => "OP_DIV",
        "sdiv" => "OP_SDIV",
        "mod" => "OP_MOD",
        "smod" => "OP_SMOD",
        "addmod" => "OP_ADD_MOD",
        "mulmod" => "OP_MUL_MOD",
        "exp" => "OP_EXP",
        _ => return None,
    };
    let start = format!("const {constant}: u32 = ");
    let value = NUMBERS.text.lines().find_map(|line| line.strip_prefix(&start)?.strip_suffix("u;"));
    Some(value.and_then(|value| value.parse().ok()).expect("a number of an op"))
}

fn low(x: U256) -> u64 {
    x.as_limbs()[0]
}

fn halves(x: U256) -> [u64; 2] {
    [low(x) & 0xffff_ffff, low(x) >> 32]
}

fn low32(x: U256) -> u32 {
    low(x) as u32
}

fn num(x: u64) -> U256 {
    U256::from(x)
}

/// Op 100 and on in `wgsl/words.wgsl`.
const NUM64_OPS: &[(&str, Reference)] = &[
    ("u64_add", |a, b, _| num(low(a).wrapping_add(low(b)))),
    ("u64_sub", |a, b, _| num(low(a).wrapping_sub(low(b)))),
    ("u64_neg", |a, _, _| num(low(a).wrapping_neg())),
    ("u64_add_sat", |a, b, _| num(low(a).saturating_add(low(b)))),
    ("u64_sub_sat", |a, b, _| num(low(a).saturating_sub(low(b)))),
    ("u64_mul", |a, b, _| num(low(a).wrapping_mul(low(b)))),
    ("u64_mul_wide", |a, b, _| U256::from(u128::from(low(a)) * u128::from(low(b)))),
    ("u64_mul32", |a, b, _| num(halves(a)[0] * halves(b)[0])),
    ("u64_mul_add2", |a, b, _| num(halves(a)[0] * halves(b)[0] + halves(a)[1] + halves(b)[1])),
    ("u64_shl", |a, _, c| num(low(a).checked_shl(low32(c)).unwrap_or(0))),
    ("u64_shr", |a, _, c| num(low(a).checked_shr(low32(c)).unwrap_or(0))),
    ("u64_div16", |a, _, c| num(low(a) / (low(c) & 0xffff).max(1))),
    ("u64_lt", |a, b, _| flag(low(a) < low(b))),
    ("u64_le", |a, b, _| flag(low(a) <= low(b))),
    ("u64_gt", |a, b, _| flag(low(a) > low(b))),
    ("u64_eq", |a, b, _| flag(low(a) == low(b))),
    ("u64_is_zero", |a, _, _| flag(low(a) == 0)),
    ("u64_min", |a, b, _| num(low(a).min(low(b)))),
    ("u64_max", |a, b, _| num(low(a).max(low(b)))),
    ("i64_lt", |a, b, _| flag((low(a) as i64) < low(b) as i64)),
    ("i64_le", |a, b, _| flag(low(a) as i64 <= low(b) as i64)),
    ("i64_gt", |a, b, _| flag(low(a) as i64 > low(b) as i64)),
    ("i64_is_negative", |a, _, _| flag((low(a) as i64) < 0)),
    ("u64_from", |_, _, c| num(halves(c)[0])),
];

fn bytes(words: &[Word]) -> Vec<u8> {
    words.iter().flat_map(|word| word.value().to_le_bytes::<32>()).collect()
}

fn words(bytes: &[u8]) -> Vec<U256> {
    bytes.chunks_exact(32).map(U256::from_le_slice).collect()
}

/// What the CPU's kernels give for a row of `WORD_OPS`.
fn on_cpu(op: usize, cases: &[[U256; 3]]) -> Vec<U256> {
    let columns: [Vec<Word>; 3] =
        [0, 1, 2].map(|i| cases.iter().map(|case| case[i].into()).collect());
    let mut out = vec![ZERO; cases.len()];
    // SAFETY: the three inputs and the output hold `cases.len()` words each.
    let known = unsafe {
        op_test_words_limbs64(
            op as u32,
            cases.len() as u32,
            columns[0].as_ptr(),
            columns[1].as_ptr(),
            columns[2].as_ptr(),
            out.as_mut_ptr(),
        )
    };
    assert!(known, "op {op} is unknown to the CPU's kernels");
    out.into_iter().map(Word::value).collect()
}

/// Runs one op on all its cases; `number` is that of `wgsl/words.wgsl`.
fn check(
    gpu: &Gpu,
    pipeline: &ComputePipeline,
    number: usize,
    (name, reference): (&str, Reference),
    cpu: Option<usize>,
) {
    let cases = word_cases(number, CASES);
    let input: Vec<Word> = cases.iter().flatten().map(|&word| word.into()).collect();
    let which = [number as u32, cases.len() as u32, arith_op(name).unwrap_or(0), 0];
    let start = Instant::now();
    let got = words(&run(gpu, pipeline, which, &[&bytes(&input)], cases.len(), 32 * cases.len()));
    println!("{name}: {:?}", start.elapsed());
    let on_cpu = cpu.map(|op| on_cpu(op, &cases));
    for (i, &[a, b, c]) in cases.iter().enumerate() {
        let expected = reference(a, b, c);
        let of_cpu = on_cpu.as_ref().map_or(expected, |all| all[i]);
        assert!(
            got[i] == expected && of_cpu == expected,
            "{name} (seed {SEED:#x} + {number})\n a = {a:#x}\n b = {b:#x}\n c = {c:#x}\n got \
             {:#x}\n the CPU's kernels {of_cpu:#x}\n expected {expected:#x}",
            got[i],
        );
    }
}

/// Compiles an entry point and runs it once on nothing: a driver may compile only then.
fn compiled(gpu: &Gpu, module: &Module<'_>, entry: &str, inputs: usize) -> ComputePipeline {
    let start = Instant::now();
    let pipeline = must(gpu.pipeline(module, entry, None));
    let made = start.elapsed();
    let start = Instant::now();
    run(gpu, &pipeline, [0; 4], &vec![&[0; 96][..]; inputs], 1, 32);
    println!("{entry}: pipeline {made:?}, first run {:?}", start.elapsed());
    pipeline
}

#[test]
fn words_and_numbers() {
    on_device("words_and_numbers", |gpu| {
        let pipeline = compiled(gpu, &WORDS, "plain", 1);
        for (op, &row) in WORD_OPS.iter().enumerate() {
            let elsewhere = row.0 != "mul" && arith_op(row.0).is_some();
            if !elsewhere && !NOT_IN_WGSL.contains(&row.0) {
                check(gpu, &pipeline, op, row, Some(op));
            }
        }
        for (op, &row) in NUM64_OPS.iter().enumerate() {
            check(gpu, &pipeline, 100 + op, row, None);
        }
    });
}

/// `w_arith`, with the op as a variable.
#[test]
fn arithmetic() {
    on_device("arithmetic", |gpu| {
        let pipeline = compiled(gpu, &WORDS, "arith", 1);
        for (op, &row) in WORD_OPS.iter().enumerate() {
            if arith_op(row.0).is_some() {
                check(gpu, &pipeline, op, row, Some(op));
            }
        }
    });
}

/// `w_div` and so on, with the op as a constant.
#[test]
fn arithmetic_by_name() {
    on_device("arithmetic_by_name", |gpu| {
        let pipeline = compiled(gpu, &WORDS, "named", 1);
        for (op, &row) in WORD_OPS.iter().enumerate() {
            if arith_op(row.0).is_some() && row.0 != "mul" {
                check(gpu, &pipeline, op, row, Some(op));
            }
        }
    });
}

/// Every length from 0 to 300, some long ones, and random ones.
#[test]
fn keccak256() {
    on_device("keccak256", |gpu| {
        let mut rng = Rng(SEED + 1000);
        let mut lengths: Vec<usize> = (0..=300).collect();
        lengths.extend([1000, 1087, 1088, 1089, 4095, 4096, 10_000]);
        lengths.extend((0..2000).map(|_| rng.below(1000) as usize));
        let (mut index, mut data, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        for &len in &lengths {
            let message = rng.bytes(len.next_multiple_of(4));
            index.extend([data.len() as u32 / 4, len as u32].map(u32::to_le_bytes).concat());
            expected.push(hash_word(&message[..len]));
            data.extend(message);
        }
        let pipeline = compiled(gpu, &HASHES, "hash", 2);
        let which = [0, lengths.len() as u32, 0, 0];
        let count = lengths.len();
        let got = words(&run(gpu, &pipeline, which, &[&index, &data], count, 32 * count));
        for ((got, expected), len) in got.iter().zip(&expected).zip(&lengths) {
            assert_eq!(got, expected, "length {len}, seed {SEED:#x} + 1000");
        }
    });
}

#[test]
fn keccak256_of_words() {
    on_device("keccak256_of_words", |gpu| {
        let pipeline = compiled(gpu, &HASHES, "hash_words", 2);
        for (words_each, name) in [(1, "keccak256_1"), (2, "keccak256_2")] {
            let op = WORD_OPS.iter().position(|row| row.0 == name).expect("a row of WORD_OPS");
            let cases = word_cases(op, CASES);
            let data: Vec<Word> =
                cases.iter().flat_map(|case| [case[0].into(), case[1].into()]).collect();
            let index: Vec<u8> = (0..cases.len() as u32)
                .flat_map(|i| [16 * i, 0].map(u32::to_le_bytes))
                .flatten()
                .collect();
            let which = [words_each, cases.len() as u32, 0, 0];
            let (count, bytes) = (cases.len(), bytes(&data));
            let got = words(&run(gpu, &pipeline, which, &[&index, &bytes], count, 32 * count));
            let on_cpu = on_cpu(op, &cases);
            for (i, &[a, b, c]) in cases.iter().enumerate() {
                let expected = WORD_OPS[op].1(a, b, c);
                assert!(
                    got[i] == expected && on_cpu[i] == expected,
                    "{name} (seed {SEED:#x} + {op})\n a = {a:#x}\n b = {b:#x}\n got {:#x}\n \
                     expected {expected:#x}",
                    got[i],
                );
            }
        }
    });
}

/// No row of `WORD_OPS` is left out but those that are named.
#[test]
fn every_word_op_is_in_wgsl() {
    let text = include_str!("wgsl/words.wgsl");
    for (op, (name, _)) in WORD_OPS.iter().enumerate() {
        let is_there = text.contains(&format!("case {op}u:"));
        assert_ne!(is_there, NOT_IN_WGSL.contains(name), "{name}");
    }
    for (op, (name, _)) in NUM64_OPS.iter().enumerate() {
        let line = format!("case {}u:", 100 + op);
        let line = text.lines().find(|text| text.contains(&line)).expect("a case for each");
        assert!(line.contains(&format!("{name}(")), "{name}: {line}");
    }
}
