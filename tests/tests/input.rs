//! What is read from where (docs/INPUT.md): pipes, links, names, archives, which blocks.

mod common;

use common::{Ran, example_batch, temp_dir, warpevm};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use warpevm::chain::{BlockInput, BlockSource, Selection};
use warpevm::conformance::files;
use warpevm::input::{self, FileSource, Input, InputError};

/// A block without transactions.
fn block_json(number: u64) -> String {
    let hash = |digit: &str| format!("0x{}", digit.repeat(64));
    serde_json::json!({
        "hash": hash("1"), "parentHash": hash("2"), "stateRoot": hash("3"),
        "receiptsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
        "logsBloom": format!("0x{}", "0".repeat(512)), "difficulty": "0x1",
        "miner": format!("0x{}", "0".repeat(40)), "number": format!("{number:#x}"),
        "gasLimit": "0x1", "gasUsed": "0x0", "timestamp": "0x1", "transactions": [],
    })
    .to_string()
}

fn hashes_json(numbers: &[(u64, u8)]) -> String {
    let entry = |(number, digit): &(u64, u8)| {
        format!("\"{number}\": \"0x{}\"", format!("{digit:02x}").repeat(32))
    };
    format!("{{{}}}", numbers.iter().map(entry).collect::<Vec<_>>().join(", "))
}

/// The files of a block, as (path, text).
fn block_files(folder: &str, number: u64) -> [(String, String); 3] {
    [
        (format!("{folder}/block.json"), block_json(number)),
        (format!("{folder}/pre_state.json"), "{}".to_owned()),
        (format!("{folder}/codes.json"), "{}".to_owned()),
    ]
}

fn write(root: &Path, files: impl IntoIterator<Item = (String, String)>) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
}

enum Entry<'a> {
    File(&'a str, &'a str),
    Link(&'a str, &'a str),
    HardLink(&'a str, &'a str),
}

fn tar<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(0);
        match entry {
            Entry::File(path, text) => {
                header.set_size(text.len() as u64);
                tar.append_data(&mut header, path, text.as_bytes()).expect("appended");
            }
            Entry::Link(path, target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                tar.append_link(&mut header, path, target).expect("appended");
            }
            Entry::HardLink(path, target) => {
                header.set_entry_type(tar::EntryType::Link);
                tar.append_link(&mut header, path, target).expect("appended");
            }
        }
    }
    tar.into_inner().expect("a tar")
}

fn pack<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> Vec<u8> {
    zstd::encode_all(&tar(entries)[..], 1).expect("packed")
}

fn file(entry: &(String, String)) -> Entry<'_> {
    Entry::File(&entry.0, &entry.1)
}

fn open(path: &Path) -> FileSource {
    match input::open(path) {
        Ok(Input::Blocks(source)) => source,
        Ok(Input::Batch(_)) => panic!("a batch"),
        Err(error) => panic!("{error}"),
    }
}

/// The name of a block, and the block or what is wrong with it.
type Named = (String, Result<BlockInput, String>);

/// The blocks that are selected, by name; or what the source says.
fn blocks(source: &FileSource, selection: &str) -> Result<Vec<Named>, String> {
    let selection: Selection = selection.parse().expect("a selection");
    let mut found = Vec::new();
    let visited = source.visit(&selection, |name, block| {
        found.push((name.to_owned(), block.map_err(|error| error.to_string())));
        Ok::<_, InputError>(())
    });
    let count = visited.map_err(|error| error.to_string())?;
    assert_eq!(count, found.len());
    assert_eq!(source.count(&selection).expect("counted"), count);
    Ok(found)
}

/// The numbers of the blocks that are selected, all of them good.
fn numbers(source: &FileSource, selection: &str) -> Vec<u64> {
    let blocks = blocks(source, selection).expect("selected");
    blocks.into_iter().map(|(name, block)| block.expect(&name).number).collect()
}

/// The names of the test files and the errors, in their order, and how many were left out.
fn test_files(path: &Path) -> (Vec<String>, u64) {
    let mut names = Vec::new();
    let hidden = files::visit(path, &mut |file| {
        names.push(match file {
            Ok(file) => format!("{}={}", file.name, String::from_utf8_lossy(&file.bytes)),
            Err(error) => format!("error {error}"),
        });
        Ok(())
    });
    (names, hidden.expect("the place reads"))
}

