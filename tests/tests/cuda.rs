//! The `cuda` backend when its device fails: nothing is lost, nothing runs twice, every reason is
//! counted. On the fake device, which runs the device's kernels on the CPU.

mod common;

use common::block_env;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256, keccak256};
use rayon::prelude::*;
use revm::DatabaseRef;
use revm::context::TxEnv;
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::TxKind;
use revm::state::{AccountInfo, Bytecode};
use warpevm::backend::device::driver::{AnyDriver, DriverError};
use warpevm::backend::device::fake::{DriverCall, FakeDriver, Fault};
use warpevm::reference::validate::compare;
use warpevm::{
    Config, Engine, Fallback, Grouping, Outcome, Policy, Report, Spec, State, Transaction,
    reference,
};
use warpevm_kernels::sources::Kernel;
use warpevm_tests::asm;

type Db = CacheDB<EmptyDB>;

/// Room for everything.
const PLENTY_BYTES: u64 = 8 << 30;

fn sender(n: u32) -> Address {
    Address::from_word(keccak256(n.to_le_bytes()))
}

/// A counter per caller.
const COUNTER: &str = "caller sload 1 add caller sstore stop";

fn workload(count: u32) -> (Db, Vec<Transaction>) {
    let mut db = Db::default();
    let contract = Address::repeat_byte(0x77);
    let code = Bytecode::new_raw(asm(COUNTER).into());
    db.insert_account_info(contract, AccountInfo::default().with_code(code));
    let mut txs = Vec::new();
    for n in 0..count {
        let balance = U256::from(10u128.pow(18));
        db.insert_account_info(sender(n), AccountInfo { balance, ..Default::default() });
        // Some move value, some call, some are not valid.
        let to = if n % 3 == 0 { sender(n + 1_000_000) } else { contract };
        txs.push(TxEnv {
            caller: sender(n),
            kind: TxKind::Call(to),
            value: U256::from(if n % 3 == 0 { n } else { 0 }),
            nonce: u64::from(n % 50 == 49),
            gas_limit: 100_000,
            gas_price: 10,
            chain_id: Some(1),
            ..Default::default()
        });
    }
    (db, txs)
}

fn differences(expected: &[Outcome], got: &[Outcome]) -> Vec<String> {
    assert_eq!(expected.len(), got.len());
    let pairs = expected.iter().zip(got).enumerate();
    pairs.flat_map(|(i, (e, g))| compare(i, e, g)).map(|m| m.to_string()).collect()
}

fn fake(bytes: u64, faults: Vec<Fault>) -> Arc<FakeDriver> {
    Arc::new(FakeDriver::new(bytes, faults).expect("a device"))
}

/// Simulates twice on one engine with these faults; every result must be right both times.
fn simulate(count: u32, bytes: u64, faults: Vec<Fault>) -> (Arc<FakeDriver>, [Report; 2]) {
    let driver = fake(bytes, faults);
    let reports = simulate_on(count, vec![driver.clone()], Grouping::Start);
    (driver, reports)
}

fn simulate_on(count: u32, gpus: Vec<Arc<FakeDriver>>, grouping: Grouping) -> [Report; 2] {
    let (db, calls) = workload(count);
    let env = block_env(Spec::Cancun);
    let expected = reference::simulate_sequential(&env, &calls, &db).expect("revm runs");
    let config = Config::default().with_threads(2).with_grouping(grouping);
    let drivers = gpus.into_iter().map(|gpu| gpu as AnyDriver).collect();
    let engine = Engine::on_drivers(config, drivers).expect("an engine");
    let state = State::new(&db).expect("a state");
    [(); 2].map(|()| {
        let batch = engine.simulate(&env, &calls, &state).expect("the engine runs");
        assert_eq!(differences(&expected, &batch.outcomes), [""; 0]);
        let gas: u64 = expected.iter().flat_map(|o| &o.result).map(|e| e.gas_used).sum();
        assert_eq!((batch.report.transactions, batch.report.gas_used), (u64::from(count), gas));
        let elsewhere = batch.outcomes.iter().filter(|o| o.fallback.is_some()).count() as u64;
        assert_eq!(batch.report.fallbacks.values().sum::<u64>(), elsewhere);
        batch.report
    })
}

