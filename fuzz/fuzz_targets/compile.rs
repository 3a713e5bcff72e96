//! Any bytes compile: spec and passes from the first three, code from the rest.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| warpevm_fuzz::compile::compile_input(input));
