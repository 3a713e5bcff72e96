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

// A row of the 4x4 matrix of words, in the order 0, 2, 1, 3: a rotation by two words stays within
// the halves, where it takes one cycle. Across them a permutation takes 6 on AMD's Zen 3, and an
// exchange of the halves 3.
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

// a + x + b in this order, which the compiler would choose by itself: every step waits for row b of
// the step before it, so what is there earlier is added first.
WE_AVX2 blake2b_row blake2b_add3(blake2b_row a, blake2b_row x, blake2b_row b) {
    blake2b_row sum = _mm256_add_epi64(a, x);
    asm("" : "+x"(sum));
    return _mm256_add_epi64(sum, b);
}

WE_AVX2 blake2b_row blake2b_load(const u64 (&v)[16], u32 at) {
    return _mm256_permute4x64_epi64(_mm256_loadu_si256((const __m256i*)&v[at]), 0xd8);
}

WE_AVX2 void blake2b_store(u64 (&v)[16], u32 at, blake2b_row x) {
    _mm256_storeu_si256((__m256i*)&v[at], _mm256_permute4x64_epi64(x, 0xd8));
}

// Four mixings at once: of the columns, or of the diagonals once these are columns.
WE_AVX2 void blake2b_mix4(blake2b_row& a, blake2b_row& b, blake2b_row& c, blake2b_row& d,
                          const blake2b_row& x, const blake2b_row& y) {
    a = blake2b_add3(a, x, b);
    d = blake2b_rotr32(_mm256_xor_si256(d, a));
    c = _mm256_add_epi64(c, d);
    b = blake2b_rotr24(_mm256_xor_si256(b, c));
    a = blake2b_add3(a, y, b);
    d = blake2b_rotr16(_mm256_xor_si256(d, a));
    c = _mm256_add_epi64(c, d);
    b = blake2b_rotr63(_mm256_xor_si256(b, c));
}

// Rotations of a row by one, two and three words.
WE_AVX2 blake2b_row blake2b_swap(blake2b_row x) { return _mm256_permute2x128_si256(x, x, 1); }
WE_AVX2 blake2b_row blake2b_words1(blake2b_row x) {
    return _mm256_castpd_si256(_mm256_permute_pd(_mm256_castsi256_pd(blake2b_swap(x)), 6));
}
WE_AVX2 blake2b_row blake2b_words2(blake2b_row x) { return _mm256_shuffle_epi32(x, 0x4e); }
WE_AVX2 blake2b_row blake2b_words3(blake2b_row x) {
    return _mm256_castpd_si256(_mm256_permute_pd(_mm256_castsi256_pd(blake2b_swap(x)), 9));
}

// What a round of the schedule adds: rows x and y for the columns, then for the diagonals.
struct blake2b_message {
    blake2b_row row[4];
};

// Between the two halves of a round the diagonals become columns. Row b, on which the next step
// waits, stays in place, so the column of b's first word is the fourth diagonal.
WE_AVX2 void blake2b_gather(blake2b_message& message, const u64 (&m)[16], const u8 (&s)[16]) {
    message.row[0] = blake2b_pick(m, s[0], s[4], s[2], s[6]);
    message.row[1] = blake2b_pick(m, s[1], s[5], s[3], s[7]);
    message.row[2] = blake2b_pick(m, s[14], s[10], s[8], s[12]);
    message.row[3] = blake2b_pick(m, s[15], s[11], s[9], s[13]);
}

WE_AVX2 void blake2b_round4(blake2b_row& a, blake2b_row& b, blake2b_row& c, blake2b_row& d,
                            const blake2b_message& message) {
    blake2b_mix4(a, b, c, d, message.row[0], message.row[1]);
    a = blake2b_words3(a);
    c = blake2b_words1(c);
    d = blake2b_words2(d);
    blake2b_mix4(a, b, c, d, message.row[2], message.row[3]);
    a = blake2b_words1(a);
    c = blake2b_words3(c);
    d = blake2b_words2(d);
}

// `rounds` rounds on the state v of 16 words. The schedule repeats after ten rounds: the first ten
// gather their words of the message, the others find them gathered.
__attribute__((target("avx2"), noinline)) inline void blake2b_rounds_x86(
    u64 (&v)[16], const u64 (&m)[16], const u8 (&sigma)[10][16], u32 rounds) {
    blake2b_message schedule[10];
    blake2b_row a = blake2b_load(v, 0);
    blake2b_row b = blake2b_load(v, 4);
    blake2b_row c = blake2b_load(v, 8);
    blake2b_row d = blake2b_load(v, 12);
    u32 gathered = rounds < 10 ? rounds : 10;
    for (u32 r = 0; r < gathered; r++) {
        blake2b_gather(schedule[r], m, sigma[r]);
        blake2b_round4(a, b, c, d, schedule[r]);
    }
    for (u32 left = rounds - gathered; left != 0;) {
        u32 count = left < 10 ? left : 10;
        for (u32 r = 0; r < count; r++) blake2b_round4(a, b, c, d, schedule[r]);
        left -= count;
    }
    blake2b_store(v, 0, a);
    blake2b_store(v, 4, b);
    blake2b_store(v, 8, c);
    blake2b_store(v, 12, d);
}

}  // namespace warpevm

#endif
#endif  // WARPEVM_OP_BLAKE2F_X86_CUH
