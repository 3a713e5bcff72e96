//! The engine against sequential revm: small programs, many calls, real blocks.

mod common;

use common::block_env;
use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use revm::context::TxEnv;
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::TxKind;
use revm::state::{AccountInfo, Bytecode};
use warpevm::reference::validate::compare;
use warpevm::{
    Backend, Checks, Config, End, Engine, Env, Error, Fallback, Outcome, Rejected, Spec, State,
    Transaction, TxStatus, reference,
};
use warpevm_tests::asm;

type Db = CacheDB<EmptyDB>;

const ETHER: u128 = 1_000_000_000_000_000_000;

fn sender(n: u64) -> Address {
    Address::from_word(keccak256(n.to_le_bytes()))
}

fn with_code(db: &mut Db, address: Address, code: &[u8]) {
    let code = Bytecode::new_raw(Bytes::copy_from_slice(code));
    let info = AccountInfo { nonce: 1, ..Default::default() }.with_code(code);
    db.insert_account_info(address, info);
}

fn database(senders: u64) -> Db {
    let mut db = Db::default();
    for n in 0..senders {
        let balance = U256::from(ETHER);
        db.insert_account_info(sender(n), AccountInfo { balance, ..Default::default() });
    }
    db
}

fn call(from: Address, to: Address, data: &[u8]) -> Transaction {
    TxEnv {
        caller: from,
        kind: TxKind::Call(to),
        data: Bytes::copy_from_slice(data),
        gas_limit: 1_000_000,
        gas_price: 10,
        chain_id: Some(1),
        ..Default::default()
    }
}

fn engine(threads: usize) -> Engine {
    Engine::new(Config::default().with_threads(threads)).expect("an engine")
}

/// The `cuda` backend on a device that the CPU plays, and on a GPU where there is one.
fn devices() -> Vec<Engine> {
    let backends = match warpevm::backend::cuda::real::gpus() {
        Ok(_) => vec![Backend::CudaFake, Backend::Cuda],
        Err(_) => vec![Backend::CudaFake],
    };
    let engine = |backend| {
        Engine::new(Config::default().with_backend(backend).with_threads(2)).expect("an engine")
    };
    backends.into_iter().map(engine).collect()
}

fn differences(expected: &[Outcome], got: &[Outcome]) -> Vec<String> {
    assert_eq!(expected.len(), got.len());
    let pairs = expected.iter().zip(got).enumerate();
    pairs.flat_map(|(i, (e, g))| compare(i, e, g)).map(|m| m.to_string()).collect()
}

/// Simulates on every number of threads and compares with revm; gives the outcomes.
fn simulate_checked(env: &Env, calls: &[Transaction], db: &Db) -> Vec<Outcome> {
    let expected = reference::simulate_sequential(env, calls, db).expect("revm runs");
    let mut last = Vec::new();
    for engine in devices().into_iter().chain([engine(1), engine(2)]) {
        let name = format!("{:?}, {} threads", engine.config().backend, engine.threads());
        let state = State::new(db).expect("a state");
        let batch = engine.simulate(env, calls, &state).expect("the engine runs");
        assert_eq!(differences(&expected, &batch.outcomes), [""; 0], "{name}");
        let ran_elsewhere = batch.outcomes.iter().filter_map(|outcome| outcome.fallback);
        let elsewhere: Vec<Fallback> =
            ran_elsewhere.filter(|reason| !expected_of(*reason)).collect();
        assert_eq!(elsewhere, [], "{name}");
        assert!(state.changes().is_empty(), "simulating changes nothing");
        last = batch.outcomes;
    }
    last
}

/// Executes in order on every number of threads and compares with revm, the final state too.
fn execute_checked(env: &Env, txs: &[Transaction], db: &Db) -> Vec<warpevm::Report> {
    let expected = reference::execute_sequential(env, txs, db).expect("revm runs");
    let run = |engine: Engine| {
        let mut state = State::new(db).expect("a state");
        let result = engine.execute(env, txs, &mut state).expect("the engine runs");
        let (backend, threads) = (engine.config().backend, engine.threads());
        assert_eq!(differences(&expected, &result.outcomes), [""; 0], "{backend:?}, {threads}");
        let total: u64 = expected.iter().flat_map(|o| &o.result).map(|e| e.gas_used).sum();
        assert_eq!(result.gas_used, total);
        let mut last: BTreeMap<Address, _> = BTreeMap::new();
        for change in result.outcomes.iter().flat_map(|o| &o.result).flat_map(|e| &e.changes) {
            last.insert(change.address, change.info.clone());
        }
        for change in state.changes() {
            assert_eq!(last.get(&change.address), Some(&change.info), "{}", change.address);
        }
        result.report
    };
    devices().into_iter().for_each(|engine| drop(run(engine)));
    [1, 2, 4].map(|threads| run(engine(threads))).into()
}

