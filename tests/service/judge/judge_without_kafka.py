"""A history through the judge stage without Kafka: topics are lists, transactions are appends, crashes are chosen."""

import asyncio
import json
import random
import shutil
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from detector.judge.policy import Policy
from detector.judge.routing import Fact, InputProgress, encode, route
from detector.judge.watermark import ROUNDS, Inputs, pause_between_reports
from detector.kafka.changelog import Change, ChangelogSpan
from detector.kafka.handlers import Output, Partition, singly
from detector.outputs.output import Run
from detector.records.made_columns import columns_of
from detector.registry.credential_registry import CredentialRegistry
from detector.service.judge.handler import JudgeHandler, JudgeSettings, Topics
from detector.service.judge.reports import JudgedTransaction
from detector.service.judge.restore import Restored, Restoring
from detector.values.errors import RetryError
from detector.values.events import AnyEvent, CredentialIssued
from detector.values.times import SECOND

TOPICS = Topics()
RUN = Run({}, lambda text: text)
IDLE = 31 * SECOND
PAUSE = pause_between_reports(1, news=True)
# Stores are opened a thousand times. A disk takes four times the CPU for that, and RocksDB waits for it.
MEMORY = Path("/dev/shm")  # noqa: S108 - the stores stand in a folder of their own there


class Record(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = -1
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Logs:
    """The changelog: a list for each partition. Compaction leaves the last of each key, at its offset."""

    def __init__(self, partitions: int) -> None:
        self.topics: list[list[tuple[int, Change]]] = [[] for _ in range(partitions)]
        self.ends = [0] * partitions
        self.topic_id = "e1" * 16
        self.cut = False  # whether reading fails after the first few

    async def span(self, partition: int) -> ChangelogSpan:
        return ChangelogSpan(0, self.ends[partition], self.topic_id)

    async def read(self, partition: int, start: int) -> AsyncIterator[list[Change]]:
        rows = [change for offset, change in self.topics[partition] if offset >= start]
        for at in range(0, len(rows), 7):
            yield rows[at : at + 7]
            if self.cut:
                raise RetryError("the broker is gone")

    def append(self, partition: int, change: Change) -> None:
        self.topics[partition].append((self.ends[partition], change))
        self.ends[partition] += 1

    def compact(self) -> None:
        for number, rows in enumerate(self.topics):
            last = {change[0]: offset for offset, change in rows}
            self.topics[number] = [row for row in rows if last[row[1][0]] == row[0]]


class World:
    """Work partitions, the judge stage over them, and what it wrote."""

    def __init__(
        self,
        policy: Policy,
        clock: int,
        *,
        partitions: int = 2,
        cache_size: int = 1000,
        compact_every: int = 256,
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="curfewd-", dir=MEMORY if MEMORY.is_dir() else None))
        self.clock = self._began = clock
        self.work: list[list[Record]] = [[] for _ in range(partitions)]
        self.offsets = [0] * partitions
        self._sources: set[str] = set()
        self._pauses = 0  # between ticks, which the clock leaves out
        self.logs = Logs(partitions)
        self.findings: list[tuple[str, dict[str, Any]]] = []
        self.deleted: list[str] = []
        self.commands: list[dict[str, Any]] = []
        self.letters: list[dict[str, Any]] = []
        self.forgotten: list[bytes | None] = []
        self.facts: list[JudgedTransaction | Restored | Restoring] = []
        self._settings = JudgeSettings(
            policy, self.directory / "stores", TOPICS, cache_size, compact_every, work_partitions=partitions
        )
        self.handler = self._start()
        self.partitions = [Partition(TOPICS.work, number) for number in range(partitions)]

    def _start(self) -> JudgeHandler:
        return JudgeHandler(
            self._settings,
            RUN,
            self.logs,
            lambda: self.clock,
            self.facts.append,
            inputs=self._listed,
        )

    def _listed(self) -> Inputs | None:
        """The inputs that have reported; without one the watermark follows the clock, half a minute after the start."""
        if not self._sources and self.clock - self._began < IDLE:
            return None
        return Inputs(self.clock, frozenset(self._sources))

    async def open(self) -> None:
        for partition in self.partitions:
            await self.handler.assigned(partition)

    async def close(self) -> None:
        for partition in self.partitions:
            await self.handler.revoked(partition)

    def remove(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)

    def send(self, key: str, payload: Fact) -> None:
        if isinstance(payload, InputProgress):
            self._sources.add(payload.source)
        self.write(Output(TOPICS.work, key.encode(), encode(payload)))

    def report(self, source: str, time: int) -> None:
        """A scan instance has read a partition of an input up to a time."""
        self._sources.add(source)
        self._everywhere(InputProgress(source, time))

    def _everywhere(self, progress: InputProgress) -> None:
        for work in self.work:
            work.append(Record(len(work), b"m:", encode(progress)))

    def write(self, output: Output) -> None:
        """One record of a transaction that is through."""
        if output.topic == TOPICS.work:
            hashed = zlib.crc32(output.key or b"") % len(self.work)
            where = self.work[hashed if output.partition is None else output.partition]
            stamp = -1 if output.timestamp_ms is None else output.timestamp_ms
            where.append(Record(len(where), output.key, output.value, stamp))
        elif output.topic == TOPICS.state:
            assert output.partition is not None
            assert output.key is not None
            self.logs.append(output.partition, (output.key, output.value))
        elif output.topic == TOPICS.findings:
            uid = (output.key or b"").decode()
            if output.value is None:
                self.deleted.append(uid)
                self.findings = [each for each in self.findings if each[0] != uid]
            else:
                self.findings.append((uid, json.loads(output.value)))
        elif output.topic == TOPICS.revocations:
            self.commands.append(json.loads(output.value or b""))
        elif output.topic == TOPICS.dead_letters:
            self.letters.append(json.loads(output.value or b""))
        else:
            self.forgotten.append(output.key)

    async def poll(self, number: int, most: int, *, crash: str = "") -> None:
        """One transaction of a partition. A crash comes `before` the commit, or `after` it and before the store's."""
        partition, at = self.partitions[number], self.offsets[number]
        records = self.work[number][at : at + most]
        columns = columns_of(partition.topic, number, records)  # as the stage polls them
        outputs = await self.handler.process(partition, columns) if records else []
        if crash == "before":
            return
        for output in singly(outputs):
            self.write(output)
        self.offsets[number] = at + len(records)
        if crash != "after":
            await self.handler.committed(partition, self.offsets[number] if records else None)

    async def tick(self) -> None:
        for number in range(len(self.partitions)):
            await self.tick_one(number)

    async def tick_one(self, number: int) -> None:
        partition = self.partitions[number]
        self._pauses += PAUSE
        outputs = await self.handler.tick(partition, self.clock + self._pauses, caught_up=self.clock)
        if outputs:
            for output in singly(outputs):
                self.write(output)
            await self.handler.committed(partition, None)

    def waits(self, number: int) -> bool:
        """Whether a partition has records that were not polled."""
        return self.offsets[number] < len(self.work[number])

    async def restart(
        self, *, store: str = "kept", spare: Path | None = None, policy: Policy | None = None
    ) -> None:
        """Another process takes over: with the store as it is, `lost`, `torn`, or an old one from `spare`."""
        await self.close()
        if policy is not None:
            self._settings = msgspec.structs.replace(self._settings, policy=policy)
        self._damage(store, spare)
        self.handler = self._start()
        await self.open()

    def _damage(self, store: str, spare: Path | None) -> None:
        path = self.directory / "stores"
        if store in ("lost", "behind"):
            shutil.rmtree(path, ignore_errors=True)
        if store == "behind" and spare is not None and spare.exists():
            shutil.copytree(spare, path)
        if store == "torn":
            for manifest in path.glob("*/MANIFEST*"):
                manifest.write_bytes(b"torn")

    async def save(self, spare: Path) -> None:
        """Keeps a copy of the stores as they are."""
        await self.close()
        shutil.rmtree(spare, ignore_errors=True)
        shutil.copytree(self.directory / "stores", spare)
        self.handler = self._start()
        await self.open()

    async def drain(self) -> None:
        """Everything that waits, and what follows from it."""
        for _ in range(ROUNDS + 1):
            while any(offset < len(work) for offset, work in zip(self.offsets, self.work, strict=True)):
                for number in range(len(self.work)):
                    await self.poll(number, 100)
            await self.tick()

    async def settle(self, until: int, policy: Policy) -> None:
        """All inputs are read to their ends, and the watermark comes to `until`."""
        self.clock = until + policy.watermark_delay
        for source in sorted(self._sources):
            self._everywhere(InputProgress(source, until))
        await self.drain()
        for _ in range(4):
            await self.tick()
            await self.drain()

    def standing(self) -> dict[str, dict[str, Any]]:
        """The last record of each finding that is not closed, without what tells first from later ones."""
        last = dict(self.findings)
        return {uid: without_activity(record) for uid, record in last.items() if record["activity_id"] != 3}


