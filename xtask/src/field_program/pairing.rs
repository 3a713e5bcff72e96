//! The pairing check on alt_bn128 (EIP-197), as in `kernels/cuda/op/{tower,pairing,bn254_pairing}`,
//! one pair after the other.
//!
//! An element of F2 = F[u] / (u^2 + 1) is two registers, of F6 = F2[v] / (v^3 - 9 - u) six, of
//! F12 = F6[w] / (w^2 - v) twelve.

use super::*;

/// b' = 3 / (9 + u).
const TWIST_B: [&str; 2] = [
    "2b149d40ceb8aaae81be18991be06ac3b5b4c5e559dbefa33267e6dc24a138e5",
    "009713b03af0fed4cd2cafadeed8fdf4a74fa084e52d1852e4a2bd0685c315d2",
];

/// (9 + u)^(i (p - 1) / 6) for i = 1..5.
const FROBENIUS: [[&str; 2]; 5] = [
    [
        "1284b71c2865a7dfe8b99fdd76e68b605c521e08292f2176d60b35dadcc9e470",
        "246996f3b4fae7e6a6327cfe12150b8e747992778eeec7e5ca5cf05f80f362ac",
    ],
    [
        "2fb347984f7911f74c0bec3cf559b143b78cc310c2c3330c99e39557176f553d",
        "16c9e55061ebae204ba4cc8bd75a079432ae2a1d0b7c9dce1665d51c640fcba2",
    ],
    [
        "063cf305489af5dcdc5ec698b6e2f9b9dbaae0eda9c95998dc54014671a0135a",
        "07c03cbcac41049a0704b5a7ec796f2b21807dc98fa25bd282d37f632623b0e3",
    ],
    [
        "05b54f5e64eea80180f3c0b75a181e84d33365f7be94ec72848a1f55921ea762",
        "2c145edbe7fd8aee9f3a80b03b0b1c923685d2ea1bdec763c13b4711cd2b8126",
    ],
    [
        "0183c1e74f798649e93a3661a4353ff4425c459b55aa1bd32ea2c810eab7692f",
        "12acf2ca76fd0675a27fb246c7729f7db080cb99678e2ac024c6b8ee6e0c2c4b",
    ],
];

/// (9 + u)^(i (p^2 - 1) / 6) for i = 1..5, which lie in F.
const FROBENIUS2: [&str; 5] = [
    "30644e72e131a0295e6dd9e7e0acccb0c28f069fbb966e3de4bd44e5607cfd49",
    "30644e72e131a0295e6dd9e7e0acccb0c28f069fbb966e3de4bd44e5607cfd48",
    "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd46",
    "000000000000000059e26bcea0d48bacd4f263f1acdb5c4f5763473177fffffe",
    "000000000000000059e26bcea0d48bacd4f263f1acdb5c4f5763473177ffffff",
];

/// Digits of two bits, 1 for +1 and 2 for -1: the loop count 6 x + 2 below its top bit 2^64, and
/// the curve's parameter x = 4965661367192848881 below 2^62.
const LOOP_DIGITS: &str = "44088084820010842008408810208440";
const X_DIGITS: &str = "110844811222101044484100440201";

/// 1 / 2.
const HALF: &str = "183227397098d014dc2822db40c0ac2ecbc0b548b438e5469e10460b6c3e7ea4";

/// An operand that names register `i` of what the running call writes to, or reads.
const fn d(i: u32) -> Reg {
    0xc0 + i
}
const fn a(i: u32) -> Reg {
    0xd0 + i
}
const fn b(i: u32) -> Reg {
    0xe0 + i
}

/// Routines that work on what their call names.
#[derive(Default)]
struct Routines {
    mul2: Label,
    sqr2: Label,
    mul_xi: Label,
    mul6: Label,
    mul6_by_01: Label,
    mul12: Label,
    sqr12: Label,
    inverse2: Label,
    sqr4: Label,
    sqr_cyclotomic: Label,
    frobenius12: Label,
    frobenius12_twice: Label,
    psi: Label,
    point_double: Label,
    point_add: Label,
    line: Label,
    double_step: Label,
    add_step: Label,
    power: Label,
    raise: Label,
}

