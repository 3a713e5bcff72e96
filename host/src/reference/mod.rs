//! Sequential revm: the reference that results are compared with, and the baseline for speed.

mod bare;
mod evm;
pub mod reproducer;
mod spec;
mod trace;
pub mod validate;

pub use bare::{BareTotals, Parallel, execute_bare, simulate_bare};
pub use evm::Evm;
pub use spec::InSpec;
pub use trace::{Trace, trace};

use crate::error::Error;
use crate::state::{HasStorage, State};
use crate::types::{AccountChange, AccountInfo, AuthorizationFault, BlobFault, End, Env};
use crate::types::{Executed, GasBound, Outcome, Rejected};
use crate::types::{Transaction, TxStatus};
use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY, U256};
use revm::DatabaseCommit;
use revm::bytecode::Bytecode;
use revm::context::CfgEnv;
use revm::context::result::{EVMError, ExecutionResult, InvalidTransaction, Output};
use revm::database::{AccountState, CacheDB};
use revm::database_interface::DatabaseRef;
use revm::primitives::hardfork::SpecId;
use revm::state::{Account, EvmState};
use warpevm_compiler::Spec;
use warpevm_kernels::abi::EVM_MEMORY_BYTES_MAX;

/// Blobs of one transaction from Cancun on (EIP-4844).
const BLOBS_MAX_CANCUN: u64 = 6;
/// Blobs of one transaction from Prague on (EIP-7691).
const BLOBS_MAX_PRAGUE: u64 = 9;
/// Blobs of one transaction from Osaka on (EIP-7594).
const BLOBS_MAX_OSAKA: u64 = 6;

/// revm's name of a spec. revm has no Constantinople, whose SSTORE gas (EIP-1283) never was active
/// on mainnet: it is Petersburg with another SSTORE (`reference/spec.rs`).
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

/// revm's configuration for an environment.
pub fn config(env: &Env) -> CfgEnv {
    let mut cfg = CfgEnv::new_with_spec(spec_id(env.spec)).with_chain_id(env.chain_id);
    cfg.disable_nonce_check = !env.checks.nonce;
    cfg.disable_balance_check = !env.checks.balance;
    cfg.disable_fee_charge = !env.checks.balance;
    cfg.disable_eip3607 = !env.checks.sender_code;
    cfg.disable_block_gas_limit = !env.checks.block_gas_limit;
    cfg.disable_base_fee = !env.checks.base_fee;
    cfg.gas_params = spec::gas_params(env.spec, cfg.gas_params);
    cfg.memory_limit = EVM_MEMORY_BYTES_MAX.into();
    cfg.max_blobs_per_tx = match env.spec {
        Spec::Osaka => Some(BLOBS_MAX_OSAKA),
        Spec::Prague => Some(BLOBS_MAX_PRAGUE),
        _ => Some(BLOBS_MAX_CANCUN),
    };
    cfg
}

/// The state that sequential revm changes: what a database has, as the spec sees it, and on it what
/// changed.
pub type Changing<DB> = CacheDB<InSpec<DB>>;

/// revm on a state that grows with each transaction.
pub struct Sequential<DB: DatabaseRef> {
    evm: Evm<Changing<DB>>,
    spec: Spec,
    /// The block's gas limit, where it is checked. revm holds each transaction alone against it.
    gas_limit: Option<u64>,
    /// Of the transactions before.
    gas_used: u64,
}

impl<'a, DB: DatabaseRef + Sync> Sequential<&'a State<DB>> {
    /// Starts on a state and with what it knows of storage.
    pub fn on_state(env: &Env, state: &'a State<DB>) -> Sequential<&'a State<DB>> {
        Sequential::new(env, state).with_storage_probe()
    }
}

impl<DB: DatabaseRef> Sequential<DB> {
    /// Starts on `db`, which stays as it is.
    pub fn new(env: &Env, db: DB) -> Sequential<DB> {
        let gas_limit = env.checks.block_gas_limit.then_some(env.block.gas_limit);
        let db = CacheDB::new(InSpec::new(env.spec, db));
        Sequential { evm: Evm::new(env, db), spec: env.spec, gas_limit, gas_used: 0 }
    }

