"""What lines of a log say that is passed on as it comes, and which of them stand open: whatever writes them, by looking."""

from typing import Final

from detector.ingest.classify import BUNDLED
from detector.ingest.formats.containers import cri_parts, docker_record
from detector.records.blocks import LONG_JSON
from detector.records.literal_search import LiteralSearch
from detector.records.log_records import LogText
from detector.records.shipper_fields import PART_MARKS, SPLIT
from detector.records.timestamps import leading_stamp

_CUT_MARKS: Final = (b" stdout P", b" stderr P")
_MARKS: Final = LiteralSearch((*_CUT_MARKS, *PART_MARKS))
_KEY_BLOCK: Final = b"-----BEGIN "
_BRACE: Final = b"{"
_FAR: Final = 1 << 62  # no time is later
_HEAD: Final = 64  # bytes in which a runtime says what a line is


def said_on(line: bytes) -> list[LogText]:
    """What a line says, without what is around it: CRI's, Docker's, a shipper's, a log record in JSON, or text."""
    body = line.rstrip(b"\r")
    if body.lstrip()[:1] == _BRACE and len(body) <= LONG_JSON:
        docker = docker_record(body)
        if docker is not None and docker.stream is not None:
            text = docker.log.encode("utf-8", "replace")
            ends = text.endswith(b"\n")
            return [LogText(text.removesuffix(b"\n"), stream=docker.stream, channel=docker.stream, ends=ends)]
        reads = BUNDLED.read_object(body, _FAR, events=False)
        return [read.log for read in reads if read.log is not None]
    parts = None if leading_stamp(body) is None else cri_parts(body)
    if parts is None:
        return [LogText(body)]
    stream, ends, text = parts
    return [LogText(text, stream=stream, channel=stream, ends=ends)]


def carries_key(data: bytes) -> bool:
    """Whether a key stands in what lines say that have to be taken apart for it."""
    at = data.find(_KEY_BLOCK)
    while at >= 0:
        start = data.rfind(b"\n", 0, at) + 1
        head = data[start : min(start + _HEAD, at)]
        if head.lstrip()[:1] == _BRACE or (leading_stamp(head) is not None and cri_parts(head) is not None):
            return True
        at = data.find(_KEY_BLOCK, at + 1)
    return False


def standing_open(data: bytes, end: int) -> int:
    """Where in data[:end], whole lines of which some `may_be_cut`, the first stands that is part of one without an end.

    `end` if there is none.
    """
    whole = data[:end]
    opened: dict[str, int] = {}
    at = 0
    for line in whole.split(b"\n")[:-1]:
        for log in said_on(line):
            if log.channel is not None:
                if log.ends:
                    opened.pop(log.channel, None)
                else:
                    opened.setdefault(log.channel, at)
        at += len(line) + 1
    return min(opened.values(), default=end)


def may_be_cut(data: bytes) -> bool:
    """Whether a line may be part of a longer one: it says so, or is an object as long as runtimes cut lines."""
    if _MARKS.any_in(data) and (_BRACE in data or any(mark in data for mark in _CUT_MARKS)):
        return True
    for at in range(0, len(data) - SPLIT, SPLIT):
        if data.find(b"\n", at, at + SPLIT) < 0:
            start = data.rfind(b"\n", 0, at + 1) + 1
            if data[start : start + 1] == _BRACE:
                return True
    return False
