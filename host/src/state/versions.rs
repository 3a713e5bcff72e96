//! Versions: what transactions of a block that are not committed yet left in entries of the table.
//!
//! A transaction that runs ahead reads, of each entry, the version of the latest transaction before
//! it, if there is one, else what the table has. The versions of an entry lie side by side, sorted
//! by the transactions' places in the block, so that a read finds its own by binary search.
//!
//! Versions are hints. Whether what a transaction read was right is decided when it is committed.
//! So a version may be replaced while others read it, may be missing, or may be wrong.

use std::sync::{Mutex, MutexGuard, PoisonError};

use warpevm_kernels::abi::{Launch, Version};

use super::table::{Table, TableEntry};
use crate::buffer::Column;
use crate::limits::{VERSIONS_COUNT_MAX, VERSIONS_PER_TRANSACTION_COUNT};

/// Places that the first versions of an entry get.
const RUN_START_COUNT: u32 = 4;

#[derive(Debug, Default)]
struct VersionsSide {
    /// Places that runs have taken.
    used: u32,
    /// Entries with a run, in the order of the runs' numbers, and how many places the run has.
    runs: Vec<(TableEntry, u32)>,
}

/// The versions of a block.
#[derive(Debug)]
pub struct Versions {
    versions: Column<Version>,
    /// Per run: where it starts times 2^32, plus its length.
    runs: Column<u64>,
    side: Mutex<VersionsSide>,
}

fn wanted(transactions: usize) -> u32 {
    let wanted = transactions.saturating_mul(VERSIONS_PER_TRANSACTION_COUNT);
    u32::try_from(wanted).unwrap_or(u32::MAX).min(VERSIONS_COUNT_MAX)
}

impl Versions {
    /// Room for the versions of so many transactions; `None`: the system has none.
    pub fn new(transactions: usize) -> Option<Versions> {
        let count = wanted(transactions);
        let (versions, runs) = (Column::zeroed(count)?, Column::zeroed(count)?);
        Some(Versions { versions, runs, side: Mutex::default() })
    }

    /// Has room for the versions of so many transactions.
    pub fn fits(&self, transactions: usize) -> bool {
        self.versions.capacity() >= wanted(transactions)
    }

    /// Fills the fields of a launch.
    pub fn describe(&self, launch: &mut Launch) {
        launch.versions = self.versions.address();
        launch.version_runs = self.runs.address();
    }

    fn side(&self) -> MutexGuard<'_, VersionsSide> {
        self.side.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds versions, or replaces those of the same transaction. What has no room is left out.
    pub fn publish(&self, table: &Table, versions: impl Iterator<Item = (TableEntry, Version)>) {
        let mut side = self.side();
        for (entry, version) in versions {
            match table.versions_of(entry) {
                0 => self.first(&mut side, table, entry, version),
                number => self.add(&mut side, number - 1, version),
            }
        }
    }

    fn first(&self, side: &mut VersionsSide, table: &Table, entry: TableEntry, version: Version) {
        let number = side.runs.len() as u32;
        let Some(start) = self.take(side, RUN_START_COUNT) else { return };
        side.runs.push((entry, RUN_START_COUNT));
        self.versions.set(start, version);
        self.set_run(number, start, 1);
        table.writer().set_versions(entry, number + 1);
    }

    fn add(&self, side: &mut VersionsSide, number: u32, version: Version) {
        let (start, len) = self.run(number);
        let orders = |at: u32| self.versions.get(start + at).order;
        let at = (0..len).rev().find(|at| orders(*at) < version.order).map_or(0, |at| at + 1);
        if at < len && orders(at) == version.order {
            self.versions.set(start + at, version);
            return;
        }
        let room = side.runs[number as usize].1;
        if at == len && len < room {
            self.versions.set(start + len, version);
            self.set_run(number, start, len + 1);
            return;
        }
        // Others may be searching the run as it is: a new one takes its place.
        let room = if len < room { room } else { room * 2 };
        let Some(to) = self.take(side, room) else { return };
        for from in 0..len {
            let moved = from + u32::from(from >= at);
            self.versions.set(to + moved, self.versions.get(start + from));
        }
        self.versions.set(to + at, version);
        side.runs[number as usize].1 = room;
        self.set_run(number, to, len + 1);
    }

    fn take(&self, side: &mut VersionsSide, count: u32) -> Option<u32> {
        let start = side.used;
        let end = start.checked_add(count)?;
        let fits =
            end <= self.versions.capacity() && side.runs.len() < self.runs.capacity() as usize;
        fits.then(|| side.used = end)?;
        Some(start)
    }

    fn run(&self, number: u32) -> (u32, u32) {
        let run = self.runs.get(number);
        ((run >> 32) as u32, run as u32)
    }

    fn set_run(&self, number: u32, start: u32, len: u32) {
        self.runs.set(number, u64::from(start) << 32 | u64::from(len));
    }

    /// Takes the versions off the table and forgets them. Nothing runs on it.
    pub fn clear(&self, table: &Table) {
        let mut side = self.side();
        let mut writer = table.writer();
        for (entry, _) in side.runs.drain(..) {
            writer.set_versions(entry, 0);
        }
        side.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use warpevm_kernels::abi::TableAccount;

    fn account() -> Table {
        let table = Table::new(3).expect("table");
        table.insert_account(TableAccount::default()).expect("room");
        table
    }

    fn version(order: u32, nonce: u64) -> (TableEntry, Version) {
        (TableEntry::Account(0), Version { order, nonce, ..Default::default() })
    }

    #[test]
    fn versions_stay_sorted_whatever_order_they_come_in() {
        let table = account();
        let versions = Versions::new(1000).expect("memory");
        let mut model = BTreeMap::new();
        for step in 0..400u64 {
            let order = (step * 61 % 97) as u32;
            versions.publish(&table, std::iter::once(version(order, step)));
            model.insert(order, step);
            let (start, len) = versions.run(table.versions_of(TableEntry::Account(0)) - 1);
            let run = (start..start + len).map(|at| versions.versions.get(at));
            let run: Vec<(u32, u64)> = run.map(|version| (version.order, version.nonce)).collect();
            assert_eq!(run, model.clone().into_iter().collect::<Vec<_>>());
        }
        versions.clear(&table);
        assert_eq!(table.versions_of(TableEntry::Account(0)), 0);
    }

    #[test]
    fn what_has_no_room_is_left_out() {
        let table = account();
        let versions = Versions::new(1).expect("memory");
        let count = VERSIONS_PER_TRANSACTION_COUNT as u32 * 2;
        versions.publish(&table, (0..count).map(|order| version(order, 0)));
        let (_, len) = versions.run(table.versions_of(TableEntry::Account(0)) - 1);
        assert!(len > 0 && len < count);
    }
}
