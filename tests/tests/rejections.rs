//! For every exception that official tests name, a block that raises it: rejected for this reason
//! and for no other. The blocks are built here, each from a valid one.

mod common;

use alloy_consensus::proofs::{calculate_ommers_root, calculate_transaction_root};
use alloy_consensus::{Block, BlockBody, EMPTY_OMMER_ROOT_HASH, Header, SignableTransaction};
use alloy_consensus::{
    Signed, Transaction as _, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy,
};
use alloy_eips::eip4895::{Withdrawal, Withdrawals};
use alloy_eips::eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
use alloy_eips::eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS;
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bloom, Bytes, Signature, TxKind, U256, keccak256};
use alloy_rlp::Encodable;
use common::inputs::{rejected_test, transfer};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use warpevm::chain::{BlockExecutor, BlockTransaction, Chain, Field, GAS_PER_BLOB};
use warpevm::chain::{ImportError, Invalid, Network, Revm};
use warpevm::conformance::{Summary, exceptions, files, state_test};
use warpevm::state::MemoryState;
use warpevm::{Backend, Config, Engine};
use warpevm_tests::fixture;

const ETHER: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
const GAS_LIMIT: u64 = 30_000_000;
/// Of a genesis with proof of work. Blocks 12 seconds apart leave it as it is.
const DIFFICULTY: U256 = U256::from_limbs([1 << 20, 0, 0, 0]);
/// Whom transactions call.
const CALLEE: Address = Address::repeat_byte(0xca);

/// A genesis of a network, and what stands in it.
#[derive(Clone)]
struct World {
    network: &'static str,
    genesis: Header,
    state: MemoryState,
}

/// Whether the first fork of a network has what came with a fork.
fn has(network: &str, fork: &str) -> bool {
    let forks = ["London", "Paris", "Shanghai", "Cancun", "Prague", "Osaka"];
    let place = |name: &str| forks.iter().position(|fork| name.starts_with(fork));
    // Other names are those of older forks.
    place(network) >= place(fork)
}

impl World {
    fn new(network: &'static str) -> World {
        let mut state = MemoryState::default();
        // A system contract that returns nothing.
        let code = Bytes::from_static(&[0]);
        for address in
            [WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS]
        {
            state.add_account(address, U256::ZERO, 1, code.clone(), Default::default());
        }
        let number = |fork, number| Some(number).filter(|_| has(network, fork));
        let word = |fork, word| Some(word).filter(|_| has(network, fork));
        let genesis = Header {
            gas_limit: GAS_LIMIT,
            difficulty: if has(network, "Paris") { U256::ZERO } else { DIFFICULTY },
            base_fee_per_gas: number("London", 1_000),
            withdrawals_root: word("Shanghai", alloy_trie::EMPTY_ROOT_HASH),
            blob_gas_used: number("Cancun", 0),
            excess_blob_gas: number("Cancun", 0),
            parent_beacon_block_root: word("Cancun", B256::ZERO),
            requests_hash: word("Prague", EMPTY_REQUESTS_HASH),
            ..Header::default()
        };
        World { network, genesis, state }
    }

    fn genesis(&self) -> Header {
        Header { state_root: self.state.root(), ..self.genesis.clone() }
    }

    fn chain<'e>(&self, executor: &'e dyn BlockExecutor) -> Chain<'e> {
        let network = Network::parse(self.network, &BTreeMap::new()).expect("a network");
        Chain::new(network, 1, self.genesis(), self.state.clone(), executor).expect("a genesis")
    }

    /// The first block, empty.
    fn first(&self) -> Block<BlockTransaction> {
        child(&self.genesis())
    }
}

/// An empty block after an empty one, whose state root is not worked out.
fn child(parent: &Header) -> Block<BlockTransaction> {
    let step = match parent.ommers_hash == EMPTY_OMMER_ROOT_HASH {
        true => U256::ZERO,
        false => parent.difficulty / U256::from(2048),
    };
    let header = Header {
        parent_hash: parent.hash_slow(),
        number: parent.number + 1,
        timestamp: parent.timestamp + 12,
        base_fee_per_gas: parent.base_fee_per_gas.map(|fee| fee - fee / 8),
        difficulty: parent.difficulty + step,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        ..parent.clone()
    };
    let withdrawals = header.withdrawals_root.map(|_| Withdrawals::default());
    let body = BlockBody { transactions: Vec::new(), ommers: Vec::new(), withdrawals };
    Block::new(header, body)
}

