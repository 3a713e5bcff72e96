//! How a crew goes about a block: who waits for whom, what may run ahead, and whether it pays.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use alloy_primitives::Address;
use alloy_primitives::map::{AddressMap, HashMap};
use revm::DatabaseRef;

use super::cost::{Expected, Work, is_worth_ahead};
use super::crew::Waits;
use super::execute::Hints;
use super::prefill::prefill;
use super::{Engine, lock};
use crate::error::Error;
use crate::instance::session::Session;
use crate::limits::{
    BLOCKS_PER_MEASUREMENT_COUNT, DEVICE_GROUP_COUNT_MIN, FUNCTIONS_COUNT_MAX,
    SPECULATION_WINDOW_COUNT,
};
use crate::plan::{BlockAccessList, BlockAccesses, Dag, Key, MissingSets, Role, Source, Target};
use crate::state::versions::Versions;
use crate::types::{Backend, Fallback, Policy, Transaction};

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

/// What a device runs ahead of a block.
#[derive(Debug, Default)]
pub(super) struct Wide {
    /// Per transaction: the device gets it. Those of chains are for CPU threads.
    pub takes: Vec<bool>,
    /// Which transactions each waits for. They must be committed: a device reads the table alone.
    pub waits: Waits,
    /// The fewest that it gets at once.
    pub group_min: usize,
    /// Groups that it will get if all goes as expected.
    pub groups: usize,
    /// All transactions but these, those that begin the longest chains first.
    pub chains: Vec<u32>,
}

impl Wide {
    /// Divides a block: `gas` is that of each transaction, and 0 of those that no one runs ahead.
    ///
    /// A *wave* is what waits for the same number of transactions, one after the other. A wave with
    /// fewer than `group_min` transactions is *narrow*: it leaves most of a device idle. What is in
    /// narrow waves and the longest way there is a chain.
    pub fn of(waits: Waits, gas: &[u64], group_min: usize) -> Wide {
        let count = gas.len();
        // Hints may name anyone.
        let earlier = |index: usize| waits.of(index).iter().map(|at| *at as usize);
        let earlier = |index: usize| earlier(index).filter(move |at| *at < index);
        let mut levels: Vec<usize> = Vec::with_capacity(count);
        for index in 0..count {
            levels.push(earlier(index).map(|at| levels[at] + 1).max().unwrap_or(0));
        }
        let mut widths = vec![0usize; levels.iter().max().map_or(0, |most| most + 1)];
        let heavy = |index: &usize| gas[*index] > 0;
        (0..count).filter(heavy).for_each(|index| widths[levels[index]] += 1);
        let mut takes: Vec<bool> =
            (0..count).map(|index| gas[index] > 0 && widths[levels[index]] >= group_min).collect();
        let mut ahead = gas.to_vec();
        for index in (0..count).rev() {
            for at in earlier(index) {
                ahead[at] = ahead[at].max(gas[at].saturating_add(ahead[index]));
            }
            if gas[index] > 0 && !takes[index] {
                let before = earlier(index).max_by_key(|at| (levels[*at], gas[*at]));
                before.into_iter().for_each(|at| takes[at] = false);
            }
        }
        let mut chains: Vec<u32> =
            (0..count).filter(|index| !takes[*index]).map(|index| index as u32).collect();
        chains.sort_by_key(|index| (Reverse(ahead[*index as usize]), *index));
        let groups = widths.iter().filter(|width| **width >= group_min).count();
        Wide { takes, waits, group_min, groups, chains }
    }
}

/// How a crew goes about a block.
#[derive(Debug, Default)]
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
    /// What was expected to be fastest, if that was asked.
    pub expected: Option<Expected>,
    /// What a device runs ahead, if one does.
    pub wide: Option<Wide>,
    /// Why CPU threads execute what the device does not get, if one was asked for.
    pub aside: Option<Fallback>,
}

