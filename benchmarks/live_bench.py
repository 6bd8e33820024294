"""Throughput of the whole service beside bare consumers and the same scan on other frameworks: one broker, one run.

`python -m benchmarks live [--records N] [--known N] [--runs N]` fills a topic with log records of 300 bytes of which
one in a thousand shows a secret, and a registry. Every subject reads the topic from its start to its end, all in
turn, and again. What counts begins when a tenth is read, which leaves the start out, and ends when the last finding
is committed. `python -m benchmarks live-mixed` is the service alone, with audit events among the logs.
"""

import asyncio
import copy
import functools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson

from benchmarks import compare, live_peers, peers, tables
from benchmarks.live_job import Job
from benchmarks.live_kafka import Groups, cluster, fill, make
from benchmarks.live_load import RECORD_BYTES, SPAN, Load, Pair, Texts, known, records
from benchmarks.live_peers import Peer
from benchmarks.live_process import Deployment, cpu_of
from benchmarks.live_rows import HEAD, Row, Run, watched
from detector.judge.routing import encode, registry_key, without_terms
from detector.kafka.clients import read_to_end
from detector.kafka.connection import ConnectionSettings
from detector.kafka.handlers import Partition

PARTITIONS = 4
OURS = "curfewd, look-back off"
OURS_PLAIN = "curfewd, look-back off, plain text"
OURS_TWICE = "curfewd, look-back within the run: all is read twice"
REGISTRY = "bench.registry"
_LEFT = 2 * PARTITIONS  # offsets that markers of transactions take


class Options(msgspec.Struct, frozen=True):
    """What is measured: so many records and registered credentials, so many runs of each subject."""

    records: int = 1_000_000
    known: int = 1_000_000
    runs: int = 3
    seed: int = 7
    settings: str = ""


class Input(msgspec.Struct, frozen=True):
    """A topic: its part of the records asked for, the shares of audit events and leaks, and whether its text is plain.

    Its records have `size` bytes, those of events apart, and are compressed by `codec`.
    """

    part: float = 1.0
    events: float = 0.0
    plain: bool = False
    leaks: float = 0.001
    size: int = RECORD_BYTES
    partitions: int = PARTITIONS
    codec: str | None = None


def _counted(load: Load, texts: Texts, sizes: list[int], partitions: int, partition: int) -> Iterator[Pair]:
    for key, value in records(load, texts, partition, partitions):
        sizes.append(len(value))
        yield key, value


