//! Threads of the CPU that execute a block together, with a device beside them if there is one.
//!
//! All threads do the same: whoever finds nobody at it commits what is ready, in order, and
//! executes the transaction whose turn it is if nobody has; all others run later transactions
//! ahead. What ran ahead is committed if every value that it observed is still what the table has
//! at its turn, else it is executed again then, on the table as it is, which is what sequential
//! execution does. Nobody waits for a round to end.
//!
//! A device is one more that runs transactions ahead (`feed`): those that can run at the same time
//! as many others. The threads run chains meanwhile, longest first, and again what the device ran
//! on a state that has changed since.
//!
//! The table changes while transactions run ahead. They may see anything; what they saw is
//! compared by value before it counts.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use revm::DatabaseRef;

use super::ahead::Ahead;
use super::cost::is_worth_ahead;
use super::in_order::gas_of;
use super::parts::Engine;
use super::schedule::Schedule;
use super::times::{Times, Together};
use super::walk::{Fed, Walk};
use crate::backend::cpu::Worker;
use crate::error::Error;
use crate::instance::decode::Scratch;
use crate::instance::session::{Hold, Place, Session, Start};
use crate::limits::IDLE_SPINS_COUNT;
use crate::pool;
use crate::report::Counts;
use crate::sync::lock;
use crate::types::{Fallback, GasBound, Outcome, Rejected, Transaction};

/// Nobody has taken the transaction; a thread may.
pub(super) const WAITING: u8 = 0;
/// It is for the device, which has not taken it.
pub(super) const GIVEN: u8 = 1;
/// Someone runs it.
pub(super) const RUNNING: u8 = 2;
/// It ran ahead.
const READY: u8 = 3;
/// It is committed.
const DONE: u8 = 4;

/// Share of a block's time that compiling may take, for the block to count in the cost model.
const COMPILE_SHARE_MAX: f64 = 0.1;

/// A transaction of the block, on cache lines of its own: its neighbours belong to other threads.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Member {
    pub(super) stage: AtomicU8,
    /// Why it does not run on the device that was asked for.
    pub(super) aside: Mutex<Option<Fallback>>,
    /// It ran ahead on a device, in vain.
    pub(super) again: AtomicBool,
    /// What ran ahead; none if it was not valid then.
    ahead: Mutex<Option<Box<Ahead>>>,
    /// What ran ahead and is done with: memory for a later one.
    spent: Mutex<Option<Box<Ahead>>>,
}

/// What only the one who commits may touch.
struct CommitHead {
    outcomes: Vec<Outcome>,
    gas_left: u64,
    scratch: Scratch,
    walk: Walk,
    times: Times,
}

/// A block in execution.
pub(super) struct Crew<'c, 's, DB> {
    pub(super) engine: &'c Engine,
    pub(super) session: &'c Session<'s, DB>,
    pub(super) txs: &'c [Transaction],
    pub(super) entries: Vec<Member>,
    schedule: &'c Schedule,
    pub(super) committed: AtomicUsize,
    pub(super) fed: Mutex<Fed>,
    /// Transactions that threads ran ahead beside a device.
    beside: AtomicU64,
    /// How many of the schedule's chains have been taken, from the first on.
    chains_taken: AtomicUsize,
    head: Mutex<CommitHead>,
    start: Instant,
    /// Seconds until the first of the other threads had begun.
    woke: Mutex<Option<f64>>,
    /// When the first thread had nothing left to do.
    ended: Mutex<Option<Duration>>,
    pub(super) stop: AtomicBool,
    error: Mutex<Option<Error>>,
}

/// What runs beside a crew.
pub(super) type Beside<'b, C> = &'b (dyn Fn(&C) -> Result<(), Error> + Sync);

/// Stops the others when a thread panics: they would wait for it forever.
pub(super) struct StopOnPanic<'c>(pub(super) &'c AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Release);
        }
    }
}

