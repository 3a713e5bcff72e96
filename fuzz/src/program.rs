//! Random programs that do something: statements over expressions, with calls, creations, loops,
//! jump tables and ends of every kind.
//!
//! A [`Writer`] knows at every point how many words it has on the stack, so most of what it writes
//! runs; now and then it writes something that does not.

use alloy_primitives::{Address, U256};
use warpevm_compiler::opcode::{op, table_of};
use warpevm_compiler::{Rule, Spec};

use crate::asm::{Asm, Label};
use crate::precompile;
use crate::rng::Rng;

/// What programs may name.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The spec that they run on.
    pub spec: Spec,
    /// Contracts, users, and addresses where nothing is.
    pub addresses: Vec<Address>,
    /// Init codes that CREATE and CREATE2 run: few, so that addresses meet again.
    pub init_codes: Vec<Vec<u8>>,
}

/// Words that a program keeps on the stack at most, besides those of a running expression.
const HEIGHT_MAX: u32 = 14;
/// Bytes of a program, beyond which it ends soon.
const BYTES_MAX: usize = 1400;

/// Writes one program.
pub struct Writer<'a> {
    rng: &'a mut Rng,
    scene: &'a Scene,
    asm: Asm,
    /// Words on the stack.
    height: u32,
    /// Bodies of loops and branches around this place.
    nest: u32,
    /// Functions to be written at the end.
    functions: Vec<Label>,
    /// Only small places in memory: for programs that get any gas.
    modest: bool,
}

/// A random program.
pub fn program(rng: &mut Rng, scene: &Scene) -> Vec<u8> {
    let statements = [(1, 4), (3, 10), (8, 24), (20, 60)][rng.weighted(&[20, 45, 30, 5])];
    let count = rng.between(statements.0, statements.1);
    let mut writer = Writer::new(rng, scene);
    for _ in 0..count {
        writer.statement();
    }
    writer.end();
    writer.finish()
}

/// An init code: one that deploys `runtime`, mostly after it did something; or one that does not.
pub fn init_code(rng: &mut Rng, scene: &Scene, runtime: Vec<u8>) -> Vec<u8> {
    if rng.chance(18) {
        return program(rng, scene);
    }
    let kind = rng.weighted(&[70, 6, 4, 8, 6, 6]);
    let mut writer = Writer::new(rng, scene);
    for _ in 0..writer.rng.weighted(&[50, 30, 20]) {
        writer.statement();
    }
    match kind {
        0 => writer.deploy(runtime),
        1 => {
            let sizes = [0, 1, 24_576, 24_577, 49_152];
            let size = *writer.rng.pick(&sizes);
            writer.push_u64(size);
            writer.push_u64(0);
            writer.apply(op::RETURN, 2, 0);
        }
        2 => {
            let mut bytes = runtime;
            bytes.insert(0, 0xef);
            writer.deploy(bytes);
        }
        3 => {
            writer.address();
            writer.apply(op::SELFDESTRUCT, 1, 0);
        }
        4 => {
            writer.length();
            writer.offset();
            writer.apply(op::REVERT, 2, 0);
        }
        _ => writer.asm.op(op::STOP),
    }
    writer.finish()
}

/// A program of arithmetic alone, whose result is returned.
pub fn arithmetic(rng: &mut Rng, scene: &Scene) -> Vec<u8> {
    let mut writer = Writer::new(rng, scene);
    for word in 0..writer.rng.between(1, 6) {
        writer.operation(4);
        writer.asm.push_u64(32 * word);
        writer.asm.op(op::MSTORE);
    }
    writer.asm.push_u64(192);
    writer.asm.push_u64(0);
    writer.asm.op(op::RETURN);
    writer.finish()
}

