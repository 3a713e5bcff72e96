//! A small generator of pseudo-random numbers whose sequence never changes with a dependency.

use alloy_primitives::{B256, U256};

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Starts a sequence.
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The sequence of case number `case` of a seed.
    pub fn of_case(seed: u64, case: u64) -> Rng {
        let mut rng = Rng(seed ^ case.wrapping_mul(0xd6e8_feb8_6659_fd93));
        Rng(rng.next() ^ case)
    }

    /// 64 random bits.
    #[allow(clippy::should_implement_trait, reason = "a generator is no iterator: it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`. The bias is below 2^-32 for the small `n` used here.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A number of this range, both ends included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below((high - low).saturating_add(1))
    }

    /// True in `percent` of 100 draws.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// An index, by weights.
    pub fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut at = self.below(weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            match at.checked_sub(*weight) {
                Some(rest) => at = rest,
                None => return index,
            }
        }
        0
    }

    /// Random bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// A number whose logarithm is spread evenly.
    pub fn skewed(&mut self, bits: u64) -> u64 {
        let shift = self.below(bits);
        self.next() >> (63 - shift)
    }

    /// A word at which arithmetic has its corners: small, around powers of two, negative, patterns.
    pub fn word(&mut self) -> U256 {
        let power = |rng: &mut Rng| U256::ONE << rng.below(256) as usize;
        match self.weighted(&[30, 14, 10, 10, 8, 8, 6, 6, 8]) {
            0 => U256::from(self.below(40)),
            1 => U256::from(self.skewed(63)),
            2 => power(self).wrapping_sub(U256::from(self.below(2))),
            3 => power(self).wrapping_add(U256::from(self.below(3))),
            4 => U256::MAX - U256::from(self.below(3)),
            5 => U256::ZERO.wrapping_sub(U256::from(self.skewed(63))),
            6 => U256::ZERO.wrapping_sub(power(self)),
            7 => {
                let unit = U256::from(*self.pick(&[u32::MAX, 0x8000_0000, 1]));
                (0..8).fold(U256::ZERO, |x, i| match self.chance(50) {
                    true => x | (unit << (32 * i)),
                    false => x,
                })
            }
            _ => self.random_word(),
        }
    }

    /// A word of random bits.
    pub fn random_word(&mut self) -> U256 {
        U256::from_limbs([self.next(), self.next(), self.next(), self.next()])
    }

    /// A random hash.
    pub fn hash(&mut self) -> B256 {
        self.random_word().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_fixed_and_weights_are_kept() {
        assert_eq!(Rng::new(0).next(), 0xe220_a839_7b1d_cdaf);
        assert_ne!(Rng::of_case(1, 2).next(), Rng::of_case(1, 3).next());
        let mut rng = Rng::new(5);
        let mut counts = [0u32; 3];
        for _ in 0..4000 {
            counts[rng.weighted(&[1, 0, 3])] += 1;
        }
        assert!(counts[1] == 0 && counts[2] > 2 * counts[0], "{counts:?}");
    }
}
