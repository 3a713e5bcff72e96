//! A state in memory.

use super::root;
use super::store::{HasStorage, StateRoot, StateStore};
use crate::types::AccountChange;
use alloy_eips::BlockNumHash;
use alloy_primitives::map::{AddressMap, B256Map, HashMap, U256Map};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use revm::bytecode::Bytecode;
use revm::database_interface::{DBErrorMarker, DatabaseRef};
use revm::state::AccountInfo;
use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};

/// An account and its storage.
#[derive(Clone, Debug, Default)]
pub struct MemoryAccount {
    /// Balance, nonce and code; the code is always there.
    pub info: AccountInfo,
    storage: U256Map<U256>,
    /// The root of the storage, once somebody asked.
    storage_root: OnceLock<B256>,
}

impl MemoryAccount {
    /// An account with these slots; one that is not listed is zero.
    pub fn new(info: AccountInfo, storage: U256Map<U256>) -> MemoryAccount {
        MemoryAccount { info, storage, storage_root: OnceLock::new() }
    }

    /// Slots; one that is not here is zero.
    pub fn storage(&self) -> &U256Map<U256> {
        &self.storage
    }

    /// The same, to change.
    pub fn storage_mut(&mut self) -> &mut U256Map<U256> {
        self.storage_root.take();
        &mut self.storage
    }

    /// The root of the storage.
    pub fn storage_root(&self) -> B256 {
        *self.storage_root.get_or_init(|| root::storage_root(&self.storage))
    }
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
    /// What taking back each block that was committed changes.
    undo: Vec<Undo>,
    /// Blocks whose hash was asked for and is not listed: BLOCKHASH got zero, which is right for a
    /// simulation and wrong for a real block, so the command line warns.
    unlisted_hashes: Mutex<BTreeSet<u64>>,
}

/// What taking back a block changes.
#[derive(Clone, Debug)]
struct Undo {
    number: u64,
    /// What BLOCKHASH of the number was before.
    hash: Option<B256>,
    changes: Vec<AccountChange>,
}

impl Clone for MemoryState {
    fn clone(&self) -> MemoryState {
        MemoryState {
            accounts: self.accounts.clone(),
            codes: self.codes.clone(),
            block_hashes: self.block_hashes.clone(),
            undo: self.undo.clone(),
            unlisted_hashes: Mutex::default(),
        }
    }
}

/// What a state in memory cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// It lacks a code that it names.
    #[error("the state holds no code with hash {0}")]
    UnknownCode(B256),
    /// There is no block to take back.
    #[error("no block was committed")]
    NoBlock,
}

impl DBErrorMarker for MemoryError {}

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
        self.accounts.insert(address, MemoryAccount::new(info, storage));
    }

    /// Adds to a balance. Nothing happens for zero.
    pub fn credit(&mut self, address: Address, amount: U256) {
        if !amount.is_zero() {
            let balance = &mut self.accounts.entry(address).or_default().info.balance;
            *balance = balance.wrapping_add(amount);
        }
    }

    /// The state root.
    pub fn root(&self) -> B256 {
        root::of_accounts(&root::leaves(&self.accounts))
    }

    /// Blocks whose hash was asked for although the state does not list it.
    pub fn unlisted_hashes(&self) -> Vec<u64> {
        self.unlisted_hashes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect()
    }

    /// The codes that changes name are there, or come with them.
    fn check_codes(&self, changes: &[AccountChange]) -> Result<(), MemoryError> {
        let hashes = changes.iter().filter(|change| change.code.is_none());
        let hashes = hashes.filter_map(|change| change.info.as_ref().map(|info| info.code_hash));
        let brought = |hash: B256| {
            let code_of = |change: &AccountChange| {
                change.code.is_some() && change.info.as_ref().is_some_and(|i| i.code_hash == hash)
            };
            changes.iter().any(code_of)
        };
        let known = |hash: &B256| *hash == KECCAK256_EMPTY || self.codes.contains_key(hash);
        match hashes.into_iter().find(|hash| !known(hash) && !brought(*hash)) {
            Some(unknown) => Err(MemoryError::UnknownCode(unknown)),
            None => Ok(()),
        }
    }

    /// Takes a change over. Returns the one that takes it back.
    fn apply(&mut self, change: &AccountChange) -> AccountChange {
        let address = change.address;
        let before = self.accounts.get(&address).map(|account| account.info.clone());
        let mut back = AccountChange {
            address,
            info: before.map(|info| crate::types::AccountInfo {
                balance: info.balance,
                nonce: info.nonce,
                code_hash: info.code_hash,
            }),
            code: None,
            wiped: change.wiped || change.info.is_none(),
            storage: Vec::new(),
        };
        let Some(info) = &change.info else {
            let gone = self.accounts.remove(&address).unwrap_or_default();
            back.storage.extend(gone.storage);
            return back;
        };
        let code = self.codes.get(&info.code_hash).cloned();
        let account = self.accounts.entry(address).or_default();
        account.info = AccountInfo {
            balance: info.balance,
            nonce: info.nonce,
            code_hash: info.code_hash,
            code: Some(code.unwrap_or_default()),
            ..AccountInfo::default()
        };
        if change.wiped {
            back.storage.extend(std::mem::take(account.storage_mut()));
        }
        for (key, value) in &change.storage {
            let storage = account.storage_mut();
            let before = match value.is_zero() {
                true => storage.remove(key),
                false => storage.insert(*key, *value),
            };
            if !change.wiped {
                back.storage.push((*key, before.unwrap_or_default()));
            }
        }
        back
    }
}