/// Imports a block, whose header gets what its transactions leave. Returns its bytes, or the first
/// reason that has nothing to do with that.
fn settle(chain: &mut Chain<'_>, mut block: Block<BlockTransaction>) -> Result<Vec<u8>, Vec<u8>> {
    for _ in 0..8 {
        let bytes = alloy_rlp::encode(&block);
        let header = &mut block.header;
        let (field, computed) = match chain.import(&bytes) {
            Ok(_) => return Ok(bytes),
            Err(ImportError::Invalid(Invalid::Field { field, computed, .. })) => (field, computed),
            Err(_) => return Err(bytes),
        };
        match field {
            Field::GasUsed => header.gas_used = computed.parse().expect("gas"),
            Field::LogsBloom => header.logs_bloom = computed.parse::<Bloom>().expect("a bloom"),
            Field::ReceiptsRoot => header.receipts_root = computed.parse().expect("a root"),
            Field::StateRoot => header.state_root = computed.parse().expect("a root"),
            _ => return Err(bytes),
        }
    }
    panic!("the header does not settle");
}

fn device() -> Engine {
    let config = Config::default().with_backend(Backend::Cpu).with_threads(1);
    Engine::new(config).expect("an engine")
}

/// Blocks of a chain, of which the last is not valid.
struct Blocks {
    world: World,
    before: Vec<Vec<u8>>,
    bad: Vec<u8>,
}

/// Why the last block is not valid. Both executors must say the same.
fn reason(blocks: &Blocks) -> Invalid {
    let device = device();
    let reasons = [&device as &dyn BlockExecutor, &Revm].map(|executor| {
        let mut chain = blocks.world.chain(executor);
        for block in &blocks.before {
            chain.import(block).expect("a valid block");
        }
        match chain.import(&blocks.bad) {
            Err(ImportError::Invalid(why)) => why,
            other => panic!("{other:?}"),
        }
    });
    let names = reasons.each_ref().map(exceptions::block);
    assert_eq!(names[0], names[1], "{reasons:?}");
    let [reason, _] = reasons;
    reason
}

/// An exception of the tests: all names of its rule, and blocks that break it.
struct Rejection(&'static [&'static str], Box<dyn Fn() -> Blocks>);

/// A first block of a network, made wrong.
fn header(
    names: &'static [&'static str],
    network: &'static str,
    change: impl Fn(&mut Block<BlockTransaction>) + 'static,
) -> Rejection {
    Rejection(
        names,
        Box::new(move || {
            let world = World::new(network);
            let mut block = world.first();
            change(&mut block);
            Blocks { world, before: Vec::new(), bad: alloy_rlp::encode(&block) }
        }),
    )
}

/// Rules of headers, in the order in which they are looked at.
fn of_headers() -> Vec<Rejection> {
    let wrong = B256::repeat_byte(1);
    vec![
        header(&["UNKNOWN_PARENT"], "Cancun", move |b| b.header.parent_hash = wrong),
        header(&["UNKNOWN_PARENT_ZERO", "UNKNOWN_PARENT"], "Cancun", |b| {
            b.header.parent_hash = B256::ZERO;
        }),
        header(&["INCORRECT_BLOCK_FORMAT"], "Cancun", |b| {
            b.header.requests_hash = Some(B256::ZERO);
        }),
        header(&["INVALID_BLOCK_NUMBER"], "Cancun", |b| b.header.number = 2),
        header(&["INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT"], "Cancun", |b| {
            b.header.timestamp = 0;
        }),
        header(&["EXTRA_DATA_TOO_BIG"], "Cancun", |b| b.header.extra_data = vec![0; 33].into()),
        header(&["EXTRA_DATA_INVALID_DAO"], "HomesteadToDaoAt1", |_| ()),
        header(&["INVALID_GASLIMIT"], "Cancun", |b| b.header.gas_limit += GAS_LIMIT / 1024),
        Rejection(
            &["GASLIMIT_TOO_BIG"],
            Box::new(|| {
                let mut world = World::new("Cancun");
                world.genesis.gas_limit = i64::MAX as u64;
                let mut block = world.first();
                block.header.gas_limit += 1;
                Blocks { world, before: Vec::new(), bad: alloy_rlp::encode(&block) }
            }),
        ),
        header(&["GAS_USED_OVERFLOW", "INVALID_GAS_USED_ABOVE_LIMIT"], "Cancun", |b| {
            b.header.gas_used = GAS_LIMIT + 1;
        }),
        header(&["INVALID_BASEFEE_PER_GAS"], "Cancun", |b| b.header.base_fee_per_gas = Some(876)),
        header(&["INCORRECT_EXCESS_BLOB_GAS"], "Cancun", |b| {
            b.header.excess_blob_gas = Some(GAS_PER_BLOB);
        }),
        header(&["INCORRECT_BLOB_GAS_USED"], "Cancun", |b| {
            b.header.blob_gas_used = Some(GAS_PER_BLOB);
        }),
        header(
            &["BLOB_GAS_USED_ABOVE_LIMIT", "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED"],
            "Cancun",
            |b| b.header.blob_gas_used = Some(7 * GAS_PER_BLOB),
        ),
        header(&["INVALID_DIFFICULTY"], "Berlin", |b| b.header.difficulty += U256::from(1)),
        header(&["INCORRECT_BLOCK_FORMAT"], "Cancun", |b| b.header.nonce.0[7] = 1),
        header(&["INVALID_UNCLES_HASH"], "London", |b| {
            b.body.ommers.push(Header::default());
        }),
    ]
}

