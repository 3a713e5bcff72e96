//! Builds the dependency graph of an ebb by running its insts over SSA values.
//!
//! # Method
//! The stack holds values instead of words, so that PUSH, DUP, SWAP and POP leave no trace. Every
//! other inst becomes a value that exists already (constants, common subexpressions, forwarded
//! memory and storage) or a node. Jumps inside the ebb leave nothing: [`crate::flow`] settled them.
//!
//! # Soundness
//! Nodes are appended in program order, and only pure values are shared between places, so the
//! order is a legal schedule. Gas is counted per inst, whatever became of it, into the section
//! that is open; a section ends after each node that observes the gas left.

use crate::cfg::Cfg;
use crate::dce::remove_dead;
use crate::facts::Facts;
use crate::flow::{Abs, EbbId, Flow, Term, Trap};
use crate::fold::{Draft, Step};
use crate::graph::{Node, Part, Region, View, observes_gas};
use crate::hash::{PROBES_MAX, mix};
use crate::limits::*;
use crate::liveness::{self, Live};
use crate::memory::{Address, Extent, KnownWord};
use crate::opcode::{Length, MemoryRange, Table, memory_operands, op};
use crate::options::Options;
use crate::program::OpKind;
use crate::spec::Spec;
use crate::storage::KnownKey;
use crate::value::{ConstPool, NodeId, Val};
use crate::verify_graph;
use alloy_primitives::U256;

/// The code and what earlier analyses found out about it.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub code: &'a [u8],
    pub spec: Spec,
    pub table: &'a Table,
    pub cfg: &'a Cfg,
    pub flow: &'a Flow,
    pub facts: &'a [Facts],
    pub live_in: &'a [Live],
    /// Per ebb: whether it has exactly one predecessor and no other way in.
    pub single: &'a [bool],
}

/// Builds graphs, one after another, in the same buffers.
pub(crate) struct Builder<'a> {
    pub input: Input<'a>,
    pub options: Options,
    /// Without sharing and forwarding: for ebbs with too many live values.
    pub frugal: bool,
    pub pool: ConstPool,
    pub region: Region,
    spare: Vec<Region>,
    /// Per ebb: the region that holds it, by its root, and its part there.
    pub places: Vec<Option<(EbbId, u32)>>,
    part: Part,
    /// Per part: whether it is the current one or above it.
    on_path: Vec<bool>,
    /// Per node: its part.
    part_of: Vec<u16>,
    stack: Vec<Val>,
    facts: Facts,
    context: &'a [(u32, i64)],
    pc: u32,
    /// The node of the open section, if it is not the first.
    section: Option<NodeId>,
    section_open: bool,
    section_gas: u64,
    /// The `MemExpand` that later constant accesses of this instant may enlarge.
    expand_node: Option<NodeId>,
    /// EVM memory is at least this long.
    memory_bytes: u64,
    /// Counts sections and MSIZEs: growth of memory within one instant is one charge.
    pub instant: u32,
    pub memory: Vec<KnownWord>,
    pub storage: Vec<KnownKey>,
    /// How many calls and creations ran so far.
    calls: u32,
    shared: SharedTable,
    small_constants: Vec<Val>,
}

/// What the jump at the end of a bb leads to.
#[derive(Clone, Copy)]
enum Leave {
    /// The next bb of the ebb.
    Inside,
    /// That, or a halt.
    Trap(Trap),
    /// Out of the ebb.
    End(Term),
}

/// The state of a builder between two ebbs of a region.
#[derive(Default)]
struct Snapshot {
    stack: Vec<Val>,
    pops: u32,
    memory: Vec<KnownWord>,
    storage: Vec<KnownKey>,
    memory_bytes: u64,
    calls: u32,
    instant: u32,
}

/// Open addressing over the nodes by content; lossy. An entry counts only in its generation.
struct SharedTable {
    entries: Vec<(u32, NodeId)>,
    generation: u32,
    used: usize,
}