    /// Asks the database whether accounts have storage (EIP-7610).
    pub fn with_storage_probe(mut self) -> Sequential<DB>
    where
        DB: HasStorage,
    {
        self.state_mut().db.probe = Some(DB::has_storage);
        self
    }

    /// The block's gas that is left, where it is checked.
    pub(crate) fn gas_left(&self) -> Option<u64> {
        self.gas_limit.map(|limit| limit.saturating_sub(self.gas_used))
    }

    /// The state as it is now.
    pub fn state(&self) -> &Changing<DB> {
        self.evm.db()
    }

    fn state_mut(&mut self) -> &mut Changing<DB> {
        self.evm.db_mut()
    }

    /// Executes a transaction and keeps what it changed.
    pub fn transact(&mut self, tx: &Transaction) -> Result<Outcome, Error> {
        let (outcome, touched) = self.transact_once(tx)?;
        self.spend(&outcome);
        self.commit(touched);
        Ok(outcome)
    }

    /// Executes a transaction and keeps nothing: returns also all that it touched.
    pub fn transact_once(&mut self, tx: &Transaction) -> Result<(Outcome, EvmState), Error> {
        let rejected =
            |reason| Ok((Outcome { result: Err(reason), fallback: None }, EvmState::default()));
        let exceeded = |left: &u64| self.gas_used > 0 && tx.gas_limit > *left;
        if let Some(max) = self.gas_left().filter(exceeded) {
            let why = GasBound::BlockLeft;
            return rejected(Rejected::GasLimit { limit: tx.gas_limit, max, why });
        }
        let ran = outcome_of(self.evm.transact(tx.clone()), self.spec)?;
        if self.sender_is_used_up(tx, &ran.0)? {
            return rejected(Rejected::NonceMax);
        }
        match wrong_creation(tx, self.spec) {
            Some(reason) if !ran.0.result.as_ref().is_err_and(seen_before) => rejected(reason),
            _ => Ok(ran),
        }
    }

    /// Executes each transaction on the state as it is now, which stays so.
    pub fn simulate(&mut self, txs: &[Transaction]) -> Result<Vec<Outcome>, Error> {
        txs.iter().map(|tx| self.transact_once(tx).map(|(outcome, _)| outcome)).collect()
    }

    /// Whether the sender's nonce is the last one, so that no transaction of its is valid
    /// (EIP-2681), and revm has seen nothing before: without its nonce check it does not look.
    fn sender_is_used_up(&self, tx: &Transaction, outcome: &Outcome) -> Result<bool, Error> {
        if !self.evm.checks_no_nonce() {
            return Ok(false);
        }
        let later = match &outcome.result {
            Ok(_) => true,
            Err(reason) => {
                matches!(reason, Rejected::Balance { .. } | Rejected::CostOverflow)
            }
        };
        let sender = self.state().basic_ref(tx.caller).map_err(Error::database)?;
        Ok(later && sender.is_some_and(|sender| sender.nonce == u64::MAX))
    }

    /// Takes what a transaction used from the gas that the block has left.
    pub fn spend(&mut self, outcome: &Outcome) {
        let used = outcome.result.as_ref().map_or(0, |executed| executed.gas_used);
        self.gas_used = self.gas_used.saturating_add(used);
    }

