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
pub const RUN: &[Module<'static>] = &[];
/// Precompiles but those below, one module after the other.
pub const PRECOMPILES: &[Module<'static>] = &[HOST_PRECOMPILES];
/// Modexp.
pub const MODEXP: &[Module<'static>] = &[HOST_PRECOMPILES];
/// Pairings, KZG, BLS12-381.
pub const CURVES: &[Module<'static>] = &[HOST_PRECOMPILES];

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
