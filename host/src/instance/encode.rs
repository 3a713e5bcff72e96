//! Transactions in the device's form, and every validity check that needs no state.
//!
//! The rules and their order are revm's (`revm_handler::validation`): where several are broken, the
//! same one is reported. What needs the sender's account, the kernel checks.

use alloy_primitives::{Address, B256, U256};
use revm::context::transaction::{AuthorizationTr, Transaction as _};
use revm::primitives::{TxKind, eip4844::GAS_PER_BLOB};
use warpevm_compiler::gas::{GasSchedule, Intrinsic};
use warpevm_compiler::{Rule, Rules};
use warpevm_kernels::abi::{self, AUTH_VALID, CODE_EMPTY, Word};

use crate::error::Error;
use crate::limits::{DATA_BYTES_MAX, DATA_PADDING_BYTES, SYSTEM_CALL_GAS};
use crate::types::Transaction;
use crate::types::{AuthorizationFault, BlobFault, Checks, Env, GasBound, Rejected};

/// The version byte of a blob hash (EIP-4844).
const BLOB_VERSION: u8 = 1;
/// The sender of system calls (EIP-4788).
pub const SYSTEM_ADDRESS: Address = alloy_eips::eip4788::SYSTEM_ADDRESS;

/// Why a transaction was not encoded.
#[derive(Debug)]
pub enum NotEncoded {
    /// It is not valid.
    Rejected(Rejected),
    /// The device's form cannot hold it.
    TooLarge,
}

impl From<Rejected> for NotEncoded {
    fn from(rejected: Rejected) -> NotEncoded {
        NotEncoded::Rejected(rejected)
    }
}

/// Gives codes that a transaction brings (init code, designators) an id.
pub trait CodeSink {
    /// An id for this code; the init code of a creation comes compiled.
    fn code(&mut self, code: &[u8], init: bool) -> Result<u32, NotEncoded>;
}

/// Encoded transactions: the `Tx` array and the bytes that their offsets point into.
#[derive(Debug, Default)]
pub struct Encoded {
    /// The transactions.
    pub txs: Vec<abi::Tx>,
    /// In whole 8-byte units, so that everything in it can be aligned.
    data: Vec<u64>,
}

impl Encoded {
    /// Forgets all transactions.
    pub fn clear(&mut self) {
        self.txs.clear();
        self.data.clear();
    }

    /// The data bytes, followed by [`DATA_PADDING_BYTES`] zeros.
    pub fn data(&self) -> &[u8] {
        bytemuck::cast_slice(&self.data)
    }

    /// Room for `bytes` more, zeroed and aligned to 8; gives the offset.
    fn reserve(&mut self, bytes: usize) -> Result<u32, NotEncoded> {
        let start = self.data.len() * 8;
        if start + bytes > DATA_BYTES_MAX {
            return Err(NotEncoded::TooLarge);
        }
        self.data.resize(self.data.len() + bytes.div_ceil(8), 0);
        Ok(start as u32)
    }

    fn push_bytes(&mut self, bytes: &[u8]) -> Result<u32, NotEncoded> {
        let start = self.reserve(bytes.len())?;
        let data: &mut [u8] = bytemuck::cast_slice_mut(&mut self.data);
        data[start as usize..start as usize + bytes.len()].copy_from_slice(bytes);
        Ok(start)
    }
}

/// What the checks and prices of all transactions of a block environment share.
#[derive(Clone, Debug)]
pub struct Encoder {
    rules: Rules,
    gas: &'static GasSchedule,
    blobs_max: u64,
    chain_id: u64,
    base_fee: u64,
    blob_base_fee: u128,
    block_gas_limit: u64,
    checks: Checks,
}

fn word(value: u128) -> Word {
    [value as u64, (value >> 64) as u64, 0, 0]
}

