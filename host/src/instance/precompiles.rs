//! Calls of precompiled contracts that the device does not take, through revm.

use revm::precompile::{PrecompileSpecId, Precompiles, u64_to_address};
use warpevm_compiler::Spec;

use crate::reference::spec_id;

/// What a precompile did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrecompileResult {
    /// It succeeded.
    pub ok: bool,
    /// Gas used; all of it on failure.
    pub gas_used: u64,
    /// Its output; empty on failure.
    pub output: revm::primitives::Bytes,
}

/// Runs the precompile at address `number`. An address that has none in this spec fails, which
/// takes all the gas: the device asks only for precompiles of the spec.
pub fn run(spec: Spec, number: u32, input: &[u8], gas: u64) -> PrecompileResult {
    let precompiles = Precompiles::new(PrecompileSpecId::from_spec_id(spec_id(spec)));
    let failed = PrecompileResult { ok: false, gas_used: gas, output: Default::default() };
    let Some(precompile) = precompiles.get(&u64_to_address(u64::from(number))) else {
        return failed;
    };
    match precompile.execute(input, gas, 0) {
        Ok(out) if out.is_success() && out.gas_used <= gas => {
            PrecompileResult { ok: true, gas_used: out.gas_used, output: out.bytes }
        }
        _ => failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_charges_words_and_returns_its_input() {
        let answer = run(Spec::Osaka, 4, &[7; 33], 100);
        assert_eq!((answer.ok, answer.gas_used), (true, 15 + 2 * 3));
        assert_eq!(&answer.output[..], &[7; 33]);
    }

    #[test]
    fn failures_take_all_gas() {
        for (spec, number, gas) in
            [(Spec::Osaka, 4, 14), (Spec::Frontier, 5, 100_000), (Spec::Osaka, 8, 1_000)]
        {
            let answer = run(spec, number, &[1], gas);
            assert_eq!((answer.ok, answer.gas_used, answer.output.len()), (false, gas, 0));
        }
    }
}
