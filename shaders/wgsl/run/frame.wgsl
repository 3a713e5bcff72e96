// Call frames: opening, ending, CALL and its family, CREATE and CREATE2, SELFDESTRUCT.
// kernels/cuda/frame.cuh says what each does.

const DEPLOYED_CODE_BYTES_MAX: u32 = 24576u;  // EIP-170
const INIT_CODE_BYTES_MAX: u32 = 49152u;      // EIP-3860

fn frame_off(i: u32) -> u32 {
    return layout_of(LAYOUT_FRAMES_OFF) + i * SIZEOF_FRAME;
}

// Whether the next turn begins by reading the registers of the frame at `depth`.
var<private> reload: bool;

fn load_frame() {
    frame = frame_off(depth);
    ip = get32(frame + FRAME_IP);
    sp = get32(frame + FRAME_SP);
    reserved_slots = get32(frame + FRAME_RESERVED_SLOTS);
    gas = get64(frame + FRAME_GAS);
    mem = layout_of(LAYOUT_MEMORY_OFF) + get32(frame + FRAME_MEMORY_OFF);
    mem_len = get32(frame + FRAME_MEMORY_LEN);
    slots_base = get32(frame + FRAME_SLOTS_BASE);
    account = get32(frame + FRAME_ACCOUNT);
    code_id = get32(frame + FRAME_CODE);
    frame_flags = get32(frame + FRAME_FLAGS);
    frame_serial = get32(frame + FRAME_SERIAL);
    input_off = get32(frame + FRAME_INPUT_OFF);
    input_len = get32(frame + FRAME_INPUT_LEN);
    input_in_data = get32(frame + FRAME_INPUT_IN_DATA);
    if input_in_data != 0u {
        input_off += arg(LAUNCH + LAUNCH_DATA);
    }
    ops_unit = code_field(code_id, CODE_OPS) >> 4u;
    consts_unit = code_field(code_id, CODE_CONSTS) >> 4u;
    jump_off = code_field(code_id, CODE_JUMP_TABLE);
    code_len = code_field(code_id, CODE_LEN);
    code_bytes = code_field(code_id, CODE_BYTES);
}

// Writes back those that change.
fn save_frame() {
    set32(frame + FRAME_IP, ip);
    set32(frame + FRAME_SP, sp);
    set32(frame + FRAME_RESERVED_SLOTS, reserved_slots);
    set64(frame + FRAME_GAS, gas);
    set32(frame + FRAME_MEMORY_LEN, mem_len);
}

// ---- service: open a frame ------------------------------------------------------------------------

// Inside the running one, or the outermost, where `depth` is NONE. `value` is the frame's.
var<private> opens: bool;
var<private> new_addr: Addr;
var<private> new_caller: Addr;
var<private> new_account: u32;
var<private> new_program: u32;
var<private> new_flags: u32;
var<private> new_input_off: u32;
var<private> new_input_len: u32;
var<private> new_input_in_data: u32;
var<private> new_out_off: u32;
var<private> new_out_len: u32;
var<private> new_gas: vec2<u32>;
var<private> new_value: Word;

fn no_input() {
    new_input_off = 0u;
    new_input_len = 0u;
    new_input_in_data = 0u;
    new_out_off = 0u;
    new_out_len = 0u;
}

