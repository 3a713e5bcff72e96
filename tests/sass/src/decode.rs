//! From the disassembler's text to instructions that can be run.

use std::collections::HashMap;

use half::f16;

use crate::text::operands;

/// Where an operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// RZ, URZ.
    Zero,
    /// A register of the lane.
    Reg(u8),
    /// A register of the warp.
    Uniform(u8),
    /// A constant in the instruction.
    Imm(u32),
    /// A word of a constant bank.
    Const { bank: u8, base: Base, off: u32 },
}

/// What is added to an offset in a constant bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    None,
    Reg(u8),
    Uniform(u8),
}

/// An operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Src {
    pub place: Place,
    pub negate: bool,
    pub invert: bool,
}

/// Where a result goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dst {
    None,
    Reg(u8),
    Uniform(u8),
}

/// A predicate as an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pred {
    pub place: PredDst,
    pub not: bool,
}

/// A predicate register; `True` as a destination is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PredDst {
    True,
    Lane(u8),
    Uniform(u8),
}

/// How two integers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// How a comparison is joined with a predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    And,
    Or,
    Xor,
}

/// A memory operand: the sum of what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// A register, and whether it is a pair.
    pub reg: Option<(u8, bool)>,
    pub uniform: Option<(u8, bool)>,
    pub off: i64,
}

/// Which memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// By addresses of the process.
    Global,
    /// The thread's own.
    Local,
}

/// What is loaded or stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    pub bytes: u8,
    pub signed: bool,
}

/// Atomic read-modify-write operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomic {
    Add,
    Exchange,
    Or,
    CompareAndSwap,
}

/// Special registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    Thread,
    Block,
    Lane,
}

/// What an instruction does. Names of fields follow the disassembler's order of operands.
#[derive(Clone, Debug)]
#[rustfmt::skip]
pub enum Op {
    Nop,
    Exit,
    Mov { d: Dst, a: Src },
    Clear { d: Dst, wide: bool },
    Special { d: Dst, which: Special },
    LoadConst { d: Dst, access: Access, from: Place },
    Add3 { d: Dst, out: [PredDst; 2], src: [Src; 3], carry: [Pred; 2], extended: bool },
    MulAdd { d: Dst, src: [Src; 3], carry: Pred },
    MulAddWide { d: Dst, high: bool, signed: bool, out: PredDst, src: [Src; 3], carry: Pred },
    Lea { d: Dst, out: PredDst, a: Src, b: Src, shift: u8 },
    LeaHigh { d: Dst, out: PredDst, a: Src, b: Src, c: Option<Src>, shift: u8, carry: Pred },
    Logic { d: Dst, out: PredDst, src: [Src; 3], table: u8, or: Pred },
    PredLogic { out: [PredDst; 2], src: [Pred; 3], table: [u8; 2] },
    Shift { d: Dst, left: bool, wrap: bool, high: bool, wide: bool, signed: bool, src: [Src; 3] },
    Select { d: Dst, a: Src, b: Src, p: Pred },
    Compare { out: [PredDst; 2], how: Compare, signed: bool, join: Join, a: Src, b: Src, with: Pred,
              low: Option<Pred> },
    Permute { d: Dst, a: Src, selector: Src, c: Src },
    FirstOne { d: Dst, a: Src, signed: bool, shift: bool },
    CountOnes { d: Dst, a: Src },
    ReverseBits { d: Dst, a: Src },
    SignExtend { d: Dst, a: Src, bits: Src, signed: bool },
    Absolute { d: Dst, a: Src },
    MinMax { d: Dst, a: Src, b: Src, min: Pred, signed: bool },
    AddMinMax { d: Dst, a: Src, c: Src, b: Src, min: Pred, signed: bool },
    Reciprocal { d: Dst, a: Src },
    ToFloat { d: Dst, a: Src, wide: bool, signed: bool, up: bool },
    FromFloat { d: Dst, a: Src, wide: bool, signed: bool },
    Load { d: Dst, space: Space, access: Access, from: Address },
    Store { space: Space, access: Access, to: Address, a: Src },
    Atomic { d: Dst, how: Atomic, wide: bool, at: Address, a: Src, b: Src },
    Branch { target: u32, when: Pred },
    BranchTo { a: Src, off: i64 },
    Call { target: u32 },
    Return { a: Src },
    ToPreds { a: Src, mask: u8 },
    FromPreds { d: Dst, a: Src, mask: u8 },
}

