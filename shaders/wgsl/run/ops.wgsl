// Ops: what each wants of the services (`prepare_op`), and what it does with what they found
// (`execute_op`). kernels/cuda/interp.cuh, env_ops.cuh and storage_ops.cuh say what each does.

// The running op and its operands.
var<private> op: u32;
var<private> op_x: u32;
var<private> op_imm: u32;
var<private> op_shape: vec4<u32>;  // as it stands in the program
var<private> width: u32;  // ops that it takes: 2 where an Ext follows
var<private> a: Word;
var<private> b: Word;
var<private> c: Word;
var<private> e0: Word;
var<private> e1: Word;
var<private> e2: Word;
var<private> e3: Word;

// The result of the turn, and the slot that it goes to.
var<private> writes: bool;
var<private> result: Word;
var<private> result_slot: u32;
// Where the next op stands, of an op that is over.
var<private> next_ip: u32;

// Arithmetic that the turn wants: an OP_* of `w_arith`, or 0.
var<private> arith: u32;

// A word of memory, calldata or the like that the turn wants as its result.
var<private> reads: bool;
var<private> read_source: u32;
var<private> read_off: u32;
var<private> read_left: u32;

// Service: reads the operands.
fn serve_operands(w: vec4<u32>, e: vec4<u32>, count: u32) {
    for (var i = 0u; i < rolled(count); i++) {
        var x = w.y;
        switch i {
            case 2u: {
                x = w.z;
            }
            case 3u: {
                x = e.x;
            }
            case 4u, 5u: {
                x = e.y;
            }
            case 6u: {
                x = e.z;
            }
            default: {}
        }
        x = select(x & 0xffffu, x >> 16u, i == 1u || i == 3u || i == 5u);
        var is_const = (x & OPERAND_CONST_BIT) != 0u;
        x &= ~OPERAND_CONST_BIT;
        if op == OP_LOAD_K && i == 0u {
            is_const = true;
            x = op_imm;
        }
        var v = Word(vec4<u32>(0u), vec4<u32>(0u));
        if is_const {
            let unit = consts_unit + 2u * x;
            v = Word(code[unit], code[unit + 1u]);
        } else {
            let unit = slots_unit + (sp + x - OPERAND_SLOT_BIAS) * (2u * TILE);
            v = Word(memory[unit], memory[unit + TILE]);
        }
        switch i {
            case 0u: {
                a = v;
            }
            case 1u: {
                b = v;
            }
            case 2u: {
                c = v;
            }
            case 3u: {
                e0 = v;
            }
            case 4u: {
                e1 = v;
            }
            case 5u: {
                e2 = v;
            }
            default: {
                e3 = v;
            }
        }
    }
}

fn is_call(kind: u32) -> bool {
    return kind >= OP_CALL && kind <= OP_STATIC_CALL;
}

// Reads the next op and its operands.
fn fetch() {
    let w = code[ops_unit + ip];
    op = w.x & 0xffffu;
    op_x = w.z >> 16u;
    op_imm = w.w;
    op_shape = w;
    op_gas = gas;
    op_mem_len = mem_len;
    at = 0u;
    len = 0u;
    other_at = 0u;
    other = 0u;
    width = 1u;
    result_slot = sp + (w.x >> 16u) - OPERAND_SLOT_BIAS;
    var count = select(0u, 2u, op >= OP_JUMP);
    if op == OP_ADD_MOD || op == OP_MUL_MOD || op >= OP_CALL_DATA_COPY {
        count = 3u;
    }
    var e = vec4<u32>(0u);
    if op == OP_EXT_CODE_COPY || op == OP_LOG || op >= OP_CREATE2 {
        count = 7u;
        width = 2u;
        e = code[ops_unit + ip + 1u];
    }
    serve_operands(w, e, count);
}

// The op is over, with a result.
fn give(x: Word) {
    result = x;
    writes = true;
}

fn give32(x: u32) {
    give(w_from_u32(x));
}

fn give_bool(x: bool) {
    give32(select(0u, 1u, x));
}

fn is_static() -> bool {
    return (frame_flags & FRAME_STATIC) != 0u;
}

fn refuse_static() -> bool {
    if is_static() {
        halt(END_STATIC_VIOLATION);
        return true;
    }
    return false;
}