/// Blocks of the other side of a fork.
fn of_forks() -> Vec<Rejection> {
    vec![
        header(
            &[
                "INCORRECT_BLOCK_FORMAT",
                "IMPORT_IMPOSSIBLE_LEGACY",
                "IMPORT_IMPOSSIBLE_LEGACY_WRONG_PARENT",
            ],
            "London",
            |b| b.header.base_fee_per_gas = None,
        ),
        header(
            &["INCORRECT_BLOCK_FORMAT", "IMPORT_IMPOSSIBLE_LONDON_WRONG_PARENT"],
            "BerlinToLondonAt5",
            |b| b.header.base_fee_per_gas = Some(1),
        ),
        header(
            &[
                "INVALID_DIFFICULTY",
                "IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS",
                "IMPORT_IMPOSSIBLE_LONDON_OVER_PARIS",
                "IMPORT_IMPOSSIBLE_PARIS_WRONG_POW",
            ],
            "Paris",
            |b| b.header.difficulty = DIFFICULTY,
        ),
        header(
            &["INVALID_DIFFICULTY", "IMPORT_IMPOSSIBLE_PARIS_WRONG_POS"],
            "LondonToParisAtDiffC00000",
            |b| b.header.difficulty = U256::ZERO,
        ),
        header(
            &[
                "INVALID_UNCLES_HASH",
                "IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS",
                "IMPORT_IMPOSSIBLE_LONDON_OVER_PARIS",
            ],
            "Paris",
            |b| {
                b.body.ommers.push(Header::default());
                b.header.ommers_hash = calculate_ommers_root(&b.body.ommers);
            },
        ),
        header(
            &["INCORRECT_BLOCK_FORMAT", "IMPORT_IMPOSSIBLE_PARIS_OVER_SHANGHAI"],
            "Shanghai",
            |b| b.header.withdrawals_root = None,
        ),
        header(
            &["INCORRECT_BLOCK_FORMAT", "IMPORT_IMPOSSIBLE_SHANGHAI"],
            "ParisToShanghaiAtTime15k",
            |b| b.header.withdrawals_root = Some(alloy_trie::EMPTY_ROOT_HASH),
        ),
    ]
}

/// A list of items that are RLP already.
fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let payload = items.concat();
    let mut out = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
    [out, payload].concat()
}

/// A list of what becomes RLP.
fn fields(items: &[&dyn Encodable]) -> Vec<u8> {
    let encode = |item: &&dyn Encodable| {
        let mut out = Vec::new();
        item.encode(&mut out);
        out
    };
    list(&items.iter().map(encode).collect::<Vec<_>>())
}

/// A block without ommers of raw parts: a header, transactions, withdrawals.
fn raw(header: &Header, transactions: &[Vec<u8>], withdrawals: &[Vec<u8>]) -> Vec<u8> {
    list(&[alloy_rlp::encode(header), list(transactions), list(&[]), list(withdrawals)])
}

/// A typed transaction as an item of a block.
fn typed(ty: u8, payload: &[u8]) -> Vec<u8> {
    alloy_rlp::encode([&[ty], payload].concat().as_slice())
}

fn of_rlp(
    names: &'static [&'static str],
    network: &'static str,
    bytes: impl Fn(&Block<BlockTransaction>) -> Vec<u8> + 'static,
) -> Rejection {
    Rejection(
        names,
        Box::new(move || {
            let world = World::new(network);
            let bad = bytes(&world.first());
            Blocks { world, before: Vec::new(), bad }
        }),
    )
}

