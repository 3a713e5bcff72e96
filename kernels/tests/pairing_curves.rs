//! The pairing curves of the op library (`cuda/op/{bn254_pairing,bls12_381*,kzg}.cuh`) against
//! revm's precompiles and a plain model of curves over `F_p^2`.
//!
//! Every test runs both builds of the library: 64-bit limbs (the CPU's) and 32-bit limbs (the
//! device's). Inputs are random and edge values from a fixed seed.

#![allow(missing_docs, reason = "a test crate has no readers of its documentation")]

#[path = "common/pairing_model.rs"]
mod model;

use std::time::Instant;

use alloy_primitives::{U256, aliases::U384, hex};
use revm::precompile::{
    PrecompileSpecId, Precompiles, bls12_381_const::TRUSTED_SETUP_TAU_G2_BYTES, u64_to_address,
};
use warpevm_kernels as _;

use model::*;

const SEED: u64 = 0x5eed_0002;

const BN_PAIRING: u32 = 0x08;
const KZG: u32 = 0x0a;
const G1_ADD: u32 = 0x0b;
const G1_MSM: u32 = 0x0c;
const G2_ADD: u32 = 0x0d;
const G2_MSM: u32 = 0x0e;
const PAIRING: u32 = 0x0f;
const MAP_G1: u32 = 0x10;
const MAP_G2: u32 = 0x11;

type FieldFn = unsafe extern "C" fn(u32, u32, *const u8, *const u8, *mut u8) -> bool;
type CurveFn = unsafe extern "C" fn(u32, *const u8, u32, *mut u8) -> bool;
type GasFn = unsafe extern "C" fn(u32, u64) -> u64;
type RootFn = unsafe extern "C" fn(*const u8, *mut u8) -> bool;
type TauFn = unsafe extern "C" fn(*mut u8);

unsafe extern "C" {
    fn op_test_field_limbs64(_: u32, _: u32, _: *const u8, _: *const u8, _: *mut u8) -> bool;
    fn op_test_field_limbs32(_: u32, _: u32, _: *const u8, _: *const u8, _: *mut u8) -> bool;
    fn op_test_pairing_curve_limbs64(_: u32, _: *const u8, _: u32, _: *mut u8) -> bool;
    fn op_test_pairing_curve_limbs32(_: u32, _: *const u8, _: u32, _: *mut u8) -> bool;
    fn op_test_msm_gas_limbs64(_: u32, _: u64) -> u64;
    fn op_test_msm_gas_limbs32(_: u32, _: u64) -> u64;
    fn op_test_map_root_limbs64(_: *const u8, _: *mut u8) -> bool;
    fn op_test_map_root_limbs32(_: *const u8, _: *mut u8) -> bool;
    fn op_test_kzg_tau_limbs64(_: *mut u8);
    fn op_test_kzg_tau_limbs32(_: *mut u8);
}

/// One build of the op library.
struct Library {
    name: &'static str,
    field: FieldFn,
    curve: CurveFn,
    msm_gas: GasFn,
    root: RootFn,
    tau: TauFn,
}

const LIBRARIES: [Library; 2] = [
    Library {
        name: "64-bit limbs",
        field: op_test_field_limbs64,
        curve: op_test_pairing_curve_limbs64,
        msm_gas: op_test_msm_gas_limbs64,
        root: op_test_map_root_limbs64,
        tau: op_test_kzg_tau_limbs64,
    },
    Library {
        name: "32-bit limbs",
        field: op_test_field_limbs32,
        curve: op_test_pairing_curve_limbs32,
        msm_gas: op_test_msm_gas_limbs32,
        root: op_test_map_root_limbs32,
        tau: op_test_kzg_tau_limbs32,
    },
];

