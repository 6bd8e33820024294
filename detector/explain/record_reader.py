"""Reads a range as a replay does, and tells of each record what it was taken for."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

import msgspec

from detector.ingest.classify import CLOUDEVENTS, RecordClassifier
from detector.ingest.format_names import TEXT
from detector.ingest.formats.log_texts import LogTexts
from detector.ingest.range_reader import RangeReader, Sink, lines_of
from detector.records.blocks import Block
from detector.records.dead_letters import DeadLetter
from detector.records.log_records import LogText, Read
from detector.records.timestamps import Ints, line_span
from detector.scan.leaks import Batch
from detector.values.errors import BadRecordError
from detector.values.events import CanonicalEvent

_OBJECTS: Final = msgspec.json.Decoder(dict[str, Any])


class TakenRecord(msgspec.Struct, frozen=True):
    """A record as it was taken, or `count` lines of text. `refusals` are the dead letters that it made.

    `unrecognised` is the object that no source knows, if it is one.
    """

    line: int | None
    read: Read
    refusals: tuple[BadRecordError, ...] = ()
    unrecognised: Mapping[str, Any] | None = None
    count: int = 1


class RecordSink(Sink, Protocol):
    """Where records go, beside what was read from them."""

    def record(self, record: TakenRecord) -> None:
        """A record, after its events and dead letters."""


class WatchedClassifier(RecordClassifier):
    """Keeps the last object that no source knows."""

    unrecognised: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, classifier: RecordClassifier) -> "WatchedClassifier":
        """One that recognises the same."""
        return cls(
            classifier.adapters, classifier.carriers, named=classifier.named, flat=classifier.reads_flat
        )

    def log_record(self, value: Mapping[str, Any], now: int) -> Read:
        """See `RecordClassifier`."""
        self.unrecognised = value
        return super().log_record(value, now)

    def taken(self) -> Mapping[str, Any] | None:
        """The object, once."""
        found, self.unrecognised = self.unrecognised, None
        return found


class RecordReader(RangeReader):
    """A reader of a range that tells its sink of each record."""

    sink: RecordSink
    classifier: WatchedClassifier

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._refusals: list[BadRecordError] | None = None

    def dead(self, error: BadRecordError, line: int | None) -> None:
        """See `RangeReader`."""
        super().dead(error, line)
        if self._refusals is not None:
            self._refusals.append(error)
        else:
            self.sink.record(TakenRecord(line, Read(TEXT, error=error), (error,)))

    def take(self, read: Read, line: int, size: int) -> None:
        """See `RangeReader`."""
        unrecognised = self.classifier.taken()
        refusals = self._refusals = []
        super().take(read, line, size)
        self._refusals = None
        self.sink.record(TakenRecord(line, read, tuple(refusals), unrecognised))

    def events(self, events: Iterable[CanonicalEvent], data: bytes) -> None:
        """See `RangeReader`."""
        for number, (event, line) in enumerate(
            zip(events, lines_of(data), strict=True), start=self.lines + 1
        ):
            self.take(Read(CLOUDEVENTS, (event,)), number, len(line) + 1)

    def block(self, texts: LogTexts, starts: Ints, before: int, *, data: bytes | None = None) -> None:
        """See `RangeReader`."""
        super().block(texts, starts, before, data=data)
        if data is None:
            self._tell_text(texts.format, before + 1, len(starts))
            return
        for index in range(len(starts)):
            line = data[slice(*line_span(data, starts, index))]
            self.sink.record(
                TakenRecord(before + index + 1, Read(texts.format, log=LogText(b"")), (), _object(line))
            )

    def whole_log(self, log: LogText, line: int) -> None:
        """See `RangeReader`."""
        super().whole_log(log, line)
        self._tell_text(TEXT, line, 1)

    def long_line(self, block: Block) -> None:
        """See `RangeReader`."""
        if block.part == 1:
            self._tell_text(TEXT, self.lines + 1, 1)
        super().long_line(block)

    def _tell_text(self, format_name: str, line: int, count: int) -> None:
        self.sink.record(TakenRecord(line, Read(format_name, log=LogText(b"")), count=count))


class NoScan:
    """The part of a `RecordSink` that has nothing to do: events and dead letters are told with their record."""

    def batch(self, batch: Batch, part: int = 0) -> None:
        """See `Sink`."""

    def event(self, event: CanonicalEvent) -> None:
        """See `Sink`."""

    def dead(self, letter: DeadLetter) -> None:
        """See `Sink`."""


def _object(line: bytes) -> Mapping[str, Any] | None:
    try:
        return _OBJECTS.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
