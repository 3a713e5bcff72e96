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

/// Says where the fixtures lie.
pub const FIXTURES_VAR: &str = "WARPEVM_FIXTURES";
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
    let dir = match std::env::var_os(FIXTURES_VAR) {
        Some(dir) => PathBuf::from(dir),
        None => workspace().join("../shared/fixtures"),
    };
    dir.is_dir().then_some(dir)
}

/// The file or folder `name` of the fixtures, for example `conformance/dev.tar.zst`.
pub fn require(name: &str) -> Result<PathBuf, Skip> {
    require_in(fixtures_dir().as_deref(), name)
}

fn require_in(dir: Option<&Path>, name: &str) -> Result<PathBuf, Skip> {
    let how = format!("{}; put it where {FIXTURES_VAR} says, see docs/TESTING.md", origin(name));
    let Some(dir) = dir else {
        return Err(Skip(format!("there is no folder of fixtures ({name}: {how})")));
    };
    let path = dir.join(name);
    if path.exists() { Ok(path) } else { Err(Skip(format!("{name} is not there ({how})"))) }
}

/// Where data of this kind comes from.
fn origin(name: &str) -> &'static str {
    match name.split('/').next() {
        Some("conformance") => {
            "from the releases of https://github.com/ethereum/execution-spec-tests and from \
             https://github.com/ethereum/tests"
        }
        Some("mainnet") => {
            "blocks and their pre-state from an archive node: eth_getBlockByNumber and \
             debug_traceTransaction with prestateTracer"
        }
        _ => "collected from the repositories that its index names",
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_its_origin() {
        let skip = require_in(None, "conformance/dev.tar.zst").unwrap_err();
        assert!(skip.0.contains("no folder of fixtures"), "{skip}");
        let here = workspace();
        let skip = require_in(Some(&here), "conformance/dev.tar.zst").unwrap_err();
        assert!(skip.0.contains("conformance/dev.tar.zst is not there"), "{skip}");
        assert!(skip.0.contains("execution-spec-tests"), "{skip}");
    }

    #[test]
    fn what_is_there_is_found() {
        let here = workspace();
        assert_eq!(require_in(Some(&here), "Cargo.toml"), Ok(here.join("Cargo.toml")));
    }
}
