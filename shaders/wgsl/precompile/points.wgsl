// ECRECOVER, addition and multiplication on alt_bn128, and P256VERIFY, over the instances that wait
// for them: one field machine for all.

// The address of a public key: the low 20 bytes of its hash.
fn return_address() {
    keccak_reset();
    keccak_xor_word(0u, field_get(FIELD_X));
    keccak_xor_word(4u, field_get(FIELD_Y));
    keccak_pad(64u);
    keccak_permute();
    let digest = keccak_digest();
    field_output(0u, 8u, Word(digest.lo, vec4(digest.hi.x, 0u, 0u, 0u)));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let precompile = call_open(thread_of(id));
    var gas: u32;
    var start: u32;
    if precompile == PRECOMPILE_ECRECOVER {
        gas = gas_ecrecover();
        start = FIELD_AT_ECRECOVER;
    } else if precompile == PRECOMPILE_BN254_ADD {
        gas = gas_bn254_add();
        start = FIELD_AT_BN254_ADD;
    } else if precompile == PRECOMPILE_BN254_MUL {
        gas = gas_bn254_mul();
        start = FIELD_AT_BN254_MUL;
    } else if precompile == PRECOMPILE_P256_VERIFY {
        gas = gas_p256_verify();
        start = FIELD_AT_P256_VERIFY;
    } else {
        return;
    }
    if !call_charge(u64_from(gas)) {
        call_close(false, 0u);
        return;
    }
    if precompile == PRECOMPILE_P256_VERIFY && call_input_len != 160u {
        call_close(true, 0u);
        return;
    }
    var len = field_run(start);
    if len == FIELD_UNFINISHED {
        return;
    }
    if precompile == PRECOMPILE_ECRECOVER && len != 0u {
        return_address();
        len = 32u;
    }
    call_close(len != FIELD_FAIL, len);
}
