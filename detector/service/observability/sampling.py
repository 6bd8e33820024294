"""Looks at the stages once a second: gauges, readiness, and whether one of them stands still."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from detector.kafka.handlers import Partition
from detector.kafka.stage_facts import Dropped
from detector.service.observability import series as names
from detector.service.observability.measuring import HandlerThroughput, StageName
from detector.service.observability.metrics import Metrics
from detector.service.observability.operator_log import OperatorLog
from detector.service.observability.readiness import Readiness

_MILLI: Final = 1000


class Watched(Protocol):
    """The part of a `detector.kafka.stage.Stage` that is looked at."""

    @property
    def partitions(self) -> dict[Partition, bool]:
        """As the stage has it."""

    @property
    def problem(self) -> str | None:
        """As the stage has it."""

    def lags(self) -> dict[Partition, int]:
        """As the stage has it."""

    def standing(self) -> dict[Partition, float]:
        """As the stage has it."""


class Sampling:
    """What was heard of partitions, and what is seen of stages. `now` is the Unix time in seconds."""

    def __init__(
        self,
        metrics: Metrics,
        readiness: Readiness,
        logbook: OperatorLog,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics
        self._readiness = readiness
        self._logbook = logbook
        self._now = now
        self._newest: dict[tuple[StageName, Partition], int] = {}

    def hear(self, stage: StageName, fact: Any) -> None:
        """Takes note of how far a partition has come."""
        if isinstance(fact, HandlerThroughput) and fact.newest_ms is not None:
            self._newest[stage, fact.partition] = fact.newest_ms
        elif isinstance(fact, Dropped):
            self._newest.pop((stage, fact.partition), None)

    def look(self, stages: Mapping[StageName, Watched]) -> None:
        """Sets everything as it stands."""
        for series in (
            names.LAG,
            names.LAG_SECONDS,
        ):  # a topic whose partitions are all elsewhere has no lag here
            self._metrics.clear(series)
        for name, stage in stages.items():
            behind = self._lags(name, stage.lags())
            partitions = stage.partitions
            self._metrics.set(names.PARTITIONS, len(partitions), name, "held")
            self._metrics.set(names.PARTITIONS, sum(partitions.values()), name, "ready")
            standing = stage.standing()
            self._metrics.set(names.STANDING, max(standing.values(), default=0.0), name)
            self._readiness.seen(name, partitions, behind, stage.problem)
            self._readiness.stands(name, standing)
            self._logbook.seen(name, partitions)

    def _lags(self, stage: StageName, lags: Mapping[Partition, int]) -> float:
        """The lags by topic; the largest in seconds."""
        records: Counter[str] = Counter()
        seconds: dict[str, float] = {}
        for partition, lag in lags.items():
            newest = self._newest.get((stage, partition))
            behind = max(self._now() - newest / _MILLI, 0.0) if lag and newest is not None else 0.0
            topic = self._metrics.few("topic", partition.topic)
            records[topic] += lag
            seconds[topic] = max(seconds.get(topic, 0.0), behind)
        for topic, lag in records.items():
            self._metrics.set(names.LAG, lag, stage, topic)
            self._metrics.set(names.LAG_SECONDS, seconds[topic], stage, topic)
        return max(seconds.values(), default=0.0)
