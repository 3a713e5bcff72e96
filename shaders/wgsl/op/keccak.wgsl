// Keccak-256 with the original padding (0x01), as KECCAK256 and address derivation use it.
//
// The state is the invocation's: `keccak_reset`, then for each 136 bytes of the input xor them into
// the state and `keccak_permute`; the last ones, fewer than 136, with `keccak_pad`. Keep
// `keccak_permute` at one place of a module: it is most of the code.

const KECCAK_RATE_BYTES: u32 = 136u;
const KECCAK_RATE_LIMBS: u32 = 34u;

// Not a constant: a driver would copy all of it in each round.
var<private> keccak_round_constants = array<vec2<u32>, 24>(
    vec2<u32>(0x00000001u, 0x00000000u), vec2<u32>(0x00008082u, 0x00000000u),
    vec2<u32>(0x0000808au, 0x80000000u), vec2<u32>(0x80008000u, 0x80000000u),
    vec2<u32>(0x0000808bu, 0x00000000u), vec2<u32>(0x80000001u, 0x00000000u),
    vec2<u32>(0x80008081u, 0x80000000u), vec2<u32>(0x00008009u, 0x80000000u),
    vec2<u32>(0x0000008au, 0x00000000u), vec2<u32>(0x00000088u, 0x00000000u),
    vec2<u32>(0x80008009u, 0x00000000u), vec2<u32>(0x8000000au, 0x00000000u),
    vec2<u32>(0x8000808bu, 0x00000000u), vec2<u32>(0x0000008bu, 0x80000000u),
    vec2<u32>(0x00008089u, 0x80000000u), vec2<u32>(0x00008003u, 0x80000000u),
    vec2<u32>(0x00008002u, 0x80000000u), vec2<u32>(0x00000080u, 0x80000000u),
    vec2<u32>(0x0000800au, 0x00000000u), vec2<u32>(0x8000000au, 0x80000000u),
    vec2<u32>(0x80008081u, 0x80000000u), vec2<u32>(0x00008080u, 0x80000000u),
    vec2<u32>(0x80000001u, 0x00000000u), vec2<u32>(0x80008008u, 0x80000000u),
);

var<private> keccak_state: array<vec2<u32>, 25>;  // lane (x, y) at x + 5 * y

fn keccak_reset() {
    keccak_state = array<vec2<u32>, 25>();
}

// Xors the next 32 bits of input, little-endian, into the rate: 34 times, then `keccak_permute`.
// The lanes of the rate move on by half a lane each time, since an array with computed indices
// would be memory.
fn keccak_absorb(x: u32) {
    let first = keccak_state[0] ^ vec2<u32>(x, 0u);
    keccak_state[0] = vec2<u32>(first.y, keccak_state[1].x);
    keccak_state[1] = vec2<u32>(keccak_state[1].y, keccak_state[2].x);
    keccak_state[2] = vec2<u32>(keccak_state[2].y, keccak_state[3].x);
    keccak_state[3] = vec2<u32>(keccak_state[3].y, keccak_state[4].x);
    keccak_state[4] = vec2<u32>(keccak_state[4].y, keccak_state[5].x);
    keccak_state[5] = vec2<u32>(keccak_state[5].y, keccak_state[6].x);
    keccak_state[6] = vec2<u32>(keccak_state[6].y, keccak_state[7].x);
    keccak_state[7] = vec2<u32>(keccak_state[7].y, keccak_state[8].x);
    keccak_state[8] = vec2<u32>(keccak_state[8].y, keccak_state[9].x);
    keccak_state[9] = vec2<u32>(keccak_state[9].y, keccak_state[10].x);
    keccak_state[10] = vec2<u32>(keccak_state[10].y, keccak_state[11].x);
    keccak_state[11] = vec2<u32>(keccak_state[11].y, keccak_state[12].x);
    keccak_state[12] = vec2<u32>(keccak_state[12].y, keccak_state[13].x);
    keccak_state[13] = vec2<u32>(keccak_state[13].y, keccak_state[14].x);
    keccak_state[14] = vec2<u32>(keccak_state[14].y, keccak_state[15].x);
    keccak_state[15] = vec2<u32>(keccak_state[15].y, keccak_state[16].x);
    keccak_state[16] = vec2<u32>(keccak_state[16].y, first.x);
}

