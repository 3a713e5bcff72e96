//! A plan as Graphviz draws it.
//!
//! # Method
//! What is alike is one node: transactions that are alone, those of one wave that wait for the same
//! and that the same wait for, and long chains. Components come as clusters, by the gas of their
//! longest chain, as many as fit; the rest is one node.

use super::dag::{Dag, EdgeKind};
use super::worth::{levels, roots};
use super::{BlockAccesses, Plan};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use warpevm_compiler::drawing::{Drawing, Edge, EdgeStyle, Legend, Node};
use warpevm_compiler::limits::{DOT_EDGES_MAX, DOT_NODES_MAX};

/// Waves that stand as headings beside the graph.
const HEADINGS_MAX: usize = 24;
/// Pairs of components with edges between them that are drawn.
const BETWEEN_MAX: usize = 20;
/// Filled nodes that stand for several.
const SEVERAL: &str = "#e0ecf4";
const HEADING: &str = "#f0f0f0";

const ORDER: EdgeStyle =
    EdgeStyle { name: "wave", colour: "black", style: "invis", meaning: "", minor: false };

fn style_of(kind: EdgeKind) -> EdgeStyle {
    let (colour, style, meaning) = match kind {
        EdgeKind::Raw => ("black", "solid", "reads what the other writes: it waits"),
        EdgeKind::War => ("#2166ac", "dotted", "writes what the other reads"),
        EdgeKind::Waw => ("#b35806", "dashed", "both write"),
    };
    EdgeStyle { name: kind.name(), colour, style, meaning, minor: kind != EdgeKind::Raw }
}

/// What is drawn.
struct Sketch<'a> {
    plan: &'a Plan,
    dag: &'a Dag,
    gas: &'a [u64],
    levels: Vec<u32>,
    followers: Vec<Vec<u32>>,
    critical: BTreeSet<u32>,
    /// Letters of hot keys.
    letters: BTreeMap<String, char>,
    accesses: &'a BlockAccesses,
    drawing: Drawing,
    /// Per transaction of the component that is drawn: the node that it is part of.
    places: BTreeMap<u32, usize>,
}

impl Plan {
    /// The dependencies as Graphviz draws them, below `title`. `dag`, `accesses` and `gas` are
    /// those that the plan is of.
    pub fn dot(&self, dag: &Dag, accesses: &BlockAccesses, gas: &[u64], title: &str) -> String {
        self.drawing(dag, accesses, gas, title).dot()
    }

    /// The same before it is text: never more than [`DOT_NODES_MAX`] nodes and some headings.
    pub fn drawing(
        &self,
        dag: &Dag,
        accesses: &BlockAccesses,
        gas: &[u64],
        title: &str,
    ) -> Drawing {
        let share = 100.0 * self.critical_path_gas as f64 / self.gas.max(1) as f64;
        let (path, all) = (self.critical_path_gas, self.gas);
        let drawing = Drawing {
            name: "plan",
            title: format!("{title}: critical path {path} of {all} gas ({share:.1}%)"),
            unit: "transactions",
            ..Drawing::default()
        };
        let mut followers = vec![Vec::new(); dag.len()];
        for at in 0..dag.len() as u32 {
            dag.waits(at).iter().for_each(|from| followers[*from as usize].push(at));
        }
        let hot = self.hot_keys.iter().map(|hot| hot.key.clone());
        let mut sketch = Sketch {
            plan: self,
            dag,
            gas,
            levels: levels(dag),
            followers,
            critical: self.critical_path.iter().copied().collect(),
            letters: hot.zip('A'..='Z').collect(),
            accesses,
            drawing,
            places: BTreeMap::new(),
        };
        sketch.components();
        sketch.headings();
        sketch.legend();
        sketch.drawing
    }
}

