//! Why official tests expect a block or a transaction to be rejected: the names of
//! execution-spec-tests and those that retesteth gave before, and which of our reasons each is.
//!
//! A name stands for one rule. A reason has several names where the tests tell apart what is one
//! rule to us, or where two suites call the same rule differently; the comments say which.

use super::state_test::Unencodable;
use crate::chain::{Field, Invalid, OmmerFault, Part};
use crate::reference::reproducer::exception_names;
use crate::types::{AuthorizationFault, Rejected};
use alloy_consensus::EMPTY_OMMER_ROOT_HASH;
use alloy_primitives::B256;

/// Whether one of a reason's names is among those that a test gives, with `|` between them.
pub fn explains(names: &[&str], expected: &str) -> bool {
    expected.split('|').flat_map(canonical).any(|name| names.contains(&name))
}

/// The names of an expectation as execution-spec-tests has them, without their class.
fn canonical(name: &str) -> Vec<&str> {
    let name = name.trim();
    let name = name.rsplit('.').next().unwrap_or(name);
    let older = OLDER_NAMES.iter().find(|(older, _)| *older == name);
    older.map_or_else(|| vec![name], |(_, names)| names.split('|').collect())
}

/// Names that retesteth wrote into tests, and which rules they stand for.
const OLDER_NAMES: &[(&str, &str)] = &[
    ("1559BlockImportImpossible_BaseFeeWrong", "INVALID_BASEFEE_PER_GAS"),
    ("1559BlockImportImpossible_HeaderIsLegacy", "IMPORT_IMPOSSIBLE_LONDON_WRONG_PARENT"),
    ("3675PoSBlockRejected", "IMPORT_IMPOSSIBLE_PARIS_WRONG_POS"),
    ("3675PoWBlockRejected", "IMPORT_IMPOSSIBLE_PARIS_WRONG_POW"),
    ("3675PreMerge1559BlockRejected", "IMPORT_IMPOSSIBLE_LONDON_OVER_PARIS"),
    ("3675PreParis1559BlockRejected", "IMPORT_IMPOSSIBLE_LONDON_OVER_PARIS"),
    ("ExtraDataIncorrectDAO", "EXTRA_DATA_INVALID_DAO"),
    ("ExtraDataTooBig", "EXTRA_DATA_TOO_BIG"),
    ("INPUT_UNMARSHAL_ADDRESS_ERROR", "RLP_INVALID_ADDRESS"),
    ("INPUT_UNMARSHAL_ERROR", "RLP_INVALID_FIELD_OVERFLOW_64"),
    ("IntrinsicGas", "INTRINSIC_GAS_TOO_LOW"),
    ("InvalidDifficulty", "INVALID_DIFFICULTY"),
    ("InvalidDifficulty2", "INVALID_DIFFICULTY"),
    ("InvalidGasLimit", "GASLIMIT_TOO_BIG"),
    ("InvalidGasLimit2", "INVALID_GASLIMIT"),
    ("InvalidGasUsed", "INVALID_GAS_USED"),
    ("InvalidLogBloom", "INVALID_LOG_BLOOM"),
    ("InvalidNumber", "INVALID_BLOCK_NUMBER"),
    ("InvalidReceiptsStateRoot", "INVALID_RECEIPTS_ROOT"),
    ("InvalidStateRoot", "INVALID_STATE_ROOT"),
    ("InvalidTimestampEqualParent", "INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT"),
    ("InvalidTimestampOlderParent", "INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT"),
    ("InvalidTransactionsRoot", "INVALID_TRANSACTIONS_ROOT"),
    ("InvalidUncleParentHash", "UNCLE_UNKNOWN_PARENT"),
    ("InvalidUnclesHash", "INVALID_UNCLES_HASH"),
    ("InvalidWithdrawals", "INVALID_WITHDRAWALS_ROOT"),
    ("LegacyBlockImportImpossible", "IMPORT_IMPOSSIBLE_LEGACY"),
    ("LegacyBlockImportImpossible2", "IMPORT_IMPOSSIBLE_LEGACY_WRONG_PARENT"),
    ("MergeBlockImportImpossible", "IMPORT_IMPOSSIBLE_PARIS_OVER_SHANGHAI"),
    ("ParisBlockImportImpossible", "IMPORT_IMPOSSIBLE_PARIS_OVER_SHANGHAI"),
    ("PostMergeUncleHashIsNotEmpty", "IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS"),
    ("PostParisDifficultyIsNot0", "IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS"),
    ("PostParisUncleHashIsNotEmpty", "IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS"),
    ("SenderNotEOA", "SENDER_NOT_EOA"),
    ("SenderNotEOAorNoCASH", "SENDER_NOT_EOA|INSUFFICIENT_ACCOUNT_FUNDS"),
    ("ShanghaiBlockImportImpossible", "IMPORT_IMPOSSIBLE_SHANGHAI"),
    ("TR_BLOBCREATE", "TYPE_3_TX_CONTRACT_CREATION"),
    ("TR_BLOBLIST_OVERSIZE", "TYPE_3_TX_BLOB_COUNT_EXCEEDED"),
    ("TR_BLOBVERSION_INVALID", "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH"),
    ("TR_EMPTYBLOB", "TYPE_3_TX_ZERO_BLOBS"),
    ("TR_FeeCapLessThanBlocks", "INSUFFICIENT_MAX_FEE_PER_GAS"),
    (
        "TR_FeeCapLessThanBlocksORGasLimitReached",
        "INSUFFICIENT_MAX_FEE_PER_GAS|GAS_ALLOWANCE_EXCEEDED",
    ),
    ("TR_FeeCapLessThanBlocksORNoFunds", "INSUFFICIENT_MAX_FEE_PER_GAS|INSUFFICIENT_ACCOUNT_FUNDS"),
    ("TR_GasLimitReached", "GAS_ALLOWANCE_EXCEEDED"),
    ("TR_InitCodeLimitExceeded", "INITCODE_SIZE_EXCEEDED"),
    ("TR_IntrinsicGas", "INTRINSIC_GAS_TOO_LOW"),
    ("TR_NoFunds", "INSUFFICIENT_ACCOUNT_FUNDS"),
    ("TR_NoFundsOrGas", "INSUFFICIENT_ACCOUNT_FUNDS|INTRINSIC_GAS_TOO_LOW"),
    ("TR_NoFundsX", "INSUFFICIENT_ACCOUNT_FUNDS|GASLIMIT_PRICE_PRODUCT_OVERFLOW"),
    ("TR_NonceHasMaxValue", "NONCE_IS_MAX"),
    ("TR_NonceTooHigh", "NONCE_MISMATCH_TOO_HIGH"),
    ("TR_NonceTooLow", "NONCE_MISMATCH_TOO_LOW"),
    ("TR_RLP_WRONGVALUE", "RLP_INVALID_VALUE"),
    ("TR_TipGtFeeCap", "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS"),
    ("TR_TypeNotSupported", "TYPE_NOT_SUPPORTED"),
    ("TR_TypeNotSupportedBlob", "TYPE_3_TX_PRE_FORK"),
    ("TooManyUncles", "TOO_MANY_UNCLES"),
    ("TooMuchGasUsed", "GAS_USED_OVERFLOW"),
    ("UncleInChain", "UNCLE_IN_CHAIN"),
    ("UncleIsAncestor", "UNCLE_IS_ANCESTOR"),
    ("UncleIsBrother", "UNCLE_IS_BROTHER"),
    ("UncleParentIsNotAncestor", "UNCLE_PARENT_INCORRECT"),
    ("UnknownParent", "UNKNOWN_PARENT"),
    ("UnknownParent2", "UNKNOWN_PARENT_ZERO"),
];

