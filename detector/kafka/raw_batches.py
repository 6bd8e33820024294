"""A consumer that hands out the records of a poll as columns, without a Python object for each.

aiokafka makes an object of every record. It has no setting for anything else, so `_install` puts two classes in front
of those that its fetcher uses, for the whole process. `_KeptRecords` keeps the bytes of a fetch beside aiokafka's
reader. `_PartitionColumns` reads them for a consumer that asked for it, by a `_Asked` in place of a
`key_deserializer`; all others get aiokafka's own. What is aborted, seeking and fetching ahead stay aiokafka's.
Checksums, decompression and the records of a batch are ours, and so is it that a position never goes back. What no
broker writes is an error (docs/record-batches.md). Batches that are not compressed are read many at a time: aiokafka
sees them as one.

A third class, `_Fetcher`, is aiokafka's but for how long a broker may wait with its answer to a stage. aiokafka asks a
broker for nothing else until it has answered, and leaves out partitions whose last records are still worked on. With
the half second that it allows, a busy partition would wait for that beside idle ones after each poll.

None of this is aiokafka's interface. So `columns_check` reads known batches both ways first. A release where they
differ gets records as before, only slower.
"""

import struct
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition, conn
from aiokafka.consumer import consumer as consumers
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.default_records import DefaultRecordBatch

from detector import core
from detector.core import RecordWalk
from detector.kafka import decompression, response_protocol
from detector.kafka.old_batches import MAGIC, SMALLEST, OldBatch
from detector.records import record_fields as fields
from detector.records.record_columns import RecordColumns
from detector.records.record_fields import Columns

_MemoryRecords: Any = fetcher.MemoryRecords
_PartitionRecords: Any = fetcher.PartitionRecords
_CODECS: Final = ("gzip_decode", "snappy_decode", "lz4_decode", "zstd_decode")
_LENGTH: Final = struct.Struct(">8xi")  # behind the first offset; it counts the bytes behind itself
_COUNT: Final = struct.Struct(">i")  # the last field of the header
_CRC: Final = struct.Struct(">I")
_HEADER: Final = 61  # bytes of a batch before its records
_CRC_PLACE: Final = 17  # the checksum is that of all from _ATTRIBUTES on
_ATTRIBUTES: Final = 21
_READER_LIMIT: Final = 16 << 20  # bytes that wait when a connection pauses; with 64 KiB each read does
_NEW: Final = 2  # the magic of the batches that are not old
_KEY_TYPE: Final = slice(2, 4)  # where the key of a marker says what it is
_ABORT: Final = b"\0\0"
BRIEFLY: Final = 20  # milliseconds that a broker may wait for records of only some partitions


class _Asked:
    """What a consumer gives as its `key_deserializer` to get columns: at most so many `records` from a partition.

    A batch is decompressed to at most `limit` bytes. A poll with so many bytes gets no further batch. `brief`: no
    broker waits long for records of some partitions while others have records that are not done.
    """

    def __init__(self, limit: int, *, brief: bool = False) -> None:
        self.limit = limit
        self.brief = brief
        self.records: dict[TopicPartition, int] = {}


class ColumnConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """A consumer whose `getmany` gives a `RecordColumns` in place of a list. See `_Asked` for `brief`."""

    def __init__(self, decompressed_bytes: int, *, brief: bool = False, **options: Any) -> None:
        _install()
        self._asked = _Asked(decompressed_bytes, brief=brief)
        super().__init__(key_deserializer=self._asked, **options)

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, Sequence[Any]]:
        """At most `max_records` of one partition, of whichever has some if none or several are named."""
        self._asked.records.update(dict.fromkeys(partitions or self.assignment(), max_records or 1))
        got = await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=1)
        return {source: records for source, (records,) in got.items()}


class _Fetcher(fetcher.Fetcher):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's, which may ask briefly for some partitions while others have records that are not done."""

    @property
    def _fetch_max_wait_ms(self) -> int:
        """What it reads for each request."""
        brief = getattr(self._key_deserializer, "brief", False)
        return min(self._longest_wait, BRIEFLY) if brief and self._records else self._longest_wait

    @_fetch_max_wait_ms.setter
    def _fetch_max_wait_ms(self, longest: int) -> None:
        self._longest_wait = longest


class _KeptRecords:
    """The bytes of a fetch, and aiokafka's reader of them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reader = _MemoryRecords(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)


class _Batches:
    """In place of aiokafka's reader: batches that give records as columns."""

    def __init__(self, data: bytes, partition: "_PartitionColumns") -> None:
        self._data = data
        self._partition = partition
        self._at = 0

    def _size(self) -> int:
        """The bytes of the next batch, by what it says."""
        return int(_LENGTH.unpack_from(self._data, self._at)[0]) + _LENGTH.size

    def has_next(self) -> bool:
        left = len(self._data) - self._at
        return left >= _LENGTH.size and left >= self._size()

    def next_batch(self) -> Any:
        """Some batches at once, or the next one.

        Raises:
            CorruptRecordException: it is of no format that Kafka knows.
        """
        begin, partition = self._at, self._partition
        self._at, *said = core.batches_together(
            self._data, begin, not partition.aborts, partition.wanted, partition.room
        )
        if self._at > begin:
            return _Together(self._data, begin, self._at, partition, *said)
        size = self._size()
        if size < SMALLEST:
            raise CorruptRecordException("a record batch is shorter than its header")
        self._at += size
        magic = self._data[begin + MAGIC]
        if magic < _NEW:
            return _OldBatch(self._data[begin : self._at], partition)
        if magic > _NEW:
            raise CorruptRecordException(f"Kafka knows no record batch of format {magic}")
        if size < _HEADER:
            raise CorruptRecordException("a record batch is shorter than its header")
        if core.batch_offsets(self._data, begin) is None:
            raise CorruptRecordException("a record batch has offsets that there are not")
        return _Batch(self._data, begin, self._at, partition)


