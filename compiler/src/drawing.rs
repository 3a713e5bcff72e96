//! Graphs for Graphviz, small enough that `dot` lays them out in seconds.
//!
//! # Terms
//! A *drawing* has nodes, edges, clusters of nodes, and a legend. A *chain* is a run of nodes of
//! one cluster, each with the one before it as only predecessor and the one after it as only
//! successor: it can be *folded* into one node. What goes beyond a bound is left out, and a node
//! says how much that is.

use crate::limits::{DOT_CHAIN_NODES_MIN, DOT_LABEL_CHARS_MAX};
use core::cmp::Reverse;
use core::fmt::Write as _;
use std::collections::BTreeSet;

/// Colour of what is marked.
const MARKED: &str = "#c00000";

/// How edges of one kind look, and what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeStyle {
    /// The name, shown when one points at the edge.
    pub name: &'static str,
    /// The colour.
    pub colour: &'static str,
    /// Graphviz's `style`.
    pub style: &'static str,
    /// What it says, for the legend.
    pub meaning: &'static str,
    /// Whether such edges are left out before others.
    pub minor: bool,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The lines of its label, left-aligned.
    pub lines: Vec<String>,
    /// The cluster that it stands in.
    pub cluster: Option<usize>,
    /// The fill colour; none: white.
    pub fill: Option<&'static str>,
    /// Whether it is on the path that the drawing marks.
    pub marked: bool,
    /// Nodes with the same rank stand beside each other.
    pub rank: Option<u32>,
    /// How many of the drawing's unit it stands for; 0: one.
    pub count: usize,
}

impl Node {
    fn units(&self) -> usize {
        self.count.max(1)
    }
}

/// An edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The place of its first node.
    pub from: usize,
    /// The place of its last node.
    pub to: usize,
    /// How it looks.
    pub style: EdgeStyle,
    /// Beside the edge, if not empty.
    pub label: String,
    /// Whether it is on the path that the drawing marks.
    pub marked: bool,
    /// Whether it ends at the border of the cluster that `to` stands in.
    pub to_cluster: bool,
    /// Whether it starts at the border of the cluster that `from` stands in.
    pub from_cluster: bool,
}

impl Edge {
    /// A plain edge.
    pub fn new(from: usize, to: usize, style: EdgeStyle) -> Edge {
        let (label, marked, to_cluster, from_cluster) = (String::new(), false, false, false);
        Edge { from, to, style, label, marked, to_cluster, from_cluster }
    }
}

/// One row of the legend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Legend {
    /// A fill colour and what it says.
    Fill(&'static str, &'static str),
    /// A word or form of the labels, and what it says.
    Text(String, String),
}

/// Nodes, edges and what they mean.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// The name in DOT: an identifier.
    pub name: &'static str,
    /// Above the graph.
    pub title: String,
    /// Whether it goes from left to right, else from top to bottom.
    pub left_to_right: bool,
    /// What one node stands for, in the plural.
    pub unit: &'static str,
    /// The labels of the clusters.
    pub clusters: Vec<String>,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The edges.
    pub edges: Vec<Edge>,
    /// Rows of the legend; those of the edges' styles are added.
    pub legend: Vec<Legend>,
}

