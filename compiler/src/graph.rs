//! The dependency graphs of ebbs: SSA nodes in program order.
//!
//! # Terms
//! A *node* is one op with SSA operands. Nodes stand in an order that is a legal schedule.
//! `Section` and `MemExpand` are nodes too: they carry the gas of the nodes around them. The *exit*
//! is the stack that the ebb leaves. A *region* is a tree of ebbs, each with one predecessor, that
//! are built together: a value of one ebb is known by name in all ebbs below it. Entry values and
//! slots are those of the region's root.

use crate::flow::EbbId;
use crate::liveness::{Depths, contains};
use crate::program::OpKind;
use crate::value::{ConstPool, NodeId, Val};
use alloy_primitives::U256;

/// One op of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it does.
    pub kind: OpKind,
    /// The operands that the kind's shape names, [`Val::NONE`] where it names none.
    pub args: [Val; 3],
    /// The place in [`Graph::exts`] of the other operands, or [`Node::NO_EXT`].
    pub ext: u32,
    /// The `imm` field of the op. For reads that a call may change: how many calls came before.
    pub imm: u32,
    /// The `x` field of the op.
    pub x: u16,
    /// Whether a pass removed it.
    pub dead: bool,
    /// The pc of the inst that it comes from.
    pub pc: u32,
}

impl Node {
    /// No further operands.
    pub const NO_EXT: u32 = u32::MAX;
}

/// The dependency graph of an ebb.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// In program order. Nodes of ancestors in the region come first, marked dead: operands may
    /// still name them.
    pub nodes: Vec<Node>,
    /// The ebb's own nodes start here.
    pub first: u32,
    /// Operands that don't fit in a node.
    pub exts: Vec<[Val; 4]>,
    /// The terminator: its kind, operands; target and `x` are settled by the lowering.
    pub end: Option<Node>,
    /// The exit stack, bottom first, in place of the top `pops` entry values of the region.
    pub exit: Vec<Val>,
    /// See `exit`.
    pub pops: u32,
    /// The least height on entry.
    pub height: u32,
    /// How far the stack grows at most over its entry height.
    pub growth: u32,
    /// Static gas of the first section.
    pub gas: u64,
    /// Opcodes that the ebb executes.
    pub insts: u32,
}

impl Graph {
    /// The node of this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Calls `f` with every operand of `node`.
    pub fn for_each_operand(&self, node: &Node, f: impl FnMut(Val)) {
        for_each_operand(&self.exts, node, f);
    }
}

/// Calls `f` with every operand of `node`, whose further operands stand in `exts`.
pub(crate) fn for_each_operand(exts: &[[Val; 4]], node: &Node, mut f: impl FnMut(Val)) {
    for arg in node.args {
        if arg != Val::NONE {
            f(arg);
        }
    }
    if node.ext != Node::NO_EXT {
        for arg in exts[node.ext as usize] {
            if arg != Val::NONE {
                f(arg);
            }
        }
    }
}

/// One ebb of a region.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub id: EbbId,
    /// The part whose exit leads here; `None` for the root.
    pub parent: Option<u32>,
    /// Its nodes.
    pub start: u32,
    /// See `start`.
    pub end: u32,
    /// Its terminator.
    pub terminator: Option<Node>,
    /// The stack at its exit in place of the top `pops` entry values of the root.
    pub exit: Vec<Val>,
    /// See `exit`.
    pub pops: u32,
    /// Height of the stack at its entry over that at the root's entry.
    pub base: i32,
    /// The lowest height over the root's that an inst reaches down to.
    pub low: i32,
    /// The greatest height over the root's.
    pub high: i32,
    pub gas: u64,
    pub insts: u32,
    /// The exit depths that ebbs outside of the region may read.
    pub live: Depths,
}

