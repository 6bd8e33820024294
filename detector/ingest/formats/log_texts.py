"""What a format makes of a whole block of lines: one log text for each line, known by its index.

Where a line stands is not known here. Files, Kafka and other inputs give the positions (`detector.ingest.positions`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from detector.records.dead_letters import BAD_TIME, FUTURE_TIME
from detector.records.log_times import RECORD
from detector.records.repeated_names import most_names
from detector.records.timestamps import (
    NO_STAMPS,
    Ints,
    Stamps,
    float_stamps,
    line_span,
    log_time,
    stamps_of,
    text_stamps,
)

_T = TypeVar("_T")
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
NUMBERED: Final = b"\\u"
"""It stands before the number of a character in a string of JSON."""

KEY_BEGIN: Final = b"-----BEGIN "
"""A key may stand over many lines: its block is read line by line."""


class Times(msgspec.Struct, frozen=True):
    """The times of the lines that have one; `unread` gives the index and field of a time that cannot be read.

    `field` names the field that a line has its time from.
    """

    stamps: Stamps
    unread: Sequence[tuple[int, str]] = ()
    field: Callable[[int], str | None] = lambda _: None

    def usable(self, limit: int) -> tuple[Stamps, list[tuple[int, str, str | None]]]:
        """The times up to `limit` (ns); and of each bad one the index, the reason and the field."""
        kept, late = self.stamps.split(limit)
        unread = [(index, BAD_TIME, name) for index, name in self.unread]
        return kept, [*unread, *((index, FUTURE_TIME, self.field(index)) for index in late.tolist())]


def nowhere(_: int) -> tuple[None, None]:
    """The task and the stream of a line of plain text."""
    return None, None


class Beside(msgspec.Struct, frozen=True):
    """What lines hold beside their texts: `fields`, and what can hide nothing.

    The texts stand in their lines with no more than a backslash before a character, but for the `numbered` lines, by
    index: in these a character may be written as its number.
    """

    fields: Collection[str]
    numbered: Sequence[int] | Ints


class Rests(msgspec.Struct, frozen=True):
    """What records say beside their texts, joined by newlines: where that of each of the `owners`, by index, begins."""

    data: bytes
    begins: Ints
    owners: Ints


class LogTexts(msgspec.Struct, frozen=True):
    """The log texts of a block, joined by newlines.

    `edges` gives where each begins, and last where one more would. With `as_read` the texts are the lines as they
    stand. `whereabouts` gives the task and the stream of a line, and `message` the text that may go on in the next
    line of its stream. `head` is how many bytes stand before the message in the text of a line. `origin` says whose
    the times are. `beside` is what else the lines hold, where that is known. `marked` are the lines that may go on in
    the next one of their stream, as far as that is known. `keys` has a number for each line, the same for lines of
    one stream and hardly for others (`flat_records.stream_key`). Where the lines are of several formats, `counts`
    says how many are of each, and `origins` whose time each has. `rests` is what is scanned beside the texts.
    """

    format: str
    data: bytes
    edges: Callable[[], Ints]
    times: Times
    message: Callable[[int], str]
    whereabouts: Callable[[int], tuple[str | None, str | None]] = nowhere
    as_read: bool = False
    head: Callable[[int], int] | None = None
    origin: str = RECORD
    beside: Callable[[], Beside] | None = None
    marked: Sequence[int] = ()
    keys: Ints | None = None
    counts: Mapping[str, int] | None = None
    origins: Callable[[int], str] | None = None
    rests: Rests | None = None


def line_edges(data: bytes, starts: Ints) -> Callable[[], Ints]:
    """The edges of lines as they stand.

    They are made when first asked for, and kept: text full of leaks asks for each.
    """
    kept: list[Ints] = []

    def edges() -> Ints:
        if not kept:
            kept.append(np.append(starts, len(data) + (not data.endswith(b"\n"))))
        return kept[0]

    return edges


def joined(texts: Sequence[str], *, ended: bool = False) -> tuple[bytes, Callable[[], Ints]]:
    """Texts joined by newlines, and their edges, which are found when first asked for: few blocks have a leak in them.

    The texts are `ended` if each has a newline of its own at its end.
    """
    kept: list[Ints] = []

    def edges() -> Ints:
        if not kept:
            in_ascii = all(map(str.isascii, texts))
            sizes = map(len, texts if in_ascii else [text.encode("utf-8", "replace") for text in texts])
            ends = np.cumsum(np.fromiter(sizes, np.int64, len(texts)) + (not ended))
            kept.append(np.concatenate((np.zeros(1, np.int64), ends)))
        return kept[0]

    text = "".join(texts)[:-1] if ended else "\n".join(texts)
    return text.encode("utf-8", "replace"), edges


def records_of(data: bytes, starts: Ints, decoder: "msgspec.json.Decoder[_T]") -> list[_T] | None:
    """The JSON records of a block, one for each line; None if it is not made of such lines.

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


def records_of_names(data: bytes, starts: Ints, decoders: Mapping[frozenset[str], Any]) -> list[Any] | None:
    """The JSON records of a block in which every line has the same names as the first, each of them once.

    `decoders` has, by the names, a decoder for records that have all of them and no others. None if it has none, or the
    block may be another.
    """
    try:
        first = _OBJECT.decode(data[slice(*line_span(data, starts, 0))]) if len(starts) else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    decoder = decoders.get(frozenset(first))
    if decoder is None or most_names(data) != len(starts) * len(first):
        return None
    return records_of(data, starts, decoder)


def field_times(values: Sequence[Any], name: str, strict: Callable[[int], bool] = lambda _: True) -> Times:
    """The times in the field `name` of the records of a block, many at once if all are of one style.

    `strict` tells whether a time of that record which cannot be read is an error.
    """
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
    return Times(stamps, unread, lambda _: name)
