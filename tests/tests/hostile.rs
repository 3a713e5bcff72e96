//! Programs that want more work or memory than their gas pays for. Each must give revm's result, on
//! the device, within bounds that follow from its gas: no clock is read.

use std::collections::HashMap;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use revm::context::BlockEnv;
use warpevm::input::MemoryState;
use warpevm::limits::STEP_BUDGET_COUNT;
use warpevm::state::table::slot_hash;
use warpevm::validate::compare;
use warpevm::{
    Checks, Config, Engine, Env, Executed, Fallback, Outcome, Report, Spec, State, Transaction,
    TxStatus, reference,
};
use warpevm_compiler::asm::assemble;

const CALLER: Address = Address::repeat_byte(0xaa);
const TARGET: Address = Address::repeat_byte(0xc0);
const OTHER: Address = Address::repeat_byte(0xc1);
/// Memory classes above the one that a call starts in: so often it restarts at most.
const RESTARTS_MAX: u64 = 4;
/// Gas that each suspension costs at least, whatever it asks for: an op that can miss something
/// costs as much in every spec.
const SUSPENSION_GAS_MIN: u64 = 20;

fn asm(source: &str) -> Vec<u8> {
    assemble(source).expect("the program assembles")
}

/// A call and the state that it runs on.
struct Scene {
    env: Env,
    state: MemoryState,
    tx: Transaction,
    seed: u64,
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
        Scene { env, state, tx, seed: 1 }.contract(TARGET, code)
    }

    fn contract(mut self, address: Address, code: Vec<u8>) -> Scene {
        let balance = U256::from(1_000_000);
        self.state.add_account(address, balance, 1, code.into(), Default::default());
        self
    }

    fn data(mut self, data: Vec<u8>) -> Scene {
        self.tx.data = data.into();
        self
    }

    /// Runs on both sides, in the batch and in the block; gives the result and the batch's report.
    fn run(self) -> (Executed, Report) {
        let txs = [self.tx.clone()];
        let expected = reference::simulate_sequential(&self.env, &txs, &self.state);
        let expected = expected.expect("revm runs");
        let engine = Engine::new(Config { threads: 1, ..Default::default() }).expect("an engine");
        let state = State::with_seed(&self.state, self.seed).expect("a state");
        let batch = engine.simulate(&self.env, &txs, &state).expect("the engine runs");
        same(&expected, &batch.outcomes);
        let mut state = State::with_seed(&self.state, self.seed).expect("a state");
        let block = engine.execute(&self.env, &txs, &mut state).expect("the engine runs");
        same(&expected, &block.outcomes);
        let executed = batch.outcomes[0].result.clone().expect("a valid transaction");
        (executed, batch.report)
    }

    /// The same, within the bounds that hold for every program.
    fn bounded(self) -> (Executed, Report) {
        let (executed, report) = self.run();
        assert!(!report.fallbacks.contains_key(&Fallback::MemoryClass), "{report:?}");
        let count = |need: &str| report.suspensions.get(need).copied().unwrap_or_default();
        assert!(count("class") <= RESTARTS_MAX, "{report:?}");
        // Each run from the start pays for itself: a bb costs gas, and so does what is paged in.
        let runs = count("class") + 1;
        let steps = runs * (1 + executed.gas_used / STEP_BUDGET_COUNT);
        assert!(count("steps") <= steps, "{report:?}");
        let asked: u64 = ["account", "slot", "code", "init-code", "deploy", "precompile"]
            .iter()
            .map(|need| count(need))
            .sum();
        assert!(asked <= 8 + runs * executed.gas_used / SUSPENSION_GAS_MIN, "{report:?}");
        (executed, report)
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
    let (executed, report) = Scene::new(Spec::Prague, 1 << 42, asm("0x24000000 mload stop")).run();
    assert_eq!(executed.status, TxStatus::Success);
    assert_eq!(report.fallbacks.get(&Fallback::MemoryClass), Some(&1));
    let programs = ["OFFSET mload", "0 OFFSET mstore", "1 OFFSET mstore8", "1 OFFSET return"];
    for offset in ["0x80000000", "0xffffffe0", "0x10000000000", "0x2000000000000"] {
        for program in programs {
            let code = asm(&program.replace("OFFSET", offset));
            for gas in [1 << 52, i64::MAX as u64, u64::MAX] {
                let (executed, _) = Scene::new(Spec::Prague, gas, code.clone()).run();
                assert_eq!((executed.status, executed.gas_used), (TxStatus::Halt, gas));
            }
        }
    }
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

/// The target's place in the table (after the fee recipient and the caller) and in the overlay.
const PLACES: [u32; 2] = [2, 1];

/// Keys of the account at a place whose hashes agree in their low bits, under one seed.
fn colliding_keys(seed: u64, account: u32, count: usize) -> Vec<U256> {
    let hash = |n: u64| slot_hash(seed, &[n, 0, 0, 0], account) & 0xfff;
    let wanted = hash(0);
    (0..).filter(|n| hash(*n) == wanted).take(count).map(U256::from).collect()
}

/// Reads and writes the slots that calldata lists.
const VISITOR: &str = "0 again: dup1 calldatasize eq @end jumpi \
    dup1 calldataload dup1 sload 1 add swap1 sstore 32 add @again jump end: stop";

#[test]
fn keys_that_collide() {
    for account in PLACES {
        let keys = colliding_keys(7, account, 1_500);
        let data: Vec<u8> = keys.iter().flat_map(|key| key.to_be_bytes::<32>()).collect();
        // The same keys in a table of that seed, and in one of another.
        let results = [7, 8].map(|seed| {
            let mut scene = Scene::new(Spec::Cancun, 60_000_000, asm(VISITOR)).data(data.clone());
            scene.seed = seed;
            let (executed, report) = scene.bounded();
            assert_eq!(executed.status, TxStatus::Success);
            (executed, report.suspensions)
        });
        assert_eq!(results[0], results[1]);
    }
}

/// The seed is random and secret: keys chosen without it spread, however they are chosen. In a
/// table with linear probing at most half full that bounds the probes.
#[test]
fn keys_chosen_without_the_seed_spread() {
    let constant = [0x9E37_79B9_7F4A_7C15u64, 0xD6E8_FEB8_6659_FD93];
    let families: [&dyn Fn(u64) -> [u64; 4]; 7] = [
        &|n| [n, 0, 0, 0],
        &|n| [0, 0, 0, n],
        &|n| [n << 48, 0, 0, 0],
        &|n| [n, constant[1], 0, 0],
        &|n| [constant[0], n, 0, 0],
        &|n| [0, 0, n, constant[1]],
        &|n| [n, n, n, n],
    ];
    let count = 600u64;
    for (family, key) in families.iter().enumerate() {
        for _ in 0..20 {
            let seed = u64::from_le_bytes(*B256::random().first_chunk().expect("32 bytes"));
            let mut places: HashMap<u64, u32> = HashMap::new();
            for n in 0..count {
                *places.entry(slot_hash(seed, &key(n), 2) & 0x7ff).or_default() += 1;
            }
            let most = places.values().max().expect("a place");
            assert!(*most <= 10, "family {family}, seed {seed:#x}: {most} keys in one place");
        }
    }
    let keys = colliding_keys(7, 2, count as usize);
    let places = keys.iter().map(|key| slot_hash(99, key.as_limbs(), 2) & 0x7ff);
    let distinct: std::collections::HashSet<_> = places.collect();
    assert!(distinct.len() > 400, "{}", distinct.len());
}

#[test]
fn a_megabyte_of_calldata() {
    let source = "calldatasize 0 0 calldatacopy calldatasize 0 keccak256 0 sstore \
        calldatasize 0 return";
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
    // Creates an empty contract with salt 5 again and again; the first one succeeds.
    let source = "again: 5 0 0 0 create2 sload 1 add 0 sstore gas 100000 lt @again jumpi stop";
    Scene::new(Spec::Osaka, 10_000_000, asm(source)).bounded();
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
    // The same with a different code each time: a counter in front of it.
    let source = "0 gas 0 mstore codesize 0 32 codecopy codesize 32 add 0 0 create stop";
    Scene::new(Spec::Prague, 30_000_000, asm(source)).bounded();
}

/// More codes than a transaction may bring to the device: revm runs it.
#[test]
fn more_creations_than_the_device_has_codes_for() {
    // PUSH4 counter, then a return of that counter as code.
    let source = "again: gas 0 mstore 32 31 0 create pop gas 100000 lt @again jumpi stop";
    let (executed, report) = Scene::new(Spec::London, 150_000_000, asm(source)).run();
    assert_eq!(executed.status, TxStatus::Success);
    let restarts = report.suspensions.get("class").copied().unwrap_or_default();
    assert!(restarts <= RESTARTS_MAX, "{report:?}");
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
