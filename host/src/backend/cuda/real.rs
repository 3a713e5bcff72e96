//! NVIDIA GPUs through the driver API, which is loaded when it is first wanted.

use std::ffi::c_void;
use std::sync::Mutex;

use cudarc::driver::{result, sys};
use warpevm_kernels::abi::{Job, Launch};
use warpevm_kernels::sources::{BLOCK_THREADS, Kernel, MODULES};

use super::compile::{Compiled, compile};
use crate::backend::device::driver::{Driver, DriverError, Event, Space, Stream};
use crate::error::Error;

/// The oldest driver with everything that is called: CUDA 12.8.
const DRIVER_VERSION_MIN: i32 = 12080;

/// A GPU as the driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuInfo {
    /// Its number.
    pub ordinal: i32,
    /// Its name.
    pub name: String,
    /// Compute capability, major * 10 + minor.
    pub arch: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Multiprocessors.
    pub multiprocessors: i32,
}

/// A GPU with the kernels loaded.
pub struct CudaDriver {
    info: GpuInfo,
    device: sys::CUdevice,
    context: sys::CUcontext,
    modules: Vec<sys::CUmodule>,
    functions: [sys::CUfunction; Kernel::ALL.len()],
    /// A lost device stays lost.
    lost: Mutex<Option<String>>,
}

// SAFETY: contexts, modules and functions may be used from any thread that makes the context
// current, which every method does.
unsafe impl Send for CudaDriver {}
// SAFETY: as above; the driver API is thread-safe.
unsafe impl Sync for CudaDriver {}

fn describe(error: result::DriverError) -> String {
    let name = error.error_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|_| format!("{error:?}"))
}

/// Which of our errors a code of the driver is; `asked` is for allocations.
fn classify(error: result::DriverError, asked: u64) -> DriverError {
    use sys::CUresult as E;
    match error.0 {
        E::CUDA_ERROR_OUT_OF_MEMORY => DriverError::OutOfMemory(asked),
        E::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES => DriverError::Launch(describe(error)),
        // After these the context takes no work any more.
        E::CUDA_ERROR_ILLEGAL_ADDRESS
        | E::CUDA_ERROR_LAUNCH_TIMEOUT
        | E::CUDA_ERROR_LAUNCH_FAILED
        | E::CUDA_ERROR_CONTEXT_IS_DESTROYED
        | E::CUDA_ERROR_ASSERT
        | E::CUDA_ERROR_HARDWARE_STACK_ERROR
        | E::CUDA_ERROR_ILLEGAL_INSTRUCTION
        | E::CUDA_ERROR_MISALIGNED_ADDRESS
        | E::CUDA_ERROR_INVALID_ADDRESS_SPACE
        | E::CUDA_ERROR_INVALID_PC
        | E::CUDA_ERROR_ECC_UNCORRECTABLE
        | E::CUDA_ERROR_DEVICE_UNAVAILABLE
        | E::CUDA_ERROR_DEINITIALIZED
        | E::CUDA_ERROR_UNKNOWN => DriverError::Lost(describe(error)),
        _ => DriverError::Failed(describe(error)),
    }
}

/// The same with what failed, where the code alone would not tell.
fn of(what: &str, error: result::DriverError) -> DriverError {
    match classify(error, 0) {
        DriverError::Failed(why) => DriverError::Failed(format!("{what}: {why}")),
        other => other,
    }
}

/// Starts the driver. The error says what is missing.
fn start() -> Result<(), String> {
    // SAFETY: NVIDIA's library runs no code of ours when it is loaded.
    if !unsafe { sys::is_culib_present() } {
        return Err("no NVIDIA driver: libcuda.so is not in the library path".to_owned());
    }
    result::init()
        .map_err(|error| format!("the NVIDIA driver does not start: {}", describe(error)))?;
    let mut version = 0;
    // SAFETY: the library is there, and the pointer is to a live integer.
    let got = unsafe { sys::cuDriverGetVersion(&mut version) }.result();
    got.map_err(|error| format!("the NVIDIA driver's version: {}", describe(error)))?;
    if version < DRIVER_VERSION_MIN {
        let dotted = |version: i32| format!("{}.{}", version / 1000, version % 1000 / 10);
        let (has, wants) = (dotted(version), dotted(DRIVER_VERSION_MIN));
        return Err(format!("the NVIDIA driver is for CUDA {has}, older than {wants}"));
    }
    Ok(())
}

