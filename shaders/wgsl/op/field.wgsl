// The field machine: programs over registers of 256 bits, for elliptic curves. A driver inlines
// every function wherever it is called; here a multiplication stands once, and what is done with it
// is data (generated/*.wgsl, from xtask/src/field_program.rs).
//
// An instruction is op << 24 | d << 16 | a << 8 | b; d, a, b are registers where nothing else is
// said: their numbers below 0xc0; 0xc0, 0xd0, 0xe0 and up to 15 more are those from the d, a, b of
// the running CALL on. Registers begin as 0.
//
//   MUL, ADD, SUB     d := a op b in the field; MUL is Montgomery's: a b / 2^260
//   MOVE              d := a
//   LOAD              d := the register a + b x, b a number
//   CONST             d := constant number a
//   INPUT             d := the next word of the call's input
//   FIELD             the prime is now a
//   DIGIT             x := bits 2 d and 2 d + 1 of a, and above them those of b
//   REPEAT            the next instruction runs a + 1 times; its operands go up by one each time
//   OUTPUT            word d (a number) of the call's output := a
//   SKIP              skips an instruction if condition d holds: 0 a = b, 1 a != b, 2 a < b, 3 both
//                     odd or both even
//   JUMP              to d << 16 | a << 8 | b
//   CALL              to the number in the next word; four deep
//   RETURN, END       END gives the number a
//
// Operands of MUL, one of which must be below the prime, and the other below 2^256, have a product
// below the prime. ADD and SUB take and give numbers below the prime.

// Limbs of 13 bits, so that sums of 40 products fit in 32 bits and carries can wait.
struct FieldLimbs { v0: vec4<u32>, v1: vec4<u32>, v2: vec4<u32>, v3: vec4<u32>, v4: vec4<u32> }

const FIELD_LIMB: u32 = 0x1fffu;

// More than any program takes, whatever the input.
const FIELD_STEPS_MAX: u32 = 1u << 20u;

var<private> field_registers: array<vec4<u32>, 2u * FIELD_REGISTERS>;
var<private> field_prime: Word;
var<private> field_prime_limbs: FieldLimbs;
var<private> field_neg_inverse: u32;  // -1 / prime mod 2^13

