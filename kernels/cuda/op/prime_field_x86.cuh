// Montgomery arithmetic of four and six 64-bit limbs with the x86 instructions for two carry
// chains (BMI2, ADX): on the CPU only, where the processor has them. The portable code of
// prime_field.cuh is what the GPU runs.
//
// `m` is a table of the modulus and, behind it, -1/modulus mod 2^64. The modulus leaves the top two
// bits free, so that sums of a row never need a limb more.
#ifndef WARPEVM_OP_PRIME_FIELD_X86_CUH
#define WARPEVM_OP_PRIME_FIELD_X86_CUH

#include "base.cuh"

// The build with the device's limbs keeps the device's code, so that tests reach both.
#if !WE_CUDA && defined(__x86_64__) && !defined(WE_LIMBS32)
#define WE_FIELD_X86 1

#include <cpuid.h>

namespace warpevm {

inline bool find_adx_x86() {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    return (b >> 8 & 1) != 0 && (b >> 19 & 1) != 0;
}

// Whether the processor has BMI2 and ADX: asked once, when the program starts.
static const bool has_adx_x86 = find_adx_x86();

// Each line of a row adds rdx * source[at] to the limbs lo and hi, through two carry chains.
#define WE_X86_COLUMN(source, at, lo, hi) \
    "mulxq " at "(%[" source "]), %[x], %[y]\n\t" \
    "adcxq %[x], %[" lo "]\n\t" \
    "adoxq %[y], %[" hi "]\n\t"
#define WE_X86_ROW4(source, t0, t1, t2, t3, t4) \
    WE_X86_COLUMN(source, "0", t0, t1) \
    WE_X86_COLUMN(source, "8", t1, t2) \
    WE_X86_COLUMN(source, "16", t2, t3) \
    WE_X86_COLUMN(source, "24", t3, t4) \
    "movl $0, %k[x]\n\tadcxq %[x], %[" t4 "]\n\t"
#define WE_X86_ROW6(source, t0, t1, t2, t3, t4, t5, t6) \
    WE_X86_COLUMN(source, "0", t0, t1) \
    WE_X86_COLUMN(source, "8", t1, t2) \
    WE_X86_COLUMN(source, "16", t2, t3) \
    WE_X86_COLUMN(source, "24", t3, t4) \
    WE_X86_COLUMN(source, "32", t4, t5) \
    WE_X86_COLUMN(source, "40", t5, t6) \
    "movl $0, %k[x]\n\tadcxq %[x], %[" t6 "]\n\t"
// The first row of a product, into empty limbs.
#define WE_X86_FIRST_COLUMN(at, lo, hi, op) \
    "mulxq " at "(%[a]), %[x], %[" hi "]\n\t" op " %[x], %[" lo "]\n\t"
#define WE_X86_FIRST4 \
    "movq (%[b]), %%rdx\n\tmulxq (%[a]), %[t0], %[t1]\n\t" \
    WE_X86_FIRST_COLUMN("8", "t1", "t2", "addq") WE_X86_FIRST_COLUMN("16", "t2", "t3", "adcq") \
    WE_X86_FIRST_COLUMN("24", "t3", "t4", "adcq") "adcq $0, %[t4]\n\t"
#define WE_X86_FIRST6 \
    "movq (%[b]), %%rdx\n\tmulxq (%[a]), %[t0], %[t1]\n\t" \
    WE_X86_FIRST_COLUMN("8", "t1", "t2", "addq") WE_X86_FIRST_COLUMN("16", "t2", "t3", "adcq") \
    WE_X86_FIRST_COLUMN("24", "t3", "t4", "adcq") WE_X86_FIRST_COLUMN("32", "t4", "t5", "adcq") \
    WE_X86_FIRST_COLUMN("40", "t5", "t6", "adcq") "adcq $0, %[t6]\n\t"
// t += a * b[at], the top limb of t fresh.
#define WE_X86_MUL4(at, t0, t1, t2, t3, t4) \
    "movq " at "(%[b]), %%rdx\n\txorl %k[" t4 "], %k[" t4 "]\n\t" \
    WE_X86_ROW4("a", t0, t1, t2, t3, t4)
#define WE_X86_MUL6(at, t0, t1, t2, t3, t4, t5, t6) \
    "movq " at "(%[b]), %%rdx\n\txorl %k[" t6 "], %k[" t6 "]\n\t" \
    WE_X86_ROW6("a", t0, t1, t2, t3, t4, t5, t6)
// Adds the multiple of the modulus that makes t0 zero.
#define WE_X86_REDUCE4(t0, t1, t2, t3, t4) \
    "movq %[" t0 "], %%rdx\n\timulq 32(%[m]), %%rdx\n\txorl %k[x], %k[x]\n\t" \
    WE_X86_ROW4("m", t0, t1, t2, t3, t4)
#define WE_X86_REDUCE6(t0, t1, t2, t3, t4, t5, t6) \
    "movq %[" t0 "], %%rdx\n\timulq 48(%[m]), %%rdx\n\txorl %k[x], %k[x]\n\t" \
    WE_X86_ROW6("m", t0, t1, t2, t3, t4, t5, t6)
#define WE_X86_CLEAR(t) "xorl %k[" t "], %k[" t "]\n\t"
#define WE_X86_STORE(at, t) "movq %[" t "], " at "(%[r])\n\t"
// r := t - m, or t where that is negative; c0.. are scratch.
#define WE_X86_LESS(at, t, c, op) "movq %[" t "], %[" c "]\n\t" op " " at "(%[m]), %[" c "]\n\t"
#define WE_X86_KEEP(at, t, c) "cmovcq %[" t "], %[" c "]\n\tmovq %[" c "], " at "(%[r])\n\t"
#define WE_X86_FINISH4(t0, t1, t2, t3, c0, c1, c2, c3) \
    WE_X86_LESS("0", t0, c0, "subq") WE_X86_LESS("8", t1, c1, "sbbq") \
    WE_X86_LESS("16", t2, c2, "sbbq") WE_X86_LESS("24", t3, c3, "sbbq") \
    WE_X86_KEEP("0", t0, c0) WE_X86_KEEP("8", t1, c1) \
    WE_X86_KEEP("16", t2, c2) WE_X86_KEEP("24", t3, c3)
#define WE_X86_FINISH6(t0, t1, t2, t3, t4, t5, c0, c1, c2, c3, c4, c5) \
    WE_X86_LESS("0", t0, c0, "subq") WE_X86_LESS("8", t1, c1, "sbbq") \
    WE_X86_LESS("16", t2, c2, "sbbq") WE_X86_LESS("24", t3, c3, "sbbq") \
    WE_X86_LESS("32", t4, c4, "sbbq") WE_X86_LESS("40", t5, c5, "sbbq") \
    WE_X86_KEEP("0", t0, c0) WE_X86_KEEP("8", t1, c1) WE_X86_KEEP("16", t2, c2) \
    WE_X86_KEEP("24", t3, c3) WE_X86_KEEP("32", t4, c4) WE_X86_KEEP("40", t5, c5)

// r := a * b / 2^(64 n) mod m; a * b < m * 2^(64 n). r may be a or b.
template <u32 n>
inline void field_mul_x86(u64* r, const u64* a, const u64* b, const u64* m) {
    u64 t0, t1, t2, t3, t4, t5, t6, x, y, z;
    if constexpr (n == 4) {
        asm volatile(WE_X86_FIRST4 WE_X86_REDUCE4("t0", "t1", "t2", "t3", "t4")
            WE_X86_MUL4("8", "t1", "t2", "t3", "t4", "t0")
            WE_X86_REDUCE4("t1", "t2", "t3", "t4", "t0")
            WE_X86_MUL4("16", "t2", "t3", "t4", "t0", "t1")
            WE_X86_REDUCE4("t2", "t3", "t4", "t0", "t1")
            WE_X86_MUL4("24", "t3", "t4", "t0", "t1", "t2")
            WE_X86_REDUCE4("t3", "t4", "t0", "t1", "t2")
            WE_X86_FINISH4("t4", "t0", "t1", "t2", "t3", "x", "y", "z")
            : [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4),
              [x] "=&r"(x), [y] "=&r"(y), [z] "=&d"(z)
            : [r] "r"(r), [a] "r"(a), [b] "r"(b), [m] "r"(m)
            : "cc", "memory");
    } else {
        asm volatile(WE_X86_FIRST6 WE_X86_REDUCE6("t0", "t1", "t2", "t3", "t4", "t5", "t6")
            WE_X86_MUL6("8", "t1", "t2", "t3", "t4", "t5", "t6", "t0")
            WE_X86_REDUCE6("t1", "t2", "t3", "t4", "t5", "t6", "t0")
            WE_X86_MUL6("16", "t2", "t3", "t4", "t5", "t6", "t0", "t1")
            WE_X86_REDUCE6("t2", "t3", "t4", "t5", "t6", "t0", "t1")
            WE_X86_MUL6("24", "t3", "t4", "t5", "t6", "t0", "t1", "t2")
            WE_X86_REDUCE6("t3", "t4", "t5", "t6", "t0", "t1", "t2")
            WE_X86_MUL6("32", "t4", "t5", "t6", "t0", "t1", "t2", "t3")
            WE_X86_REDUCE6("t4", "t5", "t6", "t0", "t1", "t2", "t3")
            WE_X86_MUL6("40", "t5", "t6", "t0", "t1", "t2", "t3", "t4")
            WE_X86_REDUCE6("t5", "t6", "t0", "t1", "t2", "t3", "t4")
            WE_X86_FINISH6("t6", "t0", "t1", "t2", "t3", "t4", "t5", "x", "y", "z", "a", "b")
            : [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4),
              [t5] "=&r"(t5), [t6] "=&r"(t6), [x] "=&r"(x), [y] "=&r"(y), [z] "=&d"(z),
              [a] "+&r"(a), [b] "+&r"(b)
            : [r] "r"(r), [m] "r"(m)
            : "cc", "memory");
    }
}

// r[0..2n] := a * b. r is neither a nor b.
template <u32 n>
inline void field_mul_wide_x86(u64* r, const u64* a, const u64* b) {
    u64 t0, t1, t2, t3, t4, t5, t6, x, y, z;
    if constexpr (n == 4) {
        asm volatile(WE_X86_FIRST4 WE_X86_STORE("0", "t0")
            WE_X86_MUL4("8", "t1", "t2", "t3", "t4", "t0") WE_X86_STORE("8", "t1")
            WE_X86_MUL4("16", "t2", "t3", "t4", "t0", "t1") WE_X86_STORE("16", "t2")
            WE_X86_MUL4("24", "t3", "t4", "t0", "t1", "t2") WE_X86_STORE("24", "t3")
            WE_X86_STORE("32", "t4") WE_X86_STORE("40", "t0") WE_X86_STORE("48", "t1")
            WE_X86_STORE("56", "t2")
            : [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4),
              [x] "=&r"(x), [y] "=&r"(y), [z] "=&d"(z)
            : [r] "r"(r), [a] "r"(a), [b] "r"(b)
            : "cc", "memory");
    } else {
        asm volatile(WE_X86_FIRST6 WE_X86_STORE("0", "t0")
            WE_X86_MUL6("8", "t1", "t2", "t3", "t4", "t5", "t6", "t0") WE_X86_STORE("8", "t1")
            WE_X86_MUL6("16", "t2", "t3", "t4", "t5", "t6", "t0", "t1") WE_X86_STORE("16", "t2")
            WE_X86_MUL6("24", "t3", "t4", "t5", "t6", "t0", "t1", "t2") WE_X86_STORE("24", "t3")
            WE_X86_MUL6("32", "t4", "t5", "t6", "t0", "t1", "t2", "t3") WE_X86_STORE("32", "t4")
            WE_X86_MUL6("40", "t5", "t6", "t0", "t1", "t2", "t3", "t4") WE_X86_STORE("40", "t5")
            WE_X86_STORE("48", "t6") WE_X86_STORE("56", "t0") WE_X86_STORE("64", "t1")
            WE_X86_STORE("72", "t2") WE_X86_STORE("80", "t3") WE_X86_STORE("88", "t4")
            : [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4),
              [t5] "=&r"(t5), [t6] "=&r"(t6), [x] "=&r"(x), [y] "=&r"(y), [z] "=&d"(z)
            : [r] "r"(r), [a] "r"(a), [b] "r"(b)
            : "cc", "memory");
    }
}

// r := a[0..2n] / 2^(64 n) mod m; a < m * 2^(64 n).
template <u32 n>
inline void field_reduce_x86(u64* r, const u64* a, const u64* m) {
    u64 t0, t1, t2, t3, t4, t5, t6, x, y, z;
    if constexpr (n == 4) {
        t0 = a[0], t1 = a[1], t2 = a[2], t3 = a[3];
        asm volatile(WE_X86_CLEAR("t4") WE_X86_REDUCE4("t0", "t1", "t2", "t3", "t4")
            WE_X86_CLEAR("t0") WE_X86_REDUCE4("t1", "t2", "t3", "t4", "t0")
            WE_X86_CLEAR("t1") WE_X86_REDUCE4("t2", "t3", "t4", "t0", "t1")
            WE_X86_CLEAR("t2") WE_X86_REDUCE4("t3", "t4", "t0", "t1", "t2")
            "addq 32(%[a]), %[t4]\n\tadcq 40(%[a]), %[t0]\n\t"
            "adcq 48(%[a]), %[t1]\n\tadcq 56(%[a]), %[t2]\n\t"
            WE_X86_FINISH4("t4", "t0", "t1", "t2", "t3", "x", "y", "z")
            : [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3), [t4] "=&r"(t4),
              [x] "=&r"(x), [y] "=&r"(y), [z] "=&d"(z)
            : [r] "r"(r), [a] "r"(a), [m] "r"(m)
            : "cc", "memory");
    } else {
        u64 c;
        t0 = a[0], t1 = a[1], t2 = a[2], t3 = a[3], t4 = a[4], t5 = a[5];
        asm volatile(
            WE_X86_CLEAR("t6") WE_X86_REDUCE6("t0", "t1", "t2", "t3", "t4", "t5", "t6")
            WE_X86_CLEAR("t0") WE_X86_REDUCE6("t1", "t2", "t3", "t4", "t5", "t6", "t0")
            WE_X86_CLEAR("t1") WE_X86_REDUCE6("t2", "t3", "t4", "t5", "t6", "t0", "t1")
            WE_X86_CLEAR("t2") WE_X86_REDUCE6("t3", "t4", "t5", "t6", "t0", "t1", "t2")
            WE_X86_CLEAR("t3") WE_X86_REDUCE6("t4", "t5", "t6", "t0", "t1", "t2", "t3")
            WE_X86_CLEAR("t4") WE_X86_REDUCE6("t5", "t6", "t0", "t1", "t2", "t3", "t4")
            "addq 48(%[a]), %[t6]\n\tadcq 56(%[a]), %[t0]\n\t"
            "adcq 64(%[a]), %[t1]\n\tadcq 72(%[a]), %[t2]\n\t"
            "adcq 80(%[a]), %[t3]\n\tadcq 88(%[a]), %[t4]\n\t"
            WE_X86_FINISH6("t6", "t0", "t1", "t2", "t3", "t4", "t5", "x", "y", "z", "a", "c")
            : [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3), [t4] "+&r"(t4),
              [t5] "+&r"(t5), [t6] "=&r"(t6), [x] "=&r"(x), [y] "=&r"(y), [z] "=&d"(z),
              [a] "+&r"(a), [c] "=&r"(c)
            : [r] "r"(r), [m] "r"(m)
            : "cc", "memory");
    }
}

}  // namespace warpevm

#else
#define WE_FIELD_X86 0
#endif

#endif  // WARPEVM_OP_PRIME_FIELD_X86_CUH
