// RIPEMD-160 (Dobbertin, Bosselaers, Preneel 1996): precompile 0x03.
//
// It is rare on chain, so the code is small: the two lines are one rolled loop over tables.
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

WE_DEV WE_NOINLINE void ripemd160_compress(u32 (&s)[5], const u32 (&w)[16]) {
    u32 out[2][5];
    WE_ROLL
    for (u32 line = 0; line < 2; line++) {
        u32 a = s[0], b = s[1], c = s[2], d = s[3], e = s[4];
        WE_ROLL
        for (u32 i = 0; i < 80; i++) {
            u32 group = i / 16, step = ripemd160_steps[line][i];
            u32 f = ripemd160_f(line == 0 ? group : 4 - group, b, c, d);
            u32 x = a + f + w[step & 15] + ripemd160_constants[line][group];
            a = e;
            e = d;
            d = rotl32(c, 10);
            c = b;
            b = rotl32(x, step >> 4) + a;
        }
        out[line][0] = a, out[line][1] = b, out[line][2] = c, out[line][3] = d, out[line][4] = e;
    }
    u32 t = s[1] + out[0][2] + out[1][3];
    s[1] = s[2] + out[0][3] + out[1][4];
    s[2] = s[3] + out[0][4] + out[1][0];
    s[3] = s[4] + out[0][0] + out[1][1];
    s[4] = s[0] + out[0][1] + out[1][2];
    s[0] = t;
}

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
