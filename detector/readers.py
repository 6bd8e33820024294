"""Reads one range of one source in its format: log text to scan, events and dead letters go to a sink.

A record without a time of its own has that of the record before it; what stands before the first time of its range
is left open (`RecordAt.time` None), and lines count from the start of the range, for whoever puts the ranges together.
"""

from collections.abc import Iterator

from detector.blocks import LONG_JSON, blocks
from detector.containers import read_cri, read_docker
from detector.errors import BadRecordError
from detector.events import CanonicalEvent
from detector.formats import (
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
from detector.jsonlines import document_values, read_document, read_json_lines
from detector.otlpfiles import read_requests, request_events
from detector.ranges import Range, Sink
from detector.shapes import BUNDLED, Shapes
from detector.sources import Source
from detector.sysloglines import read_counted, read_syslog
from detector.textlines import read_text


def read(  # noqa: PLR0913, PLR0917 - a range, and what it is read with
    source: Source, start: int, end: int, now: int, sink: Sink, shapes: Shapes = BUNDLED
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


def read_events(
    source: Source, start: int, end: int, now: int, shapes: Shapes = BUNDLED
) -> Iterator[CanonicalEvent]:
    """The events alone, in any order; what has none is passed over by a search, errors are left to `read`."""
    if source.format not in EVENT_FORMATS:
        return
    try:
        if source.format == OTLP_PROTO:
            yield from request_events(source.chunks(), now, shapes)
            return
        document = source.format == DOCUMENT
        lines = document_values(source.chunks()) if document else _marked(source, start, end, shapes)
        for line in lines:
            for found in shapes.read_object(line, now):
                yield from found.events
    except BadRecordError:
        return


def _marked(source: Source, start: int, end: int, shapes: Shapes) -> Iterator[bytes]:
    for block in blocks(source.chunks(start, end), LONG_JSON):
        if not block.part and shapes.may_hold_event(block.data):
            for line in block.data.split(b"\n"):
                if line.lstrip()[:1] == b"{" and shapes.may_hold_event(line):
                    yield line
