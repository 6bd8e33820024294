"""The first pass of a replay: which sources carry events, and what those say of tasks and credentials.

Whether a file carries events is known once all of it was looked at. Until then its events wait.
"""

from collections.abc import Callable, Mapping, Sequence

from detector.ingest.event_ranges import RangeLook
from detector.ingest.format_names import EVENT_FORMATS
from detector.ingest.sources import Source
from detector.ingest.units import Unit
from detector.outputs.summary import NotBelieved
from detector.replay.fact_spool import FactSpool
from detector.stages.ranges import LifecycleFacts, RangeFacts
from detector.values.events import CredentialUsed, Lifecycle


class FirstPass:
    """Takes the facts of the first pass, unit by unit.

    - `events` are the lifecycle events of the sources that carry events, `latest` is the latest time of any event in
      them, uses too (ns). `first_uses` has the earliest uses of each unit.
    - `done` are units that hold nothing else.
    - `text` are the indices of the sources that carry no events, `looks` what was seen in those that were looked at.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._waiting: list[tuple[Unit, LifecycleFacts]] = []  # of one source
        self.events = FactSpool[Lifecycle](Lifecycle)
        self.done: dict[Unit, RangeFacts] = {}
        self.text = frozenset(range(len(sources)))
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
        self.looks[index] = look
        if not (self._sources[index].carries_events or look.carries_events):
            return
        self.text -= {index}
        for unit, found in waiting:
            self.events.extend(found.lifecycle)
            self.first_uses.extend(found.first_uses)
            if found.rest is not None:
                self.done[unit] = found.rest
            if found.latest is not None and (self.latest is None or found.latest > self.latest):
                self.latest = found.latest

    def suspected(self) -> frozenset[int]:
        """The sources of text in which nobody has looked for events yet."""
        return self.text - self.looks.keys()

    def not_believed(
        self, names: Sequence[str], suspects: Mapping[int, int], text_line: Callable[[int], int | None]
    ) -> tuple[NotBelieved, ...]:
        """The sources of text in which records look like events, by their `names` for a person.

        `suspects` counts such records in the sources that were `suspected`, `text_line` gives the line that makes one text.
        """
        found = []
        for index in sorted(self.text):
            source, look = self._sources[index], self.looks.get(index)
            declared = source.carries_events is False
            if look is not None and look.events:
                found.append(NotBelieved(names[index], look.events, look.culprit))
            elif suspects.get(index):
                line = None if declared else text_line(index)
                found.append(NotBelieved(names[index], suspects[index], line, declared=declared))
        return tuple(found)
