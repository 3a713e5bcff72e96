//! One thread of a backend against one thread of revm, in turn, in one run.

use super::output::{Progress, Say};
use super::runner::Runner;
use anyhow::ensure;
use serde::Serialize;
use std::time::Instant;
use warpevm::reference;
use warpevm::state::{HasStorage, MemoryState};
use warpevm::types::{Backend, Env, Transaction};
use warpevm::{Config, State, Tiers};
use warpevm_benches::figures::{duration, median};

/// Rounds where the command line does not say.
pub(crate) const ROUNDS_DEFAULT: u32 = 5;

/// What both took.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    pub backend: Backend,
    pub calls: u64,
    pub gas_used: u64,
    /// Seconds of each round, in the order measured: with the snapshot read from the start, as revm
    /// does, and with the snapshot in the state table from earlier rounds.
    pub ours: Vec<f64>,
    pub ours_warm: Vec<f64>,
    pub revm: Vec<f64>,
    pub ours_median: f64,
    pub ours_warm_median: f64,
    pub revm_median: f64,
    /// How many times as fast as revm: median by median.
    pub ratio: f64,
    pub ratio_warm: f64,
}

/// Runs the same calls on both in turn. The first round of each warms up and does not count. revm's
/// time is that of `transact` alone; ours includes the results in our types.
pub(crate) fn side_by_side(
    config: Config,
    parts: &[(Env, Vec<Transaction>)],
    state: &MemoryState,
    rounds: u32,
) -> anyhow::Result<Comparison> {
    // What repeats has been compiled.
    let runner = Runner::with(config.with_threads(1).with_tiers(Tiers::Full))?;
    let (mut ours, mut ours_warm, mut revm) = (Vec::new(), Vec::new(), Vec::new());
    let warm = State::new(state)?.with_storage_probe();
    let mut gas_used = 0;
    let progress = Progress::new(u64::from(rounds) + 1, "rounds");
    for round in 0..=rounds {
        let (mut our_seconds, mut warm_seconds, mut revm_seconds) = (0.0, 0.0, 0.0);
        let (mut our_gas, mut revm_gas) = (0u64, 0u64);
        for (env, calls) in parts {
            let input = calls.clone();
            let start = Instant::now();
            let bare = reference::simulate_bare(env, input, state, Some(HasStorage::has_storage))?;
            revm_gas = revm_gas.saturating_add(bare.gas_used);
            revm_seconds += start.elapsed().as_secs_f64();
            let ran = runner.calls(env, calls, state)?;
            our_gas = our_gas.saturating_add(ran.report.gas_used);
            our_seconds += ran.seconds;
            warm_seconds += runner.calls_on(env, calls, &warm)?.seconds;
        }
        ensure!(our_gas == revm_gas, "revm used {revm_gas} gas, {:?} {our_gas}", runner.backend);
        gas_used = revm_gas;
        if round > 0 {
            revm.push(revm_seconds);
            ours.push(our_seconds);
            ours_warm.push(warm_seconds);
        }
        progress.step(1);
    }
    let (ours_median, revm_median) = (median(&ours), median(&revm));
    let ours_warm_median = median(&ours_warm);
    let ratio = |seconds: f64| if seconds > 0.0 { revm_median / seconds } else { 0.0 };
    Ok(Comparison {
        backend: runner.backend,
        calls: parts.iter().map(|(_, calls)| calls.len() as u64).sum(),
        gas_used,
        ours,
        ours_warm,
        revm,
        ours_median,
        ours_warm_median,
        revm_median,
        ratio: ratio(ours_median),
        ratio_warm: ratio(ours_warm_median),
    })
}

impl Comparison {
    /// Prints it for people.
    pub(crate) fn print(&self, say: Say) -> anyhow::Result<()> {
        let rate = |seconds: f64| self.calls as f64 / seconds.max(f64::MIN_POSITIVE);
        let mgas = |seconds: f64| self.gas_used as f64 / seconds.max(f64::MIN_POSITIVE) / 1e6;
        let side = |name: &str, median: f64| {
            say.line(format!(
                "  {name}: {} (median of {}), {:.0} calls/s, {:.1} Mgas/s",
                duration(median),
                self.ours.len(),
                rate(median),
                mgas(median),
            ))
        };
        say.line(format!("one thread each, {} calls, in turn:", self.calls))?;
        side("revm", self.revm_median)?;
        let ours = format!("{:?}", self.backend).to_lowercase();
        side(&ours, self.ours_median)?;
        side(&format!("{ours}, snapshot in its state table"), self.ours_warm_median)?;
        let (ratio, warm) = (self.ratio, self.ratio_warm);
        say.line(format!("  ratio: {ratio:.3} times as fast as revm ({warm:.3} with the snapshot)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }
}
