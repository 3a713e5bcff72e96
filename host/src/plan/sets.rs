//! The compiler's access sets, kept by code, spec and selector.
//!
//! Deriving a set takes milliseconds for a large contract, so prediction does not wait for it: what
//! is missing is noted, and made when there is time ([`AccessSets::make_wanted`]).

use crate::limits::{
    PLAN_SET_EXPRESSIONS_COUNT_MAX, PLAN_SETS_BYTES_MAX, PLAN_WANTED_SETS_COUNT_MAX,
};
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, Bytes};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use warpevm_compiler::access::Expr;
use warpevm_compiler::{AccessSet, Spec, analyse};

/// First bytes of a delegation (EIP-7702).
const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];

/// Of which code, for which spec and selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Name {
    code: B256,
    spec: Spec,
    selector: Option<u32>,
}

/// What is known of a code.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// Its access set, and what evaluating it costs.
    Set(Arc<AccessSet>, usize),
    /// The set is too large to be of use.
    Large,
    /// The code is that of another account.
    Delegation(Address),
}

#[derive(Debug)]
struct Entry {
    known: Known,
    used: AtomicU64,
}

/// A cache of access sets, bounded in bytes, shared by threads.
#[derive(Debug)]
pub struct AccessSets {
    entries: RwLock<HashMap<Name, Entry>>,
    clock: AtomicU64,
    bytes: AtomicUsize,
    bytes_max: usize,
    wanted: Mutex<HashMap<Name, Bytes>>,
}

impl Default for AccessSets {
    fn default() -> AccessSets {
        AccessSets::with_bytes_max(PLAN_SETS_BYTES_MAX)
    }
}

impl AccessSets {
    /// A cache that holds at most so many bytes of sets.
    pub fn with_bytes_max(bytes_max: usize) -> AccessSets {
        AccessSets {
            entries: RwLock::default(),
            clock: AtomicU64::new(0),
            bytes: AtomicUsize::new(0),
            bytes_max,
            wanted: Mutex::default(),
        }
    }

    /// What is known of a code. If nothing is, notes that it is wanted.
    pub(super) fn get(
        &self,
        code: B256,
        spec: Spec,
        selector: Option<u32>,
        bytes: impl FnOnce() -> Option<Bytes>,
    ) -> Option<Known> {
        let name = Name { code, spec, selector };
        if let Some(entry) = self.read().get(&name) {
            let now = self.clock.fetch_add(1, Ordering::Relaxed);
            entry.used.store(now, Ordering::Relaxed);
            return Some(entry.known.clone());
        }
        let bytes = bytes()?;
        if let Some(Ok(target)) = bytes.strip_prefix(&DELEGATION).map(Address::try_from) {
            self.insert(name, Known::Delegation(target));
            return Some(Known::Delegation(target));
        }
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.len() < PLAN_WANTED_SETS_COUNT_MAX {
            wanted.insert(name, bytes);
        }
        None
    }

    /// Makes wanted sets of at most so many codes; gives how many sets. Any thread may help.
    pub fn make_wanted(&self, codes_max: usize) -> usize {
        let mut count = 0;
        for _ in 0..codes_max {
            let Some((names, bytes)) = self.take_wanted() else { break };
            let Some(first) = names.first() else { break };
            let analysis = analyse(&bytes, first.spec);
            for name in &names {
                let set = analysis.access_set(name.selector);
                let large = set.expressions.len() > PLAN_SET_EXPRESSIONS_COUNT_MAX;
                let cost = cost(&set);
                let known = if large { Known::Large } else { Known::Set(Arc::new(set), cost) };
                self.insert(*name, known);
                count += 1;
            }
        }
        count
    }

    /// All wanted sets of one code and spec.
    fn take_wanted(&self) -> Option<(Vec<Name>, Bytes)> {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let (code, spec) = wanted.keys().next().map(|name| (name.code, name.spec))?;
        let same = wanted.extract_if(|name, _| (name.code, name.spec) == (code, spec));
        let mut bytes = Bytes::new();
        let names = same.map(|(name, code)| {
            bytes = code;
            name
        });
        let names = names.collect();
        Some((names, bytes))
    }

