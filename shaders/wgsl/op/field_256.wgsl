// Numbers of 256 bits for the field machine.

const FIELD_UNITS: u32 = 2u;  // of 16 bytes
const FIELD_COUNT: u32 = 8u;  // of 32 bits

alias FieldNumber = Word;
alias FieldSum = Sum;

// Limbs of 13 bits, so that sums of 40 products fit in 32 bits and carries can wait.
struct FieldLimbs { v0: vec4<u32>, v1: vec4<u32>, v2: vec4<u32>, v3: vec4<u32>, v4: vec4<u32> }

fn field_split(x: FieldNumber) -> FieldLimbs {
    let m = vec4<u32>(FIELD_LIMB);
    let a = x.lo;
    let b = x.hi;
    return FieldLimbs(
        vec4(a.x, a.x >> 13u, (a.x >> 26u) | (a.y << 6u), a.y >> 7u) & m,
        vec4((a.y >> 20u) | (a.z << 12u), a.z >> 1u, a.z >> 14u, (a.z >> 27u) | (a.w << 5u)) & m,
        vec4(a.w >> 8u, (a.w >> 21u) | (b.x << 11u), b.x >> 2u, b.x >> 15u) & m,
        vec4((b.x >> 28u) | (b.y << 4u), b.y >> 9u, (b.y >> 22u) | (b.z << 10u), b.z >> 3u) & m,
        vec4(b.z >> 16u, (b.z >> 29u) | (b.w << 3u), b.w >> 10u, b.w >> 23u) & m,
    );
}

// The low 256 bits of limbs below 2^13.
fn field_join(l: FieldLimbs) -> FieldNumber {
    let a = l.v0;
    let b = l.v1;
    let c = l.v2;
    let d = l.v3;
    let e = l.v4;
    return FieldNumber(
        vec4(a.x | (a.y << 13u) | (a.z << 26u),
             (a.z >> 6u) | (a.w << 7u) | (b.x << 20u),
             (b.x >> 12u) | (b.y << 1u) | (b.z << 14u) | (b.w << 27u),
             (b.w >> 5u) | (c.x << 8u) | (c.y << 21u)),
        vec4((c.y >> 11u) | (c.z << 2u) | (c.w << 15u) | (d.x << 28u),
             (d.x >> 4u) | (d.y << 9u) | (d.z << 22u),
             (d.z >> 10u) | (d.w << 3u) | (e.x << 16u) | (e.y << 29u),
             (e.y >> 3u) | (e.z << 10u) | (e.w << 23u)),
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
    (*t).v0 = vec4(s0.y + (s0.x >> 13u), s0.zw, s1.x);
    (*t).v1 = vec4(s1.yzw, s2.x);
    (*t).v2 = vec4(s2.yzw, s3.x);
    (*t).v3 = vec4(s3.yzw, s4.x);
    (*t).v4 = vec4(s4.yzw, 0u);
}

// x y / 2^260 modulo the prime, or that plus the prime (Montgomery 1985, limb by limb).
fn field_mul(x: FieldNumber, y: FieldNumber) -> FieldSum {
    let b = field_split(y);
    var a = field_split(x);
    var t: FieldLimbs;
    for (var i = 0u; i < 5u; i++) {
        let four = a.v0;
        a = FieldLimbs(a.v1, a.v2, a.v3, a.v4, four);
        field_mul_limb(&t, four.x, b);
        field_mul_limb(&t, four.y, b);
        field_mul_limb(&t, four.z, b);
        field_mul_limb(&t, four.w, b);
    }
    var v0 = t.v0;
    var v1 = t.v1;
    var v2 = t.v2;
    var v3 = t.v3;
    var v4 = t.v4;
    var carry = field_carry(&v0, 0u);
    carry = field_carry(&v1, carry);
    carry = field_carry(&v2, carry);
    carry = field_carry(&v3, carry);
    carry = field_carry(&v4, carry);
    return FieldSum(field_join(FieldLimbs(v0, v1, v2, v3, v4)), v4.w >> 9u);
}

fn field_add(a: FieldNumber, b: FieldNumber) -> FieldSum {
    return w_add_carry(a, b);
}

fn field_sub(a: FieldNumber, b: FieldNumber) -> FieldSum {
    return w_sub_borrow(a, b);
}

fn field_eq(a: FieldNumber, b: FieldNumber) -> bool {
    return w_eq(a, b);
}

// As `select`: `b` where the condition holds, else `a`.
fn field_choose(a: FieldNumber, b: FieldNumber, condition: bool) -> FieldNumber {
    return w_select(a, b, condition);
}

fn field_low(a: FieldNumber) -> u32 {
    return a.lo.x;
}

fn field_high(a: FieldNumber) -> u32 {
    return a.hi.w;
}

fn field_push_low(a: FieldNumber, low: u32) -> FieldNumber {
    return w_push_low(a, low);
}

fn field_get(i: u32) -> FieldNumber {
    return FieldNumber(field_registers[2u * i], field_registers[2u * i + 1u]);
}

fn field_set(i: u32, x: FieldNumber) {
    field_registers[2u * i] = x.lo;
    field_registers[2u * i + 1u] = x.hi;
}
