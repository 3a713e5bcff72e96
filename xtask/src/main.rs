//! Development commands of warpevm.

mod counts;
mod cuda;
mod field_program;
mod generate;
mod sanitize;
mod setup;
mod test;

use anyhow::{Result, ensure};
use clap::{Args, Parser};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[derive(Parser)]
#[command(name = "cargo xtask", about)]
enum Task {
    /// Set up what is missing and run every check.
    Test(TestArgs),
    /// Run the kernels of the `cpu` backend under AddressSanitizer and UndefinedBehaviorSanitizer.
    Sanitize,
    /// Write the generated files; with --check, fail where one is stale.
    Generate {
        #[arg(long)]
        check: bool,
    },
    /// Compile the kernels for NVIDIA GPUs, compare what they take with the committed files, and
    /// run their machine code on the CPU.
    Cuda {
        /// Write the files instead.
        #[arg(long)]
        bless: bool,
        /// Only write the machine code into this folder: as `kernels` beside the program it serves
        /// machines without NVRTC.
        #[arg(long, value_name = "DIR")]
        prebuild: Option<PathBuf>,
        /// Only for this compute capability, without the point.
        #[arg(long, requires = "prebuild")]
        sm: Option<u32>,
    },
    /// Count the instructions that the CPU executes for a few workloads, and compare them with the
    /// committed ones.
    Counts {
        /// Write the file instead.
        #[arg(long)]
        bless: bool,
    },
    /// Write the example block and batch; with --check, fail where one is stale.
    Example {
        #[arg(long)]
        check: bool,
    },
}

#[derive(Args)]
struct TestArgs {
    /// Fail where something would be skipped.
    #[arg(long, conflicts_with = "quick")]
    strict: bool,
    /// Leave out clippy and everything that needs a release build.
    #[arg(long)]
    quick: bool,
}

fn main() -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask has a parent");
    match Task::parse() {
        Task::Test(args) => {
            if !test::run(root, args.strict, args.quick)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Task::Sanitize => sanitize::run(root)?,
        Task::Generate { check } => generate::run(root, check)?,
        Task::Cuda { prebuild: Some(folder), sm, .. } => {
            let toolchain = cuda::Toolchain::install().map_err(anyhow::Error::msg)?;
            cuda::prebuild(&toolchain, &folder, sm)?;
        }
        Task::Cuda { bless, .. } => {
            let toolchain = cuda::Toolchain::install().map_err(anyhow::Error::msg)?;
            cuda::run(root, &toolchain, bless)?;
            cuda::machine_code_tests(root, &toolchain, bless)?;
        }
        Task::Counts { bless } => {
            if let Some(why) = counts::missing(root) {
                anyhow::bail!(why);
            }
            counts::run(root, bless)?;
        }
        Task::Example { check } => {
            let status = example(root, check).status()?;
            ensure!(status.success(), "generate-example failed");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Cargo as it was called, in the root of the workspace.
fn cargo(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.current_dir(root).args(args);
    command
}

/// The program that writes the examples.
const EXAMPLE: &str = "generate-example";

/// The generator of the examples is no part of xtask: it needs revm, and xtask must build fast.
fn example(root: &Path, check: bool) -> Command {
    let mut command =
        cargo(root, &["run", "--quiet", "--package", "warpevm-tests", "--bin", EXAMPLE]);
    if check {
        command.args(["--", "--check"]);
    }
    command
}
