// Points of short Weierstrass curves of prime order in Jacobian coordinates (x/z^2, y/z^3).
//
// A curve is a type C with `typedef ... Field` and `static constexpr bool a_is_minus_3` (a is -3
// or 0). Coordinates are in the field's form. Formulas: the Explicit-Formulas Database, "Jacobian
// coordinates", where names are given below; all exceptional cases are handled. Not constant-time.
#ifndef WARPEVM_OP_CURVE_CUH
#define WARPEVM_OP_CURVE_CUH

#include "field.cuh"

namespace warpevm {

struct AffinePoint {
    u256 x, y;  // never infinity
};

struct JacobianPoint {
    u256 x, y, z;  // z = 0: infinity
};

WE_DEV WE_INLINE bool is_infinity(const JacobianPoint& p) { return is_zero(p.z); }

WE_DEV WE_INLINE JacobianPoint infinity() {
    JacobianPoint p;
    p.x = p.y = p.z = zero256();
    return p;
}

template <class C>
WE_DEV WE_INLINE JacobianPoint to_jacobian(const AffinePoint& p) {
    JacobianPoint r;
    r.x = p.x;
    r.y = p.y;
    r.z = C::Field::one();
    return r;
}

// p := 2p, with half the usual z: for e = half of the slope's numerator (3 x^2 + a z^4),
// v = x y^2, the double is (e^2 - 2v, e (v - x') - y^4, y z). Infinity stays infinity, since the
// new z has the factor z.
template <class C>
WE_DEV WE_NOINLINE void point_double(JacobianPoint& p) {
    typedef typename C::Field F;
    u256 y2 = F::sqr(p.y), v = F::mul(p.x, y2), e;
    if constexpr (C::a_is_minus_3) {
        u256 z2 = F::sqr(p.z);
        e = F::mul(F::sub(p.x, z2), F::add(p.x, z2));
    } else {
        e = F::sqr(p.x);
    }
    e = F::halve(F::add(e, field_double<F>(e)));
    p.z = F::mul(p.y, p.z);
    p.x = F::sub(F::sub(F::sqr(e), v), v);
    p.y = F::sub(F::mul(e, F::sub(v, p.x)), F::sqr(y2));
}

// The end of an addition: p = (u1, s1) in the common denominator, h and r the differences of the
// x and y coordinates there, z the new denominator without the factor h.
template <class C>
WE_DEV WE_INLINE void point_add_finish(JacobianPoint& p, const u256& u1, const u256& s1,
                                       const u256& h, const u256& r, const u256& z) {
    typedef typename C::Field F;
    u256 h2 = F::sqr(h), h3 = F::mul(h, h2), v = F::mul(u1, h2);
    p.x = F::sub(F::sub(F::sqr(r), h3), field_double<F>(v));
    p.y = F::sub(F::mul(r, F::sub(v, p.x)), F::mul(s1, h3));
    p.z = F::mul(z, h);
}

// p := p + q (add-1998-cmo-2).
template <class C>
WE_DEV WE_NOINLINE void point_add(JacobianPoint& p, const JacobianPoint& q) {
    typedef typename C::Field F;
    if (is_infinity(q)) return;
    if (is_infinity(p)) {
        p = q;
        return;
    }
    u256 z1 = F::sqr(p.z), z2 = F::sqr(q.z);
    u256 u1 = F::mul(p.x, z2), u2 = F::mul(q.x, z1);
    u256 s1 = F::mul(F::mul(p.y, q.z), z2), s2 = F::mul(F::mul(q.y, p.z), z1);
    u256 h = F::sub(u2, u1), r = F::sub(s2, s1);
    if (F::is_zero(h)) {
        if (F::is_zero(r)) point_double<C>(p);
        else p = infinity();
        return;
    }
    point_add_finish<C>(p, u1, s1, h, r, F::mul(p.z, q.z));
}

// p := p + q for an affine q.
template <class C>
WE_DEV WE_NOINLINE void point_add_affine(JacobianPoint& p, const AffinePoint& q) {
    typedef typename C::Field F;
    if (is_infinity(p)) {
        p = to_jacobian<C>(q);
        return;
    }
    u256 z1 = F::sqr(p.z);
    u256 h = F::sub(F::mul(q.x, z1), p.x);
    u256 r = F::sub(F::mul(F::mul(q.y, p.z), z1), p.y);
    if (F::is_zero(h)) {
        if (F::is_zero(r)) point_double<C>(p);
        else p = infinity();
        return;
    }
    point_add_finish<C>(p, p.x, p.y, h, r, p.z);
}

// p := p + q for a p whose true denominator is z * over, and an affine q.
template <class C>
WE_DEV WE_NOINLINE void point_add_affine_over(JacobianPoint& p, const AffinePoint& q,
                                              const u256& over) {
    typedef typename C::Field F;
    u256 z = is_infinity(p) ? over : F::mul(p.z, over), z2 = F::sqr(z);
    u256 x = F::mul(q.x, z2), y = F::mul(q.y, F::mul(z2, z));
    if (is_infinity(p)) {
        p.x = x;
        p.y = y;
        p.z = C::Field::one();
        return;
    }
    u256 h = F::sub(x, p.x), r = F::sub(y, p.y);
    if (F::is_zero(h)) {
        if (F::is_zero(r)) point_double<C>(p);
        else p = infinity();
        return;
    }
    point_add_finish<C>(p, p.x, p.y, h, r, p.z);
}

// The affine point of p, which the caller has checked not to be infinity.
template <class C>
WE_DEV WE_INLINE AffinePoint to_affine(const JacobianPoint& p) {
    typedef typename C::Field F;
    u256 zi = F::inverse(p.z), zi2 = F::sqr(zi);
    AffinePoint r;
    r.x = F::mul(p.x, zi2);
    r.y = F::mul(p.y, F::mul(zi, zi2));
    return r;
}

// ---- scalar multiplication: signed (Booth) windows of four bits ----
//
// Every window costs at most one addition whatever the scalar is, so the threads of a warp add at
// the same places; sparse recodings such as wNAF would make each of them wait for all others.

constexpr u32 window_bits = 4;
constexpr u32 window_points = 8;                      // multiples 1..8 of the point
constexpr u32 window_count_256 = 256 / window_bits + 1;  // the last one holds the carry
constexpr u32 window_count_128 = 128 / window_bits + 1;

// Digit i of k, in -8..8: the sum of digit_i * 16^i is k if the scalar has at most 4 * count - 4
// bits, where i < count.
WE_DEV WE_INLINE i32 window_digit(const u256& k, u32 i) {
    u32 bits = i == 0 ? low_u32(k) << 1 : low_u32(shr_k(k, window_bits * i - 1));
    bits &= 31;
    return (i32)((bits + 1) >> 1) - (bits >= 16 ? 16 : 0);
}

// Multiples 1..8 of p.
template <class C>
WE_DEV WE_INLINE void window_table(JacobianPoint (&table)[window_points], const AffinePoint& p) {
    table[0] = to_jacobian<C>(p);
    WE_ROLL
    for (u32 i = 1; i < window_points; i++) {
        table[i] = table[i - 1];
        point_add_affine<C>(table[i], p);
    }
}

// r += digit * p, from the table of p's multiples.
template <class C>
WE_DEV WE_INLINE void window_add(JacobianPoint& r, const JacobianPoint (&table)[window_points],
                                 i32 digit) {
    if (digit == 0) return;
    JacobianPoint q = table[(digit < 0 ? -digit : digit) - 1];
    if (digit < 0) q.y = field_neg<typename C::Field>(q.y);
    point_add<C>(r, q);
}

// The constant tables hold each affine point as eight u64: x, then y, least significant first.
WE_DEV WE_INLINE AffinePoint window_constant(const u64 (&p)[8]) {
    AffinePoint q;
    q.x = from_u64x4(p[0], p[1], p[2], p[3]);
    q.y = from_u64x4(p[4], p[5], p[6], p[7]);
    return q;
}

template <class C>
WE_DEV WE_INLINE void window_add_constant(JacobianPoint& r, const u64 (&table)[window_points][8],
                                          i32 digit) {
    if (digit == 0) return;
    AffinePoint q = window_constant(table[(digit < 0 ? -digit : digit) - 1]);
    if (digit < 0) q.y = field_neg<typename C::Field>(q.y);
    point_add_affine<C>(r, q);
}

// k * p for any 256-bit k.
template <class C>
WE_DEV WE_INLINE JacobianPoint point_mul(const u256& k, const AffinePoint& p) {
    JacobianPoint table[window_points];
    window_table<C>(table, p);
    JacobianPoint r = infinity();
    WE_ROLL
    for (u32 i = window_count_256; i-- > 0;) {
        WE_ROLL
        for (u32 j = 0; j < window_bits; j++) point_double<C>(r);
        window_add<C>(r, table, window_digit(k, i));
    }
    return r;
}

// k1 * (the point whose multiples are `constants`) + k2 * p for any 256-bit k1, k2.
template <class C>
WE_DEV WE_INLINE JacobianPoint point_mul_add(const u256& k1,
                                             const u64 (&constants)[window_points][8],
                                             const u256& k2, const AffinePoint& p) {
    JacobianPoint table[window_points];
    window_table<C>(table, p);
    JacobianPoint r = infinity();
    WE_ROLL
    for (u32 i = window_count_256; i-- > 0;) {
        WE_ROLL
        for (u32 j = 0; j < window_bits; j++) point_double<C>(r);
        window_add_constant<C>(r, constants, window_digit(k1, i));
        window_add<C>(r, table, window_digit(k2, i));
    }
    return r;
}

}  // namespace warpevm

#endif  // WARPEVM_OP_CURVE_CUH
