//! Compares results with revm's on the same input, and makes a reproducer of every difference.
//!
//! What revm itself gave is not checked by it: a result in which revm or one of its precompiles had
//! a part ([`Fallback::relies_on_revm`]) may turn out wrong, but that it is equal counts for
//! nothing.

use super::Sequential;
use super::reproducer::StateTest;
use crate::error::Error;
use crate::state::HasStorage;
use crate::types::{AccountChange, Env, Executed, Fallback, Outcome, Transaction};
use alloy_primitives::{Address, B256, U256, keccak256};
use rayon::prelude::*;
use revm::database_interface::DatabaseRef;
use revm::state::EvmState;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::mem::discriminant;

/// One of so many transactions is checked by [`Validate::Sample`].
pub const SAMPLE_ONE_IN: u64 = 16;
/// Calls that one worker validates at a time: enough to pay for the EVM that it sets up.
const CALLS_PER_TASK: usize = 256;

/// How much is compared with revm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validate {
    /// Nothing.
    Off,
    /// One transaction in sixteen, always the same ones.
    Sample,
    /// Every transaction.
    #[default]
    Full,
}

impl Validate {
    /// Whether to check a transaction. `seed` varies the sample between inputs.
    fn checks(self, seed: u64, transaction: usize) -> bool {
        match self {
            Validate::Off => false,
            Validate::Full => true,
            Validate::Sample => mix(mix(seed) ^ transaction as u64).is_multiple_of(SAMPLE_ONE_IN),
        }
    }
}

/// Spreads indices evenly (splitmix64), so that a period in the input does not hide from a sample.
fn mix(index: u64) -> u64 {
    let mut x = index.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// One difference from revm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Mismatch {
    /// Index of the transaction.
    pub transaction: usize,
    /// What differs.
    pub what: String,
    /// What revm says.
    pub expected: String,
    /// What was computed.
    pub got: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { transaction, what, expected, got } = self;
        write!(f, "transaction {transaction}: {what}: revm has {expected}, got {got}")
    }
}

/// A transaction whose result differs.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// Index of the outcome.
    pub index: usize,
    /// Its differences.
    pub mismatches: Vec<Mismatch>,
    /// revm's result.
    pub expected: Outcome,
    /// The transaction as a state test.
    pub reproducer: StateTest,
}

/// What a validation found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Validation {
    /// Transactions that were compared.
    pub checked: u64,
    /// Transactions that nothing could be compared with but what had run them: they fell back to
    /// revm or one of its precompiles, and equal it.
    pub unchecked: u64,
    /// Those that differ, in order.
    pub wrong: Vec<Wrong>,
}

impl Validation {
    /// Takes in what became of one transaction.
    fn count(&mut self, got: &Outcome, wrong: Option<Wrong>) {
        match got.fallback.is_some_and(Fallback::relies_on_revm) && wrong.is_none() {
            true => self.unchecked += 1,
            false => self.checked += 1,
        }
        self.wrong.extend(wrong);
    }

    /// Differences of all transactions.
    pub fn mismatches(&self) -> impl Iterator<Item = &Mismatch> {
        self.wrong.iter().flat_map(|wrong| &wrong.mismatches)
    }
}

/// Validates the results of transactions that ran in order, of which `revm` is at the first. Each
/// that is checked runs on the state that the results before it give, so that one wrong result is
/// one difference and not one for each transaction that follows; as long as nothing differs, that
/// is revm's own state. `seed` varies the sample.
pub fn validate_in_order<DB: DatabaseRef>(
    mut revm: Sequential<DB>,
    env: &Env,
    transactions: &[Transaction],
    outcomes: &[Outcome],
    (mode, seed): (Validate, u64),
) -> Result<Validation, Error> {
    let mut validation = Validation::default();
    if mode == Validate::Off {
        return Ok(validation);
    }
    for (index, (tx, got)) in transactions.iter().zip(outcomes).enumerate() {
        // A rejection makes the whole block invalid: no sample leaves it out.
        if mode.checks(seed, index) || got.result.is_err() {
            let (touched, wrong) = check(&mut revm, env, index, tx, got)?;
            let equal = wrong.is_none();
            validation.count(got, wrong);
            if equal {
                revm.spend(got);
                revm.commit(touched);
                continue;
            }
        }
        revm.spend(got);
        if let Ok(executed) = &got.result {
            revm.apply(&executed.changes)?;
        }
    }
    Ok(validation)
}

