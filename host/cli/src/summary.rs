//! Adds up what happened and prints it. docs/RESULTS.md explains every field.

use super::stages::Stages;
use serde::Serialize;
use std::collections::BTreeMap;
use warpevm::chain::HeaderCheck;
use warpevm::results::{result_end, status_name};
use warpevm::types::{Backend, Fallback, Outcome, Report};
use warpevm_benches::figures::{duration, percent};

/// The statuses in the order in which they are told.
const STATUSES: [&str; 4] = ["success", "revert", "halt", "invalid"];

/// A block's, a batch's or a whole run's results. The field names are those of `--json`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct RunSummary {
    /// The backend asked for.
    pub backend: Option<Backend>,
    /// Blocks executed.
    pub blocks: u64,
    /// Batches simulated.
    pub batches: u64,
    pub transactions: u64,
    /// Transactions that were not valid.
    pub rejected: u64,
    /// Transactions whose results an earlier run had written (`--resume`); counted nowhere else.
    pub resumed: u64,
    /// Status to end to count.
    pub ends: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    pub gas_used: u64,
    /// Gas per second of execution, in millions.
    pub mgas_per_second: f64,
    /// Transactions compared with revm.
    pub validated: u64,
    /// Transactions that revm ran in the device's place, so that there was nothing to compare.
    pub unchecked: u64,
    /// Transactions whose result differs from revm's.
    pub mismatches: u64,
    pub header_checks: u64,
    pub header_checks_failed: u64,
    /// Header fields that were not checked, by name.
    pub header_not_checked: BTreeMap<&'static str, u64>,
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
    #[serde(flatten)]
    pub stages: Stages,
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

impl RunSummary {
    /// Takes in a backend's report of a run of `seconds`.
    pub(crate) fn report(&mut self, report: &Report, seconds: f64) {
        self.transactions += report.transactions;
        // Calls of a simulation may use 2^63 gas each.
        self.gas_used = self.gas_used.saturating_add(report.gas_used);
        self.resident.0 += report.resident_transactions;
        self.resident.1 = self.resident.1.saturating_add(report.resident_gas);
        add_counts(&mut self.fallbacks, &report.fallbacks);
        add_counts(&mut self.suspensions, &report.suspensions);
        add_counts(&mut self.larger_classes, &report.larger_classes);
        for (stage, seconds) in &report.seconds {
            self.stages.add(stage, *seconds);
        }
        self.stages.add("run", seconds);
        self.rounds += report.rounds;
        self.device_transactions += report.device_transactions;
        self.beside_device += report.beside_device;
        self.replays += report.replays;
        self.redone += report.redone;
        self.first_final += report.first_final;
        self.bytes_per_instance = self.bytes_per_instance.max(report.bytes_per_instance);
        self.settle();
    }

