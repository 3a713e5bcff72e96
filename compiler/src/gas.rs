//! The gas schedule: every price of a protocol version, and the limits that go with them.
//!
//! The static gas of opcodes that never changed stands in their table ([`crate::opcode`]). Which
//! version has which numbers says [`crate::forks`]. A price of what a rule brings
//! ([`crate::rules`]) has its number in every version, and nobody asks for it in those without the
//! rule. So most numbers are the same in all: generated code has these as constants, and loads the
//! others.

use crate::rules::{Rule, Rules};

macro_rules! gas_schedule {
    (opcodes { $($(#[doc = $odoc:literal])* $opcode:ident,)* }
     kernels { $($(#[doc = $kdoc:literal])* $kernel:ident,)* }
     transactions { $($(#[doc = $tdoc:literal])* $tx:ident,)* }) => {
        /// The prices of a protocol version.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct GasSchedule {
            $($(#[doc = $odoc])* pub $opcode: u32,)*
            $($(#[doc = $kdoc])* pub $kernel: u32,)*
            $($(#[doc = $tdoc])* pub $tx: u32,)*
        }

        impl GasSchedule {
            /// Names of the numbers that kernels ask for.
            pub const KERNELS: &[&'static str] = &[$(stringify!($kernel),)*];

            /// The numbers that kernels ask for, in the order of their names.
            pub const fn for_kernels(&self) -> [u32; GasSchedule::KERNELS.len()] {
                [$(self.$kernel,)*]
            }
        }
    };
}

gas_schedule! {
    // The static gas of opcodes that were repriced: of a warm access from Berlin on (EIP-2929).
    opcodes {
        /// BALANCE.
        balance,
        /// EXTCODESIZE and EXTCODECOPY.
        ext_code,
        /// EXTCODEHASH.
        ext_code_hash,
        /// CALL, CALLCODE, DELEGATECALL, STATICCALL.
        call,
        /// SELFDESTRUCT.
        self_destruct,
    }
    kernels {
        /// SLOAD; an SSTORE of a slot that stays, or has changed before (EIP-1283, EIP-2200).
        sload,
        /// A word of EVM memory.
        memory_word,
        /// The square of the words of EVM memory costs its part by this.
        memory_square_divisor,
        /// A word that is copied.
        copy_word,
        /// A word that KECCAK256 and CREATE2 hash.
        keccak_word,
        /// A byte of a log.
        log_byte,
        /// A byte of EXP's exponent.
        exp_byte,
        /// The first access to an account (EIP-2929).
        cold_account,
        /// The first access to a slot (EIP-2929).
        cold_slot,
        /// Any later access (EIP-2929); opcodes have it as their static gas.
        warm_access,
        /// A call that moves value.
        call_value,
        /// A call that brings an account into being.
        call_new_account,
        /// What a callee gets for the value that it gets.
        call_stipend,
        /// A byte of deployed code.
        deploy_byte,
        /// A word of init code (EIP-3860).
        init_code_word,
        /// Bytes of init code at most (EIP-3860).
        init_code_bytes_max,
        /// Bytes of deployed code at most (EIP-170).
        deployed_code_bytes_max,
        /// SSTORE: a slot from zero to another value.
        sstore_set,
        /// SSTORE: any other first change of a slot.
        sstore_reset,
        /// The refund for a slot that becomes zero.
        sstore_clear_refund,
        /// SSTORE wants more gas left than this (EIP-2200).
        sstore_sentry,
        /// A SELFDESTRUCT that brings an account into being.
        self_destruct_new_account,
        /// The refund for an account's first SELFDESTRUCT.
        self_destruct_refund,
        /// Refunds are at most the gas used divided by this.
        refund_quotient,
        /// An authorization whose account exists already gets this back (EIP-7702).
        authorization_refund,
        /// ECRECOVER.
        ecrecover,
        /// SHA-256.
        sha256,
        /// A word of SHA-256.
        sha256_word,
        /// RIPEMD-160.
        ripemd160,
        /// A word of RIPEMD-160.
        ripemd160_word,
        /// The identity.
        identity,
        /// A word of the identity.
        identity_word,
        /// Modexp's product of complexity and iterations is divided by this.
        modexp_divisor,
        /// Modexp at least.
        modexp_least,
        /// Iterations of modexp for a byte of the exponent behind the 32nd.
        modexp_exponent_byte,
        /// Bytes of modexp's operands at most (EIP-7823).
        modexp_bytes_max,
        /// A sum on alt_bn128.
        bn254_add,
        /// A product on alt_bn128.
        bn254_mul,
        /// The pairing check on alt_bn128.
        bn254_pairing,
        /// A pair of the pairing check on alt_bn128.
        bn254_pairing_pair,
        /// A round of BLAKE2b's F.
        blake2f_round,
        /// KZG point evaluation.
        kzg_point_evaluation,
        /// A sum in G1 of BLS12-381.
        bls_g1_add,
        /// A product in G1 of BLS12-381, without discount.
        bls_g1_mul,
        /// A sum in G2 of BLS12-381.
        bls_g2_add,
        /// A product in G2 of BLS12-381, without discount.
        bls_g2_mul,
        /// The pairing check on BLS12-381.
        bls_pairing,
        /// A pair of the pairing check on BLS12-381.
        bls_pairing_pair,
        /// Mapping a field element to G1 of BLS12-381.
        bls_map_g1,
        /// Mapping a field element to G2 of BLS12-381.
        bls_map_g2,
        /// P256VERIFY.
        p256_verify,
    }
    transactions {
        /// A transaction.
        tx_base,
        /// A creation besides.
        tx_create,
        /// A zero byte of data.
        tx_zero_byte,
        /// Any other byte of data.
        tx_non_zero_byte,
        /// An account of the access list (EIP-2930).
        tx_listed_account,
        /// A slot of the access list (EIP-2930).
        tx_listed_slot,
        /// An authorization (EIP-7702).
        tx_authorization,
        /// A token of data, of the floor (EIP-7623): a zero byte is one.
        tx_floor_token,
        /// Tokens of any other byte of data (EIP-7623).
        tx_floor_non_zero_tokens,
        /// Gas of one transaction at most (EIP-7825).
        tx_gas_max,
    }
}

impl GasSchedule {
    /// What a transaction pays before it runs.
    pub const fn intrinsic(&self, tx: &Intrinsic, rules: Rules) -> u64 {
        let mut gas = self.tx_base as u64
            + tx.zero_bytes * self.tx_zero_byte as u64
            + tx.non_zero_bytes * self.tx_non_zero_byte as u64
            + tx.listed_accounts * self.tx_listed_account as u64
            + tx.listed_slots * self.tx_listed_slot as u64;
        if rules.has(Rule::Delegations) {
            gas += tx.authorizations * self.tx_authorization as u64;
        }
        if tx.creates {
            gas += self.tx_create as u64;
        }
        if tx.creates && rules.has(Rule::InitCodeLimit) {
            let words = (tx.zero_bytes + tx.non_zero_bytes).div_ceil(32);
            gas += words * self.init_code_word as u64;
        }
        gas
    }

    /// What a transaction pays at least (EIP-7623); 0 without that rule.
    pub const fn floor(&self, tx: &Intrinsic, rules: Rules) -> u64 {
        if !rules.has(Rule::FloorGas) {
            return 0;
        }
        let tokens = tx.zero_bytes + tx.non_zero_bytes * self.tx_floor_non_zero_tokens as u64;
        self.tx_base as u64 + tokens * self.tx_floor_token as u64
    }
}

/// What of a transaction its intrinsic gas depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Intrinsic {
    /// It is a creation.
    pub creates: bool,
    /// Zero bytes of its data.
    pub zero_bytes: u64,
    /// Other bytes of its data.
    pub non_zero_bytes: u64,
    /// Accounts of its access list.
    pub listed_accounts: u64,
    /// Slots of its access list.
    pub listed_slots: u64,
    /// Its authorizations.
    pub authorizations: u64,
}
