//! How much parallelism does a block hold?
//!
//! # Terms
//! A *wave* is a set of transactions that wait for none of each other: those of wave 0 wait for
//! nobody, the others for at least one of the wave before theirs. A *component* is a set of
//! transactions that waiting connects; different components never meet. The *critical path* is the
//! chain of waits with the most gas. A *lane* runs one transaction after the other.

use super::dag::{Dag, EdgeKind};
use super::history::Target;
use super::{BlockAccesses, Source};
use crate::limits::PLAN_HOT_KEYS_COUNT_MAX;
use crate::types::Transaction;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Lanes for which a speedup is computed; 0: as many as there are transactions.
const LANES: [u32; 4] = [2, 8, 64, 0];

/// Transactions that wait for none of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wave {
    /// How many.
    pub transactions: u32,
    /// Gas of all.
    pub gas: u64,
    /// Gas of the largest.
    pub gas_max: u64,
    /// Different functions (callee and selector) that they call.
    pub functions: u32,
    /// Warps that they fill when each warp runs one function.
    pub warps: u32,
}

/// Transactions that waiting connects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Component {
    /// How many.
    pub transactions: u32,
    /// Gas of all.
    pub gas: u64,
    /// Gas of its longest chain.
    pub chain_gas: u64,
    /// The transactions of its longest chain, in order.
    pub chain: Vec<u32>,
}

/// How many times faster than one lane so many lanes are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Speedup {
    /// Lanes; `None`: as many as there are transactions.
    pub lanes: Option<u32>,
    /// All gas over the gas of the lane that ends last.
    pub speedup: f64,
}

/// A key that many wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HotKey {
    /// Which.
    pub key: String,
    /// RAW edges that it makes.
    pub edges: u32,
    /// Transactions in its longest chain.
    pub chain: u32,
}

/// What the dependencies of a block are worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// Transactions.
    pub transactions: u32,
    /// Gas of all.
    pub gas: u64,
    /// In order.
    pub waves: Vec<Wave>,
    /// Instances per warp that [`Wave::warps`] assumes.
    pub warp: u32,
    /// Gas of the critical path.
    pub critical_path_gas: u64,
    /// Its transactions in order.
    pub critical_path: Vec<u32>,
    /// Transactions that nobody waits for and that wait for nobody.
    pub alone: u32,
    /// Components of at least two, by the gas of their longest chain.
    pub components: Vec<Component>,
    /// For several numbers of lanes.
    pub speedups: Vec<Speedup>,
    /// Those that make the most RAW edges.
    pub hot_keys: Vec<HotKey>,
    /// Edges by kind.
    pub edges: BTreeMap<&'static str, usize>,
    /// Accesses by source.
    pub sources: BTreeMap<&'static str, usize>,
    /// Transactions whose accesses are all known.
    pub complete: u32,
}

impl Plan {
    /// Weighs the dependencies of `txs`, which use so much gas each. A warp runs `warp` instances.
    pub fn new(
        txs: &[Transaction],
        accesses: &BlockAccesses,
        dag: &Dag,
        gas: &[u64],
        warp: u32,
    ) -> Plan {
        let count = dag.len();
        let gas: Vec<u64> = (0..count).map(|i| gas.get(i).copied().unwrap_or(0)).collect();
        let levels = levels(dag);
        let paths = Paths::new(dag, &gas);
        let (alone, components) = components(dag, &gas, &paths);
        let last = (0..count as u32).max_by_key(|i| (paths.ends[*i as usize], Reverse(*i)));
        let critical_path = last.map_or(Vec::new(), |last| paths.to(last));
        let critical_path_gas = last.map_or(0, |last| paths.ends[last as usize]);
        let total: u64 = gas.iter().fold(0, |sum, gas| sum.saturating_add(*gas));
        let sources = Source::ALL.map(|source| {
            (source.name(), accesses.all().iter().filter(|a| a.source == source).count())
        });
        Plan {
            transactions: count as u32,
            gas: total,
            waves: waves(txs, &levels, &gas, warp.max(1)),
            warp: warp.max(1),
            critical_path_gas,
            critical_path,
            alone,
            components,
            speedups: speedups(dag, &gas, total),
            hot_keys: hot_keys(accesses, dag),
            edges: EdgeKind::ALL.map(|kind| (kind.name(), dag.count(kind))).into(),
            sources: sources.into_iter().filter(|(_, count)| *count > 0).collect(),
            complete: (0..count as u32).filter(|i| accesses.is_complete(*i)).count() as u32,
        }
    }

    /// The speedup for so many lanes, if it was computed.
    pub fn speedup(&self, lanes: Option<u32>) -> Option<f64> {
        self.speedups.iter().find(|s| s.lanes == lanes).map(|s| s.speedup)
    }
}

/// Per transaction, the number of its wave.
pub(super) fn levels(dag: &Dag) -> Vec<u32> {
    let mut levels: Vec<u32> = Vec::with_capacity(dag.len());
    for at in 0..dag.len() as u32 {
        let before = dag.waits(at).iter().map(|from| levels[*from as usize] + 1);
        levels.push(before.max().unwrap_or(0));
    }
    levels
}