// Xors 32 bits of input, little-endian, into the `i`-th limb of the rate, i < 34.
fn keccak_xor_u32(i: u32, x: u32) {
    keccak_state[i >> 1u] ^= select(vec2<u32>(x, 0u), vec2<u32>(0u, x), (i & 1u) != 0u);
}

// Xors the 32 bytes of a word, big-endian, into four lanes from the `i`-th on, i < 14.
fn keccak_xor_word(i: u32, word: Word) {
    let x = w_bswap(word);
    keccak_state[i] ^= x.lo.xy;
    keccak_state[i + 1u] ^= x.lo.zw;
    keccak_state[i + 2u] ^= x.hi.xy;
    keccak_state[i + 3u] ^= x.hi.zw;
}

// The padding behind the last `len` bytes of the input, len < 136.
fn keccak_pad(len: u32) {
    keccak_xor_u32(len >> 2u, 1u << (8u * (len & 3u)));
    keccak_xor_u32(KECCAK_RATE_LIMBS - 1u, 0x80000000u);
}

// The first 32 bytes of the state, read big-endian.
fn keccak_digest() -> Word {
    return w_bswap(Word(vec4<u32>(keccak_state[0], keccak_state[1]),
                        vec4<u32>(keccak_state[2], keccak_state[3])));
}

// x rotated left by 0 < n < 32 bits; by 32 more if the caller swaps the halves.
fn rotl64(x: vec2<u32>, n: u32) -> vec2<u32> {
    return (x << vec2<u32>(n)) | (x.yx >> vec2<u32>(32u - n));
}

