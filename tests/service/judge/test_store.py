"""A partition's store finds what it has, also in files that an earlier version wrote, and keeps filters of keys."""

import re
from pathlib import Path

from rocksdict import Options, Rdict

from detector.judge.stage import META
from detector.service.judge.store import Position, Store, digest_of, entry_key, meta_value

_COUNT = 5000
_BYTE = 8


def _key(number: int) -> bytes:
    return entry_key(digest_of(f"t:task-{number}"), META)


def test_finds_what_it_has_in_memory_and_in_files(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.write([(_key(1), meta_value(None, b"[]"))])
    assert [store.knows(digest_of(f"t:task-{number}")) for number in (1, 2)] == [True, False]
    store.restored(Position(1, 1))
    assert [store.knows(digest_of(f"t:task-{number}")) for number in (1, 2)] == [True, False]
    assert store.close()


def test_finds_what_an_earlier_version_wrote_without_filters(tmp_path: Path) -> None:
    earlier = Rdict(str(tmp_path), Options(raw_mode=True))
    for number in range(_COUNT):
        earlier[_key(number)] = meta_value(None, b"[]")
    earlier.flush()
    earlier.close()
    store = Store(tmp_path)
    assert all(store.knows(digest_of(f"t:task-{number}")) for number in range(_COUNT))
    assert not store.knows(digest_of("t:other"))
    assert store.close()


def test_keeps_filters_of_the_keys_in_its_files(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.write(
        (_key(number), meta_value(number + 1, b"[]")) for number in range(_COUNT)
    )  # with a timer each
    store.restored(Position(1, 1))
    files = store._db.property_value("rocksdb.aggregated-table-properties")
    [size] = re.findall(r"filter block size=(\d+)", files)
    assert int(size) >= 2 * _COUNT * 10 // _BYTE
    assert store.close()
