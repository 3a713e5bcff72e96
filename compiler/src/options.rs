//! Which passes run. All of them by default; the switches exist for ablation and for tests.

use serde::{Deserialize, Serialize};

/// Declares the switches, each with its name.
macro_rules! switches {
    ($($(#[doc = $doc:literal])* $field:ident $name:literal,)*) => {
        /// Switches of the passes; every combination yields a correct program.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Options {
            $($(#[doc = $doc])* pub $field: bool,)*
        }

        impl Options {
            /// Everything on.
            pub const ALL: Options = Options { $($field: true,)* };

            /// Everything off: one bb at a time, each instruction an op.
            pub const NONE: Options = Options { $($field: false,)* };

            /// The switches by name, in the order of the fields.
            pub const NAMES: [&'static str; [$($name),*].len()] = [$($name),*];

            /// The switches as bits, in the order of [`Options::NAMES`].
            pub fn bits(&self) -> u32 {
                let all = [$(self.$field),*];
                all.iter().enumerate().fold(0, |bits, (at, on)| bits | u32::from(*on) << at)
            }

            /// The switch called `name` (one of [`Options::NAMES`]).
            pub fn by_name(&mut self, name: &str) -> Option<&mut bool> {
                match name {
                    $($name => Some(&mut self.$field),)*
                    _ => None,
                }
            }
        }
    };
}

switches! {
    /// Constant folding and algebraic identities.
    fold "fold",
    /// Cheaper ops for expensive ones (shifts for powers of two, constant-shift forms).
    strength "strength",
    /// Common subexpressions, equal keccaks included.
    cse "cse",
    /// Remove ops whose results nobody reads.
    dce "dce",
    /// Forward values stored in EVM memory to later loads and keccaks of the same bb.
    forward_memory "forward-memory",
    /// Remove stores to EVM memory that nobody can read.
    dead_stores "dead-stores",
    /// Forward storage values to later loads of the same key in the same bb.
    forward_storage "forward-storage",
    /// Compare and branch in one op.
    fuse "fuse",
    /// Continue a bb through unconditional jumps with known targets.
    merge "merge",
    /// Compile code separately for each known set of return addresses.
    contexts "contexts",
    /// Follow constants on the stack, and the size of EVM memory, from bb to bb.
    facts "facts",
    /// Don't write stack slots that no successor reads.
    liveness "liveness",
    /// Share values between ebbs along a path: see [`crate::graph`].
    regions "regions",
}

impl Default for Options {
    fn default() -> Options {
        Options::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_has_a_bit() {
        for (at, name) in Options::NAMES.iter().enumerate() {
            let mut options = Options::NONE;
            *options.by_name(name).expect("it is one") = true;
            assert_eq!(options.bits(), 1 << at, "{name}");
        }
        assert_eq!(Options::NONE.bits(), 0);
        assert_eq!(Options::ALL.bits(), (1 << Options::NAMES.len()) - 1);
    }
}
