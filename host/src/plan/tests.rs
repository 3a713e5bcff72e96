//! Predictions and block access lists, on the project's own contracts and example block.

use super::*;
use crate::chain::{BlockInput, BlockSource, Selection};
use crate::input::{self, Input, InputError};
use crate::state::MemoryState;
use crate::types::{Checks, Env, Outcome, Spec, Transaction};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{B256, Bytes, TxKind, hex, keccak256};
use revm::context::BlockEnv;
use std::path::Path;

const SENDER: Address = Address::repeat_byte(0x5e);
const RECIPIENT: Address = Address::repeat_byte(0x4e);
const TOKEN: Address = Address::repeat_byte(0x70);
const PROXY: Address = Address::repeat_byte(0x77);
const PAYEE: Address = Address::repeat_byte(0xfe);
/// Where the token has its mapping of balances.
const BALANCES: u64 = 4;

fn examples() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn code(contract: &str) -> Bytes {
    let file = examples().join("artifacts").join(contract).with_extension("json");
    let text = std::fs::read(file).expect("an artifact");
    let artifact: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    hex::decode(artifact["deployed"].as_str().expect("a code")).expect("hex digits").into()
}

fn implementation_slot() -> U256 {
    U256::from_be_bytes(keccak256("eip1967.proxy.implementation").0) - U256::from(1)
}

fn state() -> MemoryState {
    let mut state = MemoryState::default();
    let none = Default::default;
    state.add_account(SENDER, U256::MAX, 0, Bytes::new(), none());
    state.add_account(TOKEN, U256::ZERO, 1, code("Token"), none());
    let to_token = U256::from_be_slice(TOKEN.as_slice());
    let slots = [(implementation_slot(), to_token)].into_iter().collect();
    state.add_account(PROXY, U256::ZERO, 1, code("Proxy"), slots);
    let delegation = [&[0xef, 1, 0][..], TOKEN.as_slice()].concat();
    state.add_account(RECIPIENT, U256::ZERO, 1, delegation.into(), none());
    state
}

fn env() -> Env {
    let block = BlockEnv { beneficiary: PAYEE, ..BlockEnv::default() };
    Env { spec: Spec::Prague, chain_id: 1, block, checks: Checks::default() }
}

/// `transfer(RECIPIENT, 5)`.
fn transfer(to: Address) -> Transaction {
    let words = [RECIPIENT.into_word(), B256::from(U256::from(5))].concat();
    let data = [&0xa905_9cbbu32.to_be_bytes()[..], &words].concat();
    Transaction {
        caller: SENDER,
        kind: TxKind::Call(to),
        data: data.into(),
        gas_limit: 100_000,
        gas_price: 10,
        ..Transaction::default()
    }
}

fn balance_slot(token: Address, of: Address) -> Key {
    let words = [of.into_word(), B256::from(U256::from(BALANCES))].concat();
    Key::Slot(token, keccak256(words).into())
}

fn predict(predictor: &Predictor, tx: &Transaction, missing: MissingSets) -> Accesses {
    let mut out = BlockAccesses::new();
    let txs = std::slice::from_ref(tx);
    predictor.predict(&env(), txs, &state(), None, missing, &mut out);
    assert_eq!(out.len(), 1);
    out.accesses(0)
}

fn slots(keys: &[Key]) -> Vec<Key> {
    let mut slots: Vec<Key> =
        keys.iter().filter(|key| matches!(key, Key::Slot(..))).copied().collect();
    slots.sort_unstable();
    slots
}

fn sorted<const N: usize>(mut keys: [Key; N]) -> [Key; N] {
    keys.sort_unstable();
    keys
}

#[test]
fn a_token_transfer_touches_two_balances() {
    let accesses = predict(&Predictor::new(), &transfer(TOKEN), MissingSets::Make);
    let both = sorted([balance_slot(TOKEN, SENDER), balance_slot(TOKEN, RECIPIENT)]);
    assert_eq!(slots(&accesses.reads), both);
    assert_eq!(slots(&accesses.writes), both);
    assert_eq!(accesses.credits, [PAYEE]);
    assert_eq!((accesses.complete, accesses.source), (true, Source::Symbolic));
    for key in [Key::Nonce(SENDER), Key::Balance(SENDER)] {
        assert!(accesses.reads.contains(&key) && accesses.writes.contains(&key));
    }
    assert!(accesses.reads.contains(&Key::Code(TOKEN)));
}

