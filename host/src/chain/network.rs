//! Which rules hold for which block: networks as the official tests name them.

use super::forks;
use alloy_consensus::Header;
use alloy_primitives::U256;
use std::collections::BTreeMap;
use warpevm_compiler::{Rule, Spec};

/// Gas of one blob (EIP-4844).
pub const GAS_PER_BLOB: u64 = 1 << 17;
/// EIP-7918: execution gas that a blob is worth at least.
const BLOB_BASE_COST: u128 = 1 << 13;

/// Blobs of a block (EIP-7840).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobSchedule {
    /// Blobs that leave the fee as it is.
    pub target: u64,
    /// Blobs of a block at most.
    pub max: u64,
    /// How slowly the fee changes.
    pub update_fraction: u64,
}

impl BlobSchedule {
    const fn new(target: u64, max: u64, update_fraction: u64) -> BlobSchedule {
        BlobSchedule { target, max, update_fraction }
    }

    /// Mainnet's schedule under this name.
    fn named(name: &str, spec: Spec) -> BlobSchedule {
        let schedule = spec.block_schedule();
        match name {
            "BPO1" => BlobSchedule::new(10, 15, 8_346_193),
            "BPO2" => BlobSchedule::new(14, 21, 11_684_671),
            _ => BlobSchedule::new(
                schedule.blobs_target,
                schedule.blobs_max,
                schedule.blob_fee_update_fraction,
            ),
        }
    }

    /// Excess blob gas of the block after `parent` (EIP-4844, EIP-7918).
    pub fn next_excess(&self, parent: &Header, spec: Spec) -> u64 {
        let excess = parent.excess_blob_gas.unwrap_or(0);
        let used = parent.blob_gas_used.unwrap_or(0);
        let sum = excess.saturating_add(used);
        let target = self.target.saturating_mul(GAS_PER_BLOB);
        if sum < target {
            return 0;
        }
        if spec.rules().has(Rule::BlobFeeBound) {
            let base_fee = u128::from(parent.base_fee_per_gas.unwrap_or(0));
            let price = forks::blob_fee(excess, self.update_fraction).map(|fee| fee.blob_gasprice);
            let blob_cost = price.map_or(u128::MAX, |fee| fee.saturating_mul(GAS_PER_BLOB.into()));
            if BLOB_BASE_COST.saturating_mul(base_fee) > blob_cost {
                let kept = u128::from(used) * u128::from(self.max.saturating_sub(self.target));
                let kept = kept / u128::from(self.max.max(1));
                return excess.saturating_add(u64::try_from(kept).unwrap_or(u64::MAX));
            }
        }
        sum - target
    }
}

/// The rules from a fork on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The name.
    pub name: String,
    /// What the EVM does.
    pub spec: Spec,
    /// Blobs.
    pub blobs: BlobSchedule,
}

/// From where on the second fork of a transition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ForkStart {
    Number(u64),
    Timestamp(u64),
    /// The total difficulty of the parent (EIP-3675).
    Difficulty(U256),
}

/// One fork, or two of which the second starts within the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    first: Fork,
    second: Option<(ForkStart, Fork)>,
    /// Block of the DAO fork.
    dao: Option<u64>,
}

/// A network that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such network: {0}")]
pub struct UnknownNetwork(pub String);

impl Network {
    /// The network of a test. `blobs` overrides mainnet's schedules, by the fork's name.
    pub fn parse(
        name: &str,
        blobs: &BTreeMap<String, BlobSchedule>,
    ) -> Result<Network, UnknownNetwork> {
        let unknown = || UnknownNetwork(name.to_owned());
        let fork = |fork_name: &str| {
            let spec = spec(fork_name).ok_or_else(unknown)?;
            let schedule = blobs.get(fork_name).copied();
            let blobs = schedule.unwrap_or_else(|| BlobSchedule::named(fork_name, spec));
            Ok(Fork { name: fork_name.to_owned(), spec, blobs })
        };
        let Some((forks, start)) = name.rsplit_once("At") else {
            return Ok(Network { first: fork(name)?, second: None, dao: None });
        };
        let (first, second) = forks.split_once("To").ok_or_else(unknown)?;
        let start = parse_start(start).ok_or_else(unknown)?;
        let dao = match start {
            ForkStart::Number(number) if second == "Dao" => Some(number),
            _ => None,
        };
        let second = if dao.is_some() { first } else { second };
        Ok(Network { first: fork(first)?, second: Some((start, fork(second)?)), dao })
    }

