//! What a finished instance shows, the same wherever it ran.

use alloy_primitives::{Address, Bytes, Log, LogData, U256};
use revm::DatabaseRef;
use warpevm_kernels::abi::{
    self, OverlayAccount, TX_COST_OVERFLOW, TX_NO_BALANCE_CHECK, TX_SYSTEM, Tx,
};

use crate::code::ids::word_hash;
use crate::error::Error;
use crate::instance::decode::{CodeView, Overlay, Recipient, Scratch, changes};
use crate::instance::session::Session;
use crate::instance::view::View;
use crate::state::table::Table;
use crate::types::{End, Executed, Fallback, Outcome, Rejected, TxStatus};

/// A finished instance and its transaction.
#[derive(Clone, Copy)]
pub struct Finished<'a> {
    view: View<'a>,
    tx: &'a Tx,
}

impl<'a> Finished<'a> {
    /// Of an instance that is done.
    pub fn new(view: View<'a>, tx: &'a Tx) -> Finished<'a> {
        Finished { view, tx }
    }

    /// What it read and wrote.
    pub fn overlay<DB>(&self, session: &Session<'_, DB>) -> Overlay<'a> {
        let accounts = self.view.accounts();
        let pays = self.tx.flags & (TX_SYSTEM | TX_NO_BALANCE_CHECK) == 0;
        let coinbase = &session.block_env.coinbase;
        let is_listed = || accounts.iter().any(|account| account.addr == *coinbase);
        let credit = self.view.head().coinbase_credit;
        let recipient =
            (pays && !is_listed()).then_some(Recipient { account: session.coinbase, credit });
        Overlay { accounts, slots: self.view.storage(), recipient }
    }

    /// Whether a part of it ran elsewhere.
    pub fn fallback(&self) -> Option<Fallback> {
        (self.view.head().host_precompiles != 0).then_some(Fallback::HostPrecompile)
    }

    /// How it ended; `changes` stays empty.
    pub fn ended(&self) -> Result<Result<Executed, Rejected>, Error> {
        let head = self.view.head();
        let said = abi::End::from_u32(head.end)
            .ok_or_else(|| Error::Bug(format!("a transaction ended with {}", head.end)))?;
        let Some(end) = End::of_device(said) else { return Ok(Err(self.rejected(said))) };
        let status = end.status();
        let output = match status {
            TxStatus::Halt => Bytes::new(),
            _ => Bytes::copy_from_slice(self.view.return_data()),
        };
        let mut logs = Vec::new();
        if status == TxStatus::Success && head.log_bytes > 0 {
            logs.reserve_exact(head.logs as usize);
            logs.extend(self.view.logs().map(|(head, topics, data)| Log {
                address: Address::from(head.addr),
                data: LogData::new_unchecked(
                    topics.iter().map(|topic| word_hash(*topic)).collect(),
                    Bytes::copy_from_slice(data),
                ),
            }));
        }
        Ok(Ok(Executed {
            status,
            end,
            gas_used: head.gas_used,
            gas_refunded: head.gas_refunded,
            output,
            created: (head.has_created != 0).then(|| Address::from(head.created)),
            logs,
            changes: Vec::new(),
        }))
    }

    fn rejected(&self, end: abi::End) -> Rejected {
        let tx = self.tx;
        let is_sender = |account: &&OverlayAccount| account.addr == tx.caller;
        let sender = self.view.accounts().iter().find(is_sender);
        let state = sender.map(|sender| sender.nonce).unwrap_or_default();
        match end {
            abi::End::RejectNonceLow => Rejected::NonceTooLow { tx: tx.nonce, state },
            abi::End::RejectNonceHigh => Rejected::NonceTooHigh { tx: tx.nonce, state },
            abi::End::RejectSenderCode => Rejected::SenderCode,
            abi::End::RejectNonceMax => Rejected::NonceMax,
            _ if tx.flags & TX_COST_OVERFLOW != 0 => Rejected::CostOverflow,
            _ => Rejected::Balance {
                cost: U256::from_limbs(tx.max_cost),
                balance: sender.map(|s| U256::from_limbs(s.balance)).unwrap_or_default(),
            },
        }
    }

    /// The outcome, with its changes against `table`.
    pub fn outcome<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        table: &Table,
        codes: CodeView<'_>,
        scratch: &mut Scratch,
    ) -> Result<Outcome, Error> {
        let result = self.ended()?.map(|mut executed| {
            let overlay = self.overlay(session);
            executed.changes = changes(&overlay, table, codes, session.spec(), scratch);
            executed
        });
        Ok(Outcome { result, fallback: self.fallback() })
    }
}
