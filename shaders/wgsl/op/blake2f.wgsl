// The BLAKE2b compression function F (EIP-152, RFC 7693): precompile 0x09.

const BLAKE2F_INPUT_BYTES: u32 = 213u;

// Per round, the sixteen message indexes, four bits each, the first lowest.
var<private> blake2b_sigma: array<vec2<u32>, 10> = array(
    vec2(0x76543210u, 0xfedcba98u), vec2(0x6df984aeu, 0x357b20c1u),
    vec2(0xdf250c8bu, 0x491763eau), vec2(0xebcd1397u, 0x8f04a562u),
    vec2(0xfa427509u, 0xd386cb1eu), vec2(0x38b0a6c2u, 0x91ef57d4u),
    vec2(0xa4def15cu, 0xb8293670u), vec2(0x931ce7bdu, 0xa2684f05u),
    vec2(0x803b9ef6u, 0x5a417d2cu), vec2(0x5167482au, 0x0dc3e9bfu),
);

// Four 64-bit numbers.
struct Quad { lo: vec4<u32>, hi: vec4<u32> }

var<private> blake2b_message: array<vec2<u32>, 16>;

fn quad_add(a: Quad, b: Quad) -> Quad {
    let lo = a.lo + b.lo;
    return Quad(lo, a.hi + b.hi + vec4<u32>(lo < a.lo));
}

fn quad_xor(a: Quad, b: Quad) -> Quad {
    return Quad(a.lo ^ b.lo, a.hi ^ b.hi);
}

// Rotated right by n < 32, n > 0.
fn quad_rotr(a: Quad, n: u32) -> Quad {
    let right = vec4<u32>(n);
    let left = vec4<u32>(32u - n);
    return Quad((a.lo >> right) | (a.hi << left), (a.hi >> right) | (a.lo << left));
}

struct Blake2b { a: Quad, b: Quad, c: Quad, d: Quad }

// Four mixes side by side, of the columns of v.
fn blake2b_mix(v: Blake2b, x: Quad, y: Quad) -> Blake2b {
    var r = v;
    r.a = quad_add(quad_add(r.a, r.b), x);
    r.d = quad_xor(r.d, r.a);
    r.d = Quad(r.d.hi, r.d.lo);
    r.c = quad_add(r.c, r.d);
    r.b = quad_rotr(quad_xor(r.b, r.c), 24u);
    r.a = quad_add(quad_add(r.a, r.b), y);
    r.d = quad_rotr(quad_xor(r.d, r.a), 16u);
    r.c = quad_add(r.c, r.d);
    // 63 to the right is 1 to the left: 31 to the right with the halves swapped.
    r.b = quad_xor(r.b, r.c);
    r.b = quad_rotr(Quad(r.b.hi, r.b.lo), 31u);
    return r;
}

// Message words by four indexes, which lie two apart.
fn blake2b_pick(indexes: u32) -> Quad {
    let a = blake2b_message[indexes & 15u];
    let b = blake2b_message[(indexes >> 8u) & 15u];
    let c = blake2b_message[(indexes >> 16u) & 15u];
    let d = blake2b_message[(indexes >> 24u) & 15u];
    return Quad(vec4(a.x, b.x, c.x, d.x), vec4(a.y, b.y, c.y, d.y));
}

// 64 bits of the input at byte i, little-endian.
fn blake2f_u64(i: u32) -> vec2<u32> {
    return bswap32(vec4(call_input_u32(i), call_input_u32(i + 4u), 0u, 0u)).xy;
}

// The precompile's number of rounds, which is also its gas.
fn blake2f_rounds() -> u32 {
    return call_input_u32(0u);
}

// Whether the flag that says if the block is the last one is 0 or 1.
fn blake2f_is_valid() -> bool {
    return call_input_u32(BLAKE2F_INPUT_BYTES - 1u) <= 0x01ffffffu;
}

// F of the call's input, BLAKE2F_INPUT_BYTES long: writes 64 bytes.
fn blake2f() {
    for (var i = 0u; i < 16u; i++) {
        blake2b_message[i] = blake2f_u64(68u + 8u * i);
    }
    // The state as columns, the message's tail behind it.
    var h: array<vec2<u32>, 10>;
    for (var i = 0u; i < 8u; i++) {
        h[i] = blake2f_u64(4u + 8u * i);
    }
    h[8] = blake2f_u64(196u);
    h[9] = blake2f_u64(204u);
    let last = 0u - u32(call_input_u32(BLAKE2F_INPUT_BYTES - 1u) != 0u);
    let a = Quad(vec4(h[0].x, h[1].x, h[2].x, h[3].x), vec4(h[0].y, h[1].y, h[2].y, h[3].y));
    let b = Quad(vec4(h[4].x, h[5].x, h[6].x, h[7].x), vec4(h[4].y, h[5].y, h[6].y, h[7].y));
    let c = Quad(vec4(0xf3bcc908u, 0x84caa73bu, 0xfe94f82bu, 0x5f1d36f1u),
                 vec4(0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au));
    var d = Quad(vec4(0xade682d1u, 0x2b3e6c1fu, 0xfb41bd6bu, 0x137e2179u),
                 vec4(0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u));
    d = quad_xor(d, Quad(vec4(h[8].x, h[9].x, last, 0u), vec4(h[8].y, h[9].y, last, 0u)));
    var v = Blake2b(a, b, c, d);
    let rounds = blake2f_rounds();
    var row = 0u;
    for (var i = 0u; i < rounds; i++) {
        var indexes = blake2b_sigma[row];
        row = select(row + 1u, 0u, row == 9u);
        // Columns, then diagonals, which stand in columns once the rows are turned.
        for (var half = 0u; half < 2u; half++) {
            let now = indexes.x;
            indexes = indexes.yx;
            v = blake2b_mix(v, blake2b_pick(now), blake2b_pick(now >> 4u));
            if half == 0u {
                v = Blake2b(v.a, Quad(v.b.lo.yzwx, v.b.hi.yzwx), Quad(v.c.lo.zwxy, v.c.hi.zwxy),
                            Quad(v.d.lo.wxyz, v.d.hi.wxyz));
            } else {
                v = Blake2b(v.a, Quad(v.b.lo.wxyz, v.b.hi.wxyz), Quad(v.c.lo.zwxy, v.c.hi.zwxy),
                            Quad(v.d.lo.yzwx, v.d.hi.yzwx));
            }
        }
    }
    let low = quad_xor(a, quad_xor(v.a, v.c));
    let high = quad_xor(b, quad_xor(v.b, v.d));
    let le = array(bswap32(low.lo), bswap32(low.hi), bswap32(high.lo), bswap32(high.hi));
    for (var i = 0u; i < 4u; i++) {
        return_u32(8u * i, le[0][i]);
        return_u32(8u * i + 4u, le[1][i]);
        return_u32(8u * i + 32u, le[2][i]);
        return_u32(8u * i + 36u, le[3][i]);
    }
}
