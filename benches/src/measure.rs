//! Runs every contender on a case, in turn, and holds their results against revm's.

use super::figures::median;
use super::suites::{Planned, Suite};
use super::workload::Generated;
use alloy_primitives::B256;
use anyhow::{Context, bail, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Instant;
use warpevm::plan::{BlockAccesses, Dag, Plan};
use warpevm::reference::{self, BareTotals, Parallel, Trace, validate};
use warpevm::state::MemoryState;
use warpevm::types::{Backend, Outcome, Policy, Report, TxStatus};
use warpevm::{Config, Engine, Hints, State, Tiers};

/// All of it, with the snapshot read from the database.
pub const END_TO_END: &str = "end-to-end";
/// All of it, with the snapshot in the state table from an earlier run.
pub const RESIDENT: &str = "end-to-end-resident";
/// The first run of an engine, which compiles.
pub const FIRST: &str = "first";
/// What threads of a CPU do beside the other stages: check, encode, run the kernel, decode.
const TRANSACT: &str = "transact";

/// Who takes part in a run.
#[derive(Clone, Debug)]
pub enum Contender {
    /// One thread of revm.
    Revm,
    /// revm on so many threads, for independent calls.
    RevmParallel(usize),
    /// An engine, by a name.
    Engine(String, Config),
}

impl Contender {
    fn name(&self) -> String {
        match self {
            Contender::Revm => "revm".to_owned(),
            Contender::RevmParallel(_) => "revm-parallel".to_owned(),
            Contender::Engine(name, _) => name.clone(),
        }
    }
}

/// What one stage of a contender took. The field names are those of `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub suite: Suite,
    pub case: String,
    pub batch: u64,
    pub contender: String,
    pub backend: Backend,
    pub threads: usize,
    /// Of a block: how transactions were chosen that run at the same time.
    pub policy: Option<Policy>,
    pub stage: String,
    pub seconds_median: f64,
    pub seconds_min: f64,
    pub seconds_max: f64,
    pub transactions_per_second: f64,
    pub gas_per_second: f64,
    pub ops_per_second: f64,
    /// How many times as fast as one thread of revm, round by round; of runs from end to end.
    pub ratio_to_revm: Option<f64>,
    pub result_hash: B256,
    pub gas_used: u64,
    /// Opcodes that ran, by an inspector of revm.
    pub ops: u64,
    /// Shares that ran wholly on the backend.
    pub residency_transactions: f64,
    pub residency_gas: f64,
    pub bytes_per_instance: u64,
    /// Of a block: transactions that were executed once, executed again, patched.
    pub first_final: u64,
    pub replays: u64,
    pub redone: u64,
}

/// A case that was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    pub suite: Suite,
    pub name: String,
    pub batch: u64,
    pub point: Option<(&'static str, f64)>,
    pub in_order: bool,
    pub gas_used: u64,
    /// Transactions by how they ended.
    pub ends: BTreeMap<&'static str, u64>,
    pub trace: Trace,
    /// Of a block: gas of the longest chain of transactions each of which reads what the one before
    /// wrote.
    pub longest_chain_gas: Option<u64>,
    pub rows: Vec<Row>,
}

impl Measured {
    /// The row of a contender's stage.
    pub fn row(&self, contender: &str, threads: usize, stage: &str) -> Option<&Row> {
        let same =
            |row: &&Row| row.contender == contender && row.threads == threads && row.stage == stage;
        self.rows.iter().find(same)
    }
}

/// A contender on a case, set up, and what it took so far.
struct Runner<'c> {
    contender: &'c Contender,
    threads: usize,
    kind: Kind<'c>,
    /// Stage to seconds of each round.
    seconds: BTreeMap<String, Vec<f64>>,
    report: Report,
    /// Of its results: revm's baselines give none, and their totals are compared.
    hash: B256,
}

