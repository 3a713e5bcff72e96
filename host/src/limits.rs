//! Every limit of the host engine, with the reason for its value.

use warpevm_kernels::abi::CODE_TEMP_BASE;

/// Accounts that a fresh state table holds before it grows. A state test touches a handful, and
/// pays for clearing the hash index only.
pub const ACCOUNTS_START_COUNT: u32 = 1 << 10;
/// Slots that a fresh state table holds before it grows.
pub const SLOTS_START_COUNT: u32 = 1 << 11;
/// A state table below so many entries quadruples when it is full, so that large batches pay a few
/// rehashes only; a larger one doubles, as a device has room for all that it may hold.
pub const QUADRUPLED_ENTRIES_COUNT_MAX: u32 = 1 << 20;
/// Accounts, and slots, that a state table holds at most: entry + 1 and the mask must fit 32 bits,
/// and the hash index is twice as long.
pub const TABLE_ENTRIES_COUNT_MAX: u32 = 1 << 30;
/// Accounts, or slots, of the largest state table that is kept from block to block, 400 MB and
/// more. Beyond that it starts anew, so that a long chain does not fill the memory.
pub const TABLE_KEPT_COUNT_MAX: u32 = 1 << 22;

/// Changes of the state table that are remembered for a device's copy of it. More are told at
/// once: copying everything is as cheap.
pub const TOUCHED_COUNT_MAX: usize = 1 << 16;

/// Codes that stay with a `State`: mainnet has about 1.5 million distinct ones, of which a replay
/// sees a fraction. The array never moves, so its address space is reserved once (96 MiB, untouched
/// pages cost nothing).
pub const CODES_COUNT_MAX: u32 = CODE_TEMP_BASE;
/// Codes of a `State` that are kept from block to block; beyond that they and the table start anew.
pub const CODES_KEPT_COUNT_MAX: u32 = CODES_COUNT_MAX / 2;
/// Codes that one transaction makes or brings (init codes, deployed codes, EIP-7702 designators).
/// CREATE costs 32,000 gas and takes two, so this covers 65 million gas of nothing else.
pub const CODES_PER_TX_COUNT_MAX: u32 = 4096;
/// Workers of all engines that run on one `State` at a time; each has its own range of code ids.
pub const WORKERS_COUNT_MAX: u32 = 512;
/// Frames that open on a code before it is compiled in full: by what a compile takes and a better
/// program saves it pays after some hundred, but cores that are idle take it, and a code that is
/// met so often is met again.
pub const CODE_FRAMES_COUNT_HOT: u32 = 16;
/// Bytes of a code whose program grows. Room for all that it may give is reserved; since EIP-170
/// none is longer but init codes, which run once. Short ones are lowered at once: what growing
/// needs takes more than the program.
pub const CODE_GROWING_BYTES: std::ops::RangeInclusive<usize> = 129..=24_576;
/// Bytes of the shortest code whose program is kept on disk: shorter ones are compiled in less time
/// than a file takes to read.
pub const ARTEFACT_CODE_BYTES_MIN: usize = 256;
/// Codes that wait for their full compile at most; more are asked for again.
pub const CODE_COMPILES_QUEUED_COUNT_MAX: usize = 1024;
/// Codes that are compiled in the background at once, at most, and on half of the cores.
pub const CODE_COMPILES_COUNT_MAX: usize = 8;
/// Zero bytes that follow the bytes of a code: PUSH32 at the end reads past it.
pub const CODE_PADDING_BYTES: usize = 32;
/// Bytes of programs, access sets and effects that are kept before the codes asked for least are
/// dropped. A program is about 10 times its code, so this holds some thousand full-size contracts;
/// a function's set and effects take 2 to 4 KiB each.
pub const CODE_CACHE_BYTES_MAX: usize = 1 << 30;
/// Bytes of analyses that are kept, for further functions of their codes.
pub const CODE_ANALYSES_BYTES_MAX: usize = 128 << 20;
/// Functions of one code of which something is kept: calldata may name any selector. Large
/// contracts have 200.
pub const CODE_FUNCTIONS_COUNT_MAX: usize = 1024;
/// Functions of one code whose effects are made, which costs time in the hands of who calls.
pub const CODE_EFFECTS_COUNT_MAX: u32 = 64;