impl<'a> Builder<'a> {
    pub fn new(input: Input<'a>, options: Options) -> Builder<'a> {
        let mut pool = ConstPool::new();
        let small_constants =
            (0..=255).map(|k| Val::constant(pool.intern(U256::from(k)))).collect();
        Builder {
            input,
            options,
            frugal: false,
            pool,
            region: Region::default(),
            spare: Vec::new(),
            places: vec![None; input.flow.ebbs.len()],
            part: Part::new(EbbId(0), None),
            on_path: Vec::new(),
            part_of: Vec::new(),
            stack: Vec::new(),
            facts: Facts::NONE,
            context: &[],
            pc: 0,
            section: None,
            section_open: true,
            section_gas: 0,
            expand_node: None,
            memory_bytes: 0,
            instant: 0,
            memory: Vec::new(),
            storage: Vec::new(),
            calls: 0,
            shared: SharedTable { entries: vec![(0, NodeId(0)); 256], generation: 0, used: 0 },
            small_constants,
        }
    }

    /// Builds the region that grows from `root` into `self.region`. A `solo` region is that ebb
    /// alone.
    pub fn build(&mut self, root: EbbId, solo: bool) {
        self.start(root);
        let mut work = vec![(root, None, Snapshot::default())];
        while let Some((id, parent, snapshot)) = work.pop() {
            if parent.is_some() {
                if !self.may_join() {
                    continue;
                }
                self.resume(id, parent, snapshot);
            }
            let part = self.region.parts.len() as u32;
            self.places[id.index()] = Some((root, part));
            self.build_part(id);
            if solo || self.frugal || !self.options.regions {
                continue;
            }
            let successors = self.input.flow.ebb(id).term.successors();
            for next in successors.filter(|next| self.input.single[next.index()]) {
                work.push((next, Some(part), self.snapshot()));
            }
        }
        self.find_live();
        self.verify("building");
        if self.options.dce {
            remove_dead(&mut self.region);
            self.verify("removing dead nodes");
        }
        let deepest = self.region.parts.iter().map(|part| part.pops).max().unwrap_or(0);
        for depth in 0..deepest {
            let value = self.entry(depth);
            self.region.entry.push(value);
        }
        // Values of many parts that are alive at once would widen every frame.
        let results = self.region.nodes.iter().filter(|n| !n.dead && n.kind.shape().contains('d'));
        if self.region.parts.len() > 1 && results.count() > REGION_VALUES_MAX {
            for part in &self.region.parts {
                self.places[part.id.index()] = None;
            }
            self.build(root, true);
        }
    }

    /// Checks the region after a pass, in debug builds.
    fn verify(&self, pass: &str) {
        if cfg!(debug_assertions)
            && let Err(error) = verify_graph::verify(&self.region, &self.pool)
        {
            panic!("{pass} made a region that breaks its rules: {error}");
        }
    }

    /// Hands the built region over.
    pub fn take_region(&mut self) -> Region {
        let spare = self.spare.pop().unwrap_or_default();
        std::mem::replace(&mut self.region, spare)
    }

    /// Takes the buffers of a region that is done.
    pub fn recycle(&mut self, region: Region) {
        self.spare.push(region);
    }

    fn may_join(&self) -> bool {
        self.region.nodes.len() < REGION_NODES_MAX && self.region.parts.len() < REGION_PARTS_MAX
    }

    /// For every part, which exit depths are read outside of the region.
    fn find_live(&mut self) {
        let Input { flow, live_in, .. } = self.input;
        for i in 0..self.region.parts.len() {
            let id = self.region.parts[i].id;
            let outside = |next: EbbId| match self.places[next.index()] {
                Some((_, part)) => {
                    let next_part = self.region.parts.get(part as usize);
                    !next_part.is_some_and(|p| p.id == next && p.parent == Some(i as u32))
                }
                None => true,
            };
            let live = liveness::after(flow, id, live_in, outside).depths;
            self.region.parts[i].live = live;
        }
    }

    /// Runs the insts of one ebb from the current state on.
    fn build_part(&mut self, id: EbbId) {
        let flow = self.input.flow;
        let bbs = flow.bbs(id);
        for (i, id_of_bb) in bbs.iter().enumerate() {
            let bb = *self.input.cfg.bb(*id_of_bb);
            let leave = match flow.traps(id)[i] {
                Some(trap) => Leave::Trap(trap),
                None if i + 1 == bbs.len() => Leave::End(flow.ebb(id).term),
                None => Leave::Inside,
            };
            let mut pc = bb.start;
            while pc < bb.end {
                self.pc = pc;
                pc = self.inst(leave);
            }
        }
        self.close_section();
        self.memory_leaves(liveness::after(flow, id, self.input.live_in, |_| true).words);
        if self.part.terminator.is_none() {
            let kind = match flow.ebb(id).term {
                Term::Goto(_) => OpKind::GoTo,
                _ => {
                    self.memory_ends(None);
                    OpKind::Stop
                }
            };
            self.end(kind, &[]);
        }
        let mut part = std::mem::replace(&mut self.part, Part::new(id, None));
        part.exit.extend_from_slice(&self.stack);
        part.end = self.region.nodes.len() as u32;
        self.part.pops = part.pops;
        self.region.parts.push(part);
    }

    fn start(&mut self, id: EbbId) {
        self.region.clear();
        self.part = Part::new(id, None);
        self.part_of.clear();
        self.on_path.clear();
        self.on_path.push(true);
        self.stack.clear();
        self.facts = self.input.facts[id.index()];
        self.context = self.input.flow.context(id);
        self.memory_bytes = u64::from(self.facts.memory_bytes);
        self.instant = 0;
        self.memory.clear();
        self.storage.clear();
        self.calls = 0;
        self.shared.generation += 1;
        self.shared.used = 0;
        self.start_section();
        if let Some(pointer) = self.input.flow.pointer(id) {
            let value = self.constant(U256::from(pointer));
            self.assume_word(0x40, value);
        }
    }

    fn start_section(&mut self) {
        self.section = None;
        self.section_open = true;
        self.section_gas = 0;
        self.expand_node = None;
    }

    /// What the ebbs below the one just built begin with.
    fn snapshot(&self) -> Snapshot {
        Snapshot {
            stack: self.stack.clone(),
            pops: self.part.pops,
            memory: self.memory.clone(),
            storage: self.storage.clone(),
            memory_bytes: self.memory_bytes,
            calls: self.calls,
            instant: self.instant,
        }
    }

    /// Goes on below a part from its exit. Its stores may be read on other ways out of it.
    fn resume(&mut self, id: EbbId, parent: Option<u32>, snapshot: Snapshot) {
        self.part = Part::new(id, parent);
        self.part.start = self.region.nodes.len() as u32;
        self.part.pops = snapshot.pops;
        self.part.base = snapshot.stack.len() as i32 - snapshot.pops as i32;
        (self.part.low, self.part.high) = (self.part.base, self.part.base);
        self.stack = snapshot.stack;
        self.memory = snapshot.memory;
        self.memory.iter_mut().for_each(KnownWord::keep_store);
        self.storage = snapshot.storage;
        let facts = u64::from(self.input.facts[id.index()].memory_bytes);
        self.memory_bytes = snapshot.memory_bytes.max(facts);
        self.calls = snapshot.calls;
        self.instant = snapshot.instant + 1;
        self.start_section();
        self.on_path.clear();
        self.on_path.resize(self.region.parts.len() + 1, false);
        let mut above = Some(self.region.parts.len() as u32);
        while let Some(part) = above {
            self.on_path[part as usize] = true;
            above = match self.region.parts.get(part as usize) {
                Some(part) => part.parent,
                None => parent,
            };
        }
    }

    pub fn view(&self) -> View<'_> {
        View { nodes: &self.region.nodes, exts: &self.region.exts, pool: &self.pool }
    }

