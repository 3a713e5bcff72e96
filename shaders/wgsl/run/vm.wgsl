// The running state of an instance, gas, suspension and ends. See docs/ARCHITECTURE.md, "One call
// site": a turn of the loop executes an op or a stage, by services that stand once each.

// Instance::step, Instance::phase and Frame::flags, as in kernels/cuda/vm.cuh.
const STEP_NONE: u32 = 0u;
const STEP_INIT_CODE: u32 = 1u;
const STEP_DEPLOY: u32 = 2u;
const STEP_PRECOMPILE: u32 = 3u;
const STEP_BLOCK_HASH: u32 = 4u;

const PHASE_PROLOGUE: u32 = 0u;
const PHASE_START: u32 = 1u;
const PHASE_RUN: u32 = 2u;
const PHASE_EPILOGUE: u32 = 3u;

const FRAME_STATIC: u32 = 1u;
const FRAME_CREATE: u32 = 2u;

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

var<private> spec: u32;
var<private> tx_off: u32;
var<private> codes_off: u32;
var<private> slots_unit: u32;

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
var<private> code_id: u32;
var<private> frame_flags: u32;
var<private> frame_serial: u32;
var<private> input_off: u32;
var<private> input_len: u32;
var<private> input_in_data: u32;
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

// Gas and memory at the start of the running op, for a suspension that runs it again.
var<private> op_gas: vec2<u32>;
var<private> op_mem_len: u32;

fn since(s: u32) -> bool {
    return spec >= s;
}

fn tx_at(field: u32) -> u32 {
    return input_at(tx_off + field);
}

// A word of the input buffer.
fn input_word(off: u32) -> Word {
    return Word(
        vec4<u32>(input_at(off), input_at(off + 4u), input_at(off + 8u), input_at(off + 12u)),
        vec4<u32>(input_at(off + 16u), input_at(off + 20u), input_at(off + 24u), input_at(off + 28u)),
    );
}

fn input_addr(off: u32) -> Addr {
    let a = vec4<u32>(input_at(off), input_at(off + 4u), input_at(off + 8u), input_at(off + 12u));
    return Addr(a, input_at(off + 16u));
}

// A field of code `id`.
fn code_field(id: u32, field: u32) -> u32 {
    return code_at(codes_off + id * SIZEOF_CODE + field);
}

fn get_addr(off: u32) -> Addr {
    let a = vec4<u32>(get32(off), get32(off + 4u), get32(off + 8u), get32(off + 12u));
    return Addr(a, get32(off + 16u));
}

fn set_addr(off: u32, x: Addr) {
    set32(off, x.a.x);
    set32(off + 4u, x.a.y);
    set32(off + 8u, x.a.z);
    set32(off + 12u, x.a.w);
    set32(off + 16u, x.b);
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

// Ends the running frame; what the turn still had to do is left out.
fn halt(how: u32) {
    end = how;
    stage = STAGE_END;
    go = false;
}

// Suspends in the middle of an op whose effects so far stay (`step` says where it goes on).
fn suspend_here(need: u32) {
    set32(INSTANCE_NEED, need);
    ctl = CTL_SUSPEND;
    go = false;
}

// Suspends an op that so far only charged gas and grew memory: both are taken back, and the op runs
// again from its start.
fn suspend_op(need: u32) {
    gas = op_gas;
    mem_len = op_mem_len;
    suspend_here(need);
}

// The region must hold `len` entries: restart in a larger memory class.
fn need_class(region: u32, len: u32) {
    set32(INSTANCE_NEED_CODE, region);
    set32(INSTANCE_NEED_LEN, len);
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

// ---- the precompile at an address in this spec: its number, or 0 ---------------------------------

fn precompile_at(x: Addr) -> u32 {
    if any(x.a != vec4<u32>(0u)) {
        return 0u;
    }
    let n = swap32(x.b);
    var last = 4u;
    if since(SPEC_PRAGUE) {
        last = 0x11u;
    } else if since(SPEC_CANCUN) {
        last = 0x0au;
    } else if since(SPEC_ISTANBUL) {
        last = 9u;
    } else if since(SPEC_BYZANTIUM) {
        last = 8u;
    }
    if n == 0x100u && since(SPEC_OSAKA) {
        return n;
    }
    return select(0u, n, n <= last);
}
