//! What goes in and what comes out, in revm and alloy types.

mod end;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Log, U256};
use revm::context::{BlockEnv, TxEnv};
use serde::Serialize;
use std::collections::BTreeMap;

pub use end::End;
pub use warpevm_compiler::Spec;

/// A transaction as revm takes it.
pub type Transaction = TxEnv;

/// Everything around the transactions: spec, chain and block environment.
#[derive(Clone, Debug)]
pub struct Env {
    /// The protocol version.
    pub spec: Spec,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The block environment, as revm takes it.
    pub block: BlockEnv,
    /// What is checked before a transaction runs.
    pub checks: Checks,
}

/// A block of revm's defaults under the newest rules of mainnet, with all checks.
impl Default for Env {
    fn default() -> Env {
        let (spec, chain_id) = (Spec::Osaka, 1);
        Env { spec, chain_id, block: BlockEnv::default(), checks: Checks::default() }
    }
}

/// Which validity rules apply. All on for a block; a simulation may switch some off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// The nonce must equal the sender's.
    pub nonce: bool,
    /// The balance must cover value and fees; off: fees are not charged either.
    pub balance: bool,
    /// The sender must have no code (EIP-3607).
    pub sender_code: bool,
    /// The gas limit must fit the block's.
    pub block_gas_limit: bool,
    /// The fee must cover the base fee (EIP-1559).
    pub base_fee: bool,
}

impl Default for Checks {
    fn default() -> Checks {
        Checks {
            nonce: true,
            balance: true,
            sender_code: true,
            block_gas_limit: true,
            base_fee: true,
        }
    }
}

/// How an executed transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum TxStatus {
    /// Receipt status 1.
    Success,
    /// REVERT: gas that was left is returned.
    Revert,
    /// Exceptional halt: all gas is used.
    Halt,
}

/// The result of a transaction that was valid.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Executed {
    /// How it ended.
    pub status: TxStatus,
    /// The precise end. Halt reasons are those of the lowered program: a frame whose gas does not
    /// cover a whole gas section reports `OutOfGas` even where a stack error would come first.
    pub end: End,
    /// Gas used, refund taken off, floor applied: what the receipt adds up.
    pub gas_used: u64,
    /// The refund that was taken off (EIP-3529 cap applied).
    pub gas_refunded: u64,
    /// Return or revert data; the deployed code of a creation.
    pub output: Bytes,
    /// The new contract of a creation transaction.
    pub created: Option<Address>,
    /// Logs in order; empty unless `Success`.
    pub logs: Vec<Log>,
    /// Every account that changed, sorted by address.
    pub changes: Vec<AccountChange>,
}

/// An account as it is after a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountInfo {
    /// Balance in wei.
    pub balance: U256,
    /// Nonce.
    pub nonce: u64,
    /// keccak256 of the code.
    pub code_hash: B256,
}

impl AccountInfo {
    /// An account without balance, nonce and code (EIP-161).
    pub const EMPTY: AccountInfo =
        AccountInfo { balance: U256::ZERO, nonce: 0, code_hash: KECCAK256_EMPTY };
}

/// One account's change. Unchanged accounts and slots do not appear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountChange {
    /// Whose.
    pub address: Address,
    /// The account afterwards; `None`: it does not exist (any more).
    pub info: Option<AccountInfo>,
    /// New code, where `info.code_hash` changed to a code that the transaction made.
    pub code: Option<Bytes>,
    /// The account's earlier storage is void (created or destroyed); `storage` is all there is.
    pub wiped: bool,
    /// Changed slots: key and new value, sorted by key.
    pub storage: Vec<(U256, U256)>,
}

/// Why a transaction is not valid (it changes nothing).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[allow(missing_docs, reason = "the messages say it")]
#[non_exhaustive]
pub enum Rejected {
    #[error("nonce {tx} is lower than the account's nonce {state}")]
    NonceTooLow { tx: u64, state: u64 },
    #[error("nonce {tx} is higher than the account's nonce {state}")]
    NonceTooHigh { tx: u64, state: u64 },
    #[error("the sender's nonce is at its maximum (EIP-2681)")]
    NonceMax,
    #[error("balance {balance} does not cover value and fees of {cost}")]
    Balance { cost: U256, balance: U256 },
    #[error("value and fees exceed 256 bits")]
    CostOverflow,
    #[error("the sender has code (EIP-3607)")]
    SenderCode,
    #[error("gas limit {limit} is below the intrinsic gas {intrinsic}")]
    IntrinsicGas { limit: u64, intrinsic: u64 },
    #[error("gas limit {limit} is below the floor {floor} (EIP-7623)")]
    FloorGas { limit: u64, floor: u64 },
    #[error("gas limit {limit} exceeds {max}: {why}")]
    GasLimit { limit: u64, max: u64, why: GasBound },
    #[error("fee cap {max_fee} is below the base fee {base_fee}")]
    BaseFee { max_fee: u128, base_fee: u64 },
    #[error("priority fee {priority} exceeds the fee cap {max_fee}")]
    PriorityFee { priority: u128, max_fee: u128 },
    #[error("blob fee cap {max_fee} is below the blob base fee {base_fee}")]
    BlobFee { max_fee: u128, base_fee: u128 },
    #[error("{0} (EIP-4844)")]
    Blobs(BlobFault),
    #[error("chain id {tx} is not {chain}")]
    ChainId { tx: u64, chain: u64 },
    #[error("init code of {len} bytes exceeds {max} (EIP-3860)")]
    InitCodeSize { len: usize, max: usize },
    #[error("{0} (EIP-7702)")]
    Authorizations(AuthorizationFault),
    #[error("transaction type {0} does not exist in this spec")]
    Type(u8),
}

