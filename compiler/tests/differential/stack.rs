//! The reference: one opcode after another on a stack.

use crate::alu::alu;
use crate::world::{End, Halt, World};
use alloy_primitives::{U256, keccak256};
use warpevm_compiler::opcode::{immediate_size, op, table_of};

struct Machine<'a> {
    code: &'a [u8],
    stack: Vec<U256>,
    pc: usize,
    jumpdests: Vec<bool>,
}

/// Runs `code` as the yellow paper says.
pub fn run(code: &[u8], world: &mut World) -> Result<End, Halt> {
    run_counting(code, world).0
}

/// Runs `code` and says how many insts it took.
pub fn run_counting(code: &[u8], world: &mut World) -> (Result<End, Halt>, u64) {
    let mut jumpdests = vec![false; code.len()];
    let mut pc = 0;
    while pc < code.len() {
        jumpdests[pc] = code[pc] == op::JUMPDEST;
        pc += 1 + usize::from(immediate_size(code[pc]));
    }
    let mut machine = Machine { code, stack: Vec::new(), pc: 0, jumpdests };
    let mut insts = 0;
    loop {
        insts += 1;
        match machine.step(world) {
            Ok(None) => {}
            Ok(Some(end)) => return (Ok(end), insts),
            Err(halt) => return (Err(halt), insts),
        }
    }
}

impl Machine<'_> {
    fn jump(&mut self, target: U256) -> Result<(), Halt> {
        let target = target.saturating_to::<usize>();
        if !self.jumpdests.get(target).copied().unwrap_or(false) {
            return Err(Halt("bad jump"));
        }
        self.pc = target;
        Ok(())
    }

    fn step(&mut self, world: &mut World) -> Result<Option<End>, Halt> {
        let Some(byte) = self.code.get(self.pc).copied() else { return Ok(Some(End::Stop)) };
        let info = table_of(world.spec)[usize::from(byte)];
        if !info.defined {
            return Err(Halt("invalid"));
        }
        if self.stack.len() < usize::from(info.inputs) {
            return Err(Halt("underflow"));
        }
        if self.stack.len() - usize::from(info.inputs) + usize::from(info.outputs) > 1024 {
            return Err(Halt("overflow"));
        }
        world.charge(u64::from(info.gas))?;
        let at = self.pc;
        self.pc += 1;
        match byte {
            op::PUSH0..=op::PUSH32 => {
                let size = usize::from(byte - op::PUSH0);
                let mut word = [0; 32];
                for i in 0..size {
                    word[32 - size + i] = self.code.get(self.pc + i).copied().unwrap_or(0);
                }
                self.stack.push(U256::from_be_bytes(word));
                self.pc += size;
                return Ok(None);
            }
            op::DUP1..=op::DUP16 => {
                let n = usize::from(byte - op::DUP1) + 1;
                self.stack.push(self.stack[self.stack.len() - n]);
                return Ok(None);
            }
            op::SWAP1..=op::SWAP16 => {
                let n = usize::from(byte - op::SWAP1) + 1;
                let top = self.stack.len() - 1;
                self.stack.swap(top, top - n);
                return Ok(None);
            }
            _ => {}
        }
        let mut args = [U256::ZERO; 7];
        for arg in args.iter_mut().take(usize::from(info.inputs)) {
            *arg = self.stack.pop().expect("checked");
        }
        let result = match byte {
            op::STOP => return Ok(Some(End::Stop)),
            op::RETURN => return Ok(Some(End::Return(world.read(args[0], args[1])?))),
            op::REVERT => return Ok(Some(End::Revert(world.read(args[0], args[1])?))),
            op::SELFDESTRUCT => return Ok(Some(End::SelfDestruct(args[0]))),
            op::POP | op::JUMPDEST => None,
            op::JUMP => {
                self.jump(args[0])?;
                None
            }
            op::JUMPI => {
                if !args[1].is_zero() {
                    self.jump(args[0])?;
                }
                None
            }
            op::PC => Some(U256::from(at)),
            op::CODESIZE => Some(U256::from(self.code.len())),
            op::CODECOPY => {
                world.copy(self.code, args[0], args[1], args[2])?;
                None
            }
            _ => operation(byte, &args, world)?,
        };
        self.stack.extend(result);
        Ok(None)
    }
}

