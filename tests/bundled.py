"""The bundled patterns and their scanner, made once in a process."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from detector.patterns.database_cache import DatabaseCache
from detector.patterns.pattern import Pattern, load_bundled
from detector.scan.scanner import PatternScanner
from detector.values.findings import Confidence

# Of the tests alone: the few that are kept for a user would be pushed out by commands with patterns of their own.
KEPT: Final = DatabaseCache(Path(__file__).parents[1] / ".cache" / "patterns")


@cache
def bundled_patterns() -> tuple[Pattern, ...]:
    """As they stand in their files."""
    return load_bundled()


@cache
def with_regex() -> tuple[Pattern, ...]:
    """Those with a regex: what names give away has tests of its own."""
    return tuple(pattern for pattern in bundled_patterns() if pattern.named is None)


@cache
def named() -> tuple[Pattern, ...]:
    """The others: what only a name beside it gives away."""
    return tuple(pattern for pattern in bundled_patterns() if pattern.named is not None)


@cache
def bundled_scanner() -> PatternScanner:
    """Shared: it keeps nothing of what it scans."""
    return scanner_of(bundled_patterns())


@cache
def regex_scanner() -> PatternScanner:
    """Of the patterns with a regex."""
    return scanner_of(with_regex())


def scanner_of(patterns: Sequence[Pattern], confidence: Confidence = Confidence.MEDIUM) -> PatternScanner:
    """With a database that is kept: Hyperscan compiles all patterns for two seconds of CPU."""
    return PatternScanner(patterns, cache=KEPT, confidence=confidence)
