//! Turns intents into signed transactions, executes them in order and builds the block.

use crate::chain::{AMPLE_GAS, Chain};
use crate::rng::Rng;
use crate::users::User;
use crate::workload::{Intent, signer};
use crate::world::{BEACON_ROOTS, World};
use alloy_consensus::transaction::RlpEcdsaEncodableTx;
use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, Eip658Value, Header, Receipt, ReceiptEnvelope, SignableTransaction,
    Signed, TxEip1559, TxEip2930, TxEnvelope, TxLegacy, proofs,
};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, U256, keccak256};
use anyhow::{Context as _, Result, ensure};
use revm::context::TxEnv;
use revm::context::result::{ExecutionResult, ResultAndState};
use std::collections::BTreeMap;

const GWEI: u128 = 1_000_000_000;

pub struct Block {
    pub header: Header,
    pub withdrawals: Vec<Withdrawal>,
    pub txs: Vec<(Address, TxEnvelope)>,
    /// How many transactions ended how.
    pub outcomes: BTreeMap<String, usize>,
}

/// Executes the block's system call, transactions and withdrawals on `chain`.
pub fn build(
    world: &World,
    chain: &mut Chain,
    intents: &[Intent],
    mut header: Header,
    withdrawals: Vec<Withdrawal>,
    rng: &mut Rng,
) -> Result<Block> {
    let root = header.parent_beacon_block_root.context("a Cancun header names a beacon root")?;
    chain.system_call(BEACON_ROOTS, root.to_vec().into())?;
    let base_fee = u128::from(header.base_fee_per_gas.context("London and later have a base fee")?);

    let mut txs = Vec::new();
    let mut receipts = Vec::new();
    let mut outcomes = BTreeMap::new();
    for (i, intent) in intents.iter().enumerate() {
        let prepared = prepare(world, chain, intent, base_fee, rng)
            .with_context(|| format!("transaction {i} from user {}", intent.from))?;
        let (tx, envelope) = prepared;
        let result = chain.execute(tx)?;
        header.gas_used += result.tx_gas_used();
        let receipt = Receipt {
            status: Eip658Value::Eip658(result.is_success()),
            cumulative_gas_used: header.gas_used,
            logs: result.logs().to_vec(),
        }
        .with_bloom();
        header.logs_bloom |= receipt.logs_bloom;
        receipts.push(match &envelope {
            TxEnvelope::Legacy(_) => ReceiptEnvelope::Legacy(receipt),
            TxEnvelope::Eip2930(_) => ReceiptEnvelope::Eip2930(receipt),
            _ => ReceiptEnvelope::Eip1559(receipt),
        });
        let outcome = match &result {
            _ if result.is_success() => "success".to_owned(),
            ExecutionResult::Halt { reason, .. } => format!("halt: {reason:?}"),
            _ => "revert".to_owned(),
        };
        *outcomes.entry(outcome).or_default() += 1;
        txs.push((signer(world, intent).address, envelope));
    }
    for withdrawal in &withdrawals {
        chain.credit(withdrawal.address, U256::from(withdrawal.amount) * U256::from(GWEI))?;
    }

    ensure!(header.gas_used <= header.gas_limit, "the block uses {} gas", header.gas_used);
    header.ommers_hash = EMPTY_OMMER_ROOT_HASH;
    header.state_root = chain.state_root();
    header.receipts_root = proofs::calculate_receipt_root(&receipts);
    let envelopes: Vec<_> = txs.iter().map(|(_, envelope)| envelope.clone()).collect();
    header.transactions_root = proofs::calculate_transaction_root(&envelopes);
    header.withdrawals_root = Some(proofs::calculate_withdrawals_root(&withdrawals));
    Ok(Block { header, withdrawals, txs, outcomes })
}

