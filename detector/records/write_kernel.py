"""Writes the records of a Kafka record batch (magic 2) from their columns, in one compiled pass.

A record is its length, attributes, time, offset, key, value and headers, with variable-length integers
(https://kafka.apache.org/documentation/#record).
"""

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.records.batch_kernel import (
    HEADER_COUNT,
    HEADERS,
    KEY,
    KEY_SIZE,
    TIMESTAMP,
    VALUE,
    VALUE_SIZE,
    Bytes,
    Columns,
    behind_headers,
)
from detector.records.json_string_kernel import copy

MOST_FRAMING: Final = 48  # bytes of a record that are neither its key, its value nor its headers
_MORE: Final = 0x80  # the bit that says that more bytes follow
_SEVEN: Final = np.uint64(7)


@bare
def _zigzag(number: int) -> Any:
    return np.uint64((number << 1) ^ (number >> 63))


@bare
def _varint_size(number: int) -> int:
    left, size = _zigzag(number) >> _SEVEN, 1
    while left != 0:
        left >>= _SEVEN
        size += 1
    return size


@bare
def _put_varint(into: Bytes, at: int, number: int) -> int:
    left = _zigzag(number)
    while left >= np.uint64(_MORE):
        into[at] = np.uint8(left) | np.uint8(_MORE)
        left >>= _SEVEN
        at += 1
    into[at] = np.uint8(left)
    return at + 1


@bare
def _put(into: Bytes, at: int, data: Bytes, begin: int, size: int) -> int:
    """Writes a key or a value with its size, which is -1 if it is null."""
    at = _put_varint(into, at, size)
    copy(data, begin, begin + max(size, 0), into, at)
    return at + max(size, 0)


@bare
def write(data: Bytes, columns: Columns, first: int, most: int, into: Bytes) -> tuple[int, int]:
    """Writes the records from the row `first` on, at most so many bytes of several: how many records, and their bytes.

    Their times count from that of the first. `into` has room for `most` and one record more.
    """
    size = 0
    for row in range(first, len(columns)):
        key_size, value_size, count = (
            columns[row, KEY_SIZE],
            columns[row, VALUE_SIZE],
            columns[row, HEADER_COUNT],
        )
        begin = columns[row, HEADERS]
        end = behind_headers(data, begin, len(data), count)
        time = columns[row, TIMESTAMP] - columns[first, TIMESTAMP]
        length = 1 + _varint_size(time) + _varint_size(row - first)
        length += _varint_size(key_size) + max(key_size, 0) + _varint_size(value_size) + max(value_size, 0)
        length += _varint_size(count) + end - begin
        if row > first and size + _varint_size(length) + length > most:
            return row - first, size
        at = _put_varint(into, size, length)
        into[at] = 0  # no attributes
        at = _put_varint(into, at + 1, time)
        at = _put_varint(into, at, row - first)
        at = _put(into, at, data, columns[row, KEY], key_size)
        at = _put(into, at, data, columns[row, VALUE], value_size)
        at = _put_varint(into, at, count)
        copy(data, begin, end, into, at)
        size = at + end - begin
    return len(columns) - first, size
