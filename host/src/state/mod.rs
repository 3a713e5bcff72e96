//! The state that transactions run on: a database behind, the device's table before it.

mod keep;
mod memory;
mod pending;
mod root;
mod store;
pub mod table;
pub mod versions;

pub use memory::{MemoryAccount, MemoryError, MemoryState, bytecode};
pub use pending::{Pending, difference};
pub use root::storage_root;
pub use store::{HasStorage, StateRoot, StateStore, StorageProbe};

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use alloy_primitives::{Address, B256, U256};
use revm::bytecode::Bytecode;
use revm::{DatabaseRef, state::AccountInfo as RevmAccount};
use warpevm_kernels::abi::{
    ACCOUNT_EXISTS, ACCOUNT_HAS_STORAGE, ACCOUNT_WIPED, Addr, CODE_EMPTY, TableAccount, Word,
};

use crate::code::ids::{CodeBytes, Codes};
use crate::error::Error;
use crate::types::{AccountChange, AccountInfo};
use table::{Full, Table, exists};

/// Why an account or slot is not in the table.
#[derive(Debug)]
pub(crate) enum PageError {
    /// There is no room: grow and try again.
    Full(Full),
    /// There is no other try.
    Failed(Error),
}

impl From<Full> for PageError {
    fn from(full: Full) -> PageError {
        PageError::Full(full)
    }
}

impl From<Error> for PageError {
    fn from(error: Error) -> PageError {
        PageError::Failed(error)
    }
}

/// [`StorageProbe`] with errors of ours.
type Probe<DB> = fn(&DB, Address) -> Result<bool, Error>;

/// A state: what the database has, and what transactions changed since.
///
/// It knows no spec, so one state can be used across a fork. As a [`DatabaseRef`] it gives the
/// state as it is now, so revm can run on it as well.
pub struct State<DB> {
    db: DB,
    table: RwLock<Table>,
    /// Threads that wait to grow the table: others let it go soon.
    waiting: AtomicUsize,
    codes: Codes,
    /// Tells whether an account has storage that is not empty (EIP-7610).
    storage_probe: Option<Probe<DB>>,
}

/// A seed that nobody knows, so that nobody can prepare collisions.
fn random_seed() -> u64 {
    u64::from_le_bytes(*B256::random().first_chunk().unwrap_or(&[1; 8]))
}

