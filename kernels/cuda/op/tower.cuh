// The tower of fields in which the pairings compute: F2 = F[u]/(u^2 + 1), F6 = F2[v]/(v^3 - xi),
// F12 = F6[w]/(w^2 - v), with xi = k + u for a small k.
//
// A tower is a type T with `Prime` (the P of its PrimeField), `xi` (the number k), and frobenius(i)
// and frobenius2(i): constants xi^(i (p-1)/6) in F2 and xi^(i (p^2-1)/6) in F, 0 < i < 6. Functions
// write their first argument, which may be one of the others. Products are summed before they are
// reduced (lazy reduction, Aranha et al. 2011): 12 reductions in F12 rather than 54.
#ifndef WARPEVM_OP_TOWER_CUH
#define WARPEVM_OP_TOWER_CUH

#include "prime_inverse.cuh"

namespace warpevm {

template <class B>
struct QuadraticElement {
    typename B::Elem c0, c1;
};

template <class B>
struct QuadraticWide {
    typename B::Wide c0, c1;
};

// B[u]/(u^2 + 1).
template <class B>
struct QuadraticField {
    typedef B Base;
    typedef QuadraticElement<B> Elem;
    typedef QuadraticWide<B> Wide;

    static WE_DEV WE_INLINE void set_zero(Elem& r) { B::set_zero(r.c0), B::set_zero(r.c1); }
    static WE_DEV WE_INLINE void set_one(Elem& r) { B::set_one(r.c0), B::set_zero(r.c1); }
    static WE_DEV WE_INLINE bool is_zero(const Elem& a) {
        return B::is_zero(a.c0) && B::is_zero(a.c1);
    }
    static WE_DEV WE_INLINE bool eq(const Elem& a, const Elem& b) {
        return B::eq(a.c0, b.c0) && B::eq(a.c1, b.c1);
    }
    static WE_DEV WE_INLINE bool is_one(const Elem& a) {
        return B::is_one(a.c0) && B::is_zero(a.c1);
    }
    static WE_DEV WE_INLINE void add(Elem& r, const Elem& a, const Elem& b) {
        B::add(r.c0, a.c0, b.c0), B::add(r.c1, a.c1, b.c1);
    }
    static WE_DEV WE_INLINE void sub(Elem& r, const Elem& a, const Elem& b) {
        B::sub(r.c0, a.c0, b.c0), B::sub(r.c1, a.c1, b.c1);
    }
    static WE_DEV WE_INLINE void dbl(Elem& r, const Elem& a) { add(r, a, a); }
    static WE_DEV WE_INLINE void neg(Elem& r, const Elem& a) {
        B::neg(r.c0, a.c0), B::neg(r.c1, a.c1);
    }
    static WE_DEV WE_INLINE void halve(Elem& r, const Elem& a) {
        B::halve(r.c0, a.c0), B::halve(r.c1, a.c1);
    }
    static WE_DEV WE_INLINE void conjugate(Elem& r, const Elem& a) {
        r.c0 = a.c0;
        B::neg(r.c1, a.c1);
    }
    static WE_DEV WE_INLINE void add_wide(Wide& r, const Wide& a, const Wide& b) {
        B::add_wide(r.c0, a.c0, b.c0), B::add_wide(r.c1, a.c1, b.c1);
    }
    static WE_DEV WE_INLINE void sub_wide(Wide& r, const Wide& a, const Wide& b) {
        B::sub_wide(r.c0, a.c0, b.c0), B::sub_wide(r.c1, a.c1, b.c1);
    }
    static WE_DEV WE_INLINE void reduce(Elem& r, const Wide& a) {
        B::reduce(r.c0, a.c0), B::reduce(r.c1, a.c1);
    }
    // Karatsuba. The sums are below 2p, and their product below 4p^2 < pR.
    static WE_DEV WE_NOINLINE void mul_wide(Wide& r, const Elem& a, const Elem& b) {
        typename B::Elem s, t;
        typename B::Wide v;
        B::add_unreduced(s, a.c0, a.c1);
        B::add_unreduced(t, b.c0, b.c1);
        B::mul_wide(r.c1, s, t);
        B::mul_wide(r.c0, a.c0, b.c0);
        B::mul_wide(v, a.c1, b.c1);
        B::sub_wide_exact(r.c1, r.c1, r.c0);
        B::sub_wide_exact(r.c1, r.c1, v);
        B::sub_wide(r.c0, r.c0, v);
    }
    static WE_DEV WE_INLINE void sqr_wide(Wide& r, const Elem& a) {
        typename B::Elem s, t;
        B::add_unreduced(s, a.c0, a.c0);
        B::mul_wide(r.c1, s, a.c1);
        B::add_unreduced(s, a.c0, a.c1);
        B::sub(t, a.c0, a.c1);
        B::mul_wide(r.c0, s, t);
    }
    static WE_DEV WE_NOINLINE void mul(Elem& r, const Elem& a, const Elem& b) {
        Wide w;
        mul_wide(w, a, b);
        reduce(r, w);
    }
    static WE_DEV WE_NOINLINE void sqr(Elem& r, const Elem& a) {
        typename B::Elem s, t;
        B::add_unreduced(s, a.c0, a.c1);
        B::sub(t, a.c0, a.c1);
        B::mul(r.c1, a.c0, a.c1);
        B::mul(r.c0, s, t);
        B::dbl(r.c1, r.c1);
    }
    static WE_DEV WE_INLINE void mul_base(Elem& r, const Elem& a, const typename B::Elem& b) {
        B::mul(r.c0, a.c0, b), B::mul(r.c1, a.c1, b);
    }
    // 1 / a, and 0 for 0.
    static WE_DEV WE_NOINLINE void inverse(Elem& r, const Elem& a) {
        typename B::Elem norm, t;
        B::sqr(norm, a.c0);
        B::sqr(t, a.c1);
        B::add(norm, norm, t);
        B::inverse(norm, norm);
        B::mul(r.c0, a.c0, norm);
        B::mul(r.c1, a.c1, norm);
        B::neg(r.c1, r.c1);
    }
};

template <class T>
struct Tower {
    typedef PrimeField<typename T::Prime> F;
    typedef QuadraticField<F> F2;
    typedef typename F2::Elem E2;
    typedef typename F2::Wide W2;
    struct E6 {
        E2 c[3];
    };
    struct E12 {
        E6 c0, c1;
    };