fn serve_open() {
    var memory_off = 0u;
    var base = 0u;
    var next = 0u;
    if depth != NONE {
        save_frame();
        memory_off = mem - layout_of(LAYOUT_MEMORY_OFF) + mem_len;
        base = sp + reserved_slots;
        next = depth + 1u;
    }
    if next >= layout_of(LAYOUT_FRAMES_CAP) {
        need_class(REGION_FRAMES, next + 1u);
        return;
    }
    depth = next;
    frame = frame_off(next);
    serial++;
    frame_serial = serial;
    gas = new_gas;
    set_word(frame + FRAME_VALUE, new_value);
    set64(frame + FRAME_GAS, new_gas);
    set_addr(frame + FRAME_ADDR, new_addr);
    set_addr(frame + FRAME_CALLER, new_caller);
    set32(frame + FRAME_IP, code_field(new_program, CODE_ENTRY));
    set32(frame + FRAME_SP, base);
    set32(frame + FRAME_RESERVED_SLOTS, 0u);
    set32(frame + FRAME_ACCOUNT, new_account);
    set32(frame + FRAME_CODE, new_program);
    set32(frame + FRAME_INPUT_OFF, new_input_off);
    set32(frame + FRAME_INPUT_LEN, new_input_len);
    set32(frame + FRAME_INPUT_IN_DATA, new_input_in_data);
    set32(frame + FRAME_MEMORY_OFF, memory_off);
    set32(frame + FRAME_MEMORY_LEN, 0u);
    set32(frame + FRAME_SLOTS_BASE, base);
    set32(frame + FRAME_JOURNAL, journal);
    set32(frame + FRAME_LOGS, logs);
    set32(frame + FRAME_LOG_BYTES, log_bytes);
    set64(frame + FRAME_REFUND, refund);
    set32(frame + FRAME_SERIAL, serial);
    set32(frame + FRAME_FLAGS, new_flags);
    set32(frame + FRAME_OUT_OFF, new_out_off);
    set32(frame + FRAME_OUT_LEN, new_out_len);
    set32(frame + FRAME_RESULT_SLOT, result_slot);
    ret_len = 0u;
    reload = true;
}

// ---- ends -----------------------------------------------------------------------------------------

// What a create frame's end charges and checks before its code is deployed.
fn check_deploy() {
    end = END_RETURN;
    if since(SPEC_SPURIOUS_DRAGON) && ret_len > DEPLOYED_CODE_BYTES_MAX {
        end = END_CODE_SIZE;
        return;
    }
    let first = get_byte(layout_of(LAYOUT_RETURN_OFF));
    if since(SPEC_LONDON) && ret_len > 0u && first == 0xefu {
        end = END_CODE_FIRST_BYTE;
        return;
    }
    let cost = u64_mul32(ret_len, 200u);
    if !u64_lt(gas, cost) {
        gas = u64_sub(gas, cost);
    } else if since(SPEC_HOMESTEAD) {
        end = END_OUT_OF_GAS;
    } else {
        ret_len = 0u;  // Frontier: a contract without code
    }
}

// STAGE_END: the running frame ends as `end` says; a create frame deploys its code.
fn execute_end() {
    stage = STAGE_LEAVE;
    if end >= END_REVERT || (frame_flags & FRAME_CREATE) == 0u {
        return;
    }
    if resume_at == STEP_DEPLOY {
        resume_at = STEP_NONE;
        new_code = get32(INSTANCE_RESUME_CODE);
        change(account, 0u, CHANGE_CODE);
        return;
    }
    check_deploy();
    if end == END_RETURN && ret_len > 0u {
        resume_at = STEP_DEPLOY;
        suspend_here(NEED_DEPLOY);
    }
}

// What the frame that ended gives its parent.
var<private> given_gas: vec2<u32>;
var<private> given_off: u32;
var<private> given_len: u32;

// STAGE_LEAVE: commits or undoes the frame, and goes back to the parent.
fn execute_leave() {
    if end >= END_REVERT {
        undo(get32(frame + FRAME_JOURNAL));
        logs = get32(frame + FRAME_LOGS);
        log_bytes = get32(frame + FRAME_LOG_BYTES);
        refund = get64(frame + FRAME_REFUND);
        if end != END_REVERT {
            gas = vec2<u32>(0u);
            ret_len = 0u;
        }
    }
    if depth == 0u {
        phase = PHASE_EPILOGUE;
        stage = STAGE_EPILOGUE;
        return;
    }
    let creates = (frame_flags & FRAME_CREATE) != 0u;
    let ok = end < END_REVERT;
    result = w_from_u32(select(0u, 1u, ok));
    given_off = get32(frame + FRAME_OUT_OFF);
    given_len = min(get32(frame + FRAME_OUT_LEN), ret_len);
    if creates {
        given_len = 0u;
        if ok {
            result = from_addr(get_addr(frame + FRAME_ADDR));
            ret_len = 0u;
        }
    }
    given_gas = gas;
    result_slot = get32(frame + FRAME_RESULT_SLOT);
    depth--;
    reload = true;
    stage = STAGE_RETURN;
}

