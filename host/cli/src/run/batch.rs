//! One batch: its calls in chunks, so that results stream, memory stays flat and progress shows.

use super::args::OnMismatch;
use super::settle::{Disagreements, count, replace};
use super::{Running, table};
use crate::compare::{self, Comparison};
use crate::interrupt;
use crate::output::Progress;
use crate::summary::RunSummary;
use alloy_primitives::Log;
use anyhow::Context;
use serde_json::json;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};
use warpevm::State;
use warpevm::input::BatchInput;
use warpevm::input::batch::BatchPart;
use warpevm::reference::validate;
use warpevm::results::Row;
use warpevm::state::MemoryState;
use warpevm::types::{Env, Outcome, Transaction};

/// Calls of the first chunk: few, since nobody knows yet how long one takes.
const CHUNK_COUNT_FIRST: usize = 1024;
/// Fewer calls would leave threads idle at the end of each chunk.
const CHUNK_COUNT_MIN: usize = 128;
/// Results of so many calls are held at a time: more make nothing faster.
const CHUNK_COUNT_MAX: usize = 65_536;
/// A chunk with more bytes of output and logs is followed by one of half as many calls,
const CHUNK_BYTES_MAX: usize = 1 << 26;
/// A chunk that took less is followed by one of twice as many calls,
const CHUNK_TIME_MIN: Duration = Duration::from_millis(500);
/// and one that took more by one of half as many too: progress shows after each.
const CHUNK_TIME_MAX: Duration = Duration::from_secs(2);

/// A batch while it runs.
struct BatchRun<'a> {
    input: &'a BatchInput,
    parts: Vec<BatchPart>,
    state: State<&'a MemoryState>,
    summary: RunSummary,
    shown: Disagreements,
    /// The first results, for the table.
    table: Vec<[String; 4]>,
    /// Calls that are not valid, with the reason.
    invalid: Vec<String>,
}

/// Outcomes of a chunk's calls, and which of these differ from revm's.
struct SimulatedCalls {
    outcomes: Vec<Option<Outcome>>,
    wrong: BTreeSet<usize>,
}

impl SimulatedCalls {
    /// Bytes of its results that calls choose.
    fn bytes(&self) -> usize {
        let executed = self.outcomes.iter().flatten().filter_map(|o| o.result.as_ref().ok());
        let logs = |logs: &[Log]| logs.iter().map(|log| log.data.data.len()).sum::<usize>();
        executed.map(|ran| ran.output.len() + logs(&ran.logs)).sum()
    }
}

/// Calls of the chunk that follows one of `size` calls.
fn next_size(size: usize, spent: Duration, bytes: usize) -> usize {
    if spent > CHUNK_TIME_MAX || bytes > CHUNK_BYTES_MAX {
        return CHUNK_COUNT_MIN.max(size / 2);
    }
    match spent < CHUNK_TIME_MIN && 2 * bytes < CHUNK_BYTES_MAX {
        true => CHUNK_COUNT_MAX.min(2 * size),
        false => size,
    }
}

impl Running {
    /// Runs and tells a batch; `read` are the seconds that reading it took.
    pub(super) fn batch(&mut self, input: &BatchInput, read: f64) -> anyhow::Result<()> {
        let count = input.calls.len();
        if let Some(rows) = &mut self.rows
            && count > 0
            && rows.take(&input.place, None, count)?
        {
            self.total.resumed += count as u64;
            return Ok(());
        }
        let mut batch = match self.begin(input) {
            Ok(batch) => batch,
            Err(error) => return self.fail(&error),
        };
        batch.summary.stages.add("read", read);
        let failed = self.chunks(&mut batch)?;
        batch.summary.settle();
        self.tell_batch(&batch)?;
        if batch.summary.failed() {
            self.failures.push(format!("{}: {}", input.place, batch.summary.wrong()));
        }
        let shown = batch.shown.failures.iter();
        self.failures.extend(shown.map(|text| format!("{}: {text}", input.place)));
        self.total.add(&batch.summary);
        if let Some(error) = failed {
            return self.fail(&error.context(input.place.clone()));
        }
        if self.asked.compare && !interrupt::asked() {
            match self.compare(input) {
                Ok(comparison) => self.comparisons.push(comparison),
                Err(error) => return self.fail(&error.context(input.place.clone())),
            }
        }
        Ok(())
    }

