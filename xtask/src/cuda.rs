//! `cargo xtask cuda`: the device code without a device.
//!
//! Compiles every module to PTX with NVRTC and to machine code with ptxas, for each architecture,
//! and compares what the kernels take (registers, stack frame, spills) with a committed file. The
//! compilers come from PyPI as wheels and stay in the cache folder; so do the reports, by a key of
//! all that decides them.

use crate::setup;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use warpevm_kernels::nvrtc::{self, Nvrtc};
use warpevm_kernels::sources::{MODULES, Module, OP_TEST, PTX_ARCH, Target};

/// The compilers; the numbers in the resource file are theirs.
const WHEELS: [&str; 5] = [
    "nvidia-cuda-nvrtc==13.2.86",
    "nvidia-cuda-nvcc==13.2.86",
    "nvidia-cuda-crt==13.2.86",
    "nvidia-nvvm==13.2.86",
    "nvidia-cuda-nvdisasm==13.2.86",
];

/// Compute capabilities: Turing, Ampere, Hopper, Blackwell (GeForce).
const ARCHITECTURES: [u32; 4] = [75, 80, 90, 120];

/// What the kernels take.
const RESOURCES: &str = "kernels/counts/resources.tsv";

/// Tells the tests where the machine code is.
pub const CUBINS_VAR: &str = "WARPEVM_CUBINS";

/// The interpreter must keep to this on `sm_90`: four thread blocks per multiprocessor.
const RUN_REGISTERS_MAX: u32 = 128;

const NOTE: &str = "\
# What the kernels take, by `cargo xtask cuda --bless`. Registers and the stack frame of all calls
# (bytes) are the kernel's; spills (bytes) are those of all functions of its module.
arch\tmodule\tkernel\tregisters\tstack\tspill_stores\tspill_loads
";

/// The compilers of CUDA, installed.
pub struct Toolchain {
    root: PathBuf,
}

impl Toolchain {
    /// Installs what is missing. The error is a reason to skip.
    pub fn install() -> Result<Toolchain, String> {
        let root = setup::wheels("cuda", "the CUDA compilers (about 600 MB)", &WHEELS)?;
        Ok(Toolchain { root: root.join("nvidia/cu13") })
    }

    /// A program of the tool chain.
    pub fn program(&self, name: &str) -> PathBuf {
        self.root.join("bin").join(name)
    }

    /// NVRTC.
    pub fn nvrtc(&self) -> Result<Nvrtc> {
        // SAFETY: no other thread runs yet that could read the environment.
        unsafe { std::env::set_var(nvrtc::LIBRARY_VAR, self.root.join("lib")) };
        Ok(Nvrtc::load()?)
    }
}

/// What one kernel takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Resources {
    registers: u32,
    stack: u32,
    spill_stores: u32,
    spill_loads: u32,
}

/// Kernel to what it takes, by `ptxas -v`.
fn parse(report: &str, module: &Module) -> Result<BTreeMap<&'static str, Resources>> {
    let number = |text: &str, unit: &str| -> Option<u32> {
        text.split(unit).next()?.split_whitespace().last()?.parse().ok()
    };
    let mut kernels = BTreeMap::new();
    let (mut entry, mut stores, mut loads) = (None, 0, 0);
    for line in report.lines() {
        if let Some(at) = line.find("Compiling entry function '") {
            let name = line[at..].split('\'').nth(1);
            entry = module.kernels.iter().map(|k| k.name()).find(|k| Some(*k) == name);
        } else if line.contains("bytes spill stores") {
            stores += number(line, " bytes spill stores").context("spill stores")?;
            loads += number(line, " bytes spill loads").context("spill loads")?;
        } else if line.contains("Used ") && line.contains(" registers") {
            let name = entry.with_context(|| format!("registers of no kernel: {line}"))?;
            let registers = number(line, " registers").context("registers")?;
            let stack = number(line, " bytes cumulative stack size").unwrap_or(0);
            kernels.insert(name, Resources { registers, stack, ..Default::default() });
        }
    }
    for kernel in module.kernels {
        let resources = kernels.get_mut(kernel.name());
        let resources = resources.with_context(|| format!("ptxas says nothing of {kernel:?}"))?;
        (resources.spill_stores, resources.spill_loads) = (stores, loads);
    }
    Ok(kernels)
}

