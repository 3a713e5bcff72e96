//! Does a program keep its contract with the kernels?
//!
//! # Terms
//! The rules are those of [`crate::program`]. *Covered bytes* are the least size of EVM memory at
//! an op, as far as the program itself shows it.
//!
//! # Soundness
//! Covered bytes are computed anew from the ops alone, by a forward must-analysis over the bbs:
//! a bb that the jump table names starts with nothing. An error is always a bug of the compiler.

use crate::program::{JUMP_BLOCK_BYTES, OP_INVALID, OP_STOP, Op, OpKind, Operand, Program};

/// A rule that a program breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("op {at}: {what}")]
pub struct VerifyError {
    /// The index of the op.
    pub at: u32,
    /// What is wrong with it.
    pub what: String,
}

/// Checks every rule of the contract.
pub fn verify(program: &Program) -> Result<(), VerifyError> {
    let verifier = Verifier { program, kinds: kinds(program)? };
    verifier.frame()?;
    let bbs = verifier.bbs()?;
    verifier.memory(&bbs)
}

fn fail<T>(at: usize, what: impl Into<String>) -> Result<T, VerifyError> {
    Err(VerifyError { at: at as u32, what: what.into() })
}

fn kinds(program: &Program) -> Result<Vec<OpKind>, VerifyError> {
    let kind = |(at, op): (usize, &Op)| match OpKind::from_code(op.code) {
        Some(kind) => Ok(kind),
        None => fail(at, format!("no op has number {}", op.code)),
    };
    program.ops.iter().enumerate().map(kind).collect()
}

struct Verifier<'a> {
    program: &'a Program,
    kinds: Vec<OpKind>,
}

/// The ops of one bb and where it goes.
struct BbRange {
    start: usize,
    end: usize,
}

/// A shape ([`OpKind::shape`]) as bits: programs are verified each time they are read from a disk,
/// and looking for letters took three times as long.
#[derive(Clone, Copy)]
struct Shape(u16);

impl Shape {
    const DST: Shape = Shape(1);
    const A: Shape = Shape(1 << 1);
    const B: Shape = Shape(1 << 2);
    const C: Shape = Shape(1 << 3);
    const X: Shape = Shape(1 << 4);
    const IMM: Shape = Shape(1 << 5);
    const TERMINATOR: Shape = Shape(1 << 6);
    const TARGET: Shape = Shape(1 << 7);
    const EXT: Shape = Shape(1 << 8);
    /// Operands of the `Ext` record, from this bit on.
    const EXT_SHIFT: u32 = 9;

    /// The shapes of all kinds by number.
    const ALL: [Shape; OpKind::ALL.len()] = {
        let mut all = [Shape(0); OpKind::ALL.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = Shape::parse(OpKind::ALL[at].shape().as_bytes());
            at += 1;
        }
        all
    };

    const fn parse(text: &[u8]) -> Shape {
        let (mut bits, mut at) = (0, 0);
        while at < text.len() {
            bits |= match text[at] {
                b'd' => Shape::DST.0,
                b'a' => Shape::A.0,
                b'b' => Shape::B.0,
                b'c' => Shape::C.0,
                b'x' => Shape::X.0,
                b'i' => Shape::IMM.0,
                b'T' => Shape::TERMINATOR.0,
                b'J' => Shape::TARGET.0,
                b'E' => Shape::EXT.0,
                count => ((count - b'0') as u16) << Shape::EXT_SHIFT,
            };
            at += 1;
        }
        Shape(bits)
    }

    fn of(kind: OpKind) -> Shape {
        Shape::ALL[kind as usize]
    }

    fn has(self, part: Shape) -> bool {
        self.0 & part.0 != 0
    }
}

/// How many operands the `Ext` record after this kind holds; `None` without one.
fn ext_operands(kind: OpKind) -> Option<u32> {
    let shape = Shape::of(kind);
    shape.has(Shape::EXT).then_some(u32::from(shape.0 >> Shape::EXT_SHIFT))
}

fn is_terminator(kind: OpKind) -> bool {
    Shape::of(kind).has(Shape::TERMINATOR)
}

/// Whether it is a conditional jump to an op.
fn is_test(kind: OpKind) -> bool {
    Shape::of(kind).has(Shape::TARGET) && kind != OpKind::GoTo
}

/// Whether control may reach the op after this terminator.
fn falls_through(kind: OpKind) -> bool {
    is_test(kind) || matches!(kind, OpKind::Fall | OpKind::JumpI)
}

