//! `execute`: transactions in a fixed order, each on what those before it left.
//!
//! One thread walks in order. With several threads, when the walk meets a transaction that has to
//! run, it and those of a window behind it run ahead on all threads, on the state as it is then,
//! which does not change meanwhile. A transaction that ran ahead is committed as it is if every
//! value that it observed is still what the table has when the walk comes to it; else it runs
//! again, on the table as it is then, which is what sequential execution would do. So the result is
//! that of sequential execution whatever ran ahead.
//!
//! Some run ahead in vain. One whose last reads will be written by one before it waits, and one
//! that was in vain several times is left to the walk.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, Bytes};
use rayon::prelude::*;
use revm::DatabaseRef;

use super::Engine;
use super::commit::{Footprint, Written, commit};
use crate::backend::cpu::{Ran, Worker};
use crate::backend::cuda::{Landed, Record};
use crate::decode::{Scratch, changes};
use crate::error::Error;
use crate::limits::{
    RUNS_AHEAD_COUNT_MAX, SPECULATION_CHUNK_COUNT, SPECULATION_TRANSACTIONS_COUNT_MIN,
    SPECULATION_WINDOW_COUNT,
};
use crate::reference;
use crate::report::Counts;
use crate::session::{Hold, Session};
use crate::state::State;
use crate::state::codes::TempCodes;
use crate::types::{Backend, Env, Executed, Fallback, Outcome, Rejected, Report, Transaction};

/// What `execute` returns.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockResult {
    /// One outcome per transaction, in their order; all valid.
    pub outcomes: Vec<Outcome>,
    /// Gas used by all.
    pub gas_used: u64,
    /// What happened.
    pub report: Report,
}

/// A transaction that ran ahead.
struct Ahead {
    executed: Executed,
    fallback: Option<Fallback>,
    footprint: Footprint,
}

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

