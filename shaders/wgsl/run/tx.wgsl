// A transaction around its frames: the prologue (validity against the state, fees, nonce, access
// list, authorizations), the opening of the outermost frame, and the epilogue (refund, fees,
// deletions). kernels/cuda/tx.cuh says what each does.

var<private> sender: u32;
// The entry of the access list, or behind these of the authorizations, that is next.
var<private> list_next: u32;

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
    return (tx.flags & flag) != 0u;
}

// Asks for a number times the price at this field of the transaction.
fn want_product(x: vec2<u32>, price: u32) {
    arith = OP_MUL;
    multiplies_input = true;
    a = w_from_u64(x);
    input_1 = tx_off + price;
}

// The second factor of `arith` is word_1.
var<private> multiplies_input: bool;

// ---- prologue ----------------------------------------------------------------------------------

fn prepare_sender() {
    want_account(origin);
    sees_code = true;
    want_product(tx.gas_limit, TX_GAS_PRICE);
    input_2 = tx_off + TX_MAX_COST;
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
    own.entry = found;
    own.observed = ACCOUNT_READ_BALANCE | ACCOUNT_READ_INFO;
    let delegated = has(RULE_DELEGATIONS) && (seen_code.flags & CODE_DELEGATION) != 0u;
    if !tx_has(TX_NO_EOA_CHECK) && seen_code.len != 0u && !delegated {
        reject(END_REJECT_SENDER_CODE);
        return;
    }
    if !tx_has(TX_NO_NONCE_CHECK) && !u64_eq(tx.nonce, seen.nonce) {
        let low = u64_lt(tx.nonce, seen.nonce);
        reject(select(END_REJECT_NONCE_HIGH, END_REJECT_NONCE_LOW, low));
        return;
    }
    if all(seen.nonce == vec2<u32>(NONE)) {
        reject(END_REJECT_NONCE_MAX);
        return;
    }
    let short = tx_has(TX_COST_OVERFLOW) || w_lt(seen.balance, word_2);
    if !tx_has(TX_NO_BALANCE_CHECK) && short {
        reject(END_REJECT_BALANCE);
        return;
    }
    // Taken when the lists are loaded.
    value = result;
    list_next = 0u;
    stage = STAGE_LOAD_LIST;
}

fn is_listed_account() -> bool {
    return list_next < tx.access_count;
}

fn is_list_over() -> bool {
    return list_next >= tx.access_count + tx.auth_count;
}

// What the authorization says besides its authority.
var<private> auth_nonce: vec2<u32>;
var<private> auth_code: u32;

// The lists' next entry. STAGE_LOAD_LIST loads what they name, so that STAGE_APPLY_LIST, which has
// effects, cannot suspend.
fn prepare_list() {
    if is_list_over() {
        want_account(origin);
        input_2 = tx_off + TX_BLOB_COST;
        return;
    }
    if is_listed_account() {
        let item = data_off + tx.access_off + list_next * SIZEOF_ACCESS_ITEM;
        read_input(item, SIZEOF_ACCESS_ITEM);
        want_account(buffer_addr(ACCESS_ITEM_ADDR));
        if buffer_32(ACCESS_ITEM_IS_SLOT) != 0u {
            want_slot(buffer_word(ACCESS_ITEM_KEY), 0u);
        }
        return;
    }
    read_input(
        data_off + tx.auth_off + (list_next - tx.access_count) * SIZEOF_AUTHORIZATION,
        SIZEOF_AUTHORIZATION,
    );
    if (buffer_32(AUTHORIZATION_FLAGS) & AUTH_VALID) != 0u {
        want_account(buffer_addr(AUTHORIZATION_AUTHORITY));
        sees_code = true;
        auth_nonce = buffer_64(AUTHORIZATION_NONCE);
        auth_code = buffer_32(AUTHORIZATION_CODE);
    }
}

fn execute_load_list() {
    if !is_list_over() {
        list_next++;
        return;
    }
    own.entry = sender;
    own.flags = TOUCH | ACCOUNT_WARM;
    own.what = CHANGE_NONCE_NEXT;
    value = w_add(value, word_2);
    if !tx_has(TX_NO_BALANCE_CHECK) {
        own.what |= CHANGE_DEBIT;
    }
    list_next = 0u;
    stage = STAGE_APPLY_LIST;
}

fn execute_apply_list() {
    if is_list_over() {
        phase = PHASE_START;
        stage = STAGE_START;
        return;
    }
    let is_account = is_listed_account();
    list_next++;
    if finds == FIND_NONE {
        return;
    }
    their.entry = found;
    their.flags = ACCOUNT_WARM;
    if !is_account {
        apply_authorization();
    } else if finds_slot {
        change_slot(SLOT_WARM, slot_value);
    }
}

// EIP-7702: sets a delegation; a tuple that does not hold is skipped.
fn apply_authorization() {
    their.observed = ACCOUNT_READ_INFO | ACCOUNT_READ_EMPTY;
    let designates = (seen_code.flags & CODE_DELEGATION) != 0u;
    if (seen_code.len != 0u && !designates) || !u64_eq(seen.nonce, auth_nonce) {
        return;
    }
    if (seen.flags & ACCOUNT_EXISTS) != 0u {
        refund = u64_add(refund, u64_from(gas_authorization_refund()));
    }
    their.flags |= TOUCH;
    their.what = CHANGE_CODE | CHANGE_NONCE_NEXT;
    new_code = auth_code;
}

