//! Lowers EVM bytecode into dependency-annotated graphs and on into register programs.
//!
//! The crate knows no device and does no I/O.

pub mod program;
pub mod spec;

pub use program::{Op, OpKind, Operand, Program};
pub use spec::Spec;
