//! A fast hash for tables that are small, private and rebuilt for every code.
//!
//! It is not proof against chosen keys: every table that uses it is bounded, or falls back to
//! treating keys as new after [`PROBES_MAX`] probes, so that a hostile code costs linear time.

/// Probes after which a lookup in a lossy table gives up.
pub(crate) const PROBES_MAX: usize = 16;

/// One step of the hash, as in FxHash, with the high bits folded down because tables use the low.
pub(crate) fn mix(hash: u64, limb: u64) -> u64 {
    let h = (hash.rotate_left(5) ^ limb).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    h ^ h >> 32
}
