// The pairing check on alt_bn128 (EIP-197): precompile 0x08.
//
// Stack: the Miller loops of pairing_batch_count pairs take 384 bytes a pair, the tower about 4 KiB.
#ifndef WARPEVM_OP_BN254_PAIRING_CUH
#define WARPEVM_OP_BN254_PAIRING_CUH

#include "pairing.cuh"

namespace warpevm {

// The base prime, and -1/p mod 2^64.
WE_CONST u64 bn254_modulus[5] = {
    0x3c208c16d87cfd47ull, 0x97816a916871ca8dull, 0xb85045b68181585dull, 0x30644e72e131a029ull,
    0x87d20782e4866389ull
};
// 2^512 mod p.
WE_CONST u64 bn254_r2[4] = {
    0xf32cfc5b538afa89ull, 0xb5e71911d44501fbull, 0x47ab1eff0a417ff6ull, 0x06d89f71cab8351full
};
// 2^256 mod p.
WE_CONST u64 bn254_one[4] = {
    0xd35d438dc58f0d9dull, 0x0a78eb28f5c70b3dull, 0x666ea36f7879462cull, 0x0e0a77c19a07df2full
};
// b' = 3 / (9 + u).
WE_CONST u64 bn254_twist_b[8] = {
    0x3bf938e377b802a8ull, 0x020b1b273633535dull, 0x26b7edf049755260ull, 0x2514c6324384a86dull,
    0x38e7ecccd1dcff67ull, 0x65f0b37d93ce0d3eull, 0xd749d0dd22ac00aaull, 0x0141b9ce4a688d4dull
};
// b = 3.
WE_CONST u64 bn254_three[4] = {
    0x7a17caa950ad28d7ull, 0x1f6ac17ae15521b9ull, 0x334bea4e696bd284ull, 0x2a1f6744ce179d8eull
};
// (9 + u)^(i (p - 1) / 6) for i = 1..5.
WE_CONST u64 bn254_frobenius[40] = {
    0xaf9ba69633144907ull, 0xca6b1d7387afb78aull, 0x11bded5ef08a2087ull, 0x02f34d751a1f3a7cull,
    0xa222ae234c492d72ull, 0xd00f02a4565de15bull, 0xdc2ff3a253dfc926ull, 0x10a75716b3899551ull,
    0xb5773b104563ab30ull, 0x347f91c8a9aa6454ull, 0x7a007127242e0991ull, 0x1956bcd8118214ecull,
    0x6e849f1ea0aa4757ull, 0xaa1c7b6d89f89141ull, 0xb6e713cdfae0ca3aull, 0x26694fbb4e82ebc3ull,
    0xe4bbdd0c2936b629ull, 0xbb30f162e133bacbull, 0x31a9d1b6f9645366ull, 0x253570bea500f8ddull,
    0xa1d77ce45ffe77c7ull, 0x07affd117826d1dbull, 0x6d16bd27bb7edc6bull, 0x2c87200285defeccull,
    0x7361d77f843abe92ull, 0xa5bb2bd3273411fbull, 0x9c941f314b3e2399ull, 0x15df9cddbb9fd3ecull,
    0x5dddfd154bd8c949ull, 0x62cb29a5a4445b60ull, 0x37bc870a0c7dd2b9ull, 0x24830a9d3171f0fdull,
    0xc970692f41690fe7ull, 0xe240342127694b0bull, 0x32bee66b83c459e8ull, 0x12aabced0ab08841ull,
    0x0d485d2340aebfa9ull, 0x05193418ab2fcc57ull, 0xd3b0a40b8a4910f5ull, 0x2f21ebb535d2925aull
};
// (9 + u)^(i (p^2 - 1) / 6) for i = 1..5, which lie in F.
WE_CONST u64 bn254_frobenius2[20] = {
    0xca8d800500fa1bf2ull, 0xf0c5d61468b39769ull, 0x0e201271ad0d4418ull, 0x04290f65bad856e6ull,
    0x3350c88e13e80b9cull, 0x7dce557cdb5e56b9ull, 0x6001b4b8b615564aull, 0x2682e617020217e0ull,
    0x68c3488912edefaaull, 0x8d087f6872aabf4full, 0x51e1a24709081231ull, 0x2259d6b14729c0faull,
    0x71930c11d782e155ull, 0xa6bb947cffbe3323ull, 0xaa303344d4741444ull, 0x2c3b3f0d26594943ull,
    0x08cfc388c494f1abull, 0x19b315148d1373d4ull, 0x584e90fdcb6c0213ull, 0x09e1685bdf2f8849ull
};

struct Bn254Prime {
    static constexpr u32 bits = 256;
    static WE_DEV WE_INLINE u64 limb(u32 i) { return bn254_modulus[i]; }
    static WE_DEV WE_INLINE u64 r2(u32 i) { return bn254_r2[i]; }
    static WE_DEV WE_INLINE u64 one(u32 i) { return bn254_one[i]; }
    static WE_DEV WE_INLINE const u64* table() { return bn254_modulus; }
};

struct Bn254Tower {
    typedef Bn254Prime Prime;
    typedef PrimeField<Bn254Prime> F;
    static constexpr u32 xi = 9;
    static WE_DEV WE_INLINE void frobenius(QuadraticElement<F>& r, u32 i) {
        F::set_table(r.c0, bn254_frobenius + 8 * (i - 1));
        F::set_table(r.c1, bn254_frobenius + 8 * (i - 1) + 4);
    }
    static WE_DEV WE_INLINE void frobenius2(FieldElement<Bn254Prime>& r, u32 i) {
        F::set_table(r, bn254_frobenius2 + 4 * (i - 1));
    }
};

// The curve's parameter is x = 4965661367192848881; the loop count is 6 x + 2.
struct Bn254Pairing {
    typedef Bn254Tower Tower;
    typedef Miller<Bn254Pairing> M;
    typedef PrimeField<Bn254Prime> F;
    typedef QuadraticField<F> F2;
    static constexpr bool m_twist = false;
    static constexpr u32 loop_bits = 64;
    static constexpr u64 loop_plus = 0xa002004200804028ull, loop_minus = 0x02889008420a0480ull;
    static constexpr u64 x = 4965661367192848881ull;
    static constexpr u32 x_bits = 62;
    static constexpr u64 x_plus = 0x050a14044a890a01ull, x_minus = 0x0020815000200010ull;

