"""Throughput of several instances, and what it costs that one dies or leaves: `python -m benchmarks instances`.

The time without output is told by probes (`latency_bench.py`): credentials that leak, 25 a second among other
records. Those that come after a kill wait until someone else has the dead instance's partitions, or it is back
itself. After a leave (SIGTERM) they wait for the rebalance alone.
"""

import asyncio
import contextlib
import itertools
import math
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import compare, live_peers, peers, tables
from benchmarks.latency_bench import Seen, opened
from benchmarks.live_bench import register
from benchmarks.live_kafka import Groups, cluster, fill, make, reading
from benchmarks.live_load import Load, Texts, records
from benchmarks.live_process import Deployment, cpu_of
from benchmarks.live_source import Source

_RATE: Final = 2000.0  # records a second while something is killed
_BEFORE: Final = 5.0
_LEARNT: Final = 2.0  # seconds, until all instances know what each has registered
_PATIENCE: Final = 120.0  # seconds, for what is still on its way
_FROM: Final = 0.4  # what counts begins when so much is read: by then all instances are at work


class Options(msgspec.Struct, frozen=True):
    """Records for the throughput, registered credentials, and seconds watched after each kill.

    So many brokers, which each have a copy of curfewd's topics; partitions of the inputs and of `work`; and how many
    instances are measured.
    """

    records: int = 2_000_000
    known: int = 100_000
    watched: float = 30.0
    seed: int = 7
    brokers: int = 3
    partitions: int = 64
    instances: tuple[int, ...] = (1, 2, 4)


class Ending(msgspec.Struct, frozen=True):
    """How one of so many instances ends, and the setting `kafka.session_timeout`."""

    session: str
    instances: int
    how: signal.Signals


ENDINGS: Final = (
    Ending("6s", 2, signal.SIGKILL),
    Ending("6s", 1, signal.SIGKILL),
    Ending("6s", 2, signal.SIGTERM),
    Ending("6s", 4, signal.SIGTERM),
)


class Throughput(msgspec.Struct, frozen=True):
    """So many instances: records per second of the wall and of their CPU together."""

    instances: int
    per_second: float
    per_cpu: float
    cores: float


class Outage(msgspec.Struct, frozen=True):
    """A kill or leave: seconds without any command, the longest that one was awaited, and what never came."""

    what: str
    session: str
    silence: float
    longest: float
    missing: int
    twice: int


async def throughput(bootstrap: str, folder: Path, options: Options, instances: int) -> Throughput:
    """Reads the topic `full` with so many instances."""
    deployment = await _deployment(bootstrap, folder, "full", options)
    async with contextlib.AsyncExitStack() as stack:
        groups = await stack.enter_async_context(Groups(bootstrap))
        processes = [stack.enter_context(deployment.start(state=f"state-{n}")) for n in range(instances)]

        def now(done: int) -> tuple[int, float, float]:
            return done, time.perf_counter(), sum(cpu_of(process.pid) for process in processes)

        first: tuple[int, float, float] | None = None
        while True:
            done = sum((await groups.committed(deployment.group("scan"))).values())
            if first is None and done >= options.records * _FROM:
                first = now(done)
            if done >= options.records and first is not None:
                last = now(done)
                break
            await asyncio.sleep(0.1)
    read, wall, cpu = (b - a for a, b in zip(first, last, strict=True))
    made = Throughput(instances, read / wall, read / cpu, cpu / wall)
    print(made, flush=True)
    return made


async def _deployment(
    bootstrap: str, folder: Path, source: str, options: Options, settings: str = ""
) -> Deployment:
    deployment = Deployment(
        bootstrap,
        folder,
        source,
        seed=options.seed,
        partitions=options.partitions,
        settings=settings,
        copies=options.brokers,
    )
    deployment.create_topics()
    await register(bootstrap, f"{deployment.name}.registry", options.known, options.seed, time.time_ns())
    return deployment


