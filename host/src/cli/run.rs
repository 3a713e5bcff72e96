//! `warpevm run`: executes blocks or batches, validates, checks headers.

use super::compare::{self, Comparison};
use super::output::{Progress, complain, line};
use super::runner::{Ran, Runner, invalid};
use super::summary::Summary;
use super::{OnMismatch, RunArgs, interrupt};
use anyhow::Context;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::Instant;
use warpevm::header;
use warpevm::input::{self, BatchInput, BlockInput, BlockSource, Input};
use warpevm::reference;
use warpevm::types::{Env, Fallback, Outcome, Transaction};
use warpevm::validate::{self, Validation, Wrong};

/// How many differences are printed for one block or batch.
const MISMATCHES_SHOWN_MAX: usize = 10;
/// How many reproducers are written for one block or batch: one error makes many.
const REPRODUCERS_MAX: usize = 16;

/// Runs the inputs; false if a result is wrong.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<bool> {
    let runner = Runner::new(args.engine)?;
    interrupt::listen();
    let mut total = Summary { backend: Some(runner.backend), ..Summary::default() };
    let mut comparisons = Vec::new();
    for path in args.inputs.iter().take_while(|_| !interrupt::asked()) {
        match input::open(path)? {
            Input::Blocks(source) => blocks(args, &runner, path, &source, &mut total)?,
            Input::Batch(batch) => {
                total.add(&one_batch(args, &runner, &batch)?);
                if args.compare {
                    comparisons.push(compare_batch(args, &batch)?);
                }
            }
        }
    }
    if args.json {
        let mut object = serde_json::to_value(&total)?;
        if !comparisons.is_empty() {
            object["compare"] = json!(comparisons);
        }
        line(object.to_string())?;
    } else {
        total.print()?;
        for comparison in &comparisons {
            comparison.print()?;
        }
    }
    let resident = total.residency.transactions >= args.min_residency;
    if !resident {
        let share = total.residency.transactions;
        let least = args.min_residency;
        complain(format!("error: residency {share:.4} is below the {least} asked for"));
    }
    Ok(resident && !total.failed())
}

fn blocks(
    args: &RunArgs,
    runner: &Runner,
    path: &Path,
    source: &BlockSource,
    total: &mut Summary,
) -> anyhow::Result<()> {
    let progress = Progress::new(source.count(&args.block)? as u64, "blocks");
    let mut reading = Instant::now();
    source
        .visit(&args.block, |_, block| {
            let block = block?;
            let read = reading.elapsed().as_secs_f64();
            let mut summary = one_block(args, runner, &block, &progress)
                .with_context(|| format!("{}: block {}", path.display(), block.number))?;
            summary.stage("read", read);
            total.add(&summary);
            progress.step(1);
            reading = Instant::now();
            Ok::<_, anyhow::Error>(())
        })
        .map(drop)
}

fn one_block(
    args: &RunArgs,
    runner: &Runner,
    block: &BlockInput,
    progress: &Progress,
) -> anyhow::Result<Summary> {
    let mut summary = Summary { backend: Some(runner.backend), blocks: 1, ..Summary::default() };
    let mut ran = runner.block(block)?;
    summary.report(&ran.report, ran.seconds);
    let started = Instant::now();
    let mode = args.validate.into();
    let validation = validate::validate_block(block, &ran.outcomes, mode)?;
    summary.stage("validate", started.elapsed().as_secs_f64());
    let rejected = ran.outcomes.last().and_then(|last| last.result.clone().err());
    if let (Some(reason), true) = (rejected, validation.wrong.is_empty()) {
        return Err(invalid(block, ran.outcomes.len() - 1, &reason));
    }
    let name = format!("block-{}", block.number);
    let shown = settle(args, &mut summary, &ran, &validation, &name)?;
    if args.on_mismatch == OnMismatch::Revm && !validation.wrong.is_empty() {
        // What follows a wrong result may rest on it: revm decides on the whole block.
        replace(&mut summary, &mut ran, reference::execute_block(block)?.into_iter().enumerate());
    }
    let started = Instant::now();
    let checks = header::check(&block.header, &block.env, &block.transactions, &ran.outcomes);
    summary.stage("header", started.elapsed().as_secs_f64());
    summary.header(&checks);
    for number in block.state.unlisted_hashes() {
        tracing::warn!(block = block.number, number, "BLOCKHASH of a block that is not listed");
    }
    if args.json {
        let mut object = serde_json::to_value(&summary)?;
        object["number"] = json!(block.number);
        object["spec"] = json!(block.env.spec.name());
        object["header"] = json!(checks);
        object["differences"] = json!(shown);
        progress.line(object.to_string())?;
        return Ok(summary);
    }
    let spec = block.env.spec;
    progress.line(format!("block {} ({spec}): {}", block.number, summary.short()))?;
    progress.line(format!("  {}", summary.verdict()))?;
    for check in checks.iter().filter(|check| check.failed()) {
        let computed = check.computed.as_deref().unwrap_or_default();
        progress.line(format!(
            "  {}: the header has {}, computed {computed}",
            check.field, check.expected
        ))?;
    }
    show(&shown, |text| progress.line(text))?;
    Ok(summary)
}

