//! Blockchain tests (BlockchainTests of ethereum/tests, blockchain_tests of execution-spec-tests):
//! blocks as RLP on a genesis state, some of them not valid, for one network each.

use super::state_test::{TestAccount, fill};
use super::{Failure, Summary};
use crate::chain::Network;
use crate::chain::{BlobSchedule, BlockExecutor, Chain, Field, ImportError, Imported, Invalid};
use crate::input::json::{Fixed, HexBytes, Int64, UniqueMap, parse, parse_some};
use crate::input::{InputError, MemoryState};
use crate::root::state_root;
use crate::types::Rejected;
use alloy_consensus::Header;
use alloy_primitives::{Address, B256};
use alloy_rlp::Decodable;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unit {
    network: String,
    pre: UniqueMap<Fixed<Address>, TestAccount>,
    genesis_block_header: HeaderHash,
    #[serde(rename = "genesisRLP")]
    genesis_rlp: HexBytes,
    blocks: Vec<TestBlock>,
    post_state: Option<UniqueMap<Fixed<Address>, TestAccount>>,
    post_state_hash: Option<Fixed<B256>>,
    #[serde(rename = "lastblockhash")]
    last_block_hash: Fixed<B256>,
    config: Option<Config>,
}

/// What tells a blockchain test from others, and from what may stand beside tests.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kind {
    Test {
        #[serde(rename = "blocks")]
        _mark: IgnoredAny,
    },
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct HeaderHash {
    hash: Fixed<B256>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TestBlock {
    rlp: HexBytes,
    expect_exception: Option<String>,
    block_header: Option<HeaderHash>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    chainid: Option<Int64>,
    blob_schedule: Option<BTreeMap<String, TestSchedule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TestSchedule {
    target: Int64,
    max: Int64,
    base_fee_update_fraction: Int64,
}

/// What the blocks of a file took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// The executor's time.
    pub time: Duration,
    /// Gas used.
    pub gas: u64,
}

/// Runs every case of one file that `filter` lets through.
pub fn run_file(
    name: &str,
    bytes: &[u8],
    executor: &dyn BlockExecutor,
    filter: &dyn Fn(&str, &str) -> bool,
) -> Result<(Summary, Spent), InputError> {
    let (mut summary, mut spent) = (Summary::default(), Spent::default());
    let kinds: BTreeMap<String, Kind> = parse(name, bytes)?;
    let is_test = |test: &str| matches!(kinds.get(test), Some(Kind::Test { .. }));
    let units: BTreeMap<String, Unit> = parse_some(name, bytes, &is_test)?;
    if kinds.len() > units.len() {
        summary.skip("not a blockchain test", (kinds.len() - units.len()) as u64);
    }
    for (test, unit) in &units {
        if !filter(test, &unit.network) {
            continue;
        }
        let mut case = Case::default();
        match case.run(unit, executor) {
            Ok(()) => case.summary.passed = 1,
            Err(reason) => {
                case.summary.failed = 1;
                let (file, case_name) = (name.to_owned(), test.clone());
                case.summary.failures.push(Failure { file, case: case_name, reason });
            }
        }
        case.summary.resident = u64::from(case.summary.blocks == case.summary.resident_blocks);
        summary = summary.merged(case.summary);
        spent.time += case.spent.time;
        spent.gas += case.spent.gas;
    }
    Ok((summary, spent))
}

/// One case while it runs.
#[derive(Default)]
struct Case {
    summary: Summary,
    spent: Spent,
}

impl Case {
    fn run(&mut self, unit: &Unit, executor: &dyn BlockExecutor) -> Result<(), String> {
        let mut chain = start(unit, executor)?;
        for (index, block) in unit.blocks.iter().enumerate() {
            let imported = chain.import(&block.rlp.0);
            if let Ok(imported) = &imported {
                self.count(imported);
            }
            judge(block, imported).map_err(|why| format!("block {index} of the test: {why}"))?;
        }
        check_end(unit, &chain)
    }

    fn count(&mut self, imported: &Imported) {
        self.summary.blocks += 1;
        let mut resident = true;
        for outcome in &imported.outcomes {
            if let Some(reason) = outcome.fallback {
                *self.summary.fallbacks.entry(reason).or_default() += 1;
                resident = false;
            }
            self.spent.gas += outcome.result.as_ref().map_or(0, |executed| executed.gas_used);
        }
        self.summary.resident_blocks += u64::from(resident);
        self.spent.time += imported.time;
    }
}

/// The chain with its genesis.
fn start<'e>(unit: &Unit, executor: &'e dyn BlockExecutor) -> Result<Chain<'e>, String> {
    let config = unit.config.as_ref();
    let schedules = config.and_then(|config| config.blob_schedule.as_ref()).into_iter().flatten();
    let schedules = schedules.map(|(name, schedule)| {
        let (target, max) = (schedule.target.0, schedule.max.0);
        let update_fraction = schedule.base_fee_update_fraction.0.max(1);
        (name.clone(), BlobSchedule { target, max, update_fraction })
    });
    let network =
        Network::parse(&unit.network, &schedules.collect()).map_err(|error| error.to_string())?;
    let mut state = MemoryState::default();
    fill(&mut state, &unit.pre);
    let header = genesis(&unit.genesis_rlp.0).map_err(|error| format!("genesis: {error}"))?;
    let chain_id = config.and_then(|config| config.chainid).map_or(1, |id| id.0);
    let chain = Chain::new(network, chain_id, header, state, executor)
        .map_err(|error| format!("genesis: {error}"))?;
    let (hash, expected) = (chain.head().hash, unit.genesis_block_header.hash.0);
    match hash == expected {
        true => Ok(chain),
        false => Err(format!("genesis hash {hash}, expected {expected}")),
    }
}

