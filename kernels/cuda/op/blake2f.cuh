// The BLAKE2b compression function F (EIP-152, RFC 7693): precompile 0x09.
#ifndef WARPEVM_OP_BLAKE2F_CUH
#define WARPEVM_OP_BLAKE2F_CUH

#include "blake2f_x86.cuh"
#include "u256.cuh"

namespace warpevm {

constexpr u32 blake2f_input_bytes = 213;

WE_CONST u64 blake2b_iv[8] = {
    0x6a09e667f3bcc908ull, 0xbb67ae8584caa73bull, 0x3c6ef372fe94f82bull, 0xa54ff53a5f1d36f1ull,
    0x510e527fade682d1ull, 0x9b05688c2b3e6c1full, 0x1f83d9abfb41bd6bull, 0x5be0cd19137e2179ull,
};

WE_CONST u8 blake2b_sigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

WE_DEV WE_INLINE void blake2b_mix(u64& a, u64& b, u64& c, u64& d, u64 x, u64 y) {
    a += b + x;
    d = rotr64(d ^ a, 32);
    c += d;
    b = rotr64(b ^ c, 24);
    a += b + y;
    d = rotr64(d ^ a, 16);
    c += d;
    b = rotr64(b ^ c, 63);
}

WE_DEV WE_INLINE void blake2b_rounds(u64 (&v)[16], const u64 (&m)[16], u32 rounds) {
#ifdef WE_BLAKE2F_X86
    if (has_avx2) {
        blake2b_rounds_x86(v, m, blake2b_sigma, rounds);
        return;
    }
#endif
    u32 row = 0;
    WE_ROLL
    for (u32 r = 0; r < rounds; r++) {
        const u8* s = blake2b_sigma[row];
        row = row == 9 ? 0 : row + 1;
        blake2b_mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
        blake2b_mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
        blake2b_mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
        blake2b_mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
        blake2b_mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
        blake2b_mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
        blake2b_mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
        blake2b_mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
    }
}

// h := F(h, m, t, final) with `rounds` rounds. The work is linear in `rounds`, for which the
// caller has charged one gas each.
WE_DEV WE_NOINLINE void blake2b_compress(u64 (&h)[8], const u64 (&m)[16], u64 t0, u64 t1,
                                         bool final_block, u32 rounds) {
    u64 v[16];
    WE_UNROLL
    for (u32 i = 0; i < 8; i++) v[i] = h[i], v[i + 8] = blake2b_iv[i];
    v[12] ^= t0;
    v[13] ^= t1;
    if (final_block) v[14] = ~v[14];
    blake2b_rounds(v, m, rounds);
    WE_UNROLL
    for (u32 i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
}

// The number of rounds, which is also the gas; the caller has checked that the input has
// blake2f_input_bytes. Src is a byte source as in keccak.cuh.
template <class Src>
WE_DEV WE_INLINE u32 blake2f_rounds(const Src& src) {
    return bswap32((u32)src.load8(0));
}

// The precompile on an input of exactly blake2f_input_bytes; false (a failing call) unless the
// final-block flag is 0 or 1. The 64 output bytes are out[0], out[1] as big-endian words.
template <class Src>
WE_DEV WE_INLINE bool blake2f(const Src& src, u256 (&out)[2]) {
    u8 flag = src.byte(blake2f_input_bytes - 1);
    if (flag > 1) return false;
    u64 h[8], m[16];
    for (u32 i = 0; i < 8; i++) h[i] = src.load8(4 + 8 * i);
    for (u32 i = 0; i < 16; i++) m[i] = src.load8(68 + 8 * i);
    blake2b_compress(h, m, src.load8(196), src.load8(204), flag == 1, blake2f_rounds(src));
    WE_UNROLL
    for (u32 i = 0; i < 2; i++) {
        out[i] = from_u64x4(bswap64(h[4 * i + 3]), bswap64(h[4 * i + 2]), bswap64(h[4 * i + 1]),
                            bswap64(h[4 * i]));
    }
    return true;
}

}  // namespace warpevm

#endif  // WARPEVM_OP_BLAKE2F_CUH
