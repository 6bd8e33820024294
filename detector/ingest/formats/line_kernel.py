"""Reads lines of text, and those of CRI, in a compiled pass: as strictly as the reader that takes one at a time.

A line is text as it stands. Of CRI's the text alone is written, without the time, the stream and the tag before it.
"""

# ruff: noqa: C901, PLR0911, PLR2004 - a compiled loop is one function; bytes are written as their codes

from typing import Any, Final

import numpy as np

from detector.ingest.formats.flat_columns import BLANK_LINE, CRI_LINE, TEXT_LINE
from detector.jit import bare
from detector.records import magic_numbers as magic
from detector.records.byte_order_marks import MARK
from detector.records.compressed_values import FIRST_BYTES
from detector.records.json_string_kernel import stands
from detector.records.timestamp_kernel import stamp

NO_LINE: Final = -1

_STDOUT: Final = np.frombuffer(b" stdout ", np.uint8)
_STDERR: Final = np.frombuffer(b" stderr ", np.uint8)
NAME_SIZE: Final = 6  # of either stream


def _doubtful() -> Any:
    """By its first two bytes, whether a value may be compressed, or begins with a byte order mark."""
    found = np.zeros((256, 256), np.uint8)
    for known in (magic.GZIP, magic.ZSTD, magic.LZ4, magic.XZ, magic.SNAPPY, magic.XERIAL, magic.ZIP):
        found[known[0], known[1]] = 1
    for known in (magic.SEVEN_ZIP, magic.BZIP2, MARK):
        found[known[0], known[1]] = 1
    found[ord("x"), [0x01, 0x5E, 0x9C, 0xDA]] = 1
    others = FIRST_BYTES - set(np.flatnonzero(found.any(axis=1)).tolist())
    found[sorted(others)] = 1
    return found.reshape(-1)


DOUBTFUL: Final = _doubtful()


@bare
def _digit(byte: Any) -> bool:
    return bool(48 <= byte <= 57)


@bare
def _may_be_syslog(data: Any, at: int) -> bool:
    """Whether a message of syslog may begin here: `<34>`, as RFC 3164 `Oct 11 22:14:15`, or counted, `12 <34>`."""
    first = data[at]
    if first == 60:
        return True
    if 65 <= first <= 83:  # A to S
        return bool(data[at + 3] == 32 and data[at + 6] == 32 and data[at + 9] == 58)
    if not 49 <= first <= 57:
        return False
    digits = at + 1
    while digits < at + 8 and _digit(data[digits]):
        digits += 1
    return bool(data[digits] == 32 and data[digits + 1] == 60)


@bare
def _has_line_feed(data: Any, at: int, end: int) -> bool:
    """Without branches, and with unsigned indices: many bytes at a time."""
    found: Any = np.uint8(0)
    first = np.uint64(at)
    for index in range(np.uint64(end - at)):
        found |= np.uint8(data[first + index] == np.uint8(10))
    return bool(found != 0)


@bare
def _behind_head(data: Any, space: int, end: int) -> int:
    """Where the text begins behind the stream and the tag of a line of CRI's, the space before them being at `space`.

    0 if it is none, -1 if it may be one with another tag than `F`.
    """
    if not stands(data, space, _STDOUT) and not stands(data, space, _STDERR):
        return 0
    tag = space + _STDOUT.size
    if tag >= end or (data[tag] != 70 and data[tag] != 80):  # F, P
        return 0
    if data[tag] == 70 and data[tag + 1] == 32 and tag + 1 < end:
        return tag + 2
    return -1 if _next_space(data, tag, end) < end else 0


@bare
def _next_space(data: Any, at: int, end: int) -> int:
    while at < end and data[at] != 32:
        at += 1
    return at


@bare
def line(data: Any, doubtful: Any, at: int, end: int) -> tuple[int, int, int, int, int, int]:
    """What the line data[at:end] is, and if it is text or CRI's where its text begins and its stream, 0 if it has none.

    Then whether it has a time, and its seconds and nanoseconds.
    """
    first = at
    while first < end and (data[first] == 32 or 9 <= data[first] <= 13):
        first += 1
    if at >= end or _has_line_feed(data, at, end):
        return NO_LINE, 0, 0, 0, 0, 0
    if first == end:
        return BLANK_LINE, 0, 0, 0, 0, 0
    if data[first] == 123:
        return NO_LINE, 0, 0, 0, 0, 0
    after, seconds, nanos = stamp(data, at)
    if data[first] == 91:  # an array of objects is none
        first += 1
        while first < end and (data[first] == 32 or 9 <= data[first] <= 13):
            first += 1
        if first < end and data[first] == 123:
            return NO_LINE, 0, 0, 0, 0, 0
    elif doubtful[np.int64(data[at]) * 256 + data[at + 1]] or _may_be_syslog(data, at):
        return NO_LINE, 0, 0, 0, 0, 0
    if after < 0 or 48 <= data[after] <= 57 or 65 <= data[after] <= 90 or 97 <= data[after] <= 122:
        return TEXT_LINE, at, 0, 0, 0, 0
    space = _next_space(data, at, end)
    text = _behind_head(data, space, end)
    if text < 0:
        return NO_LINE, 0, 0, 0, 0, 0
    if text > 0:
        return CRI_LINE, text, space + 1, 1, seconds, nanos
    return TEXT_LINE, at, 0, 1, seconds, nanos
