//! From an instance's memory to what a transaction did.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Log, LogData, U256};
use warpevm_compiler::Rule;
use warpevm_kernels::abi::{
    ACCOUNT_CREATED, ACCOUNT_DESTROYED, ACCOUNT_EXISTS, Addr, CODE_EMPTY, End, OverlayAccount,
    OverlaySlot, SLOT_TRANSIENT, TX_COST_OVERFLOW, TX_NO_BALANCE_CHECK, TX_SYSTEM, TableAccount,
    Tx, Word,
};

use crate::error::Error;
use crate::instance::View;
use crate::state::codes::{CodeArray, CodeBytes, Codes, TempCodes, word_hash};
use crate::state::table::{Table, exists, is_empty};
use crate::types::{AccountChange, AccountInfo, Executed, Rejected, Spec, TxStatus};

/// How a transaction ended, without what it changed.
pub type Ended = Result<Executed, Rejected>;

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

impl<'a> Overlay<'a> {
    /// Of a finished instance. `coinbase` is the fee recipient's address and place in the table.
    pub fn of(view: &View<'a>, tx: &Tx, coinbase: (&Addr, u32)) -> Overlay<'a> {
        let accounts = view.accounts();
        let pays = tx.flags & (TX_SYSTEM | TX_NO_BALANCE_CHECK) == 0;
        let listed = || accounts.iter().any(|account| account.addr == *coinbase.0);
        let recipient = (pays && !listed())
            .then(|| Recipient { account: coinbase.1, credit: view.head().coinbase_credit });
        Overlay { accounts, slots: view.storage(), recipient }
    }
}

/// Result, output and logs of a finished instance; `changes` stays empty.
pub fn ended(view: &View<'_>, tx: &Tx, sender: Option<&OverlayAccount>) -> Result<Ended, Error> {
    let head = view.head();
    let end = End::from_u32(head.end)
        .ok_or_else(|| Error::Device(format!("a transaction ended with {}", head.end)))?;
    let status = match end {
        End::Stop | End::Return | End::SelfDestruct => TxStatus::Success,
        End::Revert => TxStatus::Revert,
        _ if end >= End::RejectNonceLow => return Ok(Err(rejected(end, tx, sender))),
        _ => TxStatus::Halt,
    };
    let output = match status {
        TxStatus::Halt => Bytes::new(),
        _ => Bytes::copy_from_slice(view.return_data()),
    };
    let mut logs = Vec::new();
    if status == TxStatus::Success && head.log_bytes > 0 {
        logs.reserve_exact(head.logs as usize);
        logs.extend(view.logs().map(|(head, topics, data)| Log {
            address: Address::from(head.addr),
            data: LogData::new_unchecked(
                topics.iter().map(|topic| word_hash(*topic)).collect(),
                Bytes::copy_from_slice(data),
            ),
        }));
    }
    Ok(Ok(Executed {
        status,
        end,
        gas_used: head.gas_used,
        gas_refunded: head.gas_refunded,
        output,
        created: (head.has_created != 0).then(|| Address::from(head.created)),
        logs,
        changes: Vec::new(),
    }))
}

fn rejected(end: End, tx: &Tx, sender: Option<&OverlayAccount>) -> Rejected {
    let state = sender.map(|sender| sender.nonce).unwrap_or_default();
    match end {
        End::RejectNonceLow => Rejected::NonceTooLow { tx: tx.nonce, state },
        End::RejectNonceHigh => Rejected::NonceTooHigh { tx: tx.nonce, state },
        End::RejectSenderCode => Rejected::SenderCode,
        End::RejectNonceMax => Rejected::NonceMax,
        _ if tx.flags & TX_COST_OVERFLOW != 0 => Rejected::CostOverflow,
        _ => Rejected::Balance {
            cost: U256::from_limbs(tx.max_cost),
            balance: sender.map(|s| U256::from_limbs(s.balance)).unwrap_or_default(),
        },
    }
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
