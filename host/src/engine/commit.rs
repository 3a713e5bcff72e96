//! Reads of a transaction against the committed state, and its writes into it.

use std::collections::HashSet;

use alloy_primitives::U256;
use revm::DatabaseRef;
use warpevm_kernels::abi::{
    ACCOUNT_CREATED, ACCOUNT_DESTROYED, ACCOUNT_EXISTS, ACCOUNT_HAS_STORAGE, ACCOUNT_READ_BALANCE,
    ACCOUNT_READ_EMPTY, ACCOUNT_READ_INFO, ACCOUNT_TOUCHED, ACCOUNT_WIPED, CODE_EMPTY, NONE,
    OverlayAccount, OverlaySlot, SLOT_TRANSIENT, TableAccount, Word,
};

use crate::decode::{CodeView, Overlay, Recipient, credited};
use crate::error::Error;
use crate::session::Session;
use crate::state::codes::TEMP_BASE;
use crate::state::table::{Table, exists, is_empty};
use crate::types::Spec;

/// What a transaction that ran ahead read and wrote; its codes have lasting ids.
#[derive(Clone, Debug)]
pub struct Footprint {
    accounts: Vec<OverlayAccount>,
    /// The accounts as the table had them.
    before: Vec<TableAccount>,
    slots: Vec<OverlaySlot>,
    recipient: Option<Recipient>,
}

/// What transactions are about to write, by place in the table.
#[derive(Debug, Default)]
pub struct Written {
    balances: HashSet<u32>,
    /// Nonces and codes.
    infos: HashSet<u32>,
    slots: HashSet<u32>,
}

/// What `now` becomes by a change from `before` to `after`.
fn delta(after: &Word, before: &Word, now: &Word) -> Word {
    let gain = U256::from_limbs(*after).wrapping_sub(U256::from_limbs(*before));
    U256::from_limbs(*now).wrapping_add(gain).into_limbs()
}

impl Footprint {
    /// Copies what `overlay` holds; `table` is as it was when the transaction ran.
    pub fn of<DB: DatabaseRef + Sync>(
        overlay: &Overlay<'_>,
        table: &Table,
        session: &Session<'_, DB>,
        codes: CodeView<'_>,
    ) -> Result<Footprint, Error> {
        let mut accounts = overlay.accounts.to_vec();
        for account in &mut accounts {
            account.code = lasting(session, codes, account.code)?;
        }
        let before = accounts.iter().map(|account| table.account(account.base)).collect();
        let lasting = |slot: &&OverlaySlot| slot.flags & SLOT_TRANSIENT == 0;
        let slots = overlay.slots.iter().filter(lasting).copied().collect();
        Ok(Footprint { accounts, before, slots, recipient: overlay.recipient })
    }

    /// Every value that the transaction observed is what the table has now.
    pub fn holds(&self, table: &Table) -> bool {
        let accounts = self.accounts.iter().zip(&self.before);
        let accounts_hold = accounts
            .clone()
            .all(|(account, before)| account_holds(account, before, &table.account(account.base)));
        accounts_hold && self.slots.iter().all(|slot| self.slot_holds(slot, table))
    }

    fn slot_holds(&self, slot: &OverlaySlot, table: &Table) -> bool {
        let Some(account) = self.accounts.get(slot.account as usize) else {
            return false;
        };
        // The storage of a contract that the transaction made starts empty whatever was there.
        if account.flags & ACCOUNT_CREATED != 0 {
            return true;
        }
        let at = match slot.base {
            NONE => table.find_slot(account.base, &slot.key),
            base => Some(base),
        };
        match at {
            Some(at) => table.slot(at).value == slot.original,
            None => slot.original == [0; 4],
        }
    }

    /// Puts what the transaction did not observe onto the table as it is now: credits add up.
    pub fn rebase(&mut self, table: &Table, spec: Spec) {
        for (account, before) in self.accounts.iter_mut().zip(&self.before) {
            let now = table.account(account.base);
            if now == *before {
                continue;
            }
            if account.flags & ACCOUNT_READ_BALANCE == 0 {
                account.balance = delta(&account.balance, &before.balance, &now.balance);
            }
            if account.flags & ACCOUNT_READ_INFO == 0 && untouched_info(account, before) {
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
        }
    }

    /// It observed what a transaction before it writes.
    pub fn reads_any(&self, written: &Written) -> bool {
        let account = |account: &OverlayAccount| {
            let read = |flags: u32| account.flags & flags != 0;
            (read(ACCOUNT_READ_BALANCE) && written.balances.contains(&account.base))
                || (read(ACCOUNT_READ_INFO) && written.infos.contains(&account.base))
        };
        let slot = |slot: &OverlaySlot| slot.base != NONE && written.slots.contains(&slot.base);
        self.accounts.iter().any(account) || self.slots.iter().any(slot)
    }

    /// Adds what it writes.
    pub fn add_writes(&self, written: &mut Written) {
        for (account, before) in self.accounts.iter().zip(&self.before) {
            if account.balance != before.balance {
                written.balances.insert(account.base);
            }
            if !untouched_info(account, before) {
                written.infos.insert(account.base);
            }
        }
        let slots = self.slots.iter().filter(|slot| slot.value != slot.original);
        written.slots.extend(slots.map(|slot| slot.base));
    }

    /// As an overlay.
    pub fn overlay(&self) -> Overlay<'_> {
        Overlay { accounts: &self.accounts, slots: &self.slots, recipient: self.recipient }
    }
}

