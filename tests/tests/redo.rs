//! Redo against revm: whenever it says what a transaction does on another state, revm does that.

mod common;

use common::block_env;
use std::collections::BTreeMap;

use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, Bytes, U256, address, hex, keccak256};
use revm::context::TxEnv;
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::TxKind;
use revm::state::{AccountInfo, Bytecode, EvmState};
use warpevm::code::CodeCache;
use warpevm::code::ids::CodeBytes;
use warpevm::redo::{Call, Observed, Patch, Redo, SlotUse};
use warpevm::reference::Sequential;
use warpevm::{Env, Executed, Refusal, Spec, Transaction, TxStatus};
use warpevm_compiler::{EffectSet, analyse};
use warpevm_tests::asm;
use warpevm_tests::fixtures::workspace;

const CALLER: Address = address!("0xca11e20000000000000000000000000000000001");
const CALLEE: Address = address!("0xc0de000000000000000000000000000000000001");
const CASES: u64 = 400;

type Storage = BTreeMap<U256, U256>;

/// A small generator of numbers, the same for everyone.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// Mostly a number that many rules treat apart.
    fn word(&mut self) -> U256 {
        match self.below(8) {
            0 | 1 => U256::ZERO,
            2 => U256::ONE,
            3 => U256::from(self.below(300)),
            4 => U256::MAX - U256::from(self.below(3)),
            _ => U256::from(self.next() >> 20),
        }
    }
}

fn call(data: &[u8]) -> Transaction {
    TxEnv {
        caller: CALLER,
        kind: TxKind::Call(CALLEE),
        data: Bytes::copy_from_slice(data),
        gas_limit: 1_000_000,
        gas_price: 10,
        chain_id: Some(1),
        ..Default::default()
    }
}

fn words(words: &[U256]) -> Vec<u8> {
    words.iter().flat_map(U256::to_be_bytes::<32>).collect()
}

/// What revm does with a transaction, and all slots that it touched.
fn run(env: &Env, tx: &Transaction, code: &[u8], storage: &Storage) -> (Executed, EvmState) {
    let mut db = CacheDB::<EmptyDB>::default();
    let code = Bytecode::new_raw(Bytes::copy_from_slice(code));
    db.insert_account_info(CALLEE, AccountInfo { nonce: 1, ..Default::default() }.with_code(code));
    let balance = U256::from(10).pow(U256::from(20));
    db.insert_account_info(CALLER, AccountInfo { balance, ..Default::default() });
    for (key, value) in storage {
        db.insert_account_storage(CALLEE, *key, *value).expect("no database behind");
    }
    let (outcome, touched) = Sequential::new(env, db).transact_once(tx).expect("revm runs");
    (outcome.result.expect("a valid transaction"), touched)
}

fn slots(touched: &EvmState, now: &Storage) -> Vec<SlotUse> {
    let of_account = touched.iter().flat_map(|(address, account)| {
        account.storage.iter().map(|(key, slot)| SlotUse {
            address: *address,
            key: *key,
            original: slot.original_value,
            value: slot.present_value,
            now: now.get(key).copied().unwrap_or_default(),
        })
    });
    of_account.collect()
}

