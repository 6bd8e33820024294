"""Cuts sources into units of work: byte ranges of plain files cut at line ends, whole files of all else."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, overload

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


class Units(Sequence[Unit]):
    """Some units, 24 bytes each: of a million files there are a million at least."""

    def __init__(self, some: Iterable[Unit] = ()) -> None:
        self._sources, self._starts, self._ends = array("q"), array("q"), array("q")
        for unit in some:
            self.append(unit)

    def append(self, unit: Unit) -> None:
        """Takes one more."""
        self._sources.append(unit.source)
        self._starts.append(unit.start)
        self._ends.append(unit.end)

    def cut_off(self, first: int) -> None:
        """Leaves out those from the one at index `first` on."""
        for column in (self._sources, self._starts, self._ends):
            del column[first:]

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, index: int) -> Unit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Unit]: ...
    def __getitem__(self, index: int | slice) -> Unit | Sequence[Unit]:
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        return Unit(self._sources[index], self._starts[index], self._ends[index])

    def __iter__(self) -> Iterator[Unit]:
        return map(Unit, self._sources, self._starts, self._ends)


def bytes_of(some: Iterable[Unit]) -> int:
    """The bytes of some units."""
    return sum(unit.end - unit.start for unit in some)


def units(sources: Sequence[Source], size: int = UNIT) -> Iterator[Unit]:
    """All of all sources, in order."""
    for index, source in enumerate(sources):
        if source.cuts is not None:
            for start, end in pairwise((0, *source.cuts, source.size)):
                yield Unit(index, start, end)
            continue
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
