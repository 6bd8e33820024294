"""What a stage asks of whoever keeps copies of the state of its partitions on this machine."""

import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

from detector.kafka.assignment import NEAR
from detector.kafka.handlers import Partition

WARM_SECONDS: Final = 60.0


class Standbys(Protocol):
    """Copies of the state of partitions: those that were left here, and those that are kept for other members."""

    async def open(self) -> None:
        """Looks at what is there."""

    def offsets(self) -> Mapping[Partition, int]:
        """The offset before which each copy has all of its changelog, those of our own partitions included."""

    def follow(self, partitions: AbstractSet[Partition]) -> None:
        """Keeps copies of these from now on, and of no others. Whoever works on the others may have their stores."""

    def lags(self) -> Mapping[Partition, int]:
        """How many offsets each copy is behind that was at the end of its changelog before."""

    async def close(self) -> None:
        """Ends all copying."""


class Warming:
    """Partitions that shall be this member's once its copies are near: then it has to join again.

    It asks for that once all of them are, or some after a minute, and at most once a minute: a rebalance stops
    everybody. What is near counts half of `NEAR`, as holders go on writing until the leader compares.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._partitions: AbstractSet[Partition] = frozenset()
        self._since = self._asked = -WARM_SECONDS

    def assigned(self, partitions: AbstractSet[Partition]) -> None:
        """The leader has told."""
        self._partitions, self._since = partitions, self._clock()

    def warm(self, lags: Mapping[Partition, int]) -> bool:
        """Whether to join again now."""
        now = self._clock()
        near = {partition for partition in self._partitions if lags.get(partition, NEAR) <= NEAR // 2}
        late = now - self._since >= WARM_SECONDS
        if not near or not (late or near == self._partitions) or now - self._asked < WARM_SECONDS:
            return False
        self._asked = now
        return True
