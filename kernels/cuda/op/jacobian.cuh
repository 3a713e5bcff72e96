// Points of curves y^2 = x^3 + b in Jacobian coordinates (x/z^2, y/z^3) over any field of
// prime_field.cuh or tower.cuh: what curve.cuh is for 256-bit words. Formulas: the
// Explicit-Formulas Database, by the names given below; all exceptional cases are handled.
#ifndef WARPEVM_OP_JACOBIAN_CUH
#define WARPEVM_OP_JACOBIAN_CUH

#include "tower.cuh"

namespace warpevm {

template <class F>
struct Affine {
    typename F::Elem x, y;  // never infinity
};

template <class F>
struct Jacobian {
    typename F::Elem x, y, z;  // z = 0: infinity
};

template <class F>
WE_DEV WE_INLINE bool is_infinity(const Jacobian<F>& p) {
    return F::is_zero(p.z);
}

template <class F>
WE_DEV WE_INLINE void set_infinity(Jacobian<F>& p) {
    F::set_zero(p.x), F::set_zero(p.y), F::set_zero(p.z);
}

template <class F>
WE_DEV WE_INLINE void set_affine(Jacobian<F>& p, const Affine<F>& q) {
    p.x = q.x;
    p.y = q.y;
    F::set_one(p.z);
}

// p := 2p (dbl-2009-l). Infinity stays infinity, since the new z has the factor z.
template <class F>
WE_DEV WE_NOINLINE void point_double(Jacobian<F>& p) {
    typename F::Elem a, b, c, d, e;
    F::sqr(a, p.x);
    F::sqr(b, p.y);
    F::mul(p.z, p.z, p.y);
    F::dbl(p.z, p.z);
    F::sqr(c, b);
    F::mul(d, p.x, b);
    F::dbl(d, d), F::dbl(d, d);
    F::dbl(e, a);
    F::add(e, e, a);
    F::sqr(p.x, e);
    F::sub(p.x, p.x, d), F::sub(p.x, p.x, d);
    F::sub(d, d, p.x);
    F::mul(p.y, e, d);
    F::dbl(c, c), F::dbl(c, c), F::dbl(c, c);
    F::sub(p.y, p.y, c);
}

// The end of an addition: p = (u1, s1) in the common denominator, h and r the differences of the
// x and y coordinates there, z the new denominator without the factor h.
template <class F>
WE_DEV WE_INLINE void point_add_finish(Jacobian<F>& p, typename F::Elem& u1, typename F::Elem& s1,
                                       typename F::Elem& h, const typename F::Elem& r) {
    typename F::Elem h2;
    F::mul(p.z, p.z, h);
    F::sqr(h2, h);
    F::mul(h, h, h2);
    F::mul(u1, u1, h2);
    F::sqr(p.x, r);
    F::sub(p.x, p.x, h);
    F::sub(p.x, p.x, u1), F::sub(p.x, p.x, u1);
    F::sub(u1, u1, p.x);
    F::mul(s1, s1, h);
    F::mul(p.y, r, u1);
    F::sub(p.y, p.y, s1);
}

// p := p + q (add-1998-cmo-2).
template <class F>
WE_DEV WE_NOINLINE void point_add(Jacobian<F>& p, const Jacobian<F>& q) {
    if (is_infinity(q)) return;
    if (is_infinity(p)) {
        p = q;
        return;
    }
    typename F::Elem u1, s1, h, r, t;
    F::sqr(t, q.z);
    F::mul(u1, p.x, t);
    F::mul(t, t, q.z);
    F::mul(s1, p.y, t);
    F::sqr(t, p.z);
    F::mul(h, q.x, t);
    F::mul(t, t, p.z);
    F::mul(r, q.y, t);
    F::sub(h, h, u1);
    F::sub(r, r, s1);
    if (F::is_zero(h)) {
        if (F::is_zero(r)) point_double(p);
        else set_infinity(p);
        return;
    }
    F::mul(p.z, p.z, q.z);
    point_add_finish(p, u1, s1, h, r);
}

// p := p + q for an affine q.
template <class F>
WE_DEV WE_NOINLINE void point_add_affine(Jacobian<F>& p, const Affine<F>& q) {
    if (is_infinity(p)) return set_affine(p, q);
    typename F::Elem u1 = p.x, s1 = p.y, h, r, t;
    F::sqr(t, p.z);
    F::mul(h, q.x, t);
    F::mul(t, t, p.z);
    F::mul(r, q.y, t);
    F::sub(h, h, u1);
    F::sub(r, r, s1);
    if (F::is_zero(h)) {
        if (F::is_zero(r)) point_double(p);
        else set_infinity(p);
        return;
    }
    point_add_finish(p, u1, s1, h, r);
}

// The affine point of p, which the caller has checked not to be infinity.
template <class F>
WE_DEV WE_NOINLINE void to_affine(Affine<F>& r, const Jacobian<F>& p) {
    typename F::Elem zi, zi2;
    F::inverse(zi, p.z);
    F::sqr(zi2, zi);
    F::mul(r.x, p.x, zi2);
    F::mul(zi, zi, zi2);
    F::mul(r.y, p.y, zi);
}

// p := k p for k != 0, most significant bit first: for constants with few ones.
template <class F>
WE_DEV WE_NOINLINE void point_mul_u64(Jacobian<F>& p, u64 k) {
    Jacobian<F> q = p;
    WE_ROLL
    for (u32 i = 63 - clz64(k); i-- > 0;) {
        point_double(p);
        if (k >> i & 1) point_add(p, q);
    }
}

// Whether p = q.
template <class F>
WE_DEV WE_NOINLINE bool point_eq(const Jacobian<F>& p, const Affine<F>& q) {
    if (is_infinity(p)) return false;
    typename F::Elem t, s;
    F::sqr(t, p.z);
    F::mul(s, t, q.x);
    if (!F::eq(s, p.x)) return false;
    F::mul(t, t, p.z);
    F::mul(s, t, q.y);
    return F::eq(s, p.y);
}

}  // namespace warpevm

#endif  // WARPEVM_OP_JACOBIAN_CUH
