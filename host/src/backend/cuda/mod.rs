//! The `cuda` backend: the kernels on an NVIDIA GPU.
//!
//! | file | what |
//! |---|---|
//! | `driver.rs` | what is wanted from a device |
//! | `real.rs`, `compile.rs` | the driver API; machine code from NVRTC or the cache |
//! | `fake.rs` | a device for tests: the same kernels on the CPU |
//! | `memory.rs` | device and page-locked memory |
//! | `mirror.rs` | the state table and codes on the device |
//! | `lane.rs` | a stream and how it takes a chunk from encoding to results |
//!
//! Chunks of transactions wait in a queue from which lanes take. When a device fails, what a chunk
//! has not finished goes back in halves; after a few tries, or when the device is gone, it leaves
//! the device with the reason. So every transaction lands once.

pub mod compile;
pub mod driver;
pub mod fake;
mod lane;
mod memory;
mod mirror;
pub mod real;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use revm::DatabaseRef;
use warpevm_kernels::abi::Layout;

use self::driver::{AnyDriver, DriverError};
use self::lane::{Chunk, ChunkError, Lane, Sink};
use self::mirror::Mirror;
use crate::error::Error;
use crate::layout::CLASS_COUNT;
use crate::limits::{
    DEVICE_INSTANCES_COUNT_MAX, DEVICE_INSTANCES_COUNT_MIN, DEVICE_LANES_COUNT,
    DEVICE_MEMORY_PERCENT, DEVICE_MIRRORS_COUNT, DEVICE_TRIES_COUNT,
};
use crate::report::Counts;
use crate::session::Session;
use crate::state::codes::TempCodes;
use crate::types::{Fallback, Rejected, Transaction};

pub use self::lane::Record;

/// Where a transaction landed.
#[derive(Debug)]
pub enum Landed<T> {
    /// It ran here.
    Done(T),
    /// It is not valid, found before it ran.
    Rejected(Rejected),
    /// The device does not run it.
    Elsewhere(Fallback),
}

/// A device with its lanes.
pub struct Device {
    driver: AnyDriver,
    lanes: Mutex<Vec<Lane>>,
    lane_rested: Condvar,
    /// Above the number of every lane.
    lane_numbers: u32,
    mirrors: Mutex<Vec<Arc<Mirror>>>,
}