/// Blocks that do not decode.
fn of_encodings() -> Vec<Rejection> {
    let (zero, to) = (U256::ZERO, CALLEE);
    // A transaction of type 3 or 4 without a recipient; what follows does not matter.
    let creation = move |ty| {
        let none = Bytes::new();
        let fee = U256::from(1_000);
        typed(ty, &fields(&[&1u64, &0u64, &zero, &fee, &100_000u64, &none, &zero, &none]))
    };
    vec![
        of_rlp(&["RLP_STRUCTURES_ENCODING"], "Cancun", |b| {
            let bytes = alloy_rlp::encode(b);
            bytes[..bytes.len() - 1].to_vec()
        }),
        of_rlp(&["RLP_STRUCTURES_ENCODING"], "Cancun", |b| {
            raw(&b.header, &[fields(&[&1u64])], &[])
        }),
        of_rlp(&["INCORRECT_BLOCK_FORMAT", "RLP_STRUCTURES_ENCODING"], "Cancun", |b| {
            // A header of one field; no transactions, ommers, withdrawals.
            list(&[fields(&[&b.header.parent_hash]), list(&[]), list(&[]), list(&[])])
        }),
        of_rlp(&["RLP_INVALID_FIELD_OVERFLOW_64", "RLP_STRUCTURES_ENCODING"], "Cancun", move |b| {
            let index = U256::from(1) << 64;
            raw(&b.header, &[], &[fields(&[&index, &0u64, &to, &1u64])])
        }),
        of_rlp(&["RLP_INVALID_ADDRESS", "RLP_STRUCTURES_ENCODING"], "Cancun", |b| {
            let short = Bytes::from_static(&[7; 19]);
            raw(&b.header, &[], &[fields(&[&0u64, &0u64, &short, &1u64])])
        }),
        of_rlp(&["RLP_WITHDRAWALS_NOT_READ", "RLP_STRUCTURES_ENCODING"], "Cancun", |b| {
            let mut block = b.clone();
            block.body.withdrawals = None;
            alloy_rlp::encode(&block)
        }),
        of_rlp(&["RLP_BLOCK_LIMIT_EXCEEDED"], "Osaka", |b| {
            let mut block = b.clone();
            let input = vec![1; 8 << 20].into();
            block.body.transactions.push(signed(TxLegacy { input, ..TxLegacy::default() }));
            alloy_rlp::encode(&block)
        }),
        of_rlp(&["TYPE_3_TX_WITH_FULL_BLOBS", "RLP_STRUCTURES_ENCODING"], "Cancun", |b| {
            // The transaction itself, blobs, commitments, proofs.
            let payload = list(&[fields(&[&1u64, &0u64]), list(&[]), list(&[]), list(&[])]);
            raw(&b.header, &[typed(3, &payload)], &[])
        }),
        of_rlp(&["TYPE_3_TX_CONTRACT_CREATION", "RLP_STRUCTURES_ENCODING"], "Cancun", move |b| {
            raw(&b.header, &[creation(3)], &[])
        }),
        of_rlp(&["TYPE_4_TX_CONTRACT_CREATION", "RLP_STRUCTURES_ENCODING"], "Prague", move |b| {
            raw(&b.header, &[creation(4)], &[])
        }),
        of_rlp(
            &["TYPE_4_INVALID_AUTHORIZATION_FORMAT", "RLP_STRUCTURES_ENCODING"],
            "Prague",
            move |b| {
                let (none, lists) = (Bytes::new(), vec![vec![1u64]]);
                let fee = U256::from(1_000);
                let tx = fields(&[
                    &1u64,
                    &0u64,
                    &zero,
                    &fee,
                    &100_000u64,
                    &to,
                    &zero,
                    &none,
                    &Vec::<u64>::new(),
                    &lists,
                ]);
                raw(&b.header, &[typed(4, &tx)], &[])
            },
        ),
        of_rlp(&["TYPE_NOT_SUPPORTED"], "Prague", |b| raw(&b.header, &[typed(5, &[0xc0])], &[])),
    ]
}

/// Bodies and results that are not those of the header.
fn of_results() -> Vec<Rejection> {
    let wrong = B256::repeat_byte(1);
    let system = |code: &'static [u8]| {
        move || {
            let mut world = World::new("Prague");
            let account = world.state.accounts.get(&WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS);
            let nonce = account.map_or(0, |account| account.info.nonce);
            world.state.add_account(
                WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
                U256::ZERO,
                nonce,
                Bytes::from_static(code),
                Default::default(),
            );
            let bad = alloy_rlp::encode(world.first());
            Blocks { world, before: Vec::new(), bad }
        }
    };
    vec![
        header(&["INVALID_TRANSACTIONS_ROOT"], "Cancun", move |b| {
            b.header.transactions_root = wrong;
        }),
        header(&["INVALID_WITHDRAWALS_ROOT"], "Cancun", |b| {
            let one = Withdrawal { address: CALLEE, amount: 5, ..Default::default() };
            b.body.withdrawals = Some(Withdrawals::new(vec![one]));
        }),
        header(&["INVALID_GAS_USED"], "Cancun", |b| b.header.gas_used = 21_000),
        header(&["INVALID_LOG_BLOOM"], "Cancun", |b| b.header.logs_bloom = Bloom::repeat_byte(1)),
        header(&["INVALID_RECEIPTS_ROOT"], "Cancun", move |b| b.header.receipts_root = wrong),
        header(&["INVALID_STATE_ROOT"], "Cancun", move |b| b.header.state_root = wrong),
        header(&["INVALID_REQUESTS"], "Prague", move |b| b.header.requests_hash = Some(wrong)),
        Rejection(&["SYSTEM_CONTRACT_EMPTY"], Box::new(system(&[]))),
        Rejection(&["SYSTEM_CONTRACT_CALL_FAILED"], Box::new(system(&[0xfe]))),
        Rejection(&["INVALID_DEPOSIT_EVENT_LAYOUT"], Box::new(deposit)),
    ]
}

