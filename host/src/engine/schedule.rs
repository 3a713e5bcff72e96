//! How a crew goes about a block: who waits for whom, what may run ahead, and whether it pays.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use alloy_primitives::Address;
use alloy_primitives::map::{AddressMap, HashMap};
use revm::DatabaseRef;

use super::cost::{Expected, is_worth_ahead};
use super::crew::Waits;
use super::execute::Hints;
use super::prefill::prefill;
use super::{Engine, lock};
use crate::error::Error;
use crate::limits::{BLOCKS_PER_MEASUREMENT_COUNT, FUNCTIONS_COUNT_MAX, SPECULATION_WINDOW_COUNT};
use crate::plan::{BlockAccesses, Dag, Key, MissingSets, Role, Source, Target};
use crate::session::Session;
use crate::state::versions::Versions;
use crate::types::{Policy, Transaction};

/// Share of runs ahead in vain from which calls of a function are expected to depend on each other.
const CONTENDED: f64 = 0.5;
/// Share from which calls of a function leave versions for each other.
const IN_VAIN: f64 = 0.02;
/// Weight of the newest run in this share.
const NEWEST: f64 = 0.125;

/// What is known of a function: averages that forget.
#[derive(Clone, Copy, Debug)]
struct Function {
    gas: f64,
    /// Share of its calls that ran ahead in vain.
    vain: f64,
    /// Time of a call in a block that one thread executed.
    seconds: Option<f64>,
}

/// What calls of functions did.
#[derive(Debug, Default)]
pub(super) struct Functions(HashMap<Target, Function>);

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
        let function = self.0.entry(target).or_insert(Function { gas, vain: 0.0, seconds: None });
        function.gas += NEWEST * (gas - function.gas);
        if let Some(in_vain) = in_vain {
            function.vain += NEWEST * (f64::from(u8::from(in_vain)) - function.vain);
        }
        if let Some(seconds) = seconds {
            let average = function.seconds.unwrap_or(seconds);
            function.seconds = Some(average + NEWEST * (seconds - average));
        }
    }

    fn is_contended(&self, target: &Target) -> bool {
        self.0.get(target).is_some_and(|function| function.vain >= CONTENDED)
    }

    fn runs_in_vain(&self, target: &Target) -> bool {
        self.0.get(target).is_some_and(|function| function.vain >= IN_VAIN)
    }

    /// Gas and, if that is known, time of calls of the same function.
    fn of(&self, tx: &Transaction) -> Option<(u64, Option<f64>)> {
        let function = self.0.get(&Target::of(tx)?)?;
        Some((function.gas as u64, function.seconds))
    }
}

impl From<&Dag> for Waits {
    fn from(dag: &Dag) -> Waits {
        let mut waits = Waits::none();
        (0..dag.len() as u32).for_each(|index| waits.push(dag.waits(index).iter().copied()));
        waits
    }
}

/// How a crew goes about a block.
pub(super) struct Schedule {
    /// Threads besides the one that calls.
    pub helpers: usize,
    /// Which transactions wait for which.
    pub waits: Waits,
    /// Per transaction: it is light. Beyond its end: it is not.
    pub light: Vec<bool>,
    /// How many transactions beyond the committed ones may run ahead.
    pub window: usize,
    /// Per transaction: if it runs ahead, it leaves versions. Beyond its end: it does not.
    pub publish: Vec<bool>,
    /// What several threads are expected to take, if that was asked.
    pub expected: Option<Expected>,
}

impl Schedule {
    /// One thread executes all in order.
    fn alone() -> Schedule {
        let (waits, light) = (Waits::none(), Vec::new());
        Schedule { helpers: 0, waits, light, window: 0, publish: Vec::new(), expected: None }
    }
}

impl Engine {
    /// Decides how a crew goes about a block.
    pub(super) fn prepare<DB: DatabaseRef + Sync>(
        &self,
        session: &mut Session<'_, DB>,
        txs: &[Transaction],
        hints: &Hints<'_>,
    ) -> Result<Schedule, Error> {
        let (policy, env) = (self.config.policy, session.env);
        let helpers = (self.threads() - 1).min(txs.len().saturating_sub(1));
        if helpers == 0 || policy == Policy::Sequential {
            return Ok(Schedule::alone());
        }
        let (mut light, mut expected) = (Vec::new(), None);
        let mut window = SPECULATION_WINDOW_COUNT.saturating_mul(self.threads());
        let list = hints.block_access_list.filter(|_| policy != Policy::Optimistic);
        let waits = match (policy, hints.waits) {
            (Policy::Optimistic, _) => {
                window = txs.len();
                Waits::none()
            }
            // The list has what others will leave: nobody needs to wait.
            _ if list.is_some() => {
                window = txs.len();
                Waits::none()
            }
            (_, Some(waits)) => waits.clone(),
            (Policy::Declared, _) => Waits::from(&Dag::build(&declared(txs))),
            (Policy::Waves, _) => {
                let mut accesses = BlockAccesses::new();
                let make = MissingSets::Make;
                self.predictor.predict(env, txs, session.state, None, make, &mut accesses);
                Waits::from(&Dag::build(&accesses))
            }
            _ => self.quick_waits(txs),
        };
        if policy == Policy::Auto {
            let functions = lock(&self.functions);
            let work = |tx| functions.of(tx).unwrap_or_else(|| (self.predictor.gas(tx), None));
            let work: Vec<(u64, Option<f64>)> = txs.iter().map(work).collect();
            drop(functions);
            expected = self.costs.favour_threads(&work, &waits, helpers + 1);
            let number = self.blocks.fetch_add(1, Ordering::Relaxed);
            // From time to time one thread shows what one takes.
            if expected.is_none() || number % BLOCKS_PER_MEASUREMENT_COUNT == 1 {
                return Ok(Schedule::alone());
            }
            light = work.iter().map(|(gas, _)| !is_worth_ahead(*gas)).collect();
        }
        session.versions = self.versions(txs.len());
        let publish = match (list, &session.versions) {
            (Some(list), Some(versions)) => {
                prefill(session, versions, list, txs.len())?;
                Vec::new()
            }
            _ if policy == Policy::Auto => self.wanted(txs, &waits),
            _ => vec![true; txs.len()],
        };
        Ok(Schedule { helpers, waits, light, window, publish, expected })
    }

