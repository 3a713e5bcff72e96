// 256-bit words: the arithmetic, comparison, bitwise and shift semantics of the EVM (yellow paper,
// appendix H.2, groups 0s and 10s). All functions are total: no argument value is excluded unless
// the comment of the function says so. Arguments stand in the order in which the opcode pops them.
//
// A word is 32 bytes, little-endian, whatever the limb size: on the CPU 4 x u64, on the device and
// under WE_LIMBS32 8 x u32. The memory image is the same, so words cross the border as bytes.
#ifndef WARPEVM_OP_U256_CUH
#define WARPEVM_OP_U256_CUH

#include "base.cuh"

namespace warpevm {

#ifdef WE_LIMBS32
typedef u32 limb;
typedef u64 dlimb;  // holds the product of two limbs
constexpr u32 word_limbs = 8;
constexpr u32 limb_bits = 32;
#else
typedef u64 limb;
typedef unsigned __int128 dlimb;  // holds the product of two limbs
constexpr u32 word_limbs = 4;
constexpr u32 limb_bits = 64;
#endif

struct alignas(16) u256 {
    limb w[word_limbs];  // least significant first
};
static_assert(sizeof(u256) == 32, "a word is 32 bytes");

// ---- construction and access ----

WE_DEV WE_INLINE u256 zero256() {
    u256 r;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) r.w[i] = 0;
    return r;
}

WE_DEV WE_INLINE u256 from_u64(u64 x) {
    u256 r = zero256();
#ifdef WE_LIMBS32
    r.w[0] = (u32)x;
    r.w[1] = (u32)(x >> 32);
#else
    r.w[0] = x;
#endif
    return r;
}

// The word whose `i`-th 64 bits are x_i, x0 the lowest.
WE_DEV WE_INLINE u256 from_u64x4(u64 x0, u64 x1, u64 x2, u64 x3) {
    u256 r;
#ifdef WE_LIMBS32
    r.w[0] = (u32)x0, r.w[1] = (u32)(x0 >> 32), r.w[2] = (u32)x1, r.w[3] = (u32)(x1 >> 32);
    r.w[4] = (u32)x2, r.w[5] = (u32)(x2 >> 32), r.w[6] = (u32)x3, r.w[7] = (u32)(x3 >> 32);
#else
    r.w[0] = x0, r.w[1] = x1, r.w[2] = x2, r.w[3] = x3;
#endif
    return r;
}

// The `i`-th 64 bits, `i` < 4.
WE_DEV WE_INLINE u64 u64_at(const u256& a, u32 i) {
#ifdef WE_LIMBS32
    return (u64)a.w[2 * i] | ((u64)a.w[2 * i + 1] << 32);
#else
    return a.w[i];
#endif
}

WE_DEV WE_INLINE u64 low_u64(const u256& a) { return u64_at(a, 0); }
WE_DEV WE_INLINE u32 low_u32(const u256& a) { return (u32)a.w[0]; }

WE_DEV WE_INLINE bool is_zero(const u256& a) {
    limb x = 0;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) x |= a.w[i];
    return x == 0;
}

WE_DEV WE_INLINE bool fits_u64(const u256& a) {
    limb x = 0;
    WE_UNROLL
    for (u32 i = 64 / limb_bits; i < word_limbs; i++) x |= a.w[i];
    return x == 0;
}

WE_DEV WE_INLINE bool fits_u32(const u256& a) { return fits_u64(a) && (low_u64(a) >> 32) == 0; }

// Two's complement sign.
WE_DEV WE_INLINE bool is_negative(const u256& a) {
    return (a.w[word_limbs - 1] >> (limb_bits - 1)) != 0;
}

WE_DEV WE_INLINE bool eq(const u256& a, const u256& b) {
    limb x = 0;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) x |= a.w[i] ^ b.w[i];
    return x == 0;
}

WE_DEV WE_INLINE u256 from_bool(bool b) { return from_u64(b ? 1 : 0); }

// b ? x : y, without a branch.
WE_DEV WE_INLINE u256 select(bool b, const u256& x, const u256& y) {
    u256 r;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) r.w[i] = b ? x.w[i] : y.w[i];
    return r;
}

// ---- bitwise ----

WE_DEV WE_INLINE u256 bit_and(const u256& a, const u256& b) {
    u256 r;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) r.w[i] = a.w[i] & b.w[i];
    return r;
}

WE_DEV WE_INLINE u256 bit_or(const u256& a, const u256& b) {
    u256 r;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) r.w[i] = a.w[i] | b.w[i];
    return r;
}

WE_DEV WE_INLINE u256 bit_xor(const u256& a, const u256& b) {
    u256 r;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) r.w[i] = a.w[i] ^ b.w[i];
    return r;
}

WE_DEV WE_INLINE u256 bit_not(const u256& a) {
    u256 r;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) r.w[i] = ~a.w[i];
    return r;
}

// Reverses the 32 bytes.
WE_DEV WE_INLINE u256 bswap(const u256& a) {
    u256 r;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) {
#ifdef WE_LIMBS32
        r.w[i] = bswap32(a.w[word_limbs - 1 - i]);
#else
        r.w[i] = bswap64(a.w[word_limbs - 1 - i]);
#endif
    }
    return r;
}