    /// Sets that are wanted and not made yet.
    pub fn wanted(&self) -> usize {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Name, Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a set; drops the half used least recently when there are too many.
    fn insert(&self, name: Name, known: Known) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let added = size(&known);
        let used = AtomicU64::new(self.clock.fetch_add(1, Ordering::Relaxed));
        let removed = entries.insert(name, Entry { known, used });
        let removed = removed.map_or(0, |entry| size(&entry.known));
        let bytes = self.bytes.load(Ordering::Relaxed) + added - removed;
        self.bytes.store(bytes, Ordering::Relaxed);
        if bytes <= self.bytes_max {
            return;
        }
        let time = |entry: &Entry| entry.used.load(Ordering::Relaxed);
        let mut times: Vec<u64> = entries.values().map(time).collect();
        let middle = times.len() / 2;
        let median = *times.select_nth_unstable(middle).1;
        entries.retain(|_, entry| time(entry) > median);
        let bytes = entries.values().map(|entry| size(&entry.known)).sum();
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Sets in the cache.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Nothing is cached.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Units of about 30 nanoseconds that evaluating a set takes.
fn cost(set: &AccessSet) -> usize {
    let one = |expr: &Expr| match expr {
        Expr::Keccak(words) => 4 + 2 * words.len(),
        Expr::Storage(_) => 4,
        _ => 1,
    };
    1 + set.expressions.iter().map(one).sum::<usize>() + set.accesses.len()
}

fn size(known: &Known) -> usize {
    let heap = |expr: &Expr| match expr {
        Expr::Keccak(ids) | Expr::Pure(_, ids, _) => 4 * ids.capacity() + 16,
        _ => 0,
    };
    size_of::<Name>()
        + size_of::<Entry>()
        + match known {
            Known::Set(set, _) => {
                size_of::<AccessSet>()
                    + set.accesses.len() * 8
                    + set.delegates.len() * 4
                    + set.expressions.iter().map(|e| size_of::<Expr>() + heap(e)).sum::<usize>()
            }
            Known::Large | Known::Delegation(_) => 0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(sets: &AccessSets, n: u32) -> Option<Known> {
        let code = Bytes::from(vec![0x60, 0, 0x54, 0x00]);
        sets.get(B256::ZERO, Spec::Osaka, Some(n), || Some(code))
    }

    #[test]
    fn what_is_wanted_is_made() {
        let sets = AccessSets::default();
        assert!(want(&sets, 1).is_none() && want(&sets, 2).is_none() && want(&sets, 1).is_none());
        assert_eq!((sets.wanted(), sets.len()), (2, 0));
        assert_eq!(sets.make_wanted(1), 2);
        assert_eq!((sets.wanted(), sets.len(), sets.make_wanted(1)), (0, 2, 0));
        assert!(matches!(want(&sets, 1), Some(Known::Set(set, _)) if set.accesses.len() == 1));
    }

    #[test]
    fn a_delegation_needs_no_analysis() {
        let sets = AccessSets::default();
        let target = Address::repeat_byte(3);
        let code: Bytes = [&DELEGATION[..], target.as_slice()].concat().into();
        let known = sets.get(B256::ZERO, Spec::Prague, None, || Some(code));
        assert!(matches!(known, Some(Known::Delegation(to)) if to == target));
        assert_eq!(sets.wanted(), 0);
    }

    #[test]
    fn the_cache_stays_within_its_bound() {
        let sets = AccessSets::with_bytes_max(16 << 10);
        for n in 0..1000 {
            want(&sets, n);
            sets.make_wanted(1);
        }
        assert!(sets.len() < 100 && !sets.is_empty(), "{} sets", sets.len());
        for n in 0..2 * PLAN_WANTED_SETS_COUNT_MAX as u32 {
            want(&sets, n);
        }
        assert_eq!(sets.wanted(), PLAN_WANTED_SETS_COUNT_MAX);
    }
}
