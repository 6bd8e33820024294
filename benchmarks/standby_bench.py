"""Time without output after a kill, with standby copies and without, and their cost: `python -m benchmarks standbys`.

Two instances share a judge state of so many tasks with a credential each (`live_state.py`). Credentials leak, 25 a
second among other records (`latency_bench.py`). Once both have all they keep, one is killed with SIGKILL. The time from
the kill to the command is told for each leak. For the cost, both judge the same records with and without copies.
"""

import asyncio
import contextlib
import datetime as dt
import itertools
import math
import shutil
import signal
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks import compare, live_peers, peers, tables
from benchmarks.latency_bench import Seen, opened
from benchmarks.live_bench import register
from benchmarks.live_kafka import cluster, fill, make, reading
from benchmarks.live_process import Deployment, Process, cpu_of
from benchmarks.live_source import Source
from benchmarks.live_state import States
from detector.values.times import MINUTE

_RATE: Final = 1000.0  # records a second
_BEFORE: Final = 20.0  # seconds of them before the kill, in which the CPU is measured
_PATIENCE: Final = 900.0
_SETTLED: Final = 5.0


class Options(msgspec.Struct, frozen=True):
    """Entries of the state, in tasks; seconds watched after the kill; `kafka.session_timeout`; rounds; brokers."""

    tasks: int = 200_000
    partitions: int = 8
    watched: float = 40.0
    session: str = "6s"
    standbys: tuple[int, ...] = (0, 1, 0, 1)
    seed: int = 7
    brokers: int = 1


class Failover(msgspec.Struct, frozen=True):
    """One kill: seconds without any command, and the longest that one was awaited.

    Seconds from the kill until the partitions were assigned, and until the last was restored; records that the restores
    read; commands missing and twice; and what both used before the kill, in cores.
    """

    standbys: int
    silence: float
    longest: float
    assigned: float
    restored: float
    read: int
    missing: int
    twice: int
    cores: float


async def failover(bootstrap: str, folder: Path, options: Options, standbys: int, number: int) -> Failover:
    """Kills one of two."""
    topic = f"logs-{number}"
    await make(bootstrap, [topic], options.partitions)
    deployment = Deployment(
        bootstrap,
        folder,
        topic,
        seed=options.seed,
        partitions=options.partitions,
        settings=f'session_timeout = "{options.session}"',
        service=f"standbys = {standbys}",
        copies=options.brokers,
    )
    deployment.create_topics()
    await register(bootstrap, f"{deployment.name}.registry", 1000, options.seed, time.time_ns())
    states = States(time.time_ns() - 5 * MINUTE)

    def changes(partition: int) -> Iterator[tuple[bytes, bytes]]:
        for task in range(partition, options.tasks, options.partitions):
            yield from states.changes(task)

    await fill(bootstrap, f"{deployment.name}.state", options.partitions, changes)
    await fill(bootstrap, topic, options.partitions, opened(2000, options.seed, options.partitions))
    async with contextlib.AsyncExitStack() as stack:
        commands = await stack.enter_async_context(reading(bootstrap, f"{deployment.name}.revocations"))
        processes = [stack.enter_context(deployment.start(state=f"state-{n}")) for n in range(2)]
        source = stack.enter_context(Source(bootstrap, topic, options.partitions, options.seed))
        await asyncio.gather(*(process.ready() for process in processes))
        await _copied(processes, options.partitions, options.partitions * standbys)
        seen = Seen()
        following = asyncio.create_task(seen.follow(commands, seen.commands))
        source.pace(_RATE, probing=True)
        used, probes = sum(cpu_of(each.pid) for each in processes), await source.probed(_BEFORE)
        used = sum(cpu_of(each.pid) for each in processes) - used
        other = processes[1]
        before, killed = len(list(other.said())), time.time()
        await asyncio.to_thread(processes[0].signal, signal.SIGKILL)
        probes |= await source.probed(options.watched)
        source.pace(_RATE)
        end = time.monotonic() + _PATIENCE
        while not seen.commands.keys() >= probes.keys() and time.monotonic() < end:  # noqa: ASYNC110 - `follow` ends never
            await asyncio.sleep(0.5)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        lines = list(other.said())[before:]
    shutil.rmtree(deployment.folder)
    found = probes.keys() & seen.commands.keys()
    times = sorted([killed, *(at for at in seen.commands.values() if at > killed - 1)])
    assigned = [line for line in lines if (line["event"], line.get("stage")) == ("rebalanced", "judge")]
    restores = [line for line in lines if "its changelog" in line["event"]]
    made = Failover(
        standbys,
        max((b - a for a, b in itertools.pairwise(times)), default=math.inf),
        max((seen.commands[n] - probes[n] for n in found), default=math.inf),
        min(map(stamp, assigned), default=math.inf) - killed,
        max(map(stamp, restores), default=math.inf) - killed,
        sum(each["records"] for each in restores),
        len(probes) - len(found),
        seen.twice,
        used / _BEFORE,
    )
    print(made, flush=True)
    return made


