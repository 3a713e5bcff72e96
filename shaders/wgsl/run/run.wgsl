// The interpreter: turns until the transaction is over, suspends, or the dispatch has had its share.

// Takes `n` turns more than the one that runs.
fn spend(n: u32) {
    turns -= min(turns, n);
}

fn prepare_stage() {
    switch stage {
        case STAGE_SENDER: {
            prepare_sender();
        }
        case STAGE_LOAD_LIST, STAGE_APPLY_LIST: {
            prepare_list();
        }
        case STAGE_START: {
            prepare_start();
        }
        case STAGE_START_TO: {
            want_account(input_addr(tx_off + TX_TO));
        }
        case STAGE_EPILOGUE: {
            prepare_epilogue();
        }
        case STAGE_COINBASE: {
            prepare_coinbase();
        }
        case STAGE_DELEGATE: {
            prepare_delegate();
        }
        case STAGE_CREATE_HASH: {
            hashes = HASH_MESSAGE;
        }
        case STAGE_CREATE, STAGE_START_CREATE: {
            want_account(find_addr);
        }
        default: {}
    }
}

fn execute_stage() {
    switch stage {
        case STAGE_SENDER: {
            execute_sender();
        }
        case STAGE_LOAD_LIST: {
            execute_load_list();
        }
        case STAGE_APPLY_LIST: {
            execute_apply_list();
        }
        case STAGE_START: {
            execute_start();
        }
        case STAGE_START_TO: {
            execute_start_to();
        }
        case STAGE_START_CALL: {
            execute_start_call();
        }
        case STAGE_START_CREATE: {
            execute_start_create();
        }
        case STAGE_EPILOGUE: {
            execute_epilogue();
        }
        case STAGE_COINBASE: {
            execute_coinbase();
        }
        case STAGE_DELETE: {
            execute_delete();
        }
        default: {
            execute_frame_stage();
        }
    }
}

fn execute_frame_stage() {
    switch stage {
        case STAGE_DELEGATE: {
            execute_delegate();
        }
        case STAGE_CALL: {
            execute_call_gas();
        }
        case STAGE_CALL_OPEN: {
            execute_call_open();
        }
        case STAGE_CREATE_HASH: {
            find_addr = to_addr(result);
            stage = stage_after_hash;
        }
        case STAGE_CREATE: {
            execute_create_at();
        }
        case STAGE_CREATE_OPEN: {
            execute_create_open();
        }
        case STAGE_PRECOMPILE: {
            execute_precompile();
        }
        case STAGE_PRECOMPILE_DONE: {
            execute_precompile_done();
        }
        case STAGE_END: {
            execute_end();
        }
        case STAGE_LEAVE: {
            execute_leave();
        }
        default: {
            execute_return();
        }
    }
}

// One op, or one stage.
fn turn() {
    changes = 0u;
    changes_slot = false;
    ranges = 0u;
    finds = FIND_NONE;
    finds_slot = false;
    hashes = HASH_NONE;
    arith = 0u;
    opens = false;
    copies = false;
    reads = false;
    writes = false;
    go = true;
    let is_op = stage == STAGE_OP;
    if is_op {
        fetch();
        prepare_op();
    } else {
        prepare_stage();
    }
    if go && ranges != 0u {
        serve_ranges();
    }
    if go && finds != FIND_NONE {
        serve_account();
    }
    if go && finds_slot {
        serve_slot(select(found, account, is_op));
    }
    if go && hashes != HASH_NONE {
        result = serve_hash();
    }
    if go && arith != 0u {
        result = w_arith(arith, a, b, c);
    }
    if go {
        if is_op {
            execute_op();
        } else {
            execute_stage();
        }
    }
    if go && opens {
        serve_open();
    }
    if go && changes != 0u {
        serve_changes();
    }
    if go && changes_slot {
        serve_slot_change();
    }
    if go && copies {
        copy_padded(copy_to, copy_source, copy_off, copy_left, copy_len);
        spend(copy_len >> 5u);
    }
    if go && reads {
        result = load_be(read_source, read_off, read_left);
    }
    if go && writes {
        let unit = slots_unit + result_slot * (2u * TILE);
        memory[unit] = result.lo;
        memory[unit + TILE] = result.hi;
    }
    if go && stage == STAGE_OP {
        ip = next_ip;
    }
}

