//! Compiles the CUDA C++ sources for the CPU.

fn main() {
    println!("cargo:rerun-if-changed=cuda");
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
    cpp().file("cuda/cpu.cpp").compile("warpevm_cpu");
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
