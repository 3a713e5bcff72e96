//! Devices through wgpu (Vulkan, Metal, DirectX 12): the driver for the kernels in WGSL.
//!
//! All allocations of a [`Space`] lie in one buffer, which grows by copying. An address is the
//! space's number, from 1, times 2^32, plus the offset. There is one queue; whatever is recorded is
//! submitted at once, so that everything happens in the order of the calls.

mod places;

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ::wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindGroupLayout, BindGroupLayoutDescriptor,
    BindGroupLayoutEntry, BindingType, BufferBindingType, BufferDescriptor, BufferUsages,
    CommandEncoder, ComputePipeline, DeviceType, MapMode, PipelineLayout, PipelineLayoutDescriptor,
    ShaderStages, SubmissionIndex,
};
use bytemuck::{bytes_of, cast_slice};
use warpevm_kernels::abi::{Job, Launch};
use warpevm_kernels::sources::Kernel;
use warpevm_shaders::gpu::{self, Adapter, Gpu, GpuError, Options};
use warpevm_shaders::{FIELD_DATA, Module, modules};

use self::places::Places;
use crate::backend::device::driver::{Driver, DriverError, Event, Space, Stream};
use crate::backend::device::host_side::HostSide;
use crate::backend::kernels_dir;
use crate::error::Error;
use crate::limits::{
    DEVICE_LANES_COUNT, WGPU_DISPATCHES_COUNT, WGPU_SPACE_START_BYTES, WGPU_STEPS_COUNT,
    WGPU_WAIT_SECONDS,
};

/// Names the adapter that is taken: its number, or a part of its name.
pub const ADAPTER_VAR: &str = "WARPEVM_WGPU_ADAPTER";

/// Where the job and the address of field programs stand among a kernel's arguments, and their
/// length (`bindings.wgsl`).
const JOB_AT: usize = size_of::<Launch>();
const FIELDS_AT: usize = JOB_AT + size_of::<Job>();
const ARGS_BYTES: usize = 19 * 16;
const _: () = assert!(FIELDS_AT + 8 == ARGS_BYTES);

/// Threads of a workgroup, workgroups of a row of the grid (`thread_of` of `bindings.wgsl`).
const WORKGROUP_THREADS: u32 = 64;
const ROW_WORKGROUPS: u32 = 65_535;

/// The unit of copies.
const COPY_ALIGN_BYTES: u64 = 4;

/// All adapters, in the order of their numbers.
pub fn adapters() -> Result<Vec<Adapter>, String> {
    gpu::adapters().map_err(|error| error.to_string())
}

/// The adapter with this number, else the one that the environment names, else the first.
fn choose(mut adapters: Vec<Adapter>, number: Option<i32>) -> Result<Adapter, String> {
    let named = std::env::var(ADAPTER_VAR).ok();
    let wanted = number.map(|number| number.to_string()).or(named);
    let names: Vec<String> = adapters.iter().map(ToString::to_string).collect();
    let at = pick(&names, wanted.as_deref())?;
    Ok(adapters.swap_remove(at))
}

/// Which of these names is meant: by number, or by a part of it whatever its case.
fn pick(names: &[String], wanted: Option<&str>) -> Result<usize, String> {
    let Some(wanted) = wanted else { return Ok(0) };
    let part = wanted.to_lowercase();
    let found = match wanted.parse::<usize>() {
        Ok(number) => (number < names.len()).then_some(number),
        Err(_) => names.iter().position(|name| name.to_lowercase().contains(&part)),
    };
    let list = || names.iter().enumerate().map(|(i, name)| format!("{i}: {name}"));
    found.ok_or_else(|| {
        let list: Vec<String> = list().collect();
        format!("there is no adapter '{wanted}' (--gpu, {ADAPTER_VAR}); {}", list.join("; "))
    })
}

/// What runs for a kernel, one after the other.
fn modules_of(kernel: Kernel) -> &'static [Module<'static>] {
    match kernel {
        Kernel::Run => modules::RUN,
        Kernel::Precompiles => modules::PRECOMPILES,
        Kernel::Modexp => modules::MODEXP,
        Kernel::Curves => modules::CURVES,
        Kernel::Start => &[modules::START],
        Kernel::Collect => &[modules::COLLECT],
        Kernel::Answer => &[modules::ANSWER],
        Kernel::IndexAccounts => &[modules::INDEX_ACCOUNTS],
        Kernel::IndexSlots => &[modules::INDEX_SLOTS],
        Kernel::Scatter => &[modules::SCATTER],
    }
}

