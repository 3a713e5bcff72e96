//! Inputs of precompiles, good and bad.

use alloy_primitives::U256;
use warpevm_compiler::Spec;

use crate::rng::Rng;

/// The order of the bn254 base field.
const BN254_P: U256 = U256::from_limbs([
    0x3c20_8c16_d87c_fd47,
    0x9781_6a91_6871_ca8d,
    0xb850_45b6_8181_585d,
    0x3064_4e72_e131_a029,
]);
/// The order of secp256k1's group.
const SECP256K1_N: U256 = U256::from_limbs([
    0xbfd2_5e8c_d036_4141,
    0xbaae_dce6_af48_a03b,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
]);

/// A precompile of `spec` (mostly) and an input that it may accept.
pub fn input(rng: &mut Rng, spec: Spec) -> (u64, Vec<u8>) {
    // The slow ones (pairings, BLS12-381, KZG): seldom.
    let number = match spec {
        _ if spec < Spec::Byzantium => rng.between(1, 5),
        _ if spec < Spec::Istanbul => 1 + rng.weighted(&[6, 6, 6, 6, 8, 8, 6, 1, 1]) as u64,
        _ if spec < Spec::Osaka => 1 + rng.weighted(&[6, 6, 6, 6, 8, 8, 6, 1, 8, 1, 1]) as u64,
        _ => match rng.weighted(&[6, 6, 6, 6, 8, 8, 6, 1, 8, 1, 3, 6]) as u64 {
            10 => rng.between(0x0b, 0x11),
            11 => 0x100,
            n => n + 1,
        },
    };
    let mut bytes = match number {
        1 => ecrecover(rng),
        5 => modexp(rng),
        6 => [point(rng), point(rng)].concat(),
        7 => [point(rng), rng.word().to_be_bytes_vec()].concat(),
        8 => {
            let pairs = rng.below(2);
            (0..pairs).flat_map(|_| [point(rng), vec![0; 128]].concat()).collect()
        }
        9 => blake2f(rng),
        0x100 => words(rng, 5),
        0x0b..=0x11 => bls12_381(rng, number),
        _ => {
            let len = rng.below(150) as usize;
            rng.bytes(len)
        }
    };
    match rng.weighted(&[85, 5, 5, 5]) {
        0 => {}
        1 => bytes.push(rng.next() as u8),
        2 => drop(bytes.pop()),
        _ => {
            if !bytes.is_empty() {
                let at = rng.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << rng.below(8);
            }
        }
    }
    (number, bytes)
}

/// Points are infinity (any number of zeros) or nothing that is on the curve; both come in the
/// lengths that the precompile takes.
fn bls12_381(rng: &mut Rng, number: u64) -> Vec<u8> {
    let element = |rng: &mut Rng, zero: bool| {
        let mut bytes = vec![0; 64];
        if !zero {
            bytes[16] = rng.below(0x20) as u8;
            bytes[17..].copy_from_slice(&rng.bytes(47));
        }
        bytes
    };
    let zero = number < 0x10 && rng.below(8) != 0;
    let item: Vec<usize> = match number {
        0x0b => vec![4],
        0x0c => vec![2, 0],
        0x0d => vec![8],
        0x0e => vec![4, 0],
        0x0f => vec![6],
        0x10 => vec![1],
        _ => vec![2],
    };
    let count = if matches!(number, 0x0c | 0x0e | 0x0f) { rng.between(1, 3) } else { 1 };
    let mut bytes = Vec::new();
    for _ in 0..count {
        for &elements in &item {
            match elements {
                0 => bytes.extend(rng.word().to_be_bytes::<32>()),
                _ => (0..elements).for_each(|_| bytes.extend(element(rng, zero))),
            }
        }
    }
    bytes
}

fn words(rng: &mut Rng, count: usize) -> Vec<u8> {
    (0..count).flat_map(|_| rng.word().to_be_bytes::<32>()).collect()
}

fn ecrecover(rng: &mut Rng) -> Vec<u8> {
    let scalar = |rng: &mut Rng| match rng.below(6) {
        0 => SECP256K1_N.wrapping_sub(U256::from(rng.below(3))).wrapping_add(U256::ONE),
        1 => U256::from(rng.below(3)),
        _ => rng.random_word(),
    };
    let v = match rng.below(8) {
        0 => rng.word(),
        n => U256::from(27 + n % 2),
    };
    let (r, s) = (scalar(rng), scalar(rng));
    [rng.random_word(), v, r, s].iter().flat_map(|word| word.to_be_bytes::<32>()).collect()
}

/// A point of bn254: infinity, the generator, its negative, or no point.
fn point(rng: &mut Rng) -> Vec<u8> {
    let two = U256::from(2);
    let (x, y) = match rng.below(8) {
        0 | 1 => (U256::ZERO, U256::ZERO),
        2..=4 => (U256::ONE, two),
        5 => (U256::ONE, BN254_P - two),
        6 => (BN254_P + U256::ONE, two),
        _ => (rng.random_word(), rng.random_word()),
    };
    [x.to_be_bytes_vec(), y.to_be_bytes_vec()].concat()
}

fn modexp(rng: &mut Rng) -> Vec<u8> {
    let mut len = || match rng.weighted(&[60, 30, 8, 2]) {
        0 => rng.below(40),
        1 => 32 * rng.below(4),
        2 => rng.below(300),
        _ => rng.skewed(40),
    };
    let lens = [len(), len(), len()];
    let mut bytes: Vec<u8> =
        lens.iter().flat_map(|len| U256::from(*len).to_be_bytes::<32>()).collect();
    let held = lens.iter().sum::<u64>().min(600);
    let fill = rng.below(4);
    bytes.extend((0..held).map(|_| match fill {
        0 => 0,
        1 => 0xff,
        _ => rng.next() as u8,
    }));
    bytes
}

fn blake2f(rng: &mut Rng) -> Vec<u8> {
    let rounds = match rng.below(10) {
        0 => rng.next() as u32,
        _ => rng.below(20) as u32,
    };
    let mut bytes = rounds.to_be_bytes().to_vec();
    bytes.extend(rng.bytes(208));
    bytes.push(rng.weighted(&[45, 45, 10]) as u8);
    bytes
}