/// The device's block environment.
pub fn block_env(env: &Env) -> Result<abi::BlockEnv, Error> {
    let block = &env.block;
    let lacks = |what: &str| Error::Environment(what.to_owned());
    let prevrandao = match (env.spec.rules().has(Rule::ProofOfStake), block.prevrandao) {
        (true, Some(random)) => U256::from_be_bytes(random.0),
        (true, None) => return Err(lacks("prevrandao is missing (EIP-4399)")),
        (false, _) => block.difficulty,
    };
    let blob = block.blob_excess_gas_and_price;
    if env.spec.rules().has(Rule::Blobs) && blob.is_none() {
        return Err(lacks("the excess blob gas is missing (EIP-4844)"));
    }
    Ok(abi::BlockEnv {
        number: block.number.into_limbs(),
        timestamp: block.timestamp.into_limbs(),
        gas_limit: word(block.gas_limit.into()),
        base_fee: word(block.basefee.into()),
        prevrandao: prevrandao.into_limbs(),
        blob_base_fee: word(blob.map_or(0, |blob| blob.blob_gasprice)),
        chain_id: word(env.chain_id.into()),
        coinbase: block.beneficiary.into_array(),
        reserved: 0,
    })
}

impl Encoder {
    /// For the transactions of `env`.
    pub fn new(env: &Env) -> Encoder {
        let blob = env.block.blob_excess_gas_and_price;
        Encoder {
            rules: env.spec.rules(),
            gas: env.spec.gas(),
            blobs_max: env.spec.block_schedule().tx_blobs_max,
            chain_id: env.chain_id,
            base_fee: env.block.basefee,
            blob_base_fee: blob.map_or(0, |blob| blob.blob_gasprice),
            block_gas_limit: env.block.gas_limit,
            checks: env.checks,
        }
    }

    /// Checks a transaction and appends it to `out`.
    pub fn encode(
        &self,
        tx: &Transaction,
        codes: &mut impl CodeSink,
        out: &mut Encoded,
    ) -> Result<(), NotEncoded> {
        self.check(tx)?;
        let pays = intrinsic(tx);
        let intrinsic_gas = self.gas.intrinsic(&pays, self.rules);
        let floor_gas = self.gas.floor(&pays, self.rules);
        let limit = tx.gas_limit;
        if intrinsic_gas > limit {
            return Err(Rejected::IntrinsicGas { limit, intrinsic: intrinsic_gas }.into());
        }
        if floor_gas > limit {
            return Err(Rejected::FloorGas { limit, floor: floor_gas }.into());
        }
        // Of several reasons to reject it the sender's nonce and code come before its balance.
        let (max_cost, overflow) = match tx.max_balance_spending() {
            Ok(cost) => (cost.into_limbs(), 0),
            Err(_) => ([u64::MAX; 4], abi::TX_COST_OVERFLOW),
        };
        let price = tx.effective_gas_price(self.base_fee.into());
        let burns = self.rules.has(Rule::BaseFee);
        let burnt = if burns { u128::from(self.base_fee) } else { 0 };
        let blob_gas = GAS_PER_BLOB * tx.blob_hashes.len() as u64;
        let blob_cost = if tx.tx_type == 3 { u128::from(blob_gas) * self.blob_base_fee } else { 0 };
        let mut encoded = abi::Tx {
            value: tx.value.into_limbs(),
            gas_price: word(price),
            coinbase_price: word(price.saturating_sub(burnt)),
            max_cost,
            blob_cost: word(blob_cost),
            gas_limit: limit,
            intrinsic_gas,
            floor_gas,
            nonce: tx.nonce,
            caller: tx.caller.into_array(),
            flags: self.flags() | overflow,
            ..Default::default()
        };
        match tx.kind {
            TxKind::Create => {
                encoded.flags |= abi::TX_CREATE;
                encoded.code = codes.code(&tx.data, true)?;
            }
            TxKind::Call(to) => {
                encoded.to = to.into_array();
                encoded.data_len = tx.data.len() as u32;
                encoded.data_off = out.push_bytes(&tx.data)?;
            }
        }
        self.lists(tx, codes, out, &mut encoded)?;
        out.reserve(DATA_PADDING_BYTES)?;
        out.txs.push(encoded);
        Ok(())
    }

