//! `warpevm plan`: which transactions of a block depend on which, and what that is worth.

use super::output::{Progress, Say};
use super::runner::{all_hashes_listed, invalid};
use super::{Usage, files};
use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use warpevm::chain::{BlockInput, BlockSource, Selection};
use warpevm::input::{self, Input};
use warpevm::plan::{
    Accesses, BlockAccessList, BlockAccesses, Dag, Edge, EdgeKind, MissingSets, Plan, Predictor,
    Score, Source, observed,
};
use warpevm::types::Outcome;
use warpevm_benches::figures::{duration, median, percent};

/// Times that a prediction is measured; the median counts.
const ROUNDS: usize = 9;
/// Longer access lists are refused: a block's gas pays for a thousandth of it.
const ACCESS_LIST_BYTES_MAX: u64 = 1 << 30;

const EXAMPLES: &str = "\
Examples:
  warpevm plan host/examples/token-block
  warpevm plan mainnet.tar.zst --block 19000000 --from executed
  warpevm plan mainnet.tar.zst --from executed --learn transaction --json
  warpevm plan host/examples/token-block --from executed --dot | dot -Tsvg -o plan.svg
  warpevm plan host/examples/token-block --write-access-list list.json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlanArgs {
    /// A block folder (block.json, pre_state.json, codes.json), or a folder or .tar.zst archive of
    /// them.
    #[arg(value_name = "INPUT")]
    pub input: PathBuf,
    /// Which blocks: numbers, ranges of them (N..M, both included) or names (docs/INPUT.md), with
    /// commas between them; or 'all'.
    #[arg(long, default_value = "all", value_name = "N|N..M|NAME|all")]
    pub block: Selection,
    /// Where the accesses of the transactions come from.
    #[arg(long, value_enum, default_value_t = From::Predicted)]
    pub from: From,
    /// When history learns from what was executed [default: block].
    #[arg(long, value_enum)]
    pub learn: Option<Learn>,
    /// Instances per warp.
    #[arg(long, default_value_t = 32, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub warp: u32,
    /// The block access list (EIP-7928, JSON) of the block, for the prediction.
    #[arg(long, value_name = "FILE")]
    pub access_list: Option<PathBuf>,
    /// Writes the block access list that the execution gives; of one block. '-' is standard output,
    /// and all else goes to standard error.
    #[arg(long, value_name = "FILE")]
    pub write_access_list: Option<PathBuf>,
    /// Prints a drawing of the dependencies for Graphviz (docs/GRAPHS.md).
    #[arg(long, conflicts_with = "json")]
    pub dot: bool,
    /// Prints a JSON object for each block, and last one object with the totals.
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum From {
    /// What is known before the transactions run.
    Predicted,
    /// What they touch when sequential revm runs them. Says how good the prediction is.
    Executed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Learn {
    /// From each block after it was predicted.
    Block,
    /// From each transaction before the next of its block is predicted.
    Transaction,
}

/// What prediction took and how good it was.
#[derive(Clone, Debug, Default, Serialize)]
struct Quality {
    transactions: u64,
    /// Seconds of the first prediction, which derives access sets.
    cold_seconds: f64,
    /// Seconds of a later one.
    predict_seconds: f64,
    /// Seconds to find the dependencies.
    dag_seconds: f64,
    predict_us_per_transaction: f64,
    /// RAW edges; only where the block was executed.
    score: Option<Score>,
    precision: Option<f64>,
    recall: Option<f64>,
    /// Predicted accesses by source.
    accesses: BTreeMap<&'static str, u64>,
    /// Predicted RAW edges that the execution does not have, by the source of the read.
    wrong: BTreeMap<&'static str, u64>,
    /// RAW edges that were not predicted, by the kind of the key.
    missed: BTreeMap<&'static str, u64>,
}

impl PlanArgs {
    /// Options that would do nothing beside the others.
    fn idle(&self) -> Option<&'static str> {
        let executes = self.from == From::Executed || self.write_access_list.is_some();
        // A drawing of an execution says nothing of the prediction.
        let predicts = !(self.dot && self.from == From::Executed);
        match (self.learn, &self.access_list) {
            (Some(_), _) if !executes => {
                Some("--learn needs an execution: --from executed or --write-access-list")
            }
            (Some(Learn::Transaction), Some(_)) => Some(
                "--access-list is of a whole block, which --learn transaction does not predict",
            ),
            (Some(_), _) if !predicts => {
                Some("--learn is for the prediction, which --dot --from executed does not show")
            }
            (_, Some(_)) if !predicts => Some(
                "--access-list is for the prediction, which --dot --from executed does not show",
            ),
            _ => None,
        }
    }

    fn keep_inputs(&self) -> Result<(), Usage> {
        let read = std::iter::once(&self.input).chain(&self.access_list);
        let written = self.write_access_list.as_deref();
        written.map_or(Ok(()), |file| files::keep_inputs("--write-access-list", file, read))
    }

    fn say(&self) -> Say {
        files::say(&self.write_access_list)
    }
}

/// Plans the blocks of an input.
pub(crate) fn plan(args: &PlanArgs) -> anyhow::Result<bool> {
    if let Some(idle) = args.idle() {
        clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, format!("{idle}\n")).exit();
    }
    args.keep_inputs()?;
    let say = args.say();
    let Input::Blocks(source) = input::open(&args.input)? else {
        bail!("{}: a batch has no order to plan", args.input.display());
    };
    let count = source.count(&args.block)?;
    let one_block = args.access_list.is_some() || args.write_access_list.is_some();
    ensure!(!one_block || count == 1, "an access list is that of one block: choose one (--block)");
    let listed = args.access_list.as_deref().map(read_access_list).transpose()?;
    // Writing comes after the execution, and would be late to fail.
    args.write_access_list.as_deref().map_or(Ok(()), files::try_create)?;
    let predictor = Predictor::new();
    let progress = Progress::new(count as u64, "blocks");
    let mut total = Quality::default();
    source.visit(&args.block, |_, block| {
        let block = block?;
        let place = || format!("{}: block {}", args.input.display(), block.number);
        let quality = one(args, &predictor, &block, listed.as_ref(), &progress);
        total.add(&quality.with_context(place)?);
        progress.step(1);
        Ok::<_, anyhow::Error>(())
    })?;
    if args.json {
        let mut object = serde_json::to_value(&total)?;
        object["blocks"] = json!(count);
        say.line(object.to_string())?;
    } else if !args.dot && count > 1 {
        say.line(format!("{count} blocks, {} transactions", total.transactions))?;
        say.line(format!("  {}", total.text()))?;
    }
    Ok(true)
}

