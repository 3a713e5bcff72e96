//! The device code of warpevm in CUDA C++, its data layouts, and its build for the CPU.
//!
//! `cuda/` holds the sources: `op/` the op library (256-bit arithmetic, hashes), above it
//! `lane.cuh`, `vm.cuh`, `state.cuh`, the ops, `frame.cuh`, `tx.cuh` and the interpreter. The same
//! files compile for CUDA and, as ordinary C++17, for the CPU.

pub mod abi;

mod ffi {
    unsafe extern "C" {
        pub fn warpevm_cpu_run(launch: *const crate::abi::Launch, instance: u32);
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
