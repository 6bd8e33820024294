"""Files of OTLP requests in protobuf: one alone, or many, each behind its length.

The Collector's file exporter writes them so.
The length is 32 bits, big-endian (`fileexporter`, `format: proto`). Requests count as lines.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from detector.adapters.otlp.requests import OTLP
from detector.adapters.otlp.wire import begins_like_request, looks_like_request
from detector.ingest.classify import RecordClassifier
from detector.records.blocks import LONG_JSON
from detector.records.dead_letters import NOT_PROTOBUF, bad
from detector.records.log_records import LogText, Read

LENGTH: Final = 4  # bytes before each request
_REQUEST: Final = b"\n"  # what one begins with


def looks_like(head: bytes) -> bool:
    """Whether a file that begins so is one of requests."""
    if begins_like_request(head) or looks_like_request(head):
        return True
    size = int.from_bytes(head[:LENGTH], "big")
    held = head[LENGTH : LENGTH + size]
    return 0 < size <= LONG_JSON and (looks_like_request(held) or begins_like_request(held))


def requests(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The requests; or, not whole, the rest of the file from where a length is wrong, as it comes."""
    stream = iter(chunks)
    held = next(stream, b"")
    if held.startswith(_REQUEST):
        yield from _alone(held, stream)
        return
    for chunk in chain((b"",), stream):
        held += chunk
        at, wrong = 0, False
        while len(held) - at >= LENGTH:
            end = at + LENGTH + int.from_bytes(held[at : at + LENGTH], "big")
            wrong = not at + LENGTH < end <= at + LENGTH + LONG_JSON
            if wrong or end > len(held):
                break
            yield held[at + LENGTH : end], True
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


def read(data: bytes, now: int, classifier: RecordClassifier) -> Iterator[Read]:
    """What a request holds; one that is none is text."""
    found = classifier.read_encoded(data, now)
    if found is None:
        yield Read(OTLP, log=LogText(data), error=bad(NOT_PROTOBUF))
    else:
        yield from found
