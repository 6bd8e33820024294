"""The store's disk is full or damaged: nothing is lost, as the changelog has all of it."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.judge.stage import META
from detector.service.judge.store import Store, digest_of, entry_key, meta_value
from tests.broker import Cluster
from tests.ingest.streams import until
from tests.service.whole.deployment import Expected, ended
from tests.service.whole.disturbed import Disturbed, Records, deployed, history, parts
from tests.service.whole.small_disk import SmallDisk

REBUILT = "state on disk cannot be used: rebuilt from its changelog"
BUILT = "state built from its changelog"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Records, Expected]:
    return history(tmp_path_factory.mktemp("history"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "state", 12) as small:
        yield small


async def test_on_a_full_disk_it_does_not_start_and_with_room_it_goes_on(
    broker: Cluster, told: tuple[Records, Expected], disk: SmallDisk, tmp_path: Path
) -> None:
    records, expected = told
    with deployed(Disturbed(broker.bootstrap, tmp_path)) as deployment:
        deployment.inside = disk.inside
        await deployment.create()
        first, second, third = parts(records, 3)
        await deployment.produce(first)
        process = deployment.start()
        await until(deployment.ready, "readiness")
        await until(deployment.quiet, "the end of what there is")
        disk.fill()
        await deployment.produce(second)
        await until(deployment.quiet, "the end of the second part")  # in memory, and in the state topic
        process.terminate()
        assert await ended(process) == 0

        # Restarted on a disk that is still full, it says so at once.
        assert await ended(deployment.start()) == 2
        assert why(deployment).startswith("the disk of service.state is full")

        disk.free()
        process = deployment.start()
        await deployment.produce(third)
        await deployment.agrees(expected)
        assert process.poll() is None


async def test_a_damaged_store_is_rebuilt_from_the_changelog(
    broker: Cluster, told: tuple[Records, Expected], tmp_path: Path
) -> None:
    records, expected = told
    with deployed(Disturbed(broker.bootstrap, tmp_path)) as deployment:
        await deployment.create()
        some = parts(records, 3)
        for _ in range(2):
            await deployment.produce(next(some))
            process = deployment.start()
            await until(deployment.ready, "readiness")
            await until(deployment.quiet, "the end of what there is")
            process.terminate()
            assert await ended(process) == 0
        stores = sorted((tmp_path / "state" / "judge").iterdir())
        for store, pattern in zip(stores, ("MANIFEST-*", "*.sst", "CURRENT"), strict=True):
            paths = list(store.glob(pattern))
            assert paths
            for path in paths:
                damage(path)
        process = deployment.start()
        await deployment.produce(next(some))
        await deployment.agrees(expected)
        assert process.poll() is None
        last = {
            line["partition"]: line["event"]
            for line in deployment.said()
            if line["event"] in (REBUILT, BUILT)
        }
        assert last[0] == REBUILT
        assert last[1] in (REBUILT, BUILT)  # built, where the damage showed after the store had opened
        assert last[2] == REBUILT


def damage(path: Path) -> None:
    """Overwrites the middle half of a file."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4)
        file.write(b"\xa5" * (size // 2))


def why(deployment: Disturbed) -> str:
    """The last thing that it said, once and for a person."""
    assert "Traceback" not in deployment.log.read_text()
    (last,) = deployment.told("cannot go on")
    assert deployment.said()[-1] == last
    return str(last["why"])


def test_a_damaged_block_is_an_error_and_not_the_end(tmp_path: Path) -> None:
    """RocksDB ends an iteration there, as it does after the last key."""
    digests = [digest_of(f"t:{number}") for number in range(300)]
    rng = random.Random(1)
    store = Store(tmp_path / "store")
    for due, digest in enumerate(digests, 1):
        events = [(entry_key(digest, b"e", b"%d" % number), rng.randbytes(200)) for number in range(5)]
        store.write([*events, (entry_key(digest, META), meta_value(due, b""))])
    store.close()
    (table,) = (tmp_path / "store").glob("*.sst")
    with table.open("r+b") as file:
        file.seek(table.stat().st_size // 2)
        file.write(b"\xa5" * 64)
    store = Store(tmp_path / "store")
    whole, damaged = 0, 0
    for digest in digests:
        try:
            whole += len(list(store.entries(digest))) == 6
        except Exception:  # noqa: BLE001 - RocksDB's errors have no class
            damaged += 1
    store.close()
    assert damaged
    assert whole == len(digests) - damaged
