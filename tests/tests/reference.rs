//! The reference where revm alone would be wrong: net gas metering in Constantinople (EIP-1283),
//! codes that only look like a delegation (EIP-7702), sums beyond 2^256, gas limits beyond 2^63;
//! and that it is never taken for a check of itself. Collisions (EIP-7610) are in `collision.rs`.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use revm::context::{BlockEnv, TxEnv};
use revm::primitives::hardfork::SpecId;
use warpevm::reference::validate::{Validate, compare, validate_calls};
use warpevm::reference::{self, Sequential, spec_id};
use warpevm::state::{HasStorage, MemoryState, StorageProbe};
use warpevm::{
    AccountChange, AccountInfo, Backend, Checks, Config, End, Engine, Env, Executed, Fallback,
    Outcome, Spec, State, Transaction, TxStatus,
};
use warpevm_tests::asm;

const SENDER: Address = Address::repeat_byte(0xaa);
const CALLEE: Address = Address::repeat_byte(0xca);
const OTHER: Address = Address::repeat_byte(0x0e);
const BENEFICIARY: Address = Address::repeat_byte(0xcb);
const TX_GAS: u64 = 21_000;

fn env(spec: Spec) -> Env {
    let block = BlockEnv {
        number: U256::from(1),
        beneficiary: BENEFICIARY,
        gas_limit: u64::MAX,
        prevrandao: Some(B256::ZERO),
        ..Default::default()
    };
    // From Osaka on a transaction has a smaller gas limit (EIP-7825).
    Env { spec, chain_id: 1, block, checks: Checks { balance: false, ..Checks::default() } }
}

fn account(state: &mut MemoryState, address: Address, balance: U256, code: &[u8]) {
    let code = Bytes::copy_from_slice(code);
    state.add_account(address, balance, 0, code, Default::default());
}

fn call(gas_limit: u64) -> Transaction {
    TxEnv { caller: SENDER, kind: TxKind::Call(CALLEE), gas_limit, ..Default::default() }
}

/// The kernels on the CPU, and on a device that it plays.
fn engines() -> [Engine; 2] {
    [Backend::Cpu, Backend::CudaFake].map(|backend| {
        Engine::new(Config::default().with_backend(backend).with_threads(1)).expect("an engine")
    })
}

/// Runs one transaction on the reference and on the kernels, which must agree; what runs on the
/// kernels must stay there.
fn run(env: &Env, tx: &Transaction, memory: &MemoryState) -> Executed {
    let txs = std::slice::from_ref(tx);
    let mut revm = Sequential::new(env, memory).with_storage_probe();
    let expected = revm.simulate(txs).expect("revm runs").remove(0);
    for engine in engines() {
        let state = State::new(memory).expect("a state");
        let got = engine.simulate(env, txs, &state).expect("it runs").outcomes.remove(0);
        assert_eq!(compare(0, &expected, &got), [], "{} {:?}", env.spec, engine.config().backend);
        assert_eq!(got.fallback, None);
    }
    expected.result.expect("valid")
}

/// The test cases of EIP-1283: code, gas, refund, value before.
const NET_METERING: [(&str, u64, u64, u64); 17] = [
    ("60006000556000600055", 412, 0, 0),
    ("60006000556001600055", 20212, 0, 0),
    ("60016000556000600055", 20212, 19800, 0),
    ("60016000556002600055", 20212, 0, 0),
    ("60016000556001600055", 20212, 0, 0),
    ("60006000556000600055", 5212, 15000, 1),
    ("60006000556001600055", 5212, 4800, 1),
    ("60006000556002600055", 5212, 0, 1),
    ("60026000556000600055", 5212, 15000, 1),
    ("60026000556003600055", 5212, 0, 1),
    ("60026000556001600055", 5212, 4800, 1),
    ("60026000556002600055", 5212, 0, 1),
    ("60016000556000600055", 5212, 15000, 1),
    ("60016000556002600055", 5212, 0, 1),
    ("60016000556001600055", 412, 0, 1),
    ("600160005560006000556001600055", 40218, 19800, 0),
    ("600060005560016000556000600055", 10218, 19800, 1),
];

