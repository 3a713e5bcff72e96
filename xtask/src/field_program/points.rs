//! 256-bit curves: ECRECOVER, P256VERIFY, addition and multiplication on alt_bn128.

use super::*;

const SECP256K1_P: &str = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";
const SECP256K1_N: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const P256_P: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
const P256_N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

const SECP256K1_G: [&str; 2] = [
    "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
];
const P256_G: [&str; 2] = [
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
];
const P256_B: &str = "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b";
/// (p + 1) / 4: the exponent of a square root modulo secp256k1's p.
const SECP256K1_ROOT: &str = "3fffffffffffffffffffffffffffffffffffffffffffffffffffffffbfffff0c";

/// A point in Jacobian coordinates (x/z^2, y/z^3), z = 0 at infinity: three registers.
#[derive(Clone, Copy)]
struct Point {
    x: Reg,
    y: Reg,
    z: Reg,
}

impl Point {
    fn new(at: Reg) -> Self {
        Self { x: at, y: at + 1, z: at + 2 }
    }
}

/// ECRECOVER, P256VERIFY, addition and multiplication on alt_bn128.
struct Points {
    m: Program,
    /// The curve's a is -3 if this is not zero, else 0; b in Montgomery form.
    minus_three: Reg,
    b: Reg,
    p: Point,
    q: Point,
    g: Point,
    t: [Reg; 8],
    u: [Reg; 2],
    table: Reg,
    x: Reg,
    y: Reg,
}

/// The file `generated/points.wgsl`.
pub fn points_wgsl(data: &mut Vec<u32>) -> String {
    let mut m = Program::new(Width::Bits256);
    let table = m.regs(48);
    let mut point = || Point::new(m.regs(3));
    let (p, q, g) = (point(), point(), point());
    let mut c = Points {
        minus_three: m.reg(),
        b: m.reg(),
        p,
        q,
        g,
        t: std::array::from_fn(|_| m.reg()),
        u: [m.reg(), m.reg()],
        table,
        x: m.reg(),
        y: m.reg(),
        m,
    };
    let double = c.point_double();
    let add = c.point_add(double);
    let power = c.m.power();
    let affine = c.affine(power);
    let mul_add = c.mul_add(double, add);
    let write = c.bn254_write(affine);
    let read = c.bn254_read();
    c.ecrecover(power, mul_add, affine);
    c.p256_verify(power, mul_add, affine);
    c.bn254_add(read, add, write);
    c.bn254_mul(read, mul_add, write);
    let [x, y] = [c.x, c.y];
    let what = "ECRECOVER, P256VERIFY, sums and products on alt_bn128";
    c.m.finish(what, &[("X", x), ("Y", y)], &[], data)
}

impl Points {
    fn infinity(&mut self, p: Point) {
        self.m.copy(p.z, self.m.zero);
    }

    fn copy_point(&mut self, d: Point, a: Point) {
        self.m.copies(d.x, a.x, 3);
    }

    fn generator(&mut self, [x, y]: [&str; 2]) {
        let g = self.g;
        self.m.form_constant(g.x, x);
        self.m.form_constant(g.y, y);
        self.m.copy(g.z, self.m.one);
    }

    /// p := 2 p; infinity stays infinity, since the new z has the factor z.
    fn point_double(&mut self) -> Label {
        let (m, p, t) = (&mut self.m, self.p, self.t);
        let (a_is_zero, end) = (m.label(), m.label());
        let start = m.here();
        m.sqr(t[0], p.y);
        m.mul(t[1], p.x, t[0]);
        m.double(t[1], t[1]);
        m.double(t[1], t[1]);
        m.skip(If::NotEqual, self.minus_three, m.zero);
        m.jump(a_is_zero);
        m.sqr(t[3], p.z);
        m.sub(t[2], p.x, t[3]);
        m.add(t[3], p.x, t[3]);
        m.mul(t[2], t[2], t[3]);
        m.jump(end);
        m.bind(a_is_zero);
        m.sqr(t[2], p.x);
        m.bind(end);
        m.double(t[3], t[2]);
        m.add(t[2], t[2], t[3]);
        m.mul(p.z, p.y, p.z);
        m.double(p.z, p.z);
        m.sqr(p.x, t[2]);
        m.sub(p.x, p.x, t[1]);
        m.sub(p.x, p.x, t[1]);
        m.sqr(t[0], t[0]);
        for _ in 0..3 {
            m.double(t[0], t[0]);
        }
        m.sub(t[1], t[1], p.x);
        m.mul(p.y, t[2], t[1]);
        m.sub(p.y, p.y, t[0]);
        m.ret();
        start
    }