    // r := k * a + b, or k * a - b.
    static WE_DEV WE_INLINE void times_k(typename F::Elem& r, const typename F::Elem& a) {
        if constexpr (T::xi == 1) {
            r = a;
        } else {
            static_assert(T::xi == 9, "xi is 1 + u or 9 + u");
            typename F::Elem t;
            F::dbl(t, a), F::dbl(t, t), F::dbl(t, t);
            F::add(r, t, a);
        }
    }
    static WE_DEV WE_INLINE void times_k(typename F::Wide& r, const typename F::Wide& a) {
        if constexpr (T::xi == 1) {
            r = a;
        } else {
            typename F::Wide t;
            F::add_wide(t, a, a), F::add_wide(t, t, t), F::add_wide(t, t, t);
            F::add_wide(r, t, a);
        }
    }
    static WE_DEV WE_NOINLINE void mul_xi(E2& r, const E2& a) {
        typename F::Elem x, y;
        times_k(x, a.c0);
        times_k(y, a.c1);
        F::add(y, y, a.c0);
        F::sub(r.c0, x, a.c1);
        r.c1 = y;
    }
    static WE_DEV WE_NOINLINE void mul_xi_wide(W2& r, const W2& a) {
        typename F::Wide x, y;
        times_k(x, a.c0);
        times_k(y, a.c1);
        F::add_wide(y, y, a.c0);
        F::sub_wide(r.c0, x, a.c1);
        r.c1 = y;
    }

    // ---- F6 ----

