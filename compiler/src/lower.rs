//! Lowers graphs to the ops of a [`Program`]: layout, slots, exit moves, jumps.
//!
//! # Terms
//! The *home* of a value is an exit slot that is to hold it. *Temporaries* are slots above all
//! exit slots, used again after the last read of their value.
//!
//! # Soundness
//! A result is written to its home at once only if the entry value in that slot has no later
//! read, by nodes, terminator or exit moves; else it waits in a temporary for the exit moves. An op
//! reads its operands before it writes its result, so it may write a slot that it reads last;
//! calls and creations, which return to their frame later, never do.

use crate::build::{Builder, negated};
use crate::cfg::BbId;
use crate::dce::remove_dead;
use crate::flow::{Abs, EbbId, Flow, Term};
use crate::graph::{Graph, Node, observes_gas};
use crate::limits::{BB_SLOTS_MAX, STACK_HEIGHT_MAX};
use crate::liveness::{Depths, contains};
use crate::moves::{Moves, Source};
use crate::program::{OP_BAD_JUMP, Op, OpKind, Operand, Program};
use crate::value::{ConstId, NodeId, Val, ValKind};

const NO_SLOT: i32 = i32::MAX;
const NOT_PLACED: u32 = u32::MAX;

/// A program that grows ebb by ebb.
pub(crate) struct Lowering {
    program: Program,
    /// Per constant of the pool: its number in the program plus one, or 0.
    const_numbers: Vec<u32>,
    /// Ops whose `imm` is to become the index of an ebb's `Bb`.
    fixups: Vec<(u32, EbbId)>,
    /// Per ebb: the index of its `Bb`.
    starts: Vec<u32>,
    slots: Slots,
    moves: Moves,
    exits: Vec<(i32, Val)>,
}

/// The slots of one ebb.
#[derive(Default)]
struct Slots {
    /// Per node: where its result is.
    of: Vec<i32>,
    /// Per node: the exit slot that wants it, or `NO_SLOT`.
    home: Vec<i32>,
    /// Per node: the last place that reads it.
    last: Vec<u32>,
    /// Per entry depth: the last place that reads it plus one, or 0.
    entry_last: Vec<u32>,
    free: Vec<i32>,
    first_temporary: i32,
    top: i32,
}

impl Slots {
    fn allocate(&mut self) -> i32 {
        self.free.pop().unwrap_or_else(|| {
            self.top += 1;
            self.top - 1
        })
    }

    fn release(&mut self, slot: i32) {
        if slot >= self.first_temporary && slot != NO_SLOT {
            self.free.push(slot);
        }
    }
}

impl Lowering {
    pub fn new(ebbs: usize) -> Lowering {
        let ends = [OpKind::BadJump, OpKind::Stop].map(op);
        Lowering {
            program: Program { ops: ends.to_vec(), ..Program::default() },
            const_numbers: Vec::new(),
            fixups: Vec::new(),
            starts: vec![NOT_PLACED; ebbs],
            slots: Slots::default(),
            moves: Moves::default(),
            exits: Vec::new(),
        }
    }

    /// How many ops there are so far.
    pub fn ops(&self) -> u32 {
        self.program.ops.len() as u32
    }

    /// Lowers the graph that `builder` holds. `next` is the ebb that will be placed after it.
    /// Returns false, having emitted nothing, if it takes more slots than it may.
    pub fn ebb(&mut self, builder: &mut Builder<'_>, id: EbbId, next: Option<EbbId>) -> bool {
        let flow = builder.input.flow;
        let live_out = builder.input.live_out[id.index()].depths;
        let first_op = self.program.ops.len();
        let graph = &mut builder.graph;
        if graph.pops > STACK_HEIGHT_MAX || graph.growth > STACK_HEIGHT_MAX {
            self.starts[id.index()] = first_op as u32;
            self.bb(graph, 0);
            self.program.ops.push(op(OpKind::Invalid));
            return true;
        }
        self.collect_exits(graph, flow, id, live_out);
        if builder.options.dce {
            remove_dead(graph, self.exits.iter().map(|exit| exit.1));
        }
        self.find_last_uses(graph);
        self.const_numbers.resize(builder.pool.len().max(self.const_numbers.len()), 0);
        let fixups = self.fixups.len();
        self.bb(graph, 0);
        for i in 0..builder.graph.nodes.len() {
            if !builder.graph.nodes[i].dead {
                self.node(builder, NodeId(i as u32));
            }
        }
        self.leave(builder, flow.ebb(id).term, next);
        let used = self.slots.top.max(0) as u32;
        if used > BB_SLOTS_MAX && !builder.frugal {
            self.program.ops.truncate(first_op);
            self.fixups.truncate(fixups);
            return false;
        }
        self.program.ops[first_op].c = Operand(used as u16);
        self.starts[id.index()] = first_op as u32;
        true
    }

