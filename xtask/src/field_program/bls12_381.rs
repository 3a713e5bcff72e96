//! BLS12-381: sums, multiples and pairings (EIP-2537), point evaluation (EIP-4844), as in
//! `kernels/cuda/op/{bls12_381,bls12_381_pairing,kzg}.cuh`. Their tables have Montgomery's form
//! with the factor 2^384.

use super::tables::Tables;
use super::tower::{Curve, Points, Tower, a, d};
use super::*;

/// The parameter z is -0xd201000000010000: the bits of |z| below its top bit 2^63.
const Z: u64 = 0xd201_0000_0001_0000;
const Z_TOP: &str = "3f";
/// The groups' order.
const ORDER: &str = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
/// 32 bits of a number's encoding, and of the zeros before it (EIP-2537).
const NUMBER: u32 = 12;
const PADDING: u32 = 4;

/// Routines and registers of one of the groups.
#[derive(Clone, Copy)]
struct Group {
    /// Of the field that its curve is over: 1 or 2 registers.
    degree: u32,
    points: Points,
    /// d := the next point of the input.
    read: Label,
    /// Fails if the point a is not in the group.
    contains: Label,
    /// d := |z| a
    times_z: Label,
    /// acc := scalar base
    multiply: Label,
    /// Ends with the sum.
    write: Label,
}

/// Registers beside a running pair.
#[derive(Clone, Copy)]
struct Room {
    sum: Reg,
    acc: Reg,
    other: Reg,
    /// Multiples 0..3 of the base.
    table: Reg,
    scalar: Reg,
    kept: Reg,
}

struct Bls {
    c: Tower,
    tables: Tables,
    room: Room,
    p: String,
    half_p: String,
    exponent: String,
    miller: Label,
    /// Whether the two points of KZG are infinity, and have the larger y.
    flags: Reg,
    claim: [Reg; 2],
}

/// Digits of two bits, the top one left out.
fn z_digits() -> String {
    let digits = (0..63).filter(|bit| Z >> bit & 1 == 1).map(|bit| 1u128 << (2 * bit));
    format!("{:x}", digits.sum::<u128>())
}

/// The file `generated/bls12_381.wgsl`.
pub fn bls12_381_wgsl(data: &mut Vec<u32>) -> String {
    let tables = Tables::read();
    let curve = Curve {
        xi: 1,
        m_twist: true,
        frobenius: std::array::from_fn(|i| tables.hex2("bls381_frobenius", i)),
        frobenius2: std::array::from_fn(|i| tables.hex("bls381_frobenius2", i)),
        psi: std::array::from_fn(|i| tables.hex2("bls381_psi", i)),
    };
    let mut c = Tower::new(Width::Bits384, curve);
    // No multiple of a pair is negative: what is added is Q, and there is room where it was copied.
    let mut next = c.other;
    let mut take = |count: u32| {
        next += count;
        next - count
    };
    let room = Room {
        sum: take(6),
        acc: take(6),
        other: take(6),
        table: take(24),
        scalar: take(1),
        kept: take(3),
    };
    assert!(next <= c.wide[5] + 12);
    c.other = c.q;
    c.m.constants_have_form(384);
    let (flags, claim) = (c.m.regs(4), [c.m.reg(), c.m.reg()]);
    let p = tables.hex("bls381_modulus", 0);
    let half_p = half(&p);
    let exponent = tables.hex("bls381_root_exponent", 0);
    let mut bls = Bls { c, tables, room, p, half_p, exponent, miller: 0, flags, claim };
    bls.write();
    let discounts =
        [("G1_DISCOUNTS", "bls381_g1_discounts"), ("G2_DISCOUNTS", "bls381_g2_discounts")];
    let discounts = discounts.map(|(name, table)| {
        let values = bls.tables.values(table).iter().map(|value| *value as u32);
        (name, values.collect())
    });
    let names = [("PAIRS", bls.c.pairs), ("FLAGS", flags)];
    bls.c.m.finish("BLS12-381", &names, &discounts, data)
}

/// Half of an odd number, less a half.
fn half(hex: &str) -> String {
    let mut limbs = limbs(hex, Width::Bits384);
    let mut above = 0;
    for limb in limbs.iter_mut().rev() {
        (*limb, above) = (*limb >> 1 | above << 31, *limb & 1);
    }
    hex_of(&limbs)
}

