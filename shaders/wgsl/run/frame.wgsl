// Call frames: opening, ending, CALL and its family, CREATE and CREATE2, SELFDESTRUCT.
// kernels/cuda/frame.cuh says what each does.

// Whether the next turn begins by reading the frame at `depth`.
var<private> reload: bool;

fn load_frame() {
    frame = regions.frames_off + depth * SIZEOF_FRAME;
    read_memory(frame, SIZEOF_FRAME);
    ip = buffer_32(FRAME_IP);
    sp = buffer_32(FRAME_SP);
    reserved_slots = buffer_32(FRAME_RESERVED_SLOTS);
    gas = buffer_64(FRAME_GAS);
    mem = regions.memory_off + buffer_32(FRAME_MEMORY_OFF);
    mem_len = buffer_32(FRAME_MEMORY_LEN);
    slots_base = buffer_32(FRAME_SLOTS_BASE);
    account = buffer_32(FRAME_ACCOUNT);
    frame_flags = buffer_32(FRAME_FLAGS);
    frame_serial = buffer_32(FRAME_SERIAL);
    input_len = buffer_32(FRAME_INPUT_LEN);
    input_in_data = buffer_32(FRAME_INPUT_IN_DATA);
    input_off = buffer_32(FRAME_INPUT_OFF) + select(0u, data_off, input_in_data != 0u);
    frame_value = buffer_word(FRAME_VALUE);
    frame_addr = buffer_addr(FRAME_ADDR);
    frame_caller = buffer_addr(FRAME_CALLER);
    frame_journal = buffer_32(FRAME_JOURNAL);
    frame_logs = buffer_32(FRAME_LOGS);
    frame_log_bytes = buffer_32(FRAME_LOG_BYTES);
    frame_refund = buffer_64(FRAME_REFUND);
    frame_out_off = buffer_32(FRAME_OUT_OFF);
    frame_out_len = buffer_32(FRAME_OUT_LEN);
    frame_result_slot = buffer_32(FRAME_RESULT_SLOT);
    read_code(code_entry(buffer_32(FRAME_CODE)), SIZEOF_CODE);
    ops_unit = buffer_32(CODE_OPS) >> 4u;
    consts_unit = buffer_32(CODE_CONSTS) >> 4u;
    jump_off = buffer_32(CODE_JUMP_TABLE);
    code_len = buffer_32(CODE_LEN);
    code_bytes = buffer_32(CODE_BYTES);
}

// Whether the next turn begins by writing back what changes of the frame.
var<private> saves: bool;

fn save_frame() {
    set32(frame + FRAME_IP, ip);
    set32(frame + FRAME_SP, sp);
    set32(frame + FRAME_RESERVED_SLOTS, reserved_slots);
    set64(frame + FRAME_GAS, gas);
    set32(frame + FRAME_MEMORY_LEN, mem_len);
}

// ---- service: open a frame ---------------------------------------------------------------------

// Inside the running one, which has been saved, or the outermost, where `depth` is NONE.
var<private> opens: bool;
var<private> new_value: Word;
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
        memory_off = mem - regions.memory_off + mem_len;
        base = sp + reserved_slots;
        next = depth + 1u;
    }
    if next >= regions.frames_cap {
        need_class(REGION_FRAMES, next + 1u);
        return;
    }
    depth = next;
    serial++;
    frame_serial = serial;
    gas = new_gas;
    put_word(FRAME_VALUE, new_value);
    put_64(FRAME_GAS, new_gas);
    put_addr(FRAME_ADDR, new_addr);
    put_addr(FRAME_CALLER, new_caller);
    put_32(FRAME_IP, code_at(code_entry(new_program) + CODE_ENTRY));
    put_32(FRAME_SP, base);
    put_32(FRAME_RESERVED_SLOTS, 0u);
    put_32(FRAME_ACCOUNT, new_account);
    put_32(FRAME_CODE, new_program);
    put_32(FRAME_INPUT_OFF, new_input_off);
    put_32(FRAME_INPUT_LEN, new_input_len);
    put_32(FRAME_INPUT_IN_DATA, new_input_in_data);
    put_32(FRAME_MEMORY_OFF, memory_off);
    put_32(FRAME_MEMORY_LEN, 0u);
    put_32(FRAME_SLOTS_BASE, base);
    put_32(FRAME_JOURNAL, journal);
    put_32(FRAME_LOGS, logs);
    put_32(FRAME_LOG_BYTES, log_bytes);
    put_64(FRAME_REFUND, refund);
    put_32(FRAME_SERIAL, serial);
    put_32(FRAME_FLAGS, new_flags);
    put_32(FRAME_OUT_OFF, new_out_off);
    put_32(FRAME_OUT_LEN, new_out_len);
    put_32(FRAME_RESULT_SLOT, result_slot);
    put_32(FRAME_RESERVED, 0u);
    write_memory(regions.frames_off + next * SIZEOF_FRAME, SIZEOF_FRAME);
    ret_len = 0u;
    reload = true;
}

