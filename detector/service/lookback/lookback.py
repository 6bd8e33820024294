"""The look-back reads the logs a second time, some minutes later, for credentials that were registered late.

It looks for registered credentials only. A record that asked for more than the first share of decoding is scanned
whole, for all secrets, with a larger share; what asks for more than that as well is reported. Where a record shows a
registered credential, it withdraws the leaks that the scan stage found in the same text while the credential was
unknown: they were parts of the credential's secret. A leak that both find has one identity, its record and secret, and
the judge stage counts it once. So the look-back need not be exactly once: it is at least once.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any

import msgspec

from detector.ingest.classify import BUNDLED
from detector.ingest.kafka_records import latest_kafka_time
from detector.kafka.delayed_reader import Processed
from detector.kafka.handlers import Output, Partition
from detector.records.record_columns import size_of
from detector.registry.registered import RegisteredCredentials
from detector.service.scan.handler import PATIENCE, ClassifierOf
from detector.service.scan.turns import ScanTurns
from detector.service.scan.work_records import WorkRecords
from detector.stages.scan import LookbackFacts, PartitionScanner
from detector.values.times import SKEW


class LookbackProgress(msgspec.Struct, frozen=True):
    """Some records of one partition were scanned again, and that is committed. `size` is that of their values.

    `limited` could not be examined whole, `limited_size` is the bytes of their text.
    """

    partition: Partition
    records: int
    size: int
    leaks: int
    outputs: int
    limited: int = 0
    limited_size: int = 0


class LookbackProblem(msgspec.Struct, frozen=True):
    """The look-back failed and will try again. `why` is for a person."""

    why: str


class LookbackSettings(msgspec.Struct, frozen=True):
    """`work` is the work topic, `delay` (ns) how far behind the logs are read, `classifier_of` what a topic may hold.

    `skew` (ns) is the policy's.
    """

    work: str
    delay: int
    classifier_of: ClassifierOf = lambda _: BUNDLED
    skew: int = SKEW


class _PartitionScan(msgspec.Struct):
    """One partition: its text that waits for later records, and since when (ns)."""

    scanner: PartitionScanner
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
        self._turns = ScanTurns(threads)
        self._patience = PATIENCE + settings.delay
        self._clock = clock
        self._observe = observe
        keys = tuple(key.material for key in registered.finders.keys)
        self._work = WorkRecords(settings.work, registered, keys)
        self._partitions: dict[Partition, _PartitionScan] = {}

    def latest(self, records: Sequence[Any], now: int) -> int:
        """By Kafka's timestamps, as far as they can be true."""
        return latest_kafka_time(records, now, self._settings.skew)

    async def process(self, partition: Partition, records: Sequence[Any]) -> Processed:
        """The leaks of registered credentials in the records, and the withdrawals of what they explain."""
        now = self._clock()
        scan = self._partitions.get(partition)
        if scan is None:
            classifier = self._settings.classifier_of(partition.topic)
            skew = self._settings.skew
            scanner = PartitionScanner(partition.topic, partition.number, classifier, skew=skew)
            scan = _PartitionScan(scanner, now)
            self._partitions[partition] = scan
        size = size_of(records)
        outputs, facts = await self._turns.scanned(partition, size, self._outputs, records, scan.scanner, now)
        if scan.scanner.oldest is None:
            scan.since = now
        scan.progress = LookbackProgress(
            partition,
            len(records),
            size,
            len(facts.leaks),
            len(outputs),
            len(facts.limited),
            sum(record.size for record in facts.limited),
        )
        return Processed(outputs, scan.scanner.oldest)

    def overdue(self, now: int) -> Iterable[Partition]:
        """The partitions whose text has waited long enough for later records."""
        return [
            partition
            for partition, scan in self._partitions.items()
            if scan.scanner.oldest is not None and now - scan.since >= self._patience
        ]

    def committed(self, partition: Partition) -> None:
        """Reports the progress."""
        scan = self._partitions.get(partition)
        if scan is not None and scan.progress is not None:
            self._observe(scan.progress)
            scan.progress = None

    def forget(self) -> None:
        """Drops the text that waits."""
        for partition in self._partitions:
            self._turns.forget(partition)
        self._partitions.clear()

    def _outputs(
        self, records: Sequence[Any], scanner: PartitionScanner, now: int
    ) -> tuple[list[Output], LookbackFacts]:
        """The outputs, and what was found."""
        facts = scanner.look_back(records, self._registered.finders, now)
        outputs = [output for leak in facts.leaks for output in self._work.of(leak, leak.offset)]
        outputs += [output for record in facts.limited for output in self._work.of(record, record.offset)]
        return outputs + [self._work.withdrawal(leak) for leak in facts.withdrawn], facts
