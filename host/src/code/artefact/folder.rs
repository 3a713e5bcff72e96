//! The folder of artefacts: names, who may write there, what lies in it.
//!
//! A file is `HASH.SPEC.PASSES.VERSION.program`, in a subfolder named by the first byte of the
//! hash: folders of 100,000 files are slow on some file systems. While it is written it has another
//! name beside that one.

use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use alloy_primitives::B256;
use serde::Serialize;
use warpevm_compiler::{Spec, VERSION};

use super::form::ArtefactKey;
use crate::limits::{ARTEFACT_TEMPORARY_SECONDS, ARTEFACT_UNIT_BYTES};

/// What the names of files end with.
const EXTENSION: &str = "program";
/// What the names of files begin with while they are written.
const TEMPORARY: &str = ".new-";

/// An artefact as it lies in its folder. Its content was not looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Artefact {
    /// keccak256 of the code.
    pub hash: B256,
    /// The rules and prices.
    pub spec: Spec,
    /// The passes, as [`warpevm_compiler::Options::bits`].
    pub passes: u32,
    /// Whether this compiler made it: else this build never reads it.
    pub current: bool,
    /// Bytes that it takes on disk.
    pub bytes: u64,
    /// When it was written or, to a day, last read.
    pub used: SystemTime,
    #[serde(skip)]
    path: PathBuf,
}

/// The file of a key.
pub fn path_of(folder: &Path, key: &ArtefactKey) -> PathBuf {
    let ArtefactKey { hash, spec, passes, .. } = key;
    let name = format!("{hash:x}.{spec}.{passes:04x}.{VERSION:032x}.{EXTENSION}");
    folder.join(format!("{:02x}", hash[0])).join(name)
}

/// What a name says: hash, spec, passes, and whether the compiler is this one.
fn parse(name: &str) -> Option<(B256, Spec, u32, bool)> {
    let parts: Vec<&str> = name.split('.').collect();
    let [hash, spec, passes, version, EXTENSION] = parts[..] else { return None };
    let hash = hash.parse().ok().filter(|_| hash.len() == 2 * B256::len_bytes())?;
    let spec = Spec::ALL.into_iter().find(|known| known.name() == spec)?;
    let passes = u32::from_str_radix(passes, 16).ok()?;
    let version = u128::from_str_radix(version, 16).ok()?;
    Some((hash, spec, passes, version == VERSION))
}

/// Bytes that a file of this length takes on disk.
pub fn on_disk(bytes: u64) -> u64 {
    bytes.saturating_add(ARTEFACT_UNIT_BYTES - 1) / ARTEFACT_UNIT_BYTES * ARTEFACT_UNIT_BYTES
}

/// Who this process is, as files know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(#[cfg(unix)] u32);

impl Owner {
    #[cfg(unix)]
    fn of(file: &Metadata) -> Owner {
        Owner(std::os::unix::fs::MetadataExt::uid(file))
    }

    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Owner {
        Owner()
    }

    /// Why someone else may have written a file, or may write in a folder. Elsewhere than on Unix
    /// the system's lists of rights hold, which nobody looks at here.
    #[cfg(unix)]
    pub fn distrusts(self, file: &Metadata) -> Option<&'static str> {
        use std::os::unix::fs::MetadataExt;
        const ROOT: Owner = Owner(0);
        const OTHERS_WRITE: u32 = 0o022;
        match Owner::of(file) {
            owner if owner != self && owner != ROOT => Some("it belongs to another user"),
            _ if file.mode() & OTHERS_WRITE != 0 => Some("other users may write it (chmod go-w)"),
            _ => None,
        }
    }

    /// The same.
    #[cfg(not(unix))]
    pub fn distrusts(self, _: &Metadata) -> Option<&'static str> {
        None
    }
}

/// Makes the folder where there is none, and checks that only this user and root may write there.
pub fn open(folder: &Path) -> io::Result<(PathBuf, Owner)> {
    make(folder)?;
    // Links that are changed later lead nowhere else.
    let folder = folder.canonicalize()?;
    // Files that it makes are this user's, so one tells who that is. It also tells whether they
    // can be made.
    let (path, file) = new_file(&folder)?;
    let owner = file.metadata().map(|made| Owner::of(&made));
    fs::remove_file(path)?;
    let owner = owner?;
    match owner.distrusts(&fs::metadata(&folder)?) {
        Some(why) => Err(io::Error::new(io::ErrorKind::PermissionDenied, why)),
        None => Ok((folder, owner)),
    }
}

