//! What a byte is to the search.

/// Whether a sub-token may start at a place of the data.
#[inline]
#[must_use]
pub fn may_start(data: &[u8], at: usize) -> bool {
    is_plain(data[at]) && !(is_alnum(data[at]) && at > 0 && is_alnum(data[at - 1]))
}

/// Whether a sub-token may end before a place of the data that is not its beginning.
#[inline]
#[must_use]
pub fn may_end(data: &[u8], at: usize) -> bool {
    is_plain(data[at - 1]) && !(is_alnum(data[at - 1]) && at < data.len() && is_alnum(data[at]))
}

// What follows is arithmetic without branches, so that many bytes are looked at together.

/// Whether a byte is neither white space nor a control character.
#[inline]
#[must_use]
pub fn is_plain(byte: u8) -> bool {
    (byte > 32) & (byte != 127)
}

/// Whether a byte is white space of ASCII.
#[inline]
#[must_use]
pub fn is_space(byte: u8) -> bool {
    (byte == 32) | (byte.wrapping_sub(9) < 5)
}

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
