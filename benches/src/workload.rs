//! Generated workloads.

use super::programs;
use alloy_primitives::map::U256Map;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use anyhow::{Context, anyhow};
use rand::{SeedableRng, rngs::StdRng};
use revm::context::BlockEnv;
use serde::Deserialize;
use warpevm::chain::forks;
use warpevm::reference;
use warpevm::state::{MemoryAccount, MemoryState};
use warpevm::types::{Checks, Env, Spec, Transaction};

/// The compiled ERC-20 token of the examples.
const TOKEN_ARTIFACT: &str = include_str!("../../host/examples/artifacts/Token.json");
/// The compiled constant-product pool of the examples.
const PAIR_ARTIFACT: &str = include_str!("../../host/examples/artifacts/Pair.json");
/// Slot of `balanceOf` in the token: after name, symbol, totalSupply and owner.
const BALANCES_SLOT: U256 = U256::from_limbs([4, 0, 0, 0]);
/// Slot of `allowance` in the token.
const ALLOWANCES_SLOT: U256 = U256::from_limbs([5, 0, 0, 0]);
/// Selector of `transfer(address,uint256)`.
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];
/// Enough for a transfer to a fresh account, as a wallet would set it.
const TRANSFER_GAS: u64 = 100_000;
/// A plain transfer takes so much.
const PLAIN_GAS: u64 = 21_000;
/// Enough for a call of a loop.
const LOOP_GAS: u64 = 1_000_000;
/// Accounts that make the calls of a fuzzer.
const FUZZ_SENDERS: u32 = 16;
/// Enough for a swap.
const SWAP_GAS: u64 = 300_000;
/// Wei that each sender has.
const ETHER: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
/// Units of a token that a sender has, and that a pool has of either.
const TOKENS: u64 = 1_000_000_000;
const RESERVE: u64 = 1_000_000_000_000;

#[derive(Deserialize)]
struct Artifact {
    creation: Bytes,
    deployed: Bytes,
}

fn artifact(text: &str) -> anyhow::Result<Artifact> {
    serde_json::from_str(text).context("the artifact of an example contract")
}

/// A workload: transactions and the state before them.
#[derive(Clone)]
pub struct Generated {
    pub env: Env,
    pub txs: Vec<Transaction>,
    pub state: MemoryState,
}

/// An address that follows from what it is for and a number.
pub fn address(what: &str, index: u32) -> Address {
    Address::from_word(keccak256(format!("warpevm bench {what} {index}")))
}

/// The slot of a key in a mapping.
fn mapped(key: Address, slot: U256) -> U256 {
    let mut bytes = [0; 64];
    bytes[12..32].copy_from_slice(key.as_slice());
    bytes[32..].copy_from_slice(&slot.to_be_bytes::<32>());
    U256::from_be_bytes(keccak256(bytes).0)
}

fn env(gas_limit: u64) -> Env {
    let fee = forks::blob_fee(0, Spec::Cancun.block_schedule().blob_fee_update_fraction);
    let block = BlockEnv {
        number: U256::from(20_000_000u64),
        beneficiary: address("beneficiary", 0),
        timestamp: U256::from(1_720_000_000u64),
        gas_limit,
        basefee: 7_000_000_000,
        prevrandao: Some(keccak256("warpevm bench")),
        blob_excess_gas_and_price: fee,
        ..BlockEnv::default()
    };
    Env { spec: Spec::Cancun, chain_id: 1, block, checks: Checks::default() }
}

fn add_sender(state: &mut MemoryState, address: Address, nonce: u64) {
    let (_, no_code) = state.add_code(Bytes::new());
    let mut account = MemoryAccount::default();
    account.info.balance = ETHER;
    account.info.nonce = nonce;
    account.info.code = Some(no_code);
    state.accounts.insert(address, account);
}

fn call(caller: Address, nonce: u64, to: Address, data: Vec<u8>, gas_limit: u64) -> Transaction {
    Transaction {
        caller,
        gas_limit,
        gas_price: 10_000_000_000,
        kind: TxKind::Call(to),
        data: data.into(),
        nonce,
        chain_id: Some(1),
        ..Transaction::default()
    }
}

fn push(data: &mut Vec<u8>, word: impl Into<U256>) {
    data.extend_from_slice(&word.into().to_be_bytes::<32>());
}

fn word(address: Address) -> U256 {
    U256::from_be_bytes(B256::left_padding_from(address.as_slice()).0)
}

