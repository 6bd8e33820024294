"""One Kafka record: the events in it, the text to scan, and what could not be read.

What it is, its shape tells: a CloudEvent in structured or binary mode, a provider's event, a log record in JSON, a line
of a container runtime, or text. A value of many lines or a JSON array holds many of these, and is one record all the same.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.format_names import CRI, DOCKER, SYSLOG, TEXT
from detector.ingest.formats.containers import cri_parts, docker_record, is_docker
from detector.ingest.formats.syslog import frames, looks_counted, parse
from detector.ingest.formats.syslog import looks_like as is_syslog
from detector.records.blocks import LONG_JSON
from detector.records.dead_letters import BAD_TIME, FUTURE_TIME, NOT_SYSLOG, TOO_LARGE, DeadLetter, bad
from detector.records.log_records import JSON_LOG, LogText, Read, log_record
from detector.records.timestamps import leading_stamp, log_time
from detector.values.errors import BadRecordError
from detector.values.events import MAX_FUTURE, CanonicalEvent
from detector.values.times import MILLISECOND

BINARY_MODE: Final = "ce_specversion"  # the header by which the CloudEvents binding for Kafka tells it
_LETTERS: Final = 16  # of one record
_BRACE, _BRACKET = b"{", b"["
_ENCODED: Final = b"\n"  # what a request in protobuf begins with
_ANY: Final = msgspec.json.Decoder()
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_TIME_DETAIL: Final = "the record's time cannot be read; it was scanned with Kafka's timestamp"


class Piece(msgspec.Struct, frozen=True, gc=False):
    """Text of one record to scan, and its `rest` and `part` as `LogText` has them. `time` in ns.

    `channel` is None for a whole record; else this is a part of one, which goes on in the next piece of that channel
    unless it `ends` here. Of joined parts `last` is the offset of the last.
    """

    text: bytes
    offset: int
    time: int
    task_id: str | None = None
    stream: str | None = None
    channel: str | None = None
    ends: bool = True
    rest: bytes = b""
    part: int = 0
    last: int | None = None


class Contents(msgspec.Struct):
    """What records gave.

    `events` come with the offset of their record, `formats` are records by format, `unknown` the events of a type that
    is not ours, `latest` the latest time of an event or log record (ns), `apart` the offsets of records that hold an event, or
    what is to be one, and no log record of their own.
    """

    events: list[tuple[int, CanonicalEvent]] = []
    pieces: list[Piece] = []
    letters: list[DeadLetter] = []
    formats: dict[str, int] = {}
    unknown: int = 0
    latest: int | None = None
    apart: set[int] = set()

    def saw(self, time: int | None) -> None:
        """Takes note of a time."""
        if time is not None and (self.latest is None or time > self.latest):
            self.latest = time

    def event(self, record: Any, event: CanonicalEvent) -> None:
        """An event of that record."""
        self.events.append((record.offset, event))
        self.saw(event.time)

    def count(self, name: str, records: int = 1) -> None:
        """Adds to what was read."""
        self.formats[name] = self.formats.get(name, 0) + records

    def add(self, other: "Contents") -> None:
        """Takes over what other records gave."""
        self.events += other.events
        self.pieces += other.pieces
        self.letters += other.letters
        for name, records in other.formats.items():
            self.count(name, records)
        self.unknown += other.unknown
        self.apart |= other.apart
        self.saw(other.latest)

    def dead(self, record: Any, error: BadRecordError) -> None:
        """That (part of) a record could not be read: once for each reason and field, and not without end."""
        told = [letter for letter in self.letters[-_LETTERS:] if letter.offset == record.offset]
        same = any((letter.reason, letter.field) == (error.reason, error.field) for letter in told)
        if not same and len(told) < _LETTERS:
            self.letters.append(dead_letter(record, error))


def dead_letter(record: Any, error: BadRecordError) -> DeadLetter:
    """The dead letter of a record: where it stood and why, nothing of what was in it."""
    detail = _TIME_DETAIL if error.reason == BAD_TIME else error.detail
    return DeadLetter(
        record.topic, error.reason, detail, error.field, offset=record.offset, partition=record.partition
    )


def record_id(partition: int, offset: int, part: int = 0) -> str:
    """What names a record of a topic, or one of the many that a record holds."""
    return f"p{partition}@{offset}#{part}" if part else f"p{partition}@{offset}"


def kafka_time(record: Any, now: int) -> int:
    """The time that a record has which states none: Kafka's, if it has one that can be true. In ns."""
    time = int(record.timestamp) * MILLISECOND
    return time if 0 <= time <= now + MAX_FUTURE else now


