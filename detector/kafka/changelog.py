"""A stage's changelog: the compacted topic from which it restores its state."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from aiokafka import TopicPartition
from aiokafka import errors as kafka

from detector.kafka.clients import committed_reader, reaction, stop_consumer, topic_id, topic_reader
from detector.kafka.connection import ConnectionSettings
from detector.records.record_columns import RecordColumns
from detector.values.errors import CurfewdError
from detector.values.times import MILLISECOND

_POLL_RECORDS: Final = 10_000
_POLL_MS: Final = 250
_FETCH_BYTES: Final = 8 << 20
_TAIL_RECORDS: Final = 1000  # written to a store while everything else waits: a few milliseconds
_TAIL_FETCH_BYTES: Final = 1 << 20
_TAIL_OPTIONS: Final = {  # few fetches, and an error where the changelog no longer has an offset
    "fetch_min_bytes": 64 << 10,
    "fetch_max_wait_ms": 1000,
    "auto_offset_reset": "none",
}

Change: TypeAlias = tuple[bytes, bytes | None]  # key and value; None deletes the key
Changes: TypeAlias = list[Change] | RecordColumns  # see `pairs_in`


class ChangelogSpan(NamedTuple):
    """What a partition has: all that is committed stands from `first` on, and before `end`.

    `topic_id` is empty if the brokers tell none. Offsets mean nothing in a recreated topic.
    """

    first: int
    end: int
    topic_id: str


class Changelog(Protocol):
    """One partition for each partition that the stage reads, written in the stage's own transactions."""

    async def span(self, partition: int) -> ChangelogSpan:
        """Which offsets there are now."""

    def read(self, partition: int, start: int) -> AsyncIterator[Changes]:
        """Committed records in order, from offset `start` to the end as it is at the call."""


class TailState(NamedTuple):
    """How a partition was as the broker last said: the next offset to read, the end, and when that was (ns)."""

    offset: int
    end: int
    seen: int


class OffsetsGoneError(Exception):
    """The changelog no longer has the offsets from which some `partitions` would be read on."""

    def __init__(self, partitions: AbstractSet[int]) -> None:
        super().__init__(f"the changelog of {len(partitions)} partitions no longer has what comes next")
        self.partitions = partitions


class ChangelogTail(Protocol):
    """Reads on where several partitions were read to. `close` it at the end."""

    async def poll(self, offsets: Mapping[int, int]) -> dict[int, tuple[Changes, int]]:
        """Committed records of partitions that there are by now, each with the offset to read next.

        `offsets` has all partitions, and where each goes on if it was not read before.

        Raises:
            OffsetsGoneError: some must be read from their beginning.
            RetryError, StopError: Kafka cannot be reached, or refuses us.
        """

    async def states(self) -> dict[int, TailState]:
        """How each partition is; those that no broker has answered for are left out."""

    async def close(self) -> None:
        """Closes the connection."""


class FollowedChangelog(Changelog, Protocol):
    """One that can be followed once it is read."""

    def tail(self) -> ChangelogTail:
        """Reads several partitions on."""


class KafkaChangelog:
    """`FollowedChangelog` over a topic. `close` it at the end. With `columns` it reads columns, with compiled loops.

    What stands before the offset that `floors` has for a partition is no part of it.

    All methods raise RetryError or StopError where Kafka does not answer.
    """

    def __init__(
        self,
        topic: str,
        connection: ConnectionSettings,
        *,
        columns: bool = False,
        floors: Mapping[int, int] | None = None,
    ) -> None:
        self._topic = topic
        self._connection = connection
        self._columns = columns
        self._floors = floors or {}
        self._offset_reader: Any = None
        self._opening = asyncio.Lock()

    async def span(self, partition: int) -> ChangelogSpan:
        """See `Changelog`. One consumer, which reads no record, asks for all partitions."""
        source = TopicPartition(self._topic, partition)
        try:
            consumer = await self._offsets()
            first = await consumer.beginning_offsets([source])
            end = await consumer.end_offsets([source])
            made = await topic_id(consumer, self._topic)
        except Exception as error:
            raise _reaction(error) from error
        return ChangelogSpan(max(first[source], self._floors.get(partition, 0)), end[source], made)

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

    def tail(self) -> "KafkaTail":
        """Reads several partitions on."""
        return KafkaTail(self._topic, self._connection, columns=self._columns)

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


class KafkaTail:
    """`ChangelogTail` over a topic, with one consumer."""

    def __init__(self, topic: str, connection: ConnectionSettings, *, columns: bool) -> None:
        self._topic = topic
        self._connection = connection
        self._columns = columns
        self._consumer: Any = None
        self._current = False  # whether the consumer's positions are those of whoever polls

    async def poll(self, offsets: Mapping[int, int]) -> dict[int, tuple[Changes, int]]:
        """See `ChangelogTail`."""
        try:
            consumer = await self._assigned(offsets)
            self._current = False  # until whoever asked has the records that are taken from the consumer
            got = await consumer.getmany(max_records=_TAIL_RECORDS)
            polled = {
                source.partition: (
                    records if isinstance(records, RecordColumns) else _pairs(records),
                    await consumer.position(source),
                )
                for source, records in got.items()
            }
        except kafka.OffsetOutOfRangeError as error:
            raise OffsetsGoneError({source.partition for source in error.args[0]}) from error
        except Exception as error:
            raise _reaction(error) from error
        self._current = True
        return polled

    async def _assigned(self, offsets: Mapping[int, int]) -> Any:
        if self._consumer is None:
            consumer = topic_reader(
                self._connection, columns=self._columns, fetch_bytes=_TAIL_FETCH_BYTES, **_TAIL_OPTIONS
            )
            try:
                await consumer.start()
            except BaseException:
                await stop_consumer(consumer)
                raise
            self._consumer = consumer
        known = {source.partition for source in self._consumer.assignment()}
        if not self._current or known != offsets.keys():
            self._consumer.assign([TopicPartition(self._topic, number) for number in offsets])
            for number, offset in offsets.items():
                self._consumer.seek(TopicPartition(self._topic, number), offset)
        return self._consumer

    async def states(self) -> dict[int, TailState]:
        """See `ChangelogTail`."""
        consumer = self._consumer
        states = {}
        for source in () if consumer is None else consumer.assignment():
            end, seen = consumer.last_stable_offset(source), consumer.last_poll_timestamp(source)
            if end is not None and seen is not None:
                states[source.partition] = TailState(await consumer.position(source), end, seen * MILLISECOND)
        return states

    async def close(self) -> None:
        """See `ChangelogTail`."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_consumer(consumer)


def pairs_in(changes: Changes) -> list[Change]:
    """Each change as a key and a value."""
    if isinstance(changes, RecordColumns):
        return [(key, value) for key, value in changes.pairs() if key]
    return changes


def _pairs(records: Sequence[Any]) -> list[Change]:
    return [(record.key, record.value) for record in records if record.key]


def _reaction(error: Exception) -> CurfewdError:
    return reaction(error, "reading the state topic")
