//! Development commands of warpevm.

mod generate;

use anyhow::Result;
use clap::Parser;
use std::path::Path;

#[derive(Parser)]
enum Command {
    /// Write the generated files; with --check, fail where one is stale.
    Generate {
        #[arg(long)]
        check: bool,
    },
}

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask has a parent");
    match Command::parse() {
        Command::Generate { check } => generate::run(root, check),
    }
}
