//! Devices with memory of their own: what the `cuda` and `wgpu` backends have in common.
//!
//! | file | what |
//! |---|---|
//! | `driver.rs` | what is wanted from a device |
//! | `fake.rs` | a device for tests: CUDA's kernels on the CPU |
//! | `memory.rs` | device and page-locked memory |
//! | `mirror.rs` | the state table and codes on the device |
//! | `lane.rs` | a stream and how it takes a chunk from encoding to results |
//!
//! Chunks of transactions wait in a queue from which the lanes of all GPUs take. When a GPU fails,
//! what a chunk has not finished goes back in halves; after a few tries, or when no GPU is left, it
//! leaves the device with the reason. So every transaction lands once.

pub mod driver;
#[cfg(feature = "fake-device")]
pub mod fake;
#[cfg(any(feature = "fake-device", feature = "wgpu"))]
pub(crate) mod host_side;
mod lane;
mod memory;
mod mirror;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rayon::prelude::*;
use revm::DatabaseRef;
use warpevm_kernels::abi::Layout;

use self::driver::{AnyDriver, DriverError};
use self::lane::{Chunk, ChunkError, Lane, Record, Sink};
use self::mirror::Mirror;
use crate::code::ids::TempCodes;
use crate::error::Error;
use crate::instance::finished::Finished;
use crate::instance::session::Session;
use crate::limits::{
    CLASS_COUNT, DEVICE_INSTANCES_COUNT_MAX, DEVICE_INSTANCES_COUNT_MIN, DEVICE_MEMORY_PERCENT,
    DEVICE_MIRRORS_COUNT, DEVICE_TRIES_COUNT,
};
use crate::pool::{self, Pool};
use crate::report::Counts;
use crate::sync::lock;
use crate::types::{Fallback, Grouping, Rejected, Transaction};

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

/// All GPUs of an engine.
pub struct Device {
    gpus: Vec<Gpu>,
    grouping: Grouping,
}

/// A GPU with its lanes.
struct Gpu {
    driver: AnyDriver,
    lanes: Mutex<Vec<Lane>>,
    lane_rested: Condvar,
    /// Above the number of every lane.
    lane_numbers: u32,
    mirrors: Mutex<Vec<Arc<Mirror>>>,
}

/// Transactions that run together.
struct ChunkWork {
    indices: Vec<u32>,
    tries: u32,
    /// Instances at once.
    most: usize,
}

/// Bytes for the instances of each of so many lanes.
fn lane_bytes(free: u64, lanes: usize) -> u64 {
    free / 100 * DEVICE_MEMORY_PERCENT / lanes as u64
}

impl Gpu {
    fn new(driver: AnyDriver) -> Result<Gpu, Error> {
        let unusable = |error: ChunkError| match error {
            ChunkError::Driver(error) => error.on_opening(""),
            ChunkError::Engine(error) => error,
        };
        let free = driver.free_bytes().map_err(|error| unusable(error.into()))?;
        let count = driver.lanes();
        let budget = lane_bytes(free, count);
        let lanes = (0..count).map(|_| Lane::new(&driver, budget));
        let lanes = lanes.collect::<Result<Vec<Lane>, ChunkError>>().map_err(unusable)?;
        let lane_numbers = lanes.iter().map(|lane| lane.number() + 1).max().unwrap_or_default();
        Ok(Gpu {
            driver,
            lanes: Mutex::new(lanes),
            lane_rested: Condvar::new(),
            lane_numbers,
            mirrors: Mutex::default(),
        })
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
}

/// What a device runs transactions with.
#[derive(Clone, Copy)]
pub struct Means<'r> {
    /// Of all memory classes.
    pub layouts: &'r [Layout; CLASS_COUNT],
    /// The class that transactions start in.
    pub class: usize,
    /// Instances of a warp.
    pub per_warp: usize,
    /// The engine's own threads, for work that waits for nothing. The threads of a caller's pool
    /// may wait for lanes: work of a lane there would wait for them.
    pub pool: &'r Pool,
    /// Where all is counted.
    pub counts: &'r Mutex<Counts>,
}

/// A batch on its way through the device.
struct Run<'r, 's, DB, T> {
    session: &'r Session<'s, DB>,
    means: &'r Means<'r>,
    txs: &'r [&'r Transaction],
    grouping: Grouping,
    decode: &'r (dyn Fn(&Finished<'_>, &TempCodes) -> Result<T, Error> + Sync),
    queue: Mutex<VecDeque<ChunkWork>>,
    landed: Mutex<Vec<Option<Landed<T>>>>,
}

impl Device {
    /// The device behind these drivers, one for each GPU.
    pub fn new(drivers: Vec<AnyDriver>, grouping: Grouping) -> Result<Device, Error> {
        let gpus = drivers.into_iter().map(Gpu::new).collect::<Result<Vec<Gpu>, Error>>()?;
        if gpus.is_empty() {
            return Err(Error::NoDevice("there is no GPU".to_owned()));
        }
        Ok(Device { gpus, grouping })
    }

