//! Where does every jump lead, and which bbs always run one after another?
//!
//! # Terms
//! An *extended bb* (ebb) is a sequence of bbs that run one after another whenever the first is
//! entered: it continues through falls, through jumps with a known target and past *traps*
//! (branches that do nothing on one side but fail with all gas), and ends at another branch, a
//! computed jump, a halt, or where a limit says so. A bb may stand in many ebbs.
//! A *context* is what an ebb assumes on entry: which stack depths hold which return addresses
//! (constants that are jump destinations), and the free-memory pointer at 0x40 if it is constant.
//! The ebb of a bb with the empty context is its *general* one.
//!
//! # Method
//! From pc 0 with the empty stack's context, each ebb is executed over the lattice
//! constant < unknown; its exits demand ebbs of the successors in the contexts that hold there.
//! So a function that is called from ten places is analysed, and compiled, once per place, its
//! return jumps have known targets, and no values of different callers are ever joined. A context
//! ends before a return address that it holds already: that is recursion. Where the limits on
//! copies are reached, a successor gets a context shortened to the nearest return addresses, so
//! that small functions still return to a known place, and in the end the empty one.
//!
//! # Soundness
//! Every edge into an ebb comes from an exit state that satisfies its context, because the context
//! was computed from that state, or is empty. A jump whose target is not a constant is never
//! guessed: it stays computed, and then every JUMPDEST gets a general ebb for the jump table.
//! Work is bounded: first copies of bbs cost the length of the code, general ebbs for the jump
//! table as much again, and all other copies a budget linear in it.

use crate::cfg::{BbId, Cfg};
use crate::hash::{PROBES_MAX, mix};
use crate::limits::*;
use crate::opcode::{Length, MemoryRange, Table, memory_operands, op};
use crate::options::Options;
use crate::program::{OP_BAD_JUMP, OP_INVALID};

/// An extended bb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EbbId(pub u32);

impl EbbId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A value of the abstract stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abs {
    /// A constant that fits in 64 bits as a sign-extended 256-bit number.
    Const(i64),
    /// The immediate of the PUSH at this pc, which doesn't fit in a `Const` and so is not zero.
    Literal(u32),
    /// What stood at this depth on entry.
    Entry(u32),
    /// Anything.
    Unknown,
}

/// Halts the frame at a JUMPI inside an ebb. Nothing runs on one of its sides but an inst that
/// takes all gas, as running out of gas does: so gas and results of what follows are as if it ran
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trap {
    /// Whether it is the side where the condition holds.
    pub taken: bool,
    /// The op that halts: [`OP_BAD_JUMP`] or [`OP_INVALID`].
    pub op: u32,
}

/// How an ebb ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// By the halting op of its last bb, or by running off the code.
    Halt,
    /// By a jump to a constant that is no jump destination.
    BadJump,
    /// By a fall or jump to a known ebb.
    Goto(EbbId),
    /// By JUMPI with a known target (`None`: one that is no jump destination).
    Branch {
        /// Where it goes if the condition holds.
        taken: Option<EbbId>,
        /// Where it goes otherwise.
        fall: EbbId,
    },
    /// By a computed JUMP.
    Computed,
    /// By a computed JUMPI.
    ComputedBranch {
        /// Where it goes if the condition does not hold.
        fall: EbbId,
    },
}

impl Term {
    /// The ebbs it names, taken before fall.
    pub fn successors(self) -> impl DoubleEndedIterator<Item = EbbId> {
        let (first, second) = match self {
            Term::Halt | Term::BadJump | Term::Computed => (None, None),
            Term::Goto(to) => (Some(to), None),
            Term::Branch { taken, fall } => (taken, Some(fall)),
            Term::ComputedBranch { fall } => (None, Some(fall)),
        };
        first.into_iter().chain(second)
    }

    /// Whether a computed jump leaves here, so that any JUMPDEST may follow.
    pub fn is_computed(self) -> bool {
        matches!(self, Term::Computed | Term::ComputedBranch { .. })
    }
}