/// Opcodes that depend neither on the code nor on the pc.
pub fn operation(byte: u8, args: &[U256; 7], world: &mut World) -> Result<Option<U256>, Halt> {
    let [a, b, c, d, ..] = *args;
    let word = U256::from(32);
    Ok(match byte {
        op::EXP => {
            let price = u64::from(world.spec.gas().exp_byte);
            world.charge(price * b.byte_len() as u64)?;
            Some(alu(byte, a, b, c))
        }
        op::ADD..=op::CLZ => Some(alu(byte, a, b, c)),
        op::KECCAK256 => {
            world.charge(6 * b.saturating_to::<u64>().min(1 << 40).div_ceil(32))?;
            let data = world.read(a, b)?;
            Some(keccak256(data).into())
        }
        op::MLOAD => Some(U256::try_from_be_slice(&world.read(a, word)?).expect("32 bytes")),
        op::MSTORE => {
            world.grow(a, word)?;
            world.write(a, &b.to_be_bytes::<32>());
            None
        }
        op::MSTORE8 => {
            world.grow(a, U256::ONE)?;
            world.write(a, &[b.byte(0)]);
            None
        }
        op::MSIZE => Some(U256::from(world.memory.len())),
        op::MCOPY => {
            world.grow(a.max(b), c)?;
            world.charge(3 * c.saturating_to::<u64>().div_ceil(32))?;
            let data = world.read(b, c)?;
            world.write(a, &data);
            None
        }
        op::SLOAD => Some(world.sload(a)?),
        op::SSTORE => {
            world.sstore(a, b)?;
            None
        }
        op::TLOAD => {
            Some(world.transient.get(&a).copied().unwrap_or_else(|| world.outside("tslot", a)))
        }
        op::TSTORE => {
            world.transient.insert(a, b);
            None
        }
        op::GAS => Some(U256::from(world.gas)),
        op::BALANCE => Some(world.account_value("balance", a)?),
        op::EXTCODESIZE => Some(world.account_value("size", a)? >> 200),
        op::EXTCODEHASH => Some(world.account_value("codehash", a)?),
        op::SELFBALANCE => Some(world.outside("self", U256::from(world.calls()))),
        op::RETURNDATASIZE => Some(U256::from(world.return_data.len())),
        op::CALLDATALOAD => Some(world.call_data_word(a)),
        op::CALLDATASIZE => Some(U256::from(world.call_data.len())),
        op::CALLDATACOPY => {
            let source = world.call_data.clone();
            world.copy(&source, a, b, c)?;
            None
        }
        op::RETURNDATACOPY => {
            let source = world.return_data.clone();
            if b.saturating_add(c) > U256::from(source.len()) {
                return Err(Halt("return data"));
            }
            world.copy(&source, a, b, c)?;
            None
        }
        op::EXTCODECOPY => {
            let code = world.account_value("code", a)?.to_be_bytes::<32>();
            world.copy(&code, b, c, d)?;
            None
        }
        op::ADDRESS | op::CALLER | op::ORIGIN | op::COINBASE => {
            Some(world.outside("address", U256::from(byte)) >> 96)
        }
        op::BLOCKHASH | op::BLOBHASH => Some(world.outside("block hash", a ^ U256::from(byte))),
        op::CALLVALUE if world.no_value => Some(U256::ZERO),
        op::CALLVALUE
        | op::GASPRICE
        | op::TIMESTAMP
        | op::NUMBER
        | op::PREVRANDAO
        | op::GASLIMIT
        | op::CHAINID
        | op::BASEFEE
        | op::BLOBBASEFEE => Some(world.outside("environment", U256::from(byte))),
        op::LOG0..=op::LOG4 => {
            world.log(a, b, &args[2..2 + usize::from(byte - op::LOG0)])?;
            None
        }
        op::CREATE => Some(world.create(&args[..3])?),
        op::CREATE2 => Some(world.create(&args[..4])?),
        op::CALL => Some(world.call("call", &args[..3], &args[3..7])?),
        op::CALLCODE => Some(world.call("callcode", &args[..3], &args[3..7])?),
        op::DELEGATECALL => Some(world.call("delegatecall", &args[..2], &args[2..6])?),
        op::STATICCALL => Some(world.call("staticcall", &args[..2], &args[2..6])?),
        other => unreachable!("{other:#04x}"),
    })
}