def key_of(record: Any) -> str:
    """The key of a record as what tells channels of different keys apart."""
    return (record.key or b"").hex() if isinstance(record.key, bytes | None) else str(record.key)


def piece_of(log: LogText, record: Any, time: int, key: str) -> Piece:
    """A log record as a piece of the Kafka record that holds it, whose own time and key are these."""
    return Piece(
        log.text,
        record.offset,
        time if log.time is None else log.time,
        log.task_id,
        log.stream,
        None if log.channel is None else f"{key}/{log.channel}",
        log.ends,
        log.rest,
        log.part,
    )


def binary_mode(record: Any) -> bool:
    """Whether a record is a CloudEvent in binary mode."""
    return any(name == BINARY_MODE for name, _ in record.headers)


def read_record(
    record: Any, now: int, into: Contents, shapes: RecordClassifier = BUNDLED, *, marked: bool = True
) -> None:
    """Adds what one record gives. `now` in ns is the wall clock; never raises, whatever is in the record.

    `shapes` is what is recognised; with `marked` false it is known to be nothing of that.
    """
    value = record.value
    if value is None:
        return  # a tombstone says nothing
    reading = _Reading(record, now, into, shapes, marked=marked)
    reading.whole(value)
    if reading.apart and not reading.logs:
        into.apart.add(record.offset)


def read_logs(records: Sequence[Any], now: int, into: Contents, shapes: RecordClassifier) -> None:
    """As `read_record` for each, where all are objects, and none of them is an event or carries any, or all are text."""
    plain = 0
    for record in records:
        value = record.value
        log = value[:1] == _BRACE and len(value) <= LONG_JSON and not is_docker(value)
        held = _decodes(value, _ANY) if log else None
        if type(held) is not dict:
            read_record(record, now, into, shapes, marked=False)
            continue
        plain += 1
        read = log_record(held, now, shapes.named)
        if read.error is not None:
            into.dead(record, read.error)
        if read.log is not None:
            into.saw(read.log.time)
            into.pieces.append(piece_of(read.log, record, kafka_time(record, now), key_of(record)))
    if plain:
        into.count(JSON_LOG, plain)


