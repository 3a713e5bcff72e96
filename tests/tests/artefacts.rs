//! Compiled programs on disk: what is read is what was written, whoever else writes, and whatever
//! happened to the files; `warpevm cache`.

mod common;

use alloy_primitives::{B256, Bytes, keccak256};
use common::{MAINNET, Ran, example_batch, example_block, source, temp_dir};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use warpevm::chain::{BlockSource, Selection};
use warpevm::code::artefact::Artefacts;
use warpevm::input::{Input, InputError, open};
use warpevm::state::MemoryState;
use warpevm_compiler::{Options, Program, Spec, compile_with};
use warpevm_tests::fixture;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
        self.0 >> 24
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end
    }

    /// Opcodes and constants, as they come.
    fn code(&mut self) -> Vec<u8> {
        let length = self.below(400);
        (0..length)
            .map(|_| match self.below(4) {
                0 => 0x5b,
                1 => 0x60,
                _ => self.next() as u8,
            })
            .collect()
    }

    fn passes(&mut self) -> Options {
        let mut passes = Options::ALL;
        for name in Options::NAMES {
            *passes.by_name(name).expect("its name") = self.below(2) == 0;
        }
        passes
    }
}

fn codes_of(state: &MemoryState, codes: &mut BTreeMap<B256, Bytes>) {
    let all = state.codes.iter().map(|(hash, code)| (*hash, code.original_bytes()));
    codes.extend(all.filter(|(_, code)| !code.is_empty()));
}

/// The codes of the examples.
fn example_codes() -> BTreeMap<B256, Bytes> {
    let mut codes = BTreeMap::new();
    for path in [example_block(), example_batch()] {
        match open(&path).expect("it opens") {
            Input::Batch(batch) => codes_of(&batch.state, &mut codes),
            Input::Blocks(blocks) => {
                let mut see = |_: &str, block: Result<warpevm::chain::BlockInput, InputError>| {
                    codes_of(&block?.state, &mut codes);
                    Ok::<_, InputError>(())
                };
                blocks.visit(&Selection::All, &mut see).expect("it reads");
            }
        }
    }
    assert!(codes.len() > 5, "only {} codes", codes.len());
    codes
}

/// Writes the programs of codes, and reads them as another process would.
fn round_trip(name: &str, codes: &[(Bytes, Spec, Options)]) {
    let folder = temp_dir(name);
    let open = || Artefacts::open(folder.clone(), 1 << 30).expect("it opens");
    let (writer, reader) = (open(), open());
    for (code, spec, passes) in codes {
        let (hash, program) = (keccak256(code), compile_with(code, *spec, passes));
        writer.put(hash, *spec, passes, code.len(), &program);
        let found = reader.get(hash, *spec, passes, code.len());
        assert!(found == Some(program), "{spec} {passes:?} {code}");
    }
    let counts = (writer.counts(), reader.counts());
    assert_eq!((counts.0.failures, counts.1.failures, counts.1.damaged), (0, 0, 0), "{counts:?}");
    assert_eq!(counts.1.hits, codes.len() as u64);
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn programs_of_contracts_come_back() {
    let mut codes = Vec::new();
    for (at, code) in example_codes().into_values().enumerate() {
        codes.push((code.clone(), Spec::Osaka, Options::ALL));
        codes.push((code, Spec::ALL[at % Spec::ALL.len()], Options::NONE));
    }
    round_trip("artefacts-contracts", &codes);
}

#[test]
fn programs_of_random_codes_come_back() {
    let mut random = Random(9);
    let codes: Vec<_> = (0..600)
        .map(|_| {
            let spec = Spec::ALL[random.below(Spec::ALL.len())];
            (random.code().into(), spec, random.passes())
        })
        .collect();
    round_trip("artefacts-random", &codes);
}

#[test]
fn programs_of_mainnet_come_back() {
    let archive = fixture!("programs_of_mainnet_come_back", MAINNET);
    let mut codes = BTreeMap::new();
    let blocks = source(&archive);
    let visited = blocks.visit(&Selection::All, |_, block| {
        let block = block?;
        if codes.len() < 60 {
            codes_of(&block.state, &mut codes);
        }
        Ok::<_, InputError>(())
    });
    visited.expect("it reads");
    let codes: Vec<_> =
        codes.into_values().take(60).map(|code| (code, Spec::Prague, Options::ALL)).collect();
    round_trip("artefacts-mainnet", &codes);
}

/// The only program in a folder.
fn only_file(folder: &Path) -> PathBuf {
    let mut below =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("one").path());
    let (file, more) = (below.next().expect("something"), below.next());
    assert_eq!(more, None);
    if file.is_dir() { only_file(&file) } else { file }
}

