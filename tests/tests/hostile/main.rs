//! Programs that want more work or memory than their gas pays for. Each must give revm's result, on
//! the device, within bounds:
//!
//! - Work is counted where a counter tells all of it: suspensions by their reason, probes of an
//!   index. What bounds them follows from the gas, so they are exact on every machine.
//! - Work within ops has no counter. It is bounded by revm's in the same process ([`measure`]):
//!   processor time of the thread, the shorter of two runs, with a factor many times what was seen.
//!   Under sanitizers there is no comparing.
//! - Heap is bounded by the bytes asked for, relative to revm's and to the length of the code.

mod flood;
mod measure;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use revm::context::BlockEnv;
use warpevm::limits::STEP_BUDGET_COUNT;
use warpevm::reference::validate::compare;
use warpevm::state::MemoryState;
use warpevm::{
    Checks, Config, Engine, Env, Executed, Fallback, Outcome, Report, Spec, State, Transaction,
    TxStatus, reference,
};
use warpevm_kernels::abi::{CALL_DEPTH_MAX, EVM_MEMORY_BYTES_MAX};
use warpevm_tests::asm;

use measure::{Cost, measure};

const CALLER: Address = Address::repeat_byte(0xaa);
const TARGET: Address = Address::repeat_byte(0xc0);
const OTHER: Address = Address::repeat_byte(0xc1);
/// Memory classes above the one that a call starts in: so often it restarts at most.
const RESTARTS_MAX: u64 = 5;
/// Gas that each suspension costs at least, whatever it asks for: an op that can miss something
/// costs as much in every spec.
const SUSPENSION_GAS_MIN: u64 = 20;
/// Processor time, in times of revm's: 5 were seen at most, in a build without optimisation, where
/// hundreds of creations each run another code, which is compiled and kept; 1.5 in loops.
const TIMES_OF_REVM_MAX: f64 = 8.0;
/// Processor time that needs no comparison: the pages of a larger memory class, a table that grows.
const SECONDS_FREE: f64 = 0.05;
/// Heap beyond twice revm's: the state table, the engine.
const HEAP_BYTES_FREE: u64 = 4 << 20;
/// Heap that compiling may ask for at a time per byte of code; 400 were seen.
const HEAP_PER_CODE_BYTE: u64 = 1024;

/// A call and the state that it runs on.
struct Scene {
    env: Env,
    state: MemoryState,
    tx: Transaction,
    /// Of the state table.
    seed: u64,
    code_bytes: u64,
}

impl Scene {
    /// Calls `code` with so much gas.
    fn new(spec: Spec, gas_limit: u64, code: Vec<u8>) -> Scene {
        let mut env =
            Env { spec, chain_id: 1, block: BlockEnv::default(), checks: Checks::default() };
        env.block.number = U256::from(1_000);
        env.block.gas_limit = u64::MAX;
        env.block.prevrandao = Some(B256::ZERO);
        env.block.set_blob_excess_gas_and_price(0, 5_007_716);
        env.checks.balance = false;
        let kind = TxKind::Call(TARGET);
        let tx = Transaction { caller: CALLER, kind, gas_limit, ..Default::default() };
        let state = MemoryState::default();
        Scene { env, state, tx, seed: 1, code_bytes: 0 }.contract(TARGET, code)
    }

    fn contract(mut self, address: Address, code: Vec<u8>) -> Scene {
        let balance = U256::from(1_000_000);
        self.code_bytes += code.len() as u64;
        self.state.add_account(address, balance, 1, code.into(), Default::default());
        self
    }

    fn data(mut self, data: Vec<u8>) -> Scene {
        self.tx.data = data.into();
        self
    }

    /// Runs on both sides, in the batch and in the block.
    fn run(self) -> Ran {
        let txs = [self.tx.clone()];
        let (expected, revm) =
            measure(|| reference::simulate_sequential(&self.env, &txs, &self.state));
        let expected = expected.expect("revm runs");
        let engine = Engine::new(Config::default().with_threads(1)).expect("an engine");
        let simulate = || {
            let state = State::with_seed(&self.state, self.seed).expect("a state");
            let batch = engine.simulate(&self.env, &txs, &state).expect("the engine runs");
            same(&expected, &batch.outcomes);
            batch
        };
        // The first run compiles and takes its memory, the second may be disturbed.
        let ((batch, first), (_, second), (_, third)) =
            (measure(simulate), measure(simulate), measure(simulate));
        let mut state = State::with_seed(&self.state, self.seed).expect("a state");
        let block = engine.execute(&self.env, &txs, &mut state).expect("the engine runs");
        same(&expected, &block.outcomes);
        let executed = batch.outcomes[0].result.clone().expect("a valid transaction");
        let seconds = second.seconds.min(third.seconds);
        let ours = Cost { seconds, heap_bytes: first.heap_bytes };
        Ran { executed, report: batch.report, revm, ours, code_bytes: self.code_bytes }
    }

