//! Towers of fields over a pairing curve's F, its points and its Miller loop, as in
//! `kernels/cuda/op/{tower,jacobian,pairing}`, one pair after the other.
//!
//! An element of `F2 = F[u] / (u^2 + 1)` is two registers, of `F6 = F2[v] / (v^3 - xi - u)` six, of
//! `F12 = F6[w] / (w^2 - v)` twelve.

use super::*;

/// An operand that names register `i` of what the running call writes to, or reads.
pub(super) const fn d(i: u32) -> Reg {
    0xc0 + i
}
pub(super) const fn a(i: u32) -> Reg {
    0xd0 + i
}
pub(super) const fn b(i: u32) -> Reg {
    0xe0 + i
}

/// What makes a pairing curve. Numbers are as `Program::form_constant` takes them.
pub(super) struct Curve {
    pub xi: u32,
    /// b' = b (xi + u), else b / (xi + u), of the twist y^2 = x^3 + b'.
    pub m_twist: bool,
    /// (xi + u)^(i (p - 1) / 6) for i = 1..5.
    pub frobenius: [[String; 2]; 5],
    /// (xi + u)^(i (p^2 - 1) / 6) for i = 1..5, which lie in F.
    pub frobenius2: [String; 5],
    /// The factors of x and y in psi.
    pub psi: [[String; 2]; 2],
}

/// Routines for points.
#[derive(Clone, Copy, Default)]
pub(super) struct Points {
    /// d := 2 d
    pub double: Label,
    /// d := d + a
    pub add: Label,
}

/// Routines that work on what their call names.
#[derive(Default)]
pub(super) struct Routines {
    mul2: Label,
    sqr2: Label,
    mul_xi: Label,
    mul6: Label,
    mul6_by_01: Label,
    pub mul12: Label,
    pub sqr12: Label,
    pub inverse2: Label,
    sqr4: Label,
    pub sqr_cyclotomic: Label,
    pub frobenius12: Label,
    pub frobenius12_twice: Label,
    pub psi: Label,
    line: Label,
    pub double_step: Label,
    pub add_step: Label,
    pub power: Label,
    pub raise: Label,
}

pub(super) struct Tower {
    pub m: Program,
    pub curve: Curve,
    pub r: Routines,
    /// Of the twist, where they are asked for.
    pub g2: Points,
    /// Pairs or points that are left: the kernel says how many there are.
    pub pairs: Reg,
    /// The counter of a loop that itself calls loops.
    turns: Reg,
    digits: Reg,
    /// 1 / 2, the curve's b, and the twist's b'.
    pub half: Reg,
    pub b: Reg,
    pub twist_b: Reg,
    /// Scratch of F2's routines, of F6's, of F12's.
    pub t: Reg,
    v: [Reg; 6],
    s: Reg,
    e: [Reg; 4],
    /// The product so far, and that of the running pair.
    pub f: Reg,
    pub g: Reg,
    /// The running pair: P, Q and four registers, and Q's multiple (x/z, y/z).
    pub p: Reg,
    pub q: Reg,
    pub z: Reg,
    /// What is added to the multiple.
    pub other: Reg,
    /// The line's coefficients a, b, c, or c, b, a.
    line: Reg,
    /// Elements of F12 for the final exponentiation, where the running pair was.
    pub wide: [Reg; 6],
    /// Scratch of points and of Miller's loop.
    pub w: [Reg; 6],
}

impl Tower {
    pub(super) fn new(width: Width, curve: Curve) -> Tower {
        let mut m = Program::new(width);
        let mut two = || m.regs(2);
        let v = [two(), two(), two(), two(), two(), two()];
        let w = [two(), two(), two(), two(), two(), two()];
        let [s, twist_b] = [m.regs(4), m.regs(2)];
        let e = [m.regs(6), m.regs(6), m.regs(6), m.regs(6)];
        let wide = std::array::from_fn::<Reg, 6, _>(|_| m.regs(12));
        let pair = wide[0];
        Tower {
            r: Routines::default(),
            g2: Points::default(),
            curve,
            pairs: m.reg(),
            turns: m.reg(),
            digits: m.reg(),
            half: m.reg(),
            b: m.reg(),
            twist_b,
            t: m.regs(3),
            v,
            s,
            e,
            f: m.regs(12),
            g: m.regs(12),
            p: pair,
            q: pair + 3,
            z: pair + 11,
            line: pair + 17,
            other: pair + 23,
            wide,
            w,
            m,
        }
    }

