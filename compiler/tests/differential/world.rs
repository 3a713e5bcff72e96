//! What both evaluators run against: gas, memory, storage, and a made-up outside.
//!
//! The outside (balances, calls, hashes of blocks) answers with pseudo-random but reproducible
//! values that change with every call, so that a value wrongly kept across a call shows.

use alloy_primitives::{U256, keccak256};
use std::collections::{BTreeMap, BTreeSet};
use warpevm_compiler::{Rule, Spec};

/// Why a frame ended exceptionally. All reasons are alike to the EVM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt(pub &'static str);

/// How a frame ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Stop,
    Return(Vec<u8>),
    Revert(Vec<u8>),
    SelfDestruct(U256),
}

/// Something that the outside can see, with the gas left at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: &'static str,
    pub gas: u64,
    pub words: Vec<U256>,
    pub data: Vec<u8>,
}

/// The state of one frame, but for its stack.
#[derive(Clone, Debug)]
pub struct World {
    pub spec: Spec,
    pub gas: u64,
    pub memory: Vec<u8>,
    pub storage: BTreeMap<U256, U256>,
    pub transient: BTreeMap<U256, U256>,
    pub warm: BTreeSet<U256>,
    pub warm_accounts: BTreeSet<U256>,
    pub return_data: Vec<u8>,
    pub call_data: Vec<u8>,
    pub events: Vec<Event>,
    /// CALLVALUE is 0.
    pub no_value: bool,
    calls: u64,
}

/// Memory beyond this is 'out of gas' at once.
const MEMORY_MAX: u64 = 1 << 20;

impl World {
    pub fn new(spec: Spec, gas: u64, call_data: &[u8]) -> World {
        World {
            spec,
            gas,
            memory: Vec::new(),
            storage: BTreeMap::new(),
            transient: BTreeMap::new(),
            warm: BTreeSet::new(),
            warm_accounts: BTreeSet::new(),
            return_data: Vec::new(),
            call_data: call_data.to_vec(),
            events: Vec::new(),
            no_value: false,
            calls: 0,
        }
    }

    pub fn charge(&mut self, gas: u64) -> Result<(), Halt> {
        self.gas = self.gas.checked_sub(gas).ok_or(Halt("out of gas"))?;
        Ok(())
    }

    fn event(&mut self, kind: &'static str, words: &[U256], data: Vec<u8>) {
        self.events.push(Event { kind, gas: self.gas, words: words.to_vec(), data });
    }

    /// A reproducible value of the outside.
    pub fn outside(&self, what: &str, key: U256) -> U256 {
        let mut bytes = what.as_bytes().to_vec();
        bytes.extend(key.to_be_bytes::<32>());
        keccak256(bytes).into()
    }

    pub fn grow(&mut self, offset: U256, length: U256) -> Result<(), Halt> {
        if length.is_zero() {
            return Ok(());
        }
        let end = offset.checked_add(length).ok_or(Halt("out of gas"))?;
        if end > U256::from(MEMORY_MAX) {
            return Err(Halt("out of gas"));
        }
        let cost = |words: u64| 3 * words + words * words / 512;
        let (old, new) = (self.memory.len() as u64 / 32, end.to::<u64>().div_ceil(32));
        if new > old {
            self.charge(cost(new) - cost(old))?;
            self.memory.resize(new as usize * 32, 0);
        }
        Ok(())
    }

    pub fn read(&mut self, offset: U256, length: U256) -> Result<Vec<u8>, Halt> {
        self.grow(offset, length)?;
        if length.is_zero() {
            return Ok(Vec::new());
        }
        let start = offset.to::<usize>();
        Ok(self.memory[start..start + length.to::<usize>()].to_vec())
    }

    pub fn write(&mut self, offset: U256, data: &[u8]) {
        if !data.is_empty() {
            let start = offset.to::<usize>();
            self.memory[start..start + data.len()].copy_from_slice(data);
        }
    }

    /// The copy ops: `length` bytes of `source` from `from` on, zero-padded, to `to`.
    pub fn copy(&mut self, source: &[u8], to: U256, from: U256, length: U256) -> Result<(), Halt> {
        self.grow(to, length)?;
        self.charge(3 * length.saturating_to::<u64>().div_ceil(32))?;
        let length = length.to::<usize>();
        let from = from.saturating_to::<usize>().min(source.len());
        let mut data = source[from..(from.saturating_add(length)).min(source.len())].to_vec();
        data.resize(length, 0);
        self.write(to, &data);
        Ok(())
    }