/// Validates the results of calls that each ran on `db` itself.
pub fn validate_calls<DB: HasStorage + Sync>(
    env: &Env,
    calls: &[Transaction],
    outcomes: &[Outcome],
    db: &DB,
    mode: Validate,
) -> Result<Validation, Error> {
    if mode == Validate::Off {
        return Ok(Validation::default());
    }
    let tasks = calls.par_chunks(CALLS_PER_TASK).zip(outcomes.par_chunks(CALLS_PER_TASK));
    let parts = tasks.enumerate().map(|(task, (calls, outcomes))| {
        let mut validation = Validation::default();
        let mut revm = Sequential::new(env, db).with_storage_probe();
        for (offset, (call, got)) in calls.iter().zip(outcomes).enumerate() {
            let index = task * CALLS_PER_TASK + offset;
            if mode.checks(0, index) {
                let (_, wrong) = check(&mut revm, env, index, call, got)?;
                validation.count(got, wrong);
            }
        }
        Ok(validation)
    });
    let mut all = Validation::default();
    for part in parts.collect::<Result<Vec<_>, Error>>()? {
        all.checked += part.checked;
        all.unchecked += part.unchecked;
        all.wrong.extend(part.wrong);
    }
    Ok(all)
}

/// Runs one transaction on revm's state, without keeping its changes, and compares.
fn check<DB: DatabaseRef>(
    revm: &mut Sequential<DB>,
    env: &Env,
    index: usize,
    tx: &Transaction,
    got: &Outcome,
) -> Result<(EvmState, Option<Wrong>), Error> {
    let (expected, touched) = revm.transact_once(tx)?;
    let mismatches = compare(index, &expected, got);
    if mismatches.is_empty() {
        return Ok((touched, None));
    }
    let also = got.result.as_ref().map_or(&[][..], |executed| &executed.changes);
    let comment = mismatches.iter().map(Mismatch::to_string).collect::<Vec<_>>().join("; ");
    let reproducer = StateTest::new(env, tx, revm.state(), &touched, also, comment)?;
    Ok((touched, Some(Wrong { index, mismatches, expected, reproducer })))
}

/// All differences between two results of a transaction, in a fixed order.
pub fn compare(transaction: usize, expected: &Outcome, got: &Outcome) -> Vec<Mismatch> {
    let mut differences = Differences { transaction, found: Vec::new() };
    match (&expected.result, &got.result) {
        (Ok(expected), Ok(got)) => differences.executed(expected, got),
        (Err(expected), Err(got)) => {
            // The class counts: where several reasons hold, numbers in the message may differ.
            if discriminant(expected) != discriminant(got) {
                differences.add("rejection", expected.to_string(), got.to_string());
            }
        }
        (Ok(expected), Err(got)) => {
            let expected = format!("valid, {:?}", expected.status);
            differences.add("validity", expected, format!("rejected: {got}"));
        }
        (Err(expected), Ok(got)) => {
            let got = format!("valid, {:?}", got.status);
            differences.add("validity", format!("rejected: {expected}"), got);
        }
    }
    differences.found
}

/// A hash over results: status, gas, output, logs and every change of each transaction, or the kind
/// of its rejection. Runs that agree in it agree in everything but the exact reason of a halt.
pub fn result_hash(outcomes: &[Outcome]) -> B256 {
    let mut so_far = B256::ZERO;
    let mut bytes = Vec::new();
    for outcome in outcomes {
        bytes.clear();
        bytes.extend_from_slice(so_far.as_slice());
        match &outcome.result {
            Err(rejected) => {
                let debug = format!("{rejected:?}");
                let kind = debug.split([' ', '(']).next().unwrap_or_default();
                bytes.extend_from_slice(kind.as_bytes());
            }
            Ok(executed) => hash_executed(executed, &mut bytes),
        }
        so_far = keccak256(&bytes);
    }
    so_far
}

