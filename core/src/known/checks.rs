//! The tables of registered lengths and checks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use curfewd_pages::{Place, Words};

use super::rolling::{Rolling, check};
use super::runs::Run;

/// Bits of a sieve for each key, at the least, and how many bits it has at the most.
const SIEVE_ROOM: usize = 32;
const LARGEST_SIEVE: usize = 1 << 29;
/// Bytes of the longest of the lengths that are looked for first.
const LONG: usize = 1024;
/// What tables are made for, at the least.
const FEWEST: usize = 1 << 10;

/// A length, and B to its power.
#[derive(Clone, Copy)]
pub struct Length {
    /// In bytes.
    pub bytes: usize,
    /// As `rolling::check` takes it.
    pub power: u64,
}

/// Where a length and a check are looked up: first by a bit of the check, which rejects nearly all, then in a hash table.
///
/// The sieve is a power of two of words: the first bits of a check choose the word, and the last six the bit in it.
/// A table is read while keys are added to it. A key is one word, and its bit is set before.
struct Tables {
    sieve: Words,
    shift: u32,
    slots: Words,
    /// Odd and of this process alone, so that nobody can choose keys which share a slot.
    mixing: u64,
    room: usize,
}

impl Tables {
    fn new(room: usize, mixing: u64, place: Place) -> io::Result<Self> {
        let bits = (SIEVE_ROOM * room + 1).next_power_of_two().min(LARGEST_SIEVE);
        let words = bits >> 6;
        Ok(Self {
            sieve: Words::zeros(words, place)?,
            shift: 32 - words.trailing_zeros(),
            slots: Words::zeros(room + (room >> 2) + 1, place)?,
            mixing,
            room,
        })
    }

    /// Where a key is, or the free slot where it belongs.
    #[inline]
    fn place_of(&self, key: u64) -> Result<usize, usize> {
        let mixed = key.wrapping_mul(self.mixing) >> 32;
        let mut at = ((mixed * self.slots.len() as u64) >> 32) as usize;
        loop {
            match self.slots[at].load(Relaxed) {
                0 => return Err(at),
                other if other == key => return Ok(at),
                _ => at = if at + 1 == self.slots.len() { 0 } else { at + 1 },
            }
        }
    }

    #[inline]
    fn bit(&self, check: u32) -> (usize, u32) {
        ((u64::from(check) >> self.shift) as usize, check & 63)
    }

    /// Adds a key. Returns whether it was not there.
    fn put(&self, key: u64) -> bool {
        let (word, bit) = self.bit(key as u32);
        self.sieve[word].fetch_or(1 << bit, Relaxed);
        let Err(at) = self.place_of(key) else { return false };
        self.slots[at].store(key, Relaxed);
        true
    }

    #[inline]
    fn passes(&self, check: u32) -> bool {
        let (word, bit) = self.bit(check);
        self.sieve[word].load(Relaxed) >> bit & 1 == 1
    }

    fn lists(&self, key: u64) -> bool {
        self.place_of(key).is_ok()
    }

    fn keys(&self) -> impl Iterator<Item = u64> {
        self.slots.iter().map(|slot: &AtomicU64| slot.load(Relaxed)).filter(|&key| key != 0)
    }
}

/// Registered lengths and checks. A copy shares the tables, and has the lengths that there were when it was made.
#[derive(Clone)]
pub struct Checks {
    rolling: Rolling,
    place: Place,
    mixing: u64,
    lengths: Vec<Length>,
    tables: Option<Arc<Tables>>,
    count: usize,
}

impl Checks {
    /// None yet.
    #[must_use]
    pub fn new(rolling: Rolling, place: Place, mixing: u64) -> Self {
        Self { rolling, place, mixing: mixing | 1, lengths: Vec::new(), tables: None, count: 0 }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// M and B of the key.
    #[must_use]
    pub fn rolling(&self) -> &Rolling {
        &self.rolling
    }

    /// The lengths, ascending.
    #[must_use]
    pub fn lengths(&self) -> &[Length] {
        &self.lengths
    }

    /// The lengths that a text of so many bytes may hold, ascending, some at a time: long ones have sums that are too
    /// many for the caches.
    pub fn lengths_to(&self, size: usize) -> impl Iterator<Item = (&[Length], usize, usize)> {
        let able = &self.lengths[..self.lengths.partition_point(|length| length.bytes <= size)];
        let (short, long) = able.split_at(able.partition_point(|length| length.bytes <= LONG));
        [short, long].into_iter().filter_map(|some| Some((some, some.first()?.bytes, some.last()?.bytes)))
    }

    /// Adds keys: the length, from 1 on, above a check of 32 bits.
    ///
    /// # Errors
    ///
    /// There is no room on the disk, or in memory.
    pub fn add(&mut self, keys: &[u64]) -> io::Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let most = self.count + keys.len();
        let tables = match self.tables.take() {
            Some(tables) if most <= tables.room => tables,
            before => {
                let room = FEWEST.max(most + (most >> 1));
                let tables = Tables::new(room, self.mixing, self.place)?;
                self.count = before.iter().flat_map(|old| old.keys()).map(|key| usize::from(tables.put(key))).sum();
                Arc::new(tables)
            }
        };
        self.count += keys.iter().map(|&key| usize::from(tables.put(key))).sum::<usize>();
        self.tables = Some(tables);
        self.add_lengths(keys);
        Ok(())
    }

    fn add_lengths(&mut self, keys: &[u64]) {
        let mut fresh: Vec<usize> = keys.iter().map(|key| (key >> 32) as usize).collect();
        fresh.sort_unstable();
        fresh.dedup();
        for bytes in fresh {
            if let Err(at) = self.lengths.binary_search_by_key(&bytes, |length| length.bytes) {
                self.lengths.insert(at, Length { bytes, power: self.rolling.power(bytes) });
            }
        }
    }

    /// Whether a length and check are registered.
    #[inline]
    #[must_use]
    pub fn lists(&self, length: usize, check: u32) -> bool {
        let key = (length as u64) << 32 | u64::from(check);
        self.tables.as_ref().is_some_and(|tables| tables.passes(check) && tables.lists(key))
    }

    /// Gives `found` the numbers of those checks that are registered with a length.
    ///
    /// `passing` is scratch: all checks go through the sieve before the few that pass are looked up.
    #[inline]
    pub fn listed(
        &self,
        length: usize,
        checks: impl Iterator<Item = (usize, u32)>,
        passing: &mut Vec<(usize, u32)>,
        mut found: impl FnMut(usize, u32),
    ) {
        let Some(tables) = self.tables.as_deref() else { return };
        passing.clear();
        passing.extend(checks.filter(|&(_, check)| tables.passes(check)));
        for &(number, check) in &*passing {
            if tables.lists((length as u64) << 32 | u64::from(check)) {
                found(number, check);
            }
        }
    }

    /// The same for windows of a length, between the sums at their starts and those at their ends.
    ///
    /// The first window begins at `at`; `found` gets where each registered one begins and ends.
    #[inline]
    pub fn listed_windows(
        &self,
        length: Length,
        (starts, ends): (&[u64], &[u64]),
        at: usize,
        passing: &mut Vec<(usize, u32)>,
        mut found: impl FnMut(Run, u32),
    ) {
        let pairs = starts.iter().zip(ends).enumerate();
        let checks = pairs.map(|(number, (&before, &behind))| (at + number, check(before, behind, length.power)));
        self.listed(length.bytes, checks, passing, |start, check| found((start, start + length.bytes), check));
    }
}