impl Verifier<'_> {
    fn op(&self, at: usize) -> &Op {
        &self.program.ops[at]
    }

    /// Whether the op is a trap in the middle of a bb.
    fn is_trap(&self, at: usize) -> bool {
        let op = self.op(at);
        let halts = op.imm <= OP_INVALID && op.imm != OP_STOP;
        is_test(self.kinds[at]) && halts && op.x == 0 && self.kinds.get(at + 1) != Some(&OpKind::Bb)
    }

    /// The shared ops, the entry, the jump table.
    fn frame(&self) -> Result<(), VerifyError> {
        if !self.kinds.starts_with(&[OpKind::BadJump, OpKind::Stop, OpKind::Invalid]) {
            return fail(0, "ops 0 to 2 are not BadJump, Stop and Invalid");
        }
        if !is_terminator(*self.kinds.last().expect("there are two ops")) {
            return fail(self.kinds.len() - 1, "the program does not end with a terminator");
        }
        self.target(0, self.program.entry)?;
        self.jump_table()
    }

    /// The blocks of the jump table, and what they name.
    fn jump_table(&self) -> Result<(), VerifyError> {
        let table = &self.program.jump_table[..];
        let bytes = self.program.code_bytes as usize;
        let Some((blocks, targets)) = table.split_at_checked(2 * bytes.div_ceil(JUMP_BLOCK_BYTES))
        else {
            return fail(0, "the jump table is shorter than the code");
        };
        let mut next = blocks.len();
        for block in blocks.chunks_exact(2).filter(|block| block[0] != 0) {
            if block[1] as usize != next {
                return fail(0, "a block of the jump table names a wrong place");
            }
            next += block[0].count_ones() as usize;
        }
        if next != table.len() {
            return fail(0, "the jump table has as many targets as bits");
        }
        if !bytes.is_multiple_of(JUMP_BLOCK_BYTES) && blocks[blocks.len() - 2] >> (bytes % 32) != 0
        {
            return fail(0, "the jump table goes on after the code");
        }
        targets.iter().try_for_each(|target| self.target(0, *target))
    }

    fn target(&self, from: usize, to: u32) -> Result<(), VerifyError> {
        let named = self.kinds.get(to as usize);
        if to <= OP_INVALID || matches!(named, Some(OpKind::Bb | OpKind::Lower)) {
            return Ok(());
        }
        fail(from, format!("target {to} is no bb"))
    }

    /// Splits the ops into bbs and checks each op by itself.
    fn bbs(&self) -> Result<Vec<BbRange>, VerifyError> {
        let mut bbs = Vec::new();
        let mut at = OP_INVALID as usize + 1;
        while self.kinds.get(at) == Some(&OpKind::Lower) {
            self.check_op(at, OpKind::Lower, at)?;
            bbs.push(BbRange { start: at, end: at + 1 });
            at += 1;
        }
        while at < self.kinds.len() {
            if self.kinds[at] != OpKind::Bb {
                return fail(at, "a bb must start here");
            }
            let start = at;
            at += 1;
            let mut section_ended = false;
            loop {
                let Some(kind) = self.kinds.get(at).copied() else {
                    return fail(at - 1, "the bb has no terminator");
                };
                self.check_op(at, kind, start)?;
                if section_ended && self.has_static_gas(kind) {
                    return fail(at, "an op with static gas follows an observer of gas");
                }
                section_ended |= crate::graph::observes_gas(kind);
                section_ended &= kind != OpKind::Section;
                at += 1 + usize::from(ext_operands(kind).is_some());
                if is_terminator(kind) && !self.is_trap(at - 1) {
                    let next = self.kinds.get(at);
                    if kind != OpKind::Fall && falls_through(kind) && next == Some(&OpKind::GoTo) {
                        self.check_op(at, OpKind::GoTo, start)?;
                        at += 1;
                    } else if falls_through(kind) && next != Some(&OpKind::Bb) {
                        return fail(at - 1, "no bb follows to fall into");
                    }
                    break;
                }
            }
            bbs.push(BbRange { start, end: at });
        }
        Ok(bbs)
    }

    /// Kinds that always cost static gas, however they came about.
    fn has_static_gas(&self, kind: OpKind) -> bool {
        use OpKind::*;
        // Values may have been moved from other insts, so only state accesses are certain. SSTORE
        // charges itself, but a push or stack op before it need not leave a trace.
        matches!(kind, Sload | Log | Call | CallCode | DelegateCall | StaticCall | Create | Create2)
    }

    fn check_op(&self, at: usize, kind: OpKind, bb: usize) -> Result<(), VerifyError> {
        let op = self.op(at);
        let shape = Shape::of(kind);
        if matches!(kind, OpKind::Bb | OpKind::Ext) || kind == OpKind::Lower && at != bb {
            return fail(at, format!("{} in the middle of a bb", kind.name()));
        }
        self.check_operand(at, bb, op.dst, shape.has(Shape::DST), true)?;
        for (part, operand) in [(Shape::A, op.a), (Shape::B, op.b), (Shape::C, op.c)] {
            self.check_operand(at, bb, operand, shape.has(part), false)?;
        }
        if !shape.has(Shape::X) && op.x != 0 {
            return fail(at, "x is set but not used");
        }
        if shape.has(Shape::TARGET) {
            self.target(at, op.imm)?;
        } else if !shape.has(Shape::IMM) && op.imm != 0 {
            return fail(at, "imm is set but not used");
        }
        if kind == OpKind::LoadK && op.imm as usize >= self.program.consts.len() {
            return fail(at, "LoadK names no constant");
        }
        if matches!(kind, OpKind::ShlK | OpKind::ShrK | OpKind::SarK) && op.imm >= 256 {
            return fail(at, "a constant shift by 256 or more");
        }
        if let Some(count) = ext_operands(kind) {
            if self.kinds.get(at + 1) != Some(&OpKind::Ext) {
                return fail(at, "no Ext record follows");
            }
            let count = if kind == OpKind::Log { op.x as u32 } else { count };
            if count > 4 {
                return fail(at, "more than four topics");
            }
            let ext = self.op(at + 1);
            for (i, operand) in [ext.dst, ext.a, ext.b, ext.c].into_iter().enumerate() {
                self.check_operand(at + 1, bb, operand, (i as u32) < count, false)?;
            }
        }
        Ok(())
    }

    fn check_operand(
        &self,
        at: usize,
        bb: usize,
        operand: Operand,
        used: bool,
        result: bool,
    ) -> Result<(), VerifyError> {
        if !used {
            return match operand.0 {
                0 => Ok(()),
                _ => fail(at, "an operand is set but not used"),
            };
        }
        let head = self.op(bb);
        if let Some(number) = operand.as_constant() {
            return match (number as usize) < self.program.consts.len() && !result {
                true => Ok(()),
                false => fail(at, format!("constant {number} does not exist or is a result")),
            };
        }
        let slot = operand.as_slot().expect("neither constant nor slot");
        if slot >= i32::from(head.c.0) || slot < -i32::from(head.a.0) {
            return fail(at, format!("slot {slot} is outside of the bb's window"));
        }
        Ok(())
    }

    /// Checks that memory is large enough for every unchecked access.
    fn memory(&self, bbs: &[BbRange]) -> Result<(), VerifyError> {
        let mut bb_of = vec![u32::MAX; self.kinds.len()];
        for (i, bb) in bbs.iter().enumerate() {
            bb_of[bb.start] = i as u32;
        }
        let mut reached = Reached { bb_of, covered: vec![None; bbs.len()], work: Vec::new() };
        reached.meet(self.program.entry, 0);
        self.program.jump_targets().for_each(|(_, to)| reached.meet(to, 0));
        while let Some(bb) = reached.work.pop() {
            let range = &bbs[bb as usize];
            let before = reached.covered[bb as usize].expect("it is in the work list");
            let after = self.covered_after(range, before)?;
            for at in (range.start..range.end).filter(|at| is_terminator(self.kinds[*at])) {
                if Shape::of(self.kinds[at]).has(Shape::TARGET) {
                    reached.meet(self.op(at).imm, after);
                }
                if falls_through(self.kinds[at]) && at + 1 == range.end {
                    reached.meet(range.end as u32, after);
                }
            }
        }
        Ok(())
    }

    /// Covered bytes after a bb, or an access that is not covered.
    fn covered_after(&self, range: &BbRange, before: u64) -> Result<u64, VerifyError> {
        let mut covered = before;
        for at in range.start..range.end {
            let op = self.op(at);
            let needs = match self.kinds[at] {
                OpKind::MloadK | OpKind::MstoreK => 32,
                OpKind::Mstore8K => 1,
                OpKind::KeccakK => u64::from(op.x as u16),
                OpKind::MemExpand => {
                    covered = covered.max(u64::from(op.imm));
                    continue;
                }
                kind => {
                    covered = covered.max(self.checked_bytes(at, kind));
                    continue;
                }
            };
            if u64::from(op.imm) + needs > covered {
                return fail(at, format!("memory is not covered: only {covered} bytes are"));
            }
        }
        Ok(covered)
    }

    /// The end of the memory that a checked op with constant operands certainly touches.
    fn checked_bytes(&self, at: usize, kind: OpKind) -> u64 {
        use OpKind::*;
        let op = self.op(at);
        let ext = |at: usize| self.op(at + 1);
        let regions = match kind {
            CallDataCopy | CodeCopy | ReturnDataCopy => [(op.a, op.c), (op.a, op.c)],
            Mcopy => [(op.a, op.c), (op.b, op.c)],
            ExtCodeCopy => [(op.b, ext(at).dst), (op.b, ext(at).dst)],
            Keccak | Log => [(op.a, op.b), (op.a, op.b)],
            Create | Create2 => [(op.b, op.c), (op.b, op.c)],
            Call | CallCode | DelegateCall | StaticCall => {
                [(ext(at).dst, ext(at).a), (ext(at).b, ext(at).c)]
            }
            _ => return 0,
        };
        let value = |operand: Operand| {
            let word = self.program.consts[operand.as_constant()? as usize];
            u64::try_from(word).ok()
        };
        let end = |(offset, length): (Operand, Operand)| match (value(offset), value(length)) {
            (Some(offset), Some(length @ 1..)) => offset.saturating_add(length),
            _ => 0,
        };
        regions.into_iter().map(end).max().unwrap_or(0)
    }
}

