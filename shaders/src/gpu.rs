//! Devices through wgpu: adapters, opening one, pipelines and their cache, errors.
//!
//! wgpu reports most failures aside from the call that made them, and panics where nobody listens.
//! Here each becomes a [`GpuError`] of the call: see [`Gpu::checked`], [`Gpu::health`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, fs, io};

use pollster::block_on;
use wgpu::{Device, DeviceType, ErrorFilter, Features, Limits, PipelineCache, Queue};

use crate::Module;

/// What a device could not do, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GpuError {
    /// There is nothing to run shaders on.
    #[error(
        "no adapter: neither a GPU with a driver for Vulkan, Metal or DirectX 12 was found, nor a \
         driver for Vulkan that runs on the CPU (docs/TESTING.md says how to get it)"
    )]
    NoAdapter,
    /// An adapter cannot be opened.
    #[error("{adapter} cannot be opened: {cause}")]
    Open {
        /// Its name, backend and driver.
        adapter: String,
        /// What wgpu said, or the limit that it lacks.
        cause: String,
    },
    /// A module is not valid, or the driver refuses it.
    #[error("{module} cannot be compiled, {place}: {cause}")]
    Shader {
        /// The module's name.
        module: String,
        /// File and line, or the entry point.
        place: String,
        /// What wgpu said.
        cause: String,
    },
    /// A call that wgpu refuses.
    #[error("{what}: {cause}")]
    Refused {
        /// What was wanted.
        what: String,
        /// What wgpu said.
        cause: String,
    },
    /// The device has no memory left.
    #[error("{what}: the device has no memory left")]
    Memory {
        /// What was wanted.
        what: String,
    },
    /// What was submitted is not done after the time given.
    #[error("{adapter} is not done after {after:?}")]
    Timeout {
        /// Name, backend and driver of the adapter.
        adapter: String,
        /// The time given.
        after: Duration,
    },
    /// The device is gone; everything on it, too.
    #[error("{adapter} is lost: {cause}")]
    Lost {
        /// Name, backend and driver of the adapter.
        adapter: String,
        /// What wgpu said.
        cause: String,
    },
}

/// Something that shaders can run on.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Name, backend, type, driver.
    pub info: wgpu::AdapterInfo,
    /// What it offers at most.
    pub limits: Limits,
    adapter: wgpu::Adapter,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = &self.info;
        let kind = format!("{:?}", info.device_type).to_lowercase();
        write!(f, "{} ({}, {kind}, {} {})", info.name, info.backend, info.driver, info.driver_info)
    }
}

/// All adapters, the faster kinds first; at least one. The variables of wgpu (`WGPU_BACKEND`) and
/// of the Vulkan loader (`VK_DRIVER_FILES`) choose among them.
pub fn adapters() -> Result<Vec<Adapter>, GpuError> {
    let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: backends.with_env(),
        // No layers of the driver's: debug builds would ask for them.
        flags: wgpu::InstanceFlags::VALIDATION_INDIRECT_CALL,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let found = block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let mut adapters: Vec<Adapter> = found
        .into_iter()
        .map(|adapter| Adapter { info: adapter.get_info(), limits: adapter.limits(), adapter })
        .collect();
    adapters.sort_by_key(|adapter| match adapter.info.device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    });
    if adapters.is_empty() { Err(GpuError::NoAdapter) } else { Ok(adapters) }
}

/// How a device is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Stay at WebGPU's default limits, also where the adapter has larger buffers.
    pub default_limits: bool,
    /// A folder for compiled pipelines, for adapters that let them be kept.
    pub cache: Option<PathBuf>,
}

/// The limits of a device: WebGPU's defaults, but for the sizes of buffers and of their bindings.
fn wanted_limits(adapter: &Limits, options: &Options) -> Limits {
    let mut limits = Limits::default();
    if !options.default_limits {
        limits.max_buffer_size = adapter.max_buffer_size.max(limits.max_buffer_size);
        limits.max_storage_buffer_binding_size =
            adapter.max_storage_buffer_binding_size.max(limits.max_storage_buffer_binding_size);
    }
    limits
}