// ---- what an op wants --------------------------------------------------------------------------

fn want_read(source: u32, off: u32, left: u32) {
    reads = true;
    read_source = source;
    read_off = off;
    read_left = left;
}

fn want_call_data(place: Word) {
    let off = select(input_len, min(place.lo.x, input_len), w_fits_u32(place));
    let source = select(FROM_MEMORY, FROM_INPUT, input_in_data != 0u);
    want_read(source, input_off + off, input_len - off);
}

fn prepare_op() {
    if op < OP_KECCAK {
        if op >= OP_ADD {
            prepare_arithmetic();
        } else if op == OP_RETURN || op == OP_REVERT {
            want_range(a, b);
        } else if op == OP_SELF_DESTRUCT {
            if !refuse_static() {
                want_account(to_addr(a));
                sees_self = true;
            }
        }
    } else if op < OP_MEM_EXPAND {
        prepare_environment();
    } else if op < OP_LOG {
        prepare_memory();
    } else {
        prepare_call();
    }
}

fn prepare_arithmetic() {
    if op == OP_EXP || op == OP_EXP_K {
        // Up to two multiplications for each bit.
        let bits = w_bit_length(b);
        spend(bits >> 1u);
        if op == OP_EXP {
            charge32(((bits + 7u) >> 3u) * gas_exp_byte());
        }
    }
    if op >= OP_MUL && op <= OP_EXP_K && op != OP_SUB {
        arith = select(op, OP_EXP, op == OP_EXP_K);
    }
}

fn prepare_environment() {
    switch op {
        case OP_KECCAK: {
            charge_words(b, gas_keccak_word());
            want_range(a, b);
            hashes = HASH_MEMORY;
        }
        case OP_KECCAK_K: {
            want_range(w_from_u32(op_imm), w_from_u32(op_x));
            hashes = HASH_MEMORY;
        }
        case OP_KECCAK1, OP_KECCAK2: {
            hashes = HASH_MESSAGE;
            message = a;
            message_1 = b;
            message_len = select(32u, 64u, op == OP_KECCAK2);
        }
        case OP_BALANCE, OP_EXT_CODE_SIZE, OP_EXT_CODE_HASH, OP_EXT_CODE_COPY: {
            if op == OP_EXT_CODE_COPY {
                charge_words(e0, gas_copy_word());
                want_range(b, e0);
            }
            want_account(to_addr(a));
            sees_code = op != OP_BALANCE;
        }
        case OP_SELF_BALANCE: {
            sees_self = true;
        }
        case OP_GAS_PRICE: {
            input_0 = tx_off + TX_GAS_PRICE;
        }
        case OP_CALL_DATA_LOAD: {
            want_call_data(a);
        }
        case OP_CALL_DATA_LOAD_K: {
            want_call_data(w_from_u32(op_imm));
        }
        case OP_CALL_DATA_COPY, OP_CODE_COPY: {
            charge_words(c, gas_copy_word());
            want_range(a, c);
        }
        case OP_RETURN_DATA_COPY: {
            // EIP-211: reading past the end halts.
            let last = b.lo.x + c.lo.x;
            if !w_fits_u32(b) || !w_fits_u32(c) || last < b.lo.x || last > ret_len {
                halt(END_RETURN_DATA_BOUNDS);
                return;
            }
            charge_words(c, gas_copy_word());
            want_range(a, c);
        }
        default: {
            input_0 = block_word();
        }
    }
}

// The offset of the block's word that the op gives or, BLOCKHASH, looks at; 0 if there is none.
fn block_word() -> u32 {
    let env = arg(LAUNCH + LAUNCH_ENV);
    switch op {
        case OP_TIMESTAMP: {
            return env + BLOCK_ENV_TIMESTAMP;
        }
        case OP_NUMBER, OP_BLOCK_HASH: {
            return env + BLOCK_ENV_NUMBER;
        }
        case OP_PREV_RANDAO: {
            return env + BLOCK_ENV_PREVRANDAO;
        }
        case OP_GAS_LIMIT: {
            return env + BLOCK_ENV_GAS_LIMIT;
        }
        case OP_CHAIN_ID: {
            return env + BLOCK_ENV_CHAIN_ID;
        }
        case OP_BASE_FEE: {
            return env + BLOCK_ENV_BASE_FEE;
        }
        case OP_BLOB_BASE_FEE: {
            return env + BLOCK_ENV_BLOB_BASE_FEE;
        }
        case OP_BLOB_HASH: {
            // EIP-4844.
            let is_there = w_fits_u32(a) && a.lo.x < tx.blob_count;
            return select(0u, data_off + tx.blob_off + 32u * a.lo.x, is_there);
        }
        default: {
            return 0u;
        }
    }
}

