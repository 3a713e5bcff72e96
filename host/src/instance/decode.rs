//! From what a transaction left in its overlay to what it changed.

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use warpevm_compiler::Rule;
use warpevm_kernels::abi::{
    ACCOUNT_CREATED, ACCOUNT_DESTROYED, ACCOUNT_EXISTS, CODE_EMPTY, OverlayAccount, OverlaySlot,
    SLOT_TRANSIENT, TableAccount, Word,
};

use crate::code::ids::{CodeArray, CodeBytes, Codes, TempCodes};
use crate::state::table::{Table, exists, is_empty};
use crate::types::{AccountChange, AccountInfo, Spec};

/// The codes that an overlay may name.
#[derive(Clone, Copy)]
pub struct CodeView<'a> {
    /// Hashes of all.
    pub array: &'a CodeArray,
    /// Bytes of those that stay.
    pub lasting: &'a Codes,
    /// Bytes of those that the transaction made.
    pub temps: &'a TempCodes,
}

impl CodeView<'_> {
    /// The hash of a code.
    pub fn hash(&self, id: u32) -> B256 {
        if id == CODE_EMPTY { KECCAK256_EMPTY } else { self.array.hash(id) }
    }

    /// The code, unless it is empty.
    pub fn get(&self, id: u32) -> Option<CodeBytes> {
        if id == CODE_EMPTY {
            return None;
        }
        self.temps.get(id).cloned().or_else(|| self.lasting.get(id))
    }
}

/// The fee recipient, where a transaction's overlay has no entry of it.
#[derive(Clone, Copy, Debug)]
pub struct Recipient {
    /// Its place in the table.
    pub account: u32,
    /// What it gets; it is touched even if that is nothing.
    pub credit: Word,
}

/// A transaction's overlay: what it read and wrote.
#[derive(Clone, Copy)]
pub struct Overlay<'a> {
    /// Accounts.
    pub accounts: &'a [OverlayAccount],
    /// Slots.
    pub slots: &'a [OverlaySlot],
    /// The fee recipient, where `accounts` lacks it and fees are paid.
    pub recipient: Option<Recipient>,
}

/// Scratch memory of [`changes`], kept to save allocations.
#[derive(Debug, Default)]
pub struct Scratch {
    slots: Vec<u32>,
}

/// What an overlay changes against the table, sorted.
pub fn changes(
    overlay: &Overlay<'_>,
    table: &Table,
    codes: CodeView<'_>,
    spec: Spec,
    scratch: &mut Scratch,
) -> Vec<AccountChange> {
    let accounts = overlay.accounts;
    let order = &mut scratch.slots;
    order.clear();
    order.extend(overlay.slots.iter().enumerate().filter_map(|(i, slot)| {
        let changed = slot.flags & SLOT_TRANSIENT == 0 && slot.value != slot.original;
        changed.then_some(i as u32)
    }));
    // Keys are numbers: compare the most significant limb first.
    order.sort_unstable_by(|a, b| {
        let (a, b) = (&overlay.slots[*a as usize], &overlay.slots[*b as usize]);
        let limbs = a.key.iter().rev().cmp(b.key.iter().rev());
        a.account.cmp(&b.account).then(limbs)
    });
    let mut changes = Vec::with_capacity(accounts.len() + 1);
    let mut rest = &order[..];
    for (i, account) in accounts.iter().enumerate() {
        let slot_of = |at: &u32| &overlay.slots[*at as usize];
        let own = rest.iter().take_while(|at| slot_of(at).account == i as u32).count();
        let (slots, after) = rest.split_at(own);
        rest = after;
        let slots = slots.iter().map(slot_of);
        let before = table.account(account.base);
        changes.extend(change_of(account, &before, slots, codes));
    }
    if let Some(recipient) = overlay.recipient {
        changes.extend(recipient_change(&recipient, table, codes, spec));
    }
    changes.sort_unstable_by_key(|change| change.address);
    changes
}

fn change_of<'a>(
    account: &OverlayAccount,
    before: &TableAccount,
    slots: impl ExactSizeIterator<Item = &'a OverlaySlot>,
    codes: CodeView<'_>,
) -> Option<AccountChange> {
    let destroyed = account.flags & ACCOUNT_DESTROYED != 0;
    let there = !destroyed && account.flags & ACCOUNT_EXISTS != 0;
    let was_there = exists(before);
    if !there && !was_there {
        return None;
    }
    let wiped = account.flags & (ACCOUNT_CREATED | ACCOUNT_DESTROYED) != 0;
    // A transaction may bring a code (a designator, say) that the account has already.
    let same_code =
        account.code == before.code || codes.hash(account.code) == codes.hash(before.code);
    let same = there == was_there
        && account.balance == before.balance
        && account.nonce == before.nonce
        && same_code;
    if same && !wiped && slots.len() == 0 {
        return None;
    }
    let info = there.then(|| AccountInfo {
        balance: U256::from_limbs(account.balance),
        nonce: account.nonce,
        code_hash: codes.hash(account.code),
    });
    let new_code = there && !same_code;
    Some(AccountChange {
        address: Address::from(account.addr),
        info,
        code: if new_code { codes.get(account.code).map(|code| code.code()) } else { None },
        wiped,
        storage: if there {
            slots.map(|s| (U256::from_limbs(s.key), U256::from_limbs(s.value))).collect()
        } else {
            Vec::new()
        },
    })
}

/// The fee recipient after a transaction paid it, or `None` if the account does not exist then.
pub fn credited(before: &TableAccount, credit: &Word, spec: Spec) -> TableAccount {
    let mut after = *before;
    let balance = U256::from_limbs(before.balance).wrapping_add(U256::from_limbs(*credit));
    after.balance = balance.into_limbs();
    after.flags |= ACCOUNT_EXISTS;
    // A touched account that is empty goes (EIP-161).
    if spec.rules().has(Rule::StateClearing) && is_empty(&after) {
        after.flags &= !ACCOUNT_EXISTS;
    }
    after
}

fn recipient_change(
    recipient: &Recipient,
    table: &Table,
    codes: CodeView<'_>,
    spec: Spec,
) -> Option<AccountChange> {
    let before = table.account(recipient.account);
    let after = credited(&before, &recipient.credit, spec);
    if after == before {
        return None;
    }
    Some(AccountChange {
        address: Address::from(after.addr),
        info: exists(&after).then(|| AccountInfo {
            balance: U256::from_limbs(after.balance),
            nonce: after.nonce,
            code_hash: codes.hash(after.code),
        }),
        code: None,
        wiped: false,
        storage: Vec::new(),
    })
}