fn info(ordinal: i32) -> Result<(GpuInfo, sys::CUdevice), result::DriverError> {
    use sys::CUdevice_attribute as A;
    let device = result::device::get(ordinal)?;
    // SAFETY: `get` gave the device.
    let attribute = |a| unsafe { result::device::get_attribute(device, a) };
    let major = attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    let info = GpuInfo {
        ordinal,
        name: result::device::get_name(device)?,
        arch: (major * 10 + minor) as u32,
        // SAFETY: `get` gave the device.
        memory_bytes: unsafe { result::device::total_mem(device) }? as u64,
        multiprocessors: attribute(A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
    };
    Ok((info, device))
}

/// Every GPU, or what is missing.
pub fn gpus() -> Result<Vec<GpuInfo>, String> {
    start()?;
    let list = || -> Result<Vec<GpuInfo>, result::DriverError> {
        (0..result::device::get_count()?).map(|ordinal| Ok(info(ordinal)?.0)).collect()
    };
    match list() {
        Ok(gpus) if gpus.is_empty() => Err("the NVIDIA driver sees no GPU".to_owned()),
        Ok(gpus) => Ok(gpus),
        Err(error) => Err(format!("the NVIDIA driver: {}", describe(error))),
    }
}

impl CudaDriver {
    /// Opens a GPU, or all, and loads the kernels, compiling them where the cache has none.
    pub fn open(only: Option<i32>) -> Result<Vec<CudaDriver>, Error> {
        let mut ordinals: Vec<i32> =
            gpus().map_err(Error::NoDevice)?.iter().map(|gpu| gpu.ordinal).collect();
        if let Some(only) = only {
            let count = ordinals.len();
            ordinals.retain(|ordinal| *ordinal == only);
            if ordinals.is_empty() {
                let why = format!("there is no GPU {only}, only {count}, from 0 on");
                return Err(Error::NoDevice(why));
            }
        }
        ordinals.into_iter().map(Self::open_one).collect()
    }

    fn open_one(ordinal: i32) -> Result<CudaDriver, Error> {
        let place = format!("GPU {ordinal}: ");
        let failed = |error| match classify(error, 0) {
            // It never was there, for us.
            DriverError::Lost(why) => Error::NoDevice(format!("{place}{why}")),
            other => other.on_opening(&place),
        };
        let (info, device) = info(ordinal).map_err(failed)?;
        let images = compile(info.arch).map_err(Error::NoDevice)?;
        // SAFETY: `info` gave the device.
        let context = unsafe { result::primary_ctx::retain(device) }.map_err(failed)?;
        let mut driver = CudaDriver {
            info,
            device,
            context,
            modules: Vec::new(),
            functions: [std::ptr::null_mut(); Kernel::ALL.len()],
            lost: Mutex::new(None),
        };
        driver.load(&images).map_err(|error| error.on_opening(&place))?;
        Ok(driver)
    }

    fn load(&mut self, images: &[Compiled]) -> Result<(), DriverError> {
        // SAFETY: the context is retained.
        let current = unsafe { result::ctx::set_current(self.context) };
        current.map_err(|error| classify(error, 0))?;
        for (module, image) in MODULES.iter().zip(images) {
            // SAFETY: a whole cubin from NVRTC, which the driver checks.
            let loaded = unsafe { result::module::load_data(image.as_ptr().cast::<c_void>()) };
            let loaded = loaded.map_err(|error| of(module.name, error))?;
            self.modules.push(loaded);
            for kernel in module.kernels {
                let name = std::ffi::CString::new(kernel.name());
                let name = name.map_err(|error| DriverError::Failed(error.to_string()))?;
                // SAFETY: the module is loaded.
                let function = unsafe { result::module::get_function(loaded, name) };
                self.functions[*kernel as usize] =
                    function.map_err(|error| of(kernel.name(), error))?;
            }
        }
        Ok(())
    }

    /// The GPU.
    pub fn info(&self) -> &GpuInfo {
        &self.info
    }

    /// Makes the context current on this thread, unless the device is lost.
    fn enter(&self) -> Result<(), DriverError> {
        let lost = self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(why) = lost.as_ref() {
            return Err(DriverError::Lost(why.clone()));
        }
        drop(lost);
        // SAFETY: the context is retained while `self` lives.
        self.check(unsafe { result::ctx::set_current(self.context) }, 0)
    }

    fn check<T>(
        &self,
        result: Result<T, result::DriverError>,
        asked: u64,
    ) -> Result<T, DriverError> {
        result.map_err(|error| {
            let error = classify(error, asked);
            if let DriverError::Lost(why) = &error {
                let mut lost = self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                lost.get_or_insert_with(|| why.clone());
            }
            error
        })
    }
}

impl Drop for CudaDriver {
    fn drop(&mut self) {
        if self.enter().is_ok() {
            for module in self.modules.drain(..) {
                // SAFETY: loaded by us, unloaded once; nothing runs, as everything that launches
                // holds this driver.
                let _ = unsafe { result::module::unload(module) };
            }
        }
        // SAFETY: retained in `open`.
        let _ = unsafe { result::primary_ctx::release(self.device) };
    }
}

fn stream_of(stream: Stream) -> sys::CUstream {
    stream.0 as sys::CUstream
}

fn event_of(event: Event) -> sys::CUevent {
    event.0 as sys::CUevent
}

impl Driver for CudaDriver {
    fn name(&self) -> String {
        self.info.name.clone()
    }

    fn free_bytes(&self) -> Result<u64, DriverError> {
        self.enter()?;
        Ok(self.check(result::mem_get_info(), 0)?.0 as u64)
    }

    fn stream(&self) -> Result<Stream, DriverError> {
        self.enter()?;
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking);
        Ok(Stream(self.check(stream, 0)? as u64))
    }

    fn drop_stream(&self, stream: Stream) {
        if self.enter().is_ok() {
            // SAFETY: created by `stream`, destroyed once.
            let _ = unsafe { result::stream::destroy(stream_of(stream)) };
        }
    }

    fn event(&self) -> Result<Event, DriverError> {
        self.enter()?;
        let event = result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT);
        Ok(Event(self.check(event, 0)? as u64))
    }

    fn drop_event(&self, event: Event) {
        if self.enter().is_ok() {
            // SAFETY: created by `event`, destroyed once.
            let _ = unsafe { result::event::destroy(event_of(event)) };
        }
    }

    fn record(&self, event: Event, stream: Stream) -> Result<(), DriverError> {
        self.enter()?;
        // SAFETY: both are live.
        self.check(unsafe { result::event::record(event_of(event), stream_of(stream)) }, 0)
    }

    fn elapsed(&self, from: Event, to: Event) -> Result<f32, DriverError> {
        self.enter()?;
        // SAFETY: both are live.
        self.check(unsafe { result::event::elapsed(event_of(from), event_of(to)) }, 0)
    }

    fn alloc(&self, _space: Space, bytes: u64) -> Result<u64, DriverError> {
        self.enter()?;
        // SAFETY: the content is not read before it is written.
        self.check(unsafe { result::malloc_sync(bytes as usize) }, bytes)
    }

    unsafe fn free(&self, address: u64) {
        if self.enter().is_ok() {
            // SAFETY: by the caller's promise.
            let _ = unsafe { result::free_sync(address) };
        }
    }

    fn alloc_pinned(&self, bytes: usize) -> Result<*mut u8, DriverError> {
        self.enter()?;
        // SAFETY: cleared at once.
        let start =
            self.check(unsafe { result::malloc_host(bytes, 0) }, bytes as u64)?.cast::<u8>();
        // SAFETY: allocated with this length.
        unsafe { start.write_bytes(0, bytes) };
        Ok(start)
    }

    unsafe fn free_pinned(&self, at: *mut u8, _bytes: usize) {
        if self.enter().is_ok() {
            // SAFETY: by the caller's promise.
            let _ = unsafe { result::free_host(at.cast::<c_void>()) };
        }
    }

    unsafe fn upload(
        &self,
        stream: Stream,
        to: u64,
        from: *const u8,
        bytes: usize,
    ) -> Result<(), DriverError> {
        self.enter()?;
        // SAFETY: by the caller's promise.
        let copied = unsafe {
            let from = std::slice::from_raw_parts(from, bytes);
            result::memcpy_htod_async(to, from, stream_of(stream))
        };
        self.check(copied, 0)
    }

    unsafe fn download(
        &self,
        stream: Stream,
        to: *mut u8,
        from: u64,
        bytes: usize,
    ) -> Result<(), DriverError> {
        self.enter()?;
        // SAFETY: by the caller's promise.
        let copied = unsafe {
            let to = std::slice::from_raw_parts_mut(to, bytes);
            result::memcpy_dtoh_async(to, from, stream_of(stream))
        };
        self.check(copied, 0)
    }

    unsafe fn zero(&self, stream: Stream, at: u64, bytes: u64) -> Result<(), DriverError> {
        self.enter()?;
        // SAFETY: by the caller's promise.
        let zeroed = unsafe { result::memset_d8_async(at, 0, bytes as usize, stream_of(stream)) };
        self.check(zeroed, 0)
    }

    unsafe fn launch(
        &self,
        stream: Stream,
        kernel: Kernel,
        launch: &Launch,
        job: &Job,
    ) -> Result<(), DriverError> {
        self.enter()?;
        if job.count == 0 {
            return Ok(());
        }
        let mut params =
            [(&raw const *launch).cast_mut().cast::<c_void>(), (&raw const *job).cast_mut().cast()];
        let grid = (job.count.div_ceil(BLOCK_THREADS), 1, 1);
        // SAFETY: the function is loaded and takes these two by value; addresses in them are valid
        // by the caller's promise.
        let launched = unsafe {
            let function = self.functions[kernel as usize];
            let block = (BLOCK_THREADS, 1, 1);
            result::launch_kernel(function, grid, block, 0, stream_of(stream), &mut params)
        };
        self.check(launched, 0)
    }

    fn synchronize(&self, stream: Stream) -> Result<(), DriverError> {
        self.enter()?;
        // SAFETY: the stream is live.
        self.check(unsafe { result::stream::synchronize(stream_of(stream)) }, 0)
    }
}
