//! The precompile table: every fact about a precompiled contract but its prices ([`crate::gas`])
//! stands here, once.

use crate::spec::Spec;

/// What runs calls of a precompile where kernels are split: by what they take of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// The interpreter itself.
    Interpreter,
    /// The kernel of those that take little.
    Plain,
    /// A kernel with a workspace.
    Modexp,
    /// A kernel with a large stack.
    Curves,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precompile {
    /// The name.
    pub name: &'static str,
    /// The address, as a number.
    pub number: u32,
    /// The first spec that has it.
    pub since: Spec,
    /// What runs it.
    pub runner: Runner,
}

macro_rules! precompiles {
    ($($name:ident $number:literal $since:ident $runner:ident)*) => {
        /// Every precompile of every spec, in the order of the addresses.
        pub const PRECOMPILES: &[Precompile] = &[$(Precompile {
            name: stringify!($name),
            number: $number,
            since: Spec::$since,
            runner: Runner::$runner,
        }),*];
    };
}

precompiles! {
    ECRECOVER 0x01 Frontier Plain
    SHA256 0x02 Frontier Plain
    RIPEMD160 0x03 Frontier Plain
    IDENTITY 0x04 Frontier Interpreter
    MODEXP 0x05 Byzantium Modexp
    BN254_ADD 0x06 Byzantium Plain
    BN254_MUL 0x07 Byzantium Plain
    BN254_PAIRING 0x08 Byzantium Curves
    BLAKE2F 0x09 Istanbul Plain
    KZG_POINT_EVALUATION 0x0a Cancun Curves
    BLS_G1_ADD 0x0b Prague Curves
    BLS_G1_MSM 0x0c Prague Curves
    BLS_G2_ADD 0x0d Prague Curves
    BLS_G2_MSM 0x0e Prague Curves
    BLS_PAIRING 0x0f Prague Curves
    BLS_MAP_G1 0x10 Prague Curves
    BLS_MAP_G2 0x11 Prague Curves
    P256_VERIFY 0x100 Osaka Plain
}

/// The address that has bit 0 of a set: those below 32 have the bit of their number.
pub const FAR: u32 = 0x100;

/// The bit of address `number` in sets of precompiles, 0 where none can be.
pub const fn bit(number: u32) -> u32 {
    match number {
        1..32 => 1 << number,
        FAR => 1,
        _ => 0,
    }
}

/// The row of `number`, if any spec has it.
pub fn by_number(number: u32) -> Option<&'static Precompile> {
    PRECOMPILES.iter().find(|row| row.number == number)
}

impl Spec {
    /// The set of its precompiles, by [`bit`].
    pub const fn precompiles(self) -> u32 {
        let mut set = 0;
        let mut i = 0;
        while i < PRECOMPILES.len() {
            if self.includes(PRECOMPILES[i].since) {
                set |= bit(PRECOMPILES[i].number);
            }
            i += 1;
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_each_has_a_bit_of_its_own() {
        assert!(PRECOMPILES.windows(2).all(|rows| rows[0].number < rows[1].number));
        let bits = PRECOMPILES.iter().fold(0u32, |set, row| {
            assert!(bit(row.number).count_ones() == 1 && set & bit(row.number) == 0);
            set | bit(row.number)
        });
        assert_eq!(Spec::Osaka.precompiles(), bits);
        assert_eq!([0, 32, 0xff, 0x101].map(bit), [0; 4]);
    }
}
