//! Compiled programs do what the bytecode says: same end, same gas, same effects in the same order.

mod alu;
mod counts;
mod lowered;
mod programs;
mod stack;
mod world;

use proptest::prelude::*;
use warpevm_compiler::baseline::{Scratch, grow};
use warpevm_compiler::{Baseline, Options, Program, Spec, compile_baseline, compile_with, verify};
use world::World;

const GAS: u64 = 2_000_000;

/// Compiles and runs `code` every way and compares all that can be seen.
fn check(code: &[u8], spec: Spec, options: &Options, call_data: &[u8]) -> Result<(), String> {
    check_program(&compile_with(code, spec, options), code, spec, call_data)?;
    let at_once = compile_baseline(code, spec);
    check_program(&at_once, code, spec, call_data).map_err(|what| format!("baseline: {what}"))?;
    let grown = grown(code, spec, call_data);
    check_program(&grown, code, spec, call_data).map_err(|what| format!("grown: {what}"))
}

/// A program that grew in an order that `order` gives.
fn grown(code: &[u8], spec: Spec, order: &[u8]) -> Program {
    let mut scratch = Scratch::default();
    let mut baseline = Baseline::new(code, spec);
    let mut program = baseline.start(code, &mut scratch);
    let count = program.jump_targets().count();
    let mut left: Vec<u32> = (0..count as u32).collect();
    let mut order = order.iter().cycle();
    while !left.is_empty() {
        let at = usize::from(*order.next().unwrap_or(&0)) % left.len();
        let n = left.swap_remove(at);
        let place = (0..program.ops.len() as u32).find(|op| baseline.jumpdest_of(*op) == Some(n));
        assert!(place.is_some(), "an op stands for JUMPDEST {n}");
        if !baseline.is_lowered(n) {
            grow(&mut program, baseline.lower(code, n, &mut scratch));
        }
    }
    assert!(program.ops.len() <= Baseline::ops_max(code.len()), "{} ops", program.ops.len());
    assert!(program.consts.len() <= Baseline::consts_max(code.len()));
    program
}

fn check_program(
    program: &Program,
    code: &[u8],
    spec: Spec,
    call_data: &[u8],
) -> Result<(), String> {
    verify::verify(program).map_err(|e| e.to_string())?;
    let mut want = World::new(spec, GAS, call_data);
    let mut got = want.clone();
    let want_end = stack::run(code, &mut want);
    let (got_end, _) = lowered::run(program, code, &mut got);
    match (&want_end, &got_end) {
        (Err(_), Err(_)) => Ok(()),
        (Ok(want_end), Ok(got_end)) => {
            let same = want_end == got_end
                && want.gas == got.gas
                && want.events == got.events
                && want.storage == got.storage
                && want.transient == got.transient
                && want.warm == got.warm
                && want.warm_accounts == got.warm_accounts
                && want.memory.len() == got.memory.len();
            if same {
                return Ok(());
            }
            let differ = want.events.iter().zip(&got.events).find(|(want, got)| want != got);
            Err(format!(
                "first event that differs: {differ:#?}\n\
                 want {want_end:?} gas {} memory {} events {}\n\
                 got {got_end:?} gas {} memory {} events {}\nstorage {} transient {} warm {}",
                want.gas,
                want.memory.len(),
                want.events.len(),
                got.gas,
                got.memory.len(),
                got.events.len(),
                want.storage == got.storage,
                want.transient == got.transient,
                want.warm == got.warm && want.warm_accounts == got.warm_accounts,
            ))
        }
        _ => Err(format!("want {want_end:?}\ngot {got_end:?}")),
    }
}

fn options() -> impl Strategy<Value = Options> {
    // Mostly everything, sometimes any mix of passes.
    let mix = prop::collection::vec(any::<bool>(), Options::NAMES.len()).prop_map(|switches| {
        let mut options = Options::ALL;
        for (name, on) in Options::NAMES.iter().zip(switches) {
            *options.by_name(name).expect("a name from the list") = on;
        }
        options
    });
    prop_oneof![3 => Just(Options::ALL), 2 => mix]
}

fn spec() -> impl Strategy<Value = Spec> {
    prop_oneof![2 => Just(Spec::Osaka), 1 => prop::sample::select(Spec::ALL.to_vec())]
}

fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(default),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn structured_programs(
        choices in prop::collection::vec(any::<u8>(), 0..600),
        spec in spec(),
        options in options(),
    ) {
        let code = programs::structured(&choices, spec);
        if let Err(what) = check(&code, spec, &options, &choices) {
            let hex = alloy_primitives::hex::encode(&code);
            return Err(TestCaseError::fail(format!("{hex}\n{what}")));
        }
    }

    #[test]
    fn random_bytes(
        code in prop::collection::vec(any::<u8>(), 0..400),
        spec in spec(),
        options in options(),
    ) {
        if let Err(what) = check(&code, spec, &options, &code) {
            let hex = alloy_primitives::hex::encode(&code);
            return Err(TestCaseError::fail(format!("{hex}\n{what}")));
        }
    }

    #[test]
    fn random_opcodes(
        choices in prop::collection::vec(any::<u8>(), 0..300),
        spec in spec(),
        options in options(),
    ) {
        let code = programs::opcodes(&choices);
        if let Err(what) = check(&code, spec, &options, &code) {
            let hex = alloy_primitives::hex::encode(&code);
            return Err(TestCaseError::fail(format!("{hex}\n{what}")));
        }
    }
}
