//! Fixed seeds through the engine and through revm.

#[path = "../../tests/src/child.rs"]
mod child;
#[path = "../../tests/src/skip.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod skip;

use std::time::Duration;

use skip::{Skip, skip};
use warpevm::Backend;
use warpevm::{Fallback, Spec};
use warpevm_fuzz::run::{Done, Plan, run};
use warpevm_fuzz::world;

/// About a minute on two cores without optimisation.
const CASES_PER_SEED: u64 = 1000;

#[test]
fn the_engine_agrees_with_revm() {
    let mut specs = 0;
    for seed in 1..=4 {
        let plan = Plan {
            seed,
            first: 0,
            transactions: u64::MAX,
            cases: CASES_PER_SEED,
            jobs: std::thread::available_parallelism().map_or(2, |count| count.get()),
            time: Duration::MAX,
            failures: 1,
            backend: Backend::Cpu,
        };
        let Done { counts, failed } = run(&plan, |case| {
            eprintln!("case {case} of seed {seed} does not end");
            std::process::exit(3);
        });
        assert!(failed.is_empty(), "warpevm-fuzz --seed {seed} --case N: {failed:?}");
        assert_eq!(counts.cases, 2 * CASES_PER_SEED);
        specs = specs.max(counts.specs.len());
        // The device itself ran them.
        let whole = counts.fallbacks.get(&Fallback::MemoryClass).copied().unwrap_or(0);
        assert!(whole * 1000 < counts.transactions, "{:?}", counts.fallbacks);
        // What must be among them, if the generator is not broken.
        for end in ["Stop", "Return", "Revert", "OutOfGas", "SelfDestruct", "CreateCollision"] {
            assert!(counts.ends.get(end).is_some_and(|count| *count > 10), "{:?}", counts.ends);
        }
        assert!(counts.replays > 0 && counts.suspensions.len() >= 9, "{counts:?}");
    }
    assert_eq!(specs, Spec::ALL.len());
}

#[test]
fn a_case_follows_from_its_number() {
    let text = |seed| format!("{:?}", world::cases(seed, 7));
    assert_eq!(text(3), text(3));
    assert_ne!(text(3), text(4));
}

/// Cases on the device; each takes some rounds.
const DEVICE_CASES: u64 = 60;

#[test]
fn shaders_agree_with_revm() {
    const TEST: &str = "shaders_agree_with_revm";
    if !child::is_child() {
        return child::run(TEST, env!("CARGO_TARGET_TMPDIR"));
    }
    if let Err(error) = warpevm::backend::wgpu::adapters() {
        return skip(TEST, &Skip(error));
    }
    let plan = Plan {
        seed: 11,
        first: 0,
        transactions: u64::MAX,
        cases: DEVICE_CASES,
        jobs: 1,
        time: Duration::MAX,
        failures: 1,
        backend: Backend::Wgpu,
    };
    let Done { counts, failed } = run(&plan, |case| {
        eprintln!("case {case} does not end");
        std::process::exit(3);
    });
    let again = "warpevm-fuzz --backend wgpu --seed 11 --case N";
    assert!(failed.is_empty(), "{again}: {failed:?}");
    assert_eq!(counts.cases, 2 * DEVICE_CASES);
    // What falls back is no pass: memory classes that the adapter does not hold, BLS12-381 and KZG.
    let elsewhere: u64 = counts.fallbacks.values().sum();
    println!("{} transactions, elsewhere {:?}", counts.transactions, counts.fallbacks);
    assert!(elsewhere * 2 < counts.transactions, "{:?}", counts.fallbacks);
}