struct Pairing {
    m: Program,
    r: Routines,
    /// Pairs that are left.
    pairs: Reg,
    /// The counter of a loop that itself calls loops.
    turns: Reg,
    digits: Reg,
    half: Reg,
    three: Reg,
    twist_b: Reg,
    /// Scratch of F2's routines, of F6's, of F12's.
    t: Reg,
    v: [Reg; 6],
    s: Reg,
    e: [Reg; 4],
    /// The product so far, and that of the running pair.
    f: Reg,
    g: Reg,
    /// The running pair: P, Q and -Q, Q's multiple.
    p: Reg,
    q: Reg,
    minus_q: Reg,
    z: Reg,
    /// What is added to the multiple.
    other: Reg,
    /// The line's coefficients c, b, a.
    line: Reg,
    /// Elements of F12 for the final exponentiation, where the running pair was.
    wide: [Reg; 6],
    w: [Reg; 6],
}

/// The file `generated/pairing.wgsl`.
pub fn pairing_wgsl() -> String {
    let mut m = Program::new();
    let mut two = || m.regs(2);
    let v = [two(), two(), two(), two(), two(), two()];
    let w = [two(), two(), two(), two(), two(), two()];
    let [s, twist_b] = [m.regs(4), m.regs(2)];
    let e = [m.regs(6), m.regs(6), m.regs(6), m.regs(6)];
    let wide = std::array::from_fn::<Reg, 6, _>(|_| m.regs(12));
    let pair = wide[0];
    let mut pairing = Pairing {
        r: Routines::default(),
        pairs: m.reg(),
        turns: m.reg(),
        digits: m.reg(),
        half: m.reg(),
        three: m.reg(),
        twist_b,
        t: m.regs(3),
        v,
        s,
        e,
        f: m.regs(12),
        g: m.regs(12),
        p: pair,
        q: pair + 2,
        minus_q: pair + 6,
        z: pair + 10,
        other: pair + 16,
        line: pair + 20,
        wide,
        w,
        m,
    };
    pairing.routines();
    pairing.main();
    let pairs = pairing.pairs;
    pairing.m.wgsl("the pairing check on alt_bn128", &[("PAIRS", pairs)])
}

impl Pairing {
    // ---- F2 ----

    fn copy2(&mut self, d: Reg, a: Reg) {
        self.m.copies(d, a, 2);
    }

    fn add_n(&mut self, d: Reg, a: Reg, b: Reg, count: u32) {
        self.m.repeat(count);
        self.m.add(d, a, b);
    }

    fn sub_n(&mut self, d: Reg, a: Reg, b: Reg, count: u32) {
        self.m.repeat(count);
        self.m.sub(d, a, b);
    }

    fn neg_n(&mut self, d: Reg, a: Reg, count: u32) {
        self.sub_n(d, self.m.zeros, a, count);
    }

    fn add2(&mut self, d: Reg, a: Reg, b: Reg) {
        self.add_n(d, a, b, 2);
    }

    fn sub2(&mut self, d: Reg, a: Reg, b: Reg) {
        self.sub_n(d, a, b, 2);
    }

    fn mul2(&mut self, d: Reg, a: Reg, b: Reg) {
        self.m.call_with(self.r.mul2, d, a, b);
    }

    fn sqr2(&mut self, d: Reg, a: Reg) {
        self.m.call_with(self.r.sqr2, d, a, a);
    }

    fn mul_xi(&mut self, d: Reg, a: Reg) {
        self.m.call_with(self.r.mul_xi, d, a, a);
    }

    /// By an element of F.
    fn mul2_base(&mut self, d: Reg, a: Reg, b: Reg) {
        self.m.mul(d, a, b);
        self.m.mul(d + 1, a + 1, b);
    }

    /// The imaginary part negated, in place.
    fn conjugate2(&mut self, a: Reg) {
        self.m.sub(a + 1, self.m.zero, a + 1);
    }

    fn constant2(&mut self, d: Reg, [x, y]: [&str; 2]) {
        self.m.form_constant(d, x);
        self.m.form_constant(d + 1, y);
    }