/// Plain transfers of ether, each from a sender of its own to a recipient of its own that exists.
pub fn plain(count: u32) -> Generated {
    let mut state = MemoryState::default();
    let mut txs = Vec::with_capacity(count as usize);
    for index in 0..count {
        let (from, to) = (address("sender", index), address("recipient", index));
        add_sender(&mut state, from, 0);
        add_sender(&mut state, to, 0);
        let value = U256::from(1 + index);
        txs.push(Transaction { value, ..call(from, 0, to, Vec::new(), PLAIN_GAS) });
    }
    Generated { env: env(gas_of(&txs)), txs, state }
}

/// Calls of one code without data, each by a sender of its own.
pub fn calls(code: Vec<u8>, count: u32) -> Generated {
    let to = address("contract", 0);
    let mut state = MemoryState::default();
    state.add_account(to, U256::ZERO, 1, code.into(), U256Map::default());
    let mut txs = Vec::with_capacity(count as usize);
    for index in 0..count {
        let from = address("sender", index);
        add_sender(&mut state, from, 0);
        txs.push(call(from, 0, to, Vec::new(), LOOP_GAS));
    }
    Generated { env: env(gas_of(&txs)), txs, state }
}

/// Random calls of these codes, by a few senders: what a fuzzer asks.
pub fn fuzz(codes: &[Bytes], count: u32, seed: u64) -> Generated {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut state = MemoryState::default();
    let mut addresses: Vec<Address> = (0..FUZZ_SENDERS).map(|n| address("sender", n)).collect();
    addresses.iter().for_each(|sender| add_sender(&mut state, *sender, 0));
    let contracts: Vec<(Address, Vec<[u8; 4]>)> = (0u32..)
        .zip(codes)
        .map(|(index, code)| {
            let address = address("contract", index);
            state.add_account(address, U256::ZERO, 1, code.clone(), U256Map::default());
            (address, programs::selectors(code))
        })
        .collect();
    addresses.extend(contracts.iter().map(|(address, _)| *address));
    let mut txs = Vec::with_capacity(count as usize);
    for index in 0..count {
        let (to, selectors) = &contracts[index as usize % contracts.len()];
        let data = programs::calldata(&mut rng, selectors, &addresses);
        let from = addresses[(index % FUZZ_SENDERS) as usize];
        txs.push(call(from, 0, *to, data, SWAP_GAS));
    }
    Generated { env: env(gas_of(&txs)), txs, state }
}

/// Transfers of one token, each from a sender of its own to whom `recipients` names, fees paid.
pub fn transfers(recipients: &[Address]) -> anyhow::Result<Generated> {
    transfers_to(recipients, false)
}

/// The same; recipients may have some of the token already.
pub fn transfers_to(recipients: &[Address], existing: bool) -> anyhow::Result<Generated> {
    let token = address("token", 0);
    let mut state = MemoryState::default();
    let mut balances = U256Map::default();
    let mut txs = Vec::with_capacity(recipients.len());
    if existing {
        balances.extend(recipients.iter().map(|to| (mapped(*to, BALANCES_SLOT), U256::ONE)));
    }
    for (index, to) in (0u32..).zip(recipients) {
        let from = address("sender", index);
        balances.insert(mapped(from, BALANCES_SLOT), U256::from(1_000_000 + u64::from(index)));
        let nonce = u64::from(index % 7);
        add_sender(&mut state, from, nonce);
        let mut data = TRANSFER.to_vec();
        push(&mut data, word(*to));
        push(&mut data, U256::from(1 + index % 1_000_000));
        txs.push(call(from, nonce, token, data, TRANSFER_GAS));
    }
    state.add_account(token, U256::ZERO, 1, artifact(TOKEN_ARTIFACT)?.deployed, balances);
    Ok(Generated { env: env(gas_of(&txs)), txs, state })
}

/// Chains of transfers of one token: who is paid pays the next with it. `chains` of them, each of
/// `length`, one after the other in the block.
pub fn chains(chains: u32, length: u32) -> anyhow::Result<Generated> {
    let token = address("token", 0);
    let mut state = MemoryState::default();
    let mut balances = U256Map::default();
    let mut txs = Vec::new();
    for chain in 0..chains {
        for link in 0..length {
            let (from, to) = (chain * (length + 1) + link, chain * (length + 1) + link + 1);
            let from = address("sender", from);
            if link == 0 {
                balances.insert(mapped(from, BALANCES_SLOT), U256::from(TOKENS));
            }
            add_sender(&mut state, from, 0);
            let mut data = TRANSFER.to_vec();
            push(&mut data, word(address("sender", to)));
            push(&mut data, U256::from(TOKENS));
            txs.push(call(from, 0, token, data, TRANSFER_GAS));
        }
    }
    state.add_account(token, U256::ZERO, 1, artifact(TOKEN_ARTIFACT)?.deployed, balances);
    Ok(Generated { env: env(gas_of(&txs)), txs, state })
}

