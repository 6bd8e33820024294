"""Reads one range of one source in its format: log text to scan, events and dead letters go to a sink."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise
from typing import Final

import numpy as np

from detector.ingest import format_names as names
from detector.ingest.archives import MemberTimes
from detector.ingest.formats import cri, docker, documents, github_log, gitlab_trace, otlp, syslog, text
from detector.ingest.formats import json as json_logs
from detector.ingest.formats.cloudevents import events_of
from detector.ingest.formats.gitlab_trace import TraceLines
from detector.ingest.formats.log_texts import KEY_BEGIN, LogTexts, Times
from detector.ingest.range_reader import MemberTime, RangeReader, Reading, Sink, lines_of
from detector.ingest.sniff import looks_binary
from detector.ingest.sources import MEASURED, Source
from detector.records.blocks import LONG_JSON, Block, blocks
from detector.records.dead_letters import BINARY, NOT_PROTOBUF, NOT_SYSLOG, TOO_LARGE, bad
from detector.records.log_records import LogText
from detector.records.repeated_names import repeating_lines
from detector.records.timestamps import Ints, leading_stamps, line_span, line_starts
from detector.values.errors import BadRecordError

_OTHER, _TEXT_RUN, _RECORD_RUN = 0, 1, 2
_LONG_RUN: Final = 8  # lines from which taking them at once is cheaper
_PART: Final = 512  # bytes that tell whether a part of a text is none
_HOLE: Final = bytes(16)
_BINARY_PART: Final = "a part in its middle does not look like text; its bytes were scanned as they stand"
_INDENT: Final = 4096  # bytes of white space before what a line begins with


def read(  # noqa: PLR0913, PLR0917 - a range, what it is read with, and by
    source: Source,
    start: int,
    end: int,
    sink: Sink,
    reading: Reading,
    reader_of: Callable[..., RangeReader] = RangeReader,
) -> RangeReader:
    """Reads the bytes of `source` from `start` to `end`, by a `RangeReader` or one made from the same arguments.

    What cannot be read, the rest of a damaged archive or a file that is gone, is a dead letter without a line.
    """
    times = MemberTimes()
    reader = reader_of(source.name, source.task_id, sink, reading, _member_of(source, times), source.stream)
    if source.doubt is not None and start == 0:
        reader.dead(source.doubt.error, None)
    try:
        if source.format == names.DOCUMENT:
            read_document(lambda: source.chunks(times=times), reader)
        else:
            chunks = source.chunks(start, end, times)
            if source.doubt is None and source.format not in MEASURED:
                chunks = _watched(chunks, reader)
            _READ.get(source.format, read_text)(chunks, reader)
    except BadRecordError as error:
        reader.dead(error, None)
    reader.end()
    return reader


def _watched(chunks: Iterable[bytes], reader: RangeReader) -> Iterator[bytes]:
    """The chunks; that a part of them does not look like text is a dead letter, once for the range."""
    told = False
    for chunk in chunks:
        if not told and _has_binary(chunk):
            reader.dead(bad(BINARY, detail=_BINARY_PART), None)
            told = True
        yield chunk


def _has_binary(data: bytes) -> bool:
    """Whether some bytes behind a zero do not look like text. A zero in each character is: that is UTF-16 or UTF-32."""
    at = data.find(0)
    while at >= 0:
        part = data[at : at + _PART]
        if _HOLE in part or looks_binary(part.replace(b"\0", b"")):
            return True
        at = data.find(0, at + _PART)
    return False


def _member_of(source: Source, times: MemberTimes) -> Callable[[], MemberTime | None]:
    """What gives the time of the archive member that is being read: gzip's own, else that of the ZIP or tar."""
    stated = None
    if source.member is not None and source.member.modified is not None:
        stated = MemberTime(source.member.modified, source.member.slack)
    return lambda: stated if times.latest is None else MemberTime(times.latest)


def read_text(chunks: Iterable[bytes], reader: RangeReader) -> None:
    """Lines of text."""
    for block in blocks(chunks):
        if block.part:
            reader.long_line(block)
            continue
        reader.suspect(block.data)
        count = _text_lines(block.data, reader, reader.lines, len(block.data))
        reader.flush()
        reader.lines += count - (not block.data.endswith(b"\n"))


