//! `cargo xtask sanitize`: the kernels of the `cpu` backend under AddressSanitizer (with its
//! LeakSanitizer) and UndefinedBehaviorSanitizer, as GCC has them, on stable Rust.
//!
//! Only the C++ is instrumented. Rust's heap, where instances and tables lie, has red zones as
//! well, since the runtime takes the place of the allocator. Each finding ends its process.

use crate::{cargo, setup};
use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Transactions of the fuzzer.
const FUZZ_COUNT: &str = "50000";

/// State tests: every file whose name contains one of these, of the suite.
const STATE_TESTS: (&str, &str) = ("dev", "^stAll|Memory|Return|Create|Call|eip|Precompile");

/// Runs every step; fails at the first one that does.
pub fn run(root: &Path) -> Result<()> {
    setup::require_cxx()?;
    let test = |package: &'static str, target: &[&'static str]| {
        [&["test", "--quiet", "--package", package][..], target].concat()
    };
    // The planted errors first: without their reports the rest would say nothing.
    step(root, "planted errors", &test("warpevm-kernels", &["--test", "planted"]))?;
    step(root, "kernels", &test("warpevm-kernels", &["--test", "op"]))?;
    step(root, "hostile programs", &test("warpevm-tests", &["--test", "hostile"]))?;
    step(root, "engine", &test("warpevm-tests", &["--test", "engine", "--test", "blocks"]))?;
    step(root, "fuzz regressions", &test("warpevm-fuzz", &["--test", "regressions"]))?;
    let fuzz = ["run", "--quiet", "--package", "warpevm-fuzz", "--", "--seed", "1", "--count"];
    step(root, "fuzz seeds", &[&fuzz[..], &[FUZZ_COUNT]].concat())?;
    let (suite, filter) = STATE_TESTS;
    let archive = setup::fixtures_dir(root).join(format!("conformance/{suite}.tar.zst"));
    if !archive.exists() {
        println!("skipped: state tests; {} is missing", archive.display());
        return Ok(());
    }
    let archive = archive.display().to_string();
    let tests = ["run", "--quiet", "--package", "warpevm-cli", "--", "statetest", &archive];
    step(root, "state tests", &[&tests[..], &["--filter", filter]].concat())
}

fn step(root: &Path, name: &str, args: &[&str]) -> Result<()> {
    println!("\n== {name}: cargo {}", args.join(" "));
    let start = Instant::now();
    let status = instrumented(root, args).status()?;
    ensure!(status.success(), "{name}: {status}");
    println!("{name}: no finding, {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Cargo, building instrumented kernels apart from the others.
fn instrumented(root: &Path, args: &[&str]) -> Command {
    let mut command = cargo(root, args);
    command
        .env("WARPEVM_SANITIZE", "1")
        .env("CARGO_TARGET_DIR", root.join("target/sanitize"))
        .env("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1")
        .env("UBSAN_OPTIONS", "print_stacktrace=1");
    command
}
