//! How does a code run at once, without analysis?
//!
//! One pass over the bytes of a bb gives its ops. The stack is followed within the bb as slots and
//! constants; jumps to a pushed destination are resolved; nothing else is looked for. The ops keep
//! the contract of [`crate::program`], so the same kernels run them.
//!
//! # Terms
//! A *run* is a bb and those that control falls into after it, up to a jump or the end of the
//! frame. A [`Baseline`] lowers a run when its first bb is first entered: op 3 + n, a `Lower`,
//! stands for the bb of JUMPDEST n until then. [`compile_baseline`] lowers all.
//!
//! # Soundness
//! What falls through is lowered with what it falls from, so only JUMPDESTs are entered from
//! elsewhere. Results go to the slot of their place on the stack, if no other place still names
//! that slot, else to a temporary above all places; at the end of the bb each place gets its value
//! by parallel moves. Static gas is charged in sections as the contract says; memory ops check and
//! charge themselves.

use crate::graph::observes_gas;
use crate::moves::{Moves, Source};
use crate::opcode::{Table, op, table_of};
use crate::program::{
    JUMP_BLOCK_BYTES, OP_BAD_JUMP, OP_INVALID, OP_STOP, Op, OpKind, Operand, Program, jump_place,
    jump_table,
};
use crate::spec::Spec;
use crate::{build, limits::STACK_HEIGHT_MAX};
use alloy_primitives::U256;

/// The first op that stands for a JUMPDEST.
const OP_LOWER: u32 = OP_INVALID + 1;

/// Constants of which a program remembers that it has them; a power of two.
const KNOWN_CONSTANTS: usize = 64;

/// Ops that one byte of code gives at most: a section, an op, its `Ext` and a move of its result;
/// two moves and one of a cycle for a SWAP; a `Bb`, a jump and the op that stands for it for a
/// JUMPDEST. One more, as ends of bbs share theirs unevenly.
const OPS_PER_BYTE_MAX: usize = 5;

/// A change of what was lowered before, to be made after the new ops and constants are in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    /// The `imm` of an op.
    Imm {
        /// The op.
        op: u32,
        /// Its new value, the index of a `Bb`.
        to: u32,
    },
    /// A word of the jump table.
    Target {
        /// Which.
        place: u32,
        /// Its new value, the index of a `Bb`.
        to: u32,
    },
}

/// What a run adds to its program.
#[derive(Debug, Default)]
pub struct Run {
    /// Ops that follow those before.
    pub ops: Vec<Op>,
    /// Constants that follow those before.
    pub consts: Vec<U256>,
    /// What changes then, in this order.
    pub patches: Vec<Patch>,
}

/// A program that grows: what is known of its code, and of what was lowered. The ops are the
/// owner's.
#[derive(Debug)]
pub struct Baseline {
    table: &'static Table,
    /// As it was at first: bits, and places of targets.
    jump_table: Vec<u32>,
    /// The pc of each JUMPDEST.
    pcs: Vec<u32>,
    /// Per JUMPDEST: its `Bb`, or 0.
    starts: Vec<u32>,
    /// Per JUMPDEST: the last of the ops that wait for it, plus one.
    waiting: Vec<u32>,
    /// Ops that wait, each with the one before it, plus one.
    waiters: Vec<(u32, u32)>,
    ops: u32,
    consts: u32,
    known: Box<[(u64, u32); KNOWN_CONSTANTS]>,
    /// Whether ops stand for JUMPDESTs.
    grows: bool,
}

/// Buffers of the lowering, for one thread.
#[derive(Default)]
pub struct Scratch {
    run: Run,
    bb: Bb,
}

