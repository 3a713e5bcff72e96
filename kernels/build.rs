//! Compiles the CUDA C++ sources for the CPU.
//!
//! `WARPEVM_SANITIZE` names sanitizers (`address`, `undefined`, or both with a comma) that
//! instrument the `cpu` backend: see docs/TESTING.md.

/// The variable that names sanitizers.
const SANITIZE: &str = "WARPEVM_SANITIZE";

fn main() {
    println!("cargo:rerun-if-changed=cuda");
    println!("cargo:rerun-if-env-changed={SANITIZE}");
    build_cpu();
    build_op_test("_limbs64", None);
    build_op_test("_limbs32", Some("WE_LIMBS32"));
}

/// What all C++ builds share.
fn cpp() -> cc::Build {
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
    build
}

/// The `cpu` backend: always optimised, as what it runs are other people's programs.
fn build_cpu() {
    let mut build = cpp();
    let sanitizers = std::env::var(SANITIZE).unwrap_or_default();
    if !sanitizers.is_empty() {
        // Instrumented code draws warnings of its own.
        build.warnings_into_errors(false).debug(true);
        build.flag(format!("-fsanitize={sanitizers}")).flag("-fno-sanitize-recover=all");
        build.flag("-fno-sanitize=vptr").flag("-fno-omit-frame-pointer");
    }
    build.file("cuda/cpu.cpp").compile("warpevm_cpu");
    // The runtimes, by the names that GCC gives them.
    for name in sanitizers.split(',').filter(|name| !name.is_empty()) {
        let runtime = match name {
            "address" => "asan",
            "undefined" => "ubsan",
            other => panic!("{SANITIZE}: '{other}' is not one of address, undefined"),
        };
        println!("cargo:rustc-link-lib=dylib={runtime}");
    }
}

/// The op library's test entry points, once per limb size. A static library whose symbols only
/// `tests/op.rs` refers to: the linker leaves it out of everything else.
fn build_op_test(suffix: &str, limbs: Option<&str>) {
    let mut build = cpp();
    build.debug(false).define("OP_TEST_SUFFIX", suffix).file("cuda/op_test.cpp");
    if let Some(limbs) = limbs {
        build.define(limbs, None).define("warpevm", "warpevm_limbs32");
    }
    build.compile(&format!("warpevm_op_test{suffix}"));
}
