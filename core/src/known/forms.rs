//! The search for registered secrets in another form: reversed, in rot13, in another case, a character short.
//!
//! Only texts of exactly a registered length are tried: from one boundary to another, in a run of unbroken text, and
//! with the turns between digits and letters that tokens have. So few are left that each form of each can be tested by
//! its rolling check.

use super::bits::{packed, packed_pairs, places};
use super::bytes::is_alnum;
use super::checks::Checks;
use super::rolling::{Rolling, check};
use super::runs::Run;
use super::search::has_both_cases;

/// Bytes of a secret that is found in another form.
pub const SHORTEST: usize = 16;
/// The same.
pub const LONGEST: usize = 1024;

/// A text of this length may be a secret whose bytes are all there.
pub const FULL: u8 = 1;
/// It may be a secret without one of its ends.
pub const SHORT: u8 = 2;
/// It may be a secret of both cases in one.
pub const FOLDED: u8 = 4;
/// As `FULL` and `SHORT`, if it has letters of both cases.
pub const FULL_MIXED: u8 = FULL << 3;
/// The same.
pub const SHORT_MIXED: u8 = SHORT << 3;

/// The fewest turns of a token: words, paths, numbers and times have fewer.
const TURNS: usize = 3;
/// The fewest changes from letters to digits or back.
const CHANGES: usize = 2;
/// The fewest letters beyond f in what has lost its case: times, and digests behind a name, have fewer.
const FOREIGN: u16 = 3;
const BLOCK: usize = 1 << 13;
/// So many can be summed up in a byte.
const SUMMED: usize = 255;
/// So many boundaries in so many bytes make lines of signs, where each two may hold a text.
const DENSE: usize = 32;
const NEAR: usize = 256;
/// A token has no more signs than these and one in four bytes: what has more is too dear to complete.
const SIGNS: usize = 4;
/// The characters that may be the missing one.
const ENDS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.~";

/// What was done to a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Its bytes stand the other way round.
    Reversed,
    /// Its letters are moved by 13.
    Rot13,
    /// Its letters are in the other case.
    Swapped,
    /// Its last byte is missing.
    WithoutLast(u8),
    /// Its first byte is missing.
    WithoutFirst(u8),
}

impl Form {
    /// The secret that a text says.
    #[must_use]
    pub fn undone(self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Reversed => text.iter().rev().copied().collect(),
            Self::Rot13 => text.iter().copied().map(rotated).collect(),
            Self::Swapped => text.iter().copied().map(swapped).collect(),
            Self::WithoutLast(last) => [text, &[last]].concat(),
            Self::WithoutFirst(first) => [&[first], text].concat(),
        }
    }
}

#[inline]
fn rotated(byte: u8) -> u8 {
    let number = (byte | 32).wrapping_sub(b'a');
    if number < 13 {
        byte + 13
    } else if number < 26 {
        byte - 13
    } else {
        byte
    }
}

#[inline]
fn swapped(byte: u8) -> u8 {
    byte ^ (u8::from(byte.is_ascii_alphabetic()) << 5)
}

/// Whether text in another case is no word or name that logs have by chance: its digits and letters take turns.
#[must_use]
pub fn may_fold(text: &[u8]) -> bool {
    let mut signs = text.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::is_ascii_alphabetic);
    let mut before = signs.next();
    signs.filter(|is_letter| before.replace(*is_letter) != Some(*is_letter)).nth(CHANGES - 1).is_some()
}

/// Of each length up to `LONGEST`, what a text of it may be.
pub type Kinds = Vec<u8>;

/// What texts may be by the lengths of some registered secrets.
#[must_use]
pub fn kinds_of(lengths: impl Iterator<Item = usize>, full: u8, short: u8) -> Kinds {
    let mut kinds = vec![0; LONGEST + 1];
    for length in lengths.filter(|length| (SHORTEST..=LONGEST).contains(length)) {
        kinds[length] |= full;
        kinds[length - 1] |= short;
    }
    kinds
}

/// Whether a byte joins what stands beside it: letters, digits, `-_+` and a point before a letter or digit.
#[inline]
fn joins(data: &[u8], at: usize) -> bool {
    is_alnum(data[at]) || is_joiner(data[at]) || (data[at] == b'.' && data.get(at + 1).copied().is_some_and(is_alnum))
}

#[inline]
fn is_joiner(byte: u8) -> bool {
    (byte == b'_') | (byte == b'-') | (byte == b'+')
}