// The word whose big-endian encoding is p[0..32]; no alignment needed.
WE_DEV WE_INLINE u256 from_be_bytes(const u8* p) {
    u256 r;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) {
#ifdef WE_LIMBS32
        r.w[word_limbs - 1 - i] = bswap32(load_le32(p + 4 * i));
#else
        r.w[word_limbs - 1 - i] = bswap64(load_le64(p + 8 * i));
#endif
    }
    return r;
}

WE_DEV WE_INLINE void to_be_bytes(const u256& a, u8* p) {
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) {
        limb x = a.w[word_limbs - 1 - i];
        WE_UNROLL
        for (u32 j = 0; j < limb_bits / 8; j++) {
            p[i * (limb_bits / 8) + j] = (u8)(x >> (limb_bits - 8 - 8 * j));
        }
    }
}

// ---- add, subtract, compare ----

// a + b + carry; `carry` is 0 or 1 and receives the carry out.
WE_DEV WE_INLINE limb add_limb(limb a, limb b, limb& carry) {
#ifdef WE_LIMBS32
    u64 t = (u64)a + b + carry;
    carry = (u32)(t >> 32);
    return (u32)t;
#elif defined(__x86_64__)
    limb r;
    carry = __builtin_ia32_addcarryx_u64((unsigned char)carry, a, b, &r);
    return r;
#else
    unsigned __int128 t = (unsigned __int128)a + b + carry;
    carry = (u64)(t >> 64);
    return (u64)t;
#endif
}

// a - b - borrow; `borrow` is 0 or 1 and receives the borrow out.
WE_DEV WE_INLINE limb sub_limb(limb a, limb b, limb& borrow) {
#ifdef WE_LIMBS32
    u64 t = (u64)a - b - borrow;
    borrow = (u32)(t >> 32) & 1;
    return (u32)t;
#elif defined(__x86_64__) && !defined(__clang__)
    limb r;
    borrow = __builtin_ia32_sbb_u64((unsigned char)borrow, a, b, &r);
    return r;
#else
    unsigned __int128 t = (unsigned __int128)a - b - borrow;
    borrow = (u64)(t >> 64) & 1;
    return (u64)t;
#endif
}

// a + b mod 2^256; returns the carry, 0 or 1, through `carry`.
WE_DEV WE_INLINE u256 add_carry(const u256& a, const u256& b, limb& carry) {
    u256 r;
#if WE_PTX
    asm("add.cc.u32 %0, %9, %17;\n\t"
        "addc.cc.u32 %1, %10, %18;\n\t"
        "addc.cc.u32 %2, %11, %19;\n\t"
        "addc.cc.u32 %3, %12, %20;\n\t"
        "addc.cc.u32 %4, %13, %21;\n\t"
        "addc.cc.u32 %5, %14, %22;\n\t"
        "addc.cc.u32 %6, %15, %23;\n\t"
        "addc.cc.u32 %7, %16, %24;\n\t"
        "addc.u32 %8, 0, 0;"
        : "=&r"(r.w[0]), "=&r"(r.w[1]), "=&r"(r.w[2]), "=&r"(r.w[3]), "=&r"(r.w[4]), "=&r"(r.w[5]),
          "=&r"(r.w[6]), "=&r"(r.w[7]), "=&r"(carry)
        : "r"(a.w[0]), "r"(a.w[1]), "r"(a.w[2]), "r"(a.w[3]), "r"(a.w[4]), "r"(a.w[5]),
          "r"(a.w[6]), "r"(a.w[7]), "r"(b.w[0]), "r"(b.w[1]), "r"(b.w[2]), "r"(b.w[3]),
          "r"(b.w[4]), "r"(b.w[5]), "r"(b.w[6]), "r"(b.w[7]));
#else
    carry = 0;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) r.w[i] = add_limb(a.w[i], b.w[i], carry);
#endif
    return r;
}

// a - b mod 2^256; returns the borrow, 0 or 1, through `borrow`.
WE_DEV WE_INLINE u256 sub_borrow(const u256& a, const u256& b, limb& borrow) {
    u256 r;
#if WE_PTX
    asm("sub.cc.u32 %0, %9, %17;\n\t"
        "subc.cc.u32 %1, %10, %18;\n\t"
        "subc.cc.u32 %2, %11, %19;\n\t"
        "subc.cc.u32 %3, %12, %20;\n\t"
        "subc.cc.u32 %4, %13, %21;\n\t"
        "subc.cc.u32 %5, %14, %22;\n\t"
        "subc.cc.u32 %6, %15, %23;\n\t"
        "subc.cc.u32 %7, %16, %24;\n\t"
        "subc.u32 %8, 0, 0;"
        : "=&r"(r.w[0]), "=&r"(r.w[1]), "=&r"(r.w[2]), "=&r"(r.w[3]), "=&r"(r.w[4]), "=&r"(r.w[5]),
          "=&r"(r.w[6]), "=&r"(r.w[7]), "=&r"(borrow)
        : "r"(a.w[0]), "r"(a.w[1]), "r"(a.w[2]), "r"(a.w[3]), "r"(a.w[4]), "r"(a.w[5]),
          "r"(a.w[6]), "r"(a.w[7]), "r"(b.w[0]), "r"(b.w[1]), "r"(b.w[2]), "r"(b.w[3]),
          "r"(b.w[4]), "r"(b.w[5]), "r"(b.w[6]), "r"(b.w[7]));
    borrow &= 1;
#else
    borrow = 0;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) r.w[i] = sub_limb(a.w[i], b.w[i], borrow);