impl Bls {
    fn write(&mut self) {
        self.c.routines();
        let digits = z_digits();
        self.c.raise(self.c.wide[4], self.c.wide[5], &digits, Z_TOP);
        self.miller = self.miller_loop();
        let g1 = self.group(1);
        let g2 = self.group(2);
        let decompress = self.decompress(g1);
        for (name, group) in [("G1_ADD", g1), ("G2_ADD", g2)] {
            self.add_entry(name, group);
        }
        for (name, group) in [("G1_MSM", g1), ("G2_MSM", g2)] {
            self.msm_entry(name, group);
        }
        self.pairing_entry(g1, g2);
        self.kzg_entry(g1, decompress);
        self.map_entry("MAP_G1", g1);
        self.map_entry("MAP_G2", g2);
    }

    /// What all entries begin with.
    fn start(&mut self, entry: &'static str) {
        let c = &mut self.c;
        c.m.entry(entry);
        c.m.start();
        c.m.field(&self.p);
        c.m.constant(c.half, &self.half_p);
        c.m.add(c.half, c.half, c.m.int[0]);
        c.m.enter_form(c.half, c.half);
        c.m.form_constant(c.b, &self.tables.hex("bls381_four", 0));
        c.m.copy(c.twist_b, c.b);
        c.m.copy(c.twist_b + 1, c.b);
    }

    fn set_element(&mut self, degree: u32, to: Reg, table: &str, i: usize) {
        for k in 0..degree {
            let hex = self.tables.hex(table, i * degree as usize + k as usize);
            self.c.m.form_constant(to + k, &hex);
        }
    }

    /// d := 1 / a, elements of F or F2 that are no operands of a call.
    fn inverse(&mut self, degree: u32, to: Reg, from: Reg) {
        let c = &mut self.c;
        if degree == 1 {
            c.m.copy(c.m.powers + 1, from);
            c.m.inverse(c.r.power);
            c.m.copy(to, c.m.result);
        } else {
            c.m.call_with(c.r.inverse2, to, from, from);
        }
    }

    // ---- groups ----

    fn group(&mut self, degree: u32) -> Group {
        let points = self.c.points(degree);
        let times_z = self.times_z(degree, points);
        Group {
            degree,
            points,
            read: self.read(degree),
            contains: self.contains(degree, points, times_z),
            times_z,
            multiply: self.multiply(degree, points),
            write: self.write_sum(degree),
        }
    }

    fn times_z(&mut self, n: u32, Points { double, add }: Points) -> Label {
        let c = &mut self.c;
        let start = c.m.here();
        c.m.copies(d(0), a(0), 3 * n);
        c.for_digits(
            &z_digits(),
            Z_TOP,
            |c| c.m.call_with(double, d(0), d(0), d(0)),
            |c| c.m.call_with(add, d(0), a(0), a(0)),
        );
        c.m.ret();
        start
    }

    /// d := the next number of the input, in Montgomery's form; fails if it is not below p.
    fn number(&mut self, to: Reg) {
        let c = &mut self.c;
        let t = c.w[0];
        c.m.input(t, PADDING);
        c.m.require(If::Equal, t, c.m.zero, FAIL);
        c.m.input(to, NUMBER);
        c.m.constant(t, &self.p);
        c.m.require(If::Less, to, t, FAIL);
        c.m.enter_form(to, to);
    }

    fn read(&mut self, n: u32) -> Label {
        let start = self.c.m.here();
        for i in 0..2 * n {
            self.number(d(i));
        }
        let c = &mut self.c;
        let ([left, right, ..], finite) = (c.w, c.m.label());
        c.m.copies(d(2 * n), c.m.zeros, n);
        c.unless_zero(d(0), 2 * n, finite);
        c.m.ret();
        c.m.bind(finite);
        c.m.copy(d(2 * n), c.m.one);
        c.sqr_in(n, left, d(n));
        c.sqr_in(n, right, d(0));
        c.mul_in(n, right, right, d(0));
        let b = if n == 1 { c.b } else { c.twist_b };
        c.add_n(right, right, b, n);
        for i in 0..n {
            c.m.require(If::Equal, left + i, right + i, FAIL);
        }
        c.m.ret();
        start
    }

