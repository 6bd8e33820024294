"""Looks at the stages once a second: gauges, readiness, and whether one of them is stalled."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from detector.kafka.handlers import Partition
from detector.kafka.stage_facts import PartitionStopped
from detector.service.judge.reports import JudgedTransaction
from detector.service.observability import series
from detector.service.observability.measuring import HandlerThroughput, StageName
from detector.service.observability.metrics import Metrics
from detector.service.observability.operator_log import OperatorLog
from detector.service.observability.readiness import Readiness, StandbyCopies

_MILLI: Final = 1000


class SampledStage(Protocol):
    """The part of `detector.kafka.stage.Stage` that is sampled."""

    @property
    def partitions(self) -> dict[Partition, bool]:
        """See `Stage`."""

    @property
    def problem(self) -> str | None:
        """See `Stage`."""

    def lags(self) -> dict[Partition, int]:
        """See `Stage`."""

    def stalled(self) -> dict[Partition, float]:
        """See `Stage`."""


class Sampling:
    """Keeps what the facts say about each partition, and samples the stages. `now` is the Unix time in seconds."""

    def __init__(
        self,
        metrics: Metrics,
        readiness: Readiness,
        operator_log: OperatorLog,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics
        self._readiness = readiness
        self._operator_log = operator_log
        self._now = now
        self._newest_ms: dict[tuple[StageName, Partition], int] = {}
        self._unread_since: dict[tuple[StageName, Partition], float] = {}  # where nothing was read yet
        self._unreported: dict[int, tuple[str, ...]] = {}  # inputs that a partition of work waits for
        self._unfindable = 0

    def observe(self, stage: StageName, fact: Any) -> None:
        """Notes how far a partition has got."""
        if isinstance(fact, HandlerThroughput) and fact.newest_ms is not None:
            self._newest_ms[stage, fact.partition] = fact.newest_ms
            self._unread_since.pop((stage, fact.partition), None)
        elif isinstance(fact, PartitionStopped):
            self._newest_ms.pop((stage, fact.partition), None)
            self._unread_since.pop((stage, fact.partition), None)
            if stage == "judge":
                self._unreported.pop(fact.partition.number, None)
        elif isinstance(fact, JudgedTransaction):
            self._unreported[fact.partition] = fact.unreported

    def sample(self, stages: Mapping[StageName, SampledStage]) -> None:
        """Sets gauges and readiness to how the stages are now."""
        for gauge in (series.LAG, series.LAG_SECONDS):  # a topic that others read has no lag here
            self._metrics.clear(gauge)
        for name, stage in stages.items():
            behind = self._lags(name, stage.lags())
            partitions = stage.partitions
            self._metrics.set(series.PARTITIONS, len(partitions), name, "held")
            self._metrics.set(series.PARTITIONS, sum(partitions.values()), name, "ready")
            stalled = stage.stalled()
            self._metrics.set(series.STANDING, max(stalled.values(), default=0.0), name)
            self._readiness.update(name, partitions, behind, stage.problem)
            self._readiness.update_stalled(name, stalled)
            self._operator_log.update(name, partitions)

    def sample_inputs(self, problem: str | None) -> None:
        """Tells which inputs hold the watermark. `problem` is why it is not known which there are."""
        names = sorted({name for some in self._unreported.values() for name in some})
        self._readiness.update_inputs(names, problem)
        self._metrics.clear(series.UNREPORTED)
        topics = Counter(self._metrics.bounded("topic", name.rpartition("-")[0]) for name in names)
        for topic, count in topics.items():
            self._metrics.set(series.UNREPORTED, count, topic)

    def sample_standbys(self, held: int, lags: Mapping[Partition, int]) -> None:
        """Takes how many standby copies are kept, and how far those are behind that were at the end before."""
        self._metrics.set(series.STANDBYS, held, "held")
        self._metrics.set(series.STANDBYS, len(lags), "ready")
        furthest = max(lags.values(), default=0)
        self._metrics.set(series.STANDBY_LAG, furthest)
        self._readiness.standbys = StandbyCopies(held, len(lags), furthest)

    def sample_unfindable(self, unfindable: Mapping[str, int]) -> None:
        """Takes how many registered identifiers no scan can find, by the reason; logs if they have become more."""
        count = sum(unfindable.values())
        self._metrics.set(series.UNFINDABLE, count)
        if count > self._unfindable:
            self._operator_log.warn(
                "registered identifiers that no scan can find: a leak of their secrets goes unseen",
                count=count,
                why="; ".join(sorted(unfindable)),
            )
        self._unfindable = count

    def _lags(self, stage: StageName, lags: Mapping[Partition, int]) -> float:
        """Sets the lags by topic; the largest in seconds."""
        records: Counter[str] = Counter()
        seconds: dict[str, float] = {}
        for partition, lag in lags.items():
            behind = self._seconds_behind(stage, partition) if lag else 0.0
            if not lag:
                self._unread_since.pop((stage, partition), None)
            topic = self._metrics.bounded("topic", partition.topic)
            records[topic] += lag
            seconds[topic] = max(seconds.get(topic, 0.0), behind)
        for topic, lag in records.items():
            self._metrics.set(series.LAG, lag, stage, topic)
            self._metrics.set(series.LAG_SECONDS, seconds[topic], stage, topic)
        return max(seconds.values(), default=0.0)

    def _seconds_behind(self, stage: StageName, partition: Partition) -> float:
        """By the newest record that was read; if none was since the start, by how long records have waited here."""
        newest, now = self._newest_ms.get((stage, partition)), self._now()
        since = self._unread_since.setdefault((stage, partition), now) if newest is None else newest / _MILLI
        return max(now - since, 0.0)
