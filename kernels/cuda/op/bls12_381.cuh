// BLS12-381: its fields, its two groups, their encodings (EIP-2537) and their membership tests.
#ifndef WARPEVM_OP_BLS12_381_CUH
#define WARPEVM_OP_BLS12_381_CUH

#include "jacobian.cuh"

namespace warpevm {

// The curve's parameter is z = -0xd201000000010000; p = z mod r.
constexpr u64 bls381_z = 0xd201000000010000ull;  // |z|

// The base prime, and -1/p mod 2^64.
WE_CONST u64 bls381_modulus[7] = {
    0xb9feffffffffaaabull, 0x1eabfffeb153ffffull, 0x6730d2a0f6b0f624ull, 0x64774b84f38512bfull,
    0x4b1ba7b6434bacd7ull, 0x1a0111ea397fe69aull, 0x89f3fffcfffcfffdull
};
// 2^768 mod p.
WE_CONST u64 bls381_r2[6] = {
    0xf4df1f341c341746ull, 0x0a76e6a609d104f1ull, 0x8de5476c4c95b6d5ull, 0x67eb88a9939d83c0ull,
    0x9a793e85b519952dull, 0x11988fe592cae3aaull
};
// 2^384 mod p.
WE_CONST u64 bls381_one[6] = {
    0x760900000002fffdull, 0xebf4000bc40c0002ull, 0x5f48985753c758baull, 0x77ce585370525745ull,
    0x5c071a97a256ec6dull, 0x15f65ec3fa80e493ull
};
// b = 4.
WE_CONST u64 bls381_four[6] = {
    0xaa270000000cfff3ull, 0x53cc0032fc34000aull, 0x478fe97a6b0a807full, 0xb1d37ebee6ba24d7ull,
    0x8ec9733bbf78ab2full, 0x09d645513d83de7eull
};
// (1 + u)^(i (p - 1) / 6) for i = 1..5.
WE_CONST u64 bls381_frobenius[60] = {
    0x07089552b319d465ull, 0xc6695f92b50a8313ull, 0x97e83cccd117228full, 0xa35baecab2dc29eeull,
    0x1ce393ea5daace4dull, 0x08f2220fb0fb66ebull, 0xb2f66aad4ce5d646ull, 0x5842a06bfc497cecull,
    0xcf4895d42599d394ull, 0xc11b9cba40a8e8d0ull, 0x2e3813cbe5a0de89ull, 0x110eefda88847fafull,
    0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull,
    0x0000000000000000ull, 0x0000000000000000ull, 0xcd03c9e48671f071ull, 0x5dab22461fcda5d2ull,
    0x587042afd3851b95ull, 0x8eb60ebe01bacb9eull, 0x03f97d6e83d050d2ull, 0x18f0206554638741ull,
    0x7bcfa7a25aa30fdaull, 0xdc17dec12a927e7cull, 0x2f088dd86b4ebef1ull, 0xd1ca2087da74d4a7ull,
    0x2da2596696cebc1dull, 0x0e2b7eedbbfd87d2ull, 0x7bcfa7a25aa30fdaull, 0xdc17dec12a927e7cull,
    0x2f088dd86b4ebef1ull, 0xd1ca2087da74d4a7ull, 0x2da2596696cebc1dull, 0x0e2b7eedbbfd87d2ull,
    0x890dc9e4867545c3ull, 0x2af322533285a5d5ull, 0x50880866309b7e2cull, 0xa20d1b8c7e881024ull,
    0x14e4f04fe2db9068ull, 0x14e56d3f1564853aull, 0x0000000000000000ull, 0x0000000000000000ull,
    0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull,
    0x82d83cf50dbce43full, 0xa2813e53df9d018full, 0xc6f0caa53c65e181ull, 0x7525cf528d50fe95ull,
    0x4a85ed50f4798a6bull, 0x171da0fd6cf8eebdull, 0x3726c30af242c66cull, 0x7c2ac1aad1b6fe70ull,
    0xa04007fbba4b14a2ull, 0xef517c3266341429ull, 0x0095ba654ed2226bull, 0x02e370eccc86f7ddull
};
// (1 + u)^(i (p^2 - 1) / 6) for i = 1..5, which lie in F.
WE_CONST u64 bls381_frobenius2[30] = {
    0xecfb361b798dba3aull, 0xc100ddb891865a2cull, 0x0ec08ff1232bda8eull, 0xd5c13cc6f1ca4721ull,
    0x47222a47bf7b5c04ull, 0x0110f184e51c5f59ull, 0x30f1361b798a64e8ull, 0xf3b8ddab7ece5a2aull,
    0x16a8ca3ac61577f7ull, 0xc26a2ff874fd029bull, 0x3636b76660701c6eull, 0x051ba4ab241b6160ull,
    0x43f5fffffffcaaaeull, 0x32b7fff2ed47fffdull, 0x07e83a49a2e99d69ull, 0xeca8f3318332bb7aull,
    0xef148d1ea0f4c069ull, 0x040ab3263eff0206ull, 0xcd03c9e48671f071ull, 0x5dab22461fcda5d2ull,
    0x587042afd3851b95ull, 0x8eb60ebe01bacb9eull, 0x03f97d6e83d050d2ull, 0x18f0206554638741ull,
    0x890dc9e4867545c3ull, 0x2af322533285a5d5ull, 0x50880866309b7e2cull, 0xa20d1b8c7e881024ull,
    0x14e4f04fe2db9068ull, 0x14e56d3f1564853aull
};
// The cube root of one for which (beta x, y) = -z^2 (x, y) on G1.
WE_CONST u64 bls381_beta[6] = {
    0x30f1361b798a64e8ull, 0xf3b8ddab7ece5a2aull, 0x16a8ca3ac61577f7ull, 0xc26a2ff874fd029bull,
    0x3636b76660701c6eull, 0x051ba4ab241b6160ull
};
// 1 / (1 + u)^((p - 1) / 3) and 1 / (1 + u)^((p - 1) / 2).
WE_CONST u64 bls381_psi[24] = {
    0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull,
    0x0000000000000000ull, 0x0000000000000000ull, 0x890dc9e4867545c3ull, 0x2af322533285a5d5ull,
    0x50880866309b7e2cull, 0xa20d1b8c7e881024ull, 0x14e4f04fe2db9068ull, 0x14e56d3f1564853aull,
    0x3e2f585da55c9ad1ull, 0x4294213d86c18183ull, 0x382844c88b623732ull, 0x92ad2afd19103e18ull,
    0x1d794e4fac7cf0b9ull, 0x0bd592fc7d825ec8ull, 0x7bcfa7a25aa30fdaull, 0xdc17dec12a927e7cull,
    0x2f088dd86b4ebef1ull, 0xd1ca2087da74d4a7ull, 0x2da2596696cebc1dull, 0x0e2b7eedbbfd87d2ull
};
// The generator of G1.
WE_CONST u64 bls381_g1[12] = {
    0x5cb38790fd530c16ull, 0x7817fc679976fff5ull, 0x154f95c7143ba1c1ull, 0xf0ae6acdf3d0e747ull,
    0xedce6ecc21dbf440ull, 0x120177419e0bfb75ull, 0xbaac93d50ce72271ull, 0x8c22631a7918fd8eull,
    0xdd595f13570725ceull, 0x51ac582950405194ull, 0x0e1c8c3fad0059c0ull, 0x0bbc3efc5008a26aull
};
// The generator of G2.
WE_CONST u64 bls381_g2[24] = {
    0xf5f28fa202940a10ull, 0xb3f5fb2687b4961aull, 0xa1a893b53e2ae580ull, 0x9894999d1a3caee9ull,
    0x6f67b7631863366bull, 0x058191924350bcd7ull, 0xa5a9c0759e23f606ull, 0xaaa0c59dbccd60c3ull,
    0x3bb17e18e2867806ull, 0x1b1ab6cc8541b367ull, 0xc2b6ed0ef2158547ull, 0x11922a097360edf3ull,
    0x4c730af860494c4aull, 0x597cfa1f5e369c5aull, 0xe7e6856caa0a635aull, 0xbbefb5e96e0d495full,
    0x07d3a975f0ef25a2ull, 0x0083fd8e7e80dae5ull, 0xadc0fc92df64b05dull, 0x18aa270a2b1461dcull,
    0x86adac6a3be4eba0ull, 0x79495c4ec93da33aull, 0xe7175850a43ccaedull, 0x0b2bc2a163de1bf2ull
};

struct Bls381Prime {
    static constexpr u32 bits = 384;
    static WE_DEV WE_INLINE u64 limb(u32 i) { return bls381_modulus[i]; }
    static WE_DEV WE_INLINE u64 r2(u32 i) { return bls381_r2[i]; }
    static WE_DEV WE_INLINE u64 one(u32 i) { return bls381_one[i]; }
    static WE_DEV WE_INLINE const u64* table() { return bls381_modulus; }
};
typedef PrimeField<Bls381Prime> Bls381Fp;
typedef QuadraticField<Bls381Fp> Bls381Fp2;

struct Bls381Tower {
    typedef Bls381Prime Prime;
    static constexpr u32 xi = 1;
    static WE_DEV WE_INLINE void frobenius(Bls381Fp2::Elem& r, u32 i) {
        Bls381Fp::set_table(r.c0, bls381_frobenius + 12 * (i - 1));
        Bls381Fp::set_table(r.c1, bls381_frobenius + 12 * (i - 1) + 6);
    }
    static WE_DEV WE_INLINE void frobenius2(Bls381Fp::Elem& r, u32 i) {
        Bls381Fp::set_table(r, bls381_frobenius2 + 6 * (i - 1));
    }
};

// (p - 3) / 4.
WE_CONST u64 bls381_root_exponent[6] = {
    0xee7fbfffffffeaaaull, 0x07aaffffac54ffffull, 0xd9cc34a83dac3d89ull, 0xd91dd2e13ce144afull,
    0x92c6e9ed90d2eb35ull, 0x0680447a8e5ff9a6ull
};

// r := a^((p - 3) / 4): 1 / sqrt(a) for a square a, and 1 / sqrt(-a) up to sign for others, since p
// is 3 mod 4. Sliding windows of four bits.
WE_DEV WE_NOINLINE void bls381_inverse_root(Bls381Fp::Elem& r, const Bls381Fp::Elem& a) {
    typedef Bls381Fp F;
    F::Elem odd[8], square;
    odd[0] = a;
    F::sqr(square, a);
    WE_ROLL
    for (u32 i = 1; i < 8; i++) F::mul(odd[i], odd[i - 1], square);
    F::set_one(r);
    bool started = false;
    u32 left = 379;  // bits of the exponent
    WE_ROLL
    while (left > 0) {
        u32 width = left < 4 ? left : 4, low = left - width;
        u64 bits = bls381_root_exponent[low / 64] >> (low % 64);
        if (low % 64 > 60) bits |= bls381_root_exponent[low / 64 + 1] << (64 - low % 64);
        u32 digit = (u32)bits & ((1u << width) - 1);
        if (digit >> (width - 1) == 0) {
            width = 1, digit = 0;
        } else {
            WE_ROLL
            for (; digit % 2 == 0; digit /= 2) width--;
        }
        WE_ROLL
        for (u32 i = 0; i < width && started; i++) F::sqr(r, r);
        if (digit != 0) {
            if (started) F::mul(r, r, odd[digit / 2]);
            else r = odd[digit / 2];
            started = true;
        }
        left -= width;
    }
}

// Reads a field element that is padded to 64 bytes. False if the padding is not zero or the number
// not below p.
template <class Src>
WE_DEV WE_NOINLINE bool bls381_read(Bls381Fp::Elem& r, const Src& src, u32 off) {
    if ((src.load8(off) | src.load8(off + 8)) != 0) return false;
    return Bls381Fp::read(r, src, off + 16);
}

template <class Src>
WE_DEV WE_INLINE bool bls381_read(Bls381Fp2::Elem& r, const Src& src, u32 off) {
    return bls381_read(r.c0, src, off) && bls381_read(r.c1, src, off + 64);
}

template <class Out>
WE_DEV WE_NOINLINE void bls381_write(const Out& out, u32 off, const Bls381Fp::Elem& a) {
    for (u32 i = 0; i < 16; i++) out.set(off + i, 0);
    Bls381Fp::write(out, off + 16, a);
}

template <class Out>
WE_DEV WE_INLINE void bls381_write(const Out& out, u32 off, const Bls381Fp2::Elem& a) {
    bls381_write(out, off, a.c0);
    bls381_write(out, off + 64, a.c1);
}

// G1: y^2 = x^3 + 4 over F.
struct Bls381G1 {
    typedef Bls381Fp F;
    static constexpr u32 field_bytes = 64;

