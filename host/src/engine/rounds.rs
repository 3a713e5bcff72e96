//! A block on a device: rounds.
//!
//! One thread walks the block in order. When it meets a transaction that has to run, that one and
//! those behind it run ahead on the device, on the state as it is then, which does not change
//! meanwhile. What ran ahead is committed if every value that it observed is still what the table
//! has when the walk comes to it; else it runs again, on the device with others or, if that was in
//! vain too often, on the CPU when its turn comes.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Instant;

use revm::DatabaseRef;

use super::Engine;
use super::ahead::Ahead;
use super::commit::{Footprint, Written};
use super::execute::{Hints, Walk, gas_of};
use crate::backend::cpu::Worker;
use crate::backend::device::{Landed, Record};
use crate::decode::Scratch;
use crate::error::Error;
use crate::limits::RUNS_AHEAD_COUNT_MAX;
use crate::report::Counts;
use crate::session::{Hold, Place, Session};
use crate::state::codes::TempCodes;
use crate::types::{Fallback, Outcome, Rejected, Transaction};

/// Where a transaction of the block stands.
#[derive(Default)]
struct Pending {
    ahead: Option<Box<Ahead>>,
    /// How it ran ahead the last time that was in vain: it will likely read and write the same.
    last: Option<Box<Ahead>>,
    /// How often it ran ahead.
    runs: u32,
    /// Why it left the device.
    left: Option<Fallback>,
}