impl Library {
    /// The precompile's output; none if it fails. The input's length is valid.
    fn run(&self, address: u32, input: &[u8]) -> Option<Vec<u8>> {
        // The longest output is a point of G2; what lies behind it must stay.
        let mut out = [0xa5u8; 256 + 32];
        // SAFETY: `input` has `len` bytes, and `out` room for the longest output.
        let ok =
            unsafe { (self.curve)(address, input.as_ptr(), input.len() as u32, out.as_mut_ptr()) };
        let len = match address {
            BN_PAIRING | PAIRING => 32,
            KZG => 0,
            G1_ADD | G1_MSM | MAP_G1 => 128,
            _ => 256,
        };
        assert!(out[len..].iter().all(|&byte| byte == 0xa5), "{address:#x} wrote too much");
        ok.then(|| out[..len].to_vec())
    }
}

/// revm's output and gas; none if it fails.
fn revm_run(address: u32, input: &[u8]) -> Option<(Vec<u8>, u64)> {
    let precompiles = Precompiles::new(PrecompileSpecId::OSAKA);
    let precompile = precompiles.get(&u64_to_address(address.into())).expect("a precompile");
    let output = precompile.execute(input, u64::MAX >> 1, 0).ok()?;
    output.is_success().then(|| (output.bytes.to_vec(), output.gas_used))
}

/// Runs both builds and revm; returns what they agree on.
fn agree(address: u32, input: &[u8], what: &str) -> Option<Vec<u8>> {
    let mut expected = revm_run(address, input).map(|(bytes, _)| bytes);
    let all = expected.clone();
    if address == KZG {
        expected = expected.map(|_| Vec::new());
    }
    for library in &LIBRARIES {
        let got = library.run(address, input);
        assert!(
            got == expected,
            "{what} at {address:#x}, {}: {:?} for {:?} on {}",
            library.name,
            got.map(hex::encode),
            expected.as_ref().map(hex::encode),
            hex::encode(input)
        );
    }
    all
}

fn is_one(output: Option<Vec<u8>>) -> Option<bool> {
    output.map(|bytes| bytes[31] == 1)
}

// ---- fields ----

const FIELD_OPS: u32 = 9;

fn field_expected(op: u32, a: U384, b: U384, p: U384, bits: usize) -> U384 {
    // Montgomery form: the radix to the power of -1, and 2.
    let radix = U384::from(2).pow_mod(U384::from(bits), p);
    let back = radix.inv_mod(p).expect("odd");
    let minus = |x: U384| if x.is_zero() { x } else { p - x };
    let mul = |x: U384, y: U384| x.mul_mod(y, p);
    match op {
        0 => a.add_mod(b, p),
        1 => a.add_mod(minus(b), p),
        2 => mul(mul(a, b), back),
        3 if a.is_zero() => a,
        3 => mul(a.inv_mod(p).expect("prime"), mul(radix, radix)),
        4 => mul(a, (p + U384::from(1)) >> 1),
        5 => minus(a),
        6 => mul(U384::from(16), mul(mul(a, a).add_mod(mul(b, b), p), back)),
        7 => mul(mul(a, a).add_mod(minus(mul(b, b)), p), back),
        8 => mul(mul(a.add_mod(b, p), a.add_mod(b, p)), back),
        _ => unreachable!(),
    }
}

#[test]
fn field_ops() {
    let mut rng = Rng(SEED);
    for (field, p, bits) in [(0, u384(BN_P), 256), (1, u384(BLS_P), 384)] {
        for case in 0..4_000 {
            let (a, b) = (rng.element(p), rng.element(p));
            let b = if rng.below(8) == 0 { a } else { b };
            for op in 0..FIELD_OPS {
                let expected = field_expected(op, a, b, p, bits);
                for library in &LIBRARIES {
                    let mut out = [0u8; 48];
                    let [x, y] = [a, b].map(|x| x.to_le_bytes::<48>());
                    // SAFETY: operands and result have the 48 bytes of the longer field.
                    let known = unsafe {
                        (library.field)(field, op, x.as_ptr(), y.as_ptr(), out.as_mut_ptr())
                    };
                    assert!(known);
                    let got = U384::from_le_bytes(out);
                    let name = library.name;
                    assert_eq!(got, expected, "{field} op {op} {name} {a:#x} {b:#x} case {case}");
                }
            }
        }
    }
}