fn prepare_memory() {
    switch op {
        case OP_MEM_EXPAND: {
            want_range(w_zero(), w_from_u32(op_imm));
        }
        case OP_MLOAD, OP_MSTORE: {
            want_range(a, w_from_u32(32u));
        }
        case OP_MSTORE8: {
            want_range(a, w_from_u32(1u));
        }
        case OP_MLOAD_K: {
            want_read(FROM_MEMORY, mem + op_imm, 32u);
        }
        case OP_MCOPY: {
            charge_words(c, gas_copy_word());
            want_range(a, c);
            want_other_range(b, c);
        }
        case OP_SLOAD: {
            want_slot(a, 0u);
        }
        case OP_TLOAD: {
            want_slot(a, SLOT_TRANSIENT);
        }
        case OP_SSTORE: {
            if refuse_static() {
                return;
            }
            // EIP-2200: never with only a call stipend left.
            if gas.y == 0u && gas.x <= gas_sstore_sentry() {
                halt(END_OUT_OF_GAS);
                return;
            }
            want_slot(a, 0u);
        }
        case OP_TSTORE: {
            if !refuse_static() {
                want_slot(a, SLOT_TRANSIENT);
            }
        }
        default: {}
    }
}

fn prepare_call() {
    if op == OP_LOG {
        if refuse_static() {
            return;
        }
        // Beyond 2^32 no gas suffices for the memory.
        if !w_fits_u32(b) {
            halt(END_OUT_OF_GAS);
            return;
        }
        charge(u64_mul32(b.lo.x, gas_log_byte()));
        want_range(a, b);
    } else if is_call(op) {
        if op == OP_CALL && is_static() && !w_is_zero(c) {
            halt(END_STATIC_VIOLATION);
            return;
        }
        want_range(e0, e1);
        want_other_range(e2, e3);
        want_account(to_addr(b));
        sees_code = true;
        sees_self = true;
    } else {
        prepare_create();
    }
}

// ---- what an op does ---------------------------------------------------------------------------

fn execute_op() {
    next_ip = ip + width;
    if op < OP_MOV {
        execute_control();
    } else if op < OP_KECCAK {
        if op < OP_SIGN_EXTEND {
            execute_sum();
        } else if op < OP_AND {
            execute_compare();
        } else {
            execute_bits();
        }
    } else if op < OP_MEM_EXPAND {
        if op < OP_CALL_DATA_COPY {
            execute_frame();
        } else if op < OP_COINBASE {
            execute_code();
        } else {
            execute_block();
        }
    } else if op < OP_SLOAD {
        execute_memory();
    } else if op < OP_LOG {
        execute_storage();
    } else if op == OP_LOG {
        execute_log();
    } else if is_call(op) {
        execute_call();
    } else {
        execute_create();
    }
}

fn jump_target(pc: Word) -> u32 {
    if !w_fits_u32(pc) || pc.lo.x >= code_len {
        return 0u;
    }
    let block = jump_off + pc.lo.x / 32u * 8u;
    let bits = code_at(block);
    let bit = 1u << (pc.lo.x % 32u);
    if (bits & bit) == 0u {
        return 0u;
    }
    let place = code_at(block + 4u) + countOneBits(bits & (bit - 1u));
    return code_at(jump_off + 4u * place);
}

// Moves `sp` by the signed immediate.
fn move_sp() {
    sp += select(op_x, op_x | 0xffff0000u, (op_x & 0x8000u) != 0u);
}

fn branch(taken: bool, target_ip: u32) {
    move_sp();
    next_ip = select(ip + 1u, target_ip, taken);
}