impl Schedule {
    /// The transaction is not worth to be run ahead.
    pub(super) fn is_light(&self, index: usize) -> bool {
        self.light.get(index).is_some_and(|light| *light)
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
        let policy = self.config.policy;
        let device = self.config.backend.is_device();
        let aside = device.then_some(match policy {
            Policy::Sequential => Fallback::InOrder,
            Policy::Auto => Fallback::Cost,
            _ => Fallback::Chain,
        });
        // One thread executes all in order.
        let alone = Schedule { aside, ..Schedule::default() };
        let helpers = (self.threads() - 1).min(txs.len().saturating_sub(1));
        let no_other = helpers == 0 && !device;
        if no_other || policy == Policy::Sequential || self.config.backend == Backend::Revm {
            return Ok(alone);
        }
        let (mut light, mut expected, mut wide) = (Vec::new(), None, None);
        let mut window = SPECULATION_WINDOW_COUNT.saturating_mul(self.threads());
        let list = hints.block_access_list.filter(|_| policy != Policy::Optimistic);
        let mut waits = self.waits(session, txs, hints);
        if policy == Policy::Auto {
            let functions = lock(&self.functions);
            let work = |tx| functions.of(tx).unwrap_or_else(|| (self.predictor.gas(tx), None));
            let work: Vec<Work> = txs.iter().map(work).collect();
            drop(functions);
            light = work.iter().map(|(gas, _)| !is_worth_ahead(*gas)).collect();
            let threads = helpers + 1;
            expected = self.costs.favour_threads(&work, &waits, threads);
            if device {
                let gas = |(gas, _): &Work| if is_worth_ahead(*gas) { *gas } else { 0 };
                let gas: Vec<u64> = work.iter().map(gas).collect();
                let divided = Wide::of(waits.clone(), &gas, DEVICE_GROUP_COUNT_MIN);
                if let Some(found) = self.costs.favour_device(&work, &divided, threads) {
                    (expected, wide) = (Some(found), Some(divided));
                }
            }
            let number = self.blocks.fetch_add(1, Ordering::Relaxed);
            // From time to time one thread shows what one takes.
            if expected.is_none() || number % BLOCKS_PER_MEASUREMENT_COUNT == 1 {
                return Ok(alone);
            }
        } else if device {
            let gas: Vec<u64> = txs.iter().map(|tx| self.predictor.gas(tx).max(1)).collect();
            let group_min = match policy {
                Policy::Optimistic => 1,
                _ => DEVICE_GROUP_COUNT_MIN,
            };
            wide = Some(Wide::of(waits.clone(), &gas, group_min));
        }
        let aside = if wide.is_some() { aside.map(|_| Fallback::Chain) } else { aside };
        session.versions = self.versions(txs.len());
        let publish = match (list, &session.versions) {
            (Some(list), Some(versions)) => {
                prefill(session, versions, list, txs.len())?;
                // It has what others will leave: no thread needs to wait.
                (waits, window) = (Waits::none(), txs.len());
                Vec::new()
            }
            _ if policy == Policy::Auto => self.wanted(txs, &waits),
            _ => vec![true; txs.len()],
        };
        if policy == Policy::Optimistic {
            window = txs.len();
        }
        Ok(Schedule { helpers, waits, light, window, publish, expected, wide, aside })
    }

    /// Who waits for whom. With a block access list the device alone needs it.
    fn waits<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        txs: &[Transaction],
        hints: &Hints<'_>,
    ) -> Waits {
        let predicted = |list: Option<&BlockAccessList>, make| {
            let (env, mut accesses) = (session.env, BlockAccesses::new());
            self.predictor.predict(env, txs, session.state, list, make, &mut accesses);
            Waits::from(&Dag::build(&accesses))
        };
        match (self.config.policy, hints.block_access_list, hints.waits) {
            (Policy::Optimistic, ..) => Waits::none(),
            (_, Some(_), _) if !self.config.backend.is_device() => Waits::none(),
            (_, Some(list), _) => predicted(Some(list), MissingSets::Note),
            (_, _, Some(waits)) => waits.clone(),
            (Policy::Declared, ..) => Waits::from(&Dag::build(&declared(txs))),
            (Policy::Waves, ..) => predicted(None, MissingSets::Make),
            _ => self.quick_waits(txs),
        }
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
    fn wide_waves_are_for_the_device_and_chains_for_threads() {
        // Two waves of five; a chain through the second of each to four more; one that is light.
        let mut waits = Waits::none();
        (0..5).for_each(|_| waits.push([]));
        (0..5).for_each(|earlier| waits.push([earlier]));
        (0..4).for_each(|link| waits.push([if link == 0 { 6 } else { 9 + link }]));
        waits.push([]);
        let mut gas = [100; 15];
        gas[14] = 0;
        let wide = Wide::of(waits.clone(), &gas, 5);
        let taken: Vec<usize> = (0..15).filter(|index| wide.takes[*index]).collect();
        assert_eq!(taken, [0, 2, 3, 4, 5, 7, 8, 9]);
        assert_eq!((wide.groups, &wide.chains[..]), (2, &[1, 6, 10, 11, 12, 13, 14][..]));
        // Nothing is wide enough.
        let none = Wide::of(waits.clone(), &gas, 6);
        assert_eq!((none.takes.contains(&true), none.groups), (false, 0));
        // All are, told so.
        let all = Wide::of(waits, &gas, 1);
        assert_eq!(all.takes.iter().filter(|takes| **takes).count(), 14);
        // Longer chains come first, and hints may name anyone.
        let mut waits = Waits::none();
        [vec![7, 0], vec![99], vec![1], vec![2]].into_iter().for_each(|list| waits.push(list));
        assert_eq!(Wide::of(waits, &[10, 10, 10, 10], 3).chains, [1, 2, 0, 3]);
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