    /// Runs on both sides once, for what takes much memory.
    fn once(self) -> (Executed, Report) {
        let txs = [self.tx];
        let expected = reference::simulate_sequential(&self.env, &txs, &self.state);
        let engine = Engine::new(Config::default().with_threads(1)).expect("an engine");
        let state = State::with_seed(&self.state, self.seed).expect("a state");
        let batch = engine.simulate(&self.env, &txs, &state).expect("the engine runs");
        same(&expected.expect("revm runs"), &batch.outcomes);
        (batch.outcomes[0].result.clone().expect("a valid transaction"), batch.report)
    }

    /// As [`Scene::run`], within the bounds that hold for every program; gives the result and the
    /// batch's report.
    fn bounded(self) -> (Executed, Report) {
        let ran = self.run();
        ran.assert_work();
        ran.assert_costs();
        (ran.executed, ran.report)
    }
}

/// What came of it.
struct Ran {
    executed: Executed,
    /// Of the first run in a batch.
    report: Report,
    revm: Cost,
    /// Heap of the first run; time of the better one of two later ones.
    ours: Cost,
    code_bytes: u64,
}

impl Ran {
    /// It ran on the device, and each suspension was paid for.
    fn assert_work(&self) {
        let report = &self.report;
        assert!(!report.fallbacks.contains_key(&Fallback::MemoryClass), "{report:?}");
        let count = |need: &str| report.suspensions.get(need).copied().unwrap_or_default();
        assert!(count("class") <= RESTARTS_MAX, "{report:?}");
        // Each run from the start pays for itself: a bb costs gas, and so does what is paged in.
        let runs = count("class") + 1;
        let steps = runs * (1 + self.executed.gas_used / STEP_BUDGET_COUNT);
        assert!(count("steps") <= steps, "{report:?}");
        let asked: u64 = ["account", "slot", "code", "init-code", "deploy", "precompile"]
            .iter()
            .map(|need| count(need))
            .sum();
        assert!(asked <= 8 + runs * self.executed.gas_used / SUSPENSION_GAS_MIN, "{report:?}");
    }

    /// It cost no more than revm pays, within reason.
    fn assert_costs(&self) {
        if warpevm_kernels::SANITIZED {
            return;
        }
        let Ran { revm, ours, .. } = self;
        let seconds = TIMES_OF_REVM_MAX * revm.seconds + SECONDS_FREE;
        assert!(ours.seconds <= seconds, "{ours:?}, revm {revm:?}");
        let heap = 2 * revm.heap_bytes + HEAP_BYTES_FREE + HEAP_PER_CODE_BYTE * self.code_bytes;
        assert!(ours.heap_bytes <= heap, "{ours:?}, revm {revm:?}");
    }
}

fn same(expected: &[Outcome], got: &[Outcome]) {
    assert_eq!(expected.len(), got.len());
    for (index, (expected, got)) in expected.iter().zip(got).enumerate() {
        let found: Vec<_> = compare(index, expected, got).iter().map(|m| m.to_string()).collect();
        assert_eq!(found, [""; 0]);
    }
}

#[test]
fn recursion_to_the_depth_limit() {
    // Before EIP-150 a call may ask for all gas but what it needs itself.
    let old = "0 0 0 0 0 address 200 gas sub call stop";
    Scene::new(Spec::Homestead, 10_000_000, asm(old)).bounded();
    // After it only a huge gas limit gets so deep: 63/64 to the power of 1,024.
    let new = "0 0 0 0 0 address gas call 1 add 0 mstore 32 0 return";
    Scene::new(Spec::Prague, 1 << 50, asm(new)).bounded();
    // With memory in each frame, read back from each.
    let fat = "1 4064 mstore 64 64 64 64 0 address gas call returndatasize 0 mstore 64 0 revert";
    Scene::new(Spec::Prague, 1 << 44, asm(fat)).bounded();
}

