//! Records as rows of numbers over the bytes that they stand in.

use super::varints::Reader;

/// A record: the fields that the constants below number.
pub type Row = [i64; WIDTH];

/// The offset in the partition.
pub const OFFSET: usize = 0;
/// Milliseconds since 1970, -1 if there are none.
pub const TIMESTAMP: usize = 1;
/// Where the key begins, also if it is null.
pub const KEY: usize = 2;
/// The bytes of the key, -1 if it is null.
pub const KEY_SIZE: usize = 3;
/// Where the value begins, also if it is null.
pub const VALUE: usize = 4;
/// The bytes of the value, -1 if it is null.
pub const VALUE_SIZE: usize = 5;
/// Where the first header begins.
pub const HEADERS: usize = 6;
/// How many headers there are.
pub const HEADER_COUNT: usize = 7;
/// The numbers of a row.
pub const WIDTH: usize = 8;

/// The text of a key or value, nothing if it is null; `None` if the row leads out of the data.
#[inline]
fn field<'a>(data: &'a [u8], row: &Row, place: usize) -> Option<&'a [u8]> {
    let begin = usize::try_from(row[place]).ok()?;
    let size = usize::try_from(row[place + 1].max(0)).ok()?;
    data.get(begin..begin.checked_add(size)?)
}

/// Where lines begin that hold the values of the rows, a line feed behind each, and where one more would.
///
/// In place of a null value, and of one with headers, stands an empty line.
#[must_use]
pub fn line_starts(rows: &[Row]) -> Vec<i64> {
    let mut starts = Vec::with_capacity(rows.len() + 1);
    let mut at = 0_i64;
    starts.push(at);
    for row in rows {
        at += if row[HEADER_COUNT] == 0 { row[VALUE_SIZE].max(0) } else { 0 } + 1;
        starts.push(at);
    }
    starts
}

/// Writes what begins at `place` of each row, as many bytes as the `starts` leave, and a line feed behind it.
///
/// Returns `None` if a row leads out of the data, or `into` is not as long as the last start.
#[must_use]
pub fn join(data: &[u8], rows: &[Row], place: usize, starts: &[i64], into: &mut [u8]) -> Option<()> {
    for (row, bounds) in rows.iter().zip(starts.windows(2)) {
        let (at, end) = (usize::try_from(bounds[0]).ok()?, usize::try_from(bounds[1]).ok()?.checked_sub(1)?);
        let begin = usize::try_from(*row.get(place)?).ok()?;
        let size = end.checked_sub(at)?;
        into.get_mut(at..end)?.copy_from_slice(data.get(begin..begin.checked_add(size)?)?);
        *into.get_mut(end)? = b'\n';
    }
    Some(())
}

/// Where the headers of a row end; `None` if one is wrong.
#[inline]
pub(super) fn behind_headers(data: &[u8], row: &Row) -> Option<usize> {
    let mut reader = Reader::new(data, usize::try_from(row[HEADERS]).ok()?);
    for _ in 0..row[HEADER_COUNT] {
        reader.header()?;
    }
    Some(reader.at())
}

/// The bytes of a record's key, value and headers; `None` if the row leads out of the data.
#[inline]
pub(super) fn parts<'a>(data: &'a [u8], row: &Row) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
    let headers = usize::try_from(row[HEADERS]).ok()?..behind_headers(data, row)?;
    Some((field(data, row, KEY)?, field(data, row, VALUE)?, data.get(headers)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_value_and_one_with_headers_are_empty_lines() {
        let row = |value, size, headers| [0, 0, 0, -1, value, size, 0, headers];
        let rows = [row(1, 2, 0), row(0, -1, 0), row(1, 2, 1), row(0, 1, 0)];
        let starts = line_starts(&rows);
        assert_eq!(starts, [0, 3, 4, 5, 7]);
        let mut into = [0; 7];
        assert!(join(b"abc", &rows, VALUE, &starts, &mut into).is_some());
        assert_eq!(&into, b"bc\n\n\na\n");
    }

    #[test]
    fn a_row_that_leads_out_of_the_data_is_refused() {
        let mut into = [0; 16];
        for row in [[0, 0, 0, -1, 2, 2, 0, 0], [0, 0, 0, -1, -1, 2, 0, 0], [0, 0, 0, -1, i64::MAX, 2, 0, 0]] {
            assert!(join(b"abc", &[row], VALUE, &line_starts(&[row]), &mut into).is_none());
        }
        assert!(join(b"abc", &[[0; WIDTH]], VALUE, &[5, 2], &mut into).is_none());
        assert!(join(b"abc", &[[0; WIDTH]], WIDTH, &[0, 1], &mut into).is_none());
    }
}
