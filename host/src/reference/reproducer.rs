//! Writes one transaction as a state test (the GeneralStateTest format of ethereum/tests): a
//! reproducer that every client's state test runner takes.
//!
//! The pre-state holds only what the transaction touched. A state test's BLOCKHASH of n is keccak
//! of n in decimal, and all validity checks are on: so the expected result is revm's on the test
//! itself, not on the input that it came from.

use super::Sequential;
use crate::error::Error;
use crate::state::MemoryState;
use crate::types::{AccountChange, AuthorizationFault, BlobFault, Checks, Env, GasBound};
use crate::types::{Outcome, Rejected, Transaction};
use alloy_consensus::proofs::{state_root_unhashed, storage_root_unhashed};
use alloy_primitives::map::{HashMap, U256Map};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_trie::TrieAccount;
use revm::database::CacheDB;
use revm::database_interface::DatabaseRef;
use revm::state::EvmState;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use warpevm_compiler::{Rule, Spec};

/// How far BLOCKHASH sees.
const BLOCK_HASHES_MAX: u64 = 256;
/// The sender's real key is not known; runners take `sender`, but some want a key to stand there.
const SECRET_KEY_PLACEHOLDER: U256 = U256::ONE;

/// An account of a state test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ReproducedAccount {
    balance: U256,
    nonce: u64,
    code: Bytes,
    storage: BTreeMap<U256, U256>,
}

/// One transaction with what it needs, as a state test.
#[derive(Clone, Debug)]
pub struct StateTest {
    env: Env,
    transaction: Transaction,
    pre: BTreeMap<Address, ReproducedAccount>,
    comment: String,
}

/// What a state test expects.
#[derive(Clone, Debug)]
pub struct ExpectedPost {
    /// State root afterwards.
    pub hash: B256,
    /// keccak of the RLP of the logs.
    pub logs: B256,
    /// Why the transaction is not valid, if it is not.
    pub exception: Option<Rejected>,
    post: BTreeMap<Address, ReproducedAccount>,
}

impl StateTest {
    /// A test of `transaction` on what it touched in `state`. `touched` is what revm touched,
    /// `also` what the other side changed: a wrong access must find the same state.
    pub fn new<DB: DatabaseRef>(
        env: &Env,
        transaction: &Transaction,
        state: &CacheDB<DB>,
        touched: &EvmState,
        also: &[AccountChange],
        comment: String,
    ) -> Result<StateTest, Error> {
        let mut keys: BTreeMap<Address, BTreeSet<U256>> = BTreeMap::new();
        for (address, account) in touched {
            keys.entry(*address).or_default().extend(account.storage.keys());
        }
        for change in also {
            let slots = change.storage.iter().map(|(key, _)| *key);
            keys.entry(change.address).or_default().extend(slots);
        }
        keys.entry(transaction.caller).or_default();
        keys.extend(transaction.kind.to().filter(|to| !keys.contains_key(*to)).map(|to| {
            let none: BTreeSet<U256> = BTreeSet::new();
            (*to, none)
        }));
        let mut pre = BTreeMap::new();
        for (address, slots) in keys {
            if let Some(account) = read_account(state, address, &slots).map_err(Error::database)? {
                pre.insert(address, account);
            }
        }
        let mut env = env.clone();
        if !env.checks.base_fee && transaction.gas_price < u128::from(env.block.basefee) {
            // A state test cannot switch the check off.
            env.block.basefee = 0;
        }
        env.checks = Checks::default();
        env.chain_id = transaction.chain_id.unwrap_or(env.chain_id);
        Ok(StateTest { env, transaction: transaction.clone(), pre, comment })
    }

    /// What revm makes of the test.
    pub fn expected(&self) -> Result<ExpectedPost, Error> {
        let mut revm = Sequential::new(&self.env, self.state()).with_storage_probe();
        let outcome = revm.transact(&self.transaction)?;
        let mut post = self.pre.clone();
        let none = Vec::new();
        let logs = outcome.result.as_ref().map_or(&none, |executed| &executed.logs);
        apply(&mut post, &outcome);
        Ok(ExpectedPost {
            hash: state_root(&post),
            logs: keccak256(alloy_rlp::encode(logs)),
            exception: outcome.result.err(),
            post,
        })
    }