/// Covered bytes at the start of every bb that was reached so far.
struct Reached {
    /// Per op: the bb that starts there.
    bb_of: Vec<u32>,
    covered: Vec<Option<u64>>,
    work: Vec<u32>,
}

impl Reached {
    fn meet(&mut self, to: u32, bytes: u64) {
        if to <= OP_INVALID {
            return;
        }
        let bb = self.bb_of[to as usize];
        let covered = &mut self.covered[bb as usize];
        if covered.is_none_or(|old| bytes < old) {
            *covered = Some(bytes);
            self.work.push(bb);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::jump_table;
    use crate::{Spec, compile};

    fn program() -> Program {
        // PUSH1 1; PUSH0; MSTORE; PUSH1 20; PUSH0; KECCAK256; GAS; SLOAD; SSTORE; JUMPDEST; STOP
        compile(
            &[0x60, 1, 0x5f, 0x52, 0x60, 0x40, 0x5f, 0x20, 0x5a, 0x54, 0x55, 0x5b, 0x00],
            Spec::Osaka,
        )
    }

    fn broken(change: impl FnOnce(&mut Program)) -> String {
        let mut program = program();
        assert_eq!(verify(&program), Ok(()));
        change(&mut program);
        verify(&program).unwrap_err().what
    }

    fn find(program: &Program, kind: OpKind) -> usize {
        program.ops.iter().position(|op| op.code == kind as u16).unwrap()
    }

    #[test]
    fn every_rule_can_fail() {
        fn op(p: &mut Program, kind: OpKind) -> &mut Op {
            let at = find(p, kind);
            &mut p.ops[at]
        }
        let uncovered = broken(|p| op(p, OpKind::MemExpand).imm = 32);
        assert!(uncovered.contains("not covered"), "{uncovered}");
        let section = broken(|p| {
            p.ops.remove(find(p, OpKind::Section));
        });
        assert!(section.contains("static gas follows"), "{section}");
        let slot = broken(|p| p.ops[3].c = Operand(0));
        assert!(slot.contains("outside"), "{slot}");
        let end = broken(|p| p.ops.truncate(p.ops.len() - 1));
        assert!(end.contains("terminator"), "{end}");
        let entry = broken(|p| p.entry = 4);
        assert!(entry.contains("no bb"), "{entry}");
        let table = broken(|p| p.jump_table = jump_table(p.code_bytes as usize, [(0, 99)]));
        assert!(table.contains("no bb"), "{table}");
        let short = broken(|p| p.jump_table.truncate(1));
        assert!(short.contains("shorter"), "{short}");
        let place = broken(|p| (p.jump_table[0], p.jump_table[1]) = (1, 1));
        assert!(place.contains("wrong place"), "{place}");
        let count = broken(|p| p.jump_table.push(3));
        assert!(count.contains("as many"), "{count}");
        let beyond = broken(|p| p.jump_table = jump_table(32, [(31, 3)]));
        assert!(beyond.contains("after the code"), "{beyond}");
        let unused = broken(|p| op(p, OpKind::Sload).c = Operand::slot(0));
        assert!(unused.contains("not used"), "{unused}");
        let constant = broken(|p| op(p, OpKind::MstoreK).a = Operand::constant(77));
        assert!(constant.contains("does not exist"), "{constant}");
        let start = broken(|p| p.ops.swap(0, 1));
        assert!(start.contains("BadJump"), "{start}");
        let number = broken(|p| p.ops[4].code = 999);
        assert!(number.contains("no op"), "{number}");
    }
}