/// A program that calls itself until its gas or the depth is used up, does something before and
/// after, and has neither loops nor a second call nor much memory: however much gas it gets, it
/// ends soon.
pub fn recursive(rng: &mut Rng, scene: &Scene) -> Vec<u8> {
    let mut writer = Writer::new(rng, scene);
    writer.modest = true;
    for _ in 0..writer.rng.below(2) {
        writer.small();
    }
    let (out, input) = (writer.rng.below(3) * 32, writer.rng.below(3) * 32);
    for word in [out, 0, input, 0, 0] {
        writer.push_u64(word);
    }
    writer.apply(op::ADDRESS, 0, 1);
    let left = writer.rng.between(300, 30_000);
    match writer.has(Rule::WithholdsGas) {
        true => writer.apply(op::GAS, 0, 1),
        false => {
            writer.push_u64(left);
            writer.apply(op::GAS, 0, 1);
            writer.apply(op::SUB, 2, 1);
        }
    }
    let delegates = writer.knows(op::DELEGATECALL) && writer.rng.chance(20);
    match delegates {
        true => {
            // Not the value.
            writer.apply(op::SWAP1 + 1, 0, 0);
            writer.apply(op::POP, 1, 0);
            writer.apply(op::SWAP1, 0, 0);
            writer.apply(op::DELEGATECALL, 6, 1);
        }
        false => writer.apply(op::CALL, 7, 1),
    }
    writer.use_result();
    for _ in 0..writer.rng.below(3) {
        writer.small();
    }
    match writer.rng.below(4) {
        0 => {
            // Each second frame or so reverts.
            let on = writer.asm.label();
            writer.apply(op::GAS, 0, 1);
            writer.push_u64(1);
            writer.apply(op::AND, 2, 1);
            writer.push_label(on);
            writer.apply(op::JUMPI, 2, 0);
            writer.push_u64(0);
            writer.push_u64(0);
            writer.apply(op::REVERT, 2, 0);
            writer.asm.bind(on);
        }
        1 => {
            writer.push_u64(32);
            writer.push_u64(0);
            writer.apply(op::RETURN, 2, 0);
        }
        _ => {}
    }
    writer.finish()
}

impl<'a> Writer<'a> {
    /// A statement that makes no call and no loop.
    fn small(&mut self) {
        match self.rng.below(4) {
            0 => self.store_memory(),
            1 => self.store(),
            2 => self.log(),
            _ => self.result(),
        }
        self.settle();
    }

