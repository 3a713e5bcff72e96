//! What several test files share.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod inputs;

use alloy_primitives::{Address, B256, U256};
use revm::context::BlockEnv;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use warpevm::chain::{BlockInput, BlockSource, Selection};
use warpevm::input::{self, FileSource, Input, InputError};
use warpevm::{Checks, Env, Spec};
use warpevm_tests::fixtures::FIXTURES_VAR;
pub use warpevm_tests::fixtures::workspace;

/// The archive of mainnet blocks among the fixtures.
pub const MAINNET: &str = "mainnet/mainnet-dev.tar.zst";

/// Opens an archive of blocks.
pub fn source(archive: &Path) -> FileSource {
    match input::open(archive).expect("the archive opens") {
        Input::Blocks(source) => source,
        Input::Batch(_) => panic!("an archive is no batch"),
    }
}

/// Reads one block of an archive.
pub fn block(archive: &Path, number: u64) -> BlockInput {
    let mut found = None;
    source(archive)
        .visit(&Selection::from(number), |_, block| {
            found = Some(block?);
            Ok::<_, InputError>(())
        })
        .expect("the block reads");
    found.expect("the block is there")
}

/// A fresh folder under the target directory.
pub fn temp_dir(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let unique = format!("{name}-{}-{count}", std::process::id());
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
    std::fs::create_dir_all(&dir).expect("a folder");
    dir
}

/// The example block of the repository.
pub fn example_block() -> PathBuf {
    workspace().join("host/examples/token-block")
}

/// The example batch of the repository.
pub fn example_batch() -> PathBuf {
    workspace().join("host/examples/erc20-batch.json")
}

/// Copies the files of a folder.
pub fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in from.read_dir().expect("a folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

/// Names the command line's binary where it is built already.
const BINARY_VAR: &str = "WARPEVM_BINARY";

/// The command line's binary: the one that is named, else built once for these tests, since cargo
/// builds binaries only of the package that is tested.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(built) = std::env::var_os(BINARY_VAR) {
            return PathBuf::from(built);
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet", "--package", "warpevm-cli", "--bin", "warpevm"]);
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        let status = command.current_dir(workspace()).status().expect("cargo runs");
        assert!(status.success(), "the binary does not build");
        let folder = if cfg!(debug_assertions) { "debug" } else { "release" };
        // .../target/tmp is beside the profiles' folders.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
        target.join(folder).join(format!("warpevm{}", std::env::consts::EXE_SUFFIX))
    })
}

/// What the command line did.
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// The JSON object of the last line.
    pub fn json(&self) -> serde_json::Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {last:?}; {}", self.stderr))
    }
}

/// Runs the command line. It must never panic.
pub fn warpevm<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Ran {
    warpevm_with(args, None)
}

/// The command line, for tests that say more than its arguments.
pub fn command() -> Command {
    command_of(binary())
}

fn command_of(program: impl AsRef<OsStr>) -> Command {
    let none = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-fixtures");
    let mut command = Command::new(program);
    command.current_dir(env!("CARGO_TARGET_TMPDIR")).env_remove("RUST_LOG").env(FIXTURES_VAR, none);
    command
}

/// The same with a folder of fixtures.
pub fn warpevm_with<A: AsRef<OsStr>>(
    args: impl IntoIterator<Item = A>,
    fixtures: Option<&Path>,
) -> Ran {
    run(binary(), args, fixtures)
}

/// Runs a program that ends up in the command line.
pub fn run<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = A>,
    fixtures: Option<&Path>,
) -> Ran {
    let mut command = command_of(program);
    command.args(args);
    if let Some(fixtures) = fixtures {
        command.env(FIXTURES_VAR, fixtures);
    }
    finish(command)
}

/// Runs it to its end.
pub fn finish(mut command: Command) -> Ran {
    let output: Output = command.output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let ran = Ran {
        code: output.status.code().expect("an exit code"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    ran
}

/// A block's environment in which the fields that programs read are told apart.
pub fn block_env(spec: Spec) -> Env {
    let mut block = BlockEnv {
        number: U256::from(20_000_000),
        beneficiary: Address::repeat_byte(0xcb),
        timestamp: U256::from(1_700_000_000u64),
        gas_limit: 100_000_000,
        basefee: 7,
        prevrandao: Some(B256::repeat_byte(3)),
        difficulty: U256::from(77),
        ..Default::default()
    };
    block.set_blob_excess_gas_and_price(0, 5_007_716);
    Env { spec, chain_id: 1, block, checks: Checks::default() }
}
