"""Which stages of a process are behind, and how long the others let their transactions wait for more.

All stages of a process share an event loop. While one of them reads a backlog, a stage that it feeds gets a few records
at a time, and a transaction for these costs more than they do. They are late already, so they wait for more.
"""

from typing import Final

from detector.kafka.handlers import Partition

LINGER_SECONDS: Final = 0.1


class Backlogs:
    """The partitions, by stage, of which more than a whole poll is left to read."""

    def __init__(self, linger_seconds: float = LINGER_SECONDS) -> None:
        self._linger_seconds = linger_seconds
        self._behind: dict[str, set[Partition]] = {}

    def note(self, stage: str, partition: Partition, *, behind: bool) -> None:
        """Takes note of a partition that was polled, or is ours no longer."""
        partitions = self._behind.setdefault(stage, set())
        if behind:
            partitions.add(partition)
        else:
            partitions.discard(partition)

    def linger_seconds(self, stage: str) -> float:
        """How long after a transaction of a stage began the next one may begin: at once if the stage is behind itself."""
        if self._behind.get(stage) or not any(self._behind.values()):
            return 0.0
        return self._linger_seconds
