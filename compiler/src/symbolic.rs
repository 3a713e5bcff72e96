//! What do the ebbs of a code compute, as expressions of the inputs of a call?
//!
//! # Terms
//! An *expression* is built from constants, from what the host knows before it runs a call
//! (calldata, caller, address, origin, value), from hashes, and from storage. A *frame* is the
//! state of one walk through the code: a stack and a memory of expressions. A *watcher* is shown
//! every node, and says what the nodes that it cares about are worth.
//!
//! # Method
//! `Symbols::run` runs the nodes of one ebb over a frame, the dead ones among them: that is what
//! the code does before any pass removed a store. Pure ops of constants are folded, equal
//! expressions are one. Memory holds whole words at constant offsets; a write that covers a word in
//! part, or whose place is unknown, forgets it.
//!
//! # Soundness
//! An expression other than `Unknown` is exactly what the node's value is in every call that takes
//! the walk's path, provided that the watcher's own expressions are. With a selector it is so for
//! calls whose calldata begins with it.

use crate::analysis::Analysis;
use crate::flow::EbbId;
use crate::fold::evaluate;
use crate::graph::{Graph, Node};
use crate::limits::*;
use crate::program::OpKind;
use crate::value::{Val, ValKind};
use alloy_primitives::{Address, U256, keccak256};
use std::collections::{BTreeMap, HashMap};

/// An expression, by its place in the list of its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExprId(pub u32);

impl ExprId {
    /// Its place as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

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
    /// What the SLOAD of this number gave, in the order of the walk.
    Load(u32),
    /// GASPRICE, or an op that reads the block environment.
    Env(OpKind),
    /// A pure op: kind, operands, immediate.
    Pure(OpKind, Vec<ExprId>, u32),
}

impl Expr {
    /// The expressions that it is computed from.
    pub fn operands(&self) -> &[ExprId] {
        match self {
            Expr::CallData(a) | Expr::Storage(a) => core::slice::from_ref(a),
            Expr::Keccak(words) | Expr::Pure(_, words, _) => words,
            _ => &[],
        }
    }

    fn operands_mut(&mut self) -> &mut [ExprId] {
        match self {
            Expr::CallData(a) | Expr::Storage(a) => core::slice::from_mut(a),
            Expr::Keccak(words) | Expr::Pure(_, words, _) => words,
            _ => &mut [],
        }
    }
}

