//! The device ABI: every struct, number and limit that host and kernels share, written once.
//!
//! `cargo xtask generate` writes `kernels/cuda/generated/abi.cuh` and the shaders' numbers and
//! layouts from the tables here; a test fails when a file is stale. What follows from the
//! protocol's versions (rules, prices, precompiles) it writes from the compiler's tables.
//!
//! All structs are little-endian, naturally aligned, without padding. A 256-bit `Word` is four
//! 64-bit limbs, least significant first. Addresses stand in 20 bytes, big endian, as Ethereum
//! writes them, wherever they are a key; as a `Word` on the EVM stack.

use bytemuck::{Pod, Zeroable};

/// One field of a shared struct, for the generators.
#[derive(Clone, Copy, Debug)]
pub struct FieldDesc {
    /// Name, the same in every language.
    pub name: &'static str,
    /// Rust type as written.
    pub ty: &'static str,
    /// Offset in bytes.
    pub offset: usize,
}

/// One shared struct, for the generators.
#[derive(Clone, Copy, Debug)]
pub struct StructDesc {
    /// Name, the same in every language.
    pub name: &'static str,
    /// Size in bytes.
    pub size: usize,
    /// Fields in order.
    pub fields: &'static [FieldDesc],
}

/// One shared number, for the generators.
#[derive(Clone, Copy, Debug)]
pub struct ConstDesc {
    /// Name, the same in every language.
    pub name: &'static str,
    /// Value.
    pub value: u64,
}

/// A 256-bit number as four limbs, least significant first.
pub type Word = [u64; 4];
/// An address in a key: 20 bytes, big endian.
pub type Addr = [u8; 20];
/// The numbers of a gas schedule that are not the same in every spec. Which is which the generator
/// of the headers knows, from the compiler's tables; there may be fewer.
pub type GasNumbers = [u32; GAS_NUMBERS_MAX as usize];