    /// The pre-state, with the block hashes of a state test.
    fn state(&self) -> MemoryState {
        let mut state = MemoryState::default();
        for (address, account) in &self.pre {
            let storage: U256Map<U256> = account.storage.iter().map(|(k, v)| (*k, *v)).collect();
            let code = account.code.clone();
            state.add_account(*address, account.balance, account.nonce, code, storage);
        }
        let number: u64 = self.env.block.number.saturating_to();
        let hashes = (number.saturating_sub(BLOCK_HASHES_MAX)..number)
            .map(|n| (n, keccak256(n.to_string())))
            .collect::<HashMap<_, _>>();
        state.block_hashes = hashes;
        state
    }

    /// The test as JSON, under `name`.
    pub fn to_json(&self, name: &str) -> Result<Value, Error> {
        let expected = self.expected()?;
        let mut post = json!({
            "hash": expected.hash,
            "logs": expected.logs,
            "indexes": {"data": 0, "gas": 0, "value": 0},
            "state": accounts(&expected.post),
        });
        if let Some(rejected) = &expected.exception {
            post["expectException"] = json!(exception(rejected));
        }
        Ok(json!({name: {
            "_info": {"comment": self.comment, "generator": "warpevm"},
            "config": {"chainid": quantity(U256::from(self.env.chain_id))},
            "env": self.env_json(),
            "pre": accounts(&self.pre),
            "transaction": self.transaction_json(),
            "post": {fork_name(self.env.spec): [post]},
        }}))
    }

    fn env_json(&self) -> Value {
        let (block, spec) = (&self.env.block, self.env.spec);
        let mut env = json!({
            "currentCoinbase": block.beneficiary,
            "currentNumber": quantity(block.number),
            "currentTimestamp": quantity(block.timestamp),
            "currentGasLimit": quantity(U256::from(block.gas_limit)),
            "currentDifficulty": quantity(block.difficulty),
        });
        if spec.rules().has(Rule::BaseFee) {
            env["currentBaseFee"] = quantity(U256::from(block.basefee));
        }
        if spec.rules().has(Rule::ProofOfStake) {
            env["currentRandom"] = json!(block.prevrandao.unwrap_or_default());
        }
        let blobs = spec.rules().has(Rule::Blobs);
        if let (true, Some(blob)) = (blobs, block.blob_excess_gas_and_price) {
            env["currentExcessBlobGas"] = quantity(U256::from(blob.excess_blob_gas));
        }
        env
    }

    fn transaction_json(&self) -> Value {
        let tx = &self.transaction;
        let to = match tx.kind {
            TxKind::Call(to) => json!(to),
            TxKind::Create => json!(""),
        };
        let mut out = json!({
            "sender": tx.caller,
            "secretKey": B256::from(SECRET_KEY_PLACEHOLDER),
            "nonce": quantity(U256::from(tx.nonce)),
            "to": to,
            "gasLimit": [quantity(U256::from(tx.gas_limit))],
            "value": [quantity(tx.value)],
            "data": [tx.data],
        });
        if let Some(priority) = tx.gas_priority_fee {
            out["maxFeePerGas"] = quantity(U256::from(tx.gas_price));
            out["maxPriorityFeePerGas"] = quantity(U256::from(priority));
        } else {
            out["gasPrice"] = quantity(U256::from(tx.gas_price));
        }
        if tx.tx_type > 0 {
            out["accessLists"] = json!([tx.access_list]);
            out["chainId"] = quantity(U256::from(tx.chain_id.unwrap_or(self.env.chain_id)));
        }
        if tx.tx_type == 3 {
            out["maxFeePerBlobGas"] = quantity(U256::from(tx.max_fee_per_blob_gas));
            out["blobVersionedHashes"] = json!(tx.blob_hashes);
        }
        if tx.tx_type == 4 {
            let signed = tx.authorization_list.iter().filter_map(|a| a.as_ref().left());
            out["authorizationList"] = signed.map(authorization_json).collect();
        }
        out
    }
}

