"""Follows a topic: reads every partition from its start on, in no group, for as long as the process runs."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from aiokafka import TopicPartition

from detector.kafka.clients import (
    admin_client,
    offset_reader,
    reaction,
    stop_consumer,
    stray_cancellations_are_errors,
    topic_id,
    topic_reader,
)
from detector.kafka.connection import ConnectionSettings
from detector.values.errors import RetryError, StopError

POLL_RECORDS: Final = 5000
_POLL_MS: Final = 500
_FETCH_BYTES: Final = 4 << 20
_PAUSE_SECONDS: Final = 1.0


class TopicReader(Protocol):
    """What a `TopicFollower` reads a topic for."""

    @property
    def complete(self) -> asyncio.Event:
        """Set once everything is applied that was in the topic at the start."""

    async def apply(self, records: Sequence[Any]) -> None:
        """Takes committed records of a partition, in order: `RecordColumns`, or aiokafka's ConsumerRecord.

        Raises:
            StopError: this process cannot go on after them.
        """


class TopicSpans(msgspec.Struct, frozen=True):
    """A topic, its id (hex; empty if the brokers tell none), and the first offset and the end of each partition."""

    name: str
    id: str
    spans: Mapping[int, tuple[int, int]]


class TopicFollower:
    """Gives all committed records of a topic to a reader, those of one partition at a time.

    `problem` is why it cannot read now, None while it can; `observe` gets each. It finds partitions that are added to
    the topic within `discovery_seconds`. `resume` is asked once, before it reads: it gives the offsets of what the
    reader has already. With `columns` the reader gets `RecordColumns`, if this aiokafka gives them.
    """

    def __init__(  # noqa: PLR0913 - where it reads, for whom, and who else is told
        self,
        topic: str,
        connection: ConnectionSettings,
        reader: TopicReader,
        *,
        observe: Callable[[str], None] = lambda _: None,
        discovery_seconds: float = 30.0,
        columns: bool = False,
        resume: Callable[[TopicSpans], Awaitable[Mapping[int, int]]] | None = None,
    ) -> None:
        self.problem: str | None = None
        self._topic = topic
        self._connection = connection
        self._reader = reader
        self._doing = f"reading {topic}"
        self._observe = observe
        self._discovery_seconds = discovery_seconds
        self._columns = columns
        self._resume = resume
        self._positions: dict[int, int] = {}
        self._ends: dict[int, int] | None = None  # at the start
        self._known_ends: dict[int, int] = {}
        self._all_until = time.monotonic()
        self._offsets: Any = None
        self._connected = asyncio.Event()
        self._polled = asyncio.Event()

    async def run(self) -> None:
        """Follows until it is cancelled. It waits while the brokers are away.

        Raises:
            StopError: Kafka does not let us read the topic, or the reader stops.
        """
        while True:
            try:
                with stray_cancellations_are_errors(self._doing):
                    await self._follow()
            except Exception as error:
                known = reaction(error, self._doing)
                if isinstance(known, StopError):
                    raise known from error
                self.problem = str(known)
                self._observe(self.problem)
            await asyncio.sleep(_PAUSE_SECONDS)

    @property
    def positions(self) -> dict[int, int]:
        """The offset of each partition before which the reader has all."""
        return dict(self._positions)

    @property
    def behind(self) -> int:
        """How many offsets are still to be read of those that there were when the brokers were last asked."""
        return sum(max(end - self._positions.get(number, 0), 0) for number, end in self._known_ends.items())

    @property
    def lag_seconds(self) -> float:
        """The age of the last moment of which it is known that the reader has all that was written by then."""
        return time.monotonic() - self._all_until

    async def keep_lag(self, seconds: float) -> None:
        """Asks every so often how far it is behind, until it is cancelled. The reader has all that there was so far."""
        self._all_until = time.monotonic()
        while True:
            asked = time.monotonic()
            with contextlib.suppress(RetryError):
                await self.up_to_date()
                self._all_until = asked
            await asyncio.sleep(seconds)

    async def up_to_date(self) -> None:
        """Waits until it has read everything that anybody has written by now.

        That includes records in open transactions: what was committed after them can be read only once they end.

        Raises:
            RetryError: the brokers do not answer now.
        """
        await self._connected.wait()
        ends = await self._ends_of([TopicPartition(self._topic, number) for number in self._positions])
        while behind := [source for source, end in ends.items() if self._positions[source.partition] < end]:
            before = dict(self._positions)
            self._polled.clear()
            await self._polled.wait()
            if self._positions == before:  # An end falls back where a topic is recreated, or loses records.
                now = await self._ends_of(behind)
                ends = {source: min(ends[source], now[source]) for source in behind}

    async def _ends_of(self, sources: Sequence[Any]) -> Mapping[Any, int]:
        try:
            ends = await self._offsets.end_offsets(sources)
        except Exception as error:
            raise reaction(error, f"{self._doing}: its end") from error
        self._known_ends |= {source.partition: end for source, end in ends.items()}
        return ends  # type: ignore[no-any-return]

    async def _follow(self) -> None:
        consumer = topic_reader(self._connection, columns=self._columns, fetch_bytes=_FETCH_BYTES)
        admin = admin_client(self._connection)
        offsets = offset_reader(self._connection)
        try:
            await admin.start()
            await consumer.start()
            await offsets.start()
            while True:
                await self._assign(consumer, admin)
                end = time.monotonic() + self._discovery_seconds
                while time.monotonic() < end:
                    await self._poll(consumer)
                    self._offsets = offsets
                    self._connected.set()
                    self._polled.set()
        finally:
            self._connected.clear()
            await offsets.stop()
            await stop_consumer(consumer)
            await admin.close()

    async def _assign(self, consumer: Any, admin: Any) -> None:
        """Takes all partitions that there are now, each from where it was read to."""
        # A consumer learns of a topic's partitions only once it is subscribed.
        (topic,) = await admin.describe_topics([self._topic])
        numbers = {partition["partition"] for partition in topic["partitions"]}
        if topic["error_code"] or not numbers:
            raise RetryError(f"there is no topic {self._topic} yet")
        if {source.partition for source in consumer.assignment()} == numbers:
            return
        sources = [TopicPartition(self._topic, number) for number in sorted(numbers)]
        consumer.assign(sources)
        first = await consumer.beginning_offsets(sources)
        if self._ends is None:
            ends = await consumer.end_offsets(sources)
            if self._resume is not None:
                spans = {source.partition: (first[source], ends[source]) for source in sources}
                made = await topic_id(consumer, self._topic)
                self._positions.update(await self._resume(TopicSpans(self._topic, made, spans)))
            self._ends = {source.partition: end for source, end in ends.items()}
            self._known_ends = dict(self._ends)
        for source in sources:
            consumer.seek(source, max(self._positions.get(source.partition, 0), first[source]))
        self.problem = None

    async def _poll(self, consumer: Any) -> None:
        got = await consumer.getmany(timeout_ms=_POLL_MS, max_records=POLL_RECORDS)
        for records in got.values():
            await self._reader.apply(records)
        for source in consumer.assignment():
            self._positions[source.partition] = await consumer.position(source)
        if not self._reader.complete.is_set() and self._ends is not None:
            reached = (self._positions.get(number, 0) >= end for number, end in self._ends.items())
            if all(reached):
                self._reader.complete.set()
