//! `warpevm devices`: what this build can run on.

use super::output::line;
use serde_json::json;
use std::thread::available_parallelism;

/// Backends that the design has and this build does not.
const NOT_YET: [&str; 2] = ["cuda", "wgpu"];

/// SIMD instruction sets of this CPU that matter to the kernels' compiler.
fn simd() -> Vec<&'static str> {
    #[allow(unused_mut, reason = "empty on other architectures")]
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! probe {
            ($($name:tt),*) => {
                $(if std::is_x86_feature_detected!($name) { found.push($name); })*
            };
        }
        probe!("sse4.2", "bmi2", "adx", "avx2", "avx512f", "sha");
    }
    #[cfg(target_arch = "aarch64")]
    found.push("neon");
    found
}

/// Lists the devices.
pub(crate) fn devices(json: bool) -> anyhow::Result<bool> {
    let threads = available_parallelism().map_or(1, usize::from);
    let (arch, simd) = (std::env::consts::ARCH, simd());
    if json {
        let devices = json!([{"backend": "cpu", "threads": threads, "arch": arch, "simd": simd}]);
        line(json!({"devices": devices, "not_in_this_build": NOT_YET}).to_string())?;
        return Ok(true);
    }
    let simd = simd.join(" ");
    line(format!("cpu: the kernels compiled for {arch} ({simd}), {threads} threads"))?;
    for backend in NOT_YET {
        line(format!("{backend}: not in this build yet"))?;
    }
    Ok(true)
}