/// Bytes of compiled programs on disk before those that were not used for longest are dropped. A
/// program is 5 to 15 times its code, so this holds some thousand full-size contracts.
pub const ARTEFACTS_BYTES_MAX: u64 = 1 << 30;
/// Programs on disk are looked through and dropped after this share of what they may take was
/// written, as a divisor. So one program takes no larger share.
pub const ARTEFACTS_SHARE: u64 = 16;
/// Bytes of a file that is read: no more are written, and no more memory is taken for one.
pub const ARTEFACT_BYTES_MAX: u64 = ARTEFACTS_BYTES_MAX / ARTEFACTS_SHARE;
/// Bytes of the units that file systems store files in, mostly.
pub const ARTEFACT_UNIT_BYTES: u64 = 4096;
/// How long a program on disk counts as just used: it is marked when it is read later than that.
pub const ARTEFACT_MARK_SECONDS: u64 = 24 * 60 * 60;
/// Age of a half-written program from which on nobody is writing it any more. Writing takes
/// milliseconds.
pub const ARTEFACT_TEMPORARY_SECONDS: u64 = 60 * 60;

/// Zero bytes that follow the data of a transaction, so that a kernel may load whole words.
pub const DATA_PADDING_BYTES: usize = 64;
/// Bytes of calldata, access list and authorizations of one transaction: device offsets are 32
/// bits.
pub const DATA_BYTES_MAX: usize = u32::MAX as usize - 4096;

/// Transactions that a worker takes at once in `simulate`: long enough that taking costs nothing,
/// short enough that a growing table waits for no more than a millisecond.
pub const CHUNK_TRANSACTIONS_COUNT: usize = 128;
/// Transactions per thread that run ahead of those that are committed: enough to keep a thread busy
/// while another executes a long one, few enough that not all conflict with each other.
pub const SPECULATION_WINDOW_COUNT: usize = 64;
/// Blocks of which `auto` executes one by one thread, to measure what that takes: the second, and
/// then few enough not to be felt.
pub const BLOCKS_PER_MEASUREMENT_COUNT: u64 = 32;
/// Functions of which an engine remembers what their calls did; then it starts anew.
pub const FUNCTIONS_COUNT_MAX: usize = 1 << 16;
/// Transactions of a block that a device gets at once at least, unless it was told to take all: a
/// warp.
pub const DEVICE_GROUP_COUNT_MIN: usize = 32;
/// Blocks that `auto` keeps off a device which it could have used, until it tries that again.
pub const BLOCKS_PER_PROBE_COUNT: u32 = 1024;
/// How long the thread that feeds a device waits for commits before it looks again.
pub const FEEDER_WAIT_MICROSECONDS: u64 = 50;
/// How often a thread that has nothing to do looks again before it offers its core to others.
pub const IDLE_SPINS_COUNT: u32 = 256;
/// Versions that a block has room for, for each of its transactions: most change fewer than ten
/// entries, and a run of versions that is moved leaves its places behind.
pub const VERSIONS_PER_TRANSACTION_COUNT: usize = 48;
/// Versions that a block has room for at most: 56 MiB.
pub const VERSIONS_COUNT_MAX: u32 = 1 << 20;
/// Basic blocks that an instance enters before it suspends, so that a growing table and an error
/// elsewhere stop it within about a millisecond.
pub const STEP_BUDGET_COUNT: u64 = 1 << 17;

/// Slots of a transaction that redo looks at; each of its steps searches them one by one.
pub const REDO_SLOTS_COUNT_MAX: usize = 64;
/// Failed transactions of one function before its effects are compiled, which takes as long as
/// running it some hundred times.
pub const EFFECT_ASKED_COUNT_MIN: u32 = 2;

/// Memory classes (`instance/layout.rs`).
pub const CLASS_COUNT: usize = 7;
/// Entries of a worker's memory of which class sufficed for a (callee, selector); direct-mapped.
pub const CLASS_HINTS_COUNT: usize = 1 << 12;
/// Instances of a class above this many bytes are returned to the system after each use: their
/// pages would stay committed otherwise.
pub const INSTANCE_KEPT_BYTES_MAX: u64 = 32 << 20;

/// Gas of a system call (EIP-4788 and others).
pub const SYSTEM_CALL_GAS: u64 = 30_000_000;

