"""Reads one range of one source in its format: log text to scan, events and dead letters go to a sink.

A record without a time of its own has that of the record before it; what stands before the first time of its range
is left open (`RecordAt.time` None), and lines count from the start of the range, for whoever puts the ranges together.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.file_ranges import Range, Sink
from detector.ingest.format_names import (
    CRI,
    DOCKER,
    DOCUMENT,
    EVENT_FORMATS,
    JSON_LINES,
    JSON_LOG,
    OTLP_PROTO,
    SYSLOG,
    SYSLOG_COUNTED,
)
from detector.ingest.formats.cloudevent_blocks import events_of
from detector.ingest.formats.containers import read_cri, read_docker
from detector.ingest.formats.json_lines import document_values, read_document, read_json_lines
from detector.ingest.formats.otlp import read_requests, request_events
from detector.ingest.formats.syslog_lines import read_counted, read_syslog
from detector.ingest.formats.text import read_text
from detector.ingest.sources import Source
from detector.records.blocks import LONG_JSON, Block, blocks
from detector.records.timestamps import line_starts
from detector.values.errors import BadRecordError
from detector.values.events import CanonicalEvent


def read(  # noqa: PLR0913, PLR0917 - a range, and what it is read with
    source: Source, start: int, end: int, now: int, sink: Sink, shapes: RecordClassifier = BUNDLED
) -> Range:
    """Reads the bytes of `source` from `start` to `end`; `now` (ns) is the wall clock, `shapes` what is recognised.

    What cannot be read, the rest of a damaged archive or a file that is gone, is a dead letter without a line.
    """
    reading = Range(source.name, source.task_id, now, sink, shapes)
    try:
        if source.format in (JSON_LINES, JSON_LOG):
            read_json_lines(source.chunks(start, end), reading, events=source.format == JSON_LINES)
        elif source.format == DOCUMENT:
            read_document(source.chunks, reading)
        elif source.format == CRI:
            read_cri(source.chunks(), reading)
        elif source.format == DOCKER:
            read_docker(source.chunks(), reading)
        elif source.format == SYSLOG:
            read_syslog(source.chunks(start, end), reading)
        elif source.format == SYSLOG_COUNTED:
            read_counted(source.chunks(), reading)
        elif source.format == OTLP_PROTO:
            read_requests(source.chunks(), reading)
        else:
            read_text(source.chunks(start, end), reading)
    except BadRecordError as error:
        reading.dead(error, None)
    return reading


class EventBlock(NamedTuple):
    """The events of some lines. With `data` they are canonical ones, one for each line of it."""

    events: Iterable[CanonicalEvent]
    data: bytes | None = None


def read_events(
    source: Source, start: int, end: int, now: int, shapes: RecordClassifier = BUNDLED
) -> Iterator[CanonicalEvent]:
    """The events alone, in any order; what has none is passed over by a search, errors are left to `read`."""
    for block in event_blocks(source, start, end, now, shapes):
        yield from block.events


def event_blocks(
    source: Source, start: int, end: int, now: int, shapes: RecordClassifier = BUNDLED
) -> Iterator[EventBlock]:
    """The same block by block; where all have their data, there is nothing else in the range to `read`."""
    if source.format not in EVENT_FORMATS:
        return
    try:
        if source.format == OTLP_PROTO:
            yield EventBlock(request_events(source.chunks(), now, shapes))
        elif source.format == DOCUMENT:
            yield EventBlock(_each(document_values(source.chunks()), now, shapes))
        else:
            for block in blocks(source.chunks(start, end), LONG_JSON):
                yield _of_block(block, now, shapes)
    except BadRecordError:
        yield EventBlock(())


def _of_block(block: Block, now: int, shapes: RecordClassifier) -> EventBlock:
    data = block.data
    if block.part or not shapes.may_hold_event(data):
        return EventBlock(())
    events = events_of(data, line_starts(data), shapes, now)
    return EventBlock(_each(data.split(b"\n"), now, shapes)) if events is None else EventBlock(events, data)


def _each(lines: Iterable[bytes], now: int, shapes: RecordClassifier) -> Iterator[CanonicalEvent]:
    for line in lines:
        if line.lstrip()[:1] == b"{" and shapes.may_hold_event(line):
            for found in shapes.read_object(line, now):
                yield from found.events