/// What the walk measures.
#[derive(Default)]
struct Walk {
    rounds: u64,
    replays: u64,
    ahead: Duration,
    in_order: Duration,
    committed: Duration,
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
        let start = Instant::now();
        let counts = Mutex::new(Counts::default());
        let state = &*state;
        let session = self.session(env, state)?;
        let mut pending: Vec<Pending> = Vec::new();
        pending.resize_with(txs.len(), Pending::default);
        let mut walk = Walk::default();
        let enough = txs.len() >= SPECULATION_TRANSACTIONS_COUNT_MIN;
        let window = match self.config.backend {
            // A device takes as many as there are.
            backend if backend.is_device() => txs.len(),
            Backend::Cpu if enough && self.threads() > 1 => {
                SPECULATION_WINDOW_COUNT * self.threads()
            }
            _ => 0,
        };
        let outcomes = self.walk(&session, txs, &mut pending, window, &counts, &mut walk)?;
        let mut report = self.report(counts);
        report.rounds = walk.rounds.max(1);
        report.replays = walk.replays;
        for (stage, time) in [
            ("speculate", walk.ahead),
            ("execute-in-order", walk.in_order),
            ("validate-and-commit", walk.committed),
            ("execute", start.elapsed()),
        ] {
            report.seconds.insert(stage, time.as_secs_f64());
        }
        let gas_used = report.gas_used;
        Ok(BlockResult { outcomes, gas_used, report })
    }

    /// Runs transactions ahead on the state as it is.
    fn run_ahead<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        runnable: &mut [(&Transaction, &mut Pending)],
        counts: &Mutex<Counts>,
    ) -> Result<(), Error> {
        let class = self.config.execute_class;
        if self.config.backend.is_device() {
            return self.run_ahead_on_device(session, runnable, counts);
        }
        self.pool()?.run(|| {
            runnable.par_chunks_mut(SPECULATION_CHUNK_COUNT).try_for_each(|chunk| {
                let mut worker = self.worker()?;
                let mut hold = Hold::new(session.state);
                let run = chunk.iter_mut().try_for_each(|(tx, pending)| {
                    pending.ahead = run_one_ahead(&mut worker, session, &mut hold, tx, class)?;
                    pending.runs += 1;
                    hold.breathe();
                    Ok(())
                });
                self.rest(worker, counts);
                run
            })
        })
    }

    /// The same on the device. What does not land there is left to the walk.
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
            let footprint = Footprint::of(&overlay, &session.state.table(), session, codes)?;
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
        if count > 1 || (count > 0 && self.config.backend.is_device()) {
            walk.replays += runnable.iter().filter(|(_, pending)| pending.runs > 0).count() as u64;
            walk.rounds += 1;
            self.run_ahead(session, &mut runnable, counts)?;
        }
        walk.ahead += start.elapsed();
        Ok(count)
    }

    fn walk<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        txs: &[Transaction],
        pending: &mut [Pending],
        window: usize,
        counts: &Mutex<Counts>,
        walk: &mut Walk,
    ) -> Result<Vec<Outcome>, Error> {
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
            let mut held = hold_on(session, &worker, &mut pending[index], walk)?;
            if held.is_none() && index >= next_window && window > 0 {
                let range = index..(index + window).min(txs.len());
                let (txs, pending) = (&txs[range.clone()], &mut pending[range]);
                let ran = self.run_window(session, txs, pending, counts, walk)?;
                held = hold_on(session, &worker, &mut pending[0], walk)?;
                // A chain: look again when others have come into view.
                next_window = index + if ran > 1 { 1 } else { 1 + window / 4 };
            }
            let outcome = match held {
                Some(outcome) => outcome,
                None => {
                    walk.replays += u64::from(pending[index].runs > 0);
                    let start = Instant::now();
                    let mut outcome = self.execute_one(session, &mut worker, tx)?;
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
            worker.counts.outcome(&outcome);
            gas_left = gas_left.saturating_sub(gas_of(&outcome));
            outcomes.push(outcome);
            Ok(())
        });
        self.rest(worker, counts);
        run.map(|()| outcomes)
    }

    /// Runs a transaction on the state as it is and commits it if it is valid.
    fn execute_one<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        worker: &mut Worker,
        tx: &Transaction,
    ) -> Result<Outcome, Error> {
        if self.config.backend == Backend::Revm {
            let outcome = worker.with_revm(session, tx)?;
            apply(session, &outcome)?;
            return Ok(Outcome { fallback: None, ..outcome });
        }
        let mut hold = Hold::new(session.state);
        let (ran, rejected) = worker.transact(session, &mut hold, tx, self.config.execute_class)?;
        let outcome = match (ran, rejected) {
            (Ran::Done(class), _) => {
                let outcome = worker.outcome(session, hold.table(), class)?;
                hold.release();
                if outcome.result.is_ok() {
                    commit_finished(session, worker, class)?;
                }
                outcome
            }
            (_, Some(reason)) => Outcome { result: Err(reason), fallback: None },
            _ => {
                hold.release();
                let outcome = worker.with_revm(session, tx)?;
                apply(session, &outcome)?;
                outcome
            }
        };
        worker.finish(ran);
        Ok(outcome)
    }

    /// Makes a system call (EIP-4788, EIP-2935, EIP-7002, EIP-7251) and leaves the state as it
    /// does. No sender pays; a call to an account without code does nothing.
    pub fn system_call<DB: DatabaseRef + Sync>(
        &self,
        env: &Env,
        to: Address,
        data: Bytes,
        state: &mut State<DB>,
    ) -> Result<Executed, Error> {
        let counts = Mutex::new(Counts::default());
        let state = &*state;
        if self.config.backend == Backend::Revm {
            return system_call_with_revm(env, to, data, state);
        }
        let session = self.session(env, state)?;
        let mut worker = self.worker()?;
        let mut hold = Hold::new(state);
        let ran = worker.system_call(&session, &mut hold, to, &data)?;
        let result = match ran {
            Ran::Done(class) => {
                let outcome = worker.outcome(&session, hold.table(), class)?;
                hold.release();
                commit_finished(&session, &worker, class)?;
                outcome.result.map_err(|reason| Error::Device(format!("system call: {reason}")))
            }
            _ => {
                hold.release();
                system_call_with_revm(env, to, data, state)
            }
        };
        worker.finish(ran);
        self.rest(worker, &counts);
        result
    }
}

