//! Which spec a mainnet block runs under, and its blob base fee.

use revm::context_interface::block::BlobExcessGasAndPrice;
use warpevm_compiler::Spec;

/// First block of each spec up to the Merge.
const BY_NUMBER: [(u64, Spec); 10] = [
    (15_537_394, Spec::Merge),
    (12_965_000, Spec::London),
    (12_244_000, Spec::Berlin),
    (9_069_000, Spec::Istanbul),
    (7_280_000, Spec::Petersburg),
    (4_370_000, Spec::Byzantium),
    (2_675_000, Spec::SpuriousDragon),
    (2_463_000, Spec::Tangerine),
    (1_150_000, Spec::Homestead),
    (0, Spec::Frontier),
];

/// First second of each spec after the Merge.
const BY_TIMESTAMP: [(u64, Spec); 4] = [
    (1_764_798_551, Spec::Osaka),
    (1_746_612_311, Spec::Prague),
    (1_710_338_135, Spec::Cancun),
    (1_681_338_455, Spec::Shanghai),
];

/// First second and update fraction of the blob parameter forks of mainnet, BPO2 and BPO1.
const BLOB_FRACTIONS: [(u64, u64); 2] = [(1_767_747_671, 11_684_671), (1_765_290_071, 8_346_193)];

/// The largest quotient of excess blob gas and update fraction that is computed. The fee is e to
/// the power of it in wei: beyond e^50 (5,000 ether for one gas) nothing can be paid, and the
/// formula's 128-bit steps would overflow.
const BLOB_FEE_EXPONENT_MAX: u64 = 50;

/// The spec of a mainnet block.
pub fn mainnet_spec(number: u64, timestamp: u64) -> Spec {
    // Timestamp forks lie after the Merge by number: a made-up early block with a late timestamp
    // follows its number.
    let merged = number >= BY_NUMBER[0].0;
    let late = BY_TIMESTAMP.iter().find(|(from, _)| merged && timestamp >= *from);
    late.or_else(|| BY_NUMBER.iter().find(|(from, _)| number >= *from))
        .map_or(Spec::Frontier, |(_, spec)| *spec)
}

/// The update fraction of a mainnet block; later than Osaka it changes without a new spec
/// (EIP-7892).
pub fn mainnet_blob_fraction(spec: Spec, timestamp: u64) -> u64 {
    let late = BLOB_FRACTIONS.iter().find(|(from, _)| timestamp >= *from);
    late.map_or(spec.block_schedule().blob_fee_update_fraction, |(_, fraction)| *fraction)
}

/// Excess blob gas and the fee that follows from it; `None` when the fee is beyond any sense.
pub fn blob_fee(excess: u64, fraction: u64) -> Option<BlobExcessGasAndPrice> {
    (excess / fraction <= BLOB_FEE_EXPONENT_MAX)
        .then(|| BlobExcessGasAndPrice::new(excess, fraction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use revm::primitives::eip4844;

    #[test]
    fn forks_start_at_their_block() {
        let before = |list: &[(u64, Spec)], at: usize| list.get(at + 1).map(|(_, spec)| *spec);
        for (i, (number, spec)) in BY_NUMBER.into_iter().enumerate() {
            assert_eq!(mainnet_spec(number, 0), spec);
            let last = number.checked_sub(1).map(|number| mainnet_spec(number, 0));
            assert_eq!(last, before(&BY_NUMBER, i));
        }
        for (i, (timestamp, spec)) in BY_TIMESTAMP.into_iter().enumerate() {
            assert_eq!(mainnet_spec(20_000_000, timestamp), spec);
            let last = mainnet_spec(20_000_000, timestamp - 1);
            assert_eq!(last, before(&BY_TIMESTAMP, i).unwrap_or(Spec::Merge));
        }
    }

    #[test]
    fn the_blob_fee_never_overflows() {
        let largest = (BLOB_FEE_EXPONENT_MAX + 1) * eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE;
        let prague = Spec::Prague.block_schedule().blob_fee_update_fraction;
        assert_eq!(prague, eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE);
        assert!(blob_fee(largest - 1, prague).is_some());
        assert!(blob_fee(largest, prague).is_none());
        let cancun = Spec::Cancun.block_schedule().blob_fee_update_fraction;
        assert_eq!(cancun, eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN);
        assert!(blob_fee(u64::MAX, cancun).is_none());
        assert_eq!(blob_fee(0x240000, cancun).map(|b| b.blob_gasprice), Some(2));
        for (from, fraction) in BLOB_FRACTIONS {
            assert!(blob_fee(fraction * (BLOB_FEE_EXPONENT_MAX + 1) - 1, fraction).is_some());
            assert_eq!(mainnet_blob_fraction(Spec::Osaka, from), fraction);
        }
    }
}