fn authorization_json(signed: &alloy_eips::eip7702::SignedAuthorization) -> Value {
    json!({
        "chainId": quantity(signed.inner().chain_id),
        "address": signed.inner().address,
        "nonce": quantity(U256::from(signed.inner().nonce)),
        "v": quantity(U256::from(signed.y_parity())),
        "r": quantity(signed.r()),
        "s": quantity(signed.s()),
    })
}

fn read_account<DB: DatabaseRef>(
    state: &CacheDB<DB>,
    address: Address,
    slots: &BTreeSet<U256>,
) -> Result<Option<ReproducedAccount>, DB::Error> {
    let Some(info) = state.basic_ref(address)? else { return Ok(None) };
    let code = match info.code {
        Some(code) => code,
        None => state.code_by_hash_ref(info.code_hash)?,
    };
    let mut storage = BTreeMap::new();
    for key in slots {
        let value = state.storage_ref(address, *key)?;
        if !value.is_zero() {
            storage.insert(*key, value);
        }
    }
    let (balance, nonce) = (info.balance, info.nonce);
    Ok(Some(ReproducedAccount { balance, nonce, code: code.original_bytes(), storage }))
}

/// Makes the accounts what they are after a transaction.
fn apply(accounts: &mut BTreeMap<Address, ReproducedAccount>, outcome: &Outcome) {
    let changes = outcome.result.as_ref().map(|executed| executed.changes.as_slice());
    for change in changes.unwrap_or_default() {
        let Some(info) = &change.info else {
            accounts.remove(&change.address);
            continue;
        };
        let account = accounts.entry(change.address).or_default();
        account.balance = info.balance;
        account.nonce = info.nonce;
        if info.code_hash != keccak256(&account.code) {
            account.code = change.code.clone().unwrap_or_default();
        }
        if change.wiped {
            account.storage.clear();
        }
        account.storage.extend(change.storage.iter().copied());
        account.storage.retain(|_, value| !value.is_zero());
    }
}

fn state_root(accounts: &BTreeMap<Address, ReproducedAccount>) -> B256 {
    state_root_unhashed(accounts.iter().map(|(address, account)| {
        let slots = account.storage.iter().map(|(key, value)| (B256::from(*key), *value));
        let account = TrieAccount {
            nonce: account.nonce,
            balance: account.balance,
            storage_root: storage_root_unhashed(slots),
            code_hash: keccak256(&account.code),
        };
        (*address, account)
    }))
}

fn quantity(value: U256) -> Value {
    Value::String(format!("{value:#x}"))
}

fn accounts(accounts: &BTreeMap<Address, ReproducedAccount>) -> Value {
    let account = |account: &ReproducedAccount| {
        let slots = account.storage.iter();
        let storage: Map<String, Value> =
            slots.map(|(key, value)| (format!("{key:#x}"), quantity(*value))).collect();
        json!({
            "balance": quantity(account.balance),
            "nonce": quantity(U256::from(account.nonce)),
            "code": account.code,
            "storage": storage,
        })
    };
    accounts.iter().map(|(a, value)| (format!("{a:?}"), account(value))).collect()
}

/// The spec as state tests write it.
fn fork_name(spec: Spec) -> &'static str {
    match spec {
        Spec::Frontier => "Frontier",
        Spec::Homestead => "Homestead",
        Spec::Tangerine => "EIP150",
        Spec::SpuriousDragon => "EIP158",
        Spec::Byzantium => "Byzantium",
        Spec::Constantinople => "Constantinople",
        Spec::Petersburg => "ConstantinopleFix",
        Spec::Istanbul => "Istanbul",
        Spec::Berlin => "Berlin",
        Spec::London => "London",
        Spec::Merge => "Paris",
        Spec::Shanghai => "Shanghai",
        Spec::Cancun => "Cancun",
        Spec::Prague => "Prague",
        Spec::Osaka => "Osaka",
    }
}

