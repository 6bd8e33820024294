"""Base85 of text, in the alphabets of Python's `b85encode` and of Ascii85: where it stands, and what it says.

A group of five digits says four bytes. The first digit of printable ones is one of 31, so groups in a row are found
by the places of their first digits. Where lines break within Ascii85, what stands on each is read by itself.
"""
# ruff: noqa: PLR0913, PLR0917 - a compiled loop takes its arrays apart; bytes are written as their codes

from typing import Any, Final

import numpy as np

from detector.jit import bare, place
from detector.scan.digits import NONE, PRINTABLE

_GROUP: Final = 5
_LEAST: Final = 5  # groups of text in a row that are no accident
_RFC1924: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
DIGITS85: Final = np.full((2, 256), NONE, np.uint8)
"""Python's `b85encode` (RFC 1924), and Ascii85."""
DIGITS85[0, list(_RFC1924)] = DIGITS85[1, 0x21 : 0x21 + 85] = np.arange(85)


@bare
def _group(data: Any, at: int, size: int, table: Any) -> int:
    """The number that `size` digits say, four bytes if there are five of them; -1 if they say no text."""
    if at < 0 or at + size > data.size:
        return -1
    number = 0
    for digit in range(at, at + size):
        if table[data[digit]] == NONE:
            return -1
        number = number * 85 + int(table[data[digit]])
    for _ in range(size, _GROUP):
        number = number * 85 + 84
    if number >> 32:
        return -1
    for byte in range(5 - size, 4):
        if not PRINTABLE[number >> (8 * byte) & 255]:
            return -1
    return number


@bare
def add_groups(
    data: Any, at: int, bits: Any, alphabet: int, kind: int, rows: Any, found: int, done: int
) -> tuple[int, int]:
    """Adds to `rows` (kind, start, end) where whole groups say text: how many there are then, and where the last ends.

    `bits` are those of `sieves` for the 64 bytes from `at` on. What stands before `done` was looked at.
    """
    table = DIGITS85[alphabet]
    while bits != np.uint64(0):
        low = at + int(place(bits))
        bits &= bits - np.uint64(1)
        if low < done or found == rows.shape[0]:
            continue
        high = low
        while high < low + _GROUP * _LEAST and _group(data, high, _GROUP, table) >= 0:
            high += _GROUP
        if high < low + _GROUP * _LEAST:
            continue
        while low - _GROUP >= done and _group(data, low - _GROUP, _GROUP, table) >= 0:
            low -= _GROUP
        while _group(data, high, _GROUP, table) >= 0:
            high += _GROUP
        rows[found, 0], rows[found, 1], rows[found, 2] = kind, low, high
        found += 1
        done = high
    return found, done


@bare
def unbase85(data: Any, rows: Any, alphabet: int, out: Any, segments: Any) -> int:
    """Writes what the rows (start, end) and the digits behind each say, two line feeds after each: how many bytes."""
    table = DIGITS85[alphabet]
    to = 0
    for row in range(rows.shape[0]):
        start, end = rows[row, 0], rows[row, 1]
        segments[row, 0], segments[row, 1], segments[row, 3] = to, start, 0
        for at in range(start, end, _GROUP):
            number = _group(data, at, _GROUP, table)
            for shift in range(24, -8, -8):
                out[to] = number >> shift & 255
                to += 1
        for size in range(4, 1, -1):
            number = _group(data, end, size, table)
            if number >= 0:
                for shift in range(24, 32 - 8 * size, -8):
                    out[to] = number >> shift & 255
                    to += 1
                end += size
                break
        segments[row, 2] = end
        out[to] = out[to + 1] = 0x0A
        to += 2
    return to