/// A block whose transaction logs a deposit without the fields of one.
fn deposit() -> Blocks {
    let contract = alloy_eips::eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS;
    let topic = keccak256("DepositEvent(bytes,bytes,bytes,bytes,bytes)");
    // PUSH32 topic, PUSH0, PUSH0, LOG1
    let code = [&[0x7f][..], topic.as_slice(), &[0x5f, 0x5f, 0xa1]].concat();
    let tx = TxEip1559 { gas_limit: 100_000, to: contract.into(), ..dynamic() };
    let mut blocks = with_transaction("Prague", signed(tx), |_| ());
    blocks.world.state.add_account(contract, U256::ZERO, 1, code.into(), Default::default());
    let mut block = blocks.block.clone();
    block.header.parent_hash = blocks.world.genesis().hash_slow();
    let device = device();
    let bad = settle(&mut blocks.world.chain(&device), block).expect_err("it is not valid");
    Blocks { world: blocks.world, before: Vec::new(), bad }
}

/// The signature of no known key: its sender is whom it recovers to.
fn signed<T: SignableTransaction<Signature>>(tx: T) -> BlockTransaction
where
    BlockTransaction: From<Signed<T>>,
{
    tx.into_signed(Signature::new(U256::from(1), U256::from(1), false)).into()
}

fn dynamic() -> TxEip1559 {
    TxEip1559 {
        chain_id: 1,
        gas_limit: 100_000,
        max_fee_per_gas: 1_000,
        to: TxKind::Call(CALLEE),
        ..TxEip1559::default()
    }
}

/// A world in which the sender of a transaction has an ether, and a block with the transaction.
struct OneTransaction {
    world: World,
    block: Block<BlockTransaction>,
}

fn with_transaction(
    network: &'static str,
    tx: BlockTransaction,
    change: impl Fn(&mut revm::state::AccountInfo),
) -> OneTransaction {
    let mut world = World::new(network);
    let signature = tx.signature();
    if let Ok(sender) = signature.recover_address_from_prehash(&tx.signature_hash()) {
        world.state.add_account(sender, ETHER, 0, Bytes::new(), Default::default());
        change(&mut world.state.accounts.get_mut(&sender).expect("added").info);
    }
    let mut block = world.first();
    let blobs = tx.blob_count().unwrap_or(0);
    block.header.blob_gas_used = block.header.blob_gas_used.map(|_| blobs * GAS_PER_BLOB);
    block.body.transactions.push(tx);
    block.header.transactions_root = calculate_transaction_root(&block.body.transactions);
    OneTransaction { world, block }
}

fn transaction_of(
    names: &'static [&'static str],
    network: &'static str,
    tx: impl Fn() -> BlockTransaction + 'static,
    change: fn(&mut revm::state::AccountInfo),
) -> Rejection {
    Rejection(
        names,
        Box::new(move || {
            let OneTransaction { world, block } = with_transaction(network, tx(), change);
            Blocks { world, before: Vec::new(), bad: alloy_rlp::encode(&block) }
        }),
    )
}

fn transaction(
    names: &'static [&'static str],
    network: &'static str,
    tx: impl Fn() -> BlockTransaction + 'static,
) -> Rejection {
    transaction_of(names, network, tx, |_| ())
}

fn blob(hashes: Vec<B256>) -> TxEip4844 {
    TxEip4844 {
        chain_id: 1,
        gas_limit: 100_000,
        max_fee_per_gas: 1_000,
        to: CALLEE,
        max_fee_per_blob_gas: 1,
        blob_versioned_hashes: hashes,
        ..TxEip4844::default()
    }
}

/// The hash of a blob of version 1.
fn hash() -> B256 {
    let mut hash = B256::ZERO;
    hash[0] = 1;
    hash
}

fn set_code() -> TxEip7702 {
    let authorization = Authorization { chain_id: U256::from(1), address: CALLEE, nonce: 0 };
    let one = U256::from(1);
    TxEip7702 {
        chain_id: 1,
        gas_limit: 100_000,
        max_fee_per_gas: 1_000,
        to: CALLEE,
        authorization_list: vec![SignedAuthorization::new_unchecked(authorization, 0, one, one)],
        ..TxEip7702::default()
    }
}

