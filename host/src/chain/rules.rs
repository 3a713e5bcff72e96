//! What a header must be after its parent.

use super::dao;
use super::error::{Field, Invalid, expect};
use super::network::{Fork, GAS_PER_BLOB, Network};
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_eips::eip1559::{BaseFeeParams, INITIAL_BASE_FEE, calc_next_block_base_fee};
use alloy_primitives::{B64, U256};
use warpevm_compiler::{Rule, Spec};

/// Extra data at most.
const EXTRA_DATA_BYTES_MAX: usize = 32;
/// A gas limit at least.
const GAS_LIMIT_MIN: u64 = 5000;
/// A gas limit at most: clients keep it in a signed number, and the official tests want it.
const GAS_LIMIT_MAX: u64 = i64::MAX as u64;
/// A gas limit differs from the parent's by less than its part by this.
const GAS_LIMIT_DIVISOR: u64 = 1024;
/// The London fork's first block doubles the gas limit (EIP-1559).
const ELASTICITY: u64 = 2;
/// A difficulty at least.
const DIFFICULTY_MIN: u64 = 131_072;
/// The difficulty changes by its part by this.
const DIFFICULTY_DIVISOR: u64 = 2048;
/// The difficulty doubles its bomb after so many blocks.
const BOMB_PERIOD: u64 = 100_000;

/// Checks a header. `difficulty` is the total difficulty of the parent.
pub fn check_header(
    header: &Header,
    parent: &Header,
    network: &Network,
    difficulty: U256,
) -> Result<(), Invalid> {
    let fork = network.fork(header.number, header.timestamp, difficulty);
    check_presence(header, fork.spec)?;
    expect(Field::Number, Some(header.number), parent.number.checked_add(1))?;
    if header.timestamp <= parent.timestamp {
        let (timestamp, parent) = (header.timestamp, parent.timestamp);
        return Err(Invalid::Timestamp { timestamp, parent });
    }
    check_extra_data(header, network)?;
    check_gas(header, parent, fork)?;
    check_blobs(header, parent, fork)?;
    if !fork.spec.rules().has(Rule::ProofOfStake) {
        return expect(Field::Difficulty, header.difficulty, next_difficulty(header, parent, fork));
    }
    expect(Field::Difficulty, header.difficulty, U256::ZERO)?;
    expect(Field::Nonce, header.nonce, B64::ZERO)?;
    expect(Field::OmmersHash, header.ommers_hash, EMPTY_OMMER_ROOT_HASH)
}

/// A field is there exactly from its fork on.
fn check_presence(header: &Header, spec: Spec) -> Result<(), Invalid> {
    let has = |rule| spec.rules().has(rule);
    let fields = [
        ("baseFeePerGas", header.base_fee_per_gas.is_some(), has(Rule::BaseFee)),
        ("withdrawalsRoot", header.withdrawals_root.is_some(), has(Rule::Withdrawals)),
        ("blobGasUsed", header.blob_gas_used.is_some(), has(Rule::Blobs)),
        ("excessBlobGas", header.excess_blob_gas.is_some(), has(Rule::Blobs)),
        ("parentBeaconBlockRoot", header.parent_beacon_block_root.is_some(), has(Rule::BeaconRoot)),
        ("requestsHash", header.requests_hash.is_some(), has(Rule::Requests)),
        ("blockAccessListHash", header.block_access_list_hash.is_some(), false),
        ("slotNumber", header.slot_number.is_some(), false),
    ];
    match fields.into_iter().find(|(_, there, wanted)| there != wanted) {
        None => Ok(()),
        Some((field, true, _)) => Err(Invalid::Early(field)),
        Some((field, false, _)) => Err(Invalid::Missing(field)),
    }
}

fn check_extra_data(header: &Header, network: &Network) -> Result<(), Invalid> {
    if header.extra_data.len() > EXTRA_DATA_BYTES_MAX {
        return Err(Invalid::ExtraData(header.extra_data.len()));
    }
    let since = network.dao_block().and_then(|dao| header.number.checked_sub(dao));
    let marked = since.is_some_and(|blocks| blocks < dao::EXTRA_DATA_BLOCKS);
    if marked && *header.extra_data != *dao::EXTRA_DATA {
        return Err(Invalid::DaoExtraData);
    }
    Ok(())
}