    fn field2(&mut self) {
        let t = self.t;
        self.r.mul2 = self.m.here();
        self.m.add(t, a(0), a(1));
        self.m.add(t + 1, b(0), b(1));
        self.m.mul(t, t, t + 1);
        self.m.mul(t + 1, a(0), b(0));
        self.m.mul(t + 2, a(1), b(1));
        self.m.sub(d(0), t + 1, t + 2);
        self.m.sub(t, t, t + 1);
        self.m.sub(d(1), t, t + 2);
        self.m.ret();

        self.r.sqr2 = self.m.here();
        self.m.add(t, a(0), a(1));
        self.m.sub(t + 1, a(0), a(1));
        self.m.mul(t + 2, a(0), a(1));
        self.m.mul(d(0), t, t + 1);
        self.m.double(d(1), t + 2);
        self.m.ret();

        // (9 + u) (a0 + a1 u)
        self.r.mul_xi = self.m.here();
        for i in 0..2 {
            self.m.double(t + i, a(i));
            self.m.double(t + i, t + i);
            self.m.double(t + i, t + i);
            self.m.add(t + i, t + i, a(i));
        }
        self.m.sub(t, t, a(1));
        self.m.add(d(1), t + 1, a(0));
        self.m.copy(d(0), t);
        self.m.ret();

        // The conjugate over the norm.
        self.r.inverse2 = self.m.here();
        self.m.sqr(t, a(0));
        self.m.sqr(t + 1, a(1));
        self.m.add(self.m.powers + 1, t, t + 1);
        self.m.inverse(self.r.power);
        self.m.mul(d(0), a(0), self.m.result);
        self.m.mul(d(1), a(1), self.m.result);
        self.m.sub(d(1), self.m.zero, d(1));
        self.m.ret();
    }

    // ---- F6 ----

    /// r := (ai + aj) (bi + bj) - x - y.
    fn cross(&mut self, r: Reg, [ai, aj, bi, bj]: [Reg; 4], x: Reg, y: Reg) {
        let s = self.s;
        self.add2(s, ai, aj);
        self.add2(s + 2, bi, bj);
        self.mul2(r, s, s + 2);
        self.sub2(r, r, x);
        self.sub2(r, r, y);
    }

    /// a := a v, in place.
    fn mul_v(&mut self, a: Reg) {
        let s = self.s;
        self.mul_xi(s, a + 4);
        self.copy2(a + 4, a + 2);
        self.copy2(a + 2, a);
        self.copy2(a, s);
    }

    fn field6(&mut self) {
        let [v0, v1, v2, x0, x1, x2] = self.v;
        self.r.mul6 = self.m.here();
        self.mul2(v0, a(0), b(0));
        self.mul2(v1, a(2), b(2));
        self.mul2(v2, a(4), b(4));
        self.cross(x0, [a(2), a(4), b(2), b(4)], v1, v2);
        self.cross(x1, [a(0), a(2), b(0), b(2)], v0, v1);
        self.cross(x2, [a(0), a(4), b(0), b(4)], v0, v2);
        self.mul_xi(x0, x0);
        self.add2(d(0), x0, v0);
        self.mul_xi(v2, v2);
        self.add2(d(2), x1, v2);
        self.add2(d(4), x2, v1);
        self.m.ret();

        // d := a (b0 + b1 v)
        self.r.mul6_by_01 = self.m.here();
        self.mul2(v0, a(0), b(0));
        self.mul2(v1, a(2), b(2));
        self.cross(x1, [a(0), a(2), b(0), b(2)], v0, v1);
        self.mul2(x0, a(4), b(2));
        self.mul2(x2, a(4), b(0));
        self.mul_xi(x0, x0);
        self.add2(d(0), x0, v0);
        self.copy2(d(2), x1);
        self.add2(d(4), x2, v1);
        self.m.ret();
    }

    fn mul6(&mut self, d: Reg, a: Reg, b: Reg) {
        self.m.call_with(self.r.mul6, d, a, b);
    }

    /// d := 1 / x for registers, which differ.
    fn inverse6(&mut self, d: Reg, x: Reg) {
        let [y0, y1, y2, t, norm, _] = self.w;
        self.mul2(t, x + 2, x + 4);
        self.mul_xi(t, t);
        self.sqr2(y0, x);
        self.sub2(y0, y0, t);
        self.sqr2(t, x + 4);
        self.mul_xi(t, t);
        self.mul2(y1, x, x + 2);
        self.sub2(y1, t, y1);
        self.mul2(t, x, x + 4);
        self.sqr2(y2, x + 2);
        self.sub2(y2, y2, t);
        self.mul2(norm, x + 4, y1);
        self.mul2(t, x + 2, y2);
        self.add2(norm, norm, t);
        self.mul_xi(norm, norm);
        self.mul2(t, x, y0);
        self.add2(norm, norm, t);
        self.m.call_with(self.r.inverse2, norm, norm, norm);
        for (i, y) in [(0, y0), (2, y1), (4, y2)] {
            self.mul2(d + i, y, norm);
        }
    }

