//! Lowers regions to the ops of a [`Program`]: layout, slots, exit moves, jumps.
//!
//! # Terms
//! All slots here are relative to the `sp` at the entry of the region's root; ops get them relative
//! to their own bb's. *Low* slots are those of EVM stack positions, *temporaries* stand above all
//! of them. A low slot *holds* a value if that is its content; a value *resides* in the slot that
//! its readers use. The *home* of a value is a low slot that must hold it at an exit of the region.
//!
//! # Soundness
//! A result is written to its home at once only if nothing reads the value that resides there any
//! more: no node, terminator, exit move or part below. Otherwise it waits in a temporary for the
//! exit moves; they save a value that is still needed from a slot that they overwrite. An op reads
//! its operands before it writes its result, so it may write a slot that it reads last; calls and
//! creations, which return to their frame later, never do. A part below begins with the slots as
//! the part above left them: it has no other predecessor.

use crate::build::{Builder, negated};
use crate::cfg::BbId;
use crate::flow::{EbbId, Flow, Term};
use crate::graph::{Node, Part, Region, for_each_operand, observes_gas};
use crate::limits::{BB_SLOTS_MAX, STACK_HEIGHT_MAX};
use crate::liveness::contains;
use crate::moves::{Moves, Source};
use crate::program::{OP_BAD_JUMP, Op, OpKind, Operand, Program, jump_table};
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
    /// The deepest slot that the ebb reads or writes, relative to the root.
    deepest: i32,
}

/// A region and what its parts left in their slots.
#[derive(Default)]
pub(crate) struct Lowered {
    pub region: Region,
    /// Parts that are still to be lowered.
    pub left: usize,
    /// Per part: the values that parts below it read.
    needed: Vec<Vec<Val>>,
    /// Per part: its slots at its exit, if a part below needs them.
    ends: Vec<Option<Ending>>,
    /// The first temporary.
    first_temporary: i32,
    /// Low slots begin so far below `sp`.
    depth: i32,
}

/// The slots at the exit of a part.
struct Ending {
    residences: Vec<(Val, i32)>,
    holds: Vec<Val>,
}

impl Lowered {
    pub fn new(region: Region) -> Lowered {
        let parts = region.parts.len();
        let mut lowered = Lowered {
            left: parts,
            needed: vec![Vec::new(); parts],
            ends: (0..parts).map(|_| None).collect(),
            first_temporary: region.parts.iter().map(Part::exit_base).max().unwrap_or(0).max(0),
            depth: region.entry.len() as i32,
            region,
        };
        if parts > 1 {
            lowered.find_needed();
        }
        lowered
    }

    /// A number for every value that is not a constant.
    fn index(&self, v: Val) -> Option<usize> {
        match v.kind() {
            ValKind::Node(id) => Some(id.index()),
            ValKind::Entry(depth) => Some(self.region.nodes.len() + depth as usize),
            ValKind::Const(_) => None,
        }
    }

    /// Which values of a part and of those above it do the parts below it read?
    fn find_needed(&mut self) {
        let mut stamps = vec![0; self.region.nodes.len() + self.region.entry.len()];
        for p in (1..self.region.parts.len()).rev() {
            let part = &self.region.parts[p];
            let parent = part.parent.expect("only the first part is a root") as usize;
            let mut needed = std::mem::take(&mut self.needed[parent]);
            // What siblings of this part need is in the list already.
            let stamp = p as u32;
            for v in &needed {
                stamps[self.index(*v).expect("no constants are listed")] = stamp;
            }
            let start = part.start;
            let mut note = |v: Val| {
                let Some(at) = self.index(v) else { return };
                let above = v.as_node().is_none_or(|id| id.0 < start);
                if above && stamps[at] != stamp {
                    stamps[at] = stamp;
                    needed.push(v);
                }
            };
            self.needed[p].iter().for_each(|v| note(*v));
            for node in &self.region.nodes[start as usize..part.end as usize] {
                if !node.dead {
                    for_each_operand(&self.region.exts, node, &mut note);
                }
            }
            if let Some(end) = &part.terminator {
                for_each_operand(&self.region.exts, end, &mut note);
            }
            part.exits().for_each(|(_, v)| note(v));
            self.needed[parent] = needed;
        }
    }
}

