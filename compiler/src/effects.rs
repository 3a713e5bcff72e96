//! What does a call read, decide, write, log and return, as expressions of its inputs?
//!
//! # Terms
//! A *step* is one thing that a call does to, or with, what others can see: it loads or stores a
//! slot, logs, or fails. A *segment* is the steps between two conditional jumps that were not
//! decided at compile time; it ends with such a jump's *check*, or with what the call returns. So
//! the segments are a tree, and a *path* leads from its root to a leaf. An expression *varies* if
//! it depends on a load: between two runs of one call in one block, all others are equal.
//!
//! # Method
//! Paths are walked as for access sets ([`crate::access`]), but every SLOAD is an expression of its
//! own. A path is followed as long as it is *whole*: each of its nodes is one of a list (pure ops,
//! inputs that are constant within the block, memory, storage, logs), and nothing unknown reaches a
//! key, a stored value, a check, a log, the output, or an operand that gas depends on. The rest of
//! the tree, and all that reverts or fails, is dropped.
//!
//! # Soundness
//! A call whose checks lead along a path to a leaf, and which does not run out of gas, does exactly
//! the steps of that path, in that order, and returns what the leaf says: every expression is exact
//! ([`crate::symbolic`]). Its gas depends on the path, on the keys, on the values of stores, and on
//! the values of pins (operands of ops with dynamic gas that vary), and on nothing else.

use crate::analysis::Analysis;
use crate::flow::Term;
use crate::limits::*;
use crate::program::OpKind;
use crate::symbolic::{
    Ending, Env, Expr, ExprId, Expressions, Frame, Memory, Seen, Symbols, Watch, expr_text, hash,
    keep, remember, value_of,
};
use alloy_primitives::U256;
use core::fmt::Write as _;

/// A segment, by its place in [`EffectSet::segments`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u32);

impl SegmentId {
    /// Its place as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// This expression is needed from here on; its operands were named before.
    Value(ExprId),
    /// SLOAD.
    Load {
        /// The key.
        key: ExprId,
        /// The expression that stands for what it gives.
        value: ExprId,
    },
    /// SSTORE.
    Store {
        /// The key.
        key: ExprId,
        /// The value.
        value: ExprId,
    },
    /// The gas of an op depends on this value, which varies.
    Pin(ExprId),
    /// The call fails if this conditional jump is taken.
    Trap {
        /// The jump, see [`crate::symbolic::is_taken`].
        test: OpKind,
        /// Its first operand.
        a: ExprId,
        /// Its second operand; `a` for tests of one.
        b: ExprId,
    },
    /// LOG0 to LOG4.
    Log {
        /// The topics.
        topics: Vec<ExprId>,
        /// The words of the data.
        data: Vec<ExprId>,
    },
}

/// How a segment ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentEnd {
    /// A conditional jump. A side that is `None` was dropped.
    Check {
        /// The jump, see [`crate::symbolic::is_taken`].
        test: OpKind,
        /// Its first operand.
        a: ExprId,
        /// Its second operand; `a` for tests of one.
        b: ExprId,
        /// Where it goes if it is taken.
        taken: Option<SegmentId>,
        /// Where it goes otherwise.
        fall: Option<SegmentId>,
    },
    /// STOP or RETURN of these words.
    Return(Vec<ExprId>),
    /// Here the path was dropped.
    Dropped,
}

/// The steps up to the next check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// In the order of execution.
    pub steps: Vec<Step>,
    /// How it ends.
    pub end: SegmentEnd,
}

/// The whole paths of one function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EffectSet {
    /// The selector that they belong to; `None`: any calldata.
    pub selector: Option<u32>,
    /// The tree: number 0 is the root, segments come before those that they lead to. Empty if no
    /// path is whole.
    pub segments: Vec<Segment>,
    /// The expressions.
    pub expressions: Vec<Expr>,
    varies: Vec<bool>,
}

