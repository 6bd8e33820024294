"""The look-back reads the logs a second time, some minutes later, for credentials that were registered late.

It looks for registered credentials only. Where a record shows one, it withdraws the leaks that the scan stage found in
the same text while the credential was unknown: they were parts of the credential's secret. A leak that both find has
one identity, its record and secret, and the judge stage counts it once. So the look-back need not be exactly once: it
is at least once.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Any

import msgspec

from detector.ingest.classify import BUNDLED
from detector.ingest.kafka_assembler import RecordAssembler
from detector.ingest.kafka_records import Contents, kafka_time
from detector.ingest.kafka_segments import Segment, of_pieces
from detector.judge.routing import LeakWithdrawal, encode, secret_key
from detector.kafka.delayed_reader import Processed
from detector.kafka.handlers import Output, Partition
from detector.registry.registered import RegisteredCredentials
from detector.service.scan.blinding import veiled
from detector.service.scan.handler import HELD, ClassifierOf, find_leaks, work_outputs


class LookbackProgress(msgspec.Struct, frozen=True):
    """Some records of one partition were scanned again, and that is committed. `size` is that of their values."""

    partition: Partition
    records: int
    size: int
    leaks: int
    outputs: int


class LookbackProblem(msgspec.Struct, frozen=True):
    """The look-back failed and will try again. `why` is for a person."""

    why: str


class LookbackSettings(msgspec.Struct, frozen=True):
    """`work` is the work topic, `delay` (ns) how far behind the logs are read, `shapes` what is recognised in a topic."""

    work: str
    delay: int
    shapes: ClassifierOf = lambda _: BUNDLED


class _PartitionScan(msgspec.Struct):
    """One partition: its text that waits for later records, and since when (ns)."""

    assembler: RecordAssembler
    since: int
    progress: LookbackProgress | None = None


class Lookback:
    """Implements `detector.kafka.delayed_reader.DelayedHandler`. `clock` gives ns."""

    def __init__(
        self,
        settings: LookbackSettings,
        registered: RegisteredCredentials,
        threads: Executor,
        *,
        clock: Callable[[], int] = time.time_ns,
        observe: Callable[[LookbackProgress], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._registered = registered
        self._threads = threads
        self._patience = HELD + settings.delay
        self._clock = clock
        self._observe = observe
        self._keys = tuple(key.material for key in registered.finders.keys)
        self._partitions: dict[Partition, _PartitionScan] = {}

    def time_of(self, record: Any, now: int) -> int:
        """Kafka's timestamp, if it can be true."""
        return kafka_time(record, now)

    async def process(self, partition: Partition, records: Sequence[Any]) -> Processed:
        """The leaks of registered credentials in the records, and the withdrawals of what they explain."""
        now = self._clock()
        scan = self._partitions.get(partition)
        if scan is None:
            scan = _PartitionScan(RecordAssembler(self._settings.shapes(partition.topic)), now)
            self._partitions[partition] = scan
        outputs, leaks = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._outputs, partition, records, scan.assembler, now
        )
        if not scan.assembler:
            scan.since = now
        size = sum(len(record.value) for record in records if record.value is not None)
        scan.progress = LookbackProgress(partition, len(records), size, leaks, len(outputs))
        return Processed(outputs, scan.assembler.oldest)

    def overdue(self, now: int) -> Iterable[Partition]:
        """The partitions whose text has waited long enough for later records."""
        return [
            partition
            for partition, scan in self._partitions.items()
            if scan.assembler and now - scan.since >= self._patience
        ]

    def committed(self, partition: Partition) -> None:
        """Reports the progress."""
        scan = self._partitions.get(partition)
        if scan is not None and scan.progress is not None:
            self._observe(scan.progress)
            scan.progress = None

    def forget(self) -> None:
        """Drops the text that waits."""
        self._partitions.clear()

    def _outputs(
        self, partition: Partition, records: Sequence[Any], assembler: RecordAssembler, now: int
    ) -> tuple[list[Output], int]:
        """What the registered credentials in the records give, and how many leaks these are."""
        finder = self._registered.finders.known_finder
        segments = assembler.read(records, now, Contents()) if records else assembler.flush()
        outputs: list[Output] = []
        leaks = find_leaks(finder, partition.topic, partition.number, segments)
        for leak in leaks:
            outputs += work_outputs(
                self._settings.work, veiled(leak, self._keys), leak.offset, self._registered.registry
            )
        if leaks:
            outputs += self._withdrawals(partition, segments, {leak.offset for leak in leaks})
        return outputs, len(leaks)

    def _withdrawals(
        self, partition: Partition, segments: Iterable[Segment], offsets: set[int | None]
    ) -> Iterator[Output]:
        """Withdraws the leaks that were parts of the credential's secret.

        `Authorization: Basic` with a token in it is a secret to a pattern. Once the token is registered, the token is
        what leaked: a scan that knew it would have said so.
        """
        pieces = of_pieces(
            [piece for segment in segments for piece in segment.pieces() if piece.offset in offsets]
        )
        finders, place = self._registered.finders, (partition.topic, partition.number, [pieces])
        kept = {(leak.id, leak.fingerprint) for leak in find_leaks(finders.finder, *place)}
        for leak in find_leaks(finders.pattern_finder, *place):
            if (leak.id, leak.fingerprint) not in kept:
                withdrawal = encode(LeakWithdrawal(leak.source, leak.id, leak.time))
                yield Output(self._settings.work, secret_key(leak.fingerprint).encode(), withdrawal)
