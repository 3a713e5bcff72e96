//! `warpevm bench`: everyone has the same results, which are revm's, and the report says all.

mod common;

use common::{example_block, temp_dir, warpevm, warpevm_with};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use warpevm::chain::{BlockInput, BlockSource, Selection};
use warpevm::input::{self, Input, InputError};
use warpevm::reference::{self, validate};
use warpevm_compiler::Options;
use warpevm_tests::fixtures::{fixtures_dir, require, skip};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn rows(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("the rows");
    serde_json::from_str(&text).expect("JSON")
}

/// The hash that revm's results have, worked out here.
fn example_hash() -> String {
    let Input::Blocks(source) = input::open(&example_block()).expect("the block opens") else {
        panic!("the example is a block");
    };
    let mut hash = String::new();
    let visit = |_: &str, block: Result<BlockInput, InputError>| {
        let block = block?;
        let (env, txs) = (&block.env, &block.transactions);
        let outcomes = reference::execute_sequential(env, txs, &block.state).expect("revm runs");
        hash = validate::result_hash(&outcomes).to_string();
        Ok::<_, InputError>(())
    };
    source.visit(&Selection::All, visit).expect("the block reads");
    hash
}

#[test]
fn the_result_hash_is_that_of_revm() {
    let json = temp_dir("bench").join("rows.json");
    let (block, json) = (example_block(), json.as_path());
    let args = ["bench", "blocks", "--input", text(&block), "--rounds", "1", "--threads", "1,2"];
    let policies = ["--policies", "sequential,optimistic,waves,auto", "--json", text(json)];
    let ran = warpevm([&args[..], &policies].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let (rows, expected) = (rows(json), example_hash());
    let mut contenders = BTreeSet::new();
    for row in rows.iter().filter(|row| row["stage"] == "end-to-end") {
        assert_eq!(row["result_hash"], expected, "{row}");
        assert_eq!(row["batch"], 3179);
        assert!(row["ratio_to_revm"].as_f64().is_some_and(|ratio| ratio > 0.0), "{row}");
        contenders.insert((row["contender"].to_string(), row["threads"].as_u64()));
    }
    assert_eq!(contenders.len(), 1 + 4 * 2, "revm and every policy: {contenders:?}");
}

#[test]
fn every_suite_runs_tiny() {
    let folder = temp_dir("bench");
    let (json, html) = (folder.join("rows.json"), folder.join("report.html"));
    let args = ["bench", "--tiny", "--threads", "2", "--json", text(&json), "--html", text(&html)];
    let ran = warpevm_with(args, fixtures_dir().as_deref());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut hashes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut contenders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut suites = BTreeSet::new();
    let word = |row: &Value, key: &str| row[key].as_str().expect(key).to_owned();
    for row in rows(&json) {
        let case = format!("{} {} {}", row["suite"], row["case"], row["batch"]);
        hashes.entry(case.clone()).or_default().insert(word(&row, "result_hash"));
        contenders.entry(case).or_default().insert(word(&row, "contender"));
        suites.insert(word(&row, "suite"));
        for key in ["stage", "backend", "machine", "command"] {
            assert!(row[key].is_string(), "{key}: {row}");
        }
        let seconds = ["seconds_min", "seconds_median", "seconds_max"];
        let seconds = seconds.map(|key| row[key].as_f64().expect(key));
        assert!(seconds[0] > 0.0 && seconds.is_sorted(), "{row}");
        assert_eq!(row["residency_transactions"], 1.0, "{row}");
    }
    assert!(hashes.values().all(|hashes| hashes.len() == 1), "{hashes:?}");
    for (case, contenders) in &contenders {
        let both = ["cpu", "revm"].iter().all(|name| contenders.contains(*name));
        assert!(both, "{case}: {contenders:?}");
    }
    let html = std::fs::read_to_string(&html).expect("the report");
    let always = ["transfers", "swaps", "compute", "lp98", "conflicts"];
    let wanted = ["cuevm", "worst-case", "fuzz", "blocks"];
    for suite in always {
        assert!(suites.contains(suite), "{suites:?}");
        assert!(html.contains(&format!("<h2>{suite}</h2>")), "no {suite} in the report");
    }
    for part in ["</svg>", "prefers-color-scheme", "H100", "Time per stage", "</html>"] {
        assert!(html.contains(part), "no {part} in the report");
    }
    assert!(!html.contains("http://") || !html.contains("<script"), "it needs nothing else");
    let archives =
        ["peers/cuevm", "conformance/bench-blocks.tar.zst", "contracts/contracts.tar.zst"];
    match archives.into_iter().find_map(|name| require(name).err()) {
        Some(why) => skip("every_suite_runs_tiny", &why),
        None => wanted.iter().for_each(|suite| assert!(suites.contains(*suite), "{suites:?}")),
    }
}

#[test]
fn what_is_missing_is_left_out_and_the_rest_runs() {
    let ran = warpevm(["bench", "cuevm", "lp98", "--tiny", "--threads", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("left out: cuevm: there is no folder of fixtures"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("CuEVM"), "{}", ran.stdout);
    assert!(ran.stdout.contains("lp98/count/8: 8 success"), "{}", ran.stdout);
    let ran = warpevm(["bench", "cuevm", "--tiny"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("nothing to measure: the suites have no case"), "{}", ran.stderr);
    let ran = warpevm(["bench", "lp98", "--tiny", "--filter", "nope"]);
    assert_eq!(ran.code, 1);
    let why = "nothing to measure: --filter: 'nope' matches none of the cases lp98/count/1, lp98/";
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
    let ran = warpevm(["bench", "lp98", "--tiny", "--json", "no/such/folder.json"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("no/such/folder.json"), "{}", ran.stderr);
}

#[test]
fn a_file_is_there_when_it_says_something() {
    let folder = temp_dir("bench");
    let (old, new) = (folder.join("old.json"), folder.join("new.html"));
    std::fs::write(&old, "old").expect("written");
    let files = ["--json", text(&old), "--html", text(&new)];
    let nothing = ["bench", "lp98", "--tiny", "--filter", "nosuch"];
    let ran = warpevm([&nothing[..], &files].concat());
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let left = || std::fs::read_dir(&folder).expect("listed").count();
    assert_eq!(std::fs::read_to_string(&old).expect("there"), "old");
    assert_eq!(left(), 1, "something is left over");
    // What cannot be written is seen before anything is measured.
    let ran = warpevm(["bench", "lp98", "--tiny", "--json", text(&folder)]);
    assert_eq!((ran.code, &*ran.stdout), (1, ""), "{}", ran.stderr);
    let ran = warpevm([&["bench", "lp98", "--tiny", "--threads", "1"][..], &files].concat());
    assert_eq!((ran.code, left()), (0, 2), "{}", ran.stderr);
    assert!(!rows(&old).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_measured_is_written_when_a_run_is_interrupted() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::Stdio;
    let json = temp_dir("bench").join("rows.json");
    // The first case takes no time, the second one seconds.
    let args = ["bench", "transfers", "--batch", "1,4000", "--threads", "1", "--rounds", "9"];
    let mut command = common::command();
    command.args(args).args(["--json", text(&json)]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    assert!(line.starts_with("transfers/raw/1: "), "{line}");
    assert!(!json.exists(), "it is not there before it is whole");
    let pid = libc::pid_t::try_from(child.id()).expect("a process");
    // SAFETY: sends a signal to a process that this test started and has not waited for.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    stdout.read_to_string(&mut line).expect("the rest");
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("of 8 cases were measured"), "{stderr}");
    let cases: BTreeSet<u64> = rows(&json).iter().filter_map(|row| row["batch"].as_u64()).collect();
    assert!(cases.contains(&1), "{cases:?}");
    assert!(rows(&json).iter().all(|row| row["case"] == "raw"), "the rest did not run");
}

#[test]
fn ablations_cover_every_idea() {
    let json = temp_dir("bench").join("rows.json");
    let args = ["bench", "lp98", "conflicts", "--ablate", "--tiny", "--threads", "1,2"];
    let ran = warpevm([&args[..], &["--rounds", "1", "--json", text(&json)]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let rows = rows(&json);
    let of = |suite: &str| -> BTreeSet<String> {
        let rows = rows.iter().filter(|row| row["suite"] == suite);
        rows.map(|row| row["off"].as_str().expect("a name").to_owned()).collect()
    };
    for suite in ["lp98", "conflicts"] {
        let off = of(suite);
        for name in Options::NAMES {
            assert!(off.contains(name), "{suite}: {off:?}");
        }
    }
    assert!(of("conflicts").contains("redo") && !of("lp98").contains("redo"));
    assert!(rows.iter().all(|row| row["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0)));
    assert!(ran.stdout.contains("forward-storage"), "{}", ran.stdout);
}
