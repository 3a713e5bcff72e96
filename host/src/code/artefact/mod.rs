//! Artefacts: compiled programs, kept on disk from process to process.
//!
//! A program is kept by all that it follows from: the code's hash, the spec, the passes, and the
//! compiler's version, which is a hash of its sources ([`warpevm_compiler::VERSION`]).
//!
//! # What is promised
//! - **Damage is a miss.** A file that was cut, altered or moved to another name, that is of
//!   another machine or claims lengths which it does not have, gives no program: its key, its
//!   lengths and a checksum over all of it are checked, then the program's contract with the
//!   kernels ([`warpevm_compiler::verify`]). Nothing is allocated that the file does not have bytes
//!   for. It is removed, counted, and the code is compiled again.
//! - **The folder is trusted as the binary is.** Whoever can write files of this user, or root, can
//!   have any program run for a code, as he could replace the binary: no check sees that. A key for
//!   the checksum would lie beside it, and keep nobody out. So files of other users, and files and
//!   folders that others may write, are not used (on Unix); what is made here, only its user may
//!   read. `docs/decisions/018-artefacts.md` has the alternatives.
//! - **Any number of processes** may use one folder. Files get their names when they are whole. Two
//!   that write one key write the same program. After a loss of power a file may be damaged.
//! - **Bounded.** After a sixteenth of the bound was written, the folder is looked through, and
//!   what was not used for longest is dropped. One process keeps the bound; each further one that
//!   writes at the same time may be a sixteenth beyond it.
//! - **Nothing here fails a caller.** Without a place to write, programs are compiled as ever, and
//!   failures are counted.
//!
//! | file | what |
//! |---|---|
//! | `form.rs` | the bytes of a file, checked |
//! | `folder.rs` | names, who may write, what is there, what is dropped |

mod folder;
mod form;
#[cfg(test)]
mod tests;

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use alloy_primitives::B256;
use serde::Serialize;
use warpevm_compiler::{Options, Program, Spec};

use crate::error::Error;
use crate::limits::{ARTEFACT_BYTES_MAX, ARTEFACT_MARK_SECONDS, ARTEFACTS_SHARE};
use crate::sync::lock;

pub use folder::{Artefact, Pruned};
use folder::{Content, Owner};
use form::{ArtefactKey, Damage};

/// The folder of programs where nobody names one: `programs` in `WARPEVM_CACHE`, else in `warpevm`
/// in `XDG_CACHE_HOME` or `~/.cache`. `None`: there is no home.
pub fn default_artefacts_dir() -> Option<PathBuf> {
    warpevm_kernels::cache::cache_dir().map(|cache| cache.join("programs"))
}

/// What became of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArtefactCounts {
    /// Programs that were read.
    pub hits: u64,
    /// Requests that got none.
    pub misses: u64,
    /// Misses because a file was damaged, or not to be trusted. It was removed.
    pub damaged: u64,
    /// Programs that were written.
    pub written: u64,
    /// Programs that are too large to be kept.
    pub oversized: u64,
    /// Files that could not be read, written or removed.
    pub failures: u64,
}

#[derive(Debug, Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    damaged: AtomicU64,
    written: AtomicU64,
    oversized: AtomicU64,
    failures: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// See the module.
#[derive(Debug)]
pub struct Artefacts {
    folder: PathBuf,
    owner: Owner,
    bytes_max: u64,
    /// Bytes that may be written before the folder is looked through again.
    room: Mutex<u64>,
    counters: Counters,
}

impl Artefacts {
    /// The artefacts in a folder, which is made where there is none, of at most so many bytes on
    /// disk. Fails where it cannot be written, or others may write it.
    pub fn open(dir: PathBuf, bytes_max: u64) -> Result<Artefacts, Error> {
        let opened = folder::open(&dir);
        let (folder, owner) = opened.map_err(|error| Error::Artefacts { folder: dir, error })?;
        let (room, counters) = (Mutex::default(), Counters::default());
        Ok(Artefacts { folder, owner, bytes_max, room, counters })
    }

    /// The program of a code, if it is there.
    pub fn get(
        &self,
        hash: B256,
        spec: Spec,
        passes: &Options,
        code_len: usize,
    ) -> Option<Program> {
        let key = ArtefactKey::new(hash, spec, passes, code_len);
        let path = folder::path_of(&self.folder, &key);
        let damage = match self.read(&path, &key) {
            Ok(Some(program)) => {
                count(&self.counters.hits);
                return Some(program);
            }
            Ok(None) => None,
            Err(damage) => Some(damage),
        };
        count(&self.counters.misses);
        if let Some(damage) = damage {
            self.damaged(&path, &damage);
        }
        None
    }

