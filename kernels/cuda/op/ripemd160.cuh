// RIPEMD-160 (Dobbertin, Bosselaers, Preneel 1996): precompile 0x03.
//
// It is rare on chain, so the code on the device is small: one rolled loop over tables takes a step
// of both lines, which do not depend on each other. On the CPU it is unrolled, 7 KB.
#ifndef WARPEVM_OP_RIPEMD160_CUH
#define WARPEVM_OP_RIPEMD160_CUH

#include "md_padding.cuh"
#include "u256.cuh"

namespace warpevm {

// Per step: message word index (low nibble) and rotation (high nibble), left line then right line.
WE_CONST u8 ripemd160_steps[2][80] = {
    {0xb0, 0xe1, 0xf2, 0xc3, 0x54, 0x85, 0x76, 0x97, 0xb8, 0xd9,
     0xea, 0xfb, 0x6c, 0x7d, 0x9e, 0x8f, 0x77, 0x64, 0x8d, 0xd1,
     0xba, 0x96, 0x7f, 0xf3, 0x7c, 0xc0, 0xf9, 0x95, 0xb2, 0x7e,
     0xdb, 0xc8, 0xb3, 0xda, 0x6e, 0x74, 0xe9, 0x9f, 0xd8, 0xf1,
     0xe2, 0x87, 0xd0, 0x66, 0x5d, 0xcb, 0x75, 0x5c, 0xb1, 0xc9,
     0xeb, 0xfa, 0xe0, 0xf8, 0x9c, 0x84, 0x9d, 0xe3, 0x57, 0x6f,
     0x8e, 0x65, 0x56, 0xc2, 0x94, 0xf0, 0x55, 0xb9, 0x67, 0x8c,
     0xd2, 0xca, 0x5e, 0xc1, 0xd3, 0xe8, 0xbb, 0x86, 0x5f, 0x6d},
    {0x85, 0x9e, 0x97, 0xb0, 0xd9, 0xf2, 0xfb, 0x54, 0x7d, 0x76,
     0x8f, 0xb8, 0xe1, 0xea, 0xc3, 0x6c, 0x96, 0xdb, 0xf3, 0x77,
     0xc0, 0x8d, 0x95, 0xba, 0x7e, 0x7f, 0xc8, 0x7c, 0x64, 0xf9,
     0xd1, 0xb2, 0x9f, 0x75, 0xf1, 0xb3, 0x87, 0x6e, 0x66, 0xe9,
     0xcb, 0xd8, 0x5c, 0xe2, 0xda, 0xd0, 0x74, 0x5d, 0xf8, 0x56,
     0x84, 0xb1, 0xe3, 0xeb, 0x6f, 0xe0, 0x65, 0x9c, 0xc2, 0x9d,
     0xc9, 0x57, 0xfa, 0x8e, 0x8c, 0x5f, 0xca, 0x94, 0xc1, 0x55,
     0xe8, 0x67, 0x86, 0xd2, 0x6d, 0x5e, 0xf0, 0xd3, 0xb9, 0xbb},
};

WE_CONST u32 ripemd160_constants[2][5] = {
    {0x00000000, 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xa953fd4e},
    {0x50a28be6, 0x5c4dd124, 0x6d703ef3, 0x7a6d76e9, 0x00000000},
};

WE_DEV WE_INLINE u32 ripemd160_f(u32 group, u32 x, u32 y, u32 z) {
    switch (group) {
        case 0: return x ^ y ^ z;
        case 1: return (x & y) | (~x & z);
        case 2: return (x | ~y) ^ z;
        case 3: return (x & z) | (y & ~z);
        default: return x ^ (y | ~z);
    }
}

#if WE_CUDA
#define WE_RIPEMD160_LOOP WE_ROLL
#else
#define WE_RIPEMD160_LOOP WE_UNROLL
#endif

// Step i of a group of 16 of one line.
WE_DEV WE_INLINE void ripemd160_step(u32 (&v)[5], const u32 (&w)[16], u32 line, u32 group, u32 i) {
    u32 step = ripemd160_steps[line][16 * group + i];
    u32 f = ripemd160_f(line == 0 ? group : 4 - group, v[1], v[2], v[3]);
    u32 x = v[0] + f + w[step & 15] + ripemd160_constants[line][group];
    v[0] = v[4];
    v[4] = v[3];
    v[3] = rotl32(v[2], 10);
    v[2] = v[1];
    v[1] = rotl32(x, step >> 4) + v[0];
}

WE_DEV WE_NOINLINE void ripemd160_compress(u32 (&s)[5], const u32 (&w)[16]) {
    u32 left[5] = {s[0], s[1], s[2], s[3], s[4]}, right[5] = {s[0], s[1], s[2], s[3], s[4]};
    WE_RIPEMD160_LOOP
    for (u32 group = 0; group < 5; group++) {
        WE_RIPEMD160_LOOP
        for (u32 i = 0; i < 16; i++) {
            ripemd160_step(left, w, 0, group, i);
            ripemd160_step(right, w, 1, group, i);
        }
    }
    u32 t = s[1] + left[2] + right[3];
    s[1] = s[2] + left[3] + right[4];
    s[2] = s[3] + left[4] + right[0];
    s[3] = s[4] + left[0] + right[1];
    s[4] = s[0] + left[1] + right[2];
    s[0] = t;
}

#undef WE_RIPEMD160_LOOP

// RIPEMD-160 of `len` bytes of a byte source (see keccak.cuh): the 20 bytes as the low 20 bytes of
// an EVM word, as the precompile returns them.
template <class Src>
WE_DEV WE_INLINE u256 ripemd160(const Src& src, u32 len) {
    u32 s[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    u32 blocks = md_block_count(len);
    WE_ROLL
    for (u32 i = 0; i < blocks; i++) {
        u32 w[16];
        WE_ROLL
        for (u32 j = 0; j < 8; j++) {
            u64 x = md_padded_lane(src, len, (u64)i * md_block_bytes + 8 * j);
            if (j == 7 && i + 1 == blocks) x = (u64)len * 8;
            w[2 * j] = (u32)x;
            w[2 * j + 1] = (u32)(x >> 32);
        }
        ripemd160_compress(s, w);
    }
    return from_u64x4(((u64)bswap32(s[3]) << 32) | bswap32(s[4]),
                      ((u64)bswap32(s[1]) << 32) | bswap32(s[2]), bswap32(s[0]), 0);
}

}  // namespace warpevm

#endif  // WARPEVM_OP_RIPEMD160_CUH
