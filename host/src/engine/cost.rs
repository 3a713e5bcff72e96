//! What a block will cost, in order and by several threads: which pays?
//!
//! # Terms
//! A transaction costs a fixed time and a time per unit of gas; running it ahead costs some more,
//! for what is kept until its turn. Waking the other threads costs a time per block.
//!
//! # Method
//! All four are measured while blocks are executed, as averages that forget; blocks that had
//! something to compile do not count. What a block in order does not show slowly returns to what a
//! current server takes, so that an outlier does not decide forever. Gas is what calls of the same
//! function used before, or a guess.

use std::sync::Mutex;

use super::crew::{Times, Waits};
use super::lock;

/// Several threads must be expected to take no more than this share of the time of one: the
/// expectation is rough, and their time is worth something to others.
const GAIN_MIN: f64 = 0.9;
/// Weight of the newest block in an average.
const NEWEST: f64 = 0.25;
/// Weight of what is expected without measurement, where a block has shown nothing.
const EXPECTED: f64 = 0.1;
/// Gas of a transaction beyond which it is worth to be run ahead: a plain transfer is not, since
/// what is kept of it costs as much as executing it.
const AHEAD_GAS_MIN: u64 = 25_000;

/// Seconds, measured.
#[derive(Clone, Copy, Debug)]
struct Averages {
    per_transaction: f64,
    per_gas: f64,
    /// What running a transaction ahead and validating it adds.
    ahead: f64,
    /// Until another thread has begun.
    wake: f64,
    /// Until all threads have stopped.
    join: f64,
}

/// What a current server takes.
const START: Averages =
    Averages { per_transaction: 1e-6, per_gas: 4e-10, ahead: 1.5e-6, wake: 1e-4, join: 5e-5 };

/// The cost model of an engine.
#[derive(Debug)]
pub struct Costs(Mutex<Averages>);

impl Default for Costs {
    /// For the first block.
    fn default() -> Costs {
        Costs(Mutex::new(START))
    }
}

fn blend(average: &mut f64, newest: Option<f64>, start: f64) {
    match newest.filter(|seconds| seconds.is_finite() && *seconds >= 0.0) {
        Some(newest) => *average += NEWEST * (newest - *average),
        None => *average += EXPECTED * (start - *average),
    }
}

/// Whether a transaction of so much gas may run ahead with profit.
pub fn is_worth_ahead(gas: u64) -> bool {
    gas >= AHEAD_GAS_MIN
}

impl Costs {
    /// Expects several threads to be faster than one.
    pub fn favour_threads(&self, gas: &[u64], waits: &Waits, threads: usize) -> bool {
        let costs = *lock(&self.0);
        let of = |gas: u64| costs.per_transaction + costs.per_gas * gas as f64;
        let one: f64 = gas.iter().map(|gas| of(*gas)).sum();
        // The longest chain of what waits for each other, and the work in all.
        let mut ends: Vec<f64> = Vec::with_capacity(gas.len());
        let (mut longest, mut work) = (0.0f64, 0.0);
        for (index, gas) in gas.iter().enumerate() {
            let extra = if is_worth_ahead(*gas) { costs.ahead } else { 0.0 };
            let earlier = waits.of(index).iter().filter_map(|at| ends.get(*at as usize));
            let end = earlier.copied().fold(0.0, f64::max) + of(*gas) + extra;
            work += of(*gas) + extra;
            longest = longest.max(end);
            ends.push(end);
        }
        // What is light is executed in order, by one.
        let light: f64 = gas.iter().filter(|gas| !is_worth_ahead(**gas)).map(|gas| of(*gas)).sum();
        // Until the others have come, one works alone.
        let shared = (work + costs.wake) / threads as f64;
        costs.join + longest.max(light).max(shared) < one * GAIN_MIN
    }

    /// Takes in what a block took.
    pub fn learn(&self, times: &Times) {
        let mut costs = lock(&self.0);
        let average = |seconds: f64, count: u64| (count > 0).then(|| seconds / count as f64);
        let light = average(times.light_seconds, times.light);
        blend(&mut costs.per_transaction, light, START.per_transaction);
        let base = costs.per_transaction * times.heavy as f64;
        let heavy = average((times.heavy_seconds - base).max(0.0), times.heavy_gas);
        blend(&mut costs.per_gas, heavy, START.per_gas);
        let expected =
            costs.per_transaction * times.ahead as f64 + costs.per_gas * times.ahead_gas as f64;
        let extra = average((times.ahead_seconds - expected).max(0.0), times.ahead);
        blend(&mut costs.ahead, extra, START.ahead);
        blend(&mut costs.wake, times.wake_seconds, START.wake);
        blend(&mut costs.join, times.join_seconds, START.join);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_pays_is_shared_and_other_work_is_not() {
        let costs = Costs::default();
        let none = Waits::none();
        assert!(costs.favour_threads(&[200_000; 100], &none, 2));
        assert!(!costs.favour_threads(&[200_000; 1], &none, 2), "one transaction");
        assert!(!costs.favour_threads(&[21_000; 1000], &none, 2), "transfers");
        let mut chain = Waits::none();
        (0..100u32).for_each(|index| chain.push(index.checked_sub(1)));
        assert!(!costs.favour_threads(&[200_000; 100], &chain, 8), "a chain");
        assert!(!costs.favour_threads(&[], &none, 8));
    }

    #[test]
    fn what_is_measured_changes_what_is_expected() {
        let costs = Costs::default();
        let none = Waits::none();
        for _ in 0..50 {
            costs.learn(&Times { wake_seconds: Some(1.0), ..Times::default() });
        }
        assert!(!costs.favour_threads(&[200_000; 100], &none, 2), "waking takes a second");
        // Nonsense is ignored, and an outlier is forgotten.
        for _ in 0..200 {
            costs.learn(&Times { wake_seconds: Some(f64::NAN), ..Times::default() });
        }
        assert!(costs.favour_threads(&[200_000; 100], &none, 2));
    }
}