/// An instruction.
#[derive(Clone, Debug)]
pub struct Inst {
    pub guard: Pred,
    pub op: Op,
    /// Index of its name, set by the module.
    pub name: u16,
}

const ALWAYS: Pred = Pred { place: PredDst::True, not: false };
const NEVER: Pred = Pred { place: PredDst::True, not: true };

type Labels<'a> = HashMap<&'a str, u32>;

/// Decodes a line.
pub fn decode(line: &str, labels: &Labels<'_>) -> Result<Inst, String> {
    let mut guard = ALWAYS;
    let mut text = line;
    if let Some(rest) = line.strip_prefix('@') {
        let (p, rest) = rest.split_once(char::is_whitespace).ok_or("a guard of nothing")?;
        guard = pred(p)?;
        text = rest.trim();
    }
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let mut variants = name.split('.');
    let base = variants.next().unwrap_or_default();
    let reader = Reader {
        variants: variants.collect(),
        operands: operands(rest).into_iter().map(|o| o.trim_end_matches(".reuse")).collect(),
        labels,
    };
    Ok(Inst { guard, op: reader.op(base)?, name: 0 })
}

struct Reader<'a> {
    variants: Vec<&'a str>,
    operands: Vec<&'a str>,
    labels: &'a Labels<'a>,
}

