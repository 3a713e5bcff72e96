//! What a block will cost, in order and by several threads: which pays?
//!
//! # Terms
//! A transaction costs a fixed time and a time per unit of gas; running it ahead costs some more,
//! for what is kept until its turn. Waking the other threads costs a time per block.
//!
//! # Method
//! Times of transactions are measured on blocks that one thread executes, waking and joining on
//! those that several do, all as averages that forget; blocks with much to compile do not count.
//! What several threads really take, compared with what was expected, is a factor on further
//! expectations: cores that share caches badly, or with other work, show in it. It slowly returns
//! to 1 while one thread is at work, so that several are tried again. The time of a transaction is
//! what calls of the same function took in blocks that one thread executed, of which there is one
//! from time to time; else it follows from its gas, which is known of such calls or guessed.

use std::sync::Mutex;

use super::crew::{Times, Waits};
use super::lock;

/// Several threads must be expected to take no more than this share of the time of one: the
/// expectation is rough, and their time is worth something to others.
const GAIN_MIN: f64 = 0.9;
/// Weight of the newest block in an average.
const NEWEST: f64 = 0.25;
/// Weight of what is expected without measurement, where a block has shown nothing.
const EXPECTED: f64 = 0.2;
/// What is so many times the average counts as that.
const OUTLIER: f64 = 3.0;
/// Gas of a transaction beyond which it is worth to be run ahead: a plain transfer is not, since
/// what is kept of it costs as much as executing it.
const AHEAD_GAS_MIN: u64 = 25_000;

/// Seconds, measured.
#[derive(Clone, Copy, Debug)]
struct Averages {
    per_transaction: f64,
    per_gas: f64,
    /// Until another thread has begun.
    wake: f64,
    /// Until all threads have stopped.
    join: f64,
    /// What several threads took by what was expected.
    factor: f64,
}

/// What a current server takes.
const START: Averages =
    Averages { per_transaction: 1e-6, per_gas: 4e-10, wake: 1e-4, join: 5e-5, factor: 1.0 };
/// What running a transaction ahead and validating it adds.
const AHEAD_SECONDS: f64 = 1e-6;

/// Seconds that several threads are expected to take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected(f64);

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
        // One outlier shall not count for many.
        Some(newest) => *average += NEWEST * (newest.min(*average * OUTLIER) - *average),
        None => *average += EXPECTED * (start - *average),
    }
}

/// Whether a transaction of so much gas may run ahead with profit.
pub fn is_worth_ahead(gas: u64) -> bool {
    gas >= AHEAD_GAS_MIN
}

impl Costs {
    /// What several threads are expected to take, if that is less than one takes.
    /// `work` is each transaction's gas and, if that is known, time.
    pub fn favour_threads(
        &self,
        work: &[(u64, Option<f64>)],
        waits: &Waits,
        threads: usize,
    ) -> Option<Expected> {
        let costs = *lock(&self.0);
        let of = |(gas, seconds): &(u64, Option<f64>)| {
            seconds.unwrap_or(costs.per_transaction + costs.per_gas * *gas as f64)
        };
        let one: f64 = work.iter().map(of).sum();
        // The longest chain of what waits for each other, and the work in all.
        let mut ends: Vec<f64> = Vec::with_capacity(work.len());
        let (mut longest, mut all) = (0.0f64, 0.0);
        for (index, one) in work.iter().enumerate() {
            let extra = if is_worth_ahead(one.0) { AHEAD_SECONDS } else { 0.0 };
            let earlier = waits.of(index).iter().filter_map(|at| ends.get(*at as usize));
            let end = earlier.copied().fold(0.0, f64::max) + of(one) + extra;
            all += of(one) + extra;
            longest = longest.max(end);
            ends.push(end);
        }
        // What is light is executed in order, by one.
        let light: f64 = work.iter().filter(|one| !is_worth_ahead(one.0)).map(of).sum();
        // Until the others have come, one works alone.
        let shared = (all + costs.wake) / threads as f64;
        let many = costs.join + longest.max(light).max(shared);
        (many * costs.factor < one * GAIN_MIN).then_some(Expected(many))
    }

    /// Takes in what a block took.
    pub fn learn(&self, times: &Times) {
        let mut costs = lock(&self.0);
        let Some(together) = &times.together else {
            let average = |seconds: f64, count: u64| (count > 0).then(|| seconds / count as f64);
            let light = average(times.light_seconds, times.light);
            blend(&mut costs.per_transaction, light, START.per_transaction);
            let base = costs.per_transaction * times.heavy as f64;
            let heavy = average((times.heavy_seconds - base).max(0.0), times.heavy_gas);
            blend(&mut costs.per_gas, heavy, START.per_gas);
            blend(&mut costs.wake, None, START.wake);
            blend(&mut costs.join, None, START.join);
            blend(&mut costs.factor, None, START.factor);
            return;
        };
        blend(&mut costs.wake, together.wake_seconds, START.wake);
        blend(&mut costs.join, Some(together.join_seconds), START.join);
        if let Some(Expected(expected)) = together.expected {
            blend(&mut costs.factor, Some(together.seconds / expected), START.factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::crew::Together;
    use super::*;

    fn favours(costs: &Costs, gas: &[u64], waits: &Waits, threads: usize) -> bool {
        let work: Vec<_> = gas.iter().map(|gas| (*gas, None)).collect();
        costs.favour_threads(&work, waits, threads).is_some()
    }

    #[test]
    fn work_that_pays_is_shared_and_other_work_is_not() {
        let costs = Costs::default();
        let none = Waits::none();
        assert!(favours(&costs, &[200_000; 100], &none, 2));
        assert!(!favours(&costs, &[200_000; 1], &none, 2), "one transaction");
        assert!(!favours(&costs, &[21_000; 1000], &none, 2), "transfers");
        let mut chain = Waits::none();
        (0..100u32).for_each(|index| chain.push(index.checked_sub(1)));
        assert!(!favours(&costs, &[200_000; 100], &chain, 8), "a chain");
        assert!(!favours(&costs, &[], &none, 8));
        let known = vec![(200_000, Some(1e-6)); 100];
        assert_eq!(costs.favour_threads(&known, &none, 2), None, "much gas, little time");
    }

    #[test]
    fn threads_that_disappoint_are_left_and_tried_again() {
        let costs = Costs::default();
        let (none, gas) = (Waits::none(), [200_000; 100]);
        let mut blocks = 0;
        let work = gas.map(|gas| (gas, None));
        while let Some(expected) = costs.favour_threads(&work, &none, 2) {
            let together = Together {
                expected: Some(expected),
                seconds: expected.0 * 5.0,
                wake_seconds: Some(1e-4),
                join_seconds: 5e-5,
            };
            costs.learn(&Times { together: Some(together), ..Times::default() });
            blocks += 1;
            assert!(blocks < 10, "five times as slow as expected");
        }
        for _ in 0..100 {
            costs.learn(&Times::default());
        }
        assert!(favours(&costs, &gas, &none, 2));
        // Nonsense changes nothing for long.
        let together = Together { wake_seconds: Some(f64::NAN), ..Together::default() };
        costs.learn(&Times { together: Some(together), ..Times::default() });
        assert!(favours(&costs, &gas, &none, 2));
    }
}
