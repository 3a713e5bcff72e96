//! State roots of accounts in memory: the trie over all accounts is hashed anew, of storages only
//! those that changed.

use super::memory::MemoryAccount;
use crate::types::AccountChange;
use alloy_primitives::map::{AddressMap, U256Map};
use alloy_primitives::{B256, U256, keccak256};
use alloy_trie::TrieAccount;
use alloy_trie::root::{state_root, storage_root_unhashed};
use std::collections::BTreeMap;

/// The leaves of the state trie, by the hash of the address.
pub(super) type Leaves = BTreeMap<B256, TrieAccount>;

/// The root of a storage. Slots that are zero do not count.
pub fn storage_root(storage: &U256Map<U256>) -> B256 {
    let slots = storage.iter().filter(|(_, value)| !value.is_zero());
    storage_root_unhashed(slots.map(|(key, value)| (B256::from(*key), *value)))
}

/// The leaves of accounts.
pub(super) fn leaves(accounts: &AddressMap<MemoryAccount>) -> Leaves {
    let leaf = |account: &MemoryAccount| TrieAccount {
        nonce: account.info.nonce,
        balance: account.info.balance,
        storage_root: account.storage_root(),
        code_hash: account.info.code_hash,
    };
    accounts.iter().map(|(address, account)| (keccak256(address), leaf(account))).collect()
}

/// The root over leaves.
pub(super) fn of_accounts(leaves: &Leaves) -> B256 {
    state_root(leaves.iter().map(|(hash, account)| (*hash, *account)))
}

/// The root after each list of changes, each on top of those before it.
pub(super) fn after_each(
    accounts: &AddressMap<MemoryAccount>,
    steps: &[&[AccountChange]],
) -> Vec<B256> {
    let mut leaves = leaves(accounts);
    // The storages that changed.
    let mut storages: AddressMap<U256Map<U256>> = AddressMap::default();
    let mut root_after = |changes: &&[AccountChange]| {
        for change in *changes {
            let hash = keccak256(change.address);
            let Some(info) = &change.info else {
                leaves.remove(&hash);
                storages.insert(change.address, U256Map::default());
                continue;
            };
            let leaf = leaves.entry(hash).or_default();
            (leaf.balance, leaf.nonce) = (info.balance, info.nonce);
            leaf.code_hash = info.code_hash;
            if !change.wiped && change.storage.is_empty() {
                continue;
            }
            let storage = storages.entry(change.address).or_insert_with(|| {
                let account = accounts.get(&change.address);
                account.map(|account| account.storage().clone()).unwrap_or_default()
            });
            if change.wiped {
                storage.clear();
            }
            storage.extend(change.storage.iter().copied());
            leaf.storage_root = storage_root(storage);
        }
        of_accounts(&leaves)
    };
    steps.iter().map(&mut root_after).collect()
}
