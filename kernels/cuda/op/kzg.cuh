// Point evaluation against a KZG commitment (EIP-4844): precompile 0x0a.
#ifndef WARPEVM_OP_KZG_CUH
#define WARPEVM_OP_KZG_CUH

#include "bls12_381_msm.cuh"
#include "bls12_381_pairing.cuh"
#include "sha256.cuh"

namespace warpevm {

constexpr u32 kzg_input_bytes = 192;

// tau times the generator of G2, from the ceremony of EIP-4844.
WE_CONST u64 kzg_tau_g2[24] = {
    0x6120a2099b0379f9ull, 0xa2df815cb8210e4eull, 0xcb57be5577bd3d4full, 0x62da0ea89a0c93f8ull,
    0x02e0ee16968e150dull, 0x171f09aea833acd5ull, 0x11a3670749dfd455ull, 0x04991d7b3abffadcull,
    0x85446a8e14437f41ull, 0x27174e7b4e76e3f2ull, 0x7bfa6dd397f60a20ull, 0x02fcc329ac07080full,
    0xaa130838793b2317ull, 0xe236dd220f891637ull, 0x6502782925760980ull, 0xd05c25f60557ec89ull,
    0x6095767a44064474ull, 0x185693917080d405ull, 0x549f9e175b03dc0aull, 0x32c0c95a77106cfeull,
    0x64a74eae5705d080ull, 0x53deeaf56659ed9eull, 0x09a1d368508afb93ull, 0x12cf3a4525b5e9bdull
};

// `len` bytes of a byte source from `off` on.
template <class Src>
struct SourceAt {
    const Src& src;
    u32 off;
    WE_DEV WE_INLINE u64 load8(u32 i) const { return src.load8(off + i); }
    WE_DEV WE_INLINE u8 byte(u32 i) const { return src.byte(off + i); }
};

// Whether y > (p - 1) / 2: whether 2 y exceeds p as an integer.
WE_DEV WE_INLINE bool bls381_is_larger_root(const Bls381Fp::Elem& y) {
    Bls381Fp::Elem x, twice;
    Bls381Fp::from_form(x, y);
    Bls381Fp::add_unreduced(twice, x, x);
    return !Bls381Fp::is_reduced(twice);
}

// Reads a point of G1 in its compressed form of 48 bytes: x, with three flags in the top bits
// (compressed, infinity, larger y). False if it is none.
template <class Src>
WE_DEV WE_NOINLINE bool bls381_read_compressed(Affine<Bls381Fp>& p, bool& is_infinite,
                                               const Src& src, u32 off) {
    typedef Bls381Fp F;
    u8 flags = src.byte(off);
    if ((flags & 0x80) == 0) return false;
    is_infinite = (flags & 0x40) != 0;
    F::Elem x;
    WE_UNROLL
    for (u32 i = 0; i < F::n; i++) {
        u32 at = off + 48 - (i + 1) * (limb_bits / 8);
        x.w[i] = 0;
        WE_ROLL
        for (u32 k = 0; k < limb_bits / 8; k++) x.w[i] = x.w[i] << 4 << 4 | src.byte(at + k);
    }
    if (is_infinite) {
        x.w[F::n - 1] ^= (limb)0xc0 << (limb_bits - 8);
        return F::is_zero(x);
    }
    x.w[F::n - 1] &= ~(limb)0 >> 3;
    if (!F::is_reduced(x)) return false;
    F::to_form(p.x, x);
    F::Elem y2, check;
    F::sqr(y2, p.x);
    F::mul(y2, y2, p.x);
    Bls381G1::add_b(y2);
    bls381_inverse_root(p.y, y2);
    F::mul(p.y, p.y, y2);
    F::sqr(check, p.y);
    if (!F::eq(check, y2)) return false;
    if (bls381_is_larger_root(p.y) != ((flags & 0x20) != 0)) F::neg(p.y, p.y);
    return Bls381G1::contains(p);
}

// Whether e(p, G2's generator) * e(-proof, tau) is one; either may be infinity.
WE_DEV WE_NOINLINE bool kzg_pairing(const Jacobian<Bls381Fp>& p, const Affine<Bls381Fp>& proof,
                                    bool proof_infinite) {
    typedef Miller<Bls381Pairing> M;
    M::Pair pairs[2];
    M::E12 f;
    M::T::set_one12(f);
    u32 n = 0;
    if (!is_infinity(p)) {
        to_affine(pairs[n].p, p);
        Bls381Fp::set_table(pairs[n].q.x.c0, bls381_g2);
        Bls381Fp::set_table(pairs[n].q.x.c1, bls381_g2 + 6);
        Bls381Fp::set_table(pairs[n].q.y.c0, bls381_g2 + 12);
        Bls381Fp::set_table(pairs[n].q.y.c1, bls381_g2 + 18);
        n++;
    }
    if (!proof_infinite) {
        pairs[n].p = proof;
        Bls381Fp::neg(pairs[n].p.y, pairs[n].p.y);
        Bls381Fp::set_table(pairs[n].q.x.c0, kzg_tau_g2);
        Bls381Fp::set_table(pairs[n].q.x.c1, kzg_tau_g2 + 6);
        Bls381Fp::set_table(pairs[n].q.y.c0, kzg_tau_g2 + 12);
        Bls381Fp::set_table(pairs[n].q.y.c1, kzg_tau_g2 + 18);
        n++;
    }
    if (n != 0) M::loop(f, pairs, n);
    return bls381_is_one(f);
}

// p := commitment - y * (G1's generator) + z * proof.
WE_DEV WE_NOINLINE void kzg_combine(Jacobian<Bls381Fp>& p, const Affine<Bls381Fp>& commitment,
                                    bool commitment_infinite, const Affine<Bls381Fp>& proof,
                                    bool proof_infinite, const u256& y, const u256& z) {
    typedef Bls381Fp F;
    Msm<Bls381G1> msm;
    u32 n = 0;
    if (!is_zero(y)) {
        F::set_table(msm.table[0].x, bls381_g1);
        F::set_table(msm.table[0].y, bls381_g1 + 6);
        F::neg(msm.table[0].y, msm.table[0].y);
        MsmParts<Bls381G1>::split(msm.scalars[0], y);
        n++;
    }
    if (!is_zero(z) && !proof_infinite) {
        msm.table[n * msm_window_points] = proof;
        MsmParts<Bls381G1>::split(msm.scalars[n], z);
        n++;
    }
    set_infinity(p);
    if (!commitment_infinite) set_affine(p, commitment);
    if (n != 0) msm.add_batch(p, n);
}

// Whether the input (versioned hash, z, y, commitment, proof) proves that the committed polynomial
// is y at z: e(commitment - y g1, g2) = e(proof, tau g2 - z g2), with the multiple of z moved to
// the other side, where it costs less and both points of G2 are constants.
template <class Src>
WE_DEV WE_NOINLINE bool kzg_point_evaluation(const Src& src) {
    SourceAt<Src> commitment_bytes{src, 96};
    u256 w[3];
    WE_ROLL
    for (u32 i = 0; i < 3; i++) {
        u64 x[4];
        WE_UNROLL
        for (u32 k = 0; k < 4; k++) x[k] = bswap64(src.load8(32 * i + 24 - 8 * k));
        w[i] = from_u64x4(x[0], x[1], x[2], x[3]);
    }
    u256 version = shl_k(from_u64(1), 248);  // VERSIONED_HASH_VERSION_KZG
    u256 hash = sha256(commitment_bytes, 48);
    if (!eq(w[0], bit_or(shr_k(shl_k(hash, 8), 8), version))) return false;
    if (!lt(w[1], bls381_order()) || !lt(w[2], bls381_order())) return false;
    Affine<Bls381Fp> commitment, proof;
    bool commitment_infinite, proof_infinite;
    if (!bls381_read_compressed(commitment, commitment_infinite, src, 96) ||
        !bls381_read_compressed(proof, proof_infinite, src, 144)) {
        return false;
    }
    Jacobian<Bls381Fp> p;
    kzg_combine(p, commitment, commitment_infinite, proof, proof_infinite, w[2], w[1]);
    return kzg_pairing(p, proof, proof_infinite);
}

}  // namespace warpevm

#endif  // WARPEVM_OP_KZG_CUH
