//! Inputs of precompiles: valid, invalid and on the edge.

use alloy_primitives::U256;

use super::Rng;

/// A short Weierstrass curve y^2 = x^3 + ax + b over p with `order` points, in affine arithmetic:
/// slow and plain, to make inputs with.
pub struct Curve {
    pub p: U256,
    pub a: U256,
    pub b: U256,
    pub order: U256,
    pub generator: (U256, U256),
}

/// `None` is infinity.
pub type Point = Option<(U256, U256)>;

pub fn sub_mod(a: U256, b: U256, m: U256) -> U256 {
    a.add_mod(m - b % m, m)
}

impl Curve {
    pub fn double_or_add(&self, p: Point, q: Point) -> Point {
        let (Some((x1, y1)), Some((x2, y2))) = (p, q) else { return p.or(q) };
        let m = self.p;
        let slope = if x1 == x2 {
            if y1.add_mod(y2, m).is_zero() {
                return None;
            }
            let top = x1.mul_mod(x1, m).mul_mod(U256::from(3), m).add_mod(self.a, m);
            top.mul_mod(y1.add_mod(y1, m).inv_mod(m)?, m)
        } else {
            sub_mod(y2, y1, m).mul_mod(sub_mod(x2, x1, m).inv_mod(m)?, m)
        };
        let x = sub_mod(sub_mod(slope.mul_mod(slope, m), x1, m), x2, m);
        Some((x, sub_mod(slope.mul_mod(sub_mod(x1, x, m), m), y1, m)))
    }

    pub fn mul(&self, k: U256, point: Point) -> Point {
        let mut r = None;
        for i in (0..k.bit_len()).rev() {
            r = self.double_or_add(r, r);
            if k.bit(i) {
                r = self.double_or_add(r, point);
            }
        }
        r
    }

    /// A random point by its x coordinate; p = 3 mod 4.
    pub fn random_point(&self, rng: &mut Rng) -> (U256, U256) {
        let m = self.p;
        loop {
            let x = rng.uniform() % m;
            let y2 = x.mul_mod(x, m).add_mod(self.a, m).mul_mod(x, m).add_mod(self.b, m);
            let y = y2.pow_mod((m + U256::from(1)) >> 2usize, m);
            if y.mul_mod(y, m) == y2 {
                return (x, if rng.below(2) == 0 { y } else { sub_mod(U256::ZERO, y, m) });
            }
        }
    }

    /// A scalar that is often small, close to the order, or above it.
    pub fn scalar(&self, rng: &mut Rng) -> U256 {
        match rng.below(6) {
            0 => U256::from(rng.below(20)),
            1 => self.order.wrapping_sub(U256::from(rng.below(20))),
            2 => self.order.wrapping_add(U256::from(rng.below(20))),
            3 => rng.word(),
            _ => rng.uniform(),
        }
    }
}

pub fn hex(s: &str) -> U256 {
    U256::from_str_radix(s, 16).expect("a hexadecimal constant")
}

pub fn secp256k1() -> Curve {
    Curve {
        p: hex("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f"),
        a: U256::ZERO,
        b: U256::from(7),
        order: hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"),
        generator: (
            hex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
            hex("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"),
        ),
    }
}

pub fn p256() -> Curve {
    let p = hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    Curve {
        p,
        a: p - U256::from(3),
        b: hex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"),
        order: hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
        generator: (
            hex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
            hex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"),
        ),
    }
}

pub fn bn254() -> Curve {
    Curve {
        p: hex("30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47"),
        a: U256::ZERO,
        b: U256::from(3),
        order: hex("30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001"),
        generator: (U256::from(1), U256::from(2)),
    }
}

pub fn be_bytes(words: &[U256]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_be_bytes::<32>()).collect()
}

