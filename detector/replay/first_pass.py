"""The first pass of a replay: which sources carry events, and what those say of tasks and credentials.

Whether a file carries events is known once all of it was looked at. If it does not, its events are dropped again.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, Self

import msgspec

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

    def drop(self, first: int) -> None:
        """Leaves out those of the units from number `first` on."""
        self._units.cut_off(first)
        self._facts.drop(first)

    def facts(self) -> Iterator[RangeFacts]:
        """Those of all units."""
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._units)

    def __contains__(self, unit: object) -> bool:
        if not isinstance(unit, Unit):
            return False
        at = bisect_left(self._units, _place(unit), key=_place)
        return at < len(self._units) and self._units[at] == unit

    def __iter__(self) -> Iterator[Unit]:
        return iter(self._units)


def _place(unit: Unit) -> tuple[int, int]:
    return unit.source, unit.start


class _AtHand(msgspec.Struct):
    """The source whose units come: what it is so far, and how much there was of other sources."""

    source: int
    look: RangeLook
    events: int
    first_uses: int
    done: int
    latest: int | None = None


def latest_of(one: int | None, other: int | None) -> int | None:
    """The later of two times, if there is one."""
    return one if other is None or (one is not None and one >= other) else other


class FirstPass:
    """Takes the facts of the first pass, unit by unit.

    - `events` are the lifecycle events of the sources that carry events, `latest` is the latest time of any event in
      them, uses too (ns). `first_uses` has the earliest uses of each unit.
    - `done` are units that hold nothing else.
    - `text` are the indices of the sources that carry no events, `looked_at` of those that were looked at, and
      `looks` has what was seen in those of text that have records like events.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._at_hand: _AtHand | None = None
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
        at_hand = self._at_hand
        if at_hand is None or at_hand.source != unit.source:
            self.settle()
            at_hand = self._at_hand = _AtHand(
                unit.source, RangeLook(), len(self.events), len(self.first_uses), len(self.done)
            )
        at_hand.look.add(found.look)
        self.events.extend(found.lifecycle)
        self.first_uses.extend(found.first_uses)
        if found.rest is not None:
            self.done.take(unit, found.rest)
        at_hand.latest = latest_of(at_hand.latest, found.latest)

    def settle(self) -> None:
        """No more comes of the source at hand: its events are believed, or it is text."""
        at_hand, self._at_hand = self._at_hand, None
        if at_hand is None:
            return
        index, look = at_hand.source, at_hand.look
        self.looked_at.add(index)
        if self._sources[index].carries_events or look.carries_events:
            self.text.discard(index)
            self.latest = latest_of(self.latest, at_hand.latest)
            return
        self.events.drop(at_hand.events)
        self.first_uses.drop(at_hand.first_uses)
        self.done.drop(at_hand.done)
        if look.events:
            self.looks[index] = look

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

        `suspects` counts such records in the sources that were `suspected`, `text_line` gives the line that makes one
        text.
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
