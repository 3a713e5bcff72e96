//! A `.tar.zst`, read as a stream, and the links in it.
//!
//! A link in an archive is followed within the archive, as it would be after unpacking: one to a
//! file gives that file a second name, one to a folder gives nothing new, since each folder is read
//! once, under its own name. One that leads nowhere is an error that names it.

use super::InputError;
use super::tree::is_hidden;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

/// Window of the largest zstd archives that are read, as a power of two: what `zstd --long` writes.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// zstd's error code for a larger window, which its authors keep as it is.
const ZSTD_WINDOW_TOO_LARGE: usize = 16;
/// Larger files inside an archive are refused, so that a hostile one cannot take all memory.
const ENTRY_BYTES_MAX: u64 = 1 << 30;
/// How many links one after the other are followed, as on Linux.
const LINKS_MAX: usize = 40;

/// An archive that can be read any number of times.
#[derive(Debug)]
pub(crate) struct Archive {
    /// How messages call it.
    pub name: String,
    data: ArchiveBytes,
}

#[derive(Debug)]
enum ArchiveBytes {
    File(PathBuf),
    /// What came through a pipe, as it came.
    Memory(Vec<u8>),
}

/// Reads the entry that a visitor is told of.
pub(crate) type ReadEntry<'a> = dyn FnMut() -> Result<Vec<u8>, InputError> + 'a;

/// Links, each with where it leads.
type Links = Vec<(PathBuf, PathBuf)>;

/// What an archive holds besides the content of its files.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub files: BTreeSet<PathBuf>,
    /// Names that more than one file has.
    pub twice: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
    /// Where each link leads, from the archive's root; and as it is written.
    links: BTreeMap<PathBuf, (PathBuf, PathBuf)>,
}

impl Archive {
    pub fn file(path: &Path) -> Archive {
        Archive { name: path.display().to_string(), data: ArchiveBytes::File(path.to_owned()) }
    }

    pub fn memory(path: &Path, bytes: Vec<u8>) -> Archive {
        Archive { name: path.display().to_string(), data: ArchiveBytes::Memory(bytes) }
    }

    /// What is wrong with the archive, by what its reader says.
    fn damaged(&self, after: &str, error: io::Error) -> InputError {
        let archive = self.name.clone();
        if is_window(&error) {
            return InputError::Window { archive, max_mib: 1 << (ZSTD_WINDOW_LOG_MAX - 20) };
        }
        InputError::Archive { archive, after: after.to_owned(), error: error.into() }
    }

    /// Calls `visit` with the name of each file and a function that reads it, in the archive's
    /// order. Names are without `.` and `..`.
    pub fn visit<E: From<InputError>>(
        &self,
        mut visit: impl FnMut(&Path, &mut ReadEntry<'_>) -> Result<(), E>,
    ) -> Result<Names, E> {
        let mut names = Names::default();
        let mut last = "its start".to_owned();
        let damaged = |after: &str, error| E::from(self.damaged(after, error));
        let compressed: Box<dyn Read + '_> = match &self.data {
            ArchiveBytes::File(path) => {
                Box::new(File::open(path).map_err(|e| InputError::io(path, e))?)
            }
            ArchiveBytes::Memory(bytes) => Box::new(&bytes[..]),
        };
        let mut zstd =
            zstd::Decoder::new(BufReader::new(compressed)).map_err(|e| damaged(&last, e))?;
        zstd.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|e| damaged(&last, e))?;
        let mut tar = tar::Archive::new(zstd);
        // A tar that follows the end of another is read like it: `cat a.tar.zst b.tar.zst`.
        tar.set_ignore_zeros(true);
        for entry in tar.entries().map_err(|e| damaged(&last, e))? {
            let mut entry = entry.map_err(|e| damaged(&last, e))?;
            let path = normal(Path::new(""), &entry.path().map_err(|e| damaged(&last, e))?);
            last = path.display().to_string();
            if names.add(&path, &entry).map_err(|e| damaged(&last, e))? {
                let mut read = || self.read(&last, &mut entry);
                visit(&path, &mut read)?;
            }
        }
        // What follows is zstd's checksum: without it the file is not whole.
        io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(|e| damaged(&last, e))?;
        Ok(names)
    }

    fn read(
        &self,
        name: &str,
        entry: &mut tar::Entry<'_, impl Read>,
    ) -> Result<Vec<u8>, InputError> {
        if entry.size() > ENTRY_BYTES_MAX {
            return Err(InputError::TooLarge {
                archive: self.name.clone(),
                entry: name.to_owned(),
                max: ENTRY_BYTES_MAX,
            });
        }
        let mut bytes = Vec::new();
        let read = entry.read_to_end(&mut bytes);
        read.map_err(|error| self.damaged(&format!("the start of {name}"), error))?;
        Ok(bytes)
    }
}

