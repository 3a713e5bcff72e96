//! The forms of a code as text and JSON.

use crate::analysis::{Analysis, EbbAnalysis, Stats};
use crate::cfg::BbEnd;
use crate::flow::Term;
use crate::graph::Node;
use crate::part::Part;
use crate::program::{Op, OpKind, Operand, Program};
use crate::value::{NodeId, Val, ValKind};
use alloy_primitives::U256;
use core::fmt::Write as _;
use serde_json::{Value, json};

/// A constant, short: decimal if small, else hexadecimal.
fn word(value: &U256) -> String {
    if *value < U256::from(10) { format!("{value}") } else { format!("{value:#x}") }
}

impl Analysis {
    /// The bbs and the ebbs over them, as text.
    pub fn cfg_text(&self) -> String {
        self.whole().cfg_text()
    }

    /// The dependency graphs, as text.
    pub fn graph_text(&self) -> String {
        self.whole().graph_text()
    }

    /// The lowered ops, as text.
    pub fn lowered_text(&self) -> String {
        self.whole().lowered_text()
    }

    /// The graph as Graphviz draws it.
    pub fn dot(&self) -> String {
        self.whole().dot()
    }

    /// All forms, for programs to read.
    pub fn json(&self) -> Value {
        self.whole().json()
    }
}

