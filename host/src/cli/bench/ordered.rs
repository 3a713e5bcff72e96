//! Transactions in a fixed order, side by side with sequential revm.

use super::super::PolicyArg;
use super::super::compare::median;
use super::super::output::{Progress, duration, line};
use super::super::{BlocksArgs, ConflictsArgs, OrderedArgs};
use super::plot;
use super::workload::{Generated, address, chains, swaps, transfers};
use alloy_primitives::Address;
use anyhow::{Context, ensure};
use rand::distr::Distribution;
use rand::{Rng, SeedableRng, rngs::StdRng};
use rand_distr::Zipf;
use serde::Serialize;
use serde_json::json;
use std::time::Instant;
use warpevm::input::{self, Input, MemoryState};
use warpevm::plan::{BlockAccesses, Dag, Plan};
use warpevm::types::{Env, Outcome, Policy, Report, Transaction};
use warpevm::{Config, Engine, Hints, State, reference, validate};

/// Recipients, and pools, that a skewed distribution draws from.
const ZIPF_COUNT: u32 = 10_000;
/// Seed of what is drawn.
const SEED: u64 = 5;

/// What a policy took.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub policy: String,
    pub seconds_median: f64,
    pub seconds_min: f64,
    pub seconds_max: f64,
    /// Of the first run, which also compiles.
    pub seconds_first: f64,
    /// How many times as fast as revm: the median over the rounds.
    pub ratio: f64,
    /// Share of transactions that were executed once.
    pub first_final: f64,
    pub replays: u64,
    /// Transactions whose result was patched by recomputing the ops that depend on what changed.
    pub redone: u64,
}

/// What revm and all policies took.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Case {
    pub name: String,
    pub transactions: u64,
    pub gas_used: u64,
    /// Gas of the longest chain of transactions of which each reads what the one before wrote.
    pub longest_chain_gas: u64,
    pub revm_seconds_median: f64,
    pub rows: Vec<Row>,
}

/// Runs revm and each policy in turn. The first round of each does not count but is compared with
/// revm in every result; it is measured apart, with an engine of its own that has to compile. All
/// others share programs. Both sides read the snapshot anew in each round.
pub(crate) fn side_by_side(
    name: String,
    (env, txs, state): (&Env, &[Transaction], &MemoryState),
    args: &OrderedArgs,
) -> anyhow::Result<Case> {
    let expected = reference::execute_sequential(env, txs, state)?;
    let longest_chain_gas = longest_chain(env, txs, state)?;
    let mut engines: Vec<(Engine, Vec<f64>, Option<Report>)> = Vec::new();
    let shared = Engine::new(args.engine.config())?;
    for policy in &args.policies {
        let config = Config { policy: (*policy).into(), ..args.engine.config() };
        let start = Instant::now();
        let result = Engine::new(config)?.execute(env, txs, &mut State::new(state)?)?;
        let seconds = vec![start.elapsed().as_secs_f64()];
        check(&expected, &result.outcomes).with_context(|| name.clone())?;
        engines.push((shared.beside(config)?, seconds, None));
    }
    let (mut revm, mut gas_used) = (Vec::new(), 0);
    for round in 0..=args.rounds {
        let input = txs.to_vec();
        let start = Instant::now();
        gas_used = reference::execute_bare(env, input, state)?.gas_used;
        revm.push(start.elapsed().as_secs_f64());
        for (engine, seconds, report) in &mut engines {
            let start = Instant::now();
            let mut fresh = State::new(state)?;
            let result = engine.execute(env, txs, &mut fresh)?;
            drop(fresh);
            let took = start.elapsed().as_secs_f64();
            match round {
                0 => check(&expected, &result.outcomes).with_context(|| name.clone())?,
                _ => seconds.push(took),
            }
            ensure!(gas_used == result.gas_used, "{name}: {gas_used} gas, revm other");
            *report = Some(result.report);
        }
    }
    let revm_seconds_median = median(&revm[1..]);
    let rows = engines.iter().zip(&args.policies).map(|((_, seconds, report), policy)| {
        let report = report.clone().unwrap_or_default();
        let measured = &seconds[1..];
        let seconds_median = median(measured);
        let ratios = revm[1..].iter().zip(measured);
        let ratios: Vec<f64> =
            ratios.map(|(revm, ours)| revm / ours.max(f64::MIN_POSITIVE)).collect();
        Row {
            policy: policy.name(),
            seconds_median,
            seconds_min: measured.iter().copied().fold(f64::INFINITY, f64::min),
            seconds_max: measured.iter().copied().fold(0.0, f64::max),
            seconds_first: seconds[0],
            ratio: median(&ratios),
            first_final: report.first_final as f64 / txs.len().max(1) as f64,
            replays: report.replays,
            redone: report.redone,
        }
    });
    let rows = rows.collect();
    let transactions = txs.len() as u64;
    Ok(Case { name, transactions, gas_used, longest_chain_gas, revm_seconds_median, rows })
}

fn longest_chain(env: &Env, txs: &[Transaction], state: &MemoryState) -> anyhow::Result<u64> {
    let engine = Engine::new(Config { policy: Policy::Sequential, ..Config::default() })?;
    let hints = Hints { record: true, ..Hints::default() };
    let ran = engine.execute_with(env, txs, &mut State::new(state)?, &hints)?;
    let mut accesses = BlockAccesses::new();
    ran.accesses.iter().for_each(|one| accesses.push(one));
    let used = |outcome: &Outcome| outcome.result.as_ref().map_or(0, |e| e.gas_used);
    let gas: Vec<u64> = ran.outcomes.iter().map(used).collect();
    let plan = Plan::new(txs, &accesses, &Dag::build(&accesses), &gas, 1);
    Ok(plan.critical_path_gas)
}

