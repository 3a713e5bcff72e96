//! The files that the command line writes (docs/RESULTS.md): what `-` and links are, and that no
//! input is written over.

mod common;

use common::inputs::{THREE, call, write_batch, write_block};
use common::{command, temp_dir, warpevm};
use std::fs;
use std::path::{Path, PathBuf};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A folder with a batch whose name could be that of results, and a block.
fn inputs(name: &str) -> (PathBuf, PathBuf, PathBuf) {
    let folder = temp_dir(name);
    let batch = folder.join("batch.jsonl");
    write_batch(&batch, &[call(THREE, "0x")]);
    let block = write_block(&folder, 1, 1, "0x", 21_000);
    (folder, batch, block)
}

#[test]
fn an_input_is_not_written_over() {
    let (folder, batch, block) = inputs("over");
    let file = |name: &str| block.join(name);
    let hashes = folder.join("block_hashes.json");
    fs::write(&hashes, "{}").expect("written");
    let list = folder.join("list.json");
    fs::write(&list, "[]").expect("written");
    let around = folder.join("1/../batch.jsonl");
    let read =
        [batch.clone(), file("block.json"), file("codes.json"), hashes.clone(), list.clone()];
    let content = || read.each_ref().map(|path| fs::read(path).expect("there"));
    let before = content();
    for (args, option) in [
        (vec!["simulate", text(&batch), "--output", text(&batch)], "--output"),
        (vec!["run", text(&block), text(&batch), "--output", text(&around)], "--output"),
        (vec!["plan", text(&block), "--write-access-list", text(&file("block.json"))], "--write"),
        (vec!["plan", text(&folder), "--write-access-list", text(&file("codes.json"))], "--write"),
        (vec!["plan", text(&block), "--write-access-list", text(&hashes)], "--write"),
        (
            vec![
                "plan",
                text(&block),
                "--access-list",
                text(&list),
                "--write-access-list",
                text(&list),
            ],
            "--write",
        ),
        (vec!["bench", "--input", text(&block), "--json", text(&file("block.json"))], "--json"),
        (vec!["bench", "--input", text(&folder), "--html", text(&file("codes.json"))], "--html"),
    ] {
        let ran = warpevm(&args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with(&format!("error: {option}")), "{}", ran.stderr);
        assert!(ran.stderr.contains("would take the place of what is read from"), "{}", ran.stderr);
    }
    assert!(content() == before, "an input has changed");
    // What lies beside the inputs is none of them.
    let rows = block.join("rows.jsonl");
    for _ in 0..2 {
        let ran = warpevm(["run", text(&block), "--output", text(&rows)]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

/// Options that name a file, and the command's own words with it.
#[test]
fn a_dash_is_standard_output_for_every_option() {
    let (folder, batch, block) = inputs("dash");
    let measure = ["bench", "lp98", "--tiny", "--threads", "1"];
    let plan = ["plan", text(&block)];
    for (args, begins, told) in [
        (vec!["simulate", text(&batch), "--output", "-"], "{\"input\":", "1 transactions"),
        ([&measure[..], &["--json", "-"]].concat(), "[\n  {", "lp98/count/8: 8 success"),
        ([&measure[..], &["--html", "-"]].concat(), "<!doctype html>", "lp98/count/8: 8 success"),
        ([&plan[..], &["--write-access-list", "-"]].concat(), "[\n  {", "block 1 (frontier)"),
        ([&plan[..], &["--json", "--write-access-list", "-"]].concat(), "[\n  {", "\"blocks\":1"),
    ] {
        let ran = command().current_dir(&folder).args(&args).output().expect("it runs");
        let [stdout, stderr] =
            [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert_eq!(ran.status.code(), Some(0), "{args:?}: {stderr}");
        assert!(stdout.starts_with(begins), "{args:?}: {stdout}");
        assert!(stderr.contains(told), "{args:?}: {stderr}");
        if begins.starts_with('[') {
            serde_json::from_str::<serde_json::Value>(&stdout).expect("JSON alone");
        }
    }
    assert!(!folder.join("-").exists(), "a file was named '-'");
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::process::Stdio;

    #[test]
    fn an_input_is_known_by_other_names() {
        let (folder, batch, block) = inputs("names");
        let (link, hard) = (folder.join("link.jsonl"), folder.join("hard.jsonl"));
        symlink("batch.jsonl", &link).expect("a link");
        fs::hard_link(&batch, &hard).expect("a link");
        let inside = folder.join("inside.csv");
        symlink("1/block.json", &inside).expect("a link");
        for args in [
            ["simulate", text(&batch), "--output", text(&link)],
            ["simulate", text(&link), "--output", text(&batch)],
            ["simulate", text(&batch), "--output", text(&hard)],
            ["run", text(&block), "--output", text(&inside)],
            ["run", text(&folder), "--output", text(&inside)],
        ] {
            let ran = warpevm(args);
            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
            assert!(ran.stderr.contains("--output: "), "{}", ran.stderr);
        }
        let mut command = command();
        command.args(["simulate", "-", "--output"]).arg(&batch);
        command.stdin(fs::File::open(&batch).expect("there")).stdout(Stdio::null());
        let ran = command.output().expect("it runs");
        assert_eq!(ran.status.code(), Some(2), "{}", String::from_utf8_lossy(&ran.stderr));
    }

    #[test]
    fn what_a_link_leads_to_is_written_also_where_nothing_is() {
        let (folder, batch, _) = inputs("dangling");
        let (link, rows) = (folder.join("link.jsonl"), folder.join("rows.jsonl"));
        symlink("rows.jsonl", &link).expect("a link");
        let ran = warpevm(["simulate", text(&batch), "--output", text(&link)]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_to_string(&rows).expect("rows").lines().count(), 1);
        let nowhere = folder.join("nowhere.jsonl");
        symlink("no/such/rows.jsonl", &nowhere).expect("a link");
        let ran = warpevm(["simulate", text(&batch), "--output", text(&nowhere)]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("nowhere.jsonl: "), "{}", ran.stderr);
    }

    #[test]
    fn a_run_goes_on_from_regular_files_only() {
        let (folder, batch, _) = inputs("resume");
        let pipe = folder.join("pipe.jsonl");
        let name = CString::new(pipe.as_os_str().as_bytes()).expect("no NUL");
        // SAFETY: the name is a C string that outlives the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let taken = folder.join("folder.jsonl");
        fs::create_dir(&taken).expect("a folder");
        for path in [pipe, taken] {
            let ran = warpevm(["simulate", text(&batch), "--resume", "--output", text(&path)]);
            assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
            let why = format!("error: {}: is no regular file", path.display());
            assert!(ran.stderr.starts_with(&why), "{}", ran.stderr);
        }
    }
}
