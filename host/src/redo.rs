//! What does a transaction do when only slots that it read have changed since it ran?
//!
//! # Terms
//! A transaction that ran *observed* slots and did things; since then some of the slots have got
//! other values. *Redo* computes what it does now from the effects of its code
//! ([`warpevm_compiler::effects`]) without running it, or refuses with a reason.
//!
//! # Method
//! The tree of effects is walked once, every expression with two values: the *old* one, as of the
//! run, and the *new* one. The old values choose the path, and what that path does with them must
//! be exactly what the run did. With the new values each check must come out as before, each key
//! must be the same, and each store must fall into the same class of gas.
//!
//! # Soundness
//! Redo says what running the transaction again would give, with the same gas, if nothing else that
//! it observed has changed (accounts, code, block): that is for the caller to see to. By induction
//! along the path: the same steps run, because every check comes out the same; a load gives what
//! the same earlier store left, or the slot's new value, because every key is the same; gas is the
//! same after each step, because static gas, accessed keys (cold, warm) and pinned operands are,
//! and because SSTORE's gas and refund depend, in every spec, on nothing but its spec, whether the
//! key is warm, the gas left, and the six comparisons of `gas_class`. So it does not run out of
//! gas either.
//! That the old values must reproduce the run is no part of the argument: it makes a fault of the
//! compiler harmless.

use alloy_primitives::{Address, B256, Bytes, Log, LogData, U256};
use revm::context::transaction::Transaction as _;
use warpevm_compiler::effects::{EffectSet, Inputs, SegmentEnd, SegmentId, Step};
use warpevm_compiler::symbolic::{self, ExprId, is_taken};
use warpevm_compiler::{OpKind, Rule};

use crate::limits::REDO_SLOTS_COUNT_MAX;
use crate::types::{Env, Refusal, Transaction, TxStatus};

/// A slot that the run read or wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotUse {
    /// Whose.
    pub address: Address,
    /// Its key.
    pub key: U256,
    /// What it held before the run.
    pub original: U256,
    /// What it held after the run.
    pub value: U256,
    /// What it holds now.
    pub now: U256,
}

/// What a run observed and did.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// How it ended.
    pub status: TxStatus,
    /// All slots in its overlay but transient ones, each once.
    pub slots: &'a [SlotUse],
    /// Its logs.
    pub logs: &'a [Log],
    /// What it returned.
    pub output: &'a [u8],
}

/// What the transaction does now; all else is as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// What each slot holds after it, in the order of [`Observed::slots`]; before it, each holds
    /// [`SlotUse::now`].
    pub values: Vec<U256>,
    /// Its logs.
    pub logs: Vec<Log>,
    /// What it returns.
    pub output: Bytes,
}

/// A transaction that calls, and what the code that it runs can see of it. That code is the
/// callee's, or the one that the callee delegates to (EIP-7702).
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    tx: &'a Transaction,
    env: &'a Env,
    callee: Address,
}

impl<'a> Call<'a> {
    /// `None`: creations, and transactions that may change which code runs.
    pub fn of(tx: &'a Transaction, env: &'a Env) -> Option<Call<'a>> {
        let callee = *tx.kind.to()?;
        tx.authorization_list.is_empty().then_some(Call { tx, env, callee })
    }

    /// On whose storage the code runs.
    pub fn callee(&self) -> Address {
        self.callee
    }

    /// The function that it calls, if its calldata is long enough to name one.
    pub fn selector(&self) -> Option<u32> {
        let bytes = self.tx.data.get(..4)?;
        Some(bytes.iter().fold(0, |selector, byte| selector << 8 | u32::from(*byte)))
    }

    /// Whether the access list names a slot of the callee.
    fn declares(&self, key: U256) -> bool {
        let key = B256::from(key);
        let of_callee = self.tx.access_list.iter().filter(|item| item.address == self.callee);
        of_callee.flat_map(|item| &item.storage_keys).any(|declared| *declared == key)
    }

    /// What an op of the block environment gives.
    fn block(&self, kind: OpKind) -> Option<U256> {
        let block = &self.env.block;
        let random = block.prevrandao.map(|random| U256::from_be_bytes(random.0));
        Some(match kind {
            OpKind::GasPrice => U256::from(self.tx.effective_gas_price(block.basefee.into())),
            OpKind::Coinbase => U256::from_be_slice(block.beneficiary.as_slice()),
            OpKind::Timestamp => block.timestamp,
            OpKind::Number => block.number,
            OpKind::PrevRandao if self.env.spec.rules().has(Rule::ProofOfStake) => random?,
            OpKind::PrevRandao => block.difficulty,
            OpKind::GasLimit => U256::from(block.gas_limit),
            OpKind::ChainId => U256::from(self.env.chain_id),
            OpKind::BaseFee => U256::from(block.basefee),
            OpKind::BlobBaseFee => U256::from(block.blob_excess_gas_and_price?.blob_gasprice),
            _ => return None,
        })
    }
}

