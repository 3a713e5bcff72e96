//! Hash flooding: keys chosen to collide in the state table and in the overlay.
//!
//! What bounds it is the seed, which is random and secret. So the bound is on probes: places of the
//! index that a look-up visits. Keys chosen without the seed must need as few as random ones, and
//! keys chosen with it many, or the test could not fail.

use alloy_primitives::{Address, B256, U256};
use warpevm::state::table::{account_hash, slot_hash};
use warpevm::{Spec, TxStatus};
use warpevm_kernels::abi::{Addr, HASH_SECRET_A, HASH_SECRET_B, SLOT_TRANSIENT};

use super::{Scene, asm};

/// The target's place in the table (after the fee recipient and the caller) and in the overlay.
const PLACES: [u32; 2] = [2, 1];
/// Keys of a family.
const KEYS: u64 = 4096;
/// Random seeds. Addresses in a row once piled up under one seed of 16.
const SEEDS: u32 = 60;
/// Mean probes of a look-up that finds its key, in an index at most half full: 1.5 for random
/// hashes (Knuth, 6.4).
const MEAN_PROBES_MAX: f64 = 2.0;
/// The longest of these look-ups: random hashes needed 67 at most in 100,000 indices.
const PROBES_MAX: u32 = 250;

/// Mean and most probes of look-ups in an index of linear probing, filled in this order: the index
/// of the state table and of the overlay.
fn probes(hashes: &[u64]) -> (f64, u32) {
    let places = (2 * hashes.len()).next_power_of_two();
    let mut taken = vec![false; places];
    let (mut sum, mut most) = (0u64, 0);
    for hash in hashes {
        let mut at = *hash as usize & (places - 1);
        let mut count = 1;
        while std::mem::replace(&mut taken[at], true) {
            at = (at + 1) & (places - 1);
            count += 1;
        }
        sum += u64::from(count);
        most = most.max(count);
    }
    (sum as f64 / hashes.len() as f64, most)
}

/// Constants of the hashes, which an attacker knows.
const KNOWN: [u64; 2] = [HASH_SECRET_A, HASH_SECRET_B];

/// Families of storage keys, by number.
const SLOTS: [fn(u64) -> [u64; 4]; 11] = [
    |n| [n, 0, 0, 0],
    |n| [0, 0, 0, n],
    |n| [n << 48, 0, 0, 0],
    |n| [n << 32, n << 32, n << 32, n << 32],
    |n| [n, KNOWN[1], 0, 0],
    |n| [KNOWN[0], n, 0, 0],
    |n| [0, 0, n, KNOWN[1]],
    |n| [0, 0, KNOWN[0], n],
    |n| [n, n, n, n],
    |n| [n, !n, n, !n],
    |n| [KNOWN[0] ^ n, KNOWN[1] ^ n, KNOWN[0] ^ n, KNOWN[1] ^ n],
];

/// Families of addresses, by number.
const ADDRESSES: [fn(u64) -> Addr; 6] = [
    |n| address(0, 0, n as u32),
    |n| address(0, 0, (n as u32).swap_bytes()),
    |n| address(n, 0, 0),
    |n| address(n, KNOWN[1], 0),
    |n| address(KNOWN[0], n, 0),
    |n| address(n << 40, n, n as u32),
];

fn address(low: u64, middle: u64, high: u32) -> Addr {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&low.to_le_bytes());
    bytes[8..16].copy_from_slice(&middle.to_le_bytes());
    bytes[16..].copy_from_slice(&high.to_le_bytes());
    bytes
}

fn assert_spread(what: &str, hashes: &[u64]) {
    let (mean, most) = probes(hashes);
    assert!(mean <= MEAN_PROBES_MAX && most <= PROBES_MAX, "{what}: {mean:.1}, at most {most}");
}

