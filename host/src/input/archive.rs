//! Where blocks come from: one folder, a folder of folders, or a `.tar.zst` of folders.
//!
//! An archive is read as a stream, twice: once for the list of its blocks and for
//! `block_hashes.json`, which may stand anywhere in it, once for the blocks that were asked for.

use super::InputError;
use super::block::{BlockFiles, BlockInput, parse_block_hashes};
use super::select::{Choice, Selection};
use alloy_primitives::B256;
use alloy_primitives::map::HashMap;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Window of the largest zstd archives that are read, as a power of two: what `zstd --long` writes.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Larger files inside an archive are refused, so that a hostile one cannot take all memory.
const ENTRY_BYTES_MAX: u64 = 1 << 30;
/// How many block numbers a message lists.
const LISTED_MAX: usize = 8;

const BLOCK_FILES: [&str; 3] = ["block.json", "pre_state.json", "codes.json"];
const HASHES_FILE: &str = "block_hashes.json";

/// A place that holds blocks, opened: the list is known, the blocks are not read yet.
#[derive(Debug)]
pub struct BlockSource {
    path: PathBuf,
    kind: Kind,
    /// Hashes of earlier blocks, for BLOCKHASH.
    hashes: HashMap<u64, B256>,
    /// The blocks' folder names in order.
    folders: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The path is a block folder.
    Single,
    /// The path is a folder of block folders.
    Folder,
    Archive,
}

impl BlockSource {
    /// Opens a block folder or a folder of block folders.
    pub fn open_folder(path: &Path) -> Result<BlockSource, InputError> {
        let mut names = Vec::new();
        for entry in path.read_dir().map_err(|error| InputError::io(path, error))? {
            let entry = entry.map_err(|error| InputError::io(path, error))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        let single = names.iter().any(|name| BLOCK_FILES.contains(&name.as_str()));
        let mut folders = if single {
            vec![path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())]
        } else {
            names.retain(|name| path.join(name).join("block.json").is_file());
            names
        };
        if folders.is_empty() {
            return Err(InputError::NoBlocks { place: path.display().to_string() });
        }
        sort_folders(&mut folders);
        let beside = path.parent().map(|parent| parent.join(HASHES_FILE)).filter(|_| single);
        let mut hashes = HashMap::default();
        // A block's own file wins over the one beside its folder.
        for file in beside.into_iter().chain([path.join(HASHES_FILE)]) {
            if file.is_file() {
                let bytes = std::fs::read(&file).map_err(|error| InputError::io(&file, error))?;
                hashes.extend(parse_block_hashes(&file.display().to_string(), &bytes)?);
            }
        }
        let kind = if single { Kind::Single } else { Kind::Folder };
        Ok(BlockSource { path: path.to_owned(), kind, hashes, folders })
    }

    /// Opens a `.tar.zst` of block folders.
    pub fn open_archive(path: &Path) -> Result<BlockSource, InputError> {
        let mut folders = Vec::new();
        let mut hashes = HashMap::default();
        let name = path.display().to_string();
        visit_archive(path, |entry, read| {
            let (folder, file) = split_entry(entry);
            if file == "block.json" && !folder.is_empty() {
                folders.push(folder.to_owned());
            }
            if file == HASHES_FILE {
                hashes.extend(parse_block_hashes(&format!("{name}: {entry}"), &read()?)?);
            }
            Ok::<_, InputError>(())
        })?;
        if folders.is_empty() {
            return Err(InputError::NoBlocks { place: name });
        }
        Ok(BlockSource { path: path.to_owned(), kind: Kind::Archive, hashes, folders })
    }

    /// How many blocks it holds.
    pub fn len(&self) -> usize {
        self.folders.len()
    }

    /// Whether it holds none: never, opening fails then.
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// What messages call its blocks, in order.
    pub fn names(&self) -> &[String] {
        &self.folders
    }

