//! Benchmarks of the parts of warpevm.