class _Chunk(NamedTuple):
    """Some records of a batch, in `data[begin:end]`; `offset` is that of the last."""

    columns: Columns
    data: bytes
    begin: int
    end: int
    offset: int


def _chunk(rows: bytearray, data: bytes, end: int) -> _Chunk:
    return _chunk_of(np.frombuffer(rows, np.int64).reshape(-1, fields.WIDTH), data, end)


def _chunk_of(columns: Columns, data: bytes, end: int) -> _Chunk:
    first, last = columns[0], columns[-1]
    return _Chunk(columns, data, int(first[fields.KEY]), end, int(last[fields.OFFSET]))


class _Together:
    """Batches fetched[begin:end] that `core.batches_together` has checked, as one of aiokafka's."""

    producer_id = -1  # the batches are none that may be aborted
    is_transactional = False
    is_control_batch = False

    def __init__(  # noqa: PLR0913, PLR0917 - what is read, and what it says
        self,
        fetched: bytes,
        begin: int,
        end: int,
        partition: "_PartitionColumns",
        records: int,
        base_offset: int,
        next_offset: int,
    ) -> None:
        self._fetched = fetched
        self._begin = begin
        self._end = end
        self._partition = partition
        self._records = records
        self.base_offset = base_offset
        self.next_offset = next_offset

    def validate_crc(self) -> bool:
        """It was done."""
        return True

    def __iter__(self) -> Iterator[_Chunk]:
        partition, walk = self._partition, RecordWalk.together(self._fetched, self._begin, self._end)
        while not walk.done:
            most = max(min(partition.wanted, self._records), 1)
            rows, position = walk.read(most, partition.next_fetch_offset)
            if rows:
                chunk = _chunk(rows, self._fetched, walk.at)
                partition.next_fetch_offset = chunk.offset  # aiokafka leaves out what is before it
                yield chunk
            partition.next_fetch_offset = position
        if walk.wrong:
            raise CorruptRecordException("a record batch holds something that is not a record")