/// Each byte of a file altered, and the file cut at each length, both at every `step`: no program.
fn altered(name: &str, code: &[u8], step: usize) {
    let folder = temp_dir(name);
    let artefacts = Artefacts::open(folder.clone(), 1 << 30).expect("it opens");
    let (hash, spec, passes) = (keccak256(code), Spec::Cancun, &Options::ALL);
    let program = compile_with(code, spec, passes);
    artefacts.put(hash, spec, passes, code.len(), &program);
    let path = only_file(&folder);
    let good = fs::read(&path).expect("there");
    let get = || artefacts.get(hash, spec, passes, code.len());
    let mut tried = 0;
    for at in (0..good.len()).filter(|at| *at < 512 || at % step == 0) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        for wrong in [&bytes, &good[..at]] {
            fs::write(&path, wrong).expect("written");
            assert_eq!(get(), None, "byte {at}, {} bytes", wrong.len());
            assert!(!path.exists());
            tried += 1;
        }
    }
    fs::write(&path, &good).expect("written");
    assert_eq!(get(), Some(program));
    let counts = artefacts.counts();
    assert_eq!((counts.damaged, counts.misses, counts.failures), (tried, tried, 0));
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn altered_files_are_misses() {
    // CALLDATASIZE; PUSH1 8; JUMPI; PUSH1 1; PUSH1 2; SSTORE; JUMPDEST; STOP
    let small = [0x36, 0x60, 8, 0x57, 0x60, 1, 0x60, 2, 0x55, 0x5b, 0];
    altered("artefacts-altered-small", &small, 1);
    let largest =
        example_codes().into_values().max_by_key(|code| code.len()).expect("there are some");
    altered("artefacts-altered-large", &largest, 61);
}

/// Set in a process that shares a folder with others: which.
const SHARED_VAR: &str = "WARPEVM_SHARED_ARTEFACTS";
/// What the folder may take: too little for all programs.
const SHARED_BYTES: u64 = 160 * 4096;

fn shared_code(number: usize) -> Vec<u8> {
    let mut random = Random(number as u64);
    let mut code = vec![0x60, number as u8, 0x60, 0, 0x55];
    code.extend(random.code());
    code
}

/// Writes and reads programs that others write, read and drop.
fn share(folder: &Path) {
    let artefacts = Artefacts::open(folder.to_owned(), SHARED_BYTES).expect("it opens");
    let programs: Vec<(Vec<u8>, Program)> = (0..60)
        .map(|number| {
            let code = shared_code(number);
            let program = compile_with(&code, Spec::Osaka, &Options::ALL);
            (code, program)
        })
        .collect();
    let mut random = Random(u64::from(std::process::id()));
    for _ in 0..2000 {
        let (code, program) = &programs[random.below(programs.len())];
        let (hash, passes) = (keccak256(code), &Options::ALL);
        match artefacts.get(hash, Spec::Osaka, passes, code.len()) {
            Some(found) => assert!(found == *program, "another program"),
            None => artefacts.put(hash, Spec::Osaka, passes, code.len(), program),
        }
        if random.below(20) == 0 {
            artefacts.prune(SHARED_BYTES / 4).expect("pruned");
        }
    }
    let counts = artefacts.counts();
    println!("{counts:?}");
    assert_eq!((counts.damaged, counts.failures), (0, 0), "{counts:?}");
    assert!(counts.hits > 100 && counts.written > 100, "{counts:?}");
}

