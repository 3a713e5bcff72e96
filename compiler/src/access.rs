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
use crate::hash::mix;
use crate::limits::*;
use crate::program::OpKind;
use crate::symbolic::{
    Ending, Expressions, Frame, Memory, Seen, Symbols, Watch, expr_text, keep, value_of,
};
use alloy_primitives::{Address, U256, keccak256};
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
    /// Accounts whose code may run in this one's stead: DELEGATECALL with calldata as it came, as
    /// proxies do.
    pub delegates: Vec<ExprId>,
    /// The expressions that these are, or are made of.
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

/// What evaluations keep from one to the next: memory, and hashes of two words, which are most of
/// what an evaluation costs and come again from call to call (balances of a pool, of a router).
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    values: Vec<Option<U256>>,
    /// Direct-mapped; empty until the first hash.
    hashes: Vec<Option<([U256; 2], U256)>>,
}

impl Scratch {
    /// Forgets all hashes.
    pub fn clear(&mut self) {
        self.hashes.fill(None);
    }

    /// The value of an expression whose operands have theirs.
    fn value_of(&mut self, expr: &Expr, env: &Env<'_>) -> Option<U256> {
        let of = |id: ExprId| self.values[id.index()];
        match expr {
            Expr::Keccak(words) if words.len() == 2 => {
                Some(hash_pair([of(words[0])?, of(words[1])?], &mut self.hashes))
            }
            _ => value_of(expr, env, of),
        }
    }
}

/// keccak256 of two words, remembered.
fn hash_pair(words: [U256; 2], hashes: &mut Vec<Option<([U256; 2], U256)>>) -> U256 {
    hashes.resize(ACCESS_HASHES_KEPT, None);
    let limbs = words.iter().flat_map(|word| word.as_limbs());
    let at = limbs.fold(0, |hash, limb| mix(hash, *limb)) as usize % ACCESS_HASHES_KEPT;
    if let Some((known, hash)) = &hashes[at]
        && *known == words
    {
        return *hash;
    }
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&words[0].to_be_bytes::<32>());
    bytes[32..].copy_from_slice(&words[1].to_be_bytes::<32>());
    let hash = keccak256(bytes).into();
    hashes[at] = Some((words, hash));
    hash
}

/// What [`AccessSet::evaluate_into`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// An access to a storage key, or to an account in the low 20 bytes.
    Access(AccessKind, U256),
    /// The code of this account runs with the same calldata.
    Delegate(Address),
}

impl AccessSet {
    /// Bytes of memory that it takes, about.
    pub fn bytes(&self) -> usize {
        size_of::<AccessSet>()
            + size_of_val(&self.accesses[..])
            + size_of_val(&self.delegates[..])
            + size_of_val(&self.expressions[..])
            + self.expressions.iter().map(|e| size_of_val(e.operands())).sum::<usize>()
    }

    /// The keys and accounts for one call.
    pub fn evaluate(&self, env: &Env<'_>) -> Accessed {
        let mut out = Accessed::default();
        let complete = self.evaluate_into(env, &mut Scratch::default(), &mut |found| {
            match found {
                Found::Access(AccessKind::Read, key) => out.reads.insert(key),
                Found::Access(AccessKind::Write, key) => out.writes.insert(key),
                Found::Access(AccessKind::Account, account) => {
                    out.accounts.insert(Address::from_word(account.into()))
                }
                Found::Delegate(_) => false,
            };
        });
        out.complete = complete;
        out
    }

    /// The same, one after the other; says whether that is all that the code itself touches. What
    /// it finds may come more than once.
    pub fn evaluate_into(
        &self,
        env: &Env<'_>,
        scratch: &mut Scratch,
        see: &mut dyn FnMut(Found),
    ) -> bool {
        scratch.values.clear();
        for expr in &self.expressions {
            let value = scratch.value_of(expr, env);
            scratch.values.push(value);
        }
        let values = &scratch.values;
        let mut complete = self.complete;
        for (kind, id) in &self.accesses {
            match values[id.index()] {
                Some(value) => see(Found::Access(*kind, value)),
                None => complete = false,
            }
        }
        for id in &self.delegates {
            if let Some(value) = values[id.index()] {
                see(Found::Delegate(Address::from_word(value.into())));
            }
        }
        complete
    }