    /// The order in which transactions become neighbours.
    fn order(&self, txs: &[&Transaction]) -> Vec<u32> {
        let mut indices: Vec<u32> = (0..txs.len() as u32).collect();
        if self.grouping != Grouping::None {
            indices.par_sort_by_cached_key(|index| {
                let tx = txs[*index as usize];
                (tx.kind.to().copied(), tx.data.get(..4).map(<[u8]>::to_vec))
            });
        }
        indices
    }

    /// Runs every transaction on the state as it is. `decode` makes what is kept of a finished one;
    /// the result says for each where it landed.
    pub fn run<DB: DatabaseRef + Sync, T: Send>(
        &self,
        session: &Session<'_, DB>,
        means: &Means<'_>,
        txs: &[&Transaction],
        decode: &(dyn Fn(&Finished<'_>, &TempCodes) -> Result<T, Error> + Sync),
    ) -> Result<Vec<Landed<T>>, Error> {
        let lanes: usize = self.gpus.iter().map(|gpu| gpu.driver.lanes()).sum();
        let lanes = lanes.min(txs.len().div_ceil(DEVICE_INSTANCES_COUNT_MIN)).max(1);
        // Small batches are split as well, so that every lane has something.
        let part = txs.len().div_ceil(lanes).next_multiple_of(DEVICE_INSTANCES_COUNT_MIN);
        let part = part.clamp(DEVICE_INSTANCES_COUNT_MIN, DEVICE_INSTANCES_COUNT_MAX);
        let indices = means.pool.run(|| self.order(txs))?;
        let works = indices.chunks(part).map(|indices| ChunkWork {
            indices: indices.to_vec(),
            tries: 0,
            most: DEVICE_INSTANCES_COUNT_MAX,
        });
        let mut landed = Vec::new();
        landed.resize_with(txs.len(), || None);
        let run = Run {
            session,
            means,
            txs,
            grouping: self.grouping,
            decode,
            queue: Mutex::new(works.collect()),
            landed: Mutex::new(landed),
        };
        let mut alive: Vec<&Gpu> = self.gpus.iter().collect();
        // Once, unless a GPU is lost when the lanes of the others have come to rest.
        while !lock(&run.queue).is_empty() && !alive.is_empty() {
            let lost = run.on(&alive, lanes)?;
            alive = alive.into_iter().zip(lost).filter(|(_, lost)| !lost).map(|(g, _)| g).collect();
        }
        let Run { queue, landed, .. } = run;
        let mut landed = landed.into_inner().unwrap_or_else(PoisonError::into_inner);
        for work in queue.into_inner().unwrap_or_else(PoisonError::into_inner) {
            for index in work.indices {
                landed[index as usize] = Some(Landed::Elsewhere(Fallback::DeviceLost));
            }
        }
        let missing = || Error::Bug("a transaction did not land".to_owned());
        landed.into_iter().map(|landed| landed.ok_or_else(missing)).collect()
    }
}

impl<DB: DatabaseRef + Sync, T: Send> Run<'_, '_, DB, T> {
    /// Runs what is in the queue on so many lanes; says of each GPU whether it was lost.
    fn on(&self, gpus: &[&Gpu], lanes: usize) -> Result<Vec<bool>, Error> {
        let lost: Vec<AtomicBool> = gpus.iter().map(|_| AtomicBool::new(false)).collect();
        let lane = |at: usize| self.lane(gpus[at % gpus.len()], &lost[at % gpus.len()]);
        // Threads of their own: they wait for the device, and pool threads must not.
        std::thread::scope(|scope| {
            let lane = &lane;
            let start = |at| pool::start(scope, move || lane(at));
            let threads: Vec<_> = (0..lanes).map(start).collect();
            // One lane does what several would.
            if threads.iter().all(Result::is_err) {
                return threads.into_iter().try_for_each(|thread| thread.map(drop));
            }
            threads.into_iter().flatten().try_for_each(pool::join)
        })?;
        Ok(lost.into_iter().map(AtomicBool::into_inner).collect())
    }

    /// Takes from the queue with one lane until there is nothing or the GPU is lost.
    fn lane(&self, gpu: &Gpu, lost: &AtomicBool) -> Result<(), Error> {
        let mirror = gpu.mirror(self.session);
        let mut lane = gpu.lane();
        let mut go = || {
            while !lost.load(Ordering::Relaxed) {
                let Some(work) = lock(&self.queue).pop_front() else { break };
                self.chunk(gpu, &mirror, &mut lane, &work, lost)?;
            }
            Ok(())
        };
        let result = go();
        lock(self.means.counts).add(&std::mem::take(&mut lane.counts));
        if result.is_err() {
            lock(&self.queue).clear();
            lane.reset();
        }
        gpu.rest(lane);
        result
    }

    fn chunk(
        &self,
        gpu: &Gpu,
        mirror: &Mirror,
        lane: &mut Lane,
        work: &ChunkWork,
        lost: &AtomicBool,
    ) -> Result<(), Error> {
        let txs: Vec<&Transaction> =
            work.indices.iter().map(|index| self.txs[*index as usize]).collect();
        let Means { layouts, class, per_warp, pool, .. } = *self.means;
        let mut sink = ChunkSink::new(txs.len(), self.decode, pool);
        let (regroup, most) = (self.grouping == Grouping::Rounds, work.most);
        let chunk = Chunk { layouts, txs: &txs, class, most, regroup, per_warp, pool };
        let ran = lane.run(mirror, self.session, &chunk, &mut sink);
        let rest = sink.land(work, &mut lock(&self.landed));
        match ran {
            Ok(()) if rest.is_empty() => Ok(()),
            Ok(()) => Err(Error::Bug("a transaction did not land".to_owned())),
            Err(ChunkError::Engine(error)) => Err(error),
            Err(ChunkError::Driver(error)) => {
                lane.reset();
                tracing::warn!("{}: {error}", gpu.driver.name());
                let gone = matches!(error, DriverError::Lost(_));
                lost.fetch_or(gone, Ordering::Relaxed);
                retry(&error, work, rest, &mut lock(&self.queue), &mut lock(&self.landed));
                Ok(())
            }
        }
    }
}

/// Puts what a failed chunk did not finish back in halves, or lets it leave the device.
fn retry<T>(
    error: &DriverError,
    work: &ChunkWork,
    rest: Vec<u32>,
    queue: &mut VecDeque<ChunkWork>,
    landed: &mut [Option<Landed<T>>],
) {
    let tries = match error {
        // Its lanes take no more; other GPUs have not tried.
        DriverError::Lost(_) => work.tries,
        _ => work.tries + 1,
    };
    if tries >= DEVICE_TRIES_COUNT {
        let reason = match error {
            DriverError::OutOfMemory(_) => Fallback::DeviceMemory,
            _ => Fallback::DeviceError,
        };
        for index in rest {
            landed[index as usize] = Some(Landed::Elsewhere(reason));
        }
        return;
    }
    if tries == work.tries {
        queue.push_front(ChunkWork { indices: rest, ..*work });
        return;
    }
    let half = rest.len().div_ceil(2).next_multiple_of(DEVICE_INSTANCES_COUNT_MIN);
    for part in rest.chunks(half.max(1)).rev() {
        let most = half.max(DEVICE_INSTANCES_COUNT_MIN);
        queue.push_front(ChunkWork { indices: part.to_vec(), tries, most });
    }
}

/// Takes what a chunk tells, decoding in parallel.
struct ChunkSink<'a, T> {
    landed: Vec<Option<Landed<T>>>,
    pool: &'a Pool,
    decode: &'a (dyn Fn(&Finished<'_>, &TempCodes) -> Result<T, Error> + Sync),
}

