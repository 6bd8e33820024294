"""JSON, one object a line, and JSON documents: events go to the ledger, log records are scanned decoded."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from detector.blocks import LONG_JSON, blocks
from detector.deadletters import NOT_JSON, TOO_DEEP, TOO_LARGE, TRUNCATED_JSON, bad
from detector.errors import BadRecordError
from detector.formats import TEXT
from detector.jsonblocks import read_flat, read_plain
from detector.marks import has_event_mark
from detector.ranges import Pieces, Range
from detector.shapes import JSON_LOG, LogText, Read, read_object
from detector.stamps import line_starts
from detector.textlines import TextReader, own_time, read_text

MAX_DOCUMENT: Final = 128 * 1024 * 1024  # a longer JSON document is read as text


class _CloudTrailFile(msgspec.Struct):
    Records: list[msgspec.Raw]


_RECORDS: Final = msgspec.json.Decoder(_CloudTrailFile)
_VALUES: Final = msgspec.json.Decoder(msgspec.Raw)
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def read_json_lines(chunks: Iterable[bytes], reading: Range, *, events: bool) -> None:
    """Hands on every line; without `events` every object is a log record."""
    text = TextReader(reading)
    for block in blocks(chunks, LONG_JSON):
        if block.part:
            if block.part == 1:
                reading.dead(bad(TOO_LARGE), reading.lines + 1)
            text.take(block)
            continue
        starts = line_starts(block.data)
        if not read_flat(block.data, starts, reading) and (
            (events and has_event_mark(block.data)) or not read_plain(block.data, starts, reading)
        ):
            _each_line(block.data, reading, events=events)
        reading.lines += len(starts) - (not block.data.endswith(b"\n"))


def _each_line(data: bytes, reading: Range, *, events: bool) -> None:
    pieces = Pieces(reading)
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, start=reading.lines + 1):
        size = len(line) + 1
        if line.lstrip()[:1] == b"{":
            for read in read_object(line, reading.now, events=events):
                _give(read, number, reading, pieces, size)
                size = 0
        elif line.strip():
            reading.count(TEXT, 1, size)
            pieces.add(LogText(line, own_time(line, reading, number)), number)
    pieces.flush()


def _give(read: Read, line: int, reading: Range, pieces: Pieces, size: int) -> None:
    reading.count(read.format, 1, size)
    reading.unknown += read.unknown
    if read.error is not None:
        reading.dead(read.error, line)
    for event in read.events:
        reading.saw(event.time)
        reading.sink.event(event)
    if read.log is not None:
        pieces.add(read.log, line)


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
    pieces = Pieces(reading)
    reading.bytes[JSON_LOG] += 0
    for line, element, path in _placed(data, elements, prefix):
        for read in read_object(element, reading.now):
            _give(_below(path, read), line, reading, pieces, len(element))
    pieces.flush()


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