    /// The constant `value`.
    pub fn constant(&mut self, value: U256) -> Val {
        Val::constant(self.pool.intern(value))
    }

    fn small(&mut self, value: i64) -> Val {
        match usize::try_from(value) {
            Ok(k) if k < self.small_constants.len() => self.small_constants[k],
            Ok(k) => self.constant(U256::from(k)),
            Err(_) => self.constant(U256::from(value.unsigned_abs()).wrapping_neg()),
        }
    }

    fn entry(&mut self, depth: u32) -> Val {
        let known = self.context.iter().find(|item| item.0 == depth);
        match known.map(|item| Abs::Const(item.1)).or(self.facts.constant(depth)) {
            Some(Abs::Const(k)) => self.small(k),
            Some(Abs::Literal(pc)) => {
                let size = crate::opcode::immediate_size(self.input.code[pc as usize]);
                self.immediate(pc, usize::from(size))
            }
            _ => Val::entry(depth),
        }
    }

    fn ensure(&mut self, n: usize) {
        if self.stack.len() < n {
            let missing = (n - self.stack.len()) as u32;
            let below: Vec<_> =
                (0..missing).rev().map(|i| self.entry(self.part.pops + i)).collect();
            self.stack.splice(0..0, below);
            self.part.pops += missing;
        }
        self.reach((self.stack.len() - n) as i32);
    }

    /// An inst reaches down to this place of the explicit stack.
    fn reach(&mut self, place: i32) {
        self.part.low = self.part.low.min(place - self.part.pops as i32);
    }

    fn pop(&mut self) -> Val {
        let value = match self.stack.pop() {
            Some(value) => value,
            None => {
                let value = self.entry(self.part.pops);
                self.part.pops += 1;
                value
            }
        };
        self.reach(self.stack.len() as i32);
        value
    }

    fn push(&mut self, value: Val) {
        self.stack.push(value);
        let height = self.stack.len() as i32 - self.part.pops as i32;
        self.part.high = self.part.high.max(height);
    }

    /// Adds static gas to the open section.
    pub fn charge(&mut self, gas: u64) {
        if self.section_gas + gas > u64::from(u32::MAX) {
            self.close_section();
            self.open_section();
        }
        self.section_gas += gas;
    }

