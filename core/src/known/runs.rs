//! Runs of bytes of some kind.

use super::bits::{packed, places};

/// Where a run begins and ends.
pub type Run = (usize, usize);

/// The runs of so many bytes or more in which `is_inside` holds for each. Without branches in it, many bytes are looked
/// at together.
pub fn runs(data: &[u8], shortest: usize, is_inside: impl Fn(u8) -> bool) -> Vec<Run> {
    let shortest = shortest.max(1);
    let (mut found, mut begin) = (Vec::new(), 0);
    let mut add = |begin: usize, end: usize| {
        if end - begin >= shortest {
            found.push((begin, end));
        }
    };
    for (word, chunk) in data.chunks(64).enumerate() {
        let inside = packed(chunk, &is_inside);
        let (at, outside) = (64 * word, !inside);
        if outside == 0 {
            continue;
        }
        add(begin, at + outside.trailing_zeros() as usize);
        // Runs within the word: each begins behind a byte that is outside, and ends before another.
        let starts = begins(inside, shortest) & outside << 1;
        for start in places(starts) {
            let behind = outside & (u64::MAX << start);
            if behind != 0 {
                add(at + start, at + behind.trailing_zeros() as usize);
            }
        }
        begin = at + 64 - outside.leading_zeros() as usize;
    }
    if begin < data.len() {
        add(begin, data.len());
    }
    found
}

/// Where so many marked bytes begin that all stand in the word.
#[inline]
fn begins(marked: u64, count: usize) -> u64 {
    let (mut starts, mut now) = (marked, 1);
    while now < count && starts != 0 {
        let by = now.min(count - now);
        starts &= starts.checked_shr(by as u32).unwrap_or(0);
        now += by;
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn runs_are_those_that_a_split_gives() {
        let long = "a".repeat(130);
        let texts = ["", " ", "ab", "ab ", " ab", "abc de  fghij k", "aaaa aaaaa aaa", "  a bb ccc dddd eeeee", &long];
        for text in texts.iter().flat_map(|text| (0..140).map(move |pad| format!("{}{text}", ". ".repeat(pad)))) {
            for shortest in [1, 2, 3, 5, 63, 64, 65, 129, 130, 131] {
                let mut expected = Vec::new();
                let mut at = 0;
                for part in text.split(' ') {
                    if part.len() >= shortest {
                        expected.push((at, at + part.len()));
                    }
                    at += part.len() + 1;
                }
                assert_eq!(runs(text.as_bytes(), shortest, |byte| byte != b' '), expected, "{text:?} {shortest}");
            }
        }
    }
}