fn holds_nothing(account: &OverlayAccount) -> bool {
    account.balance == [0; 4] && account.nonce == 0 && account.code == CODE_EMPTY
}

fn untouched_info(account: &OverlayAccount, before: &TableAccount) -> bool {
    account.nonce == before.nonce && account.code == before.code
}

fn account_holds(account: &OverlayAccount, before: &TableAccount, now: &TableAccount) -> bool {
    if now == before {
        return true;
    }
    let flags = account.flags;
    let read = |flag: u32| flags & flag != 0;
    let remade = read(ACCOUNT_CREATED | ACCOUNT_DESTROYED);
    let deleted = exists(before) && !read(ACCOUNT_EXISTS);
    if remade || deleted {
        return false;
    }
    if read(ACCOUNT_READ_BALANCE) && now.balance != before.balance {
        return false;
    }
    let info = read(ACCOUNT_READ_INFO) || !untouched_info(account, before);
    let state_flags = ACCOUNT_WIPED | ACCOUNT_HAS_STORAGE;
    if info
        && (now.nonce != before.nonce
            || now.code != before.code
            || (now.flags ^ before.flags) & state_flags != 0)
    {
        return false;
    }
    !read(ACCOUNT_READ_EMPTY)
        || (is_empty(now) == is_empty(before) && exists(now) == exists(before))
}

/// The lasting id of a code.
fn lasting<DB: DatabaseRef + Sync>(
    session: &Session<'_, DB>,
    codes: CodeView<'_>,
    id: u32,
) -> Result<u32, Error> {
    if id < TEMP_BASE {
        return Ok(id);
    }
    let code = codes.get(id).ok_or_else(|| Error::Device(format!("no code {id}")))?;
    session.state.codes().intern(code)
}

/// Writes what `overlay` changes into the table.
pub fn commit<DB: DatabaseRef + Sync>(
    overlay: &Overlay<'_>,
    table: &mut Table,
    session: &Session<'_, DB>,
    codes: CodeView<'_>,
) -> Result<(), Error> {
    for account in overlay.accounts {
        let code = lasting(session, codes, account.code)?;
        commit_account(account, code, table);
    }
    for slot in overlay.slots {
        if slot.flags & SLOT_TRANSIENT != 0 || slot.value == slot.original {
            continue;
        }
        let account = overlay.accounts.get(slot.account as usize);
        let account = account.ok_or_else(|| Error::Device("a slot of no account".to_owned()))?;
        if account.flags & ACCOUNT_EXISTS == 0 || account.flags & ACCOUNT_DESTROYED != 0 {
            continue;
        }
        match slot.base {
            NONE => table.set_slot(account.base, slot.key, slot.value)?,
            base => table.set_slot_at(base, slot.value),
        }
    }
    if let Some(recipient) = &overlay.recipient {
        pay(recipient, table, session.spec());
    }
    Ok(())
}

fn commit_account(account: &OverlayAccount, code: u32, table: &mut Table) {
    let before = table.account(account.base);
    let destroyed = account.flags & ACCOUNT_DESTROYED != 0;
    let there = !destroyed && account.flags & ACCOUNT_EXISTS != 0;
    let deleted = exists(&before) && !there;
    if deleted || account.flags & (ACCOUNT_CREATED | ACCOUNT_DESTROYED) != 0 {
        // Also where the account was not there before and is not now: nothing of it is left.
        table.wipe(account.base);
    }
    let now = match there {
        true => (account.balance, account.nonce, code, ACCOUNT_EXISTS),
        false => ([0; 4], 0, CODE_EMPTY, 0),
    };
    let was = (before.balance, before.nonce, before.code, before.flags & ACCOUNT_EXISTS);
    if now == was {
        return;
    }
    let entry = table.account_mut(account.base);
    (entry.balance, entry.nonce, entry.code) = (now.0, now.1, now.2);
    entry.flags = (entry.flags & !ACCOUNT_EXISTS) | now.3;
}

fn pay(recipient: &Recipient, table: &mut Table, spec: Spec) {
    let before = table.account(recipient.account);
    let after = credited(&before, &recipient.credit, spec);
    if exists(&before) && !exists(&after) {
        table.wipe(recipient.account);
    }
    if after != before {
        let wiped = table.account(recipient.account).flags & ACCOUNT_WIPED;
        *table.account_mut(recipient.account) = after;
        table.account_mut(recipient.account).flags |= wiped;
    }
}
