//! What a GPU could do at best: instructions per transaction, by counts of machine code, and what a
//! named GPU executes in a second.
//!
//! The counts are those of `kernels/counts`, for sm_90, taken in an emulator: instructions of each
//! word op, and of the interpreter for whole workloads. What the interpreter takes for each op
//! beside that, and for each transaction, follows from the two whole workloads, which are traced
//! here with revm. So the model is exact for those two and an estimate for all others: it knows
//! opcodes, not the ops that the compiler makes of them.
//!
//! It is a ceiling: warps never diverge, memory never waits, and the host is never late.

use anyhow::{Context, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use warpevm::input::BatchInput;
use warpevm::reference::{self, Trace};
use warpevm::types::Executed;
use warpevm_compiler::opcode::{by_byte, op};
use warpevm_kernels::abi::{OverlayAccount, OverlaySlot, Tx};

const OP_COUNTS: &str = include_str!("../../kernels/counts/instructions-op.tsv");
const RUN_COUNTS: &str = include_str!("../../kernels/counts/instructions-run.tsv");
/// The batch whose instructions were counted.
const BATCH: &str = include_str!("../../host/examples/erc20-batch.json");
/// Rows of the counts.
const TRANSFERS: &str = "ERC-20 transfers";
const WHOLE_BATCH: &str = "example batch";
/// Selector of `transfer(address,uint256)`.
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];
/// Threads of a warp.
const WARP: f64 = 32.0;
/// Times that device memory sees what travels: written on arrival and read, written and read.
const MEMORY_PASSES: f64 = 4.0;

/// A GPU, by its data sheet.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Gpu {
    pub name: &'static str,
    /// What its driver's name has of that.
    pub model: &'static str,
    pub multiprocessors: u32,
    /// Warp instructions that a multiprocessor issues in a cycle.
    pub issue: u32,
    /// 32-bit integer operations of a multiprocessor in a cycle.
    pub integer: u32,
    pub clock_hz: f64,
    pub memory_bytes_per_second: f64,
    /// In each direction.
    pub pcie_bytes_per_second: f64,
    /// Where the figures are from.
    pub source: &'static str,
}

/// Clocks are boost clocks. Integer throughput: CUDA C++ Programming Guide, table of arithmetic
/// instructions; for Blackwell the white paper.
pub const GPUS: [Gpu; 5] = [
    Gpu {
        name: "A100 SXM 80 GB",
        model: "A100",
        multiprocessors: 108,
        issue: 4,
        integer: 64,
        clock_hz: 1.41e9,
        memory_bytes_per_second: 2.039e12,
        pcie_bytes_per_second: 32e9,
        source: "NVIDIA A100 data sheet and architecture white paper",
    },
    Gpu {
        name: "H100 SXM",
        model: "H100",
        multiprocessors: 132,
        issue: 4,
        integer: 64,
        clock_hz: 1.98e9,
        memory_bytes_per_second: 3.35e12,
        pcie_bytes_per_second: 64e9,
        source: "NVIDIA H100 data sheet and architecture white paper",
    },
    Gpu {
        name: "H200 SXM",
        model: "H200",
        multiprocessors: 132,
        issue: 4,
        integer: 64,
        clock_hz: 1.98e9,
        memory_bytes_per_second: 4.8e12,
        pcie_bytes_per_second: 64e9,
        source: "NVIDIA H200 data sheet; processors as H100",
    },
    Gpu {
        name: "GeForce RTX 4090",
        model: "RTX 4090",
        multiprocessors: 128,
        issue: 4,
        integer: 64,
        clock_hz: 2.52e9,
        memory_bytes_per_second: 1.008e12,
        pcie_bytes_per_second: 32e9,
        source: "NVIDIA Ada GPU architecture white paper",
    },
    Gpu {
        name: "GeForce RTX 5090",
        model: "RTX 5090",
        multiprocessors: 170,
        issue: 4,
        integer: 128,
        clock_hz: 2.407e9,
        memory_bytes_per_second: 1.792e12,
        pcie_bytes_per_second: 64e9,
        source: "NVIDIA RTX Blackwell GPU architecture white paper",
    },
];

impl Gpu {
    /// Thread instructions in a second, when every instruction is issued at once.
    pub fn issued_per_second(&self) -> f64 {
        f64::from(self.multiprocessors) * f64::from(self.issue) * WARP * self.clock_hz
    }

    /// The same where all of them are integer instructions, as nearly all of ours are.
    pub fn integers_per_second(&self) -> f64 {
        f64::from(self.multiprocessors) * f64::from(self.integer) * self.clock_hz
    }
}