    fn open_section(&mut self) {
        if self.section_open {
            return;
        }
        self.section_open = true;
        self.section_gas = 0;
        self.expand_node = None;
        self.instant += 1;
        self.section = Some(self.append(Draft::new(OpKind::Section, &[]), 0, Node::NO_EXT));
    }

    fn close_section(&mut self) {
        if !self.section_open {
            return;
        }
        self.section_open = false;
        match self.section {
            None => self.part.gas = self.section_gas,
            Some(id) => {
                let node = &mut self.region.nodes[id.index()];
                node.imm = self.section_gas as u32;
                // Without gas it has no job, unless growth of memory follows in it.
                node.dead = self.section_gas == 0 && self.expand_node.is_none();
            }
        }
    }

    /// EVM memory must be at least `end` bytes long from here on.
    pub fn expand(&mut self, end: u64) {
        if end <= self.memory_bytes {
            return;
        }
        let end = end.next_multiple_of(32);
        self.memory_bytes = end;
        match self.expand_node {
            Some(id) => self.region.nodes[id.index()].imm = end as u32,
            None => {
                let mut op = Draft::new(OpKind::MemExpand, &[]);
                op.imm = end as u32;
                self.expand_node = Some(self.append(op, 0, Node::NO_EXT));
            }
        }
    }

    /// An op that checks memory itself touches this part of it.
    fn touch(&mut self, at: Option<Address>, extent: Extent) {
        if let (Some(k), Extent::Bytes(n @ 1..)) = (at.and_then(Address::as_constant), extent)
            && k + n <= crate::limits::MEM_CONST_BYTES_MAX
        {
            self.memory_bytes = self.memory_bytes.max(k + n);
        }
    }

    fn append(&mut self, op: Draft, x: u16, ext: u32) -> NodeId {
        let id = NodeId(self.region.nodes.len() as u32);
        self.part_of.push(self.region.parts.len() as u16);
        self.region.nodes.push(Node {
            kind: op.kind,
            args: op.args,
            ext,
            imm: op.imm,
            x,
            dead: false,
            pc: self.pc,
        });
        id
    }

    /// Appends a node that is not shared.
    pub fn effect(&mut self, op: Draft) -> Val {
        self.effect_with(op, 0, None)
    }

    /// Appends a node with an `x` field or further operands.
    pub fn effect_with(&mut self, op: Draft, x: u16, ext: Option<[Val; 4]>) -> Val {
        let at = match ext {
            Some(ext) => {
                self.region.exts.push(ext);
                self.region.exts.len() as u32 - 1
            }
            None => Node::NO_EXT,
        };
        let id = self.append(op, x, at);
        if observes_gas(op.kind) {
            self.close_section();
        }
        Val::node(id)
    }

    /// The value of an op without effects: simplified, shared, or a new node.
    pub fn pure(&mut self, mut op: Draft) -> Val {
        loop {
            self.order_operands(&mut op);
            match self.simplify(op) {
                Step::Value(value) => return value,
                Step::Op(next) => op = next,
                Step::Keep => break,
            }
        }
        self.shared_node(op)
    }

    /// Puts the operands of a commutative op in a canonical order, constants last.
    fn order_operands(&self, op: &mut Draft) {
        use OpKind::*;
        if matches!(op.kind, Add | Mul | And | Or | Xor | Eq | AddMod | MulMod) {
            let rank = |v: Val| (v.as_const().is_some(), v.raw());
            if rank(op.args[0]) > rank(op.args[1]) {
                op.args.swap(0, 1);
            }
        }
    }

    fn shared_node(&mut self, op: Draft) -> Val {
        if !self.options.cse || self.frugal {
            return Val::node(self.append(op, 0, Node::NO_EXT));
        }
        if self.shared.used * 2 >= self.shared.entries.len() {
            self.grow_shared();
        }
        let mask = self.shared.entries.len() - 1;
        let mut at = draft_hash(&op) as usize & mask;
        for _ in 0..PROBES_MAX {
            let (generation, id) = self.shared.entries[at];
            if generation != self.shared.generation {
                let id = self.append(op, 0, Node::NO_EXT);
                self.shared.entries[at] = (self.shared.generation, id);
                self.shared.used += 1;
                return Val::node(id);
            }
            let node = self.region.node(id);
            let at_hand = self.on_path[usize::from(self.part_of[id.index()])];
            if at_hand && node.kind == op.kind && node.args == op.args && node.imm == op.imm {
                return Val::node(id);
            }
            at = (at + 1) & mask;
        }
        Val::node(self.append(op, 0, Node::NO_EXT))
    }

