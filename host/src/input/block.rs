//! A block with its pre-state: `block.json` (as `eth_getBlockByNumber` returns it, with full
//! transactions), `pre_state.json`, `codes.json`, `block_hashes.json`.

use super::InputError;
use super::json::{self, Fixed, HexBytes, Int, Int64, Int128, Quantity, UniqueMap, or_default};
use crate::chain::{BlockInput, HeaderFields, Withdrawal, forks};
use crate::state::{MemoryAccount, MemoryState};
use crate::types::{Checks, Env, Transaction};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::map::{AddressSet, HashMap};
use alloy_primitives::{Address, B256, Bloom, Bytes, TxKind, U256, keccak256};
use revm::context::BlockEnv;
use revm::context_interface::either::Either;
use revm::state::AccountInfo;
use serde::Deserialize;
use warpevm_compiler::Rule;

/// The bytes of a block's files and how messages call them.
pub(crate) struct BlockFiles<'a> {
    /// The block's folder, as messages write it.
    pub place: String,
    pub block: &'a [u8],
    pub pre_state: &'a [u8],
    pub codes: &'a [u8],
    /// Where the hashes came from is said when they were parsed.
    pub block_hashes: &'a HashMap<u64, B256>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a block as eth_getBlockByNumber returns it")]
struct RpcBlock {
    hash: Fixed<B256>,
    parent_hash: Fixed<B256>,
    miner: Fixed<Address>,
    state_root: Fixed<B256>,
    receipts_root: Fixed<B256>,
    logs_bloom: Fixed<Bloom>,
    difficulty: Quantity,
    number: Int64,
    gas_limit: Int64,
    gas_used: Int64,
    timestamp: Int64,
    mix_hash: Option<Fixed<B256>>,
    base_fee_per_gas: Option<Int64>,
    blob_gas_used: Option<Int64>,
    excess_blob_gas: Option<Int64>,
    parent_beacon_block_root: Option<Fixed<B256>>,
    requests_hash: Option<Fixed<B256>>,
    #[serde(default, deserialize_with = "or_default")]
    uncles: Vec<Fixed<B256>>,
    #[serde(default, deserialize_with = "or_default")]
    withdrawals: Vec<RpcWithdrawal>,
    transactions: Vec<RpcTransaction>,
}

#[derive(Deserialize)]
struct RpcWithdrawal {
    address: Fixed<Address>,
    amount: Int64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a full transaction, not its hash")]
struct RpcTransaction {
    hash: Fixed<B256>,
    nonce: Int64,
    from: Fixed<Address>,
    to: Option<Fixed<Address>>,
    value: Quantity,
    gas: Int64,
    input: HexBytes,
    #[serde(rename = "type")]
    ty: Option<Int<u8>>,
    chain_id: Option<Int64>,
    gas_price: Option<Int128>,
    max_fee_per_gas: Option<Int128>,
    max_priority_fee_per_gas: Option<Int128>,
    max_fee_per_blob_gas: Option<Int128>,
    #[serde(default, deserialize_with = "or_default")]
    access_list: Vec<RpcAccess>,
    #[serde(default, deserialize_with = "or_default")]
    blob_versioned_hashes: Vec<Fixed<B256>>,
    #[serde(default, deserialize_with = "or_default")]
    authorization_list: Vec<RpcAuthorization>,
}

/// One entry of an access list (EIP-2930).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RpcAccess {
    address: Fixed<Address>,
    storage_keys: Vec<Fixed<B256>>,
}

