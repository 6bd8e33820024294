"""A sink that keeps what a reader gives, for tests of the readers."""

from pathlib import Path

import msgspec

from detector.ingest.files import read
from detector.ingest.inputs import find_sources
from detector.ingest.range_reader import RangeReader, Reading
from detector.records.dead_letters import DeadLetter
from detector.scan.leaks import Batch, RecordAt
from detector.values.events import CanonicalEvent
from detector.values.times import format_rfc3339, parse_rfc3339

NOW = parse_rfc3339("2026-06-01T00:00:00Z")


class Seen(msgspec.Struct, frozen=True):
    """One place where a marker was found: its record's text and whereabouts, the time as RFC 3339."""

    text: str
    line: int | None
    time: str | None
    task_id: str | None = None
    stream: str | None = None


class Collector:
    """Keeps everything."""

    def __init__(self) -> None:
        self.batches: list[tuple[Batch, int]] = []
        self.places: list[tuple[bytes, dict[int, RecordAt]]] = []
        self.events: list[CanonicalEvent] = []
        self.letters: list[DeadLetter] = []
        self.range: RangeReader | None = None

    def batch(self, batch: Batch, part: int = 0) -> None:
        self.batches.append((batch, part))
        found, at = {}, batch.data.find(b"MARK")
        while at >= 0:  # located at once, as the scanner does
            found[at] = batch.locate(at)
            at = batch.data.find(b"MARK", at + 1)
        self.places.append((batch.data, found))

    def event(self, event: CanonicalEvent) -> None:
        self.events.append(event)

    def dead(self, letter: DeadLetter) -> None:
        self.letters.append(letter)

    def marked(self) -> list[Seen]:
        """The record of every `MARK` in the text that would be scanned, in order."""
        return [
            Seen(
                data[at.start : at.end].decode("utf-8", "replace"),
                at.line,
                None if at.time is None else format_rfc3339(at.time),
                at.task_id,
                at.stream,
            )
            for data, found in self.places
            for at in found.values()
        ]

    def dead_ones(self) -> list[tuple[int | None, str, str | None]]:
        """Line, reason and field of every dead letter."""
        return [(letter.line, letter.reason, letter.field) for letter in self.letters]


def collect(path: Path, format_name: str | None = None, now: int = NOW) -> Collector:
    """What a reader gives for a whole file."""
    (source,), _ = find_sources([str(path)], format_name=format_name)
    sink = Collector()
    sink.range = read(source, 0, source.size, sink, Reading(now))
    return sink
