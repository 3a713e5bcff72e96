//! State tests (GeneralStateTests of ethereum/tests, state_tests of execution-spec-tests): one
//! transaction on a small state, for several forks and several data, gas and value each.

use super::{Executor, Failure, Summary, exceptions};
use crate::chain::forks;
use crate::input::InputError;
use crate::input::json::{
    Fixed, HexBytes, Int64, Int128, Quantity, UniqueMap, parse, parse_some, y_parity,
};
use crate::reference::reproducer::exception_names;
use crate::state::{HasStorage, MemoryError, MemoryState, StateRoot};
use crate::types::{AccountChange, AccountInfo, Checks, Env, Outcome, Rejected, Transaction};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use k256::SecretKey;
use k256::elliptic_curve::sec1::ToEncodedPoint;
use rayon::prelude::*;
use revm::bytecode::Bytecode;
use revm::context::{BlockEnv, either::Either};
use revm::database_interface::DatabaseRef;
use revm::state::AccountInfo as RevmAccount;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use warpevm_compiler::{Rule, Spec};

/// A quantity that may be too large for its type: such a transaction cannot even be encoded.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Loose<T> {
    Good(T),
    Bad(String),
}

impl<T: Copy> Loose<T> {
    /// The value; `field` says which one is beyond what a transaction holds.
    fn get(&self, field: Unencodable) -> Result<T, NoTransaction> {
        let text = match self {
            Loose::Good(value) => return Ok(*value),
            Loose::Bad(text) => text,
        };
        let digits = text.trim_start_matches("0x:bigint ").trim_start_matches("0x");
        match !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            true => Err(NoTransaction::Unencodable(field)),
            false => Err(NoTransaction::Malformed(format!("'{text}' is no number"))),
        }
    }
}

/// A field of a transaction that no encoding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub(super) enum Unencodable {
    #[error("the nonce exceeds 64 bits")]
    Nonce,
    #[error("the gas limit exceeds 64 bits")]
    GasLimit,
    #[error("the value exceeds 256 bits")]
    Value,
    #[error("the price of gas exceeds 128 bits")]
    Price,
    #[error("the priority fee exceeds 128 bits")]
    PriorityFee,
    #[error("the price of blob gas exceeds 128 bits")]
    BlobFee,
    #[error("a field of an authorization exceeds its bits")]
    Authorization,
}

/// Why a test has no transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum NoTransaction {
    /// Which is what the test may be about.
    #[error(transparent)]
    Unencodable(#[from] Unencodable),
    /// The test is not of the form of one.
    #[error("{0}")]
    Malformed(String),
}

/// Why a case's transaction was not executed.
#[derive(Debug, thiserror::Error)]
enum NotExecuted {
    #[error(transparent)]
    Unencodable(Unencodable),
    #[error(transparent)]
    Rejected(Rejected),
}

impl NotExecuted {
    /// What the tests call it.
    fn names(&self) -> &'static [&'static str] {
        match self {
            NotExecuted::Unencodable(field) => exceptions::unencodable(*field),
            NotExecuted::Rejected(reason) => exception_names(reason),
        }
    }
}

#[derive(Deserialize)]
struct StateTestUnit {
    env: TestEnv,
    pre: UniqueMap<Fixed<Address>, TestAccount>,
    transaction: TestTransaction,
    post: BTreeMap<String, Vec<Post>>,
    config: Option<TestConfig>,
    #[serde(rename = "_info")]
    info: Option<Info>,
}

/// What tells a state test from others, and from what may stand beside tests.
#[derive(Deserialize)]
#[serde(untagged)]
enum StateTestKind {
    Test {
        #[serde(rename = "transaction")]
        _mark: IgnoredAny,
    },
    Other(IgnoredAny),
}

/// Whom a transaction calls; a creation has no such key, or an empty text.
#[derive(Deserialize)]
#[serde(untagged, expecting = "an address or an empty text")]
enum Callee {
    Address(Fixed<Address>),
    Nobody(Empty),
}