class FilledTopics:
    """Topics on one broker, filled once, and the subjects that read them."""

    def __init__(self, bootstrap: str, broker: int, folder: Path, options: Options) -> None:
        self._bootstrap = bootstrap
        self._broker = broker
        self._folder = folder
        self._options = options
        self._end = time.time_ns()
        self._sizes: dict[str, tuple[int, float]] = {}
        self._numbers = 0

    async def prepare(self, inputs: dict[str, Input], *, registry: bool = True) -> None:
        """The registry, unless it is there, and the inputs by name."""
        if registry:
            first = self._deployment("none", REGISTRY)
            first.create_topics()
            await register(self._bootstrap, REGISTRY, self._options.known, self._options.seed, self._end)
        for name, each in inputs.items():
            await make(self._bootstrap, [name], each.partitions)
            count = int(self._options.records * each.part)
            load = Load(count, self._end, leaks=each.leaks, events=each.events, seed=self._options.seed)
            texts = Texts(self._options.seed, plain=each.plain, size=each.size)
            sizes: list[int] = []
            source = functools.partial(_counted, load, texts, sizes, each.partitions)
            await fill(self._bootstrap, name, each.partitions, source, each.codec)
            self._sizes[name] = len(sizes), sum(sizes) / len(sizes)

    def size(self, name: str) -> float:
        """The mean of a record's bytes in an input."""
        return self._sizes[name][1]

    def changed(self, settings: str) -> "FilledTopics":
        """One on the same topics with other lines of configuration."""
        other = copy.copy(self)
        other._options = msgspec.structs.replace(self._options, settings=settings)  # noqa: SLF001
        return other

    async def ours(self, source: str, lookback: str = "0s", *, workers: int = 1, since: float = 0.1) -> Run:
        """One run of the service with so many processes, over both stages, from that part of the records on."""
        deployment = self._deployment(source, REGISTRY, lookback, workers)
        deployment.create_topics()
        total = self._sizes[source][0]
        async with Groups(self._bootstrap) as groups:

            async def read() -> int:
                passes = ["scan", "lookback"] if lookback != "0s" else ["scan"]
                done = [await groups.committed(deployment.group(each)) for each in passes]
                return min(sum(each.values()) for each in done)

            async def judged() -> bool:
                lag = await groups.lag(deployment.group("judge"), deployment.work, PARTITIONS)
                return lag <= _LEFT

            with deployment.start() as process:
                run = await watched(process.pid, self._broker, total, read, judged, since=since)
        return msgspec.structs.replace(run, findings=await self._findings(f"{deployment.name}.findings"))

    async def theirs(self, peer: Peer, source: str) -> Run:
        """One run of a peer."""
        self._numbers += 1
        group = f"peer-{self._numbers}"
        folder = self._folder / group
        folder.mkdir()
        target = f"{group}.out"
        await make(self._bootstrap, [target], PARTITIONS)
        total = self._sizes[source][0]
        job = Job(
            self._bootstrap,
            source,
            target,
            group,
            total,
            self._options.known,
            self._options.seed,
            str(folder),
        )
        async with Groups(self._bootstrap) as groups:

            async def read() -> int:
                if running.ended():
                    raise RuntimeError(f"{peer.name} ended: {running.log.read_text()[-600:]}")
                done = await groups.committed(group)
                return sum(offset for at, offset in done.items() if at.topic == source)

            async def nothing_left() -> bool:
                return True

            with live_peers.Running(peer, job, folder / "log") as running:
                if not peer.scans:
                    return await self._told(running, total)
                run = await watched(running.pid, self._broker, total, read, nothing_left)
        return msgspec.structs.replace(run, findings=await self._findings(target))

    async def _told(self, running: live_peers.Running, total: int) -> Run:
        """What a peer says of itself at its end; the broker's part is of all that was read."""
        before = cpu_of(self._broker)
        await asyncio.to_thread(running.wait)
        told = orjson.loads(running.log.read_text().strip().splitlines()[-1])
        broker = (cpu_of(self._broker) - before) * told["records"] / total
        return Run(told["records"], told["wall"], told["cpu"], broker, told["memory"])

    async def _findings(self, topic: str) -> int:
        """How many things were found: keys of the topic, as committed."""
        keys: set[bytes] = set()
        for number in range(PARTITIONS):
            async for some in read_to_end(ConnectionSettings(self._bootstrap), Partition(topic, number)):
                keys.update(record.key for record in some)
        return len(keys)

    def _deployment(self, source: str, registry: str, lookback: str = "0s", workers: int = 1) -> Deployment:
        options = self._options
        return Deployment(
            self._bootstrap,
            self._folder,
            source,
            seed=options.seed,
            registry=registry,
            partitions=PARTITIONS,
            lookback=lookback,
            settings=options.settings,
            service=f"workers = {workers}" if workers > 1 else "",
        )


async def register(bootstrap: str, topic: str, count: int, seed: int, end: int) -> None:
    """Fills the registry topic as the scan stage does; which partition has what does not matter to its readers."""
    times = end - SPAN

    def source(partition: int) -> Any:
        for number, issue in enumerate(known(count, seed, times)):
            if number % PARTITIONS == partition:
                yield registry_key(issue), encode(without_terms(issue))

    await fill(bootstrap, topic, PARTITIONS, source)


class Subject(msgspec.Struct, frozen=True):
    """What is measured: `run` reads the topic `source` once."""

    name: str
    guarantee: str
    source: str
    run: Callable[[], Awaitable[Run]]
    notes: str = ""


