// Puts new accounts of the state table into its index: account `size + thread`.

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let thread = thread_of(id);
    if thread >= arg(JOB + JOB_COUNT) {
        return;
    }
    let entry = arg(JOB + JOB_SIZE) + thread;
    let addr = arg(LAUNCH + LAUNCH_ACCOUNTS) + entry * SIZEOF_TABLE_ACCOUNT + TABLE_ACCOUNT_ADDR;
    let lo = vec4<u32>(
        state_at(addr),
        state_at(addr + 4u),
        state_at(addr + 8u),
        state_at(addr + 12u),
    );
    let hash = hash_account(arg64(LAUNCH + LAUNCH_HASH_SEED), lo, state_at(addr + 16u));
    index_entry(
        arg(LAUNCH + LAUNCH_ACCOUNT_INDEX),
        arg(LAUNCH + LAUNCH_ACCOUNT_MASK),
        hash,
        entry,
    );
}
