// Leaves to the host what no kernel of precompiles took: the last of them.

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let thread = thread_of(id);
    if thread >= arg(JOB + JOB_COUNT) {
        return;
    }
    lane_open(instance_of(thread));
    if get32(INSTANCE_STATUS) == STATUS_SUSPENDED && get32(INSTANCE_NEED) == NEED_KERNEL {
        set32(INSTANCE_NEED, NEED_PRECOMPILE);
    }
}
