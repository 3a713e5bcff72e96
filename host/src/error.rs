//! What can go wrong outside the EVM. A transaction that halts or reverts is an outcome, no error.

use crate::types::Rejected;

/// An error of the engine. The state may hold the transactions committed before it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database behind the state failed.
    #[error("state database: {0}")]
    Database(Box<dyn std::error::Error + Send + Sync>),
    /// A transaction of a block is not valid, so neither is the block.
    #[error("transaction {index} is not valid: {reason}")]
    Rejected {
        /// Position in the block.
        index: usize,
        /// Why.
        reason: Rejected,
    },
    /// The block environment lacks what the spec needs.
    #[error("block environment: {0}")]
    Environment(&'static str),
    /// A limit of the engine that no larger memory class lifts.
    #[error("limit reached: {0}")]
    Limit(&'static str),
    /// The device broke its contract.
    #[error("device: {0}")]
    Device(String),
    /// The device that was asked for is not there, or cannot be used.
    #[error("no usable GPU: {0}")]
    NoDevice(String),
    /// revm, as a fallback, failed in itself.
    #[error("revm: {0}")]
    Revm(String),
    /// The folder of compiled programs cannot be used.
    #[error("compiled programs: {}: {error}", folder.display())]
    // No source: the message has it.
    Artefacts {
        /// The folder.
        folder: std::path::PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The threads could not be started.
    #[error("cannot start the threads: {0}")]
    // No source: rayon's message is its cause's.
    Threads(rayon::ThreadPoolBuildError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    ThreadStart(std::io::Error),
}
