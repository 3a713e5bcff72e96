//! `warpevm blocktest`: runs the official blockchain tests, or measures them beside revm.

use super::PolicyArg;
use super::compare::median;
use super::suite::SuiteArgs;
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;
use warpevm::chain::{BlockExecutor, Device, Revm};
use warpevm::conformance::block_test::{self, Spent};
use warpevm::conformance::files::{self, TestFile};
use warpevm::{Backend, Config};

/// Files that a comparison lists.
const WORST_SHOWN: usize = 10;

#[derive(Debug, Args)]
pub(crate) struct Blocktest {
    #[command(flatten)]
    suite: SuiteArgs,
    /// Threads that execute one block; files run in parallel as `--jobs` says.
    #[arg(long, default_value_t = 1, value_name = "N")]
    threads: usize,
    /// How transactions of a block are found that can run at the same time.
    #[arg(long, value_enum, default_value_t = PolicyArg::Auto)]
    policy: PolicyArg,
    /// Runs the files one after the other on the backend and on sequential revm in turn, on one
    /// thread, and lists those that take longest compared with revm.
    #[arg(long)]
    compare: bool,
    /// Rounds of a comparison, of which the median counts. Each compiles anew.
    #[arg(long, default_value_t = 3, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
}

/// What a file took on both.
#[derive(Clone, Debug, Serialize)]
struct Row {
    file: String,
    gas: u64,
    ours_seconds: f64,
    revm_seconds: f64,
    /// Ours by revm's: below 1 we are faster.
    ratio: f64,
}

/// Runs the command; whether every case passed.
pub(crate) fn run(args: &Blocktest) -> Result<bool> {
    if args.compare {
        return compare(args);
    }
    let executor = executor(args, args.threads)?;
    let total = args.suite.run(&|file, filter| {
        let result = block_test::run_file(&file.name, &file.bytes, executor.as_ref(), filter);
        result.map(|(summary, _)| summary)
    })?;
    args.suite.print(&total)
}

fn executor(args: &Blocktest, threads: usize) -> Result<Box<dyn BlockExecutor>> {
    Ok(match Backend::from(args.suite.backend) {
        Backend::Revm => Box::new(Revm),
        backend => {
            let policy = args.policy.into();
            Box::new(Device::new(Config { backend, threads, policy, ..Config::default() })?)
        }
    })
}

fn compare(args: &Blocktest) -> Result<bool> {
    let mut list = Vec::new();
    for path in &args.suite.paths {
        let context = || format!("cannot read {}", path.display());
        files::visit(path, &mut |file| {
            list.push(file?);
            Ok(())
        })
        .with_context(context)?;
    }
    let mut rows = Vec::new();
    for file in &list {
        if let Some(row) = compare_file(args, file)? {
            rows.push(row);
        }
    }
    rows.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
    print(args, &rows)?;
    if rows.len() < list.len() {
        println!("{} files left out: their blocks use no gas", list.len() - rows.len());
    }
    Ok(true)
}

/// Runs a file on both in turn; `None` where its blocks use no gas.
fn compare_file(args: &Blocktest, file: &TestFile) -> Result<Option<Row>> {
    let (mut ours, mut revm) = (Vec::new(), Vec::new());
    let mut gas = 0;
    for _ in 0..args.rounds {
        let theirs = measure(args, file, &Revm)?;
        let mine = measure(args, file, executor(args, 1)?.as_ref())?;
        ensure!(mine.gas == theirs.gas, "{}: {} gas, revm {}", file.name, mine.gas, theirs.gas);
        gas = mine.gas;
        ours.push(mine.time.as_secs_f64());
        revm.push(theirs.time.as_secs_f64());
    }
    let (ours_seconds, revm_seconds) = (median(&ours), median(&revm));
    if gas == 0 || revm_seconds == 0.0 {
        return Ok(None);
    }
    let (file, ratio) = (file.name.clone(), ours_seconds / revm_seconds);
    Ok(Some(Row { file, gas, ours_seconds, revm_seconds, ratio }))
}

fn measure(args: &Blocktest, file: &TestFile, executor: &dyn BlockExecutor) -> Result<Spent> {
    let spent = std::sync::Mutex::new(Spent::default());
    let summary = args.suite.run_one(file, &|file, filter| {
        let (summary, took) = block_test::run_file(&file.name, &file.bytes, executor, filter)?;
        *spent.lock().unwrap_or_else(|e| e.into_inner()) = took;
        Ok(summary)
    })?;
    if let Some(failure) = summary.failures.first() {
        anyhow::bail!("{} {}: {}", failure.file, failure.case, failure.reason);
    }
    Ok(spent.into_inner().unwrap_or_else(|e| e.into_inner()))
}

fn print(args: &Blocktest, rows: &[Row]) -> Result<()> {
    println!("one thread each, in turn; median of {} rounds, compiling included", args.rounds);
    for row in rows.iter().take(WORST_SHOWN) {
        let name = row.file.rsplit("blockchain_tests/").next().unwrap_or(&row.file);
        println!(
            "{:6.2} times revm's time  {:8.3} s  revm {:8.3} s  {:8.1} Mgas  {name}",
            row.ratio,
            row.ours_seconds,
            row.revm_seconds,
            row.gas as f64 / 1e6,
        );
    }
    let sum = |of: fn(&Row) -> f64| rows.iter().map(of).sum::<f64>();
    let (ours, revm) = (sum(|row| row.ours_seconds), sum(|row| row.revm_seconds));
    println!("{} files: {ours:.3} s, revm {revm:.3} s", rows.len());
    if args.suite.json {
        println!("{}", serde_json::json!({ "files": rows }));
    }
    Ok(())
}
