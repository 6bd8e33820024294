"""Lines of a stream that is passed on as it comes: which of them are parts of a longer line, or of a key."""

from typing import Final

from detector.ingest.formats import cri
from detector.ingest.formats.log_texts import KEY_BEGIN
from detector.records.literal_search import LiteralSearch
from detector.records.log_records import LogText
from detector.records.shipper_fields import PART_MARKS, SPLIT
from detector.records.timestamps import leading_stamp

_MARKS: Final = LiteralSearch((*cri.PART_MARKS, *PART_MARKS))
_BRACE: Final = b"{"
_HEAD: Final = 64  # bytes in which a runtime says what a line is


def texts_in(line: bytes) -> list[LogText]:
    """See `detector.ingest.values.log_texts`. All formats are imported when a line is first taken apart."""
    from detector.ingest.values import log_texts  # noqa: PLC0415 - most streams need none

    return log_texts(line)


def carries_key(data: bytes) -> bool:
    """Whether a key stands in what lines say that have to be taken apart for it."""
    at = data.find(KEY_BEGIN)
    while at >= 0:
        start = data.rfind(b"\n", 0, at) + 1
        head = data[start : min(start + _HEAD, at)]
        if head.lstrip()[:1] == _BRACE or (leading_stamp(head) is not None and cri.parts(head) is not None):
            return True
        at = data.find(KEY_BEGIN, at + 1)
    return False


def standing_open(data: bytes, end: int) -> int:
    """Where in data[:end], whole lines of which some `may_be_cut`, the first stands that is part of one without an end.

    `end` if there is none.
    """
    whole = data[:end]
    opened: dict[str, int] = {}
    at = 0
    for line in whole.split(b"\n")[:-1]:
        for log in texts_in(line):
            if log.channel is not None:
                if log.ends:
                    opened.pop(log.channel, None)
                else:
                    opened.setdefault(log.channel, at)
        at += len(line) + 1
    return min(opened.values(), default=end)


def may_be_cut(data: bytes) -> bool:
    """Whether a line may be part of a longer one: it says so, or is an object as long as runtimes cut lines."""
    if _MARKS.any_in(data) and (_BRACE in data or any(mark in data for mark in cri.PART_MARKS)):
        return True
    # A line of so many bytes covers one of the windows of half its size.
    window = SPLIT // 2
    for at in range(0, len(data) - window, window):
        if data.find(b"\n", at, at + window) < 0:
            start = data.rfind(b"\n", 0, at + 1) + 1
            if data[start : start + 1] == _BRACE and data.find(b"\n", start, start + SPLIT) < 0:
                return True
    return False
