//! What a transaction that ran ahead observed and did, held against the committed state.

use alloy_primitives::{Address, U256};
use revm::DatabaseRef;
use warpevm_kernels::abi::{
    ACCOUNT_CREATED, ACCOUNT_DESTROYED, ACCOUNT_EXISTS, ACCOUNT_HAS_STORAGE, ACCOUNT_READ_BALANCE,
    ACCOUNT_READ_EMPTY, ACCOUNT_READ_INFO, ACCOUNT_TOUCHED, ACCOUNT_WIPED, CODE_EMPTY, NONE,
    OverlayAccount, OverlaySlot, SLOT_TRANSIENT, TableAccount, Version, Word,
};

use super::commit::{lasting, place};
use crate::error::Error;
use crate::instance::decode::{CodeView, Overlay, Recipient};
use crate::instance::session::Session;
use crate::redo::SlotUse;
use crate::state::table::{Table, TableEntry, exists, is_empty};
use crate::types::Spec;

/// What a transaction that ran ahead read and wrote; its codes have lasting ids.
#[derive(Clone, Debug, Default)]
pub struct Footprint {
    accounts: Vec<OverlayAccount>,
    slots: Vec<OverlaySlot>,
    recipient: Option<Recipient>,
}

/// What `now` becomes by a change from `before` to `after`.
fn delta(after: &Word, before: &Word, now: &Word) -> Word {
    let gain = U256::from_limbs(*after).wrapping_sub(U256::from_limbs(*before));
    U256::from_limbs(*now).wrapping_add(gain).into_limbs()
}

impl Footprint {
    /// Copies what `overlay` holds, in memory that is there.
    pub fn fill<DB: DatabaseRef + Sync>(
        &mut self,
        overlay: &Overlay<'_>,
        session: &Session<'_, DB>,
        codes: CodeView<'_>,
    ) -> Result<(), Error> {
        self.accounts.clear();
        self.accounts.extend_from_slice(overlay.accounts);
        for account in &mut self.accounts {
            account.code = lasting(session, codes, account.code)?;
        }
        let lasting = |slot: &&OverlaySlot| slot.flags & SLOT_TRANSIENT == 0;
        self.slots.clear();
        self.slots.extend(overlay.slots.iter().filter(lasting));
        self.recipient = overlay.recipient;
        Ok(())
    }

    /// Every value that the transaction observed is what the table has now.
    pub fn holds(&self, table: &Table) -> bool {
        self.accounts_hold(table) && self.slots.iter().all(|slot| self.slot_holds(slot, table))
    }

    /// The same of accounts alone.
    pub fn accounts_hold(&self, table: &Table) -> bool {
        self.accounts.iter().all(|account| account_holds(account, &table.account(account.base)))
    }

    /// The code that an account had.
    pub fn code_of(&self, address: Address) -> Option<u32> {
        let found = self.accounts.iter().find(|account| account.addr == address.into_array());
        found.map(|account| account.first_code)
    }

    /// What it did with slots, and what they hold now; `None`: one is of an account that it made.
    pub fn slot_uses(&self, table: &Table) -> Option<Vec<SlotUse>> {
        let slot_use = |slot: &OverlaySlot| {
            let account = self.accounts.get(slot.account as usize)?;
            if account.flags & (ACCOUNT_CREATED | ACCOUNT_DESTROYED) != 0 {
                return None;
            }
            let now = place(slot, account, table).map_or([0; 4], |at| table.slot(at).value);
            Some(SlotUse {
                address: Address::from(account.addr),
                key: U256::from_limbs(slot.key),
                original: U256::from_limbs(slot.original),
                value: U256::from_limbs(slot.value),
                now: U256::from_limbs(now),
            })
        };
        self.slots.iter().map(slot_use).collect()
    }

    /// Takes what it would have done with slots as they are now.
    pub fn patch(&mut self, uses: &[SlotUse], values: &[U256]) {
        for ((slot, slot_use), value) in self.slots.iter_mut().zip(uses).zip(values) {
            slot.original = slot_use.now.into_limbs();
            slot.value = value.into_limbs();
        }
    }

    fn slot_holds(&self, slot: &OverlaySlot, table: &Table) -> bool {
        let Some(account) = self.accounts.get(slot.account as usize) else {
            return false;
        };
        // The storage of a contract that the transaction made starts empty whatever was there.
        if account.flags & ACCOUNT_CREATED != 0 {
            return true;
        }
        match place(slot, account, table) {
            Some(at) => table.slot(at).value == slot.original,
            // It took the slot for zero since it took the account for wiped, or since it had made
            // the account in a frame that failed; then it observed that it could.
            None => {
                let wiped = |flags: u32| flags & ACCOUNT_WIPED != 0;
                slot.original == [0; 4]
                    && (!wiped(account.first_flags) || wiped(table.account(account.base).flags))
            }
        }
    }