/// The slots of one part.
#[derive(Default)]
struct Slots {
    /// Per value (nodes, then entry depths): where it resides.
    of: Vec<i32>,
    /// Per value: the last place that reads it, see `place`; 0 if none does.
    last: Vec<u32>,
    /// Per node: the low slot that wants it, or `NO_SLOT`.
    home: Vec<i32>,
    /// Per low slot, lowest first: its content, if known.
    holds: Vec<Val>,
    /// Per low slot: the value that resides there.
    resident: Vec<Val>,
    nodes: usize,
    depth: i32,
    /// The part's `sp` over the root's.
    base: i32,
    free: Vec<i32>,
    first_temporary: i32,
    top: i32,
}

/// The place of node `i` in the order of reads. After the nodes of a part come its terminator, its
/// exit moves and the parts below it.
fn place(i: usize) -> u32 {
    i as u32 + 1
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

    fn index(&self, v: Val) -> Option<usize> {
        match v.kind() {
            ValKind::Node(id) => Some(id.index()),
            ValKind::Entry(depth) => Some(self.nodes + depth as usize),
            ValKind::Const(_) => None,
        }
    }

    /// The place in `holds` and `resident` of a low slot.
    fn low(&self, slot: i32) -> Option<usize> {
        (slot < self.first_temporary).then_some((slot + self.depth) as usize)
    }

    fn note(&mut self, v: Val, place: u32) {
        if let Some(at) = self.index(v) {
            self.last[at] = place;
        }
    }

    /// Readies the tables for a part of `lowered`.
    fn start(&mut self, lowered: &Lowered, p: usize, live_in: u64) {
        let region = &lowered.region;
        self.nodes = region.nodes.len();
        self.depth = lowered.depth;
        self.first_temporary = lowered.first_temporary;
        self.base = region.parts[p].base;
        self.top = self.first_temporary;
        let values = self.nodes + region.entry.len();
        let low = (self.depth + self.first_temporary) as usize;
        self.of.clear();
        self.of.resize(values, NO_SLOT);
        self.home.clear();
        self.home.resize(self.nodes, NO_SLOT);
        self.last.clear();
        self.last.resize(values, 0);
        self.free.clear();
        self.resident.clear();
        self.resident.resize(low, Val::NONE);
        self.holds.clear();
        if p == 0 {
            self.holds.resize(low, Val::NONE);
            for (depth, value) in region.entry.iter().enumerate() {
                let slot = -1 - depth as i32;
                let at = (slot + self.depth) as usize;
                let entry = Val::entry(depth as u32);
                if *value == entry {
                    self.of[self.nodes + depth] = slot;
                    self.resident[at] = entry;
                }
                // A constant stands there only if the predecessors had reason to write it.
                if *value == entry || contains(live_in, depth as u32) {
                    self.holds[at] = *value;
                }
            }
        }
    }

    /// Takes over the slots of the part above; after the last reads are known.
    fn resume(&mut self, ending: &Ending) {
        self.holds.extend_from_slice(&ending.holds);
        let mut used = Vec::new();
        for (value, slot) in &ending.residences {
            let at = self.index(*value).expect("constants reside nowhere");
            if self.last[at] == 0 {
                continue;
            }
            self.of[at] = *slot;
            match self.low(*slot) {
                Some(low) => self.resident[low] = *value,
                None => used.push(*slot),
            }
        }
        used.sort_unstable();
        for slot in used {
            self.free.extend((self.top..slot).rev());
            self.top = slot + 1;
        }
    }
}

impl Lowering {
    pub fn new(ebbs: usize) -> Lowering {
        let ends = [OpKind::BadJump, OpKind::Stop, OpKind::Invalid].map(op);
        Lowering {
            program: Program { ops: ends.to_vec(), ..Program::default() },
            const_numbers: Vec::new(),
            fixups: Vec::new(),
            starts: vec![NOT_PLACED; ebbs],
            slots: Slots::default(),
            moves: Moves::default(),
            exits: Vec::new(),
            deepest: 0,
        }
    }

    /// How many ops there are so far.
    pub fn ops(&self) -> u32 {
        self.program.ops.len() as u32
    }

