//! `cargo xtask test`: everything that must hold before a change lands, in one command.
//!
//! Every step runs, also after a failure. What cannot run here is skipped visibly, with its reason;
//! `--strict` makes each skip a failure. The command ends with a table and a line of totals.

use crate::{EXAMPLE, cargo, counts, cuda, generate, setup};
use anyhow::{Context, Result};
use std::borrow::BorrowMut;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Columns of a step's name in the table.
const NAME_COLUMNS: usize = 24;

/// The suites of official state tests, all of whose cases must pass.
const STATE_TESTS: [&str; 3] = ["dev", "generated-dev", "legacy-dev"];

/// State tests of every folder.
const DEV: &str = "conformance/dev.tar.zst";
/// One of so many cases also runs on the reference alone.
const REFERENCE_SAMPLE: &str = "12";
/// One of so many cases runs on the `wgpu` backend: 3,248 over all folders.
const WGPU_SAMPLE: &str = "12";

/// Policies that guess, which are tried with more threads than CI has cores.
const POLICIES: [&str; 4] = ["optimistic", "waves", "declared", "auto"];
/// The suites of official blockchain tests, all of whose cases must pass.
const BLOCK_TESTS: [&str; 3] = ["blocks-dev", "legacy-dev", "bench-blocks"];

/// The one release build: the command line, and what `cargo xtask counts` counts.
pub const RELEASE_BUILD: [&str; 7] =
    ["build", "--release", "--package", "warpevm-cli", "--package", "warpevm-benches", "--bins"];

/// The library is compiled with these alone, and without any.
const FEATURES: [&str; 6] =
    ["", "warpevm/cuda", "warpevm/wgpu", "warpevm/chain", "warpevm/files", "warpevm/fake-device"];

/// Tells the tests where the command line's binary is (`tests/tests/common`).
const BINARY_VAR: &str = "WARPEVM_BINARY";

enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

struct Runner<'a> {
    root: &'a Path,
    cache: PathBuf,
    skips: PathBuf,
    strict: bool,
    results: Vec<(String, Outcome, Duration)>,
    /// Where the machine code of the kernels is, for the tests that run it.
    cubins: Option<PathBuf>,
    /// The driver on which shaders run.
    vulkan: Option<PathBuf>,
}

/// Runs every step. Returns whether all passed; the totals are the last line printed.
pub fn run(root: &Path, strict: bool, quick: bool) -> Result<bool> {
    setup::require_cxx()?;
    let skips = root.join("target/skips.tsv");
    if skips.exists() {
        std::fs::remove_file(&skips).with_context(|| format!("{}", skips.display()))?;
    }
    let cache = setup::cache_dir()?;
    let mut runner =
        Runner { root, cache, skips, strict, results: Vec::new(), cubins: None, vulkan: None };
    runner.steps(quick);
    runner.finish()
}