    /// Keeps what a transaction touched.
    pub fn commit(&mut self, touched: EvmState) {
        let mut empty = Vec::new();
        if spec_id(self.spec).is_enabled_in(SpecId::SPURIOUS_DRAGON) {
            let gone = touched.iter().filter(|(_, a)| a.is_touched() && a.info.is_empty());
            empty.extend(gone.map(|(address, _)| *address));
        }
        // What was deleted and comes back does so without its storage, which revm's cache would
        // read from the database again.
        let gone = |address: &Address| {
            let account = self.state().cache.accounts.get(address);
            account.is_some_and(|account| account.account_state == AccountState::NotExisting)
        };
        let back: Vec<Address> = touched.keys().copied().filter(gone).collect();
        self.state_mut().commit(touched);
        for address in back {
            if let Some(account) = self.state_mut().cache.accounts.get_mut(&address)
                && account.account_state == AccountState::Touched
            {
                account.account_state = AccountState::StorageCleared;
            }
        }
        // revm's cache keeps an empty account as it is. It is gone (EIP-161), and only once.
        for address in empty {
            if let Some(account) = self.state_mut().cache.accounts.get_mut(&address) {
                account.account_state = AccountState::NotExisting;
            }
        }
    }

    /// Makes a system call and keeps what it changed.
    pub fn system_call(&mut self, to: Address, data: Bytes) -> Result<Executed, Error> {
        let (outcome, touched) = outcome_of(self.evm.system_call(to, data), self.spec)?;
        self.commit(touched);
        outcome.result.map_err(|reason| Error::Bug(format!("system call: {reason}")))
    }

    /// Adds to a balance.
    pub fn credit(&mut self, address: Address, amount: U256) -> Result<(), Error> {
        let clears = spec_id(self.spec).is_enabled_in(SpecId::SPURIOUS_DRAGON);
        if amount.is_zero() && clears {
            return Ok(());
        }
        let account = self.state_mut().load_account(address).map_err(Error::database)?;
        account.info.balance = account.info.balance.wrapping_add(amount);
        if account.account_state == AccountState::NotExisting {
            account.account_state = AccountState::StorageCleared;
        }
        Ok(())
    }

    /// Takes over what a transaction changed that was executed elsewhere.
    pub fn apply(&mut self, changes: &[AccountChange]) -> Result<(), Error> {
        let in_spec = self.spec;
        let cache = self.state_mut();
        for change in changes {
            if let Some(code) = &change.code {
                let code = spec::code_in(in_spec, Bytecode::new_legacy(code.clone()));
                cache.cache.contracts.insert(code.hash_slow(), code);
            }
            let account = cache.load_account(change.address).map_err(Error::database)?;
            if change.wiped {
                account.storage.clear();
                account.account_state = AccountState::StorageCleared;
            }
            match &change.info {
                Some(info) => {
                    account.info.balance = info.balance;
                    account.info.nonce = info.nonce;
                    account.info.code_hash = info.code_hash;
                    account.info.code = None;
                    if account.account_state == AccountState::NotExisting {
                        account.account_state = AccountState::StorageCleared;
                    }
                }
                None => {
                    account.info = Default::default();
                    account.account_state = AccountState::NotExisting;
                }
            }
            account.storage.extend(change.storage.iter().copied());
        }
        Ok(())
    }
}

/// Executes transactions in order, each on what the earlier ones left. Blocks have more in them
/// ([`crate::chain::execute`]).
pub fn execute_sequential<DB: DatabaseRef>(
    env: &Env,
    transactions: &[Transaction],
    db: DB,
) -> Result<Vec<Outcome>, Error> {
    let mut revm = Sequential::new(env, db);
    transactions.iter().map(|tx| revm.transact(tx)).collect()
}

/// Executes each transaction on `db` itself.
pub fn simulate_sequential<DB: DatabaseRef>(
    env: &Env,
    transactions: &[Transaction],
    db: DB,
) -> Result<Vec<Outcome>, Error> {
    Sequential::new(env, db).simulate(transactions)
}

type RevmTransacted<E> = Result<(ExecutionResult, EvmState), EVMError<E>>;

fn outcome_of<E: std::error::Error + Send + Sync + 'static>(
    result: RevmTransacted<E>,
    spec: Spec,
) -> Result<(Outcome, EvmState), Error> {
    match result {
        Ok((result, touched)) => {
            let result = Ok(executed(result, &touched, spec));
            Ok((Outcome { result, fallback: None }, touched))
        }
        Err(EVMError::Transaction(invalid)) => {
            let result = Err(rejected(&invalid));
            Ok((Outcome { result, fallback: None }, EvmState::default()))
        }
        Err(error) => Err(fault(error)),
    }
}

