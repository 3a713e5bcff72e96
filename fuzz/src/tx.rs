//! Random transactions of every type.

use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use revm::context::either::Either;
use warpevm::{Spec, Transaction};
use warpevm_compiler::Rule;

use crate::precompile;
use crate::program;
use crate::rng::Rng;
use crate::world::{CHAIN_ID, World, users};

/// A transaction from `caller`, valid more often than not.
pub fn transaction(rng: &mut Rng, world: &World, caller: Address, nonce: u64) -> Transaction {
    let spec = world.scene.spec;
    let mut tx = Transaction {
        tx_type: tx_type(rng, spec),
        caller,
        nonce,
        gas_limit: gas_limit(rng),
        gas_price: u128::from(world.env.block.basefee) + u128::from(rng.below(4)),
        chain_id: Some(CHAIN_ID),
        value: value(rng),
        ..Default::default()
    };
    to_and_data(rng, world, &mut tx);
    if let Some(deep) = world.recursive.filter(|_| rng.chance(20)) {
        // Enough for 1,024 frames, of which each leaves a 64th behind; no block has so much.
        tx.kind = TxKind::Call(deep);
        let most = if spec.rules().has(Rule::TxGasLimit) { 24 } else { 39 };
        tx.gas_limit = 1 << rng.between(22, most);
    }
    if tx.tx_type >= 1 && rng.chance(70) {
        tx.access_list = access_list(rng, world);
    }
    if tx.tx_type >= 2 {
        tx.gas_priority_fee = Some(u128::from(rng.below(4)).min(tx.gas_price));
    }
    if tx.tx_type == 3 {
        let blobs = rng.between(1, 3);
        tx.blob_hashes = (0..blobs).map(|_| blob_hash(rng)).collect();
        tx.max_fee_per_blob_gas = 1000;
    }
    if tx.tx_type == 4 {
        let count = rng.between(1, 3);
        tx.authorization_list = (0..count).map(|_| authorization(rng, world, &tx)).collect();
    }
    if rng.chance(2) {
        spoil(rng, &mut tx);
    }
    tx
}

fn tx_type(rng: &mut Rng, spec: Spec) -> u8 {
    let newest = match spec.rules() {
        rules if rules.has(Rule::Delegations) => 4,
        rules if rules.has(Rule::Blobs) => 3,
        rules if rules.has(Rule::BaseFee) => 2,
        rules if rules.has(Rule::AccessLists) => 1,
        _ => 0,
    };
    (rng.weighted(&[60, 14, 12, 5, 9]) as u8).min(newest)
}

fn gas_limit(rng: &mut Rng) -> u64 {
    match rng.weighted(&[30, 20, 120, 300, 450, 250, 4, 1]) {
        0 => rng.between(20_000, 60_000),
        1 => 53_000 + rng.below(20_000),
        2 => rng.between(60_000, 200_000),
        3 => rng.between(100_000, 500_000),
        4 => rng.between(300_000, 1_500_000),
        5 => rng.between(1_000_000, 5_000_000),
        6 => 1 << 24,
        _ => (1 << 24) + rng.below(2),
    }
}

fn value(rng: &mut Rng) -> U256 {
    match rng.weighted(&[60, 30, 5, 1]) {
        0 => U256::ZERO,
        1 => U256::from(rng.between(1, 9)),
        2 => U256::from(10u128.pow(18)),
        // More than anyone has, but not so much that balances overflow: then revm loses some.
        _ => rng.word() >> 4,
    }
}

fn to_and_data(rng: &mut Rng, world: &World, tx: &mut Transaction) {
    let creates = tx.tx_type < 3 && rng.chance(8);
    if creates {
        tx.kind = TxKind::Create;
        let mut data = match rng.chance(60) {
            true => rng.pick(&world.scene.init_codes).clone(),
            false => program::program(rng, &world.scene),
        };
        if rng.chance(1) {
            data.resize(*rng.pick(&[49_152, 49_153]), 0);
        }
        tx.data = data.into();
        return;
    }
    let (to, data) = match rng.weighted(&[84, 8, 4]) {
        0 => (*rng.pick(&world.contracts), calldata(rng, world)),
        1 => (*rng.pick(&world.scene.addresses), calldata(rng, world)),
        _ => {
            let (number, input) = precompile::input(rng, world.scene.spec);
            (Address::from_word(U256::from(number).into()), input.into())
        }
    };
    tx.kind = TxKind::Call(to);
    tx.data = data;
}

