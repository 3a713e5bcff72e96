// Writes records to their places.

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let thread = thread_of(id);
    if thread >= arg(JOB + JOB_COUNT) {
        return;
    }
    let size = arg(JOB + JOB_SIZE);
    let record = arg(JOB + JOB_RECORDS) + thread * size;
    let place = state_at(arg(JOB + JOB_PLACES) + 4u * thread);
    let to = arg(JOB + JOB_TO) + place * size;
    for (var i = 0u; i < size; i += 4u) {
        state[(to + i) >> 2u] = state_at(record + i);
    }
}
