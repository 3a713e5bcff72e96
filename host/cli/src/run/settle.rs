//! What a validation found: counted, told, written as reproducers, replaced.

use crate::files;
use crate::output::Say;
use crate::runner::InputRan;
use crate::summary::RunSummary;
use anyhow::Context;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use warpevm::reference::validate::{self, Validation, Wrong};
use warpevm::types::{Fallback, Outcome};

/// How many differences are printed for one block or batch.
const MISMATCHES_SHOWN_MAX: usize = 10;
/// How many reproducers are written for one block or batch: one error makes many.
const REPRODUCERS_MAX: usize = 16;
/// Names of a reproducer that are tried where others are taken.
const NAMES_MAX: u32 = 10_000;

/// Counts what the validation found.
pub(super) fn count(summary: &mut RunSummary, validation: &Validation) {
    summary.validated += validation.checked;
    summary.unchecked += validation.unchecked;
    summary.mismatches += validation.wrong.len() as u64;
}

/// Takes revm's results, where ours differ.
pub(super) fn replace(
    summary: &mut RunSummary,
    ran: &mut InputRan,
    expected: impl Iterator<Item = (usize, Outcome)>,
) {
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

/// What there is to say about the differences of a block or batch.
pub(super) struct Disagreements {
    folder: PathBuf,
    /// Begins the names of reproducers.
    name: String,
    mismatches: usize,
    reproducers: usize,
    pub lines: Vec<String>,
    /// Reproducers that could not be written.
    pub failures: Vec<String>,
}

impl Disagreements {
    pub(super) fn new(folder: &Path, name: String) -> Disagreements {
        Disagreements {
            folder: folder.to_owned(),
            name,
            mismatches: 0,
            reproducers: 0,
            lines: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Takes in differences, and writes reproducers of some. One that cannot be written is a
    /// failure; the difference is told all the same.
    pub(super) fn take_in(&mut self, validation: &Validation) {
        for mismatch in validation.mismatches() {
            if self.mismatches < MISMATCHES_SHOWN_MAX {
                self.lines.push(mismatch.to_string());
            }
            self.mismatches += 1;
        }
        for wrong in &validation.wrong {
            // What hinders one hinders the others.
            if self.reproducers == REPRODUCERS_MAX || !self.failures.is_empty() {
                return;
            }
            self.reproducers += 1;
            match reproduce(&self.folder, &self.name, wrong) {
                Ok(path) => self.lines.push(format!("reproducer: {path}")),
                Err(error) => self.failures.push(format!("no reproducer: {error:#}")),
            }
        }
    }

    /// Prints it for people.
    pub(super) fn print(&self, say: Say) -> anyhow::Result<()> {
        self.lines.iter().try_for_each(|text| say.line(format!("  {text}")))?;
        match self.mismatches.saturating_sub(MISMATCHES_SHOWN_MAX) {
            0 => Ok(()),
            more => say.line(format!("  ... and {more} more differences")),
        }
    }
}

/// Writes a reproducer; where.
fn reproduce(folder: &Path, name: &str, wrong: &Wrong) -> anyhow::Result<String> {
    let transaction = wrong.mismatches.first().map_or(wrong.index, |m| m.transaction);
    let name = format!("{name}-transaction-{transaction}");
    let text = serde_json::to_string_pretty(&wrong.reproducer.to_json(&name)?)?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let path = write_anew(folder, &name, &text)?;
    Ok(path.display().to_string())
}

/// Writes a file whose name nothing else has. One that is there with the same content does.
fn write_anew(folder: &Path, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    for number in 1..=NAMES_MAX {
        let path = folder.join(match number {
            1 => format!("{name}.json"),
            number => format!("{name}-{number}.json"),
        });
        // Whoever creates it has the name, also among several processes.
        match File::create_new(&path) {
            Ok(_) => {
                let written = files::write(&path, text.as_bytes());
                if written.is_err() {
                    let _ = fs::remove_file(&path);
                }
                return written.map(|()| path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
                    return Ok(path);
                }
            }
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    anyhow::bail!("{}: {NAMES_MAX} files of the name {name} are there", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use revm::context::BlockEnv;
    use warpevm::reference::simulate_sequential;
    use warpevm::state::MemoryState;
    use warpevm::types::{Checks, Env, Spec, Transaction};

    /// A validation that found the gas of one call wrong.
    fn validation() -> Validation {
        let checks = Checks { base_fee: false, ..Checks::default() };
        let (spec, block) = (Spec::London, BlockEnv::default());
        let env = Env { spec, chain_id: 1, block, checks };
        let calls = [Transaction { gas_limit: 100_000, ..Transaction::default() }];
        let state = MemoryState::default();
        let mut outcomes = simulate_sequential(&env, &calls, &state).expect("revm runs");
        outcomes[0].result.as_mut().expect("valid").gas_used += 1;
        let full = validate::Validate::Full;
        validate::validate_calls(&env, &calls, &outcomes, &state, full).expect("revm runs")
    }

    #[test]
    fn a_difference_is_told_whatever_becomes_of_its_reproducer() {
        let name = format!("warpevm-reproduce-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let mut shown = Disagreements::new(&folder, "a".to_owned());
        shown.take_in(&validation());
        assert!(
            shown.lines[0].contains("gas used: revm has 21000, got 21001"),
            "{:?}",
            shown.lines
        );
        let path = folder.join("a-transaction-0.json");
        assert_eq!(shown.lines[1..], [format!("reproducer: {}", path.display())]);
        assert!(path.is_file() && shown.failures.is_empty());

        // A folder cannot be made within a file.
        let mut shown = Disagreements::new(&path, "a".to_owned());
        shown.take_in(&validation());
        shown.take_in(&validation());
        assert!(
            shown.lines[0].contains("gas used: revm has 21000, got 21001"),
            "{:?}",
            shown.lines
        );
        assert_eq!(shown.lines.len(), 2, "both differences: {:?}", shown.lines);
        assert_eq!(shown.failures.len(), 1, "the cause once: {:?}", shown.failures);
        assert!(shown.failures[0].starts_with("no reproducer: "), "{:?}", shown.failures);
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn a_name_that_is_taken_is_left_alone() {
        let folder = std::env::temp_dir().join(format!("warpevm-anew-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let write = |text| write_anew(&folder, "a", text).expect("written");
        let (first, second) = (write("one"), write("two"));
        assert_eq!(second, folder.join("a-2.json"));
        assert_eq!((write("one"), write("two")), (first.clone(), second.clone()));
        let read = |path| fs::read_to_string(path).expect("there");
        assert_eq!((read(first), read(second)), ("one".to_owned(), "two".to_owned()));
        fs::remove_dir_all(&folder).expect("removed");
    }
}