/// Chooses type, fees, access list and gas limit, and signs.
fn prepare(
    world: &World,
    chain: &mut Chain,
    intent: &Intent,
    base_fee: u128,
    rng: &mut Rng,
) -> Result<(TxEnv, TxEnvelope)> {
    let user = signer(world, intent);
    let tip = GWEI / 100 * u128::from(rng.between(1, 300));
    let mut tx = TxEnv {
        caller: user.address,
        kind: intent.kind,
        data: intent.data.clone(),
        value: intent.value,
        nonce: chain.nonce(user.address),
        chain_id: Some(1),
        ..TxEnv::default()
    };
    match rng.below(100) {
        // A few wallets still sign without a chain id (before EIP-155).
        0..24 => {
            tx.gas_price = base_fee + tip;
            tx.chain_id = (!rng.chance(6)).then_some(1);
        }
        24..34 => {
            tx.tx_type = 1;
            tx.gas_price = base_fee + tip;
        }
        _ => {
            tx.tx_type = 2;
            tx.gas_price = base_fee * u128::from(rng.between(11, 20)) / 10 + tip;
            tx.gas_priority_fee = Some(tip);
        }
    }
    tx.gas_limit = AMPLE_GAS;
    let fee_cap = tx.gas_price;
    // A gas limit that is set to run out leaves nothing to pay for a list.
    let declares = tx.tx_type == 1 || (tx.tx_type == 2 && rng.chance(5));
    if declares && intent.gas_limit.is_none() {
        let trial = chain.transact(free(&tx, base_fee))?;
        tx.access_list = access_list(user.address, &trial, rng);
    }
    let trial = chain.transact(free(&tx, base_fee))?;
    tx.gas_limit = intent.gas_limit.unwrap_or_else(|| {
        let spent = trial.result.gas().total_gas_spent();
        // A plain transfer is given what it needs, everything else a margin.
        if spent == 21_000 { spent } else { (spent * 13 / 10).next_multiple_of(1_000) }
    });
    tx.gas_price = fee_cap;
    let envelope = sign(user, &tx);
    Ok((tx, envelope))
}

/// The same transaction at the lowest fee, since a trial's gas limit may cost more than the sender
/// owns.
fn free(tx: &TxEnv, base_fee: u128) -> TxEnv {
    let mut trial = tx.clone();
    trial.gas_price = base_fee;
    trial.gas_priority_fee = tx.gas_priority_fee.map(|_| 0);
    let plain = trial.data.is_empty() && trial.access_list.0.is_empty();
    trial.gas_limit = if plain { 200_000 } else { AMPLE_GAS };
    trial
}

/// What the trial touched, as a wallet would declare it; now and then not quite right.
fn access_list(sender: Address, trial: &ResultAndState, rng: &mut Rng) -> AccessList {
    let touched: BTreeMap<_, _> = trial.state.iter().collect();
    let mut items = Vec::new();
    for (address, account) in touched {
        let mut keys: Vec<B256> = account.storage.keys().map(|key| B256::from(*key)).collect();
        keys.sort();
        if *address == sender || (keys.is_empty() && !rng.chance(30)) {
            continue;
        }
        match rng.below(12) {
            0 => drop(keys.pop()),
            1 => keys.push(keccak256(rng.next().to_be_bytes())),
            _ => {}
        }
        items.push(AccessListItem { address: *address, storage_keys: keys });
    }
    AccessList(items)
}

fn sign(user: &User, tx: &TxEnv) -> TxEnvelope {
    let input = tx.data.clone();
    let access_list = tx.access_list.clone();
    let TxEnv { nonce, gas_limit, gas_price, kind: to, value, .. } = *tx;
    match tx.tx_type {
        0 => {
            let chain_id = tx.chain_id;
            seal(user, TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input })
        }
        1 => {
            let chain_id = 1;
            let tx =
                TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
            seal(user, tx)
        }
        _ => {
            let tx = TxEip1559 {
                chain_id: 1,
                nonce,
                gas_limit,
                max_fee_per_gas: gas_price,
                max_priority_fee_per_gas: tx.gas_priority_fee.unwrap_or_default(),
                to,
                value,
                access_list,
                input,
            };
            seal(user, tx)
        }
    }
}

fn seal<T>(user: &User, tx: T) -> TxEnvelope
where
    T: SignableTransaction<alloy_primitives::Signature> + RlpEcdsaEncodableTx,
    TxEnvelope: From<Signed<T>>,
{
    let signature = user.sign(tx.signature_hash());
    tx.into_signed(signature).into()
}
