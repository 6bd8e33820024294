//! The records of one batch or of several, into rows.
//!
//! A record is its length, attributes, time, offset, key, value and headers, with variable-length integers
//! (<https://kafka.apache.org/documentation/#record>).

use std::str::from_utf8;

use super::batches::{Batch, Time};
use super::columns::{HEADER_COUNT, HEADERS, KEY, OFFSET, Row, TIMESTAMP, VALUE, WIDTH};
use super::varints::Reader;

/// The fewest bytes of a record: each of its fields takes one.
const LEAST: usize = 7;

/// The record at `at`, its time and offset as differences, and where it ends; `None` if it is wrong.
#[inline]
pub(super) fn record(data: &[u8], at: usize) -> Option<(Row, usize)> {
    let mut reader = Reader::new(data, at);
    let mut row = [0; WIDTH];
    let length = reader.varint()?;
    let begin = reader.at();
    reader.varint()?; // attributes: none is in use
    row[TIMESTAMP] = reader.varint()?;
    row[OFFSET] = reader.varint()?;
    for place in [KEY, VALUE] {
        let (begin, size) = reader.sized()?;
        row[place] = begin as i64;
        row[place + 1] = size;
    }
    row[HEADER_COUNT] = reader.varint()?;
    row[HEADERS] = reader.at() as i64;
    if row[HEADER_COUNT] < 0 {
        return None;
    }
    for _ in 0..row[HEADER_COUNT] {
        reader.header()?;
    }
    ((reader.at() - begin) as i64 == length).then_some((row, reader.at()))
}

/// Whether the names of all headers are text.
fn has_text_names(data: &[u8], row: &Row) -> bool {
    let mut reader = Reader::new(data, row[HEADERS] as usize);
    (0..row[HEADER_COUNT]).all(|_| reader.header().is_some_and(|(name, _)| from_utf8(name).is_ok()))
}

/// What is left to read of one batch.
#[derive(Clone, Copy, Debug)]
struct Left {
    /// Records.
    count: i64,
    /// What offsets are counted from.
    base: i64,
    /// The last offset of the batch.
    last: i64,
    /// The offset of the record before.
    before: i64,
    time: Time,
    /// Where the batch ends.
    end: usize,
}

impl Left {
    const fn new(count: i64, (base, last): (i64, i64), time: Time, end: usize) -> Self {
        Self { count, base, last, before: base.wrapping_sub(1), time, end }
    }

    /// The next record and where it ends; `None` if it is wrong.
    ///
    /// It is wrong if its offset is not behind that of the one before, or leaves too few up to the last for those
    /// behind it; the last one also if bytes are left over. So a batch is wrong no later than at its last offset:
    /// whoever skips that one has not skipped a record of the next batch.
    #[inline]
    fn record(&self, data: &[u8], at: usize) -> Option<(Row, usize)> {
        let (mut row, behind) = record(&data[..self.end], at)?;
        let offset = self.base.wrapping_add(row[OFFSET]);
        let fits = self.before < offset && offset <= self.last.saturating_sub(self.count - 1);
        if !fits || (self.count == 1 && behind != self.end) {
            return None;
        }
        row[OFFSET] = offset;
        row[TIMESTAMP] = match self.time {
            Time::OfAll(time) => time,
            Time::From(time) => time.wrapping_add(row[TIMESTAMP]),
        };
        Some((row, behind))
    }
}

/// Reads the records of batches one after another, and stops before the first record that is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    at: usize,
    /// Where all ends.
    end: usize,
    /// Of the batch that is being read.
    left: Option<Left>,
    wrong: bool,
}

impl Walk {
    /// The records of the batches `data[begin..end]`, which `together` has found.
    #[must_use]
    pub const fn together(begin: usize, end: usize) -> Self {
        Self { at: begin, end, left: None, wrong: false }
    }

    /// The `count` records `data[begin..end]` of one batch with these offsets.
    #[must_use]
    pub const fn within(begin: usize, end: usize, count: i64, offsets: (i64, i64), time: Time) -> Self {
        Self { at: begin, end, left: Some(Left::new(count, offsets, time, end)), wrong: count < 0 }
    }

    /// Where the next record or batch begins.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Whether what comes next is not a record.
    #[must_use]
    pub const fn is_wrong(&self) -> bool {
        self.wrong
    }

    /// Whether nothing is left that can be read.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.wrong || (self.left.is_none() && self.at >= self.end)
    }

    /// At most so many further records, those before the offset `position` left out; it becomes the one behind them.
    ///
    /// A header whose name is no text makes its record wrong, unless it is left out.
    pub fn read(&mut self, data: &[u8], most: usize, position: &mut i64) -> Vec<Row> {
        let Some(data) = data.get(..self.end) else {
            self.wrong = true;
            return Vec::new();
        };
        let mut rows = Vec::with_capacity(most.min(self.end.saturating_sub(self.at) / LEAST));
        while rows.len() < most && !self.is_done() {
            if let Some(left) = self.left.take().or_else(|| self.next_batch(data)) {
                self.read_batch(data, left, most, position, &mut rows);
            } else {
                self.wrong = true;
            }
        }
        rows
    }

    /// The batch that begins here. A marker has no records.
    fn next_batch(&mut self, data: &[u8]) -> Option<Left> {
        let batch = Batch::at(data, self.at)?;
        let (count, end) = (batch.count(), batch.data().len());
        let left = Left::new(if batch.is_control() { 0 } else { count }, batch.offsets()?, batch.time(), end);
        self.at = if batch.is_control() { end } else { batch.records() };
        Some(left)
    }

    fn read_batch(&mut self, data: &[u8], mut left: Left, most: usize, position: &mut i64, rows: &mut Vec<Row>) {
        while left.count > 0 && rows.len() < most {
            let Some((row, behind)) = left.record(data, self.at) else {
                self.wrong = true;
                return;
            };
            if row[OFFSET] >= *position {
                if !has_text_names(data, &row) {
                    self.wrong = true;
                    return;
                }
                *position = row[OFFSET].saturating_add(1);
                rows.push(row);
            }
            self.at = behind;
            left.before = row[OFFSET];
            left.count -= 1;
        }
        if left.count > 0 {
            self.left = Some(left);
        } else if self.at == left.end {
            *position = (*position).max(left.last.saturating_add(1));
        } else {
            self.wrong = true;
        }
    }
}
