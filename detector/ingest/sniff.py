"""Tells the format of a file by looking at its first lines. What a line inside it looks like changes nothing."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import re2

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.format_names import (
    CRI,
    DOCKER,
    DOCUMENT,
    GITHUB_LOG,
    GITLAB_TRACE,
    JSON_LINES,
    OTLP_PROTO,
    SYSLOG,
    SYSLOG_COUNTED,
    TEXT,
)
from detector.ingest.formats.github_log import looks_like as is_github_log
from detector.ingest.formats.gitlab_trace import looks_like as is_trace
from detector.ingest.formats.otlp import looks_like as is_otlp
from detector.ingest.formats.syslog import looks_counted
from detector.ingest.formats.syslog import looks_like as is_syslog
from detector.records.blocks import BLOCK
from detector.records.log_records import MESSAGE_NAMES, TIME_NAMES
from detector.records.shipper_fields import is_shipped

HEAD: Final = BLOCK  # bytes that are looked at
_LINES: Final = 32
# Control characters but those that logs have: backspace to carriage return, and escape. Random bytes have a tenth.
_CONTROLS: Final = bytes({*range(0x20), 0x7F} - {*range(0x08, 0x0E), 0x1B})
_MOST_CONTROLS: Final = 0.05
_CRI_LINE = re2.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}(?:Z|[+-][0-9]{2}:[0-9]{2}) (?:stdout|stderr) [PF](?::[^ ]*)? "
)
_DOCKER_NAMES: Final = frozenset({"log", "stream", "time", "attrs"})
_ANY: Final = msgspec.json.Decoder()
_OBJECTS: Final = msgspec.json.Decoder(dict[str, Any] | list[dict[str, Any]])
_TRUNCATED: Final = object()
_SEVERAL: Final = object()  # values one after another on one line
_DOCUMENTS: Final = (
    b'"Records"',
    b'"total_count"',
)  # what begins a file of CloudTrail and a page of GitHub's API


def looks_binary(head: bytes) -> bool:
    """Whether bytes that are of no known format are no text: too many of them control what no log controls."""
    return len(head) - len(head.translate(None, _CONTROLS)) > len(head) * _MOST_CONTROLS


def sniff(head: bytes, *, complete: bool, classifier: RecordClassifier = BUNDLED) -> str:
    """The format of a file that begins with `head`; `complete` if that is all of it."""
    return OTLP_PROTO if is_otlp(head) else _of_lines(head, classifier, complete=complete)


def _of_lines(head: bytes, classifier: RecordClassifier, *, complete: bool) -> str:
    lines = head.split(b"\n")
    if not complete:
        last = lines.pop()  # cut in the middle, most likely
        if not lines:
            return _one_long_line(last, classifier)
    lines = [line.strip() for line in lines if line.strip()][:_LINES]
    if not lines:
        return TEXT
    values = [_parsed(line) for line in lines]
    first = values[0]
    objects = [value for value in values if isinstance(value, dict)]
    cut = first is _TRUNCATED
    if isinstance(first, list) or first is _SEVERAL or (cut and lines[0].startswith(b"[")):
        return DOCUMENT if classifier.may_hold_event(head) else TEXT
    begun = sum(line.startswith(b"{") for line in lines)
    if objects and 2 * begun > len(lines) and not (cut and 2 * len(objects) < len(lines)):
        return _json_lines(objects[0], lines[0], classifier)
    if cut:
        return DOCUMENT if classifier.may_hold_event(head) or (complete and _is_record(head)) else TEXT
    return _of_text(head, lines)


def _of_text(head: bytes, lines: Sequence[bytes]) -> str:
    """What log of text it is, by most of its lines."""
    if looks_counted(head):
        return SYSLOG_COUNTED
    if 2 * sum(_CRI_LINE.match(line + b" ") is not None for line in lines) > len(lines):
        return CRI
    if 2 * sum(map(is_github_log, lines)) > len(lines):
        return GITHUB_LOG
    if 2 * sum(map(is_trace, lines)) > len(lines):
        return GITLAB_TRACE
    return SYSLOG if 2 * sum(map(is_syslog, lines)) > len(lines) else TEXT


def _is_record(data: bytes) -> bool:
    """Whether data is a log record written over many lines, or several."""
    try:
        values = _ANY.decode_lines(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    first = values[0] if values else None
    if not isinstance(first, dict) or not any(isinstance(first.get(name), str) for name in MESSAGE_NAMES):
        return False
    return is_shipped(first) or any(name in first for name in TIME_NAMES)


def _json_lines(first: dict[str, Any], line: bytes, classifier: RecordClassifier) -> str:
    if "log" in first and "stream" in first and _DOCKER_NAMES.issuperset(first):
        return DOCKER
    if isinstance(first.get("Records"), list) and classifier.may_hold_event(line):
        return DOCUMENT
    return JSON_LINES


def _one_long_line(line: bytes, classifier: RecordClassifier) -> str:
    start = line.lstrip()
    if start[:1] not in (b"{", b"["):
        return TEXT
    if start.startswith(b"[") or start[1:].lstrip().startswith(_DOCUMENTS):
        return DOCUMENT if classifier.may_hold_event(line) else TEXT
    return JSON_LINES


def _parsed(line: bytes) -> Any:
    if line[:1] not in (b"{", b"["):
        return None
    try:
        return _ANY.decode(line)
    except msgspec.DecodeError as error:
        if "truncated" in str(error):
            return _TRUNCATED
        return _SEVERAL if _is_several(line) else None
    except (UnicodeDecodeError, RecursionError):
        return None


def _is_several(line: bytes) -> bool:
    """Whether a line is objects or arrays of them one after another, as pages of an API are kept."""
    try:
        return len(_OBJECTS.decode_lines(line)) > 1
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
