//! The validator finds what is wrong, and its reproducers are state tests that revm passes.

mod common;

use common::{MAINNET, block, source};
use revm::context::{CfgEnv, Context};
use revm::database::InMemoryDB;
use revm::primitives::hardfork::SpecId;
use revm::state::{AccountInfo, Bytecode};
use revm::{ExecuteCommitEvm, MainBuilder, MainContext};
use revm_statetest_types::TestSuite;
use warpevm::chain::{BlockSource, Revm, Selection};
use warpevm::input::InputError;
use warpevm::reference::validate::{self, Validate};
use warpevm::{Outcome, Rejected, TxStatus};
use warpevm_tests::fixture;

/// Runs a state test with revm, reading it with revm's own types: the logs' hash and the state root
/// must be those of the test.
fn passes(test: &serde_json::Value) {
    let text = test.to_string();
    let TestSuite(units) = serde_json::from_str(&text).expect("a state test");
    for (name, unit) in units {
        for (spec, tests) in &unit.post {
            let mut cfg = CfgEnv::new_with_spec(spec.to_spec_id());
            let block = unit.block_env(&mut cfg);
            for test in tests {
                let mut db = InMemoryDB::default();
                for (address, account) in &unit.pre {
                    let code = Bytecode::new_raw(account.code.clone());
                    let hash = code.hash_slow();
                    let info = AccountInfo::new(account.balance, account.nonce, hash, code);
                    db.insert_account_info(*address, info);
                    for (key, value) in &account.storage {
                        db.insert_account_storage(*address, *key, *value).expect("in memory");
                    }
                }
                let tx = test.tx_env(&unit).expect("a transaction");
                let mut evm = Context::mainnet()
                    .with_db(db)
                    .with_cfg(cfg.clone())
                    .with_block(block.clone())
                    .build_mainnet();
                let result = evm.transact_commit(tx);
                assert_eq!(result.is_err(), test.expect_exception.is_some(), "{name}: {result:?}");
                let logs = result.map(|r| r.into_logs()).unwrap_or_default();
                assert_eq!(logs_hash(&logs), test.logs, "{name}: logs");
                let db = &evm.ctx.journaled_state.database;
                assert_eq!(root(db, spec.to_spec_id()), test.hash, "{name}: state root");
            }
        }
    }
}

fn logs_hash(logs: &[alloy_primitives::Log]) -> alloy_primitives::B256 {
    alloy_primitives::keccak256(alloy_rlp::encode(logs.to_vec()))
}

fn root(db: &InMemoryDB, spec: SpecId) -> alloy_primitives::B256 {
    use alloy_trie::{TrieAccount, root};
    let there = db.cache.accounts.iter().filter(|(_, account)| {
        let empty = spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) && account.info.is_empty();
        account.info().is_some() && !empty
    });
    root::state_root_unhashed(there.map(|(address, account)| {
        let slots = account.storage.iter().filter(|(_, value)| !value.is_zero());
        let account = TrieAccount {
            nonce: account.info.nonce,
            balance: account.info.balance,
            storage_root: root::storage_root_unhashed(slots.map(|(k, v)| ((*k).into(), *v))),
            code_hash: account.info.code_hash,
        };
        (*address, account)
    }))
}

fn executed(outcome: &mut Outcome) -> &mut warpevm::Executed {
    outcome.result.as_mut().expect("a valid transaction")
}

#[test]
fn the_reference_validates_itself_on_every_block() {
    let archive = fixture!("the_reference_validates_itself_on_every_block", MAINNET);
    source(&archive)
        .visit(&Selection::All, |_, block| {
            let block = block?;
            let outcomes = block.execute(&Revm).expect("revm runs").outcomes;
            for mode in [Validate::Full, Validate::Sample] {
                let validation = block.validate(&outcomes, mode).expect("runs");
                let found: Vec<_> = validation.mismatches().collect();
                assert!(found.is_empty(), "block {} {mode:?}: {found:?}", block.number);
                if mode == Validate::Full {
                    assert_eq!(validation.checked, outcomes.len() as u64);
                }
            }
            Ok::<_, InputError>(())
        })
        .expect("every block reads");
}

