//! How an engine works, as its user says it.

use warpevm_compiler::Options;

use crate::code::Tiers;
use crate::limits::{DEVICE_INSTANCES_COUNT_MIN, STEP_BUDGET_COUNT};
use crate::types::{Backend, Grouping, Policy};

/// How an engine works.
///
/// ```
/// use warpevm::{Backend, Config};
///
/// let config = Config::default().with_backend(Backend::Wgpu).with_threads(4);
/// assert_eq!(config.threads, 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// What runs the transactions.
    pub backend: Backend,
    /// Threads; 0: one per hardware thread.
    pub threads: usize,
    /// Memory class that calls of `simulate` start in; class 0 is the smallest.
    pub simulate_class: usize,
    /// Memory class that transactions of `execute` start in. A block's transactions differ, so that
    /// restarts would cost more than the larger class.
    pub execute_class: usize,
    /// Basic blocks that an instance enters before it suspends.
    pub step_budget: u64,
    /// Which GPU the `cuda` backend takes; `None`: all of them, which share a batch. Which adapter
    /// the `wgpu` backend takes; `None`: the one that `WARPEVM_WGPU_ADAPTER` names, else the first.
    pub gpu: Option<i32>,
    /// How devices group transactions.
    pub grouping: Grouping,
    /// Instances of a warp that get a transaction. Fewer than 32 leave hardware lanes idle: where
    /// transactions do different things, those of a warp wait for each other.
    pub instances_per_warp: usize,
    /// How `execute` finds transactions of a block that can run at the same time.
    pub policy: Policy,
    /// Whether a transaction that read values which have changed since is patched where that gives
    /// the same as executing it again.
    pub redo: bool,
    /// The compiler's passes. Results do not depend on them.
    pub passes: Options,
    /// Which programs of a code run. Results do not depend on it.
    pub tiers: Tiers,
}

impl Default for Config {
    fn default() -> Config {
        Config::new()
    }
}

/// A setter for each field, all alike, so that every setting can be a link of one chain.
macro_rules! setters {
    ($($with:ident, $field:ident: $type:ty;)*) => {
        impl Config {
            $(
                #[doc = concat!("The same with another [`", stringify!($field), "`](Config::",
                    stringify!($field), ").")]
                #[must_use]
                pub const fn $with(self, $field: $type) -> Config {
                    Config { $field, ..self }
                }
            )*
        }
    };
}

setters! {
    with_backend, backend: Backend;
    with_threads, threads: usize;
    with_simulate_class, simulate_class: usize;
    with_execute_class, execute_class: usize;
    with_step_budget, step_budget: u64;
    with_gpu, gpu: Option<i32>;
    with_grouping, grouping: Grouping;
    with_instances_per_warp, instances_per_warp: usize;
    with_policy, policy: Policy;
    with_redo, redo: bool;
    with_passes, passes: Options;
    with_tiers, tiers: Tiers;
}

impl Config {
    /// The default, for constants.
    pub const fn new() -> Config {
        Config {
            backend: Backend::Cpu,
            threads: 0,
            simulate_class: 0,
            execute_class: 1,
            step_budget: STEP_BUDGET_COUNT,
            gpu: None,
            grouping: Grouping::Start,
            instances_per_warp: DEVICE_INSTANCES_COUNT_MIN,
            policy: Policy::Auto,
            redo: true,
            passes: Options::ALL,
            tiers: Tiers::Auto,
        }
    }
}