    /// Counts how transactions ended.
    pub(crate) fn outcomes(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let ends = self.ends.entry(status_name(outcome)).or_default();
            *ends.entry(result_end(outcome)).or_default() += 1;
            self.rejected += u64::from(outcome.result.is_err());
        }
        // The validator counts those that a device's run left to revm.
        if self.backend == Some(Backend::Revm) {
            self.unchecked += outcomes.len() as u64;
        }
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
        self.gas_used = self.gas_used.saturating_add(gas(expected));
        *self.fallbacks.entry(Fallback::Mismatch).or_default() += 1;
        self.settle();
    }

    /// Takes in the header checks of a block, and the fields that no check looks at.
    pub(crate) fn header(&mut self, checks: &[HeaderCheck], not_computed: &[&'static str]) {
        for check in checks {
            self.header_checks += u64::from(check.ok.is_some());
            self.header_checks_failed += u64::from(check.failed());
        }
        let unknown = checks.iter().filter(|check| check.ok.is_none()).map(|check| check.field);
        for field in unknown.chain(not_computed.iter().copied()) {
            *self.header_not_checked.entry(field).or_default() += 1;
        }
    }

    /// Adds another summary to this one.
    pub(crate) fn add(&mut self, other: &RunSummary) {
        self.blocks += other.blocks;
        self.batches += other.batches;
        self.transactions += other.transactions;
        self.rejected += other.rejected;
        self.resumed += other.resumed;
        for (status, ends) in &other.ends {
            add_counts(self.ends.entry(status).or_default(), ends);
        }
        self.gas_used = self.gas_used.saturating_add(other.gas_used);
        self.validated += other.validated;
        self.unchecked += other.unchecked;
        self.mismatches += other.mismatches;
        self.header_checks += other.header_checks;
        self.header_checks_failed += other.header_checks_failed;
        add_counts(&mut self.header_not_checked, &other.header_not_checked);
        self.resident.0 += other.resident.0;
        self.resident.1 = self.resident.1.saturating_add(other.resident.1);
        add_counts(&mut self.fallbacks, &other.fallbacks);
        add_counts(&mut self.suspensions, &other.suspensions);
        add_counts(&mut self.larger_classes, &other.larger_classes);
        self.stages.add_all(&other.stages);
        self.rounds += other.rounds;
        self.device_transactions += other.device_transactions;
        self.beside_device += other.beside_device;
        self.replays += other.replays;
        self.redone += other.redone;
        self.first_final += other.first_final;
        self.bytes_per_instance = self.bytes_per_instance.max(other.bytes_per_instance);
        self.settle();
    }

    /// Works out shares and rates.
    pub(crate) fn settle(&mut self) {
        self.residency = Residency {
            transactions: share(self.resident.0, self.transactions),
            gas: share(self.resident.1, self.gas_used),
        };
        let seconds = self.stages.seconds("run");
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
        let run = self.stages.seconds("run");
        format!(
            "{} transactions, {:.2} Mgas in {} ({:.1} Mgas/s)",
            self.transactions,
            self.gas_used as f64 / 1e6,
            duration(run),
            self.mgas_per_second,
        )
    }

    fn differences(&self) -> String {
        format!("{} of {} DIFFER from revm's", self.mismatches, self.validated)
    }

    fn failed_checks(&self) -> String {
        format!("{} of {} header checks FAIL", self.header_checks_failed, self.header_checks)
    }

    /// What is wrong, where [`RunSummary::failed`] says that something is.
    pub(crate) fn wrong(&self) -> String {
        let differs = (self.mismatches > 0).then(|| self.differences());
        let checks = (self.header_checks_failed > 0).then(|| self.failed_checks());
        differs.into_iter().chain(checks).collect::<Vec<_>>().join("; ")
    }

    /// One line of how it ran and whether it is right.
    pub(crate) fn verdict(&self) -> String {
        let mut parts = vec![format!(
            "resident {} of transactions, {} of gas",
            percent(self.residency.transactions),
            percent(self.residency.gas)
        )];
        match (self.validated, self.mismatches) {
            (0, 0) if self.unchecked > 0 => {}
            (0, 0) => parts.push("not compared with revm".to_owned()),
            (validated, 0) => parts.push(format!("{validated} equal revm's")),
            _ => parts.push(self.differences()),
        }
        if self.unchecked > 0 {
            parts.push(format!("{} not checked (ran on revm)", self.unchecked));
        }
        if self.header_checks > 0 {
            parts.push(match self.header_checks_failed {
                0 => format!("{} header checks hold", self.header_checks),
                _ => self.failed_checks(),
            });
        }
        if self.rejected > 0 {
            parts.push(format!("{} not valid", self.rejected));
        }
        parts.join("; ")
    }

    /// One line of how transactions ended; `None` if none did.
    pub(crate) fn ended(&self) -> Option<String> {
        let status = |status: &'static str| {
            let ends = self.ends.get(status)?;
            let all: u64 = ends.values().sum();
            let ends: Vec<String> = ends.iter().map(|(end, n)| format!("{end} {n}")).collect();
            Some(match ends.len() {
                1 if ends[0] == format!("{status} {all}") => format!("{status} {all}"),
                _ => format!("{status} {all} ({})", ends.join(", ")),
            })
        };
        let told: Vec<String> = STATUSES.into_iter().filter_map(status).collect();
        (!told.is_empty()).then(|| format!("results: {}", told.join("; ")))
    }

    /// Everything, for people, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("total: {}", self.short()), format!("  {}", self.verdict())];
        lines.extend(self.ended().map(|ended| format!("  {ended}")));
        if self.resumed > 0 {
            let resumed = self.resumed;
            lines.push(format!("  taken over from an earlier run, beside these: {resumed}"));
        }
        let counts = |counts: Vec<String>| match counts.is_empty() {
            true => "none".to_owned(),
            false => counts.join(", "),
        };
        let fallbacks = self.fallbacks.iter().map(|(reason, n)| format!("{} {n}", name(reason)));
        let suspensions = self.suspensions.iter().map(|(need, n)| format!("{need} {n}"));
        lines.push(format!("  fallbacks: {}", counts(fallbacks.collect())));
        lines.push(format!("  suspensions: {}", counts(suspensions.collect())));
        let RunSummary { rounds, replays, redone, .. } = self;
        lines.push(format!("  rounds: {rounds}; replays: {replays}; redone: {redone}"));
        if self.device_transactions > 0 {
            let (given, beside) = (self.device_transactions, self.beside_device);
            lines.push(format!("  given to the device: {given}; run ahead beside it: {beside}"));
        }
        if !self.header_not_checked.is_empty() {
            let fields = self.header_not_checked.iter().map(|(field, n)| format!("{field} {n}"));
            lines.push(format!("  header fields not checked: {}", counts(fields.collect())));
        }
        if self.bytes_per_instance > 0 {
            lines
                .push(format!("  device memory of an instance: {} bytes", self.bytes_per_instance));
        }
        for (bytes, count) in &self.larger_classes {
            lines.push(format!("  instances that needed {bytes} bytes: {count}"));
        }
        lines.extend(self.stages.lines().into_iter().map(|line| format!("  {line}")));
        if self.validated > 0 {
            let (count, spent) = (self.validated, duration(self.stages.seconds("validate")));
            lines.push(format!(
                "  validation ran {count} transactions again on revm: {spent} (--validate sample \
                 or off for less)"
            ));
        }
        lines
    }
}

/// Adds counts by name.
fn add_counts<K: Ord + Copy>(sums: &mut BTreeMap<K, u64>, counts: &BTreeMap<K, u64>) {
    for (what, count) in counts {
        *sums.entry(*what).or_default() += count;
    }
}

/// The name of a fallback as JSON has it.
fn name(reason: &Fallback) -> String {
    serde_json::to_value(reason)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_else(|| format!("{reason:?}"))
}
