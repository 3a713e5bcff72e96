//! An instrumented build ([`warpevm_kernels::SANITIZED`]) reports errors that are planted on
//! purpose, each in a process of its own: a run that does not report these would report nothing.
#![cfg(sanitized)]

use std::process::Command;

use warpevm_kernels::SANITIZED;

/// Names the error that this process is to make.
const PLANT: &str = "WARPEVM_PLANT";

/// What the report of each kind says, in the order of `planted` in `cuda/sanitize.cuh`.
const REPORTS: [&str; 8] = [
    "heap-buffer-overflow",
    "heap-buffer-overflow",
    "use-after-poison",
    "stack-buffer-overflow|out of bounds",
    "signed integer overflow",
    "shift exponent",
    "misaligned address",
    // One that the Rust side makes.
    "detected memory leaks",
];

unsafe extern "C" {
    fn warpevm_planted(kind: u32, buffer: *mut u8, len: u32) -> u32;
}

#[test]
fn planted_errors_are_reported() {
    assert!(std::hint::black_box(SANITIZED));
    if let Ok(kind) = std::env::var(PLANT) {
        return plant(kind.parse().expect("a number"));
    }
    for (kind, report) in REPORTS.iter().enumerate() {
        let mut test = Command::new(std::env::current_exe().expect("a path"));
        test.args(["--exact", "planted_errors_are_reported", "--nocapture"]);
        let output = test.env(PLANT, kind.to_string()).output().expect("the test runs");
        let text = String::from_utf8_lossy(&output.stderr);
        let told = report.split('|').any(|part| text.contains(part));
        assert!(!output.status.success() && told, "kind {kind}, {report}: {text}");
    }
}

/// Makes the error. The bits of the length decide nothing but keep the compiler from knowing.
fn plant(kind: u32) {
    let mut buffer = vec![0u64; 1028 / 4];
    if kind as usize == REPORTS.len() - 1 {
        buffer.push(1);
        std::mem::forget(std::hint::black_box(std::mem::take(&mut buffer)));
        return;
    }
    let len = std::hint::black_box(buffer.len() as u32 * 8 | 4);
    // SAFETY: there is none, which is the point: the process is to end here.
    std::hint::black_box(unsafe { warpevm_planted(kind, buffer.as_mut_ptr().cast(), len) });
}
