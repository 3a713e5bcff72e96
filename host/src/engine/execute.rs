//! `execute`: transactions in a fixed order, each on what those before it left.
//!
//! With several threads all transactions first run ahead on the state before the block, which does
//! not change meanwhile. Then one thread walks in order: a transaction of which every observed
//! value is still what the table has is committed as it is; else it runs again, on the table as it
//! is then, which is what sequential execution would do. So the result is that of sequential
//! execution whatever ran ahead.
//!
//! When the walk meets a transaction that has to run, those behind it that have to run as well do
//! so with it, on all threads. A transaction that was in vain several times is left to the walk.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, Bytes};
use rayon::prelude::*;
use revm::DatabaseRef;

use super::Engine;
use super::commit::{Footprint, commit};
use crate::backend::cpu::{Ran, Worker};
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
    /// How often it ran ahead.
    runs: u32,
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
        let mut walk = Walk { rounds: 1, ..Walk::default() };
        let wide = self.config.backend != Backend::Revm
            && self.threads() > 1
            && txs.len() >= SPECULATION_TRANSACTIONS_COUNT_MIN;
        if wide {
            self.run_ahead(&session, txs, &mut pending, &counts)?;
            walk.ahead = start.elapsed();
        }
        let window = if wide { SPECULATION_WINDOW_COUNT * self.threads() } else { 0 };
        let outcomes = self.walk(&session, txs, &mut pending, window, &counts, &mut walk)?;
        let mut report = self.report(counts);
        report.rounds = walk.rounds;
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

    /// Runs, of the transactions that are not ahead, the first of each sender: the others could not
    /// have the right nonce yet.
    fn run_ahead<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        txs: &[Transaction],
        pending: &mut [Pending],
        counts: &Mutex<Counts>,
    ) -> Result<(), Error> {
        let mut senders = HashSet::with_capacity(txs.len());
        let mut runnable: Vec<(&Transaction, &mut Pending)> = Vec::new();
        for (tx, pending) in txs.iter().zip(pending) {
            let first = senders.insert(tx.caller);
            if first && pending.ahead.is_none() && pending.runs < RUNS_AHEAD_COUNT_MAX {
                runnable.push((tx, pending));
            }
        }
        let class = self.config.execute_class;
        self.pool()?.install(|| {
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

    /// Drops what ran ahead in vain and runs it again, as long as that may be of use, together with
    /// what waited for an earlier transaction of its sender.
    fn run_again<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        txs: &[Transaction],
        pending: &mut [Pending],
        counts: &Mutex<Counts>,
        walk: &mut Walk,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let mut senders = HashSet::with_capacity(txs.len());
        let mut useful = 0;
        let mut replays = 0;
        {
            let table = session.state.table();
            for (tx, pending) in txs.iter().zip(&mut *pending) {
                let outdated = |ahead: &mut Box<Ahead>| !ahead.footprint.holds(&table);
                pending.ahead.take_if(outdated);
                let runs = senders.insert(tx.caller)
                    && pending.ahead.is_none()
                    && pending.runs < RUNS_AHEAD_COUNT_MAX;
                useful += usize::from(runs);
                replays += u64::from(runs && pending.runs > 0);
            }
        }
        if useful > 1 {
            self.run_ahead(session, txs, pending, counts)?;
            walk.rounds += 1;
            walk.replays += replays;
        }
        walk.ahead += start.elapsed();
        Ok(())
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
        let run = (0..txs.len()).try_for_each(|index| {
            let tx = &txs[index];
            let rejected = |reason| Error::Rejected { index, reason };
            if session.env.checks.block_gas_limit && tx.gas_limit > gas_left {
                let why = "the gas that the block has left";
                let limit = tx.gas_limit;
                return Err(rejected(Rejected::GasLimit { limit, max: gas_left, why }));
            }
            let mut held = hold_on(session, &worker, &mut pending[index], walk)?;
            let ahead = index..(index + window).min(txs.len());
            if held.is_none() && ahead.len() > 1 && pending[index].runs < RUNS_AHEAD_COUNT_MAX {
                let (txs, pending) = (&txs[ahead.clone()], &mut pending[ahead]);
                self.run_again(session, txs, pending, counts, walk)?;
                held = hold_on(session, &worker, &mut pending[0], walk)?;
            }
            let outcome = match held {
                Some(outcome) => outcome,
                None => {
                    walk.replays += u64::from(pending[index].runs > 0);
                    let start = Instant::now();
                    let outcome = self.execute_one(session, &mut worker, tx)?;
                    walk.in_order += start.elapsed();
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
    let held = commit_ahead(ahead, session, worker)?;
    walk.committed += start.elapsed();
    Ok(held)
}

/// Commits a transaction that ran ahead, if all that it observed still holds.
fn commit_ahead<DB: DatabaseRef + Sync>(
    mut ahead: Box<Ahead>,
    session: &Session<'_, DB>,
    worker: &Worker,
) -> Result<Option<Outcome>, Error> {
    let mut table = session.state.table_mut();
    if !ahead.footprint.holds(&table) {
        return Ok(None);
    }
    ahead.footprint.rebase(&table, session.spec());
    let overlay = ahead.footprint.overlay();
    let codes = session.code_view(worker.temps());
    let mut executed = ahead.executed;
    let mut scratch = Scratch::default();
    executed.changes = changes(&overlay, &table, codes, session.spec(), &mut scratch);
    commit(&overlay, &mut table, session, codes)?;
    Ok(Some(Outcome { result: Ok(executed), fallback: ahead.fallback }))
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