    fn grow_shared(&mut self) {
        let len = self.shared.entries.len() * 2;
        let old = std::mem::replace(&mut self.shared.entries, vec![(0, NodeId(0)); len]);
        for (generation, id) in old {
            if generation != self.shared.generation {
                continue;
            }
            let node = self.region.node(id);
            let draft = Draft { kind: node.kind, args: node.args, imm: node.imm };
            let home = draft_hash(&draft) as usize;
            let mut places = (home..home + PROBES_MAX).map(|at| at & (len - 1));
            if let Some(at) = places.find(|at| self.shared.entries[*at].0 != generation) {
                self.shared.entries[at] = (generation, id);
            }
        }
    }

    fn end(&mut self, kind: OpKind, args: &[Val]) {
        let Draft { args, .. } = Draft::new(kind, args);
        let ext = Node::NO_EXT;
        let (pc, dead) = (self.pc, false);
        self.part.terminator = Some(Node { kind, args, ext, imm: 0, x: 0, dead, pc });
    }

    /// Runs the inst at `self.pc` and returns the pc after it.
    fn inst(&mut self, leave: Leave) -> u32 {
        let code = self.input.code;
        let byte = code[self.pc as usize];
        let info = self.input.table[usize::from(byte)];
        self.part.insts += 1;
        self.open_section();
        self.charge(u64::from(info.gas));
        let next = self.pc + 1 + u32::from(info.immediate);
        if !info.defined {
            self.memory_ends(None);
            self.end(OpKind::Invalid, &[]);
            return next;
        }
        match byte {
            op::PUSH0..=op::PUSH32 => {
                let value = self.immediate(self.pc, usize::from(info.immediate));
                self.push(value);
            }
            op::POP => {
                self.pop();
            }
            op::DUP1..=op::DUP16 => {
                let n = usize::from(byte - op::DUP1) + 1;
                self.ensure(n);
                self.push(self.stack[self.stack.len() - n]);
            }
            op::SWAP1..=op::SWAP16 => {
                let n = usize::from(byte - op::SWAP1) + 2;
                self.ensure(n);
                let top = self.stack.len() - 1;
                self.stack.swap(top, top + 1 - n);
            }
            op::JUMPDEST => {}
            op::JUMP | op::JUMPI => self.jump(byte, leave),
            _ => {
                let mut args = [Val::NONE; 7];
                for arg in args.iter_mut().take(usize::from(info.inputs)) {
                    *arg = self.pop();
                }
                let args = &args[..usize::from(info.inputs)];
                if info.terminator {
                    self.halt(byte, args);
                } else if let Some(value) = self.operation(byte, args) {
                    self.push(value);
                }
            }
        }
        next
    }

    /// The immediate of a PUSH, zero-padded at the end of the code.
    fn immediate(&mut self, pc: u32, size: usize) -> Val {
        let code = self.input.code;
        let start = (pc as usize + 1).min(code.len());
        let end = (start + size).min(code.len());
        let bytes = &code[start..end];
        if size == 1 {
            return self.small_constants[usize::from(bytes.first().copied().unwrap_or(0))];
        }
        if size <= 8 {
            let value = bytes.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            let missing = (size - bytes.len()) * 8;
            let value = if missing == 64 { 0 } else { value << missing };
            return self.small_or_constant(value);
        }
        let mut padded = [0; 32];
        padded[32 - size..32 - size + bytes.len()].copy_from_slice(bytes);
        self.constant(U256::from_be_bytes(padded))
    }

    fn small_or_constant(&mut self, value: u64) -> Val {
        match usize::try_from(value) {
            Ok(k) if k < self.small_constants.len() => self.small_constants[k],
            _ => self.constant(U256::from(value)),
        }
    }

    /// JUMP or JUMPI. Inside the ebb they leave only their operands off the stack, and traps.
    fn jump(&mut self, byte: u8, leave: Leave) {
        let target = self.pop();
        let condition = if byte == op::JUMPI { self.pop() } else { Val::NONE };
        match leave {
            Leave::Inside | Leave::End(Term::Goto(_)) => {}
            Leave::Trap(trap) => self.trap(condition, trap),
            Leave::End(Term::BadJump | Term::Halt) => {
                self.memory_ends(None);
                self.end(OpKind::BadJump, &[]);
            }
            Leave::End(Term::Computed) => self.end(OpKind::Jump, &[target]),
            Leave::End(Term::ComputedBranch { .. }) => {
                self.end(OpKind::JumpI, &[condition, target]);
            }
            Leave::End(Term::Branch { .. }) => {
                let (kind, args) = self.test(condition);
                self.end(kind, &args);
            }
        }
    }

