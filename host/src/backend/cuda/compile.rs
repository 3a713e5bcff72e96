//! The kernels' machine code: from the cache on disk, from NVRTC, or compiled ahead.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use alloy_primitives::keccak256;
use warpevm_kernels::nvrtc::Nvrtc;
use warpevm_kernels::sources::{MODULES, Module, PTX_ARCH, Target};

use crate::backend::kernels_dir;
use crate::pool;

/// Names a folder of kernels that `cargo xtask cuda --prebuild` compiled, which are taken instead
/// of NVRTC's. Where there is no NVRTC, the folder `kernels` beside the program is looked for.
pub const PREBUILT_VAR: &str = "WARPEVM_KERNELS";
/// Raised when the same key would stand for something else.
const FORMAT: u32 = 1;
/// The first bytes of every cubin: an ELF file.
const MAGIC: &[u8] = b"\x7fELF";

/// A module's machine code.
pub type Compiled = Vec<u8>;

/// What names a module's machine code: the source, its options (the architecture among them), the
/// compiler's version.
fn key(module: &Module, options: &[String], compiler: &str) -> String {
    let parts = [module.source, &options.join("\0"), compiler, env!("CARGO_PKG_VERSION")];
    let hash = keccak256(format!("{FORMAT}\0{}", parts.join("\0\0")));
    format!("{}-{}.cubin", module.name, &hash.to_string()[2..34])
}

/// Writes a file whole or not at all: under a name of its own first.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let partial = file.with_extension(format!("{}.partial", std::process::id()));
    fs::write(&partial, bytes)?;
    fs::rename(&partial, file)
}

/// A module's code from `dir`, else from `make`, which is then kept there. A cache that cannot be
/// written is no failure.
fn cached(
    dir: Option<&Path>,
    key: &str,
    make: impl FnOnce() -> Result<Compiled, String>,
) -> Result<Compiled, String> {
    let file = dir.map(|dir| dir.join(key));
    if let Some(found) = file.as_ref().and_then(|file| fs::read(file).ok())
        && found.starts_with(MAGIC)
    {
        return Ok(found);
    }
    let compiled = make()?;
    if let Some(file) = &file
        && let Err(error) = write(file, &compiled)
    {
        tracing::warn!("the compiled kernels are not kept: {}: {error}", file.display());
    }
    Ok(compiled)
}

/// Every module compiled ahead, where the folder has all of them: machine code, else PTX, which
/// ends with a zero as the driver wants it.
fn prebuilt(dir: &Path, arch: u32) -> Option<Vec<Compiled>> {
    let read = |module: &Module, target| fs::read(dir.join(module.prebuilt_name(target))).ok();
    let code = |module| read(module, Target::Cubin(arch)).filter(|code| code.starts_with(MAGIC));
    let ptx = |module| read(module, Target::Ptx(PTX_ARCH)).filter(|text| text.ends_with(&[0]));
    let machine_code: Option<Vec<Compiled>> = MODULES.iter().map(code).collect();
    machine_code.or_else(|| MODULES.iter().map(ptx).collect())
}

/// Every module for a compute capability, in the order of [`MODULES`].
pub fn compile(arch: u32) -> Result<Vec<Compiled>, String> {
    let lacks = |dir: &Path| format!("{} lacks kernels of this build for sm_{arch}", dir.display());
    if let Some(dir) = std::env::var_os(PREBUILT_VAR).map(PathBuf::from) {
        return prebuilt(&dir, arch).ok_or_else(|| lacks(&dir));
    }
    let nvrtc = match Nvrtc::load() {
        Ok(nvrtc) => nvrtc,
        Err(error) => {
            let program = std::env::current_exe().map_err(|e| format!("{error}; {e}"))?;
            let dir = program.with_file_name("kernels");
            return prebuilt(&dir, arch).ok_or_else(|| format!("{error}; {}", lacks(&dir)));
        }
    };
    let target = Target::Cubin(arch);
    let options = nvrtc.options(target);
    let dir = kernels_dir();
    let one = |module: &Module| {
        let key = key(module, &options, &nvrtc.version());
        let make = || nvrtc.compile(module, target).map_err(|error| error.to_string());
        cached(dir.as_deref(), &key, make)
    };
    // NVRTC takes seconds for each, so each has a thread.
    std::thread::scope(|scope| {
        let threads = MODULES.each_ref().map(|module| pool::start(scope, || one(module)));
        let joined = threads.map(|thread| {
            let thread = thread.map_err(|error| error.to_string())?;
            thread.join().unwrap_or_else(|_| Err("the compiler's thread panicked".to_owned()))
        });
        joined.into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let name = format!("warpevm-cubins-{name}-{}", std::process::id());
        std::env::temp_dir().join(name)
    }

    #[test]
    fn what_was_compiled_once_is_read() {
        let dir = folder("read");
        let code = [MAGIC, b" code"].concat();
        let made = cached(Some(&dir), "a.cubin", || Ok(code.clone())).expect("made");
        let found = cached(Some(&dir), "a.cubin", || Err("compiled again".to_owned()));
        assert_eq!((made, found), (code.clone(), Ok(code)));
        assert_eq!(fs::read_dir(&dir).expect("the folder").count(), 1);
        fs::remove_dir_all(dir).expect("removed");
    }

    #[test]
    fn what_is_no_machine_code_is_made_again() {
        let dir = folder("again");
        write(&dir.join("a.cubin"), b"half a file").expect("written");
        let code = [MAGIC, b" code"].concat();
        assert_eq!(cached(Some(&dir), "a.cubin", || Ok(code.clone())), Ok(code));
        fs::remove_dir_all(dir).expect("removed");
    }

    #[test]
    fn a_cache_that_cannot_be_written_does_not_matter() {
        let file = Path::new("/dev/null/warpevm");
        assert_eq!(cached(Some(file), "a.cubin", || Ok(vec![1])), Ok(vec![1]));
        assert_eq!(cached(None, "a.cubin", || Err("no".to_owned())), Err("no".to_owned()));
    }

    #[test]
    fn kernels_compiled_ahead_are_for_this_source_and_architecture() {
        let dir = folder("prebuilt");
        let (code, text) = ([MAGIC, b" code"].concat(), b"ptx\0".to_vec());
        let targets = [(Target::Ptx(PTX_ARCH), &text), (Target::Cubin(90), &code)];
        let mut before = None;
        for (target, content) in targets {
            for module in &MODULES {
                assert_eq!(prebuilt(&dir, 90), before, "without {}", module.name);
                write(&dir.join(module.prebuilt_name(target)), content).expect("written");
            }
            before = Some(vec![content.clone(); MODULES.len()]);
            assert_eq!(prebuilt(&dir, 90), before);
        }
        assert_eq!(prebuilt(&dir, 80), Some(vec![text; MODULES.len()]));
        let other = Module { source: "other", ..MODULES[0] };
        let name = |module: &Module| module.prebuilt_name(Target::Cubin(90));
        assert_ne!(name(&other), name(&MODULES[0]));
        fs::remove_dir_all(dir).expect("removed");
    }

    #[test]
    fn keys_name_everything_that_matters() {
        let options = ["--gpu-architecture=sm_90".to_owned()];
        let base = key(&MODULES[0], &options, "13.0");
        assert_ne!(base, key(&MODULES[1], &options, "13.0"));
        assert_ne!(base, key(&MODULES[0], &["--gpu-architecture=sm_80".to_owned()], "13.0"));
        assert_ne!(base, key(&MODULES[0], &options, "13.1"));
        let other = Module { source: "other", ..MODULES[0] };
        assert_ne!(base, key(&other, &options, "13.0"));
    }
}