fn load_vm() {
    spec = arg(LAUNCH + LAUNCH_SPEC);
    tx_off = arg(LAUNCH + LAUNCH_TXS) + get32(INSTANCE_TX) * SIZEOF_TX;
    codes_off = arg(LAUNCH + LAUNCH_CODES);
    slots_unit = lane + (layout_of(LAYOUT_SLOTS_OFF) >> 4u) * TILE;
    phase = get32(INSTANCE_PHASE);
    depth = get32(INSTANCE_DEPTH);
    refund = get64(INSTANCE_REFUND);
    accounts = get32(INSTANCE_ACCOUNTS);
    slots = get32(INSTANCE_STORAGE);
    journal = get32(INSTANCE_JOURNAL);
    logs = get32(INSTANCE_LOGS);
    log_bytes = get32(INSTANCE_LOG_BYTES);
    ret_len = get32(INSTANCE_RET_LEN);
    serial = get32(INSTANCE_SERIAL);
    resume_at = get32(INSTANCE_STEP);
    end = END_RETURN;
    ctl = CTL_RUN;
    reload = phase == PHASE_RUN;
    stage = STAGE_OP;
    if phase == PHASE_PROLOGUE {
        stage = STAGE_SENDER;
        if tx_has(TX_SYSTEM) {
            phase = PHASE_START;
        }
    }
    if phase == PHASE_START {
        stage = STAGE_START;
    } else if resume_at == STEP_DEPLOY {
        stage = STAGE_END;
    } else if resume_at == STEP_PRECOMPILE {
        stage = STAGE_PRECOMPILE_DONE;
    }
    if phase != PHASE_RUN {
        no_frame();
    }
}

fn save_vm(taken: u32) {
    if phase == PHASE_RUN {
        save_frame();
    }
    set32(INSTANCE_STATUS, select(STATUS_SUSPENDED, STATUS_DONE, ctl == CTL_DONE));
    set32(INSTANCE_PHASE, phase);
    set32(INSTANCE_DEPTH, depth);
    set64(INSTANCE_REFUND, refund);
    set32(INSTANCE_ACCOUNTS, accounts);
    set32(INSTANCE_STORAGE, slots);
    set32(INSTANCE_JOURNAL, journal);
    set32(INSTANCE_LOGS, logs);
    set32(INSTANCE_LOG_BYTES, log_bytes);
    set32(INSTANCE_RET_LEN, ret_len);
    set32(INSTANCE_SERIAL, serial);
    set32(INSTANCE_STEP, resume_at);
    set32(INSTANCE_END, end);
    set64(INSTANCE_STEPS, u64_add(get64(INSTANCE_STEPS), vec2<u32>(taken, 0u)));
}

// Frees the index arrays for the next transaction.
fn clear_indexes() {
    zero32(layout_of(LAYOUT_ACCOUNT_INDEX_OFF), layout_of(LAYOUT_ACCOUNT_INDEX_CAP) * 4u);
    zero32(layout_of(LAYOUT_STORAGE_INDEX_OFF), layout_of(LAYOUT_STORAGE_INDEX_CAP) * 4u);
}

// An instance that used up its turns goes on at the next dispatch.
fn is_runnable() -> bool {
    let status = get32(INSTANCE_STATUS);
    return status == STATUS_READY || status == STATUS_RESUMED
        || (status == STATUS_SUSPENDED && get32(INSTANCE_NEED) == NEED_STEPS);
}

@compute @workgroup_size(64)
fn run(@builtin(global_invocation_id) id: vec3<u32>) {
    let thread = thread_of(id);
    if thread >= arg(JOB + JOB_COUNT) {
        return;
    }
    lane_open(instance_of(thread));
    if !is_runnable() {
        return;
    }
    load_vm();
    let allowed = arg64(LAUNCH + LAUNCH_STEP_BUDGET);
    let budget = select(allowed.x, NONE, allowed.y != 0u);
    turns = budget;
    while ctl == CTL_RUN {
        if reload {
            load_frame();
            reload = false;
        }
        if turns == 0u && stage == STAGE_OP {
            suspend_here(NEED_STEPS);
            break;
        }
        spend(1u);
        turn();
    }
    if ctl == CTL_DONE {
        clear_indexes();
    }
    save_vm(budget - turns);
}
