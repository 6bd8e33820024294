"""Throughput of the whole service beside bare consumers and the same scan on other frameworks: one broker, one run.

`python -m benchmarks live [--records N] [--known N] [--runs N]` fills a topic with log records of 300 bytes of which one
in a thousand shows a secret, and a registry. Every subject reads the topic from its start to its end, all in turn, and
again. What counts begins when a tenth is read, which leaves the start out, and ends when the last finding is committed.
`python -m benchmarks live-mixed` is the service alone, with audit events among the logs.
"""

import asyncio
import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import orjson

from benchmarks import compare, live_peers, peers, tables
from benchmarks.live_job import Job
from benchmarks.live_kafka import Groups, cluster, fill, make
from benchmarks.live_load import SPAN, Load, Texts, known, records
from benchmarks.live_peers import Peer
from benchmarks.live_process import Deployment, cpu_of
from benchmarks.live_rows import HEAD, Row, Run, watched
from detector.handlers import Partition
from detector.kafka_clients import KafkaSettings, read_to_end
from detector.live.routing import encode, registry_key, without_terms

PARTITIONS = 4
OURS = "curfewd, look-back off"
OURS_TWICE = "curfewd, look-back within the run: all is read twice"
REGISTRY = "bench.registry"
_LEFT = 2 * PARTITIONS  # offsets that markers of transactions take


class Options(msgspec.Struct, frozen=True):
    """What is measured: so many records and registered credentials, so many runs of each subject."""

    records: int = 2_000_000
    known: int = 1_000_000
    runs: int = 3
    seed: int = 7
    settings: str = ""


class Bench:
    """Topics on one broker, filled once, and the subjects that read them."""

    def __init__(self, bootstrap: str, broker: int, folder: Path, options: Options) -> None:
        self._bootstrap = bootstrap
        self._broker = broker
        self._folder = folder
        self._options = options
        self._end = time.time_ns()
        self._texts = Texts(options.seed)
        self._sizes: dict[str, tuple[int, float]] = {}
        self._numbers = 0

    async def prepare(self, mixes: dict[str, float]) -> None:
        """The registry, and an input for each share of audit events by name."""
        first = self._deployment("none", REGISTRY)
        first.create_topics()
        await register(self._bootstrap, REGISTRY, self._options.known, self._options.seed, self._end)
        await make(self._bootstrap, mixes, PARTITIONS)
        for name, share in mixes.items():
            load = Load(self._options.records, self._end, events=share, seed=self._options.seed)
            sizes: list[int] = []

            def source(partition: int, load: Load = load, sizes: list[int] = sizes) -> Any:
                for key, value in records(load, self._texts, partition, PARTITIONS):
                    sizes.append(len(value))
                    yield key, value

            await fill(self._bootstrap, name, PARTITIONS, source)
            self._sizes[name] = len(sizes), sum(sizes) / len(sizes)

    def size(self, name: str) -> float:
        """The mean of a record's bytes in an input."""
        return self._sizes[name][1]

    async def ours(self, source: str, lookback: str = "0s") -> Run:
        """One run of the service, over both stages."""
        deployment = self._deployment(source, REGISTRY, lookback)
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
                run = await watched(process.pid, self._broker, total, read, judged)
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
            async for some in read_to_end(KafkaSettings(self._bootstrap), Partition(topic, number)):
                keys.update(record.key for record in some)
        return len(keys)

    def _deployment(self, source: str, registry: str, lookback: str = "0s") -> Deployment:
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
        )


async def register(bootstrap: str, topic: str, count: int, seed: int, end: int) -> None:
    """Fills the registry topic as the scan stage does; which partition has what does not matter to its readers."""
    times = end - SPAN

    def source(partition: int) -> Any:
        for number, issue in enumerate(known(count, seed, times)):
            if number % PARTITIONS == partition:
                yield registry_key(issue), encode(without_terms(issue))

    await fill(bootstrap, topic, PARTITIONS, source)


async def alternating(subjects: dict[str, Callable[[], Any]], runs: int) -> dict[str, list[Run] | str]:
    """All subjects in turn, and again; for one that fails, why."""
    made: dict[str, list[Run] | str] = {name: [] for name in subjects}
    for _ in range(runs):
        for name, run in subjects.items():
            so_far = made[name]
            if isinstance(so_far, str):
                continue
            try:
                so_far.append(await run())
            except (RuntimeError, TimeoutError) as error:
                made[name] = f"{error}"
                print(f"{name}: {error}", flush=True)
                continue
            last = so_far[-1]
            print(f"{name}: {last.records / last.cpu:,.0f} per CPU-s, {last.records / last.wall:,.0f} per s, {last.findings} findings", flush=True)  # fmt: skip
    return made


async def throughput(bench: Bench, options: Options) -> list[Row]:
    """The service and its peers on one input."""
    source = "logs"
    await bench.prepare({source: 0.0})
    subjects: dict[str, Callable[[], Any]] = {
        OURS: lambda: bench.ours(source),
        OURS_TWICE: lambda: bench.ours(source, "1s"),
    }
    subjects |= {
        f"{peer.name}, {peer.guarantee}": functools.partial(bench.theirs, peer, source)
        for peer in live_peers.PEERS
    }
    guarantees = dict.fromkeys((OURS, OURS_TWICE), "exactly once") | {
        f"{peer.name}, {peer.guarantee}": peer.guarantee for peer in live_peers.PEERS
    }
    notes = {f"{peer.name}, {peer.guarantee}": peer.notes for peer in live_peers.PEERS}
    made = await alternating(subjects, options.runs)
    return [
        row(name, guarantees[name], bench.size(source), runs, notes.get(name, ""))
        for name, runs in made.items()
    ]


async def mixed(bench: Bench, options: Options) -> list[Row]:
    """The service on inputs with more and more audit events."""
    shares = {"logs alone": 0.0, "1 % audit events": 0.01, "10 % audit events": 0.10}
    names = {name: f"mix-{number}" for number, name in enumerate(shares)}
    await bench.prepare({names[name]: share for name, share in shares.items()})
    made = await alternating(
        {name: functools.partial(bench.ours, names[name]) for name in shares}, options.runs
    )
    return [row(name, "exactly once", bench.size(names[name]), runs, "") for name, runs in made.items()]


def row(name: str, guarantee: str, size: float, runs: list[Run] | str, notes: str) -> Row:
    """A line of the table, or why there is none."""
    if isinstance(runs, str):
        return Row(name, guarantee, size, notes=f"failed: {runs[:200]}")
    return Row(name, guarantee, size, tuple(runs), notes)


def _about(options: Options) -> str:
    """What was measured, in a sentence."""
    return (
        f"\nApache Kafka {live_peers.kafka_version()}, one broker on the same cores; {options.records:,} records, "
        f"seed {options.seed}, one in a thousand shows a secret; {options.known:,} registered credentials; "
        f"{live_peers.versions()}. Medians of {options.runs} runs in turn.\n"
    )


def main(options: Options, what: Callable[[Bench, Options], Any], name: str, title: str) -> None:
    """Measures, prints and keeps a table."""
    failed = live_peers.install() if what is throughput else None
    with tempfile.TemporaryDirectory(dir=peers.DATA) as folder, cluster(Path(folder)) as kafka:
        bench = Bench(kafka.bootstrap, kafka.nodes[0].pid or 0, Path(folder), options)
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
