// Modular exponentiation (EIP-198): precompile 0x05, and its gas.
#ifndef WARPEVM_OP_MODEXP_CUH
#define WARPEVM_OP_MODEXP_CUH

#include "u256.cuh"

namespace warpevm {

// Limbs of workspace for a base and a modulus of at most `bytes` bytes.
WE_DEV WE_INLINE constexpr u32 modexp_workspace_limbs(u32 bytes) {
    return 5 * ((bytes + limb_bits / 8 - 1) / (limb_bits / 8)) + 2;
}

// ---- gas ----

// How the complexity follows from the longer of base and modulus.
enum ModexpRule : u32 {
    modexp_by_bytes = 0,  // EIP-198
    modexp_by_words = 1,  // EIP-2565
    modexp_raised = 2,    // EIP-7883
};

struct ModexpPrice {
    ModexpRule rule;
    u32 divisor, least, exponent_byte;
};

WE_DEV WE_INLINE u64 saturating_mul(u64 a, u64 b) {
    return a != 0 && b > ~(u64)0 / a ? ~(u64)0 : a * b;
}

WE_DEV WE_INLINE u64 saturating_add(u64 a, u64 b) { return a + b < a ? ~(u64)0 : a + b; }

// The multiplication complexity for the longer of base and modulus.
WE_DEV WE_INLINE u256 modexp_complexity(ModexpRule rule, u64 len) {
    u256 x = from_u64(len), square = mul(x, x);
    if (rule == modexp_by_bytes) {
        if (len <= 64) return square;
        if (len <= 1024) {
            return sub(add(shr_k(square, 2), from_u64(96 * len)), from_u64(3072));
        }
        return sub(add(shr_k(square, 4), mul(x, from_u64(480))), from_u64(199680));
    }
    u256 words = from_u64(len / 8 + (len % 8 != 0 ? 1 : 0));
    u256 words_square = mul(words, words);
    if (rule == modexp_by_words) return words_square;
    return len <= 32 ? from_u64(16) : shl_k(words_square, 1);
}

// The number of exponent bits that are charged, `per_byte` for each byte behind the 32nd; `head` is
// the word of the exponent's first min(exp_len, 32) bytes.
WE_DEV WE_INLINE u64 modexp_iterations(u32 per_byte, u64 exp_len, const u256& head) {
    u64 head_bits = bit_length(head);
    u64 count = head_bits > 1 ? head_bits - 1 : 0;
    if (exp_len > 32) {
        count = saturating_add(saturating_mul(per_byte, exp_len - 32), count);
    }
    return count > 1 ? count : 1;
}

// Gas of the precompile, saturating at 2^64 - 1. Lengths of 2^64 or more are the caller's to
// refuse; so are long ones under EIP-7823.
WE_DEV WE_NOINLINE u64 modexp_gas(ModexpPrice price, u64 base_len, u64 exp_len, u64 mod_len,
                                  const u256& head) {
    u256 complexity = modexp_complexity(price.rule, base_len > mod_len ? base_len : mod_len);
    u64 iterations = modexp_iterations(price.exponent_byte, exp_len, head);
    u256 gas = div(mul(complexity, from_u64(iterations)), from_u64(price.divisor));
    u64 cost = fits_u64(gas) ? low_u64(gas) : ~(u64)0;
    return cost < price.least ? price.least : cost;
}

// ---- arithmetic on n limbs, least significant first ----

// Byte `off` of an input of `len` bytes that is followed by zeros without end.
template <class Src>
WE_DEV WE_INLINE u8 padded_byte(const Src& src, u32 len, u64 off) {
    return off < len ? src.byte((u32)off) : (u8)0;
}

// x[0..n] := the big-endian integer of `bytes` bytes at `off`; n limbs suffice for it.
template <class Src>
WE_DEV WE_INLINE void load_limbs(limb* x, u32 n, const Src& src, u32 len, u64 off, u32 bytes) {
    WE_ROLL
    for (u32 i = 0; i < n; i++) x[i] = 0;
    WE_ROLL
    for (u32 i = 0; i < bytes; i++) {
        constexpr u32 limb_bytes = limb_bits / 8;
        limb b = padded_byte(src, len, off + bytes - 1 - i);
        x[i / limb_bytes] |= b << (8 * (i % limb_bytes));
    }
}

WE_DEV WE_INLINE u32 significant_limbs(const limb* x, u32 n) {
    while (n > 0 && x[n - 1] == 0) n--;
    return n;
}

// x[0..n] := x mod m for xn limbs of x and n limbs of m, the top one not 0. Uses x[xn], too.
WE_DEV WE_NOINLINE void limbs_reduce(limb* x, u32 xn, const limb* m, u32 n) {
    if (xn < n) {
        for (u32 i = xn; i < n; i++) x[i] = 0;
        return;
    }
    // Knuth's algorithm D as in u256.cuh, on x and m shifted left until m's top bit is set.
#if WE_CUDA || defined(WE_LIMBS32)
    u32 shift = clz32(m[n - 1]);
#else
    u32 shift = clz64(m[n - 1]);
#endif
    limb d1 = funnel_left(m[n - 1], n > 1 ? m[n - 2] : 0, shift);
    limb d0 = n > 1 ? funnel_left(m[n - 2], n > 2 ? m[n - 3] : 0, shift) : 0;
    limb v = reciprocal_3by2(d1, d0);
    x[xn] = 0;
    WE_ROLL
    for (u32 i = xn + 1; i-- > 0;) x[i] = funnel_left(x[i], i > 0 ? x[i - 1] : 0, shift);
    WE_ROLL
    for (u32 j = xn - n + 1; j-- > 0;) {
        limb u2 = x[j + n], u1 = x[j + n - 1], u0 = n > 1 ? x[j + n - 2] : 0, q;
        if (u2 == d1 && u1 == d0) {
            q = ~(limb)0;
        } else {
            dlimb r;
            q = div_3by2(u2, u1, u0, d1, d0, v, r);
        }
        limb high = 0, borrow = 0, below = 0;
        WE_ROLL
        for (u32 i = 0; i < n; i++) {
            limb low = mul_add2(q, funnel_left(m[i], below, shift), high, 0, high);
            below = m[i];
            x[j + i] = sub_limb(x[j + i], low, borrow);
        }
        x[j + n] = sub_limb(x[j + n], high, borrow);
        if (borrow == 0) continue;
        limb carry = 0;
        below = 0;
        WE_ROLL
        for (u32 i = 0; i < n; i++) {
            x[j + i] = add_limb(x[j + i], funnel_left(m[i], below, shift), carry);
            below = m[i];
        }
        x[j + n] += carry;
    }
    WE_ROLL
    for (u32 i = 0; i < n; i++) x[i] = funnel_right(i + 1 < n ? x[i + 1] : 0, x[i], shift);
}

// a := a * b mod m; x has 2n + 1 limbs of room.
WE_DEV WE_NOINLINE void limbs_mul_mod(limb* a, const limb* b, const limb* m, u32 n, limb* x) {
    WE_ROLL
    for (u32 i = 0; i < n; i++) x[i] = 0;
    WE_ROLL
    for (u32 i = 0; i < n; i++) {
        limb carry = 0;
        WE_ROLL
        for (u32 j = 0; j < n; j++) x[i + j] = mul_add2(a[j], b[i], x[i + j], carry, carry);
        x[i + n] = carry;
    }
    limbs_reduce(x, 2 * n, m, n);
    WE_ROLL
    for (u32 i = 0; i < n; i++) a[i] = x[i];
}

// a := a * b / B^n mod m for odd m, a and b < m; n0 = -1/m mod B; x has n + 1 limbs of room.
WE_DEV WE_NOINLINE void limbs_mul_mont(limb* a, const limb* b, const limb* m, u32 n, limb n0,
                                       limb* x) {
    WE_ROLL
    for (u32 i = 0; i <= n; i++) x[i] = 0;
    WE_ROLL
    for (u32 i = 0; i < n; i++) {
        limb carry = 0, carry2 = 0, over = 0, bi = b[i];
        limb first = mul_add2(a[0], bi, x[0], 0, carry);
        limb q = first * n0;
        (void)mul_add2(q, m[0], first, 0, carry2);
        WE_ROLL
        for (u32 j = 1; j < n; j++) {
            limb t = mul_add2(a[j], bi, x[j], carry, carry);
            x[j - 1] = mul_add2(q, m[j], t, carry2, carry2);
        }
        limb top = add_limb(carry, carry2, over);
        limb over2 = 0;
        x[n - 1] = add_limb(top, x[n], over2);
        x[n] = over + over2;
    }
    limb borrow = 0;
    WE_ROLL
    for (u32 i = 0; i < n; i++) a[i] = sub_limb(x[i], m[i], borrow);
    if (x[n] >= borrow) return;
    WE_ROLL
    for (u32 i = 0; i < n; i++) a[i] = x[i];
}

// -1/m0 mod B for odd m0, by Newton's iteration: each step doubles the five correct low bits.
WE_DEV WE_INLINE limb negated_inverse(limb m0) {
    limb x = (3 * m0) ^ 2;
    WE_UNROLL
    for (u32 i = 0; i < 4; i++) x *= 2 - m0 * x;
    return (limb)0 - x;
}

// ---- the precompile ----

// Writes base^exponent mod modulus as mod_len big-endian bytes through out.set(i, byte), i from the
// most significant; nothing for mod_len = 0; zeros for a modulus of 0 or 1; 0^0 = 1. The input is
// the precompile's (three length words, base, exponent, modulus), `len` bytes of a byte source as
// in keccak.cuh, and counts as followed by zeros.
//
// The caller has decoded the lengths from the header (each below 2^32), charged the gas, checked
// base_len and mod_len against modexp_bytes_max_device or a limit of its own, and provides
// modexp_workspace_limbs(max(base_len, mod_len)) limbs of workspace.
template <class Src, class Out>
WE_DEV WE_INLINE void modexp(const Src& src, u32 len, u32 base_len, u32 exp_len, u32 mod_len,
                             limb* workspace, Out& out) {
    constexpr u32 limb_bytes = limb_bits / 8;
    u32 room = ((base_len > mod_len ? base_len : mod_len) + limb_bytes - 1) / limb_bytes;
    limb *m = workspace, *base = m + room, *acc = base + room, *x = acc + room;
    u64 base_off = 96, exp_off = base_off + base_len, mod_off = exp_off + exp_len;
    u32 n = (mod_len + limb_bytes - 1) / limb_bytes, base_limbs = base_len / limb_bytes + 1;
    if (base_len % limb_bytes == 0) base_limbs--;
    load_limbs(m, n, src, len, mod_off, mod_len);
    n = significant_limbs(m, n);
    if (n == 0 || (n == 1 && m[0] == 1)) {
        for (u32 i = 0; i < mod_len; i++) out.set(i, 0);
        return;
    }
    bool odd = (m[0] & 1) != 0;
    limb n0 = odd ? negated_inverse(m[0]) : 0;
    load_limbs(x, base_limbs, src, len, base_off, base_len);
    limbs_reduce(x, base_limbs, m, n);
    if (odd) {  // base * B^n mod m
        for (u32 i = n; i-- > 0;) x[i + n] = x[i], x[i] = 0;
        limbs_reduce(x, 2 * n, m, n);
    }
    for (u32 i = 0; i < n; i++) base[i] = x[i];
    bool started = false;  // whether the exponent's first one bit has been seen
    WE_ROLL
    for (u32 i = 0; i < exp_len; i++) {
        u32 byte = padded_byte(src, len, exp_off + i);
        WE_ROLL
        for (u32 bit = 8; bit-- > 0;) {
            bool one = ((byte >> bit) & 1) != 0;
            if (!started) {
                if (one) {
                    for (u32 k = 0; k < n; k++) acc[k] = base[k];
                    started = true;
                }
                continue;
            }
            WE_ROLL
            for (u32 turn = 0; turn < (one ? 2u : 1u); turn++) {
                const limb* factor = turn == 0 ? acc : base;
                if (odd) limbs_mul_mont(acc, factor, m, n, n0, x);
                else limbs_mul_mod(acc, factor, m, n, x);
            }
        }
    }
    // Leave Montgomery form; an exponent of 0 gives 1, since the modulus is above 1.
    for (u32 i = 0; i < n; i++) base[i] = i == 0 ? 1 : 0;
    if (!started) {
        for (u32 i = 0; i < n; i++) acc[i] = base[i];
    } else if (odd) {
        limbs_mul_mont(acc, base, m, n, n0, x);
    }
    for (u32 i = 0; i < mod_len; i++) {
        u32 from_low = mod_len - 1 - i, at = from_low / limb_bytes;
        limb w = at < n ? acc[at] : 0;
        out.set(i, (u8)(w >> (8 * (from_low % limb_bytes))));
    }
}

// An output of contiguous bytes.
struct ByteOut {
    u8* data;
    WE_DEV WE_INLINE void set(u32 i, u8 byte) const { data[i] = byte; }
};

}  // namespace warpevm

#endif  // WARPEVM_OP_MODEXP_CUH