    static WE_DEV WE_INLINE void add6(E6& r, const E6& a, const E6& b) {
        WE_UNROLL
        for (u32 i = 0; i < 3; i++) F2::add(r.c[i], a.c[i], b.c[i]);
    }
    static WE_DEV WE_INLINE void sub6(E6& r, const E6& a, const E6& b) {
        WE_UNROLL
        for (u32 i = 0; i < 3; i++) F2::sub(r.c[i], a.c[i], b.c[i]);
    }
    static WE_DEV WE_INLINE void neg6(E6& r, const E6& a) {
        WE_UNROLL
        for (u32 i = 0; i < 3; i++) F2::neg(r.c[i], a.c[i]);
    }
    // r := a v.
    static WE_DEV WE_INLINE void mul_v(E6& r, const E6& a) {
        E2 t;
        mul_xi(t, a.c[2]);
        r.c[2] = a.c[1];
        r.c[1] = a.c[0];
        r.c[0] = t;
    }
    // The product of sums (a_i + a_j)(b_i + b_j) less x and y.
    static WE_DEV WE_INLINE void cross(W2& r, const E2& ai, const E2& aj, const E2& bi,
                                       const E2& bj, const W2& x, const W2& y) {
        E2 s, t;
        F2::add(s, ai, aj);
        F2::add(t, bi, bj);
        F2::mul_wide(r, s, t);
        F2::sub_wide(r, r, x);
        F2::sub_wide(r, r, y);
    }
    static WE_DEV WE_NOINLINE void mul6(E6& r, const E6& a, const E6& b) {
        W2 v0, v1, v2, x0, x1, x2;
        F2::mul_wide(v0, a.c[0], b.c[0]);
        F2::mul_wide(v1, a.c[1], b.c[1]);
        F2::mul_wide(v2, a.c[2], b.c[2]);
        cross(x0, a.c[1], a.c[2], b.c[1], b.c[2], v1, v2);
        cross(x1, a.c[0], a.c[1], b.c[0], b.c[1], v0, v1);
        cross(x2, a.c[0], a.c[2], b.c[0], b.c[2], v0, v2);
        mul_xi_wide(x0, x0);
        F2::add_wide(x0, x0, v0);
        mul_xi_wide(v2, v2);
        F2::add_wide(x1, x1, v2);
        F2::add_wide(x2, x2, v1);
        F2::reduce(r.c[0], x0);
        F2::reduce(r.c[1], x1);
        F2::reduce(r.c[2], x2);
    }
    // r := a (b0 + b1 v).
    static WE_DEV WE_NOINLINE void mul6_by_01(E6& r, const E6& a, const E2& b0, const E2& b1) {
        W2 v0, v1, x0, x1, x2;
        F2::mul_wide(v0, a.c[0], b0);
        F2::mul_wide(v1, a.c[1], b1);
        cross(x1, a.c[0], a.c[1], b0, b1, v0, v1);
        F2::mul_wide(x0, a.c[2], b1);
        F2::mul_wide(x2, a.c[2], b0);
        mul_xi_wide(x0, x0);
        F2::add_wide(x0, x0, v0);
        F2::add_wide(x2, x2, v1);
        F2::reduce(r.c[0], x0);
        F2::reduce(r.c[1], x1);
        F2::reduce(r.c[2], x2);
    }
    static WE_DEV WE_INLINE void mul6_by_e2(E6& r, const E6& a, const E2& b) {
        WE_ROLL
        for (u32 i = 0; i < 3; i++) F2::mul(r.c[i], a.c[i], b);
    }
    static WE_DEV WE_NOINLINE void inverse6(E6& r, const E6& a) {
        E2 x, y, z, t;
        F2::mul(t, a.c[1], a.c[2]);
        mul_xi(t, t);
        F2::sqr(x, a.c[0]);
        F2::sub(x, x, t);
        F2::sqr(t, a.c[2]);
        mul_xi(t, t);
        F2::mul(y, a.c[0], a.c[1]);
        F2::sub(y, t, y);
        F2::mul(t, a.c[0], a.c[2]);
        F2::sqr(z, a.c[1]);
        F2::sub(z, z, t);
        E2 norm;
        F2::mul(norm, a.c[2], y);
        F2::mul(t, a.c[1], z);
        F2::add(norm, norm, t);
        mul_xi(norm, norm);
        F2::mul(t, a.c[0], x);
        F2::add(norm, norm, t);
        F2::inverse(norm, norm);
        F2::mul(r.c[0], x, norm);
        F2::mul(r.c[1], y, norm);
        F2::mul(r.c[2], z, norm);
    }

    // ---- F12 ----

