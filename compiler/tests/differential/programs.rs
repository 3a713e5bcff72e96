//! Makes programs out of random bytes, such that most of them run for a while.

use warpevm_compiler::Spec;
use warpevm_compiler::opcode::{op, table_of};

/// A source of choices; when it runs dry all choices are 0.
struct Choices<'a> {
    left: &'a [u8],
}

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.left.split_first() else { return 0 };
        self.left = rest;
        *first
    }

    fn below(&mut self, n: u8) -> u8 {
        self.next() % n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.next()) % from.len()]
    }
}

/// Constants that matter to memory, shifts and masks.
const CONSTANTS: &[u64] = &[
    0,
    1,
    2,
    3,
    4,
    8,
    31,
    32,
    33,
    63,
    64,
    96,
    128,
    160,
    224,
    255,
    256,
    0x80,
    0xffff,
    0xffff_ffff,
    1 << 32,
    1 << 40,
];

const PURE: &[u8] = &[
    op::ADD,
    op::MUL,
    op::SUB,
    op::DIV,
    op::SDIV,
    op::MOD,
    op::SMOD,
    op::ADDMOD,
    op::MULMOD,
    op::SIGNEXTEND,
    op::LT,
    op::GT,
    op::SLT,
    op::SGT,
    op::EQ,
    op::ISZERO,
    op::AND,
    op::OR,
    op::XOR,
    op::NOT,
    op::BYTE,
    op::SHL,
    op::SHR,
    op::SAR,
    op::EXP,
    op::ISZERO,
    op::ADD,
    op::AND,
    op::CLZ,
];

const ENVIRONMENT: &[u8] = &[
    op::CALLER,
    op::ADDRESS,
    op::CALLVALUE,
    op::CALLDATASIZE,
    op::CODESIZE,
    op::PC,
    op::MSIZE,
    op::GAS,
    op::TIMESTAMP,
    op::RETURNDATASIZE,
    op::SELFBALANCE,
    op::CHAINID,
    op::BASEFEE,
];

struct Maker<'a> {
    choices: Choices<'a>,
    spec: Spec,
    code: Vec<u8>,
    height: u32,
    /// Places of two-byte immediates to fill with the pc of a label.
    uses: Vec<(usize, usize)>,
    labels: Vec<usize>,
    /// Functions to write: (label, kind of body).
    functions: Vec<usize>,
}

/// A program of statements, branches, loops and internal functions.
pub fn structured(choices: &[u8], spec: Spec) -> Vec<u8> {
    let mut maker = Maker {
        choices: Choices { left: choices },
        spec,
        code: Vec::new(),
        height: 0,
        uses: Vec::new(),
        labels: Vec::new(),
        functions: Vec::new(),
    };
    if maker.choices.below(2) == 0 {
        maker.push(0x80);
        maker.push(0x40);
        maker.op(op::MSTORE);
    }
    while !maker.choices.left.is_empty() && maker.code.len() < 3000 {
        maker.statement(0);
    }
    maker.finish();
    let mut written = 0;
    while written < maker.functions.len() {
        let label = maker.functions[written];
        written += 1;
        maker.function(label);
    }
    for (at, label) in maker.uses {
        let pc = maker.labels[label] as u16;
        maker.code[at..at + 2].copy_from_slice(&pc.to_be_bytes());
    }
    maker.code
}

