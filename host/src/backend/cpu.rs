//! The `cpu` backend: the kernel sources compiled for the CPU, one instance at a time per worker.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;

use revm::DatabaseRef;
use revm::state::EvmState;
use warpevm_kernels::abi::{Instance, Launch, Layout, OverlayAccount, Status};

use crate::backend::launch_of;
use crate::buffer::Buffer;
use crate::decode::{Ended, Overlay, Scratch, changes, ended};
use crate::encode::{Encoded, NotEncoded, encode_system_call};
use crate::error::Error;
use crate::instance::View;
use crate::layout::{CLASS_COUNT, next_class};
use crate::limits::{CLASS_HINTS_COUNT, INSTANCE_KEPT_BYTES_MAX, WORKERS_COUNT_MAX};
use crate::reference::Sequential;
use crate::report::Counts;
use crate::session::{Codes, Hold, Place, Served, Session, serve, stuck};
use crate::state::codes::TempCodes;
use crate::state::table::{Table, mix};
use crate::types::{Fallback, Outcome, Rejected, Transaction};

/// Worker numbers that are free. A worker's number is its range of code ids in every state.
static FREE_NUMBERS: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static NEXT_NUMBER: Mutex<u32> = Mutex::new(0);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A worker's number while it lives.
#[derive(Debug)]
pub struct Number(u32);

impl Number {
    /// One that is free; fails when too many are taken.
    pub fn take() -> Result<Number, Error> {
        if let Some(number) = lock(&FREE_NUMBERS).pop() {
            return Ok(Number(number));
        }
        let mut next = lock(&NEXT_NUMBER);
        if *next >= WORKERS_COUNT_MAX {
            return Err(Error::Limit("workers of one process"));
        }
        *next += 1;
        Ok(Number(*next - 1))
    }

    /// The number.
    pub fn get(&self) -> u32 {
        self.0
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        lock(&FREE_NUMBERS).push(self.0);
    }
}

/// Runs transactions, one after the other, in memory that it keeps.
pub struct Worker {
    /// Held for the range of code ids.
    _number: Number,
    layouts: Arc<[Layout; CLASS_COUNT]>,
    memory: [Option<Buffer>; CLASS_COUNT],
    temps: TempCodes,
    encoded: Encoded,
    /// (callee, selector) to the class that sufficed; direct-mapped.
    hints: Box<[(u64, u8)]>,
    scratch: Scratch,
    host_precompile: bool,
    /// What it counted.
    pub counts: Counts,
}

/// Where a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// Done, in the memory of this class; [`Worker::finish`] frees it.
    Done(usize),
    /// It is not valid, found before it ran.
    Rejected,
    /// No memory class holds it.
    Fallback,
}

/// What a finished instance shows.
pub struct Finished<'w> {
    /// The overlay.
    pub overlay: Overlay<'w>,
    /// Result, output, logs.
    pub ended: Ended,
    /// A precompile ran on the host.
    pub fallback: Option<Fallback>,
}

impl Worker {
    /// A worker; fails when too many exist.
    pub fn new(layouts: Arc<[Layout; CLASS_COUNT]>) -> Result<Worker, Error> {
        let number = Number::take()?;
        Ok(Worker {
            layouts,
            memory: Default::default(),
            temps: TempCodes::new(number.get()),
            _number: number,
            encoded: Encoded::default(),
            hints: vec![(0, 0); CLASS_HINTS_COUNT].into(),
            scratch: Scratch::default(),
            host_precompile: false,
            counts: Counts::default(),
        })
    }

