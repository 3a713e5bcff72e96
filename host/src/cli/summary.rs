//! Adds up what happened and prints it.

use super::output::{duration, line, percent};
use serde::Serialize;
use std::collections::BTreeMap;
use warpevm::header::HeaderCheck;
use warpevm::types::{Backend, Fallback, Outcome, Report};

/// A block's, a batch's or a whole run's results. The field names are those of `--json`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Summary {
    /// The backend asked for.
    pub backend: Option<Backend>,
    /// Blocks executed.
    pub blocks: u64,
    /// Batches simulated.
    pub batches: u64,
    pub transactions: u64,
    /// Transactions that were not valid.
    pub rejected: u64,
    pub gas_used: u64,
    /// Gas per second of execution, in millions.
    pub mgas_per_second: f64,
    /// Transactions compared with revm.
    pub validated: u64,
    /// Transactions whose result differs from revm's.
    pub mismatches: u64,
    pub header_checks: u64,
    pub header_checks_failed: u64,
    /// Header fields that the input does not allow to check.
    pub header_checks_not_checkable: u64,
    pub residency: Residency,
    pub fallbacks: BTreeMap<Fallback, u64>,
    pub suspensions: BTreeMap<&'static str, u64>,
    pub rounds: u64,
    /// What the device was given of blocks, and what threads ran ahead beside it.
    pub device_transactions: u64,
    pub beside_device: u64,
    pub replays: u64,
    /// Transactions whose results were patched instead.
    pub redone: u64,
    /// Transactions of blocks that were executed once.
    pub first_final: u64,
    /// Stage to seconds. `run` is the wall clock of the execution; the stages of a backend that
    /// uses several threads add up to more.
    pub seconds: BTreeMap<String, f64>,
    pub bytes_per_instance: u64,
    pub larger_classes: BTreeMap<u64, u64>,
    #[serde(skip)]
    pub resident: (u64, u64),
}

/// The share that ran wholly on the device asked for.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Residency {
    pub transactions: f64,
    pub gas: f64,
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

impl Summary {
    /// Takes in a backend's report of a run of `seconds`.
    pub(crate) fn report(&mut self, report: &Report, seconds: f64) {
        self.transactions += report.transactions;
        self.gas_used += report.gas_used;
        self.resident.0 += report.resident_transactions;
        self.resident.1 += report.resident_gas;
        for (reason, count) in &report.fallbacks {
            *self.fallbacks.entry(*reason).or_default() += count;
        }
        for (need, count) in &report.suspensions {
            *self.suspensions.entry(need).or_default() += count;
        }
        for (bytes, count) in &report.larger_classes {
            *self.larger_classes.entry(*bytes).or_default() += count;
        }
        for (stage, seconds) in &report.seconds {
            self.stage(stage, *seconds);
        }
        self.stage("run", seconds);
        self.rounds += report.rounds;
        self.device_transactions += report.device_transactions;
        self.beside_device += report.beside_device;
        self.replays += report.replays;
        self.redone += report.redone;
        self.first_final += report.first_final;
        self.bytes_per_instance = self.bytes_per_instance.max(report.bytes_per_instance);
        self.settle();
    }

    /// Adds seconds to a stage.
    pub(crate) fn stage(&mut self, stage: &str, seconds: f64) {
        *self.seconds.entry(stage.to_owned()).or_default() += seconds;
    }

    /// A result that was wrong, or missing, and was replaced by revm's.
    pub(crate) fn replaced(&mut self, ours: Option<&Outcome>, expected: &Outcome) {
        let gas = |outcome: &Outcome| outcome.result.as_ref().map_or(0, |e| e.gas_used);
        match ours {
            Some(ours) => {
                self.gas_used = self.gas_used.saturating_sub(gas(ours));
                if ours.fallback.is_none() {
                    self.resident.0 = self.resident.0.saturating_sub(1);
                    self.resident.1 = self.resident.1.saturating_sub(gas(ours));
                }
            }
            None => self.transactions += 1,
        }
        self.gas_used += gas(expected);
        *self.fallbacks.entry(Fallback::Mismatch).or_default() += 1;
        self.settle();
    }

    /// Takes in the header checks of a block.
    pub(crate) fn header(&mut self, checks: &[HeaderCheck]) {
        for check in checks {
            self.header_checks += u64::from(check.ok.is_some());
            self.header_checks_failed += u64::from(check.failed());
            self.header_checks_not_checkable += u64::from(check.ok.is_none());
        }
    }