enum Kind<'c> {
    Revm,
    Parallel(Parallel),
    /// With full programs, as after many runs; and for the first run as a user has it.
    Engine(Box<Engine>, Option<Box<State<&'c MemoryState>>>),
}

/// What revm makes of a case.
pub(super) struct Expected {
    pub outcomes: Vec<Outcome>,
    pub hash: B256,
    pub totals: BareTotals,
}

/// Rounds that do not count after the first, at most, and how many seconds they may take in all:
/// engines learn in them what transactions cost and how they depend on each other.
const WARM_UPS: u32 = 3;
const WARM_UP_SECONDS: f64 = 0.25;
/// After so many seconds there are no more rounds than the least number.
const ENOUGH_SECONDS: f64 = 0.5;

/// How many rounds count: at least `least`, and up to `most` while they are short.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    pub least: u32,
    pub most: u32,
}

impl Rounds {
    /// So many.
    pub fn exactly(count: u32) -> Rounds {
        Rounds { least: count, most: count }
    }
}

impl Display for Rounds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Rounds { least, most } if least == most => write!(f, "{most}"),
            Rounds { least, most } => write!(f, "{least} to {most}"),
        }
    }
}

/// What a round is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Engines compile, and every result is compared with revm's.
    First,
    /// Nothing is kept.
    WarmUp,
    Counts,
}

/// Measures a case.
pub fn measure(
    planned: &Planned,
    contenders: &[Contender],
    rounds: Rounds,
) -> anyhow::Result<Measured> {
    let context = || planned.full_name();
    let work = (planned.make)().with_context(context)?;
    measure_work(planned, &work, contenders, rounds).with_context(context)
}

fn measure_work(
    planned: &Planned,
    work: &Generated,
    contenders: &[Contender],
    rounds: Rounds,
) -> anyhow::Result<Measured> {
    let expected = expected(work, planned.in_order)?;
    let Generated { env, txs, state } = work;
    let trace = reference::trace(env, txs, state, planned.in_order)?;
    let runners = contenders
        .iter()
        .filter(|contender| !(planned.in_order && matches!(contender, Contender::RevmParallel(_))));
    let runners = runners.map(|contender| Runner::new(contender, work, planned.in_order));
    let mut runners = runners.collect::<anyhow::Result<Vec<_>>>()?;
    let mut everyone = |turn: Turn| {
        for runner in &mut runners {
            runner.round(work, planned.in_order, turn, &expected).with_context(|| {
                let (name, threads) = (runner.contender.name(), runner.threads);
                format!("{name}, {threads} threads")
            })?;
        }
        anyhow::Ok(())
    };
    everyone(Turn::First)?;
    let start = Instant::now();
    for _ in 0..WARM_UPS {
        if start.elapsed().as_secs_f64() < WARM_UP_SECONDS {
            everyone(Turn::WarmUp)?;
        }
    }
    let start = Instant::now();
    for round in 0..rounds.most {
        if round < rounds.least || start.elapsed().as_secs_f64() < ENOUGH_SECONDS {
            everyone(Turn::Counts)?;
        }
    }
    let revm = runners.iter().find(|runner| matches!(runner.kind, Kind::Revm));
    let revm = revm.and_then(|runner| runner.seconds.get(END_TO_END)).cloned();
    let mut measured = Measured {
        suite: planned.suite,
        name: planned.name.clone(),
        batch: txs.len() as u64,
        point: planned.point,
        in_order: planned.in_order,
        gas_used: expected.totals.gas_used,
        ends: ends(&expected.outcomes),
        trace,
        longest_chain_gas: match planned.in_order {
            true => Some(longest_chain(work)?),
            false => None,
        },
        rows: Vec::new(),
    };
    let rows = runners.iter().flat_map(|runner| runner.rows(&measured, &expected, revm.as_deref()));
    measured.rows = rows.collect();
    Ok(measured)
}

