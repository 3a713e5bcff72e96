// Gives instances what they suspended for.

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let thread = thread_of(id);
    if thread >= arg(JOB + JOB_COUNT) {
        return;
    }
    lane_open(instance_of(thread));
    let answer = arg(JOB + JOB_RECORDS) + SIZEOF_ANSWER * thread;
    for (var i = 0u; i < 32u; i += 4u) {
        set32(INSTANCE_RESUME_WORD + i, input_at(answer + ANSWER_RESUME_WORD + i));
    }
    set32(INSTANCE_RESUME_GAS, input_at(answer + ANSWER_RESUME_GAS));
    set32(INSTANCE_RESUME_GAS + 4u, input_at(answer + ANSWER_RESUME_GAS + 4u));
    set32(INSTANCE_RESUME_CODE, input_at(answer + ANSWER_RESUME_CODE));
    set32(INSTANCE_RESUME_OK, input_at(answer + ANSWER_RESUME_OK));
    if input_at(answer + ANSWER_HAS_BYTES) != 0u {
        let source = arg(JOB + JOB_BYTES) + input_at(answer + ANSWER_BYTES_OFF);
        let len = input_at(answer + ANSWER_BYTES_LEN);
        copy_bytes(layout_of(LAYOUT_RETURN_OFF), FROM_INPUT, source, len);
        set32(INSTANCE_RET_LEN, len);
    }
    let ran = input_at(answer + ANSWER_HOST_PRECOMPILES);
    set32(INSTANCE_HOST_PRECOMPILES, get32(INSTANCE_HOST_PRECOMPILES) | ran);
    set32(INSTANCE_STATUS, STATUS_RESUMED);
}
