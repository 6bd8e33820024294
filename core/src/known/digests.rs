//! Digests of millions of credentials, 32 bytes each, perhaps with those of others beside them.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use curfewd_pages::{Place, Words};

use super::hashes::Digest;

/// Of a digest.
const WORDS: usize = 4;
const FEWEST: usize = 64;

type Numbers = [u64; WORDS];

/// A set of digests, or a map from digests to others. A copy shares the rows, and may be read while more are added.
///
/// The rows are a hash table: a digest, and perhaps another behind it. The first word of a row is written last, and no
/// row is changed. A row is free while that word is zero; the words are masked, so that no digest can be chosen for it.
#[derive(Clone)]
pub struct Digests {
    width: usize,
    place: Place,
    hashes: RandomState,
    mask: u64,
    rows: Option<Arc<Words>>,
    count: usize,
}

impl Digests {
    /// An empty set.
    #[must_use]
    pub fn set(place: Place) -> Self {
        let hashes = RandomState::new();
        let mask = hashes.hash_one(0_u64);
        Self { width: WORDS, place, hashes, mask, rows: None, count: 0 }
    }

    /// An empty map.
    #[must_use]
    pub fn map(place: Place) -> Self {
        Self { width: 2 * WORDS, ..Self::set(place) }
    }

    /// How many digests there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether a digest is there.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.row_of(digest).is_some()
    }

    /// What a map has for a digest.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<Digest> {
        let (rows, at) = self.row_of(digest)?;
        let words = rows.get(at + WORDS..at + self.width)?;
        let mut other = Digest::default();
        for (bytes, word) in other.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.load(Relaxed).to_le_bytes());
        }
        Some(other)
    }

    /// Adds digests, each with what a map has for it. What is there stays as it is.
    ///
    /// # Errors
    ///
    /// There is no room on the disk, or in memory.
    pub fn add(&mut self, pairs: &[(Digest, Digest)]) -> io::Result<()> {
        self.grow(self.count + pairs.len())?;
        let Some(rows) = &self.rows else { return Ok(()) };
        for (digest, other) in pairs {
            let (words, others) = (self.numbers(digest), numbers(other));
            self.count += usize::from(self.put(rows, &words, others.iter().copied()));
        }
        Ok(())
    }

    /// Makes rows of which a fifth is free when there are so many digests.
    fn grow(&mut self, count: usize) -> io::Result<()> {
        let room = |rows: &Arc<Words>| rows.len() / self.width / 5 * 4;
        if count == 0 || self.rows.as_ref().is_some_and(|rows| count <= room(rows)) {
            return Ok(());
        }
        let most = FEWEST.max(count + (count >> 1));
        let rows = Words::zeros((most / 4 * 5 + 5) * self.width, self.place)?;
        for old in self.rows.iter().flat_map(|before| before.chunks_exact(self.width)) {
            let mut words = Numbers::default();
            for (word, kept) in words.iter_mut().zip(old) {
                *word = kept.load(Relaxed);
            }
            if words[0] != 0 {
                self.put(&rows, &words, old[WORDS..].iter().map(|word| word.load(Relaxed)));
            }
        }
        self.rows = Some(Arc::new(rows));
        Ok(())
    }

    fn numbers(&self, digest: &Digest) -> Numbers {
        let mut words = numbers(digest);
        words[0] ^= self.mask;
        words
    }

    /// Where the row of a digest is, or the free one where it belongs.
    #[inline]
    fn place_of(&self, rows: &Words, words: &Numbers) -> Result<usize, usize> {
        let count = rows.len() / self.width;
        let mixed = self.hashes.hash_one(words) >> 32;
        let mut row = ((mixed * count as u64) >> 32) as usize;
        loop {
            let at = row * self.width;
            let first = rows[at].load(Acquire);
            if first == 0 {
                return Err(at);
            }
            if first == words[0] && (1..WORDS).all(|word| rows[at + word].load(Relaxed) == words[word]) {
                return Ok(at);
            }
            row = if row + 1 == count { 0 } else { row + 1 };
        }
    }

    /// Writes a row, unless its digest is there. Returns whether it was written.
    fn put(&self, rows: &Words, words: &Numbers, others: impl Iterator<Item = u64>) -> bool {
        let Err(at) = self.place_of(rows, words) else { return false };
        let row = &rows[at..at + self.width];
        for (place, word) in row[1..].iter().zip(words[1..].iter().copied().chain(others)) {
            place.store(word, Relaxed);
        }
        row[0].store(words[0], Release);
        true
    }

    fn row_of(&self, digest: &Digest) -> Option<(&Words, usize)> {
        let rows = self.rows.as_deref()?;
        self.place_of(rows, &self.numbers(digest)).ok().map(|at| (rows, at))
    }
}

fn numbers(digest: &Digest) -> Numbers {
    let mut words = Numbers::default();
    for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    }
    words
}

#[cfg(test)]
mod tests {
    use std::thread::scope;

    use curfewd_pages::Place;

    use super::Digests;
    use crate::known::hashes::{Digest, sha256};

    fn some(first: u32, count: u32) -> Vec<(Digest, Digest)> {
        (first..first + count).map(|one| (sha256(&one.to_le_bytes()), sha256(&one.to_be_bytes()))).collect()
    }

    #[test]
    fn what_was_added_is_there_and_nothing_else() {
        for place in [Place::Memory, Place::File] {
            let (mut set, mut map) = (Digests::set(place), Digests::map(place));
            assert!(!set.has(&Digest::default()) && map.get(&Digest::default()).is_none());
            for (first, count) in [(0, 1), (0, 70), (70, 0), (70, 9_000), (5, 300)] {
                let pairs = some(first, count);
                set.add(&pairs).unwrap();
                map.add(&pairs).unwrap();
                assert!(pairs.iter().all(|(one, other)| set.has(one) && map.get(one) == Some(*other)));
            }
            assert_eq!((set.count(), map.count()), (9_070, 9_070));
            assert!(some(10_000, 5_000).iter().all(|(one, _)| !set.has(one) && map.get(one).is_none()));
        }
    }

    #[test]
    fn zeros_and_digests_that_begin_alike_are_told_apart() {
        let mut set = Digests::set(Place::Memory);
        let alike = |last: u8| {
            let mut digest = Digest::default();
            digest[31] = last;
            digest
        };
        let pairs: Vec<_> = (0..100).map(|last| (alike(last), Digest::default())).collect();
        set.add(&pairs).unwrap();
        assert!((0..100).all(|last| set.has(&alike(last))) && !set.has(&alike(100)));
    }

    #[test]
    fn a_copy_is_read_while_more_are_added() {
        let mut map = Digests::map(Place::Memory);
        map.add(&some(0, 1_000)).unwrap();
        let copy = map.clone();
        scope(|threads| {
            threads.spawn(|| {
                for _ in 0..20 {
                    assert!(some(0, 1_000).iter().all(|(one, other)| copy.get(one) == Some(*other)));
                    for (one, other) in some(1_000, 1_000) {
                        assert!(copy.get(&one).is_none_or(|found| found == other));
                    }
                }
            });
            for first in (1_000..2_000).step_by(10) {
                map.add(&some(first, 10)).unwrap();
            }
        });
    }
}
