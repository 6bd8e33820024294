"""What kind of value stands behind a name: random, a UUID, hexadecimal, a word. Compiled loops."""
# ruff: noqa: PLR2004 - bytes are compared with bytes
# ruff: noqa: PLR0913, PLR0917 - compiled loops: numba cannot see into a struct

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.scan.names.letter_statistics import LOWER, NUMBER, OTHER, UPPER, kind_table, symbol_table
from detector.scan.names.value_kinds import HEX, NOTHING, RANDOM, UUID, WORD

LEAST: Final = 8  # bytes of a value
LONGEST: Final = 512
_UUID_SIZE: Final = 36
_HEX_LEAST: Final = 16
_PREFIX: Final = 12  # bytes in front of hexadecimal digits: `acme_live_`
_HEX_BEHIND: Final = 32
_DIFFERENT: Final = 6  # hexadecimal digits of a random value, at least
_DENSE: Final = 9  # eighths of a bit for each character: below, more of it is text than random
_SURE: Final = 128  # eighths of a bit: from 16 bits on a value is random
_RARE: Final = 16  # eighths of a bit a character, of a path
_STRANGE: Final = 3  # signs that paths rarely have
_SYMBOL_OF: Final = symbol_table()
_KIND_OF: Final = kind_table()


def _bytes(text: bytes) -> Any:
    table = np.zeros(256, np.bool_)
    table[list(text)] = True
    table.flags.writeable = False
    return table


_HEX_DIGITS: Final = _bytes(b"0123456789abcdefABCDEF")
_OF_PATHS: Final = _bytes(b"/._-~+:@,=%")


@bare
def starts(data: Any, at: int, end: int, text: Any) -> bool:
    """Whether data[at:end] begins with `text`, lower-case letters in either case."""
    if end - at < text.size:
        return False
    for number in range(text.size):
        byte = data[at + number]
        if 65 <= byte <= 90:  # A to Z
            byte |= 32
        if byte != text[number]:
            return False
    return True


@bare
def randomness(data: Any, start: int, end: int, entries: Any, kind_entries: Any) -> Any:
    """How much speaks for random characters and against text, in eighths of a bit.

    The entries are those of `letter_statistics.load`: arguments, as numba would keep a copy of what is global in its
    cache.
    """
    lower = upper = 0
    for at in range(start, end):
        kind = np.int64(_KIND_OF[data[at]])
        lower += kind == LOWER
        upper += kind == UPPER
    letters, plain, lowered, other = _terms(data, start, end, entries, kind_entries)
    return letters + max(plain if lower and upper else lowered, other)


@bare
def _terms(data: Any, start: int, end: int, entries: Any, kind_entries: Any) -> tuple[Any, Any, Any, Any]:
    """What speaks for randomness: by letters; and by kinds, for plain text, for such in one case, for other."""
    letters = plain = lowered = other = np.int64(0)
    first = second = np.int64(0)
    before = earlier = np.int64(OTHER)
    for at in range(start, end):
        symbol = np.int64(_SYMBOL_OF[data[at]])
        kind = np.int64(_KIND_OF[data[at]])
        if 1 <= symbol <= 26:  # the letters
            letters += entries[first, second, symbol - 1]
        plain += kind_entries[0, earlier, before, kind]
        lowered += kind_entries[1, earlier, before, kind]
        other += kind_entries[2, earlier, before, kind]
        first, second = second, symbol
        earlier, before = before, kind
    return letters, plain, lowered, other


@bare
def _is_uuid(data: Any, start: int, end: int) -> bool:
    if end - start != _UUID_SIZE:
        return False
    for at in range(_UUID_SIZE):
        byte = data[start + at]
        if at in (8, 13, 18, 23):
            if byte != 45:  # a hyphen
                return False
        elif not _HEX_DIGITS[byte]:
            return False
    return True


@bare
def _is_hex(data: Any, start: int, end: int) -> bool:
    """Whether it is hexadecimal of one case, with letters and digits in it; `0x` may stand in front."""
    if end - start > 2 and data[start] == 48 and data[start + 1] | 32 == 120:  # 0x
        start += 2
    if end - start < _HEX_LEAST:
        return False
    digits = lower = upper = 0
    seen = np.int64(0)
    for at in range(start, end):
        byte = data[at]
        if not _HEX_DIGITS[byte]:
            return False
        kind = _KIND_OF[byte]
        digits += kind == NUMBER
        lower += kind == LOWER
        upper += kind == UPPER
        seen |= np.int64(1) << np.int64((byte & 15) + (0 if kind == NUMBER else 16))
    different = 0
    while seen:
        seen &= seen - np.int64(1)
        different += 1
    return digits > 1 and (lower > 1) != (upper > 1) and not (lower and upper) and different >= _DIFFERENT


@bare
def _hex_start(data: Any, start: int, end: int) -> int:
    """Where many hexadecimal digits begin behind a short prefix that ends with `_` or `-`; else `start`."""
    found = start
    for at in range(start, min(start + _PREFIX, end - _HEX_BEHIND)):
        byte = data[at]
        if byte in (45, 95):  # - _
            found = at + 1
        elif _KIND_OF[byte] == OTHER:
            return start
    return found