#endif
    return r;
}

WE_DEV WE_INLINE u256 add(const u256& a, const u256& b) {
    limb carry;
    return add_carry(a, b, carry);
}

WE_DEV WE_INLINE u256 sub(const u256& a, const u256& b) {
    limb borrow;
    return sub_borrow(a, b, borrow);
}

WE_DEV WE_INLINE u256 neg(const u256& a) { return sub(zero256(), a); }

WE_DEV WE_INLINE bool lt(const u256& a, const u256& b) {
    limb borrow;
    (void)sub_borrow(a, b, borrow);
    return borrow != 0;
}

WE_DEV WE_INLINE bool gt(const u256& a, const u256& b) { return lt(b, a); }

WE_DEV WE_INLINE bool slt(const u256& a, const u256& b) {
    // Flipping both signs maps the signed order onto the unsigned one.
    limb flip = (limb)1 << (limb_bits - 1);
    u256 x = a, y = b;
    x.w[word_limbs - 1] ^= flip;
    y.w[word_limbs - 1] ^= flip;
    return lt(x, y);
}

WE_DEV WE_INLINE bool sgt(const u256& a, const u256& b) { return slt(b, a); }

// ---- shifts ----

// Leading zero bits; 256 for zero (EIP-7939).
WE_DEV WE_INLINE u32 clz(const u256& a) {
    u32 n = 256;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) {
#ifdef WE_LIMBS32
        if (a.w[i] != 0) n = 32 * (7 - i) + clz32(a.w[i]);
#else
        if (a.w[i] != 0) n = 64 * (3 - i) + clz64(a.w[i]);
#endif
    }
    return n;
}

WE_DEV WE_INLINE u32 bit_length(const u256& a) { return 256 - clz(a); }

// Shift steps by whole limbs select instead of indexing, so that words stay in registers.
template <u32 n>
WE_DEV WE_INLINE u256 shl_limbs_if(bool b, const u256& a) {
    u256 r;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) {
        limb moved = i >= n ? a.w[i >= n ? i - n : 0] : 0;
        r.w[i] = b ? moved : a.w[i];
    }
    return r;
}

template <u32 n>
WE_DEV WE_INLINE u256 shr_limbs_if(bool b, const u256& a, limb fill) {
    u256 r;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) {
        limb moved = i + n < word_limbs ? a.w[i + n < word_limbs ? i + n : 0] : fill;
        r.w[i] = b ? moved : a.w[i];
    }
    return r;
}

WE_DEV WE_INLINE limb funnel_left(limb hi, limb lo, u32 k) {
#ifdef WE_LIMBS32
    return funnel_left32(hi, lo, k);
#else
    return funnel_left64(hi, lo, k);
#endif
}

WE_DEV WE_INLINE limb funnel_right(limb hi, limb lo, u32 k) {
#ifdef WE_LIMBS32
    return funnel_right32(hi, lo, k);
#else
    return funnel_right64(hi, lo, k);
#endif
}

// a << k for k < limb_bits.
WE_DEV WE_INLINE u256 shl_bits(const u256& a, u32 k) {
    u256 r;
    r.w[0] = a.w[0] << k;
    WE_UNROLL
    for (u32 i = 1; i < word_limbs; i++) r.w[i] = funnel_left(a.w[i], a.w[i - 1], k);
    return r;
}

// (fill * 2^256 + a) >> k for k < limb_bits.
WE_DEV WE_INLINE u256 shr_bits(const u256& a, u32 k, limb fill) {
    u256 r;
    WE_UNROLL
    for (u32 i = 0; i + 1 < word_limbs; i++) r.w[i] = funnel_right(a.w[i + 1], a.w[i], k);
    r.w[word_limbs - 1] = funnel_right(fill, a.w[word_limbs - 1], k);
    return r;
}

// a << k; the caller has checked k < 256.
WE_DEV WE_INLINE u256 shl_k(const u256& a, u32 k) {
    u256 r = shl_limbs_if<128 / limb_bits>((k & 128) != 0, a);
    r = shl_limbs_if<64 / limb_bits>((k & 64) != 0, r);
#ifdef WE_LIMBS32
    r = shl_limbs_if<1>((k & 32) != 0, r);
#endif
    return shl_bits(r, k & (limb_bits - 1));
}

// Right shift with `fill` (all zeros or all ones) above; the caller has checked k < 256.
WE_DEV WE_INLINE u256 shr_fill(const u256& a, u32 k, limb fill) {
    u256 r = shr_limbs_if<128 / limb_bits>((k & 128) != 0, a, fill);
    r = shr_limbs_if<64 / limb_bits>((k & 64) != 0, r, fill);
#ifdef WE_LIMBS32
    r = shr_limbs_if<1>((k & 32) != 0, r, fill);
#endif
    return shr_bits(r, k & (limb_bits - 1), fill);
}

// a >> k, logical and arithmetic; the caller has checked k < 256.
WE_DEV WE_INLINE u256 shr_k(const u256& a, u32 k) { return shr_fill(a, k, 0); }

WE_DEV WE_INLINE u256 sar_k(const u256& a, u32 k) {
    return shr_fill(a, k, is_negative(a) ? ~(limb)0 : (limb)0);
}

