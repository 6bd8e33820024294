"""Files of OTLP requests in protobuf: one alone, or many, each behind its length as the Collector's file exporter writes them.

The length is 32 bits, big-endian (`fileexporter`, `format: proto`). Requests count as lines.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from detector.adapters.otlp.requests import OTLP
from detector.adapters.otlp.wire import begins_like_request, looks_like_request
from detector.ingest.classify import RecordClassifier
from detector.ingest.file_assembler import Joiner
from detector.ingest.file_ranges import Range
from detector.ingest.formats.json_lines import give
from detector.ingest.formats.text import read_text
from detector.records.blocks import LONG_JSON
from detector.records.dead_letters import NOT_PROTOBUF, bad
from detector.records.log_records import LogText, Read
from detector.values.events import CanonicalEvent

_LENGTH: Final = 4
_REQUEST: Final = b"\n"  # what one begins with


def looks_like(head: bytes) -> bool:
    """Whether a file that begins so is one of requests."""
    if begins_like_request(head) or looks_like_request(head):
        return True
    size = int.from_bytes(head[:_LENGTH], "big")
    held = head[_LENGTH : _LENGTH + size]
    return 0 < size <= LONG_JSON and (looks_like_request(held) or begins_like_request(held))


def _requests(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The requests; or, not whole, the rest of the file from where a length is wrong, as it comes."""
    stream = iter(chunks)
    held = next(stream, b"")
    if held.startswith(_REQUEST):
        yield from _alone(held, stream)
        return
    for chunk in chain((b"",), stream):
        held += chunk
        at, wrong = 0, False
        while len(held) - at >= _LENGTH:
            end = at + _LENGTH + int.from_bytes(held[at : at + _LENGTH], "big")
            wrong = not at + _LENGTH < end <= at + _LENGTH + LONG_JSON
            if wrong or end > len(held):
                break
            yield held[at + _LENGTH : end], True
            at = end
        held = held[at:]
        if wrong:  # there is no telling where the next one begins
            yield from ((part, False) for part in chain((held,), stream))
            return
    if held:
        yield held, False


def _alone(first: bytes, stream: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """One request that is the whole file, if it is no longer than may be."""
    parts, size = [first], len(first)
    for chunk in stream:
        parts.append(chunk)
        size += len(chunk)
        if size > LONG_JSON:
            yield from ((part, False) for part in chain((b"".join(parts),), stream))
            return
    yield b"".join(parts), True


def read_requests(chunks: Iterable[bytes], reading: Range) -> None:
    """Hands on every record of every request."""
    joiner, requests = Joiner(reading), _requests(chunks)
    for data, whole in requests:
        if not whole:
            joiner.end()
            reading.dead(bad(NOT_PROTOBUF), reading.lines + 1)
            read_text(chain((data,), (part for part, _ in requests)), reading)
            return
        reading.lines += 1
        size = len(data) + _LENGTH
        for read in reading.shapes.read_encoded(data, reading.now) or _text(data):
            give(read, reading.lines, reading, joiner, size)
            size = 0
    joiner.end()


def _text(data: bytes) -> Iterator[Read]:
    yield Read(OTLP, log=LogText(data), error=bad(NOT_PROTOBUF))


def request_events(chunks: Iterable[bytes], now: int, shapes: RecordClassifier) -> Iterator[CanonicalEvent]:
    """The events alone."""
    for data, whole in _requests(chunks):
        for read in (shapes.read_encoded(data, now) or ()) if whole else ():
            yield from read.events