// keccak-f[1600]. The lanes are variables, so that they live in registers: an array is ten times
// slower.
fn keccak_permute() {
    var a0 = keccak_state[0];
    var a1 = keccak_state[1];
    var a2 = keccak_state[2];
    var a3 = keccak_state[3];
    var a4 = keccak_state[4];
    var a5 = keccak_state[5];
    var a6 = keccak_state[6];
    var a7 = keccak_state[7];
    var a8 = keccak_state[8];
    var a9 = keccak_state[9];
    var a10 = keccak_state[10];
    var a11 = keccak_state[11];
    var a12 = keccak_state[12];
    var a13 = keccak_state[13];
    var a14 = keccak_state[14];
    var a15 = keccak_state[15];
    var a16 = keccak_state[16];
    var a17 = keccak_state[17];
    var a18 = keccak_state[18];
    var a19 = keccak_state[19];
    var a20 = keccak_state[20];
    var a21 = keccak_state[21];
    var a22 = keccak_state[22];
    var a23 = keccak_state[23];
    var a24 = keccak_state[24];
    for (var round = 0u; round < 24u; round++) {
        let c0 = a0 ^ a5 ^ a10 ^ a15 ^ a20;
        let c1 = a1 ^ a6 ^ a11 ^ a16 ^ a21;
        let c2 = a2 ^ a7 ^ a12 ^ a17 ^ a22;
        let c3 = a3 ^ a8 ^ a13 ^ a18 ^ a23;
        let c4 = a4 ^ a9 ^ a14 ^ a19 ^ a24;
        let d0 = c4 ^ rotl64(c1, 1u);
        let d1 = c0 ^ rotl64(c2, 1u);
        let d2 = c1 ^ rotl64(c3, 1u);
        let d3 = c2 ^ rotl64(c4, 1u);
        let d4 = c3 ^ rotl64(c0, 1u);
        let b0 = a0 ^ d0;
        let b1 = rotl64((a6 ^ d1).yx, 12u);
        let b2 = rotl64((a12 ^ d2).yx, 11u);
        let b3 = rotl64(a18 ^ d3, 21u);
        let b4 = rotl64(a24 ^ d4, 14u);
        let b5 = rotl64(a3 ^ d3, 28u);
        let b6 = rotl64(a9 ^ d4, 20u);
        let b7 = rotl64(a10 ^ d0, 3u);
        let b8 = rotl64((a16 ^ d1).yx, 13u);
        let b9 = rotl64((a22 ^ d2).yx, 29u);
        let b10 = rotl64(a1 ^ d1, 1u);
        let b11 = rotl64(a7 ^ d2, 6u);
        let b12 = rotl64(a13 ^ d3, 25u);
        let b13 = rotl64(a19 ^ d4, 8u);
        let b14 = rotl64(a20 ^ d0, 18u);
        let b15 = rotl64(a4 ^ d4, 27u);
        let b16 = rotl64((a5 ^ d0).yx, 4u);
        let b17 = rotl64(a11 ^ d1, 10u);
        let b18 = rotl64(a17 ^ d2, 15u);
        let b19 = rotl64((a23 ^ d3).yx, 24u);
        let b20 = rotl64((a2 ^ d2).yx, 30u);
        let b21 = rotl64((a8 ^ d3).yx, 23u);
        let b22 = rotl64((a14 ^ d4).yx, 7u);
        let b23 = rotl64((a15 ^ d0).yx, 9u);
        let b24 = rotl64(a21 ^ d1, 2u);
        a0 = b0 ^ (~b1 & b2);
        a1 = b1 ^ (~b2 & b3);
        a2 = b2 ^ (~b3 & b4);
        a3 = b3 ^ (~b4 & b0);
        a4 = b4 ^ (~b0 & b1);
        a5 = b5 ^ (~b6 & b7);
        a6 = b6 ^ (~b7 & b8);
        a7 = b7 ^ (~b8 & b9);
        a8 = b8 ^ (~b9 & b5);
        a9 = b9 ^ (~b5 & b6);
        a10 = b10 ^ (~b11 & b12);
        a11 = b11 ^ (~b12 & b13);
        a12 = b12 ^ (~b13 & b14);
        a13 = b13 ^ (~b14 & b10);
        a14 = b14 ^ (~b10 & b11);
        a15 = b15 ^ (~b16 & b17);
        a16 = b16 ^ (~b17 & b18);
        a17 = b17 ^ (~b18 & b19);
        a18 = b18 ^ (~b19 & b15);
        a19 = b19 ^ (~b15 & b16);
        a20 = b20 ^ (~b21 & b22);
        a21 = b21 ^ (~b22 & b23);
        a22 = b22 ^ (~b23 & b24);
        a23 = b23 ^ (~b24 & b20);
        a24 = b24 ^ (~b20 & b21);
        a0 ^= keccak_round_constants[round];
    }
    keccak_state[0] = a0;
    keccak_state[1] = a1;
    keccak_state[2] = a2;
    keccak_state[3] = a3;
    keccak_state[4] = a4;
    keccak_state[5] = a5;
    keccak_state[6] = a6;
    keccak_state[7] = a7;
    keccak_state[8] = a8;
    keccak_state[9] = a9;
    keccak_state[10] = a10;
    keccak_state[11] = a11;
    keccak_state[12] = a12;
    keccak_state[13] = a13;
    keccak_state[14] = a14;
    keccak_state[15] = a15;
    keccak_state[16] = a16;
    keccak_state[17] = a17;
    keccak_state[18] = a18;
    keccak_state[19] = a19;
    keccak_state[20] = a20;
    keccak_state[21] = a21;
    keccak_state[22] = a22;
    keccak_state[23] = a23;
    keccak_state[24] = a24;
}
