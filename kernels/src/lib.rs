//! The device code of warpevm in CUDA C++, its data layouts, and its build for the CPU.
//!
//! `cuda/` holds the sources: `op/` the op library (256-bit arithmetic, hashes), above it
//! `lane.cuh`, `vm.cuh`, `state.cuh`, the ops, `frame.cuh`, `tx.cuh` and the interpreter. The same
//! files compile for CUDA and, as ordinary C++17, for the CPU.

pub mod abi;
pub mod cache;
#[cfg(feature = "nvrtc")]
pub mod nvrtc;
pub mod sources;

mod ffi {
    unsafe extern "C" {
        pub fn warpevm_cpu_run(launch: *const crate::abi::Launch, instance: u32);
        pub fn warpevm_tile_thread(
            kernel: u32,
            launch: *const crate::abi::Launch,
            job: *const crate::abi::Job,
            thread: u32,
        );
    }
}

/// The C++ is instrumented with sanitizers, which is many times slower: see docs/TESTING.md.
pub const SANITIZED: bool = cfg!(sanitized);

/// Runs one instance of a launch on the calling thread until it is done or suspended.
///
/// # Safety
/// Every pointer of `launch` must be valid as `abi` describes, for the lengths that its structs
/// say, during the call; `instance` is less than `launch.instances`; no other thread runs the same
/// instance at the same time. Entries may be added to the tables meanwhile only by the publication
/// rule: body first, index last, with release ordering.
pub unsafe fn cpu_run(launch: &abi::Launch, instance: u32) {
    // SAFETY: the caller keeps the contract above, which is all that the kernel relies on.
    unsafe { ffi::warpevm_cpu_run(launch, instance) }
}

/// Runs one thread of a device kernel on the CPU: the fake device of the tests. The source, the
/// layout in tiles and the limbs are those of a GPU.
///
/// # Safety
/// Every pointer of `launch` and `job` must be valid as `abi` describes; `thread` is less than
/// `job.count`; no two threads work on the same instance at the same time.
pub unsafe fn tile_thread(
    kernel: sources::Kernel,
    launch: &abi::Launch,
    job: &abi::Job,
    thread: u32,
) {
    // SAFETY: the caller keeps the contract above, which is all that the kernels rely on.
    unsafe { ffi::warpevm_tile_thread(kernel as u32, launch, job, thread) }
}
