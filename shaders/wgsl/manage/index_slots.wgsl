// Puts new slots of the state table into its index: slot `size + thread`.

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let thread = thread_of(id);
    if thread >= arg(JOB + JOB_COUNT) {
        return;
    }
    let entry = arg(JOB + JOB_SIZE) + thread;
    let slot = arg(LAUNCH + LAUNCH_SLOTS) + entry * SIZEOF_TABLE_SLOT;
    let key = slot + TABLE_SLOT_KEY;
    let word = Word(
        vec4<u32>(state_at(key), state_at(key + 4u), state_at(key + 8u), state_at(key + 12u)),
        vec4<u32>(
            state_at(key + 16u),
            state_at(key + 20u),
            state_at(key + 24u),
            state_at(key + 28u),
        ),
    );
    let account = state_at(slot + TABLE_SLOT_ACCOUNT);
    let hash = hash_slot(arg64(LAUNCH + LAUNCH_HASH_SEED), word, account);
    index_entry(arg(LAUNCH + LAUNCH_SLOT_INDEX), arg(LAUNCH + LAUNCH_SLOT_MASK), hash, entry);
}
