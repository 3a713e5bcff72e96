//! Which nodes of a graph must run before which others, and why?
//!
//! # Terms
//! An *edge* orders two nodes and has a type: data; EVM memory, storage or transient storage by
//! RAW, WAR, WAW; effect (logs, calls, creations are seen in order); gas (an observer of the gas
//! left must see exactly what was charged before it); control (the terminator comes last).
//! A node's *level* is the earliest bundle that it fits in, its *slack* by how much it may be late
//! without making the whole longer, both along the edges; the *critical path* is the greatest sum
//! of costs along them. A *bundle* is all nodes of one level: they are independent.
//!
//! # Soundness
//! Two accesses get no edge only if they cannot touch the same byte (`Address::overlaps`) or
//! the same key ([`View::apart`]). A call or creation counts as reading and writing all storage,
//! except that STATICCALL writes none. Order by transitivity is kept implicit where an edge
//! chain exists. Beyond [`DEPEND_ACCESSES_MAX`] accesses of one kind they are simply chained.

use crate::graph::{Graph, Node, View, for_each_operand, has_effect, observes_gas};
use crate::limits::DEPEND_ACCESSES_MAX;
use crate::memory::{Address as At, Extent};
use crate::opcode::{Length, MemoryRange, memory_operands, op};
use crate::program::OpKind;
use crate::value::{ConstPool, NodeId, Val};
use serde::Serialize;

/// Why one node comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeKind {
    /// It reads the other's result.
    Data,
    /// It reads EVM memory that the other writes.
    MemoryRaw,
    /// It writes EVM memory that the other reads.
    MemoryWar,
    /// Both write the same EVM memory.
    MemoryWaw,
    /// It reads storage that the other writes.
    StorageRaw,
    /// It writes storage that the other reads.
    StorageWar,
    /// Both write the same storage.
    StorageWaw,
    /// It reads transient storage that the other writes.
    TransientRaw,
    /// It writes transient storage that the other reads.
    TransientWar,
    /// Both write the same transient storage.
    TransientWaw,
    /// The outside sees them in order.
    Effect,
    /// Gas charged by one is seen by the other.
    Gas,
    /// The terminator comes last.
    Control,
}

impl EdgeKind {
    /// Every kind.
    pub const ALL: [EdgeKind; 13] = [
        EdgeKind::Data,
        EdgeKind::MemoryRaw,
        EdgeKind::MemoryWar,
        EdgeKind::MemoryWaw,
        EdgeKind::StorageRaw,
        EdgeKind::StorageWar,
        EdgeKind::StorageWaw,
        EdgeKind::TransientRaw,
        EdgeKind::TransientWar,
        EdgeKind::TransientWaw,
        EdgeKind::Effect,
        EdgeKind::Gas,
        EdgeKind::Control,
    ];

    /// The name as it is printed.
    pub fn name(self) -> &'static str {
        match self {
            EdgeKind::Data => "data",
            EdgeKind::MemoryRaw => "memory-raw",
            EdgeKind::MemoryWar => "memory-war",
            EdgeKind::MemoryWaw => "memory-waw",
            EdgeKind::StorageRaw => "storage-raw",
            EdgeKind::StorageWar => "storage-war",
            EdgeKind::StorageWaw => "storage-waw",
            EdgeKind::TransientRaw => "transient-raw",
            EdgeKind::TransientWar => "transient-war",
            EdgeKind::TransientWaw => "transient-waw",
            EdgeKind::Effect => "effect",
            EdgeKind::Gas => "gas",
            EdgeKind::Control => "control",
        }
    }
}

/// `from` comes before `to`. The terminator has the number after the last node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The earlier node.
    pub from: NodeId,
    /// The later node.
    pub to: NodeId,
    /// Why.
    pub kind: EdgeKind,
}

/// Where a node stands in the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The earliest bundle.
    pub level: u32,
    /// How many bundles later it may be.
    pub slack: u32,
    /// What it costs, in about the number of device instructions.
    pub cost: u32,
}

/// The order of an ebb's nodes.
#[derive(Clone, Debug, Default)]
pub struct Dependencies {
    /// Sorted by `to`, then `from`, each pair and kind once.
    pub edges: Vec<Edge>,
    /// Per node, then the terminator.
    pub places: Vec<Place>,
    /// The greatest sum of costs along edges.
    pub critical_path: u64,
    /// The sum of all costs.
    pub total_cost: u64,
}