#[test]
fn constantinople_meters_net_gas() {
    for (code, gas, refund, before) in NET_METERING {
        let mut memory = MemoryState::default();
        account(&mut memory, CALLEE, U256::ZERO, &hex::decode(code).expect("hex"));
        let storage = &mut memory.accounts.get_mut(&CALLEE).expect("there").storage_mut();
        storage.extend((before > 0).then_some((U256::ZERO, U256::from(before))));
        let ran = run(&env(Spec::Constantinople), &call(100_000), &memory);
        let refunded = refund.min((TX_GAS + gas) / 2);
        assert_eq!((ran.gas_used, ran.gas_refunded), (TX_GAS + gas - refunded, refunded), "{code}");
    }
}

/// EIP-2200's rule that a stipend does not pay for SSTORE came with Istanbul.
#[test]
fn constantinople_takes_a_store_from_a_stipend() {
    let mut memory = MemoryState::default();
    account(&mut memory, CALLEE, U256::ZERO, &asm("0 0 sstore stop"));
    for (spec, status) in [
        (Spec::Constantinople, TxStatus::Success),
        (Spec::Petersburg, TxStatus::Halt),
        (Spec::Istanbul, TxStatus::Halt),
    ] {
        assert_eq!(run(&env(spec), &call(TX_GAS + 6 + 300), &memory).status, status, "{spec}");
    }
}

#[test]
fn a_designator_is_plain_code_before_prague() {
    let designator = [&hex!("ef0100")[..], OTHER.as_slice()].concat();
    let mut memory = MemoryState::default();
    account(&mut memory, CALLEE, U256::ZERO, &designator);
    account(&mut memory, OTHER, U256::ZERO, &asm("7 0 mstore 32 0 return"));
    for spec in Spec::ALL {
        let ran = run(&env(spec), &call(100_000), &memory);
        if spec_id(spec).is_enabled_in(SpecId::PRAGUE) {
            assert_eq!((ran.status, ran.output.last()), (TxStatus::Success, Some(&7)), "{spec}");
        } else {
            let ended = (ran.status, ran.end, ran.gas_used);
            assert_eq!(ended, (TxStatus::Halt, End::InvalidOpcode, 100_000), "{spec}");
        }
    }
    // A sender with it has code (EIP-3607), which it may have from Prague on.
    account(&mut memory, SENDER, U256::ZERO, &designator);
    for spec in Spec::ALL {
        let env = env(spec);
        let outcome = Sequential::new(&env, &memory).transact(&call(100_000)).expect("revm runs");
        let prague = spec_id(spec).is_enabled_in(SpecId::PRAGUE);
        assert_eq!(outcome.result.is_ok(), prague, "{spec}");
    }
}

/// A code that the reference takes over from a result is what it is under the spec.
#[test]
fn a_designator_that_is_taken_over_delegates_from_prague_on() {
    let designator = Bytes::from([&hex!("ef0100")[..], OTHER.as_slice()].concat());
    let mut memory = MemoryState::default();
    account(&mut memory, OTHER, U256::ZERO, &asm("7 0 mstore 32 0 return"));
    let info = AccountInfo { nonce: 1, code_hash: keccak256(&designator), ..AccountInfo::EMPTY };
    let change = AccountChange {
        address: CALLEE,
        info: Some(info),
        code: Some(designator),
        wiped: false,
        storage: Vec::new(),
    };
    for (spec, status) in [(Spec::Cancun, TxStatus::Halt), (Spec::Prague, TxStatus::Success)] {
        let mut revm = Sequential::new(&env(spec), &memory);
        revm.apply(std::slice::from_ref(&change)).expect("taken over");
        let ran = revm.transact(&call(100_000)).expect("revm runs").result.expect("valid");
        assert_eq!(ran.status, status, "{spec}");
    }
}

