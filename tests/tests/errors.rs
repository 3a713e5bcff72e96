//! Whose matter an error is: each kind is provoked on every way that leads to it.

mod common;

use common::block_env;
use std::error::Error as _;
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};
use revm::DatabaseRef;
use revm::context::TxEnv;
use revm::database::{CacheDB, EmptyDB};
use revm::database_interface::DBErrorMarker;
use revm::primitives::TxKind;
use revm::state::{AccountInfo, Bytecode};
use warpevm::backend::device::driver::{AnyDriver, DriverError};
use warpevm::backend::device::fake::{DriverCall, FakeDriver, Fault};
use warpevm::error::with_causes;
use warpevm::{
    Backend, Config, Engine, Env, Error, ErrorKind, Policy, Spec, State, Transaction, reference,
};
use warpevm_tests::asm;

const CONTRACT: Address = Address::repeat_byte(0xcc);
const SENDER: Address = Address::repeat_byte(0xaa);
const PLENTY_BYTES: u64 = 4 << 30;

#[derive(Debug, PartialEq)]
struct Gone;

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the disk is gone")
    }
}

impl std::error::Error for Gone {}
impl DBErrorMarker for Gone {}

/// What a database fails to read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Account,
    Code,
    Storage,
    BlockHash,
}

struct Failing {
    db: CacheDB<EmptyDB>,
    part: Part,
}

impl Failing {
    fn unless<T>(&self, part: Part, read: Result<T, impl Sized>) -> Result<T, Gone> {
        if part == self.part { Err(Gone) } else { read.map_err(|_| Gone) }
    }
}

