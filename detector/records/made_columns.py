"""`RecordColumns` of records that somebody has changed or that came one by one, beside those that stay as they were."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from detector.records import batch_kernel as kernel
from detector.records.record_columns import Headers, RecordColumns, joined_at, line_starts_of
from detector.records.timestamps import Ints


def columns_of(topic: str, partition: int, records: Sequence[Any]) -> RecordColumns:
    """The columns of records in their order: themselves if they are some."""
    if isinstance(records, RecordColumns):
        return records
    data = bytearray()
    rows = np.empty((len(records), kernel.WIDTH), np.int64)
    for row, record in enumerate(records):
        places: list[int] = []
        for each in (record.key, record.value):
            places += (len(data), -1 if each is None else len(each))
            data += each or b""
        rows[row] = (record.offset, record.timestamp, *places, len(data), len(record.headers))
        data += headers_bytes(record.headers)
    return RecordColumns(topic, partition, bytes(data), rows)


def together(left: RecordColumns, right: RecordColumns) -> RecordColumns:
    """The records of both in the order of their offsets."""
    if not len(right):
        return left
    moved = right.columns.copy()
    moved[:, kernel.PLACES] += len(left.data)
    rows = np.concatenate([left.columns, moved])
    rows = rows[np.argsort(rows[:, kernel.OFFSET], kind="stable")]
    return RecordColumns(left.topic, left.partition, left.data + right.data, rows)


def dated(records: RecordColumns, latest: int) -> RecordColumns:
    """The records with no time later than `latest` (ms): those without a time have that."""
    rows = records.columns.copy()
    times = rows[:, kernel.TIMESTAMP]
    rows[:, kernel.TIMESTAMP] = np.where(times < 0, latest, np.minimum(times, latest))
    return RecordColumns(records.topic, records.partition, records.data, rows)


def joined(records: RecordColumns, place: int) -> tuple[bytes, Ints]:
    """The keys or values (`place`) with a line feed between each two, and where each begins; null is empty."""
    starts = line_starts_of(records.column(place + 1).clip(0))
    return joined_at(records, place, starts, 0)[:-1].tobytes(), starts


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
