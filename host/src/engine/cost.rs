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
//!
//! A device takes a time per group of transactions, per transaction and per gas. Each group that it
//! runs corrects all three, each by its part in what was expected. The first group of an engine
//! teaches nothing: memory is allocated and the state copied. Until a second one has, a block that
//! is wide enough is a probe, and after many blocks kept off the device another one is. A device is
//! expected to be as busy as what it gets makes it, while threads execute the rest; what it did is
//! validated and committed by one. The factor of the device is that of blocks that it took part in.

use std::sync::Mutex;

use super::times::{Expected, Times, Work};
use super::wide::Wide;
use crate::limits::BLOCKS_PER_PROBE_COUNT;
use crate::plan::Waits;
use crate::sync::lock;

/// Several threads must be expected to take no more than this share of the time of one: the
/// expectation is rough, and their time is worth something to others.
const GAIN_MIN: f64 = 0.9;
/// Weight of the newest block in an average.
const NEWEST: f64 = 0.25;
/// Weight of what is expected without measurement, where a block has shown nothing.
const EXPECTED: f64 = 0.2;
/// What is so many times the average counts as that.
const OUTLIER: f64 = 3.0;
/// Share of a block's gas that must be for the device, for a probe.
const WIDE_SHARE_MIN: f64 = 0.5;
/// Groups until the times of a device are known.
const PROBE_GROUPS_COUNT: u32 = 2;
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
    device: DeviceAverages,
}

/// Seconds that a device takes.
#[derive(Clone, Copy, Debug)]
struct DeviceAverages {
    per_group: f64,
    per_transaction: f64,
    per_gas: f64,
    /// What blocks that it took part in took by what was expected.
    factor: f64,
    /// Groups that it ran.
    groups: u32,
    /// Blocks since the last one that it had a part in, of those that it could have.
    kept_off: u32,
}

/// What a current server takes.
const START: Averages = Averages {
    per_transaction: 1e-6,
    per_gas: 4e-10,
    wake: 1e-4,
    join: 5e-5,
    factor: 1.0,
    device: DeviceAverages {
        per_group: 1e-3,
        per_transaction: 2e-6,
        per_gas: 1e-10,
        factor: 1.0,
        groups: 0,
        kept_off: 0,
    },
};
/// What running a transaction ahead and validating it adds.
const AHEAD_SECONDS: f64 = 1e-6;

/// The cost model of an engine.
#[derive(Debug)]
pub struct Costs(Mutex<Averages>);

impl Default for Costs {
    /// For the first block.
    fn default() -> Costs {
        Costs(Mutex::new(START))
    }
}

impl DeviceAverages {
    /// What groups cost by their number, their transactions and their gas.
    fn parts(&self, groups: u64, count: u64, gas: f64) -> [f64; 3] {
        let (groups, count) = (groups as f64, count as f64);
        [self.per_group * groups, self.per_transaction * count, self.per_gas * gas]
    }
}

