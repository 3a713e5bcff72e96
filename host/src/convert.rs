//! Between our types and revm's, for callers whose code has revm's.

use crate::reference::config;
use crate::types::{AccountChange, Checks, Env, Executed, Outcome, TxStatus};
use alloy_primitives::U256;
use revm::bytecode::Bytecode;
use revm::context::result::{
    ExecutionResult, HaltReason, OutOfGasError, Output, ResultGas, SuccessReason,
};
use revm::context::{BlockEnv, CfgEnv};
use revm::database::states::bundle_state::BundleRetention;
use revm::database::{BundleState, State, WrapDatabaseRef};
use revm::database_interface::bal::EvmDatabaseError;
use revm::database_interface::{DatabaseCommit, DatabaseRef};
use revm::primitives::hardfork::SpecId;
use revm::state::{Account, AccountInfo, EvmState, EvmStorageSlot, TransactionId};
use warpevm_compiler::Spec;

/// A setting of revm's that warpevm does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("warpevm has no {setting}")]
pub struct UnsupportedSetting {
    /// Which, as [`CfgEnv`] names it.
    pub setting: String,
}

impl Env {
    /// The environment that revm has in two parts.
    ///
    /// `memory_limit` is taken for `EVM_MEMORY_BYTES_MAX` of the kernels, 2 GiB for all open
    /// frames, and a transaction has as many blobs as the spec allows, whatever `max_blobs_per_tx`
    /// says.
    pub fn from_revm(cfg: &CfgEnv, block: BlockEnv) -> Result<Env, UnsupportedSetting> {
        let unsupported = |setting: &str| UnsupportedSetting { setting: setting.to_owned() };
        let spec = spec_of(cfg.spec).ok_or_else(|| unsupported(&format!("spec {:?}", cfg.spec)))?;
        let checks = Checks {
            nonce: !cfg.disable_nonce_check,
            balance: !cfg.disable_balance_check,
            sender_code: !cfg.disable_eip3607,
            block_gas_limit: !cfg.disable_block_gas_limit,
            base_fee: !cfg.disable_base_fee,
        };
        let env = Env { spec, chain_id: cfg.chain_id, block, checks };
        let ours = config(&env);
        let differs = [
            ("gas_params", ours.gas_params != cfg.gas_params),
            ("tx_chain_id_check", ours.tx_chain_id_check != cfg.tx_chain_id_check),
            ("limit_contract_code_size", cfg.limit_contract_code_size.is_some()),
            ("limit_contract_initcode_size", cfg.limit_contract_initcode_size.is_some()),
            ("tx_gas_limit_cap", cfg.tx_gas_limit_cap.is_some()),
            // Without the check of balances no fee is charged.
            ("disable_fee_charge", ours.disable_fee_charge != cfg.disable_fee_charge),
        ];
        match differs.into_iter().find(|(_, differs)| *differs) {
            Some((setting, _)) => Err(unsupported(setting)),
            None => Ok(env),
        }
    }

    /// The same environment in revm's two parts.
    pub fn to_revm(&self) -> (CfgEnv, BlockEnv) {
        (config(self), self.block.clone())
    }
}

/// The spec of that name; revm has none for Constantinople, which it takes for Petersburg.
fn spec_of(spec: SpecId) -> Option<Spec> {
    Some(match spec {
        SpecId::FRONTIER => Spec::Frontier,
        SpecId::HOMESTEAD => Spec::Homestead,
        SpecId::TANGERINE => Spec::Tangerine,
        SpecId::SPURIOUS_DRAGON => Spec::SpuriousDragon,
        SpecId::BYZANTIUM => Spec::Byzantium,
        SpecId::PETERSBURG => Spec::Petersburg,
        SpecId::ISTANBUL => Spec::Istanbul,
        SpecId::BERLIN => Spec::Berlin,
        SpecId::LONDON => Spec::London,
        SpecId::MERGE => Spec::Merge,
        SpecId::SHANGHAI => Spec::Shanghai,
        SpecId::CANCUN => Spec::Cancun,
        SpecId::PRAGUE => Spec::Prague,
        SpecId::OSAKA => Spec::Osaka,
        SpecId::AMSTERDAM => return None,
    })
}

