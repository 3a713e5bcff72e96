//! The protocol version in revm's terms, and the parameters that follow from it.

use revm::primitives::hardfork::SpecId;
use warpevm_compiler::Spec;

/// revm's number for a spec. It has no Constantinople, which never ran on mainnet: Petersburg differs
/// only in SSTORE's price.
pub fn spec_id(spec: Spec) -> SpecId {
    match spec {
        Spec::Frontier => SpecId::FRONTIER,
        Spec::Homestead => SpecId::HOMESTEAD,
        Spec::Tangerine => SpecId::TANGERINE,
        Spec::SpuriousDragon => SpecId::SPURIOUS_DRAGON,
        Spec::Byzantium => SpecId::BYZANTIUM,
        Spec::Constantinople | Spec::Petersburg => SpecId::PETERSBURG,
        Spec::Istanbul => SpecId::ISTANBUL,
        Spec::Berlin => SpecId::BERLIN,
        Spec::London => SpecId::LONDON,
        Spec::Merge => SpecId::MERGE,
        Spec::Shanghai => SpecId::SHANGHAI,
        Spec::Cancun => SpecId::CANCUN,
        Spec::Prague => SpecId::PRAGUE,
        Spec::Osaka => SpecId::OSAKA,
    }
}

/// Blobs that a transaction may carry: the block's maximum, from Osaka on 6 (EIP-7594).
pub fn blobs_per_transaction_max(spec: Spec) -> u64 {
    match spec {
        Spec::Osaka => 6,
        Spec::Prague => 9,
        _ => 6,
    }
}

/// The gas limit cap of a transaction (EIP-7825).
pub fn gas_limit_cap(spec: Spec) -> u64 {
    if spec >= Spec::Osaka { 1 << 24 } else { u64::MAX }
}

/// The longest init code (EIP-3860).
pub const INIT_CODE_BYTES_MAX: usize = 49152;