// ---- ends --------------------------------------------------------------------------------------

// What a create frame's end charges and checks before its code is deployed.
fn check_deploy() {
    end = END_RETURN;
    if has(RULE_CODE_SIZE_LIMIT) && ret_len > gas_deployed_code_bytes_max() {
        end = END_CODE_SIZE;
        return;
    }
    let first = get32(regions.return_off) & 0xffu;
    if has(RULE_RESERVED_CODE_PREFIX) && ret_len > 0u && first == 0xefu {
        end = END_CODE_FIRST_BYTE;
        return;
    }
    let cost = u64_mul32(ret_len, gas_deploy_byte());
    if !u64_lt(gas, cost) {
        gas = u64_sub(gas, cost);
    } else if has(RULE_PAID_DEPLOYMENT) {
        end = END_OUT_OF_GAS;
    } else {
        ret_len = 0u;  // a contract without code
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
        new_code = resume_code;
        own.what = CHANGE_CODE;
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
        undo(frame_journal);
        logs = frame_logs;
        log_bytes = frame_log_bytes;
        refund = frame_refund;
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
    let ok = end < END_REVERT;
    result = w_from_bool(ok);
    given_off = frame_out_off;
    given_len = min(frame_out_len, ret_len);
    if (frame_flags & FRAME_CREATE) != 0u {
        given_len = 0u;
        if ok {
            result = from_addr(frame_addr);
            ret_len = 0u;
        }
    }
    given_gas = gas;
    result_slot = frame_result_slot;
    depth--;
    reload = true;
    stage = STAGE_RETURN;
}

// STAGE_RETURN: the parent runs again, and gets gas, output and result.
fn execute_return() {
    gas = u64_add(gas, given_gas);
    want_copy(FROM_MEMORY, regions.return_off, given_len, mem + given_off, given_len);
    writes = true;
    next_ip = ip;
    stage = STAGE_OP;
}

// ---- precompiles -------------------------------------------------------------------------------

// STAGE_PRECOMPILE: the frame was just opened. The identity runs here; the rest in kernels of their
// own, over the instances that wait.
fn execute_precompile() {
    if callee_precompile != PRECOMPILE_IDENTITY {
        need_code = callee_precompile;
        need_off = input_off - select(0u, data_off, input_in_data != 0u);
        need_len = input_len;
        need_in_data = input_in_data;
        need_gas = gas;
        resume_at = STEP_PRECOMPILE;
        suspend_here(NEED_KERNEL);
        return;
    }
    stage = STAGE_LEAVE;
    end = END_PRECOMPILE;
    let cost = vec2<u32>(gas_identity() + gas_identity_word() * ((input_len + 31u) >> 5u), 0u);
    if u64_lt(gas, cost) {
        return;
    }
    gas = u64_sub(gas, cost);
    if input_len > regions.return_cap {
        need_class(REGION_RETURN, input_len);
        return;
    }
    let source = select(FROM_MEMORY, FROM_INPUT, input_in_data != 0u);
    want_copy(source, input_off, input_len, regions.return_off, input_len);
    ret_len = input_len;
    end = END_RETURN;
}

// STAGE_PRECOMPILE_DONE: the host, or the kernel of precompiles, has run it.
fn execute_precompile_done() {
    resume_at = STEP_NONE;
    stage = STAGE_LEAVE;
    if resume_ok == 0u || u64_lt(gas, resume_gas) {
        ret_len = 0u;
        end = END_PRECOMPILE;
        return;
    }
    gas = u64_sub(gas, resume_gas);
    end = END_RETURN;
}

// ---- CALL, CALLCODE, DELEGATECALL, STATICCALL --------------------------------------------------

// The account that was called; its entry in the overlay.
var<private> callee: u32;
var<private> callee_addr: Addr;
var<private> callee_seen: Account;
var<private> callee_precompile: u32;
// The code that runs.
var<private> callee_code: u32;
var<private> callee_code_flags: u32;
// EIP-7702: the account that the code is from, or NONE.
var<private> delegate: u32;
var<private> delegate_warm: bool;
var<private> after_delegate: u32;  // stage

// The code that runs at the account that was found, a delegation followed (EIP-7702), then `next`.
fn code_to_run(next: u32) {
    their.entry = found;
    their.observed = ACCOUNT_READ_INFO;
    callee = found;
    callee_addr = find_addr;
    callee_seen = seen;
    callee_precompile = precompile_at(find_addr);
    callee_code = seen.code;
    callee_code_flags = seen_code.flags;
    delegate = NONE;
    stage = next;
    if has(RULE_DELEGATIONS) && (seen_code.flags & CODE_DELEGATION) != 0u {
        after_delegate = next;
        stage = STAGE_DELEGATE;
    }
}

fn prepare_delegate() {
    want_account(seen_code.delegate);
    sees_code = true;
}

// STAGE_DELEGATE. A delegation is followed once: a designator is no code, and running it halts.
fn execute_delegate() {
    delegate = found;
    delegate_warm = is_warm(seen);
    their.entry = found;
    their.observed = ACCOUNT_READ_INFO;
    callee_code = seen.code;
    callee_code_flags = seen_code.flags;
    if precompile_at(find_addr) != 0u {
        callee_code = CODE_EMPTY;
    }
    stage = after_delegate;
}

// Whether the callee's code can run; suspends if it is not compiled.
fn is_compiled() -> bool {
    if callee_precompile != 0u || callee_code == CODE_EMPTY
        || (callee_code_flags & CODE_COMPILED) != 0u {
        return true;
    }
    need_code = callee_code;
    suspend_op(NEED_CODE);
    return false;
}

// The op itself: its memory is there, the account found.
fn execute_call() {
    code_to_run(STAGE_CALL);
}

// What the call costs besides the section's static gas and memory.
fn call_cost(has_value: bool) -> u32 {
    let cold = has(RULE_WARM_ACCESS) && !is_warm(callee_seen);
    var cost = select(0u, cold_account_gas(), cold);
    if delegate != NONE {
        let warm = delegate_warm || delegate == callee;
        cost += select(gas_cold_account(), gas_warm_access(), warm);
    }
    cost += select(0u, gas_call_value(), has_value);
    if op == OP_CALL && (has_value || !has(RULE_STATE_CLEARING)) {
        their.observed |= ACCOUNT_READ_EMPTY;
        cost += select(0u, gas_call_new_account(), is_dead(callee_seen));
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
    value = w_select(w_zero(), c, op == OP_CALL || op == OP_CALL_CODE);
    let has_value = !w_is_zero(value);
    their.entry = callee;
    charge32(call_cost(has_value));
    // EIP-150: at most all but one 64th; before, what was asked for or nothing.
    let asked = a.lo.xy;
    let fits = w_fits_u64(a) && !u64_lt(gas, asked);
    if has(RULE_WITHHOLDS_GAS) {
        new_gas = u64_sub(gas, gas_64th());
        if fits && u64_lt(asked, new_gas) {
            new_gas = asked;
        }
    } else {
        new_gas = asked;
        if !fits {
            halt(END_OUT_OF_GAS);
        }
    }
    if !go {
        return;
    }
    their.flags = select(0u, ACCOUNT_WARM, has(RULE_WARM_ACCESS));
    if delegate != NONE {
        third = Change(delegate, 0u, ACCOUNT_WARM, 0u);
    }
    gas = u64_sub(gas, new_gas);
    if has_value {
        new_gas = u64_add(new_gas, u64_from(gas_call_stipend()));
    }
    ret_len = 0u;
    var refused = depth >= CALL_DEPTH_MAX;
    if !refused && has_value {
        own.observed = ACCOUNT_READ_BALANCE;
        refused = w_lt(self_seen.balance, value);
    }
    if !refused && (callee_precompile != 0u || callee_code != CODE_EMPTY) {
        ip += 2u;
        saves = true;
        stage = STAGE_CALL_OPEN;
        return;
    }
    // No frame is needed: nothing in it can fail.
    if !refused && op != OP_DELEGATE_CALL {
        if op == OP_CALL_CODE {
            own.flags = TOUCH;
        } else {
            transfer();
        }
    }
    gas = u64_add(gas, new_gas);
    give_bool(!refused);
    next_ip = ip + 2u;
    stage = STAGE_OP;
}

// STAGE_CALL_OPEN
fn execute_call_open() {
    let other_account = op == OP_CALL || op == OP_STATIC_CALL;
    new_account = select(account, callee, other_account);
    new_addr = frame_addr;
    if other_account {
        new_addr = callee_addr;
    }
    new_caller = frame_addr;
    new_value = value;
    if op == OP_DELEGATE_CALL {
        new_caller = frame_caller;
        new_value = frame_value;
    } else if other_account {
        their.entry = callee;
        transfer();
    } else {
        own.flags = TOUCH;
    }
    new_flags = (frame_flags & FRAME_STATIC) | select(0u, FRAME_STATIC, op == OP_STATIC_CALL);
    new_program = select(callee_code, CODE_EMPTY, callee_precompile != 0u);
    new_input_off = mem + at;
    new_input_len = len;
    new_input_in_data = 0u;
    new_out_off = other_at;
    new_out_len = other;
    opens = true;
    stage = select(STAGE_OP, STAGE_PRECOMPILE, callee_precompile != 0u);
}

// ---- CREATE, CREATE2 ---------------------------------------------------------------------------

// Where the address that STAGE_CREATE_HASH makes of the message is looked up.
var<private> stage_after_hash: u32;

fn prepare_create() {
    let salted = op == OP_CREATE2;
    if refuse_static() {
        return;
    }
    let limited = has(RULE_INIT_CODE_LIMIT);
    if limited && (!w_fits_u32(c) || c.lo.x > gas_init_code_bytes_max()) {
        halt(END_INIT_CODE_SIZE);
        return;
    }
    var per_word = select(0u, gas_init_code_word(), limited);
    per_word += select(0u, gas_keccak_word(), salted);
    if per_word != 0u {
        charge_words(c, per_word);
    }
    want_range(b, c);
    sees_self = true;
    if salted {
        hashes = HASH_MEMORY;
    }
}

// The op itself: the init code is in memory and, for CREATE2, hashed.
fn execute_create() {
    ret_len = 0u;
    own.observed = ACCOUNT_READ_INFO;
    if !w_is_zero(a) {
        own.observed |= ACCOUNT_READ_BALANCE;
    }
    let exhausted = all(self_seen.nonce == vec2<u32>(NONE));
    if depth >= CALL_DEPTH_MAX || exhausted || w_lt(self_seen.balance, a) {
        resume_at = STEP_NONE;
        give(w_zero());
        return;
    }
    value = a;
    stage = STAGE_CREATE_HASH;
    stage_after_hash = STAGE_CREATE;
    if op == OP_CREATE2 {
        message_create2(frame_addr, e0, result);
    } else {
        message_create(frame_addr, self_seen.nonce);
    }
}

// rlp([sender, nonce]) (yellow paper 7).
fn message_create(creator: Addr, nonce: vec2<u32>) {
    let small = nonce.y == 0u && nonce.x < 0x80u;
    let bytes = (w_bit_length(w_from_u64(nonce)) + 7u) >> 3u;
    // From the left: a byte, a byte, 20 bytes; then the nonce.
    let head = select(0xd6u + bytes, 0xd6u, small);
    let start = w_shl_k(w_from_u32((head << 8u) | 0x94u), 240u);
    message = w_or(w_shl_k(from_addr(creator), 80u), start);
    if small {
        let byte = select(nonce.x, 0x80u, nonce.x == 0u);
        message = w_or(message, w_shl_k(w_from_u32(byte), 72u));
        message_len = 23u;
    } else {
        let number = Word(vec4<u32>(nonce, 0u, 0u), vec4<u32>(0u));
        message = w_or(message, w_shl_k(w_from_u32(0x80u + bytes), 72u));
        message = w_or(message, w_shl_k(number, 72u - 8u * bytes));
        message_len = 23u + bytes;
    }
}

// EIP-1014: 0xff, sender, salt, the hash of the init code.
fn message_create2(creator: Addr, salt: Word, init_code: Word) {
    message = w_or(w_shl_k(w_from_u32(0xffu), 248u), w_shl_k(from_addr(creator), 88u));
    message = w_or(message, w_shr_k(salt, 168u));
    message_1 = w_or(w_shl_k(salt, 88u), w_shr_k(init_code, 168u));
    message_2 = w_shl_k(init_code, 88u);
    message_len = 85u;
}

// EIP-684 and EIP-7610: whether no contract may be created at the account that was found.
fn collides() -> bool {
    their.observed |= ACCOUNT_READ_INFO;
    let stored = seen.flags & (ACCOUNT_HAS_STORAGE | ACCOUNT_WIPED);
    return !u64_is_zero(seen.nonce) || seen.code != CODE_EMPTY || stored == ACCOUNT_HAS_STORAGE;
}

// STAGE_CREATE: the new account is found; the init code gets a program.
fn execute_create_at() {
    callee = found;
    callee_addr = find_addr;
    callee_code = CODE_EMPTY;
    if len > 0u {
        if resume_at != STEP_INIT_CODE {
            need_off = mem + at;
            need_len = len;
            need_in_data = 0u;
            resume_at = STEP_INIT_CODE;
            suspend_op(NEED_INIT_CODE);
            return;
        }
        callee_code = resume_code;
    }
    resume_at = STEP_NONE;
    own.what = CHANGE_NONCE_NEXT;
    their.entry = found;
    their.flags = select(0u, ACCOUNT_WARM, has(RULE_WARM_ACCESS));
    new_gas = gas;
    if has(RULE_WITHHOLDS_GAS) {
        new_gas = u64_sub(gas, gas_64th());
    }
    gas = u64_sub(gas, new_gas);
    if collides() {
        give(w_zero());
        next_ip = ip + width;
        stage = STAGE_OP;
        return;
    }
    ip += width;
    saves = true;
    stage = STAGE_CREATE_OPEN;
}

// STAGE_CREATE_OPEN
fn execute_create_open() {
    new_account = callee;
    new_addr = callee_addr;
    new_caller = frame_addr;
    new_value = value;
    new_flags = FRAME_CREATE;
    new_program = callee_code;
    no_input();
    make_contract();
    stage = STAGE_OP;
}

// Opens a create frame, and makes its account inside it.
fn make_contract() {
    opens = true;
    take_value();
    their.entry = new_account;
    their.flags |= ACCOUNT_CREATED | TOUCH;
    their.what = CHANGE_CREDIT | select(0u, CHANGE_NONCE_ONE, has(RULE_STATE_CLEARING));
}

// ---- SELFDESTRUCT ------------------------------------------------------------------------------

// The section has the static gas (EIP-150). Ends the frame.
fn execute_self_destruct() {
    own.observed = ACCOUNT_READ_BALANCE;
    their.entry = found;
    value = self_seen.balance;
    var cost = select(0u, gas_cold_account(), has(RULE_WARM_ACCESS) && !is_warm(seen));
    let fresh = gas_self_destruct_new_account();
    if fresh != 0u && (!w_is_zero(value) || !has(RULE_STATE_CLEARING)) {
        their.observed = ACCOUNT_READ_EMPTY;
        cost += select(0u, fresh, is_dead(seen));
    }
    charge32(cost);
    if !go {
        return;
    }
    their.flags = select(0u, ACCOUNT_WARM, has(RULE_WARM_ACCESS));
    // EIP-6780: only what this transaction created goes; the balance moves in any case.
    let is_new = (self_seen.flags & ACCOUNT_CREATED) != 0u;
    let destroys = !has(RULE_SELF_DESTRUCT_OF_NEW_ONLY) || is_new;
    if destroys && (self_seen.flags & ACCOUNT_DESTROYED) == 0u {
        refund = u64_add(refund, u64_from(gas_self_destruct_refund()));
    }
    if found != account {
        transfer();
    } else if destroys {
        own.flags |= TOUCH;
        own.what |= CHANGE_DEBIT;
    }
    own.flags |= select(0u, ACCOUNT_DESTROYED, destroys);
    ret_len = 0u;
    leave(END_SELF_DESTRUCT);
}
