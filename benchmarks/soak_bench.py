"""What a worker's memory does over hours of steady work, and once all is forgotten: `python -m benchmarks soak`.

One `curfewd run` with short times, so that what it knows stops growing after some minutes. Tasks start all the time,
get a credential, use and leak it, end, and are forgotten, at wall-clock time. At the end of each hour no task starts
for some minutes, and all is forgotten. Samples go to a file of JSON lines as they come, and the report is made of it.
"""

import asyncio
import contextlib
import random
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer

from benchmarks import compare, live_peers, peers, soak_report
from benchmarks.live_kafka import make
from benchmarks.live_load import Pair, Texts, cloudevent, issue, issued, secret_of
from benchmarks.live_process import Deployment, Process, cpu_of
from benchmarks.soak_report import Sample, Soak
from detector.values.times import MINUTE
from tests.broker import Cluster

_TOPIC: Final = "source"
_PARTITIONS: Final = 4
_POLICY: Final = 'lateness = "1min"\nretention = "2min"\ngrace_period = "10s"\nfinding_retention = "5min"\n'
_BROKER: Final = {
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.backoff.ms": "15000",
    "log.retention.check.interval.ms": "60000",
}
_LIFE: Final = 30  # seconds from a task's start to its end
_USES: Final = 6
_LEAKING: Final = 0.02  # of the credentials
_LATE_USE: Final = 0.02
_HOUR: Final = 3600
_KB: Final = 1024
_ARENA: Final = 64 << 20  # glibc's heaps of other threads begin at multiples of it
_REGION: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+\s*(.*)")
_SERIES: Final = {
    "curfewd_ledger_entries": "entries",
    "curfewd_ledger_aggregates": "aggregates",
    "curfewd_ledger_bytes": "disk",
    "curfewd_registered_credentials": "registered",
    "curfewd_findings_total": "findings",
}


class Options(msgspec.Struct, frozen=True):
    """Minutes in all, those at the end of each hour without new tasks, tasks a second, and log records for each."""

    minutes: float = 120.0
    quiet: float = 10.0
    rate: float = 12.0
    logs: int = 6
    every: float = 30.0
    seed: int = 7
    service: str = ""  # lines of [service]
    name: str = "soak"