// SHL, SHR, SAR (EIP-145): any shift amount of 256 or more shifts everything out.
WE_DEV WE_INLINE bool shift_in_range(const u256& k) { return fits_u64(k) && low_u64(k) < 256; }

WE_DEV WE_INLINE u256 shl(const u256& k, const u256& a) {
    return shift_in_range(k) ? shl_k(a, low_u32(k)) : zero256();
}

WE_DEV WE_INLINE u256 shr(const u256& k, const u256& a) {
    return shift_in_range(k) ? shr_k(a, low_u32(k)) : zero256();
}

WE_DEV WE_INLINE u256 sar(const u256& k, const u256& a) {
    return sar_k(a, shift_in_range(k) ? low_u32(k) : 255);
}

// BYTE: the i-th byte of x from the most significant; 0 for i >= 32.
WE_DEV WE_INLINE u256 byte_at(const u256& i, const u256& x) {
    if (!fits_u64(i) || low_u64(i) >= 32) return zero256();
    u256 r = shr_k(x, 8 * (31 - low_u32(i)));
    return from_u64(low_u64(r) & 0xff);
}

// SIGNEXTEND: extends the sign of the (k+1)-byte integer in x; x itself for k >= 31.
WE_DEV WE_INLINE u256 signextend(const u256& k, const u256& x) {
    if (!fits_u64(k) || low_u64(k) >= 31) return x;
    u32 unused_bits = 8 * (31 - low_u32(k));
    return sar_k(shl_k(x, unused_bits), unused_bits);
}

// ---- multiply ----

struct alignas(16) u512 {
    limb w[2 * word_limbs];  // least significant first
};

WE_DEV WE_INLINE u256 low_half(const u512& a) {
    u256 r;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) r.w[i] = a.w[i];
    return r;
}

WE_DEV WE_INLINE u256 high_half(const u512& a) {
    u256 r;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) r.w[i] = a.w[word_limbs + i];
    return r;
}

// hi:lo = a * b + c + d, which cannot overflow.
WE_DEV WE_INLINE limb mul_add2(limb a, limb b, limb c, limb d, limb& hi) {
    dlimb t = (dlimb)a * b + c + d;
    hi = (limb)(t >> limb_bits);
    return (limb)t;
}

#if WE_PTX
// Carry chains over products. Product x_i * b goes to c[2i] (low half) and c[2i+1] (high half);
// each pair of multiply-adds on one product becomes one wide multiply-add with carry in SASS.
// mad_chain<n>: n products, the carry out is lost. mad_chain_low<n>: n products, then the low half
// of one more. mad_chain_carry: four products, and the carry out is added to c[8].
#define WE_MAD1(c0, c1, x) \
    "mad.lo.cc.u32 %" c0 ", %" x ", %" WE_MAD_B ", %" c0 ";\n\t" \
    "madc.hi.cc.u32 %" c1 ", %" x ", %" WE_MAD_B ", %" c1 ";\n\t"
#define WE_MADC(c0, c1, x) \
    "madc.lo.cc.u32 %" c0 ", %" x ", %" WE_MAD_B ", %" c0 ";\n\t" \
    "madc.hi.cc.u32 %" c1 ", %" x ", %" WE_MAD_B ", %" c1 ";\n\t"

template <u32 n>
WE_DEV WE_INLINE void mad_chain(u32* c, const u32* x, u32 b) {
    static_assert(n <= 4, "a row has at most four products of one parity");
    if constexpr (n == 1) {
#define WE_MAD_B "3"
        asm(WE_MAD1("0", "1", "2") : "+&r"(c[0]), "+&r"(c[1]) : "r"(x[0]), "r"(b));
#undef WE_MAD_B
    } else if constexpr (n == 2) {
#define WE_MAD_B "6"
        asm(WE_MAD1("0", "1", "4") WE_MADC("2", "3", "5")
            : "+&r"(c[0]), "+&r"(c[1]), "+&r"(c[2]), "+&r"(c[3])
            : "r"(x[0]), "r"(x[2]), "r"(b));
#undef WE_MAD_B
    } else if constexpr (n == 3) {
#define WE_MAD_B "9"
        asm(WE_MAD1("0", "1", "6") WE_MADC("2", "3", "7") WE_MADC("4", "5", "8")
            : "+&r"(c[0]), "+&r"(c[1]), "+&r"(c[2]), "+&r"(c[3]), "+&r"(c[4]), "+&r"(c[5])
            : "r"(x[0]), "r"(x[2]), "r"(x[4]), "r"(b));
#undef WE_MAD_B
    } else if constexpr (n == 4) {
#define WE_MAD_B "12"
        asm(WE_MAD1("0", "1", "8") WE_MADC("2", "3", "9") WE_MADC("4", "5", "10")
            WE_MADC("6", "7", "11")
            : "+&r"(c[0]), "+&r"(c[1]), "+&r"(c[2]), "+&r"(c[3]), "+&r"(c[4]), "+&r"(c[5]),
              "+&r"(c[6]), "+&r"(c[7])
            : "r"(x[0]), "r"(x[2]), "r"(x[4]), "r"(x[6]), "r"(b));
#undef WE_MAD_B
    }
}