/// What the host knows of a call and of its block.
pub struct Inputs<'a> {
    /// The call.
    pub call: Env<'a>,
    /// GASPRICE and the ops that read the block environment.
    pub block: &'a dyn Fn(OpKind) -> Option<U256>,
}

impl EffectSet {
    /// Whether the expression depends on a load.
    pub fn varies(&self, id: ExprId) -> bool {
        self.varies[id.index()]
    }

    /// The value of an expression that is no load, given those of its operands.
    pub fn value(
        &self,
        id: ExprId,
        inputs: &Inputs<'_>,
        of: impl Fn(ExprId) -> U256,
    ) -> Option<U256> {
        match &self.expressions[id.index()] {
            Expr::Env(kind) => (inputs.block)(*kind),
            expr => value_of(expr, &inputs.call, |id| Some(of(id))),
        }
    }

    /// Bytes of memory that it takes, about.
    pub fn bytes(&self) -> usize {
        let operands = |expr: &Expr| size_of_val(expr.operands());
        let expressions: usize = self.expressions.iter().map(operands).sum();
        let steps = |segment: &Segment| segment.steps.iter().map(step_bytes).sum::<usize>();
        size_of::<EffectSet>()
            + self.expressions.len() * (size_of::<Expr>() + 1)
            + expressions
            + self.segments.len() * size_of::<Segment>()
            + self.segments.iter().map(steps).sum::<usize>()
    }

    /// The tree as text; a segment is indented below the one that leads to it.
    fn text(&self) -> String {
        let text = |id: &ExprId| expr_text(&self.expressions, *id);
        let list = |ids: &[ExprId]| ids.iter().map(text).collect::<Vec<_>>().join(", ");
        let check = |test: &OpKind, a: &ExprId, b: &ExprId| {
            let operands = if a == b { text(a) } else { format!("{}, {}", text(a), text(b)) };
            format!("{} {operands}", test.name().to_lowercase())
        };
        let mut out = String::new();
        let mut work = vec![(SegmentId(0), 1, "")];
        while let Some((id, depth, side)) = work.pop() {
            let Some(segment) = self.segments.get(id.index()) else { continue };
            if !side.is_empty() {
                let _ = writeln!(out, "{:width$}{side}:", "", width = 2 * depth - 1);
            }
            let mut line = |text: String| {
                let _ = writeln!(out, "{:width$}{text}", "", width = 2 * depth);
            };
            for step in &segment.steps {
                match step {
                    Step::Value(_) => {}
                    Step::Load { key, value } => line(format!("{} = [{}]", text(value), text(key))),
                    Step::Store { key, value } => {
                        line(format!("[{}] = {}", text(key), text(value)))
                    }
                    Step::Pin(id) => line(format!("pin {}", text(id))),
                    Step::Trap { test, a, b } => line(format!("trap {}", check(test, a, b))),
                    Step::Log { topics, data } => {
                        line(format!("log ({}) ({})", list(topics), list(data)));
                    }
                }
            }
            match &segment.end {
                SegmentEnd::Return(words) => line(format!("return ({})", list(words))),
                SegmentEnd::Dropped => line("dropped".to_owned()),
                SegmentEnd::Check { test, a, b, taken, fall } => {
                    line(check(test, a, b));
                    let below = |to: &Option<SegmentId>, side| to.map(|id| (id, depth + 1, side));
                    work.extend(below(fall, "else"));
                    work.extend(below(taken, "then"));
                }
            }
        }
        out
    }
}

fn step_bytes(step: &Step) -> usize {
    size_of::<Step>()
        + match step {
            Step::Log { topics, data } => size_of_val(&topics[..]) + size_of_val(&data[..]),
            _ => 0,
        }
}

impl Analysis {
    /// The whole paths of calls with this selector; `None`: with any calldata.
    pub fn effect_set(&self, selector: Option<u32>) -> EffectSet {
        Walker::new(self, selector).walk().finish()
    }

    /// The effects of all selectors and of any other calldata, as text.
    pub fn effect_text(&self) -> String {
        self.effect_text_of(&self.every_call())
    }

