//! The first time: each block seen once by a fresh engine, beside revm with its analysis of codes.
//!
//! revm's set-up for KZG is done before. An engine is made before its clock starts, and starts its
//! threads; state, programs and everything else that a block needs is made while it runs. The case
//! `all` is one engine that sees all blocks, one after the other.

use super::measure::{Contender, Expected, FIRST, Measured, Row, check, ends, expected, ratio};
use super::suites::{Planned, Suite};
use super::workload::Generated;
use alloy_primitives::{Address, B256, U256};
use anyhow::Context;
use std::collections::BTreeMap;
use std::time::Instant;
use warpevm::reference::{self, Trace};
use warpevm::revm::DatabaseRef;
use warpevm::revm::bytecode::Bytecode;
use warpevm::revm::state::AccountInfo;
use warpevm::state::{MemoryError, MemoryState, bytecode};
use warpevm::types::Report;
use warpevm::{Config, Engine, Env, State};

/// The case of all blocks.
pub const ALL: &str = "all";

/// A state whose codes nobody has analysed.
struct Unanalysed<'s>(&'s MemoryState);

impl DatabaseRef for Unanalysed<'_> {
    type Error = MemoryError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, MemoryError> {
        let info = self.0.basic_ref(address)?;
        Ok(info.map(|info| AccountInfo { code: None, ..info }))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, MemoryError> {
        Ok(bytecode(self.0.code_by_hash_ref(hash)?.original_bytes()))
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256, MemoryError> {
        self.0.storage_ref(address, key)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, MemoryError> {
        self.0.block_hash_ref(number)
    }
}

/// A block with what revm makes of it.
struct Block {
    name: String,
    work: Generated,
    expected: Expected,
}

/// Measures the first run of each block and of all of them; `step` hears of each, and says whether
/// to go on.
pub fn measure(
    planned: &[&Planned],
    contenders: &[Contender],
    rounds: u32,
    mut step: impl FnMut(&Measured) -> anyhow::Result<bool>,
) -> anyhow::Result<Vec<Measured>> {
    let read = |planned: &&Planned| {
        let work = (planned.make)().with_context(|| planned.full_name())?;
        // The first run of revm sets KZG up.
        let expected = expected(&work, true).with_context(|| planned.full_name())?;
        Ok(Block { name: planned.name.clone(), work, expected })
    };
    let is_parallel = |contender: &&Contender| matches!(contender, Contender::RevmParallel(_));
    let contenders: Vec<Contender> =
        contenders.iter().filter(|contender| !is_parallel(contender)).cloned().collect();
    let blocks = planned.iter().map(read).collect::<anyhow::Result<Vec<Block>>>()?;
    let mut all = Vec::new();
    let mut cases: Vec<(&str, &[Block])> =
        blocks.iter().map(|block| (&block.name[..], std::slice::from_ref(block))).collect();
    if blocks.len() > 1 {
        cases.push((ALL, &blocks));
    }
    for (name, blocks) in cases {
        let measured = case(name, blocks, &contenders, rounds)?;
        let goes_on = step(&measured)?;
        all.push(measured);
        if !goes_on {
            break;
        }
    }
    Ok(all)
}

fn case(
    name: &str,
    blocks: &[Block],
    contenders: &[Contender],
    rounds: u32,
) -> anyhow::Result<Measured> {
    let mut seconds: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    let mut reports = vec![Report::default(); contenders.len()];
    for _ in 0..rounds {
        for (i, contender) in contenders.iter().enumerate() {
            let (took, report) = run(blocks, contender).with_context(|| name.to_owned())?;
            seconds[i].push(took);
            reports[i] = report;
        }
    }
    let batch = blocks.iter().map(|block| block.work.txs.len() as u64).sum();
    let gas_used = blocks.iter().map(|block| block.expected.totals.gas_used).sum();
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    for (end, count) in blocks.iter().flat_map(|block| ends(&block.expected.outcomes)) {
        *counts.entry(end).or_default() += count;
    }
    let mut trace = Trace::default();
    if let [block] = blocks {
        let Generated { env, txs, state } = &block.work;
        trace = reference::trace(env, txs, state, true)?;
    }
    let mut measured = Measured {
        suite: Suite::Cold,
        name: name.to_owned(),
        batch,
        point: None,
        in_order: true,
        gas_used,
        ends: counts,
        trace,
        longest_chain_gas: None,
        rows: Vec::new(),
    };
    let result_hash = blocks.first().map_or(B256::ZERO, |block| block.expected.hash);
    let base = contenders.iter().position(|contender| matches!(contender, Contender::Revm));
    let row = |(i, contender): (usize, &Contender)| {
        let threads = match contender {
            Contender::Engine(_, config) => config.threads,
            _ => 1,
        };
        let ratio_to_revm = base.map(|base| ratio(&seconds[base], &seconds[i]));
        let row = Row::new(contender, threads, &measured, FIRST, &seconds[i], &reports[i]);
        Row { ratio_to_revm, result_hash, ..row }
    };
    measured.rows = contenders.iter().enumerate().map(row).collect();
    Ok(measured)
}

/// Runs the blocks once; gives the seconds that it took, and what an engine reports of the last.
fn run(blocks: &[Block], contender: &Contender) -> anyhow::Result<(f64, Report)> {
    let mut took = 0.0;
    match contender {
        Contender::Revm | Contender::RevmParallel(_) => {
            for Block { work: Generated { env, txs, state }, expected, .. } in blocks {
                let input = txs.clone();
                let start = Instant::now();
                let got = reference::execute_bare(env, input, Unanalysed(state))?;
                took += start.elapsed().as_secs_f64();
                anyhow::ensure!(got == expected.totals, "{got:?} is not {:?}", expected.totals);
            }
            Ok((took, Report::default()))
        }
        Contender::Engine(_, config) => {
            let env = &blocks[0].work.env;
            let engine = ready(config, env)?;
            let mut report = Report::default();
            for Block { work: Generated { env, txs, state }, expected, .. } in blocks {
                let start = Instant::now();
                let mut fresh = State::new(state)?;
                let result = engine.execute(env, txs, &mut fresh)?;
                drop(fresh);
                took += start.elapsed().as_secs_f64();
                check(expected, &result.outcomes)?;
                report = result.report;
            }
            Ok((took, report))
        }
    }
}

/// An engine whose threads have started, and which has seen no code.
fn ready(config: &Config, env: &Env) -> anyhow::Result<Engine> {
    let engine = Engine::new(*config)?;
    engine.simulate(env, &[], &State::new(&MemoryState::default())?)?;
    Ok(engine)
}