    // ---- F12 ----

    fn mul12(&mut self, d: Reg, a: Reg, b: Reg) {
        self.m.call_with(self.r.mul12, d, a, b);
    }

    fn copy12(&mut self, d: Reg, a: Reg) {
        self.m.copies(d, a, 12);
    }

    /// The inverse on the cyclotomic subgroup, in place.
    fn conjugate12(&mut self, a: Reg) {
        self.neg_n(a + 6, a + 6, 6);
    }

    fn one12(&mut self, d: Reg) {
        self.m.copies(d, self.m.zeros, 6);
        self.m.copies(d + 6, self.m.zeros, 6);
        self.m.copy(d, self.m.one);
    }

    /// The call's d := x + y v + (z - x - y) w: the end of Karatsuba's product.
    fn finish12(&mut self, [x, y, z]: [Reg; 3]) {
        self.sub_n(z, z, x, 6);
        self.sub_n(d(6), z, y, 6);
        self.mul_v(y);
        self.add_n(d(0), x, y, 6);
        self.m.ret();
    }

    fn field12(&mut self) {
        let [x, y, z, s] = self.e;
        self.r.mul12 = self.m.here();
        self.add_n(z, a(0), a(6), 6);
        self.add_n(s, b(0), b(6), 6);
        self.mul6(z, z, s);
        self.mul6(x, a(0), b(0));
        self.mul6(y, a(6), b(6));
        self.finish12([x, y, z]);

        self.r.sqr12 = self.m.here();
        self.mul6(x, a(0), a(6));
        self.m.copies(y, a(6), 6);
        self.mul_v(y);
        self.add_n(y, y, a(0), 6);
        self.add_n(z, a(0), a(6), 6);
        self.mul6(z, z, y);
        self.sub_n(z, z, x, 6);
        self.add_n(d(6), x, x, 6);
        self.mul_v(x);
        self.sub_n(d(0), z, x, 6);
        self.m.ret();

        // d := a^p, a^(p^2), in place.
        self.r.frobenius12 = self.m.here();
        for i in 0..6 {
            let x = if i % 2 == 0 { d(i) } else { d(5 + i) };
            self.conjugate2(x);
            if i > 0 {
                let k = self.w[0];
                self.constant2(k, FROBENIUS[i as usize - 1]);
                self.mul2(x, x, k);
            }
        }
        self.m.ret();
        self.r.frobenius12_twice = self.m.here();
        for i in 1..6 {
            let x = if i % 2 == 0 { d(i) } else { d(5 + i) };
            let k = self.w[0];
            self.m.form_constant(k, FROBENIUS2[i as usize - 1]);
            self.mul2_base(x, x, k);
        }
        self.m.ret();

        // (d0 + d1 y) := (a + b y)^2 with y^2 = 9 + u; d0 and d1 are two neighbours.
        let [v0, v1, v2, ..] = self.v;
        self.r.sqr4 = self.m.here();
        self.add2(v2, a(0), b(0));
        self.sqr2(v0, a(0));
        self.sqr2(v1, b(0));
        self.sqr2(v2, v2);
        self.sub2(v2, v2, v0);
        self.sub2(d(2), v2, v1);
        self.mul_xi(v1, v1);
        self.add2(d(0), v0, v1);
        self.m.ret();

        // d := d^2 in the cyclotomic subgroup (Granger, Scott 2010).
        self.r.sqr_cyclotomic = self.m.here();
        self.m.call_with(self.r.sqr4, x, d(0), d(8));
        self.m.call_with(self.r.sqr4, y, d(6), d(4));
        self.m.call_with(self.r.sqr4, z, d(2), d(10));
        self.mul_xi(z + 2, z + 2);
        // 3 t - 2 r, then 3 t + 2 r.
        for (r, t, plus) in [
            (d(0), x, false),
            (d(2), y, false),
            (d(4), z, false),
            (d(6), z + 2, true),
            (d(8), x + 2, true),
            (d(10), y + 2, true),
        ] {
            if plus {
                self.add2(s, t, r);
            } else {
                self.sub2(s, t, r);
            }
            self.add2(s, s, s);
            self.add2(r, s, t);
        }
        self.m.ret();
    }

