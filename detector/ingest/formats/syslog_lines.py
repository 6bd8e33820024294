"""Files of syslog messages: one a line, or each behind its length. What is no message is a line of text."""

from collections.abc import Iterable, Iterator
from typing import Final

from detector.ingest.file_ranges import Pieces, Range
from detector.ingest.format_names import SYSLOG, TEXT
from detector.ingest.formats.syslog import MAX_FRAME, frames, parse
from detector.ingest.formats.text import TextReader, own_time, read_text
from detector.records.blocks import LONG_LINE, blocks
from detector.records.dead_letters import NOT_SYSLOG, bad
from detector.records.log_records import LogText

_FIELD: Final = "MSG-LEN"


def read_syslog(chunks: Iterable[bytes], reading: Range) -> None:
    """Hands on every line."""
    text, pieces = TextReader(reading), Pieces(reading)
    for block in blocks(chunks):
        if block.part:
            text.take(block)
            continue
        lines = block.data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        for number, line in enumerate(lines, start=reading.lines + 1):
            _take(line, number, reading, pieces)
        pieces.flush()
        reading.lines += block.data.count(b"\n")


def _take(line: bytes, number: int, reading: Range, pieces: Pieces) -> None:
    message = parse(line, reading.now)
    if message is None:
        reading.count(TEXT, 1, len(line) + 1)
        if line.strip():
            pieces.add(LogText(line, own_time(line, reading, number)), number)
        return
    reading.count(SYSLOG, 1, len(line) + 1)
    if message.error is not None:
        reading.dead(message.error, number)
    pieces.add(message.log(), number)


def read_counted(chunks: Iterable[bytes], reading: Range) -> None:
    """Hands on every message; they count as lines. From where a length is wrong, the rest is text."""
    pieces, rest, stream = Pieces(reading), b"", iter(chunks)
    for chunk in stream:
        rest = _frames(rest + chunk, reading, pieces)
        if len(rest) > 2 * MAX_FRAME + LONG_LINE:
            break
    pieces.flush()
    if rest:
        reading.dead(bad(NOT_SYSLOG, _FIELD), reading.lines + 1)
        read_text(_chained(rest, stream), reading)


def _frames(data: bytes, reading: Range, pieces: Pieces) -> bytes:
    """Hands on the messages that are whole; what is left."""
    at = 0
    for start, end in frames(data):
        if end > len(data):
            break
        reading.lines += 1
        _take(data[start:end].rstrip(b"\r\n"), reading.lines, reading, pieces)
        at = end
    return data[at:].lstrip(b"\r\n")


def _chained(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others