pub(super) fn expected(work: &Generated, in_order: bool) -> anyhow::Result<Expected> {
    let Generated { env, txs, state } = work;
    let (outcomes, totals) = match in_order {
        true => (
            reference::execute_sequential(env, txs, state)?,
            reference::execute_bare(env, txs.clone(), state)?,
        ),
        false => (
            reference::simulate_sequential(env, txs, state)?,
            reference::simulate_bare(env, txs.clone(), state, None)?,
        ),
    };
    Ok(Expected { hash: validate::result_hash(&outcomes), outcomes, totals })
}

pub(super) fn ends(outcomes: &[Outcome]) -> BTreeMap<&'static str, u64> {
    let mut ends = BTreeMap::new();
    for outcome in outcomes {
        let end = match &outcome.result {
            Err(_) => "rejected",
            Ok(executed) => match executed.status {
                TxStatus::Success => "success",
                TxStatus::Revert => "revert",
                TxStatus::Halt => "halt",
            },
        };
        *ends.entry(end).or_default() += 1;
    }
    ends
}

fn longest_chain(work: &Generated) -> anyhow::Result<u64> {
    let Generated { env, txs, state } = work;
    let engine = Engine::new(Config::default().with_policy(Policy::Sequential))?;
    let hints = Hints::default().with_record(true);
    let ran = engine.execute_with(env, txs, &mut State::new(state)?, &hints)?;
    let mut accesses = BlockAccesses::new();
    ran.accesses.iter().for_each(|one| accesses.push(one));
    let used = |outcome: &Outcome| outcome.result.as_ref().map_or(0, |e| e.gas_used);
    let gas: Vec<u64> = ran.outcomes.iter().map(used).collect();
    let plan = Plan::new(txs, &accesses, &Dag::build(&accesses), &gas, 1);
    Ok(plan.critical_path_gas)
}

/// The hash of results; fails with the first difference when they are not revm's.
pub(super) fn check(expected: &Expected, ours: &[Outcome]) -> anyhow::Result<B256> {
    let hash = validate::result_hash(ours);
    if hash == expected.hash {
        return Ok(hash);
    }
    let pairs = expected.outcomes.iter().zip(ours).enumerate();
    let mut wrong =
        pairs.flat_map(|(index, (expected, ours))| validate::compare(index, expected, ours));
    match wrong.next() {
        Some(mismatch) => bail!("the result is not revm's: {mismatch}"),
        None => bail!("{} results for {} transactions", ours.len(), expected.outcomes.len()),
    }
}