impl<DB> State<DB> {
    /// The table, for launches.
    pub(crate) fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<DB: DatabaseRef + Sync> State<DB> {
    /// A state on a database. Keys hash with a random seed, so that nobody can prepare collisions.
    pub fn new(db: DB) -> Result<State<DB>, Error> {
        Self::with_seed(db, random_seed())
    }

    /// A state with a known seed, for tests that want every run alike.
    pub fn with_seed(db: DB, seed: u64) -> Result<State<DB>, Error> {
        let table = RwLock::new(Table::new(seed)?);
        let codes = Codes::new();
        Ok(State { db, table, waiting: AtomicUsize::new(0), codes, storage_probe: None })
    }

    /// Asks the database whether accounts have storage (EIP-7610).
    pub fn with_storage_probe(mut self) -> State<DB>
    where
        DB: HasStorage,
    {
        self.storage_probe = Some(|db, address| db.has_storage(address).map_err(Error::database));
        self
    }

    /// The database behind.
    pub fn database(&self) -> &DB {
        &self.db
    }

    /// The table, to grow; waits until nothing runs.
    fn table_mut(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another thread waits to grow the table.
    pub(crate) fn growth_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Makes room. The caller holds no lock on the table.
    pub(crate) fn grow(&self, full: Full) -> Result<(), Error> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let mut table = self.table_mut();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        table.grow(full)
    }

    /// The codes.
    pub(crate) fn codes(&self) -> &Codes {
        &self.codes
    }

    /// What the database has for an account.
    fn fetch_account(&self, addr: &Addr) -> Result<TableAccount, Error> {
        let address = Address::from(*addr);
        let mut account = TableAccount { addr: *addr, ..Default::default() };
        if let Some(info) = self.db.basic_ref(address).map_err(Error::database)? {
            account.flags = ACCOUNT_EXISTS;
            account.balance = info.balance.into_limbs();
            account.nonce = info.nonce;
            account.code = self.intern(&info)?;
        }
        if self.has_storage_behind(&account)? {
            account.flags |= ACCOUNT_HAS_STORAGE;
        }
        Ok(account)
    }

    /// Whether storage keeps anything from being created over an account (EIP-7610): of one with a
    /// nonce or a code, nobody needs to know.
    fn has_storage_behind(&self, account: &TableAccount) -> Result<bool, Error> {
        match self.storage_probe {
            Some(probe) if account.nonce == 0 && account.code == CODE_EMPTY => {
                probe(&self.db, Address::from(account.addr))
            }
            _ => Ok(false),
        }
    }

    fn intern(&self, info: &RevmAccount) -> Result<u32, Error> {
        if let Some(id) = self.codes.find(info.code_hash) {
            return Ok(id);
        }
        let code = match &info.code {
            Some(code) if !code.is_empty() => code.original_bytes(),
            _ => {
                self.db.code_by_hash_ref(info.code_hash).map_err(Error::database)?.original_bytes()
            }
        };
        self.codes.intern(CodeBytes::with_hash(&code, info.code_hash))
    }

    /// Puts an account into the table, asking the database first.
    pub(crate) fn page_account(&self, table: &Table, addr: &Addr) -> Result<u32, PageError> {
        let at = match table.find_account_place(addr) {
            Ok(found) => return Ok(found),
            Err(at) => at,
        };
        Ok(table.insert_account_at(at, self.fetch_account(addr)?)?)
    }

    /// Puts a slot into the table.
    pub(crate) fn page_slot(
        &self,
        table: &Table,
        addr: &Addr,
        key: &Word,
    ) -> Result<u32, PageError> {
        let account = self.page_account(table, addr)?;
        let at = match table.find_slot_place(account, key) {
            Ok(found) => return Ok(found),
            Err(at) => at,
        };
        let wiped = table.account(account).flags & ACCOUNT_WIPED != 0;
        let value = if wiped { U256::ZERO } else { self.fetch_slot(addr, key)? };
        Ok(table.insert_slot_at(at, account, *key, value.into_limbs())?)
    }

    fn fetch_slot(&self, addr: &Addr, key: &Word) -> Result<U256, Error> {
        self.db.storage_ref(Address::from(*addr), U256::from_limbs(*key)).map_err(Error::database)
    }

    /// Runs `page` until the table has room; holds no lock in between.
    fn paged(&self, page: impl Fn(&Table) -> Result<u32, PageError>) -> Result<u32, Error> {
        loop {
            let result = page(&self.table());
            match result {
                Ok(index) => return Ok(index),
                Err(PageError::Full(full)) => self.grow(full)?,
                Err(PageError::Failed(error)) => return Err(error),
            }
        }
    }

    /// The account's place in the table.
    pub(crate) fn account_index(&self, addr: &Addr) -> Result<u32, Error> {
        self.paged(|table| self.page_account(table, addr))
    }

    /// The slot's place in the table.
    pub(crate) fn slot_index(&self, addr: &Addr, key: &Word) -> Result<u32, Error> {
        self.paged(|table| self.page_slot(table, addr, key))
    }

    /// The hash of an ancestor block.
    pub(crate) fn block_hash(&self, number: u64) -> Result<B256, Error> {
        self.db.block_hash_ref(number).map_err(Error::database)
    }

    /// Adds to a balance: withdrawals (EIP-4895) and block rewards. Nothing happens for zero,
    /// except that before EIP-161 a reward of zero would create the account: see [`State::touch`].
    pub fn credit(&mut self, address: Address, amount: U256) -> Result<(), Error> {
        if amount.is_zero() {
            return Ok(());
        }
        let index = self.account_index(&address.into_array())?;
        self.table().writer().update_account(index, |account| {
            let balance = U256::from_limbs(account.balance).wrapping_add(amount);
            account.balance = balance.into_limbs();
            account.flags |= ACCOUNT_EXISTS;
        });
        Ok(())
    }

    /// Makes an account exist, empty if it did not (block rewards before EIP-161).
    pub fn touch(&mut self, address: Address) -> Result<(), Error> {
        let index = self.account_index(&address.into_array())?;
        let table = self.table();
        table.writer().update_account(index, |account| account.flags |= ACCOUNT_EXISTS);
        Ok(())
    }

    /// Takes a change over as it is: what it lists is what the account is now.
    pub(crate) fn apply(&self, change: &AccountChange) -> Result<(), Error> {
        let addr = change.address.into_array();
        let index = self.account_index(&addr)?;
        let code = match (&change.info, &change.code) {
            (None, _) => CODE_EMPTY,
            (Some(info), Some(code)) => {
                self.codes.intern(CodeBytes::with_hash(code, info.code_hash))?
            }
            (Some(info), None) => self
                .codes
                .find(info.code_hash)
                .ok_or_else(|| Error::Bug(format!("code {} is unknown", info.code_hash)))?,
        };
        // Values before must be known to the table before they change.
        let mut slots = Vec::with_capacity(change.storage.len());
        for (key, _) in &change.storage {
            slots.push(self.paged(|table| self.page_slot(table, &addr, key.as_limbs()))?);
        }
        let table = self.table();
        let mut writer = table.writer();
        if change.wiped || change.info.is_none() {
            writer.wipe(index);
        }
        writer.update_account(index, |account| {
            let kept = account.flags & (ACCOUNT_WIPED | ACCOUNT_HAS_STORAGE);
            account.flags = if account.flags & ACCOUNT_WIPED != 0 { ACCOUNT_WIPED } else { kept };
            account.code = code;
            account.balance = [0; 4];
            account.nonce = 0;
            if let Some(info) = &change.info {
                account.flags |= ACCOUNT_EXISTS;
                account.balance = info.balance.into_limbs();
                account.nonce = info.nonce;
            }
        });
        for (slot, (_, value)) in slots.into_iter().zip(&change.storage) {
            writer.set_slot_at(slot, value.into_limbs());
        }
        Ok(())
    }

    /// Everything that changed since the database, sorted by address.
    pub fn changes(&self) -> Vec<AccountChange> {
        let table = self.table();
        let mut slots = table.changed_slots();
        slots.retain(|(index, before)| table.slot(*index).value != *before);
        let mut changed: Vec<u32> =
            slots.iter().map(|(index, _)| table.slot(*index).account).collect();
        let mut origins = table.changed_accounts();
        origins.sort_unstable_by_key(|(index, _)| *index);
        changed.extend(origins.iter().map(|(index, _)| *index));
        changed.sort_unstable();
        changed.dedup();
        let mut by_account: Vec<(u32, U256, U256)> = slots
            .iter()
            .map(|(index, _)| table.slot(*index))
            .map(|s| (s.account, U256::from_limbs(s.key), U256::from_limbs(s.value)))
            .collect();
        by_account.sort_unstable();
        let mut changes: Vec<AccountChange> = changed
            .into_iter()
            .filter_map(|index| {
                let at = origins.binary_search_by_key(&index, |(index, _)| *index);
                let before = at.ok().map(|at| origins[at].1);
                self.change_of(&table, index, before, &by_account)
            })
            .collect();
        changes.sort_unstable_by_key(|change| change.address);
        changes
    }

    fn change_of(
        &self,
        table: &Table,
        index: u32,
        before: Option<TableAccount>,
        slots: &[(u32, U256, U256)],
    ) -> Option<AccountChange> {
        let now = table.account(index);
        let before = before.unwrap_or(now);
        let wiped = now.flags & ACCOUNT_WIPED != 0;
        let mut storage: Vec<(U256, U256)> = if wiped {
            let slots = table.slots_of(index).into_iter();
            slots.map(|s| (U256::from_limbs(s.key), U256::from_limbs(s.value))).collect()
        } else {
            let from = slots.partition_point(|(account, ..)| *account < index);
            let own = slots[from..].iter().take_while(|(account, ..)| *account == index);
            own.map(|(_, key, value)| (*key, *value)).collect()
        };
        if wiped {
            storage.retain(|(_, value)| !value.is_zero());
            storage.sort_unstable();
        }
        if !exists(&now) && !exists(&before) {
            return None;
        }
        let same = now.balance == before.balance
            && now.nonce == before.nonce
            && now.code == before.code
            && exists(&now) == exists(&before);
        if same && storage.is_empty() && !wiped {
            return None;
        }
        let code = self.codes.get(now.code);
        Some(AccountChange {
            address: Address::from(now.addr),
            info: exists(&now).then(|| AccountInfo {
                balance: U256::from_limbs(now.balance),
                nonce: now.nonce,
                code_hash: code.as_ref().map(|code| code.hash).unwrap_or_default(),
            }),
            code: code
                .filter(|_| now.code != before.code && now.code != CODE_EMPTY)
                .map(|code| code.code()),
            wiped,
            storage,
        })
    }
}

impl<DB: DatabaseRef + Sync> DatabaseRef for State<DB> {
    type Error = Error;

