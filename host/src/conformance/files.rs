//! The files of a suite: one file, a folder's JSON files, or those of a `.tar.zst`.

use crate::input::InputError;
use crate::input::archive::Archive;
use crate::input::bytes::{self, Opened};
use crate::input::tree::{self, is_hidden};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// One file of a suite.
#[derive(Debug)]
pub struct TestFile {
    /// Path inside its folder or archive; of a file that was named itself, as it was named.
    pub name: String,
    /// The same with the folder or archive.
    pub place: String,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// What takes the files of a suite: each, or why it cannot be read, which need not end the rest.
pub type Visit<'a> = dyn FnMut(Result<TestFile, InputError>) -> Result<(), InputError> + 'a;

/// Calls `visit` with every JSON file of `path` (`-` is standard input), in the order of an archive
/// or of the names. Returns how many were left out since they lie in a folder whose name begins
/// with a dot, as the `.meta` of execution-spec-tests does, or have such a name: those are no
/// tests.
pub fn visit(path: &Path, visit: &mut Visit<'_>) -> Result<u64, InputError> {
    visit_kind(path, "json", visit)
}

/// The same for another kind of file, by the extension of its name.
pub fn visit_kind(path: &Path, kind: &str, visit: &mut Visit<'_>) -> Result<u64, InputError> {
    let name = path.display().to_string();
    match bytes::open(path)? {
        Opened::Folder => visit_folder(path, kind, visit),
        Opened::Archive(archive) => visit_archive(&archive, kind, visit),
        Opened::Json(bytes) => visit(Ok(TestFile { place: name.clone(), name, bytes })).map(|()| 0),
        Opened::Unknown => Err(InputError::NoTests { file: name }),
    }
}

fn is_kind(path: &Path, kind: &str) -> bool {
    path.extension().is_some_and(|extension| extension == kind)
}

fn visit_folder(folder: &Path, kind: &str, visit: &mut Visit<'_>) -> Result<u64, InputError> {
    let tree = tree::walk(folder)?;
    let mut hidden = 0;
    // A file with several names is one file: the first name is its own, if it has one here.
    let mut seen = HashSet::new();
    let mut files: BTreeMap<PathBuf, Result<PathBuf, InputError>> = BTreeMap::new();
    for file in tree.files.into_iter().filter(|file| is_kind(&file.path, kind)) {
        if is_hidden(&file.path) {
            hidden += 1;
        } else if seen.insert(file.own.clone()) {
            files.insert(file.path, Ok(file.own));
        }
    }
    let errors = tree.errors.into_iter().filter(|(path, _)| !is_hidden(path));
    files.extend(errors.map(|(path, error)| (path, Err(error))));
    for (path, own) in files {
        let bytes = own.and_then(|own| {
            fs::read(own).map_err(|error| InputError::io(&folder.join(&path), error))
        });
        let place = folder.join(&path).display().to_string();
        visit(bytes.map(|bytes| TestFile { name: path.display().to_string(), place, bytes }))?;
    }
    Ok(hidden)
}

fn visit_archive(archive: &Archive, kind: &str, visit: &mut Visit<'_>) -> Result<u64, InputError> {
    let mut hidden = 0;
    let mut seen = HashSet::new();
    let names = archive.visit(|path, read| {
        if !is_kind(path, kind) {
            return Ok(());
        }
        if is_hidden(path) {
            hidden += 1;
            return Ok(());
        }
        if !seen.insert(path.to_owned()) {
            let entry = path.display().to_string();
            return visit(Err(InputError::Twice { archive: archive.name.clone(), entry }));
        }
        hand_over(archive, path, read(), visit)
    })?;
    let (second, nowhere) = names.follow();
    for (link, target) in nowhere.into_iter().filter(|(link, _)| !is_hidden(link)) {
        let place = format!("{}: {}", archive.name, link.display());
        let (target, why) = (target.display().to_string(), "not in the archive".to_owned());
        visit(Err(InputError::Link { place, target, why }))?;
    }
    // What only a link makes a test: it has passed by, so the archive is read again.
    let mut only: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for (path, own) in second {
        if is_kind(&path, kind) && !is_hidden(&path) && !seen.contains(&own) {
            only.entry(own).or_insert(path);
        }
    }
    if !only.is_empty() {
        archive.visit(|path, read| match only.remove(path) {
            Some(name) => hand_over(archive, &name, read(), visit),
            None => Ok(()),
        })?;
    }
    Ok(hidden)
}

/// A file that is too large need not end the rest; an archive that is damaged does.
fn hand_over(
    archive: &Archive,
    path: &Path,
    read: Result<Vec<u8>, InputError>,
    visit: &mut Visit<'_>,
) -> Result<(), InputError> {
    match read {
        Err(error) if error.ends_archive() => Err(error),
        read => {
            let name = path.display().to_string();
            let place = format!("{}: {name}", archive.name);
            visit(read.map(|bytes| TestFile { name, place, bytes }))
        }
    }
}
