"""Reads topics some minutes behind their writers, in a group of its own, at least once.

It writes what the handler gives, waits for the brokers, and commits the offsets last. After a crash some records are
read again, so what is written must not count twice.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec
from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.abc import ConsumerRebalanceListener

from detector.kafka.batches import partition_of
from detector.kafka.clients import (
    NO_PARTITION,
    group_consumer,
    idempotent_producer,
    reaction,
    started,
    stop_consumer,
    stray_cancellations_are_errors,
    unreadable,
)
from detector.kafka.connection import ConnectionSettings
from detector.kafka.handlers import Output, Partition
from detector.values.errors import StopError
from detector.values.times import MINUTE, SECOND

_POLL_SECONDS: Final = 0.25
_POLL_MS: Final = 250
_PAUSE_SECONDS: Final = 1.0
_MAX_POLL_SECONDS: Final = 600.0


class DelayedReaderSettings(msgspec.Struct, frozen=True):
    """What is read and how far behind (ns). At most `poll_records` of each partition wait in memory.

    `counts` has the number of partitions of each topic that is written to.
    """

    group: str
    counts: dict[str, int]
    topics: tuple[str, ...] = ()
    pattern: str | None = None
    delay: int = 5 * MINUTE
    poll_records: int = 1000
    partition_fetch_bytes: int = 1 << 20
    session_seconds: float = 15.0


class Processed(msgspec.Struct, frozen=True):
    """What records gave. `oldest` is the first offset that still waits for later records, None if none does.

    No offset after `oldest` is committed.
    """

    outputs: list[Output]
    oldest: int | None = None


class DelayedHandler(Protocol):
    """What a `DelayedReader` asks of the code that it runs.

    Records are `RecordColumns`, or aiokafka's ConsumerRecord.
    """

    def latest(self, records: Sequence[Any], now: int) -> int:
        """The time (ns) from which the delay of at least one record counts."""

    async def process(self, partition: Partition, records: Sequence[Any]) -> Processed:
        """What these records give, in the order of offsets; without records, what is left of earlier ones."""

    def overdue(self, now: int) -> Iterable[Partition]:
        """The partitions in which something has waited long enough for later records."""

    def committed(self, partition: Partition) -> None:
        """What `process` gave last is written, and its offset is committed."""

    def forget(self) -> None:
        """Forget everything: what was not committed comes again, here or elsewhere."""


class _Waiting(msgspec.Struct):
    records: Sequence[Any]
    due: int


async def _always(_time: int) -> bool:
    return True


class DelayedReader:
    """Runs a handler over the partitions that this member of the group is given, until it is cancelled.

    Records are handed out once `delay` has passed and `may_read` says that everything up to their time is known.
    `observe` gets why it cannot go on, each time that it has to try again.
    """

    def __init__(  # noqa: PLR0913 - what it works with, each by its name
        self,
        connection: ConnectionSettings,
        settings: DelayedReaderSettings,
        handler: DelayedHandler,
        *,
        may_read: Callable[[int], Awaitable[bool]] = _always,
        clock: Callable[[], int] = time.time_ns,
        observe: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._handler = handler
        self._doing = f"reading as {settings.group}"
        self._may_read = may_read
        self._clock = clock
        self._observe = observe
        self._known_until = 0
        self._failing_since: int | None = None
        self._waiting: dict[TopicPartition, _Waiting] = {}
        self._starts: dict[TopicPartition, int] = {}  # offsets before which nothing is left to be polled

    async def run(self) -> None:
        """Works until it is cancelled. It waits while the brokers are away.

        Raises:
            StopError: Kafka does not let us read the topics.
        """
        while True:
            try:
                with stray_cancellations_are_errors(self._doing):
                    await self._work()
            except Exception as error:
                known = reaction(error, self._doing)
                if isinstance(known, StopError):
                    raise known from error
                self._failing_since = self._failing_since or self._clock()
                self._observe(str(known))
            await asyncio.sleep(_PAUSE_SECONDS)

    @property
    def overdue_seconds(self) -> float:
        """How much more than its delay it is behind: since when records have been due, or since when it fails."""
        now = self._clock()
        dues = [waiting.due for waiting in self._waiting.values()]
        return max(now - min(dues, default=now), now - (self._failing_since or now), 0) / SECOND

    def forget(self) -> None:
        """Drops everything that waits: whoever gets the partition reads it again."""
        self._waiting.clear()
        self._starts.clear()
        self._handler.forget()

    async def _work(self) -> None:
        self.forget()
        async with started(idempotent_producer(self._connection)) as producer:
            await self._read(producer)

    async def _read(self, producer: Any) -> None:
        settings = self._settings
        consumer = group_consumer(
            self._connection,
            settings.group,
            session_seconds=settings.session_seconds,
            partition_fetch_bytes=settings.partition_fetch_bytes,
            max_poll_seconds=_MAX_POLL_SECONDS,
        )
        try:
            await consumer.start()
            listener = _Listener(self)
            if settings.pattern is not None:
                consumer.subscribe(pattern=settings.pattern, listener=listener)
            else:
                consumer.subscribe(topics=list(settings.topics), listener=listener)
            while True:
                await self._fetch(consumer)
                await self._hand_out(consumer, producer)
                self._failing_since = None
        finally:
            await stop_consumer(consumer)

    async def _fetch(self, consumer: Any) -> None:
        """Polls the partitions of which no records wait."""
        wanted = [source for source in consumer.assignment() if source not in self._waiting]
        if not wanted:
            await consumer.getmany(NO_PARTITION, timeout_ms=0)
            await asyncio.sleep(_POLL_SECONDS)
            return
        got = await self._poll(consumer, wanted)
        now = self._clock()
        for source, records in got.items():
            due = self._handler.latest(records, now) + self._settings.delay
            self._waiting[source] = _Waiting(records, due)

    async def _poll(
        self, consumer: Any, wanted: Sequence[TopicPartition]
    ) -> dict[TopicPartition, Sequence[Any]]:
        """The next records. It skips those that cannot be decoded: whoever reads them first reports them."""
        for source in wanted:
            if source not in self._starts:
                self._starts[source] = await consumer.position(source)
        try:
            got: dict[TopicPartition, Sequence[Any]] = await consumer.getmany(
                *wanted, timeout_ms=_POLL_MS, max_records=self._settings.poll_records
            )
        except Exception as error:
            if not unreadable(error):
                raise
            for source in wanted:  # the error discarded what was polled of the others
                start = self._starts.pop(source, None)
                if start is not None:
                    consumer.seek(source, start)
            singly = {source: await self._poll_singly(consumer, source) for source in wanted}
            return {source: records for source, records in singly.items() if records}
        for source in got:
            self._starts.pop(source, None)
        return got

    async def _poll_singly(self, consumer: Any, source: TopicPartition) -> Sequence[Any]:
        """The next records of one partition, polled one by one, without those that cannot be decoded."""
        records: list[Any] = []
        while len(records) < self._settings.poll_records:
            try:
                got = await consumer.getmany(source, timeout_ms=_POLL_MS, max_records=1)
            except Exception as error:
                if not unreadable(error):
                    raise
                consumer.seek(source, await consumer.position(source) + 1)
                continue
            if not got:
                break
            records += got[source]
        return records

    async def _hand_out(self, consumer: Any, producer: Any) -> None:
        """Processes the records that have waited long enough, and what the handler has held too long."""
        now = self._clock()
        for source, waiting in sorted(self._waiting.items(), key=lambda item: item[1].due):
            if waiting.due > now or not await self._all_known(waiting.due):
                break
            await self._process(source, waiting.records, consumer, producer)
        for partition in tuple(self._handler.overdue(now)):
            source = TopicPartition(partition.topic, partition.number)
            if source not in self._waiting:
                await self._process(source, (), consumer, producer)

    async def _all_known(self, due: int) -> bool:
        """Whether everything up to that time is known."""
        if due > self._known_until and await self._may_read(due):
            self._known_until = due
        return due <= self._known_until

    async def _process(
        self, source: TopicPartition, records: Sequence[Any], consumer: Any, producer: Any
    ) -> None:
        partition = Partition(source.topic, source.partition)
        position = records[-1].offset + 1 if records else await consumer.position(source)
        processed = await self._handler.process(partition, records)
        if source not in consumer.assignment():
            return
        sent = [
            await producer.send(
                output.topic,
                output.value,
                key=output.key,
                partition=partition_of(output.key or b"", self._settings.counts[output.topic]),
                headers=list(output.headers),
            )
            for output in processed.outputs
        ]
        for output, done in zip(processed.outputs, sent, strict=True):
            try:
                await done
            except kafka.KafkaError as error:
                raise reaction(error, f"writing to {output.topic}") from error
        # Last, and not beyond what waits for later records: after a crash the rest is read again.
        await consumer.commit({source: position if processed.oldest is None else processed.oldest})
        self._waiting.pop(source, None)
        self._handler.committed(partition)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Tells the reader of a rebalance."""

    def __init__(self, reader: DelayedReader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:  # noqa: ARG002 - it is always all
        """All of them, always: the protocol is the eager one."""
        self._reader.forget()

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """They are read from the committed offset."""
