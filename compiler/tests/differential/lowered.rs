//! Runs the ops of a program, as a kernel would.

use crate::alu::alu;
use crate::stack::operation;
use crate::world::{End, Halt, World};
use alloy_primitives::{U256, keccak256};
use warpevm_compiler::opcode::op;
use warpevm_compiler::{Op, OpKind, Operand, Program};

struct Machine<'a> {
    program: &'a Program,
    slots: Vec<U256>,
    sp: i64,
    at: usize,
    code: &'a [u8],
    ops: u64,
    /// Per op: how many edges lead to the `Bb` there.
    edges: Vec<u32>,
}

/// How many ways lead to each bb; the jump table counts as many.
fn edges(program: &Program) -> Vec<u32> {
    let mut edges = vec![0; program.ops.len()];
    edges[program.entry as usize] += 2;
    program.jump_targets().for_each(|(_, to)| edges[to as usize] += 2);
    for (at, op) in program.ops.iter().enumerate() {
        let kind = OpKind::from_code(op.code).expect("verified");
        if kind.shape().contains('J') {
            edges[op.imm as usize] += 1;
        }
        let falls = kind.shape().contains('J') && kind != OpKind::GoTo;
        if falls || matches!(kind, OpKind::Fall | OpKind::JumpI) {
            edges[at + 1] += 1;
        }
    }
    edges
}

/// Runs `program` and says how many ops it took.
pub fn run(program: &Program, code: &[u8], world: &mut World) -> (Result<End, Halt>, u64) {
    let slots = vec![POISON; 3000];
    let at = program.entry as usize;
    let mut machine = Machine { program, slots, sp: 0, at, code, ops: 0, edges: edges(program) };
    loop {
        match machine.step(world) {
            Ok(None) => {}
            Ok(Some(end)) => return (Ok(end), machine.ops),
            Err(halt) => return (Err(halt), machine.ops),
        }
    }
}

/// What slots hold that nobody wrote since a bb with several ways in began.
const POISON: U256 = U256::from_limbs([0xdead, 0xbeef, 0xdead, 0xbeef]);

