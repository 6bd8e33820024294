"""The bytes that names, quotes and words consist of, and small loops over them. Compiled."""
# ruff: noqa: PLR2004 - bytes are compared with bytes

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.scan.names.value_kernel import starts
from detector.scan.names.value_kinds import TELLING

BLANKS: Final = 48  # between a name, its separator and its value
QUOTES: Final = 4  # behind a name: `\\"]`
CONTEXT: Final = 256  # bytes before a name, in which quotes and brackets may be open
PART, OPEN, CLOSE, TELLS = 1, 2, 4, 8  # of the table of bytes
TICK, DOUBLE, SINGLE, BACKSLASH = 96, 34, 39, 92


def _table() -> Any:
    table = np.zeros(256, np.uint8)
    table[list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")] = PART
    table[list(b"\"'`")] |= OPEN | CLOSE
    table[list(b"\\]})*")] |= CLOSE
    table[list(TELLING)] |= TELLS
    table.flags.writeable = False
    return table


def word(text: bytes) -> Any:
    """A word that the loops look for, in lower case."""
    array = np.frombuffer(text, np.uint8)
    array.flags.writeable = False
    return array


TABLE: Final = _table()


@bare
def past_blanks(data: Any, at: int) -> int:
    """Where something stands behind blanks and tabs."""
    stop = min(data.size, at + BLANKS)
    while at < stop and data[at] in (32, 9):
        at += 1
    return at


@bare
def past_space(data: Any, at: int) -> int:
    """Where text goes on behind blanks and line feeds."""
    stop = min(data.size, at + BLANKS)
    while at < stop and data[at] in (32, 9, 10, 13):
        at += 1
    return at


@bare
def past_part(data: Any, at: int) -> int:
    """Where letters, digits and the signs of names end."""
    stop = min(data.size, at + BLANKS)
    while at < stop and TABLE[data[at]] & PART:
        at += 1
    return at


@bare
def ends_line(data: Any, at: int) -> bool:
    """Whether nothing but blanks, after one `;`, stands between here and the end of the line; one closing quote may."""
    if at < data.size and TABLE[data[at]] & OPEN:
        at += 1
    if at < data.size and data[at] == 59:
        at += 1
    at = past_blanks(data, at)
    return bool(at >= data.size or data[at] in (10, 13))


@bare
def begins_line(data: Any, name: int) -> bool:
    """Whether nothing but blanks stands between the start of the line and the name."""
    at = name - 1
    while at >= 0 and name - at <= BLANKS and data[at] in (32, 9):
        at -= 1
    return bool(at < 0 or data[at] == 10)


@bare
def ends_with(data: Any, end: int, text: Any) -> bool:
    """Whether the word stands right before `end`, and no letter or digit before it."""
    start = end - text.size
    if start < 0 or not starts(data, start, end, text):
        return False
    return bool(start == 0 or not (TABLE[data[start - 1]] & PART) or data[start - 1] in (45, 46, 95))


@bare
def opened(data: Any, name: int, opening: int, closing: int) -> bool:
    """Whether a bracket is open before the name in its line; of a quote, whether an odd number of them stands there."""
    depth = 0
    at = name - 1
    least = max(0, name - CONTEXT)
    while at >= least and data[at] != 10:
        if data[at] == opening:
            depth += 1
            if opening != closing and depth > 0:
                return True
        elif data[at] == closing:
            depth -= 1
        at -= 1
    return opening == closing and depth % 2 == 1
