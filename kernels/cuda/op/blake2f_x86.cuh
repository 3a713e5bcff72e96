// The BLAKE2b compression function with AVX2: on the CPU only, where the processor has it. The
// portable one is what the GPU runs.
#ifndef WARPEVM_OP_BLAKE2F_X86_CUH
#define WARPEVM_OP_BLAKE2F_X86_CUH

#include "base.cuh"

// The build with the device's limbs keeps the device's code, so that tests reach both.
#if !WE_CUDA && defined(__x86_64__) && !defined(WE_LIMBS32)
#define WE_BLAKE2F_X86 1

#include <immintrin.h>

namespace warpevm {

#define WE_AVX2 inline __attribute__((target("avx2"), always_inline))

// Whether the processor and the operating system have AVX2: asked once, when the program starts.
static const bool has_avx2 = (__builtin_cpu_init(), __builtin_cpu_supports("avx2") != 0);

// A row of the 4x4 matrix of words.
typedef __m256i blake2b_row;

WE_AVX2 blake2b_row blake2b_rotr32(blake2b_row x) { return _mm256_shuffle_epi32(x, 0xb1); }

WE_AVX2 blake2b_row blake2b_rotr24(blake2b_row x) {
    return _mm256_shuffle_epi8(
        x, _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0,
                            1, 2, 11, 12, 13, 14, 15, 8, 9, 10));
}

WE_AVX2 blake2b_row blake2b_rotr16(blake2b_row x) {
    return _mm256_shuffle_epi8(
        x, _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7,
                            0, 1, 10, 11, 12, 13, 14, 15, 8, 9));
}

WE_AVX2 blake2b_row blake2b_rotr63(blake2b_row x) {
    return _mm256_or_si256(_mm256_srli_epi64(x, 63), _mm256_add_epi64(x, x));
}

WE_AVX2 blake2b_row blake2b_pick(const u64 (&m)[16], u8 i, u8 j, u8 k, u8 l) {
    __m128d low = _mm_loadh_pd(_mm_load_sd((const double*)&m[i]), (const double*)&m[j]);
    __m128d high = _mm_loadh_pd(_mm_load_sd((const double*)&m[k]), (const double*)&m[l]);
    return _mm256_castpd_si256(_mm256_insertf128_pd(_mm256_castpd128_pd256(low), high, 1));
}

// Four mixings at once: of the columns, or of the diagonals once these are columns.
WE_AVX2 void blake2b_mix4(blake2b_row& a, blake2b_row& b, blake2b_row& c, blake2b_row& d,
                          blake2b_row x, blake2b_row y) {
    a = _mm256_add_epi64(a, _mm256_add_epi64(b, x));
    d = blake2b_rotr32(_mm256_xor_si256(d, a));
    c = _mm256_add_epi64(c, d);
    b = blake2b_rotr24(_mm256_xor_si256(b, c));
    a = _mm256_add_epi64(a, _mm256_add_epi64(b, y));
    d = blake2b_rotr16(_mm256_xor_si256(d, a));
    c = _mm256_add_epi64(c, d);
    b = blake2b_rotr63(_mm256_xor_si256(b, c));
}

WE_AVX2 void blake2b_round4(blake2b_row& a, blake2b_row& b, blake2b_row& c, blake2b_row& d,
                            const u64 (&m)[16], const u8 (&s)[16]) {
    blake2b_mix4(a, b, c, d, blake2b_pick(m, s[0], s[2], s[4], s[6]),
                 blake2b_pick(m, s[1], s[3], s[5], s[7]));
    // The diagonals become columns; row b, on which the next step waits, stays in place, so the
    // column of b's first word is the fourth diagonal.
    a = _mm256_permute4x64_epi64(a, 0x93);
    c = _mm256_permute4x64_epi64(c, 0x39);
    d = _mm256_permute4x64_epi64(d, 0x4e);
    blake2b_mix4(a, b, c, d, blake2b_pick(m, s[14], s[8], s[10], s[12]),
                 blake2b_pick(m, s[15], s[9], s[11], s[13]));
    a = _mm256_permute4x64_epi64(a, 0x39);
    c = _mm256_permute4x64_epi64(c, 0x93);
    d = _mm256_permute4x64_epi64(d, 0x4e);
}

// `rounds` rounds on the state v of 16 words.
__attribute__((target("avx2"), noinline)) inline void blake2b_rounds_x86(
    u64 (&v)[16], const u64 (&m)[16], const u8 (&sigma)[10][16], u32 rounds) {
    blake2b_row a = _mm256_loadu_si256((const __m256i*)&v[0]);
    blake2b_row b = _mm256_loadu_si256((const __m256i*)&v[4]);
    blake2b_row c = _mm256_loadu_si256((const __m256i*)&v[8]);
    blake2b_row d = _mm256_loadu_si256((const __m256i*)&v[12]);
    u32 row = 0;
    for (u32 r = 0; r < rounds; r++) {
        blake2b_round4(a, b, c, d, m, sigma[row]);
        row = row == 9 ? 0 : row + 1;
    }
    _mm256_storeu_si256((__m256i*)&v[0], a);
    _mm256_storeu_si256((__m256i*)&v[4], b);
    _mm256_storeu_si256((__m256i*)&v[8], c);
    _mm256_storeu_si256((__m256i*)&v[12], d);
}

}  // namespace warpevm

#endif
#endif  // WARPEVM_OP_BLAKE2F_X86_CUH
