"""Text, one record a line, with the time that a line begins with."""

from detector.ingest.format_names import TEXT
from detector.ingest.formats.log_texts import LogTexts, Times, line_edges
from detector.records.dead_letters import FUTURE_TIME, bad
from detector.records.log_records import LogText, Read
from detector.records.timestamps import Ints, leading_stamp, leading_stamps, line_span
from detector.values.errors import BadRecordError
from detector.values.events import MAX_FUTURE


def read(text: bytes, now: int) -> Read:
    """What a text gives."""
    time, error = usable_time(leading_stamp(text), now)
    return Read(TEXT, log=LogText(text, time), error=error)


def usable_time(time: int | None, now: int) -> tuple[int | None, BadRecordError | None]:
    """A time that is not in the future; else the error."""
    if time is not None and time > now + MAX_FUTURE:
        return None, bad(FUTURE_TIME)
    return time, None


def block(data: bytes, starts: Ints) -> LogTexts:
    """A block of lines as they stand."""

    def message(index: int) -> str:
        start, end = line_span(data, starts, index)
        return data[start:end].decode("utf-8", "replace")

    return LogTexts(
        TEXT, data, line_edges(data, starts), Times(leading_stamps(data, starts)), message, as_read=True
    )