/// The header of a block that has nothing else of interest.
fn genesis(mut rlp: &[u8]) -> Result<Header, alloy_rlp::Error> {
    let mut block = alloy_rlp::Header::decode_bytes(&mut rlp, true)?;
    Header::decode(&mut block)
}

/// Holds what became of a block against what the test expects.
fn judge(block: &TestBlock, imported: Result<Imported, ImportError>) -> Result<(), String> {
    match (imported, &block.expect_exception) {
        (Ok(_), Some(expected)) => Err(format!("accepted, expected {expected}")),
        (Err(why), None) => Err(format!("rejected: {why}")),
        (Err(ImportError::Failed(why)), Some(_)) => Err(format!("not executed: {why}")),
        (Err(ImportError::Invalid(why)), Some(expected)) => match explains(&why, expected) {
            true => Ok(()),
            false => Err(format!("rejected for another reason than {expected}: {why}")),
        },
        (Ok(imported), None) => match &block.block_header {
            Some(header) if header.hash.0 != imported.hash => {
                Err(format!("block hash {}, expected {}", imported.hash, header.hash.0))
            }
            _ => Ok(()),
        },
    }
}

fn check_end(unit: &Unit, chain: &Chain<'_>) -> Result<(), String> {
    let head = chain.head();
    if head.hash != unit.last_block_hash.0 {
        return Err(format!("last block {}, expected {}", head.hash, unit.last_block_hash));
    }
    let root = head.header.state_root;
    let expected = match (&unit.post_state, unit.post_state_hash) {
        (_, Some(Fixed(hash))) => hash,
        (Some(accounts), None) => {
            let mut state = MemoryState::default();
            fill(&mut state, accounts);
            state_root(&state)
        }
        (None, None) => return Err("the test expects no state".to_owned()),
    };
    match root == expected {
        true => Ok(()),
        false => Err(format!("state root {root}, expected {expected}")),
    }
}

