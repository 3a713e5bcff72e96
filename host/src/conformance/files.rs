//! The files of a suite: one file, a folder's JSON files, or those of a `.tar.zst`.

use crate::input::InputError;
use std::fs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Window of the largest zstd archives that are read, as a power of two: what `zstd --long` writes.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// One file of a suite.
#[derive(Debug)]
pub struct TestFile {
    /// Path inside its folder or archive.
    pub name: String,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// Calls `visit` with every JSON file of `path`, in the order of an archive or of the names.
pub fn visit(
    path: &Path,
    visit: &mut dyn FnMut(TestFile) -> Result<(), InputError>,
) -> Result<(), InputError> {
    visit_kind(path, "json", visit)
}

/// The same for another kind of file, by the extension of its name.
pub fn visit_kind(
    path: &Path,
    kind: &str,
    visit: &mut dyn FnMut(TestFile) -> Result<(), InputError>,
) -> Result<(), InputError> {
    if path.is_dir() {
        let mut names = Vec::new();
        list(path, kind, &mut names)?;
        names.sort();
        for name in names {
            let bytes = fs::read(&name).map_err(|e| InputError::io(&name, e))?;
            let short = name.strip_prefix(path).unwrap_or(&name);
            visit(TestFile { name: short.display().to_string(), bytes })?;
        }
        return Ok(());
    }
    if path.extension().is_some_and(|e| e == "zst") {
        return visit_archive(path, kind, visit);
    }
    let bytes = fs::read(path).map_err(|e| InputError::io(path, e))?;
    visit(TestFile { name: path.display().to_string(), bytes })
}

fn list(folder: &Path, kind: &str, names: &mut Vec<PathBuf>) -> Result<(), InputError> {
    for entry in fs::read_dir(folder).map_err(|e| InputError::io(folder, e))? {
        let path = entry.map_err(|e| InputError::io(folder, e))?.path();
        if path.is_dir() {
            list(&path, kind, names)?;
        } else if path.extension().is_some_and(|e| e == kind) {
            names.push(path);
        }
    }
    Ok(())
}

fn visit_archive(
    path: &Path,
    kind: &str,
    visit: &mut dyn FnMut(TestFile) -> Result<(), InputError>,
) -> Result<(), InputError> {
    let io = |e| InputError::io(path, e);
    let file = fs::File::open(path).map_err(io)?;
    let mut zstd = zstd::Decoder::new(BufReader::new(file)).map_err(io)?;
    zstd.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(io)?;
    for entry in tar::Archive::new(zstd).entries().map_err(io)? {
        let mut entry = entry.map_err(io)?;
        let name = entry.path().map_err(io)?.display().to_string();
        if !entry.header().entry_type().is_file()
            || Path::new(&name).extension().is_none_or(|e| e != kind)
        {
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(io)?;
        visit(TestFile { name, bytes })?;
    }
    Ok(())
}
