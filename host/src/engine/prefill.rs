//! Versions from a block access list (EIP-7928), before anything has run.
//!
//! A list says what each transaction leaves in each entry that it changes. So each transaction can
//! find what those before it will leave, and all can run at once. The list need not be true.

use alloy_primitives::U256;
use revm::DatabaseRef;
use warpevm_compiler::Rule;
use warpevm_kernels::abi::{ACCOUNT_EXISTS, ACCOUNT_WIPED, TableAccount, Version};

use crate::code::ids::CodeBytes;
use crate::error::Error;
use crate::instance::session::Session;
use crate::plan::BlockAccessList;
use crate::state::table::{TableEntry, exists, is_empty};
use crate::state::versions::Versions;

/// A field's next value: where in the block, and which.
enum ListedField<'l> {
    Balance(U256),
    Nonce(u64),
    Code(&'l [u8]),
}

/// The code of an account that only names another one (EIP-7702).
fn is_designator(code: &[u8]) -> bool {
    code.starts_with(&[0xef, 0x01, 0x00])
}

/// Publishes what `list` says about the first `count` transactions. Entries that name no
/// transaction are left out: what happened before the block's transactions is in the state.
pub(super) fn prefill<DB: DatabaseRef + Sync>(
    session: &Session<'_, DB>,
    versions: &Versions,
    list: &BlockAccessList,
    count: usize,
) -> Result<(), Error> {
    let state = session.state;
    let place = |index: u64| (1..=count as u64).contains(&index).then(|| index as u32 - 1);
    for account in &list.accounts {
        let addr = account.address.into_array();
        let base = state.account_index(&addr)?;
        let mut fields: Vec<(u32, ListedField<'_>)> = Vec::new();
        let balances = account.balance_changes.iter();
        fields.extend(balances.filter_map(|change| {
            Some((place(change.block_access_index.0)?, ListedField::Balance(change.post_balance)))
        }));
        let nonces = account.nonce_changes.iter();
        fields.extend(nonces.filter_map(|change| {
            Some((place(change.block_access_index.0)?, ListedField::Nonce(change.new_nonce)))
        }));
        let codes = account.code_changes.iter();
        fields.extend(codes.filter_map(|change| {
            Some((place(change.block_access_index.0)?, ListedField::Code(&change.new_code)))
        }));
        fields.sort_by_key(|(order, _)| *order);
        publish_account(session, versions, base, &fields)?;
        for slot in &account.storage_changes {
            let index = state.slot_index(&addr, slot.slot.as_limbs())?;
            let version = |change: &alloy_eip7928::StorageChange| {
                let order = place(change.block_access_index.0)?;
                let value = change.new_value.into_limbs();
                Some((TableEntry::Slot(index), Version { value, order, ..Version::default() }))
            };
            versions.publish(&state.table(), slot.changes.iter().filter_map(version));
        }
    }
    Ok(())
}

/// Publishes an account after each transaction that changes it; `fields` are in order.
fn publish_account<DB: DatabaseRef + Sync>(
    session: &Session<'_, DB>,
    versions: &Versions,
    base: u32,
    fields: &[(u32, ListedField<'_>)],
) -> Result<(), Error> {
    let state = session.state;
    let mut now = state.table().account(base);
    for same in fields.chunk_by(|(a, _), (b, _)| a == b) {
        for (_, field) in same {
            match field {
                ListedField::Balance(balance) => now.balance = balance.into_limbs(),
                ListedField::Nonce(nonce) => now.nonce = *nonce,
                ListedField::Code(code) => {
                    now.code = state.codes().intern(CodeBytes::new(code))?;
                    // A creation voids the storage.
                    if !code.is_empty() && !is_designator(code) {
                        now.flags |= ACCOUNT_WIPED;
                    }
                }
            }
        }
        now.flags |= ACCOUNT_EXISTS;
        if session.spec().rules().has(Rule::StateClearing) && is_empty(&now) {
            now.flags &= !ACCOUNT_EXISTS;
        }
        let version = version_of(&now, same[0].0);
        versions.publish(&state.table(), std::iter::once((TableEntry::Account(base), version)));
    }
    Ok(())
}

fn version_of(account: &TableAccount, order: u32) -> Version {
    let there = if exists(account) { ACCOUNT_EXISTS } else { 0 };
    Version {
        value: account.balance,
        nonce: account.nonce,
        order,
        flags: there | (account.flags & ACCOUNT_WIPED),
        code: account.code,
        reserved: 0,
    }
}