/// What a gas limit exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[allow(missing_docs, reason = "the messages say it")]
#[non_exhaustive]
pub enum GasBound {
    #[error("the cap of EIP-7825")]
    Transaction,
    #[error("the block's gas limit")]
    Block,
    #[error("the gas that the block has left")]
    BlockLeft,
}

/// What is wrong with the blobs of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[allow(missing_docs, reason = "the messages say it")]
#[non_exhaustive]
pub enum BlobFault {
    #[error("there is no blob")]
    None,
    #[error("there are too many blobs")]
    TooMany,
    #[error("a blob's version is not 1")]
    Version,
    #[error("a creation cannot carry blobs")]
    Creation,
}

/// What is wrong with the authorizations of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[allow(missing_docs, reason = "the messages say it")]
#[non_exhaustive]
pub enum AuthorizationFault {
    #[error("the list is empty")]
    Empty,
    #[error("a creation cannot carry any")]
    Creation,
    #[error("one is not of the form of an authorization")]
    Format,
}

/// Which instances become neighbours on a GPU, whose threads execute one instruction together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Grouping {
    /// As the transactions come.
    None,
    /// Calls of one contract with one selector.
    #[default]
    Start,
    /// Besides, after each launch: those that stopped at one op.
    Rounds,
}

/// How `execute` finds transactions of a block that can run at the same time. The result is that of
/// sequential execution whatever is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Policy {
    /// It does not: one after the other.
    Sequential,
    /// All at once, on whatever state is there; those that saw a wrong one run again.
    Optimistic,
    /// By predicted accesses: a transaction starts when those have run whose writes it will read.
    Waves,
    /// By declared accesses alone (EIP-7928, EIP-2930).
    Declared,
    /// Whatever the cost model expects to be fastest.
    #[default]
    Auto,
}

/// A backend: a device, or revm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Backend {
    /// The kernel sources compiled for the CPU.
    Cpu,
    /// The kernel sources compiled for an NVIDIA GPU.
    Cuda,
    /// The `cuda` backend on a device that the CPU plays, to test it where there is no GPU.
    #[cfg(feature = "fake-device")]
    CudaFake,
    /// The kernels in WGSL on any GPU that wgpu knows, or a driver that runs on the CPU.
    Wgpu,
    /// Sequential revm, the reference.
    Revm,
}

impl std::str::FromStr for Backend {
    type Err = String;

    /// `cpu`, `cuda`, `wgpu` or `revm`; `cuda-fake` with the feature `fake-device`.
    fn from_str(name: &str) -> Result<Backend, String> {
        match name {
            "cpu" => Ok(Backend::Cpu),
            "cuda" => Ok(Backend::Cuda),
            #[cfg(feature = "fake-device")]
            "cuda-fake" => Ok(Backend::CudaFake),
            "wgpu" => Ok(Backend::Wgpu),
            "revm" => Ok(Backend::Revm),
            _ => Err(format!("there is no backend {name}")),
        }
    }
}

impl Backend {
    /// Transactions run on a device with memory of its own.
    pub fn is_device(self) -> bool {
        !matches!(self, Backend::Cpu | Backend::Revm)
    }
}

/// Why a transaction, or a part of it, ran elsewhere than on the device asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fallback {
    /// A call of modexp with longer operands than the device takes ran on the host; the rest ran on
    /// the device.
    HostPrecompile,
    /// No memory class holds what it needs: revm ran it.
    MemoryClass,
    /// Out of device memory, or too large for it: the CPU's kernels ran it.
    DeviceMemory,
    /// The device failed in another way: the CPU's kernels ran it.
    DeviceError,
    /// The device is gone: the CPU's kernels ran it.
    DeviceLost,
    /// It has more codes or data than the device's form holds: the CPU's kernels ran it.
    DeviceLimit,
    /// It depends on transactions before it in the block that had not been committed: what it did
    /// did not hold, and the CPU's kernels ran it.
    InOrder,
    /// It is in a chain of transactions that depend on each other, or few others could run at the
    /// same time: the plan gave it to the CPU's threads.
    Chain,
    /// The cost model expected the CPU to be faster.
    Cost,
    /// The validator found a difference and the revm result was returned (production mode).
    Mismatch,
}