    /// p := p + q (add-1998-cmo-2).
    fn point_add(&mut self, double: Label) -> Label {
        let (m, p, q, t) = (&mut self.m, self.p, self.q, self.t);
        let (first, both, same) = (m.label(), m.label(), m.label());
        let start = m.here();
        m.skip(If::NotEqual, q.z, m.zero);
        m.ret();
        m.skip(If::NotEqual, p.z, m.zero);
        m.jump(first);
        m.jump(both);
        m.bind(first);
        m.copies(p.x, q.x, 3);
        m.ret();
        m.bind(both);
        let [z1, z2, u1, u2, s1, s2, ..] = t;
        m.sqr(z1, p.z);
        m.sqr(z2, q.z);
        m.mul(u1, p.x, z2);
        m.mul(u2, q.x, z1);
        m.mul(s1, p.y, q.z);
        m.mul(s1, s1, z2);
        m.mul(s2, q.y, p.z);
        m.mul(s2, s2, z1);
        let (h, r) = (u2, s2);
        m.sub(h, u2, u1);
        m.sub(r, s2, s1);
        m.skip(If::NotEqual, h, m.zero);
        m.jump(same);
        let (h2, h3, v) = (z1, z2, u1);
        m.sqr(h2, h);
        m.mul(h3, h, h2);
        m.mul(v, u1, h2);
        m.mul(p.z, p.z, q.z);
        m.mul(p.z, p.z, h);
        m.sqr(p.x, r);
        m.sub(p.x, p.x, h3);
        m.sub(p.x, p.x, v);
        m.sub(p.x, p.x, v);
        m.sub(v, v, p.x);
        m.mul(p.y, r, v);
        m.mul(s1, s1, h3);
        m.sub(p.y, p.y, s1);
        m.ret();
        m.bind(same);
        m.skip(If::NotEqual, r, m.zero);
        m.jump(double);
        m.copy(p.z, m.zero);
        m.ret();
        start
    }

    /// (x, y) := p's affine coordinates, as integers. p is not infinity.
    fn affine(&mut self, power: Label) -> Label {
        let start = self.m.here();
        self.m.copy(self.m.powers + 1, self.p.z);
        self.m.inverse(power);
        let (m, p) = (&mut self.m, self.p);
        m.sqr(self.x, m.result);
        m.mul(self.y, p.y, m.result);
        m.mul(self.y, self.y, self.x);
        m.mul(self.x, p.x, self.x);
        self.m.leave_form(self.x, self.x);
        self.m.leave_form(self.y, self.y);
        self.m.ret();
        start
    }

    /// `p := u[0] g + u[1] q`: two bits of each scalar a turn, which choose among 16 sums.
    fn mul_add(&mut self, double: Label, add: Label) -> Label {
        let start = self.m.here();
        let table = self.table;
        let entry = |i: u32| Point::new(table + 3 * i);
        let other = entry(4);
        self.copy_point(other, self.q);
        self.infinity(entry(0));
        for j in 0..4 {
            if j == 0 {
                self.infinity(self.p);
            } else {
                self.copy_point(self.p, entry(4 * j - 4));
                self.copy_point(self.q, other);
                self.m.call(add);
                self.copy_point(entry(4 * j), self.p);
            }
            self.copy_point(self.q, self.g);
            for i in 1..4 {
                self.m.call(add);
                self.copy_point(entry(4 * j + i), self.p);
            }
        }
        self.infinity(self.p);
        self.m.constant(self.m.count, "80");
        let turn = self.m.here();
        let m = &mut self.m;
        m.sub(m.count, m.count, m.int[0]);
        m.call(double);
        m.call(double);
        m.op(Op::Digit, m.count, self.u[0], self.u[1]);
        m.repeat(3);
        m.op(Op::Load, self.q.x, self.table, 3);
        m.call(add);
        self.m.again(turn);
        self.m.ret();
        start
    }