#[test]
fn memory_up_to_the_gas_limit() {
    // One word more each round, then twice as much each round.
    for grow in ["msize mload pop", "1 msize dup1 mul mstore8"] {
        let source = format!("1 0 mstore again: {grow} @again jump");
        for gas in [100_000, 30_000_000] {
            let (executed, _) = Scene::new(Spec::Prague, gas, asm(&source)).bounded();
            assert_eq!((executed.status, executed.gas_used), (TxStatus::Halt, gas));
        }
    }
}

/// What no class holds runs on revm. What revm does not hold either is out of gas on both, instead
/// of out of memory.
#[test]
fn memory_that_no_class_has() {
    let (executed, report) = Scene::new(Spec::Prague, 1 << 42, asm("0x24000000 mload stop")).once();
    assert_eq!(executed.status, TxStatus::Success);
    assert_eq!(report.fallbacks.get(&Fallback::MemoryClass), Some(&1));
    let programs = ["OFFSET mload", "0 OFFSET mstore", "1 OFFSET mstore8", "1 OFFSET return"];
    for offset in ["0x80000000", "0xffffffe0", "0x10000000000", "0x2000000000000"] {
        for program in programs {
            let code = asm(&program.replace("OFFSET", offset));
            for gas in [1 << 52, i64::MAX as u64, u64::MAX] {
                let (executed, _) = Scene::new(Spec::Prague, gas, code.clone()).once();
                assert_eq!((executed.status, executed.gas_used), (TxStatus::Halt, gas));
            }
        }
    }
}

/// The limit is one of all open frames together, to the word. Needs 2 GiB.
#[test]
fn memory_up_to_the_limit() {
    const OUTER_BYTES: u32 = 1 << 28;
    let source = format!(
        "0 {} mstore 0 calldataload 0 mstore 0 0 32 0 0 {OTHER} gas call 0 mstore 32 0 return",
        OUTER_BYTES - 32
    );
    for (excess, fits) in [(0, true), (1, false), (32, false)] {
        let offset = EVM_MEMORY_BYTES_MAX - OUTER_BYTES - 32 + excess;
        let scene = Scene::new(Spec::Prague, 1 << 43, asm(&source));
        let scene = scene.contract(OTHER, asm("0 calldataload mload stop"));
        let (executed, report) = scene.data(U256::from(offset).to_be_bytes_vec()).once();
        assert_eq!(U256::from_be_slice(&executed.output), U256::from(fits));
        // The device finds out itself what cannot be.
        assert_eq!(report.fallbacks.contains_key(&Fallback::MemoryClass), fits);
    }
}

/// No chain could reach it: the cheapest way, as many frames as there can be of the same size,
/// costs 500 times as much as a transaction may use since Osaka, and 100 times any block before.
#[test]
fn the_limit_on_memory_is_beyond_any_block() {
    let frames = u64::from(CALL_DEPTH_MAX) + 1;
    let words = u64::from(EVM_MEMORY_BYTES_MAX) / 32 / frames;
    let gas = frames * (3 * words + words * words / 512);
    assert!(gas > 500 << 24, "{gas}");
}

#[test]
fn code_of_jumpdests() {
    let jumpdests = vec![0x5b; 24_576];
    Scene::new(Spec::Osaka, 100_000, jumpdests.clone()).bounded();
    // A computed jump to each of many.
    let mut code = asm("0 calldataload jump");
    code.extend(&jumpdests[code.len()..]);
    for pc in [0, 3, 4, 4_000, 24_575, 24_576] {
        let data = U256::from(pc).to_be_bytes_vec();
        Scene::new(Spec::Osaka, 100_000, code.clone()).data(data).bounded();
    }
    // Each JUMPDEST jumps to the next by a computed jump.
    let hops: Vec<u8> = asm("next: pc 4 add jump").repeat(6_000);
    Scene::new(Spec::Osaka, 1_000_000, hops[..24_576].to_vec()).bounded();
}

#[test]
fn code_of_one_bb() {
    for unit in ["gas add", "callvalue add dup1", "calldatasize dup1 mulmod", "dup1 dup1 mstore"] {
        let mut code = asm("1 2 3 4");
        code.extend(asm(unit).repeat(12_000));
        code.truncate(24_576);
        Scene::new(Spec::Osaka, 1_000_000, code).bounded();
    }
}

#[test]
fn a_megabyte_of_calldata() {
    // The last bytes are loaded as a word, too.
    let source = "calldatasize 0 0 calldatacopy calldatasize 0 keccak256 0 sstore \
        0xffff0 calldataload 1 sstore calldatasize 0 return";
    for byte in [0, 1] {
        let data = vec![byte; 1 << 20];
        let scene = Scene::new(Spec::Cancun, 100_000_000, asm(source)).data(data.clone());
        let (executed, _) = scene.bounded();
        assert_eq!(executed.output, Bytes::from(data));
    }
}

