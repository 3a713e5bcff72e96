// The pairing check on alt_bn128, over the instances that wait for it.
//
// A dispatch has to end soon: calls of more pairs than proofs take are left to the host. A pair
// takes as long as two ecrecovers, and so does what is once for all pairs.

const PAIRING_PAIRS_MAX: u32 = 4u;

const PAIRING_PAIR_BYTES: u32 = 192u;

// EIP-197, EIP-1108.
fn pairing_gas(pairs: u32) -> vec2<u32> {
    return u64_add(u64_from(gas_bn254_pairing()), u64_mul32(pairs, gas_bn254_pairing_pair()));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if call_open(thread_of(id)) != PRECOMPILE_BN254_PAIRING {
        return;
    }
    let pairs = call_input_len / PAIRING_PAIR_BYTES;
    if !call_charge(pairing_gas(pairs)) || call_input_len % PAIRING_PAIR_BYTES != 0u {
        call_close(false, 0u);
        return;
    }
    if pairs > PAIRING_PAIRS_MAX {
        return;
    }
    field_registers[FIELD_UNITS * FIELD_PAIRS].x = pairs;
    let len = field_run(FIELD_AT_PAIRING);
    if len != FIELD_UNFINISHED {
        call_close(len != FIELD_FAIL, len);
    }
}