class _Reading:
    """The reading of one record."""

    def __init__(
        self, record: Any, now: int, into: Contents, shapes: RecordClassifier, *, marked: bool
    ) -> None:
        """`marked` as long as nobody has seen that it is neither an event nor a carrier."""
        self._shapes = shapes
        self._marked = marked
        self._record = record
        self._now = now
        self._into = into
        self._time = kafka_time(record, now)
        self._key = key_of(record)
        self.apart = False  # whether there was an event, or what is none for a mistake
        self.logs = False  # whether there was a log record

    def whole(self, value: bytes) -> None:
        """All of the record."""
        if self._record.headers and binary_mode(self._record):
            self.cloudevent()
            return
        start = value.lstrip()[:1]
        if value[:1] == _ENCODED and self.encoded(value):
            return
        if start == _BRACE:
            self.objects(value)
        elif start == _BRACKET:
            self.array(value)
        elif start:
            self.text(value)

    def cloudevent(self) -> None:
        """A CloudEvent in binary mode."""
        headers = {name: header for name, header in self._record.headers if header is not None}
        self._give(self._shapes.read_binary(headers, self._record.value, self._now), "")

    def objects(self, value: bytes) -> None:
        """One object, over as many lines as it likes, or one a line."""
        stripped = value.strip()
        if len(stripped) > LONG_JSON:
            self._into.dead(self._record, bad(TOO_LARGE))
            self._text(value)
        elif b"\n" not in stripped or _decodes(stripped, _RAW) is not None:
            self._object(stripped)
        else:
            for line in stripped.split(b"\n"):
                if line.lstrip()[:1] == _BRACE:
                    self._object(line.strip())
                elif line.strip():
                    self._text(line)

    def encoded(self, value: bytes) -> bool:
        """What a carrier holds in an encoding of its own; False if it is no such thing."""
        found = self._shapes.read_encoded(value, self._now)
        for read in found or ():
            self._give(read, "")
        return found is not None

    def array(self, value: bytes) -> None:
        """Objects in an array; any other array is text."""
        elements = None if len(value) > LONG_JSON else _decodes(value, _ARRAY)
        if not elements or any(bytes(element)[:1] != _BRACE for element in elements):
            self._text(value)
            return
        for index, element in enumerate(elements):
            self._object(bytes(element), f"[{index}]")

    def text(self, value: bytes) -> None:
        """Lines of one record, or those of a container runtime."""
        if looks_counted(value) or is_syslog(value):
            self._syslog(value)
            return
        if leading_stamp(value) is None or cri_parts(value.split(b"\n", 1)[0]) is None:
            self._text(value)
            return
        for line in value.split(b"\n"):
            parts, time = cri_parts(line), leading_stamp(line)
            if parts is not None and time is not None:
                stream, ends, text = parts
                self._part(CRI, text, self._own_time(time, None), stream, ends=ends)
            elif line.strip():
                self._text(line)

    def _syslog(self, value: bytes) -> None:
        """One message, over as many lines as it likes; or one a line, or behind its length, each."""
        if looks_counted(value):
            places = [(start, end) for start, end in frames(value) if end <= len(value)]
            messages = [value[start:end] for start, end in places]
            left = value[places[-1][1] if places else 0 :].strip(b"\r\n")
            if left:
                self._into.dead(self._record, bad(NOT_SYSLOG, "MSG-LEN"))
                self._text(left)
        else:
            lines = value.rstrip(b"\n").split(b"\n")
            messages = lines if all(map(is_syslog, lines)) else [value]
        for message in messages:
            text = message.rstrip(b"\r\n")
            found = parse(text, self._now)
            if found is None:
                self._text(text)
                continue
            self._into.count(SYSLOG)
            if found.error is not None:
                self._into.dead(self._record, found.error)
            self._add(found.log())

    def _text(self, text: bytes) -> None:
        self._into.count(TEXT)
        self._add(LogText(text, self._own_time(leading_stamp(text), None)))

    def _object(self, line: bytes, path: str = "") -> None:
        docker = docker_record(line)
        if docker is not None and docker.stream is not None:
            text = docker.log.encode("utf-8", "replace")
            time = self._docker_time(docker.time)
            self._part(DOCKER, text.removesuffix(b"\n"), time, docker.stream, ends=text.endswith(b"\n"))
            return
        for read in self._shapes.read_object(line, self._now, events=self._marked):
            self._give(read, path)

    def _give(self, read: Read, path: str) -> None:
        into = self._into
        into.count(read.format)
        into.unknown += read.unknown
        for event in read.events:
            into.event(self._record, event)
        error = read.error
        if error is not None:
            field = ".".join(part for part in (path, error.field) if part) or None
            into.dead(self._record, BadRecordError(error.reason, error.detail, field))
        is_event = bool(read.events) or read.unknown
        self.apart |= is_event or read.log is None
        if read.log is not None:
            self._add(read.log, is_event=is_event)

    def _docker_time(self, value: str | None) -> int | None:
        time = None if value is None else log_time(value)
        if value is not None and time is None:
            self._into.dead(self._record, bad(BAD_TIME, "time"))
        return self._own_time(time, "time")

    def _own_time(self, time: int | None, field: str | None) -> int | None:
        if time is None or time <= self._now + MAX_FUTURE:
            return time
        self._into.dead(self._record, bad(FUTURE_TIME, field))
        return None

    def _part(self, name: str, text: bytes, time: int | None, stream: str, *, ends: bool) -> None:
        self._into.count(name)
        self._add(LogText(text, time, stream=stream, channel=stream, ends=ends))

    def _add(self, log: LogText, *, is_event: bool = False) -> None:
        self.logs |= not is_event
        self._into.saw(log.time)
        self._into.pieces.append(piece_of(log, self._record, self._time, self._key))


def _decodes(value: bytes, decoder: "msgspec.json.Decoder[Any]") -> Any:
    """What the value is, None if it is no JSON of that kind."""
    try:
        return decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
