"""The stores that are on this process's disk: who has each of them open, and how far they are."""

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Final

from detector.kafka.handlers import Partition
from detector.service.judge.store import Position, Store
from detector.service.judge.store_memory import StoreMemory
from detector.values.times import HOUR

# A broker drops tombstones after a day (`delete.retention.ms`). An older store may have entries that are gone.
OLDEST: Final = 12 * HOUR


class LocalStores:
    """A folder with a store for each partition. Whoever opens one holds its `lock`.

    `restoring` counts the partitions of our own that are being restored. All open stores share `memory`.
    """

    def __init__(self, folder: Path, memory: StoreMemory | None = None) -> None:
        self.memory = memory or StoreMemory()
        self.restoring = 0
        self._folder = folder
        self._positions: dict[Partition, Position] = {}
        self._locks: defaultdict[Partition, asyncio.Lock] = defaultdict(asyncio.Lock)

    def path(self, partition: Partition) -> Path:
        """Where the store of a partition is."""
        return self._folder / f"{partition.topic}-{partition.number}"

    def lock(self, partition: Partition) -> asyncio.Lock:
        """Held by whoever has the store open."""
        return self._locks[partition]

    async def find(self, topic: str, now: int) -> None:
        """Looks how far each store of the topic's partitions is. Removes those that are too old."""
        for path in await asyncio.to_thread(lambda: sorted(self._folder.glob(f"{topic}-*"))):
            number = path.name.removeprefix(f"{topic}-")
            if number.isdecimal():
                partition = Partition(topic, int(number))
                async with self._locks[partition]:
                    self.note(partition, await asyncio.to_thread(_position, path, self.memory))
        await self.remove_old(now)

    async def remove_old(self, now: int) -> None:
        """Removes the stores that nobody has open and that are too old to be used."""
        for partition, position in tuple(self._positions.items()):
            if now - position.saved > OLDEST and not self._locks[partition].locked():
                async with self._locks[partition]:
                    await asyncio.to_thread(self.destroy, partition)

    def note(self, partition: Partition, position: Position | None) -> None:
        """A store is so far now, or cannot be used."""
        if position is None:
            self._positions.pop(partition, None)
        else:
            self._positions[partition] = position

    def destroy(self, partition: Partition) -> None:
        """Removes the store of a partition."""
        self._positions.pop(partition, None)
        Store.destroy(self.path(partition))

    @property
    def offsets(self) -> dict[Partition, int]:
        """The offset before which each store has all of its changelog."""
        return {partition: position.offset for partition, position in self._positions.items()}


def _position(path: Path, memory: StoreMemory) -> Position | None:
    """How far a store is; None if it was never complete or cannot be read: whoever opens it for work says why."""
    try:
        store = Store(path, memory)
    except Exception:  # noqa: BLE001 - RocksDB's errors have no class
        return None
    try:
        return store.position()
    except Exception:  # noqa: BLE001 - as above
        return None
    finally:
        store.close()