    /// Transactions whose versions someone will likely read: others wait for them, or calls of the
    /// same function have run in vain.
    fn wanted(&self, txs: &[Transaction], waits: &Waits) -> Vec<bool> {
        let functions = lock(&self.functions);
        let in_vain = |tx| Target::of(tx).is_some_and(|target| functions.runs_in_vain(&target));
        let mut wanted: Vec<bool> = txs.iter().map(in_vain).collect();
        for index in 0..txs.len() {
            for earlier in waits.of(index) {
                if let Some(wanted) = wanted.get_mut(*earlier as usize) {
                    *wanted = true;
                }
            }
        }
        wanted
    }

    /// Room for the versions of a block, used before or new.
    fn versions(&self, transactions: usize) -> Option<Arc<Versions>> {
        let mut kept = lock(&self.versions);
        let free = |versions: &Arc<Versions>| Arc::strong_count(versions) == 1;
        if let Some(at) = kept.iter().position(|one| free(one) && one.fits(transactions)) {
            return Some(kept[at].clone());
        }
        let versions = Arc::new(Versions::new(transactions)?);
        kept.retain(|one| !free(one));
        kept.push(versions.clone());
        Some(versions)
    }

    /// What is known at a glance: transactions of one sender depend on each other, and calls of
    /// functions that turned out so.
    fn quick_waits(&self, txs: &[Transaction]) -> Waits {
        let functions = lock(&self.functions);
        let mut senders = AddressMap::<u32>::default();
        let mut targets = HashMap::<Target, u32>::default();
        let mut waits = Waits::none();
        for (index, tx) in (0u32..).zip(txs) {
            let same_sender = senders.insert(tx.caller, index);
            let contended = Target::of(tx).filter(|target| functions.is_contended(target));
            let same_target = contended.and_then(|target| targets.insert(target, index));
            waits.push([same_sender, same_target].into_iter().flatten());
        }
        waits
    }
}

/// What transactions declare of themselves: sender, and slots of their access lists (EIP-2930),
/// which may be read as well as written.
fn declared(txs: &[Transaction]) -> BlockAccesses {
    let both = Role::READ.and(Role::WRITE);
    let mut accesses = BlockAccesses::new();
    for tx in txs {
        accesses.add(Key::Nonce(tx.caller), both, Source::Sender);
        for item in tx.access_list.iter() {
            let address: Address = item.address;
            for slot in &item.storage_keys {
                accesses.add(Key::Slot(address, (*slot).into()), both, Source::AccessList);
            }
        }
        accesses.end(false);
    }
    accesses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Config;
    use alloy_primitives::TxKind;

    fn tx(caller: u8, to: u8) -> Transaction {
        Transaction {
            caller: Address::with_last_byte(caller),
            kind: TxKind::Call(Address::with_last_byte(to)),
            data: vec![1, 2, 3, 4].into(),
            ..Transaction::default()
        }
    }

    #[test]
    fn calls_wait_for_their_sender_and_where_they_contend() {
        let engine = Engine::new(Config::default()).expect("an engine");
        let txs = [tx(1, 9), tx(2, 9), tx(1, 8), tx(3, 9)];
        let waits = |engine: &Engine| {
            let waits = engine.quick_waits(&txs);
            (0..txs.len()).map(|index| waits.of(index).to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(waits(&engine), [vec![], vec![], vec![0], vec![]]);
        (0..20).for_each(|_| lock(&engine.functions).learn(&tx(5, 9), 50_000, Some(true), None));
        assert_eq!(waits(&engine), [vec![], vec![0], vec![0], vec![1]]);
        (0..20).for_each(|_| lock(&engine.functions).learn(&tx(5, 9), 50_000, Some(false), None));
        assert_eq!(waits(&engine), [vec![], vec![], vec![0], vec![]]);
        assert_eq!(lock(&engine.functions).of(&tx(7, 9)), Some((50_000, None)));
        lock(&engine.functions).learn(&tx(5, 9), 50_000, None, Some(0.5));
        assert_eq!(lock(&engine.functions).of(&tx(7, 9)), Some((50_000, Some(0.5))));
    }
}