impl Engine {
    /// Runs transactions ahead on the state as it is. What does not land on the device is left to
    /// the walk.
    fn run_ahead_on_device<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        runnable: &mut [(&Transaction, &mut Pending)],
        counts: &Mutex<Counts>,
    ) -> Result<(), Error> {
        let txs: Vec<&Transaction> = runnable.iter().map(|(tx, _)| *tx).collect();
        let decode = |record: &Record<'_>, temps: &TempCodes| {
            let Ok(executed) = record.ended()? else {
                return Ok(None);
            };
            let (overlay, fallback) = (record.overlay(session), record.fallback());
            let codes = session.code_view(temps);
            let footprint = Footprint::of(&overlay, session, codes)?;
            let executed = Some(executed);
            Ok(Some(Box::new(Ahead { executed, fallback, footprint })))
        };
        let (device, class) = (self.device()?, self.config.execute_class);
        let landed =
            device.run(session, (&self.layouts, class), &txs, (self.pool()?, counts), &decode)?;
        for ((_, pending), landed) in runnable.iter_mut().zip(landed) {
            pending.runs += 1;
            match landed {
                Landed::Done(ahead) => pending.ahead = ahead,
                Landed::Rejected(_) => {}
                Landed::Elsewhere(reason) => {
                    pending.left = Some(reason);
                    pending.runs = RUNS_AHEAD_COUNT_MAX;
                }
            }
        }
        Ok(())
    }

    /// Runs ahead what of `txs` has to run and may be of use: the first of each sender (the others
    /// could not have the right nonce yet), unless what it read last time is about to be written by
    /// one before it. Gives how many ran.
    fn run_window<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        txs: &[Transaction],
        pending: &mut [Pending],
        counts: &Mutex<Counts>,
        walk: &mut Walk,
    ) -> Result<usize, Error> {
        let start = Instant::now();
        let mut senders = HashSet::with_capacity(txs.len());
        let mut written = Written::default();
        let mut runnable: Vec<(&Transaction, &mut Pending)> = Vec::with_capacity(txs.len());
        let table = session.state.table();
        for (tx, pending) in txs.iter().zip(pending) {
            let first = senders.insert(tx.caller);
            if pending.ahead.as_ref().is_some_and(|ahead| !ahead.footprint.holds(&table)) {
                pending.last = pending.ahead.take();
            }
            let known = pending.ahead.as_ref().or(pending.last.as_ref());
            let waits = known.is_some_and(|ahead| ahead.footprint.reads_any(&written));
            known.iter().for_each(|ahead| ahead.footprint.add_writes(&mut written));
            let tries = pending.runs < RUNS_AHEAD_COUNT_MAX;
            if first && !waits && tries && pending.ahead.is_none() {
                runnable.push((tx, pending));
            }
        }
        drop(table);
        let count = runnable.len();
        if count > 0 {
            walk.replays += runnable.iter().filter(|(_, pending)| pending.runs > 0).count() as u64;
            walk.rounds += 1;
            self.run_ahead_on_device(session, &mut runnable, counts)?;
        }
        walk.ahead += start.elapsed();
        Ok(count)
    }

    /// Executes a block.
    pub(super) fn walk<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        txs: &[Transaction],
        (ahead, hints): (bool, &Hints<'_>),
        counts: &Mutex<Counts>,
    ) -> Result<(Vec<Outcome>, Walk), Error> {
        let mut pending: Vec<Pending> = Vec::new();
        pending.resize_with(txs.len(), Pending::default);
        let mut walk = Walk::new(hints);
        let mut worker = self.worker()?;
        let mut outcomes = Vec::with_capacity(txs.len());
        let mut gas_left = session.env.block.gas_limit;
        let mut next_window = 0;
        let run = (0..txs.len()).try_for_each(|index| {
            let tx = &txs[index];
            let rejected = |reason| Error::Rejected { index, reason };
            if session.env.checks.block_gas_limit && tx.gas_limit > gas_left {
                let why = "the gas that the block has left";
                let limit = tx.gas_limit;
                return Err(rejected(Rejected::GasLimit { limit, max: gas_left, why }));
            }
            let mut held = self.hold_on(session, &worker, tx, &mut pending[index], &mut walk)?;
            if held.is_none() && index >= next_window && ahead {
                let (txs, pending) = (&txs[index..], &mut pending[index..]);
                let ran = self.run_window(session, txs, pending, counts, &mut walk)?;
                held = self.hold_on(session, &worker, tx, &mut pending[0], &mut walk)?;
                // A chain: look again when it is shorter.
                next_window = index + if ran > 1 { 1 } else { 1 + txs.len() / 4 };
            }
            let outcome = match held {
                Some(outcome) => outcome,
                None => {
                    walk.replays += u64::from(pending[index].runs > 0);
                    let start = Instant::now();
                    let mut hold = Hold::new(session.state);
                    let place = Place::default();
                    let mut outcome =
                        self.execute_one(session, &mut worker, &mut hold, (tx, place), &mut walk)?;
                    walk.in_order += start.elapsed();
                    if self.config.backend.is_device() {
                        let reason = pending[index].left.unwrap_or(Fallback::InOrder);
                        outcome.fallback.get_or_insert(reason);
                    }
                    outcome
                }
            };
            if let Err(reason) = outcome.result {
                return Err(rejected(reason));
            }
            walk.first_final += u64::from(pending[index].runs <= 1);
            worker.counts.outcome(&outcome);
            gas_left = gas_left.saturating_sub(gas_of(&outcome));
            outcomes.push(outcome);
            Ok(())
        });
        self.rest(worker, counts);
        run.map(|()| (outcomes, walk))
    }

    /// Commits what ran ahead if it holds, or can be made to.
    fn hold_on<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        worker: &Worker,
        tx: &Transaction,
        pending: &mut Pending,
        walk: &mut Walk,
    ) -> Result<Option<Outcome>, Error> {
        let Some(mut ahead) = pending.ahead.take() else {
            return Ok(None);
        };
        let start = Instant::now();
        let mut hold = Hold::new(session.state);
        let held = ahead.footprint.holds(hold.table())
            || self.redo(session, tx, hold.table(), &mut ahead, walk);
        let outcome = match held {
            true => {
                let mut scratch = Scratch::default();
                Some(ahead.commit(session, &mut hold, worker.temps(), &mut scratch, walk)?)
            }
            false => {
                pending.last = Some(ahead);
                None
            }
        };
        walk.committed += start.elapsed();
        Ok(outcome)
    }
}
