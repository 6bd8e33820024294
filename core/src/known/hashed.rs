//! The texts to hash, of credentials that are registered by a digest without a check.

use super::bytes::{is_in_token, is_space, may_end, may_start};
use super::runs::{Run, runs};

/// Bytes of a sub-token whose length nobody has said.
pub const SHORTEST: usize = 8;
/// The same.
pub const LONGEST: usize = 512;
/// How many sub-tokens of one start are tried, the shortest first, so that a run of delimiters takes linear time.
pub const MOST_ENDS: usize = 64;

/// Gives `found` the sub-tokens of one of some lengths, which ascend.
pub fn sized(data: &[u8], lengths: &[usize], mut found: impl FnMut(Run)) {
    let Some(&longest) = lengths.last() else { return };
    let mut stop = 0; // no white space from here to there
    for start in (0..data.len()).filter(|&start| may_start(data, start)) {
        stop = stop.max(start);
        while stop < data.len() && stop - start < longest && !is_space(data[stop]) {
            stop += 1;
        }
        for end in lengths.iter().map(|length| start + length).take_while(|&end| end <= stop) {
            if may_end(data, end) {
                found((start, end));
            }
        }
    }
}

/// Gives `found` the sub-tokens of `SHORTEST` to `LONGEST` bytes, the `MOST_ENDS` shortest of each start.
pub fn subtokens(data: &[u8], mut found: impl FnMut(Run)) {
    for start in (0..data.len()).filter(|&start| may_start(data, start)) {
        let text = &data[start..data.len().min(start + LONGEST)];
        let size = text.iter().position(|&byte| is_space(byte)).unwrap_or(text.len());
        let ends = (SHORTEST..=size).map(|size| start + size);
        ends.filter(|&end| may_end(data, end)).take(MOST_ENDS).for_each(|end| found((start, end)));
    }
}

/// Gives `found` the windows of a length in runs of the characters that tokens have.
///
/// If hashing one takes no more steps than a window has to spare, these are all windows of a run; else those that start
/// or end at a boundary of a sub-token, the first of them for which there are as many steps as the run has bytes. Unless
/// `glued`, it is those that start and end at a boundary.
pub fn windows(data: &[u8], length: usize, glued: bool, mut found: impl FnMut(Run)) {
    let steps = (length + 72) >> 6;
    for (start, end) in runs(data, length, is_in_token) {
        let most = (end - start) / steps;
        let every = glued && end - start - length < most;
        let wanted = |&begin: &usize| {
            every || {
                let (starts, ends) = (may_start(data, begin), may_end(data, begin + length));
                if glued { starts || ends } else { starts && ends }
            }
        };
        (start..=end - length).filter(wanted).take(most).for_each(|begin| found((begin, begin + length)));
    }
}

#[cfg(test)]
mod tests {
    use super::windows;

    #[test]
    fn a_run_asks_for_no_more_than_one_block_a_byte() {
        for length in [16, 40, 64, 300, 5_000, 16 << 10] {
            let long = format!("{}a", "=".repeat(length - 1));
            for piece in ["a", "/", "a/", "abc/", &long] {
                let data = piece.repeat(40_000 / piece.len() + 1);
                let mut count = 0;
                windows(data.as_bytes(), length, true, |_| count += 1);
                assert!(0 < count && count * ((length + 72) >> 6) <= data.len(), "{length} {piece}");
            }
        }
    }
}
