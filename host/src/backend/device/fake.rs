//! A device that is none: the device's kernels, compiled for the CPU in the device's layout, behind
//! the same driver layer. For tests, which can make any call fail.
//!
//! Work waits until its stream is synchronised, so that a test sees who reads too early or changes
//! what is still to be copied.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use warpevm_kernels::abi::{Job, Launch};
use warpevm_kernels::sources::Kernel;

use super::driver::{Driver, DriverError, Event, Space, Stream};
use super::host_side::HostSide;
use crate::buffer::Buffer;
use crate::error::Error;

/// What can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DriverCall {
    /// Making a stream, as when the device is opened.
    Stream,
    /// Allocating device memory.
    Alloc,
    /// Copying either way.
    Copy,
    /// Launching this kernel.
    Launch(Kernel),
    /// Waiting.
    Synchronize,
}

/// Makes a call fail: the one after so many of its kind.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which kind.
    pub call: DriverCall,
    /// How many of them go well before.
    pub after: u64,
    /// How it fails; a lost device fails ever after.
    pub error: DriverError,
}

enum FakeWork {
    Copy { to: u64, from: u64, bytes: usize },
    Zero { at: u64, bytes: u64 },
    Launch { kernel: Kernel, launch: Box<Launch>, job: Job },
    Record(Event),
}

#[derive(Default)]
struct FakeState {
    memory: BTreeMap<u64, (Space, Buffer)>,
    allocated: u64,
    streams: HashMap<u64, Vec<FakeWork>>,
    host: HostSide,
    faults: Vec<Fault>,
    calls: HashMap<DriverCall, u64>,
    lost: Option<String>,
}

/// What runs a thread of the interpreter's kernel instead: its machine code, translated.
pub type RunThread = Box<dyn Fn(&Launch, &Job, u32) + Send + Sync>;

/// A fake device with so much memory.
pub struct FakeDriver {
    bytes: u64,
    /// Its own threads: those of the engine may wait for it.
    pool: rayon::ThreadPool,
    inner: Mutex<FakeState>,
    run_thread: Option<RunThread>,
}

impl FakeDriver {
    /// With `bytes` of memory and calls that will fail.
    pub fn new(bytes: u64, faults: Vec<Fault>) -> Result<FakeDriver, Error> {
        let pool = rayon::ThreadPoolBuilder::new().build().map_err(Error::Threads)?;
        let inner = Mutex::new(FakeState { faults, ..FakeState::default() });
        Ok(FakeDriver { bytes, pool, inner, run_thread: None })
    }

    /// The same with something else that runs the interpreter's threads.
    pub fn with_run_thread(self, run_thread: RunThread) -> FakeDriver {
        FakeDriver { run_thread: Some(run_thread), ..self }
    }

    /// How often a kernel was launched.
    pub fn launches(&self, kernel: Kernel) -> u64 {
        self.inner().calls.get(&DriverCall::Launch(kernel)).copied().unwrap_or_default()
    }

    /// Device memory in use.
    pub fn allocated_bytes(&self) -> u64 {
        self.inner().allocated
    }

    fn inner(&self) -> MutexGuard<'_, FakeState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeState {
    /// Counts a call and says whether it fails.
    fn call(&mut self, call: DriverCall) -> Result<(), DriverError> {
        if let Some(why) = &self.lost {
            return Err(DriverError::Lost(why.clone()));
        }
        let count = self.calls.entry(call).or_default();
        *count += 1;
        let number = *count;
        let fails = |fault: &&Fault| fault.call == call && fault.after + 1 == number;
        let Some(fault) = self.faults.iter().find(fails) else {
            return Ok(());
        };
        if let DriverError::Lost(why) = &fault.error {
            self.lost = Some(why.clone());
        }
        Err(fault.error.clone())
    }

    /// A kernel reads each address in memory of its space.
    fn check(&self, addresses: &[(Space, u64)]) -> Result<(), DriverError> {
        for (space, address) in addresses.iter().filter(|(_, address)| *address != 0) {
            let found = self.memory.range(..=address).next_back();
            let found = found.map(|(start, (space, buffer))| (start, space, buffer.bytes().len()));
            match found {
                Some((start, at, len)) if *address <= start + len as u64 && at == space => {}
                _ => return Err(DriverError::Launch(format!("no memory of {space:?} there"))),
            }
        }
        Ok(())
    }

    fn push(&mut self, stream: Stream, work: FakeWork) -> Result<(), DriverError> {
        let queue = self.streams.get_mut(&stream.0);
        queue.ok_or_else(|| DriverError::Failed("no such stream".to_owned()))?.push(work);
        Ok(())
    }
}

