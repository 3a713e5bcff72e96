//! One result per transaction: rows, the table, reasons; and runs that go on: what is told when an
//! input fails, when SIGINT comes, when nothing can be written.

mod common;

use common::inputs::{self, call, write_batch, write_block};
use common::{Ran, command, example_batch, example_block, temp_dir, warpevm, workspace};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use warpevm::results::COLUMNS;

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Lines of JSON.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// One call of each kind of end.
fn kinds() -> Vec<Value> {
    // Error("no"), ABI-encoded.
    let error = format!("0x08c379a0{:064x}{:064x}6e6f{}", 32, 2, "0".repeat(60));
    let panic = format!("0x4e487b71{:064x}", 0x12);
    let mut poor = call(inputs::THREE, "0x");
    poor["value"] = "0x11".into();
    let creation = json!({"from": inputs::SENDER, "to": null, "data": "0x00", "gas": 100_000});
    vec![
        call(inputs::THREE, "0x"),
        call(inputs::REVERTS, &error),
        call(inputs::REVERTS, &panic),
        call(inputs::REVERTS, "0x01020304"),
        call(inputs::REVERTS, "0x"),
        call(inputs::HALTS, "0x"),
        call(inputs::LOGS, "0xabcd"),
        poor,
        creation,
    ]
}

/// A batch file with a call of each kind.
fn kinds_file(name: &str) -> PathBuf {
    let file = temp_dir(name).join("kinds.json");
    write_batch(&file, &kinds());
    file
}

#[test]
fn every_call_has_a_row_that_says_how_it_ended() {
    let file = kinds_file("rows");
    let output = file.with_extension("jsonl");
    let args = ["simulate", text(&file), "--output", text(&output), "--changes"];
    let ran = warpevm(args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("results written: 9 to "), "{}", ran.stdout);
    let rows = lines(&fs::read_to_string(&output).expect("written"));
    let told = |row: &Value| {
        let text = |name: &str| row[name].as_str().map(str::to_owned);
        (text("status").unwrap_or_default(), text("end").unwrap_or_default(), text("reason"))
    };
    let expected = [
        ("success", "return", None),
        ("revert", "revert", Some("no")),
        ("revert", "revert", Some("Panic(0x12): division or modulo by zero")),
        ("revert", "revert", Some("custom error 0x01020304")),
        ("revert", "revert", None),
        ("halt", "invalid-opcode", Some("an opcode that is not defined, or INVALID")),
        ("success", "stop", None),
        ("invalid", "balance-too-low", Some("balance 16 does not cover value and fees of 17")),
        ("success", "return", None),
    ];
    for (index, (row, (status, end, reason))) in rows.iter().zip(expected).enumerate() {
        let reason = reason.map(str::to_owned);
        assert_eq!(told(row), (status.to_owned(), end.to_owned(), reason), "call {index}");
        assert_eq!((&row["call_id"], &row["block"]), (&index.into(), &Value::Null));
    }
    assert_eq!(rows.len(), expected.len());
    assert_eq!(rows[0]["output"], format!("0x{:064x}", 3));
    assert_eq!(rows[5]["gas_used"], 100_000);
    assert_eq!(rows[6]["logs"][0]["data"], "0xabcd");
    assert_eq!(rows[6]["logs"][0]["topics"], json!([format!("0x{:064x}", 7)]));
    let changes = rows[6]["changes"].as_array().expect("a list");
    let slot = changes.iter().find(|change| change["address"] == inputs::LOGS).expect("changed");
    assert_eq!(slot["storage"], json!({format!("0x{:064x}", 1): format!("0x{:064x}", 2)}));
    assert!(rows[7]["gas_used"].is_null() && rows[7]["changes"].is_null());
    assert!(rows[8]["created"].as_str().is_some_and(|address| address.len() == 42));

    let revm = file.with_file_name("revm.jsonl");
    warpevm(["simulate", text(&file), "--backend", "revm", "--output", text(&revm), "--changes"]);
    let read = |path: &Path| fs::read_to_string(path).expect("written");
    assert_eq!(read(&revm), read(&output), "rows of revm are the same");
}

