//! Programs for the field machine of `shaders/wgsl/op/field.wgsl`, which says what each op means:
//! elliptic curves as short straight pieces of code over registers, since a GPU's compiler copies
//! a multiplication to wherever WGSL has one.

use std::fmt::Write;

use crate::generate::NOTE;

/// An op of the machine; the order is that of the constants that WGSL sees.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Mul,
    Add,
    Sub,
    Move,
    Load,
    Const,
    Input,
    Field,
    Digit,
    Repeat,
    Output,
    Skip,
    Jump,
    Call,
    Return,
    End,
}

const OPS: [(Op, &str); 16] = [
    (Op::Mul, "MUL"),
    (Op::Add, "ADD"),
    (Op::Sub, "SUB"),
    (Op::Move, "MOVE"),
    (Op::Load, "LOAD"),
    (Op::Const, "CONST"),
    (Op::Input, "INPUT"),
    (Op::Field, "FIELD"),
    (Op::Digit, "DIGIT"),
    (Op::Repeat, "REPEAT"),
    (Op::Output, "OUTPUT"),
    (Op::Skip, "SKIP"),
    (Op::Jump, "JUMP"),
    (Op::Call, "CALL"),
    (Op::Return, "RETURN"),
    (Op::End, "END"),
];

/// When `Op::Skip` skips.
#[derive(Clone, Copy, Debug)]
enum If {
    Equal,
    NotEqual,
    Less,
    NotLess,
    /// Both are odd, or both are even.
    SameParity,
}

/// A register.
type Reg = u32;

/// A place in the code.
type Label = usize;

/// What `Op::End` says: bytes of output, or that the call fails.
const FAIL: u32 = 255;

/// What the machine gives instead where a program takes too long.
const UNFINISHED: u32 = 254;

/// Code, and the constants that it loads.
#[derive(Default)]
struct Program {
    code: Vec<u32>,
    constants: Vec<String>,
    labels: Vec<Option<usize>>,
    /// Words of code whose low 24 bits become a label's place.
    open: Vec<(usize, Label)>,
    registers: Reg,
    entries: Vec<(&'static str, Label)>,
}

impl Program {
    fn op(&mut self, op: Op, d: u32, a: u32, b: u32) {
        assert!(d < 256 && a < 256 && b < 256, "{op:?} {d} {a} {b}: an operand has 8 bits");
        self.code.push((op as u32) << 24 | d << 16 | a << 8 | b);
    }

    fn to_label(&mut self, label: Label) {
        self.open.push((self.code.len(), label));
    }

    /// `count` registers that follow each other.
    fn regs(&mut self, count: u32) -> Reg {
        let first = self.registers;
        self.registers += count;
        first
    }

    fn reg(&mut self) -> Reg {
        self.regs(1)
    }

    fn label(&mut self) -> Label {
        self.labels.push(None);
        self.labels.len() - 1
    }

    fn bind(&mut self, label: Label) {
        assert!(self.labels[label].replace(self.code.len()).is_none(), "a label has one place");
    }

    fn here(&mut self) -> Label {
        let label = self.label();
        self.bind(label);
        label
    }

    fn entry(&mut self, name: &'static str) {
        let label = self.here();
        self.entries.push((name, label));
    }

    fn mul(&mut self, d: Reg, a: Reg, b: Reg) {
        self.op(Op::Mul, d, a, b);
    }

    fn sqr(&mut self, d: Reg, a: Reg) {
        self.mul(d, a, a);
    }

    fn add(&mut self, d: Reg, a: Reg, b: Reg) {
        self.op(Op::Add, d, a, b);
    }

    fn double(&mut self, d: Reg, a: Reg) {
        self.add(d, a, a);
    }

    fn sub(&mut self, d: Reg, a: Reg, b: Reg) {
        self.op(Op::Sub, d, a, b);
    }

    fn copy(&mut self, d: Reg, a: Reg) {
        self.op(Op::Move, d, a, 0);
    }

    /// The next op for `count` registers each from those it names.
    fn repeat(&mut self, count: u32) {
        self.op(Op::Repeat, 0, count - 1, 0);
    }

