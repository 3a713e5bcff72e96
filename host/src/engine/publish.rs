//! What transactions that run ahead leave for others: room for it, who leaves it, and what a block
//! access list says before anything has run.

use std::sync::Arc;

use revm::DatabaseRef;

use super::parts::Engine;
use super::prefill::prefill;
use super::schedule::{Hints, Schedule};
use crate::error::Error;
use crate::instance::session::Session;
use crate::plan::{Target, Waits};
use crate::state::versions::Versions;
use crate::sync::lock;
use crate::types::{Policy, Transaction};

impl Engine {
    /// Gives the session room for versions, if any will be read, and says who leaves them.
    pub(super) fn publish<DB: DatabaseRef + Sync>(
        &self,
        session: &mut Session<'_, DB>,
        txs: &[Transaction],
        hints: &Hints<'_>,
        schedule: &mut Schedule,
    ) -> Result<(), Error> {
        if schedule.is_alone() {
            return Ok(());
        }
        let policy = self.config.policy;
        let list = hints.block_access_list.filter(|_| policy != Policy::Optimistic);
        session.versions = self.versions(txs.len());
        schedule.publish = match (list, &session.versions) {
            (Some(list), Some(versions)) => {
                prefill(session, versions, list, txs.len())?;
                // It has what others will leave: no thread needs to wait.
                (schedule.waits, schedule.window) = (Waits::none(), txs.len());
                Vec::new()
            }
            _ if policy == Policy::Auto => self.wanted(txs, &schedule.waits),
            _ => vec![true; txs.len()],
        };
        Ok(())
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
}
