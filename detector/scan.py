"""The scanner: Hyperscan says where something may be, google-re2 where it is, the checks whether it is one.

    data ── pieces ──▶ prefilter ──▶ regions of each pattern ──▶ matches ──▶ keywords ──▶ checks ──▶ the best of those that overlap

The result depends on the data alone, not on how it was cut into pieces and windows (see `detector.regexes`).
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from detector.checks import Check, NotPlaceholder, Sighting
from detector.patterns import Pattern, distinct
from detector.prefilter import Expression, Prefilter, around
from detector.regexes import MAX_MATCH, Regex
from detector.secrets import Secret

PIECE: Final = 256 << 10  # bytes scanned at once
REACH: Final = 4 << 10  # bytes of a long line, either side of a match, in which a keyword counts

Region = tuple[int, int]


class Match(msgspec.Struct, frozen=True):
    """A secret that stands in data[start:end]."""

    start: int
    end: int
    pattern: Pattern
    secret: Secret


class Source:
    """One pattern, ready to be searched for."""

    __slots__ = ("checks", "keywords", "order", "pattern", "regex")

    def __init__(self, pattern: Pattern, order: int) -> None:
        self.pattern = pattern
        self.order = order
        self.regex = Regex(pattern.regex, multiline=pattern.multiline)
        self.keywords = tuple(word.encode() for word in pattern.keywords)
        built: list[Check] = [spec.build() for spec in pattern.checks]
        self.checks = tuple(built if pattern.placeholder_ok else [NotPlaceholder(), *built])

    def expressions(self) -> list[Expression]:
        """What the prefilter looks for: the regex; of one that spans lines, a keyword."""
        regex = None if self.pattern.multiline else self.pattern.regex.encode()
        return [Expression(regex, self.keywords)]

    def may_be_in(self, lowered: bytes) -> bool:
        """Whether a keyword is in that text, which is in lower case."""
        return not self.keywords or any(word in lowered for word in self.keywords)

    def region(self, data: bytes, at: int) -> Region:
        """Where to search because of a hit at `at`."""
        low, high, long = around(data, at)
        if long or self.pattern.multiline:
            return max(0, low - MAX_MATCH), min(len(data), high + MAX_MATCH)
        return low, high

    def matches(self, data: bytes, region: Region) -> Iterator[Match]:
        """What is in the region and passes keywords and checks."""
        for (match_start, match_end), (start, end) in self.regex.matches(data, *region):
            line = _context(data, match_start, match_end)
            seen = Sighting(data[start:end], data[match_start:match_end], line)
            if self.may_be_in(line.lower()) and all(check(seen) for check in self.checks):
                yield Match(start, end, self.pattern, Secret(seen.secret))

    def rank(self, match: Match) -> tuple[bool, bool, int, int]:
        """Smaller is better: not generic, proven, longer, earlier in the files."""
        return self.pattern.generic, not self.pattern.proven, match.start - match.end, self.order


class PatternScanner:
    """Finds what the patterns describe. Threads and forked processes may share one.

    Raises:
        ConfigError: two patterns have one id.
    """

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._sources = [Source(pattern, order) for order, pattern in enumerate(distinct(patterns))]
        pairs = [(number, e) for number, source in enumerate(self._sources) for e in source.expressions()]
        self._source_of = [number for number, _ in pairs]
        self._prefilter = Prefilter([expression for _, expression in pairs])

    def scan(self, data: bytes) -> list[Match]:
        """The secrets in `data`, any number of lines, left to right, none overlapping."""
        regions = self._regions(data)
        candidates: list[tuple[tuple[bool, bool, int, int], Match]] = []
        for number, found in regions.items():
            source = self._sources[number]
            for region in _merged(found):
                candidates.extend((source.rank(match), match) for match in source.matches(data, region))
        return _best(candidates)

    def _regions(self, data: bytes) -> dict[int, list[Region]]:
        """Where to search for each source, by its number."""
        regions: dict[int, list[Region]] = {}
        flood: tuple[Region, set[int]] | None = None
        for start, end in _pieces(data):
            hits = self._prefilter.scan(data, start, end)
            if hits.flooded:
                # Pieces in a row are one region: matches that adjoin each other all along depend on the first.
                (low, _), numbers = flood or ((start, end), set())
                flood = (low, end), numbers | self._in_flood(data, start, end)
                continue
            if flood is not None:
                _add(regions, *flood)
                flood = None
            for expression, at in hits.found:
                number = self._source_of[expression]
                _add(regions, self._sources[number].region(data, at), (number,))
        if flood is not None:
            _add(regions, *flood)
        return regions

    def _in_flood(self, data: bytes, start: int, end: int) -> set[int]:
        """The sources that may have a match which touches data[start:end]."""
        lowered = data[max(0, start - MAX_MATCH - REACH) : end + MAX_MATCH + REACH].lower()
        return {number for number, source in enumerate(self._sources) if source.may_be_in(lowered)}


def _add(regions: dict[int, list[Region]], region: Region, numbers: Iterable[int]) -> None:
    for number in numbers:
        regions.setdefault(number, []).append(region)


def _pieces(data: bytes) -> Iterator[Region]:
    """Whole lines up to `PIECE` bytes; a longer line in pieces that overlap by more than a match."""
    start, size = 0, len(data)
    while start < size:
        if size - start <= PIECE:
            yield start, size
            return
        cut = data.rfind(b"\n", start, start + PIECE) + 1
        if cut > start:
            yield start, cut
            start = cut
            continue
        line_end = data.find(b"\n", start + PIECE)
        line_end = size if line_end < 0 else line_end + 1
        while line_end - start > PIECE:
            yield start, start + PIECE
            start += PIECE - 2 * MAX_MATCH
        yield start, line_end
        start = line_end


def _merged(regions: Sequence[Region]) -> Iterator[Region]:
    """The regions in order, those that touch or overlap made one."""
    ordered = iter(sorted(set(regions)))
    low, high = next(ordered)
    for start, end in ordered:
        if start <= high:
            high = max(high, end)
        else:
            yield low, high
            low, high = start, end
    yield low, high


def _context(data: bytes, start: int, end: int) -> bytes:
    """The line around data[start:end], or so much of it as is within `REACH`."""
    low = data.rfind(b"\n", max(0, start - REACH), start) + 1
    high = data.find(b"\n", end, end + REACH)
    return data[low or max(0, start - REACH) : high if high >= 0 else end + REACH]


def _best(candidates: Iterable[tuple[tuple[bool, bool, int, int], Match]]) -> list[Match]:
    """Of matches that overlap, the best; then the best of those that do not overlap it, and so on."""
    starts: list[int] = []
    taken: list[Match] = []
    for _, match in sorted(candidates, key=lambda ranked: (ranked[0], ranked[1].start)):
        at = bisect_left(starts, match.end)
        if at and taken[at - 1].end > match.start:
            continue
        starts.insert(at, match.start)
        taken.insert(at, match)
    return taken
