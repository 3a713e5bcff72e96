//! A transaction that ran before its turn: kept until what it read is known to be right.

use std::time::{Duration, Instant};

use revm::DatabaseRef;

use super::commit::commit;
use super::footprint::Footprint;
use super::walk::Walk;
use crate::backend::cpu::{Ran, Worker};
use crate::code::CodeCache;
use crate::code::ids::TempCodes;
use crate::error::Error;
use crate::instance::decode::{CodeView, Scratch, changes};
use crate::instance::finished::Finished;
use crate::instance::session::{Hold, Session, Start};
use crate::redo::{Call, Observed, Redo};
use crate::state::table::Table;
use crate::types::{Executed, Fallback, Outcome, Refusal, Transaction};

/// A transaction that ran ahead.
#[derive(Default)]
pub struct Ahead {
    /// What it did, until it is committed; `changes` are found then.
    pub executed: Option<Executed>,
    /// Whether a part of it ran elsewhere.
    pub fallback: Option<Fallback>,
    /// What it read and wrote.
    pub footprint: Footprint,
}

impl Ahead {
    /// Runs `tx`, in the memory of an earlier one if there is one. `None`: it was not valid, or no
    /// memory class holds it; its turn decides.
    pub fn run<'s, DB: DatabaseRef + Sync>(
        worker: &mut Worker,
        session: &Session<'s, DB>,
        hold: &mut Hold<'s, DB>,
        tx: &Transaction,
        start: Start,
        spent: Option<Box<Ahead>>,
    ) -> Result<Option<Box<Ahead>>, Error> {
        let Ran::Done(class) = worker.transact(session, hold, tx, start)? else {
            return Ok(None);
        };
        let codes = session.code_view(worker.temps());
        let ahead = Ahead::of(&worker.finished(class)?, session, codes, spent)?;
        worker.finish(class);
        Ok(ahead)
    }

    /// Keeps what a finished instance shows; `None`: it was not valid.
    pub fn of<DB: DatabaseRef + Sync>(
        finished: &Finished<'_>,
        session: &Session<'_, DB>,
        codes: CodeView<'_>,
        spent: Option<Box<Ahead>>,
    ) -> Result<Option<Box<Ahead>>, Error> {
        let Ok(executed) = finished.ended()? else {
            return Ok(None);
        };
        let mut ahead = spent.unwrap_or_default();
        ahead.footprint.fill(&finished.overlay(session), session, codes)?;
        ahead.executed = Some(executed);
        ahead.fallback = finished.fallback();
        Ok(Some(ahead))
    }

    /// Makes it what it would have done on the table as it is, if that follows from what it did
    /// ([`crate::redo`]); then it holds. Time to derive effects is added to `derive`.
    pub fn redo<DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'_, DB>,
        tx: &Transaction,
        table: &Table,
        redo: &mut Redo,
        codes: &CodeCache,
        derive: &mut Duration,
    ) -> Result<(), Refusal> {
        if !self.footprint.accounts_hold(table) {
            return Err(Refusal::Accounts);
        }
        let call = Call::of(tx, session.env).ok_or(Refusal::NoCall)?;
        let code = self.footprint.code_of(call.callee()).ok_or(Refusal::NoCall)?;
        let code = session.state.codes().get(code).ok_or(Refusal::NoCall)?;
        if code.is_designator() {
            return Err(Refusal::NoCall);
        }
        let uses = self.footprint.slot_uses(table).ok_or(Refusal::OtherAccounts)?;
        let (spec, selector) = (session.spec(), call.selector());
        let start = Instant::now();
        let set = codes.effects(&code, spec, selector);
        *derive += start.elapsed();
        let set = set.ok_or(Refusal::NoPath)?;
        let executed = self.executed.as_mut().ok_or(Refusal::NoSuccess)?;
        let (status, logs, output) = (executed.status, &executed.logs[..], &executed.output[..]);
        let observed = Observed { status, slots: &uses, logs, output };
        let patch = redo.patch(&set, &call, &observed)?;
        self.footprint.patch(&uses, &patch.values);
        (executed.logs, executed.output) = (patch.logs, patch.output);
        Ok(())
    }

    /// Commits it; it holds.
    pub fn commit<'s, DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'s, DB>,
        hold: &mut Hold<'s, DB>,
        temps: &TempCodes,
        scratch: &mut Scratch,
        walk: &mut Walk,
    ) -> Result<Outcome, Error> {
        let table = hold.table();
        self.footprint.rebase(table, session.spec());
        let overlay = self.footprint.overlay();
        walk.record(&overlay, session);
        let codes = session.code_view(temps);
        let executed = self.executed.take();
        let mut executed = executed.ok_or_else(|| Error::Bug("nothing ran".to_owned()))?;
        executed.changes = changes(&overlay, table, codes, session.spec(), scratch);
        commit(&overlay, hold, session, codes)?;
        Ok(Outcome { result: Ok(executed), fallback: self.fallback })
    }
}
