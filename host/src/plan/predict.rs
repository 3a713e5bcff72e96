//! What will a transaction touch?
//!
//! # Method
//! Sources in order of trust, all of which add up: the block's access list (EIP-7928), the
//! transaction's (EIP-2930), the access set of the callee's code, followed through delegations
//! (EIP-7702) and proxies, what earlier calls of the function touched, and the transaction itself.
//! A block access list knows every write: what other sources take for one counts as a read then.
//!
//! # Bounds
//! Work is linear in what the transactions bring (access lists) plus a constant each; access sets,
//! which can be made expensive by whoever writes the code, share a budget per block.

use super::history::{History, Target, selector};
use super::{Accesses, BlockAccessList, BlockAccesses, Key, Role, Source};
use crate::code::{CodeCache, Predicted};
use crate::limits::{PLAN_DELEGATES_DEPTH_MAX, PLAN_WORK_PER_TRANSACTION_COUNT};
use crate::types::{Env, Spec, Transaction};
use alloy_primitives::{Address, KECCAK256_EMPTY, TxKind};
use revm::DatabaseRef;
use revm::context_interface::either::Either;
use std::sync::{Arc, Mutex, PoisonError};
use warpevm_compiler::{AccessKind, Found, Rule, Scratch};

/// What to do about access sets that nobody has derived yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingSets {
    /// Go without and note that they are wanted ([`CodeCache::make_wanted`]).
    Note,
    /// Derive them now, which takes milliseconds for a large contract.
    Make,
}

/// Predicts what transactions touch; threads may share it.
#[derive(Debug, Default)]
pub struct Predictor {
    codes: Arc<CodeCache>,
    history: History,
    scratch: Mutex<Vec<Scratch>>,
}

impl Predictor {
    /// Knows nothing yet.
    pub fn new() -> Predictor {
        Predictor::default()
    }

    /// The same, but for what others know of codes.
    pub fn with_codes(codes: Arc<CodeCache>) -> Predictor {
        Predictor { codes, ..Predictor::default() }
    }

    /// What is known of codes.
    pub fn codes(&self) -> &CodeCache {
        &self.codes
    }

    /// What it learned.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Forgets the hashes that evaluating access sets left, so that a measurement sees a block as
    /// if for the first time.
    pub fn forget_hashes(&self) {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        scratch.iter_mut().for_each(Scratch::clear);
    }

    /// Learns from an executed transaction.
    pub fn learn(&self, env: &Env, tx: &Transaction, accesses: &Accesses, gas_used: u64) {
        self.history.learn(tx, accesses, gas_used, env.block.beneficiary);
    }

    /// Predicts what the transactions of a block touch, into `out`, which is cleared before. Give
    /// the block's access list if there is one.
    pub fn predict(
        &self,
        env: &Env,
        txs: &[Transaction],
        state: &impl DatabaseRef,
        listed: Option<&BlockAccessList>,
        missing: MissingSets,
        out: &mut BlockAccesses,
    ) {
        let listed = listed.map(|list| list.changes(env, txs));
        self.pass(env, txs, state, listed.as_ref(), out);
        if missing == MissingSets::Note {
            return;
        }
        // A set may lead to another code; the last pass uses what the one before it had made.
        for _ in 0..PLAN_DELEGATES_DEPTH_MAX {
            if self.codes.make_wanted(usize::MAX) == 0 {
                break;
            }
            self.pass(env, txs, state, listed.as_ref(), out);
        }
    }

    fn pass(
        &self,
        env: &Env,
        txs: &[Transaction],
        state: &impl DatabaseRef,
        listed: Option<&BlockAccesses>,
        out: &mut BlockAccesses,
    ) {
        out.clear();
        let scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut one = One {
            predictor: self,
            env,
            state,
            out,
            scratch: scratch.unwrap_or_default(),
            work: txs.len().saturating_mul(PLAN_WORK_PER_TRANSACTION_COUNT),
        };
        let mut listing = listed.map(Listing::new);
        for (index, tx) in txs.iter().enumerate() {
            if let Some(listing) = &mut listing {
                listing.add(index as u32, one.out);
            }
            let complete = one.transaction(tx);
            if let Some(listing) = &listing {
                listing.correct(index as u32, one.out);
            }
            one.out.end(complete);
        }
        let scratch = one.scratch;
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    }

    /// The gas that a transaction will likely use: what its function used before, else a guess.
    pub fn gas(&self, tx: &Transaction) -> u64 {
        let known = Target::of(tx).and_then(|target| self.history.gas(&target));
        known.unwrap_or_else(|| guess(tx)).min(tx.gas_limit)
    }
}

/// Gas of an unknown function. Senders leave room above what they need, but rarely more than half,
/// except where a limit is set once for all calls.
fn guess(tx: &Transaction) -> u64 {
    let data = tx.data.len() as u64;
    let gas = Spec::default().gas();
    let (base, byte) = (u64::from(gas.tx_base), u64::from(gas.tx_non_zero_byte));
    let base = base.saturating_add(data.saturating_mul(byte));
    match tx.gas_limit.checked_sub(base) {
        Some(rest) => base + (rest / 3 * 2).min(250_000),
        None => tx.gas_limit,
    }
}

/// A block access list while transactions are predicted.
struct Listing<'a> {
    listed: &'a BlockAccesses,
    /// Per key: the transaction that changed it last.
    stamps: Vec<u32>,
}

