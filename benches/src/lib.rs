//! Suites of workloads, every contender in one run, in turn: what `warpevm bench` measures and what
//! its report says.

#![allow(missing_docs, reason = "README.md explains rows and figures; `warpevm bench` is the user")]
// They panic where nobody reads, or the disk is full.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod ablate;
pub mod cold;
pub mod figures;
pub mod html;
pub mod measure;
pub mod model;
pub mod plot;
mod programs;
pub mod suites;
pub mod workload;