    pub(crate) fn effect_text_of(&self, selectors: &[Option<u32>]) -> String {
        let mut out = String::new();
        for set in selectors.iter().map(|selector| self.effect_set(*selector)) {
            let name = set.selector.map_or("any".to_owned(), |s| format!("{s:#010x}"));
            out += &format!("{name}\n{}", set.text());
        }
        out
    }
}

/// What the nodes of one ebb do.
#[derive(Default)]
struct Seer {
    steps: Vec<Step>,
    /// Loads of the whole walk so far.
    loads: u32,
    /// Something happened that ends the whole path.
    broken: bool,
}

impl Seer {
    /// The value reaches something that matters.
    fn need(&mut self, all: &Expressions, ids: &[ExprId]) {
        self.broken |= ids.iter().any(|id| all.is_unknown(*id));
    }

    /// Gas depends on the value.
    fn pin(&mut self, all: &Expressions, ids: &[ExprId]) {
        self.need(all, ids);
        let open = ids.iter().filter(|id| all.constant(**id).is_none());
        self.steps.extend(open.map(|id| Step::Pin(*id)));
    }

    /// The words of a region that is logged or returned.
    fn words(
        &mut self,
        all: &Expressions,
        [at, bytes]: [ExprId; 2],
        memory: &Memory,
    ) -> Vec<ExprId> {
        let words = match (all.number(at), all.number(bytes)) {
            (_, Some(0)) => Some(Vec::new()),
            (Some(at), Some(n)) if n <= EFFECT_DATA_BYTES_MAX => memory.region(at, n),
            _ => None,
        };
        let words = words.unwrap_or_else(|| {
            self.broken = true;
            Vec::new()
        });
        self.need(all, &words);
        words
    }

    fn load(&mut self, all: &Expressions, key: ExprId, next: ExprId) -> Expr {
        self.need(all, &[key]);
        self.steps.push(Step::Load { key, value: next });
        self.loads += 1;
        Expr::Load(self.loads - 1)
    }

    fn log(&mut self, all: &Expressions, seen: &Seen<'_>, memory: &Memory) {
        let [at, bytes, _] = seen.args;
        let topics = seen.ext[..usize::from(seen.node.x).min(4)].to_vec();
        self.need(all, &topics);
        let data = self.words(all, [at, bytes], memory);
        self.steps.push(Step::Log { topics, data });
    }

    /// KECCAK256 and MLOAD that are not known to be at constant places when the graph is built.
    fn read(&mut self, all: &Expressions, seen: &Seen<'_>, memory: &Memory) -> Expr {
        let [at, bytes, _] = seen.args;
        if seen.node.kind == OpKind::Mload {
            self.pin(all, &[at]);
            return all.number(at).map_or(Expr::Unknown, |at| all.load(memory, at));
        }
        self.pin(all, &[at, bytes]);
        match (all.number(at), all.number(bytes)) {
            (Some(at), Some(bytes)) => hash(memory, at, bytes),
            _ => Expr::Unknown,
        }
    }
}

impl Watch for Seer {
    fn node(&mut self, all: &mut Expressions, seen: &Seen<'_>, memory: &Memory) -> Option<Expr> {
        use OpKind::*;
        let [a, b, c] = seen.args;
        match seen.node.kind {
            Section | MemExpand | Mov | LoadK => return None,
            Add | Mul | Sub | Div | Sdiv | Mod | Smod | AddMod | MulMod | ExpK | SignExtend
            | Lt | Gt | Slt | Sgt | Eq | IsZero | NotZero | And | Or | Xor | Not | Byte | Shl
            | Shr | Sar | ShlK | ShrK | SarK | Clz => return None,
            KeccakK | Keccak1 | Keccak2 | MloadK | MstoreK | Mstore8K => return None,
            Address | Origin | Caller | CallValue | CallDataLoad | CallDataLoadK | CallDataSize => {
                return None;
            }
            Exp => {
                self.pin(all, &[b]);
                return None;
            }
            Keccak | Mload => return Some(self.read(all, seen, memory)),
            Mstore | Mstore8 => self.pin(all, &[a]),
            CallDataCopy | CodeCopy => self.pin(all, &[a, c]),
            Mcopy => self.pin(all, &[a, b, c]),
            GasPrice | Coinbase | Timestamp | Number | PrevRandao | GasLimit | ChainId
            | BaseFee | BlobBaseFee => return Some(Expr::Env(seen.node.kind)),
            // There was no call before.
            ReturnDataSize => return Some(Expr::Const(U256::ZERO)),
            Sload => {
                let next = all.add(Expr::Load(self.loads));
                return Some(self.load(all, a, next));
            }
            Sstore => {
                self.need(all, &[a, b]);
                self.steps.push(Step::Store { key: a, value: b });
            }
            Log => self.log(all, seen, memory),
            _ => self.broken = true,
        }
        Some(Expr::Unknown)
    }

