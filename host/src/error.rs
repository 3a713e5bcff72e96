//! What can go wrong outside the EVM. A transaction that halts or reverts is an outcome, no error.

use std::error::Error as StdError;

use crate::types::Rejected;

/// An error of the engine, or of revm where it runs in its place or is compared with. The state may
/// hold the transactions committed before it.
///
/// A message does not repeat that of its source: [`std::error::Error::source`] has it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database behind the state failed.
    #[error("state database")]
    Database(#[source] Box<dyn StdError + Send + Sync>),
    /// A transaction of a block is not valid, so neither is the block.
    #[error("transaction {index} is not valid")]
    Rejected {
        /// Position in the block.
        index: usize,
        /// Why.
        #[source]
        reason: Rejected,
    },
    /// The block environment lacks what the spec needs, or has what nothing can be made of.
    #[error("block environment: {0}")]
    Environment(String),
    /// A limit of the engine that no larger memory class lifts, or of the machine's memory.
    #[error("limit reached: {0}")]
    Limit(&'static str),
    /// The device that was asked for is not there, or cannot be used.
    #[error("no usable GPU: {0}")]
    NoDevice(String),
    /// The device is gone. Only opening one fails with it: when a device is lost that runs
    /// transactions, the CPU runs them, which each says ([`Fallback`](crate::Fallback)).
    #[error("device lost: {0}")]
    DeviceLost(String),
    /// The device has too little memory to be used; see [`Error::DeviceLost`] for when.
    #[error("{0}")]
    DeviceMemory(String),
    /// The folder of compiled programs cannot be used.
    #[error("compiled programs: {}", folder.display())]
    Artefacts {
        /// The folder.
        folder: std::path::PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The threads could not be started.
    #[error("cannot start the threads: {0}")]
    // No source: rayon's message is its cause's.
    Threads(rayon::ThreadPoolBuildError),
    /// A thread could not be started.
    #[error("cannot start a thread")]
    ThreadStart(#[source] std::io::Error),
    /// Something broke a contract within warpevm. Please report it.
    #[error("a bug in warpevm: {0}")]
    Bug(String),
}

/// Whose matter an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What the caller gave is not valid: a transaction of a block, its environment, a folder.
    Input,
    /// The caller's database failed.
    Database,
    /// There is no such device here, or no use in it.
    NoDevice,
    /// The device was there and is gone.
    DeviceLost,
    /// Memory of the device or of the machine, threads, or what a limit allows is used up.
    Exhausted,
    /// A bug in warpevm.
    Bug,
}

impl Error {
    /// Whose matter it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Database(_) => ErrorKind::Database,
            Error::Rejected { .. } | Error::Environment(_) => ErrorKind::Input,
            Error::NoDevice(_) => ErrorKind::NoDevice,
            Error::Artefacts { .. } => ErrorKind::Input,
            Error::DeviceLost(_) => ErrorKind::DeviceLost,
            Error::Limit(_)
            | Error::DeviceMemory(_)
            | Error::Threads(_)
            | Error::ThreadStart(_) => ErrorKind::Exhausted,
            Error::Bug(_) => ErrorKind::Bug,
        }
    }

    /// An error of a database. Where the database is one of our states, it is what the state said.
    pub(crate) fn database<E: StdError + Send + Sync + 'static>(error: E) -> Error {
        let error: Box<dyn StdError + Send + Sync> = Box::new(error);
        error.downcast().map_or_else(Error::Database, |own| *own)
    }
}

impl revm::database_interface::DBErrorMarker for Error {}

/// An error and its causes in one line.
pub fn with_causes(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.extend([": ", &error.to_string()]);
        cause = error.source();
    }
    line
}
