//! Who executes a block, and how: an engine, or sequential revm, both by one driver.

use super::payload::Payload;
use crate::engine::Engine;
use crate::error::Error;
use crate::reference::{ReferenceError, Sequential};
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

/// A block was not executed to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    /// A transaction is not valid.
    #[error("transaction {index} is not valid: {reason}")]
    Rejected {
        /// Its place in the block.
        index: usize,
        /// Why.
        reason: Rejected,
    },
    /// The executor failed, which says nothing about the block.
    #[error("{0}")]
    Failed(String),
}

impl From<Error> for NotRun {
    fn from(error: Error) -> NotRun {
        match error {
            Error::Rejected { index, reason } => NotRun::Rejected { index, reason },
            other => NotRun::Failed(other.to_string()),
        }
    }
}

impl From<ReferenceError> for NotRun {
    fn from(error: ReferenceError) -> NotRun {
        NotRun::Failed(error.to_string())
    }
}

/// Executes blocks on states whose database is a `DB`.
pub trait BlockExecutor<DB = MemoryState>: Sync {
    /// Executes a block on a state. After an error the state holds what was done until then.
    fn run(&self, payload: &Payload<'_>, state: &mut State<DB>) -> Result<BlockRun, NotRun>;
}

/// A state in a block: what the driver asks of who executes it.
pub trait Steps {
    /// What goes wrong that says nothing about the block.
    type Error: Into<NotRun>;

    /// Takes changes over as they are.
    fn apply(&mut self, changes: &[AccountChange]) -> Result<(), Self::Error>;

    /// Makes a system call.
    fn system_call(&mut self, to: Address, data: Bytes) -> Result<Executed, Self::Error>;

    /// Executes the block's transactions in order, all of which must be valid.
    fn transactions(
        &mut self,
        transactions: &[Transaction],
    ) -> Result<(Vec<Outcome>, Report), NotRun>;

    /// Adds to a balance.
    fn credit(&mut self, address: Address, amount: U256) -> Result<(), Self::Error>;

    /// Whether there is code at an address.
    fn has_code(&self, address: Address) -> Result<bool, Self::Error>;
}

/// What comes before a block's transactions. Returns what the system calls did.
pub fn begin<S: Steps>(payload: &Payload<'_>, steps: &mut S) -> Result<Vec<Executed>, S::Error> {
    steps.apply(&payload.irregular)?;
    let calls = payload.calls_before.iter();
    calls.map(|(to, data)| steps.system_call(*to, data.clone())).collect()
}

/// Executes a block.
pub fn execute<S: Steps>(payload: &Payload<'_>, steps: &mut S) -> Result<BlockRun, NotRun> {
    let start = Instant::now();
    let before = begin(payload, steps).map_err(Into::into)?;
    let (outcomes, report) = steps.transactions(payload.transactions)?;
    let after = end(payload, steps).map_err(Into::into)?;
    let time = start.elapsed();
    Ok(BlockRun { before, outcomes, after, in_state: false, report, time })
}

/// What comes after a block's transactions.
fn end<S: Steps>(payload: &Payload<'_>, steps: &mut S) -> Result<Vec<Option<Executed>>, S::Error> {
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
    type Error = Error;

    fn apply(&mut self, changes: &[AccountChange]) -> Result<(), Error> {
        changes.iter().try_for_each(|change| self.state.apply(change))
    }

    fn system_call(&mut self, to: Address, data: Bytes) -> Result<Executed, Error> {
        self.engine.system_call(self.env, to, data, self.state)
    }

    fn transactions(
        &mut self,
        transactions: &[Transaction],
    ) -> Result<(Vec<Outcome>, Report), NotRun> {
        let result = self.engine.execute(self.env, transactions, self.state)?;
        Ok((result.outcomes, result.report))
    }

    fn credit(&mut self, address: Address, amount: U256) -> Result<(), Error> {
        self.state.credit(address, amount)
    }

    fn has_code(&self, address: Address) -> Result<bool, Error> {
        let account = self.state.basic_ref(address).map_err(|error| error.0)?;
        Ok(account.is_some_and(|account| !account.is_empty_code_hash()))
    }
}

impl<DB: DatabaseRef + Sync> BlockExecutor<DB> for Engine {
    fn run(&self, payload: &Payload<'_>, state: &mut State<DB>) -> Result<BlockRun, NotRun> {
        let mut steps = OnEngine { engine: self, env: payload.env, state };
        Ok(BlockRun { in_state: true, ..execute(payload, &mut steps)? })
    }
}

impl<DB: DatabaseRef> Steps for Sequential<DB> {
    type Error = ReferenceError;

    fn apply(&mut self, changes: &[AccountChange]) -> Result<(), ReferenceError> {
        Sequential::apply(self, changes)
    }

    fn system_call(&mut self, to: Address, data: Bytes) -> Result<Executed, ReferenceError> {
        Sequential::system_call(self, to, data)
    }

    fn transactions(
        &mut self,
        transactions: &[Transaction],
    ) -> Result<(Vec<Outcome>, Report), NotRun> {
        let start = Instant::now();
        let mut outcomes = Vec::with_capacity(transactions.len());
        for (index, tx) in transactions.iter().enumerate() {
            // The block's gas comes first by the specification; revm looks at fees first.
            if let Some(max) = self.gas_left().filter(|left| tx.gas_limit > *left) {
                let (limit, why) = (tx.gas_limit, GasBound::BlockLeft);
                let reason = Rejected::GasLimit { limit, max, why };
                return Err(NotRun::Rejected { index, reason });
            }
            let outcome = self.transact(tx)?;
            if let Err(reason) = outcome.result {
                return Err(NotRun::Rejected { index, reason });
            }
            outcomes.push(outcome);
        }
        let report = Report::of_reference(&outcomes, start.elapsed().as_secs_f64());
        Ok((outcomes, report))
    }

    fn credit(&mut self, address: Address, amount: U256) -> Result<(), ReferenceError> {
        Sequential::credit(self, address, amount)
    }

    fn has_code(&self, address: Address) -> Result<bool, ReferenceError> {
        let account = self.state().basic_ref(address);
        let account = account.map_err(|error| ReferenceError::Database(error.to_string()))?;
        Ok(account.is_some_and(|account| !account.is_empty_code_hash()))
    }
}

/// Sequential revm.
#[derive(Clone, Copy, Debug, Default)]
pub struct Revm;

/// On the database behind: what the engine's table made of it is left out, so that nothing is
/// checked by itself.
impl<DB: HasStorage + Sync> BlockExecutor<DB> for Revm {
    fn run(&self, payload: &Payload<'_>, state: &mut State<DB>) -> Result<BlockRun, NotRun> {
        let revm = Sequential::new(payload.env, state.database());
        execute(payload, &mut revm.with_storage_probe())
    }
}