impl DatabaseRef for Failing {
    type Error = Gone;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Gone> {
        let info = self.db.basic_ref(address);
        let without_code = |info: AccountInfo| AccountInfo { code: None, ..info };
        // The sender is known: where it fails, it fails within the call.
        let part = if address == CONTRACT { Part::Account } else { Part::Code };
        match part {
            Part::Account => self.unless(part, info.map(|info| info.map(without_code))),
            _ => info.map_err(|_| Gone),
        }
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Gone> {
        self.unless(Part::Code, self.db.code_by_hash_ref(hash))
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256, Gone> {
        self.unless(Part::Storage, self.db.storage_ref(address, key))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Gone> {
        self.unless(Part::BlockHash, self.db.block_hash_ref(number))
    }
}

/// A sender, and a contract that reads a slot and the hash of the block before.
fn database() -> CacheDB<EmptyDB> {
    let mut db = CacheDB::default();
    let balance = U256::from(10).pow(U256::from(18));
    db.insert_account_info(SENDER, AccountInfo { balance, ..Default::default() });
    let code = Bytecode::new_raw(asm("0 sload 1 number sub blockhash 0 sstore stop").into());
    db.insert_account_info(CONTRACT, AccountInfo::default().with_code(code));
    db
}

fn call(nonce: u64) -> Transaction {
    TxEnv {
        caller: SENDER,
        nonce,
        kind: TxKind::Call(CONTRACT),
        gas_limit: 100_000,
        gas_price: 10,
        chain_id: Some(1),
        ..Default::default()
    }
}

fn fake(bytes: u64, faults: Vec<Fault>) -> FakeDriver {
    FakeDriver::new(bytes, faults).expect("a device")
}

fn on(driver: FakeDriver, config: Config) -> Result<Engine, Error> {
    let driver: AnyDriver = Arc::new(driver);
    Engine::on_drivers(config, vec![driver])
}

/// Everything that executes: threads alone, a device, revm.
fn engines() -> Vec<Engine> {
    let config = Config::default().with_threads(2);
    let mut engines: Vec<Engine> = [Policy::Sequential, Policy::Optimistic, Policy::Auto]
        .into_iter()
        .map(|policy| Engine::new(config.with_policy(policy)).expect("an engine"))
        .collect();
    engines.push(Engine::new(config.with_backend(Backend::Revm)).expect("revm"));
    let device = config.with_policy(Policy::Optimistic);
    engines.push(on(fake(PLENTY_BYTES, vec![]), device).expect("an engine"));
    engines
}

/// The errors of all that an engine does.
fn errors<DB: DatabaseRef + Sync>(engine: &Engine, env: &Env, db: &DB) -> Vec<Error> {
    let fresh = || State::new(db).expect("a state");
    let calls: Vec<Transaction> = (0..64).map(|_| call(0)).collect();
    let block: Vec<Transaction> = (0..64).map(call).collect();
    vec![
        engine.simulate(env, &calls, &fresh()).expect_err("calls"),
        engine.execute(env, &block, &mut fresh()).expect_err("a block"),
        engine.system_call(env, CONTRACT, Bytes::new(), &mut fresh()).expect_err("a system call"),
    ]
}

#[test]
fn a_database_that_fails() {
    let env = block_env(Spec::Osaka);
    for part in [Part::Account, Part::Code, Part::Storage, Part::BlockHash] {
        let failing = Failing { db: database(), part };
        let mut all: Vec<Error> =
            engines().iter().flat_map(|engine| errors(engine, &env, &failing)).collect();
        all.push(reference::execute_sequential(&env, &[call(0)], &failing).expect_err("revm"));
        for error in all {
            assert_eq!(error.kind(), ErrorKind::Database, "{part:?}: {error:?}");
            let source = error.source().and_then(|source| source.downcast_ref::<Gone>());
            assert_eq!(source, Some(&Gone), "{part:?}: {error:?}");
            assert_eq!(with_causes(&error), "state database: the disk is gone");
        }
    }
}

#[test]
fn an_environment_that_lacks_something() {
    let mut env = block_env(Spec::Osaka);
    env.block.prevrandao = None;
    for engine in engines() {
        let mut state = State::new(database()).expect("a state");
        let error = engine.simulate(&env, &[call(0)], &state).expect_err("calls");
        assert_eq!(error.kind(), ErrorKind::Input, "{error:?}");
        let error = engine.execute(&env, &[call(0)], &mut state).expect_err("a block");
        assert_eq!(error.kind(), ErrorKind::Input, "{error:?}");
    }
}

#[test]
fn a_block_that_is_not_valid() {
    let env = block_env(Spec::Osaka);
    let block = [call(0), call(7)];
    for engine in engines() {
        let mut state = State::new(database()).expect("a state");
        let error = engine.execute(&env, &block, &mut state).expect_err("it is not valid");
        assert_eq!(error.kind(), ErrorKind::Input, "{error:?}");
        let told = "transaction 1 is not valid: nonce 7 is higher than the account's nonce 1";
        assert_eq!(with_causes(&error), told);
    }
}

#[test]
fn a_device_that_cannot_be_opened() {
    let opened = |error: Option<DriverError>| {
        let fault = error.map(|error| Fault { call: DriverCall::Stream, after: 0, error });
        let driver = fake(PLENTY_BYTES, fault.into_iter().collect());
        on(driver, Config::default()).err().map(|error| error.kind())
    };
    assert_eq!(opened(None), None);
    for (error, kind) in [
        (DriverError::Lost("unplugged".to_owned()), ErrorKind::DeviceLost),
        (DriverError::OutOfMemory(1), ErrorKind::Exhausted),
        (DriverError::Failed("some fault".to_owned()), ErrorKind::NoDevice),
    ] {
        assert_eq!(opened(Some(error)), Some(kind));
    }
    for backend in [Backend::Cuda, Backend::Wgpu] {
        let config = Config::default().with_backend(backend).with_gpu(Some(9_999));
        let error = Engine::new(config).err().expect("there are not so many");
        assert_eq!(error.kind(), ErrorKind::NoDevice, "{error:?}");
    }
}

/// A kernel that leaves its instances as they were has broken its contract.
#[test]
fn a_kernel_that_does_nothing() {
    let driver = fake(PLENTY_BYTES, vec![]).with_run_thread(Box::new(|_, _, _| {}));
    let engine = on(driver, Config::default().with_threads(2)).expect("an engine");
    let (env, db) = (block_env(Spec::Osaka), database());
    let state = State::new(&db).expect("a state");
    let error = engine.simulate(&env, &[call(0)], &state).expect_err("nothing ran");
    assert_eq!(error.kind(), ErrorKind::Bug, "{error:?}");
}