/// What the tests call the reason why a block is not valid.
pub fn block(why: &Invalid) -> &'static [&'static str] {
    match why {
        Invalid::Rlp { part, error } => rlp(*part, *error),
        Invalid::FullBlobs(_) => &["TYPE_3_TX_WITH_FULL_BLOBS", "RLP_STRUCTURES_ENCODING"],
        Invalid::TooLarge { .. } => &["RLP_BLOCK_LIMIT_EXCEEDED"],
        Invalid::UnknownParent(B256::ZERO) => &["UNKNOWN_PARENT_ZERO", "UNKNOWN_PARENT"],
        Invalid::UnknownParent(_) => &["UNKNOWN_PARENT"],
        Invalid::Missing(field) => missing(field),
        Invalid::Early(field) => early(field),
        Invalid::Field { field, header, computed } => field_names(*field, header, computed),
        Invalid::Timestamp { .. } => &["INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT"],
        Invalid::ExtraData(_) => &["EXTRA_DATA_TOO_BIG"],
        Invalid::DaoExtraData => &["EXTRA_DATA_INVALID_DAO"],
        Invalid::GasLimit { .. } => &["INVALID_GASLIMIT"],
        Invalid::GasLimitTooBig(_) => &["GASLIMIT_TOO_BIG"],
        // By the header alone; the block's transactions have not run.
        Invalid::GasUsedLimit { .. } => &["GAS_USED_OVERFLOW", "INVALID_GAS_USED_ABOVE_LIMIT"],
        // One rule, held against the header or against the transactions.
        Invalid::Blobs { .. } => {
            &["BLOB_GAS_USED_ABOVE_LIMIT", "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED"]
        }
        Invalid::Ommers(fault) => ommers(*fault),
        Invalid::OmmerHeader { why, .. } => block(why),
        Invalid::Signature { .. } => &["INVALID_SIGNATURE_VRS", "EC_RECOVERY_FAIL"],
        Invalid::Transaction { reason, .. } => exception_names(reason),
        Invalid::DepositLog => &["INVALID_DEPOSIT_EVENT_LAYOUT"],
        Invalid::SystemContractEmpty(_) => &["SYSTEM_CONTRACT_EMPTY"],
        Invalid::SystemCall(_) => &["SYSTEM_CONTRACT_CALL_FAILED"],
    }
}