    /// Lowers part `p` of a region, after the part above it. `next` is the ebb that will be placed
    /// after it. Returns false, having emitted nothing, if it takes more slots than it may.
    pub fn part(
        &mut self,
        builder: &Builder<'_>,
        lowered: &mut Lowered,
        p: usize,
        next: Option<EbbId>,
    ) -> bool {
        let input = builder.input;
        let part = &lowered.region.parts[p];
        let id = part.id;
        let first_op = self.program.ops.len();
        self.starts[id.index()] = first_op as u32;
        self.program.ops.push(Op { imm: part.gas as u32, ..op(OpKind::Bb) });
        let above = part.parent.map(|parent| &lowered.ends[parent as usize]);
        if part.pops > STACK_HEIGHT_MAX
            || part.growth() > STACK_HEIGHT_MAX
            || above.is_some_and(|ending| ending.is_none())
        {
            // Always a stack error, here or in a part above.
            self.finish_bb(first_op, part.height(), part.growth(), 0);
            self.program.ops.push(op(OpKind::Invalid));
            return true;
        }
        self.const_numbers.resize(builder.pool.len().max(self.const_numbers.len()), 0);
        self.exits.clear();
        self.exits.extend(part.exits());
        self.deepest = part.base;
        let root = lowered.region.parts[0].id;
        self.slots.start(lowered, p, input.live_in[root.index()].depths);
        self.find_last_reads(lowered, p);
        if let Some(Some(ending)) = above {
            self.slots.resume(ending);
        }
        self.find_homes(part);
        let fixups = self.fixups.len();
        for i in part.start as usize..part.end as usize {
            if !lowered.region.nodes[i].dead {
                self.node(&lowered.region, NodeId(i as u32));
            }
        }
        self.leave(part, &lowered.needed[p], input.flow.ebb(id).term, next);
        let used = (self.slots.top - part.base) as u32;
        let alone = lowered.region.parts.len() == 1 && !builder.frugal;
        if alone && used > BB_SLOTS_MAX {
            self.program.ops.truncate(first_op);
            self.fixups.truncate(fixups);
            return false;
        }
        let height = part.height().max((part.base - self.deepest) as u32);
        self.finish_bb(first_op, height, part.growth(), used);
        if !lowered.needed[p].is_empty() || lowered.region.parts.len() > 1 {
            let residences = lowered.needed[p].iter().map(|v| (*v, self.residence(*v))).collect();
            let holds = self.slots.holds.clone();
            lowered.ends[p] = Some(Ending { residences, holds });
        }
        true
    }

    fn residence(&self, v: Val) -> i32 {
        self.slots.of[self.slots.index(v).expect("constants reside nowhere")]
    }

    fn finish_bb(&mut self, at: usize, height: u32, growth: u32, slots: u32) {
        let raw = |n: u32| Operand(n.min(u32::from(u16::MAX)) as u16);
        let bb = &mut self.program.ops[at];
        (bb.a, bb.b, bb.c) = (raw(height), raw(growth), raw(slots));
    }

    fn find_last_reads(&mut self, lowered: &Lowered, p: usize) {
        let region = &lowered.region;
        let part = &region.parts[p];
        let end = place(part.end as usize);
        for i in part.start as usize..part.end as usize {
            let node = &region.nodes[i];
            if !node.dead {
                for_each_operand(&region.exts, node, |v| self.slots.note(v, place(i)));
            }
        }
        if let Some(terminator) = &part.terminator {
            for_each_operand(&region.exts, terminator, |v| self.slots.note(v, end));
        }
        self.exits.iter().for_each(|(_, v)| self.slots.note(*v, end + 1));
        lowered.needed[p].iter().for_each(|v| self.slots.note(*v, end + 2));
    }

    /// Gives the part's own values the low slots that want them at the exit.
    fn find_homes(&mut self, part: &Part) {
        for (slot, value) in &self.exits {
            if let Some(id) = value.as_node()
                && id.0 >= part.start
                && self.slots.home[id.index()] == NO_SLOT
            {
                self.slots.home[id.index()] = *slot;
            }
        }
    }

    /// The slot for the result of node `i`.
    fn place_result(&mut self, i: usize, may_alias: bool) -> i32 {
        let home = self.slots.home[i];
        if home == NO_SLOT {
            return self.slots.allocate();
        }
        let low = self.slots.low(home).expect("homes are low slots");
        let resident = self.slots.resident[low];
        if resident != Val::NONE {
            let at = self.slots.index(resident).expect("constants reside nowhere");
            let read = self.slots.last[at];
            let gone = read < place(i) || may_alias && read == place(i);
            if !gone {
                return self.slots.allocate();
            }
        }
        let value = Val::node(NodeId(i as u32));
        self.slots.holds[low] = value;
        self.slots.resident[low] = value;
        home
    }

    /// The op's operand for a slot relative to the root.
    fn slot(&mut self, slot: i32) -> Operand {
        self.deepest = self.deepest.min(slot);
        Operand::slot(slot - self.slots.base)
    }

