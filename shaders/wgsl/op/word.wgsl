// 256-bit words: the arithmetic, comparison, bitwise and shift semantics of the EVM. All functions
// are total. Arguments stand in the order in which the opcode pops them; `_k` takes the amount
// last.
//
// A driver inlines every function, so what is long stands once in a module: `w_arith` has each of
// `w_mul`, `w_mul_wide` and `w_divide` at one place for all ops that multiply or divide.

struct Word {
    lo: vec4<u32>,  // least significant limb first
    hi: vec4<u32>,
}

// ---- construction and access ----

fn w_zero() -> Word {
    return Word(vec4<u32>(), vec4<u32>());
}

fn w_from_u32(x: u32) -> Word {
    return Word(vec4<u32>(x, 0u, 0u, 0u), vec4<u32>());
}

fn w_from_u64(x: vec2<u32>) -> Word {
    return Word(vec4<u32>(x, 0u, 0u), vec4<u32>());
}

fn w_from_bool(b: bool) -> Word {
    return w_from_u32(u32(b));
}

// The `i`-th limb, i < 8.
fn w_limb(a: Word, i: u32) -> u32 {
    return select(a.lo[i & 3u], a.hi[i & 3u], i >= 4u);
}

fn w_is_zero(a: Word) -> bool {
    let x = a.lo | a.hi;
    return (x.x | x.y | x.z | x.w) == 0u;
}

fn w_fits_u64(a: Word) -> bool {
    return (a.lo.z | a.lo.w | a.hi.x | a.hi.y | a.hi.z | a.hi.w) == 0u;
}

fn w_fits_u32(a: Word) -> bool {
    return a.lo.y == 0u && w_fits_u64(a);
}

// Two's complement sign.
fn w_is_negative(a: Word) -> bool {
    return (a.hi.w >> 31u) != 0u;
}

fn w_eq(a: Word, b: Word) -> bool {
    return all(a.lo == b.lo) && all(a.hi == b.hi);
}

// As `select`: `b` where the condition holds, else `a`.
fn w_select(a: Word, b: Word, condition: bool) -> Word {
    return Word(select(a.lo, b.lo, condition), select(a.hi, b.hi, condition));
}

// ---- bitwise ----

fn w_and(a: Word, b: Word) -> Word {
    return Word(a.lo & b.lo, a.hi & b.hi);
}

fn w_or(a: Word, b: Word) -> Word {
    return Word(a.lo | b.lo, a.hi | b.hi);
}

fn w_xor(a: Word, b: Word) -> Word {
    return Word(a.lo ^ b.lo, a.hi ^ b.hi);
}

fn w_not(a: Word) -> Word {
    return Word(~a.lo, ~a.hi);
}

fn bswap32(x: vec4<u32>) -> vec4<u32> {
    let pairs = ((x & vec4<u32>(0x00ff00ffu)) << vec4<u32>(8u))
        | ((x >> vec4<u32>(8u)) & vec4<u32>(0x00ff00ffu));
    return (pairs << vec4<u32>(16u)) | (pairs >> vec4<u32>(16u));
}

// Reverses the 32 bytes.
fn w_bswap(a: Word) -> Word {
    return Word(bswap32(a.hi).wzyx, bswap32(a.lo).wzyx);
}

// ---- add, subtract, compare ----

struct Sum {
    word: Word,
    carry: u32,  // or borrow: 0 or 1
}

fn w_add_carry(a: Word, b: Word) -> Sum {
    let s0 = a.lo.x + b.lo.x;
    let c0 = u32(s0 < a.lo.x);
    let s1 = a.lo.y + b.lo.y;
    let r1 = s1 + c0;
    let c1 = u32(s1 < a.lo.y) | u32(r1 < s1);
    let s2 = a.lo.z + b.lo.z;
    let r2 = s2 + c1;
    let c2 = u32(s2 < a.lo.z) | u32(r2 < s2);
    let s3 = a.lo.w + b.lo.w;
    let r3 = s3 + c2;
    let c3 = u32(s3 < a.lo.w) | u32(r3 < s3);
    let s4 = a.hi.x + b.hi.x;
    let r4 = s4 + c3;
    let c4 = u32(s4 < a.hi.x) | u32(r4 < s4);
    let s5 = a.hi.y + b.hi.y;
    let r5 = s5 + c4;
    let c5 = u32(s5 < a.hi.y) | u32(r5 < s5);
    let s6 = a.hi.z + b.hi.z;
    let r6 = s6 + c5;
    let c6 = u32(s6 < a.hi.z) | u32(r6 < s6);
    let s7 = a.hi.w + b.hi.w;
    let r7 = s7 + c6;
    let c7 = u32(s7 < a.hi.w) | u32(r7 < s7);
    return Sum(Word(vec4<u32>(s0, r1, r2, r3), vec4<u32>(r4, r5, r6, r7)), c7);
}