#[test]
fn processes_share_a_folder() {
    if let Some(folder) = std::env::var_os(SHARED_VAR) {
        return share(Path::new(&folder));
    }
    let folder = temp_dir("artefacts-shared");
    let start = |_| {
        Command::new(std::env::current_exe().expect("the test's own program"))
            .args(["processes_share_a_folder", "--exact"])
            .env(SHARED_VAR, &folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts")
    };
    let others: Vec<Child> = (0..3).map(start).collect();
    share(&folder);
    for other in others {
        let output = other.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}{errors}");
    }
    let bytes: u64 = Artefacts::open(folder.clone(), SHARED_BYTES)
        .and_then(|artefacts| artefacts.list())
        .expect("listed")
        .iter()
        .map(|found| found.bytes)
        .sum();
    assert!(bytes > 0 && bytes <= SHARED_BYTES + 3 * SHARED_BYTES / 16, "{bytes} bytes");
    fs::remove_dir_all(folder).expect("removed");
}

/// `warpevm cache` with a folder of its own.
fn cache(folder: &Path, args: &[&str]) -> Ran {
    let mut command = common::command();
    command.arg("cache").args(args).env("WARPEVM_CACHE", folder);
    common::finish(command)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn the_cache_is_warmed_listed_pruned_and_cleared() {
    let folder = temp_dir("artefacts-cli");
    let (block, batch) = (example_block(), example_batch());
    let warm = ["warm", "--json", text(&block), text(&batch)];
    let first = cache(&folder, &warm);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let first = first.json();
    assert!(first["compiled"].as_u64() > Some(5), "{first}");
    assert_eq!((&first["compiled"], &first["found"]), (&first["codes"], &0.into()));
    let again = cache(&folder, &warm).json();
    assert_eq!((&again["compiled"], &again["found"]), (&0.into(), &first["codes"]));
    let listed = cache(&folder, &["list", "--json"]).json();
    assert_eq!(listed["programs"], first["codes"]);
    let programs = folder.join("programs").canonicalize().expect("it is there");
    assert_eq!(listed["folder"], text(&programs));
    let shown = cache(&folder, &["list"]);
    assert!(
        shown.stdout.contains(" programs, ") && shown.stdout.contains("cancun"),
        "{}",
        shown.stdout
    );
    let pruned = cache(&folder, &["prune", "--max", "8K", "--json"]).json();
    let left = cache(&folder, &["list", "--json"]).json();
    assert!(left["bytes"].as_u64() <= Some(8192), "{left}");
    let sum = |of: &str| pruned[of].as_u64().unwrap_or(0) + left["programs"].as_u64().unwrap_or(0);
    assert_eq!(Some(sum("removed")), first["codes"].as_u64());
    assert_eq!(cache(&folder, &["clear"]).code, 0);
    assert_eq!(cache(&folder, &["list", "--json"]).json()["programs"], 0);
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn wrong_use_of_the_cache_says_why() {
    let folder = temp_dir("artefacts-wrong");
    let batch = example_batch();
    let usage: [&[&str]; 6] = [
        &[],
        &["warm"],
        &["fly"],
        &["prune", "--max", "much"],
        &["list", "x"],
        &["warm", text(&batch), "--block", "1"],
    ];
    for args in usage {
        let ran = cache(&folder, args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
    }
    let missing = cache(&folder, &["warm", "no-such-file"]);
    assert_eq!(missing.code, 1);
    assert_eq!(missing.stderr.matches("no-such-file").count(), 1, "{}", missing.stderr);
    // A file where the folder should be.
    let file = folder.join("file");
    fs::write(&file, "").expect("written");
    let ran = cache(&file, &["list"]);
    assert_eq!(ran.code, 1);
    let names = ran.stderr.matches("compiled programs: ").count();
    assert!(names == 1 && ran.stderr.contains("file/programs: "), "{}", ran.stderr);
    fs::remove_dir_all(folder).expect("removed");
}
