//! A lane: one host thread's stream, buffers and code ids on a device, and how it takes a chunk of
//! transactions from encoding to results.
//!
//! A chunk is encoded, started, and run in rounds. After each round only what `collect` packed
//! travels: results of instances that are done, needs of those that suspended. Instances that a
//! memory class does not hold start again in the next one after the others are done.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use alloy_primitives::Bytes;
use bytemuck::{bytes_of, cast_slice, from_bytes};
use rayon::prelude::*;
use revm::DatabaseRef;
use warpevm_compiler::Program;
use warpevm_compiler::precompile::{self, Runner};
use warpevm_kernels::abi::{
    self, Code, Instance, Job, Launch, Layout, NONE, OverlayAccount, OverlaySlot, Packed, Region,
    Tx,
};
use warpevm_kernels::sources::Kernel;

use super::driver::{AnyDriver, DriverError, Event, Space, Stream};
use super::memory::{DeviceBuffer, Staging};
use super::mirror::{CodeArena, Io, Mirror, Pieces, Reading};
use crate::backend::launch_of;
use crate::code::CodeProgram;
use crate::code::ids::{Number, TempCodes};
use crate::error::Error;
use crate::instance::encode::{Encoded, NotEncoded};
use crate::instance::finished::Finished;
use crate::instance::layout::next_class;
use crate::instance::need::{Answer, Page, Server, Shown, is_done, page_in};
use crate::instance::session::{Hold, Session};
use crate::instance::view::View;
use crate::limits::{
    CLASS_COUNT, DEVICE_CLASS_MAX, DEVICE_INSTANCES_COUNT_MIN, DEVICE_RESULT_BYTES,
};
use crate::pool::Pool;
use crate::report::Counts;
use crate::types::{Fallback, Rejected, Transaction};

/// Why a chunk was not finished.
#[derive(Debug)]
pub enum ChunkError {
    /// The device: what is not finished can run again.
    Driver(DriverError),
    /// The engine cannot go on.
    Engine(Error),
}

impl From<DriverError> for ChunkError {
    fn from(error: DriverError) -> ChunkError {
        ChunkError::Driver(error)
    }
}

impl From<Error> for ChunkError {
    fn from(error: Error) -> ChunkError {
        ChunkError::Engine(error)
    }
}

/// A finished instance as it was packed.
pub struct Record<'a> {
    /// Which transaction of the chunk.
    pub index: usize,
    bytes: &'a [u8],
    layout: Layout,
    tx: &'a Tx,
}

impl Record<'_> {
    /// What it shows.
    pub fn finished(&self) -> Finished<'_> {
        Finished::new(View::new(self.bytes, &self.layout), self.tx)
    }
}

