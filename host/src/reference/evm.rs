//! revm with the rules that it lacks (docs/TESTING.md, Known exceptions): an account that has
//! storage is a collision (EIP-7610), and what `spec.rs` has of single specs. Everything that
//! reaches revm goes through it.
//!
//! revm looks at nonce and code only, since a database does not tell whether an account has slots.

use super::spec::instructions;
use super::{Transacted, config};
use crate::limits::SYSTEM_CALL_GAS;
use crate::state::StorageProbe;
use crate::types::{Env, Transaction};
use alloy_primitives::{Address, Bytes};
use revm::context::result::EVMError;
use revm::context::{Context, ContextSetters, ContextTr, FrameStack, JournalTr};
use revm::database::{AccountState, CacheDB};
use revm::database_interface::{Database, DatabaseRef, WrapDatabaseRef};
use revm::handler::evm::{ContextDbError, FrameInitResult};
use revm::handler::instructions::EthInstructions;
use revm::handler::{
    EthFrame, EthPrecompiles, EvmTr, FrameInitOrResult, FrameResult, Handler, ItemOrResult,
    MainnetContext, MainnetEvm, MainnetHandler, SystemCallTx,
};
use revm::inspector::{InspectorEvmTr, InspectorHandler};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_action::{FrameInit, FrameInput};
use revm::primitives::constants::CALL_STACK_LIMIT;
use revm::{Inspector, MainBuilder, MainContext};

/// A database of the reference: it may know that an account's storage is gone.
pub trait Storage: Database {
    /// Whether the storage that the account had before is void.
    fn is_void(&self, address: Address) -> bool;
}

impl<DB: DatabaseRef> Storage for CacheDB<DB> {
    fn is_void(&self, address: Address) -> bool {
        let cached = self.cache.accounts.get(&address).map(|account| &account.account_state);
        matches!(cached, Some(AccountState::NotExisting | AccountState::StorageCleared))
    }
}

impl<DB: DatabaseRef> Storage for WrapDatabaseRef<DB> {
    fn is_void(&self, _: Address) -> bool {
        false
    }
}

/// revm by the EIPs, and what tells it about storage.
pub struct Evm<DB: Storage, I = ()> {
    inner: MainnetEvm<MainnetContext<DB>, I>,
    pub(super) probe: Option<StorageProbe>,
}

/// What a frame that collides leaves to be undone: the nonce that made revm see it.
struct Marked(Address);

impl<DB: Storage> Evm<DB> {
    pub(super) fn new(env: &Env, db: DB) -> Evm<DB> {
        Evm::with_inspector(env, db, ())
    }
}

impl<DB: Storage, I> Evm<DB, I> {
    /// With an inspector, which [`Evm::inspect`] calls.
    pub fn with_inspector(env: &Env, db: DB, inspector: I) -> Evm<DB, I> {
        let context: MainnetContext<DB> = Context::mainnet().with_db(db);
        let context = context.with_cfg(config(env)).with_block(env.block.clone());
        let mut inner = context.build_mainnet_with_inspector(inspector);
        instructions(env.spec, &mut inner.instruction);
        Evm { inner, probe: None }
    }

    pub(super) fn db(&self) -> &DB {
        &self.inner.ctx.journaled_state.database
    }

    pub(super) fn checks_no_nonce(&self) -> bool {
        self.inner.ctx.cfg.disable_nonce_check
    }

    /// The database, which gets what is to be kept.
    pub fn db_mut(&mut self) -> &mut DB {
        &mut self.inner.ctx.journaled_state.database
    }

    /// The inspector.
    pub fn inspector_mut(&mut self) -> &mut I {
        &mut self.inner.inspector
    }

    /// Executes a transaction: its result, and all that it touched.
    pub(super) fn transact(&mut self, tx: Transaction) -> Transacted<DB::Error> {
        self.inner.ctx.set_tx(tx);
        let result = MainHandler::<DB, I>::default().run(self);
        self.ended(result)
    }

