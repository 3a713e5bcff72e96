//! The command line of warpevm.

// They panic where nobody reads, or the disk is full: `cli::output` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