fn check_gas(header: &Header, parent: &Header, fork: &Fork) -> Result<(), Invalid> {
    let burns = fork.spec.rules().has(Rule::BaseFee);
    let starts_london = burns && parent.base_fee_per_gas.is_none();
    let before = parent.gas_limit.saturating_mul(if starts_london { ELASTICITY } else { 1 });
    let (limit, used) = (header.gas_limit, header.gas_used);
    if limit > GAS_LIMIT_MAX {
        return Err(Invalid::GasLimitTooBig(limit));
    }
    if limit.abs_diff(before) >= before / GAS_LIMIT_DIVISOR || limit < GAS_LIMIT_MIN {
        return Err(Invalid::GasLimit { limit, parent: before });
    }
    if used > limit {
        return Err(Invalid::GasUsedLimit { used, limit });
    }
    if !burns {
        return Ok(());
    }
    let base_fee = match parent.base_fee_per_gas {
        None => INITIAL_BASE_FEE,
        Some(base_fee) => calc_next_block_base_fee(
            parent.gas_used,
            parent.gas_limit,
            base_fee,
            BaseFeeParams::ethereum(),
        ),
    };
    expect(Field::BaseFee, header.base_fee_per_gas, Some(base_fee))
}

fn check_blobs(header: &Header, parent: &Header, fork: &Fork) -> Result<(), Invalid> {
    let (Some(used), Some(excess)) = (header.blob_gas_used, header.excess_blob_gas) else {
        return Ok(());
    };
    expect(Field::ExcessBlobGas, excess, fork.blobs.next_excess(parent, fork.spec))?;
    expect(Field::BlobGasUsed, used % GAS_PER_BLOB, 0)?;
    let (blobs, max) = (used / GAS_PER_BLOB, fork.blobs.max);
    if blobs > max { Err(Invalid::Blobs { blobs, max }) } else { Ok(()) }
}

/// Blocks by which a fork puts the difficulty bomb off.
fn bomb_delay(fork: &Fork) -> u64 {
    match (fork.name.as_str(), fork.spec) {
        ("GrayGlacier", _) => 11_400_000,
        ("ArrowGlacier", _) => 10_700_000,
        ("Istanbul", _) => 5_000_000,
        (_, spec) => spec.block_schedule().bomb_delay_blocks,
    }
}

/// The difficulty of a block with proof of work.
fn next_difficulty(header: &Header, parent: &Header, fork: &Fork) -> U256 {
    let step = parent.difficulty / U256::from(DIFFICULTY_DIVISOR);
    let seconds = header.timestamp.saturating_sub(parent.timestamp);
    let ommers = parent.ommers_hash != EMPTY_OMMER_ROOT_HASH;
    let rules = fork.spec.rules();
    let by_ommers = rules.has(Rule::DifficultyByOmmers);
    let (up, down) = match rules.has(Rule::DifficultyBySeconds) {
        false if seconds < 13 => (1, 0),
        false => (0, 1),
        true if by_ommers && ommers => (2, (seconds / 9).min(101)),
        true if by_ommers => (1, (seconds / 9).min(100)),
        true => (1, (seconds / 10).min(100)),
    };
    let raised = parent.difficulty.saturating_add(step.saturating_mul(U256::from(up)));
    let adjusted = raised.saturating_sub(step.saturating_mul(U256::from(down)));
    let periods = header.number.saturating_sub(bomb_delay(fork)) / BOMB_PERIOD;
    let bomb = match periods.checked_sub(2) {
        Some(exponent) if exponent < 256 => U256::from(1) << exponent,
        Some(_) => U256::MAX,
        None => U256::ZERO,
    };
    let floor = U256::from(DIFFICULTY_MIN);
    adjusted.max(floor).saturating_add(bomb)
}
