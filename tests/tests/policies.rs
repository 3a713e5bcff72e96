//! Every policy, whatever is predicted, gives the sequential result: outcomes, and the state after.

mod common;

use common::{MAINNET, example_block, source};
use std::sync::{Arc, OnceLock};
use warpevm::backend::device::driver::DriverError;
use warpevm::backend::device::fake::{DriverCall, FakeDriver, Fault};
use warpevm::chain::{BlockInput, BlockSource, Selection};
use warpevm::input::InputError;
use warpevm::plan::BlockAccessList;
use warpevm::reference::validate::compare;
use warpevm::types::{AccountChange, Fallback, Policy};
use warpevm::{BlockResult, Config, Engine, Hints, Outcome, State, Waits, reference};
use warpevm_kernels::sources::Kernel;
use warpevm_tests::fixture;

const POLICIES: [Policy; 5] =
    [Policy::Sequential, Policy::Optimistic, Policy::Waves, Policy::Declared, Policy::Auto];

fn engine(policy: Policy, threads: usize) -> Engine {
    Engine::new(Config::default().with_policy(policy).with_threads(threads)).expect("an engine")
}

/// With a device that the CPU plays, whose calls fail like that.
fn engine_with_device(policy: Policy, threads: usize, faults: Vec<Fault>) -> Engine {
    let driver = FakeDriver::new(8 << 30, faults).expect("a device");
    let config = Config::default().with_policy(policy).with_threads(threads);
    Engine::on_drivers(config, vec![Arc::new(driver)]).expect("an engine")
}

/// A pseudo-random sequence.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) % u64::from(n)) as u32
    }
}

struct Expected {
    block: BlockInput,
    outcomes: Vec<Outcome>,
    changes: Vec<AccountChange>,
}

/// The example block with what sequential revm makes of it.
fn example() -> &'static Expected {
    static EXAMPLE: OnceLock<Expected> = OnceLock::new();
    EXAMPLE.get_or_init(|| {
        let mut found = None;
        source(&example_block())
            .visit(&Selection::All, |_, block| {
                found = Some(block?);
                Ok::<_, InputError>(())
            })
            .expect("the block reads");
        let block = found.expect("there is one block");
        let outcomes = reference::execute_sequential(&block.env, &block.transactions, &block.state)
            .expect("revm runs the block");
        let mut state = State::new(&block.state).expect("a state");
        engine(Policy::Sequential, 1)
            .execute(&block.env, &block.transactions, &mut state)
            .expect("the block runs");
        let changes = state.changes();
        Expected { block, outcomes, changes }
    })
}

/// Runs the example and holds it against revm.
fn run(engine: &Engine, hints: &Hints<'_>, what: &str) -> BlockResult {
    let Expected { block, outcomes, changes } = example();
    let mut state = State::new(&block.state).expect("a state");
    let result = engine
        .execute_with(&block.env, &block.transactions, &mut state, hints)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    check(outcomes, &result.outcomes, what);
    assert!(state.changes() == *changes, "{what}: the state differs");
    result
}

fn check(expected: &[Outcome], got: &[Outcome], what: &str) {
    assert_eq!(expected.len(), got.len(), "{what}");
    for (index, (expected, got)) in expected.iter().zip(got).enumerate() {
        let found = compare(index, expected, got);
        assert!(found.is_empty(), "{what}: {}", found[0]);
    }
}

#[test]
fn every_policy_gives_what_sequential_revm_gives() {
    for policy in POLICIES {
        for threads in [1, 2, 5] {
            let engine = engine(policy, threads);
            // The second time with what the engine has learned.
            for round in 0..2 {
                let what = format!("{policy:?}, {threads} threads, round {round}");
                let report = run(&engine, &Hints::default(), &what).report;
                let count = example().outcomes.len() as u64;
                assert!(report.first_final + report.replays + report.redone >= count, "{what}");
            }
        }
    }
}