/// Reasons of a fallback that say nothing about the backend.
fn expected_of(reason: Fallback) -> bool {
    matches!(reason, Fallback::HostPrecompile | Fallback::MemoryClass | Fallback::DeviceMemory)
}

/// Init code that returns `code`.
fn deployer(code: &[u8]) -> Vec<u8> {
    // The code stands behind 11 bytes.
    let init = asm(&format!("{} dup1 11 0 codecopy 0 return", code.len()));
    assert_eq!(init.len(), 11, "a tiny contract");
    [&init, code].concat()
}

/// Adds its calldata's first word to slot 0 and logs the sum, returning it.
const COUNTER: &str = "
    0 calldataload 0 sload add      ; the sum
    dup1 0 sstore 0 mstore
    7 32 0 log1
    32 0 return";

#[test]
fn transfers() {
    let db = database(300);
    for spec in Spec::ALL {
        if spec == Spec::Constantinople {
            continue; // revm has none
        }
        let env = block_env(spec);
        let calls: Vec<_> = (0..300)
            .map(|n| TxEnv { value: U256::from(n), ..call(sender(n), sender((n * 7) % 310), &[]) })
            .collect();
        let outcomes = simulate_checked(&env, &calls, &db);
        assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{spec}");
        assert!(outcomes.iter().all(|outcome| outcome.fallback.is_none()), "{spec}");
    }
}

#[test]
fn a_counter_runs_on_a_snapshot_and_in_order() {
    let mut db = database(60);
    let counter = Address::repeat_byte(0xcc);
    with_code(&mut db, counter, &asm(COUNTER));
    let data = |n: u64| U256::from(n + 1).to_be_bytes::<32>();
    let txs: Vec<_> = (0..60).map(|n| call(sender(n), counter, &data(n))).collect();
    let env = block_env(Spec::Osaka);
    let outcomes = simulate_checked(&env, &txs, &db);
    assert_eq!(outcomes[4].result.as_ref().map(|e| e.logs.len()), Ok(1));
    let reports = execute_checked(&env, &txs, &db);
    assert_eq!(reports[0].replays, 0, "one thread wastes nothing");
    let report = &reports[1];
    assert_eq!(
        report.first_final + report.replays + report.redone,
        60,
        "once or twice: {report:?}"
    );
}

#[test]
fn nonce_chains_and_credits_do_not_replay() {
    let db = database(40);
    let txs: Vec<_> = (0..200u64)
        .map(|n| TxEnv {
            nonce: n / 40,
            value: U256::from(1000 + n),
            ..call(sender(n % 40), Address::repeat_byte(0x99), &[])
        })
        .collect();
    let reports = execute_checked(&block_env(Spec::Osaka), &txs, &db);
    assert!(reports.iter().all(|report| report.replays == 0), "{reports:?}");
}

#[test]
fn creations() {
    let mut db = database(20);
    // Creates a counter with CREATE2 from its calldata and calls it.
    let factory = Address::repeat_byte(0xfa);
    let code = "
        calldatasize 0 0 calldatacopy
        5 calldatasize 0 0 create2
        0 0 32 0 0 dup6 gas call    ; no output, a word of input, no value
        swap1 sstore stop";
    with_code(&mut db, factory, &asm(code));
    let counter = asm(COUNTER);
    for spec in [Spec::Petersburg, Spec::London, Spec::Cancun, Spec::Osaka] {
        let mut txs = Vec::new();
        for n in 0..10 {
            let kind = TxKind::Create;
            txs.push(TxEnv { kind, ..call(sender(n), Address::ZERO, &deployer(&counter)) });
            txs.push(call(
                sender(n + 10),
                factory,
                &deployer(&[&[n as u8; 3], &counter[..]].concat()),
            ));
        }
        let env = block_env(spec);
        let outcomes = simulate_checked(&env, &txs, &db);
        let created = |o: &Outcome| o.result.as_ref().is_ok_and(|e| e.created.is_some());
        assert_eq!(outcomes.iter().filter(|o| created(o)).count(), 10);
        execute_checked(&env, &txs, &db);
    }
}

