//! `warpevm devices`: what this build can run on.

use super::output::line;
use serde_json::{Value, json};
use std::thread::available_parallelism;
use warpevm::backend::cuda::real;
use warpevm::backend::wgpu::adapters;
use warpevm_kernels::nvrtc::Nvrtc;
use warpevm_shaders::gpu::Adapter;

/// What `--help` ends with.
pub(crate) const EXAMPLES: &str = "Examples:
  warpevm devices
  warpevm devices --json | jq '.devices[].name'";

/// SIMD instruction sets of this CPU that matter to the kernels' compiler.
fn simd() -> Vec<&'static str> {
    #[allow(unused_mut, reason = "empty on other architectures")]
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! probe {
            ($($name:tt),*) => {
                $(if std::is_x86_feature_detected!($name) { found.push($name); })*
            };
        }
        probe!("sse4.2", "bmi2", "adx", "avx2", "avx512f", "sha");
    }
    #[cfg(target_arch = "aarch64")]
    found.push("neon");
    found
}

/// An adapter of wgpu and the limits that matter.
fn adapter(number: usize, adapter: &Adapter) -> Value {
    let (info, limits) = (&adapter.info, &adapter.limits);
    json!({"backend": "wgpu", "gpu": number, "name": info.name,
        "api": info.backend.to_string(), "type": format!("{:?}", info.device_type),
        "driver": info.driver, "driver_info": info.driver_info,
        "buffer_bytes": limits.max_buffer_size,
        "binding_bytes": limits.max_storage_buffer_binding_size,
        "storage_buffers": limits.max_storage_buffers_per_shader_stage,
        "workgroups_per_dimension": limits.max_compute_workgroups_per_dimension,
        "workgroup_threads": limits.max_compute_invocations_per_workgroup})
}

/// The names of the GPUs.
pub(crate) fn gpu_names() -> Vec<String> {
    real::gpus().unwrap_or_default().into_iter().map(|gpu| gpu.name).collect()
}

/// Lists the devices.
pub(crate) fn devices(json: bool) -> anyhow::Result<bool> {
    let threads = available_parallelism().map_or(1, usize::from);
    let gpus = real::gpus();
    let adapters = adapters();
    let nvrtc = Nvrtc::load().map(|nvrtc| nvrtc.version()).map_err(|error| error.to_string());
    let (arch, simd) = (std::env::consts::ARCH, simd());
    if json {
        let cpu = json!({"backend": "cpu", "threads": threads, "arch": arch, "simd": simd});
        let gpu = |gpu: &real::GpuInfo| {
            json!({"backend": "cuda", "gpu": gpu.ordinal, "name": gpu.name, "sm": gpu.arch,
                "memory_bytes": gpu.memory_bytes, "multiprocessors": gpu.multiprocessors})
        };
        let mut devices = vec![cpu];
        devices.extend(gpus.iter().flatten().map(gpu));
        let found = adapters.iter().flatten().enumerate();
        devices.extend(found.map(|(number, found)| adapter(number, found)));
        let missing: Vec<&String> =
            gpus.as_ref().err().into_iter().chain(nvrtc.as_ref().err()).collect();
        let object = json!({"devices": devices, "cuda_lacks": missing,
            "wgpu_lacks": adapters.err()});
        line(object.to_string())?;
        return Ok(true);
    }
    let simd = simd.join(" ");
    line(format!("cpu: the kernels compiled for {arch} ({simd}), {threads} threads"))?;
    for gpu in gpus.iter().flatten() {
        let (name, arch, count) = (&gpu.name, gpu.arch, gpu.multiprocessors);
        let gib = gpu.memory_bytes >> 30;
        line(format!(
            "cuda {}: {name}, sm_{arch}, {count} multiprocessors, {gib} GiB",
            gpu.ordinal
        ))?;
    }
    if let Err(reason) = &gpus {
        line(format!("cuda: {reason}"))?;
    }
    match &nvrtc {
        Ok(version) => line(format!("cuda: kernels are compiled by NVRTC {version}"))?,
        Err(reason) => line(format!("cuda: {reason}"))?,
    }
    for (number, adapter) in adapters.iter().flatten().enumerate() {
        let mib = adapter.limits.max_storage_buffer_binding_size >> 20;
        line(format!("wgpu {number}: {adapter}, bindings of up to {mib} MiB"))?;
    }
    if let Err(reason) = &adapters {
        line(format!("wgpu: {reason}"))?;
    }
    Ok(true)
}