/// Redoes from one state to another what revm did on the first, and holds it against what revm does
/// on the second.
fn redo(
    set: &EffectSet,
    env: &Env,
    tx: &Transaction,
    code: &[u8],
    [old, new]: [&Storage; 2],
) -> Result<Patch, Refusal> {
    let (did, touched) = run(env, tx, code, old);
    let slots = slots(&touched, new);
    let observed =
        Observed { status: did.status, slots: &slots, logs: &did.logs, output: &did.output };
    let call = Call::of(tx, env).expect("a call");
    let patch = Redo::default().patch(set, &call, &observed)?;
    let (does, touched) = run(env, tx, code, new);
    let context = || format!("{}\ndata {}\n{old:?}\n{new:?}", hex::encode(code), tx.data);
    assert_eq!(does.status, TxStatus::Success, "{}", context());
    assert_eq!(patch.logs, does.logs, "logs: {}", context());
    assert_eq!(patch.output, does.output, "output: {}", context());
    assert_eq!(did.gas_used, does.gas_used, "gas: {}", context());
    assert_eq!(did.gas_refunded, does.gas_refunded, "refund: {}", context());
    let sorted = |mut all: Vec<(U256, U256, U256)>| {
        all.sort_unstable();
        all
    };
    let says = slots.iter().zip(&patch.values).map(|(slot, value)| (slot.key, slot.now, *value));
    let is = &touched[&CALLEE].storage;
    let is = is.iter().map(|(key, slot)| (*key, slot.original_value, slot.present_value));
    assert_eq!(sorted(says.collect()), sorted(is.collect()), "slots: {}", context());
    Ok(patch)
}

/// How often redo did it, and why it did not.
#[derive(Debug, Default)]
struct Counts(BTreeMap<Option<Refusal>, u64>);

impl Counts {
    fn add(&mut self, result: &Result<Patch, Refusal>) {
        *self.0.entry(result.as_ref().err().copied()).or_default() += 1;
    }

    fn done(&self) -> u64 {
        self.0.get(&None).copied().unwrap_or_default()
    }

    fn refused(&self, reason: Refusal) -> u64 {
        self.0.get(&Some(reason)).copied().unwrap_or_default()
    }
}

/// Redoes a hand-written code between two random states of the slots 0 to 3, many times.
fn count(source: &str, spec: Spec, seed: u64) -> Counts {
    let code = asm(source);
    let (env, set) = (block_env(spec), analyse(&code, spec).effect_set(None));
    let mut random = Random(seed);
    let mut counts = Counts::default();
    for _ in 0..CASES {
        let data = words(&[U256::from(random.below(4)), random.word()]);
        let [old, new] = states(&mut random);
        counts.add(&redo(&set, &env, &call(&data), &code, [&old, &new]));
    }
    counts
}

fn states(random: &mut Random) -> [Storage; 2] {
    let old: Storage = (0..4).map(|key| (U256::from(key), random.word())).collect();
    let mut new = old.clone();
    for _ in 0..=random.below(2) {
        new.insert(U256::from(random.below(4)), random.word());
    }
    [old, new]
}

const SPECS: [Spec; 8] = [
    Spec::Frontier,
    Spec::Byzantium,
    Spec::Petersburg,
    Spec::Istanbul,
    Spec::Berlin,
    Spec::London,
    Spec::Cancun,
    Spec::Osaka,
];

fn count_all(source: &str) -> Counts {
    let mut all = Counts::default();
    for (i, spec) in SPECS.into_iter().enumerate() {
        for (reason, n) in count(source, spec, i as u64).0 {
            *all.0.entry(reason).or_default() += n;
        }
    }
    all
}

const ALL: u64 = CASES * SPECS.len() as u64;

#[test]
fn a_counter_with_a_limit() {
    let counts = count_all(
        "0 sload 1 add dup1 1000 lt @over jumpi
         dup1 0 sstore 0 mstore 32 0 return
         over: 0 sstore stop",
    );
    assert!(counts.done() > ALL / 4, "{counts:?}");
    assert!(counts.refused(Refusal::Check) > ALL / 20, "{counts:?}");
    assert!(counts.refused(Refusal::Gas) > 0, "{counts:?}");
}

#[test]
fn a_check_that_takes_all_gas() {
    let counts = count_all(
        "0 sload dup1 1000 lt iszero @ok jumpi invalid
         ok: dup1 64 gt @ok2 jumpi invalid
         ok2: 1 add 1 sstore stop",
    );
    assert!(counts.done() > ALL / 50, "{counts:?}");
    assert!(counts.refused(Refusal::Check) > ALL / 50, "{counts:?}");
}

