// The running state of an instance, gas, suspension and ends. See docs/ARCHITECTURE.md, "One call
// site": a turn of the loop executes an op or a stage, by services that stand once each.

// What the launch does with the instance next.
const CTL_RUN: u32 = 0u;
const CTL_SUSPEND: u32 = 1u;
const CTL_DONE: u32 = 2u;

// Stages: turns that are no op of their own. Numbers are above those of all ops.
const STAGE_OP: u32 = 0u;  // fetch the next op
// The prologue, the outermost frame, the epilogue.
const STAGE_SENDER: u32 = 256u;
const STAGE_LOAD_LIST: u32 = 257u;
const STAGE_APPLY_LIST: u32 = 258u;
const STAGE_START: u32 = 259u;
const STAGE_START_TO: u32 = 260u;
const STAGE_START_CALL: u32 = 261u;
const STAGE_START_CREATE: u32 = 262u;
const STAGE_EPILOGUE: u32 = 263u;
const STAGE_COINBASE: u32 = 264u;
const STAGE_DELETE: u32 = 265u;
// Calls, creations and their ends.
const STAGE_DELEGATE: u32 = 266u;
const STAGE_CALL: u32 = 267u;
const STAGE_CALL_OPEN: u32 = 268u;
const STAGE_CREATE_HASH: u32 = 269u;
const STAGE_CREATE: u32 = 270u;
const STAGE_CREATE_OPEN: u32 = 271u;
const STAGE_PRECOMPILE: u32 = 272u;
const STAGE_PRECOMPILE_DONE: u32 = 273u;
const STAGE_END: u32 = 274u;
const STAGE_LEAVE: u32 = 275u;
const STAGE_RETURN: u32 = 276u;

// 20 bytes as they stand, in 32-bit pieces.
struct Addr {
    a: vec4<u32>,
    b: u32,
}

var<private> ctl: u32;
var<private> stage: u32;
// Whether the running turn goes on: false once it halted or suspended.
var<private> go: bool;
// What is left of the turns that a dispatch has.
var<private> turns: u32;

// What the launch says.
struct Regions {
    frames_off: u32,
    frames_cap: u32,
    slots_cap: u32,
    memory_off: u32,
    memory_cap: u32,
    return_off: u32,
    return_cap: u32,
    accounts_off: u32,
    accounts_cap: u32,
    account_index_off: u32,
    account_index_cap: u32,
    storage_off: u32,
    storage_cap: u32,
    storage_index_off: u32,
    storage_index_cap: u32,
    journal_off: u32,
    journal_cap: u32,
    logs_off: u32,
    logs_cap: u32,
}

var<private> rules: u32;
var<private> precompiles: u32;
var<private> regions: Regions;
var<private> slots_unit: u32;
var<private> data_off: u32;
var<private> coinbase: Addr;
var<private> origin: Addr;
var<private> recipient: Addr;

// The transaction's fields that are no words.
struct TxHead {
    gas_limit: vec2<u32>,
    intrinsic_gas: vec2<u32>,
    floor_gas: vec2<u32>,
    nonce: vec2<u32>,
    flags: u32,
    code: u32,
    data_off: u32,
    data_len: u32,
    access_off: u32,
    access_count: u32,
    auth_off: u32,
    auth_count: u32,
    blob_off: u32,
    blob_count: u32,
}

var<private> tx_off: u32;
var<private> tx: TxHead;

// The running frame.
var<private> depth: u32;
var<private> frame: u32;
var<private> ip: u32;
var<private> sp: u32;
var<private> reserved_slots: u32;
var<private> gas: vec2<u32>;
var<private> mem: u32;
var<private> mem_len: u32;
var<private> slots_base: u32;
var<private> account: u32;
var<private> frame_flags: u32;
var<private> frame_serial: u32;
var<private> input_off: u32;
var<private> input_len: u32;
var<private> input_in_data: u32;
var<private> frame_value: Word;
var<private> frame_addr: Addr;
var<private> frame_caller: Addr;
var<private> frame_journal: u32;
var<private> frame_logs: u32;
var<private> frame_log_bytes: u32;
var<private> frame_refund: vec2<u32>;
var<private> frame_out_off: u32;
var<private> frame_out_len: u32;
var<private> frame_result_slot: u32;
// Its code: offsets of what the entry names.
var<private> ops_unit: u32;
var<private> consts_unit: u32;
var<private> jump_off: u32;
var<private> code_len: u32;
var<private> code_bytes: u32;

