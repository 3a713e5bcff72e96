//! What cases really do, as revm sees it: ops, depth, precompiles, creations. A feature that is
//! hardly ever hit is a fault of the generator, which the counts of results do not show.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use alloy_primitives::{Address, U256};
use revm::context_interface::{ContextTr, JournalTr};
use revm::database::CacheDB;
use revm::interpreter::interpreter_types::{Jumps, MemoryTr};
use revm::interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter};
use revm::{DatabaseCommit, Inspector};
use warpevm::Spec;
use warpevm::reference::{Evm, InSpec};
use warpevm_compiler::opcode::by_byte;
use warpevm_compiler::precompile;

use crate::case::Case;

/// One of so many cases is looked at: an inspected transaction costs several others.
pub const CASES_PER_LOOK: u64 = 16;

/// Counts, over the transactions that were looked at.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Transactions.
    pub transactions: u64,
    /// Executions of each opcode.
    pub ops: BTreeMap<u8, u64>,
    /// By the deepest frame: the lower end of its range.
    pub depths: BTreeMap<u64, u64>,
    /// By the largest memory of a frame: the lower end of its range.
    pub memory: BTreeMap<u64, u64>,
    /// With calls of each precompile: with a result, with an empty one, failed.
    pub precompiles: BTreeMap<u64, [u64; 3]>,
    /// With frames of each kind of result.
    pub frames: BTreeMap<String, u64>,
    /// Transactions by type and what they are.
    pub kinds: BTreeMap<String, u64>,
}

/// What counts while a transaction runs.
#[derive(Debug, Default)]
struct Looker {
    seen: Coverage,
    spec: Option<Spec>,
    depth: u64,
    memory: u64,
    /// What the running transaction did.
    frames: BTreeSet<String>,
    precompiles: BTreeSet<(u64, usize)>,
}

/// The number of a precompile of this spec.
fn precompile(spec: Spec, address: &Address) -> Option<u64> {
    let number: u64 = U256::from_be_bytes(address.into_word().0).try_into().ok()?;
    let bit = u32::try_from(number).map_or(0, precompile::bit);
    (spec.precompiles() & bit != 0).then_some(number)
}

fn count<K: Ord>(map: &mut BTreeMap<K, u64>, key: K) {
    *map.entry(key).or_default() += 1;
}

impl<CTX: ContextTr> Inspector<CTX> for Looker {
    fn step(&mut self, interp: &mut Interpreter, _: &mut CTX) {
        count(&mut self.seen.ops, interp.bytecode.opcode());
        self.memory = self.memory.max(interp.memory.size() as u64);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.depth = self.depth.max(context.journal_ref().depth() as u64);
        let asked = context.journal_mut().load_account_with_code(inputs.bytecode_address);
        if asked.is_ok_and(|a| a.info.code.as_ref().is_some_and(|code| code.is_eip7702())) {
            self.frames.insert("call of a delegation".to_owned());
        }
        None
    }

    fn call_end(&mut self, _: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        let result = outcome.result.result;
        let number = self.spec.and_then(|spec| precompile(spec, &inputs.bytecode_address));
        if let Some(number) = number {
            let ended = match (result.is_ok(), outcome.result.output.is_empty()) {
                (true, false) => 0,
                (true, true) => 1,
                (false, _) => 2,
            };
            self.precompiles.insert((number, ended));
        }
        self.frames.insert(format!("call {result:?}"));
    }

    fn create(&mut self, context: &mut CTX, _: &mut CreateInputs) -> Option<CreateOutcome> {
        self.depth = self.depth.max(context.journal_ref().depth() as u64);
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.frames.insert(format!("create {:?}", outcome.result.result));
    }
}

/// The largest power of 4 up to a number, or 0.
fn range(number: u64) -> u64 {
    (0..32).map(|n| 1u64 << (2 * n)).take_while(|power| *power <= number).last().unwrap_or(0)
}

