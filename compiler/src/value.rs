//! SSA values of a bb and the pool of constants they refer to.

use crate::hash::{PROBES_MAX, mix};
use alloy_primitives::U256;

/// A value as a bb sees it: the result of a node, a constant, or what stood on the EVM stack when
/// the bb was entered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Val(u32);

/// A node of a bb's dependency graph, by its place in program order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A constant, by its place in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConstId(pub u32);

/// The three kinds of a [`Val`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValKind {
    /// The result of a node.
    Node(NodeId),
    /// A constant.
    Const(ConstId),
    /// The value at this depth (0 = top) of the EVM stack at bb entry.
    Entry(u32),
}

const TAG_SHIFT: u32 = 30;
const PAYLOAD: u32 = (1 << TAG_SHIFT) - 1;

impl Val {
    /// Stands for an absent operand.
    pub const NONE: Val = Val(u32::MAX);

    /// The result of `node`.
    pub fn node(node: NodeId) -> Val {
        debug_assert!(node.0 <= PAYLOAD);
        Val(node.0)
    }

    /// The constant `id`.
    pub const fn constant(id: ConstId) -> Val {
        debug_assert!(id.0 <= PAYLOAD);
        Val(1 << TAG_SHIFT | id.0)
    }

    /// What stood at `depth` when the bb was entered.
    pub fn entry(depth: u32) -> Val {
        debug_assert!(depth <= PAYLOAD);
        Val(2 << TAG_SHIFT | depth)
    }

    /// What it is. Panics on [`Val::NONE`].
    pub fn kind(self) -> ValKind {
        let payload = self.0 & PAYLOAD;
        match self.0 >> TAG_SHIFT {
            0 => ValKind::Node(NodeId(payload)),
            1 => ValKind::Const(ConstId(payload)),
            2 => ValKind::Entry(payload),
            _ => unreachable!("an absent operand was read"),
        }
    }

    /// The node, if it is the result of one.
    pub fn as_node(self) -> Option<NodeId> {
        (self.0 >> TAG_SHIFT == 0).then_some(NodeId(self.0))
    }

    /// The constant, if it is one.
    pub fn as_const(self) -> Option<ConstId> {
        (self.0 >> TAG_SHIFT == 1).then_some(ConstId(self.0 & PAYLOAD))
    }

    pub(crate) fn raw(self) -> u32 {
        self.0
    }
}

impl core::fmt::Debug for Val {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if *self == Val::NONE {
            return f.write_str("-");
        }
        match self.kind() {
            ValKind::Node(n) => write!(f, "v{}", n.0),
            ValKind::Const(c) => write!(f, "k{}", c.0),
            ValKind::Entry(d) => write!(f, "e{d}"),
        }
    }
}

/// All constants that a compilation meets, usually each once.
///
/// Two ids may hold equal values (see `hash.rs`), so only equal ids prove something;
/// whoever needs 'different' compares the values.
#[derive(Clone, Debug)]
pub struct ConstPool {
    values: Vec<U256>,
    /// Open addressing over `values`; `u32::MAX` is free. Its length is a power of two.
    table: Vec<u32>,
}

impl Default for ConstPool {
    fn default() -> ConstPool {
        ConstPool::new()
    }
}

impl ConstPool {
    /// A pool that holds 0 and 1, so that [`ConstPool::ZERO`] and [`ConstPool::ONE`] exist.
    pub fn new() -> ConstPool {
        let mut pool = ConstPool { values: Vec::with_capacity(512), table: vec![u32::MAX; 1024] };
        pool.intern(U256::ZERO);
        pool.intern(U256::ONE);
        pool
    }

    /// The constant 0.
    pub const ZERO: ConstId = ConstId(0);
    /// The constant 1.
    pub const ONE: ConstId = ConstId(1);

    /// The constant equal to `value`.
    pub fn intern(&mut self, value: U256) -> ConstId {
        let mask = self.table.len() - 1;
        let mut at = hash_word(&value) as usize & mask;
        let id = self.values.len() as u32;
        for _ in 0..PROBES_MAX {
            match self.table[at] {
                u32::MAX => {
                    self.table[at] = id;
                    break;
                }
                known if self.values[known as usize] == value => return ConstId(known),
                _ => at = (at + 1) & mask,
            }
        }
        self.values.push(value);
        if self.values.len() * 2 > self.table.len() {
            self.grow();
        }
        ConstId(id)
    }

    fn grow(&mut self) {
        let len = self.table.len() * 2;
        self.table.clear();
        self.table.resize(len, u32::MAX);
        for (id, value) in self.values.iter().enumerate() {
            let home = hash_word(value) as usize;
            let mut places = (home..home + PROBES_MAX).map(|at| at & (len - 1));
            if let Some(at) = places.find(|at| self.table[*at] == u32::MAX) {
                self.table[at] = id as u32;
            }
        }
    }

    /// The value of a constant.
    pub fn get(&self, id: ConstId) -> &U256 {
        &self.values[id.0 as usize]
    }

    /// How many constants there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Never: it always holds 0 and 1.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

fn hash_word(value: &U256) -> u64 {
    value.as_limbs().iter().fold(0, |hash, limb| mix(hash, *limb))
}
