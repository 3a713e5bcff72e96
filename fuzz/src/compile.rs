//! Any bytes compile, for every spec and with any passes, to a program that keeps its contract.

use warpevm_compiler::opcode::OPCODES;
use warpevm_compiler::{Options, Spec, compile_with, verify};

use crate::rng::Rng;

/// Compiles `code` and checks what must hold of every program; panics where it does not.
pub fn compile_any(code: &[u8], spec: Spec, options: &Options) {
    let made = compile_with(code, spec, options);
    if let Err(error) = verify::verify(&made) {
        panic!("{spec}: {error}");
    }
    assert_eq!(made.code_bytes as usize, code.len());
    assert!((made.entry as usize) < made.ops.len());
    for (pc, target) in made.jump_targets() {
        assert_eq!(code[pc as usize], 0x5b, "{spec}: a jump to op {target}");
    }
    // Linear in the code: a copy of each bb at most, and what the limits grant small codes.
    assert!(made.ops.len() <= 40_000 + 16 * code.len(), "{} ops", made.ops.len());
}

/// As [`compile_any`], with spec and passes taken from the first bytes: for a fuzzer's input.
pub fn compile_input(input: &[u8]) {
    let Some((head, code)) = input.split_first_chunk::<3>() else { return };
    let spec = Spec::ALL[usize::from(head[0]) % Spec::ALL.len()];
    let bits = u16::from_le_bytes([head[1], head[2]]);
    compile_any(code, spec, &options(bits));
}

/// A pass for each bit.
pub fn options(bits: u16) -> Options {
    let mut options = Options::NONE;
    for (bit, name) in Options::NAMES.iter().enumerate() {
        if let Some(switch) = options.by_name(name) {
            *switch = bits >> bit & 1 != 0;
        }
    }
    options
}

/// Code of random opcodes (not bytes: PUSH32 would swallow most), with many jumps.
pub fn opcodes(rng: &mut Rng, count: usize) -> Vec<u8> {
    let mut code = Vec::new();
    for _ in 0..count {
        match rng.below(10) {
            0 => code.push(0x5b),
            1 => code.extend([0x60, rng.next() as u8, 0x56]),
            2 => code.extend([0x60, rng.next() as u8, 0x57]),
            3 | 4 => code.extend([0x60, rng.below(70) as u8]),
            5 => code.push(0x80 + rng.below(32) as u8),
            _ => code.push(rng.pick(OPCODES).byte),
        }
    }
    code
}

/// Changes a code here and there: bytes, insertions, removals, copies of a part.
pub fn mutate(rng: &mut Rng, code: &mut Vec<u8>) {
    for _ in 0..rng.between(1, 8) {
        let len = code.len() as u64;
        if len == 0 {
            return code.push(rng.next() as u8);
        }
        let at = rng.below(len) as usize;
        match rng.below(5) {
            0 => code[at] = rng.next() as u8,
            1 => code[at] ^= 1 << rng.below(8),
            2 => code.insert(at, rng.pick(OPCODES).byte),
            3 => drop(code.drain(at..(at + rng.below(20) as usize).min(code.len()))),
            _ => {
                let part = code[at..(at + rng.below(60) as usize).min(code.len())].to_vec();
                let to = rng.below(len) as usize;
                code.splice(to..to, part);
            }
        }
    }
}
