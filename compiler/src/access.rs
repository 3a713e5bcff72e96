//! Which storage keys and accounts will a call touch, as expressions of its inputs?
//!
//! # Terms
//! An *expression* is built from constants and from what the host knows before it runs a
//! transaction: calldata, caller, address, origin, value; and from storage, where the host can
//! read it. An [`AccessSet`] belongs to one selector (the first four bytes of calldata) and lists
//! the accesses on all paths from the start of the code that can succeed with that selector.
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
use crate::flow::{EbbId, Term};
use crate::fold::evaluate;
use crate::graph::{Graph, Node};
use crate::hash::mix;
use crate::limits::*;
use crate::program::OpKind;
use crate::value::{Val, ValKind};
use alloy_primitives::{Address, U256, keccak256};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An expression, by its place in [`AccessSet::expressions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExprId(pub u32);

/// A value known before execution. Operands come before the expressions that use them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// Not derivable.
    Unknown,
    /// A constant.
    Const(U256),
    /// CALLER.
    Caller,
    /// ADDRESS.
    Address,
    /// ORIGIN.
    Origin,
    /// CALLVALUE.
    CallValue,
    /// CALLDATASIZE.
    CallDataSize,
    /// The calldata word at an offset.
    CallData(ExprId),
    /// The hash of words.
    Keccak(Vec<ExprId>),
    /// What a storage key held before the transaction.
    Storage(ExprId),
    /// A pure op: kind, operands, immediate.
    Pure(OpKind, Vec<ExprId>, u32),
}

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

/// What the host knows of a call before it runs.
pub struct Env<'a> {
    /// CALLER.
    pub caller: Address,
    /// ADDRESS.
    pub address: Address,
    /// ORIGIN.
    pub origin: Address,
    /// CALLVALUE.
    pub value: U256,
    /// The calldata.
    pub call_data: &'a [u8],
    /// Reads a storage key of `address`, if it is at hand.
    pub storage: &'a dyn Fn(U256) -> Option<U256>,
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
    bytes: Vec<u8>,
    /// Direct-mapped; empty until the first hash.
    hashes: Vec<Option<([U256; 2], U256)>>,
}

impl Scratch {
    /// Forgets all hashes.
    pub fn clear(&mut self) {
        self.hashes.fill(None);
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
            let value = value_of(expr, env, scratch);
            scratch.values.push(value);
        }
        let values = &scratch.values;
        let mut complete = self.complete;
        for (kind, id) in &self.accesses {
            match values[id.0 as usize] {
                Some(value) => see(Found::Access(*kind, value)),
                None => complete = false,
            }
        }
        for id in &self.delegates {
            if let Some(value) = values[id.0 as usize] {
                see(Found::Delegate(Address::from_word(value.into())));
            }
        }
        complete
    }

    /// Drops expressions that no access is made of.
    fn prune(&mut self) {
        let mut used = vec![false; self.expressions.len()];
        let accessed = self.accesses.iter().map(|(_, id)| id);
        accessed.chain(&self.delegates).for_each(|id| used[id.0 as usize] = true);
        // Operands come before what uses them.
        for i in (0..used.len()).rev() {
            if used[i] {
                let operands = operands(&self.expressions[i]).iter();
                operands.for_each(|id| used[id.0 as usize] = true);
            }
        }
        let mut places = Vec::with_capacity(used.len());
        let mut count = 0;
        for used in &used {
            places.push(ExprId(count));
            count += u32::from(*used);
        }
        let mut used = used.into_iter();
        self.expressions.retain(|_| used.next() == Some(true));
        let moved = |id: &mut ExprId| *id = places[id.0 as usize];
        self.expressions.iter_mut().flat_map(operands_mut).for_each(moved);
        self.accesses.iter_mut().for_each(|(_, id)| moved(id));
        self.delegates.iter_mut().for_each(moved);
    }

    /// An expression as text, such as `keccak(caller . 1)`.
    pub fn text(&self, id: ExprId) -> String {
        let text = |id: &ExprId| self.text(*id);
        match &self.expressions[id.0 as usize] {
            Expr::Unknown => "unknown".to_owned(),
            Expr::Const(k) if *k < U256::from(0x1_0000) => format!("{k}"),
            Expr::Const(k) => format!("{k:#x}"),
            Expr::Caller => "caller".to_owned(),
            Expr::Address => "address".to_owned(),
            Expr::Origin => "origin".to_owned(),
            Expr::CallValue => "value".to_owned(),
            Expr::CallDataSize => "calldatasize".to_owned(),
            Expr::CallData(offset) => format!("calldata[{}]", self.text(*offset)),
            Expr::Storage(key) => format!("storage[{}]", self.text(*key)),
            Expr::Keccak(words) => {
                format!("keccak({})", words.iter().map(text).collect::<Vec<_>>().join(" . "))
            }
            Expr::Pure(kind, args, imm) => {
                let mut args: Vec<_> = args.iter().map(text).collect();
                if kind.shape().contains('i') {
                    args.push(imm.to_string());
                }
                format!("{}({})", kind.name().to_lowercase(), args.join(", "))
            }
        }
    }
}

fn operands(expr: &Expr) -> &[ExprId] {
    match expr {
        Expr::CallData(id) | Expr::Storage(id) => std::slice::from_ref(id),
        Expr::Keccak(ids) | Expr::Pure(_, ids, _) => ids,
        _ => &[],
    }
}

fn operands_mut(expr: &mut Expr) -> &mut [ExprId] {
    match expr {
        Expr::CallData(id) | Expr::Storage(id) => std::slice::from_mut(id),
        Expr::Keccak(ids) | Expr::Pure(_, ids, _) => ids,
        _ => &mut [],
    }
}

fn value_of(expr: &Expr, env: &Env<'_>, scratch: &mut Scratch) -> Option<U256> {
    let Scratch { values, bytes, hashes } = scratch;
    let of = |id: &ExprId| values[id.0 as usize];
    let account = |address: Address| U256::from_be_slice(address.as_slice());
    Some(match expr {
        Expr::Unknown => return None,
        Expr::Const(k) => *k,
        Expr::Caller => account(env.caller),
        Expr::Address => account(env.address),
        Expr::Origin => account(env.origin),
        Expr::CallValue => env.value,
        Expr::CallDataSize => U256::from(env.call_data.len()),
        Expr::CallData(offset) => {
            let offset = of(offset)?.saturating_to::<usize>().min(env.call_data.len());
            let mut word = [0; 32];
            let rest = &env.call_data[offset..];
            let n = rest.len().min(32);
            word[..n].copy_from_slice(&rest[..n]);
            U256::from_be_bytes(word)
        }
        Expr::Storage(key) => (env.storage)(of(key)?)?,
        Expr::Keccak(words) if words.len() == 2 => {
            hash_pair([of(&words[0])?, of(&words[1])?], hashes)
        }
        Expr::Keccak(words) => {
            bytes.clear();
            for word in words {
                bytes.extend(of(word)?.to_be_bytes::<32>());
            }
            keccak256(&*bytes).into()
        }
        Expr::Pure(kind, args, imm) => {
            let mut words = [U256::ZERO; 3];
            for (word, arg) in words.iter_mut().zip(args) {
                *word = of(arg)?;
            }
            evaluate(*kind, words[0], words[1], words[2], *imm)?
        }
    })
}

/// Expressions, each once.
#[derive(Default)]
struct Expressions {
    all: Vec<Expr>,
    known: HashMap<Expr, ExprId>,
}

impl Expressions {
    fn add(&mut self, expr: Expr) -> ExprId {
        if let Some(id) = self.known.get(&expr) {
            return *id;
        }
        let id = ExprId(self.all.len() as u32);
        self.all.push(expr.clone());
        self.known.insert(expr, id);
        id
    }

    fn constant(&self, id: ExprId) -> Option<U256> {
        match &self.all[id.0 as usize] {
            Expr::Const(k) => Some(*k),
            _ => None,
        }
    }

    fn is_unknown(&self, id: ExprId) -> bool {
        self.all[id.0 as usize] == Expr::Unknown
    }
}

/// One path on its way.
#[derive(Clone)]
struct Path {
    at: EbbId,
    stack: Vec<ExprId>,
    /// Values of the region that the path is in, per node.
    values: Vec<ExprId>,
    /// The stack at the entry of its root.
    root_stack: Vec<ExprId>,
    /// Words of EVM memory at constant offsets.
    memory: BTreeMap<u64, ExprId>,
    accesses: Vec<(AccessKind, ExprId)>,
    visits: BTreeMap<EbbId, u32>,
}

struct Walker<'a> {
    analysis: &'a Analysis,
    /// Per ebb: its place in `analysis.ebbs`.
    places: Vec<usize>,
    selector: Option<u32>,
    expressions: Expressions,
    found: BTreeSet<(AccessKind, ExprId)>,
    delegates: BTreeSet<ExprId>,
    selectors: BTreeSet<u32>,
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
            expressions: walker.expressions.all,
            complete: walker.complete,
        };
        set.prune();
        set
    }

    /// The selectors that the code compares with.
    pub fn selectors(&self) -> BTreeSet<u32> {
        Walker::new(self, None).walk().selectors
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
        let mut places = vec![usize::MAX; analysis.flow.ebbs.len()];
        for (i, ebb) in analysis.ebbs.iter().enumerate() {
            places[ebb.id.index()] = i;
        }
        Walker {
            analysis,
            places,
            selector,
            expressions: Expressions::default(),
            found: BTreeSet::new(),
            delegates: BTreeSet::new(),
            selectors: BTreeSet::new(),
            complete: true,
        }
    }

    fn walk(mut self) -> Walker<'a> {
        let mut work = vec![Path {
            at: EbbId(0),
            stack: Vec::new(),
            values: Vec::new(),
            root_stack: Vec::new(),
            memory: BTreeMap::new(),
            accesses: Vec::new(),
            visits: BTreeMap::new(),
        }];
        let mut steps = 0;
        while let Some(mut path) = work.pop() {
            steps += 1;
            let visits = path.visits.entry(path.at).or_default();
            *visits += 1;
            if steps > ACCESS_STEPS_MAX || *visits > ACCESS_VISITS_MAX {
                self.complete = false;
                self.found.append(&mut path.accesses.into_iter().collect());
                continue;
            }
            self.step(path, &mut work);
        }
        if self.found.iter().any(|(_, id)| self.expressions.is_unknown(*id)) {
            self.complete = false;
        }
        self
    }

    /// Runs one ebb and puts the paths that go on from it into `work`.
    fn step(&mut self, mut path: Path, work: &mut Vec<Path>) {
        let analysis = self.analysis;
        let ebb = &analysis.ebbs[self.places[path.at.index()]];
        let graph = &ebb.graph;
        if ebb.is_root {
            path.values.clear();
            path.root_stack = path.stack.clone();
        }
        if graph.pops as usize > path.root_stack.len() {
            return;
        }
        let mut values = std::mem::take(&mut path.values);
        let unknown = self.expressions.add(Expr::Unknown);
        values.resize(graph.first as usize, unknown);
        for node in &graph.nodes[graph.first as usize..] {
            let value = self.node(graph, node, &values, &mut path);
            values.push(value);
        }
        let end = graph.end.expect("a built graph has an end");
        let args = end.args.map(|v| self.value(v, &values, &path));
        let mut stack = path.root_stack.clone();
        stack.truncate(path.root_stack.len() - graph.pops as usize);
        stack.extend(graph.exit.iter().map(|v| self.value(*v, &values, &path)));
        path.stack = stack;
        path.values = values;
        let mut go = |to: EbbId, path: Path| work.push(Path { at: to, ..path });
        match analysis.flow.ebb(path.at).term {
            Term::BadJump => {}
            Term::Halt => {
                if end.kind == OpKind::SelfDestruct {
                    path.accesses.push((AccessKind::Account, args[0]));
                }
                if !matches!(end.kind, OpKind::Revert | OpKind::Invalid | OpKind::BadJump) {
                    self.found.append(&mut path.accesses.into_iter().collect());
                }
            }
            Term::Goto(to) => go(to, path),
            Term::Branch { taken, fall } => {
                let taken_too = self.decide(end.kind, args);
                if taken_too != Some(true) {
                    go(fall, path.clone());
                }
                if let (Some(taken), true) = (taken, taken_too != Some(false)) {
                    go(taken, path);
                }
            }
            Term::Computed | Term::ComputedBranch { .. } => {
                self.complete = false;
                self.found.append(&mut path.accesses.into_iter().collect());
            }
        }
    }

    fn value(&mut self, v: Val, values: &[ExprId], path: &Path) -> ExprId {
        if v == Val::NONE {
            return self.expressions.add(Expr::Unknown);
        }
        match v.kind() {
            ValKind::Node(id) => values[id.index()],
            ValKind::Const(id) => {
                self.expressions.add(Expr::Const(*self.analysis.constants.get(id)))
            }
            ValKind::Entry(depth) => path.root_stack[path.root_stack.len() - 1 - depth as usize],
        }
    }

    /// Whether a conditional jump is taken, if that is known.
    fn decide(&mut self, kind: OpKind, args: [ExprId; 3]) -> Option<bool> {
        let [a, b, _] = args;
        let (ka, kb) = (self.expressions.constant(a), self.expressions.constant(b));
        if matches!(kind, OpKind::JumpEq | OpKind::JumpNe) {
            for (value, constant) in [(a, kb), (b, ka)] {
                if let Some(constant) = constant
                    && self.is_selector(value)
                    && let Ok(selector) = u32::try_from(constant)
                {
                    self.selectors.insert(selector);
                }
            }
        }
        let size = self.expressions.all[a.0 as usize] == Expr::CallDataSize;
        if self.selector.is_some() && size && kb.is_some_and(|k| k <= U256::from(4)) {
            // A call with a selector has at least its four bytes.
            match kind {
                OpKind::JumpLt => return Some(false),
                OpKind::JumpGe => return Some(true),
                _ => {}
            }
        }
        let test = match kind {
            OpKind::JumpIf => return Some(!ka?.is_zero()),
            OpKind::JumpIfZero => return Some(ka?.is_zero()),
            OpKind::JumpEq | OpKind::JumpNe => OpKind::Eq,
            OpKind::JumpLt | OpKind::JumpGe => OpKind::Lt,
            _ => OpKind::Slt,
        };
        let holds = !evaluate(test, ka?, kb?, U256::ZERO, 0)?.is_zero();
        let negated = matches!(kind, OpKind::JumpNe | OpKind::JumpGe | OpKind::JumpSge);
        Some(holds != negated)
    }

    /// Whether this is calldata's first four bytes as a number.
    fn is_selector(&self, id: ExprId) -> bool {
        let all = &self.expressions.all;
        let Expr::Pure(kind, args, imm) = &all[id.0 as usize] else { return false };
        match kind {
            OpKind::ShrK if *imm == 224 => match &all[args[0].0 as usize] {
                Expr::CallData(at) => self.expressions.constant(*at) == Some(U256::ZERO),
                _ => false,
            },
            OpKind::And => self.is_selector(args[0]),
            _ => false,
        }
    }

    /// The value of a node; notes what it accesses.
    fn node(&mut self, graph: &Graph, node: &Node, values: &[ExprId], path: &mut Path) -> ExprId {
        use OpKind::*;
        let args = node.args.map(|v| self.value(v, values, path));
        let [a, b, c] = args;
        let expr = match node.kind {
            Caller => Expr::Caller,
            Address => Expr::Address,
            Origin => Expr::Origin,
            CallValue => Expr::CallValue,
            CallDataSize => Expr::CallDataSize,
            CallDataLoad => Expr::CallData(a),
            CallDataLoadK => {
                let offset = self.expressions.add(Expr::Const(U256::from(node.imm)));
                Expr::CallData(offset)
            }
            Sload => {
                path.accesses.push((AccessKind::Read, a));
                Expr::Storage(a)
            }
            Sstore => {
                path.accesses.push((AccessKind::Write, a));
                Expr::Unknown
            }
            Balance | ExtCodeSize | ExtCodeHash | ExtCodeCopy => {
                path.accesses.push((AccessKind::Account, a));
                Expr::Unknown
            }
            Call | CallCode | DelegateCall | StaticCall => {
                path.accesses.push((AccessKind::Account, b));
                self.delegate(graph, node, b, values, path);
                Expr::Unknown
            }
            Keccak1 => Expr::Keccak(vec![a]),
            Keccak2 => Expr::Keccak(vec![a, b]),
            KeccakK => self.hash(u64::from(node.imm), u64::from(node.x), path),
            MloadK => return self.load(u64::from(node.imm), path),
            _ => self.pure(node, args),
        };
        self.remember(graph, node, [a, b, c], values, path);
        // What cannot be derived from its operands is unknown as a whole.
        let unknown = operands(&expr).iter().any(|id| self.expressions.is_unknown(*id));
        self.expressions.add(if unknown { Expr::Unknown } else { expr })
    }

    /// Notes a DELEGATECALL whose data is as long as calldata: then it is calldata.
    fn delegate(&mut self, graph: &Graph, node: &Node, to: ExprId, values: &[ExprId], path: &Path) {
        if node.kind == OpKind::DelegateCall && !self.expressions.is_unknown(to) {
            let length = self.value(graph.exts[node.ext as usize][1], values, path);
            if self.expressions.all[length.0 as usize] == Expr::CallDataSize {
                self.delegates.insert(to);
            }
        }
    }

    fn pure(&mut self, node: &Node, args: [ExprId; 3]) -> Expr {
        let count = node.args.iter().filter(|v| **v != Val::NONE).count();
        let is_pure = evaluate(node.kind, U256::ONE, U256::ONE, U256::ONE, node.imm).is_some();
        if !is_pure {
            return Expr::Unknown;
        }
        let words: Vec<_> =
            args[..count].iter().map_while(|id| self.expressions.constant(*id)).collect();
        if words.len() == count {
            let word = |i: usize| words.get(i).copied().unwrap_or_default();
            if let Some(value) = evaluate(node.kind, word(0), word(1), word(2), node.imm) {
                return Expr::Const(value);
            }
        }
        let expr = Expr::Pure(node.kind, args[..count].to_vec(), node.imm);
        let id = self.expressions.add(expr.clone());
        match self.selector {
            Some(selector) if self.is_selector(id) => Expr::Const(U256::from(selector)),
            _ => expr,
        }
    }

    fn load(&mut self, offset: u64, path: &Path) -> ExprId {
        match path.memory.get(&offset) {
            Some(id) => *id,
            None => self.expressions.add(Expr::Unknown),
        }
    }

    fn hash(&mut self, offset: u64, length: u64, path: &Path) -> Expr {
        if !length.is_multiple_of(32) || length > ACCESS_HASH_BYTES_MAX {
            return Expr::Unknown;
        }
        let words = (0..length / 32).map(|i| path.memory.get(&(offset + 32 * i)).copied());
        words.collect::<Option<Vec<_>>>().map_or(Expr::Unknown, Expr::Keccak)
    }

    /// What a node does to memory.
    fn remember(
        &mut self,
        graph: &Graph,
        node: &Node,
        args: [ExprId; 3],
        values: &[ExprId],
        path: &mut Path,
    ) {
        use OpKind::*;
        let [a, b, c] = args;
        let number =
            |this: &Self, id| this.expressions.constant(id).and_then(|k| u64::try_from(k).ok());
        let mut forget = |from: Option<u64>, bytes: Option<u64>| match (from, bytes) {
            (_, Some(0)) => {}
            (Some(from), Some(bytes)) => {
                let end = from.saturating_add(bytes);
                path.memory.retain(|at, _| at + 32 <= from || *at >= end);
            }
            _ => path.memory.clear(),
        };
        match node.kind {
            MstoreK => {
                let at = u64::from(node.imm);
                forget(Some(at), Some(32));
                path.memory.insert(at, a);
            }
            Mstore8K => forget(Some(u64::from(node.imm)), Some(1)),
            Mstore => forget(number(self, a), Some(32)),
            Mstore8 => forget(number(self, a), Some(1)),
            CallDataCopy | CodeCopy | ReturnDataCopy | Mcopy => {
                forget(number(self, a), number(self, c));
            }
            ExtCodeCopy => forget(number(self, b), None),
            Call | CallCode | DelegateCall | StaticCall => {
                let ext = graph.exts[node.ext as usize];
                let (at, length) =
                    (self.value(ext[2], values, path), self.value(ext[3], values, path));
                let region = (number(self, at), number(self, length));
                match region {
                    (_, Some(0)) => {}
                    (Some(from), Some(bytes)) => {
                        let end = from.saturating_add(bytes);
                        path.memory.retain(|at, _| at + 32 <= from || *at >= end);
                    }
                    _ => path.memory.clear(),
                }
            }
            _ => {}
        }
    }
}