/// What keeps revm from running a transaction, other than that it is not valid.
fn fault<E: std::error::Error + Send + Sync + 'static>(error: EVMError<E>) -> Error {
    match error {
        EVMError::Database(error) => Error::database(error),
        EVMError::Header(error) => Error::Environment(error.to_string()),
        other => Error::Bug(format!("revm: {other}")),
    }
}

fn executed(result: ExecutionResult, touched: &EvmState, spec: Spec) -> Executed {
    let gas = *result.gas();
    let (status, end, logs, output, created) = match result {
        ExecutionResult::Success { reason, logs, output, .. } => {
            let (output, created) = match output {
                Output::Call(output) => (output, None),
                Output::Create(output, created) => (output, created),
            };
            (TxStatus::Success, End::from(reason), logs, output, created)
        }
        ExecutionResult::Revert { output, .. } => {
            (TxStatus::Revert, End::Revert, Vec::new(), output, None)
        }
        ExecutionResult::Halt { reason, .. } => {
            (TxStatus::Halt, End::from(&reason), Vec::new(), Bytes::new(), None)
        }
    };
    Executed {
        status,
        end,
        gas_used: gas.tx_gas_used(),
        gas_refunded: gas.final_refunded(),
        output,
        created,
        logs,
        changes: changes(touched, spec),
    }
}

/// A creation of a type that has none: revm leaves it to the decoder of transactions, whose format
/// cannot say it.
fn wrong_creation(tx: &Transaction, spec: Spec) -> Option<Rejected> {
    let has = |since| spec_id(spec).is_enabled_in(since);
    match tx.tx_type {
        _ if !tx.kind.is_create() => None,
        3 if has(SpecId::CANCUN) => Some(Rejected::Blobs(BlobFault::Creation)),
        4 if has(SpecId::PRAGUE) => Some(Rejected::Authorizations(AuthorizationFault::Creation)),
        _ => None,
    }
}

/// What revm sees before it looks at gas and at the sender.
fn seen_before(reason: &Rejected) -> bool {
    matches!(
        reason,
        Rejected::ChainId { .. }
            | Rejected::Type(_)
            | Rejected::GasLimit { .. }
            | Rejected::BaseFee { .. }
            | Rejected::PriorityFee { .. }
            | Rejected::BlobFee { .. }
            | Rejected::Blobs(_)
            | Rejected::Authorizations(_)
            | Rejected::InitCodeSize { .. }
            | Rejected::NonceMax
    )
}