    /// f := 1 / f.
    fn inverse12(&mut self) {
        let [x, y, ..] = self.e;
        let f = self.f;
        self.mul6(x, f + 6, f + 6);
        self.mul_v(x);
        self.mul6(y, f, f);
        self.sub_n(y, y, x, 6);
        self.inverse6(x, y);
        self.mul6(f, f, x);
        self.mul6(f + 6, f + 6, x);
        self.conjugate12(f);
    }

    // ---- the twist: Jacobian points, whose z = 0 is infinity, for membership in G2 ----

    /// (x, y) := psi of it, the image of Frobenius on the twist: multiplication by p on G2.
    fn twist(&mut self) {
        let k = self.w[5];
        self.r.psi = self.m.here();
        for (i, constant) in [(0, 1), (2, 2)] {
            self.conjugate2(d(i));
            self.constant2(k, FROBENIUS[constant]);
            self.mul2(d(i), d(i), k);
        }
        self.m.ret();

        // d := 2 d
        let (x, y, z) = (d(0), d(2), d(4));
        let [t0, t1, t2, t3, t4, t5] = self.w;
        self.r.point_double = self.m.here();
        self.sqr2(t0, y);
        self.mul2(t1, x, t0);
        self.add2(t1, t1, t1);
        self.add2(t1, t1, t1);
        self.sqr2(t2, x);
        self.add2(t3, t2, t2);
        self.add2(t2, t2, t3);
        self.mul2(z, y, z);
        self.add2(z, z, z);
        self.sqr2(x, t2);
        self.sub2(x, x, t1);
        self.sub2(x, x, t1);
        self.sqr2(t0, t0);
        for _ in 0..3 {
            self.add2(t0, t0, t0);
        }
        self.sub2(t1, t1, x);
        self.mul2(y, t2, t1);
        self.sub2(y, y, t0);
        self.m.ret();

        // d := d + a
        let [first, both, same] = [self.m.label(), self.m.label(), self.m.label()];
        self.r.point_add = self.m.here();
        self.unless_zero2(a(4), both);
        self.m.ret();
        self.m.bind(both);
        self.unless_zero2(z, first);
        self.m.copies(d(0), a(0), 6);
        self.m.ret();
        self.m.bind(first);
        self.sqr2(t0, z);
        self.sqr2(t1, a(4));
        self.mul2(t2, x, t1);
        self.mul2(t3, a(0), t0);
        self.mul2(t4, y, a(4));
        self.mul2(t4, t4, t1);
        self.mul2(t5, a(2), z);
        self.mul2(t5, t5, t0);
        self.sub2(t3, t3, t2);
        self.sub2(t5, t5, t4);
        let different = self.m.label();
        self.unless_zero2(t3, different);
        self.m.jump(same);
        self.m.bind(different);
        self.sqr2(t0, t3);
        self.mul2(t1, t3, t0);
        self.mul2(t2, t2, t0);
        self.mul2(z, z, a(4));
        self.mul2(z, z, t3);
        self.sqr2(x, t5);
        self.sub2(x, x, t1);
        self.sub2(x, x, t2);
        self.sub2(x, x, t2);
        self.sub2(t2, t2, x);
        self.mul2(y, t5, t2);
        self.mul2(t4, t4, t1);
        self.sub2(y, y, t4);
        self.m.ret();
        self.m.bind(same);
        let opposite = self.m.label();
        self.unless_zero2(t5, opposite);
        self.m.jump(self.r.point_double);
        self.m.bind(opposite);
        self.copy2(z, self.m.zeros);
        self.m.ret();
    }

    /// Jumps if an element of F2 is not 0.
    fn unless_zero2(&mut self, x: Reg, label: Label) {
        for i in 0..2 {
            self.m.skip(If::Equal, x + i, self.m.zero);
            self.m.jump(label);
        }
    }

    /// For each digit from `top` down: `before`, and where it is not 0 `at_digit`.
    fn for_digits(
        &mut self,
        digits: &str,
        top: &str,
        before: impl FnOnce(&mut Self),
        at_digit: impl FnOnce(&mut Self),
    ) {
        self.m.constant(self.digits, digits);
        self.m.constant(self.turns, top);
        let turn = self.m.here();
        self.m.sub(self.turns, self.turns, self.m.int[0]);
        before(self);
        let zero_digit = self.m.label();
        self.digit();
        self.m.skip(If::NotEqual, self.t, self.m.zero);
        self.m.jump(zero_digit);
        at_digit(self);
        self.m.bind(zero_digit);
        self.m.skip(If::Equal, self.turns, self.m.zero);
        self.m.jump(turn);
    }

