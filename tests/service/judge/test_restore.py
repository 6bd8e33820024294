"""A partition's store brought to its changelog, and what must be left behind when that is broken off."""

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from detector.judge.policy import Policy
from detector.judge.routing import encode
from detector.judge.stage import META
from detector.judge.totals import Totals
from detector.kafka.changelog import Change, ChangelogSpan
from detector.kafka.handlers import Partition
from detector.service.judge.handler import JudgeHandler, JudgeSettings, Topics
from detector.service.judge.restore import Restoring, restore
from detector.service.judge.store import Position, Store, digest_of, entry_key
from detector.values.errors import RetryError
from detector.values.events import TaskStarted
from detector.values.times import parse_rfc3339
from tests.fake_records import FakeRecord
from tests.service.judge.judge_without_kafka import RUN, Logs

CHANGES: list[Change] = [(b"a" + b"x" * 16 + b"e1", b"one"), (b"w", b"17")]


class Stuck:
    """A changelog that gives what it has, and then nothing more for a long time."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.going_on = asyncio.Event()

    async def span(self, partition: int) -> ChangelogSpan:  # noqa: ARG002 - the protocol's signature
        return ChangelogSpan(0, 3, "")

    async def read(self, partition: int, start: int) -> AsyncIterator[list[Change]]:  # noqa: ARG002 - as above
        yield CHANGES
        self.waiting.set()
        await self.going_on.wait()


async def test_a_partition_that_moves_while_it_is_restored_can_come_back(tmp_path: Path) -> None:
    changelog, path = Stuck(), tmp_path / "0"
    task = asyncio.create_task(restore(path, 0, changelog, 1))
    await changelog.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    changelog.going_on.set()
    told: list[Restoring] = []
    store, restored = await restore(path, 0, changelog, 2, told.append)
    try:
        assert told == [Restoring(0, len(CHANGES))]
        assert (store.watermark(), restored.reason) == (17, "never complete")
    finally:
        store.close()


@pytest.mark.parametrize("damaged", [0, 50, 80, 90, 95])
async def test_whatever_part_of_a_store_cannot_be_read_it_is_rebuilt(tmp_path: Path, damaged: int) -> None:
    logs, noise = Logs(1), random.Random(1)
    for number in range(200):
        logs.append(0, (b"a" + number.to_bytes(16, "big") + b"e1", noise.randbytes(100)))
    for change in ((b"w", b"17"), (b"s", b"{}"), (b"n", b"[3]"), (b"v", b"1")):
        logs.append(0, change)
    partition, topics = Partition("work", 0), Topics()
    settings = JudgeSettings(Policy(), tmp_path, topics, 1000, 256)
    for _ in range(3):  # what one run wrote ahead, the next one sorts into tables
        handler = JudgeHandler(settings, RUN, logs, lambda: 1)
        await handler.assigned(partition)
        await handler.revoked(partition)
    largest = max((tmp_path / "work-0").glob("*.sst"), key=lambda path: path.stat().st_size)
    size = largest.stat().st_size
    with largest.open("r+b") as file:
        file.seek(size * damaged // 100)
        file.write(b"\xa5" * (size // 25))

    handler = JudgeHandler(settings, RUN, logs, lambda: 1)
    try:
        await handler.assigned(partition)
    except RetryError:
        await handler.assigned(partition)
    store = handler.stores[partition]
    assert (store.watermark(), store.sources(), store.totals()) == (17, {}, Totals(3))
    await handler.revoked(partition)


@pytest.mark.parametrize("value", [b"", b"\0" * 11, b"\0" * 12, b"\0" * 12 + b"{"])
async def test_an_aggregate_whose_state_is_damaged_is_told(tmp_path: Path, value: bytes) -> None:
    """Its partition waits, and says why."""
    logs, now = Logs(1), parse_rfc3339("2026-06-01T00:00:00Z")
    logs.append(0, (entry_key(digest_of("t:job"), META), value))
    handler = JudgeHandler(JudgeSettings(Policy(), tmp_path, Topics(), 1000, 256), RUN, logs, lambda: now)
    partition = Partition("work", 0)
    started = encode(TaskStarted(time=now, source="ci", id="1", task_id="job", owner=None, workload=None))
    for _ in range(2):
        await handler.assigned(partition)
        with pytest.raises(RetryError, match="an entry of the state cannot be read"):
            await handler.process(partition, [FakeRecord(started, key=b"t:job", topic="work")])
        await handler.revoked(partition)


async def test_a_store_of_a_topic_that_was_recreated_is_rebuilt(tmp_path: Path) -> None:
    logs, path = Logs(1), tmp_path / "0"
    for number in range(3):
        logs.append(0, (b"a" + b"x" * 16 + b"e%d" % number, b"of the topic before"))
    store, _ = await restore(path, 0, logs, 1)
    store.close()
    anew = Logs(1)
    anew.topic_id = "e2" * 16
    for change in CHANGES * 3:
        anew.append(0, change)
    store, restored = await restore(path, 0, anew, 2)
    try:
        assert restored.reason == "not of this changelog"
        assert list(store.entries(b"x" * 16)) == [(b"e1", b"one")]
    finally:
        store.close()


async def test_a_store_that_another_process_has_open_is_left_alone(tmp_path: Path) -> None:
    changelog, path = Stuck(), tmp_path / "0"
    changelog.going_on.set()
    store = Store(path)
    store.write(CHANGES)
    store.restored(Position(3, 1, ""))
    store.close()
    files = {each.name for each in path.glob("*.sst")}
    hold = "import fcntl, sys; file = open(sys.argv[1], 'r+'); fcntl.lockf(file, fcntl.LOCK_EX); print(flush=True); input()"
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", hold, str(path / "LOCK"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        await other.stdout.readline()
        with pytest.raises(RetryError, match="open"):
            await restore(path, 0, changelog, 2)
        assert {each.name for each in path.glob("*.sst")} == files
    finally:
        await other.communicate(b"\n")
    store, restored = await restore(path, 0, changelog, 2)
    try:
        assert (store.watermark(), restored.reason, restored.changes) == (17, None, 0)
    finally:
        store.close()