/// What a chunk tells as it goes.
pub trait Sink {
    /// Instances that are done, with the codes that they may name.
    fn done(&mut self, records: &[Record<'_>], temps: &TempCodes) -> Result<(), Error>;
    /// A transaction that is not valid, found before it ran.
    fn rejected(&mut self, index: usize, reason: Rejected);
    /// A transaction that the device does not run.
    fn elsewhere(&mut self, index: usize, reason: Fallback);
}

/// See the module.
pub struct Lane {
    driver: AnyDriver,
    stream: Stream,
    events: [Event; 2],
    /// Held for the range of code ids.
    number: Number,
    temps: TempCodes,
    /// Which of the chunk's codes the device has in which form.
    temp_entries: Vec<Code>,
    temp_compiled: HashSet<u32>,
    /// The generation of the code array that they are in.
    temps_at: Option<u64>,
    arena: CodeArena,
    buffers: Buffers,
    up: Staging,
    down: Staging,
    encoded: Encoded,
    /// Bytes of device memory for its instances.
    budget: u64,
    /// What it counted.
    pub counts: Counts,
}

struct Buffers {
    /// Block environment and layout.
    constants: DeviceBuffer,
    txs: DeviceBuffer,
    data: DeviceBuffer,
    memory: DeviceBuffer,
    /// Memory class whose indexes `memory` is clear for.
    class: Option<usize>,
    ids: DeviceBuffer,
    packed: DeviceBuffer,
    bytes: DeviceBuffer,
    answers: DeviceBuffer,
    answer_bytes: DeviceBuffer,
}

impl Buffers {
    fn new(driver: &AnyDriver) -> Buffers {
        let buffer = |space| DeviceBuffer::new(driver, space);
        Buffers {
            constants: buffer(Space::Input),
            txs: buffer(Space::Input),
            data: buffer(Space::Input),
            memory: buffer(Space::Instances),
            class: None,
            ids: buffer(Space::Input),
            packed: buffer(Space::Output),
            bytes: buffer(Space::Output),
            answers: buffer(Space::Input),
            answer_bytes: buffer(Space::Input),
        }
    }
}

/// What the instances of a launch share, and where they stand.
struct LaneWave<'w> {
    class: usize,
    layout: &'w Layout,
    launch: Launch,
    per_warp: usize,
    /// The last need of each instance.
    needs: Vec<Instance>,
    /// Instance to transaction of the chunk.
    members: Vec<u32>,
}

/// What the host answers in a round.
#[derive(Default)]
struct Answers {
    ids: Vec<u32>,
    records: Vec<abi::Answer>,
    bytes: Vec<u8>,
}

impl Answers {
    fn add(&mut self, id: u32, values: abi::Answer, bytes: Option<Bytes>) {
        let mut answer = values;
        if let Some(bytes) = bytes {
            answer.bytes_off = self.bytes.len() as u32;
            answer.bytes_len = bytes.len() as u32;
            answer.has_bytes = 1;
            self.bytes.extend_from_slice(&bytes);
        }
        self.ids.push(id);
        self.records.push(answer);
    }
}

/// What the instances of a round want.
#[derive(Default)]
struct Wants {
    /// Accounts and slots, each once.
    pages: HashSet<Page>,
    /// Programs of lasting codes.
    programs: Vec<(u32, Arc<Program>)>,
    answers: Answers,
    precompiles: Vec<u32>,
    modexps: Vec<u32>,
    curves: Vec<u32>,
    /// To run in the next round.
    runnable: Vec<u32>,
    /// To start again in a class where a region has so many entries.
    restarts: Vec<(u32, Region, u32)>,
    /// Not for the device.
    leaving: Vec<u32>,
}

impl Wants {
    /// Notes what becomes of an instance.
    fn add<DB: DatabaseRef + Sync>(
        &mut self,
        id: u32,
        answer: Answer,
        server: &mut Server<'_, '_, DB>,
    ) -> Result<(), Error> {
        let (values, bytes) = match answer {
            Answer::Restart(region, entries) => {
                self.restarts.push((id, region, entries));
                return Ok(());
            }
            Answer::Leave => {
                self.leaving.push(id);
                return Ok(());
            }
            Answer::Kernel(number) => {
                let list = match precompile::by_number(number).map(|row| row.runner) {
                    Some(Runner::Modexp) => &mut self.modexps,
                    Some(Runner::Curves) => &mut self.curves,
                    _ => &mut self.precompiles,
                };
                list.push(id);
                self.runnable.push(id);
                return Ok(());
            }
            Answer::Resume(values, bytes) => (values, bytes),
            Answer::Page(page) => {
                self.pages.insert(page);
                Default::default()
            }
            Answer::Program(code) => {
                if self.programs.iter().all(|(known, _)| *known != code) {
                    self.programs.push((code, server.device_program(code)?));
                }
                Default::default()
            }
        };
        self.runnable.push(id);
        self.answers.add(id, values, bytes);
        Ok(())
    }
}

/// Accounts and slots that a thread reads at once.
const PAGES_COUNT: usize = 64;

/// What a lane runs at once.
#[derive(Clone, Copy)]
pub struct Chunk<'c> {
    /// Of all memory classes.
    pub layouts: &'c [Layout; CLASS_COUNT],
    /// The transactions.
    pub txs: &'c [&'c Transaction],
    /// The class that they start in.
    pub class: usize,
    /// Most instances in one launch.
    pub most: usize,
    /// Whether instances that stopped at one place become neighbours.
    pub regroup: bool,
    /// Instances of a warp.
    pub per_warp: usize,
    /// For reading the database in parallel.
    pub pool: &'c Pool,
}

impl Drop for Lane {
    fn drop(&mut self) {
        let _ = self.driver.synchronize(self.stream);
        self.events.iter().for_each(|event| self.driver.drop_event(*event));
        self.driver.drop_stream(self.stream);
    }
}

