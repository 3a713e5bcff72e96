//! The opcode table: every fact about an EVM opcode stands here, once.
//!
//! A row holds the name, the byte, the stack inputs and outputs, the first spec that defines the
//! opcode and its static gas, in words where it is not the same in every spec ([`crate::gas`]). The
//! size of an immediate and whether an opcode ends a bb follow from the byte.
//!
//! *Static gas* is what a gas section charges (see [`crate::program`]): all that doesn't depend on
//! run-time values. The rest (cold access, memory expansion, copied words, the bytes of an
//! exponent) is the lowered op's own affair.

use crate::gas::GasSchedule;
use crate::spec::Spec;

macro_rules! price {
    ($schedule:ident $gas:literal) => {
        $gas
    };
    ($schedule:ident $gas:ident) => {
        $schedule.$gas
    };
}

macro_rules! opcodes {
    ($($name:ident $byte:literal $inputs:literal $outputs:literal $since:ident $gas:tt)*) => {
        /// The byte of each opcode, by name.
        pub mod op {
            $(#[doc = stringify!($name)] pub const $name: u8 = $byte;)*
        }

        /// Every opcode of every spec, in the order of the bytes.
        pub const OPCODES: &[Opcode] = &[$(Opcode {
            name: stringify!($name),
            byte: $byte,
            inputs: $inputs,
            outputs: $outputs,
            since: Spec::$since,
        }),*];

        /// The static gas of `byte`, of what some spec defines.
        const fn static_gas(byte: u8, schedule: &GasSchedule) -> u32 {
            match byte {
                $($byte => price!(schedule $gas),)*
                _ => 0,
            }
        }
    };
}

/// One row of the opcode table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode {
    /// The mnemonic.
    pub name: &'static str,
    /// The encoding.
    pub byte: u8,
    /// How many words it needs on the stack (for DUP and SWAP: down to the one it touches).
    pub inputs: u8,
    /// How many words stand in their place afterwards.
    pub outputs: u8,
    /// The first spec in which it is defined.
    pub since: Spec,
}

