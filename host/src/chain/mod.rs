//! A chain of blocks: a block comes as RLP, is checked against the rules of its fork, executed, and
//! compared with its header. What is not valid changes nothing.
//!
//! There is one state, that after the head. What a block changes is gathered beside it and
//! committed when all checks hold. A block whose parent is not the head takes the state there and,
//! unless it becomes the head, back.
//!
//! Seals are not checked: neither proof of work nor a beacon chain.

mod block;
mod check;
pub mod dao;
mod decode;
mod error;
mod execute;
pub mod forks;
mod network;
mod ommers;
mod payload;
mod requests;
mod rules;
mod select;
mod source;

pub use block::{BlockInput, HeaderFields, Withdrawal};
pub use check::{HeaderCheck, not_checked};
pub use decode::BlockTransaction;
pub use error::{Field, ImportError, Invalid, OmmerFault, Part};
pub use execute::{BlockExecutor, BlockRun, Revm, Steps, begin, execute};
pub use network::{BlobSchedule, Fork, GAS_PER_BLOB, Network, UnknownNetwork};
pub use payload::Payload;
pub use select::{Choice, Selection, SelectionError};
pub use source::BlockSource;

use crate::error::Error;
use crate::state::{MemoryState, Pending, State, StateRoot, StateStore, difference};
use crate::types::{AccountChange, Checks, Env, Executed, Outcome, Transaction, TxStatus};
use alloy_consensus::{Block, Header};
use alloy_eips::BlockNumHash;
use alloy_primitives::map::B256Map;
use alloy_primitives::{Address, B256, Bytes, U256};
use check::Results;
use error::expect;
use revm::context::BlockEnv;
use std::sync::Arc;
use std::time::Duration;
use warpevm_compiler::Rule;

/// Ancestors that an ommer's check looks at: six generations and the parent of the last.
const ANCESTORS_MAX: usize = 8;

/// A block that was imported.
#[derive(Debug)]
#[non_exhaustive]
pub struct KnownBlock {
    /// Its hash.
    pub hash: B256,
    /// Its header.
    pub header: Header,
    /// The hashes of its ommers.
    pub ommers: Vec<B256>,
    /// The difficulty of all blocks up to it.
    pub difficulty: U256,
    /// What it changed.
    changes: Vec<AccountChange>,
}

impl KnownBlock {
    fn id(&self) -> BlockNumHash {
        BlockNumHash { number: self.header.number, hash: self.hash }
    }
}

/// How a block was executed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Imported {
    /// Its hash.
    pub hash: B256,
    /// Its transactions' outcomes.
    pub outcomes: Vec<Outcome>,
    /// What the executor took.
    pub time: Duration,
}

/// Blocks that descend from one genesis, with the state after the last.
pub struct Chain<'e, S = MemoryState> {
    network: Network,
    chain_id: u64,
    executor: &'e dyn BlockExecutor<S>,
    blocks: B256Map<Arc<KnownBlock>>,
    head: Arc<KnownBlock>,
    /// The block after which the state is as it is: the head, while nothing is imported.
    at: Arc<KnownBlock>,
    state: State<S>,
}

