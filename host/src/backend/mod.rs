//! Devices: what runs instances.

pub mod cpu;
pub mod cuda;
pub mod device;
pub mod wgpu;
