//! A GPU execution engine for Ethereum transactions.

pub mod header;
pub mod input;
pub mod reference;
pub mod types;

pub use types::*;
