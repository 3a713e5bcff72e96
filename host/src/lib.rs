//! A GPU execution engine for Ethereum transactions.

// They panic where nobody reads, or the disk is full.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod backend;
pub mod buffer;
pub mod chain;
pub mod code_cache;
pub mod conformance;
pub mod decode;
pub mod encode;
pub mod engine;
pub mod error;
pub mod input;
pub mod instance;
pub mod layout;
pub mod limits;
pub mod plan;
mod pool;
pub mod precompiles;
pub mod redo;
pub mod reference;
pub mod report;
pub mod results;
pub mod session;
pub mod state;
pub mod types;

pub use engine::{
    Batch, BlockResult, Config, Divergence, DivergenceCounts, Engine, Hints, Proposal, Waits,
};
pub use error::Error;
pub use state::State;
pub use types::*;
