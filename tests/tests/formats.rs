//! One rule for the JSON of every reader (docs/INPUT.md). A good text of each is changed in one
//! place after the other, so that no field is left out.
#![recursion_limit = "256"]

mod common;

use common::temp_dir;
use serde_json::{Value, json};
use std::fs;
use warpevm::chain::Revm;
use warpevm::chain::{BlockSource, Selection};
use warpevm::conformance::{block_test, state_test};
use warpevm::input::{self, BatchInput, Input, InputError};

const ADDRESS: &str = "0x1000000000000000000000000000000000000001";
const OTHER: &str = "0x1000000000000000000000000000000000000002";

fn hash(digit: &str) -> String {
    format!("0x{}", digit.repeat(64))
}

/// Reads a text as one of the formats.
type Read = dyn Fn(&str) -> Result<(), InputError>;

/// One kind of file: a good text, and what reads it.
struct Reader {
    name: &'static str,
    good: Value,
    read: Box<Read>,
    /// Keys for which `null` is not the same as nothing.
    null_is_special: &'static [&'static str],
    /// Values of the outermost object may be no tests.
    tests: bool,
}

fn reader(
    name: &'static str,
    good: Value,
    read: impl Fn(&str) -> Result<(), InputError> + 'static,
) -> Reader {
    Reader { name, good, read: Box::new(read), null_is_special: &[], tests: false }
}

fn batch() -> Reader {
    let good = json!({
        "spec": "cancun", "chainId": "0x1",
        "env": {
            "number": "0x10", "timestamp": "0x1", "beneficiary": ADDRESS, "gasLimit": "0x1c9c380",
            "baseFee": "0x7", "prevRandao": hash("1"), "difficulty": "0x0",
            "excessBlobGas": "0x0", "blockHashes": {"0xf": hash("2")},
        },
        "state": {ADDRESS: {
            "balance": "0x1", "nonce": "0x1", "code": "0x00", "storage": {"0x1": "0x2"},
        }},
        "calls": [{
            "from": ADDRESS, "to": OTHER, "data": "0x01", "value": "0x1", "gas": "0x186a0",
            "gasPrice": "0x7", "nonce": "0x1",
            "accessList": [{"address": OTHER, "storageKeys": [hash("3")]}],
        }],
    });
    let read = |text: &str| BatchInput::parse("t", text.as_bytes()).map(drop);
    Reader { null_is_special: &["to"], ..reader("batch", good, read) }
}

fn block_json() -> Value {
    json!({
        "hash": hash("1"), "parentHash": hash("2"), "miner": ADDRESS, "stateRoot": hash("3"),
        "receiptsRoot": hash("4"), "logsBloom": format!("0x{}", "0".repeat(512)),
        "difficulty": "0x0", "number": "0x16e3600", "gasLimit": "0x1c9c380", "gasUsed": "0x0",
        "timestamp": "0x68000000", "mixHash": hash("5"), "baseFeePerGas": "0x7",
        "blobGasUsed": "0x0", "excessBlobGas": "0x0", "parentBeaconBlockRoot": hash("6"),
        "requestsHash": hash("7"), "uncles": [hash("8")],
        "withdrawals": [{"address": ADDRESS, "amount": "0x1"}],
        "transactions": [{
            "hash": hash("9"), "nonce": "0x1", "from": ADDRESS, "to": OTHER, "value": "0x0",
            "gas": "0x186a0", "input": "0x01", "type": "0x4", "chainId": "0x1",
            "gasPrice": "0x7", "maxFeePerGas": "0x7", "maxPriorityFeePerGas": "0x0",
            "maxFeePerBlobGas": "0x1",
            "accessList": [{"address": OTHER, "storageKeys": [hash("a")]}],
            "blobVersionedHashes": [hash("b")],
            "authorizationList": [{
                "chainId": "0x1", "address": OTHER, "nonce": "0x0", "yParity": "0x1", "v": "0x1c",
                "r": "0x1", "s": "0x2",
            }],
        }],
        "aKeyOfSomeNode": {"more": [{"of": "it"}]},
    })
}

/// A block's folder in which one file is changed.
fn block_file(name: &'static str) -> Reader {
    let code = "0x6001";
    let code_hash = alloy_primitives::keccak256([0x60, 1]).to_string();
    let good = move |file: &str| match file {
        "block.json" => block_json(),
        "pre_state.json" => json!({ADDRESS: {
            "balance": "0x1", "nonce": "0x1", "code_hash": code_hash,
            "storage": {"0x1": "0x2"},
        }}),
        "codes.json" => json!({code_hash.as_str(): code}),
        _ => json!({"23999999": hash("c")}),
    };
    let folder = temp_dir(&format!("format-{name}"));
    for file in ["block.json", "pre_state.json", "codes.json", "block_hashes.json"] {
        fs::write(folder.join(file), good(file).to_string()).expect("written");
    }
    let read = move |text: &str| {
        fs::write(folder.join(name), text).expect("written");
        let Input::Blocks(source) = input::open(&folder)? else { panic!("a block") };
        source.visit(&Selection::All, |_, block| block.map(drop)).map(drop)
    };
    reader(name, good(name), read)
}