@bare
def kind_of(data: Any, start: int, end: int, entries: Any, kind_entries: Any) -> tuple[int, int]:
    """The kind of data[start:end], and its randomness in eighths of a bit."""
    size = end - start
    if size < LEAST or size > LONGEST:
        return NOTHING, 0
    if _is_uuid(data, start, end):
        return UUID, 0
    letters = signs = slashes = dots = strange = beyond = 0
    for at in range(start, end):
        byte = data[at]
        if byte <= 32 or byte == 127:  # no blank, nothing that does not print
            return NOTHING, 0
        kind = _KIND_OF[byte]
        letters += kind in (LOWER, UPPER)
        signs += kind == OTHER
        slashes += byte == 47  # /
        strange += kind == OTHER and not _OF_PATHS[byte]
        beyond += byte >= 128
        dots += byte == 46  # .
    if _says_nothing(size, letters, signs, beyond):
        return NOTHING, 0
    if _is_hex(data, start, end) or (signs and _is_hex(data, _hex_start(data, start, end), end)):
        return HEX, 0
    rating = randomness(data, start, end, entries, kind_entries)
    return _rated(data[start], size, rating, slashes, dots, strange), rating


@bare
def _says_nothing(size: int, letters: int, signs: int, beyond: int) -> bool:
    """Whether it is a number, an address, a time or a line of signs."""
    return letters < 2 or signs * 3 > size * 2 or beyond * 4 > size


@bare
def _rated(first: int, size: int, rating: int, slashes: int, dots: int, strange: int) -> int:
    """The kind of a value that begins with the byte `first`, by its randomness and by what is in it."""
    path = slashes and (dots or first in (46, 47, 126))  # . / ~
    if path and rating < (_RARE if strange < _STRANGE else _DENSE) * size:
        return NOTHING
    if rating >= _SURE and rating >= _DENSE * size:
        return RANDOM
    return WORD


@bare
def _summed(data: Any, begin: int, end: int, entries: Any, kind_entries: Any, sums: Any, start: int) -> None:
    """Fills the rows of `sums` for data[begin:end]: each has the sums over data[start:at], the first those of nothing.

    Of a row's byte the two before it count, so they have to be in the text.
    """
    for at in range(begin, end):
        byte = data[at]
        kind = np.int64(_KIND_OF[byte])
        symbol = np.int64(_SYMBOL_OF[byte])
        row, after = sums[at - start], sums[at - start + 1]
        for column in range(row.size):
            after[column] = row[column]
        after[0] += byte <= 32 or byte == 127
        after[1] += kind == LOWER
        after[2] += kind == UPPER
        after[3] += kind == OTHER
        after[4] += byte == 47  # /
        after[5] += kind == OTHER and not _OF_PATHS[byte]
        after[6] += byte >= 128
        after[7] += byte == 46  # .
        if at - start < 2:
            continue
        first, second = np.int64(_SYMBOL_OF[data[at - 2]]), np.int64(_SYMBOL_OF[data[at - 1]])
        earlier, before = np.int64(_KIND_OF[data[at - 2]]), np.int64(_KIND_OF[data[at - 1]])
        if 1 <= symbol <= 26:
            after[8] += entries[first, second, symbol - 1]
        for which in range(3):
            after[9 + which] += kind_entries[which, earlier, before, kind]


@bare
def nested_kind_of(
    data: Any, start: int, end: int, entries: Any, kind_entries: Any, sums: Any, summed: Any
) -> tuple[int, int]:
    """As `kind_of`, for one of many values that are in each other: `token=token=…`. Each byte of them is read once.

    The first rows of `sums` are those of data[summed[0] : summed[1]].
    """
    size = end - start
    if size < LEAST or size > LONGEST:
        return NOTHING, 0
    if _is_uuid(data, start, end):
        return UUID, 0
    if not (summed[0] <= start <= summed[1] and end - summed[0] < sums.shape[0]):
        sums[0] = 0
        summed[0] = summed[1] = start
    if end > summed[1]:
        _summed(data, summed[1], end, entries, kind_entries, sums, summed[0])
        summed[1] = end
    low, high = sums[start - summed[0]], sums[end - summed[0]]
    if high[0] > low[0]:
        return NOTHING, 0
    lower, upper, signs = high[1] - low[1], high[2] - low[2], high[3] - low[3]
    if _says_nothing(size, lower + upper, signs, high[6] - low[6]):
        return NOTHING, 0
    if _is_hex(data, start, end) or (signs and _is_hex(data, _hex_start(data, start, end), end)):
        return HEX, 0
    # Nothing stands before the first two bytes, so that they count otherwise than in a longer value.
    begun = sums[start + 2 - summed[0]]
    letters, plain, lowered, other = _terms(data, start, start + 2, entries, kind_entries)
    cased = plain + high[9] - begun[9] if lower and upper else lowered + high[10] - begun[10]
    rating = letters + high[8] - begun[8] + max(cased, other + high[11] - begun[11])
    slashes, strange, dots = high[4] - low[4], high[5] - low[5], high[7] - low[7]
    return _rated(data[start], size, rating, slashes, dots, strange), rating
