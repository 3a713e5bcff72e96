//! Tests on a device: each runs in a process of its own, since a shader that does not end hangs
//! the driver, and whoever waits for it.

#![allow(dead_code, reason = "each test uses its part")]

use warpevm_shaders::gpu::{Gpu, GpuError, Options, adapters};
use wgpu::{BufferUsages, ComputePipeline};

#[path = "../../../tests/src/child.rs"]
pub mod child;
#[path = "../../../tests/src/skip.rs"]
pub mod skip;

use skip::Skip;

/// Runs `body` on the first adapter, at WebGPU's default limits, in a process of its own. `test`
/// is the name of the calling test.
pub fn on_device(test: &str, body: impl FnOnce(&Gpu)) {
    if !child::is_child() {
        return child::run(test, env!("CARGO_TARGET_TMPDIR"));
    }
    let adapter = match adapters() {
        Ok(adapters) => adapters.into_iter().next().expect("at least one"),
        Err(error) => return skip::skip(test, &Skip(error.to_string())),
    };
    println!("{test}: {adapter}");
    if adapter.info.driver == "llvmpipe" {
        let version = adapter.info.driver_info.strip_prefix("Mesa ").and_then(|version| {
            version.split('.').next().and_then(|major| major.parse::<u32>().ok())
        });
        assert!(version >= Some(25), "{adapter} is older than Mesa 25, which gets ops wrong");
    }
    let options = Options { default_limits: true, cache: None };
    let gpu = adapter.open(&options).unwrap_or_else(|error| panic!("{error}"));
    body(&gpu);
    gpu.health().unwrap_or_else(|error| panic!("{error}"));
}

/// Panics with the error's text.
pub fn must<T>(result: Result<T, GpuError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// Runs an entry point over `count` invocations, 64 to a workgroup. Binding 0 is a uniform with
/// `which`, 1 and on are `inputs`; the last binding gets a buffer of `result_bytes`, which is
/// returned.
pub fn run(
    gpu: &Gpu,
    pipeline: &ComputePipeline,
    which: [u32; 4],
    inputs: &[&[u8]],
    count: usize,
    result_bytes: usize,
) -> Vec<u8> {
    let result = must(gpu.checked("a test's run", |device| {
        let buffer = |bytes: &[u8], usage| {
            let size = bytes.len().next_multiple_of(4) as u64;
            let descriptor = wgpu::BufferDescriptor {
                label: None,
                size,
                usage: usage | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            };
            let buffer = device.create_buffer(&descriptor);
            let mut padded = bytes.to_vec();
            padded.resize(size as usize, 0);
            gpu.queue.write_buffer(&buffer, 0, &padded);
            buffer
        };
        let which: Vec<u8> = which.iter().flat_map(|x| x.to_le_bytes()).collect();
        let mut buffers = vec![buffer(&which, BufferUsages::UNIFORM)];
        buffers.extend(inputs.iter().map(|bytes| buffer(bytes, BufferUsages::STORAGE)));
        let results = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: result_bytes as u64,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let readback = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: result_bytes as u64,
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        buffers.push(results.clone());
        let entries: Vec<_> = buffers
            .iter()
            .zip(0..)
            .map(|(buffer, binding)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut encoder = device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(count.div_ceil(64) as u32, 1, 1);
        drop(pass);
        encoder.copy_buffer_to_buffer(&results, 0, &readback, 0, result_bytes as u64);
        gpu.queue.submit([encoder.finish()]);
        // A failure is that of an earlier call, or of `get_mapped_range`.
        readback.map_async(wgpu::MapMode::Read, .., |_| ());
        readback
    }));
    must(gpu.wait(None, None));
    result.get_mapped_range(..).expect("mapped").to_vec()
}
