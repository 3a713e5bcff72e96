//! The baselines for speed: revm, corrected as everywhere, and nothing else. One EVM for all
//! transactions of a thread, codes analysed before, no result in our types.

use super::evm::Storage;
use super::{Evm, InSpec, fault};
use crate::error::Error;
use crate::pool::Pool;
use crate::state::StorageProbe;
use crate::types::{Env, Transaction};
use revm::context::result::EVMError;
use revm::database::CacheDB;
use revm::database_interface::{DatabaseCommit, DatabaseRef, WrapDatabaseRef};
use revm::state::EvmState;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Transactions that a thread takes at once, at most.
const CHUNK_TRANSACTIONS_MAX: usize = 128;
/// Pieces for each thread, so that none waits long for the last.
const CHUNKS_PER_THREAD: usize = 16;

/// What the baselines add up, so that nothing is optimised away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BareTotals {
    /// Gas used by all.
    pub gas_used: u64,
    /// Accounts that were touched; 0 of blocks.
    pub touched: u64,
    /// Transactions that were not valid.
    pub rejected: u64,
}

impl BareTotals {
    fn add(&mut self, other: BareTotals) {
        self.gas_used = self.gas_used.saturating_add(other.gas_used);
        self.touched += other.touched;
        self.rejected += other.rejected;
    }
}

/// An EVM on a database that stays as it is.
fn on_snapshot<DB: DatabaseRef>(
    env: &Env,
    db: DB,
    probe: Option<StorageProbe<DB>>,
) -> Evm<WrapDatabaseRef<InSpec<DB>>> {
    let mut db = InSpec::new(env.spec, db);
    db.probe = probe;
    Evm::new(env, WrapDatabaseRef(db))
}

/// Independent calls, one after the other. `probe` tells which accounts have storage (EIP-7610).
pub fn simulate_bare<DB: DatabaseRef>(
    env: &Env,
    transactions: Vec<Transaction>,
    db: DB,
    probe: Option<StorageProbe<DB>>,
) -> Result<BareTotals, Error> {
    let mut totals = BareTotals::default();
    simulate_into(&mut on_snapshot(env, db, probe), transactions, &mut totals)?;
    Ok(totals)
}

fn simulate_into<DB: Storage>(
    evm: &mut Evm<DB>,
    transactions: Vec<Transaction>,
    totals: &mut BareTotals,
) -> Result<(), Error> {
    run(evm, transactions, totals, |totals, _, touched| totals.touched += touched.len() as u64)
}

/// A block: each transaction in order, and what it changed is kept.
pub fn execute_bare<DB: DatabaseRef>(
    env: &Env,
    transactions: Vec<Transaction>,
    db: DB,
) -> Result<BareTotals, Error> {
    let mut totals = BareTotals::default();
    let mut evm = Evm::new(env, CacheDB::new(InSpec::new(env.spec, db)));
    let commit = |_: &mut _, evm: &mut Evm<CacheDB<InSpec<DB>>>, touched| {
        evm.db_mut().commit(touched);
    };
    run(&mut evm, transactions, &mut totals, commit)?;
    Ok(totals)
}

/// Runs transactions; `then` gets all that each touched.
fn run<DB: Storage>(
    evm: &mut Evm<DB>,
    transactions: Vec<Transaction>,
    totals: &mut BareTotals,
    then: impl Fn(&mut BareTotals, &mut Evm<DB>, EvmState),
) -> Result<(), Error> {
    for tx in transactions {
        match evm.transact(tx) {
            Ok((result, touched)) => {
                totals.gas_used = totals.gas_used.saturating_add(result.tx_gas_used());
                then(totals, evm, touched);
            }
            Err(EVMError::Transaction(_)) => totals.rejected += 1,
            Err(error) => return Err(fault(error)),
        }
    }
    Ok(())
}

/// revm on several threads, for independent calls.
#[derive(Debug)]
pub struct Parallel {
    pool: Pool,
    threads: usize,
}

impl Parallel {
    /// So many threads, at least one.
    pub fn new(threads: usize) -> Result<Parallel, crate::error::Error> {
        let threads = threads.max(1);
        Ok(Parallel { pool: Pool::new(threads)?, threads })
    }

    /// Cuts calls into the pieces that threads take, which is no part of executing them.
    pub fn chunks(&self, transactions: &[Transaction]) -> Vec<Mutex<Vec<Transaction>>> {
        let pieces = self.threads * CHUNKS_PER_THREAD;
        let length = transactions.len().div_ceil(pieces).clamp(1, CHUNK_TRANSACTIONS_MAX);
        transactions.chunks(length).map(|chunk| Mutex::new(chunk.to_vec())).collect()
    }

    /// Independent calls: each thread has one EVM, and takes the next piece when it is done.
    pub fn simulate_bare<'s, DB: DatabaseRef + Sync>(
        &self,
        env: &Env,
        chunks: &[Mutex<Vec<Transaction>>],
        db: &'s DB,
        probe: Option<StorageProbe<&'s DB>>,
    ) -> Result<BareTotals, Error> {
        let next = AtomicUsize::new(0);
        let sum = Mutex::new(Ok(BareTotals::default()));
        let started = self.pool.together(self.threads - 1, &|| {
            let mut totals = BareTotals::default();
            let mut evm = on_snapshot(env, db, probe);
            let mut run = || {
                while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let chunk =
                        std::mem::take(&mut *chunk.lock().unwrap_or_else(PoisonError::into_inner));
                    simulate_into(&mut evm, chunk, &mut totals)?;
                }
                Ok(())
            };
            let ran = run();
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            match (&mut *sum, ran) {
                (Ok(sum), Ok(())) => sum.add(totals),
                (sum @ Ok(_), Err(error)) => *sum = Err(error),
                (Err(_), _) => {}
            }
        });
        started?;
        sum.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::MemoryState;
    use crate::types::{Checks, Spec};
    use alloy_primitives::{Address, TxKind};
    use revm::context::BlockEnv;

    #[test]
    fn threads_add_up_to_what_one_does() {
        let checks = Checks { balance: false, nonce: false, ..Checks::default() };
        let block = BlockEnv {
            gas_limit: u64::MAX,
            prevrandao: Some(Default::default()),
            ..Default::default()
        };
        let env = Env { spec: Spec::Shanghai, chain_id: 1, block, checks };
        let call = |n: u8| Transaction {
            caller: Address::with_last_byte(n),
            // Every third is not valid.
            gas_limit: if n.is_multiple_of(3) { 20_000 } else { 100_000 },
            data: vec![n; n.into()].into(),
            kind: TxKind::Call(Address::with_last_byte(n / 2)),
            ..Transaction::default()
        };
        let calls: Vec<Transaction> = (1..=200).map(call).collect();
        let state = MemoryState::default();
        let one = simulate_bare(&env, calls.clone(), &state, None).expect("revm runs");
        assert_eq!(one.rejected, 66);
        for threads in [1, 2, 5] {
            let parallel = Parallel::new(threads).expect("threads");
            let chunks = parallel.chunks(&calls);
            let run = || parallel.simulate_bare(&env, &chunks, &state, None).expect("revm runs");
            assert_eq!(run(), one);
            // They are used up.
            assert_eq!(run(), BareTotals::default());
        }
    }
}