impl Part<'_> {
    fn cfg_text(&self) -> String {
        let mut out = String::new();
        let (cfg, flow) = (&self.analysis.cfg, &self.analysis.flow);
        for (i, bb) in self.bbs.iter().map(|id| (id.0, cfg.bb(*id))) {
            let exit = match bb.exit {
                BbEnd::Halt => "halt",
                BbEnd::Fall => "fall",
                BbEnd::Jump => "jump",
                BbEnd::JumpI => "jumpi",
            };
            let mark = if bb.jumpdest { " jumpdest" } else { "" };
            let _ = writeln!(out, "bb{i} [{:#x}, {:#x}) {exit}{mark}", bb.start, bb.end);
        }
        let mut ids: Vec<_> = self.ebbs.iter().map(|ebb| ebb.id).collect();
        ids.sort();
        for id in ids {
            let bbs: Vec<_> = flow.bbs(id).iter().map(|bb| format!("bb{}", bb.0)).collect();
            let _ = write!(out, "ebb{}: {}", id.0, bbs.join(" "));
            for (depth, pc) in flow.context(id) {
                let _ = write!(out, " [{depth}]={pc:#x}");
            }
            if let Some(pointer) = flow.pointer(id) {
                let _ = write!(out, " mem[0x40]={pointer:#x}");
            }
            if flow.ebb(id).computed_entry {
                out.push_str(" computed-entry");
            }
            let _ = writeln!(out, " -> {}", term_text(flow.ebb(id).term));
        }
        out
    }

    fn graph_text(&self) -> String {
        self.ebbs.iter().map(|ebb| self.ebb_text(ebb)).collect()
    }

    fn ebb_text(&self, ebb: &EbbAnalysis) -> String {
        let (graph, order) = (&ebb.graph, &ebb.dependencies);
        let mut out = format!(
            "ebb{}: gas {} height {} growth {} insts {} path {} of {}\n",
            ebb.id.0,
            graph.gas,
            graph.height,
            graph.growth,
            graph.insts,
            order.critical_path,
            order.total_cost
        );
        let mut edges = order.edges.iter().peekable();
        let nodes = graph.nodes.iter().chain(&graph.end).enumerate();
        for (i, node) in nodes {
            let mut after = String::new();
            while let Some(edge) = edges.next_if(|edge| edge.to.index() == i) {
                if edge.kind != crate::depend::EdgeKind::Data {
                    let _ = write!(after, " {}:v{}", edge.kind.name(), edge.from.0);
                }
            }
            if node.dead {
                continue;
            }
            let place = order.places[i];
            let _ = writeln!(
                out,
                "  {}  ; pc {:#x} level {} slack {}{after}",
                self.node_text(ebb, NodeId(i as u32), node),
                node.pc,
                place.level,
                place.slack,
            );
        }
        let exit: Vec<_> = graph.exit.iter().rev().map(|v| self.val_text(*v)).collect();
        let _ = writeln!(out, "  exit [{}]", exit.join(", "));
        out
    }

    fn val_text(&self, v: Val) -> String {
        match v.kind() {
            ValKind::Node(id) => format!("v{}", id.0),
            ValKind::Entry(depth) => format!("e{depth}"),
            ValKind::Const(id) => word(self.analysis.constants.get(id)),
        }
    }

    pub(crate) fn node_text(&self, ebb: &EbbAnalysis, id: NodeId, node: &Node) -> String {
        let mut out = String::new();
        if node.kind.shape().contains('d') {
            let _ = write!(out, "v{} = ", id.0);
        }
        out.push_str(node.kind.name());
        let mut operands = Vec::new();
        ebb.graph.for_each_operand(node, |v| operands.push(self.val_text(v)));
        if !operands.is_empty() {
            let _ = write!(out, " {}", operands.join(", "));
        }
        if node.kind.shape().contains('i') {
            let _ = write!(out, " #{:#x}", node.imm);
        }
        if node.kind.shape().contains('x') && !node.kind.shape().contains('T') {
            let _ = write!(out, " x{}", node.x);
        }
        out
    }

    /// The lowered ops: those before the ebbs and the jump table belong to the whole code.
    fn lowered_text(&self) -> String {
        let program = &self.analysis.program;
        if self.is_whole() {
            return lowered_text(program);
        }
        let ops = self.ebbs.iter().flat_map(|ebb| ebb.ops.clone());
        ops.map(|at| lowered_line(program, at as usize)).collect()
    }

    /// All forms, as text.
    pub fn text(&self) -> String {
        let calls = self.calls();
        let mut parts = vec![
            ("cfg", self.cfg_text()),
            ("graph", self.graph_text()),
            ("lowered", self.lowered_text()),
        ];
        if !calls.is_empty() {
            parts.push(("access", self.analysis.access_text_of(&calls)));
            parts.push(("effects", self.analysis.effect_text_of(&calls)));
        }
        parts.iter().map(|(name, text)| format!("== {name}\n{text}")).collect()
    }

    /// All forms, for programs to read.
    pub fn json(&self) -> Value {
        let ebbs: Vec<_> = self.ebbs.iter().map(|ebb| self.ebb_json(ebb)).collect();
        let bbs = self.bbs.iter().map(|bb| self.analysis.cfg.bb(*bb));
        let stats = if self.is_whole() { self.analysis.stats() } else { self.stats() };
        json!({
            "spec": self.analysis.spec.name(),
            "stats": stats,
            "bbs": bbs.map(|bb| json!({
                "start": bb.start, "end": bb.end, "jumpdest": bb.jumpdest,
            })).collect::<Vec<_>>(),
            "ebbs": ebbs,
            "ops": self.lowered_text().lines().collect::<Vec<_>>(),
        })
    }

    fn ebb_json(&self, ebb: &EbbAnalysis) -> Value {
        let nodes = ebb.graph.nodes.iter().chain(&ebb.graph.end).enumerate();
        let nodes: Vec<_> = nodes
            .filter(|(_, node)| !node.dead)
            .map(|(i, node)| {
                let place = ebb.dependencies.places[i];
                json!({
                    "id": i,
                    "op": node.kind.name(),
                    "text": self.node_text(ebb, NodeId(i as u32), node),
                    "pc": node.pc,
                    "level": place.level,
                    "slack": place.slack,
                    "cost": place.cost,
                })
            })
            .collect();
        let edges: Vec<_> = ebb
            .dependencies
            .edges
            .iter()
            .map(|edge| json!([edge.from.0, edge.to.0, edge.kind]))
            .collect();
        json!({
            "id": ebb.id.0,
            "bbs": self.analysis.flow.bbs(ebb.id).iter().map(|bb| bb.0).collect::<Vec<_>>(),
            "gas": ebb.graph.gas,
            "insts": ebb.graph.insts,
            "ops": [ebb.ops.start, ebb.ops.end],
            "next": term_text(self.analysis.flow.ebb(ebb.id).term),
            "critical_path": ebb.dependencies.critical_path,
            "total_cost": ebb.dependencies.total_cost,
            "width": ebb.dependencies.width(&ebb.graph),
            "nodes": nodes,
            "edges": edges,
        })
    }
}

