//! Checks a block's results against its header: receipts root, logs bloom, gas used.

use crate::input::Header;
use crate::types::{Env, Executed, Outcome, Transaction, TxStatus};
use alloy_consensus::proofs::calculate_receipt_root;
use alloy_consensus::{Eip658Value, Receipt, ReceiptEnvelope, ReceiptWithBloom};
use alloy_primitives::{B256, Bloom};
use serde::Serialize;
use warpevm_compiler::{Rule, Spec};

/// Gas of one blob (EIP-4844).
const GAS_PER_BLOB: u64 = 1 << 17;

/// How one header field compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

/// The receipts of a block's valid transactions, in order, with their status.
pub fn receipts(transactions: &[Transaction], outcomes: &[Outcome]) -> Vec<ReceiptEnvelope> {
    receipts_with(transactions.iter().map(|tx| tx.tx_type), outcomes, |_, executed| {
        Eip658Value::Eip658(executed.status == TxStatus::Success)
    })
}

/// The receipts of a block's valid transactions, in order. `status` gives each its first field from
/// its place and its result.
pub fn receipts_with(
    types: impl Iterator<Item = u8>,
    outcomes: &[Outcome],
    status: impl Fn(usize, &Executed) -> Eip658Value,
) -> Vec<ReceiptEnvelope> {
    let mut cumulative_gas_used = 0u64;
    let valid = types.zip(outcomes).enumerate();
    let receipt = |(index, (ty, outcome)): (usize, (u8, &Outcome))| {
        let executed = outcome.result.as_ref().ok()?;
        cumulative_gas_used = cumulative_gas_used.saturating_add(executed.gas_used);
        let receipt = ReceiptWithBloom::from(Receipt {
            status: status(index, executed),
            cumulative_gas_used,
            logs: executed.logs.clone(),
        });
        Some(match ty {
            0 => ReceiptEnvelope::Legacy(receipt),
            1 => ReceiptEnvelope::Eip2930(receipt),
            2 => ReceiptEnvelope::Eip1559(receipt),
            3 => ReceiptEnvelope::Eip4844(receipt),
            _ => ReceiptEnvelope::Eip7702(receipt),
        })
    };
    valid.filter_map(receipt).collect()
}

/// Whether receipts can be recomputed: before Byzantium each holds the state root after its
/// transaction (EIP-658), which needs the whole state.
pub fn receipts_root_checkable(spec: Spec) -> bool {
    spec.rules().has(Rule::ReceiptStatus)
}

/// Header fields that [`check`] does not look at. The state root needs the whole state after the
/// block, which an input rarely holds; the roots of transactions and withdrawals are of what went
/// in; the requests are what the block's last system calls return.
pub fn not_checked(header: &Header, spec: Spec) -> Vec<&'static str> {
    let mut fields = vec!["state_root", "transactions_root"];
    fields.extend(spec.rules().has(Rule::Withdrawals).then_some("withdrawals_root"));
    fields.extend(header.requests_hash.map(|_| "requests_hash"));
    fields
}

/// Checks a block's results against its header.
pub fn check(
    header: &Header,
    env: &Env,
    transactions: &[Transaction],
    outcomes: &[Outcome],
) -> Vec<HeaderCheck> {
    let receipts = receipts(transactions, outcomes);
    let root: Option<B256> =
        receipts_root_checkable(env.spec).then(|| calculate_receipt_root(&receipts));
    let bloom = receipts.iter().fold(Bloom::ZERO, |all, receipt| all | *receipt.logs_bloom());
    let gas_used = receipts.last().map_or(0, |receipt| receipt.cumulative_gas_used());
    let mut checks = vec![
        HeaderCheck::new("receipts_root", header.receipts_root, root),
        HeaderCheck::new("logs_bloom", header.logs_bloom, Some(bloom)),
        HeaderCheck::new("gas_used", header.gas_used, Some(gas_used)),
    ];
    if let Some(expected) = header.blob_gas_used {
        let valid = transactions.iter().zip(outcomes).filter(|(_, o)| o.result.is_ok());
        let blobs: usize = valid.map(|(tx, _)| tx.blob_hashes.len()).sum();
        let computed = GAS_PER_BLOB * blobs as u64;
        checks.push(HeaderCheck::new("blob_gas_used", expected, Some(computed)));
    }
    checks
}