async def alternating(subjects: Sequence[Subject], runs: int) -> list[tuple[Subject, list[Run] | str]]:
    """All subjects in turn, and again; for one that fails, why."""
    made: list[list[Run]] = [[] for _ in subjects]
    failed: dict[int, str] = {}
    for _ in range(runs):
        for number, each in enumerate(subjects):
            if number in failed:
                continue
            try:
                last = await each.run()
            except (RuntimeError, TimeoutError) as error:
                failed[number] = f"{error}"
                print(f"{each.name}, {each.guarantee}: {error}", flush=True)
                continue
            made[number].append(last)
            print(f"{each.name}, {each.guarantee}: {last.records / last.cpu:,.0f} per CPU-s, {last.records / last.wall:,.0f} per s, {last.findings} findings", flush=True)  # fmt: skip
    return [(each, failed.get(number, made[number])) for number, each in enumerate(subjects)]


async def throughput(bench: FilledTopics, options: Options) -> list[Row]:
    """The service and its peers on one input, the slow ones on its beginning."""
    await bench.prepare({"logs": Input(), "few": Input(part=0.1), "plain": Input(plain=True)})
    subjects = [
        Subject(OURS, "exactly once", "logs", lambda: bench.ours("logs")),
        Subject(OURS_TWICE, "exactly once", "logs", lambda: bench.ours("logs", "1s")),
        Subject(OURS_PLAIN, "exactly once", "plain", lambda: bench.ours("plain")),
    ]
    for peer in live_peers.PEERS:
        source = "few" if peer.slow else "logs"
        subjects.append(
            Subject(
                peer.name,
                peer.guarantee,
                source,
                functools.partial(bench.theirs, peer, source),
                peer.notes,
            )
        )
    return [
        row(each, bench.size(each.source), made) for each, made in await alternating(subjects, options.runs)
    ]


async def mixed(bench: FilledTopics, options: Options) -> list[Row]:
    """The service on inputs with more and more audit events."""
    shares = {"logs alone": 0.0, "1 % audit events": 0.01, "10 % audit events": 0.10}
    names = {name: f"mix-{number}" for number, name in enumerate(shares)}
    await bench.prepare({names[name]: Input(events=share) for name, share in shares.items()})
    subjects = [
        Subject(name, "exactly once", names[name], functools.partial(bench.ours, names[name]))
        for name in shares
    ]
    return [
        row(each, bench.size(each.source), made) for each, made in await alternating(subjects, options.runs)
    ]


def row(subject: Subject, size: float, made: list[Run] | str) -> Row:
    """A line of the table, or why there is none."""
    if isinstance(made, str):
        return Row(subject.name, subject.guarantee, size, notes=f"failed: {made[:200]}")
    return Row(subject.name, subject.guarantee, size, tuple(made), subject.notes)


def _about(options: Options) -> str:
    """What was measured, in a sentence."""
    return (
        f"\nApache Kafka {live_peers.kafka_version()}, one broker on the same cores; {options.records:,} records, "
        f"seed {options.seed}, one in a thousand shows a secret (slow peers: a tenth of as many); {options.known:,} registered credentials; "
        f"{live_peers.versions()}. Medians of {options.runs} runs in turn.\n"
    )


def main(options: Options, what: Callable[[FilledTopics, Options], Any], name: str, title: str) -> None:
    """Measures, prints and keeps a table."""
    failed = live_peers.install() if what is throughput else None
    with peers.scratch() as folder, cluster(Path(folder)) as kafka:
        bench = FilledTopics(kafka.bootstrap, kafka.nodes[0].pid or 0, Path(folder), options)
        rows = asyncio.run(what(bench, options))
    machine = compare.machine()
    text = "\n".join(
        [
            f"# {title}\n",
            tables.about(machine),
            _about(options),
            tables.table(HEAD, [each.cells() for each in rows]),
            *([f"\nPeers: {failed}"] if failed else []),
            "",
        ]
    )
    print(text)
    tables.save(compare.RESULTS, name, text, {"machine": machine, "options": options, "rows": rows})
