//! The lowered form: what a device runs.
//!
//! A [`Program`] is a flat list of 16-byte [`Op`]s over *frame slots*. A call frame owns a window
//! of slots; `sp` is the absolute slot just above the EVM stack at the entry of the running bb.
//! Operands name slots relative to `sp` (negative: values that were on the EVM stack at bb entry;
//! zero and above: values the bb pushes, then its temporaries) or constants of the program. So a
//! program needs no knowledge of the absolute stack height, and a bb reached by a computed jump at
//! several heights is still one piece of code.
//!
//! # Contract between the lowering and the kernels
//! - Op 0 is `BadJump`, op 1 is `Stop`, op 2 is `Invalid`: the targets of impossible jumps, of
//!   running off the code, and of traps.
//! - A *trap* is a conditional jump in the middle of a bb, to op 0 or 2, with `x` 0. Whoever takes
//!   it has paid for the whole section, which nobody can tell, as the frame fails with all gas.
//! - A bb starts with `Bb`. It charges the static gas of the bb's first gas section, checks
//!   the stack (`height >= a`, `height + b <= 1024`), and reserves `c` slots above `sp`.
//! - `Section` charges a later gas section of the same bb. A section ends right after every op
//!   that observes the gas left (`Gas`, `Sstore`, the `Call` family, `Create`, `Create2`), so that
//!   these see it exact. Within a section the static gas of all its instructions is charged at
//!   its start: a frame that runs out of gas anywhere in it fails as a whole, so nobody can tell.
//! - Memory expansion: `MemExpand imm` grows EVM memory to at least `imm` bytes and charges it.
//!   `MloadK`, `MstoreK`, `Mstore8K`, `KeccakK`, `Keccak1`, `Keccak2` do **no** check: a
//!   `MemExpand` covers them. All other memory ops check and charge themselves.
//!   `MemExpand` may move to the start of its section, never across `Msize`.
//! - Dynamic gas that depends on values (copy words, cold access, `Exp` bytes, log bytes) is
//!   charged by the op itself, unless the op's comment below says that the section has it.
//! - Terminators add `x` (signed) to `sp`. Exit values of the bb stand at their final slots:
//!   the value at exit depth `k` (0 = top) is in slot `x - 1 - k` relative to the old `sp`.
//! - Slots keep their content over the edge to the next bb. A bb that exactly one edge leads to
//!   (which is neither the entry nor named by the jump table) may read slots at or above its `sp`
//!   that bbs before it wrote: what was a temporary there. All other bbs read only what is on the
//!   EVM stack.
//! - An op reads all its operands before it writes `dst`, which may be one of their slots, except
//!   that the `dst` of calls and creations is never one of theirs.
//! - Memory of a frame never shrinks: a `MemExpand` (or a checked op with constant operands) in an
//!   earlier section, or in every bb before, covers as well as one in the same section.
//! - Only JUMPDESTs that a computed jump of this program can reach need a bb of their own: in a
//!   program without `Jump` and `JumpI` the jump table names none.
//! - A program ends with a terminator; `GoTo`, conditional jumps and the jump table name the index
//!   of a `Bb` op (or op 0, 1 or 2). What falls through reaches a `Bb`, or a `GoTo` that belongs to
//!   the bb.
//! - A program that grows while it runs ([`crate::baseline`], on the CPU alone) has a `Lower` for
//!   each JUMPDEST, from op 3 on, which jumps and the jump table may name in place of its `Bb`.
//!
//! Numbers and field order are the device ABI; `cargo xtask generate` writes them for C++ and WGSL.

use alloy_primitives::U256;
use bytemuck::{Pod, Zeroable};

/// An operand: a frame slot relative to `sp`, or a constant of the program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct Operand(pub u16);

