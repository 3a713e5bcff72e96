//! Who executes a block, and how: an engine, or sequential revm, both by one driver.

use super::payload::Payload;
use crate::engine::Engine;
use crate::error::Error;
use crate::reference::Sequential;
use crate::state::{HasStorage, MemoryState, State};
use crate::types::{
    AccountChange, Env, Executed, GasBound, Outcome, Rejected, Report, Transaction,
};
use alloy_primitives::{Address, Bytes, U256};
use revm::DatabaseRef;
use std::time::{Duration, Instant};

/// What a block did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct BlockRun {
    /// The system calls before the transactions.
    pub before: Vec<Executed>,
    /// The transactions, all valid.
    pub outcomes: Vec<Outcome>,
    /// The system calls after them; `None` where there is no code.
    pub after: Vec<Option<Executed>>,
    /// Whether the state has what the block changed. Sequential revm leaves it as it is.
    pub in_state: bool,
    /// What happened.
    pub report: Report,
    /// Time from the first system call to the last.
    pub time: Duration,
}

/// Executes blocks on states whose database is a `DB`.
pub trait BlockExecutor<DB = MemoryState>: Sync {
    /// Executes a block on a state. After an error the state holds what was done until then.
    fn run(&self, payload: &Payload<'_>, state: &mut State<DB>) -> Result<BlockRun, Error>;
}

/// A state in a block: what the driver asks of who executes it.
pub trait Steps {
    /// Takes changes over as they are.
    fn apply(&mut self, changes: &[AccountChange]) -> Result<(), Error>;

    /// Makes a system call.
    fn system_call(&mut self, to: Address, data: Bytes) -> Result<Executed, Error>;

    /// Executes the block's transactions in order, all of which must be valid.
    fn transactions(
        &mut self,
        transactions: &[Transaction],
    ) -> Result<(Vec<Outcome>, Report), Error>;

    /// Adds to a balance.
    fn credit(&mut self, address: Address, amount: U256) -> Result<(), Error>;

    /// Whether there is code at an address.
    fn has_code(&self, address: Address) -> Result<bool, Error>;
}

/// What comes before a block's transactions. Returns what the system calls did.
pub fn begin<S: Steps>(payload: &Payload<'_>, steps: &mut S) -> Result<Vec<Executed>, Error> {
    steps.apply(&payload.irregular)?;
    let calls = payload.calls_before.iter();
    calls.map(|(to, data)| steps.system_call(*to, data.clone())).collect()
}

/// Executes a block.
pub fn execute<S: Steps>(payload: &Payload<'_>, steps: &mut S) -> Result<BlockRun, Error> {
    let start = Instant::now();
    let before = begin(payload, steps)?;
    let (outcomes, report) = steps.transactions(payload.transactions)?;
    let after = end(payload, steps)?;
    let time = start.elapsed();
    Ok(BlockRun { before, outcomes, after, in_state: false, report, time })
}

/// What comes after a block's transactions.
fn end<S: Steps>(payload: &Payload<'_>, steps: &mut S) -> Result<Vec<Option<Executed>>, Error> {
    for (address, amount) in &payload.credits {
        steps.credit(*address, *amount)?;
    }
    let mut after = Vec::with_capacity(payload.calls_after.len());
    for to in payload.calls_after {
        let code = steps.has_code(*to)?;
        after.push(code.then(|| steps.system_call(*to, Bytes::new())).transpose()?);
    }
    Ok(after)
}

/// An engine in a block.
struct OnEngine<'a, DB> {
    engine: &'a Engine,
    env: &'a Env,
    state: &'a mut State<DB>,
}

impl<DB: DatabaseRef + Sync> Steps for OnEngine<'_, DB> {
    fn apply(&mut self, changes: &[AccountChange]) -> Result<(), Error> {
        changes.iter().try_for_each(|change| self.state.apply(change))
    }

    fn system_call(&mut self, to: Address, data: Bytes) -> Result<Executed, Error> {
        self.engine.system_call(self.env, to, data, self.state)
    }

    fn transactions(
        &mut self,
        transactions: &[Transaction],
    ) -> Result<(Vec<Outcome>, Report), Error> {
        let result = self.engine.execute(self.env, transactions, self.state)?;
        Ok((result.outcomes, result.report))
    }

    fn credit(&mut self, address: Address, amount: U256) -> Result<(), Error> {
        self.state.credit(address, amount)
    }

    fn has_code(&self, address: Address) -> Result<bool, Error> {
        let account = self.state.basic_ref(address)?;
        Ok(account.is_some_and(|account| !account.is_empty_code_hash()))
    }
}

impl<DB: DatabaseRef + Sync> BlockExecutor<DB> for Engine {
    fn run(&self, payload: &Payload<'_>, state: &mut State<DB>) -> Result<BlockRun, Error> {
        let mut steps = OnEngine { engine: self, env: payload.env, state };
        Ok(BlockRun { in_state: true, ..execute(payload, &mut steps)? })
    }
}

impl<DB: DatabaseRef> Steps for Sequential<DB> {
    fn apply(&mut self, changes: &[AccountChange]) -> Result<(), Error> {
        Sequential::apply(self, changes)
    }

    fn system_call(&mut self, to: Address, data: Bytes) -> Result<Executed, Error> {
        Sequential::system_call(self, to, data)
    }

    fn transactions(
        &mut self,
        transactions: &[Transaction],
    ) -> Result<(Vec<Outcome>, Report), Error> {
        let start = Instant::now();
        let mut outcomes = Vec::with_capacity(transactions.len());
        for (index, tx) in transactions.iter().enumerate() {
            // The block's gas comes first by the specification; revm looks at fees first.
            if let Some(max) = self.gas_left().filter(|left| tx.gas_limit > *left) {
                let (limit, why) = (tx.gas_limit, GasBound::BlockLeft);
                let reason = Rejected::GasLimit { limit, max, why };
                return Err(Error::Rejected { index, reason });
            }
            let outcome = self.transact(tx)?;
            if let Err(reason) = outcome.result {
                return Err(Error::Rejected { index, reason });
            }
            outcomes.push(outcome);
        }
        let report = Report::of_reference(&outcomes, start.elapsed().as_secs_f64());
        Ok((outcomes, report))
    }

    fn credit(&mut self, address: Address, amount: U256) -> Result<(), Error> {
        Sequential::credit(self, address, amount)
    }

    fn has_code(&self, address: Address) -> Result<bool, Error> {
        let account = self.state().basic_ref(address).map_err(Error::database)?;
        Ok(account.is_some_and(|account| !account.is_empty_code_hash()))
    }
}

/// Sequential revm.
#[derive(Clone, Copy, Debug, Default)]
pub struct Revm;

/// On the database behind: what the engine's table made of it is left out, so that nothing is
/// checked by itself.
impl<DB: HasStorage + Sync> BlockExecutor<DB> for Revm {
    fn run(&self, payload: &Payload<'_>, state: &mut State<DB>) -> Result<BlockRun, Error> {
        let revm = Sequential::new(payload.env, state.database());
        execute(payload, &mut revm.with_storage_probe())
    }
}
