//! Runs blocks and calls on the backend that was asked for.

use super::EngineArgs;
use anyhow::Context;
use std::time::Instant;
use warpevm::input::{BlockInput, MemoryState};
use warpevm::reference;
use warpevm::types::{Backend, Env, Outcome, Rejected, Report, Transaction};

/// The error of a block with a transaction that is not valid, which makes the block invalid.
fn invalid(block: &BlockInput, index: usize, reason: &Rejected) -> anyhow::Error {
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
}

/// What a backend made of an input.
pub(crate) struct Ran {
    pub outcomes: Vec<Outcome>,
    pub report: Report,
    /// Wall-clock seconds of it all.
    pub seconds: f64,
}

impl Runner {
    pub(crate) fn new(args: EngineArgs) -> anyhow::Result<Runner> {
        let backend = args.backend.into();
        if args.threads > 0 {
            // The validator uses rayon's own pool.
            rayon::ThreadPoolBuilder::new()
                .num_threads(args.threads)
                .build_global()
                .context("cannot start the threads")?;
        }
        Runner::with_threads(backend, args.threads)
    }

    /// A backend on so many threads, 0 for one for each core.
    pub(crate) fn with_threads(backend: Backend, _threads: usize) -> anyhow::Result<Runner> {
        anyhow::ensure!(backend == Backend::Revm, "the cpu backend is not in this build yet");
        Ok(Runner { backend })
    }

    /// Executes a block, system calls and withdrawals included.
    pub(crate) fn block(&self, block: &BlockInput) -> anyhow::Result<Ran> {
        let start = Instant::now();
        let outcomes = reference::execute_block(block)?;
        let rejected = |outcome: &Outcome| outcome.result.clone().err();
        if let Some((index, reason)) = outcomes
            .iter()
            .enumerate()
            .find_map(|(index, outcome)| Some((index, rejected(outcome)?)))
        {
            return Err(invalid(block, index, &reason));
        }
        Ok(self.revm(outcomes, start))
    }

    /// Simulates calls on a snapshot.
    pub(crate) fn calls(
        &self,
        env: &Env,
        calls: &[Transaction],
        state: &MemoryState,
    ) -> anyhow::Result<Ran> {
        let start = Instant::now();
        let outcomes = reference::simulate_sequential(env, calls, state)?;
        Ok(self.revm(outcomes, start))
    }

    fn revm(&self, outcomes: Vec<Outcome>, start: Instant) -> Ran {
        let seconds = start.elapsed().as_secs_f64();
        let gas_used = outcomes.iter().filter_map(|o| o.result.as_ref().ok()).map(|e| e.gas_used);
        let (transactions, gas_used) = (outcomes.len() as u64, gas_used.sum());
        let mut report = Report {
            transactions,
            gas_used,
            resident_transactions: transactions,
            resident_gas: gas_used,
            rounds: 1,
            ..Report::default()
        };
        report.seconds.insert("execute", seconds);
        Ran { outcomes, report, seconds }
    }
}
