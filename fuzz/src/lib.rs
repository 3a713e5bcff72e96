//! Differential fuzzing: random contracts, calls and blocks through the engine and through
//! sequential revm, every result compared, and what differs made small.
//!
//! 1. [`world`] makes a [`case::Case`] of a seed: contracts ([`program`]), accounts, transactions.
//! 2. [`check`] runs it on both sides and compares.
//! 3. [`coverage`] counts what cases really do.
//! 4. [`shrink`] takes away what a difference does not need.

pub mod asm;
pub mod bytes;
pub mod case;
pub mod check;
pub mod compile;
pub mod coverage;
pub mod precompile;
pub mod program;
pub mod rng;
pub mod run;
pub mod shrink;
pub mod tx;
pub mod world;
