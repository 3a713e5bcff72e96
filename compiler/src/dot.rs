//! What a part of a code looks like for Graphviz: its ops if they are few, else its ebbs, else its
//! functions. What one drawing leaves out, a drawing of a function or of a bb shows.

use crate::analysis::{Analysis, EbbAnalysis};
use crate::depend::{Dependencies, EdgeKind};
use crate::drawing::{Drawing, Edge, EdgeStyle, Legend, Node};
use crate::flow::{EbbId, Term};
use crate::limits::{DOT_EDGES_MAX, DOT_NODES_MAX};
use crate::part::Part;
use crate::program::OpKind;
use crate::value::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// Of what ends well, of what undoes the frame, and of what runs anything.
const ENDS: &str = "#d9f0d3";
const FAILS: &str = "#fddbc7";
const COMPUTES: &str = "#e7d4e8";

const fn edge(
    name: &'static str,
    colour: &'static str,
    style: &'static str,
    meaning: &'static str,
) -> EdgeStyle {
    EdgeStyle { name, colour, style, meaning, minor: false }
}

const GOTO: EdgeStyle = edge("goes on", "black", "bold", "falls or jumps there");
const TAKEN: EdgeStyle = edge("taken", "#1b7837", "bold", "the conditional jump is taken");
const FALL: EdgeStyle = edge("not taken", "#4d4d4d", "bold", "the conditional jump is not taken");
const COMPUTED: EdgeStyle =
    edge("computed", "#762a83", "dashed", "the target is looked up at run time");
const RUNS: EdgeStyle = edge("runs", "black", "solid", "control goes from one to the other");

/// How an edge between ops looks: the colour says through what, the style says which hazard.
fn style_of(kind: EdgeKind) -> EdgeStyle {
    let (colour, style, meaning) = match kind {
        EdgeKind::Data => ("black", "solid", "reads its result"),
        EdgeKind::MemoryRaw => ("#2166ac", "solid", "reads EVM memory that it writes"),
        EdgeKind::MemoryWar => ("#2166ac", "dotted", "writes EVM memory that it reads"),
        EdgeKind::MemoryWaw => ("#2166ac", "dashed", "both write the same EVM memory"),
        EdgeKind::StorageRaw => ("#b35806", "solid", "reads storage that it writes"),
        EdgeKind::StorageWar => ("#b35806", "dotted", "writes storage that it reads"),
        EdgeKind::StorageWaw => ("#b35806", "dashed", "both write the same storage"),
        EdgeKind::TransientRaw => ("#01665e", "solid", "reads transient storage that it writes"),
        EdgeKind::TransientWar => ("#01665e", "dotted", "writes transient storage that it reads"),
        EdgeKind::TransientWaw => ("#01665e", "dashed", "both write the same transient storage"),
        EdgeKind::Effect => ("#762a83", "solid", "logs, calls and creations are seen in order"),
        EdgeKind::Gas => ("#8c6d1f", "dotted", "observes the gas that it charges"),
        EdgeKind::Control => ("#999999", "dotted", "the end comes after what has an effect"),
    };
    let minor = matches!(kind, EdgeKind::Control | EdgeKind::Gas);
    EdgeStyle { minor, ..edge(kind.name(), colour, style, meaning) }
}

/// The edges of an ebb without those that follow from others and carry no value.
fn reduced(dependencies: &Dependencies) -> Vec<crate::depend::Edge> {
    let count = dependencies.places.len();
    let words = count.div_ceil(64);
    let mut before = vec![0u64; count * words];
    let mut kept = Vec::new();
    for into in dependencies.edges.chunk_by(|a, b| a.to == b.to) {
        let to = into[0].to.index();
        let mut covered = vec![0u64; words];
        // What comes before an earlier node is earlier still: so the latest go first.
        for edge in into.iter().rev() {
            let from = edge.from.index();
            let (word, bit) = (from / 64, 1u64 << (from % 64));
            if edge.kind == EdgeKind::Data || covered[word] & bit == 0 {
                kept.push(*edge);
            }
            let earlier = &before[from * words..(from + 1) * words];
            covered.iter_mut().zip(earlier).for_each(|(all, more)| *all |= more);
        }
        for edge in into {
            covered[edge.from.index() / 64] |= 1 << (edge.from.index() % 64);
        }
        before[to * words..(to + 1) * words].copy_from_slice(&covered);
    }
    kept.sort_unstable_by_key(|edge| (edge.to, edge.from, edge.kind));
    kept
}

