//! Runs blocks and calls on the backend that was asked for.

use super::suite::start_threads;
use alloy_primitives::Bytes;
use anyhow::ensure;
use std::time::Instant;
use warpevm::input::{BlockInput, MemoryState};
use warpevm::reference::{self, Sequential, system_calls_after, system_calls_before};
use warpevm::types::{Backend, Env, Outcome, Rejected, Report, Transaction};
use warpevm::{BlockResult, Config, Engine, Error, State};

/// The error of a block with a transaction that is not valid, which makes the block invalid.
pub(crate) fn invalid(block: &BlockInput, index: usize, reason: &Rejected) -> anyhow::Error {
    let sender = block.transactions.get(index).map(|tx| tx.caller).unwrap_or_default();
    let hint = match block.state.accounts.contains_key(&sender) {
        true => String::new(),
        false => format!("; its sender {sender} is not in pre_state.json"),
    };
    anyhow::anyhow!("transaction {index} is not valid: {reason}{hint}")
}

/// A block's result, or which transaction is not valid and why.
type Executed = Result<BlockResult, (usize, Rejected)>;

/// A backend, set up.
pub(crate) struct Runner {
    pub backend: Backend,
    engine: Engine,
}

/// What a backend made of an input.
pub(crate) struct Ran {
    /// One outcome for each transaction; of a block only up to one that is not valid.
    pub outcomes: Vec<Outcome>,
    pub report: Report,
    /// Wall-clock seconds of it all.
    pub seconds: f64,
}

impl Runner {
    pub(crate) fn new(config: Config) -> anyhow::Result<Runner> {
        // The validator uses rayon's own pool, which panics where it has to start by itself and
        // cannot.
        start_threads(config.threads)?;
        Runner::with(config)
    }

    pub(crate) fn with(config: Config) -> anyhow::Result<Runner> {
        Ok(Runner { backend: config.backend, engine: Engine::new(config)? })
    }

    /// Executes a block, system calls and withdrawals included. A transaction that is not valid
    /// ends it: its outcome is the last one.
    pub(crate) fn block(&self, block: &BlockInput) -> anyhow::Result<Ran> {
        let start = Instant::now();
        if self.backend == Backend::Revm {
            let mut outcomes = reference::execute_block(block)?;
            let rejected = outcomes.iter().position(|outcome| outcome.result.is_err());
            outcomes.truncate(rejected.map_or(outcomes.len(), |index| index + 1));
            return Ok(revm(outcomes, start));
        }
        let (result, rejected) = match self.execute(block, block.transactions.len())? {
            Ok(result) => (result, None),
            // Only a valid block has a result. What the transactions before have is found again.
            Err((index, reason)) => match self.execute(block, index)? {
                Ok(result) => (result, Some(reason)),
                Err((_, reason)) => anyhow::bail!("a valid prefix of a block is not: {reason}"),
            },
        };
        let seconds = start.elapsed().as_secs_f64();
        let (mut outcomes, report) = (result.outcomes, result.report);
        outcomes.extend(rejected.map(|reason| Outcome { result: Err(reason), fallback: None }));
        Ok(Ran { outcomes, report, seconds })
    }

    /// Executes the first `count` transactions of a block; or which one is not valid, and why.
    fn execute(&self, block: &BlockInput, count: usize) -> anyhow::Result<Executed> {
        let probe = block.state.storage_probe();
        let mut state = State::new(&block.state)?.with_storage_probe(probe);
        let spec = block.env.spec;
        for (to, data) in system_calls_before(spec, &block.header) {
            self.engine.system_call(&block.env, to, data, &mut state)?;
        }
        let transactions = &block.transactions[..count];
        let result = match self.engine.execute(&block.env, transactions, &mut state) {
            Err(Error::Rejected { index, reason }) => return Ok(Err((index, reason))),
            result => result?,
        };
        for withdrawal in &block.withdrawals {
            state.credit(withdrawal.address, withdrawal.wei())?;
        }
        for to in system_calls_after(spec) {
            self.engine.system_call(&block.env, *to, Bytes::new(), &mut state)?;
        }
        Ok(Ok(result))
    }

    /// Simulates calls on a snapshot, which is read from its start.
    pub(crate) fn calls(
        &self,
        env: &Env,
        calls: &[Transaction],
        state: &MemoryState,
    ) -> anyhow::Result<Ran> {
        let start = Instant::now();
        if self.backend == Backend::Revm {
            let mut sequential =
                Sequential::new(env, state).with_storage_probe(state.storage_probe());
            return Ok(revm(sequential.simulate(calls)?, start));
        }
        let snapshot = State::new(state)?.with_storage_probe(state.storage_probe());
        let batch = self.engine.simulate(env, calls, &snapshot)?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(Ran { outcomes: batch.outcomes, report: batch.report, seconds })
    }

    /// Simulates calls on a snapshot that earlier calls may have read into the state table.
    pub(crate) fn calls_on(
        &self,
        env: &Env,
        calls: &[Transaction],
        state: &State<&MemoryState>,
    ) -> anyhow::Result<Ran> {
        if self.backend == Backend::Revm {
            return self.calls(env, calls, state.database());
        }
        let start = Instant::now();
        let batch = self.engine.simulate(env, calls, state)?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(Ran { outcomes: batch.outcomes, report: batch.report, seconds })
    }
}

fn revm(outcomes: Vec<Outcome>, start: Instant) -> Ran {
    let seconds = start.elapsed().as_secs_f64();
    let gas_used = outcomes.iter().filter_map(|o| o.result.as_ref().ok()).map(|e| e.gas_used);
    // A simulation may have gas limits near 2^64.
    let gas_used = gas_used.fold(0u64, u64::saturating_add);
    let transactions = outcomes.len() as u64;
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

/// A real block's BLOCKHASH of a block that the input does not list got zero, which is wrong, here
/// and in the reference alike. What ran ahead may ask for more than the true order does: so, where
/// something was asked for, sequential revm tells what the block needs.
pub(crate) fn all_hashes_listed(block: &BlockInput) -> anyhow::Result<()> {
    if block.state.unlisted_hashes().is_empty() {
        return Ok(());
    }
    // A clone has asked for nothing yet.
    let fresh = block.clone();
    reference::execute_block(&fresh)?;
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
