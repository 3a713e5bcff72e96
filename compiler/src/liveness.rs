//! Which stack slots and words of EVM memory can anybody still read when an ebb is left?
//!
//! # Terms
//! A mask has one bit per stack depth (0 = top); bit 63 stands for depth 63 and all below.
//!
//! # Soundness
//! A backward may-analysis: a depth is live before an ebb if one of its insts reads it (DUP, SWAP
//! and POP only move values), or if its value stands at a live depth after it. After a computed
//! jump everything is live. It begins with the empty sets, so it holds only at the fixpoint; if the
//! rounds run out before, everything is live everywhere. What later passes do only removes reads.

use crate::flow::{Abs, EbbId, Flow, Words};
use crate::limits::FIXPOINT_ROUNDS_MAX;

/// A set of stack depths.
pub type Depths = u64;

/// Every depth.
pub const ALL_DEPTHS: Depths = u64::MAX;

const DEEPEST: u32 = 63;

/// Whether `depth` is in `set`.
pub fn contains(set: Depths, depth: u32) -> bool {
    set >> depth.min(DEEPEST) & 1 == 1
}

/// What is live at the exit of an ebb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Stack depths.
    pub depths: Depths,
    /// Words of EVM memory.
    pub words: Words,
}

impl Live {
    /// Everything is live.
    pub const ALL: Live = Live { depths: ALL_DEPTHS, words: Words::MAX };
}

/// What is live before every ebb.
pub fn live_in(flow: &Flow, reverse_postorder: &[EbbId]) -> Vec<Live> {
    let mut live_in = vec![Live::default(); flow.ebbs.len()];
    for _ in 0..FIXPOINT_ROUNDS_MAX {
        let mut changed = false;
        for id in reverse_postorder.iter().rev() {
            let ebb = flow.ebb(*id);
            let after = after(flow, *id, &live_in, |_| true);
            let live = Live {
                depths: before(flow, *id, after.depths),
                words: ebb.words_read | after.words & !ebb.words_written,
            };
            changed |= live != live_in[id.index()];
            live_in[id.index()] = live;
        }
        if !changed {
            return live_in;
        }
    }
    vec![Live::ALL; flow.ebbs.len()]
}

/// What is live after an ebb for those of its successors that `counts` names.
pub fn after(flow: &Flow, id: EbbId, live_in: &[Live], counts: impl Fn(EbbId) -> bool) -> Live {
    let term = flow.ebb(id).term;
    if term.is_computed() {
        return Live::ALL;
    }
    let successors = term.successors().filter(|next| counts(*next));
    successors.map(|next| live_in[next.index()]).fold(Live::default(), |set, live| Live {
        depths: set.depths | live.depths,
        words: set.words | live.words,
    })
}

/// The depths live before an ebb, given those live after it.
fn before(flow: &Flow, id: EbbId, after: Depths) -> Depths {
    let ebb = flow.ebb(id);
    let mut set = ebb.used;
    if after == 0 {
        return set;
    }
    let exit = flow.exit(id);
    let height = exit.len() as u32;
    for (above, value) in exit.iter().enumerate() {
        if !contains(after, height - 1 - above as u32) {
            continue;
        }
        match *value {
            Abs::Entry(depth) => set |= 1 << depth.min(DEEPEST),
            // A constant of the context that still stands in its own slot is left there, not
            // written again, so it must be there from before.
            Abs::Const(constant) => {
                if let Some(depth) = ebb.pops.checked_sub(1 + above as u32)
                    && flow.context(id).contains(&(depth, constant))
                {
                    set |= 1 << depth.min(DEEPEST);
                }
            }
            Abs::Literal(_) | Abs::Unknown => {}
        }
    }
    // What the ebb never touched only changes its depth: from `depth - height + pops`.
    let untouched = if height > DEEPEST { 0 } else { after >> height };
    let deep_after = contains(after, DEEPEST);
    let mut moved = if ebb.pops > DEEPEST {
        if untouched != 0 { 1 << DEEPEST } else { 0 }
    } else {
        untouched << ebb.pops
    };
    let cut = ebb.pops > 0 && ebb.pops <= DEEPEST && untouched >> (64 - ebb.pops) != 0;
    if cut || (deep_after && ebb.pops > DEEPEST) {
        moved |= 1 << DEEPEST;
    }
    if deep_after {
        // All depths from 63 on after it are live: so are all that they come from.
        let from = (DEEPEST.max(height) - height + ebb.pops).min(DEEPEST);
        moved |= ALL_DEPTHS << from;
    }
    set | moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_depths_share_a_bit() {
        assert!(contains(1 << 63, 63) && contains(1 << 63, 900) && !contains(1 << 63, 62));
    }
}