impl Drawing {
    /// Adds a node; gives its place.
    pub fn node(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Keeps one edge of those that lead from one node to another, the first; it is marked if one
    /// of them is.
    pub fn merge_edges(&mut self) {
        self.edges.sort_by_key(|edge| (edge.from, edge.to));
        self.edges.dedup_by(|next, kept| {
            let same = (next.from, next.to) == (kept.from, kept.to);
            kept.marked |= same && next.marked;
            same
        });
    }

    /// Folds every long chain into one node.
    pub fn fold_chains(&mut self) {
        let next = self.chain_links();
        let mut has_before = vec![false; self.nodes.len()];
        next.iter().flatten().for_each(|to| has_before[*to] = true);
        let mut places: Vec<Option<usize>> = (0..self.nodes.len()).map(Some).collect();
        for start in (0..self.nodes.len()).filter(|at| !has_before[*at]) {
            let chain: Vec<usize> =
                std::iter::successors(Some(start), |at: &usize| next[*at]).collect();
            if chain.len() >= DOT_CHAIN_NODES_MIN {
                self.nodes[start] = self.folded(&chain);
                chain[1..].iter().for_each(|at| places[*at] = Some(start));
            }
        }
        // An edge from the end of a chain back to its start stays, as a loop.
        let inner = |edge: &Edge| next[edge.from] == Some(edge.to);
        self.edges.retain(|edge| !inner(edge) || places[edge.from] != places[edge.to]);
        let kept: Vec<bool> = places.iter().enumerate().map(|(i, to)| *to == Some(i)).collect();
        self.keep(&kept, &places);
    }

    /// Per node: the one after it in its chain.
    fn chain_links(&self) -> Vec<Option<usize>> {
        let pairs: BTreeSet<(usize, usize)> =
            self.edges.iter().map(|edge| (edge.from, edge.to)).collect();
        let (mut outs, mut ins) = (vec![0; self.nodes.len()], vec![0; self.nodes.len()]);
        for (from, to) in &pairs {
            outs[*from] += 1;
            ins[*to] += 1;
        }
        let mut next = vec![None; self.nodes.len()];
        for (from, to) in pairs {
            let (a, b) = (&self.nodes[from], &self.nodes[to]);
            let alike = (a.cluster, a.marked, a.fill) == (b.cluster, b.marked, b.fill);
            if outs[from] == 1 && ins[to] == 1 && from != to && alike {
                next[from] = Some(to);
            }
        }
        next
    }

    fn folded(&self, chain: &[usize]) -> Node {
        let first = &self.nodes[chain[0]];
        let line = |at: usize| self.nodes[at].lines.first().cloned().unwrap_or_default();
        let count = chain.iter().map(|at| self.nodes[*at].units()).sum();
        let lines = vec![
            format!("{count} {} in a chain:", self.unit),
            line(chain[0]),
            "...".to_owned(),
            line(chain[chain.len() - 1]),
        ];
        Node { lines, count, ..first.clone() }
    }

    /// Leaves out what goes beyond so many nodes and edges: marked nodes stay before their
    /// neighbours, these before others, those that stand for many before those that stand for few,
    /// earlier before later ones.
    pub fn bound(&mut self, nodes_max: usize, edges_max: usize) {
        let kept = self.kept(nodes_max);
        let dropped = self.nodes.iter().zip(&kept).filter(|(_, kept)| !**kept);
        let nodes: usize = dropped.map(|(node, _)| node.units()).sum();
        let before = self.edges.len();
        self.edges.retain(|edge| kept[edge.from] && kept[edge.to]);
        self.edges.sort_by_key(|edge| (!edge.marked, edge.style.minor));
        self.edges.truncate(edges_max);
        let edges = before - self.edges.len();
        let places: Vec<Option<usize>> =
            kept.iter().enumerate().map(|(at, kept)| kept.then_some(at)).collect();
        self.keep(&kept, &places);
        if nodes + edges > 0 {
            let text = format!("left out: {nodes} {}, {edges} edges", self.unit);
            self.node(Node { lines: vec![text], fill: Some("#eeeeee"), ..Node::default() });
        }
    }

    /// Per node: whether it is among so many.
    fn kept(&self, nodes_max: usize) -> Vec<bool> {
        let mut kept = vec![true; self.nodes.len()];
        if self.nodes.len() <= nodes_max {
            return kept;
        }
        let mut beside = vec![false; self.nodes.len()];
        for Edge { from, to, .. } in &self.edges {
            beside[*from] |= self.nodes[*to].marked;
            beside[*to] |= self.nodes[*from].marked;
        }
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|at| {
            let node = &self.nodes[*at];
            (!node.marked, !beside[*at], Reverse(node.units()))
        });
        order[nodes_max..].iter().for_each(|at| kept[*at] = false);
        // One of whose edges none is left says nothing.
        let (mut had, mut has) = (vec![false; kept.len()], vec![false; kept.len()]);
        for Edge { from, to, .. } in &self.edges {
            for at in [*from, *to] {
                had[at] = true;
                has[at] |= kept[*from] && kept[*to];
            }
        }
        for (at, node) in self.nodes.iter().enumerate() {
            let lonely = had[at] && !has[at] && !node.marked && node.units() == 1;
            kept[at] &= !lonely;
        }
        kept
    }

