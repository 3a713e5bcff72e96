//! Tests that cannot run here say so, visibly.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;

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

/// Makes a skip visible; panics in strict mode. The macro `fixture!` calls it.
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
