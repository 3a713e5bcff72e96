//! Counting what happened.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use warpevm_kernels::abi::{Layout, NEED};

use crate::limits::CLASS_COUNT;
use crate::types::{Fallback, Outcome, Report};

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

/// What can be added up.
trait Tally {
    /// Adds what another counted.
    fn tally(&mut self, other: &Self);
}

impl Tally for u64 {
    // A simulation may have gas limits near 2^64.
    fn tally(&mut self, other: &u64) {
        *self = self.saturating_add(*other);
    }
}

impl Tally for Duration {
    fn tally(&mut self, other: &Duration) {
        *self += *other;
    }
}

impl<T: Tally, const N: usize> Tally for [T; N] {
    fn tally(&mut self, other: &[T; N]) {
        self.iter_mut().zip(other).for_each(|(sum, count)| sum.tally(count));
    }
}

impl Tally for BTreeMap<Fallback, u64> {
    fn tally(&mut self, other: &BTreeMap<Fallback, u64>) {
        other.iter().for_each(|(reason, count)| self.entry(*reason).or_default().tally(count));
    }
}

/// Declares counters, and times by the stage that they are reported as.
macro_rules! counters {
    (
        counts { $($(#[doc = $doc:literal])* $count:ident: $type:ty,)* }
        times { $($(#[doc = $time_doc:literal])* $time:ident: $stage:literal,)* }
    ) => {
        /// What one worker counts; summed up for a [`Report`].
        #[derive(Clone, Debug, Default)]
        pub struct Counts {
            $($(#[doc = $doc])* pub $count: $type,)*
            $($(#[doc = $time_doc])* pub $time: Duration,)*
        }

        impl Counts {
            /// Adds what another worker counted.
            pub fn add(&mut self, other: &Counts) {
                $(self.$count.tally(&other.$count);)*
                $(self.$time.tally(&other.$time);)*
            }

            /// Times by stage.
            fn stages(&self) -> impl Iterator<Item = (&'static str, Duration)> {
                [$(($stage, self.$time),)*].into_iter()
            }
        }
    };
}

counters! {
    counts {
        /// Transactions, rejected ones included.
        transactions: u64,
        /// Gas used by all.
        gas_used: u64,
        /// Those that ran wholly on the device asked for.
        resident_transactions: u64,
        /// Gas used by these.
        resident_gas: u64,
        /// Why others did not.
        fallbacks: BTreeMap<Fallback, u64>,
        /// By [`warpevm_kernels::abi::Need`].
        suspensions: [u64; NEEDS_COUNT],
        /// Instances that ended in each memory class.
        classes: [u64; CLASS_COUNT],
        /// Bytes of results of a device.
        readback_bytes: u64,
    }
    times {
        /// Time spent compiling.
        compile: "compile",
        /// Time spent reading the database.
        page_in: "page-in",
        /// Time spent in precompiles on the host.
        host_precompiles: "host-precompiles",
        /// Time spent in revm.
        fallback: "fallback",
        /// Time spent encoding for a device.
        encode: "encode",
        /// Time that a device's kernels ran.
        kernel: "kernel",
        /// Time spent waiting for results of a device.
        readback: "readback",
    }
}

impl Counts {
    /// Counts a transaction.
    pub fn outcome(&mut self, outcome: &Outcome) {
        let gas = outcome.result.as_ref().map(|executed| executed.gas_used).unwrap_or_default();
        self.transactions += 1;
        self.gas_used.tally(&gas);
        match outcome.fallback {
            None => {
                self.resident_transactions += 1;
                self.resident_gas.tally(&gas);
            }
            Some(reason) => *self.fallbacks.entry(reason).or_default() += 1,
        }
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
        let spent = self.stages().filter(|(_, time)| !time.is_zero());
        report.seconds.extend(spent.map(|(stage, time)| (stage, time.as_secs_f64())));
        report
    }
}