pub(crate) fn access_list(list: Vec<RpcAccess>) -> AccessList {
    let item = |a: RpcAccess| AccessListItem {
        address: a.address.0,
        storage_keys: a.storage_keys.into_iter().map(|key| key.0).collect(),
    };
    AccessList(list.into_iter().map(item).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RpcAuthorization {
    chain_id: Quantity,
    address: Fixed<Address>,
    nonce: Int64,
    y_parity: Option<Quantity>,
    v: Option<Quantity>,
    r: Quantity,
    s: Quantity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PreAccount {
    balance: Quantity,
    nonce: Int64,
    #[serde(rename = "code_hash", alias = "codeHash")]
    code_hash: Option<Fixed<B256>>,
    #[serde(default, deserialize_with = "or_default")]
    storage: UniqueMap<Quantity, Quantity>,
}

/// Parses `block_hashes.json`: decimal block number to hash.
pub(crate) fn parse_block_hashes(
    file: &str,
    bytes: &[u8],
) -> Result<HashMap<u64, B256>, InputError> {
    let UniqueMap(entries) = json::parse::<UniqueMap<u64, Fixed<B256>>>(file, bytes)?;
    Ok(entries.into_iter().map(|(number, hash)| (number, hash.0)).collect())
}

/// The number of the block in a `block.json`, if it can be read.
pub(crate) fn block_number(bytes: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Numbered {
        number: Int64,
    }
    json::parse::<Numbered>("block.json", bytes).ok().map(|block| block.number.0)
}

pub(crate) fn parse_block(files: &BlockFiles<'_>) -> Result<BlockInput, InputError> {
    let block_file = format!("{}/block.json", files.place);
    let block: RpcBlock = json::parse(&block_file, files.block)?;
    let env = block_env(&block_file, &block)?;
    let mut state = parse_state(files)?;
    state.block_hashes = files.block_hashes.clone();
    if let Some(parent) = block.number.0.checked_sub(1) {
        state.block_hashes.insert(parent, block.parent_hash.0);
    }
    let mut unlisted = AddressSet::default();
    let mut transactions = Vec::with_capacity(block.transactions.len());
    let mut hashes = Vec::with_capacity(block.transactions.len());
    for (index, tx) in block.transactions.into_iter().enumerate() {
        // A sender without an account is valid where an earlier transaction funds it, but then
        // its first nonce is 0.
        let sender = tx.from.0;
        let listed = state.accounts.contains_key(&sender) || !unlisted.insert(sender);
        if !listed && tx.nonce.0 > 0 {
            return Err(InputError::MissingSender { file: block_file, transaction: index, sender });
        }
        hashes.push(tx.hash.0);
        transactions.push(transaction(tx).map_err(|message| InputError::Transaction {
            file: block_file.clone(),
            transaction: index,
            message,
        })?);
    }
    let withdrawal =
        |w: RpcWithdrawal| Withdrawal { address: w.address.0, amount_gwei: w.amount.0 };
    Ok(BlockInput {
        place: files.place.clone(),
        number: block.number.0,
        env,
        transactions,
        hashes,
        state,
        header: HeaderFields {
            hash: block.hash.0,
            parent_hash: block.parent_hash.0,
            state_root: block.state_root.0,
            receipts_root: block.receipts_root.0,
            logs_bloom: block.logs_bloom.0,
            gas_used: block.gas_used.0,
            blob_gas_used: block.blob_gas_used.map(|g| g.0),
            parent_beacon_block_root: block.parent_beacon_block_root.map(|root| root.0),
            requests_hash: block.requests_hash.map(|hash| hash.0),
        },
        withdrawals: block.withdrawals.into_iter().map(withdrawal).collect(),
        ommers: block.uncles.into_iter().map(|hash| hash.0).collect(),
    })
}

fn block_env(file: &str, block: &RpcBlock) -> Result<Env, InputError> {
    let (number, timestamp) = (block.number.0, block.timestamp.0);
    let spec = forks::mainnet_spec(number, timestamp);
    let rules = spec.rules();
    let needs = |rule: Rule, field: &'static str, there: bool| {
        if !rules.has(rule) || there {
            return Ok(());
        }
        Err(InputError::MissingField { file: file.to_owned(), field, spec })
    };
    needs(Rule::BaseFee, "baseFeePerGas", block.base_fee_per_gas.is_some())?;
    needs(Rule::ProofOfStake, "mixHash", block.mix_hash.is_some())?;
    needs(Rule::Blobs, "excessBlobGas", block.excess_blob_gas.is_some())?;
    needs(Rule::BeaconRoot, "parentBeaconBlockRoot", block.parent_beacon_block_root.is_some())?;
    let blob = match block.excess_blob_gas {
        Some(Int(excess)) if rules.has(Rule::Blobs) => {
            let fee = forks::blob_fee(excess, forks::mainnet_blob_fraction(spec, timestamp));
            let error = || InputError::BlobFee { file: file.to_owned(), excess };
            Some(fee.ok_or_else(error)?)
        }
        _ => None,
    };
    Ok(Env {
        spec,
        chain_id: 1,
        block: BlockEnv {
            number: U256::from(number),
            beneficiary: block.miner.0,
            timestamp: U256::from(timestamp),
            gas_limit: block.gas_limit.0,
            basefee: block.base_fee_per_gas.map_or(0, |fee| fee.0),
            difficulty: block.difficulty.0,
            prevrandao: block.mix_hash.map(|hash| hash.0).filter(|_| rules.has(Rule::ProofOfStake)),
            blob_excess_gas_and_price: blob,
            ..BlockEnv::default()
        },
        checks: Checks::default(),
    })
}

fn transaction(tx: RpcTransaction) -> Result<Transaction, String> {
    let ty = tx.ty.map_or(0, |ty| ty.0);
    let missing = |field: &str| format!("type {ty} needs {field}");
    let dynamic = ty >= 2;
    let price = if dynamic { tx.max_fee_per_gas } else { tx.gas_price };
    let price_name = if dynamic { "maxFeePerGas" } else { "gasPrice" };
    if ty > 4 {
        return Err(format!("type {ty} is not known"));
    }
    if dynamic && tx.max_priority_fee_per_gas.is_none() {
        return Err(missing("maxPriorityFeePerGas"));
    }
    if ty == 3 && tx.max_fee_per_blob_gas.is_none() {
        return Err(missing("maxFeePerBlobGas"));
    }
    if ty > 0 && tx.chain_id.is_none() {
        return Err(missing("chainId"));
    }
    if ty > 2 && tx.to.is_none() {
        return Err(missing("to"));
    }
    Ok(Transaction {
        tx_type: ty,
        caller: tx.from.0,
        gas_limit: tx.gas.0,
        gas_price: price.ok_or_else(|| missing(price_name))?.0,
        kind: tx.to.map_or(TxKind::Create, |to| TxKind::Call(to.0)),
        value: tx.value.0,
        data: tx.input.0,
        nonce: tx.nonce.0,
        chain_id: tx.chain_id.map(|id| id.0),
        access_list: access_list(tx.access_list),
        gas_priority_fee: tx.max_priority_fee_per_gas.map(|fee| fee.0).filter(|_| dynamic),
        blob_hashes: tx.blob_versioned_hashes.into_iter().map(|hash| hash.0).collect(),
        max_fee_per_blob_gas: tx.max_fee_per_blob_gas.map_or(0, |fee| fee.0),
        authorization_list: authorizations(tx.authorization_list)?,
    })
}

fn authorizations(
    list: Vec<RpcAuthorization>,
) -> Result<
    Vec<Either<SignedAuthorization, revm::context_interface::transaction::RecoveredAuthorization>>,
    String,
> {
    let one = |(index, a): (usize, RpcAuthorization)| {
        let at = |why| format!("authorization {index}: {why}");
        let parity = json::y_parity(a.y_parity, a.v).map_err(at)?;
        let parity = u8::try_from(parity).map_err(|_| at("yParity exceeds 8 bits".to_owned()))?;
        let inner =
            Authorization { chain_id: a.chain_id.0, address: a.address.0, nonce: a.nonce.0 };
        Ok(Either::Left(SignedAuthorization::new_unchecked(inner, parity, a.r.0, a.s.0)))
    };
    list.into_iter().enumerate().map(one).collect()
}

fn parse_state(files: &BlockFiles<'_>) -> Result<MemoryState, InputError> {
    let codes_file = format!("{}/codes.json", files.place);
    let pre_file = format!("{}/pre_state.json", files.place);
    let UniqueMap(codes) =
        json::parse::<UniqueMap<Fixed<B256>, HexBytes>>(&codes_file, files.codes)?;
    let mut state = MemoryState::default();
    for (Fixed(listed), HexBytes(bytes)) in codes {
        let (actual, _) = state.add_code(bytes);
        if actual != listed {
            return Err(InputError::CodeHash { file: codes_file, listed, actual });
        }
    }
    let empty = state.add_code(Bytes::new());
    debug_assert_eq!(empty.0, keccak256([]));
    let UniqueMap(accounts) =
        json::parse::<UniqueMap<Fixed<Address>, PreAccount>>(&pre_file, files.pre_state)?;
    state.accounts.reserve(accounts.len());
    for (Fixed(address), account) in accounts {
        let hash = account.code_hash.map_or(empty.0, |hash| hash.0);
        let code = state.codes.get(&hash).cloned().ok_or_else(|| InputError::MissingCode {
            file: pre_file.clone(),
            address,
            hash,
        })?;
        let info = AccountInfo::new(account.balance.0, account.nonce.0, hash, code);
        let storage = account.storage.0.into_iter().map(|(k, v)| (k.0, v.0)).collect();
        state.accounts.insert(address, MemoryAccount::new(info, storage));
    }
    Ok(state)
}