    fn basic_ref(&self, address: Address) -> Result<Option<RevmAccount>, Error> {
        let index = self.account_index(&address.into_array())?;
        let account = self.table().account(index);
        if !exists(&account) {
            return Ok(None);
        }
        // The code is left to those who run it: revm looks where its jumps lead.
        Ok(Some(RevmAccount {
            balance: U256::from_limbs(account.balance),
            nonce: account.nonce,
            code_hash: self.codes.get(account.code).map(|code| code.hash).unwrap_or_default(),
            code: None,
            ..Default::default()
        }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Error> {
        match self.codes.find(code_hash).and_then(|id| self.codes.get(id)) {
            Some(code) => Ok(Bytecode::new_raw(code.code())),
            None => self.db.code_by_hash_ref(code_hash).map_err(Error::database),
        }
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Error> {
        let addr = address.into_array();
        let slot = self.paged(|table| self.page_slot(table, &addr, index.as_limbs()))?;
        Ok(U256::from_limbs(self.table().slot(slot).value))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Error> {
        self.block_hash(number)
    }
}

/// As far as the database behind was asked.
impl<DB: DatabaseRef + Sync> HasStorage for State<DB> {
    fn has_storage(&self, address: Address) -> Result<bool, Error> {
        let index = self.account_index(&address.into_array())?;
        let flags = self.table().account(index).flags;
        Ok(flags & (ACCOUNT_HAS_STORAGE | ACCOUNT_WIPED) == ACCOUNT_HAS_STORAGE)
    }
}
