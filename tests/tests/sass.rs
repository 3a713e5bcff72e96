//! The interpreter's machine code for sm_90, executed on the CPU: its results against revm, and how
//! many instructions a transaction takes. `cargo xtask cuda` translates it; without it there is
//! nothing to test here.

use std::ffi::c_void;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use warpevm::backend::cuda::fake::FakeDriver;
use warpevm::input::{self, Input};
use warpevm::validate::compare;
use warpevm::{Config, Engine, State, reference};
use warpevm_kernels::abi::{Job, Launch};
use warpevm_tests::fixtures::workspace;

/// The library with the machine code of `cuda/run.cu`, translated.
const MACHINE_CODE_VAR: &str = "WARPEVM_SASS_RUN";
/// What a transaction takes, by `cargo xtask cuda --bless`.
const COUNTS_FILE: &str = "kernels/counts/instructions-run.tsv";
/// Most that an ERC-20 transfer may take.
const TRANSFER_INSTRUCTIONS_MAX: f64 = 30_000.0;

type Thread = unsafe extern "C" fn(*const c_void, u32, u32, u32, u32);
type Count = unsafe extern "C" fn() -> u64;

/// Threads of a thread block.
const BLOCK: u32 = warpevm_kernels::sources::BLOCK_THREADS;

#[repr(C)]
struct Params(Launch, Job);

#[derive(Clone, Copy)]
struct Machine {
    thread: Thread,
    count: Count,
}

fn machine() -> Option<Machine> {
    let path = std::env::var_os(MACHINE_CODE_VAR)?;
    // SAFETY: the library is ours, and its functions have these types (translate.py).
    unsafe {
        let library = Box::leak(Box::new(libloading::Library::new(path).expect("a library")));
        Some(Machine {
            thread: *library.get::<Thread>(b"sass_thread").expect("sass_thread"),
            count: *library.get::<Count>(b"sass_count").expect("sass_count"),
        })
    }
}

fn device(machine: Machine) -> Arc<FakeDriver> {
    let run = move |launch: &Launch, job: &Job, thread: u32| {
        let params = Params(*launch, *job);
        let (len, block) = (size_of::<Params>() as u32, thread / BLOCK);
        // SAFETY: the kernel's parameters as it takes them; whoever launched promised that the
        // addresses in them are valid.
        unsafe { (machine.thread)((&raw const params).cast(), len, thread % BLOCK, block, BLOCK) }
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
    let config = Config { threads: 2, ..Default::default() };
    let engine = Engine::on_driver(config, device(machine)).expect("an engine");
    let state = State::new(&batch.state).expect("a state");
    let (env, calls) = (&batch.env, &batch.calls);
    let expected = reference::simulate_sequential(env, calls, &batch.state).expect("revm runs");
    // The first time pages everything in, so that the second runs without a stop.
    let mut instructions = Vec::new();
    for _ in 0..2 {
        // SAFETY: it takes nothing.
        let before = unsafe { (machine.count)() };
        let got = engine.simulate(env, calls, &state).expect("the engine runs");
        // SAFETY: as above.
        instructions.push(unsafe { (machine.count)() } - before);
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
    // SAFETY: it takes nothing.
    let before = unsafe { (machine.count)() };
    engine.simulate(env, &transfers, &state).expect("the engine runs");
    // SAFETY: as above.
    let each = (unsafe { (machine.count)() } - before) as f64 / transfers.len() as f64;
    let mut table = String::from(
        "# Machine instructions of sm_90 that the interpreter's kernel executes, all in the state\n\
         # table. `cargo xtask cuda --bless` writes it.\nworkload\ttransactions\tinstructions each\n",
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
