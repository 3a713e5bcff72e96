//! Conversions from and to revm's types, on blocks that revm executes itself.

mod common;

use alloy_primitives::KECCAK256_EMPTY;
use common::{MAINNET, example_block, source};
use revm::context::result::ExecutionResult;
use revm::context::{BlockEnv, CfgEnv, Context};
use revm::database::states::bundle_state::BundleRetention;
use revm::database::{BundleState, State as RevmState, WrapDatabaseRef};
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use revm::{ExecuteCommitEvm, MainBuilder, MainContext};
use warpevm::chain::{BlockInput, BlockSource, Selection};
use warpevm::input::InputError;
use warpevm::{Config, Engine, Env, Spec, State, bundle_state};
use warpevm_tests::fixture;

/// revm's own results of a block's transactions, and what they changed.
fn revm(block: &BlockInput) -> (Vec<ExecutionResult>, BundleState) {
    let (cfg, block_env) = block.env.to_revm();
    let database = WrapDatabaseRef(&block.state);
    let mut state = RevmState::builder().with_database(database).with_bundle_update().build();
    let context = Context::mainnet().with_db(&mut state).with_cfg(cfg).with_block(block_env);
    let mut evm = context.build_mainnet();
    let results = block.transactions.iter().map(|tx| evm.transact_commit(tx.clone()));
    let results = results.collect::<Result<_, _>>().expect("the block is valid");
    drop(evm);
    state.merge_transitions(BundleRetention::Reverts);
    (results, state.take_bundle())
}

/// Gas as receipts add it up; halts are one class (docs/ARCHITECTURE.md, Rejected designs).
fn seen(result: &ExecutionResult) -> String {
    let gas = (result.gas().tx_gas_used(), result.gas().final_refunded());
    match result {
        ExecutionResult::Success { reason, logs, output, .. } => {
            format!("{reason:?} {gas:?} {logs:?} {output:?}")
        }
        ExecutionResult::Revert { output, .. } => format!("revert {gas:?} {output:?}"),
        ExecutionResult::Halt { .. } => format!("halt {gas:?}"),
    }
}

fn same_as_revm(block: &BlockInput) {
    let (results, bundle) = revm(block);
    let engine = Engine::new(Config::default().with_threads(1)).expect("an engine");
    let mut state = State::new(&block.state).expect("a state");
    let ran = engine.execute(&block.env, &block.transactions, &mut state).expect("it runs");
    for (index, (expected, outcome)) in results.iter().zip(&ran.outcomes).enumerate() {
        let got = outcome.result.as_ref().expect("valid").to_revm();
        assert_eq!(seen(expected), seen(&got), "block {}, {index}", block.number);
    }
    let got = bundle_state(&ran.outcomes, &block.state).expect("memory does not fail");
    // revm's has the codes of all accounts that changed, ours the new ones.
    for (hash, code) in &got.contracts {
        assert_eq!(bundle.contracts.get(hash), Some(code), "block {}", block.number);
    }
    for account in got.state.values() {
        let hash = |info: &Option<AccountInfo>| info.as_ref().map(|info| info.code_hash);
        let new = hash(&account.info).filter(|new| Some(*new) != hash(&account.original_info));
        let new = new.filter(|hash| *hash != KECCAK256_EMPTY);
        assert!(new.is_none_or(|hash| got.contracts.contains_key(&hash)), "{account:?}");
    }
    let changed = |bundle: &BundleState| {
        let changed = bundle.state.iter().filter(|(_, account)| {
            account.is_info_changed() || account.storage.values().any(|slot| slot.is_changed())
        });
        let mut changed: Vec<_> = changed
            .map(|(address, account)| {
                let slots = account.storage.iter().filter(|(_, slot)| slot.is_changed());
                let mut slots: Vec<_> = slots
                    .map(|(key, slot)| (*key, slot.previous_or_original_value, slot.present_value))
                    .collect();
                slots.sort_unstable();
                let without_code = |info: &Option<AccountInfo>| {
                    info.as_ref().map(|info| (info.balance, info.nonce, info.code_hash))
                };
                let info = (without_code(&account.original_info), without_code(&account.info));
                (*address, info, slots, account.status.was_destroyed())
            })
            .collect();
        changed.sort_unstable();
        changed
    };
    assert_eq!(changed(&bundle), changed(&got), "block {}", block.number);
}

#[test]
fn results_and_changes_are_revms() {
    let archive = fixture!("results_and_changes_are_revms", MAINNET);
    let mut count = 0;
    source(&archive)
        .visit(&Selection::default(), |_, block| {
            same_as_revm(&block?);
            count += 1;
            Ok::<_, InputError>(())
        })
        .expect("the archive reads");
    assert_eq!(count, 49);
}

#[test]
fn the_example_block_is_revms() {
    source(&example_block())
        .visit(&Selection::default(), |_, block| {
            same_as_revm(&block?);
            Ok::<_, InputError>(())
        })
        .expect("the block reads");
}

#[test]
fn environments_go_there_and_back() {
    for spec in Spec::ALL {
        let block = BlockEnv { number: alloy_primitives::U256::from(7), ..BlockEnv::default() };
        let checks = warpevm::Checks { nonce: false, base_fee: false, ..Default::default() };
        let env = Env { spec, chain_id: 5, block, checks };
        let (cfg, block) = env.to_revm();
        let back = Env::from_revm(&cfg, block.clone());
        if spec == Spec::Constantinople {
            // revm takes it for Petersburg, at other prices.
            assert_eq!(back.expect_err("no such prices").setting, "gas_params");
            continue;
        }
        let back = back.expect("it is ours");
        assert_eq!((back.spec, back.chain_id, back.checks), (spec, 5, checks));
        assert_eq!(back.block, block);
    }
}

#[test]
fn what_the_engine_does_not_have_is_refused_by_name() {
    let refused = |change: fn(&mut CfgEnv)| {
        let mut cfg = CfgEnv::new_with_spec(SpecId::PRAGUE);
        change(&mut cfg);
        Env::from_revm(&cfg, BlockEnv::default()).expect_err("refused").to_string()
    };
    for (change, setting) in [
        ((|cfg| cfg.tx_chain_id_check = false) as fn(&mut CfgEnv), "tx_chain_id_check"),
        (|cfg| cfg.limit_contract_code_size = Some(1 << 20), "limit_contract_code_size"),
        (|cfg| cfg.limit_contract_initcode_size = Some(1), "limit_contract_initcode_size"),
        (|cfg| cfg.tx_gas_limit_cap = Some(30_000_000), "tx_gas_limit_cap"),
        (|cfg| cfg.disable_fee_charge = true, "disable_fee_charge"),
        (|cfg| cfg.set_spec_and_mainnet_gas_params(SpecId::AMSTERDAM), "spec AMSTERDAM"),
    ] {
        assert_eq!(refused(change), format!("warpevm has no {setting}"));
    }
    let plain = CfgEnv::new_with_spec(SpecId::PRAGUE);
    assert!(Env::from_revm(&plain, BlockEnv::default()).is_ok());
}