/// The ebbs that one function alone runs, or that have no such owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    /// They find the function, or run for calldata that names none.
    Dispatch,
    Function(u32),
    Shared,
    /// Nothing is known to run them.
    Other,
}

impl Group {
    fn name(self) -> String {
        match self {
            Group::Dispatch => "dispatch".to_owned(),
            Group::Function(selector) => format!("function {selector:#010x}"),
            Group::Shared => "shared by functions".to_owned(),
            Group::Other => "run by no function found".to_owned(),
        }
    }
}

impl Analysis {
    /// Per ebb: whose it is.
    fn groups(&self) -> BTreeMap<EbbId, Group> {
        let dispatch = self.dispatch();
        let mut groups: BTreeMap<EbbId, Group> =
            self.flow.ids().map(|id| (id, Group::Other)).collect();
        for selector in dispatch.selectors {
            for id in self.reached(selector) {
                let group = groups.entry(id).or_insert(Group::Other);
                *group = match *group {
                    Group::Other => Group::Function(selector),
                    _ => Group::Shared,
                };
            }
        }
        groups.extend(dispatch.ebbs.into_iter().map(|id| (id, Group::Dispatch)));
        groups
    }
}

impl Part<'_> {
    /// The graph as Graphviz draws it.
    pub fn dot(&self) -> String {
        self.drawing().dot()
    }

    /// The same before it is text. Never larger than [`DOT_NODES_MAX`] and [`DOT_EDGES_MAX`] and
    /// the node that says what was left out.
    pub fn drawing(&self) -> Drawing {
        let live = |ebb: &EbbAnalysis| ebb.graph.nodes.iter().filter(|node| !node.dead).count() + 1;
        let ops: usize = self.ebbs.iter().map(|ebb| live(ebb)).sum();
        let one = self.bb.is_some() || self.ebbs.len() == 1;
        let mut drawing =
            if ops <= DOT_NODES_MAX || one { self.ops_drawing() } else { self.ebbs_drawing() };
        if drawing.nodes.len() > DOT_NODES_MAX {
            drawing.fold_chains();
        }
        if drawing.nodes.len() > DOT_NODES_MAX && self.is_whole() {
            drawing = self.groups_drawing().filter(|d| d.nodes.len() > 2).unwrap_or(drawing);
        }
        drawing.bound(DOT_NODES_MAX, DOT_EDGES_MAX);
        drawing
    }

    fn title(&self, of: &str) -> String {
        let (bytes, spec) = (self.analysis.code.len(), self.analysis.spec);
        let mut title = String::new();
        if let Some(bb) = self.bb {
            title += &format!("the bb at {:#x}, ", self.analysis.cfg.bb(bb).start);
        }
        if let Some(selector) = self.selector {
            title += &format!("function {selector:#010x}, ");
        }
        format!("{title}code of {bytes} bytes ({spec}): {of}")
    }

    /// A node for each op, a cluster for each ebb.
    fn ops_drawing(&self) -> Drawing {
        let mut drawing = Drawing {
            name: "code",
            title: self.title("ops and what they wait for"),
            unit: "ops",
            legend: ops_legend(),
            ..Drawing::default()
        };
        let mut first = BTreeMap::new();
        let mut last = BTreeMap::new();
        for ebb in &self.ebbs {
            let places = self.ops_of(ebb, &mut drawing);
            let nodes: Vec<usize> = places.iter().flatten().copied().collect();
            if let (Some(start), Some(end)) = (nodes.first(), nodes.last()) {
                first.insert(ebb.id, *start);
                last.insert(ebb.id, *end);
            }
        }
        drawing.merge_edges();
        for (id, from) in &last {
            for (to, style) in exits(self.analysis.flow.ebb(*id).term) {
                if let Some(to) = first.get(&to) {
                    drawing.edges.push(Edge { to_cluster: true, ..Edge::new(*from, *to, style) });
                }
            }
        }
        drawing
    }

    /// Draws the ops of an ebb; gives the place of each that is alive.
    fn ops_of(&self, ebb: &EbbAnalysis, drawing: &mut Drawing) -> Vec<Option<usize>> {
        let order = &ebb.dependencies;
        let pc = ebb.graph.nodes.iter().chain(&ebb.graph.end).find(|node| !node.dead);
        let pc = pc.map_or(0, |node| node.pc);
        let cluster = drawing.clusters.len();
        let (path, cost) = (order.critical_path, order.total_cost);
        let width = order.width(&ebb.graph);
        let id = ebb.id.0;
        drawing.clusters.push(format!("ebb{id} pc {pc:#x}: path {path} of {cost}, width {width}"));
        let critical = order.critical_nodes();
        let mut places = Vec::new();
        for (i, node) in ebb.graph.nodes.iter().chain(&ebb.graph.end).enumerate() {
            let id = NodeId(i as u32);
            places.push((!node.dead).then(|| {
                let lines = vec![self.node_text(ebb, id, node)];
                let marked = critical.contains(&id);
                let fill = if i == ebb.graph.nodes.len() { fill_of(node.kind) } else { None };
                let cluster = Some(cluster);
                drawing.node(Node { lines, cluster, fill, marked, ..Node::default() })
            }));
        }
        for edge in reduced(order) {
            let [from, to] = [edge.from, edge.to].map(|id| places[id.index()]);
            if let (Some(from), Some(to)) = (from, to) {
                let marked = critical.windows(2).any(|pair| pair == [edge.from, edge.to]);
                let plain = Edge::new(from, to, style_of(edge.kind));
                drawing.edges.push(Edge { marked, ..plain });
            }
        }
        places
    }

    /// A node for each ebb; of the whole code a cluster for each function.
    fn ebbs_drawing(&self) -> Drawing {
        let groups = if self.is_whole() { self.analysis.groups() } else { BTreeMap::new() };
        let names: BTreeSet<Group> = groups.values().copied().collect();
        let mut drawing = Drawing {
            name: "code",
            title: self.title("ebbs and where they lead"),
            unit: "ebbs",
            clusters: names.iter().map(|group| group.name()).collect(),
            legend: ebbs_legend(),
            ..Drawing::default()
        };
        let mut places = BTreeMap::new();
        for ebb in &self.ebbs {
            let group = groups.get(&ebb.id);
            let cluster = group.and_then(|group| names.iter().position(|name| name == group));
            let fill = ebb.graph.end.and_then(|end| fill_of(end.kind));
            let node = Node { lines: self.ebb_lines(ebb), cluster, fill, ..Node::default() };
            places.insert(ebb.id, drawing.node(node));
        }
        self.draw_exits(&mut drawing, &places);
        drawing.merge_edges();
        drawing
    }

    fn ebb_lines(&self, ebb: &EbbAnalysis) -> Vec<String> {
        let bbs = self.analysis.flow.bbs(ebb.id);
        let pc = bbs.first().map_or(0, |bb| self.analysis.cfg.bb(*bb).start);
        let (graph, order) = (&ebb.graph, &ebb.dependencies);
        let (id, bbs, insts, gas) = (ebb.id.0, bbs.len(), graph.insts, graph.gas);
        vec![
            format!("ebb{id} pc {pc:#x}"),
            format!("{bbs} bbs, {insts} opcodes, {gas} gas"),
            format!("path {} of {}", order.critical_path, order.total_cost),
        ]
    }

    /// Draws where ebbs lead; computed jumps by way of a node that stands for the jump table.
    fn draw_exits(&self, drawing: &mut Drawing, places: &BTreeMap<EbbId, usize>) {
        let flow = &self.analysis.flow;
        let mut table = None;
        for (id, from) in places {
            let term = flow.ebb(*id).term;
            for (to, style) in exits(term) {
                if let Some(to) = places.get(&to) {
                    drawing.edges.push(Edge::new(*from, *to, style));
                }
            }
            if term.is_computed() {
                let lines = vec!["jump table".to_owned()];
                let node = Node { lines, fill: Some(COMPUTES), ..Node::default() };
                let to = *table.get_or_insert_with(|| drawing.node(node));
                drawing.edges.push(Edge::new(*from, to, COMPUTED));
            }
        }
        let Some(table) = table else { return };
        for (_, to) in places.iter().filter(|(id, _)| flow.ebb(**id).computed_entry) {
            drawing.edges.push(Edge::new(table, *to, COMPUTED));
        }
    }

    /// A node for each function; none if the code has no functions.
    fn groups_drawing(&self) -> Option<Drawing> {
        let groups = self.analysis.groups();
        let names: BTreeSet<Group> = groups.values().copied().collect();
        let mut drawing = Drawing {
            name: "code",
            title: self.title("functions; --function SELECTOR draws one"),
            left_to_right: true,
            unit: "functions",
            legend: groups_legend(),
            ..Drawing::default()
        };
        let mut places = BTreeMap::new();
        for group in &names {
            let own: BTreeSet<EbbId> =
                groups.iter().filter(|(_, of)| *of == group).map(|(id, _)| *id).collect();
            let lines = self.group_lines(*group, &own);
            places.insert(*group, drawing.node(Node { lines, ..Node::default() }));
        }
        for id in self.analysis.flow.ids() {
            for to in self.analysis.flow.ebb(id).term.successors() {
                let ends =
                    [groups.get(&id), groups.get(&to)].map(|g| g.and_then(|g| places.get(g)));
                if let [Some(from), Some(to)] = ends
                    && from != to
                {
                    drawing.edges.push(Edge::new(*from, *to, RUNS));
                }
            }
        }
        drawing.merge_edges();
        Some(drawing).filter(|_| names.iter().any(|group| matches!(group, Group::Function(_))))
    }

    fn group_lines(&self, group: Group, own: &BTreeSet<EbbId>) -> Vec<String> {
        let stats = self.analysis.only(own).stats_of_graphs();
        let ops = stats.lowered_ops;
        let mut lines = vec![
            group.name(),
            format!("own: {} bbs, {} ebbs, {ops} ops", stats.bbs, stats.ebbs),
            format!("path {} of {}", stats.critical_path, stats.total_cost),
        ];
        if let Group::Function(selector) = group {
            let all = self.analysis.function(selector).stats();
            lines.push(format!("runs: {} bbs, {} ebbs", all.bbs, all.ebbs));
            let (symbolic, unknown) = (all.symbolic_keys, all.unknown_keys);
            lines.push(format!("storage keys: {symbolic} symbolic, {unknown} unknown"));
        }
        lines
    }
}