    /// z^2 p + phi(p) = 0 on G1, |z| p + psi(p) = 0 on G2; the kernels have the proof.
    fn contains(&mut self, n: u32, points: Points, times_z: Label) -> Label {
        let Room { acc, other, .. } = self.room;
        let finite = self.c.m.label();
        let start = self.c.m.here();
        self.c.unless_zero(a(2 * n), n, finite);
        self.c.m.ret();
        self.c.m.bind(finite);
        if n == 1 {
            let beta = self.c.w[5];
            self.c.m.call_with(times_z, other, a(0), a(0));
            self.c.m.call_with(times_z, acc, other, other);
            self.c.m.copies(other, a(0), 3);
            self.set_element(1, beta, "bls381_beta", 0);
            self.c.m.mul(other, other, beta);
        } else {
            self.c.m.call_with(times_z, acc, a(0), a(0));
            self.c.m.copies(other, a(0), 6);
            self.c.m.call_with(self.c.r.psi, other, other, other);
        }
        self.c.m.call_with(points.add, acc, other, other);
        for i in 0..n {
            self.c.m.require(If::Equal, acc + 2 * n + i, self.c.m.zero, FAIL);
        }
        self.c.m.ret();
        start
    }

    /// The base is the second entry of the table.
    fn multiply(&mut self, n: u32, Points { double, add }: Points) -> Label {
        let Room { acc, other, table, scalar, .. } = self.room;
        let c = &mut self.c;
        let entry = |i: u32| table + 3 * n * i;
        let start = c.m.here();
        c.m.copies(entry(0) + 2 * n, c.m.zeros, n);
        c.m.copies(acc + 2 * n, c.m.zeros, n);
        c.m.copies(entry(2), entry(1), 3 * n);
        c.m.call_with(double, entry(2), entry(2), entry(2));
        c.m.copies(entry(3), entry(2), 3 * n);
        c.m.call_with(add, entry(3), entry(1), entry(1));
        c.for_turns("80", |c, turns| {
            c.m.call_with(double, acc, acc, acc);
            c.m.call_with(double, acc, acc, acc);
            c.m.op(Op::Digit, turns, scalar, c.m.zero);
            c.m.repeat(3 * n);
            c.m.op(Op::Load, other, table, 3 * n);
            c.m.call_with(add, acc, other, other);
        });
        c.m.ret();
        start
    }

    fn write_sum(&mut self, n: u32) -> Label {
        let sum = self.room.sum;
        let [finite, output] = [self.c.m.label(), self.c.m.label()];
        let start = self.c.m.here();
        self.c.unless_zero(sum + 2 * n, n, finite);
        self.c.m.copies(sum, self.c.m.zeros, 2 * n);
        self.c.m.jump(output);
        self.c.m.bind(finite);
        self.affine(n, sum);
        self.c.m.bind(output);
        for i in 0..2 * n {
            self.c.m.output(4 * i, self.c.m.zero, PADDING);
            self.c.m.leave_form(sum + i, sum + i);
            self.c.m.output(4 * i + 1, sum + i, NUMBER);
        }
        self.c.m.end(128 * n);
        start
    }

    /// Makes the z of a point that is not infinity 1, but leaves it as it is.
    fn affine(&mut self, n: u32, point: Reg) {
        let [t, u, ..] = self.c.w;
        self.inverse(n, t, point + 2 * n);
        self.c.sqr_in(n, u, t);
        self.c.mul_in(n, point, point, u);
        self.c.mul_in(n, u, u, t);
        self.c.mul_in(n, point + n, point + n, u);
    }

    fn add_entry(&mut self, name: &'static str, group: Group) {
        let Room { sum, acc, .. } = self.room;
        self.start(name);
        for point in [sum, acc] {
            self.c.m.call_with(group.read, point, point, point);
        }
        self.c.m.call_with(group.points.add, sum, acc, acc);
        self.c.m.jump(group.write);
    }

    /// The kernel says how many points there are.
    fn msm_entry(&mut self, name: &'static str, group: Group) {
        let Room { sum, acc, table, scalar, .. } = self.room;
        let base = table + 3 * group.degree;
        self.start(name);
        let c = &mut self.c;
        c.for_pairs(|c| {
            c.m.call_with(group.read, base, base, base);
            c.m.call_with(group.contains, base, base, base);
            c.m.input(scalar, WORD);
            c.m.call(group.multiply);
            c.m.call_with(group.points.add, sum, acc, acc);
        });
        c.m.jump(group.write);
    }

    // ---- pairings ----