/// A range of an arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(crate) fn of<'a, T>(&self, arena: &'a [T]) -> &'a [T] {
        &arena[self.start as usize..self.end as usize]
    }
}

/// A set of the first 64 aligned words of EVM memory.
pub type Words = u64;

/// The words that `[offset, offset + bytes)` overlaps, or, if `inner`, contains.
fn words_of(offset: u64, bytes: u64, inner: bool) -> Words {
    let end = offset.saturating_add(bytes);
    let (first, last) = match inner {
        true => (offset.div_ceil(32), end / 32),
        false => (offset / 32, end.div_ceil(32)),
    };
    let below = |n: u64| if n >= 64 { Words::MAX } else { (1 << n) - 1 };
    if bytes == 0 { 0 } else { below(last) & !below(first) }
}

/// What is known of memory word 0x40 (Solidity's free-memory pointer).
const FREE_POINTER: i64 = 0x40;
const NO_POINTER: i64 = -1;

/// One extended bb.
#[derive(Clone, Copy, Debug)]
pub struct Ebb {
    bbs: Span,
    context: Span,
    /// The constant at memory word 0x40 on entry, negative if unknown.
    pointer: i64,
    /// How it ends.
    pub term: Term,
    exit: Span,
    /// How many entry values the exit stack stands for.
    pub pops: u32,
    /// Entry depths that an inst reads (not counting DUP, SWAP, POP); bit 63 is '63 and deeper'.
    pub used: u64,
    /// EVM memory is at least this long at the exit.
    pub memory_bytes: u32,
    /// Words of EVM memory that it may read before it writes them.
    pub words_read: Words,
    /// Words of EVM memory that it certainly writes whole.
    pub words_written: Words,
    /// Whether a computed jump may enter it.
    pub computed_entry: bool,
}

/// The extended bbs of a code and the edges between them.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// All ebbs; number 0 is where execution starts.
    pub ebbs: Vec<Ebb>,
    bb_arena: Vec<BbId>,
    /// Per bb of `bb_arena`: the trap at its end.
    trap_arena: Vec<Option<Trap>>,
    context_arena: Vec<(u32, i64)>,
    exit_arena: Vec<Abs>,
    /// Per bb: its general ebb, if it has one.
    general: Vec<Option<EbbId>>,
    /// Whether some jump stayed computed.
    pub any_computed: bool,
}

impl Flow {
    /// The ebb of this id.
    pub fn ebb(&self, id: EbbId) -> &Ebb {
        &self.ebbs[id.index()]
    }

    /// The bbs of an ebb, in the order they run.
    pub fn bbs(&self, id: EbbId) -> &[BbId] {
        self.ebb(id).bbs.of(&self.bb_arena)
    }

    /// For each bb of an ebb the trap at its end.
    pub fn traps(&self, id: EbbId) -> &[Option<Trap>] {
        self.ebb(id).bbs.of(&self.trap_arena)
    }

    /// The return addresses it assumes: (depth, pc), nearest first.
    pub fn context(&self, id: EbbId) -> &[(u32, i64)] {
        self.ebb(id).context.of(&self.context_arena)
    }

    /// The free-memory pointer it assumes.
    pub fn pointer(&self, id: EbbId) -> Option<u64> {
        u64::try_from(self.ebb(id).pointer).ok()
    }

    /// The abstract exit stack in place of the top `pops` entry values, bottom first.
    pub fn exit(&self, id: EbbId) -> &[Abs] {
        self.ebb(id).exit.of(&self.exit_arena)
    }

    /// The ebb that a computed jump to this bb enters.
    pub fn general(&self, bb: BbId) -> Option<EbbId> {
        self.general[bb.index()]
    }

    /// Per ebb: whether exactly one edge leads to it, and nothing else.
    pub fn single_entries(&self) -> Vec<bool> {
        let mut edges = vec![0u32; self.ebbs.len()];
        for ebb in &self.ebbs {
            for next in ebb.term.successors() {
                edges[next.index()] += 1;
            }
        }
        let entered = |id: EbbId| id.0 == 0 || self.ebb(id).computed_entry;
        self.ids().map(|id| edges[id.index()] == 1 && !entered(id)).collect()
    }