fn read_access_list(path: &Path) -> anyhow::Result<BlockAccessList> {
    let place = path.display().to_string();
    let bytes = input::bytes::read(path)?;
    let size = bytes.len() as u64;
    ensure!(size <= ACCESS_LIST_BYTES_MAX, "{place}: more than {ACCESS_LIST_BYTES_MAX} bytes");
    Ok(input::parse_access_list(&place, &bytes)?)
}

fn one(
    args: &PlanArgs,
    predictor: &Predictor,
    block: &BlockInput,
    listed: Option<&BlockAccessList>,
    progress: &Progress,
) -> anyhow::Result<Quality> {
    let txs = &block.transactions;
    let executes = args.from == From::Executed || args.write_access_list.is_some();
    let executed = if executes { Some(execute(block)?) } else { None };
    let (predicted, mut quality) = predict(args, predictor, block, listed, executed.as_deref());
    let predicted_dag = Dag::build(&predicted);
    let mut gas: Vec<u64> = txs.iter().map(|tx| predictor.gas(tx)).collect();
    let mut shown = (predicted, predicted_dag);
    if let Some(executed) = &executed {
        gas = executed.iter().map(|(_, outcome)| gas_of(outcome)).collect();
        let mut accesses = BlockAccesses::new();
        executed.iter().for_each(|(one, _)| accesses.push(one));
        let dag = Dag::build(&accesses);
        quality.scored(shown.1.score(&dag));
        quality.explain((&shown.0, &shown.1), (&accesses, &dag));
        if args.from == From::Executed {
            shown = (accesses, dag);
        }
        if args.learn.unwrap_or(Learn::Block) == Learn::Block {
            learn(predictor, block, executed);
        }
        if let Some(path) = &args.write_access_list {
            let list = BlockAccessList::derive(executed.iter().map(|(a, outcome)| (a, outcome)));
            let text = serde_json::to_string_pretty(&list)? + "\n";
            files::write(path, text.as_bytes())?;
        }
    }
    let (accesses, dag) = &shown;
    let plan = Plan::new(txs, accesses, dag, &gas, args.warp);
    let (spec, say) = (block.env.spec, args.say());
    let from = if args.from == From::Executed { "executed" } else { "predicted" };
    let count = txs.len();
    let title = format!("block {} ({spec}): {count} transactions, {from}", block.number);
    if args.dot {
        progress.line(say, plan.dot(dag, accesses, &gas, &title).trim_end())?;
        return Ok(quality);
    }
    if args.json {
        let object = json!({
            "number": block.number,
            "spec": spec.name(),
            "from": args.from,
            "plan": plan,
            "prediction": quality,
        });
        progress.line(say, object.to_string())?;
        return Ok(quality);
    }
    progress.line(say, title)?;
    plan.text().lines().try_for_each(|text| progress.line(say, format!("  {text}")))?;
    progress.line(say, format!("  {}", quality.text()))?;
    Ok(quality)
}

