//! `warpevm statetest` and `warpevm blocktest` as commands: what goes on past a bad file, what is
//! no success, what is told when the run is cut short, which flags are refused.

mod common;

use alloy_consensus::EMPTY_ROOT_HASH;
use alloy_primitives::hex;
use common::inputs::{rejected_test, transfer};
use common::{Ran, command, example_batch, example_block, temp_dir, warpevm};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A state test whose transaction has no funds, of one fork.
fn state_test(fork: &str, expected: &str) -> String {
    rejected_test(fork, &transfer(), expected)
}

const RIGHT: &str = "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS";
const WRONG: &str = "TransactionException.NONCE_MISMATCH_TOO_LOW";

/// A blockchain test of one block that is no RLP, on a genesis without accounts.
fn block_test(expected: &str) -> String {
    let genesis = alloy_consensus::Header {
        state_root: EMPTY_ROOT_HASH,
        base_fee_per_gas: Some(7),
        ..Default::default()
    };
    let hash = genesis.hash_slow();
    let rlp = {
        let header = alloy_rlp::encode(&genesis);
        let payload = [&header[..], &[0xc0, 0xc0]].concat();
        let mut out = Vec::new();
        alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
        [out, payload].concat()
    };
    let test = json!({"a_chain": {
        "network": "Paris", "pre": {}, "postState": {}, "lastblockhash": hash,
        "genesisBlockHeader": {"hash": hash}, "genesisRLP": hex::encode_prefixed(rlp),
        "blocks": [{"rlp": "0xc0", "expectException": expected}],
    }});
    test.to_string()
}

/// A folder with files.
fn folder(files: &[(&str, &str)]) -> String {
    let folder = temp_dir("suite");
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("written");
    }
    text(&folder).to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// What a command says went wrong.
#[track_caller]
fn fails(ran: &Ran, code: i32, said: &[&str]) {
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
    for part in said {
        assert!(ran.stderr.contains(part), "no {part:?} in {:?}", ran.stderr);
    }
}