class _Batch:
    """The batch fetched[begin:end]; iterating gives as many records at once as the partition wants."""

    def __init__(self, fetched: bytes, begin: int, end: int, partition: "_PartitionColumns") -> None:
        self._batch = DefaultRecordBatch(memoryview(fetched)[begin:end])
        self._fetched = fetched
        self._begin = begin
        self._end = end
        self._partition = partition
        (self._count,) = _COUNT.unpack_from(fetched, begin + _HEADER - _COUNT.size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def ends_in_abort(self) -> bool:
        """Whether it marks that a transaction was aborted; not if compaction has taken the marker."""
        data, at, end = self._records()
        key = core.marker_key(data[:end], at, self._count)
        if key is None:
            raise CorruptRecordException("the end of a transaction is no marker")
        return key > 0 and data[key:][_KEY_TYPE] == _ABORT

    def validate_crc(self) -> bool:
        """Whether the batch is as it was written."""
        batch = self._fetched[self._begin : self._end]
        (crc,) = _CRC.unpack_from(batch, _CRC_PLACE)
        return bool(core.crc32c(batch, _ATTRIBUTES) == crc)

    def __iter__(self) -> Iterator[_Chunk]:
        data, begin, end = self._records()
        of_all = bool(self._batch.timestamp_type)  # LogAppendTime
        time = self._batch.max_timestamp if of_all else self._batch.first_timestamp
        offsets = self.base_offset, self.next_offset - 1
        walk = RecordWalk.within(data, begin, end, self._count, offsets=offsets, time=time, of_all=of_all)
        while not walk.done:
            rows, _ = walk.read(max(self._partition.wanted, 1), self._partition.next_fetch_offset)
            if rows:
                yield _chunk(rows, data, walk.at)
        if walk.wrong:
            raise CorruptRecordException("a record batch holds something that is not a record")

    def _records(self) -> tuple[bytes, int, int]:
        """Bytes with the records, decompressed, and where these begin and end."""
        code = self._batch.compression_type
        if not code:
            return self._fetched, self._begin + _HEADER, self._end
        if code > len(_CODECS):
            raise UnsupportedCodecError(f"Kafka knows no codec {code}")
        packed = self._fetched[self._begin + _HEADER : self._end]
        data = decompression.DECODERS[_CODECS[code - 1]](packed, self._partition.limit)
        return data, 0, len(data)


class _OldBatch(OldBatch):
    """A batch of the formats before, as one of aiokafka's."""

    producer_id = None
    is_control_batch = False

    def __init__(self, data: bytes, partition: "_PartitionColumns") -> None:
        super().__init__(data)
        self._partition = partition
        self.base_offset = self.last_offset
        self.next_offset = self.last_offset + 1

    def __iter__(self) -> Iterator[_Chunk]:
        data, rows = self.records(self._partition.limit)
        rows = rows[rows[:, fields.OFFSET] >= self._partition.next_fetch_offset]
        while len(rows):
            some, rows = np.split(rows, [self._partition.wanted])
            yield _chunk_of(some, data, int(some[-1, fields.HEADERS]))


class _PartitionColumns(_PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    """What was fetched of a partition. Each item is a poll: columns."""

    _position = 0

    def __init__(self, tp: TopicPartition, records: _KeptRecords, *rest: Any) -> None:
        # Weak, so that what was fetched is freed once it is read, and not when somebody looks for cycles.
        partition: Any = weakref.proxy(self)
        super().__init__(tp, _Batches(records.data, partition), *rest)
        self._asked: _Asked = self._key_deserializer  # type: ignore[has-type]
        self._key_deserializer = None
        self.limit = self._asked.limit
        self.wanted = 0  # records
        self.room = 0  # bytes
        self._untouched = records.has_next()

    @property
    def next_fetch_offset(self) -> int:
        """What comes next. aiokafka sets it after each batch, and would go back where a broker does."""
        return self._position

    @next_fetch_offset.setter
    def next_fetch_offset(self, offset: int) -> None:
        self._position = max(self._position, offset)

    @property
    def aborts(self) -> bool:
        """Whether some of what is still to be read is aborted."""
        return bool(self._aborted_transactions or self._aborted_producers)

    def __next__(self) -> RecordColumns:
        self.wanted, self.room = self._asked.records.get(self._tp, 1), self.limit
        begin, untouched, self._untouched = self.next_fetch_offset, self._untouched, False
        chunks: list[_Chunk] = []
        while self.wanted > 0 and self.room > 0:
            try:
                chunk = super().__next__()
            except StopIteration:
                self._records_iterator = iter(())
                if untouched and self.next_fetch_offset == begin:
                    raise CorruptRecordException(
                        "all that was fetched is before what was asked for"
                    ) from None
                break
            except Exception:
                self._records_iterator = iter(())  # whoever reads on fetches again, and meets the same
                if self.next_fetch_offset == begin:
                    raise
                break
            chunks.append(chunk)
            self.wanted -= len(chunk.columns)
            self.room -= chunk.end - chunk.begin
        if not chunks:
            raise StopIteration
        return self._columns(chunks)

    def _contains_abort_marker(self, next_batch: Any) -> bool:
        return bool(next_batch.ends_in_abort())

    def _consumer_record(self, _tp: TopicPartition, record: _Chunk) -> _Chunk:
        return record

    def _columns(self, chunks: Sequence[_Chunk]) -> RecordColumns:
        """The chunks as one, over the bytes that they share, or a copy of those of each."""
        data = chunks[0].data
        if any(chunk.data is not data for chunk in chunks):
            at = 0
            for chunk in chunks:
                chunk.columns[:, fields.PLACES] += at - chunk.begin
                at += chunk.end - chunk.begin
            data = b"".join([memoryview(chunk.data)[chunk.begin : chunk.end] for chunk in chunks])
        columns = np.concatenate([chunk.columns for chunk in chunks])
        return RecordColumns(self._tp.topic, self._tp.partition, data, columns)


def _partition_records(
    tp: TopicPartition, records: _KeptRecords, aborted: Any, offset: int, key_deserializer: Any, *rest: Any
) -> Any:
    """In place of aiokafka's class: whichever the consumer asked for."""
    if isinstance(key_deserializer, _Asked):
        return _PartitionColumns(tp, records, aborted, offset, key_deserializer, *rest)
    return _PartitionRecords(tp, records.reader, aborted, offset, key_deserializer, *rest)


def _install() -> None:
    fetcher.MemoryRecords = _KeptRecords
    fetcher.PartitionRecords = _partition_records
    consumers.Fetcher = _Fetcher
    conn.READER_LIMIT = _READER_LIMIT
    response_protocol.install()


def both_ways(
    data: bytes, aborted: Sequence[tuple[int, int]], offset: int, most: int, limit: int
) -> tuple[Any, Any]:
    """Readers of fetched bytes from an offset on: polls of at most so many records, and aiokafka's records.

    `aborted` are producers, each with the first offset of its transaction.
    """
    source, asked = TopicPartition("check", 0), _Asked(limit)
    asked.records[source] = most
    rest = (None, True, fetcher.READ_COMMITTED)  # no deserializer, checksums
    return (
        _partition_records(source, _KeptRecords(data), list(aborted), offset, asked, *rest),
        _PartitionRecords(source, _MemoryRecords(data), list(aborted), offset, None, *rest),
    )
