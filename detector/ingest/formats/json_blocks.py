"""Whole blocks of JSON log lines at once: records of known fields only, and records without an escape in them."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec
import numpy as np

from detector.ingest.file_ranges import Give, Locate, Range, Watch, line_span
from detector.ingest.line_continuation import lines_ending_in_digits
from detector.records.dead_letters import BAD_TIME, bad
from detector.records.log_records import JSON_LOG, TIME_NAMES, said, whereabouts, whereabouts_of
from detector.records.shipper_fields import SPLIT, Named
from detector.records.timestamps import (
    NO_STAMPS,
    Ints,
    Stamps,
    float_stamps,
    log_time,
    stamps_of,
    text_stamps,
)
from detector.scan.leaks import RecordAt

_Time = str | int | float | None
_T = TypeVar("_T")


class Flat(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A log record of known fields only: nearly every line of a big log."""

    message: str
    time: _Time = None
    task_id: str | None = None
    stream: str | None = None


class Timed(Protocol):
    """A record with a time."""

    @property
    def time(self) -> _Time:
        """As it stands in it."""


class Plain(msgspec.Struct, gc=False):
    """What of any log record is needed if its text is scanned as it stands; the times as `TIME_NAMES`."""

    message: Any = None
    time: _Time = None
    timestamp: _Time = None
    at_timestamp: _Time = msgspec.field(default=None, name="@timestamp")
    ts: _Time = None
    event_time: _Time = msgspec.field(default=None, name="eventTime")
    datetime: _Time = None
    date: _Time = None
    log: Any = None  # what Docker's lines have, which may be parts
    msg: Any = None
    journal: Any = msgspec.field(default=None, name="MESSAGE")

    def says(self) -> str:
        """Its message, by any of its names."""
        some = (self.message, self.msg, self.log, self.journal)
        return next((text.removesuffix("\n") for text in some if isinstance(text, str)), "")


FLAT: Final = msgspec.json.Decoder(Flat)
PLAIN: Final = msgspec.json.Decoder(Plain)
_OBJECTS: Final = msgspec.json.Decoder(dict[str, Any])
KEY_BLOCK: Final = b"-----BEGIN "
_TIMES: Final = {
    name: next(field.name for field in msgspec.structs.fields(Plain) if field.encode_name == name)
    for name in TIME_NAMES
}


