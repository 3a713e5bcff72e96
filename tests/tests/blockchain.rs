//! Whole blocks through the engine: the official blockchain tests, and blocks made wrong.

use alloy_consensus::proofs::calculate_withdrawals_root;
use alloy_consensus::{Block, BlockBody, Header, TxEnvelope};
use alloy_eips::eip4895::{Withdrawal, Withdrawals};
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use warpevm::chain::{Chain, Field, ImportError, Invalid, Network};
use warpevm::conformance::files::{self, TestFile};
use warpevm::conformance::{Summary, block_test};
use warpevm::state::MemoryState;
use warpevm::{Backend, Config, Engine};
use warpevm_tests::fixture;

/// Files of a folder in the sample: the first by the archive's order.
const SAMPLE_FILES: usize = 4;
/// Larger files are left out of the sample.
const SAMPLE_BYTES_MAX: usize = 1 << 20;
/// Cases of a file in the sample.
const SAMPLE_CASES: usize = 16;

fn device(threads: usize) -> Engine {
    let config = Config::default().with_backend(Backend::Cpu).with_threads(threads);
    Engine::new(config).expect("an engine")
}

fn run(device: &Engine, file: &TestFile, cases: usize) -> Summary {
    let left = Cell::new(cases);
    let filter = |_: &str, _: &str| {
        let run = left.get() > 0;
        left.set(left.get().saturating_sub(1));
        run
    };
    let result = block_test::run_file(&file.name, &file.bytes, device, &filter);
    result.expect("the file reads").0
}

/// The files that belong to the sample.
fn sample(archive: &Path) -> Vec<TestFile> {
    let mut taken: HashMap<PathBuf, usize> = HashMap::new();
    let mut list = Vec::new();
    files::visit(archive, &mut |file| {
        let file = file?;
        if file.bytes.len() <= SAMPLE_BYTES_MAX {
            let folder = Path::new(&file.name).parent().map(Path::to_owned).unwrap_or_default();
            let taken = taken.entry(folder).or_default();
            if *taken < SAMPLE_FILES {
                *taken += 1;
                list.push(file);
            }
        }
        Ok(())
    })
    .expect("the archive reads");
    list
}

fn assert_all_passed(total: &Summary, cases_min: u64) {
    let shown: Vec<String> =
        total.failures.iter().take(10).map(|failure| failure.to_string()).collect();
    assert!(total.failed == 0, "{} failed:\n{}", total.failed, shown.join("\n"));
    assert!(total.passed >= cases_min, "only {} cases", total.passed);
}

#[test]
fn a_sample_of_the_blockchain_tests_passes() {
    let archive =
        fixture!("a_sample_of_the_blockchain_tests_passes", "conformance/blocks-dev.tar.zst");
    let list = sample(&archive);
    let halves = [&list[..list.len() / 2], &list[list.len() / 2..]];
    let total = std::thread::scope(|scope| {
        // One half on engines that execute in order, the other on one that runs ahead.
        let threads = halves.into_iter().zip([1, 2]).map(|(files, threads)| {
            scope.spawn(move || {
                let device = device(threads);
                let summaries = files.iter().map(|file| run(&device, file, SAMPLE_CASES));
                summaries.fold(Summary::default(), Summary::merged)
            })
        });
        let threads: Vec<_> = threads.collect();
        let sums = threads.into_iter().map(|thread| thread.join().expect("a sum"));
        sums.fold(Summary::default(), Summary::merged)
    });
    assert_all_passed(&total, 1500);
}

#[test]
#[ignore = "takes minutes; cargo xtask test runs it in a release build"]
fn every_blockchain_test_passes() {
    for name in ["blocks-dev", "legacy-dev", "bench-blocks"] {
        let name = format!("conformance/{name}.tar.zst");
        let archive = fixture!("every_blockchain_test_passes", &name);
        let device = device(2);
        let mut total = Summary::default();
        files::visit(&archive, &mut |file| {
            let file = file?;
            total = std::mem::take(&mut total).merged(run(&device, &file, usize::MAX));
            Ok(())
        })
        .expect("the archive reads");
        assert_all_passed(&total, 300);
    }
}

const RECIPIENT: Address = Address::repeat_byte(0xaa);