/// Transactions that are not valid.
fn of_transactions() -> Vec<Rejection> {
    let dynamic_with = |change: fn(&mut TxEip1559)| {
        move || {
            let mut tx = dynamic();
            change(&mut tx);
            signed(tx)
        }
    };
    let plain = || signed(dynamic());
    let list = || TxEip2930 { chain_id: 1, gas_limit: 100_000, ..TxEip2930::default() };
    vec![
        transaction(&["INVALID_SIGNATURE_VRS", "EC_RECOVERY_FAIL"], "Cancun", || {
            dynamic().into_signed(Signature::new(U256::ZERO, U256::from(1), false)).into()
        }),
        transaction_of(&["NONCE_MISMATCH_TOO_LOW"], "Cancun", plain, |sender| sender.nonce = 1),
        transaction(&["NONCE_MISMATCH_TOO_HIGH"], "Cancun", dynamic_with(|tx| tx.nonce = 1)),
        transaction(
            &["NONCE_IS_MAX", "NONCE_TOO_BIG"],
            "Cancun",
            dynamic_with(|tx| {
                tx.nonce = u64::MAX;
            }),
        ),
        transaction_of(&["INSUFFICIENT_ACCOUNT_FUNDS"], "Cancun", plain, |sender| {
            sender.balance = U256::from(1);
        }),
        transaction(
            &["GASLIMIT_PRICE_PRODUCT_OVERFLOW", "INSUFFICIENT_ACCOUNT_FUNDS"],
            "Cancun",
            dynamic_with(|tx| tx.value = U256::MAX),
        ),
        transaction_of(&["SENDER_NOT_EOA"], "Cancun", plain, |sender| {
            let code = revm::bytecode::Bytecode::new_raw(Bytes::from_static(&[0]));
            (sender.code_hash, sender.code) = (code.hash_slow(), Some(code));
        }),
        transaction(
            &["INTRINSIC_GAS_TOO_LOW"],
            "Cancun",
            dynamic_with(|tx| {
                tx.gas_limit = 20_999;
            }),
        ),
        transaction(
            &["INTRINSIC_GAS_BELOW_FLOOR_GAS_COST"],
            "Prague",
            dynamic_with(|tx| {
                // 1,000 bytes of 16 gas, or by the floor of 40.
                (tx.input, tx.gas_limit) = (vec![1; 1_000].into(), 50_000);
            }),
        ),
        transaction(
            &["GAS_LIMIT_EXCEEDS_MAXIMUM"],
            "Osaka",
            dynamic_with(|tx| {
                tx.gas_limit = (1 << 24) + 1;
            }),
        ),
        transaction(
            &["GAS_ALLOWANCE_EXCEEDED"],
            "Cancun",
            dynamic_with(|tx| {
                tx.gas_limit = GAS_LIMIT + 1;
            }),
        ),
        transaction(
            &["INSUFFICIENT_MAX_FEE_PER_GAS"],
            "Cancun",
            dynamic_with(|tx| {
                tx.max_fee_per_gas = 1;
            }),
        ),
        transaction(
            &["PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS", "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2"],
            "Cancun",
            dynamic_with(|tx| tx.max_priority_fee_per_gas = 1_001),
        ),
        transaction(&["INSUFFICIENT_MAX_FEE_PER_BLOB_GAS"], "Cancun", || {
            signed(TxEip4844 { max_fee_per_blob_gas: 0, ..blob(vec![hash()]) })
        }),
        transaction(&["TYPE_3_TX_ZERO_BLOBS"], "Cancun", || signed(blob(Vec::new()))),
        transaction(&["TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH"], "Cancun", || {
            signed(blob(vec![B256::ZERO]))
        }),
        // A block holds nine blobs, a transaction six.
        transaction(&["TYPE_3_TX_BLOB_COUNT_EXCEEDED"], "Osaka", || signed(blob(vec![hash(); 7]))),
        transaction(&["INVALID_CHAINID"], "Cancun", dynamic_with(|tx| tx.chain_id = 2)),
        transaction(
            &["INITCODE_SIZE_EXCEEDED"],
            "Cancun",
            dynamic_with(|tx| {
                (tx.input, tx.to) = (vec![0; 49_153].into(), TxKind::Create);
                tx.gas_limit = 1_000_000;
            }),
        ),
        transaction(&["TYPE_4_EMPTY_AUTHORIZATION_LIST"], "Prague", || {
            signed(TxEip7702 { authorization_list: Vec::new(), ..set_code() })
        }),
        transaction(&["TYPE_1_TX_PRE_FORK", "TYPE_NOT_SUPPORTED"], "Istanbul", move || {
            signed(list())
        }),
        transaction(&["TYPE_2_TX_PRE_FORK", "TYPE_NOT_SUPPORTED"], "Berlin", plain),
        transaction(&["TYPE_3_TX_PRE_FORK", "TYPE_NOT_SUPPORTED"], "Shanghai", || {
            signed(blob(vec![hash()]))
        }),
        transaction(&["TYPE_4_TX_PRE_FORK", "TYPE_NOT_SUPPORTED"], "Cancun", || signed(set_code())),
    ]
}

/// Blocks of the chain in which ommers are tried.
const CHAIN_BLOCKS: usize = 8;

/// Headers of a chain with proof of work, from the genesis on, and its blocks.
fn chain_of(world: &World, blocks: usize) -> (Vec<Header>, Vec<Vec<u8>>) {
    let device = device();
    let mut chain = world.chain(&device);
    let mut headers = vec![world.genesis()];
    let mut bytes = Vec::new();
    for _ in 0..blocks {
        let block = child(headers.last().expect("a genesis"));
        bytes.push(settle(&mut chain, block).expect("a valid block"));
        headers.push(chain.head().header.clone());
    }
    (headers, bytes)
}

/// A header beside the chain, after one of its headers.
fn ommer(parent: &Header, mark: u8) -> Header {
    let header = child(parent).header;
    Header { extra_data: vec![mark].into(), ..header }
}

