//! Where the data lies that is not part of the repository.

use std::path::{Path, PathBuf};

/// Says where the fixtures lie.
pub const FIXTURES_VAR: &str = "WARPEVM_FIXTURES";

/// The folder of the fixtures: `WARPEVM_FIXTURES`, else `../shared/fixtures` beside `clone`.
pub fn folder(clone: &Path) -> Option<PathBuf> {
    let folder = match std::env::var_os(FIXTURES_VAR) {
        Some(folder) => PathBuf::from(folder),
        None => clone.join("../shared/fixtures"),
    };
    folder.is_dir().then_some(folder)
}

/// The file or folder `name` of the fixtures; else that it is missing and how to get it.
pub fn require(folder: Option<&Path>, name: &str) -> Result<PathBuf, String> {
    let how = format!("{}; put it where {FIXTURES_VAR} says, see docs/TESTING.md", origin(name));
    let Some(folder) = folder else {
        return Err(format!("there is no folder of fixtures ({name}: {how})"));
    };
    let path = folder.join(name);
    if path.exists() { Ok(path) } else { Err(format!("{name} is not there ({how})")) }
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
        Some("peers") => {
            "the workloads of https://github.com/sbip-sg/CuEVM, as state tests in a folder of \
             that name"
        }
        _ => "collected from the repositories that its index names",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_its_origin() {
        let missing = require(None, "conformance/dev.tar.zst").unwrap_err();
        assert!(missing.contains("no folder of fixtures"), "{missing}");
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let missing = require(Some(here), "conformance/dev.tar.zst").unwrap_err();
        assert!(missing.contains("conformance/dev.tar.zst is not there"), "{missing}");
        assert!(missing.contains("execution-spec-tests"), "{missing}");
    }

    #[test]
    fn what_is_there_is_found() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(require(Some(here), "Cargo.toml"), Ok(here.join("Cargo.toml")));
    }
}