impl Adapter {
    /// Opens it.
    pub fn open(&self, options: &Options) -> Result<Gpu, GpuError> {
        let failed = |cause: String| GpuError::Open { adapter: self.to_string(), cause };
        let limits = wanted_limits(&self.limits, options);
        let mut lacks = Vec::new();
        limits.check_limits_with_fail_fn(&self.limits, false, |name, wanted, has| {
            lacks.push(format!("{name} is {has}, must be {wanted}"));
        });
        if !lacks.is_empty() {
            return Err(failed(lacks.join("; ")));
        }
        let features = self.adapter.features() & Features::PIPELINE_CACHE;
        let (device, queue) = block_on(self.adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("warpevm"),
            required_features: features,
            required_limits: limits,
            // Few buffers, and large ones: no blocks to share.
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        }))
        .map_err(|error| failed(error.to_string()))?;

        let fault = Fault::default();
        let lost = fault.clone();
        device.set_device_lost_callback(move |reason, message| {
            lost.set(format!("{reason:?}: {message}"));
        });
        let stray = fault.clone();
        device.on_uncaptured_error(Arc::new(move |error| stray.set(error.to_string())));

        let cache_file = options
            .cache
            .as_ref()
            .filter(|_| !features.is_empty())
            .and_then(|dir| Some(dir.join(wgpu::util::pipeline_cache_key(&self.info)?)));
        let mut gpu = Gpu { adapter: self.clone(), device, queue, fault, cache: None, cache_file };
        if let Some(file) = &gpu.cache_file {
            // A cache that cannot be used is no failure.
            gpu.cache = gpu.checked("the cache of pipelines", |d| open_cache(d, file)).ok();
        }
        gpu.health()?;
        Ok(gpu)
    }
}

fn open_cache(device: &Device, file: &Path) -> PipelineCache {
    let data = fs::read(file).ok();
    let descriptor = wgpu::PipelineCacheDescriptor {
        label: Some("warpevm"),
        data: data.as_deref(),
        fallback: true,
    };
    // SAFETY: files of this name are written by `Gpu::keep_cache` alone, whole, with what
    // `get_data` gave; wgpu and the driver check that they are of the same device and driver.
    unsafe { device.create_pipeline_cache(&descriptor) }
}

/// Writes a file whole or not at all: under a name of its own first.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    let partial = file.with_extension(format!("{}.partial", std::process::id()));
    fs::write(&partial, bytes)?;
    fs::rename(&partial, file)
}

/// The first failure that no call returned.
#[derive(Clone, Debug, Default)]
struct Fault(Arc<Mutex<Option<String>>>);

impl Fault {
    fn set(&self, cause: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
    }

    fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An open device.
#[derive(Debug)]
pub struct Gpu {
    /// What it was opened from.
    pub adapter: Adapter,
    /// wgpu's device. Calls that can fail go through [`Gpu::checked`].
    pub device: Device,
    /// Its only queue.
    pub queue: Queue,
    fault: Fault,
    cache: Option<PipelineCache>,
    cache_file: Option<PathBuf>,
}

impl Gpu {
    fn lost(&self, cause: String) -> GpuError {
        GpuError::Lost { adapter: self.adapter.to_string(), cause }
    }

    /// Whether the device is still there and no call failed unseen.
    pub fn health(&self) -> Result<(), GpuError> {
        self.fault.get().map_or(Ok(()), |cause| Err(self.lost(cause)))
    }

