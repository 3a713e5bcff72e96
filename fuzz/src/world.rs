//! Makes cases: a small world of contracts and users, calls and blocks on it.

use std::sync::OnceLock;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use k256::ecdsa::SigningKey;
use revm::context::BlockEnv;
use revm::database_interface::DatabaseRef;
use warpevm::reference::{self, Sequential};
use warpevm::{Checks, Env, Outcome, Spec, Transaction};
use warpevm_compiler::Rule;

use crate::case::{Account, Case};
use crate::program::{self, Scene};
use crate::rng::Rng;
use crate::tx;

/// Users of every world.
const USERS: usize = 6;
/// The chain id of every world.
pub const CHAIN_ID: u64 = 1;

/// Someone who signs.
pub struct User {
    /// The address.
    pub address: Address,
    /// The key.
    pub key: SigningKey,
}

/// The users: the same ones everywhere.
pub fn users() -> &'static [User] {
    static CELL: OnceLock<Vec<User>> = OnceLock::new();
    CELL.get_or_init(|| {
        let user = |index: usize| {
            let secret = keccak256(format!("warpevm fuzz user {index}"));
            let key = SigningKey::from_bytes(&secret.0.into()).expect("a hash is a valid key");
            let public = key.verifying_key().to_encoded_point(false);
            User { address: Address::from_raw_public_key(&public.as_bytes()[1..]), key }
        };
        (0..USERS).map(user).collect()
    })
}

/// What transactions are made from.
pub struct World {
    /// Spec and block environment.
    pub env: Env,
    /// The state.
    pub accounts: Vec<Account>,
    /// What programs may name.
    pub scene: Scene,
    /// The contracts.
    pub contracts: Vec<Address>,
    /// One that calls itself and ends with any gas: see [`program::recursive`].
    pub recursive: Option<Address>,
}

impl World {
    /// The nonce that an account starts with.
    pub fn nonce(&self, address: Address) -> u64 {
        self.accounts.iter().find(|a| a.address == address).map_or(0, |account| account.nonce)
    }
}

/// The cases of a number: a batch of calls, then a block, in the same world.
pub fn cases(seed: u64, number: u64) -> [Case; 2] {
    let mut rng = Rng::of_case(seed, number);
    let world = world(&mut rng);
    [batch(&mut rng, &world), block(&mut rng, &world)]
}

fn spec(rng: &mut Rng) -> Spec {
    let weights = [3, 3, 3, 3, 4, 1, 4, 4, 5, 5, 4, 5, 8, 9, 12];
    Spec::ALL[rng.weighted(&weights)]
}

fn env(rng: &mut Rng, spec: Spec) -> Env {
    let basefee = if spec.rules().has(Rule::BaseFee) { *rng.pick(&[0, 7, 7, 1_000]) } else { 0 };
    let mut block = BlockEnv {
        number: U256::from(*rng.pick(&[1, 200, 300, 20_000_000u64])),
        timestamp: U256::from(1_700_000_000u64),
        gas_limit: *rng.pick(&[30_000_000, 100_000_000, 1 << 40]),
        basefee,
        difficulty: U256::from(131_072),
        prevrandao: spec
            .rules()
            .has(Rule::ProofOfStake)
            .then(|| B256::from(U256::from(rng.next()))),
        ..Default::default()
    };
    let excess = *rng.pick(&[0, 0, 10_000_000]);
    block.set_blob_excess_gas_and_price(excess, 5_007_716);
    Env { spec, chain_id: CHAIN_ID, block, checks: Checks::default() }
}

