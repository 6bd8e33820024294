"""The scanner: Hyperscan finds lines that may hold a secret, regexes find the matches, checks confirm them.

    data ── pieces ──▶ prefilter ──▶ each pattern's regions ──▶ matches ──▶ keywords ──▶ checks ──▶ the best of overlaps

The result depends only on the data, not on the pieces and windows it is cut into (see `detector.patterns.regexes`).
"""

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np

from detector.patterns.database_cache import DatabaseCache
from detector.patterns.deferred_plugins import Plugin
from detector.patterns.pattern import Pattern, distinct
from detector.patterns.prefilter import Expression, Prefilter
from detector.patterns.regexes import MAX_MATCH
from detector.scan.names.named_values import NamedMatcher
from detector.scan.pattern_matcher import (
    REACH,
    Match,
    PatternMatcher,
    Rank,
    Region,
    line_around,
    merged_regions,
    regions_around,
)
from detector.values.findings import Confidence
from detector.values.secrets import Secret

Regions: TypeAlias = dict[int, Any]
"""By the number of a matcher, rows (start, end) in order that do not touch."""

__all__ = ["PIECE", "REACH", "Match", "PatternScanner", "PluginMatcher", "line_around"]

PIECE: Final = 256 << 10  # bytes scanned at once
_MUCH: Final = 64 << 10  # bytes for which a database of its own is loaded
_PART: Final = 48 << 10  # bytes of crowded text that are searched before the next are
_MANY: Final = 32  # regions, from which on it is asked whether text is crowded
_CROWDED: Final = 4  # text is, if one pattern has to be looked for in so large a part of it


class PluginMatcher:
    """Searches for what a detect-secrets plugin finds, like `PatternMatcher` for a pattern."""

    __slots__ = ("order", "pattern", "plugin")

    wide: Final = False

    def __init__(self, plugin: Plugin, order: int) -> None:
        self.plugin = plugin
        self.pattern = plugin.pattern
        self.order = order

    def expressions(self) -> list[Expression]:
        """What the prefilter looks for."""
        return self.plugin.expressions()

    def matches(self, data: bytes, view: Any, regions: Any, searched: object) -> Iterator[Match]:
        """The matches of the plugin that detect-secrets' filters let pass."""
        del view, searched
        for region in regions.tolist():
            for start, end in sorted(set(self.plugin.spans(data, *region))):
                yield Match(start, end, self.pattern, Secret(data[start:end]))

    def rank(self, match: Match) -> Rank:
        """As for patterns of our own, but after them."""
        return self.pattern.generic, True, True, match.start - match.end, self.order