impl core::fmt::Display for Stats {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "code bytes       {}", self.code_bytes)?;
        writeln!(f, "opcodes          {} in {} bbs", self.opcodes, self.bbs)?;
        writeln!(f, "extended         {} in {} ebbs", self.ebb_opcodes, self.ebbs)?;
        writeln!(f, "lowered ops      {}", self.lowered_ops)?;
        writeln!(f, "constants        {}", self.constants)?;
        let jumps = self.jumps;
        writeln!(f, "jumps            {} resolved, {} computed", jumps.resolved, jumps.computed)?;
        let (symbolic, unknown) = (self.symbolic_keys, self.unknown_keys);
        writeln!(f, "storage keys     {symbolic} symbolic, {unknown} unknown")?;
        writeln!(f, "width            {:.2} mean, {} max", self.width_mean, self.width_max)?;
        writeln!(f, "critical path    {} of {}", self.critical_path, self.total_cost)?;
        for (kind, count) in &self.edges {
            writeln!(f, "edges {kind:<14} {count}")?;
        }
        Ok(())
    }
}

fn term_text(term: Term) -> String {
    match term {
        Term::Halt => "halt".to_owned(),
        Term::BadJump => "bad jump".to_owned(),
        Term::Goto(to) => format!("ebb{}", to.0),
        Term::Branch { taken: Some(taken), fall } => format!("ebb{} or ebb{}", taken.0, fall.0),
        Term::Branch { taken: None, fall } => format!("bad jump or ebb{}", fall.0),
        Term::Computed => "computed".to_owned(),
        Term::ComputedBranch { fall } => format!("computed or ebb{}", fall.0),
    }
}

/// The ops of a program, as text.
pub(crate) fn lowered_text(program: &Program) -> String {
    let mut out = String::new();
    for at in 0..program.ops.len() {
        out += &lowered_line(program, at);
    }
    for (pc, to) in program.jump_targets() {
        let _ = writeln!(out, " jump table {pc:#x} -> {to}");
    }
    out
}

fn lowered_line(program: &Program, at: usize) -> String {
    let mark = if at == program.entry as usize { '>' } else { ' ' };
    format!("{mark}{at:4} {}\n", op_text(program, &program.ops[at]))
}

fn op_text(program: &Program, op: &Op) -> String {
    let operand = |operand: Operand| match (operand.as_slot(), operand.as_constant()) {
        (Some(slot), _) => format!("s{slot}"),
        (_, Some(number)) => program.consts.get(number as usize).map_or("k?".to_owned(), word),
        _ => unreachable!("an operand is a slot or a constant"),
    };
    let Some(kind) = OpKind::from_code(op.code) else { return format!("unknown {}", op.code) };
    match kind {
        OpKind::Bb => {
            return format!(
                "Bb gas {} height {} growth {} slots {}",
                op.imm, op.a.0, op.b.0, op.c.0
            );
        }
        OpKind::Ext => {
            let all = [op.dst, op.a, op.b, op.c];
            let used: Vec<_> = all.into_iter().filter(|o| o.0 != 0).map(operand).collect();
            return format!("Ext {}", used.join(", ")).trim_end().to_owned();
        }
        _ => {}
    }
    let shape = kind.shape();
    let head = shape.split('E').next().unwrap_or("");
    let mut out = String::new();
    if head.contains('d') {
        let _ = write!(out, "{} = ", operand(op.dst));
    }
    out.push_str(kind.name());
    let fields = [('a', op.a), ('b', op.b), ('c', op.c)];
    let used = fields.into_iter().filter(|(letter, _)| head.contains(*letter));
    let used: Vec<_> = used.map(|(_, field)| operand(field)).collect();
    if !used.is_empty() {
        let _ = write!(out, " {}", used.join(", "));
    }
    if kind == OpKind::LoadK {
        let _ = write!(out, " {}", word(&program.consts[op.imm as usize]));
    } else if shape.contains('i') {
        let _ = write!(out, " #{:#x}", op.imm);
    }
    if shape.contains('J') {
        let _ = write!(out, " -> {}", op.imm);
    }
    if shape.contains('x') {
        let _ = write!(out, " x{}", op.x);
    }
    out
}