impl Dependencies {
    /// The live nodes by level: bundles of independent ops, in an order that is a legal schedule.
    pub fn bundles(&self, graph: &Graph) -> Vec<Vec<NodeId>> {
        let mut bundles = Vec::new();
        for (i, node) in graph.nodes.iter().enumerate() {
            if !node.dead {
                let level = self.places[i].level as usize;
                if bundles.len() <= level {
                    bundles.resize(level + 1, Vec::new());
                }
                bundles[level].push(NodeId(i as u32));
            }
        }
        bundles
    }

    /// The nodes of the critical path, first to last; of paths of equal cost, one.
    pub fn critical_nodes(&self) -> Vec<NodeId> {
        let mut ready = vec![0; self.places.len()];
        let mut before: Vec<Option<NodeId>> = vec![None; self.places.len()];
        let end = |ready: &[u64], i: usize| ready[i] + u64::from(self.places[i].cost);
        // Edges are sorted by their later node and never go backwards.
        for Edge { from, to, .. } in &self.edges {
            let start = end(&ready, from.index());
            if start > ready[to.index()] {
                ready[to.index()] = start;
                before[to.index()] = Some(*from);
            }
        }
        let last = (0..ready.len()).max_by_key(|i| end(&ready, *i));
        let last = last.map(|i| NodeId(i as u32));
        let mut path: Vec<_> = std::iter::successors(last, |id| before[id.index()]).collect();
        path.reverse();
        path
    }

    /// The size of the largest bundle.
    pub fn width(&self, graph: &Graph) -> usize {
        self.bundles(graph).iter().map(Vec::len).max().unwrap_or(0)
    }
}

/// What a node costs, in about the number of device instructions (measured for sm_90).
pub fn cost(kind: OpKind) -> u32 {
    use OpKind::*;
    match kind {
        Section | MemExpand | Bb => 4,
        Mul => 44,
        Div | Sdiv | Mod | Smod => 820,
        AddMod => 850,
        MulMod => 1240,
        Exp | ExpK => 3000,
        Keccak | KeccakK => 5000,
        Keccak1 | Keccak2 => 4830,
        Sload | Sstore | Tload | Tstore | Balance | ExtCodeSize | ExtCodeHash => 300,
        Call | CallCode | DelegateCall | StaticCall | Create | Create2 => 2000,
        Log | CallDataCopy | CodeCopy | ReturnDataCopy | ExtCodeCopy | Mcopy => 400,
        Mload | Mstore | MloadK | MstoreK | CallDataLoad | CallDataLoadK => 40,
        _ => 10,
    }
}

/// What a node does to EVM memory.
#[derive(Default)]
struct MemoryUse {
    reads: Vec<(At, Extent)>,
    writes: Vec<(At, Extent)>,
}

fn memory_use(view: View<'_>, node: &Node) -> MemoryUse {
    use OpKind::*;
    let fixed = |n| vec![(At::constant(u64::from(node.imm)), Extent::Bytes(n))];
    let byte = match node.kind {
        MloadK => return MemoryUse { reads: fixed(32), writes: vec![] },
        KeccakK => return MemoryUse { reads: fixed(node.x.into()), writes: vec![] },
        MstoreK => return MemoryUse { reads: vec![], writes: fixed(32) },
        Mstore8K => return MemoryUse { reads: vec![], writes: fixed(1) },
        Mload => op::MLOAD,
        Mstore => op::MSTORE,
        Mstore8 => op::MSTORE8,
        Mcopy => op::MCOPY,
        Keccak => op::KECCAK256,
        Return => op::RETURN,
        Revert => op::REVERT,
        Log => op::LOG0,
        CallDataCopy => op::CALLDATACOPY,
        CodeCopy => op::CODECOPY,
        ReturnDataCopy => op::RETURNDATACOPY,
        ExtCodeCopy => op::EXTCODECOPY,
        Create => op::CREATE,
        Create2 => op::CREATE2,
        Call => op::CALL,
        CallCode => op::CALLCODE,
        DelegateCall => op::DELEGATECALL,
        StaticCall => op::STATICCALL,
        _ => return MemoryUse::default(),
    };
    let region = |range: &MemoryRange| {
        let extent = match range.length {
            Length::Operand(i) => view.extent_of(operand(view, node, i)),
            Length::Bytes(n) => Extent::Bytes(n.into()),
        };
        view.address_of(operand(view, node, range.at)).map(|at| (at, extent))
    };
    let memory = memory_operands(byte);
    let list = |range: &Option<MemoryRange>| range.as_ref().and_then(region).into_iter().collect();
    MemoryUse { reads: list(&memory.reads), writes: list(&memory.writes) }
}