fn account() -> Value {
    json!({"balance": "0x1", "nonce": "0x0", "code": "0x00", "storage": {"0x1": "0x2"}})
}

fn tests_of_state() -> Reader {
    let good = json!({"a test": {
        "_info": {"comment": "x", "filling-tool-version": "y"},
        "env": {
            "currentCoinbase": ADDRESS, "currentDifficulty": "0x0", "currentGasLimit": "0x1",
            "currentNumber": "0x1", "currentTimestamp": "0x1", "currentBaseFee": "0x1",
            "currentRandom": "0x1", "currentExcessBlobGas": "0x0",
        },
        "pre": {ADDRESS: account()},
        "transaction": {
            "sender": ADDRESS, "secretKey": hash("1"), "to": OTHER, "nonce": "0x0",
            "gasLimit": ["0x1"], "value": ["0x0"], "data": ["0x01"], "gasPrice": "0x1",
            "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x0", "maxFeePerBlobGas": "0x1",
            "blobVersionedHashes": [hash("2")],
            "accessLists": [[{"address": OTHER, "storageKeys": [hash("3")]}]],
            "authorizationList": [{
                "chainId": "0x1", "address": OTHER, "nonce": "0x0", "yParity": "0x0", "v": "0x0",
                "r": "0x1", "s": "0x2",
            }],
        },
        "post": {"Prague": [{
            "hash": hash("4"), "logs": hash("5"), "indexes": {"data": 0, "gas": 0, "value": 0},
            "txbytes": "0x01", "state": {ADDRESS: account()},
        }]},
        "config": {
            "chainid": "0x1", "blobSchedule": {"Prague": {"baseFeeUpdateFraction": "0x4c6964"}},
        },
    }});
    let read = |text: &str| state_test::read_cases("t", text.as_bytes()).map(drop);
    Reader { null_is_special: &["transaction"], tests: true, ..reader("state test", good, read) }
}

fn tests_of_blocks() -> Reader {
    let good = json!({"a test": {
        "network": "Prague", "pre": {ADDRESS: account()},
        "genesisBlockHeader": {"hash": hash("1")}, "genesisRLP": "0xc0",
        "blocks": [{"rlp": "0xc0", "expectException": "x", "blockHeader": {"hash": hash("2")}}],
        "postState": {OTHER: account()}, "postStateHash": hash("3"), "lastblockhash": hash("4"),
        "config": {"chainid": "0x1", "blobSchedule": {
            "Prague": {"target": "0x6", "max": "0x9", "baseFeeUpdateFraction": "0x4c6964"},
        }},
    }});
    let read =
        |text: &str| block_test::run_file("t", text.as_bytes(), &Revm, &|_, _| false).map(drop);
    Reader { null_is_special: &["blocks"], tests: true, ..reader("block test", good, read) }
}

fn block_access_list() -> Reader {
    let change = |value: &str| json!([{"index": "0x1", "value": value}]);
    let good = json!([{
        "address": ADDRESS, "storageReads": ["0x1"],
        "storageChanges": [{"key": "0x2", "changes": change("0x3")}],
        "balanceChanges": change("0x4"), "nonceChanges": change("0x5"),
        "codeChanges": change("0x6001"),
    }]);
    let read = |text: &str| input::parse_access_list("t", text.as_bytes()).map(drop);
    // Lists are there, if empty; some nodes write null for an empty one.
    let null_is_special =
        &["storageReads", "storageChanges", "balanceChanges", "nonceChanges", "codeChanges"];
    Reader { null_is_special, ..reader("block access list", good, read) }
}

fn readers() -> Vec<Reader> {
    let files = ["block.json", "pre_state.json", "codes.json", "block_hashes.json"].map(block_file);
    let mut readers = vec![batch(), tests_of_state(), tests_of_blocks(), block_access_list()];
    readers.extend(files);
    readers
}

/// Where a value lies: keys and indices from the outermost one.
type Place = Vec<String>;

/// Every value inside of `value`, itself included, outermost first.
fn places(value: &Value, place: &mut Place, all: &mut Vec<Place>) {
    all.push(place.clone());
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    for (key, value) in inner {
        place.push(key);
        places(value, place, all);
        place.pop();
    }
}