def without_activity(record: dict[str, Any]) -> dict[str, Any]:
    """All that a record says but whether it is the first."""
    return {name: value for name, value in record.items() if not name.startswith(("activity", "type_"))}


def feed(world: World, events: Iterable[AnyEvent], rng: random.Random) -> None:
    """Routes events as scan instances do, whose registries are behind by as much as chance will have it."""
    registries, lag = (CredentialRegistry(), CredentialRegistry()), rng.choice((0.0, 0.5, 0.9))
    behind: tuple[list[CredentialIssued], ...] = ([], [])
    for event in events:
        place = rng.randrange(2)
        for key, payload in route(event, registries[place]):
            world.send(key, payload)
        if isinstance(event, CredentialIssued):
            for issues in behind:
                issues.append(event)
        for registry, issues in zip(registries, behind, strict=True):
            if rng.random() >= lag:
                for issue in issues:
                    registry.add(issue)
                issues.clear()


async def through_crashes(world: World, rng: random.Random, *, crashes: float) -> None:
    """Polls of any size; now and then the process ends, and what takes over finds the store in some state."""
    spare = world.directory / "spare"
    while any(offset < len(work) for offset, work in zip(world.offsets, world.work, strict=True)):
        number = rng.randrange(len(world.work))
        dies = rng.random() < crashes
        await world.poll(
            number, rng.choice((1, 2, 5, 50)), crash=rng.choice(("before", "after", "idle")) if dies else ""
        )
        if rng.random() < 0.1:
            await world.tick() if not dies else None
        if dies:
            if rng.random() < 0.5:
                world.logs.compact()
            await world.restart(store=rng.choice(("kept", "kept", "lost", "behind", "torn")), spare=spare)
        elif crashes and rng.random() < crashes:
            await world.save(spare)


def longer(policy: Policy, *, command_delay: int = 0) -> Policy:
    """The policy, with commands that wait and are never found unconfirmed."""
    rules = {
        name: msgspec.structs.replace(rule, command_delay=command_delay)
        for name, rule in policy.rules.items()
    }
    return msgspec.structs.replace(policy, confirm_timeout=10**6 * SECOND, rules=rules)


def run(work: Any) -> Any:
    return asyncio.run(work)
