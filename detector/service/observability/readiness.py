"""Whether the service is alive and ready: for each a reason in one line, or None if all is well.

The service is not alive if a restart would help. It stays alive while a broker is away: its partitions go on trying,
which counts as progress, and time without a coordinator does not count. If the event loop hangs, there is no answer.
"""

from collections.abc import Mapping
from typing import Final

from detector.kafka.handlers import Partition
from detector.service.observability.measuring import StageName
from detector.values.times import SECOND

# More than one poll can take: a transaction has half a minute, a rebalance less than one, a record that has to be found
# out a second or two for each try. And less than what a stage's failing quietly may cost.
STANDING_SECONDS: Final = 300.0


class Readiness:
    """What is known of each stage. `ready_lag` is how far behind counts as ready, in ns."""

    def __init__(self, ready_lag: int) -> None:
        self.waiting: str | None = "starting"
        self.dead: str | None = None
        self._ready_lag = ready_lag
        self._stages: dict[StageName, str | None] = {}
        self._assigned: set[StageName] = set()
        self._standing: dict[StageName, str | None] = {}

    def assigned(self, stage: StageName) -> None:
        """The group gave this stage its partitions, be it none."""
        self._assigned.add(stage)

    def left(self, stage: StageName) -> None:
        """The stage is about to be started, or started anew."""
        self._assigned.discard(stage)
        self._stages[stage] = f"{stage}: not in its group yet"

    def seen(
        self,
        stage: StageName,
        partitions: Mapping[Partition, bool],
        behind_seconds: float,
        problem: str | None = None,
    ) -> None:
        """How a stage stands; `problem` is why it has no connection."""
        unready = sum(not ready for ready in partitions.values())
        reason = None
        if problem is not None:
            reason = f"{stage}: {problem}"
        elif stage not in self._assigned:
            reason = f"{stage}: not in its group yet"
        elif unready:
            reason = f"{stage}: {unready} of {len(partitions)} partitions are not restored"
        elif behind_seconds * SECOND > self._ready_lag:
            reason = f"{stage}: {behind_seconds:.0f} s behind"
        self._stages[stage] = reason

    def stands(self, stage: StageName, standing: Mapping[Partition, float]) -> None:
        """For how many seconds partitions with records to read have not moved."""
        hung = [partition for partition, seconds in standing.items() if seconds > STANDING_SECONDS]
        self._standing[stage] = None
        if hung:
            first = min(hung)
            self._standing[stage] = (
                f"{stage}: {len(hung)} partitions have records and have not moved for {STANDING_SECONDS:.0f} s, "
                f"{first.topic} {first.number} among them"
            )

    def alive(self) -> str | None:
        """Why the process should be started anew."""
        return next((reason for reason in (self.dead, *self._standing.values()) if reason is not None), None)

    def ready(self) -> str | None:
        """Why it is not at work yet."""
        reasons = [self.alive(), self.waiting, *self._stages.values()]
        return next((reason for reason in reasons if reason is not None), None)
