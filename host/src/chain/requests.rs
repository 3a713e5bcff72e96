//! Requests to the consensus layer (EIP-7685): deposits from logs, the others from system calls.

use super::error::Invalid;
use crate::types::Outcome;
use alloy_eips::eip6110::{DEPOSIT_REQUEST_TYPE, MAINNET_DEPOSIT_CONTRACT_ADDRESS};
use alloy_eips::eip7002::WITHDRAWAL_REQUEST_TYPE;
use alloy_eips::eip7251::CONSOLIDATION_REQUEST_TYPE;
use alloy_eips::eip7685::Requests;
use alloy_primitives::{B256, Bytes, U256, b256};

/// The first topic of a deposit's log.
const DEPOSIT_TOPIC: B256 =
    b256!("649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");
/// The data of a deposit's log: five offsets, five fields with their lengths.
const DEPOSIT_LOG_BYTES: usize = 576;
/// Where each field starts, and its length: public key, credentials, amount, signature, index.
const DEPOSIT_FIELDS: [(usize, usize); 5] = [(160, 48), (256, 32), (320, 8), (384, 96), (512, 8)];
/// Types of the requests that the system calls return, in the calls' order.
const CALL_TYPES: [u8; 2] = [WITHDRAWAL_REQUEST_TYPE, CONSOLIDATION_REQUEST_TYPE];

/// The hash of a block's requests. `calls`: what the system calls returned.
pub fn requests_hash(outcomes: &[Outcome], calls: &[Bytes]) -> Result<B256, Invalid> {
    let mut requests = Requests::default();
    let deposits = deposits(outcomes)?;
    if !deposits.is_empty() {
        requests.push_request_with_type(DEPOSIT_REQUEST_TYPE, deposits);
    }
    for (ty, output) in CALL_TYPES.into_iter().zip(calls) {
        if !output.is_empty() {
            requests.push_request_with_type(ty, output.iter().copied());
        }
    }
    Ok(requests.requests_hash())
}

fn deposits(outcomes: &[Outcome]) -> Result<Vec<u8>, Invalid> {
    let mut deposits = Vec::new();
    let executed = outcomes.iter().filter_map(|outcome| outcome.result.as_ref().ok());
    for log in executed.flat_map(|executed| &executed.logs) {
        let topic = log.data.topics().first();
        if log.address == MAINNET_DEPOSIT_CONTRACT_ADDRESS && topic == Some(&DEPOSIT_TOPIC) {
            append_deposit(&log.data.data, &mut deposits).ok_or(Invalid::DepositLog)?;
        }
    }
    Ok(deposits)
}

/// Appends the fields of one log; `None` where it is not of the contract's form.
fn append_deposit(data: &[u8], to: &mut Vec<u8>) -> Option<()> {
    if data.len() != DEPOSIT_LOG_BYTES {
        return None;
    }
    let word = |at: usize| data.get(at..at + 32).map(U256::from_be_slice);
    for (index, (start, len)) in DEPOSIT_FIELDS.into_iter().enumerate() {
        if word(32 * index)? != U256::from(start) || word(start)? != U256::from(len) {
            return None;
        }
        to.extend_from_slice(data.get(start + 32..start + 32 + len)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_is_the_event_of_the_contract() {
        let event = "DepositEvent(bytes,bytes,bytes,bytes,bytes)";
        assert_eq!(alloy_primitives::keccak256(event), DEPOSIT_TOPIC);
    }

    #[test]
    fn the_fields_of_a_deposit_are_joined() {
        let mut data = vec![0u8; DEPOSIT_LOG_BYTES];
        for (index, (start, len)) in DEPOSIT_FIELDS.into_iter().enumerate() {
            data[32 * index + 30..32 * index + 32].copy_from_slice(&(start as u16).to_be_bytes());
            data[start + 31] = len as u8;
            data[start + 32..start + 32 + len].fill(index as u8 + 1);
        }
        let mut joined = Vec::new();
        assert_eq!(append_deposit(&data, &mut joined), Some(()));
        assert_eq!(joined.len(), 192);
        assert_eq!((joined[0], joined[48], joined[80], joined[88], joined[191]), (1, 2, 3, 4, 5));
        data[31] += 1;
        assert_eq!(append_deposit(&data, &mut joined), None);
        assert_eq!(append_deposit(&data[1..], &mut joined), None);
    }
}
