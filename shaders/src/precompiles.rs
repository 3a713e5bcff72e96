//! The kernels of precompiles: which files make each module. The entry point of all is `main`.

use crate::{File, Module, NUMBERS};

/// What every kernel over waiting instances needs, then its own files.
macro_rules! module {
    ($name:literal, $($file:literal),*) => {
        Module {
            name: $name,
            files: &[
                NUMBERS,
                file!("generated/layout.wgsl"),
                file!("bindings.wgsl"),
                file!("lane.wgsl"),
                file!("bytes.wgsl"),
                file!("op/num64.wgsl"),
                file!("op/word.wgsl"),
                file!("precompile/call.wgsl"),
                $(file!($file)),*
            ],
        }
    };
}

/// 0x02, 0x03 and 0x09: SHA-256, RIPEMD-160, BLAKE2b's F.
pub const HASHES: Module<'static> = module!(
    "hashes",
    "op/md_padding.wgsl",
    "op/sha256.wgsl",
    "op/ripemd160.wgsl",
    "op/blake2f.wgsl",
    "precompile/hashes.wgsl"
);

/// 0x05: modular exponentiation.
pub const MODEXP: Module<'static> = module!("modexp", "op/modexp.wgsl", "precompile/modexp.wgsl");

/// 0x01, 0x06, 0x07 and 0x100: ECRECOVER, addition and multiplication on alt_bn128, P256VERIFY.
pub const CURVES: Module<'static> = module!(
    "curves",
    "op/keccak.wgsl",
    "generated/curves.wgsl",
    "op/field.wgsl",
    "precompile/curves.wgsl"
);
