// The compression function of SHA-256 with the x86 instructions for it: on the CPU only, where the
// processor has them. The portable one is what the GPU runs.
#ifndef WARPEVM_OP_SHA256_X86_CUH
#define WARPEVM_OP_SHA256_X86_CUH

#include "base.cuh"

// The build with the device's limbs keeps the device's code, so that tests reach both.
#if !WE_CUDA && defined(__x86_64__) && !defined(WE_LIMBS32)
#define WE_SHA256_X86 1

#include <cpuid.h>
#include <immintrin.h>

namespace warpevm {

inline bool find_sha256_x86() {
    unsigned a, b, c, d, sse;
    if (!__get_cpuid(1, &a, &b, &sse, &d)) return false;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    return (b >> 29 & 1) != 0 && (sse >> 19 & 1) != 0 && (sse >> 9 & 1) != 0;
}

// Whether the processor has SHA, SSE4.1 and SSSE3: asked once, when the program starts.
static const bool has_sha256_x86 = find_sha256_x86();

// Compresses one block w (big-endian words) into the state s; `k` are the 64 round constants.
__attribute__((target("sha,sse4.1,ssse3"), noinline)) inline void sha256_compress_x86(
    u32 (&s)[8], const u32 (&w)[16], const u32 (&k)[64]) {
    __m128i dcba = _mm_loadu_si128((const __m128i*)&s[0]);
    __m128i hgfe = _mm_loadu_si128((const __m128i*)&s[4]);
    // The instructions want the state as a, b, e, f and c, d, g, h.
    __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1);
    __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1b);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
    __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
    __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i m[4];
    for (u32 i = 0; i < 4; i++) m[i] = _mm_loadu_si128((const __m128i*)&w[4 * i]);
#pragma GCC unroll 16
    for (u32 i = 0; i < 16; i++) {
        __m128i x = _mm_add_epi32(m[i & 3], _mm_loadu_si128((const __m128i*)&k[4 * i]));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, x);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(x, 0x0e));
        if (i < 12) {
            __m128i t = _mm_sha256msg1_epu32(m[i & 3], m[(i + 1) & 3]);
            t = _mm_add_epi32(t, _mm_alignr_epi8(m[(i + 3) & 3], m[(i + 2) & 3], 4));
            m[i & 3] = _mm_sha256msg2_epu32(t, m[(i + 3) & 3]);
        }
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i*)&s[0], _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i*)&s[4], _mm_alignr_epi8(dchg, feba, 8));
}

}  // namespace warpevm

#else
#define WE_SHA256_X86 0
#endif

#endif  // WARPEVM_OP_SHA256_X86_CUH
