//! What did earlier calls of the same function touch?
//!
//! A function is a callee and a selector. Of each the keys are kept that its last executions
//! touched, with a bit per execution; those that at least half of them touched are predicted:
//! reserves of a pool, a total supply, a counter.

use super::block::Role;
use super::{Accesses, Key};
use crate::limits::{
    PLAN_HISTORY_KEYS_COUNT_MAX, PLAN_HISTORY_RUNS_COUNT_MIN, PLAN_HISTORY_TARGETS_COUNT_MAX,
};
use crate::types::Transaction;
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, TxKind};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Executions that count, as bits.
const WINDOW: u32 = 16;
/// Parts with a lock each.
const SHARDS: usize = 16;

/// A function: a callee and a selector, if the calldata has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The callee.
    pub to: Address,
    /// The first four bytes of calldata.
    pub selector: Option<u32>,
}

impl Target {
    /// What a transaction calls; `None`: it creates.
    pub fn of(tx: &Transaction) -> Option<Target> {
        let TxKind::Call(to) = tx.kind else { return None };
        Some(Target { to, selector: selector(&tx.data) })
    }
}

/// The first four bytes of calldata as a number.
pub(super) fn selector(data: &[u8]) -> Option<u32> {
    data.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// A key and in which of the last executions it was touched, the latest in the lowest bit.
#[derive(Clone, Copy, Debug)]
struct Seen {
    key: Key,
    reads: u16,
    writes: u16,
    credits: u16,
}

impl Seen {
    fn touched(&self) -> u16 {
        self.reads | self.writes | self.credits
    }
}

#[derive(Debug, Default)]
struct TargetHistory {
    runs: u32,
    /// A mean of the gas used in which the last executions weigh most.
    gas: u64,
    seen: Vec<Seen>,
    used: u64,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Target, TargetHistory>,
    clock: u64,
}

/// What executed transactions touched, by function; bounded, and shared by threads.
#[derive(Debug, Default)]
pub struct History {
    shards: [Mutex<Shard>; SHARDS],
}

impl History {
    /// Knows nothing.
    pub fn new() -> History {
        History::default()
    }

    fn shard(&self, target: &Target) -> MutexGuard<'_, Shard> {
        let shard = usize::from(target.to[19]) ^ target.selector.unwrap_or(0) as usize;
        self.shards[shard % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns from an executed transaction what its function touches and costs. What belongs to
    /// the sender, and the fee, are left out: they are known of every transaction.
    pub fn learn(&self, tx: &Transaction, accesses: &Accesses, gas_used: u64, payee: Address) {
        let Some(target) = Target::of(tx) else { return };
        let mut shard = self.shard(&target);
        shard.clock += 1;
        let now = shard.clock;
        let entry = shard.entries.entry(target).or_default();
        entry.used = now;
        entry.learn(tx, accesses, gas_used, payee);
        shard.forget();
    }

    /// Tells what a function will likely touch.
    pub(super) fn predict(&self, target: &Target, mut see: impl FnMut(Key, Role)) {
        let mut shard = self.shard(target);
        shard.clock += 1;
        let now = shard.clock;
        let Some(entry) = shard.entries.get_mut(target) else { return };
        entry.used = now;
        if entry.runs < PLAN_HISTORY_RUNS_COUNT_MIN {
            return;
        }
        let often = |bits: u16| 2 * bits.count_ones() >= entry.runs.min(WINDOW);
        for seen in &entry.seen {
            for (bits, role) in
                [(seen.reads, Role::READ), (seen.writes, Role::WRITE), (seen.credits, Role::CREDIT)]
            {
                if often(bits) {
                    see(seen.key, role);
                }
            }
        }
    }

    /// The gas that a function used before, if it ran before.
    pub fn gas(&self, target: &Target) -> Option<u64> {
        self.shard(target).entries.get(target).map(|entry| entry.gas)
    }

    /// Functions that are known.
    pub fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|s| s.lock().unwrap_or_else(PoisonError::into_inner).entries.len()).sum()
    }

    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Shard {
    /// Drops the half used least recently when there are too many.
    fn forget(&mut self) {
        if self.entries.len() <= PLAN_HISTORY_TARGETS_COUNT_MAX / SHARDS {
            return;
        }
        let mut times: Vec<u64> = self.entries.values().map(|entry| entry.used).collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        self.entries.retain(|_, entry| entry.used >= median);
    }
}

impl TargetHistory {
    fn learn(&mut self, tx: &Transaction, accesses: &Accesses, gas_used: u64, payee: Address) {
        self.gas = match self.runs {
            0 => gas_used,
            _ => self.gas - self.gas / 4 + gas_used / 4,
        };
        self.runs = self.runs.saturating_add(1);
        for seen in &mut self.seen {
            seen.reads <<= 1;
            seen.writes <<= 1;
            seen.credits <<= 1;
        }
        let own = |key: &Key| match key {
            Key::Balance(address) | Key::Nonce(address) => *address != tx.caller,
            Key::Code(_) | Key::Slot(..) => true,
        };
        let writes = accesses.writes.iter().filter(|key| own(key));
        writes.for_each(|key| self.mark(*key, |seen| seen.writes |= 1));
        // Codes are read by every call and rarely written.
        let reads = accesses.reads.iter();
        let reads = reads.filter(|key| own(key) && !matches!(key, Key::Code(_)));
        reads.for_each(|key| self.mark(*key, |seen| seen.reads |= 1));
        let credits = accesses.credits.iter().filter(|address| **address != payee);
        credits.for_each(|address| self.mark(Key::Balance(*address), |seen| seen.credits |= 1));
        self.seen.retain(|seen| seen.touched() != 0);
        if self.seen.len() > PLAN_HISTORY_KEYS_COUNT_MAX {
            let rank = |seen: &Seen| std::cmp::Reverse((seen.touched().count_ones(), seen.key));
            self.seen.sort_unstable_by_key(rank);
            self.seen.truncate(PLAN_HISTORY_KEYS_COUNT_MAX);
            self.seen.shrink_to(2 * PLAN_HISTORY_KEYS_COUNT_MAX);
        }
    }

    fn mark(&mut self, key: Key, bit: impl Fn(&mut Seen)) {
        let place = match self.seen.iter().position(|seen| seen.key == key) {
            Some(place) => place,
            None if self.seen.len() >= 4 * PLAN_HISTORY_KEYS_COUNT_MAX => return,
            None => {
                self.seen.push(Seen { key, reads: 0, writes: 0, credits: 0 });
                self.seen.len() - 1
            }
        };
        bit(&mut self.seen[place]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Source;
    use alloy_primitives::U256;

    const POOL: Address = Address::repeat_byte(7);
    const PAYEE: Address = Address::repeat_byte(0xfe);

    fn call(sender: u8, data: &[u8]) -> Transaction {
        let data = data.to_vec().into();
        let caller = Address::with_last_byte(sender);
        Transaction { caller, kind: TxKind::Call(POOL), data, ..Transaction::default() }
    }

    fn slot(n: u64) -> Key {
        Key::Slot(POOL, U256::from(n))
    }

    #[test]
    fn what_half_of_the_executions_touch_is_predicted() {
        let history = History::new();
        for n in 0..40u8 {
            let tx = call(n, &[1, 2, 3, 4, n]);
            let mut accesses = Accesses::new(Source::Execution);
            accesses.reads = vec![slot(1), slot(100 + u64::from(n)), Key::Nonce(tx.caller)];
            accesses.writes = vec![slot(1), Key::Balance(tx.caller)];
            accesses.credits = vec![PAYEE, POOL];
            if n % 2 == 0 {
                accesses.reads.push(slot(2));
            }
            if n % 4 == 0 {
                accesses.reads.push(slot(3));
            }
            history.learn(&tx, &accesses, 50_000 + u64::from(n), PAYEE);
        }
        let target = Target { to: POOL, selector: Some(0x0102_0304) };
        let mut found = Vec::new();
        history.predict(&target, |key, role| found.push((key, role)));
        found.sort_by_key(|(key, role)| (*key, role.has(Role::WRITE)));
        assert_eq!(
            found,
            [
                (Key::Balance(POOL), Role::CREDIT),
                (slot(1), Role::READ),
                (slot(1), Role::WRITE),
                (slot(2), Role::READ)
            ]
        );
        assert!(history.gas(&target).is_some_and(|gas| (50_030..=50_040).contains(&gas)));
        history.predict(&Target { to: POOL, selector: None }, |key, _| panic!("{key}"));
    }

    #[test]
    fn once_is_not_often() {
        let history = History::new();
        let accesses = Accesses { reads: vec![slot(1)], ..Accesses::new(Source::Execution) };
        history.learn(&call(1, &[]), &accesses, 1, PAYEE);
        let target = Target { to: POOL, selector: None };
        history.predict(&target, |key, _| panic!("{key}"));
        history.learn(&call(2, &[]), &accesses, 1, PAYEE);
        let mut count = 0;
        history.predict(&target, |_, _| count += 1);
        assert_eq!(count, 1);
    }

    #[test]
    fn history_stays_within_its_bounds() {
        let history = History::new();
        for n in 0..4 * PLAN_HISTORY_TARGETS_COUNT_MAX as u32 {
            let tx = call(1, &n.to_be_bytes());
            history.learn(&tx, &Accesses::new(Source::Execution), 21_000, PAYEE);
        }
        assert!(history.len() <= PLAN_HISTORY_TARGETS_COUNT_MAX, "{} functions", history.len());
        assert!(!history.is_empty());
        let many: Vec<Key> = (0..10_000).map(slot).collect();
        let accesses = Accesses { reads: many, ..Accesses::new(Source::Execution) };
        let mut count = 0;
        for _ in 0..3 {
            history.learn(&call(1, &[]), &accesses, 21_000, PAYEE);
        }
        history.predict(&Target { to: POOL, selector: None }, |_, _| count += 1);
        assert_eq!(count, PLAN_HISTORY_KEYS_COUNT_MAX);
    }
}