    /// Drops the other nodes; `places` says which node stands for each.
    fn keep(&mut self, kept: &[bool], places: &[Option<usize>]) {
        let mut count = 0;
        let numbers: Vec<usize> = kept
            .iter()
            .map(|kept| {
                count += usize::from(*kept);
                count.saturating_sub(1)
            })
            .collect();
        let mut keep = kept.iter();
        self.nodes.retain(|_| *keep.next().unwrap_or(&false));
        self.edges.retain_mut(|edge| {
            let (Some(from), Some(to)) = (places[edge.from], places[edge.to]) else { return false };
            (edge.from, edge.to) = (numbers[from], numbers[to]);
            true
        });
    }

    /// The drawing in DOT.
    pub fn dot(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "digraph {} {{", self.name);
        let direction = if self.left_to_right { "LR" } else { "TB" };
        let _ = writeln!(out, "  graph [compound=true, newrank=true, rankdir={direction}];");
        let _ = writeln!(out, "  graph [nslimit=2, nslimit1=2, mclimit=0.5, ranksep=0.35];");
        let _ = writeln!(
            out,
            "  graph [fontname=\"sans-serif\", labelloc=t, nodesep=0.2, forcelabels=true];"
        );
        let _ = writeln!(out, "  graph [label={}];", quoted(&self.title));
        let node = "shape=box, style=filled, fillcolor=white, fontname=\"monospace\"";
        let _ = writeln!(out, "  node [{node}, fontsize=10, height=0.2, margin=\"0.08,0.04\"];");
        let _ = writeln!(out, "  edge [fontname=\"sans-serif\", fontsize=9, arrowsize=0.6];");
        self.write_nodes(&mut out);
        self.write_ranks(&mut out);
        for edge in &self.edges {
            self.write_edge(&mut out, edge);
        }
        self.write_legend(&mut out);
        out.push_str("}\n");
        out
    }

    fn write_nodes(&self, out: &mut String) {
        let filled: BTreeSet<usize> = self.nodes.iter().filter_map(|node| node.cluster).collect();
        for cluster in filled {
            let label = self.clusters.get(cluster).map_or("", |label| label);
            let _ = writeln!(out, "  subgraph cluster_{cluster} {{");
            let _ = writeln!(out, "    graph [label={}, labelloc=t];", quoted(label));
            let _ = writeln!(out, "    graph [style=rounded, color=\"#999999\", fontsize=11];");
            for (at, _) in self.nodes.iter().enumerate().filter(|(_, n)| n.cluster == Some(cluster))
            {
                self.write_node(out, at, "    ");
            }
            out.push_str("  }\n");
        }
        for (at, _) in self.nodes.iter().enumerate().filter(|(_, node)| node.cluster.is_none()) {
            self.write_node(out, at, "  ");
        }
    }

    fn write_node(&self, out: &mut String, at: usize, indent: &str) {
        let node = &self.nodes[at];
        let short: Vec<String> = node.lines.iter().map(|line| shortened(line)).collect();
        let _ = write!(out, "{indent}n{at} [label={}", label(&short));
        if short != node.lines {
            let _ = write!(out, ", tooltip={}", quoted(&node.lines.join(" ")));
        }
        if let Some(fill) = node.fill {
            let _ = write!(out, ", fillcolor=\"{fill}\"");
        }
        if node.marked {
            let _ = write!(out, ", color=\"{MARKED}\", penwidth=2");
        }
        out.push_str("];\n");
    }

    fn write_ranks(&self, out: &mut String) {
        let ranks: BTreeSet<u32> = self.nodes.iter().filter_map(|node| node.rank).collect();
        for rank in ranks {
            out.push_str("  { rank=same;");
            let here = self.nodes.iter().enumerate().filter(|(_, node)| node.rank == Some(rank));
            here.for_each(|(at, _)| {
                let _ = write!(out, " n{at};");
            });
            out.push_str(" }\n");
        }
    }

    fn write_edge(&self, out: &mut String, edge: &Edge) {
        let EdgeStyle { name, colour, style, .. } = edge.style;
        let colour = if edge.marked { MARKED } else { colour };
        let _ = write!(out, "  n{} -> n{} [style={style}", edge.from, edge.to);
        let _ = write!(out, ", color=\"{colour}\", tooltip={}", quoted(name));
        if edge.marked {
            out.push_str(", penwidth=2");
        }
        if !edge.label.is_empty() {
            // Not `label`, which takes a place in the layout: 200 of them took half a minute.
            let _ = write!(out, ", xlabel={}", quoted(&edge.label));
        }
        // Graphviz cuts no edge at a cluster that both of its ends stand in.
        let [from, to] = [edge.from, edge.to].map(|at| self.nodes[at].cluster);
        if let Some(cluster) = to.filter(|_| edge.to_cluster && from != to) {
            let _ = write!(out, ", lhead=cluster_{cluster}");
        }
        if let Some(cluster) = from.filter(|_| edge.from_cluster && from != to) {
            let _ = write!(out, ", ltail=cluster_{cluster}");
        }
        out.push_str("];\n");
    }

    fn write_legend(&self, out: &mut String) {
        let mut rows = Vec::new();
        let mut seen = BTreeSet::new();
        for EdgeStyle { name, colour, style, meaning, .. } in self.edges.iter().map(|e| e.style) {
            if !meaning.is_empty() && seen.insert(name) {
                let arrow = match style {
                    "dashed" => "- - >",
                    "dotted" => ". . >",
                    "bold" => "===>",
                    _ => "--->",
                };
                let arrow = format!("<FONT COLOR=\"{colour}\"><B>{}</B></FONT>", escaped(arrow));
                rows.push((format!("<TD>{arrow}</TD>"), format!("{name}: {meaning}")));
            }
        }
        if self.nodes.iter().any(|node| node.marked) {
            let cell = format!("<TD><FONT COLOR=\"{MARKED}\"><B>red</B></FONT></TD>");
            rows.push((cell, "critical path".to_owned()));
        }
        for row in &self.legend {
            rows.push(match row {
                Legend::Fill(fill, _) if !self.nodes.iter().any(|n| n.fill == Some(fill)) => {
                    continue;
                }
                Legend::Fill(fill, text) => {
                    (format!("<TD BGCOLOR=\"{fill}\"> </TD>"), (*text).to_owned())
                }
                Legend::Text(form, text) => (format!("<TD>{}</TD>", escaped(form)), text.clone()),
            });
        }
        out.push_str("  subgraph cluster_legend {\n    graph [label=\"legend\", fontsize=11];\n");
        out.push_str(
            "    legend [shape=plain, fontname=\"sans-serif\", label=<<TABLE BORDER=\"0\"",
        );
        out.push_str(" CELLSPACING=\"1\" CELLPADDING=\"1\">\n");
        for (cell, text) in rows {
            let _ =
                writeln!(out, "      <TR>{cell}<TD ALIGN=\"LEFT\">{}</TD></TR>", escaped(&text));
        }
        out.push_str("    </TABLE>>];\n  }\n");
    }
}

