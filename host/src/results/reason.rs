//! Words for how a transaction ended: names of rejections, and what revert data says.

use crate::types::{Executed, Outcome, Rejected, TxStatus};
use alloy_primitives::hex;
use alloy_sol_types::{Panic, PanicKind, Revert, SolError};
use std::borrow::Cow;

/// Bytes of a selector.
const SELECTOR_BYTES: usize = 4;

/// The name of a rejection in rows and counts.
pub fn rejection_name(rejected: &Rejected) -> &'static str {
    match rejected {
        Rejected::NonceTooLow { .. } => "nonce-too-low",
        Rejected::NonceTooHigh { .. } => "nonce-too-high",
        Rejected::NonceMax => "nonce-max",
        Rejected::Balance { .. } => "balance-too-low",
        Rejected::SenderCode => "sender-code",
        Rejected::CostOverflow => "cost-overflow",
        Rejected::IntrinsicGas { .. } => "intrinsic-gas",
        Rejected::FloorGas { .. } => "floor-gas",
        Rejected::GasLimit { .. } => "gas-limit",
        Rejected::BaseFee { .. } => "base-fee",
        Rejected::PriorityFee { .. } => "priority-fee",
        Rejected::BlobFee { .. } => "blob-fee",
        Rejected::Blobs(_) => "blobs",
        Rejected::ChainId { .. } => "chain-id",
        Rejected::InitCodeSize { .. } => "init-code-limit",
        Rejected::Authorizations(_) => "authorizations",
        Rejected::Type(_) => "transaction-type",
    }
}

/// Why a transaction did not succeed; `None` where it did, or reverted without a word.
pub fn reason(outcome: &Outcome) -> Option<Cow<'static, str>> {
    match &outcome.result {
        Err(rejected) => Some(rejected.to_string().into()),
        Ok(Executed { status: TxStatus::Success, .. }) => None,
        Ok(Executed { status: TxStatus::Halt, end, .. }) => Some(end.words().into()),
        Ok(Executed { status: TxStatus::Revert, output, .. }) => said(output).map(Cow::Owned),
    }
}

/// What revert data says: the text of `Error(string)`, the meaning of `Panic(uint256)`, else the
/// selector of a custom error and its arguments as they are. Whoever wrote the contract chose the
/// data, so that nothing about it holds.
fn said(data: &[u8]) -> Option<String> {
    if let Ok(Revert { reason }) = Revert::abi_decode(data) {
        return Some(reason);
    }
    if let Ok(Panic { code }) = Panic::abi_decode(data) {
        let kind = u32::try_from(code).ok().and_then(PanicKind::from_number);
        let meaning = kind.map_or("no code that Solidity has", PanicKind::as_str);
        return Some(format!("Panic({code:#x}): {meaning}"));
    }
    let (selector, arguments) = data.split_at_checked(SELECTOR_BYTES)?;
    let selector = hex::encode_prefixed(selector);
    Some(match arguments.is_empty() {
        true => format!("custom error {selector}"),
        false => format!("custom error {selector} with {}", hex::encode_prefixed(arguments)),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::types::End;
    use alloy_primitives::{U256, keccak256};
    use proptest::prelude::*;

    /// What `revert(text)` of Solidity gives: the selector, offset and length, the text padded.
    fn error_string(text: &[u8]) -> Vec<u8> {
        let mut data = keccak256("Error(string)")[..SELECTOR_BYTES].to_vec();
        data.extend(U256::from(32).to_be_bytes::<32>());
        data.extend(U256::from(text.len()).to_be_bytes::<32>());
        data.extend(text);
        data.resize(data.len().next_multiple_of(32) + SELECTOR_BYTES, 0);
        data
    }

    /// A call that ended in it.
    pub(in crate::results) fn reverted(text: &str) -> Outcome {
        let executed = Executed {
            status: TxStatus::Revert,
            end: End::Revert,
            gas_used: 30_000,
            gas_refunded: 0,
            output: error_string(text.as_bytes()).into(),
            created: None,
            logs: Vec::new(),
            changes: Vec::new(),
        };
        Outcome { result: Ok(executed), fallback: None }
    }

    fn panic(code: U256) -> Vec<u8> {
        let selector = keccak256("Panic(uint256)");
        [&selector[..SELECTOR_BYTES], &code.to_be_bytes::<32>()].concat()
    }

    #[test]
    fn reverts_are_told_in_words() {
        assert_eq!(said(&error_string(b"too little")).as_deref(), Some("too little"));
        assert_eq!(said(&error_string(b"")).as_deref(), Some(""));
        let overflow = said(&panic(U256::from(0x11)));
        assert_eq!(overflow.as_deref(), Some("Panic(0x11): arithmetic underflow or overflow"));
        let unknown = said(&panic(U256::MAX)).expect("told");
        assert!(unknown.ends_with("ff): no code that Solidity has"), "{unknown}");
        assert_eq!(said(&[1, 2, 3, 4]).as_deref(), Some("custom error 0x01020304"));
        let custom = said(&[1, 2, 3, 4, 5]);
        assert_eq!(custom.as_deref(), Some("custom error 0x01020304 with 0x05"));
        assert_eq!((said(&[]), said(&[1, 2, 3])), (None, None));
    }

    #[test]
    fn a_hostile_string_is_data_like_any_other() {
        let mut long = error_string(b"x");
        long[SELECTOR_BYTES + 32..SELECTOR_BYTES + 64].fill(0xff);
        assert!(said(&long).expect("told").starts_with("custom error 0x08c379a0 with 0x"));
        let mut far = error_string(b"x");
        far[SELECTOR_BYTES..SELECTOR_BYTES + 32].fill(0xff);
        assert!(said(&far).expect("told").starts_with("custom error 0x08c379a0 with 0x"));
        let cut = said(&error_string(b"abcdef")[..SELECTOR_BYTES + 66]).expect("told");
        assert!(cut.starts_with("custom error 0x08c379a0 with 0x"), "{cut}");
        // No UTF-8: what is none is replaced.
        assert_eq!(said(&error_string(&[b'a', 0xff])).as_deref(), Some("a\u{fffd}"));
    }

    proptest! {
        #[test]
        fn any_data_is_told(word in 0..4u8, data in prop::collection::vec(any::<u8>(), 0..200)) {
            let selectors = [&b""[..], &Revert::SELECTOR, &Panic::SELECTOR, &[9; 4]];
            let data = [selectors[usize::from(word)], &data].concat();
            prop_assert_eq!(said(&data).is_some(), data.len() >= SELECTOR_BYTES);
        }
    }

    #[test]
    fn a_rejection_and_a_halt_say_why() {
        let outcome = |result| Outcome { result, fallback: None };
        let rejected = Rejected::NonceTooLow { tx: 1, state: 2 };
        let low = reason(&outcome(Err(rejected.clone())));
        assert_eq!(low.as_deref(), Some("nonce 1 is lower than the account's nonce 2"));
        assert_eq!(rejection_name(&rejected), "nonce-too-low");
        let halted = Executed {
            status: TxStatus::Halt,
            end: End::InvalidJump,
            gas_used: 1,
            gas_refunded: 0,
            output: Default::default(),
            created: None,
            logs: Vec::new(),
            changes: Vec::new(),
        };
        let words = reason(&outcome(Ok(halted.clone())));
        assert_eq!(words.as_deref(), Some("a jump to a place that is no JUMPDEST"));
        let fine = Executed { status: TxStatus::Success, end: End::Stop, ..halted };
        assert_eq!(reason(&outcome(Ok(fine))), None);
    }
}