fn fault(call: DriverCall, after: u64, error: DriverError) -> Fault {
    Fault { call, after, error }
}

fn broken() -> DriverError {
    DriverError::Launch("made to fail".to_owned())
}

#[test]
fn without_faults_everything_runs_on_the_device() {
    let (driver, reports) = simulate(300, PLENTY_BYTES, Vec::new());
    for report in &reports {
        assert_eq!(report.resident_transactions, 300);
        assert!(report.readback_bytes > 0 && report.seconds.contains_key("kernel"));
    }
    // Nothing is read from the database the second time, so nothing suspends.
    assert!(reports[0].suspensions.contains_key("slot"), "{:?}", reports[0].suspensions);
    assert!(reports[1].suspensions.is_empty(), "{:?}", reports[1].suspensions);
    assert!(driver.launches(Kernel::Run) >= 4);
}

#[test]
fn one_failure_of_any_kind_costs_nothing_but_time() {
    let calls = [
        DriverCall::Alloc,
        DriverCall::Copy,
        DriverCall::Synchronize,
        DriverCall::Launch(Kernel::Start),
        DriverCall::Launch(Kernel::Run),
        DriverCall::Launch(Kernel::Collect),
        DriverCall::Launch(Kernel::Answer),
        DriverCall::Launch(Kernel::IndexAccounts),
        DriverCall::Launch(Kernel::IndexSlots),
    ];
    for call in calls {
        for after in [0, 1, 2, 5] {
            for error in [broken(), DriverError::OutOfMemory(1)] {
                let (_, reports) = simulate(200, PLENTY_BYTES, vec![fault(call, after, error)]);
                for report in reports {
                    assert_eq!(report.resident_transactions, 200, "{call:?} after {after}");
                }
            }
        }
    }
}

#[test]
fn a_device_that_keeps_failing_leaves_the_work_to_the_cpu() {
    let faults =
        (0..64).map(|after| fault(DriverCall::Launch(Kernel::Run), after, broken())).collect();
    let (_, [report, _]) = simulate(200, PLENTY_BYTES, faults);
    assert_eq!(report.fallbacks.get(&Fallback::DeviceError).copied(), Some(200));
    assert_eq!(report.resident_transactions, 0);
}

#[test]
fn a_lost_device_leaves_everything_to_the_cpu() {
    for (call, after) in [
        (DriverCall::Synchronize, 0),
        (DriverCall::Synchronize, 3),
        (DriverCall::Launch(Kernel::Run), 1),
        (DriverCall::Copy, 4),
    ] {
        let lost = DriverError::Lost("made to".to_owned());
        let (_, reports) = simulate(200, PLENTY_BYTES, vec![fault(call, after, lost)]);
        let gone = reports[1].fallbacks.get(&Fallback::DeviceLost).copied();
        assert_eq!(gone, Some(200), "{call:?} after {after}");
        assert!(reports[0].fallbacks.contains_key(&Fallback::DeviceLost));
    }
}

#[test]
fn two_gpus_share_a_batch() {
    for grouping in [Grouping::None, Grouping::Start, Grouping::Rounds] {
        let gpus = [fake(PLENTY_BYTES, Vec::new()), fake(PLENTY_BYTES, Vec::new())];
        let reports = simulate_on(600, gpus.to_vec(), grouping);
        for report in reports {
            assert_eq!(report.resident_transactions, 600, "{grouping:?}");
        }
        for gpu in gpus {
            assert!(gpu.launches(Kernel::Run) > 0);
        }
    }
}

#[test]
fn what_a_lost_gpu_leaves_another_runs() {
    for (call, after) in
        [(DriverCall::Copy, 0), (DriverCall::Synchronize, 3), (DriverCall::Launch(Kernel::Run), 1)]
    {
        let lost = DriverError::Lost("made to".to_owned());
        let gpus =
            vec![fake(PLENTY_BYTES, vec![fault(call, after, lost)]), fake(PLENTY_BYTES, vec![])];
        for report in simulate_on(400, gpus, Grouping::Start) {
            assert_eq!(report.resident_transactions, 400, "{call:?} after {after}");
        }
    }
    let lost = || vec![fault(DriverCall::Copy, 3, DriverError::Lost("made to".to_owned()))];
    let gpus = vec![fake(PLENTY_BYTES, lost()), fake(PLENTY_BYTES, lost())];
    let [_, report] = simulate_on(400, gpus, Grouping::Start);
    assert_eq!(report.fallbacks.get(&Fallback::DeviceLost).copied(), Some(400));
}