    /// t := the digit of the running turn: 0, 1 or 2.
    fn digit(&mut self) {
        self.m.op(Op::Digit, self.turns, self.digits, self.m.zero);
        self.m.op(Op::Load, self.t, self.m.zero, 1);
    }

    /// Goes on only if the pair's q is in G2: (x + 1) q + psi(x q) + psi^2(x q) = psi^3(2 x q), for
    /// which `bn254_in_g2` of the kernels has the proof.
    fn require_g2(&mut self) {
        // Room that the Miller loop uses later.
        let (xq, left, other) = (self.g, self.g + 6, self.z);
        let double = self.r.point_double;
        let add = self.r.point_add;
        let one2 = |c: &mut Self, d: Reg| {
            c.copy2(d, c.m.zeros);
            c.m.copy(d, c.m.one);
        };
        self.m.copies(left, self.q, 4);
        one2(self, left + 4);
        self.m.copies(xq, left, 6);
        self.for_digits(
            X_DIGITS,
            "3e",
            |c| c.m.call_with(double, xq, xq, xq),
            |c| {
                c.m.repeat(4);
                c.m.op(Op::Load, other, c.q - 4, 4);
                one2(c, other + 4);
                c.m.call_with(add, xq, other, other);
            },
        );
        self.m.copies(other, xq, 6);
        self.m.call_with(add, left, other, other);
        for _ in 0..2 {
            self.conjugate2(other + 4);
            self.m.call_with(self.r.psi, other, other, other);
            self.m.call_with(add, left, other, other);
        }
        self.m.call_with(double, xq, xq, xq);
        for _ in 0..3 {
            self.conjugate2(xq + 4);
            self.m.call_with(self.r.psi, xq, xq, xq);
        }
        self.neg_n(xq + 2, xq + 2, 2);
        self.m.call_with(add, left, xq, xq);
        for i in 4..6 {
            self.m.require(If::Equal, left + i, self.m.zero, FAIL);
        }
    }

    // ---- Miller's loop ----

    /// g := g (c + b w + a v w) at the pair's p; line holds c, b, a.
    fn steps(&mut self) {
        let [x, y, z, _] = self.e;
        let (g, line, p) = (self.g, self.line, self.p);
        self.r.line = self.m.here();
        self.mul2_base(line, line, p + 1);
        self.mul2_base(line + 2, line + 2, p);
        self.add_n(z, g, g + 6, 6);
        for i in [0, 2, 4] {
            self.mul2(x + i, g + i, line);
        }
        self.m.call_with(self.r.mul6_by_01, y, g + 6, line + 2);
        self.add2(line + 2, line, line + 2);
        self.m.call_with(self.r.mul6_by_01, z, z, line + 2);
        self.sub_n(z, z, x, 6);
        self.sub_n(g + 6, z, y, 6);
        self.mul_v(y);
        self.add_n(g, x, y, 6);
        self.m.ret();

        // Doubles the multiple; the line is the tangent (Costello, Lange, Naehrig 2010).
        let (tx, ty, tz) = (self.z, self.z + 2, self.z + 4);
        let [wa, wb, wc, we, wg, wh] = self.w;
        self.r.double_step = self.m.here();
        self.mul2(wa, tx, ty);
        self.mul2_base(wa, wa, self.half);
        self.sqr2(wb, ty);
        self.sqr2(wc, tz);
        self.add2(we, wc, wc);
        self.add2(we, we, wc);
        self.mul2(we, we, self.twist_b);
        self.add2(wh, ty, tz);
        self.sqr2(wh, wh);
        self.sub2(wh, wh, wb);
        self.sub2(wh, wh, wc);
        self.sub2(line + 4, we, wb);
        self.sqr2(wc, tx);
        self.add2(line + 2, wc, wc);
        self.add2(line + 2, line + 2, wc);
        self.neg_n(line, wh, 2);
        self.add2(wg, we, we);
        self.add2(wg, wg, we);
        self.sub2(tx, wb, wg);
        self.mul2(tx, tx, wa);
        self.add2(wg, wg, wb);
        self.mul2_base(wg, wg, self.half);
        self.sqr2(wg, wg);
        self.sqr2(we, we);
        for _ in 0..2 {
            self.sub2(wg, wg, we);
        }
        self.sub2(ty, wg, we);
        self.mul2(tz, wb, wh);
        self.m.jump(self.r.line);

        // Adds `other` to the multiple; the line goes through both.
        let other = self.other;
        let [theta, lambda, c, d, e, h] = self.w;
        self.r.add_step = self.m.here();
        self.mul2(theta, other + 2, tz);
        self.sub2(theta, ty, theta);
        self.mul2(lambda, other, tz);
        self.sub2(lambda, tx, lambda);
        self.sqr2(c, theta);
        self.sqr2(d, lambda);
        self.mul2(e, lambda, d);
        self.mul2(c, tz, c);
        self.mul2(d, tx, d);
        self.add2(h, e, c);
        self.sub2(h, h, d);
        self.sub2(h, h, d);
        self.mul2(tx, lambda, h);
        self.sub2(d, d, h);
        self.mul2(d, theta, d);
        self.mul2(h, e, ty);
        self.sub2(ty, d, h);
        self.mul2(tz, tz, e);
        self.mul2(d, theta, other);
        self.mul2(h, lambda, other + 2);
        self.sub2(line + 4, d, h);
        self.neg_n(line + 2, theta, 2);
        self.copy2(line, lambda);
        self.m.jump(self.r.line);
    }