    fn trap(&mut self, all: &Expressions, test: OpKind, [a, b, _]: [ExprId; 3]) {
        let b = second(test, a, b);
        self.need(all, &[a, b]);
        self.steps.push(Step::Trap { test, a, b });
    }

    fn memory(&mut self, all: &Expressions, seen: &Seen<'_>, memory: &mut Memory) {
        match (seen.node.kind, all.number(seen.args[0])) {
            (OpKind::Mstore, Some(at)) => memory.store(at, seen.args[1]),
            _ => remember(all, seen, memory),
        }
    }
}

/// The second operand of a conditional jump; the first where it has one.
fn second(test: OpKind, a: ExprId, b: ExprId) -> ExprId {
    if matches!(test, OpKind::JumpIf | OpKind::JumpIfZero) { a } else { b }
}

/// A path on its way and the segment that it is in.
struct Path {
    frame: Frame,
    segment: SegmentId,
}

struct Walker<'a> {
    symbols: Symbols<'a>,
    seer: Seer,
    segments: Vec<Segment>,
    /// Steps of all segments.
    steps: usize,
}

impl<'a> Walker<'a> {
    fn new(analysis: &'a Analysis, selector: Option<u32>) -> Walker<'a> {
        let symbols = Symbols::new(analysis, selector);
        Walker { symbols, seer: Seer::default(), segments: Vec::new(), steps: 0 }
    }

    fn segment(&mut self) -> SegmentId {
        self.segments.push(Segment { steps: Vec::new(), end: SegmentEnd::Dropped });
        SegmentId(self.segments.len() as u32 - 1)
    }

    fn walk(mut self) -> Walker<'a> {
        let mut work = vec![Path { frame: Frame::new(), segment: self.segment() }];
        let mut entered = 0;
        while let Some(mut path) = work.pop() {
            entered += 1;
            if entered > EFFECT_EBBS_MAX
                || self.symbols.nodes > EFFECT_NODES_MAX
                || self.steps > EFFECT_STEPS_MAX
                || self.symbols.all.all.len() > EFFECT_EXPRESSIONS_MAX
            {
                break;
            }
            if path.frame.visit() > EFFECT_VISITS_MAX {
                continue;
            }
            self.seer.broken = false;
            let ending = self.symbols.run(&mut path.frame, &mut self.seer);
            let steps = &mut self.segments[path.segment.index()].steps;
            self.steps += self.seer.steps.len();
            steps.append(&mut self.seer.steps);
            if let Some(ending) = ending.filter(|_| !self.seer.broken) {
                self.leave(path, ending, &mut work);
            }
        }
        self
    }

