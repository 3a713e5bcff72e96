//! Which ebbs may a call of one function run, and which functions are there?
//!
//! # Method
//! Frames are walked over the ebbs ([`crate::symbolic`]). A branch that tests the selector goes one
//! way, all others go both ways, whatever their condition: so it does not matter which of several
//! frames comes to an ebb first. An ebb is walked once for each list of return addresses that
//! stand on the stack; a computed jump goes where its frame says. Where that is unknown, and beyond
//! a bound, everything follows that flow leads to.
//!
//! # Soundness
//! Beyond a computed jump that no frame knows the target of, every jump destination follows. So no
//! ebb that a call with the selector runs is missing. Selectors are those that the code compares
//! with before any function runs; a dispatcher that is no comparison (a table) hides them.

use crate::analysis::Analysis;
use crate::flow::{EbbId, Term};
use crate::fold::evaluate;
use crate::limits::{REACH_STEPS_MAX, STACK_HEIGHT_MAX};
use crate::program::OpKind;
use crate::symbolic::{
    Ending, Expr, ExprId, Expressions, Frame, Memory, Seen, Symbols, Watch, is_taken,
};
use alloy_primitives::U256;
use std::collections::BTreeSet;

/// How a code finds the function that a call wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dispatch {
    /// The selectors that it compares calldata with.
    pub selectors: BTreeSet<u32>,
    /// The ebbs that do so, and those for calldata that begins with no selector of these.
    pub ebbs: BTreeSet<EbbId>,
}

/// Watches nothing: what no expression stands for is unknown.
struct Blind;

impl Watch for Blind {
    fn node(&mut self, _: &mut Expressions, _: &Seen<'_>, _: &Memory) -> Option<Expr> {
        None
    }
}

struct Walker<'a> {
    symbols: Symbols<'a>,
    /// `None`: walks end where a function begins.
    selector: Option<u32>,
    found: Dispatch,
    /// Where a walk could not go on.
    cuts: Vec<EbbId>,
}

impl Analysis {
    /// The selectors that the code compares with, and where.
    pub fn dispatch(&self) -> Dispatch {
        Walker::new(self, None).walk().found
    }

    /// The selectors that the code compares with.
    pub fn selectors(&self) -> BTreeSet<u32> {
        self.dispatch().selectors
    }

    /// The ebbs that calls with this selector may run.
    pub fn reached(&self, selector: u32) -> BTreeSet<EbbId> {
        let walker = Walker::new(self, Some(selector)).walk();
        let mut reached = walker.found.ebbs;
        let (mut work, mut seen) = (walker.cuts, BTreeSet::new());
        while let Some(id) = work.pop() {
            if seen.insert(id) {
                reached.insert(id);
                let term = self.flow.ebb(id).term;
                work.extend(term.successors());
                if term.is_computed() {
                    work.extend(self.flow.ids().filter(|to| self.flow.ebb(*to).computed_entry));
                }
            }
        }
        reached
    }
}

impl<'a> Walker<'a> {
    fn new(analysis: &'a Analysis, selector: Option<u32>) -> Walker<'a> {
        let (symbols, found) = (Symbols::new(analysis, None), Dispatch::default());
        Walker { symbols, selector, found, cuts: Vec::new() }
    }

    fn walk(mut self) -> Walker<'a> {
        let (mut seen, mut steps) = (BTreeSet::new(), 0);
        let mut work = vec![Frame::new()];
        while let Some(mut frame) = work.pop() {
            let addresses = self.addresses(&frame);
            let known = seen.contains(&(frame.at, addresses.clone()));
            if known || frame.stack().len() > STACK_HEIGHT_MAX as usize {
                continue;
            }
            steps += 1;
            if steps > REACH_STEPS_MAX {
                self.cuts.push(frame.at);
                continue;
            }
            self.found.ebbs.insert(frame.at);
            // A frame that fails says nothing of others that come here.
            if let Some(ending) = self.symbols.run(&mut frame, &mut Blind) {
                for to in self.next(&frame, ending, &addresses) {
                    let mut frame = frame.clone();
                    frame.at = to;
                    work.push(frame);
                }
                seen.insert((frame.at, addresses));
            }
        }
        self
    }

