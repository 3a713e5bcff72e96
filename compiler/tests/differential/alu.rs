//! 256-bit arithmetic written from the yellow paper, apart from what the compiler folds with.

use alloy_primitives::U256;
use warpevm_compiler::opcode::op;

fn negative(v: U256) -> bool {
    v.bit(255)
}

fn abs(v: U256) -> U256 {
    if negative(v) { U256::ZERO.wrapping_sub(v) } else { v }
}

fn signed_less(a: U256, b: U256) -> bool {
    match (negative(a), negative(b)) {
        (true, false) => true,
        (false, true) => false,
        _ => a < b,
    }
}

fn with_sign(v: U256, minus: bool) -> U256 {
    if minus { U256::ZERO.wrapping_sub(v) } else { v }
}

/// Double and add: no wide product needed.
fn mul_mod(a: U256, b: U256, m: U256) -> U256 {
    let mut sum = U256::ZERO;
    for i in (0..256).rev() {
        sum = sum.add_mod(sum, m);
        if b.bit(i) {
            sum = sum.add_mod(a, m);
        }
    }
    sum
}

/// The result of a pure opcode.
pub fn alu(byte: u8, a: U256, b: U256, c: U256) -> U256 {
    let flag = |v: bool| if v { U256::ONE } else { U256::ZERO };
    let bits = |v: U256| if v > U256::from(255) { 256 } else { v.to::<usize>() };
    match byte {
        op::ADD => a.wrapping_add(b),
        op::MUL => a.wrapping_mul(b),
        op::SUB => a.wrapping_sub(b),
        op::DIV => {
            if b.is_zero() {
                b
            } else {
                a / b
            }
        }
        op::SDIV => {
            if b.is_zero() {
                b
            } else {
                with_sign(abs(a) / abs(b), negative(a) != negative(b))
            }
        }
        op::MOD => {
            if b.is_zero() {
                b
            } else {
                a % b
            }
        }
        op::SMOD => {
            if b.is_zero() {
                b
            } else {
                with_sign(abs(a) % abs(b), negative(a))
            }
        }
        op::ADDMOD => {
            if c.is_zero() {
                c
            } else {
                let (a, b) = (a % c, b % c);
                let (sum, carry) = a.overflowing_add(b);
                if carry || sum >= c { sum.wrapping_sub(c) } else { sum }
            }
        }
        op::MULMOD => {
            if c.is_zero() {
                c
            } else {
                mul_mod(a % c, b % c, c)
            }
        }
        op::EXP => (0..256).rev().fold(U256::ONE, |power, i| {
            let square = power.wrapping_mul(power);
            if b.bit(i) { square.wrapping_mul(a) } else { square }
        }),
        op::SIGNEXTEND => {
            if a > U256::from(30) {
                return b;
            }
            let top = a.to::<usize>() * 8 + 7;
            let mut out = b;
            for i in top..256 {
                out.set_bit(i, b.bit(top));
            }
            out
        }
        op::LT => flag(a < b),
        op::GT => flag(a > b),
        op::SLT => flag(signed_less(a, b)),
        op::SGT => flag(signed_less(b, a)),
        op::EQ => flag(a == b),
        op::ISZERO => flag(a.is_zero()),
        op::AND => a & b,
        op::OR => a | b,
        op::XOR => a ^ b,
        op::NOT => !a,
        op::BYTE => match a > U256::from(31) {
            true => U256::ZERO,
            false => U256::from(b.to_be_bytes::<32>()[a.to::<usize>()]),
        },
        op::SHL => {
            if bits(a) == 256 {
                U256::ZERO
            } else {
                b << bits(a)
            }
        }
        op::SHR => {
            if bits(a) == 256 {
                U256::ZERO
            } else {
                b >> bits(a)
            }
        }
        op::SAR => {
            let mut out = U256::ZERO;
            for i in 0..256 {
                let from = i + bits(a);
                out.set_bit(i, b.bit(from.min(255)));
            }
            out
        }
        op::CLZ => U256::from((0..256).take_while(|i| !a.bit(255 - i)).count()),
        other => unreachable!("{other:#04x} is not arithmetic"),
    }
}
