//! Which storage keys and accounts will a call touch, as expressions of its inputs?
//!
//! # Terms
//! Keys and addresses are expressions of what the host knows before it runs a transaction
//! ([`crate::symbolic`]), and of storage, where the host can read it. An [`AccessSet`] belongs to
//! one selector (the first four bytes of calldata) and lists the accesses on all paths from the
//! start of the code that can succeed with that selector.
//!
//! # Method
//! Paths are walked over the ebbs with a stack and a memory of expressions. A branch whose
//! condition is constant (the dispatcher's comparisons are, once the selector is) goes one way, all
//! others both ways. Paths that end in a revert are dropped: what they read does not conflict with
//! anyone.
//!
//! # Soundness
//! None is claimed: a set is a prediction. `complete` says that no path was cut and no key was
//! unknown; callee accesses are never part of it. Wrong predictions cost time in the host, never a
//! result.

use crate::analysis::Analysis;
use crate::flow::Term;
use crate::limits::*;
use crate::program::OpKind;
use crate::symbolic::{
    Ending, Expressions, Frame, Memory, Seen, Symbols, Watch, expr_text, value_of,
};
use alloy_primitives::{Address, U256};
use std::collections::BTreeSet;

pub use crate::symbolic::{Env, Expr, ExprId};

/// What an access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessKind {
    /// Reads a storage key.
    Read,
    /// Writes a storage key.
    Write,
    /// Reads or calls an account.
    Account,
}

/// The accesses of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessSet {
    /// The selector that they belong to; `None`: any calldata.
    pub selector: Option<u32>,
    /// What is touched, each once.
    pub accesses: Vec<(AccessKind, ExprId)>,
    /// The expressions.
    pub expressions: Vec<Expr>,
    /// Whether all accesses of this code (not of callees) are listed and derivable.
    pub complete: bool,
}

/// What a call will touch, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accessed {
    /// Storage keys that it may read.
    pub reads: BTreeSet<U256>,
    /// Storage keys that it may write.
    pub writes: BTreeSet<U256>,
    /// Accounts that it may read or call.
    pub accounts: BTreeSet<Address>,
    /// Whether that is all that the code itself touches.
    pub complete: bool,
}

impl AccessSet {
    /// The keys and accounts for one call.
    pub fn evaluate(&self, env: &Env<'_>) -> Accessed {
        let mut values: Vec<Option<U256>> = Vec::with_capacity(self.expressions.len());
        for expr in &self.expressions {
            let value = value_of(expr, env, |id| values[id.index()]);
            values.push(value);
        }
        let mut out = Accessed { complete: self.complete, ..Accessed::default() };
        for (kind, id) in &self.accesses {
            let Some(value) = values[id.index()] else {
                out.complete = false;
                continue;
            };
            match kind {
                AccessKind::Read => out.reads.insert(value),
                AccessKind::Write => out.writes.insert(value),
                AccessKind::Account => out.accounts.insert(Address::from_word(value.into())),
            };
        }
        out
    }

    /// An expression as text, such as `keccak(caller . 1)`.
    pub fn text(&self, id: ExprId) -> String {
        expr_text(&self.expressions, id)
    }
}

/// One path on its way.
#[derive(Clone)]
struct Path {
    frame: Frame,
    accesses: Accesses,
}

/// What a path accessed so far.
#[derive(Clone, Default)]
struct Accesses(Vec<(AccessKind, ExprId)>);

impl Watch for Accesses {
    fn node(&mut self, _: &mut Expressions, seen: &Seen<'_>, _: &Memory) -> Option<Expr> {
        use OpKind::*;
        let [a, b, _] = seen.args;
        let (kind, id) = match seen.node.kind {
            Sload => (AccessKind::Read, a),
            Sstore => (AccessKind::Write, a),
            Balance | ExtCodeSize | ExtCodeHash | ExtCodeCopy => (AccessKind::Account, a),
            Call | CallCode | DelegateCall | StaticCall => (AccessKind::Account, b),
            _ => return None,
        };
        self.0.push((kind, id));
        Some(if kind == AccessKind::Read { Expr::Storage(a) } else { Expr::Unknown })
    }
}