#[test]
fn self_destruction_wipes_before_cancun() {
    let mut db = database(12);
    let victim = Address::repeat_byte(0xde);
    // With calldata: SELFDESTRUCT to the caller; without: slot 0 += 1.
    let code = "
              calldatasize @given jumpi
              0 sload 1 add 0 sstore
        given: calldatasize @end jumpi stop
        end:   caller selfdestruct";
    with_code(&mut db, victim, &asm(code));
    db.insert_account_storage(victim, U256::ZERO, U256::from(41)).expect("no database behind");
    db.insert_account_storage(victim, U256::from(9), U256::from(9)).expect("no database behind");
    for spec in [Spec::SpuriousDragon, Spec::Shanghai, Spec::Cancun] {
        let txs: Vec<_> = (0..12)
            .map(|n| TxEnv {
                value: U256::from(5),
                ..call(sender(n), victim, if n % 5 == 3 { &[1] } else { &[] })
            })
            .collect();
        simulate_checked(&block_env(spec), &txs, &db);
        execute_checked(&block_env(spec), &txs, &db);
    }
}

#[test]
fn larger_classes_and_the_host_serve_what_is_rare() {
    let mut db = database(8);
    // Recursion until the gas is gone, with memory in each frame.
    let deep = Address::repeat_byte(0xd0);
    with_code(&mut db, deep, &asm("1 4096 mstore 0 0 0 0 0 address gas call stop"));
    // Calls the precompile that its calldata names, with the rest as input.
    let asker = Address::repeat_byte(0xa5);
    let code = "
        32 calldatasize sub 32 0 calldatacopy
        32 0 32 calldatasize sub 0 0 calldataload gas staticcall    ; a word of output at 0
        32 mstore returndatasize 64 mstore                          ; status at 32, length at 64
        96 0 return";
    with_code(&mut db, asker, &asm(code));
    let ask = |number: u64, input: &[u8]| {
        let mut data = U256::from(number).to_be_bytes::<32>().to_vec();
        data.extend_from_slice(input);
        call(sender(number % 8), asker, &data)
    };
    let g1 = [1u8, 2].map(|n| U256::from(n).to_be_bytes::<32>()).concat();
    let mut calls = vec![TxEnv { gas_limit: 16_000_000, ..call(sender(0), deep, &[]) }];
    calls.extend([
        ask(1, &[1; 128]),
        ask(5, &[0; 96]),
        ask(6, &g1.repeat(2)),
        ask(7, &[&g1[..], &[7; 32]].concat()),
        ask(8, &[]),
        ask(9, &[0; 213]),
        ask(10, &[1; 192]),
        ask(11, &[0; 256]),
        ask(0x100, &[1; 160]),
    ]);
    let outcomes = simulate_checked(&block_env(Spec::Osaka), &calls, &db);
    assert_eq!(outcomes[0].fallback, None);
    assert!(outcomes.iter().all(|o| o.fallback != Some(Fallback::MemoryClass)));
    execute_checked(&block_env(Spec::Osaka), &calls[..4], &db);
}

