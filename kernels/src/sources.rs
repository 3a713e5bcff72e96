//! The device code as NVRTC gets it: a few modules, each one text.

/// What to compile to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// PTX for compute capability `major * 10 + minor`.
    Ptx(u32),
    /// Machine code for it.
    Cubin(u32),
}

/// A module of device code.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// Its file without `.cu`.
    pub name: &'static str,
    /// Its text, headers included.
    pub source: &'static str,
    /// Its kernels.
    pub kernels: &'static [Kernel],
}

impl Module {
    /// The name of its code compiled ahead: it names the source (FNV-1a), so that old code is not
    /// taken for new.
    pub fn prebuilt_name(&self, target: Target) -> String {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let hash = self.source.bytes().fold(0xcbf2_9ce4_8422_2325, step);
        match target {
            Target::Cubin(arch) => format!("{}-sm_{arch}-{hash:016x}.cubin", self.name),
            Target::Ptx(arch) => format!("{}-compute_{arch}-{hash:016x}.ptx", self.name),
        }
    }
}

/// The compute capability of PTX compiled ahead: any later GPU takes it.
pub const PTX_ARCH: u32 = 75;

/// A kernel. All take a `Launch` and a `Job`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Kernel {
    /// Runs instances until they are done or suspended.
    Run,
    /// Runs the precompiles that instances wait for, but those with kernels of their own.
    Precompiles,
    /// Runs modexp where instances wait for it.
    Modexp,
    /// Makes instances ready.
    Start,
    /// Packs what instances did or need.
    Collect,
    /// Gives instances what they suspended for.
    Answer,
    /// Indexes new accounts of the state table.
    IndexAccounts,
    /// Indexes new slots of the state table.
    IndexSlots,
    /// Writes records to places.
    Scatter,
    /// Runs pairings, KZG and BLS12-381 where instances wait for them.
    Curves,
}

impl Kernel {
    /// Every kernel, in the order of their numbers.
    pub const ALL: [Kernel; 10] = [
        Kernel::Run,
        Kernel::Precompiles,
        Kernel::Modexp,
        Kernel::Start,
        Kernel::Collect,
        Kernel::Answer,
        Kernel::IndexAccounts,
        Kernel::IndexSlots,
        Kernel::Scatter,
        Kernel::Curves,
    ];

    /// Its name in the modules.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Run => "warpevm_run",
            Kernel::Precompiles => "warpevm_precompiles",
            Kernel::Modexp => "warpevm_modexp",
            Kernel::Start => "warpevm_start",
            Kernel::Collect => "warpevm_collect",
            Kernel::Answer => "warpevm_answer",
            Kernel::IndexAccounts => "warpevm_index_accounts",
            Kernel::IndexSlots => "warpevm_index_slots",
            Kernel::Scatter => "warpevm_scatter",
            Kernel::Curves => "warpevm_curves",
        }
    }
}

/// Threads of a thread block of every kernel (`WE_BLOCK_THREADS`).
pub const BLOCK_THREADS: u32 = 128;

/// Every module.
pub static MODULES: [Module; 4] = [
    Module {
        name: "run",
        source: include_str!(concat!(env!("OUT_DIR"), "/run.cu")),
        kernels: &[Kernel::Run],
    },
    Module {
        name: "precompiles",
        source: include_str!(concat!(env!("OUT_DIR"), "/precompiles.cu")),
        kernels: &[Kernel::Precompiles, Kernel::Modexp],
    },
    Module {
        name: "curves",
        source: include_str!(concat!(env!("OUT_DIR"), "/curves.cu")),
        kernels: &[Kernel::Curves],
    },
    Module {
        name: "manage",
        source: include_str!(concat!(env!("OUT_DIR"), "/manage.cu")),
        kernels: &[
            Kernel::Start,
            Kernel::Collect,
            Kernel::Answer,
            Kernel::IndexAccounts,
            Kernel::IndexSlots,
            Kernel::Scatter,
        ],
    },
];

/// The op library's test entry points as kernels, for tests of the machine code.
pub static OP_TEST: Module = Module {
    name: "op_test",
    source: include_str!(concat!(env!("OUT_DIR"), "/op_test.cu")),
    kernels: &[],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_whole_and_define_their_kernels() {
        let mut kernels = Vec::new();
        for module in MODULES {
            assert!(!module.source.contains("#include \""), "{}", module.name);
            for kernel in module.kernels {
                let short = kernel.name().trim_start_matches("warpevm_");
                assert!(module.source.contains(&format!("WE_KERNEL({short}, ")), "{short}");
                kernels.push(*kernel);
            }
            let threads = format!("#define WE_BLOCK_THREADS {BLOCK_THREADS}\n");
            assert!(module.source.contains(&threads));
        }
        kernels.sort();
        assert_eq!(kernels, Kernel::ALL);
    }
}
