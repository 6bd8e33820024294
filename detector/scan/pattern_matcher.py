"""One pattern, searched for in many places at once: programs find, checks decide.

regions ──▶ matches that are not sure to be refused ──▶ checks ──▶ keywords ──▶ the pattern's
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
from detector.values.secrets import Secret

if TYPE_CHECKING:
    from detector.scan.regex_finder import Finder, Searched

REACH: Final = 4 << 10  # bytes of a long line, either side of a match, in which a keyword counts
_OWN: Final = "secret"

Region = tuple[int, int]
Rank = tuple[bool, bool, bool, int, int]


class Match(msgspec.Struct, frozen=True):
    """A secret that stands in data[start:end]."""

    start: int
    end: int
    pattern: Pattern
    secret: Secret


class _Watched(Check, frozen=True):
    """A check that counts, under its name, what it refuses."""

    check: Check
    name: tuple[str, str]
    counts: Counter[tuple[str, str]]

    def __call__(self, seen: Sighting) -> bool:
        """What the check says."""
        passes = self.check(seen)
        if not passes:
            self.counts[self.name] += 1
        return passes


class Source:
    """One pattern, ready to be searched for."""

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
        # The costlier one last: what a checksum refuses need not be read for words.
        checks = built if pattern.placeholder_ok else [*built, NotPlaceholder()]
        self.of_secret = tuple(check for check in checks if getattr(check, "target", _OWN) == _OWN)
        self.of_place = tuple(check for check in checks if check not in self.of_secret)
        self._finder: Finder | None = None
        self._counted = False
        self._traps = RefusalCache()

    def expressions(self) -> list[Expression]:
        """What the prefilter looks for: the regex, or its leading part; of one that spans lines, a keyword."""
        regex = None if self.pattern.multiline else leading_part(self.pattern.regex).encode()
        return [Expression(regex, self.keywords)]

    def may_be_in(self, lowered: bytes) -> bool:
        """Whether a keyword is in that text, which is in lower case."""
        return not self.keywords or any(word in lowered for word in self.keywords)

    def matches(
        self, data: bytes, view: Any, regions: Sequence[Region], searched: "Searched"
    ) -> Iterator[Match]:
        """What is in the regions, which do not overlap, and passes keywords and checks."""
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
        # It loads the compiler, which takes longer than commands that read no logs.
        from detector.scan.regex_finder import Finder  # noqa: PLC0415

        known = () if self._counted else self.of_secret  # refused early, nobody knows by which
        self._finder = Finder(self.pattern.regex, known, multiline=self.pattern.multiline)
        return self._finder

    def count_refusals(self, counts: Counter[tuple[str, str]]) -> None:
        """From now on (pattern, check) are counted when a check refuses; one refused text is seldom asked about again."""
        names = {check: kind for kind, check in CHECKS.items()}

        def watched(checks: Iterable[Check]) -> tuple[Check, ...]:
            return tuple(_Watched(check, (self.pattern.id, names[type(check)]), counts) for check in checks)

        self._counted, self._finder = True, None
        self.of_secret, self.of_place = watched(self.of_secret), watched(self.of_place)

    def rank(self, match: Match) -> Rank:
        """Smaller is better: not generic, our own, proven, longer, earlier in the files."""
        return self.pattern.generic, False, not self.pattern.proven, match.start - match.end, self.order


def regions_around(data: bytes, places: Iterable[Place], *, wide: bool) -> list[Region]:
    """Where to search because of hits: lines as they are, cells and what is `wide` with what a match may add.

    Neighbours are made one as they come: a key's first line alone, over and over, is a hit a line.
    """
    regions: list[Region] = []
    size, last = len(data), (-1, -1)
    for low, high, long in places:
        if not (wide or long):
            regions.append((low, high))
            last = -1, -1
            continue
        start, end = max(0, low - MAX_MATCH), min(size, high + MAX_MATCH)
        if last[0] <= start <= last[1]:
            last = last[0], max(end, last[1])
            regions[-1] = last
        else:
            last = start, end
            regions.append(last)
    return regions


class _Lines:
    """Whether a keyword of the source stands in the line around a match; asked once for the matches of one line."""

    def __init__(self, data: bytes, source: Source) -> None:
        self._data = data
        self._source = source
        self._low = self._high = -1
        self._holds = False

    def may_hold(self, start: int, end: int) -> bool:
        """Whether it does."""
        if self._low <= start and end <= self._high:
            return self._holds
        low, high = _around(self._data, start, end)
        self._holds = self._source.may_be_in(self._data[low:high].lower())
        # Of a longer line the next match may be near to what this one is too far from.
        whole = high - low <= REACH and not self._source.pattern.multiline
        self._low, self._high = (low, high) if whole else (-1, -1)
        return self._holds


def _around(data: bytes, start: int, end: int) -> Region:
    """Where the line around data[start:end] stands, or so much of it as is within `REACH`."""
    low = data.rfind(b"\n", max(0, start - REACH), start) + 1
    high = data.find(b"\n", end, end + REACH)
    return low or max(0, start - REACH), high if high >= 0 else min(end + REACH, len(data))


def line_around(data: bytes, start: int, end: int) -> bytes:
    """The line around data[start:end], or so much of it as is within `REACH`."""
    low, high = _around(data, start, end)
    return data[low:high]