    /// f := f times the pair's Miller loop.
    fn miller_loop(&mut self) -> Label {
        let c = &mut self.c;
        let (f, g) = (c.f, c.g);
        let [sqr12, double_step, add_step] = [c.r.sqr12, c.r.double_step, c.r.add_step];
        let start = c.m.here();
        c.one12(g);
        c.m.copies(c.z, c.q, 4);
        c.copy2(c.z + 4, c.m.zeros);
        c.m.copy(c.z + 4, c.m.one);
        c.for_digits(
            &z_digits(),
            Z_TOP,
            |c| {
                c.m.call_with(sqr12, g, g, g);
                c.m.call(double_step);
            },
            |c| c.m.call(add_step),
        );
        c.mul12(f, f, g);
        c.m.ret();
        start
    }

    /// f := f^((p^6 - 1) (p^2 + 1)), and that to 3 (p^4 - p^2 + 1) / r, which is
    /// (z - 1)^2 (z + p) (z^2 + p^2 - 1) + 3 (Hayashida, Hayasaka, Teruya 2020).
    fn final_exponentiation(&mut self) {
        let c = &mut self.c;
        let (f, [p, q, r, s, ..]) = (c.f, c.wide);
        c.easy_exponentiation(p);
        // d := a^z
        let raise = |c: &mut Tower, d: Reg, a: Reg| {
            c.m.call_with(c.r.raise, d, a, a);
            c.conjugate12(d);
        };
        raise(c, q, f);
        c.copy12(p, f);
        c.conjugate12(p);
        c.mul12(p, p, q);
        raise(c, q, p);
        c.conjugate12(p);
        c.mul12(p, p, q); // p = f^((z - 1)^2)
        raise(c, q, p);
        c.m.call_with(c.r.frobenius12, p, p, p);
        c.mul12(p, p, q); // p = f^((z - 1)^2 (z + p))
        c.copy12(r, p);
        c.m.call_with(c.r.frobenius12_twice, r, r, r);
        c.copy12(s, p);
        c.conjugate12(s);
        c.mul12(r, r, s);
        raise(c, q, p);
        raise(c, p, q);
        c.mul12(p, p, r);
        c.copy12(s, f);
        c.m.call_with(c.r.sqr_cyclotomic, s, s, s);
        c.mul12(p, p, s);
        c.mul12(f, f, p);
    }

    /// The kernel says how many pairs there are.
    fn pairing_entry(&mut self, g1: Group, g2: Group) {
        let miller = self.miller;
        self.start("PAIRING");
        let c = &mut self.c;
        let (p, q) = (c.p, c.q);
        c.one12(c.f);
        c.for_pairs(|c| {
            c.m.call_with(g1.read, p, p, p);
            c.m.call_with(g1.contains, p, p, p);
            c.m.call_with(g2.read, q, q, q);
            c.m.call_with(g2.contains, q, q, q);
            let next = c.m.label();
            c.if_zero(p + 2, 1, next);
            c.if_zero(q + 4, 2, next);
            c.m.call(miller);
            c.m.bind(next);
        });
        self.final_exponentiation();
        self.c.end_is_one();
    }

    // ---- point evaluation ----

    /// d := the next point of the input in its form of 48 bytes: infinity if a is not 0, with the
    /// larger y if the register after the next is not 0.
    fn decompress(&mut self, g1: Group) -> Label {
        let c = &mut self.c;
        let ([t, square, y, larger, ..], infinite) = (c.w, c.m.label());
        let start = c.m.here();
        c.m.op(Op::Input, d(0), NUMBER, 3);
        c.m.skip(If::Equal, a(0), c.m.zero);
        c.m.jump(infinite);
        c.m.constant(t, &self.p);
        c.m.require(If::Less, d(0), t, FAIL);
        c.m.enter_form(d(0), d(0));
        c.m.sqr(square, d(0));
        c.m.mul(square, square, d(0));
        c.m.add(square, square, c.b);
        self.inverse_root(d(1), square);
        let c = &mut self.c;
        c.m.mul(d(1), d(1), square);
        c.m.sqr(y, d(1));
        c.m.require(If::Equal, y, square, FAIL);
        c.m.leave_form(y, d(1));
        c.m.constant(t, &self.half_p);
        c.m.copy(larger, c.m.int[0]);
        c.m.skip(If::Less, t, y);
        c.m.copy(larger, c.m.zero);
        c.m.skip(If::Equal, larger, a(2));
        c.m.sub(d(1), c.m.zero, d(1));
        c.m.copy(d(2), c.m.one);
        c.m.call_with(g1.contains, d(0), d(0), d(0));
        c.m.ret();
        c.m.bind(infinite);
        c.m.require(If::Equal, d(0), c.m.zero, FAIL);
        c.m.require(If::Equal, a(2), c.m.zero, FAIL);
        c.m.copies(d(1), c.m.zeros, 2);
        c.m.ret();
        start
    }

