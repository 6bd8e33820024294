"""How long a start takes, and how much memory, by how many credentials there are: `python -m benchmarks restore`.

The judge stage: its state topic holds what the judge writes of so many tasks with a credential each (`live_state.py`).
It is restored without a local store, with the one that a clean stop left, and with the one that kill -9 left. The scan
stage: so many credentials stand in the registry topic, and it starts reading its inputs when it knows them all, which
it reads or has from its snapshot.
"""

import asyncio
import datetime as dt
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from benchmarks import compare, live_peers, peers, tables
from benchmarks.live_bench import PARTITIONS, register
from benchmarks.live_kafka import cluster, fill, make
from benchmarks.live_process import Deployment, Process, cpu_of, memory_of
from benchmarks.live_state import States
from detector.values.times import MINUTE, SECOND

_CHECKED: Final = (0, 1, 4711, 99_999_999)
_PATIENCE: Final = 3600.0  # seconds; ten million take a quarter of an hour
_SETTLED: Final = 3.0  # seconds after the start, for what goes on in the background


class Options(msgspec.Struct, frozen=True):
    """The sizes to measure, in credentials; 0 is always measured too."""

    sizes: tuple[int, ...] = (10_000, 1_000_000)
    seed: int = 7
    name: str = "restore"


class Start(msgspec.Struct, frozen=True):
    """What one start took.

    Seconds until it works, of them the longest that a partition took to be taken and restored, CPU seconds, resident
    and peak bytes, bytes on disk.
    """

    stage: Literal["judge", "scan"]
    credentials: int
    how: str
    seconds: float
    taking: float
    cpu: float
    resident: int
    peak: int
    disk: int = 0

    def cells(self) -> list[str]:
        """A line of the table."""
        sizes = [f"{size / 1e6:,.0f}" for size in (self.resident, self.peak, self.disk)]
        seconds = [f"{figure:.1f}" for figure in (self.seconds, self.taking, self.cpu)]
        return [self.stage, f"{self.credentials:,}", self.how, *seconds, *sizes]


HEAD: Final = [
    "stage",
    "credentials",
    "",
    "s until at work",
    "of them taking and restoring",
    "CPU s",
    "resident MB",
    "peak MB",
    "on disk MB",
]


async def at_work(process: Process, event: str, count: int) -> float:
    """Waits until the process has logged an event so many times; seconds since its start.

    Raises:
        TimeoutError: it takes for ever, or the process ended.
    """
    began = time.time() - (time.monotonic() - process.began)
    while time.monotonic() - process.began < _PATIENCE and process.running():
        stamps = [line["timestamp"] for line in process.said() if line["event"] == event]
        if len(stamps) >= count:
            return dt.datetime.fromisoformat(stamps[count - 1]).timestamp() - began
        await asyncio.sleep(0.2)
    raise TimeoutError(process.log.read_text()[-2000:])


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def judge_starts(bootstrap: str, folder: Path, size: int, seed: int) -> list[Start]:
    """A state of that size, restored in each way."""
    source = f"logs-judge-{size}"
    await make(bootstrap, [source], PARTITIONS)
    deployment = Deployment(bootstrap, folder, source, seed=seed, partitions=PARTITIONS)
    deployment.create_topics()
    states = States(time.time_ns() - 5 * MINUTE)
    assert all(states.agrees(number) for number in _CHECKED)

    def changes(partition: int) -> Iterator[tuple[bytes, bytes]]:
        for number in range(partition, size, PARTITIONS):
            yield from states.changes(number)

    if size:
        await fill(bootstrap, f"{deployment.name}.state", PARTITIONS, changes)
    made = []
    for how, end in (
        ("no store", signal.SIGTERM),
        ("store of a clean stop", signal.SIGKILL),
        ("store of kill -9", signal.SIGKILL),
    ):
        with deployment.start("--stage", "judge") as process:
            seconds = await at_work(process, "partition taken", PARTITIONS)
            taking = max(line["seconds"] for line in process.said() if line["event"] == "partition taken")
            cpu = cpu_of(process.pid)
            await asyncio.sleep(_SETTLED)
            resident, peak = memory_of(process.pid)
            disk = _bytes_in(deployment.folder / "state")
            process.signal(end)
        made.append(Start("judge", size, how, seconds, taking, cpu, resident, peak, disk))
        print(made[-1].cells(), flush=True)
    return made


async def scan_starts(bootstrap: str, folder: Path, size: int, seed: int) -> list[Start]:
    """A registry of that size, read by a scan stage, and resumed from the snapshot that it writes then."""
    source = f"logs-scan-{size}"
    await make(bootstrap, [source], PARTITIONS)
    deployment = Deployment(bootstrap, folder, source, seed=seed, partitions=PARTITIONS)
    deployment.create_topics()
    await register(bootstrap, f"{deployment.name}.registry", size, seed, time.time_ns() - SECOND)
    made = []
    for how, end in (
        ("registry read", signal.SIGTERM),
        ("snapshot, after a clean stop", signal.SIGKILL),
        ("snapshot, after kill -9", signal.SIGKILL),
    ):
        with deployment.start("--stage", "scan") as process:
            seconds = await at_work(process, "rebalanced", 1)
            cpu = cpu_of(process.pid)
            await asyncio.sleep(_SETTLED)
            resident, peak = memory_of(process.pid)
            if how == "registry read":
                await at_work(process, "snapshot of the registry written", 1)
            disk = _bytes_in(deployment.folder / "state")
            process.signal(end)
        made.append(Start("scan", size, how, seconds, 0.0, cpu, resident, peak, disk))
        print(made[-1].cells(), flush=True)
    return made


async def measure(bootstrap: str, folder: Path, options: Options) -> list[Start]:
    """All sizes."""
    rows: list[Start] = []
    for size in (0, *options.sizes):
        rows += await judge_starts(bootstrap, folder, size, options.seed)
    for size in (0, *options.sizes):
        rows += await scan_starts(bootstrap, folder, size, options.seed)
    return rows


def main(options: Options) -> None:
    """Measures, prints and keeps the table."""
    with peers.scratch() as folder, cluster(Path(folder)) as kafka:
        rows = asyncio.run(measure(kafka.bootstrap, Path(folder), options))
    machine = compare.machine()
    about = (
        f"\nApache Kafka {live_peers.kafka_version()}, one broker on the same cores, {PARTITIONS} partitions, one process. "
        "Each credential of the judge's state is a task that started and was issued one: nine changes of 1.7 KB together. "
        "After kill -9 the group first waits for the dead member, `kafka.session_timeout` (15 s) from its last heartbeat.\n"
    )
    text = "\n".join(
        [
            "# Starting with many credentials\n",
            tables.about(machine),
            about,
            tables.table(HEAD, [each.cells() for each in rows]),
            "",
        ]
    )
    print(text)
    tables.save(compare.RESULTS, options.name, text, {"machine": machine, "options": options, "rows": rows})