#[test]
fn sums_that_are_logged() {
    let counts = count_all(
        "0 sload 1 sload add 32 calldataload add dup1 2 sstore
         dup1 0x80 mstore caller 0xa0 mstore 5 64 0x80 log2
         32 0x80 return",
    );
    assert!(counts.done() > ALL / 3, "{counts:?}");
    assert!(counts.refused(Refusal::Gas) > ALL / 20, "{counts:?}");
    assert_eq!(counts.refused(Refusal::Mismatch), 0, "{counts:?}");
}

#[test]
fn a_key_that_is_loaded() {
    let counts = count_all("0 sload 3 and dup1 sload 1 add swap1 sstore stop");
    assert!(counts.refused(Refusal::Key) > ALL / 20, "{counts:?}");
    assert!(counts.done() > ALL / 4, "{counts:?}");
}

#[test]
fn a_branch_on_a_loaded_value() {
    let counts = count_all(
        "0 sload 1 sload lt @less jumpi 1 sload 2 add 1 sstore stop
         less: 0 sload 1 sload slt @signed jumpi 0 sload 3 add 0 sstore stop
         signed: 7 0 0 log1 stop",
    );
    assert!(counts.refused(Refusal::Check) > ALL / 20, "{counts:?}");
    assert!(counts.done() > ALL / 3, "{counts:?}");
}

#[test]
fn stores_between_zero_and_not_zero() {
    let sources = [
        "0 sload iszero 0 sstore stop",
        "32 calldataload 0 sload sub 1 sstore stop",
        "1 sload 0 sload 0 sstore 1 sload 0 sstore 5 0 sstore 0 sstore stop",
        "0 sload 1 sload 0 sstore 0 sstore 1 0 sstore 0 0 sstore stop",
        "0 0 sstore 1 sload 0 sstore stop",
    ];
    for source in sources {
        let counts = count_all(source);
        assert!(counts.refused(Refusal::Gas) > ALL / 20, "{source}: {counts:?}");
        assert!(counts.done() > ALL / 5, "{source}: {counts:?}");
    }
}

#[test]
fn keys_that_may_be_equal() {
    let counts = count_all(
        "0 calldataload sload 5 add 1 sstore
         0 calldataload sload 7 add 2 sstore
         0 calldataload sload 1 sload add 0 calldataload sstore stop",
    );
    assert!(counts.done() > ALL / 3, "{counts:?}");
}

#[test]
fn gas_that_depends_on_a_loaded_value() {
    let counts = count_all("0 sload 3 exp 1 sload mul 2 sstore stop");
    assert!(counts.refused(Refusal::Gas) > ALL / 20, "{counts:?}");
    assert!(counts.refused(Refusal::NoValue) > 0, "{counts:?}");
    assert!(counts.done() > ALL / 20, "{counts:?}");
    let counts = count_all("1 0 sload 0xff and mstore 1 sload 9 add 1 sstore stop");
    assert!(counts.refused(Refusal::Gas) > ALL / 20, "{counts:?}");
    assert!(counts.done() > ALL / 3, "{counts:?}");
}

#[test]
fn the_block_and_the_call() {
    let source = "0 sload timestamp add number xor coinbase xor gaslimit add gasprice mul
        origin xor caller add address xor callvalue add calldatasize add prevrandao xor
        0 sstore stop";
    let counts = count_all(source);
    assert!(counts.done() > ALL * 3 / 4, "{counts:?}");
    let source = "0 sload chainid add basefee xor blobbasefee add returndatasize add 0 sstore stop";
    let counts = count(source, Spec::Cancun, 1);
    assert!(counts.done() > CASES * 3 / 4, "{counts:?}");
}

