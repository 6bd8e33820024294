"""Log texts, events and dead letters of one range of a file, at their lines.

A record without a time of its own has the time of the record before it, and none is later than its archive's. Records
before the first time of the range have none, and lines count from the start of the range. Whoever puts the ranges
together fills both in.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol

import msgspec

from detector.ingest.assembler import Assembler
from detector.ingest.classify import BUNDLED, CLOUDEVENTS, RecordClassifier, count_events
from detector.ingest.format_names import TEXT
from detector.ingest.formats import text
from detector.ingest.formats.log_texts import LogTexts, Times
from detector.ingest.line_continuation import lines_ending_in_digits
from detector.ingest.positions import (
    LogRecord,
    Positions,
    Segment,
    batch_of,
    joined,
    reassembled,
    segment_of,
    texts_of,
)
from detector.ingest.trust.policy import InputTrust
from detector.records.blocks import Block
from detector.records.dead_letters import BAD_TIME, DeadLetter, bad
from detector.records.log_records import LogText, Read
from detector.records.log_times import ARCHIVE, EARLIER_RECORD, NO_TIME, LogTime, bounded, stated
from detector.records.timestamps import Ints, Stamps
from detector.scan.leaks import Batch, RecordAt
from detector.values.errors import BadRecordError
from detector.values.events import MAX_FUTURE, CanonicalEvent
from detector.values.times import SKEW

REASSEMBLED: Final = -1
"""The `part` of a batch of reassembled records: each was scanned before, where it stands."""

_BATCH: Final = 256 * 1024  # bytes of text after which collected records are handed on
_TOGETHER: Final = 64 * 1024  # bytes of reassembled text that are scanned at one time
_PATIENCE: Final = 20_000  # lines after which the rest of a line is waited for no longer


class Sink(Protocol):
    """Where what was read goes."""

    def batch(self, batch: Batch, part: int = 0) -> None:
        """Text to scan.

        `part` numbers the pieces of one long record, which may show the same secret twice, or is `REASSEMBLED`.
        """

    def event(self, event: CanonicalEvent) -> None:
        """An event."""

    def dead(self, letter: DeadLetter) -> None:
        """A record that could not be read."""


class MemberTime(NamedTuple):
    """When an archive says that a member was modified (ns); the truth may be later by `slack`, as with ZIP's times."""

    time: int
    slack: int = 0


class Reading(msgspec.Struct, frozen=True):
    """What ranges are read with: `now` is the wall clock, `skew` the policy's (ns), `classifier` what is recognised.

    An event that `trust` does not let the source carry is a dead letter. Lines of text that `suspected` takes for
    events are counted.
    """

    now: int
    classifier: RecordClassifier = BUNDLED
    trust: InputTrust | None = None
    suspected: RecordClassifier | None = None
    skew: int = SKEW


