"""Where a word is cut in two, told of 64 bytes at a time as bits, and what it says put together.

A quote is looked at if digits, letters and capitals change in the end of its string, and what stands behind it may
stand between two strings; or if it ends a key with a digit. A backslash is looked at before the end of a line.
"""
# ruff: noqa: PLR0913, PLR0917, PLR2004 - a compiled loop takes its arrays apart; bytes are written as their codes

from typing import Any, Final

import numpy as np

from detector.byte_masks import WORD, mask_of
from detector.jit import bare, place
from detector.scan.joined_strings import CLOSES, COLON, string_parts, string_start
from detector.scan.joins import (
    BACKSLASH,
    MOST_PARTS,
    NEWLINE,
    changes,
    first_of,
    line_parts,
    may_be_one,
    turns_near,
)
from detector.scan.line_wraps import add_line_feeds, add_wraps, wrapped_parts

FEW: Final = 8  # parts that tell whether there may be a word
_NEAR: Final = 16
_QUOTE: Final = mask_of((0x22, 1, 0), (0x27, 1, 0))


@bare
def add_cuts(data: Any, base: int, bits: Any, parts: Any, out: Any, found: int) -> int:
    """Adds to `out` those of the 64 bytes from `base` on at which a word is cut; how many there are then.

    `bits` says at which to look, as `sieves` does. `parts` is scratch for `FEW`.
    """
    while bits != np.uint64(0):
        at = base + int(place(bits))
        bits &= bits - np.uint64(1)
        if at >= data.size or found >= out.size:
            break
        if may_be_one(data, parts, _parts(data, at, parts)):
            out[found] = at
            found += 1
    return found


@bare
def _goes_on(data: Any, at: int) -> bool:
    """Whether a quote stands near behind the one at `at`."""
    if at + 1 + 2 * WORD > data.size:
        return True
    return bool(_QUOTE(data, at + 1) | _QUOTE(data, at + 1 + WORD) != np.uint64(0))


@bare
def _parts(data: Any, at: int, parts: Any) -> int:
    """Fill `parts` with those of the word that is cut at a backslash or quote: how many; 0 if none is."""
    if data[at] == BACKSLASH:
        return int(line_parts(data, at + 1, parts))
    if at + 1 >= data.size:
        return 0
    key = data[at + 1] == COLON
    if not (
        key or (turns_near(data, max(0, at - _NEAR), at) and (data[at + 1] == CLOSES or _goes_on(data, at)))
    ):
        return 0
    start = string_start(data, at)
    if start < 0 or not (key or changes(data, max(start, at - _NEAR), at)):
        return 0
    return int(string_parts(data, at, parts))


@bare
def add_last(data: Any, parts: Any, lines: Any, out: Any, found: int) -> int:
    """The same of the end of the last line, if no line feed ends it."""
    feeds = add_line_feeds(np.uint64(1), data.size, lines, 0)
    return int(add_wraps(data, lines, feeds, parts, out, found))


@bare
def _written(data: Any, parts: Any, out: Any, to: int, segments: Any, count: int) -> int:
    """Write the parts, and two newlines: the place behind them; `segments` gets a row for each from `count` on."""
    for row in range(parts.shape[0]):
        start, end = parts[row, 0], parts[row, 1]
        segments[count, 0], segments[count, 1], segments[count, 2], segments[count, 3] = to, start, end, 1
        count += 1
        for byte in data[start:end]:
            out[to] = byte
            to += 1
    out[to] = out[to + 1] = NEWLINE
    return to + 2


@bare
def joined(data: Any, places: Any, parts: Any, out: Any, segments: Any, starts: Any) -> tuple[int, int, int]:
    """Write the words that are cut at the places to `out`, two newlines after each: bytes, segments, texts.

    It stops at the word that has no room. Of more than two lines the last may be of another word: they are written
    without it, too. `parts` is scratch.
    """
    to = count = texts = done = 0
    for at in places:
        if at < done:
            continue
        found = wrapped_parts(data, at, parts) if data[at] == NEWLINE else _parts(data, at, parts)
        if not may_be_one(data, parts, found):
            continue
        done = parts[found - 1, 1]
        first, size = first_of(data, parts, found), 2
        for row in range(first, found):
            size += parts[row, 1] - parts[row, 0]
        if to + 2 * size > out.size or count + 2 * found > segments.shape[0] or texts + 2 > starts.size:
            break
        if data[at] == NEWLINE and found - first > 2:
            starts[texts] = to
            to = _written(data, parts[first : found - 1], out, to, segments, count)
            count += found - 1 - first
            texts += 1
        starts[texts] = to
        to = _written(data, parts[first:found], out, to, segments, count)
        count += found - first
        texts += 1
    return to, count, texts


def scratch() -> Any:
    """For the parts of one word."""
    return np.empty((MOST_PARTS, 2), np.int64)
