//! A batch of independent calls on one snapshot. `docs/BATCH.md` is the format.

use super::InputError;
use super::block::{RpcAccess, access_list};
use super::json::{self, Fixed, HexBytes, Int64, Int128, Quantity, UniqueMap, or_default};
use crate::chain::forks;
use crate::state::MemoryState;
use crate::types::{Checks, Env, Transaction};
use alloy_primitives::{Address, B256, TxKind, U256};
use revm::context::BlockEnv;
use serde::{Deserialize, Deserializer};
use std::path::Path;
use warpevm_compiler::{Rule, Spec};

/// `gasLimit` of the environment where the file does not say.
const BLOCK_GAS_LIMIT_DEFAULT: u64 = (1 << 63) - 1;

/// A batch, ready to simulate.
#[derive(Clone, Debug)]
pub struct BatchInput {
    /// Where it came from, for messages.
    pub place: String,
    /// Spec and block environment. A call without a price is not compared with the base fee:
    /// see [`BatchInput::parts`].
    pub env: Env,
    /// The calls in order.
    pub calls: Vec<Transaction>,
    /// The snapshot.
    pub state: MemoryState,
}

/// Calls of a batch that run under the same checks.
#[derive(Clone, Debug)]
pub struct BatchPart {
    /// The batch's environment with these checks.
    pub env: Env,
    /// Which calls, in order.
    pub calls: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a batch (docs/BATCH.md)")]
struct BatchFile {
    #[serde(deserialize_with = "spec")]
    spec: Spec,
    chain_id: Option<Int64>,
    #[serde(default, deserialize_with = "or_default")]
    env: BatchEnv,
    state: UniqueMap<Fixed<Address>, BatchAccount>,
    calls: Vec<BatchCall>,
}

fn spec<'de, D: Deserializer<'de>>(json: D) -> Result<Spec, D::Error> {
    String::deserialize(json)?.parse().map_err(serde::de::Error::custom)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, expecting = "an object")]
struct BatchEnv {
    number: Option<Int64>,
    timestamp: Option<Int64>,
    beneficiary: Option<Fixed<Address>>,
    gas_limit: Option<Int64>,
    base_fee: Option<Int64>,
    prev_randao: Option<Fixed<B256>>,
    difficulty: Option<Quantity>,
    excess_blob_gas: Option<Int64>,
    #[serde(deserialize_with = "or_default")]
    block_hashes: UniqueMap<Int64, Fixed<B256>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
struct BatchAccount {
    balance: Option<Quantity>,
    nonce: Option<Int64>,
    #[serde(default, deserialize_with = "or_default")]
    code: HexBytes,
    #[serde(default, deserialize_with = "or_default")]
    storage: UniqueMap<Quantity, Quantity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
struct BatchCall {
    from: Fixed<Address>,
    // Without this, serde would take an absent `to` for null.
    #[serde(deserialize_with = "Option::deserialize")]
    to: Option<Fixed<Address>>,
    #[serde(default, deserialize_with = "or_default")]
    data: HexBytes,
    value: Option<Quantity>,
    gas: Int64,
    gas_price: Option<Int128>,
    nonce: Option<Int64>,
    access_list: Option<Vec<RpcAccess>>,
}

impl BatchInput {
    /// Reads a batch file.
    pub fn read(path: &Path) -> Result<BatchInput, InputError> {
        BatchInput::parse(&path.display().to_string(), &super::bytes::read(path)?)
    }

    /// Parses the bytes of a batch file; `place` is how errors call it.
    pub fn parse(place: &str, bytes: &[u8]) -> Result<BatchInput, InputError> {
        let batch: BatchFile = json::parse(place, bytes)?;
        let chain_id = batch.chain_id.map_or(1, |id| id.0);
        let mut state = MemoryState::default();
        for (address, account) in batch.state.0 {
            let slots = account.storage.0.into_iter().map(|(key, value)| (key.0, value.0));
            state.add_account(
                address.0,
                account.balance.map_or(U256::ZERO, |b| b.0),
                account.nonce.map_or(0, |n| n.0),
                account.code.0,
                slots.collect(),
            );
        }
        let env = env(place, batch.spec, chain_id, &batch.env)?;
        let hashes = batch.env.block_hashes.0;
        state.block_hashes = hashes.into_iter().map(|(number, hash)| (number.0, hash.0)).collect();
        let calls = batch.calls.into_iter().map(|c| transaction(c, chain_id, &state)).collect();
        Ok(BatchInput { place: place.to_owned(), env, calls, state })
    }

    /// These calls.
    pub fn calls_of(&self, indices: &[usize]) -> Vec<Transaction> {
        indices.iter().filter_map(|index| self.calls.get(*index)).cloned().collect()
    }

