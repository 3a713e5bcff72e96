//! A GPU execution engine for Ethereum transactions.

pub mod types;

pub use types::*;