impl Runner<'_> {
    fn steps(&mut self, quick: bool) {
        let root = self.root;
        self.step("rustfmt", |r| match setup::component("rustfmt") {
            Ok(()) => r.command(cargo(root, &["fmt", "--all", "--", "--check"])),
            Err(reason) => Outcome::Skipped(reason),
        });
        self.step("generated files", |r| match generate::run(r.root, true) {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(format!("{error:#}")),
        });
        self.unless(quick, "clippy", |r| match setup::component("clippy") {
            Ok(()) => r.command(cargo(
                root,
                &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
            )),
            Err(reason) => Outcome::Skipped(reason),
        });
        // Behind clippy, which has compiled the dependencies to what this needs of them.
        self.unless(quick, "documentation", |r| {
            let mut doc = cargo(root, &["doc", "--workspace", "--no-deps", "--quiet"]);
            r.command(doc.env("RUSTDOCFLAGS", "-D warnings"))
        });
        self.step("dependencies", |r| match setup::cargo_deny() {
            Ok(deny) => {
                let mut check = Command::new(deny);
                check.current_dir(root).args(["check", "bans", "licenses", "sources"]);
                r.command(check)
            }
            Err(reason) => Outcome::Skipped(reason),
        });
        self.unless(quick, "features", |r| {
            let each = FEATURES.iter().map(|feature| {
                let mut check = cargo(root, &["clippy", "--quiet", "--lib"]);
                // With the dependencies of the step before.
                check.args(["--package", "warpevm", "--package", "warpevm-unify"]);
                check.args(["--no-default-features", "--features", feature]);
                check.args(["--", "-D", "warnings"]);
                r.command(check)
            });
            let failed = each.into_iter().find(|outcome| !matches!(outcome, Outcome::Passed));
            failed.unwrap_or(Outcome::Passed)
        });
        let mut cubins = None;
        self.unless(quick, "cuda kernels", |r| match cuda::Toolchain::install() {
            Ok(toolchain) => {
                let compared = cuda::run(r.root, &toolchain, false);
                match compared.and_then(|()| cuda::machine_code(&toolchain)) {
                    Ok(folder) => {
                        cubins = Some(folder);
                        Outcome::Passed
                    }
                    Err(error) => Outcome::Failed(format!("{error:#}")),
                }
            }
            Err(reason) => Outcome::Skipped(reason),
        });
        self.cubins = cubins;
        // The workspace's tests build these with its features; alone they would be built again.
        let built = |name| setup::target_dir(root).join("debug").join(name);
        let mut vulkan = None;
        self.step("vulkan driver", |_| match setup::vulkan_driver() {
            Ok(driver) => {
                println!("{}", driver.display());
                vulkan = Some(driver);
                Outcome::Passed
            }
            Err(reason) => Outcome::Skipped(reason),
        });
        self.vulkan = vulkan;
        if setup::runs("cargo", &["nextest", "--version"]) {
            self.step("tests", |r| {
                let mut tests = cargo(root, &["nextest", "run", "--workspace", "--no-fail-fast"]);
                r.command(tests.env(BINARY_VAR, built("warpevm")))
            });
            // nextest runs no documentation tests.
            self.step("documentation tests", |r| {
                r.command(cargo(root, &["test", "--workspace", "--doc", "--no-fail-fast"]))
            });
        } else {
            self.step("tests", |r| {
                let mut tests = cargo(root, &["test", "--workspace", "--no-fail-fast"]);
                r.command(tests.env(BINARY_VAR, built("warpevm")))
            });
        }
        self.step("example files", |r| r.command(Command::new(built(EXAMPLE)).arg("--check")));
        self.unless(quick, "release build", |r| r.command(cargo(root, &RELEASE_BUILD)));
        self.unless(quick, "instruction counts", |r| match counts::missing(r.root) {
            None => match counts::run(r.root, false) {
                Ok(()) => Outcome::Passed,
                Err(error) => Outcome::Failed(format!("{error:#}")),
            },
            Some(reason) => Outcome::Skipped(reason),
        });
        let block = "host/examples/token-block";
        let full = ["--validate", "full", "--min-residency", "0.99"];
        self.binary(quick, "example block", &["run", block], &full);
        self.binary(quick, "example batch", &["simulate", "host/examples/erc20-batch.json"], &full);
        self.suite(quick, "mainnet blocks", "run", "mainnet/mainnet-dev.tar.zst", &full);
        for name in STATE_TESTS {
            let file = format!("conformance/{name}.tar.zst");
            let step = format!("statetest {name}");
            let options = ["--backend", "cpu", "--min-residency", "0.99"];
            self.suite(quick, &step, "statetest", &file, &options);
        }
        // The reference alone: all of the spec that revm lacks, and a sample of the others.
        let legacy = "conformance/legacy-dev.tar.zst";
        let alone = ["--backend", "revm", "--fork", "Constantinople"];
        self.suite(quick, "statetest legacy-dev, reference", "statetest", legacy, &alone);
        let alone = ["--backend", "revm", "--sample", REFERENCE_SAMPLE];
        self.suite(quick, "statetest dev, reference", "statetest", DEV, &alone);
        for name in BLOCK_TESTS {
            let file = format!("conformance/{name}.tar.zst");
            let step = format!("blocktest {name}");
            self.suite(quick, &step, "blocktest", &file, &["--backend", "cpu"]);
        }
        // What takes more than a dispatch or more memory than Mesa binds runs elsewhere: below 1%.
        let wgpu = ["--backend", "wgpu", "--sample", WGPU_SAMPLE, "--min-residency", "0.98"];
        self.suite(quick, "statetest dev, wgpu", "statetest", DEV, &wgpu);
        let wgpu = ["--backend", "wgpu", "--policy", "optimistic", "--validate", "full"];
        self.suite(quick, "mainnet blocks, wgpu", "run", "mainnet/mainnet-dev.tar.zst", &wgpu);
        for policy in POLICIES {
            let options = ["--backend", "cpu", "--policy", policy, "--threads", "3"];
            let step = format!("blocktest blocks-dev, {policy}");
            let file = "conformance/blocks-dev.tar.zst";
            self.suite(quick, &step, "blocktest", file, &options);
        }
    }

    /// Runs the release build of `warpevm`.
    fn binary(&mut self, quick: bool, name: &str, command: &[&str], options: &[&str]) {
        let root = self.root;
        self.unless(quick, name, |r| {
            let mut run = Command::new(setup::target_dir(root).join("release/warpevm"));
            run.current_dir(root).args(command).args(options);
            r.telling_command(run)
        });
    }

    /// Runs it on a file of the fixtures.
    fn suite(&mut self, quick: bool, name: &str, command: &str, file: &str, options: &[&str]) {
        let path = setup::fixtures_dir(self.root).join(file);
        if quick || path.exists() {
            let path = path.display().to_string();
            return self.binary(quick, name, &[command, &path], options);
        }
        self.step(name, |_| {
            let place = path.display();
            Outcome::Skipped(format!("{place} is missing; docs/TESTING.md says where it is from"))
        });
    }

    fn step(&mut self, name: &str, run: impl FnOnce(&Self) -> Outcome) {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = match run(self) {
            Outcome::Skipped(reason) if self.strict => {
                Outcome::Failed(format!("skipped, which --strict forbids: {reason}"))
            }
            outcome => outcome,
        };
        if let Outcome::Failed(reason) | Outcome::Skipped(reason) = &outcome {
            println!("{name}: {reason}");
        }
        self.results.push((name.to_owned(), outcome, start.elapsed()));
    }

    fn unless(&mut self, quick: bool, name: &str, run: impl FnOnce(&Self) -> Outcome) {
        self.step(name, |r| match quick {
            true => Outcome::Skipped("left out by --quick".to_owned()),
            false => run(r),
        });
    }

    fn prepare(&self, command: &mut Command) {
        command.env(setup::CACHE_VAR, &self.cache).env("WARPEVM_SKIPS", &self.skips);
        if let Some(cubins) = &self.cubins {
            command.env(cuda::CUBINS_VAR, cubins);
        }
        if let Some(vulkan) = &self.vulkan {
            command.env(setup::VULKAN_VAR, vulkan);
            command.env(setup::MESA_CACHE_VAR, self.cache.join("mesa"));
        }
        if self.strict {
            command.env("WARPEVM_STRICT", "1");
        }
    }

    fn command(&self, mut command: impl BorrowMut<Command>) -> Outcome {
        let command = command.borrow_mut();
        self.prepare(command);
        match command.status() {
            Ok(status) if status.success() => Outcome::Passed,
            Ok(status) => Outcome::Failed(status.to_string()),
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    /// A command that must print what it did: success in silence is no result.
    fn telling_command(&self, mut command: Command) -> Outcome {
        self.prepare(&mut command);
        match command.stderr(std::process::Stdio::inherit()).output() {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stdout);
                print!("{text}");
                if !output.status.success() {
                    Outcome::Failed(output.status.to_string())
                } else if text.trim().is_empty() {
                    Outcome::Failed("it printed no result".to_owned())
                } else {
                    Outcome::Passed
                }
            }
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    /// The table, the skipped tests and the totals.
    fn finish(self) -> Result<bool> {
        println!("\n{:NAME_COLUMNS$} result   seconds", "step");
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        for (name, outcome, took) in &self.results {
            let (word, reason) = match outcome {
                Outcome::Passed => ("passed", ""),
                Outcome::Failed(reason) => ("FAILED", reason.as_str()),
                Outcome::Skipped(reason) => ("skipped", reason.as_str()),
            };
            match outcome {
                Outcome::Passed => passed += 1,
                Outcome::Failed(_) => failed += 1,
                Outcome::Skipped(_) => skipped += 1,
            }
            println!("{name:NAME_COLUMNS$} {word:8} {:7.1}  {reason}", took.as_secs_f64());
        }
        let mut tests: Vec<String> = match std::fs::read_to_string(&self.skips) {
            Ok(text) => text.lines().map(|line| line.replace('\t', ": ")).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).context("the list of skipped tests"),
        };
        tests.sort();
        tests.dedup();
        if !tests.is_empty() {
            println!("\nskipped within the tests ({}):", tests.len());
            tests.iter().for_each(|line| println!("  {line}"));
        }
        println!("\nsteps: {passed} passed, {failed} failed, {skipped} skipped");
        Ok(failed == 0)
    }
}
