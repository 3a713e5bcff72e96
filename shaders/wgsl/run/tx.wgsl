// A transaction around its frames: the prologue (validity against the state, fees, nonce, access
// list, authorizations), the opening of the outermost frame, and the epilogue (refund, fees,
// deletions). kernels/cuda/tx.cuh says what each does.

var<private> sender: u32;
// The entry of the access list, or behind these of the authorizations, that is next.
var<private> list_next: u32;
var<private> gas_used: vec2<u32>;

// The registers of the prologue: no frame is open.
fn no_frame() {
    depth = NONE;
    frame_serial = 0u;
    gas = vec2<u32>(0u);
    op_gas = vec2<u32>(0u);
    mem_len = 0u;
    op_mem_len = 0u;
    frame_flags = 0u;
}

fn tx_has(flag: u32) -> bool {
    return (tx_at(TX_FLAGS) & flag) != 0u;
}

fn tx_u64(field: u32) -> vec2<u32> {
    return vec2<u32>(tx_at(field), tx_at(field + 4u));
}

fn want_product(x: vec2<u32>, price: u32) {
    arith = OP_MUL;
    a = w_from_u64(x);
    b = input_word(tx_off + price);
}

// ---- prologue -------------------------------------------------------------------------------------

fn prepare_sender() {
    want_account(input_addr(tx_off + TX_CALLER));
    want_product(tx_u64(TX_GAS_LIMIT), TX_GAS_PRICE);
}

fn reject(how: u32) {
    end = how;
    ctl = CTL_DONE;
    go = false;
}

// STAGE_SENDER: nonce, balance and code of the sender (yellow paper 6, EIP-2681, EIP-3607,
// EIP-7702).
fn execute_sender() {
    sender = found;
    observe(sender, ACCOUNT_READ_BALANCE | ACCOUNT_READ_INFO);
    let id = acc(sender, OVERLAY_ACCOUNT_CODE);
    let designates = (code_field(id, CODE_FLAGS) & CODE_DELEGATION) != 0u;
    let delegated = since(SPEC_PRAGUE) && designates;
    if !tx_has(TX_NO_EOA_CHECK) && code_field(id, CODE_LEN) != 0u && !delegated {
        reject(END_REJECT_SENDER_CODE);
        return;
    }
    let nonce = acc_nonce(sender);
    if !tx_has(TX_NO_NONCE_CHECK) {
        let stated = tx_u64(TX_NONCE);
        if u64_lt(stated, nonce) {
            reject(END_REJECT_NONCE_LOW);
            return;
        }
        if u64_lt(nonce, stated) {
            reject(END_REJECT_NONCE_HIGH);
            return;
        }
    }
    if all(nonce == vec2<u32>(NONE)) {
        reject(END_REJECT_NONCE_MAX);
        return;
    }
    let short = w_lt(acc_balance(sender), input_word(tx_off + TX_MAX_COST));
    if !tx_has(TX_NO_BALANCE_CHECK) && (tx_has(TX_COST_OVERFLOW) || short) {
        reject(END_REJECT_BALANCE);
        return;
    }
    // What the list below takes: gas times price.
    value = result;
    list_next = 0u;
    stage = STAGE_LOAD_LIST;
}

fn is_listed_account() -> bool {
    return list_next < tx_at(TX_ACCESS_COUNT);
}

fn listed_account() -> u32 {
    return arg(LAUNCH + LAUNCH_DATA) + tx_at(TX_ACCESS_OFF) + list_next * SIZEOF_ACCESS_ITEM;
}

fn listed_authorization() -> u32 {
    let i = list_next - tx_at(TX_ACCESS_COUNT);
    return arg(LAUNCH + LAUNCH_DATA) + tx_at(TX_AUTH_OFF) + i * SIZEOF_AUTHORIZATION;
}

fn is_list_over() -> bool {
    return list_next >= tx_at(TX_ACCESS_COUNT) + tx_at(TX_AUTH_COUNT);
}

// STAGE_LOAD_LIST loads what the lists name, so that the effects of STAGE_APPLY_LIST cannot suspend.
fn prepare_list() {
    if is_list_over() {
        return;
    }
    if is_listed_account() {
        let item = listed_account();
        want_account(input_addr(item + ACCESS_ITEM_ADDR));
        if input_at(item + ACCESS_ITEM_IS_SLOT) != 0u {
            want_slot(input_word(item + ACCESS_ITEM_KEY), 0u);
        }
        return;
    }
    let item = listed_authorization();
    if (input_at(item + AUTHORIZATION_FLAGS) & AUTH_VALID) != 0u {
        want_account(input_addr(item + AUTHORIZATION_AUTHORITY));
    }
}

