//! Codes: what they are called, and what is known of them.
//!
//! | file | what |
//! |---|---|
//! | `ids.rs` | ids, bytes by id, and the arrays that kernels read |
//! | `knowledge.rs` | what is known of one code: program, analysis, functions |
//! | `growing.rs` | a program that is lowered while it runs |
//! | `tier.rs` | which program of a code runs; compiling in the background |
//! | `cache.rs` | that of all codes, by hash and spec, bounded |
//! | `artefact/` | programs on disk |

pub mod artefact;
mod cache;
pub mod growing;
pub mod ids;
mod knowledge;
pub mod tier;

pub use cache::CodeCache;
pub use knowledge::Predicted;
pub use tier::{CodeProgram, Tiers};
