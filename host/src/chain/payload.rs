//! What happens in a block, beside what its header says of it.

use super::Withdrawal;
use crate::types::{AccountChange, Env, Transaction};
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes, U256};
use warpevm_compiler::{Rule, Spec};

/// What happens in a block, in this order.
#[derive(Clone, Debug)]
pub struct Payload<'b> {
    /// Spec and block environment.
    pub env: &'b Env,
    /// Changes that no transaction makes (EIP-779).
    pub irregular: Vec<AccountChange>,
    /// System calls: whom, with which data.
    pub calls_before: Vec<(Address, Bytes)>,
    /// Transactions.
    pub transactions: &'b [Transaction],
    /// Withdrawals and rewards.
    pub credits: Vec<(Address, U256)>,
    /// System calls that return requests.
    pub calls_after: &'static [Address],
}

impl<'b> Payload<'b> {
    /// Transactions and what the spec has around them.
    pub fn new(
        env: &'b Env,
        transactions: &'b [Transaction],
        parent_hash: B256,
        beacon_root: Option<B256>,
    ) -> Payload<'b> {
        Payload {
            env,
            irregular: Vec::new(),
            calls_before: calls_before(env.spec, parent_hash, beacon_root),
            transactions,
            credits: Vec::new(),
            calls_after: calls_after(env.spec),
        }
    }

    /// Adds withdrawals (EIP-4895).
    pub fn with_withdrawals(mut self, withdrawals: impl Iterator<Item = Withdrawal>) -> Self {
        self.credits.extend(withdrawals.map(|one| (one.address, one.wei())));
        self
    }
}

fn calls_before(spec: Spec, parent_hash: B256, beacon_root: Option<B256>) -> Vec<(Address, Bytes)> {
    let mut calls = Vec::new();
    if let (true, Some(root)) = (spec.rules().has(Rule::BeaconRoot), beacon_root) {
        calls.push((eip4788::BEACON_ROOTS_ADDRESS, root.into()));
    }
    if spec.rules().has(Rule::BlockHashHistory) {
        calls.push((eip2935::HISTORY_STORAGE_ADDRESS, parent_hash.into()));
    }
    calls
}

fn calls_after(spec: Spec) -> &'static [Address] {
    const CALLS: [Address; 2] = [
        eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
        eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    ];
    if spec.rules().has(Rule::Requests) { &CALLS } else { &[] }
}