    /// f := f times the pair's Miller loop.
    fn miller(&mut self) {
        let (f, g) = (self.f, self.g);
        let [sqr12, double_step, add_step] = [self.r.sqr12, self.r.double_step, self.r.add_step];
        self.one12(g);
        self.m.copies(self.z, self.q, 4);
        self.copy2(self.z + 4, self.m.zeros);
        self.m.copy(self.z + 4, self.m.one);
        self.for_digits(
            LOOP_DIGITS,
            "40",
            |c| {
                c.m.call_with(sqr12, g, g, g);
                c.m.call(double_step);
            },
            |c| {
                c.m.repeat(4);
                c.m.op(Op::Load, c.other, c.q - 4, 4);
                c.m.call(add_step);
            },
        );
        // The lines through psi(q) and -psi^2(q).
        let other = self.other;
        self.m.copies(other, self.q, 4);
        self.m.call_with(self.r.psi, other, other, other);
        self.m.call(add_step);
        self.m.call_with(self.r.psi, other, other, other);
        self.neg_n(other + 2, other + 2, 2);
        self.m.call(add_step);
        self.mul12(f, f, g);
    }

    // ---- the final exponentiation ----

    /// d := a^x in the cyclotomic subgroup; `base` and `inverse` are scratch.
    fn raise(&mut self, base: Reg, inverse: Reg) {
        let [sqr, mul] = [self.r.sqr_cyclotomic, self.r.mul12];
        self.r.raise = self.m.here();
        self.copy12(base, a(0));
        self.copy12(inverse, base);
        self.conjugate12(inverse);
        self.copy12(d(0), base);
        self.for_digits(
            X_DIGITS,
            "3e",
            |c| c.m.call_with(sqr, d(0), d(0), d(0)),
            |c| {
                let (minus, end) = (c.m.label(), c.m.label());
                c.m.skip(If::Equal, c.t, c.m.int[0]);
                c.m.jump(minus);
                c.m.call_with(mul, d(0), d(0), base);
                c.m.jump(end);
                c.m.bind(minus);
                c.m.call_with(mul, d(0), d(0), inverse);
                c.m.bind(end);
            },
        );
        self.m.ret();
    }

    /// f := f^((p^6 - 1) (p^2 + 1)), in the cyclotomic subgroup, and that to a multiple of
    /// (p^4 - p^2 + 1) / r prime to r (Fuentes-Castaneda, Knapp, Rodriguez-Henriquez 2011).
    fn final_exponentiation(&mut self, [p, q, r, s]: [Reg; 4]) {
        let f = self.f;
        self.copy12(p, f);
        self.inverse12();
        self.conjugate12(p);
        self.mul12(f, p, f);
        self.copy12(p, f);
        self.m.call_with(self.r.frobenius12_twice, p, p, p);
        self.mul12(f, f, p);

        let sqr = self.r.sqr_cyclotomic;
        self.m.call_with(self.r.raise, p, f, f);
        self.m.call_with(sqr, p, p, p); // p = f^2x
        self.copy12(q, p);
        self.m.call_with(sqr, q, q, q);
        self.mul12(q, q, p); // q = f^6x
        self.m.call_with(self.r.raise, r, q, q); // r = f^6x^2
        self.copy12(s, r);
        self.m.call_with(sqr, s, s, s);
        self.mul12(q, q, r); // q = f^(6x^2 + 6x)
        self.m.call_with(self.r.raise, self.g, s, s); // g = f^12x^3
        self.mul12(q, q, self.g); // q = f^(12x^3 + 6x^2 + 6x)
        self.conjugate12(p);
        self.mul12(p, p, q); // p = f^(12x^3 + 6x^2 + 4x)
        self.mul12(r, r, q);
        self.mul12(r, r, f); // r = f^(12x^3 + 12x^2 + 6x + 1)
        // r p^p q^(p^2) (p / f)^(p^3)
        let [frobenius, twice] = [self.r.frobenius12, self.r.frobenius12_twice];
        self.conjugate12(f);
        self.mul12(f, f, p);
        self.m.call_with(frobenius, f, f, f);
        self.m.call_with(twice, f, f, f);
        self.m.call_with(frobenius, p, p, p);
        self.m.call_with(twice, q, q, q);
        for factor in [p, q, r] {
            self.mul12(f, f, factor);
        }
    }

