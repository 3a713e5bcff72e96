//! A transaction whose turn it is: executed on the state as it is and committed, or patched.

use revm::DatabaseRef;

use super::ahead::Ahead;
use super::commit::commit;
use super::parts::Engine;
use super::walk::Walk;
use crate::backend::cpu::{Ran, Worker};
use crate::error::Error;
use crate::instance::session::{Hold, Place, Session, Start};
use crate::plan::observed;
use crate::state::table::Table;
use crate::types::{Backend, Outcome, Transaction};

impl Engine {
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
        if let Err(reason) = ahead.redo(session, tx, table, redo, &self.codes, derive) {
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
        tx: &Transaction,
        place: Place,
        walk: &mut Walk,
    ) -> Result<Outcome, Error> {
        if self.config.backend == Backend::Revm {
            let outcome = with_revm(session, worker, tx, walk)?;
            return Ok(Outcome { fallback: None, ..outcome });
        }
        let class = self.config.execute_class;
        match worker.transact(session, hold, tx, Start { class, place })? {
            Ran::Done(class) => {
                let outcome = worker.outcome(session, hold.table(), class)?;
                if outcome.result.is_ok() {
                    walk.record(&worker.finished(class)?.overlay(session), session);
                    commit_finished(session, worker, hold, class)?;
                }
                worker.finish(class);
                Ok(outcome)
            }
            Ran::Rejected(reason) => Ok(Outcome { result: Err(reason), fallback: None }),
            Ran::Fallback => {
                hold.release();
                with_revm(session, worker, tx, walk)
            }
        }
    }
}

/// Gas that a transaction used.
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

/// Commits the transaction that a worker just ran.
pub(super) fn commit_finished<'s, DB: DatabaseRef + Sync>(
    session: &Session<'s, DB>,
    worker: &Worker,
    hold: &mut Hold<'s, DB>,
    class: usize,
) -> Result<(), Error> {
    let codes = session.code_view(worker.temps());
    let overlay = worker.finished(class)?.overlay(session);
    commit(&overlay, hold, session, codes)
}
