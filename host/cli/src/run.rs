//! `warpevm run` and `warpevm simulate`: execute blocks or batches, validate, check headers, write
//! results.
//!
//! What fails is of two kinds. An input, a block or a batch that cannot be read or run is told at
//! the end, and with `--keep-going` the rest still runs. What cannot be written ends the run.

mod args;
mod batch;
mod block;
mod rows;
mod settle;
mod table;

pub(crate) use args::{RunArgs, SimulateArgs};

use super::compare::Comparison;
use super::interrupt;
use super::output::{Progress, Say, complain};
use super::runner::Runner;
use super::summary::RunSummary;
use args::{Asked, InputKind, Output};
use rows::{Rows, Written};
use serde_json::json;
use std::path::Path;
use std::time::Instant;
use warpevm::chain::BlockSource;
use warpevm::input::{self, Input};

/// Executes blocks; false if something is wrong.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<bool> {
    Running::new(args.asked()?)?.all()
}

/// Simulates batches; false if something is wrong.
pub(crate) fn simulate(args: &SimulateArgs) -> anyhow::Result<bool> {
    Running::new(args.asked()?)?.all()
}

/// A run of all inputs.
struct Running {
    asked: Asked,
    runner: Runner,
    rows: Option<Rows>,
    /// Where everything else is told.
    say: Say,
    total: RunSummary,
    comparisons: Vec<Comparison>,
    /// What failed, with its input.
    failures: Vec<String>,
}

/// The run ends before its inputs do: something failed, or SIGINT came. It was told.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
struct Stopped;

impl Running {
    fn new(asked: Asked) -> anyhow::Result<Running> {
        let runner = Runner::new(asked.config, asked.keep_programs)?;
        interrupt::listen();
        let rows = Rows::open(&asked)?;
        let say = if asked.output == Output::Stdout { Say::Stderr } else { Say::Stdout };
        let total = RunSummary { backend: Some(runner.backend), ..RunSummary::default() };
        let (comparisons, failures) = (Vec::new(), Vec::new());
        Ok(Running { asked, runner, rows, say, total, comparisons, failures })
    }

    /// A summary of nothing yet.
    fn summary(&self) -> RunSummary {
        RunSummary { backend: Some(self.runner.backend), ..RunSummary::default() }
    }

    fn all(mut self) -> anyhow::Result<bool> {
        let inputs = std::mem::take(&mut self.asked.inputs);
        let ended = inputs.iter().try_for_each(|path| {
            self.input(path, inputs.len() == 1)?;
            self.go_on()
        });
        match ended {
            Err(error) if !error.is::<Stopped>() => {
                // Why it ended matters more than what cannot be told or written now.
                if self.any() {
                    let _ = self.finish();
                }
                Err(error)
            }
            _ => {
                if !self.any() && self.failures.is_empty() && !interrupt::asked() {
                    self.failures.push("nothing ran".to_owned());
                }
                self.finish()
            }
        }
    }

    /// Runs an input; `alone` if there is no other.
    fn input(&mut self, path: &Path, alone: bool) -> anyhow::Result<()> {
        let started = Instant::now();
        match input::open(path) {
            Ok(Input::Blocks(source)) => {
                self.asked.takes(path, InputKind::Blocks)?;
                self.blocks(path, &source, alone)
            }
            Ok(Input::Batch(batch)) => {
                self.asked.takes(path, InputKind::Batch)?;
                self.batch(&batch, started.elapsed().as_secs_f64())
            }
            Err(error) => self.fail(&error.into()),
        }
    }

    fn blocks<S: BlockSource>(
        &mut self,
        path: &Path,
        source: &S,
        alone: bool,
    ) -> anyhow::Result<()> {
        let selection = self.asked.selection.clone();
        let count = match source.count(&selection) {
            Ok(count) => count,
            Err(error) => return self.fail(&error.into()),
        };
        let progress = Progress::new(count as u64, "blocks");
        let single = alone && count == 1;
        let mut reading = Instant::now();
        let visited = source.visit(&selection, |name, block| {
            let read = reading.elapsed().as_secs_f64();
            match block {
                Ok(block) => self.block((path, name), &block, (read, single), &progress)?,
                Err(error) => self.fail(&error.into())?,
            }
            progress.step(1);
            reading = Instant::now();
            self.go_on()
        });
        match visited {
            // The source itself is damaged: what came before has run.
            Err(error) if error.is::<S::Error>() => self.fail(&error),
            visited => visited.map(drop),
        }
    }

    /// Remembers a failure. Without `--keep-going` it ends the run.
    fn fail(&mut self, error: &anyhow::Error) -> anyhow::Result<()> {
        self.failures.push(format!("{error:#}"));
        match self.asked.keep_going {
            true => Ok(()),
            false => Err(Stopped.into()),
        }
    }

    /// Ends the run where SIGINT asked for it.
    fn go_on(&self) -> anyhow::Result<()> {
        match interrupt::asked() {
            true => Err(Stopped.into()),
            false => Ok(()),
        }
    }

    /// Whether anything ran, now or before.
    fn any(&self) -> bool {
        self.total.blocks + self.total.batches + self.total.resumed > 0
    }

    /// Tells the totals and what failed; whether all is well.
    fn finish(mut self) -> anyhow::Result<bool> {
        self.check_residency();
        let written = match self.rows.take() {
            // What an earlier run wrote stays as it was where this one has nothing to say.
            Some(rows) if self.any() => rows.finish(),
            _ => Ok(None),
        };
        self.tell(written.as_ref().ok().and_then(Option::as_ref))?;
        written?;
        for failure in &self.failures {
            complain(format!("error: {failure}"));
        }
        Ok(self.failures.is_empty() && !self.total.failed())
    }

    fn check_residency(&mut self) {
        self.total.settle();
        let (share, least) = (self.total.residency.transactions, self.asked.min_residency);
        if share < least {
            let text = format!("residency {share:.4} is below the {least} asked for");
            self.failures.push(text);
        }
    }

    fn tell(&self, written: Option<&Written>) -> anyhow::Result<()> {
        if self.asked.json {
            let mut object = serde_json::to_value(&self.total)?;
            if !self.comparisons.is_empty() {
                object["compare"] = json!(self.comparisons);
            }
            object["written"] = json!(written);
            object["failures"] = json!(self.failures);
            object["interrupted"] = json!(interrupt::asked());
            return self.say.line(object.to_string());
        }
        if self.any() {
            self.total.lines().into_iter().try_for_each(|text| self.say.line(text))?;
        }
        self.comparisons.iter().try_for_each(|comparison| comparison.print(self.say))?;
        if let Some(Written { rows, file }) = written {
            self.say.line(format!("results written: {rows} to {file}"))?;
        }
        match interrupt::asked() {
            true => self.say.line("interrupted: this is what ran until then"),
            false => Ok(()),
        }
    }
}