class PatternScanner:
    """Finds what the patterns describe. Threads and forked processes may share one.

    `plugins` are detect-secrets plugins. `silenced` holds the SHA-1, in lower-case hex, of secrets that a user has
    audited: they are ignored, whichever pattern finds them. `cache` keeps the compiled database. Of what only its
    name gives away, matches of less than `confidence` are left out.

    Raises:
        ConfigError: two patterns have one id.
    """

    def __init__(
        self,
        patterns: Iterable[Pattern],
        plugins: Iterable[Plugin] = (),
        silenced: frozenset[str] = frozenset(),
        cache: DatabaseCache | None = None,
        confidence: Confidence = Confidence.MEDIUM,
    ) -> None:
        own, others = tuple(patterns), tuple(plugins)
        self.patterns = distinct([*own, *(plugin.pattern for plugin in others)])
        self._silenced = silenced
        self._matchers: list[PatternMatcher | NamedMatcher | PluginMatcher] = [
            PatternMatcher(pattern, n) if pattern.named is None else NamedMatcher(pattern, n, confidence)
            for n, pattern in enumerate(own)
        ]
        self._matchers += [PluginMatcher(plugin, n) for n, plugin in enumerate(others, start=len(own))]
        # Patterns with the same expression (ten find JSON Web Tokens) share one search.
        wanted: dict[Expression, list[int]] = {}
        for number, matcher in enumerate(self._matchers):
            for expression in matcher.expressions():
                wanted.setdefault(expression, []).append(number)
        self._matchers_of = list(wanted.values())
        self._specific_of = [
            [number for number in numbers if not self._matchers[number].pattern.generic]
            for numbers in self._matchers_of
        ]
        self._expressions = list(wanted)
        self._cache = cache or DatabaseCache()
        self._prefilter = Prefilter(self._expressions, self._cache)

    def scan(self, data: bytes, *, generic: bool = True) -> list[Match]:
        """The secrets in `data`, from left to right, none overlapping. `data` may have any number of lines.

        What `generic` patterns find, the names among them, may be left out. It hides nothing that others find.
        """
        return self._unsilenced(_best(self._candidates(data, generic=generic)))

    def scan_first(self, data: bytes, most: int) -> tuple[list[Match], int]:
        """The secrets in whole lines at the beginning of `data`, and where these lines end.

        They are all lines, unless more than `most` different secrets stand in fewer.
        """
        regions = self._regions(data, *self._asked(len(data), generic=True))
        candidates: list[tuple[Rank, Match]] = []
        secrets: set[bytes] = set()
        for end, part in _parts(data, regions):
            found = self._candidates_in(data, part)
            candidates += found
            secrets.update(match.secret.reveal() for _, match in found if not match.pattern.generic)
            if len(secrets) > most and end < len(data):
                best = self._unsilenced(_best(candidates))
                if len({match.secret.reveal() for match in best if not match.pattern.generic}) > most:
                    return best, end
        return self._unsilenced(_best(candidates)), len(data)

    def finders(self, data: bytes) -> set[str]:
        """The ids of the patterns that find something in `data`, though another may win over it."""
        return {match.pattern.id for _, match in self._candidates(data)}

    def count_refusals(self) -> Counter[tuple[str, str]]:
        """Counts from now on what checks refuse, by pattern and check. Call it once, before the first scan.

        Plugins are not counted.
        """
        counts: Counter[tuple[str, str]] = Counter()
        for matcher in self._matchers:
            if isinstance(matcher, PatternMatcher):
                matcher.count_refusals(counts)
        return counts

    def _unsilenced(self, found: list[Match]) -> list[Match]:
        return [match for match in found if not self._is_silenced(match.secret)] if self._silenced else found

    def _is_silenced(self, secret: Secret) -> bool:
        digest = hashlib.sha1(secret.reveal(), usedforsecurity=False)  # what detect-secrets' baselines hold
        return digest.hexdigest() in self._silenced

    @cached_property
    def _specific(self) -> tuple[Prefilter, list[list[int]]]:
        """A prefilter of what is not generic alone, and who asked for each expression.

        It is three times as fast in hostile text.
        """
        wanted = [
            each for each in zip(self._expressions, self._specific_of, strict=True) if each[1]
        ]  # made when there is much to search for the first time
        return Prefilter([expression for expression, _ in wanted], self._cache), [of for _, of in wanted]

    def _asked(self, size: int, *, generic: bool) -> tuple[Prefilter, list[list[int]]]:
        """The prefilter for so many bytes, and which matchers asked for each of its expressions."""
        if generic:
            return self._prefilter, self._matchers_of
        return self._specific if size >= _MUCH else (self._prefilter, self._specific_of)

    def _candidates(self, data: bytes, *, generic: bool = True) -> list[tuple[Rank, Match]]:
        return self._candidates_in(data, self._regions(data, *self._asked(len(data), generic=generic)))

    def _candidates_in(self, data: bytes, regions: Regions) -> list[tuple[Rank, Match]]:
        if not regions:
            return []
        view = np.frombuffer(data, np.uint8)
        candidates: list[tuple[Rank, Match]] = []
        searched: dict[Any, Any] = {}
        for number, found in regions.items():
            matcher = self._matchers[number]
            matches = matcher.matches(data, view, found, searched)
            candidates.extend((matcher.rank(match), match) for match in matches)
        return candidates

    def _regions(self, data: bytes, prefilter: Prefilter, matchers_of: Sequence[Sequence[int]]) -> Regions:
        """The regions to search. `matchers_of` are those of each expression."""
        regions: dict[int, list[Any]] = {}
        for start, end in _pieces(data):
            for expression, places in prefilter.scan(data, start, end).items():
                around = {
                    wide: regions_around(data, places, wide=wide)
                    for wide in {self._matchers[number].wide for number in matchers_of[expression]}
                }
                for number in matchers_of[expression]:
                    regions.setdefault(number, []).append(around[self._matchers[number].wide])
        merged: dict[tuple[int, ...], Any] = {}  # of matchers that asked for the same expressions it is one
        found: Regions = {}
        for number, some in regions.items():
            which = tuple(map(id, some))
            if which not in merged:
                merged[which] = merged_regions(some)
            found[number] = merged[which]
        return found


def _parts(data: bytes, regions: Regions) -> Iterator[tuple[int, Regions]]:
    """The regions of some whole lines after the other, with the end of these lines.

    All at once, unless they are crowded.
    """
    size = len(data)
    many = [rows for rows in regions.values() if len(rows) >= _MANY] if size > _PART else []
    if any(_CROWDED * int(np.diff(rows).sum()) > size for rows in many):
        every = merged_regions(list(regions.values()))
        starts, ends = every[1:, 0], every[:-1, 1]
        begin = 0
        while size - begin > _PART and (at := int(starts.searchsorted(begin + _PART))) < len(starts):
            end = data.rfind(b"\n", int(ends[at]), int(starts[at])) + 1
            if end <= begin:  # they are parts of one line
                break
            yield end, _between(regions, begin, end)
            begin = end
        regions = _between(regions, begin, size)
    yield size, regions


def _between(regions: Regions, begin: int, end: int) -> Regions:
    """Those that begin in data[begin:end]."""
    found: Regions = {}
    for number, rows in regions.items():
        low, high = rows[:, 0].searchsorted((begin, end)).tolist()
        if low < high:
            found[number] = rows[low:high]
    return found


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


def _best(candidates: Iterable[tuple[Rank, Match]]) -> list[Match]:
    """The best match, then the best of those that do not overlap it, and so on."""
    starts: list[int] = []
    taken: list[Match] = []
    for _, match in sorted(candidates, key=lambda ranked: (ranked[0], ranked[1].start)):
        at = bisect_left(starts, match.end)
        if at and taken[at - 1].end > match.start:
            continue
        starts.insert(at, match.start)
        taken.insert(at, match)
    return taken
