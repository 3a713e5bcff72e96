// 64-bit numbers as `vec2<u32>`, low half first. Sums and products wrap where nothing else is said.

fn u64_from(x: u32) -> vec2<u32> {
    return vec2<u32>(x, 0u);
}

fn u64_is_zero(a: vec2<u32>) -> bool {
    return (a.x | a.y) == 0u;
}

fn u64_eq(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.x == b.x && a.y == b.y;
}

fn u64_lt(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y < b.y || (a.y == b.y && a.x < b.x);
}

fn u64_le(a: vec2<u32>, b: vec2<u32>) -> bool {
    return !u64_lt(b, a);
}

fn u64_gt(a: vec2<u32>, b: vec2<u32>) -> bool {
    return u64_lt(b, a);
}

fn u64_min(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return select(b, a, u64_lt(a, b));
}

fn u64_max(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return select(a, b, u64_lt(a, b));
}

fn i64_is_negative(a: vec2<u32>) -> bool {
    return (a.y >> 31u) != 0u;
}

fn i64_lt(a: vec2<u32>, b: vec2<u32>) -> bool {
    return bitcast<i32>(a.y) < bitcast<i32>(b.y) || (a.y == b.y && a.x < b.x);
}

fn i64_le(a: vec2<u32>, b: vec2<u32>) -> bool {
    return !i64_lt(b, a);
}

fn i64_gt(a: vec2<u32>, b: vec2<u32>) -> bool {
    return i64_lt(b, a);
}

fn u64_add(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let lo = a.x + b.x;
    return vec2<u32>(lo, a.y + b.y + u32(lo < a.x));
}

fn u64_sub(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(a.x - b.x, a.y - b.y - u32(a.x < b.x));
}

fn u64_neg(a: vec2<u32>) -> vec2<u32> {
    return u64_sub(vec2<u32>(), a);
}

// The sum, or 2^64 - 1 where it is larger.
fn u64_add_sat(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let sum = u64_add(a, b);
    return select(sum, vec2<u32>(0xffffffffu), u64_lt(sum, a));
}

// The difference, or 0 where it is negative.
fn u64_sub_sat(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return select(u64_sub(a, b), vec2<u32>(), u64_lt(a, b));
}

// a << k, a >> k; 0 for k >= 64.
fn u64_shl(a: vec2<u32>, k: u32) -> vec2<u32> {
    let n = k & 31u;
    let near = vec2<u32>(a.x << n, (a.y << n) | ((a.x >> 1u) >> (31u - n)));
    let moved = select(near, vec2<u32>(0u, near.x), (k & 32u) != 0u);
    return select(moved, vec2<u32>(), k >= 64u);
}

fn u64_shr(a: vec2<u32>, k: u32) -> vec2<u32> {
    let n = k & 31u;
    let near = vec2<u32>((a.x >> n) | ((a.y << 1u) << (31u - n)), a.y >> n);
    let moved = select(near, vec2<u32>(near.y, 0u), (k & 32u) != 0u);
    return select(moved, vec2<u32>(), k >= 64u);
}

// The product of two 32-bit numbers.
fn u64_mul32(a: u32, b: u32) -> vec2<u32> {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let low = al * bl;
    // At most (2^16 - 1)^2 + 2^16 - 1 each.
    let mid = ah * bl + (low >> 16u);
    let mid2 = al * bh + (mid & 0xffffu);
    return vec2<u32>((mid2 << 16u) | (low & 0xffffu), ah * bh + (mid >> 16u) + (mid2 >> 16u));
}

// a * b + c + d of 32-bit numbers, which cannot overflow.
fn u64_mul_add2(a: u32, b: u32, c: u32, d: u32) -> vec2<u32> {
    return u64_add(u64_add(u64_mul32(a, b), vec2<u32>(c, 0u)), vec2<u32>(d, 0u));
}

// The low 64 bits of the product.
fn u64_mul(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = u64_mul32(a.x, b.x);
    return vec2<u32>(low.x, low.y + a.x * b.y + a.y * b.x);
}

// The product, least significant limb first.
fn u64_mul_wide(a: vec2<u32>, b: vec2<u32>) -> vec4<u32> {
    let t0 = u64_mul32(a.x, b.x);
    let t1 = u64_mul_add2(a.y, b.x, t0.y, 0u);
    let t2 = u64_mul_add2(a.x, b.y, t1.x, 0u);
    let t3 = u64_mul_add2(a.y, b.y, t1.y, t2.y);
    return vec4<u32>(t0.x, t2.x, t3.x, t3.y);
}

// a / d for 0 < d < 2^16.
fn u64_div16(a: vec2<u32>, d: u32) -> vec2<u32> {
    let q3 = (a.y >> 16u) / d;
    let r3 = ((a.y >> 16u) % d << 16u) | (a.y & 0xffffu);
    let q2 = r3 / d;
    let r2 = (r3 % d << 16u) | (a.x >> 16u);
    let q1 = r2 / d;
    let r1 = (r2 % d << 16u) | (a.x & 0xffffu);
    return vec2<u32>((q1 << 16u) | (r1 / d), (q3 << 16u) | q2);
}