    fn new(rng: &'a mut Rng, scene: &'a Scene) -> Writer<'a> {
        let asm = Asm::default();
        Writer { rng, scene, asm, height: 0, nest: 0, functions: Vec::new(), modest: false }
    }

    fn has(&self, rule: Rule) -> bool {
        self.scene.spec.rules().has(rule)
    }

    /// Whether the spec has this opcode.
    fn knows(&self, byte: u8) -> bool {
        table_of(self.scene.spec)[usize::from(byte)].defined
    }

    /// An opcode that pops `pops` words and pushes `pushes`.
    fn apply(&mut self, byte: u8, pops: u32, pushes: u32) {
        self.asm.op(byte);
        self.height = self.height + pushes - pops;
    }

    fn push(&mut self, value: U256) {
        if value.is_zero() && self.knows(op::PUSH0) && self.rng.chance(50) {
            self.asm.op(op::PUSH0);
        } else {
            self.asm.push(value);
        }
        self.height += 1;
    }

    fn push_u64(&mut self, value: u64) {
        self.push(U256::from(value));
    }

    fn push_label(&mut self, label: Label) {
        self.asm.push_label(label);
        self.height += 1;
    }

    /// One more word: a value.
    fn value(&mut self, levels: u32) {
        let leaf = levels == 0;
        match self.rng.weighted(&[30, 12, 14, if leaf { 0 } else { 30 }, 8, 6]) {
            0 => {
                let word = self.rng.word();
                self.push(word);
            }
            1 if self.height > 0 => {
                let deep = self.rng.below(u64::from(self.height.min(16))) as u8;
                self.apply(op::DUP1 + deep, 0, 1);
            }
            2 => {
                let at = self.rng.below(5) * 32 + 4 * self.rng.below(2);
                self.push_u64(at);
                self.apply(op::CALLDATALOAD, 1, 1);
            }
            3 => self.operation(levels - 1),
            4 => self.environment(),
            _ => self.read(levels),
        }
    }

    /// One more word: the result of an operation.
    fn operation(&mut self, levels: u32) {
        const BINARY: [u8; 18] = [
            op::ADD,
            op::MUL,
            op::SUB,
            op::DIV,
            op::SDIV,
            op::MOD,
            op::SMOD,
            op::SIGNEXTEND,
            op::LT,
            op::GT,
            op::SLT,
            op::SGT,
            op::EQ,
            op::AND,
            op::OR,
            op::XOR,
            op::BYTE,
            op::EXP,
        ];
        const SHIFTS: [u8; 3] = [op::SHL, op::SHR, op::SAR];
        let levels = levels.saturating_sub(1);
        match self.rng.weighted(&[60, 12, 12, 12]) {
            0 => {
                self.value(levels);
                self.value(levels);
                let byte = *self.rng.pick(&BINARY);
                self.apply(byte, 2, 1);
            }
            1 => {
                self.value(levels);
                let unary = [op::ISZERO, op::NOT, op::CLZ];
                let count = if self.knows(op::CLZ) { 3 } else { 2 };
                let byte = *self.rng.pick(&unary[..count]);
                self.apply(byte, 1, 1);
            }
            2 => {
                for _ in 0..3 {
                    self.value(levels);
                }
                let byte = *self.rng.pick(&[op::ADDMOD, op::MULMOD]);
                self.apply(byte, 3, 1);
            }
            _ if self.knows(op::SHL) => {
                self.value(levels);
                match self.rng.chance(80) {
                    true => {
                        let by = self.rng.below(260);
                        self.push_u64(by);
                    }
                    false => self.value(0),
                }
                let byte = *self.rng.pick(&SHIFTS);
                self.apply(byte, 2, 1);
            }
            _ => self.push_u64(1),
        }
    }

    /// One more word: something about the call, the block or the machine.
    fn environment(&mut self) {
        const ALWAYS: [u8; 15] = [
            op::ADDRESS,
            op::ORIGIN,
            op::CALLER,
            op::CALLVALUE,
            op::CALLDATASIZE,
            op::CODESIZE,
            op::GASPRICE,
            op::COINBASE,
            op::TIMESTAMP,
            op::NUMBER,
            op::PREVRANDAO,
            op::GASLIMIT,
            op::PC,
            op::MSIZE,
            op::GAS,
        ];
        const LATER: [u8; 5] =
            [op::RETURNDATASIZE, op::CHAINID, op::SELFBALANCE, op::BASEFEE, op::BLOBBASEFEE];
        let later = *self.rng.pick(&LATER);
        let byte = match self.rng.chance(30) && (self.knows(later) || self.rng.chance(1)) {
            true => later,
            false => *self.rng.pick(&ALWAYS),
        };
        self.apply(byte, 0, 1);
    }

    /// One more word: something that is read.
    fn read(&mut self, levels: u32) {
        let levels = levels.saturating_sub(1);
        match self.rng.weighted(&[18, 24, 8, 8, 6, 6, 14, 6, 4, 5]) {
            0 => {
                self.offset();
                self.apply(op::MLOAD, 1, 1);
            }
            1 => {
                self.key();
                self.apply(op::SLOAD, 1, 1);
            }
            2 => self.read_account(op::BALANCE),
            3 => self.read_account(op::EXTCODESIZE),
            4 if self.knows(op::EXTCODEHASH) => self.read_account(op::EXTCODEHASH),
            5 if self.knows(op::TLOAD) => {
                self.key();
                self.apply(op::TLOAD, 1, 1);
            }
            6 => {
                self.length();
                self.offset();
                self.apply(op::KECCAK256, 2, 1);
            }
            7 => {
                self.apply(op::NUMBER, 0, 1);
                let back = self.rng.below(260);
                self.push_u64(back);
                self.apply(op::SWAP1, 0, 0);
                self.apply(op::SUB, 2, 1);
                self.apply(op::BLOCKHASH, 1, 1);
            }
            8 if self.knows(op::BLOBHASH) => {
                let index = self.rng.below(4);
                self.push_u64(index);
                self.apply(op::BLOBHASH, 1, 1);
            }
            9 => {
                self.value(levels);
                self.apply(op::CALLDATALOAD, 1, 1);
            }
            _ => self.push_u64(7),
        }
    }

    fn read_account(&mut self, byte: u8) {
        self.address();
        self.apply(byte, 1, 1);
    }

    /// One more word: a storage key; few, so that they meet again.
    fn key(&mut self) {
        match self.rng.weighted(&[70, 12, 10, 8]) {
            0 => {
                let key = self.rng.below(5);
                self.push_u64(key);
            }
            1 => {
                self.push_u64(3);
                self.value(1);
                self.apply(op::AND, 2, 1);
            }
            2 => self.value(1),
            _ => {
                self.push_u64(64);
                self.push_u64(0);
                self.apply(op::KECCAK256, 2, 1);
            }
        }
    }

    /// One more word: a place in memory.
    fn offset(&mut self) {
        let weights = [50, 24, 12, 6, 4, 2, 1];
        match self.rng.weighted(&weights[..if self.modest { 2 } else { 7 }]) {
            0 => {
                let at = 32 * self.rng.below(8);
                self.push_u64(at);
            }
            1 => {
                let at = self.rng.below(400);
                self.push_u64(at);
            }
            2 => {
                self.push_u64(0xff);
                self.value(1);
                self.apply(op::AND, 2, 1);
            }
            3 => {
                let at = self.rng.below(10_000);
                self.push_u64(at);
            }
            4 => self.apply(op::MSIZE, 0, 1),
            5 => {
                let at = self.rng.skewed(24);
                self.push_u64(at);
            }
            _ => {
                let edges = [u64::from(u32::MAX), 1 << 32, (1 << 32) - 31, u64::MAX, 1 << 63];
                match self.rng.chance(70) {
                    true => {
                        let at = *self.rng.pick(&edges);
                        self.push_u64(at);
                    }
                    false => self.value(0),
                }
            }
        }
    }

    /// One more word: a number of bytes.
    fn length(&mut self) {
        let weights = [12, 40, 24, 12, 5, 2, 1];
        match self.rng.weighted(&weights[..if self.modest { 3 } else { 7 }]) {
            0 => self.push_u64(0),
            1 => {
                let len = 32 * self.rng.between(1, 4);
                self.push_u64(len);
            }
            2 => {
                let len = self.rng.below(200);
                self.push_u64(len);
            }
            3 => {
                self.push_u64(0x7f);
                self.value(1);
                self.apply(op::AND, 2, 1);
            }
            4 => self.apply(op::CALLDATASIZE, 0, 1),
            5 => {
                let len = self.rng.skewed(20);
                self.push_u64(len);
            }
            _ => self.value(0),
        }
    }

    /// One more word: an account.
    fn address(&mut self) {
        match self.rng.weighted(&[66, 10, 8, 4, 4, 4, 3]) {
            0 => {
                let address = *self.rng.pick(&self.scene.addresses);
                self.asm.push_address(address);
                self.height += 1;
                if self.rng.chance(3) {
                    // The upper bits do not count.
                    self.push(U256::MAX << 200);
                    self.apply(op::OR, 2, 1);
                }
            }
            1 => {
                let number = match self.rng.chance(90) {
                    true => self.rng.between(0, 0x12),
                    false => 0x100,
                };
                self.push_u64(number);
            }
            2 => self.apply(op::ADDRESS, 0, 1),
            3 => self.apply(op::CALLER, 0, 1),
            4 => self.apply(op::COINBASE, 0, 1),
            // Where the last creation left its result.
            5 => {
                self.push_u64(0);
                self.apply(op::MLOAD, 1, 1);
            }
            _ => self.value(0),
        }
    }

    /// Statements leave the stack as high as it was, or a few words higher.
    fn statement(&mut self) {
        if self.asm.len() > BYTES_MAX {
            return;
        }
        let weights = [42, 39, 15, 18, 42, 24, 18, 24, 18, 18, 18, 15, 9, 4, 1, 1, 6, 4, 4];
        match self.rng.weighted(&weights) {
            0 => self.store_memory(),
            1 => self.store(),
            2 => self.log(),
            3 => self.copy(),
            4 => self.call(),
            5 => self.create(),
            6 => self.precompile(),
            7 => self.branch(),
            8 => self.repeat(),
            9 => self.shuffle(),
            10 => self.table_jump(),
            11 => self.function_call(),
            12 => self.result(),
            13 => self.end_here(),
            14 => self.anything(),
            15 => self.flood(),
            16 => self.storage_loop(),
            17 => self.memory_loop(),
            _ => self.deep_stack(),
        }
        self.settle();
    }

    /// Drops what is too much.
    fn settle(&mut self) {
        while self.height > HEIGHT_MAX {
            self.apply(op::POP, 1, 0);
        }
    }

    fn store_memory(&mut self) {
        self.value(3);
        self.offset();
        let byte = if self.rng.chance(80) { op::MSTORE } else { op::MSTORE8 };
        self.apply(byte, 2, 0);
    }

    fn store(&mut self) {
        match self.rng.chance(60) {
            true => {
                let value = self.rng.below(3);
                self.push_u64(value);
            }
            false => self.value(3),
        }
        self.key();
        let byte = match self.knows(op::TSTORE) && self.rng.chance(20) {
            true => op::TSTORE,
            false => op::SSTORE,
        };
        self.apply(byte, 2, 0);
    }

    fn log(&mut self) {
        let topics = self.rng.below(5) as u32;
        for _ in 0..topics {
            self.value(1);
        }
        self.length();
        self.offset();
        self.apply(op::LOG0 + topics as u8, topics + 2, 0);
    }

    fn copy(&mut self) {
        let kinds =
            [op::CALLDATACOPY, op::CODECOPY, op::EXTCODECOPY, op::RETURNDATACOPY, op::MCOPY];
        let kind = match self.rng.weighted(&[4, 3, 3, 3, 3]) {
            kind if !self.knows(kinds[kind]) => 0,
            kind => kind,
        };
        if kinds[kind] == op::RETURNDATACOPY && self.rng.chance(70) {
            // All of it, which never halts.
            self.apply(op::RETURNDATASIZE, 0, 1);
            self.push_u64(0);
            self.offset();
            return self.apply(op::RETURNDATACOPY, 3, 0);
        }
        self.length();
        self.offset();
        self.offset();
        if kinds[kind] == op::EXTCODECOPY {
            self.address();
            return self.apply(op::EXTCODECOPY, 4, 0);
        }
        self.apply(kinds[kind], 3, 0);
    }

    /// One more word: the gas that a call may use.
    fn gas(&mut self) {
        match self.rng.weighted(&[40, 34, 8, 10, 4]) {
            0 if self.has(Rule::WithholdsGas) => self.apply(op::GAS, 0, 1),
            0 => {
                // Asking for more than there is fails before EIP-150.
                let kept = self.rng.between(1_000, 20_000);
                self.push_u64(kept);
                self.apply(op::GAS, 0, 1);
                self.apply(op::SUB, 2, 1);
            }
            1 => {
                let gas = self.rng.below(60_000);
                self.push_u64(gas);
            }
            2 => {
                let gas = self.rng.below(3_000);
                self.push_u64(gas);
            }
            3 => {
                let part = self.rng.between(1, 3);
                self.push_u64(part);
                self.apply(op::GAS, 0, 1);
                self.apply(op::SHR, 2, 1);
                if !self.knows(op::SHR) {
                    // No shifts yet: write it another way.
                    self.apply(op::POP, 1, 0);
                    self.push_u64(30_000);
                }
            }
            _ => self.value(0),
        }
    }

    fn call(&mut self) {
        let kinds = [op::CALL, op::CALLCODE, op::DELEGATECALL, op::STATICCALL];
        let kind = match self.rng.weighted(&[10, 2, 4, 4]) {
            kind if !self.knows(kinds[kind]) => 0,
            kind => kind,
        };
        self.length();
        self.offset();
        self.length();
        self.offset();
        let with_value = kind < 2;
        if with_value {
            match self.rng.weighted(&[60, 32, 4, 4]) {
                0 => self.push_u64(0),
                1 => {
                    let value = self.rng.between(1, 3);
                    self.push_u64(value);
                }
                2 => self.value(0),
                _ => {
                    self.apply(op::ADDRESS, 0, 1);
                    self.apply(op::BALANCE, 1, 1);
                }
            }
        }
        self.address();
        self.gas();
        self.apply(kinds[kind], if with_value { 7 } else { 6 }, 1);
        self.use_result();
    }

    /// Does something with the word on top, or leaves it there.
    fn use_result(&mut self) {
        match self.rng.weighted(&[30, 30, 20, 20]) {
            0 => self.apply(op::POP, 1, 0),
            1 => {
                self.push_u64(0);
                self.apply(op::MSTORE, 2, 0);
            }
            2 => {
                self.key();
                self.apply(op::SSTORE, 2, 0);
            }
            _ => {}
        }
    }

    fn create(&mut self) {
        let with_salt = self.knows(op::CREATE2) && self.rng.chance(60);
        if with_salt {
            let salt = self.rng.below(2);
            self.push_u64(salt);
        }
        match self.rng.chance(85) {
            true => {
                let init = self.rng.pick(&self.scene.init_codes).clone();
                let len = init.len() as u64;
                let data = self.asm.data(init);
                self.push_u64(len);
                self.push_label(data);
                let at = 32 * self.rng.below(3);
                self.push_u64(at);
                self.apply(op::CODECOPY, 3, 0);
                self.push_u64(len);
                self.push_u64(at);
            }
            false => {
                self.length();
                self.offset();
            }
        }
        let value = self.rng.weighted(&[70, 26, 4]) as u64;
        self.push_u64(if value == 2 { u64::MAX } else { value });
        match with_salt {
            true => self.apply(op::CREATE2, 4, 1),
            false => self.apply(op::CREATE, 3, 1),
        }
        self.use_result();
    }

    /// Calls a precompile with input that it may like.
    fn precompile(&mut self) {
        let (number, input) = precompile::input(self.rng, self.scene.spec);
        let len = input.len() as u64;
        let data = self.asm.data(input);
        self.push_u64(len);
        self.push_label(data);
        self.push_u64(0);
        self.apply(op::CODECOPY, 3, 0);
        let out = self.rng.below(96);
        self.push_u64(out);
        self.offset();
        let given = match self.rng.weighted(&[80, 10, 10]) {
            0 => len,
            1 => len + self.rng.below(40),
            _ => self.rng.below(len + 1),
        };
        self.push_u64(given);
        self.push_u64(0);
        let with_value = !self.knows(op::STATICCALL) || self.rng.chance(20);
        if with_value {
            self.push_u64(0);
        }
        self.push_u64(number);
        match self.has(Rule::WithholdsGas) && self.rng.chance(60) {
            true => self.apply(op::GAS, 0, 1),
            false => self.gas(),
        }
        match with_value {
            true => self.apply(op::CALL, 7, 1),
            false => self.apply(op::STATICCALL, 6, 1),
        }
        self.use_result();
    }

    /// Statements that leave the stack as it was.
    fn body(&mut self) {
        let height = self.height;
        self.nest += 1;
        for _ in 0..self.rng.between(1, 3) {
            self.statement();
        }
        self.nest -= 1;
        while self.height > height {
            self.apply(op::POP, 1, 0);
        }
        while self.height < height {
            self.push_u64(1);
        }
    }

    fn branch(&mut self) {
        if self.nest > 3 {
            return self.store();
        }
        if self.rng.chance(20) {
            return self.trap();
        }
        let (otherwise, end) = (self.asm.label(), self.asm.label());
        self.value(2);
        self.push_label(otherwise);
        self.apply(op::JUMPI, 2, 0);
        let height = self.height;
        self.body();
        if self.rng.chance(50) {
            self.push_label(end);
            self.apply(op::JUMP, 1, 0);
            self.asm.bind(otherwise);
            self.height = height;
            self.body();
        } else {
            self.asm.bind(otherwise);
        }
        self.height = height;
        self.asm.bind(end);
    }

    /// A check that takes all gas where it fails, which is seldom.
    fn trap(&mut self) {
        let ok = self.asm.label();
        self.value(2);
        if self.rng.chance(80) {
            self.push_u64(1);
            self.apply(op::OR, 2, 1);
        }
        if self.rng.chance(50) {
            self.push_label(ok);
            self.apply(op::JUMPI, 2, 0);
            self.asm.op(op::INVALID);
        } else {
            self.apply(op::ISZERO, 1, 1);
            self.push_u64(0xffff_ffff);
            self.apply(op::JUMPI, 2, 0);
        }
        self.asm.bind(ok);
    }

    /// A loop of a few rounds, or (rarely) until the gas is gone.
    fn repeat(&mut self) {
        if self.nest > 2 {
            return self.store_memory();
        }
        let rounds = match self.rng.weighted(&[80, 18, 2]) {
            0 => self.rng.between(1, 5),
            1 => self.rng.between(5, 40),
            _ => u64::MAX,
        };
        let start = self.asm.label();
        self.push_u64(rounds);
        self.asm.bind(start);
        let height = self.height;
        self.body();
        self.height = height;
        self.count_down(start);
    }

    /// DUP and SWAP at every depth.
    fn deep_stack(&mut self) {
        let height = self.height;
        for _ in 0..17 {
            let value = self.rng.below(40);
            self.push_u64(value);
        }
        for _ in 0..self.rng.between(1, 6) {
            let deep = self.rng.below(16) as u8;
            match self.rng.chance(50) {
                true => self.apply(op::DUP1 + deep, 0, 1),
                false => self.apply(op::SWAP1 + deep, 0, 0),
            }
            self.apply(op::XOR, 2, 1);
            self.apply(op::DUP1, 0, 1);
        }
        while self.height > height + 1 {
            self.apply(op::ADD, 2, 1);
        }
        self.use_result();
    }

    /// Reads and writes as many slots as a counter names.
    fn storage_loop(&mut self) {
        let rounds = self.rng.between(2, 40);
        let (stride, value) = (self.rng.below(3), self.rng.below(3));
        let transient = self.knows(op::TLOAD) && self.rng.chance(30);
        let (load, store) =
            if transient { (op::TLOAD, op::TSTORE) } else { (op::SLOAD, op::SSTORE) };
        let start = self.asm.label();
        self.push_u64(rounds);
        self.asm.bind(start);
        // counter: key = counter * stride, stores its value and something.
        self.apply(op::DUP1, 0, 1);
        self.push_u64(stride);
        self.apply(op::MUL, 2, 1);
        self.apply(op::DUP1, 0, 1);
        self.apply(load, 1, 1);
        self.push_u64(value);
        self.apply(op::ADD, 2, 1);
        self.apply(op::SWAP1, 0, 0);
        self.apply(store, 2, 0);
        self.count_down(start);
    }

    /// Writes at growing places, up to some hundred KiB.
    fn memory_loop(&mut self) {
        let rounds = self.rng.between(2, 12);
        let step = self.rng.skewed(14);
        let start = self.asm.label();
        self.push_u64(rounds);
        self.asm.bind(start);
        self.apply(op::DUP1, 0, 1);
        self.apply(op::MSIZE, 0, 1);
        self.push_u64(step);
        self.apply(op::ADD, 2, 1);
        self.apply(op::MSTORE, 2, 0);
        self.count_down(start);
    }

    /// The end of a loop: takes one from the counter on top and begins again unless it is zero.
    fn count_down(&mut self, start: Label) {
        self.push_u64(1);
        self.apply(op::SWAP1, 0, 0);
        self.apply(op::SUB, 2, 1);
        self.apply(op::DUP1, 0, 1);
        self.push_label(start);
        self.apply(op::JUMPI, 2, 0);
        self.apply(op::POP, 1, 0);
    }

    fn shuffle(&mut self) {
        for _ in 0..self.rng.between(1, 6) {
            match self.rng.below(4) {
                0 if self.height > 0 => {
                    let deep = self.rng.below(u64::from(self.height.min(16))) as u8;
                    self.apply(op::DUP1 + deep, 0, 1);
                }
                1 if self.height > 1 => {
                    let deep = self.rng.below(u64::from((self.height - 1).min(16))) as u8;
                    self.apply(op::SWAP1 + deep, 0, 0);
                }
                2 if self.height > 0 => self.apply(op::POP, 1, 0),
                _ => self.value(1),
            }
        }
    }

    /// A jump to a place that is read from a table in the code, or worked out.
    fn table_jump(&mut self) {
        if self.nest > 2 {
            return self.store();
        }
        let count = self.rng.between(2, 4);
        let cases: Vec<Label> = (0..count).map(|_| self.asm.label()).collect();
        let end = self.asm.label();
        let height = self.height;
        // CODECOPY of table[value % count] to 0, MLOAD, JUMP.
        let table = self.asm.table(&cases);
        self.push_u64(32);
        self.push_u64(count);
        self.value(2);
        self.apply(op::MOD, 2, 1);
        self.push_u64(32);
        self.apply(op::MUL, 2, 1);
        self.push_label(table);
        self.apply(op::ADD, 2, 1);
        self.push_u64(0);
        self.apply(op::CODECOPY, 3, 0);
        self.push_u64(0);
        self.apply(op::MLOAD, 1, 1);
        self.apply(op::JUMP, 1, 0);
        for case in cases {
            self.asm.bind(case);
            self.height = height;
            self.body();
            self.push_label(end);
            self.apply(op::JUMP, 1, 0);
        }
        self.height = height;
        self.asm.bind(end);
    }

    /// Calls one of the program's functions, which returns by a computed jump.
    fn function_call(&mut self) {
        let function = match self.functions.len() {
            count if count < 2 => {
                self.functions.push(self.asm.label());
                self.functions[count]
            }
            _ => *self.rng.pick(&self.functions),
        };
        let back = self.asm.label();
        self.push_label(back);
        self.value(2);
        self.push_label(function);
        self.apply(op::JUMP, 1, 0);
        // It takes its argument and the place to return to, and leaves a result.
        self.asm.bind(back);
        self.height -= 1;
    }

    /// Writes the functions: each finds the place to return to and its argument on the stack.
    fn functions(&mut self) {
        let mut at = 0;
        while at < self.functions.len() {
            let function = self.functions[at];
            at += 1;
            self.asm.bind(function);
            self.height = 2;
            // Only what needs no further function, and is short.
            for _ in 0..self.rng.between(0, 2) {
                match self.rng.below(3) {
                    0 => self.store(),
                    1 => self.store_memory(),
                    _ => self.log(),
                }
            }
            self.value(1);
            self.apply(op::ADD, 2, 1);
            self.apply(op::SWAP1, 0, 0);
            self.apply(op::JUMP, 1, 0);
        }
    }

    /// Keeps a value where others see it.
    fn result(&mut self) {
        self.value(3);
        self.use_result();
    }

    /// Ends the frame if something holds, mostly.
    fn end_here(&mut self) {
        let on = self.asm.label();
        self.value(1);
        self.push_label(on);
        self.apply(op::JUMPI, 2, 0);
        let height = self.height;
        self.end();
        self.height = height;
        self.asm.bind(on);
    }

    /// An end of the frame.
    fn end(&mut self) {
        match self.rng.weighted(&[30, 34, 10, 3, 8, 1, 3]) {
            0 => self.asm.op(op::STOP),
            1 => {
                self.length();
                self.offset();
                self.apply(op::RETURN, 2, 0);
            }
            2 => {
                self.length();
                self.offset();
                self.apply(op::REVERT, 2, 0);
            }
            3 => self.asm.op(op::INVALID),
            4 => {
                self.address();
                self.apply(op::SELFDESTRUCT, 1, 0);
            }
            5 => {
                self.value(0);
                self.apply(op::JUMP, 1, 0);
            }
            // Falls off the end, or into a function.
            _ => {}
        }
    }

    /// Returns `runtime` as the code of the new contract.
    fn deploy(&mut self, runtime: Vec<u8>) {
        let len = runtime.len() as u64;
        let data = self.asm.data(runtime);
        self.push_u64(len);
        self.push_label(data);
        self.push_u64(0);
        self.apply(op::CODECOPY, 3, 0);
        self.push_u64(len);
        self.push_u64(0);
        self.apply(op::RETURN, 2, 0);
    }

    /// A few opcodes without regard for the stack.
    fn anything(&mut self) {
        for _ in 0..self.rng.between(1, 3) {
            let byte = self.rng.next() as u8;
            self.asm.op(byte);
        }
    }

    /// Pushes until the stack is full, mostly not quite.
    fn flood(&mut self) {
        let start = self.asm.label();
        let words = 1000 + self.rng.below(40);
        self.push_u64(words);
        self.asm.bind(start);
        // counter: DUP1 SWAP1 leaves a copy below; then counts down.
        self.asm.ops(&[op::DUP1, op::PUSH1, 1, op::SWAP1, op::SUB, op::DUP1]);
        self.asm.push_label(start);
        self.asm.op(op::JUMPI);
        self.height = HEIGHT_MAX;
    }

    fn finish(mut self) -> Vec<u8> {
        self.functions();
        self.asm.finish()
    }
}
