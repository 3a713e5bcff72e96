// Public key recovery on secp256k1 (SEC 1, section 4.1.6): precompile 0x01, ECRECOVER.
#ifndef WARPEVM_OP_SECP256K1_CUH
#define WARPEVM_OP_SECP256K1_CUH

#include "curve.cuh"
#include "keccak.cuh"
#include "secp256k1_x86.cuh"
#if !WE_CUDA && !defined(WE_LIMBS32)
#include "secp256k1_odd.cuh"
#endif

namespace warpevm {

// Integers modulo p = 2^256 - 2^32 - 977, plain form.
struct Secp256k1Field {
    static WE_DEV WE_INLINE u256 modulus() {
        return from_u64x4(0xfffffffefffffc2full, 0xffffffffffffffffull, 0xffffffffffffffffull,
                          0xffffffffffffffffull);
    }
    static WE_DEV WE_INLINE u256 one() { return from_u64(1); }
    static constexpr u64 neg_inverse = 0xd838091dd2253531ull;

    static WE_DEV WE_FIELD_MUL u256 mul(u256 a, u256 b) {
        // 2^256 = 2^32 + 977 mod p: fold the upper half once, then the few bits above 2^256.
        u512 product = mul_full(a, b);
        u256 r;
        u64 above;
        limb carry = 0, c = 0;
#ifdef WE_LIMBS32
        WE_UNROLL
        for (u32 i = 0; i < 8; i++) {
            r.w[i] = mul_add2(product.w[8 + i], 977, product.w[i], carry, carry);
        }
        WE_UNROLL
        for (u32 i = 1; i < 8; i++) r.w[i] = add_limb(r.w[i], product.w[7 + i], c);
        above = (u64)product.w[15] + carry + c;
        // above < 2^33, so above * (2^32 + 977) takes up to 66 bits.
        u64 low = above * 977, mid = (low >> 32) + (u32)above;
        u256 fold = zero256();
        fold.w[0] = (u32)low;
        fold.w[1] = (u32)mid;
        fold.w[2] = (u32)(mid >> 32) + (u32)(above >> 32);
#else
        WE_UNROLL
        for (u32 i = 0; i < 4; i++) {
            r.w[i] = mul_add2(product.w[4 + i], 0x1000003d1ull, product.w[i], carry, carry);
        }
        above = carry;
        (void)c;
        dlimb low = (dlimb)above * 0x1000003d1ull;
        u256 fold = zero256();
        fold.w[0] = (u64)low;
        fold.w[1] = (u64)(low >> 64);
#endif
        r = warpevm::add_carry(r, fold, carry);
        // A carry leaves r far below 2^256 - 2^34, so the second fold cannot carry again.
        if (carry != 0) r = warpevm::add(r, from_u64(0x1000003d1ull));
        if (!lt(r, modulus())) r = warpevm::sub(r, modulus());
        return r;
    }

