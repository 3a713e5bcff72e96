//! The interpreter's machine code for sm_90, run on the CPU by `tests/sass` within the `cuda`
//! backend: its results against revm, and how many instructions a transaction takes.

#![allow(missing_docs, reason = "a test crate has no readers of its documentation")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use warpevm::backend::device::fake::FakeDriver;
use warpevm::input::{self, Input};
use warpevm::reference::validate::compare;
use warpevm::{Config, Engine, State, reference};
use warpevm_kernels::abi::{Job, Launch};
use warpevm_kernels::sources::BLOCK_THREADS;
use warpevm_sass::{Kernel, Memory};
use warpevm_tests::fixtures::workspace;
use warpevm_tests::machine_code;

/// What a transaction takes, by `cargo xtask cuda --bless`.
const COUNTS_FILE: &str = "kernels/counts/instructions-run.tsv";
/// Of the state table.
const HASH_SEED: u64 = 1;
/// Most that an ERC-20 transfer may take.
const TRANSFER_INSTRUCTIONS_MAX: f64 = 30_000.0;

#[repr(C)]
struct Params(Launch, Job);

impl Params {
    fn bytes(&self) -> &[u8] {
        let start = (&raw const *self).cast::<u8>();
        // SAFETY: as long as it is, and of integers only.
        unsafe { std::slice::from_raw_parts(start, size_of::<Params>()) }
    }
}

type Machine = Arc<Mutex<warpevm_sass::Launch<'static>>>;

fn machine() -> Option<Machine> {
    let kernel = machine_code::kernel("machine_code", "run", "warpevm_run")?;
    let kernel: &'static Kernel = Box::leak(Box::new(kernel));
    Some(Arc::new(Mutex::new(warpevm_sass::Launch::new(kernel))))
}

fn count(machine: &Machine) -> u64 {
    machine.lock().unwrap_or_else(PoisonError::into_inner).counts().total
}

fn device(machine: Machine) -> Arc<FakeDriver> {
    let run = move |launch: &Launch, job: &Job, thread: u32| {
        let params = Params(*launch, *job);
        let (block, thread) = (thread / BLOCK_THREADS, thread % BLOCK_THREADS);
        // SAFETY: whoever launches promises that the addresses in the parameters are valid.
        let memory = unsafe { Memory::everything() };
        let mut machine = machine.lock().unwrap_or_else(PoisonError::into_inner);
        let ran = machine.run_thread(params.bytes(), block, thread, BLOCK_THREADS, &memory);
        ran.expect("the kernel runs");
    };
    let driver = FakeDriver::new(8 << 30, Vec::new()).expect("a device");
    Arc::new(driver.with_run_thread(Box::new(run)))
}

#[test]
fn machine_code_gives_what_revm_gives() {
    let Some(machine) = machine() else {
        return;
    };
    let path = workspace().join("host/examples/erc20-batch.json");
    let Input::Batch(batch) = input::open(&path).expect("the batch opens") else {
        panic!("the example is a batch");
    };
    let config = Config::default().with_threads(2);
    let engine = Engine::on_drivers(config, vec![device(machine.clone())]).expect("an engine");
    // Counts repeat: under this seed no two keys of the batch meet in a place of the index, so the
    // order in which they were read does not count.
    let state = State::with_seed(&batch.state, HASH_SEED).expect("a state");
    let (env, calls) = (&batch.env, &batch.calls);
    let expected = reference::simulate_sequential(env, calls, &batch.state).expect("revm runs");
    // The first time pages everything in, so that the second runs without a stop.
    let mut instructions = Vec::new();
    for _ in 0..2 {
        let before = count(&machine);
        let got = engine.simulate(env, calls, &state).expect("the engine runs");
        instructions.push(count(&machine) - before);
        let pairs = expected.iter().zip(&got.outcomes).enumerate();
        let wrong: Vec<_> = pairs.flat_map(|(i, (e, g))| compare(i, e, g)).collect();
        assert!(wrong.is_empty(), "{}", wrong[0]);
        assert_eq!(got.outcomes.len(), expected.len());
    }
    // Then plain transfers alone, as the benchmark has them.
    let transfers: Vec<_> = calls
        .iter()
        .zip(&expected)
        .filter(|(tx, outcome)| {
            let transfer = tx.data.starts_with(&[0xa9, 0x05, 0x9c, 0xbb]);
            transfer && outcome.result.as_ref().is_ok_and(|e| e.logs.len() == 1)
        })
        .map(|(tx, _)| tx.clone())
        .collect();
    assert!(!transfers.is_empty());
    let before = count(&machine);
    engine.simulate(env, &transfers, &state).expect("the engine runs");
    let each = (count(&machine) - before) as f64 / transfers.len() as f64;
    let mut table = String::from(
        "# Machine instructions of sm_90 that the interpreter's kernel executes, all in the state\n\
         # table. `cargo xtask cuda --bless` writes it.\n\
         workload\ttransactions\tinstructions each\n",
    );
    writeln!(table, "ERC-20 transfers\t{}\t{each:.0}", transfers.len()).expect("a string");
    let mean = instructions[1] as f64 / calls.len() as f64;
    writeln!(table, "example batch\t{}\t{mean:.0}", calls.len()).expect("a string");
    let file = workspace().join(Path::new(COUNTS_FILE));
    if std::env::var_os("WARPEVM_BLESS").is_some() {
        std::fs::write(&file, &table).expect("the file can be written");
    }
    println!("{table}");
    assert!(each <= TRANSFER_INSTRUCTIONS_MAX, "{each} instructions per transfer");
    assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), table, "{COUNTS_FILE}");
}
