"""JSON log records, one object a line. Whole blocks are decoded at once, which costs a tenth of line by line."""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Any, Final

import msgspec
import numpy as np

from detector.ingest.classify import RecordClassifier
from detector.ingest.formats import docker
from detector.ingest.formats.log_texts import (
    NUMBERED,
    Beside,
    LogTexts,
    Times,
    field_times,
    joined,
    line_edges,
    records_of,
    records_of_names,
)
from detector.records.literal_search import lines_with
from detector.records.log_records import (
    JSON_LOG,
    TIME_NAMES,
    Read,
    full_text,
    may_hide_text,
    whereabouts,
    whereabouts_of,
)
from detector.records.repeated_names import has_repeated_name, repeating_lines
from detector.records.shipper_fields import SPLIT, Named
from detector.records.timestamps import NO_STAMPS, Ints, line_span, log_time, stamps_of

_Time = str | int | float | None
_Whereabouts = Callable[[int], tuple[str | None, str | None]]


class _Flat(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A log record of known fields only: nearly every line of a big log."""

    message: str
    time: _Time = None
    task_id: str | None = None
    stream: str | None = None


class _Plain(msgspec.Struct, gc=False):
    """What is needed of any log record whose text is scanned as it stands; the times as `TIME_NAMES`."""

    message: Any = None
    time: _Time = None
    timestamp: _Time = None
    at_timestamp: _Time = msgspec.field(default=None, name="@timestamp")
    ts: _Time = None
    event_time: _Time = msgspec.field(default=None, name="eventTime")
    datetime: _Time = None
    date: _Time = None
    log: Any = None
    msg: Any = None
    journal: Any = msgspec.field(default=None, name="MESSAGE")


def _exactly(names: Sequence[str]) -> Any:
    """A decoder of records that have all of these fields and no others."""
    types = {field.name: field.type for field in msgspec.structs.fields(_Flat)}
    return msgspec.json.Decoder(
        msgspec.defstruct(
            "_Exactly",
            [(name, types[name]) for name in names],
            namespace=dict.fromkeys(types.keys() - set(names)),
            forbid_unknown_fields=True,
            gc=False,
        )
    )


_FLAT: Final = msgspec.json.Decoder(_Flat)
_FLAT_NAMES: Final = ("message", "time", "task_id", "stream")
# By the names that the records have. If all of them are there, only one of them can be there twice where there are
# more.
_EXACTLY: Final = {
    frozenset(("message", *others)): _exactly(("message", *others))
    for size in range(len(_FLAT_NAMES))
    for others in combinations(_FLAT_NAMES[1:], size)
}
_PLAIN: Final = msgspec.json.Decoder(_Plain)
_OBJECTS: Final = msgspec.json.Decoder(dict[str, Any])
_TIMES: Final = {
    name: next(field.name for field in msgspec.structs.fields(_Plain) if field.encode_name == name)
    for name in TIME_NAMES
}


def flat_block(data: bytes, starts: Ints, named: Named | None) -> LogTexts | None:
    """A block of records that have no fields but `message`, `time`, `task_id` and `stream`; None if it is not one.

    None also if a record has one of them twice, or text where a stream or a time should be. `named` is what a
    configuration says of the task of a log record.
    """
    records = records_of_names(data, starts, _EXACTLY)
    if records is None:
        records = records_of(data, starts, _FLAT)
        if records is None or repeating_lines(data, starts):
            return None
    messages = [record.message for record in records]
    if b"\\" in data:  # as a newline is written that shippers leave at the end of a message
        messages = [message.removesuffix("\n") for message in messages]

    def placed(index: int) -> tuple[str | None, str | None]:
        record = records[index]
        if named is None or record.task_id:
            return record.task_id or None, record.stream or None
        return whereabouts({"message": record.message, "stream": record.stream}, named)

    if any(may_hide_text("stream", stream) for stream in {record.stream for record in records} if stream):
        return None
    times = field_times([record.time for record in records], "time")
    if any(
        isinstance(written, str) and may_hide_text("time", written)
        for written in (records[index].time for index, _ in times.unread)
    ):
        return None

    def beside() -> Beside:
        fields = {each for record in records for each in (record.task_id, record.stream) if each}
        return Beside(fields, lines_with(NUMBERED, data, starts))

    text, edges = joined(messages)
    return LogTexts(JSON_LOG, text, edges, times, messages.__getitem__, placed, beside=beside)


def log_block(data: bytes, starts: Ints, named: Named | None, *, with_docker: bool = True) -> LogTexts | None:
    """A block of log records of any fields; None if it is not one, or a record may be part of a longer line.

    The lines are scanned as they stand if there is no escape in them, else decoded. A record of Docker's may count as
    one of them (`with_docker`) or not.
    """
    # A line as long as container runtimes cut lines may go on in another record.
    if len(data) > SPLIT and np.diff(starts, append=len(data)).max(initial=0) > SPLIT:
        return None
    records = records_of(data, starts, _PLAIN)
    if records is None:
        return None
    if not with_docker and any(
        record.log is not None and docker.says_stream(data[slice(*line_span(data, starts, index))])
        for index, record in enumerate(records)
    ):
        return None
    text, edges, as_read = data, line_edges(data, starts), b"\\" not in data
    if not as_read:
        objects = records_of(data, starts, _OBJECTS)
        if objects is None:
            return None
        texts = list(map(full_text, objects))
        for index in repeating_lines(data, starts):
            line = data[slice(*line_span(data, starts, index))].decode("utf-8", "replace")
            texts[index] = f"{texts[index]}\n{line}"
        text, edges = joined(texts)

    def placed(index: int) -> tuple[str | None, str | None]:
        start, end = line_span(data, starts, index)
        return whereabouts_of(data[start:end], named)

    def message(index: int) -> str:
        record = records[index]
        some = (record.message, record.msg, record.log, record.journal)
        return next((held.removesuffix("\n") for held in some if isinstance(held, str)), "")

    return LogTexts(JSON_LOG, text, edges, _times(records), message, placed, as_read)


def read_line(line: bytes, now: int, classifier: RecordClassifier, *, events: bool) -> Iterable[Read]:
    """What a line that begins as an object is: Docker's, or what the classifier says of it."""
    record = docker.record_of(line)
    if record is not None and record.stream is not None and not has_repeated_name(line):
        return (docker.read(record, now),)
    return classifier.read_object(line, now, events=events)


def _times(records: Sequence[_Plain]) -> Times:
    """The times of the records, each by the first of its time fields that is there."""
    for name, attribute in _TIMES.items():
        values = [getattr(record, attribute) for record in records]
        if None not in values:
            if name == "time":
                return field_times(values, name, lambda index: isinstance(records[index].message, str))
            return field_times(values, name)
        if any(value is not None for value in values):
            break
    else:
        return Times(NO_STAMPS)
    found: list[tuple[int, int]] = []
    unread: list[tuple[int, str]] = []
    for index, record in enumerate(records):
        field = _time_field(record)
        time = None if field is None else log_time(getattr(record, _TIMES[field]))
        if time is not None:
            found.append((index, time))
        elif field is not None and isinstance(record.message, str):
            unread.append((index, field))
    return Times(stamps_of(found), unread, lambda index: _time_field(records[index]))


def _time_field(record: _Plain) -> str | None:
    """The name of the field that a record has its time from."""
    return next((name for name, attribute in _TIMES.items() if getattr(record, attribute) is not None), None)