    /// The same under the inspector.
    pub fn inspect(&mut self, tx: Transaction) -> Transacted<DB::Error>
    where
        I: Inspector<MainnetContext<DB>, EthInterpreter, FrameInput, FrameResult>,
    {
        self.inner.ctx.set_tx(tx);
        let result = MainHandler::<DB, I>::default().inspect_run(self);
        self.ended(result)
    }

    /// Makes a system call. revm's own has more gas, which a later fork gives it (EIP-8037).
    pub(super) fn system_call(&mut self, to: Address, data: Bytes) -> Transacted<DB::Error> {
        let mut tx = Transaction::new_system_tx(to, data);
        tx.gas_limit = SYSTEM_CALL_GAS;
        self.inner.ctx.set_tx(tx);
        let result = MainHandler::<DB, I>::default().run_system_call(self);
        self.ended(result)
    }

    /// Takes what was touched, which also clears the journal of a transaction that is not valid.
    fn ended<R, E>(&mut self, result: Result<R, E>) -> Result<(R, revm::state::EvmState), E> {
        let touched = self.inner.ctx.journal_mut().finalize();
        Ok((result?, touched))
    }

    /// Makes revm see the collision that this frame ends in because of storage, if it does.
    fn mark(
        &mut self,
        init: &FrameInit,
    ) -> Result<Option<Marked>, ContextDbError<MainnetContext<DB>>> {
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
        if !goes_on || !probe(target) || journal.database.is_void(target) {
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

type MainHandler<DB, I> =
    MainnetHandler<Evm<DB, I>, EVMError<<DB as Database>::Error>, EthFrame<EthInterpreter>>;
type Instructions<DB> = EthInstructions<EthInterpreter, MainnetContext<DB>>;
type Frames = FrameStack<EthFrame<EthInterpreter>>;

impl<DB: Storage, I> EvmTr for Evm<DB, I> {
    type Context = MainnetContext<DB>;
    type Instructions = Instructions<DB>;
    type Precompiles = EthPrecompiles;
    type Frame = EthFrame<EthInterpreter>;

    fn all(&self) -> (&MainnetContext<DB>, &Instructions<DB>, &EthPrecompiles, &Frames) {
        self.inner.all()
    }

    fn all_mut(
        &mut self,
    ) -> (&mut MainnetContext<DB>, &mut Instructions<DB>, &mut EthPrecompiles, &mut Frames) {
        self.inner.all_mut()
    }

    fn frame_init(
        &mut self,
        init: FrameInit,
    ) -> Result<FrameInitResult<'_, Self::Frame>, ContextDbError<MainnetContext<DB>>> {
        let Some(marked) = self.mark(&init)? else { return self.inner.frame_init(init) };
        let result = match self.inner.frame_init(init)? {
            ItemOrResult::Result(result) => result,
            ItemOrResult::Item(_) => {
                let what = "revm created an account that collides".to_owned();
                return Err(ContextDbError::<MainnetContext<DB>>::Custom(what));
            }
        };
        self.unmark(marked);
        Ok(ItemOrResult::Result(result))
    }

    fn frame_run(
        &mut self,
    ) -> Result<FrameInitOrResult<Self::Frame>, ContextDbError<MainnetContext<DB>>> {
        self.inner.frame_run()
    }

    fn frame_return_result(
        &mut self,
        result: FrameResult,
    ) -> Result<Option<FrameResult>, ContextDbError<MainnetContext<DB>>> {
        self.inner.frame_return_result(result)
    }
}

impl<DB: Storage, I> InspectorEvmTr for Evm<DB, I>
where
    I: Inspector<MainnetContext<DB>, EthInterpreter, FrameInput, FrameResult>,
{
    type Inspector = I;

    fn all_inspector(
        &self,
    ) -> (&MainnetContext<DB>, &Instructions<DB>, &EthPrecompiles, &Frames, &I) {
        self.inner.all_inspector()
    }

    fn all_mut_inspector(
        &mut self,
    ) -> (&mut MainnetContext<DB>, &mut Instructions<DB>, &mut EthPrecompiles, &mut Frames, &mut I)
    {
        self.inner.all_mut_inspector()
    }
}
