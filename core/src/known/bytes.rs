//! What a byte is to the search.

/// A letter or digit of ASCII.
pub const ALNUM: u8 = 1;
/// A control character that is no white space.
pub const CONTROL: u8 = 2;
/// White space of ASCII.
pub const SPACE: u8 = 4;

const fn table() -> [u8; 256] {
    let mut of = [0; 256];
    let mut byte = 0_u8;
    loop {
        let mut kinds = 0;
        if byte.is_ascii_alphanumeric() {
            kinds |= ALNUM;
        }
        if matches!(byte, b' ' | b'\t'..=b'\r') {
            kinds |= SPACE;
        } else if byte.is_ascii_control() {
            kinds |= CONTROL;
        }
        of[byte as usize] = kinds;
        if byte == u8::MAX {
            return of;
        }
        byte += 1;
    }
}

static KINDS: [u8; 256] = table();

/// Whether a byte is one of some kinds.
#[inline]
#[must_use]
pub fn is(byte: u8, kinds: u8) -> bool {
    KINDS[usize::from(byte)] & kinds != 0
}

/// Whether a sub-token may start at a place of the data.
#[inline]
#[must_use]
pub fn may_start(data: &[u8], at: usize) -> bool {
    match KINDS[usize::from(data[at])] {
        kinds if kinds & (CONTROL | SPACE) != 0 => false,
        kinds => kinds & ALNUM == 0 || at == 0 || !is(data[at - 1], ALNUM),
    }
}

/// Whether a sub-token may end before a place of the data that is not its beginning.
#[inline]
#[must_use]
pub fn may_end(data: &[u8], at: usize) -> bool {
    match KINDS[usize::from(data[at - 1])] {
        kinds if kinds & (CONTROL | SPACE) != 0 => false,
        kinds => kinds & ALNUM == 0 || at == data.len() || !is(data[at], ALNUM),
    }
}

// What follows is arithmetic without branches, so that many bytes are looked at together.

/// Whether a byte is a letter or digit of ASCII.
#[inline]
#[must_use]
pub fn is_alnum(byte: u8) -> bool {
    ((byte | 32).wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10)
}

/// Whether a byte is in no unbroken secret: white space, control characters, quotes and commas.
#[inline]
#[must_use]
pub fn breaks(byte: u8) -> bool {
    (byte <= 32) | (byte == b'"') | (byte == b'\'') | (byte == b',')
}

/// Whether a byte is a character that tokens have: letters, digits and `-./:%+=_|~`.
#[inline]
#[must_use]
pub fn is_in_token(byte: u8) -> bool {
    ((byte | 32).wrapping_sub(b'a') < 26)
        | (byte.wrapping_sub(b'-') < 14)
        | (byte == b'%')
        | (byte == b'+')
        | (byte == b'=')
        | (byte == b'_')
        | (byte == b'|')
        | (byte == b'~')
}

/// Whether a byte parts what stands beside it: white space, control characters, quotes, brackets, `=:,;|\` and bytes
/// that are not ASCII.
#[inline]
#[must_use]
pub fn separates(byte: u8) -> bool {
    (byte <= 32)
        | ((byte >= 123) & (byte != 126))
        | (byte == b'"')
        | (byte.wrapping_sub(b'\'') < 3)
        | (byte == b',')
        | (byte.wrapping_sub(b':') < 5)
        | (byte.wrapping_sub(b'[') < 3)
        | (byte == b'`')
}
