// SHA-256 (FIPS 180-4): precompile 0x02.
#ifndef WARPEVM_OP_SHA256_CUH
#define WARPEVM_OP_SHA256_CUH

#include "md_padding.cuh"
#include "sha256_x86.cuh"
#include "u256.cuh"

namespace warpevm {

WE_CONST u32 sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// One step; the caller rotates the names of a..h instead of moving values.
#define WE_SHA256_STEP(a, b, c, d, e, f, g, h, i) \
    do { \
        u32 t1 = h + (rotr32(e, 6) ^ rotr32(e, 11) ^ rotr32(e, 25)) + ((e & f) ^ (~e & g)) + \
                 sha256_k[round + i] + w[i]; \
        u32 t2 = (rotr32(a, 2) ^ rotr32(a, 13) ^ rotr32(a, 22)) + ((a & b) ^ (a & c) ^ (b & c)); \
        d += t1; \
        h = t1 + t2; \
    } while (0)

// w[i] for the next sixteen rounds, from the last sixteen.
#define WE_SHA256_EXTEND(i) \
    do { \
        u32 x = w[(i + 1) & 15], y = w[(i + 14) & 15]; \
        w[i] += (rotr32(x, 7) ^ rotr32(x, 18) ^ (x >> 3)) + w[(i + 9) & 15] + \
                (rotr32(y, 17) ^ rotr32(y, 19) ^ (y >> 10)); \
    } while (0)

// Compresses one block w (big-endian words, overwritten) into the state s.
WE_DEV WE_NOINLINE void sha256_compress(u32 (&s)[8], u32 (&w)[16]) {
    u32 a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
    WE_ROLL
    for (u32 round = 0; round < 64; round += 16) {
        WE_SHA256_STEP(a, b, c, d, e, f, g, h, 0);
        WE_SHA256_STEP(h, a, b, c, d, e, f, g, 1);
        WE_SHA256_STEP(g, h, a, b, c, d, e, f, 2);
        WE_SHA256_STEP(f, g, h, a, b, c, d, e, 3);
        WE_SHA256_STEP(e, f, g, h, a, b, c, d, 4);
        WE_SHA256_STEP(d, e, f, g, h, a, b, c, 5);
        WE_SHA256_STEP(c, d, e, f, g, h, a, b, 6);
        WE_SHA256_STEP(b, c, d, e, f, g, h, a, 7);
        WE_SHA256_STEP(a, b, c, d, e, f, g, h, 8);
        WE_SHA256_STEP(h, a, b, c, d, e, f, g, 9);
        WE_SHA256_STEP(g, h, a, b, c, d, e, f, 10);
        WE_SHA256_STEP(f, g, h, a, b, c, d, e, 11);
        WE_SHA256_STEP(e, f, g, h, a, b, c, d, 12);
        WE_SHA256_STEP(d, e, f, g, h, a, b, c, 13);
        WE_SHA256_STEP(c, d, e, f, g, h, a, b, 14);
        WE_SHA256_STEP(b, c, d, e, f, g, h, a, 15);
        WE_UNROLL
        for (u32 i = 0; i < 16; i++) WE_SHA256_EXTEND(i);
    }
    s[0] += a, s[1] += b, s[2] += c, s[3] += d, s[4] += e, s[5] += f, s[6] += g, s[7] += h;
}

#undef WE_SHA256_STEP
#undef WE_SHA256_EXTEND

// SHA-256 of `len` bytes of a byte source (see keccak.cuh), as the EVM word of its 32 bytes.
template <class Src>
WE_DEV WE_INLINE u256 sha256(const Src& src, u32 len) {
    u32 s[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    u32 blocks = md_block_count(len);
    WE_ROLL
    for (u32 i = 0; i < blocks; i++) {
        u32 w[16];
        WE_ROLL
        for (u32 j = 0; j < 8; j++) {
            u64 x = bswap64(md_padded_lane(src, len, (u64)i * md_block_bytes + 8 * j));
            if (j == 7 && i + 1 == blocks) x = (u64)len * 8;
            w[2 * j] = (u32)(x >> 32);
            w[2 * j + 1] = (u32)x;
        }
#if WE_SHA256_X86
        if (has_sha256_x86) {
            sha256_compress_x86(s, w, sha256_k);
            continue;
        }
#endif
        sha256_compress(s, w);
    }
    return from_u64x4(((u64)s[6] << 32) | s[7], ((u64)s[4] << 32) | s[5],
                      ((u64)s[2] << 32) | s[3], ((u64)s[0] << 32) | s[1]);
}

}  // namespace warpevm

#endif  // WARPEVM_OP_SHA256_CUH
