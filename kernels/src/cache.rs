//! Where compiled and fetched things are kept from run to run.

use std::path::PathBuf;

/// Names the folder; else it is `warpevm` in `XDG_CACHE_HOME` or `~/.cache`.
pub const CACHE_VAR: &str = "WARPEVM_CACHE";

/// The folder; `None` where nothing says which.
pub fn cache_dir() -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os(CACHE_VAR) {
        return Some(PathBuf::from(dir));
    }
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache"),
    };
    Some(base.join("warpevm"))
}
