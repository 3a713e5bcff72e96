//! What each protocol version has: the one place that says which rules, prices and limits hold in
//! which. A version is its predecessor and what its EIPs change.

use crate::gas::GasSchedule;
use crate::rules::{Rule, Rules};
use crate::spec::Spec;

/// What a protocol version has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fork {
    rules: Rules,
    gas: GasSchedule,
    block: BlockSchedule,
}

/// Numbers of a protocol version that blocks have to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSchedule {
    /// What a block earns, in ether.
    pub reward_ether: u64,
    /// Blocks by which the difficulty's bomb is put off.
    pub bomb_delay_blocks: u64,
    /// Blobs of a block at which the price of blobs stays.
    pub blobs_target: u64,
    /// Blobs of a block at most.
    pub blobs_max: u64,
    /// Blobs of a transaction at most.
    pub tx_blobs_max: u64,
    /// How slowly the price of blobs follows their number.
    pub blob_fee_update_fraction: u64,
    /// Bytes of a block's RLP at most.
    pub rlp_bytes_max: u64,
}

const FRONTIER: Fork = Fork {
    rules: Rules::NONE,
    gas: GasSchedule {
        balance: 20,
        ext_code: 20,
        ext_code_hash: 400,
        sload: 50,
        call: 40,
        self_destruct: 0,
        memory_word: 3,
        memory_square_divisor: 512,
        copy_word: 3,
        keccak_word: 6,
        log_byte: 8,
        exp_byte: 10,
        cold_account: 2_600,
        cold_slot: 2_100,
        warm_access: 100,
        call_value: 9_000,
        call_new_account: 25_000,
        call_stipend: 2_300,
        deploy_byte: 200,
        init_code_word: 2,
        init_code_bytes_max: 49_152,
        deployed_code_bytes_max: 24_576,
        sstore_set: 20_000,
        sstore_reset: 5_000,
        sstore_clear_refund: 15_000,
        sstore_sentry: 0,
        self_destruct_new_account: 0,
        self_destruct_refund: 24_000,
        refund_quotient: 2,
        authorization_refund: 12_500,
        ecrecover: 3_000,
        sha256: 60,
        sha256_word: 12,
        ripemd160: 600,
        ripemd160_word: 120,
        identity: 15,
        identity_word: 3,
        modexp_divisor: 20,
        modexp_least: 0,
        modexp_exponent_byte: 8,
        modexp_bytes_max: 1_024,
        bn254_add: 500,
        bn254_mul: 40_000,
        bn254_pairing: 100_000,
        bn254_pairing_pair: 80_000,
        blake2f_round: 1,
        kzg_point_evaluation: 50_000,
        bls_g1_add: 375,
        bls_g1_mul: 12_000,
        bls_g2_add: 600,
        bls_g2_mul: 22_500,
        bls_pairing: 37_700,
        bls_pairing_pair: 32_600,
        bls_map_g1: 5_500,
        bls_map_g2: 23_800,
        p256_verify: 6_900,
        tx_base: 21_000,
        tx_create: 0,
        tx_zero_byte: 4,
        tx_non_zero_byte: 68,
        tx_listed_account: 2_400,
        tx_listed_slot: 1_900,
        tx_authorization: 25_000,
        tx_floor_token: 10,
        tx_floor_non_zero_tokens: 4,
        tx_gas_max: 1 << 24,
    },
    block: BlockSchedule {
        reward_ether: 5,
        bomb_delay_blocks: 0,
        blobs_target: 3,
        blobs_max: 6,
        tx_blobs_max: 6,
        blob_fee_update_fraction: 3_338_477,
        rlp_bytes_max: u64::MAX,
    },
};

const HOMESTEAD: Fork = Fork {
    rules: FRONTIER.rules.with(&[
        Rule::PaidDeployment,      // EIP-2
        Rule::LowSignatures,       // EIP-2
        Rule::DifficultyBySeconds, // EIP-2
    ]),
    gas: GasSchedule { tx_create: 32_000, ..FRONTIER.gas }, // EIP-2
    ..FRONTIER
};