def _text_lines(data: bytes, reader: RangeReader, before: int, size: int) -> int:
    starts = line_starts(data)
    reader.block(text.block(data, starts), starts, before)
    reader.count(names.TEXT, len(starts), size)
    return len(starts)


def read_json_lines(chunks: Iterable[bytes], reader: RangeReader, *, events: bool) -> None:
    """JSON, one object a line, and whatever stands between; without `events` every object is a log record."""
    for block in _json_blocks(chunks, reader):
        data, starts = block.data, line_starts(block.data)
        reader.pass_time()
        reader.suspect(data)
        if events and (found := events_of(data, starts, reader.classifier, reader.now)) is not None:
            reader.events(found, data)
        elif not _json_block(data, starts, reader, reader.lines, events=events):
            _mixed_lines(data, starts, reader, events=events)
        reader.flush()
        reader.lines += len(starts) - (not data.endswith(b"\n"))


def _json_blocks(chunks: Iterable[bytes], reader: RangeReader) -> Iterator[Block]:
    """Blocks of whole lines; a line that is too long is read as text."""
    for block in blocks(chunks, LONG_JSON):
        if not block.part:
            yield block
            continue
        if block.part == 1:
            reader.dead(bad(TOO_LARGE), reader.lines + 1)
        reader.long_line(block)


def _json_block(data: bytes, starts: Ints, reader: RangeReader, before: int, *, events: bool) -> bool:
    """Takes a block that is nothing but log records at once; False if it is not one.

    A record of known fields only is never part of another line. The others may be, while one stands open.
    """
    classifier = reader.classifier
    if KEY_BEGIN in data or reader.assembler.streams.holding:
        return False
    found = None
    if not (events and classifier.may_be_flat(data)):
        found = json_logs.flat_block(data, starts, classifier.named)
    if found is None and not reader.waits and not (events and classifier.may_hold_event(data)):
        found = json_logs.log_block(data, starts, classifier.named)
    if found is None:
        return False
    reader.block(found, starts, before, data=data)
    return True


def _mixed_lines(data: bytes, starts: Ints, reader: RangeReader, *, events: bool) -> None:
    """Takes lines of all kinds; long runs of text and of log records at once, the others one by one."""
    edges = np.append(starts, len(data))
    for kind, first, end in _runs(data, starts):
        run, before = data[edges[first] : edges[end]], reader.lines + first
        if kind == _TEXT_RUN:
            _text_lines(run.removesuffix(b"\n"), reader, before, len(run))
            continue
        marked = events and reader.classifier.may_hold_event(run)
        if kind == _OTHER or marked or not _log_run(run, starts[first:end] - starts[first], reader, before):
            _json_lines(run, before, reader, events=marked)


def _log_run(run: bytes, starts: Ints, reader: RangeReader, before: int) -> bool:
    """Takes a run of log records at once; False if they have to be read one by one."""
    if reader.waits or KEY_BEGIN in run:
        return False
    found = json_logs.log_block(run, starts, reader.classifier.named)
    if found is not None:
        reader.block(found, starts, before, data=run)
    return found is not None


def _runs(data: bytes, starts: Ints) -> Iterator[tuple[int, int, int]]:
    """(kind, first line, line behind the last) of the runs of a block, in order."""
    first = np.frombuffer(data, np.uint8)[starts]
    kinds = np.where(first == ord("{"), _RECORD_RUN, np.where(first > ord(" "), _TEXT_RUN, _OTHER))
    for index in np.flatnonzero(kinds == _OTHER).tolist():  # blank, or begins with a space
        begins = data[starts[index] : starts[index] + _INDENT].lstrip(b" \t\r\v\f")[:1]
        if begins not in (b"", b"\n", b"{"):
            kinds[index] = _TEXT_RUN
    bounds = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(starts)]
    low = 0  # of the short runs that are taken together, line by line
    for begin, end in pairwise(bounds):
        kind = int(kinds[begin])
        if kind == _OTHER or end - begin < _LONG_RUN:
            continue
        if low < begin:
            yield _OTHER, low, begin
        yield kind, begin, end
        low = end
    if low < len(starts):
        yield _OTHER, low, len(starts)