    /// The calls by the checks that hold for them: where there is a base fee, calls without a price
    /// are not compared with it. One part, unless the batch mixes both kinds.
    pub fn parts(&self) -> Vec<BatchPart> {
        let (free, priced): (Vec<usize>, Vec<usize>) = (0..self.calls.len())
            .partition(|&call| self.env.block.basefee > 0 && self.calls[call].gas_price == 0);
        let part = |calls: Vec<usize>, base_fee| {
            let mut env = self.env.clone();
            env.checks.base_fee = base_fee;
            BatchPart { env, calls }
        };
        let parts = [part(free, false), part(priced, true)];
        parts.into_iter().filter(|part| !part.calls.is_empty()).collect()
    }
}

fn env(place: &str, spec: Spec, chain_id: u64, env: &BatchEnv) -> Result<Env, InputError> {
    let has = |rule: Rule| spec.rules().has(rule);
    let excess = env.excess_blob_gas.map_or(0, |gas| gas.0);
    let blob = match has(Rule::Blobs) {
        true => {
            let error = || InputError::BlobFee { file: place.to_owned(), excess };
            Some(
                forks::blob_fee(excess, spec.block_schedule().blob_fee_update_fraction)
                    .ok_or_else(error)?,
            )
        }
        false => None,
    };
    Ok(Env {
        spec,
        chain_id,
        block: BlockEnv {
            number: U256::from(env.number.map_or(1, |n| n.0)),
            beneficiary: env.beneficiary.map_or(Address::ZERO, |address| address.0),
            timestamp: U256::from(env.timestamp.map_or(1, |t| t.0)),
            gas_limit: env.gas_limit.map_or(BLOCK_GAS_LIMIT_DEFAULT, |g| g.0),
            basefee: env.base_fee.filter(|_| has(Rule::BaseFee)).map_or(0, |f| f.0),
            difficulty: env
                .difficulty
                .filter(|_| !has(Rule::ProofOfStake))
                .map_or(U256::ZERO, |difficulty| difficulty.0),
            prevrandao: has(Rule::ProofOfStake)
                .then(|| env.prev_randao.map_or(B256::ZERO, |randao| randao.0)),
            blob_excess_gas_and_price: blob,
            ..BlockEnv::default()
        },
        checks: Checks { sender_code: false, ..Checks::default() },
    })
}

fn transaction(call: BatchCall, chain_id: u64, state: &MemoryState) -> Transaction {
    let sender = state.accounts.get(&call.from.0);
    Transaction {
        tx_type: u8::from(call.access_list.is_some()),
        caller: call.from.0,
        gas_limit: call.gas.0,
        gas_price: call.gas_price.map_or(0, |price| price.0),
        kind: call.to.map_or(TxKind::Create, |to| TxKind::Call(to.0)),
        value: call.value.map_or(U256::ZERO, |value| value.0),
        data: call.data.0,
        nonce: call.nonce.map_or_else(|| sender.map_or(0, |s| s.info.nonce), |nonce| nonce.0),
        chain_id: Some(chain_id),
        access_list: access_list(call.access_list.unwrap_or_default()),
        ..Transaction::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"spec": "cancun", "env": {"baseFee": 7}, "state": {
        "0x1000000000000000000000000000000000000001": {"nonce": 3, "storage": {"0x1": 2}}},
        "calls": [
        {"from": "0x1000000000000000000000000000000000000001", "to": null, "gas": 100000},
        {"from": "0x1000000000000000000000000000000000000001", "to": null, "gas": 100000,
         "gasPrice": "0x7"}]}"#;

    #[test]
    fn defaults_are_those_of_the_format() {
        let batch = BatchInput::parse("b.json", SMALL.as_bytes()).unwrap();
        assert_eq!(batch.env.chain_id, 1);
        assert_eq!(batch.env.block.gas_limit, BLOCK_GAS_LIMIT_DEFAULT);
        assert_eq!(batch.calls[0].nonce, 3);
        assert!(batch.calls[0].kind.is_create());
        let parts = batch.parts();
        assert_eq!(parts.len(), 2);
        assert!(!parts[0].env.checks.base_fee && parts[0].calls == [0]);
        assert!(parts[1].env.checks.base_fee && parts[1].calls == [1]);
    }

    #[test]
    fn errors_name_the_field() {
        for (from, to, expected) in [
            ("\"gasPrice\"", "\"gasprice\"", "calls[1]"),
            ("\"to\": null, ", "", "missing field `to`"),
            ("\"spec\": \"cancun\"", "\"spec\": \"cankun\"", "unknown spec 'cankun'"),
            ("\"nonce\": 3", "\"nonce\": \"0x10000000000000000\"", "does not fit 64 bits"),
            ("\"baseFee\": 7", "\"excessBlobGas\": \"0xffffffffffffffff\"", "excess blob gas"),
        ] {
            let text = SMALL.replacen(from, to, 1);
            assert_ne!(text, SMALL);
            let error = BatchInput::parse("b.json", text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("b.json: ") && error.contains(expected), "{error}");
        }
    }
}
