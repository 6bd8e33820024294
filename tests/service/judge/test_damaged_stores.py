"""Whatever is left of a store's files, what is believed of it is what its changelog says.

The files are those of a store's whole life: made in batches, closed, killed, copied while it was open. Some are
removed, cut, overwritten, or put back as they were before. Others are sorted files of two lives of one store, which
are as alike as they can be.
"""

import asyncio
import contextlib
import itertools
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from detector.kafka.handlers import Partition
from detector.service.judge.bulk_load import BulkLoad
from detector.service.judge.local_stores import LocalStores
from detector.service.judge.restore import restore
from detector.service.judge.store import Position, Store
from detector.values.times import HOUR
from tests.chaos import MANY
from tests.ingest.streams import until
from tests.service.judge.judge_without_kafka import Logs
from tests.service.judge.test_bulk_load import columns_of

AGGREGATE: Final = b"x" * 16
PARTITION: Final = Partition("work", 0)
SPARE: Final = ("LOCK", "LOG", "IDENTITY", "OPTIONS", "rocksdict-config")  # it opens without these, too
PAGE: Final = 4096
ROUNDS: Final = 5
RANDOM: Final = 150 * MANY
BLOCKS: Final = 8  # of a sorted file, with one entry each

Damage = Callable[[Path], None]


def changed(logs: Logs, rng: random.Random) -> list[tuple[bytes, bytes | None]]:
    """Some more changes of one aggregate, which the changelog has too."""
    changes: list[tuple[bytes, bytes | None]] = []
    for _ in range(rng.randrange(1, 40)):
        name = b"a" + AGGREGATE + b"e%d" % rng.randrange(300)
        changes.append((name, None if rng.random() < 0.2 else rng.randbytes(rng.choice((10, 3000)))))
        logs.append(0, changes[-1])
    return changes


def held(logs: Logs) -> dict[bytes, bytes]:
    """The entries that the changelog leaves."""
    entries: dict[bytes, bytes] = {}
    for _, (key, value) in logs.topics[0]:
        if value is None:
            entries.pop(key[17:], None)
        else:
            entries[key[17:]] = value
    return entries


def copied(path: Path, copy: Path) -> None:
    """Copies a folder. RocksDB may remove files meanwhile: these are missing then."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in path.iterdir():
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(file, copy)


async def life(folder: Path, logs: Logs, rng: random.Random) -> list[Path]:
    """Copies of a store's folder, as a kill would leave it, at moments of its life."""
    path = folder / "work-0"
    copies: list[Path] = []

    def keep() -> None:
        copies.append(folder / f"copy-{len(copies)}")
        copied(path, copies[-1])

    for number in range(ROUNDS):
        store, _ = await restore(path, 0, logs, 1)
        keep()
        for _ in range(rng.randrange(4)):
            store.write(changed(logs, rng), Position(logs.ends[0], 1, logs.topic_id))
            if rng.random() < 0.3:
                store.restored(Position(logs.ends[0], 1, logs.topic_id))
        keep()
        store.close()
        if number % 2:  # it was killed, and goes on from there
            copied(copies[-1], path)
        changed(logs, rng)  # while it was away
    return copies


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Logs, list[Path]]:
    logs = Logs(1)
    return logs, asyncio.run(life(tmp_path_factory.mktemp("life"), logs, random.Random(33)))


async def believed(folder: Path, logs: Logs) -> dict[bytes, bytes]:
    """What a process that starts makes of a folder of stores: it looks how far they are, and restores one."""
    stores = LocalStores(folder)
    await stores.find("work", 1)
    store, _ = await restore(stores.path(PARTITION), 0, logs, 1)
    try:
        return dict(store.entries(AGGREGATE))
    finally:
        store.close()


async def damaged(folder: Path, copy: Path, damage: Damage, logs: Logs) -> None:
    """A copy of the store opens as the changelog has it, or says that it cannot be read, and opens so then."""
    path = folder / "work-0"
    copied(copy, path)
    damage(path)
    entries: dict[bytes, bytes] | None = None
    with contextlib.suppress(
        Exception
    ):  # RocksDB's errors have no class; the handler destroys the store then
        entries = await believed(folder, logs)
    if entries is None:
        Store.destroy(path)
        entries = await believed(folder, logs)
    assert entries == held(logs), (copy.name, damage)


def files(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if not each.name.startswith(SPARE))


def removed(names: Sequence[str]) -> Damage:
    def damage(path: Path) -> None:
        for name in names:
            (path / name).unlink()

    return damage


def subsets(path: Path) -> Iterator[tuple[str, ...]]:
    names = [each.name for each in files(path)]
    for count in range(1, len(names) + 1):
        yield from itertools.combinations(names, count)


async def test_without_any_of_its_files(tmp_path: Path, lived: tuple[Logs, list[Path]]) -> None:
    logs, copies = lived
    some = [(copy, names) for copy in copies for names in subsets(copy)]
    for copy, names in random.Random(1).sample(some, min(RANDOM, len(some))):
        await damaged(tmp_path, copy, removed(names), logs)


async def test_without_its_list_of_files_and_opened_more_than_once(
    tmp_path: Path, lived: tuple[Logs, list[Path]]
) -> None:
    """RocksDB refuses one without `CURRENT` beside a log, but has made an empty one by then, which opens."""
    logs, copies = lived
    for copy in copies[1:]:
        await damaged(tmp_path, copy, removed(["CURRENT"]), logs)


