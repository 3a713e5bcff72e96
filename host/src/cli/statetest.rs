//! `warpevm statetest`: runs the official state tests.

use anyhow::{Context, Result};
use clap::Args;
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::Mutex;
use warpevm::conformance::state_test::TestState;
use warpevm::conformance::{Executor, Summary, files, state_test};
use warpevm::reference::Sequential;
use warpevm::{Backend, Config, Engine, Env, Outcome, State, Transaction};

/// How many failures the text output lists.
const FAILURES_SHOWN_MAX: usize = 20;
/// Files that wait for a thread: bounds memory while an archive streams.
const FILES_PER_ROUND: usize = 256;

#[derive(Debug, Args)]
pub(crate) struct Statetest {
    /// State test files, folders of them, or .tar.zst archives.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// What executes the transactions.
    #[arg(long, value_enum, default_value_t = super::BackendArg::Cpu)]
    backend: super::BackendArg,
    /// Only cases of this fork, as the tests name it (Cancun, Prague, ...).
    #[arg(long)]
    fork: Option<String>,
    /// Only cases whose file or name matches this regular expression.
    #[arg(long)]
    filter: Option<regex::Regex>,
    /// Threads (0: all cores).
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Fails when a smaller share of the cases ran wholly on the device.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    min_residency: f64,
    /// Print one JSON object as the last line.
    #[arg(long)]
    json: bool,
    /// Print every failure.
    #[arg(long)]
    all_failures: bool,
}

/// Executes through sequential revm.
struct Revm;

impl Executor for Revm {
    fn transact(&self, env: &Env, tx: &Transaction, state: &TestState) -> Result<Outcome, String> {
        let mut revm = Sequential::new(env, state);
        revm.transact_once(tx).map(|(outcome, _)| outcome).map_err(|e| e.to_string())
    }
}

/// Executes through an engine on the device asked for.
struct Device(Engine);

impl Executor for Device {
    fn transact(&self, env: &Env, tx: &Transaction, state: &TestState) -> Result<Outcome, String> {
        let with_storage = state.accounts_with_storage();
        let probe = move |address| with_storage.contains(&address);
        let state =
            State::new(state).map_err(|e| e.to_string())?.with_storage_probe(Box::new(probe));
        let batch = self.0.simulate(env, std::slice::from_ref(tx), &state);
        let outcomes = batch.map_err(|e| e.to_string())?.outcomes;
        outcomes.into_iter().next().ok_or_else(|| "the batch gave no outcome".to_owned())
    }
}

/// Runs the command; whether every case passed.
pub(crate) fn run(args: &Statetest) -> Result<bool> {
    rayon::ThreadPoolBuilder::new().num_threads(args.jobs).build_global().ok();
    let executor: Box<dyn Executor> = match Backend::from(args.backend) {
        Backend::Revm => Box::new(Revm),
        backend => {
            Box::new(Device(Engine::new(Config { backend, threads: 1, ..Config::default() })?))
        }
    };
    let mut total = Summary::default();
    for path in &args.paths {
        let summary = run_path(args, path, executor.as_ref())
            .with_context(|| format!("cannot run {}", path.display()))?;
        total = total.merged(summary);
    }
    print(args, &total)?;
    let resident = total.residency() >= args.min_residency;
    if !resident {
        let share = total.residency();
        eprintln!("error: residency {share:.4} is below the {} asked for", args.min_residency);
    }
    Ok(resident && total.failed == 0)
}

fn run_path(args: &Statetest, path: &std::path::Path, executor: &dyn Executor) -> Result<Summary> {
    let total = Mutex::new(Summary::default());
    let mut waiting = Vec::new();
    let run_round = |waiting: &mut Vec<files::TestFile>| -> Result<()> {
        let results: Result<Vec<Summary>, _> = waiting
            .par_iter()
            .map(|file| {
                let filter = |case: &str, fork: &str| {
                    args.fork.as_deref().is_none_or(|f| f == fork)
                        && args
                            .filter
                            .as_ref()
                            .is_none_or(|f| f.is_match(case) || f.is_match(&file.name))
                };
                state_test::run_file(&file.name, &file.bytes, executor, &filter)
            })
            .collect();
        waiting.clear();
        let mut sum = total.lock().unwrap_or_else(|e| e.into_inner());
        *sum = results?.into_iter().fold(std::mem::take(&mut *sum), Summary::merged);
        Ok(())
    };
    let mut failed = Ok(());
    files::visit(path, &mut |file| {
        waiting.push(file);
        if waiting.len() >= FILES_PER_ROUND && failed.is_ok() {
            failed = run_round(&mut waiting);
        }
        Ok(())
    })?;
    failed?;
    run_round(&mut waiting)?;
    Ok(total.into_inner().unwrap_or_else(|e| e.into_inner()))
}

fn print(args: &Statetest, total: &Summary) -> Result<()> {
    let shown = if args.all_failures { usize::MAX } else { FAILURES_SHOWN_MAX };
    for failure in total.failures.iter().take(shown) {
        println!("FAILED {} {}: {}", failure.file, failure.case, failure.reason);
    }
    if total.failures.len() > shown {
        println!("... and {} more (--all-failures)", total.failures.len() - shown);
    }
    for (reason, count) in &total.skipped {
        println!("skipped {count}: {reason}");
    }
    for (reason, count) in &total.fallbacks {
        println!("not wholly on the device {count}: {reason:?}");
    }
    println!("residency {:.4} of cases", total.residency());
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped());
    if args.json {
        let object = serde_json::json!({
            "passed": total.passed,
            "failed": total.failed,
            "skipped": total.skipped(),
            "residency_cases": total.residency(),
            "fallbacks": total.fallbacks,
            "skips": total.skipped,
        });
        println!("{object}");
    }
    Ok(())
}
