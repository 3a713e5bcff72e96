//! A plain model of the pairing curves, y^2 = x^3 + b over F_p[u]/(u^2 + 1): slow, to make inputs
//! of their precompiles with.

#![allow(dead_code, reason = "each test uses its part")]

use alloy_primitives::{U256, aliases::U384, hex};
use revm::precompile::kzg_point_evaluation::kzg_to_versioned_hash;

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.u64() % n as u64) as usize
    }

    pub fn u384(&mut self) -> U384 {
        U384::from_limbs(std::array::from_fn(|_| self.u64()))
    }

    pub fn u256(&mut self) -> U256 {
        U256::from_limbs(std::array::from_fn(|_| self.u64()))
    }

    /// A field element: an edge, or uniform.
    pub fn element(&mut self, p: U384) -> U384 {
        let one = U384::from(1);
        match self.below(10) {
            0 => U384::ZERO,
            1 => one,
            2 => p - one,
            3 => p - U384::from(2),
            4 => (p - one) >> 1,
            5 => U384::from(self.u64()),
            6 => p - U384::from(self.u64()),
            _ => self.u384() % p,
        }
    }

    /// A scalar: an edge of the order r or of how scalars are split, or any 256-bit number.
    pub fn scalar(&mut self) -> U256 {
        let (r, z, one) = (u256(BLS_R), U256::from(BLS_Z), U256::from(1));
        match self.below(16) {
            0 => U256::ZERO,
            1 => one,
            2 => r - one,
            3 => r,
            4 => r + one,
            5 => U256::MAX,
            6 => z * z - one,
            7 => z * z * U256::from(self.below(9)),
            8 => z * U256::from(self.below(9)),
            9 => r - z * z,
            10 => (one << self.below(256)) - U256::from(self.below(2)),
            11 => U256::from(self.u64()),
            12 => self.u256() >> self.below(256),
            _ => self.u256(),
        }
    }
}

// ---- a model of y^2 = x^3 + b over F_p[u]/(u^2 + 1) ----

pub const BLS_Z: u64 = 0xd201_0000_0001_0000;
pub const BLS_R: &str = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
pub const BLS_P: &str = "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f624\
                     1eabfffeb153ffffb9feffffffffaaab";
pub const BN_R: &str = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";
pub const BN_P: &str = "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47";

pub fn u256(s: &str) -> U256 {
    U256::from_str_radix(s, 16).expect("a number")
}

pub fn u384(s: &str) -> U384 {
    U384::from_str_radix(s, 16).expect("a number")
}

pub type Fp2 = [U384; 2];
pub type Point = Option<(Fp2, Fp2)>;

/// A curve; with `base_only` its points have coordinates in `F_p`.
pub struct Curve {
    pub p: U384,
    pub b: Fp2,
    pub r: U256,
    pub base_only: bool,
}

pub const fn real(x: U384) -> Fp2 {
    [x, U384::ZERO]
}

impl Curve {
    pub fn bls_g1() -> Curve {
        Curve { p: u384(BLS_P), b: real(U384::from(4)), r: u256(BLS_R), base_only: true }
    }

    pub fn bls_g2() -> Curve {
        let four = U384::from(4);
        Curve { p: u384(BLS_P), b: [four, four], r: u256(BLS_R), base_only: false }
    }

    pub fn bn_g1() -> Curve {
        Curve { p: u384(BN_P), b: real(U384::from(3)), r: u256(BN_R), base_only: true }
    }

    pub fn bn_g2() -> Curve {
        let p = u384(BN_P);
        let mut curve = Curve { p, b: real(U384::ZERO), r: u256(BN_R), base_only: false };
        let xi = curve.inverse([U384::from(9), U384::from(1)]);
        curve.b = curve.mul_field(xi, real(U384::from(3)));
        curve
    }

    pub fn add_field(&self, a: Fp2, b: Fp2) -> Fp2 {
        [a[0].add_mod(b[0], self.p), a[1].add_mod(b[1], self.p)]
    }

    pub fn neg_field(&self, a: Fp2) -> Fp2 {
        a.map(|x| if x.is_zero() { x } else { self.p - x })
    }

