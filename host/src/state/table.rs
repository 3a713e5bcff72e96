//! The state table: accounts and slots of the snapshot as the kernels see them.
//!
//! Dense arrays with an open-addressing hash index each (linear probing, entry index + 1, 0 is
//! free, load factor at most 1/2). Kernels read while the host adds entries: the host writes an
//! entry's body, then stores its index with release order, and a kernel loads it with acquire
//! order. The CPU's kernels also read while values change, by pieces that are not torn: whether
//! what they read was right is decided afterwards, by value. Growth needs `&mut`, that is, no
//! launch.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use warpevm_kernels::abi::{
    ACCOUNT_EXISTS, ACCOUNT_WIPED, Addr, NONE, TableAccount, TableSlot, Word,
};

use crate::buffer::Column;
use crate::error::Error;
use crate::limits::{
    ACCOUNTS_START_COUNT, QUADRUPLED_ENTRIES_COUNT_MAX, SLOTS_START_COUNT, TABLE_ENTRIES_COUNT_MAX,
    TOUCHED_COUNT_MAX,
};

/// The hash step of table and overlays: a folded 64-bit product. Kernels compute the same.
pub fn mix(a: u64, b: u64) -> u64 {
    let p = u128::from(a ^ 0x9E37_79B9_7F4A_7C15) * u128::from(b ^ 0xD6E8_FEB8_6659_FD93);
    (p as u64) ^ ((p >> 64) as u64)
}

/// A second secret: no factor of a product may be known to who chooses the keys, or all keys with a
/// factor of zero collide, whatever the seed. And both factors of the last product are hashes: keys
/// that differ in one plain factor only, as numbers in a row do, pile up under some seeds.
fn other_seed(seed: u64) -> u64 {
    seed.rotate_left(32)
}

/// The hash of an account.
pub fn account_hash(seed: u64, addr: &Addr) -> u64 {
    let x0 = u64::from_le_bytes(addr[0..8].try_into().unwrap_or_default());
    let x1 = u64::from_le_bytes(addr[8..16].try_into().unwrap_or_default());
    let x2 = u32::from_le_bytes(addr[16..20].try_into().unwrap_or_default());
    let other = other_seed(seed);
    mix(mix(x0 ^ seed, x1 ^ other), mix(u64::from(x2) ^ seed, other))
}

/// The hash of slot `key` of the account at table index `account`.
pub fn slot_hash(seed: u64, key: &Word, account: u32) -> u64 {
    let other = other_seed(seed);
    let low = mix(key[0] ^ seed, key[1] ^ other);
    mix(low, mix(key[2] ^ seed, key[3] ^ other ^ u64::from(account)))
}

/// The table has no room: grow it while nothing runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Accounts.
    Accounts,
    /// Slots.
    Slots,
}

/// The capacity after this one: small tables quadruple, so that a fresh one is soon large enough.
fn larger(capacity: u32) -> Result<u32, Error> {
    let factor = if capacity < QUADRUPLED_ENTRIES_COUNT_MAX { 4 } else { 2 };
    match capacity * factor {
        larger @ ..=TABLE_ENTRIES_COUNT_MAX => Ok(larger),
        _ => Err(Error::Limit("entries of the state table")),
    }
}

/// A hash index: entry + 1, 0 is free.
#[derive(Debug)]
struct Index(Box<[AtomicU32]>);

impl Index {
    fn new(entries: u32) -> Index {
        let places = Box::new_zeroed_slice(entries as usize * 2);
        // SAFETY: all bits zero are an `AtomicU32`.
        Index(unsafe { places.assume_init() })
    }

    fn mask(&self) -> u32 {
        self.0.len() as u32 - 1
    }

    /// The entry for which `is` holds, or the free place where it belongs.
    fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Result<u32, u32> {
        self.find_from(hash as u32 & self.mask(), is)
    }

