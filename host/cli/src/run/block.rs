//! One block: run, validated, checked against its header, told.

use super::args::OnMismatch;
use super::settle::{Disagreements, count, replace};
use super::{Running, table};
use crate::output::Progress;
use crate::runner::{InputRan, all_hashes_listed, invalid};
use crate::summary::RunSummary;
use anyhow::Context;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;
use warpevm::chain::{self, BlockInput, HeaderCheck, Revm};
use warpevm::results::{Row, Transacted};
use warpevm::types::Outcome;

/// What a block gave.
struct Done {
    summary: RunSummary,
    ran: InputRan,
    /// Which transactions differ from revm's, and were not replaced.
    wrong: BTreeSet<usize>,
    checks: Vec<HeaderCheck>,
    shown: Disagreements,
}

impl Running {
    /// Runs and tells a block of an input; `read` are the seconds that reading it took, `single`
    /// says that there is no other.
    pub(super) fn block(
        &mut self,
        (path, name): (&Path, &str),
        block: &BlockInput,
        (read, single): (f64, bool),
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let input = path.display().to_string();
        let count = block.transactions.len();
        if let Some(rows) = &mut self.rows
            && rows.take(&input, Some((block.number, &block.hashes)), count)?
        {
            self.total.resumed += count as u64;
            return Ok(());
        }
        let place = match block.number.to_string() == name {
            true => format!("{input}: block {name}"),
            false => format!("{input}: block {} ({name})", block.number),
        };
        let mut done = match self.execute(block).with_context(|| place.clone()) {
            Ok(done) => done,
            Err(error) => return self.fail(&error),
        };
        done.summary.stages.add("read", read);
        let started = Instant::now();
        progress.around(|| self.block_rows(&input, block, &done))?;
        done.summary.stages.add("write", started.elapsed().as_secs_f64());
        done.summary.settle();
        progress.around(|| self.tell_block(block, &done, single))?;
        if done.summary.failed() {
            self.failures.push(format!("{place}: {}", done.summary.wrong()));
        }
        self.failures.extend(done.shown.failures.iter().map(|text| format!("{place}: {text}")));
        self.total.add(&done.summary);
        Ok(())
    }

    fn execute(&self, block: &BlockInput) -> anyhow::Result<Done> {
        let mut summary = RunSummary { blocks: 1, ..self.summary() };
        let mut ran = self.runner.block(block)?;
        summary.report(&ran.report, ran.seconds);
        all_hashes_listed(block)?;
        let started = Instant::now();
        let validation = block.validate(&ran.outcomes, self.asked.validate)?;
        summary.stages.add("validate", started.elapsed().as_secs_f64());
        let rejected = ran.outcomes.last().and_then(|last| last.result.clone().err());
        if let (Some(reason), true) = (rejected, validation.wrong.is_empty()) {
            return Err(invalid(block, ran.outcomes.len() - 1, &reason));
        }
        count(&mut summary, &validation);
        let mut shown =
            Disagreements::new(&self.asked.reproducers, format!("block-{}", block.number));
        shown.take_in(&validation);
        let mut wrong: BTreeSet<usize> = validation.wrong.iter().map(|wrong| wrong.index).collect();
        if self.asked.on_mismatch == OnMismatch::Revm && !wrong.is_empty() {
            // What follows a wrong result may rest on it: revm decides on the whole block.
            let expected = block.execute(&Revm)?.outcomes;
            // There is nothing after one that is not valid.
            ran.outcomes.truncate(expected.len());
            replace(&mut summary, &mut ran, expected.into_iter().enumerate());
            wrong.clear();
        }
        summary.outcomes(&ran.outcomes);
        let started = Instant::now();
        let checks = block.check(&ran.outcomes);
        summary.header(&checks, &chain::not_checked(&block.header, block.env.spec));
        summary.stages.add("header", started.elapsed().as_secs_f64());
        Ok(Done { summary, ran, wrong, checks, shown })
    }

    fn block_rows(&mut self, input: &str, block: &BlockInput, done: &Done) -> anyhow::Result<()> {
        let Some(rows) = &mut self.rows else { return Ok(()) };
        let of_header = done.checks.iter().any(HeaderCheck::failed);
        for (index, (outcome, row)) in block_rows(input, block, &done.ran.outcomes).enumerate() {
            let differs = of_header || done.wrong.contains(&index);
            rows.write(&Row { outcome, differs, ..row })?;
        }
        rows.flush()
    }

    fn tell_block(&self, block: &BlockInput, done: &Done, single: bool) -> anyhow::Result<()> {
        let Done { summary, checks, shown, .. } = done;
        if self.asked.json {
            let mut object = serde_json::to_value(summary)?;
            object["number"] = json!(block.number);
            object["spec"] = json!(block.env.spec.name());
            object["header"] = json!(checks);
            object["differences"] = json!(shown.lines);
            return self.say.line(object.to_string());
        }
        let spec = block.env.spec;
        self.say.line(format!("block {} ({spec}): {}", block.number, summary.short()))?;
        self.say.line(format!("  {}", summary.verdict()))?;
        for check in checks.iter().filter(|check| check.failed()) {
            let computed = check.computed.as_deref().unwrap_or_default();
            self.say.line(format!(
                "  {}: the header has {}, computed {computed}",
                check.field, check.expected
            ))?;
        }
        shown.print(self.say)?;
        if single && self.rows.is_none() {
            let rows = done.ran.outcomes.iter().enumerate().take(table::ROWS_MAX);
            let rows: Vec<_> = rows.map(|(index, outcome)| table::row(index, outcome)).collect();
            table::print(&rows, done.ran.outcomes.len(), self.say)?;
        }
        Ok(())
    }
}

/// The rows of a block's transactions, each with its outcome.
fn block_rows<'a>(
    input: &'a str,
    block: &'a BlockInput,
    outcomes: &'a [Outcome],
) -> impl Iterator<Item = (&'a Outcome, Row<'a>)> {
    let transactions = block.transactions.iter().zip(&block.hashes).zip(outcomes);
    let mut cumulative_gas_used = 0u64;
    transactions.zip(0..).map(move |(((tx, hash), outcome), call_id)| {
        let used = outcome.result.as_ref().map_or(0, |executed| executed.gas_used);
        cumulative_gas_used = cumulative_gas_used.saturating_add(used);
        let (block, hash, ty) = (block.number, *hash, tx.tx_type);
        let transacted = Some(Transacted { block, hash, ty, cumulative_gas_used });
        (outcome, Row { input, call_id, transacted, outcome, differs: false })
    })
}