fn calldata(rng: &mut Rng, world: &World) -> Bytes {
    let mut data = Vec::new();
    match rng.weighted(&[20, 60, 12, 6]) {
        0 => {}
        1 => {
            if rng.chance(40) {
                data.extend(rng.bytes(4));
            }
            for _ in 0..rng.between(1, 5) {
                let word = match rng.chance(20) {
                    true => rng.pick(&world.scene.addresses).into_word().into(),
                    false => rng.word(),
                };
                data.extend(word.to_be_bytes::<32>());
            }
        }
        2 => {
            let len = rng.below(70) as usize;
            data = rng.bytes(len);
        }
        _ => data = vec![0; rng.below(1500) as usize],
    }
    if rng.chance(10) {
        data.pop();
    }
    data.into()
}

fn access_list(rng: &mut Rng, world: &World) -> AccessList {
    let items = (0..rng.between(1, 3)).map(|_| {
        let keys = (0..rng.below(4)).map(|_| B256::with_last_byte(rng.below(6) as u8));
        let storage_keys = keys.collect();
        let address = match rng.chance(90) {
            true => *rng.pick(&world.scene.addresses),
            false => Address::with_last_byte(rng.below(20) as u8),
        };
        AccessListItem { address, storage_keys }
    });
    AccessList(items.collect())
}

fn blob_hash(rng: &mut Rng) -> B256 {
    let mut hash = rng.hash();
    hash[0] = 1;
    hash
}

/// A signed tuple, valid or not.
fn authorization(
    rng: &mut Rng,
    world: &World,
    tx: &Transaction,
) -> Either<alloy_eips::eip7702::SignedAuthorization, alloy_eips::eip7702::RecoveredAuthorization> {
    let user = rng.pick(users());
    let own = u64::from(user.address == tx.caller);
    let nonce = match rng.weighted(&[85, 10, 5]) {
        0 => world.nonce(user.address).saturating_add(own),
        1 => rng.below(3),
        _ => u64::MAX,
    };
    let address = match rng.weighted(&[80, 10, 10]) {
        0 => *rng.pick(&world.scene.addresses),
        1 => Address::ZERO,
        _ => Address::with_last_byte(rng.below(12) as u8),
    };
    let chain_id = U256::from(rng.weighted(&[40, 50, 10]) as u64);
    let tuple = Authorization { chain_id, address, nonce };
    let hash = tuple.signature_hash();
    let (signature, recovery) =
        user.key.sign_prehash_recoverable(hash.as_slice()).expect("32 bytes can be signed");
    let mut signature = Signature::from_signature_and_parity(signature, recovery.is_y_odd());
    if rng.chance(3) {
        signature = Signature::new(signature.r(), rng.random_word(), signature.v());
    }
    Either::Left(tuple.into_signed(signature))
}

/// Makes a transaction invalid, mostly.
fn spoil(rng: &mut Rng, tx: &mut Transaction) {
    match rng.below(14) {
        0 => tx.nonce = tx.nonce.wrapping_add(1),
        1 => tx.nonce = tx.nonce.wrapping_sub(1),
        2 => tx.gas_limit = rng.below(22_000),
        3 => tx.gas_limit = u64::MAX - rng.below(3),
        4 => tx.gas_price = *rng.pick(&[0, u128::MAX, 1 << 100]),
        5 => tx.value = U256::MAX >> 4,
        6 => tx.chain_id = *rng.pick(&[None, Some(2)]),
        // revm runs types beyond the known ones as if they were legacy.
        7 if !tx.kind.is_create() => tx.tx_type = rng.below(5) as u8,
        8 => tx.gas_priority_fee = Some(tx.gas_price + 1),
        9 => tx.blob_hashes.push(rng.hash()),
        10 => tx.blob_hashes = vec![blob_hash(rng); rng.below(12) as usize],
        11 => tx.max_fee_per_blob_gas = 0,
        12 => tx.authorization_list.clear(),
        // revm runs a creation of type 3 or 4, which no encoding can hold.
        _ if tx.tx_type < 3 => tx.kind = TxKind::Create,
        _ => {}
    }
}
