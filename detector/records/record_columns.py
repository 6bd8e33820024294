"""Records of one Kafka partition as columns over the bytes of their batches.

A Python object for each record costs more than all that is done with most of them. So a record is made only for whoever
asks for one; its value, among others of its kind, is never taken out.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any, Final, overload

import msgspec
import numpy as np
import numpy.typing as npt

from detector import core
from detector.records import record_fields as fields
from detector.records.record_fields import Columns
from detector.records.timestamps import Ints

_VALUE: Final = attrgetter("value")
_HEADERS: Final = attrgetter("headers")

Headers = tuple[tuple[str, bytes | None], ...]


class KafkaRecord(msgspec.Struct, frozen=True, gc=False):
    """One record; `timestamp` in ms, -1 if it has none."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class RecordColumns(Sequence[Any]):
    """Records in the order of their offsets; `columns` has a row for each, as `record_fields` has it, into `data`."""

    def __init__(self, topic: str, partition: int, data: bytes, columns: Columns) -> None:
        self.topic = topic
        self.partition = partition
        self.data = data
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns)

    @overload
    def __getitem__(self, index: int) -> KafkaRecord: ...

    @overload
    def __getitem__(self, index: slice) -> "RecordColumns": ...

    def __getitem__(self, index: int | slice) -> "KafkaRecord | RecordColumns":
        if isinstance(index, slice):
            return RecordColumns(self.topic, self.partition, self.data, self.columns[index])
        return self._record(self.columns[index].tolist())

    def __iter__(self) -> Iterator[KafkaRecord]:
        return map(self._record, self.columns.tolist())

    def _record(self, row: list[int]) -> KafkaRecord:
        offset, timestamp, key, key_size, value, value_size, headers, count = row
        data = self.data
        return KafkaRecord(
            self.topic,
            self.partition,
            offset,
            timestamp,
            None if key_size < 0 else data[key : key + key_size],
            None if value_size < 0 else data[value : value + value_size],
            core.headers_at(data, headers, count) if count else (),
        )

    def chosen(self, numbers: Sequence[int] | Ints) -> "RecordColumns":
        """See `chosen`."""
        return RecordColumns(self.topic, self.partition, self.data, self.columns[numbers])

    @cached_property
    def size(self) -> int:
        """See `size_of`."""
        return int(np.maximum(self.columns[:, fields.VALUE_SIZE], 0).sum())

    def span(self) -> tuple[int, int]:
        """Where in `data` the keys and values of all begin and end: a fetch is shared by the polls that it gives."""
        if not len(self.columns):
            return 0, 0
        return int(np.min(self.column(fields.KEY))), int(np.max(self.column(fields.HEADERS)))

    def column(self, number: int) -> Ints:
        """One of the columns that `record_fields` names."""
        return self.columns[:, number]

    def begin_with(self, place: int, prefix: bytes) -> npt.NDArray[np.bool_]:
        """Which of the keys or the values (`place`) begin with a prefix."""
        found = self.column(place + 1) >= len(prefix)
        found[found] = _are_at(self.data, self.column(place)[found], prefix)
        return found

    def pairs(self) -> list[tuple[bytes | None, bytes | None]]:
        """The key and value of each."""
        return list(zip(self._parts(fields.KEY), self._parts(fields.VALUE), strict=True))

    def _parts(self, place: int) -> list[bytes | None]:
        """The keys or the values."""
        data, begins, sizes = self.data, self.column(place), self.column(place + 1)
        parts: list[bytes | None] = [
            data[begin:end] for begin, end in zip(begins.tolist(), (begins + sizes).tolist(), strict=True)
        ]
        for null in np.flatnonzero(sizes < 0).tolist():
            parts[null] = None
        return parts

    def joined_values(self) -> bytes | None:
        """See `joined_values`."""
        sizes = self.column(fields.VALUE_SIZE)
        if (sizes < 0).any() or self.column(fields.HEADER_COUNT).any():
            return None
        return joined_at(self, fields.VALUE, line_starts_of(sizes))[:-1]

    def value_lines(self, pad: int) -> tuple[bytes, Ints]:
        """See `value_lines`."""
        text, starts = core.value_lines(self.data, np.ascontiguousarray(self.columns), pad)
        return text, np.frombuffer(starts, np.int64)


