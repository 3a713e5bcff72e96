//! Results do not depend on the tier that a code's program is of, nor on when it changes.

mod common;

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};
use common::block_env;
use revm::context::TxEnv;
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::TxKind;
use revm::state::{AccountInfo, Bytecode};
use warpevm::reference::validate::compare;
use warpevm::{
    Artefacts, Config, Engine, Env, Outcome, Report, Spec, State, Tiers, Transaction, reference,
};
use warpevm_tests::asm;

const CALLER: Address = Address::repeat_byte(1);
const CONTRACT: Address = Address::repeat_byte(2);
/// Branches of the contract.
const BRANCHES: u64 = 40;

/// Goes to one of many branches by a jump that is computed, each a loop that hashes.
fn code() -> Vec<u8> {
    let mut source = String::from("0 calldataload");
    for i in 0..BRANCHES {
        source += &format!(" dup1 {i} eq @b{i} jumpi");
    }
    source += " stop";
    for i in 0..BRANCHES {
        source += &format!(
            " b{i}: pop {i} 3 again{i}: swap1 0 mstore 32 0 keccak256 swap1 1 swap1 sub dup1 \
             @again{i} jumpi pop @end jump"
        );
    }
    source += " end: dup1 0 mstore 0 sload add 1 sstore 32 0 return";
    asm(&source)
}

fn database() -> CacheDB<EmptyDB> {
    let mut db = CacheDB::default();
    let balance = U256::from(10u64).pow(U256::from(20));
    db.insert_account_info(CALLER, AccountInfo { balance, ..Default::default() });
    let code = Bytecode::new_raw(code().into());
    db.insert_account_info(
        CONTRACT,
        AccountInfo { nonce: 1, ..Default::default() }.with_code(code),
    );
    db
}

fn calls(count: u64, branch: impl Fn(u64) -> u64) -> Vec<Transaction> {
    let call = |n| TxEnv {
        caller: CALLER,
        kind: TxKind::Call(CONTRACT),
        data: Bytes::from(B256::from(U256::from(branch(n))).to_vec()),
        gas_limit: 1_000_000,
        gas_price: 10,
        chain_id: Some(1),
        ..Default::default()
    };
    (0..count).map(call).collect()
}

fn env() -> Env {
    let mut env = block_env(Spec::Osaka);
    env.checks.nonce = false;
    env
}

fn same(expected: &[Outcome], got: &[Outcome]) {
    assert_eq!(expected.len(), got.len());
    let pairs = expected.iter().zip(got).enumerate();
    let wrong: Vec<_> = pairs.flat_map(|(i, (e, g))| compare(i, e, g)).collect();
    assert!(wrong.is_empty(), "{}", wrong[0]);
}

fn lowered(report: &Report) -> u64 {
    report.suspensions.get("lower").copied().unwrap_or_default()
}

#[test]
fn every_tier_gives_what_revm_gives() {
    let (env, db) = (env(), database());
    let calls = calls(400, |n| n * 7 % (BRANCHES + 2));
    let expected = reference::simulate_sequential(&env, &calls, &db).expect("revm runs");
    for tiers in Tiers::ALL {
        for threads in [1, 2, 8] {
            let config = Config::default().with_threads(threads).with_tiers(tiers);
            let engine = Engine::new(config).expect("an engine");
            let state = State::new(&db).expect("a state");
            for _ in 0..2 {
                let batch = engine.simulate(&env, &calls, &state).expect("it runs");
                same(&expected, &batch.outcomes);
                assert!(
                    batch.outcomes.iter().all(|outcome| outcome.fallback.is_none()),
                    "{tiers:?}"
                );
            }
        }
    }
}

#[test]
fn a_hot_code_runs_a_better_program_from_the_next_frame_on() {
    let (env, db) = (env(), database());
    let engine = Engine::new(Config::default().with_threads(1)).expect("an engine");
    let state = State::new(&db).expect("a state");
    // One branch alone, often enough.
    let hot = engine.simulate(&env, &calls(64, |_| 3), &state).expect("it runs");
    assert!(lowered(&hot.report) > 0, "{:?}", hot.report.suspensions);
    engine.settle();
    let tiers = engine.tiers();
    assert_eq!((tiers.compiled, tiers.refused), (1, 0), "{tiers:?}");
    // The others were never lowered, and are there.
    let others = calls(BRANCHES, |n| n);
    let expected = reference::simulate_sequential(&env, &others, &db).expect("revm runs");
    let got = engine.simulate(&env, &others, &state).expect("it runs");
    same(&expected, &got.outcomes);
    assert_eq!(lowered(&got.report), 0, "{:?}", got.report.suspensions);
}

#[test]
fn a_code_that_is_not_hot_is_not_compiled() {
    let (env, db) = (env(), database());
    let engine = Engine::new(Config::default().with_threads(1)).expect("an engine");
    engine.simulate(&env, &calls(3, |n| n), &State::new(&db).expect("a state")).expect("it runs");
    engine.settle();
    let tiers = engine.tiers();
    assert_eq!((tiers.baseline, tiers.compiled), (1, 0), "{tiers:?}");
}

#[test]
fn programs_are_taken_from_disk() {
    let (env, db) = (env(), database());
    let folder = std::env::temp_dir().join(format!("warpevm-tiers-{}", std::process::id()));
    let artefacts = Arc::new(Artefacts::open(folder.clone(), 1 << 20).expect("a folder"));
    let calls = calls(50, |n| n);
    let expected = reference::simulate_sequential(&env, &calls, &db).expect("revm runs");
    for (tiers, hits) in [(Tiers::Full, 0), (Tiers::Auto, 1), (Tiers::Full, 2)] {
        let engine = Engine::new(Config::default().with_tiers(tiers)).expect("an engine");
        engine.keep_programs(artefacts.clone());
        let state = State::new(&db).expect("a state");
        let batch = engine.simulate(&env, &calls, &state).expect("it runs");
        same(&expected, &batch.outcomes);
        let counts = artefacts.counts();
        assert_eq!((counts.hits, counts.written, lowered(&batch.report)), (hits, 1, 0));
    }
    std::fs::remove_dir_all(folder).expect("removed");
}
