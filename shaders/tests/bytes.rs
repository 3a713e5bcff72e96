//! Loads and copies of byte ranges (`wgsl/bytes.wgsl`) against copies of slices, on a device.

#![allow(missing_docs, reason = "a test crate has no readers of its documentation")]

mod common;

use common::{must, on_device, run};
use warpevm_shaders::{BYTES, File, Module, NUM64, NUMBERS, WORD};

const CALLS: usize = 20_000;
/// Bytes that a call works on, and that it can read from elsewhere.
const REGION_BYTES: usize = 256;
const SOURCE_BYTES: usize = 4096;

const MODULE: Module<'static> = Module {
    name: "the test of byte ranges",
    files: &[
        NUMBERS,
        NUM64,
        WORD,
        BYTES,
        File { name: "tests/bytes", text: include_str!("wgsl/bytes.wgsl") },
    ],
};

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// What the region of a call is before it.
fn region(number: usize) -> Vec<u8> {
    let word =
        |i: u32| (number as u32).wrapping_mul(0x9e37_79b9) ^ (4 * i).wrapping_mul(0x0101_0101);
    (0..REGION_BYTES as u32 / 4).flat_map(|i| word(i).to_le_bytes()).collect()
}

#[test]
fn byte_ranges_are_copied_as_slices_are() {
    on_device("byte_ranges_are_copied_as_slices_are", |gpu| {
        let mut state = 1;
        let mut source =
            || -> Vec<u8> { (0..SOURCE_BYTES).map(|_| random(&mut state) as u8).collect() };
        let (input, code) = (source(), source());
        let mut state = 2;
        let mut below = |end: usize| random(&mut state) as usize % end;
        let mut calls = Vec::new();
        let mut expected = Vec::new();
        for number in 0..CALLS {
            let mut bytes = region(number);
            let kind = below(5);
            // Offset 0 is nobody's.
            let mut len = below(REGION_BYTES - 8);
            let mut left = if below(2) == 0 { len } else { below(len + 1) };
            if kind >= 3 {
                (len, left) = (32, below(40));
            }
            let to = 4 + below(REGION_BYTES - 3 - len);
            let from = 4 + below(if kind < 2 { SOURCE_BYTES } else { REGION_BYTES } - 3 - len);
            match kind {
                0 => bytes[to..to + left].copy_from_slice(&input[from..from + left]),
                1 => bytes[to..to + left].copy_from_slice(&code[from..from + left]),
                2 => bytes.copy_within(from..from + left, to),
                3 => bytes.copy_within(from..from + 32, to),
                _ => {
                    let mut word: Vec<u8> = bytes[from..from + 32].to_vec();
                    word[left.min(32)..].fill(0);
                    word.reverse();
                    bytes[..32].copy_from_slice(&word);
                }
            }
            if kind < 3 {
                bytes[to + left..to + len].fill(0);
            }
            calls.extend(
                [kind, to, from, len | left << 16].iter().flat_map(|x| (*x as u32).to_le_bytes()),
            );
            expected.push(bytes);
        }
        let pipeline = must(gpu.pipeline(&MODULE, "main", None));
        let inputs: [&[u8]; 3] = [&calls, &input, &code];
        let which = [0, CALLS as u32, 0, 0];
        let got = run(gpu, &pipeline, which, &inputs, CALLS, CALLS * REGION_BYTES);
        for (number, (got, expected)) in got.chunks(REGION_BYTES).zip(&expected).enumerate() {
            let call: Vec<u32> = calls[number * 16..][..16]
                .chunks(4)
                .map(|x| u32::from_le_bytes(x.try_into().expect("4 bytes")))
                .collect();
            assert!(got == expected, "call {number}, {call:?}: {got:?}, not {expected:?}");
        }
    });
}
