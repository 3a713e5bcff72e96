//! What a block takes: expected and measured.

/// A transaction's gas and, if that is known, time.
pub type Work = (u64, Option<f64>);

/// Seconds that several threads are expected to take, with or without a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// The seconds.
    pub seconds: f64,
    /// With a device.
    pub device: bool,
}

/// What is measured of a block, for the cost model. *Light* transactions are not worth to be run
/// ahead, *heavy* ones are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Light ones executed in order.
    pub light: u64,
    pub light_seconds: f64,
    /// Heavy ones executed in order.
    pub heavy: u64,
    pub heavy_gas: u64,
    pub heavy_seconds: f64,
    /// If several threads were at work.
    pub together: Option<Together>,
}

/// What several threads took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Together {
    /// What they were expected to take, if that was asked.
    pub expected: Option<Expected>,
    /// What they took.
    pub seconds: f64,
    /// Until the first of the other threads had begun, if one did.
    pub wake_seconds: Option<f64>,
    /// From the end of the block until the other threads had stopped.
    pub join_seconds: f64,
}
