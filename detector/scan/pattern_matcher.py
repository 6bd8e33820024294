"""Searches many regions of a text for one pattern.

regions ──▶ regex matches ──▶ check prefilter ──▶ checks ──▶ keywords ──▶ matches
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from detector.patterns.checks import CHECKS, Check, NotPlaceholder, Sighting
from detector.patterns.literals import leading_part
from detector.patterns.pattern import Pattern
from detector.patterns.prefilter import Expression, Place
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
    """The name that gave a secret away, as a finding shows it, and how sure that is. In the text it stands from `start` to `end`.

    A finding does not show a name that another secret overlaps.
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
        self._finder: Finder | None = None
        self._counted = False
        self._traps = RefusalCache()

    def expressions(self) -> list[Expression]:
        """What the prefilter looks for: the regex or its leading part; for a regex that spans lines, a keyword."""
        regex = None if self.pattern.multiline else leading_part(self.pattern.regex).encode()
        return [Expression(regex, self.keywords)]

    def may_be_in(self, lowered: bytes) -> bool:
        """Whether this text, in lower case, contains a keyword."""
        return not self.keywords or any(word in lowered for word in self.keywords)

    def matches(
        self, data: bytes, view: Any, regions: Sequence[Region], searched: "Searched"
    ) -> Iterator[Match]:
        """The matches in the regions that pass keywords and checks. The regions do not overlap."""
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
        return self.pattern.generic, False, not self.pattern.proven, match.start - match.end, self.order


def regions_around(data: bytes, places: Iterable[Place], *, wide: bool) -> list[Region]:
    """The regions to search around hits: a line as it is, a cell or a hit of a `wide` pattern with the longest match around it.

    Neighbours are merged: the first line of a key, repeated, is a hit on every line.
    """
    regions: list[Region] = []
    size, first, last = len(data), 0, -1  # of the region that may go on
    for low, high, long in places:
        if not (wide or long):
            regions.append((low, high))
            continue
        start = low - MAX_MATCH
        if not first <= start <= last:
            if last >= 0:
                regions.append((max(0, first), min(size, last)))
            first, last = start, 0
        last = max(last, high + MAX_MATCH)
    if last >= 0:
        regions.append((max(0, first), min(size, last)))
    return regions


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
