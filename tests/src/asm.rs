//! Code that people can read.

use warpevm_compiler::asm::assemble;

/// The bytes of a program as [`warpevm_compiler::asm`] reads it.
///
/// # Panics
/// Where it does not read.
pub fn asm(source: &str) -> Vec<u8> {
    assemble(source).unwrap_or_else(|error| panic!("{error}: {source}"))
}
