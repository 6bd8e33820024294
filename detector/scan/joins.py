"""Words that are cut in two by a backslash at the end of a line, and go on with the first word of the next.

What a log puts before each line is left out. Two words may never have belonged together, so only what nothing else
looks like is believed in what comes of it (`sightings`).
"""
# ruff: noqa: PLR1714, PLR2004 - bytes are written as their codes; a compiled loop is one function

from typing import Any, Final

import numpy as np

from detector.byte_masks import WORD, mask_of
from detector.jit import bare
from detector.scan.kernels import count_bits
from detector.scan.runs import head_like

MOST_PARTS: Final = 64
LONGEST: Final = 2048  # bytes of a part, and of a line that is looked at
_LEAST: Final = 16  # characters of a word that is cut,
_SELDOM: Final = 8  # of which so many at most stand for each change
_PLAIN: Final = 8  # characters of a second part in which something changes
_INDENT: Final = 40
NEWLINE, RETURN, BACKSLASH, DOT = 0x0A, 0x0D, 0x5C, 0x2E
_DIGITS: Final = mask_of((0x30, 10, 0))
_LETTERS: Final = mask_of((0x41, 26, 0x20))
_SIGNS: Final = mask_of(
    (0x21, 1, 0), (0x23, 1, 0), (0x25, 2, 0), (0x2A, 1, 0), (0x3F, 2, 0), (0x5E, 1, 0), (0x7E, 1, 0)
)
_CAPITALS: Final = mask_of((0x41, 26, 0))
_WORD, _DIGIT, _SMALL, _CAPITAL, _SIGN = 1, 2, 4, 8, 16


def _classes() -> Any:
    table = np.zeros(256, np.uint8)
    for byte in range(0x21, 0x7F):
        text = bytes([byte])
        table[byte] = (
            _WORD * (text not in b"\"'`<>()[]{}\\")
            | _DIGIT * text.isdigit()
            | _SMALL * text.islower()
            | _CAPITAL * text.isupper()
            | _SIGN * (text in b"!#%&*?@^~")
        )
    table.flags.writeable = False
    return table


_CLASSES: Final = _classes()


@bare
def is_word(byte: Any) -> bool:
    """Whether a word that may be cut has this byte."""
    return bool(_CLASSES[byte] & _WORD)


@bare
def word_start(data: Any, end: int, floor: int) -> int:
    """The start of the word that ends at `end`."""
    low = end
    while low > floor and end - low < LONGEST and _CLASSES[data[low - 1]] & _WORD:
        low -= 1
    return low


@bare
def word_end(data: Any, at: int) -> int:
    """The end of the word that begins at `at`."""
    end = at
    while end < data.size and end - at < LONGEST and _CLASSES[data[end]] & _WORD:
        end += 1
    return end


@bare
def line_start(data: Any, at: int) -> int:
    """The start of the line that holds `at`; -1 if that is far away."""
    low = at
    while low > 0 and data[low - 1] != NEWLINE:
        low -= 1
        if at - low > LONGEST:
            return -1
    return low


@bare
def changes(data: Any, start: int, end: int) -> int:
    """How often a digit stands beside a letter, a capital behind a small letter, a rare sign behind another byte."""
    if end - start <= WORD and start + WORD <= data.size and start < end:
        one, within = np.uint64(1), ~np.uint64(0) >> np.uint64(WORD - end + start)
        if _SIGNS(data, start) & within == np.uint64(0):
            digits, letters, capitals = _DIGITS(data, start), _LETTERS(data, start), _CAPITALS(data, start)
            smalls = letters & ~capitals
            turns = (
                (digits & letters << one) | (smalls & digits << one) | (capitals & (digits | smalls) << one)
            )
            return int(count_bits(turns & within))
    count = last = 0
    for at in range(start, end):
        kind = int(_CLASSES[data[at]])
        count += kind & _SIGN != 0 and (at == start or data[at] != data[at - 1])
        kind &= _DIGIT | _SMALL | _CAPITAL
        count += kind != last and kind != 0 and last != 0 and (last != _CAPITAL or kind != _SMALL)
        last = kind
    return count