/// What a transaction deploys is no delegation either, later in the block.
#[test]
fn a_designator_that_a_block_deploys_is_plain_code() {
    let designator = [&hex!("ef0100")[..], OTHER.as_slice()].concat();
    let init = asm(&format!("0x{} 0 mstore 23 9 return", hex::encode(&designator)));
    let create = TxEnv { kind: TxKind::Create, data: init.into(), ..call(200_000) };
    let created = SENDER.create(0);
    let visit = TxEnv { kind: TxKind::Call(created), nonce: 1, ..call(50_000) };
    let mut memory = MemoryState::default();
    account(&mut memory, OTHER, U256::ZERO, &asm("stop"));
    let env = env(Spec::Berlin);
    let expected = reference::execute_sequential(&env, &[create.clone(), visit.clone()], &memory);
    let expected = expected.expect("revm runs");
    let made = expected[0].result.as_ref().expect("valid");
    assert_eq!((made.created, made.output.as_ref()), (Some(created), designator.as_slice()));
    assert_eq!(expected[1].result.as_ref().expect("valid").status, TxStatus::Halt);
    for engine in engines() {
        let mut state = State::new(&memory).expect("a state");
        let got = engine.execute(&env, &[create.clone(), visit.clone()], &mut state);
        for (index, (e, g)) in expected.iter().zip(got.expect("it runs").outcomes).enumerate() {
            assert_eq!(compare(index, e, &g), []);
        }
    }
}

/// A sum of balances beyond 2^256 wraps, as everywhere it is not checked: no chain has so much.
#[test]
fn balances_wrap() {
    let balance = |ran: &Executed, of: Address| {
        let change = ran.changes.iter().find(|change| change.address == of).expect("a change");
        change.info.as_ref().map(|info| info.balance)
    };
    let send = "0 0 0 0 5 0x0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e gas call 0 mstore 32 0 return";
    let create = "0 0 5 create 0 mstore 32 0 return";
    let destroy = "0x0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e selfdestruct";
    let made = CALLEE.create(0);
    for (code, to) in [(send, OTHER), (create, made), (destroy, OTHER)] {
        for recipient in ["", "stop", "invalid"] {
            let mut memory = MemoryState::default();
            account(&mut memory, CALLEE, U256::from(5), &asm(code));
            let code = if to == made { vec![] } else { asm(recipient) };
            account(&mut memory, to, U256::MAX - U256::from(1), &code);
            let ran = run(&env(Spec::Cancun), &call(200_000), &memory);
            assert_eq!(ran.status, TxStatus::Success);
            if recipient != "invalid" || code.is_empty() {
                assert_eq!(balance(&ran, to), Some(U256::from(3)));
            }
        }
    }
    // To zero: the account is empty, which deletes it from Spurious Dragon on (EIP-161).
    for (spec, left) in [(Spec::Homestead, Some(U256::ZERO)), (Spec::Byzantium, None)] {
        let mut memory = MemoryState::default();
        account(&mut memory, SENDER, U256::from(5), &[]);
        account(&mut memory, CALLEE, U256::MAX, &[]);
        let ran = run(&env(spec), &TxEnv { value: U256::ONE, ..call(50_000) }, &memory);
        assert_eq!(balance(&ran, CALLEE), left);
    }
    // From the sender itself, and the fees.
    let mut memory = MemoryState::default();
    account(&mut memory, SENDER, U256::from(1 << 30), &[]);
    account(&mut memory, CALLEE, U256::MAX, &[]);
    account(&mut memory, BENEFICIARY, U256::MAX, &[]);
    let tx = TxEnv { gas_price: 1, value: U256::from(5), ..call(50_000) };
    let env = Env { checks: Checks::default(), ..env(Spec::Berlin) };
    let ran = run(&env, &tx, &memory);
    assert_eq!(balance(&ran, CALLEE), Some(U256::from(4)));
    assert_eq!(balance(&ran, BENEFICIARY), Some(U256::from(TX_GAS - 1)));
}

