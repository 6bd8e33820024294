"""What one whole value is, of which nothing is known: a record of a topic, or a line of a stream.

Its shape tells: a provider's event, a log record in JSON, a line of a container runtime, syslog, or text. A value of
many lines or a JSON array holds many of these.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.formats import cri, syslog, text
from detector.ingest.formats.json import read_line as read_object
from detector.records.blocks import LONG_JSON
from detector.records.byte_order_marks import without_marks
from detector.records.compressed_values import compressed
from detector.records.dead_letters import NOT_SYSLOG, TOO_LARGE, UNSUPPORTED_ARCHIVE, bad
from detector.records.log_records import LogText, Read
from detector.values.errors import BadRecordError

_BRACE, _BRACKET = b"{", b"["
_ENCODED: Final = b"\n"  # what a request in protobuf begins with
_FAR: Final = 1 << 62  # no time is later
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def read_value(
    value: bytes, now: int, classifier: RecordClassifier, *, events: bool = True
) -> Iterator[Read | BadRecordError]:
    """Everything in a value, or why some of it cannot be read; never raises, whatever is in it.

    `now` (ns) is the wall clock. Without `events` it is known that nothing in it is an event or carries one.
    """
    if value[:1] == _ENCODED:
        encoded = classifier.read_encoded(value, now)
        if encoded is not None:
            yield from encoded
            return
    value = without_marks(value)
    start = value.lstrip()[:1]
    if start == _BRACE:
        yield from _objects(value, now, classifier, events=events)
    elif start == _BRACKET:
        yield from _array(value, now, classifier, events=events)
    elif start:
        if compressed(value):
            yield bad(UNSUPPORTED_ARCHIVE)
        yield from _lines(value, now)


def log_texts(line: bytes) -> list[LogText]:
    """The log texts of one line, without what stands around them; their times are not checked."""
    body = without_marks(line).rstrip(b"\r")
    if body.lstrip()[:1] == _BRACE and len(body) <= LONG_JSON:
        reads = read_object(body, _FAR, BUNDLED, events=False)
        return [read.log for read in reads if read.log is not None]
    found = cri.read_line(body, _FAR) or text.read(body, _FAR)
    return [found.log] if found.log is not None else []


def _objects(
    value: bytes, now: int, classifier: RecordClassifier, *, events: bool
) -> Iterator[Read | BadRecordError]:
    """One object, over as many lines as it likes, or one a line."""
    stripped = value.strip()
    if len(stripped) > LONG_JSON:
        yield bad(TOO_LARGE)
        yield text.read(value, now)
    elif b"\n" not in stripped or _decodes(stripped, _RAW) is not None:
        yield from read_object(stripped, now, classifier, events=events)
    else:
        for line in stripped.split(b"\n"):
            if line.lstrip()[:1] == _BRACE:
                yield from read_object(line.strip(), now, classifier, events=events)
            elif line.strip():
                yield text.read(line, now)


def _array(value: bytes, now: int, classifier: RecordClassifier, *, events: bool) -> Iterator[Read]:
    """Objects in an array; any other array is text."""
    elements = None if len(value) > LONG_JSON else _decodes(value, _ARRAY)
    if not elements or any(bytes(element)[:1] != _BRACE for element in elements):
        yield text.read(value, now)
        return
    for index, element in enumerate(elements):
        for read in read_object(bytes(element), now, classifier, events=events):
            yield read.below(f"[{index}]")


def _lines(value: bytes, now: int) -> Iterator[Read | BadRecordError]:
    """Lines of a container runtime, messages of syslog, or text over many lines."""
    if syslog.looks_counted(value) or syslog.looks_like(value):
        yield from _messages(value, now)
    elif cri.read_line(value.split(b"\n", 1)[0], now) is None:
        yield text.read(value, now)
    else:
        for line in value.split(b"\n"):
            if line.strip():
                yield cri.read_line(line, now) or text.read(line, now)


def _messages(value: bytes, now: int) -> Iterator[Read | BadRecordError]:
    """One message of syslog over as many lines as it likes; or one a line, or each behind its length."""
    if syslog.looks_counted(value):
        places = [(start, end) for start, end in syslog.frames(value) if end <= len(value)]
        messages = [value[start:end] for start, end in places]
        left = value[places[-1][1] if places else 0 :].strip(b"\r\n")
        if left:
            yield bad(NOT_SYSLOG, "MSG-LEN")
            yield text.read(left, now)
    else:
        lines = value.rstrip(b"\n").split(b"\n")
        messages = lines if all(map(syslog.looks_like, lines)) else [value]
    for message in messages:
        stripped = message.rstrip(b"\r\n")
        yield syslog.read(stripped, now) or text.read(stripped, now)


def _decodes(value: bytes, decoder: "msgspec.json.Decoder[Any]") -> Any:
    """What the value is, None if it is no JSON of that kind."""
    try:
        return decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