fn at<'v>(value: &'v mut Value, place: &[String]) -> &'v mut Value {
    place.iter().fold(value, |value, key| match value {
        Value::Object(map) => map.get_mut(key).expect("a key"),
        Value::Array(list) => &mut list[key.parse::<usize>().expect("an index")],
        _ => panic!("{place:?}"),
    })
}

impl Reader {
    fn places(&self) -> Vec<Place> {
        let mut all = Vec::new();
        places(&self.good, &mut Vec::new(), &mut all);
        all
    }

    /// Changes the value at each place for which `change` says so; the text must then be refused.
    fn refuses(&self, what: &str, change: impl Fn(&Place, &mut Value) -> bool) -> usize {
        let mut changed = 0;
        for place in self.places() {
            let mut text = self.good.clone();
            if change(&place, at(&mut text, &place)) {
                changed += 1;
                let read = (self.read)(&text.to_string());
                assert!(read.is_err(), "{}: {what}: {place:?} was accepted", self.name);
            }
        }
        changed
    }
}

#[test]
fn the_good_texts_are_good() {
    for reader in readers() {
        let text = reader.good.to_string();
        (reader.read)(&text).unwrap_or_else(|error| panic!("{}: {error}", reader.name));
        let marked = (reader.read)(&format!("\u{feff}{text}"));
        marked.unwrap_or_else(|error| panic!("{}: {error}", reader.name));
    }
}

#[test]
fn hex_has_its_prefix_once() {
    let mut changed = 0;
    for reader in readers() {
        type Change = fn(&str) -> String;
        let changes: [(&str, Change); 4] = [
            ("no prefix", |digits| digits.to_owned()),
            ("two prefixes", |digits| format!("0x0x{digits}")),
            ("a large prefix", |digits| format!("0X{digits}")),
            ("no hex", |digits| format!("0x{digits}gg")),
        ];
        for (what, hex) in changes {
            changed += reader.refuses(what, |_, value| {
                let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
                let Some(text) = digits.map(hex) else { return false };
                *value = text.into();
                true
            });
            changed += reader.refuses(what, |_, value| {
                let Value::Object(map) = value else { return false };
                let Some(key) = map.keys().find(|key| key.starts_with("0x")).cloned() else {
                    return false;
                };
                let value = map.remove(&key).expect("there");
                map.insert(hex(&key[2..]), value);
                true
            });
        }
    }
    assert!(changed > 500, "{changed}");
}

#[test]
fn a_list_of_bytes_is_no_hex() {
    for reader in readers() {
        reader.refuses("a list of bytes", |_, value| {
            let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
            let Some(digits) = digits.filter(|digits| digits.len() > 16) else { return false };
            *value = vec![0; digits.len() / 2].into();
            true
        });
    }
}

#[test]
fn an_object_is_no_list() {
    for reader in readers() {
        let changed = reader.refuses("a list", |place, value| {
            let Value::Object(map) = value else { return false };
            let ignored = place.iter().any(|key| key == "aKeyOfSomeNode");
            let values: Vec<Value> = map.values().cloned().collect();
            *value = values.into();
            // A list beside tests is no test.
            !(ignored || reader.tests && place.len() == 1)
        });
        assert!(changed > 0, "{}", reader.name);
    }
}

#[test]
fn a_key_stands_once() {
    const TWICE: &str = "the key of which there are two";
    for reader in readers() {
        let mut changed = 0;
        for place in reader.places() {
            let mut text = reader.good.clone();
            let Value::Object(map) = at(&mut text, &place) else { continue };
            for key in map.keys().cloned().collect::<Vec<_>>() {
                let mut text = reader.good.clone();
                let map = at(&mut text, &place).as_object_mut().expect("an object");
                map.insert(TWICE.to_owned(), map[&key].clone());
                let text = text.to_string().replace(TWICE, &key);
                let read = (reader.read)(&text);
                let error = read.expect_err(&format!("{}: {place:?} {key}", reader.name));
                assert!(error.to_string().contains("twice"), "{error}");
                changed += 1;
            }
        }
        assert!(changed > 0, "{}", reader.name);
    }
}

#[test]
fn null_is_the_same_as_nothing() {
    for reader in readers() {
        for place in reader.places() {
            let Some((key, outer)) = place.split_last() else { continue };
            if reader.null_is_special.contains(&key.as_str()) {
                continue;
            }
            let (mut null, mut absent) = (reader.good.clone(), reader.good.clone());
            *at(&mut null, &place) = Value::Null;
            let Value::Object(map) = at(&mut absent, outer) else { continue };
            // What stands under an address or a name is not a key that a reader knows.
            let number = key.bytes().all(|byte| byte.is_ascii_digit());
            let named = outer.last().is_some_and(|of| ["post", "blobSchedule"].contains(&&**of));
            if key.starts_with("0x") || key.contains(' ') || number || named {
                continue;
            }
            map.shift_remove(key);
            let (null, absent) = (null.to_string(), absent.to_string());
            let (null, absent) = ((reader.read)(&null), (reader.read)(&absent));
            let says = format!("{}: {place:?}: null {null:?}, nothing {absent:?}", reader.name);
            assert_eq!(null.is_ok(), absent.is_ok(), "{says}");
        }
    }
}

