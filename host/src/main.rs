//! The command line of warpevm.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
