"""What is visible of a stage from outside: gauges, readiness, whether it hangs, and the lines of its log."""

import asyncio
import io
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from aiokafka.errors import KafkaConnectionError

from detector.kafka.connection import ConnectionSettings
from detector.kafka.delayed_reader import DelayedReader, DelayedReaderSettings
from detector.kafka.handlers import Output, Partition, Refusal
from detector.kafka.stage_facts import (
    BrokersUnreachable,
    ColumnsUnavailable,
    PartitionStarted,
    PartitionStopped,
    Rebalanced,
    RefusalHandled,
)
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.scan.sightings import NoPatterns
from detector.service.judge.reports import JudgedTransaction
from detector.service.judge.restore import Restored
from detector.service.lookback.lookback import Lookback, LookbackProblem, LookbackSettings
from detector.service.observability import series
from detector.service.observability.logs import make_log
from detector.service.observability.measuring import HandlerThroughput
from detector.service.observability.metrics import Metrics
from detector.service.observability.operator_log import QUIET_SECONDS, OperatorLog
from detector.service.observability.readiness import STALLED_SECONDS, Readiness
from detector.service.observability.sampling import Sampling
from detector.service.scan.handler import ScannedPoll
from detector.values.times import SECOND
from tests.service.judge.test_judge_over_time import T0
from tests.service.observability.test_logs import Clock

LOGS, AUDIT = Partition("logs", 0), Partition("audit", 1)
NOW = 1_800_000_000.0
GONE = "poll: NodeNotReadyError"


class FakeStage:
    """The part of a stage that is looked at."""

    def __init__(self) -> None:
        self.partitions = {LOGS: True, AUDIT: True}
        self.problem: str | None = None
        self.lag = {LOGS: 5, AUDIT: 0}
        self.stands: dict[Partition, float] = {}

    def lags(self) -> dict[Partition, int]:
        return self.lag

    def stalled(self) -> dict[Partition, float]:
        return self.stands