fn execute_control() {
    if op == OP_BB {
        let least = op_shape.y & 0xffffu;
        let most = op_shape.y >> 16u;
        let reserved = op_shape.z & 0xffffu;
        let height = sp - slots_base;
        charge32(op_imm);
        if go && (height < least || height + most > STACK_ITEMS_MAX) {
            halt(END_STACK);
        }
        reserved_slots = reserved;
        if go && sp + reserved > regions.slots_cap {
            need_class(REGION_SLOTS, sp + reserved);
        }
        return;
    }
    switch op {
        case OP_SECTION: {
            charge32(op_imm);
        }
        case OP_FALL: {
            move_sp();
        }
        case OP_GO_TO: {
            branch(true, op_imm);
        }
        case OP_JUMP, OP_JUMP_I: {
            let taken = op == OP_JUMP || !w_is_zero(a);
            var pc = a;
            if op == OP_JUMP_I {
                pc = b;
            }
            var target_ip = 0u;
            if taken {
                target_ip = jump_target(pc);
            }
            branch(taken, target_ip);
        }
        case OP_JUMP_IF, OP_JUMP_IF_ZERO: {
            branch(w_is_zero(a) == (op == OP_JUMP_IF_ZERO), op_imm);
        }
        case OP_JUMP_EQ, OP_JUMP_NE: {
            branch(w_eq(a, b) == (op == OP_JUMP_EQ), op_imm);
        }
        case OP_JUMP_LT, OP_JUMP_GE: {
            branch(w_lt(a, b) == (op == OP_JUMP_LT), op_imm);
        }
        case OP_JUMP_SLT, OP_JUMP_SGE: {
            branch(w_slt(a, b) == (op == OP_JUMP_SLT), op_imm);
        }
        case OP_RETURN, OP_REVERT: {
            if len > regions.return_cap {
                need_class(REGION_RETURN, len);
                return;
            }
            want_copy(FROM_MEMORY, mem + at, len, regions.return_off, len);
            ret_len = len;
            leave(select(END_REVERT, END_RETURN, op == OP_RETURN));
        }
        case OP_SELF_DESTRUCT: {
            execute_self_destruct();
        }
        case OP_STOP: {
            ret_len = 0u;
            halt(END_STOP);
        }
        case OP_BAD_JUMP: {
            halt(END_BAD_JUMP);
        }
        default: {
            halt(END_INVALID_OPCODE);
        }
    }
}

// Ends the frame after what the turn still does.
fn leave(how: u32) {
    end = how;
    stage = STAGE_END;
}

fn execute_sum() {
    switch op {
        case OP_MOV, OP_LOAD_K: {
            give(a);
        }
        case OP_ADD: {
            give(w_add(a, b));
        }
        case OP_SUB: {
            give(w_sub(a, b));
        }
        default: {
            writes = true;  // `w_arith` gave the result
        }
    }
}

fn execute_compare() {
    switch op {
        case OP_SIGN_EXTEND: {
            give(w_signextend(a, b));
        }
        case OP_LT, OP_GT: {
            var x = a;
            var y = b;
            if op == OP_GT {
                x = b;
                y = a;
            }
            give_bool(w_lt(x, y));
        }
        case OP_SLT, OP_SGT: {
            var x = a;
            var y = b;
            if op == OP_SGT {
                x = b;
                y = a;
            }
            give_bool(w_slt(x, y));
        }
        case OP_EQ: {
            give_bool(w_eq(a, b));
        }
        default: {
            give_bool(w_is_zero(a) == (op == OP_IS_ZERO));
        }
    }
}

fn execute_bits() {
    if op >= OP_SHL && op <= OP_SAR_K {
        let is_constant = op >= OP_SHL_K;
        var amount = op_imm;
        var x = a;
        if !is_constant {
            // Beyond 255 nothing is left but, of SAR, the sign.
            let is_below = w_is_below(a, 256u);
            let is_arithmetic = op == OP_SAR;
            amount = select(255u, a.lo.x, is_below);
            x = w_select(w_zero(), b, is_below || is_arithmetic);
        }
        switch op {
            case OP_SHL, OP_SHL_K: {
                give(w_shl_k(x, amount));
            }
            case OP_SHR, OP_SHR_K: {
                give(w_shr_k(x, amount));
            }
            default: {
                give(w_sar_k(x, amount));
            }
        }
        return;
    }
    switch op {
        case OP_AND: {
            give(Word(a.lo & b.lo, a.hi & b.hi));
        }
        case OP_OR: {
            give(Word(a.lo | b.lo, a.hi | b.hi));
        }
        case OP_XOR: {
            give(Word(a.lo ^ b.lo, a.hi ^ b.hi));
        }
        case OP_NOT: {
            give(Word(~a.lo, ~a.hi));
        }
        case OP_BYTE: {
            give(w_byte(a, b));
        }
        default: {
            give32(w_clz(a));
        }
    }
}