fn rlp(part: Part, error: alloy_rlp::Error) -> &'static [&'static str] {
    match (part, error) {
        (Part::Header | Part::Withdrawals, alloy_rlp::Error::Overflow) => {
            &["RLP_INVALID_FIELD_OVERFLOW_64", "RLP_STRUCTURES_ENCODING"]
        }
        (Part::Withdrawals, alloy_rlp::Error::UnexpectedLength) => {
            &["RLP_INVALID_ADDRESS", "RLP_STRUCTURES_ENCODING"]
        }
        // More or fewer fields than a header of any fork has.
        (Part::Header, _) => &["INCORRECT_BLOCK_FORMAT", "RLP_STRUCTURES_ENCODING"],
        _ => &["RLP_STRUCTURES_ENCODING"],
    }
}

/// A field that its fork has: the block is one of the fork before.
fn missing(field: &str) -> &'static [&'static str] {
    match field {
        "baseFeePerGas" => &[
            "INCORRECT_BLOCK_FORMAT",
            "IMPORT_IMPOSSIBLE_LEGACY",
            "IMPORT_IMPOSSIBLE_LEGACY_WRONG_PARENT",
        ],
        "withdrawalsRoot" => &["INCORRECT_BLOCK_FORMAT", "IMPORT_IMPOSSIBLE_PARIS_OVER_SHANGHAI"],
        // The root is there, so that it is the body that lacks them.
        "withdrawals" => &["RLP_WITHDRAWALS_NOT_READ", "RLP_STRUCTURES_ENCODING"],
        _ => &["INCORRECT_BLOCK_FORMAT"],
    }
}

/// A field that only a later fork has.
fn early(field: &str) -> &'static [&'static str] {
    match field {
        "baseFeePerGas" => &["INCORRECT_BLOCK_FORMAT", "IMPORT_IMPOSSIBLE_LONDON_WRONG_PARENT"],
        "withdrawalsRoot" => &["INCORRECT_BLOCK_FORMAT", "IMPORT_IMPOSSIBLE_SHANGHAI"],
        _ => &["INCORRECT_BLOCK_FORMAT"],
    }
}