impl<'c, 's, DB: DatabaseRef + Sync> Crew<'c, 's, DB> {
    pub(super) fn new(
        engine: &'c Engine,
        session: &'c Session<'s, DB>,
        txs: &'c [Transaction],
        schedule: &'c Schedule,
        walk: Walk,
    ) -> Crew<'c, 's, DB> {
        let entry = |index: usize| match &schedule.wide {
            Some(wide) if wide.takes[index] => {
                Member { stage: AtomicU8::new(GIVEN), ..Member::default() }
            }
            // One thread executes what is light.
            Some(_) if schedule.is_light(index) => {
                Member { aside: Mutex::new(Some(Fallback::Cost)), ..Member::default() }
            }
            _ => Member { aside: Mutex::new(schedule.aside), ..Member::default() },
        };
        let entries = (0..txs.len()).map(entry).collect();
        let head = CommitHead {
            outcomes: Vec::with_capacity(txs.len()),
            gas_left: session.env.block.gas_limit,
            scratch: Scratch::default(),
            walk,
            times: Times::default(),
        };
        Crew {
            engine,
            session,
            txs,
            entries,
            schedule,
            committed: AtomicUsize::new(0),
            fed: Mutex::default(),
            beside: AtomicU64::new(0),
            chains_taken: AtomicUsize::new(0),
            head: Mutex::new(head),
            start: Instant::now(),
            woke: Mutex::new(None),
            ended: Mutex::new(None),
            stop: AtomicBool::new(false),
            error: Mutex::new(None),
        }
    }

    /// Executes the block with this thread and those that the schedule says. What is `beside` them
    /// has a thread of its own.
    pub(super) fn run(
        self,
        counts: &Mutex<Counts>,
        beside: Option<Beside<'_, Self>>,
    ) -> Result<(Vec<Outcome>, Walk), Error> {
        let helpers = self.schedule.helpers;
        let chief = std::thread::current().id();
        let failed = |error| {
            lock(&self.error).get_or_insert(error);
            self.stop.store(true, Ordering::Release);
        };
        let work = || {
            if std::thread::current().id() != chief {
                let woke = self.start.elapsed().as_secs_f64();
                lock(&self.woke).get_or_insert(woke);
            }
            self.work(counts).unwrap_or_else(failed);
            lock(&self.ended).get_or_insert(self.start.elapsed());
        };
        let together = || match helpers {
            0 => {
                work();
                Ok(())
            }
            helpers => self.engine.pool()?.together(helpers, &work),
        };
        match beside {
            None => together()?,
            Some(beside) => std::thread::scope(|scope| {
                pool::start(scope, || beside(&self).unwrap_or_else(failed))?;
                let done: Result<(), Error> = together();
                if done.is_err() {
                    self.stop.store(true, Ordering::Release);
                }
                done
            })?,
        }
        let end = self.start.elapsed();
        if let Some(error) = lock(&self.error).take() {
            return Err(error);
        }
        let mut head = self.head.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        head.walk.fed = *lock(&self.fed);
        head.walk.beside = self.beside.into_inner();
        if !self.schedule.is_alone() {
            let ended = lock(&self.ended).unwrap_or(end);
            let together = Together {
                expected: self.schedule.expected,
                seconds: end.as_secs_f64(),
                wake_seconds: *lock(&self.woke),
                join_seconds: end.saturating_sub(ended).as_secs_f64(),
            };
            head.walk.wake = together.wake_seconds.unwrap_or(0.0);
            head.walk.join = together.join_seconds;
            head.times.together = Some(together);
        }
        // Blocks with much to compile say little about others.
        let compile = lock(counts).compile + head.walk.derive;
        if compile.as_secs_f64() < COMPILE_SHARE_MAX * end.as_secs_f64() {
            self.engine.costs.learn(&head.times);
        }
        Ok((head.outcomes, head.walk))
    }