/// Operand `i` of the opcode that a node stands for: its own come first.
fn operand(view: View<'_>, node: &Node, i: u8) -> Val {
    let own = node.args.iter().take_while(|arg| **arg != Val::NONE).count();
    match usize::from(i).checked_sub(own) {
        None => node.args[usize::from(i)],
        Some(i) => view.exts[node.ext as usize][i],
    }
}

/// Which key of storage a node touches.
#[derive(Clone, Copy)]
enum KeyUse {
    None,
    Key(Val),
    All,
}

/// Reads and writes of (storage, transient storage).
fn key_use(node: &Node, transient: bool) -> (KeyUse, KeyUse) {
    use OpKind::*;
    let key = KeyUse::Key(node.args[0]);
    match (node.kind, transient) {
        (Sload, false) | (Tload, true) => (key, KeyUse::None),
        (Sstore, false) | (Tstore, true) => (KeyUse::None, key),
        (Call | CallCode | DelegateCall | Create | Create2, _) => (KeyUse::All, KeyUse::All),
        (StaticCall, _) => (KeyUse::All, KeyUse::None),
        _ => (KeyUse::None, KeyUse::None),
    }
}

fn keys_meet(view: View<'_>, a: KeyUse, b: KeyUse) -> bool {
    match (a, b) {
        (KeyUse::None, _) | (_, KeyUse::None) => false,
        (KeyUse::Key(a), KeyUse::Key(b)) => !view.apart(a, b),
        _ => true,
    }
}

fn regions_meet(a: &[(At, Extent)], b: &[(At, Extent)]) -> bool {
    a.iter().any(|(at, n)| b.iter().any(|(other, m)| at.overlaps(*n, *other, *m)))
}

/// Whether the outside sees the order of such nodes.
fn is_visible(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(kind, Log | Call | CallCode | DelegateCall | StaticCall | Create | Create2)
}

/// Whether a node charges gas that depends on values.
fn charges(kind: OpKind) -> bool {
    has_effect(kind) && !matches!(kind, OpKind::MstoreK | OpKind::Mstore8K | OpKind::Tstore)
}

struct Collector<'a> {
    view: View<'a>,
    edges: Vec<Edge>,
    memory: Vec<(NodeId, MemoryUse)>,
    keys: [Vec<(NodeId, KeyUse, KeyUse)>; 2],
    last_visible: Option<NodeId>,
    observer: Option<NodeId>,
    charged: Vec<NodeId>,
    expand: Option<NodeId>,
}

/// The order of the nodes of `graph`.
pub fn dependencies(graph: &Graph, pool: &ConstPool) -> Dependencies {
    let mut collector = Collector {
        view: View { nodes: &graph.nodes, exts: &graph.exts, pool },
        edges: Vec::new(),
        memory: Vec::new(),
        keys: [Vec::new(), Vec::new()],
        last_visible: None,
        observer: None,
        charged: Vec::new(),
        expand: None,
    };
    for (i, node) in graph.nodes.iter().enumerate() {
        if !node.dead {
            collector.node(NodeId(i as u32), node);
        }
    }
    let end = NodeId(graph.nodes.len() as u32);
    if let Some(node) = &graph.end {
        collector.node(end, node);
    }
    for (i, node) in graph.nodes.iter().enumerate() {
        if !node.dead && has_effect(node.kind) {
            collector.edge(NodeId(i as u32), end, EdgeKind::Control);
        }
    }
    let mut edges = collector.edges;
    edges.sort_unstable_by_key(|edge| (edge.to, edge.from, edge.kind));
    edges.dedup();
    place(graph, edges)
}