impl Lane {
    /// A lane with so much device memory for its instances.
    pub fn new(driver: &AnyDriver, budget: u64) -> Result<Lane, ChunkError> {
        let number = Number::take()?;
        Ok(Lane {
            stream: driver.stream()?,
            events: [driver.event()?, driver.event()?],
            temps: TempCodes::new(number.get()),
            number,
            temp_entries: Vec::new(),
            temp_compiled: HashSet::new(),
            temps_at: None,
            arena: CodeArena::new(driver),
            buffers: Buffers::new(driver),
            up: Staging::new(driver),
            down: Staging::new(driver),
            encoded: Encoded::default(),
            budget,
            counts: Counts::default(),
            driver: driver.clone(),
        })
    }

    /// The number of its range of code ids.
    pub fn number(&self) -> u32 {
        self.number.get()
    }

    /// Instances of a class that it can hold, in whole tiles; 0: none.
    pub fn capacity(&self, layout: &Layout, most: usize) -> usize {
        instances(self.budget, layout, most)
    }

    /// Gives all its memory back, after an error.
    pub fn reset(&mut self) {
        let _ = self.driver.synchronize(self.stream);
        self.buffers = Buffers::new(&self.driver);
        self.arena = CodeArena::new(&self.driver);
    }

    /// Runs transactions; each is told to the sink once, unless there is an error.
    pub fn run<DB: DatabaseRef + Sync>(
        &mut self,
        mirror: &Mirror,
        session: &Session<'_, DB>,
        chunk: &Chunk<'_>,
        sink: &mut dyn Sink,
    ) -> Result<(), ChunkError> {
        let Chunk { layouts, txs, class, most, .. } = *chunk;
        let members = self.encode(session, txs, sink)?;
        let mut waiting: [Vec<u32>; CLASS_COUNT] = Default::default();
        waiting[class.min(DEVICE_CLASS_MAX)] = members;
        for class in 0..CLASS_COUNT {
            let mut members = std::mem::take(&mut waiting[class]);
            let layout = &layouts[class];
            let room = self.capacity(layout, most);
            if class > DEVICE_CLASS_MAX || room == 0 {
                members.iter().for_each(|i| sink.elsewhere(*i as usize, Fallback::DeviceMemory));
                continue;
            }
            while !members.is_empty() {
                let part: Vec<u32> = members.drain(..members.len().min(room)).collect();
                let wave = self.start(session, chunk, class, part)?;
                for (member, region, entries) in self.rounds(mirror, session, wave, chunk, sink)? {
                    match next_class(layouts, class, region, entries) {
                        Some(next) => waiting[next].push(member),
                        None => sink.elsewhere(member as usize, Fallback::MemoryClass),
                    }
                }
            }
        }
        Ok(())
    }

