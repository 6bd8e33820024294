"""Searches many regions of a text for one pattern.

regions ──▶ regex matches ──▶ check prefilter ──▶ checks ──▶ keywords ──▶ matches
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from detector.patterns.checks import CHECKS, Check, NotPlaceholder, Sighting
from detector.patterns.literals import leading_part
from detector.patterns.pattern import Pattern
from detector.patterns.prefilter import Expression
from detector.patterns.refusal_cache import RefusalCache
from detector.patterns.regexes import MAX_MATCH
from detector.values.findings import Confidence
from detector.values.secrets import Secret

if TYPE_CHECKING:
    from detector.scan.regex_finder import Finder, Searched

REACH: Final = 4 << 10  # bytes of a long line, either side of a match, in which a keyword counts
_OWN: Final = "secret"

Region = tuple[int, int]
Rank = tuple[bool, bool, bool, int, int]


class Named(msgspec.Struct, frozen=True):
    """The name that gave a secret away, as a finding shows it, and how sure that is.

    In the text it stands from `start` to `end`. A finding does not show a name that another secret overlaps.
    """

    name: str | None
    confidence: Confidence
    start: int = 0
    end: int = 0


class Match(msgspec.Struct, frozen=True):
    """A secret in data[start:end]. `named` is None if its own form says what it is."""

    start: int
    end: int
    pattern: Pattern
    secret: Secret
    named: Named | None = None


class _CountedCheck(Check, frozen=True):
    """A check that counts its refusals."""

    check: Check
    name: tuple[str, str]
    counts: Counter[tuple[str, str]]

    def __call__(self, seen: Sighting) -> bool:
        """Whether the sighting passes."""
        passes = self.check(seen)
        if not passes:
            self.counts[self.name] += 1
        return passes


class PatternMatcher:
    """Searches for one pattern."""

    __slots__ = (
        "_counted",
        "_finder",
        "_rank",
        "_traps",
        "keywords",
        "of_place",
        "of_secret",
        "order",
        "pattern",
        "wide",
    )

    def __init__(self, pattern: Pattern, order: int) -> None:
        self.pattern = pattern
        self.order = order
        self.wide = pattern.multiline
        self.keywords = tuple(word.encode() for word in pattern.keywords)
        built: list[Check] = [spec.build() for spec in pattern.checks]
        # The most expensive check last: a cheaper one may have refused already.
        checks = built if pattern.placeholder_ok else [*built, NotPlaceholder()]
        self.of_secret = tuple(check for check in checks if getattr(check, "target", _OWN) == _OWN)
        self.of_place = tuple(check for check in checks if check not in self.of_secret)
        self._rank = pattern.generic, False, not pattern.proven
        self._finder: Finder | None = None
        self._counted = False
        self._traps = RefusalCache()

    def expressions(self) -> list[Expression]:
        """What the prefilter looks for: the regex or its leading part; for a regex that spans lines, a keyword."""
        by_keywords = self.pattern.multiline or self.pattern.by_keywords
        regex = None if by_keywords else leading_part(self.pattern.regex).encode()
        return [Expression(regex, self.keywords)]

    def may_be_in(self, lowered: bytes) -> bool:
        """Whether this text, in lower case, contains a keyword."""
        return not self.keywords or any(word in lowered for word in self.keywords)

    def matches(self, data: bytes, view: Any, regions: Any, searched: "Searched") -> Iterator[Match]:
        """The matches that pass keywords and checks in the regions: rows (start, end) that do not overlap."""
        finder = self._finder or self._made_ready()
        passed: dict[bytes, Secret] = {}
        lines = _Lines(data, self)
        for match_start, match_end, start, end in finder.rows(data, view, regions, searched):
            text = data[start:end]
            if text in self._traps:
                continue
            secret = passed.get(text)
            if secret is None:
                seen = Sighting(text, data[match_start:match_end], b"")  # of the secret alone
                if not all(check(seen) for check in self.of_secret):
                    self._traps.add(text)
                    continue
                secret = passed[text] = Secret(text)
            if not lines.may_hold(match_start, match_end):
                continue
            if self.of_place:
                line = line_around(data, match_start, match_end)
                seen = Sighting(text, data[match_start:match_end], line)
                if not all(check(seen) for check in self.of_place):
                    continue
            yield Match(start, end, self.pattern, secret)

    def _made_ready(self) -> "Finder":
        # Importing numba takes longer than a whole command that reads no logs.
        from detector.scan.regex_finder import Finder  # noqa: PLC0415

        known = (
            () if self._counted else self.of_secret
        )  # the check prefilter does not say which check refuses
        self._finder = Finder(self.pattern.regex, known, multiline=self.pattern.multiline)
        return self._finder

    def count_refusals(self, counts: Counter[tuple[str, str]]) -> None:
        """Counts refusals by pattern and check from now on. A text that was refused before is seldom counted again."""
        names = {check: kind for kind, check in CHECKS.items()}

        def watched(checks: Iterable[Check]) -> tuple[Check, ...]:
            return tuple(
                _CountedCheck(check, (self.pattern.id, names[type(check)]), counts) for check in checks
            )

        self._counted, self._finder = True, None
        self.of_secret, self.of_place = watched(self.of_secret), watched(self.of_place)

    def rank(self, match: Match) -> Rank:
        """Smaller is better: not generic, our own, proven, longer, earlier in the files."""
        return *self._rank, match.start - match.end, self.order


def regions_around(data: bytes, places: Any, *, wide: bool) -> Any:
    """The regions to search around hits: a line as it is, others with the longest match around them.

    Others are a cell, or a hit of a `wide` pattern. Places are as `detector.patterns.prefilter.Hits` has them, and so
    are regions: a list of a few, an array of many.
    """
    size = len(data)
    if isinstance(places, list):
        return [
            (max(0, low - MAX_MATCH), min(size, high + MAX_MATCH)) if wide or long else (low, high)
            for low, high, long in places
        ]
    low, high, long = places.T
    more = np.where(long | wide, MAX_MATCH, 0)
    return np.column_stack([np.maximum(0, low - more), np.minimum(size, high + more)])


def merged_regions(found: Sequence[Any]) -> Any:
    """Lists and arrays of regions as one array: in order, merged where they touch or overlap."""
    if all(isinstance(each, list) for each in found):
        return np.array(_merged(sorted(set(chain.from_iterable(found)))), np.int64)
    regions = np.concatenate([np.array(each, np.int64).reshape(-1, 2) for each in found])
    starts, ends = regions[regions[:, 0].argsort(kind="stable")].T
    ends = np.maximum.accumulate(ends)
    (apart,) = np.nonzero(starts[1:] > ends[:-1])
    return np.column_stack([starts[np.append(0, apart + 1)], ends[np.append(apart, len(ends) - 1)]])


def _merged(ordered: Sequence[Region]) -> list[Region]:
    merged = [ordered[0]]
    for start, end in ordered:
        low, high = merged[-1]
        if start > high:
            merged.append((start, end))
        elif end > high:
            merged[-1] = low, end
    return merged


class _Lines:
    """Tells whether a keyword is in the line around a match. It looks once for all matches of a line."""

    def __init__(self, data: bytes, matcher: PatternMatcher) -> None:
        self._data = data
        self._matcher = matcher
        self._low = self._high = -1
        self._holds = False

    def may_hold(self, start: int, end: int) -> bool:
        """Whether the line around the match has a keyword: mostly the match itself has."""
        if self._low <= start and end <= self._high:
            return self._holds
        if self._matcher.may_be_in(self._data[start:end].lower()):
            return True
        low, high = _around(self._data, start, end)
        self._holds = self._matcher.may_be_in(self._data[low:high].lower())
        # In a longer line, the next match may be near a keyword that is too far from this one.
        whole = high - low <= REACH and not self._matcher.pattern.multiline
        self._low, self._high = (low, high) if whole else (-1, -1)
        return self._holds


def _around(data: bytes, start: int, end: int) -> Region:
    """The bounds of the line around data[start:end], at most `REACH` bytes away on either side."""
    low = data.rfind(b"\n", max(0, start - REACH), start) + 1
    high = data.find(b"\n", end, end + REACH)
    return low or max(0, start - REACH), high if high >= 0 else min(end + REACH, len(data))


def line_around(data: bytes, start: int, end: int) -> bytes:
    """The line around data[start:end], at most `REACH` bytes on either side."""
    low, high = _around(data, start, end)
    return data[low:high]
