"""`RecordColumns` of records that somebody has changed or that came one by one, beside those that stay as they were."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from detector.records import record_fields as fields
from detector.records.record_columns import Headers, RecordColumns, joined_at, line_starts_of
from detector.records.timestamps import Ints


def columns_of(topic: str, partition: int, records: Sequence[Any]) -> RecordColumns:
    """The columns of records in their order: themselves if they are some."""
    if isinstance(records, RecordColumns):
        return records
    data = bytearray()
    rows = np.empty((len(records), fields.WIDTH), np.int64)
    for row, record in enumerate(records):
        places: list[int] = []
        for each in (record.key, record.value):
            places += (len(data), -1 if each is None else len(each))
            data += each or b""
        rows[row] = (record.offset, record.timestamp, *places, len(data), len(record.headers))
        data += headers_bytes(record.headers)
    return RecordColumns(topic, partition, bytes(data), rows)


def columns_of_parts(
    partition: int,
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    timestamps: Sequence[int],
    headers: Sequence[Headers] = (),
) -> RecordColumns:
    """The columns of records with these keys, values, times (ms) and headers, in their order."""
    count = len(keys)
    parts: list[bytes | None] = [b""] * (3 * count)
    parts[0::3], parts[1::3] = keys, values
    if any(headers):
        made = {each: headers_bytes(each) for each in set(headers)}
        parts[2::3] = [made[each] for each in headers]
    nulls = [at for at, part in enumerate(parts) if part is None] if None in parts else ()
    for at in nulls:
        parts[at] = b""
    some = cast("list[bytes]", parts)
    sizes = np.fromiter(map(len, some), np.int64, 3 * count)
    rows = np.empty((count, fields.WIDTH), np.int64)
    rows[:, fields.OFFSET] = np.arange(count)
    rows[:, fields.TIMESTAMP] = timestamps
    rows[:, fields.PLACES] = (np.cumsum(sizes) - sizes).reshape(count, 3)
    for at in nulls:
        sizes[at] = -1
    rows[:, fields.KEY_SIZE], rows[:, fields.VALUE_SIZE] = sizes[0::3], sizes[1::3]
    rows[:, fields.HEADER_COUNT] = [*map(len, headers)] if headers else 0
    return RecordColumns("", partition, b"".join(some), rows)


def together(left: RecordColumns, right: RecordColumns) -> RecordColumns:
    """The records of both in the order of their offsets."""
    if not len(right):
        return left
    moved = right.columns.copy()
    moved[:, fields.PLACES] += len(left.data)
    rows = np.concatenate([left.columns, moved])
    rows = rows[np.argsort(rows[:, fields.OFFSET], kind="stable")]
    return RecordColumns(left.topic, left.partition, left.data + right.data, rows)


def dated(records: RecordColumns, latest: int) -> RecordColumns:
    """The records with no time later than `latest` (ms): those without a time have that."""
    rows = records.columns.copy()
    times = rows[:, fields.TIMESTAMP]
    rows[:, fields.TIMESTAMP] = np.where(times < 0, latest, np.minimum(times, latest))
    return RecordColumns(records.topic, records.partition, records.data, rows)


def joined(records: RecordColumns, place: int) -> tuple[bytes, Ints]:
    """The keys or values (`place`) with a line feed between each two, and where each begins; null is empty."""
    starts = line_starts_of(records.column(place + 1).clip(0))
    return joined_at(records, place, starts)[:-1], starts


def headers_bytes(headers: Headers) -> bytes:
    """Headers as they stand in a record, without their count."""
    made = bytearray()
    for name, value in headers:
        text = name.encode()
        made += _varint(len(text)) + text + _varint(-1 if value is None else len(value)) + (value or b"")
    return bytes(made)


def _varint(number: int) -> bytes:
    """A signed integer of variable length."""
    left = number << 1 if number >= 0 else ~(number << 1)
    made = bytearray()
    while left > 0x7F:  # noqa: PLR2004 - seven bits a byte
        made.append(left & 0x7F | 0x80)
        left >>= 7
    made.append(left)
    return bytes(made)