// ---- the outermost frame -----------------------------------------------------------------------

fn prepare_start() {
    if !tx_has(TX_SYSTEM) {
        want_account(origin);
    }
    input_1 = tx_off + TX_VALUE;
}

// STAGE_START: runs again from here after a suspension.
fn execute_start() {
    sender = found;
    sender_seen = seen;
    no_frame();
    new_caller = origin;
    new_value = word_1;
    value = word_1;
    new_gas = u64_sub(tx.gas_limit, tx.intrinsic_gas);
    result_slot = 0u;
    no_input();
    stage = STAGE_START_TO;
    if tx_has(TX_CREATE) {
        message_create(origin, u64_sub(seen.nonce, vec2<u32>(1u, 0u)));
        stage = STAGE_CREATE_HASH;
        stage_after_hash = STAGE_START_CREATE;
    }
}

var<private> sender_seen: Account;

// STAGE_START_TO
fn execute_start_to() {
    code_to_run(STAGE_START_CALL);
}

// Without the balance check a sender may lack the value: then the outermost frame does not begin,
// and its gas stays.
fn lacks_value() -> bool {
    return w_lt(sender_seen.balance, value);
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
    own.entry = sender;
    their.entry = callee;
    their.observed = ACCOUNT_WARM;  // not undone with the frame
    if delegate != NONE {
        third = Change(delegate, ACCOUNT_WARM, 0u, 0u);
    }
    new_addr = callee_addr;
    new_account = callee;
    new_program = select(callee_code, CODE_EMPTY, callee_precompile != 0u);
    new_flags = 0u;
    new_input_off = tx.data_off;
    new_input_len = tx.data_len;
    new_input_in_data = 1u;
    opens = true;
    phase = PHASE_RUN;
    stage = select(STAGE_OP, STAGE_PRECOMPILE, callee_precompile != 0u);
    if tx_has(TX_SYSTEM) {
        their.flags = TOUCH;
    } else if lacks_value() {
        refuse_start();
    } else {
        transfer();
    }
}

// STAGE_START_CREATE: the new account is found.
fn execute_start_create() {
    own.entry = sender;
    their.entry = found;
    their.observed = ACCOUNT_WARM;
    new_addr = find_addr;
    new_account = found;
    new_program = tx.code;
    new_flags = FRAME_CREATE;
    opens = true;
    phase = PHASE_RUN;
    if lacks_value() {
        // The nonce is part of the creation, which does not begin.
        own.what = CHANGE_NONCE_BACK;
        refuse_start();
    } else if collides() {
        leave(END_CREATE_COLLISION);
    } else {
        make_contract();
        stage = STAGE_OP;
    }
}

// ---- epilogue ----------------------------------------------------------------------------------

fn pays_fees() -> bool {
    return !tx_has(TX_SYSTEM | TX_NO_BALANCE_CHECK);
}

fn prepare_epilogue() {
    let limit = tx.gas_limit;
    gas_used = u64_sub(limit, gas);
    var back = refund;
    if (back.y & 0x80000000u) != 0u || tx_has(TX_SYSTEM) {
        back = vec2<u32>(0u);
    }
    let most = u64_div16(gas_used, gas_refund_quotient());
    if u64_lt(most, back) {
        back = most;
    }
    if u64_lt(u64_sub(gas_used, back), tx.floor_gas) {
        gas_used = tx.floor_gas;
        back = vec2<u32>(0u);
    }
    gas_used = u64_sub(gas_used, back);
    gas_refunded = back;
    if pays_fees() {
        want_account(origin);
        want_product(u64_sub(limit, gas_used), TX_GAS_PRICE);
    }
}

// STAGE_EPILOGUE: the sender gets back what was not used.
fn execute_epilogue() {
    if tx_has(TX_CREATE) && end < END_REVERT {
        created = frame_addr;
        has_created = 1u;
    }
    stage = STAGE_DELETE;
    if pays_fees() {
        frame_serial = 0u;  // nothing is undone from here on
        value = result;
        their = Change(found, 0u, TOUCH, CHANGE_CREDIT);
        stage = STAGE_COINBASE;
    }
}

fn prepare_coinbase() {
    finds = FIND_PEEK;
    find_addr = coinbase;
    want_product(gas_used, TX_COINBASE_PRICE);
}

// STAGE_COINBASE: the fee goes to the recipient; where the overlay has no entry of it, the host
// adds it, so that transactions do not all conflict on one account.
fn execute_coinbase() {
    value = result;
    if found != NONE {
        their = Change(found, 0u, TOUCH, CHANGE_CREDIT);
    } else {
        coinbase_credit = value;
    }
    stage = STAGE_DELETE;
}

// STAGE_DELETE: destroyed accounts go; so do touched empty ones (EIP-161).
fn execute_delete() {
    for (var i = 0u; i < accounts; i++) {
        let x = account_at(i);
        let touched = has(RULE_STATE_CLEARING) && (x.flags & ACCOUNT_TOUCHED) != 0u;
        var flags = x.flags;
        if (flags & ACCOUNT_DESTROYED) != 0u {
            flags = (flags & ~ACCOUNT_EXISTS) | ACCOUNT_WIPED;
        } else if touched && holds_nothing(x) {
            flags = (flags & ~ACCOUNT_EXISTS) | ACCOUNT_READ_EMPTY;
        }
        set32(account_off(i) + OVERLAY_ACCOUNT_FLAGS, flags);
    }
    ctl = CTL_DONE;
    go = false;
}
