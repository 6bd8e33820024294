"""`curfewd run` in a process of its own over topics of its own, and what a read_committed consumer sees of it."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from detector.kafka.clients import read_to_end
from detector.kafka.connection import ConnectionSettings
from detector.kafka.handlers import Partition
from tests.command_line import curfewd
from tests.ingest.streams import PATIENCE_SECONDS, admin

ROOT = Path(__file__).parents[3]
PREFIX = "c."
PROBES = ("/healthz", "/readyz")


class Deployment:
    """A configuration, its topics and its process. Findings of old histories stay, unless the policy says how long."""

    def __init__(self, bootstrap: str, folder: Path, policy: str = "", partitions: int = 3) -> None:
        self.bootstrap = bootstrap
        self.folder = folder
        self.name = f"d{os.getpid()}-{random.randrange(1 << 30)}"
        self.config = folder / "live.toml"
        self.inputs = (f"{self.name}.logs", f"{self.name}.events")
        self.partitions = partitions
        kept = "" if "finding_retention" in policy else 'finding_retention = "0s"\n'
        self.config.write_text(
            f"{kept}{policy}\n[kafka]\n"
            f'bootstrap = "{bootstrap}"\ngroup = "{self.name}"\nprefix = "{self.name}."\n'
            f"log_topics = {json.dumps(self.inputs[:1])}\nevent_topics = {json.dumps(self.inputs[1:])}\nreplication = 1\nmin_insync = 1\n"
            'session_timeout = "6s"\nrebalance_timeout = "5s"\ntransaction_timeout = "10s"\ndrain_timeout = "10s"\nrequest_timeout = "5s"\n'
            'lookback = "2s"\npoll_records = 50\n'
            f"[kafka.topics.work]\npartitions = {partitions}\n"
            '[service]\nlisten = "127.0.0.1:0"\nprobes = "127.0.0.1:0"\nlog_format = "json"\nlog_level = "debug"\nstate = "state"\n'
        )
        self.runs = 0
        self.processes: list[subprocess.Popen[bytes]] = []

    async def create(self) -> None:
        """The inputs, and our own topics by the command."""
        async with admin(self.bootstrap) as client:
            await client.create_topics([NewTopic(name, 4, 1) for name in self.inputs])
        made = await asyncio.to_thread(curfewd, "topics", "create", "--config", self.config)
        assert made.code == 0, made.err

    async def fill(self, records: Iterable[tuple[int, bytes]], seed: int) -> None:
        """Records (number of the input, value), in random order over random partitions."""
        rng = random.Random(seed)
        shuffled = list(records)
        rng.shuffle(shuffled)
        await self.put((number, rng.randrange(4), value) for number, value in shuffled)

    async def put(self, records: Iterable[tuple[int, int, bytes]]) -> None:
        """Records (number of the input, partition, value) in this order."""
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5) as producer:
            sent = [
                await producer.send(self.inputs[number], value, partition=partition)
                for number, partition, value in records
            ]
            await asyncio.gather(*sent)

    async def trickle(self, records: Sequence[tuple[int, int, bytes]], seconds: float) -> None:
        """As `put`, one by one over some time."""
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
            for number, partition, value in records:
                await producer.send(self.inputs[number], value, partition=partition)
                await asyncio.sleep(seconds / len(records))

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        self.runs += 1
        return self.launch("run", self.log, *options)

    def launch(self, command: str, log: Path, *options: str) -> subprocess.Popen[bytes]:
        """Starts `curfewd COMMAND` with the configuration."""
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "detector.cli", command, "--config", self.config, *options],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    @property
    def log(self) -> Path:
        """Of the last process started."""
        return self.folder / f"run-{self.runs}.log"

    def said(self) -> list[dict[str, Any]]:
        """Its log lines so far."""
        return log_lines(self.log)

    def get(self, path: str) -> tuple[int, str]:
        """What its ports answer; 0 while they do not."""
        return ask(self.log, "probes" if path in PROBES else "listen", path)

    async def ready(self) -> bool:
        return (await asyncio.to_thread(self.get, "/readyz"))[0] == 200

    async def topic(self, name: str) -> list[Any]:
        """What a read_committed consumer sees."""
        clients = ConnectionSettings(self.bootstrap, request_seconds=5)
        full = f"{self.name}.{name}"
        async with admin(self.bootstrap) as client:
            count = len((await client.describe_topics([full]))[0]["partitions"])
        return [
            record
            for number in range(count)
            async for some in read_to_end(clients, Partition(full, number))
            for record in some
        ]

    async def findings(self) -> dict[str, dict[str, Any]]:
        """The last record of each finding that is not closed or deleted, by uid."""
        last = {record.key.decode(): record.value for record in await self.topic("findings")}
        found = {uid: json.loads(value) for uid, value in last.items() if value is not None}
        return {uid: each for uid, each in found.items() if each["activity_id"] != 3}

    async def commands(self) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in await self.topic("revocations")]

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def log_lines(log: Path) -> list[dict[str, Any]]:
    """What a process wrote to its log so far."""
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def ask(log: Path, port: str, path: str) -> tuple[int, str]:
    """What a port answers, as the process with that log has named it; 0 while it does not."""
    started = [line for line in log_lines(log) if line["event"] == "started"]
    if not started:
        return 0, ""
    try:
        with urllib.request.urlopen(f"http://{started[0][port]}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


class Expected(msgspec.Struct):
    """What replay finds."""

    findings: dict[str, dict[str, Any]]
    commands: list[dict[str, Any]]


def replayed(folder: Path, config: Path, paths: Sequence[Path], until: str) -> Expected:
    """Replay of the same, judged up to a time."""
    out = folder / "replayed"
    done = curfewd("replay", "--config", config, "--out", out, "--until", until, *paths, folder=ROOT)
    assert done.code == 0, done.err
    findings = [json.loads(line) for line in (out / "findings.jsonl").read_text().splitlines()]
    commands = [json.loads(line) for line in (out / "revocations.jsonl").read_text().splitlines()]
    return Expected({each["finding_info"]["uid"]: each for each in findings}, commands)


def summary(findings: dict[str, dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What live and replay have to agree on."""
    return sorted(
        (
            each["finding_info"]["analytic"]["uid"],
            uid,
            each["count"],
            each["finding_info"]["first_seen_time"],
            each["finding_info"]["last_seen_time"],
            each["severity_id"],
            each["status_id"],
        )
        for uid, each in findings.items()
        if each["finding_info"]["analytic"]["uid"] != "revocation-unconfirmed"
    )


def asked(commands: Iterable[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The same of commands; those for unconfirmed ones are of the live service alone."""
    return sorted(
        (each["id"], each["subject"], each["time"], tuple(each["data"]["reasons"]), each["data"]["escalated"])
        for each in commands
        if each["data"]["reasons"] != ["revocation-unconfirmed"]
    )


async def settled(deployment: Deployment, expected: Expected, seconds: float = PATIENCE_SECONDS) -> None:
    """Until live says what replay says; how long that takes is not what is tested."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if summary(await deployment.findings()) == summary(expected.findings) and asked(
            await deployment.commands()
        ) == asked(expected.commands):
            return
        await asyncio.sleep(1)
    assert summary(await deployment.findings()) == summary(expected.findings)
    assert asked(await deployment.commands()) == asked(expected.commands)


async def ended(process: "subprocess.Popen[bytes]") -> int:
    return await asyncio.to_thread(process.wait, PATIENCE_SECONDS)


def terminate(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
