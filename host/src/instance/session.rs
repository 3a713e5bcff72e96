//! What all transactions of one call of the engine share.

use std::sync::{Arc, Mutex, RwLockReadGuard};

use revm::DatabaseRef;
use warpevm_kernels::abi;

use crate::code::CodeCache;
use crate::code::ids::{CodeArray, TempCodes};
use crate::error::Error;
use crate::instance::decode::CodeView;
use crate::instance::encode::{Encoder, block_env};
use crate::state::State;
use crate::state::table::{Full, Table};
use crate::state::versions::Versions;
use crate::types::{Env, Spec};

/// What all transactions of one call of the engine share.
pub struct Session<'s, DB> {
    /// The state they run on.
    pub state: &'s State<DB>,
    /// The environment as the caller gave it.
    pub env: &'s Env,
    /// The environment as the device reads it.
    pub block_env: abi::BlockEnv,
    /// Checks and prices.
    pub encoder: Encoder,
    /// The device's codes.
    pub codes: Arc<CodeArray>,
    /// What is known of codes.
    pub cache: &'s CodeCache,
    /// The fee recipient's place in the table.
    pub coinbase: u32,
    /// Basic blocks until an instance suspends.
    pub step_budget: u64,
    /// The right to use the largest memory class, of which the machine may not hold two.
    pub largest: &'s Mutex<()>,
    /// What transactions that are not committed yet leave for others.
    pub versions: Option<Arc<Versions>>,
}

impl<'s, DB: DatabaseRef + Sync> Session<'s, DB> {
    /// Starts on `state`.
    pub fn new(
        env: &'s Env,
        state: &'s State<DB>,
        cache: &'s CodeCache,
        largest: &'s Mutex<()>,
        step_budget: u64,
    ) -> Result<Session<'s, DB>, Error> {
        let block_env = block_env(env)?;
        Ok(Session {
            state,
            env,
            encoder: Encoder::new(env),
            codes: state.codes().array(env.spec)?,
            cache,
            coinbase: state.account_index(&block_env.coinbase)?,
            block_env,
            step_budget,
            largest,
            versions: None,
        })
    }

    /// The spec.
    pub fn spec(&self) -> Spec {
        self.env.spec
    }

    /// The codes that an overlay may name.
    pub fn code_view<'a>(&'a self, temps: &'a TempCodes) -> CodeView<'a> {
        CodeView { array: &self.codes, lasting: self.state.codes(), temps }
    }

    /// Frames that open from now on run better programs, where the background made any.
    pub fn take_better(&self) {
        self.codes.take_better(self.state.codes(), self.cache.generation());
    }
}

/// What of a block a transaction sees, where versions are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its place in the block: it reads what those before it left.
    pub order: u32,
    /// How many are committed.
    pub committed: u32,
}

/// Where a transaction starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// In which memory class.
    pub class: usize,
    /// What it sees of the block.
    pub place: Place,
}

impl<DB> Drop for Session<'_, DB> {
    fn drop(&mut self) {
        if let Some(versions) = &self.versions {
            versions.clear(&self.state.table());
        }
    }
}

/// A hold on the table: it does not move while a kernel runs, and moves when it must.
pub struct Hold<'s, DB> {
    /// Whose table it is.
    pub state: &'s State<DB>,
    guard: Option<RwLockReadGuard<'s, Table>>,
}

impl<'s, DB: DatabaseRef + Sync> Hold<'s, DB> {
    /// Takes hold when first used.
    pub fn new(state: &'s State<DB>) -> Hold<'s, DB> {
        Hold { state, guard: None }
    }

    /// The table.
    pub fn table(&mut self) -> &Table {
        self.guard.get_or_insert_with(|| self.state.table())
    }

    /// Lets go.
    pub fn release(&mut self) {
        self.guard = None;
    }

    /// Lets go for a moment if another thread waits for it.
    pub fn breathe(&mut self) {
        if self.state.growth_wanted() {
            self.release();
        }
    }

    /// Makes room in the table, which it lets go meanwhile.
    pub fn grow(&mut self, full: Full) -> Result<(), Error> {
        self.release();
        self.state.grow(full)
    }
}