    /// The same, searched from a place on.
    fn find_from(&self, mut at: u32, is: impl Fn(u32) -> bool) -> Result<u32, u32> {
        let mask = self.mask();
        // The load factor is at most 1/2, so there is a free place.
        loop {
            match self.0[at as usize].load(Ordering::Acquire) {
                0 => return Err(at),
                found if is(found - 1) => return Ok(found - 1),
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn publish(&self, at: u32, entry: u32) {
        self.0[at as usize].store(entry + 1, Ordering::Release);
    }

    fn insert_new(&self, hash: u64, entry: u32) {
        if let Err(at) = self.find(hash, |_| false) {
            self.publish(at, entry);
        }
    }
}

/// What only the host needs to know of the entries.
#[derive(Debug, Default)]
struct TableSide {
    /// Per account: its newest slot, or `NONE`.
    first_slot: Vec<u32>,
    /// Per slot: the account's next older slot, or `NONE`.
    next_slot: Vec<u32>,
    /// Accounts that changed since the database, each with what the database has.
    origins: Vec<(u32, TableAccount)>,
    /// Slots that changed since the database.
    slot_origins: Vec<(u32, Word)>,
    /// Per account and slot: it is in the list.
    account_dirty: Vec<bool>,
    slot_dirty: Vec<bool>,
    /// Who has a copy of the table; 0: nobody.
    follower: u64,
    /// What changed since the follower asked last.
    touched: Touched,
}

/// Entries whose values changed; some may be named more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Accounts.
    pub accounts: Vec<u32>,
    /// Slots.
    pub slots: Vec<u32>,
}

impl TableSide {
    /// Remembers a change for the follower. One who never asks is forgotten.
    fn touch(&mut self, account: Option<u32>, slot: Option<u32>) {
        if self.follower == 0 {
            return;
        }
        self.touched.accounts.extend(account);
        self.touched.slots.extend(slot);
        if self.touched.accounts.len() + self.touched.slots.len() > TOUCHED_COUNT_MAX {
            self.follower = 0;
            self.touched = Touched::default();
        }
    }
}

/// The table.
#[derive(Debug)]
pub struct Table {
    id: u64,
    seed: u64,
    accounts: Column<TableAccount>,
    account_index: Index,
    account_len: AtomicU32,
    slots: Column<TableSlot>,
    slot_index: Index,
    slot_len: AtomicU32,
    /// Its lock is also the right to add entries.
    side: Mutex<TableSide>,
}

/// Numbers of tables, for those who keep copies.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

const NO_MEMORY: Error = Error::Limit("no memory for the state table");

impl Table {
    /// An empty table.
    pub fn new(seed: u64) -> Result<Table, Error> {
        Ok(Table {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            seed,
            accounts: Column::unfilled(ACCOUNTS_START_COUNT).ok_or(NO_MEMORY)?,
            account_index: Index::new(ACCOUNTS_START_COUNT),
            account_len: AtomicU32::new(0),
            slots: Column::unfilled(SLOTS_START_COUNT).ok_or(NO_MEMORY)?,
            slot_index: Index::new(SLOTS_START_COUNT),
            slot_len: AtomicU32::new(0),
            side: Mutex::new(TableSide::default()),
        })
    }

    /// Its number, which no other table of this process has.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Accounts, and slots, that it has room for.
    pub fn capacity(&self) -> (u32, u32) {
        (self.accounts.capacity(), self.slots.capacity())
    }

    /// What changed since `follower` asked last; `None`: it must copy everything, and is followed
    /// up from now on. Entries that were added are not among the changes.
    pub fn changes_for(&self, follower: u64) -> Option<Touched> {
        let mut side = self.side();
        let touched = std::mem::take(&mut side.touched);
        let known = std::mem::replace(&mut side.follower, follower) == follower;
        known.then_some(touched)
    }

    /// There is nothing that `follower` does not know, but for entries that were added.
    pub fn has_none_for(&self, follower: u64) -> bool {
        let side = self.side();
        side.follower == follower && side.touched == Touched::default()
    }

    /// The seed of its hashes.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Accounts in the table.
    pub fn account_count(&self) -> u32 {
        self.account_len.load(Ordering::Acquire)
    }

    /// Slots in the table.
    pub fn slot_count(&self) -> u32 {
        self.slot_len.load(Ordering::Acquire)
    }

    /// Fills the table fields of a launch. They hold until the table grows.
    pub fn describe(&self, launch: &mut warpevm_kernels::abi::Launch) {
        launch.accounts = self.accounts.address();
        launch.account_index = self.account_index.0.as_ptr() as u64;
        launch.account_mask = self.account_index.mask();
        launch.slots = self.slots.address();
        launch.slot_index = self.slot_index.0.as_ptr() as u64;
        launch.slot_mask = self.slot_index.mask();
        launch.hash_seed = self.seed;
    }

    /// The account's index.
    pub fn find_account(&self, addr: &Addr) -> Option<u32> {
        self.find_account_place(addr).ok()
    }

    /// The account's index, or the place where it belongs.
    pub fn find_account_place(&self, addr: &Addr) -> Result<u32, u32> {
        self.account_index.find(account_hash(self.seed, addr), |i| self.is_account(i, addr))
    }

    fn is_account(&self, index: u32, addr: &Addr) -> bool {
        // SAFETY: a published entry, whose address never changes.
        unsafe { (*self.accounts.entry_ptr(index)).addr == *addr }
    }

    /// The slot's index.
    pub fn find_slot(&self, account: u32, key: &Word) -> Option<u32> {
        self.find_slot_place(account, key).ok()
    }

    /// The slot's index, or the place where it belongs.
    pub fn find_slot_place(&self, account: u32, key: &Word) -> Result<u32, u32> {
        let hash = slot_hash(self.seed, key, account);
        self.slot_index.find(hash, |i| self.is_slot(i, account, key))
    }

    fn is_slot(&self, index: u32, account: u32, key: &Word) -> bool {
        let slot = self.slots.entry_ptr(index);
        // SAFETY: a published entry, whose account and key never change.
        unsafe { (*slot).account == account && (*slot).key == *key }
    }

    /// The account at `index`.
    pub fn account(&self, index: u32) -> TableAccount {
        self.accounts.get(index)
    }

    /// The slot at `index`.
    pub fn slot(&self, index: u32) -> TableSlot {
        self.slots.get(index)
    }

    /// The number of an entry's versions, plus 1; 0: none.
    pub fn versions_of(&self, entry: TableEntry) -> u32 {
        match entry {
            TableEntry::Account(index) => self.accounts.get(index).versions,
            TableEntry::Slot(index) => self.slots.get(index).versions,
        }
    }

    fn side(&self) -> MutexGuard<'_, TableSide> {
        self.side.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to change values and add entries. One at a time has it.
    pub fn writer(&self) -> TableWriter<'_> {
        TableWriter { table: self, side: self.side() }
    }

    /// Adds an account as the database has it, unless it is there.
    pub fn insert_account(&self, account: TableAccount) -> Result<u32, Full> {
        match self.find_account_place(&account.addr) {
            Ok(found) => Ok(found),
            Err(at) => self.insert_account_at(at, account),
        }
    }

    /// The same for an account that belongs to this place, unless others have come there since.
    pub fn insert_account_at(&self, at: u32, account: TableAccount) -> Result<u32, Full> {
        let mut side = self.side();
        let at = match self.account_index.find_from(at, |i| self.is_account(i, &account.addr)) {
            Ok(found) => return Ok(found),
            Err(at) => at,
        };
        let entry = self.account_len.load(Ordering::Relaxed);
        if entry >= self.accounts.capacity() {
            return Err(Full::Accounts);
        }
        // SAFETY: beyond the published entries, and the lock excludes other writers.
        unsafe { self.accounts.write(entry, account) };
        side.first_slot.push(NONE);
        side.account_dirty.push(false);
        self.account_len.store(entry + 1, Ordering::Release);
        self.account_index.publish(at, entry);
        Ok(entry)
    }

    /// Adds a slot as the database has it, unless it is there.
    pub fn insert_slot(&self, account: u32, key: Word, value: Word) -> Result<u32, Full> {
        self.writer().insert_slot(account, key, value)
    }

    /// The same for a slot that belongs to this place, unless others have come there since.
    pub fn insert_slot_at(
        &self,
        at: u32,
        account: u32,
        key: Word,
        value: Word,
    ) -> Result<u32, Full> {
        self.writer().insert_slot_at(at, account, key, value)
    }

    /// Enlarges what is full, unless another thread has done so.
    pub fn grow(&mut self, full: Full) -> Result<(), Error> {
        match full {
            Full::Accounts if self.account_count() == self.accounts.capacity() => {
                let len = self.account_count();
                let capacity = larger(len)?;
                self.accounts = self.accounts.grown(capacity, len).ok_or(NO_MEMORY)?;
                self.account_index = Index::new(capacity);
                for i in 0..len {
                    let hash = account_hash(self.seed, &self.accounts.get(i).addr);
                    self.account_index.insert_new(hash, i);
                }
            }
            Full::Slots if self.slot_count() == self.slots.capacity() => {
                let len = self.slot_count();
                let capacity = larger(len)?;
                self.slots = self.slots.grown(capacity, len).ok_or(NO_MEMORY)?;
                self.slot_index = Index::new(capacity);
                for i in 0..len {
                    let slot = self.slots.get(i);
                    let hash = slot_hash(self.seed, &slot.key, slot.account);
                    self.slot_index.insert_new(hash, i);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Every account that changed since the database, with what the database has.
    pub fn changed_accounts(&self) -> Vec<(u32, TableAccount)> {
        self.side().origins.clone()
    }

    /// Every slot that changed since the database, with what the database has.
    pub fn changed_slots(&self) -> Vec<(u32, Word)> {
        self.side().slot_origins.clone()
    }

    /// The slots of an account that the table holds.
    pub fn slots_of(&self, account: u32) -> Vec<TableSlot> {
        let side = self.side();
        let mut slots = Vec::new();
        let mut at = side.first_slot[account as usize];
        while at != NONE {
            slots.push(self.slots.get(at));
            at = side.next_slot[at as usize];
        }
        slots
    }
}

/// Changes values and adds entries, while others may read.
pub struct TableWriter<'t> {
    table: &'t Table,
    side: MutexGuard<'t, TableSide>,
}

impl TableWriter<'_> {
    /// Adds a slot as the database has it, unless it is there or its account was wiped since the
    /// database was asked.
    pub fn insert_slot(&mut self, account: u32, key: Word, value: Word) -> Result<u32, Full> {
        match self.table.find_slot_place(account, &key) {
            Ok(found) => Ok(found),
            Err(at) => self.insert_slot_at(at, account, key, value),
        }
    }

    fn insert_slot_at(
        &mut self,
        at: u32,
        account: u32,
        key: Word,
        value: Word,
    ) -> Result<u32, Full> {
        let (table, side) = (self.table, &mut self.side);
        let at = match table.slot_index.find_from(at, |i| table.is_slot(i, account, &key)) {
            Ok(found) => return Ok(found),
            Err(at) => at,
        };
        let entry = table.slot_len.load(Ordering::Relaxed);
        if entry >= table.slots.capacity() {
            return Err(Full::Slots);
        }
        let wiped = table.account(account).flags & ACCOUNT_WIPED != 0;
        let value = if wiped { [0; 4] } else { value };
        // SAFETY: beyond the published entries, and the lock excludes other writers.
        unsafe { table.slots.write(entry, TableSlot { key, value, account, versions: 0 }) };
        let older = std::mem::replace(&mut side.first_slot[account as usize], entry);
        side.next_slot.push(older);
        side.slot_dirty.push(false);
        table.slot_len.store(entry + 1, Ordering::Release);
        table.slot_index.publish(at, entry);
        Ok(entry)
    }

    /// Changes an account; what the database has is remembered.
    pub fn update_account(&mut self, index: u32, update: impl FnOnce(&mut TableAccount)) {
        let before = self.table.accounts.get(index);
        let mut account = before;
        update(&mut account);
        if account == before {
            return;
        }
        self.side.touch(Some(index), None);
        if !std::mem::replace(&mut self.side.account_dirty[index as usize], true) {
            self.side.origins.push((index, TableAccount { versions: 0, ..before }));
        }
        self.table.accounts.set(index, account);
    }

    /// Sets the slot at `index`.
    pub fn set_slot_at(&mut self, index: u32, value: Word) {
        let before = self.table.slots.get(index);
        if before.value == value {
            return;
        }
        self.side.touch(None, Some(index));
        if !std::mem::replace(&mut self.side.slot_dirty[index as usize], true) {
            self.side.slot_origins.push((index, before.value));
        }
        self.table.slots.set(index, TableSlot { value, ..before });
    }

    /// Voids the storage of an account: known slots become zero, unknown ones are zero by the flag.
    pub fn wipe(&mut self, account: u32) {
        self.update_account(account, |account| account.flags |= ACCOUNT_WIPED);
        let mut at = self.side.first_slot[account as usize];
        while at != NONE {
            self.set_slot_at(at, [0; 4]);
            at = self.side.next_slot[at as usize];
        }
    }

    /// Gives an account or a slot the number of its versions, plus 1; 0: none.
    pub fn set_versions(&mut self, entry: TableEntry, versions: u32) {
        match entry {
            TableEntry::Account(index) => {
                let account = self.table.accounts.get(index);
                self.table.accounts.set(index, TableAccount { versions, ..account });
            }
            TableEntry::Slot(index) => {
                let slot = self.table.slots.get(index);
                self.table.slots.set(index, TableSlot { versions, ..slot });
            }
        }
    }
}

/// An entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TableEntry {
    /// By its place among the accounts.
    Account(u32),
    /// By its place among the slots.
    Slot(u32),
}

/// An account is empty (EIP-161): no balance, nonce or code.
pub fn is_empty(account: &TableAccount) -> bool {
    account.balance == [0; 4]
        && account.nonce == 0
        && account.code == warpevm_kernels::abi::CODE_EMPTY
}

/// The account exists in the state.
pub fn exists(account: &TableAccount) -> bool {
    account.flags & ACCOUNT_EXISTS != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn account(n: u32) -> TableAccount {
        let mut addr = [0u8; 20];
        addr[..4].copy_from_slice(&n.to_be_bytes());
        TableAccount { addr, nonce: u64::from(n), flags: ACCOUNT_EXISTS, ..Default::default() }
    }

    fn filled(count: u32) -> Table {
        let mut table = Table::new(7).expect("table");
        for n in 0..count {
            while let Err(full) = table.insert_account(account(n)) {
                table.grow(full).expect("grow");
            }
            while let Err(full) = table.insert_slot(n, [1, 2, 3, 4], [u64::from(n), 0, 0, 0]) {
                table.grow(full).expect("grow");
            }
        }
        table
    }

    #[test]
    fn every_entry_is_found_after_growth_and_no_other() {
        let count = ACCOUNTS_START_COUNT * 5;
        let table = filled(count);
        for n in 0..count {
            assert_eq!(table.find_account(&account(n).addr), Some(n));
            let slot = table.find_slot(n, &[1, 2, 3, 4]).expect("slot");
            assert_eq!(table.slot(slot).value[0], u64::from(n));
            assert_eq!(table.find_slot(n, &[4, 3, 2, 1]), None);
        }
        assert_eq!(table.find_account(&account(count).addr), None);
        assert_eq!(table.account_count(), count);
    }

    #[test]
    fn inserting_twice_keeps_the_first() {
        let table = filled(3);
        assert_eq!(table.insert_account(TableAccount { nonce: 99, ..account(1) }), Ok(1));
        assert_eq!(table.account(1).nonce, 1);
        assert_eq!(table.insert_slot(1, [1, 2, 3, 4], [9; 4]), Ok(1));
        assert_eq!(table.slot(1).value[0], 1);
    }

    #[test]
    fn changes_remember_what_the_database_has() {
        let table = filled(4);
        table.writer().update_account(2, |account| account.nonce = 50);
        table.writer().update_account(2, |account| account.nonce = 51);
        table.writer().set_slot_at(3, [8; 4]);
        table.writer().set_slot_at(1, table.slot(1).value);
        assert_eq!(table.changed_accounts(), vec![(2, account(2))]);
        assert_eq!(table.changed_slots(), vec![(3, [3, 0, 0, 0])]);
    }

    #[test]
    fn a_follower_hears_of_every_change_once() {
        let table = filled(4);
        assert_eq!(table.changes_for(1), None);
        table.writer().update_account(2, |account| account.nonce = 50);
        table.writer().set_slot_at(3, [8; 4]);
        let expected = Touched { accounts: vec![2], slots: vec![3] };
        assert_eq!(table.changes_for(1), Some(expected));
        assert_eq!(table.changes_for(1), Some(Touched::default()));
        table.writer().update_account(1, |account| account.nonce = 1);
        assert_eq!(table.changes_for(2), None, "another one starts anew");
        assert_eq!(table.changes_for(1), None, "and the first one again");
    }

    #[test]
    fn a_follower_that_does_not_ask_is_forgotten() {
        let table = filled(1);
        assert_eq!(table.changes_for(1), None);
        for nonce in 1..=TOUCHED_COUNT_MAX as u64 + 1 {
            table.writer().update_account(0, |account| account.nonce = nonce);
        }
        assert_eq!(table.changes_for(1), None);
    }

    #[test]
    fn a_wiped_account_has_only_zero_slots() {
        let table = filled(4);
        let slot = table.insert_slot(3, [5; 4], [6; 4]).expect("room");
        table.writer().set_slot_at(slot, [7; 4]);
        table.writer().wipe(3);
        assert_eq!(table.insert_slot(3, [6; 4], [6; 4]), Ok(5), "the database was asked before");
        assert!(table.slots_of(3).iter().all(|slot| slot.value == [0; 4]));
        assert_eq!(table.slots_of(3).len(), 3);
        assert_ne!(table.account(3).flags & ACCOUNT_WIPED, 0);
        assert_eq!(table.slot(2).value[0], 2);
    }

    #[test]
    fn hashes_are_the_agreed_ones() {
        // Worked out by hand with big integers: kernels compute the same.
        assert_eq!(mix(0x9E37_79B9_7F4A_7C15, 5), 0);
        assert_eq!(mix(0x9E37_79B9_7F4A_7C14, 0xD6E8_FEB8_6659_FD93 ^ 9), 9);
        assert_ne!(account_hash(1, &[1; 20]), account_hash(2, &[1; 20]));
        assert_ne!(slot_hash(1, &[1; 4], 0), slot_hash(1, &[1; 4], 1));
    }

    /// Keys that make a factor zero where it is no secret: they collided under every seed.
    #[test]
    fn no_keys_collide_under_every_seed() {
        let zero = [0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93u64];
        for seed in [7, 0x1234_5678_9abc_def0, 0x0b5e_55ed_5eed_5eed] {
            for z in zero {
                let distinct = |hash: &dyn Fn(u64) -> u64| {
                    (0..1000).map(|n| hash(n) as u32).collect::<HashSet<_>>().len()
                };
                let slots: [&dyn Fn(u64) -> Word; 4] =
                    [&|n| [n, z, 0, 0], &|n| [z, n, 0, 0], &|n| [0, 0, n, z], &|n| [0, 0, z, n]];
                for key in slots {
                    assert!(distinct(&|n| slot_hash(seed, &key(n), 0)) > 990);
                }
                let hash = |n: u64| {
                    let mut addr = [0; 20];
                    addr[..8].copy_from_slice(&n.to_le_bytes());
                    addr[8..16].copy_from_slice(&z.to_le_bytes());
                    account_hash(seed, &addr)
                };
                assert!(distinct(&hash) > 990);
            }
        }
    }
}
