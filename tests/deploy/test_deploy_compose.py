"""The compose file: valid by its schema, open to this machine alone, and its processes find what its jobs do.

They are run without Docker: a broker with the settings that stand there, the same commands, the same configuration.
"""

import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import NewTopic

from detector.configuration.settings import Settings
from detector.receive.tls import ReloadedTls
from tests.broker.cluster import Node, free_ports, new_cluster_id
from tests.ingest.streams import admin, until

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
# Of github.com/compose-spec/compose-spec, schema/compose-spec.json at 170098ba; Apache-2.0.
SCHEMA = json.loads((ROOT / "tests" / "deploy" / "schemas" / "compose-spec.json").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_it_is_valid_by_the_specification() -> None:
    schema = jsonschema.Draft7Validator(SCHEMA)
    schema.validate(COMPOSE)
    assert not schema.is_valid({"services": {"curfewd": {"imagee": "curfewd"}}})


def test_each_image_can_be_given_by_digest_and_none_is_whatever_is_newest() -> None:
    for name, service in SERVICES.items():
        variable, default = re.fullmatch(r"\$\{([A-Z]+_IMAGE):-(.+)\}", service["image"]).groups()  # type: ignore[union-attr]
        assert variable
        assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", default), name


def test_it_is_open_to_this_machine_alone_and_holds_no_secret() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if re.search("KEY|TOKEN|PASSWORD", key):
                assert re.fullmatch(r"\$\{[A-Z_]+:\?.+\}", value), key
    assert (
        subprocess.run(["git", "check-ignore", "-q", FOLDER / ".env"], cwd=ROOT, check=False).returncode == 0
    )


def test_what_it_mounts_is_there_and_is_not_written_to() -> None:
    mounts = [mount.split(":") for service in SERVICES.values() for mount in service.get("volumes", [])]
    for source, _, *mode in mounts:
        if source.startswith("."):
            assert (FOLDER / source).exists(), source
            assert mode == ["ro"]
        else:
            assert source in COMPOSE["volumes"]


def test_what_it_waits_for_is_there() -> None:
    for service in SERVICES.values():
        for name, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name]
            else:
                assert SERVICES[name]["restart"] == "on-failure"


def test_its_receiver_has_a_certificate_and_may_write_where_it_writes(tmp_path: Path) -> None:
    (script,) = SERVICES["certificate"]["command"]
    for _ in range(2):  # the second start leaves it as it is
        run = ["/bin/sh", "-ec", script.replace("/var/lib/curfewd", str(tmp_path))]
        assert subprocess.run(run, check=False, capture_output=True).returncode == 0
    config = tmp_path / "receive.toml"
    config.write_text((FOLDER / "receive.toml").read_text().replace("/var/lib/curfewd", str(tmp_path)))
    receive = Settings.load(str(config), dict.fromkeys(SERVICES["receive"]["environment"], "x" * 64)).receive
    assert (receive.unmet, receive.warnings) == ((), ())
    assert receive.tls is not None
    assert ReloadedTls(receive.tls).expires > time.time() + 300 * 86400
    assert SERVICES["receive"]["ports"] == [f"127.0.0.1:{receive.listen.port}:{receive.listen.port}"]
    assert f":{receive.probes.port}/healthz" in SERVICES["receive"]["healthcheck"]["test"][-1]


def properties(environment: dict[str, str]) -> dict[str, str]:
    """As Apache's image makes them of the environment."""
    names = {key: key.removeprefix("KAFKA_").lower().replace("_", ".") for key in environment}
    return {names[key]: value for key, value in environment.items()}


