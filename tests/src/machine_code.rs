//! Machine code for sm_90 that `cargo xtask cuda` has compiled and disassembled.

use std::path::PathBuf;

use warpevm_sass::Kernel;

use crate::fixtures::{Skip, skip};

/// Names the folder of cubins and what the disassembler prints of them.
pub const CUBINS_VAR: &str = "WARPEVM_CUBINS";

/// A kernel of a module; `None` is a visible skip of `test`.
pub fn kernel(test: &str, module: &str, name: &str) -> Option<Kernel> {
    let Some(folder) = std::env::var_os(CUBINS_VAR).map(PathBuf::from) else {
        let how = "there is no machine code to run; `cargo xtask test` compiles it";
        skip(test, &Skip(how.to_owned()));
        return None;
    };
    let read = |kind: &str| {
        let path = folder.join(format!("{module}.{kind}"));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let text = String::from_utf8_lossy(&read("sass")).into_owned();
    let kernel = Kernel::new(name, &read("cubin"), &text);
    Some(kernel.unwrap_or_else(|error| panic!("{error}")))
}