    pub(super) fn finished(&self) -> bool {
        self.stop.load(Ordering::Acquire)
            || self.committed.load(Ordering::Acquire) == self.txs.len()
    }

    fn work(&self, counts: &Mutex<Counts>) -> Result<(), Error> {
        if self.finished() {
            return Ok(());
        }
        let _stop = StopOnPanic(&self.stop);
        let mut worker = self.engine.worker()?;
        let ran = self.work_with(&mut worker);
        self.engine.rest(worker, counts);
        ran
    }

    fn work_with(&self, worker: &mut Worker) -> Result<(), Error> {
        let mut hold = Hold::new(self.session.state);
        let mut idle = 0;
        loop {
            let mut moved = match self.try_head() {
                Some(mut head) => self.advance(&mut head, worker, &mut hold)?,
                None => false,
            };
            if self.finished() {
                return Ok(());
            }
            if let Some(index) = self.pick().or_else(|| self.pick_again(&mut hold)) {
                self.run_ahead(index, worker, &mut hold)?;
                moved = true;
            }
            hold.breathe();
            if moved {
                idle = 0;
                continue;
            }
            hold.release();
            idle += 1;
            match idle < IDLE_SPINS_COUNT {
                true => std::hint::spin_loop(),
                false => std::thread::yield_now(),
            }
        }
    }

