"""Many log records at once: runs of one shape are decoded together, which costs a tenth of one by one.

Each of the fast ways gives what `read_record` gives for every record of the run, or declines.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any, Final

import msgspec
import numpy as np

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.format_names import CRI, DOCKER, TEXT
from detector.ingest.formats.containers import DOCKER_LINE, Docker, cri_parts, is_docker
from detector.ingest.formats.json_blocks import (
    FLAT,
    KEY_BLOCK,
    PLAIN,
    Flat,
    Plain,
    Times,
    decoded_texts,
    flat_texts,
    flat_times,
    flat_whereabouts,
    may_be_cut,
    plain_times,
    records_of,
    time_field,
)
from detector.ingest.formats.syslog import looks_counted
from detector.ingest.formats.syslog import looks_like as is_syslog
from detector.ingest.kafka_records import Contents, Piece, kafka_time, record_id
from detector.ingest.line_continuation import lines_ending_in_digits
from detector.records.blocks import LONG_JSON
from detector.records.dead_letters import BAD_TIME, FUTURE_TIME, bad
from detector.records.log_records import JSON_LOG, whereabouts_of
from detector.records.timestamps import Bytes, Ints, Stamps, leading_stamps, line_starts
from detector.scan.leaks import Batch, RecordAt
from detector.scan.mask_spans import MaskSpan
from detector.values.events import MAX_FUTURE

RUN: Final = 256  # records decoded together: one of another shape slows only so many
_LOG: Final = b'"log"'
_SYSLOG_HEAD: Final = 24  # bytes by which its lines are told
_CRI_HEAD: Final = 128  # bytes of a line that tell its stream
_APART: Final = (b" stdout P", b" stderr P")  # lines that must be taken apart one by one
_OPENERS: Final = (ord("{"), ord("["))


class Segment(msgspec.Struct, frozen=True):
    """Texts of records joined by newlines. `starts` gives where each begins, and last where one more would.

    `made_of` are the pieces, if it was made of such; the texts of all stand before the rests of those that have one.
    With `as_read` the texts are the values of the records as they stand. `says` gives the message of one of the records,
    `whose` its task and stream, and `timed` its time; of them the `marked` may go on, if nobody has looked at that yet.
    """

    data: bytes
    starts: Callable[[], Ints]
    place: Callable[[int], Piece]  # of the text with that number; its own `text` is not looked at
    made_of: Sequence[Piece] | None = None
    as_read: bool = False
    says: Callable[[int], str] | None = None
    whose: Callable[[int], tuple[str | None, str | None]] | None = None
    timed: Callable[[int], int] | None = None
    marked: Sequence[int] = ()

    def index(self, offset: int) -> int:
        """The number of the text that holds a byte."""
        return int(np.searchsorted(self.starts()[:-1], offset, side="right")) - 1

    def pieces(self) -> list[Piece]:
        """The records, each by itself."""
        if self.made_of is not None:
            return list(self.made_of)
        starts = self.starts().tolist()
        return [
            msgspec.structs.replace(
                self.place(number), text=self.data[starts[number] : starts[number + 1] - 1]
            )
            for number in range(len(starts) - 1)
        ]


def of_pieces(pieces: Sequence[Piece]) -> Segment:
    """Pieces one after another, and behind them their rests."""
    texts = [piece.text for piece in pieces]
    rests = _with_rest(pieces)
    if not rests:
        edges = _edges(map(len, texts))
        return Segment(b"\n".join(texts), lambda: edges, pieces.__getitem__, pieces)
    texts += [pieces[number].rest for number in rests]
    whole = _edges(map(len, texts))

    def place(index: int) -> Piece:
        return pieces[index if index < len(pieces) else rests[index - len(pieces)]]

    return Segment(b"\n".join(texts), lambda: whole, place, pieces)


def _with_rest(pieces: Sequence[Piece]) -> list[int]:
    return [number for number, piece in enumerate(pieces) if piece.rest]


def _edges_of(texts: Sequence[str]) -> Callable[[], Ints]:
    """Where texts begin that are joined by newlines, found out when first asked for: most runs have nothing in them."""
    kept: list[Ints] = []

    def edges() -> Ints:
        if not kept:
            kept.append(_edges(len(text.encode("utf-8", "replace")) for text in texts))
        return kept[0]

    return edges


def _edges(sizes: Any) -> Ints:
    return np.fromiter(accumulate((size + 1 for size in sizes), initial=0), np.int64)


def batch_of(topic: str, partition: int, segments: Sequence[Segment]) -> Batch:
    """One batch of all segments; leaks in it are placed by partition and offset."""
    bases = list(accumulate((len(segment.data) + 1 for segment in segments), initial=0))

    def locate(offset: int) -> RecordAt:
        number = bisect_right(bases, offset, hi=len(segments)) - 1
        segment, base = segments[number], bases[number]
        index = segment.index(offset - base)
        starts, place = segment.starts(), segment.place(index)
        return RecordAt(
            start=base + int(starts[index]),
            end=base + int(starts[index + 1]) - 1,
            id=record_id(partition, place.offset, place.part),
            time=place.time,
            offset=place.offset,
            partition=partition,
            task_id=place.task_id,
            stream=place.stream,
        )

    return Batch(topic, b"\n".join(segment.data for segment in segments), locate)


def spans_of(segments: Sequence[Segment], veils: Iterable[MaskSpan]) -> list[tuple[int, int]]:
    """For each veil of the batch of all segments the first and the last offset of the records whose text it covers."""
    bases = list(accumulate((len(segment.data) + 1 for segment in segments), initial=0))
    spans: list[tuple[int, int]] = []
    for veil in veils:
        first = bisect_right(bases, veil.start, hi=len(segments)) - 1
        last = bisect_right(bases, veil.end - 1, hi=len(segments)) - 1
        covered: list[Piece] = []
        for number in range(first, last + 1):
            segment, base = segments[number], bases[number]
            low = segment.index(max(veil.start - base, 0))
            high = segment.index(min(veil.end - 1 - base, len(segment.data)))
            covered += map(segment.place, range(low, high + 1))
        spans.append(
            (
                min(piece.offset for piece in covered),
                max(piece.offset if piece.last is None else piece.last for piece in covered),
            )
        )
    return spans


def fast_segment(
    records: Sequence[Any],
    now: int,
    into: Contents,
    shapes: RecordClassifier = BUNDLED,
    *,
    joining: bool = False,
) -> Segment | None:
    """The text of records of one shape, none an event, part of a longer one or of a key; None if they are not such.

    With `joining` they may go on with what stands open: a split line.
    """
    if any(record.headers for record in records):
        return None
    try:
        values = [record.value for record in records]
        data = b"\n".join(values)
    except TypeError:
        return None  # a tombstone among them
    if data.count(b"\n") != len(values) - 1 or len(data) > LONG_JSON or KEY_BLOCK in data:
        return None
    run = _Run(records, data, line_starts(data), now, into)
    if len(run.starts) != len(records):
        return None
    return (
        run.flat(shapes)
        or run.docker(joining=joining)
        or run.logs(shapes, joining=joining)
        or run.text(joining=joining)
    )


def only_logs(records: Sequence[Any], shapes: RecordClassifier) -> bool:
    """Whether all are objects and none of them an event or a carrier, or all syslog's: halves are no better to read."""
    if any(record.headers or record.value is None for record in records):
        return False
    first = {record.value[:1] for record in records}
    if first == {b"<"}:
        return True
    return first == {b"{"} and not shapes.may_hold_event(b"\n".join(record.value for record in records))