impl<'c> Runner<'c> {
    fn new(
        contender: &'c Contender,
        work: &'c Generated,
        in_order: bool,
    ) -> anyhow::Result<Runner<'c>> {
        let (kind, threads) = match contender {
            Contender::Revm => (Kind::Revm, 1),
            Contender::RevmParallel(threads) => {
                (Kind::Parallel(Parallel::new(*threads)?), *threads)
            }
            Contender::Engine(_, config) => {
                let engine = Box::new(Engine::new(config.with_tiers(Tiers::Full))?);
                let threads = engine.threads();
                let state =
                    (!in_order).then(|| State::new(&work.state).map(Box::new)).transpose()?;
                (Kind::Engine(engine, state), threads)
            }
        };
        let (seconds, report, hash) = (BTreeMap::new(), Report::default(), B256::ZERO);
        Ok(Runner { contender, threads, kind, seconds, report, hash })
    }

    /// Runs a case once.
    fn round(
        &mut self,
        work: &'c Generated,
        in_order: bool,
        turn: Turn,
        expected: &Expected,
    ) -> anyhow::Result<()> {
        let Generated { env, txs, state } = work;
        let counted = turn == Turn::Counts;
        if turn == Turn::First {
            self.first(work, in_order, expected)?;
        }
        let revm = |seconds: &mut BTreeMap<String, Vec<f64>>, start: Instant, got: BareTotals| {
            if counted {
                add(seconds, END_TO_END, start.elapsed().as_secs_f64());
            }
            ensure!(got == expected.totals, "{got:?}, but one thread had {:?}", expected.totals);
            Ok(())
        };
        match &self.kind {
            Kind::Revm => {
                let input = txs.clone();
                let start = Instant::now();
                let got = match in_order {
                    true => reference::execute_bare(env, input, state)?,
                    false => reference::simulate_bare(env, input, state, None)?,
                };
                revm(&mut self.seconds, start, got)
            }
            Kind::Parallel(parallel) => {
                let input = parallel.chunks(txs);
                let start = Instant::now();
                let got = parallel.simulate_bare(env, &input, state, None)?;
                revm(&mut self.seconds, start, got)
            }
            Kind::Engine(engine, resident) => {
                let mut keep = |stage: &str, start: Instant| {
                    if counted {
                        add(&mut self.seconds, stage, start.elapsed().as_secs_f64());
                    }
                };
                let same_gas = |report: &Report| {
                    let (gas, wanted) = (report.gas_used, expected.totals.gas_used);
                    ensure!(gas == wanted, "{gas} gas, revm {wanted}");
                    Ok(())
                };
                let (outcomes, report) = match resident {
                    None => {
                        let start = Instant::now();
                        let mut fresh = State::new(state)?;
                        let result = engine.execute(env, txs, &mut fresh)?;
                        drop(fresh);
                        keep(END_TO_END, start);
                        (result.outcomes, result.report)
                    }
                    Some(resident) => {
                        let start = Instant::now();
                        let fresh = State::new(state)?;
                        let batch = engine.simulate(env, txs, &fresh)?;
                        keep(END_TO_END, start);
                        drop(fresh);
                        let start = Instant::now();
                        let again = engine.simulate(env, txs, resident)?;
                        keep(RESIDENT, start);
                        same_gas(&again.report)?;
                        if turn == Turn::First {
                            check(expected, &again.outcomes)?;
                        }
                        (batch.outcomes, batch.report)
                    }
                };
                if turn == Turn::First {
                    self.hash = check(expected, &outcomes)?;
                }
                same_gas(&report)?;
                self.stages(&report, turn, in_order);
                self.report = report;
                Ok(())
            }
        }
    }

    /// The first run, of an engine that has seen nothing.
    fn first(
        &mut self,
        work: &Generated,
        in_order: bool,
        expected: &Expected,
    ) -> anyhow::Result<()> {
        let Contender::Engine(_, config) = self.contender else { return Ok(()) };
        let engine = Engine::new(*config)?;
        let Generated { env, txs, state } = work;
        let start = Instant::now();
        let mut fresh = State::new(state)?;
        let outcomes = match in_order {
            true => engine.execute(env, txs, &mut fresh)?.outcomes,
            false => engine.simulate(env, txs, &fresh)?.outcomes,
        };
        drop(fresh);
        add(&mut self.seconds, FIRST, start.elapsed().as_secs_f64());
        check(expected, &outcomes)?;
        Ok(())
    }

    /// Takes the stages from a report. Compiling happens in the first run alone.
    fn stages(&mut self, report: &Report, turn: Turn, in_order: bool) {
        let counted = turn == Turn::Counts;
        let mut rest = 0.0;
        for (stage, seconds) in &report.seconds {
            match *stage {
                "execute" => rest += seconds * self.threads as f64,
                stage => {
                    rest -= seconds;
                    let tells = if stage == "compile" { Turn::First } else { Turn::Counts };
                    if turn == tells {
                        add(&mut self.seconds, stage, *seconds);
                    }
                }
            }
        }
        if counted && !in_order && !self.backend().is_device() {
            add(&mut self.seconds, TRANSACT, rest.max(0.0));
        }
    }

    fn backend(&self) -> Backend {
        match self.contender {
            Contender::Engine(_, config) => config.backend,
            _ => Backend::Revm,
        }
    }

    fn rows(&self, case: &Measured, expected: &Expected, revm: Option<&[f64]>) -> Vec<Row> {
        let rows = self.seconds.iter().filter(|(_, seconds)| seconds.iter().any(|s| *s > 0.0));
        rows.map(|(stage, seconds)| {
            let whole = stage == END_TO_END || stage == RESIDENT;
            let ratio_to_revm = revm.filter(|_| whole).map(|revm| ratio(revm, seconds));
            let result_hash = match self.kind {
                Kind::Engine(..) => self.hash,
                _ => expected.hash,
            };
            let row = Row::new(self.contender, self.threads, case, stage, seconds, &self.report);
            Row { ratio_to_revm, result_hash, ..row }
        })
        .collect()
    }
}

