// Arithmetic modulo the base primes of the pairing curves: 256 or 384 bits of limbs, Montgomery
// form, and products of twice the length whose reduction is put off.
//
// A field is PrimeField<P>. P has `bits` (256 or 384; R = 2^bits), and limb(i): the i-th 64 bits of
// the modulus p and, behind them, of -1/p mod 2^64; r2(i): of R^2 mod p; one(i): of R mod p. The
// modulus leaves the top two bits free: 4p < R. Elements are below p unless said otherwise.
// Functions write their first argument, which may be one of the others. Not constant-time.
#ifndef WARPEVM_OP_PRIME_FIELD_CUH
#define WARPEVM_OP_PRIME_FIELD_CUH

#include "prime_field_x86.cuh"
#include "u256.cuh"

namespace warpevm {

// Limb i of a table of u64 (an expression in its index).
#ifdef WE_LIMBS32
#define WE_TABLE_LIMB(entry, i) ((limb)(entry((i) / 2) >> (32 * ((i) & 1))))
#else
#define WE_TABLE_LIMB(entry, i) (entry(i))
#endif

template <class P>
struct alignas(16) FieldElement {
    static constexpr u32 limbs = P::bits / limb_bits;
    limb w[limbs];  // least significant first
};

// A sum of products, below p * R.
template <class P>
struct alignas(16) WideElement {
    limb w[2 * FieldElement<P>::limbs];
};

template <class P>
struct PrimeField {
    typedef FieldElement<P> Elem;
    typedef WideElement<P> Wide;
    static constexpr u32 bits = P::bits;
    static constexpr u32 n = Elem::limbs;

    static WE_DEV WE_INLINE limb modulus(u32 i) { return WE_TABLE_LIMB(P::limb, i); }
    static WE_DEV WE_INLINE limb neg_inverse() { return (limb)P::limb(P::bits / 64); }