#[test]
fn other_encodings_are_named() {
    for reader in readers() {
        let text = reader.good.to_string();
        let utf_16 = |text: &str| -> Vec<u8> {
            text.encode_utf16().flat_map(|unit| unit.to_le_bytes()).collect()
        };
        let folder = temp_dir("encoding");
        let path = folder.join("batch");
        for text in [text.clone(), format!("\u{feff}{text}")] {
            fs::write(&path, utf_16(&text)).expect("written");
            let error = input::open(&path).expect_err("UTF-16").to_string();
            assert!(error.contains("batch: is in UTF-16"), "{error}");
        }
    }
}

/// Changes one value of the good text and reads it.
fn changed(reader: &Reader, pointer: &str, value: Value) -> Result<(), InputError> {
    let mut text = reader.good.clone();
    *text.pointer_mut(pointer).expect("there") = value;
    (reader.read)(&text.to_string())
}

#[test]
fn v_beside_y_parity_says_the_same() {
    let at = [
        (block_file("block.json"), "/transactions/0/authorizationList/0"),
        (tests_of_state(), "/a test/transaction/authorizationList/0"),
    ];
    for (reader, pointer) in at {
        let base = reader.good.pointer(pointer).expect("there").clone();
        let read = |parity: Option<&str>, v: Option<&str>| {
            let mut one = base.clone();
            let map = one.as_object_mut().expect("an object");
            for (key, value) in [("yParity", parity), ("v", v)] {
                map.shift_remove(key);
                value.map(|value| map.insert(key.to_owned(), value.into()));
            }
            changed(&reader, pointer, one)
        };
        for (parity, v) in [("0x0", "0x0"), ("0x1", "0x1"), ("0x0", "0x1b"), ("0x1", "0x1c")] {
            read(Some(parity), Some(v)).unwrap_or_else(|error| panic!("{parity} {v}: {error}"));
            read(Some(parity), None).expect("yParity alone");
            read(None, Some(v)).expect("v alone");
        }
        for (parity, v) in [("0x0", "0x1"), ("0x1", "0x0"), ("0x0", "0x1c"), ("0x1", "0x1b")] {
            let error = read(Some(parity), Some(v)).expect_err("they differ").to_string();
            assert!(error.contains("do not agree"), "{error}");
        }
        assert!(read(None, None).is_err(), "{}", reader.name);
    }
}

#[test]
fn a_secret_key_says_who_sends() {
    let reader = tests_of_state();
    // The key and the address of EIP-155's example.
    let key = format!("0x{}", "46".repeat(32));
    let sender = |sender: Value, key: Value| {
        let mut text = reader.good.clone();
        text["a test"]["transaction"]["sender"] = sender;
        text["a test"]["transaction"]["secretKey"] = key;
        let cases = state_test::read_cases("t", text.to_string().as_bytes())?;
        Ok::<_, InputError>(cases[0].transaction.caller.to_string().to_lowercase())
    };
    let example = "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f";
    assert_eq!(sender(Value::Null, key.clone().into()).expect("by key"), example);
    assert_eq!(sender(ADDRESS.into(), key.into()).expect("both"), ADDRESS);
    for (key, message) in [(Value::Null, "neither sender nor"), (hash("0").into(), "secretKey: ")] {
        let error = sender(Value::Null, key).expect_err("nobody sends").to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn what_is_no_test_leaves_the_tests() {
    for reader in [tests_of_state(), tests_of_blocks()] {
        for stray in [json!("text"), json!(1), json!([1]), json!({"a": {}}), json!(null)] {
            let mut text = reader.good.clone();
            text["stray"] = stray;
            let text = text.to_string();
            (reader.read)(&text).expect("the test beside it");
            // The test is read: its faults are seen.
            assert!((reader.read)(&text.replace("\"pre\"", "\"per\"")).is_err());
        }
    }
    let mut text = tests_of_state().good;
    text["stray"] = json!({"comment": "x"});
    let cases = state_test::read_cases("t", text.to_string().as_bytes()).expect("read");
    assert_eq!(cases.len(), 1);
    let text = text.to_string();
    let (summary, _) =
        block_test::run_file("t", text.as_bytes(), &Revm, &|_, _| false).expect("read");
    assert_eq!(summary.skipped["not a blockchain test"], 2);
}
