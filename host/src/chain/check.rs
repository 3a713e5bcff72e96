//! What a header says of the results of a block, and what they give: receipts root, bloom, gas.

use super::HeaderFields;
use super::network::GAS_PER_BLOB;
use crate::types::{Executed, Outcome, Transaction, TxStatus};
use alloy_consensus::proofs::calculate_receipt_root;
use alloy_consensus::{Eip658Value, Receipt, ReceiptEnvelope, ReceiptWithBloom};
use alloy_primitives::{B256, Bloom};
use serde::Serialize;
use warpevm_compiler::{Rule, Spec};

/// How one header field compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HeaderCheck {
    /// The header's field.
    pub field: &'static str,
    /// What the header says.
    pub expected: String,
    /// What the results give; `None`: the input does not allow to compute it.
    pub computed: Option<String>,
    /// Whether they are equal; `None`: not checkable.
    pub ok: Option<bool>,
}

impl HeaderCheck {
    fn new<T: PartialEq + std::fmt::Debug>(
        field: &'static str,
        expected: T,
        computed: Option<T>,
    ) -> HeaderCheck {
        HeaderCheck {
            field,
            ok: computed.as_ref().map(|computed| *computed == expected),
            expected: format!("{expected:?}"),
            computed: computed.map(|computed| format!("{computed:?}")),
        }
    }

    /// Whether the field was computed and is wrong.
    pub fn failed(&self) -> bool {
        self.ok == Some(false)
    }
}

/// What results give that a header says.
#[derive(Clone, Debug)]
pub(super) struct Results {
    pub gas_used: u64,
    pub logs_bloom: Bloom,
    /// Before Byzantium only with the roots: each receipt holds the state root after its
    /// transaction (EIP-658).
    pub receipts_root: Option<B256>,
    pub blob_gas_used: u64,
}

impl Results {
    /// Of a block's valid transactions; `roots` are the state roots after them, where they are
    /// known.
    pub(super) fn of(
        spec: Spec,
        transactions: &[Transaction],
        outcomes: &[Outcome],
        roots: Option<&[B256]>,
    ) -> Results {
        let valid = transactions.iter().zip(outcomes);
        let valid: Vec<(&Transaction, &Executed)> =
            valid.filter_map(|(tx, outcome)| Some((tx, outcome.result.as_ref().ok()?))).collect();
        let of_roots = !spec.rules().has(Rule::ReceiptStatus);
        let receipts = receipts(&valid, |index, executed| match roots.filter(|_| of_roots) {
            Some(roots) => Eip658Value::PostState(roots.get(index).copied().unwrap_or_default()),
            None => Eip658Value::Eip658(executed.status == TxStatus::Success),
        });
        let bloom = receipts.iter().fold(Bloom::ZERO, |all, receipt| all | *receipt.logs_bloom());
        let blobs: usize = valid.iter().map(|(tx, _)| tx.blob_hashes.len()).sum();
        let known = !of_roots || roots.is_some();
        Results {
            gas_used: receipts.last().map_or(0, |receipt| receipt.cumulative_gas_used()),
            logs_bloom: bloom,
            receipts_root: known.then(|| calculate_receipt_root(&receipts)),
            blob_gas_used: GAS_PER_BLOB.saturating_mul(blobs as u64),
        }
    }
}

/// The receipts of valid transactions, in order. `status` gives each its first field from its place
/// and its result.
fn receipts(
    valid: &[(&Transaction, &Executed)],
    status: impl Fn(usize, &Executed) -> Eip658Value,
) -> Vec<ReceiptEnvelope> {
    let mut cumulative_gas_used = 0u64;
    let receipt = |(index, (tx, executed)): (usize, &(&Transaction, &Executed))| {
        cumulative_gas_used = cumulative_gas_used.saturating_add(executed.gas_used);
        let receipt = ReceiptWithBloom::from(Receipt {
            status: status(index, executed),
            cumulative_gas_used,
            logs: executed.logs.clone(),
        });
        match tx.tx_type {
            0 => ReceiptEnvelope::Legacy(receipt),
            1 => ReceiptEnvelope::Eip2930(receipt),
            2 => ReceiptEnvelope::Eip1559(receipt),
            3 => ReceiptEnvelope::Eip4844(receipt),
            _ => ReceiptEnvelope::Eip7702(receipt),
        }
    };
    valid.iter().enumerate().map(receipt).collect()
}

/// Header fields that [`BlockInput::check`] does not look at. The state root needs the whole state
/// after the block, which an input rarely holds; the roots of transactions and withdrawals are of
/// what went in; the requests are what the block's last system calls return.
///
/// [`BlockInput::check`]: super::BlockInput::check
pub fn not_checked(header: &HeaderFields, spec: Spec) -> Vec<&'static str> {
    let mut fields = vec!["state_root", "transactions_root"];
    fields.extend(spec.rules().has(Rule::Withdrawals).then_some("withdrawals_root"));
    fields.extend(header.requests_hash.map(|_| "requests_hash"));
    fields
}

/// Compares results with a header.
pub(super) fn compare(
    header: &HeaderFields,
    spec: Spec,
    transactions: &[Transaction],
    outcomes: &[Outcome],
) -> Vec<HeaderCheck> {
    let results = Results::of(spec, transactions, outcomes, None);
    let mut checks = vec![
        HeaderCheck::new("receipts_root", header.receipts_root, results.receipts_root),
        HeaderCheck::new("logs_bloom", header.logs_bloom, Some(results.logs_bloom)),
        HeaderCheck::new("gas_used", header.gas_used, Some(results.gas_used)),
    ];
    if let Some(expected) = header.blob_gas_used {
        checks.push(HeaderCheck::new("blob_gas_used", expected, Some(results.blob_gas_used)));
    }
    checks
}