    fn node(&mut self, region: &Region, id: NodeId) {
        let node = *region.node(id);
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
            let values = region.exts[node.ext as usize];
            let mut ext = op(OpKind::Ext);
            let fields = [&mut ext.dst, &mut ext.a, &mut ext.b, &mut ext.c];
            for (field, value) in fields.into_iter().zip(values) {
                if value != Val::NONE {
                    *field = operand(self, value);
                }
            }
            ext
        });
        if shape.contains('i') || shape.contains('J') {
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
        for_each_operand(&region.exts, &node, |v| self.release_after(v, place(i)));
        spare[..spares].iter().for_each(|slot| self.slots.release(*slot));
        if shape.contains('d') {
            if may_alias {
                result = self.place_result(i, true);
            }
            out.dst = self.slot(result);
            self.slots.of[i] = result;
            if self.slots.last[i] == 0 {
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

    /// Frees the temporary of a value whose last read is at `place`.
    fn release_after(&mut self, v: Val, place: u32) {
        if let Some(at) = self.slots.index(v)
            && self.slots.last[at] == place
            && self.slots.of[at] >= self.slots.first_temporary
        {
            let slot = std::mem::replace(&mut self.slots.of[at], NO_SLOT);
            self.slots.release(slot);
        }
    }

    /// The operand for a value; a constant beyond the range of operands goes through a slot.
    fn operand(&mut self, v: Val, spare: &mut [i32; 7], spares: &mut usize) -> Operand {
        let ValKind::Const(id) = v.kind() else {
            let residence = self.residence(v);
            return self.slot(residence);
        };
        let number = self.const_number(id);
        if (number as usize) < Operand::CONSTS_MAX {
            return Operand::constant(number);
        }
        let slot = self.slots.allocate();
        spare[*spares] = slot;
        *spares += 1;
        self.load_const(slot, number);
        self.slot(slot)
    }

    fn load_const(&mut self, slot: i32, number: u32) {
        let dst = self.slot(slot);
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
    fn leave(&mut self, part: &Part, needed: &[Val], term: Term, next: Option<EbbId>) {
        let end = part.terminator.expect("the builder ended the part");
        let exits = std::mem::take(&mut self.exits);
        self.moves.clear();
        for (slot, value) in &exits {
            let low = self.slots.low(*slot).expect("exit slots are low");
            if self.slots.holds[low] != *value {
                let source = match value.kind() {
                    ValKind::Const(id) => Source::Const(id.0),
                    _ => Source::Slot(self.residence(*value)),
                };
                self.moves.add(*slot, source);
            }
        }
        // Values that are read later are saved from slots that the moves overwrite.
        let operands = end.args.iter().copied().filter(|arg| *arg != Val::NONE);
        let kept = needed.iter().copied().chain(operands);
        for value in kept {
            let Some(at) = self.slots.index(value) else { continue };
            let slot = self.slots.of[at];
            if self.slots.low(slot).is_some() && self.moves.writes(slot) {
                let saved = self.slots.allocate();
                self.moves.add(saved, Source::Slot(slot));
                self.slots.of[at] = saved;
            }
        }
        let mut out = op(end.kind);
        let (mut spare, mut spares) = ([NO_SLOT; 7], 0);
        for (field, arg) in [&mut out.a, &mut out.b, &mut out.c].into_iter().zip(end.args) {
            if arg != Val::NONE {
                *field = self.operand(arg, &mut spare, &mut spares);
            }
        }
        if !self.moves.is_empty() {
            self.emit_moves();
        }
        for (slot, value) in &exits {
            let low = self.slots.low(*slot).expect("exit slots are low");
            self.slots.holds[low] = *value;
        }
        self.exits = exits;
        if end.kind.shape().contains('x') {
            out.x = (part.exit_base() - part.base) as i16;
        }
        self.terminator(out, end.kind, term, next);
    }

    fn emit_moves(&mut self) {
        let spare = self.slots.top;
        let mut moves = std::mem::take(&mut self.moves);
        let used = moves.schedule(spare, |to, from| {
            let dst = self.slot(to);
            match from {
                Source::Slot(from) => {
                    let a = self.slot(from);
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

    /// After a conditional jump: where `fall` does not follow, goes there.
    fn fall_to(&mut self, fall: EbbId, next: Option<EbbId>) {
        if next != Some(fall) {
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
        let targets = input.cfg.bbs.iter().enumerate().filter_map(|(i, bb)| {
            let id = input.flow.general(BbId(i as u32)).filter(|_| bb.jumpdest)?;
            let is_target = input.flow.ebb(id).computed_entry;
            is_target.then(|| (bb.start, self.starts[id.index()]))
        });
        self.program.jump_table = jump_table(input.code.len(), targets);
        self.program.code_bytes = input.code.len() as u32;
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
