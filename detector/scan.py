"""The scanner: Hyperscan says where something may be, google-re2 where it is, the checks whether it is one.

    data ── pieces ──▶ prefilter ──▶ regions of each pattern ──▶ matches ──▶ keywords ──▶ checks ──▶ the best of those that overlap

The result depends on the data alone, not on how it was cut into pieces and windows (see `detector.regexes`).
"""

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from detector.checks import CHECKS, Check, NotPlaceholder, Sighting
from detector.databases import DatabaseCache
from detector.detectsecrets import Plugin
from detector.literals import leading_part
from detector.patterns import Pattern, distinct
from detector.prefilter import Expression, Prefilter, around
from detector.regexes import MAX_MATCH, Regex
from detector.secrets import Secret
from detector.traps import Traps

PIECE: Final = 256 << 10  # bytes scanned at once
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

    __slots__ = ("_regex", "_traps", "keywords", "of_place", "of_secret", "order", "pattern")

    def __init__(self, pattern: Pattern, order: int) -> None:
        self.pattern = pattern
        self.order = order
        self._regex: Regex | None = None
        self.keywords = tuple(word.encode() for word in pattern.keywords)
        built: list[Check] = [spec.build() for spec in pattern.checks]
        # The costlier one last: what a checksum refuses need not be read for words.
        checks = built if pattern.placeholder_ok else [*built, NotPlaceholder()]
        self.of_secret = tuple(check for check in checks if getattr(check, "target", _OWN) == _OWN)
        self.of_place = tuple(check for check in checks if check not in self.of_secret)
        self._traps = Traps()

    @property
    def regex(self) -> Regex:
        """The regex, compiled when it is first needed: most patterns of most runs have not one hit."""
        if self._regex is None:
            self._regex = Regex(self.pattern.regex, multiline=self.pattern.multiline)
        return self._regex

    def expressions(self) -> list[Expression]:
        """What the prefilter looks for: the regex, or its leading part; of one that spans lines, a keyword."""
        regex = None if self.pattern.multiline else leading_part(self.pattern.regex).encode()
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
        if region[1] - region[0] <= PIECE and not self.may_be_in(line_around(data, *region).lower()):
            return
        for (match_start, match_end), (start, end) in self.regex.matches(data, *region):
            secret = data[start:end]
            if secret in self._traps:
                continue
            line = line_around(data, match_start, match_end)
            seen = Sighting(secret, data[match_start:match_end], line)
            if not all(check(seen) for check in self.of_secret):
                self._traps.add(secret)
            elif self.may_be_in(line.lower()) and all(check(seen) for check in self.of_place):
                yield Match(start, end, self.pattern, Secret(secret))

    def count_refusals(self, counts: Counter[tuple[str, str]]) -> None:
        """From now on (pattern, check) are counted when a check refuses; one refused text is seldom asked about again."""
        names = {check: kind for kind, check in CHECKS.items()}

        def watched(checks: Iterable[Check]) -> tuple[Check, ...]:
            return tuple(_Watched(check, (self.pattern.id, names[type(check)]), counts) for check in checks)

        self.of_secret, self.of_place = watched(self.of_secret), watched(self.of_place)

    def rank(self, match: Match) -> Rank:
        """Smaller is better: not generic, our own, proven, longer, earlier in the files."""
        return self.pattern.generic, False, not self.pattern.proven, match.start - match.end, self.order


class PluginSource:
    """A detect-secrets plugin, searched for like a pattern of our own."""

    __slots__ = ("order", "pattern", "plugin")

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

    def region(self, data: bytes, at: int) -> Region:
        """Where to search because of a hit at `at`."""
        low, high, long = around(data, at)
        return (max(0, low - MAX_MATCH), min(len(data), high + MAX_MATCH)) if long else (low, high)

    def matches(self, data: bytes, region: Region) -> Iterator[Match]:
        """What the plugin and detect-secrets' filters see in the region."""
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
        pairs = [(number, e) for number, source in enumerate(self._sources) for e in source.expressions()]
        self._source_of = [number for number, _ in pairs]
        self._prefilter = Prefilter([expression for _, expression in pairs], cache or DatabaseCache())

    def scan(self, data: bytes) -> list[Match]:
        """The secrets in `data`, any number of lines, left to right, none overlapping."""
        regions = self._regions(data)
        candidates: list[tuple[Rank, Match]] = []
        for number, found in regions.items():
            source = self._sources[number]
            for region in _merged(found):
                candidates.extend((source.rank(match), match) for match in source.matches(data, region))
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


def line_around(data: bytes, start: int, end: int) -> bytes:
    """The line around data[start:end], or so much of it as is within `REACH`."""
    low = data.rfind(b"\n", max(0, start - REACH), start) + 1
    high = data.find(b"\n", end, end + REACH)
    return data[low or max(0, start - REACH) : high if high >= 0 else end + REACH]


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
