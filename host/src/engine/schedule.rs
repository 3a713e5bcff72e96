//! What the caller knows of a block, and how a crew goes about it.

use super::times::Expected;
use super::wide::Wide;
use crate::plan::{BlockAccessList, Waits};
use crate::types::Fallback;

/// What the caller knows of a block before it runs. None of it needs to be true.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Hints<'h> {
    /// Which transactions wait for which.
    pub waits: Option<&'h Waits>,
    /// What each transaction changes (EIP-7928). With it all can run at once.
    pub block_access_list: Option<&'h BlockAccessList>,
    /// Records what each transaction touches.
    pub record: bool,
}

impl<'h> Hints<'h> {
    /// The same with other [`waits`](Hints::waits).
    #[must_use]
    pub fn with_waits(self, waits: Option<&'h Waits>) -> Hints<'h> {
        Hints { waits, ..self }
    }

    /// The same with another [`block_access_list`](Hints::block_access_list).
    #[must_use]
    pub fn with_block_access_list(self, list: Option<&'h BlockAccessList>) -> Hints<'h> {
        Hints { block_access_list: list, ..self }
    }

    /// The same with another [`record`](Hints::record).
    #[must_use]
    pub fn with_record(self, record: bool) -> Hints<'h> {
        Hints { record, ..self }
    }
}

/// How a crew goes about a block.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// Threads besides the one that calls.
    pub helpers: usize,
    /// Which transactions wait for which.
    pub waits: Waits,
    /// Per transaction: it is light. Beyond its end: it is not.
    pub light: Vec<bool>,
    /// How many transactions beyond the committed ones may run ahead.
    pub window: usize,
    /// Per transaction: if it runs ahead, it leaves versions. Beyond its end: it does not.
    pub publish: Vec<bool>,
    /// What was expected to be fastest, if that was asked.
    pub expected: Option<Expected>,
    /// What a device runs ahead, if one does.
    pub wide: Option<Wide>,
    /// Why CPU threads execute what the device does not get, if one was asked for.
    pub aside: Option<Fallback>,
}

impl Schedule {
    /// One thread executes the block in order.
    pub(super) fn is_alone(&self) -> bool {
        self.helpers == 0 && self.wide.is_none()
    }

    /// The transaction is not worth to be run ahead.
    pub(super) fn is_light(&self, index: usize) -> bool {
        self.light.get(index).is_some_and(|light| *light)
    }
}
