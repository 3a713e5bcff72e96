//! Targets that take arbitrary bytes: for libFuzzer (`fuzz_targets`), and for [`run`], which needs
//! no instrumentation and so runs on stable Rust. None may panic, whatever the bytes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alloy_primitives::Address;
use warpevm::input::BatchInput;
use warpevm_compiler::Spec;
use warpevm_compiler::cfg::Cfg;
use warpevm_compiler::opcode::{OPCODES, op, table_of};

use crate::compile::{compile_input, mutate, opcodes};
use crate::program::{Scene, init_code, program};
use crate::rng::Rng;

/// What takes the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// The compiler: see [`compile_input`].
    Compile,
    /// The decoders of code and of batch files: see [`decode_input`].
    Decode,
}

impl Target {
    /// Gives the bytes to the target; panics where it finds a fault.
    pub fn take(self, input: &[u8]) {
        match self {
            Target::Compile => compile_input(input),
            Target::Decode => decode_input(input),
        }
    }

    /// Bytes that get further than random ones would.
    pub fn input(self, rng: &mut Rng) -> Vec<u8> {
        let head = rng.bytes(3);
        match self {
            Target::Decode if rng.chance(30) => {
                let mut text = BATCH.as_bytes().to_vec();
                mutate(rng, &mut text);
                [&[0], &text[..]].concat()
            }
            _ => [head, any_code(rng)].concat(),
        }
    }
}

/// A batch file from which others are made.
const BATCH: &str = r#"{"spec":"prague","chainId":"0x1","env":{"number":"0x10","timestamp":"0x20",
"beneficiary":"0x00000000000000000000000000000000000000fe","gasLimit":"0xe4e1c00","baseFee":"0x7",
"prevRandao":"0x58828d5fa1385dedf60f7b8272630a31b9340be4e9151807ad5cb47fcfe63aae",
"excessBlobGas":"0x0","blockHashes":{"0xf":
"0x58828d5fa1385dedf60f7b8272630a31b9340be4e9151807ad5cb47fcfe63aae"}},
"state":{"0x00a407a93fea91c667bbaa4379c3b06daa2b20c9":{"balance":"0xde0b6b3a7640000","nonce":"0x1",
"code":"0x6001600055","storage":{"0x1":"0x2"}}},
"calls":[{"from":"0x00a407a93fea91c667bbaa4379c3b06daa2b20c9",
"to":"0x00ab880cca980e4c21c79ef8dc1fcb12a13f6225","gas":"0x186a0","value":"0x1","data":"0x12"}]}"#;

/// Decodes code, or (first byte 0) a batch file.
pub fn decode_input(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    match first {
        0 => drop(BatchInput::parse("fuzz", rest)),
        n => decode_code(rest, Spec::ALL[usize::from(*n) % Spec::ALL.len()]),
    }
}

/// Splits code into bbs and compares with the yellow paper's definition of a jump destination
/// (9.4.3): a JUMPDEST that is no data of a PUSH.
fn decode_code(code: &[u8], spec: Spec) {
    let cfg = Cfg::new(code, table_of(spec));
    let mut at = 0;
    for (pc, byte) in code.iter().enumerate() {
        let inst = pc == at;
        if inst {
            let push = (op::PUSH1..=op::PUSH32).contains(byte);
            at += 1 + if push { usize::from(byte - op::PUSH1) + 1 } else { 0 };
        }
        let valid = inst && *byte == op::JUMPDEST;
        assert_eq!(cfg.jumpdest(pc as u64).is_some(), valid, "{spec}: pc {pc}");
    }
    assert_eq!(cfg.jumpdest(code.len() as u64), None);
    let in_order = cfg.bbs.windows(2).all(|pair| pair[0].end <= pair[1].start);
    assert!(in_order && cfg.bbs.iter().all(|bb| bb.start <= bb.end));
    assert_eq!(cfg.bbs.last().map(|bb| bb.end as usize), Some(code.len()));
}

/// Code of any kind: bytes, opcodes, programs, changed here and there.
pub fn any_code(rng: &mut Rng) -> Vec<u8> {
    let spec = *rng.pick(&Spec::ALL);
    let addresses = vec![Address::repeat_byte(0xc0)];
    let scene = Scene { spec, addresses, init_codes: vec![vec![op::JUMPDEST; 20]] };
    let mut code = match rng.below(4) {
        0 => {
            let len = rng.below(300) as usize;
            rng.bytes(len)
        }
        1 => {
            let count = rng.skewed(11) as usize;
            opcodes(rng, count)
        }
        2 => program(rng, &scene),
        _ => {
            let runtime = program(rng, &scene);
            init_code(rng, &scene, runtime)
        }
    };
    if rng.chance(33) {
        mutate(rng, &mut code);
    }
    if rng.chance(2) && !code.is_empty() {
        // A long one of the same parts.
        let len = rng.between(1_000, 30_000) as usize;
        code = code.iter().copied().cycle().take(len).collect();
    }
    if rng.chance(5) {
        code.push(rng.pick(OPCODES).byte);
    }
    code
}

/// What [`run`] did.
#[derive(Debug, Default)]
pub struct Ran {
    /// Inputs that the target took.
    pub inputs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first input that made it panic, and why.
    pub failed: Option<(Vec<u8>, String)>,
}

/// Gives a target so many inputs of a seed, on several threads, or as many as the time allows.
pub fn run(target: Target, seed: u64, count: u64, jobs: usize, time: Duration) -> Ran {
    let (next, stop, ran) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::default());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) && start.elapsed() < time {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let input = target.input(&mut Rng::of_case(seed, number));
                    let taken = catch_unwind(AssertUnwindSafe(|| target.take(&input)));
                    let mut ran: std::sync::MutexGuard<'_, Ran> = ran.lock().expect("no panic");
                    ran.inputs += 1;
                    ran.bytes += input.len() as u64;
                    if let Err(panic) = taken {
                        stop.store(true, Ordering::Relaxed);
                        let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                        ran.failed.get_or_insert((input, text));
                    }
                }
            });
        }
    });
    ran.into_inner().expect("no panic")
}
