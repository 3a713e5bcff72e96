//! The files of a suite: one file, a folder's JSON files, or those of a `.tar.zst`.

use crate::input::InputError;
use std::fs;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

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

/// What takes the files of a suite: each, or why it cannot be read, which need not end the rest.
pub type Visit<'a> = dyn FnMut(Result<TestFile, InputError>) -> Result<(), InputError> + 'a;

/// Calls `visit` with every JSON file of `path`, in the order of an archive or of the names. Returns
/// how many were left out since they lie in a folder whose name begins with a dot, as the `.meta` of
/// execution-spec-tests does, or have such a name: those are no tests.
pub fn visit(path: &Path, visit: &mut Visit<'_>) -> Result<u64, InputError> {
    visit_kind(path, "json", visit)
}

/// The same for another kind of file, by the extension of its name.
pub fn visit_kind(path: &Path, kind: &str, visit: &mut Visit<'_>) -> Result<u64, InputError> {
    if path.is_dir() {
        let mut names = Vec::new();
        list(path, kind, &mut names)?;
        names.sort();
        let mut hidden = 0;
        for name in names {
            let short = name.strip_prefix(path).unwrap_or(&name);
            if is_hidden(short) {
                hidden += 1;
                continue;
            }
            let bytes = fs::read(&name).map_err(|e| InputError::io(&name, e));
            visit(bytes.map(|bytes| TestFile { name: short.display().to_string(), bytes }))?;
        }
        return Ok(hidden);
    }
    if path.extension().is_some_and(|e| e == "zst") {
        return visit_archive(path, kind, visit);
    }
    let bytes = fs::read(path).map_err(|e| InputError::io(path, e));
    visit(bytes.map(|bytes| TestFile { name: path.display().to_string(), bytes }))?;
    Ok(0)
}

/// Whether a path has a part that begins with a dot.
fn is_hidden(path: &Path) -> bool {
    path.components().any(|part| match part {
        Component::Normal(name) => name.as_encoded_bytes().starts_with(b"."),
        _ => false,
    })
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

fn visit_archive(path: &Path, kind: &str, visit: &mut Visit<'_>) -> Result<u64, InputError> {
    let io = |e| InputError::io(path, e);
    let file = fs::File::open(path).map_err(io)?;
    let mut zstd = zstd::Decoder::new(BufReader::new(file)).map_err(io)?;
    zstd.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(io)?;
    let mut hidden = 0;
    for entry in tar::Archive::new(zstd).entries().map_err(io)? {
        let mut entry = entry.map_err(io)?;
        let name = entry.path().map_err(io)?.display().to_string();
        if !entry.header().entry_type().is_file()
            || Path::new(&name).extension().is_none_or(|e| e != kind)
        {
            continue;
        }
        if is_hidden(Path::new(&name)) {
            hidden += 1;
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(io)?;
        visit(Ok(TestFile { name, bytes }))?;
    }
    Ok(hidden)
}
