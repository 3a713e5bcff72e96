//! Which constants stand on the stack when an ebb is entered, and how long EVM memory is at least?
//!
//! # Terms
//! The *facts* of an ebb are, for the top [`FACT_DEPTH_MAX`] stack depths, a constant that stands
//! there on every entry, and a lower bound of the memory size in bytes.
//!
//! # Soundness
//! A forward must-analysis over the edges of [`crate::flow`]: facts of an ebb are the meet over all
//! its predecessors' exits; the start of the code and the targets of computed jumps know nothing.
//! It begins optimistic, so it holds only at the fixpoint: if the rounds run out before, all facts
//! are dropped. Memory of a frame never shrinks, so a lower bound stays one.

use crate::flow::{Abs, Ebb, EbbId, Flow};
use crate::limits::{FACT_DEPTH_MAX, FIXPOINT_ROUNDS_MAX};

/// What holds on every entry of an ebb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Bit `d`: the value at depth `d` is `constants[d]`.
    known: u16,
    /// Bit `d`: that is the pc of a PUSH whose immediate it is.
    literal: u16,
    constants: [i64; FACT_DEPTH_MAX],
    /// EVM memory is at least this long.
    pub memory_bytes: u32,
}

impl Facts {
    /// Nothing is known.
    pub const NONE: Facts =
        Facts { known: 0, literal: 0, constants: [0; FACT_DEPTH_MAX], memory_bytes: 0 };

    /// The constant at `depth`, as an [`Abs::Const`] or [`Abs::Literal`].
    pub fn constant(&self, depth: u32) -> Option<Abs> {
        let depth = depth as usize;
        if depth >= FACT_DEPTH_MAX || self.known >> depth & 1 == 0 {
            return None;
        }
        let constant = self.constants[depth];
        Some(match self.literal >> depth & 1 {
            0 => Abs::Const(constant),
            _ => Abs::Literal(constant as u32),
        })
    }

    fn learn(&mut self, depth: usize, value: Abs) {
        let (constant, literal) = match value {
            Abs::Const(constant) => (constant, 0),
            Abs::Literal(pc) => (i64::from(pc), 1),
            Abs::Entry(_) | Abs::Unknown => return,
        };
        self.known |= 1 << depth;
        self.literal |= literal << depth;
        self.constants[depth] = constant;
    }

    fn meet(&mut self, other: &Facts) -> bool {
        let old = (self.known, self.memory_bytes);
        self.known &= other.known & !(self.literal ^ other.literal);
        let mut left = self.known;
        while left != 0 {
            let depth = left.trailing_zeros() as usize;
            left &= left - 1;
            if self.constants[depth] != other.constants[depth] {
                self.known &= !(1 << depth);
            }
        }
        self.memory_bytes = self.memory_bytes.min(other.memory_bytes);
        old != (self.known, self.memory_bytes)
    }

    /// The facts after an ebb, given those before it.
    fn after(&self, ebb: &Ebb, exit: &[Abs]) -> Facts {
        let mut out = Facts::NONE;
        let explicit = exit.len().min(FACT_DEPTH_MAX);
        for (depth, value) in exit.iter().rev().enumerate().take(explicit) {
            match *value {
                Abs::Entry(from) => {
                    self.constant(from).into_iter().for_each(|k| out.learn(depth, k));
                }
                value => out.learn(depth, value),
            }
        }
        for depth in exit.len()..FACT_DEPTH_MAX {
            let from = ebb.pops + (depth - exit.len()) as u32;
            self.constant(from).into_iter().for_each(|k| out.learn(depth, k));
        }
        out.memory_bytes = self.memory_bytes.max(ebb.memory_bytes);
        out
    }
}

/// The ebbs that are reachable, each before its successors (but for back edges).
pub fn reverse_postorder(flow: &Flow) -> Vec<EbbId> {
    let mut seen = vec![false; flow.ebbs.len()];
    let mut order = Vec::with_capacity(flow.ebbs.len());
    let mut stack: Vec<(EbbId, bool)> = Vec::new();
    let roots = flow.ids().filter(|id| id.0 != 0 && flow.ebb(*id).computed_entry);
    stack.extend(roots.rev().map(|id| (id, false)));
    stack.push((EbbId(0), false));
    while let Some((id, done)) = stack.pop() {
        if done {
            order.push(id);
        } else if !std::mem::replace(&mut seen[id.index()], true) {
            stack.push((id, true));
            for next in flow.ebb(id).term.successors() {
                if !seen[next.index()] {
                    stack.push((next, false));
                }
            }
        }
    }
    order.reverse();
    order
}

/// The facts of every ebb.
pub fn facts(flow: &Flow, order: &[EbbId]) -> Vec<Facts> {
    let mut facts: Vec<Option<Facts>> = vec![None; flow.ebbs.len()];
    for id in flow.ids() {
        if id.0 == 0 || flow.ebb(id).computed_entry {
            facts[id.index()] = Some(Facts::NONE);
        }
    }
    for _ in 0..FIXPOINT_ROUNDS_MAX {
        let mut changed = false;
        for id in order {
            let Some(before) = facts[id.index()] else { continue };
            let ebb = flow.ebb(*id);
            if ebb.term.successors().next().is_none() {
                continue;
            }
            let after = before.after(ebb, flow.exit(*id));
            for next in ebb.term.successors() {
                match &mut facts[next.index()] {
                    Some(old) => changed |= old.meet(&after),
                    slot => {
                        *slot = Some(after);
                        changed = true;
                    }
                }
            }
        }
        if !changed {
            return facts.into_iter().map(|f| f.unwrap_or(Facts::NONE)).collect();
        }
    }
    vec![Facts::NONE; flow.ebbs.len()]
}
