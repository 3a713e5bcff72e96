//! The pairing check on alt_bn128 (EIP-197), as in `kernels/cuda/op/bn254_pairing.cuh`.

use super::tower::{Curve, Tower};
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
const X_TOP: &str = "3e";

/// 1 / 2.
const HALF: &str = "183227397098d014dc2822db40c0ac2ecbc0b548b438e5469e10460b6c3e7ea4";

/// The file `generated/bn254_pairing.wgsl`.
pub fn bn254_pairing_wgsl(data: &mut Vec<u32>) -> String {
    let frobenius = FROBENIUS.map(|both| both.map(String::from));
    let psi = [frobenius[1].clone(), frobenius[2].clone()];
    let frobenius2 = FROBENIUS2.map(String::from);
    let curve = Curve { xi: 9, m_twist: false, frobenius, frobenius2, psi };
    let mut c = Tower::new(Width::Bits256, curve);
    c.routines();
    c.g2 = c.points(2);
    c.bn254_main();
    let pairs = c.pairs;
    c.m.finish("the pairing check on alt_bn128", &[("PAIRS", pairs)], &[], data)
}

impl Tower {
    /// Goes on only if the pair's q is in G2: (x + 1) q + psi(x q) + psi^2(x q) = psi^3(2 x q), for
    /// which `bn254_in_g2` of the kernels has the proof.
    fn bn254_require_g2(&mut self) {
        // Room that the Miller loop uses later.
        let (xq, left, other) = (self.g, self.g + 6, self.z);
        let double = self.g2.double;
        let add = self.g2.add;
        let one2 = |c: &mut Self, d: Reg| {
            c.copy2(d, c.m.zeros);
            c.m.copy(d, c.m.one);
        };
        self.m.copies(left, self.q, 4);
        one2(self, left + 4);
        self.m.copies(xq, left, 6);
        self.for_digits(
            X_DIGITS,
            X_TOP,
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

    /// f := f times the pair's Miller loop.
    fn bn254_miller(&mut self) {
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

    /// f := f^((p^6 - 1) (p^2 + 1)), and that to a multiple of
    /// (p^4 - p^2 + 1) / r prime to r (Fuentes-Castaneda, Knapp, Rodriguez-Henriquez 2011).
    fn bn254_final_exponentiation(&mut self, [p, q, r, s]: [Reg; 4]) {
        let f = self.f;
        self.easy_exponentiation(p);
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

    /// Reads a coordinate, which must be below p.
    fn bn254_coordinate(&mut self, to: Reg) {
        self.m.input(to, WORD);
        self.m.constant(self.t, BN254_P);
        self.m.require(If::Less, to, self.t, FAIL);
        self.m.enter_form(to, to);
    }

    /// Reads a pair; jumps if a point is infinity.
    fn bn254_read_pair(&mut self, infinite: Label) {
        let (p, q, [left, right, ..]) = (self.p, self.q, self.w);
        for i in 0..2 {
            self.bn254_coordinate(p + i);
        }
        for i in [1, 0, 3, 2] {
            self.bn254_coordinate(q + i);
        }
        let [p_read, q_finite] = [self.m.label(), self.m.label()];
        self.if_zero(p, 2, p_read);
        self.m.sqr(left, p + 1);
        self.m.sqr(right, p);
        self.m.mul(right, right, p);
        self.m.add(right, right, self.b);
        self.m.require(If::Equal, left, right, FAIL);
        self.m.bind(p_read);
        for i in [0, 2] {
            self.unless_zero(q + i, 2, q_finite);
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
        self.copy2(q + 4, q);
        self.neg_n(q + 6, q + 2, 2);
        self.bn254_require_g2();
        self.if_zero(p, 2, infinite);
    }

    /// The input is `pairs` pairs. Ends with 32, or fails.
    fn bn254_main(&mut self) {
        let [p, q, r, s, base, inverse] = self.wide;
        self.raise(base, inverse, X_DIGITS, X_TOP);
        self.m.entry("PAIRING");
        self.m.start();
        self.m.field(BN254_P);
        self.m.form_constant(self.b, "3");
        self.m.form_constant(self.half, HALF);
        self.constant2(self.twist_b, &TWIST_B.map(String::from));
        self.one12(self.f);
        self.for_pairs(|c| {
            let infinite = c.m.label();
            c.bn254_read_pair(infinite);
            c.bn254_miller();
            c.m.bind(infinite);
        });
        self.bn254_final_exponentiation([p, q, r, s]);
        self.end_is_one();
    }
}
