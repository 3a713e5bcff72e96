// Hashes of the state table and of overlays. The host computes the same (host/src/state/table.rs);
// the reasons stand in kernels/cuda/state.cuh.

// A product of 128 bits, its halves folded.
fn mix(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let p = u64_mul_wide(a ^ HASH_SECRET_A, b ^ HASH_SECRET_B);
    return p.xy ^ p.zw;
}

// An address as its 20 bytes lie in memory: `lo` the first 16.
fn hash_account(seed: vec2<u32>, lo: vec4<u32>, hi: u32) -> u32 {
    let a = mix(lo.xy ^ seed, lo.zw ^ seed.yx);
    return mix(a, mix(vec2<u32>(hi, 0u) ^ seed, seed.yx)).x;
}

// A slot of the account at place `account` of the table.
fn hash_slot(seed: vec2<u32>, key: Word, account: u32) -> u32 {
    let low = mix(key.lo.xy ^ seed, key.lo.zw ^ seed.yx);
    let high = mix(key.hi.xy ^ seed, key.hi.zw ^ seed.yx ^ vec2<u32>(account, 0u));
    return mix(low, high).x;
}