fn world(rng: &mut Rng) -> World {
    let spec = spec(rng);
    let mut env = env(rng, spec);
    let contracts: Vec<Address> =
        (0..rng.between(2, 5)).map(|i| Address::repeat_byte(0xc0 + i as u8)).collect();
    let mut addresses = contracts.clone();
    addresses.extend(contracts.clone());
    addresses.extend(users().iter().take(3).map(|user| user.address));
    addresses.push(Address::repeat_byte(0xee));
    addresses.push(Address::repeat_byte(0xef));
    let mut scene = Scene { spec, addresses, init_codes: vec![vec![0x00]] };
    let runtimes: Vec<_> = (0..2).map(|_| program::program(rng, &scene)).collect();
    let init_codes = (0..rng.between(1, 4)).map(|i| {
        let runtime = runtimes[i as usize % 2].clone();
        program::init_code(rng, &scene, runtime)
    });
    scene.init_codes = init_codes.collect();
    let mut accounts = Vec::new();
    for address in &contracts {
        accounts.push(contract(rng, &mut scene, *address));
    }
    let recursive = rng.chance(25).then(|| {
        let address = contracts[contracts.len() - 1];
        let own = accounts.last_mut().expect("two contracts at least");
        own.code = program::recursive(rng, &scene).into();
        if rng.chance(70) {
            env.block.gas_limit = 1 << 40;
        }
        address
    });
    // Where the first contract's creations lead.
    let first = contracts[0];
    let salt = B256::with_last_byte(rng.below(2) as u8);
    let made = [
        first.create(accounts[0].nonce),
        first.create2(salt, keccak256(&scene.init_codes[0])),
        users()[0].address.create(0),
    ];
    scene.addresses.extend(made);
    for address in made {
        if rng.chance(12) {
            accounts.push(obstacle(rng, address));
        }
    }
    for (index, user) in users().iter().enumerate() {
        accounts.push(account_of(rng, &scene, index, user.address));
    }
    others(rng, &mut accounts);
    env.block.beneficiary = match rng.weighted(&[60, 12, 12, 6, 10]) {
        0 => Address::repeat_byte(0xcb),
        1 => contracts[0],
        2 => users()[1].address,
        3 => Address::with_last_byte(rng.between(1, 9) as u8),
        _ => Address::repeat_byte(0xee),
    };
    World { env, accounts, scene, contracts, recursive }
}

fn contract(rng: &mut Rng, scene: &mut Scene, address: Address) -> Account {
    let code = match rng.weighted(&[80, 4, 4, 2, 6]) {
        0 => program::program(rng, scene),
        1 => program::arithmetic(rng, scene),
        2 => {
            let len = rng.below(80) as usize;
            rng.bytes(len)
        }
        4 => program::recursive(rng, scene),
        _ => designator(*rng.pick(&scene.addresses)),
    };
    let nonce = match rng.weighted(&[84, 8, 4, 4]) {
        0 => 1,
        1 => rng.between(100, 70_000),
        2 => u64::MAX,
        _ => u64::MAX - 1,
    };
    let mut storage: Vec<(U256, U256)> = Vec::new();
    for key in 0..5u64 {
        if rng.chance(45) {
            storage.push((U256::from(key), U256::from(rng.between(1, 3))));
        }
    }
    let balance = if rng.chance(70) { U256::from(rng.below(50)) } else { U256::ZERO };
    Account { address, balance, nonce, code: code.into(), storage }
}

/// The code of an account that delegates to `to` from Prague on (EIP-7702); plain code before.
fn designator(to: Address) -> Vec<u8> {
    [&[0xef, 0x01, 0x00], to.as_slice()].concat()
}

/// Something where a contract may be created later.
fn obstacle(rng: &mut Rng, address: Address) -> Account {
    let mut account = Account { address, ..Default::default() };
    match rng.below(5) {
        0 => account.balance = U256::from(5),
        1 => account.nonce = 1,
        2 => account.storage.push((U256::ZERO, U256::ONE)),
        3 => account.balance = U256::MAX,
        _ => account.code = Bytes::from_static(&[0x00]),
    }
    account
}

fn account_of(rng: &mut Rng, scene: &Scene, index: usize, address: Address) -> Account {
    let balance = match rng.weighted(&[94, 4, 2]) {
        0 => U256::from(10u128.pow(20)),
        1 => U256::from(rng.skewed(40)),
        _ => U256::ZERO,
    };
    let nonce = match rng.weighted(&[70, 28, 1, 1]) {
        1 if index > 0 => rng.skewed(62),
        2 if index > 0 => u64::MAX,
        3 if index > 0 => u64::MAX - 1,
        _ => 0,
    };
    let mut code = Vec::new();
    if scene.spec.rules().has(Rule::Delegations) && rng.chance(20) {
        code = designator(*rng.pick(&scene.addresses));
    } else if rng.chance(1) {
        code = vec![0x00];
    }
    Account { address, balance, nonce, code: code.into(), storage: Vec::new() }
}