    fn copies(&mut self, d: Reg, a: Reg, count: u32) {
        self.repeat(count);
        self.copy(d, a);
    }

    /// `d` := the hexadecimal number.
    fn constant(&mut self, d: Reg, hex: &str) {
        let at = self.constants.iter().position(|have| have == hex).unwrap_or_else(|| {
            self.constants.push(hex.to_owned());
            self.constants.len() - 1
        });
        self.op(Op::Const, d, at as u32, 0);
    }

    /// The next word of the input.
    fn input(&mut self, d: Reg) {
        self.op(Op::Input, d, 0, 0);
    }

    fn skip(&mut self, condition: If, a: Reg, b: Reg) {
        self.op(Op::Skip, condition as u32, a, b);
    }

    fn jump(&mut self, label: Label) {
        self.to_label(label);
        self.op(Op::Jump, 0, 0, 0);
    }

    fn call(&mut self, label: Label) {
        self.to_label(label);
        self.op(Op::Call, 0, 0, 0);
    }

    fn ret(&mut self) {
        self.op(Op::Return, 0, 0, 0);
    }

    fn end(&mut self, bytes: u32) {
        self.op(Op::End, 0, bytes, 0);
    }

    /// Goes on only if the condition holds; else the program ends.
    fn require(&mut self, condition: If, a: Reg, b: Reg, otherwise: u32) {
        self.skip(condition, a, b);
        self.end(otherwise);
    }