class Observed:
    """A stage, and all that watches it."""

    def __init__(self, level: str = "info") -> None:
        self.metrics = Metrics()
        self.readiness = Readiness(ready_lag=60 * 10**9)
        self.readiness.waiting = None
        self.readiness.assigned("scan")
        self.out = io.StringIO()
        self.clock = Clock()
        self.book = OperatorLog(make_log("json", level, self.out), self.clock)
        self.sampling = Sampling(self.metrics, self.readiness, self.book, lambda: NOW)
        self.stage = FakeStage()

    def look(self) -> None:
        self.sampling.sample({"scan": self.stage})

    def value(self, of: series.Series, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(of.shown, {"stage": "scan", **labels})

    def tell(self, *facts: Any) -> None:
        for fact in facts:
            self.book.observe("scan", fact)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


def through(partition: Partition, age: float) -> HandlerThroughput:
    return HandlerThroughput(partition, 1, 1, int((NOW - age) * 1000), (), 0.0)


def test_lag_is_in_records_and_in_seconds_of_the_partition_furthest_behind() -> None:
    watched = Observed()
    watched.sampling.observe("scan", through(LOGS, 90))
    watched.sampling.observe("scan", through(AUDIT, 9000))
    watched.look()
    assert watched.value(series.LAG, topic="logs") == 5
    assert watched.value(series.LAG_SECONDS, topic="logs") == 90
    assert watched.value(series.LAG_SECONDS, topic="audit") == 0  # nothing waits there
    assert watched.readiness.ready() == "scan: 90 s behind"
    assert watched.readiness.alive() is None


def test_records_that_wait_since_the_start_are_behind_too() -> None:
    watched = Observed()
    now = [NOW]
    watched.sampling = Sampling(watched.metrics, watched.readiness, watched.book, lambda: now[0])
    for seconds in (0, 90):
        now[0] = NOW + seconds
        watched.sampling.sample({"scan": watched.stage})
        assert watched.value(series.LAG_SECONDS, topic="logs") == seconds
    assert watched.readiness.ready() == "scan: 90 s behind"
    watched.stage.lag = {LOGS: 0, AUDIT: 0}
    watched.sampling.sample({"scan": watched.stage})
    assert watched.readiness.ready() is None


def test_a_topic_that_moved_away_has_no_lag_here() -> None:
    watched = Observed()
    watched.look()
    watched.stage.lag = {AUDIT: 3}
    watched.look()
    assert watched.value(series.LAG, topic="logs") is None
    assert watched.value(series.LAG, topic="audit") == 3


def test_inputs_that_nobody_reads_are_named_with_what_to_do() -> None:
    watched = Observed()
    watched.look()
    watched.sampling.sample_inputs(None)
    assert watched.readiness.ready() is None

    def unread(number: int, *names: str) -> None:
        watched.sampling.observe("judge", JudgedTransaction(number, unreported=names))
        watched.sampling.sample_inputs(None)

    unread(0, "ci-0")
    assert watched.readiness.ready() == (
        "judge: 1 partition holds the watermark, as nobody reports it: ci-0. Start the stage that reads it (inputs: scan, "
        "work: judge), or look in its log for why it does not"
    )
    unread(1, "audit-0", "audit-1", "audit-2", "ci-0")
    assert watched.readiness.ready() == (
        "judge: 4 partitions hold the watermark, as nobody reports them: audit-0, audit-1, audit-2 and 1 more. Start the "
        "stage that reads them (inputs: scan, work: judge), or look in its log for why it does not"
    )
    shown = watched.metrics.registry.get_sample_value
    assert shown(series.UNREPORTED.shown, {"topic": "audit"}) == 3
    assert shown(series.UNREPORTED.shown, {"topic": "ci"}) == 1
    watched.sampling.observe("judge", PartitionStopped(Partition("work", 1), "moved"))
    watched.sampling.sample_inputs("nobody lists them")
    assert watched.readiness.ready() == "judge: nobody lists them"
    unread(0)
    assert watched.readiness.ready() is None
    assert shown(series.UNREPORTED.shown, {"topic": "audit"}) is None


def test_a_partition_that_hangs_makes_the_process_unhealthy_and_one_that_goes_on_does_not() -> None:
    watched = Observed()
    watched.stage.stands = {LOGS: STALLED_SECONDS, AUDIT: 1}
    watched.look()
    assert watched.readiness.alive() is None
    watched.stage.stands = {LOGS: STALLED_SECONDS + 1, AUDIT: 1}
    watched.look()
    assert (
        watched.readiness.alive()
        == "scan: 1 partitions have records and have not moved for 300 s, logs 0 among them"
    )
    assert watched.value(series.STANDING) == STALLED_SECONDS + 1
    watched.stage.stands = {LOGS: 2}
    watched.look()
    assert watched.readiness.alive() is None


def test_two_minutes_without_a_broker_are_less_than_what_counts_as_hanging() -> None:
    assert STALLED_SECONDS > 2 * 120


def test_a_broker_that_is_away_is_told_once_in_a_while_and_so_is_its_return() -> None:
    watched = Observed()
    watched.stage.partitions = {Partition("logs", number): False for number in range(200)}
    for second in range(120):
        watched.clock.now = float(second)
        watched.tell(*(PartitionStopped(partition, "failed", GONE) for partition in watched.stage.partitions))
        watched.look()
    lines = watched.lines()
    assert [line["event"] for line in lines] == [
        "work on a partition failed: it starts again from the committed offset"
    ] * 2
    assert lines[0]["why"] == GONE
    assert lines[1]["more"] == 60 * 200 - 1
    watched.stage.partitions = dict.fromkeys(watched.stage.partitions, True)
    watched.look()
    watched.look()
    (*_, last) = watched.lines()
    assert len(watched.lines()) == 3
    assert (last["event"], last["partitions"], last["seconds"]) == (
        "all partitions are running again",
        200,
        119.0,
    )


def test_dead_letters_are_told_of_by_source_and_reason_and_not_one_by_one() -> None:
    watched = Observed()
    for partition in (LOGS, AUDIT):
        for _ in range(50):
            watched.tell(
                ScannedPoll(partition, 9, 90, {}, (), 0, 0, ("bad-time", "bad-time", "not-json"), 0.1)
            )
    told = sorted((line["topic"], line["reason"]) for line in watched.lines())
    assert told == [(topic, reason) for topic in ("audit", "logs") for reason in ("bad-time", "not-json")]


class BrokerlessReader(DelayedReader):
    """A look-back whose brokers are away."""

    async def _work(self) -> None:
        raise KafkaConnectionError


async def test_a_look_back_that_does_not_get_on_says_for_how_long() -> None:
    now = [T0]
    told: list[Any] = []
    registered = RegisteredCredentials(Finders(NoPatterns(), ()))
    handler = Lookback(LookbackSettings("work", SECOND), registered, ThreadPoolExecutor(1))
    settings = DelayedReaderSettings("g", {"work": 3}, ("logs",))
    looking = BrokerlessReader(
        ConnectionSettings(""), settings, handler, clock=lambda: now[0], observe=told.append
    )
    assert looking.overdue_seconds == 0
    task = asyncio.create_task(looking.run())
    await asyncio.sleep(0)
    now[0] += 90 * SECOND
    assert looking.overdue_seconds == 90
    assert told == ["reading as g: KafkaConnectionError"]
    task.cancel()
    await asyncio.wait([task])


def test_identifiers_that_no_scan_finds_are_a_gauge_and_a_line_when_they_become_more() -> None:
    watched = Observed()
    counts = Counter({"its value is no digest": 1})
    for more in (0, 0, 2, 0):
        counts["its length is above 16,384 bytes"] += more
        watched.clock.now += QUIET_SECONDS + 1
        watched.sampling.sample_unfindable(counts)
    assert watched.metrics.registry.get_sample_value("curfewd_unfindable_identifiers") == 3
    assert [line["count"] for line in watched.lines()] == [1, 3]
    assert "no digest" in watched.lines()[1]["why"]


def test_another_reason_is_another_line() -> None:
    watched = Observed()
    watched.tell(
        PartitionStopped(LOGS, "failed", GONE), PartitionStopped(LOGS, "failed", "transaction: TimeoutError")
    )
    watched.tell(PartitionStopped(LOGS, "fenced", "transaction: ProducerFenced"))
    assert [line["reason"] for line in watched.lines()] == ["failed", "failed", "fenced"]


def test_a_start_is_one_line_however_many_partitions_there_are() -> None:
    watched = Observed()
    partitions = [Partition("logs", number) for number in range(24)]
    for number, partition in enumerate(partitions):
        watched.tell(Restored(number, 10, 2.0, "none there"), PartitionStarted(partition, 17, 0.25 + number))
        watched.book.update("scan", {each: each.number <= number - 1 for each in partitions})
        assert watched.lines() == []
    for _ in range(2):
        watched.book.update("scan", dict.fromkeys(partitions, True))
    (line,) = watched.lines()
    assert (line["level"], line["event"], line["stage"]) == ("info", "partitions taken", "scan")
    assert (line["partitions"], line["restored_records"], line["longest_seconds"]) == (24, 240, 23.25)


def test_the_log_for_an_expert_has_a_line_for_each_partition() -> None:
    watched = Observed("debug")
    watched.tell(
        Rebalanced((), (LOGS,), (), 1.5),
        PartitionStarted(LOGS, 17, 0.25),
        Restored(0, 100, 2.0, "unreadable: Exception"),
        Restored(1, 3, 0.1, "none there"),
        Restored(2, 3, 0.1),
        BrokersUnreachable("no broker answers"),
        ColumnsUnavailable("9.0"),
        LookbackProblem("no broker answers"),
        PartitionStopped(LOGS, "moved"),
    )
    told = [(line["level"], line["event"]) for line in watched.lines()]
    assert told == [
        ("info", "rebalanced"),
        ("debug", "partition taken"),
        ("warning", "state on disk cannot be used: rebuilt from its changelog"),
        ("debug", "state built from its changelog"),
        ("debug", "state caught up with its changelog"),
        ("warning", "cannot join the group yet, trying again"),
        ("warning", "reading is slower than it could be: curfewd does not know this version of aiokafka"),
        ("warning", "the look-back failed, trying again"),
        ("debug", "partition left"),
    ]
    assert watched.lines()[2]["why"] == "unreadable: Exception"


def test_what_is_lost_is_an_error_and_a_flood_of_poison_is_not_a_flood_of_lines() -> None:
    watched = Observed()
    poison = RefusalHandled(LOGS, Refusal("record-failed", 5, error="ValueError"))
    lost = RefusalHandled(
        LOGS, Refusal("output-too-large", output=Output("state", b"k", b"secret"), limit=9), lost=True
    )
    watched.tell(*[poison] * 1000, *[lost] * 1000)
    watched.clock.now = QUIET_SECONDS
    watched.tell(poison)
    first, second, third = watched.lines()
    assert (first["level"], first["offset"], first["error"]) == ("warning", 5, "ValueError")
    assert (second["level"], second["output"], second["limit"]) == ("error", "state", 9)
    assert third["more"] == 999
    assert "secret" not in watched.out.getvalue()


def test_records_in_the_wrong_topic_are_warned_of() -> None:
    watched = Observed()
    poll = ScannedPoll(LOGS, 9, 90, {}, (), 0, 0, (), 0.1)
    watched.tell(msgspec.structs.replace(poll, misplaced={"event": 4}))
    watched.tell(msgspec.structs.replace(poll, misplaced={"event": 2}))
    (line,) = watched.lines()
    assert (line["level"], line["topic"], line["records"]) == ("warning", "logs", 4)
    assert "they are not believed" in line["event"]
    watched.clock.now += QUIET_SECONDS
    watched.tell(msgspec.structs.replace(poll, misplaced={"event": 2}))
    assert watched.lines()[-1]["more"] == 1
    for _ in range(3):
        watched.tell(msgspec.structs.replace(poll, partition=AUDIT, misplaced={"text": 1}))
        watched.clock.now += QUIET_SECONDS
    (once,) = watched.lines()[2:]
    assert once["topic"] == "audit"
    assert once["event"].startswith("log records came in an event topic")
