//! What the fuzzer found once, each small.

use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Signature, TxKind, U256, hex};
use revm::context::BlockEnv;
use revm::context::either::Either;
use warpevm::{Checks, Env, Spec, Transaction};
use warpevm_fuzz::case::{Account, Case};
use warpevm_fuzz::check::{Checker, ENGINES};
use warpevm_fuzz::world::{User, users};

const CONTRACT: Address = Address::repeat_byte(0xc0);

/// A case in which every user has an ether and the contract has this code.
fn case(spec: Spec, code: &[u8], txs: Vec<Transaction>, block: bool) -> Case {
    let mut env = Env { spec, chain_id: 1, block: BlockEnv::default(), checks: Checks::default() };
    env.block.beneficiary = Address::repeat_byte(0xcb);
    env.block.gas_limit = u64::MAX;
    env.block.prevrandao = Some(B256::repeat_byte(1));
    env.block.set_blob_excess_gas_and_price(0, 5_007_716);
    let balance = U256::from(10u128.pow(18));
    let user = |user: &User| Account { address: user.address, balance, ..Default::default() };
    let mut accounts: Vec<Account> = users().iter().map(user).collect();
    let storage = vec![(U256::ZERO, U256::ONE), (U256::ONE, U256::from(2))];
    let (address, balance, code) = (CONTRACT, U256::from(14), code.to_vec().into());
    accounts.push(Account { address, balance, nonce: 1, code, storage });
    Case { env, accounts, txs, block, engine: 0, table_seed: 1 }
}

fn call(user: usize, to: Address) -> Transaction {
    Transaction {
        caller: users()[user].address,
        kind: TxKind::Call(to),
        gas_limit: 100_000,
        gas_price: 10,
        chain_id: Some(1),
        ..Default::default()
    }
}

/// Every engine agrees with revm.
fn agrees(case: &Case) {
    for engine in 0..ENGINES {
        let failure = Checker::default().check(&Case { engine, ..case.clone() });
        assert_eq!(failure, None, "engine {engine}");
    }
}

/// revm's cache gave a deleted account that comes back its old storage.
#[test]
fn a_deleted_account_comes_back_without_storage() {
    let txs = (0..6).map(|user| call(user, CONTRACT)).collect();
    let mut case = case(Spec::Istanbul, &hex!("6002ff"), txs, true);
    case.env.block.beneficiary = CONTRACT;
    agrees(&case);
}

/// Setting the delegation that an account has already is no change of its code.
#[test]
fn the_same_delegation_again() {
    let user = &users()[1];
    let tuple = Authorization { chain_id: U256::ONE, address: CONTRACT, nonce: 0 };
    let hash = tuple.signature_hash();
    let (signature, recovery) =
        user.key.sign_prehash_recoverable(hash.as_slice()).expect("32 bytes can be signed");
    let signature = Signature::from_signature_and_parity(signature, recovery.is_y_odd());
    let signed = tuple.into_signed(signature);
    let tx = Transaction {
        tx_type: 4,
        gas_priority_fee: Some(1),
        authorization_list: vec![Either::Left(signed)],
        ..call(0, user.address)
    };
    let mut case = case(Spec::Prague, &[], vec![tx], false);
    for code in [[&hex!("ef0100")[..], CONTRACT.as_slice()].concat(), Vec::new()] {
        let own = case.accounts.iter_mut().find(|account| account.address == user.address);
        own.expect("a user").code = code.into();
        agrees(&case);
        agrees(&Case { block: true, ..case.clone() });
    }
}

/// Without the balance check a call whose value the sender lacks fails, and its gas stays.
#[test]
fn a_value_that_the_sender_lacks() {
    let lacks = Transaction { value: U256::from(10u128.pow(19)), ..call(0, CONTRACT) };
    let create = Transaction { kind: TxKind::Create, ..lacks.clone() };
    for spec in [Spec::Frontier, Spec::Istanbul, Spec::Osaka] {
        let mut case = case(spec, &[0x00], vec![lacks.clone(), create.clone()], false);
        case.env.checks.balance = false;
        agrees(&case);
    }
}

