"""Whether the service is alive and ready. The answer is a reason of one line, None where all is well.

The service is not alive if a restart would help. A broker that is away does not count: partitions keep trying, which
counts as progress, and time without a coordinator does not count at all. If the event loop itself hangs, the probes'
thread says so: only it asks while nothing else can run. It reads what the loop writes, each value whole.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

import msgspec

from detector.kafka.handlers import Partition
from detector.service.observability.measuring import StageName
from detector.values.times import SECOND
from detector.values.wording import Fixed

# More than one poll can take: a transaction has half a minute, a rebalance less than one, and each try to find a poison
# record takes a second or two. And short enough that a stage does not fail unnoticed for long.
STALLED_SECONDS: Final = 300.0
# More than the loop stands still on a machine that is far too busy, or while a large pattern is compiled.
HUNG_SECONDS: Final = 30.0
_NAMED: Final = 3  # partitions in the line that says what is waited for


class StandbyCopies(msgspec.Struct, frozen=True):
    """How many standby copies are kept, how many are ready, and how many records the one furthest behind lacks."""

    held: int = 0
    ready: int = 0
    lag: int = 0

    @classmethod
    def of_all(cls, some: Sequence[Self]) -> Self:
        """Those of several processes."""
        lag = max((each.lag for each in some), default=0)
        return cls(sum(each.held for each in some), sum(each.ready for each in some), lag)

    def __str__(self) -> str:
        if not self.held:
            return ""
        return f"; {self.ready} of {self.held} standby copies are ready, at most {self.lag:,} records behind"


class Readiness:
    """What is known of each stage.

    `ready_lag` is how far behind still counts as ready, in ns; `clock` gives seconds.
    """

    def __init__(self, ready_lag: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turned: float | None = None
        self.waiting: str | None = Fixed("starting")
        self.dead: str | None = None
        self._ready_lag = ready_lag
        self._stages: dict[StageName, str | None] = {}
        self._assigned: set[StageName] = set()
        self._stalled: dict[StageName, str | None] = {}
        self._restored: dict[StageName, int] = {}
        self._inputs: str | None = None
        self.standbys = StandbyCopies()

    def loop_turned(self) -> None:
        """The event loop runs. Once this was called, it has to be called again and again."""
        self._turned = self._clock()

    def assigned(self, stage: StageName) -> None:
        """The group gave this stage its partitions, maybe none."""
        self._assigned.add(stage)

    def starting(self, stage: StageName) -> None:
        """The stage is about to start, or to start again."""
        self._assigned.discard(stage)
        self._stages[stage] = f"{stage}: not in its group yet"

    def restoring(self, stage: StageName, records: int) -> None:
        """So many more records of the stage's changelog were read."""
        self._restored[stage] = self._restored.get(stage, 0) + records

    def update(
        self,
        stage: StageName,
        partitions: Mapping[Partition, bool],
        behind_seconds: float,
        problem: str | None = None,
    ) -> None:
        """How a stage is: its partitions, and whether each is restored. `problem` is why it has no connection."""
        unready = sum(not ready for ready in partitions.values())
        if not unready:
            self._restored.pop(stage, None)
        reason = None
        if problem is not None:
            reason = f"{stage}: {problem}"
        elif stage not in self._assigned:
            reason = f"{stage}: not in its group yet"
        elif unready:
            reason = f"{stage}: {unready} of {len(partitions)} partitions are not restored"
            if stage in self._restored:
                reason += f", {self._restored[stage]:,} records of their changelog are read"
        elif behind_seconds * SECOND > self._ready_lag:
            reason = f"{stage}: {behind_seconds:.0f} s behind"
        self._stages[stage] = reason

    def update_inputs(self, unreported: Sequence[str], problem: str | None) -> None:
        """Which partitions hold the watermark. `problem` is why it is not known which inputs there are."""
        self._inputs = None if problem is None else f"judge: {problem}"
        if problem is None and unreported:
            several, more = len(unreported) > 1, len(unreported) - _NAMED
            which, them = (
                (f"{len(unreported)} partitions hold", "them") if several else ("1 partition holds", "it")
            )
            self._inputs = (
                f"judge: {which} the watermark, as nobody reports {them}: {', '.join(unreported[:_NAMED])}"
                f"{f' and {more} more' if more > 0 else ''}. Start the stage that reads {them} (inputs: scan, work: judge), "
                "or look in its log for why it does not"
            )

    def update_stalled(self, stage: StageName, stalled: Mapping[Partition, float]) -> None:
        """For how many seconds partitions with records to read have made no progress."""
        hung = [partition for partition, seconds in stalled.items() if seconds > STALLED_SECONDS]
        self._stalled[stage] = None
        if hung:
            first = min(hung)
            self._stalled[stage] = (
                f"{stage}: {len(hung)} partitions have records and have not moved for {STALLED_SECONDS:.0f} s, "
                f"{first.topic} {first.number} among them"
            )

    def alive(self) -> str | None:
        """Why the process should be restarted."""
        reasons = (self.dead, self._hung(), *self._stalled.values())
        return next((reason for reason in reasons if reason is not None), None)

    def _hung(self) -> str | None:
        seconds = 0.0 if self._turned is None else self._clock() - self._turned
        still = Fixed(f"the event loop has stood still for {seconds:.0f} s")
        return still if seconds > HUNG_SECONDS else None

    def ready(self) -> str | None:
        """Why it is not at work yet."""
        stages = [*self._stages.values()] or [
            "no stage has started yet"
        ]  # the probes' thread may ask before one has
        return next(
            (reason for reason in (self.alive(), self.waiting, *stages, self._inputs) if reason is not None),
            None,
        )
