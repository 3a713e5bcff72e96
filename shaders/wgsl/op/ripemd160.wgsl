// RIPEMD-160 (Dobbertin, Bosselaers, Preneel 1996): precompile 0x03.
//
// It is rare on chain, so the code is small: one loop over a table takes a step of both lines.

// Per step, for the left line (low byte) and the right: message word index (low nibble) and
// rotation (high nibble). Two steps a number.
var<private> ripemd160_steps: array<u32, 40> = array(
    0x9ee185b0u, 0xb0c397f2u, 0xf285d954u, 0x5497fb76u, 0x76d97db8u,
    0xb8fb8feau, 0xea7de16cu, 0x6c8fc39eu, 0xdb649677u, 0x77d1f38du,
    0x8d96c0bau, 0xbaf3957fu, 0x7fc07e7cu, 0x7c95c8f9u, 0xf97e64b2u,
    0xb2c8d1dbu, 0x75da9fb3u, 0xb374f16eu, 0x6e9f87e9u, 0xe9f166d8u,
    0xd887cbe2u, 0xe2665cd0u, 0xd0cbda5du, 0x5d5c7475u, 0x56c9f8b1u,
    0xb1fa84ebu, 0xebf8e3e0u, 0xe0846f9cu, 0x9ce3659du, 0x9d6fc257u,
    0x5765c98eu, 0x8ec2fa56u, 0x5ff08c94u, 0x94b9ca55u, 0x558cc167u,
    0x67cae8d2u, 0xd2c1865eu, 0x5ee86dd3u, 0xd386f0bbu, 0xbb6db95fu,
);

// Per group of 16 steps: constants of the left line and the right.
var<private> ripemd160_constants: array<vec2<u32>, 5> = array(
    vec2(0x00000000u, 0x50a28be6u), vec2(0x5a827999u, 0x5c4dd124u),
    vec2(0x6ed9eba1u, 0x6d703ef3u), vec2(0x8f1bbcdcu, 0x7a6d76e9u),
    vec2(0xa953fd4eu, 0x00000000u),
);

var<private> ripemd160_message: array<u32, 16>;

// The state of a line: four numbers, and the fifth.
struct Ripemd160 { abcd: vec4<u32>, e: u32 }

fn ripemd160_f(group: u32, x: u32, y: u32, z: u32) -> u32 {
    let choose = (x & y) | (~x & z);
    var r = x ^ y ^ z;
    r = select(r, choose, group == 1u);
    r = select(r, (x | ~y) ^ z, group == 2u);
    r = select(r, (x & z) | (y & ~z), group == 3u);
    return select(r, x ^ (y | ~z), group == 4u);
}

// One step of a line; `code` is the table's byte, k the constant, f the function's number.
fn ripemd160_step(s: Ripemd160, code: u32, k: u32, f: u32) -> Ripemd160 {
    let v = s.abcd;
    let n = (code >> 4u) & 15u;
    let x = v.x + ripemd160_f(f, v.y, v.z, v.w) + ripemd160_message[code & 15u] + k;
    let b = ((x << n) | (x >> (32u - n))) + s.e;
    return Ripemd160(vec4(s.e, b, v.y, (v.z << 10u) | (v.z >> 22u)), v.w);
}

// The hash of the call's input: five numbers, each of whose bytes come lowest first.
fn ripemd160() -> Ripemd160 {
    var h = Ripemd160(vec4(0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u), 0xc3d2e1f0u);
    let blocks = md_block_count();
    for (var block = 0u; block < blocks; block++) {
        for (var i = 0u; i < 16u; i++) {
            ripemd160_message[i] = bswap32(vec4(md_padded_u32(64u * block + 4u * i))).x;
        }
        if block + 1u == blocks {
            ripemd160_message[14] = call_input_len << 3u;
            ripemd160_message[15] = call_input_len >> 29u;
        }
        var left = h;
        var right = h;
        for (var i = 0u; i < 80u; i++) {
            let code = ripemd160_steps[i >> 1u] >> (16u * (i & 1u));
            let group = i >> 4u;
            let k = ripemd160_constants[group];
            left = ripemd160_step(left, code, k.x, group);
            right = ripemd160_step(right, code >> 8u, k.y, 4u - group);
        }
        let l = left.abcd;
        let r = right.abcd;
        let s = h.abcd;
        h = Ripemd160(vec4(s.y + l.z + r.w, s.z + l.w + right.e, s.w + left.e + r.x,
                           h.e + l.x + r.y), s.x + l.y + r.z);
    }
    return h;
}
