//! The table from block to block: what a block changed is committed to the database behind, or
//! dropped, and what the table knows stays.

use std::sync::PoisonError;

use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, Bytes, U256};
use revm::DatabaseRef;
use warpevm_kernels::abi::{
    ACCOUNT_EXISTS, ACCOUNT_HAS_STORAGE, ACCOUNT_WIPED, CODE_EMPTY, TableAccount,
};

use super::State;
use super::store::StateStore;
use crate::code::ids::{CodeBytes, Codes};
use crate::error::Error;
use crate::limits::{CODES_KEPT_COUNT_MAX, TABLE_KEPT_COUNT_MAX};
use crate::types::{AccountChange, AccountInfo};

impl<DB: DatabaseRef + Sync> State<DB> {
    /// Drops all that changed since the database.
    pub fn discard(&mut self) {
        // What cannot be put right is read again when it is needed.
        if self.put_back().is_err() {
            self.forget();
        }
    }

    fn put_back(&mut self) -> Result<(), Error> {
        let table = self.table.get_mut().unwrap_or_else(PoisonError::into_inner);
        let (accounts, slots) = (table.changed_accounts(), table.changed_slots());
        let wiped = |index: u32| table.account(index).flags & ACCOUNT_WIPED != 0;
        let voided: Vec<u32> =
            accounts.iter().map(|(index, _)| *index).filter(|index| wiped(*index)).collect();
        let mut writer = table.writer();
        for (index, value) in slots {
            writer.set_slot_at(index, value);
        }
        for (index, before) in accounts {
            writer.update_account(index, |account| *account = before);
        }
        drop(writer);
        // Slots of a wiped account that came into the table were entered as zero.
        for account in voided {
            let address = Address::from(table.account(account).addr);
            for slot in table.slots_of(account) {
                let Some(index) = table.find_slot(account, &slot.key) else { continue };
                let key = U256::from_limbs(slot.key);
                let value = self.db.storage_ref(address, key).map_err(Error::database)?;
                table.writer().set_slot_at(index, value.into_limbs());
            }
        }
        table.settle();
        Ok(())
    }

    /// Starts with an empty table.
    fn forget(&mut self) {
        self.table.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        self.codes = Codes::new();
    }
}

impl<S: StateStore + Sync> State<S> {
    /// Takes over what a block changed, in the database too. The table may have it already, and
    /// nothing else that changed. After an error the database is as it was.
    pub fn commit(&mut self, block: BlockNumHash, changes: &[AccountChange]) -> Result<(), Error> {
        self.db.commit(block, changes).map_err(Error::database)?;
        self.follow(changes);
        Ok(())
    }

    /// Takes the last block back, in the database too.
    pub fn revert(&mut self) -> Result<(), Error> {
        let changes = self.db.revert().map_err(Error::database)?;
        self.follow(&changes);
        Ok(())
    }

    /// Makes the table what the database is now, which has these changes.
    fn follow(&mut self, changes: &[AccountChange]) {
        let large = {
            let table = self.table();
            table.account_count().max(table.slot_count()) > TABLE_KEPT_COUNT_MAX
        };
        let large = large || self.codes.count() > CODES_KEPT_COUNT_MAX;
        // What cannot follow must not stay: it is read again when it is needed.
        if large || changes.iter().try_for_each(|change| self.follow_one(change)).is_err() {
            return self.forget();
        }
        self.table.get_mut().unwrap_or_else(PoisonError::into_inner).settle();
    }

    fn follow_one(&self, change: &AccountChange) -> Result<(), Error> {
        let table = self.table();
        let Some(index) = table.find_account(&change.address.into_array()) else { return Ok(()) };
        let code = match &change.info {
            None => CODE_EMPTY,
            Some(info) => self.lasting(info, change.code.as_ref())?,
        };
        let mut after = TableAccount { code, flags: 0, ..table.account(index) };
        (after.balance, after.nonce) = ([0; 4], 0);
        if let Some(info) = &change.info {
            (after.balance, after.nonce) = (info.balance.into_limbs(), info.nonce);
            after.flags |= ACCOUNT_EXISTS;
        }
        if self.has_storage_behind(&after)? {
            after.flags |= ACCOUNT_HAS_STORAGE;
        }
        let mut writer = table.writer();
        if change.wiped || change.info.is_none() {
            writer.wipe(index);
        }
        for (key, value) in &change.storage {
            if let Some(slot) = table.find_slot(index, key.as_limbs()) {
                writer.set_slot_at(slot, value.into_limbs());
            }
        }
        writer.update_account(index, |account| *account = after);
        Ok(())
    }

