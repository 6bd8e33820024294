"""Latency of the whole service: from a leak's append to the committed command that asks for the revocation.

`python -m benchmarks latency` finds the highest load that is sustained, then measures at shares of it. Each probe is a
registered credential that leaks once, in a log record like the others; its command is awaited by a read_committed
consumer. Where the time went follows from when the records of both stages are seen before they are committed.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks import compare, live_peers, peers, tables
from benchmarks.live_bench import PARTITIONS, register
from benchmarks.live_kafka import Groups, cluster, fill, make, reading
from benchmarks.live_load import Pair, issue, issued
from benchmarks.live_process import Deployment, Process, cpu_of
from benchmarks.live_source import PROBES, Source
from detector.values.times import MINUTE

SHARES: Final = (0.1, 0.5, 0.8)
_PROBE: Final = re.compile(r"probe-(\d+)")
_ISSUE: Final = (b'["credential.issued"', b'["claim"')
EARLY: Final = "read_uncommitted"  # sees what a stage writes before it is committed
_FIRST: Final = 10_000.0  # records a second, where the search begins
_SETTLE: Final = 3.0
_STEP: Final = 6.0
_BEHIND: Final = 0.5  # seconds of load that may be waiting at the end of a step


class Options(msgspec.Struct, frozen=True):
    """Seconds of warm-up and of measuring at each share; so many registered credentials."""

    known: int = 1_000_000
    warm: float = 10.0
    seconds: float = 40.0
    seed: int = 7


class Latency(msgspec.Struct, frozen=True):
    """What was seen at one load. Milliseconds; `parts` are p50 and p99 of each leg of the way."""

    share: float
    rate: float
    probes: int
    missing: int
    p50: float
    p99: float
    longest: float
    parts: tuple[tuple[float, float], ...]
    busy: float  # cores that the service used

    def cells(self) -> list[str]:
        """A line of the table."""
        parts = [f"{p50:.0f} / {p99:.0f}" for p50, p99 in self.parts]
        figures = [f"{figure:.0f}" for figure in (self.p50, self.p99, self.longest)]
        return [
            f"{self.share:.0%}",
            f"{self.rate:,.0f}",
            f"{self.probes}",
            f"{self.missing}",
            *figures,
            *parts,
            f"{self.busy:.2f}",
        ]


HEAD: Final = [
    "load",
    "records per s",
    "probes",
    "without a command",
    "p50 ms",
    "p99 ms",
    "max ms",
    "append to scanned, p50 / p99",
    "scanned to judged",
    "judged to committed",
    "cores used",
]


class Seen:
    """When what the stages wrote about each probe was seen, and when its command was committed.

    Unix time in seconds.
    """

    def __init__(self) -> None:
        self.scanned: dict[int, float] = {}
        self.judged: dict[int, float] = {}
        self.commands: dict[int, float] = {}
        self.twice = 0

    async def follow(self, consumer: Any, into: dict[int, float]) -> None:
        """Notes when each probe is first spoken of in a topic: leaks among events of other kinds, or commands."""
        while True:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                now = time.time()
                for record in records:
                    found = _PROBE.search((record.key or b"").decode())
                    if found and not (record.value or b"").startswith(_ISSUE):
                        self.twice += into is self.commands and int(found[1]) in into
                        into.setdefault(int(found[1]), now)


def opened(probes: int, seed: int, partitions: int = PARTITIONS) -> Callable[[int], Iterator[Pair]]:
    """What a topic begins with: the issues of so many credentials that will leak."""
    time_ns = time.time_ns() - MINUTE

    def source(partition: int) -> Iterator[Pair]:
        for number in range(partition, probes, partitions):
            event = issue(seed, f"probe-{number}", time_ns)
            yield str(event.task_id).encode(), issued(event)

    return source


def quantile(values: Sequence[float], share: float) -> float:
    """Of at least one value: the smallest that so many are not above."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class LoadedService:
    """One service under load."""

    def __init__(self, groups: Groups, deployment: Deployment, process: Process, source: Source) -> None:
        self._groups = groups
        self._deployment = deployment
        self._process = process
        self._source = source
        self.steps: list[tuple[float, bool]] = []

    async def behind(self) -> int:
        """Records that are not scanned yet."""
        return await self._groups.lag(self._deployment.group("scan"), "logs", PARTITIONS)

    async def caught_up(self) -> None:
        """Waits until nothing is left."""
        self._source.pace(0)
        while await self.behind() > 4 * PARTITIONS or await self._judge_behind() > 4 * PARTITIONS:  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.2)

    async def _judge_behind(self) -> int:
        return await self._groups.lag(self._deployment.group("judge"), self._deployment.work, PARTITIONS)

    async def highest(self) -> float:
        """The highest load, in records a second, that it keeps up with; by doubling, then by halves."""
        low, high, rate = 0.0, 0.0, _FIRST
        while not high or high / max(low, 1.0) > 1.1:
            if await self._sustained(rate):
                low = rate
            else:
                high = rate
            rate = low * 2 if not high else (low + high) / 2
        return low

    async def _sustained(self, rate: float) -> bool:
        self._source.pace(rate)
        await asyncio.sleep(_SETTLE)
        before, began = self._source.sent, time.monotonic()
        await asyncio.sleep(_STEP)
        produced = (self._source.sent - before) / (time.monotonic() - began)
        behind = await self.behind()
        kept = produced > rate * 0.97 and behind < rate * _BEHIND
        self.steps.append((rate, kept))
        print(f"{rate:,.0f} per s: {produced:,.0f} produced, {behind:,} behind", flush=True)
        await self.caught_up()
        return kept

    async def measured(self, share: float, rate: float, seen: Seen, options: Options) -> Latency:
        """Latencies at one load."""
        self._source.pace(rate)
        await asyncio.sleep(options.warm)
        self._source.probes()
        used, before, began = cpu_of(self._process.pid), self._source.sent, time.monotonic()
        self._source.pace(rate, probing=True)
        probes: dict[int, float] = {}
        while time.monotonic() - began < options.seconds:
            await asyncio.sleep(0.2)
            probes |= self._source.probes()
        took = time.monotonic() - began
        busy, sent = (cpu_of(self._process.pid) - used) / took, (self._source.sent - before) / took
        self._source.pace(rate)  # the last probes see the same load
        await asyncio.sleep(5)
        probes |= self._source.probes()
        await self.caught_up()
        await asyncio.sleep(1)
        return _latency(share, sent, busy, probes, seen)


