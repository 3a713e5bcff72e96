//! Which passes run. All of them by default; the switches exist for ablation and for tests.

use serde::{Deserialize, Serialize};

/// Switches of the passes; every combination yields a correct program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Constant folding and algebraic identities.
    pub fold: bool,
    /// Cheaper ops for expensive ones (shifts for powers of two, constant-shift forms).
    pub strength: bool,
    /// Common subexpressions, equal keccaks included.
    pub cse: bool,
    /// Remove ops whose results nobody reads.
    pub dce: bool,
    /// Forward values stored in EVM memory to later loads and keccaks of the same bb.
    pub forward_memory: bool,
    /// Remove stores to EVM memory that nobody can read.
    pub dead_stores: bool,
    /// Forward storage values to later loads of the same key in the same bb.
    pub forward_storage: bool,
    /// Compare and branch in one op.
    pub fuse: bool,
    /// Continue a bb through unconditional jumps with known targets.
    pub merge: bool,
    /// Compile code separately for each known set of return addresses.
    pub contexts: bool,
    /// Follow constants on the stack, and the size of EVM memory, from bb to bb.
    pub facts: bool,
    /// Don't write stack slots that no successor reads.
    pub liveness: bool,
    /// Share values between ebbs along a path: see [`crate::graph`].
    pub regions: bool,
}

impl Options {
    /// Everything on.
    pub const ALL: Options = Options {
        fold: true,
        strength: true,
        cse: true,
        dce: true,
        forward_memory: true,
        dead_stores: true,
        forward_storage: true,
        fuse: true,
        merge: true,
        contexts: true,
        facts: true,
        liveness: true,
        regions: true,
    };

    /// Everything off: one bb at a time, each instruction an op.
    pub const NONE: Options = Options {
        fold: false,
        strength: false,
        cse: false,
        dce: false,
        forward_memory: false,
        dead_stores: false,
        forward_storage: false,
        fuse: false,
        merge: false,
        contexts: false,
        facts: false,
        liveness: false,
        regions: false,
    };

    /// The switches by name, in the order of the fields.
    pub const NAMES: [&'static str; 13] = [
        "fold",
        "strength",
        "cse",
        "dce",
        "forward-memory",
        "dead-stores",
        "forward-storage",
        "fuse",
        "merge",
        "contexts",
        "facts",
        "liveness",
        "regions",
    ];

    /// The switches as bits, in the order of [`Options::NAMES`].
    pub fn bits(&self) -> u32 {
        // Taken apart, so that a switch that is added cannot be forgotten.
        let Options {
            fold,
            strength,
            cse,
            dce,
            forward_memory,
            dead_stores,
            forward_storage,
            fuse,
            merge,
            contexts,
            facts,
            liveness,
            regions,
        } = *self;
        let all = [
            fold,
            strength,
            cse,
            dce,
            forward_memory,
            dead_stores,
            forward_storage,
            fuse,
            merge,
            contexts,
            facts,
            liveness,
            regions,
        ];
        all.iter().enumerate().fold(0, |bits, (at, on)| bits | u32::from(*on) << at)
    }

    /// The switch called `name` (one of [`Options::NAMES`]).
    pub fn by_name(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "fold" => &mut self.fold,
            "strength" => &mut self.strength,
            "cse" => &mut self.cse,
            "dce" => &mut self.dce,
            "forward-memory" => &mut self.forward_memory,
            "dead-stores" => &mut self.dead_stores,
            "forward-storage" => &mut self.forward_storage,
            "fuse" => &mut self.fuse,
            "merge" => &mut self.merge,
            "contexts" => &mut self.contexts,
            "facts" => &mut self.facts,
            "liveness" => &mut self.liveness,
            "regions" => &mut self.regions,
            _ => return None,
        })
    }
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
