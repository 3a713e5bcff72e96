//! The command line of warpevm.
fn main() {}
