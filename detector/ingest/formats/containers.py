"""Logs as container runtimes keep them: CRI (Kubernetes) and Docker's json-file, with split lines joined again.

CRI: `<RFC 3339> <stdout|stderr> <P|F>[:tag] <content>`, a P line goes on in the next one of its stream. Docker: one
JSON object a line, whose `log` ends in a newline unless it goes on. A joined record has the place and time of its
first part.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from detector.ingest.file_assembler import Joiner
from detector.ingest.file_ranges import Range, line_span
from detector.ingest.format_names import CRI, DOCKER, TEXT
from detector.ingest.formats.json_blocks import KEY_BLOCK, joined_locator, records_of, timer
from detector.ingest.formats.text import TextReader, own_time
from detector.ingest.line_continuation import lines_ending_in_digits
from detector.records.blocks import LONG_JSON, blocks
from detector.records.dead_letters import TOO_LARGE, bad
from detector.records.log_records import LogText
from detector.records.timestamps import Stamps, leading_stamps, line_starts, text_stamps
from detector.scan.leaks import Batch, RecordAt

_HEAD: Final = 64  # bytes of a line of CRI before its text
_STREAMS: Final = (b"stdout", b"stderr")
_MARKS: Final = (b" stdout P", b" stderr P", KEY_BLOCK)  # lines that must be taken apart one by one


class Docker(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A line of a json-file log."""

    log: str
    stream: str | None = None
    time: str | None = None
    attrs: Any = None


DOCKER_LINE: Final = msgspec.json.Decoder(Docker)
_LOG: Final = b'"log"'


def read_cri(chunks: Iterable[bytes], reading: Range) -> None:
    """Hands on every record of a CRI log; a line of another form is a line of text."""
    joiner, text = Joiner(reading), TextReader(reading)
    try:
        for block in blocks(chunks):
            if block.part:
                text.take(block)
                continue
            data = block.data
            starts = line_starts(data)
            found = leading_stamps(data, starts)
            stamps = reading.stamped(found, lambda index: reading.lines + index + 1)
            if joiner or any(mark in data for mark in _MARKS):
                _cri_lines(data, stamps, reading, joiner)
            else:
                joiner.pieces.flush()
                _cri_block(data, starts, stamps, reading, joiner)
            reading.count(CRI, len(starts), len(data))
            reading.lines += len(starts) - (not data.endswith(b"\n"))
    finally:
        joiner.end()


def _cri_lines(data: bytes, stamps: Stamps, reading: Range, joiner: Joiner) -> None:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for index, line in enumerate(lines):
        number, time = reading.lines + index + 1, stamps.exactly(index)
        parts = cri_parts(line)
        if parts is not None:
            stream, ends, text = parts
            joiner.take(LogText(text, time, stream=stream, channel=stream, ends=ends), number)
        else:
            joiner.take(LogText(line, time), number)


def cri_parts(line: bytes) -> tuple[str, bool, bytes] | None:
    """Stream, whether the record ends here, and text of a line of CRI; the time before them is not looked at."""
    head = line.split(b" ", 3)
    if len(head) == 4 and head[1] in _STREAMS and head[2][:1] in (b"P", b"F"):  # noqa: PLR2004 - the four parts
        return head[1].decode(), head[2][:1] == b"F", head[3]
    return None


def _cri_block(data: bytes, starts: Any, stamps: Stamps, reading: Range, joiner: Joiner) -> None:
    """A block of whole records only: scanned as it is, a record's text begins after its third space."""
    before, inherited = reading.lines, reading.inherited

    def locate(offset: int) -> RecordAt:
        index = int(np.searchsorted(starts, offset, side="right")) - 1
        start, end = line_span(data, starts, index)
        head = data[start : min(end, start + 128)].split(b" ", 3)
        stream = None
        if len(head) == 4 and head[1] in _STREAMS:  # noqa: PLR2004 - the four parts
            text = start + sum(len(part) + 1 for part in head[:3])
            stream, start = head[1].decode(), min(text, offset)
        time = stamps.before(index)
        return reading.at((start, end), before + index + 1, inherited if time is None else time, None, stream)

    reading.sink.batch(Batch(reading.name, data, locate))
    joiner.watch(
        lines_ending_in_digits(data, starts),
        range(before + 1, before + 1 + len(starts)),
        lambda index: (
            data[slice(*line_span(data, starts, index))].split(b" ", 3)[-1].decode("utf-8", "replace")
        ),
        lambda index: (None, _stream_of(data[starts[index] : starts[index] + _HEAD])),
        timer(stamps, reading),
    )
    reading.passed(stamps)