/// A block after a chain, with the ommers that `choose` makes of its headers.
fn ommers_of(names: &'static [&'static str], choose: fn(&[Header]) -> Vec<Header>) -> Rejection {
    Rejection(
        names,
        Box::new(move || {
            let world = World::new("London");
            let (headers, before) = chain_of(&world, CHAIN_BLOCKS);
            let mut block = child(&headers[CHAIN_BLOCKS]);
            block.body.ommers = choose(&headers);
            block.header.ommers_hash = calculate_ommers_root(&block.body.ommers);
            Blocks { world, before, bad: alloy_rlp::encode(&block) }
        }),
    )
}

/// Ommers that a block may not have.
fn of_ommers() -> Vec<Rejection> {
    vec![
        ommers_of(&["TOO_MANY_UNCLES"], |headers| {
            (0..3).map(|mark| ommer(&headers[7], mark)).collect()
        }),
        ommers_of(&["UNCLE_IS_BROTHER"], |headers| vec![ommer(&headers[7], 0); 2]),
        ommers_of(&["UNCLE_IS_ANCESTOR"], |headers| vec![headers[3].clone()]),
        Rejection(&["UNCLE_IN_CHAIN"], Box::new(included)),
        ommers_of(&["UNCLE_UNKNOWN_PARENT"], |headers| {
            vec![Header { parent_hash: B256::ZERO, ..ommer(&headers[7], 0) }]
        }),
        // Known, but on no side of this chain.
        ommers_of(&["UNCLE_UNKNOWN_PARENT"], |headers| vec![ommer(&ommer(&headers[6], 0), 1)]),
        // Beside the block itself, and seven generations back.
        ommers_of(&["UNCLE_PARENT_INCORRECT"], |headers| vec![ommer(&headers[8], 0)]),
        ommers_of(&["UNCLE_PARENT_INCORRECT"], |headers| vec![ommer(&headers[1], 0)]),
        ommers_of(&["INVALID_GASLIMIT"], |headers| {
            vec![Header { gas_limit: GAS_LIMIT * 2, ..ommer(&headers[7], 0) }]
        }),
        ommers_of(&["INVALID_BLOCK_NUMBER"], |headers| {
            vec![Header { number: 500, ..ommer(&headers[7], 0) }]
        }),
    ]
}

/// An ommer that the block before has, too.
fn included() -> Blocks {
    let world = World::new("London");
    let (headers, mut before) = chain_of(&world, CHAIN_BLOCKS);
    let device = device();
    let mut chain = world.chain(&device);
    before.iter().for_each(|block| drop(chain.import(block).expect("a valid block")));
    let with_ommer = |parent: &Header| {
        let mut block = child(parent);
        block.body.ommers = vec![ommer(&headers[7], 0)];
        block.header.ommers_hash = calculate_ommers_root(&block.body.ommers);
        block
    };
    let first = settle(&mut chain, with_ommer(&headers[CHAIN_BLOCKS]));
    before.push(first.expect("an ommer of a recent ancestor is valid"));
    let bad = alloy_rlp::encode(with_ommer(&chain.head().header));
    Blocks { world, before, bad }
}

fn all() -> Vec<Rejection> {
    let mut all = of_headers();
    all.extend(of_forks());
    all.extend(of_encodings());
    all.extend(of_results());
    all.extend(of_transactions());
    all.extend(of_ommers());
    all
}

#[test]
fn every_exception_has_a_block_that_raises_it_and_nothing_else() {
    for Rejection(names, raise) in all() {
        let why = reason(&raise());
        assert_eq!(exceptions::block(&why), names, "{why}");
    }
}

#[test]
fn ommers_of_the_last_six_generations_are_valid() {
    let world = World::new("London");
    let (headers, blocks) = chain_of(&world, CHAIN_BLOCKS);
    let device = device();
    let mut chain = world.chain(&device);
    blocks.iter().for_each(|block| drop(chain.import(block).expect("a valid block")));
    let mut block = child(&headers[CHAIN_BLOCKS]);
    block.body.ommers = vec![ommer(&headers[2], 0), ommer(&headers[7], 0)];
    block.header.ommers_hash = calculate_ommers_root(&block.body.ommers);
    settle(&mut chain, block).expect("a valid block");
}

/// Names that only tests of states give: fields that no encoding holds. The field, and its value.
const UNENCODABLE: [(&[&str], &str, &str); 5] = [
    (&["NONCE_OVERFLOW"], "nonce", "0x10000000000000000"),
    (&["GASLIMIT_OVERFLOW"], "gasLimit", "0x10000000000000000"),
    (&["VALUE_OVERFLOW", "RLP_INVALID_VALUE"], "value", BEYOND),
    (
        &["GASPRICE_OVERFLOW", "GASLIMIT_PRICE_PRODUCT_OVERFLOW", "INSUFFICIENT_ACCOUNT_FUNDS"],
        "gasPrice",
        BEYOND,
    ),
    (&["PRIORITY_OVERFLOW"], "maxPriorityFeePerGas", BEYOND),
];

