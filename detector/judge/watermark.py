"""The watermark of one partition of work: the event time up to which all events should have arrived."""

from collections.abc import Mapping
from typing import Final

import msgspec

from detector.values.times import SECOND

BEGINNING: Final = -(1 << 63)  # earlier than any event
IDLE: Final = 30 * SECOND


class Inputs(msgspec.Struct, frozen=True):
    """The partitions of the inputs that carry events, as the brokers listed them `at` a time (ns, wall clock)."""

    at: int
    names: frozenset[str] = frozenset()


def source_name(topic: str, partition: int) -> str:
    """The name of a partition of an input. The `topic` is masked."""
    return f"{topic}-{partition}"


class _Source(msgspec.Struct):
    """How far one partition of the inputs has been read, when that was last heard, and when it was last listed (ns)."""

    time: int
    heard: int
    listed: int


class Watermark:
    """Never goes back. `value` is in ns, None while an input has reported nothing; `delay` is the policy's.

    The scan stage reports how far each partition that carries events has come: its latest event time less the delay.
    Once it has brought no event for a while, its reader reports since when it has all that was there, less the delay.
    The watermark is the least of these, and nothing moves it but such reports: while nobody reads a partition, it
    holds the watermark. So does a partition that was made since the inputs were listed: it may have events by then.

    `value` and `sources` may come from the instance that had the partition before. `now` is the wall clock.
    """

    def __init__(
        self, delay: int, now: int, value: int | None = None, sources: Mapping[str, int] | None = None
    ) -> None:
        self.value = value
        self._delay = delay
        self._sources = {name: _Source(time, now, now) for name, time in (sources or {}).items()}
        self._inputs: Inputs | None = None
        self._read = now  # until when all reports are known

    @property
    def sources(self) -> dict[str, int]:
        """How far each partition of the inputs has been read."""
        return {name: source.time for name, source in self._sources.items()}

    @property
    def unreported(self) -> tuple[str, ...]:
        """The partitions of the inputs that nobody has reported for a while: they hold the watermark."""
        before = self._read - IDLE
        return tuple(sorted(name for name, source in self._sources.items() if source.heard < before))

    def mark(self, source: str, time: int, now: int) -> None:
        """Notes how far one input partition has come; `BEGINNING` if an instance has it that knows less."""
        known = self._sources.setdefault(source, _Source(time, now, now))
        known.heard = now
        if time != BEGINNING:
            known.time = time

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
        if found > (BEGINNING if self.value is None else self.value):
            self.value = found
        return self.value

    def _list(self, inputs: Inputs, now: int) -> None:
        """Takes which inputs there are. One that is gone holds no longer, once it is reported no more."""
        self._inputs = inputs
        for name in inputs.names:
            self._sources.setdefault(name, _Source(BEGINNING, now, now)).listed = inputs.at
        for name in self.unreported:
            if inputs.at - self._sources[name].listed > IDLE:
                del self._sources[name]