#[test]
fn field_bounds() {
    for (field, p) in [(0, u384(BN_P)), (1, u384(BLS_P))] {
        let one = U384::from(1);
        let top = if field == 0 { (one << 256) - one } else { U384::MAX };
        for (x, reduced) in
            [(U384::ZERO, true), (p - one, true), (p, false), (p + one, false), (top, false)]
        {
            for library in &LIBRARIES {
                let (bytes, mut out) = (x.to_le_bytes::<48>(), [0u8; 48]);
                // SAFETY: as in `field_ops`.
                let got = unsafe {
                    (library.field)(field, 9, bytes.as_ptr(), bytes.as_ptr(), out.as_mut_ptr())
                };
                assert_eq!(got, reduced, "{field} {} {x:#x}", library.name);
            }
        }
    }
}

// ---- points ----

#[test]
fn bls_additions() {
    let mut rng = Rng(SEED);
    let (g1, g2) = bls_generators();
    for (address, curve, generator) in
        [(G1_ADD, Curve::bls_g1(), g1), (G2_ADD, Curve::bls_g2(), g2)]
    {
        let p = curve.p;
        let mut points = vec![None, generator, curve.neg(generator)];
        points.extend((0..6).map(|_| curve.random(&mut rng)));
        points.push(curve.neg(points[4]));
        let (mut valid, mut invalid) = (0, 0);
        for &a in &points {
            for &b in &points {
                let good = [bls_bytes(&curve, a), bls_bytes(&curve, b)].concat();
                let sum = agree(address, &good, "sum").expect("valid points");
                assert_eq!(sum, bls_bytes(&curve, curve.add(a, b)), "model");
                valid += 1;
                for _ in 0..6 {
                    let mut bad = good.clone();
                    spoil(&mut rng, &mut bad, 64, p);
                    invalid += u32::from(agree(address, &bad, "spoilt sum").is_none());
                }
            }
        }
        assert!(valid > 0 && invalid > 100);
    }
}

/// The endomorphisms' answer is that of a multiplication by the order.
#[test]
fn subgroup_checks() {
    let mut rng = Rng(SEED);
    let ((g1, g2), (_, bn_g2)) = (bls_generators(), bn_generators());
    let scalar = U256::from(1).to_be_bytes::<32>();
    let mut count = [0; 2];
    for (address, curve, generator) in [
        (G1_MSM, Curve::bls_g1(), g1),
        (G2_MSM, Curve::bls_g2(), g2),
        (BN_PAIRING, Curve::bn_g2(), bn_g2),
    ] {
        let mut candidates = subgroup_candidates(&curve, generator, &mut rng);
        if address == G1_MSM {
            candidates.push(Some((real(U384::ZERO), real(U384::from(2))))); // of order 3
        }
        for point in candidates {
            let inside = curve.mul(curve.r, point).is_none();
            let input = match address {
                BN_PAIRING => [vec![0; 64], bn_bytes(&curve, point)].concat(),
                _ => [bls_bytes(&curve, point), scalar.to_vec()].concat(),
            };
            let got = agree(address, &input, "membership");
            assert_eq!(got.is_some(), inside, "{address:#x} {point:?}");
            count[usize::from(inside)] += 1;
        }
    }
    assert!(count[0] > 30 && count[1] > 10, "{count:?}");
}

