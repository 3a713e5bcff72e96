//! Reads what the command line runs: blocks with their pre-state, and batches of calls.

pub mod archive;
pub mod batch;
pub mod block;
pub mod bytes;
pub mod forks;
pub mod json;
pub mod select;
pub mod state;

pub use archive::BlockSource;
pub use batch::BatchInput;
pub use block::{BlockInput, Header, Withdrawal};
pub use select::{Choice, Selection};
pub use state::{MemoryAccount, MemoryState, UnknownCode};

use alloy_primitives::{Address, B256};
use std::io::{self, Read};
use std::path::Path;
use warpevm_compiler::Spec;

/// The first bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What is wrong with an input: the message names the file and the place in it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum InputError {
    #[error("{file}: {source}")]
    Io { file: String, source: io::Error },
    #[error("{file}: line {line}, column {column}: {at}{message}")]
    Json { file: String, line: usize, column: usize, at: String, message: String },
    #[error("{archive}: truncated or damaged after {after}: {source}")]
    Archive { archive: String, after: String, source: io::Error },
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
}

impl InputError {
    pub(crate) fn io(path: &Path, source: io::Error) -> InputError {
        InputError::Io { file: path.display().to_string(), source }
    }
}

/// An input that was opened: blocks, or a batch.
#[derive(Debug)]
pub enum Input {
    /// One or more blocks, read one at a time.
    Blocks(BlockSource),
    /// A batch of independent calls.
    Batch(Box<BatchInput>),
}

/// Opens a block folder, a folder or `.tar.zst` of block folders, or a batch file.
pub fn open(path: &Path) -> Result<Input, InputError> {
    let kind = std::fs::metadata(path).map_err(|error| InputError::io(path, error))?;
    if kind.is_dir() {
        return BlockSource::open_folder(path).map(Input::Blocks);
    }
    let mut start = [0; 64];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut start));
    let start = &start[..read.map_err(|error| InputError::io(path, error))?];
    let archive_name = path.extension().is_some_and(|e| e == "zst");
    if archive_name || start.starts_with(&ZSTD_MAGIC) {
        return BlockSource::open_archive(path).map(Input::Blocks);
    }
    let json_name = path.extension().is_some_and(|e| e == "json");
    let first = start.iter().find(|b| !b.is_ascii_whitespace());
    if json_name || first == Some(&b'{') {
        return BatchInput::read(path).map(|batch| Input::Batch(Box::new(batch)));
    }
    Err(InputError::Unknown { file: path.display().to_string() })
}