opcodes! {
    STOP 0x00 0 0 Frontier 0
    ADD 0x01 2 1 Frontier 3
    MUL 0x02 2 1 Frontier 5
    SUB 0x03 2 1 Frontier 3
    DIV 0x04 2 1 Frontier 5
    SDIV 0x05 2 1 Frontier 5
    MOD 0x06 2 1 Frontier 5
    SMOD 0x07 2 1 Frontier 5
    ADDMOD 0x08 3 1 Frontier 8
    MULMOD 0x09 3 1 Frontier 8
    EXP 0x0a 2 1 Frontier 10
    SIGNEXTEND 0x0b 2 1 Frontier 5
    LT 0x10 2 1 Frontier 3
    GT 0x11 2 1 Frontier 3
    SLT 0x12 2 1 Frontier 3
    SGT 0x13 2 1 Frontier 3
    EQ 0x14 2 1 Frontier 3
    ISZERO 0x15 1 1 Frontier 3
    AND 0x16 2 1 Frontier 3
    OR 0x17 2 1 Frontier 3
    XOR 0x18 2 1 Frontier 3
    NOT 0x19 1 1 Frontier 3
    BYTE 0x1a 2 1 Frontier 3
    SHL 0x1b 2 1 Constantinople 3
    SHR 0x1c 2 1 Constantinople 3
    SAR 0x1d 2 1 Constantinople 3
    CLZ 0x1e 1 1 Osaka 5
    KECCAK256 0x20 2 1 Frontier 30
    ADDRESS 0x30 0 1 Frontier 2
    BALANCE 0x31 1 1 Frontier balance
    ORIGIN 0x32 0 1 Frontier 2
    CALLER 0x33 0 1 Frontier 2
    CALLVALUE 0x34 0 1 Frontier 2
    CALLDATALOAD 0x35 1 1 Frontier 3
    CALLDATASIZE 0x36 0 1 Frontier 2
    CALLDATACOPY 0x37 3 0 Frontier 3
    CODESIZE 0x38 0 1 Frontier 2
    CODECOPY 0x39 3 0 Frontier 3
    GASPRICE 0x3a 0 1 Frontier 2
    EXTCODESIZE 0x3b 1 1 Frontier ext_code
    EXTCODECOPY 0x3c 4 0 Frontier ext_code
    RETURNDATASIZE 0x3d 0 1 Byzantium 2
    RETURNDATACOPY 0x3e 3 0 Byzantium 3
    EXTCODEHASH 0x3f 1 1 Constantinople ext_code_hash
    BLOCKHASH 0x40 1 1 Frontier 20
    COINBASE 0x41 0 1 Frontier 2
    TIMESTAMP 0x42 0 1 Frontier 2
    NUMBER 0x43 0 1 Frontier 2
    PREVRANDAO 0x44 0 1 Frontier 2
    GASLIMIT 0x45 0 1 Frontier 2
    CHAINID 0x46 0 1 Istanbul 2
    SELFBALANCE 0x47 0 1 Istanbul 5
    BASEFEE 0x48 0 1 London 2
    BLOBHASH 0x49 1 1 Cancun 3
    BLOBBASEFEE 0x4a 0 1 Cancun 2
    POP 0x50 1 0 Frontier 2
    MLOAD 0x51 1 1 Frontier 3
    MSTORE 0x52 2 0 Frontier 3
    MSTORE8 0x53 2 0 Frontier 3
    SLOAD 0x54 1 1 Frontier sload
    SSTORE 0x55 2 0 Frontier 0
    JUMP 0x56 1 0 Frontier 8
    JUMPI 0x57 2 0 Frontier 10
    PC 0x58 0 1 Frontier 2
    MSIZE 0x59 0 1 Frontier 2
    GAS 0x5a 0 1 Frontier 2
    JUMPDEST 0x5b 0 0 Frontier 1
    TLOAD 0x5c 1 1 Cancun 100
    TSTORE 0x5d 2 0 Cancun 100
    MCOPY 0x5e 3 0 Cancun 3
    PUSH0 0x5f 0 1 Shanghai 2
    PUSH1 0x60 0 1 Frontier 3
    PUSH2 0x61 0 1 Frontier 3
    PUSH3 0x62 0 1 Frontier 3
    PUSH4 0x63 0 1 Frontier 3
    PUSH5 0x64 0 1 Frontier 3
    PUSH6 0x65 0 1 Frontier 3
    PUSH7 0x66 0 1 Frontier 3
    PUSH8 0x67 0 1 Frontier 3
    PUSH9 0x68 0 1 Frontier 3
    PUSH10 0x69 0 1 Frontier 3
    PUSH11 0x6a 0 1 Frontier 3
    PUSH12 0x6b 0 1 Frontier 3
    PUSH13 0x6c 0 1 Frontier 3
    PUSH14 0x6d 0 1 Frontier 3
    PUSH15 0x6e 0 1 Frontier 3
    PUSH16 0x6f 0 1 Frontier 3
    PUSH17 0x70 0 1 Frontier 3
    PUSH18 0x71 0 1 Frontier 3
    PUSH19 0x72 0 1 Frontier 3
    PUSH20 0x73 0 1 Frontier 3
    PUSH21 0x74 0 1 Frontier 3
    PUSH22 0x75 0 1 Frontier 3
    PUSH23 0x76 0 1 Frontier 3
    PUSH24 0x77 0 1 Frontier 3
    PUSH25 0x78 0 1 Frontier 3
    PUSH26 0x79 0 1 Frontier 3
    PUSH27 0x7a 0 1 Frontier 3
    PUSH28 0x7b 0 1 Frontier 3
    PUSH29 0x7c 0 1 Frontier 3
    PUSH30 0x7d 0 1 Frontier 3
    PUSH31 0x7e 0 1 Frontier 3
    PUSH32 0x7f 0 1 Frontier 3
    DUP1 0x80 1 2 Frontier 3
    DUP2 0x81 2 3 Frontier 3
    DUP3 0x82 3 4 Frontier 3
    DUP4 0x83 4 5 Frontier 3
    DUP5 0x84 5 6 Frontier 3
    DUP6 0x85 6 7 Frontier 3
    DUP7 0x86 7 8 Frontier 3
    DUP8 0x87 8 9 Frontier 3
    DUP9 0x88 9 10 Frontier 3
    DUP10 0x89 10 11 Frontier 3
    DUP11 0x8a 11 12 Frontier 3
    DUP12 0x8b 12 13 Frontier 3
    DUP13 0x8c 13 14 Frontier 3
    DUP14 0x8d 14 15 Frontier 3
    DUP15 0x8e 15 16 Frontier 3
    DUP16 0x8f 16 17 Frontier 3
    SWAP1 0x90 2 2 Frontier 3
    SWAP2 0x91 3 3 Frontier 3
    SWAP3 0x92 4 4 Frontier 3
    SWAP4 0x93 5 5 Frontier 3
    SWAP5 0x94 6 6 Frontier 3
    SWAP6 0x95 7 7 Frontier 3
    SWAP7 0x96 8 8 Frontier 3
    SWAP8 0x97 9 9 Frontier 3
    SWAP9 0x98 10 10 Frontier 3
    SWAP10 0x99 11 11 Frontier 3
    SWAP11 0x9a 12 12 Frontier 3
    SWAP12 0x9b 13 13 Frontier 3
    SWAP13 0x9c 14 14 Frontier 3
    SWAP14 0x9d 15 15 Frontier 3
    SWAP15 0x9e 16 16 Frontier 3
    SWAP16 0x9f 17 17 Frontier 3
    LOG0 0xa0 2 0 Frontier 375
    LOG1 0xa1 3 0 Frontier 750
    LOG2 0xa2 4 0 Frontier 1125
    LOG3 0xa3 5 0 Frontier 1500
    LOG4 0xa4 6 0 Frontier 1875
    CREATE 0xf0 3 1 Frontier 32000
    CALL 0xf1 7 1 Frontier call
    CALLCODE 0xf2 7 1 Frontier call
    RETURN 0xf3 2 0 Frontier 0
    DELEGATECALL 0xf4 6 1 Homestead call
    CREATE2 0xf5 4 1 Constantinople 32000
    STATICCALL 0xfa 6 1 Byzantium call
    REVERT 0xfd 2 0 Byzantium 0
    INVALID 0xfe 0 0 Frontier 0
    SELFDESTRUCT 0xff 1 0 Frontier self_destruct
}

