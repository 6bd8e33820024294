"""The revoker: commands per second, and the time from a command's append to the act and to the proof.

    python -m benchmarks.revoke_bench [COMMANDS]

A target in memory answers at once, so what is measured is curfewd: Kafka, decisions, audit log, state and outcomes. It
starts a Kafka of one broker on loopback, as the tests do.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from detector.configuration.revoke_settings import RevokeSettings
from detector.configuration.settings import Settings
from detector.kafka.changelog import KafkaChangelog
from detector.kafka.clients import StageSettings
from detector.kafka.connection import ConnectionSettings
from detector.kafka.stage import Stage
from detector.revoke.audit_log import AuditLog
from detector.revoke.audit_records import Recorder
from detector.revoke.command_masker import CommandMasker
from detector.revoke.executor import Executor, ExecutorSettings
from detector.revoke.handler import RevokeHandler, RevokeTopics, Told
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.service import TICK_SECONDS
from detector.revoke.target import Observation, Plan, Step
from detector.revoke.turn import Turns, TurnSettings
from detector.service.observability.measuring import HandlerThroughput, MeasuredHandler
from detector.values.times import SECOND
from tests.broker import Cluster
from tests.ingest.streams import admin, until
from tests.revoke.deployment import command_event
from tests.revoke.recording import OpenRails

PARTITIONS = 4
SPACED = 300  # commands one by one, for the latency of an idle revoker
GAP_SECONDS = 0.05
IDLE_SECONDS = 10.0


class MemoryTarget:
    """Revokes in memory, and keeps when."""

    name: ClassVar[str] = "memory"
    Options: ClassVar[type[msgspec.Struct]] = msgspec.defstruct("Options", [])

    def __init__(self) -> None:
        self.acted: dict[str, float] = {}

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Whatever the benchmark asks."""
        return command.provider == "faulty"

    def plan(self, command: RevocationCommand) -> Plan:
        """One step."""
        return Plan((Step(f"forget {command.credential_id}"),), "a look into memory", 1.0)

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Notes when."""
        del step
        self.acted[command.id] = time.time()
        return "forgot it"

    async def probe(self, command: RevocationCommand) -> Observation:
        """Dead once it was revoked."""
        return Observation("dead" if command.id in self.acted else "live", "memory")

    async def close(self) -> None:
        """Nothing is open."""


class Measured:
    """When each command's append was acknowledged, and when its outcome was committed and known."""

    def __init__(self) -> None:
        self.appended: dict[str, float] = {}
        self.proved: dict[str, float] = {}
        self.told: dict[str, float] = {}

    def observe(self, fact: Any) -> None:
        """Takes the facts of the stage."""
        if isinstance(fact, HandlerThroughput):
            for output in fact.outputs:
                if isinstance(output.fact, Told):
                    one = output.fact
                    self.told[one.command.id] = time.time()
                    self.proved[one.command.id] = one.outcome.finished_at / SECOND


async def _measured_rows(bootstrap: str, folder: Path, count: int) -> list[str]:
    """The figures, as lines of Markdown."""
    connection = ConnectionSettings(bootstrap, request_seconds=5, metadata_seconds=5)
    names = ("in", "state", "outcomes", "dead")
    async with admin(bootstrap) as client:
        await client.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    target, measured = MemoryTarget(), Measured()
    recorder = Recorder(AuditLog(folder / "audit.jsonl"), str)
    executor = Executor(
        OpenRails({"memory": target}),
        ExecutorSettings(),
        time.time_ns,
        Turns(TurnSettings(), time.time_ns, recorder.act),
        PARTITIONS,
    )
    changelog = KafkaChangelog("state", connection)
    handler = RevokeHandler(
        RevokeTopics("state", "outcomes", "dead"),
        executor,
        changelog,
        recorder,
        CommandMasker(Settings()),
        time.time_ns,
        settings=RevokeSettings,
    )
    settings = StageSettings(
        group="bench", topics=("in",), poll_records=500, tick_seconds=TICK_SECONDS, exclusive=True
    )
    stage = Stage(connection, settings, MeasuredHandler(handler, measured.observe))
    running = asyncio.create_task(stage.run())
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await _append(producer, measured, ["warm"], 0)
        await _until_told(measured, 1)
        began, cpu = time.monotonic(), time.process_time()
        await asyncio.sleep(IDLE_SECONDS)
        idle = (time.process_time() - cpu) / (time.monotonic() - began)
        await _append(producer, measured, [f"one-{number}" for number in range(SPACED)], GAP_SECONDS)
        await _until_told(measured, SPACED + 1)
        rows = [
            "| what | p50 ms | p99 ms |",
            "| --- | --- | --- |",
            _row("append to act", [target.acted[one] - measured.appended[one] for one in _spaced(measured)]),
            _row(
                "append to proof",
                [measured.proved[one] - measured.appended[one] for one in _spaced(measured)],
            ),
            _row(
                "append to the outcome's commit",
                [measured.told[one] - measured.appended[one] for one in _spaced(measured)],
            ),
        ]
        began, cpu = time.monotonic(), time.process_time()
        await _append(producer, measured, [f"many-{number}" for number in range(count)], None)
        await _until_told(measured, SPACED + 1 + count)
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    stage.stop()
    await running
    await executor.close()
    await changelog.close()
    rows.append("")
    rows.append(f"Without commands it takes {idle:.1%} of a core.")
    rows.append(
        f"{count:,} commands at once: {count / seconds:,.0f} a second, {count / cpu:,.0f} per CPU-second (with the producer)"
    )
    return rows


def _spaced(measured: Measured) -> list[str]:
    return [one for one in measured.told if one in _SPACED_IDS]


_SPACED_IDS = {command_event(f"one-{number}", 0)["id"] for number in range(SPACED)}


async def _append(producer: Any, measured: Measured, names: list[str], gap: float | None) -> None:
    now = time.time_ns()
    for name in names:
        event = command_event(name, now)
        event["data"]["revocation"] = {"provider": "faulty", "name": name}
        value = json.dumps(event).encode()
        measured.appended[event["id"]] = time.time()
        if gap is None:
            await producer.send("in", value, key=name.encode())
            continue
        await producer.send_and_wait("in", value, key=name.encode())
        await asyncio.sleep(gap)
    await producer.flush()


async def _until_told(measured: Measured, count: int) -> None:
    async def all_told() -> bool:
        return len(measured.told) >= count

    await until(all_told, "an outcome of each", every=0.01)


def _row(what: str, seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"| {what} | {cuts[49] * 1000:.0f} | {cuts[98] * 1000:.0f} |"


def main(arguments: list[str]) -> int:
    """Measures and prints."""
    count = int(arguments[0]) if arguments else 5000
    with (
        tempfile.TemporaryDirectory(prefix="curfewd-bench-") as folder,
        Cluster(Path(folder) / "kafka") as cluster,
    ):
        for line in asyncio.run(_measured_rows(cluster.bootstrap, Path(folder), count)):
            print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
