//! A GPU execution engine for Ethereum transactions.

pub mod conformance;
pub mod header;
pub mod input;
pub mod reference;
pub mod state_test;
pub mod types;
pub mod validate;

pub use types::*;
