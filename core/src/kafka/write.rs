//! The records of a batch, written from rows.

use super::columns::{HEADER_COUNT, KEY_SIZE, Row, TIMESTAMP, VALUE_SIZE, parts};
use super::varints::{put, size_of};

/// Writes the records of the rows, as long as they fit into `most` bytes; the first one in any case.
///
/// Their times count from that of the first, and their offsets from 0.
///
/// Returns how many rows they are, and their bytes; `None` if a row leads out of the data.
fn write(data: &[u8], rows: &[Row], most: usize) -> Option<(usize, Vec<u8>)> {
    let mut into = Vec::with_capacity(most.min(data.len()) + 1024);
    for (number, row) in rows.iter().enumerate() {
        let (key, value, headers) = parts(data, row)?;
        let time = row[TIMESTAMP].wrapping_sub(rows[0][TIMESTAMP]);
        let length = 1
            + size_of(time)
            + size_of(number as i64)
            + size_of(row[KEY_SIZE])
            + key.len()
            + size_of(row[VALUE_SIZE])
            + value.len()
            + size_of(row[HEADER_COUNT])
            + headers.len();
        if number > 0 && into.len() + size_of(length as i64) + length > most {
            return Some((number, into));
        }
        put(&mut into, length as i64);
        into.push(0); // no attributes
        put(&mut into, time);
        put(&mut into, number as i64);
        put(&mut into, row[KEY_SIZE]);
        into.extend_from_slice(key);
        put(&mut into, row[VALUE_SIZE]);
        into.extend_from_slice(value);
        put(&mut into, row[HEADER_COUNT]);
        into.extend_from_slice(headers);
    }
    Some((rows.len(), into))
}

/// The records of the rows in batches of at most so many bytes each, unless a record alone takes more.
///
/// Returns how many rows each batch has, and its bytes; `None` if a row leads out of the data.
#[must_use]
pub fn batches(data: &[u8], mut rows: &[Row], most: usize) -> Option<Vec<(usize, Vec<u8>)>> {
    let mut found = Vec::new();
    while !rows.is_empty() {
        let (count, text) = write(data, rows, most)?;
        rows = &rows[count..];
        found.push((count, text));
    }
    Some(found)
}