class RangeReader:
    """Takes what the formats make of a range, and hands it to a sink.

    - `lines` counts the newlines before the block at hand, from the start of the range.
    - `inherited` is the time of the last record that had one, `latest` the latest time of all; None while none had.
    - `member_time` gives the time of the archive member that is being read, None if there is none: no record of it
      is later, give or take the `skew` (ns).
    - `records` and `bytes` are by format, `unknown` counts the events of an unknown type, `idle` records of sources
      that are of no use, by source and type.
    - `task_id` and `stream` are those that the file's path names.
    - `suspects` counts the lines of text that look like events to the classifier `suspected`.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - a range, and what it is read with
        self,
        name: str,
        task_id: str | None,
        sink: Sink,
        reading: Reading,
        member_time: Callable[[], MemberTime | None] = lambda: None,
        stream: str | None = None,
    ) -> None:
        self.name = name
        self.trust = reading.trust
        self.classifier = reading.classifier
        self.now = reading.now
        self.sink = sink
        self.lines = 0
        self.inherited: int | None = None
        self.latest: int | None = None
        self.records: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.unknown = 0
        self.idle: Counter[str] = Counter()
        self.suspects = 0
        self._suspected = reading.suspected
        self.assembler = Assembler(long_piece=self._long_piece)
        self._task_id = task_id
        self._skew = reading.skew
        self._member_time = member_time
        self._stream = stream
        self._segments: list[Segment] = []
        self._collected: list[LogRecord] = []  # after the segments
        self._rests: list[LogRecord] = []
        self._size = 0
        self._reassembled: list[LogRecord] = []
        self._reassembled_size = 0
        self._long: tuple[LogRecord, int] | None = None  # of the line at hand, if it is too long to be held

    @property
    def waits(self) -> bool:
        """Whether the rest of a line or of a key is waited for."""
        return self.assembler.in_parts or self.assembler.streams.holding

    def count(self, format_name: str, records: int, size: int) -> None:
        """Adds to what was read."""
        self.records[format_name] += records
        self.bytes[format_name] += size

    def dead(self, error: BadRecordError, line: int | None) -> None:
        """The record at `line` (from 1, of the range) could not be read."""
        self.sink.dead(DeadLetter.of(error, self.name, line))

    def suspect(self, data: bytes) -> None:
        """Counts the lines of a block that look like events, though they are text."""
        if self._suspected is not None:
            self.suspects += count_events(data, self.now, self._suspected)

    def note_time(self, time: int | None) -> None:
        """Takes note of the time of an event or log record."""
        if time is not None:
            self.inherited = time
            if self.latest is None or time > self.latest:
                self.latest = time

    def time_of(self, log: LogText) -> LogTime:
        """The time of a log record: what it states, unless that cannot be true, else the inherited one."""
        written, (member, skew) = stated(log.time, log.origin, log.carried, self._skew), self._member()
        if written.time is not None and written.time <= self.now + MAX_FUTURE:
            found = bounded(written, member, skew)
            self.note_time(found.time)
            return found
        return member if self.inherited is None else LogTime(self.inherited, EARLIER_RECORD)

    def _member(self) -> tuple[LogTime, int]:
        """The time of the archive member, and by how much a record may be later (ns)."""
        member = self._member_time()
        if member is None or member.time > self.now + MAX_FUTURE:
            return NO_TIME, 0
        return LogTime(member.time, ARCHIVE), self._skew + member.slack

    def events(self, events: Iterable[CanonicalEvent], data: bytes) -> None:
        """Canonical events, one for each line of `data`."""
        open_line = not data.endswith(b"\n")
        if self.trust is None:
            for event in events:
                self.event(event)
        else:
            for line, event in enumerate(events, start=self.lines + 1):
                self.held_events((event,), line)
        self.count(CLOUDEVENTS, data.count(b"\n") + open_line, len(data) + open_line)

    def event(self, event: CanonicalEvent) -> None:
        """An event that is believed."""
        self.note_time(event.time)
        self.sink.event(event)

    def held_events(self, events: Iterable[CanonicalEvent], line: int | None) -> None:
        """The events of one record. Those that the input may not carry are a dead letter, one for each reason."""
        refused: set[tuple[str, str | None]] = set()
        for event in events:
            refusal = None if self.trust is None else self.trust.without_proof(event)
            if refusal is None:
                self.event(event)
            elif (refusal.reason, refusal.field) not in refused:
                refused.add((refusal.reason, refusal.field))
                self.dead(refusal, line)

    def take(self, read: Read, line: int, size: int) -> None:
        """What an object or a line of `size` bytes gave."""
        self.count(read.format, 1, size)
        self.unknown += read.unknown
        if read.idle:
            self.idle[read.idle] += 1
        if read.error is not None:
            self.dead(read.error, line)
        self.held_events(read.events, line)
        if read.log is not None:
            self.log(read.log, line)

    def log(self, log: LogText, line: int) -> None:
        """A log record, or a part of one."""
        for record in self.assembler.take(self._record(log, line)):
            self._collect(record)
        self._gather()

    def whole_log(self, log: LogText, line: int) -> None:
        """A log record that is never part of a longer line."""
        self._collect(self._record(log, line))

    def usable(self, times: Times, before: int) -> Stamps:
        """The times of a block that can be used, with `before` lines before it; the others are dead letters."""
        stamps, problems = times.usable(self.now + MAX_FUTURE)
        for index, reason, field in problems:
            self.dead(bad(reason, field if reason == BAD_TIME else None), before + index + 1)
        return stamps

    def block(self, texts: LogTexts, starts: Ints, before: int, *, data: bytes | None = None) -> None:
        """The log texts of the lines that begin at `starts`, with `before` lines of the range before them.

        With `data`, the lines, they are counted, and lines that go on in each other are reassembled.
        """
        stamps, inherited = self.usable(texts.times, before), self.inherited
        member, skew = self._member()
        late: frozenset[int] = frozenset()
        if member.time is not None:
            stamps, lines = stamps.split(member.time + skew)
            stamps, late = stamps.replaced(lines, member.time), frozenset(lines.tolist())

        def time(index: int) -> LogTime:
            own, whose = stamps.before(index), stamps.whose(index)
            if whose is None:
                return member if inherited is None else LogTime(inherited, EARLIER_RECORD)
            stands = ARCHIVE if whose in late else texts.origin
            return LogTime(own, stands if whose == index else EARLIER_RECORD)

        numbers = range(before + 1, before + 1 + len(starts))
        positions = Positions(numbers, time, self._task_id, self._stream, stamps.moments)
        self._close_collected()
        self._segments.append(segment_of(texts, positions))
        self._grow(len(texts.data) + 1)
        if data is not None:
            self.assembler.follow(texts, lines_ending_in_digits(data, starts), positions)
            self._gather()
            self.count(texts.format, len(starts), len(data))
        latest, last = stamps.latest(), stamps.last()
        if latest is not None and (self.latest is None or latest > self.latest):
            self.latest = latest
        self.inherited = inherited if last is None else last

    def long_line(self, block: Block) -> None:
        """A piece of a line that is too long to be held."""
        if self._long is None:
            line = self.lines + 1
            read = text.read(block.data, self.now)
            if read.error is not None:
                self.dead(read.error, line)
            log = read.log or LogText(b"")
            self._long = LogRecord(b"", line, self.time_of(log), self._task_id, self._stream), 0
            self.count(TEXT, 1, 0)
        record, pieces = self._long
        self._piece(record, block.data, pieces + 1)
        self._long = None if block.last else (record, pieces + 1)
        self.count(TEXT, 0, block.fresh)
        if block.last:
            self.lines += block.data.endswith(b"\n")

    def pass_time(self) -> None:
        """Gives up what has waited too long for its end."""
        closed = self.assembler.close_lines(self.lines - _PATIENCE)
        given = [record for whole in closed for record in self.assembler.take_whole(whole)]
        given += self.assembler.streams.late(self.lines)
        for record in given:
            self._collect(record)
        self._gather()
        if given:
            self.flush()

    def flush(self) -> None:
        """Hands on what was collected."""
        self._close_collected()
        segments, rests = self._segments, self._rests
        self._segments, self._rests, self._size = [], [], 0
        if rests:
            segments.append(texts_of([record.rest for record in rests], rests, again=True))
        if segments:
            self.sink.batch(batch_of(self.name, segments, self._record_at))

    def end(self) -> None:
        """Hands on everything that waits."""
        for whole in self.assembler.close_lines():
            for record in self.assembler.take_whole(whole):
                self._collect(record)
            self._gather()
        for record in self.assembler.streams.end():
            self._collect(record)
        self.flush()
        self._gather()
        self._scan_reassembled()

    def _record(self, log: LogText, line: int) -> LogRecord:
        return LogRecord(
            log.text,
            line,
            self.time_of(log),
            log.task_id or self._task_id,
            log.stream or self._stream,
            log.channel,
            log.ends,
            log.rest,
            log.part,
        )

    def _record_at(self, record: LogRecord, start: int, end: int) -> RecordAt:
        line = record.at
        return RecordAt(
            start=start,
            end=end,
            id=f"{line}#{record.part}" if record.part else str(line),
            time=record.time.time,
            time_origin=record.time.origin,
            line=line,
            task_id=record.task_id,
            stream=record.stream,
        )

    def _collect(self, record: LogRecord) -> None:
        if record.rest:
            self._rests.append(record)
        self._collected.append(record)
        self._grow(len(record.text) + 1 + (len(record.rest) + 1 if record.rest else 0))

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size >= _BATCH:
            self.flush()

    def _close_collected(self) -> None:
        if self._collected:
            records, self._collected = self._collected, []
            self._segments.append(texts_of([record.text for record in records], records))

    def _gather(self) -> None:
        """Collects reassembled records."""
        for group in self.assembler.streams.groups():
            self._reassembled += reassembled([group])
            self._reassembled_size += sum(len(record.text) + 1 for record in group) + 1
        if self._reassembled_size > _TOGETHER:
            self.flush()
            self._scan_reassembled()

    def _scan_reassembled(self) -> None:
        records, self._reassembled, self._reassembled_size = self._reassembled, [], 0
        if records:
            self.sink.batch(batch_of(self.name, [joined(records, again=True)], self._record_at), REASSEMBLED)

    def _long_piece(self, record: LogRecord, number: int) -> None:
        data = b"\n".join((record.text, record.rest)) if record.rest else record.text
        self._piece(record, data, number)

    def _piece(self, record: LogRecord, data: bytes, number: int) -> None:
        at = RecordAt(
            start=0,
            end=len(data),
            id=str(record.at),
            time=record.time.time,
            time_origin=record.time.origin,
            line=record.at,
            task_id=record.task_id,
            stream=record.stream,
        )
        self.sink.batch(Batch(self.name, data, lambda _: at), number)


def lines_of(data: bytes) -> list[bytes]:
    """The lines of a block."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines
