"""The scanner: Hyperscan says where something may be, each regex where it is, the checks whether it is one.

    data ── pieces ──▶ prefilter ──▶ regions of each pattern ──▶ matches ──▶ keywords ──▶ checks ──▶ the best of those that overlap

The result depends on the data alone, not on how it was cut into pieces and windows (see `detector.patterns.regexes`).
"""

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from detector.patterns.database_cache import DatabaseCache
from detector.patterns.detect_secrets_plugins import Plugin
from detector.patterns.pattern import Pattern, distinct
from detector.patterns.prefilter import Expression, Prefilter
from detector.patterns.regexes import MAX_MATCH
from detector.scan.pattern_matcher import REACH, Match, Rank, Region, Source, line_around, regions_around
from detector.values.secrets import Secret

__all__ = ["PIECE", "REACH", "Match", "PatternScanner", "PluginSource", "line_around"]

PIECE: Final = 256 << 10  # bytes scanned at once


class PluginSource:
    """A detect-secrets plugin, searched for like a pattern of our own."""

    __slots__ = ("order", "pattern", "plugin")

    wide: Final = False

    def __init__(self, plugin: Plugin, order: int) -> None:
        self.plugin = plugin
        self.pattern = plugin.pattern
        self.order = order

    def expressions(self) -> list[Expression]:
        """What the prefilter looks for."""
        return self.plugin.expressions()

    def may_be_in(self, lowered: bytes) -> bool:
        """Plugins have no keywords: only their regexes tell."""
        return bool(lowered)

    def matches(self, data: bytes, view: Any, regions: Sequence[Region], searched: object) -> Iterator[Match]:
        """What the plugin and detect-secrets' filters see in the regions."""
        del view, searched
        for region in regions:
            for start, end in sorted(set(self.plugin.spans(data, *region))):
                yield Match(start, end, self.pattern, Secret(data[start:end]))

    def rank(self, match: Match) -> Rank:
        """As of our own patterns, and after them."""
        return self.pattern.generic, True, True, match.start - match.end, self.order


class PatternScanner:
    """Finds what the patterns describe. Threads and forked processes may share one.

    `plugins` are detect-secrets plugins that take part; `silenced` is SHA-1 of secrets, in lower-case hex, that a
    user has audited: whichever pattern sees them, they are passed over. `cache` keeps what was compiled.

    Raises:
        ConfigError: two patterns have one id.
    """

    def __init__(
        self,
        patterns: Iterable[Pattern],
        plugins: Iterable[Plugin] = (),
        silenced: frozenset[str] = frozenset(),
        cache: DatabaseCache | None = None,
    ) -> None:
        own, others = tuple(patterns), tuple(plugins)
        self.patterns = distinct([*own, *(plugin.pattern for plugin in others)])
        self._silenced = silenced
        self._sources: list[Source | PluginSource] = [Source(pattern, n) for n, pattern in enumerate(own)]
        self._sources += [PluginSource(plugin, n) for n, plugin in enumerate(others, start=len(own))]
        # Patterns that say the same of a text (ten are of a JSON Web Token) are looked for once.
        wanted: dict[Expression, list[int]] = {}
        for number, source in enumerate(self._sources):
            for expression in source.expressions():
                wanted.setdefault(expression, []).append(number)
        self._sources_of = list(wanted.values())
        self._prefilter = Prefilter(list(wanted), cache or DatabaseCache())

    def scan(self, data: bytes) -> list[Match]:
        """The secrets in `data`, any number of lines, left to right, none overlapping."""
        regions = self._regions(data)
        if not regions:
            return []
        view = np.frombuffer(data, np.uint8)
        candidates: list[tuple[Rank, Match]] = []
        searched: dict[Any, Any] = {}
        for number, found in regions.items():
            source = self._sources[number]
            matches = source.matches(data, view, list(_merged(found)), searched)
            candidates.extend((source.rank(match), match) for match in matches)
        best = _best(candidates)
        return [match for match in best if not self._is_silenced(match.secret)] if self._silenced else best

    def count_refusals(self) -> Counter[tuple[str, str]]:
        """Counts from now on what checks refuse, by pattern and check; to be called before the first scan, once.

        Of plugins it is not known.
        """
        counts: Counter[tuple[str, str]] = Counter()
        for source in self._sources:
            if isinstance(source, Source):
                source.count_refusals(counts)
        return counts

    def _is_silenced(self, secret: Secret) -> bool:
        digest = hashlib.sha1(secret.reveal(), usedforsecurity=False)  # what detect-secrets' baselines hold
        return digest.hexdigest() in self._silenced

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
            for expression, places in hits.found.items():
                around = {
                    wide: regions_around(data, places, wide=wide)
                    for wide in {self._sources[number].wide for number in self._sources_of[expression]}
                }
                for number in self._sources_of[expression]:
                    regions.setdefault(number, []).extend(around[self._sources[number].wide])
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


def _best(candidates: Iterable[tuple[Rank, Match]]) -> list[Match]:
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
