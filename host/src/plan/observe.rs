//! What did an execution touch?

use super::{Accesses, Key, Source};
use crate::types::Transaction;
use alloy_primitives::Address;
use revm::state::{Account, EvmState};

/// The accesses of a transaction that revm executed, from all that it touched, as
/// [`crate::reference::Sequential::transact_once`] returns it.
///
/// Of accounts only values are known, not who looked at them: a balance that grew counts as
/// credited, one that shrank as read and written, and one that is as before as neither. Every
/// account that was loaded counts as one whose code was read.
pub fn observed(tx: &Transaction, touched: &EvmState) -> Accesses {
    let mut out = Accesses::new(Source::Execution);
    for (address, account) in touched {
        observe_account(&mut out, *address, account, *address == tx.caller);
        for (slot, value) in &account.storage {
            out.reads.push(Key::Slot(*address, *slot));
            if value.is_changed() {
                out.writes.push(Key::Slot(*address, *slot));
            }
        }
    }
    // The map has no order of its own.
    out.reads.sort_unstable();
    out.writes.sort_unstable();
    out.credits.sort_unstable();
    out
}

fn observe_account(out: &mut Accesses, address: Address, account: &Account, is_sender: bool) {
    let (before, after) = (account.original_info(), &account.info);
    out.reads.push(Key::Code(address));
    let destroyed = account.is_selfdestructed();
    if destroyed || account.is_created_locally() || before.code_hash != after.code_hash {
        out.writes.push(Key::Code(address));
    }
    if is_sender || destroyed || before.nonce != after.nonce {
        out.reads.push(Key::Nonce(address));
        out.writes.push(Key::Nonce(address));
    }
    if is_sender || destroyed || after.balance < before.balance {
        out.reads.push(Key::Balance(address));
        out.writes.push(Key::Balance(address));
    } else if after.balance > before.balance {
        out.credits.push(address);
    }
}
