//! A chain's state from block to block: what is not valid leaves no trace in it or in the engine's
//! table, the table stays, and another branch takes it along.

use alloy_consensus::proofs::{calculate_transaction_root, calculate_withdrawals_root};
use alloy_consensus::{Block, BlockBody, Header, SignableTransaction, TxEip1559};
use alloy_eips::BlockNumHash;
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::{Address, B256, Bloom, Bytes, Signature, TxKind, U256, hex, keccak256};
use revm::bytecode::Bytecode;
use revm::database_interface::DatabaseRef;
use revm::state::AccountInfo;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use warpevm::chain::{BlockExecutor, BlockRun, BlockTransaction, Chain, Field, ImportError};
use warpevm::chain::{Imported, Invalid, Network, Payload, Revm};
use warpevm::state::{HasStorage, MemoryError, MemoryState, StateRoot, StateStore};
use warpevm::{AccountChange, Backend, Config, Engine, Policy, State};

/// Adds one to slot 0.
const COUNTER: Address = Address::repeat_byte(0xc0);
const COUNTER_CODE: [u8; 8] = hex!("5f546001015f5500");
/// Creates with the calldata by CREATE2.
const FACTORY: Address = Address::repeat_byte(0xfa);
const FACTORY_CODE: [u8; 10] = hex!("365f5f375f365f5ff500");
/// Reads slot 4 of what it creates, and makes a contract that destroys itself when it is called
/// with data, else sets slot 2 to slot 4.
const INIT_CODE: [u8; 30] = hex!("600454600355600f80600f5f395ff3361560075733ff5b60045460025500");
/// Where in it the contract begins.
const INIT_BYTES: usize = 15;

/// A database that keeps account of what is read.
#[derive(Default)]
struct Watched {
    state: MemoryState,
    read: Mutex<BTreeSet<(Address, Option<U256>)>>,
}

impl Watched {
    fn new(state: MemoryState) -> Watched {
        Watched { state, read: Mutex::default() }
    }

    /// What was read since somebody asked.
    fn take(&self) -> BTreeSet<(Address, Option<U256>)> {
        std::mem::take(&mut self.read.lock().expect("no panic"))
    }

    fn note(&self, address: Address, key: Option<U256>) {
        self.read.lock().expect("no panic").insert((address, key));
    }
}