    /// Puts the paths that go on from the end of an ebb into `work`.
    fn leave(&mut self, mut path: Path, (kind, args): Ending, work: &mut Vec<Path>) {
        match self.symbols.analysis.flow.ebb(path.frame.at).term {
            Term::BadJump | Term::Computed | Term::ComputedBranch { .. } => {}
            Term::Halt => {
                let [at, bytes, _] = args;
                self.seer.broken = false;
                let words = match kind {
                    OpKind::Stop => Vec::new(),
                    OpKind::Return => {
                        self.seer.words(&self.symbols.all, [at, bytes], &path.frame.memory)
                    }
                    _ => return,
                };
                if !self.seer.broken {
                    self.segments[path.segment.index()].end = SegmentEnd::Return(words);
                }
            }
            Term::Goto(to) => {
                path.frame.at = to;
                work.push(path);
            }
            Term::Branch { taken, fall } => match self.symbols.decide(kind, args) {
                Some(is_taken) => {
                    let to = if is_taken { taken } else { Some(fall) };
                    work.extend(to.map(|at| {
                        path.frame.at = at;
                        path
                    }));
                }
                None => self.check(path, (kind, args), [taken, Some(fall)], work),
            },
        }
    }

    /// A conditional jump that is not decided: both sides are walked.
    fn check(
        &mut self,
        path: Path,
        (test, [a, b, _]): Ending,
        sides: [Option<crate::flow::EbbId>; 2],
        work: &mut Vec<Path>,
    ) {
        let b = second(test, a, b);
        if self.symbols.all.is_unknown(a) || self.symbols.all.is_unknown(b) {
            return;
        }
        let [taken, fall] = sides.map(|side| {
            let at = side?;
            let segment = self.segment();
            let mut frame = path.frame.clone();
            frame.at = at;
            work.push(Path { frame, segment });
            Some(segment)
        });
        self.segments[path.segment.index()].end = SegmentEnd::Check { test, a, b, taken, fall };
    }

    /// Drops what leads nowhere, and names the expressions where they are needed first.
    fn finish(self) -> EffectSet {
        let selector = self.symbols.selector;
        let expressions = self.symbols.all.all;
        let mut varies = vec![false; expressions.len()];
        for (i, expr) in expressions.iter().enumerate() {
            let operand = expr.operands().iter().any(|id| varies[id.index()]);
            varies[i] = operand || matches!(expr, Expr::Load(_));
        }
        let mut segments = whole(self.segments);
        for segment in &mut segments {
            segment.steps.retain(|step| !matches!(step, Step::Pin(id) if !varies[id.index()]));
        }
        match schedule(&mut segments, &expressions) {
            Some(needed) => {
                renumber(EffectSet { selector, segments, expressions, varies }, &needed)
            }
            None => EffectSet { selector, ..EffectSet::default() },
        }
    }
}

/// The segments from which a path reaches its end.
fn whole(mut segments: Vec<Segment>) -> Vec<Segment> {
    let mut useful = vec![false; segments.len()];
    for (i, segment) in segments.iter_mut().enumerate().rev() {
        useful[i] = match &mut segment.end {
            SegmentEnd::Check { taken, fall, .. } => {
                for side in [&mut *taken, &mut *fall] {
                    *side = side.filter(|id| useful[id.index()]);
                }
                taken.is_some() || fall.is_some()
            }
            SegmentEnd::Return(_) => true,
            SegmentEnd::Dropped => false,
        };
    }
    let mut place = 0;
    let places: Vec<u32> = useful
        .iter()
        .map(|useful| {
            place += u32::from(*useful);
            place.saturating_sub(1)
        })
        .collect();
    let mut keep = useful.iter();
    segments.retain(|_| *keep.next().unwrap_or(&false));
    for segment in &mut segments {
        if let SegmentEnd::Check { taken, fall, .. } = &mut segment.end {
            for side in [taken, fall] {
                *side = side.map(|id| SegmentId(places[id.index()]));
            }
        }
    }
    segments
}

/// The expressions that a step needs to be known.
fn inputs(step: &Step) -> Vec<ExprId> {
    match step {
        Step::Value(_) => Vec::new(),
        Step::Load { key, .. } => vec![*key],
        Step::Store { key, value } => vec![*key, *value],
        Step::Pin(id) => vec![*id],
        Step::Trap { a, b, .. } => vec![*a, *b],
        Step::Log { topics, data } => topics.iter().chain(data).copied().collect(),
    }
}