    /// d := a^((p - 3) / 4): 1 / sqrt(a) for a square a, and 1 / sqrt(-a) up to sign for others.
    fn inverse_root(&mut self, to: Reg, from: Reg) {
        let c = &mut self.c;
        c.m.copy(c.m.powers + 1, from);
        c.m.constant(c.m.exponent, &self.exponent);
        c.m.call(c.r.power);
        c.m.copy(to, c.m.result);
    }

    /// The input is the versioned hash, which the kernel checks, z, y, commitment and proof; the
    /// flags say what the kernel took off the points. e(commitment - y g1 + z proof, g2) is
    /// e(proof, tau g2).
    fn kzg_entry(&mut self, g1: Group, decompress: Label) {
        let Room { sum, acc, table, scalar, kept, .. } = self.room;
        let (base, [z, y], miller) = (table + 3, self.claim, self.miller);
        self.start("KZG");
        let c = &mut self.c;
        let order = c.w[0];
        c.m.input(z, WORD);
        c.m.constant(order, ORDER);
        for word in [z, y] {
            c.m.input(word, WORD);
            c.m.require(If::Less, word, order, FAIL);
        }
        c.m.call_with(decompress, sum, self.flags, 0);
        c.m.call_with(decompress, kept, self.flags + 1, 0);
        self.set_element(1, base, "bls381_g1", 0);
        self.set_element(1, base + 1, "bls381_g1", 1);
        let c = &mut self.c;
        c.neg_n(base + 1, base + 1, 1);
        c.m.copy(base + 2, c.m.one);
        c.m.copy(scalar, y);
        c.m.call(g1.multiply);
        c.m.call_with(g1.points.add, sum, acc, acc);
        c.m.copies(base, kept, 3);
        c.m.copy(scalar, z);
        c.m.call(g1.multiply);
        c.m.call_with(g1.points.add, sum, acc, acc);

        c.one12(c.f);
        let (p, q) = (c.p, c.q);
        for (point, table, negate) in [(sum, "bls381_g2", false), (kept, "kzg_tau_g2", true)] {
            let next = self.c.m.label();
            self.c.if_zero(point + 2, 1, next);
            self.affine(1, point);
            self.c.m.copies(p, point, 2);
            if negate {
                self.c.neg_n(p + 1, p + 1, 1);
            }
            for i in 0..2 {
                self.set_element(2, q + 2 * i, table, i as usize);
            }
            self.c.m.call(miller);
            self.c.m.bind(next);
        }
        self.final_exponentiation();
        let c = &mut self.c;
        let [proven, not_one] = [c.m.label(), c.m.label()];
        c.unless_one(not_one);
        c.m.jump(proven);
        c.m.bind(not_one);
        c.m.end(FAIL);
        c.m.bind(proven);
        // FIELD_ELEMENTS_PER_BLOB and the order.
        let word = c.w[0];
        c.m.constant(word, "1000");
        c.m.output(0, word, WORD);
        c.m.constant(word, ORDER);
        c.m.output(2, word, WORD);
        c.m.end(64);
    }

    // ---- maps (RFC 9380), as in `kernels/cuda/op/bls12_381_map.cuh` ----

    /// x := x Z; Z is 11, or -(2 + u).
    fn times_nonresidue(&mut self, n: u32, x: Reg) {
        let c = &mut self.c;
        let t = c.w[0];
        c.add_n(t, x, x, n);
        if n == 1 {
            c.m.double(t, t);
            c.m.add(t, t, x);
            c.m.double(t, t);
            c.m.add(x, t, x);
        } else {
            c.m.sub(t, t, x + 1);
            c.m.add(t + 1, t + 1, x);
            c.neg_n(x, t, 2);
        }
    }

