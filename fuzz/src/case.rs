//! A case: a small state, an environment and transactions; enough to run it anywhere.

use alloy_primitives::map::{HashMap, U256Map};
use alloy_primitives::{Address, Bytes, U256, keccak256};
use warpevm::state::MemoryState;
use warpevm::{Env, Transaction};

/// An account before the transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub address: Address,
    /// In wei.
    pub balance: U256,
    /// Its nonce.
    pub nonce: u64,
    /// Its code.
    pub code: Bytes,
    /// Slots that are not zero.
    pub storage: Vec<(U256, U256)>,
}

/// What runs, and how.
#[derive(Clone, Debug)]
pub struct Case {
    /// Spec and block environment.
    pub env: Env,
    /// The state.
    pub accounts: Vec<Account>,
    /// Independent calls, or the transactions of a block.
    pub txs: Vec<Transaction>,
    /// In order on one state (`execute`); else each on its own (`simulate`).
    pub block: bool,
    /// Which of the engines runs it.
    pub engine: usize,
    /// The seed of the engine's state table.
    pub table_seed: u64,
}

impl Case {
    /// The state as a database.
    pub fn state(&self) -> MemoryState {
        let mut state = MemoryState::default();
        for account in &self.accounts {
            let Account { address, balance, nonce, code, storage } = account;
            let storage: U256Map<U256> = storage.iter().copied().collect();
            state.add_account(*address, *balance, *nonce, code.clone(), storage);
        }
        // As in a state test, so that a reproducer finds the same.
        let number: u64 = self.env.block.number.saturating_to();
        let hashes = (number.saturating_sub(256)..number).map(|n| (n, keccak256(n.to_string())));
        state.block_hashes = hashes.collect::<HashMap<_, _>>();
        state
    }
}