#[test]
fn thousands_of_logs() {
    let source = "again: 1 2 3 4 100 0 log4 @again jump";
    let (executed, _) = Scene::new(Spec::Osaka, 16_000_000, asm(source)).bounded();
    assert_eq!((executed.status, executed.logs.len()), (TxStatus::Halt, 0));
    let source = "5000 again: dup1 dup1 32 0 log2 1 swap1 sub dup1 @again jumpi";
    let (executed, _) = Scene::new(Spec::Osaka, 16_000_000, asm(source)).bounded();
    assert_eq!((executed.status, executed.logs.len()), (TxStatus::Success, 5000));
}

#[test]
fn return_data_bombs() {
    for end in ["return", "revert"] {
        // 1 MiB from each call; the caller takes none of it, then all of it.
        let bomb = asm(&format!("0x100000 0 {end}"));
        for take in ["", "returndatasize 0 0 returndatacopy", "1 returndatasize 0 returndatacopy"] {
            let source = format!(
                "10 again: 0 0 0 0 0 {OTHER} gas call pop {take} 1 swap1 sub dup1 @again jumpi \
                 returndatasize 0 mstore 32 0 return"
            );
            let scene = Scene::new(Spec::Prague, 60_000_000, asm(&source));
            scene.contract(OTHER, bomb.clone()).bounded();
        }
    }
}

#[test]
fn create2_to_the_same_address() {
    // Creates an empty contract with salt 5: the first time it succeeds, then each collision takes
    // all gas of its frame. The caller gives 60,000 each time, in vain 160 times.
    let create = "5 0 0 0 create2 sload 1 add 0 sstore";
    let call = format!("0 0 0 0 0 {OTHER} 60000 call");
    let source = format!("again: {call} 0 sload add 0 sstore gas 200000 lt @again jumpi stop");
    for spec in [Spec::Petersburg, Spec::London, Spec::Osaka] {
        let scene = Scene::new(spec, 10_000_000, asm(&source));
        let (executed, _) = scene.contract(OTHER, asm(create)).bounded();
        assert_eq!((executed.status, executed.gas_used > 9_000_000), (TxStatus::Success, true));
    }
    // One that takes nearly all gas of the transaction.
    let source = format!("again: {create} gas 100000 lt @again jumpi stop");
    Scene::new(Spec::Osaka, 10_000_000, asm(&source)).bounded();
    // The same after the contract destroyed itself in its constructor.
    let source = "0x6000ff 0 mstore again: 5 3 29 0 create2 balance pop \
        gas 100000 lt @again jumpi stop";
    for spec in [Spec::Petersburg, Spec::Shanghai, Spec::Osaka] {
        Scene::new(spec, 10_000_000, asm(source)).bounded();
    }
}

#[test]
fn exponential_call_trees() {
    // Each frame calls itself twice, as long as there is gas.
    for call in ["call", "staticcall"] {
        let value = if call == "call" { "0" } else { "" };
        let one = format!("0 0 0 0 {value} address gas {call}");
        let source = format!("{one} {one} add 0 mstore 32 0 return");
        for gas in [100_000, 3_000_000] {
            Scene::new(Spec::Osaka, gas, asm(&source)).bounded();
        }
    }
}

#[test]
fn endless_loops() {
    for body in ["", "pop 1", "dup1 sload pop", "0 0 0 0 0 4 gas call pop"] {
        let source = format!("1 again: {body} @again jump");
        let (executed, _) = Scene::new(Spec::Osaka, 5_000_000, asm(&source)).bounded();
        assert_eq!(executed.gas_used, 5_000_000);
    }
    // A gas limit of 2^63 - 1, of which little is used.
    let source = "10 again: 1 swap1 sub dup1 @again jumpi gas 0 mstore 32 0 return";
    let (executed, _) = Scene::new(Spec::Prague, i64::MAX as u64, asm(source)).bounded();
    assert!(U256::from_be_slice(&executed.output) > U256::from(1u64 << 62));
}

