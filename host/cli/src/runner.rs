//! Runs blocks and calls on the backend that was asked for.

use super::output::complain;
use super::suite::start_threads;
use anyhow::ensure;
use std::sync::Arc;
use std::time::Instant;
use warpevm::chain::{BlockInput, Revm};
use warpevm::error::with_causes;
use warpevm::limits::ARTEFACTS_BYTES_MAX;
use warpevm::reference::Sequential;
use warpevm::state::MemoryState;
use warpevm::types::{Backend, Env, Outcome, Rejected, Report, Transaction};
use warpevm::{Artefacts, Config, Engine, State, default_artefacts_dir};

/// The error of a block with a transaction that is not valid, which makes the block invalid.
pub(crate) fn invalid(block: &BlockInput, index: usize, reason: &Rejected) -> anyhow::Error {
    let sender = block.transactions.get(index).map(|tx| tx.caller).unwrap_or_default();
    let hint = match block.state.accounts.contains_key(&sender) {
        true => String::new(),
        false => format!("; its sender {sender} is not in pre_state.json"),
    };
    anyhow::anyhow!("transaction {index} is not valid: {reason}{hint}")
}

/// A backend, set up.
pub(crate) struct Runner {
    pub backend: Backend,
    engine: Engine,
}

/// What a backend made of an input.
pub(crate) struct InputRan {
    /// One outcome for each transaction; of a block only up to one that is not valid.
    pub outcomes: Vec<Outcome>,
    pub report: Report,
    /// Wall-clock seconds of it all.
    pub seconds: f64,
}

impl Runner {
    /// A backend; `keep_programs`: compiled programs are kept on disk, and taken from there.
    pub(crate) fn new(config: Config, keep_programs: bool) -> anyhow::Result<Runner> {
        // The validator uses rayon's own pool, which panics where it has to start by itself and
        // cannot.
        start_threads(config.threads)?;
        let runner = Runner::with(config)?;
        if keep_programs
            && runner.backend != Backend::Revm
            && let Some(folder) = default_artefacts_dir()
        {
            match Artefacts::open(folder, ARTEFACTS_BYTES_MAX) {
                Ok(artefacts) => runner.engine.keep_programs(Arc::new(artefacts)),
                // Programs are compiled as ever.
                Err(error) => complain(format!("{} (go on without)", with_causes(&error))),
            }
        }
        Ok(runner)
    }

    pub(crate) fn with(config: Config) -> anyhow::Result<Runner> {
        Ok(Runner { backend: config.backend, engine: Engine::new(config)? })
    }

    /// Executes a block, system calls and withdrawals included. A transaction that is not valid
    /// ends it: its outcome is the last one.
    pub(crate) fn block(&self, block: &BlockInput) -> anyhow::Result<InputRan> {
        let start = Instant::now();
        let ran = match self.backend {
            Backend::Revm => block.execute(&Revm)?,
            _ => block.execute(&self.engine)?,
        };
        let seconds = start.elapsed().as_secs_f64();
        Ok(InputRan { outcomes: ran.outcomes, report: ran.report, seconds })
    }

    /// Simulates calls on a snapshot, which is read from its start.
    pub(crate) fn calls(
        &self,
        env: &Env,
        calls: &[Transaction],
        state: &MemoryState,
    ) -> anyhow::Result<InputRan> {
        let start = Instant::now();
        if self.backend == Backend::Revm {
            let mut sequential = Sequential::new(env, state).with_storage_probe();
            let outcomes = sequential.simulate(calls)?;
            let seconds = start.elapsed().as_secs_f64();
            let report = Report::of_reference(&outcomes, seconds);
            return Ok(InputRan { outcomes, report, seconds });
        }
        let snapshot = State::new(state)?.with_storage_probe();
        let batch = self.engine.simulate(env, calls, &snapshot)?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(InputRan { outcomes: batch.outcomes, report: batch.report, seconds })
    }

    /// Simulates calls on a snapshot that earlier calls may have read into the state table.
    pub(crate) fn calls_on(
        &self,
        env: &Env,
        calls: &[Transaction],
        state: &State<&MemoryState>,
    ) -> anyhow::Result<InputRan> {
        if self.backend == Backend::Revm {
            return self.calls(env, calls, state.database());
        }
        let start = Instant::now();
        let batch = self.engine.simulate(env, calls, state)?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(InputRan { outcomes: batch.outcomes, report: batch.report, seconds })
    }
}

/// A real block's BLOCKHASH of a block that the input does not list got zero, which is wrong, here
/// and in the reference alike. What ran ahead may ask for more than the true order does: so, where
/// something was asked for, sequential revm tells what the block needs.
pub(crate) fn all_hashes_listed(block: &BlockInput) -> anyhow::Result<()> {
    if block.state.unlisted_hashes().is_empty() {
        return Ok(());
    }
    // A clone has asked for nothing yet.
    let fresh = block.clone();
    fresh.execute(&Revm)?;
    let asked = fresh.state.unlisted_hashes();
    let numbers: Vec<String> = asked.iter().map(ToString::to_string).collect();
    ensure!(
        numbers.is_empty(),
        "BLOCKHASH asks for the hash of block {}, which the input does not list \
         (block_hashes.json)",
        numbers.join(", ")
    );
    Ok(())
}