// STAGE_RETURN: the parent runs again, and gets gas, output and result.
fn execute_return() {
    gas = u64_add(gas, given_gas);
    want_copy(FROM_MEMORY, layout_of(LAYOUT_RETURN_OFF), given_len, mem + given_off, given_len);
    writes = true;
    next_ip = ip;
    stage = STAGE_OP;
}

// ---- precompiles ----------------------------------------------------------------------------------

// STAGE_PRECOMPILE: the frame was just opened. The identity runs here; the rest in kernels of their
// own, over the instances that wait.
fn execute_precompile() {
    if callee_precompile != 4u {
        set32(INSTANCE_NEED_CODE, callee_precompile);
        set32(INSTANCE_NEED_OFF, get32(frame + FRAME_INPUT_OFF));
        set32(INSTANCE_NEED_LEN, input_len);
        set32(INSTANCE_NEED_IN_DATA, input_in_data);
        set64(INSTANCE_NEED_GAS, gas);
        resume_at = STEP_PRECOMPILE;
        suspend_here(NEED_KERNEL);
        return;
    }
    stage = STAGE_LEAVE;
    end = END_PRECOMPILE;
    let cost = vec2<u32>(15u + 3u * ((input_len + 31u) >> 5u), 0u);
    if u64_lt(gas, cost) {
        return;
    }
    gas = u64_sub(gas, cost);
    if input_len > layout_of(LAYOUT_RETURN_CAP) {
        need_class(REGION_RETURN, input_len);
        return;
    }
    let source = select(FROM_MEMORY, FROM_INPUT, input_in_data != 0u);
    want_copy(source, input_off, input_len, layout_of(LAYOUT_RETURN_OFF), input_len);
    ret_len = input_len;
    end = END_RETURN;
}

// STAGE_PRECOMPILE_DONE: the host, or the kernel of precompiles, has run it.
fn execute_precompile_done() {
    resume_at = STEP_NONE;
    stage = STAGE_LEAVE;
    let used = get64(INSTANCE_RESUME_GAS);
    if get32(INSTANCE_RESUME_OK) == 0u || u64_lt(gas, used) {
        ret_len = 0u;
        end = END_PRECOMPILE;
        return;
    }
    gas = u64_sub(gas, used);
    end = END_RETURN;
}

// ---- CALL, CALLCODE, DELEGATECALL, STATICCALL -----------------------------------------------------

var<private> callee: u32;            // overlay entry
var<private> callee_precompile: u32;
var<private> callee_code: u32;
var<private> delegate: u32;          // overlay entry, or NONE
var<private> after_delegate: u32;    // stage

// The code that runs at the account that was found, a delegation followed (EIP-7702), then `next`.
fn code_to_run(next: u32) {
    observe(found, ACCOUNT_READ_INFO);
    callee = found;
    callee_precompile = precompile_at(acc_addr(found));
    callee_code = acc(found, OVERLAY_ACCOUNT_CODE);
    delegate = NONE;
    stage = next;
    let flags = code_field(callee_code, CODE_FLAGS);
    if since(SPEC_PRAGUE) && (flags & CODE_DELEGATION) != 0u {
        after_delegate = next;
        stage = STAGE_DELEGATE;
    }
}

fn prepare_delegate() {
    let off = codes_off + callee_code * SIZEOF_CODE + CODE_DELEGATE;
    let a = vec4<u32>(code_at(off), code_at(off + 4u), code_at(off + 8u), code_at(off + 12u));
    want_account(Addr(a, code_at(off + 16u)));
}

