// Sums of scalar multiples on BLS12-381 (EIP-2537): precompiles 0x0c and 0x0e.
//
// An endomorphism that acts on the group as multiplication by z^2 or z (up to sign) splits a scalar
// into two parts of 128 bits or four of 64. Straus' method adds up the windows of a batch of points
// at once, so that they share the doublings. Windows are signed, of four bits, and always at the
// same places, like those of curve.cuh and for the same reason.
//
// A point of the batch takes 1.6 KiB on G1 and 3.1 KiB on G2.
#ifndef WARPEVM_OP_BLS12_381_MSM_CUH
#define WARPEVM_OP_BLS12_381_MSM_CUH

#include "bls12_381.cuh"

namespace warpevm {

// Points that share doublings. On the CPU a batch costs 128 or 64 doublings, and each of its points
// about 70 additions.
#if WE_CUDA
constexpr u32 msm_batch_count = 2;
#else
constexpr u32 msm_batch_count = 16;
#endif

constexpr u32 msm_window_bits = 4;
constexpr u32 msm_window_points = 8;  // multiples 1..8 of the point

// ---- gas ----

// Thousandths of the price of that many single multiplications, for 1..128 of them (EIP-2537).
WE_CONST u16 bls381_g1_discounts[128] = {
    1000, 949, 848, 797, 764, 750, 738, 728, 719, 712, 705, 698, 692, 687, 682, 677, 673, 669, 665,
    661, 658, 654, 651, 648, 645, 642, 640, 637, 635, 632, 630, 627, 625, 623, 621, 619, 617, 615,
    613, 611, 609, 608, 606, 604, 603, 601, 599, 598, 596, 595, 593, 592, 591, 589, 588, 586, 585,
    584, 582, 581, 580, 579, 577, 576, 575, 574, 573, 572, 570, 569, 568, 567, 566, 565, 564, 563,
    562, 561, 560, 559, 558, 557, 556, 555, 554, 553, 552, 551, 550, 549, 548, 547, 547, 546, 545,
    544, 543, 542, 541, 540, 540, 539, 538, 537, 536, 536, 535, 534, 533, 532, 532, 531, 530, 529,
    528, 528, 527, 526, 525, 525, 524, 523, 522, 522, 521, 520, 520, 519
};
WE_CONST u16 bls381_g2_discounts[128] = {
    1000, 1000, 923, 884, 855, 832, 812, 796, 782, 770, 759, 749, 740, 732, 724, 717, 711, 704,
    699, 693, 688, 683, 679, 674, 670, 666, 663, 659, 655, 652, 649, 646, 643, 640, 637, 634, 632,
    629, 627, 624, 622, 620, 618, 615, 613, 611, 609, 607, 606, 604, 602, 600, 598, 597, 595, 593,
    592, 590, 589, 587, 586, 584, 583, 582, 580, 579, 578, 576, 575, 574, 573, 571, 570, 569, 568,
    567, 566, 565, 563, 562, 561, 560, 559, 558, 557, 556, 555, 554, 553, 552, 552, 551, 550, 549,
    548, 547, 546, 545, 545, 544, 543, 542, 541, 541, 540, 539, 538, 537, 537, 536, 535, 535, 534,
    533, 532, 532, 531, 530, 530, 529, 528, 528, 527, 526, 526, 525, 524, 524
};

// What `count` multiplications cost, of which one alone costs `each`; below 2^32 of them.
WE_DEV WE_INLINE u64 bls381_msm_gas(Bls381G1, u64 count, u64 each) {
    u32 at = (u32)(count < 128 ? count : 128);
    return at == 0 ? 0 : count * bls381_g1_discounts[at - 1] * each / 1000;
}

WE_DEV WE_INLINE u64 bls381_msm_gas(Bls381G2, u64 count, u64 each) {
    u32 at = (u32)(count < 128 ? count : 128);
    return at == 0 ? 0 : count * bls381_g2_discounts[at - 1] * each / 1000;
}

// ---- scalars ----

// The scalar field's order r.
WE_DEV WE_INLINE u256 bls381_order() {
    return from_u64x4(0xffffffff00000001ull, 0x53bda402fffe5bfeull, 0x3339d80809a1d805ull,
                      0x73eda753299d7d48ull);
}

// A scalar's parts, 128 bits each with the lower half first: the scalar is the sum of
// part(i) * s^i, where the endomorphism is multiplication by -s. s is z^2 on G1, |z| on G2.
struct MsmScalar {
    u64 bits[4][2];
};

template <class G>
struct MsmParts;
template <>
struct MsmParts<Bls381G1> {
    static constexpr u32 count = 2, windows = 128 / msm_window_bits + 1;
    static WE_DEV WE_INLINE void split(MsmScalar& s, const u256& k) {
        u256 z = from_u64(bls381_z), base = mul(z, z), high = div(k, base);
        u256 low = sub(k, mul(high, base));
        s.bits[0][0] = u64_at(low, 0), s.bits[0][1] = u64_at(low, 1);
        s.bits[1][0] = u64_at(high, 0), s.bits[1][1] = u64_at(high, 1);
    }
};
template <>
struct MsmParts<Bls381G2> {
    static constexpr u32 count = 4, windows = 64 / msm_window_bits + 1;
    static WE_DEV WE_INLINE void split(MsmScalar& s, const u256& k) {
        u256 z = from_u64(bls381_z), left = k;
        WE_ROLL
        for (u32 i = 0; i < 4; i++) {
            u256 high = div(left, z);
            s.bits[i][0] = low_u64(sub(left, mul(high, z)));
            s.bits[i][1] = 0;
            left = high;
        }
    }
};

// Digit i of a part, in -8..8.
WE_DEV WE_INLINE i32 msm_digit(const u64 (&bits)[2], u32 i) {
    u32 at = msm_window_bits * i, window;
    if (at == 0) window = (u32)bits[0] << 1;
    else if (at < 64) window = (u32)(bits[0] >> (at - 1));
    else if (at == 64) window = (u32)(bits[0] >> 63) | (u32)bits[1] << 1;
    else window = at > 128 ? 0 : (u32)(bits[1] >> (at - 65));
    window &= 31;
    return (i32)((window + 1) >> 1) - (window >= 16 ? 16 : 0);
}

template <class G>
struct Msm {
    typedef typename G::F F;
    typedef typename F::Elem E;
    static constexpr u32 entries = msm_batch_count * msm_window_points;