/// Swaps, each by a sender of its own, in the pool that `pools` names.
pub fn swaps(pools: &[u32]) -> anyhow::Result<Generated> {
    let (a, b) = (address("token", 0), address("token", 1));
    let (token0, token1) = if a < b { (a, b) } else { (b, a) };
    let mut state = MemoryState::default();
    let (mut balances0, mut balances1) = (U256Map::default(), U256Map::default());
    let pair = deploy(&artifact(PAIR_ARTIFACT)?, &[word(token0), word(token1)])?;
    let mut used = pools.to_vec();
    used.sort_unstable();
    used.dedup();
    for pool in used {
        let pool = address("pool", pool);
        let reserve = U256::from(RESERVE);
        balances0.insert(mapped(pool, BALANCES_SLOT), reserve);
        balances1.insert(mapped(pool, BALANCES_SLOT), reserve);
        let reserves = reserve | reserve << 112;
        let storage = U256Map::from_iter([(U256::ZERO, reserves)]);
        state.add_account(pool, U256::ZERO, 1, pair.clone(), storage);
    }
    let mut txs = Vec::with_capacity(pools.len());
    for (index, pool) in (0u32..).zip(pools) {
        let (from, pool) = (address("sender", index), address("pool", *pool));
        add_sender(&mut state, from, 0);
        balances0.insert(mapped(from, BALANCES_SLOT), U256::from(TOKENS));
        let allowance = mapped(pool, mapped(from, ALLOWANCES_SLOT));
        balances0.insert(allowance, U256::MAX);
        let mut data = keccak256("swap(address,uint256,uint256,address)")[..4].to_vec();
        push(&mut data, word(token0));
        push(&mut data, U256::from(1000 + index));
        push(&mut data, U256::ZERO);
        push(&mut data, word(from));
        txs.push(call(from, 0, pool, data, SWAP_GAS));
    }
    let token = artifact(TOKEN_ARTIFACT)?.deployed;
    state.add_account(token0, U256::ZERO, 1, token.clone(), balances0);
    state.add_account(token1, U256::ZERO, 1, token, balances1);
    Ok(Generated { env: env(gas_of(&txs)), txs, state })
}

fn gas_of(txs: &[Transaction]) -> u64 {
    txs.iter().map(|tx| tx.gas_limit).sum()
}

/// The code that a creation with these arguments leaves: immutables are in it.
fn deploy(artifact: &Artifact, arguments: &[U256]) -> anyhow::Result<Bytes> {
    let mut state = MemoryState::default();
    let from = address("deployer", 0);
    add_sender(&mut state, from, 0);
    let mut data = artifact.creation.to_vec();
    arguments.iter().for_each(|argument| push(&mut data, *argument));
    let tx = Transaction { kind: TxKind::Create, ..call(from, 0, from, data, 10_000_000) };
    let outcomes = reference::simulate_sequential(&env(30_000_000), &[tx], &state)?;
    let executed = outcomes.into_iter().next().and_then(|outcome| outcome.result.ok());
    let executed = executed.ok_or_else(|| anyhow!("the creation of a contract is not valid"))?;
    Ok(executed.output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use warpevm::types::TxStatus;

    fn changed_slots(generated: &Generated) -> Vec<usize> {
        let Generated { env, txs, state } = generated;
        let outcomes = reference::execute_sequential(env, txs, state).expect("revm runs");
        let slots = |outcome: &warpevm::Outcome| {
            let executed = outcome.result.as_ref().expect("valid");
            assert_eq!(executed.status, TxStatus::Success);
            executed.changes.iter().map(|change| change.storage.len()).sum()
        };
        outcomes.iter().map(slots).collect()
    }

    #[test]
    fn every_transaction_succeeds_and_moves_what_it_should() {
        let recipients: Vec<Address> = (0..40).map(|n| address("recipient", n % 3)).collect();
        assert_eq!(changed_slots(&transfers(&recipients).expect("generated")), vec![2; 40]);
        assert_eq!(changed_slots(&chains(3, 5).expect("generated")), vec![2; 15]);
        // Four balances, the reserves, and the price sums when time has passed.
        let swaps = changed_slots(&swaps(&[0, 1, 1, 2]).expect("generated"));
        assert_eq!(swaps, [7, 7, 5, 7]);
    }
}
