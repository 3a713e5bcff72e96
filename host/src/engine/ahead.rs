//! A transaction that ran before its turn: kept until what it read is known to be right.

use std::time::Instant;

use revm::DatabaseRef;

use super::commit::{Footprint, commit};
use super::execute::Walk;
use crate::backend::cpu::{Ran, Worker};
use crate::decode::{Scratch, changes};
use crate::error::Error;
use crate::session::{Hold, Place, Session};
use crate::state::codes::TempCodes;
use crate::types::{Executed, Fallback, Outcome, Transaction};

/// A transaction that ran ahead.
pub struct Ahead {
    /// What it did; `changes` are found when it is committed.
    pub executed: Executed,
    /// Whether a part of it ran elsewhere.
    pub fallback: Option<Fallback>,
    /// What it read and wrote.
    pub footprint: Footprint,
    /// How long it ran.
    pub seconds: f64,
}

impl Ahead {
    /// Runs `tx`. `None`: it was not valid, or no memory class holds it; its turn decides.
    pub fn run<'s, DB: DatabaseRef + Sync>(
        worker: &mut Worker,
        session: &Session<'s, DB>,
        hold: &mut Hold<'s, DB>,
        tx: &Transaction,
        (class, place): (usize, Place),
    ) -> Result<Option<Box<Ahead>>, Error> {
        let start = Instant::now();
        let (ran, _) = worker.transact(session, hold, tx, (class, place))?;
        let Ran::Done(class) = ran else {
            return Ok(None);
        };
        let finished = worker.finished(session, class)?;
        let fallback = finished.fallback;
        let ahead = match finished.ended {
            Ok(executed) => {
                let codes = session.code_view(worker.temps());
                let footprint = Footprint::of(&finished.overlay, session, codes)?;
                let seconds = start.elapsed().as_secs_f64();
                Some(Box::new(Ahead { executed, fallback, footprint, seconds }))
            }
            Err(_) => None,
        };
        worker.finish(ran);
        Ok(ahead)
    }

    /// Commits it; it holds.
    pub fn commit<'s, DB: DatabaseRef + Sync>(
        mut self,
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
        let mut executed = self.executed;
        executed.changes = changes(&overlay, table, codes, session.spec(), scratch);
        commit(&overlay, hold, session, codes)?;
        Ok(Outcome { result: Ok(executed), fallback: self.fallback })
    }
}
