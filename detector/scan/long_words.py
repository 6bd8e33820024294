"""Long words in which another encoding may stand: base32, base58, what is packed, digits that were reversed or turned.

Eight bytes at a time, `samples` tells where no blank and few signs stand. Here the words around such places are
looked at, and nearly all are given up after a few bytes: most are digests. Nothing is missed that has 31 letters and
digits in a row.
"""
# ruff: noqa: PLR0913, PLR0917, PLR1714, PLR2004 - bytes are written as their codes; a compiled loop is one function, without sets

from typing import Any, Final

import numpy as np

from detector.byte_masks import WORD, mask_of
from detector.jit import bare, place, zeros_above
from detector.scan.digits import BASE64, HEX, NONE, PRINTABLE
from detector.scan.kernels import ALNUM, CLASSES
from detector.scan.token_prefixes import LONGEST, begins_with_prefix
from detector.scan.xored import is_xored

(
    BASE32,
    BASE32_LOWER,
    BASE32HEX,
    BASE58,
    IN_BASE64,
    DEFLATED,
    REVERSED_BASE64,
    REVERSED_HEX,
    ROT_BASE64,
    REVERSED_TEXT,
    ROT_TEXT,
    SWAPPED_TEXT,
    BASE85,
    ASCII85,
    BROTLI,
    XORED_BASE64,
    XORED_HEX,
) = range(17)
"""What a word may be; `IN_BASE64` is what bzip2, xz, lzma, zstd and lz4 packed."""

_EIGHT: Final = 8
_LEAST32, _LEAST58, _LEAST_PACKED = 26, 22, 56  # digits: 16 bytes, and what the least of a packed text needs
MOST58: Final = 512
_GROUPS: Final = 5  # of base64 that say text are no accident
_PAIRS: Final = 16
_LEAST_TOKEN: Final = 20  # letters and digits of a token behind its prefix,
_LONGEST_PREFIX: Final = LONGEST + 1  # which has so many at most, with the sign at its end
_TURN: Final = 13
_MOST_BROTLI: Final = 1 << 14  # bytes of text, if the word may go on in the next line


def _alphabet(digits: bytes) -> Any:
    table = np.full(256, NONE, np.uint8)
    table[list(digits)] = np.arange(len(digits), dtype=np.uint8)
    return table


