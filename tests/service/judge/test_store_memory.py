"""All stores of a process keep to one bound of memory, however many there are and whatever is in them."""

import random
from pathlib import Path

import pytest

from detector.judge.stage import META
from detector.service.judge.store import Store, digest_of, entry_key, meta_value
from detector.service.judge.store_memory import StoreMemory

_MB = 1 << 20
_SIZE = 32 * _MB
_STORES = 8
_ROUNDS = 20
_ENTRIES = 1000  # of a store in a round
_VALUE = 1000


def _key(number: int) -> bytes:
    return entry_key(digest_of(f"t:task-{number}"), META)


def _filled(stores: list[Store]) -> None:
    """Writes five times as much as fits, and reads it."""
    rng = random.Random(1)
    for turn in range(_ROUNDS):
        for store in stores:
            store.write(
                (_key(turn * _ENTRIES + number), meta_value(None, rng.randbytes(_VALUE)))
                for number in range(_ENTRIES)
            )
    for store in stores:
        assert all(store.knows(digest_of(f"t:task-{number}")) for number in range(_ROUNDS * _ENTRIES))


@pytest.mark.parametrize("count", [1, _STORES])
def test_all_stores_together_keep_to_the_bound(tmp_path: Path, count: int) -> None:
    memory = StoreMemory(_SIZE, count)
    stores = [Store(tmp_path / f"{number}", memory) for number in range(count)]
    _filled(stores)
    assert 0 < memory.usage["blocks"] <= _SIZE
    assert 0 < memory.usage["write buffers"] <= _SIZE * 3 // 4
    assert sum(memory.usage.values()) <= _SIZE * 5 // 4  # the cache is in parts, and counts buffers by steps
    assert all(store.close() for store in stores)
    assert memory.usage["write buffers"] == 0


def test_stores_that_share_no_memory_go_beyond_it(tmp_path: Path) -> None:
    apart = [StoreMemory(_SIZE) for _ in range(_STORES)]
    stores = [Store(tmp_path / f"{number}", memory) for number, memory in enumerate(apart)]
    _filled(stores)
    assert sum(sum(memory.usage.values()) for memory in apart) > 2 * _SIZE
    assert all(store.close() for store in stores)