/// Transactions in a second, by what binds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ceiling {
    pub gpu: &'static str,
    pub issue: f64,
    pub integer: f64,
    pub memory: f64,
    pub pcie: f64,
    /// The least.
    pub predicted: f64,
    pub bound_by: &'static str,
}

/// What a transaction of a case takes, by the model.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    pub instructions: f64,
    pub upload_bytes: f64,
    pub readback_bytes: f64,
}

/// The model: see the head of this file.
#[derive(Clone, Debug, Serialize)]
pub struct Model {
    /// Instructions of what an opcode computes.
    #[serde(skip)]
    bodies: [f64; 256],
    keccak: f64,
    /// Instructions around each opcode that is more than a move on the stack.
    pub per_op: f64,
    /// Instructions of each transaction besides.
    pub per_transaction: f64,
}

impl Model {
    /// Reads the counts, and traces what they were counted on.
    pub fn new() -> anyhow::Result<Model> {
        let ops = table(OP_COUNTS, 1)?;
        let runs = table(RUN_COUNTS, 2)?;
        let count = |table: &BTreeMap<&str, f64>, name: &str| {
            table.get(name).copied().with_context(|| format!("kernels/counts has no '{name}'"))
        };
        let mut bodies = [0.0; 256];
        for (byte, name) in BODIES {
            bodies[usize::from(byte)] = count(&ops, name)?;
        }
        let keccak = count(&ops, "keccak256_2")?;
        let mut model = Model { bodies, keccak, per_op: 0.0, per_transaction: 0.0 };
        let (transfers, batch) = counted()?;
        // Two equations: bodies + ops * per_op + per_transaction = instructions.
        let (a, b) = (model.split(&transfers), model.split(&batch));
        let known = (count(&runs, TRANSFERS)? - a.0, count(&runs, WHOLE_BATCH)? - b.0);
        ensure!(a.1 > b.1, "transfers have no more opcodes than the example batch");
        model.per_op = ((known.0 - known.1) / (a.1 - b.1)).max(0.0);
        model.per_transaction = (known.0 - a.1 * model.per_op).max(0.0);
        Ok(model)
    }

    /// Of a transaction: instructions that bodies of opcodes take, and opcodes that are more than
    /// moves on the stack.
    fn split(&self, trace: &Trace) -> (f64, f64) {
        let (mut bodies, mut ops) = (trace.keccak_permutations as f64 * self.keccak, 0.0);
        for (byte, count) in (0..=u8::MAX).zip(trace.ops.iter()) {
            bodies += *count as f64 * self.bodies[usize::from(byte)];
            if !is_move(byte) {
                ops += *count as f64;
            }
        }
        let transactions = trace.transactions.max(1) as f64;
        (bodies / transactions, ops / transactions)
    }

    /// What a transaction of a traced case takes.
    pub fn cost(&self, trace: &Trace) -> Cost {
        let (bodies, ops) = self.split(trace);
        let each = |sum: f64| sum / trace.transactions.max(1) as f64;
        let overlay = trace.accounts as f64 * size_of::<OverlayAccount>() as f64
            + trace.slots as f64 * size_of::<OverlaySlot>() as f64;
        Cost {
            instructions: bodies + ops * self.per_op + self.per_transaction,
            upload_bytes: size_of::<Tx>() as f64 + each(trace.data_bytes as f64),
            readback_bytes: each(overlay + (trace.log_bytes + trace.output_bytes) as f64),
        }
    }

    /// What a GPU could do of that.
    pub fn ceiling(&self, cost: &Cost, gpu: &Gpu) -> Ceiling {
        let rate = |capacity: f64, each: f64| capacity / each.max(1.0);
        let travels = cost.upload_bytes + cost.readback_bytes;
        let bounds = [
            ("integer", rate(gpu.integers_per_second(), cost.instructions)),
            ("memory", rate(gpu.memory_bytes_per_second, travels * MEMORY_PASSES)),
            // Both directions at the same time.
            ("PCIe", rate(gpu.pcie_bytes_per_second, cost.upload_bytes.max(cost.readback_bytes))),
        ];
        let (bound_by, predicted) =
            bounds.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(("nothing", 0.0));
        Ceiling {
            gpu: gpu.name,
            issue: rate(gpu.issued_per_second(), cost.instructions),
            integer: bounds[0].1,
            memory: bounds[1].1,
            pcie: bounds[2].1,
            predicted,
            bound_by,
        }
    }
}

/// Opcodes that the compiler turns into nothing: moves on the stack, labels.
fn is_move(byte: u8) -> bool {
    matches!(byte, op::PUSH0..=op::SWAP16 | op::POP | op::JUMPDEST)
}

