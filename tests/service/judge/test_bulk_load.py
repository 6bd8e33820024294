"""A changelog loaded in sorted files: the store has what it has if each change was written by itself."""

import asyncio
import random
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rocksdict import Rdict

from detector.kafka.changelog import Change
from detector.records.record_columns import RecordColumns
from detector.service.judge.bulk_load import BulkLoad
from detector.service.judge.store import Position, Store, meta_value

DIGESTS = [bytes(16), b"\xff" * 16, *(b"digest %09d" % number for number in range(6))]
META_VALUES = st.builds(
    meta_value, st.none() | st.integers(0, 5) | st.integers(0, 1 << 64), st.binary(max_size=9)
)
NAMES = st.sampled_from([b"", b"\0", b"\0\0", b"n", b"name", b"name 12345678", b"n" * 300])
CHANGES = st.one_of(
    st.tuples(
        st.builds(lambda digest: b"a" + digest + b"m", st.sampled_from(DIGESTS)), META_VALUES | st.none()
    ),
    st.tuples(
        st.builds(lambda digest, name: b"a" + digest + b"e" + name, st.sampled_from(DIGESTS), NAMES),
        st.none() | st.binary(max_size=300),
    ),
    st.tuples(st.sampled_from([b"w", b"s", b"n", b"v", b"a", b"am"]), st.binary(max_size=9)),
)


def columns_of(changes: Iterable[Change]) -> RecordColumns:
    """The changes as they are fetched from Kafka, with bytes between them."""
    data, rows = bytearray(), []
    for offset, (key, value) in enumerate(changes):
        data += b"\x55"
        begin = len(data)
        data += key + (value or b"")
        size = -1 if value is None else len(value)
        rows.append([offset, 0, begin, len(key), begin + len(key), size, len(data), 0])
    return RecordColumns("state", 0, bytes(data), np.array(rows, np.int64).reshape(-1, 8))


async def load(store: Store, folder: Path, changes: list[Change], poll: int, file_bytes: int) -> None:
    fetched = columns_of(changes)  # its bytes are shared by all polls
    async with BulkLoad(store, folder, file_bytes) as loading:
        for at in range(0, len(changes), poll):
            await loading.add(fetched[at : at + poll])
        await loading.finish()


def content(path: Path) -> tuple[dict[bytes, bytes], set[bytes]]:
    """What a closed store has, and its timers."""
    opened: Any = Rdict(str(path))
    try:
        entries = dict(opened.items())
    finally:
        opened.close()
    timers = {key for key in entries if key[:1] == b"t"}
    return {key: value for key, value in entries.items() if key not in timers}, timers


def timers_in(entries: dict[bytes, bytes]) -> set[bytes]:
    """The timers that follow from entries."""
    return {
        b"t" + value[:12] + key[1:17]
        for key, value in entries.items()
        if key[:1] == b"a" and key[17:18] == b"m" and value[0] != 0xFF
    }


def both_ways(folder: Path, changes: list[Change], poll: int, file_bytes: int) -> None:
    singly = Store(folder / "singly")
    singly.write(changes)
    singly.close()
    loaded = Store(folder / "loaded")
    asyncio.run(load(loaded, folder / "loaded", changes, poll, file_bytes))
    loaded.close()
    expected, all_timers = content(folder / "singly")
    entries, timers = content(folder / "loaded")
    assert entries == expected
    assert timers_in(entries) <= timers <= all_timers
    Store.destroy(folder / "singly")
    Store.destroy(folder / "loaded")


@settings(max_examples=20)
@given(st.lists(CHANGES, max_size=80), st.integers(1, 30), st.sampled_from([1, 500, 4000]))
def test_the_last_change_of_each_key_stands(
    tmp_path_factory: pytest.TempPathFactory, changes: list[Change], poll: int, file_bytes: int
) -> None:
    both_ways(tmp_path_factory.mktemp("stores"), changes, poll, file_bytes)