/// Puts a [`Step::Value`] before the first step of each path that needs the expression; which are
/// needed at all. `None`: so many paths share so many that the steps would be too many.
fn schedule(segments: &mut [Segment], expressions: &[Expr]) -> Option<Vec<bool>> {
    enum Work {
        Enter(SegmentId),
        /// Forget what became known since then.
        Leave(usize),
    }
    let mut needed = vec![false; expressions.len()];
    let mut known = Known { is: vec![false; expressions.len()], order: Vec::new() };
    let (mut work, mut count) = (Vec::new(), 0);
    work.extend((!segments.is_empty()).then_some(Work::Enter(SegmentId(0))));
    while let Some(next) = work.pop() {
        let id = match next {
            Work::Enter(id) => id,
            Work::Leave(len) => {
                known.forget(len);
                continue;
            }
        };
        work.push(Work::Leave(known.order.len()));
        let segment = &mut segments[id.index()];
        let mut steps = Vec::with_capacity(segment.steps.len() * 2);
        for step in segment.steps.drain(..) {
            for id in inputs(&step) {
                known.learn(id, expressions, &mut steps);
            }
            if let Step::Load { value, .. } = &step {
                known.add(*value);
            }
            steps.push(step);
        }
        match &segment.end {
            SegmentEnd::Check { a, b, taken, fall, .. } => {
                known.learn(*a, expressions, &mut steps);
                known.learn(*b, expressions, &mut steps);
                work.extend([*taken, *fall].into_iter().flatten().map(Work::Enter));
            }
            SegmentEnd::Return(words) => {
                words.iter().for_each(|id| known.learn(*id, expressions, &mut steps));
            }
            SegmentEnd::Dropped => {}
        }
        count += steps.len();
        if count > EFFECT_VALUES_MAX {
            return None;
        }
        segment.steps = steps;
        known.order.iter().for_each(|id| needed[id.index()] = true);
    }
    Some(needed)
}

/// The expressions that a path has named so far.
struct Known {
    is: Vec<bool>,
    order: Vec<ExprId>,
}

impl Known {
    fn add(&mut self, id: ExprId) {
        self.is[id.index()] = true;
        self.order.push(id);
    }

    fn forget(&mut self, len: usize) {
        for id in self.order.drain(len..) {
            self.is[id.index()] = false;
        }
    }

    /// Names an expression, its operands before it.
    fn learn(&mut self, id: ExprId, expressions: &[Expr], steps: &mut Vec<Step>) {
        let mut work = vec![id];
        while let Some(id) = work.last().copied() {
            if self.is[id.index()] {
                work.pop();
                continue;
            }
            let operands = expressions[id.index()].operands();
            let before = work.len();
            work.extend(operands.iter().filter(|id| !self.is[id.index()]));
            if work.len() == before {
                work.pop();
                self.add(id);
                steps.push(Step::Value(id));
            }
        }
    }
}

/// Drops the expressions that nobody needs.
fn renumber(mut set: EffectSet, needed: &[bool]) -> EffectSet {
    let places = keep(&mut set.expressions, needed);
    let mut needed = needed.iter();
    set.varies.retain(|_| *needed.next().unwrap_or(&false));
    let new = |id: &mut ExprId| *id = places[id.index()];
    for segment in &mut set.segments {
        for step in &mut segment.steps {
            match step {
                Step::Value(id) | Step::Pin(id) => new(id),
                Step::Trap { a, b, .. } => {
                    new(a);
                    new(b);
                }
                Step::Load { key, value } | Step::Store { key, value } => {
                    new(key);
                    new(value);
                }
                Step::Log { topics, data } => topics.iter_mut().chain(data).for_each(new),
            }
        }
        match &mut segment.end {
            SegmentEnd::Check { a, b, .. } => {
                new(a);
                new(b);
            }
            SegmentEnd::Return(words) => words.iter_mut().for_each(new),
            SegmentEnd::Dropped => {}
        }
    }
    set
}
