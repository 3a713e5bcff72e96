//! `warpevm bench`: generated workloads, side by side with revm.

use super::BenchArgs;
use super::compare;
use super::output::line;
use super::runner::Runner;
use alloy_primitives::map::U256Map;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use anyhow::Context;
use revm::context::BlockEnv;
use serde::Deserialize;
use serde_json::json;
use warpevm::input::{MemoryAccount, MemoryState, forks};
use warpevm::types::{Checks, Env, Outcome, Spec, Transaction};
use warpevm::validate::{self, Validate};

/// The compiled ERC-20 token of the examples.
const TOKEN_ARTIFACT: &str = include_str!("../../examples/artifacts/Token.json");
/// Slot of `balanceOf` in the token: after name, symbol, totalSupply and owner.
const BALANCES_SLOT: U256 = U256::from_limbs([4, 0, 0, 0]);
/// Selector of `transfer(address,uint256)`.
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];
/// Enough for a transfer to a fresh account, as a wallet would set it.
const TRANSFER_GAS: u64 = 100_000;
/// Device memory that a plain transfer may take.
const BYTES_PER_INSTANCE_GOAL: u64 = 16 << 10;

#[derive(Deserialize)]
struct Artifact {
    deployed: Bytes,
}

/// A workload: calls on a snapshot.
struct Generated {
    env: Env,
    calls: Vec<Transaction>,
    state: MemoryState,
}

/// An address that follows from what it is for and a number.
fn address(what: &str, index: u32) -> Address {
    Address::from_word(keccak256(format!("warpevm bench {what} {index}")))
}

fn balance_slot(holder: Address) -> U256 {
    let mut key = [0; 64];
    key[12..32].copy_from_slice(holder.as_slice());
    key[32..].copy_from_slice(&BALANCES_SLOT.to_be_bytes::<32>());
    U256::from_be_bytes(keccak256(key).0)
}

/// Transfers of one token, each with a sender and a recipient of its own, fees paid.
fn transfers(count: u32) -> anyhow::Result<Generated> {
    let artifact: Artifact =
        serde_json::from_str(TOKEN_ARTIFACT).context("the token's artifact")?;
    let token = address("token", 0);
    let ether = U256::from(1_000_000_000_000_000_000u64);
    let mut state = MemoryState::default();
    let mut balances = U256Map::default();
    let mut calls = Vec::with_capacity(count as usize);
    let (_, no_code) = state.add_code(Bytes::new());
    for index in 0..count {
        let (from, to) = (address("sender", index), address("recipient", index));
        balances.insert(balance_slot(from), U256::from(1_000_000u64 + u64::from(index)));
        let mut account = MemoryAccount::default();
        account.info.balance = ether;
        account.info.nonce = u64::from(index % 7);
        account.info.code = Some(no_code.clone());
        let nonce = account.info.nonce;
        state.accounts.insert(from, account);
        let amount = U256::from(1 + index % 1_000_000);
        let mut data = TRANSFER.to_vec();
        data.extend_from_slice(B256::left_padding_from(to.as_slice()).as_slice());
        data.extend_from_slice(&amount.to_be_bytes::<32>());
        calls.push(Transaction {
            caller: from,
            gas_limit: TRANSFER_GAS,
            gas_price: 10_000_000_000,
            kind: TxKind::Call(token),
            data: data.into(),
            nonce,
            chain_id: Some(1),
            ..Transaction::default()
        });
    }
    state.add_account(token, U256::ZERO, 1, artifact.deployed, balances);
    let fee = forks::blob_fee(0, forks::blob_fraction(Spec::Cancun));
    let block = BlockEnv {
        number: U256::from(20_000_000u64),
        beneficiary: address("beneficiary", 0),
        timestamp: U256::from(1_720_000_000u64),
        gas_limit: 30_000_000,
        basefee: 7_000_000_000,
        prevrandao: Some(keccak256("warpevm bench")),
        blob_excess_gas_and_price: fee,
        ..BlockEnv::default()
    };
    let env = Env { spec: Spec::Cancun, chain_id: 1, block, checks: Checks::default() };
    Ok(Generated { env, calls, state })
}

/// A hash over all results: two runs, or two backends, that agree in it agree in everything but
/// the exact reason of a halt.
fn result_hash(outcomes: &[Outcome]) -> B256 {
    let mut all = Vec::new();
    for outcome in outcomes {
        match &outcome.result {
            Err(rejected) => all.extend_from_slice(rejected.to_string().as_bytes()),
            Ok(e) => {
                all.push(e.status as u8);
                all.extend_from_slice(&e.gas_used.to_be_bytes());
                all.extend_from_slice(&e.gas_refunded.to_be_bytes());
                all.extend_from_slice(&e.output);
                all.extend_from_slice(&alloy_rlp::encode(&e.logs));
                all.extend_from_slice(format!("{:?}{:?}", e.created, e.changes).as_bytes());
            }
        }
        // Hash as we go, so that memory stays flat.
        let so_far = keccak256(&all);
        all.clear();
        all.extend_from_slice(so_far.as_slice());
    }
    keccak256(all)
}

/// ERC-20 transfers; false if a result differs from revm's.
pub(crate) fn erc20(args: &BenchArgs) -> anyhow::Result<bool> {
    let Generated { env, calls, state } = transfers(args.calls)?;
    let runner = Runner::new(args.engine)?;
    let ran = runner.calls(&env, &calls, &state)?;
    let mode: Validate = args.validate.into();
    let probe = state.storage_probe();
    let validation = validate::validate_calls(&env, &calls, &ran.outcomes, &state, &probe, mode)?;
    let comparison = compare::side_by_side(args.engine, &[(env, calls)], &state, args.rounds)?;
    let hash = result_hash(&ran.outcomes);
    let bytes = ran.report.bytes_per_instance;
    let wrong = validation.wrong.len();
    if args.json {
        let object = json!({
            "workload": "erc20",
            "calls": args.calls,
            "gas_used": ran.report.gas_used,
            "result_hash": hash,
            "validated": validation.checked,
            "mismatches": wrong,
            "bytes_per_instance": bytes,
            "seconds": ran.seconds,
            "compare": comparison,
        });
        line(object.to_string())?;
        return Ok(wrong == 0);
    }
    line(format!("erc20: {} transfers between distinct accounts, result {hash}", args.calls))?;
    line(format!("  compared with revm: {}, different: {wrong}", validation.checked))?;
    for mismatch in validation.mismatches().take(3) {
        line(format!("  {mismatch}"))?;
    }
    if bytes > 0 {
        let goal = if bytes <= BYTES_PER_INSTANCE_GOAL { "within" } else { "above" };
        line(format!("  device memory of an instance: {bytes} bytes ({goal} 16 KiB)"))?;
    }
    comparison.print()?;
    Ok(wrong == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use warpevm::reference;
    use warpevm::types::TxStatus;

    #[test]
    fn every_transfer_succeeds_and_moves_two_balances() {
        let Generated { env, calls, state } = transfers(40).expect("generated");
        let outcomes = reference::simulate_sequential(&env, &calls, &state).expect("revm runs");
        let token = address("token", 0);
        for outcome in &outcomes {
            let executed = outcome.result.as_ref().expect("valid");
            assert_eq!((executed.status, executed.logs.len()), (TxStatus::Success, 1));
            let change = executed.changes.iter().find(|change| change.address == token);
            assert_eq!(change.map(|change| change.storage.len()), Some(2));
        }
        assert_eq!(result_hash(&outcomes), result_hash(&outcomes.clone()));
        assert_ne!(result_hash(&outcomes), result_hash(&outcomes[1..]));
    }
}