    /// How many blocks are selected.
    pub fn count(&self, selection: &Selection) -> Result<usize, InputError> {
        Ok(self.select(selection)?.len())
    }

    /// Reads the selected blocks one after the other and calls `visit` with the name of each and
    /// the block, or what is wrong with it: the next one may still be good. Returns how many.
    pub fn visit<E: From<InputError>>(
        &self,
        selection: &Selection,
        mut visit: impl FnMut(&str, Result<BlockInput, InputError>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let wanted = self.select(selection)?;
        for folder in &wanted {
            match self.kind {
                Kind::Single => visit(folder, self.read_folder(&self.path, false))?,
                Kind::Folder => visit(folder, self.read_folder(&self.path.join(folder), true))?,
                Kind::Archive => return self.visit_archived(&wanted, visit),
            }
        }
        Ok(wanted.len())
    }

    fn select(&self, selection: &Selection) -> Result<Vec<String>, InputError> {
        let Selection::Only(choices) = selection else { return Ok(self.folders.clone()) };
        let mut numbers = self.folders.clone();
        if self.kind == Kind::Single {
            numbers = vec![self.read_folder(&self.path, false)?.number.to_string()];
        }
        let mut wanted = std::collections::BTreeSet::new();
        for choice in choices {
            let fits = |at: &usize| match choice {
                Choice::One(text) => numbers[*at] == *text || self.folders[*at] == *text,
                Choice::Range(first, last) => {
                    numbers[*at].parse().is_ok_and(|number: u64| (*first..=*last).contains(&number))
                }
            };
            let found: Vec<usize> = (0..self.folders.len()).filter(fits).collect();
            if found.is_empty() {
                return Err(self.unknown(choice, &numbers));
            }
            wanted.extend(found);
        }
        Ok(wanted.into_iter().map(|at| self.folders[at].clone()).collect())
    }

    fn unknown(&self, choice: &Choice, folders: &[String]) -> InputError {
        let mut has = folders.iter().take(LISTED_MAX).cloned().collect::<Vec<_>>().join(", ");
        if folders.len() > LISTED_MAX {
            has += &format!(", ... ({} blocks)", folders.len());
        }
        let place = self.path.display().to_string();
        InputError::UnknownBlock { place, block: choice.to_string(), has }
    }

    fn read_folder(&self, folder: &Path, named: bool) -> Result<BlockInput, InputError> {
        let place = folder.display().to_string();
        let read = |file: &'static str| {
            let path = folder.join(file);
            std::fs::read(&path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => InputError::MissingFile { place: place.clone(), file },
                _ => InputError::io(&path, error),
            })
        };
        let [block, pre_state, codes] = BLOCK_FILES;
        let block = BlockInput::parse(&BlockFiles {
            place: place.clone(),
            block: &read(block)?,
            pre_state: &read(pre_state)?,
            codes: &read(codes)?,
            block_hashes: &self.hashes,
        })?;
        let name = folder.file_name().map(|n| n.to_string_lossy().into_owned());
        check_number(&block, name.filter(|_| named).as_deref().unwrap_or_default())?;
        Ok(block)
    }

    fn visit_archived<E: From<InputError>>(
        &self,
        wanted: &[String],
        mut visit: impl FnMut(&str, Result<BlockInput, InputError>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let archive = self.path.display().to_string();
        let mut partial: BTreeMap<String, [Option<Vec<u8>>; 3]> = BTreeMap::new();
        let mut visited = 0;
        visit_archive(&self.path, |entry, read| {
            let (folder, file) = split_entry(entry);
            let Some(index) = BLOCK_FILES.iter().position(|name| *name == file) else {
                return Ok(());
            };
            if !wanted.iter().any(|name| name == folder) {
                return Ok(());
            }
            let files = partial.entry(folder.to_owned()).or_default();
            files[index] = Some(read()?);
            if let [Some(block), Some(pre_state), Some(codes)] = files {
                let block = BlockInput::parse(&BlockFiles {
                    place: format!("{archive}: {folder}"),
                    block,
                    pre_state,
                    codes,
                    block_hashes: &self.hashes,
                })
                .and_then(|block| check_number(&block, folder).map(|()| block));
                partial.remove(folder);
                visited += 1;
                visit(folder, block)?;
            }
            Ok::<_, E>(())
        })?;
        for (folder, files) in &partial {
            let missing = files.iter().position(Option::is_none).unwrap_or(0);
            let place = format!("{archive}: {folder}");
            visited += 1;
            let error = InputError::MissingFile { place, file: BLOCK_FILES[missing] };
            visit(folder, Err(error))?;
        }
        Ok(visited)
    }
}