impl Collector<'_> {
    fn edge(&mut self, from: NodeId, to: NodeId, kind: EdgeKind) {
        self.edges.push(Edge { from, to, kind });
    }

    fn node(&mut self, id: NodeId, node: &Node) {
        for_each_operand(self.view.exts, node, |v| {
            if let Some(from) = v.as_node().filter(|from| !self.view.node(*from).dead) {
                self.edges.push(Edge { from, to: id, kind: EdgeKind::Data });
            }
        });
        self.memory_edges(id, node);
        for transient in [false, true] {
            self.key_edges(id, node, transient);
        }
        if is_visible(node.kind)
            && let Some(last) = self.last_visible.replace(id)
        {
            self.edge(last, id, EdgeKind::Effect);
        }
        self.gas_edges(id, node);
    }

    fn memory_edges(&mut self, id: NodeId, node: &Node) {
        let now = memory_use(self.view, node);
        if now.reads.is_empty() && now.writes.is_empty() {
            return;
        }
        let chained = self.memory.len() > DEPEND_ACCESSES_MAX;
        let from = if chained { self.memory.len() - 1 } else { 0 };
        for i in from..self.memory.len() {
            let (earlier, before) = &self.memory[i];
            let earlier = *earlier;
            let kinds = [
                (EdgeKind::MemoryRaw, regions_meet(&before.writes, &now.reads)),
                (EdgeKind::MemoryWar, regions_meet(&before.reads, &now.writes)),
                (EdgeKind::MemoryWaw, regions_meet(&before.writes, &now.writes) || chained),
            ];
            for (kind, meets) in kinds {
                if meets {
                    self.edge(earlier, id, kind);
                }
            }
        }
        self.memory.push((id, now));
    }

    fn key_edges(&mut self, id: NodeId, node: &Node, transient: bool) {
        let (reads, writes) = key_use(node, transient);
        if matches!((reads, writes), (KeyUse::None, KeyUse::None)) {
            return;
        }
        let names = match transient {
            false => [EdgeKind::StorageRaw, EdgeKind::StorageWar, EdgeKind::StorageWaw],
            true => [EdgeKind::TransientRaw, EdgeKind::TransientWar, EdgeKind::TransientWaw],
        };
        let list = std::mem::take(&mut self.keys[usize::from(transient)]);
        let chained = list.len() > DEPEND_ACCESSES_MAX;
        let from = if chained { list.len() - 1 } else { 0 };
        for (earlier, before_reads, before_writes) in &list[from..] {
            let meets = [
                keys_meet(self.view, *before_writes, reads),
                keys_meet(self.view, *before_reads, writes),
                keys_meet(self.view, *before_writes, writes) || chained,
            ];
            for (kind, meets) in names.into_iter().zip(meets) {
                if meets {
                    self.edge(*earlier, id, kind);
                }
            }
        }
        self.keys[usize::from(transient)] = list;
        self.keys[usize::from(transient)].push((id, reads, writes));
    }

    fn gas_edges(&mut self, id: NodeId, node: &Node) {
        use OpKind::*;
        if matches!(node.kind, MloadK | MstoreK | Mstore8K | KeccakK | Msize)
            && let Some(expand) = self.expand
        {
            self.edge(expand, id, EdgeKind::Gas);
        }
        if observes_gas(node.kind) || node.kind == Msize {
            for charged in std::mem::take(&mut self.charged) {
                self.edge(charged, id, EdgeKind::Gas);
            }
        }
        if charges(node.kind) || observes_gas(node.kind) {
            if let Some(observer) = self.observer {
                self.edge(observer, id, EdgeKind::Gas);
            }
            self.charged.push(id);
        }
        if observes_gas(node.kind) || node.kind == Msize {
            self.observer = Some(id);
        }
        if node.kind == MemExpand {
            self.expand = Some(id);
        }
    }
}

/// Levels, slacks and the critical path.
fn place(graph: &Graph, edges: Vec<Edge>) -> Dependencies {
    let count = graph.nodes.len() + 1;
    let mut places = vec![Place::default(); count];
    let mut ready = vec![0u64; count];
    let mut total_cost = 0;
    for (i, place) in places.iter_mut().enumerate() {
        let kind = match graph.nodes.get(i) {
            Some(node) if node.dead => continue,
            Some(node) => node.kind,
            None => graph.end.map_or(OpKind::Stop, |end| end.kind),
        };
        place.cost = cost(kind);
        total_cost += u64::from(place.cost);
    }
    // Edges are sorted by their later node and never go backwards.
    for edge in &edges {
        let (from, to) = (edge.from.index(), edge.to.index());
        places[to].level = places[to].level.max(places[from].level + 1);
        ready[to] = ready[to].max(ready[from] + u64::from(places[from].cost));
    }
    let critical_path = (0..count).map(|i| ready[i] + u64::from(places[i].cost)).max();
    let last = places.iter().map(|place| place.level).max().unwrap_or(0);
    let mut latest = vec![last; count];
    for edge in edges.iter().rev() {
        let (from, to) = (edge.from.index(), edge.to.index());
        latest[from] = latest[from].min(latest[to].saturating_sub(1));
    }
    for (place, latest) in places.iter_mut().zip(latest) {
        place.slack = latest.saturating_sub(place.level);
    }
    Dependencies { edges, places, critical_path: critical_path.unwrap_or(0), total_cost }
}
