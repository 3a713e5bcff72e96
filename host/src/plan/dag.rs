//! Who must come before whom?
//!
//! # Terms
//! Of two transactions that touch one key, the later one *depends* on the earlier by RAW (it reads
//! what the other wrote), WAR (it writes what the other read) or WAW (both write). Only the nearest
//! count: of a read, the latest earlier write and the credits since; of a write, the latest earlier
//! write, the credits since, and the reads since; of a credit, the latest earlier write and the
//! reads since. Two credits, and two reads, do not depend on each other. Who credits a balance that
//! it also reads or writes counts as reading and writing it.
//!
//! # Bounds
//! Readers of one balance may share many credits, and credits many readers. The first of them gets
//! all edges; later ones get those that are new, and the latest [`PLAN_SHARED_EDGES_COUNT_MAX`]
//! of the others. So there are O(accesses) edges. Whoever walks in order loses nothing: what comes
//! before the latest is committed before it.

use super::block::{BlockAccesses, KeyId, Role};
use crate::limits::PLAN_SHARED_EDGES_COUNT_MAX;
use serde::Serialize;

/// No transaction, no node of a list.
const NONE: u32 = u32::MAX;

/// Why one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeKind {
    /// It writes or credits what the other reads.
    Raw,
    /// It reads what the other writes or credits.
    War,
    /// Both write.
    Waw,
}

impl EdgeKind {
    /// All of them.
    pub const ALL: [EdgeKind; 3] = [EdgeKind::Raw, EdgeKind::War, EdgeKind::Waw];

    /// As the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            EdgeKind::Raw => "raw",
            EdgeKind::War => "war",
            EdgeKind::Waw => "waw",
        }
    }
}

/// A dependency between two transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// The later one.
    pub to: u32,
    /// Why.
    pub kind: EdgeKind,
    /// The earlier one.
    pub from: u32,
    /// A key that makes the edge; there may be more.
    pub key: KeyId,
}

/// The dependencies between the transactions of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dag {
    /// Each (to, kind, from) once, in this order.
    edges: Vec<Edge>,
    /// Per transaction: the end of its edges.
    ends: Vec<u32>,
    /// The earlier transactions of RAW edges.
    waits: Vec<u32>,
    /// Per transaction: the end of these.
    wait_ends: Vec<u32>,
    /// Per key: RAW edges, and transactions in the longest chain of them.
    heat: Vec<(u32, u32)>,
}

/// What the walk knows of a key.
#[derive(Clone, Copy)]
struct Track {
    /// The latest transaction that wrote it.
    writer: u32,
    /// Credits since, as a list with the latest first.
    credits: List,
    /// Reads since, by transactions that do not write.
    reads: List,
    /// Transactions in the chain of reading writers up to the latest.
    chain: u32,
}

/// A list in an arena.
#[derive(Clone, Copy)]
struct List {
    head: u32,
    /// From this node on, someone else has walked the list before.
    walked: u32,
}

const EMPTY: List = List { head: NONE, walked: NONE };

#[derive(Default)]
struct Arena(Vec<(u32, u32)>);

impl Arena {
    fn push(&mut self, list: &mut List, transaction: u32) {
        let head = self.0.len() as u32;
        self.0.push((transaction, list.head));
        list.head = head;
    }

    /// Latest first: what nobody has walked, and so many of the rest.
    fn walk(&self, list: &mut List, shared_max: u32, mut see: impl FnMut(u32)) {
        let (mut at, mut left) = (list.head, None);
        while at != NONE {
            if at == list.walked {
                left = Some(shared_max);
            }
            match &mut left {
                Some(0) => break,
                Some(left) => *left -= 1,
                None => {}
            }
            let (transaction, next) = self.0[at as usize];
            see(transaction);
            at = next;
        }
        list.walked = list.head;
    }
}

impl Dag {
    /// The dependencies that follow from accesses.
    pub fn build(accesses: &BlockAccesses) -> Dag {
        Dag::with_shared_max(accesses, PLAN_SHARED_EDGES_COUNT_MAX)
    }

