//! `simulate`: independent calls, each on the same snapshot.

use std::sync::Mutex;
use std::time::Instant;

use rayon::prelude::*;
use revm::DatabaseRef;

use super::parts::Engine;
use crate::backend::device::Landed;
use crate::code::ids::TempCodes;
use crate::error::Error;
use crate::instance::decode::Scratch;
use crate::instance::finished::Finished;
use crate::instance::need::page_ahead;
use crate::instance::session::{Hold, Session};
use crate::limits::CHUNK_TRANSACTIONS_COUNT;
use crate::reference::Sequential;
use crate::report::Counts;
use crate::state::State;
use crate::sync::lock;
use crate::types::{Backend, Env, Fallback, Outcome, Report, Transaction};

/// What `simulate` returns.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Batch {
    /// One outcome per call, in their order.
    pub outcomes: Vec<Outcome>,
    /// What happened.
    pub report: Report,
}

impl Engine {
    /// Runs every call on `state` as it is, as if it were alone. The state keeps no change; what
    /// was read from the database stays in its table.
    pub fn simulate<DB: DatabaseRef + Sync>(
        &self,
        env: &Env,
        calls: &[Transaction],
        state: &State<DB>,
    ) -> Result<Batch, Error> {
        let start = Instant::now();
        let counts = Mutex::new(Counts::default());
        let outcomes = match self.config.backend {
            Backend::Revm => self.simulate_with_revm(env, calls, state, &counts)?,
            Backend::Cpu => self.simulate_on_cpu(env, calls, state, &counts)?,
            _ => self.simulate_on_device(env, calls, state, &counts)?,
        };
        let mut report = self.report(counts);
        report.rounds = 1;
        report.seconds.insert("execute", start.elapsed().as_secs_f64());
        Ok(Batch { outcomes, report })
    }

    fn simulate_with_revm<DB: DatabaseRef + Sync>(
        &self,
        env: &Env,
        calls: &[Transaction],
        state: &State<DB>,
        counts: &Mutex<Counts>,
    ) -> Result<Vec<Outcome>, Error> {
        let mut revm = Sequential::on_state(env, state);
        let run = |call| Ok(revm.transact_once(call)?.0);
        let outcomes = calls.iter().map(run).collect::<Result<Vec<_>, Error>>()?;
        let mut counts = lock(counts);
        outcomes.iter().for_each(|outcome| counts.outcome(outcome));
        Ok(outcomes)
    }

    fn simulate_on_cpu<DB: DatabaseRef + Sync>(
        &self,
        env: &Env,
        calls: &[Transaction],
        state: &State<DB>,
        counts: &Mutex<Counts>,
    ) -> Result<Vec<Outcome>, Error> {
        let session = self.session(env, state)?;
        let mut outcomes = vec![None; calls.len()];
        if self.threads() == 1 || calls.len() <= CHUNK_TRANSACTIONS_COUNT {
            self.simulate_chunk(&session, calls, &mut outcomes, counts)?;
            return all_of(outcomes);
        }
        let chunks = calls.par_chunks(CHUNK_TRANSACTIONS_COUNT);
        let chunks = chunks.zip(outcomes.par_chunks_mut(CHUNK_TRANSACTIONS_COUNT));
        self.pool()?.run(|| {
            chunks.try_for_each(|(calls, out)| self.simulate_chunk(&session, calls, out, counts))
        })??;
        all_of(outcomes)
    }

    fn simulate_on_device<DB: DatabaseRef + Sync>(
        &self,
        env: &Env,
        calls: &[Transaction],
        state: &State<DB>,
        counts: &Mutex<Counts>,
    ) -> Result<Vec<Outcome>, Error> {
        let session = self.session(env, state)?;
        let txs: Vec<&Transaction> = calls.iter().collect();
        let class = self.config.simulate_class;
        let decode = |finished: &Finished<'_>, temps: &TempCodes| {
            let (codes, mut scratch) = (session.code_view(temps), Scratch::default());
            finished.outcome(&session, &session.state.table(), codes, &mut scratch)
        };
        let device = self.device()?;
        let pool = self.device_pool()?;
        let means = self.means(pool, class, counts);
        let landed = device.run(&session, &means, &txs, &decode)?;
        let outcome = |(landed, call): (Landed<Outcome>, &Transaction)| {
            let outcome = match landed {
                Landed::Done(outcome) => outcome,
                Landed::Rejected(reason) => Outcome { result: Err(reason), fallback: None },
                Landed::Elsewhere(reason) => {
                    return self.simulate_elsewhere(&session, call, reason, counts);
                }
            };
            lock(counts).outcome(&outcome);
            Ok(outcome)
        };
        pool.run(|| landed.into_par_iter().zip(calls).map(outcome).collect())?
    }

    /// Runs a call that the device does not run on the CPU, with the reason.
    fn simulate_elsewhere<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        call: &Transaction,
        reason: Fallback,
        counts: &Mutex<Counts>,
    ) -> Result<Outcome, Error> {
        let mut worker = self.worker()?;
        let mut hold = Hold::new(session.state);
        let ran = worker.simulate_uncounted(session, &mut hold, call, self.config.simulate_class);
        self.rest(worker, counts);
        let ran = ran?;
        let outcome = Outcome { fallback: ran.fallback.or(Some(reason)), ..ran };
        lock(counts).outcome(&outcome);
        Ok(outcome)
    }

    fn simulate_chunk<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        calls: &[Transaction],
        outcomes: &mut [Option<Outcome>],
        counts: &Mutex<Counts>,
    ) -> Result<(), Error> {
        let mut worker = self.worker()?;
        let mut hold = Hold::new(session.state);
        let class = self.config.simulate_class;
        let groups = calls.chunks(CHUNK_TRANSACTIONS_COUNT);
        let groups = groups.zip(outcomes.chunks_mut(CHUNK_TRANSACTIONS_COUNT));
        let run = groups.into_iter().try_for_each(|(calls, outcomes)| {
            let start = Instant::now();
            page_ahead(&mut hold, calls.iter());
            worker.counts.page_in += start.elapsed();
            calls.iter().zip(outcomes).try_for_each(|(call, outcome)| {
                *outcome = Some(worker.simulate(session, &mut hold, call, class)?);
                hold.breathe();
                Ok(())
            })
        });
        self.rest(worker, counts);
        run
    }
}

/// The outcomes, of which none is missing.
fn all_of(outcomes: Vec<Option<Outcome>>) -> Result<Vec<Outcome>, Error> {
    let missing = || Error::Bug("a call did not run".to_owned());
    outcomes.into_iter().map(|outcome| outcome.ok_or_else(missing)).collect()
}
