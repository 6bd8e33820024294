//! What candidates show: values, each hashed once, and where they stand apart.

use std::collections::HashMap;

use super::hashes::{Digest, KeyedHash};
use super::runs::Run;

/// One value and where it stands, ascending. None of the places overlaps another.
pub struct Shown {
    /// Its HMAC.
    pub digest: Digest,
    /// Where it stands.
    pub spans: Vec<Run>,
}

/// The values that candidates of one text show.
///
/// A text of nothing but one token has hundreds of thousands of candidates, so values with the same check are compared
/// before any is hashed.
pub struct Matches<'a> {
    data: &'a [u8],
    hash: &'a KeyedHash,
    numbers: HashMap<(usize, u32), Vec<usize>>,
    shown: Vec<Shown>,
}

impl<'a> Matches<'a> {
    /// None yet.
    #[must_use]
    pub fn new(data: &'a [u8], hash: &'a KeyedHash) -> Self {
        Self { data, hash, numbers: HashMap::new(), shown: Vec::new() }
    }

    /// Adds a candidate with its check. Candidates of one value come in order.
    pub fn add(&mut self, (start, end): Run, check: u32) {
        let value = &self.data[start..end];
        let alike = self.numbers.entry((value.len(), check)).or_default();
        for &number in &*alike {
            let spans = &mut self.shown[number].spans;
            if spans.first().is_some_and(|&(first, last)| self.data[first..last] == *value) {
                if spans.last().is_none_or(|&(_, last)| last <= start) {
                    spans.push((start, end));
                }
                return;
            }
        }
        alike.push(self.shown.len());
        self.shown.push(Shown { digest: self.hash.digest(value), spans: vec![(start, end)] });
    }

    /// The values.
    #[must_use]
    pub fn shown(self) -> Vec<Shown> {
        self.shown
    }
}

/// Whether a span stands behind all of the same value that came before.
#[derive(Default)]
pub struct Apart<'a>(HashMap<&'a [u8], usize>);

impl<'a> Apart<'a> {
    /// Tells it of one more.
    pub fn add(&mut self, data: &'a [u8], (start, end): Run) -> bool {
        let behind = self.0.entry(&data[start..end]).or_default();
        let apart = start >= *behind;
        if apart {
            *behind = end;
        }
        apart
    }
}