#[test]
fn keys_chosen_without_the_seed_spread() {
    for _ in 0..SEEDS {
        let seed = u64::from_le_bytes(*B256::random().first_chunk().expect("32 bytes"));
        for (family, key) in SLOTS.iter().enumerate() {
            // In the table, in the overlay, and transient there.
            for place in [PLACES[0], PLACES[1], PLACES[1] | SLOT_TRANSIENT << 30] {
                let hashes: Vec<_> = (0..KEYS).map(|n| slot_hash(seed, &key(n), place)).collect();
                assert_spread(&format!("slots {family}, seed {seed:#x}, {place:#x}"), &hashes);
            }
        }
        for (family, key) in ADDRESSES.iter().enumerate() {
            let hashes: Vec<_> = (0..KEYS).map(|n| account_hash(seed, &key(n))).collect();
            assert_spread(&format!("addresses {family}, seed {seed:#x}"), &hashes);
        }
        // Keys that collide under another seed.
        for place in PLACES {
            let keys = colliding_keys(7, place, 1_500);
            let hash = |seed, key: &U256| slot_hash(seed, key.as_limbs(), place);
            let spread: Vec<_> = keys.iter().map(|key| hash(seed, key)).collect();
            assert_spread(&format!("the keys of another seed, seed {seed:#x}"), &spread);
            let known: Vec<_> = keys.iter().map(|key| hash(7, key)).collect();
            assert!(probes(&known).0 > 500.0, "they do collide under theirs");
        }
    }
}

/// Keys of the account at a place whose hashes agree in their low bits, under one seed.
fn colliding_keys(seed: u64, account: u32, count: usize) -> Vec<U256> {
    let hash = |n: u64| slot_hash(seed, &[n, 0, 0, 0], account) & 0xfff;
    let wanted = hash(0);
    (0..).filter(|n| hash(*n) == wanted).take(count).map(U256::from).collect()
}

/// Reads and writes the slots that calldata lists.
const SLOT_VISITOR: &str = "0 again: dup1 calldatasize eq @end jumpi \
    dup1 calldataload dup1 sload 1 add swap1 sstore 32 add @again jump end: stop";

/// The same with transient slots.
const TRANSIENT_VISITOR: &str = "0 again: dup1 calldatasize eq @end jumpi \
    dup1 calldataload dup1 tload 1 add swap1 tstore 32 add @again jump end: stop";

/// Asks for the balances of the accounts that calldata lists.
const ACCOUNT_VISITOR: &str = "0 again: dup1 calldatasize eq @end jumpi \
    dup1 calldataload balance pop 32 add @again jump end: stop";

/// Runs a visitor on keys that collide under a table's seed, and under another: the same comes of
/// it, in the same suspensions.
fn visit(source: &str, keys: &[U256], seed: u64) {
    let data: Vec<u8> = keys.iter().flat_map(|key| key.to_be_bytes::<32>()).collect();
    let results = [seed, seed + 1].map(|seed| {
        let mut scene = Scene::new(Spec::Cancun, 60_000_000, asm(source)).data(data.clone());
        scene.seed = seed;
        let (executed, report) = scene.bounded();
        assert_eq!(executed.status, TxStatus::Success);
        (executed, report.suspensions)
    });
    assert_eq!(results[0], results[1]);
}

#[test]
fn slots_that_collide() {
    for place in PLACES {
        visit(SLOT_VISITOR, &colliding_keys(7, place, 1_500), 7);
    }
    visit(TRANSIENT_VISITOR, &colliding_keys(7, PLACES[1] | SLOT_TRANSIENT << 30, 1_500), 7);
}

#[test]
fn accounts_that_collide() {
    let hash = |n: u64| account_hash(7, &address(n, 0, 0)) & 0x7ff;
    let wanted = hash(0);
    let numbers = (0..).filter(|n| hash(*n) == wanted).take(800);
    let word = |n| U256::from_be_bytes(Address::from(address(n, 0, 0)).into_word().0);
    visit(ACCOUNT_VISITOR, &numbers.map(word).collect::<Vec<_>>(), 7);
}