    // ---- the precompile ----

    fn routines(&mut self) {
        self.r.power = self.m.power();
        self.field2();
        self.field6();
        self.field12();
        self.twist();
        self.steps();
    }

    /// Reads a coordinate, which must be below p.
    fn coordinate(&mut self, to: Reg) {
        self.m.input(to);
        self.m.constant(self.t, BN254_P);
        self.m.require(If::Less, to, self.t, FAIL);
        self.m.enter_form(to, to);
    }

    /// Reads a pair; jumps if a point is infinity.
    fn read_pair(&mut self, infinite: Label) {
        let (p, q, [left, right, ..]) = (self.p, self.q, self.w);
        for i in 0..2 {
            self.coordinate(p + i);
        }
        for i in [1, 0, 3, 2] {
            self.coordinate(q + i);
        }
        let [p_finite, p_read, q_finite] = [self.m.label(), self.m.label(), self.m.label()];
        self.unless_zero2(p, p_finite);
        self.m.jump(p_read);
        self.m.bind(p_finite);
        self.m.sqr(left, p + 1);
        self.m.sqr(right, p);
        self.m.mul(right, right, p);
        self.m.add(right, right, self.three);
        self.m.require(If::Equal, left, right, FAIL);
        self.m.bind(p_read);
        for i in [0, 2] {
            self.unless_zero2(q + i, q_finite);
        }
        self.m.jump(infinite);
        self.m.bind(q_finite);
        self.sqr2(left, q + 2);
        self.sqr2(right, q);
        self.mul2(right, right, q);
        self.add2(right, right, self.twist_b);
        for i in 0..2 {
            self.m.require(If::Equal, left + i, right + i, FAIL);
        }
        self.copy2(self.minus_q, q);
        self.neg_n(self.minus_q + 2, q + 2, 2);
        self.require_g2();
        let finite = self.m.label();
        self.unless_zero2(p, finite);
        self.m.jump(infinite);
        self.m.bind(finite);
    }

    /// The input is `pairs` pairs. Ends with 32, or fails.
    fn main(&mut self) {
        let [p, q, r, s, base, inverse] = self.wide;
        self.raise(base, inverse);
        self.m.entry("PAIRING");
        self.m.start();
        self.m.field(BN254_P);
        self.m.form_constant(self.three, "3");
        self.m.form_constant(self.half, HALF);
        self.constant2(self.twist_b, TWIST_B);
        self.one12(self.f);
        let (turn, skip, end) = (self.m.here(), self.m.label(), self.m.label());
        self.m.skip(If::NotEqual, self.pairs, self.m.zero);
        self.m.jump(end);
        self.m.sub(self.pairs, self.pairs, self.m.int[0]);
        self.read_pair(skip);
        self.miller();
        self.m.bind(skip);
        self.m.jump(turn);
        self.m.bind(end);
        self.final_exponentiation([p, q, r, s]);
        let not_one = self.m.label();
        self.m.skip(If::Equal, self.f, self.m.one);
        self.m.jump(not_one);
        for i in 1..12 {
            self.m.skip(If::Equal, self.f + i, self.m.zero);
            self.m.jump(not_one);
        }
        self.m.op(Op::Output, 0, self.m.int[0], 0);
        self.m.end(32);
        self.m.bind(not_one);
        self.m.op(Op::Output, 0, self.m.zero, 0);
        self.m.end(32);
    }
}
