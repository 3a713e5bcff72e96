//! NVIDIA GPUs: the driver API, and machine code from NVRTC, the cache or compiled ahead.

pub mod compile;
pub mod real;
