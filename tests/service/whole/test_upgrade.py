"""This version goes on from what 0.1.0 stored, with the findings and commands that 0.1.0 itself would have given."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from rocksdict import Options, Rdict

from detector.values.findings import REVOCATION_UNCONFIRMED
from tests.broker import Cluster
from tests.fixtures.storage.archive import Archive
from tests.fixtures.storage.driver import Driver
from tests.fixtures.storage.history import Input
from tests.fixtures.storage.loading import load
from tests.ingest.streams import until
from tests.service.whole.deployment import Deployment, ended

CURFEWD = (sys.executable, "-m", "detector.cli")
# The keys that have other names by now.
RENAMED = (
    ("hold = ", "command_delay = "),
    # A key that 0.1.0 did not have: its default is one port for every process of this machine.
    ('listen = "127.0.0.1:0"', 'listen = "127.0.0.1:0"\nprobes = "127.0.0.1:0"\nlog_level = "debug"'),
    ('inputs = ["events", "logs"]', 'event_topics = ["events"]\nlog_topics = ["logs"]'),
)
WATERMARK = 1_772_505_190  # before it, all of the second half has been judged


class Upgraded(Driver):
    """This version, on the topics that 0.1.0 left."""

    def __init__(self, archive: Archive, bootstrap: str, folder: Path) -> None:
        config = archive.files["live.toml"].decode()
        for old, new in RENAMED:
            assert old in config
            config = config.replace(old, new)
        # On a busy machine registrations are read later than eight seconds after the logs that the look-back reads.
        config = config.replace('lookback = "8s"', 'lookback = "30s"')
        config = f'finding_retention = "0s"\n{config}'  # 0.1.0 kept all findings
        super().__init__(CURFEWD, folder, bootstrap, config)
        self.archive = archive

    def inputs(self, name: str) -> list[Input]:
        rows = self.archive.lines(name)
        return [Input(row["topic"], row["partition"], as_event(row["topic"], row["value"])) for row in rows]

    def restore_stores(self) -> None:
        """As 0.1.0 left them, and saved just now: older ones are not used."""
        for path in self.archive.unpack_stores(self.folder / "state" / "judge"):
            store = Rdict(str(path), Options(raw_mode=True))
            position = msgspec.msgpack.decode(store[b"o"] or b"")
            store[b"o"] = msgspec.msgpack.encode({**position, "saved": time.time_ns()})
            store.close()

    def said(self, name: str) -> list[dict[str, Any]]:
        lines = (self.folder / f"{name}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    async def passed(self, watermark: int) -> bool:
        """Whether the watermark of the process is past a time."""
        listen = next(line["listen"] for line in self.said("run") if line["event"] == "started")
        reader, writer = await asyncio.open_connection(*listen.rsplit(":", 1))
        writer.write(f"GET /metrics HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n".encode())
        page = (await reader.read()).decode()
        writer.close()
        values = [
            line for line in page.splitlines() if line.startswith("curfewd_watermark_timestamp_seconds ")
        ]
        return bool(values) and float(values[0].split()[1]) >= watermark

    async def findings(self) -> dict[str, Any]:
        """What stands of each finding, apart from its wording."""
        return standing(
            (row["key"], row["value"]) for row in await self.records("findings") if "end" not in row
        )

    async def commands(self) -> list[Any]:
        return sorted_commands(row["value"] for row in await self.records("revocations") if "end" not in row)


def as_event(topic: str, value: str) -> bytes:
    """Text moved the watermark of 0.1.0, only events move it now: one in place of each such line."""
    if topic != "events" or not value.endswith('"message":"nothing of note"}'):
        return value.encode()
    record = json.loads(value)
    event = {"specversion": "1.0", "type": "task.started", "source": "tick", "id": record["time"]}
    return json.dumps({**event, "time": record["time"], "data": {"task_id": "tick"}}).encode()


def standing(records: Any) -> dict[str, Any]:
    last = {key: json.loads(value) for key, value in records}
    return {uid: facts(each) for uid, each in last.items() if each["activity_id"] != 3}


def plain_only(facts: Any) -> Any:
    """What 0.1.0 said of a revocation that nobody confirmed, without what it said of the escalated command."""
    rule, _, first, _, *rest, evidences, resources, unmapped = facts
    if rule != REVOCATION_UNCONFIRMED:
        return facts
    return (rule, 1, first, first, *rest, evidences[:1], resources, unmapped)


def facts(finding: dict[str, Any]) -> Any:
    """A finding without its wording, what 0.1.0 did not say, and what tells its first record from later ones."""
    about = finding["finding_info"]
    return (
        about["analytic"]["uid"],
        finding["count"],
        about["first_seen_time"],
        about["last_seen_time"],
        finding["severity_id"],
        finding["status_id"],
        [
            {name: value for name, value in each["data"].items() if name not in {"detail", "time_origin"}}
            for each in finding.get("evidences", ())
        ],
        [
            (each["type"], each["uid"], each.get("created_time"), each.get("data"))
            for each in finding.get("resources", ())
        ],
        {name: value for name, value in finding["unmapped"].items() if name != "taxonomies"},
    )


def sorted_commands(records: Any) -> list[Any]:
    """The commands without what 0.1.0 did not say."""
    made = [json.loads(record) for record in records]
    for command in made:
        command.pop("signature", None)
        for name in ("kind", "owner", "issued_at"):
            command["data"].pop(name, None)
    return sorted(made, key=lambda command: str(command["id"]))


@pytest.fixture
async def upgraded(tmp_path: Path) -> AsyncIterator[Upgraded]:
    with Cluster(tmp_path / "kafka") as cluster:
        one = Upgraded(Archive("0.1.0"), cluster.bootstrap, tmp_path)
        await one.create()
        await load(one.archive, cluster.bootstrap)
        yield one
        for process in one.processes:
            process.kill()
            process.wait()


def told(archive: Archive, topic: str) -> Sequence[tuple[str, str]]:
    """Keys and values of what 0.1.0 had written in the end."""
    return [
        ((each.key or b"").decode(), (each.value or b"").decode())
        for each in archive.records(topic, "expected")
    ]


@pytest.mark.parametrize("stores", ["kept", pytest.param("lost", marks=pytest.mark.chaos)])
async def test_it_goes_on_as_the_version_before_would_have(upgraded: Upgraded, stores: str) -> None:
    archive = upgraded.archive
    if stores == "kept":
        upgraded.restore_stores()
    await upgraded.put(upgraded.inputs("second-half.jsonl"))
    process = upgraded.start("run")
    await upgraded.quiet()
    await until(lambda: upgraded.passed(WATERMARK), "the end of the second half", every=0.5)
    await upgraded.quiet()
    await upgraded.put(upgraded.inputs("the-end.jsonl"))
    await upgraded.quiet(looked=False)  # half a minute later the clock moves the watermark on

    # Those of commands that are sent only now come five minutes after: 0.1.0 did not wait for the clock.
    earlier = {json.loads(each.value or b"")["subject"] for each in archive.records("revocations")}
    expected = {
        uid: plain_only(each)
        for uid, each in standing(told(archive, "findings")).items()
        if each[0] != REVOCATION_UNCONFIRMED or each[-1]["credential_id"] in earlier
    }
    assert REVOCATION_UNCONFIRMED in {rule for rule, *_ in expected.values()}
    commands = [
        each
        for each in sorted_commands(value for _, value in told(archive, "revocations"))
        if each["data"]["reasons"] != [REVOCATION_UNCONFIRMED] or each["subject"] in earlier
    ]
    assert len(expected) > 30
    assert len(commands) >= 20

    async def all_said() -> bool:
        return await upgraded.findings() == expected and await upgraded.commands() == commands

    try:
        await asyncio.wait_for(until(all_said, "findings and commands", every=1), 240)
    except TimeoutError:
        assert await upgraded.findings() == expected
        assert await upgraded.commands() == commands
    await upgraded.stop(process)

    restored = [line["event"] for line in upgraded.said("run") if line["event"].startswith("state ")]
    rebuilt = "state on disk cannot be used: rebuilt from its changelog"
    how = rebuilt if stores == "kept" else "state built from its changelog"
    assert restored == [how] * 3
    assert redacted(await upgraded.records("logs.redacted")) == redacted(
        archive.lines("expected/logs.redacted.jsonl")
    )
    await check_that_all_forms_say_their_version(upgraded)


def redacted(rows: Sequence[dict[str, Any]]) -> list[Any]:
    """The copies in order, apart from one: whether its credential is known yet when it is copied is a race."""
    copies = [(row["partition"], row["value"]) for row in rows if "end" not in row]
    return [(partition, value) for partition, value in copies if '"task_id":"new"' not in value]


async def check_that_all_forms_say_their_version(upgraded: Upgraded) -> None:
    before = upgraded.archive.ends("registry")
    issued = [
        row
        for row in await upgraded.records("registry")
        if row.get("value") and row["offset"] >= before[row["partition"]]
    ]
    assert len(issued) > 3
    assert all(row["headers"] == [["format", "1"]] for row in issued)
    before = upgraded.archive.ends("work")
    sent = [row for row in await upgraded.records("work") if "end" not in row]
    marks = [row for row in sent if row["offset"] >= before[row["partition"]] and row["key"].startswith("m:")]
    assert {row["partition"] for row in marks} == {0, 1, 2}
    assert all(row["headers"] == [["format", "1"]] for row in marks)
    state = [row for row in await upgraded.records("state") if row.get("key") == "v"]
    assert {(row["partition"], row["value"]) for row in state} == {(number, "1") for number in range(3)}
    assert len(state) == 3
    for path in sorted((upgraded.folder / "state" / "judge").iterdir()):
        store = Rdict(str(path), Options(raw_mode=True))
        assert msgspec.msgpack.decode(store[b"p"] or b"")["format"] == 1
        store.close()


async def later_registry(deployment: Deployment) -> str:
    await send(deployment, "registry", b"?", b"?", headers=[("format", b"7")])
    return f"topic {deployment.name}.registry"


async def later_work(deployment: Deployment) -> str:
    await send(deployment, "work", b"t:task", b"?", headers=[("format", b"7")])
    return f"topic {deployment.name}.work, partition 1,"


async def later_state(deployment: Deployment) -> str:
    await send(deployment, "state", b"v", b"7")
    return "partition 1 of the state topic"


async def later_store(deployment: Deployment) -> str:
    path = deployment.folder / "state" / "judge" / f"{deployment.name}.work-1"
    path.parent.mkdir(parents=True)
    store = Rdict(str(path), Options(raw_mode=True))
    store[b"p"] = msgspec.msgpack.encode({"offset": 0, "saved": time.time_ns(), "format": 7})
    store.close()
    return f"the store {path}"


async def later_note(deployment: Deployment) -> str:
    source = TopicPartition(deployment.inputs[0], 1)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=deployment.bootstrap, group_id=f"{deployment.name}-scan", enable_auto_commit=False
    )
    async with consumer:
        consumer.assign([source])
        await consumer.commit({source: OffsetAndMetadata(0, "7:0")})
    return f"the offset of topic {source.topic}, partition 1,"


async def send(deployment: Deployment, topic: str, key: bytes, value: bytes, **more: Any) -> None:
    async with AIOKafkaProducer(bootstrap_servers=deployment.bootstrap) as producer:
        await producer.send_and_wait(f"{deployment.name}.{topic}", value, key, partition=1, **more)


@pytest.mark.parametrize(
    "written",
    [later_registry, later_work, later_state, later_store, later_note],
    ids=lambda each: each.__name__,
)
async def test_what_a_later_version_wrote_is_refused_with_what_to_do(
    broker: Cluster, tmp_path: Path, written: Callable[[Deployment], Awaitable[str]]
) -> None:
    deployment = Deployment(broker.bootstrap, tmp_path)
    deployment.config.write_text(
        deployment.config.read_text().replace("[service]", '[kafka.redacted]\ntopics = ["*.logs"]\n[service]')
    )
    await deployment.create()
    what = await written(deployment)
    process = deployment.start()
    try:
        assert await ended(process) == 2
    finally:
        deployment.end()
    (why,) = {line["why"] for line in deployment.said() if line["event"] == "cannot go on"}
    assert why.startswith(
        f"{what} was written by a later curfewd (format 7; this one reads up to 1): run that version"
    )
