//! Counting what happened.

use std::sync::LazyLock;
use std::time::Duration;

use warpevm_kernels::abi::{Layout, NEED};

use crate::instance::layout::CLASS_COUNT;
use crate::types::{Outcome, Report};

/// How many needs there are.
const NEEDS_COUNT: usize = NEED.1.len();

/// Names of the needs, by their numbers: `InitCode` is `init-code`.
static NEED_NAMES: LazyLock<[String; NEEDS_COUNT]> = LazyLock::new(|| {
    let mut names = [const { String::new() }; NEEDS_COUNT];
    for need in NEED.1 {
        let name = &mut names[need.value as usize];
        for letter in need.name.chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.extend(letter.to_lowercase());
        }
    }
    names
});

/// What one worker counts; summed up for a [`Report`].
#[derive(Clone, Debug, Default)]
pub struct Counts {
    transactions: u64,
    gas_used: u64,
    resident_transactions: u64,
    resident_gas: u64,
    fallbacks: std::collections::BTreeMap<crate::types::Fallback, u64>,
    /// By [`warpevm_kernels::abi::Need`].
    pub suspensions: [u64; NEEDS_COUNT],
    /// Instances that ended in each memory class.
    pub classes: [u64; CLASS_COUNT],
    /// Time spent compiling.
    pub compile: Duration,
    /// Time spent reading the database.
    pub page_in: Duration,
    /// Time spent in precompiles on the host.
    pub host_precompiles: Duration,
    /// Time spent in revm.
    pub fallback: Duration,
    /// Time spent encoding for a device.
    pub encode: Duration,
    /// Time that a device's kernels ran.
    pub kernel: Duration,
    /// Time spent waiting for results of a device.
    pub readback: Duration,
    /// Bytes of results of a device.
    pub readback_bytes: u64,
}

impl Counts {
    /// Counts a transaction.
    pub fn outcome(&mut self, outcome: &Outcome) {
        let gas = outcome.result.as_ref().map(|executed| executed.gas_used).unwrap_or_default();
        self.transactions += 1;
        // A simulation may have gas limits near 2^64.
        self.gas_used = self.gas_used.saturating_add(gas);
        match outcome.fallback {
            None => {
                self.resident_transactions += 1;
                self.resident_gas = self.resident_gas.saturating_add(gas);
            }
            Some(reason) => *self.fallbacks.entry(reason).or_default() += 1,
        }
    }

    /// Adds what another worker counted.
    pub fn add(&mut self, other: &Counts) {
        self.transactions += other.transactions;
        self.gas_used = self.gas_used.saturating_add(other.gas_used);
        self.resident_transactions += other.resident_transactions;
        self.resident_gas = self.resident_gas.saturating_add(other.resident_gas);
        for (reason, count) in &other.fallbacks {
            *self.fallbacks.entry(*reason).or_default() += count;
        }
        for (sum, count) in self.suspensions.iter_mut().zip(other.suspensions) {
            *sum += count;
        }
        for (sum, count) in self.classes.iter_mut().zip(other.classes) {
            *sum += count;
        }
        self.compile += other.compile;
        self.page_in += other.page_in;
        self.host_precompiles += other.host_precompiles;
        self.fallback += other.fallback;
        self.encode += other.encode;
        self.kernel += other.kernel;
        self.readback += other.readback;
        self.readback_bytes += other.readback_bytes;
    }

    /// The report. Times of stages that run on several threads are summed over these.
    pub fn report(&self, layouts: &[Layout; CLASS_COUNT]) -> Report {
        let mut report = Report {
            transactions: self.transactions,
            gas_used: self.gas_used,
            resident_transactions: self.resident_transactions,
            resident_gas: self.resident_gas,
            fallbacks: self.fallbacks.clone(),
            ..Default::default()
        };
        report.readback_bytes = self.readback_bytes;
        let needs = NEED_NAMES.iter().map(String::as_str).zip(self.suspensions);
        report.suspensions.extend(needs.filter(|(_, count)| *count > 0));
        let used = || (0..CLASS_COUNT).filter(|&class| self.classes[class] > 0);
        let smallest = used().next();
        report.bytes_per_instance = smallest.map_or(0, |class| layouts[class].bytes);
        let larger = used().filter(|&class| Some(class) != smallest);
        report.larger_classes = larger.map(|c| (layouts[c].bytes, self.classes[c])).collect();
        let stages = [
            ("compile", self.compile),
            ("page-in", self.page_in),
            ("host-precompiles", self.host_precompiles),
            ("fallback", self.fallback),
            ("encode", self.encode),
            ("kernel", self.kernel),
            ("readback", self.readback),
        ];
        let spent = stages.into_iter().filter(|(_, time)| !time.is_zero());
        report.seconds.extend(spent.map(|(stage, time)| (stage, time.as_secs_f64())));
        report
    }
}
