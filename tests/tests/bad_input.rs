//! Bad input: each error names the file and the place in it, the exit code is 1, nothing panics.

mod common;

use common::{MAINNET, Ran, copy_files, example_batch, example_block, temp_dir, warpevm};
use std::fs;
use std::path::{Path, PathBuf};
use warpevm_tests::fixture;

/// Runs an input on revm: what is tested here comes before any backend.
fn run(input: &Path, more: &[&str]) -> Ran {
    let input = input.to_str().expect("UTF-8");
    warpevm(["run", "--backend", "revm", input].iter().chain(more))
}

/// The run fails, and its message holds all of these.
fn fails(ran: &Ran, parts: &[&str]) {
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    for part in parts {
        assert!(ran.stderr.contains(part), "'{part}' is not in: {}", ran.stderr);
    }
}

/// A copy of the example block in which a file's text is changed.
fn altered(name: &str, file: &str, alter: impl FnOnce(String) -> String) -> PathBuf {
    let folder = temp_dir(name);
    copy_files(&example_block(), &folder);
    let path = folder.join(file);
    let before = fs::read_to_string(&path).expect("a text");
    let after = alter(before.clone());
    assert_ne!(before, after, "the file was not changed");
    fs::write(path, after).expect("written");
    folder
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn the_example_block_as_it_is_runs() {
    let ran = run(&example_block(), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_path_that_is_not_there() {
    fails(&run(Path::new("no/such/folder"), &[]), &["no/such/folder"]);
}

#[test]
fn a_folder_without_blocks() {
    fails(&run(&temp_dir("empty"), &[]), &["empty-", "holds no block"]);
}

#[test]
fn a_block_without_one_of_its_files() {
    for file in ["block.json", "pre_state.json", "codes.json"] {
        let folder = temp_dir("missing-file");
        copy_files(&example_block(), &folder);
        fs::remove_file(folder.join(file)).expect("removed");
        fails(&run(&folder, &[]), &["missing-file-", file, "is missing"]);
    }
}

#[test]
fn a_block_number_that_is_not_there() {
    fails(&run(&example_block(), &["--block", "7"]), &["holds no block 7", "it has "]);
    let ran = run(&example_block(), &["--block", "seven"]);
    fails(&ran, &["holds no block seven", "it has token-block"]);
}

#[test]
fn json_that_is_none() {
    let folder = altered("syntax", "block.json", |text| text.replacen(':', ";", 1));
    fails(&run(&folder, &[]), &["block.json: line ", "column "]);
    let folder = altered("cut", "pre_state.json", |text| text[..text.len() / 2].to_owned());
    fails(&run(&folder, &[]), &["pre_state.json: line ", "column ", "EOF"]);
}

#[test]
fn a_field_of_a_transaction_is_wrong() {
    let wrong = |field: &str, value: serde_json::Value| {
        altered("field", "block.json", |text| {
            let mut block = json(&text);
            block["transactions"][2][field] = value;
            block.to_string()
        })
    };
    let folder = wrong("gas", "0xzz".into());
    fails(&run(&folder, &[]), &["block.json: line 1, column ", "transactions[2].gas", "0xzz"]);
    let folder = wrong("nonce", "0x10000000000000000".into());
    fails(&run(&folder, &[]), &["transactions[2].nonce", "does not fit 64 bits"]);
    let folder = wrong("type", "0x9".into());
    fails(&run(&folder, &[]), &["block.json: transaction 2: type 9 is not known"]);
    let folder = altered("hashes", "block.json", |text| {
        let mut block = json(&text);
        block["transactions"][1] = block["transactions"][1]["hash"].clone();
        block.to_string()
    });
    fails(&run(&folder, &[]), &["transactions[1]", "a full transaction, not its hash"]);
}

#[test]
fn a_header_field_is_missing() {
    let folder = altered("header", "block.json", |text| {
        let mut block = json(&text);
        block.as_object_mut().expect("an object").remove("baseFeePerGas");
        block.to_string()
    });
    fails(&run(&folder, &[]), &["block.json: baseFeePerGas is missing"]);
}

#[test]
fn a_sender_is_missing_from_the_state() {
    let mut index = 0;
    let folder = altered("sender", "pre_state.json", |text| {
        let block = fs::read_to_string(example_block().join("block.json")).expect("a text");
        let transactions = json(&block)["transactions"].as_array().expect("a list").clone();
        let used = |tx: &serde_json::Value| tx["nonce"] != "0x0";
        index = transactions.iter().position(used).expect("a sender with a nonce");
        let sender = transactions[index]["from"].as_str().expect("an address").to_lowercase();
        let mut state = json(&text);
        let accounts = state.as_object_mut().expect("an object");
        let key = accounts.keys().find(|key| key.to_lowercase() == sender).expect("there").clone();
        accounts.remove(&key);
        state.to_string()
    });
    let transaction = format!("transaction {index}: sender 0x");
    fails(&run(&folder, &[]), &["block.json", &transaction, "is not in pre_state.json"]);
}

#[test]
fn a_code_does_not_have_its_hash() {
    let folder = altered("code", "codes.json", |text| {
        let mut codes = json(&text);
        let first = codes.as_object_mut().expect("an object").values_mut().next().expect("a code");
        let code = first.as_str().expect("hex").to_owned();
        *first = format!("{}00", code).into();
        codes.to_string()
    });
    fails(&run(&folder, &[]), &["codes.json", "the code listed under 0x", "has the hash 0x"]);
    let folder = altered("no-code", "codes.json", |_| "{}".into());
    fails(&run(&folder, &[]), &["pre_state.json", "account 0x", "codes.json has no code 0x"]);
}

#[test]
fn a_nonce_is_bad() {
    for (nonce, message) in [("0x5000", "is higher than the account's nonce"), ("0x0", "lower")] {
        let mut index = 0;
        let folder = altered("nonce", "block.json", |text| {
            let mut block = json(&text);
            let transactions = block["transactions"].as_array_mut().expect("a list");
            index = transactions.iter().position(|tx| tx["nonce"] != "0x0").expect("one");
            transactions[index]["nonce"] = nonce.into();
            block.to_string()
        });
        let place = format!("transaction {index} is not valid: nonce ");
        fails(&run(&folder, &[]), &["block ", &place, message]);
    }
}

#[test]
fn a_truncated_archive() {
    let archive = fixture!("a_truncated_archive", MAINNET);
    let bytes = fs::read(archive).expect("the archive");
    let folder = temp_dir("archive");
    for (name, length) in [("half", bytes.len() / 2), ("tail", bytes.len() - 3), ("head", 20)] {
        let path = folder.join(format!("{name}.tar.zst"));
        fs::write(&path, &bytes[..length]).expect("written");
        let file = format!("{name}.tar.zst");
        fails(&run(&path, &[]), &[&file, "truncated or damaged after "]);
    }
    let path = folder.join("flipped.tar.zst");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 3] ^= 0x55;
    fs::write(&path, &flipped).expect("written");
    let ran = run(&path, &[]);
    assert_eq!(ran.code, 1, "a damaged archive went unnoticed: {}", ran.stderr);
}

#[test]
fn an_archive_without_blocks_or_with_half_a_block() {
    let folder = temp_dir("tar");
    let pack = |name: &str, files: &[(&str, &str)]| {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append_data(&mut header, path, text.as_bytes()).expect("appended");
        }
        let bytes = tar.into_inner().expect("a tar");
        let path = folder.join(name);
        fs::write(&path, zstd::encode_all(&bytes[..], 1).expect("packed")).expect("written");
        path
    };
    let empty = pack("empty.tar.zst", &[("readme.txt", "no blocks")]);
    fails(&run(&empty, &[]), &["empty.tar.zst", "holds no block"]);
    let half = pack("half.tar.zst", &[("5/block.json", "{}"), ("5/codes.json", "{}")]);
    fails(&run(&half, &[]), &["half.tar.zst: 5: pre_state.json is missing"]);
    let wrong = pack(
        "wrong.tar.zst",
        &[("5/block.json", "{\"hash\":"), ("5/codes.json", "{}"), ("5/pre_state.json", "{}")],
    );
    fails(&run(&wrong, &[]), &["wrong.tar.zst: 5/block.json: line 1, column "]);
    let none = pack("none.tar.zst", &[("5/block.json", "{}")]);
    fails(&run(&none, &["--block", "6"]), &["holds no block 6; it has 5"]);
}

#[test]
fn what_is_no_input_at_all() {
    let path = temp_dir("noise").join("noise.bin");
    fs::write(&path, [1, 2, 3]).expect("written");
    fails(&run(&path, &[]), &["noise.bin", "is neither"]);
    fs::write(&path, []).expect("written");
    fails(&run(&path, &[]), &["noise.bin", "is neither"]);
}

#[test]
fn a_batch_with_a_misspelt_key_or_a_wrong_value() {
    let good = fs::read_to_string(example_batch()).expect("a text");
    let path = temp_dir("batch").join("batch.json");
    for (from, to, parts) in [
        ("\"gasPrice\"", "\"gasprice\"", ["calls[", "unknown field `gasprice`"]),
        ("\"spec\":\"cancun\"", "\"spec\":\"cancan\"", ["spec", "unknown spec 'cancan'"]),
        ("\"balance\":\"0x", "\"balance\":\"0y", ["state.0x", "a quantity"]),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        fs::write(&path, bad).expect("written");
        fails(&run(&path, &[]), &["batch.json: line ", "column ", parts[0], parts[1]]);
    }
}
