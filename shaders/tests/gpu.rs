//! Devices through wgpu: what they offer, and that failures are errors which name their cause.

#![allow(missing_docs, reason = "a test crate has no readers of its documentation")]

mod common;

use std::time::Duration;

use warpevm_shaders::gpu::{GpuError, Options};
use warpevm_shaders::{File, Module};
use wgpu::Limits;

use common::child::{is_child, run_for};
use common::{must, on_device, run};

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
const GOOD: File<'static> = File { name: "good.wgsl", text: "fn unused() {}\n" };

#[test]
fn modules_that_are_not_valid_name_file_and_line() {
    on_device("modules_that_are_not_valid_name_file_and_line", |gpu| {
        let compile = |text, entry| {
            let files = [GOOD, File { name: "bad.wgsl", text }];
            let module = Module { name: "a module", files: &files };
            gpu.pipeline(&module, entry, None).unwrap_err().to_string()
        };
        let error = compile("fn f() {\n    let x: u32 = 1.5;\n}\n", "main");
        assert!(error.starts_with("a module cannot be compiled, bad.wgsl:2:"), "{error}");
        assert!(error.contains("expected to be `u32`"), "{error}");
        let error = compile("\n\nfn f(x: u32) -> f32 {\n    return f32(x) + x;\n}\n", "main");
        // What the validator refuses is in this function.
        assert!(error.starts_with("a module cannot be compiled, bad.wgsl:3:"), "{error}");
        let main = "@compute @workgroup_size(9999) fn main() {}\n";
        let error = compile(main, "other");
        assert!(error.contains("entry point other"), "{error}");
        assert!(error.contains("Unable to find entry point 'other'"), "{error}");
        let error = compile(main, "main");
        assert!(error.contains("entry point main") && error.contains("9999"), "{error}");
        // And goes on.
        let good = "@compute @workgroup_size(64) fn main() {}\n";
        let files = [GOOD, File { name: "bad.wgsl", text: good }];
        must(gpu.pipeline(&Module { name: "a module", files: &files }, "main", None));
    });
}

#[test]
fn what_is_refused_is_an_error_of_the_call() {
    on_device("what_is_refused_is_an_error_of_the_call", |gpu| {
        let buffer = |size| {
            gpu.checked("a buffer", |device| {
                device.create_buffer(&wgpu::BufferDescriptor {
                    label: None,
                    size,
                    usage: wgpu::BufferUsages::STORAGE,
                    mapped_at_creation: false,
                })
            })
        };
        must(buffer(1 << 20));
        let error = buffer(gpu.device.limits().max_buffer_size + 4).unwrap_err();
        assert!(matches!(&error, GpuError::Refused { what, .. } if what == "a buffer"), "{error}");
        must(gpu.health());
    });
}

#[test]
fn limits_are_what_was_asked_for() {
    on_device("limits_are_what_was_asked_for", |gpu| {
        assert_eq!(gpu.device.limits(), Limits::default());
        let raised = must(gpu.adapter.open(&Options::default())).device.limits();
        let adapter = &gpu.adapter.limits;
        assert_eq!(raised.max_buffer_size, adapter.max_buffer_size);
        let binding = adapter.max_storage_buffer_binding_size;
        assert_eq!(raised.max_storage_buffer_binding_size, binding);
        // An adapter that lacks something is refused by name.
        let mut poor = gpu.adapter.clone();
        poor.limits.max_storage_buffers_per_shader_stage = 4;
        let error = poor.open(&Options::default()).unwrap_err().to_string();
        assert!(error.contains("max_storage_buffers_per_shader_stage is 4, must be 8"), "{error}");
    });
}

#[test]
fn a_lost_device_is_an_error() {
    on_device("a_lost_device_is_an_error", |first| {
        let gpu = must(first.adapter.open(&Options::default()));
        must(gpu.wait(None, None));
        gpu.device.destroy();
        let module = Module { name: "a module", files: &[GOOD] };
        let errors = [
            gpu.wait(None, Some(Duration::from_secs(1))).unwrap_err(),
            gpu.health().unwrap_err(),
            gpu.pipeline(&module, "main", None).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, GpuError::Lost { .. }), "{error}");
        }
    });
}

#[test]
fn compiled_pipelines_are_kept() {
    on_device("compiled_pipelines_are_kept", |first| {
        let folder = std::env::temp_dir().join(format!("warpevm-pipelines-{}", std::process::id()));
        let options = Options { cache: Some(folder.join("pipelines")), ..Options::default() };
        let text = "@group(0) @binding(0) var<uniform> which: vec4<u32>;
            @group(0) @binding(1) var<storage, read_write> results: array<u32>;
            @compute @workgroup_size(64) fn main() { results[0] = which.x + 1u; }\n";
        let files = [File { name: "one.wgsl", text }];
        for round in 0..3 {
            let gpu = must(first.adapter.open(&options));
            let module = Module { name: "one", files: &files };
            let pipeline = must(gpu.pipeline(&module, "main", None));
            let got = run(&gpu, &pipeline, [round, 0, 0, 0], &[], 1, 4);
            assert_eq!(got, (round + 1).to_le_bytes());
            let has_cache = gpu.device.features().contains(wgpu::Features::PIPELINE_CACHE);
            assert_eq!(gpu.keep_cache().expect("the folder can be written"), has_cache);
            if !has_cache {
                return println!("this adapter keeps none");
            }
            let mut files = std::fs::read_dir(folder.join("pipelines")).expect("the folder");
            let file = files.next().expect("a file").expect("a file").path();
            assert!(files.next().is_none(), "one file, and no partial one");
            assert_ne!(std::fs::read(&file).expect("the file").len(), 0);
            if round == 1 {
                std::fs::write(&file, b"half a file").expect("written");
            }
        }
        std::fs::remove_dir_all(folder).expect("removed");
    });
}

#[test]
fn a_test_that_does_not_end_is_killed() {
    if is_child() {
        std::thread::sleep(Duration::from_secs(600));
    }
    let timeout = Duration::from_millis(500);
    let error = run_for("a_test_that_does_not_end_is_killed", FOLDER, timeout).unwrap_err();
    assert!(error.contains("did not end within 500ms"), "{error}");
}

#[test]
fn a_test_that_fails_in_its_process_fails() {
    if is_child() {
        panic!("on purpose");
    }
    let timeout = Duration::from_secs(60);
    let error = run_for("a_test_that_fails_in_its_process_fails", FOLDER, timeout).unwrap_err();
    assert!(error.contains("failed"), "{error}");
    assert!(run_for("no_such_test", FOLDER, timeout).unwrap_err().contains("no test has the name"));
}
