//! What is measured and recorded on the way through a block.

use std::collections::BTreeMap;
use std::time::Duration;

use super::commit::accesses;
use crate::instance::decode::Overlay;
use crate::instance::session::Session;
use crate::plan::Accesses;
use crate::redo::Redo;
use crate::types::Refusal;

/// What the device did of a block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fed {
    /// Groups that it ran.
    pub groups: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// The time that they took.
    pub time: Duration,
}

/// What is measured on the way through a block.
#[derive(Default)]
pub(super) struct Walk {
    /// What a device ran ahead, and how many CPU threads did beside it.
    pub fed: Fed,
    pub beside: u64,
    /// Transactions executed again.
    pub replays: u64,
    /// Transactions that were patched instead.
    pub redone: u64,
    /// Why others were not.
    pub refused: BTreeMap<Refusal, u64>,
    /// Transactions that were executed once.
    pub first_final: u64,
    pub in_order: Duration,
    pub committed: Duration,
    /// Deriving what functions do, for redo.
    pub derive: Duration,
    /// Seconds until another thread had begun, and until all had stopped.
    pub wake: f64,
    pub join: f64,
    /// What each transaction touched, if that is to be recorded.
    pub accesses: Option<Vec<Accesses>>,
    /// Memory for redo.
    pub redo: Redo,
}

impl Walk {
    /// Of a block; what its transactions touch is recorded or not.
    pub(super) fn new(record: bool) -> Walk {
        Walk { accesses: record.then(Vec::new), ..Walk::default() }
    }

    /// Records what a transaction touched.
    pub(super) fn record<DB>(&mut self, overlay: &Overlay<'_>, session: &Session<'_, DB>) {
        if let Some(list) = &mut self.accesses {
            list.push(accesses(overlay, session.env.block.beneficiary));
        }
    }
}
