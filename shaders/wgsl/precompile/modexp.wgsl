// Modular exponentiation, over the instances that wait for it. Its scratch memory is the return
// region, behind the room for the output: up to 12 KiB, for 32 bytes 400 bytes.
//
// A dispatch has to end soon: longer exponents, and more work than two RSA-4096 verifications
// (e = 65537) take, are left to the host.

const MODEXP_EXPONENT_BYTES_MAX: u32 = 1024u;

// Bits of the exponent times squared limbs of the modulus; each takes up to four products.
const MODEXP_WORK_MAX: u32 = 1u << 21u;

// A length of the input's head; NONE for 2^32 - 1 or more.
fn modexp_length(at: u32) -> u32 {
    var above = 0u;
    for (var i = 0u; i < 28u; i += 4u) {
        above |= call_input_u32(at + i);
    }
    return select(call_input_u32(at + 28u), NONE, above != 0u);
}

// The number of zero bits before the first one among the first 32 bytes of the exponent, or all.
fn modexp_leading_zeros(lens: vec3<u32>) -> u32 {
    let bytes = min(lens.y, 32u);
    for (var i = 0u; i < bytes; i += 4u) {
        let zeros = countLeadingZeros(call_input_u32(96u + lens.x + i));
        if zeros < 32u {
            return min(8u * i + zeros, 8u * bytes);
        }
    }
    return 8u * bytes;
}

// Gas by EIP-198, 2565 or 7883, for a base and a modulus of at most 1,024 bytes; `head_bits` is the
// bit length of the exponent's first 32 bytes.
fn modexp_gas(lens: vec3<u32>, head_bits: u32) -> vec2<u32> {
    let len = max(lens.x, lens.z);
    let words = (len + 7u) / 8u;
    var complexity = words * words;
    if call_has(RULE_MODEXP_RAISED) {
        complexity = select(16u, 2u * complexity, len > 32u);
    } else if !call_has(RULE_MODEXP_BY_WORDS) {
        complexity = select(len * len, len * len / 4u + 96u * len - 3072u, len > 64u);
    }
    var count = u64_from(max(head_bits, 1u) - 1u);
    if lens.y > 32u {
        count = u64_add(count, u64_mul32(lens.y - 32u, gas_modexp_exponent_byte()));
    }
    count = u64_max(count, u64_from(1u));
    let gas = u64_mul(u64_from(complexity), count);
    return u64_max(u64_div16(gas, gas_modexp_divisor()), u64_from(gas_modexp_least()));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if call_open(thread_of(id)) != PRECOMPILE_MODEXP {
        return;
    }
    let lens = vec3(modexp_length(0u), modexp_length(32u), modexp_length(64u));
    if call_has(RULE_MODEXP_LIMIT) && any(lens > vec3<u32>(gas_modexp_bytes_max())) {
        call_close(false, 0u);
        return;
    }
    if max(lens.x, lens.z) > MODEXP_BYTES_DEVICE_MAX || lens.y == NONE {
        return;
    }
    let zeros = modexp_leading_zeros(lens);
    let head_bits = 8u * min(lens.y, 32u) - zeros;
    if !call_charge(modexp_gas(lens, head_bits)) {
        call_close(false, 0u);
        return;
    }
    if lens.z == 0u {
        call_close(true, 0u);
        return;
    }
    if lens.y > MODEXP_EXPONENT_BYTES_MAX {
        return;
    }
    let room = modexp_place(lens);
    if room > layout_of(LAYOUT_RETURN_CAP) {
        call_need_return(room);
        return;
    }
    let n = modexp_load(modexp_m, 96u + lens.x + lens.y, lens.z);
    if n * n * (8u * lens.y - zeros) > MODEXP_WORK_MAX {
        return;
    }
    modexp(lens, n, zeros);
    call_close(true, lens.z);
}
