"""The metrics and logs of a running service agree with its topics."""

import asyncio
import json
import shutil
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from detector.judge.totals import Totals
from detector.kafka.handlers import Output, Partition, StatelessHandler
from detector.kafka.stage import Stage
from detector.registry.registered import topic_key
from detector.service.judge.store import TOTALS
from detector.service.observability.series import ALL
from detector.values.findings import Severity
from tests.broker import Cluster
from tests.ingest.streams import filled, made, until
from tests.kafka.stage_handlers import running
from tests.service.whole.deployment import Deployment
from tests.service.whole.instances import drained
from tests.small_history import KEY_TEXT, events, logs

KIND = "application/openmetrics-text; version=1.0.0"
POISON = (
    (1, 0, b'{"specversion": "1.0", "id": "x", "source": "s", "type": "task.started", "time": "soon", "data": {}}'),
    (1, 1, b'{"specversion": "1.0", "id": "y", "source": "s", "type": "task.ended", "data": {}}'),
    (0, 2, b'{"specversion": "1.0", "id": "z"'),
)  # fmt: skip


class Page(msgspec.Struct):
    """`/metrics`: samples by name, each with its labels, value and exemplar."""

    families: set[str]
    samples: dict[str, list[Any]]

    def sum(self, name: str, **labels: str) -> float:
        found = (each for each in self.samples.get(name, ()) if labels.items() <= each.labels.items())
        return float(sum(each.value for each in found))

    def by(self, name: str, *labels: str) -> Counter[Any]:
        """Values by those labels, one or several, without zeros."""
        counts: Counter[Any] = Counter()
        for each in self.samples.get(name, ()):
            values = tuple(each.labels[label] for label in labels)
            counts[values if len(labels) > 1 else values[0]] += int(each.value)
        return +counts


class Observed:
    """A service that has gone through the small history, its page and its topics."""

    def __init__(self, deployment: Deployment, produced: Sequence[tuple[int, int, bytes]]) -> None:
        self.deployment = deployment
        self.produced = produced
        self.page = Page(set(), {})
        self.topics: dict[str, list[Any]] = {}

    def fetch(self, kind: str = KIND) -> str:
        (started,) = [line for line in self.deployment.said() if line["event"] == "started"]
        request = urllib.request.Request(f"http://{started['listen']}/metrics", headers={"Accept": kind})
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - its own port
            return str(answer.read().decode())

    async def look(self) -> None:
        text = await asyncio.to_thread(self.fetch)
        self.page = Page(set(), {})
        for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]  # it has no types
            self.page.families.add(family.name)
            for sample in family.samples:
                self.page.samples.setdefault(sample.name, []).append(sample)

    async def through(self) -> bool:
        """Whether all that was produced went through the stages and the look-back."""
        await self.look()
        done = all(
            self.page.sum("curfewd_records_total", stage=stage) >= len(self.produced)
            for stage in ("scan", "lookback")
        )
        return (
            done
            and self.page.sum("curfewd_watermark_timestamp_seconds") > 0
            and await drained(self.deployment)
        )

    async def live(self) -> None:
        """Runs the service over it all."""
        deployment = self.deployment
        await deployment.create()
        await deployment.put(self.produced)
        deployment.start()
        await until(deployment.ready, "readiness")
        await until(self.through, "all of it")
        await asyncio.sleep(3)  # what follows from it, and the gauges
        await self.look()
        for name in ("work", "state", "registry", "findings", "revocations", "dead-letters"):
            self.topics[name] = await self.deployment.topic(name)

    def full(self, counts: Mapping[str, int]) -> Counter[str]:
        return Counter({f"{self.deployment.name}.{name}": count for name, count in counts.items() if count})