template <u32 n>
WE_DEV WE_INLINE void mad_chain_low(u32* c, const u32* x, u32 b) {
    static_assert(n <= 3, "a row has at most four products of one parity");
    if constexpr (n == 0) {
        c[0] += x[0] * b;
    } else if constexpr (n == 1) {
#define WE_MAD_B "5"
        asm(WE_MAD1("0", "1", "3") "madc.lo.u32 %2, %4, %5, %2;"
            : "+&r"(c[0]), "+&r"(c[1]), "+&r"(c[2])
            : "r"(x[0]), "r"(x[2]), "r"(b));
#undef WE_MAD_B
    } else if constexpr (n == 2) {
#define WE_MAD_B "8"
        asm(WE_MAD1("0", "1", "5") WE_MADC("2", "3", "6") "madc.lo.u32 %4, %7, %8, %4;"
            : "+&r"(c[0]), "+&r"(c[1]), "+&r"(c[2]), "+&r"(c[3]), "+&r"(c[4])
            : "r"(x[0]), "r"(x[2]), "r"(x[4]), "r"(b));
#undef WE_MAD_B
    } else if constexpr (n == 3) {
#define WE_MAD_B "11"
        asm(WE_MAD1("0", "1", "7") WE_MADC("2", "3", "8") WE_MADC("4", "5", "9")
            "madc.lo.u32 %6, %10, %11, %6;"
            : "+&r"(c[0]), "+&r"(c[1]), "+&r"(c[2]), "+&r"(c[3]), "+&r"(c[4]), "+&r"(c[5]),
              "+&r"(c[6])
            : "r"(x[0]), "r"(x[2]), "r"(x[4]), "r"(x[6]), "r"(b));
#undef WE_MAD_B
    }
}

WE_DEV WE_INLINE void mad_chain_carry(u32* c, const u32* x, u32 b) {
#define WE_MAD_B "13"
    asm(WE_MAD1("0", "1", "9") WE_MADC("2", "3", "10") WE_MADC("4", "5", "11")
        WE_MADC("6", "7", "12") "addc.u32 %8, %8, 0;"
        : "+&r"(c[0]), "+&r"(c[1]), "+&r"(c[2]), "+&r"(c[3]), "+&r"(c[4]), "+&r"(c[5]), "+&r"(c[6]),
          "+&r"(c[7]), "+&r"(c[8])
        : "r"(x[0]), "r"(x[2]), "r"(x[4]), "r"(x[6]), "r"(b));
#undef WE_MAD_B
}

// Row i of the product modulo 2^256: positions i+j even go to `even`, odd ones to `odd`.
template <u32 i>
WE_DEV WE_INLINE void mul_low_row(u32* even, u32* odd, const u256& a, u32 b) {
    constexpr u32 p = i & 1;
    mad_chain<(8 - i - p) / 2>(even + i + p, a.w + p, b);
    mad_chain_low<(7 - (i + 1 - p)) / 2>(odd + i + 1 - p, a.w + 1 - p, b);
}

template <u32 i>
WE_DEV WE_INLINE void mul_full_row(u32* even, u32* odd, const u256& a, u32 b) {
    constexpr u32 p = i & 1;
    mad_chain_carry(even + i + p, a.w + p, b);
    mad_chain_carry(odd + i + 1 - p, a.w + 1 - p, b);
}
#endif  // WE_PTX

WE_DEV WE_INLINE u256 mul(const u256& a, const u256& b) {
#if WE_PTX
    u256 even = zero256(), odd = zero256();
    mul_low_row<0>(even.w, odd.w, a, b.w[0]);
    mul_low_row<1>(even.w, odd.w, a, b.w[1]);
    mul_low_row<2>(even.w, odd.w, a, b.w[2]);
    mul_low_row<3>(even.w, odd.w, a, b.w[3]);
    mul_low_row<4>(even.w, odd.w, a, b.w[4]);
    mul_low_row<5>(even.w, odd.w, a, b.w[5]);
    mul_low_row<6>(even.w, odd.w, a, b.w[6]);
    // Row 7 has one product, at position 7.
    odd.w[7] += a.w[0] * b.w[7];
    return add(even, odd);
#else
    u256 r = zero256();
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) {
        limb carry = 0;
        WE_UNROLL
        for (u32 j = 0; i + j + 1 < word_limbs; j++) {
            r.w[i + j] = mul_add2(a.w[j], b.w[i], r.w[i + j], carry, carry);
        }
        r.w[word_limbs - 1] += a.w[word_limbs - 1 - i] * b.w[i] + carry;
    }
    return r;
#endif
}

// The full product.
WE_DEV WE_INLINE u512 mul_full(const u256& a, const u256& b) {
    u512 r;
#if WE_PTX
    u32 even[18], odd[18];
    WE_UNROLL
    for (u32 i = 0; i < 18; i++) even[i] = 0, odd[i] = 0;
    mul_full_row<0>(even, odd, a, b.w[0]);
    mul_full_row<1>(even, odd, a, b.w[1]);
    mul_full_row<2>(even, odd, a, b.w[2]);
    mul_full_row<3>(even, odd, a, b.w[3]);
    mul_full_row<4>(even, odd, a, b.w[4]);
    mul_full_row<5>(even, odd, a, b.w[5]);
    mul_full_row<6>(even, odd, a, b.w[6]);
    mul_full_row<7>(even, odd, a, b.w[7]);
    limb carry = 0;
    WE_UNROLL
    for (u32 i = 0; i < 16; i++) r.w[i] = add_limb(even[i], odd[i], carry);
#else
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) r.w[i] = 0;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) {
        limb carry = 0;
        WE_UNROLL
        for (u32 j = 0; j < word_limbs; j++) {
            r.w[i + j] = mul_add2(a.w[j], b.w[i], r.w[i + j], carry, carry);
        }
        r.w[i + word_limbs] = carry;
    }