fn field_split(x: Word) -> FieldLimbs {
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
fn field_join(l: FieldLimbs) -> Word {
    let a = l.v0;
    let b = l.v1;
    let c = l.v2;
    let d = l.v3;
    let e = l.v4;
    return Word(
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

// Limbs of any size to limbs below 2^13, the last one aside.
fn field_carry(t: ptr<function, vec4<u32>>, carry: u32) -> u32 {
    let x = (*t).x + carry;
    let y = (*t).y + (x >> 13u);
    let z = (*t).z + (y >> 13u);
    let w = (*t).w + (z >> 13u);
    *t = vec4(x, y, z, w) & vec4<u32>(FIELD_LIMB);
    return w >> 13u;
}

// x y / 2^260 modulo the prime, or that plus the prime (Montgomery 1985, limb by limb).
fn field_mul(x: Word, y: Word) -> Sum {
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
    return Sum(field_join(FieldLimbs(v0, v1, v2, v3, v4)), v4.w >> 9u);
}

// The register that an operand names, within the call that has `window` as d << 16 | a << 8 | b.
fn field_operand(i: u32, window: u32) -> u32 {
    let base = (window >> (16u - 8u * ((i >> 4u) & 3u))) & 0xffu;
    return select(i, base + (i & 15u), i >= 0xc0u);
}

fn field_get(i: u32) -> Word {
    return Word(field_registers[2u * i], field_registers[2u * i + 1u]);
}

fn field_constant(i: u32) -> Word {
    return Word(field_constants[2u * i], field_constants[2u * i + 1u]);
}

// Takes the prime x, which is odd.
fn field_select(x: Word) {
    field_prime = x;
    field_prime_limbs = field_split(x);
    // Newton: each step doubles the low bits that are right, of which there are three.
    let m = x.lo.x;
    var inverse = m;
    for (var i = 0u; i < 3u; i++) {
        inverse *= 2u - m * inverse;
    }
    field_neg_inverse = (0u - inverse) & FIELD_LIMB;
}

fn field_input(at: u32) -> Word {
    var x: Word;
    for (var i = 0u; i < 8u; i++) {
        x = w_push_low(x, call_input_u32(at + 4u * i));
    }
    return x;
}

fn field_output(at: u32, x: Word) {
    var rest = x;
    for (var i = 0u; i < 8u; i++) {
        return_u32(at + 4u * i, rest.hi.w);
        rest = w_push_low(rest, 0u);
    }
}

// Bits 2 i and 2 i + 1 of a register.
fn field_digit(source: u32, i: u32) -> u32 {
    let unit = field_registers[2u * source + (i >> 6u)];
    return (unit[(i >> 4u) & 3u] >> ((2u * i) & 31u)) & 3u;
}

// Runs the program from instruction `start` to its END, whose number it gives; FIELD_UNFINISHED if
// there is none within FIELD_STEPS_MAX.
fn field_run(start: u32) -> u32 {
    var pc = start;
    var calls = vec4<u32>(0u);
    var windows = vec4<u32>(0u);
    var window = 0u;
    var read = 0u;
    var digit = 0u;
    var repeats = 0u;
    var again = 0u;
    var next = 0u;
    for (var step = 0u; step < FIELD_STEPS_MAX; step++) {
        let fetched = field_program[pc >> 2u][pc & 3u];
        let word = select(fetched, next, again != 0u);
        pc += u32(again == 0u);
        let op = word >> 24u;
        let nd = (word >> 16u) & 0xffu;
        let na = (word >> 8u) & 0xffu;
        let nb = word & 0xffu;
        let d = field_operand(nd, window);
        var ra = field_operand(na, window);
        let rb = field_operand(nb, window);
        if op == FIELD_LOAD {
            ra += nb * digit;
        }
        let a = field_get(ra);
        let b = field_get(rb);
        var z = a;
        if op <= FIELD_SUB || op == FIELD_SKIP {
            let difference = w_sub_borrow(w_select(field_prime, a, op == FIELD_SKIP), b);
            if op == FIELD_SKIP {
                let equal = w_eq(a, b);
                var holds = ((a.lo.x ^ b.lo.x) & 1u) == 0u;
                if nd < 2u {
                    holds = equal == (nd == 0u);
                } else if nd == 2u {
                    holds = difference.carry != 0u;
                }
                pc += u32(holds);
            } else {
                var sum: Sum;
                if op == FIELD_MUL {
                    sum = field_mul(a, b);
                } else {
                    var term = b;
                    if op == FIELD_SUB {
                        term = difference.word;
                    }
                    sum = w_add_carry(a, term);
                }
                z = sum.word;
                let less = w_sub_borrow(z, field_prime);
                if sum.carry >= less.carry {
                    z = less.word;
                }
            }
        } else if op <= FIELD_INPUT {
            if op == FIELD_CONST {
                z = field_constant(na);
            } else if op == FIELD_INPUT {
                z = field_input(read);
                read += 32u;
            }
        } else if op <= FIELD_OUTPUT {
            if op == FIELD_FIELD {
                field_select(a);
            } else if op == FIELD_DIGIT {
                let i = field_registers[2u * d].x;
                digit = field_digit(ra, i) | (field_digit(rb, i) << 2u);
            } else if op == FIELD_REPEAT {
                repeats = na + 1u;
            } else {
                field_output(32u * nd, a);
            }
        } else if op == FIELD_JUMP {
            pc = word & 0xffffffu;
        } else if op == FIELD_CALL {
            calls = vec4(pc + 1u, calls.xyz);
            windows = vec4(window, windows.xyz);
            window = (d << 16u) | (ra << 8u) | rb;
            pc = field_program[pc >> 2u][pc & 3u];
        } else if op == FIELD_RETURN {
            pc = calls.x;
            calls = vec4(calls.yzw, 0u);
            window = windows.x;
            windows = vec4(windows.yzw, 0u);
        } else {
            return na;
        }
        if op <= FIELD_INPUT {
            field_registers[2u * d] = z.lo;
            field_registers[2u * d + 1u] = z.hi;
        }
        again = 0u;
        if repeats != 0u && op != FIELD_REPEAT {
            repeats--;
            again = repeats;
            next = word + select(0x010100u, 0x010101u, op <= FIELD_SUB);
        }
    }
    return FIELD_UNFINISHED;
}