    fn begin<'a>(&self, input: &'a BatchInput) -> anyhow::Result<BatchRun<'a>> {
        let state = State::new(&input.state).with_context(|| input.place.clone())?;
        let name = Path::new(&input.place).file_stem().unwrap_or_default().to_string_lossy();
        Ok(BatchRun {
            input,
            parts: input.parts(),
            state: state.with_storage_probe(),
            summary: RunSummary { batches: 1, ..self.summary() },
            shown: Disagreements::new(&self.asked.reproducers, name.into_owned()),
            table: Vec::new(),
            invalid: Vec::new(),
        })
    }

    /// Runs the calls chunk by chunk, up to one that fails: then why.
    fn chunks(&mut self, batch: &mut BatchRun<'_>) -> anyhow::Result<Option<anyhow::Error>> {
        let count = batch.input.calls.len();
        let progress = Progress::new(count as u64, "calls");
        let (mut start, mut size) = (0, CHUNK_COUNT_FIRST);
        while start < count && !interrupt::asked() {
            let range = start..count.min(start + size);
            let started = Instant::now();
            let chunk = match self.chunk(batch, range.clone()) {
                Ok(chunk) => chunk,
                Err(error) => return Ok(Some(error)),
            };
            let writing = Instant::now();
            progress.around(|| self.batch_rows(batch, start, &chunk))?;
            batch.summary.stages.add("write", writing.elapsed().as_secs_f64());
            progress.step(range.len() as u64);
            start = range.end;
            size = next_size(size, started.elapsed(), chunk.bytes());
        }
        match start < count {
            true => Ok(Some(anyhow::anyhow!("interrupted after {start} of {count} calls"))),
            false => Ok(None),
        }
    }

    /// Runs the calls of a range.
    fn chunk(
        &self,
        batch: &mut BatchRun<'_>,
        range: Range<usize>,
    ) -> anyhow::Result<SimulatedCalls> {
        let mut chunk =
            SimulatedCalls { outcomes: vec![None; range.len()], wrong: BTreeSet::new() };
        for part in &batch.parts {
            let from = part.calls.partition_point(|call| *call < range.start);
            let to = part.calls.partition_point(|call| *call < range.end);
            let indices = &part.calls[from..to];
            if indices.is_empty() {
                continue;
            }
            let calls: Cow<'_, [Transaction]> = match indices.len() == range.len() {
                true => batch.input.calls[range.clone()].into(),
                false => batch.input.calls_of(indices).into(),
            };
            let mut ran = self.runner.calls_on(&part.env, &calls, &batch.state)?;
            batch.summary.report(&ran.report, ran.seconds);
            let started = Instant::now();
            let (mode, db) = (self.asked.validate, &batch.input.state);
            let mut validation =
                validate::validate_calls(&part.env, &calls, &ran.outcomes, db, mode)?;
            batch.summary.stages.add("validate", started.elapsed().as_secs_f64());
            for wrong in &mut validation.wrong {
                let call = indices[wrong.index];
                wrong.mismatches.iter_mut().for_each(|mismatch| mismatch.transaction = call);
            }
            count(&mut batch.summary, &validation);
            batch.shown.take_in(&validation);
            match self.asked.on_mismatch {
                OnMismatch::Error => {
                    chunk.wrong.extend(validation.wrong.iter().map(|w| indices[w.index]));
                }
                OnMismatch::Revm => {
                    let expected = validation.wrong.iter().map(|w| (w.index, w.expected.clone()));
                    replace(&mut batch.summary, &mut ran, expected);
                }
            }
            batch.summary.outcomes(&ran.outcomes);
            for (call, outcome) in indices.iter().zip(ran.outcomes) {
                chunk.outcomes[call - range.start] = Some(outcome);
            }
        }
        Ok(chunk)
    }

    /// Writes the rows of a chunk, and keeps what the table shows.
    fn batch_rows(
        &mut self,
        batch: &mut BatchRun<'_>,
        start: usize,
        chunk: &SimulatedCalls,
    ) -> anyhow::Result<()> {
        for (call, outcome) in (start..).zip(chunk.outcomes.iter().flatten()) {
            if batch.table.len() < table::ROWS_MAX {
                batch.table.push(table::row(call, outcome));
            } else if let (Err(reason), true) =
                (&outcome.result, batch.invalid.len() < table::ROWS_MAX)
            {
                batch.invalid.push(format!("call {call} is not valid: {reason}"));
            }
            if let Some(rows) = &mut self.rows {
                rows.write(&Row {
                    input: &batch.input.place,
                    call_id: call as u64,
                    transacted: None,
                    outcome,
                    differs: chunk.wrong.contains(&call),
                })?;
            }
        }
        self.rows.as_mut().map_or(Ok(()), |rows| rows.flush())
    }

    fn tell_batch(&self, batch: &BatchRun<'_>) -> anyhow::Result<()> {
        let (place, summary, shown) = (&batch.input.place, &batch.summary, &batch.shown);
        if self.asked.json {
            let mut object = serde_json::to_value(summary)?;
            object["batch"] = json!(place);
            object["differences"] = json!(shown.lines);
            return self.say.line(object.to_string());
        }
        self.say.line(format!("batch {place}: {}", summary.short()))?;
        self.say.line(format!("  {}", summary.verdict()))?;
        shown.print(self.say)?;
        if self.rows.is_some() {
            return Ok(());
        }
        table::print(&batch.table, batch.input.calls.len(), self.say)?;
        batch.invalid.iter().try_for_each(|text| self.say.line(format!("  {text}")))
    }

    fn compare(&self, input: &BatchInput) -> anyhow::Result<Comparison> {
        let parts: Vec<(Env, Vec<Transaction>)> =
            input.parts().into_iter().map(|part| (part.env, input.calls_of(&part.calls))).collect();
        compare::side_by_side(self.asked.config, &parts, &input.state, compare::ROUNDS_DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_grow_while_they_are_quick_and_small() {
        let (quick, fair) = (Duration::from_millis(1), Duration::from_secs(1));
        let slow = Duration::from_secs(9);
        assert_eq!(next_size(1024, quick, 0), 2048);
        assert_eq!(next_size(CHUNK_COUNT_MAX, quick, 0), CHUNK_COUNT_MAX);
        assert_eq!(next_size(1024, fair, 0), 1024);
        assert_eq!(next_size(1024, slow, 0), 512);
        assert_eq!(next_size(CHUNK_COUNT_MIN, slow, 0), CHUNK_COUNT_MIN);
        assert_eq!(next_size(1024, quick, CHUNK_BYTES_MAX + 1), 512);
        assert_eq!(next_size(1024, quick, CHUNK_BYTES_MAX / 2), 1024);
    }
}