def _json_lines(data: bytes, before: int, reader: RangeReader, *, events: bool) -> None:
    classifier, now = reader.classifier, reader.now
    for number, line in enumerate(lines_of(data), start=before + 1):
        size = len(line) + 1
        if line.lstrip()[:1] == b"{":
            for found in classifier.read_object(line, now, events=events):
                reader.take(found, number, size)
                size = 0
        elif line.strip():
            reader.take(text.read(line, now), number, size)


def read_document(chunks: Callable[[], Iterable[bytes]], reader: RangeReader) -> None:
    """One JSON value, or several. What is no JSON, or too long, is read as text; `chunks` gives the bytes again."""
    try:
        elements = documents.elements(chunks())
    except BadRecordError as error:
        reader.dead(error, 1)
        read_text(chunks(), reader)
        return
    for line, element, path in elements:
        for found in reader.classifier.read_object(element, reader.now):
            reader.take(found.below(path), line, len(element))


def read_cri(chunks: Iterable[bytes], reader: RangeReader) -> None:
    """A CRI log; a line of another form is a line of text."""
    for block in blocks(chunks):
        if block.part:
            reader.long_line(block)
            continue
        data, starts = block.data, line_starts(block.data)
        reader.suspect(data)
        texts = cri.block(data, starts)
        marked = any(mark in data for mark in cri.PART_MARKS)
        _take_block(texts, starts, reader, _cri_lines(data, starts), cut=marked)


def _cri_lines(data: bytes, starts: Ints) -> Callable[[int, int | None], LogText]:
    return lambda index, time: cri.log_text(data[slice(*line_span(data, starts, index))], time)


def _take_block(
    texts: LogTexts,
    starts: Ints,
    reader: RangeReader,
    by_itself: Callable[[int, int | None], LogText],
    *,
    cut: bool = False,
) -> None:
    """Takes a block of lines as they stand: at once, or one by one if lines may be `cut` or a key stands open."""
    data = texts.data
    if cut or reader.waits or KEY_BEGIN in data:
        stamps = reader.usable(texts.times, reader.lines)
        for index in range(len(starts)):
            reader.log(by_itself(index, stamps.exactly(index)), reader.lines + index + 1)
        reader.count(texts.format, len(starts), len(data))
    else:
        reader.flush()
        reader.block(texts, starts, reader.lines, data=data)
        reader.flush()
    reader.lines += len(starts) - (not data.endswith(b"\n"))


def read_github_log(chunks: Iterable[bytes], reader: RangeReader) -> None:
    """What `gh run view --log` prints; a line of another form is a line of text."""
    for block in blocks(chunks):
        if block.part:
            reader.long_line(block)
            continue
        data, starts = block.data, line_starts(block.data)
        reader.suspect(data)
        texts, by_itself = github_log.block(data, starts)
        reader.pass_time()
        _take_block(texts, starts, reader, by_itself)


def read_trace(chunks: Iterable[bytes], reader: RangeReader) -> None:
    """A job's log with the runner's timestamps; a line of another form is a line of text."""
    lines = TraceLines()
    for block, following in pairwise(chain(blocks(chunks), (None,))):
        if block is None or block.part:
            _trace_lines(lines.end(), reader)
            if block is not None:
                reader.long_line(block)
            continue
        data, starts = block.data, line_starts(block.data)
        reader.suspect(data)
        # The last lines of a block may go on in the next one.
        in_parts = gitlab_trace.in_parts(data) or (
            following is not None and gitlab_trace.in_parts(following.data)
        )
        if not in_parts:
            _trace_lines(lines.end(), reader)
        if in_parts or reader.waits:
            stamps = reader.usable(Times(leading_stamps(data, starts)), reader.lines)
            for index, line in enumerate(lines_of(data)):
                _trace_lines(lines.take(line, stamps.exactly(index), reader.lines + index + 1), reader)
            reader.count(names.GITLAB_TRACE, len(starts), len(data))
        else:
            reader.flush()
            reader.block(gitlab_trace.block(data, starts), starts, reader.lines, data=data)
            reader.flush()
        reader.lines += len(starts) - (not data.endswith(b"\n"))
    _trace_lines(lines.end(), reader)