/// A transaction that names an account without observing it must not bring it back after another
/// one deleted it.
#[test]
fn what_another_transaction_deletes_stays_deleted() {
    let list = AccessList(vec![AccessListItem { address: CONTRACT, storage_keys: vec![] }]);
    for spec in [Spec::Frontier, Spec::London] {
        let listed = spec == Spec::London;
        let mut txs = vec![call(0, CONTRACT)];
        for user in 1..6 {
            let access_list = if listed { list.clone() } else { AccessList::default() };
            let to = if user % 2 == 0 { CONTRACT } else { Address::repeat_byte(1) };
            let tx_type = listed.into();
            txs.push(Transaction { tx_type, access_list, ..call(user, to) });
            let second = Transaction { nonce: 1, ..call(user, CONTRACT) };
            txs.push(second);
        }
        // SELFDESTRUCT to 0x02
        agrees(&case(spec, &hex!("6002ff"), txs, true));
    }
}

/// Kernels count gas in 63 bits; a simulation without a block gas limit may have more.
#[test]
fn gas_limits_around_two_to_the_63() {
    let limits = [i64::MAX as u64 - 1, i64::MAX as u64, 1 << 63, u64::MAX - 1, u64::MAX];
    // Returns the gas left; or uses it all up.
    for code in [&hex!("5a60005260206000f3")[..], &hex!("fe")[..]] {
        let txs = limits.map(|gas_limit| Transaction { gas_limit, ..call(0, CONTRACT) }).to_vec();
        let mut case = case(Spec::Prague, code, txs, false);
        case.env.checks.balance = false;
        agrees(&case);
    }
}

/// Where several reasons hold, the reported one is revm's: nonce and code come before the cost.
#[test]
fn a_cost_beyond_256_bits_is_not_the_first_reason() {
    let dear = Transaction { gas_price: u128::MAX, value: U256::MAX, ..call(0, CONTRACT) };
    let early = Transaction { nonce: 1, ..dear.clone() };
    let contract = Transaction { caller: CONTRACT, nonce: 1, ..dear.clone() };
    for spec in [Spec::Frontier, Spec::Osaka] {
        let txs = vec![dear.clone(), early.clone(), contract.clone()];
        agrees(&case(spec, &[0x00], txs, false));
    }
}

/// The base fee comes before the block's gas limit, and both before what a creation cannot carry.
#[test]
fn reasons_that_need_no_state_have_one_order() {
    let much = Transaction { gas_limit: 1 << 30, ..call(0, CONTRACT) };
    let cheap = Transaction { gas_price: 0, ..much.clone() };
    let blobs = Transaction {
        tx_type: 3,
        kind: TxKind::Create,
        blob_hashes: vec![B256::repeat_byte(1)],
        max_fee_per_blob_gas: 1000,
        gas_priority_fee: Some(1),
        ..call(0, CONTRACT)
    };
    let wrong = [
        Transaction { chain_id: Some(2), ..blobs.clone() },
        Transaction { gas_price: 1, ..blobs.clone() },
        Transaction { gas_limit: 1 << 30, ..blobs.clone() },
        Transaction { gas_limit: 1, ..blobs.clone() },
        Transaction { nonce: 1, ..blobs.clone() },
        Transaction { nonce: u64::MAX, ..blobs.clone() },
    ];
    let txs = [vec![much, cheap, blobs], wrong.to_vec()].concat();
    let mut case = case(Spec::Prague, &[0x00], txs, false);
    case.env.block.basefee = 7;
    case.env.block.gas_limit = 1 << 29;
    agrees(&case);
}

/// A sender whose nonce is the last one has no valid transaction, checked nonces or not.
#[test]
fn the_last_nonce() {
    let dear = Transaction { value: U256::MAX, ..call(0, CONTRACT) };
    let create = Transaction { kind: TxKind::Create, ..call(0, CONTRACT) };
    let mut case = case(Spec::Osaka, &[0x00], vec![call(0, CONTRACT), dear, create], false);
    case.accounts[0].nonce = u64::MAX;
    for checked in [false, true] {
        case.env.checks.nonce = checked;
        agrees(&case);
    }
}
