"""The service on a real broker gets secrets in every field: none stands in what it writes, keeps, shows or logs.

What is read: the segments of every topic but the inputs, with keys and headers, and of Kafka's own topics; the folder
of state and all entries of the stores; the pages; the log.
"""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from aiokafka import AIOKafkaProducer
from rocksdict import AccessType, Options, Rdict

from tests import planted
from tests.broker import Cluster
from tests.ingest.streams import until
from tests.service.view.view_port import TOKEN as VIEW_TOKEN
from tests.service.whole.deployment import Deployment, ended, terminate
from tests.service.whole.instances import drained

POLICY = """
key_file = "key"
lateness = "10s"
[[accept]]
rule = "overdue-task"
reason = "REASON"
expiry = 2099-01-01T00:00:00Z
[[allow]]
pattern = "slack-*"
reason = "REASON"
expiry = 2099-01-01T00:00:00Z
"""
BESIDE = ("accepted", "folder of state", "record key", "header", "late", "beside late", "asked for")
LATER = "2026-05-31T03:00:00Z"
Headers = list[tuple[str, bytes]]


class Planted:
    """A deployment with secrets in its settings, and where secrets were planted."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.events, self.matching, self.logs = (
            planted.event_places(),
            planted.matching_events(),
            planted.log_places(),
        )
        self.places = [*self.events, *self.matching, *self.logs, *BESIDE]
        accepted = planted.text_at("accepted")
        self.deployment = Deployment(bootstrap, folder, POLICY.replace("REASON", accepted))
        self.state = folder / f"state-{planted.token('folder of state')}"
        (folder / "key").write_text(planted.KEY_TEXT)
        (folder / "token").write_text(VIEW_TOKEN)
        served = '[kafka.redacted]\ntopics = ["*.logs"]\n[service]\nview = true\nview_token_file = "token"\n'
        text = self.deployment.config.read_text().replace("[service]\n", served)
        text = text.replace('lookback = "2s"', 'lookback = "10s"')  # time to register what is late
        self.deployment.config.write_text(text.replace('state = "state"', f'state = "{self.state.name}"'))

    async def register(self) -> None:
        """The secrets that are known before anything else is read."""
        early = [place for place in self.places if place != "late"]
        await self.deployment.put((1, 0, line) for line in planted.registrations(early))

        async def known() -> bool:
            _, page = await asyncio.to_thread(self.deployment.get, "/metrics")
            return f"curfewd_registered_credentials {float(len(early))}" in page

        await until(known, "the registrations")

    async def produce(self) -> None:
        """Secrets in values, in the attributes of binary mode, in other headers and in record keys."""
        logs, events = self.deployment.inputs
        beside: Headers = [("x-trace", planted.text_at("header").encode())]
        key = planted.text_at("record key").encode()
        async with AIOKafkaProducer(bootstrap_servers=self.deployment.bootstrap) as producer:
            for value in (*self.events.values(), *self.matching.values()):
                await producer.send_and_wait(events, value, key, 0, headers=beside)
                await producer.send_and_wait(events, *in_binary_mode(value))
            # The uses among the events name their credentials by an identifier too: of this one nobody knows anything.
            use = {"credential_id": "never-issued", "task_id": "t", "action": "read"}
            stray = planted.event("credential.used", use, "s", source=planted.text_at("matching source"))
            await producer.send_and_wait(events, stray, key, 0)
            for value in self.logs.values():
                await producer.send_and_wait(logs, value, key, 0, headers=beside)
            await producer.send_and_wait(logs, b'{"message": "no JSON', key, 0, headers=beside)
            late = f"late {planted.registered('late')} beside {planted.token('beside late')}"
            await producer.send_and_wait(logs, json.dumps({"message": late, "time": planted.TIME}).encode())
            (issue,) = planted.registrations(["late"])
            await producer.send_and_wait(
                events, issue.replace(b"registered-0", b"late").replace(b'"r0"', b'"late"')
            )
            for number in range(4):
                tick = planted.event("task.started", {"task_id": "tick"}, f"tick-{number}", time=LATER)
                await producer.send_and_wait(events, tick, partition=number)
                await producer.send_and_wait(
                    logs, json.dumps({"message": "tick", "time": LATER}).encode(), partition=number
                )


def in_binary_mode(event: bytes) -> tuple[bytes, bytes, int, None, Headers]:
    """The value, key, partition, timestamp and headers of an event: its attributes are headers."""
    attributes = json.loads(event)
    data = json.dumps(attributes.pop("data")).encode()
    return data, b"k", 0, None, [(f"ce_{name}", text.encode()) for name, text in attributes.items()]


@pytest.fixture
async def service(broker: Cluster, tmp_path: Path) -> AsyncIterator[Planted]:
    made = Planted(broker.bootstrap, tmp_path)
    await made.deployment.create()
    yield made
    made.deployment.end()


def segments(broker: Cluster, made: Planted) -> Iterator[tuple[str, bytes]]:
    """Every byte of every topic but the inputs, as the broker keeps it."""
    for folder in (broker.nodes[0].folder / "data").iterdir():
        topic = folder.name.rpartition("-")[0]
        ours = topic.startswith(made.deployment.name) and topic not in made.deployment.inputs
        if folder.is_dir() and (ours or topic.startswith("__consumer_offsets")):
            for file in folder.glob("*.log"):
                yield f"{folder.name}/{file.name}", file.read_bytes()


def stored(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The folder of state, and each entry of its stores: RocksDB may pack them."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield f"state/{file.name}", file.read_bytes()
    for path in (folder / "judge").iterdir():
        options = Options(raw_mode=True)
        store = Rdict(str(path), options, access_type=AccessType.read_only())
        entries = [bytes(part) for entry in store.items() for part in entry if isinstance(part, bytes)]
        store.close()
        yield f"store {path.name}", b"\n".join(entries)


def pages(made: Planted) -> Iterator[tuple[str, bytes]]:
    for path in ("/metrics", "/healthz", "/readyz", "/view", "/nothing"):
        yield path, made.deployment.get(path)[1].encode()
    (started,) = [line for line in made.deployment.said() if line["event"] == "started"]
    asked = quote(planted.text_at("matching task"))
    for path in ("/view/events", f"/view/task?id={asked}"):
        request = urllib.request.Request(
            f"http://{started['listen']}{path}", headers={"Authorization": f"Bearer {VIEW_TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own port
            yield path, answer.read(60_000) if path == "/view/events" else answer.read()


async def test_the_service_keeps_and_shows_none_of_the_secrets_that_stand_anywhere_in_its_inputs(
    broker: Cluster, service: Planted
) -> None:
    deployment = service.deployment
    process = deployment.start()
    await until(deployment.ready, "readiness")
    await service.register()
    terminate(process)  # what is registered at the start is masked in settings too
    assert await ended(process) == 0
    process = deployment.start()
    await until(deployment.ready, "readiness again")
    await service.produce()
    await until(lambda: drained(deployment), "all to be read")

    async def looked_back() -> bool:
        uids = {
            one["unmapped"].get("credential_id")
            for one in (await deployment.findings()).values()
            if one["finding_info"]["analytic"]["uid"] == "leaked-credential"
        }
        return "late" in uids

    await until(looked_back, "the leak that only the look-back finds")

    async def counted() -> bool:
        return (
            "curfewd_unresolved_events_total{source="
            in (await asyncio.to_thread(deployment.get, "/metrics"))[1]
        )

    await until(counted, "the events about nothing that is registered")
    written = dict(await asyncio.to_thread(lambda: list(pages(service))))
    findings = await deployment.findings()
    redacted = await deployment.topic("logs.redacted")
    terminate(process)
    assert await ended(process) == 0
    written["log"] = deployment.log.read_bytes()
    assert planted.shown(service.places, written) == []
    written |= {**dict(segments(broker, service)), **dict(stored(service.state))}
    # RocksDB notes the path of its own files in them. A secret that is registered later is shown until then.
    seen = planted.shown(
        [place for place in service.places if place not in ("folder of state", "late")], written
    )
    assert not seen, "\n".join(seen)
    # What was masked is there, and the events of a masked task match.
    assert "‹gitlab-pat:26:" in written["/metrics"].decode()
    # Each event was there twice, in structured and in binary mode.
    assert b"curfewd_masked_revocations_total 8.0" in written["/metrics"]
    assert b"\xe2\x80\xb9gitlab-pat:26:" in written[next(path for path in written if "/view/task" in path)]
    assert len(redacted) > len(service.logs)
    kinds = {one["finding_info"]["analytic"]["uid"]: one for one in findings.values()}
    assert kinds["use-after-termination"]["unmapped"]["task_id"].startswith("‹gitlab-pat:26:")
    assert {"leaked-credential", "leaked-secret", "use-after-termination"} <= kinds.keys()
