//! What the backend wants from a device: a narrow layer over the driver API, so that a fake device
//! can stand behind it.
//!
//! Everything but allocation is asynchronous on a stream. The caller keeps host memory in place and
//! untouched, and device memory allocated, until it has synchronised the stream.

use std::sync::Arc;

use warpevm_kernels::abi::{Job, Launch};
use warpevm_kernels::sources::Kernel;

use crate::error::Error;
use crate::limits::DEVICE_LANES_COUNT;

/// Why a device did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// No memory: less work at once may fit.
    #[error("out of device memory ({0} bytes asked)")]
    OutOfMemory(u64),
    /// The device is gone, or its context cannot be used any more.
    #[error("device lost: {0}")]
    Lost(String),
    /// A kernel was not launched or failed.
    #[error("launch: {0}")]
    Launch(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl DriverError {
    /// What it means while a device is being opened, which `place` names.
    pub(crate) fn on_opening(self, place: &str) -> Error {
        match self {
            DriverError::OutOfMemory(_) => Error::DeviceMemory(format!("{place}{self}")),
            DriverError::Lost(why) => Error::DeviceLost(format!("{place}{why}")),
            _ => Error::NoDevice(format!("{place}{self}")),
        }
    }
}

/// Which of a device's memories an allocation lies in. A WGSL kernel sees each as one buffer; on
/// other devices all are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Space {
    /// Instance memory.
    Instances,
    /// Accounts, slots, their indexes, records to scatter.
    State,
    /// Codes, their programs and bytes.
    Code,
    /// What a launch gets besides: environment, layout, transactions, data, ids, answers.
    Input,
    /// What `collect` packs.
    Output,
}

impl Space {
    /// All of them.
    pub const ALL: [Space; 5] =
        [Space::Instances, Space::State, Space::Code, Space::Input, Space::Output];

    /// Which memory each address of a launch is of.
    pub fn of_launch(launch: &Launch) -> [(Space, u64); 10] {
        [
            (Space::Input, launch.env),
            (Space::Input, launch.txs),
            (Space::Input, launch.data),
            (Space::Instances, launch.memory),
            (Space::Input, launch.layout),
            (Space::State, launch.accounts),
            (Space::State, launch.account_index),
            (Space::State, launch.slots),
            (Space::State, launch.slot_index),
            (Space::Code, launch.codes),
        ]
    }

    /// The same of a kernel's job.
    pub fn of_job(kernel: Kernel, job: &Job) -> [(Space, u64); 7] {
        let about = match kernel {
            Kernel::Collect => Space::Output,
            Kernel::Scatter => Space::State,
            _ => Space::Input,
        };
        [
            (Space::Input, job.ids),
            (Space::Input, job.txs),
            (about, job.records),
            (about, job.bytes),
            (about, job.bytes_used),
            (about, job.places),
            (about, job.to),
        ]
    }
}

/// A queue of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream(pub u64);

/// A point in a stream, for measuring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event(pub u64);

/// A device. Addresses are the device's.
pub trait Driver: Send + Sync {
    /// Its name.
    fn name(&self) -> String;

    /// Lanes that feed it.
    fn lanes(&self) -> usize {
        DEVICE_LANES_COUNT
    }

    /// Whether the code array has temporary codes before the lasting ones, from the last on,
    /// instead of each at the place of its id, which takes 100 MB.
    fn compact_codes(&self) -> bool {
        false
    }

    /// Bytes that are free for instances.
    fn free_bytes(&self) -> Result<u64, DriverError>;

    /// A new stream.
    fn stream(&self) -> Result<Stream, DriverError>;

    /// Ends a stream that has been synchronised.
    fn drop_stream(&self, stream: Stream);

    /// A new event.
    fn event(&self) -> Result<Event, DriverError>;

    /// Ends an event.
    fn drop_event(&self, event: Event);

    /// Marks where the stream is.
    fn record(&self, event: Event, stream: Stream) -> Result<(), DriverError>;

    /// Milliseconds between two events that have passed.
    fn elapsed(&self, from: Event, to: Event) -> Result<f32, DriverError>;

    /// Device memory, 256-byte aligned, with any content.
    fn alloc(&self, space: Space, bytes: u64) -> Result<u64, DriverError>;

    /// Frees what `alloc` gave.
    ///
    /// # Safety
    /// Once, and nothing uses it any more.
    unsafe fn free(&self, address: u64);

    /// Page-locked host memory, zeroed.
    fn alloc_pinned(&self, bytes: usize) -> Result<*mut u8, DriverError>;

    /// Frees what `alloc_pinned` gave.
    ///
    /// # Safety
    /// Once, with the same length, and nothing uses it any more.
    unsafe fn free_pinned(&self, at: *mut u8, bytes: usize);

    /// Copies to the device, to a multiple of 4. Up to the next multiple of 4 zeros may follow.
    ///
    /// # Safety
    /// Both ranges are valid; see the module for how long.
    unsafe fn upload(
        &self,
        stream: Stream,
        to: u64,
        from: *const u8,
        bytes: usize,
    ) -> Result<(), DriverError>;

    /// Copies to the host.
    ///
    /// # Safety
    /// As `upload`.
    unsafe fn download(
        &self,
        stream: Stream,
        to: *mut u8,
        from: u64,
        bytes: usize,
    ) -> Result<(), DriverError>;

    /// Clears device memory.
    ///
    /// # Safety
    /// The range is valid.
    unsafe fn zero(&self, stream: Stream, at: u64, bytes: u64) -> Result<(), DriverError>;

    /// Launches a kernel with `job.count` threads.
    ///
    /// # Safety
    /// The device addresses in `launch` and `job` are valid as `abi` describes them.
    unsafe fn launch(
        &self,
        stream: Stream,
        kernel: Kernel,
        launch: &Launch,
        job: &Job,
    ) -> Result<(), DriverError>;

    /// Waits until the stream has done everything.
    fn synchronize(&self, stream: Stream) -> Result<(), DriverError>;
}

/// Any device.
pub type AnyDriver = Arc<dyn Driver>;
