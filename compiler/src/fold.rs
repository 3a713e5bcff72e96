//! What is an op of constants, or an op that does nothing, equal to?
//!
//! # Terms
//! [`evaluate`] computes an op whose operands are all constants. [`Builder::simplify`] rewrites
//! one op into a value that exists already or into a cheaper op; it is one step, the builder
//! repeats it.
//!
//! # Soundness
//! Every rule is an identity of 256-bit arithmetic, or uses an upper bound of a value that
//! [`Node::bits`](crate::graph::Node::bits) holds. None changes gas: static gas is charged by the
//! section, whatever op an inst became, and ops with dynamic gas are not rewritten here.

use crate::build::Builder;
use crate::program::OpKind;
use crate::value::{ConstPool, Val};
use alloy_primitives::{I256, U256};

/// Exponents up to here are folded; a hostile code may hold thousands of EXP of constants.
const EXPONENT_MAX: u64 = 0xffff;

/// An op before it becomes a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub kind: OpKind,
    pub args: [Val; 3],
    pub imm: u32,
}

impl Draft {
    pub fn new(kind: OpKind, args: &[Val]) -> Draft {
        let mut all = [Val::NONE; 3];
        all[..args.len()].copy_from_slice(args);
        Draft { kind, args: all, imm: 0 }
    }

    fn with_imm(mut self, imm: u32) -> Draft {
        self.imm = imm;
        self
    }
}

/// What a rule made of an op.
pub(crate) enum Step {
    /// The value exists already.
    Value(Val),
    /// Another op is equal and not dearer.
    Op(Draft),
    /// No rule applies.
    Keep,
}

fn bool_word(value: bool) -> U256 {
    U256::from(u8::from(value))
}

fn shift_of(value: &U256) -> Option<usize> {
    (*value < U256::from(256)).then(|| value.to::<usize>())
}

/// The result of a pure op on constants; `None` for kinds that are not pure arithmetic.
pub fn evaluate(kind: OpKind, a: U256, b: U256, c: U256, imm: u32) -> Option<U256> {
    let signed = |v: U256| I256::from_raw(v);
    Some(match kind {
        OpKind::Add => a.wrapping_add(b),
        OpKind::Mul => a.wrapping_mul(b),
        OpKind::Sub => a.wrapping_sub(b),
        OpKind::Div => a.checked_div(b).unwrap_or_default(),
        OpKind::Mod => a.checked_rem(b).unwrap_or_default(),
        OpKind::Sdiv | OpKind::Smod if b.is_zero() => U256::ZERO,
        OpKind::Sdiv => signed(a).wrapping_div(signed(b)).into_raw(),
        OpKind::Smod => signed(a).wrapping_rem(signed(b)).into_raw(),
        OpKind::AddMod => a.add_mod(b, c),
        OpKind::MulMod => a.mul_mod(b, c),
        OpKind::ExpK | OpKind::Exp if b <= U256::from(EXPONENT_MAX) => a.wrapping_pow(b),
        OpKind::SignExtend => match a < U256::from(31) {
            true => {
                let shift = 248 - 8 * a.to::<usize>();
                (b << shift).arithmetic_shr(shift)
            }
            false => b,
        },
        OpKind::Lt => bool_word(a < b),
        OpKind::Gt => bool_word(a > b),
        OpKind::Slt => bool_word(signed(a) < signed(b)),
        OpKind::Sgt => bool_word(signed(a) > signed(b)),
        OpKind::Eq => bool_word(a == b),
        OpKind::IsZero => bool_word(a.is_zero()),
        OpKind::NotZero => bool_word(!a.is_zero()),
        OpKind::And => a & b,
        OpKind::Or => a | b,
        OpKind::Xor => a ^ b,
        OpKind::Not => !a,
        OpKind::Byte => match a < U256::from(32) {
            true => U256::from(b.byte(31 - a.to::<usize>())),
            false => U256::ZERO,
        },
        OpKind::Shl => shift_of(&a).map_or(U256::ZERO, |n| b << n),
        OpKind::Shr => shift_of(&a).map_or(U256::ZERO, |n| b >> n),
        OpKind::Sar => b.arithmetic_shr(shift_of(&a).unwrap_or(255)),
        OpKind::ShlK => a << imm as usize,
        OpKind::ShrK => a >> imm as usize,
        OpKind::SarK => a.arithmetic_shr(imm as usize),
        OpKind::Clz => U256::from(a.leading_zeros()),
        _ => return None,
    })
}

/// Two to the power of `n`, minus one.
fn low_mask(n: usize) -> U256 {
    if n >= 256 { U256::MAX } else { (U256::ONE << n) - U256::ONE }
}

/// The exponent, if `value` is a power of two.
fn power_of_two(value: &U256) -> Option<u32> {
    value.is_power_of_two().then(|| value.trailing_zeros() as u32)
}

const ZERO: Step = Step::Value(ZERO_VAL);
const ZERO_VAL: Val = Val::constant(ConstPool::ZERO);