impl Operand {
    /// Set in the encoding of a constant; the other 15 bits are its index.
    pub const CONST_BIT: u16 = 0x8000;
    /// Added to a slot offset in its encoding, so that it is never negative.
    pub const SLOT_BIAS: i32 = 8192;
    /// The largest slot offset that can be encoded.
    pub const SLOT_MAX: i32 = 0x7fff - Self::SLOT_BIAS;
    /// How many constants an operand can name; more are loaded with [`OpKind::LoadK`].
    pub const CONSTS_MAX: usize = 0x8000;

    /// The slot `offset` above (or, negative, below) `sp`.
    pub fn slot(offset: i32) -> Operand {
        assert!(
            (-Self::SLOT_BIAS..=Self::SLOT_MAX).contains(&offset),
            "slot {offset} out of range"
        );
        Operand((offset + Self::SLOT_BIAS) as u16)
    }

    /// Constant number `index` of the program.
    pub fn constant(index: u32) -> Operand {
        assert!((index as usize) < Self::CONSTS_MAX, "constant {index} out of range");
        Operand(index as u16 | Self::CONST_BIT)
    }

    /// The slot offset, if this names a slot.
    pub fn as_slot(self) -> Option<i32> {
        (self.0 & Self::CONST_BIT == 0).then(|| i32::from(self.0) - Self::SLOT_BIAS)
    }

    /// The constant's index, if this names a constant.
    pub fn as_constant(self) -> Option<u32> {
        (self.0 & Self::CONST_BIT != 0).then(|| u32::from(self.0 & !Self::CONST_BIT))
    }
}

impl core::fmt::Debug for Operand {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match (self.as_slot(), self.as_constant()) {
            (Some(s), _) => write!(f, "s{s}"),
            (_, Some(c)) => write!(f, "k{c}"),
            _ => unreachable!(),
        }
    }
}

/// One lowered op. `code` is an [`OpKind`]; the other fields as its comment says, zero if unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Op {
    /// An [`OpKind`] as a number.
    pub code: u16,
    /// Where the result goes (a slot), or the first operand of an `Ext` record.
    pub dst: Operand,
    /// First operand.
    pub a: Operand,
    /// Second operand.
    pub b: Operand,
    /// Third operand.
    pub c: Operand,
    /// A small immediate: the signed change of `sp` for terminators.
    pub x: i16,
    /// An immediate: gas, an op index, a memory offset, a constant's index.
    pub imm: u32,
}

macro_rules! op_kinds {
    ($($(#[doc = $doc:literal])* $name:ident $shape:literal),* $(,)?) => {
        /// What a lowered op does. The shape in [`OpKind::shape`] says which fields it uses.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum OpKind { $($(#[doc = $doc])* $name),* }

        impl OpKind {
            /// Every kind, in the order of the numbers.
            pub const ALL: &'static [OpKind] = &[$(OpKind::$name),*];

            /// The kind's name.
            pub const fn name(self) -> &'static str {
                match self { $(OpKind::$name => stringify!($name)),* }
            }

            /// The fields that the kind uses: `d` result slot; `a` `b` `c` operands read; `x`
            /// the `sp` change; `i` immediate; `T` terminator; `J` `imm` is the index of an op;
            /// `E0`..`E4` an `Ext` record follows, of which so many operands are read.
            pub const fn shape(self) -> &'static str {
                match self { $(OpKind::$name => $shape),* }
            }
        }
    };
}