    /// The input is the hash, v, r, s. Ends with 64 and the public key in (x, y), or with 0.
    fn ecrecover(&mut self, power: Label, mul_add: Label, affine: Label) {
        self.m.entry("ECRECOVER");
        self.m.start();
        let [hash, v, r, s] = std::array::from_fn(|_| self.m.reg());
        let order = self.t[0];
        let m = &mut self.m;
        for word in [hash, v, r, s] {
            m.input(word, WORD);
        }
        // v is 27 or 28.
        let v_is_valid = m.label();
        m.constant(self.t[1], "1b");
        m.skip(If::NotEqual, v, self.t[1]);
        m.jump(v_is_valid);
        m.constant(self.t[1], "1c");
        m.require(If::Equal, v, self.t[1], 0);
        m.bind(v_is_valid);
        m.constant(order, SECP256K1_N);
        for word in [r, s] {
            m.require(If::NotEqual, word, m.zero, 0);
            m.require(If::Less, word, order, 0);
        }
        // The point R with x = r and the y that v says.
        self.m.field(SECP256K1_P);
        let (q, square, y) = (self.q, self.t[1], self.t[2]);
        self.m.copy(self.minus_three, self.m.zero);
        self.m.form_constant(self.b, "7");
        self.m.enter_form(q.x, r);
        self.m.sqr(square, q.x);
        self.m.mul(square, square, q.x);
        self.m.add(square, square, self.b);
        self.m.copy(self.m.powers + 1, square);
        self.m.constant(self.m.exponent, SECP256K1_ROOT);
        self.m.call(power);
        self.m.copy(q.y, self.m.result);
        self.m.sqr(y, q.y);
        self.m.require(If::Equal, y, square, 0);
        self.m.leave_form(y, q.y);
        // 27 is odd, and asks for an even y.
        let y_is_right = self.m.label();
        self.m.skip(If::SameParity, y, v);
        self.m.jump(y_is_right);
        self.m.sub(q.y, self.m.zero, q.y);
        self.m.bind(y_is_right);
        self.m.copy(q.z, self.m.one);
        self.generator(SECP256K1_G);
        // The key is (s R - hash G) / r.
        self.m.field(SECP256K1_N);
        self.m.enter_form(self.m.powers + 1, r);
        self.m.inverse(power);
        self.m.mul(self.u[0], hash, self.m.result);
        self.m.sub(self.u[0], self.m.zero, self.u[0]);
        self.m.mul(self.u[1], s, self.m.result);
        self.m.field(SECP256K1_P);
        self.m.call(mul_add);
        self.m.require(If::NotEqual, self.p.z, self.m.zero, 0);
        self.m.call(affine);
        self.m.end(64);
    }

