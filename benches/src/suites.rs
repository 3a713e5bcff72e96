//! The suites: which cases there are, and what each is made of.

use super::programs;
use super::workload::{self, Generated, address};
use alloy_primitives::{Address, Bytes};
use anyhow::Context;
use clap::ValueEnum;
use rand::distr::Distribution;
use rand::{Rng, SeedableRng, rngs::StdRng};
use rand_distr::Zipf;
use serde::Serialize;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use warpevm::chain::{BlockExecutor, BlockRun, BlockSource, Payload, Revm, Selection};
use warpevm::conformance::{block_test, files, fixtures, state_test};
use warpevm::input::{self, Input, InputError};
use warpevm::state::{MemoryState, State};
use warpevm_compiler::Rule;

/// Batch sizes where nobody says.
const BATCHES: [u32; 6] = [1, 16, 256, 4096, 65_536, 1 << 20];
/// Batch sizes of a tiny run.
const BATCHES_TINY: [u32; 2] = [1, 8];
/// Batch sizes that CuEVM publishes its throughput at.
const BATCHES_CUEVM: [u32; 2] = [32_768, 65_536];
/// Batch sizes of the same where the time is short.
const BATCHES_CUEVM_SHORT: [u32; 1] = [4096];
/// Transactions of the loop suite.
const BATCHES_LP98: [u32; 1] = [10_000];
const BATCHES_LP98_SHORT: [u32; 1] = [500];
/// Microseconds of one thread that a round of a case may take, by a rough guess beforehand: in the
/// default run, and in that of a suite that was asked for by its name.
const MICROS_DEFAULT: f64 = 150_000.0;
const MICROS_NAMED: f64 = 4_000_000.0;
/// Memory that a transaction and all its results take in a run, roughly.
const BYTES_PER_TRANSACTION: u64 = 8 << 10;
/// Transactions of a generated block.
const CONFLICT_TRANSACTIONS: u32 = 1000;
const CONFLICT_TRANSACTIONS_TINY: u32 = 20;
/// Recipients, and pools, that a skewed distribution draws from.
const ZIPF_COUNT: u32 = 10_000;
/// Seed of what is drawn.
const SEED: u64 = 5;
/// Contracts of the fuzz suite.
const FUZZ_CONTRACTS: usize = 50;
/// Blocks of a tiny run.
const BLOCKS_TINY: usize = 2;
/// Worst-case files of the default run, by parts of their names.
const WORST_DEFAULT: [&str; 5] =
    ["bitwise/shifts", "jumps.json", "jumpis.json", "storage_access_warm", "identity"];
/// Worst-case files of a tiny run.
const WORST_TINY: [&str; 1] = ["empty_block"];
/// The example block, seen from the repository's root.
const EXAMPLE_BLOCK: &str = "host/examples/token-block";

/// A group of workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// Ether, and an ERC-20 token: to new and to existing recipients, all to one.
    Transfers,
    /// Swaps of constant-product and concentrated-liquidity pools.
    Swaps,
    /// Snailtracer, hash loops, arithmetic loops.
    Compute,
    /// The workloads that CuEVM publishes its throughput on.
    Cuevm,
    /// 10,000 transactions of 5,000 turns of a loop.
    Lp98,
    /// Mainnet blocks in their order.
    Blocks,
    /// The same, each seen for the first time.
    Cold,
    /// Generated blocks from no to full conflict.
    Conflicts,
    /// Worst-case blocks per opcode and precompile.
    WorstCase,
    /// Random calldata over the functions of 50 contracts.
    Fuzz,
}

impl Suite {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether its cases are blocks, executed in order.
    pub fn in_order(self) -> bool {
        matches!(self, Suite::Blocks | Suite::Cold | Suite::Conflicts | Suite::WorstCase)
    }

