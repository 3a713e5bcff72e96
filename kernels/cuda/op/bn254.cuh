// Addition and scalar multiplication on alt_bn128 (EIP-196): precompiles 0x06 and 0x07.
#ifndef WARPEVM_OP_BN254_CUH
#define WARPEVM_OP_BN254_CUH

#include "curve.cuh"

namespace warpevm {

struct Bn254FieldParams {
    static WE_DEV WE_INLINE u256 modulus() {
        return from_u64x4(0x3c208c16d87cfd47ull, 0x97816a916871ca8dull, 0xb85045b68181585dull,
                          0x30644e72e131a029ull);
    }
    static WE_DEV WE_INLINE u256 one() {
        return from_u64x4(0xd35d438dc58f0d9dull, 0x0a78eb28f5c70b3dull, 0x666ea36f7879462cull,
                          0x0e0a77c19a07df2full);
    }
    static WE_DEV WE_INLINE u256 r2() {
        return from_u64x4(0xf32cfc5b538afa89ull, 0xb5e71911d44501fbull, 0x47ab1eff0a417ff6ull,
                          0x06d89f71cab8351full);
    }
    static constexpr u64 neg_inverse = 0x87d20782e4866389ull;
};
typedef MontgomeryField<Bn254FieldParams> Bn254Field;

struct Bn254Curve {
    typedef Bn254Field Field;
    static constexpr bool a_is_minus_3 = false;
    // The coefficient b = 3 in Montgomery form.
    static WE_DEV WE_INLINE u256 b() {
        return from_u64x4(0x7a17caa950ad28d7ull, 0x1f6ac17ae15521b9ull, 0x334bea4e696bd284ull,
                          0x2a1f6744ce179d8eull);
    }
};

// Reads a point; (0, 0) is infinity. False (a failing call) if a coordinate is not below p or the
// point is not on the curve.
WE_DEV WE_INLINE bool bn254_read(const u256& x, const u256& y, JacobianPoint& p) {
    typedef Bn254Field F;
    if (!lt(x, F::modulus()) || !lt(y, F::modulus())) return false;
    if (is_zero(x) && is_zero(y)) {
        p = infinity();
        return true;
    }
    p.x = F::to_form(x);
    p.y = F::to_form(y);
    p.z = F::one();
    return eq(F::sqr(p.y), F::add(F::mul(F::sqr(p.x), p.x), Bn254Curve::b()));
}

WE_DEV WE_INLINE void bn254_write(const JacobianPoint& p, u256& x, u256& y) {
    if (is_infinity(p)) {
        x = y = zero256();
        return;
    }
    AffinePoint a = to_affine<Bn254Curve>(p);
    x = Bn254Field::from_form(a.x);
    y = Bn254Field::from_form(a.y);
}

// (x, y) := (x1, y1) + (x2, y2); false if an input is invalid.
WE_DEV WE_NOINLINE bool bn254_add(const u256& x1, const u256& y1, const u256& x2, const u256& y2,
                                  u256& x, u256& y) {
    JacobianPoint p, q;
    if (!bn254_read(x1, y1, p) || !bn254_read(x2, y2, q)) return false;
    point_add<Bn254Curve>(p, q);
    bn254_write(p, x, y);
    return true;
}

// (x, y) := k * (x1, y1) for any 256-bit k; false if the point is invalid.
WE_DEV WE_NOINLINE bool bn254_mul(const u256& x1, const u256& y1, const u256& k, u256& x,
                                  u256& y) {
    JacobianPoint p;
    if (!bn254_read(x1, y1, p)) return false;
    if (!is_infinity(p)) {
        AffinePoint a;
        a.x = p.x;
        a.y = p.y;
        p = point_mul<Bn254Curve>(k, a);
    }
    bn254_write(p, x, y);
    return true;
}

}  // namespace warpevm

#endif  // WARPEVM_OP_BN254_CUH