/// Drops the expressions that are not needed; what is needed has operands that are. Gives the new
/// place of each that stays.
pub(crate) fn keep(all: &mut Vec<Expr>, needed: &[bool]) -> Vec<ExprId> {
    let mut places = Vec::with_capacity(needed.len());
    let mut count = 0;
    for needed in needed {
        places.push(ExprId(count));
        count += u32::from(*needed);
    }
    let mut needed = needed.iter();
    all.retain(|_| *needed.next().unwrap_or(&false));
    for id in all.iter_mut().flat_map(Expr::operands_mut) {
        *id = places[id.index()];
    }
    places
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

/// The value of an expression whose operands have the values that `of` gives.
pub(crate) fn value_of(
    expr: &Expr,
    env: &Env<'_>,
    of: impl Fn(ExprId) -> Option<U256>,
) -> Option<U256> {
    let account = |address: Address| U256::from_be_slice(address.as_slice());
    Some(match expr {
        Expr::Unknown | Expr::Load(_) | Expr::Env(_) => return None,
        Expr::Const(k) => *k,
        Expr::Caller => account(env.caller),
        Expr::Address => account(env.address),
        Expr::Origin => account(env.origin),
        Expr::CallValue => env.value,
        Expr::CallDataSize => U256::from(env.call_data.len()),
        Expr::CallData(offset) => {
            let offset = of(*offset)?.saturating_to::<usize>().min(env.call_data.len());
            let mut word = [0; 32];
            let rest = &env.call_data[offset..];
            let n = rest.len().min(32);
            word[..n].copy_from_slice(&rest[..n]);
            U256::from_be_bytes(word)
        }
        Expr::Storage(key) => (env.storage)(of(*key)?)?,
        Expr::Keccak(words) => {
            let mut bytes = [0; ACCESS_HASH_BYTES_MAX as usize];
            let bytes = bytes.get_mut(..words.len() * 32)?;
            for (place, word) in bytes.chunks_exact_mut(32).zip(words) {
                place.copy_from_slice(&of(*word)?.to_be_bytes::<32>());
            }
            keccak256(bytes).into()
        }
        Expr::Pure(kind, args, imm) => {
            let mut words = [U256::ZERO; 3];
            for (word, arg) in words.iter_mut().zip(args) {
                *word = of(*arg)?;
            }
            evaluate(*kind, words[0], words[1], words[2], *imm)?
        }
    })
}

/// Whether the conditional jump `test` is taken.
pub fn is_taken(test: OpKind, a: U256, b: U256) -> bool {
    let holds = |kind| evaluate(kind, a, b, U256::ZERO, 0).is_some_and(|word| !word.is_zero());
    match test {
        OpKind::JumpIf => !a.is_zero(),
        OpKind::JumpIfZero => a.is_zero(),
        OpKind::JumpEq => a == b,
        OpKind::JumpNe => a != b,
        OpKind::JumpLt => a < b,
        OpKind::JumpGe => a >= b,
        OpKind::JumpSlt => holds(OpKind::Slt),
        _ => !holds(OpKind::Slt),
    }
}

/// An expression as text, such as `keccak(caller . 1)`; what is too long ends in dots.
pub(crate) fn expr_text(all: &[Expr], id: ExprId) -> String {
    text_within(all, id, 0, &mut EXPR_TEXT_NODES_MAX.clone())
}

fn text_within(all: &[Expr], id: ExprId, depth: u32, left: &mut u32) -> String {
    if *left == 0 || depth > EXPR_TEXT_DEPTH_MAX {
        return "...".to_owned();
    }
    *left -= 1;
    let mut text = |id: &ExprId| text_within(all, *id, depth + 1, left);
    match &all[id.index()] {
        Expr::Unknown => "unknown".to_owned(),
        Expr::Const(k) if *k < U256::from(0x1_0000) => format!("{k}"),
        Expr::Const(k) => format!("{k:#x}"),
        Expr::Caller => "caller".to_owned(),
        Expr::Address => "address".to_owned(),
        Expr::Origin => "origin".to_owned(),
        Expr::CallValue => "value".to_owned(),
        Expr::CallDataSize => "calldatasize".to_owned(),
        Expr::CallData(offset) => format!("calldata[{}]", text(offset)),
        Expr::Storage(key) => format!("storage[{}]", text(key)),
        Expr::Load(n) => format!("load{n}"),
        Expr::Env(kind) => kind.name().to_lowercase(),
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

/// Expressions, each once.
#[derive(Default)]
pub(crate) struct Expressions {
    pub all: Vec<Expr>,
    known: HashMap<Expr, ExprId>,
}

impl Expressions {
    pub fn add(&mut self, expr: Expr) -> ExprId {
        if let Some(id) = self.known.get(&expr) {
            return *id;
        }
        let id = ExprId(self.all.len() as u32);
        self.all.push(expr.clone());
        self.known.insert(expr, id);
        id
    }

    pub fn constant(&self, id: ExprId) -> Option<U256> {
        match &self.all[id.index()] {
            Expr::Const(k) => Some(*k),
            _ => None,
        }
    }

    /// A constant that fits.
    pub fn number(&self, id: ExprId) -> Option<u64> {
        self.constant(id).and_then(|k| u64::try_from(k).ok())
    }

    pub fn is_unknown(&self, id: ExprId) -> bool {
        self.all[id.index()] == Expr::Unknown
    }
}

/// Words of EVM memory at constant offsets.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    words: BTreeMap<u64, ExprId>,
}

impl Memory {
    pub fn word(&self, at: u64) -> Option<ExprId> {
        self.words.get(&at).copied()
    }

    /// The words of a region, if all are known.
    pub fn region(&self, at: u64, bytes: u64) -> Option<Vec<ExprId>> {
        if !bytes.is_multiple_of(32) {
            return None;
        }
        (0..bytes / 32).map(|i| self.word(at.checked_add(32 * i)?)).collect()
    }

    pub fn store(&mut self, at: u64, word: ExprId) {
        self.forget(Some(at), Some(32));
        self.words.insert(at, word);
    }

    /// Something unknown was written, at an unknown place if `from` or `bytes` is.
    pub fn forget(&mut self, from: Option<u64>, bytes: Option<u64>) {
        match (from, bytes) {
            (_, Some(0)) => {}
            (Some(from), Some(bytes)) => {
                let end = from.saturating_add(bytes);
                self.words.retain(|at, _| at.saturating_add(32) <= from || *at >= end);
            }
            _ => self.words.clear(),
        }
    }
}

/// A walk on its way.
#[derive(Clone)]
pub(crate) struct Frame {
    pub at: EbbId,
    stack: Vec<ExprId>,
    /// Values of the region that the walk is in, per node.
    values: Vec<ExprId>,
    /// The stack at the entry of its root.
    root_stack: Vec<ExprId>,
    pub memory: Memory,
    visits: BTreeMap<EbbId, u32>,
}

impl Frame {
    /// At the start of the code.
    pub fn new() -> Frame {
        Frame {
            at: EbbId(0),
            stack: Vec::new(),
            values: Vec::new(),
            root_stack: Vec::new(),
            memory: Memory::default(),
            visits: BTreeMap::new(),
        }
    }

    /// The stack, bottom first.
    pub fn stack(&self) -> &[ExprId] {
        &self.stack
    }

    /// Notes that the ebb is entered; how often that was.
    pub fn visit(&mut self) -> u32 {
        let visits = self.visits.entry(self.at).or_default();
        *visits += 1;
        *visits
    }
}

/// A node and its operands.
pub(crate) struct Seen<'a> {
    pub node: &'a Node,
    pub args: [ExprId; 3],
    /// The operands that don't fit in the node.
    pub ext: [ExprId; 4],
}

/// Is shown the nodes of an ebb.
pub(crate) trait Watch {
    /// What the node is worth; `None`: what it is worth without the watcher.
    fn node(&mut self, all: &mut Expressions, seen: &Seen<'_>, memory: &Memory) -> Option<Expr>;

    /// The path goes on only if this conditional jump, which is not decided, is not taken.
    fn trap(&mut self, _all: &Expressions, _test: OpKind, _args: [ExprId; 3]) {}

    /// What the node does to memory.
    fn memory(&mut self, all: &Expressions, seen: &Seen<'_>, memory: &mut Memory) {
        remember(all, seen, memory);
    }
}

/// How an ebb ends: the kind of its terminator, and its operands.
pub(crate) type Ending = (OpKind, [ExprId; 3]);

/// Runs ebbs over frames.
pub(crate) struct Symbols<'a> {
    pub analysis: &'a Analysis,
    /// Per ebb: its place in `analysis.ebbs`.
    places: Vec<usize>,
    pub selector: Option<u32>,
    pub all: Expressions,
    /// Nodes run so far.
    pub nodes: usize,
}

impl<'a> Symbols<'a> {
    pub fn new(analysis: &'a Analysis, selector: Option<u32>) -> Symbols<'a> {
        let mut places = vec![usize::MAX; analysis.flow.ebbs.len()];
        for (i, ebb) in analysis.ebbs.iter().enumerate() {
            places[ebb.id.index()] = i;
        }
        Symbols { analysis, places, selector, all: Expressions::default(), nodes: 0 }
    }

    /// Runs the ebb that the frame is at; `None`: its stack is too small, or a trap is taken.
    pub fn run(&mut self, frame: &mut Frame, watch: &mut impl Watch) -> Option<Ending> {
        let analysis = self.analysis;
        let ebb = &analysis.ebbs[self.places[frame.at.index()]];
        let graph = &ebb.graph;
        if ebb.is_root {
            frame.values.clear();
            frame.root_stack = frame.stack.clone();
        }
        if graph.pops as usize > frame.root_stack.len() {
            return None;
        }
        let mut values = std::mem::take(&mut frame.values);
        let unknown = self.all.add(Expr::Unknown);
        values.resize(graph.first as usize, unknown);
        self.nodes += graph.nodes.len() - graph.first as usize;
        for node in &graph.nodes[graph.first as usize..] {
            if node.kind.is_test() {
                let args = node.args.map(|v| self.value(v, &values, frame));
                match self.decide(node.kind, args) {
                    Some(true) => return None,
                    Some(false) => {}
                    None => watch.trap(&self.all, node.kind, args),
                }
                values.push(unknown);
                continue;
            }
            let value = self.node(graph, node, &values, frame, watch);
            values.push(value);
        }
        let end = graph.end.expect("a built graph has an end");
        let args = end.args.map(|v| self.value(v, &values, frame));
        let mut stack = frame.root_stack.clone();
        stack.truncate(frame.root_stack.len() - graph.pops as usize);
        stack.extend(graph.exit.iter().map(|v| self.value(*v, &values, frame)));
        frame.stack = stack;
        frame.values = values;
        Some((end.kind, args))
    }

    fn value(&mut self, v: Val, values: &[ExprId], frame: &Frame) -> ExprId {
        if v == Val::NONE {
            return self.all.add(Expr::Unknown);
        }
        match v.kind() {
            ValKind::Node(id) => values[id.index()],
            ValKind::Const(id) => self.all.add(Expr::Const(*self.analysis.constants.get(id))),
            ValKind::Entry(depth) => frame.root_stack[frame.root_stack.len() - 1 - depth as usize],
        }
    }

    /// Whether a conditional jump is taken, if that is known.
    pub fn decide(&mut self, kind: OpKind, args: [ExprId; 3]) -> Option<bool> {
        let [a, b, _] = args;
        let (ka, kb) = (self.all.constant(a), self.all.constant(b));
        let size = self.all.all[a.index()] == Expr::CallDataSize;
        if self.selector.is_some() && size && kb.is_some_and(|k| k <= U256::from(4)) {
            // A call with a selector has at least its four bytes.
            match kind {
                OpKind::JumpLt => return Some(false),
                OpKind::JumpGe => return Some(true),
                _ => {}
            }
        }
        let kb = match kind {
            OpKind::JumpIf | OpKind::JumpIfZero => U256::ZERO,
            _ => kb?,
        };
        Some(is_taken(kind, ka?, kb))
    }

    /// The constant that a conditional jump compares the selector with, if it does.
    pub fn compared_selector(&self, kind: OpKind, [a, b, _]: [ExprId; 3]) -> Option<u32> {
        if !matches!(kind, OpKind::JumpEq | OpKind::JumpNe) {
            return None;
        }
        let side = |value, constant| self.all.number(constant).filter(|_| self.is_selector(value));
        side(a, b).or_else(|| side(b, a)).and_then(|selector| u32::try_from(selector).ok())
    }

    /// Whether this is calldata's first four bytes as a number.
    pub fn is_selector(&self, id: ExprId) -> bool {
        let all = &self.all.all;
        let Expr::Pure(kind, args, imm) = &all[id.index()] else { return false };
        match kind {
            OpKind::ShrK if *imm == 224 => match &all[args[0].index()] {
                Expr::CallData(at) => self.all.constant(*at) == Some(U256::ZERO),
                _ => false,
            },
            OpKind::And => self.is_selector(args[0]),
            _ => false,
        }
    }

    /// The value of a node.
    fn node(
        &mut self,
        graph: &Graph,
        node: &Node,
        values: &[ExprId],
        frame: &mut Frame,
        watch: &mut impl Watch,
    ) -> ExprId {
        let args = node.args.map(|v| self.value(v, values, frame));
        let ext = match node.ext {
            Node::NO_EXT => [Val::NONE; 4],
            at => graph.exts[at as usize],
        };
        let ext = ext.map(|v| self.value(v, values, frame));
        let seen = Seen { node, args, ext };
        let expr = match watch.node(&mut self.all, &seen, &frame.memory) {
            Some(expr) => expr,
            None => self.plain(&seen, &frame.memory),
        };
        watch.memory(&self.all, &seen, &mut frame.memory);
        // What cannot be derived from its operands is unknown as a whole.
        let unknown = expr.operands().iter().any(|id| self.all.is_unknown(*id));
        self.all.add(if unknown { Expr::Unknown } else { expr })
    }

    fn plain(&mut self, seen: &Seen<'_>, memory: &Memory) -> Expr {
        use OpKind::*;
        let Seen { node, args: [a, b, _], .. } = *seen;
        match node.kind {
            Caller => Expr::Caller,
            Address => Expr::Address,
            Origin => Expr::Origin,
            CallValue => Expr::CallValue,
            CallDataSize => Expr::CallDataSize,
            CallDataLoad => Expr::CallData(a),
            CallDataLoadK => {
                let offset = self.all.add(Expr::Const(U256::from(node.imm)));
                Expr::CallData(offset)
            }
            Keccak1 => Expr::Keccak(vec![a]),
            Keccak2 => Expr::Keccak(vec![a, b]),
            KeccakK => hash(memory, u64::from(node.imm), u64::from(node.x)),
            MloadK => self.all.load(memory, u64::from(node.imm)),
            _ => self.pure(node, seen.args),
        }
    }

    fn pure(&mut self, node: &Node, args: [ExprId; 3]) -> Expr {
        let count = node.args.iter().filter(|v| **v != Val::NONE).count();
        let is_pure = evaluate(node.kind, U256::ONE, U256::ONE, U256::ONE, node.imm).is_some();
        if !is_pure {
            return Expr::Unknown;
        }
        let words: Vec<_> = args[..count].iter().map_while(|id| self.all.constant(*id)).collect();
        if words.len() == count {
            let word = |i: usize| words.get(i).copied().unwrap_or_default();
            if let Some(value) = evaluate(node.kind, word(0), word(1), word(2), node.imm) {
                return Expr::Const(value);
            }
        }
        let expr = Expr::Pure(node.kind, args[..count].to_vec(), node.imm);
        let id = self.all.add(expr.clone());
        match self.selector {
            Some(selector) if self.is_selector(id) => Expr::Const(U256::from(selector)),
            _ => expr,
        }
    }
}

impl Expressions {
    /// The word of memory at an offset.
    pub fn load(&self, memory: &Memory, offset: u64) -> Expr {
        memory.word(offset).map_or(Expr::Unknown, |id| self.all[id.index()].clone())
    }
}

/// The hash of a region of memory.
pub(crate) fn hash(memory: &Memory, offset: u64, length: u64) -> Expr {
    if length > ACCESS_HASH_BYTES_MAX {
        return Expr::Unknown;
    }
    memory.region(offset, length).map_or(Expr::Unknown, Expr::Keccak)
}

/// What a node does to memory.
pub(crate) fn remember(all: &Expressions, seen: &Seen<'_>, memory: &mut Memory) {
    use OpKind::*;
    let Seen { node, args: [a, b, c], ext } = *seen;
    let number = |id| all.number(id);
    match node.kind {
        MstoreK => memory.store(u64::from(node.imm), a),
        Mstore8K => memory.forget(Some(u64::from(node.imm)), Some(1)),
        Mstore => memory.forget(number(a), Some(32)),
        Mstore8 => memory.forget(number(a), Some(1)),
        CallDataCopy | CodeCopy | ReturnDataCopy | Mcopy => memory.forget(number(a), number(c)),
        ExtCodeCopy => memory.forget(number(b), None),
        Call | CallCode | DelegateCall | StaticCall => {
            memory.forget(number(ext[2]), number(ext[3]));
        }
        _ => {}
    }
}