/// A thread of a pool that waits for a device takes up other work of the pool, such as a batch that
/// waits for the same device.
#[test]
fn batches_from_the_threads_of_a_pool_do_not_wait_for_each_other() {
    let (told, done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Loops until the gas is used up, so that there is something to wait for.
        let (mut db, calls) = workload(20);
        let code = Bytecode::new_raw(asm("again: @again jump").into());
        let contract = AccountInfo::default().with_code(code);
        db.insert_account_info(Address::repeat_byte(0x77), contract);
        let env = block_env(Spec::Cancun);
        let expected = reference::simulate_sequential(&env, &calls, &db).expect("revm runs");
        let drivers: Vec<AnyDriver> = vec![fake(PLENTY_BYTES, Vec::new())];
        let engine = Engine::on_drivers(Config::default(), drivers).expect("an engine");
        let wrong = (0..200).into_par_iter().map(|_| {
            let state = State::new(&db).expect("a state");
            let batch = engine.simulate(&env, &calls, &state).expect("the engine runs");
            differences(&expected, &batch.outcomes).len()
        });
        told.send(wrong.sum::<usize>()).expect("the test waits");
    });
    let wrong = done.recv_timeout(std::time::Duration::from_secs(300));
    assert_eq!(wrong, Ok(0), "a timeout: the batches wait for each other");
}

#[test]
fn little_device_memory_means_small_launches() {
    // The code array alone takes 100 MB; what is left holds some tiles.
    let (driver, reports) = simulate(1000, 130 << 20, Vec::new());
    for report in &reports {
        assert_eq!(report.resident_transactions, 1000);
    }
    assert!(driver.allocated_bytes() <= 130 << 20);
}

#[test]
fn no_device_memory_at_all_leaves_everything_to_the_cpu() {
    let (driver, reports) = simulate(100, 1 << 20, Vec::new());
    for report in &reports {
        assert_eq!(report.resident_transactions, 0);
        assert_eq!(report.fallbacks.get(&Fallback::DeviceMemory).copied(), Some(100));
    }
    assert!(driver.allocated_bytes() <= 1 << 20);
}

#[test]
fn a_block_is_right_whatever_fails() {
    let (db, _) = workload(64);
    let env = block_env(Spec::Cancun);
    // Two transactions of each sender, and all count on one contract.
    let mut txs = Vec::new();
    for nonce in 0..2 {
        for n in 0..40 {
            txs.push(TxEnv {
                caller: sender(n),
                kind: TxKind::Call(Address::repeat_byte(0x77)),
                nonce,
                gas_limit: 100_000,
                gas_price: 10,
                chain_id: Some(1),
                ..Default::default()
            });
        }
    }
    let expected = reference::execute_sequential(&env, &txs, &db).expect("revm runs");
    let lost = || DriverError::Lost("made to".to_owned());
    for faults in [
        vec![],
        vec![fault(DriverCall::Launch(Kernel::Run), 2, broken())],
        vec![fault(DriverCall::Launch(Kernel::Scatter), 0, broken())],
        vec![fault(DriverCall::Launch(Kernel::Run), 3, lost())],
        vec![fault(DriverCall::Copy, 0, lost())],
    ] {
        let driver = Arc::new(FakeDriver::new(PLENTY_BYTES, faults.clone()).expect("a device"));
        // Waves of 40; spread thinly over warps at times.
        let instances_per_warp = if faults.len() == 1 { 3 } else { 32 };
        let config = Config::default()
            .with_policy(Policy::Waves)
            .with_instances_per_warp(instances_per_warp);
        let engine = Engine::on_drivers(config, vec![driver]).expect("an engine");
        let mut state = State::new(&db).expect("a state");
        let result = engine.execute(&env, &txs, &mut state).expect("the engine runs");
        assert_eq!(differences(&expected, &result.outcomes), [""; 0], "{faults:?}");
        assert_eq!(result.report.transactions, 80);
        if faults.is_empty() {
            // A wave is ready as the one before it is committed. When 32 are, the device gets them;
            // fewer that come after these are for the threads.
            let report = &result.report;
            let chained = report.fallbacks.get(&Fallback::Chain).copied().unwrap_or_default();
            assert_eq!(report.resident_transactions + chained, 80, "{report:?}");
            assert!(report.resident_transactions >= 40 + 32, "{report:?}");
            assert_eq!((report.rounds, report.beside_device), (2, 0));
        }
    }
}