    /// Checks and encodes `tx`, then runs it. The reason of a rejection is in the error's place.
    pub fn transact<'s, DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'s, DB>,
        hold: &mut Hold<'s, DB>,
        tx: &Transaction,
        (start_class, place): (usize, Place),
    ) -> Result<(Ran, Option<Rejected>), Error> {
        self.encoded.clear();
        self.temps.truncate(0);
        let (temps, counts) = (&mut self.temps, &mut self.counts);
        let mut codes = Codes { session, temps, counts };
        match session.encoder.encode(tx, &mut codes, &mut self.encoded) {
            Ok(()) => {}
            Err(NotEncoded::Rejected(reason)) => return Ok((Ran::Rejected, Some(reason))),
            Err(NotEncoded::TooLarge) => return Ok((Ran::Fallback, None)),
        }
        let hint = self.hint(tx);
        let class = match self.hints[hint.0] {
            (tag, class) if tag == hint.1 => start_class.max(class.into()),
            _ => start_class,
        };
        let ran = self.run(session, hold, class, place)?;
        if let Ran::Done(used) = ran {
            // The largest class is for one at a time: nothing starts there.
            if used > class && used < CLASS_COUNT - 1 {
                self.hints[hint.0] = (hint.1, used as u8);
            }
        }
        Ok((ran, None))
    }

    /// Runs a system call.
    pub fn system_call<'s, DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'s, DB>,
        hold: &mut Hold<'s, DB>,
        to: alloy_primitives::Address,
        data: &[u8],
    ) -> Result<Ran, Error> {
        self.encoded.clear();
        self.temps.truncate(0);
        match encode_system_call(to, data, &mut self.encoded) {
            Ok(()) => self.run(session, hold, 1, Place::default()),
            Err(_) => Err(Error::Limit("data of a system call")),
        }
    }

    /// Where the hint of a transaction stands, and its tag.
    fn hint(&self, tx: &Transaction) -> (usize, u64) {
        let to = tx.kind.to().map(|to| to.into_array()).unwrap_or_default();
        let selector = tx.data.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let tail = to.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let tag = mix(tail, selector.into());
        (tag as usize % CLASS_HINTS_COUNT, tag)
    }

    /// Runs the encoded transaction to its end.
    fn run<'s, DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'s, DB>,
        hold: &mut Hold<'s, DB>,
        mut class: usize,
        place: Place,
    ) -> Result<Ran, Error> {
        let brought = self.temps.count();
        loop {
            let largest = match class == CLASS_COUNT - 1 {
                true => Some(take_largest(session.largest, hold)),
                false => None,
            };
            let served = self.run_in_class(session, hold, class, place);
            if !matches!(served, Ok(None)) {
                self.abandon(class);
                self.temps.truncate(brought);
            }
            match served? {
                None => {
                    self.counts.classes[class] += 1;
                    return Ok(Ran::Done(class));
                }
                Some(Served::Restart(region, entries)) => {
                    match next_class(&self.layouts, class, region, entries) {
                        Some(next) => class = next,
                        None => return Ok(Ran::Fallback),
                    }
                }
                Some(_) => return Ok(Ran::Fallback),
            }
            drop(largest);
        }
    }

    /// Runs from the start in one class; `None`: done.
    fn run_in_class<'s, DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'s, DB>,
        hold: &mut Hold<'s, DB>,
        class: usize,
        place: Place,
    ) -> Result<Option<Served>, Error> {
        let layout = &self.layouts[class];
        let memory = &mut self.memory[class];
        if memory.is_none() {
            *memory = Buffer::zeroed(layout.bytes as usize);
        }
        let Some(memory) = memory else {
            return Ok(Some(Served::Fallback));
        };
        let data = self.encoded.data();
        let mut launch = Launch {
            env: &raw const session.block_env as u64,
            txs: self.encoded.txs.as_ptr() as u64,
            data: data.as_ptr() as u64,
            memory: memory.as_ptr() as u64,
            layout: &raw const *layout as u64,
            codes: session.codes.address(),
            step_budget: session.step_budget,
            instances: 1,
            order: place.order,
            committed: place.committed,
            ..launch_of(session.spec())
        };
        if let Some(versions) = &session.versions {
            versions.describe(&mut launch);
        }
        *head_mut(memory) = Instance::default();
        let mut codes = Codes { session, temps: &mut self.temps, counts: &mut self.counts };
        let mut last_need = Instance::default();
        loop {
            hold.table().describe(&mut launch);
            // SAFETY: every pointer is of a live object as `abi` describes it: the session's
            // environment, this worker's transaction, data and instance memory (which has the
            // layout's size), the table (held, so it does not move, and changed by its publication
            // rule only), the code array. No other thread knows this instance.
            unsafe { warpevm_kernels::cpu_run(&launch, 0) };
            let head = head_mut(memory);
            match Status::from_u32(head.status) {
                Some(Status::Done) => {
                    self.host_precompile = head.host_precompiles != 0;
                    return Ok(None);
                }
                Some(Status::Suspended) => {}
                _ => return Err(Error::Device(format!("status {} after a launch", head.status))),
            }
            if stuck(&last_need, head) {
                return Err(Error::Device(format!("need {} is not met", head.need)));
            }
            last_need = *head;
            let served = serve(&mut codes, hold, memory.bytes_mut(), layout, data)?;
            if served != Served::Resume {
                return Ok(Some(served));
            }
            head_mut(memory).status = Status::Resumed as u32;
            hold.breathe();
        }
    }

    /// Makes the memory of an instance that did not end usable again: its index arrays are in use.
    fn abandon(&mut self, class: usize) {
        let layout = self.layouts[class];
        if layout.bytes > INSTANCE_KEPT_BYTES_MAX {
            self.memory[class] = None;
        }
        if let Some(memory) = &mut self.memory[class] {
            let bytes = memory.bytes_mut();
            for (offset, len) in [
                (layout.account_index_off, layout.account_index_cap),
                (layout.storage_index_off, layout.storage_index_cap),
            ] {
                bytes[offset as usize..][..len as usize * 4].fill(0);
            }
        }
    }

    /// Lets go of what a finished transaction used.
    pub fn finish(&mut self, ran: Ran) {
        if let Ran::Done(class) = ran
            && self.layouts[class].bytes > INSTANCE_KEPT_BYTES_MAX
        {
            self.memory[class] = None;
        }
    }

    fn view(&self, class: usize) -> Result<View<'_>, Error> {
        let memory = self.memory[class].as_ref();
        let memory = memory.ok_or_else(|| Error::Device("no such instance".to_owned()))?;
        Ok(View::new(memory.bytes(), &self.layouts[class]))
    }

    /// The overlay of the transaction that ended in `class`.
    pub fn overlay<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        class: usize,
    ) -> Result<Overlay<'_>, Error> {
        let coinbase = (&session.block_env.coinbase, session.coinbase);
        Ok(Overlay::of(&self.view(class)?, &self.encoded.txs[0], coinbase))
    }

    /// What the transaction that ended in `class` did.
    pub fn finished<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        class: usize,
    ) -> Result<Finished<'_>, Error> {
        let view = self.view(class)?;
        let tx = &self.encoded.txs[0];
        let is_sender = |account: &&OverlayAccount| account.addr == tx.caller;
        let sender = view.accounts().iter().find(is_sender);
        let fallback = self.host_precompile.then_some(Fallback::HostPrecompile);
        let overlay = self.overlay(session, class)?;
        Ok(Finished { overlay, ended: ended(&view, tx, sender)?, fallback })
    }

    /// The outcome of the transaction that ended in `class`, with its changes against `table`.
    pub fn outcome<DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'_, DB>,
        table: &Table,
        class: usize,
    ) -> Result<Outcome, Error> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let Finished { overlay, ended, fallback } = self.finished(session, class)?;
        let codes = session.code_view(&self.temps);
        let mut outcome = Outcome { result: ended, fallback };
        if let Ok(executed) = &mut outcome.result {
            executed.changes = changes(&overlay, table, codes, session.spec(), &mut scratch);
        }
        self.scratch = scratch;
        Ok(outcome)
    }

    /// The codes of the transaction that ran last.
    pub fn temps(&self) -> &TempCodes {
        &self.temps
    }

    /// Runs a transaction on the state and throws its changes away: one call of `simulate`.
    pub fn simulate<'s, DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'s, DB>,
        hold: &mut Hold<'s, DB>,
        tx: &Transaction,
        start_class: usize,
    ) -> Result<Outcome, Error> {
        let outcome = self.simulate_uncounted(session, hold, tx, start_class)?;
        self.counts.outcome(&outcome);
        Ok(outcome)
    }

    /// The same without counting its outcome.
    pub fn simulate_uncounted<'s, DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'s, DB>,
        hold: &mut Hold<'s, DB>,
        tx: &Transaction,
        start_class: usize,
    ) -> Result<Outcome, Error> {
        let place = Place::default();
        let (ran, rejected) = self.transact(session, hold, tx, (start_class, place))?;
        let outcome = match (ran, rejected) {
            (Ran::Done(class), _) => self.outcome(session, hold.table(), class)?,
            (_, Some(reason)) => Outcome { result: Err(reason), fallback: None },
            _ => {
                // revm reads the state through its own locks.
                hold.release();
                self.with_revm(session, tx)?.0
            }
        };
        self.finish(ran);
        Ok(outcome)
    }

    /// Runs a transaction on the state through revm, since no memory class holds it; gives also all
    /// that it touched.
    pub fn with_revm<DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'_, DB>,
        tx: &Transaction,
    ) -> Result<(Outcome, EvmState), Error> {
        let start = Instant::now();
        let ran = Sequential::on_state(session.env, session.state).transact_once(tx);
        let (outcome, touched) = ran.map_err(|error| Error::Revm(error.to_string()))?;
        self.counts.fallback += start.elapsed();
        Ok((Outcome { fallback: Some(Fallback::MemoryClass), ..outcome }, touched))
    }
}

fn head_mut(memory: &mut Buffer) -> &mut Instance {
    bytemuck::from_bytes_mut(&mut memory.bytes_mut()[..size_of::<Instance>()])
}

/// Waits for the right to the largest class, not holding the table meanwhile: the one who has it
/// may want to grow the table.
fn take_largest<'m, DB: DatabaseRef + Sync>(
    largest: &'m Mutex<()>,
    hold: &mut Hold<'_, DB>,
) -> MutexGuard<'m, ()> {
    match largest.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => {
            hold.release();
            lock(largest)
        }
    }
}
