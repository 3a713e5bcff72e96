//! `execute`: transactions in a fixed order, each on what those before it left.
//!
//! With several threads all transactions first run ahead on the state before the block, which does
//! not change meanwhile. Then one thread walks in order: a transaction of which every observed
//! value is still what the table has is committed as it is; else it runs again, on the table as it
//! is then, which is what sequential execution would do. So the result is that of sequential
//! execution whatever ran ahead.

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
use crate::limits::{SPECULATION_CHUNK_COUNT, SPECULATION_TRANSACTIONS_COUNT_MIN};
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

/// Times of the walk.
#[derive(Default)]
struct Walk {
    replays: u64,
    executed: Duration,
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
        let wide = self.config.backend != Backend::Revm
            && self.threads() > 1
            && txs.len() >= SPECULATION_TRANSACTIONS_COUNT_MIN;
        let mut ahead: Vec<Option<Box<Ahead>>> = Vec::new();
        ahead.resize_with(txs.len(), || None);
        if wide {
            self.run_ahead(&session, txs, &mut ahead, &counts)?;
        }
        let speculated = start.elapsed();
        let mut walk = Walk::default();
        let outcomes = self.walk(&session, txs, ahead, &counts, &mut walk)?;
        let mut report = self.report(counts);
        report.rounds = 1 + u64::from(walk.replays > 0);
        report.replays = walk.replays;
        for (stage, time) in [
            ("speculate", speculated),
            ("execute-in-order", walk.executed),
            ("validate-and-commit", walk.committed),
            ("execute", start.elapsed()),
        ] {
            report.seconds.insert(stage, time.as_secs_f64());
        }
        let gas_used = report.gas_used;
        Ok(BlockResult { outcomes, gas_used, report })
    }

    /// Runs all that no earlier transaction of the same sender makes pointless.
    fn run_ahead<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        txs: &[Transaction],
        ahead: &mut [Option<Box<Ahead>>],
        counts: &Mutex<Counts>,
    ) -> Result<(), Error> {
        let mut senders = HashSet::with_capacity(txs.len());
        let first: Vec<bool> = txs.iter().map(|tx| senders.insert(tx.caller)).collect();
        let chunks = txs.par_chunks(SPECULATION_CHUNK_COUNT);
        let chunks = chunks.zip(first.par_chunks(SPECULATION_CHUNK_COUNT));
        let chunks = chunks.zip(ahead.par_chunks_mut(SPECULATION_CHUNK_COUNT));
        self.pool()?.install(|| {
            chunks.try_for_each(|((txs, first), ahead)| {
                let mut worker = self.worker()?;
                let mut hold = Hold::new(session.state);
                let class = self.config.execute_class;
                let run = txs.iter().zip(first).zip(ahead).try_for_each(|((tx, first), ahead)| {
                    if *first {
                        *ahead = run_one_ahead(&mut worker, session, &mut hold, tx, class)?;
                    }
                    hold.breathe();
                    Ok(())
                });
                self.rest(worker, counts);
                run
            })
        })
    }

    fn walk<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        txs: &[Transaction],
        ahead: Vec<Option<Box<Ahead>>>,
        counts: &Mutex<Counts>,
        walk: &mut Walk,
    ) -> Result<Vec<Outcome>, Error> {
        let mut worker = self.worker()?;
        let mut scratch = Scratch::default();
        let mut outcomes = Vec::with_capacity(txs.len());
        let mut gas_left = session.env.block.gas_limit;
        let run = txs.iter().zip(ahead).enumerate().try_for_each(|(index, (tx, ahead))| {
            let rejected = |reason| Error::Rejected { index, reason };
            if session.env.checks.block_gas_limit && tx.gas_limit > gas_left {
                let why = "the gas that the block has left";
                let limit = tx.gas_limit;
                return Err(rejected(Rejected::GasLimit { limit, max: gas_left, why }));
            }
            let start = Instant::now();
            let tried = ahead.is_some();
            let held = match ahead {
                Some(ahead) => commit_ahead(ahead, session, &worker, &mut scratch)?,
                None => None,
            };
            walk.committed += start.elapsed();
            let outcome = match held {
                Some(outcome) => outcome,
                None => {
                    walk.replays += u64::from(tried);
                    let start = Instant::now();
                    let outcome = self.execute_one(session, &mut worker, tx)?;
                    walk.executed += start.elapsed();
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

/// Commits a transaction that ran ahead, if all that it observed still holds.
fn commit_ahead<DB: DatabaseRef + Sync>(
    mut ahead: Box<Ahead>,
    session: &Session<'_, DB>,
    worker: &Worker,
    scratch: &mut Scratch,
) -> Result<Option<Outcome>, Error> {
    let mut table = session.state.table_mut();
    if !ahead.footprint.holds(&table) {
        return Ok(None);
    }
    ahead.footprint.rebase(&table);
    let overlay = ahead.footprint.overlay();
    let codes = session.code_view(worker.temps());
    let mut executed = ahead.executed;
    executed.changes = changes(&overlay, &table, codes, session.spec(), scratch);
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
