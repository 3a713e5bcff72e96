//! The `cpu` backend: the kernel sources compiled for the CPU, one instance at a time per worker.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Instant;

use alloy_primitives::Bytes;
use revm::DatabaseRef;
use revm::state::EvmState;
use warpevm_kernels::abi::{self, Instance, Launch, Layout, Region, Status};

use crate::backend::launch_of;
use crate::buffer::Buffer;
use crate::code::ids::{Number, TempCodes};
use crate::error::Error;
use crate::instance::decode::Scratch;
use crate::instance::encode::{Encoded, NotEncoded, encode_system_call};
use crate::instance::finished::Finished;
use crate::instance::layout::next_class;
use crate::instance::need::{Answer, Server, Shown, is_done, page_in};
use crate::instance::session::{Hold, Place, Session, Start};
use crate::instance::view::View;
use crate::limits::{CLASS_COUNT, CLASS_HINTS_COUNT, INSTANCE_KEPT_BYTES_MAX};
use crate::reference::Sequential;
use crate::report::Counts;
use crate::state::table::{Table, mix};
use crate::sync::lock;
use crate::types::{Fallback, Outcome, Rejected, Transaction};

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
    /// What it counted.
    pub counts: Counts,
}

/// Where a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// Done, in the memory of this class; [`Worker::finish`] frees it.
    Done(usize),
    /// It is not valid, found before it ran.
    Rejected(Rejected),
    /// No memory class holds it.
    Fallback,
}