def _trace_lines(found: Iterable[tuple[LogText, int]], reader: RangeReader) -> None:
    for log, number in found:
        reader.log(log, number)


def read_docker(chunks: Iterable[bytes], reader: RangeReader) -> None:
    """A json-file log; a line of another form is what it looks like, but no event."""
    for block in _json_blocks(chunks, reader):
        data, starts = block.data, line_starts(block.data)
        reader.suspect(data)
        whole = not reader.waits and KEY_BEGIN not in data
        texts = docker.block(data, starts, known=True) if whole else None
        if texts is None:
            _docker_lines(data, starts, reader)
        else:
            reader.flush()
            reader.block(texts, starts, reader.lines, data=data)
            reader.flush()
        reader.lines += len(starts) - (not data.endswith(b"\n"))


def _docker_lines(data: bytes, starts: Ints, reader: RangeReader) -> None:
    lines = lines_of(data)
    # A record with a name twice is not as Docker writes one.
    repeating = set(repeating_lines(data, starts))
    records = [None if index in repeating else docker.record_of(line) for index, line in enumerate(lines)]
    stamps = reader.usable(docker.rfc3339_times(records), reader.lines)
    for index, record in enumerate(records):
        number, line = reader.lines + index + 1, lines[index]
        if record is not None:
            reader.count(names.DOCKER, 1, len(line) + 1)
            reader.log(record.text(stamps.exactly(index)), number)
        elif line.strip():
            _json_lines(line, number - 1, reader, events=False)


def read_syslog(chunks: Iterable[bytes], reader: RangeReader) -> None:
    """Messages of syslog, one a line. What is no message is a line of text."""
    for block in blocks(chunks):
        if block.part:
            reader.long_line(block)
            continue
        reader.suspect(block.data)
        for number, line in enumerate(lines_of(block.data), start=reader.lines + 1):
            _syslog_message(line, number, reader)
        reader.flush()
        reader.lines += block.data.count(b"\n")


def _syslog_message(line: bytes, number: int, reader: RangeReader) -> None:
    found = syslog.read(line, reader.now) or text.read(line, reader.now)
    reader.count(found.format, 1, len(line) + 1)
    if found.error is not None:
        reader.dead(found.error, number)
    if found.log is not None and (found.format == names.SYSLOG or line.strip()):
        reader.whole_log(found.log, number)


def read_counted(chunks: Iterable[bytes], reader: RangeReader) -> None:
    """Messages of syslog, each behind its length. They count as lines; from a wrong length on, the rest is text."""
    messages = syslog.counted(chunks)
    for data, whole in messages:
        if not whole:
            reader.end()
            reader.dead(bad(NOT_SYSLOG, "MSG-LEN"), reader.lines + 1)
            read_text(chain((data,), (part for part, _ in messages)), reader)
            return
        reader.lines += 1
        _syslog_message(data, reader.lines, reader)


def read_requests(chunks: Iterable[bytes], reader: RangeReader) -> None:
    """Requests of OTLP in protobuf. They count as lines; from a wrong length on, the rest is text."""
    requests = otlp.requests(chunks)
    for data, whole in requests:
        if not whole:
            reader.end()
            reader.dead(bad(NOT_PROTOBUF), reader.lines + 1)
            read_text(chain((data,), (part for part, _ in requests)), reader)
            return
        reader.lines += 1
        size = len(data) + otlp.LENGTH
        for found in otlp.read(data, reader.now, reader.classifier):
            reader.take(found, reader.lines, size)
            size = 0


_READ: Final[dict[str, Callable[[Iterable[bytes], RangeReader], None]]] = {
    names.JSON_LINES: lambda chunks, reader: read_json_lines(chunks, reader, events=True),
    names.JSON_LOG: lambda chunks, reader: read_json_lines(chunks, reader, events=False),
    names.CRI: read_cri,
    names.DOCKER: read_docker,
    names.GITLAB_TRACE: read_trace,
    names.SYSLOG: read_syslog,
    names.GITHUB_LOG: read_github_log,
    names.SYSLOG_COUNTED: read_counted,
    names.OTLP_PROTO: read_requests,
}