/// Wraps code bytes without judging them.
pub fn bytecode(bytes: Bytes) -> Bytecode {
    Bytecode::new_raw_checked(bytes.clone()).unwrap_or_else(|_| Bytecode::new_legacy(bytes))
}

impl DatabaseRef for MemoryState {
    type Error = MemoryError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, MemoryError> {
        Ok(self.accounts.get(&address).map(|account| account.info.clone()))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, MemoryError> {
        self.codes.get(&hash).cloned().ok_or(MemoryError::UnknownCode(hash))
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256, MemoryError> {
        let slot = self.accounts.get(&address).and_then(|account| account.storage.get(&key));
        Ok(slot.copied().unwrap_or_default())
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, MemoryError> {
        Ok(self.block_hashes.get(&number).copied().unwrap_or_else(|| {
            let unlisted = &self.unlisted_hashes;
            unlisted.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
            B256::ZERO
        }))
    }
}

impl HasStorage for MemoryState {
    fn has_storage(&self, address: Address) -> Result<bool, MemoryError> {
        let storage = self.accounts.get(&address).map(|account| &account.storage);
        Ok(storage.is_some_and(|slots| slots.values().any(|value| !value.is_zero())))
    }
}

impl StateStore for MemoryState {
    fn commit(
        &mut self,
        block: BlockNumHash,
        changes: &[AccountChange],
    ) -> Result<(), MemoryError> {
        self.check_codes(changes)?;
        for code in changes.iter().filter_map(|change| change.code.as_ref()) {
            self.add_code(code.clone());
        }
        let changes = changes.iter().map(|change| self.apply(change)).collect();
        let hash = self.block_hashes.insert(block.number, block.hash);
        self.undo.push(Undo { number: block.number, hash, changes });
        Ok(())
    }

    fn revert(&mut self) -> Result<Vec<AccountChange>, MemoryError> {
        let undo = self.undo.pop().ok_or(MemoryError::NoBlock)?;
        for change in &undo.changes {
            self.apply(change);
        }
        match undo.hash {
            Some(hash) => self.block_hashes.insert(undo.number, hash),
            None => self.block_hashes.remove(&undo.number),
        };
        Ok(undo.changes)
    }
}

impl StateRoot for MemoryState {
    fn roots_after(&self, steps: &[&[AccountChange]]) -> Result<Vec<B256>, MemoryError> {
        Ok(root::after_each(&self.accounts, steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::AccountInfo;

    const BLOCKS: u64 = 60;

    /// A block that changes some of a few accounts, by a generator with this state.
    fn block(random: &mut u64) -> Vec<AccountChange> {
        let mut next = |below: u64| {
            *random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (*random >> 33) % below
        };
        let mut changes = Vec::new();
        for who in 1..=5 {
            let kind = next(5);
            let code = Bytes::from(vec![next(3) as u8; 3]);
            let code_hash = keccak256(&code);
            let (balance, nonce) = (U256::from(next(9)), next(9));
            let slots = (0..6).filter(|_| next(3) == 0).map(U256::from).collect::<Vec<_>>();
            let storage: Vec<_> = slots.iter().map(|key| (*key, U256::from(next(3)))).collect();
            let info = AccountInfo { balance, nonce, code_hash };
            let gone = kind == 0;
            if kind < 4 {
                changes.push(AccountChange {
                    address: Address::with_last_byte(who),
                    info: Some(info).filter(|_| !gone),
                    code: Some(code).filter(|_| !gone),
                    wiped: kind < 2,
                    storage: if gone { Vec::new() } else { storage },
                });
            }
        }
        changes
    }

    /// The same accounts, of which no storage root is known.
    fn root_anew(state: &MemoryState) -> B256 {
        let account = |account: &MemoryAccount| {
            MemoryAccount::new(account.info.clone(), account.storage.clone())
        };
        let accounts = state.accounts.iter().map(|(a, of)| (*a, account(of))).collect();
        MemoryState { accounts, ..MemoryState::default() }.root()
    }

    #[test]
    fn roots_are_known_before_and_blocks_can_be_taken_back() {
        let (mut state, mut random) = (MemoryState::default(), 5);
        let mut roots = vec![state.root()];
        for number in 0..BLOCKS {
            let changes = block(&mut random);
            let halves = changes.split_at(changes.len() / 2);
            let expected = state.roots_after(&[halves.0, halves.1]).expect("roots")[1];
            assert_eq!(state.root_after(&changes), Ok(expected));
            assert_eq!(state.root(), roots[number as usize], "nothing has changed");
            let id = BlockNumHash { number, hash: B256::with_last_byte(number as u8 + 1) };
            state.commit(id, &changes).expect("committed");
            assert_eq!((state.root(), root_anew(&state)), (expected, expected), "block {number}");
            roots.push(expected);
        }
        assert!(roots.iter().collect::<BTreeSet<_>>().len() > BLOCKS as usize / 2);
        for number in (0..BLOCKS).rev() {
            let hash = B256::with_last_byte(number as u8 + 1);
            assert_eq!(state.block_hash_ref(number), Ok(hash));
            state.revert().expect("taken back");
            let before = roots[number as usize];
            assert_eq!((state.root(), root_anew(&state)), (before, before), "block {number}");
            assert_eq!(state.block_hash_ref(number), Ok(B256::ZERO));
        }
        assert_eq!(state.revert(), Err(MemoryError::NoBlock));
    }

    #[test]
    fn a_commit_that_fails_changes_nothing() {
        let mut state = MemoryState::default();
        let info = |hash| Some(AccountInfo { code_hash: hash, ..AccountInfo::EMPTY });
        let change = |address: u8, info, code| AccountChange {
            address: Address::with_last_byte(address),
            info,
            code,
            wiped: false,
            storage: Vec::new(),
        };
        let hash = keccak256([1]);
        let unknown = [change(1, info(KECCAK256_EMPTY), None), change(2, info(hash), None)];
        let id = BlockNumHash { number: 1, hash };
        assert_eq!(state.commit(id, &unknown), Err(MemoryError::UnknownCode(hash)));
        assert!(state.accounts.is_empty() && state.block_hashes.is_empty());
        let brought = change(3, info(hash), Some(Bytes::from_static(&[1])));
        let [first, second] = unknown;
        state.commit(id, &[first, second, brought]).expect("its code comes with another");
        assert_eq!(state.code_by_hash_ref(hash).expect("there").original_byte_slice(), [1]);
    }

    #[test]
    fn what_comes_back_has_no_storage_of_before() {
        let mut state = MemoryState::default();
        let (who, slot) = (Address::repeat_byte(1), |n: u64| (U256::from(n), U256::from(n)));
        state.add_account(who, U256::ZERO, 0, Bytes::new(), [slot(1)].into_iter().collect());
        let change =
            |info, storage| AccountChange { address: who, info, code: None, wiped: false, storage };
        let gone = [change(None, Vec::new())];
        let back = [change(Some(AccountInfo::EMPTY), vec![slot(2)])];
        let roots = state.roots_after(&[&gone, &back]).expect("roots");
        let mut alone = MemoryState::default();
        assert_eq!(roots[0], alone.root());
        alone.add_account(who, U256::ZERO, 0, Bytes::new(), [slot(2)].into_iter().collect());
        assert_eq!(roots[1], alone.root());
    }

    #[test]
    fn storage_that_is_zero_is_none() {
        let mut state = MemoryState::default();
        let who = Address::repeat_byte(1);
        let slots = |value: u64| [(U256::from(1), U256::from(value))].into_iter().collect();
        assert_eq!(state.has_storage(who), Ok(false));
        state.add_account(who, U256::ZERO, 1, Bytes::new(), slots(0));
        assert_eq!(state.has_storage(who), Ok(false));
        let root = state.root();
        state.accounts.get_mut(&who).expect("there").storage_mut().extend(slots(2));
        assert_eq!(state.has_storage(who), Ok(true));
        assert_ne!(state.root(), root);
    }
}