/// The ebbs that a terminator names.
fn exits(term: Term) -> Vec<(EbbId, EdgeStyle)> {
    match term {
        Term::Halt | Term::BadJump | Term::Computed => Vec::new(),
        Term::Goto(to) => vec![(to, GOTO)],
        Term::Branch { taken, fall } => {
            let taken = taken.map(|to| (to, TAKEN));
            taken.into_iter().chain([(fall, FALL)]).collect()
        }
        Term::ComputedBranch { fall } => vec![(fall, FALL)],
    }
}

fn fill_of(end: OpKind) -> Option<&'static str> {
    match end {
        OpKind::Stop | OpKind::Return | OpKind::SelfDestruct => Some(ENDS),
        OpKind::Revert | OpKind::Invalid | OpKind::BadJump => Some(FAILS),
        OpKind::Jump | OpKind::JumpI => Some(COMPUTES),
        _ => None,
    }
}

fn fills() -> Vec<Legend> {
    vec![
        Legend::Fill(ENDS, "ends the frame: stop, return, selfdestruct"),
        Legend::Fill(FAILS, "fails: revert, invalid, bad jump"),
        Legend::Fill(COMPUTES, "jumps to where a value says"),
    ]
}

fn words(rows: &[(&str, &str)]) -> Vec<Legend> {
    let row = |(form, text): &(&str, &str)| Legend::Text((*form).to_owned(), (*text).to_owned());
    rows.iter().map(row).collect()
}

const PATH: (&str, &str) =
    ("path P of C", "cost along the critical path, and of all ops (about device instructions)");
const BBS: (&str, &str) = ("bb, ebb", "basic block; bbs that always run one after another");

fn ops_legend() -> Vec<Legend> {
    let rows = [
        ("vN = Op a, b", "result N of an op; eN: stack entry N at the start (0: the top)"),
        ("#i, xN", "immediate; words, topics or bytes that the op takes"),
        PATH,
        ("width", "the most ops that wait for none of each other"),
        BBS,
    ];
    fills().into_iter().chain(words(&rows)).collect()
}

fn ebbs_legend() -> Vec<Legend> {
    fills().into_iter().chain(words(&[BBS, PATH])).collect()
}

fn groups_legend() -> Vec<Legend> {
    let rows = [
        ("own, runs", "what it alone runs; all that a call of it may run"),
        ("symbolic", "storage keys that follow from the call, before it runs"),
        BBS,
        PATH,
    ];
    words(&rows)
}