    /// The checks that the kernel leaves out. Without the balance check no fee is charged or paid
    /// to the fee recipient, as revm has it with `disable_fee_charge`, and a sender whose balance
    /// is below the value is lent it, so that a simulated call need not care for balances.
    fn flags(&self) -> u32 {
        let when = |on: bool, flag: u32| if on { 0 } else { flag };
        when(self.checks.nonce, abi::TX_NO_NONCE_CHECK)
            | when(self.checks.balance, abi::TX_NO_BALANCE_CHECK)
            | when(self.checks.sender_code, abi::TX_NO_EOA_CHECK)
    }

    /// Access list, authorizations and blob hashes. A legacy transaction has no access list.
    fn lists(
        &self,
        tx: &Transaction,
        codes: &mut impl CodeSink,
        out: &mut Encoded,
        encoded: &mut abi::Tx,
    ) -> Result<(), NotEncoded> {
        if tx.tx_type != 0 && !tx.access_list.0.is_empty() {
            encoded.access_off = out.reserve(0)?;
            for item in &tx.access_list.0 {
                let addr = item.address.into_array();
                let account = abi::AccessItem { addr, ..Default::default() };
                out.push_bytes(bytemuck::bytes_of(&account))?;
                for key in &item.storage_keys {
                    let key = U256::from_be_bytes(key.0).into_limbs();
                    let slot = abi::AccessItem { key, addr, is_slot: 1 };
                    out.push_bytes(bytemuck::bytes_of(&slot))?;
                }
                encoded.access_count += 1 + item.storage_keys.len() as u32;
            }
        }
        if tx.tx_type == 4 {
            encoded.flags |= abi::TX_HAS_AUTHORIZATIONS;
            encoded.auth_off = out.reserve(0)?;
            encoded.auth_count = tx.authorization_list.len() as u32;
            for authorization in &tx.authorization_list {
                let authorization = self.authorization(authorization, codes)?;
                out.push_bytes(bytemuck::bytes_of(&authorization))?;
            }
        }
        if tx.tx_type == 3 {
            encoded.blob_off = out.reserve(0)?;
            encoded.blob_count = tx.blob_hashes.len() as u32;
            for hash in &tx.blob_hashes {
                let hash = U256::from_be_bytes(hash.0).into_limbs();
                out.push_bytes(bytemuck::bytes_of(&hash))?;
            }
        }
        Ok(())
    }

    /// An EIP-7702 tuple: steps 1 to 3 of its procedure; the rest needs state.
    fn authorization(
        &self,
        tuple: &impl AuthorizationTr,
        codes: &mut impl CodeSink,
    ) -> Result<abi::Authorization, NotEncoded> {
        let mut encoded = abi::Authorization { nonce: tuple.nonce(), ..Default::default() };
        let chain_id = tuple.chain_id();
        if !(chain_id.is_zero() || chain_id == U256::from(self.chain_id))
            || tuple.nonce() == u64::MAX
        {
            return Ok(encoded);
        }
        let Some(authority) = tuple.authority() else {
            return Ok(encoded);
        };
        encoded.flags = AUTH_VALID;
        encoded.authority = authority.into_array();
        encoded.code = match tuple.address() {
            Address::ZERO => CODE_EMPTY,
            target => {
                let mut designator = [0u8; 23];
                designator[..3].copy_from_slice(&[0xef, 0x01, 0x00]);
                designator[3..].copy_from_slice(target.as_slice());
                codes.code(&designator, false)?
            }
        };
        Ok(encoded)
    }

    /// The checks before gas, in revm's order.
    fn check(&self, tx: &Transaction) -> Result<(), Rejected> {
        match tx.chain_id {
            Some(id) if id != self.chain_id => {
                return Err(Rejected::ChainId { tx: id, chain: self.chain_id });
            }
            None if tx.tx_type != 0 => {
                return Err(Rejected::ChainId { tx: 0, chain: self.chain_id });
            }
            _ => {}
        }
        let limit = tx.gas_limit;
        let gas_max = u64::from(self.gas.tx_gas_max);
        if self.rules.has(Rule::TxGasLimit) && limit > gas_max {
            let (max, why) = (gas_max, GasBound::Transaction);
            return Err(Rejected::GasLimit { limit, max, why });
        }
        self.check_type(tx)?;
        if self.checks.block_gas_limit && limit > self.block_gas_limit {
            let (max, why) = (self.block_gas_limit, GasBound::Block);
            return Err(Rejected::GasLimit { limit, max, why });
        }
        let init_code = if tx.kind.is_create() { tx.data.len() } else { 0 };
        let max = self.gas.init_code_bytes_max as usize;
        if self.rules.has(Rule::InitCodeLimit) && init_code > max {
            return Err(Rejected::InitCodeSize { len: init_code, max });
        }
        if tx.nonce == u64::MAX {
            return Err(Rejected::NonceMax);
        }
        match tx.tx_type {
            3 if tx.kind.is_create() => Err(Rejected::Blobs(BlobFault::Creation)),
            4 if tx.kind.is_create() => Err(Rejected::Authorizations(AuthorizationFault::Creation)),
            _ => Ok(()),
        }
    }

