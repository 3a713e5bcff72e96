//! What the commands that run official tests share: files in parallel, the sum, its print.

use super::output::{Progress, complain, line};
use super::{Usage, interrupt, share, threads};
use alloy_primitives::keccak256;
use anyhow::{Result, anyhow};
use clap::Args;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::io::{self, ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use warpevm::Config;
use warpevm::conformance::Summary;
use warpevm::conformance::files::{self, TestFile};
use warpevm::input::InputError;

/// How many failures the text output lists.
const FAILURES_SHOWN_MAX: usize = 20;
/// Files that wait for a thread: bounds memory while an archive streams.
const FILES_PER_ROUND: usize = 256;

#[derive(Debug, Args)]
pub(crate) struct SuiteArgs {
    /// Test files, folders of them, or .tar.zst archives; - is standard input.
    #[arg(required = true, value_name = "TESTS")]
    pub paths: Vec<PathBuf>,
    /// What executes.
    #[arg(long, value_enum, default_value_t = super::BackendArg::Cpu)]
    pub backend: super::BackendArg,
    /// Which programs of a code run; else auto. Results do not depend on it.
    #[arg(long, value_enum)]
    pub tiers: Option<super::TiersArg>,
    /// Only cases of this fork, as the tests name it (Cancun, Prague, ...).
    #[arg(long)]
    pub fork: Option<String>,
    /// Only cases whose file or name matches this regular expression.
    #[arg(long, value_name = "REGEX")]
    pub filter: Option<regex::Regex>,
    /// Only one case of N, of all folders and always the same ones.
    #[arg(long, default_value_t = 1, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub sample: u64,
    /// Files that run at the same time; else one for each core.
    #[arg(long, value_name = "N", value_parser = threads)]
    pub jobs: Option<usize>,
    /// Fails when a smaller share of the cases ran wholly on the device.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub min_residency: Option<f64>,
    /// Prints one JSON object as the last line.
    #[arg(long)]
    pub json: bool,
    /// Prints every failure.
    #[arg(long)]
    pub all_failures: bool,
}

/// Which cases (name, fork) to run.
pub(crate) type Filter<'a> = dyn Fn(&str, &str) -> bool + 'a;
/// Runs one file: what messages call it, its bytes, and which cases.
pub(crate) type RunFile<'a> =
    dyn Fn(&str, &[u8], &Filter<'_>) -> Result<Summary, InputError> + Sync + 'a;

/// A suite while it runs.
pub(crate) struct Suite<'a> {
    args: &'a SuiteArgs,
    met: Mutex<Met>,
}

/// What a suite has of what was asked for, to say why nothing ran.
#[derive(Clone, Debug, Default)]
struct Met {
    files: u64,
    cases: u64,
    forks: BTreeSet<String>,
    /// Cases of the fork, and of these, those that the filter lets through.
    of_fork: u64,
    matching: u64,
}

impl SuiteArgs {
    /// Whether the arguments go together.
    pub(crate) fn check(&self) -> Result<(), Usage> {
        if self.min_residency.is_some() && self.backend == super::BackendArg::Revm {
            let why = "--min-residency: there is no device that cases could leave on revm";
            return Err(Usage(why.to_owned()));
        }
        if self.tiers.is_some() && self.backend == super::BackendArg::Revm {
            return Err(Usage("--tiers: revm has none".to_owned()));
        }
        Ok(())
    }

    /// What the engine is told.
    pub(crate) fn config(&self) -> Config {
        let tiers = self.tiers.map_or(Config::default().tiers, Into::into);
        Config::default().with_backend(self.backend.into()).with_tiers(tiers)
    }
}

/// Starts the threads that work is shared by; 0: one for each core. rayon would start them when it
/// first needs them, and panic where the system gives none.
pub(crate) fn start_threads(count: usize) -> Result<()> {
    let started = rayon::ThreadPoolBuilder::new().num_threads(count).build_global();
    let count = if count == 0 { available_parallelism().map_or(1, usize::from) } else { count };
    // rayon's message has its cause in it.
    started.map_err(|error| anyhow!("cannot start {count} threads: {error}"))
}

/// How many files there are, for a bar: an archive has to be read for it, so that they are counted
/// only where somebody sees the bar, and where a path can be read twice.
fn count(paths: &[PathBuf]) -> u64 {
    let mut files = 0;
    let again = |path: &&PathBuf| path.is_dir() || path.is_file();
    let shown = io::stderr().is_terminal();
    for path in paths.iter().filter(again).take_while(|_| shown && !interrupt::asked()) {
        let counted = files::visit(path, &mut |_| {
            files += 1;
            if interrupt::asked() { Err(stopped(path)) } else { Ok(()) }
        });
        // What is wrong with it is said when it runs.
        counted.unwrap_or_default();
    }
    files
}

/// What ends the visit of files when SIGINT came.
fn stopped(path: &Path) -> InputError {
    InputError::Io {
        file: path.display().to_string(),
        error: Arc::new(ErrorKind::Interrupted.into()),
    }
}

impl<'a> Suite<'a> {
    /// A suite that has not begun.
    pub(crate) fn new(args: &'a SuiteArgs) -> Suite<'a> {
        Suite { args, met: Mutex::default() }
    }

    /// Runs every file of every path. What cannot be read is a failure, and the rest runs. Returns
    /// the sum.
    pub(crate) fn run(&self, run_file: &RunFile<'_>) -> Result<Summary> {
        start_threads(self.args.jobs.unwrap_or(0))?;
        interrupt::listen();
        let mut total = Summary::default();
        let progress = Progress::new(count(&self.args.paths), "files");
        for path in &self.args.paths {
            let round = &mut |waiting: &mut Vec<TestFile>, total: &mut Summary| {
                self.run_round(std::mem::take(waiting), run_file, total, &progress);
            };
            self.visit(path, &mut total, round);
        }
        Ok(total)
    }

    /// Hands over the files of a path, some at a time.
    pub(crate) fn visit(
        &self,
        path: &Path,
        total: &mut Summary,
        round: &mut dyn FnMut(&mut Vec<TestFile>, &mut Summary),
    ) {
        let mut waiting = Vec::new();
        let visited = files::visit(path, &mut |file| {
            if interrupt::asked() {
                return Err(stopped(path));
            }
            match file {
                Ok(file) => waiting.push(file),
                Err(error) => total.unreadable(path, &error),
            }
            if waiting.len() == FILES_PER_ROUND {
                round(&mut waiting, total);
            }
            Ok(())
        });
        round(&mut waiting, total);
        match visited {
            Ok(0) => {}
            Ok(hidden) => total.skip("in a folder whose name begins with a dot", hidden),
            Err(_) if interrupt::asked() => {}
            Err(error) => total.unreadable(path, &error),
        }
    }

    fn run_round(
        &self,
        files: Vec<TestFile>,
        run_file: &RunFile<'_>,
        total: &mut Summary,
        progress: &Progress,
    ) {
        let run = |file: &TestFile| {
            if interrupt::asked() {
                return Summary::default();
            }
            let mut summary = Summary::default();
            match self.run_one(file, run_file) {
                Ok(ran) => summary = ran,
                Err(error) => summary.unreadable(Path::new(self.shown(file)), &error),
            }
            progress.step(1);
            summary
        };
        let ran: Vec<Summary> = files.par_iter().map(run).collect();
        *total = ran.into_iter().fold(std::mem::take(total), Summary::merged);
        progress.message(format!("{} passed, {} failed", total.passed, total.failed));
    }

    /// Runs a file's cases that the arguments ask for.
    pub(crate) fn run_one(
        &self,
        file: &TestFile,
        run_file: &RunFile<'_>,
    ) -> Result<Summary, InputError> {
        self.met(|met| met.files += 1);
        let wants =
            |case: &str, fork: &str| !interrupt::asked() && self.wants(&file.name, case, fork);
        run_file(self.shown(file), &file.bytes, &wants)
    }

    /// What messages call a file: several inputs may have files of one name.
    pub(crate) fn shown<'f>(&self, file: &'f TestFile) -> &'f str {
        if self.args.paths.len() > 1 { &file.place } else { &file.name }
    }

    fn met(&self, note: impl FnOnce(&mut Met)) {
        note(&mut self.met.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether the arguments ask for a case.
    fn wants(&self, file: &str, case: &str, fork: &str) -> bool {
        let SuiteArgs { fork: wanted, filter, .. } = self.args;
        let of_fork = wanted.as_deref().is_none_or(|wanted| wanted == fork);
        let named = |filter: &regex::Regex| filter.is_match(case) || filter.is_match(file);
        let matching = of_fork && filter.as_ref().is_none_or(named);
        self.met(|met| {
            met.cases += 1;
            met.of_fork += u64::from(of_fork);
            met.matching += u64::from(matching);
            if !met.forks.contains(fork) {
                met.forks.insert(fork.to_owned());
            }
        });
        matching && self.samples(file, case, fork)
    }

    /// Whether a case is in the sample: its names decide, so that the order of files does not.
    fn samples(&self, file: &str, case: &str, fork: &str) -> bool {
        let sample = self.args.sample;
        let hash = keccak256([file, case, fork].join("\0"));
        sample == 1 || u64::from_be_bytes(*hash.first_chunk().unwrap_or(&[0; 8])) % sample == 0
    }

    /// Prints a sum; whether cases ran, every one passed and enough were resident.
    pub(crate) fn print(&self, total: &Summary) -> Result<bool> {
        self.print_failures(total)?;
        for (reason, count) in &total.skipped {
            line(format!("skipped {count}: {reason}"))?;
        }
        for (reason, count) in &total.fallbacks {
            line(format!("not wholly on the device {count}: {reason:?}"))?;
        }
        if let Some(share) = total.residency() {
            let blocks = total.block_residency().map_or_else(String::new, |share| {
                format!(", {share:.4} of {} blocks", total.blocks)
            });
            line(format!("residency {share:.4} of cases{blocks}"))?;
        }
        if self.args.sample > 1 {
            line(format!("a sample: one case of {}", self.args.sample))?;
        }
        line(format!(
            "{} passed, {} failed, {} skipped",
            total.passed,
            total.failed,
            total.skipped()
        ))?;
        if self.args.json {
            let object = serde_json::json!({
                "sample": self.args.sample,
                "passed": total.passed,
                "failed": total.failed,
                "unreadable": total.unreadable,
                "skipped": total.skipped(),
                "residency_cases": total.residency(),
                "blocks": total.blocks,
                "residency_blocks": total.block_residency(),
                "fallbacks": total.fallbacks,
                "skips": total.skipped,
            });
            line(object.to_string())?;
        }
        Ok(self.verdict(total))
    }

    /// Lists what failed.
    pub(crate) fn print_failures(&self, total: &Summary) -> Result<()> {
        let shown = if self.args.all_failures { usize::MAX } else { FAILURES_SHOWN_MAX };
        for failure in total.failures.iter().take(shown) {
            line(format!("FAILED {failure}"))?;
        }
        if total.failures.len() > shown {
            line(format!("... and {} more (--all-failures)", total.failures.len() - shown))?;
        }
        Ok(())
    }

    fn verdict(&self, total: &Summary) -> bool {
        if interrupt::asked() {
            complain("interrupted: these are the cases that ran until then");
            return false;
        }
        if total.passed + total.failed == 0 {
            complain(format!("error: no case ran: {}", self.why_nothing(total)));
            return false;
        }
        let least = self.args.min_residency.unwrap_or(0.0);
        // Where no file could be read, that is the failure.
        let enough = total.residency().is_none_or(|share| share >= least);
        if !enough {
            let share = total.residency().unwrap_or_default();
            complain(format!("error: residency {share:.4} is below the {least} asked for"));
        }
        enough && total.failed == 0
    }

    /// Why no case ran, of a suite in which nothing failed either.
    pub(crate) fn why_nothing(&self, total: &Summary) -> String {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let SuiteArgs { paths, fork, filter, sample, .. } = self.args;
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let paths = paths.join(", ");
        match (met.files, met.cases, fork, filter) {
            (0, ..) => format!("there is no JSON file in {paths}"),
            (_, 0, ..) => match total.skipped() {
                0 => format!("the files in {paths} hold none"),
                skipped => format!("all {skipped} are skipped"),
            },
            (_, _, Some(fork), _) if met.of_fork == 0 => {
                let forks: Vec<&str> = met.forks.iter().map(String::as_str).collect();
                format!("none is of the fork {fork}; there are {}", forks.join(", "))
            }
            (_, _, _, Some(filter)) if met.matching == 0 => format!("none matches {filter}"),
            _ if *sample > 1 => format!("none is in the sample of one case of {sample}"),
            _ => "their blocks use no gas".to_owned(),
        }
    }
}
