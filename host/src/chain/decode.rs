//! A block from its RLP, and its transactions as the engine takes them.

use super::error::{Field, Invalid, expect};
use crate::types::Transaction;
use alloy_consensus::proofs::{calculate_transaction_root, calculate_withdrawals_root};
use alloy_consensus::transaction::{Transaction as _, TxEip4844};
use alloy_consensus::{Block, EthereumTxEnvelope, Sealed, Typed2718};
use alloy_primitives::{Address, U256, uint};
use rayon::prelude::*;
use revm::context::either::Either;
use warpevm_compiler::Spec;

/// A transaction as a block holds it: one with blobs comes without them.
pub type BlockTransaction = EthereumTxEnvelope<TxEip4844>;

/// RLP of a block at most, from Osaka on (EIP-7934).
const RLP_BYTES_MAX: usize = (10 << 20) - (2 << 20);
/// Half of the group order of secp256k1: a larger `s` is not valid from Homestead on (EIP-2).
const S_MAX: U256 = uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

/// Decodes a block, all of `rlp`.
pub fn decode(rlp: &[u8]) -> Result<Sealed<Block<BlockTransaction>>, Invalid> {
    let mut rest = rlp;
    let block = Block::decode_sealed(&mut rest).map_err(Invalid::Rlp)?;
    match rest.is_empty() {
        true => Ok(block),
        false => Err(Invalid::Rlp(alloy_rlp::Error::UnexpectedLength)),
    }
}

/// Checks the size, and the body against the header: roots of transactions and withdrawals.
pub fn check_body(
    block: &Block<BlockTransaction>,
    rlp_bytes: usize,
    spec: Spec,
) -> Result<(), Invalid> {
    if spec >= Spec::Osaka && rlp_bytes > RLP_BYTES_MAX {
        return Err(Invalid::TooLarge { bytes: rlp_bytes, max: RLP_BYTES_MAX });
    }
    let (header, body) = (&block.header, &block.body);
    if body.withdrawals.is_some() != (spec >= Spec::Shanghai) {
        return Err(Invalid::Presence("withdrawals"));
    }
    let root = calculate_transaction_root(&body.transactions);
    expect(Field::TransactionsRoot, header.transactions_root, root)?;
    let root = body.withdrawals.as_ref().map(|list| calculate_withdrawals_root(list));
    expect(Field::WithdrawalsRoot, header.withdrawals_root, root)
}

/// The transactions of a block with their senders.
pub fn transactions(
    block: &Block<BlockTransaction>,
    spec: Spec,
) -> Result<Vec<Transaction>, Invalid> {
    let indexed = block.body.transactions.par_iter().enumerate();
    indexed
        .map(|(index, tx)| {
            let caller = sender(tx, spec).ok_or(Invalid::Signature { index })?;
            Ok(transaction(tx, caller))
        })
        .collect()
}

fn sender(tx: &BlockTransaction, spec: Spec) -> Option<Address> {
    let signature = tx.signature();
    let low = signature.s() <= S_MAX;
    // A signature for one chain came with EIP-155.
    let chain = tx.is_legacy() && tx.chain_id().is_some();
    if (spec >= Spec::Homestead && !low) || (chain && spec < Spec::SpuriousDragon) {
        return None;
    }
    signature.recover_address_from_prehash(&tx.signature_hash()).ok()
}

fn transaction(tx: &BlockTransaction, caller: Address) -> Transaction {
    let authorizations = tx.authorization_list().unwrap_or_default().iter();
    Transaction {
        tx_type: tx.ty(),
        caller,
        gas_limit: tx.gas_limit(),
        gas_price: tx.max_fee_per_gas(),
        kind: tx.kind(),
        value: tx.value(),
        data: tx.input().clone(),
        nonce: tx.nonce(),
        chain_id: tx.chain_id(),
        access_list: tx.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: tx.max_priority_fee_per_gas(),
        blob_hashes: tx.blob_versioned_hashes().unwrap_or_default().to_vec(),
        max_fee_per_blob_gas: tx.max_fee_per_blob_gas().unwrap_or(0),
        authorization_list: authorizations.cloned().map(Either::Left).collect(),
    }
}