    /// The generated file; `names` are registers that kernels read.
    fn wgsl(mut self, what: &str, names: &[(&str, Reg)]) -> String {
        for (at, label) in std::mem::take(&mut self.open) {
            self.code[at] |= self.labels[label].expect("a label has a place") as u32;
        }
        let mut s = format!("{NOTE}// {what} Code for the machine of op/field.wgsl.\n\n");
        for (i, (op, name)) in OPS.iter().enumerate() {
            assert_eq!(*op as usize, i);
            writeln!(s, "const FIELD_{name}: u32 = {i}u;").unwrap();
        }
        writeln!(s, "const FIELD_FAIL: u32 = {FAIL}u;").unwrap();
        writeln!(s, "const FIELD_UNFINISHED: u32 = {UNFINISHED}u;").unwrap();
        writeln!(s, "const FIELD_REGISTERS: u32 = {}u;", self.registers).unwrap();
        for (name, register) in names {
            writeln!(s, "const FIELD_{name}: u32 = {register}u;").unwrap();
        }
        for (name, label) in &self.entries {
            let at = self.labels[*label].expect("an entry has a place");
            writeln!(s, "const FIELD_AT_{name}: u32 = {at}u;").unwrap();
        }
        let limbs: Vec<u32> = self.constants.iter().flat_map(|hex| limbs(hex)).collect();
        array(&mut s, "field_constants", &limbs);
        array(&mut s, "field_program", &self.code);
        s
    }
}

/// The eight limbs of a number, least significant first.
fn limbs(hex: &str) -> [u32; 8] {
    let padded = format!("{hex:0>64}");
    std::array::from_fn(|i| {
        let digits = &padded[56 - 8 * i..64 - 8 * i];
        u32::from_str_radix(digits, 16).expect("a hexadecimal number")
    })
}

/// Units of 16 bytes.
fn array(s: &mut String, name: &str, words: &[u32]) {
    let units = words.len().div_ceil(4);
    writeln!(s, "\nvar<private> {name}: array<vec4<u32>, {units}> = array(").unwrap();
    for unit in words.chunks(4) {
        let mut four = [0; 4];
        four[..unit.len()].copy_from_slice(unit);
        let [x, y, z, w] = four;
        writeln!(s, "    vec4({x:#010x}u, {y:#010x}u, {z:#010x}u, {w:#010x}u),").unwrap();
    }
    s.push_str(");\n");
}

// ---- 256-bit curves -----------------------------------------------------------------------------

const SECP256K1_P: &str = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";
const SECP256K1_N: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const P256_P: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
const P256_N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const BN254_P: &str = "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47";

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

/// 2^520 modulo a prime: the factor that takes a number to its Montgomery form.
fn r2(p: &str) -> String {
    let p = limbs(p);
    let less = |a: &[u32; 8]| a.iter().rev().lt(p.iter().rev());
    let mut x = [1, 0, 0, 0, 0, 0, 0, 0];
    for _ in 0..520 {
        let above = x[7] >> 31 != 0;
        x = std::array::from_fn(|i| x[i] << 1 | if i > 0 { x[i - 1] >> 31 } else { 0 });
        if above || !less(&x) {
            let mut borrow = false;
            for (x, p) in x.iter_mut().zip(p) {
                let (d, b1) = x.overflowing_sub(p);
                let (d, b2) = d.overflowing_sub(borrow.into());
                (*x, borrow) = (d, b1 || b2);
            }
        }
    }
    x.iter().rev().map(|limb| format!("{limb:08x}")).collect()
}

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
struct Curves {
    m: Program,
    zero: Reg,
    /// The integers 1 and 2, not in Montgomery form.
    int: [Reg; 2],
    one: Reg,
    r2: Reg,
    /// The curve's a is -3 if this is not zero, else 0; b in Montgomery form.
    minus_three: Reg,
    b: Reg,
    count: Reg,
    exponent: Reg,
    powers: Reg,
    result: Reg,
    p: Point,
    q: Point,
    g: Point,
    t: [Reg; 9],
    u: [Reg; 2],
    table: Reg,
    x: Reg,
    y: Reg,
}

/// The file `generated/curves.wgsl`.
pub fn curves_wgsl() -> String {
    let mut m = Program::default();
    let table = m.regs(48);
    let mut point = || Point::new(m.regs(3));
    let (p, q, g) = (point(), point(), point());
    let mut c = Curves {
        zero: m.reg(),
        int: [m.reg(), m.reg()],
        one: m.reg(),
        r2: m.reg(),
        minus_three: m.reg(),
        b: m.reg(),
        count: m.reg(),
        exponent: m.reg(),
        powers: m.regs(4),
        result: m.reg(),
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
    let power = c.power();
    let affine = c.affine(power);
    let mul_add = c.mul_add(double, add);
    let write = c.bn254_write(affine);
    let read = c.bn254_read();
    c.ecrecover(power, mul_add, affine);
    c.p256_verify(power, mul_add, affine);
    c.bn254_add(read, add, write);
    c.bn254_mul(read, mul_add, write);
    let [x, y] = [c.x, c.y];
    c.m.wgsl("ECRECOVER, P256VERIFY, alt_bn128 addition and multiplication.", &[("X", x), ("Y", y)])
}

impl Curves {
    fn infinity(&mut self, p: Point) {
        self.m.copy(p.z, self.zero);
    }

    fn copy_point(&mut self, d: Point, a: Point) {
        self.m.copies(d.x, a.x, 3);
    }

    /// Constants that all fields share.
    fn start(&mut self) {
        self.m.constant(self.int[0], "1");
        self.m.constant(self.int[1], "2");
    }

    fn field(&mut self, p: &str) {
        let m = &mut self.m;
        m.constant(self.r2, p);
        m.op(Op::Field, 0, self.r2, 0);
        m.constant(self.r2, &r2(p));
        m.mul(self.one, self.int[0], self.r2);
    }

    /// To Montgomery form, which also reduces any 256-bit number.
    fn to_form(&mut self, d: Reg, a: Reg) {
        self.m.mul(d, a, self.r2);
    }

    fn from_form(&mut self, d: Reg, a: Reg) {
        self.m.mul(d, a, self.int[0]);
    }

    fn form_constant(&mut self, d: Reg, hex: &str) {
        self.m.constant(d, hex);
        self.to_form(d, d);
    }

    fn generator(&mut self, [x, y]: [&str; 2]) {
        let g = self.g;
        self.form_constant(g.x, x);
        self.form_constant(g.y, y);
        self.m.copy(g.z, self.one);
    }

    /// Counts down; jumps unless 0 is reached.
    fn again(&mut self, label: Label) {
        self.m.skip(If::Equal, self.count, self.zero);
        self.m.jump(label);
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
        m.skip(If::NotEqual, self.minus_three, self.zero);
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
        m.skip(If::NotEqual, q.z, self.zero);
        m.ret();
        m.skip(If::NotEqual, p.z, self.zero);
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
        m.skip(If::NotEqual, h, self.zero);
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
        m.skip(If::NotEqual, r, self.zero);
        m.jump(double);
        m.copy(p.z, self.zero);
        m.ret();
        start
    }

    /// result := powers[1]^exponent, by windows of two bits.
    fn power(&mut self) -> Label {
        let m = &mut self.m;
        let (w, factor) = (self.powers, self.t[8]);
        let start = m.here();
        m.copy(w, self.one);
        m.sqr(w + 2, w + 1);
        m.mul(w + 3, w + 2, w + 1);
        m.copy(self.result, self.one);
        m.constant(self.count, "80");
        let turn = m.here();
        m.sub(self.count, self.count, self.int[0]);
        m.sqr(self.result, self.result);
        m.sqr(self.result, self.result);
        m.op(Op::Digit, self.count, self.exponent, self.zero);
        m.op(Op::Load, factor, w, 1);
        m.mul(self.result, self.result, factor);
        self.again(turn);
        self.m.ret();
        start
    }

    /// result := 1 / powers[1] (Fermat).
    fn inverse(&mut self, power: Label) {
        self.m.sub(self.exponent, self.zero, self.int[1]);
        self.m.call(power);
    }

    /// (x, y) := p's affine coordinates, as integers. p is not infinity.
    fn affine(&mut self, power: Label) -> Label {
        let start = self.m.here();
        self.m.copy(self.powers + 1, self.p.z);
        self.inverse(power);
        let (m, p) = (&mut self.m, self.p);
        m.sqr(self.x, self.result);
        m.mul(self.y, p.y, self.result);
        m.mul(self.y, self.y, self.x);
        m.mul(self.x, p.x, self.x);
        self.from_form(self.x, self.x);
        self.from_form(self.y, self.y);
        self.m.ret();
        start
    }

    /// p := u[0] g + u[1] q: two bits of each scalar a turn, which choose among 16 sums.
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
        self.m.constant(self.count, "80");
        let turn = self.m.here();
        let m = &mut self.m;
        m.sub(self.count, self.count, self.int[0]);
        m.call(double);
        m.call(double);
        m.op(Op::Digit, self.count, self.u[0], self.u[1]);
        m.repeat(3);
        m.op(Op::Load, self.q.x, self.table, 3);
        m.call(add);
        self.again(turn);
        self.m.ret();
        start
    }

    /// The input is the hash, v, r, s. Ends with 64 and the public key in (x, y), or with 0.
    fn ecrecover(&mut self, power: Label, mul_add: Label, affine: Label) {
        self.m.entry("ECRECOVER");
        self.start();
        let [hash, v, r, s] = std::array::from_fn(|_| self.m.reg());
        let order = self.t[0];
        let m = &mut self.m;
        for word in [hash, v, r, s] {
            m.input(word);
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
            m.require(If::NotEqual, word, self.zero, 0);
            m.require(If::Less, word, order, 0);
        }
        // The point R with x = r and the y that v says.
        self.field(SECP256K1_P);
        let (q, square, y) = (self.q, self.t[1], self.t[2]);
        self.m.copy(self.minus_three, self.zero);
        self.form_constant(self.b, "7");
        self.to_form(q.x, r);
        self.m.sqr(square, q.x);
        self.m.mul(square, square, q.x);
        self.m.add(square, square, self.b);
        self.m.copy(self.powers + 1, square);
        self.m.constant(self.exponent, SECP256K1_ROOT);
        self.m.call(power);
        self.m.copy(q.y, self.result);
        self.m.sqr(y, q.y);
        self.m.require(If::Equal, y, square, 0);
        self.from_form(y, q.y);
        // 27 is odd, and asks for an even y.
        let y_is_right = self.m.label();
        self.m.skip(If::SameParity, y, v);
        self.m.jump(y_is_right);
        self.m.sub(q.y, self.zero, q.y);
        self.m.bind(y_is_right);
        self.m.copy(q.z, self.one);
        self.generator(SECP256K1_G);
        // The key is (s R - hash G) / r.
        self.field(SECP256K1_N);
        self.to_form(self.powers + 1, r);
        self.inverse(power);
        self.m.mul(self.u[0], hash, self.result);
        self.m.sub(self.u[0], self.zero, self.u[0]);
        self.m.mul(self.u[1], s, self.result);
        self.field(SECP256K1_P);
        self.m.call(mul_add);
        self.m.require(If::NotEqual, self.p.z, self.zero, 0);
        self.m.call(affine);
        self.m.end(64);
    }

    /// The input is the hash, r, s and the key's x, y. Ends with 32 if the signature is valid.
    fn p256_verify(&mut self, power: Label, mul_add: Label, affine: Label) {
        self.m.entry("P256_VERIFY");
        self.start();
        let [hash, r, s, x, y] = std::array::from_fn(|_| self.m.reg());
        let bound = self.t[0];
        for word in [hash, r, s, x, y] {
            self.m.input(word);
        }
        self.m.constant(bound, P256_N);
        for word in [r, s] {
            self.m.require(If::NotEqual, word, self.zero, 0);
            self.m.require(If::Less, word, bound, 0);
        }
        self.m.constant(bound, P256_P);
        for word in [x, y] {
            self.m.require(If::Less, word, bound, 0);
        }
        self.field(P256_P);
        self.m.copy(self.minus_three, self.one);
        self.form_constant(self.b, P256_B);
        let (q, left, right) = (self.q, self.t[1], self.t[2]);
        self.to_form(q.x, x);
        self.to_form(q.y, y);
        self.m.copy(q.z, self.one);
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
        self.field(P256_N);
        self.to_form(self.powers + 1, s);
        self.inverse(power);
        self.m.mul(self.u[0], hash, self.result);
        self.m.mul(self.u[1], r, self.result);
        self.field(P256_P);
        self.m.call(mul_add);
        self.m.require(If::NotEqual, self.p.z, self.zero, 0);
        self.m.call(affine);
        // x < p < 2n: adding 0 reduces it.
        self.field(P256_N);
        self.m.add(self.x, self.x, self.zero);
        self.m.require(If::Equal, self.x, r, 0);
        self.m.op(Op::Output, 0, self.int[0], 0);
        self.m.end(32);
    }

    /// q := the next point of the input; the call fails if it is none. (0, 0) is infinity.
    fn bn254_read(&mut self) -> Label {
        let start = self.m.here();
        let (q, left, right, bound) = (self.q, self.t[1], self.t[2], self.t[0]);
        self.m.input(q.x);
        self.m.input(q.y);
        self.m.copy(q.z, self.zero);
        self.m.constant(bound, BN254_P);
        self.m.require(If::Less, q.x, bound, FAIL);
        self.m.require(If::Less, q.y, bound, FAIL);
        let finite = self.m.label();
        for word in [q.x, q.y] {
            self.m.skip(If::Equal, word, self.zero);
            self.m.jump(finite);
        }
        self.m.ret();
        self.m.bind(finite);
        self.to_form(q.x, q.x);
        self.to_form(q.y, q.y);
        self.m.copy(q.z, self.one);
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
        self.m.skip(If::Equal, self.p.z, self.zero);
        self.m.jump(finite);
        self.m.copy(self.x, self.zero);
        self.m.copy(self.y, self.zero);
        self.m.jump(output);
        self.m.bind(finite);
        self.m.call(affine);
        self.m.bind(output);
        self.m.op(Op::Output, 0, self.x, 0);
        self.m.op(Op::Output, 1, self.y, 0);
        self.m.end(64);
        start
    }

    fn bn254_start(&mut self) {
        self.start();
        self.field(BN254_P);
        self.m.copy(self.minus_three, self.zero);
        self.form_constant(self.b, "3");
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
        self.m.copy(self.u[0], self.zero);
        self.m.input(self.u[1]);
        self.m.call(mul_add);
        self.m.jump(write);
    }
}