    static WE_DEV WE_INLINE void add_b(F::Elem& r) {
        F::Elem b;
        F::set_table(b, bls381_four);
        F::add(r, r, b);
    }
    // p := phi(p) = (beta x, y), which is -z^2 p on G1.
    static WE_DEV WE_INLINE void endomorphism(F::Elem& x, F::Elem&) {
        F::Elem beta;
        F::set_table(beta, bls381_beta);
        F::mul(x, x, beta);
    }
    // Whether a point of the curve is in G1: z^2 p = -phi(p).
    //
    // Soundness: phi^2 + phi + 1 = 0, so that what the equation kills is killed by z^4 - z^2 + 1,
    // which is r.
    static WE_DEV WE_NOINLINE bool contains(const Affine<F>& p) {
        Jacobian<F> q;
        set_affine(q, p);
        point_mul_u64(q, bls381_z);
        point_mul_u64(q, bls381_z);
        Affine<F> image = p;
        endomorphism(image.x, image.y);
        F::neg(image.y, image.y);
        return point_eq(q, image);
    }
};

// G2: y^2 = x^3 + 4 (1 + u) over F2.
struct Bls381G2 {
    typedef Bls381Fp2 F;
    static constexpr u32 field_bytes = 128;

    static WE_DEV WE_INLINE void add_b(F::Elem& r) {
        Bls381Fp::Elem b;
        Bls381Fp::set_table(b, bls381_four);
        Bls381Fp::add(r.c0, r.c0, b);
        Bls381Fp::add(r.c1, r.c1, b);
    }
    // (x, y) := psi(x, y), the Frobenius of the curve on its twist, which is z (x, y) on G2.
    static WE_DEV WE_INLINE void endomorphism(F::Elem& x, F::Elem& y) {
        F::Elem k;
        Bls381Fp::set_table(k.c1, bls381_psi + 6);  // the other half is 0
        Bls381Fp::mul(x.c0, x.c0, k.c1);
        Bls381Fp::mul(x.c1, x.c1, k.c1);
        Bls381Fp::Elem t = x.c0;
        x.c0 = x.c1;
        x.c1 = t;
        F::conjugate(y, y);
        Bls381Fp::set_table(k.c0, bls381_psi + 12);
        Bls381Fp::set_table(k.c1, bls381_psi + 18);
        F::mul(y, y, k);
    }
    // Whether a point of the twist is in G2: z q = psi(q).
    //
    // Soundness: psi^2 - t psi + p = 0 with t = z + 1, so that psi - z has the norm p - z, whose
    // greatest common divisor with the order of the twist is r, which divides that order once.
    static WE_DEV WE_NOINLINE bool contains(const Affine<F>& q) {
        Jacobian<F> zq;
        set_affine(zq, q);
        point_mul_u64(zq, bls381_z);
        Affine<F> image = q;
        endomorphism(image.x, image.y);
        F::neg(image.y, image.y);
        return point_eq(zq, image);
    }
};

// Reads a point of the curve of G; zeros are infinity. False if it is none, or not in the group
// where that is asked for.
template <class G, class Src>
WE_DEV WE_NOINLINE bool bls381_read_point(Affine<typename G::F>& p, bool& is_infinite,
                                          bool in_group, const Src& src, u32 off) {
    typedef typename G::F F;
    if (!bls381_read(p.x, src, off) || !bls381_read(p.y, src, off + G::field_bytes)) return false;
    is_infinite = F::is_zero(p.x) && F::is_zero(p.y);
    if (is_infinite) return true;
    typename F::Elem left, right;
    F::sqr(left, p.y);
    F::sqr(right, p.x);
    F::mul(right, right, p.x);
    G::add_b(right);
    return F::eq(left, right) && (!in_group || G::contains(p));
}

template <class G, class Out>
WE_DEV WE_NOINLINE void bls381_write_point(const Out& out, const Jacobian<typename G::F>& p) {
    Affine<typename G::F> a;
    if (is_infinity(p)) {
        G::F::set_zero(a.x);
        G::F::set_zero(a.y);
    } else {
        to_affine(a, p);
    }
    bls381_write(out, 0, a.x);
    bls381_write(out, G::field_bytes, a.y);
}

// Writes the sum of two points of the curve of G, which need not be in the group. False if an
// input is invalid.
template <class G, class Src, class Out>
WE_DEV WE_NOINLINE bool bls381_add(const Src& src, const Out& out) {
    Affine<typename G::F> a, b;
    bool a_infinite, b_infinite;
    if (!bls381_read_point<G>(a, a_infinite, false, src, 0) ||
        !bls381_read_point<G>(b, b_infinite, false, src, 2 * G::field_bytes)) {
        return false;
    }
    Jacobian<typename G::F> p;
    set_infinity(p);
    if (!a_infinite) set_affine(p, a);
    if (!b_infinite) point_add_affine(p, b);
    bls381_write_point<G>(out, p);
    return true;
}

}  // namespace warpevm

#endif  // WARPEVM_OP_BLS12_381_CUH