/// The exception as execution-spec-tests names it.
fn exception(rejected: &Rejected) -> String {
    let names = exception_names(rejected);
    format!("TransactionException.{}", names.first().copied().unwrap_or_default())
}

/// What the tests call the reason why a transaction is not valid; the first is the one that we
/// write ourselves.
pub fn exception_names(reason: &Rejected) -> &'static [&'static str] {
    match reason {
        Rejected::NonceTooLow { .. } => &["NONCE_MISMATCH_TOO_LOW"],
        Rejected::NonceTooHigh { .. } => &["NONCE_MISMATCH_TOO_HIGH"],
        // The same rule in tests of states and in tests of transactions.
        Rejected::NonceMax => &["NONCE_IS_MAX", "NONCE_TOO_BIG"],
        Rejected::Balance { .. } => &["INSUFFICIENT_ACCOUNT_FUNDS"],
        // Nobody has so much, so that tests name either.
        Rejected::CostOverflow => {
            &["GASLIMIT_PRICE_PRODUCT_OVERFLOW", "INSUFFICIENT_ACCOUNT_FUNDS"]
        }
        Rejected::SenderCode => &["SENDER_NOT_EOA"],
        Rejected::IntrinsicGas { .. } => &["INTRINSIC_GAS_TOO_LOW"],
        Rejected::FloorGas { .. } => &["INTRINSIC_GAS_BELOW_FLOOR_GAS_COST"],
        Rejected::GasLimit { why: GasBound::Transaction, .. } => &["GAS_LIMIT_EXCEEDS_MAXIMUM"],
        Rejected::GasLimit { .. } => &["GAS_ALLOWANCE_EXCEEDED"],
        Rejected::BaseFee { .. } => &["INSUFFICIENT_MAX_FEE_PER_GAS"],
        Rejected::PriorityFee { .. } => {
            &["PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS", "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2"]
        }
        Rejected::BlobFee { .. } => &["INSUFFICIENT_MAX_FEE_PER_BLOB_GAS"],
        Rejected::Blobs(fault) => match fault {
            BlobFault::None => &["TYPE_3_TX_ZERO_BLOBS"],
            BlobFault::TooMany => &["TYPE_3_TX_BLOB_COUNT_EXCEEDED"],
            BlobFault::Version => &["TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH"],
            // Such a transaction has no encoding, which is the other name.
            BlobFault::Creation => &["TYPE_3_TX_CONTRACT_CREATION", "RLP_STRUCTURES_ENCODING"],
        },
        Rejected::ChainId { .. } => &["INVALID_CHAINID"],
        Rejected::InitCodeSize { .. } => &["INITCODE_SIZE_EXCEEDED"],
        Rejected::Authorizations(fault) => match fault {
            AuthorizationFault::Empty => &["TYPE_4_EMPTY_AUTHORIZATION_LIST"],
            AuthorizationFault::Creation => {
                &["TYPE_4_TX_CONTRACT_CREATION", "RLP_STRUCTURES_ENCODING"]
            }
            AuthorizationFault::Format => {
                &["TYPE_4_INVALID_AUTHORIZATION_FORMAT", "RLP_STRUCTURES_ENCODING"]
            }
        },
        // Older suites have one name for all types.
        Rejected::Type(1) => &["TYPE_1_TX_PRE_FORK", "TYPE_NOT_SUPPORTED"],
        Rejected::Type(2) => &["TYPE_2_TX_PRE_FORK", "TYPE_NOT_SUPPORTED"],
        Rejected::Type(3) => &["TYPE_3_TX_PRE_FORK", "TYPE_NOT_SUPPORTED"],
        Rejected::Type(4) => &["TYPE_4_TX_PRE_FORK", "TYPE_NOT_SUPPORTED"],
        Rejected::Type(_) => &["TYPE_NOT_SUPPORTED"],
    }
}
