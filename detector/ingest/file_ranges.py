"""One range of one source as it is read: where the reading stands, what it gave, and how its records are placed."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple, Protocol

import numpy as np
from msgspec.structs import replace

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.records.dead_letters import FUTURE_TIME, DeadLetter, bad
from detector.records.log_records import LogText
from detector.records.timestamps import Ints, Stamps
from detector.scan.leaks import Batch, RecordAt
from detector.values.errors import BadRecordError
from detector.values.events import MAX_FUTURE, CanonicalEvent

Locate = Callable[[int], RecordAt]
"""The record at an offset of some text."""

Give = Callable[[bytes, Locate], None]
"""Takes text and what gives the records of it."""

Watch = Callable[
    [
        Sequence[int],
        range,
        Callable[[int], str],
        Callable[[int], tuple[str | None, str | None]],
        Callable[[int], int | None],
    ],
    None,
]
"""Takes which of some records that were handed on at once may go on in the next of their stream, the lines of all, and what gives
the message, the task and stream, and the time of one of them."""

AGAIN: Final = -1
"""The part of a batch of records that were handed on before, each by itself, and now stand together."""

_BATCH: Final = 256 * 1024  # bytes of text after which collected pieces are handed on


class Sink(Protocol):
    """Where what was read goes."""

    def batch(self, batch: Batch, part: int = 0) -> None:
        """Text to scan; `part` numbers the pieces of one long record, which may show the same secret twice; or is `AGAIN`."""

    def event(self, event: CanonicalEvent) -> None:
        """An event."""

    def dead(self, letter: DeadLetter) -> None:
        """A record that could not be read."""


class Range:
    """Where the reading of one range stands.

    `lines` counts the newlines before the block at hand, from the start of the range. `inherited` is the time of
    the last record that had one, None as long as none had; `latest` the latest time of all. `records` and
    `bytes` are by format, `unknown` the events of a type that is not ours. `shapes` is what is recognised.
    """

    def __init__(
        self, name: str, task_id: str | None, now: int, sink: Sink, shapes: RecordClassifier = BUNDLED
    ) -> None:
        self.name = name
        self.shapes = shapes
        self.task_id = task_id
        self.now = now
        self.limit = now + MAX_FUTURE
        self.sink = sink
        self.lines = 0
        self.inherited: int | None = None
        self.latest: int | None = None
        self.records: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.unknown = 0

    def count(self, format_name: str, records: int, size: int) -> None:
        """Adds to what was read."""
        self.records[format_name] += records
        self.bytes[format_name] += size

    def dead(self, error: BadRecordError, line: int | None) -> None:
        """Passes on that the record at `line` (from 1, of the range) could not be read."""
        self.sink.dead(DeadLetter.of(error, self.name, line))

    def saw(self, time: int | None) -> int | None:
        """Takes note of a record's own time and gives the time that it has: its own or the inherited one."""
        if time is not None:
            self.inherited = time
            if self.latest is None or time > self.latest:
                self.latest = time
        return self.inherited

    def stamped(self, stamps: Stamps, number: Callable[[int], int]) -> Stamps:
        """The stamps that are not in the future; the others become dead letters at the lines that `number` gives."""
        kept, late = stamps.split(self.limit)
        for index in late.tolist():
            self.dead(bad(FUTURE_TIME), number(index))
        return kept

    def passed(self, stamps: Stamps) -> None:
        """Takes note of the times of many records, after they were handed on."""
        latest, last = stamps.latest(), stamps.last()
        if latest is not None and (self.latest is None or latest > self.latest):
            self.latest = latest
        self.inherited = self.inherited if last is None else last

    def at(  # noqa: PLR0913, PLR0917 - all that places a record, and no less
        self,
        span: tuple[int, int],
        line: int,
        time: int | None,
        task_id: str | None,
        stream: str | None,
        part: int = 0,
    ) -> RecordAt:
        """The place of a record that begins at `line`; a task of its own wins over the one in the path.

        `span` is where its text stands in the batch, `part` which record of the line it is, where it holds many.
        """
        return RecordAt(
            start=span[0],
            end=span[1],
            id=f"{line}#{part}" if part else str(line),
            time=time,
            line=line,
            task_id=task_id or self.task_id,
            stream=stream,
        )


def line_span(data: bytes, starts: Ints, index: int) -> tuple[int, int]:
    """Where the line at `index` stands, without its newline."""
    start = int(starts[index])
    end = int(starts[index + 1]) if index + 1 < len(starts) else len(data)
    return start, end - data.endswith(b"\n", start, end)


class _Place(NamedTuple):
    line: int
    time: int | None
    task_id: str | None
    stream: str | None
    part: int


class Pieces:
    """Log records collected one by one into batches of about 256 KiB; the rests of the records stand behind them."""

    def __init__(self, reading: Range) -> None:
        self._range = reading
        self._texts: list[bytes] = []
        self._at: list[_Place | Locate] = []
        self._rests: list[bytes] = []
        self._rests_at: list[_Place | Locate] = []
        self._size = 0

    def add(self, log: LogText, line: int) -> None:
        """One record; its time is noted."""
        time = self._range.saw(log.time)
        self.place(log.text, line, time, log.task_id, log.stream, rest=log.rest, part=log.part)

    def place(  # noqa: PLR0913 - all that places a record, and no less
        self,
        text: bytes,
        line: int,
        time: int | None,
        task_id: str | None,
        stream: str | None,
        *,
        rest: bytes = b"",
        part: int = 0,
    ) -> None:
        """One record whose time is settled; None is none at all."""
        at = _Place(line, time, task_id, stream, part)
        if rest:
            self._rests.append(rest)
            self._rests_at.append(at)
            self._size += len(rest) + 1
        self._take(text, at)

    def many(self, text: bytes, locate: Locate) -> None:
        """Records one after another, placed by `locate`; their times are noted by the caller, afterwards."""
        self._take(text, locate)

    def _take(self, text: bytes, at: _Place | Locate) -> None:
        self._texts.append(text)
        self._at.append(at)
        self._size += len(text) + 1
        if self._size >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Hands on what was collected."""
        if not self._texts:
            return
        texts, at, reading = self._texts + self._rests, self._at + self._rests_at, self._range
        self._texts, self._at, self._rests, self._rests_at, self._size = [], [], [], [], 0
        starts = np.fromiter(accumulate((len(text) + 1 for text in texts), initial=0), np.int64)

        def locate(offset: int) -> RecordAt:
            index = int(np.searchsorted(starts[:-1], offset, side="right")) - 1
            span = int(starts[index]), int(starts[index + 1]) - 1
            place = at[index]
            if not isinstance(place, _Place):
                found = place(offset - span[0])
                return replace(found, start=found.start + span[0], end=found.end + span[0])
            return reading.at(span, *place)

        reading.sink.batch(Batch(reading.name, b"\n".join(texts), locate))


class LongRecord:
    """One record too long to be held, scanned piece by piece."""

    def __init__(
        self,
        reading: Range,
        line: int,
        time: int | None,
        stream: str | None = None,
        task_id: str | None = None,
    ) -> None:
        """`time` is settled; None is none at all."""
        self._task_id = task_id
        self._range = reading
        self._line = line
        self._time = time
        self._stream = stream
        self._part = 0

    def piece(self, data: bytes) -> None:
        """The next piece, which may begin with the end of the one before."""
        self._part += 1
        at = self._range.at((0, len(data)), self._line, self._time, self._task_id, self._stream)
        self._range.sink.batch(Batch(self._range.name, data, lambda _: at), self._part)