/// Compiles one module for one architecture; gives what ptxas says.
fn report(
    toolchain: &Toolchain,
    nvrtc: Nvrtc,
    module: &Module,
    arch: u32,
    cache: &Path,
) -> Result<String> {
    let target = Target::Ptx(arch);
    let mut hasher = DefaultHasher::new();
    (module.source, nvrtc.options(target), WHEELS, arch).hash(&mut hasher);
    let kept = cache.join(format!("{}-{arch}-{:016x}.txt", module.name, hasher.finish()));
    if let Ok(text) = fs::read_to_string(&kept) {
        return Ok(text);
    }
    let ptx = nvrtc.compile(module, target)?;
    let file = cache.join(format!("{}-{arch}-{}.ptx", module.name, std::process::id()));
    let cubin = file.with_extension("cubin");
    fs::write(&file, ptx).with_context(|| format!("{}", file.display()))?;
    let mut ptxas = Command::new(toolchain.program("ptxas"));
    ptxas.args(["-v", &format!("-arch=sm_{arch}")]).arg(&file).arg("-o").arg(&cubin);
    let output = ptxas.output().context("ptxas")?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let (_, _) = (fs::remove_file(&file), fs::remove_file(&cubin));
    ensure!(output.status.success(), "ptxas refuses {} for sm_{arch}: {text}", module.name);
    let partial = file.with_extension("partial");
    fs::write(&partial, &text).with_context(|| format!("{}", partial.display()))?;
    fs::rename(&partial, &kept).with_context(|| format!("{}", kept.display()))?;
    Ok(text)
}

