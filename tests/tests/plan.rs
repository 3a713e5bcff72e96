//! `warpevm plan`: what it prints of the example block, and how it fails.

mod common;

use alloy_primitives::{Address, U256};
use common::{MAINNET, example_batch, example_block, temp_dir, warpevm};
use serde_json::Value;
use warpevm::plan::{Accesses, BlockAccesses, Dag, Key, Plan, Source};
use warpevm_compiler::limits::{DOT_EDGES_MAX, DOT_NODES_MAX};
use warpevm_tests::dot::Dot;
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

/// Alike transactions are one node and what does not fit is counted, so that Graphviz can lay it
/// out: every transaction is in some node's count.
#[test]
fn a_plan_as_dot_is_a_graph() {
    let block = example_block();
    for from in ["predicted", "executed"] {
        let ran = warpevm(["plan", text(&block), "--dot", "--from", from]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let dot = Dot::read(&ran.stdout).unwrap_or_else(|error| panic!("{error}\n{}", ran.stdout));
        assert!(ran.stdout.contains(&format!(" transactions, {from}: critical path ")));
        assert!(dot.nodes.len() <= DOT_NODES_MAX + 30, "{} nodes", dot.nodes.len());
        assert!(dot.edges.len() <= DOT_EDGES_MAX + 60, "{} edges", dot.edges.len());
        let labels: Vec<_> = dot.nodes.values().map(|node| node["label"].as_str()).collect();
        // With what was executed all wait for all: the fee recipient's balance is read.
        let folded = match from {
            "predicted" => &[" alike, from ", " transactions alone", " more components"][..],
            _ => &["left out: "],
        };
        for part in [folded, &["wave 0", "wave 1", " gas"]].concat() {
            assert!(labels.iter().any(|label| label.contains(part)), "'{part}': {labels:?}");
        }
        let legend = &dot.nodes["legend"]["label"];
        assert!(legend.contains("critical path") && legend.contains("<TD>A</TD>"), "{legend}");
        let marked = |penwidth: Option<&String>| penwidth.is_some();
        assert!(dot.edges.iter().any(|(_, _, of)| marked(of.get("penwidth"))));
    }
}

/// What a transaction reads and writes: slots of one account.
fn accesses(reads: &[u64], writes: &[u64]) -> Accesses {
    let slot = |n: &u64| Key::Slot(Address::ZERO, U256::from(*n));
    let mut one = Accesses::new(Source::Execution);
    one.reads = reads.iter().map(slot).collect();
    one.writes = writes.iter().map(slot).collect();
    one
}

/// The drawing of transactions of 10 gas each.
fn drawing(all: &[Accesses]) -> Dot {
    let mut block = BlockAccesses::new();
    all.iter().for_each(|one| block.push(one));
    let (dag, gas) = (Dag::build(&block), vec![10; all.len()]);
    let dot = Plan::new(&[], &block, &dag, &gas, 32).dot(&dag, &block, &gas, "a \"block\"");
    Dot::read(&dot).unwrap_or_else(|error| panic!("{error}\n{dot}"))
}

#[test]
fn a_drawing_folds_what_is_alike() {
    // A chain of 40, three that wait for one, one pair that writes what the chain's end writes, and
    // seven alone.
    let mut all: Vec<_> = (0..40).map(|n| accesses(&[n], &[n + 1])).collect();
    all.push(accesses(&[], &[100]));
    all.extend(vec![accesses(&[100], &[]); 3]);
    all.push(accesses(&[], &[200, 40]));
    all.push(accesses(&[200], &[]));
    all.extend((300..307).map(|n| accesses(&[n], &[])));
    let dot = drawing(&all);
    let labels: Vec<_> = dot.nodes.values().map(|node| node["label"].as_str()).collect();
    let count = |text: &str| labels.iter().filter(|label| label.contains(text)).count();
    for text in ["\"40 transactions in a chain:", "3 alike, from 41", "7 transactions alone"] {
        assert_eq!(count(text), 1, "{text}: {labels:?}");
    }
    assert!(dot.edges.iter().any(|(_, _, of)| of.contains_key("lhead")), "{:?}", dot.edges);
    // The chain is the critical path.
    let chain = dot.nodes.values().find(|node| node["label"].contains("40 transactions"));
    assert!(chain.is_some_and(|node| node.contains_key("penwidth")), "{labels:?}");
}

#[test]
fn a_drawing_is_bounded_however_large_the_block() {
    // 2,000 pairs, and one component of 900 transactions none of which are alike.
    let mut all = Vec::new();
    for n in 0..2_000 {
        all.extend([accesses(&[], &[n]), accesses(&[n], &[])]);
    }
    all.extend((0..900).map(|n| accesses(&[5_000 + n], &[5_001 + n, 6_000 + n])));
    all.extend((0..300).map(|n| accesses(&[6_000 + n, 6_900 - n], &[])));
    let dot = drawing(&all);
    assert!(dot.nodes.len() <= DOT_NODES_MAX + 30, "{} nodes", dot.nodes.len());
    assert!(dot.edges.len() <= DOT_EDGES_MAX + 60, "{} edges", dot.edges.len());
    let says = |text: &str| dot.nodes.values().any(|node| node["label"].contains(text));
    assert!(says(" more components") && says("left out: "), "{:?}", dot.nodes.keys());
}

#[test]
fn options_that_would_do_nothing_are_wrong_usage() {
    for args in [
        &["--dot", "--json"][..],
        &["--learn", "block"],
        &["--learn", "transaction", "--dot"],
        &["--from", "executed", "--dot", "--learn", "transaction"],
        &["--from", "executed", "--dot", "--access-list", "x"],
        &["--warp", "0"],
    ] {
        let ran = warpevm([&["plan", "no/such"], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
    }
    let learns = ["plan", "no/such", "--learn", "block", "--from", "executed"];
    assert_eq!(warpevm(learns).code, 1);
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