    /// Drops expressions that no access is made of.
    fn prune(&mut self) {
        let mut used = vec![false; self.expressions.len()];
        let accessed = self.accesses.iter().map(|(_, id)| id);
        accessed.chain(&self.delegates).for_each(|id| used[id.index()] = true);
        // Operands come before what uses them.
        for i in (0..used.len()).rev() {
            if used[i] {
                self.expressions[i].operands().iter().for_each(|id| used[id.index()] = true);
            }
        }
        let places = keep(&mut self.expressions, &used);
        let accessed = self.accesses.iter_mut().map(|(_, id)| id);
        accessed.chain(&mut self.delegates).for_each(|id| *id = places[id.index()]);
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
type Accesses = Vec<(AccessKind, ExprId)>;

/// Notes what nodes access.
struct Watcher<'a> {
    accesses: &'a mut Accesses,
    delegates: &'a mut BTreeSet<ExprId>,
}

impl Watcher<'_> {
    /// Notes a DELEGATECALL whose data is as long as calldata: then it is calldata.
    fn delegate(&mut self, all: &Expressions, seen: &Seen<'_>) {
        let [to, length] = [seen.args[1], seen.ext[1]];
        if seen.node.kind == OpKind::DelegateCall
            && !all.is_unknown(to)
            && all.all[length.index()] == Expr::CallDataSize
        {
            self.delegates.insert(to);
        }
    }
}

impl Watch for Watcher<'_> {
    fn node(&mut self, all: &mut Expressions, seen: &Seen<'_>, _: &Memory) -> Option<Expr> {
        use OpKind::*;
        let [a, b, _] = seen.args;
        let (kind, id) = match seen.node.kind {
            Sload => (AccessKind::Read, a),
            Sstore => (AccessKind::Write, a),
            Balance | ExtCodeSize | ExtCodeHash | ExtCodeCopy => (AccessKind::Account, a),
            Call | CallCode | DelegateCall | StaticCall => (AccessKind::Account, b),
            _ => return None,
        };
        self.accesses.push((kind, id));
        self.delegate(all, seen);
        Some(if kind == AccessKind::Read { Expr::Storage(a) } else { Expr::Unknown })
    }
}

struct Walker<'a> {
    symbols: Symbols<'a>,
    found: BTreeSet<(AccessKind, ExprId)>,
    delegates: BTreeSet<ExprId>,
    complete: bool,
}

impl Analysis {
    /// The accesses of calls with this selector; `None`: with any calldata.
    pub fn access_set(&self, selector: Option<u32>) -> AccessSet {
        let walker = Walker::new(self, selector).walk();
        let mut set = AccessSet {
            selector,
            accesses: walker.found.into_iter().collect(),
            delegates: walker.delegates.into_iter().collect(),
            expressions: walker.symbols.all.all,
            complete: walker.complete,
        };
        set.prune();
        set
    }

    /// All selectors, and any other calldata.
    pub(crate) fn every_call(&self) -> Vec<Option<u32>> {
        self.selectors().into_iter().map(Some).chain([None]).collect()
    }

    /// The access sets of all selectors and of any other calldata, as text.
    pub fn access_text(&self) -> String {
        self.access_text_of(&self.every_call())
    }

    pub(crate) fn access_text_of(&self, selectors: &[Option<u32>]) -> String {
        let mut out = String::new();
        for set in selectors.iter().map(|selector| self.access_set(*selector)) {
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
        let (found, delegates) = (BTreeSet::new(), BTreeSet::new());
        Walker { symbols, found, delegates, complete: true }
    }

    fn walk(mut self) -> Walker<'a> {
        let mut work = vec![Path { frame: Frame::new(), accesses: Accesses::new() }];
        let mut steps = 0;
        while let Some(mut path) = work.pop() {
            steps += 1;
            if steps > ACCESS_STEPS_MAX || path.frame.visit() > ACCESS_VISITS_MAX {
                self.cut(path);
                continue;
            }
            let delegates = &mut self.delegates;
            let mut watcher = Watcher { accesses: &mut path.accesses, delegates };
            if let Some(ending) = self.symbols.run(&mut path.frame, &mut watcher) {
                self.leave(path, ending, &mut work);
            }
        }
        if self.found.iter().any(|(_, id)| self.symbols.all.is_unknown(*id)) {
            self.complete = false;
        }
        self
    }

    fn found(&mut self, path: Path) {
        self.found.extend(path.accesses);
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
                    path.accesses.push((AccessKind::Account, args[0]));
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