impl Reader<'_> {
    fn has(&self, variant: &str) -> bool {
        self.variants.contains(&variant)
    }

    fn text(&self, index: usize) -> Result<&str, String> {
        self.operands.get(index).copied().ok_or_else(|| format!("operand {index} is missing"))
    }

    fn src(&self, index: usize) -> Result<Src, String> {
        source(self.text(index)?)
    }

    fn dst(&self, index: usize) -> Result<Dst, String> {
        destination(self.text(index)?)
    }

    fn pred(&self, index: usize) -> Result<Pred, String> {
        pred(self.text(index)?)
    }

    /// The predicate there, or another where there is none.
    fn pred_or(&self, index: usize, otherwise: Pred) -> Result<Pred, String> {
        self.operands.get(index).map_or(Ok(otherwise), |text| pred(text))
    }

    fn out(&self, index: usize) -> Result<PredDst, String> {
        Ok(self.pred(index)?.place)
    }

    fn is_pred(&self, index: usize) -> bool {
        self.operands.get(index).is_some_and(|text| pred(text).is_ok())
    }

    fn number(&self, index: usize) -> Result<u32, String> {
        number(self.text(index)?)
    }

    fn byte(&self, index: usize) -> Result<u8, String> {
        u8::try_from(self.number(index)?).map_err(|_| format!("operand {index} exceeds 8 bits"))
    }

    /// Predicates that follow the destination, up to `max`; and the place after them.
    fn outs(&self, max: usize) -> Result<([PredDst; 2], usize), String> {
        let mut out = [PredDst::True; 2];
        let mut at = 1;
        while at <= max && self.is_pred(at) {
            out[at - 1] = self.out(at)?;
            at += 1;
        }
        Ok((out, at))
    }

    fn three(&self, at: usize) -> Result<[Src; 3], String> {
        Ok([self.src(at)?, self.src(at + 1)?, self.src(at + 2)?])
    }

    fn only(&self, known: &[&str]) -> Result<(), String> {
        match self.variants.iter().find(|variant| !known.contains(variant)) {
            None => Ok(()),
            Some(variant) => Err(format!("variant {variant} is not known")),
        }
    }

    fn access(&self) -> Access {
        let sized = [("U8", 1), ("S8", 1), ("U16", 2), ("S16", 2), ("64", 8), ("128", 16)];
        let found = sized.iter().find(|(name, _)| self.has(name));
        Access {
            bytes: found.map_or(4, |(_, bytes)| *bytes),
            signed: self.has("S8") || self.has("S16"),
        }
    }

    fn label(&self, index: usize) -> Result<u32, String> {
        let text = self.text(index)?;
        let name = text.strip_prefix("`(").and_then(|rest| rest.strip_suffix(')'));
        let target = name.and_then(|name| self.labels.get(name));
        target.copied().ok_or_else(|| format!("no label {text}"))
    }

    #[allow(clippy::too_many_lines, reason = "one line for each instruction")]
    fn op(&self, base: &str) -> Result<Op, String> {
        match base {
            // What orders lanes and memory of several lanes; one lane sees its own order.
            "NOP" | "BSSY" | "BSYNC" | "BREAK" | "WARPSYNC" | "BMOV" | "YIELD" | "DEPBAR"
            | "MEMBAR" | "ERRBAR" | "CCTL" => Ok(Op::Nop),
            "EXIT" => Ok(Op::Exit),
            "MOV" | "UMOV" | "R2UR" => Ok(Op::Mov { d: self.dst(0)?, a: self.src(1)? }),
            "CS2R" => match self.text(1)? {
                "SRZ" => Ok(Op::Clear { d: self.dst(0)?, wide: !self.has("32") }),
                other => Err(format!("special register {other}")),
            },
            "S2R" | "S2UR" => {
                let which = match self.text(1)? {
                    "SR_TID.X" => Special::Thread,
                    "SR_CTAID.X" => Special::Block,
                    "SR_LANEID" => Special::Lane,
                    other => return Err(format!("special register {other}")),
                };
                Ok(Op::Special { d: self.dst(0)?, which })
            }
            "LDC" | "ULDC" => {
                self.only(&["U8", "S8", "U16", "S16", "64"])?;
                let from = self.src(1)?.place;
                Ok(Op::LoadConst { d: self.dst(0)?, access: self.access(), from })
            }
            "IADD3" | "UIADD3" => self.add3(),
            "VIADD" => {
                let (d, zero) = (self.dst(0)?, source("RZ")?);
                let src = [self.src(1)?, self.src(2)?, zero];
                let (out, carry) = ([PredDst::True; 2], [NEVER; 2]);
                Ok(Op::Add3 { d, out, src, carry, extended: false })
            }
            "IMAD" | "UIMAD" => self.mul_add(),
            "HFMA2" => self.half_constant(),
            "LEA" | "ULEA" => self.lea(),
            "LOP3" | "ULOP3" => {
                self.only(&["LUT"])?;
                let (out, at) = match self.is_pred(0) {
                    true => (self.out(0)?, 1),
                    false => (PredDst::True, 0),
                };
                let or = self.pred_or(at + 5, NEVER)?;
                let (src, table) = (self.three(at + 1)?, self.byte(at + 4)?);
                Ok(Op::Logic { d: self.dst(at)?, out, src, table, or })
            }
            "PLOP3" | "UPLOP3" => Ok(Op::PredLogic {
                out: [self.out(0)?, self.out(1)?],
                src: [self.pred(2)?, self.pred(3)?, self.pred(4)?],
                table: [self.byte(5)?, self.byte(6)?],
            }),
            "SHF" | "USHF" => {
                self.only(&["L", "R", "W", "HI", "U32", "S32", "U64", "S64"])?;
                Ok(Op::Shift {
                    d: self.dst(0)?,
                    left: self.has("L"),
                    wrap: self.has("W"),
                    high: self.has("HI"),
                    wide: self.has("U64") || self.has("S64"),
                    signed: self.has("S32") || self.has("S64"),
                    src: self.three(1)?,
                })
            }
            "SEL" | "USEL" => {
                let (a, b, p) = (self.src(1)?, self.src(2)?, self.pred(3)?);
                Ok(Op::Select { d: self.dst(0)?, a, b, p })
            }
            "ISETP" | "UISETP" => self.compare(),
            // Of the lanes that are active, there is one.
            "VOTE" | "VOTEU" => {
                self.only(&["ANY", "ALL"])?;
                let all = [self.pred(1)?, ALWAYS, ALWAYS];
                let out = [self.out(0)?, PredDst::True];
                Ok(Op::PredLogic { out, src: all, table: [0x80, 0] })
            }
            "PRMT" | "UPRMT" => {
                self.only(&[])?;
                let [a, selector, c] = self.three(1)?;
                Ok(Op::Permute { d: self.dst(0)?, a, selector, c })
            }
            "FLO" | "UFLO" => {
                let (signed, shift) = (!self.has("U32"), self.has("SH"));
                Ok(Op::FirstOne { d: self.dst(0)?, a: self.src(1)?, signed, shift })
            }
            "POPC" | "UPOPC" => Ok(Op::CountOnes { d: self.dst(0)?, a: self.src(1)? }),
            "BREV" | "UBREV" => Ok(Op::ReverseBits { d: self.dst(0)?, a: self.src(1)? }),
            "SGXT" | "USGXT" => {
                self.only(&["U32"])?;
                let (a, bits) = (self.src(1)?, self.src(2)?);
                Ok(Op::SignExtend { d: self.dst(0)?, a, bits, signed: !self.has("U32") })
            }
            "IABS" => Ok(Op::Absolute { d: self.dst(0)?, a: self.src(1)? }),
            "VIMNMX" | "IMNMX" => {
                let (a, b, min) = (self.src(1)?, self.src(2)?, self.pred(3)?);
                Ok(Op::MinMax { d: self.dst(0)?, a, b, min, signed: !self.has("U32") })
            }
            "VIADDMNMX" => {
                let ([a, c, b], min) = (self.three(1)?, self.pred(4)?);
                Ok(Op::AddMinMax { d: self.dst(0)?, a, c, b, min, signed: !self.has("U32") })
            }
            "MUFU" => {
                self.only(&["RCP"])?;
                Ok(Op::Reciprocal { d: self.dst(0)?, a: self.src(1)? })
            }
            "I2F" | "I2FP" => {
                self.only(&["U32", "S32", "U64", "S64", "RP", "F32"])?;
                Ok(Op::ToFloat {
                    d: self.dst(0)?,
                    a: self.src(1)?,
                    wide: self.has("U64") || self.has("S64"),
                    signed: !self.has("U32") && !self.has("U64"),
                    up: self.has("RP"),
                })
            }
            "F2I" => {
                self.only(&["FTZ", "U32", "U64", "TRUNC", "NTZ"])?;
                let wide = self.has("U64");
                let signed = !wide && !self.has("U32");
                Ok(Op::FromFloat { d: self.dst(0)?, a: self.src(1)?, wide, signed })
            }
            "LDG" | "LD" | "LDL" => Ok(Op::Load {
                d: self.dst(0)?,
                space: if base == "LDL" { Space::Local } else { Space::Global },
                access: self.access(),
                from: address(self.text(1)?)?,
            }),
            "STG" | "ST" | "STL" => Ok(Op::Store {
                space: if base == "STL" { Space::Local } else { Space::Global },
                access: self.access(),
                to: address(self.text(0)?)?,
                a: self.src(1)?,
            }),
            "ATOMG" | "ATOM" => self.atomic(),
            "BRA" => match () {
                // Branches when lanes diverge: one does not.
                () if self.has("DIV") => Ok(Op::Nop),
                () if self.operands.len() == 2 => {
                    Ok(Op::Branch { target: self.label(1)?, when: self.pred(0)? })
                }
                () => Ok(Op::Branch { target: self.label(0)?, when: ALWAYS }),
            },
            "BRX" | "BRXU" => {
                let (reg, off) =
                    self.text(0)?.split_once(char::is_whitespace).ok_or("a branch to nowhere")?;
                Ok(Op::BranchTo { a: source(reg)?, off: signed_number(off.trim())? })
            }
            "CALL" => {
                let index = self.operands.len().saturating_sub(1);
                Ok(Op::Call { target: self.label(index)? })
            }
            "RET" => {
                let reg = self.text(0)?.split_whitespace().next().unwrap_or_default();
                Ok(Op::Return { a: source(reg)? })
            }
            "R2P" => Ok(Op::ToPreds { a: self.src(1)?, mask: self.byte(2)? }),
            "P2R" => Ok(Op::FromPreds { d: self.dst(0)?, a: self.src(2)?, mask: self.byte(3)? }),
            other => Err(format!("instruction {other} is not known")),
        }
    }

    fn add3(&self) -> Result<Op, String> {
        self.only(&["X"])?;
        let (out, at) = self.outs(2)?;
        let carry = [self.pred_or(at + 3, NEVER)?, self.pred_or(at + 4, NEVER)?];
        let (d, src, extended) = (self.dst(0)?, self.three(at)?, self.has("X"));
        Ok(Op::Add3 { d, out, src, carry, extended })
    }

    fn mul_add(&self) -> Result<Op, String> {
        self.only(&["MOV", "U32", "IADD", "SHL", "X", "WIDE", "HI"])?;
        let (out, at) = self.outs(1)?;
        let (d, src) = (self.dst(0)?, self.three(at)?);
        let carry = self.pred_or(at + 3, NEVER)?;
        if self.has("WIDE") || self.has("HI") {
            let (high, signed) = (self.has("HI"), !self.has("U32"));
            return Ok(Op::MulAddWide { d, high, signed, out: out[0], src, carry });
        }
        match out[0] {
            PredDst::True => Ok(Op::MulAdd { d, src, carry }),
            _ => Err("a carry out of the low half".to_owned()),
        }
    }

    /// `HFMA2.MMA R1, -RZ, RZ, x, y` puts two half-precision constants into a register.
    fn half_constant(&self) -> Result<Op, String> {
        if self.text(1)? != "-RZ" || self.text(2)? != "RZ" {
            return Err("arithmetic on halves".to_owned());
        }
        let half = |index: usize| -> Result<u32, String> {
            let text = self.text(index)?;
            let value: f64 = text.parse().map_err(|e| format!("{text}: {e}"))?;
            Ok(u32::from(f16::from_f64(value).to_bits()))
        };
        let place = Place::Imm(half(3)? << 16 | half(4)?);
        Ok(Op::Mov { d: self.dst(0)?, a: Src { place, negate: false, invert: false } })
    }

    fn lea(&self) -> Result<Op, String> {
        self.only(&["HI", "X", "SX32"])?;
        let (out, at) = self.outs(1)?;
        let (d, out, a, b) = (self.dst(0)?, out[0], self.src(at)?, self.src(at + 1)?);
        if !self.has("HI") {
            let shift = if self.operands.len() > at + 2 { self.byte(at + 2)? } else { 0 };
            return Ok(Op::Lea { d, out, a, b, shift });
        }
        let c = if self.has("SX32") { None } else { Some(self.src(at + 2)?) };
        let at = at + 2 + usize::from(c.is_some());
        let (shift, carry) = (self.byte(at)?, self.pred_or(at + 1, NEVER)?);
        Ok(Op::LeaHigh { d, out, a, b, c, shift, carry })
    }

    fn compare(&self) -> Result<Op, String> {
        let how = match self.variants.first().copied().unwrap_or_default() {
            "EQ" => Compare::Eq,
            "NE" => Compare::Ne,
            "LT" => Compare::Lt,
            "LE" => Compare::Le,
            "GT" => Compare::Gt,
            "GE" => Compare::Ge,
            other => return Err(format!("comparison {other}")),
        };
        let join = match () {
            () if self.has("AND") => Join::And,
            () if self.has("OR") => Join::Or,
            () => Join::Xor,
        };
        Ok(Op::Compare {
            out: [self.out(0)?, self.out(1)?],
            how,
            signed: !self.has("U32"),
            join,
            a: self.src(2)?,
            b: self.src(3)?,
            with: self.pred(4)?,
            low: if self.has("EX") { Some(self.pred(5)?) } else { None },
        })
    }

    fn atomic(&self) -> Result<Op, String> {
        let how = match () {
            () if self.has("ADD") => Atomic::Add,
            () if self.has("EXCH") => Atomic::Exchange,
            () if self.has("OR") => Atomic::Or,
            () if self.has("CAS") => Atomic::CompareAndSwap,
            () => return Err("this atomic is not known".to_owned()),
        };
        let b = if how == Atomic::CompareAndSwap { self.src(4)? } else { source("RZ")? };
        let (at, a, wide) = (address(self.text(2)?)?, self.src(3)?, self.has("64"));
        Ok(Op::Atomic { d: self.dst(1)?, how, wide, at, a, b })
    }
}