/// An empty text.
#[derive(Deserialize)]
enum Empty {
    #[serde(rename = "")]
    Empty,
}

#[derive(Deserialize)]
struct Info {
    #[serde(rename = "filling-tool-version")]
    filler: Option<String>,
}

impl StateTestUnit {
    /// Whether the block that the test was filled with paid its beneficiary a reward of nothing,
    /// also where it rejected the transaction. retesteth has it so; execution-spec-tests, which
    /// name no such tool, leave the state alone.
    fn rewards(&self) -> bool {
        let filler = self.info.as_ref().and_then(|info| info.filler.as_deref());
        filler.is_some_and(|filler| filler.starts_with("retesteth"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TestEnv {
    current_coinbase: Fixed<Address>,
    current_difficulty: Option<Quantity>,
    current_gas_limit: Quantity,
    current_number: Quantity,
    current_timestamp: Quantity,
    current_base_fee: Option<Int64>,
    current_random: Option<Quantity>,
    current_excess_blob_gas: Option<Int64>,
}

/// An account as the tests write it.
#[derive(Clone, Deserialize)]
pub(super) struct TestAccount {
    balance: Quantity,
    nonce: Int64,
    code: HexBytes,
    storage: UniqueMap<Quantity, Quantity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TestTransaction {
    sender: Option<Fixed<Address>>,
    secret_key: Option<Fixed<B256>>,
    to: Option<Callee>,
    nonce: Loose<Quantity>,
    gas_limit: Vec<Loose<Quantity>>,
    value: Vec<Loose<Quantity>>,
    data: Vec<HexBytes>,
    gas_price: Option<Loose<Int128>>,
    max_fee_per_gas: Option<Loose<Int128>>,
    max_priority_fee_per_gas: Option<Loose<Int128>>,
    max_fee_per_blob_gas: Option<Loose<Int128>>,
    blob_versioned_hashes: Option<Vec<Fixed<B256>>>,
    access_lists: Option<Vec<Option<Vec<AccessItem>>>>,
    authorization_list: Option<Vec<TestAuthorization>>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccessItem {
    address: Fixed<Address>,
    storage_keys: Vec<Fixed<B256>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TestAuthorization {
    chain_id: Quantity,
    address: Fixed<Address>,
    nonce: Loose<Int64>,
    y_parity: Option<Quantity>,
    v: Option<Quantity>,
    r: Quantity,
    s: Quantity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Post {
    hash: Fixed<B256>,
    logs: Fixed<B256>,
    indexes: Indexes,
    txbytes: Option<HexBytes>,
    expect_exception: Option<String>,
    state: Option<UniqueMap<Fixed<Address>, TestAccount>>,
}

#[derive(Clone, Copy, Deserialize)]
struct Indexes {
    data: usize,
    gas: usize,
    value: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TestConfig {
    chainid: Option<Int64>,
    blob_schedule: Option<BTreeMap<String, TestBlobs>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TestBlobs {
    base_fee_update_fraction: Int64,
}

/// The state of a test: accounts in memory, and BLOCKHASH of n is keccak of n in decimal.
#[derive(Clone, Debug, Default)]
pub struct TestState(pub MemoryState);

impl DatabaseRef for TestState {
    type Error = MemoryError;

    fn basic_ref(&self, address: Address) -> Result<Option<RevmAccount>, MemoryError> {
        self.0.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, MemoryError> {
        self.0.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256, MemoryError> {
        self.0.storage_ref(address, key)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, MemoryError> {
        Ok(keccak256(number.to_string()))
    }
}

impl HasStorage for TestState {
    fn has_storage(&self, address: Address) -> Result<bool, MemoryError> {
        self.0.has_storage(address)
    }
}

impl TestState {
    /// The state root after `changes`.
    pub fn root_after(&self, changes: &[AccountChange]) -> Result<B256, MemoryError> {
        self.0.root_after(changes)
    }
}

/// The state tests of a file, and how many of its keys are none.
fn units(name: &str, bytes: &[u8]) -> Result<(BTreeMap<String, StateTestUnit>, u64), InputError> {
    let kinds: BTreeMap<String, StateTestKind> = parse(name, bytes)?;
    let is_test = |test: &str| matches!(kinds.get(test), Some(StateTestKind::Test { .. }));
    let units = parse_some(name, bytes, &is_test)?;
    let others = kinds.len() - units.len();
    Ok((units, others as u64))
}

/// Runs every case of one file that `filter` lets through.
pub fn run_file(
    name: &str,
    bytes: &[u8],
    executor: &dyn Executor,
    filter: &dyn Fn(&str, &str) -> bool,
) -> Result<Summary, InputError> {
    let (units, others) = units(name, bytes)?;
    let mut summary = Summary::default();
    if others > 0 {
        summary.skip("not a state test", others);
    }
    for (test, unit) in &units {
        let mut state = TestState::default();
        fill(&mut state.0, &unit.pre);
        let posts = unit.post.iter().flat_map(|(fork, posts)| posts.iter().map(move |p| (fork, p)));
        let cases = posts.filter_map(|(fork, post)| {
            let at = post.indexes;
            let case = format!("{test} {fork} d{} g{} v{}", at.data, at.gas, at.value);
            filter(&case, fork).then_some((case, fork.as_str(), post))
        });
        let cases: Vec<_> = cases.collect();
        let run = |(case, fork, post)| run_case(name, case, fork, unit, post, &state, executor);
        let ran: Vec<Summary> = cases.into_par_iter().map(run).collect();
        summary = ran.into_iter().fold(summary, Summary::merged);
    }
    Ok(summary)
}

/// A case of a state test as it is before it runs.
#[derive(Clone, Debug)]
pub struct StateCase {
    /// Test, fork and indexes.
    pub name: String,
    /// Its environment.
    pub env: Env,
    /// Its transaction.
    pub transaction: Transaction,
    /// The state before it.
    pub state: MemoryState,
}

/// The cases of one file, which are not run.
pub fn read_cases(name: &str, bytes: &[u8]) -> Result<Vec<StateCase>, InputError> {
    let (units, _) = units(name, bytes)?;
    let mut cases = Vec::new();
    for (test, unit) in &units {
        let posts = unit.post.iter().flat_map(|(fork, posts)| posts.iter().map(move |p| (fork, p)));
        for (fork, post) in posts {
            let Ok(spec) = fork.parse::<Spec>() else { continue };
            let at = post.indexes;
            let case = format!("{test} {fork} d{} g{} v{}", at.data, at.gas, at.value);
            let made = environment(unit, spec, fork).and_then(|env| {
                let transaction = transaction(&unit.transaction, post, env.chain_id);
                Ok((transaction.map_err(|why| why.to_string())?, env))
            });
            let (transaction, env) = made.map_err(|message| InputError::Case {
                file: name.to_owned(),
                case: case.clone(),
                message,
            })?;
            let mut state = MemoryState::default();
            fill(&mut state, &unit.pre);
            cases.push(StateCase { name: case, env, transaction, state });
        }
    }
    Ok(cases)
}

/// Adds the accounts of a test to a state. Slots that are zero are left out.
pub(super) fn fill(state: &mut MemoryState, accounts: &UniqueMap<Fixed<Address>, TestAccount>) {
    for (address, account) in &accounts.0 {
        let slots = account.storage.0.iter().filter(|(_, value)| !value.0.is_zero());
        let storage = slots.map(|(key, value)| (key.0, value.0)).collect();
        let code = account.code.0.clone();
        state.add_account(address.0, account.balance.0, account.nonce.0, code, storage);
    }
}

fn run_case(
    file: &str,
    case: String,
    fork: &str,
    unit: &StateTestUnit,
    post: &Post,
    state: &TestState,
    executor: &dyn Executor,
) -> Summary {
    let mut summary = Summary::default();
    let Ok(spec) = fork.parse::<Spec>() else {
        summary.skipped.insert(format!("no such fork: {fork}"), 1);
        return summary;
    };
    let outcome = environment(unit, spec, fork).and_then(|env| {
        match transaction(&unit.transaction, post, env.chain_id) {
            Ok(tx) => executor.transact(&env, &tx, state).map(Ok),
            Err(NoTransaction::Unencodable(field)) => Ok(Err(field)),
            Err(NoTransaction::Malformed(why)) => Err(why),
        }
    });
    let verdict = match outcome {
        Err(why) => Err(format!("not executed: {why}")),
        Ok(outcome) => {
            match outcome.as_ref().ok().and_then(|o| o.fallback) {
                Some(reason) => *summary.fallbacks.entry(reason).or_default() += 1,
                None => summary.resident += 1,
            }
            let rewarded = unit.rewards().then_some(unit.env.current_coinbase.0);
            judge(post, state, outcome, spec, rewarded)
        }
    };
    match verdict {
        Ok(()) => summary.passed = 1,
        Err(reason) => {
            summary.failed = 1;
            let (file, case) = (file.to_owned(), Some(case));
            summary.failures.push(Failure { file, case, reason });
        }
    }
    summary
}

/// Holds an outcome (or why there can be no transaction) against what the test expects.
fn judge(
    post: &Post,
    state: &TestState,
    outcome: Result<Outcome, Unencodable>,
    spec: Spec,
    rewarded: Option<Address>,
) -> Result<(), String> {
    let result = outcome
        .map_err(NotExecuted::Unencodable)
        .and_then(|outcome| outcome.result.map_err(NotExecuted::Rejected));
    match (&result, &post.expect_exception) {
        (Ok(_), Some(expected)) => return Err(format!("accepted, expected {expected}")),
        (Err(why), None) => return Err(format!("rejected: {why}")),
        (Err(why), Some(expected)) if !exceptions::explains(why.names(), expected) => {
            return Err(format!("rejected for another reason than {expected}: {why}"));
        }
        _ => {}
    }
    let (mut changes, logs) = match result {
        Ok(executed) => (executed.changes, executed.logs),
        Err(_) => (Vec::new(), Vec::new()),
    };
    if let Some(beneficiary) = rewarded {
        reward_nothing(spec, beneficiary, state, &mut changes);
    }
    let logs = keccak256(alloy_rlp::encode(&logs));
    if logs != post.logs.0 {
        return Err(format!("logs hash {logs}, expected {}", post.logs));
    }
    let root = state.root_after(&changes).map_err(|error| error.to_string())?;
    if root == post.hash.0 {
        return Ok(());
    }
    let difference = post.state.as_ref().map(|s| difference(state, &changes, s));
    let difference = difference.unwrap_or_default();
    Err(format!("state root {root}, expected {}{difference}", post.hash))
}

/// A reward of nothing touches the account: before EIP-161 it is there afterwards, from then on it
/// is not if it is empty.
fn reward_nothing(
    spec: Spec,
    beneficiary: Address,
    state: &TestState,
    changes: &mut Vec<AccountChange>,
) {
    let changed = changes.iter_mut().find(|change| change.address == beneficiary);
    let before = state.0.accounts.get(&beneficiary);
    // Whether the account is there, and whether it is empty.
    let (exists, empty) = match &changed {
        Some(change) => (change.info.is_some(), change.info == Some(AccountInfo::EMPTY)),
        None => (before.is_some(), before.is_some_and(|account| account.info.is_empty())),
    };
    let rewarded = match spec.rules().has(Rule::StateClearing) {
        false if !exists => Some(AccountInfo::EMPTY),
        true if empty => None,
        _ => return,
    };
    match changed {
        Some(change) => change.info = rewarded,
        None => changes.push(AccountChange {
            address: beneficiary,
            info: rewarded,
            code: None,
            wiped: false,
            storage: Vec::new(),
        }),
    }
}

/// The first differences from an expected state that the test spells out.
fn difference(
    state: &TestState,
    changes: &[AccountChange],
    expected: &UniqueMap<Fixed<Address>, TestAccount>,
) -> String {
    let mut want = TestState::default();
    fill(&mut want.0, expected);
    let mut text = String::new();
    for change in changes {
        let account = want.0.accounts.get(&change.address);
        match (&change.info, account) {
            (None, None) => {}
            (Some(got), Some(want)) => {
                let w = &want.info;
                if (got.balance, got.nonce, got.code_hash) != (w.balance, w.nonce, w.code_hash) {
                    text += &format!(
                        "; {}: balance {} nonce {} code {}, expected {} {} {}",
                        change.address,
                        got.balance,
                        got.nonce,
                        got.code_hash,
                        w.balance,
                        w.nonce,
                        w.code_hash
                    );
                }
                for (key, got) in &change.storage {
                    let want = want.storage().get(key).copied().unwrap_or_default();
                    if want != *got {
                        text += &format!("; {}[{key}]: {got}, expected {want}", change.address);
                    }
                }
            }
            (got, want) => {
                let (got, want) = (got.is_some(), want.is_some());
                text += &format!("; {} exists: {got}, expected {want}", change.address);
            }
        }
    }
    for (address, want) in &want.0.accounts {
        let changed = changes.iter().any(|c| c.address == *address);
        if !changed && state.0.accounts.get(address).is_none_or(|a| a.info != want.info) {
            text += &format!("; {address} did not change");
        }
    }
    text
}

fn environment(unit: &StateTestUnit, spec: Spec, fork: &str) -> Result<Env, String> {
    let env = &unit.env;
    let schedule = unit.config.as_ref().and_then(|c| c.blob_schedule.as_ref());
    let fraction = schedule.and_then(|s| s.get(fork)).map(|s| s.base_fee_update_fraction.0);
    let excess = env.current_excess_blob_gas.map_or(0, |e| e.0);
    let fraction = fraction.unwrap_or(spec.block_schedule().blob_fee_update_fraction);
    let has = |rule| spec.rules().has(rule);
    let block = BlockEnv {
        number: env.current_number.0,
        beneficiary: env.current_coinbase.0,
        timestamp: env.current_timestamp.0,
        gas_limit: u64::try_from(env.current_gas_limit.0).unwrap_or(u64::MAX),
        basefee: env.current_base_fee.map_or(0, |fee| fee.0),
        difficulty: env.current_difficulty.map_or(U256::ZERO, |d| d.0),
        prevrandao: has(Rule::ProofOfStake)
            .then(|| B256::from(env.current_random.map_or(U256::ZERO, |r| r.0))),
        blob_excess_gas_and_price: if has(Rule::Blobs) {
            Some(forks::blob_fee(excess, fraction).ok_or("excess blob gas beyond any sense")?)
        } else {
            None
        },
        slot_num: 0,
    };
    let chain_id = unit.config.as_ref().and_then(|c| c.chainid).map_or(1, |id| id.0);
    Ok(Env { spec, chain_id, block, checks: Checks::default() })
}

fn pick<'a, T>(list: &'a [T], index: usize, what: &str) -> Result<&'a T, NoTransaction> {
    let none = || NoTransaction::Malformed(format!("the test has no {what} {index}"));
    list.get(index).ok_or_else(none)
}

/// A fee of a test; `field` says which.
fn fee(fee: &Option<Loose<Int128>>, field: Unencodable) -> Result<Option<u128>, NoTransaction> {
    fee.as_ref().map(|fee| fee.get(field).map(|value| value.0)).transpose()
}

/// A number of 64 bits; `field` says which.
fn u64_of(number: &Loose<Quantity>, field: Unencodable) -> Result<u64, NoTransaction> {
    u64::try_from(number.get(field)?.0).map_err(|_| NoTransaction::Unencodable(field))
}

fn transaction(
    t: &TestTransaction,
    post: &Post,
    chain_id: u64,
) -> Result<Transaction, NoTransaction> {
    let at = post.indexes;
    let access = t.access_lists.as_ref().and_then(|lists| lists.get(at.data)?.as_ref());
    let max_fee = fee(&t.max_fee_per_gas, Unencodable::Price)?;
    let gas_price = fee(&t.gas_price, Unencodable::Price)?;
    let blob_fee = fee(&t.max_fee_per_blob_gas, Unencodable::BlobFee)?;
    let tx_type = if t.authorization_list.is_some() {
        4
    } else if t.max_fee_per_blob_gas.is_some() || t.blob_versioned_hashes.is_some() {
        3
    } else if max_fee.is_some() {
        2
    } else if access.is_some() {
        1
    } else {
        0
    };
    Ok(Transaction {
        tx_type,
        caller: sender(t)?,
        gas_limit: u64_of(pick(&t.gas_limit, at.gas, "gas limit")?, Unencodable::GasLimit)?,
        gas_price: max_fee.or(gas_price).unwrap_or(0),
        kind: match t.to {
            Some(Callee::Address(Fixed(to))) => TxKind::Call(to),
            Some(Callee::Nobody(Empty::Empty)) | None => TxKind::Create,
        },
        value: pick(&t.value, at.value, "value")?.get(Unencodable::Value)?.0,
        data: pick(&t.data, at.data, "data")?.0.clone(),
        nonce: u64_of(&t.nonce, Unencodable::Nonce)?,
        chain_id: signed_chain_id(post.txbytes.as_ref().map(|b| &b.0), tx_type, chain_id),
        access_list: AccessList(
            access.into_iter().flatten().map(|item| item.clone().into()).collect(),
        ),
        gas_priority_fee: fee(&t.max_priority_fee_per_gas, Unencodable::PriorityFee)?,
        blob_hashes: t.blob_versioned_hashes.iter().flatten().map(|hash| hash.0).collect(),
        max_fee_per_blob_gas: blob_fee.unwrap_or(0),
        authorization_list: authorizations(t)?,
    })
}

/// Who sends the transaction: as the test says, else whose secret key it gives.
fn sender(t: &TestTransaction) -> Result<Address, NoTransaction> {
    let malformed = |why: String| NoTransaction::Malformed(why);
    let Some(Fixed(sender)) = t.sender else {
        let neither = || malformed("there is neither sender nor secretKey".to_owned());
        let Fixed(key) = t.secret_key.ok_or_else(neither)?;
        let key = SecretKey::from_slice(key.as_slice())
            .map_err(|error| malformed(format!("secretKey: {error}")))?;
        let point = key.public_key().to_encoded_point(false);
        return Ok(Address::from_raw_public_key(&point.as_bytes()[1..]));
    };
    Ok(sender)
}

/// The chain id that the transaction was signed for; where the bytes do not say, the chain's.
fn signed_chain_id(bytes: Option<&Bytes>, tx_type: u8, chain_id: u64) -> Option<u64> {
    use alloy_consensus::{Transaction as _, TxEnvelope};
    use alloy_eips::eip2718::Decodable2718;
    let decoded = bytes.and_then(|b| TxEnvelope::decode_2718(&mut b.as_ref()).ok());
    match decoded {
        Some(tx) => tx.chain_id(),
        None => (tx_type > 0).then_some(chain_id),
    }
}

fn authorizations(
    t: &TestTransaction,
) -> Result<
    Vec<Either<SignedAuthorization, revm::context::transaction::RecoveredAuthorization>>,
    NoTransaction,
> {
    let beyond = Unencodable::Authorization;
    let list = t.authorization_list.as_deref().unwrap_or_default();
    list.iter()
        .map(|a| {
            let parity = y_parity(a.y_parity, a.v).map_err(NoTransaction::Malformed)?;
            let inner = Authorization {
                chain_id: a.chain_id.0,
                address: a.address.0,
                nonce: a.nonce.get(beyond)?.0,
            };
            let parity = u8::try_from(parity).map_err(|_| beyond)?;
            Ok(Either::Left(SignedAuthorization::new_unchecked(inner, parity, a.r.0, a.s.0)))
        })
        .collect()
}

impl From<AccessItem> for AccessListItem {
    fn from(item: AccessItem) -> AccessListItem {
        let storage_keys = item.storage_keys.into_iter().map(|key| key.0).collect();
        AccessListItem { address: item.address.0, storage_keys }
    }
}