def stamp(line: dict[str, Any]) -> float:
    """When a line of the log was written, in Unix time."""
    return dt.datetime.fromisoformat(line["timestamp"]).timestamp()


async def _copied(processes: Sequence[Process], partitions: int, copies: int) -> None:
    """Waits until both judge as many partitions, and their copies are ready."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        pages = [await asyncio.to_thread(_metrics, process) for process in processes]
        judged = [_of(page, 'curfewd_partitions{stage="judge",state="ready"}') for page in pages]
        ready = sum(_of(page, 'curfewd_standbys{state="ready"}') for page in pages)
        if judged == [partitions // len(processes)] * len(processes) and ready == copies:
            await asyncio.sleep(_SETTLED)
            return
        await asyncio.sleep(1)
    raise TimeoutError(f"judged {judged}, copies {ready}")


def _metrics(process: Process) -> str:
    listen = next(line["listen"] for line in process.said() if line["event"] == "started")
    with urllib.request.urlopen(f"http://{listen}/metrics", timeout=10) as answer:
        page: str = answer.read().decode()
    return page


def _of(page: str, series: str) -> int:
    return sum(round(float(line.split()[-1])) for line in page.splitlines() if line.startswith(series))


HEAD: Final = [
    "service.standbys", "s without any command", "s that a command was awaited at the most", "s to the assignment",
    "s to the last restore", "changelog records read", "missing", "twice", "cores of both before",
]  # fmt: skip


def report(machine: compare.Machine, options: Options, failovers: Sequence[Failover]) -> str:
    """The Markdown of it."""
    body = [
        [
            f"{each.standbys}",
            *(f"{figure:.1f}" for figure in (each.silence, each.longest, each.assigned, each.restored)),
            f"{each.read:,}",
            f"{each.missing}",
            f"{each.twice}",
            f"{each.cores:.2f}",
        ]
        for each in failovers
    ]
    about = (
        f"\nApache Kafka {live_peers.kafka_version()} on the same cores, brokers: {options.brokers}. Two instances, {options.partitions} partitions, a state of {options.tasks:,} tasks with a credential each, "
        f'{_RATE:,.0f} records per s, `kafka.session_timeout = "{options.session}"`. One instance gets SIGKILL; times count from it. Rows in the order of the runs.\n'
    )
    return "\n".join(
        [
            "# A kill, with and without standby copies\n",
            tables.about(machine),
            about,
            tables.table(HEAD, body),
            "",
        ]
    )


async def measure(bootstrap: str, folder: Path, options: Options) -> list[Failover]:
    """Everything."""
    return [
        await failover(bootstrap, folder, options, standbys, number)
        for number, standbys in enumerate(options.standbys)
    ]


def main(options: Options) -> None:
    """Measures, prints and keeps the table."""
    with peers.scratch() as folder, cluster(Path(folder), options.brokers) as kafka:
        failovers = asyncio.run(measure(kafka.bootstrap, Path(folder), options))
    machine = compare.machine()
    text = report(machine, options, failovers)
    print(text)
    tables.save(
        compare.RESULTS, "standbys", text, {"machine": machine, "options": options, "failovers": failovers}
    )