// What a cold access costs more than a warm one, which is what sections have (EIP-2929).
fn cold_account_gas() -> u32 {
    return gas_cold_account() - gas_warm_access();
}

// EIP-2929's cold access of the account that was found; the section has the warm (or older) cost.
fn access_account(observed: u32) {
    their.entry = found;
    their.observed = observed;
    if has(RULE_WARM_ACCESS) && !is_warm(seen) {
        charge32(cold_account_gas());
        their.flags = ACCOUNT_WARM;
    }
}

// From KECCAK to CALLDATASIZE.
fn execute_frame() {
    switch op {
        case OP_ADDRESS: {
            give(from_addr(frame_addr));
        }
        case OP_CALLER: {
            give(from_addr(frame_caller));
        }
        case OP_ORIGIN: {
            give(from_addr(origin));
        }
        case OP_CALL_VALUE: {
            give(frame_value);
        }
        case OP_CALL_DATA_SIZE: {
            give32(input_len);
        }
        case OP_BALANCE: {
            access_account(ACCOUNT_READ_BALANCE);
            give(seen.balance);
        }
        default: {
            writes = true;  // hashes and reads: a service gives the result
        }
    }
}

// From CALLDATACOPY to BLOCKHASH.
fn execute_code() {
    switch op {
        case OP_CALL_DATA_COPY: {
            let source = select(FROM_MEMORY, FROM_INPUT, input_in_data != 0u);
            want_copy_padded(source, input_off, input_len, b);
        }
        case OP_CODE_SIZE: {
            give32(code_len);
        }
        case OP_CODE_COPY: {
            want_copy_padded(FROM_CODE, code_bytes, code_len, b);
        }
        case OP_GAS_PRICE: {
            give(word_0);
        }
        case OP_RETURN_DATA_SIZE: {
            give32(ret_len);
        }
        case OP_RETURN_DATA_COPY: {
            want_copy(FROM_MEMORY, regions.return_off + b.lo.x, len, mem + at, len);
        }
        case OP_EXT_CODE_SIZE: {
            access_account(ACCOUNT_READ_INFO);
            give32(seen_code.len);
        }
        case OP_EXT_CODE_COPY: {
            access_account(ACCOUNT_READ_INFO);
            want_copy_padded(FROM_CODE, seen_code.bytes, seen_code.len, c);
        }
        case OP_EXT_CODE_HASH: {
            access_account(ACCOUNT_READ_INFO | ACCOUNT_READ_EMPTY);
            give(w_select(seen_code.hash, w_zero(), is_dead(seen)));  // EIP-1052
        }
        default: {
            execute_block_hash();
        }
    }
}

// The hash of one of the 256 blocks before this one, else zero. The host knows them.
fn execute_block_hash() {
    if resume_at == STEP_BLOCK_HASH {
        resume_at = STEP_NONE;
        give(resume_word);
        return;
    }
    let back = w_sub(word_0, a);
    if !w_lt(a, word_0) || !w_fits_u32(back) || back.lo.x > 256u {
        give(w_zero());
        return;
    }
    need_key = a;
    resume_at = STEP_BLOCK_HASH;
    suspend_op(NEED_BLOCK_HASH);
}

// From COINBASE to BLOBBASEFEE.
fn execute_block() {
    if op == OP_COINBASE {
        give(from_addr(coinbase));
    } else if op == OP_SELF_BALANCE {
        own.observed = ACCOUNT_READ_BALANCE;
        give(self_seen.balance);
    } else {
        give(w_select(word_0, w_zero(), input_0 == 0u));
    }
}