impl<'e, S: StateStore + StateRoot + Sync> Chain<'e, S> {
    /// A chain that starts with `genesis`, whose state must have the header's root.
    pub fn new(
        network: Network,
        chain_id: u64,
        genesis: Header,
        state: S,
        executor: &'e dyn BlockExecutor<S>,
    ) -> Result<Chain<'e, S>, ImportError> {
        expect(Field::StateRoot, genesis.state_root, state.state_root().map_err(failed)?)?;
        let (hash, difficulty) = (genesis.hash_slow(), genesis.difficulty);
        let (header, ommers, changes) = (genesis, Vec::new(), Vec::new());
        let head = Arc::new(KnownBlock { hash, header, ommers, difficulty, changes });
        let mut state = State::new(state).map_err(failed)?.with_storage_probe();
        state.commit(head.id(), &[]).map_err(failed)?;
        let blocks = B256Map::from_iter([(hash, head.clone())]);
        Ok(Chain { network, chain_id, executor, blocks, at: head.clone(), head, state })
    }

    /// The last block: with proof of work, that of the largest total difficulty.
    pub fn head(&self) -> &KnownBlock {
        &self.head
    }

    /// The state after the last block.
    pub fn state(&self) -> &S {
        self.state.database()
    }

    /// Imports a block.
    pub fn import(&mut self, rlp: &[u8]) -> Result<Imported, ImportError> {
        let block = decode::decode(rlp)?;
        let (block, hash) = block.into_parts();
        let parent = self.blocks.get(&block.header.parent_hash);
        let unknown = Invalid::UnknownParent(block.header.parent_hash);
        let parent = parent.cloned().ok_or(unknown)?;
        let header = &block.header;
        rules::check_header(header, &parent.header, &self.network, parent.difficulty)?;
        let fork = self.network.fork(header.number, header.timestamp, parent.difficulty);
        decode::check_body(&block, rlp.len(), fork.spec)?;
        let ommers = &block.body.ommers;
        let ancestors: Vec<_> = self.ancestors(&parent).take(ANCESTORS_MAX).collect();
        let descends = |hash| self.ancestors(&parent).any(|known| known.hash == hash);
        ommers::check_ommers(header, ommers, &ancestors, &descends, &self.network)?;
        let (transactions, env) = (transactions(&block, fork)?, self.env(header, fork)?);
        let payload = payload(&block, &env, &transactions);
        let executed = self.execute(&parent, header, payload);
        let imported = executed.and_then(|(ran, changes)| {
            let known = KnownBlock {
                hash,
                difficulty: parent.difficulty.saturating_add(header.difficulty),
                ommers: ommers.iter().map(Header::hash_slow).collect(),
                header: block.header.clone(),
                changes,
            };
            self.add(Arc::new(known)).map_err(failed)?;
            Ok(Imported { hash, outcomes: ran.outcomes, time: ran.time })
        });
        self.state.discard();
        self.move_to(&self.head.clone()).map_err(failed)?;
        imported
    }

    /// Executes a block after its parent and compares what it did with its header. Returns also
    /// what it changed; the state still is the parent's.
    fn execute(
        &mut self,
        parent: &Arc<KnownBlock>,
        header: &Header,
        mut payload: Payload<'_>,
    ) -> Result<(BlockRun, Vec<AccountChange>), ImportError> {
        self.move_to(parent).map_err(failed)?;
        if self.network.dao_block() == Some(header.number) {
            payload.irregular = dao::drain(self.state()).map_err(failed)?;
        }
        let ran = self.executor.run(&payload, &mut self.state).map_err(not_run)?;
        let changes = self.finish(header, &payload, &ran)?;
        Ok((ran, changes))
    }

    /// Adds a block, of whose parent the state is. It may be the new head.
    fn add(&mut self, block: Arc<KnownBlock>) -> Result<(), Error> {
        let staked = block.header.difficulty.is_zero();
        if staked || block.difficulty > self.head.difficulty {
            self.state.commit(block.id(), &block.changes)?;
            (self.head, self.at) = (block.clone(), block.clone());
        }
        self.blocks.insert(block.hash, block);
        Ok(())
    }

    /// Makes the state that after a block, by way of the last ancestor that both have.
    fn move_to(&mut self, block: &Arc<KnownBlock>) -> Result<(), Error> {
        let mut forward = Vec::new();
        let mut target = block.clone();
        while self.at.hash != target.hash {
            // One of them is above the ancestor that both have.
            if self.at.header.number >= target.header.number {
                let parent = self.blocks[&self.at.header.parent_hash].clone();
                self.state.revert()?;
                self.at = parent;
            } else {
                let parent = self.blocks[&target.header.parent_hash].clone();
                forward.push(std::mem::replace(&mut target, parent));
            }
        }
        for block in forward.into_iter().rev() {
            self.state.commit(block.id(), &block.changes)?;
            self.at = block;
        }
        Ok(())
    }

    /// A block's ancestors, its parent first, down to the genesis.
    fn ancestors(&self, parent: &Arc<KnownBlock>) -> impl Iterator<Item = Arc<KnownBlock>> {
        let next = |known: &Arc<KnownBlock>| self.blocks.get(&known.header.parent_hash).cloned();
        std::iter::successors(Some(parent.clone()), next)
    }

    fn env(&self, header: &Header, fork: &Fork) -> Result<Env, ImportError> {
        let blob = match header.excess_blob_gas {
            Some(excess) => {
                let fee = forks::blob_fee(excess, fork.blobs.update_fraction);
                let beyond = || failed(Error::Environment(format!("excess blob gas of {excess}")));
                Some(fee.ok_or_else(beyond)?)
            }
            None => None,
        };
        let block = BlockEnv {
            number: U256::from(header.number),
            beneficiary: header.beneficiary,
            timestamp: U256::from(header.timestamp),
            gas_limit: header.gas_limit,
            basefee: header.base_fee_per_gas.unwrap_or(0),
            difficulty: header.difficulty,
            prevrandao: fork.spec.rules().has(Rule::ProofOfStake).then_some(header.mix_hash),
            blob_excess_gas_and_price: blob,
            ..BlockEnv::default()
        };
        let checks = Checks::default();
        Ok(Env { spec: fork.spec, chain_id: self.chain_id, block, checks })
    }

    /// Compares what a block did with its header. Returns what it changed.
    fn finish(
        &self,
        header: &Header,
        payload: &Payload<'_>,
        ran: &BlockRun,
    ) -> Result<Vec<AccountChange>, ImportError> {
        let (spec, store) = (payload.env.spec, self.state());
        let calls = called(payload, ran)?;
        let changes = sum(store, payload, ran).map_err(failed)?;
        let roots = match !spec.rules().has(Rule::ReceiptStatus) {
            true => Some(roots(store, payload, ran, &changes).map_err(failed)?),
            false => None,
        };
        let of_receipts = roots.as_ref().map(|roots| &roots[1..]);
        let results = Results::of(spec, payload.transactions, &ran.outcomes, of_receipts);
        expect(Field::GasUsed, header.gas_used, results.gas_used)?;
        expect(Field::LogsBloom, header.logs_bloom, results.logs_bloom)?;
        let receipts_root = results.receipts_root.unwrap_or_default();
        expect(Field::ReceiptsRoot, header.receipts_root, receipts_root)?;
        if ran.in_state {
            self.check_sum(&changes)?;
        }
        if spec.rules().has(Rule::Requests) {
            let hash = requests::requests_hash(&ran.outcomes, &calls)?;
            expect(Field::RequestsHash, header.requests_hash, Some(hash))?;
        }
        let last = roots.and_then(|roots| roots.last().copied());
        let root = last.map_or_else(|| store.root_after(&changes), Ok).map_err(failed)?;
        expect(Field::StateRoot, header.state_root, root)?;
        Ok(changes)
    }

    /// What the executor says has changed must be what transactions and calls add up to.
    fn check_sum(&self, changes: &[AccountChange]) -> Result<(), ImportError> {
        let ours = self.state.changes();
        let differs = difference(self.state(), &ours, changes).map_err(failed)?;
        let what = |address| format!("{address} after the block is not what it is after its parts");
        differs.map_or(Ok(()), |address| Err(failed(Error::Bug(what(address)))))
    }
}

