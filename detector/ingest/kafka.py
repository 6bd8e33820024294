"""Log texts, events and dead letters of the records of one partition, at their offsets.

Runs of records of one shape are read together as a block of lines, which costs a tenth of one by one
(`detector.ingest.kafka_records`) and gives the same.

However the polls fall, a record is scanned with the records that it belongs to (`detector.ingest.assembler`). Bytes
and records that are held are bounded; whoever calls `flush` bounds the time. Held records are in no state: they are
read again from before the committed offset.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from detector.ingest.assembler import Assembler
from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.formats import cri, docker, syslog, text
from detector.ingest.formats import json as json_logs
from detector.ingest.formats.flat_records import FlatRecords
from detector.ingest.formats.log_texts import KEY_BEGIN, LogTexts
from detector.ingest.kafka_records import RUN, Contents, read_record, record_time
from detector.ingest.line_continuation import lines_ending_in_digits
from detector.ingest.positions import LogRecord, Positions, Segment, joined, reassembled, segment_of
from detector.ingest.positions import batch_of as batch_at
from detector.ingest.trust.policy import InputTrust
from detector.records.blocks import LONG_JSON
from detector.records.byte_order_marks import MARK
from detector.records.compressed_values import compressed
from detector.records.dead_letters import bad
from detector.records.json_string_kernel import PAD
from detector.records.log_times import LogTime, stated
from detector.records.record_columns import (
    chosen,
    joined_values,
    offsets_of,
    size_of,
    timestamps_of,
    value_lines,
)
from detector.records.shipper_fields import Named
from detector.records.timestamps import Ints, line_starts
from detector.scan.leaks import Batch, RecordAt
from detector.values.events import MAX_FUTURE
from detector.values.times import SKEW

_RUN_BYTES: Final = 2 << 20  # about as many, where they are long: one line that waits keeps all of them
_BLOCK: Final = 256  # records of other forms read together: one of another shape slows only so many
_ODD: Final = 2  # one in so many records of a run may be of another form, and is read by itself
_BEGIN: Final = 4  # bytes by which plain log records are told from others at first
_LEAST: Final = 64  # records of a run, however long they are
_FEW: Final = 8  # records read one by one, where they are not of one shape
_STEP: Final = 4  # records read one by one before it is asked whether a line still stands open
_PARTS: Final = 512  # of a line that are held
_OPENERS: Final = (ord("{"), ord("["))


def batch_of(topic: str, partition: int, segments: Sequence[Segment]) -> Batch:
    """One batch of all segments of a partition; leaks in it are placed by partition and offset."""

    def record_at(record: LogRecord, start: int, end: int) -> RecordAt:
        name = f"p{partition}@{record.at}"
        return RecordAt(
            start=start,
            end=end,
            id=f"{name}#{record.part}" if record.part else name,
            time=record.time.time,
            time_origin=record.time.origin,
            received=record.time.received,
            offset=record.at,
            partition=partition,
            task_id=record.task_id,
            stream=record.stream,
        )

    return batch_at(topic, segments, record_at)


class RecordAssembler:
    """One partition's records on their way to the scanner."""

    def __init__(
        self, classifier: RecordClassifier = BUNDLED, trust: InputTrust | None = None, *, skew: int = SKEW
    ) -> None:
        self._classifier = classifier
        self._trust = trust
        self._skew = skew
        self._mostly_plain = False  # whether most records of the last run were plain log records
        self._begin = b""  # how these began, if others beside them may have held events
        self._unfinished: set[int] = set()
        self._assembler = Assembler(_PARTS, unfinished=self._unfinished)

    def __bool__(self) -> bool:
        """Whether anything is held."""
        return self._assembler.in_parts or bool(self._assembler.streams)

    @property
    def oldest(self) -> int | None:
        """The least offset of a record that is held."""
        return self._assembler.oldest

    @property
    def held(self) -> set[int]:
        """The offsets of the records that are part of a line or key whose rest is waited for."""
        return self._assembler.held

    def unfinished(self) -> set[int]:
        """The offsets of records whose text a bound kept from being put together, since the last call."""
        done = set(self._unfinished)
        self._unfinished.clear()
        return done

    def read(self, records: Sequence[Any], now: int, into: Contents) -> list[Segment]:
        """The text of the records that waits for nothing, with what was held before; events go `into`.

        `now` (ns) is the wall clock.
        """
        segments: list[Segment] = []
        step = min(RUN, max(_LEAST, len(records) * _RUN_BYTES // max(size_of(records), 1)))
        for first in range(0, len(records), step):
            segments += self._read(records[first : first + step], now, into)
        late = self._assembler.streams.late(offsets_of(records)[-1]) if records else []
        return [*segments, *self._with_reassembled(late)]

    def flush(self) -> list[Segment]:
        """Everything held, as it stands."""
        return self._with_reassembled([*self._assembler.streams.end(), *self._assembler.close_lines()])

    def _read(self, run: Sequence[Any], now: int, into: Contents) -> list[Segment]:
        """The text of a run: that of the common forms from columns, whatever is of another by itself.

        If many are of another form, all are read block by block.
        """
        if len(run) < _FEW:
            return self._one_by_one(run, now, into, events=True)
        data, starts = value_lines(run, PAD)
        flat, marked = self._flat_records(run, data, starts)
        self._expect_like(flat.plain, marked, data, starts)
        apart = ~(flat.taken | flat.blank)
        odd = np.count_nonzero(apart & ~marked)
        if odd * _ODD > len(run) or np.count_nonzero(flat.taken) < _FEW:
            return self._blocks(run, now, into)
        return self._around(
            apart, flat.blank, run, lambda numbers: self._flat(flat, numbers, run, now, into), now, into
        )

    def _flat_records(
        self, run: Sequence[Any], data: bytes, starts: Ints
    ) -> tuple[FlatRecords, npt.NDArray[np.bool_]]:
        """Those of the common forms, and which records may hold an event or begin a key.

        No plain log record is an event. So if most are expected to be plain, events are looked for among the others:
        first among those that begin otherwise, then among what is left.
        """
        marked = np.zeros(len(run), np.bool_)
        marked[list(self._classifier.lines_apart(data, starts, plain=self._mostly_plain))] = True
        looked_at = _beginning_otherwise(data, starts, self._begin) if self._begin else np.empty(0, np.int64)
        marked[self._events_among(run, looked_at)] = True
        flat = FlatRecords(data, starts, marked, self._classifier.named)
        if not self._mostly_plain:
            return flat, marked
        left = ~(flat.plain | flat.blank | marked)
        left[looked_at] = False
        events = self._events_among(run, left.nonzero()[0])
        marked[events] = True
        if flat.taken[events].any():
            flat = FlatRecords(data, starts, marked, self._classifier.named)
        return flat, marked

    def _events_among(self, run: Sequence[Any], numbers: Ints) -> Ints:
        """Those of some records that may hold an event."""
        if not len(numbers):
            return numbers
        return numbers[list(self._classifier.lines_with_marks(*value_lines(chosen(run, numbers), 0)))]

    def _expect_like(
        self, plain: npt.NDArray[np.bool_], marked: npt.NDArray[np.bool_], data: bytes, starts: Ints
    ) -> None:
        """Expects the next run to be like this one."""
        self._mostly_plain = bool(2 * np.count_nonzero(plain) > len(plain))
        first = int(starts[int(np.argmax(plain))])
        self._begin = data[first : first + _BEGIN] if self._mostly_plain and marked.any() else b""

    def _around(  # noqa: PLR0913, PLR0917 - a run, and how it is read
        self,
        apart: npt.NDArray[np.bool_],
        blank: npt.NDArray[np.bool_],
        run: Sequence[Any],
        between: Callable[[Ints], list[Segment]],
        now: int,
        into: Contents,
    ) -> list[Segment]:
        """Reads the records of a run that stand `apart` one by one, and the others as if there were no events.

        The text before and behind an event is read at once. A record that turns out to be text keeps its place.
        `between` reads those of the others that follow each other, by their numbers. Those that are `blank` say
        nothing.
        """
        alone = apart.nonzero()[0].tolist()
        texts = {number: logs for number in alone if (logs := self._logs(run[number], now, into))}
        (others,) = (~(apart | blank)).nonzero()
        if not texts:
            return between(others) if len(others) else []
        segments: list[Segment] = []
        given: list[LogRecord] = []
        for some, number in zip(np.split(others, others.searchsorted([*texts])), (*texts, None), strict=True):
            if len(some):
                segments += [joined(given)] if given else []
                given = []
                segments += between(some)
            for log in () if number is None else texts[number]:
                given += self._assembler.take(log)
        return [*segments, joined(given)] if given else segments

    def _flat(
        self, flat: FlatRecords, numbers: Ints, run: Sequence[Any], now: int, into: Contents
    ) -> list[Segment]:
        """The text of records of the common forms.

        While lines or keys stand open, what may belong to one is looked at.
        """
        segments: list[Segment] = []
        while len(numbers) and self._assembler.in_parts and flat.in_channels(numbers):
            segments += self._one_by_one(_of(run, numbers[:_STEP]), now, into, events=False)
            numbers = numbers[_STEP:]
        if not len(numbers):
            return segments
        segment = self._placed(flat.texts(numbers), _of(run, numbers), now, into)
        if not self._assembler.streams.holding:
            return [*segments, segment]
        given = [one for record in segment.records() for one in self._assembler.take(record)]
        return [*segments, joined(given)] if given else segments

    def _blocks(self, run: Sequence[Any], now: int, into: Contents) -> list[Segment]:
        """The text of records of any form."""
        blocks = (run[first : first + _BLOCK] for first in range(0, len(run), _BLOCK))
        return [segment for block in blocks for segment in self._block(block, now, into)]

    def _block(self, run: Sequence[Any], now: int, into: Contents) -> list[Segment]:
        """The same of so many that one of another shape slows no more."""
        if self._assembler.streams.holding:
            return self._one_by_one(run, now, into, events=True)
        data = _lines_of(run)
        numbers = _apart(run, data, self._classifier)
        if not numbers:
            return self._plain(run, now, into, data)
        apart = np.zeros(len(run), np.bool_)
        apart[numbers] = True
        none = np.zeros(len(run), np.bool_)
        return self._around(
            apart, none, run, lambda some: self._plain(chosen(run, some), now, into), now, into
        )

    def _plain(
        self, run: Sequence[Any], now: int, into: Contents, data: bytes | None = None
    ) -> list[Segment]:
        """The text of records that hold no event, each a line of `data`.

        All at once if they are of one shape, else in halves: a record of another shape is soon alone.
        """
        if len(run) >= _FEW and not self._assembler.streams.holding:
            segment = self._at_once(run, joined_values(run) if data is None else data, now, into)
            if segment is not None:
                return [segment]
            if not _of_one_shape(run):
                half = len(run) // 2
                return [*self._plain(run[:half], now, into), *self._plain(run[half:], now, into)]
        return self._one_by_one(run, now, into, events=False)

    def _at_once(self, run: Sequence[Any], data: bytes | None, now: int, into: Contents) -> Segment | None:
        """The text of records that have one shape, each a line of `data`; None if one is part of a longer line or key.

        None of them holds an event.
        """
        if data is None or len(data) > LONG_JSON or KEY_BEGIN in data:
            return None
        starts = line_starts(data)
        if len(starts) != len(run):
            return None
        texts = _block(data, starts, self._classifier.named, in_parts=self._assembler.in_parts)
        if texts is None:
            return None
        marked = lines_ending_in_digits(data, starts)
        return self._placed(msgspec.structs.replace(texts, marked=marked), run, now, into)

    def _placed(self, texts: LogTexts, run: Sequence[Any], now: int, into: Contents) -> Segment:
        """The texts of records, one each, at their offsets. Lines that go on in each other are collected."""
        stamps, problems = texts.times.usable(now + MAX_FUTURE)
        for index, reason, field in problems:
            into.dead(run[index], bad(reason, field))
        for name, count in (texts.counts or {texts.format: len(run)}).items():
            into.count(name, count)
        skew, received = self._skew, timestamps_of(run)

        def time(index: int) -> LogTime:
            origin = texts.origin if texts.origins is None else texts.origins(index)
            written = stated(stamps.exactly(index), origin, None, skew)
            return record_time(written, received[index], now, skew)

        positions = Positions(offsets_of(run), time)
        if not self._assembler.streams.holding:
            self._assembler.follow(texts, texts.marked, positions)
        return segment_of(texts, positions)

    def _one_by_one(self, run: Sequence[Any], now: int, into: Contents, *, events: bool) -> list[Segment]:
        given: list[LogRecord] = []
        for record in run:
            for log in self._logs(record, now, into, events=events):
                given += self._assembler.take(log)
        return [joined(given)] if given else []

    def _logs(self, record: Any, now: int, into: Contents, *, events: bool = True) -> list[LogRecord]:
        return read_record(
            record, now, into, self._classifier, events=events, trust=self._trust, skew=self._skew
        )

    def _with_reassembled(self, records: Sequence[LogRecord]) -> list[Segment]:
        """These, and behind them the reassembled records."""
        groups = reassembled(self._assembler.streams.groups())
        return [joined(some, again=some is groups) for some in (records, groups) if some]


def _beginning_otherwise(data: bytes, starts: Ints, begin: bytes) -> Ints:
    """The numbers of the lines that do not begin so; the last of the `starts` is where one more would."""
    there = np.frombuffer(data, np.uint8)[starts[:-1, np.newaxis] + np.arange(len(begin))]
    return np.flatnonzero((there != np.frombuffer(begin, np.uint8)).any(axis=1))


def _of(run: Sequence[Any], numbers: Ints) -> Sequence[Any]:
    return run if len(numbers) == len(run) else chosen(run, numbers)


def _lines_of(run: Sequence[Any]) -> bytes | None:
    """The values of records, each a line; None if one has headers, is a tombstone or of many lines."""
    data = joined_values(run)
    return data if data is not None and data.count(b"\n") == len(run) - 1 else None


def _apart(run: Sequence[Any], data: bytes | None, classifier: RecordClassifier) -> Sequence[int]:
    """Which records are read by themselves: they may hold an event, or are no line of `data`."""
    if data is not None:
        return classifier.lines_with_marks(data)
    return [
        index
        for index, record in enumerate(run)
        if record.headers
        or record.value is None
        or b"\n" in record.value
        or classifier.may_hold_event(record.value)
    ]


def _block(data: bytes, starts: Ints, named: Named | None, *, in_parts: bool) -> LogTexts | None:
    """The log texts of values of one line each, if all are of one shape and none holds an event.

    While the rest of a line is waited for (`in_parts`), only values that are never a part of a line are taken at once.
    """
    if data[:1] != b"{":
        return _text_block(data, starts, in_parts=in_parts)
    found = json_logs.flat_block(data, starts, named)
    if found is not None or in_parts:
        return found
    found = docker.block(data, starts, known=False)
    return json_logs.log_block(data, starts, named, with_docker=False) if found is None else found


def _text_block(data: bytes, starts: Ints, *, in_parts: bool) -> LogTexts | None:
    """Lines that are no JSON, no syslog and not compressed; those of CRI only if each is a whole record."""
    padded = np.frombuffer(data + b"\n" * syslog.PAD, np.uint8)
    first = padded[starts]
    if np.isin(first, _OPENERS).any() or (first <= ord(" ")).any() or syslog.stand_in(padded, starts):
        return None
    if not data.isascii() and (
        ((first == MARK[0]).any() and MARK in data) or any(map(compressed, data.split(b"\n")))
    ):
        return None
    texts = text.block(data, starts)
    if not len(texts.times.stamps) or not any(mark in data for mark in cri.STREAM_MARKS):
        return texts
    if in_parts or any(mark in data for mark in cri.PART_MARKS):
        return None
    return msgspec.structs.replace(cri.block(data, starts, texts.times), head=None)


def _of_one_shape(run: Sequence[Any]) -> bool:
    """Whether halving does not help: all are objects, or all are messages of syslog."""
    return {record.value[:1] for record in run} in ({b"{"}, {b"<"})
