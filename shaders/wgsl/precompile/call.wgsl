// The call of a precompile that an instance waits for, and its answer, as the host would give it.

var<private> call_input_len: u32;
var<private> call_input_at: u32;
var<private> call_input_in_data: bool;
var<private> call_return_at: u32;
var<private> call_gas: vec2<u32>;   // what is left
var<private> call_cost: vec2<u32>;  // what has been charged

// The precompile that the instance of a thread waits for, or NONE.
fn call_open(thread: u32) -> u32 {
    if thread >= arg(JOB + JOB_COUNT) {
        return NONE;
    }
    lane_open(instance_of(thread));
    if get32(INSTANCE_STATUS) != STATUS_SUSPENDED || get32(INSTANCE_NEED) != NEED_KERNEL {
        return NONE;
    }
    call_input_len = get32(INSTANCE_NEED_LEN);
    call_input_at = get32(INSTANCE_NEED_OFF);
    call_input_in_data = get32(INSTANCE_NEED_IN_DATA) != 0u;
    if call_input_in_data {
        call_input_at += arg(LAUNCH + LAUNCH_DATA);
    }
    call_return_at = layout_of(LAYOUT_RETURN_OFF);
    call_gas = get64(INSTANCE_NEED_GAS);
    return get32(INSTANCE_NEED_CODE);
}

// Four bytes of the input at byte i, big-endian; zeros behind its end.
fn call_input_u32(i: u32) -> u32 {
    if i >= call_input_len {
        return 0u;
    }
    var x: u32;
    if call_input_in_data {
        x = input_le(call_input_at + i);
    } else {
        x = memory_le(call_input_at + i);
    }
    let left = call_input_len - i;
    if left < 4u {
        x &= 0xffffffffu >> (32u - 8u * left);
    }
    return swap32(x);
}

// Writes four bytes, big-endian, at byte i (a multiple of 4) of the return region.
fn return_u32(i: u32, x: u32) {
    set32(call_return_at + i, swap32(x));
}

// Memory to work in, 32 bits a place: the return region, as long as nothing has been returned.
fn scratch_get(i: u32) -> u32 {
    return get32(call_return_at + 4u * i);
}

fn scratch_set(i: u32, x: u32) {
    set32(call_return_at + 4u * i, x);
}

// Takes gas; false, and nothing taken, if it does not suffice.
fn call_charge(amount: vec2<u32>) -> bool {
    if u64_lt(call_gas, amount) {
        return false;
    }
    call_gas = u64_sub(call_gas, amount);
    call_cost = u64_add(call_cost, amount);
    return true;
}

// Gas for the input's length: `base`, and `per_word` for each 32 bytes begun.
fn call_charge_words(base: u32, per_word: u32) -> bool {
    let words = call_input_len / 32u + u32(call_input_len % 32u != 0u);
    return call_charge(u64_add(u64_from(base), u64_mul32(words, per_word)));
}

// Whether the launch's spec has a rule.
fn call_has(rule: u32) -> bool {
    return (arg(LAUNCH + LAUNCH_RULES) & rule) != 0u;
}

// The call is over; it failed, or there are `len` bytes in the return region, which holds at least
// 64 in every memory class.
fn call_close(ok: bool, len: u32) {
    set32(INSTANCE_RESUME_OK, u32(ok));
    set64(INSTANCE_RESUME_GAS, call_cost);
    set32(INSTANCE_RET_LEN, select(0u, len, ok));
    set32(INSTANCE_STATUS, STATUS_RESUMED);
}

// The return region is too small: restart in a memory class that has `len` bytes of it.
fn call_need_return(len: u32) {
    set32(INSTANCE_NEED, NEED_CLASS);
    set32(INSTANCE_NEED_CODE, REGION_RETURN);
    set32(INSTANCE_NEED_LEN, len);
}
