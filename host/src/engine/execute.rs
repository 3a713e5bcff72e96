//! `execute`: transactions in a fixed order, each on what those before it left.
//!
//! A crew of threads executes the block (`crew`), beside a device if there is one (`feed`). Both
//! run transactions ahead on what may not be their state; the crew commits in order what turns out
//! right.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, Bytes};
use revm::DatabaseRef;

use super::Engine;
use super::ahead::Ahead;
use super::commit::{accesses, commit};
use super::crew::{Crew, Waits};
use super::feed::Fed;
use crate::backend::cpu::{Ran, Worker};
use crate::error::Error;
use crate::instance::decode::Overlay;
use crate::instance::session::{Hold, Place, Session};
use crate::plan::{Accesses, BlockAccessList, observed};
use crate::redo::{Redo, Refusal};
use crate::reference::Sequential;
use crate::report::Counts;
use crate::state::State;
use crate::state::table::Table;
use crate::types::{Backend, Env, Executed, Outcome, Report, Transaction};

/// What `execute` returns.
#[derive(Clone, Debug, PartialEq)]
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

/// What the caller knows of a block before it runs. None of it needs to be true.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'h> {
    /// Which transactions wait for which.
    pub waits: Option<&'h Waits>,
    /// What each transaction changes (EIP-7928). With it all can run at once.
    pub block_access_list: Option<&'h BlockAccessList>,
    /// Records what each transaction touches.
    pub record: bool,
}

/// What is measured on the way through a block.
#[derive(Default)]
pub(super) struct Walk {
    /// What a device ran ahead, and how many CPU threads did beside it.
    pub fed: Fed,
    pub beside: u64,
    /// Transactions executed again.
    pub replays: u64,
    /// Transactions that were patched instead.
    pub redone: u64,
    /// Why others were not.
    pub refused: BTreeMap<Refusal, u64>,
    /// Transactions that were executed once.
    pub first_final: u64,
    pub in_order: Duration,
    pub committed: Duration,
    /// Deriving what functions do, for redo.
    pub derive: Duration,
    /// Seconds until another thread had begun, and until all had stopped.
    pub wake: f64,
    pub join: f64,
    /// What each transaction touched, if that is to be recorded.
    pub accesses: Option<Vec<Accesses>>,
    /// Memory for redo.
    redo: Redo,
}

impl Walk {
    /// Of a block, with these hints.
    pub(super) fn new(hints: &Hints<'_>) -> Walk {
        Walk { accesses: hints.record.then(Vec::new), ..Walk::default() }
    }

    /// Records what a transaction touched.
    pub(super) fn record<DB>(&mut self, overlay: &Overlay<'_>, session: &Session<'_, DB>) {
        if let Some(list) = &mut self.accesses {
            list.push(accesses(overlay, session.env.block.beneficiary));
        }
    }
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
        let schedule = self.prepare(&mut session, txs, hints)?;
        Crew::new(self, &session, txs, &schedule, Walk::new(hints)).run(counts)
    }

    /// Patches a transaction that ran ahead and does not hold, if that is as good as executing it
    /// again.
    pub(super) fn redo<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        tx: &Transaction,
        table: &Table,
        ahead: &mut Ahead,
        walk: &mut Walk,
    ) -> bool {
        if !self.config.redo {
            return false;
        }
        let Walk { redo, derive, .. } = walk;
        if let Err(reason) = ahead.redo(session, tx, table, (redo, &self.codes), derive) {
            *walk.refused.entry(reason).or_default() += 1;
            return false;
        }
        let holds = ahead.footprint.holds(table);
        walk.redone += u64::from(holds);
        holds
    }

    /// Runs a transaction on the state as it is and commits it if it is valid.
    pub(super) fn execute_one<'s, DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'s, DB>,
        worker: &mut Worker,
        hold: &mut Hold<'s, DB>,
        (tx, place): (&Transaction, Place),
        walk: &mut Walk,
    ) -> Result<Outcome, Error> {
        if self.config.backend == Backend::Revm {
            let outcome = with_revm(session, worker, tx, walk)?;
            return Ok(Outcome { fallback: None, ..outcome });
        }
        let class = self.config.execute_class;
        let (ran, rejected) = worker.transact(session, hold, tx, (class, place))?;
        let outcome = match (ran, rejected) {
            (Ran::Done(class), _) => {
                let outcome = worker.outcome(session, hold.table(), class)?;
                if outcome.result.is_ok() {
                    walk.record(&worker.finished(class)?.overlay(session), session);
                    commit_finished(session, worker, hold, class)?;
                }
                outcome
            }
            (_, Some(reason)) => Outcome { result: Err(reason), fallback: None },
            _ => {
                hold.release();
                with_revm(session, worker, tx, walk)?
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
                commit_finished(&session, &worker, &mut hold, class)?;
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

pub(super) fn gas_of(outcome: &Outcome) -> u64 {
    outcome.result.as_ref().map(|executed| executed.gas_used).unwrap_or_default()
}

/// Runs a transaction on revm and applies what it changes.
fn with_revm<DB: DatabaseRef + Sync>(
    session: &Session<'_, DB>,
    worker: &mut Worker,
    tx: &Transaction,
    walk: &mut Walk,
) -> Result<Outcome, Error> {
    let (outcome, touched) = worker.with_revm(session, tx)?;
    if let (Some(list), true) = (&mut walk.accesses, outcome.result.is_ok()) {
        list.push(observed(tx, &touched));
    }
    apply(session, &outcome)?;
    Ok(outcome)
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
    let executed = Sequential::on_state(env, state)
        .system_call(to, data)
        .map_err(|error| Error::Revm(error.to_string()))?;
    executed.changes.iter().try_for_each(|change| state.apply(change))?;
    Ok(executed)
}

/// Commits the transaction that a worker just ran.
fn commit_finished<'s, DB: DatabaseRef + Sync>(
    session: &Session<'s, DB>,
    worker: &Worker,
    hold: &mut Hold<'s, DB>,
    class: usize,
) -> Result<(), Error> {
    let codes = session.code_view(worker.temps());
    let overlay = worker.finished(class)?.overlay(session);
    commit(&overlay, hold, session, codes)
}
