// Keccak-256 with the original padding (0x01), as KECCAK256 and address derivation use it.
//
// The hash is returned as the EVM word: the 32 output bytes read big-endian.
#ifndef WARPEVM_OP_KECCAK_CUH
#define WARPEVM_OP_KECCAK_CUH

#include "u256.cuh"

namespace warpevm {

constexpr u32 keccak_rate_bytes = 136;
constexpr u32 keccak_rate_lanes = keccak_rate_bytes / 8;

WE_CONST u64 keccak_round_constants[24] = {
    0x0000000000000001ull, 0x0000000000008082ull, 0x800000000000808aull, 0x8000000080008000ull,
    0x000000000000808bull, 0x0000000080000001ull, 0x8000000080008081ull, 0x8000000000008009ull,
    0x000000000000008aull, 0x0000000000000088ull, 0x0000000080008009ull, 0x000000008000000aull,
    0x000000008000808bull, 0x800000000000008bull, 0x8000000000008089ull, 0x8000000000008003ull,
    0x8000000000008002ull, 0x8000000000000080ull, 0x000000000000800aull, 0x800000008000000aull,
    0x8000000080008081ull, 0x8000000000008080ull, 0x0000000080000001ull, 0x8000000080008008ull,
};

struct KeccakState {
    u64 lane[25];  // lane (x, y) at x + 5 * y
};

// One output row of rho, pi and chi: b_i = rotl(a_i ^ d_i, r_i), e_i = b_i ^ (~b_{i+1} & b_{i+2}).
#define WE_KECCAK_ROW(a, e, y, i0, r0, i1, r1, i2, r2, i3, r3, i4, r4) \
    do { \
        u64 b0 = WE_KECCAK_ROT(a[i0] ^ d[i0 % 5], r0), b1 = rotl64(a[i1] ^ d[i1 % 5], r1); \
        u64 b2 = rotl64(a[i2] ^ d[i2 % 5], r2), b3 = rotl64(a[i3] ^ d[i3 % 5], r3); \
        u64 b4 = rotl64(a[i4] ^ d[i4 % 5], r4); \
        e[5 * y] = b0 ^ (~b1 & b2); \
        e[5 * y + 1] = b1 ^ (~b2 & b3); \
        e[5 * y + 2] = b2 ^ (~b3 & b4); \
        e[5 * y + 3] = b3 ^ (~b4 & b0); \
        e[5 * y + 4] = b4 ^ (~b0 & b1); \
    } while (0)
#define WE_KECCAK_ROT(x, r) ((r) == 0 ? (x) : rotl64(x, (r) == 0 ? 1 : (r)))

// Round a -> e. The indices are literals, so that both states live in registers.
#define WE_KECCAK_ROUND(a, e, rc) \
    do { \
        u64 c0 = a[0] ^ a[5] ^ a[10] ^ a[15] ^ a[20], c1 = a[1] ^ a[6] ^ a[11] ^ a[16] ^ a[21]; \
        u64 c2 = a[2] ^ a[7] ^ a[12] ^ a[17] ^ a[22], c3 = a[3] ^ a[8] ^ a[13] ^ a[18] ^ a[23]; \
        u64 c4 = a[4] ^ a[9] ^ a[14] ^ a[19] ^ a[24]; \
        u64 d[5] = {c4 ^ rotl64(c1, 1), c0 ^ rotl64(c2, 1), c1 ^ rotl64(c3, 1), \
                    c2 ^ rotl64(c4, 1), c3 ^ rotl64(c0, 1)}; \
        WE_KECCAK_ROW(a, e, 0, 0, 0, 6, 44, 12, 43, 18, 21, 24, 14); \
        e[0] ^= rc; \
        WE_KECCAK_ROW(a, e, 1, 3, 28, 9, 20, 10, 3, 16, 45, 22, 61); \
        WE_KECCAK_ROW(a, e, 2, 1, 1, 7, 6, 13, 25, 19, 8, 20, 18); \
        WE_KECCAK_ROW(a, e, 3, 4, 27, 5, 36, 11, 10, 17, 15, 23, 56); \
        WE_KECCAK_ROW(a, e, 4, 2, 62, 8, 55, 14, 39, 15, 41, 21, 2); \
    } while (0)

WE_DEV WE_INLINE void keccak_f_rounds(KeccakState& s) {
    u64 a[25], e[25];
    WE_UNROLL
    for (u32 i = 0; i < 25; i++) a[i] = s.lane[i];
    WE_ROLL
    for (u32 round = 0; round < 24; round += 2) {
        WE_KECCAK_ROUND(a, e, keccak_round_constants[round]);
        WE_KECCAK_ROUND(e, a, keccak_round_constants[round + 1]);
    }
    WE_UNROLL
    for (u32 i = 0; i < 25; i++) s.lane[i] = a[i];
}

#if !WE_CUDA && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
// Vectorisers only lose time on a single state (GCC 12 with AVX-512: 490 ns instead of 280), and
// the and-not of BMI saves 15% over the baseline instruction set.
#define WE_KECCAK_TUNE __attribute__((optimize("no-tree-vectorize")))
#if !defined(__BMI2__)
#define WE_KECCAK_BMI 1
__attribute__((target("bmi,bmi2"))) WE_KECCAK_TUNE WE_NOINLINE void keccak_f_bmi(KeccakState& s) {
    keccak_f_rounds(s);
}
#endif
#else
#define WE_KECCAK_TUNE
#endif

// keccak-f[1600].
WE_KECCAK_TUNE WE_DEV WE_NOINLINE void keccak_f(KeccakState& s) {
#ifdef WE_KECCAK_BMI
    if (__builtin_cpu_supports("bmi2")) return keccak_f_bmi(s);
#endif
    keccak_f_rounds(s);
}

#undef WE_KECCAK_TUNE
#undef WE_KECCAK_BMI
#undef WE_KECCAK_ROUND
#undef WE_KECCAK_ROW
#undef WE_KECCAK_ROT

// The first 32 bytes of the state as an EVM word.
WE_DEV WE_INLINE u256 keccak_squeeze_word(const KeccakState& s) {
    return from_u64x4(bswap64(s.lane[3]), bswap64(s.lane[2]), bswap64(s.lane[1]),
                      bswap64(s.lane[0]));
}

WE_DEV WE_INLINE void keccak_set_word(KeccakState& s, u32 lane, const u256& a) {
    s.lane[lane] = bswap64(u64_at(a, 3));
    s.lane[lane + 1] = bswap64(u64_at(a, 2));
    s.lane[lane + 2] = bswap64(u64_at(a, 1));
    s.lane[lane + 3] = bswap64(u64_at(a, 0));
}

WE_DEV WE_INLINE KeccakState keccak_zero_state() {
    KeccakState s;
    WE_UNROLL
    for (u32 i = 0; i < 25; i++) s.lane[i] = 0;
    return s;
}

// keccak256 of the 32 bytes of one word and of the 64 bytes of two (big-endian, a first): what
// Solidity hashes for array and mapping slots.
WE_DEV WE_INLINE u256 keccak256_1(const u256& a) {
    KeccakState s = keccak_zero_state();
    keccak_set_word(s, 0, a);
    s.lane[4] = 1;
    s.lane[keccak_rate_lanes - 1] = 0x8000000000000000ull;
    keccak_f(s);
    return keccak_squeeze_word(s);
}

WE_DEV WE_INLINE u256 keccak256_2(const u256& a, const u256& b) {
    KeccakState s = keccak_zero_state();
    keccak_set_word(s, 0, a);
    keccak_set_word(s, 4, b);
    s.lane[8] = 1;
    s.lane[keccak_rate_lanes - 1] = 0x8000000000000000ull;
    keccak_f(s);
    return keccak_squeeze_word(s);
}

// keccak256 of the `len` bytes of a byte source. Src is any type with
//   u64 load8(u32 off) const   8 bytes from `off`, little-endian; only called with off + 8 <= len
//   u8 byte(u32 off) const     only called with off < len
// The sha256 and ripemd160 functions take the same kind of source.
template <class Src>
WE_DEV WE_INLINE u256 keccak256(const Src& src, u32 len) {
    KeccakState s = keccak_zero_state();
    u32 off = 0;
    // The loops over lanes stay rolled: the state is in memory across the call of keccak_f anyway,
    // and sources expand to much code.
    WE_ROLL
    while (len - off >= keccak_rate_bytes) {
        WE_ROLL
        for (u32 i = 0; i < keccak_rate_lanes; i++) s.lane[i] ^= src.load8(off + 8 * i);
        keccak_f(s);
        off += keccak_rate_bytes;
    }
    u32 lanes = (len - off) / 8, tail = (len - off) % 8;
    WE_ROLL
    for (u32 i = 0; i < lanes; i++, off += 8) s.lane[i] ^= src.load8(off);
    // The last, partial lane carries the tail bytes and the first padding bit.
    u64 x = (u64)1 << (8 * tail);
    WE_ROLL
    for (u32 j = 0; j < tail; j++) x |= (u64)src.byte(off + j) << (8 * j);
    s.lane[lanes] ^= x;
    s.lane[keccak_rate_lanes - 1] ^= 0x8000000000000000ull;
    keccak_f(s);
    return keccak_squeeze_word(s);
}

// A contiguous byte source; no alignment needed.
struct ByteSource {
    const u8* data;
    WE_DEV WE_INLINE u64 load8(u32 off) const { return load_le64(data + off); }
    WE_DEV WE_INLINE u8 byte(u32 off) const { return data[off]; }
};

}  // namespace warpevm

#endif  // WARPEVM_OP_KECCAK_CUH