/// A genesis of Cancun and a valid block after it, which pays one withdrawal.
fn genesis_and_block() -> (Header, MemoryState, Block<TxEnvelope>) {
    let mut state = MemoryState::default();
    state.add_account(Address::repeat_byte(1), U256::from(7), 1, Bytes::new(), Default::default());
    let genesis = Header {
        state_root: state.root(),
        gas_limit: 30_000_000,
        base_fee_per_gas: Some(1_000),
        withdrawals_root: Some(alloy_trie::EMPTY_ROOT_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        ..Header::default()
    };
    let withdrawals = vec![Withdrawal { address: RECIPIENT, amount: 5, ..Default::default() }];
    let mut after = state.clone();
    after.credit(RECIPIENT, U256::from(5_000_000_000u64));
    let header = Header {
        parent_hash: genesis.hash_slow(),
        state_root: after.root(),
        number: 1,
        timestamp: 12,
        gas_limit: 30_000_000,
        base_fee_per_gas: Some(875),
        withdrawals_root: Some(calculate_withdrawals_root(&withdrawals)),
        ..genesis.clone()
    };
    let withdrawals = Some(Withdrawals::new(withdrawals));
    let body = BlockBody { transactions: Vec::new(), ommers: Vec::new(), withdrawals };
    (genesis, state, Block::new(header, body))
}

fn import(change: impl FnOnce(&mut Block<TxEnvelope>)) -> Result<U256, ImportError> {
    let (genesis, state, mut block) = genesis_and_block();
    change(&mut block);
    let network = Network::parse("Cancun", &BTreeMap::new()).expect("a network");
    let device = device(1);
    let mut chain = Chain::new(network, 1, genesis, state, &device).expect("a genesis");
    chain.import(&alloy_rlp::encode(&block))?;
    let account = chain.state().accounts.get(&RECIPIENT);
    Ok(account.map_or(U256::ZERO, |account| account.info.balance))
}

#[test]
fn a_valid_block_is_imported() {
    assert_eq!(import(|_| {}).expect("it is valid"), U256::from(5_000_000_000u64));
}

#[test]
fn a_header_that_says_something_else_is_rejected() {
    type Change = fn(&mut Header);
    let fields: [(Field, Change); 12] = [
        (Field::Number, |h| h.number = 2),
        (Field::Difficulty, |h| h.difficulty = U256::from(1)),
        (Field::Nonce, |h| h.nonce = B64::repeat_byte(1)),
        (Field::BaseFee, |h| h.base_fee_per_gas = Some(876)),
        (Field::ExcessBlobGas, |h| h.excess_blob_gas = Some(1 << 17)),
        (Field::BlobGasUsed, |h| h.blob_gas_used = Some(1 << 17)),
        (Field::TransactionsRoot, |h| h.transactions_root = B256::repeat_byte(1)),
        (Field::OmmersHash, |h| h.ommers_hash = B256::repeat_byte(1)),
        (Field::WithdrawalsRoot, |h| h.withdrawals_root = Some(B256::repeat_byte(1))),
        (Field::StateRoot, |h| h.state_root = B256::repeat_byte(1)),
        (Field::ReceiptsRoot, |h| h.receipts_root = B256::repeat_byte(1)),
        (Field::LogsBloom, |h| h.logs_bloom = Bloom::repeat_byte(1)),
    ];
    for (wrong, change) in fields {
        match import(|block| change(&mut block.header)) {
            Err(ImportError::Invalid(Invalid::Field { field, .. })) => assert_eq!(field, wrong),
            other => panic!("{wrong}: {other:?}"),
        }
    }
}

#[test]
fn a_header_that_breaks_a_rule_is_rejected() {
    fn why(change: fn(&mut Block<TxEnvelope>)) -> Invalid {
        match import(change) {
            Err(ImportError::Invalid(why)) => why,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(why(|b| b.header.timestamp = 0), Invalid::Timestamp { timestamp: 0, parent: 0 });
    assert_eq!(why(|b| b.header.extra_data = vec![0; 33].into()), Invalid::ExtraData(33));
    assert_eq!(why(|b| b.header.parent_hash = B256::ZERO), Invalid::UnknownParent(B256::ZERO));
    let limit = why(|b| b.header.gas_limit = 30_000_000 + 30_000_000 / 1024);
    assert!(matches!(limit, Invalid::GasLimit { .. }), "{limit}");
    let used = why(|b| b.header.gas_used = 30_000_001);
    assert!(matches!(used, Invalid::GasUsedLimit { .. }), "{used}");
    let blobs = why(|b| b.header.blob_gas_used = Some(7 << 17));
    assert_eq!(blobs, Invalid::Blobs { blobs: 7, max: 6 });
    let requests = why(|b| b.header.requests_hash = Some(B256::ZERO));
    assert_eq!(requests, Invalid::Early("requestsHash"));
    assert_eq!(why(|b| b.body.withdrawals = None), Invalid::Missing("withdrawals"));
    let ommer = why(|b| b.body.ommers.push(Header::default()));
    assert!(matches!(ommer, Invalid::Field { field: Field::OmmersHash, .. }), "{ommer}");
}

#[test]
fn bytes_after_a_block_are_rejected() {
    let (genesis, state, block) = genesis_and_block();
    let network = Network::parse("Cancun", &BTreeMap::new()).expect("a network");
    let device = device(1);
    let mut chain = Chain::new(network, 1, genesis, state, &device).expect("a genesis");
    let rlp = alloy_rlp::encode(&block);
    let mut long = rlp.clone();
    long.push(0);
    for bad in [&long[..], &rlp[..rlp.len() - 1], &[], &[0xc0], &[0xff; 9]] {
        let imported = chain.import(bad);
        assert!(matches!(imported, Err(ImportError::Invalid(Invalid::Rlp { .. }))), "{imported:?}");
    }
    assert!(chain.import(&rlp).is_ok());
}