    /// The type exists, its fees suffice, and its own lists are well-formed.
    fn check_type(&self, tx: &Transaction) -> Result<(), Rejected> {
        let exists = match tx.tx_type {
            0 => true,
            1 => self.rules.has(Rule::AccessLists),
            2 => self.rules.has(Rule::BaseFee),
            3 => self.rules.has(Rule::Blobs),
            4 => self.rules.has(Rule::Delegations),
            _ => false,
        };
        if !exists {
            return Err(Rejected::Type(tx.tx_type));
        }
        let max_fee = tx.gas_price;
        let priority = tx.gas_priority_fee.unwrap_or_default();
        if tx.tx_type >= 2 && priority > max_fee {
            return Err(Rejected::PriorityFee { priority, max_fee });
        }
        if self.checks.base_fee && max_fee < u128::from(self.base_fee) {
            return Err(Rejected::BaseFee { max_fee, base_fee: self.base_fee });
        }
        match tx.tx_type {
            3 => self.check_blobs(tx),
            4 if tx.authorization_list.is_empty() => {
                Err(Rejected::Authorizations(AuthorizationFault::Empty))
            }
            _ => Ok(()),
        }
    }

    fn check_blobs(&self, tx: &Transaction) -> Result<(), Rejected> {
        let (max_fee, base_fee) = (tx.max_fee_per_blob_gas, self.blob_base_fee);
        if base_fee > max_fee {
            return Err(Rejected::BlobFee { max_fee, base_fee });
        }
        let version = |hash: &B256| hash[0] == BLOB_VERSION;
        match tx.blob_hashes.len() as u64 {
            0 => Err(Rejected::Blobs(BlobFault::None)),
            _ if !tx.blob_hashes.iter().all(version) => Err(Rejected::Blobs(BlobFault::Version)),
            count if count > self.blobs_max => Err(Rejected::Blobs(BlobFault::TooMany)),
            _ => Ok(()),
        }
    }
}

/// What of a transaction its intrinsic gas depends on. A legacy transaction has no access list.
fn intrinsic(tx: &Transaction) -> Intrinsic {
    let zero_bytes = tx.data.iter().filter(|byte| **byte == 0).count();
    let list = if tx.tx_type == 0 { &[][..] } else { &tx.access_list.0[..] };
    Intrinsic {
        creates: tx.kind.is_create(),
        zero_bytes: zero_bytes as u64,
        non_zero_bytes: (tx.data.len() - zero_bytes) as u64,
        listed_accounts: list.len() as u64,
        listed_slots: list.iter().map(|item| item.storage_keys.len() as u64).sum(),
        authorizations: tx.authorization_list.len() as u64,
    }
}

/// Appends a system call (EIP-4788 and others): no sender to charge, no intrinsic gas.
pub fn encode_system_call(to: Address, data: &[u8], out: &mut Encoded) -> Result<(), NotEncoded> {
    let data_off = out.push_bytes(data)?;
    out.reserve(DATA_PADDING_BYTES)?;
    out.txs.push(abi::Tx {
        gas_limit: SYSTEM_CALL_GAS,
        caller: SYSTEM_ADDRESS.into_array(),
        to: to.into_array(),
        flags: abi::TX_SYSTEM,
        data_off,
        data_len: data.len() as u32,
        ..Default::default()
    });
    Ok(())
}