#[test]
fn a_proxy_and_a_delegation_are_followed() {
    let through_proxy = predict(&Predictor::new(), &transfer(PROXY), MissingSets::Make);
    let both = sorted([balance_slot(PROXY, SENDER), balance_slot(PROXY, RECIPIENT)]);
    assert_eq!(slots(&through_proxy.writes), both);
    assert!(through_proxy.reads.contains(&Key::Slot(PROXY, implementation_slot())));
    assert!(through_proxy.complete);
    let delegated = predict(&Predictor::new(), &transfer(RECIPIENT), MissingSets::Make);
    let both = sorted([balance_slot(RECIPIENT, SENDER), balance_slot(RECIPIENT, RECIPIENT)]);
    assert_eq!(slots(&delegated.writes), both);
}

#[test]
fn a_missing_set_is_noted_and_made_later() {
    let predictor = Predictor::new();
    let without = predict(&predictor, &transfer(TOKEN), MissingSets::Note);
    assert_eq!((slots(&without.reads).len(), without.complete), (0, false));
    assert_eq!(without.source, Source::Sender);
    assert_eq!((predictor.codes().wanted(), predictor.codes().make_wanted(8)), (1, 1));
    assert_eq!(slots(&predict(&predictor, &transfer(TOKEN), MissingSets::Note).reads).len(), 2);
}

#[test]
fn an_access_list_and_a_plain_transfer() {
    let mut tx = transfer(PAYEE);
    tx.value = U256::from(1);
    let storage_keys = vec![B256::with_last_byte(9)];
    tx.access_list = AccessList(vec![AccessListItem { address: TOKEN, storage_keys }]);
    let accesses = predict(&Predictor::new(), &tx, MissingSets::Make);
    let listed = [Key::Slot(TOKEN, U256::from(9))];
    assert_eq!((slots(&accesses.reads), slots(&accesses.writes)), (listed.to_vec(), listed.into()));
    assert_eq!((accesses.source, accesses.complete), (Source::AccessList, true));
    assert_eq!(accesses.credits, [PAYEE]);
}

#[test]
fn access_sets_share_a_budget() {
    // A hundred hashes and slots: expensive to predict.
    let mut source = String::new();
    for word in 0..100 {
        source += &format!("{word} calldataload 0 mstore 32 0 keccak256 sload pop ");
    }
    let code = warpevm_compiler::asm::assemble(&(source + "stop")).expect("it assembles");
    let mut state = state();
    state.add_account(PAYEE, U256::ZERO, 1, code.into(), Default::default());
    let predictor = Predictor::new();
    let mut out = BlockAccesses::new();
    let txs = vec![transfer(PAYEE); 100];
    predictor.predict(&env(), &txs, &state, None, MissingSets::Make, &mut out);
    let known = (0..100).filter(|i| out.is_complete(*i)).count();
    assert!((1..30).contains(&known), "{known} were predicted wholly");
}

#[test]
fn nothing_that_a_transaction_brings_panics() {
    let predictor = Predictor::new();
    for data in [vec![], vec![0xff; 3], vec![0xff; 4], vec![0xff; 1000]] {
        for (kind, value) in [
            (TxKind::Create, U256::ZERO),
            (TxKind::Create, U256::MAX),
            (TxKind::Call(SENDER), U256::MAX),
            (TxKind::Call(TOKEN), U256::MAX),
            (TxKind::Call(PROXY), U256::ZERO),
        ] {
            let data = data.clone().into();
            let (gas_limit, nonce, gas_price) = (u64::MAX, u64::MAX, u128::MAX);
            let tx =
                Transaction { kind, value, data, gas_limit, nonce, gas_price, ..transfer(TOKEN) };
            assert!(predictor.gas(&tx) > 0);
            predict(&predictor, &tx, MissingSets::Make);
        }
    }
    let tx = Transaction { gas_limit: 0, ..transfer(TOKEN) };
    assert_eq!(predictor.gas(&tx), 0);
}

fn example_block() -> BlockInput {
    let Ok(Input::Blocks(source)) = input::open(&examples().join("token-block")) else {
        panic!("the example is a block");
    };
    let mut found = None;
    let visited = source.visit(&Selection::All, |_, block| {
        found = Some(block?);
        Ok::<_, InputError>(())
    });
    assert_eq!(visited.expect("it reads"), 1);
    found.expect("it is there")
}

fn execute(block: &BlockInput) -> Vec<(Accesses, Outcome)> {
    let mut revm = block.at_first().expect("the system calls run");
    let one = |tx: &Transaction| {
        let (outcome, touched) = revm.transact_once(tx).expect("revm runs it");
        let accesses = observed(tx, &touched);
        revm.commit(touched);
        (accesses, outcome)
    };
    block.transactions.iter().map(one).collect()
}