async def outage(bootstrap: str, folder: Path, options: Options, ending: Ending) -> Outage:
    """Ends one of so many instances; the only one is started again at once."""
    session, instances, how = ending.session, ending.instances, ending.how
    source_topic = f"{how.name}-{session}-{instances}"
    await make(bootstrap, [source_topic], options.partitions)
    deployment = await _deployment(bootstrap, folder, source_topic, options, f'session_timeout = "{session}"')
    await fill(bootstrap, source_topic, options.partitions, opened(2000, options.seed, options.partitions))
    async with contextlib.AsyncExitStack() as stack:
        commands = await stack.enter_async_context(reading(bootstrap, f"{deployment.name}.revocations"))
        processes = [stack.enter_context(deployment.start(state=f"state-{n}")) for n in range(instances)]
        source = stack.enter_context(Source(bootstrap, source_topic, options.partitions, options.seed))
        groups = await stack.enter_async_context(Groups(bootstrap))
        await asyncio.gather(*(process.ready() for process in processes))
        while await groups.lag(deployment.group("scan"), source_topic, options.partitions):  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.2)
        await asyncio.sleep(_LEARNT)
        seen = Seen()
        following = asyncio.create_task(seen.follow(commands, seen.commands))
        source.pace(_RATE, probing=True)
        probes = await source.probed(_BEFORE)
        killed = time.time()
        await asyncio.to_thread(processes[0].signal, how)
        if instances == 1:
            stack.enter_context(deployment.start(state="state-0"))
        probes |= await source.probed(options.watched)
        source.pace(_RATE)
        probes |= await source.probed(_BEFORE)
        end = time.monotonic() + _PATIENCE
        while not seen.commands.keys() >= probes.keys() and time.monotonic() < end:  # noqa: ASYNC110 - `follow` ends never
            await asyncio.sleep(0.5)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    what = f"{how.name} to {'the only instance, started again at once' if instances == 1 else f'one of {instances}'}"
    return _outage(what, session, killed, probes, seen)


def _outage(what: str, session: str, killed: float, probes: dict[int, float], seen: Seen) -> Outage:
    found = set(probes) & set(seen.commands)
    times = sorted([killed, *(at for at in seen.commands.values() if at > killed - 1)])
    silence = max((b - a for a, b in itertools.pairwise(times)), default=math.inf)
    longest = max((seen.commands[n] - probes[n] for n in found), default=math.inf)
    made = Outage(what, session, silence, longest, len(probes) - len(found), seen.twice)
    print(made, flush=True)
    return made


async def measure(bootstrap: str, folder: Path, options: Options) -> tuple[list[Throughput], list[Outage]]:
    """Everything."""
    await make(bootstrap, ["full"], options.partitions)
    load, texts = Load(options.records, time.time_ns(), seed=options.seed), Texts(options.seed)
    count = options.partitions
    await fill(bootstrap, "full", count, lambda partition: records(load, texts, partition, count))
    rates = [await throughput(bootstrap, folder, options, instances) for instances in options.instances]
    outages = [await outage(bootstrap, folder, options, ending) for ending in ENDINGS]
    return rates, outages


def report(
    machine: compare.Machine, options: Options, rates: Sequence[Throughput], outages: Sequence[Outage]
) -> str:
    """The Markdown of it."""
    head = ["instances", "records per s", "records per CPU-s", "cores used by them"]
    body = [[f"{r.instances}", f"{r.per_second:,.0f}", f"{r.per_cpu:,.0f}", f"{r.cores:.2f}"] for r in rates]
    killed = ["what", "kafka.session_timeout", "s without any command", "s that a command was awaited at the most", "commands missing", "twice"]  # fmt: skip
    told = [
        [o.what, o.session, f"{o.silence:.1f}", f"{o.longest:.1f}", f"{o.missing}", f"{o.twice}"]
        for o in outages
    ]
    about = (
        f"\nApache Kafka {live_peers.kafka_version()}, {options.brokers} brokers on the same cores, so instances have less "
        f"than all of them; {options.partitions} partitions of the input and of `work`. {options.records:,} records of 300 bytes, {options.known:,} registered credentials, seed {options.seed}.\n"
    )
    return "\n".join(
        [
            "# Several instances\n",
            tables.about(machine),
            about,
            tables.table(head, body),
            f"\n## After a kill or a leave, at {_RATE:,.0f} records per s\n",
            tables.table(killed, told),
            "",
        ]
    )


def main(options: Options) -> None:
    """Measures, prints and keeps the tables."""
    with peers.scratch() as folder, cluster(Path(folder), options.brokers) as kafka:
        rates, outages = asyncio.run(measure(kafka.bootstrap, Path(folder), options))
    machine = compare.machine()
    text = report(machine, options, rates, outages)
    print(text)
    data = {"machine": machine, "options": options, "throughput": rates, "outages": outages}
    tables.save(compare.RESULTS, "instances", text, data)
