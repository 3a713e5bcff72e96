//! Tests on a device: each runs in a process of its own, since a shader that does not end hangs
//! the driver, and whoever waits for it.

#![allow(dead_code, reason = "each test uses its part")]

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use warpevm_shaders::gpu::{Gpu, GpuError, Options, adapters};
use wgpu::{BufferUsages, ComputePipeline};

#[path = "../../../tests/src/fixtures.rs"]
pub mod fixtures;

use fixtures::Skip;

/// Set in the process that runs the test.
const CHILD_VAR: &str = "WARPEVM_DEVICE_TEST";
/// What a test may take, on a busy machine and with cold caches.
const TIMEOUT: Duration = Duration::from_secs(400);

/// Runs `body` on the first adapter, at WebGPU's default limits, in a process of its own. `test`
/// is the name of the calling test.
pub fn on_device(test: &str, body: impl FnOnce(&Gpu)) {
    if !is_child() {
        return in_child(test, TIMEOUT).unwrap_or_else(|error| panic!("{error}"));
    }
    let adapter = match adapters() {
        Ok(adapters) => adapters.into_iter().next().expect("at least one"),
        Err(error) => return fixtures::skip(test, &Skip(error.to_string())),
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

/// Whether this is the process of one test.
pub fn is_child() -> bool {
    std::env::var_os(CHILD_VAR).is_some()
}

/// Starts this program again for one test; prints what it said.
pub fn in_child(test: &str, timeout: Duration) -> Result<(), String> {
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "{}-{}.out",
        test.replace("::", "-"),
        std::process::id()
    ));
    let file = File::create(&output).expect("the folder for temporary files can be written");
    let mut child = Command::new(std::env::current_exe().expect("the test's own program"))
        .args([test, "--exact", "--nocapture"])
        .env(CHILD_VAR, "1")
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("a second handle"))
        .stderr(file)
        .spawn()
        .expect("the test's own program starts");
    let start = Instant::now();
    let status = loop {
        match child.try_wait().expect("the child can be waited for") {
            Some(status) => break Some(status),
            None if start.elapsed() > timeout => {
                child.kill().expect("the child can be killed");
                child.wait().expect("the child can be waited for");
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let said = std::fs::read(&output).expect("what the child wrote can be read");
    let said = String::from_utf8_lossy(&said);
    std::fs::remove_file(&output).expect("what the child wrote can be removed");
    println!("{said}");
    match status {
        None => Err(format!("{test} did not end within {timeout:?}")),
        Some(status) if !status.success() => Err(format!("{test} failed: {status}")),
        Some(_) if !said.contains("1 passed") => Err(format!("no test has the name {test}")),
        Some(_) => Ok(()),
    }
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