    /// The jump destinations on the stack, nearest first.
    fn addresses(&self, frame: &Frame) -> Vec<u64> {
        let cfg = &self.symbols.analysis.cfg;
        let numbers = frame.stack().iter().rev().filter_map(|id| self.symbols.all.number(*id));
        numbers.filter(|pc| cfg.jumpdest(*pc).is_some()).collect()
    }

    /// Where a frame goes on at the end of its ebb.
    fn next(&mut self, frame: &Frame, (kind, args): Ending, addresses: &[u64]) -> Vec<EbbId> {
        let [a, b, _] = args;
        match self.symbols.analysis.flow.ebb(frame.at).term {
            Term::BadJump | Term::Halt => Vec::new(),
            Term::Goto(to) => vec![to],
            Term::Branch { taken, fall } => {
                let side = self.side(kind, args);
                let taken = taken.filter(|_| side != Some(false));
                let fall = Some(fall).filter(|_| side != Some(true));
                fall.into_iter().chain(taken).collect()
            }
            Term::Computed => self.computed(frame.at, a, addresses).into_iter().collect(),
            Term::ComputedBranch { fall } => {
                self.computed(frame.at, b, addresses).into_iter().chain([fall]).collect()
            }
        }
    }

    /// Where a computed jump goes. The walk is cut where that is unknown, or may be another place
    /// for another frame: the target did not stand on the stack.
    fn computed(&mut self, at: EbbId, target: ExprId, addresses: &[u64]) -> Option<EbbId> {
        let analysis = self.symbols.analysis;
        match self.symbols.all.number(target) {
            Some(pc) if addresses.contains(&pc) => {
                analysis.flow.general(analysis.cfg.jumpdest(pc)?)
            }
            _ => {
                self.cuts.push(at);
                None
            }
        }
    }

    /// Whether a conditional jump is taken, if it tests the selector.
    fn side(&mut self, kind: OpKind, args: [ExprId; 3]) -> Option<bool> {
        let [a, b, _] = args;
        let compared = self.symbols.compared_selector(kind, args);
        self.found.selectors.extend(compared);
        let Some(selector) = self.selector else {
            // The functions themselves are not walked.
            return compared.map(|_| kind == OpKind::JumpNe);
        };
        let size = self.symbols.all.all[a.index()] == Expr::CallDataSize;
        let few = self.symbols.all.number(b).is_some_and(|bytes| bytes <= 4);
        match kind {
            // A call with a selector has at least its four bytes.
            OpKind::JumpLt if size && few => return Some(false),
            OpKind::JumpGe if size && few => return Some(true),
            _ => {}
        }
        let (first, tests) = self.value(a, selector)?;
        if matches!(kind, OpKind::JumpIf | OpKind::JumpIfZero) {
            return tests.then(|| is_taken(kind, first, U256::ZERO));
        }
        let (second, too) = self.value(b, selector)?;
        (tests || too).then(|| is_taken(kind, first, second))
    }

    /// What a constant, the selector, or one op of both is worth, and whether the selector is in
    /// it.
    fn value(&self, id: ExprId, selector: u32) -> Option<(U256, bool)> {
        let plain = |id: ExprId| match self.symbols.is_selector(id) {
            true => Some((U256::from(selector), true)),
            false => self.symbols.all.constant(id).map(|word| (word, false)),
        };
        if let Some(known) = plain(id) {
            return Some(known);
        }
        let Expr::Pure(kind, args, imm) = &self.symbols.all.all[id.index()] else { return None };
        let (mut words, mut tests) = ([U256::ZERO; 3], false);
        for (word, arg) in words.iter_mut().zip(args) {
            let (value, test) = plain(*arg)?;
            (*word, tests) = (value, tests || test);
        }
        Some((evaluate(*kind, words[0], words[1], words[2], *imm)?, tests))
    }
}
