//! Small batches and blocks, written by tests.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH};
use alloy_primitives::Address;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Who calls.
pub const SENDER: &str = "0x00000000000000000000000000000000005e4de4";
/// Returns 3.
pub const THREE: &str = "0x0000000000000000000000000000000000003003";
/// Reverts with its calldata.
pub const REVERTS: &str = "0x00000000000000000000000000000000000000f0";
/// INVALID.
pub const HALTS: &str = "0x00000000000000000000000000000000000000fe";
/// Logs its calldata under the topic 7, and sets slot 1 to 2.
pub const LOGS: &str = "0x0000000000000000000000000000000000000a00";
/// Runs until its gas is used.
pub const LOOPS: &str = "0x0000000000000000000000000000000000100b00";

/// A batch of these calls.
pub fn batch(calls: &[Value]) -> Value {
    json!({
        "spec": "cancun",
        "state": {
            SENDER: {"balance": "0x10"},
            THREE: {"code": "0x600360005260206000f3"},
            REVERTS: {"code": "0x366000600037366000fd"},
            HALTS: {"code": "0xfe"},
            LOGS: {"code": "0x3660006000376007366000a1600260015500"},
            LOOPS: {"code": "0x5b600056"},
        },
        "calls": calls,
    })
}

/// A call without a price.
pub fn call(to: &str, data: &str) -> Value {
    json!({"from": SENDER, "to": to, "data": data, "gas": 100_000})
}

/// Writes a batch.
pub fn write_batch(path: &Path, calls: &[Value]) {
    fs::write(path, batch(calls).to_string()).expect("written");
}

/// Writes the folder of a block of Frontier in which so many senders send a transaction each to one
/// account, which has `code` and uses `gas` each time; returns the folder. Nothing but the receipts
/// root (which Frontier does not let check) is left open.
pub fn write_block(parent: &Path, number: u64, transactions: u64, code: &str, gas: u64) -> PathBuf {
    let folder = parent.join(number.to_string());
    fs::create_dir_all(&folder).expect("a folder");
    let hash = |what: u64| format!("0x{what:064x}");
    let to = "0x00000000000000000000000000000000000000aa";
    let sender = |index: u64| format!("0x{:040x}", 0x5e_0000 + index);
    let transaction = |index: u64| {
        json!({
            "hash": hash(1000 * number + index), "nonce": "0x0", "from": sender(index),
            "to": to, "value": "0x0", "gas": "0x186a0", "gasPrice": "0x1", "input": "0x",
        })
    };
    let block = json!({
        "hash": hash(number), "parentHash": hash(number - 1), "miner": THREE,
        "stateRoot": hash(0), "receiptsRoot": hash(0), "logsBloom": format!("0x{:0512}", 0),
        "difficulty": "0x1", "number": format!("{number:#x}"), "gasLimit": "0x1c9c380",
        "gasUsed": format!("{:#x}", gas * transactions), "timestamp": "0x55ba4225",
        "transactions": (0..transactions).map(transaction).collect::<Vec<_>>(),
    });
    let code_hash = alloy_primitives::keccak256(alloy_primitives::hex::decode(code).expect("hex"));
    let mut state = json!({to: {"balance": "0x0", "nonce": "0x0", "code_hash": code_hash}});
    for index in 0..transactions {
        state[sender(index)] = json!({"balance": "0xde0b6b3a7640000", "nonce": "0x0"});
    }
    let codes = json!({format!("{code_hash}"): code});
    for (name, content) in [("block", block), ("pre_state", state), ("codes", codes)] {
        let path = folder.join(format!("{name}.json"));
        fs::write(path, content.to_string()).expect("written");
    }
    folder
}

/// A plain transfer in the fields of a state test, whose sender has nothing.
pub fn transfer() -> Value {
    json!({
        "sender": Address::repeat_byte(1), "to": Address::repeat_byte(3), "nonce": "0x0",
        "gasLimit": ["0x5208"], "gasPrice": "0xa", "value": ["0x0"], "data": ["0x"],
    })
}

/// A state test whose transaction is rejected, without any account.
pub fn rejected_test(fork: &str, transaction: &Value, expected: &str) -> String {
    let test = json!({"a_test": {
        "env": {
            "currentCoinbase": Address::repeat_byte(2), "currentGasLimit": "0x1000000",
            "currentNumber": "0x1", "currentTimestamp": "0xc", "currentBaseFee": "0x7",
            "currentRandom": "0x0", "currentDifficulty": "0x0",
        },
        "pre": {},
        "transaction": transaction,
        "post": {(fork): [{
            // The hash of an empty list, as that of the ommers: there are no logs.
            "hash": EMPTY_ROOT_HASH, "logs": EMPTY_OMMER_ROOT_HASH,
            "indexes": {"data": 0, "gas": 0, "value": 0}, "expectException": expected,
        }]},
    }});
    test.to_string()
}
