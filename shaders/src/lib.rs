//! The device code of warpevm in WGSL.