#[test]
fn every_altered_field_is_found() {
    let archive = fixture!("every_altered_field_is_found", MAINNET);
    let block = block(&archive, 17_666_333);
    let good = block.execute(&Revm).expect("revm runs").outcomes;
    let rich = good.iter().position(|outcome| {
        let executed = outcome.result.as_ref().expect("valid");
        !executed.logs.is_empty() && executed.changes.iter().any(|c| c.storage.len() > 1)
    });
    let rich = rich.expect("a transaction with logs and storage");
    type Alter = fn(&mut Outcome);
    let alterations: [(&str, Alter); 11] = [
        ("status", |o| executed(o).status = TxStatus::Halt),
        ("gas used", |o| executed(o).gas_used += 1),
        ("gas refunded", |o| executed(o).gas_refunded += 1),
        ("output", |o| executed(o).output = vec![1, 2, 3].into()),
        ("created", |o| executed(o).created = Some([9; 20].into())),
        ("number of logs", |o| drop(executed(o).logs.pop())),
        ("log 0", |o| executed(o).logs[0].address = [9; 20].into()),
        ("account 0x", |o| executed(o).changes[0].info = None),
        ("account 0x", |o| drop(executed(o).changes.pop())),
        ("storage 0x", |o| {
            let mut changes = executed(o).changes.iter_mut();
            changes.find(|c| c.storage.len() > 1).expect("storage").storage.pop();
        }),
        ("validity", |o| o.result = Err(Rejected::SenderCode)),
    ];
    for (what, alter) in alterations {
        let mut outcomes = good.clone();
        alter(&mut outcomes[rich]);
        let (hash, of_good) = (validate::result_hash(&outcomes), validate::result_hash(&good));
        assert_ne!(hash, of_good, "{what}");
        let validation = block.validate(&outcomes, Validate::Full).expect("revm runs");
        // A wrong change may make others wrong, which rest on it; this one comes first.
        let wrong = validation.wrong.first().expect("a difference");
        assert_eq!(wrong.index, rich, "{what}");
        let found = &wrong.mismatches;
        assert!(found.iter().any(|m| m.what.starts_with(what)), "{what}: {found:?}");
    }
}

#[test]
fn reproducers_are_state_tests_that_revm_passes() {
    let archive = fixture!("reproducers_are_state_tests_that_revm_passes", MAINNET);
    // A transaction type, a spec or a way to end each: every transaction of these blocks.
    for number in [116_525, 2_674_998, 6_196_166, 12_300_570, 17_666_333, 19_932_703] {
        let block = block(&archive, number);
        let mut outcomes = block.execute(&Revm).expect("revm runs").outcomes;
        for outcome in &mut outcomes {
            executed(outcome).gas_used += 1;
        }
        let validation = block.validate(&outcomes, Validate::Full).expect("revm runs");
        assert_eq!(validation.wrong.len(), outcomes.len());
        for wrong in &validation.wrong {
            let name = format!("block {number} transaction {}", wrong.index);
            passes(&wrong.reproducer.to_json(&name).expect("revm runs the test"));
        }
    }
}

#[test]
fn a_rejected_transaction_becomes_a_test_with_an_exception() {
    let archive = fixture!("a_rejected_transaction_becomes_a_test_with_an_exception", MAINNET);
    let mut block = block(&archive, 17_666_333);
    block.transactions[0].nonce += 1;
    let outcomes = block.execute(&Revm).expect("revm runs").outcomes;
    assert!(matches!(outcomes[0].result, Err(Rejected::NonceTooHigh { .. })));
    let mut altered = outcomes.clone();
    altered[0].result = Err(Rejected::SenderCode);
    let validation = block.validate(&altered, Validate::Full).expect("revm runs");
    assert_eq!(validation.mismatches().next().expect("one").what, "rejection");
    let test = validation.wrong[0].reproducer.to_json("rejected").expect("revm runs the test");
    assert!(test["rejected"]["post"]["Shanghai"][0]["expectException"].is_string(), "{test}");
    passes(&test);
}

#[test]
fn a_block_has_only_so_much_gas() {
    let archive = fixture!("a_block_has_only_so_much_gas", MAINNET);
    let mut block = block(&archive, 17_666_333);
    let good = block.execute(&Revm).expect("revm runs").outcomes;
    let used = |n: usize| -> u64 {
        good[..n].iter().map(|o| o.result.as_ref().map_or(0, |e| e.gas_used)).sum()
    };
    // The transaction that needs most of the block's gas, with exactly that, then one less.
    let needs = block.transactions.iter().enumerate().map(|(i, tx)| (used(i) + tx.gas_limit, i));
    let (most, last) = needs.max().expect("a transaction");
    block.env.block.gas_limit = most;
    assert_eq!(block.execute(&Revm).expect("revm runs").outcomes, good);
    block.env.block.gas_limit -= 1;
    let outcomes = block.execute(&Revm).expect("revm runs").outcomes;
    let rejected = outcomes.iter().position(|o| o.result.is_err());
    assert_eq!(rejected, Some(last));
    assert!(matches!(outcomes[last].result, Err(Rejected::GasLimit { .. })));
    let validation = block.validate(&outcomes, Validate::Full).expect("revm runs");
    assert_eq!(validation.mismatches().count(), 0);
}
