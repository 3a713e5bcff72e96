//! A thousand transfers of a token, each on the same snapshot, with what each would do.
//!
//! ```sh
//! cargo run --release --package warpevm --example simulate_erc20
//! ```

use warpevm::revm::bytecode::Bytecode;
use warpevm::revm::context::{BlockEnv, CfgEnv, TxEnv};
use warpevm::revm::database::{CacheDB, EmptyDB};
use warpevm::revm::primitives::hardfork::SpecId;
use warpevm::revm::primitives::{Address, Bytes, TxKind, U256, hex, keccak256};
use warpevm::revm::state::AccountInfo;
use warpevm::{Config, Engine, Env, State};

const CALLS: u64 = 1000;
/// Slot of `balanceOf` in the token of the examples.
const BALANCES_SLOT: u64 = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The snapshot: any `DatabaseRef` of revm's.
    let token = Address::repeat_byte(0x70);
    let mut database = CacheDB::new(EmptyDB::default());
    let code = Bytecode::new_raw(token_code()?);
    database.insert_account_info(token, AccountInfo::default().with_code(code));
    for index in 0..CALLS {
        let balance = U256::from(10).pow(U256::from(18));
        database.insert_account_info(holder(index), AccountInfo { balance, ..Default::default() });
        // Every second holder has tokens.
        let tokens = U256::from(if index % 2 == 0 { 1_000_000 } else { 0 });
        database.insert_account_storage(token, balance_slot(holder(index)), tokens)?;
    }

    // The environment and the calls are revm's, too.
    let cfg = CfgEnv::new_with_spec(SpecId::PRAGUE);
    let block = BlockEnv { number: U256::from(22_500_000), ..BlockEnv::default() };
    let env = Env::from_revm(&cfg, block)?;
    let calls: Vec<TxEnv> = (0..CALLS)
        .map(|index| TxEnv {
            caller: holder(index),
            kind: TxKind::Call(token),
            data: transfer(holder((index + 1) % CALLS), U256::from(1000 + index)),
            gas_limit: 100_000,
            ..TxEnv::default()
        })
        .collect();

    let engine = Engine::new(Config::default())?;
    let state = State::new(&database)?;
    let batch = engine.simulate(&env, &calls, &state)?;

    let mut failed = 0;
    for outcome in batch.outcomes {
        // Not valid (nonce, funds, ...), or what it did.
        let executed = outcome.result?;
        let result = executed.to_revm();
        failed += u64::from(!result.is_success());
        assert!(outcome.fallback.is_none(), "it ran elsewhere than on the backend");
    }
    let report = &batch.report;
    println!("{CALLS} calls, {failed} failed for lack of tokens, {} gas", report.gas_used);
    println!("{} of them ran wholly on the device", report.resident_transactions);
    assert_eq!(failed, CALLS / 2);
    Ok(())
}

fn holder(index: u64) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

/// Where the token keeps what somebody has.
fn balance_slot(holder: Address) -> U256 {
    let key = [holder.into_word(), U256::from(BALANCES_SLOT).into()].concat();
    keccak256(key).into()
}

/// Calldata of `transfer(to, amount)`.
fn transfer(to: Address, amount: U256) -> Bytes {
    let selector = &keccak256("transfer(address,uint256)")[..4];
    [selector, to.into_word().as_slice(), &amount.to_be_bytes::<32>()].concat().into()
}

/// The token of the examples, as its compiler left it.
fn token_code() -> Result<Bytes, Box<dyn std::error::Error>> {
    let artifact = include_str!("artifacts/Token.json");
    let (_, code) = artifact.split_once("\"deployed\":\"").ok_or("no code in the artifact")?;
    let (code, _) = code.split_once('"').ok_or("no end of the code")?;
    Ok(hex::decode(code)?.into())
}