fn run(kernel: Kernel, launch: &Launch, job: &Job, instead: Option<&RunThread>) {
    // Warps in any order and at the same time, as on a device.
    (0..job.count.div_ceil(32)).into_par_iter().for_each(|warp| {
        for thread in warp * 32..(warp * 32 + 32).min(job.count) {
            if let (Kernel::Run, Some(run_thread)) = (kernel, instead) {
                run_thread(launch, job, thread);
                continue;
            }
            // SAFETY: whoever launched promised valid addresses, which here are the host's; each
            // thread has an instance, or an entry, of its own.
            unsafe { warpevm_kernels::tile_thread(kernel, launch, job, thread) }
        }
    });
}

impl Driver for FakeDriver {
    fn name(&self) -> String {
        "fake device".to_owned()
    }

    fn free_bytes(&self) -> Result<u64, DriverError> {
        Ok(self.bytes - self.inner().allocated)
    }

    fn stream(&self) -> Result<Stream, DriverError> {
        let mut inner = self.inner();
        inner.call(DriverCall::Stream)?;
        let stream = inner.host.number();
        inner.streams.insert(stream, Vec::new());
        Ok(Stream(stream))
    }

    fn drop_stream(&self, stream: Stream) {
        self.inner().streams.remove(&stream.0);
    }

    fn event(&self) -> Result<Event, DriverError> {
        Ok(self.inner().host.event())
    }

    fn drop_event(&self, event: Event) {
        self.inner().host.drop_event(event);
    }

    fn record(&self, event: Event, stream: Stream) -> Result<(), DriverError> {
        self.inner().push(stream, FakeWork::Record(event))
    }

    fn elapsed(&self, from: Event, to: Event) -> Result<f32, DriverError> {
        self.inner().host.elapsed(from, to)
    }

    fn alloc(&self, space: Space, bytes: u64) -> Result<u64, DriverError> {
        let mut inner = self.inner();
        inner.call(DriverCall::Alloc)?;
        if inner.allocated + bytes > self.bytes {
            return Err(DriverError::OutOfMemory(bytes));
        }
        let buffer = Buffer::zeroed(bytes as usize).ok_or(DriverError::OutOfMemory(bytes))?;
        let address = buffer.as_ptr() as u64;
        inner.allocated += bytes;
        inner.memory.insert(address, (space, buffer));
        Ok(address)
    }

    unsafe fn free(&self, address: u64) {
        let mut inner = self.inner();
        if let Some((_, buffer)) = inner.memory.remove(&address) {
            inner.allocated -= buffer.bytes().len() as u64;
        }
    }

    fn alloc_pinned(&self, bytes: usize) -> Result<*mut u8, DriverError> {
        self.inner().host.alloc(bytes)
    }

    unsafe fn free_pinned(&self, at: *mut u8, _bytes: usize) {
        self.inner().host.free(at);
    }

    unsafe fn upload(
        &self,
        stream: Stream,
        to: u64,
        from: *const u8,
        bytes: usize,
    ) -> Result<(), DriverError> {
        let mut inner = self.inner();
        inner.call(DriverCall::Copy)?;
        inner.push(stream, FakeWork::Copy { to, from: from as u64, bytes })
    }

    unsafe fn download(
        &self,
        stream: Stream,
        to: *mut u8,
        from: u64,
        bytes: usize,
    ) -> Result<(), DriverError> {
        let mut inner = self.inner();
        inner.call(DriverCall::Copy)?;
        inner.push(stream, FakeWork::Copy { to: to as u64, from, bytes })
    }

    unsafe fn zero(&self, stream: Stream, at: u64, bytes: u64) -> Result<(), DriverError> {
        self.inner().push(stream, FakeWork::Zero { at, bytes })
    }

    unsafe fn launch(
        &self,
        stream: Stream,
        kernel: Kernel,
        launch: &Launch,
        job: &Job,
    ) -> Result<(), DriverError> {
        let mut inner = self.inner();
        inner.call(DriverCall::Launch(kernel))?;
        inner.check(&Space::of_launch(launch))?;
        inner.check(&Space::of_job(kernel, job))?;
        let (launch, job) = (Box::new(*launch), *job);
        inner.push(stream, FakeWork::Launch { kernel, launch, job })
    }

    fn synchronize(&self, stream: Stream) -> Result<(), DriverError> {
        let mut inner = self.inner();
        let queue = inner.streams.get_mut(&stream.0).map(std::mem::take).unwrap_or_default();
        // Where it fails, what was queued does not happen.
        inner.call(DriverCall::Synchronize)?;
        drop(inner);
        for work in queue {
            match work {
                // SAFETY: whoever queued it promised that both ranges are valid until now.
                FakeWork::Copy { to, from, bytes } => unsafe {
                    (to as *mut u8).copy_from_nonoverlapping(from as *const u8, bytes);
                },
                // SAFETY: as above.
                FakeWork::Zero { at, bytes } => unsafe {
                    (at as *mut u8).write_bytes(0, bytes as usize);
                },
                FakeWork::Launch { kernel, launch, job } => {
                    let instead = self.run_thread.as_ref();
                    self.pool.install(|| run(kernel, &launch, &job, instead));
                }
                FakeWork::Record(event) => {
                    self.inner().host.pass(event);
                }
            }
        }
        Ok(())
    }
}