/// An expression's value in the run and now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pair {
    old: U256,
    new: U256,
}

impl Pair {
    fn is_same(self) -> bool {
        self.old == self.new
    }
}

/// A slot on its way along the path.
#[derive(Clone, Copy, Debug)]
struct Slot {
    key: U256,
    original: Pair,
    current: Pair,
    touched: bool,
}

/// What decides an SSTORE's gas and refund, besides whether its key is warm: whether the value
/// stays, whether it changed before, whether the original returns, and which of them are zero.
/// These are all that EIP-1283, 2200, 2929, 3529 and the rules before them compare.
fn gas_class(original: U256, current: U256, value: U256) -> [bool; 6] {
    [
        current == value,
        original == current,
        original == value,
        original.is_zero(),
        current.is_zero(),
        value.is_zero(),
    ]
}

/// Computes patches; holds the memory for it.
#[derive(Debug, Default)]
pub struct Redo {
    values: Vec<Pair>,
    slots: Vec<Slot>,
    /// Logs of the run that the path has come to.
    logs_seen: usize,
}

impl Redo {
    /// What a transaction does now whose first run is `observed`, if it ran the code that `set`
    /// belongs to, and all that it observed besides slots stands.
    pub fn patch(
        &mut self,
        set: &EffectSet,
        call: &Call<'_>,
        observed: &Observed<'_>,
    ) -> Result<Patch, Refusal> {
        self.start(set, call, observed)?;
        let (block, storage) = (|kind| call.block(kind), |_| None);
        let inputs = Inputs {
            call: symbolic::Env {
                caller: call.tx.caller,
                address: call.callee,
                origin: call.tx.caller,
                value: call.tx.value,
                call_data: &call.tx.data,
                storage: &storage,
            },
            block: &block,
        };
        let mut logs = Vec::with_capacity(observed.logs.len());
        let mut next = Some(SegmentId(0));
        loop {
            let segment = next.and_then(|id| set.segments.get(id.index()));
            let segment = segment.ok_or(Refusal::NoPath)?;
            for step in &segment.steps {
                self.step(set, &inputs, step, observed, &mut logs)?;
            }
            next = match &segment.end {
                SegmentEnd::Dropped => None,
                SegmentEnd::Check { test, a, b, taken, fall } => {
                    let (a, b) = (self.value(*a), self.value(*b));
                    let is_taken_now = is_taken(*test, a.new, b.new);
                    if is_taken(*test, a.old, b.old) != is_taken_now {
                        return Err(Refusal::Check);
                    }
                    if is_taken_now { *taken } else { *fall }
                }
                SegmentEnd::Return(words) => {
                    let output = self.bytes(words, observed.output)?;
                    return self.finish(call, observed, logs, output);
                }
            };
        }
    }

    fn start(
        &mut self,
        set: &EffectSet,
        call: &Call<'_>,
        observed: &Observed<'_>,
    ) -> Result<(), Refusal> {
        if observed.status != TxStatus::Success {
            return Err(Refusal::NoSuccess);
        }
        if set.selector.is_some() && set.selector != call.selector() {
            return Err(Refusal::NoPath);
        }
        if observed.slots.len() > REDO_SLOTS_COUNT_MAX {
            return Err(Refusal::ManySlots);
        }
        if observed.slots.iter().any(|slot| slot.address != call.callee) {
            return Err(Refusal::OtherAccounts);
        }
        self.values.resize(self.values.len().max(set.expressions.len()), Pair::default());
        self.slots.clear();
        self.slots.extend(observed.slots.iter().map(|slot| {
            let original = Pair { old: slot.original, new: slot.now };
            Slot { key: slot.key, original, current: original, touched: false }
        }));
        self.logs_seen = 0;
        Ok(())
    }

