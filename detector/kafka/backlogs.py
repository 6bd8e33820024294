"""Which stages of a process are behind, and how long transactions wait for more to commit.

All stages of a process share an event loop. While one of them reads a backlog, a stage that it feeds gets a few records
at a time, and a transaction for these costs more than they do. They are late already, so they wait for more. The stage
that is behind waits for the polls that are about to be ready.
"""

from typing import Final

from detector.kafka.handlers import Partition

LINGER_SECONDS: Final = 0.2
GATHER_SECONDS: Final = 0.05  # what a transaction of a stage that is behind waits for others at the most


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

    def is_behind(self, stage: str) -> bool:
        """Whether a stage is behind with one of its partitions."""
        return bool(self._behind.get(stage))

    def linger_seconds(self, stage: str) -> float:
        """How long after a stage began a transaction the next one may begin: at once if the stage is behind itself."""
        if self.is_behind(stage) or not any(self._behind.values()):
            return 0.0
        return self._linger_seconds