_UPPER: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS32: Final = np.stack(
    [
        _alphabet(_UPPER + b"234567"),
        _alphabet(_UPPER.lower() + b"234567"),
        _alphabet(b"0123456789" + _UPPER[:22]),
    ]
)
"""By kind."""
DIGITS58: Final = _alphabet(b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
ROT_DIGITS: Final = BASE64.copy()
for _first in (65, 97):
    for _n in range(26):
        ROT_DIGITS[_first + _n] = BASE64[_first + (_n + 13) % 26]
_ALNUM, _OF58 = 8, 16
_ALNUMS: Final = mask_of((0x30, 10, 0), (0x41, 26, 0x20))
_CAPITALS, _SMALLS = mask_of((0x41, 26, 0)), mask_of((0x61, 26, 0))
_NOT_OF58: Final = mask_of((0x30, 1, 0), (0x49, 1, 0), (0x4F, 1, 0), (0x6C, 1, 0))
_CLASSES: Final = np.zeros(256, np.uint8)  # of letters and digits: a bit for each alphabet that has them
for _byte in b"0123456789" + _UPPER + _UPPER.lower():
    _CLASSES[_byte] = _ALNUM | (_OF58 if DIGITS58[_byte] != NONE else 0)
    for _kind in range(3):
        _CLASSES[_byte] |= (DIGITS32[_kind, _byte] != NONE) << _kind


@bare
def _is_turned(data: Any, at: int) -> bool:
    """Whether hex digits at `at`, two dozen at least, say text backwards."""
    for pair in range(at, at + 24, 2):
        if not PRINTABLE[(HEX[data[pair + 1]] << 4 | HEX[data[pair]]) & 255]:
            return False
    return True


@bare
def group_says_text(data: Any, at: int, step: int, table: Any) -> bool:
    """Whether four base64 digits, the first at `at` and the others `step` bytes on each, make printable bytes."""
    last = at + 3 * step
    if at < 0 or last < 0 or at >= data.size or last >= data.size:
        return False
    first, second = table[data[at]], table[data[at + step]]
    third, fourth = table[data[at + 2 * step]], table[data[last]]
    if first | second | third | fourth > 63:
        return False
    return bool(
        PRINTABLE[(first << 2 | second >> 4) & 255]
        and PRINTABLE[(second << 4 | third >> 2) & 255]
        and PRINTABLE[(third << 6 | fourth) & 255]
    )


@bare
def _says_text(data: Any, at: int, step: int, table: Any) -> bool:
    for _ in range(_GROUPS):
        if not group_says_text(data, at, step, table):
            return False
        at += 4 * step
    return True


@bare
def _text32(data: Any, at: int, end: int, table: Any) -> bool:
    """Whether the digits of base32 in data[at:end] say text from the first on, sixteen bytes at least."""
    held = bits = 0
    for digit in range(at, min(end, at + _LEAST32)):
        held = (held << 5 | int(table[data[digit]])) & 0xFFF
        bits += 5
        if bits >= 8:
            bits -= 8
            if not PRINTABLE[held >> bits & 255]:
                return False
    return True


@bare
def _text58(data: Any, at: int, end: int) -> bool:
    """Whether the last eight bytes of the number that data[at:end] is in base58 are text."""
    number = np.uint64(0)
    for digit in range(at, end):
        number = number * np.uint64(58) + np.uint64(DIGITS58[data[digit]])
    for _ in range(8):
        if not PRINTABLE[number & np.uint64(255)]:
            return False
        number >>= np.uint64(8)
    return True


@bare
def _begins_packed(data: Any, at: int) -> bool:
    """Base64 of `BZh`, the magic numbers of xz, zstd and lz4, or the header of lzma with a dictionary of whole MiB."""
    first, second, third, fourth = data[at], data[at + 1], data[at + 2], data[at + 3]
    if first == 0x51:  # QlpoO, QlpoM
        return bool(second == 0x6C and third == 0x70 and fourth == 0x6F)
    if first == 0x2F:  # /Td6WFoA
        return bool(second == 0x54 and third == 0x64 and fourth == 0x36)
    if first == 0x42:  # BCJNG
        return bool(second == 0x43 and third == 0x4A and fourth == 0x4E)
    if first == 0x4B:  # KLUv/
        return bool(second == 0x4C and third == 0x55 and fourth == 0x76)
    return bool(first == 0x58 and second == 0x51 and third == 0x41 and fourth == 0x41)  # XQAA


@bare
def _byte_of(data: Any, at: int, nth: int) -> int:
    """The byte of this number of those that base64 digits at `at` say."""
    first, part = at + nth + nth // 3, nth % 3
    return int((BASE64[data[first]] << (2 + 2 * part) | BASE64[data[first + 1]] >> (4 - 2 * part)) & 255)


@bare
def _bits(data: Any, at: int, place_: int, count: int) -> int:
    """So many bits (at most 8) of the bytes that base64 digits at `at` say, from the first byte's lowest bit on."""
    nth = place_ >> 3
    both = _byte_of(data, at, nth) | _byte_of(data, at, nth + 1) << 8
    return both >> (place_ & 7) & ((1 << count) - 1)


@bare
def _may_be_deflated(data: Any, at: int) -> bool:
    """Whether the first and only block may be one (RFC 1951, section 3.2). Of random digits one in a hundred may."""
    first, second = int(BASE64[data[at]]), int(BASE64[data[at + 1]])
    if not second >> 4 & 1:
        return False
    kind = (first & 1) << 1 | (second >> 5)
    if kind == 2:
        if _bits(data, at, 3, 5) > 29 or _bits(data, at, 8, 5) > 29:
            return False
        room = 0
        for index in range(_bits(data, at, 13, 4) + 4):
            length = _bits(data, at, 17 + 3 * index, 3)
            if length:
                room += 128 >> length
        return room == 128
    if kind != 1:
        return False
    bit = 3
    for _ in range(3):  # literals of eight bits, the highest first: 0x30 and the byte
        code = 0
        for ahead in range(8):
            code = code << 1 | _bits(data, at, bit + ahead, 1)
        if not 0x30 <= code < 0xBF or not PRINTABLE[code - 0x30]:
            return False
        bit += 8
    return True


@bare
def _may_be_brotli(data: Any, at: int, end: int) -> bool:
    """Whether the one block may be of text, and as much as packed text says (RFC 7932, section 9).

    Of random digits 1 in 700 may.
    """
    bit = 1
    if _bits(data, at, 0, 1):  # the size of the window is in four bits, or seven
        bit = 4 if _bits(data, at, 1, 3) else 7
    if _bits(data, at, bit, 4) != 1:  # the last block, not empty, its size in 16 bits
        return False
    size = 1 + _bits(data, at, bit + 4, 8) + (_bits(data, at, bit + 12, 8) << 8)
    packed = (end - at) * 3 // 4
    wrapped = end < data.size and (data[end] == 0x0A or data[end] == 0x0D)
    return bool(packed // 2 < size < (_MOST_BROTLI if wrapped else 16 * packed))


@bare
def _looks_packed(data: Any, low: int, end: int) -> bool:
    """Whether both cases stand at the start, as in no word and no hex digits, and what is there is not gzip's."""
    if data[low] == 0x48 and data[low + 1] == 0x34:  # H4sI
        return False
    capitals = smalls = 0
    for at in range(low, min(end, low + _LEAST_PACKED)):
        capitals += 0x47 <= data[at] <= 0x5A
        smalls += 0x67 <= data[at] <= 0x7A
    return capitals > 0 and smalls > 0


@bare
def _prefix(data: Any, at: int, step: int) -> int:
    """How long the prefix is of a token that begins at `at`, or ends there if `step` is -1; 0 if none does.

    It is a few letters and a sign, and many letters and digits stand behind it.
    """
    size = 0
    while size < _LONGEST_PREFIX and np.uint8((data[at + step * size] | np.uint8(32)) - np.uint8(97)) < 26:
        size += 1
    sign = data[at + step * size]
    if not 1 < size < _LONGEST_PREFIX or (sign != 0x5F and sign != 0x2D):
        return 0
    size += 1
    for place_ in range(size, size + _LEAST_TOKEN):
        if _CLASSES[data[at + step * place_]] == 0:
            return 0
    return size


@bare
def _kind_of_token(data: Any, low: int, end: int) -> int:
    """What a word of base64 digits may be that has the prefix of a token at one end, after something was done to it."""
    if end - low < _LEAST_TOKEN + _LONGEST_PREFIX:
        return -1
    size = _prefix(data, low, 1)
    if not size:
        size = _prefix(data, end - 1, -1)
        return REVERSED_TEXT if size and begins_with_prefix(data, end - 1, -1, size - 1, 0) else -1
    capitals = smalls = 0
    for at in range(low, low + size):
        capitals += 0x41 <= data[at] <= 0x5A
    for at in range(low + size, end):
        smalls += data[at] >= 0x61
    if capitals + 1 < size:
        return ROT_TEXT if begins_with_prefix(data, low, 1, size - 1, _TURN) else -1
    return SWAPPED_TEXT if smalls and begins_with_prefix(data, low, 1, size - 1, 0) else -1


@bare
def _kind_of(data: Any, low: int, end: int, bits: Any) -> int:
    """What the letters and digits in data[low:end] may be by themselves; `bits` has the alphabets with all of them."""
    size = end - low
    if size >= _LEAST32:
        for kind in range(3):
            if bits >> kind & 1 and _text32(data, low, end, DIGITS32[kind]):
                return kind
    if bits & _OF58 and _LEAST58 <= size <= MOST58 and _text58(data, low, end):
        return BASE58
    return -1


@bare
def _kind_of_run(data: Any, low: int, end: int) -> int:
    """What the base64 digits in data[low:end] may be, besides base64 of text."""
    if end - low >= _LEAST_PACKED:
        if _begins_packed(data, low):
            return IN_BASE64
        if _may_be_deflated(data, low):
            return DEFLATED
    if _says_text(data, end - 1, -1, BASE64):
        return REVERSED_BASE64
    if _says_text(data, low, 1, ROT_DIGITS):
        return ROT_BASE64
    if end - low >= _LEAST_PACKED and _may_be_brotli(data, low, end) and _looks_packed(data, low, end):
        return -1 if _says_text(data, low, 1, BASE64) else BROTLI
    return _kind_of_token(data, low, end)


@bare
def _alnum_start(data: Any, at: int, floor: int) -> int:
    """The start of the letters and digits that end at `at`."""
    while at >= WORD and at > floor:
        others = ~_ALNUMS(data, at - WORD)
        if others != np.uint64(0):
            return max(floor, at - int(zeros_above(others)))
        at -= WORD
    while at > floor and _CLASSES[data[at - 1]]:
        at -= 1
    return max(floor, at)


@bare
def _alnum_end(data: Any, at: int) -> int:
    """The end of the letters and digits that begin at `at`."""
    while at + WORD <= data.size:
        others = ~_ALNUMS(data, at)
        if others != np.uint64(0):
            return at + int(place(others))
        at += WORD
    while at < data.size and _CLASSES[data[at]]:
        at += 1
    return at


@bare
def _alphabets(data: Any, low: int, end: int) -> int:
    """Which alphabets may have all letters and digits in data[low:end]: none is missed, few have 64 by chance."""
    bits = 255
    if low + WORD <= data.size:
        within = ~np.uint64(0) >> np.uint64(max(0, WORD - end + low))
        capital, small = (
            (_CAPITALS(data, low) & within) != np.uint64(0),
            (_SMALLS(data, low) & within) != np.uint64(0),
        )
        if capital and small:
            bits &= ~7
        if (_NOT_OF58(data, low) & within) != np.uint64(0):
            bits &= ~_OF58
        if bits & (7 | _OF58) == 0:
            return bits
    for at in range(low, end):
        bits &= int(_CLASSES[data[at]])
    return bits


@bare
def _words(data: Any, at: int, stop: int, floor: int, rows: Any, found: int) -> tuple[int, int]:
    """Look at words that begin before `stop`, the first at or before `at`: how many rows, and where the last ends."""
    while at < stop:
        if _CLASSES[data[at]] == 0:
            at += 1
            continue
        low, at = _alnum_start(data, at, floor), _alnum_end(data, at)
        if at - low < _LEAST58 or found + 1 >= rows.shape[0]:
            continue
        kind = _kind_of(data, low, at, _alphabets(data, low, at))
        if kind < 0:
            while low > floor and BASE64[data[low - 1]] != NONE:
                low = _alnum_start(data, low - 1, floor)
            while at < data.size and BASE64[data[at]] != NONE:
                at = _alnum_end(data, at + 1)
            kind = _kind_of_run(data, low, at)
        if kind >= 0:
            rows[found, 0], rows[found, 1], rows[found, 2] = kind, low, at
            found += 1
        floor = at
    return found, at


@bare
def _hex_word(data: Any, at: int, done: int, rows: Any, found: int) -> tuple[int, int, int]:
    """The same of the word of hex digits that holds `at`; and where that ends."""
    low, end = at, at + 3 * _EIGHT
    while low > done and HEX[data[low - 1]] != NONE:
        low -= 1
    while end < data.size and HEX[data[end]] != NONE:
        end += 1
    turned = _is_turned(data, low)
    if found + 1 >= rows.shape[0] or not (turned or is_xored(data, low, end, HEX, 4)):
        return found, done, end
    rows[found, 0], rows[found, 1], rows[found, 2] = REVERSED_HEX if turned else XORED_HEX, low, end
    return found + 1, end, end


@bare
def add_words(
    data: Any, at: int, bits: Any, rows: Any, found: int, done: int, hex_done: int
) -> tuple[int, int, int]:
    """Adds to `rows` the words (kind, start, end) that may be one of the kinds.

    Returns how many there are then, where the last ended, and the last of hex digits. `bits` says where in the 64
    bytes from `at` on three samples of eight bytes in a row are of letters and digits (bit 3 of eight), of hex digits
    that may say text backwards (bit 4) or what was XORed (bit 5). What begins before `done` was looked at; so was, as
    hex digits, what begins before `hex_done`: a word is looked at once, however long it is.
    """
    while bits != np.uint64(0):
        near = int(place(bits)) >> 3
        kinds = bits >> np.uint64(8 * near)
        bits &= ~(np.uint64(255) << np.uint64(8 * near))
        where = at + _EIGHT * near
        if where + 3 * _EIGHT > data.size:
            break
        if where < done:
            continue
        if kinds & np.uint64(48) == np.uint64(0):
            found, done = _words(data, where, where + 3 * _EIGHT, done, rows, found)
        elif where >= hex_done:
            found, done, hex_done = _hex_word(data, where, done, rows, found)
    return found, done, hex_done


@bare
def _only_hex(data: Any, low: int, end: int) -> bool:
    for at in range(low, end):  # noqa: SIM110 - what numba compiles
        if HEX[data[at]] == NONE:
            return False
    return True


@bare
def add_xored(data: Any, at: int, bits: Any, rows: Any, found: int, done: int) -> tuple[int, int]:
    """The same of base64 words that say bytes with the same top bit: how many there are, and where the last ends.

    `bits` says of the 64 bytes from `at` on where five such groups begin. No letter or digit stands before a word.
    """
    while bits != np.uint64(0):
        low = at + int(place(bits))
        bits &= bits - np.uint64(1)
        if low < done or found + 1 >= rows.shape[0] or (low > 0 and CLASSES[data[low - 1]] == ALNUM):
            continue
        end = low
        while end < data.size and BASE64[data[end]] != NONE:
            end += 1
        done = end
        if is_xored(data, low, end, BASE64, 6) and not _only_hex(data, low, end):
            rows[found, 0], rows[found, 1], rows[found, 2] = XORED_BASE64, low, end
            found += 1
    return found, done
