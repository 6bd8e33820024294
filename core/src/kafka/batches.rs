//! The headers of record batches of format 2, and which batches can be read together.

use super::checksum;
use super::columns::{KEY, KEY_SIZE};
use super::walk::record;

/// The bytes of a batch before its records.
pub const HEADER: usize = 61;
const LENGTH: usize = 8; // it counts the bytes behind itself
const MAGIC: usize = 16;
const CRC: usize = 17;
const ATTRIBUTES: usize = 21; // the checksum is that of all from here on
const LAST_OFFSET: usize = 23;
const FIRST_TIME: usize = 27;
const LATEST_TIME: usize = 35;
const COUNT: usize = 57;
const CODECS: i16 = 0x07;
const APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const MARKER_KEY: i64 = 4; // bytes of a marker's version and type

fn bytes_at<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk::<N>().copied()
}

fn int32(data: &[u8], at: usize) -> Option<i32> {
    bytes_at(data, at).map(i32::from_be_bytes)
}

fn int64(data: &[u8], at: usize) -> Option<i64> {
    bytes_at(data, at).map(i64::from_be_bytes)
}

/// A batch whose bytes are all there, by what its header says.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// All up to the end of the batch.
    data: &'a [u8],
    begin: usize,
    attributes: i16,
}

impl<'a> Batch<'a> {
    /// The batch that begins at `at`; `None` if it ends before its header does, or behind the data.
    #[must_use]
    pub fn at(data: &'a [u8], at: usize) -> Option<Self> {
        let length = usize::try_from(int32(data, at.checked_add(LENGTH)?)?).ok()?;
        let end = (at + LENGTH + 4).checked_add(length)?;
        let data = data.get(..end)?;
        let attributes = bytes_at(data, at + ATTRIBUTES).map(i16::from_be_bytes)?;
        (end - at >= HEADER).then_some(Self { data, begin: at, attributes })
    }

    /// All up to its end.
    #[must_use]
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Where its records begin.
    #[must_use]
    pub const fn records(&self) -> usize {
        self.begin + HEADER
    }

    /// Its first offset and its last; `None` if one is negative, or no other fits behind it.
    #[must_use]
    pub fn offsets(&self) -> Option<(i64, i64)> {
        let first = int64(self.data, self.begin)?;
        let last = first.checked_add(i64::from(int32(self.data, self.begin + LAST_OFFSET)?))?;
        (0 <= first && first <= last && last < i64::MAX).then_some((first, last))
    }

    /// How many records it says it has.
    #[must_use]
    pub fn count(&self) -> i64 {
        i64::from(int32(self.data, self.begin + COUNT).unwrap_or(-1))
    }

    /// Whether it marks the end of a transaction.
    #[must_use]
    pub const fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// What the times of its records count from; the time of all, if the broker set it.
    #[must_use]
    pub fn time(&self) -> Time {
        let at = |place| int64(self.data, self.begin + place).unwrap_or(-1);
        if self.attributes & APPEND_TIME != 0 { Time::OfAll(at(LATEST_TIME)) } else { Time::From(at(FIRST_TIME)) }
    }

    /// Whether it is as it was written.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let said = bytes_at(self.data, self.begin + CRC).map(u32::from_be_bytes);
        said == Some(checksum(&self.data[self.begin + ATTRIBUTES..]))
    }

    /// How many records it says it has; `None` if it cannot be read together with others.
    fn readable(&self, marks: bool) -> Option<i64> {
        let plain = self.data[self.begin + MAGIC] == 2
            && self.attributes & CODECS == 0
            && (marks || self.attributes & (TRANSACTIONAL | CONTROL) == 0);
        if !plain || !self.is_whole() {
            return None;
        }
        let count = self.count();
        if self.is_control() {
            return marker(self.data, self.records(), count).map(|_| 0);
        }
        (count >= 0).then_some(count)
    }
}

/// What the times of a batch's records are made of, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// All have this one.
    OfAll(i64),
    /// They count from this one.
    From(i64),
}

/// Where the key is of the marker `data[at..]`, 0 if compaction has taken it; `None` if it is no marker.
///
/// `count` is how many records its batch says it has.
#[must_use]
pub fn marker(data: &[u8], at: usize, count: i64) -> Option<i64> {
    if count == 0 && at == data.len() {
        return Some(0);
    }
    let (row, _) = record(data, at).filter(|_| count > 0)?;
    (row[KEY_SIZE] >= MARKER_KEY).then_some(row[KEY])
}

/// Batches that stand one behind another and can be read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Together {
    /// Where they end; where they begin, if there is none.
    pub end: usize,
    /// How many records they say they have.
    pub records: i64,
    /// The highest of their first offsets.
    pub first: i64,
    /// The offset behind the highest of their last ones.
    pub next: i64,
}

/// The batches from `begin` on that can be read together, until they have `most` records or `room` bytes.
///
/// Those are whole, as they were written, and not compressed. Only with `marks` may some be of a transaction or mark
/// its end.
#[must_use]
pub fn together(data: &[u8], begin: usize, marks: bool, most: i64, room: usize) -> Together {
    let mut found = Together { end: begin, ..Together::default() };
    while found.records < most && found.end - begin < room {
        let Some(batch) = Batch::at(data, found.end) else { break };
        let Some((first, last)) = batch.offsets() else { break };
        let Some(count) = batch.readable(marks) else { break };
        found = Together {
            end: batch.data.len(),
            records: found.records + count,
            first: found.first.max(first),
            next: found.next.max(last + 1),
        };
    }
    found
}