/// Why an instance left the memory that it ran in.
enum Stop {
    /// It is done.
    Done,
    /// It needs a class where this region has so many entries.
    Larger(Region, u32),
    /// No class will do.
    Nowhere,
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
            counts: Counts::default(),
        })
    }

    /// Checks and encodes `tx`, then runs it.
    pub fn transact<'s, DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'s, DB>,
        hold: &mut Hold<'s, DB>,
        tx: &Transaction,
        start: Start,
    ) -> Result<Ran, Error> {
        session.take_better();
        self.encoded.clear();
        self.temps.truncate(0);
        let (temps, counts) = (&mut self.temps, &mut self.counts);
        let mut server = Server { session, temps, counts, on_device: false };
        match session.encoder.encode(tx, &mut server, &mut self.encoded) {
            Ok(()) => {}
            Err(NotEncoded::Rejected(reason)) => return Ok(Ran::Rejected(reason)),
            Err(NotEncoded::TooLarge) => return Ok(Ran::Fallback),
        }
        let hint = self.hint(tx);
        let class = match self.hints[hint.0] {
            (tag, class) if tag == hint.1 => start.class.max(class.into()),
            _ => start.class,
        };
        let ran = self.run(session, hold, Start { class, ..start })?;
        if let Ran::Done(used) = ran {
            // The largest class is for one at a time: nothing starts there.
            if used > class && used < CLASS_COUNT - 1 {
                self.hints[hint.0] = (hint.1, used as u8);
            }
        }
        Ok(ran)
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
            Ok(()) => self.run(session, hold, Start { class: 1, ..Start::default() }),
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
        Start { mut class, place }: Start,
    ) -> Result<Ran, Error> {
        let brought = self.temps.count();
        loop {
            let largest = match class == CLASS_COUNT - 1 {
                true => Some(take_largest(session.largest, hold)),
                false => None,
            };
            let stop = self.run_in_class(session, hold, class, place);
            if !matches!(stop, Ok(Stop::Done)) {
                self.abandon(class);
                self.temps.truncate(brought);
            }
            match stop? {
                Stop::Done => {
                    self.counts.classes[class] += 1;
                    return Ok(Ran::Done(class));
                }
                Stop::Larger(region, entries) => {
                    match next_class(&self.layouts, class, region, entries) {
                        Some(next) => class = next,
                        None => return Ok(Ran::Fallback),
                    }
                }
                Stop::Nowhere => return Ok(Ran::Fallback),
            }
            drop(largest);
        }
    }

    /// Runs from the start in one class.
    fn run_in_class<'s, DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'s, DB>,
        hold: &mut Hold<'s, DB>,
        class: usize,
        place: Place,
    ) -> Result<Stop, Error> {
        let layout = &self.layouts[class];
        let memory = &mut self.memory[class];
        if memory.is_none() {
            *memory = Buffer::zeroed(layout.bytes as usize);
        }
        let Some(memory) = memory else {
            return Ok(Stop::Nowhere);
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
        let (temps, counts) = (&mut self.temps, &mut self.counts);
        let mut server = Server { session, temps, counts, on_device: false };
        let mut last = Instance::default();
        loop {
            hold.table().describe(&mut launch);
            // SAFETY: every pointer is of a live object as `abi` describes it: the session's
            // environment, this worker's transaction, data and instance memory (which has the
            // layout's size), the table (held, so it does not move, and changed by its publication
            // rule only), the code array. No other thread knows this instance.
            unsafe { warpevm_kernels::cpu_run(&launch, 0) };
            let view = View::new(memory.bytes(), layout);
            if is_done(view.head())? {
                return Ok(Stop::Done);
            }
            let shown = Shown::Memory(view, data);
            match server.serve(view.head(), &mut last, shown, layout)? {
                Answer::Resume(values, bytes) => resume(memory, layout, &values, bytes.as_ref()),
                Answer::Page(page) => {
                    let start = Instant::now();
                    page_in(hold, &page)?;
                    server.counts.page_in += start.elapsed();
                }
                Answer::Program(id) => server.provide(id)?,
                // Here the interpreter runs precompiles itself.
                Answer::Kernel(number) => {
                    return Err(Error::Bug(format!("precompile {number} was left to a kernel")));
                }
                Answer::Restart(region, entries) => return Ok(Stop::Larger(region, entries)),
                Answer::Leave => return Ok(Stop::Nowhere),
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

    /// Lets go of what the transaction that ended in `class` used.
    pub fn finish(&mut self, class: usize) {
        if self.layouts[class].bytes > INSTANCE_KEPT_BYTES_MAX {
            self.memory[class] = None;
        }
    }

    /// What the transaction that ended in `class` shows.
    pub fn finished(&self, class: usize) -> Result<Finished<'_>, Error> {
        let memory = self.memory[class].as_ref();
        let memory = memory.ok_or_else(|| Error::Bug("no such instance".to_owned()))?;
        let view = View::new(memory.bytes(), &self.layouts[class]);
        Ok(Finished::new(view, &self.encoded.txs[0]))
    }

    /// The outcome of the transaction that ended in `class`, with its changes against `table`.
    pub fn outcome<DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'_, DB>,
        table: &Table,
        class: usize,
    ) -> Result<Outcome, Error> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let codes = session.code_view(&self.temps);
        let outcome = self.finished(class)?.outcome(session, table, codes, &mut scratch);
        self.scratch = scratch;
        outcome
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
        let start = Start { class: start_class, ..Start::default() };
        match self.transact(session, hold, tx, start)? {
            Ran::Done(class) => {
                let outcome = self.outcome(session, hold.table(), class)?;
                self.finish(class);
                Ok(outcome)
            }
            Ran::Rejected(reason) => Ok(Outcome { result: Err(reason), fallback: None }),
            Ran::Fallback => {
                // revm reads the state through its own locks.
                hold.release();
                Ok(self.with_revm(session, tx)?.0)
            }
        }
    }

    /// Runs a transaction on the state through revm, since no memory class holds it; gives also all
    /// that it touched.
    pub fn with_revm<DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'_, DB>,
        tx: &Transaction,
    ) -> Result<(Outcome, EvmState), Error> {
        let start = Instant::now();
        let mut revm = Sequential::on_state(session.env, session.state);
        let (outcome, touched) = revm.transact_once(tx)?;
        self.counts.fallback += start.elapsed();
        Ok((Outcome { fallback: Some(Fallback::MemoryClass), ..outcome }, touched))
    }
}

fn head_mut(memory: &mut Buffer) -> &mut Instance {
    bytemuck::from_bytes_mut(&mut memory.bytes_mut()[..size_of::<Instance>()])
}

/// Puts an answer into an instance's memory, as the kernel `answer` does on a device.
fn resume(memory: &mut Buffer, layout: &Layout, answer: &abi::Answer, bytes: Option<&Bytes>) {
    if let Some(bytes) = bytes {
        memory.bytes_mut()[layout.return_off as usize..][..bytes.len()].copy_from_slice(bytes);
        head_mut(memory).ret_len = bytes.len() as u32;
    }
    let head = head_mut(memory);
    head.resume_word = answer.resume_word;
    head.resume_gas = answer.resume_gas;
    head.resume_code = answer.resume_code;
    head.resume_ok = answer.resume_ok;
    head.host_precompiles |= answer.host_precompiles;
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
