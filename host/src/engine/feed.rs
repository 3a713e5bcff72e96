//! A device beside the crew: one thread hands it groups of transactions that wait for nobody any
//! more, and makes what they did there ready like anything else that ran ahead.
//!
//! The device reads a copy of the table that is brought up to date before each launch, and no
//! versions; so what a transaction waits for must be committed. Commits go on meanwhile: what the
//! device saw counts only after it was compared by value. A transaction of which too few others
//! are ready when its turn has come, or which the device does not run, or which was not valid on
//! the state that the device saw, goes to the CPU's threads with the reason.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use revm::DatabaseRef;

use super::ahead::Ahead;
use super::crew::{Crew, GIVEN, RUNNING, StopOnPanic, WAITING};
use super::wide::Wide;
use crate::backend::device::Landed;
use crate::code::ids::TempCodes;
use crate::error::Error;
use crate::instance::finished::Finished;
use crate::instance::session::Hold;
use crate::limits::FEEDER_WAIT_MICROSECONDS;
use crate::report::Counts;
use crate::sync::lock;
use crate::types::{Fallback, Transaction};

impl<'s, DB: DatabaseRef + Sync> Crew<'_, 's, DB> {
    /// Feeds the device until it has had what it gets.
    pub(super) fn feed(&self, wide: &Wide, counts: &Mutex<Counts>) -> Result<(), Error> {
        let _stop = StopOnPanic(&self.stop);
        let takes = |index: &usize| wide.takes[*index];
        let mut left: Vec<usize> = (0..self.txs.len()).filter(takes).collect();
        while !self.finished() && !left.is_empty() {
            let first = self.committed.load(Ordering::Acquire);
            let is_over = |at: &u32| (*at as usize) < first || *at as usize >= self.txs.len();
            let (group, rest): (Vec<usize>, Vec<usize>) =
                left.iter().partition(|index| wide.waits.of(**index).iter().all(is_over));
            if group.len() >= wide.group_min.max(1) {
                self.run_group(&group, counts)?;
                left = rest;
            } else if left.first() == Some(&first) {
                // Its turn has come, so there will not be more that are ready.
                self.hand_over(first, Fallback::Chain);
                group.iter().for_each(|index| self.hand_over(*index, Fallback::Chain));
                left = rest.into_iter().filter(|index| *index != first).collect();
            } else {
                std::thread::park_timeout(Duration::from_micros(FEEDER_WAIT_MICROSECONDS));
            }
        }
        Ok(())
    }

    /// Leaves a transaction to the CPU's threads.
    fn hand_over(&self, index: usize, reason: Fallback) {
        let entry = &self.entries[index];
        *lock(&entry.aside) = Some(reason);
        entry.stage.store(WAITING, Ordering::Release);
    }

    /// Runs a group ahead.
    fn run_group(&self, group: &[usize], counts: &Mutex<Counts>) -> Result<(), Error> {
        for index in group {
            debug_assert_eq!(self.entries[*index].stage.load(Ordering::Relaxed), GIVEN);
            self.entries[*index].stage.store(RUNNING, Ordering::Release);
        }
        let txs: Vec<&Transaction> = group.iter().map(|index| &self.txs[*index]).collect();
        let compile = || lock(counts).compile;
        let (compiled, start) = (compile(), Instant::now());
        let landed = self.run_on_device(&txs, counts)?;
        let took = start.elapsed();
        let mut hold = Hold::new(self.session.state);
        let (mut gas, mut whole) = (0u64, true);
        for (index, landed) in group.iter().zip(landed) {
            match landed {
                Landed::Done(Some(ahead)) => {
                    let used = ahead.executed.as_ref().map_or(0, |executed| executed.gas_used);
                    gas = gas.saturating_add(used);
                    self.ready(*index, Some(ahead), &mut hold);
                }
                // Its turn decides, or the CPU's threads find out what it does then.
                Landed::Done(None) | Landed::Rejected(_) => {
                    self.entries[*index].again.store(true, Ordering::Relaxed);
                    self.hand_over(*index, Fallback::InOrder);
                }
                Landed::Elsewhere(reason) => {
                    whole = false;
                    self.hand_over(*index, reason);
                }
            }
        }
        if whole {
            let took = (took + compiled).saturating_sub(compile()).as_secs_f64();
            self.engine.costs.learn_group(group.len() as u64, gas, took);
        }
        let mut fed = lock(&self.fed);
        fed.groups += 1;
        fed.transactions += group.len() as u64;
        fed.time += took;
        Ok(())
    }

    /// Runs transactions on the device; `None` of one that was not valid on the state as it is.
    fn run_on_device(
        &self,
        txs: &[&Transaction],
        counts: &Mutex<Counts>,
    ) -> Result<Vec<Landed<Option<Box<Ahead>>>>, Error> {
        let session = self.session;
        let decode = |finished: &Finished<'_>, temps: &TempCodes| {
            Ahead::of(finished, session, session.code_view(temps), None)
        };
        let engine = self.engine;
        let class = engine.config.execute_class;
        let pool = engine.device_pool()?;
        engine.device()?.run(session, &engine.means(pool, class, counts), txs, &decode)
    }
}