impl Averages {
    /// What one thread and what several take for the transactions that `counts` says.
    fn threads(
        &self,
        work: &[Work],
        waits: &Waits,
        threads: usize,
        counts: impl Fn(usize) -> bool,
    ) -> (f64, f64) {
        // The longest chain of what waits for each other, and the work in all. What is light is
        // executed in order, by one.
        let mut ends: Vec<f64> = Vec::with_capacity(work.len());
        let (mut longest, mut all, mut one, mut light) = (0.0f64, 0.0, 0.0, 0.0);
        for (index, (gas, seconds)) in work.iter().enumerate() {
            let seconds = seconds.unwrap_or(self.per_transaction + self.per_gas * *gas as f64);
            let time = if counts(index) { seconds } else { 0.0 };
            let heavy = is_worth_ahead(*gas);
            let extra = if heavy && counts(index) { AHEAD_SECONDS } else { 0.0 };
            let earlier = waits.of(index).iter().filter_map(|at| ends.get(*at as usize));
            let end = earlier.copied().fold(0.0, f64::max) + time + extra;
            one += time;
            all += time + extra;
            light += if heavy { 0.0 } else { time };
            longest = longest.max(end);
            ends.push(end);
        }
        // Until the others have come, one works alone.
        let shared = (all + self.wake) / threads as f64;
        (one, self.join + longest.max(light).max(shared))
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
    pub fn favour_threads(&self, work: &[Work], waits: &Waits, threads: usize) -> Option<Expected> {
        let costs = *lock(&self.0);
        let (one, many) = costs.threads(work, waits, threads, |_| true);
        let expected = Expected { seconds: many, device: false };
        (many * costs.factor < one * GAIN_MIN).then_some(expected)
    }

    /// What a device and threads beside it are expected to take, if that is less than threads
    /// alone take, or if it is time to find out.
    pub fn favour_device(&self, work: &[Work], wide: &Wide, threads: usize) -> Option<Expected> {
        let mut costs = lock(&self.0);
        let is_taken = |index: usize| wide.takes.get(index).is_some_and(|takes| *takes);
        let all: f64 = work.iter().map(|(gas, _)| *gas as f64).sum();
        let (mut taken, mut gas) = (0u64, 0.0);
        for (_, (one, _)) in work.iter().enumerate().filter(|(index, _)| is_taken(*index)) {
            taken += 1;
            gas += *one as f64;
        }
        let (one, many) = costs.threads(work, &wide.waits, threads, |_| true);
        let alone = one.min(many * costs.factor);
        let (one, many) = costs.threads(work, &wide.waits, threads, |index| !is_taken(index));
        let rest = one.min(many * costs.factor);
        let busy: f64 = costs.device.parts(wide.groups as u64, taken, gas).iter().sum();
        let seconds = busy.max(rest) + AHEAD_SECONDS * taken as f64;
        let enough = taken > 0 && taken >= wide.group_min as u64;
        let device = &mut costs.device;
        let unknown =
            device.groups < PROBE_GROUPS_COUNT || device.kept_off >= BLOCKS_PER_PROBE_COUNT;
        let probe = unknown && gas >= all * WIDE_SHARE_MIN;
        let factor = device.factor;
        let favoured = enough && (probe || seconds * factor < alone * GAIN_MIN);
        let groups = wide.groups;
        tracing::debug!(
            taken,
            gas,
            groups,
            alone,
            busy,
            rest,
            seconds,
            factor,
            probe,
            favoured,
            "auto: a device beside threads, or threads alone"
        );
        if enough {
            device.kept_off = if favoured { 0 } else { device.kept_off.saturating_add(1) };
        }
        favoured.then_some(Expected { seconds, device: true })
    }

    /// Takes in what a device took for a group.
    pub fn learn_group(&self, count: u64, gas: u64, seconds: f64) {
        let device = &mut lock(&self.0).device;
        if !(seconds.is_finite() && seconds > 0.0) {
            return;
        }
        device.groups = device.groups.saturating_add(1);
        if device.groups < PROBE_GROUPS_COUNT {
            return;
        }
        let parts = device.parts(1, count, gas as f64);
        let expected: f64 = parts.iter().sum();
        let ratio = seconds / expected;
        let first = device.groups == PROBE_GROUPS_COUNT;
        let costs = [&mut device.per_group, &mut device.per_transaction, &mut device.per_gas];
        for (cost, part) in costs.into_iter().zip(parts) {
            *cost *= match first {
                true => ratio,
                false => 1.0 + NEWEST * (part / expected) * (ratio.min(OUTLIER) - 1.0),
            };
        }
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
        if let Some(Expected { seconds, device }) = together.expected {
            let factor = if device { &mut costs.device.factor } else { &mut costs.factor };
            blend(factor, Some(together.seconds / seconds), START.factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::times::Together;
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

    /// A block of independent transactions, all for the device.
    fn wide(count: usize) -> (Vec<Work>, Wide) {
        let gas = vec![200_000; count];
        let wide = Wide::of(Waits::none(), &gas, 32);
        (gas.into_iter().map(|gas| (gas, None)).collect(), wide)
    }

    /// Blocks that the device gets, of so many; it takes so many seconds for each.
    fn blocks_on_device(costs: &Costs, blocks: u32, seconds: f64) -> u32 {
        let (work, wide) = wide(1000);
        let run = |_: &u32| {
            let Some(expected) = costs.favour_device(&work, &wide, 4) else { return false };
            costs.learn_group(1000, 200_000_000, seconds);
            let together = Together { expected: Some(expected), seconds, ..Together::default() };
            costs.learn(&Times { together: Some(together), ..Times::default() });
            true
        };
        (0..blocks).filter(run).count() as u32
    }

    #[test]
    fn a_slow_device_is_left_after_the_probe_and_tried_again_much_later() {
        let costs = Costs::default();
        // Four threads take 20 ms.
        assert_eq!(blocks_on_device(&costs, 1000, 2.0), PROBE_GROUPS_COUNT);
        assert_eq!(blocks_on_device(&costs, 100, 2.0), 1, "one more probe");
        let (work, narrow) = wide(31);
        assert_eq!(narrow.groups, 0);
        assert_eq!(costs.favour_device(&work, &narrow, 4), None);
    }

    #[test]
    fn a_fast_device_is_used_for_what_is_wide_enough_only() {
        let costs = Costs::default();
        assert_eq!(blocks_on_device(&costs, 100, 3e-3), 100);
        // Ten times as slow as it was: left, although no probe asks.
        assert!(blocks_on_device(&costs, 100, 1e-1) < 20);
        let costs = Costs::default();
        let mut chain = Waits::none();
        (0..100u32).for_each(|index| chain.push(index.checked_sub(1)));
        let serial = Wide::of(chain, &[200_000; 100], 32);
        assert_eq!(costs.favour_device(&[(200_000, None); 100], &serial, 4), None, "a chain");
        let (work, small) = wide(33);
        let probe = costs.favour_device(&work, &small, 4);
        assert!(probe.is_some(), "not known yet");
        for _ in 0..20 {
            costs.learn_group(33, 33 * 200_000, 3e-3);
        }
        assert_eq!(costs.favour_device(&work, &small, 4), None, "small");
    }

    #[test]
    fn a_device_whose_results_do_not_hold_is_left() {
        let costs = Costs::default();
        let (work, wide) = wide(1000);
        let mut blocks = 0;
        while let Some(expected) = costs.favour_device(&work, &wide, 4) {
            costs.learn_group(1000, 200_000_000, 3e-3);
            let (expected, seconds) = (Some(expected), 0.1);
            let together = Together { expected, seconds, ..Together::default() };
            costs.learn(&Times { together: Some(together), ..Times::default() });
            blocks += 1;
            assert!(blocks < 20, "groups take little, the blocks much");
        }
        assert!(blocks > PROBE_GROUPS_COUNT);
    }

    #[test]
    fn times_of_a_device_are_told_apart() {
        let costs = Costs::default();
        let device = |costs: &Costs| lock(&costs.0).device;
        for _ in 0..2000 {
            for (count, gas) in [(32, 1_000_000), (4000, 200_000_000), (4000, 2_000_000_000)] {
                let seconds = 5e-3 + 3e-6 * count as f64 + 2e-10 * gas as f64;
                costs.learn_group(count, gas, seconds);
            }
        }
        let found = device(&costs);
        let near = |found: f64, truth: f64| (found / truth - 1.0).abs() < 0.2;
        assert!(near(found.per_group, 5e-3) && near(found.per_transaction, 3e-6), "{found:?}");
        assert!(near(found.per_gas, 2e-10), "{found:?}");
        costs.learn_group(10, 10, f64::NAN);
        assert_eq!(device(&costs).groups, found.groups);
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
                seconds: expected.seconds * 5.0,
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