fn waves(txs: &[Transaction], levels: &[u32], gas: &[u64], warp: u32) -> Vec<Wave> {
    let count = levels.iter().max().map_or(0, |max| *max as usize + 1);
    let mut waves = vec![Wave::default(); count];
    let mut calls: Vec<(u32, Option<Target>)> = Vec::with_capacity(levels.len());
    for (i, level) in levels.iter().enumerate() {
        let wave = &mut waves[*level as usize];
        wave.transactions += 1;
        wave.gas = wave.gas.saturating_add(gas[i]);
        wave.gas_max = wave.gas_max.max(gas[i]);
        calls.push((*level, txs.get(i).and_then(Target::of)));
    }
    calls.sort_unstable();
    for group in calls.chunk_by(|a, b| a == b) {
        let wave = &mut waves[group[0].0 as usize];
        wave.functions += 1;
        wave.warps += (group.len() as u32).div_ceil(warp);
    }
    waves
}

/// The chain of waits with the most gas that ends in each transaction.
struct Paths {
    /// Gas up to its end.
    ends: Vec<u64>,
    /// The transaction before it on the chain.
    before: Vec<Option<u32>>,
}

impl Paths {
    fn new(dag: &Dag, gas: &[u64]) -> Paths {
        let mut paths = Paths { ends: Vec::new(), before: Vec::new() };
        for at in 0..dag.len() as u32 {
            let waits = dag.waits(at).iter().copied();
            let before = waits.max_by_key(|from| (paths.ends[*from as usize], Reverse(*from)));
            let start = before.map_or(0, |before| paths.ends[before as usize]);
            paths.ends.push(start.saturating_add(gas[at as usize]));
            paths.before.push(before);
        }
        paths
    }

    /// The chain that ends in a transaction.
    fn to(&self, last: u32) -> Vec<u32> {
        let mut chain: Vec<u32> =
            std::iter::successors(Some(last), |at| self.before[*at as usize]).collect();
        chain.reverse();
        chain
    }
}

/// Per transaction, the first of its component.
pub(super) fn roots(dag: &Dag) -> Vec<u32> {
    let count = dag.len() as u32;
    let mut parents: Vec<u32> = (0..count).collect();
    for at in 0..count {
        for from in dag.waits(at) {
            let (a, b) = (root(&mut parents, at), root(&mut parents, *from));
            // The smaller number is the root.
            parents[a.max(b) as usize] = a.min(b);
        }
    }
    (0..count).map(|at| root(&mut parents, at)).collect()
}

/// How many are alone, and the components of the others.
fn components(dag: &Dag, gas: &[u64], paths: &Paths) -> (u32, Vec<Component>) {
    let (count, roots) = (dag.len(), roots(dag));
    struct Sum {
        transactions: u32,
        gas: u64,
        last: u32,
    }
    let mut sums: BTreeMap<u32, Sum> = BTreeMap::new();
    for at in 0..count as u32 {
        let sum =
            sums.entry(roots[at as usize]).or_insert(Sum { transactions: 0, gas: 0, last: at });
        sum.transactions += 1;
        sum.gas = sum.gas.saturating_add(gas[at as usize]);
        if paths.ends[at as usize] > paths.ends[sum.last as usize] {
            sum.last = at;
        }
    }
    let alone = sums.values().filter(|sum| sum.transactions == 1).count() as u32;
    let several = sums.into_values().filter(|sum| sum.transactions > 1);
    let mut components: Vec<Component> = several
        .map(|sum| Component {
            transactions: sum.transactions,
            gas: sum.gas,
            chain_gas: paths.ends[sum.last as usize],
            chain: paths.to(sum.last),
        })
        .collect();
    components.sort_by_key(|component| Reverse((component.chain_gas, component.gas)));
    (alone, components)
}

fn root(parents: &mut [u32], mut at: u32) -> u32 {
    while parents[at as usize] != at {
        let next = parents[parents[at as usize] as usize];
        parents[at as usize] = next;
        at = next;
    }
    at
}

fn speedups(dag: &Dag, gas: &[u64], total: u64) -> Vec<Speedup> {
    let mut followers = vec![Vec::new(); dag.len()];
    for at in 0..dag.len() as u32 {
        dag.waits(at).iter().for_each(|from| followers[*from as usize].push(at));
    }
    let one = |lanes: u32| {
        let end = makespan(dag, &followers, gas, if lanes == 0 { dag.len() as u32 } else { lanes });
        let speedup = if end == 0 { 1.0 } else { total as f64 / end as f64 };
        Speedup { lanes: (lanes > 0).then_some(lanes), speedup }
    };
    LANES.map(one).into()
}

