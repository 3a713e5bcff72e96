// ECDSA verification on secp256r1 (EIP-7951): precompile 0x100, P256VERIFY.
#ifndef WARPEVM_OP_P256_CUH
#define WARPEVM_OP_P256_CUH

#include "curve.cuh"

namespace warpevm {

struct P256FieldParams {
    static WE_DEV WE_INLINE u256 modulus() {
        return from_u64x4(0xffffffffffffffffull, 0x00000000ffffffffull, 0x0000000000000000ull,
                          0xffffffff00000001ull);
    }
    static WE_DEV WE_INLINE u256 one() {
        return from_u64x4(0x0000000000000001ull, 0xffffffff00000000ull, 0xffffffffffffffffull,
                          0x00000000fffffffeull);
    }
    static WE_DEV WE_INLINE u256 r2() {
        return from_u64x4(0x0000000000000003ull, 0xfffffffbffffffffull, 0xfffffffffffffffeull,
                          0x00000004fffffffdull);
    }
    static constexpr u64 neg_inverse = 0x0000000000000001ull;
};
typedef MontgomeryField<P256FieldParams> P256Field;

struct P256OrderParams {
    static WE_DEV WE_INLINE u256 modulus() {
        return from_u64x4(0xf3b9cac2fc632551ull, 0xbce6faada7179e84ull, 0xffffffffffffffffull,
                          0xffffffff00000000ull);
    }
    static WE_DEV WE_INLINE u256 one() {
        return from_u64x4(0x0c46353d039cdaafull, 0x4319055258e8617bull, 0x0000000000000000ull,
                          0x00000000ffffffffull);
    }
    static WE_DEV WE_INLINE u256 r2() {
        return from_u64x4(0x83244c95be79eea2ull, 0x4699799c49bd6fa6ull, 0x2845b2392b6bec59ull,
                          0x66e12d94f3d95620ull);
    }
    static constexpr u64 neg_inverse = 0xccd1c8aaee00bc4full;
};
typedef MontgomeryField<P256OrderParams> P256Order;

struct P256Curve {
    typedef P256Field Field;
    static constexpr bool a_is_minus_3 = true;
    // The coefficient b in Montgomery form.
    static WE_DEV WE_INLINE u256 b() {
        return from_u64x4(0xd89cdf6229c4bddfull, 0xacf005cd78843090ull, 0xe5a220abf7212ed6ull,
                          0xdc30061d04874834ull);
    }
};

// Multiples 1..8 of the generator, in Montgomery form.
WE_CONST u64 p256_generator[window_points][8] = {
    {0x79e730d418a9143cull, 0x75ba95fc5fedb601ull, 0x79fb732b77622510ull, 0x18905f76a53755c6ull,
     0xddf25357ce95560aull, 0x8b4ab8e4ba19e45cull, 0xd2e88688dd21f325ull, 0x8571ff1825885d85ull},
    {0x850046d410ddd64dull, 0xaa6ae3c1a433827dull, 0x732205038d1490d9ull, 0xf6bb32e43dcf3a3bull,
     0x2f3648d361bee1a5ull, 0x152cd7cbeb236ff8ull, 0x19a8fb0e92042dbeull, 0x78c577510a5b8a3bull},
    {0xffac3f904eebc127ull, 0xb027f84a087d81fbull, 0x66ad77dd87cbbc98ull, 0x26936a3fb6ff747eull,
     0xb04c5c1fc983a7ebull, 0x583e47ad0861fe1aull, 0x788208311a2ee98eull, 0xd5f06a29e587cc07ull},
    {0x74b0b50d46918dccull, 0x4650a6edc623c173ull, 0x0cdaacace8100af2ull, 0x577362f541b0176bull,
     0x2d96f24ce4cbaba6ull, 0x17628471fad6f447ull, 0x6b6c36dee5ddd22eull, 0x84b14c394c5ab863ull},
    {0xbe1b8aaec45c61f5ull, 0x90ec649a94b9537dull, 0x941cb5aad076c20cull, 0xc9079605890523c8ull,
     0xeb309b4ae7ba4f10ull, 0x73c568efe5eb882bull, 0x3540a9877e7a1f68ull, 0x73a076bb2dd1e916ull},
    {0x403947373e77664aull, 0x55ae744f346cee3eull, 0xd50a961a5b17a3adull, 0x13074b5954213673ull,
     0x93d36220d377e44bull, 0x299c2b53adff14b5ull, 0xf424d44cef639f11ull, 0xa4c9916d4a07f75full},
    {0x0746354ea0173b4full, 0x2bd20213d23c00f7ull, 0xf43eaab50c23bb08ull, 0x13ba5119c3123e03ull,
     0x2847d0303f5b9d4dull, 0x6742f2f25da67bddull, 0xef933bdc77c94195ull, 0xeaedd9156e240867ull},
    {0x27f14cd19499a78full, 0x462ab5c56f9b3455ull, 0x8f90f02af02cfc6bull, 0xb763891eb265230dull,
     0xf59da3a9532d4977ull, 0x21e3327dcf9eba15ull, 0x123c7b84be60bbf0ull, 0x56ec12f27706df76ull},
};

// Whether (r, s) is a signature of `hash` under the public key (x, y). Any invalid input is false:
// r or s outside 1..n-1, a coordinate not below p, a point off the curve (which infinity, (0, 0),
// is, too).
WE_DEV WE_NOINLINE bool p256_verify(const u256& hash, const u256& r, const u256& s, const u256& x,
                                    const u256& y) {
    typedef P256Field F;
    typedef P256Order N;
    if (is_zero(r) || is_zero(s) || !lt(r, N::modulus()) || !lt(s, N::modulus())) return false;
    if (!lt(x, F::modulus()) || !lt(y, F::modulus())) return false;
    AffinePoint key;
    key.x = F::to_form(x);
    key.y = F::to_form(y);
    // x^3 - 3x + b
    u256 right = F::mul(F::sqr(key.x), key.x);
    right = F::sub(right, F::add(key.x, field_double<F>(key.x)));
    if (!eq(F::sqr(key.y), F::add(right, P256Curve::b()))) return false;
    u256 z = lt(hash, N::modulus()) ? hash : sub(hash, N::modulus());
    u256 s_inverse = N::to_form(word_inverse<P256OrderParams>(s));
    JacobianPoint q = point_mul_add<P256Curve>(N::mul(z, s_inverse), p256_generator,
                                               N::mul(r, s_inverse), key);
    if (is_infinity(q)) return false;
    u256 qx = F::from_form(to_affine<P256Curve>(q).x);
    if (!lt(qx, N::modulus())) qx = sub(qx, N::modulus());
    return eq(qx, r);
}

}  // namespace warpevm

#endif  // WARPEVM_OP_P256_CUH