class Processes:
    """The services of the file on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        port, control = free_ports(2)
        self.bootstrap = f"127.0.0.1:{port}"
        self._here = {
            "PLAINTEXT://:9092": f"PLAINTEXT://{self.bootstrap}",
            "CONTROLLER://:9093": f"CONTROLLER://127.0.0.1:{control}",
            "kafka:9092": self.bootstrap,
            "kafka:9093": f"127.0.0.1:{control}",
            "0.0.0.0:9464": "127.0.0.1:0",
            "0.0.0.0:9466": "127.0.0.1:0",
            "127.0.0.1:9465": "127.0.0.1:0",
            "/etc/curfewd": str(folder),
            "/var/lib/": f"{folder}/",
            "/sample": str(FOLDER),
        }
        kafka = {key: self.here(value) for key, value in SERVICES["kafka"]["environment"].items()}
        self.broker = Node(1, folder / "node", port, properties(kafka))
        self._started: list[subprocess.Popen[bytes]] = []
        for name in ("curfewd.toml", "revoke.toml"):
            (folder / name).write_text(self.here((FOLDER / name).read_text()))
        made_up = {"CURFEWD_KEY": secrets.token_hex(32), "CURFEWD_VIEW_TOKEN": secrets.token_urlsafe(32)}
        self.environment = {**os.environ, **made_up}

    def here(self, text: str) -> str:
        for there, here in self._here.items():
            text = text.replace(there, here)
        return text

    def command(self, name: str) -> list[str]:
        service = SERVICES[name]
        entry = service.get("entrypoint", ["curfewd"])
        words = [*entry, *service["command"]]
        python = [sys.executable, "-m", "detector.cli"] if entry == ["curfewd"] else [sys.executable]
        return [*python, *(self.here(word) for word in words[1:])]

    def start(self, name: str, *options: str) -> "subprocess.Popen[bytes]":
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [*self.command(name), *options],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        self._started.append(process)
        return process

    def said(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()
        self.broker.kill()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    try:
        made.broker.format(new_cluster_id())
        made.broker.start()
        yield made
    finally:
        made.end()


async def values(bootstrap: str, topic: str) -> list[dict[str, Any]]:
    """What a read_committed consumer finds in a topic."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    async with consumer:
        found: list[dict[str, Any]] = []
        while batch := await consumer.getmany(timeout_ms=1500):
            found += [json.loads(record.value) for records in batch.values() for record in records]
        return found


@pytest.mark.slow
async def test_its_jobs_misuse_their_tokens_and_it_tells(processes: Processes) -> None:
    (script,) = SERVICES["inputs"]["command"]
    inputs = re.findall(r"for topic in ([\w -]+);", script)[0].split()
    async with admin(processes.bootstrap) as client:
        await client.create_topics([NewTopic(name, 4, 1) for name in inputs])
    assert await asyncio.to_thread(processes.start("topics").wait) == 0, processes.said("topics")
    service = processes.start("curfewd")

    async def at_work() -> bool:
        taken = re.findall(
            r'"partitions taken", "stage": "\w+", "partitions": (\d+)', processes.said("curfewd")
        )
        return sum(map(int, taken)) == 4 + 4 + 4 + 4

    await until(at_work, "every partition of the inputs, of the outcomes and of work")
    revoker = processes.start("revoke")
    jobs = processes.start("jobs", "--count", "3", "--every", "0.1", "--revoke-after", "1")

    async def done() -> bool:
        assert service.poll() is None, processes.said("curfewd")
        assert jobs.poll() is None, processes.said("jobs")
        findings = await values(processes.bootstrap, "curfewd.findings")
        asked = {each["subject"] for each in await values(processes.bootstrap, "curfewd.revocations")}
        events = await values(processes.bootstrap, "audit-events")
        revoked = {each["data"]["credential_id"] for each in events if each["type"] == "credential.revoked"}
        rules = {
            (each["finding_info"]["analytic"]["uid"], each["unmapped"].get("credential_id"))
            for each in findings
        }
        return (
            {
                ("leaked-credential", "deploy-token-1"),
                ("use-after-termination", "deploy-token-2"),
            }
            <= rules
            and {"deploy-token-1", "deploy-token-2"} == asked
            and asked < revoked
        )

    await until(done, "what the jobs did, what was asked for, and that it was done")

    async def planned() -> bool:
        assert revoker.poll() is None, processes.said("revoke")
        told = await values(processes.bootstrap, "curfewd.revocation-outcomes")
        return {each["data"]["credential_id"] for each in told if each["data"].get("outcome") == "held"} >= {
            "deploy-token-1",
            "deploy-token-2",
        }

    await until(planned, "what the revoker would do")
    for process in (service, revoker):
        process.terminate()
        assert await asyncio.to_thread(process.wait, 60) == 0