/// Compiles `code` for `spec` in one pass.
pub fn compile_baseline(code: &[u8], spec: Spec) -> Program {
    let mut scratch = Scratch::default();
    let mut baseline = Baseline::with(code, spec, false);
    let mut program = baseline.start(code, &mut scratch);
    for n in 0..baseline.pcs.len() as u32 {
        if baseline.starts[n as usize] == 0 {
            grow(&mut program, baseline.lower(code, n, &mut scratch));
        }
    }
    if cfg!(debug_assertions) {
        crate::verify::verify(&program).expect("the baseline keeps the contract");
    }
    program
}

/// Adds a run to a program that nothing runs meanwhile.
pub fn grow(program: &mut Program, run: &Run) {
    program.ops.extend_from_slice(&run.ops);
    program.consts.extend_from_slice(&run.consts);
    for patch in &run.patches {
        match *patch {
            Patch::Imm { op, to } => program.ops[op as usize].imm = to,
            Patch::Target { place, to } => program.jump_table[place as usize] = to,
        }
    }
}

impl Baseline {
    /// Finds the JUMPDESTs of `code`.
    pub fn new(code: &[u8], spec: Spec) -> Baseline {
        Self::with(code, spec, true)
    }

    fn with(code: &[u8], spec: Spec, grows: bool) -> Baseline {
        let mut pcs = Vec::with_capacity(code.len() / 16 + 1);
        let mut pc = 0;
        while let Some(byte) = code.get(pc).copied() {
            if byte == op::JUMPDEST {
                pcs.push(pc as u32);
            }
            // No branch: pushes come and go.
            let size = byte.wrapping_sub(op::PUSH0);
            pc += 1 + usize::from(if size <= 32 { size } else { 0 });
        }
        let first = |n: usize| if grows { OP_LOWER + n as u32 } else { OP_BAD_JUMP };
        let targets = pcs.iter().enumerate().map(|(n, pc)| (*pc, first(n)));
        Baseline {
            table: table_of(spec),
            jump_table: jump_table(code.len(), targets),
            starts: vec![0; pcs.len()],
            waiting: vec![0; pcs.len()],
            waiters: Vec::new(),
            pcs,
            ops: 0,
            consts: 0,
            known: Box::new([(0, u32::MAX); KNOWN_CONSTANTS]),
            grows,
        }
    }

    /// The program at first: what runs from pc 0 on.
    pub fn start(&mut self, code: &[u8], scratch: &mut Scratch) -> Program {
        let ends = [OpKind::BadJump, OpKind::Stop, OpKind::Invalid].map(op_of);
        let mut ops = ends.to_vec();
        if self.grows {
            ops.resize(ops.len() + self.pcs.len(), op_of(OpKind::Lower));
        }
        self.ops = ops.len() as u32;
        let mut program = Program {
            ops,
            jump_table: self.jump_table.clone(),
            code_bytes: code.len() as u32,
            entry: self.ops,
            ..Program::default()
        };
        grow(&mut program, self.run_from(code, 0, scratch));
        program
    }

    /// The JUMPDEST that an op stands for.
    pub fn jumpdest_of(&self, at: u32) -> Option<u32> {
        let n = at.checked_sub(OP_LOWER)?;
        (self.grows && (n as usize) < self.pcs.len()).then_some(n)
    }

    /// Whether the bb of JUMPDEST number `n` is there.
    pub fn is_lowered(&self, n: u32) -> bool {
        self.starts[n as usize] != 0
    }