def _stream_of(head: bytes) -> str | None:
    words = head.split(b" ", 2)
    return words[1].decode() if len(words) > 1 and words[1] in _STREAMS else None


def read_docker(chunks: Iterable[bytes], reading: Range) -> None:
    """Hands on every record of a json-file log; a line of another form is what it looks like, but no event."""
    joiner, text = Joiner(reading), TextReader(reading)
    try:
        for block in blocks(chunks, LONG_JSON):
            if block.part:
                if block.part == 1:
                    reading.dead(bad(TOO_LARGE), reading.lines + 1)
                text.take(block)
                continue
            _docker_lines(block.data, reading, joiner)
            reading.lines += block.data.count(b"\n")
    finally:
        joiner.end()


def _docker_lines(data: bytes, reading: Range, joiner: Joiner) -> None:
    if not joiner and KEY_BLOCK not in data and _docker_block(data, reading, joiner):
        return
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    records = [docker_record(line) for line in lines]
    times = _docker_times([record.time if record is not None else None for record in records], reading)
    for index, record in enumerate(records):
        number, line = reading.lines + index + 1, lines[index]
        if record is not None:
            reading.count(DOCKER, 1, len(line) + 1)
            text = record.log.encode("utf-8", "replace")
            ends = text.endswith(b"\n")
            text, time, stream = text.removesuffix(b"\n"), times.exactly(index), record.stream
            joiner.take(LogText(text, time, stream=stream, channel=stream or "", ends=ends), number)
        elif line.strip():
            _other_line(line, number, reading, joiner)


def _docker_times(times: Sequence[str | None], reading: Range) -> Stamps:
    stamps = text_stamps([time or "" for time in times])
    return reading.stamped(stamps, lambda index: reading.lines + index + 1)


def _docker_block(data: bytes, reading: Range, joiner: Joiner) -> bool:
    """Hands on a block of whole records at once; False if it is not one."""
    starts, before = line_starts(data), reading.lines
    records = records_of(data, starts, DOCKER_LINE)
    if records is None or not all(record.log.endswith("\n") for record in records):
        return False
    joiner.pieces.flush()
    texts = [record.log for record in records]
    stamps = _docker_times([record.time for record in records], reading)

    def placed(index: int) -> tuple[None, str | None]:
        return None, records[index].stream

    locate = joined_locator(texts, 0, stamps, placed, reading, before)
    reading.sink.batch(Batch(reading.name, "".join(texts).encode("utf-8", "replace"), locate))
    joiner.watch(
        lines_ending_in_digits(data, starts),
        range(before + 1, before + 1 + len(texts)),
        lambda index: texts[index][:-1],
        placed,
        timer(stamps, reading),
    )
    reading.passed(stamps)
    reading.count(DOCKER, len(records), len(data))
    return True


def docker_record(line: bytes) -> Docker | None:
    """The record on a line of a json-file log."""
    if _LOG not in line:
        return None
    try:
        return DOCKER_LINE.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_docker(line: bytes) -> bool:
    """Whether a line is a json-file log's that says its stream, and so may be part of a longer one."""
    record = docker_record(line)
    return record is not None and record.stream is not None


def _other_line(line: bytes, number: int, reading: Range, joiner: Joiner) -> None:
    if line.lstrip()[:1] != b"{":
        reading.count(TEXT, 1, len(line) + 1)
        joiner.take(LogText(line, own_time(line, reading, number)), number)
        return
    for read in reading.shapes.read_object(line, reading.now, events=False):
        reading.count(read.format, 1, len(line) + 1)
        if read.error is not None:
            reading.dead(read.error, number)
        if read.log is not None:
            joiner.take(read.log, number)
