// SHA-256 (FIPS 180-4): precompile 0x02.

var<private> sha256_k: array<vec4<u32>, 16> = array(
    vec4(0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u),
    vec4(0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u),
    vec4(0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u),
    vec4(0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u),
    vec4(0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu),
    vec4(0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau),
    vec4(0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u),
    vec4(0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u),
    vec4(0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u),
    vec4(0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u),
    vec4(0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u),
    vec4(0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u),
    vec4(0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u),
    vec4(0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u),
    vec4(0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u),
    vec4(0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u),
);

struct Sha256 { abcd: vec4<u32>, efgh: vec4<u32> }

fn rotr32(x: u32, n: u32) -> u32 {
    return (x >> n) | (x << (32u - n));
}

// One step, with k + w.
fn sha256_step(s: Sha256, kw: u32) -> Sha256 {
    let a = s.abcd;
    let e = s.efgh;
    let t1 = e.w + (rotr32(e.x, 6u) ^ rotr32(e.x, 11u) ^ rotr32(e.x, 25u)) +
        ((e.x & e.y) ^ (~e.x & e.z)) + kw;
    let t2 = (rotr32(a.x, 2u) ^ rotr32(a.x, 13u) ^ rotr32(a.x, 22u)) +
        ((a.x & a.y) ^ (a.x & a.z) ^ (a.y & a.z));
    return Sha256(vec4(t1 + t2, a.xyz), vec4(a.w + t1, e.xyz));
}

fn sha256_s0(x: vec4<u32>) -> vec4<u32> {
    let n7 = vec4<u32>(7u);
    let n18 = vec4<u32>(18u);
    return ((x >> n7) | (x << (vec4<u32>(32u) - n7))) ^
        ((x >> n18) | (x << (vec4<u32>(32u) - n18))) ^ (x >> vec4<u32>(3u));
}

fn sha256_s1(x: u32) -> u32 {
    return rotr32(x, 17u) ^ rotr32(x, 19u) ^ (x >> 10u);
}

// The hash of the call's input: eight numbers, the first in `abcd.x`.
fn sha256() -> Sha256 {
    var h = Sha256(vec4(0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au),
                   vec4(0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u));
    let blocks = md_block_count();
    for (var block = 0u; block < blocks; block++) {
        var s = h;
        // The last sixteen numbers of the message schedule.
        var w0: vec4<u32>;
        var w1: vec4<u32>;
        var w2: vec4<u32>;
        var w3: vec4<u32>;
        for (var i = 0u; i < 16u; i++) {
            w0 = vec4(w0.yzw, w1.x);
            w1 = vec4(w1.yzw, w2.x);
            w2 = vec4(w2.yzw, w3.x);
            w3 = vec4(w3.yzw, md_padded_u32(64u * block + 4u * i));
        }
        if block + 1u == blocks {
            w3.z = call_input_len >> 29u;
            w3.w = call_input_len << 3u;
        }
        for (var i = 0u; i < 16u; i++) {
            let kw = sha256_k[i] + w0;
            s = sha256_step(s, kw.x);
            s = sha256_step(s, kw.y);
            s = sha256_step(s, kw.z);
            s = sha256_step(s, kw.w);
            let sum = w0 + sha256_s0(vec4(w0.yzw, w1.x)) + vec4(w2.yzw, w3.x);
            let x = sum.x + sha256_s1(w3.z);
            let y = sum.y + sha256_s1(w3.w);
            w0 = w1;
            w1 = w2;
            w2 = w3;
            w3 = vec4(x, y, sum.z + sha256_s1(x), sum.w + sha256_s1(y));
        }
        h = Sha256(h.abcd + s.abcd, h.efgh + s.efgh);
    }
    return h;
}