    /// y := sqrt(g); or, for a g that is no square, y := sqrt(g Z^3 u^6) and x := x t.
    fn map_root(&mut self, n: u32, [x, y, g, u, t]: [Reg; 5]) {
        let [k, norm, s, w, v, _] = self.c.w;
        let done = self.c.m.label();
        if n == 1 {
            self.inverse_root(y, g);
            let c = &mut self.c;
            c.m.mul(y, y, g);
            c.m.sqr(k, y);
            c.m.skip(If::NotEqual, k, g);
            c.m.jump(done);
            c.m.sqr(k, u);
            c.m.mul(k, k, u);
            c.m.mul(y, y, k);
            self.set_element(1, k, "bls381_root_minus_z_cubed", 0);
            self.c.m.mul(y, y, k);
            self.c.m.mul(x, x, t);
            self.c.m.bind(done);
            return;
        }
        let square = self.c.m.label();
        // The norm n of g, and s = sqrt(n): a root of g has the real part sqrt((g0 + s) / 2) or
        // sqrt((g0 - s) / 2).
        let norm_of = |c: &mut Tower, to: Reg, from: Reg| {
            c.m.sqr(w, from);
            c.m.sqr(to, from + 1);
            c.m.add(to, to, w);
        };
        norm_of(&mut self.c, norm, g);
        self.inverse_root(s, norm);
        let c = &mut self.c;
        c.m.mul(s, s, norm);
        c.m.sqr(w, s);
        c.m.skip(If::NotEqual, w, norm);
        c.m.jump(square);
        // s^2 = -n; the norm of Z^3 u^6 is 5^3 times that of u, to the sixth.
        c.mul2(x, x, t);
        c.sqr2(v, u);
        self.times_nonresidue(2, v);
        let c = &mut self.c;
        c.mul2(g, g, v);
        c.sqr2(v, v);
        c.mul2(g, g, v);
        norm_of(c, norm, u);
        c.m.sqr(k, norm);
        c.m.mul(k, k, norm);
        c.m.mul(s, s, k);
        self.set_element(1, k, "bls381_root_minus_125", 0);
        self.c.m.mul(s, s, k);
        self.c.m.bind(square);
        let c = &mut self.c;
        let real = norm;
        c.m.add(real, g, s);
        c.m.skip(If::NotEqual, real, c.m.zero);
        c.m.sub(real, g, s);
        c.m.mul(real, real, c.half);
        self.inverse_root(w, real);
        let c = &mut self.c;
        c.m.mul(s, w, real);
        c.m.mul(w, w, g + 1);
        c.m.mul(w, w, c.half);
        c.m.sqr(k, s);
        let other = c.m.label();
        c.m.skip(If::Equal, k, real);
        c.m.jump(other);
        c.m.copy(y, s);
        c.m.copy(y + 1, w);
        c.m.jump(done);
        c.m.bind(other);
        c.m.sub(y, c.m.zero, w);
        c.m.copy(y + 1, s);
        c.m.bind(done);
    }

    /// d := the parity of the first coefficient that is not 0, in the lowest bit (RFC 9380, 4.1).
    fn map_sign(&mut self, n: u32, to: Reg, x: Reg) {
        let c = &mut self.c;
        c.m.copy(to, x + n - 1);
        if n == 2 {
            c.m.skip(If::Equal, x, c.m.zero);
            c.m.copy(to, x);
        }
        c.m.leave_form(to, to);
    }

    /// d := the polynomial with a table's coefficients at x.
    fn polynomial(&mut self, n: u32, to: Reg, table: &str, x: Reg) {
        let k = self.c.w[0];
        let count = self.tables.count(table) / n as usize;
        self.set_element(n, to, table, count - 1);
        for i in (0..count - 1).rev() {
            self.c.mul_in(n, to, to, x);
            self.set_element(n, k, table, i);
            self.c.add_n(to, to, k, n);
        }
    }

    /// The coefficients of the isogenous curve.
    fn isogenous(&mut self, n: u32, ca: Reg, cb: Reg) {
        if n == 1 {
            self.set_element(1, ca, "bls381_iso11_a", 0);
            self.set_element(1, cb, "bls381_iso11_b", 0);
            return;
        }
        // 240 u and 1012 (1 + u).
        let c = &mut self.c;
        c.m.copy(ca, c.m.zero);
        c.m.constant(ca + 1, "f0");
        c.m.enter_form(ca + 1, ca + 1);
        c.m.constant(cb, "3f4");
        c.m.enter_form(cb, cb);
        c.m.copy(cb + 1, cb);
    }