/// A turn is between a digit and a letter, a small letter and a capital, or one of some signs and a letter or digit.
#[inline]
fn turns(before: u8, byte: u8) -> bool {
    let (digit, small, capital) = (byte.is_ascii_digit(), byte.is_ascii_lowercase(), byte.is_ascii_uppercase());
    let (small_before, capital_before) = (before.is_ascii_lowercase(), before.is_ascii_uppercase());
    let sign_before = (before.wrapping_sub(b'!') < 6)
        | (before == b'*')
        | (before.wrapping_sub(b'?') < 2)
        | (before == b'^')
        | (before == b'~');
    (digit & (small_before | capital_before))
        | ((small | capital) & before.is_ascii_digit())
        | (capital & small_before)
        | ((digit | small | capital) & sign_before)
}

/// Whether a byte parts words, or is one of `=:&/`.
#[inline]
fn parts(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b'"' | b'\'' | b',' | b'=' | b':' | b'&' | b'/')
}

/// How many turns a text has, behind a byte.
fn turns_in(before: u8, text: &[u8]) -> usize {
    let first = text.first().map_or(0, |&byte| usize::from(turns(before, byte)));
    let (befores, bytes) = (text.chunks(SUMMED), text.get(1..).unwrap_or_default().chunks(SUMMED));
    let counts = befores.zip(bytes).map(|(befores, bytes)| {
        let pairs = befores.iter().zip(bytes);
        usize::from(pairs.fold(0_u8, |sum, (&before, &byte)| sum.wrapping_add(u8::from(turns(before, byte)))))
    });
    first + counts.sum::<usize>()
}

/// The boundaries of one stretch, which are beside a byte that does not join.
#[derive(Default)]
struct Boundaries {
    /// Where they are in the data.
    places: Vec<usize>,
    /// How many turns stand before each.
    ranks: Vec<u32>,
    /// For each 64 places of the stretch, which of them are boundaries, and how many stand before the first.
    words: Vec<(u64, u32)>,
}

impl Boundaries {
    /// Notes those of data[begin..end], which is part of a run that begins at `first`.
    fn note(&mut self, data: &[u8], first: usize, begin: usize, end: usize) {
        self.places.clear();
        self.ranks.clear();
        self.words.clear();
        let mut turned = 0;
        let mut joined = u64::from(begin > first && joins(data, begin - 1));
        let mut before = if begin == 0 { 0 } else { data[begin - 1] };
        for at in (begin..=end).step_by(64) {
            let chunk = &data[at..data.len().min(at + 64)];
            let alnum = packed(chunk, is_alnum);
            let ahead = alnum >> 1 | u64::from(data.get(at + 64).copied().is_some_and(is_alnum)) << 63;
            let joining = alnum | packed(chunk, is_joiner) | packed(chunk, |byte| byte == b'.') & ahead;
            let pairs = packed_pairs(before, chunk, turns);
            let within = u64::MAX >> (63 - (end - at).min(63));
            let cuts = !(joining & (joining << 1 | joined)) & within;
            self.words.push((cuts, self.places.len() as u32));
            for bit in places(cuts) {
                self.places.push(at + bit);
                self.ranks.push(turned + (pairs & !(u64::MAX << bit)).count_ones());
            }
            turned += pairs.count_ones();
            joined = joining >> 63;
            before = chunk.last().copied().unwrap_or(0);
        }
    }

    /// The number of the boundary at a place, if there is one.
    fn at(&self, begin: usize, place: usize) -> Option<usize> {
        let (word, bit) = ((place - begin) >> 6, (place - begin) & 63);
        let &(cuts, before) = self.words.get(word)?;
        (cuts >> bit & 1 == 1).then(|| (before + (cuts & !(u64::MAX << bit)).count_ones()) as usize)
    }
}

/// The lengths of texts to try.
#[derive(Clone, Default)]
pub struct Wanted {
    lengths: Vec<usize>,
    is: Vec<bool>,
}

impl Wanted {
    /// Those of which texts may be something.
    #[must_use]
    pub fn of<'a>(all: impl Iterator<Item = &'a Kinds>) -> Self {
        let mut is = vec![false; LONGEST + 1];
        for kinds in all {
            for (wanted, &kind) in is.iter_mut().zip(kinds) {
                *wanted |= kind != 0;
            }
        }
        let lengths = is.iter().enumerate().filter_map(|(length, &wanted)| wanted.then_some(length)).collect();
        Self { lengths, is }
    }

    /// The shortest.
    #[must_use]
    pub fn shortest(&self) -> Option<usize> {
        self.lengths.first().copied()
    }
}