impl<'a> Listing<'a> {
    fn new(listed: &'a BlockAccesses) -> Listing<'a> {
        Listing { listed, stamps: vec![u32::MAX; listed.key_count()] }
    }

    /// What a transaction changes.
    fn add(&mut self, transaction: u32, out: &mut BlockAccesses) {
        for access in self.listed.of(transaction) {
            self.stamps[access.key.index()] = transaction;
            out.add(*self.listed.key(access.key), access.role, Source::BlockAccessList);
        }
    }

    /// What other sources took for a write and is none.
    fn correct(&self, transaction: u32, out: &mut BlockAccesses) {
        let unchanged = |key: &Key| {
            let id = self.listed.find(key);
            id.is_none_or(|id| self.stamps[id.index()] != transaction)
        };
        out.without(Role::WRITE, unchanged);
        out.without(Role::CREDIT, unchanged);
    }
}

/// The prediction of one transaction after the other.
struct One<'a, S> {
    predictor: &'a Predictor,
    env: &'a Env,
    state: &'a S,
    out: &'a mut BlockAccesses,
    scratch: Scratch,
    /// What may still be spent on access sets.
    work: usize,
}

impl<S: DatabaseRef> One<'_, S> {
    /// Adds what a transaction touches; says whether that is all.
    fn transaction(&mut self, tx: &Transaction) -> bool {
        let both = Role::READ.and(Role::WRITE);
        let mut add = |key, role| self.out.add(key, role, Source::Sender);
        add(Key::Nonce(tx.caller), both);
        add(Key::Balance(tx.caller), both);
        if pays_fee(self.env, tx) {
            add(Key::Balance(self.env.block.beneficiary), Role::CREDIT);
        }
        let to = match tx.kind {
            TxKind::Call(to) => {
                add(Key::Code(to), Role::READ);
                to
            }
            TxKind::Create => {
                let created = tx.caller.create(tx.nonce);
                add(Key::Code(created), both);
                add(Key::Nonce(created), both);
                created
            }
        };
        if !tx.value.is_zero() {
            add(Key::Balance(to), Role::CREDIT);
        }
        let mut complete = !tx.kind.is_create();
        for authorization in &tx.authorization_list {
            match authorization {
                Either::Right(recovered) => {
                    if let Some(authority) = recovered.authority() {
                        add(Key::Code(authority), both);
                        add(Key::Nonce(authority), both);
                    }
                }
                // Finding out whose it is takes longer than running most transactions.
                Either::Left(_) => complete = false,
            }
        }
        for item in tx.access_list.iter() {
            for slot in &item.storage_keys {
                let key = Key::Slot(item.address, (*slot).into());
                self.out.add(key, both, Source::AccessList);
            }
        }
        if let Some(target) = Target::of(tx) {
            complete &= self.code(tx, to, to, 0);
            let out = &mut *self.out;
            let history = &self.predictor.history;
            history.predict(&target, |key, role| out.add(key, role, Source::History));
        }
        complete
    }

    /// Adds what the code of `of` touches, run as `address`; says whether that is all.
    fn code(&mut self, tx: &Transaction, of: Address, address: Address, depth: u32) -> bool {
        let Ok(account) = self.state.basic_ref(of) else { return false };
        let hash = account.map_or(KECCAK256_EMPTY, |account| account.code_hash);
        if hash == KECCAK256_EMPTY || hash.is_zero() {
            return true;
        }
        let state = self.state;
        let selector = selector(&tx.data);
        let codes = &self.predictor.codes;
        let code = || state.code_by_hash_ref(hash).ok().map(|code| code.original_bytes());
        let (set, cost) = match codes.predicted(hash, self.env.spec, selector, code) {
            Some(Predicted::Set(set, cost)) => (set, cost),
            Some(Predicted::Delegation(to)) if depth < PLAN_DELEGATES_DEPTH_MAX => {
                return self.code(tx, to, address, depth + 1);
            }
            _ => return false,
        };
        let Some(left) = self.work.checked_sub(cost) else { return false };
        self.work = left;
        let storage = |key| state.storage_ref(address, key).ok();
        let env = warpevm_compiler::Env {
            caller: tx.caller,
            address,
            origin: tx.caller,
            value: tx.value,
            call_data: &tx.data,
            storage: &storage,
        };
        let mut delegates = [Address::ZERO; 2];
        let (mut called, mut count) = (0, 0);
        let out = &mut *self.out;
        let mut complete = set.evaluate_into(&env, &mut self.scratch, &mut |found| match found {
            Found::Access(AccessKind::Read, key) => {
                out.add(Key::Slot(address, key), Role::READ, Source::Symbolic);
            }
            Found::Access(AccessKind::Write, key) => {
                out.add(Key::Slot(address, key), Role::WRITE, Source::Symbolic);
            }
            Found::Access(AccessKind::Account, account) => {
                let account = Address::from_word(account.into());
                out.add(Key::Code(account), Role::READ, Source::Symbolic);
                called += 1;
            }
            Found::Delegate(to) => {
                if let Some(place) = delegates.get_mut(count) {
                    *place = to;
                    count += 1;
                }
            }
        });
        // What a callee touches is not in the set, except for delegates, which come now.
        complete &= called <= count;
        for to in &delegates[..count] {
            complete &= depth < PLAN_DELEGATES_DEPTH_MAX && self.code(tx, *to, address, depth + 1);
        }
        complete
    }
}

/// Whether the fee recipient gets anything.
fn pays_fee(env: &Env, tx: &Transaction) -> bool {
    if !env.spec.rules().has(Rule::BaseFee) {
        return tx.gas_price > 0;
    }
    let above = tx.gas_price.saturating_sub(env.block.basefee.into());
    tx.gas_priority_fee.map_or(above, |priority| priority.min(above)) > 0
}
