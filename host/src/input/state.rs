//! The state that an input file holds.

use crate::state::StorageProbe;
use crate::types::AccountChange;
use alloy_primitives::map::{AddressMap, AddressSet, B256Map, HashMap, U256Map};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use revm::bytecode::Bytecode;
use revm::database_interface::{DBErrorMarker, DatabaseRef};
use revm::state::AccountInfo;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// An account and its storage.
#[derive(Clone, Debug, Default)]
pub struct MemoryAccount {
    /// Balance, nonce and code; the code is always there.
    pub info: AccountInfo,
    /// Slots; one that is not here is zero.
    pub storage: U256Map<U256>,
}

/// A state in memory: accounts, codes and block hashes. What it does not list does not exist.
#[derive(Debug, Default)]
pub struct MemoryState {
    /// Accounts by address.
    pub accounts: AddressMap<MemoryAccount>,
    /// Codes by hash, those of accounts included.
    pub codes: B256Map<Bytecode>,
    /// Hashes of earlier blocks.
    pub block_hashes: HashMap<u64, B256>,
    /// Blocks whose hash was asked for and is not listed: BLOCKHASH got zero, which is right for a
    /// simulation and wrong for a real block, so the command line warns.
    unlisted_hashes: Mutex<BTreeSet<u64>>,
}

impl Clone for MemoryState {
    fn clone(&self) -> MemoryState {
        MemoryState {
            accounts: self.accounts.clone(),
            codes: self.codes.clone(),
            block_hashes: self.block_hashes.clone(),
            unlisted_hashes: Mutex::default(),
        }
    }
}

/// The state lacks a code that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state holds no code with hash {0}")]
pub struct UnknownCode(pub B256);

impl DBErrorMarker for UnknownCode {}

impl MemoryState {
    /// Adds a code and returns its hash with it. A code that starts like a delegation (EIP-7702)
    /// but is none is plain code.
    pub fn add_code(&mut self, bytes: Bytes) -> (B256, Bytecode) {
        let hash = keccak256(&bytes);
        let code = self.codes.entry(hash).or_insert_with(|| bytecode(bytes)).clone();
        (hash, code)
    }

    /// Adds an account with a code.
    pub fn add_account(
        &mut self,
        address: Address,
        balance: U256,
        nonce: u64,
        code: Bytes,
        storage: U256Map<U256>,
    ) {
        let (hash, code) = self.add_code(code);
        let info = AccountInfo::new(balance, nonce, hash, code);
        self.accounts.insert(address, MemoryAccount { info, storage });
    }

    /// Takes changes over as they are. A slot that becomes zero is no longer listed.
    pub fn apply(&mut self, changes: &[AccountChange]) {
        for change in changes {
            let Some(info) = &change.info else {
                self.accounts.remove(&change.address);
                continue;
            };
            if let Some(code) = &change.code {
                self.add_code(code.clone());
            }
            let code = self.codes.get(&info.code_hash).cloned();
            let account = self.accounts.entry(change.address).or_default();
            if change.wiped {
                account.storage.clear();
            }
            account.info = AccountInfo {
                balance: info.balance,
                nonce: info.nonce,
                code_hash: info.code_hash,
                code: Some(code.unwrap_or_default()),
                ..AccountInfo::default()
            };
            for (key, value) in &change.storage {
                match value.is_zero() {
                    true => account.storage.remove(key),
                    false => account.storage.insert(*key, *value),
                };
            }
        }
    }

    /// Adds to a balance. Nothing happens for zero.
    pub fn credit(&mut self, address: Address, amount: U256) {
        if !amount.is_zero() {
            let balance = &mut self.accounts.entry(address).or_default().info.balance;
            *balance = balance.wrapping_add(amount);
        }
    }

    /// Tells which accounts that could be created over have storage (EIP-7610).
    pub fn storage_probe(&self) -> StorageProbe {
        let with_storage = self.accounts.iter().filter(|(_, account)| {
            let info = &account.info;
            let free = info.nonce == 0 && info.is_empty_code_hash();
            free && account.storage.values().any(|value| !value.is_zero())
        });
        let addresses: AddressSet = with_storage.map(|(address, _)| *address).collect();
        Arc::new(move |address| addresses.contains(&address))
    }

    /// Blocks whose hash was asked for although the state does not list it.
    pub fn unlisted_hashes(&self) -> Vec<u64> {
        self.unlisted_hashes.lock().unwrap_or_else(|e| e.into_inner()).iter().copied().collect()
    }
}

/// Wraps code bytes without judging them.
pub fn bytecode(bytes: Bytes) -> Bytecode {
    Bytecode::new_raw_checked(bytes.clone()).unwrap_or_else(|_| Bytecode::new_legacy(bytes))
}

impl DatabaseRef for MemoryState {
    type Error = UnknownCode;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, UnknownCode> {
        Ok(self.accounts.get(&address).map(|account| account.info.clone()))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, UnknownCode> {
        self.codes.get(&hash).cloned().ok_or(UnknownCode(hash))
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256, UnknownCode> {
        let slot = self.accounts.get(&address).and_then(|account| account.storage.get(&key));
        Ok(slot.copied().unwrap_or_default())
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, UnknownCode> {
        Ok(self.block_hashes.get(&number).copied().unwrap_or_else(|| {
            self.unlisted_hashes.lock().unwrap_or_else(|e| e.into_inner()).insert(number);
            B256::ZERO
        }))
    }
}
