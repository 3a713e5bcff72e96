//! revm with the rules that it lacks (docs/TESTING.md, Known exceptions): an account that has
//! storage is a collision (EIP-7610), balances wrap at 2^256, and what `spec.rs` has of single
//! specs. Everything that reaches revm goes through it.
//!
//! revm looks at nonce and code only, since a database does not tell whether an account has slots.
//! Where a sum of balances exceeds 2^256, which no chain can reach, revm ends the frame and loses
//! the sender's balance, or the credit. So a balance that would not have room for a credit is set
//! aside meanwhile: revm adds to zero, and the sum is made afterwards.

use super::spec::{InSpec, instructions};
use super::{RevmTransacted, config};
use crate::limits::SYSTEM_CALL_GAS;
use crate::types::{Env, Transaction};
use alloy_primitives::{Address, Bytes, U256};
use revm::context::result::{EVMError, HaltReason};
use revm::context::{Context, ContextSetters, ContextTr, FrameStack, JournalTr};
use revm::database::{AccountState, CacheDB};
use revm::database_interface::{Database, DatabaseRef, WrapDatabaseRef};
use revm::handler::evm::{ContextDbError, FrameInitResult};
use revm::handler::instructions::EthInstructions;
use revm::handler::{
    EthFrame, EthPrecompiles, EvmTr, FrameInitOrResult, FrameResult, Handler, ItemOrResult,
    MainnetContext, MainnetEvm, SystemCallTx, post_execution,
};
use revm::inspector::{InspectorEvmTr, InspectorHandler};
use revm::interpreter::CallValue;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_action::{FrameInit, FrameInput};
use revm::primitives::constants::CALL_STACK_LIMIT;
use revm::primitives::hardfork::SpecId;
use revm::{Inspector, MainBuilder, MainContext};
use std::marker::PhantomData;

/// A database of the reference: it may know of an account's storage.
pub trait Storage: Database {
    /// Whether the storage that the account had before is void.
    fn is_void(&self, address: Address) -> bool;

    /// Whether it is known which accounts have storage.
    fn knows_storage(&self) -> bool;

    /// Whether the account had storage at the start, as far as is known.
    fn has_storage(&self, address: Address) -> Result<bool, Self::Error>;
}

impl<DB: DatabaseRef> Storage for CacheDB<InSpec<DB>> {
    fn is_void(&self, address: Address) -> bool {
        let cached = self.cache.accounts.get(&address).map(|account| &account.account_state);
        matches!(cached, Some(AccountState::NotExisting | AccountState::StorageCleared))
    }

    fn knows_storage(&self) -> bool {
        self.db.probe.is_some()
    }

    fn has_storage(&self, address: Address) -> Result<bool, DB::Error> {
        self.db.has_storage(address)
    }
}

impl<DB: DatabaseRef> Storage for WrapDatabaseRef<InSpec<DB>> {
    fn is_void(&self, _: Address) -> bool {
        false
    }

    fn knows_storage(&self) -> bool {
        self.0.probe.is_some()
    }

    fn has_storage(&self, address: Address) -> Result<bool, DB::Error> {
        self.0.has_storage(address)
    }
}

/// revm by the EIPs.
pub struct Evm<DB: Storage, I = ()> {
    inner: MainnetEvm<MainnetContext<DB>, I>,
}

/// What a frame that collides leaves to be undone: the nonce that made revm see it.
struct Marked(Address);