fn w_sub_borrow(a: Word, b: Word) -> Sum {
    let s0 = a.lo.x - b.lo.x;
    let c0 = u32(a.lo.x < b.lo.x);
    let s1 = a.lo.y - b.lo.y;
    let r1 = s1 - c0;
    let c1 = u32(a.lo.y < b.lo.y) | u32(s1 < c0);
    let s2 = a.lo.z - b.lo.z;
    let r2 = s2 - c1;
    let c2 = u32(a.lo.z < b.lo.z) | u32(s2 < c1);
    let s3 = a.lo.w - b.lo.w;
    let r3 = s3 - c2;
    let c3 = u32(a.lo.w < b.lo.w) | u32(s3 < c2);
    let s4 = a.hi.x - b.hi.x;
    let r4 = s4 - c3;
    let c4 = u32(a.hi.x < b.hi.x) | u32(s4 < c3);
    let s5 = a.hi.y - b.hi.y;
    let r5 = s5 - c4;
    let c5 = u32(a.hi.y < b.hi.y) | u32(s5 < c4);
    let s6 = a.hi.z - b.hi.z;
    let r6 = s6 - c5;
    let c6 = u32(a.hi.z < b.hi.z) | u32(s6 < c5);
    let s7 = a.hi.w - b.hi.w;
    let r7 = s7 - c6;
    let c7 = u32(a.hi.w < b.hi.w) | u32(s7 < c6);
    return Sum(Word(vec4<u32>(s0, r1, r2, r3), vec4<u32>(r4, r5, r6, r7)), c7);
}

fn w_add(a: Word, b: Word) -> Word {
    return w_add_carry(a, b).word;
}

fn w_sub(a: Word, b: Word) -> Word {
    return w_sub_borrow(a, b).word;
}

fn w_neg_if(a: Word, condition: bool) -> Word {
    let mask = vec4<u32>(select(0u, 0xffffffffu, condition));
    return w_add(Word(a.lo ^ mask, a.hi ^ mask), w_from_bool(condition));
}

fn w_neg(a: Word) -> Word {
    return w_neg_if(a, true);
}

fn w_lt(a: Word, b: Word) -> bool {
    return w_sub_borrow(a, b).carry != 0u;
}

fn w_gt(a: Word, b: Word) -> bool {
    return w_lt(b, a);
}

// Flipping both signs maps the signed order onto the unsigned one.
fn w_slt(a: Word, b: Word) -> bool {
    let flip = vec4<u32>(0u, 0u, 0u, 0x80000000u);
    return w_lt(Word(a.lo, a.hi ^ flip), Word(b.lo, b.hi ^ flip));
}

fn w_sgt(a: Word, b: Word) -> bool {
    return w_slt(b, a);
}

// ---- shifts ----

// Leading zero bits; 256 for zero (EIP-7939).
fn w_clz(a: Word) -> u32 {
    let hi = countLeadingZeros(a.hi);
    let lo = countLeadingZeros(a.lo);
    var n = select(96u + lo.x, 64u + lo.y, a.lo.y != 0u);
    n = select(n, 32u + lo.z, a.lo.z != 0u);
    n = 128u + select(n, lo.w, a.lo.w != 0u);
    n = select(n, 96u + hi.x, a.hi.x != 0u);
    n = select(n, 64u + hi.y, a.hi.y != 0u);
    n = select(n, 32u + hi.z, a.hi.z != 0u);
    return select(n, hi.w, a.hi.w != 0u);
}

fn w_bit_length(a: Word) -> u32 {
    return 256u - w_clz(a);
}

// a moved left by one limb, with `low` below; and right, with `high` above.
fn w_push_low(a: Word, low: u32) -> Word {
    return Word(vec4<u32>(low, a.lo.xyz), vec4<u32>(a.lo.w, a.hi.xyz));
}

fn w_push_high(a: Word, high: u32) -> Word {
    return Word(vec4<u32>(a.lo.yzw, a.hi.x), vec4<u32>(a.hi.yzw, high));
}

