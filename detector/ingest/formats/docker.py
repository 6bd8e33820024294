"""Docker's json-file logs: one object a line. Its `log` ends in a newline unless the line goes on in the next."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from detector.ingest.format_names import DOCKER
from detector.ingest.formats.log_texts import (
    LogTexts,
    Times,
    field_times,
    joined,
    records_of,
    records_of_names,
)
from detector.records.dead_letters import BAD_TIME, FUTURE_TIME, bad
from detector.records.log_records import LogText, Read
from detector.records.log_times import CARRIER
from detector.records.repeated_names import repeating_lines
from detector.records.timestamps import Ints, log_time, text_stamps
from detector.values.events import MAX_FUTURE

_LOG: Final = b'"log"'


class DockerRecord(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A line of a json-file log."""

    log: str
    stream: str | None = None
    time: str | None = None
    attrs: Any = None

    def text(self, time: int | None) -> LogText:
        """Its text, written at `time`."""
        log = self.log
        ends = log.endswith("\n")
        text = log.removesuffix("\n").encode("utf-8", "replace")
        channel = self.stream or ""
        return LogText(text, time, stream=self.stream, channel=channel, ends=ends, origin=CARRIER)


class _Exactly(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A line as Docker writes it unless it is told to add attributes."""

    log: str
    stream: str | None
    time: str | None


_RECORDS: Final = msgspec.json.Decoder(DockerRecord)
_EXACTLY: Final = {frozenset(_Exactly.__struct_fields__): msgspec.json.Decoder(_Exactly)}


def record_of(line: bytes) -> DockerRecord | None:
    """The record on a line; None if it is of another form."""
    if _LOG not in line:
        return None
    try:
        return _RECORDS.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read(record: DockerRecord, now: int) -> Read:
    """What a record gives where only its form says that it is Docker's."""
    time = None if record.time is None else log_time(record.time)
    error = None
    if record.time is not None and time is None:
        error = bad(BAD_TIME, "time")
    elif time is not None and time > now + MAX_FUTURE:
        time, error = None, bad(FUTURE_TIME, "time")
    return Read(DOCKER, log=record.text(time), error=error)


def says_stream(line: bytes) -> bool:
    """Whether a line is of a json-file log and says its stream, and so may be part of a longer line."""
    record = record_of(line)
    return record is not None and record.stream is not None


def rfc3339_times(records: Sequence[DockerRecord | None]) -> Times:
    """The times of records as Docker writes them; what is in another style counts as no time."""
    return Times(text_stamps([(record.time if record is not None else None) or "" for record in records]))


def block(data: bytes, starts: Ints, *, known: bool) -> LogTexts | None:
    """A block of whole records, none of which has a name twice; None if it is not one.

    In a file that is `known` to be Docker's a record need not say its stream.
    """
    if not known and _LOG not in data[: starts[1] if len(starts) > 1 else len(data)]:
        return None
    records = records_of_names(data, starts, _EXACTLY)
    if records is None:
        records = records_of(data, starts, _RECORDS)
        if records is None or repeating_lines(data, starts):
            return None
    if not (known or all(record.stream for record in records)):
        return None
    logs = [record.log for record in records]
    if not all(log.endswith("\n") for log in logs):
        return None
    times = rfc3339_times(records) if known else field_times([record.time for record in records], "time")
    text, edges = joined(logs, ended=True)
    return LogTexts(
        DOCKER,
        text,
        edges,
        times,
        lambda index: logs[index][:-1],
        lambda index: (None, records[index].stream),
        origin=CARRIER,
    )
