//! The example batch: independent calls of one ERC-20 token.

use crate::chain::{Account, Chain};
use crate::files::{self, BatchCall};
use crate::rng::Rng;
use crate::users::User;
use crate::world::{creation, ether, tokens};
use crate::{abi::encode, call};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use anyhow::Result;
use revm::context::{BlockEnv, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

const CALLS: usize = 200;
const HOLDERS: usize = 64;
const BASE_FEE: u64 = 1_000_000_000;

/// The text of the file, and how many calls ended how.
pub fn build(
    artifacts: &Path,
    env: &BlockEnv,
    seed: u64,
) -> Result<(String, BTreeMap<String, usize>)> {
    let mut rng = Rng::new(seed);
    let mut chain = Chain::new(env.clone());
    chain.env.basefee = 0;
    let holders: Vec<Address> = (0..HOLDERS).map(|i| User::new("user", i).address).collect();
    let owner = User::new("deployer", 0).address;
    chain.put(owner, ether(1000), None);
    let names = encode(&[b"Gold".to_vec().into(), b"GO".to_vec().into()]);
    let token = chain.deploy(owner, &creation(artifacts, "Token")?, names)?;
    for (i, holder) in holders.iter().enumerate() {
        chain.put(*holder, ether(1000), None);
        let data = call!("mint(address,uint256)"; *holder, tokens(1000));
        chain.arrange(owner, TxKind::Call(token), data, U256::ZERO)?;
        let data = call!("approve(address,uint256)"; holders[(i + 1) % HOLDERS], tokens(500));
        chain.arrange(*holder, TxKind::Call(token), data, U256::ZERO)?;
    }

    let mut calls = Vec::new();
    for i in 0..CALLS {
        let which = rng.below(HOLDERS as u64) as usize;
        let (from, other) = (holders[which], holders[(which + HOLDERS - 1) % HOLDERS]);
        let to = if rng.chance(50) { holders[rng.below(HOLDERS as u64) as usize] } else { owner };
        let (transfer, from_other) =
            ("transfer(address,uint256)", "transferFrom(address,address,uint256)");
        let data = match i % 20 {
            10 | 11 => call!("approve(address,uint256)"; to, tokens(rng.below(100))),
            12 | 13 => call!(from_other; other, to, tokens(rng.between(1, 500))),
            14 => call!(from_other; other, to, tokens(501)),
            15 => call!(transfer; to, tokens(1001)),
            16 => call!("mint(address,uint256)"; from, tokens(1)),
            17 => call!("balanceOf(address)"; other),
            18 => Bytes::new(),
            _ => call!(transfer; to, tokens(rng.between(1, 1000))),
        };
        let mut call = BatchCall {
            from,
            to: Some(token),
            data,
            value: U256::ZERO,
            gas: 100_000,
            gas_price: if i % 5 == 0 { u128::from(BASE_FEE) * 2 } else { 0 },
        };
        match i {
            18 => (call.to, call.value) = (Some(to), ether(1)),
            19 => call.gas = 25_000, // Ends inside the transfer.
            38 => call.gas = 20_000, // Less than the intrinsic gas: invalid.
            58 => (call.to, call.value) = (Some(to), ether(5000)), // More than there is: invalid.
            78 => {
                call.to = None;
                call.data = creation(artifacts, "Wallet")?;
                call.data = [call.data.as_ref(), &encode(&[from.into()])].concat().into();
                call.gas = 400_000;
            }
            _ => {}
        }
        calls.push(call);
    }

    let accounts = chain.accounts();
    let outcomes = outcomes(&mut chain, &calls, &accounts);
    let env = json!({
        "number": format!("{:#x}", env.number),
        "timestamp": format!("{:#x}", env.timestamp),
        "beneficiary": format!("{:#x}", env.beneficiary),
        "gasLimit": format!("{:#x}", env.gas_limit),
        "baseFee": format!("{BASE_FEE:#x}"),
        "prevRandao": env.prevrandao,
        "excessBlobGas": "0x0",
    });
    Ok((files::batch(&env, &accounts, &calls), outcomes))
}

fn outcomes(
    chain: &mut Chain,
    calls: &[BatchCall],
    accounts: &BTreeMap<Address, Account>,
) -> BTreeMap<String, usize> {
    chain.env.blob_excess_gas_and_price = Some(BlobExcessGasAndPrice::new(0, 3_338_477));
    let mut outcomes = BTreeMap::new();
    for call in calls {
        // A call without a gas price is not held against the base fee.
        chain.env.basefee = if call.gas_price == 0 { 0 } else { BASE_FEE };
        let tx = TxEnv {
            caller: call.from,
            kind: call.to.map_or(TxKind::Create, TxKind::Call),
            data: call.data.clone(),
            value: call.value,
            gas_limit: call.gas,
            gas_price: call.gas_price,
            nonce: accounts.get(&call.from).map_or(0, |account| account.nonce),
            ..TxEnv::default()
        };
        let outcome = match chain.transact(tx) {
            Err(_) => "invalid",
            Ok(out) if out.result.is_success() => "success",
            Ok(out) if out.result.is_halt() => "halt",
            Ok(_) => "revert",
        };
        *outcomes.entry(outcome.to_owned()).or_default() += 1;
    }
    outcomes
}
