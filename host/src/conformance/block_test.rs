//! Blockchain tests (BlockchainTests of ethereum/tests, blockchain_tests of execution-spec-tests):
//! blocks as RLP on a genesis state, some of them not valid, for one network each.

use super::state_test::{TestAccount, fill};
use super::{Failure, Summary, exceptions};
use crate::chain::{BlobSchedule, BlockExecutor, BlockTransaction, Chain, Field, ImportError};
use crate::chain::{Imported, Invalid, Network};
use crate::error::with_causes;
use crate::input::InputError;
use crate::input::json::{Fixed, HexBytes, Int64, UniqueMap, parse, parse_some};
use crate::state::MemoryState;
use alloy_consensus::proofs::calculate_transaction_root;
use alloy_consensus::{Block, Header};
use alloy_primitives::{Address, B256};
use alloy_rlp::Decodable;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockTestUnit {
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
    config: Option<ChainConfig>,
}

/// What tells a blockchain test from others, and from what may stand beside tests.
#[derive(Deserialize)]
#[serde(untagged)]
enum BlockTestKind {
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
struct ChainConfig {
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
    let kinds: BTreeMap<String, BlockTestKind> = parse(name, bytes)?;
    let is_test = |test: &str| matches!(kinds.get(test), Some(BlockTestKind::Test { .. }));
    let units: BTreeMap<String, BlockTestUnit> = parse_some(name, bytes, &is_test)?;
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
                let (file, name) = (name.to_owned(), Some(test.clone()));
                case.summary.failures.push(Failure { file, case: name, reason });
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
    fn run(&mut self, unit: &BlockTestUnit, executor: &dyn BlockExecutor) -> Result<(), String> {
        let mut chain = start(unit, executor)?;
        for (index, block) in unit.blocks.iter().enumerate() {
            let mut imported = chain.import(&block.rlp.0);
            if let Ok(imported) = &imported {
                self.count(imported);
            }
            if let Some(mended) = mended(block, &imported) {
                imported = chain.import(&mended);
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
fn start<'e>(unit: &BlockTestUnit, executor: &'e dyn BlockExecutor) -> Result<Chain<'e>, String> {
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

/// A block that breaks two rules, without the one that the test does not name; it must then be
/// rejected for the reason that the test does name. Both kinds stand in `BerlinToLondonTransition`
/// of ethereum/tests:
/// - retesteth computed the root of transactions without the one that is not valid, and we look at
///   the root first;
/// - a block of London before its fork also has London's gas limit.
fn mended(block: &TestBlock, imported: &Result<Imported, ImportError>) -> Option<Vec<u8>> {
    let Err(ImportError::Invalid(why)) = imported else { return None };
    let expected = block.expect_exception.as_deref()?;
    if exceptions::explains(exceptions::block(why), expected) {
        return None;
    }
    let mut block = Block::<BlockTransaction>::decode(&mut &block.rlp.0[..]).ok()?;
    match why {
        Invalid::Field { field: Field::TransactionsRoot, .. } => {
            block.header.transactions_root = calculate_transaction_root(&block.body.transactions);
        }
        Invalid::Early("baseFeePerGas") => block.header.base_fee_per_gas = None,
        _ => return None,
    }
    Some(alloy_rlp::encode(&block))
}

/// Holds what became of a block against what the test expects.
fn judge(block: &TestBlock, imported: Result<Imported, ImportError>) -> Result<(), String> {
    match (imported, &block.expect_exception) {
        (Ok(_), Some(expected)) => Err(format!("accepted, expected {expected}")),
        (Err(why), None) => Err(format!("rejected: {}", with_causes(&why))),
        (Err(ImportError::Failed(why)), Some(_)) => {
            Err(format!("not executed: {}", with_causes(&why)))
        }
        (Err(ImportError::Invalid(why)), Some(expected)) => {
            match exceptions::explains(exceptions::block(&why), expected) {
                true => Ok(()),
                false => Err(format!("rejected for another reason than {expected}: {why}")),
            }
        }
        (Ok(imported), None) => match &block.block_header {
            Some(header) if header.hash.0 != imported.hash => {
                Err(format!("block hash {}, expected {}", imported.hash, header.hash.0))
            }
            _ => Ok(()),
        },
    }
}

fn check_end(unit: &BlockTestUnit, chain: &Chain<'_>) -> Result<(), String> {
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
            state.root()
        }
        (None, None) => return Err("the test expects no state".to_owned()),
    };
    match root == expected {
        true => Ok(()),
        false => Err(format!("state root {root}, expected {expected}")),
    }
}