def _are_at(data: bytes, places: Ints, what: bytes) -> npt.NDArray[np.bool_]:
    """At which of the places, behind which there are bytes enough, `what` stands."""
    there = np.frombuffer(data, np.uint8)[places[:, np.newaxis] + np.arange(len(what))]
    return np.asarray((there == np.frombuffer(what, np.uint8)).all(axis=1))


def line_starts_of(sizes: Ints) -> Ints:
    """Where lines of these sizes begin, and one more would."""
    starts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes + 1, out=starts[1:])
    return starts


def joined_at(records: RecordColumns, place: int, starts: Ints) -> bytes:
    """The keys or values (`place`) that fit between the `starts`, each with a line feed behind it."""
    return core.joined(records.data, np.ascontiguousarray(records.columns), place, starts)


def chosen(records: Sequence[Any], numbers: Sequence[int] | Ints) -> Sequence[Any]:
    """Those of the records that have these numbers."""
    if isinstance(records, RecordColumns):
        return records.chosen(numbers)
    return [records[number] for number in numbers]


def joined_values(records: Sequence[Any]) -> bytes | None:
    """The values with a line feed between each two, None if one is null or has headers beside it."""
    if isinstance(records, RecordColumns):
        return records.joined_values()
    if any(map(_HEADERS, records)):
        return None
    try:
        return b"\n".join(map(_VALUE, records))
    except TypeError:  # a tombstone among them
        return None


def value_lines(records: Sequence[Any], pad: int) -> tuple[bytes, Ints]:
    """The values, each with a line feed behind it, and `pad` more at the end; where each begins, and one more would.

    Instead of a null value, and of one that has headers beside it, there is an empty one.
    """
    if isinstance(records, RecordColumns):
        return records.value_lines(pad)
    values = [b"" if record.headers or record.value is None else record.value for record in records]
    return b"\n".join([*values, b"\n" * pad]), line_starts_of(
        np.fromiter(map(len, values), np.int64, len(values))
    )


def with_headers(records: Sequence[Any]) -> list[int]:
    """The numbers of those that have headers."""
    if isinstance(records, RecordColumns):
        return list(np.flatnonzero(records.column(fields.HEADER_COUNT)).tolist())
    return [number for number, record in enumerate(records) if record.headers]


def with_unknown_headers(records: Sequence[Any], known: bytes) -> list[int]:
    """The numbers of those that have headers, without those that have one header alone, whose bytes are `known`."""
    if not isinstance(records, RecordColumns):
        return with_headers(records)
    counts, begins = records.column(fields.HEADER_COUNT), records.column(fields.HEADERS)
    found = counts > 0
    alone = (counts == 1) & (begins <= len(records.data) - len(known))
    found[alone] = ~_are_at(records.data, begins[alone], known)
    return list(np.flatnonzero(found).tolist())


def size_of(records: Sequence[Any]) -> int:
    """The bytes of the records' values."""
    if isinstance(records, RecordColumns):
        return records.size
    try:
        return sum(map(len, map(_VALUE, records)))
    except TypeError:  # a tombstone among them
        return sum(len(record.value or b"") for record in records)


def offsets_of(records: Sequence[Any]) -> Sequence[int]:
    """The offset of each."""
    if isinstance(records, RecordColumns):
        return records.column(fields.OFFSET).data
    return [record.offset for record in records]


def under_spans(offsets: Ints, spans: Iterable[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    """Which of the ascending `offsets` are from the first to the last of a span."""
    found = np.zeros(len(offsets), np.bool_)
    for first, last in spans:
        found[offsets.searchsorted(first) : offsets.searchsorted(last, side="right")] = True
    return found


def timestamps_of(records: Sequence[Any]) -> Sequence[int]:
    """The timestamp (ms) of each."""
    if isinstance(records, RecordColumns):
        return records.column(fields.TIMESTAMP).data
    return [record.timestamp for record in records]


def newest_of(records: Sequence[Any]) -> int:
    """The latest timestamp (ms) of at least one record."""
    if isinstance(records, RecordColumns):
        return int(np.max(records.column(fields.TIMESTAMP)))
    return int(max(record.timestamp for record in records))
