//! Runs the official Ethereum tests: whole files, every case, with state roots and logs hashes.
//!
//! Nothing is skipped silently: a case passes, fails with a reason, or is counted as skipped with
//! one.

pub mod block_test;
pub mod files;
pub mod fixtures;
pub mod state_test;

use crate::types::{Env, Fallback, Outcome, Transaction};
use serde::Serialize;
use std::collections::BTreeMap;

/// What runs a case: an engine or the reference.
pub trait Executor: Sync {
    /// Executes one transaction on `state`, which stays as it is.
    fn transact(
        &self,
        env: &Env,
        tx: &Transaction,
        state: &state_test::TestState,
    ) -> Result<Outcome, String>;
}

/// The sum over many cases.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Cases whose result is the expected one.
    pub passed: u64,
    /// Cases whose result is not.
    pub failed: u64,
    /// Cases that were not run: reason to count.
    pub skipped: BTreeMap<String, u64>,
    /// Cases that ran wholly on the device asked for, or were rejected before they ran.
    pub resident: u64,
    /// Reason to count of cases.
    pub fallbacks: BTreeMap<Fallback, u64>,
    /// Blocks that were executed to their end; state tests have none.
    pub blocks: u64,
    /// Of these, those of which every transaction ran wholly on the device asked for.
    pub resident_blocks: u64,
    /// What failed and why.
    pub failures: Vec<Failure>,
}

/// One failed case.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// The file inside its folder or archive.
    pub file: String,
    /// The test's name and, for a state test, fork and indexes.
    pub case: String,
    /// Expected and computed.
    pub reason: String,
}

impl Summary {
    /// Share of the cases run that were resident.
    pub fn residency(&self) -> f64 {
        let run = self.passed + self.failed;
        if run == 0 { 1.0 } else { self.resident as f64 / run as f64 }
    }

    /// Share of the blocks that were resident.
    pub fn block_residency(&self) -> f64 {
        if self.blocks == 0 { 1.0 } else { self.resident_blocks as f64 / self.blocks as f64 }
    }

    /// Counts cases that are not run.
    pub fn skip(&mut self, reason: &str, count: u64) {
        *self.skipped.entry(reason.to_owned()).or_default() += count;
    }

    /// Cases not run.
    pub fn skipped(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// The sum of both.
    pub fn merged(mut self, other: Summary) -> Summary {
        self.passed += other.passed;
        self.failed += other.failed;
        self.resident += other.resident;
        self.blocks += other.blocks;
        self.resident_blocks += other.resident_blocks;
        for (reason, count) in other.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
        for (reason, count) in other.fallbacks {
            *self.fallbacks.entry(reason).or_default() += count;
        }
        self.failures.extend(other.failures);
        self
    }
}