op_kinds! {
    /// Halts the frame: jump to a place that is no JUMPDEST. Always op 0.
    BadJump "T",
    /// STOP. Always op 1 as well (running off the end of the code).
    Stop "T",
    /// Operands of the op before it: `dst`, `a`, `b`, `c` are operands 0 to 3.
    Ext "",
    /// Start of a bb: `imm` static gas of its first section, `a` (raw u16) minimum height, `b` (raw
    /// u16) maximum growth of the EVM stack over its entry height, `c` (raw u16) slots used above
    /// `sp`.
    Bb "i",
    /// Start of a later gas section: `imm` static gas.
    Section "i",
    /// Stands for a bb of a program that grows: goes to op `imm`, or asks for it while that is 0.
    Lower "JT",
    /// `sp += x`, then falls through to the `Bb` that follows.
    Fall "xT",
    /// Jump to op `imm`.
    GoTo "xJT",
    /// Computed jump to the pc `a`.
    Jump "axT",
    /// Computed conditional jump: to the pc `b` if `a` is not zero, else falls through.
    JumpI "abxT",
    /// Jump to op `imm` if `a` is not zero, else fall through (as all conditional jumps below).
    JumpIf "axJT",
    /// Jump if `a` is zero.
    JumpIfZero "axJT",
    /// Jump if `a == b`.
    JumpEq "abxJT",
    /// Jump if `a != b`.
    JumpNe "abxJT",
    /// Jump if `a < b`, unsigned.
    JumpLt "abxJT",
    /// Jump if `a >= b`, unsigned.
    JumpGe "abxJT",
    /// Jump if `a < b`, signed.
    JumpSlt "abxJT",
    /// Jump if `a >= b`, signed.
    JumpSge "abxJT",
    /// RETURN: offset `a`, length `b`.
    Return "abT",
    /// REVERT: offset `a`, length `b`.
    Revert "abT",
    /// SELFDESTRUCT: beneficiary `a`.
    SelfDestruct "aT",
    /// INVALID (0xfe) and opcodes that the spec does not define. Always op 2 as well.
    Invalid "T",
    /// The result is operand `a`.
    Mov "da",
    /// The result is constant number `imm`.
    LoadK "di",
    /// ADD
    Add "dab",
    /// MUL
    Mul "dab",
    /// SUB
    Sub "dab",
    /// DIV
    Div "dab",
    /// SDIV
    Sdiv "dab",
    /// MOD
    Mod "dab",
    /// SMOD
    Smod "dab",
    /// ADDMOD: `(a + b) % c`
    AddMod "dabc",
    /// MULMOD: `(a * b) % c`
    MulMod "dabc",
    /// EXP; charges its bytes.
    Exp "dab",
    /// EXP with a constant exponent: the section has the gas of its bytes.
    ExpK "dab",
    /// SIGNEXTEND: `a` is the byte's index, `b` the value.
    SignExtend "dab",
    /// LT
    Lt "dab",
    /// GT
    Gt "dab",
    /// SLT
    Slt "dab",
    /// SGT
    Sgt "dab",
    /// EQ
    Eq "dab",
    /// ISZERO
    IsZero "da",
    /// 1 if `a` is not zero, else 0 (two ISZERO).
    NotZero "da",
    /// AND
    And "dab",
    /// OR
    Or "dab",
    /// XOR
    Xor "dab",
    /// NOT
    Not "da",
    /// BYTE: byte `a` (0 is the most significant) of `b`.
    Byte "dab",
    /// SHL: `b << a`
    Shl "dab",
    /// SHR: `b >> a`
    Shr "dab",
    /// SAR: `b >> a`, signed
    Sar "dab",
    /// SHL by the constant `imm` < 256 of `a`.
    ShlK "dai",
    /// SHR by the constant `imm` < 256 of `a`.
    ShrK "dai",
    /// SAR by the constant `imm` < 256 of `a`.
    SarK "dai",
    /// CLZ (EIP-7939)
    Clz "da",
    /// KECCAK256 of memory, offset `a`, length `b`; charges words and expansion.
    Keccak "dab",
    /// KECCAK256 of memory, constant offset `imm` and length `x` (raw u16); section has the words'
    /// gas.
    KeccakK "dix",
    /// KECCAK256 of the one word `a` (32 bytes); section has the words' gas; memory is not read.
    Keccak1 "da",
    /// KECCAK256 of the two words `a`, `b` (64 bytes); section has the words' gas; memory is not
    /// read.
    Keccak2 "dab",
    /// ADDRESS
    Address "d",
    /// BALANCE
    Balance "da",
    /// ORIGIN
    Origin "d",
    /// CALLER
    Caller "d",
    /// CALLVALUE
    CallValue "d",
    /// CALLDATALOAD
    CallDataLoad "da",
    /// CALLDATALOAD at the constant offset `imm`.
    CallDataLoadK "di",
    /// CALLDATASIZE
    CallDataSize "d",
    /// CALLDATACOPY: memory offset `a`, data offset `b`, length `c`
    CallDataCopy "abc",
    /// CODESIZE: only where the length is not a constant of the program (never emitted for it).
    CodeSize "d",
    /// CODECOPY: memory offset `a`, code offset `b`, length `c`
    CodeCopy "abc",
    /// GASPRICE
    GasPrice "d",
    /// EXTCODESIZE
    ExtCodeSize "da",
    /// EXTCODECOPY: address `a`, memory offset `b`, code offset `c`, length ext 0
    ExtCodeCopy "abcE1",
    /// RETURNDATASIZE
    ReturnDataSize "d",
    /// RETURNDATACOPY: memory offset `a`, data offset `b`, length `c`
    ReturnDataCopy "abc",
    /// EXTCODEHASH
    ExtCodeHash "da",
    /// BLOCKHASH
    BlockHash "da",
    /// COINBASE
    Coinbase "d",
    /// TIMESTAMP
    Timestamp "d",
    /// NUMBER
    Number "d",
    /// DIFFICULTY or PREVRANDAO
    PrevRandao "d",
    /// GASLIMIT
    GasLimit "d",
    /// CHAINID
    ChainId "d",
    /// SELFBALANCE
    SelfBalance "d",
    /// BASEFEE
    BaseFee "d",
    /// BLOBHASH
    BlobHash "da",
    /// BLOBBASEFEE
    BlobBaseFee "d",
    /// Grow EVM memory to at least `imm` bytes, charging the expansion.
    MemExpand "i",
    /// MLOAD; checks and charges.
    Mload "da",
    /// MSTORE: offset `a`, value `b`; checks and charges.
    Mstore "ab",
    /// MSTORE8: offset `a`, value `b`; checks and charges.
    Mstore8 "ab",
    /// MLOAD at the constant offset `imm`, covered by a `MemExpand`.
    MloadK "di",
    /// MSTORE of `a` at the constant offset `imm`, covered by a `MemExpand`.
    MstoreK "ai",
    /// MSTORE8 of `a` at the constant offset `imm`, covered by a `MemExpand`.
    Mstore8K "ai",
    /// MSIZE
    Msize "d",
    /// MCOPY: destination `a`, source `b`, length `c`
    Mcopy "abc",
    /// SLOAD; section has the warm (or pre-Berlin) cost.
    Sload "da",
    /// SSTORE: key `a`, value `b`; charges everything.
    Sstore "ab",
    /// TLOAD
    Tload "da",
    /// TSTORE: key `a`, value `b`
    Tstore "ab",
    /// GAS
    Gas "d",
    /// LOG0 to LOG4: `x` topics; memory offset `a`, length `b`; topics ext 0..; section has
    /// 375 and 375 per topic, the op charges bytes and expansion.
    Log "abxE4",
    /// CREATE: value `a`, offset `b`, length `c`; section has 32000, the op charges the rest.
    Create "dabc",
    /// CREATE2: value `a`, offset `b`, length `c`, salt ext 0; as CREATE.
    Create2 "dabcE1",
    /// CALL: gas `a`, address `b`, value `c`, ext: input offset, input length, output offset,
    /// output length. The section has the static cost of the opcode table; the op charges the rest.
    Call "dabcE4",
    /// CALLCODE, as CALL.
    CallCode "dabcE4",
    /// DELEGATECALL: gas `a`, address `b`, ext as CALL.
    DelegateCall "dabE4",
    /// STATICCALL: gas `a`, address `b`, ext as CALL.
    StaticCall "dabE4",
}

