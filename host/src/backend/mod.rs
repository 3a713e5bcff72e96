//! Devices: what runs instances.

pub mod cpu;
pub mod cuda;
pub mod device;
pub mod wgpu;

use warpevm_compiler::Spec;
use warpevm_kernels::abi::{GAS_NUMBERS_MAX, GasNumbers, Launch};

/// The prices of every spec as kernels take them.
static GAS: [GasNumbers; Spec::ALL.len()] = {
    let mut gas = [[0; GAS_NUMBERS_MAX as usize]; Spec::ALL.len()];
    let mut i = 0;
    while i < gas.len() {
        gas[i] = Spec::ALL[i].varying_gas();
        i += 1;
    }
    gas
};

/// A launch with what follows from the spec.
pub(crate) fn launch_of(spec: Spec) -> Launch {
    Launch {
        rules: spec.rules().for_kernels(),
        precompiles: spec.precompiles(),
        gas: GAS[spec as usize],
        ..Default::default()
    }
}
