// ECRECOVER, addition and multiplication on alt_bn128, and P256VERIFY, over the instances that wait
// for them: one field machine for all.

// Gas of precompile 6 or 7 (EIP-196, EIP-1108).
fn bn254_gas(multiply: bool) -> u32 {
    if call_since(SPEC_ISTANBUL) {
        return select(150u, 6000u, multiply);
    }
    return select(500u, 40000u, multiply);
}

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
    if precompile == 1u {
        gas = 3000u;
        start = FIELD_AT_ECRECOVER;
    } else if precompile == 6u {
        gas = bn254_gas(false);
        start = FIELD_AT_BN254_ADD;
    } else if precompile == 7u {
        gas = bn254_gas(true);
        start = FIELD_AT_BN254_MUL;
    } else if precompile == 0x100u {
        gas = 6900u;
        start = FIELD_AT_P256_VERIFY;
    } else {
        return;
    }
    if !call_charge(u64_from(gas)) {
        call_close(false, 0u);
        return;
    }
    if precompile == 0x100u && call_input_len != 160u {
        call_close(true, 0u);
        return;
    }
    var len = field_run(start);
    if len == FIELD_UNFINISHED {
        return;
    }
    if precompile == 1u && len != 0u {
        return_address();
        len = 32u;
    }
    call_close(len != FIELD_FAIL, len);
}