def _has_syslog(padded: Bytes, starts: Ints, first: Bytes) -> bool:
    """Whether a line is a message of syslog: `<34>`, as RFC 3164 `Oct 11 22:14:15`, or counted, `12 <34>`."""
    likely = first == ord("<")
    letters = (first >= ord("A")) & (first <= ord("S"))
    if letters.any():
        spaced = (padded[starts + 3] == ord(" ")) & (padded[starts + 6] == ord(" "))
        likely |= letters & spaced & (padded[starts + 9] == ord(":"))
    dated = padded[starts + 4] == ord("-")  # as most lines are that begin with a digit
    if not dated.all():
        likely |= ~dated & (first >= ord("1")) & (first <= ord("9"))
    heads = (padded[start : start + _SYSLOG_HEAD].tobytes() for start in starts[likely].tolist())
    return any(is_syslog(head) or looks_counted(head) for head in heads)


class _Run:
    """Records of one line each, joined."""

    def __init__(self, records: Sequence[Any], data: bytes, starts: Ints, now: int, into: Contents) -> None:
        self._records = records
        self._data = data
        self.starts = starts
        self._now = now
        self._into = into

    def flat(self, shapes: RecordClassifier) -> Segment | None:
        """Log records of known fields only, their messages."""
        if shapes.may_be_flat(self._data):
            return None
        found: list[Flat] | None = records_of(self._data, self.starts, FLAT)
        if found is None:
            return None
        stamps = self._stamps(flat_times(found), lambda _: "time")
        self._into.count(JSON_LOG, len(found))
        texts = flat_texts(found, self._data)

        def whose(index: int) -> tuple[str | None, str | None]:
            return flat_whereabouts(found[index], shapes.named)

        return self._segment(texts, stamps, texts.__getitem__, whose)

    def docker(self, *, joining: bool) -> Segment | None:
        """Whole lines of Docker's json-file log."""
        if joining or _LOG not in self._records[0].value:
            return None
        found: list[Docker] | None = records_of(self._data, self.starts, DOCKER_LINE)
        if found is None or not all(record.stream and record.log.endswith("\n") for record in found):
            return None
        stamps = self._stamps(flat_times(found), lambda _: "time")
        self._into.count(DOCKER, len(found))
        texts = [record.log.removesuffix("\n") for record in found]

        def whose(index: int) -> tuple[str | None, str | None]:
            return None, found[index].stream

        return self._segment(texts, stamps, texts.__getitem__, whose)

    def logs(self, shapes: RecordClassifier, *, joining: bool) -> Segment | None:
        """Log records of any fields: as they stand, if there is no escape in them, else decoded."""
        data = self._data
        if joining or data[:1] != b"{" or may_be_cut(data, self.starts) or shapes.may_hold_event(data):
            return None
        found: list[Plain] | None = records_of(data, self.starts, PLAIN)
        if found is None or any(
            record.log is not None and is_docker(self._records[number].value)
            for number, record in enumerate(found)
        ):
            return None
        escaped = b"\\" in data
        texts = decoded_texts(data, self.starts) if escaped else None
        if escaped and texts is None:
            return None
        stamps = self._stamps(plain_times(found), lambda index: time_field(found[index]))
        self._into.count(JSON_LOG, len(found))

        def whose(index: int) -> tuple[str | None, str | None]:
            return whereabouts_of(self._records[index].value, shapes.named)

        def says(index: int) -> str:
            return found[index].says()

        return self._segment(texts, stamps, says, whose)

    def text(self, *, joining: bool) -> Segment | None:
        """Lines that are no JSON, those of CRI too if each is a whole record."""
        data, view = self._data, np.frombuffer(self._data + b"\n" * _SYSLOG_HEAD, np.uint8)
        first = view[self.starts]
        if np.isin(first, _OPENERS).any() or (first <= ord(" ")).any():
            return None
        if _has_syslog(view, self.starts, first):
            return None
        stamps = leading_stamps(data, self.starts)
        carried = len(stamps) and (b" stdout " in data or b" stderr " in data)
        if carried and (joining or any(mark in data for mark in _APART)):
            return None
        stamps = self._stamps(Times(stamps, []), lambda _: None)
        self._into.count(CRI if carried else TEXT, len(self._records))
        every = len(stamps) == len(self._records)

        def whose(index: int) -> tuple[str | None, str | None]:
            line = self._records[index].value[:_CRI_HEAD]
            parts = cri_parts(line) if carried and (every or stamps.exactly(index) is not None) else None
            return None, None if parts is None else parts[0]

        def says(index: int) -> str:
            line: bytes = self._records[index].value
            return (line.split(b" ", 3)[-1] if carried else line).decode("utf-8", "replace")

        return self._segment(None, stamps, says, whose)

    def _segment(
        self,
        texts: Sequence[str] | None,
        stamps: Stamps,
        says: Callable[[int], str],
        whose: Callable[[int], tuple[str | None, str | None]],
    ) -> Segment:
        """Of what the records say, or of them as they stand."""

        def timed(index: int) -> int:
            time = stamps.exactly(index)
            return kafka_time(self._records[index], self._now) if time is None else time

        def place(index: int) -> Piece:
            return Piece(b"", self._records[index].offset, timed(index), *whose(index))

        marked = lines_ending_in_digits(self._data, self.starts)
        if texts is None:
            return Segment(self._data, self._edges, place, None, True, says, whose, timed, marked)
        data = "\n".join(texts).encode("utf-8", "replace")
        return Segment(data, _edges_of(texts), place, None, False, says, whose, timed, marked)

    def _edges(self) -> Ints:
        return np.append(self.starts, len(self._data) + 1)

    def _stamps(self, times: Times, field: Callable[[int], str | None]) -> Stamps:
        for index, name in times.unread:
            self._into.dead(self._records[index], bad(BAD_TIME, name))
        kept, late = times.stamps.split(self._now + MAX_FUTURE)
        for index in late.tolist():
            self._into.dead(self._records[index], bad(FUTURE_TIME, field(index)))
        self._into.saw(kept.latest())
        return kept