/// The line with the counts.
#[track_caller]
fn counts(ran: &Ran, line: &str) {
    assert!(ran.stdout.lines().any(|other| other == line), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn one_bad_file_does_not_end_a_suite() {
    let good = state_test("Cancun", RIGHT);
    let files = [("a.json", &*good), ("b.json", "{\"x\": "), ("c.json", &good)];
    let tests = folder(&files);
    let ran = warpevm(["statetest", &tests, "--json"]);
    assert_eq!(ran.code, 1);
    counts(&ran, "2 passed, 1 failed, 0 skipped");
    assert!(ran.stdout.contains("FAILED b.json: line 1, column 6: "), "{}", ran.stdout);
    // A file that cannot be read is no case that left the device.
    let json = ran.json();
    assert_eq!((&json["unreadable"], &json["residency_cases"]), (&json!(1), &json!(1.0)));
    assert_eq!(json["residency_blocks"], Value::Null);
    // Nor does a path that is not there, or an archive that is none.
    let broken = temp_dir("suite").join("broken.tar.zst");
    fs::write(&broken, "no archive").expect("written");
    let paths = ["no/such", &tests, text(&broken), &tests];
    let ran = warpevm([&["statetest"][..], &paths].concat());
    assert_eq!(ran.code, 1);
    counts(&ran, "4 passed, 4 failed, 0 skipped");
    for named in ["FAILED no/such: ", "broken.tar.zst: "] {
        assert_eq!(ran.stdout.matches(named).count(), 1, "{}", ran.stdout);
    }
    assert_eq!(ran.stdout.matches("os error 2").count(), 1, "{}", ran.stdout);
}

#[test]
fn one_bad_file_does_not_end_blocks() {
    let good = block_test("BlockException.RLP_STRUCTURES_ENCODING");
    let wrong = block_test("BlockException.UNKNOWN_PARENT");
    let tests = folder(&[("a.json", "["), ("b.json", &wrong), ("c.json", &good)]);
    let ran = warpevm(["blocktest", &tests]);
    assert_eq!(ran.code, 1);
    counts(&ran, "1 passed, 2 failed, 0 skipped");
    let said = "rejected for another reason than BlockException.UNKNOWN_PARENT: RLP of ";
    assert!(ran.stdout.contains("FAILED a.json: ") && ran.stdout.contains(said), "{}", ran.stdout);
    // The same files measured: those that run are.
    let ran = warpevm(["blocktest", &tests, "--compare", "--rounds", "1", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(ran.json()["failures"].as_array().map(Vec::len), Some(2), "{}", ran.stdout);
    assert!(ran.stdout.contains("1 files left out: their blocks use no gas"), "{}", ran.stdout);
}

/// Each says which input it is of, and the choice of cases knows nothing of inputs.
#[test]
fn failures_of_several_inputs_are_told_apart() {
    let (wrong, good) = (state_test("Cancun", WRONG), state_test("Prague", RIGHT));
    let files = [("a.json", &*wrong), ("b.json", "["), ("c.json", &good)];
    let (one, two) = (folder(&files), folder(&files));
    let ran = warpevm(["statetest", &one, &two]);
    assert_eq!(ran.code, 1);
    counts(&ran, "2 passed, 4 failed, 0 skipped");
    for name in [&one, &two].iter().flat_map(|folder| {
        ["a.json a_test", "b.json: line 1"].map(|name| format!("FAILED {folder}/{name}"))
    }) {
        assert_eq!(ran.stdout.matches(&name).count(), 1, "no {name} in {}", ran.stdout);
    }
    let single = warpevm(["statetest", &one]);
    assert!(single.stdout.contains("FAILED a.json a_test"), "{}", single.stdout);
    for choice in
        [["--filter", "^c.json$"], ["--filter", "^a"], ["--sample", "2"], ["--sample", "3"]]
    {
        let count = |paths: &[&str]| {
            let json = warpevm([&["statetest", "--json"], paths, &choice].concat()).json();
            ["passed", "failed"].map(|key| json[key].as_u64().expect("a count"))
        };
        let ([passed, failed], both) = (count(&[&one]), count(&[&one, &two]));
        assert_eq!(both, [2 * passed, 2 * failed], "{choice:?}");
    }
    // An archive's name stands before the name in it.
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(wrong.len() as u64);
    tar.append_data(&mut header, "a.json", wrong.as_bytes()).expect("appended");
    let archive = temp_dir("suite").join("t.tar.zst");
    let tar = tar.into_inner().expect("a tar");
    fs::write(&archive, zstd::encode_all(&tar[..], 1).expect("packed")).expect("written");
    let ran = warpevm(["statetest", text(&archive), &one]);
    let named = format!("FAILED {}: a.json a_test", archive.display());
    assert!(ran.stdout.contains(&named), "{}", ran.stdout);
    let blocks = [("a.json", &*block_test("BlockException.UNKNOWN_PARENT"))];
    let (one, two) = (folder(&blocks), folder(&blocks));
    let ran = warpevm(["blocktest", &one, &two, "--compare", "--rounds", "1", "--json"]);
    let failures = &ran.json()["failures"];
    for (at, folder) in [one, two].iter().enumerate() {
        assert_eq!(failures[at]["file"], format!("{folder}/a.json"), "{failures}");
        assert!(ran.stdout.contains(&format!("FAILED {folder}/a.json a_chain")), "{}", ran.stdout);
    }
}

#[test]
fn nothing_that_ran_is_no_success() {
    let tests = folder(&[
        ("a.json", &state_test("Cancun", RIGHT)),
        ("b.json", &state_test("Prague", RIGHT)),
    ]);
    let blocks = folder(&[("a.json", &block_test("BlockException.RLP_STRUCTURES_ENCODING"))]);
    let empty = folder(&[]);
    let cases: [(&[&str], &str); 8] = [
        (&["statetest", &empty], "no case ran: there is no JSON file in "),
        (&["blocktest", &empty], "no case ran: there is no JSON file in "),
        (
            &["statetest", &tests, "--fork", "Cancn"],
            "no case ran: none is of the fork Cancn; there are Cancun, Prague",
        ),
        (&["statetest", &tests, "--filter", "nosuch"], "no case ran: none matches nosuch"),
        (
            &["statetest", &tests, "--sample", "1000000007"],
            "no case ran: none is in the sample of one case of 1000000007",
        ),
        // Files of the other kind are skipped.
        (&["statetest", &blocks], "no case ran: all 1 are skipped"),
        (&["blocktest", &tests], "no case ran: all 2 are skipped"),
        (
            &["blocktest", &blocks, "--compare", "--filter", "nosuch"],
            "no file was compared: none matches nosuch",
        ),
    ];
    for (args, why) in cases {
        let ran = warpevm(args);
        fails(&ran, 1, &["error: ", why]);
        assert!(!ran.stdout.contains("residency"), "of nothing: {}", ran.stdout);
    }
    let json = warpevm(["statetest", &empty, "--json"]).json();
    assert_eq!((&json["residency_cases"], &json["passed"]), (&Value::Null, &json!(0)));
}

#[test]
fn a_reason_is_held_against_the_name() {
    for backend in ["cpu", "revm"] {
        let args = |file: &str| {
            let tests = folder(&[("a.json", file)]);
            warpevm(["statetest", &tests, "--backend", backend])
        };
        counts(&args(&state_test("Cancun", RIGHT)), "1 passed, 0 failed, 0 skipped");
        let ran = args(&state_test("Cancun", WRONG));
        assert_eq!(ran.code, 1);
        let why = format!("rejected for another reason than {WRONG}: balance 0 does not cover");
        assert!(ran.stdout.contains(&why), "{}", ran.stdout);
    }
}

#[test]
fn flags_that_would_do_nothing_are_refused() {
    let statetest = |args: &[&str]| [&["statetest", "no/such"], args].concat().join(" ");
    let blocktest = |args: &[&str]| [&["blocktest", "no/such"], args].concat().join(" ");
    let bench = |args: &[&str]| [&["bench"], args].concat().join(" ");
    let cases = [
        (statetest(&["--jobs", "4000"]), "--jobs"),
        (statetest(&["--min-residency", "2"]), "--min-residency"),
        (statetest(&["--min-residency", "NaN"]), "--min-residency"),
        (statetest(&["--min-residency", "1", "--backend", "revm"]), "--min-residency"),
        (statetest(&["--sample", "0"]), "--sample"),
        (blocktest(&["--jobs", "4000"]), "--jobs"),
        (blocktest(&["--threads", "99999"]), "--threads"),
        (blocktest(&["--threads", "2", "--backend", "revm"]), "--threads"),
        (blocktest(&["--policy", "waves", "--backend", "revm"]), "--policy"),
        (blocktest(&["--policy", "waves"]), "--policy"),
        (blocktest(&["--policy", "waves", "--compare", "--threads", "2"]), "--policy"),
        (blocktest(&["--rounds", "2"]), "--compare"),
        (blocktest(&["--rounds", "2000", "--compare"]), "--rounds"),
        (blocktest(&["--compare", "--backend", "revm"]), "--compare"),
        (blocktest(&["--compare", "--threads", "2"]), "--threads"),
        (blocktest(&["--compare", "--jobs", "2"]), "--jobs"),
        (blocktest(&["--compare", "--min-residency", "1"]), "--min-residency"),
        (bench(&["--threads", "99999"]), "--threads"),
        (bench(&["--rounds", "1001"]), "--rounds"),
        (bench(&["--batch", "0"]), "--batch"),
        (bench(&["--backend", "revm"]), "--backend"),
        (bench(&["lp98", "--input", "x"]), "--input"),
        (bench(&["blocks", "--batch", "8"]), "--batch"),
        (bench(&["lp98", "--policies", "waves"]), "--policies"),
        (bench(&["--grouping", "rounds"]), "--grouping"),
        (bench(&["--ablate", "--against", "revm"]), "--against"),
        (bench(&["--ablate", "--policies", "waves"]), "--policies"),
        (bench(&["--ablate", "--backend", "cpu,cuda-fake"]), "--backend"),
        (bench(&["--json", "x", "--html", "x"]), "--html"),
        (bench(&["--json", "x", "--html", "./x"]), "--html"),
        (bench(&["--json", "-", "--html", "-"]), "--html"),
        (bench(&["conflicts", "--threads", "1", "--policies", "waves,optimistic"]), "--policies"),
        (bench(&["conflicts", "--threads", "1", "--policies", "sequential,auto"]), "--policies"),
        (bench(&["conflicts", "--threads", "1", "--policies", "waves"]), "--policies"),
        (bench(&["conflicts", "--against", "revm-parallel"]), "--against"),
        (bench(&["lp98", "lp98"]), "SUITE: 'lp98' stands twice"),
        (bench(&["--backend", "cpu,cpu"]), "--backend: 'cpu' stands twice"),
        (bench(&["--against", "revm,revm"]), "--against: 'revm' stands twice"),
        (bench(&["--policies", "auto,waves,auto"]), "--policies: 'auto' stands twice"),
        (bench(&["--threads", "2,2"]), "--threads: '2' stands twice"),
        (bench(&["--batch", "8,8"]), "--batch: '8' stands twice"),
        (bench(&["--input", "a", "--input", "a"]), "--input: 'a' stands twice"),
    ];
    for (command, flag) in cases {
        fails(&warpevm(command.split(' ')), 2, &["error: ", flag]);
    }
    assert!(!Path::new(env!("CARGO_TARGET_TMPDIR")).join("x").exists(), "a file was begun");
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::process::Stdio;

    /// Runs with stdout as it is given.
    fn with_stdout(args: &[&str], stdout: impl Into<Stdio>) -> (Option<i32>, String) {
        let mut command = command();
        let output =
            command.args(args).stdout(stdout).stderr(Stdio::piped()).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    }

    #[test]
    fn what_cannot_be_written_is_an_error_and_no_panic() {
        let tests = folder(&[("a.json", &state_test("Cancun", RIGHT))]);
        let blocks = folder(&[("a.json", &block_test("BlockException.RLP_STRUCTURES_ENCODING"))]);
        let commands: [&[&str]; 5] = [
            &["statetest", &tests],
            &["blocktest", &blocks],
            &["blocktest", &blocks, "--compare", "--rounds", "1"],
            &["bench", "lp98", "--tiny", "--threads", "1"],
            &["devices"],
        ];
        for args in commands {
            let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
            let (code, stderr) = with_stdout(args, full);
            assert_eq!(code, Some(1), "{args:?}: {stderr}");
            assert!(stderr.contains("No space left on device"), "{args:?}: {stderr}");
            assert!(!stderr.contains("panicked"), "{stderr}");
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            let (code, stderr) = with_stdout(args, writer);
            assert_eq!((code, &*stderr), (Some(0), ""), "{args:?}");
        }
        // Nobody hears what stderr cannot take.
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let mut command = command();
        command.args(["statetest", "no/such"]);
        let code = command.stdout(Stdio::null()).stderr(full).status().expect("it runs").code();
        assert_eq!(code, Some(1));
    }

    #[test]
    fn threads_that_the_system_does_not_give_are_an_error() {
        let tests = folder(&[("a.json", &state_test("Cancun", RIGHT))]);
        let (batch, block) = (example_batch(), example_block());
        for args in [
            ["statetest", &tests, "--jobs", "512"],
            ["simulate", text(&batch), "--threads", "512"],
            ["run", text(&block), "--threads", "512"],
        ] {
            let mut ours = command();
            // A stack that no address space has room for.
            ours.env("RUST_MIN_STACK", (1_u64 << 56).to_string());
            let output = ours.args(args).output().expect("it runs");
            let stderr = String::from_utf8(output.stderr).expect("UTF-8");
            assert_eq!(output.status.code(), Some(1), "{stderr}");
            assert!(stderr.starts_with("error: cannot start 512 threads: "), "{stderr}");
            assert_eq!(stderr.matches("os error").count(), 1, "{stderr}");
        }
    }

    /// A pipe with a name: a reader waits there until it is written.
    fn pipe() -> std::path::PathBuf {
        let path = temp_dir("suite").join("pipe.json");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo");
        assert!(made.success());
        path
    }

    #[test]
    fn what_ran_is_told_when_a_run_is_interrupted() {
        let good = state_test("Cancun", RIGHT);
        let (tests, pipe) = (folder(&[("a.json", &good)]), pipe());
        let args = ["statetest", &tests, text(&pipe), &tests, "--json"];
        let mut command = command();
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        // It has read the folder when it opens the pipe.
        let mut writer = fs::OpenOptions::new().write(true).open(&pipe).expect("a pipe");
        let pid = libc::pid_t::try_from(child.id()).expect("a process");
        // SAFETY: sends a signal to a process that this test started and has not waited for.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut said = String::new();
        stderr.read_line(&mut said).expect("a line");
        assert!(said.starts_with("interrupted: stopping soon"), "{said}");
        writer.write_all(good.as_bytes()).expect("written");
        drop(writer);
        stderr.read_to_string(&mut said).expect("the rest");
        let output = child.wait_with_output().expect("it ends");
        let stdout = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(stdout.contains("\n1 passed, 0 failed, 0 skipped\n"), "{stdout}{said}");
        assert!(said.contains("these are the cases that ran until then"), "{said}");
    }
}
