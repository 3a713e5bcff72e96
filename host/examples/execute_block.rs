//! Transactions in fixed order, on what the earlier ones left, and what they changed in all.
//!
//! ```sh
//! cargo run --release --package warpevm --example execute_block
//! ```

use warpevm::revm::context::{BlockEnv, CfgEnv, TxEnv};
use warpevm::revm::database::{CacheDB, EmptyDB};
use warpevm::revm::primitives::hardfork::SpecId;
use warpevm::revm::primitives::{Address, TxKind, U256};
use warpevm::revm::state::AccountInfo;
use warpevm::{Config, Engine, Env, State, bundle_state};

const BASE_FEE: u64 = 1_000_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ether = U256::from(10).pow(U256::from(18));
    let rich = Address::repeat_byte(0x01);
    let mut database = CacheDB::new(EmptyDB::default());
    let info = AccountInfo { balance: ether * U256::from(100), ..AccountInfo::default() };
    database.insert_account_info(rich, info);

    let cfg = CfgEnv::new_with_spec(SpecId::CANCUN);
    let block = BlockEnv {
        number: U256::from(20_000_000),
        beneficiary: Address::repeat_byte(0xfe),
        gas_limit: 30_000_000,
        basefee: BASE_FEE,
        ..BlockEnv::default()
    };
    let env = Env::from_revm(&cfg, block)?;

    // Each passes on half of what it got: none could run before the one before it.
    let account = |index: u8| if index == 0 { rich } else { Address::repeat_byte(0x10 + index) };
    let transactions: Vec<TxEnv> = (0..8u8)
        .map(|index| TxEnv {
            caller: account(index),
            kind: TxKind::Call(account(index + 1)),
            value: ether * U256::from(64 >> index),
            gas_limit: 21_000,
            gas_price: 2 * u128::from(BASE_FEE),
            chain_id: Some(1),
            ..TxEnv::default()
        })
        .filter(|tx| !tx.value.is_zero())
        .collect();

    let engine = Engine::new(Config::default())?;
    let mut state = State::new(&database)?;
    // A transaction that is not valid makes the block invalid, which is an error that says which.
    let result = engine.execute(&env, &transactions, &mut state)?;
    for (index, outcome) in result.outcomes.iter().enumerate() {
        let executed = outcome.result.clone()?;
        println!("transaction {index}: {:?}, {} gas", executed.status, executed.gas_used);
    }
    println!("{} gas in all", result.gas_used);

    // What changed, for a node built on revm: accounts, codes, and what undoes it.
    let bundle = bundle_state(&result.outcomes, &database)?;
    for (address, change) in &bundle.state {
        let balance = change.info.as_ref().map(|info| info.balance).unwrap_or_default();
        println!("{address} has {balance} wei");
    }
    assert_eq!(bundle.state.len(), transactions.len() + 2);
    Ok(())
}
