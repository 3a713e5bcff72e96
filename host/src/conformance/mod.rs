//! Runs the official Ethereum tests: whole files, every case, with state roots and logs hashes.
//!
//! Nothing is skipped silently: a case passes, fails with a reason, or is counted as skipped with
//! one.

pub mod block_test;
pub mod exceptions;
pub mod files;
pub mod fixtures;
pub mod state_test;

use crate::input::InputError;
use crate::types::{Env, Fallback, Outcome, Transaction};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::path::Path;

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
    /// Cases whose result is not, and files that cannot be read.
    pub failed: u64,
    /// Files, archives and folders that cannot be read.
    pub unreadable: u64,
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

/// One failed case, or a file that cannot be read.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// The file, as whoever ran it calls it.
    pub file: String,
    /// The test's name and, for a state test, fork and indexes; none where the file is no suite.
    pub case: Option<String>,
    /// Expected and computed; of a file, its name and what is wrong with it.
    pub reason: String,
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.case {
            Some(case) => write!(f, "{} {case}: {}", self.file, self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl Summary {
    /// Share of the cases run that were resident; none of no cases.
    pub fn residency(&self) -> Option<f64> {
        let run = self.passed + self.failed - self.unreadable;
        (run > 0).then(|| self.resident as f64 / run as f64)
    }

    /// Share of the blocks that were resident; none of no blocks.
    pub fn block_residency(&self) -> Option<f64> {
        (self.blocks > 0).then(|| self.resident_blocks as f64 / self.blocks as f64)
    }

    /// Counts a file that cannot be read as a failure. `why` names it.
    pub fn unreadable(&mut self, file: &Path, why: &InputError) {
        self.failed += 1;
        self.unreadable += 1;
        let (file, reason) = (file.display().to_string(), why.to_string());
        self.failures.push(Failure { file, case: None, reason });
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
        self.unreadable += other.unreadable;
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