const TANGERINE: Fork = Fork {
    rules: HOMESTEAD.rules.with(&[Rule::WithholdsGas]), // EIP-150
    gas: GasSchedule {
        // EIP-150
        balance: 400,
        ext_code: 700,
        sload: 200,
        call: 700,
        self_destruct: 5_000,
        self_destruct_new_account: 25_000,
        ..HOMESTEAD.gas
    },
    ..HOMESTEAD
};

const SPURIOUS_DRAGON: Fork = Fork {
    rules: TANGERINE.rules.with(&[
        Rule::ReplayProtection, // EIP-155
        Rule::StateClearing,    // EIP-161
        Rule::CodeSizeLimit,    // EIP-170
    ]),
    gas: GasSchedule { exp_byte: 50, ..TANGERINE.gas }, // EIP-160
    ..TANGERINE
};

const BYZANTIUM: Fork = Fork {
    rules: SPURIOUS_DRAGON.rules.with(&[
        Rule::DifficultyByOmmers, // EIP-100
        Rule::ReceiptStatus,      // EIP-658
    ]),
    block: BlockSchedule {
        // EIP-649
        reward_ether: 3,
        bomb_delay_blocks: 3_000_000,
        ..SPURIOUS_DRAGON.block
    },
    ..SPURIOUS_DRAGON
};

const PETERSBURG: Fork = Fork {
    block: BlockSchedule {
        // EIP-1234
        reward_ether: 2,
        bomb_delay_blocks: 5_000_000,
        ..BYZANTIUM.block
    },
    ..BYZANTIUM
};

/// Petersburg is Constantinople without EIP-1283.
const CONSTANTINOPLE: Fork =
    Fork { rules: PETERSBURG.rules.with(&[Rule::NetStorageGas]), ..PETERSBURG };

const ISTANBUL: Fork = Fork {
    rules: PETERSBURG.rules.with(&[Rule::NetStorageGas]), // EIP-2200
    gas: GasSchedule {
        // EIP-1884
        balance: 700,
        ext_code_hash: 700,
        sload: 800,
        // EIP-2028
        tx_non_zero_byte: 16,
        // EIP-2200
        sstore_sentry: 2_300,
        // EIP-1108
        bn254_add: 150,
        bn254_mul: 6_000,
        bn254_pairing: 45_000,
        bn254_pairing_pair: 34_000,
        ..PETERSBURG.gas
    },
    // EIP-2384, soon after.
    block: BlockSchedule { bomb_delay_blocks: 9_000_000, ..PETERSBURG.block },
};

const BERLIN: Fork = Fork {
    rules: ISTANBUL.rules.with(&[
        Rule::ModexpByWords, // EIP-2565
        Rule::WarmAccess,    // EIP-2929
        Rule::AccessLists,   // EIP-2930
    ]),
    gas: GasSchedule {
        // EIP-2565
        modexp_divisor: 3,
        modexp_least: 200,
        // EIP-2929
        balance: 100,
        ext_code: 100,
        ext_code_hash: 100,
        sload: 100,
        call: 100,
        sstore_reset: 2_900,
        ..ISTANBUL.gas
    },
    ..ISTANBUL
};

const LONDON: Fork = Fork {
    rules: BERLIN.rules.with(&[
        Rule::BaseFee,            // EIP-1559
        Rule::ReservedCodePrefix, // EIP-3541
    ]),
    gas: GasSchedule {
        // EIP-3529
        sstore_clear_refund: 4_800,
        self_destruct_refund: 0,
        refund_quotient: 5,
        ..BERLIN.gas
    },
    block: BlockSchedule { bomb_delay_blocks: 9_700_000, ..BERLIN.block }, // EIP-3554
};

const MERGE: Fork = Fork {
    rules: LONDON.rules.with(&[Rule::ProofOfStake]), // EIP-3675, EIP-4399
    block: BlockSchedule { reward_ether: 0, ..LONDON.block }, // EIP-3675
    ..LONDON
};

