//! A block from its RLP, and its transactions as the engine takes them.

use super::error::{Field, Invalid, Part, expect};
use crate::types::{AuthorizationFault, BlobFault, Rejected, Transaction};
use alloy_consensus::proofs::{calculate_transaction_root, calculate_withdrawals_root};
use alloy_consensus::transaction::{Transaction as _, TxEip4844};
use alloy_consensus::{Block, EthereumTxEnvelope, Header, Sealed, Typed2718};
use alloy_eips::eip4895::Withdrawals;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, U256, uint};
use alloy_rlp::{Decodable, EMPTY_LIST_CODE, EMPTY_STRING_CODE, PayloadView};
use rayon::prelude::*;
use revm::context::either::Either;
use warpevm_compiler::{Rule, Spec};

/// A transaction as a block holds it: one with blobs comes without them.
pub type BlockTransaction = EthereumTxEnvelope<TxEip4844>;

/// Half of the group order of secp256k1: a larger `s` may not be valid (EIP-2).
const S_MAX: U256 = uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

/// The place of the recipient among the fields of a transaction of type 3 or 4.
const TO_FIELD: usize = 5;
/// The place of the authorizations in one of type 4.
const AUTHORIZATIONS_FIELD: usize = 9;

/// Decodes a block, all of `rlp`.
pub fn decode(rlp: &[u8]) -> Result<Sealed<Block<BlockTransaction>>, Invalid> {
    let mut rest = rlp;
    let block = Block::decode_sealed(&mut rest).map_err(|error| fault(rlp, error))?;
    match rest.is_empty() {
        true => Ok(block),
        false => Err(Invalid::Rlp { part: Part::Block, error: alloy_rlp::Error::UnexpectedLength }),
    }
}

/// What is wrong with a block that does not decode: `error` says how, this looks where.
fn fault(rlp: &[u8], error: alloy_rlp::Error) -> Invalid {
    let at = |part| Invalid::Rlp { part, error };
    let mut rest = rlp;
    let Ok(mut payload) = alloy_rlp::Header::decode_bytes(&mut rest, true) else {
        return at(Part::Block);
    };
    if Header::decode(&mut payload).is_err() {
        return at(Part::Header);
    }
    let Ok(mut transactions) = alloy_rlp::Header::decode_bytes(&mut payload, true) else {
        return at(Part::Block);
    };
    for index in 0.. {
        if transactions.is_empty() {
            break;
        }
        let mut this = transactions;
        if BlockTransaction::decode(&mut transactions).is_err() {
            let fault = transaction_fault(&mut this, index);
            return fault.unwrap_or(at(Part::Transaction(index)));
        }
    }
    if Vec::<Header>::decode(&mut payload).is_err() {
        return at(Part::Ommers);
    }
    match payload.is_empty() || Withdrawals::decode(&mut payload).is_ok() {
        true => at(Part::Block),
        false => at(Part::Withdrawals),
    }
}

/// The rule that a transaction breaks whose type has no encoding for what it is.
fn transaction_fault(item: &mut &[u8], index: usize) -> Option<Invalid> {
    let bytes = alloy_rlp::Header::decode_bytes(item, false).ok()?;
    let (&ty, mut payload) = bytes.split_first()?;
    let broken = |reason| Some(Invalid::Transaction { index, reason });
    if !(1..=4).contains(&ty) {
        return broken(Rejected::Type(ty));
    }
    let PayloadView::List(fields) = alloy_rlp::Header::decode_raw(&mut payload).ok()? else {
        return None;
    };
    if ty == 3 && fields.first().is_some_and(|first| first.first() >= Some(&EMPTY_LIST_CODE)) {
        return Some(Invalid::FullBlobs(index));
    }
    let creates = fields.get(TO_FIELD) == Some(&&[EMPTY_STRING_CODE][..]);
    match ty {
        3 if creates => broken(Rejected::Blobs(BlobFault::Creation)),
        4 if creates => broken(Rejected::Authorizations(AuthorizationFault::Creation)),
        4 => {
            let mut list = *fields.get(AUTHORIZATIONS_FIELD)?;
            let read = Vec::<SignedAuthorization>::decode(&mut list);
            read.err().and(broken(Rejected::Authorizations(AuthorizationFault::Format)))
        }
        _ => None,
    }
}

/// Checks the size, and the body against the header: roots of transactions and withdrawals.
pub fn check_body(
    block: &Block<BlockTransaction>,
    rlp_bytes: usize,
    spec: Spec,
) -> Result<(), Invalid> {
    let max = spec.block_schedule().rlp_bytes_max as usize;
    if rlp_bytes > max {
        return Err(Invalid::TooLarge { bytes: rlp_bytes, max });
    }
    let (header, body) = (&block.header, &block.body);
    if body.withdrawals.is_some() != spec.rules().has(Rule::Withdrawals) {
        return Err(match body.withdrawals {
            Some(_) => Invalid::Early("withdrawals"),
            None => Invalid::Missing("withdrawals"),
        });
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
    let rules = spec.rules();
    if (rules.has(Rule::LowSignatures) && !low) || (chain && !rules.has(Rule::ReplayProtection)) {
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