#[test]
fn multiples() {
    let mut rng = Rng(SEED);
    let (g1, g2) = bls_generators();
    for (address, curve, generator) in
        [(G1_MSM, Curve::bls_g1(), g1), (G2_MSM, Curve::bls_g2(), g2)]
    {
        let mut points: Vec<Point> = (0..5).map(|_| curve.mul(rng.u256(), generator)).collect();
        points.extend([None, generator, curve.neg(points[0]), curve.neg(generator)]);
        let outside = curve.random(&mut rng);
        for case in 0..120 {
            let count = [1, 1, 2, 3, 15, 16, 17, 33][case % 8];
            let mut input = Vec::new();
            let mut expected = None;
            for i in 0..count {
                let mut point = points[rng.below(points.len())];
                if case % 10 == 9 && i == count / 2 {
                    point = outside;
                }
                let scalar = rng.scalar();
                input.extend(bls_bytes(&curve, point));
                input.extend(scalar.to_be_bytes::<32>());
                if case < 16 && count <= 3 {
                    expected = curve.add(expected, curve.mul(scalar, point));
                }
            }
            let good = agree(address, &input, "multiples");
            assert_eq!(good.is_none(), case % 10 == 9, "case {case}");
            if let (Some(good), true) = (good, case < 16 && count <= 3) {
                assert_eq!(good, bls_bytes(&curve, expected), "model, case {case}");
            }
            // A spoilt point fails whatever its scalar.
            let item = input.len() / count;
            let at = rng.below(count) * item;
            spoil(&mut rng, &mut input[at..at + item - 32], 64, curve.p);
            input[at + item - 32..at + item].fill(0);
            agree(address, &input, "spoilt multiples");
        }
    }
}

#[test]
fn multiples_gas() {
    for (address, bytes) in [(G1_MSM, 160), (G2_MSM, 288)] {
        for count in (1..=140).chain([1000]) {
            let (_, expected) = revm_run(address, &vec![0; bytes * count]).expect("infinities");
            for library in &LIBRARIES {
                // SAFETY: no pointers.
                let got = unsafe { (library.msm_gas)(address, count as u64) };
                assert_eq!(got, expected, "{address:#x} {count} {}", library.name);
            }
        }
    }
}

// ---- pairings ----

struct PairingCase {
    address: u32,
    g1: Curve,
    g2: Curve,
    generators: (Point, Point),
    encode: fn(&Curve, Point) -> Vec<u8>,
    coordinate: usize,
}

fn pairing_cases() -> [PairingCase; 2] {
    [
        PairingCase {
            address: BN_PAIRING,
            g1: Curve::bn_g1(),
            g2: Curve::bn_g2(),
            generators: bn_generators(),
            encode: bn_bytes,
            coordinate: 32,
        },
        PairingCase {
            address: PAIRING,
            g1: Curve::bls_g1(),
            g2: Curve::bls_g2(),
            generators: bls_generators(),
            encode: bls_bytes,
            coordinate: 64,
        },
    ]
}

impl PairingCase {
    fn input(&self, pairs: &[[Point; 2]]) -> Vec<u8> {
        let encode = self.encode;
        pairs
            .iter()
            .flat_map(|[p, q]| [encode(&self.g1, *p), encode(&self.g2, *q)].concat())
            .collect()
    }

    fn check(&self, pairs: &[[Point; 2]], expected: Option<bool>, what: &str) {
        let got = is_one(agree(self.address, &self.input(pairs), what));
        assert_eq!(got, expected, "{what} at {:#x}", self.address);
    }
}

#[test]
fn pairing_products() {
    let mut rng = Rng(SEED);
    for case in pairing_cases() {
        let (p, q) = case.generators;
        let (g1, g2) = (&case.g1, &case.g2);
        if case.address == BN_PAIRING {
            case.check(&[], Some(true), "nothing");
        }
        case.check(&[[p, q]], Some(false), "generators");
        case.check(&[[None, q]], Some(true), "infinity");
        case.check(&[[p, None]], Some(true), "infinity");
        case.check(&[[None, None]], Some(true), "infinities");
        case.check(&[[p, q], [g1.neg(p), q]], Some(true), "inverse");
        case.check(&[[p, q], [p, g2.neg(q)]], Some(true), "inverse");
        case.check(&[[p, q], [p, q]], Some(false), "square");
        for _ in 0..6 {
            let mut pairs = balanced_pairs(g1, g2, case.generators, &mut rng);
            case.check(&pairs, Some(true), "balanced");
            // Bilinearity, both ways.
            let k = U256::from(2 + rng.u64() % 1000);
            let (first, last) = (pairs[0], pairs.len() - 1);
            pairs[0] = [g1.mul(k, first[0]), first[1]];
            case.check(&pairs, Some(false), "out of balance");
            pairs[0] = [g1.mul(k, first[0]), first[1]];
            pairs.push([g1.neg(first[0]), g2.mul(k - U256::from(1), first[1])]);
            case.check(&pairs, Some(true), "balanced again");
            pairs.insert(rng.below(last), [None, q]);
            pairs.insert(rng.below(last), [p, None]);
            case.check(&pairs, Some(true), "with infinities");
            pairs[last] = [pairs[last][0], g2.random(&mut rng)];
            case.check(&pairs, None, "outside of the group");
        }
        // More pairs than a batch has, with the last one making the difference.
        let mut many = Vec::new();
        for _ in 0..13 {
            let k = rng.u256();
            many.extend([[g1.mul(k, p), q], [g1.neg(p), g2.mul(k, q)]]);
        }
        case.check(&many, Some(true), "many");
        case.check(&many[1..], Some(false), "all but one of many");
        case.check(&many[..16], Some(true), "two batches");
        case.check(&many[..17], Some(false), "two batches and one");
    }
}