    pub fn mul_field(&self, a: Fp2, b: Fp2) -> Fp2 {
        let p = self.p;
        let mul = |x: U384, y: U384| x.mul_mod(y, p);
        let minus = p - mul(a[1], b[1]);
        [mul(a[0], b[0]).add_mod(minus, p), mul(a[0], b[1]).add_mod(mul(a[1], b[0]), p)]
    }

    pub fn inverse(&self, a: Fp2) -> Fp2 {
        let norm = a[0].mul_mod(a[0], self.p).add_mod(a[1].mul_mod(a[1], self.p), self.p);
        let inverse = norm.inv_mod(self.p).expect("not zero");
        self.mul_field(self.neg_field([self.p - a[0], a[1]]), real(inverse))
    }

    /// A root in `F_p`; p is 3 mod 4.
    pub fn base_root(&self, a: U384) -> Option<U384> {
        let root = a.pow_mod((self.p + U384::from(1)) >> 2, self.p);
        (root.mul_mod(root, self.p) == a).then_some(root)
    }

    pub fn root(&self, a: Fp2) -> Option<Fp2> {
        if self.base_only {
            return self.base_root(a[0]).map(real);
        }
        let p = self.p;
        if a[1].is_zero() {
            let imaginary = || Some([U384::ZERO, self.base_root(self.neg_field(a)[0])?]);
            return self.base_root(a[0]).map(real).or_else(imaginary);
        }
        let half = (p + U384::from(1)) >> 1;
        let norm = a[0].mul_mod(a[0], p).add_mod(a[1].mul_mod(a[1], p), p);
        let s = self.base_root(norm)?;
        [s, p - s].into_iter().find_map(|s| {
            let x = self.base_root(a[0].add_mod(s, p).mul_mod(half, p))?;
            let y = a[1].mul_mod(half, p).mul_mod(x.inv_mod(p)?, p);
            Some([x, y]).filter(|&y: &Fp2| self.mul_field(y, y) == a)
        })
    }

    pub fn right_side(&self, x: Fp2) -> Fp2 {
        self.add_field(self.mul_field(self.mul_field(x, x), x), self.b)
    }

    pub fn add(&self, a: Point, b: Point) -> Point {
        let (Some((ax, ay)), Some((bx, by))) = (a, b) else {
            return a.or(b);
        };
        let slope = if ax == bx {
            if ay != by || ay == real(U384::ZERO) {
                return None;
            }
            let square = self.mul_field(ax, ax);
            let three = self.add_field(self.add_field(square, square), square);
            self.mul_field(three, self.inverse(self.add_field(ay, ay)))
        } else {
            let dx = self.add_field(bx, self.neg_field(ax));
            self.mul_field(self.add_field(by, self.neg_field(ay)), self.inverse(dx))
        };
        let both = self.neg_field(self.add_field(ax, bx));
        let x = self.add_field(self.mul_field(slope, slope), both);
        let dx = self.add_field(ax, self.neg_field(x));
        Some((x, self.add_field(self.mul_field(slope, dx), self.neg_field(ay))))
    }

    pub fn neg(&self, a: Point) -> Point {
        a.map(|(x, y)| (x, self.neg_field(y)))
    }

    pub fn mul(&self, k: U256, point: Point) -> Point {
        let mut sum = None;
        for i in (0..k.bit_len()).rev() {
            sum = self.add(sum, sum);
            if k.bit(i) {
                sum = self.add(sum, point);
            }
        }
        sum
    }

    /// A point of the curve, in a subgroup or not.
    pub fn random(&self, rng: &mut Rng) -> Point {
        loop {
            let x = [
                rng.u384() % self.p,
                if self.base_only { U384::ZERO } else { rng.u384() % self.p },
            ];
            if let Some(y) = self.root(self.right_side(x)) {
                return Some((x, if rng.below(2) == 0 { y } else { self.neg_field(y) }));
            }
        }
    }
}

