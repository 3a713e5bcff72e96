//! The columns of a result: names, types, and where each value comes from. Every writer derives
//! from [`COLUMNS`].

use super::reason::{reason, rejection_name};
use crate::types::{AccountChange, Executed, Fallback, Outcome, TxStatus};
use alloy_primitives::{B256, Bloom, Log, U256, hex, logs_bloom};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::json;
use std::borrow::Cow;

/// One transaction's result, and where the transaction stood.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The input's name.
    pub input: &'a str,
    /// Its place in the block or batch, from 0.
    pub call_id: u64,
    /// What only a transaction of a block has.
    pub transacted: Option<Transacted>,
    /// What it did.
    pub outcome: &'a Outcome,
    /// Whether this result, or its block's header, is known to be wrong.
    pub differs: bool,
}

/// Of a transaction in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transacted {
    /// The block's number.
    pub block: u64,
    /// The transaction's hash.
    pub hash: B256,
    /// Its type (EIP-2718).
    pub ty: u8,
    /// Gas of the block's transactions up to this one.
    pub cumulative_gas_used: u64,
}

impl<'a> Row<'a> {
    fn executed(&self) -> Option<&'a Executed> {
        self.outcome.result.as_ref().ok()
    }

    /// The receipt's part of a transaction of a block.
    fn receipt(&self) -> Option<(Transacted, &'a Executed)> {
        self.transacted.zip(self.executed())
    }
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// true or false.
    Bool,
    /// An integer below 2^64.
    U64,
    /// Bytes.
    Bytes,
    /// So many bytes.
    Fixed(usize),
    /// A list of logs: address, topics, data.
    Logs,
    /// A list of accounts that changed.
    Changes,
}

impl Kind {
    /// Its name in docs/RESULTS.md.
    pub fn name(self) -> String {
        match self {
            Kind::Text => "text".to_owned(),
            Kind::Bool => "bool".to_owned(),
            Kind::U64 => "u64".to_owned(),
            Kind::Bytes => "bytes".to_owned(),
            Kind::Fixed(len) => format!("{len} bytes"),
            Kind::Logs => "list of logs".to_owned(),
            Kind::Changes => "list of accounts".to_owned(),
        }
    }
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// There is none.
    Null,
    /// A text.
    Text(Cow<'a, str>),
    /// true or false.
    Bool(bool),
    /// An integer.
    U64(u64),
    /// Bytes, of any or of the column's length.
    Bytes(Cow<'a, [u8]>),
    /// Logs in order.
    Logs(&'a [Log]),
    /// Accounts that changed, by address.
    Changes(&'a [AccountChange]),
}

/// A column.
pub struct RowColumn {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether a value may be missing.
    pub nullable: bool,
    /// Whether it is written only where it was asked for.
    pub on_demand: bool,
    /// What it says, with the unit.
    pub meaning: &'static str,
    /// A row's value in this column.
    pub value: for<'a> fn(&Row<'a>) -> Value<'a>,
}

/// A column whose values are there in every row.
const fn column(
    name: &'static str,
    kind: Kind,
    meaning: &'static str,
    value: for<'a> fn(&Row<'a>) -> Value<'a>,
) -> RowColumn {
    RowColumn { name, kind, nullable: false, on_demand: false, meaning, value }
}

/// A column whose values may be missing.
const fn nullable(
    name: &'static str,
    kind: Kind,
    meaning: &'static str,
    value: for<'a> fn(&Row<'a>) -> Value<'a>,
) -> RowColumn {
    RowColumn { name, kind, nullable: true, on_demand: false, meaning, value }
}

/// The columns, in order.
pub const COLUMNS: &[RowColumn] = &[
    column("input", Kind::Text, "the input, as the command line names it", |row| {
        Value::Text(row.input.into())
    }),
    nullable("block", Kind::U64, "number of the block; none in a batch", |row| {
        row.transacted.map(|tx| Value::U64(tx.block)).into()
    }),
    nullable("tx", Kind::Fixed(32), "hash of the transaction; none in a batch", |row| {
        row.transacted.map(|tx| Value::Bytes(tx.hash.to_vec().into())).into()
    }),
    column("call_id", Kind::U64, "index in the block or batch, from 0", |row| {
        Value::U64(row.call_id)
    }),
    column("status", Kind::Text, "`success`, `revert`, `halt` or `invalid`", |row| {
        Value::Text(status_name(row.outcome).into())
    }),
    column("end", Kind::Text, "the precise end, or which rule makes it invalid", |row| {
        Value::Text(result_end(row.outcome).into())
    }),
    nullable("reason", Kind::Text, "why it did not succeed, in words", |row| {
        reason(row.outcome).map(Value::Text).into()
    }),
    nullable("gas_used", Kind::U64, "gas, the refund taken off; none if invalid", |row| {
        row.executed().map(|ran| Value::U64(ran.gas_used)).into()
    }),
    nullable("gas_refunded", Kind::U64, "gas, what was taken off", |row| {
        row.executed().map(|ran| Value::U64(ran.gas_refunded)).into()
    }),
    nullable("output", Kind::Bytes, "return or revert data; deployed code of a creation", |row| {
        row.executed().map(|ran| Value::Bytes((&ran.output[..]).into())).into()
    }),
    nullable("created", Kind::Fixed(20), "address of the new contract of a creation", |row| {
        let created = row.executed().and_then(|ran| ran.created);
        created.map(|address| Value::Bytes(address.to_vec().into())).into()
    }),
    nullable("fallback", Kind::Text, "why it ran elsewhere than on the device asked for", |row| {
        row.outcome.fallback.map(|reason| Value::Text(fallback_name(reason).into())).into()
    }),
    nullable("type", Kind::U64, "transaction type (EIP-2718); none in a batch", |row| {
        row.transacted.map(|tx| Value::U64(tx.ty.into())).into()
    }),
    nullable("cumulative_gas_used", Kind::U64, "gas of the block up to here", |row| {
        row.receipt().map(|(tx, _)| Value::U64(tx.cumulative_gas_used)).into()
    }),
    nullable("logs_bloom", Kind::Fixed(Bloom::len_bytes()), "the receipt's filter", |row| {
        row.receipt().map(|(_, ran)| Value::Bytes(logs_bloom(&ran.logs).to_vec().into())).into()
    }),
    nullable("logs", Kind::Logs, "`address`, `topics`, `data` of each; none if invalid", |row| {
        row.executed().map(|ran| Value::Logs(&ran.logs)).into()
    }),
    column("differs", Kind::Bool, "the result, or the block's header, is known to differ", |row| {
        Value::Bool(row.differs)
    }),
    RowColumn {
        name: "changes",
        kind: Kind::Changes,
        nullable: true,
        on_demand: true,
        meaning: "every account that changed, as it is afterwards (`--changes`)",
        value: |row| row.executed().map(|ran| Value::Changes(&ran.changes)).into(),
    },
];

/// How a transaction ended, roughly.
pub fn status_name(outcome: &Outcome) -> &'static str {
    match outcome.result.as_ref().map(|ran| ran.status) {
        Ok(TxStatus::Success) => "success",
        Ok(TxStatus::Revert) => "revert",
        Ok(TxStatus::Halt) => "halt",
        Err(_) => "invalid",
    }
}