struct Walker<'a> {
    symbols: Symbols<'a>,
    found: BTreeSet<(AccessKind, ExprId)>,
    complete: bool,
}

impl Analysis {
    /// The accesses of calls with this selector; `None`: with any calldata.
    pub fn access_set(&self, selector: Option<u32>) -> AccessSet {
        let walker = Walker::new(self, selector).walk();
        AccessSet {
            selector,
            accesses: walker.found.into_iter().collect(),
            expressions: walker.symbols.all.all,
            complete: walker.complete,
        }
    }

    /// The selectors that the code compares with.
    pub fn selectors(&self) -> BTreeSet<u32> {
        Walker::new(self, None).walk().symbols.selectors
    }

    /// The access sets of all selectors and of any other calldata, as text.
    pub fn access_text(&self) -> String {
        let mut out = String::new();
        let selectors = self.selectors();
        let all = selectors.iter().map(|selector| Some(*selector)).chain([None]);
        for set in all.map(|selector| self.access_set(selector)) {
            let name = set.selector.map_or("any".to_owned(), |s| format!("{s:#010x}"));
            out += &format!("{name}{}\n", if set.complete { "" } else { " incomplete" });
            for (kind, id) in &set.accesses {
                let kind = match kind {
                    AccessKind::Read => "read",
                    AccessKind::Write => "write",
                    AccessKind::Account => "account",
                };
                out += &format!("  {kind} {}\n", set.text(*id));
            }
        }
        out
    }
}

impl<'a> Walker<'a> {
    fn new(analysis: &'a Analysis, selector: Option<u32>) -> Walker<'a> {
        let symbols = Symbols::new(analysis, selector);
        Walker { symbols, found: BTreeSet::new(), complete: true }
    }

    fn walk(mut self) -> Walker<'a> {
        let mut work = vec![Path { frame: Frame::new(), accesses: Accesses::default() }];
        let mut steps = 0;
        while let Some(mut path) = work.pop() {
            steps += 1;
            if steps > ACCESS_STEPS_MAX || path.frame.visit() > ACCESS_VISITS_MAX {
                self.cut(path);
                continue;
            }
            if let Some(ending) = self.symbols.run(&mut path.frame, &mut path.accesses) {
                self.leave(path, ending, &mut work);
            }
        }
        if self.found.iter().any(|(_, id)| self.symbols.all.is_unknown(*id)) {
            self.complete = false;
        }
        self
    }

    fn found(&mut self, path: Path) {
        self.found.extend(path.accesses.0);
    }

    /// The path goes on, but not here.
    fn cut(&mut self, path: Path) {
        self.complete = false;
        self.found(path);
    }

    /// Puts the paths that go on from the end of an ebb into `work`.
    fn leave(&mut self, mut path: Path, (kind, args): Ending, work: &mut Vec<Path>) {
        let mut go = |to, mut path: Path| {
            path.frame.at = to;
            work.push(path);
        };
        match self.symbols.analysis.flow.ebb(path.frame.at).term {
            Term::BadJump => {}
            Term::Halt => {
                if kind == OpKind::SelfDestruct {
                    path.accesses.0.push((AccessKind::Account, args[0]));
                }
                if !matches!(kind, OpKind::Revert | OpKind::Invalid | OpKind::BadJump) {
                    self.found(path);
                }
            }
            Term::Goto(to) => go(to, path),
            Term::Branch { taken, fall } => {
                let taken_too = self.symbols.decide(kind, args);
                if taken_too != Some(true) {
                    go(fall, path.clone());
                }
                if let (Some(taken), true) = (taken, taken_too != Some(false)) {
                    go(taken, path);
                }
            }
            Term::Computed | Term::ComputedBranch { .. } => self.cut(path),
        }
    }
}
