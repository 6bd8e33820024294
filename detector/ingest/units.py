"""Cuts sources into units of work: byte ranges of plain files cut at line ends, whole files of all else."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from detector.ingest.format_names import DIVISIBLE, TEXT
from detector.ingest.sources import Source
from detector.records.blocks import safe_cut
from detector.records.log_records import OpenLines
from detector.values.errors import BadRecordError

UNIT: Final = 16 * 1024 * 1024
_BEHIND: Final = 64 * 1024  # how far back an open key block is looked for; its first line may be long
_AHEAD: Final = 1024 * 1024  # how far on the rest of a line is looked for that shippers cut


class Unit(msgspec.Struct, frozen=True):
    """The bytes from `start` to `end` of the source at index `source`; the cuts depend on the file alone."""

    source: int
    start: int
    end: int


def units(sources: Sequence[Source], size: int = UNIT) -> Iterator[Unit]:
    """All of all sources, in order."""
    for index, source in enumerate(sources):
        if source.whole or source.format not in DIVISIBLE:
            yield Unit(index, 0, source.size)
            continue
        start = 0
        while source.size - start > size:
            try:
                cut = _cut(source, start, start + size)
            except BadRecordError:  # whoever reads the rest is told why
                break
            if cut >= source.size:
                break
            yield Unit(index, start, cut)
            start = cut
        yield Unit(index, start, source.size)


def _cut(source: Source, start: int, target: int) -> int:
    """The end of a line at or after `target`, or the start of a line before it if a key block is open there.

    Where a shipper's records say that they are parts of a line, the line is not cut either.
    """
    end = _line_end(source, target)
    behind = max(start, end - _BEHIND)
    window = b"".join(source.raw(behind, end))
    further = _joined_end(source, window, end) if source.format != TEXT else end
    if further != end:
        return further
    cut = safe_cut(window, len(window))
    return behind + cut if cut and behind + cut > start else end


def _joined_end(source: Source, window: bytes, end: int) -> int:
    """The end of the first line, at `end` or after it, at which no part of a line stands open; `end` if none does."""
    open_lines = OpenLines()
    for line in window.split(b"\n"):
        open_lines.take(line)
    at = end
    while open_lines and at < min(source.size, end + _AHEAD):
        after = _line_end(source, at)
        open_lines.take(b"".join(source.raw(at, after)).rstrip(b"\n"))
        at = after
    return end if open_lines else at


def _line_end(source: Source, target: int) -> int:
    at = target
    for chunk in source.raw(target, source.size):
        found = chunk.find(b"\n")
        if found >= 0:
            return at + found + 1
        at += len(chunk)
    return source.size