fn execute_load_list() {
    if !is_list_over() {
        list_next++;
        return;
    }
    let off = account_off(sender);
    if !tx_has(TX_NO_BALANCE_CHECK) {
        let fee = w_add(value, input_word(tx_off + TX_BLOB_COST));
        set_slot(off + OVERLAY_ACCOUNT_BALANCE, w_sub(acc_balance(sender), fee));
    }
    set64(off + OVERLAY_ACCOUNT_NONCE, u64_add(acc_nonce(sender), vec2<u32>(1u, 0u)));
    observe(sender, TOUCH | ACCOUNT_WARM);
    list_next = 0u;
    stage = STAGE_APPLY_LIST;
}

fn execute_apply_list() {
    if is_list_over() {
        phase = PHASE_START;
        stage = STAGE_START;
        return;
    }
    if is_listed_account() {
        observe(found, ACCOUNT_WARM);
        if finds_slot {
            let off = slot_off(slot) + OVERLAY_SLOT_FLAGS;
            set32(off, get32(off) | SLOT_WARM);
        }
    } else if finds != FIND_NONE {
        apply_authorization(listed_authorization());
    }
    list_next++;
}

// EIP-7702: sets a delegation; a tuple that does not hold is skipped.
fn apply_authorization(item: u32) {
    observe(found, ACCOUNT_WARM | ACCOUNT_READ_INFO | ACCOUNT_READ_EMPTY);
    let id = acc(found, OVERLAY_ACCOUNT_CODE);
    let designates = (code_field(id, CODE_FLAGS) & CODE_DELEGATION) != 0u;
    if code_field(id, CODE_LEN) != 0u && !designates {
        return;
    }
    let nonce = vec2<u32>(
        input_at(item + AUTHORIZATION_NONCE),
        input_at(item + AUTHORIZATION_NONCE + 4u),
    );
    if any(acc_nonce(found) != nonce) {
        return;
    }
    if (acc(found, OVERLAY_ACCOUNT_FLAGS) & ACCOUNT_EXISTS) != 0u {
        refund = u64_add(refund, vec2<u32>(25000u - 12500u, 0u));
    }
    acc_set(found, OVERLAY_ACCOUNT_CODE, input_at(item + AUTHORIZATION_CODE));
    let off = account_off(found) + OVERLAY_ACCOUNT_NONCE;
    set64(off, u64_add(nonce, vec2<u32>(1u, 0u)));
    observe(found, TOUCH);
}

// ---- the outermost frame --------------------------------------------------------------------------

fn prepare_start() {
    if !tx_has(TX_SYSTEM) {
        want_account(input_addr(tx_off + TX_CALLER));
    }
}

// STAGE_START: runs again from here after a suspension.
fn execute_start() {
    sender = found;
    no_frame();
    new_caller = input_addr(tx_off + TX_CALLER);
    new_value = input_word(tx_off + TX_VALUE);
    value = new_value;
    new_gas = u64_sub(tx_u64(TX_GAS_LIMIT), tx_u64(TX_INTRINSIC_GAS));
    result_slot = 0u;
    no_input();
    if tx_has(TX_CREATE) {
        let nonce = u64_sub(acc_nonce(sender), vec2<u32>(1u, 0u));
        message_create(new_caller, nonce);
        stage = STAGE_CREATE_HASH;
        stage_after_hash = STAGE_START_CREATE;
        return;
    }
    stage = STAGE_START_TO;
}

// STAGE_START_TO
fn execute_start_to() {
    code_to_run(STAGE_START_CALL);
}

// Without the balance check a sender may lack the value: then the outermost frame does not begin,
// and its gas stays.
fn lacks_value() -> bool {
    return w_lt(acc_balance(sender), value);
}

fn refuse_start() {
    end = END_BALANCE;
    phase = PHASE_EPILOGUE;
    stage = STAGE_EPILOGUE;
}

// STAGE_START_CALL
fn execute_start_call() {
    if !is_compiled() {
        return;
    }
    observe(callee, ACCOUNT_WARM);
    if delegate != NONE {
        observe(delegate, ACCOUNT_WARM);
    }
    new_addr = input_addr(tx_off + TX_TO);
    new_account = callee;
    new_program = select(callee_code, CODE_EMPTY, callee_precompile != 0u);
    new_flags = 0u;
    new_input_off = tx_at(TX_DATA_OFF);
    new_input_len = tx_at(TX_DATA_LEN);
    new_input_in_data = 1u;
    opens = true;
    phase = PHASE_RUN;
    stage = select(STAGE_OP, STAGE_PRECOMPILE, callee_precompile != 0u);
    if tx_has(TX_SYSTEM) {
        change(callee, TOUCH, CHANGE_FLAGS);
    } else if lacks_value() {
        refuse_start();
    } else {
        transfer(sender, callee);
    }
}

