"""What one Kafka record says: its log records, events and dead letters, at its offset.

A record is read by its shape (`detector.ingest.values`), or is a CloudEvent in binary mode.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from detector.ingest.classify import BUNDLED, CLOUDEVENTS, RecordClassifier
from detector.ingest.positions import LogRecord
from detector.ingest.trust.policy import InputTrust, RecordProof
from detector.ingest.trust.signed_content import ATTRIBUTE, BINARY_MODE
from detector.ingest.values import read_value
from detector.records.blocks import LONG_JSON
from detector.records.dead_letters import AMBIGUOUS, BAD_TIME, DeadLetter, bad
from detector.records.log_records import LogText, Read
from detector.records.log_times import KAFKA, LogTime, bounded, stated
from detector.records.record_columns import (
    timestamps_of,
    value_lines,
    with_headers,
)
from detector.values.errors import BadRecordError
from detector.values.events import CanonicalEvent
from detector.values.times import MILLISECOND, SKEW

RUN: Final = 4096  # records read in one pass
_LETTERS: Final = 16  # of one record
_TIME_DETAIL: Final = "the record's time cannot be read; it was scanned with Kafka's timestamp"


class Contents(msgspec.Struct):
    """What records gave beside their log texts.

    `events` come with the offset of their record, `formats` are records by format, `unknown` the events of an unknown
    type. `latest` is how far (ns) the events came: the latest time of one, none counted as later than `kafka_time` of
    its record and the skew. `textless` are the offsets of records that hold an event, or what should be one, and no log
    record.
    """

    events: list[tuple[int, CanonicalEvent]] = []
    letters: list[DeadLetter] = []
    formats: dict[str, int] = {}
    unknown: int = 0
    latest: int | None = None
    textless: set[int] = set()

    def note_time(self, time: int | None) -> None:
        """Takes note of a time."""
        if time is not None and (self.latest is None or time > self.latest):
            self.latest = time

    def take_event(self, record: Any, event: CanonicalEvent, now: int, skew: int) -> None:
        """Adds an event of a record."""
        self.events.append((record.offset, event))
        self.note_time(min(event.time, kafka_time(record, now, skew) + skew))

    def count(self, name: str, records: int = 1) -> None:
        """Adds to what was read."""
        self.formats[name] = self.formats.get(name, 0) + records

    def dead(self, record: Any, error: BadRecordError) -> None:
        """(Part of) a record could not be read: once for each reason and field, and not without end."""
        known = [letter for letter in self.letters[-_LETTERS:] if letter.offset == record.offset]
        same = any((letter.reason, letter.field) == (error.reason, error.field) for letter in known)
        if not same and len(known) < _LETTERS:
            self.letters.append(dead_letter(record, error))


def dead_letter(record: Any, error: BadRecordError) -> DeadLetter:
    """The dead letter of a record: where it stood and why, nothing of what was in it."""
    detail = _TIME_DETAIL if error.reason == BAD_TIME else error.detail
    return DeadLetter(
        record.topic, error.reason, detail, error.field, offset=record.offset, partition=record.partition
    )


def kafka_time(record: Any, now: int, skew: int = SKEW) -> int:
    """When Kafka got a record (ns): by its timestamp if that can be true, else `now`.

    A producer may set the timestamp (CreateTime), unless the topic's `message.timestamp.type` is LogAppendTime. None
    can have written a record that is read `now` later than that, give or take the skew.
    """
    return _received(int(record.timestamp), now, skew)


def latest_kafka_time(records: Sequence[Any], now: int, skew: int = SKEW) -> int:
    """The latest `kafka_time` of at least one record."""
    return max(_received(int(timestamp), now, skew) for timestamp in timestamps_of(records))


def _received(timestamp: int, now: int, skew: int) -> int:
    time = timestamp * MILLISECOND
    return time if 0 < time <= now + skew else now


def read_record(  # noqa: PLR0913 - a record, and what it is read with
    record: Any,
    now: int,
    into: Contents,
    classifier: RecordClassifier = BUNDLED,
    *,
    events: bool = True,
    trust: InputTrust | None = None,
    skew: int = SKEW,
) -> list[LogRecord]:
    """The log records of one Kafka record; the rest goes `into`. `now` (ns) is the wall clock.

    Without `events` it is known that the record is no event and carries none. Events that `trust` does not let it carry
    are dead letters. Never raises, whatever is in the record.
    """
    plain = classifier.plain_record(record.value, now) if events and _is_bare(record, trust) else None
    if plain is not None:
        for event in plain.events:
            into.take_event(record, event, now, skew)
        into.count(plain.format)
        into.textless.add(record.offset)
        return []
    found: list[LogRecord] = []
    textless = with_text = False
    proof = None if trust is None else _proof_of(record, trust)
    for read in _reads(record, record.value, now, classifier, events=events):
        if isinstance(read, BadRecordError):
            into.dead(record, read)
            continue
        into.count(read.format)
        into.unknown += read.unknown
        for event in read.events:
            refusal = None if proof is None else proof.refusal(event)
            if refusal is not None:
                into.dead(record, refusal)
                continue
            into.take_event(record, event, now, skew)
        if read.error is not None:
            into.dead(record, read.error)
        is_event = bool(read.events) or read.unknown
        textless |= is_event or read.log is None
        if read.log is not None:
            with_text |= not is_event
            found.append(_at_offset(read.log, record, now, skew))
    if textless and not with_text:
        into.textless.add(record.offset)
    return found


def _is_bare(record: Any, trust: InputTrust | None) -> bool:
    """Whether a record may be an event, not a CloudEvent in binary mode, and needs no proof."""
    value = record.value
    return trust is None and not record.headers and value is not None and len(value) <= LONG_JSON


def _proof_of(record: Any, trust: InputTrust) -> RecordProof:
    return trust.record(record.headers or (), record.value or b"", int(record.timestamp) * MILLISECOND)


def count_suspects(records: Sequence[Any], now: int, classifier: RecordClassifier) -> int:
    """How many records `classifier` takes for events: in a log topic they are text all the same."""
    found = 0
    for first in range(0, len(records), RUN):
        run = records[first : first + RUN]
        marked = classifier.lines_with_marks(*value_lines(run, 0))
        for number in sorted({*marked, *with_headers(run)}):
            contents = Contents()
            read_record(run[number], now, contents, classifier)
            found += bool(contents.events)
    return found


def texts_in(record: Any, value: bytes, now: int, classifier: RecordClassifier) -> list[LogText]:
    """The log texts of a record, if it had that value."""
    reads = _reads(record, value, now, classifier, events=True)
    return [
        msgspec.structs.replace(read.log, channel=_channel(record, read.log))
        for read in reads
        if isinstance(read, Read) and read.log is not None
    ]


def _reads(
    record: Any, value: bytes | None, now: int, classifier: RecordClassifier, *, events: bool
) -> Iterable[Read | BadRecordError]:
    if value is None:
        return ()  # a tombstone says nothing
    if record.headers and any(name == BINARY_MODE for name, _ in record.headers):
        attributes = [name for name, _ in record.headers if name.startswith(ATTRIBUTE)]
        if len(set(attributes)) < len(attributes):  # readers differ in which of them counts
            return (Read(CLOUDEVENTS, log=LogText(value), error=bad(AMBIGUOUS, f"{ATTRIBUTE}*")),)
        headers = {name: header for name, header in record.headers if header is not None}
        return (classifier.read_binary(headers, value, now),)
    return read_value(value, now, classifier, events=events)


def _channel(record: Any, log: LogText) -> str | None:
    """The channel of a part of a line: records of different keys are of different writers."""
    if log.channel is None:
        return None
    key = (record.key or b"").hex() if isinstance(record.key, bytes | None) else str(record.key)
    return f"{key}/{log.channel}"


def record_time(written: LogTime, timestamp: int, now: int, skew: int) -> LogTime:
    """The time of a log record: none later than Kafka's, whose `timestamp` is in ms."""
    received = _received(timestamp, now, skew)
    time, origin, _ = bounded(written, LogTime(received, KAFKA), skew)
    return LogTime(time, origin, received)


def _at_offset(log: LogText, record: Any, now: int, skew: int) -> LogRecord:
    return LogRecord(
        log.text,
        record.offset,
        record_time(stated(log.time, log.origin, log.carried, skew), int(record.timestamp), now, skew),
        log.task_id,
        log.stream,
        _channel(record, log),
        log.ends,
        log.rest,
        log.part,
    )