    fn try_head(&self) -> Option<MutexGuard<'_, CommitHead>> {
        // Who panicked has set `stop`.
        self.head.try_lock().ok()
    }

    fn claim(&self, index: usize, from: u8) -> bool {
        let stage = &self.entries[index].stage;
        stage.compare_exchange(from, RUNNING, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Commits in order until someone else runs the transaction whose turn it is. Says whether
    /// anything was committed.
    fn advance(
        &self,
        head: &mut CommitHead,
        worker: &mut Worker,
        hold: &mut Hold<'s, DB>,
    ) -> Result<bool, Error> {
        let before = head.outcomes.len();
        while head.outcomes.len() < self.txs.len() && !self.stop.load(Ordering::Relaxed) {
            let index = head.outcomes.len();
            let entry = &self.entries[index];
            match entry.stage.load(Ordering::Acquire) {
                READY if self.claim(index, READY) => self.settle(head, index, worker, hold)?,
                WAITING if self.claim(index, WAITING) => {
                    self.check_gas_limit(head, index)?;
                    let (outcome, took) = self.in_order(head, index, worker, hold)?;
                    self.count_run(head, index, true);
                    // Beside others it would take longer.
                    let alone = self.schedule.is_alone();
                    self.learn(index, &outcome, None, alone.then_some(took.as_secs_f64()));
                    self.settled(head, index, outcome)?;
                }
                READY | WAITING => {}
                _ => break,
            }
            hold.breathe();
        }
        Ok(head.outcomes.len() > before)
    }

    fn check_gas_limit(&self, head: &CommitHead, index: usize) -> Result<(), Error> {
        let limit = self.txs[index].gas_limit;
        if self.session.env.checks.block_gas_limit && limit > head.gas_left {
            let why = GasBound::BlockLeft;
            let reason = Rejected::GasLimit { limit, max: head.gas_left, why };
            return Err(Error::Rejected { index, reason });
        }
        Ok(())
    }

    /// Commits a transaction that ran ahead, or executes it again.
    fn settle(
        &self,
        head: &mut CommitHead,
        index: usize,
        worker: &mut Worker,
        hold: &mut Hold<'s, DB>,
    ) -> Result<(), Error> {
        self.check_gas_limit(head, index)?;
        let mut ahead = lock(&self.entries[index].ahead).take();
        let start = Instant::now();
        let holds = ahead.as_ref().is_some_and(|ahead| ahead.footprint.holds(hold.table()));
        let redone = !holds && self.redo(head, index, ahead.as_deref_mut(), hold);
        let outcome = match ahead {
            Some(mut ahead) if holds || redone => {
                let (scratch, walk) = (&mut head.scratch, &mut head.walk);
                let outcome = ahead.commit(self.session, hold, worker.temps(), scratch, walk)?;
                walk.committed += start.elapsed();
                worker.counts.outcome(&outcome);
                *lock(&self.entries[index].spent) = Some(ahead);
                self.count_run(head, index, holds);
                outcome
            }
            _ => {
                head.walk.replays += 1;
                self.in_order(head, index, worker, hold)?.0
            }
        };
        let again = self.entries[index].again.load(Ordering::Relaxed);
        self.learn(index, &outcome, Some(!holds || again), None);
        self.settled(head, index, outcome)
    }

    /// Counts a transaction whose last run is the final one, or was patched.
    fn count_run(&self, head: &mut CommitHead, index: usize, holds: bool) {
        let again = self.entries[index].again.load(Ordering::Relaxed);
        head.walk.first_final += u64::from(holds && !again);
        head.walk.replays += u64::from(again);
    }

    /// Patches a transaction that does not hold, if that is as good as executing it again.
    fn redo(
        &self,
        head: &mut CommitHead,
        index: usize,
        ahead: Option<&mut Ahead>,
        hold: &mut Hold<'s, DB>,
    ) -> bool {
        let Some(ahead) = ahead else { return false };
        self.engine.redo(self.session, &self.txs[index], hold.table(), ahead, &mut head.walk)
    }

    /// Executes the transaction whose turn it is; gives also the time that it took without
    /// compiling.
    fn in_order(
        &self,
        head: &mut CommitHead,
        index: usize,
        worker: &mut Worker,
        hold: &mut Hold<'s, DB>,
    ) -> Result<(Outcome, Duration), Error> {
        let (compiled, start) = (worker.counts.compile, Instant::now());
        let place = Place { order: index as u32, committed: index as u32 };
        let (tx, walk) = (&self.txs[index], &mut head.walk);
        let mut outcome = self.engine.execute_one(self.session, worker, hold, tx, place, walk)?;
        if self.schedule.aside.is_some() {
            let reason = lock(&self.entries[index].aside).unwrap_or(Fallback::InOrder);
            outcome.fallback.get_or_insert(reason);
        }
        let spent = start.elapsed();
        head.walk.in_order += spent;
        let took = (spent + compiled).saturating_sub(worker.counts.compile);
        if outcome.result.is_ok() {
            worker.counts.outcome(&outcome);
            let times = &mut head.times;
            match is_worth_ahead(gas_of(&outcome)) {
                false => {
                    times.light += 1;
                    times.light_seconds += took.as_secs_f64();
                }
                true => {
                    times.heavy += 1;
                    times.heavy_gas += gas_of(&outcome);
                    times.heavy_seconds += took.as_secs_f64();
                }
            }
        }
        Ok((outcome, took))
    }

    fn learn(&self, index: usize, outcome: &Outcome, in_vain: Option<bool>, seconds: Option<f64>) {
        let tx = &self.txs[index];
        lock(&self.engine.functions).learn(tx, gas_of(outcome), in_vain, seconds);
    }

    fn settled(&self, head: &mut CommitHead, index: usize, outcome: Outcome) -> Result<(), Error> {
        if let Err(reason) = outcome.result {
            return Err(Error::Rejected { index, reason });
        }
        head.gas_left = head.gas_left.saturating_sub(gas_of(&outcome));
        head.outcomes.push(outcome);
        self.entries[index].stage.store(DONE, Ordering::Release);
        self.committed.store(index + 1, Ordering::Release);
        Ok(())
    }

    /// The next transaction that may run ahead with profit: of chains beside a device the first
    /// that can, else the first of the block.
    fn pick(&self) -> Option<usize> {
        let first = self.committed.load(Ordering::Acquire);
        let last = first.saturating_add(self.schedule.window).min(self.txs.len());
        let is_waiting =
            |index: usize| self.entries[index].stage.load(Ordering::Relaxed) == WAITING;
        let may_run = |index: &usize| {
            let earlier = self.schedule.waits.of(*index);
            *index > first
                && is_waiting(*index)
                && !self.schedule.is_light(*index)
                && earlier.iter().all(|earlier| self.has_run(*earlier as usize))
        };
        let chains = self.schedule.wide.as_ref().map_or(&[][..], |wide| &wide.chains);
        let taken = self.chains_taken.load(Ordering::Relaxed);
        let gone = chains[taken..].iter().take_while(|index| !is_waiting(**index as usize));
        let taken = taken + gone.count();
        self.chains_taken.fetch_max(taken, Ordering::Relaxed);
        let chains = chains[taken..].iter().map(|index| *index as usize);
        chains.chain(first + 1..last).find(|index| may_run(index) && self.claim(*index, WAITING))
    }

    /// The next transaction that ran ahead on a device and does not hold any more.
    fn pick_again(&self, hold: &mut Hold<'s, DB>) -> Option<usize> {
        self.schedule.wide.as_ref()?;
        let first = self.committed.load(Ordering::Acquire);
        let last = first.saturating_add(self.schedule.window).min(self.txs.len());
        // Before any entry's lock: whoever waits for the table must hold none.
        let table = hold.table();
        (first + 1..last).find(|index| {
            let entry = &self.entries[*index];
            if entry.stage.load(Ordering::Acquire) != READY || entry.again.load(Ordering::Relaxed) {
                return false;
            }
            let changed = |ahead: &Ahead| !ahead.footprint.holds(table);
            let changed = lock(&entry.ahead).as_deref().is_some_and(changed);
            let mine = changed && self.claim(*index, READY);
            if mine {
                entry.again.store(true, Ordering::Relaxed);
                *lock(&entry.spent) = lock(&entry.ahead).take();
                lock(&entry.aside).get_or_insert(Fallback::InOrder);
            }
            mine
        })
    }

    /// What it leaves can be read.
    fn has_run(&self, index: usize) -> bool {
        self.entries.get(index).is_none_or(|entry| entry.stage.load(Ordering::Acquire) >= READY)
    }

    fn run_ahead(
        &self,
        index: usize,
        worker: &mut Worker,
        hold: &mut Hold<'s, DB>,
    ) -> Result<(), Error> {
        let committed = self.committed.load(Ordering::Acquire) as u32;
        let place = Place { order: index as u32, committed };
        let class = self.engine.config.execute_class;
        let tx = &self.txs[index];
        let spent = match self.entries[index].again.load(Ordering::Relaxed) {
            true => Some(index),
            false => index.checked_sub(self.schedule.window),
        };
        let spent = spent.and_then(|earlier| lock(&self.entries[earlier].spent).take());
        let mut ahead = Ahead::run(worker, self.session, hold, tx, Start { class, place }, spent)?;
        if let Some(ahead) = &mut ahead {
            ahead.fallback = ahead.fallback.or(*lock(&self.entries[index].aside));
        }
        let beside = self.schedule.wide.is_some();
        self.beside.fetch_add(u64::from(beside), Ordering::Relaxed);
        self.ready(index, ahead, hold);
        Ok(())
    }

    /// A transaction has run ahead.
    pub(super) fn ready(&self, index: usize, ahead: Option<Box<Ahead>>, hold: &mut Hold<'s, DB>) {
        let publish = self.schedule.publish.get(index).is_some_and(|publish| *publish);
        if let (Some(ahead), Some(versions), true) = (&ahead, &self.session.versions, publish) {
            versions.publish(hold.table(), ahead.footprint.versions(index as u32));
        }
        let entry = &self.entries[index];
        *lock(&entry.ahead) = ahead;
        entry.stage.store(READY, Ordering::Release);
    }
}