@pytest.fixture(scope="module")
def observed(broker: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    folder = tmp_path_factory.mktemp("observed")
    (folder / "deployment.key").write_text(KEY_TEXT)
    deployment = Deployment(broker.bootstrap, folder, 'key_file = "deployment.key"\n')
    records = [(1, number % 4, json.dumps(each).encode()) for number, each in enumerate(events())]
    records += [(0, number % 4, json.dumps(each).encode()) for number, each in enumerate(logs())]
    watched = Observed(deployment, [*records, *POISON])
    try:
        asyncio.run(watched.live())
        yield watched
    finally:
        deployment.end()


def test_every_documented_series_is_there(observed: Observed) -> None:
    assert {series.name for series in ALL} <= observed.page.families


def test_what_was_read_is_counted_by_source_and_stage(observed: Observed) -> None:
    names = observed.deployment.inputs
    records, sizes = Counter[str](), Counter[str]()
    for number, _, value in observed.produced:
        records[names[number]] += 1
        sizes[names[number]] += len(value)
    found = observed.page.by("curfewd_records_total", "stage", "topic")
    size = observed.page.by("curfewd_bytes_total", "stage", "topic")
    for stage in ("scan", "lookback"):
        assert {topic: found[stage, topic] for topic in names} == records
        assert {topic: size[stage, topic] for topic in names} == sizes
    work = f"{observed.deployment.name}.work"
    assert found["judge", work] == len(observed.topics["work"])
    assert size["judge", work] == sum(len(record.value) for record in observed.topics["work"])
    assert observed.page.sum("curfewd_events_total", type="credential.issued") == 12
    assert observed.page.sum("curfewd_leaks_total", stage="lookback") == 4


def test_what_was_written_is_counted_by_topic(observed: Observed) -> None:
    """But for what keeps the ids of topics, which no stage writes."""
    topics = [
        topic_key(name)
        for name in (*observed.full(dict.fromkeys(observed.topics, 1)), *observed.deployment.inputs)
    ]
    written = {
        name: sum(record.key not in topics for record in records) for name, records in observed.topics.items()
    }
    assert observed.page.by("curfewd_outputs_total", "topic") == observed.full(written)


def test_findings_commands_and_dead_letters_are_those_of_the_topics(observed: Observed) -> None:
    activities = {1: "created", 2: "updated", 3: "closed"}
    found = [json.loads(record.value) for record in observed.topics["findings"]]
    counted = Counter[tuple[str, str, str]]()
    for (rule, severity, activity), count in observed.page.by(
        "curfewd_findings_total", "rule", "severity", "activity"
    ).items():
        counted[rule, severity, "updated" if activity == "raised" else activity] += count
    assert counted == Counter(
        (
            each["finding_info"]["analytic"]["uid"],
            Severity(each["severity_id"]).label,
            activities[each["activity_id"]],
        )
        for each in found
    )
    commands = [json.loads(record.value)["data"]["escalated"] for record in observed.topics["revocations"]]
    assert commands
    assert observed.page.by("curfewd_commands_total", "kind") == Counter(
        "escalated" if escalated else "plain" for escalated in commands
    )
    letters = [json.loads(record.value)["reason"] for record in observed.topics["dead-letters"]]
    assert len(letters) == len(POISON)
    assert observed.page.by("curfewd_dead_letters_total", "reason") == Counter(letters)
    assert observed.page.sum("curfewd_refused_outputs_total") == 0


def test_latency_is_counted_once_for_each_and_tells_of_which_finding(observed: Observed) -> None:
    found = [json.loads(record.value) for record in observed.topics["findings"]]
    told = observed.page.sum("curfewd_finding_latency_seconds_count")
    assert 0 < told <= sum(each["activity_id"] != 3 for each in found)
    assert (
        0 < observed.page.sum("curfewd_command_latency_seconds_count") <= len(observed.topics["revocations"])
    )
    exemplars = [
        sample.exemplar.labels["finding_uid"]
        for name in (
            "curfewd_finding_latency_seconds_bucket",
            "curfewd_command_latency_seconds_bucket",
            "curfewd_findings_total",
        )
        for sample in observed.page.samples[name]
        if sample.exemplar is not None
    ]
    assert exemplars
    assert set(exemplars) <= {each["finding_info"]["uid"] for each in found}


def test_transactions_and_restores_add_up(observed: Observed) -> None:
    page = observed.page
    for stage in ("scan", "judge"):
        committed = page.sum("curfewd_transactions_total", stage=stage, outcome="committed")
        assert committed > 0
        assert page.sum("curfewd_transactions_begun_total", stage=stage) == committed
        polls = page.sum("curfewd_transaction_seconds_count", stage=stage)
        assert polls >= committed  # one that gives nothing needs no transaction
        assert page.sum("curfewd_rebalances_total", stage=stage) >= 1
    assert page.sum("curfewd_transactions_total", outcome="aborted") == 0
    assert page.by("curfewd_restores_total", "kind") == {"rebuilt": 3}
    assert page.sum("curfewd_restore_seconds_count") == 3


def test_gauges_say_how_it_stands(observed: Observed) -> None:
    page = observed.page
    assert page.by("curfewd_partitions", "stage", "state") == {
        ("scan", "held"): 8,
        ("scan", "ready"): 8,
        ("judge", "held"): 3,
        ("judge", "ready"): 3,
    }
    assert page.sum("curfewd_registered_credentials") == 12
    assert page.sum("curfewd_registry_lag_seconds") > 0
    last = {
        record.partition: msgspec.json.decode(record.value, type=Totals)
        for record in observed.topics["state"]
        if record.key == TOTALS
    }
    assert page.sum("curfewd_ledger_aggregates") == sum(each.aggregates for each in last.values()) >= 12
    assert page.sum("curfewd_parked_events") == sum(each.parked for each in last.values())
    assert page.sum("curfewd_ready") == 1
    assert page.sum("curfewd_ledger_bytes") > 0
    for stage in ("scan", "lookback"):  # the judge stage has some of its own reports to read, always
        assert page.sum("curfewd_lag_records", stage=stage) == 0
        assert page.sum("curfewd_standing_seconds", stage=stage) == 0
    assert page.sum("curfewd_watermark_timestamp_seconds") > 1_700_000_000


def test_no_label_names_a_task_or_a_credential(observed: Observed) -> None:
    values = {
        value
        for name, samples in observed.page.samples.items()
        if name.startswith("curfewd_")
        for sample in samples
        for value in sample.labels.values()
    }
    assert not [value for value in values if value.startswith(("task-", "cred-"))]


@pytest.mark.monitoring
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_finds_nothing_to_complain_of(observed: Observed) -> None:
    page = observed.fetch("text/plain")
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


async def test_a_handler_that_hangs_is_seen_and_one_that_works_is_not(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 2)

    class Hanging(StatelessHandler):
        async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
            if partition.number == 1:
                await asyncio.Event().wait()
            return [Output(streams.target, None, record.value) for record in records]

    for number in (0, 1):
        await filled(streams, number, [b"%d" % value for value in range(20)])
    stage = Stage(streams.clients, streams.stage(poll_records=5, drain_seconds=0.5), Hanging())
    async with running(stage):

        async def hangs() -> bool:
            return any(seconds > 2 for seconds in stage.stalled().values())

        await until(hangs, "a partition that stands")
        assert set(stage.stalled()) == {Partition(streams.source, 1)}