#endif
    return r;
}

// ---- divide ----
//
// Knuth's algorithm D with the reciprocals of Möller and Granlund ("Improved division by invariant
// integers", 2011). The divisor is shifted left until its top bit is the top bit of the word, so
// that every step works on the same limbs (registers, on the device); the remainder is a window of
// one limb more that moves left by one limb per quotient digit.

#if defined(__x86_64__) && !defined(WE_LIMBS32)
// (hi:lo) / d for hi < d by the CPU's own division; `hi` becomes the remainder.
WE_DEV WE_INLINE limb div_limbs(limb& hi, limb lo, limb d) {
    limb q;
    __asm__("divq %4" : "=a"(q), "=d"(hi) : "0"(lo), "1"(hi), "r"(d) : "cc");
    return q;
}
#endif

// (hi:lo) / d for hi < d, top bit of d set.
WE_DEV WE_INLINE limb div_2by1_slow(limb hi, limb lo, limb d) {
#if defined(__x86_64__) && !defined(WE_LIMBS32)
    return div_limbs(hi, lo, d);
#else
    return (limb)((((dlimb)hi << limb_bits) | lo) / d);
#endif
}

// floor((B^2 - 1) / d) - B for the limb base B and d with its top bit set.
WE_DEV WE_INLINE limb reciprocal_2by1(limb d) { return div_2by1_slow(~d, ~(limb)0, d); }

// floor((B^3 - 1) / (d1:d0)) - B, top bit of d1 set.
WE_DEV WE_INLINE limb reciprocal_3by2(limb d1, limb d0) {
    limb v = reciprocal_2by1(d1);
    limb p = d1 * v + d0;
    if (p < d0) {
        v--;
        if (p >= d1) {
            v--;
            p -= d1;
        }
        p -= d1;
    }
    dlimb t = (dlimb)v * d0;
    limb t1 = (limb)(t >> limb_bits);
    p += t1;
    if (p < t1) {
        v--;
        if (p >= d1 && (p > d1 || (limb)t >= d0)) v--;
    }
    return v;
}

// (u2:u1:u0) / (d1:d0) for (u2:u1) < (d1:d0); `v` is the divisor's reciprocal; `r` = remainder.
WE_DEV WE_INLINE limb div_3by2(limb u2, limb u1, limb u0, limb d1, limb d0, limb v, dlimb& r) {
    dlimb q = (dlimb)v * u2 + (((dlimb)u2 << limb_bits) | u1);
    limb q1 = (limb)(q >> limb_bits), q0 = (limb)q;
    limb r1 = u1 - q1 * d1;
    dlimb d = ((dlimb)d1 << limb_bits) | d0;
    r = (((dlimb)r1 << limb_bits) | u0) - (dlimb)d0 * q1 - d;
    q1++;
    if ((limb)(r >> limb_bits) >= q0) {
        q1--;
        r += d;
    }
    if (r >= d) {
        q1++;
        r -= d;
    }
    return q1;
}

// One quotient digit: the window (hi:w) becomes its remainder modulo d (hi counts as 0 afterwards).
// Needs the top bit of d set, `v` = the reciprocal of its two top limbs, and (hi:w) < d * B.
WE_DEV WE_INLINE limb div_digit(limb hi, u256& w, const u256& d, limb v) {
    constexpr u32 n = word_limbs;
    limb d1 = d.w[n - 1], d0 = d.w[n - 2];
    if (hi == 0 && w.w[n - 1] < d1) return 0;
    limb q, extra = 0;
    dlimb r;
    if (hi == d1 && w.w[n - 1] == d0) {
        // The true digit is B-1 or less; with B-1, the top three limbs leave (d1:d0) + the lowest.
        q = ~(limb)0;
        r = (((dlimb)d1 << limb_bits) | d0) + w.w[n - 2];
        extra = r < w.w[n - 2] ? 1 : 0;
    } else {
        q = div_3by2(hi, w.w[n - 1], w.w[n - 2], d1, d0, v, r);
    }
    limb high = 0, borrow = 0;
    WE_UNROLL
    for (u32 i = 0; i + 2 < n; i++) {
        limb low = mul_add2(q, d.w[i], high, 0, high);
        w.w[i] = sub_limb(w.w[i], low, borrow);
    }
    w.w[n - 2] = sub_limb((limb)r, high, borrow);
    w.w[n - 1] = sub_limb((limb)(r >> limb_bits), 0, borrow);
    if (borrow > extra) {
        q--;
        w = add(w, d);
    }
    return q;
}

WE_DEV WE_INLINE u256 push_limb(const u256& a, limb low) {
    u256 r;
    r.w[0] = low;
    WE_UNROLL
    for (u32 i = 1; i < word_limbs; i++) r.w[i] = a.w[i - 1];
    return r;
}

// Divisors of at most two limbs: each digit is exact, no multiply-and-subtract is needed.
struct SmallDivisor {
    limb d1, d0, v;
    u32 shift;  // 0 .. 2 * limb_bits - 1
};

