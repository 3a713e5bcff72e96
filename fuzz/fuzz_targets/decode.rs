//! Decoders take any bytes: code, or (first byte 0) a batch file.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| warpevm_fuzz::bytes::decode_input(input));