    /// Puts what the transaction did not observe onto the table as it is now: credits add up.
    pub fn rebase(&mut self, table: &Table, spec: Spec) {
        for account in &mut self.accounts {
            let now = table.account(account.base);
            if is_as_found(account, &now) {
                continue;
            }
            if account.flags & ACCOUNT_READ_BALANCE == 0 {
                account.balance = delta(&account.balance, &account.first_balance, &now.balance);
            }
            if account.flags & ACCOUNT_READ_INFO == 0 && untouched_info(account) {
                account.nonce = now.nonce;
                account.code = now.code;
            }
            // What the transaction touched is there, unless it is empty (EIP-161); the rest is as
            // others left it.
            let there = match account.flags & ACCOUNT_TOUCHED != 0 {
                true => spec < Spec::SpuriousDragon || !holds_nothing(account),
                false => exists(&now),
            };
            account.flags &= !ACCOUNT_EXISTS;
            account.flags |= if there { ACCOUNT_EXISTS } else { 0 };
            (account.first_balance, account.first_nonce) = (now.balance, now.nonce);
            (account.first_code, account.first_flags) = (now.code, now.flags);
        }
    }

    /// What it leaves in entries of the table, each as a version. Slots that the table lacks are
    /// left out, and accounts that come and go: versions are hints.
    pub fn versions(&self, order: u32) -> impl Iterator<Item = (TableEntry, Version)> {
        let remade =
            |account: &OverlayAccount| account.flags & (ACCOUNT_CREATED | ACCOUNT_DESTROYED) != 0;
        let account = move |account: &OverlayAccount| {
            let changed = account.balance != account.first_balance || !untouched_info(account);
            (changed && !remade(account)).then(|| {
                let version = Version {
                    value: account.balance,
                    nonce: account.nonce,
                    order,
                    flags: account.flags & ACCOUNT_EXISTS,
                    code: account.code,
                    reserved: 0,
                };
                (TableEntry::Account(account.base), version)
            })
        };
        let slot = move |slot: &OverlaySlot| {
            (slot.value != slot.original && slot.base != NONE).then(|| {
                let version = Version { value: slot.value, order, ..Version::default() };
                (TableEntry::Slot(slot.base), version)
            })
        };
        self.accounts.iter().filter_map(account).chain(self.slots.iter().filter_map(slot))
    }

    /// As an overlay.
    pub fn overlay(&self) -> Overlay<'_> {
        Overlay { accounts: &self.accounts, slots: &self.slots, recipient: self.recipient }
    }
}

fn holds_nothing(account: &OverlayAccount) -> bool {
    account.balance == [0; 4] && account.nonce == 0 && account.code == CODE_EMPTY
}

fn untouched_info(account: &OverlayAccount) -> bool {
    account.nonce == account.first_nonce && account.code == account.first_code
}

/// The account has storage, so that nothing can be created there (EIP-7610).
fn has_storage(flags: u32) -> bool {
    flags & (ACCOUNT_HAS_STORAGE | ACCOUNT_WIPED) == ACCOUNT_HAS_STORAGE
}

fn is_as_found(account: &OverlayAccount, now: &TableAccount) -> bool {
    account.first_balance == now.balance
        && account.first_nonce == now.nonce
        && account.first_code == now.code
        && (account.first_flags ^ now.flags) & ACCOUNT_EXISTS == 0
        && has_storage(account.first_flags) == has_storage(now.flags)
}

/// The account as the transaction found it.
fn found(account: &OverlayAccount) -> TableAccount {
    TableAccount {
        balance: account.first_balance,
        nonce: account.first_nonce,
        addr: account.addr,
        flags: account.first_flags,
        code: account.first_code,
        versions: 0,
    }
}

fn account_holds(account: &OverlayAccount, now: &TableAccount) -> bool {
    if is_as_found(account, now) {
        return true;
    }
    let before = found(account);
    let read = |flag: u32| account.flags & flag != 0;
    let remade = read(ACCOUNT_CREATED | ACCOUNT_DESTROYED);
    let deleted = exists(&before) && !read(ACCOUNT_EXISTS);
    if remade || deleted {
        return false;
    }
    if read(ACCOUNT_READ_BALANCE) && now.balance != before.balance {
        return false;
    }
    let info = read(ACCOUNT_READ_INFO) || !untouched_info(account);
    if info
        && (now.nonce != before.nonce
            || now.code != before.code
            || has_storage(now.flags) != has_storage(before.flags))
    {
        return false;
    }
    !read(ACCOUNT_READ_EMPTY)
        || (is_empty(now) == is_empty(&before) && exists(now) == exists(&before))
}
