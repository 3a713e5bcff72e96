//! What calls of functions did in earlier blocks.

use alloy_primitives::map::HashMap;

use super::times::Work;
use crate::limits::FUNCTIONS_COUNT_MAX;
use crate::plan::Target;
use crate::types::Transaction;

/// Share of runs ahead in vain from which calls of a function are expected to depend on each other.
const CONTENDED: f64 = 0.5;
/// Share from which calls of a function leave versions for each other.
const IN_VAIN: f64 = 0.02;
/// Weight of the newest run in this share.
const NEWEST: f64 = 0.125;

/// What is known of a function: averages that forget.
#[derive(Clone, Copy, Debug)]
struct FunctionAverages {
    gas: f64,
    /// Share of its calls that ran ahead in vain.
    vain: f64,
    /// Time of a call in a block that one thread executed.
    seconds: Option<f64>,
}

/// What calls of functions did.
#[derive(Debug, Default)]
pub(super) struct Functions(HashMap<Target, FunctionAverages>);

impl Functions {
    /// A call used so much gas. `in_vain` says of one that ran ahead whether that was in vain,
    /// `seconds` of one in a block that one thread executed what it took.
    pub(super) fn learn(
        &mut self,
        tx: &Transaction,
        gas: u64,
        in_vain: Option<bool>,
        seconds: Option<f64>,
    ) {
        let Some(target) = Target::of(tx).filter(|target| target.selector.is_some()) else {
            return;
        };
        if self.0.len() >= FUNCTIONS_COUNT_MAX {
            self.0.clear();
        }
        let gas = gas as f64;
        let function =
            self.0.entry(target).or_insert(FunctionAverages { gas, vain: 0.0, seconds: None });
        function.gas += NEWEST * (gas - function.gas);
        if let Some(in_vain) = in_vain {
            function.vain += NEWEST * (f64::from(u8::from(in_vain)) - function.vain);
        }
        if let Some(seconds) = seconds {
            let average = function.seconds.unwrap_or(seconds);
            function.seconds = Some(average + NEWEST * (seconds - average));
        }
    }

    /// Its calls are expected to depend on each other.
    pub(super) fn is_contended(&self, target: &Target) -> bool {
        self.0.get(target).is_some_and(|function| function.vain >= CONTENDED)
    }

    /// Its calls leave versions for each other.
    pub(super) fn runs_in_vain(&self, target: &Target) -> bool {
        self.0.get(target).is_some_and(|function| function.vain >= IN_VAIN)
    }

    /// Gas and, if that is known, time of calls of the same function.
    pub(super) fn of(&self, tx: &Transaction) -> Option<Work> {
        let function = self.0.get(&Target::of(tx)?)?;
        Some((function.gas as u64, function.seconds))
    }
}