// STAGE_DELEGATE. A delegation is followed once: a designator is no code, and running it halts.
fn execute_delegate() {
    delegate = found;
    observe(found, ACCOUNT_READ_INFO);
    callee_code = acc(found, OVERLAY_ACCOUNT_CODE);
    if precompile_at(find_addr) != 0u {
        callee_code = CODE_EMPTY;
    }
    stage = after_delegate;
}

// Whether the callee's code can run; suspends if it is not compiled.
fn is_compiled() -> bool {
    if callee_precompile != 0u || callee_code == CODE_EMPTY {
        return true;
    }
    if (code_field(callee_code, CODE_FLAGS) & CODE_COMPILED) != 0u {
        return true;
    }
    set32(INSTANCE_NEED_CODE, callee_code);
    suspend_op(NEED_CODE);
    return false;
}

// The op itself: its memory is there, the account found.
fn execute_call() {
    code_to_run(STAGE_CALL);
}

// What the call costs besides the section's static gas and memory.
fn call_cost(has_value: bool) -> u32 {
    var cost = 0u;
    if since(SPEC_BERLIN) && !is_warm(callee) {
        cost += 2500u;
    }
    if delegate != NONE {
        cost += select(2600u, 100u, is_warm(delegate) || delegate == callee);
    }
    if has_value {
        cost += 9000u;
    }
    if op == OP_CALL && (has_value || !since(SPEC_SPURIOUS_DRAGON)) {
        if is_dead(callee) {
            cost += 25000u;
        }
    }
    return cost;
}

// A 64th of the gas left, rounded down.
fn gas_64th() -> vec2<u32> {
    return vec2<u32>((gas.x >> 6u) | (gas.y << 26u), gas.y >> 6u);
}

// STAGE_CALL: gas, balance; a call that runs no code is over.
fn execute_call_gas() {
    if !is_compiled() {
        return;
    }
    let takes_value = op == OP_CALL || op == OP_CALL_CODE;
    value = w_zero();
    if takes_value {
        value = c;
    }
    let has_value = !w_is_zero(value);
    charge32(call_cost(has_value));
    if !go {
        return;
    }
    // EIP-150: at most all but one 64th; before, what was asked for or nothing.
    let asked = vec2<u32>(a.lo.xy);
    let fits = w_fits_u64(a) && !u64_lt(gas, asked);
    if !since(SPEC_TANGERINE) {
        if !fits {
            halt(END_OUT_OF_GAS);
            return;
        }
        new_gas = asked;
    } else {
        new_gas = u64_sub(gas, gas_64th());
        if fits && u64_lt(asked, new_gas) {
            new_gas = asked;
        }
    }
    if since(SPEC_BERLIN) {
        change(callee, ACCOUNT_WARM, CHANGE_FLAGS);
    }
    if delegate != NONE {
        change(delegate, ACCOUNT_WARM, CHANGE_FLAGS);
    }
    gas = u64_sub(gas, new_gas);
    if has_value {
        new_gas = u64_add(new_gas, vec2<u32>(2300u, 0u));
    }
    ret_len = 0u;
    var refused = depth >= CALL_DEPTH_MAX;
    if !refused && has_value {
        observe(account, ACCOUNT_READ_BALANCE);
        refused = w_lt(acc_balance(account), value);
    }
    let runs = callee_precompile != 0u || callee_code != CODE_EMPTY;
    if !refused && runs {
        stage = STAGE_CALL_OPEN;
        return;
    }
    // No frame is needed: nothing in it can fail.
    if !refused && op != OP_DELEGATE_CALL {
        transfer(account, call_account());
    }
    gas = u64_add(gas, new_gas);
    give_bool(!refused);
    next_ip = ip + 2u;
    stage = STAGE_OP;
}

// The account that the callee's code runs on.
fn call_account() -> u32 {
    return select(account, callee, op == OP_CALL || op == OP_STATIC_CALL);
}