    fn with_shared_max(accesses: &BlockAccesses, shared_max: u32) -> Dag {
        let fresh = Track { writer: NONE, credits: EMPTY, reads: EMPTY, chain: 0 };
        let mut tracks = vec![fresh; accesses.key_count()];
        let mut arena = Arena::default();
        let mut dag = Dag {
            edges: Vec::with_capacity(accesses.all().len()),
            ends: Vec::with_capacity(accesses.len()),
            waits: Vec::with_capacity(accesses.len()),
            wait_ends: Vec::with_capacity(accesses.len()),
            heat: vec![(0, 0); accesses.key_count()],
        };
        for to in 0..accesses.len() as u32 {
            let start = dag.edges.len();
            for access in accesses.of(to) {
                let track = &mut tracks[access.key.index()];
                dag.step(to, access.key, access.role.settled(), track, &mut arena, shared_max);
            }
            dag.edges[start..].sort_unstable();
            dag.dedup_from(start);
            let raw = dag.edges[start..].iter().take_while(|edge| edge.kind == EdgeKind::Raw);
            dag.waits.extend(raw.map(|edge| edge.from));
            dag.ends.push(dag.edges.len() as u32);
            dag.wait_ends.push(dag.waits.len() as u32);
        }
        dag
    }

    /// One access: its edges, and what it leaves.
    fn step(
        &mut self,
        to: u32,
        key: KeyId,
        role: Role,
        track: &mut Track,
        arena: &mut Arena,
        shared_max: u32,
    ) {
        let edges = &mut self.edges;
        let mut edge = |kind, from| edges.push(Edge { to, kind, from, key });
        let (reads, writes) = (role.has(Role::READ), role.has(Role::WRITE));
        let writer = (track.writer != NONE).then_some(track.writer);
        // A writer ends the lists: all of them are new to it, or walked for the last time.
        let shared_max = if writes { NONE } else { shared_max };
        if reads {
            let mut count = 0;
            writer.into_iter().for_each(|from| {
                edge(EdgeKind::Raw, from);
                count += 1;
            });
            arena.walk(&mut track.credits, shared_max, |from| {
                edge(EdgeKind::Raw, from);
                count += 1;
            });
            let (edges, chain) = &mut self.heat[key.index()];
            if count > 0 {
                *edges += count;
                *chain = (*chain).max(track.chain.max(1) + 1);
            }
            track.chain = if count > 0 && writes { track.chain.max(1) + 1 } else { track.chain };
        }
        if writes || role.has(Role::CREDIT) {
            writer.into_iter().for_each(|from| edge(EdgeKind::Waw, from));
            arena.walk(&mut track.reads, shared_max, |from| edge(EdgeKind::War, from));
        }
        if writes {
            arena.walk(&mut track.credits, NONE, |from| edge(EdgeKind::Waw, from));
            let chain = if reads { track.chain.max(1) } else { 1 };
            *track = Track { writer: to, credits: EMPTY, reads: EMPTY, chain };
        } else if role.has(Role::CREDIT) {
            arena.push(&mut track.credits, to);
        } else if reads {
            arena.push(&mut track.reads, to);
        }
    }

    /// Keeps one edge for each kind and earlier transaction, of sorted edges.
    fn dedup_from(&mut self, start: usize) {
        let mut kept = start;
        for at in start..self.edges.len() {
            let edge = self.edges[at];
            let known = kept > start && {
                let last = self.edges[kept - 1];
                (last.kind, last.from) == (edge.kind, edge.from)
            };
            if !known {
                self.edges[kept] = edge;
                kept += 1;
            }
        }
        self.edges.truncate(kept);
    }

    /// Transactions.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// There are no transactions.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The earlier transactions whose writes or credits a transaction reads, in order; none if
    /// there is no such transaction.
    pub fn waits(&self, transaction: u32) -> &[u32] {
        slice(&self.waits, &self.wait_ends, transaction as usize)
    }

    /// All edges to a transaction, in order of kind and of the earlier transaction.
    pub fn edges_to(&self, transaction: u32) -> &[Edge] {
        slice(&self.edges, &self.ends, transaction as usize)
    }

    /// All edges, in order of the later transaction, the kind and the earlier transaction.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// How many edges of a kind there are.
    pub fn count(&self, kind: EdgeKind) -> usize {
        self.edges.iter().filter(|edge| edge.kind == kind).count()
    }

    /// The keys with RAW edges: how many, and how many transactions are in the longest chain of
    /// them.
    pub(super) fn hot(&self) -> impl Iterator<Item = (KeyId, u32, u32)> + '_ {
        let keys = self.heat.iter().enumerate().filter(|(_, (edges, _))| *edges > 0);
        keys.map(|(key, (edges, chain))| (KeyId(key as u32), *edges, *chain))
    }

    /// Compares predicted RAW edges with those of an execution.
    pub fn score(&self, executed: &Dag) -> Score {
        let both = |to| {
            let theirs = executed.waits(to);
            self.waits(to).iter().filter(|from| theirs.binary_search(from).is_ok()).count()
        };
        Score {
            predicted: self.waits.len() as u64,
            executed: executed.waits.len() as u64,
            both: (0..self.len() as u32).map(both).sum::<usize>() as u64,
        }
    }
}

