//! `warpevm blocktest`: runs the official blockchain tests, or measures them beside revm.

use super::output::{Progress, complain, line};
use super::suite::{Suite, SuiteArgs, start_threads};
use super::{PolicyArg, ROUNDS_MAX, Usage, interrupt, threads};
use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;
use warpevm::chain::{BlockExecutor, Revm};
use warpevm::conformance::block_test::{self, Spent};
use warpevm::conformance::files::TestFile;
use warpevm::conformance::{Failure, Summary};
use warpevm::{Backend, Config, Engine};
use warpevm_benches::figures::median;

/// What `--help` ends with.
pub(crate) const EXAMPLES: &str = "Examples:
  warpevm blocktest blockchain_tests/
  warpevm blocktest blocks-dev.tar.zst --fork Cancun --threads 2 --policy waves
  warpevm blocktest bench-blocks.tar.zst --compare --rounds 5 --json";

/// Files that a comparison lists.
const WORST_SHOWN: usize = 10;
/// Rounds of a comparison where the command line does not say.
const ROUNDS: u32 = 3;

#[derive(Debug, Args)]
pub(crate) struct Blocktest {
    #[command(flatten)]
    suite: SuiteArgs,
    /// Threads that execute one block, else one; 0 takes one for each core. Files run in parallel
    /// as `--jobs` says.
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<usize>,
    /// How transactions of a block are found that can run at the same time; else auto.
    #[arg(long, value_enum)]
    policy: Option<PolicyArg>,
    /// Runs the files one after the other on the backend and on sequential revm in turn, on one
    /// thread, and lists those that take longest compared with revm.
    #[arg(long)]
    compare: bool,
    /// Rounds of a comparison, of which the median counts; else 3. Each compiles anew.
    #[arg(long, value_name = "N", requires = "compare")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=ROUNDS_MAX))]
    rounds: Option<u32>,
}

/// What a file took on both.
#[derive(Clone, Debug, Serialize)]
struct FileRow {
    file: String,
    gas: u64,
    ours_seconds: f64,
    revm_seconds: f64,
    /// Ours by revm's: below 1 we are faster.
    ratio: f64,
}

impl Blocktest {
    /// Whether the arguments go together.
    fn check(&self) -> Result<(), Usage> {
        self.suite.check()?;
        let backend = Backend::from(self.suite.backend);
        let one_thread = self.compare || self.threads.unwrap_or(1) == 1;
        let refused = [
            (
                self.threads.is_some() && backend == Backend::Revm,
                "--threads: revm executes a block on one thread",
            ),
            (
                self.policy.is_some() && backend == Backend::Revm,
                "--policy: revm executes a block in its order",
            ),
            (
                self.policy.is_some() && backend == Backend::Cpu && one_thread,
                "--policy: one thread executes a block in its order (--threads takes more)",
            ),
            (
                self.compare && backend == Backend::Revm,
                "--compare: it measures a backend beside revm",
            ),
            (self.compare && self.threads.is_some(), "--threads: --compare takes one"),
            (
                self.compare && self.suite.jobs.is_some(),
                "--jobs: --compare runs one file after the other",
            ),
            (
                self.compare && self.suite.min_residency.is_some(),
                "--min-residency: --compare measures time",
            ),
        ];
        let refused = refused.into_iter().find(|(refused, _)| *refused);
        refused.map_or(Ok(()), |(_, why)| Err(Usage(why.to_owned())))
    }

    fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(ROUNDS)
    }
}

/// Runs the command; whether every case passed.
pub(crate) fn run(args: &Blocktest) -> Result<bool> {
    args.check()?;
    if args.compare {
        return compare(args);
    }
    let executor = executor(args, args.suite.config().with_threads(args.threads.unwrap_or(1)))?;
    let suite = Suite::new(&args.suite);
    let total = suite.run(&|name, bytes, filter| {
        let result = block_test::run_file(name, bytes, executor.as_ref(), filter);
        result.map(|(summary, _)| summary)
    })?;
    suite.print(&total)
}

fn executor(args: &Blocktest, config: Config) -> Result<Box<dyn BlockExecutor>> {
    Ok(match Backend::from(args.suite.backend) {
        Backend::Revm => Box::new(Revm),
        _ => {
            let policy = args.policy.unwrap_or(PolicyArg::Auto).into();
            Box::new(Engine::new(config.with_policy(policy))?)
        }
    })
}