    Affine<F> table[entries];  // the multiples 1..8 of each point
    MsmScalar scalars[msm_batch_count];

    // Makes the table's rows, of which the first entries are set, and affine.
    WE_DEV WE_NOINLINE void fill(u32 count) {
        E z[entries], prefix[entries], inverse;
        F::set_one(inverse);
        WE_ROLL
        for (u32 i = 0; i < count * msm_window_points; i++) {
            if (i % msm_window_points == 0) {
                F::set_one(z[i]);
            } else {
                const Affine<F>& p = table[i - i % msm_window_points];
                Jacobian<F> q;
                q.x = table[i - 1].x;
                q.y = table[i - 1].y;
                q.z = z[i - 1];
                point_add_affine(q, p);
                table[i].x = q.x;
                table[i].y = q.y;
                z[i] = q.z;
            }
            prefix[i] = inverse;
            F::mul(inverse, inverse, z[i]);
        }
        // Montgomery's trick: one inversion for all.
        F::inverse(inverse, inverse);
        WE_ROLL
        for (u32 i = count * msm_window_points; i-- > 0;) {
            E zi, zi2;
            F::mul(zi, inverse, prefix[i]);
            F::mul(inverse, inverse, z[i]);
            F::sqr(zi2, zi);
            F::mul(table[i].x, table[i].x, zi2);
            F::mul(zi, zi, zi2);
            F::mul(table[i].y, table[i].y, zi);
        }
    }

    // sum := sum + the sum of scalar * point of the batch; `count` is not 0. The points are the
    // first entries of their rows, in the group and not infinity.
    WE_DEV WE_NOINLINE void add_batch(Jacobian<F>& sum, u32 count) {
        typedef MsmParts<G> Parts;
        Jacobian<F> acc;
        set_infinity(acc);
        fill(count);
        WE_ROLL
        for (u32 i = Parts::windows; i-- > 0;) {
            WE_ROLL
            for (u32 k = 0; k < msm_window_bits; k++) point_double(acc);
            WE_ROLL
            for (u32 k = 0; k < count * Parts::count; k++) {
                u32 part = k % Parts::count, j = k / Parts::count;
                i32 digit = msm_digit(scalars[j].bits[part], i);
                if (digit == 0) continue;
                bool negative = digit < 0;
                Affine<F> q = table[j * msm_window_points + (negative ? -digit : digit) - 1];
                WE_ROLL
                for (u32 turn = 0; turn < part; turn++) G::endomorphism(q.x, q.y);
                if (negative != (part % 2 != 0)) F::neg(q.y, q.y);
                point_add_affine(acc, q);
            }
        }
        point_add(sum, acc);
    }
};

// Writes the sum of `count` multiples; the input holds a point and a scalar for each, any 256-bit
// number. False if a point is not in the group.
template <class G, class Src, class Out>
WE_DEV WE_NOINLINE bool bls381_msm(const Src& src, u32 count, const Out& out) {
    typedef typename G::F F;
    constexpr u32 scalar_off = 2 * G::field_bytes;
    Msm<G> msm;
    Jacobian<F> sum;
    set_infinity(sum);
    u32 n = 0;
    WE_ROLL
    for (u32 i = 0; i < count; i++) {
        u32 off = (scalar_off + 32) * i;
        bool is_infinite;
        Affine<F>& p = msm.table[n * msm_window_points];
        if (!bls381_read_point<G>(p, is_infinite, true, src, off)) return false;
        u64 w[4];
        WE_ROLL
        for (u32 k = 0; k < 4; k++) w[k] = bswap64(src.load8(off + scalar_off + 24 - 8 * k));
        u256 scalar = mod(from_u64x4(w[0], w[1], w[2], w[3]), bls381_order());
        if (!is_infinite && !is_zero(scalar)) {
            MsmParts<G>::split(msm.scalars[n], scalar);
            n++;
        }
        if (n == msm_batch_count || (n != 0 && i + 1 == count)) {
            msm.add_batch(sum, n);
            n = 0;
        }
    }
    bls381_write_point<G>(out, sum);
    return true;
}

}  // namespace warpevm

#endif  // WARPEVM_OP_BLS12_381_MSM_CUH
