//! Random and mutated code compiles, in every spec and with any passes.

use alloy_primitives::Address;
use warpevm_compiler::{Options, Spec};
use warpevm_fuzz::compile::{compile_any, mutate, opcodes, options};
use warpevm_fuzz::program::{Scene, init_code, program};
use warpevm_fuzz::rng::Rng;

const CODES: u64 = 40_000;

#[test]
fn any_bytes_compile() {
    let mut rng = Rng::new(0xc0de);
    for number in 0..CODES {
        let spec = *rng.pick(&Spec::ALL);
        let addresses = vec![Address::repeat_byte(0xc0)];
        let scene = Scene { spec, addresses, init_codes: vec![vec![0x5b; 20]] };
        let mut code = match number % 4 {
            0 => {
                let len = rng.below(300) as usize;
                rng.bytes(len)
            }
            1 => {
                let count = rng.skewed(11) as usize;
                opcodes(&mut rng, count)
            }
            2 => program(&mut rng, &scene),
            _ => {
                let runtime = program(&mut rng, &scene);
                init_code(&mut rng, &scene, runtime)
            }
        };
        if number % 3 == 0 {
            mutate(&mut rng, &mut code);
        }
        let passes = if rng.chance(50) { Options::ALL } else { options(rng.next() as u16) };
        let made = std::panic::catch_unwind(|| compile_any(&code, spec, &passes));
        assert!(made.is_ok(), "{spec}, {passes:?}: {}", alloy_primitives::hex::encode(&code));
    }
}