    /// What it measures, for readers of the report.
    pub fn about(self) -> &'static str {
        match self {
            Suite::Transfers => {
                "Independent calls on one snapshot: plain transfers of ether (raw); transfers of \
                 an ERC-20 token to accounts that have none yet (erc20-own), that have some \
                 (erc20-existing), and all to one account (erc20-hot)."
            }
            Suite::Swaps => {
                "Independent swaps on one snapshot: a constant-product pool in the manner of \
                 Uniswap V2, a pool for each swap or one for all; the swap step of Uniswap V3; an \
                 exchange of Curve's two-coin pool."
            }
            Suite::Compute => {
                "Calls that compute and hardly touch state: the ray tracer snailtracer, 10,000 \
                 hashes, loops of 1,000 turns over one kind of opcode."
            }
            Suite::Cuevm => {
                "The five workloads that CuEVM, another GPU engine, publishes its throughput on: \
                 the same call many times."
            }
            Suite::Lp98 => "Calls that count to 5,000 in a loop of nine opcodes.",
            Suite::Blocks => "Ethereum mainnet blocks, executed in order with their conflicts.",
            Suite::Cold => {
                "Ethereum mainnet blocks, each seen for the first time by a fresh engine, and all \
                 of them by one, beside revm with its analysis of codes."
            }
            Suite::Conflicts => {
                "Generated blocks of transactions in order: a growing share pays the same account \
                 or trades in the same pool; recipients drawn from a Zipf distribution; chains in \
                 which each transaction spends what the one before paid."
            }
            Suite::WorstCase => {
                "Blocks of the execution-specs benchmarks: each is full of the worst case of one \
                 opcode or precompile, until the gas is used up. A long stretch of code whose gas \
                 is not there is not executed at all by warpevm, which charges for a stretch at \
                 once: hence some ratios beyond all measure."
            }
            Suite::Fuzz => {
                "Calls with random arguments to the functions of 50 contracts without storage: \
                 what a fuzzer asks. Many revert early."
            }
        }
    }
}

/// A case before its transactions are made.
pub struct Planned {
    pub suite: Suite,
    /// Without the batch size.
    pub name: String,
    /// Transactions; of blocks as many as they have.
    pub batch: u32,
    /// Where it stands in a series: what the series is called, and x.
    pub point: Option<(&'static str, f64)>,
    /// Executed in order, not each on the snapshot.
    pub in_order: bool,
    pub make: Box<dyn Fn() -> anyhow::Result<Generated>>,
}

impl Planned {
    /// Suite, name and batch.
    pub fn full_name(&self) -> String {
        format!("{}/{}/{}", self.suite.name(), self.name, self.batch)
    }
}

/// What a run asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Empty: the default selection of all.
    pub suites: Vec<Suite>,
    /// Batch sizes that take the place of those of a suite.
    pub batches: Vec<u32>,
    /// Block folders, or archives of them, that take the place of the fixtures.
    pub inputs: Vec<PathBuf>,
    pub fixtures: Option<PathBuf>,
    /// As small as can be.
    pub tiny: bool,
    /// Microseconds of a round, in place of the limits above.
    pub micros: Option<f64>,
}

/// The cases of a run.
#[derive(Default)]
pub struct Plans {
    pub cases: Vec<Planned>,
    /// What was left out and why.
    pub left_out: Vec<String>,
}

impl Wanted {
    /// The suites that are wanted.
    pub fn suites(&self) -> &[Suite] {
        if self.suites.is_empty() { Suite::value_variants() } else { &self.suites }
    }

    /// Adds the cases of a suite.
    pub fn read(&self, suite: Suite, plans: &mut Plans) -> anyhow::Result<()> {
        match suite {
            Suite::Transfers => self.transfers(plans),
            Suite::Swaps => self.swaps(plans)?,
            Suite::Compute => self.compute(plans)?,
            Suite::Cuevm => self.cuevm(plans)?,
            Suite::Lp98 => self.lp98(plans)?,
            Suite::Blocks | Suite::Cold => self.blocks(plans, suite)?,
            Suite::Conflicts => self.conflicts(plans)?,
            Suite::WorstCase => self.worst_case(plans)?,
            Suite::Fuzz => self.fuzz(plans)?,
        }
        Ok(())
    }

    /// The whole of a suite was asked for by its name.
    fn named(&self) -> bool {
        !self.suites.is_empty() && !self.tiny
    }

    fn micros_max(&self) -> f64 {
        self.micros.unwrap_or(if self.named() { MICROS_NAMED } else { MICROS_DEFAULT })
    }

    /// The fixture, or that it is missing.
    fn fixture(&self, plans: &mut Plans, suite: Suite, name: &str) -> Option<PathBuf> {
        match fixtures::require(self.fixtures.as_deref(), name) {
            Ok(path) => Some(path),
            Err(why) => {
                plans.left_out.push(format!("{}: {why}", suite.name()));
                None
            }
        }
    }