const SHANGHAI: Fork = Fork {
    rules: MERGE.rules.with(&[
        Rule::WarmCoinbase,  // EIP-3651
        Rule::InitCodeLimit, // EIP-3860
        Rule::Withdrawals,   // EIP-4895
    ]),
    ..MERGE
};

const CANCUN: Fork = Fork {
    rules: SHANGHAI.rules.with(&[
        Rule::BeaconRoot,            // EIP-4788
        Rule::Blobs,                 // EIP-4844
        Rule::SelfDestructOfNewOnly, // EIP-6780
    ]),
    ..SHANGHAI
};

const PRAGUE: Fork = Fork {
    rules: CANCUN.rules.with(&[
        Rule::BlockHashHistory, // EIP-2935
        Rule::FloorGas,         // EIP-7623
        Rule::Requests,         // EIP-7685
        Rule::Delegations,      // EIP-7702
    ]),
    block: BlockSchedule {
        // EIP-7691
        blobs_target: 6,
        blobs_max: 9,
        tx_blobs_max: 9,
        blob_fee_update_fraction: 5_007_716,
        ..CANCUN.block
    },
    ..CANCUN
};

const OSAKA: Fork = Fork {
    rules: PRAGUE.rules.with(&[
        Rule::ModexpLimit,  // EIP-7823
        Rule::TxGasLimit,   // EIP-7825
        Rule::ModexpRaised, // EIP-7883
        Rule::BlobFeeBound, // EIP-7918
    ]),
    gas: GasSchedule {
        // EIP-7883
        modexp_divisor: 1,
        modexp_least: 500,
        modexp_exponent_byte: 16,
        ..PRAGUE.gas
    },
    block: BlockSchedule {
        tx_blobs_max: 6,          // EIP-7594
        rlp_bytes_max: 8_388_608, // EIP-7934
        ..PRAGUE.block
    },
};

/// In the order of [`Spec::ALL`].
static FORKS: [Fork; Spec::ALL.len()] = [
    FRONTIER,
    HOMESTEAD,
    TANGERINE,
    SPURIOUS_DRAGON,
    BYZANTIUM,
    CONSTANTINOPLE,
    PETERSBURG,
    ISTANBUL,
    BERLIN,
    LONDON,
    MERGE,
    SHANGHAI,
    CANCUN,
    PRAGUE,
    OSAKA,
];

/// Whether versions differ in number `at` of those that kernels ask for.
const fn varies(at: usize) -> bool {
    let mut i = 1;
    while i < FORKS.len() {
        if FORKS[i].gas.for_kernels()[at] != FORKS[0].gas.for_kernels()[at] {
            return true;
        }
        i += 1;
    }
    false
}

/// The place of number `at` of those that kernels ask for ([`GasSchedule::KERNELS`]) among those in
/// which versions differ; `None`: it is the same in all.
pub const fn place(at: usize) -> Option<usize> {
    let mut place = 0;
    let mut i = 0;
    while i < at {
        place += varies(i) as usize;
        i += 1;
    }
    if varies(at) { Some(place) } else { None }
}

impl Spec {
    const fn fork(self) -> &'static Fork {
        &FORKS[self as usize]
    }

    /// Its rules.
    #[inline]
    pub const fn rules(self) -> Rules {
        self.fork().rules
    }

    /// Its prices.
    #[inline]
    pub const fn gas(self) -> &'static GasSchedule {
        &self.fork().gas
    }

    /// Its prices that kernels ask for and in which versions differ, each at its [`place`]. There
    /// are at most `N`.
    pub const fn varying_gas<const N: usize>(self) -> [u32; N] {
        let all = self.gas().for_kernels();
        let mut numbers = [0; N];
        let mut at = 0;
        while at < all.len() {
            if let Some(place) = place(at) {
                numbers[place] = all[at];
            }
            at += 1;
        }
        numbers
    }

    /// Its numbers for blocks.
    pub const fn block_schedule(self) -> &'static BlockSchedule {
        &self.fork().block
    }

    /// Whether it has what came with `since`: for the tables of opcodes and precompiles.
    pub(crate) const fn includes(self, since: Spec) -> bool {
        self as u32 >= since as u32
    }
}
