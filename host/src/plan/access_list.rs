//! Block access lists (EIP-7928): what a whole block reads and changes, account by account.
//!
//! A list says which transaction changed what, but of reads only that someone in the block made
//! them, and only of slots that nobody changed. So it knows all writes, and no read that matters;
//! who changes a slot is taken to read it, too. Of balances it knows values after changes: one that
//! grew was credited, one that shrank was spent.

use super::block::{BlockAccesses, Role};
use super::{Accesses, Key, Source};
use crate::types::{AccountChange, Env, Outcome, Transaction};
use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, CodeChange, NonceChange, SlotChanges,
    StorageChange,
};
use alloy_primitives::map::HashSet;
use alloy_primitives::{Address, U256};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A block access list, in JSON as nodes return it (`eth_getBlockAccessListByBlockHash`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct BlockAccessList {
    /// Sorted by address.
    pub accounts: Vec<AccountChanges>,
}

/// An account's part while a list is made.
#[derive(Default)]
struct Building {
    slots: BTreeMap<U256, Vec<StorageChange>>,
    reads: BTreeSet<U256>,
    balances: Vec<BalanceChange>,
    nonces: Vec<NonceChange>,
    codes: Vec<CodeChange>,
    /// When the storage was voided. The protocol that has lists knows this no more (EIP-6780).
    wipes: Vec<BlockAccessIndex>,
}

impl BlockAccessList {
    /// The list of executed transactions: what they touched, and the values they left. It covers
    /// the transactions alone, not what a block does before and after them.
    pub fn derive<'a>(
        executed: impl IntoIterator<Item = (&'a Accesses, &'a Outcome)>,
    ) -> BlockAccessList {
        let mut accounts: BTreeMap<Address, Building> = BTreeMap::new();
        for (index, (accesses, outcome)) in executed.into_iter().enumerate() {
            let at = BlockAccessIndex::from_tx_index(index as u64);
            for key in accesses.reads.iter().chain(&accesses.writes) {
                let account = accounts.entry(key.address()).or_default();
                if let Key::Slot(_, slot) = key {
                    account.reads.insert(*slot);
                }
            }
            let Ok(executed) = &outcome.result else { continue };
            let credits = accesses.credits.iter().map(|address| Key::Balance(*address));
            let changed: HashSet<Key> = accesses.writes.iter().copied().chain(credits).collect();
            for change in &executed.changes {
                accounts.entry(change.address).or_default().add(at, change, &changed);
            }
        }
        let accounts = accounts.into_iter().map(|(address, account)| account.finish(address));
        BlockAccessList { accounts: accounts.collect() }
    }

    /// What each transaction changes. Entries that name no transaction of the block (system calls,
    /// withdrawals) are left out.
    pub fn changes(&self, env: &Env, txs: &[Transaction]) -> BlockAccesses {
        let mut changes: Vec<(u32, Key, Role)> = Vec::new();
        let both = Role::READ.and(Role::WRITE);
        for account in &self.accounts {
            let address = account.address;
            let mut add = |at: BlockAccessIndex, key: Key, role: Role| {
                if (1..=txs.len() as u64).contains(&at.0) {
                    changes.push((at.0 as u32 - 1, key, role));
                }
            };
            for slot in &account.storage_changes {
                let key = Key::Slot(address, slot.slot);
                slot.changes.iter().for_each(|change| add(change.block_access_index, key, both));
            }
            let nonces = account.nonce_changes.iter();
            nonces.for_each(|change| add(change.block_access_index, Key::Nonce(address), both));
            let codes = account.code_changes.iter();
            codes.for_each(|change| add(change.block_access_index, Key::Code(address), both));
            let mut before = U256::ZERO;
            for change in &account.balance_changes {
                let grew = change.post_balance > before || address == env.block.beneficiary;
                before = change.post_balance;
                let role = if grew { Role::CREDIT } else { both };
                add(change.block_access_index, Key::Balance(address), role);
            }
        }
        changes.sort_by_key(|(transaction, ..)| *transaction);
        let mut changes = changes.into_iter().peekable();
        let mut out = BlockAccesses::new();
        for (index, tx) in txs.iter().enumerate() {
            while let Some((_, key, role)) = changes.next_if(|(at, ..)| *at as usize <= index) {
                let role = if key == Key::Balance(tx.caller) { both } else { role };
                out.add(key, role, Source::BlockAccessList);
            }
            out.end(false);
        }
        out
    }
}

impl Building {
    fn add(&mut self, at: BlockAccessIndex, change: &AccountChange, changed: &HashSet<Key>) {
        let address = change.address;
        if change.wiped || change.info.is_none() {
            self.wipes.push(at);
        }
        for (slot, value) in &change.storage {
            self.slots.entry(*slot).or_default().push(StorageChange::new(at, *value));
        }
        let info = change.info.as_ref();
        if changed.contains(&Key::Balance(address)) {
            let balance = info.map_or(U256::ZERO, |info| info.balance);
            self.balances.push(BalanceChange::new(at, balance));
        }
        if changed.contains(&Key::Nonce(address)) {
            self.nonces.push(NonceChange::new(at, info.map_or(0, |info| info.nonce)));
        }
        if changed.contains(&Key::Code(address)) {
            let code = change.code.clone().unwrap_or_default();
            self.codes.push(CodeChange::new(at, code));
        }
    }

    /// Every slot that the block touches is zero after a wipe, unless it was set then.
    fn wipe(&mut self) {
        if self.wipes.is_empty() {
            return;
        }
        let touched: BTreeSet<U256> = self.reads.iter().chain(self.slots.keys()).copied().collect();
        for slot in touched {
            let changes = self.slots.entry(slot).or_default();
            let set = |at: &BlockAccessIndex, changes: &[StorageChange]| {
                changes.iter().any(|change| change.block_access_index == *at)
            };
            let new: Vec<_> = self.wipes.iter().filter(|at| !set(at, changes)).collect();
            changes.extend(new.into_iter().map(|at| StorageChange::new(*at, U256::ZERO)));
            changes.sort_by_key(|change| change.block_access_index.0);
        }
    }

    fn finish(mut self, address: Address) -> AccountChanges {
        self.wipe();
        let slots = &self.slots;
        let storage_reads = self.reads.iter().filter(|slot| !slots.contains_key(slot)).copied();
        AccountChanges {
            address,
            storage_reads: storage_reads.collect(),
            storage_changes: self.slots.into_iter().map(|(k, v)| SlotChanges::new(k, v)).collect(),
            balance_changes: self.balances,
            nonce_changes: self.nonces,
            code_changes: self.codes,
        }
    }
}
