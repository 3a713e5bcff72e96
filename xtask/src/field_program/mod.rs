//! Programs for the field machine of `shaders/wgsl/op/field.wgsl`, which says what each op means:
//! elliptic curves as short straight pieces of code over registers, since a GPU's compiler copies
//! a multiplication to wherever WGSL has one.

mod bls12_381;
mod bn254_pairing;
mod points;
mod tables;
mod tower;

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
    /// Both are odd, or both are even.
    SameParity,
}

/// Registers that an operand can name; numbers above name those of a call.
const REGISTERS_MAX: u32 = 0xc0;

/// A register.
type Reg = u32;

/// Times four bytes: a word of the EVM.
const WORD: u32 = 8;

/// A place in the code.
type Label = usize;

/// What `Op::End` says: bytes of output, or that the call fails.
const FAIL: u32 = 0xffff;

/// What the machine gives instead where a program takes too long.
const UNFINISHED: u32 = 0xfffe;

/// Numbers of the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Width {
    Bits256,
    Bits384,
}

impl Width {
    /// In 32 bits each.
    const fn limbs(self) -> usize {
        match self {
            Width::Bits256 => 8,
            Width::Bits384 => 12,
        }
    }

    /// Of Montgomery's factor.
    const fn factor_bits(self) -> usize {
        match self {
            Width::Bits256 => 260,
            Width::Bits384 => 390,
        }
    }
}

/// Code, and the constants that it loads; with registers that all programs have.
struct Program {
    width: Width,
    /// Six registers that stay 0, and the integers 1 and 2, not in Montgomery form.
    zeros: Reg,
    zero: Reg,
    int: [Reg; 2],
    /// 1, and the factor to Montgomery form.
    one: Reg,
    r2: Reg,
    /// The factor that takes constants to Montgomery form, and the one that they have.
    constants_in: Reg,
    form_bits: Option<usize>,
    count: Reg,
    exponent: Reg,
    powers: Reg,
    result: Reg,
    factor: Reg,
    code: Vec<u32>,
    constants: Vec<String>,
    labels: Vec<Option<usize>>,
    /// Words of code whose low 24 bits become a label's place.
    open: Vec<(usize, Label)>,
    registers: Reg,
    entries: Vec<(&'static str, Label)>,
}

impl Program {
    fn new(width: Width) -> Self {
        let mut m = Self {
            width,
            zeros: 0,
            zero: 5,
            int: [6, 7],
            one: 8,
            r2: 9,
            constants_in: 9,
            form_bits: None,
            count: 10,
            exponent: 11,
            powers: 12,
            result: 16,
            factor: 17,
            code: Vec::new(),
            constants: Vec::new(),
            labels: Vec::new(),
            open: Vec::new(),
            registers: 0,
            entries: Vec::new(),
        };
        m.regs(18);
        m
    }

    fn op(&mut self, op: Op, d: u32, a: u32, b: u32) {
        assert!(d < 256 && a < 256 && b < 256, "{op:?} {d} {a} {b}: an operand has 8 bits");
        self.code.push((op as u32) << 24 | d << 16 | a << 8 | b);
    }

