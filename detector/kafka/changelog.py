"""A stage's changelog: the compacted topic from which it restores its state."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Protocol, TypeAlias

from aiokafka import TopicPartition

from detector.kafka.clients import committed_reader, reaction, stop_consumer, topic_reader
from detector.kafka.connection import ConnectionSettings
from detector.records.record_columns import RecordColumns
from detector.values.errors import CurfewdError

_POLL_RECORDS: Final = 10_000
_POLL_MS: Final = 250
_FETCH_BYTES: Final = 8 << 20

Change: TypeAlias = tuple[bytes, bytes | None]  # key and value; None deletes the key
Changes: TypeAlias = list[Change] | RecordColumns  # see `pairs_in`


class Changelog(Protocol):
    """One partition for each partition that the stage reads, written in the stage's own transactions."""

    async def span(self, partition: int) -> tuple[int, int]:
        """The offset of the first record, and the offset after the last: all that is committed is before it."""

    def read(self, partition: int, start: int) -> AsyncIterator[Changes]:
        """Committed records in order, from offset `start` to the end as it is at the call."""


class KafkaChangelog:
    """`Changelog` over a topic. `close` it at the end. With `columns` it reads columns, with compiled loops.

    All methods raise RetryError or StopError where Kafka does not answer.
    """

    def __init__(self, topic: str, connection: ConnectionSettings, *, columns: bool = False) -> None:
        self._topic = topic
        self._connection = connection
        self._columns = columns
        self._offset_reader: Any = None
        self._opening = asyncio.Lock()

    async def span(self, partition: int) -> tuple[int, int]:
        """See `Changelog`. One consumer, which reads no record, asks for all partitions."""
        source = TopicPartition(self._topic, partition)
        try:
            consumer = await self._offsets()
            first = await consumer.beginning_offsets([source])
            end = await consumer.end_offsets([source])
        except Exception as error:
            raise _reaction(error) from error
        return first[source], end[source]

    async def read(self, partition: int, start: int) -> AsyncIterator[Changes]:
        """See `Changelog`."""
        source = TopicPartition(self._topic, partition)
        consumer = topic_reader(self._connection, columns=self._columns, fetch_bytes=_FETCH_BYTES)
        try:
            await consumer.start()
            consumer.assign([source])
            end = (await consumer.end_offsets([source]))[source]
            consumer.seek(source, start)
            # Transaction markers take offsets too: only the position passes them.
            while await consumer.position(source) < end:
                got = await consumer.getmany(source, timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
                records = got.get(source, ())
                if len(records):
                    yield records if isinstance(records, RecordColumns) else _pairs(records)
        except Exception as error:
            raise _reaction(error) from error
        finally:
            await stop_consumer(consumer)

    async def close(self) -> None:
        """Closes the connection."""
        consumer, self._offset_reader = self._offset_reader, None
        if consumer is not None:
            await stop_consumer(consumer)

    async def _offsets(self) -> Any:
        async with self._opening:
            if self._offset_reader is None:
                consumer = committed_reader(self._connection)
                try:
                    await consumer.start()
                except BaseException:
                    await stop_consumer(consumer)
                    raise
                self._offset_reader = consumer
            return self._offset_reader


def pairs_in(changes: Changes) -> list[Change]:
    """Each change as a key and a value."""
    if isinstance(changes, RecordColumns):
        return [(key, value) for key, value in changes.pairs() if key]
    return changes


def _pairs(records: Sequence[Any]) -> list[Change]:
    return [(record.key, record.value) for record in records if record.key]


def _reaction(error: Exception) -> CurfewdError:
    return reaction(error, "reading the state topic")
