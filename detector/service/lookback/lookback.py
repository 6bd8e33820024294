"""The look-back: logs are read a second time, some minutes behind, for credentials that were registered late.

Only registered credentials are looked for, and in records that show one, what the scan stage took for a secret of its
own while it did not know the credential: that is withdrawn. A leak found here and by the scan stage is one leak: its record and secret
name it, and the judge stage counts it once. So this pass need not be exactly once, and is at least once: it writes, waits
for the brokers, and commits its offsets last, none beyond a record whose text still waits for more.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener

from detector.ingest.classify import BUNDLED
from detector.ingest.kafka_assembler import RecordAssembler
from detector.ingest.kafka_records import Contents, kafka_time
from detector.ingest.kafka_segments import Segment, of_pieces
from detector.judge.routing import LeakWithdrawal, encode, secret_key
from detector.kafka.batches import partition_of
from detector.kafka.clients import KafkaSettings, reaction, stop_consumer, strays_are_errors, unreadable
from detector.kafka.handlers import Output, Partition
from detector.service.scan.blinding import veiled
from detector.service.scan.finders import Finders
from detector.service.scan.handler import HELD, ClassifierOf, find_leaks, work_outputs
from detector.service.scan.registry_feed import RegistryFeed
from detector.values.errors import StopError
from detector.values.times import MINUTE, SECOND

_NOTHING: Final = TopicPartition("", 0)  # asked for so that the membership does not count as idle
_POLL_SECONDS: Final = 0.25
_POLL_MS: Final = 250
_PAUSE_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 600.0


class LookbackSettings(msgspec.Struct, frozen=True):
    """What is read again, and how far behind (ns). Of each partition at most `poll_records` wait in memory."""

    group: str
    work: str
    work_partitions: int
    topics: tuple[str, ...] = ()
    pattern: str | None = None
    delay: int = 5 * MINUTE
    poll_records: int = 1000
    partition_fetch_bytes: int = 1 << 20
    session_seconds: float = 15.0


class LookbackProgress(msgspec.Struct, frozen=True):
    """Some records of one partition were looked through again, and that is committed. `size` is that of their values."""

    partition: Partition
    records: int
    size: int
    leaks: int
    outputs: int


class LookbackProblem(msgspec.Struct, frozen=True):
    """Something went wrong, and will be tried again: `why` for a person."""

    why: str


class _Waiting(msgspec.Struct):
    records: Sequence[Any]
    due: int


async def _always(_time: int) -> bool:
    return True


class Lookback:
    """Reads behind until cancelled.

    `scanned` tells whether the scan stage has read all that stood in the inputs at a time (ns): only then all that was
    registered by then is known, also when the scan stage itself is far behind. `shapes` is what is recognised in a
    topic.
    """

    def __init__(  # noqa: PLR0913 - what it works with, each by its name
        self,
        settings: LookbackSettings,
        clients: KafkaSettings,
        finders: Finders,
        feed: RegistryFeed,
        threads: Executor,
        *,
        scanned: Callable[[int], Awaitable[bool]] = _always,
        shapes: ClassifierOf = lambda _: BUNDLED,
        clock: Callable[[], int] = time.time_ns,
        observe: Callable[[LookbackProgress | LookbackProblem], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._finders = finders
        self._feed = feed
        self._threads = threads
        self._scanned = scanned
        self._shapes = shapes
        self._clock = clock
        self._observe = observe
        self._keys = tuple(key.material for key in finders.keys)
        self._scanned_until = 0
        self._hindered: int | None = None  # since when
        self._waiting: dict[TopicPartition, _Waiting] = {}
        self._holds: dict[TopicPartition, tuple[RecordAssembler, int]] = {}

    async def run(self) -> None:
        """Works until cancelled; trouble with the broker is waited out.

        Raises:
            StopError: Kafka does not let us read the inputs.
        """
        await self._feed.caught_up.wait()
        while True:
            try:
                with strays_are_errors("looking back"):
                    await self._work()
            except Exception as error:
                told = reaction(error, "looking back")
                if isinstance(told, StopError):
                    raise told from error
                self._hindered = self._hindered or self._clock()
                self._observe(LookbackProblem(str(told)))
            await asyncio.sleep(_PAUSE_SECONDS)

    @property
    def overdue_seconds(self) -> float:
        """How much more than its delay it is behind: for how long what waits has been due, or nothing has gone right."""
        now = self._clock()
        dues = [waiting.due for waiting in self._waiting.values()]
        return max(now - min(dues, default=now), now - (self._hindered or now), 0) / SECOND

    def forget(self) -> None:
        """Drops what waits: it will be read again by whoever has its partition."""
        self._waiting.clear()
        self._holds.clear()

    async def _work(self) -> None:
        self.forget()
        settings, connection = self._settings, self._connection()
        consumer = AIOKafkaConsumer(
            **connection,
            # JoinGroup is answered when the slowest member has joined, or its session is over.
            request_timeout_ms=int((self._clients.request_seconds + settings.session_seconds) * 1000),
            group_id=settings.group,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=settings.partition_fetch_bytes,
            session_timeout_ms=int(settings.session_seconds * 1000),
            heartbeat_interval_ms=int(settings.session_seconds * 1000 / 3),
            max_poll_interval_ms=int(_PATIENCE_SECONDS * 1000),
        )
        producer = AIOKafkaProducer(
            **connection,
            request_timeout_ms=int(self._clients.request_seconds * 1000),
            enable_idempotence=True,
        )
        async with producer:
            await consumer.start()
            try:
                listener = _Listener(self)
                if settings.pattern is not None:
                    consumer.subscribe(pattern=settings.pattern, listener=listener)
                else:
                    consumer.subscribe(topics=list(settings.topics), listener=listener)
                while True:
                    await self._fetch(consumer)
                    await self._ripe(consumer, producer)
                    self._hindered = None
            finally:
                await stop_consumer(consumer)

    def _connection(self) -> dict[str, Any]:
        return {
            "bootstrap_servers": self._clients.bootstrap,
            "client_id": self._clients.client_id,
            "metadata_max_age_ms": int(self._clients.metadata_seconds * 1000),
            **self._clients.security,
        }

    async def _fetch(self, consumer: Any) -> None:
        """Takes records of the partitions of which none wait."""
        wanted = [each for each in consumer.assignment() if each not in self._waiting]
        if not wanted:
            await consumer.getmany(_NOTHING, timeout_ms=0)
            await asyncio.sleep(_POLL_SECONDS)
            return
        got = await self._poll(consumer, wanted)
        now = self._clock()
        for source, records in got.items():
            due = max(kafka_time(record, now) for record in records) + self._settings.delay
            self._waiting[source] = _Waiting(records, due)

    async def _poll(
        self, consumer: Any, wanted: Sequence[TopicPartition]
    ) -> dict[TopicPartition, Sequence[Any]]:
        """The next records; those that cannot be decoded are passed over, as the scan stage has told of them."""
        starts = {source: await consumer.position(source) for source in wanted}
        try:
            got: dict[TopicPartition, Sequence[Any]] = await consumer.getmany(
                *wanted, timeout_ms=_POLL_MS, max_records=self._settings.poll_records
            )
        except Exception as error:
            if not unreadable(error):
                raise
            for source, start in starts.items():  # what was polled of the others is gone with the error
                consumer.seek(source, start)
            apart = {source: await self._poll_apart(consumer, source) for source in wanted}
            return {source: records for source, records in apart.items() if records}
        return got

    async def _poll_apart(self, consumer: Any, source: TopicPartition) -> Sequence[Any]:
        """The next records of one partition, one by one, but those that cannot be decoded."""
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

    async def _ripe(self, consumer: Any, producer: Any) -> None:
        """Looks through what has waited long enough, and through what was held too long."""
        now = self._clock()
        for source, waiting in sorted(self._waiting.items(), key=lambda item: item[1].due):
            if waiting.due > now or not await self._all_known(waiting.due):
                break
            await self._look(source, waiting.records, consumer, producer)
        for source, (hold, since) in list(self._holds.items()):
            if hold and source not in self._waiting and now - since >= HELD + self._settings.delay:
                await self._look(source, (), consumer, producer)

    async def _all_known(self, due: int) -> bool:
        """Whether what was registered by then is known."""
        if due > self._scanned_until and await self._scanned(due):
            self._scanned_until = due
        return due <= self._scanned_until

    async def _look(
        self, source: TopicPartition, records: Sequence[Any], consumer: Any, producer: Any
    ) -> None:
        now = self._clock()
        hold, since = self._holds.get(source) or (RecordAssembler(self._shapes(source.topic)), now)
        position = records[-1].offset + 1 if records else await consumer.position(source)
        outputs, leaks = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._outputs, source, records, hold, now
        )
        if source not in consumer.assignment():
            return
        sent = [
            await producer.send(
                output.topic,
                output.value,
                key=output.key,
                partition=partition_of(output.key or b"", self._settings.work_partitions),
                headers=list(output.headers),
            )
            for output in outputs
        ]
        for done in sent:
            await done
        # Last, and only what waits for nothing more: after a crash the rest is read again.
        offset = position if hold.oldest is None else hold.oldest
        await consumer.commit({source: offset})
        self._waiting.pop(source, None)
        self._holds[source] = hold, since if hold and source in self._holds else now
        size = sum(len(record.value) for record in records if record.value is not None)
        self._observe(
            LookbackProgress(
                Partition(source.topic, source.partition), len(records), size, leaks, len(outputs)
            )
        )

    def _outputs(
        self, source: TopicPartition, records: Sequence[Any], hold: RecordAssembler, now: int
    ) -> tuple[list[Output], int]:
        """What the registered credentials in the records give, and how many leaks that are."""
        finder = self._finders.known_finder
        segments = hold.read(records, now, Contents()) if records else hold.flush()
        outputs: list[Output] = []
        leaks = find_leaks(finder, source.topic, source.partition, segments)
        for leak in leaks:
            outputs += work_outputs(self._settings.work, veiled(leak, self._keys), leak.offset, self._feed)
        if leaks:
            outputs += self._withdrawn(source, segments, {leak.offset for leak in leaks})
        return outputs, len(leaks)

    def _withdrawn(
        self, source: TopicPartition, segments: Iterable[Segment], offsets: set[int | None]
    ) -> Iterator[Output]:
        """What these records were said to show before the credential was known, and is part of its secret.

        `Authorization: Basic` with a token in it is a secret to a pattern; once the token is registered, the token is
        what leaked, as a scan that knew it would have said.
        """
        pieces = of_pieces(
            [piece for segment in segments for piece in segment.pieces() if piece.offset in offsets]
        )
        finders, place = self._finders, (source.topic, source.partition, [pieces])
        kept = {(leak.id, leak.fingerprint) for leak in find_leaks(finders.finder, *place)}
        for leak in find_leaks(finders.pattern_finder, *place):
            if (leak.id, leak.fingerprint) not in kept:
                said = encode(LeakWithdrawal(leak.source, leak.id, leak.time))
                yield Output(self._settings.work, secret_key(leak.fingerprint).encode(), said)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Tells the look-back of a rebalance."""

    def __init__(self, lookback: Lookback) -> None:
        self._lookback = lookback

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:  # noqa: ARG002 - it is always all
        """All of them, always: the protocol is the eager one."""
        self._lookback.forget()

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """They are read from what is committed."""