/// What decoding and analysis need to know of a byte in one spec; packed, because they look it up
/// for every byte of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Static gas.
    pub gas: u16,
    /// Stack inputs.
    pub inputs: u8,
    /// Stack outputs.
    pub outputs: u8,
    /// Bytes of the immediate.
    pub immediate: u8,
    /// Whether the spec defines the opcode. `INVALID` counts as undefined.
    pub defined: bool,
    /// Whether nothing falls through it: STOP, JUMP, RETURN, REVERT, SELFDESTRUCT and what is
    /// undefined.
    pub terminator: bool,
}

/// [`Info`] for every byte.
pub type Table = [Info; 256];

const fn narrow(gas: u32) -> u16 {
    assert!(gas <= u16::MAX as u32);
    gas as u16
}

const fn table(spec: Spec) -> Table {
    let undefined =
        Info { gas: 0, inputs: 0, outputs: 0, immediate: 0, defined: false, terminator: true };
    let mut table = [undefined; 256];
    let mut i = 0;
    while i < OPCODES.len() {
        let row = OPCODES[i];
        i += 1;
        if !spec.includes(row.since) || row.byte == op::INVALID {
            continue;
        }
        let gas = static_gas(row.byte, spec.gas());
        let terminator =
            matches!(row.byte, op::STOP | op::JUMP | op::RETURN | op::REVERT | op::SELFDESTRUCT);
        table[row.byte as usize] = Info {
            gas: narrow(gas),
            inputs: row.inputs,
            outputs: row.outputs,
            immediate: immediate_size(row.byte),
            defined: true,
            terminator,
        };
    }
    table
}

static TABLES: [Table; Spec::ALL.len()] = {
    let mut tables = [table(Spec::Frontier); Spec::ALL.len()];
    let mut i = 0;
    while i < tables.len() {
        tables[i] = table(Spec::ALL[i]);
        i += 1;
    }
    tables
};

/// The table of a spec.
pub fn table_of(spec: Spec) -> &'static Table {
    &TABLES[spec as usize]
}

/// How many bytes of immediate data follow `byte`. The same in every spec: the bytes of a PUSH
/// are data even for the analysis of jump destinations.
pub const fn immediate_size(byte: u8) -> u8 {
    match byte {
        op::PUSH1..=op::PUSH32 => byte - op::PUSH0,
        _ => 0,
    }
}

/// The length of a range of EVM memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// An operand, by its place on the stack.
    Operand(u8),
    /// So many bytes.
    Bytes(u8),
}

/// A range of EVM memory that an opcode touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// Which operand is its start.
    pub at: u8,
    /// Its length.
    pub length: Length,
}

/// What an opcode does to EVM memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryOperands {
    /// The range that it reads.
    pub reads: Option<MemoryRange>,
    /// The range that it writes, or may write.
    pub writes: Option<MemoryRange>,
    /// It writes all of that range, whatever happens, but for failing.
    pub writes_all: bool,
}

static MEMORY_OPERANDS: [MemoryOperands; 256] = {
    let mut table = [memory_operands_of(0); 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = memory_operands_of(byte as u8);
        byte += 1;
    }
    table
};