WE_DEV WE_INLINE SmallDivisor small_divisor(const u256& d) {
    SmallDivisor s;
    s.shift = clz(d) - (256 - 2 * limb_bits);
    dlimb x = (((dlimb)d.w[1] << limb_bits) | d.w[0]) << s.shift;
    s.d1 = (limb)(x >> limb_bits);
    s.d0 = (limb)x;
    s.v = reciprocal_3by2(s.d1, s.d0);
    return s;
}

// Next digit: appends limb x to the remainder r < (d1:d0).
WE_DEV WE_INLINE limb small_digit(dlimb& r, limb x, const SmallDivisor& s) {
    limb u2 = (limb)(r >> limb_bits), u1 = (limb)r;
    if (u2 == 0 && u1 < s.d1) {
        r = ((dlimb)u1 << limb_bits) | x;
        return 0;
    }
    return div_3by2(u2, u1, x, s.d1, s.d0, s.v, r);
}

// Continues a division: `r` is the remainder of what stood above a (already shifted).
WE_DEV WE_INLINE u256 small_digits(dlimb& r, const u256& a, const SmallDivisor& s) {
    u256 q;
    WE_UNROLL
    for (u32 i = word_limbs; i-- > 0;) q.w[i] = small_digit(r, a.w[i], s);
    return q;
}

struct DivRem {
    u256 quotient;
    u256 remainder;
};

WE_DEV WE_INLINE DivRem divrem_small(const u256& a, const u256& d) {
    DivRem out;
    SmallDivisor s = small_divisor(d);
    u32 bits = s.shift & (limb_bits - 1);
    dlimb r = funnel_left(0, a.w[word_limbs - 1], bits);
    out.quotient = small_digits(r, shl_bits(a, bits), s);
    if (s.shift >= limb_bits) {
        limb digit = small_digit(r, 0, s);
        out.quotient = push_limb(out.quotient, digit);
    }
    r >>= s.shift;
    out.remainder = zero256();
    out.remainder.w[0] = (limb)r;
    out.remainder.w[1] = (limb)(r >> limb_bits);
    return out;
}

WE_DEV WE_INLINE DivRem divrem_large(const u256& a, const u256& d) {
    DivRem out;
    u32 shift = clz(d), bits = shift & (limb_bits - 1);
    u256 dn = shl_k(d, shift);
    limb v = reciprocal_3by2(dn.w[word_limbs - 1], dn.w[word_limbs - 2]);
    limb hi = funnel_left(0, a.w[word_limbs - 1], bits);
    u256 w = shl_bits(a, bits);
    out.quotient = zero256();
    u32 steps = shift / limb_bits;  // further digits, below word_limbs
    WE_ROLL
    for (u32 i = 0;; i++) {
        limb digit = div_digit(hi, w, dn, v);
        out.quotient = push_limb(out.quotient, digit);
        if (i == steps) break;
        hi = w.w[word_limbs - 1];
        w = push_limb(w, 0);
    }
    out.remainder = shr_k(w, shift);
    return out;
}

#if defined(__x86_64__) && !defined(WE_LIMBS32)
// One-limb divisors, high limbs first.
WE_DEV WE_INLINE DivRem divrem_limb(const u256& a, limb d) {
    DivRem out;
    u32 top = a.w[3] != 0 ? 3 : a.w[2] != 0 ? 2 : 1;
    out.quotient = out.remainder = zero256();
    limb r = 0;
    if (a.w[top] < d) r = a.w[top--];
    for (u32 i = top + 1; i-- > 0;) out.quotient.w[i] = div_limbs(r, a.w[i], d);
    out.remainder.w[0] = r;
    return out;
}
#elif !defined(WE_LIMBS32)
// One-limb divisors: 2-by-1 steps with a shorter dependency chain than 3-by-2 ones.
WE_DEV WE_INLINE DivRem divrem_limb(const u256& a, limb d) {
    DivRem out;
    out.quotient = zero256();
    out.remainder = zero256();
    u32 top = a.w[3] != 0 ? 3 : a.w[2] != 0 ? 2 : 1;
    u32 bits = clz64(d);
    limb dn = d << bits, v = reciprocal_2by1(dn);
    limb r = funnel_left(0, a.w[top], bits);
    for (u32 i = top + 1; i-- > 0;) {
        limb x = funnel_left(a.w[i], i > 0 ? a.w[i - 1] : 0, bits);
        dlimb q = (dlimb)v * r + (((dlimb)r << 64) | x);
        limb q1 = (limb)(q >> 64) + 1;
        r = x - q1 * dn;
        if (r > (limb)q) {
            q1--;
            r += dn;
        }
        if (r >= dn) {
            q1++;
            r -= dn;
        }
        out.quotient.w[i] = q1;
    }
    out.remainder.w[0] = r >> bits;
    return out;
}
#endif

WE_DEV WE_INLINE bool fits_two_limbs(const u256& a) {
    limb x = 0;
    WE_UNROLL
    for (u32 i = 2; i < word_limbs; i++) x |= a.w[i];
    return x == 0;
}