    fn bb(&mut self, graph: &Graph, slots: u16) {
        let raw = |n: u32| Operand(n.min(u32::from(u16::MAX)) as u16);
        self.program.ops.push(Op {
            a: raw(graph.pops),
            b: raw(graph.growth),
            c: Operand(slots),
            imm: graph.gas as u32,
            ..op(OpKind::Bb)
        });
    }

    /// Lists the exit slots that must be written, with their values.
    fn collect_exits(&mut self, graph: &Graph, flow: &Flow, id: EbbId, live_out: Depths) {
        self.exits.clear();
        if live_out == 0 {
            return;
        }
        let abstract_exit = flow.exit(id);
        let context = flow.context(id);
        let height = graph.exit.len() as u32;
        for (i, value) in graph.exit.iter().enumerate() {
            let i = i as u32;
            if !contains(live_out, height - 1 - i) {
                continue;
            }
            if let Some(depth) = graph.pops.checked_sub(1 + i) {
                // Left where it was: `liveness` made sure that it is there.
                let stays = match abstract_exit[i as usize] {
                    Abs::Entry(from) => from == depth,
                    Abs::Const(k) => context.contains(&(depth, k)),
                    Abs::Literal(_) | Abs::Unknown => false,
                };
                if stays || *value == Val::entry(depth) {
                    continue;
                }
            }
            self.exits.push((i as i32 - graph.pops as i32, *value));
        }
    }

    /// Fills the tables of last uses and homes, and resets the slots.
    fn find_last_uses(&mut self, graph: &Graph) {
        let nodes = graph.nodes.len();
        let at_end = nodes as u32;
        let slots = &mut self.slots;
        for (table, value) in [(&mut slots.of, NO_SLOT), (&mut slots.home, NO_SLOT)] {
            table.clear();
            table.resize(nodes, value);
        }
        slots.last.clear();
        slots.last.resize(nodes, 0);
        slots.entry_last.clear();
        slots.entry_last.resize(graph.pops as usize, 0);
        slots.free.clear();
        slots.first_temporary = graph.delta().max(0);
        slots.top = slots.first_temporary;
        let (last, entry_last) = (&mut slots.last, &mut slots.entry_last);
        let mut note = |v: Val, place: u32| match v.kind() {
            ValKind::Node(id) => last[id.index()] = place,
            ValKind::Entry(depth) => entry_last[depth as usize] = place + 1,
            ValKind::Const(_) => {}
        };
        for (i, node) in graph.nodes.iter().enumerate() {
            if !node.dead {
                graph.for_each_operand(node, |v| note(v, i as u32));
            }
        }
        if let Some(end) = &graph.end {
            graph.for_each_operand(end, |v| note(v, at_end));
        }
        for (slot, value) in &self.exits {
            note(*value, at_end + 1);
            if let Some(id) = value.as_node()
                && slots.home[id.index()] == NO_SLOT
            {
                slots.home[id.index()] = *slot;
            }
        }
    }

    /// The slot for the result of node `i`.
    fn place_result(&mut self, i: usize, may_alias: bool) -> i32 {
        let home = self.slots.home[i];
        if home != NO_SLOT {
            let free = match usize::try_from(-1 - home) {
                Ok(depth) => self.slots.entry_last[depth] <= i as u32 + u32::from(may_alias),
                Err(_) => true,
            };
            if free {
                return home;
            }
        }
        self.slots.allocate()
    }

