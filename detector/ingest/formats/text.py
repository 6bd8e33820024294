"""Text, one record a line: batches of the bytes as they are, with the times that lines begin with."""

from collections.abc import Iterable

from detector.ingest.file_ranges import Give, Locate, LongRecord, Range, line_span
from detector.ingest.format_names import TEXT
from detector.records.blocks import Block, blocks
from detector.records.dead_letters import FUTURE_TIME, bad
from detector.records.timestamps import Ints, Stamps, leading_stamp, leading_stamps, line_starts
from detector.scan.leaks import Batch, RecordAt


def read_text(chunks: Iterable[bytes], reading: Range) -> None:
    """Hands on every line."""
    reader = TextReader(reading)
    for block in blocks(chunks):
        reader.take(block)


class TextReader:
    """Takes blocks of text; also the pieces of a JSON line that is too long to be decoded."""

    def __init__(self, reading: Range) -> None:
        self._range = reading
        self._long: LongRecord | None = None

    def take(self, block: Block) -> None:
        """Hands on one block."""
        if block.part:
            self._piece(block)
            return
        data, reading = block.data, self._range
        count = read_lines(
            data,
            reading,
            reading.lines,
            lambda text, locate: reading.sink.batch(Batch(reading.name, text, locate)),
        )
        reading.lines += count - (not data.endswith(b"\n"))

    def _piece(self, block: Block) -> None:
        reading = self._range
        if self._long is None:
            line = reading.lines + 1
            self._long = LongRecord(reading, line, reading.saw(own_time(block.data, reading, line)))
            reading.count(TEXT, 1, 0)
        self._long.piece(block.data)
        reading.count(TEXT, 0, block.fresh)
        if block.last:
            self._long = None
            reading.lines += block.data.endswith(b"\n")


def read_lines(data: bytes, reading: Range, before: int, give: Give) -> int:
    """Gives lines of text that stand behind `before` lines of the range; how many there are."""
    starts = line_starts(data)
    stamps = reading.stamped(leading_stamps(data, starts), lambda index: before + index + 1)
    give(data, _locator(data, starts, stamps, reading, before))
    reading.passed(stamps)
    reading.count(TEXT, len(starts), len(data))
    return len(starts)


def own_time(line: bytes, reading: Range, number: int) -> int | None:
    """The time that one line begins with; one in the future is a dead letter."""
    time = leading_stamp(line)
    if time is not None and time > reading.limit:
        reading.dead(bad(FUTURE_TIME), number)
        return None
    return time


def _locator(data: bytes, starts: Ints, stamps: Stamps, reading: Range, before: int) -> Locate:
    inherited = reading.inherited

    def locate(offset: int) -> RecordAt:
        index = int(starts.searchsorted(offset, "right")) - 1
        time = stamps.before(index)
        span = line_span(data, starts, index)
        return reading.at(span, before + index + 1, inherited if time is None else time, None, None)

    return locate
