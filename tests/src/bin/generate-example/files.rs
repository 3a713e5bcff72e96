//! The files of the example, in the shapes that nodes give.

use crate::block::Block;
use crate::chain::Account;
use alloy_consensus::{Transaction, TxEnvelope, Typed2718};
use alloy_eips::eip2930::AccessListItem;
use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::LowerHex;

fn hex(number: impl LowerHex) -> Value {
    format!("{number:#x}").into()
}

/// `block.json`, one transaction a line: eth_getBlockByNumber with full transactions, less what
/// each transaction would repeat of the block.
pub fn block(block: &Block) -> String {
    let h = &block.header;
    let hash = h.hash_slow();
    let head = json!({
        "hash": hash,
        "parentHash": h.parent_hash,
        "sha3Uncles": h.ommers_hash,
        "miner": lower(h.beneficiary),
        "stateRoot": h.state_root,
        "transactionsRoot": h.transactions_root,
        "receiptsRoot": h.receipts_root,
        "logsBloom": h.logs_bloom,
        "difficulty": hex(h.difficulty),
        "number": hex(h.number),
        "gasLimit": hex(h.gas_limit),
        "gasUsed": hex(h.gas_used),
        "timestamp": hex(h.timestamp),
        "extraData": h.extra_data,
        "mixHash": h.mix_hash,
        "nonce": h.nonce,
        "baseFeePerGas": h.base_fee_per_gas.map(hex),
        "withdrawalsRoot": h.withdrawals_root,
        "blobGasUsed": h.blob_gas_used.map(hex),
        "excessBlobGas": h.excess_blob_gas.map(hex),
        "parentBeaconBlockRoot": h.parent_beacon_block_root,
        "uncles": [],
        "withdrawals": block.withdrawals.iter().map(|w| json!({
            "index": hex(w.index),
            "validatorIndex": hex(w.validator_index),
            "address": lower(w.address),
            "amount": hex(w.amount),
        })).collect::<Vec<_>>(),
    });
    let mut lines: Vec<String> = Vec::new();
    for (i, (from, tx)) in block.txs.iter().enumerate() {
        lines.push(transaction(i, *from, tx, h.base_fee_per_gas).to_string());
    }
    let head = head.to_string();
    let head = head.strip_suffix('}').unwrap_or(&head);
    format!("{head},\n\"transactions\":[\n{}\n]}}\n", lines.join(",\n"))
}

fn transaction(index: usize, from: Address, tx: &TxEnvelope, base_fee: Option<u64>) -> Value {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| {
        map.insert(key.to_owned(), value);
    };
    let signature = tx.signature();
    put("hash", json!(tx.tx_hash()));
    put("transactionIndex", hex(index));
    put("type", hex(tx.ty()));
    put("from", lower(from));
    put("to", tx.to().map_or(Value::Null, lower));
    put("nonce", hex(tx.nonce()));
    put("value", hex(tx.value()));
    put("gas", hex(tx.gas_limit()));
    put("gasPrice", hex(tx.effective_gas_price(base_fee)));
    put("input", json!(tx.input()));
    put("r", hex(signature.r()));
    put("s", hex(signature.s()));
    let parity = u64::from(signature.v());
    if let TxEnvelope::Legacy(_) = tx {
        put("v", hex(tx.chain_id().map_or(27, |id| 35 + 2 * id) + parity));
    } else {
        put("v", hex(parity));
        put("yParity", hex(parity));
    }
    if let Some(id) = tx.chain_id() {
        put("chainId", hex(id));
    }
    if let Some(list) = tx.access_list() {
        let item = |item: &AccessListItem| {
            let keys = &item.storage_keys;
            json!({ "address": lower(item.address), "storageKeys": keys })
        };
        put("accessList", list.0.iter().map(item).collect());
    }
    if let TxEnvelope::Eip1559(_) = tx {
        put("maxFeePerGas", hex(tx.max_fee_per_gas()));
        put("maxPriorityFeePerGas", tx.max_priority_fee_per_gas().map_or(Value::Null, hex));
    }
    Value::Object(map)
}

/// An address without the capitals of a checksum.
fn lower(address: Address) -> Value {
    format!("{address:#x}").into()
}

/// An object with one entry a line.
fn lines(entries: impl IntoIterator<Item = (String, Value)>) -> String {
    let lines: Vec<String> =
        entries.into_iter().map(|(key, value)| format!("{}:{value}", json!(key))).collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

fn storage(account: &Account) -> Value {
    let slots = account.storage.iter().map(|(key, value)| (format!("{key:#x}"), hex(value)));
    Value::Object(slots.collect())
}

/// `pre_state.json`: address to balance, nonce, storage and, where there is code, its hash.
pub fn pre_state(accounts: &BTreeMap<Address, Account>) -> String {
    lines(accounts.iter().map(|(address, account)| {
        let mut value = json!({
            "balance": hex(account.balance),
            "nonce": account.nonce,
            "storage": storage(account),
        });
        if !account.code.is_empty() {
            value["code_hash"] = json!(account.code_hash);
        }
        (format!("{address:#x}"), value)
    }))
}

/// `codes.json`: code hash to bytecode.
pub fn codes(accounts: &BTreeMap<Address, Account>) -> String {
    let codes: BTreeMap<B256, &Bytes> = accounts
        .values()
        .filter(|account| !account.code.is_empty())
        .map(|account| (account.code_hash, &account.code))
        .collect();
    lines(codes.into_iter().map(|(hash, code)| (hash.to_string(), json!(code))))
}

/// `block_hashes.json`: number in decimal to hash.
pub fn block_hashes(hashes: &BTreeMap<u64, B256>) -> String {
    lines(hashes.iter().map(|(number, hash)| (number.to_string(), json!(hash))))
}

/// One call of a batch.
pub struct BatchCall {
    pub from: Address,
    pub to: Option<Address>,
    pub data: Bytes,
    pub value: U256,
    pub gas: u64,
    pub gas_price: u128,
}

/// A batch as `docs/BATCH.md` describes it.
pub fn batch(env: &Value, accounts: &BTreeMap<Address, Account>, calls: &[BatchCall]) -> String {
    let state = lines(accounts.iter().map(|(address, account)| {
        let mut value = json!({ "balance": hex(account.balance), "nonce": hex(account.nonce) });
        if !account.code.is_empty() {
            value["code"] = json!(account.code);
            value["storage"] = storage(account);
        }
        (format!("{address:#x}"), value)
    }));
    let calls: Vec<String> = calls
        .iter()
        .map(|call| {
            let mut value = json!({
                "from": lower(call.from),
                "to": call.to.map_or(Value::Null, lower),
                "data": call.data,
                "gas": hex(call.gas),
            });
            if !call.value.is_zero() {
                value["value"] = hex(call.value);
            }
            if call.gas_price > 0 {
                value["gasPrice"] = hex(call.gas_price);
            }
            value.to_string()
        })
        .collect();
    let (state, calls) = (state.trim_end(), calls.join(",\n"));
    let head = r#"{"spec":"cancun","chainId":"0x1","#;
    format!("{head}\n\"env\":{env},\n\"state\":{state},\n\"calls\":[\n{calls}\n]}}\n")
}