/// Threads that feed a device, each with a stream of its own: while one uploads or reads results,
/// the other's kernel runs.
pub const DEVICE_LANES_COUNT: usize = 2;
/// Instances that a lane runs at once. Four times what an H200 can hold at 16 warps per
/// multiprocessor, so that the last ones of a launch leave few multiprocessors idle.
pub const DEVICE_INSTANCES_COUNT_MAX: usize = 1 << 17;
/// Instances of the smallest launch that is tried before transactions go to the CPU: a tile.
pub const DEVICE_INSTANCES_COUNT_MIN: usize = 32;
/// The largest memory class on a device: a tile has 32 instances, which take 0.9 GB; of the next
/// class they would take 30 GB.
pub const DEVICE_CLASS_MAX: usize = 5;
/// Share of the free device memory, in percent, that lanes take for instances; the rest is for the
/// state table, codes and results.
pub const DEVICE_MEMORY_PERCENT: u64 = 60;
/// Bytes of results per instance that a lane has room for at first.
pub const DEVICE_RESULT_BYTES: u64 = 1536;
/// Copies of state tables that a device keeps: a caller may go back and forth between two.
pub const DEVICE_MIRRORS_COUNT: usize = 2;
/// How often a chunk of transactions is tried on a device after errors, in smaller parts.
pub const DEVICE_TRIES_COUNT: u32 = 3;
/// Lasting codes that a compact code array has room for at first; it doubles.
pub const COMPACT_CODES_START_COUNT: u32 = 1 << 10;
/// Bytes that the buffer of a space has at first, so that small ones never grow.
pub const WGPU_SPACE_START_BYTES: u64 = 1 << 20;
/// Steps of the WGSL interpreter in one dispatch: a watchdog of the system ends dispatches after a
/// second or more, and a step of a workgroup whose threads diverge may take ten microseconds.
pub const WGPU_STEPS_COUNT: u64 = 1 << 13;
/// Dispatches of the interpreter before the host looks what came of it; those after the last
/// instance is done take no time.
pub const WGPU_DISPATCHES_COUNT: u64 = 8;
/// How long a device may take for what was submitted. Drivers on the CPU compile a shader when it
/// is first dispatched, some in minutes where others use the CPU, too.
pub const WGPU_WAIT_SECONDS: u64 = 600;
/// Memory of the fake device; only what is touched is there.
#[cfg(feature = "fake-device")]
pub const FAKE_DEVICE_BYTES: u64 = 8 << 30;

/// Edges of the plan that one reader of a balance gets to credits which an earlier reader has edges
/// to (and one credit to such reads), so that the edges are linear in the accesses.
pub const PLAN_SHARED_EDGES_COUNT_MAX: u32 = 32;
/// Expressions of the largest access set that is used: evaluating one takes up to 0.3
/// microseconds, and a transaction that costs 21,000 gas runs in about two.
pub const PLAN_SET_EXPRESSIONS_COUNT_MAX: usize = 512;
/// Work that prediction may spend on access sets, per transaction of the block, in units of about
/// 30 nanoseconds (an expression; a hash counts as eight). What one transaction leaves, others may
/// use; without a bound, calls that revert at once could take longer to predict than to execute.
pub const PLAN_WORK_PER_TRANSACTION_COUNT: usize = 128;
/// Access sets that are remembered as wanted; more are forgotten, and wanted again when called.
pub const PLAN_WANTED_SETS_COUNT_MAX: usize = 4096;
/// Codes that prediction follows from the callee on: a delegation (EIP-7702) to a proxy.
pub const PLAN_DELEGATES_DEPTH_MAX: u32 = 3;
/// Functions whose history is kept: about a day of mainnet, at most 64 MiB.
pub const PLAN_HISTORY_TARGETS_COUNT_MAX: usize = 1 << 14;
/// Keys that are remembered of a function. What changes with the arguments comes and goes; what
/// most executions touch is rarely more.
pub const PLAN_HISTORY_KEYS_COUNT_MAX: usize = 32;
/// Executions of a function before its history predicts anything: after one, its arguments' keys
/// would be taken for its own.
pub const PLAN_HISTORY_RUNS_COUNT_MIN: u32 = 2;
/// Hot keys that a plan lists.
pub const PLAN_HOT_KEYS_COUNT_MAX: usize = 10;