    /// Halts the frame on one side of a JUMPI.
    fn trap(&mut self, condition: Val, trap: Trap) {
        if self.constant_of(condition).is_some_and(|k| k.is_zero() == trap.taken) {
            return;
        }
        let (kind, args) = self.test(condition);
        let kind = if trap.taken { kind } else { negated(kind) };
        let draft = Draft { imm: trap.op, ..Draft::new(kind, &args) };
        self.append(draft, 0, Node::NO_EXT);
    }

    /// The conditional jump that is taken if `condition` is not zero.
    fn test(&mut self, condition: Val) -> (OpKind, [Val; 2]) {
        let (mut condition, mut negate) = (condition, false);
        let (kind, args) = loop {
            let plain = (OpKind::JumpIf, [condition, Val::NONE]);
            let Some(id) = condition.as_node().filter(|_| self.options.fuse) else { break plain };
            let node = *self.region.node(id);
            let [a, b, _] = node.args;
            match node.kind {
                OpKind::IsZero => (condition, negate) = (a, !negate),
                OpKind::NotZero => condition = a,
                OpKind::Eq => break (OpKind::JumpEq, [a, b]),
                OpKind::Sub | OpKind::Xor => break (OpKind::JumpNe, [a, b]),
                OpKind::Add => match self.constant_of(b) {
                    Some(k) => break (OpKind::JumpNe, [a, self.constant(k.wrapping_neg())]),
                    None => break plain,
                },
                OpKind::Lt => break (OpKind::JumpLt, [a, b]),
                OpKind::Gt => break (OpKind::JumpLt, [b, a]),
                OpKind::Slt => break (OpKind::JumpSlt, [a, b]),
                OpKind::Sgt => break (OpKind::JumpSlt, [b, a]),
                _ => break plain,
            }
        };
        (if negate { negated(kind) } else { kind }, args)
    }

    fn halt(&mut self, byte: u8, args: &[Val]) {
        let (kind, kept) = match byte {
            op::RETURN | op::REVERT => {
                let kind = if byte == op::RETURN { OpKind::Return } else { OpKind::Revert };
                (kind, self.read_by(byte, args))
            }
            op::SELFDESTRUCT => (OpKind::SelfDestruct, None),
            _ => (OpKind::Stop, None),
        };
        self.memory_ends(kept);
        self.end(kind, args);
    }

    /// An inst that is neither a stack op nor a jump; its result, if it has one.
    fn operation(&mut self, byte: u8, args: &[Val]) -> Option<Val> {
        let value = match byte {
            op::EXP => self.exp(args[0], args[1]),
            op::KECCAK256 => self.keccak(args[0], args[1]),
            op::PC => self.small(i64::from(self.pc)),
            op::CODESIZE => self.small(self.input.code.len() as i64),
            op::MLOAD => self.mload(args[0]),
            op::SLOAD => self.storage_load(args[0], false),
            op::TLOAD => self.storage_load(args[0], true),
            op::MSIZE => {
                self.expand_node = None;
                self.instant += 1;
                self.effect(Draft::new(OpKind::Msize, &[]))
            }
            op::GAS => self.effect(Draft::new(OpKind::Gas, &[])),
            op::BALANCE
            | op::EXTCODESIZE
            | op::EXTCODEHASH
            | op::SELFBALANCE
            | op::RETURNDATASIZE => {
                let mut op = Draft::new(pure_kind(byte), args);
                op.imm = self.calls;
                self.shared_node(op)
            }
            op::CREATE | op::CREATE2 => self.create(byte, args),
            op::CALL | op::CALLCODE | op::DELEGATECALL | op::STATICCALL => self.call(byte, args),
            op::MSTORE | op::MSTORE8 | op::MCOPY | op::SSTORE | op::TSTORE => {
                self.store(byte, args);
                return None;
            }
            op::CALLDATACOPY | op::CODECOPY | op::RETURNDATACOPY | op::EXTCODECOPY => {
                self.copy(byte, args);
                return None;
            }
            op::LOG0..=op::LOG4 => {
                self.log(byte, args);
                return None;
            }
            _ => self.pure(Draft::new(pure_kind(byte), args)),
        };
        Some(value)
    }

    fn exp(&mut self, base: Val, exponent: Val) -> Val {
        let Some(k) = self.constant_of(exponent) else {
            return self.effect(Draft::new(OpKind::Exp, &[base, exponent]));
        };
        let per_byte = self.input.spec.gas().exp_byte;
        self.charge(u64::from(per_byte) * k.byte_len() as u64);
        self.pure(Draft::new(OpKind::ExpK, &[base, exponent]))
    }

