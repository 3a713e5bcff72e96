// Optimal ate pairings on curves with a sextic twist: products of Miller loops that share their
// squarings, and the part of the final exponentiation that is the same for all curves.
//
// A pairing curve is a type C with
//   Tower     a type as in tower.cuh, whose field F2 the twist E': y^2 = x^3 + b' is over
//   m_twist   b' = b * xi (else b' = b / xi, a D-twist)
//   mul_twist_b(r)      r := r * b'
//   loop_plus, loop_minus   the bits of the loop count, below its topmost, as positions of +1, -1
//   loop_bits           how many
//   end_steps(M, pair, f)   what follows the loop, or nothing
#ifndef WARPEVM_OP_PAIRING_CUH
#define WARPEVM_OP_PAIRING_CUH

#include "jacobian.cuh"

namespace warpevm {

// Pairs whose Miller loops share squarings. More cost memory and gain little: the squarings are
// about a third of a pair's work.
#if WE_CUDA
constexpr u32 pairing_batch_count = 2;
#else
constexpr u32 pairing_batch_count = 8;
#endif

template <class C>
struct Miller {
    typedef Tower<typename C::Tower> T;
    typedef typename T::F F;
    typedef typename T::F2 F2;
    typedef typename T::E2 E2;
    typedef typename T::E12 E12;

    // One pair: p in G1, q in G2, and the multiple (x/z, y/z) of q at which the loop is.
    struct Pair {
        Affine<F> p;
        Affine<F2> q;
        E2 x, y, z;
    };

    static WE_DEV WE_INLINE void start(Pair& pair) {
        pair.x = pair.q.x;
        pair.y = pair.q.y;
        F2::set_one(pair.z);
    }

    // f := f * (the line a + b x_p + c y_p at the pair's p): a and b times v and w as the twist
    // has it.
    static WE_DEV WE_NOINLINE void mul_line(E12& f, E2& a, E2& b, E2& c, const Affine<F>& p) {
        typename T::E6 x, y, z;
        E2 t;
        F2::mul_base(b, b, p.x);
        F2::mul_base(c, c, p.y);
        T::add6(z, f.c0, f.c1);
        if constexpr (C::m_twist) {  // a + b v + c v w
            T::mul6_by_01(x, f.c0, a, b);
            T::mul6_by_e2(y, f.c1, c);
            T::mul_v(y, y);
            F2::add(t, b, c);
            T::mul6_by_01(z, z, a, t);
        } else {  // c + b w + a v w
            T::mul6_by_e2(x, f.c0, c);
            T::mul6_by_01(y, f.c1, b, a);
            F2::add(t, c, b);
            T::mul6_by_01(z, z, t, a);
        }
        T::finish12(f, x, y, z);
    }

    // Doubles the pair's multiple and multiplies f by the tangent (Costello, Lange, Naehrig 2010,
    // in homogeneous coordinates).
    static WE_DEV WE_NOINLINE void double_step(E12& f, Pair& pair) {
        E2 a, b, c, e, g, h, i, j;
        F2::mul(a, pair.x, pair.y);
        F2::halve(a, a);
        F2::sqr(b, pair.y);
        F2::sqr(c, pair.z);
        F2::dbl(e, c);
        F2::add(e, e, c);
        C::mul_twist_b(e);
        F2::add(h, pair.y, pair.z);
        F2::sqr(h, h);
        F2::sub(h, h, b);
        F2::sub(h, h, c);
        F2::sub(i, e, b);
        F2::sqr(j, pair.x);
        F2::dbl(g, e);
        F2::add(g, g, e);           // 3 e
        F2::sub(pair.x, b, g);
        F2::mul(pair.x, pair.x, a);
        F2::add(g, g, b);
        F2::halve(g, g);
        F2::sqr(g, g);
        F2::sqr(e, e);
        F2::sub(g, g, e), F2::sub(g, g, e);
        F2::sub(pair.y, g, e);
        F2::mul(pair.z, b, h);
        F2::dbl(a, j);
        F2::add(j, a, j);
        F2::neg(h, h);
        mul_line(f, i, j, h, pair.p);
    }

    // Adds q to the pair's multiple and multiplies f by the line through both.
    static WE_DEV WE_NOINLINE void add_step(E12& f, Pair& pair, const Affine<F2>& q) {
        E2 theta, lambda, c, d, e, g, h;
        F2::mul(theta, q.y, pair.z);
        F2::sub(theta, pair.y, theta);
        F2::mul(lambda, q.x, pair.z);
        F2::sub(lambda, pair.x, lambda);
        F2::sqr(c, theta);
        F2::sqr(d, lambda);
        F2::mul(e, lambda, d);
        F2::mul(c, pair.z, c);
        F2::mul(g, pair.x, d);
        F2::add(h, e, c);
        F2::sub(h, h, g), F2::sub(h, h, g);
        F2::mul(pair.x, lambda, h);
        F2::sub(g, g, h);
        F2::mul(g, theta, g);
        F2::mul(h, e, pair.y);
        F2::sub(pair.y, g, h);
        F2::mul(pair.z, pair.z, e);
        F2::mul(g, theta, q.x);
        F2::mul(h, lambda, q.y);
        F2::sub(g, g, h);
        F2::neg(theta, theta);
        mul_line(f, g, theta, lambda, pair.p);
    }

    // f := f * the product of the pairs' Miller loops.
    static WE_DEV WE_NOINLINE void loop(E12& f, Pair* pairs, u32 count) {
        E12 g;
        T::set_one12(g);
        WE_ROLL
        for (u32 k = 0; k < count; k++) start(pairs[k]);
        WE_ROLL
        for (u32 i = C::loop_bits; i-- > 0;) {
            if (i + 1 != C::loop_bits) T::sqr12(g, g);
            bool plus = (C::loop_plus >> i & 1) != 0, minus = (C::loop_minus >> i & 1) != 0;
            WE_ROLL
            for (u32 k = 0; k < count; k++) {
                double_step(g, pairs[k]);
                if (!plus && !minus) continue;
                Affine<F2> q = pairs[k].q;
                if (minus) F2::neg(q.y, q.y);
                add_step(g, pairs[k], q);
            }
        }
        C::end_steps(g, pairs, count);
        T::mul12(f, f, g);
    }

    // f := f^((p^6 - 1)(p^2 + 1)), which lies in the cyclotomic subgroup.
    static WE_DEV WE_NOINLINE void easy_exponentiation(E12& f) {
        E12 g;
        T::inverse12(g, f);
        T::conjugate12(f);
        T::mul12(f, f, g);
        g = f;
        T::frobenius12_twice(g);
        T::mul12(f, f, g);
    }

    // r := a^k for a in the cyclotomic subgroup and k = 2^bits + the signed bits below.
    static WE_DEV WE_NOINLINE void power_cyclotomic(E12& r, const E12& a, u32 bits, u64 plus,
                                                    u64 minus) {
        E12 b = a, inverse = a;
        T::conjugate12(inverse);
        r = a;
        WE_ROLL
        for (u32 i = bits; i-- > 0;) {
            T::sqr_cyclotomic(r);
            if (plus >> i & 1) T::mul12(r, r, b);
            if (minus >> i & 1) T::mul12(r, r, inverse);
        }
    }
};

}  // namespace warpevm

#endif  // WARPEVM_OP_PAIRING_CUH