fn one_batch(args: &RunArgs, runner: &Runner, batch: &BatchInput) -> anyhow::Result<Summary> {
    let mut summary = Summary { backend: Some(runner.backend), batches: 1, ..Summary::default() };
    let mut shown = Vec::new();
    let probe = batch.state.storage_probe();
    for (index, part) in batch.parts().iter().enumerate() {
        let calls = batch.calls_of(&part.calls);
        let mut ran =
            runner.calls(&part.env, &calls, &batch.state).with_context(|| batch.place.clone())?;
        summary.report(&ran.report, ran.seconds);
        let started = Instant::now();
        let mode = args.validate.into();
        let mut validation =
            validate::validate_calls(&part.env, &calls, &ran.outcomes, &batch.state, &probe, mode)?;
        summary.stage("validate", started.elapsed().as_secs_f64());
        for wrong in &mut validation.wrong {
            let call = part.calls[wrong.index];
            wrong.mismatches.iter_mut().for_each(|mismatch| mismatch.transaction = call);
        }
        let stem = Path::new(&batch.place).file_stem().unwrap_or_default().to_string_lossy();
        shown.extend(settle(args, &mut summary, &ran, &validation, &format!("{stem}-{index}"))?);
        if args.on_mismatch == OnMismatch::Revm {
            let expected = validation.wrong.iter().map(|w| (w.index, w.expected.clone()));
            replace(&mut summary, &mut ran, expected);
        }
    }
    if args.json {
        let mut object = serde_json::to_value(&summary)?;
        object["batch"] = json!(batch.place);
        object["differences"] = json!(shown);
        line(object.to_string())?;
    } else {
        line(format!("batch {}: {}", batch.place, summary.short()))?;
        line(format!("  {}", summary.verdict()))?;
        show(&shown, |text| line(text))?;
    }
    Ok(summary)
}

fn show(shown: &[String], print: impl Fn(&String) -> anyhow::Result<()>) -> anyhow::Result<()> {
    shown.iter().map(|text| format!("  {text}")).try_for_each(|text| print(&text))
}

/// Counts what the validation found and writes reproducers. Returns what there is to say about it.
fn settle(
    args: &RunArgs,
    summary: &mut Summary,
    ran: &Ran,
    validation: &Validation,
    name: &str,
) -> anyhow::Result<Vec<String>> {
    summary.rejected += ran.outcomes.iter().filter(|o| o.result.is_err()).count() as u64;
    summary.validated += validation.checked;
    summary.mismatches += validation.wrong.len() as u64;
    let mut shown: Vec<String> =
        validation.mismatches().take(MISMATCHES_SHOWN_MAX).map(ToString::to_string).collect();
    let more = validation.mismatches().count() - shown.len();
    if more > 0 {
        shown.push(format!("... and {more} more differences"));
    }
    for wrong in validation.wrong.iter().take(REPRODUCERS_MAX) {
        shown.push(format!("reproducer: {}", reproduce(&args.reproducers, name, wrong)?));
    }
    Ok(shown)
}

/// Takes revm's results, where ours differ.
fn replace(summary: &mut Summary, ran: &mut Ran, expected: impl Iterator<Item = (usize, Outcome)>) {
    for (index, expected) in expected {
        let same = |ours: &Outcome| validate::compare(index, &expected, ours).is_empty();
        if ran.outcomes.get(index).is_some_and(same) {
            continue;
        }
        let outcome = Outcome { fallback: Some(Fallback::Mismatch), ..expected };
        summary.replaced(ran.outcomes.get(index), &outcome);
        match ran.outcomes.get_mut(index) {
            Some(ours) => *ours = outcome,
            None => ran.outcomes.push(outcome),
        }
    }
}

fn reproduce(folder: &Path, name: &str, wrong: &Wrong) -> anyhow::Result<String> {
    let transaction = wrong.mismatches.first().map_or(wrong.index, |m| m.transaction);
    let name = format!("{name}-transaction-{transaction}");
    let test = wrong.reproducer.to_json(&name)?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let path = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(&test)?;
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(path.display().to_string())
}

fn compare_batch(args: &RunArgs, batch: &BatchInput) -> anyhow::Result<Comparison> {
    let parts: Vec<(Env, Vec<Transaction>)> =
        batch.parts().into_iter().map(|part| (part.env, batch.calls_of(&part.calls))).collect();
    compare::side_by_side(args.engine, &parts, &batch.state, compare::ROUNDS_DEFAULT)
}