def records_of(data: bytes, starts: Ints, decoder: "msgspec.json.Decoder[_T]") -> list[_T] | None:
    """The records of a block, one for each line, or None if it is not made of such lines.

    Every line begins with `{` and ends with `}`. In JSON no `}` is followed by a `{`, and no string has a newline in
    it, so each line begins a value; with as many values as lines, each line is one.
    """
    view = np.frombuffer(data, np.uint8)
    ends = np.append(starts[1:], len(data) + (not data.endswith(b"\n"))) - 2
    if (
        not len(starts)
        or ends[-1] < 0
        or not (view[starts] == ord("{")).all()
        or not (view[ends] == ord("}")).all()
    ):
        return None
    try:
        records = decoder.decode_lines(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return records if len(records) == len(starts) else None


def read_flat(  # noqa: PLR0913, PLR0917 - where the block stands, and who takes it
    data: bytes, starts: Ints, reading: Range, before: int, give: Give, watch: Watch
) -> bool:
    """Gives a block of records of known fields only, decoded; False if it is not one.

    `before` lines of the range stand before it.
    """
    if KEY_BLOCK in data:  # it may have lines of other streams in it
        return False
    records = records_of(data, starts, FLAT)
    if records is None:
        return False
    marked = lines_ending_in_digits(data, starts)
    stamps = _read(flat_times(records), reading, before)
    texts = flat_texts(records, data)
    text = "\n".join(texts).encode("utf-8", "replace")
    named = reading.shapes.named

    def placed(index: int) -> tuple[str | None, str | None]:
        return flat_whereabouts(records[index], named)

    give(text, joined_locator(texts, 1, stamps, placed, reading, before))
    watch(
        marked,
        range(before + 1, before + 1 + len(records)),
        texts.__getitem__,
        placed,
        timer(stamps, reading),
    )
    reading.passed(stamps)
    reading.count(JSON_LOG, len(records), len(data))
    return True


def flat_texts(records: Sequence[Flat], data: bytes) -> list[str]:
    """What records of known fields only say, without the newline that shippers leave at the end; `data` are their lines."""
    if b"\\" in data:
        return [record.message.removesuffix("\n") for record in records]
    return [record.message for record in records]


def flat_whereabouts(record: Flat, named: Named | None) -> tuple[str | None, str | None]:
    """The task and the stream of a record of known fields only."""
    if named is None or record.task_id:
        return record.task_id or None, record.stream or None
    return whereabouts({"message": record.message, "stream": record.stream}, named)


def read_plain(  # noqa: PLR0913, PLR0917 - where the block stands, and who takes it
    data: bytes, starts: Ints, reading: Range, before: int, give: Give, watch: Watch
) -> bool:
    """Gives a block of log records as it stands if no line has an escape in it; False if it is not one.

    `before` lines of the range stand before it.
    """
    # A key block over many lines would have the names and braces between them in it; a line as long as runtimes cut
    # them may go on in another record.
    if b"\\" in data or KEY_BLOCK in data or may_be_cut(data, starts):
        return False
    records = records_of(data, starts, PLAIN)
    if records is None:
        return False
    marked = lines_ending_in_digits(data, starts)
    stamps = _read(plain_times(records), reading, before)
    inherited, named = reading.inherited, reading.shapes.named

    def locate(offset: int) -> RecordAt:
        index = int(np.searchsorted(starts, offset, side="right")) - 1
        time, span = stamps.before(index), line_span(data, starts, index)
        time = inherited if time is None else time
        return reading.at(span, before + index + 1, time, *whereabouts_of(data[span[0] : span[1]], named))

    def placed(index: int) -> tuple[str | None, str | None]:
        start, end = line_span(data, starts, index)
        return whereabouts_of(data[start:end], named)

    give(data, locate)
    watch(
        marked,
        range(before + 1, before + 1 + len(records)),
        lambda index: records[index].says(),
        placed,
        timer(stamps, reading),
    )
    reading.passed(stamps)
    reading.count(JSON_LOG, len(records), len(data))
    return True


def read_decoded(  # noqa: PLR0913, PLR0917 - where the block stands, and who takes it
    data: bytes, starts: Ints, reading: Range, before: int, give: Give, watch: Watch
) -> bool:
    """Gives a block of log records decoded, each all that it says; False if it is not one.

    `before` lines of the range stand before it.
    """
    if KEY_BLOCK in data or may_be_cut(data, starts):
        return False
    records = records_of(data, starts, PLAIN)
    texts = None if records is None else decoded_texts(data, starts)
    if records is None or texts is None:
        return False
    marked = lines_ending_in_digits(data, starts)
    stamps, named = _read(plain_times(records), reading, before), reading.shapes.named

    def placed(index: int) -> tuple[str | None, str | None]:
        start, end = line_span(data, starts, index)
        return whereabouts_of(data[start:end], named)

    give(
        "\n".join(texts).encode("utf-8", "replace"),
        joined_locator(texts, 1, stamps, placed, reading, before),
    )
    watch(
        marked,
        range(before + 1, before + 1 + len(records)),
        lambda index: records[index].says(),
        placed,
        timer(stamps, reading),
    )
    reading.passed(stamps)
    reading.count(JSON_LOG, len(records), len(data))
    return True


def timer(stamps: Stamps, reading: Range) -> Callable[[int], int | None]:
    """What gives the time of a record of a block by its number."""
    inherited = reading.inherited

    def timed(index: int) -> int | None:
        time = stamps.before(index)
        return inherited if time is None else time

    return timed


def decoded_texts(data: bytes, starts: Ints) -> list[str] | None:
    """What the records of a block say, one for each line; None if it is not made of such lines."""
    found = records_of(data, starts, _OBJECTS)
    return None if found is None else list(map(said, found))


def may_be_cut(data: bytes, starts: Ints) -> bool:
    """Whether a line is so long that a container runtime may have cut what it holds."""
    if len(data) <= SPLIT:
        return False
    return bool(np.diff(starts, append=len(data)).max(initial=0) > SPLIT)


class Times(NamedTuple):
    """The times of records, and of those whose time cannot be read the index and the name of the field."""

    stamps: Stamps
    unread: list[tuple[int, str]]


def _read(times: Times, reading: Range, before: int) -> Stamps:
    """The times that can be used; the others are dead letters."""
    for index, name in times.unread:
        reading.dead(bad(BAD_TIME, name), before + index + 1)
    return reading.stamped(times.stamps, lambda index: before + index + 1)


def flat_times(records: Sequence[Timed]) -> Times:
    """The times of records of known fields only."""
    return _times([record.time for record in records], "time")


def plain_times(records: Sequence[Plain]) -> Times:
    """The times of the records, each by the first of its time fields that is there."""
    for name, attribute in _TIMES.items():
        values = [getattr(record, attribute) for record in records]
        if None not in values:
            strict = (lambda index: isinstance(records[index].message, str)) if name == "time" else _always
            return _times(values, name, strict)
        if any(value is not None for value in values):
            break
    else:
        return Times(NO_STAMPS, [])
    found: list[tuple[int, int]] = []
    unread: list[tuple[int, str]] = []
    for index, record in enumerate(records):
        name = time_field(record) or ""
        time = log_time(getattr(record, _TIMES[name])) if name else None
        if time is not None:
            found.append((index, time))
        elif name and isinstance(record.message, str):
            unread.append((index, name))
    return Times(stamps_of(found), unread)


def time_field(record: Plain) -> str | None:
    """The name of the field that a record has its time from."""
    return next((name for name, attribute in _TIMES.items() if getattr(record, attribute) is not None), None)


def _always(_index: int) -> bool:
    return True


def _times(values: Sequence[Any], name: str, strict: Callable[[int], bool] = _always) -> Times:
    """The times of a block, many at once if all are of one style; `strict` says whose bad time is an error."""
    stamps: Stamps | None = NO_STAMPS
    unread: list[tuple[int, str]] = []
    if isinstance(values[0], str):
        try:
            stamps = text_stamps(values)
        except TypeError:  # not all of them are texts
            stamps = text_stamps([value if isinstance(value, str) else "" for value in values])
    elif isinstance(values[0], float) and all(isinstance(value, float) for value in values):
        stamps = float_stamps(np.array(values, np.float64))
    if stamps is None or len(stamps) < len(values):
        found: list[tuple[int, int]] = []
        for index, value in enumerate(values):
            time = None if value is None else log_time(value)
            if time is not None:
                found.append((index, time))
            elif value is not None and strict(index):
                unread.append((index, name))
        stamps = stamps_of(found)
    return Times(stamps, unread)


def joined_locator(  # noqa: PLR0913, PLR0917 - all that places a record, and no less
    texts: Sequence[str],
    between: int,
    stamps: Stamps,
    placed: Callable[[int], tuple[str | None, str | None]],
    reading: Range,
    before: int,
) -> Locate:
    """Places in `texts` joined with `between` bytes; `placed` gives a record's task and stream."""
    inherited = reading.inherited
    edges: list[Ints] = []  # made when first asked for: most batches have nothing in them

    def locate(offset: int) -> RecordAt:
        if not edges:
            sizes = map(len, texts)
            if not all(map(str.isascii, texts)):
                sizes = map(len, [text.encode("utf-8", "replace") for text in texts])
            ends = np.cumsum(np.fromiter(sizes, np.int64, len(texts)) + between)
            edges.append(np.concatenate((np.zeros(1, np.int64), ends)))
        starts = edges[0]
        index = int(np.searchsorted(starts[:-1], offset, side="right")) - 1
        time = stamps.before(index)
        task_id, stream = placed(index)
        span = int(starts[index]), int(starts[index + 1]) - 1
        return reading.at(span, before + index + 1, inherited if time is None else time, task_id, stream)

    return locate