/// Hash, v, r and s of a signature on secp256k1; about a third are valid.
pub fn ecrecover_words(curve: &Curve, rng: &mut Rng) -> [U256; 4] {
    let n = curve.order;
    let mut hash = rng.word();
    let mut v = U256::from(27 + rng.below(2));
    let mut r = rng.uniform();
    let mut s = rng.uniform();
    match rng.below(12) {
        // Around the bounds of each.
        0 => r = curve.scalar(rng),
        1 => s = curve.scalar(rng),
        2 => v = [26, 29, 0, 1, 27 + 256].map(U256::from)[rng.below(5) as usize],
        3 => v |= U256::from(1) << (8 + rng.below(248)),
        4 => hash = curve.scalar(rng),
        // R is a small multiple of the generator G, and s a multiple of the hash: the sum
        // s R - hash G passes through doublings, or is infinity.
        5..=7 => {
            let k = U256::from(1 + rng.below(9));
            r = curve.mul(k, Some(curve.generator)).expect("below the order").0;
            let factor = U256::from(1 + rng.below(9)).mul_mod(k.inv_mod(n).unwrap(), n);
            s = (hash % n).mul_mod(factor, n);
            if rng.below(2) == 0 {
                s = sub_mod(U256::ZERO, s, n) % n;
            }
        }
        _ => {}
    }
    [hash, v, r, s]
}

/// Hash, r, s and key of a signature on P-256, often changed; nothing where the nonce is no use.
pub fn p256_words(curve: &Curve, rng: &mut Rng) -> Option<[U256; 5]> {
    let n = curve.order;
    // Sign with a key and a nonce that are sometimes tiny, so that additions meet equal and
    // opposite points.
    let hash = rng.word();
    let d = curve.scalar(rng) % n;
    let k = curve.scalar(rng) % n;
    let (Some(key), Some(nonce), Some(k_inverse)) =
        (curve.mul(d, Some(curve.generator)), curve.mul(k, Some(curve.generator)), k.inv_mod(n))
    else {
        return None;
    };
    let r = nonce.0 % n;
    let s = r.mul_mod(d, n).add_mod(hash % n, n).mul_mod(k_inverse, n);
    let mut words = [hash, r, s, key.0, key.1];
    match rng.below(8) {
        0 => {
            let at = rng.below(5) as usize;
            words[at] ^= U256::from(1) << rng.below(256);
        }
        1 => words[1 + rng.below(2) as usize] = curve.scalar(rng),
        2 => words[1 + rng.below(2) as usize] = U256::ZERO,
        3 => words[3 + rng.below(2) as usize] = curve.p + U256::from(rng.below(3)),
        4 if rng.below(2) == 0 => words[3..].fill(U256::ZERO),
        // The other valid signature of the pair.
        5 => words[2] = sub_mod(U256::ZERO, s, n) % n,
        6 => words[4] = sub_mod(U256::ZERO, key.1, curve.p),
        _ => {}
    }
    Some(words)
}