/// A line that fits in a node.
fn shortened(line: &str) -> String {
    if line.chars().count() <= DOT_LABEL_CHARS_MAX {
        return line.to_owned();
    }
    line.chars().take(DOT_LABEL_CHARS_MAX - 3).chain("...".chars()).collect()
}

/// What stands between the quotes of a string in DOT.
fn inside(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", inside(text))
}

/// Lines of a label, each to the left where there are several.
fn label(lines: &[String]) -> String {
    match lines {
        [line] => quoted(line),
        lines => format!("\"{}\"", lines.iter().map(|l| inside(l) + "\\l").collect::<String>()),
    }
}

/// Text in a label that is HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: EdgeStyle = EdgeStyle {
        name: "plain",
        colour: "black",
        style: "solid",
        meaning: "one, then the other",
        minor: false,
    };

    /// Nodes `0..count` with these edges.
    fn drawing(count: usize, edges: &[(usize, usize)]) -> Drawing {
        let mut drawing = Drawing { name: "test", unit: "nodes", ..Drawing::default() };
        for at in 0..count {
            drawing.node(Node { lines: vec![format!("a{at}")], ..Node::default() });
        }
        drawing.edges = edges.iter().map(|(from, to)| Edge::new(*from, *to, PLAIN)).collect();
        drawing
    }

    fn pairs(drawing: &Drawing) -> Vec<(usize, usize)> {
        drawing.edges.iter().map(|edge| (edge.from, edge.to)).collect()
    }

    #[test]
    fn a_chain_becomes_one_node_that_says_its_length() {
        // 0 leads into a chain from 1 to 7, which leads to 8 and 9.
        let edges =
            [(0, 1), (0, 9), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8), (7, 9)];
        let mut chain = drawing(10, &edges);
        chain.fold_chains();
        assert_eq!(chain.nodes.len(), 4);
        assert_eq!(chain.nodes[1].lines, ["7 nodes in a chain:", "a1", "...", "a7"]);
        assert_eq!(pairs(&chain), [(0, 1), (0, 3), (1, 2), (1, 3)]);
    }

    #[test]
    fn short_chains_loops_and_borders_of_clusters_stay() {
        let edges: Vec<_> = (0..20).map(|at| (at, (at + 1) % 20)).collect();
        let mut wheel = drawing(20, &edges);
        wheel.fold_chains();
        assert_eq!((wheel.nodes.len(), wheel.edges.len()), (20, 20));
        let mut short = drawing(3, &[(0, 1), (1, 2), (2, 2)]);
        short.fold_chains();
        assert_eq!(pairs(&short), [(0, 1), (1, 2), (2, 2)]);
        let edges: Vec<_> = (0..19).map(|at| (at, at + 1)).collect();
        let mut back = drawing(9, &[&edges[..8], &[(8, 1)]].concat());
        back.fold_chains();
        assert_eq!(pairs(&back), [(0, 1), (1, 1)]);
        let mut two = drawing(20, &edges);
        two.nodes.iter_mut().enumerate().for_each(|(at, node)| node.cluster = Some(at / 10));
        two.fold_chains();
        assert_eq!((two.nodes.len(), pairs(&two)), (2, vec![(0, 1)]));
    }

    #[test]
    fn what_is_left_out_is_counted_and_marked_nodes_stay() {
        let edges: Vec<_> = (1..30).map(|at| (0, at)).collect();
        let mut star = drawing(30, &edges);
        star.nodes[29].marked = true;
        star.nodes[20].count = 7;
        star.bound(10, 5);
        assert!(star.nodes.iter().any(|node| node.lines == ["a20"]));
        let mut pairs = drawing(30, &[(0, 29), (1, 28), (2, 3)]);
        pairs.nodes[29].marked = true;
        pairs.bound(5, 9);
        // The marked one with its neighbour, then in order; 1 has lost its only neighbour.
        let names: Vec<_> = pairs.nodes.iter().map(|node| node.lines[0].as_str()).collect();
        assert_eq!(names, ["a0", "a2", "a3", "a29", "left out: 26 nodes, 1 edges"]);
        assert_eq!(star.nodes.len(), 11);
        assert!(star.nodes.iter().any(|node| node.lines == ["a29"]));
        assert_eq!(star.nodes[10].lines, ["left out: 20 nodes, 24 edges"]);
        assert_eq!(star.edges.len(), 5);
        let mut small = drawing(3, &[(0, 1)]);
        small.bound(3, 1);
        assert_eq!(small.nodes.len(), 3);
    }

    #[test]
    fn text_is_quoted_and_shortened() {
        let mut hostile = drawing(1, &[(0, 0)]);
        hostile.title = "a \"b\" \\".to_owned();
        hostile.nodes[0].lines = vec!["\"; }".to_owned(), "x".repeat(DOT_LABEL_CHARS_MAX + 1)];
        hostile.legend = vec![Legend::Text("a<b>&".to_owned(), String::new())];
        let dot = hostile.dot();
        assert!(dot.contains("label=\"a \\\"b\\\" \\\\\""), "{dot}");
        assert!(dot.contains("label=\"\\\"; }\\lxxx"), "{dot}");
        assert!(dot.contains(&format!("{}...\\l\", tooltip", "x".repeat(DOT_LABEL_CHARS_MAX - 3))));
        assert!(dot.contains("<TD>a&lt;b&gt;&amp;</TD>"), "{dot}");
        assert!(dot.contains("plain: one, then the other"), "{dot}");
    }
}
