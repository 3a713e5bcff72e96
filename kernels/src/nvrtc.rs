//! Compiling the modules through NVRTC, which is loaded when it is first wanted.

use std::ffi::{CStr, CString, c_char};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cudarc::nvrtc::{result, sys};

use crate::sources::{Module, Target};

/// The first version whose code is right. 12.9 and 13.0 give locals that are live at the same time
/// the same place in the stack frame: seen in `map_swu` of op/bls12_381_map.cuh, whose machine code
/// `tests/tests/sass.rs` runs.
const VERSION_MIN: (i32, i32) = (13, 2);

/// Names a folder that holds the CUDA libraries.
pub const LIBRARY_VAR: &str = "WARPEVM_CUDA";

/// Why there is no compiled module.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NvrtcError {
    /// The library is not there.
    #[error(
        "NVRTC (libnvrtc.so) is not found in the library path, /usr/local/cuda or ${LIBRARY_VAR}"
    )]
    Missing,
    /// The library makes wrong code of the kernels.
    #[error(
        "NVRTC {0} is too old: before 13.2 it may keep two variables that are in use in one place"
    )]
    TooOld(String),
    /// NVRTC does not take the source: our defect, or a version that is too old.
    #[error("NVRTC {version} does not compile module {module}: {log}")]
    Compile {
        /// Of the library.
        version: String,
        /// Which.
        module: &'static str,
        /// What it says.
        log: String,
    },
    /// NVRTC failed in itself.
    #[error("NVRTC: {0}")]
    Failed(String),
}

impl From<result::NvrtcError> for NvrtcError {
    fn from(error: result::NvrtcError) -> NvrtcError {
        NvrtcError::Failed(format!("{error:?}"))
    }
}

/// A loaded NVRTC.
#[derive(Clone, Copy, Debug)]
pub struct Nvrtc {
    version: (i32, i32),
}

/// Opens a library for good, so that one that is asked for by its name later is this one.
fn open(path: &Path) -> bool {
    // SAFETY: NVIDIA's libraries run no code of ours when they are loaded, and they stay loaded.
    match unsafe { libloading::Library::new(path) } {
        Ok(library) => {
            std::mem::forget(library);
            true
        }
        Err(_) => false,
    }
}

/// Opens NVRTC and the library that it looks for itself from a folder.
fn open_from(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    let files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let named = |prefix: &str| {
        let name = |path: &&PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(prefix) && !name.contains(".alt.")
        };
        files.iter().find(name)
    };
    let builtins = named("libnvrtc-builtins.so").is_some_and(|path| open(path));
    builtins && named("libnvrtc.so").is_some_and(|path| open(path))
}

fn folders() -> impl Iterator<Item = PathBuf> {
    let named = std::env::var_os(LIBRARY_VAR).map(PathBuf::from);
    let homes = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(std::env::var_os);
    let homes = homes.map(PathBuf::from).chain([PathBuf::from("/usr/local/cuda")]);
    named.into_iter().chain(homes.flat_map(|home| [home.join("lib64"), home.join("lib")]))
}

impl Nvrtc {
    /// Loads it from the library path, or from the folders that may hold it.
    pub fn load() -> Result<Nvrtc, NvrtcError> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: as in `open`.
        let present = || unsafe { sys::is_culib_present() };
        if !present() && !folders().any(|folder| open_from(&folder) && present()) {
            return Err(NvrtcError::Missing);
        }
        let (mut major, mut minor) = (0, 0);
        // SAFETY: the library is there, and both pointers are to live integers.
        unsafe { sys::nvrtcVersion(&mut major, &mut minor) }.result()?;
        let nvrtc = Nvrtc { version: (major, minor) };
        match nvrtc.version < VERSION_MIN {
            true => Err(NvrtcError::TooOld(nvrtc.version())),
            false => Ok(nvrtc),
        }
    }

    /// Its version.
    pub fn version(&self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }

    /// The options for a target: with the source, the version and the target all that decides the
    /// result.
    pub fn options(&self, target: Target) -> Vec<String> {
        let arch = match target {
            Target::Ptx(arch) => format!("compute_{arch}"),
            Target::Cubin(arch) => format!("sm_{arch}"),
        };
        let mut options = vec![format!("--gpu-architecture={arch}"), "--std=c++17".to_owned()];
        // Functions that a module does not use are many: it has all headers.
        options.push("--diag-suppress=177".to_owned());
        if self.version.0 >= 13 {
            // Without it the interpreter's switch becomes a tree of comparisons.
            options.push("--jump-table-density=50".to_owned());
        }
        options
    }

    /// Compiles a module.
    pub fn compile(&self, module: &Module, target: Target) -> Result<Vec<u8>, NvrtcError> {
        let nul = |_| NvrtcError::Failed("a source with a zero byte".to_owned());
        let source = CString::new(module.source).map_err(nul)?;
        let name = CString::new(format!("{}.cu", module.name)).map_err(nul)?;
        let program = Program(result::create_program(&source, Some(&name))?);
        let options = self.options(target);
        // SAFETY: the program is live.
        if unsafe { result::compile_program(program.0, &options) }.is_err() {
            return Err(NvrtcError::Compile {
                version: self.version(),
                module: module.name,
                log: program.log(),
            });
        }
        match target {
            Target::Ptx(_) => {
                // SAFETY: the program is live and compiled.
                let ptx = unsafe { result::get_ptx(program.0) }?;
                let mut ptx: Vec<u8> = ptx.into_iter().map(|c| c as u8).collect();
                while ptx.last() == Some(&0) {
                    ptx.pop();
                }
                Ok(ptx)
            }
            Target::Cubin(_) => program.cubin(),
        }
    }
}

struct Program(sys::nvrtcProgram);

impl Program {
    fn log(&self) -> String {
        // SAFETY: the program is live.
        let bytes = unsafe { result::get_program_log(self.0) }.unwrap_or_default();
        let bytes: Vec<u8> = bytes.into_iter().map(|c| c as u8).collect();
        let text = CStr::from_bytes_until_nul(&bytes).unwrap_or_default();
        text.to_string_lossy().into_owned()
    }

    fn cubin(&self) -> Result<Vec<u8>, NvrtcError> {
        let mut size = 0;
        // SAFETY: the program is live, the pointer is to a live integer.
        unsafe { sys::nvrtcGetCUBINSize(self.0, &mut size) }.result()?;
        let mut cubin = vec![0u8; size];
        // SAFETY: the buffer is as long as was asked for.
        unsafe { sys::nvrtcGetCUBIN(self.0, cubin.as_mut_ptr().cast::<c_char>()) }.result()?;
        Ok(cubin)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: live until here, and destroyed once.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}
