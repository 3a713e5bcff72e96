//! A block access list (EIP-7928) in JSON, as nodes return it.

use super::InputError;
use super::json::{self, Fixed, HexBytes, Int64, Quantity, or_default};
use crate::plan::BlockAccessList;
use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, CodeChange, NonceChange, SlotChanges,
    StorageChange,
};
use alloy_primitives::Address;
use serde::Deserialize;

/// Parses the bytes of a file; `place` is how errors call it.
pub fn parse_access_list(place: &str, bytes: &[u8]) -> Result<BlockAccessList, InputError> {
    let accounts: Vec<RpcAccount> = json::parse(place, bytes)?;
    Ok(BlockAccessList { accounts: accounts.into_iter().map(RpcAccount::read).collect() })
}

/// An account as nodes write it. The names differ between releases; those of alloy are among them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an account of a block access list")]
struct RpcAccount {
    address: Fixed<Address>,
    #[serde(deserialize_with = "or_default")]
    storage_changes: Vec<RpcSlot>,
    #[serde(deserialize_with = "or_default")]
    storage_reads: Vec<Quantity>,
    #[serde(deserialize_with = "or_default")]
    balance_changes: Vec<RpcChange<Quantity>>,
    #[serde(deserialize_with = "or_default")]
    nonce_changes: Vec<RpcChange<Int64>>,
    #[serde(deserialize_with = "or_default")]
    code_changes: Vec<RpcChange<HexBytes>>,
}

#[derive(Deserialize)]
struct RpcSlot {
    #[serde(alias = "slot")]
    key: Quantity,
    #[serde(alias = "slotChanges")]
    changes: Vec<RpcChange<Quantity>>,
}

#[derive(Deserialize)]
struct RpcChange<T> {
    #[serde(alias = "blockAccessIndex", alias = "txIndex")]
    index: Int64,
    #[serde(alias = "newValue", alias = "postValue", alias = "postBalance")]
    #[serde(alias = "newNonce", alias = "postNonce", alias = "code", alias = "newCode")]
    value: T,
}

impl<T> RpcChange<T> {
    fn at(&self) -> BlockAccessIndex {
        BlockAccessIndex(self.index.0)
    }
}

impl RpcAccount {
    fn read(self) -> AccountChanges {
        let slot = |slot: RpcSlot| {
            let changes = slot.changes.into_iter();
            let changes = changes.map(|change| StorageChange::new(change.at(), change.value.0));
            SlotChanges::new(slot.key.0, changes.collect())
        };
        let balance = |change: RpcChange<Quantity>| BalanceChange::new(change.at(), change.value.0);
        let nonce = |change: RpcChange<Int64>| NonceChange::new(change.at(), change.value.0);
        let code = |change: RpcChange<HexBytes>| CodeChange::new(change.at(), change.value.0);
        AccountChanges {
            address: self.address.0,
            storage_changes: self.storage_changes.into_iter().map(slot).collect(),
            storage_reads: self.storage_reads.into_iter().map(|slot| slot.0).collect(),
            balance_changes: self.balance_changes.into_iter().map(balance).collect(),
            nonce_changes: self.nonce_changes.into_iter().map(nonce).collect(),
            code_changes: self.code_changes.into_iter().map(code).collect(),
        }
    }
}