#[test]
fn invalid_transactions_are_rejected_as_revm_does() {
    let db = database(4);
    let good = || call(sender(0), sender(1), &[1, 0, 2]);
    let blob = |hash: u8| {
        let mut hashes = B256::repeat_byte(9);
        hashes[0] = hash;
        TxEnv {
            tx_type: 3,
            gas_priority_fee: Some(1),
            blob_hashes: vec![hashes],
            max_fee_per_blob_gas: 100,
            ..good()
        }
    };
    let calls = [
        good(),
        TxEnv { nonce: 1, ..good() },
        TxEnv { nonce: u64::MAX, ..good() },
        TxEnv { gas_price: 6, ..good() },
        TxEnv { gas_limit: 20_999, ..good() },
        TxEnv { gas_limit: 21_020, ..good() },
        TxEnv { gas_limit: (1 << 24) + 1, ..good() },
        TxEnv { chain_id: Some(2), ..good() },
        TxEnv { tx_type: 1, chain_id: None, ..good() },
        TxEnv { tx_type: 2, gas_priority_fee: Some(11), ..good() },
        TxEnv { tx_type: 4, ..good() },
        TxEnv { value: U256::from(2 * ETHER), ..good() },
        TxEnv { gas_price: u128::MAX, ..good() },
        TxEnv { caller: sender(99), ..good() },
        TxEnv { kind: TxKind::Create, data: vec![0; 49153].into(), ..good() },
        blob(1),
        blob(2),
        TxEnv { max_fee_per_blob_gas: 0, ..blob(1) },
        TxEnv { blob_hashes: vec![], ..blob(1) },
        TxEnv { blob_hashes: vec![blob(1).blob_hashes[0]; 7], ..blob(1) },
    ];
    for spec in [Spec::Istanbul, Spec::Berlin, Spec::London, Spec::Cancun, Spec::Osaka] {
        let outcomes = simulate_checked(&block_env(spec), &calls, &db);
        let rejected = outcomes.iter().filter(|outcome| outcome.result.is_err()).count();
        assert!(rejected >= 11, "{spec}: {rejected}");
    }
    let mut state = State::new(&db).expect("a state");
    let txs = [good(), TxEnv { nonce: 5, ..good() }];
    let error =
        engine(1).execute(&block_env(Spec::Osaka), &txs, &mut state).expect_err("not valid");
    let expected = Rejected::NonceTooHigh { tx: 5, state: 1 };
    assert!(matches!(error, Error::Rejected { index: 1, reason } if reason == expected));
}

#[test]
fn checks_can_be_switched_off() {
    let mut db = database(2);
    with_code(&mut db, Address::repeat_byte(0xcc), &asm(COUNTER));
    let mut env = block_env(Spec::Osaka);
    env.checks = Checks {
        nonce: false,
        balance: false,
        sender_code: false,
        block_gas_limit: false,
        base_fee: false,
    };
    env.block.gas_limit = 30_000;
    let calls = [
        TxEnv { nonce: 77, ..call(sender(0), Address::repeat_byte(0xcc), &[1; 32]) },
        TxEnv { gas_price: 0, ..call(sender(9), Address::repeat_byte(0xcc), &[2; 32]) },
        call(Address::repeat_byte(0xcc), sender(1), &[]),
        // Nobody has that much: the call fails, also as a creation, and keeps the rest of its gas.
        TxEnv { value: U256::MAX, ..call(sender(0), sender(1), &[]) },
        TxEnv { value: U256::MAX, kind: TxKind::Create, ..call(sender(0), sender(1), &[0; 9]) },
    ];
    let outcomes = simulate_checked(&env, &calls, &db);
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    let ends = outcomes.iter().map(|o| o.result.as_ref().expect("valid").end).collect::<Vec<_>>();
    assert_eq!(ends[3..], [End::OutOfFunds, End::OutOfFunds]);
}

#[test]
fn access_lists_warm_and_reverts_undo() {
    let mut db = database(3);
    let target = Address::repeat_byte(0x77);
    // SSTORE(1, 2), then REVERT with 4 bytes of memory if there is calldata.
    with_code(&mut db, target, &asm("2 1 sstore calldatasize @end jumpi stop end: 4 0 revert"));
    let list =
        revm::context::transaction::AccessList(vec![revm::context::transaction::AccessListItem {
            address: target,
            storage_keys: vec![B256::with_last_byte(1), B256::with_last_byte(2)],
        }]);
    let listed = |data: &[u8]| TxEnv {
        tx_type: 1,
        access_list: list.clone(),
        ..call(sender(1), target, data)
    };
    let calls = [call(sender(0), target, &[]), call(sender(0), target, &[1]), listed(&[]), {
        listed(&[1])
    }];
    let outcomes = simulate_checked(&block_env(Spec::Osaka), &calls, &db);
    let status = |i: usize| outcomes[i].result.as_ref().map(|e| e.status);
    assert_eq!((status(0), status(1)), (Ok(TxStatus::Success), Ok(TxStatus::Revert)));
    assert_ne!(
        outcomes[0].result.as_ref().map(|e| e.gas_used),
        outcomes[2].result.as_ref().map(|e| e.gas_used)
    );
}

#[test]
fn a_large_batch_grows_the_table_while_threads_run() {
    let db = database(5_000);
    let calls: Vec<_> = (0..5_000)
        .map(|n| TxEnv { value: U256::from(1), ..call(sender(n), sender(n + 10_000), &[]) })
        .collect();
    simulate_checked(&block_env(Spec::Osaka), &calls, &db);
}
