//! What protocol versions do differently, apart from numbers: one bit each.
//!
//! Code asks for the rule that it means (`rules.has(Rule::WarmAccess)`), never for a version:
//! which version has which rule stands in [`crate::forks`] alone.

macro_rules! rules {
    (kernels { $($(#[doc = $kdoc:literal])* $kernel:ident,)* }
     host { $($(#[doc = $hdoc:literal])* $host:ident,)* }) => {
        /// A rule that some versions have and others have not. Kernels know those that come first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Rule { $($(#[doc = $kdoc])* $kernel,)* $($(#[doc = $hdoc])* $host,)* }

        impl Rule {
            /// The rules that kernels ask for, with their names; of each the bit is its number.
            pub const KERNELS: &[(Rule, &'static str)] =
                &[$((Rule::$kernel, stringify!($kernel)),)*];
        }
    };
}

rules! {
    kernels {
        /// A creation that cannot pay for its code fails (EIP-2); before, it leaves no code.
        PaidDeployment,
        /// A 64th of the gas left is withheld from calls and creations (EIP-150); before, a call
        /// gets what it asks for, or fails.
        WithholdsGas,
        /// Empty accounts count as none, and go when they are touched; contracts start with nonce 1
        /// (EIP-161).
        StateClearing,
        /// Deployed code is bounded (EIP-170).
        CodeSizeLimit,
        /// SSTORE is priced by what changes over the transaction (EIP-1283, EIP-2200).
        NetStorageGas,
        /// First accesses cost more than later ones (EIP-2929).
        WarmAccess,
        /// Code that begins with 0xef is not deployed (EIP-3541).
        ReservedCodePrefix,
        /// The fee recipient is warm from the start (EIP-3651).
        WarmCoinbase,
        /// Init code is bounded and priced (EIP-3860).
        InitCodeLimit,
        /// SELFDESTRUCT destroys only what its transaction created (EIP-6780).
        SelfDestructOfNewOnly,
        /// Accounts delegate to codes (EIP-7702): designators, transactions of type 4.
        Delegations,
        /// Modexp is priced by words of its operands (EIP-2565).
        ModexpByWords,
        /// Modexp of more than 32 bytes costs twice its words, others have a price (EIP-7883).
        ModexpRaised,
        /// Modexp refuses long operands (EIP-7823).
        ModexpLimit,
    }
    host {
        /// Signatures are in the lower half of what is possible (EIP-2).
        LowSignatures,
        /// The difficulty follows the seconds between blocks (EIP-2).
        DifficultyBySeconds,
        /// Legacy transactions may name a chain (EIP-155).
        ReplayProtection,
        /// The difficulty follows the parent's ommers, too (EIP-100).
        DifficultyByOmmers,
        /// A receipt says whether its transaction succeeded (EIP-658); before, it has a state root.
        ReceiptStatus,
        /// Transactions of type 1 (EIP-2930).
        AccessLists,
        /// A block's base fee is burnt (EIP-1559); transactions of type 2.
        BaseFee,
        /// Validators make blocks: random numbers for a difficulty, neither ommers nor rewards
        /// (EIP-3675, EIP-4399).
        ProofOfStake,
        /// Validators withdraw (EIP-4895).
        Withdrawals,
        /// Blobs have a market of their own (EIP-4844); transactions of type 3.
        Blobs,
        /// Blocks tell the root of their parent on the beacon chain (EIP-4788).
        BeaconRoot,
        /// Blocks keep the hashes of those before (EIP-2935).
        BlockHashHistory,
        /// Blocks bring requests to validators (EIP-7685, EIP-7002, EIP-7251).
        Requests,
        /// Data sets a floor to the gas used (EIP-7623).
        FloorGas,
        /// Transactions have a limit of gas of their own (EIP-7825).
        TxGasLimit,
        /// A blob costs no less than a part of the gas that proving it takes (EIP-7918).
        BlobFeeBound,
    }
}

/// A set of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules(u64);

impl Rules {
    /// Frontier's.
    pub const NONE: Rules = Rules(0);

    /// These and `more`.
    pub const fn with(self, more: &[Rule]) -> Rules {
        let mut bits = self.0;
        let mut i = 0;
        while i < more.len() {
            bits |= 1 << more[i] as u8;
            i += 1;
        }
        Rules(bits)
    }

    /// Whether `rule` holds.
    #[inline]
    pub const fn has(self, rule: Rule) -> bool {
        self.0 >> rule as u8 & 1 != 0
    }

    /// Those that kernels ask for, as they see them.
    pub const fn for_kernels(self) -> u32 {
        const { assert!(Rule::KERNELS.len() <= 32) };
        (self.0 & ((1 << Rule::KERNELS.len()) - 1)) as u32
    }
}