// (a:low) << k for k < 32, without the lowest limb.
fn w_shl_bits(a: Word, low: u32, k: u32) -> Word {
    let next = w_push_low(a, low);
    let n = vec4<u32>(k);
    let m = vec4<u32>(31u - k);
    let one = vec4<u32>(1u);
    return Word((a.lo << n) | ((next.lo >> one) >> m), (a.hi << n) | ((next.hi >> one) >> m));
}

// a << k, k < 256.
fn w_shl_k(a: Word, k: u32) -> Word {
    let z = vec4<u32>();
    var r = w_select(a, Word(z, a.lo), (k & 128u) != 0u);
    r = w_select(r, Word(vec4<u32>(0u, 0u, r.lo.xy), vec4<u32>(r.lo.zw, r.hi.xy)),
                 (k & 64u) != 0u);
    r = w_select(r, w_push_low(r, 0u), (k & 32u) != 0u);
    return w_shl_bits(r, 0u, k & 31u);
}

// a >> k with the bits of `fill` (all equal) above, k < 256.
fn w_shr_fill(a: Word, k: u32, fill: u32) -> Word {
    let f = vec4<u32>(fill);
    var r = w_select(a, Word(a.hi, f), (k & 128u) != 0u);
    r = w_select(r, Word(vec4<u32>(r.lo.zw, r.hi.xy), vec4<u32>(r.hi.zw, f.xy)), (k & 64u) != 0u);
    r = w_select(r, w_push_high(r, fill), (k & 32u) != 0u);
    let next = w_push_high(r, fill);
    let n = vec4<u32>(k & 31u);
    let m = vec4<u32>(31u) - n;
    let one = vec4<u32>(1u);
    return Word((r.lo >> n) | ((next.lo << one) << m), (r.hi >> n) | ((next.hi << one) << m));
}

fn w_shr_k(a: Word, k: u32) -> Word {
    return w_shr_fill(a, k, 0u);
}

fn w_sar_k(a: Word, k: u32) -> Word {
    return w_shr_fill(a, k, select(0u, 0xffffffffu, w_is_negative(a)));
}

// SHL, SHR, SAR (EIP-145): an amount of 256 or more shifts everything out.
fn w_is_below(k: Word, limit: u32) -> bool {
    return w_fits_u32(k) && k.lo.x < limit;
}

fn w_shl(k: Word, a: Word) -> Word {
    return w_select(w_zero(), w_shl_k(a, k.lo.x & 255u), w_is_below(k, 256u));
}

fn w_shr(k: Word, a: Word) -> Word {
    return w_select(w_zero(), w_shr_k(a, k.lo.x & 255u), w_is_below(k, 256u));
}

fn w_sar(k: Word, a: Word) -> Word {
    return w_sar_k(a, select(255u, k.lo.x, w_is_below(k, 256u)));
}

// BYTE: the i-th byte of x from the most significant; 0 for i >= 32.
fn w_byte(i: Word, x: Word) -> Word {
    let n = 31u - (i.lo.x & 31u);
    let byte = (w_limb(x, n >> 2u) >> (8u * (n & 3u))) & 0xffu;
    return w_from_u32(select(0u, byte, w_is_below(i, 32u)));
}

// SIGNEXTEND: extends the sign of the (k+1)-byte integer in x; x itself for k >= 31.
fn w_signextend(k: Word, x: Word) -> Word {
    if !w_is_below(k, 31u) {
        return x;
    }
    let at = k.lo.x >> 2u;
    let unused_bits = 24u - 8u * (k.lo.x & 3u);
    let limb = bitcast<i32>(w_limb(x, at) << unused_bits) >> unused_bits;
    let fill = vec4<u32>(bitcast<u32>(limb >> 31u));
    let here = vec4<u32>(bitcast<u32>(limb));
    let i = vec4<u32>(at);
    let lo = vec4<u32>(0u, 1u, 2u, 3u);
    let hi = vec4<u32>(4u, 5u, 6u, 7u);
    return Word(select(select(fill, here, lo == i), x.lo, lo < i),
                select(select(fill, here, hi == i), x.hi, hi < i));
}

// ---- multiply ----