/// Bodies of endless loops: one for each kind of work, paid as cheaply as can be. The counter is on
/// the stack below what they use.
const LOOPS: [&str; 33] = [
    "",
    "dup1 dup1 mulmod",
    "dup1 not dup1 exp pop",
    "dup1 not 3 dup1 dup1 mulmod pop pop",
    "3 dup2 not sdiv pop",
    "0 mload pop",
    "1 msize mstore8",
    "0 0 keccak256 pop",
    "1000 0 keccak256 pop",
    "4096 0 1 mcopy",
    "32 0 1 mcopy",
    "4096 0 0 codecopy",
    "4096 0 0 calldatacopy",
    "dup1 sload pop",
    "dup1 dup1 sstore",
    "1 0 sstore",
    "dup1 dup1 tstore",
    "dup1 tload pop",
    "dup1 balance pop",
    "dup1 extcodehash pop",
    "4096 0 0 address extcodecopy",
    "number blockhash pop",
    "0 0 log0",
    "4096 0 log0",
    "0 0 0 0 0 dup6 gas call pop",
    "0 0 0 0 1 4 gas call pop",
    "0 0 4096 0 4 gas staticcall pop",
    "0 0 4096 0 2 gas staticcall pop",
    "0 0 128 0 1 gas staticcall pop",
    "0 0 213 0 9 gas staticcall pop",
    "0 0 0 0 OTHER gas delegatecall pop",
    "0 0 0 0 0 OTHER 10000 call pop",
    "0 0 0 create pop",
];

/// What the loops call: nothing much; and changes that are undone.
const CALLEES: [&str; 3] = ["stop", "1 0 tstore 2 1 tstore 0 0 revert", "4096 0 revert"];

#[test]
fn loops_cost_what_revm_pays() {
    for body in LOOPS {
        for callee in if body.contains("OTHER") { &CALLEES[..] } else { &CALLEES[..1] } {
            let body = body.replace("OTHER", &OTHER.to_string());
            let source = format!("0 again: 1 add {body} @again jump");
            let scene = Scene::new(Spec::Cancun, 20_000_000, asm(&source));
            let (executed, _) = scene.contract(OTHER, asm(callee)).bounded();
            assert_eq!(executed.gas_used, 20_000_000, "{body}");
        }
    }
}

#[test]
fn nested_creations() {
    // Init code that creates itself.
    let source = "codesize 0 0 codecopy codesize 0 0 create 0 mstore 32 0 return";
    let init = asm(source);
    for gas in [10_000_000, 1 << 40] {
        Scene::new(Spec::Prague, gas, init.clone()).bounded();
        let mut scene = Scene::new(Spec::Prague, gas, Vec::new()).data(init.clone());
        scene.tx.kind = TxKind::Create;
        scene.bounded();
    }
    // The same with a different code each time: PUSH32 of the gas left, and POP, in front of it.
    let source = "0x7f 0 mstore8 gas 1 mstore 0x50 33 mstore8 \
        codesize 0 34 codecopy codesize 34 add 0 0 create stop";
    for gas in [30_000_000, 1 << 38] {
        Scene::new(Spec::Prague, gas, asm(source)).bounded();
    }
}

/// More codes than a transaction may bring to the device: revm runs it.
#[test]
fn more_creations_than_the_device_has_codes_for() {
    // The init code is PUSH8 of the gas left, then STOP: another one each time.
    let source = "again: gas 0x670000000000000000 or 0 mstore 32 23 0 create pop \
        gas 100000 lt @again jumpi stop";
    for (gas, fallbacks) in [(120_000_000, 0), (150_000_000, 1)] {
        let ran = Scene::new(Spec::London, gas, asm(source)).run();
        let report = &ran.report;
        assert_eq!(ran.executed.status, TxStatus::Success);
        let whole = report.fallbacks.get(&Fallback::MemoryClass).copied().unwrap_or_default();
        assert_eq!(whole, fallbacks, "{report:?}");
        let restarts = report.suspensions.get("class").copied().unwrap_or_default();
        assert!(restarts <= RESTARTS_MAX, "{report:?}");
        ran.assert_costs();
    }
}

#[test]
fn constructors_that_destroy_themselves() {
    // Init code: ADDRESS SELFDESTRUCT, CALLER SELFDESTRUCT; with value.
    for init in ["0x30ff", "0x33ff", "0x6000ff"] {
        let len = (init.len() - 2) / 2;
        let source = format!(
            "{init} 0 mstore again: {len} {} 1 create dup1 extcodehash pop balance pop \
             gas 100000 lt @again jumpi stop",
            32 - len
        );
        for spec in [Spec::Petersburg, Spec::London, Spec::Cancun, Spec::Osaka] {
            Scene::new(spec, 10_000_000, asm(&source)).bounded();
        }
    }
}
