"""Joins the parts of lines that a runtime or a shipper cut, channel by channel, as a file is read.

A joined record has the place and time of its first part. What grows beyond 1 MiB is handed on in pieces, and a line
whose end does not come is handed on as far as it goes.
"""

from typing import Final

from detector.reading.ranges import LongRecord, Pieces, Range
from detector.records.blocks import LONG_LINE
from detector.records.objects import LogText

CHANNELS: Final = 256  # of lines that stand open at one time
_OVERLAP: Final = 16 * 1024  # of two pieces, so that what stands across the cut is seen
_PATIENCE: Final = 20_000  # lines after which the rest of a line is waited for no longer


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
        self.pieces = Pieces(reading)

    def __bool__(self) -> bool:
        """Whether a record stands open."""
        return bool(self._open)

    def take(self, log: LogText, line: int) -> None:
        """A record, or a part of one if it has a channel."""
        held = self._open.get(log.channel) if log.channel is not None else None
        if held is None and log.ends:
            self.pieces.add(log, line)
        else:
            self._part(log, log.channel or "", line, held)

    def tire(self, line: int) -> None:
        """Hands on what has waited too long for its end by that line."""
        tired = [channel for channel, held in self._open.items() if line - held.last > _PATIENCE]
        for channel in tired:
            self._close(self._open.pop(channel))
        if tired:
            self.pieces.flush()

    def end(self) -> None:
        """Hands on what stands open and what was collected."""
        for held in self._open.values():
            self._close(held)
        self._open.clear()
        self.pieces.flush()

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
        log = held.log
        rest = b"\n".join(filter(None, held.rests))
        self.pieces.place(b"".join(held.parts), held.line, held.time, log.task_id, log.stream, rest=rest)

    def _piece(self, held: _Open, *, keep: bool) -> None:
        data = b"".join(held.parts)
        if held.long is None:
            held.long = LongRecord(self._range, held.line, held.time, held.log.stream, held.log.task_id)
        held.long.piece(b"\n".join((data, *filter(None, held.rests))))
        tail = data[-_OVERLAP:]
        held.parts, held.size = ([tail], len(tail)) if keep else ([], 0)
        held.rests.clear()