    /// Encodes what is valid, and reads what every transaction needs into the table. The number of
    /// a transaction in `encoded` is that in the chunk.
    fn encode<DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'_, DB>,
        txs: &[&Transaction],
        sink: &mut dyn Sink,
    ) -> Result<Vec<u32>, ChunkError> {
        let start = Instant::now();
        self.encoded.clear();
        self.temps.truncate(0);
        self.temp_entries.clear();
        self.temp_compiled.clear();
        self.arena.reset();
        let (temps, counts) = (&mut self.temps, &mut self.counts);
        let mut server = Server { session, temps, counts, on_device: true };
        let mut members = Vec::with_capacity(txs.len());
        let mut hold = Hold::new(session.state);
        for (index, tx) in txs.iter().enumerate() {
            match session.encoder.encode(tx, &mut server, &mut self.encoded) {
                Ok(()) => members.push(index as u32),
                Err(NotEncoded::Rejected(reason)) => sink.rejected(index, reason),
                Err(NotEncoded::TooLarge) => sink.elsewhere(index, Fallback::DeviceLimit),
            }
            // A place for each, so that numbers agree.
            self.encoded.txs.resize(index + 1, Tx::default());
        }
        for index in &members {
            let tx = &self.encoded.txs[*index as usize];
            for addr in [tx.caller, tx.to] {
                page_in(&mut hold, &Page::account(addr))?;
            }
        }
        self.counts.encode += start.elapsed();
        Ok(members)
    }

    /// Puts everything in place and makes the instances ready.
    fn start<'w, DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'_, DB>,
        chunk: &Chunk<'w>,
        class: usize,
        members: Vec<u32>,
    ) -> Result<LaneWave<'w>, ChunkError> {
        let layout = &chunk.layouts[class];
        let count = members.len() as u32;
        let tiles = u64::from(count).div_ceil(DEVICE_INSTANCES_COUNT_MIN as u64);
        let instances = tiles * DEVICE_INSTANCES_COUNT_MIN as u64;
        let b = &mut self.buffers;
        let data = self.encoded.data();
        let constants = [bytes_of(&session.block_env), bytes_of(layout)].concat();
        let txs: &[u8] = cast_slice(&self.encoded.txs);
        let mut pieces = Pieces::default();
        // SAFETY: the stream is synchronised at the end of every round, so nothing uses the
        // buffers; all addresses are of buffers of at least these lengths, which live until the
        // stream is synchronised again.
        let launch = unsafe {
            b.constants.reserve(constants.len() as u64)?;
            b.txs.reserve(txs.len() as u64)?;
            b.data.reserve(data.len() as u64)?;
            b.ids.reserve(instances * 4)?;
            b.packed.reserve(instances * size_of::<Packed>() as u64 + 8)?;
            b.bytes.reserve(instances * DEVICE_RESULT_BYTES)?;
            let bytes = instances * layout.bytes;
            if b.memory.reserve(bytes)? || b.class != Some(class) {
                self.driver.zero(self.stream, b.memory.address(), b.memory.bytes())?;
                b.class = Some(class);
            }
            pieces.add(b.constants.address(), &constants);
            pieces.add(b.txs.address(), txs);
            pieces.add(b.data.address(), data);
            pieces.add(b.ids.address(), cast_slice(&members));
            let env = b.constants.address();
            let launch = Launch {
                env,
                txs: b.txs.address(),
                data: b.data.address(),
                memory: b.memory.address(),
                layout: env + size_of_val(&session.block_env) as u64,
                hash_seed: session.state.table().seed(),
                step_budget: session.step_budget,
                instances: count,
                ..launch_of(session.spec())
            };
            let (driver, stream) = (&self.driver, self.stream);
            pieces.send(&mut Io { driver, stream, staging: &mut self.up })?;
            let job = Job { txs: b.ids.address(), count, ..Default::default() };
            driver.launch(stream, Kernel::Start, &launch, &job)?;
            launch
        };
        self.driver.synchronize(self.stream)?;
        self.send_temps_reset();
        let needs = vec![Instance::default(); members.len()];
        Ok(LaneWave { class, layout, launch, per_warp: chunk.per_warp, needs, members })
    }

    /// A new wave's instances read the code array of whichever mirror they run on: every temporary
    /// code is sent again.
    fn send_temps_reset(&mut self) {
        self.temp_compiled.clear();
        self.temp_entries.clear();
        self.arena.reset();
    }

    /// Runs until every instance is done, or must start again: transaction, region, entries.
    fn rounds<DB: DatabaseRef + Sync>(
        &mut self,
        mirror: &Mirror,
        session: &Session<'_, DB>,
        mut wave: LaneWave<'_>,
        chunk: &Chunk<'_>,
        sink: &mut dyn Sink,
    ) -> Result<Vec<(u32, Region, u32)>, ChunkError> {
        let mut restarts = Vec::new();
        let mut runnable: Vec<u32> = (0..wave.members.len() as u32).collect();
        let mut wants = Wants::default();
        while !runnable.is_empty() {
            let reading = self.prepare(mirror, session, &wants)?;
            let packed = self.launch(reading, &mut wave, &runnable, &wants)?;
            wants = Wants::default();
            self.read(session, &mut wave, &runnable, &packed, &mut wants, sink)?;
            let member = |id: u32| wave.members[id as usize];
            for id in &wants.leaving {
                sink.elsewhere(member(*id) as usize, Fallback::DeviceLimit);
            }
            let again = wants.restarts.iter();
            restarts.extend(again.map(|(id, region, entries)| (member(*id), *region, *entries)));
            self.page(session, &wants, chunk.pool)?;
            runnable = std::mem::take(&mut wants.runnable);
            if chunk.regroup {
                // The next op: those who stopped at one are mostly in one code, as neighbours are.
                let place = |id: &u32| {
                    let head = &wave.needs[*id as usize];
                    (head.phase, head.need, head.depth, head.ip)
                };
                runnable.sort_by_key(place);
            }
        }
        Ok(restarts)
    }

    /// Brings the device's copies of table and codes up to date, this lane's codes among them.
    fn prepare<'m, DB: DatabaseRef + Sync>(
        &mut self,
        mirror: &'m Mirror,
        session: &Session<'_, DB>,
        wants: &Wants,
    ) -> Result<Reading<'m>, ChunkError> {
        let (driver, stream) = (self.driver.clone(), self.stream);
        let mut io = Io { driver: &driver, stream, staging: &mut self.up };
        let reading = mirror.read(&mut io, session, &wants.programs)?;
        if self.temps_at != Some(reading.generation()) {
            self.temps_at = Some(reading.generation());
            self.send_temps_reset();
        }
        let mut io = Io { driver: &driver, stream, staging: &mut self.up };
        let mut pieces = Pieces::default();
        let base = self.temps.base();
        for i in 0..self.temps.count() as u32 {
            let id = base + i;
            let Some(code) = self.temps.get(id) else { break };
            let new = i as usize >= self.temp_entries.len();
            if new {
                self.temp_entries.push(self.arena.put_code(code, session.spec(), &mut pieces)?);
            }
            let program = self.temps.program(id);
            let compiled = match program {
                Some(CodeProgram::Whole(program)) if self.temp_compiled.insert(id) => {
                    let entry = &mut self.temp_entries[i as usize];
                    self.arena.put_program(entry, program, &mut pieces)?;
                    true
                }
                _ => false,
            };
            if new || compiled {
                pieces.add(reading.code_address(id), bytes_of(&self.temp_entries[i as usize]));
            }
        }
        if !pieces.is_empty() {
            // SAFETY: the entries are this lane's, the rest is new; synchronised at once.
            let sent = unsafe { pieces.send(&mut io) };
            let over = driver.synchronize(stream);
            sent.and(over)?;
        }
        Ok(reading)
    }

    /// One round: answers, precompiles, the interpreter, and packing.
    fn launch(
        &mut self,
        reading: Reading<'_>,
        wave: &mut LaneWave<'_>,
        runnable: &[u32],
        wants: &Wants,
    ) -> Result<Vec<Packed>, ChunkError> {
        reading.describe(&mut wave.launch);
        let result = self.launch_on(wave, runnable, wants);
        if result.is_err() {
            // Nothing may be under way when the copy is let go.
            let _ = self.driver.synchronize(self.stream);
        }
        drop(reading);
        result
    }

    /// The same while the copy of the table is held.
    fn launch_on(
        &mut self,
        wave: &LaneWave<'_>,
        runnable: &[u32],
        wants: &Wants,
    ) -> Result<Vec<Packed>, ChunkError> {
        let (driver, stream) = (self.driver.clone(), self.stream);
        let b = &mut self.buffers;
        let answers = &wants.answers;
        // Everything that runs, then those that need something before.
        let spread = spread(runnable, wave.per_warp);
        let (answered, precompiles) = (&answers.ids[..], &wants.precompiles[..]);
        let lists = [runnable, answered, precompiles, &wants.modexps, &wants.curves, &spread[..]];
        let ids: Vec<u32> = lists.concat();
        let mut pieces = Pieces::default();
        // SAFETY: nothing of this stream is under way, so the buffers can be replaced; all
        // addresses are of buffers of at least these lengths, the copy of the table is held while
        // the kernels run, and everything is over when this returns.
        unsafe {
            b.ids.reserve(ids.len() as u64 * 4)?;
            b.answers.reserve(answers.records.len() as u64 * size_of::<abi::Answer>() as u64)?;
            b.answer_bytes.reserve(answers.bytes.len() as u64)?;
            pieces.add(b.ids.address(), cast_slice(&ids));
            if !answers.records.is_empty() {
                pieces.add(b.answers.address(), cast_slice(&answers.records));
            }
            if !answers.bytes.is_empty() {
                pieces.add(b.answer_bytes.address(), &answers.bytes);
            }
            pieces.send(&mut Io { driver: &driver, stream, staging: &mut self.up })?;
        }
        let mut at = b.ids.address();
        let jobs = lists.map(|list| {
            let job = Job { ids: at, count: list.len() as u32, ..Default::default() };
            at += list.len() as u64 * 4;
            job
        });
        let answer =
            Job { records: b.answers.address(), bytes: b.answer_bytes.address(), ..jobs[1] };
        driver.record(self.events[0], stream)?;
        for (kernel, job) in [
            (Kernel::Answer, &answer),
            (Kernel::Precompiles, &jobs[2]),
            (Kernel::Modexp, &jobs[3]),
            (Kernel::Curves, &jobs[4]),
            (Kernel::Run, if spread.is_empty() { &jobs[0] } else { &jobs[5] }),
        ] {
            if job.count > 0 {
                // SAFETY: as above.
                unsafe { driver.launch(stream, kernel, &wave.launch, job)? };
            }
        }
        driver.record(self.events[1], stream)?;
        let packed = self.collect(wave, jobs[0])?;
        let kernel = self.driver.elapsed(self.events[0], self.events[1])?;
        self.counts.kernel += std::time::Duration::from_secs_f32(kernel.max(0.0) / 1e3);
        Ok(packed)
    }

    /// Packs the instances of `job` and brings them to `down`: first the `Packed` array, then the
    /// bytes.
    fn collect(&mut self, wave: &LaneWave<'_>, job: Job) -> Result<Vec<Packed>, ChunkError> {
        let (driver, stream) = (&self.driver, self.stream);
        let b = &mut self.buffers;
        let head = job.count as usize * size_of::<Packed>();
        loop {
            let job = Job {
                records: b.packed.address() + 8,
                bytes_used: b.packed.address(),
                bytes: b.bytes.address(),
                bytes_cap: b.bytes.bytes(),
                ..job
            };
            let staged = self.down.take(8 + head)?;
            // SAFETY: the buffers are as long as `start` made them for all instances; everything is
            // over before any is touched.
            unsafe {
                driver.zero(stream, b.packed.address(), 8)?;
                driver.launch(stream, Kernel::Collect, &wave.launch, &job)?;
                driver.download(stream, staged.as_mut_ptr(), b.packed.address(), staged.len())?;
            }
            driver.synchronize(stream)?;
            let used: u64 = *from_bytes(&staged[..8]);
            if used > b.bytes.bytes() {
                // SAFETY: nothing of this stream is under way.
                unsafe { b.bytes.reserve(used)? };
                continue;
            }
            let packed: Vec<Packed> = cast_slice(&staged[8..]).to_vec();
            let start = Instant::now();
            let staged = self.down.take(used as usize)?;
            if used > 0 {
                // SAFETY: as above.
                unsafe {
                    driver.download(
                        stream,
                        staged.as_mut_ptr(),
                        b.bytes.address(),
                        staged.len(),
                    )?;
                }
                driver.synchronize(stream)?;
            }
            self.counts.readback += start.elapsed();
            self.counts.readback_bytes += used;
            return Ok(packed);
        }
    }

    /// Sorts what came back into results and wants.
    fn read<DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'_, DB>,
        wave: &mut LaneWave<'_>,
        runnable: &[u32],
        packed: &[Packed],
        wants: &mut Wants,
        sink: &mut dyn Sink,
    ) -> Result<(), ChunkError> {
        let broken = |what: &str| Error::Bug(format!("a packed instance {what}"));
        let down = std::mem::replace(&mut self.down, Staging::new(&self.driver));
        let used = packed.iter().map(|p| p.at + u64::from(p.len)).max().unwrap_or(0);
        let all = down.get(usize::try_from(used).map_err(|_| broken("lies nowhere"))?);
        let encoded = std::mem::take(&mut self.encoded);
        let mut records = Vec::new();
        for (id, p) in runnable.iter().zip(packed) {
            let bytes = &all[p.at as usize..p.at as usize + p.len as usize];
            let (head, rest) =
                bytes.split_at_checked(size_of::<Instance>()).ok_or_else(|| broken("is cut"))?;
            let head: &Instance = from_bytes(head);
            let member = wave.members[*id as usize];
            if is_done(head)? {
                let layout = packed_layout(head, bytes.len() as u64)
                    .ok_or_else(|| broken("has another length than it says"))?;
                let index = member as usize;
                records.push(Record { index, bytes, layout, tx: &encoded.txs[index] });
                self.counts.classes[wave.class] += 1;
                continue;
            }
            let last = &mut wave.needs[*id as usize];
            let (temps, counts) = (&mut self.temps, &mut self.counts);
            let mut server = Server { session, temps, counts, on_device: true };
            let answer = server.serve(head, last, Shown::Packed(rest), wave.layout)?;
            wants.add(*id, answer, &mut server)?;
        }
        let told = if records.is_empty() { Ok(()) } else { sink.done(&records, &self.temps) };
        drop(records);
        self.down = down;
        self.encoded = encoded;
        Ok(told?)
    }

    /// Reads accounts and slots from the database, in parallel.
    fn page<DB: DatabaseRef + Sync>(
        &mut self,
        session: &Session<'_, DB>,
        wants: &Wants,
        pool: &Pool,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let pages: Vec<&Page> = wants.pages.iter().collect();
        let read = |chunk: &[&Page]| {
            let mut hold = Hold::new(session.state);
            chunk.iter().try_for_each(|page| {
                hold.breathe();
                page_in(&mut hold, page)
            })
        };
        pool.run(|| pages.par_chunks(PAGES_COUNT).try_for_each(read))??;
        self.counts.page_in += start.elapsed();
        Ok(())
    }
}

