"""JSON, one object a line, and JSON documents: events go to the ledger, log records are scanned decoded."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np

from detector.ingest.classify import CLOUDEVENTS
from detector.ingest.file_assembler import Joiner
from detector.ingest.file_ranges import Give, Locate, Range, Watch
from detector.ingest.format_names import TEXT
from detector.ingest.formats.cloudevent_blocks import events_of
from detector.ingest.formats.json_blocks import read_decoded, read_flat, read_plain
from detector.ingest.formats.text import TextReader, own_time, read_lines, read_text
from detector.records.blocks import LONG_JSON, blocks
from detector.records.dead_letters import NOT_JSON, TOO_DEEP, TOO_LARGE, TRUNCATED_JSON, bad
from detector.records.log_records import JSON_LOG, LogText, Read
from detector.records.timestamps import Ints, line_starts
from detector.scan.leaks import Batch
from detector.values.errors import BadRecordError
from detector.values.events import CanonicalEvent

_OTHER, _TEXT_RUN, _RECORD_RUN = 0, 1, 2
_LONG_RUN: Final = 8  # lines from which taking them at once is cheaper
_INDENT: Final = 4096  # bytes of white space before what a line begins with
MAX_DOCUMENT: Final = 128 * 1024 * 1024  # a longer JSON document is read as text


class _CloudTrailFile(msgspec.Struct):
    Records: list[msgspec.Raw]


_RECORDS: Final = msgspec.json.Decoder(_CloudTrailFile)
_VALUES: Final = msgspec.json.Decoder(msgspec.Raw)
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def read_json_lines(chunks: Iterable[bytes], reading: Range, *, events: bool) -> None:
    """Hands on every line; without `events` every object is a log record."""
    text, joiner = TextReader(reading), Joiner(reading)
    try:
        for block in blocks(chunks, LONG_JSON):
            if block.part:
                if block.part == 1:
                    reading.dead(bad(TOO_LARGE), reading.lines + 1)
                text.take(block)
                continue
            data, starts = block.data, line_starts(block.data)
            joiner.tire(reading.lines)
            if not _whole(data, starts, reading, joiner, events=events):
                _mixed(data, starts, reading, joiner, events=events)
            reading.lines += len(starts) - (not data.endswith(b"\n"))
    finally:
        joiner.end()


def _whole(data: bytes, starts: Ints, reading: Range, joiner: Joiner, *, events: bool) -> bool:
    """Hands on a block that is nothing but canonical events, or log records, at once; False if it is not.

    Those of known fields only are never part of another line, though of a key; while one stands open, others may be.
    """

    def give(text: bytes, locate: Locate) -> None:
        reading.sink.batch(Batch(reading.name, text, locate))

    if events and (found := events_of(data, starts, reading.shapes, reading.now)) is not None:
        take_events(found, data, reading)
        return True
    before = reading.lines
    flat = not joiner.holding and not (events and reading.shapes.may_be_flat(data))
    return (flat and read_flat(data, starts, reading, before, give, joiner.watch)) or (
        not joiner
        and not (events and reading.shapes.may_hold_event(data))
        and _read_many(data, starts, reading, before, give, joiner.watch)
    )


def take_events(events: Iterable[CanonicalEvent], data: bytes, reading: Range) -> None:
    """Hands on canonical events, one for each line of `data`."""
    open_line = not data.endswith(b"\n")
    for event in events:
        reading.saw(event.time)
        reading.sink.event(event)
    reading.count(CLOUDEVENTS, data.count(b"\n") + open_line, len(data) + open_line)


def _read_many(  # noqa: PLR0913, PLR0917 - where the block stands, and who takes it
    data: bytes, starts: Ints, reading: Range, before: int, give: Give, watch: Watch
) -> bool:
    """Gives a block that is nothing but log records; False if it is not, or has to be read one by one."""
    return read_plain(data, starts, reading, before, give, watch) or read_decoded(
        data, starts, reading, before, give, watch
    )


def _mixed(data: bytes, starts: Ints, reading: Range, joiner: Joiner, *, events: bool) -> None:
    """Hands on a block of lines of all kinds; long runs of text and of log records at once, the others one by one."""
    pieces = joiner.pieces
    edges = np.append(starts, len(data))
    for kind, first, end in _runs(data, starts):
        run, before = data[edges[first] : edges[end]], reading.lines + first
        if kind == _TEXT_RUN:
            read_lines(run.removesuffix(b"\n"), reading, before, pieces.many)
            reading.count(TEXT, 0, run.endswith(b"\n"))
            continue
        marked = events and reading.shapes.may_hold_event(run)
        if (
            kind == _OTHER
            or joiner
            or marked
            or not _read_many(
                run, starts[first:end] - starts[first], reading, before, pieces.many, joiner.watch
            )
        ):
            _each_line(run, before, reading, joiner, events=marked)
    pieces.flush()


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


def _each_line(data: bytes, before: int, reading: Range, joiner: Joiner, *, events: bool) -> None:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, start=before + 1):
        size = len(line) + 1
        if line.lstrip()[:1] == b"{":
            for read in reading.shapes.read_object(line, reading.now, events=events):
                give(read, number, reading, joiner, size)
                size = 0
        elif line.strip():
            reading.count(TEXT, 1, size)
            joiner.take(LogText(line, own_time(line, reading, number)), number)


def give(read: Read, line: int, reading: Range, joiner: Joiner, size: int) -> None:
    """Hands on what one object of `size` bytes gave."""
    reading.count(read.format, 1, size)
    reading.unknown += read.unknown
    if read.error is not None:
        reading.dead(read.error, line)
    for event in read.events:
        reading.saw(event.time)
        reading.sink.event(event)
    if read.log is not None:
        joiner.take(read.log, line)


def read_document(chunks: Callable[[], Iterable[bytes]], reading: Range) -> None:
    """Hands on the events of one JSON value: an object, an array, or CloudTrail's `{"Records": [...]}`.

    What is no JSON, or too long, is read as text instead; `chunks` gives the bytes again.
    """
    data, problem = _gathered(chunks())
    elements: list[msgspec.Raw] = []
    prefix = ""
    if problem is None:
        try:
            elements, prefix = _elements(data)
        except BadRecordError as error:
            problem = error
    if problem is not None:
        reading.dead(problem, 1)
        read_text(chunks(), reading)
        return
    joiner = Joiner(reading)
    reading.bytes[JSON_LOG] += 0
    for line, element, path in _placed(data, elements, prefix):
        for read in reading.shapes.read_object(element, reading.now):
            give(_below(path, read), line, reading, joiner, len(element))
    joiner.end()


def _below(path: str, read: Read) -> Read:
    """With the field at fault named from the top of the document."""
    error = read.error
    if error is None or not path:
        return read
    field = f"{path}.{error.field}" if error.field else path
    return msgspec.structs.replace(read, error=BadRecordError(error.reason, error.detail, field))


def document_values(chunks: Iterable[bytes]) -> list[bytes]:
    """The JSON values of a document that may be events; none if it cannot be read as JSON.

    Raises:
        BadRecordError: it is no JSON or too long.
    """
    data, problem = _gathered(chunks)
    if problem is not None:
        raise problem
    return [bytes(element) for element in _elements(data)[0]]


def _gathered(chunks: Iterable[bytes]) -> tuple[bytes, BadRecordError | None]:
    parts, size = [], 0
    try:
        for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_DOCUMENT:
                return b"", bad(TOO_LARGE)
    except BadRecordError:  # it comes again when what could be read of the archive is read as text
        return b"", bad(TRUNCATED_JSON)
    return b"".join(parts), None


def _elements(data: bytes) -> tuple[list[msgspec.Raw], str]:
    """The values to look at one by one, and what their paths begin with."""
    try:
        if data.lstrip().startswith(b"["):
            return _ARRAY.decode(data), ""
        try:
            return _RECORDS.decode(data).Records, "Records"
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _VALUES.decode_lines(
                data
            ), ""  # values one after another, each over as many lines as it likes
    except RecursionError:
        raise bad(TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad(TRUNCATED_JSON if "truncated" in str(error) else NOT_JSON) from None


def _placed(data: bytes, elements: list[msgspec.Raw], prefix: str) -> Iterator[tuple[int, bytes, str]]:
    """Each element with the line it begins at and its path."""
    line, at = 1, 0
    alone = len(elements) == 1 and not prefix
    for index, element in enumerate(elements):
        raw = bytes(element)
        found = data.find(raw, at)
        line += data.count(b"\n", at, found)
        at = found
        yield line, raw, "" if alone else f"{prefix}[{index}]"
