//! The command line: exit codes, JSON, and that what it prints is what happened.

mod common;

use common::{MAINNET, example_batch, example_block, temp_dir, warpevm};
use warpevm_tests::fixture;

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn wrong_usage_exits_with_2() {
    for args in [&[][..], &["run"], &["run", "x", "--validate", "maybe"], &["bench", "x"], &["fly"]]
    {
        let ran = warpevm(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
    }
    assert_eq!(warpevm(["--help"]).code, 0);
    assert!(warpevm(["--version"]).stdout.starts_with("warpevm "));
}

#[test]
fn a_block_run_as_json_says_all() {
    let ran = warpevm(["run", "--backend", "revm", "--json", text(&example_block())]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let total = ran.json();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let count = total["transactions"].as_u64().expect("a number") as usize;
    assert_eq!(lines.len(), count + 2, "a line for each transaction, the block and the total");
    let block: serde_json::Value = serde_json::from_str(lines[count]).expect("JSON");
    assert_eq!(total["blocks"], 1);
    assert_eq!(total["transactions"], block["transactions"]);
    // revm's own results are not checked by revm.
    assert_eq!((&total["validated"], &total["unchecked"]), (&0.into(), &total["transactions"]));
    assert_eq!((&total["mismatches"], &total["header_checks_failed"]), (&0.into(), &0.into()));
    assert_eq!(total["residency"]["transactions"], 1.0);
    assert_eq!(total["residency"]["gas"], 1.0);
    for key in ["fallbacks", "suspensions", "seconds", "thread_seconds", "ends"] {
        assert!(total[key].is_object(), "{key}: {total}");
    }
    for key in ["gas_used", "rounds", "bytes_per_instance"] {
        assert!(total[key].is_u64(), "{key}: {total}");
    }
    assert!(total["gas_used"].as_u64() > Some(1_000_000));
}

#[test]
fn the_engine_runs_the_examples_and_equals_revm() {
    let (block, batch) = (example_block(), example_batch());
    let ran = warpevm(["run", "--json", "--threads", "2", text(&block), text(&batch)]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let total = ran.json();
    assert_eq!((&total["backend"], &total["mismatches"]), (&"cpu".into(), &0.into()));
    assert_eq!(total["validated"], total["transactions"]);
    assert!(total["bytes_per_instance"].as_u64() > Some(0), "{total}");
    assert!(total["suspensions"]["account"].as_u64() > Some(0), "{total}");
}

#[test]
fn a_wrong_header_fails_the_run() {
    let folder = temp_dir("wrong-header");
    common::copy_files(&example_block(), &folder);
    let file = folder.join("block.json");
    let mut block: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).expect("read")).expect("JSON");
    block["gasUsed"] = "0x5208".into();
    std::fs::write(&file, block.to_string()).expect("written");
    let ran = warpevm(["run", "--backend", "revm", text(&folder)]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("gas_used: the header has 21000, computed "), "{}", ran.stdout);
    let ran = warpevm(["run", "--backend", "revm", "--json", text(&folder)]);
    assert_eq!((ran.code, &ran.json()["header_checks_failed"]), (1, &1.into()));
}

#[test]
fn a_batch_runs_and_compares() {
    let ran = warpevm(["simulate", "--compare", text(&example_batch())]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("times as fast as revm"), "{}", ran.stdout);
    let ran = warpevm(["run", "--json", "--compare", text(&example_batch())]);
    let total = ran.json();
    assert_eq!((&total["batches"], &total["blocks"]), (&1.into(), &0.into()));
    assert!(total["compare"][0]["ratio"].as_f64() > Some(0.0), "{total}");
}

#[test]
fn one_block_of_an_archive_and_several_inputs() {
    let archive = fixture!("one_block_of_an_archive_and_several_inputs", MAINNET);
    let archive = text(&archive);
    let ran = warpevm(["run", "--backend", "revm", "--json", "--block", "46147", archive, archive]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let total = ran.json();
    assert_eq!((&total["blocks"], &total["transactions"]), (&2.into(), &2.into()));
    assert_eq!(total["header_not_checked"]["receipts_root"], 2);
}

#[test]
fn a_graph_is_printed_in_every_format() {
    // PUSH1 1, PUSH1 2, ADD, PUSH1 0, SSTORE, STOP
    let code = "0x6001600201600055 00".replace(' ', "");
    let stats = warpevm(["graph", &code, "--format", "stats"]).json();
    assert_eq!((&stats["code_bytes"], &stats["opcodes"]), (&9.into(), &6.into()));
    assert!(warpevm(["graph", &code, "--format", "json"]).json().is_object());
    assert!(warpevm(["graph", &code, "--format", "dot"]).stdout.starts_with("digraph"));
    assert!(warpevm(["graph", &code, "--spec", "london"]).stdout.contains("ebb0"));
    let token = common::workspace().join("host/examples/artifacts/Token.json");
    let token = warpevm(["graph", text(&token), "--format", "stats"]).json();
    assert!(token["code_bytes"].as_u64() > Some(1000), "{token}");
    let bad = warpevm(["graph", "0x6z"]);
    assert_eq!(bad.code, 1);
    assert!(bad.stderr.contains("'0x6z' is neither a file nor hex digits"), "{}", bad.stderr);
    assert_eq!(warpevm(["graph", &code, "--spec", "paris9"]).code, 2);
}

#[test]
fn devices_are_listed() {
    let ran = warpevm(["devices", "--json"]);
    let devices = ran.json();
    assert_eq!(devices["devices"][0]["backend"], "cpu");
    assert!(devices["devices"][0]["threads"].as_u64() >= Some(1));
    assert!(warpevm(["devices"]).stdout.starts_with("cpu: "));
}