/// Gas is a 64-bit number without a sign: what a limit beyond 2^63 runs, the kernels run.
#[test]
fn gas_limits_up_to_64_bits_stay_on_the_kernels() {
    let inner = "0 0 0 0 0x0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e gas delegatecall";
    let programs = [
        "gas 0 mstore 32 0 return",
        "gas gas sub 0 mstore 32 0 revert",
        "0x7fffffffffffffff 0 log0",
        "0x2000000000000001 0 log0",
        "0x1fffffffffffffff 0 keccak256",
        "0x7fffffffffffffff 0 0 calldatacopy",
        "0xffffffffffffffff 0xffffffffffffffff exp 0 mstore 32 0 return",
        "1 0 sstore 0 0 sstore gas 0 mstore 32 0 return",
        "0 0x80000000 mstore",
        inner,
    ];
    for program in programs {
        let mut memory = MemoryState::default();
        let tail = " gas 0 mstore returndatasize 32 mstore 64 0 return";
        account(&mut memory, CALLEE, U256::ZERO, &asm(&format!("{program}{tail}")));
        account(&mut memory, OTHER, U256::ZERO, &asm("gas 0 mstore 32 0 return"));
        for gas in [1 << 62, i64::MAX as u64, 1 << 63, (1 << 63) + 1, u64::MAX - 1, u64::MAX] {
            for spec in [Spec::Homestead, Spec::Byzantium, Spec::Constantinople, Spec::Prague] {
                if program == inner && spec == Spec::Homestead {
                    continue;
                }
                run(&env(spec), &call(gas), &memory);
            }
        }
    }
}

/// What fell back to revm and equals it is not called checked; a difference is one all the same.
#[test]
fn a_result_of_revm_is_not_checked_by_revm() {
    let mut memory = MemoryState::default();
    account(&mut memory, CALLEE, U256::ZERO, &asm("7 0 mstore 32 0 return"));
    let (env, tx) = (env(Spec::Prague), [call(100_000)]);
    let right = Sequential::new(&env, &memory).simulate(&tx).expect("revm runs").remove(0);
    let validate = |outcome: &Outcome| {
        let outcomes = std::slice::from_ref(outcome);
        let found = validate_calls(&env, &tx, outcomes, &memory, Validate::Full);
        let found = found.expect("revm runs");
        (found.checked, found.unchecked, found.wrong.len())
    };
    let mut wrong = right.clone();
    wrong.result.as_mut().expect("valid").gas_used += 1;
    let own = [None, Some(Fallback::DeviceMemory), Some(Fallback::Chain), Some(Fallback::InOrder)];
    for fallback in own {
        assert_eq!(validate(&Outcome { fallback, ..right.clone() }), (1, 0, 0));
        assert_eq!(validate(&Outcome { fallback, ..wrong.clone() }), (1, 0, 1));
    }
    for reason in [Fallback::MemoryClass, Fallback::HostPrecompile, Fallback::Mismatch] {
        let fallback = Some(reason);
        assert_eq!(validate(&Outcome { fallback, ..right.clone() }), (0, 1, 0));
        assert_eq!(validate(&Outcome { fallback, ..wrong.clone() }), (1, 0, 1));
    }
}

/// The baselines for speed are held to the same rules, and their totals do not wrap.
#[test]
fn the_baselines_are_corrected_too() {
    let mut memory = MemoryState::default();
    let designator = [&hex!("ef0100")[..], OTHER.as_slice()].concat();
    account(&mut memory, CALLEE, U256::ZERO, &designator);
    account(&mut memory, OTHER, U256::ZERO, &asm("stop"));
    let slot = [(U256::from(1), U256::from(1))].into_iter().collect();
    memory.add_account(SENDER.create(0), U256::ZERO, 0, Bytes::new(), slot);
    let create = TxEnv { kind: TxKind::Create, data: asm("stop").into(), ..call(100_000) };
    let txs = vec![call(u64::MAX), call(u64::MAX), create];
    let probe: Option<StorageProbe<&MemoryState>> = Some(HasStorage::has_storage);
    let env = env(Spec::Cancun);
    let bare = reference::simulate_bare(&env, txs.clone(), &memory, probe);
    assert_eq!(bare.expect("revm runs").gas_used, u64::MAX);
    let bare = reference::simulate_bare(&env, txs[2..].to_vec(), &memory, probe);
    assert_eq!(bare.expect("revm runs").gas_used, 100_000, "a collision takes all gas");
    let trace = reference::trace(&env, &txs[..1], &memory, false).expect("revm runs");
    assert_eq!(trace.op_count(), 1, "0xef is the only op");
}