    /// All ids.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = EbbId> + use<> {
        (0..self.ebbs.len() as u32).map(EbbId)
    }
}

/// Finds the ebbs of a code.
pub fn resolve(code: &[u8], cfg: &Cfg, table: &Table, options: &Options) -> Flow {
    let budget =
        u64::from(DUPLICATE_BASE_BYTES) + code.len() as u64 * u64::from(DUPLICATE_PER_CODE_BYTE);
    let mut resolver = Resolver {
        code,
        cfg,
        table,
        options: *options,
        flow: Flow { general: vec![None; cfg.bbs.len()], ..Flow::default() },
        copied: vec![false; cfg.bbs.len()],
        contexts: vec![0; cfg.bbs.len()],
        budget,
        reserve: budget / 2,
        known: vec![u32::MAX; 256],
        machine: Machine {
            fold: options.fold,
            follow_pointer: options.forward_memory,
            ..Machine::default()
        },
        scratch: Vec::new(),
        bbs: Vec::new(),
        traps: Vec::new(),
    };
    resolver.copied[0] = true;
    resolver.general_ebb(BbId(0));
    resolver.run();
    resolver.flow
}

/// The abstract machine that runs one ebb.
#[derive(Default)]
struct Machine {
    stack: Vec<Abs>,
    pops: u32,
    context: Vec<(u32, i64)>,
    used: u64,
    pointer: i64,
    memory_bytes: u32,
    words_read: Words,
    words_written: Words,
    /// Whether constants are folded and the free-memory pointer is followed: only what the
    /// builder will know as well may be assumed here.
    fold: bool,
    follow_pointer: bool,
}

/// How the abstract execution of a bb ended.
enum Exit {
    Halt,
    Fall,
    Jump(Abs),
    JumpI { target: Abs, condition: Abs },
}

impl Machine {
    fn start(&mut self, context: &[(u32, i64)], pointer: i64) {
        self.stack.clear();
        self.context.clear();
        self.context.extend_from_slice(context);
        self.pops = 0;
        self.used = 0;
        self.pointer = pointer;
        self.memory_bytes = 0;
        self.words_read = 0;
        self.words_written = 0;
    }

    fn entry(&self, depth: u32) -> Abs {
        match self.context.iter().find(|item| item.0 == depth) {
            Some(item) => Abs::Const(item.1),
            None => Abs::Entry(depth),
        }
    }

    /// Makes at least `n` values stand on the explicit stack.
    fn ensure(&mut self, n: usize) {
        if self.stack.len() < n {
            let missing = (n - self.stack.len()) as u32;
            let below: Vec<_> = (0..missing).rev().map(|i| self.entry(self.pops + i)).collect();
            self.stack.splice(0..0, below);
            self.pops += missing;
        }
    }

    fn pop(&mut self) -> Abs {
        match self.stack.pop() {
            Some(value) => value,
            None => {
                let value = self.entry(self.pops);
                self.pops += 1;
                value
            }
        }
    }

    /// Pops an operand of an inst that really reads it.
    fn read(&mut self) -> Abs {
        let value = self.pop();
        self.mark(value);
        value
    }

    fn mark(&mut self, value: Abs) {
        if let Abs::Entry(depth) = value {
            self.used |= 1 << depth.min(63);
        }
    }

    fn push(&mut self, value: Abs) {
        self.stack.push(value);
    }

    /// EVM memory `[offset, offset + bytes)` is touched: notes its least size.
    fn touch(&mut self, offset: Abs, bytes: Abs) {
        if let (Abs::Const(offset @ 0..), Abs::Const(bytes @ 1..)) = (offset, bytes) {
            let end = (offset as u64).saturating_add(bytes as u64);
            if end <= MEM_CONST_BYTES_MAX {
                self.memory_bytes = self.memory_bytes.max(end as u32);
            }
        }
    }