    static WE_DEV WE_INLINE void twist_b(F2::Elem& r) {
        F::set_table(r.c0, bn254_twist_b);
        F::set_table(r.c1, bn254_twist_b + 4);
    }
    static WE_DEV WE_INLINE void mul_twist_b(F2::Elem& r) {
        F2::Elem b;
        twist_b(b);
        F2::mul(r, r, b);
    }
    // r := psi(q), the image of q's Frobenius on the twist: multiplication by p on G2.
    static WE_DEV WE_NOINLINE void psi(F2::Elem& x, F2::Elem& y) {
        F2::Elem k;
        F2::conjugate(x, x);
        F2::conjugate(y, y);
        Tower::frobenius(k, 2);
        F2::mul(x, x, k);
        Tower::frobenius(k, 3);
        F2::mul(y, y, k);
    }
    // The lines through psi(q) and -psi^2(q).
    template <class E12, class Pair>
    static WE_DEV WE_INLINE void end_steps(E12& f, Pair* pairs, u32 count) {
        WE_ROLL
        for (u32 k = 0; k < count; k++) {
            Affine<F2> q = pairs[k].q;
            psi(q.x, q.y);
            M::add_step(f, pairs[k], q);
            psi(q.x, q.y);
            F2::neg(q.y, q.y);
            M::add_step(f, pairs[k], q);
        }
    }
};

// Reads a point of G1; (0, 0) is infinity. False if a coordinate is not below p or the point is
// not on the curve, all of whose points are in G1.
template <class Src>
WE_DEV WE_NOINLINE bool bn254_read_g1(Affine<PrimeField<Bn254Prime>>& p, bool& is_infinite,
                                      const Src& src, u32 off) {
    typedef PrimeField<Bn254Prime> F;
    if (!F::read(p.x, src, off) || !F::read(p.y, src, off + 32)) return false;
    is_infinite = F::is_zero(p.x) && F::is_zero(p.y);
    if (is_infinite) return true;
    F::Elem left, right;
    F::sqr(left, p.y);
    F::sqr(right, p.x);
    F::mul(right, right, p.x);
    F::Elem b;
    F::set_table(b, bn254_three);
    F::add(right, right, b);
    return F::eq(left, right);
}

// Whether a point of the twist is in G2: (x + 1) q + psi(x q) + psi^2(x q) = psi^3(2 x q).
//
// Soundness: in Z[psi] with psi^2 - t psi + p = 0 the norm of x + 1 + x psi + x psi^2 - 2 x psi^3
// has r as its greatest common divisor with the order of the twist, r (2p - r), which r divides
// once. What the equation kills has an order that divides both.
WE_DEV WE_NOINLINE bool bn254_in_g2(const Affine<QuadraticField<PrimeField<Bn254Prime>>>& q) {
    typedef Bn254Pairing C;
    typedef C::F2 F2;
    Jacobian<F2> xq, left, t;
    set_affine(left, q);
    xq = left;
    Affine<F2> minus = q;
    F2::neg(minus.y, minus.y);
    WE_ROLL
    for (u32 i = C::x_bits; i-- > 0;) {
        point_double(xq);
        if (C::x_plus >> i & 1) point_add_affine(xq, q);
        if (C::x_minus >> i & 1) point_add_affine(xq, minus);
    }
    t = xq;
    point_add(left, t);
    WE_ROLL
    for (u32 i = 0; i < 2; i++) {
        F2::conjugate(t.z, t.z);
        C::psi(t.x, t.y);
        point_add(left, t);
    }
    point_double(xq);
    WE_ROLL
    for (u32 i = 0; i < 3; i++) {
        F2::conjugate(xq.z, xq.z);
        C::psi(xq.x, xq.y);
    }
    F2::neg(xq.y, xq.y);
    point_add(left, xq);
    return is_infinity(left);
}

// Reads a point of G2, imaginary parts first; zeros are infinity. False if it is not one.
template <class Src>
WE_DEV WE_NOINLINE bool bn254_read_g2(Affine<QuadraticField<PrimeField<Bn254Prime>>>& q,
                                      bool& is_infinite, const Src& src, u32 off) {
    typedef PrimeField<Bn254Prime> F;
    typedef QuadraticField<F> F2;
    if (!F::read(q.x.c1, src, off) || !F::read(q.x.c0, src, off + 32) ||
        !F::read(q.y.c1, src, off + 64) || !F::read(q.y.c0, src, off + 96)) {
        return false;
    }
    is_infinite = F2::is_zero(q.x) && F2::is_zero(q.y);
    if (is_infinite) return true;
    F2::Elem left, right, b;
    F2::sqr(left, q.y);
    F2::sqr(right, q.x);
    F2::mul(right, right, q.x);
    Bn254Pairing::twist_b(b);
    F2::add(right, right, b);
    return F2::eq(left, right) && bn254_in_g2(q);
}

// f := f^(a multiple of (p^4 - p^2 + 1) / r prime to r) for f in the cyclotomic subgroup
// (Fuentes-Castaneda, Knapp, Rodriguez-Henriquez 2011).
WE_DEV WE_NOINLINE void bn254_hard_exponentiation(Miller<Bn254Pairing>::E12& f) {
    typedef Bn254Pairing C;
    typedef Miller<C> M;
    typedef M::T T;
    T::E12 a, b, c, d, e;
    M::power_cyclotomic(a, f, C::x_bits, C::x_plus, C::x_minus);
    T::sqr_cyclotomic(a);                                         // f^2x
    b = a;
    T::sqr_cyclotomic(b);
    T::mul12(b, b, a);                                            // f^6x
    M::power_cyclotomic(c, b, C::x_bits, C::x_plus, C::x_minus);  // f^6x^2
    d = c;
    T::sqr_cyclotomic(d);
    M::power_cyclotomic(e, d, C::x_bits, C::x_plus, C::x_minus);  // f^12x^3
    T::mul12(e, e, c);
    T::mul12(e, e, b);  // f^(12x^3 + 6x^2 + 6x)
    d = a;
    T::conjugate12(d);
    T::mul12(d, d, e);  // f^(12x^3 + 6x^2 + 4x)
    T::mul12(c, c, e);
    T::mul12(c, c, f);  // f^(12x^3 + 12x^2 + 6x + 1)
    // The result is c d^p e^(p^2) (d / f)^(p^3).
    a = d;
    T::frobenius12(a);
    T::mul12(c, c, a);
    T::frobenius12_twice(e);
    T::mul12(c, c, e);
    T::conjugate12(f);
    T::mul12(f, f, d);
    T::frobenius12(f);
    T::frobenius12_twice(f);
    T::mul12(f, f, c);
}

// Whether the product of the pairings of `count` pairs, 192 bytes each, is one. False through `ok`
// if a point is invalid.
template <class Src>
WE_DEV WE_NOINLINE bool bn254_pairing(const Src& src, u32 count, bool& ok) {
    typedef Miller<Bn254Pairing> M;
    M::Pair pairs[pairing_batch_count];
    M::E12 f;
    M::T::set_one12(f);
    u32 n = 0;
    ok = true;
    WE_ROLL
    for (u32 i = 0; i < count; i++) {
        bool p_infinite, q_infinite;
        ok = bn254_read_g1(pairs[n].p, p_infinite, src, 192 * i) &&
             bn254_read_g2(pairs[n].q, q_infinite, src, 192 * i + 64);
        if (!ok) return false;
        if (!p_infinite && !q_infinite) n++;
        if (n == pairing_batch_count || (n != 0 && i + 1 == count)) {
            M::loop(f, pairs, n);
            n = 0;
        }
    }
    M::easy_exponentiation(f);
    bn254_hard_exponentiation(f);
    return M::T::is_one12(f);
}

}  // namespace warpevm

#endif  // WARPEVM_OP_BN254_PAIRING_CUH
