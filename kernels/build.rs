//! Compiles the CUDA C++ sources for the CPU.
//!
//! `WARPEVM_SANITIZE`, which `cargo xtask sanitize` sets, instruments all of it with GCC's
//! AddressSanitizer and UndefinedBehaviorSanitizer: see docs/TESTING.md.

/// The variable that asks for sanitizers.
const SANITIZE: &str = "WARPEVM_SANITIZE";

fn main() {
    println!("cargo:rerun-if-changed=cuda");
    println!("cargo:rerun-if-env-changed={SANITIZE}");
    println!("cargo:rustc-check-cfg=cfg(sanitized)");
    let sanitize = std::env::var_os(SANITIZE).is_some_and(|value| !value.is_empty());
    build_cpu(sanitize);
    build_op_test("_limbs64", None, sanitize);
    build_op_test("_limbs32", Some("WE_LIMBS32"), sanitize);
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
    cpp(sanitize).file("cuda/cpu.cpp").compile("warpevm_cpu");
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
