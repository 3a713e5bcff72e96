// Numbers of 384 bits for the field machine.

const FIELD_UNITS: u32 = 3u;  // of 16 bytes
const FIELD_COUNT: u32 = 12u;  // of 32 bits

// Least significant limb first.
struct FieldNumber { v0: vec4<u32>, v1: vec4<u32>, v2: vec4<u32> }

struct FieldSum {
    word: FieldNumber,
    carry: u32,  // or borrow: 0 or 1
}

// Thirty limbs of 13 bits, so that sums of 60 products fit in 32 bits and carries can wait.
struct FieldLimbs {
    v0: vec4<u32>,
    v1: vec4<u32>,
    v2: vec4<u32>,
    v3: vec4<u32>,
    v4: vec4<u32>,
    v5: vec4<u32>,
    v6: vec4<u32>,
    v7: vec4<u32>,
}

fn field_split(x: FieldNumber) -> FieldLimbs {
    let m = vec4<u32>(FIELD_LIMB);
    let a = x.v0;
    let b = x.v1;
    let c = x.v2;
    return FieldLimbs(
        vec4(a.x, a.x >> 13u, (a.x >> 26u) | (a.y << 6u), a.y >> 7u) & m,
        vec4((a.y >> 20u) | (a.z << 12u), a.z >> 1u, a.z >> 14u, (a.z >> 27u) | (a.w << 5u)) & m,
        vec4(a.w >> 8u, (a.w >> 21u) | (b.x << 11u), b.x >> 2u, b.x >> 15u) & m,
        vec4((b.x >> 28u) | (b.y << 4u), b.y >> 9u, (b.y >> 22u) | (b.z << 10u), b.z >> 3u) & m,
        vec4(b.z >> 16u, (b.z >> 29u) | (b.w << 3u), b.w >> 10u, (b.w >> 23u) | (c.x << 9u)) & m,
        vec4(c.x >> 4u, c.x >> 17u, (c.x >> 30u) | (c.y << 2u), c.y >> 11u) & m,
        vec4((c.y >> 24u) | (c.z << 8u), c.z >> 5u, c.z >> 18u, (c.z >> 31u) | (c.w << 1u)) & m,
        vec4(c.w >> 12u, c.w >> 25u, 0u, 0u) & m,
    );
}

// The low 384 bits of limbs below 2^13.
fn field_join(l: FieldLimbs) -> FieldNumber {
    return FieldNumber(
        vec4(l.v0.x | (l.v0.y << 13u) | (l.v0.z << 26u),
             (l.v0.z >> 6u) | (l.v0.w << 7u) | (l.v1.x << 20u),
             (l.v1.x >> 12u) | (l.v1.y << 1u) | (l.v1.z << 14u) | (l.v1.w << 27u),
             (l.v1.w >> 5u) | (l.v2.x << 8u) | (l.v2.y << 21u)),
        vec4((l.v2.y >> 11u) | (l.v2.z << 2u) | (l.v2.w << 15u) | (l.v3.x << 28u),
             (l.v3.x >> 4u) | (l.v3.y << 9u) | (l.v3.z << 22u),
             (l.v3.z >> 10u) | (l.v3.w << 3u) | (l.v4.x << 16u) | (l.v4.y << 29u),
             (l.v4.y >> 3u) | (l.v4.z << 10u) | (l.v4.w << 23u)),
        vec4((l.v4.w >> 9u) | (l.v5.x << 4u) | (l.v5.y << 17u) | (l.v5.z << 30u),
             (l.v5.z >> 2u) | (l.v5.w << 11u) | (l.v6.x << 24u),
             (l.v6.x >> 8u) | (l.v6.y << 5u) | (l.v6.z << 18u) | (l.v6.w << 31u),
             (l.v6.w >> 1u) | (l.v7.x << 12u) | (l.v7.y << 25u)),
    );
}

// t := (t + x b + q m) / 2^13, where q makes the sum divisible.
fn field_mul_limb(t: ptr<function, FieldLimbs>, x: u32, b: FieldLimbs) {
    let m = field_prime_limbs;
    var s0 = (*t).v0 + x * b.v0;
    let q = (s0.x * field_neg_inverse) & FIELD_LIMB;
    s0 += q * m.v0;
    let s1 = (*t).v1 + x * b.v1 + q * m.v1;
    let s2 = (*t).v2 + x * b.v2 + q * m.v2;
    let s3 = (*t).v3 + x * b.v3 + q * m.v3;
    let s4 = (*t).v4 + x * b.v4 + q * m.v4;
    let s5 = (*t).v5 + x * b.v5 + q * m.v5;
    let s6 = (*t).v6 + x * b.v6 + q * m.v6;
    let s7 = (*t).v7 + x * b.v7 + q * m.v7;
    (*t).v0 = vec4(s0.y + (s0.x >> 13u), s0.zw, s1.x);
    (*t).v1 = vec4(s1.yzw, s2.x);
    (*t).v2 = vec4(s2.yzw, s3.x);
    (*t).v3 = vec4(s3.yzw, s4.x);
    (*t).v4 = vec4(s4.yzw, s5.x);
    (*t).v5 = vec4(s5.yzw, s6.x);
    (*t).v6 = vec4(s6.yzw, s7.x);
    (*t).v7 = vec4(s7.yzw, 0u);
}

