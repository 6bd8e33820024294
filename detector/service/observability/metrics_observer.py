"""Turns facts into series. The stages report what happened; this is one of those that listen."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import singledispatchmethod
from itertools import product
from operator import is_
from typing import Any, Final, get_args

import msgspec

from detector.judge.joins import JUDGED, JoinCounts
from detector.judge.rules.catalog import RULES
from detector.judge.totals import Exposure
from detector.kafka.handlers import Partition, PassedOn, RefusalReason, ToWrite
from detector.kafka.stage_facts import (
    PartitionStarted,
    PartitionStopped,
    Rebalanced,
    RefusalHandled,
    StopReason,
    TransactionCommitted,
    TransactionStep,
)
from detector.records.dead_letters import REASONS, UNTRUSTED, DeadLetter
from detector.service.judge.reports import JudgedTransaction
from detector.service.judge.restore import Restored, Restoring
from detector.service.lookback.lookback import LookbackProblem, LookbackProgress
from detector.service.observability import series
from detector.service.observability.measuring import HandlerThroughput, StageName
from detector.service.observability.metrics import Metrics
from detector.service.scan.handler import ScannedPoll
from detector.service.scan.redaction import Redacted
from detector.values.findings import Command, FindingChange, Severity

_MILLI: Final = 1000
_NANO: Final = 1e-9


class MetricsObserver:
    """Takes the facts of all stages of a process. `work` is the work topic, `now` the Unix time in seconds."""

    def __init__(self, metrics: Metrics, work: str, now: Callable[[], float]) -> None:
        self._metrics = metrics
        self._work = work
        self._now = now
        self._judged_last: dict[int, JudgedTransaction] = {}  # by partition
        self._judges = False
        self._joins: list[JoinCounts] = []  # of the partitions, as the gauge has them
        self._open: set[tuple[StageName, Partition]] = set()  # transactions
        metrics.before_reading(self._sum_up)
        # A rate needs a zero to start from: counters that alerts use exist before the first count.
        for kind in ("plain", "escalated"):
            metrics.add(series.COMMANDS, kind, amount=0)
        for outcome in ("done", "refused"):
            metrics.add(series.RELOADS, outcome, amount=0)

    def expect(self, stage: StageName) -> None:
        """Sets the counters of a stage to zero: this process runs it."""
        metrics = self._metrics
        for counter in (series.BEGUN, series.REBALANCES, series.REBALANCE_SECONDS):
            metrics.add(counter, stage, amount=0)
        for outcome in ("committed", "aborted"):
            metrics.add(series.TRANSACTIONS, stage, outcome, amount=0)
        for reason in get_args(StopReason):
            metrics.add(series.DROPPED, stage, reason, amount=0)
        for reason in get_args(RefusalReason):
            metrics.add(series.LOST, stage, reason, "yes", amount=0)
        if stage == "scan":
            for reason in REASONS:
                metrics.add(series.DEAD, stage, metrics.bounded("reason", reason), amount=0)
        if stage == "judge":
            for kind in ("caught-up", "rebuilt"):
                metrics.add(series.RESTORES, kind, amount=0)
            for rule, severity, activity in product(RULES, Severity, ("created", "raised", "updated")):
                metrics.add(series.FINDINGS, rule, severity.label, activity, "no", amount=0)
            self._judges = True

    def observe(self, stage: StageName, fact: Any) -> None:
        """Takes a fact of a stage: of its runner or of its handler."""
        self._take(fact, stage)

    @singledispatchmethod
    def _take(self, _fact: Any, _stage: StageName) -> None:
        """No series comes from other facts."""

    @_take.register
    def _started(self, fact: PartitionStarted, stage: StageName) -> None:
        """Sets the counters of its topic to zero: a topic that nobody reads has none."""
        topic = self._metrics.bounded("topic", fact.partition.topic)
        for counter in (series.RECORDS, series.BYTES):
            self._metrics.add(counter, stage, topic, amount=0)
        if stage == "scan":
            for found in ("event", "text"):
                self._metrics.add(series.MISPLACED, topic, found, amount=0)

    @_take.register
    def _processed(self, fact: HandlerThroughput, stage: StageName) -> None:
        topic = self._metrics.bounded("topic", fact.partition.topic)
        if fact.records:
            self._metrics.add(series.RECORDS, stage, topic, amount=fact.records)
            self._metrics.add(series.BYTES, stage, topic, amount=fact.size)
            self._metrics.time(series.PROCESSING, fact.seconds, stage)
        self._written(stage, fact.outputs)

    def _written(self, stage: StageName, outputs: Iterable[ToWrite]) -> None:
        metrics = self._metrics
        by_topic: dict[str, int] = {}
        for output in outputs:
            if isinstance(output, PassedOn):
                by_topic[output.topic] = by_topic.get(output.topic, 0) + len(output)
                continue
            by_topic[output.topic] = by_topic.get(output.topic, 0) + 1
            fact = output.fact
            if fact is None:  # of most
                continue
            if isinstance(fact, FindingChange):
                metrics.add(
                    series.FINDINGS,
                    fact.finding.rule,
                    fact.finding.severity.label,
                    "raised" if fact.raised else fact.activity,
                    "yes" if fact.accepted else "no",
                    uid=fact.finding.uid,
                )
            elif isinstance(fact, Command):
                metrics.add(series.COMMANDS, "escalated" if fact.escalated else "plain")
            elif isinstance(fact, DeadLetter):
                metrics.add(series.DEAD, stage, metrics.bounded("reason", fact.reason))
        for topic, count in by_topic.items():
            metrics.add(series.OUTPUTS, stage, metrics.bounded("topic", topic), amount=count)

    @_take.register
    def _stepped(self, fact: TransactionStep, stage: StageName) -> None:
        if fact.step == "begun":
            self._metrics.add(series.BEGUN, stage)
            self._open.add((stage, fact.partition))
        elif fact.step == "committed":
            self._metrics.add(series.TRANSACTIONS, stage, "committed")
            self._open.discard((stage, fact.partition))

    @_take.register
    def _committed(self, fact: TransactionCommitted, stage: StageName) -> None:
        self._metrics.time(series.TRANSACTION, fact.seconds, stage)

    @_take.register
    def _stopped(self, fact: PartitionStopped, stage: StageName) -> None:
        self._metrics.add(series.DROPPED, stage, fact.reason)
        if (stage, fact.partition) in self._open:
            self._metrics.add(series.TRANSACTIONS, stage, "aborted")
            self._open.discard((stage, fact.partition))
        if stage == "judge":
            self._judged_last.pop(fact.partition.number, None)

    @_take.register
    def _refused(self, fact: RefusalHandled, stage: StageName) -> None:
        self._metrics.add(series.LOST, stage, fact.refusal.reason, "yes" if fact.lost else "no")

    @_take.register
    def _rebalanced(self, fact: Rebalanced, stage: StageName) -> None:
        self._metrics.add(series.REBALANCES, stage)
        self._metrics.add(series.REBALANCE_SECONDS, stage, amount=max(fact.seconds, 0.0))

    @_take.register
    def _scanned(self, fact: ScannedPoll, stage: StageName) -> None:
        metrics = self._metrics
        for name, count in fact.formats.items():
            metrics.add(series.FORMATS, metrics.bounded("format", name), amount=count)
        for event, count in Counter(fact.events).items():
            metrics.add(series.EVENTS, str(event.__struct_config__.tag), amount=count)
        if fact.unknown:
            metrics.add(series.EVENTS, "unknown", amount=fact.unknown)
        for reason in fact.dead:
            if reason in UNTRUSTED:
                topic = metrics.bounded("topic", fact.partition.topic)
                metrics.add(series.UNTRUSTED, topic, metrics.bounded("reason", reason))
        for found, count in fact.misplaced.items():
            metrics.add(series.MISPLACED, metrics.bounded("topic", fact.partition.topic), found, amount=count)
        metrics.add(series.LEAKS, stage, amount=fact.leaks)
        metrics.add(series.LIMITED, stage, amount=fact.limited)
        metrics.add(series.LIMITED_BYTES, stage, amount=fact.limited_size)
        metrics.add(series.MASKED_REVOCATIONS, amount=fact.masked_revocations)
        for pattern, count in fact.allowed.items():
            metrics.add(series.ALLOWED, metrics.bounded("pattern", pattern), amount=count)

    @_take.register
    def _redacted(self, fact: Redacted, _stage: StageName) -> None:
        topic = self._metrics.bounded("topic", fact.partition.topic)
        self._metrics.add(series.PASSED_ON, topic, amount=fact.records)
        for rule, count in fact.rules.items():
            self._metrics.add(series.REDACTIONS, self._metrics.bounded("rule", rule), amount=count)
        for reason, count in fact.unexamined.items():
            self._metrics.add(series.UNEXAMINED, topic, reason, amount=count)

    @_take.register
    def _judged(self, fact: JudgedTransaction, _stage: StageName) -> None:
        metrics = self._metrics
        metrics.add(series.LATE, amount=fact.late)
        for source, count in fact.expired.items():
            metrics.add(series.UNRESOLVED, metrics.bounded("source", source), amount=count)
        for cause in fact.causes:
            latency = max(self._now() - cause.began_ms / _MILLI, 0.0)
            histogram = series.COMMAND_LATENCY if cause.kind == "command" else series.FINDING_LATENCY
            metrics.time(histogram, latency, uid=cause.uid)
        self._judges = True
        self._judged_last[fact.partition] = msgspec.structs.replace(fact, causes=())

    def _sum_up(self) -> None:
        """Sets the gauges that sum over all partitions of work, if this process judges."""
        if not self._judges:
            return
        metrics, facts = self._metrics, list(self._judged_last.values())
        metrics.set(series.LEDGER, sum(fact.cached for fact in facts))
        metrics.set(series.AGGREGATES, sum(fact.totals.aggregates for fact in facts))
        metrics.set(series.PARKED, sum(fact.totals.parked for fact in facts))
        metrics.set(series.DISK, sum(fact.disk for fact in facts))
        watermarks = [fact.watermark for fact in facts if fact.watermark is not None]
        metrics.set(series.WATERMARK, min(watermarks, default=0) * _NANO)
        exposure = Exposure()
        for fact in facts:
            exposure = exposure.moved(Exposure(), fact.totals.exposure)
        metrics.set(series.EXPOSED, exposure.credentials)
        for rule in RULES:
            metrics.set(series.EXPOSING, exposure.findings.get(rule, 0), rule)
        self._sum_joins([fact.totals.joins for fact in facts])

    def _sum_joins(self, joins: list[JoinCounts]) -> None:
        """Sets the gauge of joins. They change seldom: as a rule a partition has the same object as before."""
        if len(joins) == len(self._joins) and all(map(is_, joins, self._joins)):
            return
        self._joins = joins
        counts: Counter[tuple[str, str]] = Counter()
        for each in joins:
            for source, by_join in each.by_source.items():
                shown = self._metrics.bounded("source", source)
                counts.update({(shown, join): count for join, count in by_join.items()})
        self._metrics.clear(series.JOINS)
        for (source, join), count in counts.items():
            self._metrics.set(series.JOINS, count, source, join, "yes" if join in JUDGED else "no")

    @_take.register
    def _restored(self, fact: Restored, _stage: StageName) -> None:
        self._metrics.add(series.RESTORES, "caught-up" if fact.reason is None else "rebuilt")
        self._metrics.time(series.RESTORE_SECONDS, fact.seconds)

    @_take.register
    def _restoring(self, fact: Restoring, _stage: StageName) -> None:
        self._metrics.add(series.RESTORED, amount=fact.changes)

    @_take.register
    def _looked_back(self, fact: LookbackProgress, stage: StageName) -> None:
        metrics = self._metrics
        topic = metrics.bounded("topic", fact.partition.topic)
        metrics.add(series.RECORDS, stage, topic, amount=fact.records)
        metrics.add(series.BYTES, stage, topic, amount=fact.size)
        metrics.add(series.LEAKS, stage, amount=fact.leaks)
        metrics.add(series.LIMITED, stage, amount=fact.limited)
        metrics.add(series.LIMITED_BYTES, stage, amount=fact.limited_size)
        metrics.add(series.OUTPUTS, stage, metrics.bounded("topic", self._work), amount=fact.outputs)

    @_take.register
    def _lookback_failed(self, _fact: LookbackProblem, _stage: StageName) -> None:
        self._metrics.add(series.LOOKBACK_ERRORS)