/// Opcodes and the rows of the counts that compute them.
const BODIES: [(u8, &str); 26] = [
    (op::ADD, "add"),
    (op::SUB, "sub"),
    (op::MUL, "mul"),
    (op::DIV, "div"),
    (op::SDIV, "sdiv"),
    (op::MOD, "mod"),
    (op::SMOD, "smod"),
    (op::ADDMOD, "addmod"),
    (op::MULMOD, "mulmod"),
    (op::EXP, "exp"),
    (op::SIGNEXTEND, "signextend"),
    (op::LT, "lt"),
    (op::GT, "gt"),
    (op::SLT, "slt"),
    (op::SGT, "sgt"),
    (op::EQ, "eq"),
    (op::ISZERO, "is_zero"),
    (op::AND, "bit_and"),
    (op::OR, "bit_or"),
    (op::XOR, "bit_xor"),
    (op::NOT, "bit_not"),
    (op::BYTE, "byte_at"),
    (op::SHL, "shl"),
    (op::SHR, "shr"),
    (op::SAR, "sar"),
    (op::CLZ, "clz"),
];

/// Reads names and one column of numbers.
fn table(text: &str, column: usize) -> anyhow::Result<BTreeMap<&str, f64>> {
    let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    rows.map(|line| {
        let mut cells = line.split('\t');
        let name = cells.next().unwrap_or_default();
        let number = cells.nth(column - 1).and_then(|cell| cell.parse().ok());
        Ok((name, number.with_context(|| format!("kernels/counts: '{line}'"))?))
    })
    .collect()
}

/// Traces of what the interpreter's instructions were counted on: the transfers of the example
/// batch, and all of it.
fn counted() -> anyhow::Result<(Trace, Trace)> {
    let batch = BatchInput::parse("erc20-batch.json", BATCH.as_bytes())?;
    let (env, calls, state) = (&batch.env, &batch.calls, &batch.state);
    let outcomes = reference::simulate_sequential(env, calls, state)?;
    let logged = |executed: &Executed| executed.logs.len() == 1;
    let transfers: Vec<_> = calls
        .iter()
        .zip(&outcomes)
        .filter(|(tx, outcome)| {
            tx.data.starts_with(&TRANSFER) && outcome.result.as_ref().is_ok_and(logged)
        })
        .map(|(tx, _)| tx.clone())
        .collect();
    let trace = |calls| reference::trace(env, calls, state, false);
    Ok((trace(&transfers)?, trace(calls)?))
}

/// The most frequent opcodes, with their share of all that ran.
pub fn mix(trace: &Trace, count: usize) -> Vec<(&'static str, f64)> {
    let all = trace.op_count().max(1) as f64;
    let mut mix: Vec<(u8, u64)> = (0..=u8::MAX).zip(trace.ops.iter().copied()).collect();
    mix.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let name = |byte| by_byte(byte).map_or("undefined", |row| row.name);
    let used = mix.into_iter().take(count).filter(|(_, count)| *count > 0);
    used.map(|(byte, count)| (name(byte), count as f64 / all)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_gives_back_what_was_counted() {
        let model = Model::new().expect("a model");
        let runs = table(RUN_COUNTS, 2).expect("counts");
        let (transfers, batch) = counted().expect("traces");
        for (trace, name) in [(transfers, TRANSFERS), (batch, WHOLE_BATCH)] {
            let instructions = model.cost(&trace).instructions;
            assert!((instructions - runs[name]).abs() < 1.0, "{name}: {instructions}");
        }
        // Both are what a reader of the interpreter's machine code expects.
        assert!(model.per_op > 10.0 && model.per_op < 500.0, "{model:?}");
        assert!(model.per_transaction > 100.0 && model.per_transaction < 20_000.0, "{model:?}");
    }

    #[test]
    fn the_least_bound_binds() {
        let model = Model::new().expect("a model");
        let gpu = &GPUS[1];
        let long = Cost { instructions: 1e6, upload_bytes: 100.0, readback_bytes: 100.0 };
        let ceiling = model.ceiling(&long, gpu);
        assert_eq!(ceiling.bound_by, "integer");
        assert_eq!(ceiling.predicted, 132.0 * 64.0 * 1.98e9 / 1e6);
        let wide = Cost { instructions: 10.0, upload_bytes: 6.4e4, readback_bytes: 100.0 };
        assert_eq!(model.ceiling(&wide, gpu).bound_by, "PCIe");
        assert_eq!(model.ceiling(&wide, gpu).predicted, 1e6);
    }
}
