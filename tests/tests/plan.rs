//! `warpevm plan`: what it prints of the example block, and how it fails.

mod common;

use common::{MAINNET, example_batch, example_block, temp_dir, warpevm};
use serde_json::Value;
use std::collections::BTreeSet;
use warpevm_tests::fixture;

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The line of the block: the first of two.
fn block_of(stdout: &str) -> Value {
    serde_json::from_str(stdout.lines().next().unwrap_or_default()).expect("JSON")
}

#[test]
fn a_plan_as_json_adds_up() {
    let block = example_block();
    for from in ["predicted", "executed"] {
        let ran = warpevm(["plan", text(&block), "--json", "--from", from]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(ran.stdout.lines().count(), 2, "a line for the block and one for the total");
        let line = block_of(&ran.stdout);
        let (plan, total) = (&line["plan"], ran.json());
        assert_eq!((&total["blocks"], &line["from"]), (&1.into(), &from.into()));
        assert_eq!(total["transactions"], plan["transactions"]);
        let waves = plan["waves"].as_array().expect("waves");
        let sum = |key: &str| waves.iter().map(|wave| number(&wave[key])).sum::<u64>();
        assert_eq!(sum("transactions"), number(&plan["transactions"]));
        assert_eq!(sum("gas"), number(&plan["gas"]));
        assert!(waves.len() > 1 && number(&waves[0]["warps"]) > 1, "{}", waves.len());
        let path = number(&plan["critical_path_gas"]);
        assert!(path > 0 && path < number(&plan["gas"]), "{path}");
        let components = plan["components"].as_array().expect("components");
        let connected: u64 = components.iter().map(|c| number(&c["transactions"])).sum();
        assert_eq!(connected + number(&plan["alone"]), number(&plan["transactions"]));
        let speedups: Vec<f64> = plan["speedups"]
            .as_array()
            .expect("speedups")
            .iter()
            .map(|speedup| speedup["speedup"].as_f64().expect("a number"))
            .collect();
        assert_eq!(speedups.len(), 4);
        assert!(speedups[0] > 1.0 && speedups[0] <= 2.0, "{speedups:?}");
        assert!(speedups.is_sorted(), "{speedups:?}");
        let scored = line["prediction"]["score"].is_object();
        assert_eq!(scored, from == "executed");
        if scored {
            let [precision, recall] =
                ["precision", "recall"].map(|key| total[key].as_f64().expect("a share"));
            assert!(precision > 0.5 && recall > 0.5, "{precision} {recall}");
            assert!(number(&total["score"]["both"]) > 1_000, "{total}");
        }
        let hot = plan["hot_keys"].as_array().expect("hot keys");
        assert!(!hot.is_empty() && hot.len() <= 10);
        assert!(hot[0]["key"].as_str().is_some_and(|key| key.contains(" of 0x")), "{}", hot[0]);
    }
}

#[test]
fn a_plan_as_text() {
    let ran = warpevm(["plan", text(&example_block()), "--from", "executed"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for part in [
        " transactions, executed",
        "critical path: ",
        "speedup: 2 lanes ",
        "unlimited ",
        "waves: ",
        "warps of 32 instances",
        "components: ",
        "hot keys:",
        "edges: raw ",
        "accesses: ",
        "precision ",
        "recall ",
    ] {
        assert!(ran.stdout.contains(part), "'{part}' is not in: {}", ran.stdout);
    }
}

/// Each line is one of the few forms that the printer has; nodes come before their edges, and edges
/// lead forward.
#[test]
fn a_plan_as_dot_is_a_graph() {
    let ran = warpevm(["plan", text(&example_block()), "--dot"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!((lines[0], lines[lines.len() - 1]), ("digraph plan {", "}"));
    let (mut nodes, mut edges) = (BTreeSet::new(), 0);
    for line in &lines[1..lines.len() - 1] {
        let line = line.trim().strip_suffix(';').unwrap_or_else(|| panic!("no end: {line}"));
        assert_eq!(line.matches('"').count() % 2, 0, "{line}");
        let (statement, attributes) = line.split_once(' ').unwrap_or((line, ""));
        if statement.contains('=') || statement == "node" {
            continue;
        }
        let id = |text: &str| text.strip_prefix('t').and_then(|id| id.parse::<u32>().ok());
        let from = id(statement).unwrap_or_else(|| panic!("no node: {line}"));
        match attributes.strip_prefix("-> ").and_then(|rest| rest.split_once(' ')) {
            Some((to, attributes)) => {
                let to = id(to).unwrap_or_else(|| panic!("no node: {line}"));
                assert!(from < to && nodes.contains(&from) && nodes.contains(&to), "{line}");
                assert!(attributes.starts_with('[') && attributes.ends_with(']'), "{line}");
                edges += 1;
            }
            None => {
                assert!(
                    attributes.starts_with("[label=\"") && attributes.ends_with("\"]"),
                    "{line}"
                );
                assert!(nodes.insert(from), "twice: {line}");
            }
        }
    }
    assert!(nodes.len() > 3_000 && edges > 1_000, "{} nodes, {edges} edges", nodes.len());
}

#[test]
fn a_block_access_list_is_written_and_read() {
    let file = temp_dir("access-list").join("block_access_list.json");
    let (block, list) = (example_block(), text(&file));
    let recall = |ran: common::Ran| {
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.json()["recall"].as_f64().expect("a share")
    };
    let args = ["plan", text(&block), "--from", "executed", "--json"];
    let without = recall(warpevm(args.iter().chain(&["--write-access-list", list])));
    let with = recall(warpevm(args.iter().chain(&["--access-list", list])));
    assert!(with > without, "{with} {without}");
    std::fs::write(&file, "{\"accounts\": 1}").expect("written");
    let ran = warpevm(args.iter().chain(&["--access-list", list]));
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("block_access_list.json: "), "{}", ran.stderr);
}

#[test]
fn bad_input_fails() {
    let (block, batch) = (example_block(), example_batch());
    for (args, code, part) in [
        (&["plan"][..], 2, "INPUT"),
        (&["plan", text(&block), "--from", "thin-air"], 2, "thin-air"),
        (&["plan", text(&block), "--dot", "--json"], 2, "--json"),
        (&["plan", text(&block), "--warp", "0"], 2, "--warp"),
        (&["plan", text(&block), "--block", "x"], 1, "holds no block x"),
        (&["plan", "no/such/folder"], 1, "no/such/folder"),
        (&["plan", text(&block), "--block", "7"], 1, "holds no block 7"),
        (&["plan", text(&batch)], 1, "a batch has no order"),
        (&["plan", text(&block), "--access-list", "no/list.json"], 1, "no/list.json"),
    ] {
        let ran = warpevm(args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(part), "'{part}' is not in: {}", ran.stderr);
    }
}

#[test]
fn a_transaction_that_is_not_valid_fails() {
    let folder = temp_dir("invalid");
    common::copy_files(&example_block(), &folder);
    let file = folder.join("block.json");
    let mut block: Value =
        serde_json::from_slice(&std::fs::read(&file).expect("read")).expect("JSON");
    block["transactions"][3]["nonce"] = "0xffff".into();
    std::fs::write(&file, block.to_string()).expect("written");
    let ran = warpevm(["plan", text(&folder), "--from", "executed"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("transaction 3 is not valid: nonce"), "{}", ran.stderr);
    // A prediction looks at no nonce.
    assert_eq!(warpevm(["plan", text(&folder)]).code, 0);
}

#[test]
fn real_blocks_are_planned() {
    let archive = fixture!("real_blocks_are_planned", MAINNET);
    let archive = text(&archive);
    let ran = warpevm(["plan", archive, "--from", "executed", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let total = ran.json();
    assert_eq!((number(&total["blocks"]), number(&total["transactions"])), (49, 12_921));
    let share = |key: &str| total[key].as_f64().expect("a share");
    assert!(share("precision") > 0.6 && share("recall") > 0.4, "{total}");
    // An access list is that of one block.
    let ran = warpevm(["plan", archive, "--write-access-list", "list.json"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("choose one (--block)"), "{}", ran.stderr);
}
