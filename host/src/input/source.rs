//! Blocks in files: one folder, a folder of folders, or a `.tar.zst` of folders.
//!
//! A block is a folder with `block.json`, `pre_state.json` and `codes.json`. `block_hashes.json`
//! may stand in it or in any folder above it, up to what was named: the nearest wins. An archive is
//! read as a stream, once for the names and `block_hashes.json`, which may stand anywhere in it,
//! once for the blocks that were asked for.

use super::InputError;
use super::archive::Archive;
use super::block::{BlockFiles, block_number, parse_block, parse_block_hashes};
use super::bytes::is_same_file;
use super::tree::{is_hidden, walk};
use crate::chain::{BlockInput, BlockSource, Choice, Selection};
use alloy_primitives::B256;
use alloy_primitives::map::HashMap;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// How many blocks a message lists.
const LISTED_MAX: usize = 8;

const BLOCK_FILES: [&str; 3] = ["block.json", "pre_state.json", "codes.json"];
const HASHES_FILE: &str = "block_hashes.json";

type Hashes = HashMap<u64, B256>;

/// A place that holds blocks, opened: the list is known, the blocks are not read yet.
#[derive(Debug)]
pub struct FileSource {
    /// How messages call it.
    place: String,
    data: Data,
    /// Hashes of earlier blocks by the folder that has them, or why they cannot be read.
    hashes: BTreeMap<PathBuf, Result<Hashes, InputError>>,
    /// In order.
    blocks: Vec<StoredBlock>,
    /// Their names.
    names: Vec<String>,
    /// The number of each block; where it cannot be read, that is told when the block is.
    numbers: OnceLock<Vec<Option<u64>>>,
}

#[derive(Debug)]
enum Data {
    Folder(PathBuf),
    Archive(Archive),
}

/// A block that was not read yet.
#[derive(Debug, Default)]
struct StoredBlock {
    /// Its folder inside the source; empty where the source is the block.
    folder: PathBuf,
    /// Its files, as [`BLOCK_FILES`], without links.
    files: [Option<PathBuf>; 3],
    /// Why there is nothing to read.
    error: Option<InputError>,
}

impl FileSource {
    /// Opens a block folder, or a folder that has some below it.
    pub(super) fn open_folder(path: &Path) -> Result<FileSource, InputError> {
        let tree = walk(path)?;
        let mut found = FoundBlocks::default();
        for file in tree.files {
            let bytes = || fs::read(&file.own).map_err(|error| InputError::io(&file.own, error));
            let place = path.join(&file.path).display().to_string();
            found.file(&file.path, file.own.clone(), || parse_block_hashes(&place, &bytes()?));
        }
        if found.blocks.contains_key(Path::new("")) {
            found.beside(path)?;
        }
        tree.errors.into_iter().for_each(|(path, error)| found.error(path, error));
        found.finish(path.display().to_string(), Data::Folder(path.to_owned()), path.file_name())
    }

    /// Opens a `.tar.zst` of block folders.
    pub(super) fn open_archive(archive: Archive) -> Result<FileSource, InputError> {
        let mut found = FoundBlocks::default();
        let names = archive.visit(|path, read| {
            let place = format!("{}: {}", archive.name, path.display());
            found.file(path, path.to_owned(), || parse_block_hashes(&place, &read()?));
            Ok::<_, InputError>(())
        })?;
        let (second, nowhere) = names.follow();
        for (path, own) in second {
            let known = own.parent().filter(|_| own.file_name() == Some(OsStr::new(HASHES_FILE)));
            let hashes = known.and_then(|folder| found.hashes.get(folder).cloned());
            let place = format!("{}: {}", archive.name, path.display());
            found.file(&path, own, || {
                let why = format!("not named {HASHES_FILE}");
                hashes.unwrap_or(Err(InputError::Link { place, target: String::new(), why }))
            });
        }
        for (link, target) in nowhere {
            let place = format!("{}: {}", archive.name, link.display());
            let (target, why) = (target.display().to_string(), "not in the archive".to_owned());
            found.error(link, InputError::Link { place, target, why });
        }
        for path in names.twice {
            let entry = path.display().to_string();
            found.twice(path, InputError::Twice { archive: archive.name.clone(), entry });
        }
        found.finish(archive.name.clone(), Data::Archive(archive), None)
    }