    /// The rules of a block; `difficulty` is the total difficulty of its parent.
    pub fn fork(&self, number: u64, timestamp: u64, difficulty: U256) -> &Fork {
        let Some((start, second)) = &self.second else { return &self.first };
        let started = match *start {
            ForkStart::Number(from) => number >= from,
            ForkStart::Timestamp(from) => timestamp >= from,
            ForkStart::Difficulty(from) => difficulty >= from,
        };
        if started { second } else { &self.first }
    }

    /// The block of the DAO fork, where there is one.
    pub fn dao_block(&self) -> Option<u64> {
        self.dao
    }
}

/// `5`, `Time15k`, `DiffC0000`.
fn parse_start(text: &str) -> Option<ForkStart> {
    if let Some(difficulty) = text.strip_prefix("Diff") {
        return U256::from_str_radix(difficulty, 16).ok().map(ForkStart::Difficulty);
    }
    let Some(time) = text.strip_prefix("Time") else {
        return text.parse().ok().map(ForkStart::Number);
    };
    let (digits, unit) = time.strip_suffix('k').map_or((time, 1), |digits| (digits, 1000));
    digits.parse::<u64>().ok()?.checked_mul(unit).map(ForkStart::Timestamp)
}

fn spec(name: &str) -> Option<Spec> {
    match name {
        // Difficulty bombs and blob schedules apart, what was before them.
        "MuirGlacier" => Some(Spec::Istanbul),
        "ArrowGlacier" | "GrayGlacier" => Some(Spec::London),
        _ if name.strip_prefix("BPO").is_some_and(|n| n.parse::<u8>().is_ok()) => Some(Spec::Osaka),
        _ => name.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(name: &str) -> Network {
        Network::parse(name, &BTreeMap::new()).expect("a network")
    }

    #[test]
    fn a_transition_starts_where_its_name_says() {
        let cancun = network("ShanghaiToCancunAtTime15k");
        let spec = |network: &Network, number, time, difficulty| {
            network.fork(number, time, U256::from(difficulty)).spec
        };
        assert_eq!(spec(&cancun, 9, 14_999, 0), Spec::Shanghai);
        assert_eq!(spec(&cancun, 9, 15_000, 0), Spec::Cancun);
        let homestead = network("FrontierToHomesteadAt5");
        assert_eq!(spec(&homestead, 4, 0, 0), Spec::Frontier);
        assert_eq!(spec(&homestead, 5, 0, 0), Spec::Homestead);
        let merge = network("ArrowGlacierToParisAtDiffC0000");
        assert_eq!(spec(&merge, 1, 0, 0xbffff), Spec::London);
        assert_eq!(spec(&merge, 1, 0, 0xc0000), Spec::Merge);
        let dao = network("HomesteadToDaoAt5");
        assert_eq!((dao.dao_block(), spec(&dao, 5, 0, 0)), (Some(5), Spec::Homestead));
        assert_eq!(network("OsakaToBPO1AtTime15k").fork(0, 15_000, U256::ZERO).blobs.max, 15);
    }

    #[test]
    fn other_names_are_errors() {
        for name in ["", "Nowhere", "AToBAt5", "FrontierAt5", "FrontierToHomesteadAtx", "BPOx"] {
            assert!(Network::parse(name, &BTreeMap::new()).is_err(), "{name}");
        }
    }

    #[test]
    fn the_blob_fee_keeps_up_with_the_base_fee() {
        let schedule = BlobSchedule::named("Osaka", Spec::Osaka);
        let blobs = |count: u64| count * GAS_PER_BLOB;
        let parent = |base_fee| Header {
            excess_blob_gas: Some(blobs(6)),
            blob_gas_used: Some(blobs(9)),
            base_fee_per_gas: Some(base_fee),
            ..Header::default()
        };
        assert_eq!(schedule.next_excess(&parent(7), Spec::Osaka), blobs(9));
        assert_eq!(schedule.next_excess(&parent(1 << 30), Spec::Osaka), blobs(9));
        let low = Header { blob_gas_used: Some(blobs(3)), ..parent(1 << 30) };
        assert_eq!(schedule.next_excess(&low, Spec::Osaka), blobs(7));
        assert_eq!(schedule.next_excess(&low, Spec::Prague), blobs(3));
    }
}