    // ---- F2 ----

    pub(super) fn copy2(&mut self, d: Reg, a: Reg) {
        self.m.copies(d, a, 2);
    }

    pub(super) fn add_n(&mut self, d: Reg, a: Reg, b: Reg, count: u32) {
        self.m.repeat(count);
        self.m.add(d, a, b);
    }

    pub(super) fn sub_n(&mut self, d: Reg, a: Reg, b: Reg, count: u32) {
        self.m.repeat(count);
        self.m.sub(d, a, b);
    }

    pub(super) fn neg_n(&mut self, d: Reg, a: Reg, count: u32) {
        self.sub_n(d, self.m.zeros, a, count);
    }

    pub(super) fn add2(&mut self, d: Reg, a: Reg, b: Reg) {
        self.add_n(d, a, b, 2);
    }

    pub(super) fn sub2(&mut self, d: Reg, a: Reg, b: Reg) {
        self.sub_n(d, a, b, 2);
    }

    pub(super) fn mul2(&mut self, d: Reg, a: Reg, b: Reg) {
        self.m.call_with(self.r.mul2, d, a, b);
    }

    pub(super) fn sqr2(&mut self, d: Reg, a: Reg) {
        self.m.call_with(self.r.sqr2, d, a, a);
    }

    pub(super) fn mul_xi(&mut self, d: Reg, a: Reg) {
        self.m.call_with(self.r.mul_xi, d, a, a);
    }

    /// By an element of F.
    pub(super) fn mul2_base(&mut self, d: Reg, a: Reg, b: Reg) {
        self.m.mul(d, a, b);
        self.m.mul(d + 1, a + 1, b);
    }

    /// The imaginary part negated, in place.
    pub(super) fn conjugate2(&mut self, a: Reg) {
        self.m.sub(a + 1, self.m.zero, a + 1);
    }

    pub(super) fn constant2(&mut self, d: Reg, [x, y]: &[String; 2]) {
        self.m.form_constant(d, x);
        self.m.form_constant(d + 1, y);
    }