// Quotient and remainder; both 0 for d = 0 (the rule of DIV and MOD).
WE_DEV WE_NOINLINE DivRem divrem(const u256& a, const u256& d) {
    DivRem out;
    if (lt(a, d)) {
        out.quotient = zero256();
        out.remainder = a;
        return out;
    }
    if (fits_u64(a)) {
        u64 x = low_u64(a), y = low_u64(d);
        u64 q = y == 0 ? 0 : x / y;
        out.quotient = from_u64(q);
        out.remainder = from_u64(y == 0 ? 0 : x - q * y);
        return out;
    }
    if (fits_two_limbs(d)) {
#if !defined(WE_LIMBS32)
        if (d.w[1] == 0 && d.w[0] != 0) return divrem_limb(a, d.w[0]);
#endif
        if (is_zero(d)) {
            out.quotient = zero256();
            out.remainder = zero256();
            return out;
        }
        return divrem_small(a, d);
    }
    return divrem_large(a, d);
}

WE_DEV WE_INLINE u256 div(const u256& a, const u256& b) { return divrem(a, b).quotient; }
WE_DEV WE_INLINE u256 mod(const u256& a, const u256& b) { return divrem(a, b).remainder; }

WE_DEV WE_INLINE u256 neg_if(bool b, const u256& a) { return select(b, neg(a), a); }

// SDIV truncates towards zero; MIN / -1 = MIN; x / 0 = 0.
WE_DEV WE_INLINE u256 sdiv(const u256& a, const u256& b) {
    bool na = is_negative(a), nb = is_negative(b);
    return neg_if(na != nb, div(neg_if(na, a), neg_if(nb, b)));
}

// SMOD: the result has the sign of the dividend; x mod 0 = 0.
WE_DEV WE_INLINE u256 smod(const u256& a, const u256& b) {
    bool na = is_negative(a);
    return neg_if(na, mod(neg_if(na, a), neg_if(is_negative(b), b)));
}

// a mod d for a 512-bit a and d != 0 (the caller has checked it).
WE_DEV WE_NOINLINE u256 mod_wide(const u512& a, const u256& d) {
    u256 lo = low_half(a), hi = high_half(a);
    if (is_zero(hi)) return mod(lo, d);
    if (fits_two_limbs(d)) {
        SmallDivisor s = small_divisor(d);
        u32 bits = s.shift & (limb_bits - 1);
        dlimb r = funnel_left(0, hi.w[word_limbs - 1], bits);
        u256 x = shl_bits(hi, bits);
        x.w[0] |= funnel_left(0, lo.w[word_limbs - 1], bits);
        (void)small_digits(r, x, s);
        (void)small_digits(r, shl_bits(lo, bits), s);
        if (s.shift >= limb_bits) (void)small_digit(r, 0, s);
        r >>= s.shift;
        u256 out = zero256();
        out.w[0] = (limb)r;
        out.w[1] = (limb)(r >> limb_bits);
        return out;
    }
    u32 shift = clz(d), bits = shift & (limb_bits - 1);
    u256 dn = shl_k(d, shift);
    limb v = reciprocal_3by2(dn.w[word_limbs - 1], dn.w[word_limbs - 2]);
    limb top = funnel_left(0, hi.w[word_limbs - 1], bits);
    u256 w = shl_bits(hi, bits);
    w.w[0] |= funnel_left(0, lo.w[word_limbs - 1], bits);
    lo = shl_bits(lo, bits);
    u32 steps = word_limbs + shift / limb_bits;  // further digits, below 2 * word_limbs
    WE_ROLL
    for (u32 i = 0;; i++) {
        (void)div_digit(top, w, dn, v);
        if (i == steps) break;
        top = w.w[word_limbs - 1];
        w = push_limb(w, lo.w[word_limbs - 1]);
        lo = push_limb(lo, 0);
    }
    return shr_k(w, shift);
}

// ADDMOD: (a + b) mod m without wrapping at 2^256; 0 for m = 0.
WE_DEV WE_INLINE u256 addmod(const u256& a, const u256& b, const u256& m) {
    limb carry, borrow;
    u256 s = add_carry(a, b, carry);
    if (lt(a, m) && lt(b, m)) {
        u256 t = sub_borrow(s, m, borrow);
        return select(carry >= borrow, t, s);
    }
    if (is_zero(m)) return zero256();
    u512 x;
    WE_UNROLL
    for (u32 i = 0; i < word_limbs; i++) x.w[i] = s.w[i], x.w[i + word_limbs] = 0;
    x.w[word_limbs] = carry;
    return mod_wide(x, m);
}

// MULMOD: a * b mod m without wrapping at 2^256; 0 for m = 0.
WE_DEV WE_INLINE u256 mulmod(const u256& a, const u256& b, const u256& m) {
    if (is_zero(m)) return zero256();
    return mod_wide(mul_full(a, b), m);
}

// EXP: base^exponent mod 2^256, 0^0 = 1. At most 256 squarings.
WE_DEV WE_NOINLINE u256 exp(const u256& base, const u256& exponent) {
    u256 r = from_u64(1), b = base, e = exponent;
    if (low_u64(base) == 2 && fits_u64(base)) return shl(exponent, r);
    WE_ROLL
    while (true) {
        // Unconditional: it overlaps with the squaring, and exponent bits are hard to predict.
        u256 product = mul(r, b);
        r = select((e.w[0] & 1) != 0, product, r);
        e = shr_bits(e, 1, 0);
        if (is_zero(e)) break;
        b = mul(b, b);
    }
    return r;
}

}  // namespace warpevm

#endif  // WARPEVM_OP_U256_CUH
