// BLS12-381 (EIP-2537) and point evaluation (EIP-4844), over the instances that wait for them: one
// field machine for all.
//
// A dispatch has to end soon: calls of more points and pairs than these are left to the host.

const BLS_G1_POINTS_MAX: u32 = 32u;
const BLS_G2_POINTS_MAX: u32 = 8u;
const BLS_PAIRS_MAX: u32 = 4u;

const BLS_G1_BYTES: u32 = 128u;
const BLS_G2_BYTES: u32 = 256u;
const BLS_SCALAR_BYTES: u32 = 32u;
const BLS_PAIR_BYTES: u32 = 384u;
const BLS_OUTPUT_BYTES: u32 = 256u;

const KZG_INPUT_BYTES: u32 = 192u;
const KZG_COMMITMENT_AT: u32 = 96u;
const KZG_PROOF_AT: u32 = 144u;
const KZG_POINT_BYTES: u32 = 48u;

// The price of `count` multiples; discounts are thousandths.
fn bls_msm_gas(count: u32, in_g2: bool) -> vec2<u32> {
    let table = select(FIELD_G1_DISCOUNTS, FIELD_G2_DISCOUNTS, in_g2);
    let each = select(gas_bls_g1_mul(), gas_bls_g2_mul(), in_g2);
    let discount = field_data(table + min(count, 128u) - 1u);
    return u64_div16(u64_mul32(count, discount * each), 1000u);
}

// What stands in the three top bits of a point's encoding: for the program whether it is infinity,
// and has the larger y. False if it is not compressed.
fn kzg_flags(i: u32, at: u32) -> bool {
    let flags = call_input_u32(at) >> 29u;
    field_registers[FIELD_UNITS * (FIELD_FLAGS + i)].x = (flags >> 1u) & 1u;
    field_registers[FIELD_UNITS * (FIELD_FLAGS + 2u + i)].x = flags & 1u;
    return flags >= 4u;
}

// Whether the first word is the versioned hash of the commitment.
fn kzg_is_hash() -> bool {
    let at = call_input_at;
    let len = call_input_len;
    call_input_at += KZG_COMMITMENT_AT;
    call_input_len = KZG_POINT_BYTES;
    let h = sha256();
    call_input_at = at;
    call_input_len = len;
    var same = call_input_u32(0u) == ((h.abcd.x & 0xffffffu) | 0x1000000u);
    for (var i = 1u; i < 4u; i++) {
        same = same && call_input_u32(4u * i) == h.abcd[i];
    }
    for (var i = 0u; i < 4u; i++) {
        same = same && call_input_u32(16u + 4u * i) == h.efgh[i];
    }
    return same;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let precompile = call_open(thread_of(id));
    if precompile < PRECOMPILE_KZG_POINT_EVALUATION || precompile > PRECOMPILE_BLS_MAP_G2 {
        return;
    }
    let is_kzg = precompile == PRECOMPILE_KZG_POINT_EVALUATION;
    if !is_kzg && layout_of(LAYOUT_RETURN_CAP) < BLS_OUTPUT_BYTES {
        call_need_return(BLS_OUTPUT_BYTES);
        return;
    }
    // The length of the input, or of what it is a list of; the list's length, if there is a list.
    var bytes: u32;
    var most = 0u;
    var start: u32;
    switch precompile {
        case PRECOMPILE_KZG_POINT_EVALUATION: {
            bytes = KZG_INPUT_BYTES;
            start = FIELD_AT_KZG;
        }
        case PRECOMPILE_BLS_G1_ADD: {
            bytes = 2u * BLS_G1_BYTES;
            start = FIELD_AT_G1_ADD;
        }
        case PRECOMPILE_BLS_G1_MSM: {
            bytes = BLS_G1_BYTES + BLS_SCALAR_BYTES;
            most = BLS_G1_POINTS_MAX;
            start = FIELD_AT_G1_MSM;
        }
        case PRECOMPILE_BLS_G2_ADD: {
            bytes = 2u * BLS_G2_BYTES;
            start = FIELD_AT_G2_ADD;
        }
        case PRECOMPILE_BLS_G2_MSM: {
            bytes = BLS_G2_BYTES + BLS_SCALAR_BYTES;
            most = BLS_G2_POINTS_MAX;
            start = FIELD_AT_G2_MSM;
        }
        case PRECOMPILE_BLS_PAIRING: {
            bytes = BLS_PAIR_BYTES;
            most = BLS_PAIRS_MAX;
            start = FIELD_AT_PAIRING;
        }
        case PRECOMPILE_BLS_MAP_G1: {
            bytes = BLS_G1_BYTES / 2u;
            start = FIELD_AT_MAP_G1;
        }
        default: {
            bytes = BLS_G2_BYTES / 2u;
            start = FIELD_AT_MAP_G2;
        }
    }
    let count = call_input_len / bytes;
    let right = count != 0u && call_input_len % bytes == 0u && (most != 0u || count == 1u);
    var gas = vec2<u32>(0u);
    if right {
        switch precompile {
            case PRECOMPILE_KZG_POINT_EVALUATION: { gas.x = gas_kzg_point_evaluation(); }
            case PRECOMPILE_BLS_G1_ADD: { gas.x = gas_bls_g1_add(); }
            case PRECOMPILE_BLS_G1_MSM: { gas = bls_msm_gas(count, false); }
            case PRECOMPILE_BLS_G2_ADD: { gas.x = gas_bls_g2_add(); }
            case PRECOMPILE_BLS_G2_MSM: { gas = bls_msm_gas(count, true); }
            case PRECOMPILE_BLS_PAIRING: {
                gas = u64_mul32(count, gas_bls_pairing_pair());
                gas = u64_add(gas, u64_from(gas_bls_pairing()));
            }
            case PRECOMPILE_BLS_MAP_G1: { gas.x = gas_bls_map_g1(); }
            default: { gas.x = gas_bls_map_g2(); }
        }
    }
    if !right || !call_charge(gas) {
        call_close(false, 0u);
        return;
    }
    if most != 0u && count > most {
        return;
    }
    field_registers[FIELD_UNITS * FIELD_PAIRS].x = count;
    if is_kzg {
        let commitment = kzg_flags(0u, KZG_COMMITMENT_AT);
        let proof = kzg_flags(1u, KZG_PROOF_AT);
        if !commitment || !proof || !kzg_is_hash() {
            call_close(false, 0u);
            return;
        }
    }
    let len = field_run(start);
    if len != FIELD_UNFINISHED {
        call_close(len != FIELD_FAIL, len);
    }
}