    pub(super) fn field2(&mut self) {
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

        // (xi + u) (a0 + a1 u)
        self.r.mul_xi = self.m.here();
        self.m.copies(t, a(0), 2);
        if self.curve.xi == 9 {
            for _ in 0..3 {
                self.add_n(t, t, t, 2);
            }
            self.add_n(t, t, a(0), 2);
        } else {
            assert_eq!(self.curve.xi, 1);
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
    pub(super) fn cross(&mut self, r: Reg, [ai, aj, bi, bj]: [Reg; 4], x: Reg, y: Reg) {
        let s = self.s;
        self.add2(s, ai, aj);
        self.add2(s + 2, bi, bj);
        self.mul2(r, s, s + 2);
        self.sub2(r, r, x);
        self.sub2(r, r, y);
    }

    /// a := a v, in place.
    pub(super) fn mul_v(&mut self, a: Reg) {
        let s = self.s;
        self.mul_xi(s, a + 4);
        self.copy2(a + 4, a + 2);
        self.copy2(a + 2, a);
        self.copy2(a, s);
    }

    pub(super) fn field6(&mut self) {
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

    pub(super) fn mul6(&mut self, d: Reg, a: Reg, b: Reg) {
        self.m.call_with(self.r.mul6, d, a, b);
    }

    /// d := 1 / x for registers, which differ.
    pub(super) fn inverse6(&mut self, d: Reg, x: Reg) {
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

    pub(super) fn mul12(&mut self, d: Reg, a: Reg, b: Reg) {
        self.m.call_with(self.r.mul12, d, a, b);
    }

    pub(super) fn copy12(&mut self, d: Reg, a: Reg) {
        self.m.copies(d, a, 12);
    }

    /// The inverse on the cyclotomic subgroup, in place.
    pub(super) fn conjugate12(&mut self, a: Reg) {
        self.neg_n(a + 6, a + 6, 6);
    }

    pub(super) fn one12(&mut self, d: Reg) {
        self.m.copies(d, self.m.zeros, 6);
        self.m.copies(d + 6, self.m.zeros, 6);
        self.m.copy(d, self.m.one);
    }

    /// The call's d := x + y v + (z - x - y) w: the end of Karatsuba's product.
    pub(super) fn finish12(&mut self, [x, y, z]: [Reg; 3]) {
        self.sub_n(z, z, x, 6);
        self.sub_n(d(6), z, y, 6);
        self.mul_v(y);
        self.add_n(d(0), x, y, 6);
        self.m.ret();
    }

    pub(super) fn field12(&mut self) {
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
                let constant = self.curve.frobenius[i as usize - 1].clone();
                self.constant2(k, &constant);
                self.mul2(x, x, k);
            }
        }
        self.m.ret();
        self.r.frobenius12_twice = self.m.here();
        for i in 1..6 {
            let x = if i % 2 == 0 { d(i) } else { d(5 + i) };
            let k = self.w[0];
            self.m.form_constant(k, &self.curve.frobenius2[i as usize - 1]);
            self.mul2_base(x, x, k);
        }
        self.m.ret();

        // (d0 + d1 y) := (a + b y)^2 with y^2 = xi + u; d0 and d1 are two neighbours.
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
    pub(super) fn inverse12(&mut self) {
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

    // ---- points, in Jacobian coordinates; z = 0 is infinity ----

    /// (x, y) := psi of it, the image of Frobenius on the twist: multiplication by p on G2.
    pub(super) fn psi(&mut self) {
        let k = self.w[5];
        self.r.psi = self.m.here();
        for (i, constant) in self.curve.psi.clone().iter().enumerate() {
            let x = d(2 * i as u32);
            self.conjugate2(x);
            self.constant2(k, constant);
            self.mul2(x, x, k);
        }
        self.m.ret();
    }

    /// Of elements of F, or of F2.
    pub(super) fn mul_in(&mut self, degree: u32, d: Reg, a: Reg, b: Reg) {
        match degree {
            1 => self.m.mul(d, a, b),
            _ => self.mul2(d, a, b),
        }
    }

    pub(super) fn sqr_in(&mut self, degree: u32, d: Reg, a: Reg) {
        match degree {
            1 => self.m.sqr(d, a),
            _ => self.sqr2(d, a),
        }
    }

    /// Routines for a curve over F, or over F2, with a = 0.
    pub(super) fn points(&mut self, degree: u32) -> Points {
        // d := 2 d
        let n = degree;
        let (x, y, z) = (d(0), d(n), d(2 * n));
        let [t0, t1, t2, t3, t4, t5] = self.w;
        let double = self.m.here();
        self.sqr_in(n, t0, y);
        self.mul_in(n, t1, x, t0);
        self.add_n(t1, t1, t1, n);
        self.add_n(t1, t1, t1, n);
        self.sqr_in(n, t2, x);
        self.add_n(t3, t2, t2, n);
        self.add_n(t2, t2, t3, n);
        self.mul_in(n, z, y, z);
        self.add_n(z, z, z, n);
        self.sqr_in(n, x, t2);
        self.sub_n(x, x, t1, n);
        self.sub_n(x, x, t1, n);
        self.sqr_in(n, t0, t0);
        for _ in 0..3 {
            self.add_n(t0, t0, t0, n);
        }
        self.sub_n(t1, t1, x, n);
        self.mul_in(n, y, t2, t1);
        self.sub_n(y, y, t0, n);
        self.m.ret();

        // d := d + a
        let [first, both, same] = [self.m.label(), self.m.label(), self.m.label()];
        let add = self.m.here();
        self.unless_zero(a(2 * n), n, both);
        self.m.ret();
        self.m.bind(both);
        self.unless_zero(z, n, first);
        self.m.copies(d(0), a(0), 3 * n);
        self.m.ret();
        self.m.bind(first);
        self.sqr_in(n, t0, z);
        self.sqr_in(n, t1, a(2 * n));
        self.mul_in(n, t2, x, t1);
        self.mul_in(n, t3, a(0), t0);
        self.mul_in(n, t4, y, a(2 * n));
        self.mul_in(n, t4, t4, t1);
        self.mul_in(n, t5, a(n), z);
        self.mul_in(n, t5, t5, t0);
        self.sub_n(t3, t3, t2, n);
        self.sub_n(t5, t5, t4, n);
        self.if_zero(t3, n, same);
        self.sqr_in(n, t0, t3);
        self.mul_in(n, t1, t3, t0);
        self.mul_in(n, t2, t2, t0);
        self.mul_in(n, z, z, a(2 * n));
        self.mul_in(n, z, z, t3);
        self.sqr_in(n, x, t5);
        self.sub_n(x, x, t1, n);
        self.sub_n(x, x, t2, n);
        self.sub_n(x, x, t2, n);
        self.sub_n(t2, t2, x, n);
        self.mul_in(n, y, t5, t2);
        self.mul_in(n, t4, t4, t1);
        self.sub_n(y, y, t4, n);
        self.m.ret();
        self.m.bind(same);
        self.if_zero(t5, n, double);
        self.m.copies(z, self.m.zeros, n);
        self.m.ret();
        Points { double, add }
    }

    /// Jumps if an element of F, or of F2, is not 0.
    pub(super) fn unless_zero(&mut self, x: Reg, degree: u32, label: Label) {
        for i in 0..degree {
            self.m.skip(If::Equal, x + i, self.m.zero);
            self.m.jump(label);
        }
    }

    /// Jumps if an element of F, or of F2, is 0.
    pub(super) fn if_zero(&mut self, x: Reg, degree: u32, label: Label) {
        let other = self.m.label();
        self.unless_zero(x, degree, other);
        self.m.jump(label);
        self.m.bind(other);
    }

    /// For each digit from `top` down: `before`, and where it is not 0 `at_digit`.
    pub(super) fn for_digits(
        &mut self,
        digits: &str,
        top: &str,
        before: impl FnOnce(&mut Self),
        at_digit: impl FnOnce(&mut Self),
    ) {
        self.m.constant(self.digits, digits);
        self.for_turns(top, |c, _| {
            before(c);
            let zero_digit = c.m.label();
            c.digit();
            c.m.skip(If::NotEqual, c.t, c.m.zero);
            c.m.jump(zero_digit);
            at_digit(c);
            c.m.bind(zero_digit);
        });
    }

    /// So many times; the register counts down to 0.
    pub(super) fn for_turns(&mut self, count: &str, turn: impl FnOnce(&mut Self, Reg)) {
        self.m.constant(self.turns, count);
        let start = self.m.here();
        self.m.sub(self.turns, self.turns, self.m.int[0]);
        turn(self, self.turns);
        self.m.skip(If::Equal, self.turns, self.m.zero);
        self.m.jump(start);
    }

    /// For each of the pairs or points that the kernel says there are.
    pub(super) fn for_pairs(&mut self, turn: impl FnOnce(&mut Self)) {
        let (start, end) = (self.m.here(), self.m.label());
        self.m.skip(If::NotEqual, self.pairs, self.m.zero);
        self.m.jump(end);
        self.m.sub(self.pairs, self.pairs, self.m.int[0]);
        turn(self);
        self.m.jump(start);
        self.m.bind(end);
    }

    /// t := the digit of the running turn: 0, 1 or 2.
    pub(super) fn digit(&mut self) {
        self.m.op(Op::Digit, self.turns, self.digits, self.m.zero);
        self.m.op(Op::Load, self.t, self.m.zero, 1);
    }

    // ---- Miller's loop ----

    /// g := g times a line at the pair's p: c + b w + a v w, or a + b v + c v w on an M-twist.
    pub(super) fn steps(&mut self) {
        let [x, y, z, _] = self.e;
        let (g, line, p) = (self.g, self.line, self.p);
        let (la, lb, lc) = match self.curve.m_twist {
            true => (line, line + 2, line + 4),
            false => (line + 4, line + 2, line),
        };
        self.r.line = self.m.here();
        self.mul2_base(lc, lc, p + 1);
        self.mul2_base(lb, lb, p);
        self.add_n(z, g, g + 6, 6);
        // The factor of one element, that of two, and which the latter is in their sum.
        let (one, two) = if self.curve.m_twist { (y, x) } else { (x, y) };
        let (of_one, of_two) = if self.curve.m_twist { (g + 6, g) } else { (g, g + 6) };
        for i in [0, 2, 4] {
            self.mul2(one + i, of_one + i, lc);
        }
        let by_01 = self.r.mul6_by_01;
        match self.curve.m_twist {
            true => {
                self.m.call_with(by_01, two, of_two, la);
                self.mul_v(y);
                self.add2(lb, lb, lc);
                self.m.call_with(by_01, z, z, la);
            }
            false => {
                self.m.call_with(by_01, two, of_two, lb);
                self.add2(lb, lc, lb);
                self.m.call_with(by_01, z, z, lb);
            }
        }
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
        self.sub2(la, we, wb);
        self.sqr2(wc, tx);
        self.add2(lb, wc, wc);
        self.add2(lb, lb, wc);
        self.neg_n(lc, wh, 2);
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
        self.sub2(la, d, h);
        self.neg_n(lb, theta, 2);
        self.copy2(lc, lambda);
        self.m.jump(self.r.line);
    }

    // ---- the final exponentiation ----

    /// d := a^x in the cyclotomic subgroup; `base` and `inverse` are scratch.
    pub(super) fn raise(&mut self, base: Reg, inverse: Reg, digits: &str, top: &str) {
        let [sqr, mul] = [self.r.sqr_cyclotomic, self.r.mul12];
        self.r.raise = self.m.here();
        self.copy12(base, a(0));
        self.copy12(inverse, base);
        self.conjugate12(inverse);
        self.copy12(d(0), base);
        self.for_digits(
            digits,
            top,
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

    /// f := f^((p^6 - 1) (p^2 + 1)), in the cyclotomic subgroup.
    pub(super) fn easy_exponentiation(&mut self, p: Reg) {
        let f = self.f;
        self.copy12(p, f);
        self.inverse12();
        self.conjugate12(p);
        self.mul12(f, p, f);
        self.copy12(p, f);
        self.m.call_with(self.r.frobenius12_twice, p, p, p);
        self.mul12(f, f, p);
    }

    /// Jumps if f is not 1.
    pub(super) fn unless_one(&mut self, label: Label) {
        self.m.skip(If::Equal, self.f, self.m.one);
        self.m.jump(label);
        for i in 1..12 {
            self.m.skip(If::Equal, self.f + i, self.m.zero);
            self.m.jump(label);
        }
    }

    /// Ends with 1 if f is 1, else with 0.
    pub(super) fn end_is_one(&mut self) {
        let not_one = self.m.label();
        self.unless_one(not_one);
        self.m.output(0, self.m.int[0], WORD);
        self.m.end(32);
        self.m.bind(not_one);
        self.m.output(0, self.m.zero, WORD);
        self.m.end(32);
    }

    pub(super) fn routines(&mut self) {
        self.r.power = self.m.power();
        self.field2();
        self.field6();
        self.field12();
        self.psi();
        self.steps();
    }
}
