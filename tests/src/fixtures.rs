//! Where the test data that is not part of the repository lies, and what happens without it.
//!
//! A test that needs such data starts with [`fixture!`](crate::fixture). Without the data it is
//! skipped, visibly: it prints why and how to get the data, and notes the same in the file that
//! `WARPEVM_SKIPS` names, from which `cargo xtask test` makes its closing table. With
//! `WARPEVM_STRICT=1` it fails instead. So a green strict run has skipped nothing.

use std::path::{Path, PathBuf};
use warpevm::conformance::fixtures;
pub use warpevm::conformance::fixtures::FIXTURES_VAR;

pub use crate::skip::{SKIPS_VAR, STRICT_VAR, Skip, skip};

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap_or(root)
}

/// The folder of the fixtures: `WARPEVM_FIXTURES`, else `../shared/fixtures` beside the clone.
pub fn fixtures_dir() -> Option<PathBuf> {
    fixtures::folder(&workspace())
}

/// The file or folder `name` of the fixtures, for example `conformance/dev.tar.zst`.
pub fn require(name: &str) -> Result<PathBuf, Skip> {
    fixtures::require(fixtures_dir().as_deref(), name).map_err(Skip)
}

/// The path of a fixture, or a visible skip and a return from the test.
///
/// ```no_run
/// # fn main() {
/// let archive = warpevm_tests::fixture!("state_tests", "conformance/dev.tar.zst");
/// # let _: std::path::PathBuf = archive;
/// # }
/// ```
#[macro_export]
macro_rules! fixture {
    ($test:expr, $name:expr) => {
        match $crate::fixtures::require($name) {
            Ok(path) => path,
            Err(reason) => return $crate::fixtures::skip($test, &reason),
        }
    };
}
