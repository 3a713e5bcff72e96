//! Inputs of precompiles, good and bad.

use alloy_primitives::{U256, hex};
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

/// The generator of bn254's second group.
const BN254_G2: [u8; 128] = hex!(
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
);
/// The generator of BLS12-381's first group, without the zeros in front of each coordinate.
const BLS_G1: [[u8; 48]; 2] = [
    hex!(
        "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac58"
        "6c55e83ff97a1aeffb3af00adb22c6bb"
    ),
    hex!(
        "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3ed"
        "d03cc744a2888ae40caa232946c5e7e1"
    ),
];
/// The generator of its second group.
const BLS_G2: [[u8; 48]; 4] = [
    hex!(
        "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d177"
        "0bac0326a805bbefd48056c8c121bdb8"
    ),
    hex!(
        "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049"
        "334cf11213945d57e5ac7d055d042b7e"
    ),
    hex!(
        "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c"
        "923ac9cc3baca289e193548608b82801"
    ),
    hex!(
        "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab"
        "3f370d275cec1da1aaa9075ff05f79be"
    ),
];
/// A signature that P256VERIFY accepts (RIP-7212's first vector).
const P256_VALID: [u8; 160] = hex!(
    "4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d"
    "a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac"
    "36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60"
    "4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3"
    "7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e"
);

/// A precompile of `spec` (mostly) and an input that it may accept.
pub fn input(rng: &mut Rng, spec: Spec) -> (u64, Vec<u8>) {
    // Pairings, BLS12-381 and KZG are slow: seldom.
    let weights = [6, 6, 6, 6, 8, 8, 6, 1, 8, 1, 1, 1, 1, 1, 1, 1, 1, 6];
    // One beyond those that there are, too.
    let count = (spec.precompiles().count_ones() as usize + 1).min(weights.len());
    let number = match rng.weighted(&weights[..count]) as u64 {
        17 => 0x100,
        n => n + 1,
    };
    let mut bytes = match number {
        1 => ecrecover(rng),
        5 => modexp(rng),
        6 => [point(rng), point(rng)].concat(),
        7 => [point(rng), rng.word().to_be_bytes_vec()].concat(),
        8 => {
            let pairs = rng.below(3);
            (0..pairs).flat_map(|_| [point(rng), bn254_g2(rng)].concat()).collect()
        }
        9 => blake2f(rng),
        10 => kzg(rng),
        11 => [bls_g1(rng), bls_g1(rng)].concat(),
        12 => pairs(rng, |rng| [bls_g1(rng), rng.word().to_be_bytes_vec()].concat()),
        13 => [bls_g2(rng), bls_g2(rng)].concat(),
        14 => pairs(rng, |rng| [bls_g2(rng), rng.word().to_be_bytes_vec()].concat()),
        15 => pairs(rng, |rng| [bls_g1(rng), bls_g2(rng)].concat()),
        16 => bls_field(rng),
        17 => [bls_field(rng), bls_field(rng)].concat(),
        0x100 if rng.chance(40) => P256_VALID.to_vec(),
        0x100 => words(rng, 5),
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

fn bn254_g2(rng: &mut Rng) -> Vec<u8> {
    match rng.below(8) {
        0..=3 => BN254_G2.to_vec(),
        4..=6 => vec![0; 128],
        _ => rng.bytes(128),
    }
}

/// One, two or three.
fn pairs(rng: &mut Rng, mut one: impl FnMut(&mut Rng) -> Vec<u8>) -> Vec<u8> {
    (0..rng.between(1, 3)).flat_map(|_| one(rng)).collect()
}

/// Coordinates with the zeros before each.
fn padded(coordinates: &[[u8; 48]]) -> Vec<u8> {
    coordinates.iter().flat_map(|c| [&[0; 16][..], c].concat()).collect()
}

/// A point of BLS12-381's first group: the generator, infinity, or no point.
fn bls_g1(rng: &mut Rng) -> Vec<u8> {
    match rng.below(8) {
        0..=4 => padded(&BLS_G1),
        5..=6 => vec![0; 128],
        _ => [bls_field(rng), bls_field(rng)].concat(),
    }
}

/// The same of its second group.
fn bls_g2(rng: &mut Rng) -> Vec<u8> {
    match rng.below(8) {
        0..=4 => padded(&BLS_G2),
        5..=6 => vec![0; 256],
        _ => (0..4).flat_map(|_| bls_field(rng)).collect(),
    }
}

/// A number of BLS12-381's base field, or (one in 16) perhaps a larger one.
fn bls_field(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = [vec![0; 16], rng.bytes(48)].concat();
    bytes[16] = if rng.chance(94) { rng.below(26) as u8 } else { rng.next() as u8 };
    bytes
}

/// The commitment to a polynomial that is zero and a proof of its value, mostly.
fn kzg(rng: &mut Rng) -> Vec<u8> {
    // SHA-256 of the commitment with the version in front (EIP-4844).
    const HASH: [u8; 32] = hex!("010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014");
    let infinity = [&[0xc0][..], &[0; 47]].concat();
    let z = [vec![0], rng.bytes(31)].concat();
    let y = U256::from(rng.below(8) / 7).to_be_bytes_vec();
    [&HASH[..], &z, &y, &infinity, &infinity].concat()
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