impl Builder<'_> {
    /// The value of a constant operand.
    pub(crate) fn constant_of(&self, v: Val) -> Option<U256> {
        self.view().constant_of(v)
    }

    /// The draft that made `v`, if a node of this kind did.
    fn made_by(&self, v: Val, kind: OpKind) -> Option<Draft> {
        let node = self.region.node(v.as_node()?);
        (node.kind == kind).then_some(Draft { kind, args: node.args, imm: node.imm })
    }

    /// One rewriting step of a pure op.
    pub(crate) fn simplify(&mut self, op: Draft) -> Step {
        let [a, b, c] = op.args;
        let (ka, kb, kc) = (self.constant_of(a), self.constant_of(b), self.constant_of(c));
        if self.options.fold {
            let all = (ka.is_some() || a == Val::NONE)
                && (kb.is_some() || b == Val::NONE)
                && (kc.is_some() || c == Val::NONE);
            if all && a != Val::NONE {
                let word = |k: Option<U256>| k.unwrap_or_default();
                if let Some(value) = evaluate(op.kind, word(ka), word(kb), word(kc), op.imm) {
                    return Step::Value(self.constant(value));
                }
            }
            match self.identity(op, ka, kb, kc) {
                Step::Keep => {}
                step => return step,
            }
        }
        if self.options.strength { self.cheaper(op, ka, kb) } else { Step::Keep }
    }

    /// Algebraic identities.
    fn identity(
        &mut self,
        op: Draft,
        ka: Option<U256>,
        kb: Option<U256>,
        kc: Option<U256>,
    ) -> Step {
        let [a, b, _] = op.args;
        let zero = |k: Option<U256>| k.is_some_and(|k| k.is_zero());
        let one = |k: Option<U256>| k == Some(U256::ONE);
        let same = a == b;
        match op.kind {
            OpKind::Add | OpKind::Or | OpKind::Xor | OpKind::Sub if zero(kb) => Step::Value(a),
            OpKind::Add | OpKind::Or | OpKind::Xor if zero(ka) => Step::Value(b),
            OpKind::Sub | OpKind::Xor if same => ZERO,
            OpKind::Mul | OpKind::And if zero(ka) || zero(kb) => ZERO,
            OpKind::Mul | OpKind::Div | OpKind::Sdiv | OpKind::ExpK if one(kb) => Step::Value(a),
            OpKind::Mul if one(ka) => Step::Value(b),
            OpKind::Div | OpKind::Sdiv | OpKind::Mod | OpKind::Smod if zero(ka) || zero(kb) => ZERO,
            OpKind::Mod | OpKind::Smod if one(kb) => ZERO,
            OpKind::AddMod | OpKind::MulMod if zero(kc) || one(kc) => ZERO,
            OpKind::ExpK if zero(kb) => Step::Value(self.constant(U256::ONE)),
            OpKind::And | OpKind::Or if same => Step::Value(a),
            OpKind::And if kb == Some(U256::MAX) => Step::Value(a),
            OpKind::And if ka == Some(U256::MAX) => Step::Value(b),
            OpKind::Eq if same => Step::Value(self.constant(U256::ONE)),
            OpKind::Lt | OpKind::Gt | OpKind::Slt | OpKind::Sgt if same => ZERO,
            OpKind::Lt if zero(kb) => ZERO,
            OpKind::Gt if zero(ka) => ZERO,
            OpKind::Shl | OpKind::Shr if zero(kb) => ZERO,
            OpKind::Shl | OpKind::Shr | OpKind::Sar if zero(ka) => Step::Value(b),
            OpKind::Shl | OpKind::Shr if ka.is_some_and(|k| k >= U256::from(256)) => ZERO,
            OpKind::ShlK | OpKind::ShrK | OpKind::SarK if op.imm == 0 => Step::Value(a),
            OpKind::SignExtend if ka.is_some_and(|k| k >= U256::from(31)) => Step::Value(b),
            OpKind::Byte if ka.is_some_and(|k| k >= U256::from(32)) => ZERO,
            OpKind::Not => match self.made_by(a, OpKind::Not) {
                Some(inner) => Step::Value(inner.args[0]),
                None => Step::Keep,
            },
            OpKind::CallDataLoad if ka.is_some_and(|k| k > U256::from(u32::MAX)) => ZERO,
            OpKind::CallDataLoad => match ka {
                Some(k) => Step::Op(Draft::new(OpKind::CallDataLoadK, &[]).with_imm(k.to())),
                None => Step::Keep,
            },
            _ => self.reassociate(op, kb),
        }
    }

    /// Gathers constants of nested sums and masks; constants stand second already.
    fn reassociate(&mut self, op: Draft, kb: Option<U256>) -> Step {
        let [a, _, _] = op.args;
        let Some(k) = kb else { return Step::Keep };
        match op.kind {
            OpKind::Sub => {
                let minus = self.constant(k.wrapping_neg());
                Step::Op(Draft::new(OpKind::Add, &[a, minus]))
            }
            OpKind::Add | OpKind::And | OpKind::Or | OpKind::Xor => {
                let Some(inner) = self.made_by(a, op.kind) else { return Step::Keep };
                let Some(first) = self.constant_of(inner.args[1]) else { return Step::Keep };
                let both = match op.kind {
                    OpKind::Add => first.wrapping_add(k),
                    OpKind::And => first & k,
                    OpKind::Or => first | k,
                    _ => first ^ k,
                };
                let both = self.constant(both);
                Step::Op(Draft::new(op.kind, &[inner.args[0], both]))
            }
            _ => Step::Keep,
        }
    }

    /// Cheaper ops for dear ones.
    fn cheaper(&mut self, op: Draft, ka: Option<U256>, kb: Option<U256>) -> Step {
        let [a, b, _] = op.args;
        let shift = |kind, v, n| Step::Op(Draft::new(kind, &[v]).with_imm(n));
        match op.kind {
            OpKind::Mul | OpKind::Div | OpKind::Mod if kb.is_some() => {
                let Some(n) = kb.as_ref().and_then(power_of_two) else { return Step::Keep };
                match op.kind {
                    OpKind::Mul => shift(OpKind::ShlK, a, n),
                    OpKind::Div => shift(OpKind::ShrK, a, n),
                    _ => {
                        let mask = self.constant(low_mask(n as usize));
                        Step::Op(Draft::new(OpKind::And, &[a, mask]))
                    }
                }
            }
            OpKind::Shl | OpKind::Shr | OpKind::Sar => {
                let Some(k) = ka else { return Step::Keep };
                let n = match shift_of(&k) {
                    Some(n) => n,
                    None if op.kind == OpKind::Sar => 255,
                    None => return ZERO,
                };
                let kind = match op.kind {
                    OpKind::Shl => OpKind::ShlK,
                    OpKind::Shr => OpKind::ShrK,
                    _ => OpKind::SarK,
                };
                shift(kind, b, n as u32)
            }
            OpKind::ExpK if kb == Some(U256::from(2)) => Step::Op(Draft::new(OpKind::Mul, &[a, a])),
            OpKind::Byte if ka == Some(U256::from(31)) => {
                let mask = self.constant(U256::from(0xff));
                Step::Op(Draft::new(OpKind::And, &[b, mask]))
            }
            OpKind::ShlK | OpKind::ShrK => self.shift_of_shift(op),
            _ => self.cheaper_test(op, ka, kb),
        }
    }

    /// A constant shift of a constant shift is one shift or one mask.
    fn shift_of_shift(&mut self, op: Draft) -> Step {
        let a = op.args[0];
        if let Some(inner) = self.made_by(a, op.kind) {
            return match inner.imm + op.imm {
                256.. => ZERO,
                n => Step::Op(Draft::new(op.kind, &[inner.args[0]]).with_imm(n)),
            };
        }
        let other = if op.kind == OpKind::ShlK { OpKind::ShrK } else { OpKind::ShlK };
        match self.made_by(a, other) {
            Some(inner) if inner.imm == op.imm => {
                let n = op.imm as usize;
                let mask = match op.kind {
                    OpKind::ShrK => low_mask(256 - n),
                    _ => !low_mask(n),
                };
                let mask = self.constant(mask);
                Step::Op(Draft::new(OpKind::And, &[inner.args[0], mask]))
            }
            _ => Step::Keep,
        }
    }

    /// Tests against small constants and of other tests.
    fn cheaper_test(&mut self, op: Draft, ka: Option<U256>, kb: Option<U256>) -> Step {
        let [a, b, _] = op.args;
        let zero = |k: Option<U256>| k.is_some_and(|k| k.is_zero());
        let one = |k: Option<U256>| k == Some(U256::ONE);
        let unary = |kind, v| Step::Op(Draft::new(kind, &[v]));
        match op.kind {
            OpKind::Eq if zero(kb) => unary(OpKind::IsZero, a),
            OpKind::Lt if one(kb) => unary(OpKind::IsZero, a),
            OpKind::Lt if zero(ka) => unary(OpKind::NotZero, b),
            OpKind::Gt if zero(kb) => unary(OpKind::NotZero, a),
            OpKind::Gt if one(ka) => unary(OpKind::IsZero, b),
            OpKind::IsZero | OpKind::NotZero => {
                let negate = op.kind == OpKind::IsZero;
                for (kind, is_zero) in [(OpKind::IsZero, true), (OpKind::NotZero, false)] {
                    if let Some(inner) = self.made_by(a, kind) {
                        let kind = if negate == is_zero { OpKind::NotZero } else { OpKind::IsZero };
                        return unary(kind, inner.args[0]);
                    }
                }
                if let (true, Some(inner)) = (negate, self.made_by(a, OpKind::Add))
                    && let Some(k) = self.constant_of(inner.args[1])
                {
                    let minus = self.constant(k.wrapping_neg());
                    return Step::Op(Draft::new(OpKind::Eq, &[inner.args[0], minus]));
                }
                for kind in [OpKind::Sub, OpKind::Xor] {
                    if let (true, Some(inner)) = (negate, self.made_by(a, kind)) {
                        return Step::Op(Draft::new(OpKind::Eq, &inner.args[..2]));
                    }
                }
                Step::Keep
            }
            _ => Step::Keep,
        }
    }
}
