//! Devices: what runs instances.

pub mod cpu;
