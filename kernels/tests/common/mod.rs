//! What the tests of the op library share: inputs, and what the ops must give.

#![allow(dead_code, reason = "each test uses its part")]

pub mod precompiles;

use alloy_primitives::{I256, U256, U512, keccak256};

pub const SEED: u64 = 0x5eed_0001;

/// A 256-bit word as the device lays it out.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
pub struct Word(pub [u64; 4]);

impl From<U256> for Word {
    fn from(x: U256) -> Self {
        Self(x.into_limbs())
    }
}

impl Word {
    pub fn value(self) -> U256 {
        U256::from_limbs(self.0)
    }
}

pub const ZERO: Word = Word([0; 4]);

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.u64() % n
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.u64() as u8).collect()
    }

    pub fn uniform(&mut self) -> U256 {
        U256::from_limbs([self.u64(), self.u64(), self.u64(), self.u64()])
    }

    /// A word that is likely to reach a corner: powers of two and their neighbours, sparse and
    /// all-ones limbs of either size, short words, small numbers, or uniform.
    pub fn word(&mut self) -> U256 {
        match self.below(12) {
            0 => U256::from(self.below(4)),
            1 => U256::ZERO.wrapping_sub(U256::from(self.below(4))),
            2 => (U256::from(1) << self.below(256)).wrapping_sub(U256::from(self.below(3))),
            3 => U256::ZERO.wrapping_sub(U256::from(1) << self.below(256)),
            4 => U256::from(self.below(300)),
            // Small in its low limb only.
            5 if self.below(2) == 0 => {
                U256::from(self.below(34)) | (U256::from(1) << (64 + self.below(192)))
            }
            5 => U256::from(self.u64()),
            6 => {
                // Limbs of 32 bits that are 0, all ones, a high bit, or random.
                let mut limbs = [0u64; 4];
                for limb in &mut limbs {
                    *limb = self.edge_u32() | (self.edge_u32() << 32);
                }
                U256::from_limbs(limbs)
            }
            7 => {
                (U256::from(1) << 255usize).wrapping_sub(U256::from(self.below(3))) + U256::from(1)
            }
            8 => U256::from(32 * self.below(9) + self.below(3)).saturating_sub(U256::from(1)),
            9 | 10 => self.uniform() >> self.below(256),
            _ => self.uniform(),
        }
    }

    pub fn edge_u32(&mut self) -> u64 {
        match self.below(4) {
            0 => 0,
            1 => 0xffff_ffff,
            2 => 0x8000_0000,
            _ => self.u64() & 0xffff_ffff,
        }
    }

    /// Three operands, often related: equal, neighbours, or a multiple.
    pub fn operands(&mut self) -> [U256; 3] {
        let a = self.word();
        let b = match self.below(8) {
            0 => a,
            1 => a.wrapping_add(U256::from(1)),
            2 => a.wrapping_sub(U256::from(1)),
            3 => a.wrapping_mul(U256::from(self.below(1 << 32))),
            _ => self.word(),
        };
        let c = match self.below(8) {
            0 => a,
            1 => b.wrapping_add(U256::from(1)),
            2 => a.wrapping_add(b),
            _ => self.word(),
        };
        [a, b, c]
    }
}

pub fn flag(b: bool) -> U256 {
    U256::from(b)
}

pub fn signed(a: U256) -> I256 {
    I256::from_raw(a)
}

pub fn sdiv(a: U256, b: U256) -> U256 {
    if b.is_zero() { b } else { signed(a).wrapping_div(signed(b)).into_raw() }
}

pub fn smod(a: U256, b: U256) -> U256 {
    if b.is_zero() { b } else { signed(a).wrapping_rem(signed(b)).into_raw() }
}

pub fn signextend(k: U256, x: U256) -> U256 {
    if k >= U256::from(31) {
        return x;
    }
    let bit = 8 * k.to::<usize>() + 7;
    let mask = (U256::from(1) << bit).wrapping_sub(U256::from(1));
    if x.bit(bit) { x | !mask } else { x & mask }
}

pub fn byte(i: U256, x: U256) -> U256 {
    if i >= U256::from(32) { U256::ZERO } else { U256::from(x.byte(31 - i.to::<usize>())) }
}

pub fn amount(k: U256) -> usize {
    k.saturating_to::<usize>().min(256)
}

pub fn sar(k: usize, x: U256) -> U256 {
    x.arithmetic_shr(k)
}

pub fn hash_word(bytes: &[u8]) -> U256 {
    keccak256(bytes).into()
}

pub type Reference = fn(U256, U256, U256) -> U256;