    fn map_entry(&mut self, name: &'static str, group: Group) {
        let n = group.degree;
        let (sum, table) = (self.room.sum, self.room.table);
        // Where a running pair would be, and where multiples would be.
        let [u, x, y, t, s, g, ca, cb] = std::array::from_fn(|i| self.c.p + n * i as u32);
        let [x_high, x_low, y_high, y_low] = std::array::from_fn(|i| table + n * i as u32);
        self.start(name);
        for i in 0..n {
            self.number(u + i);
        }
        // The simplified SWU map (6.6.2).
        self.isogenous(n, ca, cb);
        self.c.sqr_in(n, t, u);
        self.times_nonresidue(n, t);
        let [usual, divide] = [self.c.m.label(), self.c.m.label()];
        self.c.sqr_in(n, s, t);
        self.c.add_n(s, s, t, n);
        self.c.unless_zero(s, n, usual);
        self.c.m.copies(x, cb, n);
        self.c.m.copies(s, ca, n);
        self.times_nonresidue(n, s);
        self.c.m.jump(divide);
        self.c.m.bind(usual);
        self.c.m.copies(x, s, n);
        self.c.m.add(x, x, self.c.m.one);
        self.c.mul_in(n, x, x, cb);
        self.c.mul_in(n, s, s, ca);
        self.c.neg_n(s, s, n);
        self.c.m.bind(divide);
        self.inverse(n, s, s);
        self.c.mul_in(n, x, x, s);
        self.c.sqr_in(n, g, x);
        self.c.add_n(g, g, ca, n);
        self.c.mul_in(n, g, g, x);
        self.c.add_n(g, g, cb, n);
        self.map_root(n, [x, y, g, u, t]);
        let [sign_u, sign_y, ..] = self.c.w;
        self.map_sign(n, sign_u, u);
        self.map_sign(n, sign_y, y);
        let [other, same] = [self.c.m.label(), self.c.m.label()];
        self.c.m.skip(If::SameParity, sign_u, sign_y);
        self.c.m.jump(other);
        self.c.m.jump(same);
        self.c.m.bind(other);
        self.c.neg_n(y, y, n);
        self.c.m.bind(same);
        // The isogeny: (x_high / x_low, y y_high / y_low), with z = x_low y_low.
        let names = match n {
            1 => "bls381_iso11",
            _ => "bls381_iso3",
        };
        for (to, part) in [
            (x_high, "x_numerator"),
            (x_low, "x_denominator"),
            (y_high, "y_numerator"),
            (y_low, "y_denominator"),
        ] {
            self.polynomial(n, to, &format!("{names}_{part}"), x);
        }
        let c = &mut self.c;
        c.mul_in(n, sum + 2 * n, x_low, y_low);
        c.mul_in(n, t, sum + 2 * n, y_low);
        c.mul_in(n, sum, x_high, t);
        c.sqr_in(n, x_low, x_low);
        c.mul_in(n, t, t, x_low);
        c.mul_in(n, sum + n, y, y_high);
        c.mul_in(n, sum + n, sum + n, t);
        self.clear_cofactor(group);
        self.c.m.jump(group.write);
    }

    /// sum := (1 - z) sum, or (z^2 - z - 1) sum + (z - 1) psi(sum) + psi^2(2 sum) (Budroni, Pintore
    /// 2017).
    fn clear_cofactor(&mut self, group: Group) {
        let Room { sum, acc, other, .. } = self.room;
        let (times_z, Points { double, add }) = (group.times_z, group.points);
        let c = &mut self.c;
        if group.degree == 1 {
            c.m.call_with(times_z, acc, sum, sum);
            c.m.call_with(add, sum, acc, acc);
            return;
        }
        let psi = |c: &mut Tower, point: Reg| {
            c.conjugate2(point + 4);
            c.m.call_with(c.r.psi, point, point, point);
        };
        c.m.call_with(times_z, other, sum, sum);
        c.m.call_with(times_z, acc, other, other);
        c.m.call_with(add, acc, other, other);
        c.m.call_with(add, other, sum, sum);
        psi(c, other);
        c.neg_n(other + 2, other + 2, 2);
        c.m.call_with(add, acc, other, other);
        c.m.copies(other, sum, 6);
        c.neg_n(other + 2, other + 2, 2);
        c.m.call_with(add, acc, other, other);
        c.m.call_with(double, sum, sum, sum);
        psi(c, sum);
        psi(c, sum);
        c.m.call_with(add, sum, acc, acc);
    }
}
