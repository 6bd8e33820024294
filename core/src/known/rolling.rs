//! The rolling check of a key: the upper half of M·(…((b₀ + 1)·B + b₁ + 1)·B + …), modulo 2⁶⁴.

/// M and B of a key.
#[derive(Clone, Copy)]
pub struct Rolling {
    multiplier: u64,
    base: u64,
}

impl Rolling {
    /// Those of a key.
    #[must_use]
    pub fn new(multiplier: u64, base: u64) -> Self {
        Self { multiplier, base }
    }

    /// What a byte adds to a sum.
    #[inline]
    #[must_use]
    pub fn term(&self, byte: u8) -> u64 {
        (u64::from(byte) + 1).wrapping_mul(self.multiplier)
    }

    /// B to a power.
    #[must_use]
    pub fn power(&self, exponent: usize) -> u64 {
        let (mut power, mut square, mut left) = (1_u64, self.base, exponent);
        while left > 0 {
            if left & 1 == 1 {
                power = power.wrapping_mul(square);
            }
            square = square.wrapping_mul(square);
            left >>= 1;
        }
        power
    }

    /// B to the powers 0, 1, …, `most`.
    #[must_use]
    pub fn powers(&self, most: usize) -> Vec<u64> {
        let next = |power: &u64| Some(power.wrapping_mul(self.base));
        std::iter::successors(Some(1), next).take(most + 1).collect()
    }

    /// Writes the sums of the first 0, 1, … bytes of a text.
    ///
    /// Each waits for the one four bytes before, not for that of the last byte: so several multiplications go on at once.
    pub fn sums(&self, text: &[u8], into: &mut Vec<u64>) {
        let powers = self.powers(4);
        let mut sum = 0_u64;
        into.clear();
        into.reserve(text.len() + 1);
        into.push(sum);
        let mut fours = text.chunks_exact(4);
        for four in &mut fours {
            let mut part = 0_u64;
            let mut sums = [0; 4];
            for (at, &byte) in four.iter().enumerate() {
                part = part.wrapping_mul(self.base).wrapping_add(self.term(byte));
                sums[at] = sum.wrapping_mul(powers[at + 1]).wrapping_add(part);
            }
            into.extend(sums);
            sum = sums[3];
        }
        for &byte in fours.remainder() {
            sum = sum.wrapping_mul(self.base).wrapping_add(self.term(byte));
            into.push(sum);
        }
    }
}

/// The check of the bytes between two sums, as many as `power` says: B to their count.
#[inline]
#[must_use]
pub fn check(before: u64, behind: u64, power: u64) -> u32 {
    (behind.wrapping_sub(before.wrapping_mul(power)) >> 32) as u32
}