    /// A case at each batch size that time and memory allow.
    fn batches(
        &self,
        plans: &mut Plans,
        (suite, name): (Suite, &str),
        (sizes, micros): (&[u32], f64),
        make: impl Fn(u32) -> anyhow::Result<Generated> + 'static,
    ) {
        let make = Arc::new(make);
        let asked = !self.batches.is_empty();
        let sizes = match (asked, self.tiny) {
            (true, _) => &self.batches[..],
            (_, true) => &BATCHES_TINY,
            _ => sizes,
        };
        let smallest = sizes.iter().copied().min().unwrap_or_default();
        for &batch in sizes {
            let needs = u64::from(batch) * BYTES_PER_TRANSACTION;
            if let Some(free) = memory_free().filter(|free| needs > *free) {
                let (needs, free) = (needs >> 20, free >> 20);
                plans.left_out.push(format!(
                    "{}/{name}/{batch}: takes about {needs} MiB, {free} MiB are free",
                    suite.name()
                ));
                continue;
            }
            if !asked && batch > smallest && f64::from(batch) * micros > self.micros_max() {
                continue;
            }
            let make = make.clone();
            plans.cases.push(Planned {
                suite,
                name: name.to_owned(),
                batch,
                point: None,
                in_order: false,
                make: Box::new(move || make(batch)),
            });
        }
    }

    fn transfers(&self, plans: &mut Plans) {
        let recipients = |count, one: bool| -> Vec<Address> {
            (0..count).map(|n| address("recipient", if one { 0 } else { n })).collect()
        };
        let mut add = |name, micros, make: fn(Vec<Address>) -> anyhow::Result<Generated>, one| {
            let make = move |count| make(recipients(count, one));
            self.batches(plans, (Suite::Transfers, name), (&BATCHES, micros), make);
        };
        add("raw", 0.8, |to| Ok(workload::plain(to.len() as u32)), false);
        add("erc20-own", 2.2, |to| workload::transfers(&to), false);
        add("erc20-existing", 2.2, |to| workload::transfers_to(&to, true), false);
        add("erc20-hot", 2.2, |to| workload::transfers(&to), true);
    }

    fn swaps(&self, plans: &mut Plans) -> anyhow::Result<()> {
        let own = |count| workload::swaps(&(0..count).collect::<Vec<u32>>());
        let hot = |count| workload::swaps(&vec![0; count as usize]);
        self.batches(plans, (Suite::Swaps, "v2-own-pools"), (&BATCHES, 10.0), own);
        self.batches(plans, (Suite::Swaps, "v2-one-pool"), (&BATCHES, 10.0), hot);
        let tests = [
            ("v3-swap-step", "evm-benchmarks/main/swap_math.json", 8.0),
            ("curve-exchange", "evm2/curve-stableswap-2pool.json", 100.0),
        ];
        self.state_tests(plans, Suite::Swaps, &tests)
    }

    /// State tests among the contracts of the fixtures, each the same call many times.
    fn state_tests(
        &self,
        plans: &mut Plans,
        suite: Suite,
        tests: &[(&str, &str, f64)],
    ) -> anyhow::Result<()> {
        let Some(archive) = self.fixture(plans, suite, "contracts/contracts.tar.zst") else {
            return Ok(());
        };
        let mut found = Vec::new();
        files::visit(&archive, &mut |file| {
            let file = file?;
            if let Some(index) = tests.iter().position(|(_, path, _)| file.name.ends_with(path)) {
                found.push((index, state_test::read_cases(&file.name, &file.bytes)?));
            }
            Ok(())
        })?;
        found.sort_by_key(|(index, _)| *index);
        for (index, cases) in found {
            let (name, _, micros) = tests[index];
            self.repeated(plans, (suite, name), (&BATCHES, micros), cases);
        }
        Ok(())
    }

    /// The first case of a state test, again and again.
    fn repeated(
        &self,
        plans: &mut Plans,
        what: (Suite, &str),
        sizes: (&[u32], f64),
        cases: Vec<state_test::StateCase>,
    ) {
        let Some(mut case) = cases.into_iter().next() else {
            plans.left_out.push(format!("{}/{}: has no case", what.0.name(), what.1));
            return;
        };
        if case.env.spec.rules().has(Rule::TxGasLimit) {
            let tx = &mut case.transaction;
            tx.gas_limit = tx.gas_limit.min(case.env.spec.gas().tx_gas_max.into());
        }
        self.batches(plans, what, sizes, move |count| {
            let txs = vec![case.transaction.clone(); count as usize];
            Ok(Generated { env: case.env.clone(), txs, state: case.state.clone() })
        });
    }

    fn compute(&self, plans: &mut Plans) -> anyhow::Result<()> {
        for (name, code) in programs::loops()? {
            let make = move |count| Ok(workload::calls(code.clone(), count));
            let micros = if name == "loop-keccak" { 250.0 } else { 40.0 };
            self.batches(plans, (Suite::Compute, name), (&BATCHES, micros), make);
        }
        if self.tiny {
            // Both take seconds without optimisation.
            return Ok(());
        }
        let tests = [
            ("snailtracer", "evm-benchmarks/main/snailtracer.json", 45_000.0),
            ("hash-10k", "evm2/hash_10k.json", 5300.0),
        ];
        self.state_tests(plans, Suite::Compute, &tests)
    }

