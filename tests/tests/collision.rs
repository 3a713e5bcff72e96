//! EIP-7610: an account with storage is a collision, though it has no nonce and no code. revm does
//! not know; the reference does.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use revm::context::{BlockEnv, TxEnv};
use warpevm::reference::Sequential;
use warpevm::reference::validate::compare;
use warpevm::state::MemoryState;
use warpevm::{Checks, Config, Engine, Env, Executed, Spec, State, Transaction, TxStatus};
use warpevm_tests::asm;

const SENDER: Address = Address::repeat_byte(0xaa);
const FACTORY: Address = Address::repeat_byte(0xfa);
const GAS: u64 = 200_000;
/// Init code that returns one byte of code, STOP.
const INIT: &str = "1 0 return";
/// Creates with the code in the first five bytes of calldata and the value in the next word, and
/// returns the address and the gas left: CREATE, or CREATE2 with salt 0.
const CREATE: &str = "5f355f5260055f600535f05f525a60205260405ff3";
const CREATE2: &str = "5f355f525f60055f600535f55f525a60205260405ff3";

fn env(spec: Spec) -> Env {
    let block = BlockEnv {
        number: U256::from(1),
        beneficiary: Address::repeat_byte(0xcb),
        gas_limit: 30_000_000,
        prevrandao: Some(B256::ZERO),
        ..Default::default()
    };
    Env { spec, chain_id: 1, block, checks: Checks::default() }
}

/// The sender, a factory without ether, and `target` with one slot and `balance`.
fn state(factory: &str, target: Address, balance: u64) -> MemoryState {
    let mut state = MemoryState::default();
    let code: Bytes = factory.parse().expect("hex");
    let slots = |value: u64| [(U256::from(1), U256::from(value))].into_iter().collect();
    state.add_account(SENDER, U256::from(1u64 << 40), 0, Bytes::new(), Default::default());
    state.add_account(FACTORY, U256::ZERO, 1, code, Default::default());
    state.add_account(target, U256::from(balance), 0, Bytes::new(), slots(7));
    state
}

fn transaction(nonce: u64, kind: TxKind, data: Vec<u8>) -> Transaction {
    let data = Bytes::from(data);
    TxEnv { caller: SENDER, nonce, kind, data, gas_limit: GAS, ..Default::default() }
}

/// Calldata for the factory.
fn call_data(value: u64) -> Vec<u8> {
    let mut data = asm(INIT);
    data.extend(U256::from(value).to_be_bytes::<32>());
    data
}

fn execute(spec: Spec, transactions: &[Transaction], memory: &MemoryState) -> Vec<Executed> {
    execute_in(&env(spec), transactions, memory)
}

/// Executes in order on the device and on the reference; both must agree.
fn execute_in(env: &Env, transactions: &[Transaction], memory: &MemoryState) -> Vec<Executed> {
    let engine = Engine::new(Config::default().with_threads(2)).expect("an engine");
    let mut state = State::new(memory).expect("a state").with_storage_probe();
    let got = engine.execute(env, transactions, &mut state).expect("it runs").outcomes;
    let mut revm = Sequential::new(env, memory).with_storage_probe();
    for (index, (tx, got)) in transactions.iter().zip(&got).enumerate() {
        let expected = revm.transact(tx).expect("revm runs");
        assert_eq!(compare(index, &expected, got), []);
        assert_eq!(got.fallback, None);
    }
    got.into_iter().map(|outcome| outcome.result.expect("valid")).collect()
}

#[test]
fn a_transaction_collides_with_storage() {
    let target = SENDER.create(0);
    let transactions = [transaction(0, TxKind::Create, asm(INIT))];
    for spec in [Spec::Frontier, Spec::Byzantium, Spec::Osaka] {
        let memory = state("", target, 5);
        let ran = execute(spec, &transactions, &memory);
        assert_eq!((ran[0].status, ran[0].gas_used), (TxStatus::Halt, GAS));
        assert!(ran[0].changes.iter().all(|change| change.address != target));
        // The same without the slot is no collision.
        let mut memory = state("", target, 5);
        memory.accounts.get_mut(&target).expect("it is there").storage_mut().clear();
        assert_eq!(execute(spec, &transactions, &memory)[0].status, TxStatus::Success);
    }
}

#[test]
fn opcodes_collide_with_storage() {
    let create = (CREATE, FACTORY.create(1));
    let create2 = (CREATE2, FACTORY.create2(B256::ZERO, keccak256(asm(INIT))));
    for (factory, target) in [create, create2] {
        let memory = state(factory, target, 5);
        let calls = [0, 1].map(|value| {
            let data = call_data(value);
            transaction(value, TxKind::Call(FACTORY), data)
        });
        let ran = execute(Spec::Osaka, &calls, &memory);
        let gas_left = |ran: &Executed| u64::try_from(U256::from_be_slice(&ran.output[32..]));
        // A collision costs all gas but a 64th; what the factory cannot pay for costs little, and
        // collides with nothing.
        assert_eq!(ran[0].output[..32], [0; 32]);
        assert!(gas_left(&ran[0]).expect("64 bits") < GAS / 32);
        assert_eq!(ran[1].output[..32], [0; 32]);
        assert!(gas_left(&ran[1]).expect("64 bits") > GAS / 2);
        assert!(ran.iter().flat_map(|ran| &ran.changes).all(|c| c.address != target));
    }
}

#[test]
fn what_was_deleted_has_no_storage() {
    // The call touches the target, which is empty: it is gone with its storage (EIP-161).
    let target = SENDER.create(1);
    let memory = state("", target, 0);
    let transactions =
        [transaction(0, TxKind::Call(target), vec![]), transaction(1, TxKind::Create, asm(INIT))];
    let ran = execute(Spec::Osaka, &transactions, &memory);
    assert!(ran[0].changes.iter().any(|c| c.address == target && c.info.is_none()));
    assert_eq!((ran[1].status, ran[1].created), (TxStatus::Success, Some(target)));
}

#[test]
fn a_fee_of_nothing_deletes_the_recipient_with_its_storage() {
    // The recipient is the account that the second transaction creates.
    let target = SENDER.create(1);
    let memory = state("", target, 0);
    let transactions =
        [transaction(0, TxKind::Call(FACTORY), vec![]), transaction(1, TxKind::Create, asm(INIT))];
    let mut env = env(Spec::Osaka);
    env.block.beneficiary = target;
    let ran = execute_in(&env, &transactions, &memory);
    assert_eq!((ran[1].status, ran[1].created), (TxStatus::Success, Some(target)));
}