    static WE_DEV WE_NOINLINE void set_one12(E12& r) {
        WE_ROLL
        for (u32 i = 0; i < 3; i++) F2::set_zero(r.c0.c[i]), F2::set_zero(r.c1.c[i]);
        F2::set_one(r.c0.c[0]);
    }
    static WE_DEV WE_NOINLINE bool is_one12(const E12& a) {
        bool one = F2::is_one(a.c0.c[0]) && F2::is_zero(a.c1.c[0]);
        WE_ROLL
        for (u32 i = 1; i < 3; i++) {
            one = one && F2::is_zero(a.c0.c[i]) && F2::is_zero(a.c1.c[i]);
        }
        return one;
    }
    // r0 + r1 w := x + y w^2 + (z - x - y) w: the end of Karatsuba's product.
    static WE_DEV WE_INLINE void finish12(E12& r, const E6& x, E6& y, E6& z) {
        sub6(z, z, x);
        sub6(r.c1, z, y);
        mul_v(y, y);
        add6(r.c0, x, y);
    }
    static WE_DEV WE_NOINLINE void mul12(E12& r, const E12& a, const E12& b) {
        E6 x, y, z, s;
        add6(z, a.c0, a.c1);
        add6(s, b.c0, b.c1);
        mul6(z, z, s);
        mul6(x, a.c0, b.c0);
        mul6(y, a.c1, b.c1);
        finish12(r, x, y, z);
    }
    static WE_DEV WE_NOINLINE void sqr12(E12& r, const E12& a) {
        E6 x, y, z;
        mul6(x, a.c0, a.c1);
        mul_v(y, a.c1);
        add6(y, y, a.c0);
        add6(z, a.c0, a.c1);
        mul6(z, z, y);
        sub6(z, z, x);
        mul_v(y, x);
        sub6(r.c0, z, y);
        add6(r.c1, x, x);
    }
    // The inverse on the cyclotomic subgroup.
    static WE_DEV WE_INLINE void conjugate12(E12& r) { neg6(r.c1, r.c1); }
    static WE_DEV WE_NOINLINE void inverse12(E12& r, const E12& a) {
        E6 t, s;
        mul6(t, a.c1, a.c1);
        mul_v(t, t);
        mul6(s, a.c0, a.c0);
        sub6(t, s, t);
        inverse6(t, t);
        mul6(r.c0, a.c0, t);
        mul6(r.c1, a.c1, t);
        neg6(r.c1, r.c1);
    }
    // The coefficient of w^i.
    static WE_DEV WE_INLINE E2& power_of_w(E12& a, u32 i) {
        return i % 2 == 0 ? a.c0.c[i / 2] : a.c1.c[i / 2];
    }
    // a^p.
    static WE_DEV WE_NOINLINE void frobenius12(E12& a) {
        WE_ROLL
        for (u32 i = 0; i < 6; i++) {
            E2& x = power_of_w(a, i);
            F::neg(x.c1, x.c1);
            if (i == 0) continue;
            E2 k;
            T::frobenius(k, i);
            F2::mul(x, x, k);
        }
    }
    // a^(p^2).
    static WE_DEV WE_NOINLINE void frobenius12_twice(E12& a) {
        WE_ROLL
        for (u32 i = 1; i < 6; i++) {
            E2& x = power_of_w(a, i);
            typename F::Elem k;
            T::frobenius2(k, i);
            F2::mul_base(x, x, k);
        }
    }
    // (r0 + r1 y) := (a + b y)^2 with y^2 = xi.
    static WE_DEV WE_NOINLINE void sqr4(E2& r0, E2& r1, const E2& a, const E2& b) {
        W2 x, y, z;
        E2 s;
        F2::add(s, a, b);
        F2::sqr_wide(x, a);
        F2::sqr_wide(y, b);
        F2::sqr_wide(z, s);
        F2::sub_wide(z, z, x);
        F2::sub_wide(z, z, y);
        mul_xi_wide(y, y);
        F2::add_wide(x, x, y);
        F2::reduce(r0, x);
        F2::reduce(r1, z);
    }
    // r := 3 t - 2 r, or 3 t + 2 r.
    static WE_DEV WE_INLINE void three_less_two(E2& r, const E2& t) {
        E2 s;
        F2::sub(s, t, r);
        F2::dbl(s, s);
        F2::add(r, s, t);
    }
    static WE_DEV WE_INLINE void three_plus_two(E2& r, const E2& t) {
        E2 s;
        F2::add(s, t, r);
        F2::dbl(s, s);
        F2::add(r, s, t);
    }
    // a^2 for a in the cyclotomic subgroup (Granger, Scott 2010).
    static WE_DEV WE_NOINLINE void sqr_cyclotomic(E12& a) {
        E2 t0, t1, t2, t3, t4, t5;
        sqr4(t0, t1, a.c0.c[0], a.c1.c[1]);
        sqr4(t2, t3, a.c1.c[0], a.c0.c[2]);
        sqr4(t4, t5, a.c0.c[1], a.c1.c[2]);
        mul_xi(t5, t5);
        three_less_two(a.c0.c[0], t0);
        three_less_two(a.c0.c[1], t2);
        three_less_two(a.c0.c[2], t4);
        three_plus_two(a.c1.c[0], t5);
        three_plus_two(a.c1.c[1], t1);
        three_plus_two(a.c1.c[2], t3);
    }
};

}  // namespace warpevm

#endif  // WARPEVM_OP_TOWER_CUH