#[test]
fn pairing_inputs() {
    let mut rng = Rng(SEED);
    for case in pairing_cases() {
        let (p, q) = case.generators;
        let outside = [case.g1.random(&mut rng), case.g2.random(&mut rng)];
        let inside = if case.address == BN_PAIRING { Some(true) } else { None };
        case.check(&[[None, outside[1]]], None, "outside beside infinity");
        case.check(&[[outside[0], None]], inside, "G1 of any order beside infinity");
        let (mut valid, mut invalid) = (0, 0);
        for _ in 0..250 {
            let pair = [[p, None, outside[0]][rng.below(3)], [q, None][rng.below(2)]];
            let mut input = case.input(&[[p, q], pair]);
            let half = input.len() / 2;
            spoil(&mut rng, &mut input[half..], case.coordinate, case.g1.p);
            match agree(case.address, &input, "spoilt pair") {
                Some(_) => valid += 1,
                None => invalid += 1,
            }
        }
        assert!(valid > 0 && invalid > 100, "{valid} {invalid}");
    }
}

// ---- maps ----

#[test]
fn maps() {
    let mut rng = Rng(SEED);
    let p = u384(BLS_P);
    let edges = map_edges();
    for case in 0..200 {
        let [a, b] = [0, 0].map(|_| if rng.below(4) == 0 { rng.below(edges.len()) } else { 99 });
        let a = edges.get(a).copied().unwrap_or_else(|| rng.u384() % p);
        let b = edges.get(b).copied().unwrap_or_else(|| rng.u384() % p);
        let a = edges.get(case).copied().unwrap_or(a);
        assert!(agree(MAP_G1, &padded(a), "map").is_some());
        assert!(agree(MAP_G2, &[padded(a), padded(b)].concat(), "map").is_some());
        assert!(agree(MAP_G2, &[padded(b), padded(a)].concat(), "map").is_some());
        let mut input = [padded(a), padded(b)].concat();
        spoil(&mut rng, &mut input, 64, p);
        agree(MAP_G1, &input[..64], "spoilt map");
        agree(MAP_G2, &input, "spoilt map");
    }
    for x in [p, p + U384::from(1), U384::MAX] {
        assert!(agree(MAP_G1, &padded(x), "not canonical").is_none());
        assert!(agree(MAP_G2, &[padded(x), padded(p >> 1)].concat(), "not canonical").is_none());
        assert!(agree(MAP_G2, &[padded(p >> 1), padded(x)].concat(), "not canonical").is_none());
    }
}

