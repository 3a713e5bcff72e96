//! What do the words of EVM memory hold, and which stores can nobody read?
//!
//! # Terms
//! An [`Address`] is a base value plus a small displacement; constants have no base. A *known word*
//! is a 32-byte word of memory whose content the ebb knows, because it stored or loaded it.
//! A store is *unread* while no later node of the ebb can have read what it wrote.
//!
//! # Soundness
//! Two accesses on one base that both succeed lie below 2^40, since memory costs gas, so their
//! distance is exactly the difference of their displacements; accesses that fail end the frame,
//! and then nobody sees memory. Accesses on different bases may overlap anywhere. A store that is
//! overwritten whole, or that stands when the frame ends, may go if it is unread and if the growth
//! of memory that it caused is charged elsewhere: by a `MemExpand` for constant addresses, by the
//! overwriting store of the same section for others. Stores that stand when the ebb is left may go
//! if [`crate::liveness`] finds that no successor reads their word.

use crate::build::Builder;
use crate::flow::Words;
use crate::fold::Draft;
use crate::graph::View;
use crate::limits::*;
use crate::program::OpKind;
use crate::value::{NodeId, Val};
use alloy_primitives::U256;

/// Where an access to EVM memory begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// [`Val::NONE`]: a constant address.
    base: Val,
    offset: i64,
}

impl Address {
    pub fn constant(offset: u64) -> Address {
        Address { base: Val::NONE, offset: offset as i64 }
    }

    /// The offset, if it is a constant address.
    pub fn as_constant(self) -> Option<u64> {
        (self.base == Val::NONE).then_some(self.offset as u64)
    }

    /// Whether both have the same base.
    pub fn same_base(self, other: Address) -> bool {
        self.base == other.base
    }

    /// Whether two regions may have a byte in common.
    pub fn overlaps(self, extent: Extent, other: Address, other_extent: Extent) -> bool {
        let end = |at: Address, extent| match extent {
            Extent::Bytes(n) => at.offset.saturating_add(n as i64),
            // A region of any length may wrap only by running out of gas.
            Extent::Any => i64::MAX,
        };
        if extent == Extent::Bytes(0) || other_extent == Extent::Bytes(0) {
            return false;
        }
        self.base != other.base
            || self.offset < end(other, other_extent) && other.offset < end(self, extent)
    }

    fn plus(self, bytes: i64) -> Address {
        Address { offset: self.offset + bytes, ..self }
    }
}

/// A word of EVM memory with known content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownWord {
    at: Address,
    value: Val,
    /// The store that put it there, if it may still be removed.
    store: Option<NodeId>,
    /// Whether it really stands in memory; a word that a context promises may have been left out
    /// by the ebb before, because nobody loads it.
    present: bool,
    /// When `store` ran: removing a store at a computed address needs the same instant.
    instant: u32,
}

impl KnownWord {
    /// Something may read what the store wrote: it must stay.
    pub fn keep_store(&mut self) {
        self.store = None;
    }
}

/// The largest displacement from a base.
const OFFSET_MAX: i64 = 1 << 31;

/// How many bytes an access may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many.
    Bytes(u64),
    /// Any number.
    Any,
}

impl View<'_> {
    /// Splits a value into base and displacement; `None` for constants beyond any gas.
    pub fn address_of(&self, v: Val) -> Option<Address> {
        if let Some(k) = self.constant_of(v) {
            return (k < U256::from(MEM_CONST_BYTES_MAX)).then(|| Address::constant(k.to()));
        }
        if let Some(id) = v.as_node() {
            let node = self.node(id);
            if node.kind == OpKind::Add
                && let Some(k) = self.constant_of(node.args[1])
            {
                let limit = U256::from(OFFSET_MAX);
                if k < limit {
                    return Some(Address { base: node.args[0], offset: k.to::<u64>() as i64 });
                }
                if k.wrapping_neg() < limit {
                    let offset = -(k.wrapping_neg().to::<u64>() as i64);
                    return Some(Address { base: node.args[0], offset });
                }
            }
        }
        Some(Address { base: v, offset: 0 })
    }

    /// The extent of a length operand.
    pub fn extent_of(&self, length: Val) -> Extent {
        match self.constant_of(length) {
            Some(k) if k <= U256::from(MEM_CONST_BYTES_MAX) => Extent::Bytes(k.to()),
            _ => Extent::Any,
        }
    }
}

