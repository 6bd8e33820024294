"""Compiled: entries in the order of their keys, as the data blocks of a sorted file of RocksDB (an SST file).

A row is one entry: where its key begins, the key's size, where its value begins, and the value's size, -1 for a
deletion. `KEY` to `VALUE_SIZE` of `detector.records.batch_kernel` are just these. A block is a sequence of entries,
each without what its key shares with the one before it, and the places of those that are written whole
(https://github.com/facebook/rocksdb/wiki/Rocksdb-BlockBasedTable-Format).
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detector.jit import bare
from detector.records.json_string_kernel import copy

Bytes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

KEY: Final = 0
KEY_SIZE: Final = 1
VALUE: Final = 2
VALUE_SIZE: Final = 3
WIDTH: Final = 4
WORD: Final = 8  # bytes of a key that are compared at once
END: Final = 0
LAST: Final = 1
ENTRIES: Final = 2
DELETIONS: Final = 3
BLOCK_WIDTH: Final = 4
_INSERTED: Final = 32  # rows; so many with the same word are sorted by inserting each
_RESTART_EVERY: Final = 16  # entries; the first of so many is written whole
_TYPE_BYTES: Final = 8  # behind a key: 1 if it is put, 0 if it is deleted, and a sequence number, always 0
_MORE: Final = 0x80  # the bit of a variable-length integer that says that another byte follows


@bare
def words(data: Bytes, rows: Rows, order: Rows, skip: int, into: Words) -> None:
    """The bytes of each key from `skip` on, as a number that is greater if they are; zeros stand behind its end."""
    for index in range(len(order)):
        row = order[index]
        at, end = rows[row, KEY] + skip, rows[row, KEY] + rows[row, KEY_SIZE]
        word = np.uint64(0)
        for byte in range(at, at + WORD):
            word = (word << np.uint64(8)) | np.uint64(data[byte] if byte < end else 0)
        into[index] = word


@bare
def _is_before(data: Bytes, rows: Rows, one: int, other: int) -> bool:
    """Whether a row is before another one: by its key, else by its number."""
    at, size, its_at, its_size = rows[one, KEY], rows[one, KEY_SIZE], rows[other, KEY], rows[other, KEY_SIZE]
    for index in range(min(size, its_size)):
        mine, its = data[at + index], data[its_at + index]
        if mine != its:
            return bool(mine < its)
    return one < other if size == its_size else bool(size < its_size)


@bare
def settle(  # noqa: PLR0913, PLR0917 - what is sorted and by what
    data: Bytes, rows: Rows, found: Words, order: Rows, most: int, left: Rows
) -> int:
    """Sorts `order` where the sorted words `found` agree, up to `most` of them; how many longer runs are `left`."""
    count = begin = 0
    for end in range(1, len(order) + 1):
        if end < len(order) and found[end] == found[begin]:
            continue
        if end - begin > most:
            left[count, 0], left[count, 1] = begin, end
            count += 1
        else:
            for index in range(begin + 1, end):
                row, at = order[index], index
                while at > begin and _is_before(data, rows, row, order[at - 1]):
                    order[at] = order[at - 1]
                    at -= 1
                order[at] = row
        begin = end
    return count


def room_of(rows: Rows, size: int) -> int:
    """No block of `size` takes more bytes."""
    longest = int(np.max(rows[:, KEY_SIZE] + rows[:, VALUE_SIZE], initial=0))
    return 2 * size + longest + 64


@bare
def _varint(into: Bytes, at: int, number: int) -> int:
    while number >= _MORE:
        into[at] = (number & (_MORE - 1)) | _MORE
        number >>= 7
        at += 1
    into[at] = number
    return at + 1


@bare
def _block_end(into: Bytes, at: int, restarts: Rows, count: int) -> int:
    """Writes where the entries are that are written whole, and how many they are."""
    for index in range(count + 1):
        number = restarts[index] if index < count else count
        for byte in range(4):
            into[at + byte] = (number >> (8 * byte)) & 0xFF
        at += 4
    return at


@bare
def _shared(data: Bytes, rows: Rows, one: int, other: int) -> int:
    """How many bytes two keys have in common at the beginning."""
    at, its_at = rows[one, KEY], rows[other, KEY]
    most = min(rows[one, KEY_SIZE], rows[other, KEY_SIZE])
    for index in range(most):
        if data[at + index] != data[its_at + index]:
            return index
    return int(most)


@bare
def blocks(  # noqa: PLR0913, PLR0917 - what is written, and where to
    data: Bytes,
    rows: Rows,
    order: Rows,
    begin: int,
    size: int,
    room: int,
    into: Bytes,
    made: Rows,
    restarts: Rows,
) -> tuple[int, int]:
    """Writes rows in their order, from `begin` on, as blocks of at least `size` bytes, while `into` has `room` for one.

    Of several rows with the same key it writes the last only. A row of `made` is a block: where it ends, the number of
    its last row, and how many entries and deletions it has.

    Returns:
        How many blocks there are, and which row would be next.
    """
    at = first = count = deletions = since = whole = 0
    before = -1
    for index in range(begin, len(order)):
        row = order[index]
        key, key_size = rows[row, KEY], rows[row, KEY_SIZE]
        value, value_size = rows[row, VALUE], max(rows[row, VALUE_SIZE], 0)
        if index + 1 < len(order):
            other = order[index + 1]
            if rows[other, KEY_SIZE] == key_size and _shared(data, rows, row, other) == key_size:
                continue
        if before < 0 and at + room > len(into):
            return count, index
        shared = 0
        if since % _RESTART_EVERY == 0:
            restarts[whole] = at - first
            whole += 1
        else:
            shared = _shared(data, rows, before, row)
        at = _varint(into, at, shared)
        at = _varint(into, at, key_size - shared + _TYPE_BYTES)
        at = _varint(into, at, value_size)
        copy(data, key + shared, key + key_size, into, at)
        at += key_size - shared
        into[at] = rows[row, VALUE_SIZE] >= 0
        for byte in range(at + 1, at + _TYPE_BYTES):
            into[byte] = 0
        at += _TYPE_BYTES
        copy(data, value, value + value_size, into, at)
        at += value_size
        since, before = since + 1, row
        deletions += rows[row, VALUE_SIZE] < 0
        if at - first >= size or index + 1 == len(order):
            at = _block_end(into, at, restarts, whole)
            made[count, END], made[count, LAST] = at, row
            made[count, ENTRIES], made[count, DELETIONS] = since, deletions
            count, first, whole, since, deletions, before = count + 1, at, 0, 0, 0, -1
    return count, len(order)


@bare
def with_timers(  # noqa: PLR0913, PLR0917 - the parts of the two keys
    data: Bytes, end: int, rows: Rows, aggregate: int, meta: int, timer: int, kind: int, time: int, into: Rows
) -> int:
    """The rows that have a key, each entry that holds a timer followed by the timer. How many there are.

    An entry holds a timer if its key is the letter `aggregate`, the rest up to `kind`, and the letter `meta`, unless
    its value begins with 0xFF. The timer's key is its letter, the first `time` bytes of the value, and that rest; it is
    written to `data`, the first one at `end`.
    """
    count = 0
    for row in range(len(rows)):
        key, key_size = rows[row, KEY], rows[row, KEY_SIZE]
        value, value_size = rows[row, VALUE], rows[row, VALUE_SIZE]
        if key_size <= 0:
            continue
        into[count, KEY], into[count, KEY_SIZE] = key, key_size
        into[count, VALUE], into[count, VALUE_SIZE] = value, value_size
        count += 1
        if (
            value_size < time
            or key_size <= kind
            or data[key] != aggregate
            or data[key + kind] != meta
            or data[value] == 0xFF  # noqa: PLR2004 - no timer
        ):
            continue
        into[count, KEY], into[count, KEY_SIZE] = end, time + kind
        into[count, VALUE], into[count, VALUE_SIZE] = end, 0
        data[end] = timer
        copy(data, value, value + time, data, end + 1)
        copy(data, key + 1, key + kind, data, end + 1 + time)
        end += time + kind
        count += 1
    return count


def in_order(data: Bytes, rows: Rows) -> Any:
    """The numbers of the rows by their keys, those with the same key as they come."""
    order = np.arange(len(rows))
    pending = [(0, len(rows), 0)] if len(rows) else []
    left = np.empty((len(rows), 2), np.int64)
    while pending:
        begin, end, skip = pending.pop()
        part = order[begin:end]
        sizes = rows[part, KEY_SIZE]
        if skip > 0 and skip >= sizes.max():
            order[begin:end] = part[np.lexsort((part, sizes))]
            continue
        found = np.empty(len(part), np.uint64)
        words(data, rows, part, skip, found)
        by_word = np.argsort(found)
        part = part[by_word]
        count = settle(data, rows, found[by_word], part, _INSERTED, left)
        order[begin:end] = part
        pending += [(begin + low, begin + high, skip + WORD) for low, high in left[:count].tolist()]
    return order