    /// EVM memory `[offset, offset + bytes)` is read: notes size and words.
    fn load(&mut self, offset: Abs, bytes: Abs) {
        self.touch(offset, bytes);
        let words = match (offset, bytes) {
            (_, Abs::Const(0)) => 0,
            (Abs::Const(offset @ 0..), Abs::Const(bytes @ 0..)) => {
                words_of(offset as u64, bytes as u64, false)
            }
            (Abs::Const(offset @ 0..), _) => words_of(offset as u64, u64::MAX, false),
            _ => Words::MAX,
        };
        self.words_read |= words & !self.words_written;
    }

    /// EVM memory `[offset, offset + bytes)` is certainly written whole.
    fn written(&mut self, offset: Abs, bytes: Abs) {
        if let (Abs::Const(offset @ 0..), Abs::Const(bytes @ 0..)) = (offset, bytes) {
            self.words_written |= words_of(offset as u64, bytes as u64, true);
        }
    }

    /// EVM memory `[offset, offset + bytes)` gets unknown content.
    fn clobber(&mut self, offset: Abs, bytes: Abs) {
        self.touch(offset, bytes);
        let apart = match (offset, bytes) {
            (_, Abs::Const(0)) => true,
            (Abs::Const(offset), Abs::Const(bytes)) if offset >= 0 && bytes > 0 => {
                offset >= FREE_POINTER + 32 || offset.saturating_add(bytes) <= FREE_POINTER
            }
            _ => false,
        };
        if !apart {
            self.pointer = NO_POINTER;
        }
    }

    /// Runs the insts of a bb.
    fn run(&mut self, code: &[u8], table: &Table, start: usize, end: usize) -> Exit {
        let mut pc = start;
        while pc < end {
            let byte = code[pc];
            match byte {
                op::PUSH0 if table[usize::from(op::PUSH0)].defined => self.push(Abs::Const(0)),
                op::PUSH1..=op::PUSH32 => {
                    let value = immediate(code, pc + 1, usize::from(byte - op::PUSH0));
                    self.push(value.map_or(Abs::Literal(pc as u32), Abs::Const));
                    pc += usize::from(byte - op::PUSH0);
                }
                op::POP => {
                    self.pop();
                }
                op::DUP1..=op::DUP16 => {
                    let n = usize::from(byte - op::DUP1) + 1;
                    self.ensure(n);
                    self.push(self.stack[self.stack.len() - n]);
                }
                op::SWAP1..=op::SWAP16 => {
                    let n = usize::from(byte - op::SWAP1) + 2;
                    self.ensure(n);
                    let top = self.stack.len() - 1;
                    self.stack.swap(top, top + 1 - n);
                }
                op::JUMPDEST => {}
                op::JUMP => {
                    let target = self.read();
                    return Exit::Jump(target);
                }
                op::JUMPI => {
                    let (target, condition) = (self.read(), self.read());
                    return Exit::JumpI { target, condition };
                }
                _ => {
                    let info = &table[usize::from(byte)];
                    if !info.defined {
                        return Exit::Halt;
                    }
                    self.inst(byte, info.inputs, info.outputs, pc as u32, code.len());
                    if info.terminator {
                        return Exit::Halt;
                    }
                }
            }
            pc += 1;
        }
        if end == code.len() && start == end { Exit::Halt } else { Exit::Fall }
    }

    fn inst(&mut self, byte: u8, inputs: u8, outputs: u8, pc: u32, code_len: usize) {
        match byte {
            op::PC => return self.push(Abs::Const(i64::from(pc))),
            op::CODESIZE => return self.push(Abs::Const(code_len as i64)),
            _ => {}
        }
        let mut args = [Abs::Unknown; 7];
        for arg in args.iter_mut().take(usize::from(inputs)) {
            *arg = self.read();
        }
        self.touch_memory(byte, &args);
        if outputs == 1 {
            let result = match byte {
                op::MLOAD if args[0] == Abs::Const(FREE_POINTER) && self.pointer >= 0 => {
                    Abs::Const(self.pointer)
                }
                op::ADD..=op::SAR if self.fold => fold(byte, args[0], args[1]),
                _ => Abs::Unknown,
            };
            self.push(result);
        }
    }

