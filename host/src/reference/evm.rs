//! revm with the rule that it lacks: an account that has storage is a collision (EIP-7610).
//!
//! revm looks at nonce and code only, since a database does not tell whether an account has slots.

use super::{Transacted, config};
use crate::limits::SYSTEM_CALL_GAS;
use crate::state::StorageProbe;
use crate::types::{Env, Transaction};
use alloy_primitives::{Address, Bytes};
use revm::context::result::EVMError;
use revm::context::{Context, ContextSetters, ContextTr, FrameStack, JournalTr};
use revm::database::{AccountState, CacheDB};
use revm::database_interface::{Database, DatabaseRef};
use revm::handler::evm::{ContextDbError, FrameInitResult};
use revm::handler::instructions::EthInstructions;
use revm::handler::{
    EthFrame, EthPrecompiles, EvmTr, FrameInitOrResult, FrameResult, Handler, ItemOrResult,
    MainnetContext, MainnetEvm, MainnetHandler, SystemCallTx,
};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_action::{FrameInit, FrameInput};
use revm::primitives::constants::CALL_STACK_LIMIT;
use revm::{MainBuilder, MainContext};

type Ctx<DB> = MainnetContext<CacheDB<DB>>;

/// Sequential revm and what tells it about storage.
pub(super) struct Evm<DB: DatabaseRef> {
    inner: MainnetEvm<Ctx<DB>>,
    pub(super) probe: Option<StorageProbe>,
}

/// What a frame that collides leaves to be undone: the nonce that made revm see it.
struct Marked(Address);

impl<DB: DatabaseRef> Evm<DB> {
    pub(super) fn new(env: &Env, db: DB) -> Evm<DB> {
        let context: Ctx<DB> = Context::mainnet().with_db(CacheDB::new(db));
        let context = context.with_cfg(config(env)).with_block(env.block.clone());
        Evm { inner: context.build_mainnet(), probe: None }
    }

    pub(super) fn db(&self) -> &CacheDB<DB> {
        &self.inner.ctx.journaled_state.database
    }

    pub(super) fn checks_no_nonce(&self) -> bool {
        self.inner.ctx.cfg.disable_nonce_check
    }

    pub(super) fn db_mut(&mut self) -> &mut CacheDB<DB> {
        &mut self.inner.ctx.journaled_state.database
    }

    pub(super) fn transact(&mut self, tx: Transaction) -> Transacted<DB::Error> {
        self.inner.ctx.set_tx(tx);
        let result = MainHandler::<DB>::default().run(self);
        // Also clears the journal of a transaction that is not valid.
        let touched = self.inner.ctx.journal_mut().finalize();
        Ok((result?, touched))
    }

    /// Makes a system call. revm's own has more gas, which a later fork gives it (EIP-8037).
    pub(super) fn system_call(&mut self, to: Address, data: Bytes) -> Transacted<DB::Error> {
        let mut tx = Transaction::new_system_tx(to, data);
        tx.gas_limit = SYSTEM_CALL_GAS;
        self.inner.ctx.set_tx(tx);
        let result = MainHandler::<DB>::default().run_system_call(self);
        let touched = self.inner.ctx.journal_mut().finalize();
        Ok((result?, touched))
    }

    /// Makes revm see the collision that this frame ends in because of storage, if it does.
    fn mark(&mut self, init: &FrameInit) -> Result<Option<Marked>, ContextDbError<Ctx<DB>>> {
        let (FrameInput::Create(inputs), Some(probe)) = (&init.frame_input, &self.probe) else {
            return Ok(None);
        };
        let journal = &mut self.inner.ctx.journaled_state;
        let caller = JournalTr::load_account(journal, inputs.caller())?.data.info.clone();
        // revm looks at these before it looks at the address.
        let goes_on = init.depth <= CALL_STACK_LIMIT as usize
            && caller.balance >= inputs.value()
            && caller.nonce < u64::MAX;
        let target = inputs.created_address(caller.nonce);
        if !goes_on || !probe(target) {
            return Ok(None);
        }
        let cached = journal.database.cache.accounts.get(&target).map(|a| &a.account_state);
        if matches!(cached, Some(AccountState::NotExisting | AccountState::StorageCleared)) {
            return Ok(None);
        }
        // This warms the address, which revm would do next: a collision does not undo it.
        JournalTr::load_account(journal, target)?;
        match journal.state.get_mut(&target).map(|account| &mut account.info) {
            Some(info) if info.nonce == 0 && info.is_empty_code_hash() => info.nonce = 1,
            _ => return Ok(None),
        }
        Ok(Some(Marked(target)))
    }

    fn unmark(&mut self, Marked(target): Marked) {
        if let Some(account) = self.inner.ctx.journaled_state.state.get_mut(&target) {
            account.info.nonce = 0;
        }
    }
}

type MainHandler<DB> =
    MainnetHandler<Evm<DB>, EVMError<<CacheDB<DB> as Database>::Error>, EthFrame<EthInterpreter>>;

impl<DB: DatabaseRef> EvmTr for Evm<DB> {
    type Context = Ctx<DB>;
    type Instructions = EthInstructions<EthInterpreter, Ctx<DB>>;
    type Precompiles = EthPrecompiles;
    type Frame = EthFrame<EthInterpreter>;

    fn all(&self) -> (&Ctx<DB>, &Self::Instructions, &EthPrecompiles, &FrameStack<Self::Frame>) {
        self.inner.all()
    }

    fn all_mut(
        &mut self,
    ) -> (&mut Ctx<DB>, &mut Self::Instructions, &mut EthPrecompiles, &mut FrameStack<Self::Frame>)
    {
        self.inner.all_mut()
    }

    fn frame_init(
        &mut self,
        init: FrameInit,
    ) -> Result<FrameInitResult<'_, Self::Frame>, ContextDbError<Ctx<DB>>> {
        let Some(marked) = self.mark(&init)? else { return self.inner.frame_init(init) };
        let result = match self.inner.frame_init(init)? {
            ItemOrResult::Result(result) => result,
            ItemOrResult::Item(_) => {
                let what = "revm created an account that collides".to_owned();
                return Err(ContextDbError::<Ctx<DB>>::Custom(what));
            }
        };
        self.unmark(marked);
        Ok(ItemOrResult::Result(result))
    }

    fn frame_run(&mut self) -> Result<FrameInitOrResult<Self::Frame>, ContextDbError<Ctx<DB>>> {
        self.inner.frame_run()
    }

    fn frame_return_result(
        &mut self,
        result: FrameResult,
    ) -> Result<Option<FrameResult>, ContextDbError<Ctx<DB>>> {
        self.inner.frame_return_result(result)
    }
}