def events_of(number: int, age: int, now: int, options: Options, texts: Texts) -> Iterator[Pair]:
    """What a task sends when it is so many seconds old."""
    name = f"{number}"
    task, credential = f"job-{name}", f"c-{name}"
    rng = random.Random(f"{options.seed} {number}")
    leaks, late = rng.random() < _LEAKING, rng.random() < _LATE_USE

    def event(kind: str, short: str, data: dict[str, Any]) -> Pair:
        return task.encode(), cloudevent(kind, f"{short}-{name}", now, data)

    def used(use: int) -> Pair:
        data = {"credential_id": credential, "action": "s3:GetObject", "resource": f"bucket/{use}", "task_id": task, "source_ip": "10.1.2.3"}  # fmt: skip
        return event("credential.used", f"u{use}", data)

    if age == 0:
        yield event("task.started", "s", {"task_id": task, "kind": "ci", "workload": "runner-1"})
        made = msgspec.structs.replace(issue(options.seed, name, now), expires_at=now + MINUTE)
        yield task.encode(), issued(made)
        for line in range(options.logs):
            yield texts.record(number * options.logs + line, now)
    elif age == _LIFE // 2 and leaks:
        yield texts.leak(number, now, secret_of(options.seed, name))
    elif age == _LIFE:
        yield event("credential.revoked", "r", {"credential_id": credential})
        yield event("task.ended", "e", {"task_id": task, "outcome": "succeeded"})
    elif age == _LIFE + 20 and late:
        yield used(_USES)
    elif age < _LIFE and age % (_LIFE // _USES) == 1:
        yield used(age // (_LIFE // _USES))


async def send(bootstrap: str, options: Options) -> None:
    """Sends until it is cancelled."""
    texts = Texts(options.seed)
    ages: dict[int, int] = {}
    numbers, owed = 0, 0.0
    began = due = time.monotonic()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=50) as producer:
        while True:
            now = time.time_ns()
            if (time.monotonic() - began) % _HOUR < _HOUR - 60 * options.quiet:
                owed += options.rate
                for number in range(numbers, numbers + int(owed)):
                    ages[number] = 0
                numbers += int(owed)
                owed -= int(owed)
            pairs = [
                pair for number, age in ages.items() for pair in events_of(number, age, now, options, texts)
            ]
            for key, value in pairs:
                await producer.send(_TOPIC, value, key)
            ages = {number: age + 1 for number, age in ages.items() if age <= _LIFE + 20}
            due += 1.0
            await asyncio.sleep(max(due - time.monotonic(), 0.0))


def memory_parts(pid: int) -> dict[str, int]:
    """Resident bytes of a process by what they are for: `heap` and `arenas` are glibc's, `mapped` has no file."""
    parts = dict.fromkeys(("heap", "arenas", "mapped", "files"), 0)
    kind, end_of_arena = "files", 0
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if region := _REGION.fullmatch(line):
            start, name = int(region[1], 16), region[3]
            if name == "[heap]":
                kind = "heap"
            elif name:
                kind = "files" if name.startswith("/") else "mapped"
            elif start % _ARENA == 0 or start < end_of_arena:
                kind = "arenas"
                end_of_arena = start // _ARENA * _ARENA + _ARENA
            else:
                kind = "mapped"
        elif line.startswith("Rss:"):
            parts[kind] += int(line.split()[1]) * _KB
    return parts


def counted(listen: str) -> dict[str, float]:
    """The sums of some series of /metrics, all of a name added up."""
    sums: dict[str, float] = {}
    with urllib.request.urlopen(f"http://{listen}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            name = re.split(r"[{ ]", line, maxsplit=1)[0]
            if name.startswith("curfewd_store_memory_bytes"):
                part = line.partition('part="')[2].partition('"')[0]
                sums[f"store {part}"] = sums.get(f"store {part}", 0.0) + float(line.split()[-1])
            elif name in _SERIES:
                sums[_SERIES[name]] = sums.get(_SERIES[name], 0.0) + float(line.split()[-1])
    return sums


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # a file may go meanwhile
            status = path.stat()
            size += min(status.st_blocks * 512, status.st_size) if path.is_file() else 0
    return size


def sample(process: Process, began: float, broker: Path, state: Path, topics: dict[str, str]) -> Sample:
    """The process as it is now."""
    status = dict(
        line.partition(":")[::2] for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
    )
    listen = next(line["listen"] for line in process.said() if line["event"] == "started")
    return Sample(
        seconds=time.monotonic() - began,
        resident=int(status["VmRSS"].split()[0]) * _KB,
        parts=memory_parts(process.pid),
        counted=counted(listen),
        threads=int(status["Threads"]),
        open_files=len(list(Path(f"/proc/{process.pid}/fd").iterdir())),
        cpu=cpu_of(process.pid),
        state=_size(state),
        topics={
            short: sum(_size(folder) for folder in broker.rglob(f"{name}-[0-9]*"))
            for short, name in topics.items()
        },
    )


async def soak(kafka: Cluster, folder: Path, options: Options, machine: compare.Machine) -> Path:
    """Works, and writes the samples; the file."""
    bootstrap = kafka.bootstrap
    await make(bootstrap, [_TOPIC], _PARTITIONS)
    deployment = Deployment(
        bootstrap,
        folder,
        _TOPIC,
        seed=options.seed,
        partitions=16,
        lookback="5min",
        policy=_POLICY,
        service=options.service,
    )
    await asyncio.to_thread(deployment.create_topics)
    names = ("work", "state", "registry", "findings", "revocations")
    topics = {name: f"{deployment.name}.{name}" for name in names} | {"inputs": _TOPIC}
    path = peers.DATA / f"{options.name}.jsonl"
    about = Soak(machine, live_peers.kafka_version(), options.minutes, options.quiet, options.rate, options.logs, options.service)  # fmt: skip
    path.write_bytes(msgspec.json.encode(about) + b"\n")
    with deployment.start() as process:
        await process.ready()
        began = time.monotonic()
        end = began + 60 * options.minutes
        sending = asyncio.create_task(send(bootstrap, options))
        due = began
        while time.monotonic() < end:
            if sending.done() or not process.running():
                raise RuntimeError(f"one of both has ended: {process.log.read_text()[-2000:]}")
            made = await asyncio.to_thread(
                sample, process, began, folder / "node-1" / "data", deployment.folder / "state", topics
            )
            with path.open("ab") as file:
                file.write(msgspec.json.encode(made) + b"\n")
            due += options.every
            await asyncio.sleep(max(due - time.monotonic(), 0.0))
        sending.cancel()
    return path


def main(options: Options) -> None:
    """Measures, and keeps table and curve."""
    machine = compare.machine()
    with peers.scratch() as scratch, Cluster(Path(scratch), 1, _BROKER) as kafka:
        path = asyncio.run(soak(kafka, Path(scratch), options, machine))
    soak_report.main(path)