def test_many_changes_of_few_keys_and_of_many(tmp_path: Path) -> None:
    noise = random.Random(1)
    changes: list[Change] = []
    for number in range(6000):
        digest = noise.randbytes(16) if number % 3 else DIGESTS[number % len(DIGESTS)]
        value = noise.randbytes(noise.choice([0, 10, 400]))
        changes.append((b"a" + digest + b"m", meta_value(noise.choice([None, number, 1 << 60]), value)))
        changes.append((b"a" + digest + b"e%d" % (number % 50), None if number % 7 == 0 else value))
        changes.append((b"w", b"%d" % number))
        if number % 1000 == 0:
            changes.append((b"a" + digest + b"e large", noise.randbytes(1_500_000)))
    both_ways(tmp_path, changes, 1000, 300_000)


class Watched(Store):
    """A store that counts the changes that are written one by one, and may refuse files."""

    def __init__(self, path: Path, *, refuses: bool = False) -> None:
        super().__init__(path)
        self.refuses = refuses
        self.singly = 0

    def ingest(self, file: Path) -> None:
        if self.refuses:
            file.write_bytes(file.read_bytes()[:-10])
        super().ingest(file)

    def write(self, changes: Iterable[Change], position: Position | None = None) -> None:
        some = list(changes)
        self.singly += len(some)
        super().write(some, position)


@pytest.mark.parametrize(("refuses", "singly"), [(False, 4), (True, 28)])
async def test_changes_go_into_files_and_one_by_one_where_files_are_refused(
    tmp_path: Path, *, refuses: bool, singly: int
) -> None:
    changes: list[Change] = [(b"w", b"%02d" % number) for number in range(28)]
    store = Watched(tmp_path / "store", refuses=refuses)
    try:
        await load(store, tmp_path / "store", changes, 4, 30)
        assert (store.watermark(), store.singly) == (27, singly)
        assert not list((tmp_path / "store").glob("restored-*"))
    finally:
        store.close()


async def test_files_of_a_load_that_was_killed_are_removed_by_the_next(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    left = tmp_path / "store" / f"restored-{uuid.uuid4().hex}"
    left.write_bytes(b"half a file")
    try:
        await load(store, tmp_path / "store", [(b"w", b"1")], 1, 1)
        assert not left.exists()
        assert store.watermark() == 1
    finally:
        store.close()


class Slow(Store):
    """A store that takes in a file only when it is let."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.begun = threading.Event()
        self.let = threading.Event()
        self.ended = False

    def ingest(self, file: Path) -> None:
        self.begun.set()
        self.let.wait()
        super().ingest(file)
        self.ended = True


async def test_a_load_that_is_broken_off_ends_before_the_store_is_closed(tmp_path: Path) -> None:
    store = Slow(tmp_path / "store")

    async def broken_off() -> bool:
        try:
            await load(store, tmp_path / "store", [(b"w", b"1"), (b"w", b"2")], 1, 1)
        except asyncio.CancelledError:
            return store.ended
        return False

    task = asyncio.create_task(broken_off())
    await asyncio.to_thread(store.begun.wait)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, store.let.set)
    assert await task
    store.close()


class Behind(Watched):
    """A store that has files to merge for a while after each file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.left = 0

    def ingest(self, file: Path) -> None:
        assert self.left == 0
        super().ingest(file)
        self.left = 3

    def is_behind(self, most: int) -> bool:
        self.left = max(self.left - 1, 0)
        return self.left > 0 or super().is_behind(most)


async def test_many_files_come_together_before_they_are_merged(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fetched = columns_of([(b"w", b"%02d" % number) for number in range(40)])
    try:
        async with BulkLoad(store, tmp_path / "store", 1) as loading:
            for at in range(len(fetched)):
                await loading.add(fetched[at : at + 1])
            assert store.is_behind(30)
            await loading.finish()
        assert store.watermark() == 39
        assert not store.is_behind(16)
    finally:
        store.close()


async def test_no_file_is_made_while_others_have_to_be_merged(tmp_path: Path) -> None:
    store = Behind(tmp_path / "store")
    try:
        await load(store, tmp_path / "store", [(b"w", b"%d" % number) for number in range(4)], 1, 1)
        assert (store.watermark(), store.singly, store.left) == (3, 0, 0)
        assert store.is_behind(0)
        assert not store.is_behind(1000)
    finally:
        store.close()
