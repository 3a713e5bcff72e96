//! The kernels: which files make each module. The entry point of all is `main`.

use crate::{BINDINGS, BYTES, File, LANE, LAYOUT, Module, NUM64, NUMBERS, WORD};

/// A module over instances: what all of them need, then its own files.
macro_rules! module {
    ($name:literal, $($file:literal),*) => {
        Module {
            name: $name,
            files: &[
                NUMBERS,
                LAYOUT,
                BINDINGS,
                LANE,
                BYTES,
                NUM64,
                WORD,
                $(file!($file)),*
            ],
        }
    };
}

/// A module over the state table.
macro_rules! table_module {
    ($name:literal, $file:literal) => {
        Module {
            name: $name,
            files: &[
                NUMBERS,
                LAYOUT,
                BINDINGS,
                NUM64,
                WORD,
                file!("run/hash.wgsl"),
                file!("manage/index.wgsl"),
                file!($file),
            ],
        }
    };
}

/// Makes instances ready.
pub const START: Module<'static> = module!("start", "manage/start.wgsl");
/// Packs what instances did or need.
pub const COLLECT: Module<'static> = module!("collect", "manage/collect.wgsl");
/// Gives instances what they suspended for.
pub const ANSWER: Module<'static> = module!("answer", "manage/answer.wgsl");
/// Leaves precompiles to the host that no kernel took.
pub const HOST_PRECOMPILES: Module<'static> =
    module!("host precompiles", "manage/host_precompiles.wgsl");
/// Precompiles 0x02, 0x03 and 0x09: SHA-256, RIPEMD-160, BLAKE2b's F.
pub const HASHES: Module<'static> = module!(
    "hashes",
    "precompile/call.wgsl",
    "generated/gas.wgsl",
    "op/md_padding.wgsl",
    "op/sha256.wgsl",
    "op/ripemd160.wgsl",
    "op/blake2f.wgsl",
    "precompile/hashes.wgsl"
);
/// Precompiles 0x01, 0x06, 0x07 and 0x100: ECRECOVER, sums and products on alt_bn128, P256VERIFY.
pub const POINTS: Module<'static> = module!(
    "points",
    "precompile/call.wgsl",
    "generated/gas.wgsl",
    "op/keccak.wgsl",
    "generated/points.wgsl",
    "generated/field.wgsl",
    "op/field.wgsl",
    "op/field_256.wgsl",
    "precompile/points.wgsl"
);
/// Precompile 0x05.
pub const MODULAR_POWER: Module<'static> = module!(
    "modexp",
    "precompile/call.wgsl",
    "generated/gas.wgsl",
    "op/modexp.wgsl",
    "precompile/modexp.wgsl"
);
/// Precompile 0x08: the pairing check on alt_bn128.
pub const BN254_PAIRING: Module<'static> = module!(
    "bn254 pairing",
    "precompile/call.wgsl",
    "generated/gas.wgsl",
    "generated/bn254_pairing.wgsl",
    "generated/field.wgsl",
    "op/field.wgsl",
    "op/field_256.wgsl",
    "precompile/bn254_pairing.wgsl"
);
/// Precompiles 0x0a to 0x11: point evaluation, BLS12-381.
pub const BLS12_381: Module<'static> = module!(
    "bls12_381",
    "precompile/call.wgsl",
    "generated/gas.wgsl",
    "op/md_padding.wgsl",
    "op/sha256.wgsl",
    "generated/bls12_381.wgsl",
    "generated/field.wgsl",
    "op/field.wgsl",
    "op/field_384.wgsl",
    "precompile/bls12_381.wgsl"
);
/// Indexes new accounts of the state table.
pub const INDEX_ACCOUNTS: Module<'static> =
    table_module!("index accounts", "manage/index_accounts.wgsl");
/// Indexes new slots of the state table.
pub const INDEX_SLOTS: Module<'static> = table_module!("index slots", "manage/index_slots.wgsl");
/// Writes records to places.
pub const SCATTER: Module<'static> = Module {
    name: "scatter",
    files: &[NUMBERS, LAYOUT, BINDINGS, file!("state.wgsl"), file!("manage/scatter.wgsl")],
};

/// The interpreter.
pub const INTERPRETER: Module<'static> = module!(
    "run",
    "state.wgsl",
    "op/keccak.wgsl",
    "run/hash.wgsl",
    "run/vm.wgsl",
    "run/buffer.wgsl",
    "run/memory.wgsl",
    "run/state.wgsl",
    "run/ops.wgsl",
    "run/frame.wgsl",
    "run/tx.wgsl",
    "run/run.wgsl",
    "generated/gas.wgsl"
);

/// Runs instances until they are done or suspended.
pub const RUN: &[Module<'static>] = &[INTERPRETER];
/// Precompiles but those below, one module after the other.
pub const PRECOMPILES: &[Module<'static>] = &[HASHES, POINTS, HOST_PRECOMPILES];
/// Modexp.
pub const MODEXP: &[Module<'static>] = &[MODULAR_POWER, HOST_PRECOMPILES];
/// Pairings, KZG, BLS12-381.
pub const CURVES: &[Module<'static>] = &[BN254_PAIRING, BLS12_381, HOST_PRECOMPILES];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::validate;

    #[test]
    fn every_module_is_valid() {
        let single =
            [START, COLLECT, ANSWER, HOST_PRECOMPILES, INDEX_ACCOUNTS, INDEX_SLOTS, SCATTER];
        let lists = [RUN, PRECOMPILES, MODEXP, CURVES].concat();
        for module in single.iter().chain(&lists) {
            let names: Vec<&str> = module.files.iter().map(|file| file.name).collect();
            assert!(names.iter().all(|name| names.iter().filter(|n| n == &name).count() == 1));
            let valid = validate(module.files);
            assert!(valid.entry_points.iter().any(|entry| entry.name == "main"), "{}", module.name);
        }
    }
}
