"""The watermark of one partition of work: the event time up to which all events should have arrived."""

from collections.abc import Mapping
from typing import Final

from detector.values.times import SECOND

BEGINNING: Final = -(1 << 63)  # earlier than any event
IDLE: Final = 30 * SECOND
FIRST: Final = 10 * SECOND  # how long to wait for all other sources, once the first one has reported


class Watermark:
    """Never goes back. `value` is in ns, None before the first report; `delay` is the policy's.

    The scan stage reports how far the events came in each partition that carries events, and it reports each one that
    it takes over. One with unread records reports again and again, so it is not idle. The watermark is the least of
    these, without the idle ones. If all are idle, it is the wall clock less the delay. The times of log records never
    move it: anybody may print a line.

    `value` and `sources` may come from the instance that had the partition before. Its sources count until they idle.
    """

    def __init__(
        self, delay: int, now: int, value: int | None = None, sources: Mapping[str, int] | None = None
    ) -> None:
        self.value = value
        self._delay = delay
        self._heard = now
        # By source: how far it has been read, and when it was last heard of.
        self._sources = {name: (time, now) for name, time in (sources or {}).items()}
        self._first: int | None = now if sources else None  # when the first source was heard of

    @property
    def sources(self) -> dict[str, int]:
        """How far each partition of the inputs has been read, without the idle ones."""
        return {name: time for name, (time, _) in self._sources.items()}

    def mark(self, source: str, time: int, now: int) -> None:
        """Notes that one input partition was read up to a time, or was taken over by an instance that knows less."""
        self._heard = now
        if self._first is None:
            self._first = now
        before = self._sources.get(source)
        self._sources[source] = (time if before is None else max(time, before[0]), now)

    def advance(self, now: int) -> int | None:
        """Returns the watermark at a time of the wall clock."""
        for source in [name for name, (_, heard) in self._sources.items() if now - heard > IDLE]:
            del self._sources[source]
        found: int | None = None
        if self._sources:
            if self._first is not None and now - self._first >= FIRST:
                found = min(time for time, _ in self._sources.values())
        elif now - self._heard > IDLE:
            found = now - self._delay
        if found is not None and found > (BEGINNING if self.value is None else self.value):
            self.value = found
        return self.value