/// The list of `at` where `all` holds lists one after the other, whose ends are `ends`.
pub(super) fn slice<'a, T>(all: &'a [T], ends: &[u32], at: usize) -> &'a [T] {
    let Some(end) = ends.get(at) else { return &[] };
    let start = if at == 0 { 0 } else { ends[at - 1] };
    &all[start as usize..*end as usize]
}

/// How well RAW edges were predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    /// Edges that were predicted.
    pub predicted: u64,
    /// Edges of the execution.
    pub executed: u64,
    /// Edges of both.
    pub both: u64,
}

impl Score {
    /// The share of the predicted edges that are true; 1 if there are none.
    pub fn precision(&self) -> f64 {
        share(self.both, self.predicted)
    }

    /// The share of the true edges that were predicted; 1 if there are none.
    pub fn recall(&self) -> f64 {
        share(self.both, self.executed)
    }

    /// Adds another block's.
    pub fn add(&mut self, other: &Score) {
        self.predicted += other.predicted;
        self.executed += other.executed;
        self.both += other.both;
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Accesses, Key, Source};
    use alloy_primitives::{Address, U256};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn slot(n: u64) -> Key {
        Key::Slot(Address::with_last_byte(9), U256::from(n))
    }

    fn transaction(reads: &[Key], writes: &[Key], credits: &[u8]) -> Accesses {
        Accesses {
            reads: reads.to_vec(),
            writes: writes.to_vec(),
            credits: credits.iter().map(|n| Address::with_last_byte(*n)).collect(),
            ..Accesses::new(Source::Execution)
        }
    }

    fn dag(transactions: &[Accesses]) -> Dag {
        let mut block = BlockAccesses::new();
        transactions.iter().for_each(|accesses| block.push(accesses));
        Dag::build(&block)
    }

    fn pairs(dag: &Dag, kind: EdgeKind) -> Vec<(u32, u32)> {
        let edges = dag.edges().iter().filter(|edge| edge.kind == kind);
        edges.map(|edge| (edge.from, edge.to)).collect()
    }

    #[test]
    fn only_the_nearest_count() {
        let (a, b) = (slot(1), slot(2));
        let dag = dag(&[
            transaction(&[], &[a], &[]),
            transaction(&[a], &[], &[]),
            transaction(&[a], &[a, b], &[]),
            transaction(&[a, b], &[], &[]),
            transaction(&[], &[a], &[]),
        ]);
        assert_eq!(pairs(&dag, EdgeKind::Raw), [(0, 1), (0, 2), (2, 3)]);
        assert_eq!(pairs(&dag, EdgeKind::War), [(1, 2), (3, 4)]);
        assert_eq!(pairs(&dag, EdgeKind::Waw), [(0, 2), (2, 4)]);
        assert_eq!((dag.waits(3), dag.waits(4), dag.waits(5)), (&[2][..], &[][..], &[][..]));
        assert_eq!(dag.hot().collect::<Vec<_>>(), [(KeyId(0), 3, 3), (KeyId(1), 1, 2)]);
    }

    #[test]
    fn credits_commute_and_come_before_a_read() {
        let balance = Key::Balance(Address::with_last_byte(1));
        let dag = dag(&[
            transaction(&[], &[], &[1]),
            transaction(&[], &[], &[1]),
            transaction(&[balance], &[], &[]),
            transaction(&[], &[], &[1]),
            transaction(&[balance], &[balance], &[]),
            // It credits what it reads: this does not commute.
            transaction(&[balance], &[], &[1]),
            transaction(&[], &[], &[1]),
        ]);
        let raw = [(0, 2), (1, 2), (0, 4), (1, 4), (3, 4), (4, 5)];
        assert_eq!(pairs(&dag, EdgeKind::Raw), raw);
        assert_eq!(pairs(&dag, EdgeKind::War), [(2, 3), (2, 4)]);
        assert_eq!(pairs(&dag, EdgeKind::Waw), [(0, 4), (1, 4), (3, 4), (4, 5), (5, 6)]);
    }

    #[test]
    fn readers_of_many_credits_do_not_square_the_edges() {
        let balance = Key::Balance(Address::with_last_byte(1));
        let count = 500;
        let mut all = vec![transaction(&[], &[], &[1]); count];
        all.extend(vec![transaction(&[balance], &[], &[]); count]);
        all.extend(vec![transaction(&[], &[], &[1]); count]);
        let dag = dag(&all);
        let max = PLAN_SHARED_EDGES_COUNT_MAX as usize;
        assert_eq!(dag.waits(count as u32).len(), count);
        assert_eq!(dag.waits(count as u32 + 1).len(), max);
        assert_eq!(dag.edges().len(), 2 * (count + (count - 1) * max));
    }

