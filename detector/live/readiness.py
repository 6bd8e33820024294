"""Whether the service is alive and ready, in a reason of one line each; None where all is well."""

from collections.abc import Mapping

from detector.handlers import Partition
from detector.live.measuring import StageName
from detector.times import SECOND


class Readiness:
    """What is known of each stage. `caught_up` is how far behind counts as ready, in ns."""

    def __init__(self, caught_up: int) -> None:
        self.waiting: str | None = "starting"
        self.dead: str | None = None
        self._caught_up = caught_up
        self._stages: dict[StageName, str | None] = {}
        self._assigned: set[StageName] = set()

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
        elif behind_seconds * SECOND > self._caught_up:
            reason = f"{stage}: {behind_seconds:.0f} s behind"
        self._stages[stage] = reason

    def alive(self) -> str | None:
        """Why the process should be started anew."""
        return self.dead

    def ready(self) -> str | None:
        """Why it is not at work yet."""
        reasons = [self.dead, self.waiting, *self._stages.values()]
        return next((reason for reason in reasons if reason is not None), None)