/// What failed and says nothing about a block.
fn failed<E: std::error::Error + Send + Sync + 'static>(error: E) -> ImportError {
    ImportError::Failed(Error::database(error))
}

fn not_run(why: Error) -> ImportError {
    match why {
        Error::Rejected { index, reason } => Invalid::Transaction { index, reason }.into(),
        other => ImportError::Failed(other),
    }
}

/// The transactions of a block, whose blobs are not too many.
fn transactions(
    block: &Block<BlockTransaction>,
    fork: &Fork,
) -> Result<Vec<Transaction>, ImportError> {
    let transactions = decode::transactions(block, fork.spec)?;
    let blobs: u64 = transactions.iter().map(|tx| tx.blob_hashes.len() as u64).sum();
    if blobs > fork.blobs.max && fork.spec.rules().has(Rule::Blobs) {
        return Err(Invalid::Blobs { blobs, max: fork.blobs.max }.into());
    }
    if let Some(used) = block.header.blob_gas_used {
        expect(Field::BlobGasUsed, used, blobs.saturating_mul(GAS_PER_BLOB))?;
    }
    Ok(transactions)
}

/// What happens in a block.
fn payload<'b>(
    block: &Block<BlockTransaction>,
    env: &'b Env,
    transactions: &'b [Transaction],
) -> Payload<'b> {
    let header = &block.header;
    let withdrawals = block.body.withdrawals.iter().flat_map(|list| list.iter());
    let withdrawals =
        withdrawals.map(|one| Withdrawal { address: one.address, amount_gwei: one.amount });
    let beacon_root = header.parent_beacon_block_root;
    let mut payload = Payload::new(env, transactions, header.parent_hash, beacon_root)
        .with_withdrawals(withdrawals);
    payload.credits.extend(ommers::rewards(header, &block.body.ommers, env.spec));
    payload
}

/// The outputs of the system calls after the transactions, all of which must have succeeded.
fn called(payload: &Payload<'_>, ran: &BlockRun) -> Result<Vec<Bytes>, Invalid> {
    let output = |(address, call): (&Address, &Option<Executed>)| match call {
        None => Err(Invalid::SystemContractEmpty(*address)),
        Some(call) if call.status != TxStatus::Success => Err(Invalid::SystemCall(*address)),
        Some(call) => Ok(call.output.clone()),
    };
    payload.calls_after.iter().zip(&ran.after).map(output).collect()
}

/// What each valid transaction of a block changed.
fn of_transactions(ran: &BlockRun) -> impl Iterator<Item = &[AccountChange]> {
    let valid = ran.outcomes.iter().filter_map(|outcome| outcome.result.as_ref().ok());
    valid.map(|executed| &executed.changes[..])
}

/// What transactions, calls and credits of a block add up to.
fn sum<S: StateStore>(
    store: &S,
    payload: &Payload<'_>,
    ran: &BlockRun,
) -> Result<Vec<AccountChange>, S::Error> {
    let mut pending = Pending::new(store);
    pending.apply(&payload.irregular);
    ran.before.iter().for_each(|call| pending.apply(&call.changes));
    of_transactions(ran).for_each(|changes| pending.apply(changes));
    for (address, amount) in &payload.credits {
        pending.credit(*address, *amount)?;
    }
    ran.after.iter().flatten().for_each(|call| pending.apply(&call.changes));
    Ok(pending.into_changes())
}

/// The state roots before and after each transaction, and at the end.
fn roots<S: StateRoot>(
    store: &S,
    payload: &Payload<'_>,
    ran: &BlockRun,
    all: &[AccountChange],
) -> Result<Vec<B256>, S::Error> {
    let mut steps = vec![&payload.irregular[..]];
    steps.extend(of_transactions(ran));
    steps.push(all);
    store.roots_after(&steps)
}