/// Compares file by file; what cannot be compared is a failure, and the rest is compared.
fn compare(args: &Blocktest) -> Result<bool> {
    start_threads(0)?;
    interrupt::listen();
    let suite = Suite::new(&args.suite);
    let (mut total, mut list) = (Summary::default(), Vec::new());
    for path in &args.suite.paths {
        suite.visit(path, &mut total, &mut |waiting, _| list.append(waiting));
    }
    let progress = Progress::new(list.len() as u64, "files");
    let (mut rows, mut without_gas) = (Vec::new(), 0);
    for file in list.iter().take_while(|_| !interrupt::asked()) {
        match compare_file(args, &suite, file) {
            // What stops halfway is no measurement.
            _ if interrupt::asked() => {}
            Ok(Some(row)) => rows.push(row),
            Ok(None) => without_gas += 1,
            Err(error) => {
                total.failed += 1;
                let (file, reason) = (suite.shown(file).to_owned(), format!("{error:#}"));
                total.failures.push(Failure { file, case: None, reason });
            }
        }
        progress.step(1);
    }
    drop(progress);
    rows.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
    suite.print_failures(&total)?;
    if without_gas > 0 {
        line(format!("{without_gas} files left out: their blocks use no gas"))?;
    }
    print(args, &rows, &total)?;
    if interrupt::asked() {
        complain(format!("interrupted: {} of {} files were compared", rows.len(), list.len()));
    } else if rows.is_empty() && total.failed == 0 {
        complain(format!("error: no file was compared: {}", suite.why_nothing(&total)));
    }
    Ok(total.failed == 0 && !rows.is_empty())
}

/// Runs a file on both in turn; `None` where its blocks use no gas.
fn compare_file(args: &Blocktest, suite: &Suite<'_>, file: &TestFile) -> Result<Option<FileRow>> {
    let (mut ours, mut revm) = (Vec::new(), Vec::new());
    let mut gas = 0;
    for _ in 0..args.rounds() {
        let theirs = measure(suite, file, &Revm)?;
        let engine = executor(args, args.suite.config().with_threads(1))?;
        let mine = measure(suite, file, engine.as_ref())?;
        ensure!(
            mine.gas == theirs.gas,
            "{}: {} gas, revm {}",
            suite.shown(file),
            mine.gas,
            theirs.gas
        );
        gas = mine.gas;
        ours.push(mine.time.as_secs_f64());
        revm.push(theirs.time.as_secs_f64());
    }
    let (ours_seconds, revm_seconds) = (median(&ours), median(&revm));
    if gas == 0 || revm_seconds == 0.0 {
        return Ok(None);
    }
    let (file, ratio) = (suite.shown(file).to_owned(), ours_seconds / revm_seconds);
    Ok(Some(FileRow { file, gas, ours_seconds, revm_seconds, ratio }))
}

fn measure(suite: &Suite<'_>, file: &TestFile, executor: &dyn BlockExecutor) -> Result<Spent> {
    let spent = std::sync::Mutex::new(Spent::default());
    let summary = suite.run_one(file, &|name, bytes, filter| {
        let (summary, took) = block_test::run_file(name, bytes, executor, filter)?;
        *spent.lock().unwrap_or_else(|e| e.into_inner()) = took;
        Ok(summary)
    })?;
    if let Some(failure) = summary.failures.first() {
        anyhow::bail!("{failure}");
    }
    Ok(spent.into_inner().unwrap_or_else(|e| e.into_inner()))
}

fn print(args: &Blocktest, rows: &[FileRow], total: &Summary) -> Result<()> {
    let (rounds, inputs) = (args.rounds(), args.suite.paths.len());
    line(format!("one thread each, in turn; median of {rounds} rounds, compiling included"))?;
    for row in rows.iter().take(WORST_SHOWN) {
        // Of several inputs the name says which.
        let short = row.file.rsplit("blockchain_tests/").next().filter(|_| inputs == 1);
        let name = short.unwrap_or(&row.file);
        line(format!(
            "{:6.2} times revm's time  {:8.3} s  revm {:8.3} s  {:8.1} Mgas  {name}",
            row.ratio,
            row.ours_seconds,
            row.revm_seconds,
            row.gas as f64 / 1e6,
        ))?;
    }
    let sum = |of: fn(&FileRow) -> f64| 0.0 + rows.iter().map(of).sum::<f64>();
    let (ours, revm) = (sum(|row| row.ours_seconds), sum(|row| row.revm_seconds));
    line(format!("{} files: {ours:.3} s, revm {revm:.3} s", rows.len()))?;
    if args.suite.json {
        let object = serde_json::json!({ "files": rows, "failures": total.failures });
        line(object.to_string())?;
    }
    Ok(())
}
