//! The engine against revm: the input is the number of a case.
#![no_main]

libfuzzer_sys::fuzz_target!(|number: u64| {
    let mut checker = warpevm_fuzz::check::Checker::default();
    for case in warpevm_fuzz::world::cases(0, number) {
        assert_eq!(checker.check(&case), None);
    }
});