    fn value(&self, id: ExprId) -> Pair {
        self.values[id.index()]
    }

    fn step(
        &mut self,
        set: &EffectSet,
        inputs: &Inputs<'_>,
        step: &Step,
        observed: &Observed<'_>,
        logs: &mut Vec<Log>,
    ) -> Result<(), Refusal> {
        match step {
            Step::Value(id) => {
                let values = &self.values;
                let old = set.value(*id, inputs, |id| values[id.index()].old);
                let new = match set.varies(*id) {
                    true => set.value(*id, inputs, |id| values[id.index()].new),
                    false => old,
                };
                let (Some(old), Some(new)) = (old, new) else { return Err(Refusal::NoValue) };
                self.values[id.index()] = Pair { old, new };
            }
            Step::Load { key, value } => {
                self.values[value.index()] = self.slot(*key)?.current;
            }
            Step::Store { key, value } => {
                let value = self.value(*value);
                let slot = self.slot(*key)?;
                let (original, current) = (slot.original, slot.current);
                let old = gas_class(original.old, current.old, value.old);
                if old != gas_class(original.new, current.new, value.new) {
                    return Err(Refusal::Gas);
                }
                slot.current = value;
            }
            Step::Pin(id) => {
                if !self.value(*id).is_same() {
                    return Err(Refusal::Gas);
                }
            }
            Step::Trap { test, a, b } => {
                if is_taken(*test, self.value(*a).new, self.value(*b).new) {
                    return Err(Refusal::Check);
                }
            }
            Step::Log { topics, data } => {
                let log = self.log(inputs.call.address, topics, data, observed)?;
                logs.push(log);
            }
        }
        Ok(())
    }

    /// The slot that a key names in the run and now.
    fn slot(&mut self, key: ExprId) -> Result<&mut Slot, Refusal> {
        let key = self.value(key);
        if !key.is_same() {
            return Err(Refusal::Key);
        }
        let slot = self.slots.iter_mut().find(|slot| slot.key == key.old);
        let slot = slot.ok_or(Refusal::Mismatch)?;
        slot.touched = true;
        Ok(slot)
    }

    fn log(
        &mut self,
        address: Address,
        topics: &[ExprId],
        data: &[ExprId],
        observed: &Observed<'_>,
    ) -> Result<Log, Refusal> {
        let seen = observed.logs.get(self.logs_seen).ok_or(Refusal::Mismatch)?;
        self.logs_seen += 1;
        let old = topics.iter().map(|id| B256::from(self.value(*id).old));
        if seen.address != address || !old.eq(seen.data.topics().iter().copied()) {
            return Err(Refusal::Mismatch);
        }
        let data = self.bytes(data, &seen.data.data)?;
        let topics = topics.iter().map(|id| B256::from(self.value(*id).new)).collect();
        Ok(Log { address, data: LogData::new_unchecked(topics, data) })
    }

    /// The words as bytes; in the run they were `seen`.
    fn bytes(&self, words: &[ExprId], seen: &[u8]) -> Result<Bytes, Refusal> {
        if seen.len() != words.len() * 32 {
            return Err(Refusal::Mismatch);
        }
        let mut bytes = Vec::with_capacity(seen.len());
        for (word, seen) in words.iter().zip(seen.chunks_exact(32)) {
            let word = self.value(*word);
            if word.old.to_be_bytes::<32>() != seen {
                return Err(Refusal::Mismatch);
            }
            bytes.extend(word.new.to_be_bytes::<32>());
        }
        Ok(bytes.into())
    }

    /// Holds the slots after the path against those after the run.
    fn finish(
        &self,
        call: &Call<'_>,
        observed: &Observed<'_>,
        logs: Vec<Log>,
        output: Bytes,
    ) -> Result<Patch, Refusal> {
        // A slot that the run did not touch is in its overlay because the access list names it.
        let as_seen = |(slot, seen): (&Slot, &SlotUse)| {
            slot.current.old == seen.value && (slot.touched || call.declares(slot.key))
        };
        if logs.len() != observed.logs.len() || !self.slots.iter().zip(observed.slots).all(as_seen)
        {
            return Err(Refusal::Mismatch);
        }
        let values = self.slots.iter().map(|slot| slot.current.new).collect();
        Ok(Patch { values, logs, output })
    }
}