    /// The lasting id of a code that a change brought or the database has.
    fn lasting(&self, info: &AccountInfo, brought: Option<&Bytes>) -> Result<u32, Error> {
        if let Some(id) = self.codes.find(info.code_hash) {
            return Ok(id);
        }
        let code = match brought {
            Some(code) => CodeBytes::with_hash(code, info.code_hash),
            None => {
                let code = self.db.code_by_hash_ref(info.code_hash).map_err(Error::database)?;
                CodeBytes::with_hash(code.original_byte_slice(), info.code_hash)
            }
        };
        self.codes.intern(code)
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::HasStorage;
    use super::super::{MemoryError, MemoryState};
    use super::*;
    use alloy_primitives::B256;
    use revm::bytecode::Bytecode;
    use revm::state::AccountInfo as RevmAccount;
    use std::sync::atomic::{AtomicBool, Ordering};

    const WHO: Address = Address::repeat_byte(1);
    const OTHER: Address = Address::repeat_byte(2);

    fn word(value: u64) -> U256 {
        U256::from(value)
    }

    /// A database that may fail.
    #[derive(Default)]
    struct Failing {
        state: MemoryState,
        fails: AtomicBool,
    }

    impl Failing {
        fn check(&self) -> Result<(), MemoryError> {
            match self.fails.load(Ordering::Relaxed) {
                true => Err(MemoryError::NoBlock),
                false => Ok(()),
            }
        }
    }

    impl DatabaseRef for Failing {
        type Error = MemoryError;

        fn basic_ref(&self, address: Address) -> Result<Option<RevmAccount>, MemoryError> {
            self.check()?;
            self.state.basic_ref(address)
        }

        fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, MemoryError> {
            self.check()?;
            self.state.code_by_hash_ref(hash)
        }

        fn storage_ref(&self, address: Address, key: U256) -> Result<U256, MemoryError> {
            self.check()?;
            self.state.storage_ref(address, key)
        }

        fn block_hash_ref(&self, number: u64) -> Result<B256, MemoryError> {
            self.state.block_hash_ref(number)
        }
    }

    impl HasStorage for Failing {
        fn has_storage(&self, address: Address) -> Result<bool, MemoryError> {
            self.check()?;
            self.state.has_storage(address)
        }
    }

    impl StateStore for Failing {
        fn commit(&mut self, id: BlockNumHash, all: &[AccountChange]) -> Result<(), MemoryError> {
            self.check()?;
            self.state.commit(id, all)
        }

        fn revert(&mut self) -> Result<Vec<AccountChange>, MemoryError> {
            self.check()?;
            self.state.revert()
        }
    }

    /// `WHO` with two slots and a nonce, `OTHER` with one slot and nothing else.
    fn state() -> State<Failing> {
        let mut state = MemoryState::default();
        let code = Bytes::from_static(&[0]);
        state.add_account(
            WHO,
            word(5),
            1,
            code,
            [(1, 10), (2, 20)].map(|(k, v)| (word(k), word(v))).into_iter().collect(),
        );
        let one = [(word(1), word(11))].into_iter().collect();
        state.add_account(OTHER, U256::ZERO, 0, Bytes::new(), one);
        let db = Failing { state, fails: AtomicBool::new(false) };
        State::with_seed(db, 7).expect("a state").with_storage_probe()
    }

    fn change(
        address: Address,
        info: Option<AccountInfo>,
        storage: &[(u64, u64)],
    ) -> AccountChange {
        let storage = storage.iter().map(|(key, value)| (word(*key), word(*value))).collect();
        let wiped = info.is_none();
        AccountChange { address, info, code: None, wiped, storage }
    }

    fn info(balance: u64) -> Option<AccountInfo> {
        let code_hash = alloy_primitives::keccak256([0]);
        Some(AccountInfo { balance: word(balance), nonce: 1, code_hash })
    }

    fn block(number: u64) -> BlockNumHash {
        BlockNumHash { number, hash: B256::repeat_byte(number as u8) }
    }

    /// All that there is to read, now and from the database.
    fn assert_as_behind(state: &State<Failing>) {
        assert_eq!(state.changes(), []);
        for address in [WHO, OTHER] {
            let behind = state.database().state.basic_ref(address).expect("read");
            assert_eq!(state.basic_ref(address).expect("read"), behind, "{address}");
            for key in 0..6 {
                let behind = state.database().state.storage_ref(address, word(key)).expect("read");
                let now = state.storage_ref(address, word(key)).expect("read");
                assert_eq!(now, behind, "slot {key} of {address}");
            }
            let free = behind.is_none_or(|info| info.nonce == 0 && info.is_empty_code_hash());
            let behind = free && state.database().state.has_storage(address).expect("read");
            assert_eq!(state.has_storage(address).expect("read"), behind, "{address}");
        }
    }

    /// Destroys `WHO`, reads a slot that the table did not know, and makes the account anew.
    fn destroy_and_make(state: &State<Failing>) {
        state.apply(&change(WHO, info(6), &[(1, 12)])).expect("applied");
        state.apply(&change(WHO, None, &[])).expect("applied");
        assert_eq!(state.storage_ref(WHO, word(2)).expect("read"), U256::ZERO);
        state.apply(&change(WHO, info(7), &[(1, 13), (3, 30)])).expect("applied");
        state.apply(&change(OTHER, None, &[])).expect("applied");
        assert!(!state.has_storage(OTHER).expect("read"));
    }

    #[test]
    fn what_is_discarded_leaves_no_trace() {
        let mut state = state();
        assert!(state.has_storage(OTHER).expect("read"));
        destroy_and_make(&state);
        assert_eq!(state.changes().len(), 2);
        state.discard();
        assert_as_behind(&state);
        assert_eq!(state.table().account_count(), 2, "the table stays");
    }

    #[test]
    fn a_database_that_fails_costs_the_table_and_nothing_else() {
        let mut state = state();
        destroy_and_make(&state);
        state.database().fails.store(true, Ordering::Relaxed);
        state.discard();
        assert_eq!(state.table().account_count(), 0);
        state.database().fails.store(false, Ordering::Relaxed);
        assert_as_behind(&state);
        destroy_and_make(&state);
        let changes = state.changes();
        state.database().fails.store(true, Ordering::Relaxed);
        state.commit(block(1), &changes).expect_err("it fails");
        state.database().fails.store(false, Ordering::Relaxed);
        state.discard();
        assert_as_behind(&state);
    }

    #[test]
    fn what_is_committed_is_there_before_and_behind() {
        let mut state = state();
        destroy_and_make(&state);
        let changes = state.changes();
        state.commit(block(1), &changes).expect("committed");
        assert_as_behind(&state);
        assert_eq!(state.storage_ref(WHO, word(3)).expect("read"), word(30));
        assert_eq!(state.block_hash(1).expect("read"), B256::repeat_byte(1));
        // The next block is on top of it.
        state.apply(&change(WHO, info(8), &[(3, 0)])).expect("applied");
        assert_eq!(state.changes(), [change(WHO, info(8), &[(3, 0)])]);
        state.discard();
        assert_as_behind(&state);
        state.revert().expect("reverted");
        assert_as_behind(&state);
        assert_eq!(state.storage_ref(WHO, word(2)).expect("read"), word(20));
        assert!(state.has_storage(OTHER).expect("read"));
        assert_eq!(state.block_hash(1).expect("read"), B256::ZERO);
        assert!(state.revert().is_err(), "there is no other");
    }

    #[test]
    fn what_came_and_went_is_not_wiped_in_the_next_block() {
        let mut state = state();
        let who = Address::repeat_byte(3);
        let info = Some(AccountInfo { nonce: 1, ..AccountInfo::EMPTY });
        state.apply(&change(who, info.clone(), &[])).expect("applied");
        state.apply(&change(who, None, &[])).expect("applied");
        assert_eq!(state.changes(), []);
        state.commit(block(1), &[]).expect("committed");
        state.apply(&change(who, info.clone(), &[])).expect("applied");
        assert_eq!(state.changes(), [change(who, info, &[])]);
    }

    #[test]
    fn changes_that_others_made_are_followed() {
        let mut state = state();
        assert_as_behind(&state);
        let code = Bytes::from_static(&[1, 2]);
        let code_hash = alloy_primitives::keccak256(&code);
        let info = AccountInfo { balance: word(9), nonce: 4, code_hash };
        let other = AccountChange { code: Some(code), ..change(OTHER, Some(info), &[(2, 22)]) };
        let changes = [change(WHO, None, &[]), other];
        state.commit(block(1), &changes).expect("committed");
        assert_as_behind(&state);
        state.revert().expect("reverted");
        assert_as_behind(&state);
    }
}
