"""What an operator reads of the service's life: facts become lines of the log, few however often one repeats.

A line says what happened, where, and what is being done about it. What comes again and again (a broker that is away, with
hundreds of partitions that try once a second) is said once in a while, with how many alike were left out (`more`).
"""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

from detector.kafka.handlers import Partition
from detector.kafka.stage_facts import Dropped, Rebalanced, Refused, Taken, Unreachable
from detector.service.judge.restore import Restored
from detector.service.lookback.lookback import LookbackProblem
from detector.service.observability.measuring import StageName
from detector.service.scan.handler import ScannedPoll

QUIET_SECONDS: Final = 60.0
_KINDS: Final = 256  # remembered at once; there are fewer, but a reason may quote the world outside
NOTHING_THERE: Final = "none there"  # why a store is built anew where there was none


class RepeatLimit:
    """Lets one of a kind through every `seconds`."""

    def __init__(self, clock: Callable[[], float], seconds: float = QUIET_SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._last: dict[Hashable, float] = {}
        self._more: Counter[Hashable] = Counter()

    def __call__(self, *kind: Hashable) -> dict[str, int] | None:
        """None if it is too soon; else what to add to the line: how many alike were left out before it."""
        now = self._clock()
        last = self._last.get(kind)
        if last is not None and now - last < self._seconds:
            self._more[kind] += 1
            return None
        if len(self._last) >= _KINDS:
            self._last.clear()
            self._more.clear()
        self._last[kind] = now
        more = self._more.pop(kind, 0)
        return {"more": more} if more else {}


class OperatorLog:
    """Writes to `log`, which is structlog's."""

    def __init__(self, log: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._seldom = RepeatLimit(clock)
        self._failing: dict[StageName, float] = {}  # since when

    def seldom(self, event: str, **fields: Any) -> None:
        """A warning that may come often, always with the same `event`."""
        more = self._seldom(event)
        if more is not None:
            self._log.warning(event, **fields, **more)

    def tell(self, stage: StageName, fact: Any) -> None:
        """A fact of a stage, if it is one that a person wants to know."""
        say = _SAYS.get(type(fact))
        if say is not None:
            say(self, stage, fact)

    def seen(self, stage: StageName, partitions: Mapping[Partition, bool]) -> None:
        """How a stage stands; says so when all its partitions are at work again."""
        since = self._failing.get(stage)
        if since is not None and partitions and all(partitions.values()):
            del self._failing[stage]
            seconds = round(self._clock() - since, 1)
            self._log.info(
                "all partitions are at work again", stage=stage, partitions=len(partitions), seconds=seconds
            )

    def _rebalanced(self, stage: StageName, fact: Rebalanced) -> None:
        counts = {name: len(getattr(fact, name)) for name in ("kept", "gained", "lost")}
        self._log.info("rebalanced", stage=stage, seconds=round(fact.seconds, 3), **counts)

    def _taken(self, stage: StageName, fact: Taken) -> None:
        seconds = round(fact.seconds, 3)
        self._log.info(
            "partition taken", stage=stage, **_named(fact.partition), offset=fact.offset, seconds=seconds
        )

    def _restored(self, stage: StageName, fact: Restored) -> None:
        told = {"partition": fact.partition, "records": fact.changes, "seconds": round(fact.seconds, 3)}
        if fact.reason is None:
            self._log.info("state caught up with its changelog", stage=stage, **told)
        elif fact.reason == NOTHING_THERE:
            self._log.info("state built from its changelog", stage=stage, **told)
        else:
            self._log.warning(
                "state on disk was of no use: rebuilt from its changelog",
                stage=stage,
                why=fact.reason,
                **told,
            )

    def _unreachable(self, stage: StageName, fact: Unreachable) -> None:
        self._log.warning("cannot join the group yet, trying again", stage=stage, why=fact.detail)

    def _dropped(self, stage: StageName, fact: Dropped) -> None:
        where = {"stage": stage, **_named(fact.partition)}
        if fact.reason in {"moved", "stopped"}:
            self._log.info("partition left", **where, reason=fact.reason)
            return
        self._failing.setdefault(stage, self._clock())
        more = self._seldom("dropped", stage, fact.reason, fact.detail)
        if more is None:
            return
        if fact.reason == "fenced":
            told = "another instance has taken the partition: what was open is given up"
        else:
            told = "work on a partition failed: it is taken again from what is committed"
        self._log.warning(told, **where, reason=fact.reason, why=fact.detail, **more)

    def _refused(self, stage: StageName, fact: Refused) -> None:
        refusal = fact.refusal
        more = self._seldom("refused", stage, refusal.reason, fact.lost)
        if more is None:
            return
        told: dict[str, Any] = {"stage": stage, **_named(fact.partition), "reason": refusal.reason}
        if refusal.offset is not None:
            told["offset"] = refusal.offset
        if refusal.output is not None:
            told |= {"output": refusal.output.topic, "limit": refusal.limit}
        if refusal.error:
            told["error"] = refusal.error
        if fact.lost:
            self._log.error("something cannot be written and is lost", **told, **more)
        else:
            self._log.warning("something cannot be processed: it goes on without", **told, **more)

    def _scanned(self, stage: StageName, fact: ScannedPoll) -> None:
        for reason in set(fact.dead):
            more = self._seldom("dead", stage, fact.partition.topic, reason)
            if more is not None:
                self._log.warning(
                    "records that cannot be read: see the dead letters",
                    stage=stage,
                    topic=fact.partition.topic,
                    reason=reason,
                    **more,
                )

    def _hindered(self, _stage: StageName, fact: LookbackProblem) -> None:
        self.seldom("the look-back does not get on, trying again", why=fact.why)


_SAYS: Final[dict[type[Any], Callable[[OperatorLog, StageName, Any], None]]] = {
    Rebalanced: OperatorLog._rebalanced,  # noqa: SLF001 - this class' own table
    Taken: OperatorLog._taken,  # noqa: SLF001
    Restored: OperatorLog._restored,  # noqa: SLF001
    Unreachable: OperatorLog._unreachable,  # noqa: SLF001
    Dropped: OperatorLog._dropped,  # noqa: SLF001
    Refused: OperatorLog._refused,  # noqa: SLF001
    ScannedPoll: OperatorLog._scanned,  # noqa: SLF001
    LookbackProblem: OperatorLog._hindered,  # noqa: SLF001
}


def _named(partition: Partition) -> dict[str, Any]:
    return {"topic": partition.topic, "partition": partition.number}