#[test]
fn what_is_not_whole_is_refused() {
    let sources = [
        "0 0 0 0 0 caller gas call 0 sload add 0 sstore stop",
        "gas 0 sload add 0 sstore stop",
        "0 sload caller balance add 0 sstore stop",
        "0 sload 1 add 0 sstore 64 mload 1 sstore stop",
        "0 sload 1 add 0 sstore 1 0 0 create stop",
        "0 sload 1 add 0 sstore 0 blockhash 1 sstore stop",
    ];
    for source in sources {
        let counts = count(source, Spec::Cancun, 2);
        assert_eq!(counts.refused(Refusal::NoPath), CASES, "{source}: {counts:?}");
    }
    let counts = count("0 sload 1 add 0 sstore 0 0 revert", Spec::Cancun, 3);
    assert_eq!(counts.refused(Refusal::NoSuccess), CASES);
}

#[test]
fn slots_of_the_access_list() {
    let code = asm("0 sload 1 add 0 sstore stop");
    let (env, set) = (block_env(Spec::Cancun), analyse(&code, Spec::Cancun).effect_set(None));
    let mut tx = call(&[]);
    let keys = (0..3).map(B256::with_last_byte).collect();
    tx.access_list = AccessList(vec![AccessListItem { address: CALLEE, storage_keys: keys }]);
    tx.tx_type = 1;
    let state = |n: u64| (0..3).map(|key| (U256::from(key), U256::from(n))).collect::<Storage>();
    let patch = redo(&set, &env, &tx, &code, [&state(5), &state(8)]).expect("a patch");
    assert_eq!(patch.values.first(), Some(&U256::from(9)));
    // An overlay may hold what the list names, although the code did not touch it.
    let slot = |key: u64, value| SlotUse {
        address: CALLEE,
        key: U256::from(key),
        original: U256::from(5),
        value: U256::from(value),
        now: U256::from(8),
    };
    let patch = |tx: &Transaction, slots: &[SlotUse]| {
        let observed = Observed { status: TxStatus::Success, slots, logs: &[], output: &[] };
        Redo::default().patch(&set, &Call::of(tx, &env).expect("a call"), &observed)
    };
    let values = patch(&tx, &[slot(0, 6), slot(2, 5)]).expect("a patch").values;
    assert_eq!(values, [U256::from(9), U256::from(8)]);
    assert_eq!(patch(&call(&[]), &[slot(0, 6), slot(2, 5)]), Err(Refusal::Mismatch));
    assert_eq!(patch(&tx, &[slot(0, 6), slot(2, 4)]), Err(Refusal::Mismatch));
    assert_eq!(patch(&tx, &[slot(0, 7)]), Err(Refusal::Mismatch));
    assert_eq!(patch(&tx, &[slot(1, 5)]), Err(Refusal::Mismatch));
    let other = SlotUse { address: CALLER, ..slot(1, 5) };
    assert_eq!(patch(&tx, &[slot(0, 6), other]), Err(Refusal::OtherAccounts));
    let many: Vec<_> = (0..65).map(|key| slot(key, 5)).collect();
    assert_eq!(patch(&tx, &many), Err(Refusal::ManySlots));
}

/// A random expression over slots, calldata and constants that leaves one word.
fn expression(random: &mut Random, depth: u32) -> String {
    if depth == 0 || random.below(5) == 0 {
        return match random.below(6) {
            0 => format!("{}", random.below(4)),
            1 => format!("{:#x}", random.word()),
            2 => format!("{} calldataload", 32 * random.below(2)),
            3 => "caller".to_owned(),
            _ => format!("{} sload", random.below(4)),
        };
    }
    let mut part = || expression(random, depth - 1);
    let (a, b, c) = (part(), part(), part());
    match random.below(12) {
        0 => format!("{a} 3 and sload"),
        1 => format!("{a} iszero"),
        2 => format!("{a} 0 mstore {b} 32 mstore 64 0 keccak256"),
        3 => format!("{a} {b} {c} mulmod"),
        4 => format!("{a} 0xff and {b} exp"),
        5 => format!("{a} 3 and sload {b} {c} swap1 sub add"),
        _ => {
            let ops = ["add", "sub", "mul", "div", "and", "xor", "lt", "sgt", "eq", "shr", "smod"];
            format!("{a} {b} {}", random.pick(&ops))
        }
    }
}