macro_rules! device_structs {
    ($($(#[doc = $doc:literal])* struct $name:ident {
        $($(#[doc = $fdoc:literal])* $field:ident: $ty:tt,)*
    })*) => {
        $($(#[doc = $doc])*
        #[allow(missing_docs, reason = "a field whose name says it all has no comment")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
        #[repr(C)]
        pub struct $name { $($(#[doc = $fdoc])* pub $field: $ty,)* }

        impl Default for $name {
            fn default() -> $name { bytemuck::Zeroable::zeroed() }
        })*

        /// Every shared struct.
        pub const STRUCTS: &[StructDesc] = &[$(StructDesc {
            name: stringify!($name),
            size: size_of::<$name>(),
            fields: &[$(FieldDesc {
                name: stringify!($field),
                ty: stringify!($ty),
                offset: core::mem::offset_of!($name, $field),
            },)*],
        },)*];
    };
}

macro_rules! device_consts {
    ($($(#[doc = $doc:literal])* $name:ident = $value:expr;)*) => {
        $($(#[doc = $doc])* pub const $name: u32 = $value;)*
        /// Every shared number.
        pub const CONSTS: &[ConstDesc] =
            &[$(ConstDesc { name: stringify!($name), value: $name as u64 },)*];
    };
}

macro_rules! device_long_consts {
    ($($(#[doc = $doc:literal])* $name:ident = $value:expr;)*) => {
        $($(#[doc = $doc])* pub const $name: u64 = $value;)*
        /// Every shared number of 64 bits.
        pub const LONG_CONSTS: &[ConstDesc] =
            &[$(ConstDesc { name: stringify!($name), value: $name },)*];
    };
}

macro_rules! device_enum {
    ($(#[doc = $edoc:literal])* $ename:ident, $table:ident, $prefix:literal;
        $($(#[doc = $doc:literal])* $name:ident = $value:literal,)*) => {
        $(#[doc = $edoc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum $ename { $($(#[doc = $doc])* $name = $value,)* }

        impl $ename {
            /// The value with this number.
            pub fn from_u32(value: u32) -> Option<$ename> {
                match value { $($value => Some($ename::$name),)* _ => None }
            }
        }

        /// The names and numbers, for the generators; the C++ name has the prefix.
        pub const $table: (&str, &[ConstDesc]) =
            ($prefix, &[$(ConstDesc { name: stringify!($name), value: $value },)*]);
    };
}

device_consts! {
    /// Call frames nest at most this deep (yellow paper, 1024); the outermost is depth 0.
    CALL_DEPTH_MAX = 1024;
    /// EVM stack items of a call frame.
    STACK_ITEMS_MAX = 1024;
    /// Bytes of EVM memory that all open frames of a transaction have together, 2 GiB. Beyond it a
    /// frame runs out of gas, as in revm with the same limit: without one a simulation with a huge
    /// gas limit would have the host allocate terabytes. The cheapest way to so much, 1,025 frames
    /// of equal size, costs 8.6e9 gas: no transaction of a chain has it.
    EVM_MEMORY_BYTES_MAX = 1 << 31;
    /// "No entry" in index fields.
    NONE = 0xffff_ffff;
    /// Numbers of a gas schedule that differ between specs, at most. With it `Launch` ends at a
    /// multiple of 16 bytes.
    GAS_NUMBERS_MAX = 21;
    /// Index of the empty code in the code table.
    CODE_EMPTY = 0;
    /// The first index of a temporary code; those below are lasting.
    CODE_TEMP_BASE = 1 << 20;

    /// Account flag: the account exists in the state (pre-Spurious-Dragon, also empty ones).
    ACCOUNT_EXISTS = 1;
    /// Account flag: storage is known to hold a value that is not zero (EIP-7610).
    ACCOUNT_HAS_STORAGE = 2;
    /// Account flag: every slot that the table does not hold is zero (the account was created or
    /// destroyed since the snapshot).
    ACCOUNT_WIPED = 4;
    /// Overlay account flag: warm (EIP-2929).
    ACCOUNT_WARM = 8;
    /// Overlay account flag: touched (EIP-161); empty touched accounts are deleted at the end.
    ACCOUNT_TOUCHED = 16;
    /// Overlay account flag: created in this transaction; its storage starts empty.
    ACCOUNT_CREATED = 32;
    /// Overlay account flag: will be destroyed at the end of the transaction.
    ACCOUNT_DESTROYED = 64;
    /// Overlay account flag: the balance at the start was observed (not just credited).
    ACCOUNT_READ_BALANCE = 128;
    /// Overlay account flag: nonce or code at the start was observed.
    ACCOUNT_READ_INFO = 256;
    /// Overlay account flag: emptiness (EIP-161) at the start was observed.
    ACCOUNT_READ_EMPTY = 512;

    /// Storage overlay flag: warm (EIP-2929).
    SLOT_WARM = 1;
    /// Storage overlay flag: a transient slot (EIP-1153).
    SLOT_TRANSIENT = 2;
    /// Storage overlay flag: the entry was written at some time (it may have been undone).
    SLOT_WRITTEN = 4;

    /// Frame flag: no state changes (EIP-214).
    FRAME_STATIC = 1;
    /// Frame flag: a creation.
    FRAME_CREATE = 2;

    /// `Journal::entry`: the entry is one of the overlay's storage.
    JOURNAL_STORAGE = 0x8000_0000;

    /// Transaction flag: contract creation.
    TX_CREATE = 1;
    /// Transaction flag: system call (EIP-4788 and others): no fees, nonce or validation.
    TX_SYSTEM = 2;
    /// Transaction flag: do not check the nonce.
    TX_NO_NONCE_CHECK = 4;
    /// Transaction flag: do not check the balance, nor charge fees (simulation).
    TX_NO_BALANCE_CHECK = 8;
    /// Transaction flag: the sender may have code (EIP-3607 off).
    TX_NO_EOA_CHECK = 16;
    /// Transaction flag: the authorization list is present (type 4).
    TX_HAS_AUTHORIZATIONS = 32;
    /// Transaction flag: value and fees exceed 256 bits, so no balance covers them.
    TX_COST_OVERFLOW = 64;

    /// Authorization flag: signature, chain id and nonce bound hold; else the tuple is skipped.
    AUTH_VALID = 1;

    /// Code flag: the program fields are filled in.
    CODE_COMPILED = 1;
    /// Code flag: EIP-7702 delegation designator; `delegate` holds its target.
    CODE_DELEGATION = 2;
    /// Code flag: frames that open are counted down to 0 (`delegate`); then `Code` is needed again.
    /// On the CPU alone.
    CODE_COUNTED = 4;
    /// Code flag: frames that open run another id, of the same code with a better program
    /// (`delegate`). On the CPU alone.
    CODE_REPLACED = 8;

    /// Bytes of a modexp base or modulus up to which the device computes it itself: all that is
    /// valid from Osaka on (EIP-7823). The exponent is read in place and has no limit.
    MODEXP_BYTES_DEVICE_MAX = 1024;
}

device_long_consts! {
    /// What the hash of table and overlay mixes with the first factor of a product.
    HASH_SECRET_A = 0x9e37_79b9_7f4a_7c15;
    /// The same for the second factor.
    HASH_SECRET_B = 0xd6e8_feb8_6659_fd93;
}

device_enum! {
    /// Where an instance stands after a launch.
    Status, STATUS, "STATUS_";
    /// Not started: the next launch starts `tx` from its beginning.
    Ready = 0,
    /// Ended: `outcome` and the overlay hold the result.
    Done = 1,
    /// Stopped: `need` says what the host must do before the next launch.
    Suspended = 2,
    /// The host has served the need; the next launch goes on.
    Resumed = 3,
}

device_enum! {
    /// Why an instance is suspended, and what the host must do.
    Need, NEED, "NEED_";
    /// Nothing.
    Nothing = 0,
    /// Put account `need_addr` into the state table.
    Account = 1,
    /// Put slot `need_key` of account `need_addr` into the state table.
    Slot = 2,
    /// Compile code `need_code` (its bytes are in the code table), load its bytes, or hear that it
    /// is hot.
    Code = 3,
    /// Compile the init code at `need_off`, `need_len` of instance memory; answer in `resume_code`.
    InitCode = 4,
    /// Intern the return buffer as deployed code; answer in `resume_code`.
    Deploy = 5,
    /// Give the hash of block `need_key`; answer in `resume_word`.
    BlockHash = 6,
    /// Run precompile `need_code` on `need_off`, `need_len` with gas `need_gas`; answer in
    /// `resume_ok`, `resume_gas` (gas used) and the return buffer (`ret_len`).
    Precompile = 7,
    /// Restart in a memory class in which the region `need_code` (a `Region`) holds `need_len`
    /// bytes.
    Class = 8,
    /// The step budget is used up: just launch again.
    Steps = 9,
    /// Run the kernel of precompiles, then launch again: the same fields as for `Precompile`, and
    /// the kernel answers as the host would. Only where kernels are split (`WE_SPLIT`).
    Kernel = 10,
    /// Lower the bb that op `need_off` of code `need_code` stands for. On the CPU alone.
    Lower = 11,
}

device_enum! {
    /// How far an instance's transaction is (`Instance::phase`).
    Phase, PHASE, "PHASE_";
    /// Nothing is done yet.
    Prologue = 0,
    /// Fees and nonce are taken; the outermost frame is not open yet.
    Start = 1,
    /// Frames execute.
    Run = 2,
    /// The outermost frame is over.
    Epilogue = 3,
}

device_enum! {
    /// Where a suspended op goes on (`Instance::step`).
    Step, STEP, "STEP_";
    /// It runs again from its start.
    None = 0,
    /// CREATE: `resume_code` is the init code.
    InitCode = 1,
    /// The end of a create frame: `resume_code` is the deployed code.
    Deploy = 2,
    /// A precompile's frame: `resume_*` is the result.
    Precompile = 3,
    /// BLOCKHASH: `resume_word` is the result.
    BlockHash = 4,
}

device_enum! {
    /// A region of instance memory, see `Layout`.
    Region, REGION, "REGION_";
    /// Call frames.
    Frames = 0,
    /// Frame slots.
    Slots = 1,
    /// EVM memory of all frames, stacked.
    Memory = 2,
    /// Return data of the last call.
    Return = 3,
    /// Overlay accounts and their index.
    Accounts = 4,
    /// Overlay storage and its index.
    Storage = 5,
    /// Undo journal.
    Journal = 6,
    /// Logs.
    Logs = 7,
}

device_enum! {
    /// How a transaction, or a call frame, ended.
    End, END, "END_";
    /// STOP, or no code.
    Stop = 0,
    /// RETURN.
    Return = 1,
    /// SELFDESTRUCT.
    SelfDestruct = 2,
    /// REVERT.
    Revert = 16,
    /// Out of gas.
    OutOfGas = 32,
    /// Undefined opcode or INVALID.
    InvalidOpcode = 33,
    /// Stack underflow or overflow.
    Stack = 34,
    /// Jump to a place that is no JUMPDEST.
    BadJump = 35,
    /// State change in a static call (EIP-214).
    StaticViolation = 36,
    /// RETURNDATACOPY past the end (EIP-211).
    ReturnDataBounds = 37,
    /// Create onto an account with nonce, code or storage (EIP-684, EIP-7610).
    CreateCollision = 38,
    /// Deployed code longer than the limit (EIP-170).
    CodeSize = 39,
    /// Deployed code starts with 0xef (EIP-3541).
    CodeFirstByte = 40,
    /// Init code longer than the limit (EIP-3860).
    InitCodeSize = 41,
    /// The nonce of the creator is at its maximum.
    NonceOverflow = 42,
    /// A precompile failed on its input.
    Precompile = 43,
    /// Calls nested too deep (top-level frames only report it inside).
    Depth = 44,
    /// Not enough balance for the value of a call.
    Balance = 45,
    /// Rejected: the nonce is lower than the account's.
    RejectNonceLow = 64,
    /// Rejected: the nonce is higher than the account's.
    RejectNonceHigh = 65,
    /// Rejected: the balance does not cover value and fees.
    RejectBalance = 66,
    /// Rejected: the sender has code (EIP-3607).
    RejectSenderCode = 67,
    /// Rejected: the sender's nonce is at its maximum (EIP-2681).
    RejectNonceMax = 68,
}

device_structs! {
    /// The arguments of one launch. Pointers are device addresses.
    struct Launch {
        /// `BlockEnv`
        env: u64,
        /// `Tx` array
        txs: u64,
        /// Bytes that `Tx` offsets point into: calldata, access lists, authorizations, blob hashes.
        data: u64,
        /// Instance memory: `instances` times `Layout::bytes`.
        memory: u64,
        /// `Layout`
        layout: u64,
        /// `TableAccount` array
        accounts: u64,
        /// u32 hash index over `accounts`: entry index + 1, 0 is free. Linear probing.
        account_index: u64,
        /// `TableSlot` array
        slots: u64,
        /// u32 hash index over `slots`.
        slot_index: u64,
        /// `Code` array
        codes: u64,
        /// `Version` array; 0: nobody leaves versions.
        versions: u64,
        /// u64 array: versions of one entry, sorted by `order`: index of the first times 2^32, plus
        /// how many.
        version_runs: u64,
        /// Length of `account_index` less one (a power of two less one).
        account_mask: u32,
        /// Length of `slot_index` less one.
        slot_mask: u32,
        /// Seed of both table hashes and of the overlay's.
        hash_seed: u64,
        /// Bbs that an instance may enter in this launch before it suspends with `Steps`.
        step_budget: u64,
        /// The spec's rules (`RULE_*`).
        rules: u32,
        /// How many instances `memory` holds.
        instances: u32,
        /// With versions: the transaction's place in the block; it reads what those before left.
        order: u32,
        /// With versions: transactions that were committed; the table has what they left.
        committed: u32,
        /// The spec's precompiles (`precompile_bit`).
        precompiles: u32,
        /// What differs between gas schedules.
        gas: GasNumbers,
    }

    /// The arguments of a device kernel besides the `Launch`; each uses some. Pointers are device
    /// addresses. Thread `t` of `count` works on instance `ids[t]`.
    struct Job {
        /// u32 array: instances; 0: thread `t` works on instance `t`. `run`: `NONE` is a thread
        /// without an instance.
        ids: u64,
        /// `start`: u32 array, the transaction of each thread's instance; 0: `t`.
        txs: u64,
        /// `collect`: `Packed` array, one per thread. `answer`: `Answer` array, one per thread.
        /// `scatter`: the records.
        records: u64,
        /// `collect`: where the bytes of the results go. `answer`: bytes that answers point into.
        bytes: u64,
        /// `collect`: how many bytes there are; a u64 that counts what was asked for.
        bytes_used: u64,
        /// `scatter`: u32 array, the place of each record; where the records go.
        places: u64,
        to: u64,
        /// `collect`: bytes at `bytes`.
        bytes_cap: u64,
        count: u32,
        /// `scatter`: bytes of a record, a multiple of 8. `index_accounts`, `index_slots`: the
        /// first new entry.
        size: u32,
    }

    /// What `collect` says of an instance.
    struct Packed {
        /// Where its bytes begin, in `Job::bytes`; `u64::MAX`: there was no room. First the head,
        /// then, of an instance that is done, its accounts, slots, return data and logs; of one
        /// that needs something done with bytes, these. Each part is padded to 8 bytes.
        at: u64,
        /// Bytes of all that, also where there was no room.
        len: u32,
        reserved: u32,
    }

    /// The host's answer to a suspended instance.
    struct Answer {
        resume_word: Word,
        resume_gas: u64,
        resume_code: u32,
        resume_ok: u32,
        /// Return data: where it stands in `Job::bytes`, and its length.
        bytes_off: u32,
        bytes_len: u32,
        /// 1: there is return data.
        has_bytes: u32,
        host_precompiles: u32,
    }

    /// The block environment.
    struct BlockEnv {
        number: Word,
        timestamp: Word,
        gas_limit: Word,
        base_fee: Word,
        /// DIFFICULTY before the Merge, PREVRANDAO after.
        prevrandao: Word,
        blob_base_fee: Word,
        chain_id: Word,
        coinbase: Addr,
        reserved: u32,
    }

    /// A transaction. All checks that need no state are done by the host before.
    struct Tx {
        value: Word,
        /// Effective gas price (EIP-1559), what GASPRICE returns.
        gas_price: Word,
        /// Price per gas that the fee recipient gets: effective price less base fee from London on.
        coinbase_price: Word,
        /// What the balance must cover: gas limit times maximum fee, value, blob maximum fee. When
        /// this exceeds 256 bits the host rejects the transaction itself.
        max_cost: Word,
        /// Blob gas times blob base fee (EIP-4844), burnt.
        blob_cost: Word,
        gas_limit: u64,
        /// Intrinsic gas, charged before the first frame.
        intrinsic_gas: u64,
        /// Floor of the gas used (EIP-7623), 0 before Prague.
        floor_gas: u64,
        nonce: u64,
        caller: Addr,
        to: Addr,
        /// `TX_*`
        flags: u32,
        /// Init code of a creation, interned and compiled by the host.
        code: u32,
        /// Calldata (empty for a creation) in `Launch::data`.
        data_off: u32,
        data_len: u32,
        /// `AccessItem` array in `Launch::data`, 8-byte aligned.
        access_off: u32,
        access_count: u32,
        /// `Authorization` array in `Launch::data`, 8-byte aligned.
        auth_off: u32,
        auth_count: u32,
        /// Blob hashes, `Word`s as the EVM stack holds them, 8-byte aligned.
        blob_off: u32,
        blob_count: u32,
    }

    /// One account, or one slot, of an access list (EIP-2930).
    struct AccessItem {
        key: Word,
        addr: Addr,
        /// 0: the account; 1: slot `key` of it.
        is_slot: u32,
    }

    /// One tuple of an authorization list (EIP-7702); the host recovers the authority.
    struct Authorization {
        nonce: u64,
        authority: Addr,
        /// The delegation designator as interned code; `CODE_EMPTY` clears.
        code: u32,
        /// `AUTH_*`
        flags: u32,
        reserved: u32,
    }

    /// An account of the state table.
    struct TableAccount {
        balance: Word,
        nonce: u64,
        addr: Addr,
        /// `ACCOUNT_EXISTS`, `ACCOUNT_HAS_STORAGE`, `ACCOUNT_WIPED`
        flags: u32,
        code: u32,
        /// Number of its versions in `Launch::version_runs`, plus 1; 0: none.
        versions: u32,
    }

    /// A slot of the state table.
    struct TableSlot {
        key: Word,
        value: Word,
        /// Index of the account in the table.
        account: u32,
        /// As in `TableAccount`.
        versions: u32,
    }

    /// What a transaction that is not committed yet left in an entry of the state table.
    struct Version {
        /// Balance, or the slot's value.
        value: Word,
        nonce: u64,
        /// The transaction's place in the block.
        order: u32,
        /// `ACCOUNT_EXISTS`; `ACCOUNT_WIPED` if the transaction voided the storage.
        flags: u32,
        code: u32,
        reserved: u32,
    }

    /// A code of the code table. Entry 0 is the empty code.
    struct Code {
        hash: Word,
        /// Code bytes, followed by at least 32 zero bytes.
        bytes: u64,
        /// `Op` array
        ops: u64,
        /// `Word` array
        consts: u64,
        /// u32 array: the program's jump table
        jump_table: u64,
        len: u32,
        entry: u32,
        /// `CODE_*`
        flags: u32,
        /// Target of a delegation (EIP-7702). Of other codes, on the CPU, two u32: with
        /// `CODE_COUNTED` the frames until it is hot; with `CODE_REPLACED` the id whose program
        /// runs.
        delegate: Addr,
    }

    /// Where the regions of instance memory stand; one per memory class. Offsets from the
    /// instance's start, capacities in entries (bytes for memory, return, logs). Region `bytes` is
    /// `capacity * size_of::<entry>`; index arrays are u32 (entry index + 1), a power of two long.
    struct Layout {
        /// Bytes of one instance, a multiple of 64.
        bytes: u64,
        /// `Frame`s
        frames_off: u32,
        frames_cap: u32,
        /// `Word`s
        slots_off: u32,
        slots_cap: u32,
        /// bytes
        memory_off: u32,
        memory_cap: u32,
        /// bytes
        return_off: u32,
        return_cap: u32,
        /// `OverlayAccount`s
        accounts_off: u32,
        accounts_cap: u32,
        /// u32s
        account_index_off: u32,
        account_index_cap: u32,
        /// `OverlaySlot`s
        storage_off: u32,
        storage_cap: u32,
        /// u32s
        storage_index_off: u32,
        storage_index_cap: u32,
        /// `Journal` entries
        journal_off: u32,
        journal_cap: u32,
        /// bytes
        logs_off: u32,
        logs_cap: u32,
    }

    /// The head of an instance's memory: its state between launches and its result. The host sets
    /// `status`, `tx`, and (on resume) the answers; zero everything else before the first launch,
    /// except the index arrays, which the kernel clears itself at the end of a transaction.
    struct Instance {
        /// `Status`
        status: u32,
        /// `Need`
        need: u32,
        /// Index in `Launch::txs`.
        tx: u32,
        /// `Phase`
        phase: u32,

        /// Depth of the running frame.
        depth: u32,
        /// Index of the next op of the running frame.
        ip: u32,
        /// Absolute slot of `sp` of the running frame.
        sp: u32,
        /// Slots reserved above `sp` by the running bb.
        reserved_slots: u32,
        /// Gas left in the running frame.
        gas: u64,
        /// Refund counter (may be negative before the end: EIP-3529).
        refund: i64,

        accounts: u32,
        storage: u32,
        journal: u32,
        logs: u32,
        /// Bytes of logs.
        log_bytes: u32,
        /// Bytes of return data in the return region.
        ret_len: u32,
        /// Serial number of the last opened frame.
        serial: u32,
        /// `Step`
        step: u32,

        need_addr: Addr,
        need_code: u32,
        /// Where the input stands: offset from the instance's start, or from `Launch::data` if
        /// `need_in_data` is 1.
        need_off: u32,
        need_len: u32,
        need_key: Word,
        need_gas: u64,
        need_in_data: u32,
        resume_code: u32,
        resume_word: Word,
        resume_gas: u64,
        resume_ok: u32,

        /// `End`: result of the transaction.
        end: u32,
        gas_used: u64,
        gas_refunded: u64,
        /// Fee for the recipient that the host must credit: set when the overlay has no entry for
        /// the coinbase, else zero (the entry includes it).
        coinbase_credit: Word,
        created: Addr,
        /// 1 if `created` is the address of a contract made by a creation transaction.
        has_created: u32,
        /// Bbs entered, over all launches (for cost models).
        steps: u64,
        /// Precompiles that the host ran (`precompile_bit`), for residency.
        host_precompiles: u32,
        /// How often suspended.
        suspensions: u32,
    }

    /// A call frame. The running frame's `ip`, `sp`, `gas` are in the head; here are the saved
    /// ones.
    struct Frame {
        value: Word,
        gas: u64,
        addr: Addr,
        caller: Addr,
        ip: u32,
        sp: u32,
        reserved_slots: u32,
        /// Overlay entry of `addr`.
        account: u32,
        code: u32,
        /// Calldata: offset from the instance's start, or `Launch::data` if `input_in_data`.
        input_off: u32,
        input_len: u32,
        input_in_data: u32,
        /// EVM memory: start (in the memory region) and size (a multiple of 32).
        memory_off: u32,
        memory_len: u32,
        /// First slot of the frame's window.
        slots_base: u32,
        /// Undo journal, logs and refund at the frame's start.
        journal: u32,
        logs: u32,
        log_bytes: u32,
        refund: i64,
        serial: u32,
        /// `FRAME_*`
        flags: u32,
        /// Where the parent wants the output (in its EVM memory).
        out_off: u32,
        out_len: u32,
        /// Slot (absolute) of the parent that gets the result.
        result_slot: u32,
        reserved: u32,
    }

    /// An account that the transaction touched.
    struct OverlayAccount {
        balance: Word,
        /// What the transaction found.
        first_balance: Word,
        nonce: u64,
        first_nonce: u64,
        addr: Addr,
        /// `ACCOUNT_*`
        flags: u32,
        code: u32,
        /// Index in the state table.
        base: u32,
        /// Serial of the frame that last journaled it.
        mark: u32,
        first_code: u32,
        /// Of `ACCOUNT_EXISTS`, `ACCOUNT_HAS_STORAGE`, `ACCOUNT_WIPED`.
        first_flags: u32,
        reserved: u32,
    }

    /// A slot that the transaction touched.
    struct OverlaySlot {
        key: Word,
        value: Word,
        /// Value at the start of the transaction (zero for transient slots and created accounts).
        original: Word,
        /// Index in the overlay's accounts.
        account: u32,
        /// `SLOT_*`
        flags: u32,
        /// Index in the state table, or `NONE`.
        base: u32,
        mark: u32,
    }

    /// An undo record: what an overlay entry was before.
    struct Journal {
        /// Balance or value before.
        value: Word,
        nonce: u64,
        /// Index in the overlay's accounts or, with the top bit set, storage.
        entry: u32,
        flags: u32,
        code: u32,
        mark: u32,
    }

    /// The head of a log in the log region; topics (`Word`s) and data (padded to 8 bytes) follow.
    struct LogHead {
        addr: Addr,
        topics: u32,
        data_len: u32,
        reserved: u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structs_have_no_hidden_padding_and_keep_alignment() {
        for s in STRUCTS {
            assert_eq!(s.size % 8, 0, "{} is {} bytes", s.name, s.size);
        }
        assert_eq!(
            CONSTS.len() as u32,
            CONSTS.iter().filter(|c| c.value <= u64::from(NONE)).count() as u32
        );
    }
}