    pub fn call_data_word(&self, offset: U256) -> U256 {
        let mut word = [0; 32];
        for (i, byte) in word.iter_mut().enumerate() {
            let at = offset.saturating_add(U256::from(i)).saturating_to::<usize>();
            *byte = self.call_data.get(at).copied().unwrap_or(0);
        }
        U256::from_be_bytes(word)
    }

    /// The surcharge for the first access to an account.
    pub fn account(&mut self, address: U256) -> Result<(), Halt> {
        let cold = self.warm_accounts.insert(address);
        self.charge(if cold && self.spec.rules().has(Rule::WarmAccess) { 2500 } else { 0 })
    }

    pub fn account_value(&mut self, what: &str, address: U256) -> Result<U256, Halt> {
        self.account(address)?;
        Ok(self.outside(what, address ^ U256::from(self.calls)))
    }

    pub fn sload(&mut self, key: U256) -> Result<U256, Halt> {
        let cold = self.warm.insert(key);
        self.charge(if cold && self.spec.rules().has(Rule::WarmAccess) { 2000 } else { 0 })?;
        Ok(self.storage.get(&key).copied().unwrap_or_else(|| self.outside("slot", key)))
    }

    pub fn sstore(&mut self, key: U256, value: U256) -> Result<(), Halt> {
        if self.gas <= self.spec.gas().sstore_sentry.into() {
            return Err(Halt("stipend"));
        }
        self.event("sstore", &[key, value], Vec::new());
        let cold = self.warm.insert(key);
        let old = self.storage.insert(key, value);
        let dear = cold && self.spec.rules().has(Rule::WarmAccess);
        let surcharge = if dear { 2100 } else { 0 };
        self.charge(surcharge + if old == Some(value) { 100 } else { 5000 })
    }

    pub fn log(&mut self, offset: U256, length: U256, topics: &[U256]) -> Result<(), Halt> {
        let data = self.read(offset, length)?;
        self.charge(8 * data.len() as u64)?;
        // Nobody sees the gas left at a log.
        self.events.push(Event { kind: "log", gas: 0, words: topics.to_vec(), data });
        Ok(())
    }

    pub fn create(&mut self, args: &[U256]) -> Result<U256, Halt> {
        let data = self.read(args[1], args[2])?;
        self.event("create", args, data);
        self.outcome(true, U256::ZERO, U256::ZERO)?;
        Ok(self.outside("created", U256::from(self.calls)) >> 96)
    }

    /// A call: `head` is gas, address and maybe value; `regions` input and output.
    pub fn call(
        &mut self,
        kind: &'static str,
        head: &[U256],
        regions: &[U256],
    ) -> Result<U256, Halt> {
        self.grow(regions[0], regions[1])?;
        self.grow(regions[2], regions[3])?;
        self.account(head[1])?;
        let data = self.read(regions[0], regions[1])?;
        let words: Vec<_> = head.iter().chain(regions).copied().collect();
        self.event(kind, &words, data);
        self.outcome(kind != "staticcall", regions[2], regions[3])?;
        Ok(U256::from(self.calls & 1))
    }

    /// What a call leaves behind.
    fn outcome(&mut self, writes: bool, out: U256, length: U256) -> Result<(), Halt> {
        self.calls += 1;
        self.charge(self.gas / 16)?;
        let noise = self.outside("return", U256::from(self.calls)).to_be_bytes::<32>();
        self.return_data = noise[..(self.calls % 33) as usize].to_vec();
        let copied = self.return_data.len().min(length.saturating_to());
        let data = self.return_data[..copied].to_vec();
        self.write(out, &data);
        if writes {
            for value in self.storage.values_mut().chain(self.transient.values_mut()) {
                *value ^= U256::from(self.calls);
            }
            let keys: Vec<_> = self.warm.iter().copied().collect();
            for key in keys {
                let changed = self.outside("reentered", key ^ U256::from(self.calls));
                self.storage.insert(key, changed);
            }
        }
        Ok(())
    }

    pub fn calls(&self) -> u64 {
        self.calls
    }
}
