//! Arbitrary bytes: code compiles in every spec and with any passes, decoders never panic.

use std::time::Duration;

use alloy_primitives::hex;
use warpevm_fuzz::bytes::{Ran, Target, run};

const JOBS: usize = 2;

#[track_caller]
fn holds(target: Target, count: u64) {
    let Ran { inputs, failed, .. } = run(target, 0xc0de, count, JOBS, Duration::MAX);
    if let Some((input, why)) = failed {
        panic!("{target:?}: {why}: {}", hex::encode(input));
    }
    assert_eq!(inputs, count);
}

#[test]
fn any_bytes_compile() {
    holds(Target::Compile, 40_000);
}

#[test]
fn any_bytes_decode() {
    holds(Target::Decode, 100_000);
}