/// Transactions that run together.
struct Work {
    indices: Vec<u32>,
    tries: u32,
    /// Instances at once.
    most: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Device {
    /// The device behind a driver.
    pub fn new(driver: AnyDriver) -> Result<Device, Error> {
        let unusable = |error: ChunkError| match error {
            ChunkError::Driver(error) => Error::NoDevice(error.to_string()),
            ChunkError::Engine(error) => error,
        };
        let free = driver.free_bytes().map_err(|error| unusable(error.into()))?;
        let budget = free / 100 * DEVICE_MEMORY_PERCENT / DEVICE_LANES_COUNT as u64;
        let lanes = (0..DEVICE_LANES_COUNT).map(|_| Lane::new(&driver, budget));
        let lanes = lanes.collect::<Result<Vec<Lane>, ChunkError>>().map_err(unusable)?;
        let lane_numbers = lanes.iter().map(|lane| lane.number() + 1).max().unwrap_or_default();
        Ok(Device {
            driver,
            lanes: Mutex::new(lanes),
            lane_rested: Condvar::new(),
            lane_numbers,
            mirrors: Mutex::default(),
        })
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.driver.name()
    }

    /// The copy of the session's state.
    fn mirror<DB: DatabaseRef + Sync>(&self, session: &Session<'_, DB>) -> Arc<Mirror> {
        let key = (session.state.table().id(), session.spec());
        let mut mirrors = lock(&self.mirrors);
        if let Some(at) = mirrors.iter().position(|mirror| mirror.key == key) {
            // The last is the one used last.
            let mirror = mirrors.remove(at);
            mirrors.push(mirror.clone());
            return mirror;
        }
        if mirrors.len() >= DEVICE_MIRRORS_COUNT {
            mirrors.remove(0);
        }
        let mirror = Arc::new(Mirror::new(&self.driver, key, self.lane_numbers));
        mirrors.push(mirror.clone());
        mirror
    }

    /// A lane at rest; waits for one.
    fn lane(&self) -> Lane {
        let mut lanes = lock(&self.lanes);
        loop {
            match lanes.pop() {
                Some(lane) => return lane,
                None => {
                    lanes = self.lane_rested.wait(lanes).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn rest(&self, lane: Lane) {
        lock(&self.lanes).push(lane);
        self.lane_rested.notify_one();
    }

    /// Runs every transaction on the state as it is. `decode` makes what is kept of a finished one;
    /// the result says for each where it landed.
    pub fn run<DB: DatabaseRef + Sync, T: Send>(
        &self,
        session: &Session<'_, DB>,
        layouts: &[Layout; CLASS_COUNT],
        txs: &[&Transaction],
        class: usize,
        counts: &Mutex<Counts>,
        decode: &(dyn Fn(&Record<'_>, &TempCodes) -> Result<T, Error> + Sync),
    ) -> Result<Vec<Landed<T>>, Error> {
        let mirror = self.mirror(session);
        let lanes = DEVICE_LANES_COUNT.min(txs.len().div_ceil(DEVICE_INSTANCES_COUNT_MIN)).max(1);
        // Small batches are split as well, so that every lane has something.
        let part = txs.len().div_ceil(lanes).next_multiple_of(DEVICE_INSTANCES_COUNT_MIN);
        let part = part.clamp(DEVICE_INSTANCES_COUNT_MIN, DEVICE_INSTANCES_COUNT_MAX);
        let indices: Vec<u32> = (0..txs.len() as u32).collect();
        let works = indices.chunks(part).map(|indices| Work {
            indices: indices.to_vec(),
            tries: 0,
            most: DEVICE_INSTANCES_COUNT_MAX,
        });
        let queue = Mutex::new(works.collect::<VecDeque<Work>>());
        let landed: Mutex<Vec<Option<Landed<T>>>> = Mutex::new(Vec::new());
        lock(&landed).resize_with(txs.len(), || None);
        let one_lane = || -> Result<(), Error> {
            let mut lane = self.lane();
            let mut go = || loop {
                let Some(work) = lock(&queue).pop_front() else {
                    return Ok(());
                };
                let part: Vec<&Transaction> =
                    work.indices.iter().map(|index| txs[*index as usize]).collect();
                let mut sink = ChunkSink::new(part.len(), decode);
                let chunk = Chunk { layouts, txs: &part, class, most: work.most };
                let ran = lane.run(&mirror, session, &chunk, &mut sink);
                let rest = sink.land(&work, &mut lock(&landed));
                match ran {
                    Ok(()) if rest.is_empty() => {}
                    Ok(()) => return Err(Error::Device("a transaction did not land".to_owned())),
                    Err(ChunkError::Engine(error)) => return Err(error),
                    Err(ChunkError::Driver(error)) => {
                        lane.reset();
                        tracing::warn!("{}: {error}", self.driver.name());
                        retry(&error, &work, rest, &mut lock(&queue), &mut lock(&landed));
                    }
                }
            };
            let result = go();
            lock(counts).add(&std::mem::take(&mut lane.counts));
            if result.is_err() {
                lock(&queue).clear();
                lane.reset();
            }
            self.rest(lane);
            result
        };
        if lanes == 1 {
            one_lane()?;
        } else {
            // Threads of their own: they wait for the device, and pool threads must not.
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..lanes).map(|_| scope.spawn(one_lane)).collect();
                let join = |thread: std::thread::ScopedJoinHandle<'_, Result<(), Error>>| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                threads.into_iter().map(join).collect::<Result<Vec<()>, Error>>()
            })?;
        }
        let landed = landed.into_inner().unwrap_or_else(PoisonError::into_inner);
        let missing = || Error::Device("a transaction did not land".to_owned());
        landed.into_iter().map(|landed| landed.ok_or_else(missing)).collect()
    }
}

/// Puts what a failed chunk did not finish back in halves, or lets it leave the device.
fn retry<T>(
    error: &DriverError,
    work: &Work,
    rest: Vec<u32>,
    queue: &mut VecDeque<Work>,
    landed: &mut [Option<Landed<T>>],
) {
    let reason = match error {
        DriverError::OutOfMemory(_) => Fallback::DeviceMemory,
        DriverError::Lost(_) => Fallback::DeviceLost,
        _ => Fallback::DeviceError,
    };
    let tries = work.tries + 1;
    if matches!(error, DriverError::Lost(_)) || tries >= DEVICE_TRIES_COUNT {
        for index in rest {
            landed[index as usize] = Some(Landed::Elsewhere(reason));
        }
        return;
    }
    let half = rest.len().div_ceil(2).next_multiple_of(DEVICE_INSTANCES_COUNT_MIN);
    for part in rest.chunks(half.max(1)).rev() {
        let most = half.max(DEVICE_INSTANCES_COUNT_MIN);
        queue.push_front(Work { indices: part.to_vec(), tries, most });
    }
}

/// Takes what a chunk tells, decoding in parallel.
struct ChunkSink<'a, T> {
    landed: Vec<Option<Landed<T>>>,
    decode: &'a (dyn Fn(&Record<'_>, &TempCodes) -> Result<T, Error> + Sync),
}

/// Records that a thread decodes at once.
const DECODE_COUNT: usize = 64;

impl<'a, T: Send> ChunkSink<'a, T> {
    fn new(
        len: usize,
        decode: &'a (dyn Fn(&Record<'_>, &TempCodes) -> Result<T, Error> + Sync),
    ) -> ChunkSink<'a, T> {
        let mut landed = Vec::new();
        landed.resize_with(len, || None);
        ChunkSink { landed, decode }
    }

    fn set(&mut self, index: usize, landed: Landed<T>) {
        assert!(self.landed[index].is_none(), "transaction {index} of a chunk landed twice");
        self.landed[index] = Some(landed);
    }

    /// Puts everything to its place; gives the indices of those that did not land.
    fn land(self, work: &Work, all: &mut [Option<Landed<T>>]) -> Vec<u32> {
        let mut rest = Vec::new();
        for (index, landed) in work.indices.iter().zip(self.landed) {
            match landed {
                None => rest.push(*index),
                landed => all[*index as usize] = landed,
            }
        }
        rest
    }
}

impl<T: Send> Sink for ChunkSink<'_, T> {
    fn done(&mut self, records: &[Record<'_>], temps: &TempCodes) -> Result<(), Error> {
        let decode = self.decode;
        let decoded: Vec<(usize, T)> = records
            .par_iter()
            .with_min_len(DECODE_COUNT)
            .map(|record| Ok((record.index, decode(record, temps)?)))
            .collect::<Result<_, Error>>()?;
        decoded.into_iter().for_each(|(index, value)| self.set(index, Landed::Done(value)));
        Ok(())
    }

    fn rejected(&mut self, index: usize, reason: Rejected) {
        self.set(index, Landed::Rejected(reason));
    }

    fn elsewhere(&mut self, index: usize, reason: Fallback) {
        self.set(index, Landed::Elsewhere(reason));
    }
}