    /// Adds another summary to this one.
    pub(crate) fn add(&mut self, other: &Summary) {
        self.blocks += other.blocks;
        self.batches += other.batches;
        self.transactions += other.transactions;
        self.rejected += other.rejected;
        self.gas_used += other.gas_used;
        self.validated += other.validated;
        self.mismatches += other.mismatches;
        self.header_checks += other.header_checks;
        self.header_checks_failed += other.header_checks_failed;
        self.header_checks_not_checkable += other.header_checks_not_checkable;
        self.resident.0 += other.resident.0;
        self.resident.1 += other.resident.1;
        for (reason, count) in &other.fallbacks {
            *self.fallbacks.entry(*reason).or_default() += count;
        }
        for (need, count) in &other.suspensions {
            *self.suspensions.entry(need).or_default() += count;
        }
        for (bytes, count) in &other.larger_classes {
            *self.larger_classes.entry(*bytes).or_default() += count;
        }
        for (stage, seconds) in &other.seconds {
            self.stage(stage, *seconds);
        }
        self.rounds += other.rounds;
        self.device_transactions += other.device_transactions;
        self.beside_device += other.beside_device;
        self.replays += other.replays;
        self.redone += other.redone;
        self.first_final += other.first_final;
        self.bytes_per_instance = self.bytes_per_instance.max(other.bytes_per_instance);
        self.settle();
    }

    fn settle(&mut self) {
        self.residency = Residency {
            transactions: share(self.resident.0, self.transactions),
            gas: share(self.resident.1, self.gas_used),
        };
        let seconds = self.seconds.get("run").copied().unwrap_or_default();
        self.mgas_per_second =
            if seconds > 0.0 { self.gas_used as f64 / seconds / 1e6 } else { 0.0 };
    }

    /// Whether a result is wrong. A replaced result is not.
    pub(crate) fn failed(&self) -> bool {
        let replaced = self.fallbacks.get(&Fallback::Mismatch).copied().unwrap_or_default();
        self.mismatches > replaced || self.header_checks_failed > 0
    }

    /// One line of what ran.
    pub(crate) fn short(&self) -> String {
        let run = self.seconds.get("run").copied().unwrap_or_default();
        format!(
            "{} transactions, {:.2} Mgas in {} ({:.1} Mgas/s)",
            self.transactions,
            self.gas_used as f64 / 1e6,
            duration(run),
            self.mgas_per_second,
        )
    }

    /// One line of how it ran and whether it is right.
    pub(crate) fn verdict(&self) -> String {
        let mut parts = vec![format!(
            "resident {} of transactions, {} of gas",
            percent(self.residency.transactions),
            percent(self.residency.gas)
        )];
        parts.push(match (self.validated, self.mismatches) {
            (0, 0) => "not compared with revm".to_owned(),
            (validated, 0) => format!("{validated} equal revm's"),
            (validated, wrong) => format!("{wrong} of {validated} DIFFER from revm's"),
        });
        if self.header_checks > 0 {
            parts.push(match self.header_checks_failed {
                0 => format!("{} header checks hold", self.header_checks),
                failed => format!("{failed} of {} header checks FAIL", self.header_checks),
            });
        }
        if self.rejected > 0 {
            parts.push(format!("{} not valid", self.rejected));
        }
        parts.join("; ")
    }

    /// Everything, for people.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        line(format!("total: {}", self.short()))?;
        line(format!("  {}", self.verdict()))?;
        let counts = |counts: Vec<String>| match counts.is_empty() {
            true => "none".to_owned(),
            false => counts.join(", "),
        };
        let fallbacks = self.fallbacks.iter().map(|(reason, n)| format!("{} {n}", name(reason)));
        let suspensions = self.suspensions.iter().map(|(need, n)| format!("{need} {n}"));
        line(format!("  fallbacks: {}", counts(fallbacks.collect())))?;
        line(format!("  suspensions: {}", counts(suspensions.collect())))?;
        let Summary { rounds, replays, redone, .. } = self;
        line(format!("  rounds: {rounds}; replays: {replays}; redone: {redone}"))?;
        if self.device_transactions > 0 {
            let (given, beside) = (self.device_transactions, self.beside_device);
            line(format!("  given to the device: {given}; run ahead beside it: {beside}"))?;
        }
        if self.header_checks_not_checkable > 0 {
            let count = self.header_checks_not_checkable;
            line(format!("  header fields that cannot be checked before Byzantium: {count}"))?;
        }
        if self.bytes_per_instance > 0 {
            line(format!("  device memory of an instance: {} bytes", self.bytes_per_instance))?;
        }
        for (bytes, count) in &self.larger_classes {
            line(format!("  instances that needed {bytes} bytes: {count}"))?;
        }
        let stages = self.seconds.iter().map(|(stage, s)| format!("{stage} {}", duration(*s)));
        line(format!("  seconds: {}", stages.collect::<Vec<_>>().join(", ")))
    }
}

/// The name of a fallback as JSON has it.
fn name(reason: &Fallback) -> String {
    serde_json::to_value(reason)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_else(|| format!("{reason:?}"))
}