    /// Reads a file. `None`: it is not there.
    fn read(&self, path: &Path, key: &ArtefactKey) -> Result<Option<Program>, Damage> {
        // Opening a pipe waits for its writer.
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            there => self.check(&there?)?,
        }
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        // The file that was opened counts, whatever has its name by now.
        let there = file.metadata()?;
        self.check(&there)?;
        let program = form::decode(&file, there.len(), key)?;
        mark_used(&file, &there);
        Ok(Some(program))
    }

    fn check(&self, there: &Metadata) -> Result<(), Damage> {
        if !there.is_file() {
            return Err(Damage::Untrusted("it is no file"));
        }
        if let Some(why) = self.owner.distrusts(there) {
            return Err(Damage::Untrusted(why));
        }
        match there.len() {
            bytes if bytes > ARTEFACT_BYTES_MAX => Err(Damage::TooLong(bytes)),
            _ => Ok(()),
        }
    }

    fn damaged(&self, path: &Path, damage: &Damage) {
        if let Damage::Io(error) = damage {
            count(&self.counters.failures);
            tracing::debug!(path = %path.display(), %error, "a program cannot be read");
            return;
        }
        count(&self.counters.damaged);
        tracing::warn!(path = %path.display(), %damage, "a compiled program is not used");
        if folder::remove(path).is_err() {
            count(&self.counters.failures);
        }
    }

    /// Keeps the program of a code. What goes wrong is counted.
    pub fn put(
        &self,
        hash: B256,
        spec: Spec,
        passes: &Options,
        code_len: usize,
        program: &Program,
    ) {
        let key = ArtefactKey::new(hash, spec, passes, code_len);
        let bytes = form::encode(program, &key).filter(|bytes| {
            let bytes = bytes.len() as u64;
            bytes <= ARTEFACT_BYTES_MAX && folder::on_disk(bytes) <= self.share()
        });
        let Some(bytes) = bytes else { return count(&self.counters.oversized) };
        let path = folder::path_of(&self.folder, &key);
        let room = self.make_room(folder::on_disk(bytes.len() as u64));
        match room.and_then(|()| folder::write(&path, &bytes)) {
            Ok(()) => count(&self.counters.written),
            Err(error) => {
                count(&self.counters.failures);
                tracing::debug!(path = %path.display(), %error, "a program cannot be written");
            }
        }
    }

    /// Bytes that are written between two looks through the folder.
    fn share(&self) -> u64 {
        self.bytes_max / ARTEFACTS_SHARE
    }

    /// Takes the room for a file of so many bytes on disk, at most [`Artefacts::share`]. Where it
    /// is used up, looks through the folder and drops what was not used for longest.
    fn make_room(&self, bytes: u64) -> io::Result<()> {
        let mut room = lock(&self.room);
        if *room < bytes {
            let mut content = Content::read(&self.folder)?;
            content.remove_leftovers();
            // Twice as much as it takes, so that not every look drops something.
            if content.bytes() > self.bytes_max - self.share() {
                content.prune(self.bytes_max - 2 * self.share())?;
            }
            *room = self.share();
        }
        *room -= bytes;
        Ok(())
    }

    /// Everything in the folder, in no order, with what other versions of the compiler made.
    pub fn list(&self) -> Result<Vec<Artefact>, Error> {
        let content = Content::read(&self.folder).map_err(|error| self.error(error))?;
        Ok(content.artefacts)
    }

    /// Removes what was not used for longest until the rest takes at most so many bytes, and what
    /// processes left that were killed.
    pub fn prune(&self, bytes_max: u64) -> Result<Pruned, Error> {
        let pruned = Content::read(&self.folder).and_then(|mut content| {
            content.remove_leftovers();
            content.prune(bytes_max)
        });
        pruned.map_err(|error| self.error(error))
    }

    /// Removes everything.
    pub fn clear(&self) -> Result<Pruned, Error> {
        let cleared = Content::read(&self.folder).and_then(|mut content| content.clear());
        cleared.map_err(|error| self.error(error))
    }

    fn error(&self, error: io::Error) -> Error {
        Error::Artefacts { folder: self.folder.clone(), error }
    }

    /// Where they lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What became of requests so far.
    pub fn counts(&self) -> ArtefactCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { hits, misses, damaged, written, oversized, failures } = &self.counters;
        ArtefactCounts {
            hits: of(hits),
            misses: of(misses),
            damaged: of(damaged),
            written: of(written),
            oversized: of(oversized),
            failures: of(failures),
        }
    }
}

/// Marks a file as used now, if it was not lately: what was not is dropped first. That it cannot be
/// marked does not matter to who reads it.
fn mark_used(file: &File, there: &Metadata) {
    let now = SystemTime::now();
    let lately = |used: SystemTime| {
        now.duration_since(used).is_ok_and(|ago| ago < Duration::from_secs(ARTEFACT_MARK_SECONDS))
    };
    if !there.modified().is_ok_and(lately) {
        let _ = file.set_modified(now);
    }
}