/// A folder named by a number must hold the block with that number.
fn check_number(block: &BlockInput, folder: &str) -> Result<(), InputError> {
    if folder.parse::<u64>().is_ok_and(|number| number != block.number) {
        return Err(InputError::BlockNumber {
            file: format!("{}/block.json", block.place),
            number: block.number,
            folder: folder.to_owned(),
        });
    }
    Ok(())
}

/// Numbers in their order, then names.
fn sort_folders(folders: &mut [String]) {
    folders.sort_by_cached_key(|name| (name.parse::<u64>().unwrap_or(u64::MAX), name.clone()));
}

/// The last folder and the file name of an archive entry: `a/19/block.json` is `19`, `block.json`.
fn split_entry(entry: &str) -> (&str, &str) {
    let entry = entry.trim_start_matches("./");
    let (folder, file) = entry.rsplit_once('/').unwrap_or(("", entry));
    (folder.rsplit_once('/').map_or(folder, |(_, last)| last), file)
}

/// Calls `visit` with the name of each file in the archive and a function that reads it.
fn visit_archive<E: From<InputError>>(
    path: &Path,
    mut visit: impl FnMut(&str, &mut dyn FnMut() -> Result<Vec<u8>, InputError>) -> Result<(), E>,
) -> Result<(), E> {
    let name = path.display().to_string();
    let mut last = "its start".to_owned();
    let damaged = |after: &str, source: io::Error| {
        E::from(InputError::Archive { archive: name.clone(), after: after.to_owned(), source })
    };
    let file = File::open(path).map_err(|error| E::from(InputError::io(path, error)))?;
    let mut zstd = zstd::Decoder::new(BufReader::new(file)).map_err(|e| damaged(&last, e))?;
    zstd.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|e| damaged(&last, e))?;
    let mut tar = tar::Archive::new(zstd);
    for entry in tar.entries().map_err(|e| damaged(&last, e))? {
        let mut entry = entry.map_err(|e| damaged(&last, e))?;
        let entry_name =
            entry.path().map_err(|e| damaged(&last, e))?.to_string_lossy().into_owned();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let mut read = || {
            let too_large = || InputError::TooLarge {
                archive: name.clone(),
                entry: entry_name.clone(),
                max: ENTRY_BYTES_MAX,
            };
            if entry.size() > ENTRY_BYTES_MAX {
                return Err(too_large());
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(|source| InputError::Archive {
                archive: name.clone(),
                after: format!("the start of {entry_name}"),
                source,
            })?;
            Ok(bytes)
        };
        visit(&entry_name, &mut read)?;
        last = entry_name;
    }
    // What follows the tar's end is padding and the checksum: without it the file is not whole.
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(|e| damaged(&last, e))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_split_into_folder_and_file() {
        assert_eq!(split_entry("./19/block.json"), ("19", "block.json"));
        assert_eq!(split_entry("blocks/19/codes.json"), ("19", "codes.json"));
        assert_eq!(split_entry("block_hashes.json"), ("", "block_hashes.json"));
    }

    #[test]
    fn folders_named_by_numbers_are_in_numeric_order() {
        let mut folders = ["100", "x", "20"].map(str::to_owned);
        sort_folders(&mut folders);
        assert_eq!(folders, ["20", "100", "x"]);
    }
}
