"""Standby copies without Kafka: what they have, what they say of it, and what happens when one fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from detector.judge.policy import Policy
from detector.judge.stage import META
from detector.kafka.changelog import Change, Changes, OffsetsGoneError, TailState
from detector.kafka.handlers import Partition
from detector.service.judge import standby_stores
from detector.service.judge.handler import JudgeHandler, JudgeSettings, Topics
from detector.service.judge.local_stores import OLDEST, LocalStores
from detector.service.judge.restore import Restored
from detector.service.judge.standby_stores import StandbyFailed, StandbyRestored, StandbyStores
from detector.service.judge.store import Position, Store, entry_key, meta_value
from detector.values.errors import RetryError
from detector.values.times import HOUR, SECOND
from tests.ingest.streams import until
from tests.service.judge.judge_without_kafka import RUN, Logs

ONE, TWO = Partition("work", 0), Partition("work", 1)


class Tailed(Logs):
    """A changelog that can be followed. `gone` are partitions that no longer have what comes next."""

    def __init__(self) -> None:
        super().__init__(2)
        self.gone: set[int] = set()
        self.away = False
        self.open = 0  # offsets that nobody can read yet
        self.age = SECOND
        self.reads: list[tuple[int, int]] = []

    def tail(self) -> "Tail":
        return Tail(self)

    async def read(self, partition: int, start: int) -> AsyncIterator[list[Change]]:
        self.reads.append((partition, start))
        async for changes in super().read(partition, start):
            yield changes


class Tail:
    def __init__(self, logs: Tailed) -> None:
        self._logs = logs
        self._offsets: dict[int, int] = {}

    async def poll(self, offsets: Mapping[int, int]) -> dict[int, tuple[Changes, int]]:
        await asyncio.sleep(0)
        if self._logs.away:
            raise RetryError("the broker is away")
        if self._logs.gone & offsets.keys():
            gone, self._logs.gone = self._logs.gone, set()
            raise OffsetsGoneError(gone)
        self._offsets = {number: self._offsets.get(number, offset) for number, offset in offsets.items()}
        for number, offset in self._offsets.items():
            rows = [(at, change) for at, change in self._logs.topics[number] if at >= offset][:3]
            if rows:
                self._offsets[number] = rows[-1][0] + 1
                return {number: ([change for _, change in rows], rows[-1][0] + 1)}
        return {}

    async def states(self) -> dict[int, TailState]:
        return {
            number: TailState(offset, self._logs.ends[number] + self._logs.open, NOW + self._logs.age)
            for number, offset in self._offsets.items()
        }

    async def close(self) -> None:
        self._offsets = {}


NOW = 10**18


class Copies:
    """Standby copies over a folder, with a handler that may have the same stores."""

    def __init__(self, folder: Path, logs: Tailed, stores: LocalStores | None = None) -> None:
        self.logs = logs
        self.facts: list[Any] = []
        self.stores = LocalStores(folder) if stores is None else stores
        self.standbys = StandbyStores("work", self.stores, logs, lambda: NOW, self.facts.append)

    async def at(self, lags: dict[Partition, int]) -> None:
        await until(lambda: asyncio.sleep(0, self.standbys.lags() == lags), f"lags {lags}", every=0.01)


@contextlib.asynccontextmanager
async def copies(folder: Path, logs: Tailed) -> AsyncIterator[Copies]:
    made = Copies(folder, logs)
    await made.standbys.open()
    try:
        yield made
    finally:
        await made.standbys.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby_stores, "ROUND_SECONDS", 0.01)
    monkeypatch.setattr(standby_stores, "PAUSE_SECONDS", 0.02)


@pytest.fixture
def logs() -> Tailed:
    made = Tailed()
    for number in (0, 1):
        write(made, number, *range(20))
    return made


def write(logs: Tailed, partition: int, *names: int) -> None:
    for name in names:
        logs.append(partition, (b"a" + name.to_bytes(16, "big") + b"e1", b"%d" % name))


def kept(path: Path) -> tuple[set[int], Position | None]:
    """The names that a store has, and how far it is."""
    store = Store(path)
    try:
        names = {
            name for name in range(100) if store.get(b"a" + name.to_bytes(16, "big") + b"e1") is not None
        }
        return names, store.position()
    finally:
        store.close()


async def test_a_copy_takes_what_comes_and_says_how_far_it_is(tmp_path: Path, logs: Tailed) -> None:
    async with copies(tmp_path, logs) as made:
        made.standbys.follow({ONE, TWO})
        await made.at({ONE: 0, TWO: 0})
        write(logs, 0, *range(20, 30))
        await until(
            lambda: asyncio.sleep(0, made.standbys.offsets() == {ONE: 30, TWO: 20}), "ten more", every=0.01
        )
        assert made.standbys.held == 2
    assert kept(tmp_path / "work-0") == (set(range(30)), Position(30, NOW + SECOND, logs.topic_id))
    assert logs.reads == [(0, 0), (1, 0)]  # once: what came later was followed
    assert [fact.restored.changes for fact in made.facts] == [20, 20]


async def test_when_the_partition_becomes_ours_only_the_rest_is_read(tmp_path: Path, logs: Tailed) -> None:
    restored: list[Any] = []
    settings = JudgeSettings(Policy(), tmp_path, Topics(), 1000, 256)
    handler = JudgeHandler(settings, RUN, logs, lambda: NOW, restored.append)
    made = Copies(tmp_path, logs, handler.local_stores)
    made.standbys.follow({ONE})
    await made.at({ONE: 0})
    made.standbys.follow(frozenset())
    write(logs, 0, 20, 21)
    await handler.assigned(ONE)
    (fact,) = [fact for fact in restored if isinstance(fact, Restored)]
    assert (fact.changes, fact.reason) == (2, None)
    assert made.standbys.offsets() == {ONE: 22}

    made.standbys.follow({ONE})  # it goes to another member: the copy waits until the store is closed
    await asyncio.sleep(0.05)
    assert handler.stores.keys() == {ONE}
    assert made.standbys.lags() == {}
    await handler.revoked(ONE)
    await made.at({ONE: 0})
    await made.standbys.close()


async def test_partitions_of_our_own_are_restored_first(tmp_path: Path, logs: Tailed) -> None:
    async with copies(tmp_path, logs) as made:
        made.stores.restoring = 1
        made.standbys.follow({ONE})
        await asyncio.sleep(0.05)
        assert logs.reads == []
        made.stores.restoring = 0
        await made.at({ONE: 0})


async def test_what_a_copy_lacks_is_read_from_the_beginning(tmp_path: Path, logs: Tailed) -> None:
    async with copies(tmp_path, logs) as made:
        made.standbys.follow({ONE, TWO})
        await made.at({ONE: 0, TWO: 0})
        logs.gone = {0}
        write(logs, 0, 20)
        await until(lambda: asyncio.sleep(0, logs.reads[2:] == [(0, 0)]), "a new beginning", every=0.01)
        await made.at({ONE: 0, TWO: 0})
        assert [fact.partition for fact in made.facts if isinstance(fact, StandbyFailed)] == [0]
    assert kept(tmp_path / "work-0")[0] == set(range(21))


async def test_a_store_that_fails_is_begun_anew(tmp_path: Path, logs: Tailed) -> None:
    async with copies(tmp_path, logs) as made:
        made.standbys.follow({ONE})
        await made.at({ONE: 0})
        made.standbys._copies[ONE].store.close()  # so that its next write fails
        write(logs, 0, 20)
        await until(lambda: asyncio.sleep(0, logs.reads[1:] == [(0, 0)]), "a new beginning", every=0.01)
        await made.at({ONE: 0})
    assert kept(tmp_path / "work-0")[0] == set(range(21))


async def test_while_the_brokers_are_away_copies_stay_and_are_not_called_fresh(
    tmp_path: Path, logs: Tailed
) -> None:
    async with copies(tmp_path, logs) as made:
        made.standbys.follow({ONE})
        await made.at({ONE: 0})
        logs.away = True
        await until(
            lambda: asyncio.sleep(0, any(isinstance(fact, StandbyFailed) for fact in made.facts)),
            "the failure",
            every=0.01,
        )
        write(logs, 0, 20)
        logs.away = False
        await until(lambda: asyncio.sleep(0, made.standbys.offsets() == {ONE: 21}), "the rest", every=0.01)
        assert len([fact for fact in made.facts if isinstance(fact, StandbyRestored)]) == 1


async def test_a_copy_that_lags_until_tombstones_may_be_gone_is_begun_anew(
    tmp_path: Path, logs: Tailed
) -> None:
    async with copies(tmp_path, logs) as made:
        made.standbys.follow({ONE})
        await made.at({ONE: 0})
        logs.open, logs.age = 5, OLDEST
        await made.at({ONE: 5})
        assert logs.reads == [(0, 0)]
        logs.age = OLDEST + 2 * SECOND
        await until(lambda: asyncio.sleep(0, len(logs.reads) > 1), "a new beginning", every=0.01)
        assert logs.reads[1] == (0, 0)


async def test_timers_that_are_over_do_not_pile_up(tmp_path: Path, logs: Tailed) -> None:
    digest = b"x" * 16
    key = entry_key(digest, META)
    async with copies(tmp_path, logs) as made:
        made.standbys.follow({ONE})
        await made.at({ONE: 0})
        for time in (100, 200, 300):  # each replaces the one before
            logs.append(0, (key, meta_value(time, b"")))
        logs.append(0, (b"w", b"250"))
        store = made.standbys._copies[ONE].store
        left = [b"t" + (300).to_bytes(12, "big") + digest]
        await until(
            lambda: asyncio.sleep(0, [timer for timer, _ in store.due(0, 1000, 10)] == left),
            "one timer",
            every=0.01,
        )


async def test_what_was_left_on_the_disk_is_known_and_what_is_too_old_is_removed(
    tmp_path: Path, logs: Tailed
) -> None:
    for number, position in enumerate((Position(7, NOW - HOUR, ""), Position(9, NOW - OLDEST - 1, ""), None)):
        store = Store(tmp_path / f"work-{number}")
        if position is not None:
            store.write([], position)
        store.close()
    (tmp_path / "work-5").mkdir()
    (tmp_path / "work-5" / "CURRENT").write_bytes(b"torn")
    (tmp_path / "else").mkdir()
    async with copies(tmp_path, logs) as made:
        assert made.standbys.offsets() == {ONE: 7}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["else", "work-0", "work-2", "work-5"]