@bare
def _turns(data: Any, start: int, end: int) -> int:
    """What `turns_near` counts in a word of less than 64 bytes, one by one."""
    count = 0
    for at in range(start + 1, end):
        before, here = _CLASSES[data[at - 1]], _CLASSES[data[at]]
        count += bool(
            here & _SIGN
            or (before & _DIGIT and here & (_SMALL | _CAPITAL))
            or (here & _DIGIT and before & (_SMALL | _CAPITAL))
            or (before & _SMALL and here & _CAPITAL)
        )
    return count


@bare
def turns_near(data: Any, start: int, end: int) -> int:
    """How often a digit stands beside a letter, or a capital behind a small letter, in the last 64 bytes of a word.

    Each of the rare signs there counts too.
    """
    if end < WORD:
        return int(_turns(data, start, end))
    one, at = np.uint64(1), end - WORD
    digits, letters, capitals = _DIGITS(data, at), _LETTERS(data, at), _CAPITALS(data, at)
    turns = (digits & letters << one) | (letters & digits << one) | (capitals & (letters & ~capitals) << one)
    turns |= _SIGNS(data, at)
    if end - start < WORD:
        turns &= ~np.uint64(0) << np.uint64(start - at + 1)
    return int(count_bits(turns))


@bare
def _same(data: Any, start: int, other: int, size: int) -> bool:
    """Whether the same bytes stand at both places."""
    for at in range(size):  # noqa: SIM110 - what numba compiles
        if data[start + at] != data[other + at]:
            return False
    return True


@bare
def first_of(data: Any, parts: Any, count: int) -> int:
    """The part that a word begins with.

    No secret begins with the same part twice: then a line, or a string, stands there again.
    """
    size = parts[0, 1] - parts[0, 0]
    for row in range(1, count):
        if parts[row, 1] - parts[row, 0] != size or not _same(data, parts[0, 0], parts[row, 0], size):
            return row - 1
    return count - 1


@bare
def may_be_one(data: Any, parts: Any, count: int) -> bool:
    """Whether the parts make a word that may be a secret: in words, paths and numbers little changes."""
    if count < 2:
        return False
    first = first_of(data, parts, count)
    size = total = 0
    for row in range(first, count):
        start, end = parts[row, 0], parts[row, 1]
        size += end - start
        here = changes(data, start, end)
        total += here
        if row == first + 1 and not here and end - start >= _PLAIN:
            return False
    return bool(count > first + 1 and size >= _LEAST and total > 2 and _SELDOM * total >= size)


@bare
def _begins(data: Any, at: int) -> int:
    """Where a word begins behind blanks and a quote."""
    first = at
    while first < data.size and first - at < _INDENT and (data[first] == 0x20 or data[first] == 0x09):
        first += 1
    return int(first + (first < data.size and (data[first] == 0x22 or data[first] == 0x27)))


@bare
def line_below(data: Any, at: int) -> int:
    """Where the next line begins if a line ends at `at`; 0 if none does."""
    feed = at + (at < data.size and data[at] == RETURN)
    return int(feed + 1 if feed < data.size and data[feed] == NEWLINE else 0)


@bare
def line_parts(data: Any, at: int, parts: Any) -> int:
    """Fill `parts` with those (start, end) of the word that is cut by the backslash before the line's end at `at`.

    It gives how many; 0 if none is.
    """
    line, below = line_start(data, at), line_below(data, at)
    if line < 0 or at < line + 2 or not below:
        return 0
    parts[0, 0], parts[0, 1] = word_start(data, at - 1, line), at - 1
    count, size = 1, at - 1 - parts[0, 0]
    while 0 < size < LONGEST and count < parts.shape[0] and below < data.size:
        start = _begins(data, head_like(data, line, at, below))
        end = word_end(data, start)
        if start == end:
            break
        parts[count, 0], parts[count, 1] = start, end
        size += end - start
        count += 1
        below = line_below(data, end + 1) if end < data.size and data[end] == BACKSLASH else 0
        if not below:
            break
    return count if count > 1 else 0