// x y / 2^390 modulo the prime, or that plus the prime (Montgomery 1985, limb by limb).
fn field_mul(x: FieldNumber, y: FieldNumber) -> FieldSum {
    let b = field_split(y);
    var a = field_split(x);
    var t: FieldLimbs;
    for (var i = 0u; i < 15u; i++) {
        let two = a.v0.xy;
        a.v0 = vec4(a.v0.zw, a.v1.xy);
        a.v1 = vec4(a.v1.zw, a.v2.xy);
        a.v2 = vec4(a.v2.zw, a.v3.xy);
        a.v3 = vec4(a.v3.zw, a.v4.xy);
        a.v4 = vec4(a.v4.zw, a.v5.xy);
        a.v5 = vec4(a.v5.zw, a.v6.xy);
        a.v6 = vec4(a.v6.zw, a.v7.xy);
        field_mul_limb(&t, two.x, b);
        field_mul_limb(&t, two.y, b);
    }
    var v0 = t.v0;
    var v1 = t.v1;
    var v2 = t.v2;
    var v3 = t.v3;
    var v4 = t.v4;
    var v5 = t.v5;
    var v6 = t.v6;
    var v7 = t.v7;
    var carry = field_carry(&v0, 0u);
    carry = field_carry(&v1, carry);
    carry = field_carry(&v2, carry);
    carry = field_carry(&v3, carry);
    carry = field_carry(&v4, carry);
    carry = field_carry(&v5, carry);
    carry = field_carry(&v6, carry);
    carry = field_carry(&v7, carry);
    return FieldSum(field_join(FieldLimbs(v0, v1, v2, v3, v4, v5, v6, v7)), 0u);
}

// Four limbs of a + b or a - b, and what is carried or borrowed.
struct FieldFour { v: vec4<u32>, carry: u32 }

fn field_add_four(a: vec4<u32>, b: vec4<u32>, carry: u32) -> FieldFour {
    let s = a + b;
    let c = vec4<u32>(s < a);
    let x = s.x + carry;
    let cx = c.x | u32(x < carry);
    let y = s.y + cx;
    let cy = c.y | u32(y < cx);
    let z = s.z + cy;
    let cz = c.z | u32(z < cy);
    let w = s.w + cz;
    return FieldFour(vec4(x, y, z, w), c.w | u32(w < cz));
}

fn field_sub_four(a: vec4<u32>, b: vec4<u32>, borrow: u32) -> FieldFour {
    let s = a - b;
    let c = vec4<u32>(a < b);
    let cx = c.x | u32(s.x < borrow);
    let cy = c.y | u32(s.y < cx);
    let cz = c.z | u32(s.z < cy);
    return FieldFour(s - vec4(borrow, cx, cy, cz), c.w | u32(s.w < cz));
}

fn field_add(a: FieldNumber, b: FieldNumber) -> FieldSum {
    let x = field_add_four(a.v0, b.v0, 0u);
    let y = field_add_four(a.v1, b.v1, x.carry);
    let z = field_add_four(a.v2, b.v2, y.carry);
    return FieldSum(FieldNumber(x.v, y.v, z.v), z.carry);
}

fn field_sub(a: FieldNumber, b: FieldNumber) -> FieldSum {
    let x = field_sub_four(a.v0, b.v0, 0u);
    let y = field_sub_four(a.v1, b.v1, x.carry);
    let z = field_sub_four(a.v2, b.v2, y.carry);
    return FieldSum(FieldNumber(x.v, y.v, z.v), z.carry);
}

fn field_eq(a: FieldNumber, b: FieldNumber) -> bool {
    return all(a.v0 == b.v0) && all(a.v1 == b.v1) && all(a.v2 == b.v2);
}

// As `select`: `b` where the condition holds, else `a`.
fn field_choose(a: FieldNumber, b: FieldNumber, condition: bool) -> FieldNumber {
    return FieldNumber(
        select(a.v0, b.v0, condition),
        select(a.v1, b.v1, condition),
        select(a.v2, b.v2, condition),
    );
}

fn field_low(a: FieldNumber) -> u32 {
    return a.v0.x;
}

fn field_high(a: FieldNumber) -> u32 {
    return a.v2.w;
}

fn field_push_low(a: FieldNumber, low: u32) -> FieldNumber {
    return FieldNumber(vec4(low, a.v0.xyz), vec4(a.v0.w, a.v1.xyz), vec4(a.v1.w, a.v2.xyz));
}

fn field_get(i: u32) -> FieldNumber {
    return FieldNumber(
        field_registers[3u * i],
        field_registers[3u * i + 1u],
        field_registers[3u * i + 2u],
    );
}

fn field_set(i: u32, x: FieldNumber) {
    field_registers[3u * i] = x.v0;
    field_registers[3u * i + 1u] = x.v1;
    field_registers[3u * i + 2u] = x.v2;
}