    /// Lowers the run that begins with JUMPDEST number `n`, which is not there yet.
    pub fn lower<'s>(&mut self, code: &[u8], n: u32, scratch: &'s mut Scratch) -> &'s Run {
        assert!(!self.is_lowered(n), "JUMPDEST {n} is there");
        self.run_from(code, self.pcs[n as usize] as usize, scratch)
    }

    /// Ops that a program of a code of so many bytes has at most.
    pub fn ops_max(bytes: usize) -> usize {
        16 + OPS_PER_BYTE_MAX * bytes
    }

    /// Constants that a program of a code of so many bytes has at most.
    pub fn consts_max(bytes: usize) -> usize {
        16 + bytes
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Baseline>()
            + size_of_val(&*self.known)
            + size_of_val(&self.jump_table[..])
            + size_of_val(&self.pcs[..]) * 3
            + size_of_val(&self.waiters[..])
    }

    fn run_from<'s>(&mut self, code: &[u8], pc: usize, scratch: &'s mut Scratch) -> &'s Run {
        let Scratch { run, bb } = scratch;
        run.ops.clear();
        run.consts.clear();
        run.patches.clear();
        let mut next = Some(pc);
        while let Some(pc) = next {
            next = Lowering { code, base: self, run, bb }.bb(pc);
        }
        self.ops += run.ops.len() as u32;
        self.consts += run.consts.len() as u32;
        run
    }

    /// The number of the JUMPDEST at `pc`.
    fn jumpdest(&self, bytes: usize, pc: usize) -> Option<u32> {
        let first = 2 * bytes.div_ceil(JUMP_BLOCK_BYTES);
        jump_place(&self.jump_table, bytes, pc).map(|place| (place - first) as u32)
    }
}

/// The stack and the slots of one bb.
#[derive(Default)]
struct Bb {
    /// What stands at each place, lowest first; place 0 is `pops` below `sp`.
    stack: Vec<Operand>,
    pops: i32,
    /// Per slot from the lowest on: how many places name it.
    named: Vec<u16>,
    free: Vec<i32>,
    /// Temporaries stand from here on.
    growth: i32,
    top: i32,
    moves: Moves,
    /// The constant pushed last that fits 64 bits, and its number.
    pushed: (u64, u32),
}

impl Bb {
    fn start(&mut self, pops: u32, growth: u32) {
        (self.pops, self.growth, self.top) = (pops as i32, growth as i32, growth as i32);
        self.stack.clear();
        self.stack.extend((-self.pops..0).map(Operand::slot));
        self.named.clear();
        self.named.resize(pops as usize, 1);
        self.named.resize((pops + growth) as usize, 0);
        self.free.clear();
        self.moves.clear();
        self.pushed = (0, u32::MAX);
    }

    fn named(&mut self, slot: i32) -> &mut u16 {
        &mut self.named[(slot + self.pops) as usize]
    }

    fn push(&mut self, value: Operand) {
        if let Some(slot) = value.as_slot() {
            *self.named(slot) += 1;
        }
        self.stack.push(value);
    }

    /// Takes the top off; `hold` keeps a temporary from being used again.
    fn pop(&mut self, hold: bool) -> Operand {
        let value = self.stack.pop().expect("the bb was measured");
        if let Some(slot) = value.as_slot() {
            *self.named(slot) -= 1;
            if !hold {
                self.release(slot);
            }
        }
        value
    }

    fn release(&mut self, slot: i32) {
        if slot >= self.growth && *self.named(slot) == 0 {
            self.free.push(slot);
        }
    }

    fn temporary(&mut self) -> i32 {
        self.free.pop().unwrap_or_else(|| {
            self.named.push(0);
            self.top += 1;
            self.top - 1
        })
    }

    /// A slot for what is pushed next, none of `not`.
    fn result(&mut self, not: &[Operand]) -> Operand {
        let home = self.stack.len() as i32 - self.pops;
        if *self.named(home) == 0 && !not.contains(&Operand::slot(home)) {
            return Operand::slot(home);
        }
        Operand::slot(self.temporary())
    }

    /// The moves that bring every value to its place.
    fn find_moves(&mut self) {
        for (place, value) in self.stack.iter().enumerate() {
            let home = place as i32 - self.pops;
            match (value.as_slot(), value.as_constant()) {
                (Some(slot), _) => self.moves.add(home, Source::Slot(slot)),
                (_, Some(constant)) => self.moves.add(home, Source::Const(constant)),
                _ => unreachable!("an operand is a slot or a constant"),
            }
        }
    }
}

