//! The committed examples: what sequential revm makes of the files must equal the block's header,
//! and the batch must hold every kind of result. The generator computed the header from its own
//! state in memory, so this also shows that the files say the same.

use alloy_primitives::{Address, B256, U256};
use alloy_trie::{TrieAccount, root};
use revm::database::AccountState;
use std::collections::BTreeMap;
use std::path::PathBuf;
use warpevm::chain::{self, BlockInput, BlockSource, Selection};
use warpevm::input::{self, BatchInput, Input, InputError};
use warpevm::reference::{self, Sequential};
use warpevm::{Outcome, TxStatus};
use warpevm_tests::fixtures::workspace;

fn examples() -> PathBuf {
    workspace().join("host/examples")
}

fn block() -> BlockInput {
    let Input::Blocks(source) = input::open(&examples().join("token-block")).expect("it opens")
    else {
        panic!("the folder holds a block");
    };
    let mut found = None;
    source
        .visit(&Selection::All, |_, block| {
            found = Some(block?);
            Ok::<_, InputError>(())
        })
        .expect("the block reads");
    found.expect("there is one block")
}

/// How many outcomes are successes, reverts, halts and rejections.
fn count(outcomes: &[Outcome]) -> [usize; 4] {
    let mut counts = [0; 4];
    for outcome in outcomes {
        counts[match &outcome.result {
            Ok(executed) => match executed.status {
                TxStatus::Success => 0,
                TxStatus::Revert => 1,
                TxStatus::Halt => 2,
            },
            Err(_) => 3,
        }] += 1;
    }
    counts
}

#[test]
fn revm_agrees_with_the_header_of_the_block() {
    let block = block();
    let mut revm = Sequential::new(&block.env, &block.state);
    let ran = chain::execute(&block.payload(), &mut revm);
    let outcomes = ran.expect("revm runs the block").outcomes;

    let [success, revert, halt, rejected] = count(&outcomes);
    assert!(success > 2_500 && revert > 100 && halt > 10, "{success} {revert} {halt}");
    assert_eq!(rejected, 0);
    for check in block.check(&outcomes) {
        assert_eq!(check.ok, Some(true), "{check:?}");
    }
    assert_eq!(state_root(&block, &revm), block.header.state_root);
    assert_eq!(block.state.unlisted_hashes(), [0u64; 0]);
}

/// The root of the whole state: the pre-state holds every account, and revm's cache what changed.
fn state_root(block: &BlockInput, revm: &Sequential<&warpevm::state::MemoryState>) -> B256 {
    let mut accounts: BTreeMap<Address, (TrieAccount, BTreeMap<B256, U256>)> = BTreeMap::new();
    for (address, account) in &block.state.accounts {
        let info = &account.info;
        let trie = TrieAccount::new(info.nonce, info.balance, B256::ZERO, info.code_hash);
        let slots = account.storage().iter().map(|(key, value)| (B256::from(*key), *value));
        accounts.insert(*address, (trie, slots.collect()));
    }
    for (address, account) in &revm.state().cache.accounts {
        if account.account_state == AccountState::NotExisting || account.info.is_empty() {
            accounts.remove(address);
            continue;
        }
        let (trie, slots) = accounts.entry(*address).or_default();
        trie.nonce = account.info.nonce;
        trie.balance = account.info.balance;
        trie.code_hash = account.info.code_hash;
        slots.extend(account.storage.iter().map(|(key, value)| (B256::from(*key), *value)));
    }
    root::state_root_unhashed(accounts.into_iter().map(|(address, (mut account, mut slots))| {
        slots.retain(|_, value| !value.is_zero());
        account.storage_root = root::storage_root_unhashed(slots);
        (address, account)
    }))
}

#[test]
fn the_batch_holds_every_kind_of_result() {
    let batch = BatchInput::read(&examples().join("erc20-batch.json")).expect("it reads");
    let mut total = [0; 4];
    for part in batch.parts() {
        let calls: Vec<_> = part.calls.iter().map(|&i| batch.calls[i].clone()).collect();
        let outcomes =
            reference::simulate_sequential(&part.env, &calls, &batch.state).expect("revm runs it");
        let counts = count(&outcomes);
        (0..4).for_each(|i| total[i] += counts[i]);
    }
    assert_eq!(total, [161, 36, 1, 2]);
}