#[test]
fn rows_go_to_stdout_and_the_rest_elsewhere() {
    let file = kinds_file("stdout");
    let ran = warpevm(["simulate", text(&file), "--output", "-"]);
    assert_eq!((ran.code, lines(&ran.stdout).len()), (0, 9), "{}", ran.stderr);
    assert!(ran.stderr.contains("total: 9 transactions"), "{}", ran.stderr);
    let json = warpevm(["simulate", text(&file), "--json"]);
    let objects = lines(&json.stdout);
    assert_eq!(objects.len(), 9 + 2, "a line for each call, the batch and the totals");
    assert_eq!(objects[..9], lines(&ran.stdout));
    assert_eq!(objects[9]["batch"], text(&file));
    let ends = json!({
        "halt": {"invalid-opcode": 1},
        "invalid": {"balance-too-low": 1},
        "revert": {"revert": 4},
        "success": {"return": 2, "stop": 1},
    });
    assert_eq!((&objects[10]["ends"], &objects[10]["rejected"]), (&ends, &1.into()));
    assert_eq!(objects[10]["failures"], json!([]));
}

#[test]
fn a_table_shows_the_first_results_and_names_what_is_not_valid() {
    let mut calls = vec![call(inputs::THREE, "0x"); 12];
    calls[0] = kinds()[1].clone();
    calls[11] = kinds()[7].clone();
    let file = temp_dir("table").join("table.json");
    write_batch(&file, &calls);
    let ran = warpevm(["simulate", text(&file)]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for part in [
        "  call  status   gas used  result\n     0  revert ",
        "  no\n",
        "     9  success ",
        "... and 2 more",
        "  call 11 is not valid: balance 16 does not cover",
        "  results: success 10 (return 10); revert 1; invalid 1 (balance-too-low 1)",
        "validation ran 12 transactions again on revm",
    ] {
        assert!(ran.stdout.contains(part), "'{part}' is not in: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("    10  "), "{}", ran.stdout);
}

#[test]
fn rows_of_a_block_are_its_receipts() {
    let folder = temp_dir("receipts");
    let output = folder.join("receipts.csv");
    let block = example_block();
    let args = ["run", "--backend", "revm", "--validate", "off", text(&block)];
    let ran = warpevm(args.iter().chain(&["--output", text(&output)]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("header fields not checked: state_root 1"), "{}", ran.stdout);
    let mut csv = csv::Reader::from_path(&output).expect("written");
    let header = csv.headers().expect("a header").clone();
    let at = |name: &str| header.iter().position(|column| column == name).expect("a column");
    let file = fs::read(block.join("block.json")).expect("a file");
    let json: Value = serde_json::from_slice(&file).expect("JSON");
    let transactions = json["transactions"].as_array().expect("a list");
    let (mut gas, mut bloom) = (0, alloy_primitives::Bloom::ZERO);
    let mut count = 0;
    for (row, transaction) in csv.records().zip(transactions) {
        let row = row.expect("CSV");
        assert_eq!(&row[at("tx")], transaction["hash"].as_str().expect("a hash"));
        gas += row[at("gas_used")].parse::<u64>().expect("a number");
        assert_eq!(&row[at("cumulative_gas_used")], gas.to_string());
        bloom |= row[at("logs_bloom")].parse::<alloy_primitives::Bloom>().expect("a bloom");
        count += 1;
    }
    assert_eq!(count, transactions.len());
    assert_eq!(format!("{gas:#x}"), json["gasUsed"]);
    assert_eq!(bloom.to_string(), json["logsBloom"]);
}

/// docs/RESULTS.md has the schema's table.
#[test]
fn the_page_has_every_column() {
    let page = fs::read_to_string(workspace().join("docs/RESULTS.md")).expect("the page");
    let row = |column: &warpevm::results::RowColumn| {
        let null = if column.nullable { ", or null" } else { "" };
        format!("| `{}` | {}{null} | {} |\n", column.name, column.kind.name(), column.meaning)
    };
    let table: String = COLUMNS.iter().map(row).collect();
    assert!(
        page.contains(&format!("| column | type | meaning |\n|---|---|---|\n{table}\n")),
        "{table}"
    );
}

#[test]
fn flags_that_would_do_nothing_are_wrong_usage() {
    let (file, folder) = (kinds_file("usage"), temp_dir("usage-blocks"));
    let block = write_block(&folder, 1, 1, "0x", 21_000);
    let (batch, block) = (text(&file), text(&block));
    for (args, flag, cause) in [
        (vec!["simulate", batch, "--gpu", "7"], "--gpu", "runs on no GPU"),
        (vec!["simulate", batch, "--grouping", "start"], "--grouping", "runs on no GPU"),
        (vec!["simulate", batch, "--instances-per-warp", "32"], "--instances", "no GPU"),
        (vec!["simulate", batch, "--threads", "513"], "--threads", "at most 512"),
        (vec!["simulate", batch, "--threads", "-1"], "'-1'", "unexpected argument"),
        (vec!["simulate", batch, "--min-residency", "1.5"], "--min-residency", "from 0 to 1"),
        (vec!["simulate", batch, "--min-residency", "NaN"], "--min-residency", "from 0 to 1"),
        (vec!["simulate", batch, "--changes"], "--changes", "there are no rows"),
        (vec!["simulate", batch, "--resume"], "--resume", "--output FILE"),
        (vec!["simulate", batch, "--resume", "--output", "-"], "--resume", "--output FILE"),
        (vec!["simulate", batch, "--output", "a.json"], "--output", "'a.json' ends in none of"),
        (vec!["simulate", batch, "--block", "1"], "--block", "unexpected argument"),
        (vec!["simulate", block], "simulate", "`warpevm run` executes"),
        (vec!["run", batch, "--block", "1"], "--block", "only for blocks"),
        (vec!["run", batch, "--policy", "auto"], "--policy", "only for blocks"),
        (vec!["run", block, "--block", ","], "--block", "a choice is empty"),
        (vec!["run", block, "--block", "all,1"], "--block", "'all' stands alone"),
        (vec!["run", block, "--block", "9..1"], "--block", "'9..1' ends before it begins"),
        (vec!["run", block, "--block", "1.."], "--block", "'1..' lacks an end"),
        (vec!["plan", block, "--block", "1.."], "--block", "'1..' lacks an end"),
        (vec!["run", block, "--compare"], "--compare", "only for batches"),
        (vec!["simulate", batch, "--compare", "--backend", "revm"], "--compare", "beside revm"),
        (vec!["run", batch, "--compare", "--backend", "revm"], "--compare", "beside revm"),
        (vec!["run", block, "--reproducers", "-"], "--reproducers", "names a folder"),
        (
            vec!["run", block, "--backend", "revm", "--policy", "waves"],
            "--policy",
            "after the other",
        ),
        (
            vec!["run", block, "--validate", "off", "--reproducers", "r"],
            "--reproducers",
            "compared",
        ),
        (vec!["run", block, "--validate", "off", "--on-mismatch", "revm"], "--on-mis", "compared"),
        (vec!["run", block, "--backend", "revm", "--validate", "full"], "--validate", "itself"),
    ] {
        let ran = warpevm(&args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        for part in [flag, cause] {
            assert!(ran.stderr.contains(part), "'{part}' is not in: {}", ran.stderr);
        }
    }
    // The name does not tell what it is; reading it does.
    let odd = file.with_extension("calls");
    fs::copy(&file, &odd).expect("copied");
    let ran = warpevm(["run", text(&odd), "--block", "1"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("--block: only for blocks"), "{}", ran.stderr);
}

#[test]
fn each_command_has_its_usage_and_examples() {
    for (command, usage) in [("run", "run [OPTIONS] <INPUT>..."), ("simulate", "simulate [OPTI")] {
        let help = warpevm([command, "--help"]).stdout;
        assert!(help.contains(&format!("Usage: warpevm {usage}")), "{help}");
        assert!(help.contains(&format!("Examples:\n  warpevm {command} host/examples/")), "{help}");
    }
}

/// Three blocks of a folder, the second of which is bad in some way.
fn good_bad_good(name: &str) -> (PathBuf, [PathBuf; 3]) {
    let folder = temp_dir(name);
    let blocks = [1, 2, 3].map(|number| write_block(&folder, number, 2, "0x", 21_000));
    (folder, blocks)
}

/// The run failed, and told what ran before, or around, the second block.
fn told_the_rest(ran: &Ran, blocks: u64, cause: &str) {
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    let total = ran.json();
    assert_eq!((&total["blocks"], &total["transactions"]), (&blocks.into(), &(2 * blocks).into()));
    let failures = total["failures"].as_array().expect("a list");
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].as_str().is_some_and(|text| text.contains(cause)), "{failures:?}");
    let told = ran.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert!(told == 1 && ran.stderr.contains(cause), "{}", ran.stderr);
}

#[test]
fn one_bad_block_or_input_does_not_end_a_run_that_keeps_going() {
    let (folder, blocks) = good_bad_good("bad-block");
    fs::write(blocks[1].join("codes.json"), "{").expect("written");
    let args = ["run", "--json", text(&folder)];
    told_the_rest(&warpevm(args), 1, "2/codes.json: line 1");
    told_the_rest(&warpevm(args.iter().chain(&["--keep-going"])), 2, "2/codes.json: line 1");
    let each = blocks.each_ref().map(|block| text(block));
    let args = ["run", "--json", each[0], "no/such", each[2]];
    told_the_rest(&warpevm(args), 1, "no/such");
    told_the_rest(&warpevm(args.iter().chain(&["--keep-going"])), 2, "no/such");
    // A transaction that is not valid.
    let mut block: Value =
        serde_json::from_slice(&fs::read(blocks[2].join("block.json")).expect("read"))
            .expect("JSON");
    block["transactions"][1]["nonce"] = "0x7".into();
    fs::write(blocks[2].join("block.json"), block.to_string()).expect("written");
    let args = ["run", "--json", each[2], each[0], "--keep-going"];
    told_the_rest(&warpevm(args), 1, "block 3: transaction 1 is not valid: nonce 7 is higher");
}

#[test]
fn where_nothing_ran_all_is_not_well() {
    let ran = warpevm(["run", "--keep-going", "no/such", "nor/this"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 2, "{}", ran.stderr);
    let (folder, _) = good_bad_good("unselected");
    let ran = warpevm(["run", text(&folder), "--block", "7"]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("holds no block 7"), "{}", ran.stderr);
    // A batch without calls ran.
    let empty = temp_dir("empty-batch").join("empty.json");
    write_batch(&empty, &[]);
    let ran = warpevm(["simulate", "--json", text(&empty)]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let objects = lines(&ran.stdout);
    assert_eq!((objects.len(), &objects[0]["residency"]["transactions"]), (2, &json!(1.0)));
}

#[test]
fn a_hash_that_is_not_listed_is_a_failure_that_names_the_number() {
    // PUSH1 5, NUMBER, SUB, BLOCKHASH, PUSH1 0, SSTORE
    let folder = temp_dir("hash");
    let gas = 21_000 + 3 + 2 + 3 + 20 + 3 + 20_000;
    let block = write_block(&folder, 100, 1, "0x6005430340600055", gas);
    for more in [&[][..], &["--validate", "off"], &["--backend", "revm"]] {
        let ran = warpevm(["run", text(&block)].iter().chain(more));
        assert_eq!(ran.code, 1, "{}", ran.stdout);
        let cause = "block 100: BLOCKHASH asks for the hash of block 95, which";
        assert!(ran.stderr.contains(cause), "{}", ran.stderr);
        assert!(!ran.stdout.contains("equal revm's"), "{}", ran.stdout);
    }
    fs::write(block.join("block_hashes.json"), json!({"95": format!("0x{:064x}", 95)}).to_string())
        .expect("written");
    let ran = warpevm(["run", text(&block)]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

/// With calldata: counts down from 2^18, then sets slot 0. Without: keeps BLOCKHASH of the block
/// five before, unless slot 0 is set.
const ASKS_UNLESS_SET: &str = concat!(
    "0x3660145760005460125760054303406001555b00",
    "5b620400005b60019003806019576001600055",
    "00"
);

#[test]
fn a_hash_that_only_speculation_asks_for_is_none() {
    // The first transaction sets the slot, so that in true order none asks; those that run ahead of
    // it, while it counts, see the slot unset.
    let folder = temp_dir("ahead");
    let (asked, set) = (21_082, 21_000 + 68 + 15 + 1 + 3 + (26 << 18) + 20_006);
    let block = write_block(&folder, 100, 40, ASKS_UNLESS_SET, asked);
    let file = block.join("block.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&file).expect("read")).expect("JSON");
    json["transactions"][0]["input"] = "0x01".into();
    json["transactions"][0]["gas"] = "0x989680".into();
    json["gasUsed"] = format!("{:#x}", 39 * asked + set).into();
    fs::write(&file, json.to_string()).expect("written");
    for backend in ["cpu", "cuda-fake"] {
        let args = ["run", text(&block), "--policy", "optimistic", "--backend", backend, "--json"];
        let ran = warpevm(args);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!((&ran.json()["validated"], &ran.json()["mismatches"]), (&40.into(), &0.into()));
    }
}

#[test]
fn a_run_goes_on_where_an_earlier_one_ended() {
    let (folder, _) = good_bad_good("resume");
    let batch = folder.join("some.json");
    write_batch(&batch, &kinds());
    let run = |output: &Path, more: &[&str]| {
        let args = ["run", "--json", text(&folder), text(&batch), "--output", text(output)];
        let ran = warpevm(args.iter().chain(more));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let count = |name: &str| ran.json()[name].as_u64().expect("a number");
        (count("transactions"), count("resumed"))
    };
    for ending in ["jsonl", "csv"] {
        let whole = folder.join(format!("whole.{ending}"));
        assert_eq!(run(&whole, &[]), (15, 0));
        let expected = fs::read(&whole).expect("written");
        let ends: Vec<usize> = (1..=expected.len()).filter(|&n| expected[n - 1] == b'\n').collect();
        let header = usize::from(ending == "csv");
        assert_eq!(ends.len(), 15 + header);
        // So many rows are there, and so many bytes of the next one; what is taken over then.
        for (rows, more, taken) in [(1, 9, 0), (2, 0, 2), (5, 300, 4), (14, 9, 6), (15, 0, 15)] {
            let cut = ends[rows - 1 + header] + more;
            let part = folder.join(format!("part.{ending}"));
            fs::write(&part, &expected[..cut]).expect("written");
            let told = format!("{ending}: {rows} rows and {more} bytes");
            assert_eq!(run(&part, &["--resume"]), (15 - taken, taken), "{told}");
            assert_eq!(fs::read(&part).expect("written"), expected, "{told}");
        }
    }
    let ran = warpevm(["run", text(&folder), "--output", "no-such.csv", "--resume"]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("no-such.csv: "), "{}", ran.stderr);
}

#[test]
fn what_differs_is_in_its_rows_and_runs_again() {
    let (folder, blocks) = good_bad_good("differs");
    let file = blocks[1].join("block.json");
    let good = fs::read_to_string(&file).expect("a text");
    let bad = good.replace("\"gasUsed\":\"0xa410\"", "\"gasUsed\":\"0xa411\"");
    assert_ne!(good, bad);
    fs::write(&file, bad).expect("written");
    let output = folder.join("rows.jsonl");
    let args = ["run", "--json", text(&folder), "--output", text(&output)];
    let ran = warpevm(args);
    assert_eq!((ran.code, &ran.json()["blocks"]), (1, &3.into()), "{}", ran.stderr);
    assert!(ran.stderr.contains("block 2: ") && ran.stderr.contains("FAIL"), "{}", ran.stderr);
    let rows = lines(&fs::read_to_string(&output).expect("written"));
    let differs: Vec<bool> = rows.iter().map(|row| row["differs"] == true).collect();
    assert_eq!(differs, [false, false, true, true, false, false]);
    fs::write(&file, good).expect("written");
    let ran = warpevm(args.iter().chain(&["--resume"]));
    assert_eq!((ran.code, &ran.json()["resumed"]), (0, &4.into()), "{}", ran.stderr);
    assert_eq!(ran.json()["transactions"], 2);
}

#[test]
#[cfg(unix)]
fn sigint_ends_a_run_with_its_totals_and_rows() {
    let file = temp_dir("sigint").join("long.json");
    let mut long = call(inputs::LOOPS, "0x");
    long["gas"] = 1_000_000.into();
    write_batch(&file, &vec![long; 200_000]);
    let output = file.with_extension("jsonl");
    let args = ["simulate", "--json", "--validate", "off", text(&file), "--output", text(&output)];
    let mut command = command();
    let child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("the binary runs");
    let folder = file.parent().expect("a folder").to_owned();
    let entries = || folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry"));
    let begun = |path: &Path| {
        path.extension().is_some_and(|ending| ending == "part")
            && fs::metadata(path).is_ok_and(|there| there.len() > 0)
    };
    while !entries().any(|entry| begun(&entry.path())) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let ended = child.wait_with_output().expect("it ends");
    let stdout = String::from_utf8(ended.stdout).expect("UTF-8");
    let stderr = String::from_utf8(ended.stderr).expect("UTF-8");
    assert_eq!(ended.status.code(), Some(130), "{stdout}{stderr}");
    let total = lines(&stdout).pop().expect("the totals");
    assert_eq!(total["interrupted"], true);
    assert!(stderr.contains("of 200000 calls"), "{stderr}");
    let rows = lines(&fs::read_to_string(&output).expect("rows"));
    assert_eq!(total["transactions"], rows.len());
    assert!((1..200_000).contains(&rows.len()), "{} rows", rows.len());
    assert_eq!(entries().count(), 2, "something is left over");
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_cannot_be_written_fails_and_panics_nowhere() {
    let file = kinds_file("full");
    let block = write_block(&temp_dir("full-block"), 1, 1, "0x", 21_000);
    let full = || fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    for args in [
        vec!["simulate", text(&file)],
        vec!["simulate", text(&file), "--json"],
        vec!["simulate", text(&file), "--output", "-"],
        vec!["simulate", text(&file), "--compare"],
        vec!["run", text(&block)],
        vec!["run", text(&block), "--json"],
        vec!["--help"],
        vec!["--version"],
    ] {
        let ran = command().args(&args).stdout(full()).output().expect("the binary runs");
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{args:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    }
    // What is told on stderr alone may be lost; the exit code says it.
    for (args, code) in [
        (vec!["run", "no/such"], 1),
        (vec!["run"], 2),
        (vec!["simulate", text(&file), "--gpu", "1"], 2),
        (vec!["simulate", text(&file), "--output", "-"], 0),
    ] {
        let ran = command().args(&args).stderr(full()).output().expect("the binary runs");
        assert_eq!(ran.status.code(), Some(code), "{args:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn threads_that_do_not_start_are_an_error() {
    let file = kinds_file("threads");
    let command = command();
    let mut shell = Command::new("bash");
    let limited = "ulimit -v 2000000; exec \"$0\" simulate --threads 512 \"$1\"";
    shell.args(["-c", limited]).arg(command.get_program()).arg(&file);
    let ran = shell.output().expect("bash runs");
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains("thread"), "{stderr}");
}

/// revm's results are not called equal to revm's, whichever way a run came to them.
#[test]
fn what_revm_ran_is_not_called_equal() {
    let ran = warpevm(["simulate", "--backend", "revm", text(&example_batch())]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("200 not checked (ran on revm)"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("equal revm's"), "{}", ran.stdout);
    // 576 MiB of memory: no class holds it. The call beside it runs on the device.
    let call =
        |to: &str| json!({"from": format!("0x{:040x}", 0xaa), "to": to, "gas": "0x40000000000"});
    let (large, small) = (format!("0x{:040x}", 0xc0de), format!("0x{:040x}", 0xc0df));
    let batch = json!({
        "spec": "cancun", "env": {"gasLimit": "0x7fffffffffffffff"},
        "state": {&large: {"code": "0x632400000051"}, &small: {"code": "0x00"}},
        "calls": [call(&large), call(&small)],
    });
    let file = temp_dir("unchecked").join("batch.json");
    fs::write(&file, batch.to_string()).expect("written");
    let ran = warpevm(["simulate", text(&file)]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("1 equal revm's; 1 not checked (ran on revm)"), "{}", ran.stdout);
    assert!(ran.stdout.contains("fallbacks: memory-class 1"), "{}", ran.stdout);
}