fn number(text: &str) -> Result<u32, String> {
    u32::try_from(signed_number(text)? & 0xffff_ffff).map_err(|e| format!("{text}: {e}"))
}

fn signed_number(text: &str) -> Result<i64, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    let value = value.map_err(|_| format!("'{text}' is no number"))?;
    Ok(if negative { -value } else { value })
}

/// `R12`, `UR3` with its prefix taken off.
fn index(text: &str, prefix: &str) -> Option<u8> {
    text.strip_prefix(prefix)?.parse().ok()
}

fn place(text: &str) -> Result<Place, String> {
    let text = text.trim_end_matches(".reuse").trim_end_matches(".64");
    if let Some(inner) = text.strip_prefix("c[") {
        let (bank, rest) = inner.split_once("][").ok_or("a constant without an offset")?;
        let (mut base, mut off) = (Base::None, 0i64);
        for term in rest.trim_end_matches(']').split('+') {
            match (index(term, "UR"), index(term, "R")) {
                (Some(i), _) => base = Base::Uniform(i),
                (_, Some(i)) => base = Base::Reg(i),
                _ if term == "RZ" || term == "URZ" => {}
                _ => off += signed_number(term)?,
            }
        }
        let bank = u8::try_from(number(bank)?).map_err(|_| "a bank beyond 255".to_owned())?;
        return Ok(Place::Const { bank, base, off: off as u32 });
    }
    match (text, index(text, "UR"), index(text, "R")) {
        ("RZ" | "URZ", ..) => Ok(Place::Zero),
        (_, Some(i), _) => Ok(Place::Uniform(i)),
        (_, _, Some(i)) => Ok(Place::Reg(i)),
        _ => Ok(Place::Imm(number(text)?)),
    }
}