/// A kernel's pipelines, or why they cannot be made.
type Pipelines = Result<Vec<ComputePipeline>, DriverError>;

/// An adapter, opened.
pub struct WgpuDriver {
    gpu: Gpu,
    bindings: BindGroupLayout,
    layout: PipelineLayout,
    /// By the kernel's number.
    pipelines: [OnceLock<Pipelines>; Kernel::ALL.len()],
    /// The longest buffer that a space can have.
    space_bytes_max: u64,
    /// Where the programs of elliptic curves lie in the space of inputs.
    fields: u32,
    inner: Mutex<WgpuState>,
}

struct Memory {
    buffer: ::wgpu::Buffer,
    places: Places,
}

struct WgpuState {
    /// By the space's number.
    memories: Vec<Memory>,
    args: ::wgpu::Buffer,
    /// Of these buffers.
    bound: Option<BindGroup>,
    streams: HashMap<u64, Queued>,
    host: HostSide,
}

/// What a stream has under way.
#[derive(Default)]
struct Queued {
    last: Option<SubmissionIndex>,
    /// Uploads wait for the next submission.
    uploads: bool,
    downloads: Vec<Download>,
}

/// A copy to the host, which goes on when the device is done.
struct Download {
    staging: ::wgpu::Buffer,
    mapped: Receiver<Result<(), ::wgpu::BufferAsyncError>>,
    to: u64,
    bytes: usize,
}

fn wrong(error: GpuError, asked: u64) -> DriverError {
    match error {
        GpuError::Memory { .. } => DriverError::OutOfMemory(asked),
        GpuError::Lost { .. } | GpuError::Timeout { .. } => DriverError::Lost(error.to_string()),
        GpuError::Shader { .. } => DriverError::Launch(error.to_string()),
        _ => DriverError::Failed(error.to_string()),
    }
}

fn no_stream() -> DriverError {
    DriverError::Failed("no such stream".to_owned())
}

fn buffer(
    gpu: &Gpu,
    what: &str,
    bytes: u64,
    usage: BufferUsages,
) -> Result<::wgpu::Buffer, DriverError> {
    let label = Some(what);
    let descriptor = BufferDescriptor { label, size: bytes, usage, mapped_at_creation: false };
    let made = gpu.checked(what, |device| device.create_buffer(&descriptor));
    made.map_err(|error| wrong(error, bytes))
}

fn space_buffer(gpu: &Gpu, space: Space, bytes: u64) -> Result<::wgpu::Buffer, DriverError> {
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
    buffer(gpu, &format!("the memory of {space:?}"), bytes, usage)
}