    static WE_DEV WE_INLINE u256 sqr(const u256& a) { return mul(a, a); }
    static WE_DEV WE_INLINE u256 add(const u256& a, const u256& b) {
        return field_add(a, b, modulus());
    }
    static WE_DEV WE_INLINE u256 sub(const u256& a, const u256& b) {
        return field_sub(a, b, modulus());
    }
    static WE_DEV WE_INLINE u256 halve(const u256& a) { return field_halve(a, modulus()); }
    static WE_DEV WE_INLINE bool is_zero(const u256& a) { return warpevm::is_zero(a); }
    static WE_DEV WE_INLINE bool eq(const u256& a, const u256& b) { return warpevm::eq(a, b); }
    // The element as a number below the modulus.
    static WE_DEV WE_INLINE u256 number(const u256& a) { return a; }
    static WE_DEV WE_INLINE u256 inverse(const u256& a) { return word_inverse<Secp256k1Field>(a); }
};

struct Secp256k1Curve {
    typedef Secp256k1Field Field;
    static constexpr bool a_is_minus_3 = false;
};

#ifdef WE_SECP256K1_X86
// Elements need not be reduced.
struct Secp256k1Reducible : Secp256k1FieldX86 {
    static u256 number(const u256& a) {
        return lt(a, Secp256k1Field::modulus()) ? a : warpevm::sub(a, Secp256k1Field::modulus());
    }
    static u256 inverse(const u256& a) { return word_inverse<Secp256k1Field>(number(a)); }
};

struct Secp256k1CurveX86 {
    typedef Secp256k1Reducible Field;
    static constexpr bool a_is_minus_3 = false;
};
#endif

// Integers modulo the group order n.
struct Secp256k1OrderParams {
    static WE_DEV WE_INLINE u256 modulus() {
        return from_u64x4(0xbfd25e8cd0364141ull, 0xbaaedce6af48a03bull, 0xfffffffffffffffeull,
                          0xffffffffffffffffull);
    }
    static WE_DEV WE_INLINE u256 one() {
        return from_u64x4(0x402da1732fc9bebfull, 0x4551231950b75fc4ull, 0x0000000000000001ull,
                          0x0000000000000000ull);
    }
    static WE_DEV WE_INLINE u256 r2() {
        return from_u64x4(0x896cf21467d7d140ull, 0x741496c20e7cf878ull, 0xe697f5e45bcd07c6ull,
                          0x9d671cd581c69bc5ull);
    }
    static constexpr u64 neg_inverse = 0x4b0dff665588b13full;
};
typedef MontgomeryField<Secp256k1OrderParams> Secp256k1Order;

// The endomorphism (x, y) -> (beta x, y) multiplies by lambda. Every k is k1 + k2 lambda mod n with
// |k1|, |k2| < 2^128 (Gallant, Lambert, Vanstone 2001); the constants below are those of the short
// lattice vectors (a1, b1), (a2, b2) with a1 = b2, and g = 2^384 times the coefficients of k.
WE_DEV WE_INLINE u256 secp256k1_beta() {
    return from_u64x4(0xc1396c28719501eeull, 0x9cf0497512f58995ull, 0x6e64479eac3434e9ull,
                      0x7ae96a2b657c0710ull);
}
WE_DEV WE_INLINE u256 secp256k1_g1() {
    return from_u64x4(0xe893209a45dbb031ull, 0x3daa8a1471e8ca7full, 0xe86c90e49284eb15ull,
                      0x3086d221a7d46bcdull);
}
WE_DEV WE_INLINE u256 secp256k1_g2() {
    return from_u64x4(0x1571b4ae8ac47f71ull, 0x221208ac9df506c6ull, 0x6f547fa90abfe4c4ull,
                      0xe4437ed6010e8828ull);
}
WE_DEV WE_INLINE u256 secp256k1_minus_b1() {
    return from_u64x4(0x6f547fa90abfe4c3ull, 0xe4437ed6010e8828ull, 0x0000000000000000ull,
                      0x0000000000000000ull);
}
WE_DEV WE_INLINE u256 secp256k1_b2() {
    return from_u64x4(0xe86c90e49284eb15ull, 0x3086d221a7d46bcdull, 0x0000000000000000ull,
                      0x0000000000000000ull);
}
WE_DEV WE_INLINE u256 secp256k1_a2() {
    return from_u64x4(0x57c1108d9d44cfd8ull, 0x14ca50f7a8e2f3f6ull, 0x0000000000000001ull,
                      0x0000000000000000ull);
}

struct SplitScalar {
    u256 k1, k2;  // absolute values, below 2^128
    bool k1_negative, k2_negative;
};

// round(k * g / 2^384).
WE_DEV WE_INLINE u256 secp256k1_round(const u256& k, const u256& g) {
    u256 high = high_half(mul_full(k, g));
    u256 half = shr_k(high, 127);
    return add(shr_bits(half, 1, 0), from_u64(low_u64(half) & 1));
}

WE_DEV WE_INLINE SplitScalar secp256k1_split(const u256& k) {
    u256 c1 = secp256k1_round(k, secp256k1_g1()), c2 = secp256k1_round(k, secp256k1_g2());
    // Both results are small, so arithmetic modulo 2^256 gives them in two's complement.
    u256 k2 = sub(mul(c1, secp256k1_minus_b1()), mul(c2, secp256k1_b2()));
    u256 k1 = sub(sub(k, mul(c1, secp256k1_b2())), mul(c2, secp256k1_a2()));
    SplitScalar s;
    s.k1_negative = is_negative(k1);
    s.k2_negative = is_negative(k2);
    s.k1 = neg_if(s.k1_negative, k1);
    s.k2 = neg_if(s.k2_negative, k2);
    return s;
}

// Eight multiples of p, all over one denominator z: the points (x, y) are those of the curve's
// isomorphic image, where the ladders run with affine additions (libsecp256k1's "effective
// affine"). The multiples are 1, 3, .. 15 if `odd`, else 1, 2, .. 8.
struct Secp256k1Multiples {
    AffinePoint point[8];
    u256 z;
};

template <class C, bool odd>
WE_DEV WE_ONCE void secp256k1_multiples(Secp256k1Multiples& m, const AffinePoint& p) {
    typedef typename C::Field F;
    JacobianPoint sum = to_jacobian<C>(p);
    point_double<C>(sum);
    AffinePoint step = p;
    u256 z2, ratio[8], over = sum.z;  // ratio: of a multiple's denominator to the last one's
    m.point[0] = p;
    m.point[1].x = sum.x;
    m.point[1].y = sum.y;
    ratio[1] = sum.z;
    if constexpr (odd) {
        // Where 2p has the denominator 1.
        step = m.point[1];
        z2 = F::sqr(over);
        sum.x = m.point[0].x = F::mul(p.x, z2);
        sum.y = m.point[0].y = F::mul(p.y, F::mul(z2, over));
        sum.z = F::one();
    }
    // The order of p is a prime far above 17, so no sum is exceptional.
    WE_ROLL
    for (u32 i = odd ? 1 : 2; i < 8; i++) {
        z2 = F::sqr(sum.z);
        ratio[i] = F::sub(F::mul(step.x, z2), sum.x);
        u256 r = F::sub(F::mul(F::mul(step.y, sum.z), z2), sum.y);
        point_add_finish<C>(sum, sum.x, sum.y, ratio[i], r, sum.z);
        m.point[i].x = sum.x;
        m.point[i].y = sum.y;
    }
    m.z = odd ? F::mul(sum.z, over) : sum.z;
    // From each one's denominator to that of the last.
    u256 factor = ratio[7];
    WE_ROLL
    for (u32 i = 7; i-- > 0;) {
        AffinePoint& q = m.point[i];
        z2 = F::sqr(factor);
        q.x = F::mul(q.x, z2);
        q.y = F::mul(q.y, F::mul(z2, factor));
        if (i > 0) factor = F::mul(factor, ratio[i]);
    }
}

#if WE_CUDA || defined(WE_LIMBS32)

// Multiples 1..8 of the generator.
WE_CONST u64 secp256k1_generator[window_points][8] = {
    {0x59f2815b16f81798ull, 0x029bfcdb2dce28d9ull, 0x55a06295ce870b07ull, 0x79be667ef9dcbbacull,
     0x9c47d08ffb10d4b8ull, 0xfd17b448a6855419ull, 0x5da4fbfc0e1108a8ull, 0x483ada7726a3c465ull},
    {0xabac09b95c709ee5ull, 0x5c778e4b8cef3ca7ull, 0x3045406e95c07cd8ull, 0xc6047f9441ed7d6dull,
     0x236431a950cfe52aull, 0xf7f632653266d0e1ull, 0xa3c58419466ceaeeull, 0x1ae168fea63dc339ull},
    {0x8601f113bce036f9ull, 0xb531c845836f99b0ull, 0x49344f85f89d5229ull, 0xf9308a019258c310ull,
     0x6cb9fd7584b8e672ull, 0x6500a99934c2231bull, 0x0fe337e62a37f356ull, 0x388f7b0f632de814ull},
    {0x74fa94abe8c4cd13ull, 0xcc6c13900ee07584ull, 0x581e4904930b1404ull, 0xe493dbf1c10d80f3ull,
     0xcfe97bdc47739922ull, 0xd967ae33bfbdfe40ull, 0x5642e2098ea51448ull, 0x51ed993ea0d455b7ull},
    {0xcba8d569b240efe4ull, 0xe88b84bddc619ab7ull, 0x55b4a7250a5c5128ull, 0x2f8bde4d1a072093ull,
     0xdca87d3aa6ac62d6ull, 0xf788271bab0d6840ull, 0xd4dba9dda6c9c426ull, 0xd8ac222636e5e3d6ull},
    {0x2f057a1460297556ull, 0x82f6472f8568a18bull, 0x20453a14355235d3ull, 0xfff97bd5755eeea4ull,
     0x3c870c36b075f297ull, 0xde80f0f6518fe4a0ull, 0xf3be96017f45c560ull, 0xae12777aacfbb620ull},
    {0xe92bddedcac4f9bcull, 0x3d419b7e0330e39cull, 0xa398f365f2ea7a0eull, 0x5cbdf0646e5db4eaull,
     0xa5082628087264daull, 0xa813d0b813fde7b5ull, 0xa3178d6d861a54dbull, 0x6aebca40ba255960ull},
    {0x67784ef3e10a2a01ull, 0x0a1bdd05e5af888aull, 0xaff3843fb70f3c2full, 0x2f01e5e15cca351dull,
     0xb5da2cb76cbde904ull, 0xc2e213d6ba5b7617ull, 0x293d082a132d13b4ull, 0x5c4da8a741539949ull},
};

// u1 * generator + u2 * p for u1, u2 < n: four half-length scalars share the doublings.
template <class C>
WE_DEV WE_INLINE JacobianPoint secp256k1_mul_add(const u256& u1, const u256& u2,
                                                 const AffinePoint& p) {
    typedef typename C::Field F;
    Secp256k1Multiples m;
    secp256k1_multiples<C, false>(m, p);
    SplitScalar a = secp256k1_split(u1), b = secp256k1_split(u2);
    const u256 beta = secp256k1_beta();
    JacobianPoint r = infinity();
    WE_ROLL
    for (u32 i = window_count_128; i-- > 0;) {
        WE_ROLL
        for (u32 j = 0; j < window_bits; j++) point_double<C>(r);
        WE_ROLL
        for (u32 half = 0; half < 2; half++) {
            i32 digit = window_digit(half == 0 ? a.k1 : a.k2, i);
            bool negative = (half == 0 ? a.k1_negative : a.k2_negative) != (digit < 0);
            if (digit != 0) {
                AffinePoint q =
                    window_constant(secp256k1_generator[(digit < 0 ? -digit : digit) - 1]);
                if (half == 1) q.x = F::mul(q.x, beta);
                if (negative) q.y = field_neg<F>(q.y);
                point_add_affine_over<C>(r, q, m.z);
            }
            digit = window_digit(half == 0 ? b.k1 : b.k2, i);
            negative = (half == 0 ? b.k1_negative : b.k2_negative) != (digit < 0);
            if (digit != 0) {
                AffinePoint q = m.point[(digit < 0 ? -digit : digit) - 1];
                if (half == 1) q.x = F::mul(q.x, beta);
                if (negative) q.y = field_neg<F>(q.y);
                point_add_affine<C>(r, q);
            }
        }
    }
    r.z = F::mul(r.z, m.z);
    return r;
}

#else

// The digits of half a scalar in non-adjacent form of this width: odd, below 2^(width - 1), with
// width - 1 zeros or more after each (Solinas 2000). Digit i stands at digits[4 * i].
template <u32 width>
void secp256k1_digits(signed char* digits, const u256& k, bool negative) {
    dlimb left = (dlimb)k.w[1] << 64 | k.w[0];
    u32 at = 0;
    while (left != 0) {
        u32 zeros = (u64)left != 0 ? (u32)__builtin_ctzll((u64)left)
                                   : 64 + (u32)__builtin_ctzll((u64)(left >> 64));
        left >>= zeros, at += zeros;
        i32 digit = (i32)((u32)left & ((1u << width) - 1));
        left >>= width;
        if (digit >= 1 << (width - 1)) digit -= 1 << width, left++;
        digits[4 * at] = (signed char)(negative ? -digit : digit);
        at += width;
    }
}

constexpr u32 secp256k1_digit_count = 129;  // of numbers below 2^128

// u1 * generator + u2 * p for u1, u2 < n: four half-length scalars share the doublings.
template <class C>
JacobianPoint secp256k1_mul_add(const u256& u1, const u256& u2, const AffinePoint& p) {
    typedef typename C::Field F;
    Secp256k1Multiples m;
    secp256k1_multiples<C, true>(m, p);
    const u256 beta = secp256k1_beta();
    u256 beta_x[8];
    for (u32 i = 0; i < 8; i++) beta_x[i] = F::mul(m.point[i].x, beta);
    // Of u2's halves, then of u1's.
    alignas(4) signed char digits[secp256k1_digit_count][4] = {};
    SplitScalar a = secp256k1_split(u1), b = secp256k1_split(u2);
    secp256k1_digits<5>(&digits[0][0], b.k1, b.k1_negative);
    secp256k1_digits<5>(&digits[0][1], b.k2, b.k2_negative);
    secp256k1_digits<8>(&digits[0][2], a.k1, a.k1_negative);
    secp256k1_digits<8>(&digits[0][3], a.k2, a.k2_negative);
    JacobianPoint r = infinity();
    for (u32 i = secp256k1_digit_count; i-- > 0;) {
        if (!is_infinity(r)) point_double<C>(r);
        u32 any;
        __builtin_memcpy(&any, digits[i], 4);
        if (any == 0) continue;
        for (u32 j = 0; j < 4; j++) {
            i32 digit = digits[i][j];
            if (digit == 0) continue;
            u32 at = (u32)(digit < 0 ? -digit : digit) / 2;
            AffinePoint q = j < 2 ? m.point[at] : window_constant(secp256k1_odd[at]);
            if (j == 1) q.x = beta_x[at];
            if (j == 3) q.x = F::mul(q.x, beta);
            if (digit < 0) q.y = field_neg<F>(q.y);
            if (j < 2) point_add_affine<C>(r, q);
            else point_add_affine_over<C>(r, q, m.z);
        }
    }
    r.z = F::mul(r.z, m.z);
    return r;
}

#endif

// a^((p + 1) / 4), the square root of a if there is one, since p = 3 mod 4. The exponent's bits are
// blocks of 223, 22 and 2 ones; xN is a^(2^N - 1). An addition chain of 253 squarings.
template <class F>
WE_DEV WE_INLINE u256 secp256k1_root_times(const u256& a, u32 squarings, const u256& factor) {
    u256 r = a;
    WE_ROLL
    for (u32 i = 0; i < squarings; i++) r = F::sqr(r);
    return F::mul(r, factor);
}

template <class F>
WE_DEV WE_NOINLINE u256 secp256k1_root(const u256& a) {
    u256 x2 = secp256k1_root_times<F>(a, 1, a);
    u256 x3 = secp256k1_root_times<F>(x2, 1, a);
    u256 x11 = secp256k1_root_times<F>(x3, 3, x3);
    x11 = secp256k1_root_times<F>(x11, 3, x3);
    x11 = secp256k1_root_times<F>(x11, 2, x2);
    u256 x22 = secp256k1_root_times<F>(x11, 11, x11);
    u256 x44 = secp256k1_root_times<F>(x22, 22, x22);
    u256 x88 = secp256k1_root_times<F>(x44, 44, x44);
    u256 x = secp256k1_root_times<F>(x88, 88, x88);
    x = secp256k1_root_times<F>(x, 44, x44);
    x = secp256k1_root_times<F>(x, 3, x3);
    x = secp256k1_root_times<F>(x, 23, x22);
    x = secp256k1_root_times<F>(x, 6, x2);
    return F::sqr(F::sqr(x));
}

// ECRECOVER: the address word that signed `hash`, or false for an invalid signature (the
// precompile then succeeds with empty output). v must be 27 or 28, r and s in 1..n-1; a high s is
// accepted.
template <class C>
WE_DEV WE_ONCE bool secp256k1_recover(const u256& hash, const u256& v, const u256& r,
                                      const u256& s, u256& address) {
    typedef typename C::Field F;
    typedef Secp256k1Order N;
    if (!fits_u64(v) || (low_u64(v) != 27 && low_u64(v) != 28)) return false;
    if (is_zero(r) || is_zero(s) || !lt(r, N::modulus()) || !lt(s, N::modulus())) return false;
    // The point R with x = r; recovery ids above 1 (x = r + n) do not exist in Ethereum.
    AffinePoint p;
    p.x = r;
    u256 y2 = F::add(F::mul(F::sqr(r), r), from_u64(7));
    p.y = F::number(secp256k1_root<F>(y2));
    if (!F::eq(F::sqr(p.y), y2)) return false;
    if ((low_u64(p.y) & 1) != low_u64(v) - 27) p.y = field_neg<F>(p.y);
    // Q = (s R - hash G) / r.
    u256 z = lt(hash, N::modulus()) ? hash : sub(hash, N::modulus());
    u256 r_inverse = N::to_form(word_inverse<Secp256k1OrderParams>(r));
    u256 u1 = N::mul(N::sub(zero256(), z), r_inverse), u2 = N::mul(s, r_inverse);
    JacobianPoint q = secp256k1_mul_add<C>(u1, u2, p);
    if (is_infinity(q)) return false;
    AffinePoint key = to_affine<C>(q);
    u256 digest = keccak256_2(F::number(key.x), F::number(key.y));
    address = shr_k(shl_k(digest, 96), 96);
    return true;
}

WE_DEV WE_NOINLINE bool ecrecover(const u256& hash, const u256& v, const u256& r, const u256& s,
                                  u256& address) {
#ifdef WE_SECP256K1_X86
    if (has_bmi2_x86) return secp256k1_recover<Secp256k1CurveX86>(hash, v, r, s, address);
#endif
    return secp256k1_recover<Secp256k1Curve>(hash, v, r, s, address);
}

}  // namespace warpevm

#endif  // WARPEVM_OP_SECP256K1_CUH
