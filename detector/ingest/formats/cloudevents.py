"""Whole blocks of canonical events at once: an issuer's registry may hold a million of them.

`detector.adapters.cloudevents` reads one event and says what is wrong with it. Here a block is decoded in one go, and
its times and hex digits are checked together. If anything in it is wrong, the block is left to be read line by line.
"""

import re  # over single classes
from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import Any, Final, Literal

import msgspec
import numpy as np

from detector.adapters.cloudevents import DATA_TYPES, EventBuilder, Text
from detector.ingest.classify import CLOUDEVENTS, RecordClassifier
from detector.ingest.formats.log_texts import records_of
from detector.records.markers import Markers
from detector.records.repeated_names import repeating_lines
from detector.records.shipper_fields import LOGGED_MARKS
from detector.records.timestamps import Ints, leading_by_numpy, line_span, line_starts
from detector.values.errors import BadRecordError
from detector.values.events import MAX_FUTURE, CanonicalEvent

_MARK: Final = b'"specversion"'
# Such a line may be a shipper's record, or have names in escapes, which only a decoder reads.
_DOUBTFUL: Final = Markers((*LOGGED_MARKS, rb"\u"))
_PAD: Final = b"\n" * 64  # more than a time is long
_HEX = re.compile(r"[0-9a-f]*")


class _Envelope(msgspec.Struct, gc=False, kw_only=True, tag_field="type"):
    specversion: Literal["1.0"]
    id: Text
    source: Text
    time: Text
    data_base64: str | None = None


_EVENT: Final[Any] = reduce(
    or_,
    (
        msgspec.defstruct(
            data.__name__, [("data", data)], bases=(_Envelope,), gc=False, kw_only=True, tag=name
        )
        for name, data in DATA_TYPES.items()
    ),
)
_EVENTS: Final["msgspec.json.Decoder[Any]"] = msgspec.json.Decoder(_EVENT)


def events_of(
    data: bytes, starts: Ints, classifier: RecordClassifier, now: int
) -> list[CanonicalEvent] | None:
    """The events of a block, one for each line; None if it is not made of such lines, all of them right.

    `starts` are the lines', `now` is the wall clock (ns).
    """
    first = slice(*line_span(data, starts, 0)) if len(starts) else slice(0)
    if _MARK not in data[first]:
        return None
    try:
        if repeating_lines(data, starts):
            return None
        _single(data[first], classifier, now)
        envelopes = records_of(data, starts, _EVENTS)
        if envelopes is None:
            return None
        events = _built(envelopes, now + MAX_FUTURE)
        for index in _doubtful(data):
            events[index] = _single(data[slice(*line_span(data, starts, index))], classifier, now)
    except (ValueError, BadRecordError):
        return None
    return events


def _single(line: bytes, classifier: RecordClassifier, now: int) -> CanonicalEvent:
    """The event that a line is by itself.

    Raises:
        ValueError: it is none.
    """
    found = list(classifier.read_object(line, now))
    if len(found) != 1 or found[0].format != CLOUDEVENTS or len(found[0].events) != 1:
        raise ValueError("no event")
    return found[0].events[0]


def _doubtful(data: bytes) -> list[int]:
    if not _DOUBTFUL.stand_in(data):
        return []
    return [index for index, line in enumerate(data.split(b"\n")) if _DOUBTFUL.stand_in(line)]


def _nanos(texts: list[str]) -> Iterator[int]:
    """The times as nanoseconds.

    Raises:
        ValueError: one of them is none.
    """
    joined = "\n".join(texts).encode()
    starts = line_starts(joined)
    # Without compiled code: loaded into each process of the first pass, it would take more memory than it saves time.
    stamps = leading_by_numpy(np.frombuffer(joined + _PAD, np.uint8), starts, whole=True)
    if not len(stamps) == len(starts) == len(texts):
        raise ValueError("no time")
    return stamps.all()


def _built(envelopes: list[Any], limit: int) -> list[CanonicalEvent]:
    """The events, none later than `limit` (ns). Texts that stand in many of them are held once.

    Raises:
        ValueError, BadRecordError: something is wrong with one of them.
    """
    shared: dict[str, str] = {}
    hex_texts: list[str] = []
    share, of = shared.setdefault, EventBuilder(shared.setdefault, hex_texts.append).of
    dues = _nanos([due for each in envelopes if (due := each.data.due)])
    times = _nanos([each.time for each in envelopes])
    events = [
        of[type(each.data)](
            each.data, time, share(each.source, each.source), each.id, next(dues) if each.data.due else None
        )
        for each, time in zip(envelopes, times, strict=True)
    ]
    if max(event.time for event in events) > limit:
        raise ValueError("in the future")
    if _HEX.fullmatch("".join(hex_texts)) is None:
        raise ValueError("no hex digits")
    return events
