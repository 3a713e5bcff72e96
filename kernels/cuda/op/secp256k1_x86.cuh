// Arithmetic modulo p = 2^256 - c, c = 2^32 + 977, with x86's multiplication that leaves the carry
// alone (BMI2): on the CPU only, where the processor has them. The portable field is what the GPU
// runs.
//
// An element is any 256-bit number, reduced or not: a carry out of 256 bits counts c, and of the
// numbers below 2^256 only 0 and p are zero.
#ifndef WARPEVM_OP_SECP256K1_X86_CUH
#define WARPEVM_OP_SECP256K1_X86_CUH

#include "u256.cuh"

// The build with the device's limbs keeps the device's code, so that tests reach both.
#if !WE_CUDA && defined(__x86_64__) && !defined(WE_LIMBS32)
#define WE_SECP256K1_X86 1

namespace warpevm {

// Whether the processor has BMI2: asked once, when the program starts.
static const bool has_bmi2_x86 = (__builtin_cpu_init(), __builtin_cpu_supports("bmi2") != 0);

// A product's limbs 0 to 2 wait in memory for their reduction: with all eight in registers there
// would be none left for pointers.

// t += rdx * a in five limbs, the last of them new. mulx leaves the carry alone, so the lower
// halves of the products are one chain of carries and the upper halves another.
#define WE_SECP_ROW(t0, t1, t2, t3, t4) \
    "mulxq %[a0], %[x], %[h0]\n\taddq %[x], %[" t0 "]\n\t" \
    "mulxq %[a1], %[x], %[h1]\n\tadcq %[x], %[" t1 "]\n\t" \
    "mulxq %[a2], %[x], %[h2]\n\tadcq %[x], %[" t2 "]\n\t" \
    "mulxq %[a3], %[x], %[" t4 "]\n\tadcq %[x], %[" t3 "]\n\tadcq $0, %[" t4 "]\n\t" \
    "addq %[h0], %[" t1 "]\n\tadcq %[h1], %[" t2 "]\n\tadcq %[h2], %[" t3 "]\n\t" \
    "adcq $0, %[" t4 "]\n\t"
// r0..r2, t3 := s0..s2, t3..t7 mod p: the upper half counts c, and so does what then stands above
// 2^256, which is at most c. A carry out of that leaves less than 2^68, so that the last one ends
// in r1.
#define WE_SECP_REDUCE(r0, r1, r2, t3, t4, t5, t6, t7) \
    "movabsq $0x1000003d1, %%rdx\n\t" \
    "mulxq %[" t4 "], %[" r0 "], %[" t4 "]\n\taddq %[s0], %[" r0 "]\n\t" \
    "mulxq %[" t5 "], %[" r1 "], %[" t5 "]\n\tadcq %[s1], %[" r1 "]\n\t" \
    "mulxq %[" t6 "], %[" r2 "], %[" t6 "]\n\tadcq %[s2], %[" r2 "]\n\t" \
    "mulxq %[" t7 "], %[x], %[" t7 "]\n\tadcq %[x], %[" t3 "]\n\tadcq $0, %[" t7 "]\n\t" \
    "addq %[" t4 "], %[" r1 "]\n\tadcq %[" t5 "], %[" r2 "]\n\tadcq %[" t6 "], %[" t3 "]\n\t" \
    "adcq $0, %[" t7 "]\n\tmulxq %[" t7 "], %[x], %[" t4 "]\n\t" \
    "addq %[x], %[" r0 "]\n\tadcq %[" t4 "], %[" r1 "]\n\tadcq $0, %[" r2 "]\n\t" \
    "adcq $0, %[" t3 "]\n\tjnc 1f\n\taddq %%rdx, %[" r0 "]\n\tadcq $0, %[" r1 "]\n1:\n\t"

#define WE_SECP_INPUT(a, name) \
    [name##0] "m"(a.w[0]), [name##1] "m"(a.w[1]), [name##2] "m"(a.w[2]), [name##3] "m"(a.w[3])

// a * b. Limb i of the product is in t[i % 5].
inline __attribute__((always_inline)) u256 secp256k1_mul_x86(const u256& a, const u256& b) {
    u64 t0, t1, t2, t3, t4, h0, h1, h2, x, s0, s1, s2;
    asm("movq %[b0], %%rdx\n\t"
        "mulxq %[a0], %[t0], %[t1]\n\t"
        "mulxq %[a1], %[x], %[t2]\n\taddq %[x], %[t1]\n\t"
        "mulxq %[a2], %[x], %[t3]\n\tadcq %[x], %[t2]\n\t"
        "mulxq %[a3], %[x], %[t4]\n\tadcq %[x], %[t3]\n\tadcq $0, %[t4]\n\t"
        "movq %[t0], %[s0]\n\tmovq %[b1], %%rdx\n\t" WE_SECP_ROW("t1", "t2", "t3", "t4", "t0")
        "movq %[t1], %[s1]\n\tmovq %[b2], %%rdx\n\t" WE_SECP_ROW("t2", "t3", "t4", "t0", "t1")
        "movq %[t2], %[s2]\n\tmovq %[b3], %%rdx\n\t" WE_SECP_ROW("t3", "t4", "t0", "t1", "t2")
        WE_SECP_REDUCE("h0", "h1", "h2", "t3", "t4", "t0", "t1", "t2")
        : [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4),
          [h0] "=&r"(h0), [h1] "=&r"(h1), [h2] "=&r"(h2), [x] "=&r"(x), [s0] "=&m"(s0),
          [s1] "=&m"(s1), [s2] "=&m"(s2)
        : WE_SECP_INPUT(a, a), WE_SECP_INPUT(b, b)
        : "rdx", "cc");
    return from_u64x4(h0, h1, h2, t3);
}

// a * a: the products of different limbs once, doubled; then the squares.
inline __attribute__((always_inline)) u256 secp256k1_sqr_x86(const u256& a) {
    u64 t1, t2, t3, t4, t5, t6, t7, h, x, s0, s1, s2;
    asm("movq %[a0], %%rdx\n\t"
        "mulxq %[a1], %[t1], %[t2]\n\t"
        "mulxq %[a2], %[x], %[t3]\n\taddq %[x], %[t2]\n\t"
        "mulxq %[a3], %[x], %[t4]\n\tadcq %[x], %[t3]\n\tadcq $0, %[t4]\n\t"
        "movq %[a1], %%rdx\n\t"
        "mulxq %[a2], %[x], %[h]\n\taddq %[x], %[t3]\n\t"
        "mulxq %[a3], %[x], %[t5]\n\tadcq %[x], %[t4]\n\tadcq $0, %[t5]\n\t"
        "addq %[h], %[t4]\n\tadcq $0, %[t5]\n\t"
        "movq %[a2], %%rdx\n\t"
        "mulxq %[a3], %[x], %[t6]\n\taddq %[x], %[t5]\n\tadcq $0, %[t6]\n\t"
        "xorl %k[t7], %k[t7]\n\t"
        "addq %[t1], %[t1]\n\tadcq %[t2], %[t2]\n\tadcq %[t3], %[t3]\n\tadcq %[t4], %[t4]\n\t"
        "adcq %[t5], %[t5]\n\tadcq %[t6], %[t6]\n\tadcq %[t7], %[t7]\n\t"
        "movq %[a0], %%rdx\n\tmulxq %%rdx, %[x], %[h]\n\tmovq %[x], %[s0]\n\t"
        "addq %[h], %[t1]\n\tmovq %[t1], %[s1]\n\t"
        "movq %[a1], %%rdx\n\tmulxq %%rdx, %[x], %[h]\n\t"
        "adcq %[x], %[t2]\n\tmovq %[t2], %[s2]\n\tadcq %[h], %[t3]\n\t"
        "movq %[a2], %%rdx\n\tmulxq %%rdx, %[x], %[h]\n\tadcq %[x], %[t4]\n\tadcq %[h], %[t5]\n\t"
        "movq %[a3], %%rdx\n\tmulxq %%rdx, %[x], %[h]\n\tadcq %[x], %[t6]\n\tadcq %[h], %[t7]\n\t"
        WE_SECP_REDUCE("h", "t1", "t2", "t3", "t4", "t5", "t6", "t7")
        : [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4), [t5] "=&r"(t5),
          [t6] "=&r"(t6), [t7] "=&r"(t7), [h] "=&r"(h), [x] "=&r"(x), [s0] "=&m"(s0),
          [s1] "=&m"(s1), [s2] "=&m"(s2)
        : WE_SECP_INPUT(a, a)
        : "rdx", "cc");
    return from_u64x4(h, t1, t2, t3);
}

#undef WE_SECP_ROW
#undef WE_SECP_REDUCE

// a op b for an addition or subtraction with carry, whose carry counts c. Where that carries again,
// the result is within c of the bound, and the last one stays within the lowest limb.
#define WE_SECP_LINEAR(op, op_carry) \
    u256 r = a; \
    u64 x; \
    asm(op " %[b0], %[t0]\n\t" op_carry " %[b1], %[t1]\n\t" op_carry " %[b2], %[t2]\n\t" \
        op_carry " %[b3], %[t3]\n\t" \
        "movl $0, %k[x]\n\tcmovcq %[c], %[x]\n\t" \
        op " %[x], %[t0]\n\t" op_carry " $0, %[t1]\n\t" op_carry " $0, %[t2]\n\t" \
        op_carry " $0, %[t3]\n\t" \
        "jnc 1f\n\t" op " %[c], %[t0]\n1:\n\t" \
        : [t0] "+&r"(r.w[0]), [t1] "+&r"(r.w[1]), [t2] "+&r"(r.w[2]), [t3] "+&r"(r.w[3]), \
          [x] "=&r"(x) \
        : WE_SECP_INPUT(b, b), [c] "r"(0x1000003d1ull) \
        : "cc"); \
    return r

struct Secp256k1FieldX86 {
    static u256 one() { return from_u64(1); }
    static WE_INLINE u256 mul(const u256& a, const u256& b) { return secp256k1_mul_x86(a, b); }
    static WE_INLINE u256 sqr(const u256& a) { return secp256k1_sqr_x86(a); }
    static WE_INLINE u256 add(const u256& a, const u256& b) { WE_SECP_LINEAR("addq", "adcq"); }
    static WE_INLINE u256 sub(const u256& a, const u256& b) { WE_SECP_LINEAR("subq", "sbbq"); }

    // (p + 1) / 2 = 2^255 - (c - 1) / 2 for the half that an odd number loses.
    static WE_INLINE u256 halve(const u256& a) {
        u64 odd = a.w[0] & 1, t0 = a.w[0] >> 1 | a.w[1] << 63, t1 = a.w[1] >> 1 | a.w[2] << 63;
        u64 t2 = a.w[2] >> 1 | a.w[3] << 63, t3 = a.w[3] >> 1 | odd << 63;
        u64 less = (0 - odd) & 0x800001e8ull;
        asm("subq %[less], %[t0]\n\tsbbq $0, %[t1]\n\tsbbq $0, %[t2]\n\tsbbq $0, %[t3]\n\t"
            : [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3)
            : [less] "r"(less)
            : "cc");
        return from_u64x4(t0, t1, t2, t3);
    }

    static WE_INLINE bool is_zero(const u256& a) {
        if ((a.w[0] | a.w[1] | a.w[2] | a.w[3]) == 0) return true;
        return (a.w[1] & a.w[2] & a.w[3]) == ~0ull && a.w[0] == 0xfffffffefffffc2full;
    }
    static WE_INLINE bool eq(const u256& a, const u256& b) { return is_zero(sub(a, b)); }
};

#undef WE_SECP_LINEAR
#undef WE_SECP_INPUT

}  // namespace warpevm

#endif
#endif  // WARPEVM_OP_SECP256K1_X86_CUH
