//! Real mainnet blocks: what revm makes of them must equal their headers. This holds the reader,
//! the reference and the header checks together; whatever warpevm computes is compared with them.

mod common;

use common::{MAINNET, source};
use std::path::Path;
use warpevm::chain::{BlockSource, Revm, Selection};
use warpevm::input::InputError;
use warpevm_tests::fixture;

/// The blocks of the index: number, spec, transactions, gas.
fn index(archive: &Path) -> Vec<(u64, String, u64, u64)> {
    let path = archive.with_file_name("mainnet-dev.index.json");
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path).expect("the index is there")).expect("JSON");
    let blocks = index["blocks"].as_array().expect("blocks");
    let number = |block: &serde_json::Value, key: &str| block[key].as_u64().expect("a number");
    blocks
        .iter()
        .map(|b| {
            let spec = b["spec"].as_str().expect("a name").to_lowercase().replace('_', "-");
            (number(b, "number"), spec, number(b, "txs"), number(b, "gas_used"))
        })
        .collect()
}

#[test]
fn revm_agrees_with_every_header() {
    let archive = fixture!("revm_agrees_with_every_header", MAINNET);
    let index = index(&archive);
    let mut seen = Vec::new();
    let count = source(&archive)
        .visit(&Selection::All, |_, block| {
            let block = block?;
            let outcomes = block.execute(&Revm).expect("revm runs the block").outcomes;
            assert!(outcomes.iter().all(|o| o.result.is_ok()), "block {}", block.number);
            let checks = block.check(&outcomes);
            for check in checks {
                assert!(!check.failed(), "block {}: {check:?}", block.number);
                let root_of_state = check.field == "receipts_root" && block.number < 4_370_000;
                assert_eq!(check.ok.is_none(), root_of_state, "block {}: {check:?}", block.number);
            }
            assert_eq!(block.state.unlisted_hashes(), [0u64; 0], "block {}", block.number);
            seen.push((
                block.number,
                block.env.spec.to_string(),
                block.transactions.len() as u64,
                block.header.gas_used,
            ));
            Ok::<_, InputError>(())
        })
        .expect("every block reads");
    assert_eq!(count, index.len());
    seen.sort();
    assert_eq!(seen, index);
}

#[test]
fn a_wrong_result_fails_the_header_checks() {
    let archive = fixture!("a_wrong_result_fails_the_header_checks", MAINNET);
    let mut blocks = 0;
    source(&archive)
        .visit(&Selection::from(17_666_333), |_, block| {
            let block = block?;
            let good = block.execute(&Revm).expect("revm runs the block").outcomes;
            let failed = |outcomes: &[warpevm::Outcome]| {
                let checks = block.check(outcomes);
                checks.iter().filter(|c| c.failed()).map(|c| c.field).collect::<Vec<_>>()
            };
            assert_eq!(failed(&good), [""; 0]);
            let mut gas = good.clone();
            gas[3].result.as_mut().expect("valid").gas_used += 1;
            assert_eq!(failed(&gas), ["receipts_root", "gas_used"]);
            let logger =
                good.iter().position(|o| !o.result.as_ref().expect("valid").logs.is_empty());
            let mut logs = good.clone();
            logs[logger.expect("a log")].result.as_mut().expect("valid").logs[0].address =
                [7; 20].into();
            assert_eq!(failed(&logs), ["receipts_root", "logs_bloom"]);
            blocks += 1;
            Ok::<_, InputError>(())
        })
        .expect("the block reads");
    assert_eq!(blocks, 1);
}