impl OpKind {
    /// Whether it is a conditional jump to an op.
    pub fn is_test(self) -> bool {
        self.shape().contains('J') && self != OpKind::GoTo
    }

    /// The kind with this number.
    pub fn from_code(code: u16) -> Option<OpKind> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// The index in [`Program::ops`] of `BadJump`.
pub const OP_BAD_JUMP: u32 = 0;
/// The index in [`Program::ops`] of the shared `Stop`.
pub const OP_STOP: u32 = 1;
/// The index in [`Program::ops`] of the shared `Invalid`.
pub const OP_INVALID: u32 = 2;

/// A compiled contract for one spec: what the kernels need and nothing else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// The ops, see the module's contract.
    pub ops: Vec<Op>,
    /// Constants, shared by all ops.
    pub consts: Vec<U256>,
    /// Where computed jumps lead ([`jump_target`]).
    pub jump_table: Vec<u32>,
    /// Bytes of the code.
    pub code_bytes: u32,
    /// The index of the op where execution starts.
    pub entry: u32,
}

/// Bytes of code that one block of a jump table is for: two words, a bit for each pc that may be
/// jumped to, and where in the table the target of the first of them stands. Targets follow the
/// blocks.
pub const JUMP_BLOCK_BYTES: usize = 32;

/// The jump table of a code of so many bytes, from (pc, op) in ascending order.
pub fn jump_table(bytes: usize, targets: impl IntoIterator<Item = (u32, u32)>) -> Vec<u32> {
    let blocks = bytes.div_ceil(JUMP_BLOCK_BYTES);
    let mut table = vec![0; 2 * blocks];
    let mut block = 0;
    for (pc, op) in targets {
        let of = pc as usize / JUMP_BLOCK_BYTES;
        if table[2 * of] == 0 || block != of {
            (block, table[2 * of + 1]) = (of, table.len() as u32);
        }
        table[2 * of] |= 1 << (pc as usize % JUMP_BLOCK_BYTES);
        table.push(op);
    }
    table
}

