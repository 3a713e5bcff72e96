// Packs instances that are done or suspended, one after the other as they come. Only this travels
// to the host. Where there is no room the length is counted, and the host tries again with more.

@group(0) @binding(5) var<storage, read_write> output: array<atomic<u32>>;

// Adds to the 64-bit count of bytes; gives what it was.
fn take_bytes(len: u32) -> vec2<u32> {
    let count = arg(JOB + JOB_BYTES_USED) >> 2u;
    let low = atomicAdd(&output[count], len);
    var high = 0u;
    if low + len < low {
        high = atomicAdd(&output[count + 1u], 1u);
    } else {
        high = atomicLoad(&output[count + 1u]);
    }
    return vec2<u32>(low, high);
}

// Copies a range of the instance, a multiple of 8 bytes at a multiple of 8; gives the place after.
fn pack(to: u32, off: u32, len: u32) -> u32 {
    for (var i = 0u; i < len; i += 4u) {
        atomicStore(&output[(to + i) >> 2u], get32(off + i));
    }
    return to + len;
}

// The input of a need, from wherever it stands, padded with zeros.
fn pack_input(to: u32, len: u32) {
    var off = get32(INSTANCE_NEED_OFF);
    var space = FROM_MEMORY;
    if get32(INSTANCE_NEED_IN_DATA) != 0u {
        off += arg(LAUNCH + LAUNCH_DATA);
        space = FROM_INPUT;
    }
    for (var i = 0u; i < padded(len); i += 4u) {
        var x = 0u;
        if i < len {
            x = bytes_le(space, off + i) & mask_of(0u, 0u, min(len - i, 4u));
        }
        atomicStore(&output[(to + i) >> 2u], x);
    }
}

fn padded(len: u32) -> u32 {
    return (len + 7u) & ~7u;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let thread = thread_of(id);
    if thread >= arg(JOB + JOB_COUNT) {
        return;
    }
    lane_open(instance_of(thread));
    let need = get32(INSTANCE_NEED);
    let done = get32(INSTANCE_STATUS) == STATUS_DONE;
    var accounts = 0u;
    var slots = 0u;
    var ret = 0u;
    var logs = 0u;
    var needed = 0u;
    if done {
        accounts = get32(INSTANCE_ACCOUNTS) * SIZEOF_OVERLAY_ACCOUNT;
        slots = get32(INSTANCE_STORAGE) * SIZEOF_OVERLAY_SLOT;
        logs = get32(INSTANCE_LOG_BYTES);
    }
    if done || need == NEED_DEPLOY {
        ret = padded(get32(INSTANCE_RET_LEN));
    }
    if !done && (need == NEED_INIT_CODE || need == NEED_PRECOMPILE) {
        needed = get32(INSTANCE_NEED_LEN);
    }
    let len = SIZEOF_INSTANCE + accounts + slots + ret + logs + padded(needed);
    let at = take_bytes(len);
    let record = (arg(JOB + JOB_RECORDS) + SIZEOF_PACKED * thread) >> 2u;
    let cap = arg(JOB + JOB_BYTES_CAP);  // of a space below 4 GiB
    let fits = at.y == 0u && at.x <= cap && len <= cap - at.x;
    atomicStore(&output[record], select(0xffffffffu, at.x, fits));
    atomicStore(&output[record + 1u], select(0xffffffffu, 0u, fits));
    atomicStore(&output[record + 2u], len);
    atomicStore(&output[record + 3u], 0u);
    if !fits {
        return;
    }
    var to = pack(arg(JOB + JOB_BYTES) + at.x, 0u, SIZEOF_INSTANCE);
    to = pack(to, layout_of(LAYOUT_ACCOUNTS_OFF), accounts);
    to = pack(to, layout_of(LAYOUT_STORAGE_OFF), slots);
    to = pack(to, layout_of(LAYOUT_RETURN_OFF), ret);
    to = pack(to, layout_of(LAYOUT_LOGS_OFF), logs);
    pack_input(to, needed);
}