async def test_with_pages_overwritten_or_cut_off(tmp_path: Path, lived: tuple[Logs, list[Path]]) -> None:
    logs, copies = lived
    rng = random.Random(2)

    def damage(path: Path) -> None:
        for file in rng.sample(files(path), rng.randrange(1, 3)):
            size = file.stat().st_size
            at = rng.randrange(max(size, 1))
            at -= at % PAGE if rng.random() < 0.5 else 0
            if rng.random() < 0.3:
                with file.open("r+b") as opened:
                    opened.truncate(at)
                continue
            with file.open("r+b") as opened:
                opened.seek(at)
                count = min(PAGE, size - at)
                opened.write(rng.choice((bytes(count), b"\xff" * count, rng.randbytes(count))))

    for _ in range(RANDOM):
        await damaged(tmp_path, rng.choice(copies[1:]), damage, logs)


async def test_with_files_as_they_were_before(tmp_path: Path, lived: tuple[Logs, list[Path]]) -> None:
    logs, copies = lived
    rng = random.Random(3)

    def damage(path: Path) -> None:
        before = rng.choice(copies)
        for file in list(path.iterdir()):
            if rng.random() < 0.5:
                file.unlink()
        for file in before.iterdir():
            if rng.random() < 0.5:
                shutil.copy(file, path)

    for _ in range(RANDOM):
        await damaged(tmp_path, rng.choice(copies[1:]), damage, logs)


async def test_what_is_not_flushed_is_read_again_and_what_is_flushed_is_not(tmp_path: Path) -> None:
    """A store that was killed goes on from its last flush, one that was closed from its end."""
    logs, rng, path = Logs(1), random.Random(4), tmp_path / "work-0"
    store, _ = await restore(path, 0, logs, 1)
    changed(logs, rng)
    store.restored(Position(logs.ends[0], 1, logs.topic_id))
    flushed = logs.ends[0]
    store.write(changed(logs, rng), Position(logs.ends[0], 1, logs.topic_id))
    copied(path, tmp_path / "killed")
    store.close()
    for folder, read in (("killed", logs.ends[0] - flushed), ("work-0", 0)):
        store, restored = await restore(tmp_path / folder, 0, logs, 1)
        store.close()
        assert (restored.reason, restored.changes) == (None, read)


async def test_what_little_is_written_is_flushed_every_hour(tmp_path: Path) -> None:
    store, killed = Store(tmp_path / "work-0"), tmp_path / "killed"
    for number in range(1, 4):
        store.write([(b"w", b"1")], Position(number, number * HOUR, ""))

    async def flushed() -> bool:
        copied(tmp_path / "work-0", killed)
        try:
            copy = Store(killed)
        except Exception:  # noqa: BLE001 - RocksDB's errors have no class: it was copied in the middle of a flush
            return False
        try:
            return copy.position() == Position(3, 3 * HOUR, "")
        finally:
            copy.close()

    try:
        await until(flushed, "the flush")
    finally:
        store.close()


async def made(path: Path, logs: Logs) -> None:
    """A store of all that the changelog has, made in one sorted file."""
    store = Store(path)
    async with BulkLoad(store, path, file_bytes=1) as loading:
        await loading.add(columns_of(change for _, change in logs.topics[0]))
        await loading.finish()
    store.restored(Position(logs.ends[0], 1, logs.topic_id))
    store.close()


@pytest.fixture
async def lives(tmp_path: Path) -> tuple[Logs, Path, Path]:
    """The changelog, and two stores of it: one rebuilt after each value had changed, and the one before."""
    logs, rng = Logs(1), random.Random(5)
    folders = tmp_path / "before", tmp_path / "after"
    for folder in folders:
        for number in range(BLOCKS):
            logs.append(0, (b"a" + AGGREGATE + b"e%d" % number, rng.randbytes(17_000)))
        logs.compact()
        await made(folder, logs)
    before, after = folders
    assert loaded(before).name == loaded(after).name
    assert loaded(before).stat().st_size == loaded(after).stat().st_size
    return logs, before, after


def loaded(path: Path) -> Path:
    """The sorted file that was loaded into a store."""
    return max(path.glob("*.sst"), key=lambda file: file.stat().st_size)


async def test_with_files_of_the_life_before(tmp_path: Path, lives: tuple[Logs, Path, Path]) -> None:
    """Each subset of them. A sorted file of both has the same name and size."""
    logs, before, after = lives
    names = sorted({each.name for each in files(before)} & {each.name for each in files(after)})
    assert loaded(before).name in names
    for count in range(1, len(names) + 1):
        for some in itertools.combinations(names, count):

            def damage(path: Path, some: Sequence[str] = some) -> None:
                for name in some:
                    shutil.copy(before / name, path)

            await damaged(tmp_path, after, damage, logs)


async def test_with_blocks_of_the_life_before(tmp_path: Path, lives: tuple[Logs, Path, Path]) -> None:
    """A file was put back in part. Its blocks begin where they began before, each as whole as it was."""
    logs, before, after = lives
    old, new = loaded(before).read_bytes(), loaded(after).read_bytes()
    data = new.index(b"a" + AGGREGATE + b"e0")  # where their index begins, with the first key
    block = data // BLOCKS
    for begin, end in itertools.combinations(range(BLOCKS + 1), 2):
        span = slice(begin * block, end * block)

        def damage(path: Path, span: slice = span) -> None:
            mixed = bytearray(new)
            mixed[span] = old[span]
            loaded(path).write_bytes(mixed)

        await damaged(tmp_path, after, damage, logs)
