//! Which transactions of a block depend on which, as far as one can tell before they run?
//!
//! # Terms
//! A *key* is the smallest piece of state that transactions contend for. An access *reads*,
//! *writes* or *credits* a key; a credit adds to a balance and commutes with other credits. A
//! transaction *waits* for an earlier one whose writes or credits it reads.
//!
//! # Method
//! [`Predictor`] lists the accesses of each transaction from what is known of it, [`Dag`] finds who
//! waits for whom, and [`Plan`] says what this is worth: waves, chains, the critical path.
//!
//! # Soundness
//! None is claimed: a prediction is a hint. Whoever executes validates what was read, so a wrong
//! prediction costs time and never a result.

mod access_list;
mod block;
mod dag;
mod draw;
mod history;
mod observe;
mod predict;
mod print;
#[cfg(all(test, feature = "files"))]
mod tests;
mod waits;
mod worth;

pub use access_list::BlockAccessList;
pub use block::{Access, BlockAccesses, KeyId, Role};
pub use dag::{Dag, Edge, EdgeKind, Score};
pub use history::{History, Target};
pub use observe::observed;
pub use predict::{MissingSets, Predictor};
pub use waits::Waits;
pub use worth::{Component, HotKey, Plan, Speedup, Wave};

use alloy_primitives::{Address, U256};
use serde::Serialize;
use std::fmt;

/// A piece of state that transactions contend for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A balance.
    Balance(Address),
    /// A nonce. Apart from the code, which every call reads: else a transfer to an account would
    /// wait for all that this account sent before.
    Nonce(Address),
    /// A code, and whether there is any.
    Code(Address),
    /// A storage slot.
    Slot(Address, U256),
}

impl Key {
    /// Whose state it is.
    pub fn address(&self) -> Address {
        match self {
            Key::Balance(address) | Key::Nonce(address) | Key::Code(address) => *address,
            Key::Slot(address, _) => *address,
        }
    }

    /// What kind of state it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Key::Balance(_) => "balance",
            Key::Nonce(_) => "nonce",
            Key::Code(_) => "code",
            Key::Slot(..) => "slot",
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Balance(address) => write!(f, "balance of {address:#x}"),
            Key::Nonce(address) => write!(f, "nonce of {address:#x}"),
            Key::Code(address) => write!(f, "code of {address:#x}"),
            Key::Slot(address, slot) => write!(f, "slot {slot:#x} of {address:#x}"),
        }
    }
}

/// Where an access is known from, in order of trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// An execution was watched.
    Execution,
    /// The block's access list (EIP-7928).
    BlockAccessList,
    /// The transaction's access list (EIP-2930). It does not tell reads from writes, so each slot
    /// counts as both.
    AccessList,
    /// The access set that the compiler derived from the code.
    Symbolic,
    /// What earlier calls of this function touched.
    History,
    /// The transaction itself: sender, nonce, value, recipient, fee recipient.
    Sender,
}

impl Source {
    /// All of them, in order.
    pub const ALL: [Source; 6] = [
        Source::Execution,
        Source::BlockAccessList,
        Source::AccessList,
        Source::Symbolic,
        Source::History,
        Source::Sender,
    ];

    /// As the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            Source::Execution => "execution",
            Source::BlockAccessList => "block access list",
            Source::AccessList => "access list",
            Source::Symbolic => "symbolic",
            Source::History => "history",
            Source::Sender => "sender",
        }
    }
}

/// What one transaction touches, or is expected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accesses {
    /// Keys that it reads.
    pub reads: Vec<Key>,
    /// Keys that it writes.
    pub writes: Vec<Key>,
    /// Accounts whose balance it adds to without looking at it. Credits have no order among each
    /// other, but whoever reads the balance comes after them.
    pub credits: Vec<Address>,
    /// Whether that is all, as far as the source can tell.
    pub complete: bool,
    /// The most trusted source that told more than the transaction itself does; else
    /// [`Source::Sender`].
    pub source: Source,
}

impl Accesses {
    /// Nothing yet.
    pub fn new(source: Source) -> Accesses {
        Accesses {
            reads: Vec::new(),
            writes: Vec::new(),
            credits: Vec::new(),
            complete: true,
            source,
        }
    }
}
