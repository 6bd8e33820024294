"""The first pass of a replay: which sources carry events, and what those say of tasks and credentials.

Whether a file carries events is known once all of it was looked at. Until then its events wait.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, Self

from detector.ingest.event_ranges import RangeLook
from detector.ingest.format_names import EVENT_FORMATS
from detector.ingest.sources import Source
from detector.ingest.units import Unit, Units
from detector.outputs.summary import NotBelieved
from detector.replay.fact_spool import FactSpool
from detector.stages.ranges import LifecycleFacts, RangeFacts
from detector.values.events import CredentialUsed, Lifecycle

_IN_MEMORY: Final = 100  # units of which the facts wait in memory


class NumberSet(Collection[int]):
    """A set of numbers below `size`, a byte each."""

    def __init__(self, size: int, *, full: bool = False) -> None:
        self.flags = bytearray(bytes([full]) * size)

    @classmethod
    def of(cls, flags: bytes) -> Self:
        """The set with these flags."""
        made = cls(0)
        made.flags = bytearray(flags)
        return made

    def add(self, number: int) -> None:
        """Takes one more."""
        self.flags[number] = 1

    def discard(self, number: int) -> None:
        """Leaves one out."""
        self.flags[number] = 0

    def without(self, other: Self) -> Self:
        """Those that are not in another of this size."""
        return self.of(bytes(one & ~also for one, also in zip(self.flags, other.flags, strict=True)))

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and number < len(self.flags) and bool(self.flags[number])

    def __iter__(self) -> Iterator[int]:
        return (number for number, flag in enumerate(self.flags) if flag)

    def __len__(self) -> int:
        return self.flags.count(1)


class DoneUnits:
    """Facts of units that need no scan, in the order of the units. They wait on disk."""

    def __init__(self) -> None:
        self._facts = FactSpool[RangeFacts](RangeFacts, _IN_MEMORY)
        self._units = Units()

    def take(self, unit: Unit, facts: RangeFacts) -> None:
        """Takes those of the next unit."""
        self._units.append(unit)
        self._facts.extend((facts,))

    def facts(self) -> Iterator[RangeFacts]:
        """Those of all units."""
        return iter(self._facts)

    def __contains__(self, unit: Unit) -> bool:
        at = bisect_left(self._units, _place(unit), key=_place)
        return at < len(self._units) and self._units[at] == unit

    def __iter__(self) -> Iterator[Unit]:
        return iter(self._units)


def _place(unit: Unit) -> tuple[int, int]:
    return unit.source, unit.start


class FirstPass:
    """Takes the facts of the first pass, unit by unit.

    - `events` are the lifecycle events of the sources that carry events, `latest` is the latest time of any event in
      them, uses too (ns). `first_uses` has the earliest uses of each unit.
    - `done` are units that hold nothing else.
    - `text` are the indices of the sources that carry no events, `looked_at` of those that were looked at, and `looks` has
      what was seen in those of text that have records like events.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._waiting: list[tuple[Unit, LifecycleFacts]] = []  # of one source
        self.events = FactSpool[Lifecycle](Lifecycle)
        self.done = DoneUnits()
        self.text = NumberSet(len(sources), full=True)
        self.looked_at = NumberSet(len(sources))
        self.looks: dict[int, RangeLook] = {}
        self.latest: int | None = None
        self.first_uses = FactSpool[CredentialUsed](CredentialUsed)

    def wants(self, unit: Unit) -> bool:
        """Whether events may be in a unit."""
        source = self._sources[unit.source]
        return source.format in EVENT_FORMATS and source.carries_events is not False

    def take(self, unit: Unit, found: LifecycleFacts) -> None:
        """The facts of the next unit."""
        if self._waiting and self._waiting[0][0].source != unit.source:
            self.settle()
        self._waiting.append((unit, found))

    def settle(self) -> None:
        """No more comes of the source at hand: its events are believed, or it is text."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        index, look = waiting[0][0].source, RangeLook()
        for _, found in waiting:
            look.add(found.look)
        self.looked_at.add(index)
        if not (self._sources[index].carries_events or look.carries_events):
            if look.events:
                self.looks[index] = look
            return
        self.text.discard(index)
        for unit, found in waiting:
            self.events.extend(found.lifecycle)
            self.first_uses.extend(found.first_uses)
            if found.rest is not None:
                self.done.take(unit, found.rest)
            if found.latest is not None and (self.latest is None or found.latest > self.latest):
                self.latest = found.latest

    def suspected(self) -> NumberSet:
        """The sources of text in which nobody has looked for events yet."""
        return self.text.without(self.looked_at)

    def not_believed(
        self,
        name_of: Callable[[int], str],
        suspects: Mapping[int, int],
        text_line: Callable[[int], int | None],
    ) -> tuple[NotBelieved, ...]:
        """The sources of text in which records look like events, each by its name for a person.

        `suspects` counts such records in the sources that were `suspected`, `text_line` gives the line that makes one text.
        """
        found = []
        for index in sorted(self.looks.keys() | suspects.keys()):
            look = self.looks.get(index)
            if look is not None:
                found.append(NotBelieved(name_of(index), look.events, look.culprit))
            elif index in self.text:
                declared = self._sources[index].carries_events is False
                line = None if declared else text_line(index)
                found.append(NotBelieved(name_of(index), suspects[index], line, declared=declared))
        return tuple(found)