impl Fallback {
    /// Whether revm, or one of its precompiles, had a part in the result: that it equals revm's
    /// then says little.
    pub fn relies_on_revm(self) -> bool {
        matches!(self, Fallback::HostPrecompile | Fallback::MemoryClass | Fallback::Mismatch)
    }
}

/// The outcome of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it did, or why it is not valid.
    pub result: Result<Executed, Rejected>,
    /// `None`: it ran wholly on the device asked for.
    pub fallback: Option<Fallback>,
}

/// Why a transaction has to run again as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Refusal {
    /// It is a creation, or brings authorizations.
    NoCall,
    /// Something else than slots changed: a balance, a nonce, a code.
    Accounts,
    /// The run did not end with success.
    NoSuccess,
    /// It observed slots of other accounts than the callee.
    OtherAccounts,
    /// It observed more slots than redo looks at.
    ManySlots,
    /// The path that it took is not known as a whole.
    NoPath,
    /// An expression has no value, such as a power with a huge exponent.
    NoValue,
    /// The path does not do what the run did.
    Mismatch,
    /// A check comes out differently now.
    Check,
    /// The key of a load or store is another one now.
    Key,
    /// Gas may be different now.
    Gas,
}

/// What each tier of programs ([`crate::Tiers`]) made, since the engine began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TierCounts {
    /// Codes that the baseline lowered, in whole or in part.
    pub baseline: u64,
    /// Bytes of these codes.
    pub baseline_code_bytes: u64,
    /// Bytes of their programs.
    pub baseline_bytes: u64,
    /// Codes that were compiled in full in the background.
    pub compiled: u64,
    /// Bytes of these codes.
    pub compiled_bytes: u64,
    /// Seconds that this took, summed over threads.
    pub compile_seconds: f64,
    /// Codes that were refused as too many waited.
    pub refused: u64,
}

/// Counts of what happened, part of every result.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Transactions, rejected ones included.
    pub transactions: u64,
    /// Gas used by all.
    pub gas_used: u64,
    /// Transactions that ran wholly on the device asked for.
    pub resident_transactions: u64,
    /// Gas used by these.
    pub resident_gas: u64,
    /// Reason to count.
    pub fallbacks: BTreeMap<Fallback, u64>,
    /// Need (lower-case name, such as `account`) to count of suspensions.
    pub suspensions: BTreeMap<&'static str, u64>,
    /// Groups of a block that a device ran ahead, one after the other; else 1.
    pub rounds: u64,
    /// Transactions of a block that a device was given to run ahead.
    pub device_transactions: u64,
    /// Transactions of a block that CPU threads ran ahead beside a device.
    pub beside_device: u64,
    /// Transactions executed again because a value they read had changed.
    pub replays: u64,
    /// Transactions whose result was patched: only ops that depend on what changed ran again.
    pub redone: u64,
    /// Why other transactions were executed again, where redo was tried.
    pub redo_refusals: BTreeMap<Refusal, u64>,
    /// Transactions of a block that were executed once.
    pub first_final: u64,
    /// Stage to seconds: `encode`, `compile`, `execute`, `page-in`, `validate-reads`, `commit`, ...
    pub seconds: BTreeMap<&'static str, f64>,
    /// Bytes of device memory per instance of the smallest memory class used.
    pub bytes_per_instance: u64,
    /// Bytes of results that a device sent.
    pub readback_bytes: u64,
    /// Instances that needed a larger memory class, by its bytes.
    pub larger_classes: BTreeMap<u64, u64>,
}

impl Report {
    /// Of what sequential revm executed.
    pub fn of_reference(outcomes: &[Outcome], seconds: f64) -> Report {
        let gas_used = outcomes.iter().filter_map(|o| o.result.as_ref().ok()).map(|e| e.gas_used);
        // A simulation may have gas limits near 2^64.
        let gas_used = gas_used.fold(0u64, u64::saturating_add);
        let transactions = outcomes.len() as u64;
        Report {
            transactions,
            gas_used,
            resident_transactions: transactions,
            resident_gas: gas_used,
            rounds: 1,
            seconds: BTreeMap::from([("execute", seconds)]),
            ..Report::default()
        }
    }
}