// a * b mod 2^256. Unrolled: six times as fast as `w_mul_wide` on Mesa's CPU driver.
fn w_mul(a: Word, b: Word) -> Word {
    var t = u64_mul32(a.lo.x, b.lo.x);
    let r0 = t.x;
    t = u64_mul_add2(a.lo.y, b.lo.x, t.y, 0u);
    var r1 = t.x;
    t = u64_mul_add2(a.lo.z, b.lo.x, t.y, 0u);
    var r2 = t.x;
    t = u64_mul_add2(a.lo.w, b.lo.x, t.y, 0u);
    var r3 = t.x;
    t = u64_mul_add2(a.hi.x, b.lo.x, t.y, 0u);
    var r4 = t.x;
    t = u64_mul_add2(a.hi.y, b.lo.x, t.y, 0u);
    var r5 = t.x;
    t = u64_mul_add2(a.hi.z, b.lo.x, t.y, 0u);
    var r6 = t.x;
    var r7 = a.hi.w * b.lo.x + t.y;
    t = u64_mul_add2(a.lo.x, b.lo.y, r1, 0u);
    r1 = t.x;
    t = u64_mul_add2(a.lo.y, b.lo.y, r2, t.y);
    r2 = t.x;
    t = u64_mul_add2(a.lo.z, b.lo.y, r3, t.y);
    r3 = t.x;
    t = u64_mul_add2(a.lo.w, b.lo.y, r4, t.y);
    r4 = t.x;
    t = u64_mul_add2(a.hi.x, b.lo.y, r5, t.y);
    r5 = t.x;
    t = u64_mul_add2(a.hi.y, b.lo.y, r6, t.y);
    r6 = t.x;
    r7 += a.hi.z * b.lo.y + t.y;
    t = u64_mul_add2(a.lo.x, b.lo.z, r2, 0u);
    r2 = t.x;
    t = u64_mul_add2(a.lo.y, b.lo.z, r3, t.y);
    r3 = t.x;
    t = u64_mul_add2(a.lo.z, b.lo.z, r4, t.y);
    r4 = t.x;
    t = u64_mul_add2(a.lo.w, b.lo.z, r5, t.y);
    r5 = t.x;
    t = u64_mul_add2(a.hi.x, b.lo.z, r6, t.y);
    r6 = t.x;
    r7 += a.hi.y * b.lo.z + t.y;
    t = u64_mul_add2(a.lo.x, b.lo.w, r3, 0u);
    r3 = t.x;
    t = u64_mul_add2(a.lo.y, b.lo.w, r4, t.y);
    r4 = t.x;
    t = u64_mul_add2(a.lo.z, b.lo.w, r5, t.y);
    r5 = t.x;
    t = u64_mul_add2(a.lo.w, b.lo.w, r6, t.y);
    r6 = t.x;
    r7 += a.hi.x * b.lo.w + t.y;
    t = u64_mul_add2(a.lo.x, b.hi.x, r4, 0u);
    r4 = t.x;
    t = u64_mul_add2(a.lo.y, b.hi.x, r5, t.y);
    r5 = t.x;
    t = u64_mul_add2(a.lo.z, b.hi.x, r6, t.y);
    r6 = t.x;
    r7 += a.lo.w * b.hi.x + t.y;
    t = u64_mul_add2(a.lo.x, b.hi.y, r5, 0u);
    r5 = t.x;
    t = u64_mul_add2(a.lo.y, b.hi.y, r6, t.y);
    r6 = t.x;
    r7 += a.lo.z * b.hi.y + t.y;
    t = u64_mul_add2(a.lo.x, b.hi.z, r6, 0u);
    r6 = t.x;
    r7 += a.lo.y * b.hi.z + t.y;
    r7 += a.lo.x * b.hi.w;
    return Word(vec4<u32>(r0, r1, r2, r3), vec4<u32>(r4, r5, r6, r7));
}

// a to the power of b, or a * b, with one multiplication in the text. Left to right: squares for
// each bit of the exponent below its top one, and multiplies where the bit is set.
fn w_power(is_exp: bool, a: Word, b: Word) -> Word {
    let bits = w_bit_length(b);
    if is_exp && bits == 0u {
        return w_from_u32(1u);
    }
    var exponent = w_shl_k(b, 256u - bits);
    var squares = select(0u, bits - 1u, is_exp);
    var is_square = is_exp;
    var power = a;
    loop {
        if is_square && squares == 0u {
            break;
        }
        power = w_mul(power, w_select(w_select(b, a, is_exp), power, is_square));
        if is_square {
            squares--;
            exponent = w_shl_bits(exponent, 0u, 1u);
            is_square = (exponent.hi.w >> 31u) == 0u;
        } else {
            if !is_exp {
                break;
            }
            is_square = true;
        }
    }
    return power;
}