    /// How many blocks it holds.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether it holds none: never, opening fails then.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// What messages call its blocks, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The blocks that are selected, in order.
    fn select(&self, selection: &Selection) -> Result<Vec<usize>, InputError> {
        let all = 0..self.blocks.len();
        let Selection::Only(choices) = selection else { return Ok(all.collect()) };
        let mut wanted = vec![false; self.blocks.len()];
        for choice in choices {
            let found = self.find(choice)?;
            if found.is_empty() {
                return Err(self.unknown(choice));
            }
            found.into_iter().for_each(|at| wanted[at] = true);
        }
        Ok(all.filter(|at| wanted[*at]).collect())
    }

    /// The blocks that one choice names: by number where one fits, else by name.
    fn find(&self, choice: &Choice) -> Result<Vec<usize>, InputError> {
        let all = 0..self.blocks.len();
        let within = |range: RangeInclusive<u64>| -> Result<Vec<usize>, InputError> {
            let numbers = self.numbers()?;
            let fits = |at: &usize| numbers[*at].is_some_and(|number| range.contains(&number));
            Ok(all.clone().filter(fits).collect())
        };
        let name = match choice {
            Choice::Range(first, last) => return within(*first..=*last),
            Choice::One(name) => name,
        };
        if let Some(number) = choice.number() {
            let named = |at: &usize| number_of(&self.blocks[*at].folder) == Some(number);
            let mut found: Vec<usize> = all.clone().filter(named).collect();
            if found.is_empty() {
                found = within(number..=number)?;
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(all.filter(|at| self.is_named(*at, name)).collect())
    }

    /// Whether a block has this name, or its folder alone has; `./` before a name makes it a path
    /// inside the source.
    fn is_named(&self, at: usize, name: &str) -> bool {
        let folder = self.blocks[at].folder.file_name();
        let path = name.strip_prefix("./").unwrap_or(name);
        self.names[at] == path || folder.is_some_and(|folder| folder == OsStr::new(name))
    }

    /// The numbers of all blocks. Those that are not named by theirs are read for it, once.
    fn numbers(&self) -> Result<&[Option<u64>], InputError> {
        if let Some(numbers) = self.numbers.get() {
            return Ok(numbers);
        }
        let mut numbers: Vec<_> =
            self.blocks.iter().map(|block| number_of(&block.folder)).collect();
        let mut unknown: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
        for (at, block) in self.blocks.iter().enumerate().filter(|(at, _)| numbers[*at].is_none()) {
            if let Some(file) = &block.files[0] {
                unknown.entry(file).or_default().push(at);
            }
        }
        match &self.data {
            Data::Folder(_) => {
                for (file, blocks) in unknown {
                    let number = fs::read(file).ok().and_then(|bytes| block_number(&bytes));
                    blocks.into_iter().for_each(|at| numbers[at] = number);
                }
            }
            Data::Archive(archive) if !unknown.is_empty() => {
                archive.visit(|path, read| {
                    if let Some(blocks) = unknown.get(path) {
                        let number = read().ok().and_then(|bytes| block_number(&bytes));
                        blocks.iter().for_each(|at| numbers[*at] = number);
                    }
                    Ok::<_, InputError>(())
                })?;
            }
            Data::Archive(_) => {}
        }
        for (at, name) in self.names.iter().enumerate().filter(|(at, _)| numbers[*at].is_none()) {
            if self.blocks[at].files[0].is_some() {
                tracing::warn!(block = name, "no number finds it: its block.json has none");
            }
        }
        Ok(self.numbers.get_or_init(|| numbers))
    }

    fn unknown(&self, choice: &Choice) -> InputError {
        let numbers = self.numbers.get().map(|numbers| &numbers[..]).unwrap_or_default();
        let named = |at: usize| match numbers.get(at) {
            Some(Some(number)) if number_of(&self.blocks[at].folder).is_none() => {
                format!("{} (block {number})", self.names[at])
            }
            _ => self.names[at].clone(),
        };
        let count = self.blocks.len();
        let mut has = (0..count.min(LISTED_MAX)).map(named).collect::<Vec<_>>().join(", ");
        if count > LISTED_MAX {
            has += &format!(", ... ({count} blocks)");
        }
        InputError::UnknownBlock { place: self.place.clone(), block: choice.to_string(), has }
    }

    /// How messages call the folder of a block.
    fn place(&self, at: usize) -> String {
        let folder = &self.blocks[at].folder;
        match &self.data {
            _ if folder.as_os_str().is_empty() => self.place.clone(),
            Data::Folder(root) => root.join(folder).display().to_string(),
            Data::Archive(archive) => format!("{}: {}", archive.name, folder.display()),
        }
    }

    /// The first file that a block lacks, or why it has none.
    fn missing(&self, at: usize) -> Result<(), InputError> {
        let block = &self.blocks[at];
        if let Some(error) = &block.error {
            return Err(error.clone());
        }
        match block.files.iter().position(Option::is_none) {
            Some(missing) => {
                Err(InputError::MissingFile { place: self.place(at), file: BLOCK_FILES[missing] })
            }
            None => Ok(()),
        }
    }

    fn read_folder(&self, root: &Path, at: usize) -> Result<BlockInput, InputError> {
        self.missing(at)?;
        let mut files = [const { Vec::new() }; 3];
        for (index, bytes) in files.iter_mut().enumerate() {
            // The error is about the name that the user knows.
            let path = root.join(&self.blocks[at].folder).join(BLOCK_FILES[index]);
            *bytes = fs::read(&path).map_err(|error| InputError::io(&path, error))?;
        }
        self.parse(at, [&files[0], &files[1], &files[2]])
    }

    fn parse(
        &self,
        at: usize,
        [block, pre_state, codes]: [&[u8]; 3],
    ) -> Result<BlockInput, InputError> {
        let folder = &self.blocks[at].folder;
        let mut block_hashes = Hashes::default();
        let mut folders: Vec<&Path> = folder.ancestors().collect();
        folders.reverse();
        for hashes in folders.into_iter().filter_map(|folder| self.hashes.get(folder)) {
            block_hashes.extend(hashes.as_ref().map_err(InputError::clone)?);
        }
        let place = self.place(at);
        let block_hashes = &block_hashes;
        let block = parse_block(&BlockFiles { place, block, pre_state, codes, block_hashes })?;
        // A folder named by a number must hold the block with that number.
        if number_of(folder).is_some_and(|number| number != block.number) {
            return Err(InputError::BlockNumber {
                file: format!("{}/block.json", block.place),
                number: block.number,
                folder: folder.display().to_string(),
            });
        }
        Ok(block)
    }

    fn visit_archived<E: From<InputError>>(
        &self,
        archive: &Archive,
        wanted: &[usize],
        visit: &mut impl FnMut(&str, Result<BlockInput, InputError>) -> Result<(), E>,
    ) -> Result<(), E> {
        // Which files of which blocks an entry of the archive is.
        let mut uses: BTreeMap<&Path, Vec<(usize, usize)>> = BTreeMap::new();
        // The files so far of each block that was not handed over.
        let mut open: BTreeMap<usize, [Option<Vec<u8>>; 3]> = BTreeMap::new();
        for &at in wanted {
            if let Err(error) = self.missing(at) {
                visit(&self.names[at], Err(error))?;
                continue;
            }
            open.insert(at, Default::default());
            for (index, file) in self.blocks[at].files.iter().enumerate() {
                if let Some(file) = file {
                    uses.entry(file).or_default().push((at, index));
                }
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        archive.visit(|path, read| {
            let Some(uses) = uses.remove(path) else { return Ok(()) };
            let bytes = read();
            for (at, index) in uses {
                let Some(files) = open.get_mut(&at) else { continue };
                let block = match &bytes {
                    Ok(bytes) => {
                        files[index] = Some(bytes.clone());
                        let [Some(block), Some(pre_state), Some(codes)] = files else { continue };
                        self.parse(at, [block, pre_state, codes])
                    }
                    Err(error) if error.ends_archive() => return Err(error.clone().into()),
                    Err(error) => Err(error.clone()),
                };
                open.remove(&at);
                visit(&self.names[at], block)?;
            }
            Ok::<_, E>(())
        })?;
        // Another file has its name by now.
        for (at, files) in open {
            let missing = files.iter().position(Option::is_none).unwrap_or_default();
            let (place, file) = (self.place(at), BLOCK_FILES[missing]);
            visit(&self.names[at], Err(InputError::MissingFile { place, file }))?;
        }
        Ok(())
    }
}

impl BlockSource for FileSource {
    type Error = InputError;

    fn count(&self, selection: &Selection) -> Result<usize, InputError> {
        Ok(self.select(selection)?.len())
    }

    fn visit<E: From<InputError>>(
        &self,
        selection: &Selection,
        mut visit: impl FnMut(&str, Result<BlockInput, InputError>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let wanted = self.select(selection)?;
        match &self.data {
            Data::Folder(root) => {
                for &at in &wanted {
                    visit(&self.names[at], self.read_folder(root, at))?;
                }
            }
            Data::Archive(archive) => self.visit_archived(archive, &wanted, &mut visit)?,
        }
        Ok(wanted.len())
    }
}

/// A source while it is opened.
#[derive(Default)]
struct FoundBlocks {
    blocks: BTreeMap<PathBuf, StoredBlock>,
    hashes: BTreeMap<PathBuf, Result<Hashes, InputError>>,
    /// Blocks in folders whose name begins with a dot.
    hidden: u64,
}

impl FoundBlocks {
    /// Adds a file, if it is one of a block or `block_hashes.json`.
    fn file(
        &mut self,
        path: &Path,
        own: PathBuf,
        hashes: impl FnOnce() -> Result<Hashes, InputError>,
    ) {
        let (Some(name), Some(folder)) = (path.file_name(), path.parent()) else { return };
        let file = BLOCK_FILES.iter().position(|file| name == OsStr::new(file));
        if is_hidden(path) {
            self.hidden += u64::from(file == Some(0));
        } else if let Some(file) = file {
            let block = self.blocks.entry(folder.to_owned()).or_default();
            block.files[file] = Some(own);
        } else if name == OsStr::new(HASHES_FILE) {
            self.hashes.insert(folder.to_owned(), hashes());
        }
    }

    /// Adds the hashes beside a block that was named itself. Its own win.
    fn beside(&mut self, path: &Path) -> Result<(), InputError> {
        let beside = path.parent().map(|parent| parent.join(HASHES_FILE));
        let Some(beside) = beside.filter(|beside| beside.is_file()) else { return Ok(()) };
        let bytes = fs::read(&beside).map_err(|error| InputError::io(&beside, error))?;
        let mut hashes = parse_block_hashes(&beside.display().to_string(), &bytes)?;
        if let Some(own) = self.hashes.remove(Path::new("")) {
            hashes.extend(own?);
        }
        self.hashes.insert(PathBuf::new(), Ok(hashes));
        Ok(())
    }

    /// Adds that two files have a name, which only matters for the names that are read.
    fn twice(&mut self, path: PathBuf, error: InputError) {
        let Some(folder) = path.parent() else { return };
        if self.hashes.contains_key(folder) && path.ends_with(HASHES_FILE) {
            self.hashes.insert(folder.to_owned(), Err(error));
        } else if self.blocks.contains_key(folder) && is_block_file(&path) {
            self.error(path, error);
        }
    }

    /// Adds what cannot be read: it stands for the block of that name, or that it is a file of.
    fn error(&mut self, path: PathBuf, error: InputError) {
        if is_hidden(&path) {
            return;
        }
        let folder = path.parent().filter(|_| is_block_file(&path)).unwrap_or(&path).to_owned();
        self.blocks.entry(folder).or_default().error = Some(error);
    }

    fn finish(
        self,
        place: String,
        data: Data,
        name: Option<&OsStr>,
    ) -> Result<FileSource, InputError> {
        let mut blocks: Vec<StoredBlock> = self
            .blocks
            .into_iter()
            .map(|(folder, entry)| StoredBlock { folder, ..entry })
            .collect();
        if blocks.is_empty() {
            return Err(InputError::NoBlocks { place });
        }
        if self.hidden > 0 {
            let blocks = self.hidden;
            tracing::warn!(place, blocks, "left out: below a folder whose name begins with a dot");
        }
        // Numbers in their order, then names.
        blocks.sort_by_cached_key(|block| {
            (number_of(&block.folder).unwrap_or(u64::MAX), block.folder.clone())
        });
        let single = name.map_or_else(|| place.clone(), |name| name.to_string_lossy().into_owned());
        let name = |block: &StoredBlock| match block.folder.as_os_str().is_empty() {
            true => single.clone(),
            false => block.folder.display().to_string(),
        };
        let names = blocks.iter().map(name).collect();
        Ok(FileSource { place, data, hashes: self.hashes, blocks, names, numbers: OnceLock::new() })
    }
}

/// Whether a folder of blocks has this file among those that are read.
pub(super) fn is_file_of(folder: &Path, file: &Path) -> bool {
    let beside = folder.parent().map(|parent| parent.join(HASHES_FILE));
    if beside.is_some_and(|beside| is_same_file(&beside, file)) {
        return true;
    }
    // Most often there is no such file yet, and nothing to look for.
    let files = if file.is_file() { walk(folder).map(|tree| tree.files) } else { Ok(Vec::new()) };
    let read = |path: &Path| is_block_file(path) || path.ends_with(HASHES_FILE);
    let files = files.unwrap_or_default().into_iter().filter(|found| read(&found.path));
    files.into_iter().any(|found| is_same_file(&found.own, file))
}

fn is_block_file(path: &Path) -> bool {
    BLOCK_FILES.iter().any(|file| path.ends_with(file))
}

/// The number that a folder is named by.
fn number_of(folder: &Path) -> Option<u64> {
    folder.file_name()?.to_str()?.parse().ok()
}