fn check(expected: &[Outcome], ours: &[Outcome]) -> anyhow::Result<()> {
    ensure!(expected.len() == ours.len(), "{} results for {}", ours.len(), expected.len());
    for (index, (expected, ours)) in expected.iter().zip(ours).enumerate() {
        if let Some(mismatch) = validate::compare(index, expected, ours).first() {
            anyhow::bail!("{mismatch}");
        }
    }
    Ok(())
}

fn print(case: &Case) -> anyhow::Result<()> {
    line(format!(
        "{}: {} transactions, {:.1} Mgas, longest chain {:.1} Mgas, revm {}",
        case.name,
        case.transactions,
        case.gas_used as f64 / 1e6,
        case.longest_chain_gas as f64 / 1e6,
        duration(case.revm_seconds_median)
    ))?;
    for row in &case.rows {
        line(format!(
            "  {:10} {:6.2} times as fast  {:>9}  first {:>9}  executed once {:5.1}%  replays {}  \
             redone {}",
            row.policy,
            row.ratio,
            duration(row.seconds_median),
            duration(row.seconds_first),
            row.first_final * 100.0,
            row.replays,
            row.redone,
        ))?;
    }
    Ok(())
}

/// The median over all cases, for each policy, of the times as fast.
fn summary(cases: &[Case], policies: &[PolicyArg]) -> Vec<(String, f64, f64)> {
    let row = |index: usize| {
        let ratios: Vec<f64> = cases.iter().map(|case| case.rows[index].ratio).collect();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        (policies[index].name(), median(&ratios), least)
    };
    (0..policies.len()).map(row).collect()
}

fn conclude(cases: &[Case], args: &OrderedArgs) -> anyhow::Result<()> {
    ensure!(!cases.is_empty(), "nothing to measure");
    let summary = summary(cases, &args.policies);
    if args.json {
        let summary = summary.iter().map(|(policy, median, least)| {
            json!({ "policy": policy, "ratio_median": median, "ratio_min": least })
        });
        return line(json!({ "cases": cases, "summary": summary.collect::<Vec<_>>() }).to_string());
    }
    for (policy, median, least) in summary {
        line(format!("{policy}: median {median:.3} times as fast as revm, least {least:.3}"))?;
    }
    Ok(())
}

/// `warpevm bench blocks`.
pub(crate) fn blocks(args: &BlocksArgs) -> anyhow::Result<bool> {
    let mut cases = Vec::new();
    for path in &args.inputs {
        let Input::Blocks(source) = input::open(path)? else {
            anyhow::bail!("{}: a batch has no order", path.display());
        };
        let progress = Progress::new(source.len() as u64, "blocks");
        source.visit(args.block, |block| {
            let what = (&block.env, &block.transactions[..], &block.state);
            let name = format!("block {}", block.number);
            let case = side_by_side(name, what, &args.ordered)?;
            if !args.ordered.json {
                progress.line(String::new())?;
                print(&case)?;
            }
            progress.step(1);
            cases.push(case);
            Ok::<_, anyhow::Error>(())
        })?;
    }
    conclude(&cases, &args.ordered)?;
    Ok(true)
}

/// The cases of `warpevm bench conflicts`: series, what the x axis says, and the workload.
fn conflict_cases(count: u32) -> anyhow::Result<Vec<(&'static str, f64, Generated)>> {
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut cases = Vec::new();
    let shares = [0.0, 0.1, 0.25, 0.5, 0.75, 1.0];
    for share in shares {
        let recipient = |n: u32, hot: bool| address("recipient", if hot { 0 } else { n + 1 });
        let recipients: Vec<Address> =
            (0..count).map(|n| recipient(n, rng.random_bool(share))).collect();
        cases.push(("hot recipient", share, transfers(&recipients)?));
    }
    for share in shares {
        let pools: Vec<u32> =
            (0..count).map(|n| if rng.random_bool(share) { 0 } else { n + 1 }).collect();
        cases.push(("hot pool", share, swaps(&pools)?));
    }
    for exponent in [0.6, 0.8, 1.0, 1.2] {
        let zipf = Zipf::new(f64::from(ZIPF_COUNT), exponent).context("a Zipf distribution")?;
        let recipients: Vec<Address> =
            (0..count).map(|_| address("recipient", zipf.sample(&mut rng) as u32)).collect();
        cases.push(("Zipf recipients", exponent, transfers(&recipients)?));
    }
    let mut length = 1;
    while length <= count {
        cases.push(("chains", f64::from(length), chains(count / length, length)?));
        length *= 10;
    }
    Ok(cases)
}

/// `warpevm bench conflicts`.
pub(crate) fn conflicts(args: &ConflictsArgs) -> anyhow::Result<bool> {
    let mut cases = Vec::new();
    let mut points = Vec::new();
    let workloads = conflict_cases(args.transactions)?;
    let progress = Progress::new(workloads.len() as u64, "workloads");
    for (series, x, generated) in workloads {
        let what = (&generated.env, &generated.txs[..], &generated.state);
        let name = format!("{series} {x}");
        if args.filter.as_ref().is_some_and(|filter| !filter.is_match(&name)) {
            continue;
        }
        let case = side_by_side(name, what, &args.ordered)?;
        if !args.ordered.json {
            progress.line(String::new())?;
            print(&case)?;
        }
        progress.step(1);
        points.push((series, x, case.rows.clone()));
        cases.push(case);
    }
    if let Some(path) = &args.svg {
        plot::conflicts(path, &points).with_context(|| path.display().to_string())?;
    }
    conclude(&cases, &args.ordered)?;
    Ok(true)
}
