//! Errors.

/// Why a cubin cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The cubin is not one.
    #[error("the cubin: {0}")]
    Cubin(String),
    /// A line of the disassembler is not understood.
    #[error("{kernel} at {pc:#x}: '{text}': {why}")]
    Instruction {
        /// In which kernel.
        kernel: String,
        /// Where.
        pc: u32,
        /// The line.
        text: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Why a launch ended early.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An access outside of the memory given.
    #[error("thread {thread} at {pc:#x}: access to {address:#x}, which is no memory of the launch")]
    Memory {
        /// Which thread.
        thread: u32,
        /// The instruction.
        pc: u32,
        /// What it accessed.
        address: u64,
    },
    /// An instruction that is not known, or a jump to nowhere.
    #[error("thread {thread} at {pc:#x}: {why}")]
    Instruction {
        /// Which thread.
        thread: u32,
        /// The instruction.
        pc: u32,
        /// What is wrong.
        why: String,
    },
    /// More instructions than allowed.
    #[error("thread {thread} executed more than {limit} instructions")]
    Endless {
        /// Which thread.
        thread: u32,
        /// How many are allowed.
        limit: u64,
    },
}