/// Compiles all for all and gives the resource file.
fn table(toolchain: &Toolchain) -> Result<String> {
    let nvrtc = toolchain.nvrtc()?;
    let cache = setup::cache_dir()?.join("ptxas");
    fs::create_dir_all(&cache).with_context(|| format!("{}", cache.display()))?;
    let mut jobs = Vec::new();
    for module in &MODULES {
        jobs.extend(ARCHITECTURES.map(|arch| (arch, module)));
    }
    let (next, results) = (Mutex::new(jobs.iter()), Mutex::new(BTreeMap::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some((arch, module)) = next.lock().expect("no panic").next() else {
                        return;
                    };
                    let result = report(toolchain, nvrtc, module, *arch, &cache);
                    results.lock().expect("no panic").insert((*arch, module.name), result);
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no panic");
    let mut text = NOTE.to_owned();
    for arch in ARCHITECTURES {
        for module in &MODULES {
            let report =
                results.remove(&(arch, module.name)).context("every job has a result")??;
            for (kernel, r) in parse(&report, module)? {
                let numbers = [r.registers, r.stack, r.spill_stores, r.spill_loads];
                let numbers = numbers.map(|number| number.to_string()).join("\t");
                writeln!(text, "sm_{arch}\t{}\t{kernel}\t{numbers}", module.name)?;
                let strict = arch == 90 && module.name == "run";
                let fits = r.registers <= RUN_REGISTERS_MAX && r.spill_stores + r.spill_loads == 0;
                ensure!(
                    !strict || fits,
                    "the interpreter takes {} registers of {RUN_REGISTERS_MAX} on sm_{arch} and \
                     spills {} bytes: large ops belong in functions of their own",
                    r.registers,
                    r.spill_stores,
                );
            }
        }
    }
    Ok(text)
}

/// Compares with the committed file, or (`bless`) writes it.
pub fn run(root: &Path, toolchain: &Toolchain, bless: bool) -> Result<()> {
    let new = table(toolchain)?;
    let file = root.join(RESOURCES);
    if bless {
        return fs::write(&file, new).with_context(|| format!("cannot write {}", file.display()));
    }
    let old = fs::read_to_string(&file).unwrap_or_default();
    let lines: Vec<&str> = old.lines().collect();
    let changed: Vec<&str> = new.lines().filter(|line| !lines.contains(line)).collect();
    if changed.is_empty() && lines.len() == new.lines().count() {
        println!("{} kernels, as {RESOURCES} says", lines.len() - NOTE.lines().count());
        return Ok(());
    }
    bail!(
        "{RESOURCES} says otherwise; if that is meant, `cargo xtask cuda --bless`. Now:\n{}",
        changed.join("\n")
    );
}

/// Writes every module's machine code for these architectures, and PTX for those to come, into a
/// folder, for machines without NVRTC.
pub fn prebuild(toolchain: &Toolchain, folder: &Path, only: Option<u32>) -> Result<()> {
    let nvrtc = toolchain.nvrtc()?;
    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let machine = ARCHITECTURES.into_iter().filter(|arch| only.is_none_or(|only| only == *arch));
    let targets: Vec<Target> = machine.map(Target::Cubin).chain([Target::Ptx(PTX_ARCH)]).collect();
    ensure!(targets.len() > 1, "--sm is none of {ARCHITECTURES:?}");
    for target in targets {
        for module in &MODULES {
            let file = folder.join(module.prebuilt_name(target));
            let code = nvrtc.compile(module, target)?;
            fs::write(&file, code).with_context(|| format!("{}", file.display()))?;
            println!("{}", file.display());
        }
    }
    Ok(())
}

/// Compiles the modules whose machine code tests run on the CPU, and disassembles them. Gives the
/// folder that they are in.
pub fn machine_code(toolchain: &Toolchain) -> Result<PathBuf> {
    let nvrtc = toolchain.nvrtc()?;
    let (modules, target) = ([&OP_TEST, &MODULES[0]], Target::Cubin(90));
    let mut hasher = DefaultHasher::new();
    (modules.map(|module| module.source), nvrtc.options(target), WHEELS).hash(&mut hasher);
    let folder = setup::cache_dir()?.join(format!("machine-code-{:016x}", hasher.finish()));
    if folder.exists() {
        return Ok(folder);
    }
    let partial = folder.with_extension(format!("partial-{}", std::process::id()));
    fs::create_dir_all(&partial).with_context(|| format!("{}", partial.display()))?;
    for module in modules {
        let cubin = partial.join(module.name).with_extension("cubin");
        fs::write(&cubin, nvrtc.compile(module, target)?)?;
        let mut nvdisasm = Command::new(toolchain.program("nvdisasm"));
        let output = nvdisasm.arg("-c").arg(&cubin).output().context("nvdisasm")?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "nvdisasm refuses {}: {error}", module.name);
        fs::write(cubin.with_extension("sass"), output.stdout)?;
    }
    match fs::rename(&partial, &folder) {
        Ok(()) => Ok(folder),
        // Another run was faster.
        Err(_) if folder.exists() => fs::remove_dir_all(&partial).map(|()| folder).context("rm"),
        Err(error) => Err(error).with_context(|| format!("{}", folder.display())),
    }
}

/// Runs the tests of the machine code, which also hold the counts of instructions against files.
pub fn machine_code_tests(root: &Path, toolchain: &Toolchain, bless: bool) -> Result<()> {
    let folder = machine_code(toolchain)?;
    println!("the machine code is in {}", folder.display());
    let args = ["test", "--package", "warpevm-tests", "--test", "sass", "--test", "machine_code"];
    let mut command = crate::cargo(root, &args);
    command.env(CUBINS_VAR, folder);
    if bless {
        command.env("WARPEVM_BLESS", "1");
    }
    ensure!(command.status()?.success(), "the tests of the machine code failed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
ptxas info    : 4 bytes gmem
ptxas info    : Compiling entry function 'warpevm_run' for 'sm_90'
ptxas info    : Function properties for warpevm_run
    2192 bytes stack frame, 0 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 126 registers, used 0 barriers, 2192 bytes cumulative stack size
ptxas info    : Function properties for other
    0 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
";

    #[test]
    fn reports_are_read() {
        let run = &MODULES[0];
        let kernels = parse(REPORT, run).expect("a report");
        let expected = Resources { registers: 126, stack: 2192, spill_stores: 4, spill_loads: 20 };
        assert_eq!(kernels.get("warpevm_run"), Some(&expected));
        assert_eq!(kernels.len(), 1);
        assert!(parse("", run).is_err());
    }
}
