//! A chain of blocks: a block comes as RLP, is checked against the rules of its fork, executed, and
//! compared with its header. What is not valid changes nothing.
//!
//! Seals are not checked: neither proof of work nor a beacon chain.

pub mod dao;
mod decode;
mod error;
pub mod execute;
mod network;
mod ommers;
mod requests;
mod rules;

pub use decode::BlockTransaction;
pub use error::{Field, ImportError, Invalid, OmmerFault, Part};
pub use execute::{BlockExecutor, Device, NotRun, Plan, Ran, Revm};
pub use network::{BlobSchedule, Fork, GAS_PER_BLOB, Network, UnknownNetwork};

use crate::header::receipts_with;
use crate::input::{self, MemoryAccount, MemoryState, forks};
use crate::reference::{system_calls_after, system_calls_before};
use crate::root::state_root;
use crate::types::{Checks, Env, Executed, Outcome, TxStatus};
use alloy_consensus::proofs::calculate_receipt_root;
use alloy_consensus::{Block, Eip658Value, Header};
use alloy_primitives::map::{B256Map, HashMap};
use alloy_primitives::{Address, B256, Bloom, Bytes, U256};
use error::expect;
use revm::context::BlockEnv;
use std::sync::Arc;
use std::time::Duration;
use warpevm_compiler::Rule;

/// Ancestors that an ommer's check looks at: six generations and the parent of the last.
const ANCESTORS_MAX: usize = 8;

/// A block that was imported.
#[derive(Debug)]
pub struct Entry {
    /// Its hash.
    pub hash: B256,
    /// Its header.
    pub header: Header,
    /// The hashes of its ommers.
    pub ommers: Vec<B256>,
    /// The difficulty of all blocks up to it.
    pub difficulty: U256,
    /// The state after it.
    pub state: Arc<MemoryState>,
}

/// How a block was executed.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Its hash.
    pub hash: B256,
    /// Its transactions' outcomes.
    pub outcomes: Vec<Outcome>,
    /// What the executor took.
    pub time: Duration,
}

/// Blocks that descend from one genesis.
pub struct Chain<'e> {
    network: Network,
    chain_id: u64,
    executor: &'e dyn BlockExecutor,
    blocks: B256Map<Arc<Entry>>,
    head: Arc<Entry>,
}

