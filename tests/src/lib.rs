//! Tests that hold every backend against revm and the official test data.

pub mod child;
pub mod dot;
pub mod fixtures;
pub mod machine_code;
pub mod skip;