// STAGE_CALL_OPEN
fn execute_call_open() {
    new_account = call_account();
    new_addr = acc_addr(new_account);
    new_caller = acc_addr(account);
    new_value = value;
    if op == OP_DELEGATE_CALL {
        new_caller = get_addr(frame + FRAME_CALLER);
        new_value = get_word(frame + FRAME_VALUE);
    } else {
        transfer(account, new_account);
    }
    new_flags = (frame_flags & FRAME_STATIC) | select(0u, FRAME_STATIC, op == OP_STATIC_CALL);
    new_program = select(callee_code, CODE_EMPTY, callee_precompile != 0u);
    new_input_off = mem + at;
    new_input_len = len;
    new_input_in_data = 0u;
    new_out_off = other_at;
    new_out_len = other;
    ip += 2u;
    opens = true;
    stage = select(STAGE_OP, STAGE_PRECOMPILE, callee_precompile != 0u);
}

// ---- CREATE, CREATE2 ------------------------------------------------------------------------------

// Where the address that STAGE_CREATE_HASH makes of the message is looked up.
var<private> stage_after_hash: u32;

fn prepare_create() {
    let salted = op == OP_CREATE2;
    if refuse_static() {
        return;
    }
    if since(SPEC_SHANGHAI) && (!w_fits_u32(c) || c.lo.x > INIT_CODE_BYTES_MAX) {
        halt(END_INIT_CODE_SIZE);
        return;
    }
    let per_word = select(0u, 2u, since(SPEC_SHANGHAI)) + select(0u, 6u, salted);
    if per_word != 0u {
        charge_words(c, per_word);
    }
    want_range(b, c);
    if salted {
        hashes = HASH_MEMORY;
    }
}

// The op itself: the init code is in memory and, for CREATE2, hashed.
fn execute_create() {
    ret_len = 0u;
    observe(account, ACCOUNT_READ_INFO);
    if !w_is_zero(a) {
        observe(account, ACCOUNT_READ_BALANCE);
    }
    let exhausted = all(acc_nonce(account) == vec2<u32>(NONE));
    if depth >= CALL_DEPTH_MAX || exhausted || w_lt(acc_balance(account), a) {
        resume_at = STEP_NONE;
        give(w_zero());
        return;
    }
    value = a;
    stage = STAGE_CREATE_HASH;
    let sender = acc_addr(account);
    if op == OP_CREATE2 {
        message_create2(sender, e0, result);
    } else {
        message_create(sender, acc_nonce(account));
    }
    stage_after_hash = STAGE_CREATE;
}

fn message_addr(x: Addr) {
    message_push(x.a.x, 4u);
    message_push(x.a.y, 4u);
    message_push(x.a.z, 4u);
    message_push(x.a.w, 4u);
    message_push(x.b, 4u);
}

// rlp([sender, nonce]) (yellow paper 7).
fn message_create(sender: Addr, nonce: vec2<u32>) {
    let small = nonce.y == 0u && nonce.x < 0x80u;
    let top = select(nonce.x, nonce.y, nonce.y != 0u);
    let bits = select(0u, 32u, nonce.y != 0u) + 32u - countLeadingZeros(top);
    let bytes = (bits + 7u) >> 3u;
    message_len = 0u;
    message_push(0xc0u + 21u + select(1u + bytes, 1u, small), 1u);
    message_push(0x80u + 20u, 1u);
    message_addr(sender);
    if small {
        message_push(select(0x80u, nonce.x, nonce.x != 0u), 1u);
        return;
    }
    message_push(0x80u + bytes, 1u);
    for (var i = bytes; i > 0u; i--) {
        let half = select(nonce.x, nonce.y, i > 4u);
        message_push((half >> (((i - 1u) & 3u) * 8u)) & 0xffu, 1u);
    }
}

// EIP-1014: 0xff, sender, salt, the hash of the init code.
fn message_create2(sender: Addr, salt: Word, init_code: Word) {
    message_len = 0u;
    message_push(0xffu, 1u);
    message_addr(sender);
    var x = salt;
    for (var i = 0u; i < 2u; i++) {
        message_word(x);
        x = init_code;
    }
}