    fn store(&mut self, byte: u8, args: &[Val]) {
        match byte {
            op::MSTORE => self.mstore(args[0], args[1]),
            op::MSTORE8 => self.mstore8(args[0], args[1]),
            op::SSTORE => self.storage_store(args[0], args[1], false),
            op::TSTORE => self.storage_store(args[0], args[1], true),
            _ => self.touching(byte, args, |builder| {
                builder.effect(Draft::new(OpKind::Mcopy, args));
            }),
        }
    }

    fn copy(&mut self, byte: u8, args: &[Val]) {
        let (kind, ext) = match byte {
            op::CALLDATACOPY => (OpKind::CallDataCopy, None),
            op::CODECOPY => (OpKind::CodeCopy, None),
            op::RETURNDATACOPY => (OpKind::ReturnDataCopy, None),
            _ => (OpKind::ExtCodeCopy, Some([args[3], Val::NONE, Val::NONE, Val::NONE])),
        };
        self.touching(byte, args, |builder| {
            builder.effect_with(Draft::new(kind, &args[..3]), 0, ext);
        });
    }

    fn log(&mut self, byte: u8, args: &[Val]) {
        let topics = &args[2..];
        let mut ext = [Val::NONE; 4];
        ext[..topics.len()].copy_from_slice(topics);
        let ext = (!topics.is_empty()).then_some(ext);
        let draft = Draft::new(OpKind::Log, &args[..2]);
        self.touching(byte, args, |builder| {
            builder.effect_with(draft, topics.len() as u16, ext);
        });
    }

    fn create(&mut self, byte: u8, args: &[Val]) -> Val {
        let (kind, ext) = match byte {
            op::CREATE => (OpKind::Create, None),
            _ => (OpKind::Create2, Some([args[3], Val::NONE, Val::NONE, Val::NONE])),
        };
        let value = self.touching(byte, args, |builder| {
            builder.effect_with(Draft::new(kind, &args[..3]), 0, ext)
        });
        self.after_call(true);
        value
    }

    fn call(&mut self, byte: u8, args: &[Val]) -> Val {
        let (kind, head) = match byte {
            op::CALL => (OpKind::Call, 3),
            op::CALLCODE => (OpKind::CallCode, 3),
            op::DELEGATECALL => (OpKind::DelegateCall, 2),
            _ => (OpKind::StaticCall, 2),
        };
        let (head, tail) = args.split_at(head);
        let ext = [tail[0], tail[1], tail[2], tail[3]];
        let value = self.touching(byte, args, |builder| {
            builder.effect_with(Draft::new(kind, head), 0, Some(ext))
        });
        self.after_call(byte != op::STATICCALL);
        value
    }

    /// Where a range of memory starts, if that is known, and its extent.
    fn place(&self, range: &MemoryRange, args: &[Val]) -> (Option<Address>, Extent) {
        let extent = match range.length {
            Length::Operand(i) => self.extent_of(args[usize::from(i)]),
            Length::Bytes(n) => Extent::Bytes(n.into()),
        };
        (self.address_of(args[usize::from(range.at)]), extent)
    }

    fn read_by(&self, byte: u8, args: &[Val]) -> Option<(Option<Address>, Extent)> {
        memory_operands(byte).reads.as_ref().map(|range| self.place(range, args))
    }

    /// Runs `inst`, the effect of `byte`, and notes what it does to memory.
    fn touching<T>(&mut self, byte: u8, args: &[Val], inst: impl FnOnce(&mut Self) -> T) -> T {
        let reads = self.read_by(byte, args);
        let writes = memory_operands(byte).writes.as_ref().map(|range| self.place(range, args));
        if let Some((at, extent)) = reads {
            self.memory_read(at, extent);
        }
        let value = inst(self);
        for (at, extent) in [reads, writes].into_iter().flatten() {
            self.touch(at, extent);
        }
        if let Some((at, extent)) = writes {
            self.memory_clobber(at, extent);
        }
        value
    }

    fn after_call(&mut self, may_write: bool) {
        self.calls += 1;
        if may_write {
            self.storage_forget();
        }
    }
}

/// The conditional jump that is taken when `kind` is not.
pub(crate) fn negated(kind: OpKind) -> OpKind {
    match kind {
        OpKind::JumpIf => OpKind::JumpIfZero,
        OpKind::JumpIfZero => OpKind::JumpIf,
        OpKind::JumpEq => OpKind::JumpNe,
        OpKind::JumpNe => OpKind::JumpEq,
        OpKind::JumpLt => OpKind::JumpGe,
        OpKind::JumpGe => OpKind::JumpLt,
        OpKind::JumpSlt => OpKind::JumpSge,
        OpKind::JumpSge => OpKind::JumpSlt,
        other => unreachable!("{} is no conditional jump", other.name()),
    }
}