/// Records that a thread decodes at once.
const DECODE_COUNT: usize = 64;

impl<'a, T: Send> ChunkSink<'a, T> {
    fn new(
        len: usize,
        decode: &'a (dyn Fn(&Finished<'_>, &TempCodes) -> Result<T, Error> + Sync),
        pool: &'a Pool,
    ) -> ChunkSink<'a, T> {
        let mut landed = Vec::new();
        landed.resize_with(len, || None);
        ChunkSink { landed, pool, decode }
    }

    fn set(&mut self, index: usize, landed: Landed<T>) {
        assert!(self.landed[index].is_none(), "transaction {index} of a chunk landed twice");
        self.landed[index] = Some(landed);
    }

    /// Puts everything to its place; gives the indices of those that did not land.
    fn land(self, work: &ChunkWork, all: &mut [Option<Landed<T>>]) -> Vec<u32> {
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
        let all = || {
            let records = records.par_iter().with_min_len(DECODE_COUNT);
            let one = |record: &Record<'_>| Ok((record.index, decode(&record.finished(), temps)?));
            records.map(one).collect::<Result<_, Error>>()
        };
        let decoded: Vec<(usize, T)> = self.pool.run(all)??;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::layout::classes;

    #[test]
    fn the_full_call_depth_fits_where_128_mib_are_bound() {
        // Less the unit that no allocation begins in (`backend/wgpu/places.rs`); one lane, as a
        // device that is a CPU has.
        let bytes = lane_bytes((128 << 20) - 256, 1);
        let holds = classes().map(|layout| lane::instances(bytes, &layout, 32) == 32);
        assert_eq!(holds, [true, true, true, true, false, false, false]);
        assert_eq!(classes()[3].frames_cap, warpevm_kernels::abi::CALL_DEPTH_MAX + 1);
    }
}