/// Runs the block on sequential revm; gives what each transaction touched.
fn execute(block: &BlockInput) -> anyhow::Result<Vec<(Accesses, Outcome)>> {
    let mut revm = block.at_first()?;
    let mut executed = Vec::with_capacity(block.transactions.len());
    for (index, tx) in block.transactions.iter().enumerate() {
        let (outcome, touched) = revm.transact_once(tx)?;
        if let Err(reason) = &outcome.result {
            return Err(invalid(block, index, reason));
        }
        let accesses = observed(tx, &touched);
        revm.spend(&outcome);
        revm.commit(touched);
        executed.push((accesses, outcome));
    }
    all_hashes_listed(block)?;
    Ok(executed)
}

fn gas_of(outcome: &Outcome) -> u64 {
    outcome.result.as_ref().map_or(0, |executed| executed.gas_used)
}

fn learn(predictor: &Predictor, block: &BlockInput, executed: &[(Accesses, Outcome)]) {
    for (tx, (accesses, outcome)) in block.transactions.iter().zip(executed) {
        predictor.learn(&block.env, tx, accesses, gas_of(outcome));
    }
}

fn predict(
    args: &PlanArgs,
    predictor: &Predictor,
    block: &BlockInput,
    listed: Option<&BlockAccessList>,
    executed: Option<&[(Accesses, Outcome)]>,
) -> (BlockAccesses, Quality) {
    let (env, txs, state) = (&block.env, &block.transactions, &block.state);
    let mut out = BlockAccesses::new();
    let mut quality = Quality { transactions: txs.len() as u64, ..Quality::default() };
    let start = Instant::now();
    predictor.predict(env, txs, state, listed, MissingSets::Make, &mut out);
    quality.cold_seconds = start.elapsed().as_secs_f64();
    quality.predict_seconds = median_seconds(
        || predictor.forget_hashes(),
        || predictor.predict(env, txs, state, listed, MissingSets::Note, &mut out),
    );
    quality.dag_seconds = median_seconds(|| (), || drop(Dag::build(&out)));
    quality.per_transaction();
    for access in out.all() {
        *quality.accesses.entry(access.source.name()).or_default() += 1;
    }
    if let (Some(Learn::Transaction), Some(executed)) = (args.learn, executed) {
        let (mut all, mut one) = (BlockAccesses::new(), BlockAccesses::new());
        for (tx, (accesses, outcome)) in txs.iter().zip(executed) {
            let tx = std::slice::from_ref(tx);
            predictor.predict(env, tx, state, None, MissingSets::Note, &mut one);
            all.append(&one);
            predictor.learn(env, &tx[0], accesses, gas_of(outcome));
        }
        out = all;
    }
    (out, quality)
}