    /// The input is the hash, r, s and the key's x, y. Ends with 32 if the signature is valid.
    fn p256_verify(&mut self, power: Label, mul_add: Label, affine: Label) {
        self.m.entry("P256_VERIFY");
        self.m.start();
        let [hash, r, s, x, y] = std::array::from_fn(|_| self.m.reg());
        let bound = self.t[0];
        for word in [hash, r, s, x, y] {
            self.m.input(word, WORD);
        }
        self.m.constant(bound, P256_N);
        for word in [r, s] {
            self.m.require(If::NotEqual, word, self.m.zero, 0);
            self.m.require(If::Less, word, bound, 0);
        }
        self.m.constant(bound, P256_P);
        for word in [x, y] {
            self.m.require(If::Less, word, bound, 0);
        }
        self.m.field(P256_P);
        self.m.copy(self.minus_three, self.m.one);
        self.m.form_constant(self.b, P256_B);
        let (q, left, right) = (self.q, self.t[1], self.t[2]);
        self.m.enter_form(q.x, x);
        self.m.enter_form(q.y, y);
        self.m.copy(q.z, self.m.one);
        // y^2 = x^3 - 3x + b
        self.m.sqr(right, q.x);
        self.m.mul(right, right, q.x);
        for _ in 0..3 {
            self.m.sub(right, right, q.x);
        }
        self.m.add(right, right, self.b);
        self.m.sqr(left, q.y);
        self.m.require(If::Equal, left, right, 0);
        self.generator(P256_G);
        self.m.field(P256_N);
        self.m.enter_form(self.m.powers + 1, s);
        self.m.inverse(power);
        self.m.mul(self.u[0], hash, self.m.result);
        self.m.mul(self.u[1], r, self.m.result);
        self.m.field(P256_P);
        self.m.call(mul_add);
        self.m.require(If::NotEqual, self.p.z, self.m.zero, 0);
        self.m.call(affine);
        // x < p < 2n: adding 0 reduces it.
        self.m.field(P256_N);
        self.m.add(self.x, self.x, self.m.zero);
        self.m.require(If::Equal, self.x, r, 0);
        self.m.output(0, self.m.int[0], WORD);
        self.m.end(32);
    }

    /// q := the next point of the input; the call fails if it is none. (0, 0) is infinity.
    fn bn254_read(&mut self) -> Label {
        let start = self.m.here();
        let (q, left, right, bound) = (self.q, self.t[1], self.t[2], self.t[0]);
        self.m.input(q.x, WORD);
        self.m.input(q.y, WORD);
        self.m.copy(q.z, self.m.zero);
        self.m.constant(bound, BN254_P);
        self.m.require(If::Less, q.x, bound, FAIL);
        self.m.require(If::Less, q.y, bound, FAIL);
        let finite = self.m.label();
        for word in [q.x, q.y] {
            self.m.skip(If::Equal, word, self.m.zero);
            self.m.jump(finite);
        }
        self.m.ret();
        self.m.bind(finite);
        self.m.enter_form(q.x, q.x);
        self.m.enter_form(q.y, q.y);
        self.m.copy(q.z, self.m.one);
        self.m.sqr(left, q.y);
        self.m.sqr(right, q.x);
        self.m.mul(right, right, q.x);
        self.m.add(right, right, self.b);
        self.m.require(If::Equal, left, right, FAIL);
        self.m.ret();
        start
    }

    /// Ends with p as the output.
    fn bn254_write(&mut self, affine: Label) -> Label {
        let start = self.m.here();
        let (finite, output) = (self.m.label(), self.m.label());
        self.m.skip(If::Equal, self.p.z, self.m.zero);
        self.m.jump(finite);
        self.m.copy(self.x, self.m.zero);
        self.m.copy(self.y, self.m.zero);
        self.m.jump(output);
        self.m.bind(finite);
        self.m.call(affine);
        self.m.bind(output);
        self.m.output(0, self.x, WORD);
        self.m.output(2, self.y, WORD);
        self.m.end(64);
        start
    }

    fn bn254_start(&mut self) {
        self.m.start();
        self.m.field(BN254_P);
        self.m.copy(self.minus_three, self.m.zero);
        self.m.form_constant(self.b, "3");
    }

    fn bn254_add(&mut self, read: Label, add: Label, write: Label) {
        self.m.entry("BN254_ADD");
        self.bn254_start();
        self.m.call(read);
        self.copy_point(self.p, self.q);
        self.m.call(read);
        self.m.call(add);
        self.m.jump(write);
    }

    fn bn254_mul(&mut self, read: Label, mul_add: Label, write: Label) {
        self.m.entry("BN254_MUL");
        self.bn254_start();
        self.m.call(read);
        self.infinity(self.g);
        self.m.copy(self.u[0], self.m.zero);
        self.m.input(self.u[1], WORD);
        self.m.call(mul_add);
        self.m.jump(write);
    }
}