struct Wide {
    lo: Word,
    hi: Word,
}

struct Products {
    lo: vec4<u32>,
    hi: vec4<u32>,
}

// Each limb of a times b: the low and the high halves.
fn mul_limbs(a: vec4<u32>, b: u32) -> Products {
    let mask = vec4<u32>(0xffffu);
    let half = vec4<u32>(16u);
    let al = a & mask;
    let ah = a >> half;
    let bl = vec4<u32>(b & 0xffffu);
    let bh = vec4<u32>(b >> 16u);
    let low = al * bl;
    let mid = ah * bl + (low >> half);
    let mid2 = al * bh + (mid & mask);
    return Products((mid2 << half) | (low & mask), ah * bh + (mid >> half) + (mid2 >> half));
}

// a * b, 512 bits. A row at a time: each gives one limb of the low half.
fn w_mul_wide(a: Word, b: Word) -> Wide {
    var rest = b;  // and the low half, from above
    var sum = w_zero();
    for (var row = 0u; row < 8u; row++) {
        let p = mul_limbs(a.lo, rest.lo.x);
        let q = mul_limbs(a.hi, rest.lo.x);
        let t = w_add_carry(sum, Word(p.lo, q.lo));
        rest = w_push_high(rest, t.word.lo.x);
        sum = w_add(w_push_high(t.word, t.carry), Word(p.hi, q.hi));
    }
    return Wide(rest, sum);
}

// ---- divide ----
//
// Knuth's algorithm D with the reciprocals of Möller and Granlund ("Improved division by invariant
// integers", 2011). The divisor is shifted left until its top bit is the top bit of the word, so
// that every step works on the same limbs; the remainder is a window of one limb more that moves by
// one limb per quotient digit.

// (u:x) / d for 16 bits x, u < d, top bit of d set: at most 16 bits.
fn div_half(u: u32, x: u32, d: u32) -> u32 {
    let d1 = d >> 16u;
    let d0 = d & 0xffffu;
    var q = u / d1;
    var r = u - q * d1;
    for (var i = 0u; i < 2u; i++) {
        if r < 0x10000u && (q >= 0x10000u || q * d0 > ((r << 16u) | x)) {
            q--;
            r += d1;
        }
    }
    return q;
}

// floor((2^96 - 1) / (d1:d0)) - 2^32, top bit of d1 set.
fn reciprocal_3by2(d1: u32, d0: u32) -> u32 {
    // First floor((2^64 - 1) / d1) - 2^32, in two digits of 16 bits.
    let q1 = div_half(~d1, 0xffffu, d1);
    let q0 = div_half((~d1 << 16u) + 0xffffu - q1 * d1, 0xffffu, d1);
    var v = (q1 << 16u) | q0;
    var p = d1 * v + d0;
    if p < d0 {
        v--;
        if p >= d1 {
            v--;
            p -= d1;
        }
        p -= d1;
    }
    let t = u64_mul32(v, d0);
    p += t.y;
    if p < t.y {
        v--;
        if u64_le(vec2<u32>(d0, d1), vec2<u32>(t.x, p)) {
            v--;
        }
    }
    return v;
}

// (u2:u1:u0) / d for (u2:u1) < d; `v` is the reciprocal of d.
fn div_3by2(u2: u32, u1: u32, u0: u32, d: vec2<u32>, v: u32) -> u32 {
    let q = u64_add(u64_mul32(v, u2), vec2<u32>(u1, u2));
    var digit = q.y + 1u;
    let r1 = u1 - q.y * d.y;
    var r = u64_sub(u64_sub(vec2<u32>(u0, r1), u64_mul32(d.x, q.y)), d);
    if r.y >= q.x {
        digit--;
        r = u64_add(r, d);
    }
    return digit + u32(u64_le(d, r));
}

struct DivRem {
    quotient: Word,
    remainder: Word,
}

