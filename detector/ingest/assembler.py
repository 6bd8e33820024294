"""Puts together what was cut into several records: parts of a line, lines of a key, text that is wrapped over lines.

Parts of a line that a container runtime or a shipper cut are joined, channel by channel. The joined record has the
position and time of its first part. A key waits for its `-----END`, and lines that go on in each other are scanned a
second time together (`detector.ingest.reassemble`). Bytes, records and channels are bounded.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from detector.ingest.formats.log_texts import LogTexts, nowhere
from detector.ingest.lone_lines import Stream
from detector.ingest.positions import LogRecord, Positions
from detector.ingest.reassemble import StreamReassembler

CHANNELS: Final = 256  # of lines that stand open at one time
LONGEST: Final = 1024 * 1024  # bytes of a line's parts that are held
_LONG: Final = 4 * 1024  # bytes of a record: blocks of longer ones are not kept
_OVERLAP: Final = 16 * 1024  # of two pieces of a longer line, so that what stands across the cut is seen

LongPiece = Callable[[LogRecord, int], None]
"""Takes a piece of a line that is too long to be held, and its number from 1."""


class _OpenLine:
    """The parts of a line whose end has not come. `pieces` counts the pieces of it that were given already."""

    def __init__(self) -> None:
        self.parts: list[LogRecord] = []
        self.size = 0
        self.last = 0  # the position of the last part
        self.pieces = 0

    def add(self, part: LogRecord) -> None:
        self.parts.append(part)
        self.last = part.at if part.last is None else part.last
        self.size += len(part.text) + len(part.rest)

    def joined(self) -> LogRecord:
        """The parts as one record, at the position of the first."""
        if len(self.parts) == 1:
            return self.parts[0]
        rest = b"\n".join(dict.fromkeys(part.rest for part in self.parts if part.rest))
        text = b"".join([part.text for part in self.parts])
        return msgspec.structs.replace(self.parts[0], text=text, rest=rest, last=self.parts[-1].at)

    def piece(self) -> LogRecord:
        """The line so far. Its end is kept for the next piece, so that text across the cut is seen."""
        joined = self.joined()
        self.parts, self.size = [], 0
        self.add(msgspec.structs.replace(joined, text=joined.text[-_OVERLAP:], rest=b""))
        self.pieces += 1
        return joined


class Assembler:
    """Takes the records of one input in their order.

    At most `most_parts` of a line are held. A line that is too long becomes several records, or goes to `long_piece`
    piece by piece. `unfinished` gets the positions of records whose text a bound kept from being put together.
    """

    def __init__(
        self,
        most_parts: int | None = None,
        long_piece: LongPiece | None = None,
        unfinished: set[int] | None = None,
    ) -> None:
        self._unfinished = unfinished
        self._most_parts = most_parts
        self._long_piece = long_piece
        self._open: dict[str, _OpenLine] = {}
        self.streams: StreamReassembler[LogRecord] = StreamReassembler(unfinished)

    @property
    def in_parts(self) -> bool:
        """Whether the rest of a line is waited for."""
        return bool(self._open)

    @property
    def oldest(self) -> int | None:
        """The position of the first record that is held."""
        firsts = [line.parts[0].at for line in self._open.values()]
        first = self.streams.first
        return min(firsts if first is None else [*firsts, first], default=None)

    @property
    def held(self) -> set[int]:
        """The positions of the parts and lines whose rest is waited for."""
        return {part.at for line in self._open.values() for part in line.parts} | self.streams.held

    def take(self, record: LogRecord) -> list[LogRecord]:
        """The records to scan now, one after another: none, this one, or those that were held with it."""
        channel = record.channel
        if channel is None or (record.ends and channel not in self._open):
            return self.take_whole(record)
        line = self._open.get(channel)
        if line is None:
            line = self._open[channel] = _OpenLine()
        line.add(record)
        if record.ends:
            if line.pieces:
                self._note(line)
            return self._closed(channel)
        if line.size > LONGEST or (self._most_parts is not None and len(line.parts) > self._most_parts):
            self._note(line)
            piece = line.piece()
            if self._long_piece is None:
                return self.take_whole(piece)
            self._long_piece(piece, line.pieces)
        elif len(self._open) > CHANNELS:
            crowding = self._crowding()
            self._note(self._open[crowding])
            return self._closed(crowding)
        return []

    def _crowding(self) -> str:
        """The first open line of the writer that has most of them: before its first `/` a channel names the writer."""
        writers = Counter(channel.partition("/")[0] for channel in self._open)
        most = max(writers.values())
        return next(channel for channel in self._open if writers[channel.partition("/")[0]] == most)

    def follow(self, texts: LogTexts, marked: Sequence[int], positions: Positions) -> None:
        """Collects the lines of a block that go on in each other; they are scanned where they stand.

        Only the `marked` ones, by index, may go on. Lines that name no task or stream are of those of the `positions`.
        """

        def stream(index: int) -> Stream:
            task_id, stream = texts.whereabouts(index)
            return task_id or positions.task_id, stream or positions.stream

        def text(index: int) -> bytes:
            return texts.message(index).encode("utf-8", "replace")

        def record(index: int, stream: Stream, text: bytes) -> LogRecord:
            return LogRecord(text, positions.at[index], positions.time(index), *stream)

        keys = (
            texts.keys if len(texts.data) <= _LONG * len(positions.at) else None
        )  # a block is kept for one line
        only = (positions.task_id, positions.stream) if texts.whereabouts is nowhere else None
        self.streams.watch(marked, positions.at, stream, text, record, only=only, keys=keys)

    def close_lines(self, last_before: int | None = None) -> list[LogRecord]:
        """The open lines as far as they are there; or only those whose last part stands before a position."""
        closing = [
            channel for channel, line in self._open.items() if last_before is None or line.last < last_before
        ]
        for channel in closing:
            self._note(self._open[channel])
        return [whole for channel in closing for whole in self._close(channel)]

    def _note(self, line: _OpenLine) -> None:
        if self._unfinished is not None:
            self._unfinished.update(part.at for part in line.parts)

    def _close(self, channel: str) -> list[LogRecord]:
        line = self._open.pop(channel)
        whole = line.joined()
        if not line.pieces or self._long_piece is None:
            return [whole]
        self._long_piece(whole, line.pieces + 1)
        return []

    def _closed(self, channel: str) -> list[LogRecord]:
        return [given for whole in self._close(channel) for given in self.take_whole(whole)]

    def take_whole(self, record: LogRecord) -> list[LogRecord]:
        """As `take`, of a record that is no part of a line."""
        return self.streams.take((record.task_id, record.stream), record.text, record, record.at)