#[test]
fn every_policy_gives_the_same_with_a_device_beside() {
    let count = example().outcomes.len() as u64;
    for policy in POLICIES {
        for threads in [1, 3] {
            let engine = engine_with_device(policy, threads, Vec::new());
            for round in 0..3 {
                let what = format!("{policy:?} with a device, {threads} threads, round {round}");
                let result = run(&engine, &Hints::default(), &what);
                let report = &result.report;
                assert!(report.first_final + report.replays + report.redone >= count, "{what}");
                // Every transaction ran on the device or says why not.
                let elsewhere: u64 = report.fallbacks.values().sum();
                assert_eq!(report.resident_transactions + elsewhere, count, "{what}: {report:?}");
                assert!(report.resident_transactions <= report.device_transactions, "{what}");
                let given = report.device_transactions;
                match policy {
                    Policy::Sequential => {
                        let in_order = report.fallbacks.get(&Fallback::InOrder);
                        assert_eq!((given, in_order), (0, Some(&count)), "{what}");
                    }
                    Policy::Optimistic => assert_eq!(given, count, "{what}: {report:?}"),
                    Policy::Waves => {
                        assert!(report.resident_transactions > 0, "{what}: {report:?}");
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn a_device_that_fails_beside_the_crew_loses_nothing() {
    let fault = |call, after, error| Fault { call, after, error };
    let broken = || DriverError::Launch("made to fail".to_owned());
    let lost = || DriverError::Lost("made to".to_owned());
    let always = |error: fn() -> DriverError| -> Vec<Fault> {
        (0..200).map(|after| fault(DriverCall::Launch(Kernel::Run), after, error())).collect()
    };
    for (faults, reason) in [
        (vec![fault(DriverCall::Launch(Kernel::Run), 1, broken())], None),
        (vec![fault(DriverCall::Launch(Kernel::IndexAccounts), 0, broken())], None),
        (always(|| DriverError::Launch("made to fail".to_owned())), Some(Fallback::DeviceError)),
        (always(|| DriverError::OutOfMemory(1)), Some(Fallback::DeviceMemory)),
        (vec![fault(DriverCall::Launch(Kernel::Run), 2, lost())], Some(Fallback::DeviceLost)),
        (vec![fault(DriverCall::Copy, 0, lost())], Some(Fallback::DeviceLost)),
    ] {
        for policy in [Policy::Optimistic, Policy::Waves, Policy::Declared] {
            let engine = engine_with_device(policy, 2, faults.clone());
            let mut reasons = Vec::new();
            for round in 0..2 {
                let what = format!("{policy:?}, {faults:?}, round {round}");
                let report = run(&engine, &Hints::default(), &what).report;
                let elsewhere: u64 = report.fallbacks.values().sum();
                let count = example().outcomes.len() as u64;
                assert_eq!(report.resident_transactions + elsewhere, count, "{what}");
                reasons.extend(report.fallbacks.into_keys());
            }
            if let (Some(reason), Policy::Optimistic) = (reason, policy) {
                assert!(reasons.contains(&reason), "{policy:?}, {faults:?}: {reasons:?}");
            }
        }
    }
}

#[test]
fn predictions_change_nothing() {
    let count = example().outcomes.len() as u32;
    let mut random = Random(7);
    for case in 0..12u32 {
        let mut waits = Waits::none();
        for index in 0..count {
            match case % 4 {
                // Everyone waits for the one before.
                0 => waits.push(index.checked_sub(1)),
                // For anyone: earlier ones, later ones, itself, such as are not there.
                1 => waits.push((0..random.below(4)).map(|_| random.below(count * 2))),
                // Everyone for the last one, which makes all run in order.
                2 => waits.push([count - 1]),
                // The list ends early.
                _ if index < count / 2 => waits.push(random.below(3).checked_sub(1)),
                _ => {}
            }
        }
        let policy = POLICIES[1 + case as usize % 4];
        let engine = engine(policy, 2 + case as usize % 3);
        let hints = Hints::default().with_waits(Some(&waits));
        run(&engine, &hints, &format!("case {case}, {policy:?}"));
        let engine = engine_with_device(policy, 1 + case as usize % 3, Vec::new());
        run(&engine, &hints, &format!("case {case}, {policy:?}, with a device"));
    }
}

fn access_list(result: &BlockResult) -> BlockAccessList {
    BlockAccessList::derive(result.accesses.iter().zip(&result.outcomes))
}

#[test]
fn with_a_block_access_list_nothing_runs_twice() {
    let record = Hints::default().with_record(true);
    let first = run(&engine(Policy::Sequential, 1), &record, "first");
    let list = access_list(&first);
    for policy in [Policy::Declared, Policy::Waves] {
        for threads in [2, 4] {
            let hints = Hints::default().with_block_access_list(Some(&list));
            let what = format!("{policy:?}, {threads} threads, with a list");
            let report = run(&engine(policy, threads), &hints, &what).report;
            assert_eq!((report.replays, report.redone), (0, 0), "{what}");
        }
    }
}

#[test]
fn a_false_block_access_list_changes_nothing() {
    let record = Hints::default().with_record(true);
    let mut list = access_list(&run(&engine(Policy::Sequential, 1), &record, "first"));
    let mut random = Random(3);
    for account in &mut list.accounts {
        let mut one = alloy_primitives::U256::from(1);
        for change in &mut account.balance_changes {
            change.post_balance = change.post_balance.wrapping_add(one);
        }
        for slot in &mut account.storage_changes {
            for change in &mut slot.changes {
                one <<= random.below(200) as usize;
                change.new_value ^= one;
            }
        }
        for change in &mut account.nonce_changes {
            change.new_nonce = u64::MAX - u64::from(random.below(3));
        }
        for change in &mut account.code_changes {
            change.new_code = vec![0x5b; random.below(99) as usize].into();
        }
    }
    let hints = Hints::default().with_block_access_list(Some(&list));
    run(&engine(Policy::Declared, 3), &hints, "a false list");
    run(&engine_with_device(Policy::Declared, 3, Vec::new()), &hints, "a false list, a device");
}

#[test]
fn a_replay_on_the_same_state_goes_as_proposed() {
    let Expected { block, outcomes, .. } = example();
    let engine = engine(Policy::Waves, 2);
    let mut state = State::new(&block.state).expect("a state");
    let proposal =
        engine.speculate(&block.env, &block.transactions, &state).expect("it speculates");
    assert!(state.changes().is_empty(), "speculating changes nothing");
    assert!(!proposal.dag.edges().is_empty());
    let (result, divergence) =
        engine.replay(&block.env, &block.transactions, &proposal, &mut state).expect("it replays");
    check(outcomes, &result.outcomes, "replay");
    assert!(divergence.is_empty(), "{:?}", divergence.counts());
}

#[test]
fn a_replay_on_another_state_diverges_and_is_right() {
    let Expected { block, .. } = example();
    let engine = engine(Policy::Waves, 3);
    let proposal = {
        let state = State::new(&block.state).expect("a state");
        engine.speculate(&block.env, &block.transactions, &state).expect("it speculates")
    };
    // Contracts without their storage do other things.
    let mut other = block.state.clone();
    for account in other.accounts.values_mut() {
        account.storage_mut().clear();
    }
    let expected = reference::execute_sequential(&block.env, &block.transactions, &other)
        .expect("revm runs the block");
    let mut state = State::new(&other).expect("a state");
    let (result, divergence) =
        engine.replay(&block.env, &block.transactions, &proposal, &mut state).expect("it replays");
    check(&expected, &result.outcomes, "replay");
    let counts = divergence.counts();
    assert!(counts.reads > 0 && counts.writes > 0, "{counts:?}");
}

#[test]
fn mainnet_blocks_are_right_under_every_policy() {
    let archive = fixture!("mainnet_blocks_are_right_under_every_policy", MAINNET);
    let first = engine(Policy::Sequential, 2);
    let engines = POLICIES.map(|policy| {
        first.beside(Config::default().with_policy(policy).with_threads(2)).expect("an engine")
    });
    source(&archive)
        .visit(&Selection::All, |_, block| {
            let block = block?;
            let expected =
                reference::execute_sequential(&block.env, &block.transactions, &block.state);
            // Without the system calls before it, a block may not be valid.
            let Ok(expected) = expected else { return Ok(()) };
            let mut list: Option<BlockAccessList> = None;
            for (engine, policy) in engines.iter().zip(POLICIES) {
                let what = format!("block {}, {policy:?}", block.number);
                let mut state = State::new(&block.state).expect("a state");
                let record = policy == Policy::Sequential;
                let known = list.clone().filter(|_| policy == Policy::Declared);
                let hints =
                    Hints::default().with_record(record).with_block_access_list(known.as_ref());
                let result = engine
                    .execute_with(&block.env, &block.transactions, &mut state, &hints)
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
                check(&expected, &result.outcomes, &what);
                if record {
                    list = Some(access_list(&result));
                }
                if known.is_some() {
                    let again = (result.report.replays, result.report.redone);
                    assert_eq!(again, (0, 0), "{what}: with a list nothing runs twice");
                }
            }
            Ok::<_, InputError>(())
        })
        .expect("every block reads");
}