impl<'e> Chain<'e> {
    /// A chain that starts with `genesis`, whose state must have the header's root.
    pub fn new(
        network: Network,
        chain_id: u64,
        genesis: Header,
        mut state: MemoryState,
        executor: &'e dyn BlockExecutor,
    ) -> Result<Chain<'e>, Invalid> {
        expect(Field::StateRoot, genesis.state_root, state_root(&state))?;
        let hash = genesis.hash_slow();
        state.block_hashes = HashMap::from_iter([(genesis.number, hash)]);
        let difficulty = genesis.difficulty;
        let (ommers, state) = (Vec::new(), Arc::new(state));
        let head = Arc::new(Entry { hash, header: genesis, ommers, difficulty, state });
        let blocks = B256Map::from_iter([(hash, head.clone())]);
        Ok(Chain { network, chain_id, executor, blocks, head })
    }

    /// The last block: with proof of work, that of the largest total difficulty.
    pub fn head(&self) -> &Entry {
        &self.head
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
        let descends = |hash| self.ancestors(&parent).any(|entry| entry.hash == hash);
        ommers::check_ommers(header, ommers, &ancestors, &descends, &self.network)?;
        let plan = self.plan(&block, fork)?;
        let before = match self.network.dao_block() {
            Some(number) if number == header.number => {
                let mut state = MemoryState::clone(&parent.state);
                dao::drain(&mut state);
                Arc::new(state)
            }
            _ => parent.state.clone(),
        };
        let ran = self.executor.run(&plan, &before).map_err(not_run)?;
        let mut state = self.finish(header, &plan, &ran, &before)?;
        state.block_hashes.insert(header.number, hash);
        let entry = Entry {
            hash,
            difficulty: parent.difficulty.saturating_add(header.difficulty),
            ommers: ommers.iter().map(Header::hash_slow).collect(),
            header: block.header,
            state: Arc::new(state),
        };
        self.add(Arc::new(entry));
        Ok(Imported { hash, outcomes: ran.outcomes, time: ran.time })
    }

    fn add(&mut self, entry: Arc<Entry>) {
        let staked = entry.header.difficulty.is_zero();
        if staked || entry.difficulty > self.head.difficulty {
            self.head = entry.clone();
        }
        self.blocks.insert(entry.hash, entry);
    }

    /// A block's ancestors, its parent first, down to the genesis.
    fn ancestors(&self, parent: &Arc<Entry>) -> impl Iterator<Item = Arc<Entry>> {
        let next = |entry: &Arc<Entry>| self.blocks.get(&entry.header.parent_hash).cloned();
        std::iter::successors(Some(parent.clone()), next)
    }

    fn plan(&self, block: &Block<BlockTransaction>, fork: &Fork) -> Result<Plan, ImportError> {
        let (header, spec) = (&block.header, fork.spec);
        let transactions = decode::transactions(block, spec)?;
        let blobs: u64 = transactions.iter().map(|tx| tx.blob_hashes.len() as u64).sum();
        if blobs > fork.blobs.max && spec.rules().has(Rule::Blobs) {
            return Err(Invalid::Blobs { blobs, max: fork.blobs.max }.into());
        }
        if let Some(used) = header.blob_gas_used {
            expect(Field::BlobGasUsed, used, blobs.saturating_mul(GAS_PER_BLOB))?;
        }
        let withdrawals = block.body.withdrawals.iter().flat_map(|list| list.iter());
        let mut credits: Vec<(Address, U256)> = withdrawals
            .map(|w| (w.address, U256::from(w.amount) * U256::from(1_000_000_000u64)))
            .collect();
        credits.extend(ommers::rewards(header, &block.body.ommers, spec));
        let system = input::Header {
            parent_hash: header.parent_hash,
            parent_beacon_block_root: header.parent_beacon_block_root,
            ..input::Header::default()
        };
        Ok(Plan {
            env: self.env(header, fork)?,
            calls_before: system_calls_before(spec, &system),
            transactions,
            credits,
            calls_after: system_calls_after(spec),
        })
    }

    fn env(&self, header: &Header, fork: &Fork) -> Result<Env, ImportError> {
        let blob = match header.excess_blob_gas {
            Some(excess) => {
                let fee = forks::blob_fee(excess, fork.blobs.update_fraction);
                let beyond = || ImportError::Failed(format!("excess blob gas of {excess}"));
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

    /// Compares what a block did with its header. Returns the state after it.
    fn finish(
        &self,
        header: &Header,
        plan: &Plan,
        ran: &Ran,
        before: &MemoryState,
    ) -> Result<MemoryState, ImportError> {
        let spec = plan.env.spec;
        let calls = called(plan, ran)?;
        let mut state = before.clone();
        ran.before.iter().for_each(|call| state.apply(&call.changes));
        let mut roots = Vec::new();
        for executed in ran.outcomes.iter().filter_map(|outcome| outcome.result.as_ref().ok()) {
            state.apply(&executed.changes);
            if !spec.rules().has(Rule::ReceiptStatus) {
                roots.push(state_root(&state));
            }
        }
        let gas_used = ran.outcomes.iter().filter_map(|o| o.result.as_ref().ok());
        let gas_used: u64 = gas_used.map(|executed| executed.gas_used).sum();
        expect(Field::GasUsed, header.gas_used, gas_used)?;
        let types = plan.transactions.iter().map(|tx| tx.tx_type);
        let receipts = receipts_with(types, &ran.outcomes, |index, executed| {
            let success = Eip658Value::Eip658(executed.status == TxStatus::Success);
            roots.get(index).map_or(success, |root| Eip658Value::PostState(*root))
        });
        let bloom = receipts.iter().fold(Bloom::ZERO, |all, receipt| all | *receipt.logs_bloom());
        expect(Field::LogsBloom, header.logs_bloom, bloom)?;
        expect(Field::ReceiptsRoot, header.receipts_root, calculate_receipt_root(&receipts))?;
        plan.credits.iter().for_each(|(address, amount)| state.credit(*address, *amount));
        ran.after.iter().flatten().for_each(|call| state.apply(&call.changes));
        check_sum(ran, before, &state).map_err(ImportError::Failed)?;
        if spec.rules().has(Rule::Requests) {
            let hash = requests::requests_hash(&ran.outcomes, &calls)?;
            expect(Field::RequestsHash, header.requests_hash, Some(hash))?;
        }
        expect(Field::StateRoot, header.state_root, state_root(&state))?;
        Ok(state)
    }
}

fn not_run(why: NotRun) -> ImportError {
    match why {
        NotRun::Rejected { index, reason } => Invalid::Transaction { index, reason }.into(),
        NotRun::Failed(why) => ImportError::Failed(why),
    }
}

/// The outputs of the system calls after the transactions, all of which must have succeeded.
fn called(plan: &Plan, ran: &Ran) -> Result<Vec<Bytes>, Invalid> {
    let output = |(address, call): (&Address, &Option<Executed>)| match call {
        None => Err(Invalid::SystemContractEmpty(*address)),
        Some(call) if call.status != TxStatus::Success => Err(Invalid::SystemCall(*address)),
        Some(call) => Ok(call.output.clone()),
    };
    plan.calls_after.iter().zip(&ran.after).map(output).collect()
}

/// What the executor says has changed must be what transactions and calls add up to.
fn check_sum(ran: &Ran, before: &MemoryState, after: &MemoryState) -> Result<(), String> {
    let Some(changes) = &ran.changes else { return Ok(()) };
    let mut state = before.clone();
    state.apply(changes);
    if state.accounts.len() != after.accounts.len() {
        let (sum, parts) = (state.accounts.len(), after.accounts.len());
        return Err(format!("{sum} accounts after the block, {parts} after its parts"));
    }
    for (address, account) in &state.accounts {
        let parts = after.accounts.get(address);
        let same = |other: &&MemoryAccount| {
            let (a, b) = (&account.info, &other.info);
            (a.balance, a.nonce, a.code_hash) == (b.balance, b.nonce, b.code_hash)
                && account.storage == other.storage
        };
        if parts.filter(same).is_none() {
            return Err(format!("{address} after the block is not what it is after its parts"));
        }
    }
    Ok(())
}