/// Seconds of the median of some rounds, each after `prepare`.
fn median_seconds(prepare: impl Fn(), mut run: impl FnMut()) -> f64 {
    let mut seconds = [0.0; ROUNDS];
    for round in &mut seconds {
        prepare();
        let start = Instant::now();
        run();
        *round = start.elapsed().as_secs_f64();
    }
    median(&seconds)
}

impl Quality {
    fn add(&mut self, other: &Quality) {
        self.transactions += other.transactions;
        self.cold_seconds += other.cold_seconds;
        self.predict_seconds += other.predict_seconds;
        self.dag_seconds += other.dag_seconds;
        self.per_transaction();
        for (sum, other) in [
            (&mut self.accesses, &other.accesses),
            (&mut self.wrong, &other.wrong),
            (&mut self.missed, &other.missed),
        ] {
            other.iter().for_each(|(name, count)| *sum.entry(name).or_default() += count);
        }
        if let Some(score) = &other.score {
            let mut sum = self.score.unwrap_or_default();
            sum.add(score);
            self.scored(sum);
        }
    }

    /// Says where wrong edges come from, and on what the missed ones lie.
    fn explain(&mut self, predicted: (&BlockAccesses, &Dag), executed: (&BlockAccesses, &Dag)) {
        let raw = |edge: &&Edge| edge.kind == EdgeKind::Raw;
        let lacks = |dag: &Dag, e: &Edge| dag.waits(e.to).binary_search(&e.from).is_err();
        let edges = predicted.1.edges().iter();
        for edge in edges.filter(raw).filter(|edge| lacks(executed.1, edge)) {
            let access = predicted.0.of(edge.to).iter().find(|access| access.key == edge.key);
            let source = access.map_or(Source::Sender, |access| access.source);
            *self.wrong.entry(source.name()).or_default() += 1;
        }
        let edges = executed.1.edges().iter();
        for edge in edges.filter(raw).filter(|edge| lacks(predicted.1, edge)) {
            *self.missed.entry(executed.0.key(edge.key).kind()).or_default() += 1;
        }
    }

    fn per_transaction(&mut self) {
        let count = self.transactions.max(1) as f64;
        self.predict_us_per_transaction = self.predict_seconds * 1e6 / count;
    }

    fn scored(&mut self, score: Score) {
        self.score = Some(score);
        self.precision = Some(score.precision());
        self.recall = Some(score.recall());
    }

    fn text(&self) -> String {
        let each = |seconds: f64| duration(seconds / self.transactions.max(1) as f64);
        let mut text = format!(
            "prediction: {} per transaction, {} the first time; dependencies {}",
            each(self.predict_seconds),
            each(self.cold_seconds),
            each(self.dag_seconds)
        );
        if let Some(score) = &self.score {
            text += &format!(
                "; raw edges: precision {}, recall {} ({} predicted, {} executed)",
                percent(score.precision()),
                percent(score.recall()),
                score.predicted,
                score.executed
            );
            let named = |counts: &BTreeMap<&str, u64>| {
                let counts = counts.iter().map(|(name, count)| format!("{name} {count}"));
                counts.collect::<Vec<_>>().join(", ")
            };
            text += &format!("; wrong: {}; missed: {}", named(&self.wrong), named(&self.missed));
        }
        text
    }
}