/// Runs the command line with standard input from a pipe.
fn piped(bytes: &[u8], args: &[&str]) -> Ran {
    let path = temp_dir("piped").join("stdin");
    fs::write(&path, bytes).expect("written");
    let script = "path=\"$1\"; shift; cat \"$path\" | \"$0\" \"$@\"";
    let binary = common::binary();
    let shell = ["-c", script].map(Into::into);
    let paths = [binary.as_os_str().to_owned(), path.into_os_string()];
    let args = args.iter().map(Into::into);
    common::run("sh", shell.into_iter().chain(paths).chain(args), None)
}

#[test]
fn a_pipe_is_read_once() {
    let batch = fs::read(example_batch()).expect("a file");
    for path in ["-", "/dev/stdin"] {
        let ran = piped(&batch, &["simulate", "--backend", "revm", path]);
        assert_eq!(ran.code, 0, "{path}: {}", ran.stderr);
        assert!(ran.stdout.contains("200"), "{}", ran.stdout);
    }
    let files: Vec<_> = [1, 2].into_iter().flat_map(|n| block_files(&n.to_string(), n)).collect();
    let archive = pack(files.iter().map(file));
    let args = ["run", "--backend", "revm", "-", "--block", "2"];
    let ran = piped(&archive, &args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("block 2 ") && !ran.stdout.contains("block 1 "), "{}", ran.stdout);
    let ran = piped(&[1, 2, 3], &args);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("-: is neither"), "{}", ran.stderr);
}

#[test]
fn what_a_file_is_its_content_says() {
    let folder = temp_dir("content");
    let files = block_files("7", 7);
    fs::write(folder.join("blocks"), pack(files.iter().map(file))).expect("written");
    assert_eq!(numbers(&open(&folder.join("blocks")), "all"), [7]);
    fs::write(folder.join("tests"), pack([Entry::File("a/t.json", "{}")])).expect("written");
    assert_eq!(test_files(&folder.join("tests")), (vec!["a/t.json={}".to_owned()], 0));
    fs::write(folder.join("noise"), "noise").expect("written");
    let error = files::visit(&folder.join("noise"), &mut |_| Ok(())).expect_err("no tests");
    assert!(error.to_string().contains("noise: is neither JSON nor"), "{error}");
}