impl Sketch<'_> {
    fn gas_of(&self, all: &[u32]) -> u64 {
        let gas = all.iter().map(|at| self.gas.get(*at as usize).copied().unwrap_or(0));
        gas.fold(0, u64::saturating_add)
    }

    /// The nodes and edges of as many components as fit, and nodes for the rest.
    fn components(&mut self) {
        let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (at, root) in roots(self.dag).into_iter().enumerate() {
            members.entry(root).or_default().push(at as u32);
        }
        let root_of = |chain: &[u32]| {
            let first = chain.first()?;
            members.iter().find(|(_, all)| all.binary_search(first).is_ok()).map(|(root, _)| *root)
        };
        let (mut rest, mut drawn) = (Vec::new(), BTreeMap::new());
        let components = self.plan.components.iter().filter_map(|c| root_of(&c.chain));
        for (number, root) in components.enumerate() {
            let all = &members[&root];
            let groups = self.groups(all);
            let fits = self.drawing.nodes.len() + groups.len() <= DOT_NODES_MAX - HEADINGS_MAX;
            if number > 0 && !fits {
                rest.push(all);
                continue;
            }
            self.component(self.drawing.clusters.len(), all, groups);
            drawn.extend(all.iter().map(|at| (*at, self.drawing.clusters.len() - 1)));
        }
        self.between(&drawn);
        // What stands for many is not left out itself.
        self.drawing.bound(DOT_NODES_MAX - HEADINGS_MAX, DOT_EDGES_MAX);
        let alone: Vec<u32> =
            members.values().filter(|a| a.len() == 1).flatten().copied().collect();
        if !alone.is_empty() {
            let lines = vec![format!("{} transactions alone", alone.len())];
            self.several(lines, &alone);
        }
        if !rest.is_empty() {
            let all: Vec<u32> = rest.iter().flat_map(|all| all.iter().copied()).collect();
            let lines = vec![
                format!("{} more components", rest.len()),
                format!("{} transactions", all.len()),
            ];
            self.several(lines, &all);
        }
    }

    fn several(&mut self, mut lines: Vec<String>, all: &[u32]) {
        lines.push(format!("{} gas", self.gas_of(all)));
        let (fill, rank, count) = (Some(SEVERAL), Some(0), all.len());
        self.drawing.node(Node { lines, fill, rank, count, ..Node::default() });
    }

    /// The transactions of a component that are one node each: of one wave, waiting for the same,
    /// with the same waiting for them. Those of the critical path stand alone.
    fn groups(&self, all: &[u32]) -> Vec<Vec<u32>> {
        let mut groups: BTreeMap<_, Vec<u32>> = BTreeMap::new();
        for at in all {
            let own = self.critical.contains(at).then_some(*at);
            let waits = self.dag.waits(*at);
            let key = (self.levels[*at as usize], own, waits, &self.followers[*at as usize]);
            groups.entry(key).or_default().push(*at);
        }
        groups.into_values().collect()
    }

    /// Draws one component as a cluster.
    fn component(&mut self, number: usize, all: &[u32], groups: Vec<Vec<u32>>) {
        let (count, gas) = (all.len(), self.gas_of(all));
        self.drawing.clusters.push(format!("{count} transactions, {gas} gas"));
        self.places.clear();
        for group in groups {
            let gas = self.gas_of(&group);
            let lines = match group[..] {
                [one] => vec![format!("{one}"), format!("{gas} gas")],
                _ => {
                    vec![format!("{} alike, from {}", group.len(), group[0]), format!("{gas} gas")]
                }
            };
            let node = Node {
                lines,
                cluster: Some(number),
                fill: (group.len() > 1).then_some(SEVERAL),
                marked: group.iter().any(|at| self.critical.contains(at)),
                rank: Some(self.levels[group[0] as usize]),
                count: group.len(),
            };
            let place = self.drawing.node(node);
            self.places.extend(group.iter().map(|at| (*at, place)));
        }
        self.edges(all);
        // What was drawn before is folded already.
        self.drawing.fold_chains();
    }

    /// The edges between the transactions of one component.
    fn edges(&mut self, all: &[u32]) {
        let mut edges: BTreeMap<(usize, usize), (EdgeKind, bool, BTreeSet<char>)> = BTreeMap::new();
        let next_critical: BTreeSet<(u32, u32)> =
            self.plan.critical_path.windows(2).map(|pair| (pair[0], pair[1])).collect();
        for edge in all.iter().flat_map(|to| self.dag.edges_to(*to)) {
            let ends = [edge.from, edge.to].map(|at| self.places.get(&at).copied());
            let [Some(from), Some(to)] = ends else { continue };
            if from == to {
                continue;
            }
            let fresh = (edge.kind, false, BTreeSet::new());
            let (kind, marked, letters) = edges.entry((from, to)).or_insert(fresh);
            *kind = (*kind).min(edge.kind);
            *marked |= edge.kind == EdgeKind::Raw && next_critical.contains(&(edge.from, edge.to));
            if edge.kind == EdgeKind::Raw {
                let key = self.accesses.key(edge.key).to_string();
                letters.extend(self.letters.get(&key));
            }
        }
        for ((from, to), (kind, marked, letters)) in edges {
            let label = letters.into_iter().collect();
            let plain = Edge::new(from, to, style_of(kind));
            self.drawing.edges.push(Edge { label, marked, ..plain });
        }
    }

    /// Edges from component to component, all of one pair as one: WAR and WAW, as waiting would
    /// make them one component. `drawn` says in which cluster a transaction is.
    fn between(&mut self, drawn: &BTreeMap<u32, usize>) {
        let mut pairs: BTreeMap<(usize, usize), BTreeMap<EdgeKind, usize>> = BTreeMap::new();
        for edge in self.dag.edges() {
            if let (Some(a), Some(b)) = (drawn.get(&edge.from), drawn.get(&edge.to))
                && a != b
            {
                *pairs.entry((*a, *b)).or_default().entry(edge.kind).or_default() += 1;
            }
        }
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by_key(|(_, counts)| Reverse(counts.values().sum::<usize>()));
        let nodes = &self.drawing.nodes;
        let first = |cluster| nodes.iter().position(|node| node.cluster == Some(cluster));
        let mut edges = Vec::new();
        for ((a, b), counts) in pairs.into_iter().take(BETWEEN_MAX) {
            let (Some(from), Some(to)) = (first(a), first(b)) else { continue };
            let kind = counts.keys().next().copied().unwrap_or(EdgeKind::War);
            let counts = counts.iter().map(|(kind, count)| format!("{count} {}", kind.name()));
            let label = counts.collect::<Vec<_>>().join(", ");
            let plain = Edge::new(from, to, style_of(kind));
            edges.push(Edge { label, from_cluster: true, to_cluster: true, ..plain });
        }
        self.drawing.edges.extend(edges);
    }

    /// The waves, as a column beside the graph that holds its rows in place.
    fn headings(&mut self) {
        let ranks: BTreeSet<u32> = self.drawing.nodes.iter().filter_map(|node| node.rank).collect();
        let mut before = None;
        for rank in ranks.into_iter().take(HEADINGS_MAX) {
            let Some(wave) = self.plan.waves.get(rank as usize) else { continue };
            let lines = vec![
                format!("wave {rank}"),
                format!("{} transactions, {} warps", wave.transactions, wave.warps),
            ];
            let node = Node { lines, fill: Some(HEADING), rank: Some(rank), ..Node::default() };
            let place = self.drawing.node(node);
            if let Some(before) = before.replace(place) {
                self.drawing.edges.push(Edge::new(before, place, ORDER));
            }
        }
    }

    fn legend(&mut self) {
        let text = |form: &str, text: String| Legend::Text(form.to_owned(), text);
        self.drawing.legend = vec![
            Legend::Fill(SEVERAL, "several transactions"),
            Legend::Fill(HEADING, "a wave: its transactions wait for none of each other"),
            text("N", "a transaction, by its place in the block".to_owned()),
            text("alike", "of one wave, waiting for the same, with the same waiting".to_owned()),
            text("frame", "a component: waiting connects its transactions".to_owned()),
        ];
        for hot in &self.plan.hot_keys {
            if let Some(letter) = self.letters.get(&hot.key) {
                let row = format!("{}: {} edges, chain of {}", hot.key, hot.edges, hot.chain);
                self.drawing.legend.push(text(&letter.to_string(), row));
            }
        }
    }
}