/// The bindings of every kernel: the arguments, then the spaces.
fn bindings(gpu: &Gpu) -> Result<BindGroupLayout, GpuError> {
    let entry = |binding: u32| BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer {
            ty: match binding {
                0 => BufferBindingType::Uniform,
                _ => BufferBindingType::Storage { read_only: false },
            },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    let entries: Vec<_> = (0..=Space::ALL.len() as u32).map(entry).collect();
    let descriptor = BindGroupLayoutDescriptor { label: Some("kernels"), entries: &entries };
    gpu.checked("the bindings", |device| device.create_bind_group_layout(&descriptor))
}

impl WgpuDriver {
    /// Opens the adapter with this number, else the one that the environment names, else the first.
    pub fn open(number: Option<i32>) -> Result<WgpuDriver, Error> {
        let adapter = adapters().and_then(|adapters| choose(adapters, number));
        let options = Options { cache: kernels_dir(), ..Default::default() };
        Self::on(&adapter.map_err(Error::NoDevice)?, &options)
    }

    /// Opens an adapter.
    pub fn on(adapter: &Adapter, options: &Options) -> Result<WgpuDriver, Error> {
        let gpu = adapter.open(options).map_err(|error| wrong(error, 0).on_opening(""))?;
        Self::prepare(gpu).map_err(|error| error.on_opening(&format!("{adapter}: ")))
    }

    fn prepare(gpu: Gpu) -> Result<WgpuDriver, DriverError> {
        let limits = gpu.device.limits();
        let longest = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        // Offsets are 32 bits.
        let space_bytes_max = longest.min(1 << 32) / 256 * 256;
        let failed = |error| wrong(error, 0);
        let bindings = bindings(&gpu).map_err(failed)?;
        let layout = gpu.checked("the layout of the kernels", |device| {
            device.create_pipeline_layout(&PipelineLayoutDescriptor {
                label: Some("kernels"),
                bind_group_layouts: &[Some(&bindings)],
                immediate_size: 0,
            })
        });
        let layout = layout.map_err(failed)?;
        let start = WGPU_SPACE_START_BYTES.min(space_bytes_max);
        let memory = |space| {
            let buffer = space_buffer(&gpu, space, start)?;
            Ok(Memory { buffer, places: Places::new(space_bytes_max) })
        };
        let memories = Space::ALL.into_iter().map(memory).collect::<Result<_, DriverError>>()?;
        let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let args = buffer(&gpu, "the arguments of kernels", ARGS_BYTES as u64, usage)?;
        let inner = WgpuState {
            memories,
            args,
            bound: None,
            streams: HashMap::new(),
            host: HostSide::default(),
        };
        let pipelines = Default::default();
        let inner = Mutex::new(inner);
        let fields = 0;
        let mut driver =
            WgpuDriver { gpu, bindings, layout, pipelines, space_bytes_max, fields, inner };
        let address = driver.alloc(Space::Input, size_of_val(&FIELD_DATA) as u64)?;
        let bytes: &[u8] = cast_slice(&FIELD_DATA);
        let (buffer, at) =
            driver.inner().place(address).map(|(buffer, at)| (buffer.clone(), at))?;
        driver.gpu.queue.write_buffer(&buffer, at, bytes);
        driver.fields = at as u32;
        Ok(driver)
    }

    fn inner(&self) -> MutexGuard<'_, WgpuState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A kernel's pipelines, compiled when they are first wanted.
    fn pipelines(&self, kernel: Kernel) -> Result<&[ComputePipeline], DriverError> {
        let made = self.pipelines[kernel as usize].get_or_init(|| {
            let make = |module| self.gpu.pipeline(module, "main", Some(&self.layout));
            let modules = modules_of(kernel);
            let made: Result<Vec<_>, GpuError> = modules.iter().map(make).collect();
            if let Err(error) = self.gpu.keep_cache() {
                tracing::warn!("the compiled shaders are not kept: {error}");
            }
            match made {
                Ok(made) if made.is_empty() => {
                    Err(DriverError::Launch(format!("{} has no shader", kernel.name())))
                }
                made => made.map_err(|error| wrong(error, 0)),
            }
        });
        made.as_deref().map_err(Clone::clone)
    }

    /// Records and submits.
    fn submit(
        &self,
        queued: &mut Queued,
        what: &str,
        record: impl FnOnce(&mut CommandEncoder),
    ) -> Result<(), DriverError> {
        let submitted = self.gpu.checked(what, |device| {
            let mut encoder = device.create_command_encoder(&Default::default());
            record(&mut encoder);
            self.gpu.queue.submit([encoder.finish()])
        });
        queued.last = Some(submitted.map_err(|error| wrong(error, 0))?);
        queued.uploads = false;
        Ok(())
    }

    /// Makes a space's buffer at least so long.
    fn grow(&self, memory: &mut Memory, space: Space, bytes: u64) -> Result<(), DriverError> {
        let has = memory.buffer.size();
        if bytes <= has {
            return Ok(());
        }
        // Twice as long, so that a slowly growing want copies seldom.
        let generous = (has * 2).clamp(bytes, self.space_bytes_max);
        let larger = match space_buffer(&self.gpu, space, generous) {
            Err(DriverError::OutOfMemory(_)) => space_buffer(&self.gpu, space, bytes)?,
            made => made?,
        };
        self.submit(&mut Queued::default(), "growing memory", |encoder| {
            encoder.copy_buffer_to_buffer(&memory.buffer, 0, &larger, 0, has);
        })?;
        memory.buffer = larger;
        Ok(())
    }

    /// Waits until what a stream submitted is done.
    fn wait(&self, last: Option<SubmissionIndex>) -> Result<(), DriverError> {
        let Some(last) = last else { return Ok(()) };
        let time = Duration::from_secs(WGPU_WAIT_SECONDS);
        self.gpu.wait(Some(last), Some(time)).map_err(|error| wrong(error, 0))
    }

    /// Submits what a stream has not; gives its last submission.
    fn flush(
        &self,
        inner: &mut WgpuState,
        stream: Stream,
    ) -> Result<Option<SubmissionIndex>, DriverError> {
        let queued = inner.streams.get_mut(&stream.0).ok_or_else(no_stream)?;
        if queued.uploads {
            self.submit(queued, "uploads", |_| {})?;
        }
        Ok(queued.last.clone())
    }
}

impl WgpuState {
    /// The buffer and offset of an address.
    fn place(&self, address: u64) -> Result<(&::wgpu::Buffer, u64), DriverError> {
        let number = (address >> 32).wrapping_sub(1);
        match usize::try_from(number).ok().and_then(|number| self.memories.get(number)) {
            Some(memory) => Ok((&memory.buffer, address & u64::from(u32::MAX))),
            None => Err(DriverError::Failed(format!("address {address:#x} is in no space"))),
        }
    }

    /// The buffers as kernels get them.
    fn bind(&mut self, gpu: &Gpu, layout: &BindGroupLayout) -> Result<BindGroup, DriverError> {
        if let Some(bound) = &self.bound {
            return Ok(bound.clone());
        }
        let buffers = std::iter::once(&self.args).chain(self.memories.iter().map(|m| &m.buffer));
        let numbered = buffers.zip(0..);
        let entries: Vec<BindGroupEntry<'_>> = numbered
            .map(|(buffer, binding)| BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let descriptor = BindGroupDescriptor { label: Some("kernels"), layout, entries: &entries };
        let bound = gpu.checked("binding buffers", |device| device.create_bind_group(&descriptor));
        let bound = bound.map_err(|error| wrong(error, 0))?;
        self.bound = Some(bound.clone());
        Ok(bound)
    }
}

impl Driver for WgpuDriver {
    fn name(&self) -> String {
        self.gpu.adapter.to_string()
    }

    fn lanes(&self) -> usize {
        match self.gpu.adapter.info.device_type {
            // It has no time of its own: lanes would take it from each other.
            DeviceType::Cpu => 1,
            _ => DEVICE_LANES_COUNT,
        }
    }

    fn compact_codes(&self) -> bool {
        true
    }

    fn free_bytes(&self) -> Result<u64, DriverError> {
        Ok(self.inner().memories[Space::Instances as usize].places.room())
    }

    fn stream(&self) -> Result<Stream, DriverError> {
        let mut inner = self.inner();
        let stream = inner.host.number();
        inner.streams.insert(stream, Queued::default());
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

    /// Waits until the stream is there: the clock is the host's.
    fn record(&self, event: Event, stream: Stream) -> Result<(), DriverError> {
        let last = self.flush(&mut self.inner(), stream)?;
        self.wait(last)?;
        self.inner().host.pass(event);
        Ok(())
    }

    fn elapsed(&self, from: Event, to: Event) -> Result<f32, DriverError> {
        self.inner().host.elapsed(from, to)
    }

    fn alloc(&self, space: Space, bytes: u64) -> Result<u64, DriverError> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        let memory = &mut inner.memories[space as usize];
        let at = memory.places.take(bytes).ok_or(DriverError::OutOfMemory(bytes))?;
        let before = memory.buffer.size();
        let end = memory.places.end();
        if let Err(error) = self.grow(memory, space, end) {
            memory.places.give(at);
            return Err(error);
        }
        if memory.buffer.size() != before {
            inner.bound = None;
        }
        Ok((space as u64 + 1) << 32 | at)
    }

    unsafe fn free(&self, address: u64) {
        let mut inner = self.inner();
        let number = (address >> 32).wrapping_sub(1) as usize;
        if let Some(memory) = inner.memories.get_mut(number) {
            memory.places.give(address & u64::from(u32::MAX));
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
        // SAFETY: by the caller's promise.
        let data = unsafe { std::slice::from_raw_parts(from, bytes) };
        let mut inner = self.inner();
        let (buffer, at) = inner.place(to)?;
        let (whole, rest) = data.split_at(bytes - bytes % COPY_ALIGN_BYTES as usize);
        let mut last = [0; COPY_ALIGN_BYTES as usize];
        last[..rest.len()].copy_from_slice(rest);
        let copied = self.gpu.checked("an upload", |_| {
            if !whole.is_empty() {
                self.gpu.queue.write_buffer(buffer, at, whole);
            }
            if !rest.is_empty() {
                self.gpu.queue.write_buffer(buffer, at + whole.len() as u64, &last);
            }
        });
        copied.map_err(|error| wrong(error, bytes as u64))?;
        inner.streams.get_mut(&stream.0).ok_or_else(no_stream)?.uploads = true;
        Ok(())
    }

    unsafe fn download(
        &self,
        stream: Stream,
        to: *mut u8,
        from: u64,
        bytes: usize,
    ) -> Result<(), DriverError> {
        if bytes == 0 {
            return Ok(());
        }
        let len = (bytes as u64).next_multiple_of(COPY_ALIGN_BYTES);
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let staging = buffer(&self.gpu, "a download", len, usage)?;
        let mut inner = self.inner();
        let (source, at) = inner.place(from)?;
        let source = source.clone();
        let queued = inner.streams.get_mut(&stream.0).ok_or_else(no_stream)?;
        self.submit(queued, "a download", |encoder| {
            encoder.copy_buffer_to_buffer(&source, at, &staging, 0, len);
        })?;
        let (told, mapped) = channel();
        // Whoever waits may be gone.
        staging.map_async(MapMode::Read, .., move |result| drop(told.send(result)));
        queued.downloads.push(Download { staging, mapped, to: to as u64, bytes });
        Ok(())
    }

    unsafe fn zero(&self, stream: Stream, at: u64, bytes: u64) -> Result<(), DriverError> {
        let mut inner = self.inner();
        let (buffer, offset) = inner.place(at)?;
        let buffer = buffer.clone();
        let queued = inner.streams.get_mut(&stream.0).ok_or_else(no_stream)?;
        let len = bytes.next_multiple_of(COPY_ALIGN_BYTES);
        self.submit(queued, "clearing memory", |encoder| {
            encoder.clear_buffer(&buffer, offset, Some(len));
        })
    }

    unsafe fn launch(
        &self,
        stream: Stream,
        kernel: Kernel,
        launch: &Launch,
        job: &Job,
    ) -> Result<(), DriverError> {
        if job.count == 0 {
            return Ok(());
        }
        let pipelines = self.pipelines(kernel)?;
        let (mut launch, mut times) = (*launch, 1);
        if kernel == Kernel::Run {
            let budget = launch.step_budget.max(1);
            launch.step_budget = budget.min(WGPU_STEPS_COUNT);
            times = budget.div_ceil(launch.step_budget).min(WGPU_DISPATCHES_COUNT);
        }
        let mut args = [0; ARGS_BYTES];
        args[..size_of::<Launch>()].copy_from_slice(bytes_of(&launch));
        args[JOB_AT..][..size_of::<Job>()].copy_from_slice(bytes_of(job));
        args[FIELDS_AT..][..4].copy_from_slice(bytes_of(&self.fields));
        let groups = job.count.div_ceil(WORKGROUP_THREADS);
        let (columns, rows) = (groups.min(ROW_WORKGROUPS), groups.div_ceil(ROW_WORKGROUPS));
        let mut inner = self.inner();
        let bound = inner.bind(&self.gpu, &self.bindings)?;
        let target = inner.args.clone();
        let queued = inner.streams.get_mut(&stream.0).ok_or_else(no_stream)?;
        for time in 0..times {
            for pipeline in pipelines {
                self.submit(queued, kernel.name(), |encoder| {
                    if time == 0 {
                        self.gpu.queue.write_buffer(&target, 0, &args);
                    }
                    let mut pass = encoder.begin_compute_pass(&Default::default());
                    pass.set_pipeline(pipeline);
                    pass.set_bind_group(0, &bound, &[]);
                    pass.dispatch_workgroups(columns, rows, 1);
                })?;
            }
        }
        Ok(())
    }

    fn synchronize(&self, stream: Stream) -> Result<(), DriverError> {
        let mut inner = self.inner();
        let last = self.flush(&mut inner, stream)?;
        let queued = inner.streams.get_mut(&stream.0).ok_or_else(no_stream)?;
        let downloads = std::mem::take(&mut queued.downloads);
        drop(inner);
        self.wait(last)?;
        for download in downloads {
            let Download { staging, mapped, to, bytes } = download;
            let failed = |why: String| DriverError::Failed(format!("a download: {why}"));
            let told = mapped.recv_timeout(Duration::from_secs(WGPU_WAIT_SECONDS));
            told.map_err(|error| failed(error.to_string()))?
                .map_err(|error| failed(error.to_string()))?;
            let view = staging.get_mapped_range(..).map_err(|error| failed(error.to_string()))?;
            // SAFETY: whoever queued it promised that the range is valid until now.
            let target = unsafe { std::slice::from_raw_parts_mut(to as *mut u8, bytes) };
            target.copy_from_slice(&view[..bytes]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_is_named_by_number_or_part_of_its_name() {
        let names = ["Quick GPU (Vulkan)".to_owned(), "llvmpipe (Vulkan)".to_owned()];
        assert_eq!(pick(&names, None), Ok(0));
        assert_eq!(pick(&names, Some("1")), Ok(1));
        assert_eq!(pick(&names, Some("LLVM")), Ok(1));
        for wrong in ["2", "Metal", "-1"] {
            let error = pick(&names, Some(wrong)).expect_err("no such adapter");
            assert!(error.contains(wrong) && error.contains("1: llvmpipe"), "{error}");
        }
    }
}
