//! The search for texts whose length and rolling check are registered.

use super::bits::{Bits, places};
use super::bytes::{is_alnum, is_plain, is_space, separates};
use super::checks::{Checks, Length};
use super::rolling::check;
use super::runs::Run;

/// Bytes looked at together: the scratch stays in the first caches.
const BLOCK: usize = 1 << 12;

/// How many windows begin in one block, where the longest has `longest` bytes.
fn block_size(longest: usize) -> usize {
    BLOCK.max((2 * longest).next_multiple_of(64))
}

/// Whether a text has letters of both cases.
#[must_use]
pub fn has_both_cases(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_lowercase) && text.iter().any(u8::is_ascii_uppercase)
}

/// Finds the registered windows in runs of unbroken text; with `mixed` only in runs with letters of both cases.
pub fn unbroken(data: &[u8], runs: &[Run], checks: &Checks, mixed: bool, mut found: impl FnMut(Run, u32)) {
    let (mut sums, mut passing) = (Vec::new(), Vec::new());
    for (lengths, shortest, longest) in checks.lengths_to(data.len()) {
        let block = block_size(longest);
        for &(start, end) in runs {
            if end - start < shortest || (mixed && !has_both_cases(&data[start..end])) {
                continue;
            }
            for begin in (start..=end - shortest).step_by(block) {
                let text = &data[begin..end.min(begin + block + longest)];
                checks.rolling().sums(text, &mut sums);
                for &length in lengths.iter().take_while(|length| length.bytes <= text.len()) {
                    let starts = &sums[..block.min(text.len() - length.bytes + 1)];
                    let pairs = (starts, &sums[length.bytes..]);
                    checks.listed_windows(length, pairs, begin, &mut passing, &mut found);
                }
            }
        }
    }
}

/// Finds all registered windows; those with a line break in them only between separators, or an end of the data.
pub fn windows(data: &[u8], checks: &Checks, mut found: impl FnMut(Run, u32)) {
    let (mut sums, mut passing, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    let mut broken = Broken::default();
    for (lengths, _, longest) in checks.lengths_to(data.len()) {
        let block = block_size(longest);
        for done in (0..data.len()).step_by(block) {
            let text = &data[done..data.len().min(done + block + longest)];
            let size = block.min(data.len() - done);
            checks.rolling().sums(text, &mut sums);
            let most = lines_of(text, size, &mut lines);
            let is_broken = lines != [(0, text.len())];
            if is_broken {
                broken.mark(data, done, text, longest);
            }
            for &length in lengths.iter().take_while(|length| length.bytes <= text.len()) {
                for &(start, end) in lines.iter().filter(|_| length.bytes <= most) {
                    let last = size.min((end + 1).saturating_sub(length.bytes));
                    if start < last {
                        let pairs = (&sums[start..last], &sums[start + length.bytes..]);
                        checks.listed_windows(length, pairs, done + start, &mut passing, &mut found);
                    }
                }
                if is_broken {
                    let starts = broken.starts(length.bytes, size);
                    let tested = starts.map(|at| (at, check(sums[at], sums[at + length.bytes], length.power)));
                    checks.listed(length.bytes, tested, &mut passing, |at, check| {
                        found((done + at, done + at + length.bytes), check);
                    });
                }
            }
        }
    }
}

/// Writes the lines that begin in the first `size` bytes and are not empty. Returns the bytes of the longest.
fn lines_of(text: &[u8], size: usize, lines: &mut Vec<Run>) -> usize {
    let (mut start, mut most) = (0, 0);
    lines.clear();
    for end in memchr::memchr_iter(b'\n', text).chain([text.len()]) {
        if start < size && start < end {
            lines.push((start, end));
            most = most.max(end - start);
        }
        start = end + 1;
        if start >= size {
            break;
        }
    }
    most
}

/// Where texts with a line break in them may start and end.
#[derive(Default)]
struct Broken {
    separators: Bits,
    /// Where a line's bytes begin of which so many more are in the line.
    free: Bits,
    now: usize,
    words: usize,
    after_separator: bool,
}

impl Broken {
    fn mark(&mut self, data: &[u8], done: usize, text: &[u8], longest: usize) {
        let spare = (longest >> 6) + 3;
        let behind = done + text.len();
        self.separators.mark(text, spare, separates);
        if data.get(behind).is_none_or(|&byte| separates(byte)) {
            self.separators.set(text.len());
        }
        self.free.mark(text, spare, |byte| byte != b'\n');
        self.words = (text.len() >> 6) + 1;
        self.now = 1;
        self.after_separator = done == 0 || separates(data[done - 1]);
    }

    /// Where such texts of a length may start in the first `size` bytes. The lengths ascend.
    fn starts(&mut self, length: usize, size: usize) -> impl Iterator<Item = usize> {
        self.now = self.free.stretch(self.words, self.now, length);
        let mut carry = u64::from(self.after_separator);
        (0..size.div_ceil(64)).flat_map(move |word| {
            let separators = self.separators.0[word];
            let bits = (separators << 1 | carry) & !self.free.0[word] & self.separators.ahead(word, length);
            carry = separators >> 63;
            places(bits).map(move |bit| 64 * word + bit)
        })
    }
}

/// Finds the registered sub-tokens.
pub fn subtokens(data: &[u8], checks: &Checks, mut found: impl FnMut(Run, u32)) {
    let (mut sums, mut passing) = (Vec::new(), Vec::new());
    let (mut alnum, mut plain, mut free) = (Bits::default(), Bits::default(), Bits::default());
    for (lengths, _, longest) in checks.lengths_to(data.len()) {
        let block = block_size(longest);
        let spare = (longest >> 6) + 3;
        for done in (0..data.len()).step_by(block) {
            let text = &data[done..data.len().min(done + block + longest)];
            alnum.mark(text, spare, is_alnum);
            plain.mark(text, spare, is_plain);
            free.mark(text, spare, |byte| !is_space(byte));
            let words = (text.len() >> 6) + 1;
            let mut carry = u64::from(done > 0 && is_alnum(data[done - 1]));
            let mut starts = Vec::with_capacity(words);
            let mut ends = Bits(Vec::with_capacity(words + spare));
            for word in 0..words {
                let (letters, rest) = (alnum.0[word], plain.0[word]);
                starts.push(rest & !(letters & (letters << 1 | carry)));
                ends.0.push(rest & !(letters & alnum.ahead(word, 1)));
                carry = letters >> 63;
            }
            ends.0.resize(words + spare, 0);
            starts.truncate(block >> 6);
            checks.rolling().sums(text, &mut sums);
            let mut now = 1;
            for &Length { bytes, power } in lengths {
                now = free.stretch(words, now, bytes);
                if now < bytes {
                    break;
                }
                let tested = starts.iter().enumerate().flat_map(|(word, bits)| {
                    let bits = bits & free.0[word] & ends.ahead(word, bytes - 1);
                    places(bits).map(move |bit| 64 * word + bit)
                });
                let tested = tested.map(|at| (at, check(sums[at], sums[at + bytes], power)));
                checks.listed(bytes, tested, &mut passing, |at, check| {
                    found((done + at, done + at + bytes), check);
                });
            }
        }
    }
}