/// Precompiles with a balance, an empty account from before EIP-161.
fn others(rng: &mut Rng, accounts: &mut Vec<Account>) {
    for number in 1..=9 {
        if rng.chance(10) {
            let address = Address::with_last_byte(number);
            accounts.push(Account { address, balance: U256::ONE, ..Default::default() });
        }
    }
    if rng.chance(20) {
        let address = Address::repeat_byte(0xee);
        accounts.push(Account { address, ..Default::default() });
    }
}

fn case(rng: &mut Rng, env: &Env, world: &World, txs: Vec<Transaction>, block: bool) -> Case {
    let (accounts, env) = (world.accounts.clone(), env.clone());
    let (engine, table_seed) = (rng.next() as usize % 97, rng.next());
    Case { env, accounts, txs, block, engine, table_seed }
}

fn batch(rng: &mut Rng, world: &World) -> Case {
    let mut env = world.env.clone();
    if rng.chance(12) {
        env.checks = Checks {
            nonce: rng.chance(50),
            balance: rng.chance(50),
            sender_code: rng.chance(50),
            block_gas_limit: rng.chance(50),
            base_fee: rng.chance(50),
        };
    }
    let count = rng.between(12, 28);
    let mut txs: Vec<_> = (0..count)
        .map(|_| {
            let caller = rng.pick(users()).address;
            let nonce = world.nonce(caller);
            let mut tx = tx::transaction(rng, world, caller, nonce);
            // Most programs do not end before their gas does.
            if !env.checks.block_gas_limit && tx.kind.to() != world.recursive.as_ref() {
                tx.gas_limit = tx.gas_limit.min(GAS_LIMIT_MAX);
            }
            tx
        })
        .collect();
    let mut case = case(rng, &env, world, Vec::new(), false);
    let outcomes = reference::simulate_sequential(&env, &txs, case.state()).unwrap_or_default();
    for (index, outcome) in outcomes.iter().enumerate() {
        let near = gas_near(rng, outcome);
        txs.extend(near.map(|gas_limit| Transaction { gas_limit, ..txs[index].clone() }));
    }
    case.txs = txs;
    case
}

/// More than a program with loops may get, where nothing limits gas.
const GAS_LIMIT_MAX: u64 = 30_000_000;

/// A gas limit around what a transaction needed, or somewhere below.
fn gas_near(rng: &mut Rng, outcome: &Outcome) -> Option<u64> {
    let executed = outcome.result.as_ref().ok()?;
    let needed = executed.gas_used + executed.gas_refunded;
    Some(match rng.weighted(&[14, 10, 20, 26, 30]) {
        0 => needed,
        1 => needed - 1,
        2 => needed.saturating_sub(rng.skewed(12)),
        3 => needed + rng.skewed(14),
        _ => 21_000 + rng.below(needed.saturating_sub(21_000).max(1)),
    })
}

fn block(rng: &mut Rng, world: &World) -> Case {
    let mut env = world.env.clone();
    if rng.chance(3) {
        env.block.gas_limit = rng.between(200_000, 3_000_000);
    }
    let mut case = case(rng, &env, world, Vec::new(), true);
    let state = case.state();
    let mut revm = Sequential::new(&env, &state);
    let mut txs = Vec::new();
    let few = rng.between(1, USERS as u64);
    for _ in 0..rng.between(6, 24) {
        let caller = users()[rng.below(few) as usize].address;
        let info = revm.state().basic_ref(caller).ok().flatten();
        let mut tx = tx::transaction(rng, world, caller, info.map_or(0, |info| info.nonce));
        let Ok((outcome, _)) = revm.transact_once(&tx) else { continue };
        if rng.chance(40) {
            tx.gas_limit = gas_near(rng, &outcome).unwrap_or(tx.gas_limit);
        }
        match revm.transact(&tx) {
            Ok(outcome) if outcome.result.is_ok() => txs.push(tx),
            // The block ends with a transaction that is not valid.
            Ok(_) if rng.chance(6) => {
                txs.push(tx);
                break;
            }
            _ => {}
        }
    }
    case.txs = txs;
    case
}
