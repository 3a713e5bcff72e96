//! Devices: what runs instances.

pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod device;
#[cfg(feature = "wgpu")]
pub mod wgpu;

use device::driver::AnyDriver;

use crate::error::Error;

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

/// What a build says that was made without the backend.
#[cfg(not(all(feature = "cuda", feature = "wgpu")))]
fn absent(feature: &str) -> Error {
    Error::NoDevice(format!("this build is without the feature '{feature}'"))
}

/// The GPU of the `cuda` backend, or all of them; else why there is none.
#[cfg(feature = "cuda")]
pub(crate) fn cuda_drivers(gpu: Option<i32>) -> Result<Vec<AnyDriver>, Error> {
    let drivers = cuda::real::CudaDriver::open(gpu)?.into_iter();
    Ok(drivers.map(|driver| std::sync::Arc::new(driver) as AnyDriver).collect())
}

/// The same without it.
#[cfg(not(feature = "cuda"))]
pub(crate) fn cuda_drivers(_: Option<i32>) -> Result<Vec<AnyDriver>, Error> {
    Err(absent("cuda"))
}

/// The adapter of the `wgpu` backend; else why there is none.
#[cfg(feature = "wgpu")]
pub(crate) fn wgpu_drivers(gpu: Option<i32>) -> Result<Vec<AnyDriver>, Error> {
    Ok(vec![std::sync::Arc::new(wgpu::WgpuDriver::open(gpu)?)])
}

/// The same without it.
#[cfg(not(feature = "wgpu"))]
pub(crate) fn wgpu_drivers(_: Option<i32>) -> Result<Vec<AnyDriver>, Error> {
    Err(absent("wgpu"))
}

/// A device that the CPU plays.
#[cfg(feature = "fake-device")]
pub(crate) fn fake_drivers() -> Result<Vec<AnyDriver>, Error> {
    let fake = device::fake::FakeDriver::new(crate::limits::FAKE_DEVICE_BYTES, Vec::new())?;
    Ok(vec![std::sync::Arc::new(fake)])
}

/// The folder of compiled kernels.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
pub(crate) fn kernels_dir() -> Option<std::path::PathBuf> {
    Some(warpevm_kernels::cache::cache_dir()?.join("kernels"))
}
