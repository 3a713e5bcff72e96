//! What a block changed and nobody has committed yet.

use super::store::HasStorage;
use crate::types::{AccountChange, AccountInfo};
use alloy_primitives::{Address, U256};
use revm::database_interface::DatabaseRef;
use std::collections::{BTreeMap, BTreeSet};

/// Changes on top of a database, added up: each account once.
#[derive(Debug)]
pub struct Pending<'s, DB> {
    db: &'s DB,
    changes: BTreeMap<Address, AccountChange>,
}

impl<'s, DB: DatabaseRef> Pending<'s, DB> {
    /// Nothing yet.
    pub fn new(db: &'s DB) -> Pending<'s, DB> {
        Pending { db, changes: BTreeMap::new() }
    }

    /// Adds changes, on top of those before.
    pub fn apply(&mut self, changes: &[AccountChange]) {
        for change in changes {
            match self.changes.get_mut(&change.address) {
                Some(sum) => add(sum, change),
                None => drop(self.changes.insert(change.address, change.clone())),
            }
        }
    }

    /// Adds to a balance. Nothing happens for zero.
    pub fn credit(&mut self, address: Address, amount: U256) -> Result<(), DB::Error> {
        if amount.is_zero() {
            return Ok(());
        }
        let before = match self.changes.get(&address) {
            Some(change) => change.info.clone(),
            None => info_in(self.db, address)?,
        };
        let mut info = before.unwrap_or(AccountInfo::EMPTY);
        info.balance = info.balance.wrapping_add(amount);
        self.apply(&[AccountChange {
            address,
            info: Some(info),
            code: None,
            wiped: false,
            storage: Vec::new(),
        }]);
        Ok(())
    }

    /// The changes, sorted by address.
    pub fn into_changes(self) -> Vec<AccountChange> {
        self.changes.into_values().collect()
    }
}

/// Adds a change to an earlier one of the same account.
fn add(sum: &mut AccountChange, change: &AccountChange) {
    let hash = |change: &AccountChange| change.info.as_ref().map(|info| info.code_hash);
    if change.code.is_some() || hash(sum) != hash(change) {
        sum.code.clone_from(&change.code);
    }
    sum.info.clone_from(&change.info);
    if change.wiped || change.info.is_none() {
        sum.wiped = true;
        sum.storage.clear();
    }
    if change.storage.is_empty() {
        return;
    }
    let mut slots: BTreeMap<U256, U256> = sum.storage.drain(..).collect();
    slots.extend(change.storage.iter().copied());
    let there = |(_, value): &(U256, U256)| !(sum.wiped && value.is_zero());
    sum.storage = slots.into_iter().filter(there).collect();
}

/// What a database has of an account.
fn info_in<DB: DatabaseRef>(db: &DB, address: Address) -> Result<Option<AccountInfo>, DB::Error> {
    let info = db.basic_ref(address)?;
    Ok(info.map(|info| AccountInfo {
        balance: info.balance,
        nonce: info.nonce,
        code_hash: info.code_hash,
    }))
}

/// The first account that two lists of changes to a database do not make the same of it.
pub fn difference<DB: HasStorage>(
    db: &DB,
    left: &[AccountChange],
    right: &[AccountChange],
) -> Result<Option<Address>, DB::Error> {
    let by_address = |changes: &'_ [AccountChange]| -> BTreeMap<Address, usize> {
        changes.iter().enumerate().map(|(at, change)| (change.address, at)).collect()
    };
    let (in_left, in_right) = (by_address(left), by_address(right));
    let all: BTreeSet<&Address> = in_left.keys().chain(in_right.keys()).collect();
    for address in all {
        let left = in_left.get(address).map(|at| &left[*at]);
        let right = in_right.get(address).map(|at| &right[*at]);
        if !same(db, *address, left, right)? {
            return Ok(Some(*address));
        }
    }
    Ok(None)
}

