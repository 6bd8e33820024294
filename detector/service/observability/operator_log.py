"""The log that an operator reads: facts become lines, few however often a fact repeats.

A line says what happened, where, and what the service does about it. Partitions that are taken are one line for all,
and one for each at the level `debug` only. If a broker is away, hundreds of partitions fail once a second. Such a line
comes once in a while, and its `more` says how many like it were left out.
"""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from functools import singledispatchmethod
from typing import Any, Final

from detector.kafka.handlers import Partition
from detector.kafka.stage_facts import (
    BrokersUnreachable,
    ColumnsUnavailable,
    PartitionStarted,
    PartitionStopped,
    Rebalanced,
    RefusalHandled,
)
from detector.service.judge.restore import Restored
from detector.service.judge.standby_stores import StandbyFailed, StandbyRestored
from detector.service.lookback.lookback import LookbackProblem
from detector.service.observability.measuring import StageName
from detector.service.scan.handler import ScannedPoll

QUIET_SECONDS: Final = 60.0
_KINDS: Final = 256  # remembered at once; there are fewer, but a reason may quote the world outside
NO_STORE: Final = "none there"  # why a store is rebuilt that did not exist


class RepeatLimit:
    """Lets one of a kind through every `seconds`."""

    def __init__(self, clock: Callable[[], float], seconds: float = QUIET_SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._last: dict[Hashable, float] = {}
        self._more: Counter[Hashable] = Counter()

    def __call__(self, *kind: Hashable) -> dict[str, int] | None:
        """None if it is too soon; else what to add to the line: how many of the kind were left out before it."""
        now = self._clock()
        last = self._last.get(kind)
        if last is not None and now - last < self._seconds:
            self._more[kind] += 1
            return None
        if len(self._last) >= _KINDS:
            self._last.clear()
            self._more.clear()
        self._last[kind] = now
        more = self._more.pop(kind, 0)
        return {"more": more} if more else {}


class OperatorLog:
    """Writes to `log`, which is structlog's."""

    def __init__(self, log: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._limit = RepeatLimit(clock)
        self._failing: dict[StageName, float] = {}  # since when
        self._taken: dict[StageName, list[float]] = {}  # seconds for each partition, until all are at work
        self._restored_records: Counter[StageName] = Counter()  # in the meantime
        self._with_text: set[str] = set()  # event topics

    def warn(self, event: str, **fields: Any) -> None:
        """A warning that may come often, always with the same `event`."""
        more = self._limit(event)
        if more is not None:
            self._log.warning(event, **fields, **more)

    def observe(self, stage: StageName, fact: Any) -> None:
        """Logs a fact of a stage, if a person wants to know it."""
        self._take(fact, stage)

    def update(self, stage: StageName, partitions: Mapping[Partition, bool]) -> None:
        """Takes the partitions of a stage, and whether each is at work. Logs when all of them are, or are again."""
        if not partitions or not all(partitions.values()):
            return
        taken, records = self._taken.pop(stage, []), self._restored_records.pop(stage, 0)
        since = self._failing.pop(stage, None)
        if since is not None:
            seconds = round(self._clock() - since, 1)
            self._log.info(
                "all partitions are running again", stage=stage, partitions=len(partitions), seconds=seconds
            )
        elif taken:
            self._log.info(
                "partitions taken",
                stage=stage,
                partitions=len(taken),
                restored_records=records,
                longest_seconds=max(taken),
            )

    @singledispatchmethod
    def _take(self, _fact: Any, _stage: StageName) -> None:
        """Other facts are not logged."""

    @_take.register
    def _rebalanced(self, fact: Rebalanced, stage: StageName) -> None:
        counts = {name: len(getattr(fact, name)) for name in ("kept", "gained", "lost")}
        self._log.info("rebalanced", stage=stage, seconds=round(fact.seconds, 3), **counts)

    @_take.register
    def _started(self, fact: PartitionStarted, stage: StageName) -> None:
        seconds = round(fact.seconds, 3)
        self._taken.setdefault(stage, []).append(seconds)
        self._log.debug(
            "partition taken", stage=stage, **_named(fact.partition), offset=fact.offset, seconds=seconds
        )

    @_take.register
    def _restored(self, fact: Restored, stage: StageName) -> None:
        fields = {"partition": fact.partition, "records": fact.changes, "seconds": round(fact.seconds, 3)}
        self._restored_records[stage] += fact.changes
        if fact.reason is None:
            self._log.debug("state caught up with its changelog", stage=stage, **fields)
        elif fact.reason == NO_STORE:
            self._log.debug("state built from its changelog", stage=stage, **fields)
        else:
            self._log.warning(
                "state on disk cannot be used: rebuilt from its changelog",
                stage=stage,
                why=fact.reason,
                **fields,
            )

    @_take.register
    def _standby_restored(self, fact: StandbyRestored, stage: StageName) -> None:
        restored = fact.restored
        fields = {"records": restored.changes, "seconds": round(restored.seconds, 3)}
        why = {} if restored.reason is None else {"why": restored.reason}
        self._log.info("standby copy is ready", stage=stage, partition=restored.partition, **fields, **why)

    @_take.register
    def _standby_failed(self, fact: StandbyFailed, stage: StageName) -> None:
        more = self._limit("standby", fact.why)
        if more is not None:
            where = {} if fact.partition is None else {"partition": fact.partition}
            self._log.warning(
                "a standby copy cannot be kept now, trying again", stage=stage, **where, why=fact.why, **more
            )

    @_take.register
    def _unreachable(self, fact: BrokersUnreachable, stage: StageName) -> None:
        more = self._limit("unreachable", stage, fact.detail)
        if more is not None:
            self._log.warning("cannot join the group yet, trying again", stage=stage, why=fact.detail, **more)

    @_take.register
    def _record_by_record(self, fact: ColumnsUnavailable, stage: StageName) -> None:
        self._log.warning(
            "reading is slower than it could be: curfewd does not know this version of aiokafka",
            stage=stage,
            version=fact.version,
        )

    @_take.register
    def _stopped(self, fact: PartitionStopped, stage: StageName) -> None:
        where = {"stage": stage, **_named(fact.partition)}
        if fact.reason in {"moved", "stopped"}:
            self._log.debug("partition left", **where, reason=fact.reason)
            return
        self._failing.setdefault(stage, self._clock())
        more = self._limit("stopped", stage, fact.reason, fact.detail)
        if more is None:
            return
        if fact.reason == "fenced":
            event = "another instance has taken the partition: the open transaction is aborted"
        else:
            event = "work on a partition failed: it starts again from the committed offset"
        self._log.warning(event, **where, reason=fact.reason, why=fact.detail, **more)

    @_take.register
    def _refused(self, fact: RefusalHandled, stage: StageName) -> None:
        refusal = fact.refusal
        more = self._limit("refused", stage, refusal.reason, fact.lost)
        if more is None:
            return
        fields: dict[str, Any] = {"stage": stage, **_named(fact.partition), "reason": refusal.reason}
        if refusal.offset is not None:
            fields["offset"] = refusal.offset
        if refusal.output is not None:
            fields |= {"output": refusal.output.topic, "limit": refusal.limit}
        if refusal.error:
            fields["error"] = refusal.error
        if fact.lost:
            self._log.error("something cannot be written and is lost", **fields, **more)
        else:
            self._log.warning("something cannot be processed: it is skipped", **fields, **more)

    @_take.register
    def _scanned(self, fact: ScannedPoll, stage: StageName) -> None:
        for reason in set(fact.dead):
            more = self._limit("dead", stage, fact.partition.topic, reason)
            if more is not None:
                self._log.warning(
                    "records that cannot be read: see the dead letters",
                    stage=stage,
                    topic=fact.partition.topic,
                    reason=reason,
                    **more,
                )

        if "event" in fact.misplaced:
            more = self._limit("misplaced", fact.partition.topic)
            if more is not None:
                self._log.warning(
                    "records in a log topic look like events: they are not believed. Somebody forges events, or the "
                    "topic belongs under event_topics",
                    stage=stage,
                    topic=fact.partition.topic,
                    records=fact.misplaced["event"],
                    **more,
                )
        if "text" in fact.misplaced and fact.partition.topic not in self._with_text:
            if len(self._with_text) < _KINDS:
                self._with_text.add(fact.partition.topic)
            self._log.warning(
                "log records came in an event topic: if others than trusted programs write them, move the topic to "
                "log_topics",
                stage=stage,
                topic=fact.partition.topic,
            )

    @_take.register
    def _lookback_failed(self, fact: LookbackProblem, _stage: StageName) -> None:
        self.warn("the look-back failed, trying again", why=fact.why)


def _named(partition: Partition) -> dict[str, Any]:
    return {"topic": partition.topic, "partition": partition.number}
