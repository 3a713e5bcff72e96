// The field machine: programs over registers of 256 or 384 bits (field_256.wgsl, field_384.wgsl),
// for elliptic curves. A driver inlines every function wherever it is called; here a multiplication
// stands once, and what is done with it is data (from xtask/src/field_program).
//
// An instruction is op << 24 | d << 16 | a << 8 | b; d, a, b are registers where nothing else is
// said: their numbers below 0xc0; 0xc0, 0xd0, 0xe0 and up to 15 more are those from the d, a, b of
// the running CALL on. Registers begin as 0.
//
//   MUL, ADD, SUB     d := a op b in the field; MUL is Montgomery's: a b / 2^260, of 384 bits
//                     a b / 2^390
//   MOVE              d := a
//   LOAD              d := the register a + b x, b a number
//   CONST             d := constant number a
//   INPUT             d := the next 4 a bytes (a number) of the call's input, but their top b bits
//   FIELD             the prime is now a
//   DIGIT             x := bits 2 d and 2 d + 1 of a, and above them those of b
//   REPEAT            the next instruction runs a + 1 times; its operands go up by one each time
//   OUTPUT            4 b bytes of the call's output from 16 d on (numbers) := a
//   SKIP              skips an instruction if condition d holds: 0 a = b, 1 a != b, 2 a < b, 3 both
//                     odd or both even
//   JUMP              to d << 16 | a << 8 | b
//   CALL              to the number in the next word; four deep
//   RETURN, END       END gives the number a << 8 | b
//
// Operands of MUL, one of which must be below the prime, and the other any number, have a product
// below the prime. ADD and SUB take and give numbers below the prime.

const FIELD_LIMB: u32 = 0x1fffu;

// More than any program takes, whatever the input.
const FIELD_STEPS_MAX: u32 = 1u << 20u;

var<private> field_registers: array<vec4<u32>, FIELD_UNITS * FIELD_REGISTERS>;
var<private> field_prime: FieldNumber;
var<private> field_prime_limbs: FieldLimbs;
var<private> field_neg_inverse: u32;  // -1 / prime mod 2^13

// Limbs of any size to limbs below 2^13, the last one aside.
fn field_carry(t: ptr<function, vec4<u32>>, carry: u32) -> u32 {
    let x = (*t).x + carry;
    let y = (*t).y + (x >> 13u);
    let z = (*t).z + (y >> 13u);
    let w = (*t).w + (z >> 13u);
    *t = vec4(x, y, z, w) & vec4<u32>(FIELD_LIMB);
    return w >> 13u;
}

// Programs and constants are data: as arrays of a kernel they would cost its compiler as much as
// code.
fn field_data(i: u32) -> u32 {
    return input_at(arg(FIELDS) + 4u * i);
}

fn field_constant(i: u32) -> FieldNumber {
    let at = FIELD_CONSTANTS + i * FIELD_COUNT;
    var x: FieldNumber;
    for (var k = 0u; k < rolled(FIELD_COUNT); k++) {
        x = field_push_low(x, field_data(at + k));
    }
    return x;
}

// The register that an operand names, within the call that has `window` as d << 16 | a << 8 | b.
fn field_operand(i: u32, window: u32) -> u32 {
    let base = (window >> (16u - 8u * ((i >> 4u) & 3u))) & 0xffu;
    return select(i, base + (i & 15u), i >= 0xc0u);
}

// Takes the prime x, which is odd.
fn field_select(x: FieldNumber) {
    field_prime = x;
    field_prime_limbs = field_split(x);
    // Newton: each step doubles the low bits that are right, of which there are three.
    let m = field_low(x);
    var inverse = m;
    for (var i = 0u; i < 3u; i++) {
        inverse *= 2u - m * inverse;
    }
    field_neg_inverse = (0u - inverse) & FIELD_LIMB;
}

// The number in `count` times four bytes of the call's input at `at`, big-endian, without its top
// `skipped` bits.
fn field_input(at: u32, count: u32, skipped: u32) -> FieldNumber {
    var x: FieldNumber;
    var mask = 0xffffffffu >> skipped;
    for (var i = 0u; i < count; i++) {
        x = field_push_low(x, call_input_u32(at + 4u * i) & mask);
        mask = 0xffffffffu;
    }
    return x;
}

// Writes the low `count` times four bytes of a number at `at` of the call's output.
fn field_output(at: u32, count: u32, x: FieldNumber) {
    var rest = x;
    for (var i = 0u; i < FIELD_COUNT; i++) {
        if i >= FIELD_COUNT - count {
            return_u32(at + 4u * (i + count - FIELD_COUNT), field_high(rest));
        }
        rest = field_push_low(rest, 0u);
    }
}

// Bits 2 i and 2 i + 1 of a register.
fn field_digit(source: u32, i: u32) -> u32 {
    let unit = field_registers[FIELD_UNITS * source + (i >> 6u)];
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
        let fetched = field_data(FIELD_CODE + pc);
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
            let difference = field_sub(field_choose(field_prime, a, op == FIELD_SKIP), b);
            if op == FIELD_SKIP {
                let equal = field_eq(a, b);
                var holds = ((field_low(a) ^ field_low(b)) & 1u) == 0u;
                if nd < 2u {
                    holds = equal == (nd == 0u);
                } else if nd == 2u {
                    holds = difference.carry != 0u;
                }
                pc += u32(holds);
            } else {
                var sum: FieldSum;
                if op == FIELD_MUL {
                    sum = field_mul(a, b);
                } else {
                    var term = b;
                    if op == FIELD_SUB {
                        term = difference.word;
                    }
                    sum = field_add(a, term);
                }
                z = sum.word;
                let less = field_sub(z, field_prime);
                if sum.carry >= less.carry {
                    z = less.word;
                }
            }
        } else if op <= FIELD_INPUT {
            if op == FIELD_CONST {
                z = field_constant(na);
            } else if op == FIELD_INPUT {
                z = field_input(read, na, nb);
                read += 4u * na;
            }
        } else if op <= FIELD_OUTPUT {
            if op == FIELD_FIELD {
                field_select(a);
            } else if op == FIELD_DIGIT {
                let i = field_registers[FIELD_UNITS * d].x;
                digit = field_digit(ra, i) | (field_digit(rb, i) << 2u);
            } else if op == FIELD_REPEAT {
                repeats = na + 1u;
            } else {
                field_output(16u * nd, nb, a);
            }
        } else if op == FIELD_JUMP {
            pc = word & 0xffffffu;
        } else if op == FIELD_CALL {
            calls = vec4(pc + 1u, calls.xyz);
            windows = vec4(window, windows.xyz);
            window = (d << 16u) | (ra << 8u) | rb;
            pc = field_data(FIELD_CODE + pc);
        } else if op == FIELD_RETURN {
            pc = calls.x;
            calls = vec4(calls.yzw, 0u);
            window = windows.x;
            windows = vec4(windows.yzw, 0u);
        } else {
            return word & 0xffffu;
        }
        if op <= FIELD_INPUT {
            field_set(d, z);
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
