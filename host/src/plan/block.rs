//! The accesses of all transactions of a block, with keys as small numbers.

use super::dag::slice;
use super::{Accesses, Key, Source};
use alloy_primitives::map::HashMap;

/// A key, by its place in [`BlockAccesses::key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

impl KeyId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a transaction does to a key: any of reading, writing, crediting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Role(u8);

impl Role {
    /// It looks at the value.
    pub const READ: Role = Role(1);
    /// It sets the value.
    pub const WRITE: Role = Role(2);
    /// It adds to the value without looking at it.
    pub const CREDIT: Role = Role(4);

    /// Both.
    pub const fn and(self, other: Role) -> Role {
        Role(self.0 | other.0)
    }

    /// Whether it has all that `other` has.
    pub const fn has(self, other: Role) -> bool {
        self.0 & other.0 == other.0
    }

    /// The role that decides on dependencies: who credits a balance and also looks at it or sets
    /// it does not commute.
    pub(super) const fn settled(self) -> Role {
        if self.0 > Role::CREDIT.0 { Role(3) } else { self }
    }
}

/// One key of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Which key.
    pub key: KeyId,
    /// What is done to it.
    pub role: Role,
    /// The most trusted source that says so.
    pub source: Source,
}

/// The accesses of the transactions of a block, in their order. Each key of a transaction stands
/// once. Cleared and filled again, it allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct BlockAccesses {
    ids: HashMap<Key, KeyId>,
    keys: Vec<Key>,
    /// Per key: the place in `accesses` of the transaction that touched it last.
    last: Vec<u32>,
    accesses: Vec<Access>,
    /// Per transaction: the end of its accesses.
    ends: Vec<u32>,
    /// Per transaction: whether these are all.
    complete: Vec<bool>,
}

impl BlockAccesses {
    /// No transactions.
    pub fn new() -> BlockAccesses {
        BlockAccesses::default()
    }

    /// Forgets all and keeps the memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.keys.clear();
        self.last.clear();
        self.accesses.clear();
        self.ends.clear();
        self.complete.clear();
    }

    /// Transactions.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// There are no transactions.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Different keys.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// A key by its number.
    pub fn key(&self, id: KeyId) -> &Key {
        &self.keys[id.index()]
    }

    /// The number of a key, if any transaction touches it.
    pub fn find(&self, key: &Key) -> Option<KeyId> {
        self.ids.get(key).copied()
    }

    /// The accesses of all transactions.
    pub fn all(&self) -> &[Access] {
        &self.accesses
    }

    /// The accesses of a transaction; none if there is no such transaction.
    pub fn of(&self, transaction: u32) -> &[Access] {
        slice(&self.accesses, &self.ends, transaction as usize)
    }

    /// Whether a transaction's accesses are all that it touches.
    pub fn is_complete(&self, transaction: u32) -> bool {
        self.complete.get(transaction as usize).copied().unwrap_or(false)
    }

    /// The accesses of a transaction on their own.
    pub fn accesses(&self, transaction: u32) -> Accesses {
        let mut out = Accesses::new(Source::Sender);
        out.complete = self.is_complete(transaction);
        for access in self.of(transaction) {
            let key = *self.key(access.key);
            out.source = out.source.min(access.source);
            if access.role.has(Role::READ) {
                out.reads.push(key);
            }
            if access.role.has(Role::WRITE) {
                out.writes.push(key);
            }
            if access.role.has(Role::CREDIT) {
                out.credits.push(key.address());
            }
        }
        out
    }

    /// Appends a transaction.
    pub fn push(&mut self, accesses: &Accesses) {
        let source = accesses.source;
        accesses.reads.iter().for_each(|key| self.add(*key, Role::READ, source));
        accesses.writes.iter().for_each(|key| self.add(*key, Role::WRITE, source));
        let credits = accesses.credits.iter();
        credits.for_each(|address| self.add(Key::Balance(*address), Role::CREDIT, source));
        self.end(accesses.complete);
    }

    /// Appends the transactions of another block.
    pub fn append(&mut self, other: &BlockAccesses) {
        for transaction in 0..other.len() as u32 {
            for access in other.of(transaction) {
                self.add(*other.key(access.key), access.role, access.source);
            }
            self.end(other.is_complete(transaction));
        }
    }

    /// Adds an access of the transaction that the next [`BlockAccesses::end`] ends.
    pub fn add(&mut self, key: Key, role: Role, source: Source) {
        let id = self.intern(key);
        let start = self.ends.last().copied().unwrap_or(0);
        let last = self.last[id.index()];
        if last >= start && (last as usize) < self.accesses.len() {
            let known = &mut self.accesses[last as usize];
            known.role = known.role.and(role);
            known.source = known.source.min(source);
            return;
        }
        self.last[id.index()] = self.accesses.len() as u32;
        self.accesses.push(Access { key: id, role, source });
    }

    /// Takes a role from accesses of the transaction that is not ended yet.
    pub(super) fn without(&mut self, role: Role, drops: impl Fn(&Key) -> bool) {
        let start = self.ends.last().copied().unwrap_or(0) as usize;
        for access in &mut self.accesses[start..] {
            if access.role.has(role) && drops(&self.keys[access.key.index()]) {
                access.role = Role(access.role.0 & !role.0);
            }
        }
    }

    /// Ends a transaction.
    pub fn end(&mut self, complete: bool) {
        self.ends.push(self.accesses.len() as u32);
        self.complete.push(complete);
    }

    fn intern(&mut self, key: Key) -> KeyId {
        let next = KeyId(self.keys.len() as u32);
        let id = *self.ids.entry(key).or_insert(next);
        if id == next {
            self.keys.push(key);
            self.last.push(u32::MAX);
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, U256};

    #[test]
    fn a_key_of_a_transaction_stands_once() {
        let (a, slot) = (Address::with_last_byte(1), U256::from(7));
        let mut block = BlockAccesses::new();
        for _ in 0..2 {
            block.add(Key::Slot(a, slot), Role::READ, Source::Symbolic);
            block.add(Key::Balance(a), Role::CREDIT, Source::Sender);
            block.add(Key::Slot(a, slot), Role::WRITE, Source::History);
            block.end(true);
        }
        assert_eq!((block.len(), block.key_count()), (2, 2));
        for transaction in 0..2 {
            let accesses = block.accesses(transaction);
            assert_eq!(accesses.reads, [Key::Slot(a, slot)]);
            assert_eq!(accesses.writes, accesses.reads);
            assert_eq!(accesses.credits, [a]);
            assert_eq!(accesses.source, Source::Symbolic);
            assert_eq!(block.of(transaction).len(), 2);
        }
        assert!(block.of(2).is_empty() && !block.is_complete(2));
        let again = block.accesses(1);
        block.clear();
        block.push(&again);
        assert_eq!(block.accesses(0), again);
    }
}
