//! `execute`: transactions in a fixed order, each on what those before it left.
//!
//! A crew of threads executes the block (`crew`), beside a device if there is one (`feed`). Both
//! run transactions ahead on what may not be their state; the crew commits in order what turns out
//! right.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use revm::DatabaseRef;

use super::crew::Crew;
use super::parts::Engine;
use super::schedule::Hints;
use super::walk::Walk;
use crate::error::Error;
use crate::instance::session::Session;
use crate::plan::Accesses;
use crate::report::Counts;
use crate::state::State;
use crate::types::{Env, Outcome, Report, Transaction};

/// What `execute` returns.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BlockResult {
    /// One outcome per transaction, in their order; all valid.
    pub outcomes: Vec<Outcome>,
    /// Gas used by all.
    pub gas_used: u64,
    /// What each transaction touched, if that was to be recorded.
    pub accesses: Vec<Accesses>,
    /// What happened.
    pub report: Report,
}

impl Engine {
    /// Executes `txs` in their order and leaves the state as they do. The first transaction that is
    /// not valid is an error; the state then holds those before it.
    pub fn execute<DB: DatabaseRef + Sync>(
        &self,
        env: &Env,
        txs: &[Transaction],
        state: &mut State<DB>,
    ) -> Result<BlockResult, Error> {
        self.execute_with(env, txs, state, &Hints::default())
    }

    /// The same with hints, which may be missing or wrong: they change how long it takes and
    /// nothing else.
    pub fn execute_with<DB: DatabaseRef + Sync>(
        &self,
        env: &Env,
        txs: &[Transaction],
        state: &mut State<DB>,
        hints: &Hints<'_>,
    ) -> Result<BlockResult, Error> {
        let start = Instant::now();
        let counts = Mutex::new(Counts::default());
        let state = &*state;
        let session = self.session(env, state)?;
        let (outcomes, walk) = self.crew(session, txs, hints, &counts)?;
        let mut report = self.report(counts);
        report.rounds = walk.fed.groups.max(1);
        report.device_transactions = walk.fed.transactions;
        report.beside_device = walk.beside;
        report.replays = walk.replays;
        report.first_final = walk.first_final;
        report.redone = walk.redone;
        report.redo_refusals = walk.refused;
        for (stage, time) in [
            ("speculate", walk.fed.time),
            ("execute-in-order", walk.in_order),
            ("validate-and-commit", walk.committed),
            ("execute", start.elapsed()),
            ("derive-effects", walk.derive),
            ("wake-threads", Duration::from_secs_f64(walk.wake)),
            ("join-threads", Duration::from_secs_f64(walk.join)),
        ] {
            report.seconds.insert(stage, time.as_secs_f64());
        }
        let gas_used = report.gas_used;
        let accesses = walk.accesses.unwrap_or_default();
        Ok(BlockResult { outcomes, gas_used, accesses, report })
    }

    /// Executes a block as its schedule says.
    fn crew<DB: DatabaseRef + Sync>(
        &self,
        mut session: Session<'_, DB>,
        txs: &[Transaction],
        hints: &Hints<'_>,
        counts: &Mutex<Counts>,
    ) -> Result<(Vec<Outcome>, Walk), Error> {
        let mut schedule = self.schedule(&session, txs, hints);
        self.publish(&mut session, txs, hints, &mut schedule)?;
        let crew = Crew::new(self, &session, txs, &schedule, Walk::new(hints.record));
        let Some(wide) = &schedule.wide else {
            return crew.run(counts, None);
        };
        crew.run(counts, Some(&|crew| crew.feed(wide, counts)))
    }
}