pub fn bls_generators() -> (Point, Point) {
    let g1 = (
        real(u384(
            "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac58\
             6c55e83ff97a1aeffb3af00adb22c6bb",
        )),
        real(u384(
            "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3ed\
             d03cc744a2888ae40caa232946c5e7e1",
        )),
    );
    let g2 = (
        [
            u384(
                "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d177\
                 0bac0326a805bbefd48056c8c121bdb8",
            ),
            u384(
                "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049\
                 334cf11213945d57e5ac7d055d042b7e",
            ),
        ],
        [
            u384(
                "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c\
                 923ac9cc3baca289e193548608b82801",
            ),
            u384(
                "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab\
                 3f370d275cec1da1aaa9075ff05f79be",
            ),
        ],
    );
    (Some(g1), Some(g2))
}

pub fn bn_generators() -> (Point, Point) {
    let g2 = (
        [
            u384("1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"),
            u384("198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"),
        ],
        [
            u384("12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"),
            u384("090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"),
        ],
    );
    (Some((real(U384::from(1)), real(U384::from(2)))), Some(g2))
}

// ---- encodings ----

pub fn padded(x: U384) -> Vec<u8> {
    [&[0u8; 16][..], &x.to_be_bytes::<48>()].concat()
}

/// A point as EIP-2537 encodes it.
pub fn bls_bytes(curve: &Curve, point: Point) -> Vec<u8> {
    let zero = real(U384::ZERO);
    let (x, y) = point.unwrap_or((zero, zero));
    let coordinates = if curve.base_only { vec![x[0], y[0]] } else { [x, y].concat() };
    coordinates.into_iter().flat_map(padded).collect()
}

/// A point as EIP-197 encodes it.
pub fn bn_bytes(curve: &Curve, point: Point) -> Vec<u8> {
    let zero = real(U384::ZERO);
    let (x, y) = point.unwrap_or((zero, zero));
    let coordinates = if curve.base_only { vec![x[0], y[0]] } else { vec![x[1], x[0], y[1], y[0]] };
    coordinates.into_iter().flat_map(|x| x.to_be_bytes::<48>()[16..].to_vec()).collect()
}

/// Changes an encoding of 64-byte coordinates so that it breaks one rule (most of the time).
pub fn spoil(rng: &mut Rng, bytes: &mut [u8], coordinate: usize, p: U384) {
    let at = rng.below(bytes.len() / coordinate) * coordinate;
    let field = &mut bytes[at..at + coordinate];
    let pad = coordinate.saturating_sub(48);
    match rng.below(6) {
        0 => field[rng.below(coordinate)] ^= 1 << rng.below(8),
        1 if pad > 0 => field[rng.below(pad)] = 1,
        1 | 2 => {
            // The same number plus p: not canonical.
            let x = U384::try_from_be_slice(&field[pad..]).expect("short");
            let sum = x.wrapping_add(p).to_be_bytes::<48>();
            let len = coordinate - pad;
            field[pad..].copy_from_slice(&sum[48 - len..]);
        }
        3 => field[pad..].copy_from_slice(&p.to_be_bytes::<48>()[48 - (coordinate - pad)..]),
        4 => field.fill(0),
        _ => field.fill(0xff),
    }
}

// ---- point evaluation ----

/// What a call of point evaluation claims.
#[derive(Clone)]
pub struct Claim {
    pub z: U256,
    pub y: U256,
    pub commitment: [u8; 48],
    pub proof: [u8; 48],
}

impl Claim {
    pub fn bytes(&self) -> Vec<u8> {
        let hash = kzg_to_versioned_hash(&self.commitment);
        let (z, y) = (self.z.to_be_bytes::<32>(), self.y.to_be_bytes::<32>());
        [&hash[..], &z, &y, &self.commitment, &self.proof].concat()
    }
}

pub fn compress(curve: &Curve, point: Point) -> [u8; 48] {
    let Some((x, y)) = point else {
        let mut bytes = [0; 48];
        bytes[0] = 0xc0;
        return bytes;
    };
    let mut bytes = x[0].to_be_bytes::<48>();
    bytes[0] |= 0x80 | u8::from(y[0] > curve.p >> 1) << 5;
    bytes
}