/// Roots in `F_p^2` of numbers that few inputs of the map lead to: real and imaginary ones, squares
/// and others.
#[test]
fn map_roots() {
    let mut rng = Rng(SEED);
    let curve = Curve::bls_g2();
    let p = curve.p;
    let z = curve.neg_field([U384::from(2), U384::from(1)]);
    let mut count = [0; 2];
    for case in 0..400 {
        let g = match case % 4 {
            0 => real(rng.element(p)),
            1 => [U384::ZERO, rng.element(p)],
            2 => [rng.element(p), rng.element(p)],
            _ => [rng.u384() % p, rng.u384() % p],
        };
        let u = [rng.element(p), rng.element(p)];
        let square = curve.root(g).is_some();
        count[usize::from(square)] += 1;
        let zu2 = curve.mul_field(z, curve.mul_field(u, u));
        let factor = curve.mul_field(zu2, curve.mul_field(zu2, zu2));
        let expected = if square { g } else { curve.mul_field(g, factor) };
        let input: Vec<u8> = [g[0], g[1], u[0], u[1]].into_iter().flat_map(padded).collect();
        for library in &LIBRARIES {
            let mut out = [0u8; 128];
            // SAFETY: `input` holds two elements, and `out` has room for one.
            let got = unsafe { (library.root)(input.as_ptr(), out.as_mut_ptr()) };
            assert_eq!(got, square, "case {case} {}", library.name);
            let [low, high] = [&out[16..64], &out[80..]].map(U384::from_be_slice);
            let y: Fp2 = [low, high];
            assert_eq!(curve.mul_field(y, y), expected, "case {case} {}", library.name);
        }
    }
    assert!(count[0] > 50 && count[1] > 50, "{count:?}");
}

// ---- point evaluation ----

impl Claim {
    fn check(&self, what: &str) -> bool {
        agree(KZG, &self.bytes(), what).is_some()
    }
}

/// Claims about k f + c follow from those about f.
#[test]
fn point_evaluation_claims() {
    let mut rng = Rng(SEED);
    let curve = Curve::bls_g1();
    let (g1, _) = bls_generators();
    let claim = valid_claim();
    assert!(claim.check("c-kzg's proof"));
    let commitment = decompress(&curve, &claim.commitment);
    let proof = decompress(&curve, &claim.proof);
    for case in 0..12 {
        let k = if case == 0 { U256::ZERO } else { rng.u256() % curve.r };
        let c = if case == 1 { U256::ZERO } else { rng.u256() % curve.r };
        let mut other = Claim {
            z: claim.z,
            y: claim.y.mul_mod(k, curve.r).add_mod(c, curve.r),
            commitment: compress(&curve, curve.add(curve.mul(k, commitment), curve.mul(c, g1))),
            proof: compress(&curve, curve.mul(k, proof)),
        };
        assert!(other.check("a multiple"), "case {case}");
        other.y = other.y.add_mod(U256::from(1), curve.r);
        assert!(!other.check("another value"), "case {case}");
        other.y = other.y.add_mod(curve.r - U256::from(1), curve.r);
        other.z = rng.u256() % curve.r;
        // A constant is the same everywhere.
        assert_eq!(other.check("another place"), case == 0);
    }
    // Constants, whose proof is infinity, at all edges.
    for k in [U256::ZERO, U256::from(1), curve.r - U256::from(1)] {
        for z in [U256::ZERO, U256::from(1), curve.r - U256::from(1)] {
            let commitment = compress(&curve, curve.mul(k, g1));
            assert!(Claim { z, y: k, commitment, proof: compress(&curve, None) }.check("constant"));
        }
    }
}

#[test]
fn point_evaluation_inputs() {
    let mut rng = Rng(SEED);
    let curve = Curve::bls_g1();
    let claim = valid_claim();
    let mut encodings = encodings(&mut rng);
    let mut infinity_and_more = compress(&curve, None);
    infinity_and_more[47] = 1;
    encodings.push(infinity_and_more);
    for &bytes in &encodings {
        Claim { commitment: bytes, ..claim.clone() }.check("commitment");
        Claim { proof: bytes, ..claim.clone() }.check("proof");
        let zero = U256::ZERO;
        Claim { z: zero, y: zero, commitment: bytes, proof: bytes }.check("both");
        let proof = compress(&curve, None);
        Claim { z: zero, y: zero, commitment: bytes, proof }.check("constant");
    }
    let with = |z, y| Claim { z, y, ..claim.clone() };
    for big in [curve.r, curve.r + U256::from(1), U256::MAX] {
        assert!(!with(big, claim.y).check("z") && !with(claim.z, big).check("y"));
    }
    // y + r would do if it were reduced.
    assert!(!with(claim.z, claim.y + curve.r).check("y + r"));
    let good = claim.bytes();
    for case in 0..200 {
        let mut bad = good.clone();
        // The version first, then any bit.
        let at = if case < 8 { 0 } else { rng.below(192) };
        bad[at] ^= 1 << (if case < 8 { case } else { rng.below(8) });
        assert!(agree(KZG, &bad, "a bit").is_none());
    }
}

