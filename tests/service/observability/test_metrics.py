"""Facts become series: names, bounded labels, exemplars, and the page that documents them."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.judge.joins import JoinCounts
from detector.judge.totals import Exposure, Totals
from detector.kafka.handlers import Output, Partition, Refusal, StatelessHandler
from detector.kafka.stage_facts import (
    PartitionStarted,
    PartitionStopped,
    Rebalanced,
    RefusalHandled,
    TransactionCommitted,
    TransactionStep,
)
from detector.records.dead_letters import DeadLetter
from detector.service.judge.reports import JudgedTransaction, OutputCause
from detector.service.judge.restore import Restored, Restoring
from detector.service.lookback.lookback import LookbackProblem, LookbackProgress
from detector.service.observability import series
from detector.service.observability.measuring import HandlerThroughput, MeasuredHandler, StageName
from detector.service.observability.metrics import MOST_VALUES, OPENMETRICS, OTHER, Metrics
from detector.service.observability.metrics_observer import MetricsObserver
from detector.service.observability.metrics_page import page
from detector.service.scan.handler import ScannedPoll
from detector.values.events import CredentialUsed
from detector.values.findings import (
    Activity,
    Command,
    CredentialFacts,
    Finding,
    FindingChange,
    Severity,
    TaskFacts,
    finding_uid,
)
from tests.fake_records import FakeRecord

ROOT = Path(__file__).parents[3]
PARTITION = Partition("logs", 3)
UID = finding_uid("leaked-credential", "secret-credential")
NOW = 1_800_000_000.0


class Observed(Metrics):
    """Metrics, and what fills them."""

    def __init__(self) -> None:
        super().__init__()
        self.observer = MetricsObserver(self, "work", lambda: NOW)

    def of(self, stage: StageName) -> Callable[[Any], None]:
        return functools.partial(self.observer.observe, stage)


def metrics() -> Observed:
    return Observed()


def value(made: Metrics, name: str, **labels: str) -> float | None:
    return made.registry.get_sample_value(name, labels)


def finding(activity: Activity = "created", accepted: str | None = None, *, raised: bool = False) -> Output:
    found = Finding(
        rule="leaked-credential",
        key="secret-credential",
        count=1,
        first_seen=0,
        last_seen=0,
        severity=Severity.CRITICAL,
        evidences=(),
        task=TaskFacts("secret-task"),
        accepted=accepted,
    )
    return Output("findings", UID.encode(), b"{}", fact=FindingChange(activity, found, raised))


def command(*, escalated: bool) -> Output:
    credential = CredentialFacts("secret-credential", "secret-task", None, (), 0, None, None, None, None)
    found = Command(credential, 0, ("leaked-credential",), Severity.CRITICAL, escalated=escalated)
    return Output("revocations", b"secret-credential", b"{}", fact=found)


def through(*outputs: Output, **changes: Any) -> HandlerThroughput:
    known = {"records": 10, "size": 3000, "newest_ms": 2, "seconds": 0.02, **changes}
    return HandlerThroughput(PARTITION, outputs=outputs, **known)


def test_what_is_written_is_what_is_counted() -> None:
    made = metrics()
    letter = Output("dead-letters", None, b"{}", fact=DeadLetter("logs", "not-json", ""))
    made.observer.observe(
        "judge",
        through(
            finding(),
            finding("updated"),
            finding("updated", raised=True),
            finding("updated", "known"),
            command(escalated=True),
            letter,
        ),
    )
    labels = {"rule": "leaked-credential", "severity": "critical"}
    assert value(made, "curfewd_findings_total", **labels, activity="created", accepted="no") == 1
    assert value(made, "curfewd_findings_total", **labels, activity="updated", accepted="no") == 1
    assert value(made, "curfewd_findings_total", **labels, activity="raised", accepted="no") == 1
    assert value(made, "curfewd_findings_total", **labels, activity="updated", accepted="yes") == 1
    assert value(made, "curfewd_commands_total", kind="escalated") == 1
    assert value(made, "curfewd_commands_total", kind="plain") == 0
    assert value(made, "curfewd_dead_letters_total", stage="judge", reason="not-json") == 1
    assert value(made, "curfewd_records_total", stage="judge", topic="logs") == 10
    assert value(made, "curfewd_bytes_total", stage="judge", topic="logs") == 3000


def judged(number: int = 0, **changes: Any) -> JudgedTransaction:
    known = {"late": 0, "expired": {}, "watermark": 0, **changes}
    return JudgedTransaction(partition=number, **known)


def test_latency_counts_from_the_input_record_that_brought_it() -> None:
    made = metrics()
    causes = [
        OutputCause("command", UID, int((NOW - 0.2) * 1000)),
        OutputCause("finding", UID, int((NOW - 3) * 1000)),
    ]
    made.observer.observe("judge", judged(causes=causes))
    assert value(made, "curfewd_command_latency_seconds_count") == 1
    assert value(made, "curfewd_command_latency_seconds_bucket", le="0.15") == 0
    assert value(made, "curfewd_command_latency_seconds_bucket", le="0.25") == 1
    assert value(made, "curfewd_finding_latency_seconds_sum") == 3
    shown = made.page("application/openmetrics-text").body
    assert (
        f'curfewd_command_latency_seconds_bucket{{le="0.25"}} 1.0 # {{finding_uid="{UID}"}}'.encode() in shown
    )


def test_a_findings_uid_is_an_exemplar_and_nothing_else() -> None:
    made = metrics()
    made.observer.observe("judge", through(finding(), command(escalated=False)))
    open_metrics = made.page("application/openmetrics-text; version=1.0.0")
    assert open_metrics.content_type.startswith("application/openmetrics-text")
    assert open_metrics.body.endswith(b"# EOF\n")
    assert f'1.0 # {{finding_uid="{UID}"}} 1.0'.encode() in open_metrics.body
    plain = made.page("*/*")
    assert plain.content_type.startswith("text/plain")
    assert UID.encode() not in plain.body
    assert b"secret-" not in open_metrics.body + plain.body


def test_the_life_of_a_stage() -> None:
    made = metrics()
    told = made.of("scan")
    told(TransactionStep(PARTITION, "begun"))
    told(TransactionStep(PARTITION, "committed"))
    told(TransactionCommitted(PARTITION, 1, 1, 5, 0.01))
    told(TransactionStep(PARTITION, "begun"))
    told(PartitionStopped(PARTITION, "fenced"))
    told(PartitionStopped(PARTITION, "failed"))  # before another had begun
    told(PartitionStopped(PARTITION, "moved"))
    told(Rebalanced((), (PARTITION,), (), 1.5))
    told(RefusalHandled(PARTITION, Refusal("output-too-large"), lost=True))
    assert value(made, "curfewd_transactions_begun_total", stage="scan") == 2
    assert value(made, "curfewd_transactions_total", stage="scan", outcome="committed") == 1
    assert value(made, "curfewd_transactions_total", stage="scan", outcome="aborted") == 1
    assert value(made, "curfewd_partition_drops_total", stage="scan", reason="moved") == 1
    assert value(made, "curfewd_rebalances_total", stage="scan") == 1
    assert value(made, "curfewd_rebalance_pause_seconds_total", stage="scan") == 1.5
    assert (
        value(made, "curfewd_refused_outputs_total", stage="scan", reason="output-too-large", lost="yes") == 1
    )


def test_what_the_handlers_tell() -> None:
    made = metrics()
    made.observer.observe(
        "scan", ScannedPoll(PARTITION, 3, 900, {"json-log": 2, "text": 1}, (CredentialUsed,), 1, 4, (), 0.1)
    )
    refused = ("unsigned", "bad-time", "unsigned", "untrusted-source")
    made.observer.observe("scan", ScannedPoll(PARTITION, 4, 9, {}, (), 0, 0, refused, 0.1))
    misplaced = {"event": 3, "text": 2}
    made.observer.observe("scan", ScannedPoll(PARTITION, 5, 9, {}, (), 0, 0, (), 0.1, misplaced=misplaced))
    for number, watermark in ((0, 20), (1, 10)):
        known = {
            "late": 2,
            "expired": {"audit": 3},
            "watermark": watermark * 10**9,
            "cached": 7,
            "disk": 1000,
        }
        totals = Totals(aggregates=20, parked=number + 1)
        made.observer.observe("judge", judged(number, totals=totals, **known))
    made.observer.observe("judge", Restoring(0, 60))
    made.observer.observe("judge", Restoring(0, 40))
    made.observer.observe("judge", Restored(0, 100, 0.2, "too old"))
    made.observer.observe("judge", Restored(1, 0, 0.001))
    assert value(made, "curfewd_formats_total", format="json-log") == 2
    assert value(made, "curfewd_events_total", type="credential.used") == 1
    assert value(made, "curfewd_leaks_total", stage="scan") == 4
    topic = PARTITION.topic
    assert value(made, "curfewd_untrusted_records_total", topic=topic, reason="unsigned") == 2
    assert value(made, "curfewd_untrusted_records_total", topic=topic, reason="untrusted-source") == 1
    assert value(made, "curfewd_untrusted_records_total", topic=topic, reason="bad-time") is None
    assert value(made, "curfewd_misplaced_records_total", topic=topic, found="event") == 3
    assert value(made, "curfewd_misplaced_records_total", topic=topic, found="text") == 2
    assert value(made, "curfewd_watermark_timestamp_seconds") == 10
    assert value(made, "curfewd_ledger_entries") == 14
    assert value(made, "curfewd_ledger_aggregates") == 40
    assert value(made, "curfewd_ledger_bytes") == 2000
    assert value(made, "curfewd_parked_events") == 3
    assert value(made, "curfewd_late_events_total") == 4
    assert value(made, "curfewd_unresolved_events_total", source="audit") == 6
    assert value(made, "curfewd_restores_total", kind="rebuilt") == 1
    assert value(made, "curfewd_restores_total", kind="caught-up") == 1
    assert value(made, "curfewd_restored_records_total") == 100
    made.observer.observe("judge", PartitionStopped(Partition("work", 1), "moved"))
    assert value(made, "curfewd_parked_events") == 1
    assert value(made, "curfewd_watermark_timestamp_seconds") == 20
    made.observer.observe("judge", PartitionStopped(Partition("work", 0), "moved"))
    assert value(made, "curfewd_watermark_timestamp_seconds") == 0  # and not where it once stood


def test_what_is_exposed_is_summed_over_partitions() -> None:
    made = metrics()
    made.observer.expect("judge")
    assert value(made, "curfewd_exposed_findings", rule="leaked-credential") == 0
    for number in (0, 1):
        exposure = Exposure(1 + number, {"leaked-credential": 1, "outlives-task": number})
        made.observer.observe("judge", judged(number, totals=Totals(exposure=exposure)))
    assert value(made, "curfewd_exposed_credentials") == 3
    assert value(made, "curfewd_exposed_findings", rule="leaked-credential") == 2
    assert value(made, "curfewd_exposed_findings", rule="outlives-task") == 1
    made.observer.observe("judge", judged(1))
    assert value(made, "curfewd_exposed_credentials") == 1
    assert value(made, "curfewd_exposed_findings", rule="outlives-task") == 0


def test_joins_are_summed_over_partitions_and_go_with_their_credentials() -> None:
    made = metrics()
    made.observer.expect("judge")
    vault = JoinCounts({"vault": {"ended": 3, "unreported": 2}})
    made.observer.observe("judge", judged(0, totals=Totals(joins=vault)))
    made.observer.observe("judge", judged(1, totals=Totals(joins=vault)))
    assert value(made, "curfewd_credential_joins", source="vault", join="ended", judged="yes") == 6
    assert value(made, "curfewd_credential_joins", source="vault", join="unreported", judged="no") == 4
    made.observer.observe("judge", judged(1, totals=Totals(joins=JoinCounts({"vault": {}}))))
    assert value(made, "curfewd_credential_joins", source="vault", join="ended", judged="yes") == 3
    made.observer.observe(
        "judge", judged(0, totals=Totals(joins=JoinCounts({"github": {"no-candidate": 1}})))
    )
    shown = made.page("").body.decode()
    assert [line for line in shown.splitlines() if line.startswith("curfewd_credential_joins{")] == [
        'curfewd_credential_joins{join="no-candidate",judged="no",source="github"} 1.0'
    ]
    made.observer.observe("judge", PartitionStopped(Partition("work", 0), "moved"))
    assert "curfewd_credential_joins{" not in made.page("").body.decode()


def test_sources_of_joins_are_bounded_and_still_add_up() -> None:
    made = metrics()
    many = JoinCounts({f"issuer-{number}": {"ended": 1} for number in range(3 * MOST_VALUES)})
    made.observer.observe("judge", judged(0, totals=Totals(joins=many)))
    shown = [
        line
        for line in made.page("").body.decode().splitlines()
        if line.startswith("curfewd_credential_joins{")
    ]
    assert len(shown) == MOST_VALUES + 1
    assert sum(float(line.rpartition(" ")[2]) for line in shown) == 3 * MOST_VALUES


def test_ready_is_asked_for_when_somebody_looks() -> None:
    made = metrics()
    ready = [0.0]
    made.set_function(series.READY, lambda: ready[0])
    assert value(made, "curfewd_ready") == 0
    ready[0] = 1.0
    assert value(made, "curfewd_ready") == 1


def test_what_the_look_back_tells() -> None:
    made = metrics()
    told = made.of("lookback")
    told(LookbackProgress(PARTITION, 5, 1500, 2, 3))
    told(LookbackProblem("the broker is gone"))
    assert value(made, "curfewd_records_total", stage="lookback", topic="logs") == 5
    assert value(made, "curfewd_bytes_total", stage="lookback", topic="logs") == 1500
    assert value(made, "curfewd_leaks_total", stage="lookback") == 2
    assert value(made, "curfewd_outputs_total", stage="lookback", topic="work") == 3
    assert value(made, "curfewd_lookback_errors_total") == 1


def test_what_alerts_are_made_of_is_there_before_the_first_time() -> None:
    made = metrics()
    made.observer.expect("judge")
    assert value(made, "curfewd_transactions_total", stage="judge", outcome="aborted") == 0
    assert value(made, "curfewd_partition_drops_total", stage="judge", reason="fenced") == 0
    assert value(made, "curfewd_restores_total", kind="rebuilt") == 0
    assert value(made, "curfewd_rebalances_total", stage="scan") is None
    new = {"rule": "leaked-credential", "severity": "critical", "activity": "created", "accepted": "no"}
    assert value(made, "curfewd_findings_total", **new) == 0
    made.observer.observe("scan", PartitionStarted(PARTITION, 7, 0.1))
    assert value(made, "curfewd_records_total", stage="scan", topic="logs") == 0


@given(st.lists(st.text(), max_size=3 * MOST_VALUES))
def test_a_label_from_outside_has_few_values(sources: list[str]) -> None:
    made = metrics()
    told = {made.bounded("source", source) for source in [*sources, *map(str, range(MOST_VALUES + 5))]}
    assert len(told) <= MOST_VALUES + 1
    assert OTHER in told


async def test_what_did_not_happen_is_not_counted() -> None:
    class Copy(StatelessHandler):
        async def process(self, partition: Partition, records: Any) -> list[Output]:
            measured.report(ScannedPoll(partition, len(records), 0, {}, (), 0, 0, (), 0.0))
            return [Output("out", None, record.value) for record in records]

    told: list[Any] = []
    measured = MeasuredHandler(Copy(), told.append)
    await measured.assigned(PARTITION)
    await measured.process(PARTITION, [FakeRecord(b"lost")])
    await measured.revoked(PARTITION)
    await measured.assigned(PARTITION)
    await measured.process(PARTITION, [FakeRecord(b"ab", timestamp=5), FakeRecord(None, timestamp=4)])
    assert told == []
    await measured.committed(PARTITION, 2)
    scanned, done = told
    assert scanned.records == 2
    assert (done.records, done.size, done.newest_ms) == (2, 2, 5)
    assert len(done.outputs) == 2


def test_names_follow_prometheus_conventions() -> None:
    labels = {label for each in series.ALL for label in each.labels}
    assert not labels & {"task", "task_id", "credential", "credential_id", "uid", "partition", "key"}
    for each in series.ALL:
        assert each.name.startswith("curfewd_")
        assert each.about.endswith(".")
        assert not each.name.endswith(("_total", "_ms", "_ns"))
        assert each.kind != "histogram" or list(each.buckets) == sorted(set(each.buckets))
        in_unix_time = re.search(r"\bUnix\b|since 1970", each.about) is not None
        assert each.name.endswith("_timestamp_seconds") == in_unix_time, each.name


@pytest.mark.parametrize("accept", ["text/plain", OPENMETRICS])
def test_no_counter_has_a_second_sample_that_says_when_it_was_made(accept: str) -> None:
    made = metrics()
    made.observer.observe("judge", through(finding(), command(escalated=True)))
    shown = made.page(accept).body
    assert b"curfewd_findings_total{" in shown
    assert b"curfewd_processing_seconds_bucket{" in shown
    assert b"_created" not in shown


def test_the_start_of_the_process_is_told_once() -> None:
    started = [
        name for name in metrics().page("text/plain").body.split() if name.endswith(b"start_time_seconds")
    ]
    assert set(started) == {b"process_start_time_seconds"}


def test_the_page_is_as_the_table_makes_it() -> None:
    written = (ROOT / "docs" / "metrics.md").read_text()
    assert written == page(), "run: python -m detector.service.observability.metrics_page > docs/metrics.md"