impl DatabaseRef for Watched {
    type Error = MemoryError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, MemoryError> {
        self.note(address, None);
        self.state.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, MemoryError> {
        self.state.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256, MemoryError> {
        self.note(address, Some(key));
        self.state.storage_ref(address, key)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, MemoryError> {
        self.state.block_hash_ref(number)
    }
}

impl HasStorage for Watched {
    fn has_storage(&self, address: Address) -> Result<bool, MemoryError> {
        self.state.has_storage(address)
    }
}

impl StateStore for Watched {
    fn commit(&mut self, block: BlockNumHash, all: &[AccountChange]) -> Result<(), MemoryError> {
        self.state.commit(block, all)
    }

    fn revert(&mut self) -> Result<Vec<AccountChange>, MemoryError> {
        self.state.revert()
    }
}

impl StateRoot for Watched {
    fn roots_after(&self, steps: &[&[AccountChange]]) -> Result<Vec<B256>, MemoryError> {
        self.state.roots_after(steps)
    }
}

/// What the factory creates, which is there from the start.
fn created() -> Address {
    FACTORY.create2(B256::ZERO, keccak256(INIT_CODE))
}

/// A call with a signature of no known key: its sender is whom it recovers to. `nonce` is right if
/// it is 0; `salt` tells transactions and their senders apart.
fn call(to: Address, data: &[u8], nonce: u64, salt: u64) -> BlockTransaction {
    let tx = TxEip1559 {
        chain_id: 1,
        nonce,
        gas_limit: 200_000 + salt,
        max_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(to),
        input: Bytes::copy_from_slice(data),
        ..TxEip1559::default()
    };
    tx.into_signed(Signature::new(U256::from(1), U256::from(1), false)).into()
}

/// The state before all blocks.
fn genesis_state(transactions: &[Vec<BlockTransaction>]) -> MemoryState {
    let mut state = MemoryState::default();
    for tx in transactions.iter().flatten() {
        let sender = tx.signature().recover_address_from_prehash(&tx.signature_hash());
        let ether = U256::from(10u64.pow(18));
        state.add_account(sender.expect("someone"), ether, 0, Bytes::new(), Default::default());
    }
    let code = |code: &[u8]| Bytes::copy_from_slice(code);
    state.add_account(COUNTER, U256::ZERO, 1, code(&COUNTER_CODE), Default::default());
    state.add_account(FACTORY, U256::ZERO, 1, code(&FACTORY_CODE), Default::default());
    let slots = [(1, 6), (4, 40)].map(|(key, value)| (U256::from(key), U256::from(value)));
    let slots = slots.into_iter().collect();
    state.add_account(created(), U256::ZERO, 1, code(&INIT_CODE[INIT_BYTES..]), slots);
    state
}

fn genesis(state: &MemoryState) -> Header {
    Header {
        state_root: state.root(),
        gas_limit: 30_000_000,
        base_fee_per_gas: Some(1_000),
        withdrawals_root: Some(alloy_trie::EMPTY_ROOT_HASH),
        ..Header::default()
    }
}

fn network() -> Network {
    Network::parse("Shanghai", &BTreeMap::new()).expect("a network")
}

/// A block after `parent`, `seconds` later, whose results are not worked out.
fn child(
    parent: &Header,
    transactions: &[BlockTransaction],
    seconds: u64,
) -> Block<BlockTransaction> {
    let target = parent.gas_limit / 2;
    let base_fee = parent.base_fee_per_gas.unwrap_or_default();
    assert!(parent.gas_used < target);
    let less = u128::from(base_fee) * u128::from(target - parent.gas_used) / u128::from(target) / 8;
    let header = Header {
        parent_hash: parent.hash_slow(),
        number: parent.number + 1,
        timestamp: parent.timestamp + seconds,
        base_fee_per_gas: Some(base_fee - less as u64),
        transactions_root: calculate_transaction_root(transactions),
        withdrawals_root: Some(calculate_withdrawals_root(&[])),
        ..parent.clone()
    };
    let withdrawals = Some(Withdrawals::default());
    let transactions = transactions.to_vec();
    Block::new(header, BlockBody { transactions, ommers: Vec::new(), withdrawals })
}

/// Imports a block, whose header gets what revm computes.
fn settled(chain: &mut Chain<'_>, mut block: Block<BlockTransaction>) -> Block<BlockTransaction> {
    for _ in 0..8 {
        let (field, computed) = match chain.import(&alloy_rlp::encode(&block)) {
            Ok(_) => return block,
            Err(ImportError::Invalid(Invalid::Field { field, computed, .. })) => (field, computed),
            Err(other) => panic!("{other}"),
        };
        let header = &mut block.header;
        match field {
            Field::GasUsed => header.gas_used = computed.parse().expect("gas"),
            Field::LogsBloom => header.logs_bloom = computed.parse::<Bloom>().expect("a bloom"),
            Field::ReceiptsRoot => header.receipts_root = computed.parse().expect("a root"),
            Field::StateRoot => header.state_root = computed.parse().expect("a root"),
            other => panic!("{other}: {computed}"),
        }
    }
    panic!("the header does not settle");
}

fn engine(backend: Backend, threads: usize, policy: Policy) -> Engine {
    Engine::new(Config::default().with_backend(backend).with_threads(threads).with_policy(policy))
        .expect("an engine")
}

/// Every way to execute a block that keeps a table.
fn engines() -> [(&'static str, Engine); 3] {
    [
        ("cpu, 1 thread", engine(Backend::Cpu, 1, Policy::Auto)),
        ("cpu, 2 threads", engine(Backend::Cpu, 2, Policy::Optimistic)),
        ("cuda-fake", engine(Backend::CudaFake, 2, Policy::Optimistic)),
    ]
}

fn resident(imported: &Imported) -> usize {
    imported.outcomes.iter().filter(|outcome| outcome.fallback.is_none()).count()
}

#[test]
fn a_block_that_is_not_valid_leaves_no_trace() {
    let count = |salt: u64| call(COUNTER, &[], 0, salt);
    let transactions = [
        vec![count(1), count(2), call(FACTORY, &[], 0, 3)],
        // It destroys the contract, creates it again, and reads a slot of it.
        vec![call(created(), &[1], 0, 4), call(FACTORY, &INIT_CODE, 0, 5), count(6)],
        // The last one has the wrong nonce.
        vec![count(7), call(created(), &[1], 0, 8), call(COUNTER, &[], 1, 9)],
        vec![count(10), call(created(), &[], 0, 11), count(12)],
    ];
    let state = genesis_state(&transactions);
    let genesis = genesis(&state);
    let mut by_revm =
        Chain::new(network(), 1, genesis.clone(), state.clone(), &Revm).expect("a genesis");
    let first = settled(&mut by_revm, child(&genesis, &transactions[0], 12));
    let mut wrong_root = settled(&mut by_revm, child(&first.header, &transactions[1], 12));
    let slot = |chain: &Chain<'_>, key: u64| {
        chain.state().storage_ref(created(), U256::from(key)).expect("a slot").to::<u64>()
    };
    assert_eq!([1, 2, 4].map(|key| slot(&by_revm, key)), [0, 0, 0], "it is another contract");
    wrong_root.header.state_root = B256::repeat_byte(1);
    let rejected = child(&first.header, &transactions[2], 12);
    let last = settled(&mut by_revm, child(&first.header, &transactions[3], 12));
    assert_eq!([1, 2, 4].map(|key| slot(&by_revm, key)), [6, 40, 40], "it was never destroyed");

    for (name, engine) in &engines() {
        let state = Watched::new(state.clone());
        let mut chain = Chain::new(network(), 1, genesis.clone(), state, engine as _).expect(name);
        chain.import(&alloy_rlp::encode(&first)).expect(name);
        let mut before = chain.state().take();
        assert!(before.contains(&(COUNTER, Some(U256::ZERO))), "{name}: {before:?}");
        let why = chain.import(&alloy_rlp::encode(&wrong_root)).expect_err(name);
        assert!(why.to_string().starts_with("StateRoot"), "{name}: {why}");
        assert_eq!(chain.state().state.root(), first.header.state_root, "{name}");
        let why = chain.import(&alloy_rlp::encode(&rejected)).expect_err(name);
        let expected = matches!(why, ImportError::Invalid(Invalid::Transaction { index: 2, .. }));
        assert!(expected, "{name}: {why}");
        assert_eq!(chain.state().state.root(), first.header.state_root, "{name}");
        // Slots of what was destroyed in vain are read again, and nothing else.
        let mut meanwhile = chain.state().take();
        let again: Vec<_> = meanwhile.intersection(&before).copied().collect();
        assert!(again.iter().all(|(who, key)| *who == created() && key.is_some()), "{again:?}");
        before.append(&mut meanwhile);
        let imported = chain.import(&alloy_rlp::encode(&last)).expect(name);
        assert_eq!(chain.state().state.root(), last.header.state_root, "{name}");
        let again: Vec<_> = chain.state().take().intersection(&before).copied().collect();
        assert_eq!(again, [], "{name}: read before");
        assert!(resident(&imported) > 0, "{name}: {:?}", imported.outcomes);
    }
}

#[test]
fn the_state_goes_along_with_the_head() {
    let count = |salt: u64| call(COUNTER, &[], 0, salt);
    let transactions = [
        vec![count(1), call(created(), &[1], 0, 2)],
        vec![call(FACTORY, &INIT_CODE, 0, 3), call(created(), &[], 0, 4)],
        vec![count(5), count(6), call(created(), &[], 0, 7)],
        vec![count(8), call(created(), &[], 0, 9)],
        vec![count(10)],
    ];
    let state = genesis_state(&transactions);
    let genesis = genesis(&state);
    let chain = |executor| Chain::new(network(), 1, genesis.clone(), state.clone(), executor);
    let mut by_revm = chain(&Revm).expect("a genesis");
    let mut after = |parent: &Header, index: usize, seconds| {
        settled(&mut by_revm, child(parent, &transactions[index], seconds))
    };
    // One branch of two blocks, another of two, and one more on the first.
    let one = after(&genesis, 0, 12);
    let two = after(&one.header, 1, 12);
    let other_one = after(&genesis, 2, 13);
    let other_two = after(&other_one.header, 3, 12);
    let three = after(&two.header, 4, 12);
    let executors: Vec<(&str, Engine)> = engines().into();
    for (name, engine) in &executors {
        let mut chain = chain(engine as &dyn BlockExecutor).expect(name);
        for block in [&one, &other_one, &two, &other_two, &three] {
            let imported = chain.import(&alloy_rlp::encode(block)).expect(name);
            assert_eq!(chain.head().hash, imported.hash, "{name}");
            assert_eq!(chain.state().root(), block.header.state_root, "{name}");
        }
    }
}

/// An engine that changes more than it says, once.
struct Careless(Engine, AtomicBool);

impl BlockExecutor for Careless {
    fn run(
        &self,
        payload: &Payload<'_>,
        state: &mut State<MemoryState>,
    ) -> Result<BlockRun, warpevm::Error> {
        let ran = BlockExecutor::run(&self.0, payload, state)?;
        if !self.1.swap(true, Ordering::Relaxed) {
            state.credit(FACTORY, U256::from(1))?;
        }
        Ok(ran)
    }
}

#[test]
fn what_the_parts_do_not_add_up_to_is_not_committed() {
    let transactions = [vec![call(COUNTER, &[], 0, 1)]];
    let state = genesis_state(&transactions);
    let genesis = genesis(&state);
    let chain = |executor| Chain::new(network(), 1, genesis.clone(), state.clone(), executor);
    let mut by_revm = chain(&Revm).expect("a genesis");
    let block = settled(&mut by_revm, child(&genesis, &transactions[0], 12));
    let careless = Careless(engine(Backend::Cpu, 1, Policy::Auto), AtomicBool::new(false));
    let mut chain = chain(&careless).expect("a genesis");
    match chain.import(&alloy_rlp::encode(&block)) {
        Err(ImportError::Failed(why)) => {
            assert!(why.to_string().contains(&FACTORY.to_string()), "{why}")
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(chain.state().root(), genesis.state_root);
    chain.import(&alloy_rlp::encode(&block)).expect("it is valid");
    assert_eq!(chain.state().root(), block.header.state_root);
}