impl Maker<'_> {
    fn op(&mut self, byte: u8) {
        let info = table_of(self.spec)[usize::from(byte)];
        if info.defined && self.height < u32::from(info.inputs) {
            for _ in self.height..u32::from(info.inputs) {
                self.constant();
            }
        }
        self.code.push(byte);
        self.height = self.height.saturating_sub(u32::from(info.inputs)) + u32::from(info.outputs);
    }

    fn push(&mut self, value: u64) {
        let bytes = value.to_be_bytes();
        let skip = bytes.iter().take(7).take_while(|byte| **byte == 0).count();
        self.code.push(op::PUSH1 + 7 - skip as u8);
        self.code.extend(&bytes[skip..]);
        self.height += 1;
    }

    fn constant(&mut self) {
        match self.choices.below(12) {
            0 => {
                self.code.push(op::PUSH20);
                self.code.extend([0xff; 20]);
                self.height += 1;
            }
            1 => {
                self.push(u64::from(self.choices.left.len() as u8));
                self.op(op::NOT);
            }
            _ => {
                let value = self.choices.pick(CONSTANTS);
                self.push(value);
            }
        }
    }

    fn label(&mut self) -> usize {
        self.labels.push(usize::MAX);
        self.labels.len() - 1
    }

    fn push_label(&mut self, label: usize) {
        self.code.push(op::PUSH1 + 1);
        self.uses.push((self.code.len(), label));
        self.code.extend([0, 0]);
        self.height += 1;
    }

    fn place(&mut self, label: usize) {
        self.labels[label] = self.code.len();
        self.code.push(op::JUMPDEST);
    }

    fn defined(&self, byte: u8) -> bool {
        table_of(self.spec)[usize::from(byte)].defined
    }

    fn value(&mut self) {
        match self.choices.below(8) {
            0 | 1 => self.constant(),
            2 => {
                let byte = self.choices.pick(ENVIRONMENT);
                if self.defined(byte) {
                    self.op(byte);
                }
            }
            3 => {
                let offset = self.choices.pick(&[0, 4, 36, 100]);
                self.push(offset);
                self.op(op::CALLDATALOAD);
            }
            4 if self.height > 0 => {
                let n = self.choices.below(self.height.min(16) as u8);
                self.op(op::DUP1 + n);
            }
            5 => {
                self.address();
                self.op(op::MLOAD);
            }
            6 => {
                self.key();
                let byte = self.choices.pick(&[op::SLOAD, op::SLOAD, op::TLOAD, op::BALANCE]);
                self.op(if self.defined(byte) { byte } else { op::SLOAD });
            }
            _ => {
                let byte = self.choices.pick(PURE);
                if self.defined(byte) {
                    self.op(byte);
                }
            }
        }
    }

    /// An address in EVM memory: constant, or the free pointer plus something.
    fn address(&mut self) {
        match self.choices.below(4) {
            0 => {
                self.push(0x40);
                self.op(op::MLOAD);
                if self.choices.below(2) == 0 {
                    let offset = self.choices.pick(&[1, 31, 32, 64]);
                    self.push(offset);
                    self.op(op::ADD);
                }
            }
            _ => {
                let offset = self.choices.pick(&[0, 0, 1, 31, 32, 32, 64, 64, 95, 128, 160, 600]);
                self.push(offset);
            }
        }
    }

    fn length(&mut self) {
        let length = self.choices.pick(&[0, 1, 32, 32, 64, 64, 33, 96, 128]);
        self.push(length);
    }

    /// A storage key, often a mapping's.
    fn key(&mut self) {
        if self.choices.below(2) == 0 {
            let key = self.choices.pick(&[0, 1, 2, 3]);
            self.push(key);
            return;
        }
        let byte = self.choices.pick(&[op::CALLER, op::ADDRESS]);
        self.op(byte);
        self.push(0);
        self.op(op::MSTORE);
        let slot = self.choices.pick(&[1, 2]);
        self.push(slot);
        self.push(32);
        self.op(op::MSTORE);
        let length = self.choices.pick(&[64, 64, 32]);
        self.push(length);
        self.push(0);
        self.op(op::KECCAK256);
    }

    fn statement(&mut self, depth: u32) {
        match self.choices.below(23) {
            0 | 1 => self.value(),
            2 | 3 => {
                let byte = self.choices.pick(PURE);
                if self.defined(byte) {
                    self.op(byte);
                }
            }
            4 => {
                self.value();
                self.address();
                self.op(op::MSTORE);
            }
            5 => {
                self.length();
                self.address();
                self.op(op::KECCAK256);
            }
            6 => {
                self.value();
                self.key();
                let byte = self.choices.pick(&[op::SSTORE, op::SSTORE, op::TSTORE]);
                self.op(if self.defined(byte) { byte } else { op::SSTORE });
            }
            7 if self.height > 0 => self.show(),
            8 if self.height > 1 => {
                let n = self.choices.below((self.height - 1).min(16) as u8);
                self.op(op::SWAP1 + n);
            }
            9 if depth < 3 => self.branch(depth),
            10 if depth < 2 => self.repeat(depth),
            11 | 12 => self.call_function(),
            13 => {
                self.length();
                self.address();
                self.op(op::LOG0);
            }
            14 => self.call(),
            15 => {
                self.value();
                self.address();
                self.op(op::MSTORE8);
            }
            16 => {
                self.length();
                let from = self.choices.pick(&[0, 1, 32, 64]);
                self.push(from);
                self.address();
                let byte = self.choices.pick(&[op::CALLDATACOPY, op::CODECOPY, op::MCOPY]);
                self.op(if self.defined(byte) { byte } else { op::CODECOPY });
            }
            17 if self.choices.below(8) == 0 => {
                let byte = self.choices.pick(&[op::RETURN, op::REVERT, op::STOP, op::JUMP]);
                self.op(byte);
            }
            18 => self.storage_story(),
            19 => self.memory_story(),
            20 => {
                self.value();
                self.round_trip();
            }
            21 => self.trap(),
            _ => self.value(),
        }
    }

    fn call(&mut self) {
        self.length();
        self.address();
        self.length();
        self.address();
        let byte = self.choices.pick(&[op::CALL, op::STATICCALL, op::DELEGATECALL]);
        let byte = if self.defined(byte) { byte } else { op::CALL };
        if byte == op::CALL {
            self.push(0);
        }
        self.value();
        self.op(op::GAS);
        self.op(byte);
    }

    fn branch(&mut self, depth: u32) {
        let (other, end) = (self.label(), self.label());
        self.value();
        if self.choices.below(2) == 0 {
            self.op(op::ISZERO);
        }
        self.push_label(other);
        self.op(op::JUMPI);
        let height = self.height;
        for _ in 0..self.choices.below(4) {
            self.statement(depth + 1);
        }
        self.level(height);
        self.push_label(end);
        self.op(op::JUMP);
        self.height = height;
        self.place(other);
        for _ in 0..self.choices.below(4) {
            self.statement(depth + 1);
        }
        self.level(height);
        self.place(end);
    }

    /// A check that takes all gas where it fails, which is seldom: INVALID jumped over, INVALID
    /// jumped to, or a jump to no JUMPDEST.
    fn trap(&mut self) {
        let ok = self.label();
        self.value();
        if self.choices.below(4) != 0 {
            self.push(1);
            self.op(op::OR);
        }
        let way = self.choices.below(3);
        if way > 0 {
            self.op(op::ISZERO);
        }
        match way {
            0 => {
                self.push_label(ok);
                self.op(op::JUMPI);
                self.code.push(op::INVALID);
            }
            1 => {
                self.push(0xffff);
                self.op(op::JUMPI);
            }
            _ => {
                let bad = self.label();
                self.push_label(bad);
                self.op(op::JUMPI);
                self.push_label(ok);
                self.op(op::JUMP);
                self.place(bad);
                self.code.push(op::INVALID);
            }
        }
        self.place(ok);
    }

    /// Takes the top of the stack off, mostly so that it can be seen.
    fn show(&mut self) {
        if self.choices.below(4) == 0 {
            self.op(op::POP);
        } else {
            self.push(u64::from(self.height));
            self.op(op::SSTORE);
        }
    }

    /// A round trip through shifts, masks or negations.
    fn round_trip(&mut self) {
        let amount = self.choices.pick(&[1, 8, 96, 224]);
        let pair = self.choices.pick(&[(op::SHL, op::SHR), (op::SHR, op::SHL), (op::SHR, op::SHR)]);
        if !self.defined(op::SHL) {
            self.op(op::NOT);
            return self.op(op::NOT);
        }
        for byte in [pair.0, pair.1] {
            self.push(amount);
            self.op(byte);
        }
    }

    /// Accesses of one key with something between them.
    fn storage_story(&mut self) {
        let key = u64::from(self.choices.below(2));
        for _ in 0..2 + self.choices.below(3) {
            match self.choices.below(5) {
                0 | 1 => {
                    self.push(key);
                    self.op(op::SLOAD);
                }
                2 => {
                    self.value();
                    self.push(key);
                    self.op(op::SSTORE);
                }
                3 => {
                    self.value();
                    self.key();
                    self.op(op::SSTORE);
                }
                _ => self.call(),
            }
        }
    }

    /// Accesses of memory around what observes its size or the gas left.
    fn memory_story(&mut self) {
        for _ in 0..2 + self.choices.below(3) {
            match self.choices.below(5) {
                0 => {
                    self.value();
                    self.address();
                    self.op(op::MSTORE);
                }
                1 => {
                    self.address();
                    self.op(op::MLOAD);
                }
                2 => {
                    let offset = self.choices.pick(&[200, 640, 1000, 1500]);
                    self.push(7);
                    self.push(offset);
                    self.op(op::MSTORE);
                }
                3 => self.op(op::MSIZE),
                _ => self.op(op::GAS),
            }
        }
    }

    /// Brings the stack to this height, so that both sides of a branch agree.
    fn level(&mut self, height: u32) {
        while self.height > height {
            self.show();
        }
        while self.height < height {
            self.push(7);
        }
    }

    fn repeat(&mut self, depth: u32) {
        let start = self.label();
        let times = self.choices.below(4) + 1;
        self.push(u64::from(times));
        self.place(start);
        let height = self.height;
        for _ in 0..self.choices.below(4) {
            self.statement(depth + 1);
        }
        self.level(height);
        self.push(1);
        self.op(op::SWAP1);
        self.op(op::SUB);
        self.op(op::DUP1);
        self.push_label(start);
        self.op(op::JUMPI);
    }

    fn call_function(&mut self) {
        let back = self.label();
        let function = if self.functions.len() < 4 && self.choices.below(2) == 0 {
            let label = self.label();
            self.functions.push(label);
            label
        } else if self.functions.is_empty() {
            return;
        } else {
            let which = self.choices.next();
            self.functions[usize::from(which) % self.functions.len()]
        };
        self.push_label(back);
        self.value();
        self.push_label(function);
        self.op(op::JUMP);
        self.place(back);
        // A function takes one value and the return address, and leaves one value.
        self.height -= 1;
    }

    fn function(&mut self, label: usize) {
        self.place(label);
        self.height = 2;
        for _ in 0..self.choices.below(5) {
            self.statement(1);
        }
        self.level(2);
        if self.choices.below(4) == 0 && !self.functions.is_empty() {
            let which = usize::from(self.choices.next()) % self.functions.len();
            let callee = self.functions[which];
            let back = self.label();
            self.push_label(back);
            self.op(op::SWAP1);
            self.push_label(callee);
            self.op(op::JUMP);
            self.place(back);
        }
        self.level(2);
        self.op(op::SWAP1);
        self.op(op::JUMP);
    }

    fn finish(&mut self) {
        match self.choices.below(5) {
            0 => self.code.push(op::STOP),
            1 => {
                self.push(64);
                self.push(0);
                self.op(op::RETURN);
            }
            _ => {
                // Show what is left on the stack.
                while self.height > 0 {
                    self.push(0);
                    self.op(op::SSTORE);
                }
                self.code.push(op::STOP);
            }
        }
    }
}

/// Defined opcodes with small constants between them.
pub fn opcodes(choices: &[u8]) -> Vec<u8> {
    let mut choices = Choices { left: choices };
    let mut code = Vec::new();
    while !choices.left.is_empty() {
        match choices.below(4) {
            0 | 1 => code.extend([op::PUSH1, choices.pick(&[0, 1, 2, 4, 32, 64, 128, 255])]),
            2 => code.push(choices.below(0x60)),
            _ => code.push(0x80 + choices.below(0x80)),
        }
    }
    code
}
