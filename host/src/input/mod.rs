//! Reads what the command line runs: blocks with their pre-state, and batches of calls.

mod access_list;
pub(crate) mod archive;
pub mod batch;
pub mod block;
pub mod bytes;
pub mod json;
pub mod source;
mod strict;
pub(crate) mod tree;

pub use access_list::parse_access_list;
pub use batch::BatchInput;
pub use source::FileSource;

use alloy_primitives::{Address, B256};
use bytes::Opened;
use std::io;
use std::path::Path;
use std::sync::Arc;
use warpevm_compiler::Spec;

/// What is wrong with an input: the message names the file and the place in it.
///
/// A cause is part of the message, so it is no `source`: who prints the chain would print it twice.
#[derive(Clone, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
#[non_exhaustive]
pub enum InputError {
    #[error("{file}: {error}")]
    Io { file: String, error: Arc<io::Error> },
    #[error("{file}: line {line}, column {column}: {at}{message}")]
    Json { file: String, line: usize, column: usize, at: String, message: String },
    #[error("{file}: is in {encoding}; JSON is read in UTF-8")]
    Encoding { file: String, encoding: &'static str },
    #[error("{archive}: truncated or damaged after {after}: {error}")]
    Archive { archive: String, after: String, error: Arc<io::Error> },
    #[error("{archive}: its zstd window is larger than {max_mib} MiB, what zstd --long writes")]
    Window { archive: String, max_mib: u32 },
    #[error("{archive}: two files are named {entry}")]
    Twice { archive: String, entry: String },
    #[error("{place}: is a link to {target}: {why}")]
    Link { place: String, target: String, why: String },
    #[error("{archive}: {entry} is larger than {max} bytes")]
    TooLarge { archive: String, entry: String, max: u64 },
    #[error("{place}: {file} is missing")]
    MissingFile { place: String, file: &'static str },
    #[error("{place}: holds no block (a folder with block.json, pre_state.json and codes.json)")]
    NoBlocks { place: String },
    #[error("{place}: holds no block {block}; it has {has}")]
    UnknownBlock { place: String, block: String, has: String },
    #[error("{file}: says block {number}, but its folder is named {folder}")]
    BlockNumber { file: String, number: u64, folder: String },
    #[error("{file}: {field} is missing ({spec} has it)")]
    MissingField { file: String, field: &'static str, spec: Spec },
    #[error("{file}: transaction {transaction}: {message}")]
    Transaction { file: String, transaction: usize, message: String },
    #[error("{file}: transaction {transaction}: sender {sender} is not in pre_state.json")]
    MissingSender { file: String, transaction: usize, sender: Address },
    #[error("{file}: the code listed under {listed} has the hash {actual}")]
    CodeHash { file: String, listed: B256, actual: B256 },
    #[error("{file}: account {address}: codes.json has no code {hash}")]
    MissingCode { file: String, address: Address, hash: B256 },
    #[error("{file}: excess blob gas {excess} gives a fee beyond 128 bits")]
    BlobFee { file: String, excess: u64 },
    #[error("{file}: call {call}: {message}")]
    Call { file: String, call: usize, message: String },
    #[error("{file}: {case}: {message}")]
    Case { file: String, case: String, message: String },
    #[error("{file}: is neither a block folder, a .tar.zst of block folders nor a batch (JSON)")]
    Unknown { file: String },
    #[error("{file}: is neither JSON nor a .tar.zst")]
    NoTests { file: String },
}

impl InputError {
    pub(crate) fn io(path: &Path, error: io::Error) -> InputError {
        InputError::Io { file: path.display().to_string(), error: error.into() }
    }

    /// Whether nothing more of an archive can be read: no matter of one file in it.
    pub(crate) fn ends_archive(&self) -> bool {
        matches!(self, InputError::Archive { .. } | InputError::Window { .. })
    }
}

/// Whether an input is this file, by whatever name, or a folder of blocks that has it among its
/// files: to write it would change what is read. What cannot be looked at is none.
pub fn reads(input: &Path, file: &Path) -> bool {
    if input == Path::new(bytes::STDIN) {
        return bytes::is_same_file(Path::new("/dev/stdin"), file);
    }
    bytes::is_same_file(input, file) || input.is_dir() && source::is_file_of(input, file)
}

/// An input that was opened: blocks, or a batch.
#[derive(Debug)]
pub enum Input {
    /// One or more blocks, read one at a time.
    Blocks(FileSource),
    /// A batch of independent calls.
    Batch(Box<BatchInput>),
}

/// Opens a block folder, a folder or `.tar.zst` of block folders, or a batch file; `-` is standard
/// input.
pub fn open(path: &Path) -> Result<Input, InputError> {
    match bytes::open(path)? {
        Opened::Folder => FileSource::open_folder(path).map(Input::Blocks),
        Opened::Archive(archive) => FileSource::open_archive(archive).map(Input::Blocks),
        Opened::Json(bytes) => BatchInput::parse(&path.display().to_string(), &bytes)
            .map(|batch| Input::Batch(Box::new(batch))),
        Opened::Unknown => Err(InputError::Unknown { file: path.display().to_string() }),
    }
}
