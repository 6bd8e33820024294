"""How long it takes that partitions move, and how long all pause for it: `python -m benchmarks rebalances`.

Three stages in one process, on a topic that has records all the time. The third joins and leaves again and again. Once
with heartbeats as they are, once with a third of the session, as Kafka advises and as it was before.
"""

import asyncio
import contextlib
import statistics
import time
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
_PAUSE: Final = 3.3  # seconds between joining and leaving
_STEP: Final = 0.61
_PATIENCE: Final = 60.0


class Options(msgspec.Struct, frozen=True):
    """How often the third joins and leaves, and the session in seconds."""

    rounds: int = 8
    session: float = 15.0


class Rebalances(msgspec.Struct, frozen=True):
    """Seconds from joining or leaving to the assignment, and of them those that each member that stays had to pause."""

    heartbeat: float
    what: str
    moved: tuple[float, ...]
    paused: tuple[float, ...]


class _Copying(StatelessHandler):
    async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:  # noqa: ARG002 - the protocol
        return [Output("copies", record.key, record.value) for record in records]


class _Member:
    """A stage, and what it says."""

    def __init__(self, connection: ConnectionSettings, settings: StageSettings) -> None:
        self.rebalances: list[tuple[float, float]] = []  # when it was through, and how long the pause was
        self.taken = 0
        self.stage = Stage(connection, settings, _Copying(), self._observe)

    def _observe(self, fact: Any) -> None:
        if isinstance(fact, Rebalanced):
            self.rebalances.append((time.monotonic(), fact.seconds))
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


async def rebalances(bootstrap: str, options: Options, heartbeat: float) -> list[Rebalances]:
    """The third joins and leaves with so many seconds between heartbeats."""
    connection = ConnectionSettings(bootstrap)
    settings = StageSettings(
        group=f"group-{heartbeat}", topics=("source",), session_seconds=options.session, poll_records=10
    )
    found: dict[str, list[tuple[float, float]]] = {"joins": [], "leaves": []}
    staying = [_Member(connection, settings) for _ in range(2)]

    async def all_are_through(what: str, began: float) -> None:
        await _until(lambda: all(each.rebalances for each in staying))
        found[what] += [
            (each.rebalances[-1][0] - began, sum(pause for _, pause in each.rebalances)) for each in staying
        ]

    before, clients.MOST_HEARTBEAT_SECONDS = clients.MOST_HEARTBEAT_SECONDS, heartbeat  # type: ignore[misc]
    try:
        async with contextlib.AsyncExitStack() as stack:
            for each in staying:
                await stack.enter_async_context(_running(each))
                await _until(lambda each=each: each.taken)
            for number in range(options.rounds):
                await _settled(staying, number)
                third, began = _Member(connection, settings), time.monotonic()
                async with _running(third):
                    await _until(lambda third=third: third.taken)
                    await all_are_through("joins", began)
                    await _settled(staying, number)
                    began = time.monotonic()
                await all_are_through("leaves", began)
    finally:
        clients.MOST_HEARTBEAT_SECONDS = before  # type: ignore[misc]
    return [Rebalances(heartbeat, what, *zip(*seconds, strict=True)) for what, seconds in found.items()]


async def _settled(staying: Sequence[_Member], number: int) -> None:
    """Waits a while, each time another part of a heartbeat."""
    await asyncio.sleep(_PAUSE + number * _STEP)
    for each in staying:
        each.rebalances.clear()


def report(machine: compare.Machine, options: Options, measured: Sequence[Rebalances]) -> str:
    """The Markdown of it."""
    head = [
        "heartbeat every",
        "the third member",
        "median s to the assignment",
        "longest s",
        "median s of pause",
        "longest s of pause",
    ]
    body = [
        [
            f"{each.heartbeat:g} s",
            each.what,
            *(f"{of(some):.2f}" for some in (each.moved, each.paused) for of in (statistics.median, max)),
        ]
        for each in measured
    ]
    about = (
        f"\nApache Kafka {live_peers.kafka_version()} on the same cores. Three members, {_PARTITIONS} partitions with records all the time, a session of {options.session:g} s. "
        f"The third joins and leaves {options.rounds} times; the figures are those of the two that stay. A member that leaves commits first.\n"
    )
    return "\n".join(
        ["# How fast partitions move\n", tables.about(machine), about, tables.table(head, body), ""]
    )


async def measure(bootstrap: str, options: Options) -> list[Rebalances]:
    """Both."""
    await make(bootstrap, ["source", "copies"], _PARTITIONS)
    await fill(
        bootstrap, "source", _PARTITIONS, lambda _: ((b"key", b"value %d" % n) for n in range(100_000))
    )
    measured = []
    for heartbeat in (options.session / 3, clients.MOST_HEARTBEAT_SECONDS):
        measured += await rebalances(bootstrap, options, heartbeat)
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
        compare.RESULTS, "rebalances", text, {"machine": machine, "options": options, "rebalances": measured}
    )