/// Makes a folder that is for this user alone.
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// A file with a name that nobody else has, for this user alone.
fn new_file(folder: &Path) -> io::Result<(PathBuf, File)> {
    // Processes that do not see each other may have one id, so names are random.
    let name = format!("{TEMPORARY}{:016x}", RandomState::new().build_hasher().finish());
    let path = folder.join(name);
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.write(true).create_new(true).open(&path)?;
    Ok((path, file))
}

/// Writes a file so that whoever has its name sees all of it. After a failure nothing is left.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().expect("it lies in a subfolder");
    let (temporary, mut file) = match new_file(folder) {
        // It is the first there, or was removed while it was empty.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(folder)?;
            new_file(folder)?
        }
        made => made?,
    };
    let written = file.write_all(bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Removes a file; whether it was there.
pub fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// What a folder has.
#[derive(Debug, Default)]
pub struct Content {
    /// Artefacts of any compiler, in no order.
    pub artefacts: Vec<Artefact>,
    /// Files that are being written, or that a process left which was killed.
    temporaries: Vec<(PathBuf, SystemTime)>,
    /// Subfolders.
    folders: Vec<PathBuf>,
}

impl Content {
    /// Looks through a folder; one that was removed has nothing. Files that have no name of ours
    /// are left out.
    pub fn read(folder: &Path) -> io::Result<Content> {
        let mut content = Content::default();
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(content),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let is_hex = |name: &str| name.bytes().all(|digit| digit.is_ascii_hexdigit());
            let shard = name.len() == 2 && name.to_str().is_some_and(is_hex);
            if shard && entry.file_type()?.is_dir() {
                content.folders.push(entry.path());
            } else {
                content.file(&entry);
            }
        }
        for at in 0..content.folders.len() {
            match fs::read_dir(&content.folders[at]) {
                // Another process removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                entries => entries?.try_for_each(|entry| entry.map(|e| content.file(&e)))?,
            }
        }
        Ok(content)
    }

    /// Takes in a file, unless another process removes it meanwhile.
    fn file(&mut self, entry: &fs::DirEntry) {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { return };
        let (found, temporary) = (parse(name), name.starts_with(TEMPORARY));
        if found.is_none() && !temporary {
            return;
        }
        let Ok(there) = entry.metadata() else { return };
        let used = there.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let (bytes, path) = (on_disk(there.len()), entry.path());
        match found {
            Some((hash, spec, passes, current)) => {
                let artefact = Artefact { hash, spec, passes, current, bytes, used, path };
                self.artefacts.push(artefact);
            }
            None => self.temporaries.push((path, used)),
        }
    }

    /// Bytes of the artefacts.
    pub fn bytes(&self) -> u64 {
        self.artefacts.iter().map(|artefact| artefact.bytes).sum()
    }

    /// Removes files of processes that were killed: those which nobody can be writing still.
    pub fn remove_leftovers(&mut self) {
        let max = Duration::from_secs(ARTEFACT_TEMPORARY_SECONDS);
        let now = SystemTime::now();
        self.temporaries.retain(|(path, made)| {
            // Clocks are set back, too.
            let age = now.duration_since(*made).unwrap_or_else(|ahead| ahead.duration());
            let old = age > max;
            if old {
                let _ = fs::remove_file(path);
            }
            !old
        });
    }

    /// Removes the artefacts that were not used for longest until the others take at most so many
    /// bytes; tells what it removed.
    pub fn prune(&mut self, bytes_max: u64) -> io::Result<Pruned> {
        let (mut left, mut pruned) = (self.bytes(), Pruned::default());
        // The last is the oldest.
        self.artefacts.sort_unstable_by(|a, b| (b.used, &b.path).cmp(&(a.used, &a.path)));
        while left > bytes_max
            && let Some(oldest) = self.artefacts.pop()
        {
            left -= oldest.bytes;
            if remove(&oldest.path)? {
                pruned.programs += 1;
                pruned.bytes += oldest.bytes;
            }
        }
        Ok(pruned)
    }

    /// Removes everything that is ours.
    pub fn clear(&mut self) -> io::Result<Pruned> {
        let pruned = self.prune(0)?;
        for (path, _) in self.temporaries.drain(..) {
            remove(&path)?;
        }
        // One that is not empty stays: another process has just put something there.
        self.folders.drain(..).for_each(|folder| drop(fs::remove_dir(folder)));
        Ok(pruned)
    }
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Artefacts.
    pub programs: u64,
    /// Bytes that they took.
    pub bytes: u64,
}
