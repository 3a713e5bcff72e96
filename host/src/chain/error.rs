//! Why a block is not valid.

use crate::error::Error;
use crate::types::Rejected;
use alloy_primitives::B256;

/// Why a block is not valid. The first rule that it breaks; the chain is as if it had not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
#[non_exhaustive]
pub enum Invalid {
    #[error("RLP of {part}: {error}")]
    Rlp { part: Part, error: alloy_rlp::Error },
    #[error("transaction {0} comes with its blobs, which a block does not hold")]
    FullBlobs(usize),
    #[error("{bytes} bytes of RLP exceed {max} (EIP-7934)")]
    TooLarge { bytes: usize, max: usize },
    #[error("the parent {0} is not known")]
    UnknownParent(B256),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} is there before its fork")]
    Early(&'static str),
    #[error("{field} is {header}, not {computed}")]
    Field { field: Field, header: String, computed: String },
    #[error("the timestamp {timestamp} is not after the parent's, {parent}")]
    Timestamp { timestamp: u64, parent: u64 },
    #[error("extra data of {0} bytes")]
    ExtraData(usize),
    #[error("the extra data is not that of the DAO fork")]
    DaoExtraData,
    #[error("the gas limit {limit} is too far from the parent's, {parent}, or below the minimum")]
    GasLimit { limit: u64, parent: u64 },
    #[error("the gas limit {0} exceeds 2^63 - 1")]
    GasLimitTooBig(u64),
    #[error("{used} gas used exceed the limit, {limit}")]
    GasUsedLimit { used: u64, limit: u64 },
    #[error("{blobs} blobs exceed {max}")]
    Blobs { blobs: u64, max: u64 },
    #[error("ommers: {0}")]
    Ommers(OmmerFault),
    #[error("ommer {index}: {why}")]
    OmmerHeader { index: usize, why: Box<Invalid> },
    #[error("transaction {index}: the signature is not valid")]
    Signature { index: usize },
    #[error("transaction {index}: {reason}")]
    Transaction { index: usize, reason: Rejected },
    #[error("a deposit's log is not of the contract's form (EIP-6110)")]
    DepositLog,
    #[error("there is no code at the system contract {0}")]
    SystemContractEmpty(alloy_primitives::Address),
    #[error("the call of the system contract {0} failed")]
    SystemCall(alloy_primitives::Address),
}

/// A part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
#[non_exhaustive]
pub enum Part {
    #[error("the block")]
    Block,
    #[error("the header")]
    Header,
    #[error("transaction {0}")]
    Transaction(usize),
    #[error("the ommers")]
    Ommers,
    #[error("the withdrawals")]
    Withdrawals,
}

/// What is wrong with the ommers of a block, beside their headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
#[non_exhaustive]
pub enum OmmerFault {
    #[error("there are more than two")]
    TooMany,
    #[error("one stands twice")]
    Twice,
    #[error("one is an ommer of an earlier block")]
    Included,
    #[error("one is an ancestor")]
    Ancestor,
    #[error("the parent of one is no ancestor")]
    UnknownParent,
    #[error("the parent of one is an ancestor, but not within two to seven generations")]
    ParentIncorrect,
}

/// A header's field whose value follows from other things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the header's own names")]
#[non_exhaustive]
pub enum Field {
    Number,
    Difficulty,
    Nonce,
    BaseFee,
    ExcessBlobGas,
    BlobGasUsed,
    TransactionsRoot,
    OmmersHash,
    WithdrawalsRoot,
    StateRoot,
    ReceiptsRoot,
    LogsBloom,
    GasUsed,
    RequestsHash,
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// Holds a header's field against what it should be.
pub(super) fn expect<T: PartialEq + std::fmt::Debug>(
    field: Field,
    header: T,
    computed: T,
) -> Result<(), Invalid> {
    if header == computed {
        return Ok(());
    }
    let (header, computed) = (format!("{header:?}"), format!("{computed:?}"));
    Err(Invalid::Field { field, header, computed })
}

/// A block was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The block is not valid.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The block could not be executed, which says nothing about it.
    #[error("not executed")]
    Failed(#[source] Error),
}
