"""What a partition's text must wait for: the rest of a split line, the end of a key block, the next lines of its stream.

A record is scanned with what belongs to it however the polls fall: parts of a container runtime's line are joined, a key
waits for its `-----END`, and lines that go on in each other are looked at together besides (`detector.ingest.reassemble`). All are bounded, in
bytes and records and, by whoever calls `flush`, in time. What is held is not in any state: it is read again from the records
before the committed offset.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.kafka_records import Contents, Piece, read_logs, read_record
from detector.ingest.kafka_segments import RUN, Segment, fast_segment, of_pieces, only_logs
from detector.ingest.reassemble import Stream, StreamReassembler

CHANNELS: Final = 256  # of split lines that stand open at one time
LONGEST: Final = 1 << 20  # bytes of a split line, then what there is of it is scanned
_FEW: Final = 8  # records read one by one, where they are not of one shape
_MANY: Final = RUN // 2  # records enough to judge by a sample of them
_PARTS: Final = 512
_OVERLAP: Final = 16 << 10  # of its two pieces, so that what stands across the cut is seen


class RecordAssembler:
    """One partition's records on their way to the scanner."""

    def __init__(self, shapes: RecordClassifier = BUNDLED) -> None:
        """`shapes` is what is recognised."""
        self._shapes = shapes
        self._open: dict[str, list[Piece]] = {}
        self._strands: StreamReassembler[Piece] = StreamReassembler()

    def __bool__(self) -> bool:
        """Whether anything is held."""
        return bool(self._open or self._strands)

    @property
    def oldest(self) -> int | None:
        """The least offset of a record that is held."""
        firsts = [parts[0].offset for parts in self._open.values()]
        first = self._strands.first
        return min(firsts if first is None else [*firsts, first], default=None)

    def read(self, records: Sequence[Any], now: int, into: Contents) -> list[Segment]:
        """The text of the records that waits for nothing, with what was held before; events go `into`.

        `now` in ns is the wall clock.
        """
        segments: list[Segment] = []
        for first in range(0, len(records), RUN):
            segments += self._read(records[first : first + RUN], now, into)
        late = self._strands.late(records[-1].offset) if records else []
        return [*segments, *self._besides(late)]

    def _read(self, run: Sequence[Any], now: int, into: Contents) -> list[Segment]:
        """All at once if they are of one shape, else in halves: what stands among many is soon alone."""
        if self._strands.holding:
            return self._one_by_one(run, now, into, marked=True)
        segment = fast_segment(run, now, into, self._shapes, joining=bool(self._open))
        if segment is not None:
            self._watch(segment, [record.offset for record in run])
            return [segment]
        if only_logs(run, self._shapes):
            return self._one_by_one(run, now, into, marked=False)
        rest = self._without_events(run, now, into) if len(run) > _FEW else None
        if rest is not None:
            return self._read(rest, now, into) if rest else []
        if len(run) > _FEW and not (len(run) >= _MANY and _many_events(run, self._shapes)):
            half = len(run) // 2
            return [*self._read(run[:half], now, into), *self._read(run[half:], now, into)]
        return self._one_by_one(run, now, into, marked=True)

    def _watch(self, segment: Segment, offsets: Sequence[int]) -> None:
        """Takes note of records that were read at once."""
        says, whose, timed = segment.says, segment.whose, segment.timed
        if says is None or whose is None or timed is None:
            return

        def text(index: int) -> bytes:
            return says(index).encode("utf-8", "replace")

        def piece(index: int, own: Stream, text: bytes) -> Piece:
            return Piece(text, offsets[index], timed(index), *own)

        self._strands.watch(segment.marked, offsets, whose, text, piece)

    def _without_events(self, run: Sequence[Any], now: int, into: Contents) -> list[Any] | None:
        """The run less its events, which are read; None if nothing or too much of it may be one, or one has text too.

        What is no event is seldom held up by one: text has the same neighbours without them.
        """
        apart = [
            record for record in run if record.headers or self._shapes.may_hold_event(record.value or b"")
        ]
        if not apart or len(apart) * 2 > len(run):
            return None
        found = Contents()
        for record in apart:
            read_record(record, now, found, self._shapes)
        if found.pieces:
            return None
        into.add(found)
        events = {record.offset for record in apart}
        return [record for record in run if record.offset not in events]

    def _one_by_one(self, run: Sequence[Any], now: int, into: Contents, *, marked: bool) -> list[Segment]:
        if marked:
            for record in run:
                read_record(record, now, into, self._shapes)
        else:
            read_logs(run, now, into, self._shapes)
        pieces, into.pieces = self._joined(into.pieces), []
        given: list[Piece] = []
        for piece in pieces:
            given += self._strands.take(_stream(piece), piece.text, piece, piece.offset)
        return [of_pieces(given)] if given else []

    def flush(self) -> list[Segment]:
        """Everything held, as it stands."""
        pieces = [*self._strands.end(), *(_whole(parts) for parts in self._open.values())]
        self._open = {}
        return self._besides(pieces)

    def _besides(self, pieces: Sequence[Piece]) -> list[Segment]:
        """These, and what is to be looked at together besides, a blank line between what is not of one piece."""
        besides = [
            piece
            for lines in self._strands.again()
            for piece in (
                msgspec.structs.replace(lines[0], text=b"", rest=b""),
                *(_text_of(line) for line in lines),
            )
        ]
        return [of_pieces(some) for some in (pieces, besides) if some]

    def _joined(self, pieces: Sequence[Piece]) -> list[Piece]:
        """The pieces, split lines joined where their last part stands."""
        whole: list[Piece] = []
        for piece in pieces:
            channel = piece.channel
            if channel is None or (piece.ends and channel not in self._open):
                whole.append(piece)
                continue
            parts = self._open.setdefault(channel, [])
            parts.append(piece)
            if piece.ends:
                whole.append(_whole(self._open.pop(channel)))
            elif len(parts) > _PARTS or sum(len(part.text) + len(part.rest) for part in parts) > LONGEST:
                joined = _whole(parts)
                whole.append(joined)
                self._open[channel] = [
                    msgspec.structs.replace(joined, text=joined.text[-_OVERLAP:], rest=b"")
                ]
            elif len(self._open) > CHANNELS:
                whole.append(_whole(self._open.pop(next(iter(self._open)))))
        return whole


def _many_events(run: Sequence[Any], shapes: RecordClassifier) -> bool:
    """Whether halving would hardly ever come to a stretch without an event, by every eighth record."""
    some = run[::8]
    events = sum(bool(record.headers) or shapes.may_hold_event(record.value or b"") for record in some)
    return events * _FEW > len(some)


def _stream(piece: Piece) -> Stream:
    """What tells the lines of one stream from those of others."""
    return piece.task_id, piece.stream


def _text_of(piece: Piece) -> Piece:
    """Without what is said beside it: that was looked at."""
    return msgspec.structs.replace(piece, rest=b"") if piece.rest else piece


def _whole(parts: Sequence[Piece]) -> Piece:
    """The parts joined, at the place of the first."""
    if len(parts) == 1:
        return parts[0]
    rest = b"\n".join(dict.fromkeys(part.rest for part in parts if part.rest))
    text = b"".join(part.text for part in parts)
    return msgspec.structs.replace(parts[0], text=text, rest=rest, last=parts[-1].offset)