/// A balance that revm adds to from zero.
struct Aside(Address, U256);

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
        Evm { inner }
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
    pub(super) fn transact(&mut self, tx: Transaction) -> RevmTransacted<DB::Error> {
        self.inner.ctx.set_tx(tx);
        let result = MainHandler::<DB, I>::default().run(self);
        self.ended(result)
    }

    /// The same under the inspector.
    pub fn inspect(&mut self, tx: Transaction) -> RevmTransacted<DB::Error>
    where
        I: Inspector<MainnetContext<DB>, EthInterpreter, FrameInput, FrameResult>,
    {
        self.inner.ctx.set_tx(tx);
        let result = MainHandler::<DB, I>::default().inspect_run(self);
        self.ended(result)
    }

    /// Makes a system call. revm's own has more gas, which a later fork gives it (EIP-8037).
    pub(super) fn system_call(&mut self, to: Address, data: Bytes) -> RevmTransacted<DB::Error> {
        let mut tx = Transaction::new_system_tx(to, data);
        tx.gas_limit = SYSTEM_CALL_GAS;
        self.inner.ctx.set_tx(tx);
        let result = MainHandler::<DB, I>::default().run_system_call(self);
        self.ended(result)
    }

    /// Takes what was touched, which also clears the journal of a transaction that is not valid.
    fn ended<R, E>(&mut self, result: Result<R, E>) -> Result<(R, revm::state::EvmState), E> {
        self.keep_emptied();
        let touched = self.inner.ctx.journal_mut().finalize();
        Ok((result?, touched))
    }

    /// Before EIP-161 revm forgets that an account was changed which is empty in the end, as one is
    /// whose balance wrapped to zero, unless the account was created.
    fn keep_emptied(&mut self) {
        if self.inner.ctx.cfg.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) {
            return;
        }
        for account in self.inner.ctx.journaled_state.state.values_mut() {
            let emptied = account.is_touched()
                && account.is_empty()
                && !account.is_selfdestructed()
                && !account.original_info().is_empty();
            if emptied {
                account.mark_created();
            }
        }
    }

    /// The account that this frame will create, loaded, where it matters; `None` also where revm
    /// does not come to it.
    ///
    /// Loading warms the address, which revm would do next: whatever it finds does not undo that.
    fn target(&mut self, init: &FrameInit) -> OrFault<Option<Address>, DB> {
        let (FrameInput::Create(create), depth) = (&init.frame_input, init.depth) else {
            return Ok(None);
        };
        if !self.db().knows_storage() && create.value().is_zero() {
            return Ok(None);
        }
        let journal = &mut self.inner.ctx.journaled_state;
        let caller = &JournalTr::load_account(journal, create.caller())?.data.info;
        // revm looks at these before it looks at the address.
        let goes_on = depth <= CALL_STACK_LIMIT as usize
            && caller.balance >= create.value()
            && caller.nonce < u64::MAX;
        let target = create.created_address(caller.nonce);
        if goes_on {
            JournalTr::load_account(journal, target)?;
        }
        Ok(goes_on.then_some(target))
    }

    /// Makes revm see the collision that the creation of `target` ends in because of storage, if it
    /// does.
    fn mark(&mut self, target: Address) -> OrFault<Option<Marked>, DB> {
        let journal = &mut self.inner.ctx.journaled_state;
        let (state, database) = (&mut journal.inner.state, &journal.database);
        let Some(account) = state.get_mut(&target) else { return Ok(None) };
        let info = &mut account.info;
        let free = info.nonce == 0 && info.is_empty_code_hash();
        if !free || database.is_void(target) || !database.has_storage(target)? {
            return Ok(None);
        }
        info.nonce = 1;
        Ok(Some(Marked(target)))
    }

    /// Who gets value from this frame, which may create `target`, and has no room for it.
    fn overflowing(&mut self, init: &FrameInit, target: Option<Address>) -> Option<Address> {
        let (to, value) = match &init.frame_input {
            FrameInput::Call(call) => match call.value {
                CallValue::Transfer(value) if call.caller != call.target_address => {
                    (call.target_address, value)
                }
                _ => return None,
            },
            FrameInput::Create(create) => (target?, create.value()),
            FrameInput::Empty => return None,
        };
        let balance = self.inner.ctx.journaled_state.state.get(&to)?.info.balance;
        balance.checked_add(value).is_none().then_some(to)
    }

    /// Sets the balance of an account aside that the journal has.
    fn set_aside(&mut self, address: Address) -> Option<Aside> {
        let account = self.inner.ctx.journaled_state.state.get_mut(&address)?;
        Some(Aside(address, std::mem::take(&mut account.info.balance)))
    }

    fn add_back(&mut self, aside: Option<Aside>) {
        if let Some(Aside(address, balance)) = aside
            && let Some(account) = self.inner.ctx.journaled_state.state.get_mut(&address)
        {
            account.info.balance = account.info.balance.wrapping_add(balance);
        }
    }

    fn unmark(&mut self, Marked(target): Marked) {
        if let Some(account) = self.inner.ctx.journaled_state.state.get_mut(&target) {
            account.info.nonce = 0;
        }
    }
}

/// revm's handler of mainnet, but for credits that have no room.
struct MainHandler<DB, I>(PhantomData<fn() -> (DB, I)>);

impl<DB, I> Default for MainHandler<DB, I> {
    fn default() -> Self {
        MainHandler(PhantomData)
    }
}

impl<DB: Storage, I> Handler for MainHandler<DB, I> {
    type Evm = Evm<DB, I>;
    type Error = EVMError<<DB as Database>::Error>;
    type HaltReason = HaltReason;

    fn reimburse_caller(&self, evm: &mut Evm<DB, I>, ran: &mut FrameResult) -> Ended<DB> {
        let aside = evm.set_aside(evm.inner.ctx.tx.caller);
        post_execution::reimburse_caller(&mut evm.inner.ctx, ran.gas(), U256::ZERO)?;
        evm.add_back(aside);
        Ok(())
    }

    fn reward_beneficiary(&self, evm: &mut Evm<DB, I>, ran: &mut FrameResult) -> Ended<DB> {
        let beneficiary = evm.inner.ctx.block.beneficiary;
        JournalTr::load_account(&mut evm.inner.ctx.journaled_state, beneficiary)?;
        let aside = evm.set_aside(beneficiary);
        post_execution::reward_beneficiary(&mut evm.inner.ctx, ran.gas())?;
        evm.add_back(aside);
        Ok(())
    }
}

impl<DB: Storage, I> InspectorHandler for MainHandler<DB, I>
where
    I: Inspector<MainnetContext<DB>, EthInterpreter, FrameInput, FrameResult>,
{
    type IT = EthInterpreter;
}

type OrFault<T, DB> = Result<T, ContextDbError<MainnetContext<DB>>>;
type Ended<DB> = Result<(), EVMError<<DB as Database>::Error>>;
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
        let target = self.target(&init)?;
        let marked = target.map_or(Ok(None), |target| self.mark(target))?;
        let Some(marked) = marked else {
            let Some(to) = self.overflowing(&init, target) else {
                return self.inner.frame_init(init);
            };
            let aside = self.set_aside(to);
            let began = self.inner.frame_init(init)?.map_item(|_| ());
            self.add_back(aside);
            return Ok(began.map_item(|()| self.inner.frame_stack.get()));
        };
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