// EIP-684 and EIP-7610: whether a contract may not be created at this account.
fn collides(i: u32) -> bool {
    observe(i, ACCOUNT_READ_INFO);
    let stored = acc(i, OVERLAY_ACCOUNT_FLAGS) & (ACCOUNT_HAS_STORAGE | ACCOUNT_WIPED);
    return any(acc_nonce(i) != vec2<u32>(0u)) || acc(i, OVERLAY_ACCOUNT_CODE) != CODE_EMPTY
        || stored == ACCOUNT_HAS_STORAGE;
}

// STAGE_CREATE: the new account is found; the init code gets a program.
fn execute_create_at() {
    callee = found;
    callee_code = CODE_EMPTY;
    if len > 0u {
        if resume_at != STEP_INIT_CODE {
            set32(INSTANCE_NEED_OFF, mem + at);
            set32(INSTANCE_NEED_LEN, len);
            set32(INSTANCE_NEED_IN_DATA, 0u);
            resume_at = STEP_INIT_CODE;
            suspend_op(NEED_INIT_CODE);
            return;
        }
        callee_code = get32(INSTANCE_RESUME_CODE);
    }
    resume_at = STEP_NONE;
    change(account, 0u, CHANGE_NONCE_NEXT);
    if since(SPEC_BERLIN) {
        change(callee, ACCOUNT_WARM, CHANGE_FLAGS);
    }
    new_gas = gas;
    if since(SPEC_TANGERINE) {
        new_gas = u64_sub(gas, gas_64th());
    }
    gas = u64_sub(gas, new_gas);
    if collides(callee) {
        give(w_zero());
        next_ip = ip + width;
        stage = STAGE_OP;
        return;
    }
    stage = STAGE_CREATE_OPEN;
}

// STAGE_CREATE_OPEN
fn execute_create_open() {
    new_account = callee;
    new_addr = acc_addr(callee);
    new_caller = acc_addr(account);
    new_value = value;
    new_flags = FRAME_CREATE;
    new_program = callee_code;
    no_input();
    ip += width;
    make_contract(account);
    stage = STAGE_OP;
}

// Makes the account of a create frame, inside that frame.
fn make_contract(source: u32) {
    opens = true;
    if !w_is_zero(value) {
        change(source, TOUCH, CHANGE_DEBIT);
    }
    let nonce = select(0u, CHANGE_NONCE_ONE, since(SPEC_SPURIOUS_DRAGON));
    change(new_account, ACCOUNT_CREATED | TOUCH, CHANGE_CREDIT | nonce);
}

// ---- SELFDESTRUCT ---------------------------------------------------------------------------------

// The section has the 5000 of EIP-150. Ends the frame.
fn execute_self_destruct() {
    let to = found;
    observe(account, ACCOUNT_READ_BALANCE);
    value = acc_balance(account);
    var cost = 0u;
    if since(SPEC_BERLIN) && !is_warm(to) {
        cost += 2600u;
    }
    if since(SPEC_TANGERINE) && (!w_is_zero(value) || !since(SPEC_SPURIOUS_DRAGON)) {
        if is_dead(to) {
            cost += 25000u;
        }
    }
    charge32(cost);
    if !go {
        return;
    }
    if since(SPEC_BERLIN) {
        change(to, ACCOUNT_WARM, CHANGE_FLAGS);
    }
    let flags = acc(account, OVERLAY_ACCOUNT_FLAGS);
    // EIP-6780: only what this transaction created goes; the balance moves in any case.
    let destroys = !since(SPEC_CANCUN) || (flags & ACCOUNT_CREATED) != 0u;
    if destroys && (flags & ACCOUNT_DESTROYED) == 0u && !since(SPEC_LONDON) {
        refund = u64_add(refund, vec2<u32>(24000u, 0u));
    }
    if to != account {
        transfer(account, to);
    } else if destroys {
        change(account, TOUCH, CHANGE_DEBIT);
    }
    if destroys {
        change(account, ACCOUNT_DESTROYED, CHANGE_FLAGS);
    }
    ret_len = 0u;
    leave(END_SELF_DESTRUCT);
}
