//! Where the test data that is not part of the repository lies, and what happens without it.
//!
//! A test that needs such data starts with [`fixture!`]. Without the data it is skipped, visibly:
//! it prints why and how to get the data, and notes the same in the file that `WARPEVM_SKIPS`
//! names, from which `cargo xtask test` makes its closing table. With `WARPEVM_STRICT=1` it fails
//! instead. So a green strict run has skipped nothing.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use warpevm::conformance::fixtures;
pub use warpevm::conformance::fixtures::FIXTURES_VAR;

/// `1` turns every skip into a failure.
pub const STRICT_VAR: &str = "WARPEVM_STRICT";
/// Names the file to which every skip is appended, one a line: test, tab, reason.
pub const SKIPS_VAR: &str = "WARPEVM_SKIPS";

/// Why a test cannot run here, and what would change that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip(pub String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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

/// Makes a skip visible; panics in strict mode. [`fixture!`] calls it.
pub fn skip(test: &str, reason: &Skip) {
    let strict = std::env::var(STRICT_VAR).is_ok_and(|value| value == "1");
    assert!(!strict, "{test} would be skipped, which {STRICT_VAR}=1 forbids: {reason}");
    println!("SKIPPED {test}: {reason}");
    if let Some(file) = std::env::var_os(SKIPS_VAR) {
        let line = format!("{test}\t{}\n", reason.0.replace(['\n', '\t'], " "));
        // One write per line: tests of several processes append to the same file.
        let opened = OpenOptions::new().create(true).append(true).open(&file);
        let written = opened.and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            panic!("the skip of {test} could not be noted in {}: {error}", file.display());
        }
    }
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
