//! Integers of one to ten bytes, seven bits in each, the lowest first; signs are zigzag.

/// The most bytes of one.
pub const MOST: usize = 10;

/// Bytes that are read one field after another. Nothing behind the last byte is ever read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `data` from `at` on.
    #[must_use]
    pub const fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at }
    }

    /// Where the next field begins.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// The next integer; `None` if it does not end before the data does, or is longer than 64 bits.
    #[inline]
    pub fn varint(&mut self) -> Option<i64> {
        let mut found = 0_u64;
        for index in 0..MOST {
            let byte = *self.data.get(self.at)?;
            self.at += 1;
            found |= u64::from(byte & 0x7F) << (7 * index); // the tenth byte has one bit that counts
            if byte < 0x80 {
                return Some((found >> 1) as i64 ^ -((found & 1) as i64));
            }
        }
        None
    }

    /// The next field with its size before it: where it begins, and its size, -1 if it is null.
    #[inline]
    pub fn sized(&mut self) -> Option<(usize, i64)> {
        let size = self.varint()?;
        let begin = self.at;
        if size > 0 {
            if size as u64 > (self.data.len() - begin) as u64 {
                return None;
            }
            self.at += size as usize;
        }
        Some((begin, size.max(-1)))
    }

    /// A header of a record: its name, and its value if it has one. A name is not null.
    #[inline]
    pub fn header(&mut self) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let (begin, size) = self.sized()?;
        if size < 0 {
            return None;
        }
        let name = &self.data[begin..self.at];
        let (begin, size) = self.sized()?;
        Some((name, (size >= 0).then(|| &self.data[begin..self.at])))
    }
}

const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// How many bytes an integer takes.
#[must_use]
pub const fn size_of(number: i64) -> usize {
    let bits = 64 - (zigzag(number) | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// Writes an integer behind what is there.
pub fn put(into: &mut Vec<u8>, number: i64) {
    let mut left = zigzag(number);
    while left >= 0x80 {
        into.push(left as u8 | 0x80);
        left >>= 7;
    }
    into.push(left as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for number in [0, -1, 1, 63, -64, 64, 300, -300, i64::MAX, i64::MIN, 1 << 33] {
            let mut written = Vec::new();
            put(&mut written, number);
            assert_eq!(written.len(), size_of(number));
            let mut reader = Reader::new(&written, 0);
            assert_eq!((reader.varint(), reader.at()), (Some(number), written.len()));
            assert_eq!(Reader::new(&written[..written.len() - 1], 0).varint(), None);
        }
    }

    #[test]
    fn eleven_bytes_are_no_integer() {
        assert_eq!(Reader::new(&[0x80; 11], 0).varint(), None);
        assert_eq!(Reader::new(&[0x80; 4], 2).varint(), None);
        assert_eq!(Reader::new(&[], 7).varint(), None);
    }

    #[test]
    fn a_field_is_all_there_or_none() {
        assert_eq!(Reader::new(&[4, 7, 8], 0).sized(), Some((1, 2)));
        assert_eq!(Reader::new(&[6, 7, 8], 0).sized(), None);
        assert_eq!(Reader::new(&[1], 0).sized(), Some((1, -1)));
        assert_eq!(Reader::new(&[3, 9], 0).sized(), Some((1, -1))); // null, as any negative size is
    }
}
