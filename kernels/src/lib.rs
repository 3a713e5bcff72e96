//! The device code of warpevm in CUDA C++, its data layouts, and its build for the CPU.

pub mod abi;
