"""How long members that stay are without work while another joins or leaves: `python -m benchmarks rebalances`.

Three stages in one process, on a topic that has records all the time. The third joins and leaves again and again. Once
with heartbeats as they are, once with a third of the session, as Kafka advises and as it was before.
"""

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks import compare, live_peers, peers, tables
from benchmarks.live_kafka import cluster, fill, make
from detector.kafka import clients
from detector.kafka.clients import StageSettings
from detector.kafka.connection import ConnectionSettings
from detector.kafka.handlers import Output, Partition, StatelessHandler
from detector.kafka.stage import Stage
from detector.kafka.stage_facts import PartitionStarted, Rebalanced

_PARTITIONS: Final = 12
_PAUSE: Final = 3.3  # seconds between joining and leaving, no multiple of a heartbeat
_PATIENCE: Final = 60.0


class Options(msgspec.Struct, frozen=True):
    """How often the third joins and leaves, and the session in seconds."""

    rounds: int = 8
    session: float = 15.0


class Pauses(msgspec.Struct, frozen=True):
    """Seconds that each member that stays was without work, for each rebalance."""

    heartbeat: float
    what: str
    seconds: tuple[float, ...]


class _Copying(StatelessHandler):
    async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:  # noqa: ARG002 - the protocol
        return [Output("copies", record.key, record.value) for record in records]


class _Member:
    """A stage, and what it says."""

    def __init__(self, connection: ConnectionSettings, settings: StageSettings) -> None:
        self.pauses: list[float] = []
        self.taken = 0
        self.stage = Stage(connection, settings, _Copying(), self._observe)

    def _observe(self, fact: Any) -> None:
        if isinstance(fact, Rebalanced):
            self.pauses.append(fact.seconds)
        elif isinstance(fact, PartitionStarted):
            self.taken += 1


@contextlib.asynccontextmanager
async def _running(member: _Member) -> AsyncIterator[None]:
    task = asyncio.create_task(member.stage.run())
    try:
        yield
    finally:
        member.stage.stop()
        await task


async def _until(condition: Any) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not condition():  # noqa: ASYNC110 - a stage tells nobody
            await asyncio.sleep(0.02)


async def pauses(bootstrap: str, options: Options, heartbeat: float) -> list[Pauses]:
    """Pauses with so many seconds between heartbeats."""
    connection = ConnectionSettings(bootstrap)
    settings = StageSettings(
        group=f"group-{heartbeat}", topics=("source",), session_seconds=options.session, poll_records=10
    )
    before, clients.MOST_HEARTBEAT_SECONDS = clients.MOST_HEARTBEAT_SECONDS, heartbeat  # type: ignore[misc]
    found: dict[str, list[float]] = {"joins": [], "leaves": []}
    try:
        staying = [_Member(connection, settings) for _ in range(2)]
        async with contextlib.AsyncExitStack() as stack:
            for each in staying:
                await stack.enter_async_context(_running(each))
                await _until(lambda each=each: each.taken)
            for _ in range(options.rounds):
                await asyncio.sleep(_PAUSE)
                for each in staying:
                    each.pauses.clear()
                third = _Member(connection, settings)
                async with _running(third):
                    await _until(lambda: third.taken and all(each.pauses for each in staying))  # noqa: B023 - at once
                    found["joins"] += [sum(each.pauses) for each in staying]
                    await asyncio.sleep(_PAUSE)
                    for each in staying:
                        each.pauses.clear()
                await _until(lambda: all(each.pauses for each in staying))
                found["leaves"] += [sum(each.pauses) for each in staying]
    finally:
        clients.MOST_HEARTBEAT_SECONDS = before  # type: ignore[misc]
    return [Pauses(heartbeat, what, tuple(seconds)) for what, seconds in found.items()]


def report(machine: compare.Machine, options: Options, measured: Sequence[Pauses]) -> str:
    """The Markdown of it."""
    head = ["heartbeat every", "the third member", "median s", "longest s"]
    body = [
        [
            f"{each.heartbeat:g} s",
            each.what,
            f"{statistics.median(each.seconds):.2f}",
            f"{max(each.seconds):.2f}",
        ]
        for each in measured
    ]
    about = (
        f"\nApache Kafka {live_peers.kafka_version()} on the same cores. Three members, {_PARTITIONS} partitions with records all the time, a session of {options.session:g} s. "
        f"The pause of each of the two members that stay, {options.rounds} times each.\n"
    )
    return "\n".join(
        ["# The pause of a rebalance\n", tables.about(machine), about, tables.table(head, body), ""]
    )


async def measure(bootstrap: str, options: Options) -> list[Pauses]:
    """Both."""
    await make(bootstrap, ["source", "copies"], _PARTITIONS)
    await fill(
        bootstrap, "source", _PARTITIONS, lambda _: ((b"key", b"value %d" % n) for n in range(100_000))
    )
    measured = []
    for heartbeat in (options.session / 3, clients.MOST_HEARTBEAT_SECONDS):
        measured += await pauses(bootstrap, options, heartbeat)
        print(measured[-2:], flush=True)
    return measured


def main(options: Options) -> None:
    """Measures, prints and keeps the table."""
    with peers.scratch() as folder, cluster(Path(folder), 1) as kafka:
        measured = asyncio.run(measure(kafka.bootstrap, options))
    machine = compare.machine()
    text = report(machine, options, measured)
    print(text)
    tables.save(
        compare.RESULTS, "rebalances", text, {"machine": machine, "options": options, "pauses": measured}
    )
