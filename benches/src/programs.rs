//! Loops in assembly, and random calldata for contracts.

use alloy_primitives::{Address, B256, U256};
use anyhow::Context;
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore};
use warpevm_compiler::asm::assemble;
use warpevm_compiler::opcode::{immediate_size, op};

/// Iterations of the loops of the compute suite.
const LOOP_ITERATIONS: u32 = 1000;
/// Iterations of each transaction of the loop suite.
pub const LP98_ITERATIONS: u16 = 5000;
/// Words of arguments that a fuzzed call has, at most.
const ARGUMENTS_MAX: usize = 6;

/// A loop: what stands before it, and what each turn does with one word on the stack.
struct Loop {
    name: &'static str,
    before: &'static str,
    body: &'static str,
}

const LOOPS: [Loop; 6] = [
    Loop { name: "loop-add", before: "", body: "calldatasize add dup1 3 add xor" },
    Loop { name: "loop-mul", before: "", body: "dup1 0x9e3779b97f4a7c15f39cc0605cedc835 add mul" },
    Loop { name: "loop-div", before: "", body: "not 0xfffffffffffffffffffffffffffffff1 swap1 div" },
    Loop {
        name: "loop-mulmod",
        before: "",
        body: "1 add 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47 \
               dup2 dup3 mulmod swap1 pop",
    },
    Loop { name: "loop-keccak", before: "", body: "0 mstore 0x40 0 keccak256" },
    Loop {
        name: "loop-memory",
        before: "",
        body: "dup1 0x3e0 and mload add dup1 dup2 0x3e0 and mstore 0x25 add",
    },
];

/// Names and codes of the loops of the compute suite.
pub fn loops() -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    LOOPS.iter().map(|one| Ok((one.name, code(one)?))).collect()
}

/// The value is at the top while the body runs, the counter below it; the value is returned.
fn code(one: &Loop) -> anyhow::Result<Vec<u8>> {
    let Loop { name, before, body } = one;
    let source = format!(
        "{before} {LOOP_ITERATIONS} 0 loop: {body} swap1 1 swap1 sub swap1 dup2 @loop jumpi
         0 mstore 0x20 0 return"
    );
    assemble(&source).with_context(|| format!("{name} does not assemble"))
}

/// A counter in a loop of nine opcodes.
pub fn lp98() -> anyhow::Result<Vec<u8>> {
    let source = format!("0 loop: 1 add dup1 push2 {LP98_ITERATIONS} swap1 lt 2 jumpi pop stop");
    assemble(&source).context("the loop does not assemble")
}

/// The selectors that a dispatcher compares with: PUSH4, then EQ within two opcodes.
pub fn selectors(code: &[u8]) -> Vec<[u8; 4]> {
    let (mut found, mut pc) = (Vec::new(), 0);
    while let Some(&byte) = code.get(pc) {
        let next = pc + 1 + usize::from(immediate_size(byte));
        if byte == op::PUSH4 {
            let equal = [0, 1].into_iter().any(|skip| code.get(next + skip) == Some(&op::EQ));
            let selector = code.get(pc + 1..next).and_then(|bytes| bytes.first_chunk());
            found.extend(selector.filter(|_| equal).copied());
        }
        pc = next;
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Random calldata: a selector and arguments as a fuzzer draws them. Types are not known, so that a
/// word may be an address, a small number, an offset, a flag or anything.
pub fn calldata(rng: &mut impl RngCore, selectors: &[[u8; 4]], addresses: &[Address]) -> Vec<u8> {
    let mut data = selectors.choose(rng).map_or_else(Vec::new, |selector| selector.to_vec());
    for _ in 0..rng.random_range(0..=ARGUMENTS_MAX) {
        let word = match rng.random_range(0..6) {
            0 | 1 => B256::left_padding_from(addresses.choose(rng).map_or(&[], |a| a.as_slice())),
            2 => B256::with_last_byte(rng.random_range(0..2)),
            3 => B256::from(U256::from(32 * rng.random_range(0..ARGUMENTS_MAX as u64))),
            4 => B256::from(U256::from(rng.random::<u64>() >> rng.random_range(0..64))),
            _ => B256::from(rng.random::<[u8; 32]>()),
        };
        data.extend_from_slice(word.as_slice());
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_those_of_the_dispatcher() {
        let code = "calldatasize dup1 push4 0xa9059cbb eq @a jumpi dup1 push4 0x11223344 dup2 eq
                    @a jumpi push4 0x55667788 add a: stop";
        let code = assemble(code).expect("it assembles");
        assert_eq!(selectors(&code), [[0x11, 0x22, 0x33, 0x44], [0xa9, 0x05, 0x9c, 0xbb]]);
        assert!(selectors(&[op::PUSH4, 1, 2]).is_empty());
    }

    #[test]
    fn the_loop_is_the_one_of_the_suite() {
        let expected = "6000 5b 6001 01 80 611388 90 10 6002 57 50 00".replace(' ', "");
        assert_eq!(alloy_primitives::hex::encode(lp98().expect("it assembles")), expected);
    }
}
