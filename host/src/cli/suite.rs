//! What the commands that run official tests share: files in parallel, the sum, its print.

use super::output::Progress;
use alloy_primitives::keccak256;
use anyhow::{Context, Result};
use clap::Args;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use warpevm::conformance::Summary;
use warpevm::conformance::files::{self, TestFile};
use warpevm::input::InputError;

/// How many failures the text output lists.
const FAILURES_SHOWN_MAX: usize = 20;
/// Files that wait for a thread: bounds memory while an archive streams.
const FILES_PER_ROUND: usize = 256;

#[derive(Debug, Args)]
pub(crate) struct SuiteArgs {
    /// Test files, folders of them, or .tar.zst archives.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// What executes.
    #[arg(long, value_enum, default_value_t = super::BackendArg::Cpu)]
    pub backend: super::BackendArg,
    /// Only cases of this fork, as the tests name it (Cancun, Prague, ...).
    #[arg(long)]
    pub fork: Option<String>,
    /// Only cases whose file or name matches this regular expression.
    #[arg(long)]
    pub filter: Option<regex::Regex>,
    /// Only one case of N, of all folders and always the same ones.
    #[arg(long, default_value_t = 1, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub sample: u64,
    /// Threads (0: all cores).
    #[arg(long, default_value_t = 0)]
    pub jobs: usize,
    /// Fails when a smaller share of the cases ran wholly on the device.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub min_residency: f64,
    /// Print one JSON object as the last line.
    #[arg(long)]
    pub json: bool,
    /// Print every failure.
    #[arg(long)]
    pub all_failures: bool,
}

/// Runs one file; the function says which cases (name, fork) to run.
pub(crate) type RunFile<'a> =
    dyn Fn(&TestFile, &dyn Fn(&str, &str) -> bool) -> Result<Summary, InputError> + Sync + 'a;

impl SuiteArgs {
    /// Runs every file of every path. Returns the sum.
    pub(crate) fn run(&self, run_file: &RunFile<'_>) -> Result<Summary> {
        rayon::ThreadPoolBuilder::new().num_threads(self.jobs).build_global().ok();
        let mut total = Summary::default();
        let progress = Progress::endless("files");
        for path in &self.paths {
            let summary = self.run_path(path, run_file, &progress);
            let context = || format!("cannot run {}", path.display());
            total = total.merged(summary.with_context(context)?);
        }
        Ok(total)
    }

    fn run_path(
        &self,
        path: &Path,
        run_file: &RunFile<'_>,
        progress: &Progress,
    ) -> Result<Summary, InputError> {
        let mut total = Summary::default();
        let mut waiting = Vec::new();
        let mut run_round = |waiting: &mut Vec<TestFile>| -> Result<(), InputError> {
            let run = |file| {
                let summary = self.run_one(file, run_file)?;
                progress.step(1);
                Ok(summary)
            };
            let results: Result<Vec<Summary>, _> = waiting.par_iter().map(run).collect();
            waiting.clear();
            total = results?.into_iter().fold(std::mem::take(&mut total), Summary::merged);
            progress.message(format!("{} passed, {} failed", total.passed, total.failed));
            Ok(())
        };
        let hidden = files::visit(path, &mut |file| {
            waiting.push(file?);
            if waiting.len() < FILES_PER_ROUND { Ok(()) } else { run_round(&mut waiting) }
        })?;
        run_round(&mut waiting)?;
        if hidden > 0 {
            total.skip("in a folder whose name begins with a dot", hidden);
        }
        Ok(total)
    }

    /// Runs a file's cases that the arguments ask for.
    pub(crate) fn run_one(
        &self,
        file: &TestFile,
        run_file: &RunFile<'_>,
    ) -> Result<Summary, InputError> {
        run_file(file, &|case, fork| {
            let filter = self.filter.as_ref();
            self.fork.as_deref().is_none_or(|wanted| wanted == fork)
                && filter.is_none_or(|f| f.is_match(case) || f.is_match(&file.name))
                && self.samples(&file.name, case, fork)
        })
    }

    /// Whether a case is in the sample: its names decide, so that the order of files does not.
    fn samples(&self, file: &str, case: &str, fork: &str) -> bool {
        let hash = keccak256([file, case, fork].join("\0"));
        self.sample == 1
            || u64::from_be_bytes(*hash.first_chunk().unwrap_or(&[0; 8])) % self.sample == 0
    }

    /// Prints a sum; whether every case passed and enough were resident.
    pub(crate) fn print(&self, total: &Summary) -> Result<bool> {
        let shown = if self.all_failures { usize::MAX } else { FAILURES_SHOWN_MAX };
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
        print!("residency {:.4} of cases", total.residency());
        if total.blocks > 0 {
            print!(", {:.4} of {} blocks", total.block_residency(), total.blocks);
        }
        println!();
        if self.sample > 1 {
            println!("a sample: one case of {}", self.sample);
        }
        println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped());
        if self.json {
            let object = serde_json::json!({
                "sample": self.sample,
                "passed": total.passed,
                "failed": total.failed,
                "skipped": total.skipped(),
                "residency_cases": total.residency(),
                "blocks": total.blocks,
                "residency_blocks": total.block_residency(),
                "fallbacks": total.fallbacks,
                "skips": total.skipped,
            });
            println!("{object}");
        }
        let resident = total.residency() >= self.min_residency;
        if !resident {
            let share = total.residency();
            eprintln!("error: residency {share:.4} is below the {} asked for", self.min_residency);
        }
        Ok(resident && total.failed == 0)
    }
}