/// How it ended, precisely.
pub fn result_end(outcome: &Outcome) -> &'static str {
    match &outcome.result {
        Ok(ran) => ran.end.name(),
        Err(rejected) => rejection_name(rejected),
    }
}

/// The name of a fallback, as `--json` has it.
fn fallback_name(reason: Fallback) -> String {
    let name = serde_json::to_value(reason).ok();
    name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_else(|| format!("{reason:?}"))
}

impl<'a> From<Option<Value<'a>>> for Value<'a> {
    fn from(value: Option<Value<'a>>) -> Value<'a> {
        value.unwrap_or(Value::Null)
    }
}

/// As JSON: bytes as Ethereum writes them, integers as numbers with all their digits.
impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => to.serialize_none(),
            Value::Text(text) => to.serialize_str(text),
            Value::Bool(value) => to.serialize_bool(*value),
            Value::U64(value) => to.serialize_u64(*value),
            Value::Bytes(bytes) => to.serialize_str(&hex::encode_prefixed(bytes)),
            Value::Logs(logs) => {
                let mut list = to.serialize_seq(Some(logs.len()))?;
                for log in *logs {
                    let (topics, data) = (log.topics(), &log.data.data);
                    let log =
                        json!({"address": hex_of(log.address), "topics": topics, "data": data});
                    list.serialize_element(&log)?;
                }
                list.end()
            }
            Value::Changes(changes) => {
                let mut list = to.serialize_seq(Some(changes.len()))?;
                changes.iter().try_for_each(|change| list.serialize_element(&Change(change)))?;
                list.end()
            }
        }
    }
}

/// Lower-case hex, without a checksum.
fn hex_of(bytes: impl AsRef<[u8]>) -> String {
    hex::encode_prefixed(bytes)
}

struct Change<'a>(&'a AccountChange);

impl Serialize for Change<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let AccountChange { address, info, code, wiped, storage } = self.0;
        let word = |word: &U256| hex_of(word.to_be_bytes::<32>());
        let slots: serde_json::Map<_, _> =
            storage.iter().map(|(key, value)| (word(key), word(value).into())).collect();
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("address", &hex_of(address))?;
        // An account that is gone has none of these.
        map.serialize_entry("balance", &info.as_ref().map(|info| format!("{:#x}", info.balance)))?;
        map.serialize_entry("nonce", &info.as_ref().map(|info| info.nonce))?;
        map.serialize_entry("code_hash", &info.as_ref().map(|info| info.code_hash))?;
        map.serialize_entry("code", code)?;
        map.serialize_entry("wiped", wiped)?;
        map.serialize_entry("storage", &slots)?;
        map.end()
    }
}