fn rejected(invalid: &InvalidTransaction) -> Rejected {
    use InvalidTransaction as I;
    match invalid {
        I::PriorityFeeGreaterThanMaxFee => Rejected::PriorityFee { priority: 0, max_fee: 0 },
        I::GasPriceLessThanBasefee => Rejected::BaseFee { max_fee: 0, base_fee: 0 },
        I::CallerGasLimitMoreThanBlock => {
            Rejected::GasLimit { limit: 0, max: 0, why: GasBound::Block }
        }
        I::TxGasLimitGreaterThanCap { gas_limit, cap } => {
            Rejected::GasLimit { limit: *gas_limit, max: *cap, why: GasBound::Transaction }
        }
        I::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            Rejected::IntrinsicGas { limit: *gas_limit, intrinsic: *initial_gas }
        }
        I::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            Rejected::FloorGas { limit: *gas_limit, floor: *gas_floor }
        }
        I::RejectCallerWithCode => Rejected::SenderCode,
        I::LackOfFundForMaxFee { fee, balance } => {
            Rejected::Balance { cost: **fee, balance: **balance }
        }
        I::OverflowPaymentInTransaction => Rejected::CostOverflow,
        I::NonceOverflowInTransaction => Rejected::NonceMax,
        I::NonceTooHigh { tx, state } => Rejected::NonceTooHigh { tx: *tx, state: *state },
        I::NonceTooLow { tx, state } => Rejected::NonceTooLow { tx: *tx, state: *state },
        I::CreateInitCodeSizeLimit => Rejected::InitCodeSize { len: 0, max: 0 },
        I::InvalidChainId | I::MissingChainId => Rejected::ChainId { tx: 0, chain: 0 },
        I::BlobGasPriceGreaterThanMax { block_blob_gas_price, tx_max_fee_per_blob_gas } => {
            let (max_fee, base_fee) = (*tx_max_fee_per_blob_gas, *block_blob_gas_price);
            Rejected::BlobFee { max_fee, base_fee }
        }
        I::EmptyBlobs => Rejected::Blobs(BlobFault::None),
        I::BlobCreateTransaction => Rejected::Blobs(BlobFault::Creation),
        I::TooManyBlobs { .. } => Rejected::Blobs(BlobFault::TooMany),
        I::BlobVersionNotSupported => Rejected::Blobs(BlobFault::Version),
        I::EmptyAuthorizationList => Rejected::Authorizations(AuthorizationFault::Empty),
        I::AccessListNotSupported | I::Eip2930NotSupported => Rejected::Type(1),
        I::Eip1559NotSupported => Rejected::Type(2),
        I::MaxFeePerBlobGasNotSupported
        | I::BlobVersionedHashesNotSupported
        | I::Eip4844NotSupported => Rejected::Type(3),
        I::AuthorizationListInvalidFields
        | I::AuthorizationListNotSupported
        | I::Eip7702NotSupported => Rejected::Type(4),
        I::Eip7873NotSupported | I::Eip7873MissingTarget | I::Str(_) => Rejected::Type(u8::MAX),
    }
}

/// What a transaction changed, of all that it touched.
fn changes(touched: &EvmState, spec: Spec) -> Vec<AccountChange> {
    let mut changes: Vec<AccountChange> = touched
        .iter()
        .filter(|(_, account)| account.is_touched())
        .filter_map(|(address, account)| change(*address, account, spec))
        .collect();
    changes.sort_unstable_by_key(|change| change.address);
    changes
}

fn change(address: Address, account: &Account, spec: Spec) -> Option<AccountChange> {
    let info = |info: &revm::state::AccountInfo| AccountInfo {
        balance: info.balance,
        nonce: info.nonce,
        code_hash: info.code_hash(),
    };
    // An account that is empty from before EIP-161 exists until it is touched.
    let before = (!account.is_loaded_as_not_existing()).then(|| info(&account.original_info()));
    let destroyed = account.is_selfdestructed();
    let clears = spec_id(spec).is_enabled_in(SpecId::SPURIOUS_DRAGON);
    let gone = destroyed || (clears && account.info.is_empty());
    let after = (!gone).then(|| info(&account.info));
    // Before Spurious Dragon revm marks a touched account that did not exist as created, too: only
    // the local mark means CREATE.
    let wiped =
        (destroyed || account.is_created_locally()) && (before.is_some() || after.is_some());
    let mut storage: Vec<(U256, U256)> = Vec::new();
    if !gone {
        let slots = account.storage.iter().filter(|(_, slot)| match wiped {
            true => !slot.present_value.is_zero(),
            false => slot.is_changed(),
        });
        storage.extend(slots.map(|(key, slot)| (*key, slot.present_value)));
        storage.sort_unstable();
    }
    if before == after && !wiped && storage.is_empty() {
        return None;
    }
    let code_before = before.as_ref().map_or(KECCAK256_EMPTY, |info| info.code_hash);
    let code_after = after.as_ref().map_or(KECCAK256_EMPTY, |info| info.code_hash);
    let changed = after.is_some() && code_after != code_before;
    let code = account.info.code.as_ref().filter(|_| changed);
    Some(AccountChange {
        address,
        info: after,
        code: code.map(|code| code.original_bytes()).filter(|code| !code.is_empty()),
        wiped,
        storage,
    })
}