struct Lowering<'a> {
    code: &'a [u8],
    base: &'a mut Baseline,
    run: &'a mut Run,
    bb: &'a mut Bb,
}

/// The static gas of the open section.
struct Section {
    /// Its op, `Bb` or `Section`, in the run.
    at: usize,
    gas: u32,
    open: bool,
}

impl Lowering<'_> {
    /// Lowers the bb at `pc`. Gives where the one begins that it falls into, if that is to follow.
    fn bb(mut self, start: usize) -> Option<usize> {
        if let Some(n) = self.base.jumpdest(self.code.len(), start) {
            self.place(n);
        }
        let head = self.run.ops.len();
        self.run.ops.push(op_of(OpKind::Bb));
        let (pops, growth) = measure(self.code, self.base.table, start);
        if pops > STACK_HEIGHT_MAX || growth > STACK_HEIGHT_MAX {
            // Always a stack error.
            self.run.ops.push(op_of(OpKind::Invalid));
            self.finish(head, pops, growth);
            return None;
        }
        self.bb.start(pops, growth);
        let mut section = Section { at: head, gas: 0, open: true };
        let mut pc = start;
        let next = loop {
            let Some(byte) = self.code.get(pc).copied() else {
                self.run.ops.push(op_of(OpKind::Stop));
                break None;
            };
            if byte == op::JUMPDEST && pc != start {
                break self.fall(pc);
            }
            let info = self.base.table[usize::from(byte)];
            self.charge(&mut section, info.gas.into());
            let after = pc + 1 + usize::from(info.immediate);
            match byte {
                _ if !info.defined => {
                    self.run.ops.push(op_of(OpKind::Invalid));
                    break None;
                }
                op::PUSH0..=op::PUSH32 => self.immediate(pc + 1, info.immediate.into()),
                op::POP => {
                    self.bb.pop(false);
                }
                op::DUP1..=op::DUP16 => {
                    let n = usize::from(byte - op::DUP1) + 1;
                    self.bb.push(self.bb.stack[self.bb.stack.len() - n]);
                }
                op::SWAP1..=op::SWAP16 => {
                    let (n, top) = (usize::from(byte - op::SWAP1) + 1, self.bb.stack.len() - 1);
                    self.bb.stack.swap(top, top - n);
                }
                op::JUMPDEST => {}
                op::JUMP | op::JUMPI => break self.jump(byte, after),
                _ if info.terminator => {
                    self.halt(byte, info.inputs.into());
                    break None;
                }
                _ => {
                    if self.operation(byte, pc, info.inputs.into(), info.outputs.into()) {
                        self.close(&mut section);
                    }
                }
            }
            pc = after;
        };
        self.close(&mut section);
        self.finish(head, pops, growth);
        next
    }

    /// Settles the head of a bb.
    fn finish(&mut self, head: usize, pops: u32, growth: u32) {
        let raw = |n: u32| Operand(n.min(u16::MAX.into()) as u16);
        let slots = if pops > STACK_HEIGHT_MAX || growth > STACK_HEIGHT_MAX {
            0
        } else {
            self.bb.top as u32
        };
        let bb = &mut self.run.ops[head];
        (bb.a, bb.b, bb.c) = (raw(pops), raw(growth), raw(slots));
    }

    /// The next op is the `Bb` of JUMPDEST number `n`.
    fn place(&mut self, n: u32) {
        let to = self.base.ops + self.run.ops.len() as u32;
        self.base.starts[n as usize] = to;
        if self.base.grows {
            self.run.patches.push(Patch::Imm { op: OP_LOWER + n, to });
        }
        let blocks = 2 * self.code.len().div_ceil(JUMP_BLOCK_BYTES) as u32;
        self.run.patches.push(Patch::Target { place: blocks + n, to });
        let mut at = std::mem::take(&mut self.base.waiting[n as usize]);
        while let Some(i) = at.checked_sub(1) {
            let (op, before) = self.base.waiters[i as usize];
            self.run.patches.push(Patch::Imm { op, to });
            at = before;
        }
    }

    fn charge(&mut self, section: &mut Section, gas: u32) {
        if gas == 0 {
            return;
        }
        if section.open && section.gas.checked_add(gas).is_none() {
            self.close(section);
        }
        if !section.open {
            *section = Section { at: self.run.ops.len(), gas: 0, open: true };
            self.run.ops.push(op_of(OpKind::Section));
        }
        section.gas += gas;
    }

    fn close(&mut self, section: &mut Section) {
        if section.open {
            self.run.ops[section.at].imm = section.gas;
            section.open = false;
        }
    }

    /// The immediate of a PUSH, zero-padded at the end of the code.
    fn immediate(&mut self, start: usize, size: usize) {
        let bytes = self.code.get(start..).unwrap_or_default();
        let value = if size <= 8 {
            let byte = |i: usize| u64::from(bytes.get(i).copied().unwrap_or(0));
            U256::from((0..size).fold(0, |value, i| value << 8 | byte(i)))
        } else {
            let mut padded = [0; 32];
            let there = size.min(bytes.len());
            padded[32 - size..32 - size + there].copy_from_slice(&bytes[..there]);
            U256::from_be_bytes(padded)
        };
        self.push_constant(value);
    }

    fn push_constant(&mut self, value: U256) {
        let number = self.constant(value);
        if (number as usize) < Operand::CONSTS_MAX {
            return self.bb.push(Operand::constant(number));
        }
        let dst = self.bb.result(&[]);
        self.run.ops.push(Op { dst, imm: number, ..op_of(OpKind::LoadK) });
        self.bb.push(dst);
    }

    /// The number of a constant, a new one unless it is remembered.
    fn constant(&mut self, value: U256) -> u32 {
        let next = self.base.consts + self.run.consts.len() as u32;
        match u64::try_from(value) {
            Ok(small) => {
                let hash = small.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
                let known = &mut self.base.known[hash as usize % KNOWN_CONSTANTS];
                if known.0 != small || known.1 == u32::MAX {
                    *known = (small, next);
                    self.run.consts.push(value);
                }
                self.bb.pushed = *known;
                known.1
            }
            Err(_) => {
                self.run.consts.push(value);
                next
            }
        }
    }

    /// The value of an operand where that is at hand: it is what a jump pops next to its PUSH.
    fn destination(&self, operand: Operand) -> Option<u64> {
        let number = operand.as_constant()?;
        if self.bb.pushed.1 == number {
            return Some(self.bb.pushed.0);
        }
        let value = self.run.consts.get(number.checked_sub(self.base.consts)? as usize)?;
        Some(u64::try_from(*value).unwrap_or(u64::MAX))
    }

    /// An inst that is neither a stack op nor ends the bb. Says whether it observes gas.
    fn operation(&mut self, byte: u8, pc: usize, inputs: usize, outputs: usize) -> bool {
        if matches!(byte, op::PC | op::CODESIZE) {
            let value = if byte == op::PC { pc } else { self.code.len() };
            self.push_constant(U256::from(value));
            return false;
        }
        let kind = build::kind_of(byte);
        // Calls and creations write their result after others ran: into no slot of an operand.
        let hold = observes_gas(kind);
        let mut args = [Operand(0); 7];
        for arg in &mut args[..inputs] {
            *arg = self.bb.pop(hold);
        }
        let args = &args[..inputs];
        let mut out = op_of(kind);
        let (head, has_ext) = build::head_operands(kind, inputs);
        let fields = [&mut out.a, &mut out.b, &mut out.c];
        for (field, arg) in fields.into_iter().zip(&args[..head]) {
            *field = *arg;
        }
        if kind == OpKind::Log {
            out.x = (inputs - head) as i16;
        }
        let result = (outputs > 0).then(|| {
            let not: &[Operand] = if hold { args } else { &[] };
            self.bb.result(not)
        });
        out.dst = result.unwrap_or(Operand(0));
        self.run.ops.push(out);
        if has_ext {
            let mut ext = op_of(OpKind::Ext);
            let fields = [&mut ext.dst, &mut ext.a, &mut ext.b, &mut ext.c];
            for (field, arg) in fields.into_iter().zip(&args[head..]) {
                *field = *arg;
            }
            self.run.ops.push(ext);
        }
        if hold {
            for slot in args.iter().filter_map(|arg| arg.as_slot()) {
                if !self.bb.free.contains(&slot) {
                    self.bb.release(slot);
                }
            }
        }
        if let Some(result) = result {
            self.bb.push(result);
        }
        hold
    }

    fn halt(&mut self, byte: u8, inputs: usize) {
        let kind = match byte {
            op::RETURN => OpKind::Return,
            op::REVERT => OpKind::Revert,
            op::SELFDESTRUCT => OpKind::SelfDestruct,
            _ => OpKind::Stop,
        };
        let mut out = op_of(kind);
        for field in [&mut out.a, &mut out.b].into_iter().take(inputs) {
            *field = self.bb.pop(true);
        }
        self.run.ops.push(out);
    }

    /// Leaves for the JUMPDEST at `pc`, which follows.
    fn fall(&mut self, pc: usize) -> Option<usize> {
        self.bb.find_moves();
        self.emit_moves();
        let n = self.base.jumpdest(self.code.len(), pc).expect("a JUMPDEST follows");
        let x = self.change();
        if self.base.is_lowered(n) {
            self.jump_to(Op { x, ..op_of(OpKind::GoTo) }, Some(n));
            return None;
        }
        self.run.ops.push(Op { x, ..op_of(OpKind::Fall) });
        Some(pc)
    }

    /// The change of `sp`.
    fn change(&self) -> i16 {
        (self.bb.stack.len() as i32 - self.bb.pops) as i16
    }

    /// JUMP or JUMPI; `after` is the pc after it.
    fn jump(&mut self, byte: u8, after: usize) -> Option<usize> {
        let target = self.bb.pop(true);
        let condition = (byte == op::JUMPI).then(|| self.bb.pop(true));
        let to = self.destination(target).map(|pc| {
            let pc = usize::try_from(pc).unwrap_or(usize::MAX);
            self.base.jumpdest(self.code.len(), pc)
        });
        self.bb.find_moves();
        let out = match (condition, to) {
            (None, Some(_)) => op_of(OpKind::GoTo),
            (None, None) => Op { a: self.kept(target), ..op_of(OpKind::Jump) },
            (Some(condition), Some(_)) => self.test(condition),
            (Some(condition), None) => {
                let (a, b) = (self.kept(condition), self.kept(target));
                Op { a, b, ..op_of(OpKind::JumpI) }
            }
        };
        self.emit_moves();
        let out = Op { x: self.change(), ..out };
        match to {
            Some(to) => self.jump_to(out, to),
            None => self.run.ops.push(out),
        }
        condition?;
        if after >= self.code.len() {
            self.run.ops.push(Op { imm: OP_STOP, ..op_of(OpKind::GoTo) });
            return None;
        }
        match self.base.jumpdest(self.code.len(), after) {
            Some(n) if self.base.is_lowered(n) => {
                self.jump_to(op_of(OpKind::GoTo), Some(n));
                None
            }
            _ => Some(after),
        }
    }

    /// Emits a jump to a JUMPDEST, or to none.
    fn jump_to(&mut self, out: Op, to: Option<u32>) {
        let at = self.base.ops + self.run.ops.len() as u32;
        let imm = match to {
            None => OP_BAD_JUMP,
            Some(n) if self.base.is_lowered(n) => self.base.starts[n as usize],
            Some(n) => {
                let before = std::mem::replace(
                    &mut self.base.waiting[n as usize],
                    self.base.waiters.len() as u32 + 1,
                );
                self.base.waiters.push((at, before));
                if self.base.grows { OP_LOWER + n } else { OP_BAD_JUMP }
            }
        };
        self.run.ops.push(Op { imm, ..out });
    }

    /// An operand of the terminator, saved if the moves overwrite it.
    fn kept(&mut self, operand: Operand) -> Operand {
        match operand.as_slot() {
            Some(slot) if self.bb.moves.writes(slot) => {
                let saved = self.bb.temporary();
                self.bb.moves.add(saved, Source::Slot(slot));
                Operand::slot(saved)
            }
            _ => operand,
        }
    }

    /// The conditional jump that is taken if `condition` is not zero. The comparison that gave it
    /// becomes part of the jump, if nothing else needs it.
    fn test(&mut self, condition: Operand) -> Op {
        use OpKind::*;
        let (mut condition, mut negate) = (condition, false);
        let (kind, a, b) = loop {
            let plain = (JumpIf, condition, Operand(0));
            let Some(slot) = condition.as_slot() else { break plain };
            let Some(last) = self.run.ops.last().copied() else { break plain };
            let is_result = last.dst == condition && *self.bb.named(slot) == 0;
            let overwritten = [last.a, last.b]
                .into_iter()
                .any(|operand| operand.as_slot().is_some_and(|slot| self.bb.moves.writes(slot)));
            if !is_result || overwritten {
                break plain;
            }
            let found = match OpKind::from_code(last.code) {
                Some(IsZero) => {
                    (condition, negate) = (last.a, !negate);
                    self.run.ops.pop();
                    continue;
                }
                Some(Eq) => (JumpEq, last.a, last.b),
                Some(Sub | Xor) => (JumpNe, last.a, last.b),
                Some(Lt) => (JumpLt, last.a, last.b),
                Some(Gt) => (JumpLt, last.b, last.a),
                Some(Slt) => (JumpSlt, last.a, last.b),
                Some(Sgt) => (JumpSlt, last.b, last.a),
                _ => break plain,
            };
            self.run.ops.pop();
            break found;
        };
        let kind = if negate { build::negated(kind) } else { kind };
        let a = self.kept(a);
        let b = if kind.shape().contains('b') { self.kept(b) } else { Operand(0) };
        Op { a, b, ..op_of(kind) }
    }

    fn emit_moves(&mut self) {
        if self.bb.moves.is_empty() {
            return;
        }
        let ops = &mut self.run.ops;
        let used = self.bb.moves.schedule(self.bb.top, |to, from| {
            let a = match from {
                Source::Slot(slot) => Operand::slot(slot),
                Source::Const(number) => Operand::constant(number),
            };
            ops.push(Op { dst: Operand::slot(to), a, ..op_of(OpKind::Mov) });
        });
        self.bb.top += i32::from(used);
    }
}

/// How far below its entry a bb reaches, and how far above it grows.
fn measure(code: &[u8], table: &Table, start: usize) -> (u32, u32) {
    let (mut height, mut lowest, mut highest) = (0i32, 0i32, 0i32);
    let mut pc = start;
    while let Some(byte) = code.get(pc).copied() {
        let info = &table[usize::from(byte)];
        if byte == op::JUMPDEST && pc != start || !info.defined {
            break;
        }
        lowest = lowest.min(height - i32::from(info.inputs));
        height += i32::from(info.outputs) - i32::from(info.inputs);
        highest = highest.max(height);
        if info.terminator || byte == op::JUMPI {
            break;
        }
        pc += 1 + usize::from(info.immediate);
    }
    (lowest.unsigned_abs(), highest.unsigned_abs())
}

/// An op of this kind with nothing else set.
fn op_of(kind: OpKind) -> Op {
    let none = Operand(0);
    Op { code: kind as u16, dst: none, a: none, b: none, c: none, x: 0, imm: 0 }
}
