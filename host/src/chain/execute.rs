//! What happens in a block, and who executes it: an engine, or sequential revm.

use crate::engine::{Config, Engine};
use crate::error::Error;
use crate::input::MemoryState;
use crate::reference::Sequential;
use crate::state::State;
use crate::types::{AccountChange, Env, Executed, GasBound, Outcome, Rejected, Transaction};
use alloy_primitives::{Address, Bytes, U256};
use revm::DatabaseRef;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What happens in a block, in this order.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Spec and block environment.
    pub env: Env,
    /// System calls.
    pub calls_before: Vec<(Address, Bytes)>,
    /// Transactions.
    pub transactions: Vec<Transaction>,
    /// Withdrawals and rewards.
    pub credits: Vec<(Address, U256)>,
    /// System calls that return requests.
    pub calls_after: &'static [Address],
}

/// What a block did.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// The system calls before the transactions.
    pub before: Vec<Executed>,
    /// The transactions, all valid.
    pub outcomes: Vec<Outcome>,
    /// The system calls after them; `None` where there is no code.
    pub after: Vec<Option<Executed>>,
    /// Everything that changed, where the executor keeps account of it: it must be what the parts
    /// add up to.
    pub changes: Option<Vec<AccountChange>>,
    /// Time from the first system call to the last.
    pub time: Duration,
}

/// A block was not executed to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRun {
    /// A transaction is not valid.
    Rejected {
        /// Its place in the block.
        index: usize,
        /// Why.
        reason: Rejected,
    },
    /// The executor failed, which says nothing about the block.
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

impl From<crate::reference::ReferenceError> for NotRun {
    fn from(error: crate::reference::ReferenceError) -> NotRun {
        NotRun::Failed(error.to_string())
    }
}

/// Executes blocks.
pub trait BlockExecutor: Sync {
    /// Executes a block on `state`, which stays as it is.
    fn run(&self, plan: &Plan, state: &Arc<MemoryState>) -> Result<Ran, NotRun>;
}

/// Sequential revm.
#[derive(Clone, Copy, Debug, Default)]
pub struct Revm;

impl BlockExecutor for Revm {
    fn run(&self, plan: &Plan, state: &Arc<MemoryState>) -> Result<Ran, NotRun> {
        let start = Instant::now();
        let probe = state.storage_probe();
        let mut revm = Sequential::new(&plan.env, &**state).with_storage_probe(probe);
        let mut ran = Ran::default();
        for (to, data) in &plan.calls_before {
            ran.before.push(revm.system_call(*to, data.clone())?);
        }
        let mut left = plan.env.block.gas_limit;
        for (index, tx) in plan.transactions.iter().enumerate() {
            // The block's gas comes first by the specification; revm looks at fees first.
            if tx.gas_limit > left {
                let why = GasBound::BlockLeft;
                let reason = Rejected::GasLimit { limit: tx.gas_limit, max: left, why };
                return Err(NotRun::Rejected { index, reason });
            }
            let outcome = revm.transact(tx)?;
            match &outcome.result {
                Ok(executed) => left = left.saturating_sub(executed.gas_used),
                Err(reason) => {
                    let reason = reason.clone();
                    return Err(NotRun::Rejected { index, reason });
                }
            }
            ran.outcomes.push(outcome);
        }
        for (address, amount) in &plan.credits {
            revm.credit(*address, *amount)?;
        }
        for to in plan.calls_after {
            let code = has_code(revm.state(), *to)?;
            ran.after.push(code.then(|| revm.system_call(*to, Bytes::new())).transpose()?);
        }
        ran.time = start.elapsed();
        Ok(ran)
    }
}

/// An engine on the device of its configuration.
pub struct Device(pub Engine);

impl Device {
    /// With an engine of its own.
    pub fn new(config: Config) -> Result<Device, Error> {
        Engine::new(config).map(Device)
    }
}

impl BlockExecutor for Device {
    fn run(&self, plan: &Plan, memory: &Arc<MemoryState>) -> Result<Ran, NotRun> {
        let start = Instant::now();
        let probe = memory.storage_probe();
        let mut state = State::new(&**memory)?.with_storage_probe(probe);
        let mut ran = Ran::default();
        for (to, data) in &plan.calls_before {
            let called = self.0.system_call(&plan.env, *to, data.clone(), &mut state)?;
            ran.before.push(called);
        }
        ran.outcomes = self.0.execute(&plan.env, &plan.transactions, &mut state)?.outcomes;
        for (address, amount) in &plan.credits {
            state.credit(*address, *amount)?;
        }
        for to in plan.calls_after {
            let code = has_code(&state, *to)?;
            let call = || self.0.system_call(&plan.env, *to, Bytes::new(), &mut state);
            ran.after.push(code.then(call).transpose()?);
        }
        ran.time = start.elapsed();
        ran.changes = Some(state.changes());
        Ok(ran)
    }
}

fn has_code<DB: DatabaseRef>(state: &DB, address: Address) -> Result<bool, NotRun> {
    let account = state.basic_ref(address).map_err(|e| NotRun::Failed(e.to_string()))?;
    Ok(account.is_some_and(|account| !account.is_empty_code_hash()))
}