fn same<DB: HasStorage>(
    db: &DB,
    address: Address,
    left: Option<&AccountChange>,
    right: Option<&AccountChange>,
) -> Result<bool, DB::Error> {
    let info = |change: Option<&AccountChange>| match change {
        Some(change) => Ok(change.info.clone()),
        None => info_in(db, address),
    };
    if info(left)? != info(right)? {
        return Ok(false);
    }
    let void = |change: Option<&AccountChange>| {
        change.is_some_and(|change| change.wiped || change.info.is_none())
    };
    // To void what is empty is nothing.
    if void(left) != void(right) && db.has_storage(address)? {
        return Ok(false);
    }
    let void = void(left) || void(right);
    let slots = |change: Option<&AccountChange>| -> BTreeMap<U256, U256> {
        change.into_iter().flat_map(|change| change.storage.iter().copied()).collect()
    };
    let (left, right) = (slots(left), slots(right));
    for key in left.keys().chain(right.keys()) {
        let value = |slots: &BTreeMap<U256, U256>| match slots.get(key) {
            Some(value) => Ok(*value),
            None if void => Ok(U256::ZERO),
            None => db.storage_ref(address, *key),
        };
        if value(&left)? != value(&right)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::MemoryState;
    use super::*;
    use alloy_primitives::Bytes;

    const WHO: Address = Address::repeat_byte(1);

    fn state() -> MemoryState {
        let mut state = MemoryState::default();
        let slots = [(1, 10), (2, 20)].map(|(key, value)| (U256::from(key), U256::from(value)));
        state.add_account(WHO, U256::from(5), 1, Bytes::new(), slots.into_iter().collect());
        state
    }

    fn change(balance: u64, wiped: bool, storage: &[(u64, u64)]) -> AccountChange {
        AccountChange {
            address: WHO,
            info: Some(AccountInfo {
                balance: U256::from(balance),
                nonce: 1,
                ..AccountInfo::EMPTY
            }),
            code: None,
            wiped,
            storage: storage.iter().map(|(k, v)| (U256::from(*k), U256::from(*v))).collect(),
        }
    }

    fn gone() -> AccountChange {
        AccountChange { info: None, wiped: true, ..change(0, false, &[]) }
    }

    fn sum(steps: &[AccountChange]) -> Vec<AccountChange> {
        let state = state();
        let mut pending = Pending::new(&state);
        steps.iter().for_each(|step| pending.apply(std::slice::from_ref(step)));
        pending.into_changes()
    }

    #[test]
    fn later_changes_are_on_top_of_earlier_ones() {
        let steps = [change(6, false, &[(1, 11), (3, 31)]), change(7, false, &[(1, 0)])];
        assert_eq!(sum(&steps), [change(7, false, &[(1, 0), (3, 31)])]);
        let back = [gone(), change(8, false, &[(1, 11), (2, 0)]), change(8, false, &[(1, 0)])];
        assert_eq!(sum(&back), [change(8, true, &[])]);
        assert_eq!(sum(&[change(6, false, &[(1, 11)]), gone()]), [gone()]);
    }

    #[test]
    fn a_code_stays_with_its_hash() {
        let with = |hash: u8, code: Option<u8>| {
            let code_hash = alloy_primitives::B256::repeat_byte(hash);
            let info = Some(AccountInfo { code_hash, ..AccountInfo::EMPTY });
            let code = code.map(|code| Bytes::from(vec![code]));
            AccountChange { info, code, ..change(0, false, &[]) }
        };
        assert_eq!(sum(&[with(1, Some(1)), with(1, None)]), [with(1, Some(1))]);
        assert_eq!(sum(&[with(1, Some(1)), with(2, None)]), [with(2, None)]);
        assert_eq!(sum(&[with(1, Some(1)), with(2, Some(2))]), [with(2, Some(2))]);
    }

    #[test]
    fn a_credit_is_on_top_of_what_is_there() {
        let state = state();
        let mut pending = Pending::new(&state);
        pending.credit(WHO, U256::from(2)).expect("read");
        pending.credit(WHO, U256::from(3)).expect("read");
        pending.credit(Address::ZERO, U256::ZERO).expect("read");
        assert_eq!(pending.into_changes(), [change(10, false, &[])]);
        let mut pending = Pending::new(&state);
        pending.apply(&[gone()]);
        pending.credit(WHO, U256::MAX).expect("read");
        pending.credit(WHO, U256::from(4)).expect("read");
        let info = AccountInfo { balance: U256::from(3), ..AccountInfo::EMPTY };
        let back = AccountChange { info: Some(info), ..change(0, true, &[]) };
        assert_eq!(pending.into_changes(), [back]);
    }

    #[test]
    fn changes_are_compared_by_what_they_make_of_a_state() {
        let state = state();
        let differ = |left: &[AccountChange], right: &[AccountChange]| {
            difference(&state, left, right).expect("read").is_some()
        };
        let nothing = [change(5, false, &[(1, 10), (9, 0)])];
        assert!(!differ(&nothing, &[]) && !differ(&[], &nothing));
        let wiped = [change(5, true, &[(1, 10), (2, 20)])];
        assert!(differ(&wiped, &[]), "which slots there are is not known");
        let empty = change(5, true, &[]);
        assert!(differ(std::slice::from_ref(&empty), &[]), "there was storage");
        assert!(differ(std::slice::from_ref(&empty), &[change(5, true, &[(1, 10)])]));
        for other in [change(6, false, &[]), change(5, false, &[(2, 1)]), gone()] {
            assert!(differ(std::slice::from_ref(&other), &nothing), "{other:?}");
            assert!(differ(&nothing, std::slice::from_ref(&other)), "{other:?}");
        }
        let nobody = AccountChange { address: Address::ZERO, ..gone() };
        assert!(!differ(&[nobody], &[]));
    }
}