#[test]
fn a_block_spread_over_warps_runs_on_the_device() {
    let (db, txs) = workload(100);
    let txs: Vec<_> = txs.into_iter().filter(|tx| tx.nonce == 0).collect();
    let env = block_env(Spec::Cancun);
    let expected = reference::execute_sequential(&env, &txs, &db).expect("revm runs");
    for instances_per_warp in [1, 5, 32] {
        let config = Config::default()
            .with_policy(Policy::Waves)
            .with_instances_per_warp(instances_per_warp);
        let engine =
            Engine::on_drivers(config, vec![fake(PLENTY_BYTES, vec![])]).expect("an engine");
        let mut state = State::new(&db).expect("a state");
        let result = engine.execute(&env, &txs, &mut state).expect("the engine runs");
        assert_eq!(differences(&expected, &result.outcomes), [""; 0], "{instances_per_warp}");
        assert_eq!(result.report.resident_transactions, txs.len() as u64, "{instances_per_warp}");
    }
}

/// A database that tells when a block hash was asked for, which only executing does.
struct Watched {
    db: Db,
    asked: Arc<AtomicBool>,
}

impl DatabaseRef for Watched {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        self.db.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Infallible> {
        self.db.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256, Infallible> {
        self.db.storage_ref(address, key)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        self.asked.store(true, Ordering::Release);
        self.db.block_hash_ref(number)
    }
}

/// The device waits until a chain has begun: where threads waited for the device, both would.
#[test]
fn chains_run_on_threads_while_the_device_is_busy() {
    let chain_contract = Address::repeat_byte(0x88);
    let (mut db, txs) = workload(96);
    let mut txs: Vec<_> = txs.into_iter().filter(|tx| tx.nonce == 0).collect();
    let wide = txs.len() as u64;
    // Adds the last block's hash to slot 0.
    let code = Bytecode::new_raw(asm("1 number sub blockhash 0 sload add 0 sstore").into());
    db.insert_account_info(chain_contract, AccountInfo::default().with_code(code));
    let balance = U256::from(10u128.pow(18));
    db.insert_account_info(sender(777), AccountInfo { balance, ..Default::default() });
    for nonce in 0..20 {
        txs.push(TxEnv {
            caller: sender(777),
            kind: TxKind::Call(chain_contract),
            nonce,
            gas_limit: 100_000,
            gas_price: 10,
            chain_id: Some(1),
            ..Default::default()
        });
    }
    let env = block_env(Spec::Cancun);
    let expected = reference::execute_sequential(&env, &txs, &db).expect("revm runs");
    for threads in [1, 3] {
        let asked = Arc::new(AtomicBool::new(false));
        let late = Arc::new(AtomicBool::new(false));
        let gate = (asked.clone(), late.clone());
        let driver = FakeDriver::new(PLENTY_BYTES, Vec::new()).expect("a device");
        let driver = driver.with_run_thread(Box::new(move |launch, job, thread| {
            let start = Instant::now();
            while !gate.0.load(Ordering::Acquire) && !gate.1.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(1));
                gate.1.fetch_or(start.elapsed().as_secs() > 60, Ordering::Release);
            }
            // SAFETY: the launch is the device's own.
            unsafe { warpevm_kernels::tile_thread(Kernel::Run, launch, job, thread) }
        }));
        let config = Config::default().with_policy(Policy::Waves).with_threads(threads);
        let engine = Engine::on_drivers(config, vec![Arc::new(driver)]).expect("an engine");
        let watched = Watched { db: db.clone(), asked };
        let mut state = State::new(&watched).expect("a state");
        let result = engine.execute(&env, &txs, &mut state).expect("the engine runs");
        assert!(!late.load(Ordering::Acquire), "{threads} threads: the chain waits for the device");
        assert_eq!(differences(&expected, &result.outcomes), [""; 0], "{threads} threads");
        let report = result.report;
        assert_eq!((report.rounds, report.device_transactions), (1, wide), "{report:?}");
        assert_eq!(report.resident_transactions, wide, "{report:?}");
        assert!(report.beside_device > 0, "{report:?}");
        assert_eq!(report.fallbacks, [(Fallback::Chain, 20)].into(), "{threads} threads");
    }
}