/// Drops reads that a list cannot know: those without a write of the same transaction.
fn known_to_list(accesses: &Accesses) -> Accesses {
    let writes = &accesses.writes;
    let reads = accesses.reads.iter().filter(|key| writes.contains(key));
    Accesses { reads: reads.copied().collect(), ..accesses.clone() }
}

#[test]
fn a_block_access_list_knows_the_writes_of_an_execution() {
    let block = example_block();
    let executed = execute(&block);
    let list = BlockAccessList::derive(executed.iter().map(|(a, outcome)| (a, outcome)));
    let text = serde_json::to_string(&list).expect("JSON");
    assert_eq!(input::parse_access_list("list", text.as_bytes()).expect("a list"), list);
    assert!(list.accounts.is_sorted_by_key(|account| account.address));

    let listed = list.changes(&block.env, &block.transactions);
    let (mut known, mut all) = (BlockAccesses::new(), BlockAccesses::new());
    for (accesses, _) in &executed {
        known.push(&known_to_list(accesses));
        all.push(accesses);
    }
    let (listed, known, all) = (Dag::build(&listed), Dag::build(&known), Dag::build(&all));
    let score = listed.score(&known);
    assert!(score.executed > 2_000, "{score:?}");
    assert_eq!((score.precision(), score.recall()), (1.0, 1.0), "{score:?}");

    // With the list, a prediction claims no write that is none.
    let predictor = Predictor::new();
    let (env, txs, state) = (&block.env, &block.transactions, &block.state);
    let (mut plain, mut better) = (BlockAccesses::new(), BlockAccesses::new());
    predictor.predict(env, txs, state, None, MissingSets::Make, &mut plain);
    predictor.predict(env, txs, state, Some(&list), MissingSets::Note, &mut better);
    for (index, (accesses, _)) in executed.iter().enumerate() {
        let predicted = better.accesses(index as u32);
        let known =
            |key: &Key| accesses.writes.contains(key) || accesses.credits.contains(&key.address());
        assert!(predicted.writes.iter().all(known), "transaction {index}");
        assert_eq!(predicted.source, Source::BlockAccessList);
    }
    let (plain, better) = (Dag::build(&plain).score(&all), Dag::build(&better).score(&all));
    assert!(better.recall() > plain.recall(), "{plain:?} {better:?}");
    assert!(better.precision() > plain.precision(), "{plain:?} {better:?}");
    assert!(better.recall() > 0.98 && plain.precision() > 0.5, "{plain:?} {better:?}");
}

#[test]
fn history_improves_the_prediction_of_a_block_seen_before() {
    let block = example_block();
    let executed = execute(&block);
    let predictor = Predictor::new();
    let mut all = BlockAccesses::new();
    executed.iter().for_each(|(accesses, _)| all.push(accesses));
    let truth = Dag::build(&all);
    let score = || {
        let mut out = BlockAccesses::new();
        let (env, txs, state) = (&block.env, &block.transactions, &block.state);
        predictor.predict(env, txs, state, None, MissingSets::Make, &mut out);
        Dag::build(&out).score(&truth)
    };
    let before = score();
    for (tx, (accesses, outcome)) in block.transactions.iter().zip(&executed) {
        let gas = outcome.result.as_ref().expect("valid").gas_used;
        predictor.learn(&block.env, tx, accesses, gas);
    }
    let after = score();
    assert!(after.recall() > before.recall(), "{before:?} {after:?}");
}

#[test]
fn hostile_lists_are_taken_as_they_are() {
    let list = input::parse_access_list(
        "list",
        br#"[{"address":"0x0000000000000000000000000000000000000001","storageChanges":
            [{"key":"0x1","changes":[{"index":"0x0","value":"0x1"},{"index":"0x1","value":"0x2"},
            {"index":"0xffffffffffffffff","value":"0x3"}]}],"storageReads":["0x1","0x1"],
            "balanceChanges":[{"index":"0x2","value":"0x5"},{"index":"0x1","value":"0x9"}],
            "nonceChanges":[],"codeChanges":[]}]"#,
    )
    .expect("a list");
    let changes = list.changes(&env(), &[transfer(TOKEN), transfer(TOKEN)]);
    let of = Address::with_last_byte(1);
    let first = changes.accesses(0);
    assert_eq!(first.writes, [Key::Slot(of, U256::from(1))]);
    assert_eq!((changes.accesses(1).writes.len(), changes.accesses(1).credits.len()), (0, 1));
    assert_eq!(list.changes(&env(), &[]).len(), 0);
    assert!(input::parse_access_list("list", b"{}").is_err());
}
