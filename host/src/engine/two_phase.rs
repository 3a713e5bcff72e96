//! Two-phase use: someone speculates and proposes what each transaction touches and who depends on
//! whom; others replay with it, on a state that may have moved on, and find where it diverges.

use alloy_primitives::map::HashSet;
use revm::DatabaseRef;
use serde::Serialize;

use super::execute::BlockResult;
use super::parts::Engine;
use super::schedule::Hints;
use crate::error::Error;
use crate::plan::{Accesses, BlockAccesses, Dag, Key, Waits};
use crate::state::State;
use crate::types::{Env, Transaction};

/// What a speculation found.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// What each transaction touched.
    pub accesses: Vec<Accesses>,
    /// Who depends on whom.
    pub dag: Dag,
}

impl Proposal {
    /// Of transactions that touch this.
    pub fn of(accesses: Vec<Accesses>) -> Proposal {
        let mut block = BlockAccesses::new();
        accesses.iter().for_each(|accesses| block.push(accesses));
        Proposal { accesses, dag: Dag::build(&block) }
    }
}

/// An access that a proposal does not have: which transaction, and to what.
pub type Unforeseen = (u32, Key);

/// Where a replay did other things than proposed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// Reads of what an earlier transaction of the block wrote, not proposed.
    pub conflicts: Vec<Unforeseen>,
    /// Other reads that were not proposed.
    pub reads: Vec<Unforeseen>,
    /// Writes and credits that were not proposed.
    pub writes: Vec<Unforeseen>,
}

/// How many there are of each kind, for reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DivergenceCounts {
    /// See [`Divergence::conflicts`].
    pub conflicts: usize,
    /// See [`Divergence::reads`].
    pub reads: usize,
    /// See [`Divergence::writes`].
    pub writes: usize,
}

impl Divergence {
    /// All went as proposed.
    pub fn is_empty(&self) -> bool {
        self.conflicts.is_empty() && self.reads.is_empty() && self.writes.is_empty()
    }

    /// How many there are of each kind.
    pub fn counts(&self) -> DivergenceCounts {
        let (conflicts, reads) = (self.conflicts.len(), self.reads.len());
        DivergenceCounts { conflicts, reads, writes: self.writes.len() }
    }

    /// Between what was proposed and what was executed, which may have more transactions or fewer.
    pub fn between(proposed: &[Accesses], executed: &[Accesses]) -> Divergence {
        let mut found = Divergence::default();
        let mut written: HashSet<Key> = HashSet::default();
        let none = Accesses::new(crate::plan::Source::Sender);
        for (index, accesses) in (0u32..).zip(executed) {
            let proposed = proposed.get(index as usize).unwrap_or(&none);
            let known: HashSet<&Key> = proposed.reads.iter().collect();
            for key in accesses.reads.iter().filter(|key| !known.contains(key)) {
                let list = match written.contains(key) {
                    true => &mut found.conflicts,
                    false => &mut found.reads,
                };
                list.push((index, *key));
            }
            let known: HashSet<Key> = changed(proposed).collect();
            let new = changed(accesses).filter(|key| !known.contains(key));
            found.writes.extend(new.map(|key| (index, key)));
            written.extend(changed(accesses));
        }
        found
    }
}

fn changed(accesses: &Accesses) -> impl Iterator<Item = Key> + '_ {
    let credits = accesses.credits.iter().map(|address| Key::Balance(*address));
    accesses.writes.iter().copied().chain(credits)
}

impl Engine {
    /// Executes `txs` in their order on `state`, which stays as it is, and says what they touched.
    pub fn speculate<DB: DatabaseRef + Sync>(
        &self,
        env: &Env,
        txs: &[Transaction],
        state: &State<DB>,
    ) -> Result<Proposal, Error> {
        let mut fork = State::new(state)?.with_storage_probe();
        let hints = Hints::default().with_record(true);
        Ok(Proposal::of(self.execute_with(env, txs, &mut fork, &hints)?.accesses))
    }

    /// Executes `txs` as [`Engine::execute`] does, in parallel as far as the proposal allows. The
    /// result is that of sequential execution whatever was proposed.
    pub fn replay<DB: DatabaseRef + Sync>(
        &self,
        env: &Env,
        txs: &[Transaction],
        proposal: &Proposal,
        state: &mut State<DB>,
    ) -> Result<(BlockResult, Divergence), Error> {
        let waits = Waits::from(&proposal.dag);
        let hints = Hints::default().with_waits(Some(&waits)).with_record(true);
        let result = self.execute_with(env, txs, state, &hints)?;
        let divergence = Divergence::between(&proposal.accesses, &result.accesses);
        Ok((result, divergence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Source;
    use alloy_primitives::{Address, U256};

    #[test]
    fn what_was_not_proposed_is_told_apart() {
        let slot = |n: u64| Key::Slot(Address::ZERO, U256::from(n));
        let of = |reads: &[u64], writes: &[u64]| {
            let mut accesses = Accesses::new(Source::Execution);
            accesses.reads = reads.iter().map(|n| slot(*n)).collect();
            accesses.writes = writes.iter().map(|n| slot(*n)).collect();
            accesses
        };
        let proposed = [of(&[1], &[1]), of(&[2], &[2])];
        assert!(Divergence::between(&proposed, &proposed).is_empty());
        let executed = [of(&[1, 7], &[1, 3]), of(&[2, 3], &[2]), of(&[9], &[])];
        let found = Divergence::between(&proposed, &executed);
        assert_eq!(found.conflicts, [(1, slot(3))]);
        assert_eq!(found.reads, [(0, slot(7)), (2, slot(9))]);
        assert_eq!(found.writes, [(0, slot(3))]);
        assert_eq!(found.counts(), DivergenceCounts { conflicts: 1, reads: 2, writes: 1 });
        // What was proposed and did not happen is no divergence.
        assert!(Divergence::between(&proposed, &[of(&[], &[])]).is_empty());
    }
}