pub fn decompress(curve: &Curve, bytes: &[u8; 48]) -> Point {
    let mut x = *bytes;
    x[0] &= 0x1f;
    let x = real(U384::from_be_bytes(x));
    let y = curve.root(curve.right_side(x))?;
    let larger = y[0] > curve.p >> 1;
    Some((x, if larger == (bytes[0] & 0x20 != 0) { y } else { curve.neg_field(y) }))
}

/// A proof from the tests of c-kzg.
pub fn valid_claim() -> Claim {
    Claim {
        z: u256("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000"),
        y: u256("1522a4a7f34e1ea350ae07c29c96c7e79655aa926122e95fe69fcbd932ca49e9"),
        commitment: hex!(
            "8f59a8d2a1a625a17f3fea0fe5eb8c896db3764f3185481bc22f91b4aaffcca2"
            "5f26936857bc3a7c2539ea8ec3a952b7"
        ),
        proof: hex!(
            "a62ad71d14c5719385c0686f1871430475bf3a00f0aa3f7b8dd99a9abc216074"
            "4faf0070725e00b60ad9a026a15b1a8c"
        ),
    }
}

// ---- cases ----

/// Points of G1 in their form of 48 bytes, right and wrong ones, with all flags.
pub fn encodings(rng: &mut Rng) -> Vec<[u8; 48]> {
    let (curve, (g1, _)) = (Curve::bls_g1(), bls_generators());
    let mut encodings = vec![
        [0; 48],
        compress(&curve, None),
        compress(&curve, g1),
        compress(&curve, curve.random(rng)),
        compress(&curve, Some((real(U384::ZERO), real(U384::from(2))))),
    ];
    for x in [curve.p, curve.p + U384::from(1), curve.p - U384::from(1), U384::MAX >> 3] {
        let compressed: U384 = x | (U384::from(1) << 383);
        encodings.push(compressed.to_be_bytes());
    }
    for i in 0..encodings.len() {
        for flags in [0x20, 0x40, 0x80, 0x60, 0xe0] {
            let mut bytes = encodings[i];
            bytes[0] ^= flags;
            encodings.push(bytes);
        }
    }
    encodings
}

/// Numbers for the maps to the groups.
pub fn map_edges() -> Vec<U384> {
    let curve = Curve::bls_g1();
    let p = curve.p;
    let mut edges: Vec<U384> = [0u64, 1, 2, 3].map(U384::from).to_vec();
    edges.extend([p - U384::from(1), p - U384::from(2), (p - U384::from(1)) >> 1]);
    // Where the map to G1 divides by zero: 11 u^2 = -1.
    let minus = p - U384::from(11).inv_mod(p).expect("prime");
    edges.extend(curve.base_root(minus).map(|u| [u, p - u]).into_iter().flatten());
    edges
}

/// Points of the curve outside the subgroup, some of small order, and points inside.
pub fn subgroup_candidates(curve: &Curve, generator: Point, rng: &mut Rng) -> Vec<Point> {
    let mut points = Vec::new();
    for _ in 0..6 {
        let any = curve.random(rng);
        let cofactor_part = curve.mul(curve.r, any);
        let inside = curve.mul(rng.u256(), generator);
        points.extend([any, cofactor_part, curve.add(inside, cofactor_part), inside]);
    }
    points
}

/// Pairs whose product is one, of which the last makes up for the others.
pub fn balanced_pairs(g1: &Curve, g2: &Curve, g: (Point, Point), rng: &mut Rng) -> Vec<[Point; 2]> {
    let count = 1 + rng.below(9);
    let mut sum = U256::ZERO;
    let mut pairs = Vec::new();
    for _ in 0..count {
        let (a, b) = (rng.u256() % g1.r, rng.u256() % g1.r);
        sum = sum.add_mod(a.mul_mod(b, g1.r), g1.r);
        pairs.push([g1.mul(a, g.0), g2.mul(b, g.1)]);
    }
    pairs.push([g1.neg(g1.mul(sum, g.0)), g.1]);
    pairs
}
