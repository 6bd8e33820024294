"""The watermark of one partition of work: before it, all is thought to have arrived."""

from collections.abc import Mapping
from typing import Final

from detector.values.times import SECOND

BEGINNING: Final = -(1 << 63)  # a watermark before anything
IDLE: Final = 30 * SECOND
FIRST: Final = 10 * SECOND  # from the first that is heard of, so long for all others to be heard of too


class Watermark:
    """Never goes back. `value` is in ns, None before anything was heard; `delay` is the policy's.

    The scan stage tells how far each partition of its inputs has got, and of one that it takes that it has; the least of
    those counts, but for idle ones. Where it does not tell, the latest event time less the delay counts. When all are
    idle, the wall clock less the delay. `value` and `sources` may be those of whoever had the partition before: what it
    had heard of is waited for as long as an idle one.
    """

    def __init__(
        self, delay: int, now: int, value: int | None = None, sources: Mapping[str, int] | None = None
    ) -> None:
        self.value = value
        self._delay = delay
        self._heard = now
        self._latest: int | None = None
        self._sources = {
            name: (time, now) for name, time in (sources or {}).items()
        }  # how far, and when heard
        self._first: int | None = now if sources else None  # when one was first heard of

    @property
    def sources(self) -> dict[str, int]:
        """How far each partition of the inputs has got, of those that are heard of."""
        return {name: time for name, (time, _) in self._sources.items()}

    def event(self, time: int, now: int) -> None:
        """An event of this time was read."""
        self._heard = now
        if self._latest is None or time > self._latest:
            self._latest = time

    def mark(self, source: str, time: int, now: int) -> None:
        """One input partition has got so far, or is taken by somebody who knows less."""
        self._heard = now
        if self._first is None:
            self._first = now
        before = self._sources.get(source)
        self._sources[source] = (time if before is None else max(time, before[0]), now)

    def advance(self, now: int) -> int | None:
        """The watermark at a time of the wall clock."""
        for source in [name for name, (_, heard) in self._sources.items() if now - heard > IDLE]:
            del self._sources[source]
        found: int | None = None
        if self._sources:
            if self._first is not None and now - self._first >= FIRST:
                found = min(time for time, _ in self._sources.values())
        elif now - self._heard > IDLE:
            found = now - self._delay
        elif self._latest is not None:
            found = self._latest - self._delay
        if found is not None and found > (BEGINNING if self.value is None else self.value):
            self.value = found
        return self.value
