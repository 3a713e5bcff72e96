//! Tests that hold every backend against revm and the official test data.

mod asm;
pub mod child;
pub mod dot;
pub mod fixtures;
pub mod machine_code;
pub mod skip;

pub use asm::asm;
