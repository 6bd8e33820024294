"""Walks the records of a Kafka record batch (magic 2), in one compiled pass.

A record is its length, attributes, time, offset, key, value and headers, with variable-length integers
(https://kafka.apache.org/documentation/#record). The bytes are hostile: whatever a length says, nothing beyond the last
byte is read, and a pass ends at the first record that is wrong.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from detector.jit import bare
from detector.records.json_string_kernel import copy

Bytes = npt.NDArray[np.uint8]
Columns = npt.NDArray[np.int64]

OFFSET: Final = 0
TIMESTAMP: Final = 1
KEY: Final = 2  # where it begins, also if it is null
KEY_SIZE: Final = 3  # -1 if it is null
VALUE: Final = 4
VALUE_SIZE: Final = 5
HEADERS: Final = 6  # where the first begins
HEADER_COUNT: Final = 7
WIDTH: Final = 8
PLACES: Final = [KEY, VALUE, HEADERS]  # the columns that are positions
LEAST_BYTES: Final = 7  # of a record: each of its fields takes one
_VARINT_BYTES: Final = 10
_POSITIVE: Final = 0x7FFF_FFFF_FFFF_FFFF
_LINE_FEED: Final = ord("\n")


@bare
def varint(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """The signed integer at `at`, and where it ends; -1 if it does not end before `end` or is longer than 64 bits."""
    found = 0
    for index in range(_VARINT_BYTES):
        if at >= end:
            return 0, -1
        byte = int(data[at])
        at += 1
        found |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follow
            return ((found >> 1) & _POSITIVE) ^ -(found & 1), at
    return 0, -1


@bare
def sized(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """The size of the bytes at `at`, -1 if they are null, and where they begin; that is -1 if they are not all there."""
    size, at = varint(data, at, end)
    if at < 0 or size > end - at:
        return 0, -1
    return max(size, -1), at


@bare
def behind_headers(data: Bytes, at: int, end: int, count: int) -> int:
    """Where so many headers end, -1 if one is wrong. A name may not be null."""
    while count > 0:
        size, at = sized(data, at, end)
        if at < 0 or size < 0:
            return -1
        size, at = sized(data, at + size, end)
        if at < 0:
            return -1
        at += max(size, 0)
        count -= 1
    return at


@bare
def record(data: Bytes, at: int, end: int, into: Columns, row: int) -> int:
    """Reads the record at `at` into a row, its time and offset as deltas; where it ends, -1 if it is wrong."""
    length, at = varint(data, at, end)
    begin = at
    if at >= 0:
        _attributes, at = varint(data, at, end)
    if at >= 0:
        into[row, TIMESTAMP], at = varint(data, at, end)
    if at >= 0:
        into[row, OFFSET], at = varint(data, at, end)
    if at >= 0:
        into[row, KEY_SIZE], at = sized(data, at, end)
        into[row, KEY] = at
    if at >= 0:
        into[row, VALUE_SIZE], at = sized(data, at + max(into[row, KEY_SIZE], 0), end)
        into[row, VALUE] = at
    if at >= 0:
        into[row, HEADER_COUNT], at = varint(data, at + max(into[row, VALUE_SIZE], 0), end)
        into[row, HEADERS] = at
    if at >= 0:
        at = behind_headers(data, at, end, into[row, HEADER_COUNT]) if into[row, HEADER_COUNT] >= 0 else -1
    return at if at - begin == length else -1


@bare
def walk(  # noqa: PLR0913, PLR0917 - where it stands, a batch's header, and where it goes
    data: Bytes, at: int, left: int, base: int, time: int, moves: int, position: int, into: Columns
) -> tuple[int, int, int, bool]:
    """Reads the `left` records from `at` on, until the rows are full.

    `base` is what offsets are counted from, `time` (ms) what times are; with `moves` 0 it is the time of all. Records
    before the offset `position` are left out, as is any whose offset does not grow.

    Returns:
        How many rows there are, how many records are left, where they begin, and whether the next one is wrong.
    """
    rows = 0
    end = len(data)
    while left > 0 and rows < len(into):
        behind = record(data, at, end, into, rows)
        if behind < 0:
            return rows, left, at, True
        at = behind
        left -= 1
        into[rows, OFFSET] += base
        into[rows, TIMESTAMP] = time + into[rows, TIMESTAMP] * moves
        if into[rows, OFFSET] >= position:
            position = into[rows, OFFSET] + 1
            rows += 1
    return rows, left, at, False


@bare
def join(data: Bytes, begins: Columns, starts: Columns, into: Bytes) -> None:
    """The values that begin at `begins`, with a line feed behind each, to where `starts` says: one more than there are."""
    for row in range(len(begins)):
        at, end = starts[row], starts[row + 1] - 1
        copy(data, begins[row], begins[row] + end - at, into, at)
        into[end] = _LINE_FEED