/// The constant is the point of the ceremony.
#[test]
fn point_evaluation_constant() {
    let curve = Curve::bls_g2();
    let bytes = TRUSTED_SETUP_TAU_G2_BYTES;
    let mut high: [u8; 48] = bytes[..48].try_into().expect("48 bytes");
    high[0] &= 0x1f;
    let low: [u8; 48] = bytes[48..].try_into().expect("48 bytes");
    let x = [U384::from_be_bytes(low), U384::from_be_bytes(high)];
    let y = curve.root(curve.right_side(x)).expect("a point");
    let larger = y[1] > curve.p >> 1;
    let y = if larger == (bytes[0] & 0x20 != 0) { y } else { curve.neg_field(y) };
    for library in &LIBRARIES {
        let mut out = vec![0u8; 256];
        // SAFETY: it writes 256 bytes.
        unsafe { (library.tau)(out.as_mut_ptr()) };
        assert_eq!(out, bls_bytes(&curve, Some((x, y))), "{}", library.name);
    }
}

// ---- speed ----

fn micros(mut call: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        call();
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    best
}

/// Prints the time of each precompile beside revm's: `cargo test --release -p warpevm-kernels
/// --test pairing_curves -- --ignored --nocapture`.
#[test]
#[ignore = "prints timings"]
fn timings() {
    let mut rng = Rng(SEED);
    let mut rows: Vec<(String, u32, Vec<u8>)> = Vec::new();
    for case in pairing_cases() {
        let (p, q) = case.generators;
        for count in [1, 2, 4, 8, 16] {
            let pairs = vec![[case.g1.mul(rng.u256(), p), case.g2.mul(rng.u256(), q)]; count];
            rows.push((format!("pairing {count}"), case.address, case.input(&pairs)));
        }
    }
    let (g1, g2) = bls_generators();
    for (add, msm, curve, generator) in
        [(G1_ADD, G1_MSM, Curve::bls_g1(), g1), (G2_ADD, G2_MSM, Curve::bls_g2(), g2)]
    {
        let points: Vec<Point> = (0..16).map(|_| curve.mul(rng.u256(), generator)).collect();
        let pair = [bls_bytes(&curve, points[0]), bls_bytes(&curve, points[1])].concat();
        rows.push(("add".to_owned(), add, pair));
        for count in [1, 2, 8, 32, 128, 512] {
            let input = (0..count)
                .flat_map(|i| {
                    let scalar = (rng.u256() % curve.r).to_be_bytes::<32>();
                    [bls_bytes(&curve, points[i % 16]), scalar.to_vec()].concat()
                })
                .collect();
            rows.push((format!("multiples {count}"), msm, input));
        }
    }
    let p = u384(BLS_P);
    rows.push(("map".to_owned(), MAP_G1, padded(rng.u384() % p)));
    let element = [padded(rng.u384() % p), padded(rng.u384() % p)].concat();
    rows.push(("map".to_owned(), MAP_G2, element));
    rows.push(("point evaluation".to_owned(), KZG, valid_claim().bytes()));
    println!("{:24}{:>12}{:>12}{:>12}{:>8}", "us", "64-bit", "32-bit", "revm", "ratio");
    for (name, address, input) in rows {
        let ours = [0, 1].map(|i| micros(|| drop(LIBRARIES[i].run(address, &input))));
        let reference = micros(|| drop(revm_run(address, &input)));
        let ratio = ours[0] / reference;
        println!(
            "{:24}{:12.1}{:12.1}{reference:12.1}{ratio:8.2}",
            format!("{address:#04x} {name}"),
            ours[0],
            ours[1]
        );
    }
}