/// Instances of a class that so many bytes hold, at most `most`, in whole tiles.
pub fn instances(bytes: u64, layout: &Layout, most: usize) -> usize {
    let fit = (bytes / (layout.bytes + DEVICE_RESULT_BYTES)) as usize;
    fit.min(most) / DEVICE_INSTANCES_COUNT_MIN * DEVICE_INSTANCES_COUNT_MIN
}

/// The threads' instances if so many of a warp have one; nothing if all have.
fn spread(instances: &[u32], per_warp: usize) -> Vec<u32> {
    let per_warp = per_warp.max(1);
    let Some(gap) = DEVICE_INSTANCES_COUNT_MIN.checked_sub(per_warp).filter(|gap| *gap > 0) else {
        return Vec::new();
    };
    let gaps = || std::iter::repeat_n(NONE, gap);
    let mut threads: Vec<u32> =
        instances.chunks(per_warp).flat_map(|warp| warp.iter().copied().chain(gaps())).collect();
    threads.truncate(threads.len().saturating_sub(gap));
    threads
}

/// Where the parts of a finished instance stand in what was packed, if it is as long as it says.
fn packed_layout(head: &Instance, len: u64) -> Option<Layout> {
    let mut at = size_of::<Instance>() as u64;
    let mut take = |count: u32, entry_bytes: usize| {
        let start = at;
        at += (u64::from(count) * entry_bytes as u64).next_multiple_of(8);
        start as u32
    };
    let layout = Layout {
        accounts_off: take(head.accounts, size_of::<OverlayAccount>()),
        accounts_cap: head.accounts,
        storage_off: take(head.storage, size_of::<OverlaySlot>()),
        storage_cap: head.storage,
        return_off: take(head.ret_len, 1),
        return_cap: head.ret_len,
        logs_off: take(head.log_bytes, 1),
        logs_cap: head.log_bytes,
        bytes: len,
        ..Default::default()
    };
    (at == len).then_some(layout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_spread_over_warps() {
        let instances: Vec<u32> = (10..15).collect();
        assert!(spread(&instances, 32).is_empty());
        for per_warp in [1, 2, 4, 31] {
            let threads = spread(&instances, per_warp);
            let kept: Vec<u32> = threads.iter().copied().filter(|id| *id != NONE).collect();
            assert_eq!(kept, instances);
            let warps = threads.chunks(DEVICE_INSTANCES_COUNT_MIN);
            assert_eq!(warps.len(), instances.len().div_ceil(per_warp));
            for warp in warps {
                assert!(warp.iter().filter(|id| **id != NONE).count() <= per_warp);
            }
        }
        assert!(spread(&[], 1).is_empty());
    }
}