#[test]
fn tests_come_through_a_pipe() {
    let archive = pack([Entry::File("t.json", "{\"stray\": 1}")]);
    for bytes in [&archive[..], b"{\"stray\": 1}"] {
        let ran = piped(bytes, &["statetest", "--backend", "revm", "-"]);
        assert!(ran.stdout.contains("skipped 1: not a state test"), "{}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn blocks_are_found_at_any_depth_with_their_own_hashes() {
    let root = temp_dir("depth");
    let files: Vec<(String, String)> = [("5", 5), ("a/b", 6), ("a/9", 9)]
        .into_iter()
        .flat_map(|(folder, number)| block_files(folder, number))
        .chain([
            ("block_hashes.json".to_owned(), hashes_json(&[(1, 1), (2, 1), (3, 1)])),
            ("a/block_hashes.json".to_owned(), hashes_json(&[(2, 2), (3, 2)])),
            ("a/b/block_hashes.json".to_owned(), hashes_json(&[(3, 3)])),
        ])
        .collect();
    write(&root, files.clone());
    let archive = root.with_extension("tar.zst");
    // Hashes that come last count for what came before.
    fs::write(&archive, pack(files.iter().map(file))).expect("written");
    for place in [&root, &archive] {
        let mut read = blocks(&open(place), "all").expect("read");
        read.sort_by(|a, b| a.0.cmp(&b.0));
        let hashes = |at: usize| {
            let block = read[at].1.as_ref().expect("a block");
            let hashes = [1, 2, 3].map(|n| block.state.block_hashes.get(&n).map(|hash| hash[0]));
            (read[at].0.as_str(), hashes.map(Option::unwrap_or_default))
        };
        let all: Vec<_> = (0..read.len()).map(hashes).collect();
        assert_eq!(all, [("5", [1, 1, 1]), ("a/9", [1, 2, 2]), ("a/b", [1, 2, 3])]);
    }
    // A block that is named itself has those beside it, too.
    let read = blocks(&open(&root.join("a/b")), "all").expect("read");
    let block = read[0].1.as_ref().expect("a block");
    assert_eq!([1, 2, 3].map(|n| block.state.block_hashes.contains_key(&n)), [false, true, true]);
    assert_eq!((read[0].0.as_str(), block.state.block_hashes[&3][0]), ("b", 3));
}

#[test]
fn the_example_runs_from_the_folder_above() {
    let examples = common::workspace().join("host/examples");
    let source = open(&examples);
    assert_eq!(source.names(), ["token-block"]);
    let read = blocks(&source, "token-block").expect("read");
    assert!(read[0].1.as_ref().expect("a block").state.block_hashes.len() >= 4);
}

#[test]
fn a_bad_block_leaves_the_others() {
    let root = temp_dir("bad-block");
    for folder in ["1", "2", "3", "4", "5"] {
        write(&root, block_files(folder, folder.parse().expect("a number")));
    }
    write(&root, [("2/block.json".to_owned(), "{\"hash\":".to_owned())]);
    write(&root, [("4/block_hashes.json".to_owned(), "[]".to_owned())]);
    fs::remove_file(root.join("3/codes.json")).expect("removed");
    let mut files = Vec::new();
    for folder in ["1", "2", "3", "4", "5"] {
        for name in ["block.json", "pre_state.json", "codes.json", "block_hashes.json"] {
            let path = format!("{folder}/{name}");
            if let Ok(text) = fs::read_to_string(root.join(&path)) {
                files.push((path, text));
            }
        }
    }
    let archive = root.with_extension("tar.zst");
    fs::write(&archive, pack(files.iter().map(file))).expect("written");
    for place in [&root, &archive] {
        let source = open(place);
        assert_eq!(source.names(), ["1", "2", "3", "4", "5"]);
        let mut read = blocks(&source, "all").expect("read");
        read.sort_by(|a, b| a.0.cmp(&b.0));
        let good: Vec<bool> = read.iter().map(|(_, block)| block.is_ok()).collect();
        assert_eq!(good, [true, false, false, false, true]);
        for (at, part) in [(1, "2/block.json: line 1"), (2, "codes.json is missing"), (3, "4")] {
            let error = read[at].1.as_ref().expect_err("a bad block");
            assert!(error.contains(part), "{error}");
        }
        assert!(read[3].1.as_ref().expect_err("bad hashes").contains("block_hashes.json: line 1"));
    }
}

#[test]
fn blocks_are_chosen_by_number_and_by_name() {
    let root = temp_dir("choice");
    let stored =
        [("7", 7), ("8", 8), ("b", 25), ("x/30", 30), ("31 ", 12), ("c,d", 40), ("all", 41)];
    let files: Vec<_> = stored.iter().flat_map(|(f, n)| block_files(f, *n)).collect();
    write(&root, files.iter().cloned());
    let archive = root.with_extension("tar.zst");
    fs::write(&archive, pack(files.iter().map(file))).expect("written");
    for place in [&root, &archive] {
        let source = open(place);
        let chosen = |selection: &str| {
            let mut numbers = numbers(&source, selection);
            numbers.sort();
            numbers
        };
        assert_eq!(chosen("all"), [7, 8, 12, 25, 30, 40, 41]);
        assert_eq!(chosen("7"), [7]);
        assert_eq!(chosen("25"), [25], "a number that no folder is named by");
        assert_eq!(chosen("b"), [25]);
        assert_eq!(chosen("x/30"), [30]);
        assert_eq!(chosen("8..25"), [8, 12, 25], "both ends");
        assert_eq!(chosen("b,7,7..8"), [7, 8, 25], "each once");
        assert_eq!(chosen(r"7,c\,d"), [7, 40], "a comma of a name");
        assert_eq!(chosen("./all,./x/30"), [30, 41], "paths");
        for (selection, missing) in [("9", "9"), ("7,c", "c"), ("26..29", "26..29")] {
            let error = blocks(&source, selection).expect_err(selection);
            assert!(error.contains(&format!("holds no block {missing};")), "{error}");
            assert!(error.contains("it has 7, 8, "), "{error}");
        }
    }
}

#[test]
fn a_folder_named_by_a_number_is_found_without_the_others() {
    let root = temp_dir("lazy");
    write(&root, block_files("7", 7));
    write(&root, [("b/block.json".to_owned(), "no JSON".to_owned())]);
    assert_eq!(numbers(&open(&root), "7"), [7]);
    // A name that is a number, where none fits.
    write(&root, block_files("b", 40));
    let error = blocks(&open(&root), "8").expect_err("there is none");
    assert!(error.contains("it has 7, b (block 40)"), "{error}");
}

#[test]
#[cfg(unix)]
fn names_need_not_be_utf_8() {
    use std::os::unix::ffi::OsStrExt;
    let root = temp_dir("not-utf-8");
    let mut tar = Vec::new();
    for (folder, number) in [(&b"bl\xff"[..], 3), (b"bl\xfe", 4)] {
        let folder = Path::new(std::ffi::OsStr::from_bytes(folder));
        for (path, text) in block_files("x", number) {
            let path = folder.join(path.trim_start_matches("x/"));
            fs::create_dir_all(root.join(folder)).expect("made");
            fs::write(root.join(&path), &text).expect("written");
            tar.push((path, text));
        }
        let test = folder.join("t.test");
        fs::write(root.join(test), number.to_string()).expect("written");
    }
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in &tar {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, text.as_bytes()).expect("appended");
    }
    let archive = root.with_extension("tar.zst");
    let bytes = builder.into_inner().expect("a tar");
    fs::write(&archive, zstd::encode_all(&bytes[..], 1).expect("packed")).expect("written");
    for place in [&root, &archive] {
        let source = open(place);
        assert_eq!(source.names(), ["bl\u{fffd}", "bl\u{fffd}"]);
        let mut found = numbers(&source, "all");
        found.sort();
        assert_eq!(found, [3, 4]);
    }
    let mut tests = Vec::new();
    files::visit_kind(&root, "test", &mut |file| {
        tests.push(String::from_utf8(file?.bytes).expect("UTF-8"));
        Ok(())
    })
    .expect("read");
    tests.sort();
    assert_eq!(tests, ["3", "4"]);
}

#[test]
#[cfg(unix)]
fn links_in_folders_are_followed_once() {
    use std::os::unix::fs::symlink;
    let root = temp_dir("links");
    let outside = temp_dir("outside");
    write(&outside, block_files("25", 25));
    write(&outside, [("25/t.json".to_owned(), "out".to_owned())]);
    write(&root, block_files("7", 7));
    write(&root, block_files("8", 8));
    write(&root, [("7/t.json".to_owned(), "in".to_owned())]);
    write(&root, [(".meta/t.json".to_owned(), "hidden".to_owned())]);
    symlink(".", root.join("again")).expect("linked");
    symlink("7", root.join("latest")).expect("linked");
    symlink(outside.join("25"), root.join("26")).expect("linked");
    symlink(&root, outside.join("25/loop")).expect("linked");
    symlink("7/t.json", root.join("same.json")).expect("linked");
    fs::remove_file(root.join("8/codes.json")).expect("removed");
    symlink("../7/codes.json", root.join("8/codes.json")).expect("linked");
    let source = open(&root);
    assert_eq!(source.names(), ["7", "8", "26"]);
    assert_eq!(numbers(&source, "7..8"), [7, 8]);
    let wrong = &blocks(&source, "26").expect("found")[0].1;
    assert!(wrong.as_ref().expect_err("25 is no 26").contains("says block 25"), "{wrong:?}");
    let (tests, hidden) = test_files(&root);
    let tests: Vec<_> = tests.into_iter().filter(|test| test.contains("t.json=")).collect();
    assert_eq!((tests, hidden), (vec!["26/t.json=out".to_owned(), "7/t.json=in".to_owned()], 1));

    symlink("gone", root.join("9")).expect("linked");
    symlink("lock@host", root.join(".#lock")).expect("linked");
    let read = blocks(&open(&root), "9").expect("found");
    assert!(read[0].1.as_ref().expect_err("broken").contains("/9: is a link to gone"), "{read:?}");
    let (tests, _) = test_files(&root);
    let broken: Vec<_> = tests.iter().filter(|test| test.starts_with("error ")).collect();
    assert!(broken.len() == 1 && broken[0].contains("/9: is a link to gone"), "{broken:?}");
}

#[test]
fn links_in_archives_are_followed_once() {
    let root = temp_dir("archive-links");
    let seven = block_files("x/7", 7);
    let [block, state, _] = block_files("x/8", 8);
    let hashes = hashes_json(&[(3, 9)]);
    let good = || {
        let files = seven.iter().chain([&block, &state]).map(file);
        files.chain([
            Entry::Link("x/8/codes.json", "../7/codes.json"),
            Entry::Link("x/latest", "7"),
            Entry::Link("x/again", "."),
            Entry::HardLink("x/8/block_hashes.json", "x/7/block_hashes.json"),
            Entry::File("x/7/block_hashes.json", &hashes),
        ])
    };
    let path = root.join("good.tar.zst");
    fs::write(&path, pack(good())).expect("written");
    let read = blocks(&open(&path), "all").expect("read");
    let names: Vec<_> = read.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x/7", "x/8"]);
    for (_, block) in &read {
        assert_eq!(block.as_ref().expect("a block").state.block_hashes[&3][0], 9);
    }
    for (link, target) in [("x/9", "../real"), ("x/9", "../../x/7"), ("x/9", "9")] {
        fs::write(&path, pack(good().chain([Entry::Link(link, target)]))).expect("written");
        let read = blocks(&open(&path), "all").expect("read");
        let errors: Vec<_> = read.iter().filter_map(|(_, block)| block.as_ref().err()).collect();
        assert_eq!((read.len(), errors.len()), (3, 1));
        let expected = format!("good.tar.zst: x/9: is a link to {target}");
        assert!(errors[0].contains(&expected), "{}", errors[0]);
        let ran = warpevm(["run", "--backend", "revm", path.to_str().expect("UTF-8")]);
        assert_eq!(ran.code, 1, "{}", ran.stdout);
        assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
    }
}

#[test]
fn tests_behind_links_in_archives_are_read_once() {
    let path = temp_dir("test-links").join("t.tar.zst");
    let entries = [
        Entry::Link("a.json", "b.json"),
        Entry::File("b.json", "1"),
        Entry::Link("c.json", "data/c.txt"),
        Entry::File("data/c.txt", "2"),
        Entry::File(".meta/index.json", "3"),
        Entry::Link("more", "data"),
        Entry::Link("d.json", "e.json"),
    ];
    fs::write(&path, pack(entries)).expect("written");
    let (found, hidden) = test_files(&path);
    assert_eq!(hidden, 1);
    assert_eq!([&found[0], &found[2]], ["b.json=1", "c.json=2"]);
    assert!(found[1].contains("d.json: is a link to e.json"), "{found:?}");
    assert_eq!(found.len(), 3);
}

#[test]
fn a_name_that_stands_twice_in_an_archive_is_an_error() {
    let root = temp_dir("entries-twice");
    let files = block_files("7", 7);
    let path = root.join("t.tar.zst");
    let entries = files.iter().map(file).chain([Entry::File("./7/codes.json", "{}")]);
    fs::write(&path, pack(entries)).expect("written");
    let read = blocks(&open(&path), "all").expect("read");
    let error = read[0].1.as_ref().expect_err("two codes.json");
    assert!(error.contains("two files are named 7/codes.json"), "{error}");
    let entries = [Entry::File("a.json", "1"), Entry::File("./a.json", "2")];
    fs::write(&path, pack(entries)).expect("written");
    let (found, _) = test_files(&path);
    assert!(found[1].contains("two files are named a.json"), "{found:?}");
}

#[test]
fn archives_one_after_the_other_are_one() {
    let root = temp_dir("joined");
    let path = root.join("t.tar.zst");
    let (one, two) = (block_files("7", 7), block_files("8", 8));
    let tars = [&one, &two].map(|files| tar(files.iter().map(file)));
    let packed = tars.each_ref().map(|tar| zstd::encode_all(&tar[..], 1).expect("packed"));
    // The second half of an end, and what no tar begins with.
    let noise = zstd::encode_all(&[7; 700][..], 1).expect("packed");
    for joined in [packed.concat(), zstd::encode_all(&tars.concat()[..], 1).expect("packed")] {
        fs::write(&path, &joined).expect("written");
        assert_eq!(numbers(&open(&path), "all"), [7, 8]);
        assert_eq!(numbers(&open(&path), "8"), [8]);
        let (read, _) = test_files(&path);
        assert_eq!(read.len(), 6, "{read:?}");
        // The same again is an error, as within one tar.
        fs::write(&path, [&joined, &packed[0]].map(|bytes| &bytes[..]).concat()).expect("written");
        let read = blocks(&open(&path), "all").expect("read");
        let error = read[0].1.as_ref().expect_err("twice");
        assert!(error.contains("two files are named 7/"), "{error}");
        fs::write(&path, [&joined, &noise].map(|bytes| &bytes[..]).concat()).expect("written");
        let error = input::open(&path).expect_err("no tar").to_string();
        assert!(error.contains("t.tar.zst: truncated or damaged after 8/codes.json: "), "{error}");
        let error = files::visit(&path, &mut |_| Ok(())).expect_err("no tar").to_string();
        assert!(error.contains("t.tar.zst: truncated or damaged after 8/codes.json: "), "{error}");
    }
}

#[test]
fn a_window_that_is_too_large_is_told_as_such() {
    let root = temp_dir("window");
    let path = root.join("t.tar.zst");
    let tar = tar(block_files("7", 7).iter().map(file));
    for (log, reads) in [(27, true), (28, false)] {
        let mut zstd = zstd::Encoder::new(Vec::new(), 1).expect("begun");
        zstd.window_log(log).expect("set");
        zstd.write_all(&tar).expect("packed");
        let packed = zstd.finish().expect("packed");
        let after = [&pack([]), &packed].map(|bytes| &bytes[..]).concat();
        for bytes in [packed, after] {
            fs::write(&path, bytes).expect("written");
            let opened = input::open(&path).map(drop).map_err(|error| error.to_string());
            let visited = files::visit(&path, &mut |_| Ok(()));
            let visited = visited.map(drop).map_err(|error| error.to_string());
            assert_eq!(opened, visited);
            assert_eq!(opened.is_ok(), reads, "2^{log}: {opened:?}");
            let why = "t.tar.zst: its zstd window is larger than 128 MiB, what zstd --long writes";
            assert!(opened.is_ok() || opened.is_err_and(|error| error.ends_with(why)));
        }
    }
}

#[test]
fn what_a_dot_hides_is_told() {
    let root = temp_dir("hidden");
    write(&root, block_files("7", 7));
    write(&root, block_files(".old/6", 6));
    write(&root, [(".old/t.json".to_owned(), "{}".to_owned())]);
    assert_eq!(open(&root).names(), ["7"]);
    let path = root.to_str().expect("UTF-8");
    let ran = warpevm(["run", "--backend", "revm", path]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("begins with a dot") && ran.stderr.contains("blocks=1"));
    let ran = warpevm(["statetest", "--backend", "revm", path]);
    let skipped = "skipped 4: in a folder whose name begins with a dot";
    assert!(ran.stdout.contains(skipped), "{}{}", ran.stdout, ran.stderr);
    // What is named itself is read.
    assert_eq!(open(&root.join(".old")).names(), ["6"]);
}

#[test]
fn a_cause_is_told_once() {
    for args in [["run", "no/such"], ["statetest", "no/such"], ["plan", "no/such"]] {
        let ran = warpevm(args);
        assert_eq!(ran.code, 1);
        // Suites tell what failed on stdout.
        let told = ran.stdout + &ran.stderr;
        assert_eq!(told.matches("os error 2").count(), 1, "{told}");
    }
    let cut = temp_dir("cut").join("cut.tar.zst");
    fs::write(&cut, &pack([Entry::File("a", "b")])[..20]).expect("written");
    let error = match input::open(&cut) {
        Err(error) => error,
        Ok(_) => panic!("a cut archive was opened"),
    };
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert!(cause.is_none(), "{error}: {cause:?}");
    let whole: PathBuf = cut.with_file_name("whole");
    fs::write(&whole, pack([Entry::File("a", "b")])).expect("written");
    assert!(matches!(input::open(&whole), Err(InputError::NoBlocks { .. })));
}
