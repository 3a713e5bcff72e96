//! What a transaction touched, and its writes into the committed state.

use alloy_primitives::{Address, U256};
use revm::DatabaseRef;
use warpevm_kernels::abi::{
    ACCOUNT_CREATED, ACCOUNT_DESTROYED, ACCOUNT_EXISTS, ACCOUNT_READ_BALANCE, ACCOUNT_READ_EMPTY,
    ACCOUNT_READ_INFO, ACCOUNT_WIPED, CODE_EMPTY, NONE, OverlayAccount, OverlaySlot,
    SLOT_TRANSIENT, TableAccount,
};

use crate::code::ids::TEMP_BASE;
use crate::error::Error;
use crate::instance::decode::{CodeView, Overlay, Recipient, credited};
use crate::instance::session::{Hold, Session};
use crate::plan::{Accesses, Key, Source};
use crate::state::table::{Full, Table, TableWriter, exists};
use crate::types::Spec;

/// Where the table has a slot.
pub(super) fn place(slot: &OverlaySlot, account: &OverlayAccount, table: &Table) -> Option<u32> {
    match slot.base {
        NONE => table.find_slot(account.base, &slot.key),
        base => Some(base),
    }
}

/// The lasting id of a code.
pub(super) fn lasting<DB: DatabaseRef + Sync>(
    session: &Session<'_, DB>,
    codes: CodeView<'_>,
    id: u32,
) -> Result<u32, Error> {
    if id < TEMP_BASE {
        return Ok(id);
    }
    let code = codes.get(id).ok_or_else(|| Error::Bug(format!("no code {id}")))?;
    session.state.codes().intern(code)
}

/// What a transaction touched.
pub fn accesses(overlay: &Overlay<'_>, coinbase: Address) -> Accesses {
    let mut out = Accesses::new(Source::Execution);
    for account in overlay.accounts {
        let address = Address::from(account.addr);
        let has = |flags: u32| account.flags & flags != 0;
        let remade = has(ACCOUNT_CREATED | ACCOUNT_DESTROYED);
        let (balance, nonce, code) =
            (Key::Balance(address), Key::Nonce(address), Key::Code(address));
        let reads_balance = has(ACCOUNT_READ_BALANCE) || remade;
        out.reads.extend(reads_balance.then_some(balance));
        out.reads.extend((has(ACCOUNT_READ_INFO) || remade).then_some(nonce));
        out.reads.extend((has(ACCOUNT_READ_INFO | ACCOUNT_READ_EMPTY) || remade).then_some(code));
        let gone = has(ACCOUNT_DESTROYED);
        match account.balance != account.first_balance || gone {
            true if reads_balance => out.writes.push(balance),
            true => out.credits.push(address),
            false => {}
        }
        out.writes.extend((account.nonce != account.first_nonce || gone).then_some(nonce));
        out.writes.extend((account.code != account.first_code || remade).then_some(code));
    }
    for slot in overlay.slots.iter().filter(|slot| slot.flags & SLOT_TRANSIENT == 0) {
        let Some(account) = overlay.accounts.get(slot.account as usize) else { continue };
        let key = Key::Slot(Address::from(account.addr), U256::from_limbs(slot.key));
        out.reads.push(key);
        if keeps(overlay, slot).is_some() {
            out.writes.push(key);
        }
    }
    if overlay.recipient.as_ref().is_some_and(|recipient| recipient.credit != [0; 4]) {
        out.credits.push(coinbase);
    }
    out.complete = true;
    out
}

/// Writes what `overlay` changes into the table, while others may read it.
pub fn commit<DB: DatabaseRef + Sync>(
    overlay: &Overlay<'_>,
    hold: &mut Hold<'_, DB>,
    session: &Session<'_, DB>,
    codes: CodeView<'_>,
) -> Result<(), Error> {
    while let Err(full) = make_room(overlay, hold.table()) {
        hold.grow(full)?;
    }
    let lasting = |account: &OverlayAccount| lasting(session, codes, account.code);
    let lasting: Vec<u32> = overlay.accounts.iter().map(lasting).collect::<Result<_, _>>()?;
    let table = hold.table();
    let mut writer = table.writer();
    for (account, code) in overlay.accounts.iter().zip(lasting) {
        commit_account(account, code, table, &mut writer);
    }
    for slot in overlay.slots {
        let Some(account) = keeps(overlay, slot) else { continue };
        let base = place(slot, account, table)
            .ok_or_else(|| Error::Bug("a slot without room".to_owned()))?;
        writer.set_slot_at(base, slot.value);
    }
    if let Some(recipient) = &overlay.recipient {
        pay(recipient, table, &mut writer, session.spec());
    }
    Ok(())
}

/// The account of a slot that changes and stays.
fn keeps<'o>(overlay: &Overlay<'o>, slot: &OverlaySlot) -> Option<&'o OverlayAccount> {
    if slot.flags & SLOT_TRANSIENT != 0 || slot.value == slot.original {
        return None;
    }
    let account = overlay.accounts.get(slot.account as usize)?;
    let there = account.flags & ACCOUNT_EXISTS != 0 && account.flags & ACCOUNT_DESTROYED == 0;
    there.then_some(account)
}

/// Gives every slot that changes a place in the table. One that has none so far is zero: the
/// account was made by the transaction, or wiped before.
fn make_room(overlay: &Overlay<'_>, table: &Table) -> Result<(), Full> {
    for slot in overlay.slots.iter().filter(|slot| slot.base == NONE) {
        if let Some(account) = keeps(overlay, slot) {
            table.insert_slot(account.base, slot.key, [0; 4])?;
        }
    }
    Ok(())
}

fn commit_account(
    account: &OverlayAccount,
    code: u32,
    table: &Table,
    writer: &mut TableWriter<'_>,
) {
    let before = table.account(account.base);
    let destroyed = account.flags & ACCOUNT_DESTROYED != 0;
    let there = !destroyed && account.flags & ACCOUNT_EXISTS != 0;
    let deleted = exists(&before) && !there;
    if deleted || account.flags & (ACCOUNT_CREATED | ACCOUNT_DESTROYED) != 0 {
        // Also where the account was not there before and is not now: nothing of it is left.
        writer.wipe(account.base);
    }
    let now = match there {
        true => (account.balance, account.nonce, code, ACCOUNT_EXISTS),
        false => ([0; 4], 0, CODE_EMPTY, 0),
    };
    writer.update_account(account.base, |entry| {
        (entry.balance, entry.nonce, entry.code) = (now.0, now.1, now.2);
        entry.flags = (entry.flags & !ACCOUNT_EXISTS) | now.3;
    });
}

fn pay(recipient: &Recipient, table: &Table, writer: &mut TableWriter<'_>, spec: Spec) {
    let before = table.account(recipient.account);
    let after = credited(&before, &recipient.credit, spec);
    if exists(&before) && !exists(&after) {
        writer.wipe(recipient.account);
    }
    let wiped = table.account(recipient.account).flags & ACCOUNT_WIPED;
    writer.update_account(recipient.account, |account| {
        *account = TableAccount { flags: after.flags | wiped, ..after };
    });
}