    fn node(&mut self, builder: &Builder<'_>, id: NodeId) {
        let graph = &builder.graph;
        let node = *graph.node(id);
        let i = id.index();
        let shape = node.kind.shape();
        let mut spare = [NO_SLOT; 7];
        let mut spares = 0;
        let mut operand = |this: &mut Self, v: Val| this.operand(v, &mut spare, &mut spares);
        let mut out = op(node.kind);
        let fields = [&mut out.a, &mut out.b, &mut out.c];
        for (field, arg) in fields.into_iter().zip(node.args) {
            if arg != Val::NONE {
                *field = operand(self, arg);
            }
        }
        let ext = (node.ext != Node::NO_EXT).then(|| {
            let values = graph.exts[node.ext as usize];
            let mut ext = op(OpKind::Ext);
            let fields = [&mut ext.dst, &mut ext.a, &mut ext.b, &mut ext.c];
            for (field, value) in fields.into_iter().zip(values) {
                if value != Val::NONE {
                    *field = operand(self, value);
                }
            }
            ext
        });
        if shape.contains('i') {
            out.imm = node.imm;
        }
        if shape.contains('x') {
            out.x = node.x as i16;
        }
        // Calls and creations write their result after others ran: it must not share a slot.
        let may_alias = !observes_gas(node.kind);
        let mut result = NO_SLOT;
        if shape.contains('d') && !may_alias {
            result = self.place_result(i, false);
        }
        graph.for_each_operand(&node, |v| {
            if let Some(v) = v.as_node()
                && self.slots.last[v.index()] == i as u32
            {
                let slot = std::mem::replace(&mut self.slots.of[v.index()], NO_SLOT);
                self.slots.release(slot);
            }
        });
        spare[..spares].iter().for_each(|slot| self.slots.release(*slot));
        if shape.contains('d') {
            if may_alias {
                result = self.place_result(i, true);
            }
            out.dst = Operand::slot(result);
            self.slots.of[i] = result;
            if self.slots.last[i] <= i as u32 {
                self.slots.of[i] = NO_SLOT;
                self.slots.release(result);
            }
        }
        self.program.ops.push(out);
        self.program.ops.extend(ext);
        if node.kind == OpKind::Log && ext.is_none() {
            self.program.ops.push(op(OpKind::Ext));
        }
    }

    /// The operand for a value; a constant beyond the range of operands goes through a slot.
    fn operand(&mut self, v: Val, spare: &mut [i32; 7], spares: &mut usize) -> Operand {
        match v.kind() {
            ValKind::Entry(depth) => Operand::slot(-1 - depth as i32),
            ValKind::Node(id) => Operand::slot(self.slots.of[id.index()]),
            ValKind::Const(id) => {
                let number = self.const_number(id);
                if (number as usize) < Operand::CONSTS_MAX {
                    return Operand::constant(number);
                }
                let slot = self.slots.allocate();
                spare[*spares] = slot;
                *spares += 1;
                self.load_const(slot, number);
                Operand::slot(slot)
            }
        }
    }

    fn load_const(&mut self, slot: i32, number: u32) {
        let dst = Operand::slot(slot);
        self.program.ops.push(Op { dst, imm: number, ..op(OpKind::LoadK) });
    }

    /// The number in the program of a constant of the pool. Its value is filled in at the end.
    fn const_number(&mut self, id: ConstId) -> u32 {
        let number = &mut self.const_numbers[id.0 as usize];
        if *number == 0 {
            self.program.consts.push(alloy_primitives::U256::from(id.0));
            *number = self.program.consts.len() as u32;
        }
        *number - 1
    }

    /// Exit moves and the terminator.
    fn leave(&mut self, builder: &Builder<'_>, term: Term, next: Option<EbbId>) {
        let graph = &builder.graph;
        let end = graph.end.expect("the builder ended the graph");
        self.moves.clear();
        for i in 0..self.exits.len() {
            let (slot, value) = self.exits[i];
            let source = match value.kind() {
                ValKind::Entry(depth) => Source::Slot(-1 - depth as i32),
                ValKind::Node(id) => Source::Slot(self.slots.of[id.index()]),
                ValKind::Const(id) => Source::Const(id.0),
            };
            self.moves.add(slot, source);
        }
        let mut out = op(end.kind);
        let (mut spare, mut spares) = ([NO_SLOT; 7], 0);
        for (field, arg) in [&mut out.a, &mut out.b, &mut out.c].into_iter().zip(end.args) {
            if arg == Val::NONE {
                continue;
            }
            *field = self.operand(arg, &mut spare, &mut spares);
            if let ValKind::Entry(depth) = arg.kind()
                && self.moves.writes(-1 - depth as i32)
            {
                let slot = self.slots.allocate();
                self.moves.add(slot, Source::Slot(-1 - depth as i32));
                *field = Operand::slot(slot);
            }
        }
        if !self.moves.is_empty() {
            self.emit_moves();
        }
        if end.kind.shape().contains('x') {
            out.x = graph.delta() as i16;
        }
        self.terminator(out, end.kind, term, next);
    }