    #[test]
    fn a_score_counts_edges() {
        let (a, b) = (slot(1), slot(2));
        let executed = dag(&[
            transaction(&[], &[a], &[]),
            transaction(&[a], &[b], &[]),
            transaction(&[a, b], &[], &[]),
        ]);
        let predicted = dag(&[
            transaction(&[], &[b], &[]),
            transaction(&[b], &[b], &[]),
            transaction(&[b], &[], &[]),
        ]);
        let score = predicted.score(&executed);
        assert_eq!(score, Score { predicted: 2, executed: 3, both: 2 });
        assert_eq!((score.precision(), Score::default().recall()), (1.0, 1.0));
    }

    /// The definition at the head of this file, by looking at all pairs.
    fn brute_force(block: &BlockAccesses, shared_max: u32) -> BTreeSet<(u32, EdgeKind, u32)> {
        let count = block.len() as u32;
        let mut edges = BTreeSet::new();
        for key in (0..block.key_count() as u32).map(KeyId) {
            let role = |t: u32| {
                let access = block.of(t).iter().find(|access| access.key == key);
                access.map_or(Role::default(), |access| access.role.settled())
            };
            let credits = |t: &u32| role(*t).has(Role::CREDIT);
            let looks = |t: &u32| role(*t).has(Role::READ) && !role(*t).has(Role::WRITE);
            for to in 0..count {
                let writer = (0..to).rev().find(|t| role(*t).has(Role::WRITE));
                let since = writer.map_or(0, |writer| writer + 1);
                let between = || (since..to).rev();
                // Those after the last of the other kind are new; of the others, the latest.
                let near = |wanted: &dyn Fn(&u32) -> bool, other: &dyn Fn(&u32) -> bool| {
                    let seen = between().find(|t| other(t));
                    let (new, old): (Vec<u32>, Vec<u32>) =
                        between().filter(|t| wanted(t)).partition(|t| seen.is_none_or(|s| *t > s));
                    new.into_iter().chain(old.into_iter().take(shared_max as usize))
                };
                let role = role(to);
                let writes = role.has(Role::WRITE);
                if role.has(Role::READ) {
                    edges.extend(writer.map(|from| (to, EdgeKind::Raw, from)));
                }
                if writes || role.has(Role::CREDIT) {
                    edges.extend(writer.map(|from| (to, EdgeKind::Waw, from)));
                }
                if writes {
                    let all = between().filter(credits);
                    edges.extend(all.clone().map(|from| (to, EdgeKind::Waw, from)));
                    if role.has(Role::READ) {
                        edges.extend(all.map(|from| (to, EdgeKind::Raw, from)));
                    }
                    edges.extend(between().filter(looks).map(|from| (to, EdgeKind::War, from)));
                } else if role.has(Role::READ) {
                    let from = near(&credits, &looks);
                    edges.extend(from.map(|from| (to, EdgeKind::Raw, from)));
                } else if role.has(Role::CREDIT) {
                    let from = near(&looks, &credits);
                    edges.extend(from.map(|from| (to, EdgeKind::War, from)));
                }
            }
        }
        edges
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 512,
            failure_persistence: None,
            ..Default::default()
        })]

        #[test]
        fn edges_are_those_of_the_definition(
            block in proptest::collection::vec(
                proptest::collection::vec((0u8..3, 1u8..8), 0..5), 0..40),
            shared_max in 0u32..4,
        ) {
            let mut accesses = BlockAccesses::new();
            for transaction in &block {
                for (key, role) in transaction {
                    let key = Key::Balance(Address::with_last_byte(*key));
                    for (bit, one) in [(1, Role::READ), (2, Role::WRITE), (4, Role::CREDIT)] {
                        if role & bit != 0 {
                            accesses.add(key, one, Source::Execution);
                        }
                    }
                }
                accesses.end(true);
            }
            let dag = Dag::with_shared_max(&accesses, shared_max);
            let edges: BTreeSet<_> =
                dag.edges().iter().map(|edge| (edge.to, edge.kind, edge.from)).collect();
            prop_assert_eq!(edges.len(), dag.edges().len());
            prop_assert_eq!(edges, brute_force(&accesses, shared_max));
            for to in 0..dag.len() as u32 {
                let raw = dag.edges_to(to).iter().filter(|edge| edge.kind == EdgeKind::Raw);
                prop_assert_eq!(dag.waits(to), raw.map(|edge| edge.from).collect::<Vec<_>>());
            }
        }
    }
}