/// Index = op number in `cuda/op_test.cpp`.
pub const WORD_OPS: &[(&str, Reference)] = &[
    ("add", |a, b, _| a.wrapping_add(b)),
    ("sub", |a, b, _| a.wrapping_sub(b)),
    ("mul", |a, b, _| a.wrapping_mul(b)),
    ("div", |a, b, _| a.checked_div(b).unwrap_or_default()),
    ("sdiv", |a, b, _| sdiv(a, b)),
    ("mod", |a, b, _| a.checked_rem(b).unwrap_or_default()),
    ("smod", |a, b, _| smod(a, b)),
    ("addmod", |a, b, m| a.add_mod(b, m)),
    ("mulmod", |a, b, m| a.mul_mod(b, m)),
    ("exp", |a, b, _| a.wrapping_pow(b)),
    ("signextend", |a, b, _| signextend(a, b)),
    ("lt", |a, b, _| flag(a < b)),
    ("gt", |a, b, _| flag(a > b)),
    ("slt", |a, b, _| flag(signed(a) < signed(b))),
    ("sgt", |a, b, _| flag(signed(a) > signed(b))),
    ("eq", |a, b, _| flag(a == b)),
    ("is_zero", |a, _, _| flag(a.is_zero())),
    ("bit_and", |a, b, _| a & b),
    ("bit_or", |a, b, _| a | b),
    ("bit_xor", |a, b, _| a ^ b),
    ("bit_not", |a, _, _| !a),
    ("byte_at", |a, b, _| byte(a, b)),
    ("shl", |a, b, _| b.wrapping_shl(amount(a))),
    ("shr", |a, b, _| b.wrapping_shr(amount(a))),
    ("sar", |a, b, _| sar(amount(a), b)),
    ("clz", |a, _, _| U256::from(a.leading_zeros())),
    ("shl_k", |a, b, _| b.wrapping_shl(a.byte(0) as usize)),
    ("shr_k", |a, b, _| b.wrapping_shr(a.byte(0) as usize)),
    ("sar_k", |a, b, _| sar(a.byte(0) as usize, b)),
    ("low_u64", |a, _, _| U256::from(a.as_limbs()[0])),
    ("fits_u64", |a, _, _| flag(a <= U256::from(u64::MAX))),
    ("fits_u32", |a, _, _| flag(a <= U256::from(u32::MAX))),
    ("bswap", |a, _, _| U256::from_le_bytes(a.to_be_bytes::<32>())),
    ("be_bytes", |a, _, _| a),
    ("to_be_bytes", |a, _, _| a >> 192usize),
    ("mul_full_high", |a, b, _| wide_product(a, b).1),
    ("mul_full_low", |a, b, _| wide_product(a, b).0),
    ("u64_at", |a, b, c| {
        let (a, b, c) = (a.as_limbs(), b.as_limbs(), c.as_limbs());
        U256::from_limbs([a[3], b[2], c[1], a[0]])
    }),
    ("neg", |a, _, _| a.wrapping_neg()),
    ("bit_length", |a, _, _| U256::from(a.bit_len())),
    ("is_negative", |a, _, _| flag(a.bit(255))),
    ("keccak256_1", |a, _, _| hash_word(&a.to_be_bytes::<32>())),
    ("keccak256_2", |a, b, _| hash_word(&[a.to_be_bytes::<32>(), b.to_be_bytes::<32>()].concat())),
    ("copy", |a, _, _| a),
];

pub fn wide_product(a: U256, b: U256) -> (U256, U256) {
    let product: U512 = a.widening_mul(b);
    let l = product.as_limbs();
    (U256::from_limbs([l[0], l[1], l[2], l[3]]), U256::from_limbs([l[4], l[5], l[6], l[7]]))
}

/// All pairs of a few values that are corners for nearly every op, before the random ones.
pub fn corner_operands() -> Vec<[U256; 3]> {
    let one = U256::from(1);
    let corners = [
        U256::ZERO,
        one,
        U256::from(2),
        U256::from(31),
        U256::from(32),
        U256::from(255),
        U256::from(256),
        U256::from(u32::MAX),
        U256::from(u64::MAX),
        U256::from(u128::MAX),
        one << 32usize,
        one << 64usize,
        one << 128usize,
        one << 192usize,
        one << 255usize,
        (one << 255usize) - one,
        U256::MAX,
        U256::MAX - one,
    ];
    let mut out = Vec::new();
    for a in corners {
        for b in corners {
            out.extend(corners.map(|c| [a, b, c]));
        }
    }
    out
}

/// The cases of op `op` (its number seeds the generator): corners first, then random ones.
pub fn word_cases(op: usize, count: usize) -> Vec<[U256; 3]> {
    let mut rng = Rng(SEED + op as u64);
    let mut cases = corner_operands();
    while cases.len() < count {
        cases.push(rng.operands());
    }
    cases
}