fn source(text: &str) -> Result<Src, String> {
    // A negative constant is one; a negated register is not.
    if let Ok(value) = number(text) {
        return Ok(Src { place: Place::Imm(value), negate: false, invert: false });
    }
    let (negate, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (invert, text) = match text.strip_prefix('~') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    Ok(Src { place: place(text)?, negate, invert })
}

fn destination(text: &str) -> Result<Dst, String> {
    match place(text)? {
        Place::Zero => Ok(Dst::None),
        Place::Reg(i) => Ok(Dst::Reg(i)),
        Place::Uniform(i) => Ok(Dst::Uniform(i)),
        other => Err(format!("a result in {other:?}")),
    }
}

fn pred(text: &str) -> Result<Pred, String> {
    let (not, name) = match text.strip_prefix('!') {
        Some(name) => (true, name),
        None => (false, text),
    };
    let place = match (name, index(name, "UP"), index(name, "P")) {
        ("PT" | "UPT", ..) => PredDst::True,
        (_, Some(i), _) => PredDst::Uniform(i),
        (_, _, Some(i)) => PredDst::Lane(i),
        _ => return Err(format!("'{text}' is no predicate")),
    };
    Ok(Pred { place, not })
}

/// `desc[UR6][R2.64+0x10]`, `[R1+-0x8]`.
fn address(text: &str) -> Result<Address, String> {
    let text = match text.strip_prefix("desc[") {
        Some(rest) => rest.split_once(']').ok_or("an address without an end")?.1,
        None => text,
    };
    let mut address = Address { reg: None, uniform: None, off: 0 };
    for term in text.trim_start_matches('[').trim_end_matches(']').split('+') {
        let term = term.trim_end_matches(".reuse");
        let (name, wide) = match term.strip_suffix(".64") {
            Some(name) => (name, true),
            None => (term, false),
        };
        match (index(name, "UR"), index(name, "R")) {
            (Some(i), _) if address.uniform.is_none() => address.uniform = Some((i, wide)),
            (_, Some(i)) if address.reg.is_none() => address.reg = Some((i, wide)),
            _ if name == "RZ" || name == "URZ" => {}
            _ => address.off += signed_number(name)?,
        }
    }
    Ok(address)
}