/// Whether a reason is one of those that a test names, with `|` between them.
fn explains(why: &Invalid, expected: &str) -> bool {
    expected.split('|').any(|name| {
        let name = name.rsplit('.').next().unwrap_or(name).trim();
        exception_names(why).contains(&name)
            || import_impossible(why, name)
            || breaks_two_rules(why, name)
    })
}

/// Blocks of ethereum/tests that break two rules, of which we look at the other one first.
fn breaks_two_rules(why: &Invalid, name: &str) -> bool {
    match why {
        // The root in the header was computed without the transaction that is not valid.
        Invalid::Field { field: Field::TransactionsRoot, .. } => {
            let reasons =
                ["TYPE_NOT_SUPPORTED", "INTRINSIC_GAS_TOO_LOW", "INSUFFICIENT_MAX_FEE_PER_GAS"];
            reasons.contains(&name)
        }
        // A block of the fork before has the fields and the gas limit of that fork.
        Invalid::Presence(_) => name == "INVALID_GASLIMIT",
        _ => false,
    }
}

/// Blocks of the wrong side of a fork have exceptions of their own in the tests of ethereum/tests:
/// something about the header is not that of the fork.
fn import_impossible(why: &Invalid, name: &str) -> bool {
    let header = matches!(
        why,
        Invalid::Presence(_)
            | Invalid::Rlp(_)
            | Invalid::UnknownParent
            | Invalid::GasLimit { .. }
            | Invalid::Field {
                field: Field::BaseFee | Field::Difficulty | Field::Nonce | Field::Number,
                ..
            }
    );
    header && name.starts_with("IMPORT_IMPOSSIBLE")
}

/// What the tests call a reason.
fn exception_names(why: &Invalid) -> &'static [&'static str] {
    match why {
        // A transaction whose type the fork lacks, or that lacks what its type needs, is no RLP of
        // a transaction to us.
        Invalid::Rlp(_) => &[
            "RLP_STRUCTURES_ENCODING",
            "INCORRECT_BLOCK_FORMAT",
            "TYPE_NOT_SUPPORTED",
            "TYPE_3_TX_WITH_FULL_BLOBS",
            "TYPE_3_TX_CONTRACT_CREATION",
            "TYPE_4_TX_CONTRACT_CREATION",
        ],
        Invalid::TooLarge { .. } => &["RLP_BLOCK_LIMIT_EXCEEDED"],
        Invalid::UnknownParent => &["UNKNOWN_PARENT", "UNKNOWN_PARENT_ZERO"],
        Invalid::Presence(_) => &["INCORRECT_BLOCK_FORMAT"],
        Invalid::Field { field, .. } => field_names(*field),
        Invalid::Timestamp { .. } => &["INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT"],
        Invalid::ExtraData(_) => &["EXTRA_DATA_TOO_BIG"],
        Invalid::DaoExtraData => &["EXTRA_DATA_INVALID_DAO"],
        Invalid::GasLimit { .. } => &["INVALID_GASLIMIT"],
        Invalid::GasUsedLimit { .. } => &["GAS_USED_OVERFLOW", "INVALID_GAS_USED_ABOVE_LIMIT"],
        Invalid::Blobs { .. } => &[
            "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED",
            "TYPE_3_TX_BLOB_COUNT_EXCEEDED",
            "BLOB_GAS_USED_ABOVE_LIMIT",
        ],
        Invalid::Ommers(_) => &["TOO_MANY_UNCLES", "INVALID_UNCLE"],
        Invalid::Signature { .. } => &["INVALID_SIGNATURE_VRS"],
        Invalid::Transaction { reason, .. } => transaction_names(reason),
        Invalid::DepositLog => &["INVALID_DEPOSIT_EVENT_LAYOUT"],
        Invalid::SystemContractEmpty(_) => &["SYSTEM_CONTRACT_EMPTY"],
        Invalid::SystemCall(_) => &["SYSTEM_CONTRACT_CALL_FAILED"],
    }
}