    /// Runs `call`; an error that wgpu notes meanwhile is returned.
    pub fn checked<T>(&self, what: &str, call: impl FnOnce(&Device) -> T) -> Result<T, GpuError> {
        let filters = [ErrorFilter::Internal, ErrorFilter::OutOfMemory, ErrorFilter::Validation];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let made = call(&self.device);
        // They are popped in reverse, all of them. The first error is a validation error, if any.
        let errors: Vec<wgpu::Error> =
            scopes.into_iter().rev().filter_map(|scope| block_on(scope.pop())).collect();
        self.health()?;
        let what = what.to_owned();
        match errors.into_iter().next() {
            None => Ok(made),
            Some(wgpu::Error::OutOfMemory { .. }) => Err(GpuError::Memory { what }),
            Some(error) => Err(GpuError::Refused { what, cause: error.to_string() }),
        }
    }

    /// Compiles the entry point `entry` of a module. Without a layout the pipeline has that of the
    /// bindings it uses.
    pub fn pipeline(
        &self,
        module: &Module<'_>,
        entry: &str,
        layout: Option<&wgpu::PipelineLayout>,
    ) -> Result<wgpu::ComputePipeline, GpuError> {
        let failed = |place: String, error| match error {
            GpuError::Refused { cause, .. } => {
                GpuError::Shader { module: module.name.to_owned(), place, cause }
            }
            other => other,
        };
        let mut place = String::from("unknown place");
        let shader = self
            .checked(module.name, |device| {
                let shader = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                    label: Some(module.name),
                    source: wgpu::ShaderSource::Wgsl(module.source().into()),
                });
                let info = block_on(shader.get_compilation_info());
                if let Some(at) = info.messages.iter().find_map(|message| message.location) {
                    place = module.place(at.line_number as usize);
                }
                shader
            })
            .map_err(|error| failed(place, error))?;
        self.checked(module.name, |device| {
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(module.name),
                layout,
                module: &shader,
                entry_point: Some(entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // Nobody reads workgroup memory that it did not write.
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: self.cache.as_ref(),
            })
        })
        .map_err(|error| failed(format!("entry point {entry}"), error))
    }

    /// Keeps compiled pipelines for later processes, where the adapter can; whether it did.
    pub fn keep_cache(&self) -> io::Result<bool> {
        let (Some(file), Some(cache)) = (&self.cache_file, &self.cache) else { return Ok(false) };
        let Some(data) = cache.get_data() else { return Ok(false) };
        write(file, &data).map(|()| true)
    }

    /// Waits for a submission, or for all so far, and runs the callbacks of what is done.
    pub fn wait(
        &self,
        submission: Option<wgpu::SubmissionIndex>,
        timeout: Option<Duration>,
    ) -> Result<(), GpuError> {
        let poll = wgpu::PollType::Wait { submission_index: submission, timeout };
        // wgpu panics where the driver reports a lost device.
        let polled = catch_unwind(AssertUnwindSafe(|| self.device.poll(poll)));
        self.health()?;
        match (polled, timeout) {
            (Ok(Ok(_)), _) => Ok(()),
            (Ok(Err(wgpu::PollError::Timeout)), Some(after)) => {
                Err(GpuError::Timeout { adapter: self.adapter.to_string(), after })
            }
            (Ok(Err(error)), _) => Err(self.lost(error.to_string())),
            (Err(_), _) => Err(self.lost("waiting for it failed".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_the_defaults_but_for_the_sizes_of_buffers() {
        let adapter = Limits {
            max_buffer_size: 1 << 40,
            max_storage_buffer_binding_size: 1 << 31,
            max_bind_groups: 100,
            ..Limits::default()
        };
        let at_defaults = Options { default_limits: true, ..Options::default() };
        assert_eq!(wanted_limits(&adapter, &at_defaults), Limits::default());
        let raised = wanted_limits(&adapter, &Options::default());
        assert_eq!(raised.max_buffer_size, 1 << 40);
        assert_eq!(raised.max_storage_buffer_binding_size, 1 << 31);
        assert_eq!(raised.max_bind_groups, Limits::default().max_bind_groups);
    }
}