fn gas_of(outcome: &Outcome) -> u64 {
    outcome.result.as_ref().map(|executed| executed.gas_used).unwrap_or_default()
}

fn apply<DB: DatabaseRef + Sync>(
    session: &Session<'_, DB>,
    outcome: &Outcome,
) -> Result<(), Error> {
    let changes = outcome.result.as_ref().map(|executed| &executed.changes[..]);
    changes.unwrap_or_default().iter().try_for_each(|change| session.state.apply(change))
}

fn system_call_with_revm<DB: DatabaseRef + Sync>(
    env: &Env,
    to: Address,
    data: Bytes,
    state: &State<DB>,
) -> Result<Executed, Error> {
    let executed = reference::system_call_once(env, state, to, data)
        .map_err(|error| Error::Revm(error.to_string()))?;
    executed.changes.iter().try_for_each(|change| state.apply(change))?;
    Ok(executed)
}

/// `None`: it was not valid, or no memory class holds it; the walk decides.
fn run_one_ahead<'s, DB: DatabaseRef + Sync>(
    worker: &mut Worker,
    session: &Session<'s, DB>,
    hold: &mut Hold<'s, DB>,
    tx: &Transaction,
    class: usize,
) -> Result<Option<Box<Ahead>>, Error> {
    let (ran, _) = worker.transact(session, hold, tx, class)?;
    let Ran::Done(class) = ran else {
        return Ok(None);
    };
    let finished = worker.finished(session, class)?;
    let fallback = finished.fallback;
    let ahead = match finished.ended {
        Ok(executed) => {
            let codes = session.code_view(worker.temps());
            let footprint = Footprint::of(&finished.overlay, hold.table(), session, codes)?;
            Some(Box::new(Ahead { executed, fallback, footprint }))
        }
        Err(_) => None,
    };
    worker.finish(ran);
    Ok(ahead)
}

/// Commits what ran ahead if it holds.
fn hold_on<DB: DatabaseRef + Sync>(
    session: &Session<'_, DB>,
    worker: &Worker,
    pending: &mut Pending,
    walk: &mut Walk,
) -> Result<Option<Outcome>, Error> {
    let Some(ahead) = pending.ahead.take() else {
        return Ok(None);
    };
    let start = Instant::now();
    let held = ahead.footprint.holds(&session.state.table());
    let outcome = match held {
        true => Some(commit_ahead(*ahead, session, worker)?),
        false => {
            pending.last = Some(ahead);
            None
        }
    };
    walk.committed += start.elapsed();
    Ok(outcome)
}

/// Commits a transaction that ran ahead and holds.
fn commit_ahead<DB: DatabaseRef + Sync>(
    mut ahead: Ahead,
    session: &Session<'_, DB>,
    worker: &Worker,
) -> Result<Outcome, Error> {
    let mut table = session.state.table_mut();
    ahead.footprint.rebase(&table, session.spec());
    let overlay = ahead.footprint.overlay();
    let codes = session.code_view(worker.temps());
    let mut executed = ahead.executed;
    let mut scratch = Scratch::default();
    executed.changes = changes(&overlay, &table, codes, session.spec(), &mut scratch);
    commit(&overlay, &mut table, session, codes)?;
    Ok(Outcome { result: Ok(executed), fallback: ahead.fallback })
}

/// Commits the transaction that a worker just ran.
fn commit_finished<DB: DatabaseRef + Sync>(
    session: &Session<'_, DB>,
    worker: &Worker,
    class: usize,
) -> Result<(), Error> {
    let codes = session.code_view(worker.temps());
    let overlay = worker.overlay(session, class)?;
    commit(&overlay, &mut session.state.table_mut(), session, codes)
}
