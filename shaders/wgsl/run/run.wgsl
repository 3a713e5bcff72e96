// The interpreter: turns until the transaction is over, suspends, or the dispatch has had its
// share.

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
            want_account(recipient);
            sees_code = true;
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
    own = Change(account, 0u, 0u, 0u);
    their = Change(0u, 0u, 0u, 0u);
    third = Change(0u, 0u, 0u, 0u);
    changes_slot = false;
    input_0 = 0u;
    input_1 = 0u;
    input_2 = 0u;
    ranges = 0u;
    finds = FIND_NONE;
    finds_slot = false;
    sees_self = false;
    sees_code = false;
    hashes = HASH_NONE;
    arith = 0u;
    multiplies_input = false;
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
    if go && (input_0 | input_1 | input_2) != 0u {
        serve_input();
        b = w_select(b, word_1, multiplies_input);
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
    if go && (finds != FIND_NONE || sees_self) {
        serve_seen();
    }
    if go && sees_code {
        serve_code();
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
    if ctl != CTL_SUSPEND && changes() {
        serve_changes();
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

fn load_launch() {
    rules = arg(LAUNCH + LAUNCH_RULES);
    precompiles = arg(LAUNCH + LAUNCH_PRECOMPILES);
    data_off = arg(LAUNCH + LAUNCH_DATA);
    regions.frames_off = layout_of(LAYOUT_FRAMES_OFF);
    regions.frames_cap = layout_of(LAYOUT_FRAMES_CAP);
    regions.slots_cap = layout_of(LAYOUT_SLOTS_CAP);
    regions.memory_off = layout_of(LAYOUT_MEMORY_OFF);
    regions.memory_cap = layout_of(LAYOUT_MEMORY_CAP);
    regions.return_off = layout_of(LAYOUT_RETURN_OFF);
    regions.return_cap = layout_of(LAYOUT_RETURN_CAP);
    regions.accounts_off = layout_of(LAYOUT_ACCOUNTS_OFF);
    regions.accounts_cap = layout_of(LAYOUT_ACCOUNTS_CAP);
    regions.account_index_off = layout_of(LAYOUT_ACCOUNT_INDEX_OFF);
    regions.account_index_cap = layout_of(LAYOUT_ACCOUNT_INDEX_CAP);
    regions.storage_off = layout_of(LAYOUT_STORAGE_OFF);
    regions.storage_cap = layout_of(LAYOUT_STORAGE_CAP);
    regions.storage_index_off = layout_of(LAYOUT_STORAGE_INDEX_OFF);
    regions.storage_index_cap = layout_of(LAYOUT_STORAGE_INDEX_CAP);
    regions.journal_off = layout_of(LAYOUT_JOURNAL_OFF);
    regions.journal_cap = layout_of(LAYOUT_JOURNAL_CAP);
    regions.logs_off = layout_of(LAYOUT_LOGS_OFF);
    regions.logs_cap = layout_of(LAYOUT_LOGS_CAP);
    slots_unit = lane + (layout_of(LAYOUT_SLOTS_OFF) >> 4u) * TILE;
}

fn load_tx(index: u32) {
    tx_off = arg(LAUNCH + LAUNCH_TXS) + index * SIZEOF_TX;
    read_input(tx_off, SIZEOF_TX);
    tx.gas_limit = buffer_64(TX_GAS_LIMIT);
    tx.intrinsic_gas = buffer_64(TX_INTRINSIC_GAS);
    tx.floor_gas = buffer_64(TX_FLOOR_GAS);
    tx.nonce = buffer_64(TX_NONCE);
    tx.flags = buffer_32(TX_FLAGS);
    tx.code = buffer_32(TX_CODE);
    tx.data_off = buffer_32(TX_DATA_OFF);
    tx.data_len = buffer_32(TX_DATA_LEN);
    tx.access_off = buffer_32(TX_ACCESS_OFF);
    tx.access_count = buffer_32(TX_ACCESS_COUNT);
    tx.auth_off = buffer_32(TX_AUTH_OFF);
    tx.auth_count = buffer_32(TX_AUTH_COUNT);
    tx.blob_off = buffer_32(TX_BLOB_OFF);
    tx.blob_count = buffer_32(TX_BLOB_COUNT);
    origin = buffer_addr(TX_CALLER);
    recipient = buffer_addr(TX_TO);
    let at_coinbase = arg(LAUNCH + LAUNCH_ENV) + BLOCK_ENV_COINBASE;
    coinbase = Addr(
        vec4<u32>(
            input_at(at_coinbase),
            input_at(at_coinbase + 4u),
            input_at(at_coinbase + 8u),
            input_at(at_coinbase + 12u),
        ),
        input_at(at_coinbase + 16u),
    );
}

fn load_vm() {
    load_launch();
    phase = buffer_32(INSTANCE_PHASE);
    depth = buffer_32(INSTANCE_DEPTH);
    refund = buffer_64(INSTANCE_REFUND);
    accounts = buffer_32(INSTANCE_ACCOUNTS);
    slots = buffer_32(INSTANCE_STORAGE);
    journal = buffer_32(INSTANCE_JOURNAL);
    logs = buffer_32(INSTANCE_LOGS);
    log_bytes = buffer_32(INSTANCE_LOG_BYTES);
    ret_len = buffer_32(INSTANCE_RET_LEN);
    serial = buffer_32(INSTANCE_SERIAL);
    resume_at = buffer_32(INSTANCE_STEP);
    resume_code = buffer_32(INSTANCE_RESUME_CODE);
    resume_word = buffer_word(INSTANCE_RESUME_WORD);
    resume_gas = buffer_64(INSTANCE_RESUME_GAS);
    resume_ok = buffer_32(INSTANCE_RESUME_OK);
    load_tx(buffer_32(INSTANCE_TX));
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
    read_memory(0u, SIZEOF_INSTANCE);
    put_32(INSTANCE_STATUS, select(STATUS_SUSPENDED, STATUS_DONE, ctl == CTL_DONE));
    put_32(INSTANCE_NEED, need);
    put_32(INSTANCE_PHASE, phase);
    put_32(INSTANCE_DEPTH, depth);
    put_32(INSTANCE_IP, ip);
    put_64(INSTANCE_REFUND, refund);
    put_32(INSTANCE_ACCOUNTS, accounts);
    put_32(INSTANCE_STORAGE, slots);
    put_32(INSTANCE_JOURNAL, journal);
    put_32(INSTANCE_LOGS, logs);
    put_32(INSTANCE_LOG_BYTES, log_bytes);
    put_32(INSTANCE_RET_LEN, ret_len);
    put_32(INSTANCE_SERIAL, serial);
    put_32(INSTANCE_STEP, resume_at);
    put_addr(INSTANCE_NEED_ADDR, need_addr);
    put_32(INSTANCE_NEED_CODE, need_code);
    put_32(INSTANCE_NEED_OFF, need_off);
    put_32(INSTANCE_NEED_LEN, need_len);
    put_word(INSTANCE_NEED_KEY, need_key);
    put_64(INSTANCE_NEED_GAS, need_gas);
    put_32(INSTANCE_NEED_IN_DATA, need_in_data);
    put_32(INSTANCE_END, end);
    put_64(INSTANCE_GAS_USED, gas_used);
    put_64(INSTANCE_GAS_REFUNDED, gas_refunded);
    put_word(INSTANCE_COINBASE_CREDIT, coinbase_credit);
    put_addr(INSTANCE_CREATED, created);
    put_32(INSTANCE_HAS_CREATED, has_created);
    let steps = u64_add(buffer_64(INSTANCE_STEPS), vec2<u32>(taken, 0u));
    put_64(INSTANCE_STEPS, steps);
    write_memory(0u, SIZEOF_INSTANCE);
}

// Frees the index arrays for the next transaction.
fn clear_indexes() {
    for (var i = 0u; i < rolled(2u); i++) {
        let off = select(regions.storage_index_off, regions.account_index_off, i == 0u);
        let cap = select(regions.storage_index_cap, regions.account_index_cap, i == 0u);
        zero32(off, cap * 4u);
    }
}

// An instance that used up its turns goes on at the next dispatch.
fn is_runnable() -> bool {
    let status = buffer_32(INSTANCE_STATUS);
    return status == STATUS_READY || status == STATUS_RESUMED
        || (status == STATUS_SUSPENDED && buffer_32(INSTANCE_NEED) == NEED_STEPS);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let thread = thread_of(id);
    if thread >= arg(JOB + JOB_COUNT) {
        return;
    }
    let instance = instance_of(thread);
    if instance == NONE {
        return;  // a gap
    }
    lane_open(instance);
    read_memory(0u, SIZEOF_INSTANCE);
    if !is_runnable() {
        return;
    }
    load_vm();
    let allowed = arg64(LAUNCH + LAUNCH_STEP_BUDGET);
    let budget = select(allowed.x, NONE, allowed.y != 0u);
    turns = budget;
    loop {
        if reload {
            load_frame();
            reload = false;
        }
        if ctl == CTL_RUN && turns == 0u && stage == STAGE_OP {
            suspend_here(NEED_STEPS);
        }
        if saves || (ctl == CTL_SUSPEND && phase == PHASE_RUN) {
            save_frame();
            saves = false;
        }
        if ctl != CTL_RUN {
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