/// Calls that loop: a device that the CPU plays is slower than the CPU at them.
#[test]
fn auto_keeps_off_a_slow_device_after_the_probe() {
    let (mut db, txs) = workload(80);
    let code = Bytecode::new_raw(asm("2048 again: 1 swap1 sub dup1 @again jumpi stop").into());
    db.insert_account_info(Address::repeat_byte(0x77), AccountInfo::default().with_code(code));
    let contract = TxKind::Call(Address::repeat_byte(0x77));
    let called = |tx: &Transaction| tx.nonce == 0 && tx.kind == contract;
    let txs: Vec<_> = txs.into_iter().filter(called).collect();
    let env = block_env(Spec::Cancun);
    let expected = reference::execute_sequential(&env, &txs, &db).expect("revm runs");
    // So slow that no other work of this machine can matter.
    let driver = FakeDriver::new(PLENTY_BYTES, Vec::new()).expect("a device");
    let driver = driver.with_run_thread(Box::new(|launch, job, thread| {
        std::thread::sleep(Duration::from_millis(20));
        // SAFETY: the launch is the device's own.
        unsafe { warpevm_kernels::tile_thread(Kernel::Run, launch, job, thread) }
    }));
    let config = Config::default().with_threads(2);
    let engine = Engine::on_drivers(config, vec![Arc::new(driver)]).expect("an engine");
    let reports: Vec<Report> = (0..8)
        .map(|_| {
            let mut state = State::new(&db).expect("a state");
            let result = engine.execute(&env, &txs, &mut state).expect("the engine runs");
            assert_eq!(differences(&expected, &result.outcomes), [""; 0]);
            result.report
        })
        .collect();
    let given: Vec<u64> = reports.iter().map(|report| report.device_transactions).collect();
    assert!(given[0] > 0, "{given:?}");
    assert_eq!(given[3..], [0; 5], "{given:?}");
    for report in &reports[3..] {
        let cost = report.fallbacks.get(&Fallback::Cost).copied();
        assert_eq!(cost, Some(txs.len() as u64), "{report:?}");
    }
}

#[test]
fn two_states_take_turns_on_one_device() {
    let driver = Arc::new(FakeDriver::new(PLENTY_BYTES, Vec::new()).expect("a device"));
    let engine = Engine::on_drivers(Config::default(), vec![driver]).expect("an engine");
    let env = block_env(Spec::Cancun);
    let (db, txs) = workload(64);
    let states = [State::new(&db).expect("a state"), State::new(&db).expect("a state")];
    let mut third = State::new(&db).expect("a state");
    let expected = reference::simulate_sequential(&env, &txs, &db).expect("revm runs");
    for round in 0..3 {
        for state in &states {
            let batch = engine.simulate(&env, &txs, state).expect("the engine runs");
            assert_eq!(differences(&expected, &batch.outcomes), [""; 0], "round {round}");
        }
        // A third one drops the copy of the first; it changes between, the copy must as well.
        let valid: Vec<_> = txs.iter().filter(|tx| tx.nonce == 0).cloned().collect();
        let with_nonce = |nonce| valid.iter().map(|tx| TxEnv { nonce, ..tx.clone() }).collect();
        let block: Vec<Transaction> = with_nonce(round);
        let result = engine.execute(&env, &block, &mut third).expect("the engine runs");
        assert!(result.outcomes.iter().all(|outcome| outcome.result.is_ok()), "round {round}");
    }
}

#[test]
fn without_a_gpu_the_command_line_says_what_is_missing() {
    if warpevm::backend::cuda::real::gpus().is_ok() {
        return; // There is one: the other tests of the command line cover it.
    }
    let batch = common::example_batch();
    let ran = common::warpevm(["simulate", batch.to_str().expect("UTF-8"), "--backend", "cuda"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("no usable GPU"), "{}", ran.stderr);
    let ran = common::warpevm(["devices"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("cuda: "), "{}", ran.stdout);
}