    static WE_DEV WE_INLINE void set_zero(Elem& r) {
        WE_UNROLL
        for (u32 i = 0; i < n; i++) r.w[i] = 0;
    }
    static WE_DEV WE_INLINE void set_one(Elem& r) {
        WE_UNROLL
        for (u32 i = 0; i < n; i++) r.w[i] = WE_TABLE_LIMB(P::one, i);
    }
    static WE_DEV WE_INLINE bool is_zero(const Elem& a) {
        limb x = 0;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) x |= a.w[i];
        return x == 0;
    }
    static WE_DEV WE_INLINE bool eq(const Elem& a, const Elem& b) {
        limb x = 0;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) x |= a.w[i] ^ b.w[i];
        return x == 0;
    }
    static WE_DEV WE_INLINE bool is_one(const Elem& a) {
        Elem one;
        set_one(one);
        return eq(a, one);
    }
    // Whether the limbs, read as an integer, are below p.
    static WE_DEV WE_INLINE bool is_reduced(const Elem& a) {
        limb borrow = 0;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) (void)sub_limb(a.w[i], modulus(i), borrow);
        return borrow != 0;
    }

    // r[0..n] := t - p, or t where that is negative.
    static WE_DEV WE_INLINE void subtract_once(limb* r, const limb (&t)[n]) {
        limb d[n], borrow = 0;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) d[i] = sub_limb(t[i], modulus(i), borrow);
        WE_UNROLL
        for (u32 i = 0; i < n; i++) r[i] = borrow != 0 ? t[i] : d[i];
    }
    // r[0..n] := t, or t + p if `negative`.
    static WE_DEV WE_INLINE void add_once(limb* r, const limb (&t)[n], bool negative) {
        limb carry = 0, mask = negative ? ~(limb)0 : (limb)0;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) r[i] = add_limb(t[i], modulus(i) & mask, carry);
    }

    static WE_DEV WE_NOINLINE void add(Elem& r, const Elem& a, const Elem& b) {
        limb t[n], carry = 0;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) t[i] = add_limb(a.w[i], b.w[i], carry);
        subtract_once(r.w, t);
    }
    static WE_DEV WE_NOINLINE void sub(Elem& r, const Elem& a, const Elem& b) {
        limb t[n], borrow = 0;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) t[i] = sub_limb(a.w[i], b.w[i], borrow);
        add_once(r.w, t, borrow != 0);
    }
    static WE_DEV WE_INLINE void dbl(Elem& r, const Elem& a) { add(r, a, a); }
    static WE_DEV WE_INLINE void neg(Elem& r, const Elem& a) {
        Elem zero;
        set_zero(zero);
        sub(r, zero, a);
    }
    static WE_DEV void conditional_neg(Elem& r, bool negate) {
        if (negate) neg(r, r);
    }
    // a + b as integers, for a factor of mul_wide.
    static WE_DEV WE_INLINE void add_unreduced(Elem& r, const Elem& a, const Elem& b) {
        limb carry = 0;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) r.w[i] = add_limb(a.w[i], b.w[i], carry);
    }
    // a / 2.
    static WE_DEV WE_NOINLINE void halve(Elem& r, const Elem& a) {
        limb t[n], carry = 0, mask = (limb)0 - (a.w[0] & 1);
        WE_UNROLL
        for (u32 i = 0; i < n; i++) t[i] = add_limb(a.w[i], modulus(i) & mask, carry);
        WE_UNROLL
        for (u32 i = 0; i < n; i++) r.w[i] = funnel_right(i + 1 < n ? t[i + 1] : 0, t[i], 1);
    }

    // a * b / R, for a * b < p * R.
    static WE_DEV WE_NOINLINE void mul(Elem& r, const Elem& a, const Elem& b) {
#if WE_FIELD_X86
        if (has_adx_x86) return field_mul_x86<n>(r.w, a.w, b.w, P::table());
#endif
        limb t[n + 1];
        WE_UNROLL
        for (u32 i = 0; i <= n; i++) t[i] = 0;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) {
            limb carry = 0, carry2;
            WE_UNROLL
            for (u32 j = 0; j < n; j++) t[j] = mul_add2(a.w[j], b.w[i], t[j], carry, carry);
            limb q = t[0] * neg_inverse();
            (void)mul_add2(q, modulus(0), t[0], 0, carry2);
            WE_UNROLL
            for (u32 j = 1; j < n; j++) {
                t[j - 1] = mul_add2(q, modulus(j), t[j], carry2, carry2);
            }
            t[n - 1] = carry + carry2;
        }
        limb s[n];
        WE_UNROLL
        for (u32 i = 0; i < n; i++) s[i] = t[i];
        subtract_once(r.w, s);
    }
    static WE_DEV WE_INLINE void sqr(Elem& r, const Elem& a) { mul(r, a, a); }
    // 1 / a, and 0 for 0: in prime_inverse.cuh.
    static WE_DEV WE_INLINE void inverse(Elem& r, const Elem& a) { field_inverse(r, a); }

    // ---- products without reduction ----

    static WE_DEV WE_NOINLINE void mul_wide(Wide& r, const Elem& a, const Elem& b) {
#if WE_FIELD_X86
        if (has_adx_x86) return field_mul_wide_x86<n>(r.w, a.w, b.w);
#endif
        WE_UNROLL
        for (u32 i = 0; i < n; i++) r.w[i] = 0;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) {
            limb carry = 0;
            WE_UNROLL
            for (u32 j = 0; j < n; j++) {
                r.w[i + j] = mul_add2(a.w[j], b.w[i], r.w[i + j], carry, carry);
            }
            r.w[i + n] = carry;
        }
    }
    // a / R.
    static WE_DEV WE_NOINLINE void reduce(Elem& r, const Wide& a) {
#if WE_FIELD_X86
        if (has_adx_x86) return field_reduce_x86<n>(r.w, a.w, P::table());
#endif
        limb t[n];
        WE_UNROLL
        for (u32 i = 0; i < n; i++) t[i] = a.w[i];
        WE_UNROLL
        for (u32 i = 0; i < n; i++) {
            limb carry, q = t[0] * neg_inverse();
            (void)mul_add2(q, modulus(0), t[0], 0, carry);
            WE_UNROLL
            for (u32 j = 1; j < n; j++) t[j - 1] = mul_add2(q, modulus(j), t[j], carry, carry);
            t[n - 1] = carry;
        }
        limb carry = 0;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) t[i] = add_limb(t[i], a.w[n + i], carry);
        subtract_once(r.w, t);
    }
    // Modulo p * R.
    static WE_DEV WE_NOINLINE void add_wide(Wide& r, const Wide& a, const Wide& b) {
        limb t[n], carry = 0;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) r.w[i] = add_limb(a.w[i], b.w[i], carry);
        WE_UNROLL
        for (u32 i = 0; i < n; i++) t[i] = add_limb(a.w[n + i], b.w[n + i], carry);
        subtract_once(r.w + n, t);
    }
    static WE_DEV WE_NOINLINE void sub_wide(Wide& r, const Wide& a, const Wide& b) {
        limb t[n], borrow = 0;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) r.w[i] = sub_limb(a.w[i], b.w[i], borrow);
        WE_UNROLL
        for (u32 i = 0; i < n; i++) t[i] = sub_limb(a.w[n + i], b.w[n + i], borrow);
        add_once(r.w + n, t, borrow != 0);
    }
    // For a >= b.
    static WE_DEV WE_NOINLINE void sub_wide_exact(Wide& r, const Wide& a, const Wide& b) {
        limb borrow = 0;
        WE_UNROLL
        for (u32 i = 0; i < 2 * n; i++) r.w[i] = sub_limb(a.w[i], b.w[i], borrow);
    }

    // ---- forms ----

    static WE_DEV WE_INLINE void to_form(Elem& r, const Elem& a) {
        Elem r2;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) r2.w[i] = WE_TABLE_LIMB(P::r2, i);
        mul(r, a, r2);
    }
    static WE_DEV WE_INLINE void from_form(Elem& r, const Elem& a) {
        Elem one;
        WE_UNROLL
        for (u32 i = 0; i < n; i++) one.w[i] = i == 0;
        mul(r, a, one);
    }

    // The element whose big-endian bytes stand at `off` of a byte source as in keccak.cuh. False if
    // they are no number below p.
    template <class Src>
    static WE_DEV WE_INLINE bool read(Elem& r, const Src& src, u32 off) {
        WE_UNROLL
        for (u32 i = 0; i < P::bits / 64; i++) {
            u64 x = bswap64(src.load8(off + P::bits / 8 - 8 - 8 * i));
#ifdef WE_LIMBS32
            r.w[2 * i] = (u32)x;
            r.w[2 * i + 1] = (u32)(x >> 32);
#else
            r.w[i] = x;
#endif
        }
        if (!is_reduced(r)) return false;
        to_form(r, r);
        return true;
    }
    // Writes the bytes through out.set(off + i, byte), i from the most significant.
    template <class Out>
    static WE_DEV WE_INLINE void write(const Out& out, u32 off, const Elem& a) {
        Elem x;
        from_form(x, a);
        for (u32 i = 0; i < P::bits / 8; i++) {
            u32 at = P::bits / 8 - 1 - i;
            out.set(off + i, (u8)(x.w[at / (limb_bits / 8)] >> (8 * (at % (limb_bits / 8)))));
        }
    }
    // From a constant table, in the field's form.
    static WE_DEV WE_INLINE void set_table(Elem& r, const u64* table) {
        WE_UNROLL
        for (u32 i = 0; i < P::bits / 64; i++) {
#ifdef WE_LIMBS32
            r.w[2 * i] = (u32)table[i];
            r.w[2 * i + 1] = (u32)(table[i] >> 32);
#else
            r.w[i] = table[i];
#endif
        }
    }
};

}  // namespace warpevm

#endif  // WARPEVM_OP_PRIME_FIELD_CUH
