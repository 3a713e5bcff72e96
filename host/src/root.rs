//! State roots of states in memory.

use crate::input::{MemoryAccount, MemoryState};
use alloy_consensus::proofs::{state_root_unhashed, storage_root_unhashed};
use alloy_primitives::{B256, U256};
use alloy_trie::TrieAccount;

/// The leaf of an account in the state trie. Slots that are zero do not count.
pub fn trie_account(
    nonce: u64,
    balance: U256,
    code_hash: B256,
    storage: impl IntoIterator<Item = (U256, U256)>,
) -> TrieAccount {
    let slots = storage.into_iter().filter(|(_, value)| !value.is_zero());
    let storage_root = storage_root_unhashed(slots.map(|(key, value)| (B256::from(key), value)));
    TrieAccount { nonce, balance, storage_root, code_hash }
}

/// The leaf of an account in memory.
pub fn memory_account(account: &MemoryAccount) -> TrieAccount {
    let info = &account.info;
    let storage = account.storage.iter().map(|(key, value)| (*key, *value));
    trie_account(info.nonce, info.balance, info.code_hash, storage)
}

/// The root of a whole state.
pub fn state_root(state: &MemoryState) -> B256 {
    let accounts = state.accounts.iter();
    state_root_unhashed(accounts.map(|(address, account)| (*address, memory_account(account))))
}
