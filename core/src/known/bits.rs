//! What each byte of a text is, as bits: 64 to a word.

/// Bits of a text, and zeros behind it.
#[derive(Default)]
pub struct Bits(pub Vec<u64>);

impl Bits {
    /// Marks the bytes of `text` for which `is` holds. There are `spare` words or more behind them.
    ///
    /// Without branches in `is`, many bytes are looked at together.
    #[inline]
    pub fn mark(&mut self, text: &[u8], spare: usize, is: impl Fn(u8) -> bool) {
        self.0.clear();
        self.0.reserve(text.len() / 64 + 1 + spare);
        self.0.extend(text.chunks(64).map(|chunk| packed(chunk, &is)));
        self.0.resize(text.len() / 64 + 1 + spare, 0);
    }

    /// The word whose bits are those that stand `by` bytes behind each bit of a word.
    #[inline]
    #[must_use]
    pub fn ahead(&self, word: usize, by: usize) -> u64 {
        let (near, shift) = (word + (by >> 6), by & 63);
        let far = self.0[near + 1].checked_shl(64 - shift as u32).unwrap_or(0);
        self.0[near] >> shift | far
    }

    /// Sets one bit.
    pub fn set(&mut self, at: usize) {
        self.0[at >> 6] |= 1 << (at & 63);
    }

    /// Of the starts of `now` bytes that are all marked leaves those of `length`, in the first `words`.
    ///
    /// Returns the length for which bits are left, less than asked for if none is. There are words behind these, one
    /// for each 64 bytes of the length and one more.
    pub fn stretch(&mut self, words: usize, mut now: usize, length: usize) -> usize {
        while now < length {
            let by = now.min(length - now);
            let mut any = 0;
            for word in 0..words {
                self.0[word] &= self.ahead(word, by);
                any |= self.0[word];
            }
            if any == 0 {
                return now;
            }
            now += by;
        }
        now
    }
}

/// The bits of 64 bytes or fewer. Behind the last, none is set.
#[inline]
pub fn packed(chunk: &[u8], is: impl Fn(u8) -> bool) -> u64 {
    match chunk.split_first_chunk::<64>() {
        Some((chunk, _)) => joined(chunk.map(|byte| u8::from(is(byte)))),
        None => chunk.iter().enumerate().fold(0, |bits, (at, &byte)| bits | u64::from(is(byte)) << at),
    }
}

/// The same for what holds of a byte and the one before it. `before` is the one before the first.
#[inline]
pub fn packed_pairs(before: u8, chunk: &[u8], is: impl Fn(u8, u8) -> bool) -> u64 {
    let Some((bytes, _)) = chunk.split_first_chunk::<64>() else {
        let befores = [before].into_iter().chain(chunk.iter().copied());
        let pairs = befores.zip(chunk).enumerate();
        return pairs.fold(0, |bits, (at, (before, &byte))| bits | u64::from(is(before, byte)) << at);
    };
    let (mut befores, mut flags) = ([before; 64], [0; 64]);
    befores[1..].copy_from_slice(&bytes[..63]);
    for (flag, (&before, &byte)) in flags.iter_mut().zip(befores.iter().zip(bytes)) {
        *flag = u8::from(is(before, byte));
    }
    joined(flags)
}

/// Bytes that are 0 or 1 as bits.
#[inline]
fn joined(flags: [u8; 64]) -> u64 {
    flags.chunks_exact(8).enumerate().fold(0, |bits, (part, eight)| {
        let eight = u64::from_le_bytes(eight.try_into().unwrap_or_default());
        bits | (eight.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * part)
    })
}

/// The places of the bits of a word, ascending.
#[inline]
pub fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (bits != 0).then(|| {
            let at = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            at
        })
    })
}
