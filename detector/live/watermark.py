"""The watermark of one partition of work: before it, all is thought to have arrived."""

from typing import Final

from detector.times import SECOND

IDLE: Final = 30 * SECOND


class Watermark:
    """Never goes back. `value` is in ns, None before anything was heard; `delay` is the policy's.

    The scan stage tells how far each partition of its inputs has got; the least of those counts, but for idle ones.
    Where it does not tell, the latest event time less the delay counts. When all are idle, the wall clock less the delay.
    """

    def __init__(self, delay: int, now: int, value: int | None = None) -> None:
        self.value = value
        self._delay = delay
        self._heard = now
        self._latest: int | None = None
        self._sources: dict[str, tuple[int, int]] = {}  # how far, and when that was heard

    def event(self, time: int, now: int) -> None:
        """An event of this time was read."""
        self._heard = now
        if self._latest is None or time > self._latest:
            self._latest = time

    def mark(self, source: str, time: int, now: int) -> None:
        """One input partition has got so far."""
        self._heard = now
        self._sources[source] = (time, now)

    def advance(self, now: int) -> int | None:
        """The watermark at a time of the wall clock."""
        for source in [name for name, (_, heard) in self._sources.items() if now - heard > IDLE]:
            del self._sources[source]
        found: int | None = None
        if self._sources:
            found = min(time for time, _ in self._sources.values())
        elif now - self._heard > IDLE:
            found = now - self._delay
        elif self._latest is not None:
            found = self._latest - self._delay
        if found is not None and (self.value is None or found > self.value):
            self.value = found
        return self.value
