// Pairings on BLS12-381 (EIP-2537): precompile 0x0f, and what point evaluation needs of them.
//
// Stack: 576 bytes for each of the pairing_batch_count pairs, the tower about 6 KiB.
#ifndef WARPEVM_OP_BLS12_381_PAIRING_CUH
#define WARPEVM_OP_BLS12_381_PAIRING_CUH

#include "bls12_381.cuh"
#include "pairing.cuh"

namespace warpevm {

// The loop count is |z|; that z is negative inverts the product, which makes no difference to
// whether it is one.
struct Bls381Pairing {
    typedef Bls381Tower Tower;
    static constexpr bool m_twist = true;
    static constexpr u32 loop_bits = 63;
    static constexpr u64 loop_plus = bls381_z & ~0ull >> 1, loop_minus = 0;

    // b' = 4 (1 + u).
    static WE_DEV WE_INLINE void mul_twist_b(Bls381Fp2::Elem& r) {
        warpevm::Tower<Bls381Tower>::mul_xi(r, r);
        Bls381Fp2::dbl(r, r), Bls381Fp2::dbl(r, r);
    }
    template <class E12, class Pair>
    static WE_DEV WE_INLINE void end_steps(E12&, Pair*, u32) {}
};

// a := a^z for a in the cyclotomic subgroup.
WE_DEV WE_NOINLINE void bls381_power_z(Miller<Bls381Pairing>::E12& a) {
    typedef Miller<Bls381Pairing> M;
    M::E12 r;
    M::power_cyclotomic(r, a, Bls381Pairing::loop_bits, Bls381Pairing::loop_plus, 0);
    M::T::conjugate12(r);
    a = r;
}

// a := a^(z - 1) for a in the cyclotomic subgroup.
WE_DEV WE_NOINLINE void bls381_power_z_minus_1(Miller<Bls381Pairing>::E12& a) {
    typedef Miller<Bls381Pairing> M;
    M::E12 b = a;
    M::T::conjugate12(b);
    bls381_power_z(a);
    M::T::mul12(a, a, b);
}

// f := f^(3 (p^4 - p^2 + 1) / r) for f in the cyclotomic subgroup; the exponent is
// (z - 1)^2 (z + p)(z^2 + p^2 - 1) + 3 (Hayashida, Hayasaka, Teruya 2020).
WE_DEV WE_NOINLINE void bls381_hard_exponentiation(Miller<Bls381Pairing>::E12& f) {
    typedef Miller<Bls381Pairing>::T T;
    T::E12 a = f, b;
    bls381_power_z_minus_1(a);
    bls381_power_z_minus_1(a);
    b = a;
    T::frobenius12(b);
    bls381_power_z(a);
    T::mul12(a, a, b);
    b = a;
    T::frobenius12_twice(b);
    T::E12 c = a;
    T::conjugate12(c);
    T::mul12(b, b, c);
    bls381_power_z(a);
    bls381_power_z(a);
    T::mul12(a, a, b);
    b = f;
    T::sqr_cyclotomic(b);
    T::mul12(a, a, b);
    T::mul12(f, f, a);
}

// Whether f, a product of Miller loops, stands for a pairing product of one.
WE_DEV WE_NOINLINE bool bls381_is_one(Miller<Bls381Pairing>::E12& f) {
    Miller<Bls381Pairing>::easy_exponentiation(f);
    bls381_hard_exponentiation(f);
    return Miller<Bls381Pairing>::T::is_one12(f);
}

// Whether the product of the pairings of `count` pairs, 384 bytes each, is one. False through `ok`
// if a point is invalid.
template <class Src>
WE_DEV WE_NOINLINE bool bls381_pairing(const Src& src, u32 count, bool& ok) {
    typedef Miller<Bls381Pairing> M;
    M::Pair pairs[pairing_batch_count];
    M::E12 f;
    M::T::set_one12(f);
    u32 n = 0;
    ok = true;
    WE_ROLL
    for (u32 i = 0; i < count; i++) {
        bool p_infinite, q_infinite;
        ok = bls381_read_point<Bls381G1>(pairs[n].p, p_infinite, true, src, 384 * i) &&
             bls381_read_point<Bls381G2>(pairs[n].q, q_infinite, true, src, 384 * i + 128);
        if (!ok) return false;
        if (!p_infinite && !q_infinite) n++;
        if (n == pairing_batch_count || (n != 0 && i + 1 == count)) {
            M::loop(f, pairs, n);
            n = 0;
        }
    }
    return bls381_is_one(f);
}

}  // namespace warpevm

#endif  // WARPEVM_OP_BLS12_381_PAIRING_CUH