/// A random program: stores, logs and branches, then what it returns.
fn program(random: &mut Random) -> String {
    let mut out = "0 96 mstore\n".to_owned();
    for n in 0..2 + random.below(5) {
        out += &match random.below(6) {
            0 | 1 => format!("{} {} sstore\n", expression(random, 2), random.below(4)),
            2 => {
                let (value, key) = (expression(random, 1), expression(random, 1));
                format!("{value} {key} 3 and sstore\n")
            }
            3 => {
                let (data, topic) = (expression(random, 1), expression(random, 1));
                format!("{data} 64 mstore {topic} 32 64 log1\n")
            }
            4 => {
                let (test, value) = (expression(random, 2), expression(random, 1));
                format!("{test} @over{n} jumpi {value} 1 sstore over{n}:\n")
            }
            _ => format!("{} 96 mstore\n", expression(random, 2)),
        };
    }
    out + random.pick(&["stop", "96 mload 128 mstore 32 128 return", "32 96 return"])
}

#[test]
fn random_programs() {
    let mut counts = Counts::default();
    let mut random = Random(5);
    for _ in 0..1500 {
        let source = program(&mut random);
        let code = asm(&source);
        let spec = random.pick(&SPECS);
        let (env, set) = (block_env(spec), analyse(&code, spec).effect_set(None));
        for _ in 0..6 {
            let [mut old, mut new] = states(&mut random);
            if random.below(2) == 0 {
                // Changes that keep what most rules look at.
                new = old.clone();
                let key = U256::from(random.below(4));
                let value = U256::from(1000 + random.below(1 << 30));
                old.insert(key, value);
                new.insert(key, value + U256::from(random.below(99)));
            }
            let data = words(&[U256::from(random.below(4)), random.word()]);
            counts.add(&redo(&set, &env, &call(&data), &code, [&old, &new]));
        }
    }
    println!("{counts:?}");
    assert!(counts.done() > 2500, "{counts:?}");
    assert_eq!(counts.refused(Refusal::Mismatch), 0, "{counts:?}");
    let reasons = [Refusal::Check, Refusal::Key, Refusal::Gas];
    assert!(reasons.iter().all(|reason| counts.refused(*reason) > 0), "{counts:?}");
}

/// The deployed code of one of the examples' contracts.
fn artifact(name: &str) -> Vec<u8> {
    let path = workspace().join(format!("host/examples/artifacts/{name}.json"));
    let text = std::fs::read_to_string(path).expect("the artifact");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    hex::decode(json["deployed"].as_str().expect("code")).expect("hex digits")
}

#[test]
fn functions_of_real_contracts_have_effects() {
    let whole = |name: &str, signature: &str| {
        let analysis = analyse(&artifact(name), Spec::Cancun);
        !analysis.effect_set(Some(selector(signature))).segments.is_empty()
    };
    for signature in [
        "transfer(address,uint256)",
        "transferFrom(address,address,uint256)",
        "approve(address,uint256)",
        "mint(address,uint256)",
        "balanceOf(address)",
        "allowance(address,address)",
        "totalSupply()",
    ] {
        assert!(whole("Token", signature), "{signature}");
    }
    // It calls ecrecover.
    assert!(!whole("Token", "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)"));
    let folder = workspace().join("host/examples/artifacts");
    let (mut functions, mut with_effects) = (0, 0);
    for entry in std::fs::read_dir(folder).expect("the artifacts") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        let analysis = analyse(&artifact(name), Spec::Cancun);
        for selector in analysis.selectors() {
            functions += 1;
            let set = analysis.effect_set(Some(selector));
            with_effects += usize::from(!set.segments.is_empty());
        }
    }
    println!("{with_effects} of {functions} functions have whole paths");
    assert!(with_effects * 3 > functions, "{with_effects} of {functions}");
}

