//! Sequential execution with revm, on a state held in memory.

use alloy_consensus::constants::KECCAK_EMPTY;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_trie::{TrieAccount, root};
use anyhow::{Context as _, Result, bail};
use revm::context::result::{ExecutionResult, ResultAndState};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::database::{AccountState, CacheDB, EmptyDB};
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use revm::{DatabaseCommit, ExecuteEvm, MainBuilder, MainContext, SystemCallEvm};
use std::collections::BTreeMap;

pub type Db = CacheDB<EmptyDB>;

/// Gas for what is run without a limit that matters.
pub const AMPLE_GAS: u64 = 16_000_000;

#[derive(Clone)]
pub struct Chain {
    pub db: Db,
    pub env: BlockEnv,
}

/// An account with everything that belongs to it, as the files hold it.
#[derive(Default)]
pub struct Account {
    pub balance: U256,
    pub nonce: u64,
    pub code: Bytes,
    pub code_hash: B256,
    pub storage: BTreeMap<U256, U256>,
}

impl Chain {
    pub fn new(env: BlockEnv) -> Chain {
        Chain { db: Db::default(), env }
    }

    /// Runs a transaction without keeping what it did.
    pub fn transact(&mut self, tx: TxEnv) -> Result<ResultAndState> {
        let cfg = CfgEnv::new_with_spec(SpecId::CANCUN).with_chain_id(1);
        let context =
            Context::mainnet().with_db(&mut self.db).with_cfg(cfg).with_block(self.env.clone());
        Ok(context.build_mainnet().transact(tx)?)
    }

    /// Runs a transaction and keeps what it did.
    pub fn execute(&mut self, tx: TxEnv) -> Result<ExecutionResult> {
        let out = self.transact(tx)?;
        self.db.commit(out.state);
        Ok(out.result)
    }

    pub fn system_call(&mut self, to: Address, data: Bytes) -> Result<()> {
        let cfg = CfgEnv::new_with_spec(SpecId::CANCUN).with_chain_id(1);
        let context =
            Context::mainnet().with_db(&mut self.db).with_cfg(cfg).with_block(self.env.clone());
        let out = context.build_mainnet().system_call(to, data)?;
        if !out.result.is_success() {
            bail!("the system call to {to} failed: {:?}", out.result);
        }
        self.db.commit(out.state);
        Ok(())
    }

    /// A free transaction that must succeed, to set the scene.
    pub fn arrange(
        &mut self,
        from: Address,
        kind: TxKind,
        data: Bytes,
        value: U256,
    ) -> Result<ExecutionResult> {
        let nonce = self.nonce(from);
        let tx = TxEnv {
            caller: from,
            kind,
            data,
            value,
            nonce,
            gas_limit: AMPLE_GAS,
            gas_price: 0,
            chain_id: Some(1),
            ..TxEnv::default()
        };
        let result = self.execute(tx)?;
        if !result.is_success() {
            bail!("setting the scene failed: {from} to {kind:?}: {result:?}");
        }
        Ok(result)
    }

    pub fn deploy(&mut self, from: Address, creation: &Bytes, args: Vec<u8>) -> Result<Address> {
        let data = [creation.as_ref(), &args].concat().into();
        let result = self.arrange(from, TxKind::Create, data, U256::ZERO)?;
        result.created_address().context("the creation has no address")
    }

    pub fn nonce(&self, address: Address) -> u64 {
        self.db.cache.accounts.get(&address).map_or(0, |account| account.info.nonce)
    }

    pub fn put(&mut self, address: Address, balance: U256, code: Option<Bytes>) {
        let mut info = AccountInfo { balance, ..AccountInfo::default() };
        if let Some(code) = code {
            info.nonce = 1;
            info.code_hash = keccak256(&code);
            info.code = Some(revm::bytecode::Bytecode::new_raw(code));
        }
        self.db.insert_account_info(address, info);
    }

    /// Adds to a balance outside any transaction, as a withdrawal does.
    pub fn credit(&mut self, address: Address, amount: U256) -> Result<()> {
        let account = self.db.load_account(address)?;
        account.info.balance += amount;
        if account.account_state == AccountState::NotExisting {
            account.account_state = AccountState::None;
        }
        Ok(())
    }

    /// Every account that exists (EIP-161: is not empty), sorted.
    pub fn accounts(&self) -> BTreeMap<Address, Account> {
        let exists = |address: &Address| {
            let account = &self.db.cache.accounts[address];
            account.account_state != AccountState::NotExisting && !account.info.is_empty()
        };
        let accounts = self.db.cache.accounts.iter().filter(|(address, _)| exists(address));
        accounts
            .map(|(address, account)| {
                let code = match &account.info.code {
                    Some(code) => code.original_bytes(),
                    None if account.info.code_hash == KECCAK_EMPTY => Bytes::new(),
                    None => self.db.cache.contracts[&account.info.code_hash].original_bytes(),
                };
                let storage = account.storage.iter().filter(|(_, value)| !value.is_zero());
                let account = Account {
                    balance: account.info.balance,
                    nonce: account.info.nonce,
                    code,
                    code_hash: account.info.code_hash,
                    storage: storage.map(|(key, value)| (*key, *value)).collect(),
                };
                (*address, account)
            })
            .collect()
    }

    pub fn state_root(&self) -> B256 {
        let accounts = self.accounts().into_iter().map(|(address, account)| {
            let slots = account.storage.into_iter().map(|(key, value)| (B256::from(key), value));
            let storage_root = root::storage_root_unhashed(slots);
            let account =
                TrieAccount::new(account.nonce, account.balance, storage_root, account.code_hash);
            (address, account)
        });
        root::state_root_unhashed(accounts)
    }
}