/// What `byte` does to EVM memory.
pub fn memory_operands(byte: u8) -> &'static MemoryOperands {
    &MEMORY_OPERANDS[usize::from(byte)]
}

const fn memory_operands_of(byte: u8) -> MemoryOperands {
    const fn bytes(at: u8, n: u8) -> Option<MemoryRange> {
        Some(MemoryRange { at, length: Length::Bytes(n) })
    }
    const fn range(at: u8, length: u8) -> Option<MemoryRange> {
        Some(MemoryRange { at, length: Length::Operand(length) })
    }
    let (reads, writes) = match byte {
        op::MLOAD => (bytes(0, 32), None),
        op::MSTORE => (None, bytes(0, 32)),
        op::MSTORE8 => (None, bytes(0, 1)),
        op::MCOPY => (range(1, 2), range(0, 2)),
        op::CALLDATACOPY | op::CODECOPY | op::RETURNDATACOPY => (None, range(0, 2)),
        op::EXTCODECOPY => (None, range(1, 3)),
        op::KECCAK256 | op::RETURN | op::REVERT | op::LOG0..=op::LOG4 => (range(0, 1), None),
        op::CREATE | op::CREATE2 => (range(1, 2), None),
        op::CALL | op::CALLCODE => (range(3, 4), range(5, 6)),
        op::DELEGATECALL | op::STATICCALL => (range(2, 3), range(4, 5)),
        _ => (None, None),
    };
    // A call may return less than there is room for.
    let may_be_short = matches!(byte, op::CALL..=op::CALLCODE | op::DELEGATECALL | op::STATICCALL);
    MemoryOperands { reads, writes, writes_all: writes.is_some() && !may_be_short }
}

/// The row of `byte`, if any spec defines it.
pub fn by_byte(byte: u8) -> Option<&'static Opcode> {
    OPCODES.binary_search_by_key(&byte, |row| row.byte).ok().map(|i| &OPCODES[i])
}

/// The row of the opcode called `name` (upper case), also by an older name.
pub fn by_name(name: &str) -> Option<&'static Opcode> {
    let name = match name {
        "SHA3" => "KECCAK256",
        "DIFFICULTY" => "PREVRANDAO",
        other => other,
    };
    OPCODES.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_unique() {
        assert!(OPCODES.windows(2).all(|w| w[0].byte < w[1].byte));
        assert_eq!(by_byte(0x20).unwrap().name, "KECCAK256");
        assert_eq!(by_byte(0x21), None);
        assert_eq!(by_name("SHA3"), by_byte(0x20));
    }

    #[test]
    fn prices_follow_the_forks() {
        let gas = |byte: u8, spec| table_of(spec)[usize::from(byte)].gas;
        let sload = [(Spec::Frontier, 50), (Spec::Tangerine, 200), (Spec::Istanbul, 800)];
        for (spec, want) in sload.into_iter().chain([(Spec::Berlin, 100)]) {
            assert_eq!(gas(op::SLOAD, spec), want, "{spec}");
        }
        let balance = [(Spec::Homestead, 20), (Spec::Byzantium, 400), (Spec::Istanbul, 700)];
        for (spec, want) in balance.into_iter().chain([(Spec::Osaka, 100)]) {
            assert_eq!(gas(op::BALANCE, spec), want, "{spec}");
        }
        assert_eq!(gas(op::EXTCODEHASH, Spec::Petersburg), 400);
        assert_eq!(gas(op::EXTCODECOPY, Spec::Istanbul), 700);
        assert_eq!(gas(op::SELFDESTRUCT, Spec::Homestead), 0);
        assert_eq!(gas(op::LOG4, Spec::Osaka), 1875);
    }

    #[test]
    fn opcodes_appear_with_their_fork() {
        let defined = |byte: u8, spec| table_of(spec)[usize::from(byte)].defined;
        for (byte, spec) in [
            (op::DELEGATECALL, Spec::Homestead),
            (op::REVERT, Spec::Byzantium),
            (op::SAR, Spec::Constantinople),
            (op::CHAINID, Spec::Istanbul),
            (op::BASEFEE, Spec::London),
            (op::PUSH0, Spec::Shanghai),
            (op::MCOPY, Spec::Cancun),
            (op::CLZ, Spec::Osaka),
        ] {
            let before = Spec::ALL[spec as usize - 1];
            assert!(defined(byte, spec) && !defined(byte, before), "{byte:02x} {spec}");
        }
        assert!(!defined(op::INVALID, Spec::Osaka));
    }
}
