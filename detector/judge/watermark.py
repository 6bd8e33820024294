"""The watermark of one partition of work: the event time up to which all events should have arrived.

Some arrive by a detour: an aggregate passes on what concerns another, in another partition, or asks it for what it
knows. So it is not enough that the events before a time were read. Each partition of work reports up to which time it
has judged all events, and what it sent comes before that report. Once all have reported a time, the messages that
those events caused have arrived. Then each reports that, and so on: after as many rounds as the longest detour has
steps, nothing is in flight.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from detector.values.times import SECOND

BEGINNING: Final = -(1 << 63)  # earlier than any event
IDLE: Final = 30 * SECOND
AGAIN: Final = IDLE // 3  # how often a partition says where it is, though it is no further
# The longest detour: an issue asks a roster for its candidates, that asks tasks for their ends, and both answer.
ROUNDS: Final = 4
_PAUSE: Final = 2 * SECOND
_REPORTS: Final = 32  # in a second for each partition of work, at most


class Inputs(msgspec.Struct, frozen=True):
    """The partitions of the inputs that carry events, as the brokers listed them `at` a time (ns, wall clock)."""

    at: int
    names: frozenset[str] = frozenset()


def source_name(topic: str, partition: int) -> str:
    """The name of a partition of an input. The `topic` is masked."""
    return f"{topic}-{partition}"


def pause_between_reports(work_partitions: int, *, news: bool) -> int:
    """How long (ns) a partition of work waits to report again. All report to all, so many of them report less often."""
    return max(_PAUSE, work_partitions * SECOND // _REPORTS) if news else AGAIN


class _Source(msgspec.Struct):
    """How far one partition of the inputs has been read, when that was last heard, and when it was last listed (ns)."""

    time: int
    heard: int
    listed: int


class _Work(msgspec.Struct):
    """How far one partition of work has been judged, after each round, and when that was last heard (ns)."""

    heard: int
    times: tuple[int, ...] = (BEGINNING,) * ROUNDS


class Watermark:
    """Never goes back. `value` is in ns, None while something has reported nothing; `delay` is the policy's.

    The scan stage reports how far each partition that carries events has come: its latest event time less the delay.
    Once it has brought no event for a while, its reader reports since when it has all that was there, less the delay.
    The watermark is the least of these, and nothing moves it but such reports: while nobody reads a partition, it
    holds the watermark. So does a partition that was made since the inputs were listed: it may have events by then.

    `work` are the names of the partitions of work, `reached` is what this one has to report of itself. `value` and
    `sources` may come from the instance that had the partition before. `now` is the wall clock.
    """

    def __init__(
        self,
        delay: int,
        now: int,
        value: int | None = None,
        sources: Mapping[str, int] | None = None,
        *,
        work: Sequence[str] = (),
    ) -> None:
        self.value = value
        self.reached: tuple[int, ...] = (BEGINNING,) * ROUNDS
        self._work = {name: _Work(now) for name in work}
        self._names = tuple(work)
        self._delay = delay
        self._sources = {name: _Source(time, now, now) for name, time in (sources or {}).items()}
        self._inputs: Inputs | None = None
        self._read = now  # until when all reports are known

    @property
    def work_partitions(self) -> int:
        """How many partitions of work there are."""
        return len(self._names)

    @property
    def sources(self) -> dict[str, int]:
        """How far each partition of the inputs has been read."""
        return {name: source.time for name, source in self._sources.items()}

    @property
    def unreported(self) -> tuple[str, ...]:
        """The partitions of inputs and work that nobody has reported for a while: they hold the watermark."""
        before = self._read - IDLE
        stale = [name for name, source in self._sources.items() if source.heard < before]
        stale += [name for name, work in self._work.items() if work.heard < before]
        return tuple(sorted(stale))

    def mark(self, source: str, time: int, now: int) -> None:
        """Notes how far one input partition has come; `BEGINNING` if an instance has it that knows less."""
        known = self._sources.setdefault(source, _Source(time, now, now))
        known.heard = now
        if time != BEGINNING:
            known.time = time

    def mark_work(self, partition: int, times: tuple[int, ...], now: int) -> None:
        """Notes how far a partition of work has been judged. Whatever it was once stays true.

        Raises:
            ValueError: there is no such partition, or it has other rounds.
        """
        if not 0 <= partition < len(self._names) or len(times) != ROUNDS:
            raise ValueError("no progress of a partition of work")
        known = self._work[self._names[partition]]
        known.heard = now
        known.times = tuple(map(max, known.times, times))

    def read_until(self, time: int) -> None:
        """Notes that all reports which were written until then (ns, wall clock) are known."""
        self._read = max(self._read, time)

    def advance(self, inputs: Inputs | None, now: int) -> int | None:
        """Returns the watermark. It stands while it is not known which inputs there are."""
        if inputs is None:
            return self.value
        if inputs is not self._inputs:
            self._list(inputs, now)
        found = min((source.time for source in self._sources.values()), default=now)
        found = min(found, inputs.at - self._delay)
        rounds = [min(times) for times in zip(*(each.times for each in self._work.values()), strict=True)]
        *reached, found = found, *rounds
        if rounds:
            self.reached = tuple(map(max, self.reached, reached))
        if found > (BEGINNING if self.value is None else self.value):
            self.value = found
        return self.value

    def _list(self, inputs: Inputs, now: int) -> None:
        """Takes which inputs there are. One that is gone holds no longer, once it is reported no more."""
        self._inputs = inputs
        for name in inputs.names:
            self._sources.setdefault(name, _Source(BEGINNING, now, now)).listed = inputs.at
        for name in self.unreported:
            if name in self._sources and inputs.at - self._sources[name].listed > IDLE:
                del self._sources[name]