impl Builder<'_> {
    pub(crate) fn address_of(&self, v: Val) -> Option<Address> {
        self.view().address_of(v)
    }

    pub(crate) fn extent_of(&self, length: Val) -> Extent {
        self.view().extent_of(length)
    }

    /// Something reads this part of memory: stores that reach it must stay.
    pub(crate) fn memory_read(&mut self, at: Option<Address>, extent: Extent) {
        let Some(at) = at else { return };
        for word in &mut self.memory {
            if word.at.overlaps(Extent::Bytes(32), at, extent) {
                word.store = None;
            }
        }
    }

    /// Something writes this part of memory, or a part of it: forget what was there.
    pub(crate) fn memory_clobber(&mut self, at: Option<Address>, extent: Extent) {
        let Some(at) = at else { return };
        self.memory.retain(|word| !word.at.overlaps(Extent::Bytes(32), at, extent));
    }

    /// The content of the word at an address, if known.
    pub(crate) fn memory_word(&self, at: Address) -> Option<Val> {
        self.memory.iter().find(|word| word.at == at).map(|word| word.value)
    }

    fn remember(&mut self, at: Address, value: Val, store: Option<NodeId>) {
        // The fallback for ebbs with too many live values keeps only the free-memory pointer,
        // on whose value the flow analysis relies.
        let pointer = Address::constant(0x40);
        if !self.options.forward_memory && !self.options.dead_stores || self.frugal && at != pointer
        {
            return;
        }
        if self.memory.len() >= KNOWN_MEMORY_WORDS_MAX {
            let oldest = usize::from(self.memory[0].at == pointer);
            self.memory.remove(oldest);
        }
        self.memory.push(KnownWord { at, value, store, present: true, instant: self.instant });
    }

    /// The free-memory pointer is known on entry.
    pub(crate) fn assume_word(&mut self, offset: u64, value: Val) {
        self.remember(Address::constant(offset), value, None);
        self.memory.iter_mut().for_each(|word| word.present = false);
    }

    /// MLOAD.
    pub(crate) fn mload(&mut self, offset: Val) -> Val {
        let Some(at) = self.address_of(offset) else {
            return self.effect(Draft::new(OpKind::Mload, &[offset]));
        };
        let known = self.memory_word(at).filter(|_| self.options.forward_memory);
        if let Some(constant) = at.as_constant() {
            self.expand(constant + 32);
            if let Some(value) = known {
                return value;
            }
        } else if let Some(value) = known {
            // It was accessed here before, so memory has grown already.
            return value;
        }
        self.memory_read(Some(at), Extent::Bytes(32));
        let value = match at.as_constant() {
            Some(k) => {
                let mut op = Draft::new(OpKind::MloadK, &[]);
                op.imm = k as u32;
                self.effect(op)
            }
            None => self.effect(Draft::new(OpKind::Mload, &[offset])),
        };
        self.remember(at, value, None);
        value
    }

    /// MSTORE.
    pub(crate) fn mstore(&mut self, offset: Val, value: Val) {
        let Some(at) = self.address_of(offset) else {
            self.effect(Draft::new(OpKind::Mstore, &[offset, value]));
            return;
        };
        let overwritten = self.memory.iter().find(|word| word.at == at).copied();
        if let Some(constant) = at.as_constant() {
            self.expand(constant + 32);
        }
        if self.options.dead_stores
            && let Some(KnownWord { store: Some(store), instant, .. }) = overwritten
            && (at.as_constant().is_some() || instant == self.instant)
        {
            self.region.nodes[store.index()].dead = true;
        }
        if self.options.forward_memory
            && overwritten.is_some_and(|w| w.value == value && w.store.is_none() && w.present)
        {
            // The word holds this value already, and no removable store put it there.
            return;
        }
        self.memory_clobber(Some(at), Extent::Bytes(32));
        let node = match at.as_constant() {
            Some(k) => {
                let mut op = Draft::new(OpKind::MstoreK, &[value]);
                op.imm = k as u32;
                self.effect(op)
            }
            None => self.effect(Draft::new(OpKind::Mstore, &[offset, value])),
        };
        self.remember(at, value, node.as_node());
    }

    /// MSTORE8.
    pub(crate) fn mstore8(&mut self, offset: Val, value: Val) {
        let at = self.address_of(offset);
        match at.and_then(Address::as_constant) {
            Some(k) => {
                self.expand(k + 1);
                let mut op = Draft::new(OpKind::Mstore8K, &[value]);
                op.imm = k as u32;
                self.effect(op);
            }
            None => {
                self.effect(Draft::new(OpKind::Mstore8, &[offset, value]));
            }
        }
        self.memory_clobber(at, Extent::Bytes(1));
    }

    /// KECCAK256; charges the section for the words where the op does not.
    pub(crate) fn keccak(&mut self, offset: Val, length: Val) -> Val {
        let at = self.address_of(offset);
        let extent = self.extent_of(length);
        if let Extent::Bytes(0) = extent {
            return self.constant(alloy_primitives::KECCAK256_EMPTY.into());
        }
        if let (Some(at), Extent::Bytes(n @ (32 | 64))) = (at, extent)
            && let Some(first) = self.memory_word(at).filter(|_| self.options.forward_memory)
        {
            let second = self.memory_word(at.plus(32));
            let op = match (n, second) {
                (32, _) => Some(Draft::new(OpKind::Keccak1, &[first])),
                (_, Some(second)) => Some(Draft::new(OpKind::Keccak2, &[first, second])),
                _ => None,
            };
            if let Some(op) = op {
                if let Some(k) = at.as_constant() {
                    self.expand(k + n);
                }
                self.charge_hash(n);
                return self.hash_of(op);
            }
        }
        self.memory_read(at, extent);
        if let (Some(k), Extent::Bytes(n)) = (at.and_then(Address::as_constant), extent)
            && n <= KECCAK_CONST_BYTES_MAX
        {
            self.expand(k + n);
            self.charge_hash(n);
            let mut op = Draft::new(OpKind::KeccakK, &[]);
            op.imm = k as u32;
            return self.effect_with(op, n as u16, None);
        }
        self.effect(Draft::new(OpKind::Keccak, &[offset, length]))
    }

    /// Charges the words of `n` bytes that are hashed.
    fn charge_hash(&mut self, n: u64) {
        self.charge(u64::from(self.input.spec.gas().keccak_word) * n.div_ceil(32));
    }

    /// A `Keccak1` or `Keccak2`, hashed here if its words are constants, as those of arrays are.
    fn hash_of(&mut self, op: Draft) -> Val {
        let words = op.args.iter().take_while(|arg| **arg != Val::NONE);
        let words: Option<Vec<_>> = words.map(|arg| self.constant_of(*arg)).collect();
        match words.filter(|_| self.options.fold) {
            Some(words) => {
                let bytes: Vec<u8> = words.iter().flat_map(U256::to_be_bytes::<32>).collect();
                self.constant(alloy_primitives::keccak256(bytes).into())
            }
            None => self.pure(op),
        }
    }

    /// The ebb ends; afterwards only these of the first words may be read: stores to others of
    /// them are dead.
    pub(crate) fn memory_leaves(&mut self, live: Words) {
        if !self.options.dead_stores {
            return;
        }
        let nodes = &mut self.region.nodes;
        self.memory.retain(|word| {
            if let (Some(store), Some(at)) = (word.store, word.at.as_constant())
                && at % 32 == 0
                && at / 32 < u64::from(Words::BITS)
                && live >> (at / 32) & 1 == 0
            {
                // The word is not there, so an equal store below must not be taken for useless.
                nodes[store.index()].dead = true;
                return false;
            }
            true
        });
    }

    /// The frame ends, and of its memory only `kept` is still read: other stores are dead.
    pub(crate) fn memory_ends(&mut self, kept: Option<(Option<Address>, Extent)>) {
        if !self.options.dead_stores {
            return;
        }
        if let Some((at, extent)) = kept {
            match at {
                Some(at) => self.memory_read(Some(at), extent),
                None => return,
            }
        }
        for word in &self.memory {
            if let (Some(store), Some(_)) = (word.store, word.at.as_constant()) {
                self.region.nodes[store.index()].dead = true;
            }
        }
    }
}