impl Coverage {
    /// Looks at a case. Nothing is compared here.
    pub fn look(&mut self, case: &Case) {
        let db = case.state();
        let looker = Looker { spec: Some(case.env.spec), ..Default::default() };
        let db = CacheDB::new(InSpec::new(case.env.spec, &db));
        let mut evm = Evm::with_inspector(&case.env, db, looker);
        for tx in &case.txs {
            let ran = evm.inspect(tx.clone());
            let ended = ran.is_ok();
            if let (Ok((_, touched)), true) = (ran, case.block) {
                evm.db_mut().commit(touched);
            }
            let looker = evm.inspector_mut();
            let depth = std::mem::take(&mut looker.depth);
            let memory = std::mem::take(&mut looker.memory);
            let frames = std::mem::take(&mut looker.frames);
            let precompiles = std::mem::take(&mut looker.precompiles);
            if !ended {
                continue;
            }
            let seen = &mut looker.seen;
            seen.transactions += 1;
            frames.into_iter().for_each(|frame| count(&mut seen.frames, frame));
            for (number, ended) in precompiles {
                seen.precompiles.entry(number).or_default()[ended] += 1;
            }
            count(&mut seen.depths, range(depth));
            count(&mut seen.memory, range(memory));
            let kind = if tx.kind.is_create() { "creation" } else { "call" };
            count(&mut seen.kinds, format!("type {} {kind}", tx.tx_type));
        }
        self.add(&evm.inspector_mut().seen);
    }

    /// Adds what another saw.
    pub fn add(&mut self, other: &Coverage) {
        fn sum<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
            for (key, count) in from {
                *into.entry(key.clone()).or_default() += count;
            }
        }
        self.transactions += other.transactions;
        sum(&mut self.ops, &other.ops);
        sum(&mut self.depths, &other.depths);
        sum(&mut self.memory, &other.memory);
        sum(&mut self.frames, &other.frames);
        sum(&mut self.kinds, &other.kinds);
        for (number, counts) in &other.precompiles {
            let into = self.precompiles.entry(*number).or_default();
            into.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }

    /// Defined opcodes that never ran.
    pub fn missing_ops(&self) -> Vec<&'static str> {
        let defined = (0..=255u8).filter_map(|byte| by_byte(byte).map(|info| (byte, info.name)));
        let missing = defined.filter(|(byte, _)| !self.ops.contains_key(byte));
        missing.map(|(_, name)| name).collect()
    }

    /// As lines of text.
    pub fn histogram(&self) -> String {
        let mut text = String::new();
        let share = |count: u64| 100.0 * count as f64 / self.transactions.max(1) as f64;
        let _ = writeln!(text, "looked at {} transactions (valid ones)", self.transactions);
        let mut part = |name: &str, counts: Vec<(String, u64)>| {
            let counts = counts.iter().map(|(key, n)| format!("{key}: {n} ({:.2}%)", share(*n)));
            let _ = writeln!(text, "{name}: {}", counts.collect::<Vec<_>>().join(", "));
        };
        let named = |map: &BTreeMap<u64, u64>| {
            map.iter().map(|(key, count)| (format!("{key}+"), *count)).collect()
        };
        part("depth", named(&self.depths));
        part("memory of a frame, bytes", named(&self.memory));
        part("transactions", self.kinds.clone().into_iter().collect());
        part("frames", self.frames.clone().into_iter().collect());
        let _ = writeln!(text, "precompiles (result, empty result, failed):");
        for (number, counts) in &self.precompiles {
            let _ = writeln!(text, "  {number:#x}: {counts:?}");
        }
        let mut ops = Vec::new();
        for (byte, count) in &self.ops {
            let name = by_byte(*byte).map_or(format!("{byte:#04x}"), |info| info.name.to_owned());
            ops.push(format!("{name} {count}"));
        }
        for line in ops.chunks(8) {
            let _ = writeln!(text, "  {}", line.join(", "));
        }
        let _ = writeln!(text, "opcodes that never ran: {:?}", self.missing_ops());
        text
    }
}