impl Part {
    /// An empty part at the root's entry height.
    pub fn new(id: EbbId, parent: Option<u32>) -> Part {
        Part {
            id,
            parent,
            start: 0,
            end: 0,
            terminator: None,
            exit: Vec::new(),
            pops: 0,
            base: 0,
            low: 0,
            high: 0,
            gas: 0,
            insts: 0,
            live: 0,
        }
    }

    /// The least height on entry.
    pub fn height(&self) -> u32 {
        (self.base - self.low).max(0) as u32
    }

    /// How far the stack grows at most over its entry height.
    pub fn growth(&self) -> u32 {
        (self.high - self.base).max(0) as u32
    }

    /// Height of the stack at its exit over that at the root's entry.
    pub fn exit_base(&self) -> i32 {
        self.exit.len() as i32 - self.pops as i32
    }

    /// The exit slots, relative to the root's `sp`, that others may read, and their values.
    pub fn exits(&self) -> impl Iterator<Item = (i32, Val)> + '_ {
        let height = self.exit.len() as u32;
        let live = move |i: usize| contains(self.live, height - 1 - i as u32);
        let exits = if self.live == 0 { &[][..] } else { &self.exit[..] };
        let slot = |i: usize| i as i32 - self.pops as i32;
        exits.iter().enumerate().filter(move |(i, _)| live(*i)).map(move |(i, v)| (slot(i), *v))
    }
}

/// A tree of ebbs, each but the root with the one before it as only predecessor. Values of a part
/// are at hand in all parts below it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Region {
    /// The nodes of all parts, a part's after those of the parts above it.
    pub nodes: Vec<Node>,
    pub exts: Vec<[Val; 4]>,
    /// Parents before children.
    pub parts: Vec<Part>,
    /// Per depth, down to the deepest that a part reaches: what stands there at the root's entry.
    pub entry: Vec<Val>,
}

impl Region {
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.exts.clear();
        self.parts.clear();
        self.entry.clear();
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The graph of one part by itself.
    pub fn graph(&self, part: usize) -> Graph {
        let part = &self.parts[part];
        let mut nodes = self.nodes[..part.end as usize].to_vec();
        nodes[..part.start as usize].iter_mut().for_each(|node| node.dead = true);
        Graph {
            nodes,
            first: part.start,
            exts: self.exts.clone(),
            end: part.terminator,
            exit: part.exit.clone(),
            pops: part.pops,
            height: part.height(),
            growth: part.growth(),
            gas: part.gas,
            insts: part.insts,
        }
    }
}

/// Nodes together with the constants they refer to.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The nodes.
    pub nodes: &'a [Node],
    /// Their operands that don't fit in them.
    pub exts: &'a [[Val; 4]],
    /// Their constants.
    pub pool: &'a ConstPool,
}

impl View<'_> {
    /// The node of this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The value of a constant operand.
    pub fn constant_of(&self, v: Val) -> Option<U256> {
        if v == Val::NONE {
            return None;
        }
        v.as_const().map(|id| *self.pool.get(id))
    }
}

/// Whether a node must stay although nobody reads its result: it changes state, may halt the frame,
/// or charges gas or grows memory by values that are known only at run time.
pub fn has_effect(kind: OpKind) -> bool {
    use OpKind::*;
    let effect = matches!(
        kind,
        Section
            | MemExpand
            | Exp
            | Keccak
            | Mload
            | Mstore
            | Mstore8
            | MstoreK
            | Mstore8K
            | Mcopy
            | CallDataCopy
            | CodeCopy
            | ReturnDataCopy
            | ExtCodeCopy
            | Balance
            | ExtCodeSize
            | ExtCodeHash
            | Sload
            | Sstore
            | Tstore
            | Log
            | Create
            | Create2
            | Call
            | CallCode
            | DelegateCall
            | StaticCall
    );
    effect || kind.is_test()
}

/// Whether a node observes the gas left, so that its gas section ends right after it.
pub fn observes_gas(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(kind, Gas | Sstore | Create | Create2 | Call | CallCode | DelegateCall | StaticCall)
}
