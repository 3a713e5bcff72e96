//! A GPU execution engine for Ethereum transactions.

// They panic where nobody reads, or the disk is full.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod backend;
pub mod buffer;
#[cfg(feature = "chain")]
pub mod chain;
pub mod code;
#[cfg(feature = "files")]
pub mod conformance;
mod convert;
pub mod engine;
pub mod error;
#[cfg(feature = "files")]
pub mod input;
pub mod instance;
pub mod limits;
pub mod plan;
mod pool;
pub mod redo;
pub mod reference;
pub mod report;
#[cfg(feature = "files")]
pub mod results;
pub mod state;
mod sync;
pub mod types;

pub use code::Tiers;
pub use convert::{UnsupportedSetting, bundle_state};
pub use engine::{
    Batch, BlockResult, Config, Divergence, DivergenceCounts, Engine, Hints, Proposal,
};
pub use error::Error;
pub use plan::Waits;
pub use revm;
pub use state::State;
pub use types::*;

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
