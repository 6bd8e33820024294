"""The events of one range of a file, and whether the file carries events at all.

A file carries events only if all of it reads as events, or as the records of a source. So a line that a job printed
into its log is never an event, whatever it looks like. What is told of a file's ranges is added up for the whole file.

- A record that reads well as something else makes the whole file text: a line of text, a log record, a shipper's
  record.
- A record that begins as a JSON object (`{"`) and cannot be decoded is broken, and makes nothing text. A torn line in
  a file of events is a dead letter, and the other events still count. Where more records are broken than are events,
  the file is text all the same.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from detector.ingest import format_names as names
from detector.ingest.classify import BUNDLED, CLOUDEVENTS, RecordClassifier
from detector.ingest.formats import documents, otlp
from detector.ingest.formats.cloudevents import events_of
from detector.ingest.sources import Source
from detector.records.blocks import LONG_JSON, Block, blocks
from detector.records.dead_letters import NOT_JSON, NOT_UTF8, TOO_DEEP, TRUNCATED_JSON
from detector.records.log_records import Read
from detector.records.timestamps import line_starts
from detector.values.errors import BadRecordError
from detector.values.events import CanonicalEvent

_BROKEN: Final = frozenset({NOT_JSON, TRUNCATED_JSON, NOT_UTF8, TOO_DEEP})
_BRACE: Final = b"{"


class RangeLook(msgspec.Struct):
    """What the records of a range, or of a file, are. Lines count from 1, from its start.

    `of_sources` are the records that read as events or as the records of a source, right or not, and `events` those
    of them that give an event. `broken` are the records that cannot be decoded. `text` is the line of the first
    record that is neither, `first_broken` that of the first broken one. `lines` are the newlines.
    """

    of_sources: int = 0
    events: int = 0
    broken: int = 0
    text: int | None = None
    first_broken: int | None = None
    lines: int = 0

    @property
    def carries_events(self) -> bool:
        """Whether what looks like an event is one."""
        return self.of_sources > 0 and self.text is None and self.broken <= self.of_sources

    @property
    def culprit(self) -> int | None:
        """The line that makes all of it text."""
        return self.first_broken if self.text is None else self.text

    def add(self, following: "RangeLook") -> None:
        """Takes in the range behind this one."""
        if self.text is None and following.text is not None:
            self.text = self.lines + following.text
        if self.first_broken is None and following.first_broken is not None:
            self.first_broken = self.lines + following.first_broken
        self.of_sources += following.of_sources
        self.events += following.events
        self.broken += following.broken
        self.lines += following.lines

    def take(self, read: Read, line: int) -> None:
        """What the record at `line` reads as."""
        self.events += bool(read.events)
        if read.events or read.of_source or read.format == CLOUDEVENTS:
            self.of_sources += 1
        elif read.error is not None and read.error.reason in _BROKEN:
            self.take_broken(line)
        elif read.log is not None:
            self.take_text(line)

    def take_broken(self, line: int) -> None:
        """A record that cannot be decoded."""
        self.broken += 1
        if self.first_broken is None:
            self.first_broken = line

    def take_text(self, line: int) -> None:
        """A record that is text."""
        if self.text is None:
            self.text = line


class EventBlock(NamedTuple):
    """The events of some lines. With `data` they are canonical ones, one for each line of it."""

    events: Iterable[CanonicalEvent]
    data: bytes | None = None


def read_events(
    source: Source, start: int, end: int, now: int, classifier: RecordClassifier = BUNDLED
) -> Iterator[CanonicalEvent]:
    """The events alone, in any order, whether they are believed or not. `files.read` tells of errors."""
    for block in event_blocks(source, start, end, now, RangeLook(), classifier):
        yield from block.events


def event_blocks(  # noqa: PLR0913, PLR0917 - a range, what it is read with, and what is told of it
    source: Source,
    start: int,
    end: int,
    now: int,
    look: RangeLook,
    classifier: RecordClassifier = BUNDLED,
) -> Iterator[EventBlock]:
    """The same block by block; where all have their data, there is nothing else in the range to read.

    What the records are goes into `look`, which is complete once all events of all blocks have been taken. Blocks
    without a marker are not parsed, unless it is not known yet that there is text.
    """
    if source.format not in names.EVENT_FORMATS:
        return
    try:
        if source.format == names.OTLP_PROTO:
            yield EventBlock(_of_requests(source, now, look, classifier))
        elif source.format == names.DOCUMENT:
            yield from _of_document(source, now, look, classifier)
        else:
            yield from _of_lines(source.chunks(start, end), now, look, classifier)
    except BadRecordError:
        yield EventBlock(())


def _of_document(
    source: Source, now: int, look: RangeLook, classifier: RecordClassifier
) -> Iterator[EventBlock]:
    try:
        elements = documents.elements(source.chunks())
    except BadRecordError:  # it is no document, and read as lines of text
        for block in _of_lines(source.chunks(), now, look, classifier):
            for _ in block.events:
                pass
        look.take_text(1)
        return
    for line, element, _ in elements:
        yield EventBlock(_events(((line, element),), now, look, classifier))


def first_text(source: Source, now: int, classifier: RecordClassifier) -> int | None:
    """The line of the first record of a file of lines that is no event."""
    look = RangeLook()
    try:
        for block in _of_lines(source.chunks(), now, look, classifier):
            for _ in block.events:
                pass
            if look.text is not None:
                break
    except BadRecordError:
        pass
    return look.culprit


def _of_requests(
    source: Source, now: int, look: RangeLook, classifier: RecordClassifier
) -> Iterator[CanonicalEvent]:
    for data, whole in otlp.requests(source.chunks()):
        look.lines += 1
        if not whole:
            look.take_broken(look.lines)
            return
        for found in classifier.read_encoded(data, now) or ():
            look.take(found, look.lines)
            yield from found.events


def _of_lines(
    chunks: Iterable[bytes], now: int, look: RangeLook, classifier: RecordClassifier
) -> Iterator[EventBlock]:
    for block in blocks(chunks, LONG_JSON):
        yield _of_block(block, now, look, classifier)
        look.lines += block.data.count(b"\n") if not block.part or block.last else 0


def _of_block(block: Block, now: int, look: RangeLook, classifier: RecordClassifier) -> EventBlock:
    data = block.data
    if block.part:
        if block.part == 1:
            (look.take_broken if _begins_object(data) else look.take_text)(look.lines + 1)
        return EventBlock(())
    if not classifier.may_hold_event(data):
        return EventBlock(
            () if look.text is not None else _events(_numbered(data, look), now, look, classifier)
        )
    events = events_of(data, line_starts(data), classifier, now)
    if events is None:
        return EventBlock(_events(_numbered(data, look), now, look, classifier))
    look.of_sources += len(events)
    look.events += len(events)
    return EventBlock(events, data)


def _numbered(data: bytes, look: RangeLook) -> Iterable[tuple[int, bytes]]:
    return enumerate(data.split(b"\n"), start=look.lines + 1)


def _events(
    records: Iterable[tuple[int, bytes]], now: int, look: RangeLook, classifier: RecordClassifier
) -> Iterator[CanonicalEvent]:
    """The events in lines or elements, each with its line. Records without a marker matter until there is text."""
    for line, record in records:
        if not _begins_object(record):
            if look.text is None and record.strip():
                look.take_text(line)
        elif classifier.may_hold_event(record):
            for found in classifier.read_object(record, now):
                look.take(found, line)
                yield from found.events
        elif look.text is None and classifier.is_of_source(record):
            look.of_sources += 1
        elif look.text is None:
            for found in classifier.read_object(record, now, events=False):
                look.take(found, line)


def _begins_object(record: bytes) -> bool:
    """Whether a record begins as a JSON object that has fields. `{'level': 1}`, as Python prints it, does not."""
    start = record.lstrip()
    return start[:1] == _BRACE and start[1:].lstrip()[:1] == b'"'
