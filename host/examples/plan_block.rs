//! Which transactions of a block depend on which, and what that allows: waves, chains, speedups.
//!
//! ```sh
//! cargo run --release --package warpevm --example plan_block
//! ```

use warpevm::plan::{BlockAccesses, Plan};
use warpevm::revm::context::{BlockEnv, CfgEnv, TxEnv};
use warpevm::revm::database::{CacheDB, EmptyDB};
use warpevm::revm::primitives::hardfork::SpecId;
use warpevm::revm::primitives::{Address, TxKind, U256};
use warpevm::revm::state::AccountInfo;
use warpevm::{Config, Engine, Env, State};

/// Senders, of whom each second one pays all that it got from the one before it.
const SENDERS: u8 = 24;
const GAS: u64 = 21_000;
/// Instances that a warp of a GPU runs at once.
const WARP: u32 = 32;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ether = U256::from(10).pow(U256::from(18));
    let account = |index: u8| Address::repeat_byte(0x10 + index);
    let mut database = CacheDB::new(EmptyDB::default());
    for index in (0..SENDERS).step_by(2) {
        let info = AccountInfo { balance: ether, ..AccountInfo::default() };
        database.insert_account_info(account(index), info);
    }
    let env = Env::from_revm(&CfgEnv::new_with_spec(SpecId::CANCUN), BlockEnv::default())?;
    let transactions: Vec<TxEnv> = (0..SENDERS)
        .map(|index| TxEnv {
            caller: account(index),
            kind: TxKind::Call(account(index + 1)),
            value: ether / U256::from(1 + index % 2 * 2),
            gas_limit: GAS,
            ..TxEnv::default()
        })
        .collect();

    // One execution on a fork of the state says what each transaction touches.
    let engine = Engine::new(Config::default())?;
    let mut state = State::new(&database)?;
    let proposal = engine.speculate(&env, &transactions, &state)?;
    let mut accesses = BlockAccesses::new();
    proposal.accesses.iter().for_each(|touched| accesses.push(touched));
    let gas = vec![GAS; transactions.len()];
    let plan = Plan::new(&transactions, &accesses, &proposal.dag, &gas, WARP);
    println!("{} transactions in {} waves", plan.transactions, plan.waves.len());
    println!("the longest chain: {} of {} gas", plan.critical_path_gas, plan.gas);
    println!("with lanes without end: {:.1} times as fast", plan.speedup(None).unwrap_or(1.0));
    for component in plan.components.iter().take(3) {
        println!("depend on each other: {} transactions", component.transactions);
    }

    // What it proposed lets the block run in parallel; the result never depends on its truth.
    let (block, divergence) = engine.replay(&env, &transactions, &proposal, &mut state)?;
    println!("replayed: {} gas, as proposed: {}", block.gas_used, divergence.is_empty());
    assert!(divergence.is_empty() && plan.waves.len() > 1);
    Ok(())
}