/// Gives `found` the texts of wanted lengths between two boundaries in runs of unbroken text.
///
/// Those with more than two boundaries inside and one for each two bytes are no token, and those with fewer than three
/// turns are words or numbers. The cost goes by the boundaries in long runs with turns, which are few, and hardly by the
/// lengths.
pub fn candidates(data: &[u8], runs: &[Run], wanted: &Wanted, mut found: impl FnMut(Run)) {
    let able = &wanted.lengths[..wanted.lengths.partition_point(|&length| length <= data.len())];
    let (Some(&shortest), Some(&longest)) = (able.first(), able.last()) else { return };
    let mut boundaries = Boundaries::default();
    for &(first, last) in runs.iter().filter(|(first, last)| last - first >= shortest) {
        for begin in (first..=last - shortest).step_by(BLOCK) {
            let end = last.min(begin + BLOCK + longest);
            let before = if begin == 0 { 0 } else { data[begin - 1] };
            if turns_in(before, &data[begin..end]) >= TURNS {
                boundaries.note(data, first, begin, end);
                pairs_of(data, &boundaries, begin, able, &wanted.is, &mut found);
            }
        }
    }
}

/// Gives `found` the pairs of boundaries of a stretch that a secret may stand between.
///
/// Where very many are near, a text has to begin behind what parts words or one of `=:&/`, and to end before one.
fn pairs_of(
    data: &[u8],
    boundaries: &Boundaries,
    begin: usize,
    lengths: &[usize],
    wanted: &[bool],
    found: &mut impl FnMut(Run),
) {
    let (places, ranks) = (&boundaries.places, &boundaries.ranks);
    let (Some(&shortest), Some(&longest)) = (lengths.first(), lengths.last()) else { return };
    let (Some(&end), Some(&all_turns)) = (places.last(), ranks.last()) else { return };
    let mut near = 1;
    for (number, (&start, &rank)) in places.iter().zip(ranks).enumerate() {
        if start >= begin + BLOCK || end - start < shortest || all_turns < rank + TURNS as u32 {
            break;
        }
        let dense = places.get(number + DENSE).is_some_and(|place| place - start <= NEAR);
        if dense && start > 0 && !parts(data[start - 1]) {
            continue;
        }
        while places[near] < start + shortest || ranks[near] < rank + TURNS as u32 {
            near += 1;
        }
        let ends = |at: usize| !dense || data.get(at).is_none_or(|&byte| parts(byte));
        let last = (places.len() - 1).min(number + 3 + (longest >> 1));
        if last.saturating_sub(near) > 2 * lengths.len() && places[last] - start <= longest {
            // Lines of signs: there are fewer lengths than boundaries.
            for at in lengths.iter().map(|length| start + length).take_while(|&at| at <= places[last]) {
                let few = |other| other - number <= 3 + ((at - start) >> 1);
                if at >= places[near] && boundaries.at(begin, at).is_some_and(few) && ends(at) {
                    found((start, at));
                }
            }
            continue;
        }
        for (other, &at) in places.iter().enumerate().take(last + 1).skip(near) {
            let length = at - start;
            if length > longest {
                break;
            }
            if wanted[length] && other - number <= 3 + (length >> 1) && ends(at) {
                found((start, at));
            }
        }
    }
}

/// The tables in which the forms of texts are looked up, and what texts may be by them.
pub struct Lookup<'a> {
    checks: &'a Checks,
    kinds: &'a Kinds,
    /// B to the powers 0, 1, …, `LONGEST`.
    powers: &'a [u64],
}

impl<'a> Lookup<'a> {
    /// That of some tables.
    #[must_use]
    pub fn new(checks: &'a Checks, kinds: &'a Kinds, powers: &'a [u64]) -> Self {
        Self { checks, kinds, powers }
    }

    /// Gives `found` the forms of a text whose length and check are registered.
    pub fn forms(&self, text: &[u8], mut found: impl FnMut(Form)) {
        let mut kind = self.kinds[text.len()];
        if kind & (FULL_MIXED | SHORT_MIXED) != 0 && has_both_cases(text) {
            kind |= kind >> 3;
        }
        if kind & FULL != 0 {
            let sums = self.sums(text);
            for (form, sum) in [Form::Reversed, Form::Rot13, Form::Swapped].into_iter().zip(sums) {
                if self.checks.lists(text.len(), check(0, sum, 1)) {
                    found(form);
                }
            }
        }
        let signs = || text.iter().filter(|byte| !byte.is_ascii_alphanumeric()).count();
        if kind & SHORT != 0 && signs() <= SIGNS + (text.len() >> 2) {
            self.completed(text, &mut found);
        }
    }

