//! A block with its pre-state, alone: no chain around it, and not all of its header.

use super::check::{self, HeaderCheck};
use super::execute::{BlockExecutor, BlockRun, begin};
use super::payload::Payload;
use crate::error::Error;
use crate::reference::Sequential;
use crate::reference::validate::{Validate, Validation, validate_in_order};
use crate::state::{MemoryState, State};
use crate::types::{Env, Outcome, Transaction};
use alloy_primitives::{Address, B256, Bloom, U256};

/// A block, ready to execute and to check.
#[derive(Clone, Debug)]
pub struct BlockInput {
    /// Where it came from, for messages.
    pub place: String,
    /// Number.
    pub number: u64,
    /// Spec and block environment.
    pub env: Env,
    /// The transactions in order.
    pub transactions: Vec<Transaction>,
    /// Their hashes.
    pub hashes: Vec<B256>,
    /// The state before the block.
    pub state: MemoryState,
    /// What the header says about the result.
    pub header: HeaderFields,
    /// Withdrawals (EIP-4895), from Shanghai on.
    pub withdrawals: Vec<Withdrawal>,
    /// Hashes of the ommers. Their headers are not in the input, so rewards are not computed.
    pub ommers: Vec<B256>,
}

/// Header fields that results are checked against, or that system calls need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the header's own names")]
pub struct HeaderFields {
    pub hash: B256,
    pub parent_hash: B256,
    pub state_root: B256,
    pub receipts_root: B256,
    pub logs_bloom: Bloom,
    pub gas_used: u64,
    pub blob_gas_used: Option<u64>,
    pub parent_beacon_block_root: Option<B256>,
    pub requests_hash: Option<B256>,
}

/// A withdrawal (EIP-4895).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// Who gets it.
    pub address: Address,
    /// How much, in units of 10^9 wei.
    pub amount_gwei: u64,
}

impl Withdrawal {
    /// The amount in wei.
    pub fn wei(&self) -> U256 {
        U256::from(self.amount_gwei) * U256::from(1_000_000_000u64)
    }
}

impl BlockInput {
    /// What happens in it. Rewards of miners are left out.
    pub fn payload(&self) -> Payload<'_> {
        let header = &self.header;
        let beacon_root = header.parent_beacon_block_root;
        Payload::new(&self.env, &self.transactions, header.parent_hash, beacon_root)
            .with_withdrawals(self.withdrawals.iter().copied())
    }

    /// Executes it on its pre-state. A transaction that is not valid ends it: its outcome is the
    /// last one.
    pub fn execute<'s, E>(&'s self, executor: &E) -> Result<BlockRun, Error>
    where
        E: BlockExecutor<&'s MemoryState> + ?Sized,
    {
        let run = |payload: &Payload<'_>| executor.run(payload, &mut self.fresh()?);
        let payload = self.payload();
        let (index, reason) = match run(&payload) {
            Err(Error::Rejected { index, reason }) => (index, reason),
            ran => return ran,
        };
        // Only a valid block has a result. What the transactions before have is found again.
        let transactions = &self.transactions[..index];
        let mut ran = run(&Payload { transactions, ..payload })?;
        ran.outcomes.push(Outcome { result: Err(reason), fallback: None });
        Ok(ran)
    }

    /// Its pre-state, for an executor.
    fn fresh(&self) -> Result<State<&MemoryState>, Error> {
        Ok(State::new(&self.state)?.with_storage_probe())
    }

    /// Sequential revm at the first transaction.
    pub fn at_first(&self) -> Result<Sequential<&MemoryState>, Error> {
        let mut revm = Sequential::new(&self.env, &self.state).with_storage_probe();
        begin(&self.payload(), &mut revm)?;
        Ok(revm)
    }

    /// Compares results with those of sequential revm.
    pub fn validate(&self, outcomes: &[Outcome], mode: Validate) -> Result<Validation, Error> {
        if mode == Validate::Off {
            return Ok(Validation::default());
        }
        let how = (mode, self.number);
        validate_in_order(self.at_first()?, &self.env, &self.transactions, outcomes, how)
    }

    /// Compares results with the header.
    pub fn check(&self, outcomes: &[Outcome]) -> Vec<HeaderCheck> {
        check::compare(&self.header, self.env.spec, &self.transactions, outcomes)
    }
}