// The transaction.
var<private> phase: u32;
var<private> resume_at: u32;
var<private> end: u32;
var<private> refund: vec2<u32>;
var<private> accounts: u32;
var<private> slots: u32;
var<private> journal: u32;
var<private> logs: u32;
var<private> log_bytes: u32;
var<private> ret_len: u32;
var<private> serial: u32;

// How it ended.
var<private> gas_used: vec2<u32>;
var<private> gas_refunded: vec2<u32>;
var<private> coinbase_credit: Word;
var<private> created: Addr;
var<private> has_created: u32;

// Gas and memory at the start of the running op, for a suspension that runs it again.
var<private> op_gas: vec2<u32>;
var<private> op_mem_len: u32;

fn has(rule: u32) -> bool {
    return (rules & rule) != 0u;
}

fn same(x: Addr, y: Addr) -> bool {
    return all(x.a == y.a) && x.b == y.b;
}

// The low 160 bits of a word.
fn to_addr(x: Word) -> Addr {
    let a = vec4<u32>(swap32(x.hi.x), swap32(x.lo.w), swap32(x.lo.z), swap32(x.lo.y));
    return Addr(a, swap32(x.lo.x));
}

fn from_addr(x: Addr) -> Word {
    let lo = vec4<u32>(swap32(x.b), swap32(x.a.w), swap32(x.a.z), swap32(x.a.y));
    return Word(lo, vec4<u32>(swap32(x.a.x), 0u, 0u, 0u));
}

// ---- ending, suspending -------------------------------------------------------------------------

// Ends the running frame. What the turn still had to do is left out, but what it observed stays.
fn halt(how: u32) {
    end = how;
    stage = STAGE_END;
    go = false;
    own = Change(own.entry, own.observed, 0u, 0u);
    their = Change(their.entry, their.observed, 0u, 0u);
    third = Change(0u, 0u, 0u, 0u);
    changes_slot = false;
}

// What a suspension asks for, and what the host has answered: the fields of `Instance`.
var<private> need: u32;
var<private> need_addr: Addr;
var<private> need_code: u32;
var<private> need_off: u32;
var<private> need_len: u32;
var<private> need_key: Word;
var<private> need_gas: vec2<u32>;
var<private> need_in_data: u32;
var<private> resume_code: u32;
var<private> resume_word: Word;
var<private> resume_gas: vec2<u32>;
var<private> resume_ok: u32;

// Suspends in the middle of an op whose effects so far stay (`resume_at` says where it goes on).
fn suspend_here(what: u32) {
    need = what;
    ctl = CTL_SUSPEND;
    go = false;
}

// Suspends an op that so far only charged gas and grew memory: both are taken back, and the op runs
// again from its start.
fn suspend_op(what: u32) {
    gas = op_gas;
    mem_len = op_mem_len;
    suspend_here(what);
}

// The region must hold `entries`: restart in a larger memory class.
fn need_class(region: u32, entries: u32) {
    need_code = region;
    need_len = entries;
    suspend_here(NEED_CLASS);
}

// ---- gas ----------------------------------------------------------------------------------------

// Takes `amount` from the gas left, or halts.
fn charge(amount: vec2<u32>) {
    if u64_lt(gas, amount) {
        halt(END_OUT_OF_GAS);
        return;
    }
    gas = u64_sub(gas, amount);
}

fn charge32(amount: u32) {
    charge(vec2<u32>(amount, 0u));
}

// ---- the precompile at an address in this spec: its number, or 0 -------------------------------

fn precompile_at(x: Addr) -> u32 {
    if any(x.a != vec4<u32>(0u)) {
        return 0u;
    }
    let n = swap32(x.b);
    // As `bit` of compiler/src/precompile.rs.
    let bit = select(1u << (n & 31u), 1u, n == PRECOMPILE_FAR);
    let is_one = (n - 1u < 31u || n == PRECOMPILE_FAR) && (precompiles & bit) != 0u;
    return select(0u, n, is_one);
}