impl Executed {
    /// The result as revm gives it. Reasons of halts are those of [`Executed::end`], which may be
    /// another one than revm's where two apply; the floor of EIP-7623 is part of the gas spent.
    pub fn to_revm(&self) -> ExecutionResult {
        let spent = self.gas_used.saturating_add(self.gas_refunded);
        let gas = ResultGas::new_with_state_gas(spent, self.gas_refunded, 0, 0);
        let (logs, output) = (self.logs.clone(), self.output.clone());
        match self.status {
            TxStatus::Success => {
                let reason = self.end.success().unwrap_or(SuccessReason::Stop);
                let output = match self.created {
                    Some(created) => Output::Create(output, Some(created)),
                    None => Output::Call(output),
                };
                ExecutionResult::Success { reason, gas, logs, output }
            }
            TxStatus::Revert => ExecutionResult::Revert { gas, logs, output },
            TxStatus::Halt => {
                let unsaid = HaltReason::OutOfGas(OutOfGasError::Basic);
                ExecutionResult::Halt { reason: self.end.halt().unwrap_or(unsaid), gas, logs }
            }
        }
    }

    /// What changed, as revm's journal has it after the transaction; `before` is the state before
    /// it. Accounts and slots that were only read are not there.
    pub fn evm_state<DB: DatabaseRef>(&self, before: &DB) -> Result<EvmState, DB::Error> {
        let accounts =
            self.changes.iter().map(|change| Ok((change.address, account(change, before)?)));
        accounts.collect()
    }
}

fn account<DB: DatabaseRef>(change: &AccountChange, before: &DB) -> Result<Account, DB::Error> {
    let was = before.basic_ref(change.address)?;
    let mut account = match &was {
        Some(info) => Account::from(info.clone()),
        None => Account::new_not_existing(TransactionId::ZERO),
    };
    account.mark_touch();
    match &change.info {
        Some(info) => {
            let code = match &change.code {
                Some(code) => Some(code_of(code.clone())),
                None => was.filter(|was| was.code_hash == info.code_hash).and_then(|was| was.code),
            };
            let (balance, nonce, code_hash) = (info.balance, info.nonce, info.code_hash);
            account.info = AccountInfo { balance, nonce, code_hash, code, ..Default::default() };
            // Before EIP-161 an empty account can be there, which revm keeps if it is new.
            if change.wiped || account.is_empty() {
                account.mark_created();
            }
        }
        None => {
            account.info = AccountInfo::default();
            account.mark_selfdestruct();
        }
    }
    for (key, value) in &change.storage {
        let original = original(change, *key, before)?;
        let slot = EvmStorageSlot::new_changed(original, *value, TransactionId::ZERO);
        account.storage.insert(*key, slot);
    }
    Ok(account)
}

/// What a slot was before: nothing, where the account is new or was emptied.
fn original<DB: DatabaseRef>(
    change: &AccountChange,
    key: U256,
    before: &DB,
) -> Result<U256, DB::Error> {
    if change.wiped { Ok(U256::ZERO) } else { before.storage_ref(change.address, key) }
}

/// A delegation (EIP-7702), or code.
fn code_of(code: alloy_primitives::Bytes) -> Bytecode {
    Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code))
}

/// What outcomes of a block, in order, changed in all, with what it takes to undo them: what revm's
/// [`State`] gives after committing each. `before` is the state before the first.
pub fn bundle_state<'o, DB: DatabaseRef>(
    outcomes: impl IntoIterator<Item = &'o Outcome>,
    before: DB,
) -> Result<BundleState, EvmDatabaseError<DB::Error>> {
    let mut state =
        State::builder().with_database(WrapDatabaseRef(before)).with_bundle_update().build();
    for executed in outcomes.into_iter().filter_map(|outcome| outcome.result.as_ref().ok()) {
        let touched = executed.evm_state(&state)?;
        state.commit(touched);
    }
    state.merge_transitions(BundleRetention::Reverts);
    Ok(state.take_bundle())
}
