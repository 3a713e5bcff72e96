//! What of a block is wide enough for a device, and what is a chain.

use std::cmp::Reverse;

use crate::plan::Waits;

/// What a device runs ahead of a block.
#[derive(Debug, Default)]
pub(super) struct Wide {
    /// Per transaction: the device gets it. Those of chains are for CPU threads.
    pub takes: Vec<bool>,
    /// Which transactions each waits for. They must be committed: a device reads the table alone.
    pub waits: Waits,
    /// The fewest that it gets at once.
    pub group_min: usize,
    /// Groups that it will get if all goes as expected.
    pub groups: usize,
    /// All transactions but these, those that begin the longest chains first.
    pub chains: Vec<u32>,
}

impl Wide {
    /// Divides a block: `gas` is that of each transaction, and 0 of those that no one runs ahead.
    ///
    /// A *wave* is what waits for the same number of transactions, one after the other. A wave with
    /// fewer than `group_min` transactions is *narrow*: it leaves most of a device idle. What is in
    /// narrow waves and the longest way there is a chain.
    pub fn of(waits: Waits, gas: &[u64], group_min: usize) -> Wide {
        let count = gas.len();
        // Hints may name anyone.
        let earlier = |index: usize| waits.of(index).iter().map(|at| *at as usize);
        let earlier = |index: usize| earlier(index).filter(move |at| *at < index);
        let mut levels: Vec<usize> = Vec::with_capacity(count);
        for index in 0..count {
            levels.push(earlier(index).map(|at| levels[at] + 1).max().unwrap_or(0));
        }
        let mut widths = vec![0usize; levels.iter().max().map_or(0, |most| most + 1)];
        let heavy = |index: &usize| gas[*index] > 0;
        (0..count).filter(heavy).for_each(|index| widths[levels[index]] += 1);
        let mut takes: Vec<bool> =
            (0..count).map(|index| gas[index] > 0 && widths[levels[index]] >= group_min).collect();
        let mut ahead = gas.to_vec();
        for index in (0..count).rev() {
            for at in earlier(index) {
                ahead[at] = ahead[at].max(gas[at].saturating_add(ahead[index]));
            }
            if gas[index] > 0 && !takes[index] {
                let before = earlier(index).max_by_key(|at| (levels[*at], gas[*at]));
                before.into_iter().for_each(|at| takes[at] = false);
            }
        }
        let mut chains: Vec<u32> =
            (0..count).filter(|index| !takes[*index]).map(|index| index as u32).collect();
        chains.sort_by_key(|index| (Reverse(ahead[*index as usize]), *index));
        let groups = widths.iter().filter(|width| **width >= group_min).count();
        Wide { takes, waits, group_min, groups, chains }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_waves_are_for_the_device_and_chains_for_threads() {
        // Two waves of five; a chain through the second of each to four more; one that is light.
        let mut waits = Waits::none();
        (0..5).for_each(|_| waits.push([]));
        (0..5).for_each(|earlier| waits.push([earlier]));
        (0..4).for_each(|link| waits.push([if link == 0 { 6 } else { 9 + link }]));
        waits.push([]);
        let mut gas = [100; 15];
        gas[14] = 0;
        let wide = Wide::of(waits.clone(), &gas, 5);
        let taken: Vec<usize> = (0..15).filter(|index| wide.takes[*index]).collect();
        assert_eq!(taken, [0, 2, 3, 4, 5, 7, 8, 9]);
        assert_eq!((wide.groups, &wide.chains[..]), (2, &[1, 6, 10, 11, 12, 13, 14][..]));
        // Nothing is wide enough.
        let none = Wide::of(waits.clone(), &gas, 6);
        assert_eq!((none.takes.contains(&true), none.groups), (false, 0));
        // All are, told so.
        let all = Wide::of(waits, &gas, 1);
        assert_eq!(all.takes.iter().filter(|takes| **takes).count(), 14);
        // Longer chains come first, and hints may name anyone.
        let mut waits = Waits::none();
        [vec![7, 0], vec![99], vec![1], vec![2]].into_iter().for_each(|list| waits.push(list));
        assert_eq!(Wide::of(waits, &[10, 10, 10, 10], 3).chains, [1, 2, 0, 3]);
    }
}