impl Row {
    /// The row of a contender's stage, but for ratio and hash. `report` is of its last run; revm
    /// has none.
    pub(super) fn new(
        contender: &Contender,
        threads: usize,
        case: &Measured,
        stage: &str,
        seconds: &[f64],
        report: &Report,
    ) -> Row {
        let config = match contender {
            Contender::Engine(_, config) => Some(config),
            _ => None,
        };
        let seconds_median = median(seconds);
        let rate = |count: u64| count as f64 / seconds_median.max(f64::MIN_POSITIVE);
        let share = |part: u64, whole: u64| match whole {
            0 => 1.0,
            whole => part as f64 / whole as f64,
        };
        let ops = case.trace.op_count();
        Row {
            suite: case.suite,
            case: case.name.clone(),
            batch: case.batch,
            contender: contender.name(),
            backend: config.map_or(Backend::Revm, |config| config.backend),
            threads,
            policy: config.filter(|_| case.in_order).map(|config| config.policy),
            stage: stage.to_owned(),
            seconds_median,
            seconds_min: seconds.iter().copied().fold(f64::INFINITY, f64::min),
            seconds_max: seconds.iter().copied().fold(0.0, f64::max),
            transactions_per_second: rate(case.batch),
            gas_per_second: rate(case.gas_used),
            ops_per_second: rate(ops),
            ratio_to_revm: None,
            result_hash: B256::ZERO,
            gas_used: case.gas_used,
            ops,
            residency_transactions: share(report.resident_transactions, report.transactions),
            residency_gas: share(report.resident_gas, report.gas_used),
            bytes_per_instance: report.bytes_per_instance,
            first_final: report.first_final,
            replays: report.replays,
            redone: report.redone,
        }
    }
}

fn add(seconds: &mut BTreeMap<String, Vec<f64>>, stage: &str, took: f64) {
    seconds.entry(stage.to_owned()).or_default().push(took);
}

/// How many times as fast as `base`: the median of the rounds' ratios.
pub fn ratio(base: &[f64], seconds: &[f64]) -> f64 {
    let ratios = base.iter().zip(seconds).map(|(base, ours)| base / ours.max(f64::MIN_POSITIVE));
    median(&ratios.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::super::workload::{address, transfers};
    use super::*;

    #[test]
    fn a_wrong_result_is_named() {
        let recipients: Vec<_> = (0..4).map(|n| address("recipient", n)).collect();
        let work = transfers(&recipients).expect("generated");
        let right = expected(&work, false).expect("revm runs");
        assert_eq!(check(&right, &right.outcomes).expect("equal"), right.hash);
        let mut wrong = right.outcomes.clone();
        wrong[2].result.as_mut().expect("valid").gas_used += 1;
        let error = check(&right, &wrong).expect_err("one is wrong").to_string();
        assert!(error.contains("transaction 2") && error.contains("gas used"), "{error}");
        let error = check(&right, &right.outcomes[1..]).expect_err("one is missing");
        assert!(error.to_string().contains("transaction 0"), "{error}");
    }

    #[test]
    fn ratios_are_round_by_round() {
        assert_eq!(ratio(&[2.0, 4.0, 9.0], &[1.0, 4.0, 3.0]), 2.0);
    }
}