impl Machine<'_> {
    fn get(&self, operand: Operand) -> U256 {
        match (operand.as_slot(), operand.as_constant()) {
            (Some(slot), _) => self.slots[(self.sp + i64::from(slot)) as usize],
            (_, Some(number)) => self.program.consts[number as usize],
            _ => unreachable!(),
        }
    }

    fn go(&mut self, op: &Op, to: Option<u32>) {
        self.sp += i64::from(op.x);
        self.at = to.map_or(self.at, |to| to as usize);
    }

    fn enter(&mut self, op: &Op, world: &mut World) -> Result<(), Halt> {
        if self.sp < i64::from(op.a.0) || self.sp + i64::from(op.b.0) > 1024 {
            return Err(Halt("stack"));
        }
        // A bb with one way in may read what the bb before it left above `sp`.
        if self.edges[self.at - 1] != 1 {
            let window = self.sp as usize..self.sp as usize + usize::from(op.c.0);
            self.slots[window].fill(POISON);
        }
        world.charge(u64::from(op.imm))
    }

    fn step(&mut self, world: &mut World) -> Result<Option<End>, Halt> {
        let op = self.program.ops[self.at];
        let kind = OpKind::from_code(op.code).expect("verified");
        self.at += 1;
        self.ops += 1;
        let shape = kind.shape();
        let arg = |letter: char, operand: Operand| match shape.split('E').next() {
            Some(head) if head.contains(letter) => self.get(operand),
            _ => U256::ZERO,
        };
        let (a, b, c) = match kind {
            OpKind::Bb => Default::default(),
            _ => (arg('a', op.a), arg('b', op.b), arg('c', op.c)),
        };
        if shape.contains('T') {
            return self.terminate(kind, &op, a, b, world);
        }
        let result = match kind {
            OpKind::Bb => {
                self.enter(&op, world)?;
                None
            }
            OpKind::Section => {
                world.charge(u64::from(op.imm))?;
                None
            }
            OpKind::Mov => Some(a),
            OpKind::LoadK => Some(self.program.consts[op.imm as usize]),
            _ if shape.contains('E') => self.with_ext(kind, &op, [a, b, c], world)?,
            _ => self.plain(kind, &op, [a, b, c], world)?,
        };
        if let Some(result) = result {
            let slot = op.dst.as_slot().expect("verified");
            self.slots[(self.sp + i64::from(slot)) as usize] = result;
        }
        Ok(None)
    }

    fn terminate(
        &mut self,
        kind: OpKind,
        op: &Op,
        a: U256,
        b: U256,
        world: &mut World,
    ) -> Result<Option<End>, Halt> {
        let less = |a, b| alu(op::SLT, a, b, U256::ZERO) == U256::ONE;
        let taken = match kind {
            OpKind::BadJump => return Err(Halt("bad jump")),
            OpKind::Invalid => return Err(Halt("invalid")),
            OpKind::Stop => return Ok(Some(End::Stop)),
            OpKind::Return => return Ok(Some(End::Return(world.read(a, b)?))),
            OpKind::Revert => return Ok(Some(End::Revert(world.read(a, b)?))),
            OpKind::SelfDestruct => return Ok(Some(End::SelfDestruct(a))),
            OpKind::Fall => false,
            OpKind::GoTo | OpKind::Lower => true,
            OpKind::Jump | OpKind::JumpI => {
                let target = if kind == OpKind::Jump { a } else { b };
                let target = self.program.jump_target(target.saturating_to());
                let jumps = kind == OpKind::Jump || !a.is_zero();
                self.go(op, jumps.then_some(target));
                return Ok(None);
            }
            OpKind::JumpIf => !a.is_zero(),
            OpKind::JumpIfZero => a.is_zero(),
            OpKind::JumpEq => a == b,
            OpKind::JumpNe => a != b,
            OpKind::JumpLt => a < b,
            OpKind::JumpGe => a >= b,
            OpKind::JumpSlt => less(a, b),
            OpKind::JumpSge => !less(a, b),
            other => unreachable!("{other:?}"),
        };
        self.go(op, taken.then_some(op.imm));
        Ok(None)
    }

    fn with_ext(
        &mut self,
        kind: OpKind,
        op: &Op,
        args: [U256; 3],
        world: &mut World,
    ) -> Result<Option<U256>, Halt> {
        let ext = self.program.ops[self.at];
        self.at += 1;
        let operands = [ext.dst, ext.a, ext.b, ext.c];
        let (byte, head, tail) = match kind {
            OpKind::ExtCodeCopy => (op::EXTCODECOPY, 3, 1),
            OpKind::Log => (op::LOG0 + op.x as u8, 2, op.x as usize),
            OpKind::Create => (op::CREATE, 3, 0),
            OpKind::Create2 => (op::CREATE2, 3, 1),
            OpKind::Call => (op::CALL, 3, 4),
            OpKind::CallCode => (op::CALLCODE, 3, 4),
            OpKind::DelegateCall => (op::DELEGATECALL, 2, 4),
            OpKind::StaticCall => (op::STATICCALL, 2, 4),
            other => unreachable!("{other:?}"),
        };
        let mut all = [U256::ZERO; 7];
        all[..head].copy_from_slice(&args[..head]);
        for (i, operand) in operands.into_iter().enumerate().take(tail) {
            all[head + i] = self.get(operand);
        }
        operation(byte, &all, world)
    }

    fn plain(
        &mut self,
        kind: OpKind,
        op: &Op,
        args: [U256; 3],
        world: &mut World,
    ) -> Result<Option<U256>, Halt> {
        let [a, b, c] = args;
        let imm = U256::from(op.imm);
        let length = U256::from(op.x as u16);
        let covered = |world: &World, length: u64| {
            assert!(u64::from(op.imm) + length <= world.memory.len() as u64, "uncovered {kind:?}");
        };
        Ok(Some(match kind {
            OpKind::ExpK => alu(op::EXP, a, b, c),
            OpKind::NotZero => U256::from(!a.is_zero()),
            OpKind::ShlK => alu(op::SHL, imm, a, c),
            OpKind::ShrK => alu(op::SHR, imm, a, c),
            OpKind::SarK => alu(op::SAR, imm, a, c),
            OpKind::CallDataLoadK => world.call_data_word(imm),
            OpKind::Keccak1 => keccak256(a.to_be_bytes::<32>()).into(),
            OpKind::Keccak2 => {
                let words = [a.to_be_bytes::<32>(), b.to_be_bytes::<32>()];
                keccak256(words.concat()).into()
            }
            OpKind::KeccakK => {
                covered(world, u64::from(op.x as u16));
                keccak256(world.read(imm, length)?).into()
            }
            OpKind::MloadK => {
                covered(world, 32);
                U256::try_from_be_slice(&world.read(imm, U256::from(32))?).expect("32 bytes")
            }
            OpKind::MstoreK => {
                covered(world, 32);
                world.write(imm, &a.to_be_bytes::<32>());
                return Ok(None);
            }
            OpKind::Mstore8K => {
                covered(world, 1);
                world.write(imm, &[a.byte(0)]);
                return Ok(None);
            }
            OpKind::MemExpand => {
                world.grow(imm, U256::ZERO)?;
                world.grow(U256::ZERO, imm)?;
                return Ok(None);
            }
            OpKind::CodeCopy => {
                world.copy(self.code, a, b, c)?;
                return Ok(None);
            }
            _ => return operation(opcode(kind), &[a, b, c, U256::ZERO, a, b, c], world),
        }))
    }
}

/// The opcode whose name is the kind's.
fn opcode(kind: OpKind) -> u8 {
    let name = match kind {
        OpKind::Keccak => "KECCAK256".to_owned(),
        other => other.name().to_uppercase(),
    };
    let row = warpevm_compiler::opcode::by_name(&name);
    row.unwrap_or_else(|| panic!("no opcode {name}")).byte
}