fn draft_hash(op: &Draft) -> u64 {
    let head = u64::from(op.kind as u16) << 32 | u64::from(op.imm);
    let pair = u64::from(op.args[0].raw()) << 32 | u64::from(op.args[1].raw());
    mix(mix(head, pair), u64::from(op.args[2].raw()))
}

/// Operands of an op that stand in the op itself, and whether others follow in an `Ext`.
pub(crate) fn head_operands(kind: OpKind, inputs: usize) -> (usize, bool) {
    match kind {
        OpKind::Log | OpKind::DelegateCall | OpKind::StaticCall => (2, true),
        OpKind::ExtCodeCopy | OpKind::Create2 | OpKind::Call | OpKind::CallCode => (3, true),
        _ => (inputs, false),
    }
}

/// The kind of op that an opcode becomes where nothing is known of its operands.
pub(crate) fn kind_of(byte: u8) -> OpKind {
    match byte {
        op::EXP => OpKind::Exp,
        op::KECCAK256 => OpKind::Keccak,
        op::CALLDATACOPY => OpKind::CallDataCopy,
        op::CODECOPY => OpKind::CodeCopy,
        op::EXTCODECOPY => OpKind::ExtCodeCopy,
        op::RETURNDATACOPY => OpKind::ReturnDataCopy,
        op::MLOAD => OpKind::Mload,
        op::MSTORE => OpKind::Mstore,
        op::MSTORE8 => OpKind::Mstore8,
        op::SLOAD => OpKind::Sload,
        op::SSTORE => OpKind::Sstore,
        op::MSIZE => OpKind::Msize,
        op::GAS => OpKind::Gas,
        op::TLOAD => OpKind::Tload,
        op::TSTORE => OpKind::Tstore,
        op::MCOPY => OpKind::Mcopy,
        op::LOG0..=op::LOG4 => OpKind::Log,
        op::CREATE => OpKind::Create,
        op::CREATE2 => OpKind::Create2,
        op::CALL => OpKind::Call,
        op::CALLCODE => OpKind::CallCode,
        op::DELEGATECALL => OpKind::DelegateCall,
        op::STATICCALL => OpKind::StaticCall,
        other => pure_kind(other),
    }
}

/// The kind of op that an opcode without special treatment becomes.
fn pure_kind(byte: u8) -> OpKind {
    match byte {
        op::ADD => OpKind::Add,
        op::MUL => OpKind::Mul,
        op::SUB => OpKind::Sub,
        op::DIV => OpKind::Div,
        op::SDIV => OpKind::Sdiv,
        op::MOD => OpKind::Mod,
        op::SMOD => OpKind::Smod,
        op::ADDMOD => OpKind::AddMod,
        op::MULMOD => OpKind::MulMod,
        op::SIGNEXTEND => OpKind::SignExtend,
        op::LT => OpKind::Lt,
        op::GT => OpKind::Gt,
        op::SLT => OpKind::Slt,
        op::SGT => OpKind::Sgt,
        op::EQ => OpKind::Eq,
        op::ISZERO => OpKind::IsZero,
        op::AND => OpKind::And,
        op::OR => OpKind::Or,
        op::XOR => OpKind::Xor,
        op::NOT => OpKind::Not,
        op::BYTE => OpKind::Byte,
        op::SHL => OpKind::Shl,
        op::SHR => OpKind::Shr,
        op::SAR => OpKind::Sar,
        op::CLZ => OpKind::Clz,
        op::ADDRESS => OpKind::Address,
        op::BALANCE => OpKind::Balance,
        op::ORIGIN => OpKind::Origin,
        op::CALLER => OpKind::Caller,
        op::CALLVALUE => OpKind::CallValue,
        op::CALLDATALOAD => OpKind::CallDataLoad,
        op::CALLDATASIZE => OpKind::CallDataSize,
        op::GASPRICE => OpKind::GasPrice,
        op::EXTCODESIZE => OpKind::ExtCodeSize,
        op::EXTCODEHASH => OpKind::ExtCodeHash,
        op::RETURNDATASIZE => OpKind::ReturnDataSize,
        op::BLOCKHASH => OpKind::BlockHash,
        op::COINBASE => OpKind::Coinbase,
        op::TIMESTAMP => OpKind::Timestamp,
        op::NUMBER => OpKind::Number,
        op::PREVRANDAO => OpKind::PrevRandao,
        op::GASLIMIT => OpKind::GasLimit,
        op::CHAINID => OpKind::ChainId,
        op::SELFBALANCE => OpKind::SelfBalance,
        op::BASEFEE => OpKind::BaseFee,
        op::BLOBHASH => OpKind::BlobHash,
        op::BLOBBASEFEE => OpKind::BlobBaseFee,
        other => unreachable!("opcode {other:#04x} has its own treatment"),
    }
}
