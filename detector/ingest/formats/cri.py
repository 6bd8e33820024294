"""CRI logs, as Kubernetes keeps them: `<RFC 3339> <stdout|stderr> <P|F>[:tag] <text>`. A P line goes on in the next."""

from typing import Final

from detector.ingest.format_names import CRI
from detector.ingest.formats.log_texts import LogTexts, Times, line_edges
from detector.ingest.formats.text import usable_time
from detector.records.log_records import LogText, Read
from detector.records.log_times import CARRIER
from detector.records.timestamps import Ints, leading_stamp, leading_stamps, line_span

PART_MARKS: Final = (b" stdout P", b" stderr P")
"""One of these is in every line that is not whole."""

STREAM_MARKS: Final = (b" stdout ", b" stderr ")
_STREAMS: Final = (b"stdout", b"stderr")
_HEAD: Final = 128  # bytes in which what stands before the text is looked for


def parts(line: bytes) -> tuple[str, bool, bytes] | None:
    """Stream, whether the text ends here, and text of a line; the time before them is not looked at."""
    head = line.split(b" ", 3)
    if len(head) == 4 and head[1] in _STREAMS and head[2][:1] in (b"P", b"F"):  # noqa: PLR2004 - the four parts
        return head[1].decode(), head[2][:1] == b"F", head[3]
    return None


def log_text(line: bytes, time: int | None) -> LogText:
    """The text of a line of a file that is known to be CRI; a line of another form is all text."""
    found = parts(line)
    if found is None:
        return LogText(line, time)
    stream, ends, text = found
    return LogText(text, time, stream=stream, channel=stream, ends=ends, origin=CARRIER)


def read_line(line: bytes, now: int) -> Read | None:
    """What a line gives; None if its form does not say that it is CRI's."""
    stamp = leading_stamp(line)
    if stamp is None or parts(line) is None:
        return None
    time, error = usable_time(stamp, now)
    return Read(CRI, log=log_text(line, time), error=error)


def block(data: bytes, starts: Ints, times: Times | None = None) -> LogTexts:
    """A block of whole lines, scanned as they stand.

    With `times` a line is known as CRI's by its form alone, and is one only if it has a time.
    """
    known = times is None
    times = times or Times(leading_stamps(data, starts))
    stamps = times.stamps

    def found(index: int) -> tuple[str, bool, bytes] | None:
        start, end = line_span(data, starts, index)
        told = known or stamps.exactly(index) is not None
        return parts(data[start : min(end, start + _HEAD)]) if told else None

    def whereabouts(index: int) -> tuple[None, str | None]:
        told = found(index)
        return None, None if told is None else told[0]

    def head(index: int) -> int:
        told = found(index)
        start, end = line_span(data, starts, index)
        return 0 if told is None else min(end - start, _HEAD) - len(told[2])

    def message(index: int) -> str:
        start, end = line_span(data, starts, index)
        return data[start:end].split(b" ", 3)[-1].decode("utf-8", "replace")

    return LogTexts(CRI, data, line_edges(data, starts), times, message, whereabouts, True, head, CARRIER)
