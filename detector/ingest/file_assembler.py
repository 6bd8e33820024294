"""Joins the parts of lines that a runtime or a shipper cut, channel by channel, as a file is read.

A joined record has the place and time of its first part. What grows beyond 1 MiB is handed on in pieces, and a line
whose end does not come is handed on as far as it goes. Whole lines of a stream that go on in each other are looked at together
(`detector.ingest.reassemble`).
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import msgspec

from detector.ingest.file_ranges import AGAIN, LongRecord, Pieces, Range
from detector.ingest.reassemble import Stream, StreamReassembler
from detector.records.blocks import LONG_LINE
from detector.records.log_records import LogText
from detector.scan.leaks import Batch, RecordAt

CHANNELS: Final = 256  # of lines that stand open at one time
_OVERLAP: Final = 16 * 1024  # of two pieces, so that what stands across the cut is seen
_PATIENCE: Final = 20_000  # lines after which the rest of a line is waited for no longer
_TOGETHER: Final = 64 * 1024  # bytes of text that are looked at together besides, at one time


class Line(NamedTuple):
    """A whole record, the line it begins at, and its time, which is settled."""

    log: LogText
    number: int
    time: int | None


class _Open:
    """A record whose end has not come."""

    def __init__(self, log: LogText, line: int, time: int | None) -> None:
        self.log, self.line, self.time, self.last = log, line, time, line
        self.parts: list[bytes] = []
        self.rests: dict[bytes, None] = {}
        self.size = 0
        self.long: LongRecord | None = None


class Joiner:
    """Takes records and parts of records in the order of a file; whole ones go straight to `pieces`."""

    def __init__(self, reading: Range) -> None:
        self._range = reading
        self._open: dict[str, _Open] = {}
        self._strands: StreamReassembler[Line] = StreamReassembler()
        self._again: list[Line] = []
        self._size = 0
        self.pieces = Pieces(reading)

    def __bool__(self) -> bool:
        """Whether a record stands open."""
        return bool(self._open) or self._strands.holding

    @property
    def holding(self) -> bool:
        """Whether a key stands open over many records."""
        return self._strands.holding

    def take(self, log: LogText, line: int) -> None:
        """A record, or a part of one if it has a channel."""
        held = self._open.get(log.channel) if log.channel is not None else None
        if held is None and log.ends:
            self._whole(Line(log, line, self._range.saw(log.time)))
        else:
            self._part(log, log.channel or "", line, held)

    def watch(
        self,
        marked: Sequence[int],
        lines: range,
        says: Callable[[int], str],
        placed: Callable[[int], tuple[str | None, str | None]],
        timed: Callable[[int], int | None],
    ) -> None:
        """As `ranges.Watch`."""

        def stream(index: int) -> tuple[str | None, str | None]:
            task_id, stream = placed(index)
            return task_id or self._range.task_id, stream

        def text(index: int) -> bytes:
            return says(index).encode("utf-8", "replace")

        def line(index: int, own: Stream, text: bytes) -> Line:
            return Line(LogText(text, None, *own), lines[index], timed(index))

        self._strands.watch(marked, lines, stream, text, line)
        self._gather()

    def tire(self, line: int) -> None:
        """Hands on what has waited too long for its end by that line."""
        tired = [channel for channel, held in self._open.items() if line - held.last > _PATIENCE]
        for channel in tired:
            self._close(self._open.pop(channel))
        late = self._strands.late(line)
        self._place(late)
        self._gather()
        if tired or late:
            self.pieces.flush()

    def end(self) -> None:
        """Hands on what stands open and what was collected."""
        for held in self._open.values():
            self._close(held)
        self._open.clear()
        self._place(self._strands.end())
        self.pieces.flush()
        self._gather()
        self._look_again()

    def _whole(self, line: Line) -> None:
        self._place(self._strands.take(self._stream(line.log), line.log.text, line, line.number))
        self._gather()

    def _stream(self, log: LogText) -> tuple[str | None, str | None]:
        """What tells the lines of one stream from those of others."""
        return log.task_id or self._range.task_id, log.stream

    def _place(self, lines: Sequence[Line]) -> None:
        for log, number, time in lines:
            self.pieces.place(log.text, number, time, log.task_id, log.stream, rest=log.rest, part=log.part)

    def _gather(self) -> None:
        """What is to be looked at together besides, a blank line between what is not of one piece."""
        for lines in self._strands.again():
            last = lines[-1]
            self._again += [*lines, last._replace(log=msgspec.structs.replace(last.log, text=b""))]
            self._size += sum(len(line.log.text) + 1 for line in lines) + 1
        if self._size > _TOGETHER:
            self.pieces.flush()
            self._look_again()

    def _look_again(self) -> None:
        lines, self._again, self._size = self._again, [], 0
        if not lines:
            return
        texts = [line.log.text for line in lines]
        starts = list(accumulate((len(text) + 1 for text in texts), initial=0))

        def locate(offset: int) -> RecordAt:
            index = bisect_right(starts, offset, hi=len(lines)) - 1
            log, number, time = lines[index]
            span = starts[index], starts[index + 1] - 1
            return self._range.at(span, number, time, log.task_id, log.stream, log.part)

        self._range.sink.batch(Batch(self._range.name, b"\n".join(texts), locate), AGAIN)

    def _part(self, log: LogText, channel: str, line: int, held: _Open | None) -> None:
        time = self._range.saw(log.time)
        if held is None:
            held = self._open[channel] = _Open(log, line, time)
        held.parts.append(log.text)
        held.rests[log.rest] = None
        held.size += len(log.text) + len(log.rest)
        held.last = line
        if log.ends:
            self._close(self._open.pop(channel))
        elif held.size > LONG_LINE:
            self._piece(held, keep=True)
        elif len(self._open) > CHANNELS:
            self._close(self._open.pop(next(iter(self._open))))

    def _close(self, held: _Open) -> None:
        if held.long is not None:
            self._piece(held, keep=False)
            return
        rest = b"\n".join(filter(None, held.rests))
        log = msgspec.structs.replace(held.log, text=b"".join(held.parts), rest=rest, channel=None)
        self._whole(Line(log, held.line, held.time))

    def _piece(self, held: _Open, *, keep: bool) -> None:
        data = b"".join(held.parts)
        if held.long is None:
            held.long = LongRecord(self._range, held.line, held.time, held.log.stream, held.log.task_id)
        held.long.piece(b"\n".join((data, *filter(None, held.rests))))
        tail = data[-_OVERLAP:]
        held.parts, held.size = ([tail], len(tail)) if keep else ([], 0)
        held.rests.clear()
