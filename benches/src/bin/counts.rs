//! Runs what `cargo xtask counts` counts: each part lies between two calls of `mark`, and is named
//! on stdout in this order.

use anyhow::{Context, ensure};
use std::io::Write;
use std::path::Path;
use warpevm::chain::{BlockSource, Selection};
use warpevm::input::{self, Input, InputError};
use warpevm::state::MemoryState;
use warpevm::types::{Env, Outcome, Transaction};
use warpevm::{Config, Engine, State, Tiers};
use warpevm_benches::workload::{self, address};

/// Transactions of a batch.
const BATCH: u32 = 256;
/// Blocks of Byzantium, Istanbul and Cancun, of 150, 205 and 130 transactions.
const BLOCKS: [u64; 3] = [5_283_152, 12_243_999, 19_933_612];

/// Where callgrind ends a part (`--dump-before`).
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn warpevm_counts_mark() {
    std::hint::black_box(());
}

fn main() -> anyhow::Result<()> {
    let archive = std::env::args_os().nth(1).context("usage: warpevm-counts BLOCKS.tar.zst")?;
    let recipients: Vec<_> = (0..BATCH).map(|i| address("recipient", i)).collect();
    let transfers = workload::transfers(&recipients)?;
    batch("erc20-transfer", &transfers)?;
    let pools: Vec<u32> = (0..BATCH).collect();
    batch("v2-swap", &workload::swaps(&pools)?)?;
    let Input::Blocks(source) = input::open(Path::new(&archive))? else {
        anyhow::bail!("{}: holds no blocks", Path::new(&archive).display());
    };
    for number in BLOCKS {
        let mut found = None;
        source.visit(&Selection::from(number), |_, block| {
            found = Some(block?);
            Ok::<_, InputError>(())
        })?;
        let block = found.with_context(|| format!("there is no block {number}"))?;
        let name = format!("block-{number}");
        parts(&name, &block.env, &block.transactions, &block.state, &|engine, env, txs, state| {
            Ok(engine.execute(env, txs, state)?.outcomes)
        })?;
    }
    Ok(())
}

fn batch(name: &str, generated: &workload::Generated) -> anyhow::Result<()> {
    let workload::Generated { env, txs, state } = generated;
    parts(name, env, txs, state, &|engine, env, txs, state| {
        Ok(engine.simulate(env, txs, state)?.outcomes)
    })
}

type Run = dyn Fn(&Engine, &Env, &[Transaction], &mut State<&MemoryState>) -> Ran;
type Ran = anyhow::Result<Vec<Outcome>>;

/// Cold: a new engine, which has seen no code, and nothing in the background. Warm: one whose
/// programs are the full compiler's. The snapshot is read anew in both.
fn parts(
    name: &str,
    env: &Env,
    txs: &[Transaction],
    memory: &MemoryState,
    run: &Run,
) -> anyhow::Result<()> {
    for (temperature, tiers) in [("cold", Tiers::Baseline), ("warm", Tiers::Full)] {
        let engine = Engine::new(Config::default().with_threads(1).with_tiers(tiers))?;
        if tiers == Tiers::Full {
            run(&engine, env, txs, &mut State::new(memory)?)?;
        }
        let mut state = State::new(memory)?;
        warpevm_counts_mark();
        let outcomes = run(&engine, env, txs, &mut state)?;
        warpevm_counts_mark();
        ensure!(outcomes.len() == txs.len(), "{name}: {} outcomes", outcomes.len());
        for outcome in outcomes {
            let executed = outcome.result.map_err(|why| anyhow::anyhow!("{name}: {why}"))?;
            ensure!(outcome.fallback.is_none() && executed.gas_used > 0, "{name}: ran elsewhere");
        }
        writeln!(std::io::stdout(), "{name}\t{temperature}\t{}", txs.len())?;
    }
    Ok(())
}