    fn emit_moves(&mut self) {
        let spare = self.slots.top;
        let mut moves = std::mem::take(&mut self.moves);
        let used = moves.schedule(spare, |to, from| {
            let dst = Operand::slot(to);
            match from {
                Source::Slot(from) => {
                    let a = Operand::slot(from);
                    self.program.ops.push(Op { dst, a, ..op(OpKind::Mov) });
                }
                Source::Const(id) => {
                    let number = self.const_number(ConstId(id));
                    if (number as usize) < Operand::CONSTS_MAX {
                        let a = Operand::constant(number);
                        self.program.ops.push(Op { dst, a, ..op(OpKind::Mov) });
                    } else {
                        self.load_const(to, number);
                    }
                }
            }
        });
        self.moves = moves;
        self.slots.top += i32::from(used);
    }

    fn jump_to(&mut self, out: Op, to: Option<EbbId>) {
        if let Some(to) = to {
            self.fixups.push((self.program.ops.len() as u32, to));
        }
        self.program.ops.push(Op { imm: OP_BAD_JUMP, ..out });
    }

    fn terminator(&mut self, out: Op, kind: OpKind, term: Term, next: Option<EbbId>) {
        match term {
            Term::Halt | Term::BadJump | Term::Computed => self.program.ops.push(out),
            Term::Goto(to) if next == Some(to) => {
                self.program.ops.push(Op { code: OpKind::Fall as u16, ..out });
            }
            Term::Goto(to) => self.jump_to(out, Some(to)),
            Term::Branch { taken, fall }
                if next != Some(fall) && next.is_some() && taken == next =>
            {
                self.jump_to(Op { code: negated(kind) as u16, ..out }, Some(fall));
            }
            Term::Branch { taken, fall } => {
                self.jump_to(out, taken);
                self.fall_to(fall, next);
            }
            Term::ComputedBranch { fall } => {
                self.program.ops.push(out);
                self.fall_to(fall, next);
            }
        }
    }

    /// After a conditional jump: where `fall` does not follow, a bb that only goes there.
    fn fall_to(&mut self, fall: EbbId, next: Option<EbbId>) {
        if next != Some(fall) {
            self.program.ops.push(op(OpKind::Bb));
            self.jump_to(op(OpKind::GoTo), Some(fall));
        }
    }

    /// Settles jumps, constants and the jump table.
    pub fn finish(mut self, builder: &Builder<'_>) -> Program {
        let input = builder.input;
        for (at, to) in &self.fixups {
            self.program.ops[*at as usize].imm = self.starts[to.index()];
        }
        for value in &mut self.program.consts {
            *value = *builder.pool.get(ConstId(value.to()));
        }
        self.program.jump_table = vec![OP_BAD_JUMP; input.code.len()];
        for (i, bb) in input.cfg.bbs.iter().enumerate() {
            if bb.jumpdest
                && let Some(id) = input.flow.general(BbId(i as u32))
                && input.flow.ebb(id).computed_entry
            {
                self.program.jump_table[bb.start as usize] = self.starts[id.index()];
            }
        }
        self.program.entry = self.starts[0];
        self.program
    }
}

/// An op of this kind with nothing else set.
fn op(kind: OpKind) -> Op {
    let none = Operand(0);
    Op { code: kind as u16, dst: none, a: none, b: none, c: none, x: 0, imm: 0 }
}

/// The order in which ebbs are placed: each is followed by one that it falls or jumps to, where
/// that is still to be placed.
pub(crate) fn layout(flow: &Flow) -> Vec<EbbId> {
    let mut placed = vec![false; flow.ebbs.len()];
    let mut order = Vec::with_capacity(flow.ebbs.len());
    for first in flow.ids() {
        let mut at = Some(first).filter(|id| !placed[id.index()]);
        while let Some(id) = at {
            placed[id.index()] = true;
            order.push(id);
            at = flow.ebb(id).term.successors().rev().find(|next| !placed[next.index()]);
        }
    }
    order
}
