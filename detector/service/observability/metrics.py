"""Turns facts into series: the stages tell, Prometheus is one that listens. The registry is this object's own."""

import platform
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any, Final, get_args

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from detector import __version__
from detector.judge.rules.catalog import RULES
from detector.judge.totals import Exposure
from detector.kafka.handlers import Output, Partition, RefusalReason
from detector.kafka.stage_facts import Committed, Dropped, DropReason, Rebalanced, Refused, StepDone, Taken
from detector.records.dead_letters import REASONS, DeadLetter
from detector.service.http.server import Answer
from detector.service.judge.reports import JudgedTransaction
from detector.service.judge.restore import Restored
from detector.service.lookback.lookback import LookbackProblem, LookbackProgress
from detector.service.observability import series as names
from detector.service.observability.measuring import HandlerThroughput, StageName
from detector.service.observability.series import Series
from detector.service.scan.handler import ScannedPoll
from detector.service.scan.redaction import Redacted
from detector.values.findings import Command, FindingChange, Severity

TOLD_APART: Final = 100  # values of a label that comes from outside; the rest are `other`
_LONGEST: Final = 100  # characters of such a value
OTHER: Final = "other"
_MILLI: Final = 1000
_NANO: Final = 1e-9


class Metrics:
    """All series of one process. `work` is the work topic, `now` the Unix time in seconds."""

    def __init__(self, work: str, now: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self._work = work
        self._now = now
        self._made = names.make(self.registry)
        self._seen: dict[tuple[str, str], set[str]] = {}
        self._judging: dict[int, JudgedTransaction] = {}  # the last of each partition
        info = self._made[names.BUILD.name]
        assert isinstance(info, Info)  # noqa: S101 - the table says so
        info.info({"version": __version__, "python": platform.python_version()})
        self.set(names.STARTED, now())
        self._open: set[tuple[StageName, Partition]] = set()  # transactions
        ProcessCollector(registry=self.registry)
        self._start_at_zero()

    def page(self, accept: str) -> Answer:
        """`/metrics`, in OpenMetrics' format for those who ask for it."""
        if "application/openmetrics-text" in accept.lower():
            written = openmetrics.generate_latest(self.registry)  # type: ignore[no-untyped-call]  # it has no types
            return Answer(200, written, openmetrics.CONTENT_TYPE_LATEST)
        return Answer(200, generate_latest(self.registry), CONTENT_TYPE_LATEST)

    def add(self, series: Series, *labels: str, amount: float = 1, uid: str | None = None) -> None:
        """Adds to a counter; `uid` becomes its exemplar."""
        counter = self._made[series.name]
        assert isinstance(counter, Counter)  # noqa: S101 - the table says so
        exemplar = None if uid is None else {"finding_uid": uid}
        (counter.labels(*labels) if labels else counter).inc(amount, exemplar)

    def set(self, series: Series, value: float, *labels: str) -> None:
        """Sets a gauge."""
        gauge = self._made[series.name]
        assert isinstance(gauge, Gauge)  # noqa: S101 - the table says so
        (gauge.labels(*labels) if labels else gauge).set(value)

    def follow(self, series: Series, value: Callable[[], float]) -> None:
        """A gauge that is asked for whenever somebody looks."""
        gauge = self._made[series.name]
        assert isinstance(gauge, Gauge)  # noqa: S101 - the table says so
        gauge.set_function(value)

    def time(self, series: Series, seconds: float, *labels: str, uid: str | None = None) -> None:
        """Adds to a histogram; `uid` becomes the exemplar of its bucket."""
        histogram = self._made[series.name]
        assert isinstance(histogram, Histogram)  # noqa: S101 - the table says so
        exemplar = None if uid is None else {"finding_uid": uid}
        (histogram.labels(*labels) if labels else histogram).observe(seconds, exemplar)

    def clear(self, series: Series) -> None:
        """Forgets the label sets of a gauge, before it is set anew."""
        self._made[series.name].clear()

    def observer(self, stage: StageName) -> Callable[[Any], None]:
        """Takes the facts of a stage, of its runner and of its handler."""

        def observe(fact: Any) -> None:
            take = _TAKES.get(type(fact))
            if take is not None:
                take(self, stage, fact)

        return observe

    def few(self, label: str, value: str, within: str = "") -> str:
        """A value that comes from outside, as long as there are not too many of them."""
        seen = self._seen.setdefault((label, within), set())
        value = value[:_LONGEST]
        if value in seen:
            return value
        if len(seen) >= TOLD_APART:
            return OTHER
        seen.add(value)
        return value

    def _start_at_zero(self) -> None:
        """Counters that alerts are made of are there before the first time: a rate needs a zero to start from."""
        for kind in ("plain", "escalated"):
            self.add(names.COMMANDS, kind, amount=0)
        for outcome in ("done", "refused"):
            self.add(names.RELOADS, outcome, amount=0)

    def expect(self, stage: StageName) -> None:
        """Likewise for a stage that this process runs."""
        for series in (names.BEGUN, names.REBALANCES, names.REBALANCE_SECONDS):
            self.add(series, stage, amount=0)
        for outcome in ("committed", "aborted"):
            self.add(names.TRANSACTIONS, stage, outcome, amount=0)
        for reason in get_args(DropReason):
            self.add(names.DROPPED, stage, reason, amount=0)
        for reason in get_args(RefusalReason):
            self.add(names.LOST, stage, reason, "yes", amount=0)
        if stage == "scan":
            for reason in REASONS:
                self.add(names.DEAD, stage, self.few("reason", reason), amount=0)
        if stage == "judge":
            for kind in ("caught-up", "rebuilt"):
                self.add(names.RESTORES, kind, amount=0)
            for rule, severity, activity in product(RULES, Severity, ("created", "updated")):
                self.add(names.FINDINGS, rule, severity.label, activity, "no", amount=0)
            self._sum_up()

    def _taken(self, stage: StageName, fact: Taken) -> None:
        """A topic that nothing comes from has to be told apart from one that nobody reads."""
        topic = self.few("topic", fact.partition.topic)
        for series in (names.RECORDS, names.BYTES):
            self.add(series, stage, topic, amount=0)

    def _through(self, stage: StageName, fact: HandlerThroughput) -> None:
        topic = self.few("topic", fact.partition.topic)
        if fact.records:
            self.add(names.RECORDS, stage, topic, amount=fact.records)
            self.add(names.BYTES, stage, topic, amount=fact.size)
            self.time(names.PROCESSING, fact.seconds, stage)
        self._outputs(stage, fact.outputs)

    def _outputs(self, stage: StageName, outputs: Iterable[Output]) -> None:
        """Counts what was written."""
        by_topic: dict[str, int] = {}
        for output in outputs:
            by_topic[output.topic] = by_topic.get(output.topic, 0) + 1
            fact = output.fact
            if isinstance(fact, FindingChange):
                self.add(
                    names.FINDINGS,
                    fact.finding.rule,
                    fact.finding.severity.label,
                    fact.activity,
                    "yes" if fact.accepted else "no",
                    uid=fact.finding.uid,
                )
            elif isinstance(fact, Command):
                self.add(names.COMMANDS, "escalated" if fact.escalated else "plain")
            elif isinstance(fact, DeadLetter):
                self.add(names.DEAD, stage, self.few("reason", fact.reason))
        for topic, count in by_topic.items():
            self.add(names.OUTPUTS, stage, self.few("topic", topic), amount=count)

    def _stepped(self, stage: StageName, fact: StepDone) -> None:
        if fact.step == "begun":
            self.add(names.BEGUN, stage)
            self._open.add((stage, fact.partition))
        elif fact.step == "committed":
            self.add(names.TRANSACTIONS, stage, "committed")
            self._open.discard((stage, fact.partition))

    def _committed(self, stage: StageName, fact: Committed) -> None:
        self.time(names.TRANSACTION, fact.seconds, stage)

    def _dropped(self, stage: StageName, fact: Dropped) -> None:
        self.add(names.DROPPED, stage, fact.reason)
        if (stage, fact.partition) in self._open:
            self.add(names.TRANSACTIONS, stage, "aborted")
            self._open.discard((stage, fact.partition))
        if stage == "judge":
            self._judging.pop(fact.partition.number, None)
            self._sum_up()

    def _refused(self, stage: StageName, fact: Refused) -> None:
        self.add(names.LOST, stage, fact.refusal.reason, "yes" if fact.lost else "no")

    def _rebalanced(self, stage: StageName, fact: Rebalanced) -> None:
        self.add(names.REBALANCES, stage)
        self.add(names.REBALANCE_SECONDS, stage, amount=max(fact.seconds, 0.0))

    def _scanned(self, stage: StageName, fact: ScannedPoll) -> None:
        for name, count in fact.formats.items():
            self.add(names.FORMATS, self.few("format", name), amount=count)
        for event in fact.events:
            self.add(names.EVENTS, str(event.__struct_config__.tag))
        if fact.unknown:
            self.add(names.EVENTS, "unknown", amount=fact.unknown)
        self.add(names.LEAKS, stage, amount=fact.leaks)
        for pattern, count in fact.allowed.items():
            self.add(names.ALLOWED, self.few("pattern", pattern), amount=count)

    def _redacted(self, _stage: StageName, fact: Redacted) -> None:
        self.add(names.PASSED_ON, self.few("topic", fact.partition.topic), amount=fact.records)
        for rule, count in fact.rules.items():
            self.add(names.REDACTIONS, self.few("rule", rule), amount=count)

    def _judged(self, _stage: StageName, fact: JudgedTransaction) -> None:
        self.add(names.LATE, amount=fact.late)
        for source, count in fact.expired.items():
            self.add(names.UNRESOLVED, self.few("source", source), amount=count)
        for cause in fact.causes:
            latency = max(self._now() - cause.began_ms / _MILLI, 0.0)
            series = names.COMMAND_LATENCY if cause.kind == "command" else names.FINDING_LATENCY
            self.time(series, latency, uid=cause.uid)
        self._judging[fact.partition] = msgspec.structs.replace(fact, causes=())
        self._sum_up()

    def _sum_up(self) -> None:
        """The gauges over all partitions of work."""
        facts = self._judging.values()
        self.set(names.LEDGER, sum(fact.cached for fact in facts))
        self.set(names.AGGREGATES, sum(fact.totals.aggregates for fact in facts))
        self.set(names.PARKED, sum(fact.totals.parked for fact in facts))
        self.set(names.DISK, sum(fact.disk for fact in facts))
        watermarks = [fact.watermark for fact in facts if fact.watermark is not None]
        self.set(names.WATERMARK, min(watermarks, default=0) * _NANO)
        exposure = Exposure()
        for fact in facts:
            exposure = exposure.moved(Exposure(), fact.totals.exposure)
        self.set(names.EXPOSED, exposure.credentials)
        for rule in RULES:
            self.set(names.EXPOSING, exposure.findings.get(rule, 0), rule)

    def _restored(self, _stage: StageName, fact: Restored) -> None:
        self.add(names.RESTORES, "caught-up" if fact.reason is None else "rebuilt")
        self.time(names.RESTORE_SECONDS, fact.seconds)
        self.add(names.RESTORED, amount=fact.changes)

    def _looked_back(self, stage: StageName, fact: LookbackProgress) -> None:
        topic = self.few("topic", fact.partition.topic)
        self.add(names.RECORDS, stage, topic, amount=fact.records)
        self.add(names.BYTES, stage, topic, amount=fact.size)
        self.add(names.LEAKS, stage, amount=fact.leaks)
        self.add(names.OUTPUTS, stage, self.few("topic", self._work), amount=fact.outputs)

    def _hindered(self, _stage: StageName, _fact: LookbackProblem) -> None:
        self.add(names.LOOKBACK_ERRORS)


_TAKES: Final[dict[type[Any], Callable[[Metrics, StageName, Any], None]]] = {
    HandlerThroughput: Metrics._through,  # noqa: SLF001 - this class' own table
    StepDone: Metrics._stepped,  # noqa: SLF001
    Committed: Metrics._committed,  # noqa: SLF001
    Taken: Metrics._taken,  # noqa: SLF001
    Dropped: Metrics._dropped,  # noqa: SLF001
    Refused: Metrics._refused,  # noqa: SLF001
    Rebalanced: Metrics._rebalanced,  # noqa: SLF001
    ScannedPoll: Metrics._scanned,  # noqa: SLF001
    Redacted: Metrics._redacted,  # noqa: SLF001
    JudgedTransaction: Metrics._judged,  # noqa: SLF001
    Restored: Metrics._restored,  # noqa: SLF001
    LookbackProgress: Metrics._looked_back,  # noqa: SLF001
    LookbackProblem: Metrics._hindered,  # noqa: SLF001
}