/// Inputs of P256VERIFY for checks that a tampered signature does not reach, and whether they are
/// valid: each satisfies the equation of the signature and differs from a valid one only in what is
/// checked.
pub fn p256_bounds(curve: &Curve, rng: &mut Rng) -> Vec<([U256; 5], bool)> {
    let n = curve.order;
    let mut cases = Vec::new();
    let mut check = |words: [U256; 5], valid: bool| cases.push((words, valid));
    let k = rng.uniform() % n;
    let k_inverse = k.inv_mod(n).expect("a prime order");
    // A zero hash leaves R = (r / s) Q, on whatever curve Q is: b is in no formula.
    let sign = |q: (U256, U256)| {
        let r = curve.mul(k, Some(q)).expect("not infinity").0 % n;
        [U256::ZERO, r, r.mul_mod(k_inverse, n), q.0, q.1]
    };
    let point = curve.random_point(rng);
    check(sign(point), true);
    check(sign((point.0, point.1 ^ U256::from(1))), false);
    // A point whose x leaves room for x + p and x + n in 256 bits.
    let small = loop {
        let x = rng.uniform() >> 40usize;
        let y2 = x.pow_mod(U256::from(3), curve.p);
        let y2 = y2.add_mod(curve.a.mul_mod(x, curve.p), curve.p).add_mod(curve.b, curve.p);
        let y = y2.pow_mod((curve.p + U256::from(1)) >> 2usize, curve.p);
        if y.mul_mod(y, curve.p) == y2 {
            break (x, y);
        }
    };
    let mut words = sign(small);
    check(words, true);
    words[3] += curve.p;
    check(words, false);
    // The small point as R = k Q: r + n instead of r.
    let key = curve.mul(k_inverse, Some(small)).expect("not infinity");
    let mut words = [U256::ZERO, small.0, small.0.mul_mod(k_inverse, n), key.0, key.1];
    check(words, true);
    words[1] += n;
    check(words, false);
    // A small s under the key 7, with the hash to match; then s + n.
    let seven = U256::from(7);
    let key = curve.mul(seven, Some(curve.generator)).expect("below the order");
    let r = curve.mul(k, Some(curve.generator)).expect("below the order").0 % n;
    let s = rng.uniform() >> 40usize;
    let hash = sub_mod(s.mul_mod(k, n), r.mul_mod(seven, n), n);
    check([hash, r, s, key.0, key.1], true);
    check([hash, r, s + n, key.0, key.1], false);
    cases
}

/// A point of alt_bn128, or none; often infinity, or related to another one.
pub fn bn254_operand(curve: &Curve, rng: &mut Rng, other: (U256, U256)) -> (U256, U256) {
    match rng.below(10) {
        0 => (U256::ZERO, U256::ZERO),
        1 => other,
        2 => (other.0, sub_mod(U256::ZERO, other.1, curve.p) % curve.p),
        3 => curve.mul(U256::from(1 + rng.below(20)), Some(curve.generator)).unwrap_or_default(),
        4 => (rng.word(), rng.word()),
        5 => {
            let (x, y) = curve.random_point(rng);
            if rng.below(2) == 0 { (x + curve.p, y) } else { (x, y ^ U256::from(1)) }
        }
        _ => curve.random_point(rng),
    }
}

/// Bytes of an integer that may be short, sparse or all ones.
pub fn integer_bytes(rng: &mut Rng, len: usize) -> Vec<u8> {
    let mut bytes = rng.bytes(len);
    match rng.below(8) {
        0 => bytes.fill(0),
        1 => bytes.fill(0xff),
        2 => {
            // Leading zeros: the number is shorter than its field.
            let zeros = rng.below(len as u64 + 1) as usize;
            bytes[..zeros].fill(0);
        }
        3 => {
            // Trailing zeros: a multiple of a large power of two.
            let zeros = rng.below(len as u64 + 1) as usize;
            bytes[len - zeros..].fill(0);
        }
        4 => {
            bytes.fill(0);
            if let Some(last) = bytes.last_mut() {
                *last = rng.below(4) as u8;
            }
        }
        5 => {
            for chunk in bytes.chunks_mut(4) {
                let limb = (rng.edge_u32() as u32).to_be_bytes();
                chunk.copy_from_slice(&limb[..chunk.len()]);
            }
        }
        _ => {}
    }
    bytes
}

/// A modexp input for these lengths of base, exponent and modulus; sometimes cut.
pub fn modexp_input(rng: &mut Rng, lens: [usize; 3]) -> Vec<u8> {
    let mut input = be_bytes(&lens.map(U256::from));
    for len in lens {
        let bytes = integer_bytes(rng, len);
        input.extend(bytes);
    }
    if rng.below(8) == 0 {
        // A cut input counts as followed by zeros.
        let keep = 96 + rng.below((input.len() - 95) as u64) as usize;
        input.truncate(keep);
    }
    input
}