fn hash_executed(executed: &Executed, bytes: &mut Vec<u8>) {
    let mut sized = |list: &[u8]| {
        bytes.extend_from_slice(&(list.len() as u64).to_be_bytes());
        bytes.extend_from_slice(list);
    };
    sized(&[executed.status as u8]);
    sized(&executed.gas_used.to_be_bytes());
    sized(&executed.gas_refunded.to_be_bytes());
    sized(&executed.output);
    sized(executed.created.as_ref().map_or(&[], |created| created.as_slice()));
    sized(&alloy_rlp::encode(&executed.logs));
    for change in &executed.changes {
        sized(change.address.as_slice());
        match &change.info {
            None => sized(&[]),
            Some(info) => {
                sized(&info.balance.to_be_bytes::<32>());
                sized(&info.nonce.to_be_bytes());
                sized(info.code_hash.as_slice());
            }
        }
        sized(change.code.as_ref().map_or(&[], |code| &code[..]));
        sized(&[change.wiped.into()]);
        for (key, value) in &change.storage {
            sized(&key.to_be_bytes::<32>());
            sized(&value.to_be_bytes::<32>());
        }
    }
}

struct Differences {
    transaction: usize,
    found: Vec<Mismatch>,
}

impl Differences {
    fn add(&mut self, what: impl Into<String>, expected: String, got: String) {
        let transaction = self.transaction;
        self.found.push(Mismatch { transaction, what: what.into(), expected, got });
    }

    fn field<T: PartialEq + Debug>(&mut self, what: impl Into<String>, expected: &T, got: &T) {
        if expected != got {
            self.add(what, format!("{expected:?}"), format!("{got:?}"));
        }
    }

    fn executed(&mut self, expected: &Executed, got: &Executed) {
        self.field("status", &expected.status, &got.status);
        self.field("gas used", &expected.gas_used, &got.gas_used);
        self.field("gas refunded", &expected.gas_refunded, &got.gas_refunded);
        self.field("output", &expected.output, &got.output);
        self.field("created", &expected.created, &got.created);
        self.field("number of logs", &expected.logs.len(), &got.logs.len());
        for (index, (expected, got)) in expected.logs.iter().zip(&got.logs).enumerate() {
            self.field(format!("log {index}"), expected, got);
        }
        self.changes(&expected.changes, &got.changes);
    }

    fn changes(&mut self, expected: &[AccountChange], got: &[AccountChange]) {
        let by_address = |changes| -> BTreeMap<Address, &AccountChange> {
            let changes: &[AccountChange] = changes;
            changes.iter().map(|change| (change.address, change)).collect()
        };
        if got.len() != by_address(got).len() {
            self.add("changes", "each account once".into(), "an account twice".into());
        }
        let (expected, got) = (by_address(expected), by_address(got));
        for address in expected.keys().chain(got.keys()).collect::<BTreeSet<_>>() {
            match (expected.get(address), got.get(address)) {
                (Some(expected), Some(got)) => self.account(expected, got),
                (expected, got) => {
                    let text = |change: Option<&&AccountChange>| match change {
                        Some(change) => format!("{change:?}"),
                        None => "no change".to_owned(),
                    };
                    self.add(format!("account {address}"), text(expected), text(got));
                }
            }
        }
    }

    fn account(&mut self, expected: &AccountChange, got: &AccountChange) {
        let address = expected.address;
        self.field(format!("account {address}"), &expected.info, &got.info);
        self.field(format!("code of {address}"), &expected.code, &got.code);
        // What does not exist has no storage, however it came to that.
        let void = |change: &AccountChange| change.wiped || change.info.is_none();
        self.field(format!("storage void of {address}"), &void(expected), &void(got));
        let slots = |change: &AccountChange| -> BTreeMap<U256, U256> {
            change.storage.iter().copied().collect()
        };
        let (expected, got) = (slots(expected), slots(got));
        for key in expected.keys().chain(got.keys()).collect::<BTreeSet<_>>() {
            let what = format!("storage {key:#x} of {address}");
            self.field(what, &expected.get(key), &got.get(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_takes_one_in_sixteen() {
        let taken = (0..16_000).filter(|i| Validate::Sample.checks(7, *i)).count();
        assert!((900..1100).contains(&taken), "{taken}");
        assert!((0..100).all(|i| Validate::Full.checks(7, i) && !Validate::Off.checks(7, i)));
    }
}