    fn patch(&mut self, label: Label) {
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
        if count == 1 {
            return;
        }
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

    /// The next so many times four bytes of the input.
    fn input(&mut self, d: Reg, count: u32) {
        self.op(Op::Input, d, count, 0);
    }

    /// The low `count` times four bytes of a register, in the output from byte 16 `at` on.
    fn output(&mut self, at: u32, a: Reg, count: u32) {
        self.op(Op::Output, at, a, count);
    }

    fn skip(&mut self, condition: If, a: Reg, b: Reg) {
        self.op(Op::Skip, condition as u32, a, b);
    }

    fn jump(&mut self, label: Label) {
        self.patch(label);
        self.op(Op::Jump, 0, 0, 0);
    }

    fn call(&mut self, label: Label) {
        self.call_with(label, 0, 0, 0);
    }

    /// Calls a routine; it finds what it works on from these registers on.
    fn call_with(&mut self, label: Label, d: Reg, a: Reg, b: Reg) {
        self.op(Op::Call, d, a, b);
        self.patch(label);
        self.code.push(0);
    }

    fn ret(&mut self) {
        self.op(Op::Return, 0, 0, 0);
    }

    fn end(&mut self, bytes: u32) {
        self.op(Op::End, 0, bytes >> 8, bytes & 255);
    }

    /// Goes on only if the condition holds; else the program ends.
    fn require(&mut self, condition: If, a: Reg, b: Reg, otherwise: u32) {
        self.skip(condition, a, b);
        self.end(otherwise);
    }

    /// Constants that all fields share.
    fn start(&mut self) {
        self.constant(self.int[0], "1");
        self.constant(self.int[1], "2");
    }

    fn field(&mut self, p: &str) {
        self.constant(self.r2, p);
        self.op(Op::Field, 0, self.r2, 0);
        let bits = 2 * self.width.factor_bits();
        self.constant(self.r2, &power_of_two(bits, p, self.width));
        self.mul(self.one, self.int[0], self.r2);
        if let Some(form) = self.form_bits {
            self.constant(self.constants_in, &power_of_two(bits - form, p, self.width));
        }
    }

    /// Constants have a Montgomery form already, with the factor 2^bits.
    fn constants_have_form(&mut self, bits: usize) {
        self.form_bits = Some(bits);
        self.constants_in = self.reg();
    }

    /// To Montgomery form, which also reduces any number.
    fn enter_form(&mut self, d: Reg, a: Reg) {
        self.mul(d, a, self.r2);
    }

    fn leave_form(&mut self, d: Reg, a: Reg) {
        self.mul(d, a, self.int[0]);
    }

    fn form_constant(&mut self, d: Reg, hex: &str) {
        self.constant(d, hex);
        self.mul(d, d, self.constants_in);
    }

    /// Counts down; jumps unless 0 is reached.
    fn again(&mut self, label: Label) {
        self.skip(If::Equal, self.count, self.zero);
        self.jump(label);
    }

    /// `result := powers[1]^exponent`, by windows of two bits.
    fn power(&mut self) -> Label {
        let (w, factor) = (self.powers, self.factor);
        let start = self.here();
        self.copy(w, self.one);
        self.sqr(w + 2, w + 1);
        self.mul(w + 3, w + 2, w + 1);
        self.copy(self.result, self.one);
        let digits = 16 * self.width.limbs();
        self.constant(self.count, &format!("{digits:x}"));
        let turn = self.here();
        self.sub(self.count, self.count, self.int[0]);
        self.sqr(self.result, self.result);
        self.sqr(self.result, self.result);
        self.op(Op::Digit, self.count, self.exponent, self.zero);
        self.op(Op::Load, factor, w, 1);
        self.mul(self.result, self.result, factor);
        self.again(turn);
        self.ret();
        start
    }

    /// `result := 1 / powers[1]` (Fermat).
    fn inverse(&mut self, power: Label) {
        self.sub(self.exponent, self.zero, self.int[1]);
        self.call(power);
    }

    /// The generated file, and what it needs of the data that all programs share; `names` are
    /// registers that kernels read, `tables` numbers for them.
    fn finish(
        mut self,
        what: &str,
        names: &[(&str, Reg)],
        tables: &[(&str, Vec<u32>)],
        data: &mut Vec<u32>,
    ) -> String {
        assert!(self.registers <= REGISTERS_MAX);
        for (at, label) in std::mem::take(&mut self.open) {
            self.code[at] |= self.labels[label].expect("a label has a place") as u32;
        }
        let mut s = format!("{NOTE}// Code for the machine of op/field.wgsl: {what}.\n\n");
        writeln!(s, "const FIELD_REGISTERS: u32 = {}u;", self.registers).unwrap();
        for (name, register) in names {
            writeln!(s, "const FIELD_{name}: u32 = {register}u;").unwrap();
        }
        for (name, label) in &self.entries {
            let at = self.labels[*label].expect("an entry has a place");
            writeln!(s, "const FIELD_AT_{name}: u32 = {at}u;").unwrap();
        }
        let limbs = |hex: &String| limbs(hex, self.width).into_iter().rev();
        let constants: Vec<u32> = self.constants.iter().flat_map(limbs).collect();
        writeln!(s, "\n// Where in the field programs' data, in places of 32 bits.").unwrap();
        let own = [("CODE", &self.code), ("CONSTANTS", &constants)];
        let tables = tables.iter().map(|(name, values)| (*name, values));
        for (name, values) in own.into_iter().chain(tables) {
            writeln!(s, "const FIELD_{name}: u32 = {}u;", data.len()).unwrap();
            data.extend(values);
        }
        s
    }
}

/// The limbs of a number, least significant first.
fn limbs(hex: &str, width: Width) -> Vec<u32> {
    let digits = 8 * width.limbs();
    let padded = format!("{hex:0>digits$}");
    assert_eq!(padded.len(), digits, "{hex}");
    let limb = |at: usize| u32::from_str_radix(&padded[at..at + 8], 16);
    (0..digits).step_by(8).rev().map(|at| limb(at).expect("a hexadecimal number")).collect()
}

/// Numbers of ops, and of ends.
fn machine_wgsl() -> String {
    let mut s =
        format!("{NOTE}// Ops of the machine of op/field.wgsl, and ends that are no length.\n\n");
    for (i, (op, name)) in OPS.iter().enumerate() {
        assert_eq!(*op as usize, i);
        writeln!(s, "const FIELD_{name}: u32 = {i}u;").unwrap();
    }
    writeln!(s, "const FIELD_FAIL: u32 = {FAIL:#x}u;").unwrap();
    writeln!(s, "const FIELD_UNFINISHED: u32 = {UNFINISHED:#x}u;").unwrap();
    s
}

/// The generated files: the machine's numbers, one file for each program, and their data.
pub fn files() -> [(&'static str, String); 5] {
    let mut data = Vec::new();
    let points = points::points_wgsl(&mut data);
    let bn254_pairing = bn254_pairing::bn254_pairing_wgsl(&mut data);
    let bls12_381 = bls12_381::bls12_381_wgsl(&mut data);
    let mut s =
        format!("{NOTE}//! Programs of the field machine (`op/field.wgsl`) and their numbers.");
    let what = "What kernels find where the argument `FIELDS` says.";
    write!(s, "\n\n/// {what}\n#[rustfmt::skip]\n").unwrap();
    writeln!(s, "pub static FIELD_DATA: [u32; {}] = [", data.len()).unwrap();
    for line in data.chunks(8) {
        let numbers: Vec<String> = line.iter().map(|x| format!("{x:#x}")).collect();
        writeln!(s, "    {},", numbers.join(", ")).unwrap();
    }
    s.push_str("];\n");
    [
        ("shaders/wgsl/generated/field.wgsl", machine_wgsl()),
        ("shaders/wgsl/generated/points.wgsl", points),
        ("shaders/wgsl/generated/bn254_pairing.wgsl", bn254_pairing),
        ("shaders/wgsl/generated/bls12_381.wgsl", bls12_381),
        ("shaders/src/field_data.rs", s),
    ]
}

const BN254_P: &str = "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47";

/// 2^bits modulo a prime.
fn power_of_two(bits: usize, p: &str, width: Width) -> String {
    let p = limbs(p, width);
    let less = |a: &[u32]| a.iter().rev().lt(p.iter().rev());
    let mut x = limbs("1", width);
    for _ in 0..bits {
        let mut above = false;
        for limb in &mut x {
            let next = *limb >> 31 != 0;
            *limb = *limb << 1 | u32::from(above);
            above = next;
        }
        if above || !less(&x) {
            let mut borrow = false;
            for (x, p) in x.iter_mut().zip(&p) {
                let (d, b1) = x.overflowing_sub(*p);
                let (d, b2) = d.overflowing_sub(borrow.into());
                (*x, borrow) = (d, b1 || b2);
            }
        }
    }
    hex_of(&x)
}

/// Hex digits of limbs, the lowest first.
fn hex_of(limbs: &[u32]) -> String {
    limbs.iter().rev().map(|limb| format!("{limb:08x}")).collect()
}
