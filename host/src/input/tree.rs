//! The files below a folder, each folder once.
//!
//! Links are followed. What they lead to is read under its own name where it has one below the
//! folder, else under the link's; so a loop of links ends, and nothing runs twice. A link that
//! leads nowhere is an error that names it. Names that begin with a dot come last: the caller
//! decides.

use super::InputError;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// A file below a folder.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its path from the folder.
    pub path: PathBuf,
    /// The file itself, without links.
    pub own: PathBuf,
}

/// What a walk found, in no order, but files before links to them.
#[derive(Debug)]
pub(crate) struct Tree {
    pub files: Vec<Found>,
    /// What could not be read: its path from the folder, and why.
    pub errors: Vec<(PathBuf, InputError)>,
    root: PathBuf,
    /// Folders that were read, without links.
    seen: HashSet<PathBuf>,
    /// Links that were met.
    links: Vec<PathBuf>,
    /// Folders that were met whose name begins with a dot.
    hidden: Vec<Found>,
}

/// Walks a folder. Fails where the folder itself cannot be read; what else cannot is among the
/// errors.
pub(crate) fn walk(folder: &Path) -> Result<Tree, InputError> {
    let mut tree = Tree {
        files: Vec::new(),
        errors: Vec::new(),
        root: folder.to_owned(),
        seen: HashSet::new(),
        links: Vec::new(),
        hidden: Vec::new(),
    };
    let own = fs::canonicalize(folder).map_err(|error| InputError::io(folder, error))?;
    let first = Found { path: PathBuf::new(), own };
    tree.add(first).map_err(|error| InputError::io(folder, error))?;
    loop {
        if !tree.links.is_empty() {
            let mut links = std::mem::take(&mut tree.links);
            links.sort();
            links.into_iter().for_each(|link| tree.follow(link));
        } else if let Some(hidden) = tree.hidden.pop() {
            tree.add_all(hidden);
        } else {
            return Ok(tree);
        }
    }
}

impl Tree {
    /// Adds what lies below a folder.
    fn add_all(&mut self, folder: Found) {
        let path = folder.path.clone();
        if let Err(error) = self.add(folder) {
            let error = InputError::io(&self.root.join(&path), error);
            self.errors.push((path, error));
        }
    }

    fn add(&mut self, folder: Found) -> io::Result<()> {
        if !self.seen.insert(folder.own.clone()) {
            return Ok(());
        }
        for entry in fs::read_dir(&folder.own)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = entry.file_name();
            let path = folder.path.join(&name);
            let hidden = name.as_encoded_bytes().starts_with(b".");
            let found = Found { path, own: folder.own.join(&name) };
            if kind.is_symlink() {
                // A hidden link that leads nowhere is an editor's lock.
                self.links.extend(Some(found.path).filter(|_| !hidden));
            } else if kind.is_dir() && hidden {
                self.hidden.push(found);
            } else if kind.is_dir() {
                self.add_all(found);
            } else {
                self.files.push(found);
            }
        }
        Ok(())
    }

    fn follow(&mut self, path: PathBuf) {
        let link = self.root.join(&path);
        match fs::canonicalize(&link) {
            Ok(own) if own.is_dir() => self.add_all(Found { path, own }),
            Ok(own) => self.files.push(Found { path, own }),
            Err(error) => {
                let target = fs::read_link(&link).unwrap_or_default().display().to_string();
                let (place, why) = (link.display().to_string(), error.to_string());
                self.errors.push((path, InputError::Link { place, target, why }));
            }
        }
    }
}

/// Whether a path has a part that begins with a dot.
pub(crate) fn is_hidden(path: &Path) -> bool {
    path.components().any(|part| match part {
        Component::Normal(name) => name.as_encoded_bytes().starts_with(b"."),
        _ => false,
    })
}
