//! Decides how a crew goes about a block: who waits for whom, what runs ahead and where, and
//! whether that pays.

use std::sync::atomic::Ordering;

use alloy_primitives::Address;
use alloy_primitives::map::{AddressMap, HashMap};
use revm::DatabaseRef;

use super::cost::is_worth_ahead;
use super::parts::Engine;
use super::schedule::{Hints, Schedule};
use super::times::Work;
use super::wide::Wide;
use crate::instance::session::Session;
use crate::limits::{
    BLOCKS_PER_MEASUREMENT_COUNT, DEVICE_GROUP_COUNT_MIN, SPECULATION_WINDOW_COUNT,
};
use crate::plan::{
    BlockAccessList, BlockAccesses, Dag, Key, MissingSets, Role, Source, Target, Waits,
};
use crate::sync::lock;
use crate::types::{Backend, Fallback, Policy, Transaction};

impl Engine {
    /// How a crew goes about a block.
    pub(super) fn schedule<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        txs: &[Transaction],
        hints: &Hints<'_>,
    ) -> Schedule {
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
            return alone;
        }
        let window = match policy {
            Policy::Optimistic => txs.len(),
            _ => SPECULATION_WINDOW_COUNT.saturating_mul(self.threads()),
        };
        let waits = self.waits(session, txs, hints);
        let mut schedule = Schedule { helpers, waits, window, aside, ..Schedule::default() };
        if policy == Policy::Auto {
            if !self.weigh(&mut schedule, txs) {
                return alone;
            }
        } else if device {
            let gas: Vec<u64> = txs.iter().map(|tx| self.predictor.gas(tx).max(1)).collect();
            let group_min = match policy {
                Policy::Optimistic => 1,
                _ => DEVICE_GROUP_COUNT_MIN,
            };
            schedule.wide = Some(Wide::of(schedule.waits.clone(), &gas, group_min));
        }
        if schedule.wide.is_some() {
            schedule.aside = aside.map(|_| Fallback::Chain);
        }
        schedule
    }

    /// Finds out whether several threads pay, and a device beside them; says whether any does.
    fn weigh(&self, schedule: &mut Schedule, txs: &[Transaction]) -> bool {
        let functions = lock(&self.functions);
        let work = |tx| functions.of(tx).unwrap_or_else(|| (self.predictor.gas(tx), None));
        let work: Vec<Work> = txs.iter().map(work).collect();
        drop(functions);
        schedule.light = work.iter().map(|(gas, _)| !is_worth_ahead(*gas)).collect();
        let threads = schedule.helpers + 1;
        schedule.expected = self.costs.favour_threads(&work, &schedule.waits, threads);
        if self.config.backend.is_device() {
            let gas = |(gas, _): &Work| if is_worth_ahead(*gas) { *gas } else { 0 };
            let gas: Vec<u64> = work.iter().map(gas).collect();
            let divided = Wide::of(schedule.waits.clone(), &gas, DEVICE_GROUP_COUNT_MIN);
            if let Some(found) = self.costs.favour_device(&work, &divided, threads) {
                (schedule.expected, schedule.wide) = (Some(found), Some(divided));
            }
        }
        let number = self.blocks.fetch_add(1, Ordering::Relaxed);
        // From time to time one thread shows what one takes.
        schedule.expected.is_some() && number % BLOCKS_PER_MEASUREMENT_COUNT != 1
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
    use crate::engine::config::Config;
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