// STAGE_START_CREATE: the new account is found.
fn execute_start_create() {
    observe(found, ACCOUNT_WARM);
    new_addr = find_addr;
    new_account = found;
    new_program = tx_at(TX_CODE);
    new_flags = FRAME_CREATE;
    opens = true;
    phase = PHASE_RUN;
    if lacks_value() {
        // The nonce is part of the creation, which does not begin.
        let nonce = u64_sub(acc_nonce(sender), vec2<u32>(1u, 0u));
        set64(account_off(sender) + OVERLAY_ACCOUNT_NONCE, nonce);
        refuse_start();
    } else if collides(found) {
        leave(END_CREATE_COLLISION);
    } else {
        make_contract(sender);
        stage = STAGE_OP;
    }
}

// ---- epilogue -------------------------------------------------------------------------------------

// A 64-bit number by a small one, rounded down.
fn quotient(x: vec2<u32>, by: u32) -> vec2<u32> {
    let high = x.y / by;
    let middle = ((x.y % by) << 16u) | (x.x >> 16u);
    let low = ((middle % by) << 16u) | (x.x & 0xffffu);
    return vec2<u32>(((middle / by) << 16u) | (low / by), high);
}

fn pays_fees() -> bool {
    return !tx_has(TX_SYSTEM | TX_NO_BALANCE_CHECK);
}

fn prepare_epilogue() {
    let limit = tx_u64(TX_GAS_LIMIT);
    gas_used = u64_sub(limit, gas);
    var back = refund;
    if (back.y & 0x80000000u) != 0u || tx_has(TX_SYSTEM) {
        back = vec2<u32>(0u);
    }
    let most = quotient(gas_used, select(2u, 5u, since(SPEC_LONDON)));
    if u64_lt(most, back) {
        back = most;
    }
    let floor_gas = tx_u64(TX_FLOOR_GAS);
    if u64_lt(u64_sub(gas_used, back), floor_gas) {
        gas_used = floor_gas;
        back = vec2<u32>(0u);
    }
    gas_used = u64_sub(gas_used, back);
    set64(INSTANCE_GAS_USED, gas_used);
    set64(INSTANCE_GAS_REFUNDED, back);
    if pays_fees() {
        want_account(input_addr(tx_off + TX_CALLER));
        want_product(u64_sub(limit, gas_used), TX_GAS_PRICE);
    }
}

// STAGE_EPILOGUE: the sender gets back what was not used.
fn execute_epilogue() {
    let created = tx_has(TX_CREATE) && end < END_REVERT;
    if created {
        set_addr(INSTANCE_CREATED, get_addr(frame + FRAME_ADDR));
    }
    set32(INSTANCE_HAS_CREATED, select(0u, 1u, created));
    stage = STAGE_DELETE;
    if pays_fees() {
        frame_serial = 0u;  // nothing is undone from here on
        value = result;
        change(found, TOUCH, CHANGE_CREDIT);
        stage = STAGE_COINBASE;
    }
}

fn prepare_coinbase() {
    finds = FIND_PEEK;
    find_addr = input_addr(arg(LAUNCH + LAUNCH_ENV) + BLOCK_ENV_COINBASE);
    want_product(gas_used, TX_COINBASE_PRICE);
}

// STAGE_COINBASE: the fee goes to the recipient; where the overlay has no entry of it, the host adds
// it, so that transactions do not all conflict on one account.
fn execute_coinbase() {
    value = result;
    if found != NONE {
        change(found, TOUCH, CHANGE_CREDIT);
    } else {
        set_word(INSTANCE_COINBASE_CREDIT, value);
    }
    stage = STAGE_DELETE;
}

// STAGE_DELETE: destroyed accounts go; so do touched empty ones (EIP-161).
fn execute_delete() {
    for (var i = 0u; i < accounts; i++) {
        let flags = acc(i, OVERLAY_ACCOUNT_FLAGS);
        let touched = since(SPEC_SPURIOUS_DRAGON) && (flags & ACCOUNT_TOUCHED) != 0u;
        var now = flags;
        if (flags & ACCOUNT_DESTROYED) != 0u {
            now = (flags & ~ACCOUNT_EXISTS) | ACCOUNT_WIPED;
        } else if touched && holds_nothing(i) {
            now = (flags & ~ACCOUNT_EXISTS) | ACCOUNT_READ_EMPTY;
        }
        acc_set(i, OVERLAY_ACCOUNT_FLAGS, now);
    }
    ctl = CTL_DONE;
    go = false;
}