/// Where in a jump table the target of a jump to `pc` stands.
pub(crate) fn jump_place(table: &[u32], bytes: usize, pc: usize) -> Option<usize> {
    if pc >= bytes {
        return None;
    }
    let block = pc / JUMP_BLOCK_BYTES;
    let (bits, bit) = (table[2 * block], pc % JUMP_BLOCK_BYTES);
    let before = (bits & ((1 << bit) - 1)).count_ones();
    (bits >> bit & 1 != 0).then(|| (table[2 * block + 1] + before) as usize)
}

/// The op that a jump to `pc` of a code of so many bytes leads to.
pub fn jump_target(table: &[u32], bytes: usize, pc: usize) -> u32 {
    jump_place(table, bytes, pc).map_or(OP_BAD_JUMP, |place| table[place])
}

/// All pcs of a jump table with their targets, in ascending order.
pub fn jump_targets(table: &[u32], bytes: usize) -> impl Iterator<Item = (u32, u32)> + '_ {
    (0..bytes.div_ceil(JUMP_BLOCK_BYTES)).flat_map(move |block| {
        let (bits, first) = (table[2 * block], table[2 * block + 1]);
        let set = (0..JUMP_BLOCK_BYTES).filter(move |bit| bits >> bit & 1 != 0);
        let pc = move |bit| (block * JUMP_BLOCK_BYTES + bit) as u32;
        set.enumerate().map(move |(i, bit)| (pc(bit), table[first as usize + i]))
    })
}

impl Program {
    /// The op that a jump to `pc` leads to.
    pub fn jump_target(&self, pc: usize) -> u32 {
        jump_target(&self.jump_table, self.code_bytes as usize, pc)
    }

    /// The pcs that jumps may lead to with their ops, in ascending order.
    pub fn jump_targets(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        jump_targets(&self.jump_table, self.code_bytes as usize)
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Program>()
            + size_of_val(&self.ops[..])
            + size_of_val(&self.consts[..])
            + size_of_val(&self.jump_table[..])
    }
}
