"""Batches whose records are written in one pass, as aiokafka's producer takes them.

aiokafka's `BatchBuilder` takes a record at a time, as objects. A `WrittenBatch` answers what the producer asks of one
after it was filled. What a batch is made of: https://kafka.apache.org/documentation/#recordbatch
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from aiokafka import codec
from aiokafka.record.default_records import DefaultRecordBase as Layout

from detector import core
from detector.records import record_fields as fields
from detector.records.record_columns import RecordColumns

Compression: TypeAlias = Literal["gzip", "snappy", "lz4", "zstd"] | None

_ENCODERS: Final[dict[Compression, tuple[int, Callable[[bytes], bytes]]]] = {
    "gzip": (Layout.CODEC_GZIP, codec.gzip_encode),
    "snappy": (Layout.CODEC_SNAPPY, codec.snappy_encode),
    "lz4": (Layout.CODEC_LZ4, codec.lz4_encode),
    "zstd": (Layout.CODEC_ZSTD, codec.zstd_encode),
}
_HEADER: Final[struct.Struct] = Layout.HEADER_STRUCT
_CRC: Final = struct.Struct(">I")
_NO_EPOCH: Final = -1  # of a leader: the broker says it
_MAGIC: Final = 2
_NO_PRODUCER: Final = (-1, -1, -1)


class WrittenBatch:
    """What aiokafka asks of a `BatchBuilder` that is full.

    `times` are those of the first record and the latest, in ms.
    """

    def __init__(self, records: bytes, count: int, times: tuple[int, int], compression: Compression) -> None:
        self._attributes = Layout.TRANSACTIONAL_MASK
        self._records = records
        if compression is not None:
            code, encode = _ENCODERS[compression]
            smaller = encode(records)
            if len(smaller) < len(records):
                self._attributes |= code
                self._records = smaller
        self._count = count
        self._times = times
        self._producer = _NO_PRODUCER
        self._buffer: bytearray | None = None

    def append(self, **_record: Any) -> None:
        """It takes no more."""

    def close(self) -> None:
        """It always is."""

    def closed(self) -> bool:
        """Always."""
        return True

    def size(self) -> int:
        """The bytes of the batch."""
        return _HEADER.size + len(self._records)

    def record_count(self) -> int:
        """How many records are in it."""
        return self._count

    def _set_producer_state(self, producer: int, epoch: int, sequence: int) -> None:
        """The numbers by which a broker knows a batch that it has already."""
        self._producer, self._buffer = (producer, epoch, sequence), None

    def _build(self) -> bytearray:
        """The bytes of the batch."""
        if self._buffer is None:
            header = _HEADER.pack(
                0,
                self.size() - Layout.AFTER_LEN_OFFSET,
                _NO_EPOCH,
                _MAGIC,
                0,
                self._attributes,
                self._count - 1,
                *self._times,
                *self._producer,
                self._count,
            )
            batch = header + self._records
            self._buffer = bytearray(batch)
            _CRC.pack_into(self._buffer, Layout.CRC_OFFSET, core.crc32c(batch, Layout.ATTRIBUTES_OFFSET))
        return self._buffer


def written(records: RecordColumns, most: int, compression: Compression) -> Iterator[WrittenBatch]:
    """Batches of a transaction with its records in order, each of at most so many bytes unless a record takes more."""
    columns = np.ascontiguousarray(records.columns)
    first = 0
    for count, text in core.written_records(records.data, columns, max(most - _HEADER.size, 0)):
        stamps = columns[first : first + count, fields.TIMESTAMP]
        yield WrittenBatch(text, count, (int(stamps[0]), int(np.max(stamps))), compression)
        first += count


def largest(records: RecordColumns) -> int:
    """So many bytes has no record more, with its headers: each stands behind the one before it in the data."""
    begins = np.sort(records.column(fields.KEY))
    return int(np.diff(begins, append=len(records.data)).max(initial=0))