/// 2^256.
const BEYOND: &str =
    "0x:bigint 0x10000000000000000000000000000000000000000000000000000000000000000";

/// A state test of a plain transfer whose sender has nothing, with a field set to something else.
fn test_of(field: &str, value: Value, expected: &str) -> String {
    let mut transaction = transfer();
    if field == "maxPriorityFeePerGas" {
        transaction.as_object_mut().expect("an object").remove("gasPrice");
        transaction["maxFeePerGas"] = json!("0xa");
    }
    let value = if transaction[field].is_array() { json!([value]) } else { value };
    transaction[field] = value;
    rejected_test("Shanghai", &transaction, expected)
}

/// Runs such a test; why it fails, if it does.
fn failure(test: &str) -> Option<String> {
    let run = |executor: &dyn warpevm::conformance::Executor| -> Option<String> {
        let all = &|_: &str, _: &str| true;
        let summary = state_test::run_file("a file", test.as_bytes(), executor, all);
        let summary: Summary = summary.expect("the test reads");
        assert_eq!(summary.passed + summary.failed, 1);
        summary.failures.first().map(|failure| failure.reason.clone())
    };
    run(&Reference)
}

/// Sequential revm.
struct Reference;

impl warpevm::conformance::Executor for Reference {
    fn transact(
        &self,
        env: &warpevm::Env,
        tx: &warpevm::Transaction,
        state: &state_test::TestState,
    ) -> Result<warpevm::Outcome, String> {
        let mut revm = warpevm::reference::Sequential::new(env, state);
        revm.transact_once(tx).map(|(outcome, _)| outcome).map_err(|error| error.to_string())
    }
}

#[test]
fn a_state_test_fails_where_a_transaction_is_rejected_for_another_reason() {
    let nonce = |expected: &str| failure(&test_of("nonce", json!("0x1"), expected));
    for right in [
        "TransactionException.NONCE_MISMATCH_TOO_HIGH",
        "NONCE_MISMATCH_TOO_LOW|TransactionException.NONCE_MISMATCH_TOO_HIGH",
        "TR_NonceTooHigh",
    ] {
        // Without funds and with a nonce that is too high: both rules are broken, funds come last.
        assert_eq!(nonce(right), None);
    }
    for wrong in ["TransactionException.INTRINSIC_GAS_TOO_LOW", "TR_NonceTooLow", "nonsense", ""] {
        let why = nonce(wrong).expect("another reason");
        let said = why.starts_with(&format!("rejected for another reason than {wrong}: nonce 1"));
        assert!(said, "{why}");
    }
}

#[test]
fn what_no_transaction_holds_has_names_of_its_own() {
    for (names, field, value) in UNENCODABLE {
        for name in names {
            let expected = format!("TransactionException.{name}");
            assert_eq!(failure(&test_of(field, json!(value), &expected)), None, "{field} {name}");
        }
        let other = failure(&test_of(field, json!(value), "TransactionException.SENDER_NOT_EOA"));
        assert!(other.is_some_and(|why| why.contains("exceeds")), "{field}");
        // What is no number at all is a fault of the test.
        let names = names.join("|");
        let nonsense = failure(&test_of(field, json!("0xzz"), &names)).expect("no number");
        assert!(nonsense.contains("not executed: '0xzz' is no number"), "{nonsense}");
    }
}

/// Of payloads, which come with their hash; a block of a test has the hash that it has.
const OF_PAYLOADS: &str = "BlockException.INVALID_BLOCK_HASH";

/// Every name that stands in a text after `expectException`.
fn expectations(text: &str, to: &mut BTreeSet<String>) {
    for part in text.split("\"expectException\"").skip(1) {
        let mut quoted = part.split('"');
        let name = quoted.nth(1).unwrap_or_default();
        to.extend(name.split('|').map(str::to_owned));
    }
}

#[test]
fn every_exception_of_the_suites_is_in_the_table() {
    let mut named = BTreeSet::new();
    for archive in ["blocks-dev", "legacy-dev", "bench-blocks", "dev", "generated-dev"] {
        let name = format!("conformance/{archive}.tar.zst");
        let archive = fixture!("every_exception_of_the_suites_is_in_the_table", &name);
        files::visit(&archive, &mut |file| {
            expectations(&String::from_utf8_lossy(&file?.bytes), &mut named);
            Ok(())
        })
        .expect("the archive reads");
    }
    let mut lists: Vec<&[&str]> = all().iter().map(|rejection| rejection.0).collect();
    lists.extend(UNENCODABLE.iter().map(|(names, ..)| *names));
    let unknown = |name: &&String| !lists.iter().any(|names| exceptions::explains(names, name));
    named.remove(OF_PAYLOADS);
    let unknown: Vec<&String> = named.iter().filter(unknown).collect();
    assert!(named.len() > 50, "{named:?}");
    assert!(unknown.is_empty(), "{unknown:?}");
}