fn execute_memory() {
    switch op {
        case OP_MLOAD: {
            want_read(FROM_MEMORY, mem + at, 32u);
            writes = true;
        }
        case OP_MLOAD_K: {
            writes = true;
        }
        case OP_MSTORE, OP_MSTORE_K: {
            var off = op_imm;
            var x = a;
            if op == OP_MSTORE {
                off = at;
                x = b;
            }
            store_be(mem + off, x);
        }
        case OP_MSTORE8, OP_MSTORE8_K: {
            let is_const = op == OP_MSTORE8_K;
            set_byte(mem + select(at, op_imm, is_const), select(b.lo.x, a.lo.x, is_const));
        }
        case OP_MSIZE: {
            give32(mem_len);
        }
        case OP_MCOPY: {
            want_copy(FROM_MEMORY, mem + other_at, len, mem + at, len);
        }
        default: {}  // MEM_EXPAND
    }
}

fn execute_storage() {
    if op == OP_GAS {
        give(w_from_u64(gas));
        return;
    }
    if op == OP_TLOAD {
        give(slot_value);
        return;
    }
    if op == OP_TSTORE {
        change_slot(0u, b);
        return;
    }
    let cold = has(RULE_WARM_ACCESS) && (slot_flags & SLOT_WARM) == 0u;
    let warm = select(0u, SLOT_WARM, has(RULE_WARM_ACCESS));
    if op == OP_SLOAD {
        if cold {
            charge32(gas_cold_slot() - gas_warm_access());
            change_slot(warm, slot_value);
        }
        give(slot_value);
        return;
    }
    execute_sstore(warm, cold);
}

// Net gas metering (EIP-1283, EIP-2200); before, by what changes from and to zero.
fn execute_sstore(warm: u32, cold: bool) {
    let load = gas_sload();
    let init = gas_sstore_set();
    let reset = gas_sstore_reset();
    let clears = i32(gas_sstore_clear_refund());
    let unchanged = w_eq(slot_value, b);
    let current_zero = w_is_zero(slot_value);
    let new_zero = w_is_zero(b);
    var cost = load;
    var back = 0i;
    if !has(RULE_NET_STORAGE_GAS) {
        cost = select(reset, init, current_zero && !new_zero);
        back = select(0i, clears, !current_zero && new_zero);
    } else if !unchanged {
        let original_zero = w_is_zero(slot_original);
        if w_eq(slot_original, slot_value) {
            cost = select(reset, init, original_zero);
            back = select(0i, clears, !original_zero && new_zero);
        } else {
            if !original_zero {
                back -= select(0i, clears, current_zero);
                back += select(0i, clears, new_zero);
            }
            if w_eq(slot_original, b) {
                back += i32(select(reset, init, original_zero) - load);
            }
        }
    }
    charge32(cost + select(0u, gas_cold_slot(), cold));
    if !go {
        return;
    }
    refund = u64_add(refund, vec2<u32>(u32(back), select(0u, NONE, back < 0i)));
    change_slot(warm | select(SLOT_WRITTEN, 0u, unchanged), b);
}

// The section has what does not depend on the length.
fn execute_log() {
    let topics = op_x;
    let size = SIZEOF_LOG_HEAD + 32u * topics + ((len + 7u) & ~7u);
    if log_bytes + size > regions.logs_cap {
        need_class(REGION_LOGS, log_bytes + size);
        return;
    }
    put_addr(LOG_HEAD_ADDR, frame_addr);
    put_32(LOG_HEAD_TOPICS, topics);
    put_32(LOG_HEAD_DATA_LEN, len);
    put_32(LOG_HEAD_RESERVED, 0u);
    put_word(SIZEOF_LOG_HEAD, e0);
    put_word(SIZEOF_LOG_HEAD + 32u, e1);
    put_word(SIZEOF_LOG_HEAD + 64u, e2);
    put_word(SIZEOF_LOG_HEAD + 96u, e3);
    let head_size = SIZEOF_LOG_HEAD + 32u * topics;
    let head = regions.logs_off + log_bytes;
    write_memory(head, head_size);
    let data = head + head_size;
    // Up to the padding, with zeros.
    want_copy(FROM_MEMORY, mem + at, len, data, (len + 7u) & ~7u);
    log_bytes += size;
    logs++;
}
