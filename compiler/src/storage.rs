//! Which storage reads of an ebb are answered by an earlier access?
//!
//! # Terms
//! A *known key* is a key of persistent or transient storage whose value the ebb has read or
//! written. Two keys are *apart* if they are certainly different numbers.
//!
//! # Soundness
//! Values: a write forgets every key that is not apart from its own, a call or creation that may
//! re-enter forgets all. STATICCALL cannot write any storage of anyone, and what it reads stays.
//! Gas: from Berlin on the section has the warm price and `Sload` adds the cold surcharge; a key
//! that was accessed before in the same frame, without leaving it, is warm, so the second
//! access adds nothing. Before Berlin the price is static. Either way removing the later `Sload`
//! changes no gas. `Sstore` is never removed: its price and refund depend on every value.
//! Keys that are apart: different constants; one base with different displacements; hashes of one
//! or two words, of which some word is a different constant, or of a different number of words
//! (equal hashes would be a collision of keccak-256, which all of Ethereum assumes not to exist).

use crate::build::Builder;
use crate::fold::Draft;
use crate::graph::View;
use crate::limits::KNOWN_STORAGE_KEYS_MAX;
use crate::program::OpKind;
use crate::value::Val;

/// What a key holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownKey {
    key: Val,
    value: Val,
    transient: bool,
}

impl View<'_> {
    /// Whether two keys are certainly different.
    pub fn apart(&self, a: Val, b: Val) -> bool {
        if let (Some(a), Some(b)) = (self.constant_of(a), self.constant_of(b)) {
            return a != b;
        }
        if let (Some(x), Some(y)) = (self.address_of(a), self.address_of(b))
            && x != y
            && x.same_base(y)
        {
            return true;
        }
        let (Some(a), Some(b)) = (a.as_node(), b.as_node()) else { return false };
        let (a, b) = (self.node(a), self.node(b));
        let is_hash = |kind| matches!(kind, OpKind::Keccak1 | OpKind::Keccak2);
        if !is_hash(a.kind) || !is_hash(b.kind) {
            return false;
        }
        a.kind != b.kind
            || a.args.iter().zip(&b.args).any(|(a, b)| {
                matches!(
                    (self.constant_of(*a), self.constant_of(*b)),
                    (Some(a), Some(b)) if a != b
                )
            })
    }
}

impl Builder<'_> {
    /// SLOAD or TLOAD.
    pub(crate) fn storage_load(&mut self, key: Val, transient: bool) -> Val {
        let found = self.storage.iter().find(|k| k.transient == transient && k.key == key);
        if let Some(known) = found
            && self.options.forward_storage
        {
            return known.value;
        }
        let kind = if transient { OpKind::Tload } else { OpKind::Sload };
        let value = self.effect(Draft::new(kind, &[key]));
        self.know(KnownKey { key, value, transient });
        value
    }

    /// SSTORE or TSTORE.
    pub(crate) fn storage_store(&mut self, key: Val, value: Val, transient: bool) {
        let kind = if transient { OpKind::Tstore } else { OpKind::Sstore };
        self.effect(Draft::new(kind, &[key, value]));
        let mut known = std::mem::take(&mut self.storage);
        known.retain(|k| k.transient != transient || self.view().apart(k.key, key));
        self.storage = known;
        self.know(KnownKey { key, value, transient });
    }

    fn know(&mut self, known: KnownKey) {
        if !self.options.forward_storage {
            return;
        }
        if self.storage.len() >= KNOWN_STORAGE_KEYS_MAX {
            self.storage.remove(0);
        }
        self.storage.push(known);
    }

    /// A call or creation may have run any code.
    pub(crate) fn storage_forget(&mut self) {
        self.storage.clear();
    }
}