    /// The sums of what a text says if it is reversed, in rot13, in swapped case.
    fn sums(&self, text: &[u8]) -> [u64; 3] {
        let rolling = self.checks.rolling();
        let (mut reversed, mut rotation, mut swap) = (0_u64, 0_u64, 0_u64);
        let powers = self.powers[..text.len()].iter();
        for ((&byte, &power), &reverse) in text.iter().zip(powers.clone().rev()).zip(powers) {
            reversed = reversed.wrapping_add(rolling.term(byte).wrapping_mul(reverse));
            rotation = rotation.wrapping_add(rolling.term(rotated(byte)).wrapping_mul(power));
            swap = swap.wrapping_add(rolling.term(swapped(byte)).wrapping_mul(power));
        }
        [reversed, rotation, swap]
    }

    /// Gives `found` the characters that complete a text.
    fn completed(&self, text: &[u8], found: &mut impl FnMut(Form)) {
        let rolling: &Rolling = self.checks.rolling();
        let sum =
            text.iter().fold(0_u64, |sum, &byte| sum.wrapping_mul(self.powers[1]).wrapping_add(rolling.term(byte)));
        for &end in ENDS {
            let behind = sum.wrapping_mul(self.powers[1]).wrapping_add(rolling.term(end));
            if self.checks.lists(text.len() + 1, check(0, behind, 1)) {
                found(Form::WithoutLast(end));
            }
        }
        for &end in ENDS {
            let before = rolling.term(end).wrapping_mul(self.powers[text.len()]).wrapping_add(sum);
            if self.checks.lists(text.len() + 1, check(0, before, 1)) {
                found(Form::WithoutFirst(end));
            }
        }
    }
}

/// A text in lower case, if it may be a secret of both cases in one case.
///
/// A text with hardly a letter beyond f may be a number, a digest or a time, and is none.
#[must_use]
pub fn folded(text: &[u8]) -> Option<Vec<u8>> {
    let (mut foreign, mut small, mut capital) = (0_u16, false, false);
    for &byte in text {
        foreign = foreign.wrapping_add(u16::from((byte | 32).wrapping_sub(b'g') < 20));
        small |= byte.is_ascii_lowercase();
        capital |= byte.is_ascii_uppercase();
    }
    (foreign >= FOREIGN && small != capital).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{FULL, Wanted, candidates, folded, kinds_of};
    use crate::known::runs::Run;

    fn tried(data: &[u8], lengths: &[usize]) -> Vec<Run> {
        let kinds = kinds_of(lengths.iter().copied(), FULL, 0);
        let mut found = Vec::new();
        candidates(data, &[(0, data.len())], &Wanted::of([&kinds].into_iter()), |span| found.push(span));
        found
    }

    /// Each costs half a microsecond, and there would be several for each byte.
    #[test]
    fn where_boundaries_are_dense_not_each_two_are_tried() {
        let data = ["%".into(), "25".repeat(20), "%2525".repeat(4000)].concat();
        assert!(tried(data.as_bytes(), &[20, 24, 32, 40]).len() < 200);
    }

    #[test]
    fn texts_between_two_boundaries_are_tried_over_the_ends_of_blocks() {
        let token = "tok_7Hq2xLw9ZpB5nKd4YcJmR8vTs3";
        for pad in (0..140).chain(8_000..8_200) {
            let data = format!("{}/{token}/{}", "x".repeat(pad), "y".repeat(9_000));
            assert_eq!(tried(data.as_bytes(), &[token.len()]), [(pad + 1, pad + 1 + token.len())], "{pad}");
        }
    }

    #[test]
    fn texts_of_one_case_with_letters_beyond_f_may_have_lost_their_case() {
        assert_eq!(folded(b"TOK_7HQ2"), Some(b"tok_7hq2".to_vec()));
        assert_eq!(folded(b"tok_7hq2"), Some(b"tok_7hq2".to_vec()));
        for text in ["tok_7Hq2", "9f2c01ab77de", "2026-12-24T22:20:53Z", "09", ""] {
            assert_eq!(folded(text.as_bytes()), None, "{text}");
        }
    }
}
