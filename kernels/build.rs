//! Compiles the CUDA C++ sources for the CPU, and makes one text of each module for NVRTC.
//!
//! `WARPEVM_SANITIZE`, which `cargo xtask sanitize` sets, instruments all of it with GCC's
//! AddressSanitizer and UndefinedBehaviorSanitizer: see docs/TESTING.md.

use std::path::{Path, PathBuf};

/// The variable that asks for sanitizers.
const SANITIZE: &str = "WARPEVM_SANITIZE";

/// The files whose texts NVRTC compiles, without `.cu`.
const MODULES: [&str; 5] = ["run", "precompiles", "curves", "manage", "op_test"];

fn main() {
    println!("cargo:rerun-if-changed=cuda");
    println!("cargo:rerun-if-env-changed={SANITIZE}");
    println!("cargo:rustc-check-cfg=cfg(sanitized)");
    let sanitize = std::env::var_os(SANITIZE).is_some_and(|value| !value.is_empty());
    for module in MODULES {
        flatten_module(module);
    }
    // Side by side: each is one file, and takes the compiler up to a minute.
    std::thread::scope(|scope| {
        scope.spawn(|| build_cpu(sanitize));
        scope.spawn(|| build_tile(sanitize));
        // One after the other: their objects have one name.
        scope.spawn(|| {
            build_op_test("_limbs64", None, sanitize);
            build_op_test("_limbs32", Some("WE_LIMBS32"), sanitize);
        });
    });
    if sanitize {
        println!("cargo:rustc-cfg=sanitized");
        // The runtimes, by the names that GCC gives them, behind the libraries that need them.
        println!("cargo:rustc-link-lib=dylib=asan");
        println!("cargo:rustc-link-lib=dylib=ubsan");
    }
}

/// What all C++ builds share.
fn cpp(sanitize: bool) -> cc::Build {
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++17")
        .cpp_link_stdlib(None)
        .opt_level(2)
        .flag("-fno-exceptions")
        .flag("-fno-rtti")
        .extra_warnings(true)
        .warnings_into_errors(true);
    if sanitize {
        // Instrumented code draws warnings of its own. More optimisation takes GCC minutes, and so
        // do the places of variables.
        build.warnings_into_errors(false).opt_level(1).debug(false).flag("-g1");
        build.define("WE_SANITIZE", None);
        build.flag("-fsanitize=address,undefined").flag("-fno-sanitize-recover=all");
        build.flag("-fno-sanitize=vptr").flag("-fno-omit-frame-pointer");
    }
    build
}

/// The `cpu` backend: always optimised, as what it runs are other people's programs.
fn build_cpu(sanitize: bool) {
    let mut build = cpp(sanitize);
    // Or limbs that were stored one by one are loaded two at a time, which waits for the stores:
    // snailtracer takes 1.17 times as long.
    build.flag_if_supported("-fno-tree-slp-vectorize");
    build.file("cuda/cpu.cpp").compile("warpevm_cpu");
}

/// The fake device's kernels: as on a GPU, but for the instructions.
fn build_tile(sanitize: bool) {
    let mut build = cpp(sanitize);
    build.define("WE_LIMBS32", None).define("WE_TILE", "32").define("warpevm", "warpevm_tile");
    build.file("cuda/tile.cpp").compile("warpevm_tile");
}

/// The op library's test entry points, once per limb size. A static library whose symbols only
/// `tests/op.rs` refers to: the linker leaves it out of everything else.
fn build_op_test(suffix: &str, limbs: Option<&str>, sanitize: bool) {
    let mut build = cpp(sanitize);
    build.debug(false).define("OP_TEST_SUFFIX", suffix).file("cuda/op_test.cpp");
    if let Some(limbs) = limbs {
        build.define(limbs, None).define("warpevm", "warpevm_limbs32");
    }
    build.compile(&format!("warpevm_op_test{suffix}"));
}

/// Writes a module with its headers in their places, so that the binary needs no files beside it.
fn flatten_module(name: &str) {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut text = String::new();
    flatten(&Path::new("cuda").join(name).with_extension("cu"), &mut Vec::new(), &mut text);
    std::fs::write(out.join(name).with_extension("cu"), text).expect("OUT_DIR can be written");
}

/// Appends a file; headers that have been seen are left out. Line numbers stay those of the files.
fn flatten(file: &Path, seen: &mut Vec<PathBuf>, text: &mut String) {
    let file = normal(file);
    if seen.contains(&file) {
        return;
    }
    seen.push(file.clone());
    let source = std::fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!("{}: {error}", file.display());
    });
    let line = |number: usize| format!("#line {number} \"{}\"\n", file.display());
    text.push_str(&line(1));
    for (i, content) in source.lines().enumerate() {
        let included = content.strip_prefix("#include \"").and_then(|rest| rest.strip_suffix('"'));
        match included {
            Some(name) => {
                flatten(&file.parent().expect("a file is in a folder").join(name), seen, text);
                text.push_str(&line(i + 2));
            }
            None => {
                text.push_str(content);
                text.push('\n');
            }
        }
    }
}

/// Without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}