fn ommers(fault: OmmerFault) -> &'static [&'static str] {
    match fault {
        OmmerFault::TooMany => &["TOO_MANY_UNCLES"],
        OmmerFault::Twice => &["UNCLE_IS_BROTHER"],
        OmmerFault::Included => &["UNCLE_IN_CHAIN"],
        OmmerFault::Ancestor => &["UNCLE_IS_ANCESTOR"],
        OmmerFault::UnknownParent => &["UNCLE_UNKNOWN_PARENT"],
        OmmerFault::ParentIncorrect => &["UNCLE_PARENT_INCORRECT"],
    }
}

fn field_names(field: Field, header: &str, computed: &str) -> &'static [&'static str] {
    match field {
        Field::Number => &["INVALID_BLOCK_NUMBER"],
        // From the merge on it is 0, before it never is: a block of the wrong side. To retesteth a
        // block with difficulty on top of one without is one of London.
        Field::Difficulty if computed == "0" => &[
            "INVALID_DIFFICULTY",
            "IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS",
            "IMPORT_IMPOSSIBLE_LONDON_OVER_PARIS",
            "IMPORT_IMPOSSIBLE_PARIS_WRONG_POW",
        ],
        Field::Difficulty if header == "0" => {
            &["INVALID_DIFFICULTY", "IMPORT_IMPOSSIBLE_PARIS_WRONG_POS"]
        }
        Field::Difficulty => &["INVALID_DIFFICULTY"],
        Field::Nonce => &["INCORRECT_BLOCK_FORMAT"],
        Field::BaseFee => &["INVALID_BASEFEE_PER_GAS"],
        Field::ExcessBlobGas => &["INCORRECT_EXCESS_BLOB_GAS"],
        Field::BlobGasUsed => &["INCORRECT_BLOB_GAS_USED"],
        Field::TransactionsRoot => &["INVALID_TRANSACTIONS_ROOT"],
        // From the merge on there are none. To retesteth a block with ommers is one of London.
        Field::OmmersHash if computed == format!("{EMPTY_OMMER_ROOT_HASH:?}") => &[
            "INVALID_UNCLES_HASH",
            "IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS",
            "IMPORT_IMPOSSIBLE_LONDON_OVER_PARIS",
        ],
        Field::OmmersHash => &["INVALID_UNCLES_HASH"],
        Field::WithdrawalsRoot => &["INVALID_WITHDRAWALS_ROOT"],
        Field::StateRoot => &["INVALID_STATE_ROOT"],
        Field::ReceiptsRoot => &["INVALID_RECEIPTS_ROOT"],
        Field::LogsBloom => &["INVALID_LOG_BLOOM"],
        Field::GasUsed => &["INVALID_GAS_USED"],
        Field::RequestsHash => &["INVALID_REQUESTS"],
    }
}

/// What the tests call a field that is beyond what a transaction can hold.
pub(super) fn unencodable(field: Unencodable) -> &'static [&'static str] {
    match field {
        Unencodable::Nonce => &["NONCE_OVERFLOW"],
        Unencodable::GasLimit => &["GASLIMIT_OVERFLOW"],
        Unencodable::Value => &["VALUE_OVERFLOW", "RLP_INVALID_VALUE"],
        // A price beyond 128 bits: nobody can pay it.
        Unencodable::Price => {
            &["GASPRICE_OVERFLOW", "GASLIMIT_PRICE_PRODUCT_OVERFLOW", "INSUFFICIENT_ACCOUNT_FUNDS"]
        }
        Unencodable::PriorityFee => &["PRIORITY_OVERFLOW"],
        Unencodable::BlobFee => &["INSUFFICIENT_ACCOUNT_FUNDS"],
        Unencodable::Authorization => {
            exception_names(&Rejected::Authorizations(AuthorizationFault::Format))
        }
    }
}
