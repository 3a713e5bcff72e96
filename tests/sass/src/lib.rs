//! Runs the machine code that ptxas makes for sm_90 on the CPU: results can be checked, and how
//! many instructions a lane executes is exact and repeatable, without a GPU.
//!
//! # What it models
//! One lane at a time, integer instructions and what division needs of floating point. Threads of a
//! launch run one after another, so barriers of a warp have nothing to wait for, and atomics are
//! plain reads and writes. Code that exchanges values between lanes is refused.
//!
//! # What it checks
//! Every access to memory must lie within what the launch was given ([`Memory`]). An instruction
//! that is not known is an error, never skipped.
//!
//! # Where the code comes from
//! A cubin for a whole program, and what `nvdisasm -c` prints of it. There is no official
//! description of the instructions; their meaning here is what results of known programs showed.

mod decode;
mod fault;
mod machine;
mod memory;
mod module;
mod text;

pub use fault::{Fault, LoadError};
pub use machine::{Counts, Launch};
pub use memory::Memory;
pub use module::Kernel;