// (hi:lo) / d, which must not be 0. The quotient is only right where hi = 0.
fn w_divide(hi: Word, lo: Word, d: Word) -> DivRem {
    let shift = w_clz(d);
    let bits = shift & 31u;
    let zeros = shift >> 5u;
    let divisor = w_shl_k(d, shift);
    let top = divisor.hi.zw;
    let v = reciprocal_3by2(top.y, top.x);
    // The dividend, shifted as the divisor: the window, the limb that enters it next, the rest. Of
    // a short one, limbs that are zero are left out.
    let is_wide = !w_is_zero(hi);
    let skipped = select(min(zeros, w_clz(lo) >> 5u), 0u, is_wide);
    let lo_over = (w_limb(lo, 7u - skipped) >> 1u) >> (31u - bits);
    let hi_over = (hi.hi.w >> 1u) >> (31u - bits);
    var rest = w_shl_k(lo, 32u * skipped + bits);
    let first = w_select(rest, w_shl_bits(hi, lo.hi.w, bits), is_wide);
    var window = w_push_high(first, select(lo_over, hi_over, is_wide));
    var next = first.lo.x;
    rest = w_select(w_zero(), rest, is_wide);
    let digits = select(1u + zeros - skipped, 9u + zeros, is_wide);
    for (var i = 0u; i < digits; i++) {
        let over = window.hi.w;
        window = w_push_low(window, next);
        next = select(0u, rest.hi.w, i < 8u);
        // The estimate is the digit or one more.
        let estimate = div_3by2(over, window.hi.w, window.hi.z, top, v);
        let is_largest = over == top.y && window.hi.w == top.x;
        let digit = select(estimate, 0xffffffffu, is_largest);
        let p = mul_limbs(divisor.lo, digit);
        let q = mul_limbs(divisor.hi, digit);
        let low = w_sub_borrow(window, Word(p.lo, q.lo));
        let high = w_sub_borrow(low.word, w_push_low(Word(p.hi, q.hi), 0u));
        let is_more = over - low.carry - high.carry != q.hi.w;
        window = w_add(high.word, w_select(w_zero(), divisor, is_more));
        // The quotient takes the room that the rest leaves.
        rest = w_push_low(rest, digit - u32(is_more));
    }
    return DivRem(rest, w_shr_k(window, shift));
}

// ---- what multiplies and divides ----

// MUL, DIV, SDIV, MOD, SMOD, ADDMOD, MULMOD, EXP (0^0 = 1). Division by zero gives zero.
//
// EXP multiplies up to 511 times: who counts steps counts `w_bit_length(b)` more for it.
fn w_arith(op: u32, a: Word, b: Word, c: Word) -> Word {
    if op == OP_MUL || op == OP_EXP {
        return w_power(op == OP_EXP, a, b);
    }
    var hi = w_zero();
    var lo = a;
    var d = b;
    var negate = false;
    if op == OP_MUL_MOD {
        let product = w_mul_wide(a, b);
        lo = product.lo;
        hi = product.hi;
        d = c;
    } else if op == OP_ADD_MOD {
        let sum = w_add_carry(a, b);
        lo = sum.word;
        hi = w_from_u32(sum.carry);
        d = c;
    } else if op == OP_SDIV || op == OP_SMOD {
        // SDIV truncates towards zero, and MIN / -1 = MIN; SMOD has the sign of the dividend.
        negate = w_is_negative(a) != (op == OP_SDIV && w_is_negative(b));
        lo = w_neg_if(a, w_is_negative(a));
        d = w_neg_if(b, w_is_negative(b));
    }
    if w_is_zero(d) {
        return w_zero();
    }
    let result = w_divide(hi, lo, d);
    let is_quotient = op == OP_DIV || op == OP_SDIV;
    return w_neg_if(w_select(result.remainder, result.quotient, is_quotient), negate);
}

fn w_div(a: Word, b: Word) -> Word {
    return w_arith(OP_DIV, a, b, w_zero());
}

fn w_sdiv(a: Word, b: Word) -> Word {
    return w_arith(OP_SDIV, a, b, w_zero());
}

fn w_mod(a: Word, b: Word) -> Word {
    return w_arith(OP_MOD, a, b, w_zero());
}

fn w_smod(a: Word, b: Word) -> Word {
    return w_arith(OP_SMOD, a, b, w_zero());
}

fn w_addmod(a: Word, b: Word, m: Word) -> Word {
    return w_arith(OP_ADD_MOD, a, b, m);
}

fn w_mulmod(a: Word, b: Word, m: Word) -> Word {
    return w_arith(OP_MUL_MOD, a, b, m);
}

fn w_exp(base: Word, exponent: Word) -> Word {
    return w_arith(OP_EXP, base, exponent, w_zero());
}
