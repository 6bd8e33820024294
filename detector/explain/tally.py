"""What became of all records, added up."""

from collections import Counter
from typing import Final

import msgspec

from detector.explain.explained import EVENTS, ExplainedEvent, ExplainedRecord

_MOST: Final = 1000  # different reasons


class Reason(msgspec.Struct, frozen=True):
    """Why records of a format gave no more. `kind` is one of few."""

    format: str
    kind: str
    why: str


class Example(msgspec.Struct, frozen=True):
    """The first record for a reason."""

    source: str
    line: int | None


class Tally:
    """Sums over explained records.

    - `became` counts records by what became of them, `formats` by format and that.
    - `joined` counts the events about a credential whose task was found, by how; `unjoined` the others.
    - `reasons` counts records and events by reason, and `examples` has the first of each.
    """

    def __init__(self) -> None:
        self.became: Counter[str] = Counter()
        self.formats: Counter[tuple[str, str]] = Counter()
        self.joined: Counter[str] = Counter()
        self.unjoined = 0
        self.reasons: Counter[Reason] = Counter()
        self.examples: dict[Reason, Example] = {}

    @property
    def records(self) -> int:
        """All records."""
        return self.became.total()

    def add(self, record: ExplainedRecord) -> None:
        """Takes one record."""
        self.became[record.became] += record.count
        self.formats[record.format, record.became] += record.count
        if record.reason:
            self._reason(record, Reason(record.format, record.reason, record.why))
        if record.became != EVENTS:
            return
        for event in record.events:
            self._event(event)
            if event.reason:
                self._reason(record, Reason(record.format, event.reason, event.why))

    def _event(self, event: ExplainedEvent) -> None:
        if event.type.startswith("task."):
            return
        if event.by is None:
            self.unjoined += event.reason != ""
        else:
            self.joined[event.by] += 1

    def _reason(self, record: ExplainedRecord, reason: Reason) -> None:
        if reason not in self.examples:
            if len(self.examples) >= _MOST:
                return
            self.examples[reason] = Example(record.source, record.line)
        self.reasons[reason] += record.count