/// When the last lane ends, if each free lane takes the first transaction of the block that waits
/// for nobody.
fn makespan(dag: &Dag, followers: &[Vec<u32>], gas: &[u64], lanes: u32) -> u64 {
    let mut waits: Vec<usize> = (0..dag.len() as u32).map(|at| dag.waits(at).len()).collect();
    let mut ready: BinaryHeap<Reverse<u32>> =
        (0..dag.len() as u32).filter(|at| waits[*at as usize] == 0).map(Reverse).collect();
    let mut running: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
    let mut now = 0;
    loop {
        while running.len() < lanes as usize {
            let Some(Reverse(at)) = ready.pop() else { break };
            running.push(Reverse((gas[at as usize].saturating_add(now), at)));
        }
        let Some(Reverse((end, _))) = running.peek() else { return now };
        now = *end;
        while let Some(Reverse((_, at))) = running.peek().filter(|r| r.0.0 == now).copied() {
            running.pop();
            for follower in &followers[at as usize] {
                waits[*follower as usize] -= 1;
                if waits[*follower as usize] == 0 {
                    ready.push(Reverse(*follower));
                }
            }
        }
    }
}

fn hot_keys(accesses: &BlockAccesses, dag: &Dag) -> Vec<HotKey> {
    let mut hot: Vec<_> = dag.hot().collect();
    hot.sort_by_key(|(key, edges, chain)| (Reverse(*edges.max(chain)), *key));
    hot.truncate(PLAN_HOT_KEYS_COUNT_MAX);
    let named = |(key, edges, chain)| HotKey { key: accesses.key(key).to_string(), edges, chain };
    hot.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Accesses, Key};
    use alloy_primitives::{Address, TxKind, U256};

    /// A block whose transactions each read and write slots of one account.
    fn plan(slots: &[(&[u64], &[u64])], gas: &[u64], callees: &[u8], warp: u32) -> Plan {
        let key = |n: &u64| Key::Slot(Address::ZERO, U256::from(*n));
        let mut accesses = BlockAccesses::new();
        for (reads, writes) in slots {
            let mut one = Accesses::new(Source::Execution);
            one.reads = reads.iter().map(key).collect();
            one.writes = writes.iter().map(key).collect();
            accesses.push(&one);
        }
        let tx = |n: &u8| {
            let kind = TxKind::Call(Address::with_last_byte(*n));
            Transaction { kind, ..Transaction::default() }
        };
        let txs: Vec<_> = callees.iter().map(tx).collect();
        Plan::new(&txs, &accesses, &Dag::build(&accesses), gas, warp)
    }

    #[test]
    fn a_plan_weighs_waves_chains_and_lanes() {
        // 0 -> 2 -> 3 and 1 -> 4; 5 is alone.
        let slots: [(&[u64], &[u64]); 6] =
            [(&[], &[1]), (&[], &[2]), (&[1], &[3]), (&[3], &[]), (&[2], &[]), (&[9], &[])];
        let plan = plan(&slots, &[10, 20, 30, 40, 50, 60], &[1, 1, 1, 2, 2, 1], 2);
        assert_eq!((plan.transactions, plan.gas, plan.alone), (6, 210, 1));
        let widths: Vec<_> =
            plan.waves.iter().map(|w| (w.transactions, w.gas, w.gas_max)).collect();
        assert_eq!(widths, [(3, 90, 60), (2, 80, 50), (1, 40, 40)]);
        let warps: Vec<_> = plan.waves.iter().map(|w| (w.functions, w.warps)).collect();
        assert_eq!(warps, [(1, 2), (2, 2), (1, 1)]);
        assert_eq!((plan.critical_path_gas, &plan.critical_path[..]), (80, &[0, 2, 3][..]));
        let components: Vec<_> = plan.components.iter().map(|c| (c.gas, &c.chain[..])).collect();
        assert_eq!(components, [(80, &[0, 2, 3][..]), (70, &[1, 4][..])]);
        // Two lanes: 0 1 / at 10: 2 / at 20: 4 / at 40: 3 / at 70: 5, until 130.
        assert_eq!(plan.speedup(Some(2)), Some(210.0 / 130.0));
        assert_eq!(plan.speedup(Some(8)), Some(210.0 / 80.0));
        assert_eq!(plan.speedup(None), Some(210.0 / 80.0));
        assert_eq!(plan.edges, [("raw", 3), ("war", 0), ("waw", 0)].into());
        assert_eq!(plan.sources, [("execution", 7)].into());
        assert_eq!((plan.complete, plan.hot_keys.len()), (6, 3));
    }

    #[test]
    fn one_key_for_all_is_one_chain() {
        let slots = [(&[1u64][..], &[1u64][..]); 100];
        let plan = plan(&slots, &[7; 100], &[1; 100], 32);
        assert_eq!((plan.waves.len(), plan.critical_path_gas), (100, 700));
        assert_eq!((plan.speedup(Some(64)), plan.components[0].transactions), (Some(1.0), 100));
        assert_eq!((plan.hot_keys[0].edges, plan.hot_keys[0].chain), (99, 100));
    }

    #[test]
    fn nothing_is_a_plan() {
        let plan = plan(&[], &[], &[], 0);
        assert_eq!((plan.waves.len(), plan.critical_path_gas, plan.warp), (0, 0, 1));
        assert_eq!(plan.speedup(None), Some(1.0));
        // Gas that is not there counts as none.
        assert_eq!(self::plan(&[(&[], &[1])], &[], &[], 32).gas, 0);
    }
}