fn selector(signature: &str) -> u32 {
    let hash = keccak256(signature);
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

fn function(signature: &str, args: &[U256]) -> Vec<u8> {
    let mut data = selector(signature).to_be_bytes().to_vec();
    data.extend(words(args));
    data
}

fn account(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

fn mapping(key: U256, slot: U256) -> U256 {
    keccak256(words(&[key, slot])).into()
}

fn balance(of: Address) -> U256 {
    mapping(account(of), U256::from(4))
}

fn allowance(from: Address, spender: Address) -> U256 {
    mapping(account(spender), mapping(account(from), U256::from(5)))
}

const ALICE: Address = Address::repeat_byte(0xa1);
const BOB: Address = Address::repeat_byte(0xb0);

struct Token {
    code: Vec<u8>,
    env: Env,
    codes: CodeCache,
}

impl Token {
    fn new() -> Token {
        let codes = CodeCache::eager();
        Token { code: artifact("Token"), env: block_env(Spec::Cancun), codes }
    }

    fn redo(&self, data: &[u8], old: &Storage, new: &Storage) -> Result<Patch, Refusal> {
        let tx = call(data);
        let selector = Call::of(&tx, &self.env).expect("a call").selector();
        let code = CodeBytes::new(&self.code);
        let set = self.codes.effects(&code, self.env.spec, selector).expect("effects");
        redo(&set, &self.env, &tx, &self.code, [old, new])
    }
}

fn rich() -> Storage {
    Storage::from([
        (U256::from(2), U256::from(1_000_000)),
        (U256::from(3), account(CALLER)),
        (balance(CALLER), U256::from(5_000)),
        (balance(ALICE), U256::from(7_000)),
        (balance(BOB), U256::from(30)),
        (allowance(ALICE, CALLER), U256::from(4_000)),
    ])
}

fn with(storage: &Storage, key: U256, value: u64) -> Storage {
    let mut storage = storage.clone();
    storage.insert(key, U256::from(value));
    storage
}

#[test]
fn a_token_in_plain_cases() {
    let token = Token::new();
    let old = rich();
    let amount = U256::from(100);
    let transfer = function("transfer(address,uint256)", &[account(BOB), amount]);
    let from = [account(ALICE), account(BOB), amount];
    let transfer_from = function("transferFrom(address,address,uint256)", &from);
    let approve = function("approve(address,uint256)", &[account(BOB), amount]);
    let mint = function("mint(address,uint256)", &[account(BOB), amount]);
    let supply = function("totalSupply()", &[]);
    let done = |data: &[u8], key, value| {
        let result = token.redo(data, &old, &with(&old, key, value));
        assert!(result.is_ok(), "{result:?}");
    };
    done(&transfer, balance(BOB), 31);
    done(&transfer, balance(CALLER), 101);
    done(&transfer_from, balance(BOB), 99);
    done(&transfer_from, balance(ALICE), 6_000);
    done(&transfer_from, allowance(ALICE, CALLER), 3_000);
    done(&mint, U256::from(2), 2_000_000);
    done(&mint, balance(BOB), 77);
    done(&approve, balance(BOB), 77);
    done(&supply, U256::from(2), 5);
    let same = function("approve(address,uint256)", &[account(BOB), U256::ZERO]);
    done(&same, balance(BOB), 77);
    let refused = |data: &[u8], key, value, reason| {
        assert_eq!(token.redo(data, &old, &with(&old, key, value)), Err(reason));
    };
    // Too little is left, none is left, none was there.
    refused(&transfer, balance(CALLER), 99, Refusal::Check);
    refused(&transfer, balance(CALLER), 100, Refusal::Gas);
    refused(&transfer, balance(BOB), 0, Refusal::Gas);
    refused(&transfer_from, allowance(ALICE, CALLER), 100, Refusal::Gas);
    refused(&transfer_from, allowance(ALICE, CALLER), 99, Refusal::Check);
    refused(&mint, U256::from(3), 5, Refusal::Check);
    refused(&approve, allowance(CALLER, BOB), 100, Refusal::Gas);
    // To oneself: the second load sees the first store.
    let own = function("transfer(address,uint256)", &[account(CALLER), amount]);
    done(&own, balance(CALLER), 6_000);
}

#[test]
fn a_token_in_random_cases() {
    let token = Token::new();
    let mut random = Random(11);
    let mut counts = Counts::default();
    let people = [CALLER, ALICE, BOB];
    for _ in 0..3000 {
        let mut person = || account(random.pick(&people));
        let (a, b) = (person(), person());
        let value = random.word();
        let data = match random.below(4) {
            0 => function("transfer(address,uint256)", &[a, value]),
            1 => function("transferFrom(address,address,uint256)", &[a, b, value]),
            2 => function("approve(address,uint256)", &[a, value]),
            _ => function("mint(address,uint256)", &[a, value]),
        };
        let mut old = rich();
        let mut keys: Vec<U256> = old.keys().copied().collect();
        keys.retain(|key| *key != U256::from(3));
        for key in &keys {
            old.insert(*key, random.word());
        }
        let mut new = old.clone();
        new.insert(random.pick(&keys), random.word());
        counts.add(&token.redo(&data, &old, &new));
    }
    println!("{counts:?}");
    assert!(counts.done() > 500, "{counts:?}");
    assert_eq!(counts.refused(Refusal::Mismatch), 0, "{counts:?}");
    assert_eq!(counts.refused(Refusal::NoPath), 0, "{counts:?}");
}

/// `cargo test --release -p warpevm-tests --test redo -- --ignored --nocapture speed`
#[test]
#[ignore = "a measurement"]
fn speed() {
    let (code, env) = (artifact("Token"), block_env(Spec::Cancun));
    let tx = call(&function("transfer(address,uint256)", &[account(BOB), U256::from(100)]));
    let old = rich();
    let new = with(&old, balance(BOB), 31);
    let (did, touched) = run(&env, &tx, &code, &old);
    let slots = slots(&touched, &new);
    let observed =
        Observed { status: did.status, slots: &slots, logs: &did.logs, output: &did.output };
    let start = std::time::Instant::now();
    let selector = Call::of(&tx, &env).expect("a call").selector();
    let set = analyse(&code, env.spec).effect_set(selector);
    println!("effects: {:?}, {} bytes", start.elapsed(), set.bytes());
    let (mut redo, times) = (Redo::default(), 100_000u32);
    let start = std::time::Instant::now();
    for _ in 0..times {
        let call = Call::of(&tx, &env).expect("a call");
        std::hint::black_box(redo.patch(&set, &call, &observed)).expect("a patch");
    }
    println!("redo: {:?}", start.elapsed() / times);
    let mut db = CacheDB::<EmptyDB>::default();
    let bytecode = Bytecode::new_raw(Bytes::copy_from_slice(&code));
    let info = AccountInfo { nonce: 1, ..Default::default() }.with_code(bytecode);
    db.insert_account_info(CALLEE, info);
    let balance = U256::from(10).pow(U256::from(20));
    db.insert_account_info(CALLER, AccountInfo { balance, ..Default::default() });
    for (key, value) in &old {
        db.insert_account_storage(CALLEE, *key, *value).expect("no database behind");
    }
    let mut revm = Sequential::new(&env, db);
    let start = std::time::Instant::now();
    for _ in 0..times {
        std::hint::black_box(revm.transact_once(&tx)).expect("revm runs");
    }
    println!("revm: {:?}", start.elapsed() / times);
}