    /// What an inst does to EVM memory.
    fn touch_memory(&mut self, byte: u8, args: &[Abs; 7]) {
        let memory = memory_operands(byte);
        let place = |range: &MemoryRange| {
            let length = match range.length {
                Length::Operand(i) => args[usize::from(i)],
                Length::Bytes(n) => Abs::Const(n.into()),
            };
            (args[usize::from(range.at)], length)
        };
        if let Some((at, length)) = memory.reads.as_ref().map(place) {
            self.load(at, length);
        }
        if let Some((at, length)) = memory.writes.as_ref().map(place) {
            match args {
                [Abs::Const(FREE_POINTER), Abs::Const(value @ 0..), ..]
                    if byte == op::MSTORE && self.follow_pointer =>
                {
                    self.touch(at, length);
                    self.pointer = *value;
                }
                _ => self.clobber(at, length),
            }
            if memory.writes_all {
                self.written(at, length);
            }
        }
    }
}

/// The immediate of `size` bytes at `at`, zero-padded at the end of the code, if it fits.
fn immediate(code: &[u8], at: usize, size: usize) -> Option<i64> {
    let end = (at + size).min(code.len());
    let bytes = &code[at.min(end)..end];
    let missing = size - bytes.len();
    let mut value: i64 = 0;
    let negative = size == 32 && missing == 0 && bytes[0] == 0xff;
    for (i, byte) in bytes.iter().enumerate() {
        let place = size - 1 - i;
        if place >= 7 {
            if *byte != if negative { 0xff } else { 0 } {
                return None;
            }
        } else {
            value = value << 8 | i64::from(*byte);
        }
    }
    let value = value << (8 * missing.min(7));
    if missing >= 7 && value != 0 {
        return None;
    }
    Some(if negative { value | -1 << 56 } else { value })
}

/// Folds the few ops that addresses and conditions are made with; exact on sign-extended numbers.
fn fold(byte: u8, a: Abs, b: Abs) -> Abs {
    let value = match (byte, a, b) {
        (op::NOT, Abs::Const(a), _) => Some(!a),
        (op::ISZERO, Abs::Literal(_), _) => Some(0),
        (op::ISZERO, Abs::Const(a), _) => Some(i64::from(a == 0)),
        (op::ADD, Abs::Const(a), Abs::Const(b)) => a.checked_add(b),
        (op::SUB, Abs::Const(a), Abs::Const(b)) => a.checked_sub(b),
        (op::AND, Abs::Const(a), Abs::Const(b)) => Some(a & b),
        (op::OR, Abs::Const(a), Abs::Const(b)) => Some(a | b),
        (op::EQ, Abs::Const(a), Abs::Const(b)) => Some(i64::from(a == b)),
        // Unsigned order on sign-extended numbers is the unsigned order of their 64 bits.
        (op::LT, Abs::Const(a), Abs::Const(b)) => Some(i64::from((a as u64) < b as u64)),
        (op::GT, Abs::Const(a), Abs::Const(b)) => Some(i64::from(a as u64 > b as u64)),
        (op::MUL, Abs::Const(a), Abs::Const(b)) => a.checked_mul(b),
        _ => None,
    };
    value.map_or(Abs::Unknown, Abs::Const)
}

struct Resolver<'a> {
    code: &'a [u8],
    cfg: &'a Cfg,
    table: &'a Table,
    options: Options,
    flow: Flow,
    /// Per bb: whether some ebb holds it already, so that another copy costs.
    copied: Vec<bool>,
    /// Per bb: how many contexts it starts an ebb in.
    contexts: Vec<u16>,
    /// Bytes of code that may still be copied.
    budget: u64,
    /// The part of it that is for shortened contexts.
    reserve: u64,
    /// Open addressing over the ebbs by (bb, context); lossy. Its length is a power of two.
    known: Vec<u32>,
    machine: Machine,
    scratch: Vec<(u32, i64)>,
    bbs: Vec<BbId>,
    traps: Vec<Option<Trap>>,
}

