// SHA-256, RIPEMD-160 and BLAKE2b's F, over the instances that wait for them.
//
// A dispatch has to end soon, so that inputs that take longer than an ecrecover are left to the
// host: beyond 98,000 gas of SHA-256, 490,000 of RIPEMD-160, 32,768 rounds of BLAKE2b.

const SHA256_BYTES_MAX: u32 = 262144u;
const RIPEMD160_BYTES_MAX: u32 = 131072u;
const BLAKE2F_ROUNDS_MAX: u32 = 32768u;

fn precompile_sha256() {
    if !call_charge_words(gas_sha256(), gas_sha256_word()) {
        call_close(false, 0u);
        return;
    }
    if call_input_len > SHA256_BYTES_MAX {
        return;
    }
    let h = sha256();
    for (var i = 0u; i < 4u; i++) {
        return_u32(4u * i, h.abcd[i]);
        return_u32(16u + 4u * i, h.efgh[i]);
    }
    call_close(true, 32u);
}

fn precompile_ripemd160() {
    if !call_charge_words(gas_ripemd160(), gas_ripemd160_word()) {
        call_close(false, 0u);
        return;
    }
    if call_input_len > RIPEMD160_BYTES_MAX {
        return;
    }
    let h = ripemd160();
    let abcd = bswap32(h.abcd);
    for (var i = 0u; i < 3u; i++) {
        return_u32(4u * i, 0u);
    }
    for (var i = 0u; i < 4u; i++) {
        return_u32(12u + 4u * i, abcd[i]);
    }
    return_u32(28u, swap32(h.e));
    call_close(true, 32u);
}

fn precompile_blake2f() {
    let rounds = blake2f_rounds();
    if call_input_len != BLAKE2F_INPUT_BYTES ||
        !call_charge(u64_mul32(rounds, gas_blake2f_round())) || !blake2f_is_valid() {
        call_close(false, 0u);
        return;
    }
    if rounds > BLAKE2F_ROUNDS_MAX {
        return;
    }
    blake2f();
    call_close(true, 64u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let precompile = call_open(thread_of(id));
    if precompile == PRECOMPILE_SHA256 {
        precompile_sha256();
    } else if precompile == PRECOMPILE_RIPEMD160 {
        precompile_ripemd160();
    } else if precompile == PRECOMPILE_BLAKE2F {
        precompile_blake2f();
    }
}
