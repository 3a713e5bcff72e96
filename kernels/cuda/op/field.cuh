// Arithmetic modulo a 256-bit prime, for the curve precompiles.
//
// A field is a type F with static functions mul, sqr, add, sub, halve, inverse, is_zero, eq, one.
// Elements are u256 in the field's own form, fully reduced unless the field says otherwise. Nothing
// here is constant-time: all inputs are public.
#ifndef WARPEVM_OP_FIELD_CUH
#define WARPEVM_OP_FIELD_CUH

#include "divsteps.cuh"

namespace warpevm {

// On the device a multiplication is one function, called: inlining it into every curve formula
// would cost tens of kilobytes of code. On the CPU the call would cost more than it saves.
#if WE_CUDA
#define WE_FIELD_MUL WE_NOINLINE
#else
#define WE_FIELD_MUL WE_INLINE
#endif

// Addition, subtraction and negation modulo m for operands below m.
WE_DEV WE_INLINE u256 field_add(const u256& a, const u256& b, const u256& m) {
    limb carry, borrow;
    u256 s = add_carry(a, b, carry);
    u256 t = sub_borrow(s, m, borrow);
    return select(carry >= borrow, t, s);
}

WE_DEV WE_INLINE u256 field_sub(const u256& a, const u256& b, const u256& m) {
    limb borrow;
    u256 d = sub_borrow(a, b, borrow);
    return add(d, select(borrow != 0, m, zero256()));
}

// a / 2 modulo an odd m, for a < m.
WE_DEV WE_INLINE u256 field_halve(const u256& a, const u256& m) {
    limb carry;
    u256 s = add_carry(a, select((a.w[0] & 1) != 0, m, zero256()), carry), r;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) {
        r.w[i] = funnel_right(i + 1 < word_limbs ? s.w[i + 1] : carry, s.w[i], 1);
    }
    return r;
}

// The modulus of P, which has modulus() and neg_inverse = -1/modulus mod 2^64, for divsteps.
template <class P>
struct WordModulus {
    static constexpr u32 bits = 256;
    static WE_DEV WE_INLINE limb modulus(u32 i) { return P::modulus().w[i]; }
    static WE_DEV WE_INLINE limb neg_inverse() { return (limb)P::neg_inverse; }
};

// 1/a as integers modulo P's modulus, and 0 for 0.
template <class P>
WE_DEV WE_NOINLINE u256 word_inverse(const u256& a) {
    u256 r;
    divstep_inverse<WordModulus<P>>(r.w, a.w);
    return r;
}

// Montgomery form, R = 2^256. P has modulus() (odd, any size up to 256 bits), one() = R mod m,
// r2() = R^2 mod m and neg_inverse = -1/m mod 2^64.
template <class P>
struct MontgomeryField {
    static WE_DEV WE_INLINE u256 modulus() { return P::modulus(); }
    static WE_DEV WE_INLINE u256 one() { return P::one(); }

    // a * b / R mod m; a, b < m. Coarsely integrated operand scanning (Koc, Acar, Kaliski 1996).
    static WE_DEV WE_FIELD_MUL u256 mul(u256 a, u256 b) {
        const u256 m = P::modulus();
        constexpr limb n0 = (limb)P::neg_inverse;
        u256 t = zero256();
        limb t_high = 0;  // limb word_limbs of the accumulator
        WE_UNROLL
        for (u32 i = 0; i < word_limbs; i++) {
            limb carry = 0, c2 = 0;
            WE_UNROLL
            for (u32 j = 0; j < word_limbs; j++) {
                t.w[j] = mul_add2(a.w[j], b.w[i], t.w[j], carry, carry);
            }
            limb top = add_limb(t_high, carry, c2);
            limb q = t.w[0] * n0;
            limb c3 = 0;
            (void)mul_add2(q, m.w[0], t.w[0], 0, carry);
            WE_UNROLL
            for (u32 j = 1; j < word_limbs; j++) {
                t.w[j - 1] = mul_add2(q, m.w[j], t.w[j], carry, carry);
            }
            t.w[word_limbs - 1] = add_limb(top, carry, c3);
            t_high = c2 + c3;
        }
        limb borrow;
        u256 r = sub_borrow(t, m, borrow);
        return select(t_high >= borrow, r, t);
    }

    static WE_DEV WE_INLINE u256 sqr(const u256& a) { return mul(a, a); }
    static WE_DEV WE_INLINE u256 add(const u256& a, const u256& b) {
        return field_add(a, b, P::modulus());
    }
    static WE_DEV WE_INLINE u256 sub(const u256& a, const u256& b) {
        return field_sub(a, b, P::modulus());
    }
    static WE_DEV WE_INLINE u256 halve(const u256& a) { return field_halve(a, P::modulus()); }
    static WE_DEV WE_INLINE bool is_zero(const u256& a) { return warpevm::is_zero(a); }
    static WE_DEV WE_INLINE bool eq(const u256& a, const u256& b) { return warpevm::eq(a, b); }
    // 1/a, and 0 for 0.
    static WE_DEV WE_INLINE u256 inverse(const u256& a) {
        return to_form(to_form(word_inverse<P>(a)));
    }
    // a < m.
    static WE_DEV WE_INLINE u256 to_form(const u256& a) { return mul(a, P::r2()); }
    static WE_DEV WE_INLINE u256 from_form(const u256& a) { return mul(a, from_u64(1)); }
};

template <class F>
WE_DEV WE_INLINE u256 field_neg(const u256& a) {
    return F::sub(zero256(), a);
}

template <class F>
WE_DEV WE_INLINE u256 field_double(const u256& a) {
    return F::add(a, a);
}

}  // namespace warpevm

#endif  // WARPEVM_OP_FIELD_CUH