impl Resolver<'_> {
    fn run(&mut self) {
        let mut next = 0;
        loop {
            while next < self.flow.ebbs.len() {
                self.grow_ebb(EbbId(next as u32));
                next += 1;
            }
            if !self.flow.any_computed {
                break;
            }
            for bb in 0..self.cfg.bbs.len() {
                if self.cfg.bbs[bb].jumpdest {
                    let id = self.general_ebb(BbId(bb as u32));
                    self.flow.ebbs[id.index()].computed_entry = true;
                }
            }
            if next == self.flow.ebbs.len() {
                break;
            }
        }
    }

    /// The general ebb of `bb`, made if need be.
    fn general_ebb(&mut self, bb: BbId) -> EbbId {
        if let Some(id) = self.flow.general[bb.index()] {
            return id;
        }
        let id = self.add_ebb(bb, Span::default(), NO_POINTER);
        self.flow.general[bb.index()] = Some(id);
        self.copied[bb.index()] = true;
        id
    }

    fn add_ebb(&mut self, bb: BbId, context: Span, pointer: i64) -> EbbId {
        let id = EbbId(self.flow.ebbs.len() as u32);
        let start = self.flow.bb_arena.len() as u32;
        self.flow.bb_arena.push(bb);
        self.flow.trap_arena.push(None);
        self.flow.ebbs.push(Ebb {
            // Only the first bb for now; `grow_ebb` lists them all.
            bbs: Span { start, end: start + 1 },
            context,
            pointer,
            term: Term::Halt,
            exit: Span::default(),
            pops: 0,
            used: 0,
            memory_bytes: 0,
            words_read: 0,
            words_written: 0,
            computed_entry: false,
        });
        id
    }

    /// Runs an ebb from its first bb on, as far as it goes.
    fn grow_ebb(&mut self, id: EbbId) {
        let ebb = *self.flow.ebb(id);
        let first = self.flow.bb_arena[ebb.bbs.start as usize];
        let mut machine = std::mem::take(&mut self.machine);
        machine.start(ebb.context.of(&self.flow.context_arena), ebb.pointer);
        let mut bbs = std::mem::take(&mut self.bbs);
        bbs.clear();
        let mut traps = std::mem::take(&mut self.traps);
        traps.clear();
        let mut bytes = 0;
        let mut bb = first;
        let term = loop {
            bbs.push(bb);
            traps.push(None);
            let block = *self.cfg.bb(bb);
            bytes += block.bytes();
            let exit = machine.run(self.code, self.table, block.start as usize, block.end as usize);
            let next = match exit {
                Exit::Halt => break Term::Halt,
                Exit::Fall => BbId(bb.0 + 1),
                Exit::Jump(target) => match target {
                    Abs::Const(pc) => match self.jumpdest(pc) {
                        Some(next) => next,
                        None => break Term::BadJump,
                    },
                    Abs::Literal(_) => break Term::BadJump,
                    _ => break Term::Computed,
                },
                Exit::JumpI { target, condition } => {
                    match self.branch(&machine, bb, target, condition) {
                        Ok((next, trap)) => {
                            traps[bbs.len() - 1] = trap;
                            next
                        }
                        Err(term) => break term,
                    }
                }
            };
            if !self.may_continue(first, next, bytes) {
                break Term::Goto(self.successor(&machine, next));
            }
            bb = next;
        };
        let start = self.flow.bb_arena.len() as u32;
        self.flow.bb_arena.extend_from_slice(&bbs);
        self.flow.trap_arena.extend_from_slice(&traps);
        (self.bbs, self.traps) = (bbs, traps);
        let exit_start = self.flow.exit_arena.len() as u32;
        self.flow.exit_arena.extend_from_slice(&machine.stack);
        self.flow.any_computed |= term.is_computed();
        let ebb = &mut self.flow.ebbs[id.index()];
        ebb.bbs = Span { start, end: self.flow.bb_arena.len() as u32 };
        ebb.term = term;
        ebb.exit = Span { start: exit_start, end: self.flow.exit_arena.len() as u32 };
        ebb.pops = machine.pops;
        ebb.used = machine.used;
        ebb.memory_bytes = machine.memory_bytes;
        ebb.words_read = machine.words_read;
        ebb.words_written = machine.words_written;
        self.machine = machine;
    }

    fn jumpdest(&self, pc: i64) -> Option<BbId> {
        self.cfg.jumpdest(u64::try_from(pc).ok()?)
    }

    /// A JUMPI at the end of `bb`: goes on at a bb if its condition is constant or the other side
    /// is a trap, else ends.
    fn branch(
        &mut self,
        machine: &Machine,
        bb: BbId,
        target: Abs,
        condition: Abs,
    ) -> Result<(BbId, Option<Trap>), Term> {
        let after = BbId(bb.0 + 1);
        let known = match condition {
            Abs::Const(value) if self.options.fold => Some(value != 0),
            Abs::Literal(_) if self.options.fold => Some(true),
            _ => None,
        };
        let to = match target {
            Abs::Const(pc) => self.jumpdest(pc),
            _ => None,
        };
        let computed = !matches!(target, Abs::Const(_) | Abs::Literal(_));
        match known {
            Some(false) => Ok((after, None)),
            Some(true) if computed => Err(Term::Computed),
            Some(true) => to.map(|to| (to, None)).ok_or(Term::BadJump),
            None if computed => Err(Term::ComputedBranch { fall: self.successor(machine, after) }),
            None => {
                if let Some((next, trap)) = self.beside_trap(to, after) {
                    return Ok((next, Some(trap)));
                }
                let taken = to.map(|to| self.successor(machine, to));
                Err(Term::Branch { taken, fall: self.successor(machine, after) })
            }
        }
    }

    /// The only side of a JUMPI where anything runs, if the other is a trap.
    fn beside_trap(&self, taken: Option<BbId>, fall: BbId) -> Option<(BbId, Trap)> {
        if !self.options.merge {
            return None;
        }
        let halts = |bb: BbId| {
            let block = self.cfg.bb(bb);
            let first = block.start as usize + usize::from(block.jumpdest);
            let byte = self.code.get(first).filter(|_| first < block.end as usize)?;
            (!self.table[usize::from(*byte)].defined).then_some(OP_INVALID)
        };
        let traps = (taken.map_or(Some(OP_BAD_JUMP), halts), halts(fall), taken);
        match traps {
            (Some(op), None, _) => Some((fall, Trap { taken: true, op })),
            (None, Some(op), Some(taken)) => Some((taken, Trap { taken: false, op })),
            _ => None,
        }
    }

    /// Whether an ebb that started at `first` and holds `bytes` of code goes on into `next`.
    fn may_continue(&mut self, first: BbId, next: BbId, bytes: u32) -> bool {
        let length = self.cfg.bb(next).bytes();
        if !self.options.merge || next == first || bytes + length > EBB_CODE_BYTES_MAX {
            return false;
        }
        if self.copied[next.index()] {
            if length > DUPLICATE_BB_BYTES_MAX || u64::from(length) > self.budget {
                return false;
            }
            self.budget -= u64::from(length);
        }
        self.copied[next.index()] = true;
        true
    }

    /// The ebb of `bb` in the context that holds at the exit of the machine.
    fn successor(&mut self, machine: &Machine, bb: BbId) -> EbbId {
        self.exit_context(machine);
        let pointer = if self.options.contexts { machine.pointer } else { NO_POINTER };
        let whole = (CONTEXT_ITEMS_MAX, pointer, CONTEXTS_WHOLE_MAX, self.reserve);
        let short = (CONTEXT_ITEMS_SHORT, NO_POINTER, CONTEXTS_PER_BB_MAX, 0);
        for (items, pointer, contexts, reserve) in [whole, short] {
            self.scratch.truncate(items);
            if self.scratch.is_empty() && pointer == NO_POINTER {
                break;
            }
            let found = self.lookup(bb, pointer);
            if let Ok(id) = found {
                return id;
            }
            let length = u64::from(self.cfg.bb(bb).bytes());
            if !self.copied[bb.index()]
                || self.contexts[bb.index()] < contexts && length + reserve <= self.budget
            {
                return self.context_ebb(bb, pointer, found.err().flatten());
            }
        }
        self.general_ebb(bb)
    }

    /// An ebb of `bb` for the context in `scratch` and `pointer`, at a place in the table.
    fn context_ebb(&mut self, bb: BbId, pointer: i64, place: Option<usize>) -> EbbId {
        if self.copied[bb.index()] {
            self.budget -= u64::from(self.cfg.bb(bb).bytes());
        }
        self.copied[bb.index()] = true;
        self.contexts[bb.index()] += 1;
        let start = self.flow.context_arena.len() as u32;
        self.flow.context_arena.extend_from_slice(&self.scratch);
        let end = self.flow.context_arena.len() as u32;
        let id = self.add_ebb(bb, Span { start, end }, pointer);
        if let Some(at) = place {
            self.known[at] = id.0;
        }
        if self.flow.ebbs.len() * 2 > self.known.len() {
            self.rehash();
        }
        id
    }

    /// Puts the return addresses on the machine's stack into `scratch`.
    fn exit_context(&mut self, machine: &Machine) {
        self.scratch.clear();
        if !self.options.contexts {
            return;
        }
        let explicit = machine.stack.len().min(CONTEXT_DEPTH_MAX);
        for depth in 0..explicit {
            if let Abs::Const(pc) = machine.stack[machine.stack.len() - 1 - depth]
                && self.jumpdest(pc).is_some()
                && !self.remember(depth as u32, pc)
            {
                return;
            }
        }
        for (depth, pc) in &machine.context {
            if *depth >= machine.pops {
                let depth = *depth as usize - machine.pops as usize + machine.stack.len();
                if depth >= CONTEXT_DEPTH_MAX || !self.remember(depth as u32, *pc) {
                    return;
                }
            }
        }
    }

    /// Adds a return address to the context in `scratch`; false where the context ends.
    fn remember(&mut self, depth: u32, pc: i64) -> bool {
        if self.scratch.len() == CONTEXT_ITEMS_MAX || self.scratch.iter().any(|item| item.1 == pc) {
            return false;
        }
        self.scratch.push((depth, pc));
        true
    }

    /// The ebb of `bb` in the context `scratch` and `pointer`, or the place in the table for it.
    fn lookup(&self, bb: BbId, pointer: i64) -> Result<EbbId, Option<usize>> {
        let mask = self.known.len() - 1;
        let mut at = key_hash(bb, pointer, &self.scratch) as usize & mask;
        for _ in 0..PROBES_MAX {
            let id = self.known[at];
            if id == u32::MAX {
                return Err(Some(at));
            }
            let ebb = &self.flow.ebbs[id as usize];
            if self.flow.bb_arena[ebb.bbs.start as usize] == bb
                && ebb.pointer == pointer
                && ebb.context.of(&self.flow.context_arena) == self.scratch
            {
                return Ok(EbbId(id));
            }
            at = (at + 1) & mask;
        }
        Err(None)
    }

    fn rehash(&mut self) {
        let len = self.known.len() * 2;
        self.known.clear();
        self.known.resize(len, u32::MAX);
        for (id, ebb) in self.flow.ebbs.iter().enumerate() {
            let context = ebb.context.of(&self.flow.context_arena);
            if context.is_empty() && ebb.pointer == NO_POINTER {
                continue;
            }
            let bb = self.flow.bb_arena[ebb.bbs.start as usize];
            let home = key_hash(bb, ebb.pointer, context) as usize;
            let mut places = (home..home + PROBES_MAX).map(|at| at & (len - 1));
            if let Some(at) = places.find(|at| self.known[*at] == u32::MAX) {
                self.known[at] = id as u32;
            }
        }
    }
}

fn key_hash(bb: BbId, pointer: i64, context: &[(u32, i64)]) -> u64 {
    let hash = mix(u64::from(bb.0), pointer as u64);
    context.iter().fold(hash, |h, item| mix(mix(h, u64::from(item.0)), item.1 as u64))
}
