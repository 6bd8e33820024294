"""Where bytes may be printed one by one, text be in groups, and characters stand without a width.

`sieves` tells by samples of eight bytes where to look. What is said here of lists is still *maybe*; their decoder
looks closer.
"""
# ruff: noqa: C901, PLR0911, PLR0913, PLR0917, PLR2004 - bytes are written as their codes; a compiled loop is one function

from typing import Any, Final

import numpy as np

from detector.jit import bare, place
from detector.scan.digits import HEX, NONE, PRINTABLE
from detector.scan.grids import PERIODS, dense, extent
from detector.scan.normalised import read

_EIGHT: Final = 8
_SIGN, _BLANK, _DIGIT = 1, 2, 3
_LISTED: Final = np.zeros(256, np.uint8)  # what a list of bytes consists of
_LISTED[list(b",:;-")] = _SIGN
_LISTED[list(b" \t\r\n")] = _BLANK
_LISTED[list(b"0123456789abcdefABCDEFx")] = _DIGIT
# Below what the first of so many decimal or octal digits is.
_BELOW: Final = np.array([0, 0, 0, 0x32, 0, 0x34, 0x31], np.uint8)


@bare
def _says_text(data: Any, at: int, width: int) -> bool:
    """Whether so many digits may be printable bytes: `74`, `0x74`, `116`, `164`, `746f`, `067564`, bits and so on."""
    if width == 1:
        return bool(data[at] == 0x39)  # a tab
    if width == 4 and data[at + 1] == 0x78:
        return bool(data[at] == 0x30)
    if width in (3, 5, 6):
        for digit in range(at + 1, at + width):
            if data[digit] > 0x39 and (digit > at + 1 or data[digit] != 0x78):
                return False
        return bool(data[at] < _BELOW[width])
    if width == 7 or width > _EIGHT:
        return False
    in_bits = width == _EIGHT
    text = True
    for pair in range(at, at + width, 2):
        first, second = HEX[data[pair]], HEX[data[pair + 1]]
        text &= (first | second) != NONE and bool(PRINTABLE[(first << 4 | second) & 255])
        in_bits &= (first | second) < 2
    if width == 2 and not text:
        return bool(data[at] < 0x3A and data[at + 1] < 0x3A and (data[at] > 0x32 or data[at] == 0x31))
    return text or in_bits


@bare
def _is_listed(data: Any, at: int) -> bool:
    """Whether the sixteen bytes at `at` may be of a list that says text. Digests, addresses and times are not.

    The same sign stands between all numbers, and those that stand there whole may be text, of as many digits each.
    """
    sign = -1
    gap = width = first = widest = seen = 0
    whole, in_bits = False, True
    for near in range(at, at + 2 * _EIGHT):
        kind = _LISTED[data[near]]
        if kind == _DIGIT:
            if width == 0 and seen:
                if sign >= 0 and sign != gap:
                    return False
                sign = gap
            width += 1
            in_bits &= data[near] < 0x32
            if width > _EIGHT and not in_bits:
                return False
            continue
        if kind == 0:
            return False
        if width:
            if whole:
                if not _says_text(data, near - width, width) or (
                    first and first != width and first + width > 7
                ):
                    return False
                first = width
            widest = max(widest, width)
            seen = 1
            gap = width = 0
            in_bits = True
        whole = True
        if kind == _SIGN:
            if gap:
                return False
            gap = int(data[near])
    return first > 0 or max(widest, width) > 5


@bare
def add_lists(data: Any, at: int, bits: Any, out: Any, found: int) -> int:
    """Adds to `out` where lists may be in the 64 bytes from `at` on, by bits of `sieves`; how many there are then."""
    while bits != np.uint64(0):
        group = int(place(bits)) >> 3
        kind = bits >> np.uint64(8 * group) & np.uint64(255)
        bits &= ~(np.uint64(255) << np.uint64(8 * group))
        where = at + _EIGHT * group
        if where + 3 * _EIGHT > data.size:
            break
        if not kind & np.uint64(4):
            if not _is_listed(data, where + _EIGHT):
                continue
            # What stands before a list may be of its characters: a dump's offset.
            if not _is_listed(data, where):
                where += _EIGHT
        out[found] = where
        found += 1
    return found


@bare
def add_grids(
    data: Any, at: int, bits: Any, here: Any, after: Any, out: Any, found: int, done: int
) -> tuple[int, int]:
    """The same, where text is in groups behind `done`; and what is done then."""
    one = np.uint64(1)
    while bits != np.uint64(0):
        bit = int(place(bits))
        bits &= bits - one
        # Two shifts: one by 64 is none.
        signs = here >> np.uint64(bit) | (after << np.uint64(63 - bit)) << one
        where = at + bit
        if where + 2 * _EIGHT > data.size:
            break
        if where < done:
            continue
        if PERIODS[signs & np.uint64(0xFFFF)] or dense(data, where)[0]:
            _, _, separator, _, done = extent(data, where, done)
            if separator:
                out[found] = where
                found += 1
    return found, done


@bare
def add_beyond(data: Any, at: int, leads: Any, out: Any, found: int) -> int:
    """The same, where a character stands that has no width, or a full one."""
    while leads != np.uint64(0):
        where = at + int(place(leads))
        leads &= leads - np.uint64(1)
        if read(data, where, data.size):
            out[found] = where
            found += 1
    return found