def _latency(share: float, rate: float, busy: float, probes: dict[int, float], seen: Seen) -> Latency:
    found = sorted(set(probes) & set(seen.commands))
    total = [1000 * (seen.commands[n] - probes[n]) for n in found]
    legs = (
        [1000 * (seen.scanned[n] - probes[n]) for n in found if n in seen.scanned],
        [1000 * (seen.judged[n] - seen.scanned[n]) for n in found if n in seen.scanned],
        [1000 * (seen.commands[n] - seen.judged[n]) for n in found],
    )
    parts = tuple((quantile(leg, 0.5), quantile(leg, 0.99)) for leg in legs)
    return Latency(
        share,
        rate,
        len(probes),
        len(probes) - len(found),
        quantile(total, 0.5),
        quantile(total, 0.99),
        max(total),
        parts,
        busy,
    )


async def measure(bootstrap: str, folder: Path, options: Options) -> tuple[float, list[Latency]]:
    """The highest load, and the latencies at shares of it."""
    await make(bootstrap, ["logs"], PARTITIONS)
    deployment = Deployment(bootstrap, folder, "logs", seed=options.seed, partitions=PARTITIONS)
    deployment.create_topics()
    now = time.time_ns()
    await register(bootstrap, f"{deployment.name}.registry", options.known, options.seed, now)
    probes = int(len(SHARES) * (options.seconds + 10) * PROBES) + 100
    await fill(bootstrap, "logs", PARTITIONS, opened(probes, options.seed))
    async with contextlib.AsyncExitStack() as stack:
        groups = await stack.enter_async_context(Groups(bootstrap))
        commands = await stack.enter_async_context(reading(bootstrap, f"{deployment.name}.revocations"))
        early = await stack.enter_async_context(reading(bootstrap, f"{deployment.name}.revocations", EARLY))
        work = await stack.enter_async_context(reading(bootstrap, deployment.work, EARLY))
        process = stack.enter_context(deployment.start())
        source = stack.enter_context(Source(bootstrap, "logs", PARTITIONS, options.seed))
        print(f"ready after {await process.ready():.1f} s", flush=True)
        seen = Seen()
        pairs = ((work, seen.scanned), (early, seen.judged), (commands, seen.commands))
        following = [asyncio.create_task(seen.follow(*pair)) for pair in pairs]
        bench = LoadedService(groups, deployment, process, source)
        await bench.caught_up()
        highest = await bench.highest()
        made = []
        for share in SHARES:
            made.append(await bench.measured(share, highest * share, seen, options))
            print(made[-1].cells(), flush=True)
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
    return highest, made


def _about(options: Options, highest: float) -> str:
    """What was measured."""
    return (
        f"\nApache Kafka {live_peers.kafka_version()}; broker, producer and service share the cores. Records of 300 bytes, "
        f"seed {options.seed}, {options.known:,} registered credentials, look-back off. Highest load kept up with: "
        f"{highest:,.0f} records per s. At each share of it {options.warm:.0f} s of warm-up, then {options.seconds:.0f} s "
        f"with {PROBES:.0f} probes a second.\n"
    )


def main(options: Options) -> None:
    """Measures, prints and keeps the table."""
    with peers.scratch() as folder, cluster(Path(folder)) as kafka:
        highest, made = asyncio.run(measure(kafka.bootstrap, Path(folder), options))
    machine = compare.machine()
    text = "\n".join(
        [
            "# Latency from a leak's append to the committed command\n",
            tables.about(machine),
            _about(options, highest),
            tables.table(HEAD, [each.cells() for each in made]),
            "",
        ]
    )  # fmt: skip
    print(text)
    tables.save(
        compare.RESULTS,
        "latency",
        text,
        {"machine": machine, "options": options, "highest": highest, "rows": made},
    )
