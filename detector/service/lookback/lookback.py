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
from detector.records.record_columns import chosen, size_of
from detector.registry.registered import RegisteredCredentials
from detector.service.scan.handler import PATIENCE, ClassifierOf
from detector.service.scan.scan_marks import NoMarks
from detector.service.scan.suspects import Suspects
from detector.service.scan.trials import Death, why_it_dies
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
    end: int = 0  # the offset behind the last record


class Lookback:
    """Implements `detector.kafka.delayed_reader.DelayedHandler`. `clock` gives ns."""

    def __init__(  # noqa: PLR0913 - what it works with, each by its name
        self,
        settings: LookbackSettings,
        registered: RegisteredCredentials,
        threads: Executor,
        *,
        clock: Callable[[], int] = time.time_ns,
        observe: Callable[[LookbackProgress | LookbackProblem], None] = lambda _: None,
        marks: NoMarks | None = None,
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
        self._marks = NoMarks() if marks is None else marks
        self._suspects = Suspects(self._marks)

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
            self._suspects.assigned(partition)
        outlived = await self._outlived(partition, records, scan.scanner, now)
        if records and not outlived:
            return Processed([], scan.scanner.oldest)
        end = records[-1].offset + 1 if records else 0
        records, size = outlived, size_of(outlived)
        with self._suspects.timed(partition, end):
            outputs, facts = await self._turns.scanned(
                partition, size, self._marked, partition, end, records, scan.scanner, now
            )
        scan.end = max(scan.end, end)
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

    async def _outlived(
        self, partition: Partition, records: Sequence[Any], scanner: PartitionScanner, now: int
    ) -> Sequence[Any]:
        """The records without those that no scan outlives. They are tried out if a process may have died of one.

        Raises:
            StopError: memory is lacking.
        """
        records = self._suspects.without_aside(partition, records)

        async def dies(some: Sequence[Any]) -> Death | None:
            return await why_it_dies(lambda: scanner.look_back(some, self._registered.finders, now))

        while records and self._suspects.has(partition, records[0].offset):
            if await dies(records) is None:
                break
            low, high = 0, len(records)
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if await dies(records[:middle]) else (middle, high)
            found = records[low]
            death = await dies(records[low:high])
            if death is None:  # many records together take long: each goes on
                break
            if death.lacking:
                raise death.error(partition, [found])
            self._marks.set_aside(partition, found.offset)
            where = f"topic {partition.topic}, partition {partition.number}, offset {found.offset}"
            self._observe(LookbackProblem(f"it skips a record: {death.why} ({where})"))
            records = chosen(records, [*range(low), *range(high, len(records))])
        return records

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
            self._suspects.committed(partition, scan.end)
            self._observe(scan.progress)
            scan.progress = None

    def forget(self) -> None:
        """Drops the text that waits."""
        for partition in self._partitions:
            self._turns.forget(partition)
        self._partitions.clear()

    def _marked(
        self, partition: Partition, end: int, records: Sequence[Any], scanner: PartitionScanner, now: int
    ) -> tuple[list[Output], LookbackFacts]:
        with self._marks.scanning("lookback", partition, end):
            return self._outputs(records, scanner, now)

    def _outputs(
        self, records: Sequence[Any], scanner: PartitionScanner, now: int
    ) -> tuple[list[Output], LookbackFacts]:
        """The outputs, and what was found."""
        facts = scanner.look_back(records, self._registered.finders, now)
        outputs = [output for leak in facts.leaks for output in self._work.of(leak, leak.offset)]
        outputs += [output for record in facts.limited for output in self._work.of(record, record.offset)]
        return outputs + [self._work.withdrawal(leak) for leak in facts.withdrawn], facts
