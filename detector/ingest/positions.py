"""Log texts at their positions, on the way to the scanner.

A position is opaque: a number that grows along the input (a line, an offset). Only the input that gave it knows what it
means, and turns it into a `RecordAt` when something is found there.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise

import msgspec
import numpy as np

from detector.ingest.formats.log_texts import Beside, LogTexts, Rests, nowhere
from detector.records.log_times import LogTime
from detector.records.timestamps import Ints
from detector.scan.finding_shares import Stream, Texts
from detector.scan.leaks import Batch, RecordAt
from detector.scan.mask_spans import MaskSpan
from detector.scan.shares import LimitedText


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """A log text at its position, with the time that it has there. The other fields are as `LogText` has them.

    `last` is the position of the last of several parts that were joined.
    """

    text: bytes
    at: int
    time: LogTime
    task_id: str | None = None
    stream: str | None = None
    channel: str | None = None
    ends: bool = True
    rest: bytes = b""
    part: int = 0
    last: int | None = None


class Positions(msgspec.Struct, frozen=True):
    """The positions and times of the lines of a block, by index.

    `task_id` and `stream` are those of a line that names none. `moments` is as `Texts` has it.
    """

    at: Sequence[int]
    time: Callable[[int], LogTime]
    task_id: str | None = None
    stream: str | None = None
    moments: Callable[[Ints], Ints] | None = None


class Segment(msgspec.Struct, frozen=True):
    """Log texts joined by newlines. `edges` gives where each begins, and last where one more would.

    `record` gives the record of a text by its index; the text inside that record counts for nothing. `made_of` are
    the records if there are any. With `as_read` the texts are the lines as they stand. `head` is as `LogTexts` has
    it. `at` has the positions of the texts if they are known at once, `alike` their stream if they all have one. With
    `again` its records stand in another segment too. `beside` is as `LogTexts` has it. The last texts are what the
    records with these `owners`, by index, say beside theirs. `moments` is as `Texts` has it.
    """

    data: bytes
    edges: Callable[[], Ints]
    record: Callable[[int], LogRecord]
    made_of: Sequence[LogRecord] | None = None
    as_read: bool = False
    head: Callable[[int], int] | None = None
    at: Sequence[int] | None = None
    alike: Stream | None = None
    again: bool = False
    beside: Callable[[], Beside] | None = None
    owners: Sequence[int] = ()
    moments: Callable[[Ints], Ints] | None = None

    def index(self, offset: int) -> int:
        """The index of the text that holds a byte."""
        return int(self.edges().searchsorted(offset, side="right")) - 1

    def records(self) -> list[LogRecord]:
        """The records, each with its text."""
        if self.made_of is not None:
            return list(self.made_of)
        edges = self.edges().tolist()
        texts = [self.data[start : end - 1] for start, end in pairwise(edges)]
        count = len(texts) - len(self.owners)
        rests = dict(zip(self.owners, texts[count:], strict=True))
        return [
            msgspec.structs.replace(self.record(index), text=text, rest=rests.get(index, b""))
            for index, text in enumerate(texts[:count])
        ]


def segment_of(texts: LogTexts, positions: Positions) -> Segment:
    """The texts of a block at their positions, and behind all of them their rests."""
    rests = texts.rests
    count = len(positions.at)

    def record(index: int) -> LogRecord:
        if rests is not None and index >= count:
            index = int(rests.owners[index - count])
        task_id, stream = texts.whereabouts(index)
        return LogRecord(
            b"",
            positions.at[index],
            positions.time(index),
            task_id or positions.task_id,
            stream or positions.stream,
        )

    alike = (positions.task_id, positions.stream) if texts.whereabouts is nowhere else None
    segment = Segment(
        texts.data,
        texts.edges,
        record,
        None,
        texts.as_read,
        texts.head,
        positions.at,
        alike,
        beside=texts.beside,
        moments=positions.moments,
    )
    return segment if rests is None else _with_rests(segment, rests, positions.at)


def _with_rests(segment: Segment, rests: Rests, at: Sequence[int]) -> Segment:
    before = len(segment.data) + 1
    kept: list[Ints] = []

    def edges() -> Ints:
        if not kept:
            end = before + len(rests.data) + 1
            kept.append(np.concatenate((segment.edges()[:-1], before + rests.begins, np.array([end]))))
        return kept[0]

    return msgspec.structs.replace(
        segment,
        data=segment.data + b"\n" + rests.data,
        edges=edges,
        at=[*at, *(at[owner] for owner in rests.owners.tolist())],
        owners=rests.owners.tolist(),
        moments=None,
    )


def joined(records: Sequence[LogRecord], *, again: bool = False) -> Segment:
    """The records, and behind all of them their rests. `again` is as a `Segment` has it."""
    with_rest = [record for record in records if record.rest]
    texts = [record.text for record in records]
    if not with_rest:
        return texts_of(texts, records, records, again=again)
    owners = [*records, *with_rest]
    return texts_of([*texts, *(record.rest for record in with_rest)], owners, records, again=again)


def texts_of(
    texts: Sequence[bytes],
    owners: Sequence[LogRecord],
    made_of: Sequence[LogRecord] | None = None,
    *,
    again: bool = False,
) -> Segment:
    """Texts, each of the record of its index."""
    kept: list[Ints] = []

    def edges() -> Ints:
        if not kept:
            kept.append(np.fromiter(accumulate((len(text) + 1 for text in texts), initial=0), np.int64))
        return kept[0]

    return Segment(b"\n".join(texts), edges, owners.__getitem__, made_of, again=again)


def reassembled(groups: Iterable[Sequence[LogRecord]]) -> list[LogRecord]:
    """Groups of records that go on in each other, with an empty record before each group.

    Their rests are left out: they were scanned where they stand.
    """
    return [
        msgspec.structs.replace(record, text=text, rest=b"")
        for group in groups
        for record, text in ((group[0], b""), *((record, record.text) for record in group))
    ]


def batch_of(
    source: str, segments: Sequence[Segment], record_at: Callable[[LogRecord, int, int], RecordAt]
) -> Batch:
    """One batch of all segments; `record_at` names a record whose text is data[start:end]."""
    bases = list(accumulate((len(segment.data) + 1 for segment in segments), initial=0))

    def locate(offset: int) -> RecordAt:
        number = bisect_right(bases, offset, hi=len(segments)) - 1
        segment, base = segments[number], bases[number]
        index, edges = segment.index(offset - base), segment.edges()
        start, end = base + int(edges[index]), base + int(edges[index + 1]) - 1
        if segment.head is not None:
            start = min(start + segment.head(index), offset)
        return record_at(segment.record(index), start, end)

    def texts() -> list[Texts]:
        return [_texts(segment, base) for segment, base in zip(segments, bases, strict=False)]

    return Batch(source, b"\n".join([segment.data for segment in segments]), locate, texts)


def _texts(segment: Segment, base: int) -> Texts:
    edges = segment.edges()
    records: Sequence[LogRecord] | None = None
    at = segment.at
    if at is None:
        records = [segment.record(index) for index in range(len(edges) - 1)]
        at = [record.at for record in records]

    def stream(index: int) -> Stream:
        record = segment.record(index) if records is None else records[index]
        return record.task_id, record.stream

    fresh = len(at) - len(segment.owners) if segment.made_of is None else len(segment.made_of)
    return Texts(
        base + edges[:-1],
        base + edges[1:] - 1,
        at,
        stream,
        segment.alike,
        0 if segment.again else fresh,
        segment.moments if segment.head is None else None,
    )


def spans_of(
    segments: Sequence[Segment], covering: Iterable[MaskSpan | LimitedText]
) -> list[tuple[int, int]]:
    """For each span in the batch of all segments the first and the last position of the records under it."""
    bases = list(accumulate((len(segment.data) + 1 for segment in segments), initial=0))
    spans: list[tuple[int, int]] = []
    for span in covering:
        first = bisect_right(bases, span.start, hi=len(segments)) - 1
        last = bisect_right(bases, span.end - 1, hi=len(segments)) - 1
        places: list[int] = []
        for number in range(first, last + 1):
            segment, base = segments[number], bases[number]
            low = segment.index(max(span.start - base, 0))
            high = segment.index(min(span.end - 1 - base, len(segment.data)))
            if segment.at is not None:  # nothing was joined
                places += map(int, segment.at[low : high + 1])
                continue
            for record in map(segment.record, range(low, high + 1)):
                places += (record.at, record.at if record.last is None else record.last)
        spans.append((min(places), max(places)))
    return spans