/// Whether zstd fails since it would need a larger window than it may have. The crate hands on only
/// the text of its errors.
fn is_window(error: &io::Error) -> bool {
    let name = zstd::zstd_safe::get_error_name(0usize.wrapping_sub(ZSTD_WINDOW_TOO_LARGE));
    error.to_string() == name
}

impl Names {
    /// Notes an entry; whether it is a file.
    fn add(&mut self, path: &Path, entry: &tar::Entry<'_, impl Read>) -> io::Result<bool> {
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            self.folders.insert(path.to_owned());
        }
        if kind.is_symlink() || kind.is_hard_link() {
            let written = entry.link_name()?.map(Cow::into_owned).unwrap_or_default();
            // A hard link is written from the archive's root.
            let folder = path.parent().filter(|_| kind.is_symlink()).unwrap_or(Path::new(""));
            self.links.insert(path.to_owned(), (normal(folder, &written), written));
        }
        let file = kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse();
        if file {
            self.folders.extend(path.ancestors().skip(1).map(Path::to_owned));
            if !self.files.insert(path.to_owned()) {
                self.twice.insert(path.to_owned());
            }
        }
        Ok(file)
    }

    /// The files that links give a second name, as (second name, own name), and the links that lead
    /// nowhere, as (link, what is written in it).
    pub fn follow(&self) -> (Links, Links) {
        let (mut second, mut nowhere) = (Vec::new(), Vec::new());
        for (link, (_, written)) in &self.links {
            match self.resolve(link) {
                Some(own) if self.files.contains(&own) => second.push((link.clone(), own)),
                // What is hidden is read under no name of its own.
                Some(folder) if is_hidden(&folder) && !is_hidden(link) => {
                    let files = self.files.iter().filter_map(|file| {
                        Some((link.join(file.strip_prefix(&folder).ok()?), file.clone()))
                    });
                    second.extend(files);
                }
                Some(folder) if self.folders.contains(&folder) => {}
                _ => nowhere.push((link.clone(), written.clone())),
            }
        }
        (second, nowhere)
    }

    /// Where a path leads when links in it are followed; `None` where they form a loop.
    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            // The shortest part of the path that is a link.
            let parts: Vec<&Path> = path.ancestors().collect();
            let link = parts.into_iter().rev().find(|part| self.links.contains_key(*part));
            let Some(link) = link else { return Some(path) };
            let rest = path.strip_prefix(link).ok()?;
            // Joining nothing would add a separator.
            let target = &self.links[link].0;
            path = if rest == Path::new("") { target.clone() } else { target.join(rest) };
        }
        None
    }
}

/// A path from a folder without `.` and `..`. One that leaves the archive leads nowhere: its `..`
/// stay. An absolute one is taken as `tar` unpacks it, below the archive's root.
fn normal(folder: &Path, path: &Path) -> PathBuf {
    let mut normal = if path.is_absolute() { PathBuf::new() } else { folder.to_owned() };
    for part in path.components() {
        match part {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir if !normal.pop() => normal.push(".."),
            _ => {}
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_without_dots() {
        for (folder, path, expected) in [
            ("", "./19/block.json", "19/block.json"),
            ("a/b", "../c/./d", "a/c/d"),
            ("a", "../../b", "../b"),
            ("a", "/b/c", "b/c"),
        ] {
            assert_eq!(normal(Path::new(folder), Path::new(path)), Path::new(expected));
        }
    }

    #[test]
    fn links_are_followed_to_their_end() {
        let mut names = Names::default();
        names.files.extend(["a/x".into(), ".h/y".into()]);
        names.folders.extend(["a".into(), ".h".into()]);
        for (link, target) in [
            ("l", "a"),
            ("m", "l/x"),
            ("up", "up/x"),
            ("p", "q"),
            ("q", "p"),
            ("none", "a/z"),
            ("shown", ".h"),
        ] {
            names.links.insert(link.into(), (target.into(), target.into()));
        }
        let pair = |a: &str, b: &str| (PathBuf::from(a), PathBuf::from(b));
        let (second, nowhere) = names.follow();
        assert_eq!(second, [pair("m", "a/x"), pair("shown/y", ".h/y")]);
        let broken = [pair("none", "a/z"), pair("p", "q"), pair("q", "p"), pair("up", "up/x")];
        assert_eq!(nowhere, broken);
    }
}
