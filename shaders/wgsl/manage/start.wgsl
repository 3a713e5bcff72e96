// Makes instances ready for their transactions. One that was left suspended still uses its indexes.

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let thread = thread_of(id);
    if thread >= arg(JOB + JOB_COUNT) {
        return;
    }
    lane_open(instance_of(thread));
    let status = get32(INSTANCE_STATUS);
    if status == STATUS_SUSPENDED || status == STATUS_RESUMED {
        zero32(layout_of(LAYOUT_ACCOUNT_INDEX_OFF), layout_of(LAYOUT_ACCOUNT_INDEX_CAP) * 4u);
        zero32(layout_of(LAYOUT_STORAGE_INDEX_OFF), layout_of(LAYOUT_STORAGE_INDEX_CAP) * 4u);
    }
    zero32(0u, SIZEOF_INSTANCE);
    var tx = thread;
    if arg_is_set(JOB + JOB_TXS) {
        tx = input_at(arg(JOB + JOB_TXS) + 4u * thread);
    }
    set32(INSTANCE_TX, tx);
}