    fn cuevm(&self, plans: &mut Plans) -> anyhow::Result<()> {
        let Some(folder) = self.fixture(plans, Suite::Cuevm, "peers/cuevm") else {
            return Ok(());
        };
        let sizes: &[u32] = if self.named() { &BATCHES_CUEVM } else { &BATCHES_CUEVM_SHORT };
        let mut found = Vec::new();
        files::visit(&folder, &mut |file| {
            let file = file?;
            found.push((
                file.name.trim_end_matches(".json").to_owned(),
                state_test::read_cases(&file.name, &file.bytes)?,
            ));
            Ok(())
        })?;
        for (name, cases) in found {
            let micros = if name.starts_with("arith") { 30.0 } else { 2.5 };
            self.repeated(plans, (Suite::Cuevm, &name), (sizes, micros), cases);
        }
        Ok(())
    }

    fn lp98(&self, plans: &mut Plans) -> anyhow::Result<()> {
        let code = programs::lp98()?;
        let sizes: &[u32] = if self.named() { &BATCHES_LP98 } else { &BATCHES_LP98_SHORT };
        let make = move |count| Ok(workload::calls(code.clone(), count));
        self.batches(plans, (Suite::Lp98, "count"), (sizes, 100.0), make);
        Ok(())
    }

    fn blocks(&self, plans: &mut Plans, suite: Suite) -> anyhow::Result<()> {
        let mut inputs = self.inputs.clone();
        if inputs.is_empty() {
            inputs.extend(self.fixture(plans, suite, "mainnet/mainnet-dev.tar.zst"));
        }
        let example = Path::new(EXAMPLE_BLOCK);
        if inputs.is_empty() && example.is_dir() {
            inputs.push(example.to_owned());
        }
        let count_max = if self.tiny { BLOCKS_TINY } else { usize::MAX };
        for path in &inputs {
            let Input::Blocks(source) = input::open(path)? else {
                anyhow::bail!("{}: a batch has no order", path.display());
            };
            let mut count = 0;
            let visited = source.visit(&Selection::All, |_, block| {
                let block = block?;
                if count == count_max {
                    return Err(Stop::Enough);
                }
                count += 1;
                let batch = block.transactions.len() as u32;
                let (env, txs, state) = (block.env, block.transactions, block.state);
                let generated = Generated { env, txs, state };
                plans.cases.push(Planned {
                    suite,
                    name: format!("block-{}", block.number),
                    batch,
                    point: None,
                    in_order: true,
                    make: Box::new(move || Ok(generated.clone())),
                });
                Ok(())
            });
            if let Err(Stop::Input(error)) = visited {
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn conflicts(&self, plans: &mut Plans) -> anyhow::Result<()> {
        let count = match (self.batches.first(), self.tiny) {
            (Some(&count), _) => count,
            (None, true) => CONFLICT_TRANSACTIONS_TINY,
            (None, false) => CONFLICT_TRANSACTIONS,
        };
        let mut rng = StdRng::seed_from_u64(SEED);
        let mut add = |series: &'static str, x: f64, make: Make| {
            plans.cases.push(Planned {
                suite: Suite::Conflicts,
                name: format!("{}-{x}", series.to_lowercase().replace(' ', "-")),
                batch: count,
                point: Some((series, x)),
                in_order: true,
                make,
            });
        };
        let shares = [0.0, 0.1, 0.25, 0.5, 0.75, 1.0];
        for share in shares {
            let recipient = |n: u32, hot: bool| address("recipient", if hot { 0 } else { n + 1 });
            let recipients: Vec<Address> =
                (0..count).map(|n| recipient(n, rng.random_bool(share))).collect();
            add("hot recipient", share, Box::new(move || workload::transfers(&recipients)));
        }
        for share in shares {
            let pools: Vec<u32> =
                (0..count).map(|n| if rng.random_bool(share) { 0 } else { n + 1 }).collect();
            add("hot pool", share, Box::new(move || workload::swaps(&pools)));
        }
        for exponent in [0.6, 0.8, 1.0, 1.2] {
            let zipf = Zipf::new(f64::from(ZIPF_COUNT), exponent).context("a Zipf distribution")?;
            let recipients: Vec<Address> =
                (0..count).map(|_| address("recipient", zipf.sample(&mut rng) as u32)).collect();
            add("Zipf recipients", exponent, Box::new(move || workload::transfers(&recipients)));
        }
        let mut length = 1;
        while length <= count {
            let make = move || workload::chains(count / length, length);
            add("chains", f64::from(length), Box::new(make));
            length *= 10;
        }
        Ok(())
    }

    fn worst_case(&self, plans: &mut Plans) -> anyhow::Result<()> {
        let name = "conformance/bench-blocks.tar.zst";
        let Some(archive) = self.fixture(plans, Suite::WorstCase, name) else {
            return Ok(());
        };
        let parts: Option<&[&str]> = match (self.tiny, self.named()) {
            (true, _) => Some(&WORST_TINY),
            (_, false) => Some(&WORST_DEFAULT),
            _ => None,
        };
        files::visit(&archive, &mut |file| {
            let file = file?;
            let wanted = parts.is_none_or(|parts| parts.iter().any(|p| file.name.contains(p)));
            if wanted {
                let stem = file.name.trim_end_matches(".json");
                let short = stem.rsplit('/').take(2).collect::<Vec<_>>();
                let name = short.into_iter().rev().collect::<Vec<_>>().join("-");
                plans.cases.push(Planned {
                    suite: Suite::WorstCase,
                    name,
                    batch: 1,
                    point: None,
                    in_order: true,
                    make: Box::new(move || fullest_block(&file.name, &file.bytes)),
                });
            }
            Ok(())
        })?;
        Ok(())
    }

    fn fuzz(&self, plans: &mut Plans) -> anyhow::Result<()> {
        let Some(archive) = self.fixture(plans, Suite::Fuzz, "contracts/contracts.tar.zst") else {
            return Ok(());
        };
        let codes = contracts(&archive)?;
        let make = move |count| Ok(workload::fuzz(&codes, count, SEED));
        self.batches(plans, (Suite::Fuzz, "random-calls"), (&BATCHES, 2.5), make);
        Ok(())
    }
}

type Make = Box<dyn Fn() -> anyhow::Result<Generated>>;

/// Why no more blocks are read.
enum Stop {
    Input(InputError),
    Enough,
}

impl From<InputError> for Stop {
    fn from(error: InputError) -> Stop {
        Stop::Input(error)
    }
}

/// Bytes of memory that are free, where the system says.
fn memory_free() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

/// The first contracts of the fixtures that have functions: real ones first, then those of tests.
fn contracts(archive: &Path) -> anyhow::Result<Vec<Bytes>> {
    let mut codes: Vec<Bytes> = Vec::new();
    let mut add = |code: Bytes| {
        if codes.len() < FUZZ_CONTRACTS
            && !programs::selectors(&code).is_empty()
            && !codes.contains(&code)
        {
            codes.push(code);
        }
    };
    files::visit_kind(archive, "hex", &mut |file| {
        let file = file?;
        let text = String::from_utf8_lossy(&file.bytes);
        if let Ok(code) = alloy_primitives::hex::decode(text.trim()) {
            add(code.into());
        }
        Ok(())
    })?;
    files::visit(archive, &mut |file| {
        let file = file?;
        for case in state_test::read_cases(&file.name, &file.bytes).unwrap_or_default() {
            let to = case.transaction.kind.to().and_then(|to| case.state.accounts.get(to));
            let code = to.and_then(|account| account.info.code.as_ref());
            code.into_iter().for_each(|code| add(code.original_bytes()));
        }
        Ok(())
    })?;
    Ok(codes)
}

/// Keeps the block that uses most gas of those that revm was asked to execute.
#[derive(Default)]
struct Recorder(Mutex<Option<(Generated, u64)>>);

impl BlockExecutor for Recorder {
    fn run(
        &self,
        payload: &Payload<'_>,
        state: &mut State<MemoryState>,
    ) -> Result<BlockRun, warpevm::Error> {
        let ran = Revm.run(payload, state)?;
        let gas = ran.report.gas_used;
        let mut fullest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if fullest.as_ref().is_none_or(|(_, most)| gas >= *most) {
            let (env, txs) = (payload.env.clone(), payload.transactions.to_vec());
            *fullest = Some((Generated { env, txs, state: state.database().clone() }, gas));
        }
        Ok(ran)
    }
}

/// The block of the first test of a file that uses most gas.
fn fullest_block(name: &str, bytes: &[u8]) -> anyhow::Result<Generated> {
    let (recorder, first) = (Recorder::default(), Cell::new(true));
    let filter = |_: &str, _: &str| first.replace(false);
    let (summary, _) = block_test::run_file(name, bytes, &recorder, &filter)?;
    if let Some(failure) = summary.failures.first() {
        anyhow::bail!("{failure}");
    }
    let fullest = recorder.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(fullest.with_context(|| format!("{name}: no block"))?.0)
}
