"""Walks the records of Kafka record batches (magic 2), of many in one compiled pass.

A batch is a header and its records (https://kafka.apache.org/documentation/#recordbatch). A record is its length,
attributes, time, offset, key, value and headers, with variable-length integers
(https://kafka.apache.org/documentation/#record). The bytes are hostile: whatever a length says, nothing beyond the last
byte is read, and a pass ends at the first record that is wrong.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detector.jit import bare
from detector.records.crc_kernel import crc32c
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
BATCH_HEADER: Final = 61  # bytes of a batch before its records
MAGIC: Final = 16
CRC: Final = 17  # where a batch has its checksum, which is that of all from ATTRIBUTES on
ATTRIBUTES: Final = 21
_LENGTH: Final = 8  # it counts the bytes behind itself
_FLAGS: Final = 22
_LAST_OFFSET: Final = 23
_FIRST_TIME: Final = 27
_LATEST_TIME: Final = 35
_COUNT: Final = 57
_CODECS, _APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20
_CONTROL_KEY: Final = 4  # bytes of a marker's version and type
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
    """The size of the bytes at `at`, -1 if they are null; and where they begin, -1 if they are not all there."""
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
    data: Bytes,
    at: int,
    end: int,
    left: int,
    base: int,
    before: int,
    last: int,
    time: int,
    moves: int,
    position: int,
    into: Columns,
) -> tuple[int, int, int, int, bool]:
    """Reads the `left` records of data[at:end], until the rows are full.

    `base` is what offsets are counted from, `time` (ms) what times are; with `moves` 0 it is the time of all. Records
    before the offset `position` are left out. The next one is wrong if its offset is not behind that of the one
    `before` it, or leaves too few up to the `last` for those behind it; the last one also if bytes are left over. So a
    batch is wrong no later than at its last offset: whoever skips that one has not skipped a record of the next batch.

    Returns:
        How many rows there are, how many records are left, where they begin, the offset of the one before, and whether
        the next one is wrong.
    """
    rows = 0
    while left > 0 and rows < len(into):
        behind = record(data, at, end, into, rows)
        offset = base + into[rows, OFFSET]
        if behind < 0 or not before < offset <= last - left + 1 or (left == 1 and behind != end):
            return rows, left, at, before, True
        at, before = behind, offset
        left -= 1
        into[rows, OFFSET] = offset
        into[rows, TIMESTAMP] = time + into[rows, TIMESTAMP] * moves
        if offset >= position:
            rows += 1
    return rows, left, at, before, False


@bare
def _number(data: Bytes, at: int, size: int) -> int:
    """The signed big-endian integer of so many bytes."""
    found = int(np.int8(data[at]))
    for place in range(at + 1, at + size):
        found = (found << 8) | int(data[place])
    return found


@bare
def behind_batch(data: Bytes, at: int) -> int:
    """Where the batch at `at` ends, by what it says; 0 if that is before the end of its header or behind the data."""
    if len(data) - at < BATCH_HEADER:
        return 0
    end = at + _LENGTH + 4 + _number(data, at + _LENGTH, 4)
    return end if at + BATCH_HEADER <= end <= len(data) else 0


@bare
def offsets(data: Bytes, at: int) -> tuple[int, int]:
    """The first offset of the batch at `at` and its last, -1 and -1 if one is negative or no other fits behind it."""
    first, more = _number(data, at, 8), _number(data, at + _LAST_OFFSET, 4)
    return (first, first + more) if first >= 0 and 0 <= more < _POSITIVE - first else (-1, -1)


@bare
def _records_of(data: Bytes, at: int, end: int, marks: bool, tables: Any, row: Columns) -> int:  # noqa: FBT001, PLR0913, PLR0917 - as below
    """How many records the batch data[at:end] says it has, -1 if it cannot be read with others."""
    flags = data[at + _FLAGS]
    if data[at + MAGIC] != 2 or flags & _CODECS:  # noqa: PLR2004 - the format that is read here
        return -1
    if flags & (_TRANSACTIONAL | _CONTROL) and not marks:
        return -1
    if crc32c(data[:end], at + ATTRIBUTES, tables) != _number(data, at + CRC, 4) & 0xFFFFFFFF:
        return -1
    count = _number(data, at + _COUNT, 4)
    if not flags & _CONTROL:
        return count
    return 0 if marker(data, at + BATCH_HEADER, end, count, row) >= 0 else -1


@bare
def marker(data: Bytes, at: int, end: int, count: int, row: Columns) -> int:
    """Where the key is of the marker data[at:end], 0 if compaction has taken it, -1 if it is none.

    `count` is how many records its batch says it has, `row` room for one.
    """
    if count == 0 and at == end:
        return 0
    found = count > 0 and record(data, at, end, row, 0) >= 0
    return row[0, KEY] if found and row[0, KEY_SIZE] >= _CONTROL_KEY else -1


@bare
def together(  # noqa: PLR0913, PLR0917 - what it reads, and its bounds
    data: Bytes,
    begin: int,
    marks: bool,  # noqa: FBT001 - compiled loops take their arguments by place
    most: int,
    room: int,
    tables: Any,
    row: Columns,
) -> tuple[int, int, int, int]:
    """The batches from `begin` on that can be read together, until they have `most` records or `room` bytes.

    That are those that are whole, as they were written, and not compressed. Only if `marks` is set, some may be of a
    transaction or mark its end. `row` is room for a record.

    Returns:
        Where they end, `begin` if there is none, how many records they say they have, and of the latest one its first
        offset and the one behind its last.
    """
    at, records, first, offset = begin, 0, 0, 0
    while records < most and at - begin < room:
        end = behind_batch(data, at)
        begins, ends = offsets(data, at) if end else (-1, -1)
        count = _records_of(data, at, end, marks, tables, row) if begins >= 0 else -1
        if count < 0:
            break
        records += count
        at, first, offset = end, max(first, begins), max(offset, ends + 1)
    return at, records, first, offset


@bare
def walk_together(  # noqa: PLR0913, PLR0917 - where it stands, and where it goes
    data: Bytes, batch: int, at: int, left: int, before: int, end: int, position: int, into: Columns
) -> tuple[int, int, int, int, int, int, bool]:
    """Reads the records of the batches data[batch:end] (`together`), until the rows are full.

    The first has `left` records from `at` on, behind the offset `before`; if `at` is its beginning, as many as it
    says. Records are left out as by `walk`.

    Returns:
        How many rows there are, the next `batch`, `at`, `left`, `before` and `position`, and whether the next record
        is wrong.
    """
    rows = 0
    while batch < end and rows < len(into):
        behind = behind_batch(data, batch)
        base, last = offsets(data, batch)
        flags = data[batch + _FLAGS]
        if at == batch:
            control = flags & _CONTROL
            at = behind if control else batch + BATCH_HEADER
            left = 0 if control else _number(data, batch + _COUNT, 4)
            before = base - 1
        moves = 0 if flags & _APPEND_TIME else 1
        time = _number(data, batch + (_FIRST_TIME if moves else _LATEST_TIME), 8)
        found, left, at, before, wrong = walk(
            data, at, behind, left, base, before, last, time, moves, position, into[rows:]
        )
        rows += found
        if found:
            position = before + 1
        if wrong or (left <= 0 and at != behind):
            return rows, batch, at, left, before, position, True
        if left <= 0:
            position = max(position, last + 1)
            batch = at
    return rows, batch, at, left, before, position, False


@bare
def line_starts(columns: Columns, starts: Columns) -> None:
    """Where the values begin if a line feed is behind each, and one more would: as `value_lines` has them."""
    starts[0] = 0
    for row in range(len(columns)):
        size = 0 if columns[row, HEADER_COUNT] else max(columns[row, VALUE_SIZE], 0)
        starts[row + 1] = starts[row] + size + 1


@bare
def join(data: Bytes, begins: Columns, starts: Columns, into: Bytes) -> None:
    """The values that begin at `begins`, a line feed behind each, to where `starts` says: one more than there are."""
    for row in range(len(begins)):
        at, end = starts[row], starts[row + 1] - 1
        copy(data, begins[row], begins[row] + end - at, into, at)
        into[end] = _LINE_FEED
