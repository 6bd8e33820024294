"""What a partition's text must wait for: the rest of a split line, the end of a key block.

A record is scanned with what belongs to it however the polls fall: parts of a container runtime's line are joined, and
text in which a `-----BEGIN` block stands open waits for the records after it. Both are bounded, in bytes and, by whoever
calls `flush`, in time. What is held is not in any state: it is read again from the records before the committed offset.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

import msgspec

from detector.live.records import Contents, Piece, read_logs, read_record
from detector.live.segments import RUN, Segment, fast_segment, of_pieces, only_logs
from detector.reading.jsonblocks import KEY_BLOCK
from detector.reading.shapes import BUNDLED, Shapes

CHANNELS: Final = 256  # of split lines that stand open at one time
LONGEST: Final = 1 << 20  # bytes of a split line, then what there is of it is scanned
_FEW: Final = 8  # records read one by one, where they are not of one shape
_MANY: Final = RUN // 2  # records enough to judge by a sample of them
_PARTS: Final = 512
_OVERLAP: Final = 16 << 10  # of its two pieces, so that what stands across the cut is seen
_KEY_BLOCK_SIZE: Final = 16 << 10  # a secret over many lines is at most this long
_END: Final = b"-----END "


class Hold:
    """One partition's records on their way to the scanner."""

    def __init__(self, shapes: Shapes = BUNDLED) -> None:
        """`shapes` is what is recognised."""
        self._shapes = shapes
        self._open: dict[str, list[Piece]] = {}
        self._tail: list[Piece] = []

    def __bool__(self) -> bool:
        """Whether anything is held."""
        return bool(self._open or self._tail)

    @property
    def oldest(self) -> int | None:
        """The least offset of a record that is held."""
        return min((parts[0].offset for parts in (self._tail, *self._open.values()) if parts), default=None)

    def read(self, records: Sequence[Any], now: int, into: Contents) -> list[Segment]:
        """The text of the records that waits for nothing, with what was held before; events go `into`.

        `now` in ns is the wall clock.
        """
        segments: list[Segment] = []
        for first in range(0, len(records), RUN):
            segments += self._read(records[first : first + RUN], now, into)
        return segments

    def _read(self, run: Sequence[Any], now: int, into: Contents) -> list[Segment]:
        """All at once if they are of one shape, else in halves: what stands among many is soon alone."""
        segment = fast_segment(run, now, into, self._shapes, joining=bool(self))
        if segment is not None:
            return self._placed([], segment)
        if only_logs(run, self._shapes):
            return self._one_by_one(run, now, into, marked=False)
        rest = self._without_events(run, now, into) if len(run) > _FEW else None
        if rest is not None:
            return self._read(rest, now, into) if rest else []
        if len(run) > _FEW and not (len(run) >= _MANY and _many_events(run, self._shapes)):
            half = len(run) // 2
            return [*self._read(run[:half], now, into), *self._read(run[half:], now, into)]
        return self._one_by_one(run, now, into, marked=True)

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
        return self._placed(pieces, None)

    def _placed(self, pieces: list[Piece], segment: Segment | None) -> list[Segment]:
        """What was held and what was read, less what has to wait."""
        tail, self._tail = self._tail, []
        if any(piece.rest for piece in tail):
            # Or what is said beside the lines of a key would stand between them.
            pieces = [*tail, *pieces, *(segment.pieces(0) if segment is not None else ())]
            return self._settled([of_pieces(pieces)])
        found = [of_pieces(tail)] if tail else []
        found += [of_pieces(pieces)] if pieces else []
        return self._settled([*found, segment] if segment is not None else found)

    def flush(self) -> list[Segment]:
        """Everything held, as it stands."""
        pieces = [*self._tail, *(_whole(parts) for parts in self._open.values())]
        self._tail, self._open = [], {}
        return [of_pieces(pieces)] if pieces else []

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

    def _settled(self, segments: list[Segment]) -> list[Segment]:
        """The segments less the records from an open key block on, which are held."""
        first, size = len(segments), 0
        tails: list[tuple[int, bytes]] = []
        while first and size < _KEY_BLOCK_SIZE:
            first -= 1
            tails.insert(0, segments[first].tail(_KEY_BLOCK_SIZE))
            size += len(tails[0][1]) + 1
        data = b"\n".join(tail for _, tail in tails)
        window = max(0, len(data) - _KEY_BLOCK_SIZE)
        begin = data.find(KEY_BLOCK, max(window, data.rfind(_END, window)))
        if begin < 0:
            return segments
        bases = list(accumulate((len(tail) + 1 for _, tail in tails), initial=0))
        last = next(number for number, base in enumerate(bases[1:]) if begin < base)
        opened = segments[first + last]
        index = opened.index(begin - bases[last] + tails[last][0])
        self._tail = opened.pieces(index)
        for segment in segments[first + last + 1 :]:
            self._tail += segment.pieces(0)
        before = segments[: first + last]
        return [*before, opened.until(index)] if index else before


def _many_events(run: Sequence[Any], shapes: Shapes) -> bool:
    """Whether halving would hardly ever come to a stretch without an event, by every eighth record."""
    some = run[::8]
    events = sum(bool(record.headers) or shapes.may_hold_event(record.value or b"") for record in some)
    return events * _FEW > len(some)


def _whole(parts: Sequence[Piece]) -> Piece:
    """The parts joined, at the place of the first."""
    if len(parts) == 1:
        return parts[0]
    rest = b"\n".join(dict.fromkeys(part.rest for part in parts if part.rest))
    text = b"".join(part.text for part in parts)
    return msgspec.structs.replace(parts[0], text=text, rest=rest, last=parts[-1].offset)
