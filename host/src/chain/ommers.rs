//! Ommers: headers of blocks beside the chain, which earn a part of the reward.

use super::error::{Field, Invalid, OmmerFault, expect};
use super::rules::check_header;
use super::{KnownBlock, Network};
use alloy_consensus::Header;
use alloy_consensus::proofs::calculate_ommers_root;
use alloy_primitives::{Address, B256, U256};
use std::sync::Arc;
use warpevm_compiler::Spec;

/// Ommers of a block at most.
const OMMERS_MAX: usize = 2;
/// Generations that an ommer may lie back.
const GENERATIONS_MAX: u64 = 6;

/// The reward of a block.
fn block_reward(spec: Spec) -> U256 {
    U256::from(spec.block_schedule().reward_ether) * U256::from(10u64.pow(18))
}

/// Whom the block rewards, with how much.
pub fn rewards(header: &Header, ommers: &[Header], spec: Spec) -> Vec<(Address, U256)> {
    let reward = block_reward(spec);
    if reward.is_zero() {
        return Vec::new();
    }
    let mut credits: Vec<(Address, U256)> = ommers
        .iter()
        .map(|ommer| {
            let parts = (ommer.number + 8).saturating_sub(header.number);
            (ommer.beneficiary, reward * U256::from(parts) / U256::from(8))
        })
        .collect();
    let miner = reward + reward / U256::from(32) * U256::from(ommers.len());
    credits.push((header.beneficiary, miner));
    credits
}

/// Checks the ommers of a block. `ancestors`: its parent first; `descends` says whether the block
/// descends from one that is older than those.
pub fn check_ommers(
    header: &Header,
    ommers: &[Header],
    ancestors: &[Arc<KnownBlock>],
    descends: &dyn Fn(B256) -> bool,
    network: &Network,
) -> Result<(), Invalid> {
    expect(Field::OmmersHash, header.ommers_hash, calculate_ommers_root(ommers))?;
    if ommers.len() > OMMERS_MAX {
        return Err(Invalid::Ommers(OmmerFault::TooMany));
    }
    // Who may be an ommer's parent: not the block's own parent, whose children are its siblings.
    let recent = &ancestors[..ancestors.len().min(GENERATIONS_MAX as usize + 1)];
    let mut seen: Vec<B256> = Vec::with_capacity(ommers.len());
    for (index, ommer) in ommers.iter().enumerate() {
        let hash = ommer.hash_slow();
        let fault = if seen.contains(&hash) {
            Some(OmmerFault::Twice)
        } else if recent.iter().any(|entry| entry.ommers.contains(&hash)) {
            Some(OmmerFault::Included)
        } else if recent.iter().any(|entry| entry.hash == hash) {
            Some(OmmerFault::Ancestor)
        } else {
            None
        };
        if let Some(fault) = fault {
            return Err(Invalid::Ommers(fault));
        }
        let parent = recent.iter().skip(1).find(|entry| entry.hash == ommer.parent_hash);
        let Some(parent) = parent else {
            return Err(Invalid::Ommers(match descends(ommer.parent_hash) {
                true => OmmerFault::ParentIncorrect,
                false => OmmerFault::UnknownParent,
            }));
        };
        check_header(ommer, &parent.header, network, parent.difficulty)
            .map_err(|why| Invalid::OmmerHeader { index, why: Box::new(why) })?;
        seen.push(hash);
    }
    Ok(())
}