fn field_names(field: Field) -> &'static [&'static str] {
    match field {
        Field::Number => &["INVALID_BLOCK_NUMBER"],
        Field::Difficulty => &["INVALID_DIFFICULTY"],
        Field::Nonce => &["INCORRECT_BLOCK_FORMAT"],
        Field::BaseFee => &["INVALID_BASEFEE_PER_GAS"],
        Field::ExcessBlobGas => &["INCORRECT_EXCESS_BLOB_GAS"],
        Field::BlobGasUsed => &["INCORRECT_BLOB_GAS_USED"],
        Field::TransactionsRoot => &["INVALID_TRANSACTIONS_ROOT"],
        Field::OmmersHash => &["INVALID_UNCLES_HASH"],
        Field::WithdrawalsRoot => &["INVALID_WITHDRAWALS_ROOT"],
        Field::StateRoot => &["INVALID_STATE_ROOT"],
        Field::ReceiptsRoot => &["INVALID_RECEIPTS_ROOT"],
        Field::LogsBloom => &["INVALID_LOG_BLOOM"],
        Field::GasUsed => &["INVALID_GAS_USED"],
        Field::RequestsHash => &["INVALID_REQUESTS"],
    }
}

fn transaction_names(reason: &Rejected) -> &'static [&'static str] {
    match reason {
        Rejected::NonceTooLow { .. } => &["NONCE_MISMATCH_TOO_LOW"],
        Rejected::NonceTooHigh { .. } => &["NONCE_MISMATCH_TOO_HIGH"],
        Rejected::NonceMax => &["NONCE_IS_MAX", "NONCE_TOO_BIG"],
        Rejected::Balance { .. } | Rejected::CostOverflow => &["INSUFFICIENT_ACCOUNT_FUNDS"],
        Rejected::SenderCode => &["SENDER_NOT_EOA"],
        Rejected::IntrinsicGas { .. } => &["INTRINSIC_GAS_TOO_LOW"],
        Rejected::FloorGas { .. } => {
            &["INTRINSIC_GAS_TOO_LOW", "INTRINSIC_GAS_BELOW_FLOOR_GAS_COST"]
        }
        Rejected::GasLimit { .. } => &["GAS_ALLOWANCE_EXCEEDED", "GAS_LIMIT_EXCEEDS_MAXIMUM"],
        Rejected::BaseFee { .. } => &["INSUFFICIENT_MAX_FEE_PER_GAS"],
        Rejected::PriorityFee { .. } => &["PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS"],
        Rejected::BlobFee { .. } => &["INSUFFICIENT_MAX_FEE_PER_BLOB_GAS"],
        Rejected::Blobs(_) => &[
            "TYPE_3_TX_ZERO_BLOBS",
            "TYPE_3_TX_BLOB_COUNT_EXCEEDED",
            "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH",
            "TYPE_3_TX_CONTRACT_CREATION",
        ],
        Rejected::ChainId { .. } => &["INVALID_CHAINID"],
        Rejected::InitCodeSize { .. } => &["INITCODE_SIZE_EXCEEDED"],
        Rejected::Authorizations(_) => {
            &["TYPE_4_EMPTY_AUTHORIZATION_LIST", "TYPE_4_TX_CONTRACT_CREATION"]
        }
        Rejected::Type(1) => &["TYPE_1_TX_PRE_FORK", "TYPE_NOT_SUPPORTED"],
        Rejected::Type(2) => &["TYPE_2_TX_PRE_FORK", "TYPE_NOT_SUPPORTED"],
        Rejected::Type(3) => &["TYPE_3_TX_PRE_FORK", "TYPE_NOT_SUPPORTED"],
        Rejected::Type(4) => &["TYPE_4_TX_PRE_FORK", "TYPE_NOT_SUPPORTED"],
        Rejected::Type(_) => &["TYPE_NOT_SUPPORTED"],
    }
}
