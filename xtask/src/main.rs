//! Development commands of warpevm.
fn main() {}
