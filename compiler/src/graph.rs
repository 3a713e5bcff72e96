//! The dependency graph of one ebb: SSA nodes in program order.
//!
//! # Terms
//! A *node* is one op with SSA operands. Nodes stand in an order that is a legal schedule. `Section`
//! and `MemExpand` are nodes too: they carry the gas of the nodes around them. The *exit* is the
//! stack that the ebb leaves in place of the top `pops` entry values.

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
    /// The result is below two to this power.
    pub bits: u16,
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
    /// In program order.
    pub nodes: Vec<Node>,
    /// Operands that don't fit in a node.
    pub exts: Vec<[Val; 4]>,
    /// The terminator: its kind, operands; target and `x` are settled by the lowering.
    pub end: Option<Node>,
    /// The exit stack, bottom first.
    pub exit: Vec<Val>,
    /// How many entry values the exit stack stands for: also the least height on entry.
    pub pops: u32,
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
    pub fn for_each_operand(&self, node: &Node, mut f: impl FnMut(Val)) {
        for arg in node.args {
            if arg != Val::NONE {
                f(arg);
            }
        }
        if node.ext != Node::NO_EXT {
            for arg in self.exts[node.ext as usize] {
                if arg != Val::NONE {
                    f(arg);
                }
            }
        }
    }

    /// The change of the stack height from entry to exit.
    pub fn delta(&self) -> i32 {
        self.exit.len() as i32 - self.pops as i32
    }

    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.exts.clear();
        self.end = None;
        self.exit.clear();
        self.pops = 0;
        self.growth = 0;
        self.gas = 0;
        self.insts = 0;
    }
}

/// A graph together with the constants it refers to.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Its constants.
    pub pool: &'a ConstPool,
}

impl View<'_> {
    /// The value of a constant operand.
    pub fn constant_of(&self, v: Val) -> Option<U256> {
        if v == Val::NONE {
            return None;
        }
        v.as_const().map(|id| *self.pool.get(id))
    }
}

/// Whether a node must stay although nobody reads its result: it changes state, or charges gas or
/// grows memory by values that are known only at run time.
pub fn has_effect(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(
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
    )
}

/// Whether a node observes the gas left, so that its gas section ends right after it.
pub fn observes_gas(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(kind, Gas | Sstore | Create | Create2 | Call | CallCode | DelegateCall | StaticCall)
}
